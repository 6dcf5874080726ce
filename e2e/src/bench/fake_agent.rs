//! One process that answers as the agent of every pod on fake nodes.
//!
//! Fake pods have loopback addresses, so a socket on all addresses is reached as each of them. Whose
//! agent it is to be, the claims of the caller's token tell. They are not verified: this measures the
//! operator, and guards nothing.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::stream;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use worldkeeper_crds::agent::{
    AgentClaims, AgentStatus, DEFAULT_PORT, DRAIN_PATH, DrainPhase, HEARTBEAT_SECONDS, WATCH_PATH,
};

/// Where the fake agent listens.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct FakeAgentArgs {
    /// Port on every address
    #[arg(long, default_value_t = DEFAULT_PORT)]
    port: u16,
    /// Seats of each world
    #[arg(long, default_value_t = 20)]
    capacity: u32,
}

/// World and epoch.
type Incarnation = (String, i64);

#[derive(Debug)]
struct Worlds {
    capacity: u32,
    drains: Mutex<HashMap<Incarnation, watch::Sender<DrainPhase>>>,
}

impl Worlds {
    fn subscribe(&self, of: &Incarnation) -> watch::Receiver<DrainPhase> {
        let mut drains = self.drains.lock().unwrap_or_else(PoisonError::into_inner);
        drains.entry(of.clone()).or_default().subscribe()
    }

    fn set(&self, of: &Incarnation, phase: DrainPhase) {
        let mut drains = self.drains.lock().unwrap_or_else(PoisonError::into_inner);
        drains.entry(of.clone()).or_default().send_replace(phase);
    }

    fn status(&self, of: &Incarnation, drain: DrainPhase, tick: u64) -> AgentStatus {
        AgentStatus {
            world: of.0.clone(),
            epoch: of.1,
            tick,
            hash: format!("{tick:016x}"),
            players: 0,
            resuming: 0,
            capacity: self.capacity,
            tick_p99_micros: 100,
            drain,
            version: "fake".to_owned(),
        }
    }
}

/// Answers until it is ended.
///
/// # Errors
/// When the port is taken.
pub(crate) async fn run(args: &FakeAgentArgs) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, args.port));
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    println!("listening on {address}");
    let worlds = Arc::new(Worlds {
        capacity: args.capacity,
        drains: Mutex::default(),
    });
    let router = Router::new()
        .route(WATCH_PATH, get(stream_status))
        .route(
            DRAIN_PATH,
            axum::routing::post(stop_joins).delete(open_joins),
        )
        .with_state(worlds);
    axum::serve(listener, router)
        .await
        .context("the fake agent failed")
}

/// Whose agent the caller takes this for.
fn addressed(headers: &HeaderMap) -> Option<Incarnation> {
    let token = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")?;
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: AgentClaims = serde_json::from_slice(&claims).ok()?;
    Some((claims.world, claims.epoch))
}

async fn stream_status(State(worlds): State<Arc<Worlds>>, headers: HeaderMap) -> Response {
    let Some(of) = addressed(&headers) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let phase = worlds.subscribe(&of);
    let mut beat = tokio::time::interval(Duration::from_secs(HEARTBEAT_SECONDS));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let began = Instant::now();
    let lines = stream::unfold(
        (worlds, of, phase, beat),
        move |(worlds, of, mut phase, mut beat)| async move {
            tokio::select! {
                _ = beat.tick() => {}
                Ok(()) = phase.changed() => {}
            }
            let now = *phase.borrow_and_update();
            let status = worlds.status(&of, now, began.elapsed().as_secs() * 20);
            let mut line = serde_json::to_vec(&status).unwrap_or_default();
            line.push(b'\n');
            Some((
                Ok::<_, Infallible>(Bytes::from(line)),
                (worlds, of, phase, beat),
            ))
        },
    );
    (
        [(header::CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(lines),
    )
        .into_response()
}

async fn stop_joins(State(worlds): State<Arc<Worlds>>, headers: HeaderMap) -> Response {
    set_drain(&worlds, &headers, DrainPhase::JoinsStopped)
}

async fn open_joins(State(worlds): State<Arc<Worlds>>, headers: HeaderMap) -> Response {
    set_drain(&worlds, &headers, DrainPhase::Serving)
}

fn set_drain(worlds: &Worlds, headers: &HeaderMap, phase: DrainPhase) -> Response {
    match addressed(headers) {
        None => StatusCode::UNAUTHORIZED.into_response(),
        Some(of) => {
            worlds.set(&of, phase);
            axum::Json(worlds.status(&of, phase, 0)).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(token: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::AUTHORIZATION,
            format!("Bearer {token}").parse().unwrap(),
        );
        headers
    }

    #[test]
    fn the_claims_tell_whose_agent_it_is() {
        let claims = serde_json::json!({
            "iss": "i", "aud": "a", "iat": 1, "exp": 2, "jti": "j", "term": 3, "world": "n/f-1", "epoch": 4,
        });
        let token = format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims.to_string()));
        assert_eq!(addressed(&headers(&token)), Some(("n/f-1".to_owned(), 4)));
        for wrong in ["", "h", "h.x.s", "h.e30.s"] {
            assert_eq!(addressed(&headers(wrong)), None, "{wrong}");
        }
        assert_eq!(addressed(&HeaderMap::new()), None);
    }

    #[test]
    fn a_drain_reaches_the_stream_of_that_incarnation_alone() {
        let worlds = Worlds {
            capacity: 1,
            drains: Mutex::default(),
        };
        let (one, other) = (("n/f-1".to_owned(), 1), ("n/f-1".to_owned(), 2));
        let (seen, unseen) = (worlds.subscribe(&one), worlds.subscribe(&other));
        worlds.set(&one, DrainPhase::JoinsStopped);
        assert_eq!(*seen.borrow(), DrainPhase::JoinsStopped);
        assert_eq!(*unseen.borrow(), DrainPhase::Serving);
    }
}
