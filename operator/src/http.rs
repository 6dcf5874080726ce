//! `/metrics`, `/healthz` and `/readyz`.
//!
//! `/healthz` says that the process serves; `/readyz` that its caches are filled and its lease loop
//! goes round. A follower is ready too: readiness says that it could take over.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{lease::Leadership, telemetry::Metrics};

/// Connections at once. Everybody on the pod network can open one.
const CONNECTIONS: usize = 64;
/// Time to send a request's head, on a kept-alive connection as well.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Time of a whole connection: it is closed then, and scrapers open another.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(300);
/// Time that open connections have to finish on shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause after the listener failed, for instance without file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What the endpoints answer from.
#[derive(Clone, Debug)]
pub struct Health {
    /// Set once the caches are filled.
    pub synced: Arc<AtomicBool>,
    /// The lease loop.
    pub leadership: Leadership,
    /// The metrics.
    pub metrics: Metrics,
}

impl Health {
    fn unready(&self) -> Option<&'static str> {
        if !self.synced.load(Ordering::Acquire) {
            return Some("the caches are not filled yet\n");
        }
        if !self.leadership.alive() {
            return Some("the lease loop stands still\n");
        }
        None
    }
}

/// The endpoints.
pub fn router(health: Health) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(health)
}

async fn metrics(State(health): State<Health>) -> Response {
    const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match health.metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "could not write the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn ready(State(health): State<Health>) -> (StatusCode, &'static str) {
    match health.unready() {
        None => (StatusCode::OK, "ok\n"),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    }
}

/// Serves until `shutdown`, then lets open requests finish for a moment.
///
/// # Errors
/// None at present: what fails when accepting a connection passes.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let router = router(health);
    let turns = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = async {
                let turn = Arc::clone(&turns).acquire_owned().await.map_err(io::Error::other)?;
                listener.accept().await.map(|(stream, _)| (stream, turn))
            } => accepted,
        };
        let (stream, turn) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let router = router.clone();
        let shutdown = shutdown.clone();
        connections.spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
            tokio::pin!(connection);
            let whole = tokio::time::timeout(CONNECTION_TIMEOUT, async {
                tokio::select! {
                    done = &mut connection => done,
                    () = shutdown.cancelled() => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                }
            });
            // What a client does to its own connection is not our error.
            if let Ok(Err(error)) = whole.await {
                tracing::trace!(%error, "a connection ended");
            }
            drop(turn);
        });
    }
    let finished = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, finished).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;
    use crate::lease::Claim;

    async fn get(addr: std::net::SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn endpoints_say_how_it_is() {
        let follower = Claim::Follower { holder: None };
        let health = Health {
            synced: Arc::default(),
            leadership: Leadership::fixed(follower.clone(), true),
            metrics: Metrics::new(),
        };
        let synced = Arc::clone(&health.synced);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, health, shutdown.clone()));

        assert!(get(addr, "/healthz").await.starts_with("HTTP/1.1 200"));
        assert!(get(addr, "/readyz").await.starts_with("HTTP/1.1 503"));
        synced.store(true, Ordering::Release);
        assert!(get(addr, "/readyz").await.starts_with("HTTP/1.1 200"));
        let metrics = get(addr, "/metrics").await;
        assert!(metrics.contains("application/openmetrics-text"));
        assert!(metrics.trim_end().ends_with("# EOF"));
        assert!(get(addr, "/other").await.starts_with("HTTP/1.1 404"));

        // A connection that says nothing does not hold up the end.
        let _idle = TcpStream::connect(addr).await.unwrap();
        shutdown.cancel();
        tokio::time::timeout(SHUTDOWN_TIMEOUT * 2, serving)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }

    #[test]
    fn a_lease_loop_that_ended_is_not_ready() {
        let health = Health {
            synced: Arc::new(AtomicBool::new(true)),
            leadership: Leadership::fixed(Claim::Leader { term: 1 }, false),
            metrics: Metrics::new(),
        };
        assert_eq!(health.unready(), Some("the lease loop stands still\n"));
    }
}
