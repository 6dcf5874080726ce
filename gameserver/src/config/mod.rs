//! Configuration: defaults, then a TOML file, then the environment, then flags; the later wins.
//!
//! [`keys`] is the one table of all keys; [`Settings`] are their values with their sources; [`Config`]
//! is what has been checked. All mistakes are found at once, each with its place and the remedy.
//! `config/CONFIGURATION.md` and `config/server.toml` are written from the table ([`show`]).

pub mod environment;
mod file;
pub mod keys;
mod kind;
mod mistake;
mod settings;
pub mod show;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use worldkeeper_sim::{Genre, Params, TickRate};

pub use keys::Key;
pub use kind::{Kind, Value};
pub use mistake::{Mistake, Mistakes, Source};
pub use settings::{Given, Setting, Settings};

use crate::protocol::WorldName;

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
    /// A connection that takes nothing for so long, or does not acknowledge what it was sent, is given
    /// up.
    pub connection_timeout: Duration,
    /// A connection from which nothing is heard for so long is given up. At most `connection_timeout`.
    pub silence_timeout: Duration,
    /// How often every client is asked for a WebSocket pong: so that one who answers within
    /// `pong_timeout` is heard before `silence_timeout`.
    pub ping_interval: Duration,
    /// Most messages a second from one client.
    pub max_messages_per_second: u32,
    /// How far a player sees, in metres.
    pub view_radius_metres: u32,
    /// Most players and creatures in one player's view: the nearest.
    pub max_visible: u32,
    /// Most things that stand still (resources, stations, bags) in one player's view: the nearest.
    pub max_visible_fixtures: u32,
    /// Origins, besides the server's own, whose pages may play here.
    pub allowed_origins: Vec<String>,
    /// Most clients that may use JSON; 0 turns it off.
    pub json_max_clients: u32,
    /// Updates a second for clients that use JSON.
    pub json_rate_hz: u32,
    /// How far they see, in metres, where players see farther.
    pub json_view_radius_metres: u32,
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
    /// What a process to which nothing is given gets.
    ///
    /// # Errors
    /// Never: a test holds that the defaults are allowed.
    pub fn defaults() -> Result<Self, Mistakes> {
        Self::check(Settings::gather(&Given::default()))
    }

    /// From everything that is given.
    ///
    /// # Errors
    /// All that is wrong, where, and how to mend it.
    pub fn load(given: &Given) -> Result<Self, Mistakes> {
        Self::check(Settings::gather(given))
    }

    /// Checks what no key can alone.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn check(mut settings: Settings) -> Result<Self, Mistakes> {
        contradictions(&mut settings);
        if settings.is_faultless()
            && let Some(config) = build(&settings)
        {
            return Ok(config);
        }
        Err(settings.into_mistakes())
    }
}

/// Values that do not go together. Where one of two is wrong already, there is nothing to compare.
fn contradictions(settings: &mut Settings) {
    let number = |settings: &Settings, key: &Key| settings.number::<u64>(key);
    if let (Some(pong), Some(connection)) = (
        number(settings, &keys::SERVER_PONG_TIMEOUT),
        number(settings, &keys::SERVER_CONNECTION_TIMEOUT),
    ) && connection <= pong
    {
        let words = format!(
            "{connection} s is not longer than server.pong_timeout ({pong} s): clients that only listen \
             would be cut off before they can answer; raise it, or lower server.pong_timeout"
        );
        settings.wrong(&keys::SERVER_CONNECTION_TIMEOUT, words);
    }
    if let Some(rate) = number(settings, &keys::SERVER_TICK_RATE_HZ) {
        let messages = number(settings, &keys::SERVER_MAX_MESSAGES_PER_SECOND);
        if let Some(messages) = messages.filter(|messages| *messages < rate) {
            let words = format!(
                "{messages} is less than server.tick_rate_hz ({rate}): a client may send one each tick"
            );
            settings.wrong(&keys::SERVER_MAX_MESSAGES_PER_SECOND, words);
        }
        let json = number(settings, &keys::SERVER_JSON_RATE_HZ);
        if let Some(json) = json.filter(|json| *json > rate) {
            let words = format!("{json} is more than server.tick_rate_hz ({rate})");
            settings.wrong(&keys::SERVER_JSON_RATE_HZ, words);
        }
    }
    let port = number(settings, &keys::SERVER_PORT).filter(|port| *port != 0);
    if port.is_some() && port == number(settings, &keys::AGENT_PORT) {
        let words = format!(
            "{} is server.port as well: players and the operator need a port each",
            port.unwrap_or_default()
        );
        settings.wrong(&keys::AGENT_PORT, words);
    }
    let jwks = settings.text(&keys::AGENT_JWKS_FILE).map(str::to_owned);
    let uid = settings.text(&keys::AGENT_POD_UID).map(str::to_owned);
    match (jwks.as_deref(), uid.as_deref()) {
        (Some(""), Some(uid)) if !uid.is_empty() => settings.wrong(
            &keys::AGENT_JWKS_FILE,
            "is empty while agent.pod_uid is set: set it to the file with the operator's keys, or leave \
             both empty"
                .to_owned(),
        ),
        (Some(file), Some("")) if !file.is_empty() => {
            let words = format!(
                "is empty while agent.jwks_file is {file:?}: set it to the pod's uid (metadata.uid by \
                 the downward API), or leave both empty"
            );
            settings.wrong(&keys::AGENT_POD_UID, words);
        }
        _ => {}
    }
}

