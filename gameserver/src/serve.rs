//! Puts the parts together: a world, its players' port, its agent.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::agent::socket::Socket;
use crate::agent::{self, Agent, Gate};
use crate::config::{Config, Key, keys};
use crate::game::{self, Game, StartError};
use crate::metrics::Metrics;
use crate::net::{Senders, listen};

/// Why the server does not run, or no more.
#[derive(Debug, Error)]
pub enum ServeError {
    /// A port cannot be had.
    #[error("cannot listen on {address}: {source}; {}", remedy(source, host, port))]
    Port {
        /// Where.
        address: SocketAddr,
        /// The key that sets the address.
        host: &'static Key,
        /// The key that sets the port.
        port: &'static Key,
        /// Why.
        source: io::Error,
    },
    /// The agent's unix socket cannot be had.
    #[error("cannot open the socket {}: {source}; set agent.socket to a file in a folder that exists and may be written (environment: WORLDKEEPER_AGENT__SOCKET)", path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("the system gives no thread: {0}")]
    Thread(io::Error),
    /// Signals cannot be received.
    #[error("signals cannot be received: {0}")]
    Signal(io::Error),
    /// The world could not be made, or broke.
    #[error(transparent)]
    World(#[from] StartError),
    /// The tick thread went without a word.
    #[error("the world's thread is gone")]
    Gone,
}

/// What to do about a port that cannot be had.
fn remedy(error: &io::Error, host: &Key, port: &Key) -> String {
    let set = |key: &Key, to: &str| {
        let Key { path, flag, .. } = key;
        format!(
            "set {path} to {to} (--{flag}, environment: {})",
            key.variable()
        )
    };
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "end what uses the port, or {}",
                set(port, "another, or to 0 for a free one")
            )
        }
        io::ErrorKind::PermissionDenied => format!(
            "this user has no right to that port: {}, or give the program the capability \
             CAP_NET_BIND_SERVICE",
            set(port, "one from 1024 on")
        ),
        io::ErrorKind::AddrNotAvailable => {
            format!(
                "this machine has no such address: {}",
                set(host, "one that it has, or to 0.0.0.0 for all")
            )
        }
        _ => format!("{}, or {}", set(host, "another"), set(port, "another")),
    }
}

/// Where somebody on this machine opens the world in a browser.
fn address_here(players: SocketAddr) -> String {
    let ip = match players.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    format!("http://{}/", SocketAddr::new(ip, players.port()))
}

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    /// Where players connect.
    pub players: SocketAddr,
    /// Where the agent listens.
    pub agent: SocketAddr,
    /// The world.
    pub game: Game,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    ended: oneshot::Receiver<Result<(), StartError>>,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    senders: Senders,
}

/// Starts everything.
///
/// # Errors
/// A port, the socket or a thread cannot be had.
pub async fn start(config: Config) -> Result<Running, ServeError> {
    let metrics = Arc::new(Metrics::new(&config.world));
    let address = SocketAddr::new(config.server.host, config.server.port);
    let listener = listen::bind(address).map_err(|source| ServeError::Port {
        address,
        host: &keys::SERVER_HOST,
        port: &keys::SERVER_PORT,
        source,
    })?;
    let address = SocketAddr::new(config.agent.host, config.agent.port);
    let agent_error = |source| ServeError::Port {
        address,
        host: &keys::AGENT_HOST,
        port: &keys::AGENT_PORT,
        source,
    };
    let agent_listener = listen::bind(address).map_err(agent_error)?;
    let agent_address = agent_listener.local_addr().map_err(agent_error)?;
    let players = listener.local_addr().map_err(agent_error)?;
    let socket = match &config.agent.socket {
        None => None,
        Some(path) => Some(Socket::bind(path).map_err(|source| ServeError::Socket {
            path: path.clone(),
            source,
        })?),
    };
    if config.agent.auth.is_none() {
        warn!("agent.jwks_file is not set: every call under /agent/v1 is refused");
    }

    let (game, inbox) = Game::new();
    let senders = Senders::start(config.server.connection_timeout, metrics.clone())
        .map_err(ServeError::Thread)?;
    let stop = CancellationToken::new();
    let mut tasks = Vec::new();
    let agent = Agent {
        gate: Gate::new(config.agent.auth.as_ref(), &config.world, metrics.clone()),
        game: game.clone(),
        metrics: metrics.clone(),
    };
    tasks.push(tokio::spawn(agent::run(
        agent_listener,
        agent,
        stop.clone(),
    )));
    if let Some(socket) = socket {
        tasks.push(tokio::spawn(socket.run(game.clone(), stop.clone())));
    }
    tasks.push(tokio::spawn(listen::run(
        listener,
        config.server.clone(),
        game.clone(),
        config.world.params.tick_rate().ticks(1),
        metrics.clone(),
        stop.clone(),
    )));
    let open = address_here(players);
    info!(%players, agent = %agent_address, open, version = crate::VERSION, "listening");
    let ended = game::start(config, metrics.clone(), senders.sender(), inbox)
        .map_err(ServeError::Thread)?;
    Ok(Running {
        players,
        agent: agent_address,
        game,
        metrics,
        ended,
        stop,
        tasks,
        senders,
    })
}

/// SIGTERM and SIGINT. To be had before anything else is started: a process that runs as PID 1 never
/// sees a signal for which it has no handler yet.
#[derive(Debug)]
pub struct Signals {
    term: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on no signal is lost.
    ///
    /// # Errors
    /// The system gives no handler.
    pub fn install() -> Result<Self, ServeError> {
        Ok(Self {
            term: signal(SignalKind::terminate()).map_err(ServeError::Signal)?,
            interrupt: signal(SignalKind::interrupt()).map_err(ServeError::Signal)?,
        })
    }
}

impl Running {
    /// Serves until a signal has closed the world. A second signal closes it at once.
    ///
    /// # Errors
    /// The world broke.
    pub async fn until(mut self, signals: Signals) -> Result<(), ServeError> {
        let Signals {
            mut term,
            mut interrupt,
        } = signals;
        let result = loop {
            tokio::select! {
                ended = &mut self.ended => break ended,
                _ = term.recv() => info!("SIGTERM"),
                _ = interrupt.recv() => info!("SIGINT"),
            }
            self.game.close();
        };
        self.finish(result).await
    }

    /// Closes the world and waits for its end.
    ///
    /// # Errors
    /// The world broke.
    pub async fn close(mut self) -> Result<(), ServeError> {
        self.game.close();
        let result = (&mut self.ended).await;
        self.finish(result).await
    }

    async fn finish(
        self,
        ended: Result<Result<(), StartError>, oneshot::error::RecvError>,
    ) -> Result<(), ServeError> {
        self.stop.cancel();
        for task in self.tasks {
            // All of them end with `stop`; a bug must not keep the pod from ending.
            let _ = tokio::time::timeout(Duration::from_secs(1), task).await;
        }
        drop(self.senders);
        ended
            .map_err(|_| ServeError::Gone)?
            .map_err(ServeError::World)
    }
}
