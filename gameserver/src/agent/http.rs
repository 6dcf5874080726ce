//! The agent's HTTP server.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::{Stream, StreamExt, stream};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use worldkeeper_crds::agent::{AgentStatus, DRAIN_PATH, WATCH_PATH};

use super::gate::{Call, Gate};
use super::refusal::Refusal;
use crate::game::{Closing, Drain, Game, Published};
use crate::metrics::Metrics;

/// Most connections.
const MAX_CONNECTIONS: usize = 256;
/// Most watch streams: the leader's, those of leaders before it that are about to end, and a few for
/// people.
const MAX_STREAMS: usize = 16;
/// A request's head must come within this time.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Unacknowledged for so long, a connection is dead. Streams send each second.
const USER_TIMEOUT: Duration = Duration::from_secs(10);
/// A world that has told nothing for so long does not tick.
const SILENCE: Duration = Duration::from_secs(10);
/// The same, for those who would restart it.
const LONG_SILENCE: Duration = Duration::from_secs(60);
/// Longest wait for the tick after which a drain holds.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What the calls share.
#[derive(Debug)]
pub struct Agent {
    /// Who may call.
    pub gate: Gate,
    /// The world.
    pub game: Game,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

type Shared = State<Arc<Context>>;

struct Context {
    agent: Agent,
    streams: Arc<Semaphore>,
}

/// Serves until `stop`.
pub async fn run(listener: TcpListener, agent: Agent, stop: CancellationToken) {
    let context = Arc::new(Context {
        agent,
        streams: Arc::new(Semaphore::new(MAX_STREAMS)),
    });
    let keys = {
        let (context, stop) = (context.clone(), stop.clone());
        tokio::spawn(async move { context.agent.gate.run(&stop).await })
    };
    let routes = Router::new()
        .route("/health", get(health))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/health/startup", get(ready))
        .route("/metrics", get(metrics))
        .route(WATCH_PATH, get(watch_status))
        .route(DRAIN_PATH, post(stop_joins).delete(open_joins))
        .with_state(context);
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "agent cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Beyond the limit a connection is closed at once; the operator comes back.
        let Ok(permit) = connections.clone().try_acquire_owned() else {
            continue;
        };
        // A caller that is cut off must not hold its place until the kernel's quarter of an hour is over.
        let tuned = SockRef::from(&stream).set_tcp_user_timeout(Some(USER_TIMEOUT));
        if let Err(error) = tuned {
            debug!(%error, "cannot set socket options");
        }
        let service = TowerToHyperService::new(routes.clone());
        let stop = stop.clone();
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .max_buf_size(16 * 1024)
                .serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                result = connection => {
                    if let Err(error) = result {
                        debug!(%error, "agent connection broke");
                    }
                }
                () = stop.cancelled() => {}
            }
            drop(permit);
        });
    }
    // It ends with `stop`.
    let _ = keys.await;
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    world: String,
    epoch: i64,
    players_online: u32,
    server_tick: u64,
}

async fn health(State(context): Shared) -> Response {
    let published = context.agent.game.status().borrow().clone();
    let Some(Published { status, at }) = published else {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "the world is not made yet\n",
        )
            .into_response();
    };
    let ticks = at.elapsed() < SILENCE;
    let body = Health {
        status: if ticks { "healthy" } else { "stalled" },
        version: crate::VERSION,
        world: status.world,
        epoch: status.epoch,
        players_online: status.players,
        server_tick: status.tick,
    };
    let code = if ticks {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(body)).into_response()
}

/// The world is made and ticks. Whether joins are open has no say in it.
async fn ready(State(context): Shared) -> (StatusCode, &'static str) {
    probe(&context.agent.game, SILENCE, false)
}

/// The world ticks, or is being made.
async fn live(State(context): Shared) -> (StatusCode, &'static str) {
    probe(&context.agent.game, LONG_SILENCE, true)
}

