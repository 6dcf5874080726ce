//! Accepts players' connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::connection::{self, Context};
use crate::config;
use crate::game::Game;
use crate::metrics::{HandshakeFailure, Metrics};

/// Connections that the kernel holds for us: all players of a full world may come back at once.
const BACKLOG: i32 = 4096;
/// Connections beyond two per seat: those that are about to be refused or replaced.
const SPARE_CONNECTIONS: usize = 256;

/// Opens a listening socket.
///
/// # Errors
/// The address is taken, or not ours.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A world that comes back must not wait for the connections of the one before to be forgotten.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts players until `stop`. `ahead`: the ticks of a second.
pub async fn run(
    listener: TcpListener,
    config: config::Server,
    game: Game,
    ahead: u64,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let seats = usize::try_from(config.max_players).unwrap_or(usize::MAX);
    let connections = Arc::new(Semaphore::new(2 * seats + SPARE_CONNECTIONS));
    let context = Arc::new(Context {
        config,
        game,
        ahead,
        metrics,
    });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let metrics = context.metrics.clone();
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: others must close before more can come.
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(permit) = connections.clone().try_acquire_owned() else {
            Metrics::count(
                &metrics.failed_handshakes,
                HandshakeFailure::Overloaded.as_str(),
            );
            continue;
        };
        let context = context.clone();
        tokio::spawn(async move {
            metrics.connections.inc();
            connection::serve(stream, peer, context).await;
            metrics.connections.dec();
            drop(permit);
        });
    }
}
