//! Configuration: defaults, then a TOML file, then the environment; the later wins.
//!
//! [`Config`] is what has been checked. Errors name the key, the place that it came from and the
//! remedy. `config/server.toml` shows every key.

mod error;
mod file;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use worldkeeper_sim::{Genre, Params, TickRate};

pub use error::ConfigError;

use crate::protocol::{WorldName, limits};
use file::File;

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Players' side.
    pub server: Server,
    /// Which world.
    pub world: World,
    /// The operator's side.
    pub agent: Agent,
    /// Logs.
    pub logging: Logging,
}

/// Players' side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Seats.
    pub max_players: u32,
    /// Largest WebSocket message taken from a client, in bytes.
    pub max_frame_bytes: usize,
    /// How long a player's body waits for a lost connection to come back, in seconds.
    pub resume_grace_seconds: u32,
    /// How long a new connection may take to say who it is.
    pub hello_timeout: Duration,
    /// A connection from which nothing is heard for so long is given up.
    pub silence_timeout: Duration,
    /// How often every client is asked for a WebSocket pong.
    pub ping_interval: Duration,
    /// Most messages a second from one client.
    pub max_messages_per_second: u32,
    /// How far a player sees, in metres.
    pub view_radius_metres: u32,
    /// Most entities in one player's view: the nearest.
    pub max_visible: u32,
    /// Most clients that may use JSON; 0 turns it off.
    pub json_max_clients: u32,
    /// Updates a second for clients that use JSON.
    pub json_rate_hz: u32,
    /// Seconds from the notice that the world closes to the closing of the connections.
    pub closing_notice_seconds: u32,
    /// Threads that accept and read.
    pub worker_threads: usize,
}

/// Which world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// `namespace/name` of the `GameServer`.
    pub name: WorldName,
    /// Seed.
    pub seed: u64,
    /// Genre, size and tick rate.
    pub params: Params,
    /// This incarnation's number, from 1.
    pub epoch: u64,
}

/// The operator's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Who may call: none, and every call that needs a token is refused.
    pub auth: Option<Auth>,
    /// Unix socket for calls from inside the container.
    pub socket: Option<PathBuf>,
}

/// Who may call the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// File with the operator's public keys.
    pub jwks_file: PathBuf,
    /// Audience of tokens for this pod.
    pub pod_uid: String,
}

/// Logs, which go to stdout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logging {
    /// Shape of a line.
    pub format: LogFormat,
    /// Filter, as `tracing` writes them: `info`, `worldkeeper_server=debug`, …
    pub level: String,
}

/// Shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

impl Config {
    /// What a process without a file and an environment gets.
    ///
    /// # Errors
    /// Never: a test holds that the defaults are allowed.
    pub fn defaults() -> Result<Self, ConfigError> {
        Self::check(File::default())
    }

    /// From the defaults, the file if there is one, and this process' environment.
    ///
    /// # Errors
    /// What is wrong, where, and how to mend it.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::check(File::load(file)?)
    }

    fn check(file: File) -> Result<Self, ConfigError> {
        let File {
            server,
            world,
            agent,
            logging,
        } = file;
        let tick_rate = TickRate::new(server.tick_rate_hz)
            .map_err(|e| ConfigError::value("server.tick_rate_hz", e))?;
        Ok(Self {
            world: check_world(&world, tick_rate)?,
            agent: check_agent(&agent)?,
            server: check_server(&server)?,
            logging: check_logging(logging)?,
        })
    }
}

fn check_server(server: &file::Server) -> Result<Server, ConfigError> {
    let file::Server {
        host,
        port,
        max_players,
        tick_rate_hz,
        max_frame_bytes,
        resume_grace_seconds,
        hello_timeout_seconds,
        silence_timeout_seconds,
        ping_interval_seconds,
        max_messages_per_second,
        view_radius_metres,
        max_visible,
        json_max_clients,
        json_rate_hz,
        closing_notice_seconds,
        worker_threads,
    } = server;
    let seconds = |n: u32| Duration::from_secs(n.into());
    let ping = range(
        "server.ping_interval_seconds",
        *ping_interval_seconds,
        1,
        600,
    )?;
    let silence = range(
        "server.silence_timeout_seconds",
        *silence_timeout_seconds,
        2,
        3600,
    )?;
    if silence <= ping {
        return Err(ConfigError::value(
            "server.silence_timeout_seconds",
            format!(
                "{silence} s is not longer than server.ping_interval_seconds ({ping} s): clients that \
                 only listen would be cut off; raise it, or lower the ping interval"
            ),
        ));
    }
    let largest_frame = u32::try_from(limits::MAX_CLIENT_MESSAGE_BYTES).unwrap_or(u32::MAX);
    let largest_view = u32::try_from(limits::MAX_VIEW_ENTITIES).unwrap_or(u32::MAX);
    let frame = range(
        "server.max_frame_bytes",
        *max_frame_bytes,
        1024,
        largest_frame,
    )?;
    Ok(Server {
        host: address("server.host", host)?,
        port: port_number("server.port", *port)?,
        max_players: range("server.max_players", *max_players, 1, 5000)?,
        max_frame_bytes: frame.try_into().unwrap_or(limits::MAX_CLIENT_MESSAGE_BYTES),
        resume_grace_seconds: range(
            "server.resume_grace_seconds",
            *resume_grace_seconds,
            0,
            3600,
        )?,
        hello_timeout: seconds(range(
            "server.hello_timeout_seconds",
            *hello_timeout_seconds,
            1,
            60,
        )?),
        silence_timeout: seconds(silence),
        ping_interval: seconds(ping),
        max_messages_per_second: range(
            "server.max_messages_per_second",
            *max_messages_per_second,
            *tick_rate_hz,
            10_000,
        )?,
        view_radius_metres: range("server.view_radius_metres", *view_radius_metres, 8, 1000)?,
        max_visible: range("server.max_visible", *max_visible, 1, largest_view)?,
        json_max_clients: range("server.json_max_clients", *json_max_clients, 0, 5000)?,
        json_rate_hz: range("server.json_rate_hz", *json_rate_hz, 1, *tick_rate_hz)?,
        closing_notice_seconds: range(
            "server.closing_notice_seconds",
            *closing_notice_seconds,
            0,
            600,
        )?,
        worker_threads: range("server.worker_threads", *worker_threads, 1, 64)?
            .try_into()
            .unwrap_or(1),
    })
}