/// None only if a value is wrong, which is a mistake already.
fn build(settings: &Settings) -> Option<Config> {
    let text = |key| settings.text(key);
    let path = |key| Some(text(key)?).filter(|path| !path.is_empty());
    let seconds = |key| Some(Duration::from_secs(settings.number(key)?));
    let world = Params::new(
        text(&keys::WORLD_GENRE)?.parse::<Genre>().ok()?,
        settings.number(&keys::WORLD_SIZE)?,
        TickRate::new(settings.number(&keys::SERVER_TICK_RATE_HZ)?).ok()?,
    );
    let pong_timeout = seconds(&keys::SERVER_PONG_TIMEOUT)?;
    let connection_timeout = seconds(&keys::SERVER_CONNECTION_TIMEOUT)?;
    let ping_interval = ping_interval(
        seconds(&keys::SERVER_PING_INTERVAL)?,
        pong_timeout,
        connection_timeout,
    );
    Some(Config {
        server: Server {
            host: text(&keys::SERVER_HOST)?.parse().ok()?,
            port: settings.number(&keys::SERVER_PORT)?,
            max_players: settings.number(&keys::SERVER_MAX_PLAYERS)?,
            max_frame_bytes: settings.number(&keys::SERVER_MAX_MESSAGE_SIZE)?,
            resume_grace_seconds: settings.number(&keys::SERVER_RESUME_GRACE)?,
            hello_timeout: seconds(&keys::SERVER_HELLO_TIMEOUT)?,
            connection_timeout,
            silence_timeout: ping_interval + pong_timeout,
            ping_interval,
            max_messages_per_second: settings.number(&keys::SERVER_MAX_MESSAGES_PER_SECOND)?,
            view_radius_metres: settings.number(&keys::SERVER_VIEW_RADIUS_METRES)?,
            max_visible: settings.number(&keys::SERVER_MAX_VISIBLE)?,
            max_visible_fixtures: settings.number(&keys::SERVER_MAX_VISIBLE_FIXTURES)?,
            allowed_origins: text(&keys::SERVER_ALLOWED_ORIGINS)?
                .split(',')
                .map(str::trim)
                .filter(|origin| !origin.is_empty())
                .map(str::to_owned)
                .collect(),
            json_max_clients: settings.number(&keys::SERVER_JSON_MAX_CLIENTS)?,
            json_rate_hz: settings.number(&keys::SERVER_JSON_RATE_HZ)?,
            json_view_radius_metres: settings.number(&keys::SERVER_JSON_VIEW_RADIUS_METRES)?,
            closing_notice_seconds: settings.number(&keys::SERVER_CLOSING_NOTICE)?,
            worker_threads: settings.number(&keys::SERVER_WORKER_THREADS)?,
        },
        world: World {
            name: WorldName::new(text(&keys::WORLD_NAME)?).ok()?,
            seed: settings.number(&keys::WORLD_SEED)?,
            params: world.ok()?,
            epoch: settings.number(&keys::WORLD_EPOCH)?,
        },
        agent: Agent {
            host: text(&keys::AGENT_HOST)?.parse().ok()?,
            port: settings.number(&keys::AGENT_PORT)?,
            auth: path(&keys::AGENT_JWKS_FILE).and_then(|file| {
                Some(Auth {
                    jwks_file: file.into(),
                    pod_uid: text(&keys::AGENT_POD_UID)?.to_owned(),
                })
            }),
            socket: path(&keys::AGENT_SOCKET).map(PathBuf::from),
        },
        logging: Logging {
            format: match text(&keys::LOGGING_FORMAT)? {
                "json" => LogFormat::Json,
                _ => LogFormat::Text,
            },
            level: text(&keys::LOGGING_LEVEL)?.to_owned(),
        },
    })
}

/// At most `wanted`; and so often that a client who was just heard when a ping went out, and then only
/// answers the next, is heard again within `connection_timeout`.
fn ping_interval(wanted: Duration, pong: Duration, connection: Duration) -> Duration {
    wanted.min(connection.saturating_sub(pong))
}
