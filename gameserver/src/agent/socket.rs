//! The unix socket for calls from inside the container: `worldkeeper-server drain`, which the kubelet
//! runs before it ends the pod. It needs no token; whoever can open the socket could as well kill us.
//!
//! A caller writes one line, `{"drain":{"timeoutSeconds":25}}`, and reads statuses, one a line, until
//! it goes or the world does. Loopback would not do: a port-forward arrives there.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use worldkeeper_crds::agent::{AgentStatus, DrainPhase, MAX_STATUS_BYTES};

use super::http::line;
use crate::game::{Drain, Game};

/// Most callers at once.
const MAX_CALLERS: usize = 8;
/// Longest request.
const MAX_REQUEST: u64 = 1024;
/// A request must come within this time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Request {
    #[serde(rename_all = "camelCase")]
    Drain { timeout_seconds: u32 },
}

/// The listening socket; its file goes with it.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Opens it; takes the place of a file that an earlier process left behind.
    ///
    /// # Errors
    /// The folder is not there, or not ours to write.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path: path.into(),
        })
    }

    /// Serves until `stop`.
    pub async fn run(self, game: Game, stop: CancellationToken) {
        let callers = Arc::new(Semaphore::new(MAX_CALLERS));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "agent socket cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Ok(permit) = callers.clone().try_acquire_owned() else {
                continue;
            };
            let (game, stop) = (game.clone(), stop.clone());
            tokio::spawn(async move {
                tokio::select! {
                    result = serve(stream, game) => {
                        if let Err(error) = result {
                            debug!(%error, "agent socket caller gone");
                        }
                    }
                    () = stop.cancelled() => {}
                }
                drop(permit);
            });
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A file that is left behind is replaced at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(stream: UnixStream, game: Game) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut request = String::new();
    let mut read = BufReader::new(read.take(MAX_REQUEST));
    timeout(REQUEST_TIMEOUT, read.read_line(&mut request)).await??;
    let Request::Drain { timeout_seconds } = serde_json::from_str(&request)?;
    info!(timeout_seconds, "drain asked for from inside the container");
    let mut status = game.status();
    // A world that is closing already needs no asking; the statuses say so.
    if let Ok(now) = game.drain(Drain::Ending(timeout_seconds)).await {
        write.write_all(&line(&now)).await?;
    }
    loop {
        let now = status
            .borrow_and_update()
            .as_ref()
            .map(|published| line(&published.status));
        if let Some(now) = now {
            write.write_all(&now).await?;
        }
        if status.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// Why a drain could not be asked for.
#[derive(Debug, Error)]
pub enum DrainError {
    /// No socket to call.
    #[error("cannot reach the server at {}: {source}; is it running, with agent.socket set?", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connection broke, or brought something that is no status.
    #[error("the server's answer was cut short: {0}")]
    Broken(#[from] io::Error),
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Nobody is inside.
    Empty,
    /// The world is closing, or has ended.
    Closing,
    /// Players are still inside.
    TimedOut {
        /// How many.
        players: u32,
    },
}

/// Asks the server at `path` to stop joins and to tell its players that the world ends, and waits until
/// they have left, the world closes, or `limit` is over.
///
/// # Errors
/// The server cannot be asked.
pub async fn drain(path: &Path, limit: Duration) -> Result<Drained, DrainError> {
    let deadline = Instant::now() + limit;
    let stream = UnixStream::connect(path)
        .await
        .map_err(|source| DrainError::Unreachable {
            path: path.into(),
            source,
        })?;
    let (read, mut write) = stream.into_split();
    let request = Request::Drain {
        timeout_seconds: u32::try_from(limit.as_secs()).unwrap_or(u32::MAX),
    };
    let mut text = serde_json::to_vec(&request).map_err(io::Error::from)?;
    text.push(b'\n');
    write.write_all(&text).await?;
    let mut read = BufReader::new(read);
    let mut players = 0;
    loop {
        let mut answer = Vec::new();
        let most = MAX_STATUS_BYTES as u64;
        let mut line = (&mut read).take(most);
        match timeout_at(deadline, line.read_until(b'\n', &mut answer)).await {
            Err(_) => return Ok(Drained::TimedOut { players }),
            Ok(Ok(0)) => return Ok(Drained::Closing),
            Ok(result) => result?,
        };
        let status: AgentStatus = serde_json::from_slice(&answer).map_err(io::Error::from)?;
        if status.drain == DrainPhase::Closing {
            return Ok(Drained::Closing);
        }
        if status.is_drained() {
            return Ok(Drained::Empty);
        }
        players = status.players;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_request_is_as_documented() {
        let request: Request = serde_json::from_str(r#"{"drain":{"timeoutSeconds":25}}"#).unwrap();
        assert_eq!(
            request,
            Request::Drain {
                timeout_seconds: 25
            }
        );
        for wrong in [
            "",
            "{}",
            r#"{"drain":{}}"#,
            r#"{"drain":{"timeoutSeconds":-1}}"#,
            "drain",
        ] {
            assert!(serde_json::from_str::<Request>(wrong).is_err(), "{wrong}");
        }
    }
}