fn check_world(world: &file::World, tick_rate: TickRate) -> Result<World, ConfigError> {
    let file::World {
        name,
        seed,
        genre,
        size,
        epoch,
    } = world;
    let name = WorldName::new(name.as_str()).map_err(|e| ConfigError::value("world.name", e))?;
    let genre: Genre = genre
        .parse()
        .map_err(|e| ConfigError::value("world.genre", e))?;
    let size = u32::try_from(*size).unwrap_or(u32::MAX);
    let params =
        Params::new(genre, size, tick_rate).map_err(|e| ConfigError::value("world.size", e))?;
    Ok(World {
        name,
        seed: whole("world.seed", *seed, 0)?,
        params,
        epoch: whole("world.epoch", *epoch, 1)?,
    })
}

fn check_agent(agent: &file::Agent) -> Result<Agent, ConfigError> {
    let file::Agent {
        host,
        port,
        jwks_file,
        pod_uid,
        socket,
    } = agent;
    let auth = match (jwks_file.as_str(), pod_uid.as_str()) {
        ("", "") => None,
        (file, "") => {
            return Err(ConfigError::value(
                "agent.pod_uid",
                format!(
                    "is empty while agent.jwks_file is {file:?}: set it to the pod's uid \
                     (metadata.uid by the downward API), or leave both empty"
                ),
            ));
        }
        ("", _) => {
            return Err(ConfigError::value(
                "agent.jwks_file",
                "is empty while agent.pod_uid is set: set it to the file with the operator's keys, or \
                 leave both empty",
            ));
        }
        (file, uid) => Some(Auth {
            jwks_file: file.into(),
            pod_uid: uid.to_owned(),
        }),
    };
    Ok(Agent {
        host: address("agent.host", host)?,
        port: port_number("agent.port", *port)?,
        auth,
        socket: (!socket.is_empty()).then(|| socket.into()),
    })
}

fn check_logging(logging: file::Logging) -> Result<Logging, ConfigError> {
    let file::Logging { format, level } = logging;
    let format = match format.as_str() {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        other => {
            return Err(ConfigError::value(
                "logging.format",
                format!("{other:?}; choose text or json"),
            ));
        }
    };
    if let Err(e) = tracing_subscriber::EnvFilter::try_new(&level) {
        return Err(ConfigError::value(
            "logging.level",
            format!("{level:?}: {e}; choose error, warn, info, debug or trace"),
        ));
    }
    Ok(Logging { format, level })
}

fn range(key: &'static str, value: u32, min: u32, max: u32) -> Result<u32, ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(ConfigError::value(
        key,
        format!("{value}; choose {min} to {max}"),
    ))
}

fn whole(key: &'static str, value: u64, min: u64) -> Result<u64, ConfigError> {
    let max = worldkeeper_sim::MAX_SEED;
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(ConfigError::value(
        key,
        format!("{value}; choose {min} to {max}"),
    ))
}

fn port_number(key: &'static str, port: u32) -> Result<u16, ConfigError> {
    u16::try_from(port).map_err(|_| {
        let words = format!("{port}; choose 1 to 65535, or 0 for a free one");
        ConfigError::value(key, words)
    })
}

fn address(key: &'static str, host: &str) -> Result<IpAddr, ConfigError> {
    host.parse().map_err(|_| {
        let words = format!(
            "{host:?}; choose an IP address: 0.0.0.0 or :: for all, 127.0.0.1 for this machine"
        );
        ConfigError::value(key, words)
    })
}