fn probe(game: &Game, silence: Duration, unmade: bool) -> (StatusCode, &'static str) {
    let made = game
        .status()
        .borrow()
        .as_ref()
        .map(|published| published.at);
    match made {
        Some(at) if Instant::now().duration_since(at) < silence => (StatusCode::OK, "ok\n"),
        None if unmade => (StatusCode::OK, "ok\n"),
        None => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the world is not made yet\n",
        ),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "the world does not tick\n"),
    }
}

async fn metrics(State(context): Shared) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    (
        [(header::CONTENT_TYPE, kind)],
        context.agent.metrics.render(),
    )
}

impl Context {
    async fn admit(&self, headers: &HeaderMap, call: Call) -> Result<i64, Refusal> {
        let header = headers.get(header::AUTHORIZATION);
        let header = header.and_then(|value| value.to_str().ok());
        match self.agent.gate.admit(header, call).await {
            Ok(claims) => Ok(claims.term),
            Err(refusal) => Err(self.refuse(refusal)),
        }
    }

    fn refuse(&self, refusal: Refusal) -> Refusal {
        info!(reason = refusal.reason(), "agent call refused: {refusal}");
        Metrics::count(&self.agent.metrics.agent_refusals, refusal.reason());
        refusal
    }

    async fn drain(&self, headers: &HeaderMap, drain: Drain) -> Result<Json<AgentStatus>, Refusal> {
        self.admit(headers, Call::Change).await?;
        let drained = tokio::time::timeout(DRAIN_TIMEOUT, self.agent.game.drain(drain)).await;
        match drained {
            Ok(Ok(status)) => Ok(Json(status)),
            Ok(Err(Closing)) => Err(self.refuse(Refusal::Closing)),
            Err(_) => Err(self.refuse(Refusal::Overloaded)),
        }
    }
}

async fn stop_joins(
    State(context): Shared,
    headers: HeaderMap,
) -> Result<Json<AgentStatus>, Refusal> {
    context.drain(&headers, Drain::Stop).await
}

async fn open_joins(
    State(context): Shared,
    headers: HeaderMap,
) -> Result<Json<AgentStatus>, Refusal> {
    context.drain(&headers, Drain::Open).await
}

async fn watch_status(State(context): Shared, headers: HeaderMap) -> Result<Response, Refusal> {
    let term = context.admit(&headers, Call::Read).await?;
    let Ok(permit) = context.streams.clone().try_acquire_owned() else {
        return Err(context.refuse(Refusal::Overloaded));
    };
    let open = Open::new(context.agent.metrics.clone());
    let lines = lines(context.agent.game.status())
        .take_until(Box::pin(context.agent.gate.superseded(term)))
        .map(move |line| {
            // Both last as long as the stream.
            let _ = (&permit, &open);
            Ok::<_, Infallible>(line)
        });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

/// A line for each status, from the newest on. What a slow reader misses is left out, not queued.
fn lines(status: watch::Receiver<Option<Published>>) -> impl Stream<Item = Bytes> {
    stream::unfold((status, true), |(mut status, first)| async move {
        loop {
            if !first {
                // An error means that the world has ended, and so does the stream.
                status.changed().await.ok()?;
            } else if status.borrow_and_update().is_none() {
                status.wait_for(Option::is_some).await.ok()?;
            }
            let line = status
                .borrow_and_update()
                .as_ref()
                .map(|published| line(&published.status));
            if let Some(line) = line {
                return Some((line, (status, false)));
            }
        }
    })
}

/// The status as a line of JSON.
pub(super) fn line(status: &AgentStatus) -> Bytes {
    // Strings and integers always serialise.
    let mut line = serde_json::to_vec(status).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// Counts a stream as long as it is open.
struct Open(Arc<Metrics>);

impl Open {
    fn new(metrics: Arc<Metrics>) -> Self {
        metrics.agent_streams.inc();
        Self(metrics)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.agent_streams.dec();
    }
}
