//! What comes before a player's messages: HTTP, until a request asks for the WebSocket. Other requests
//! are answered from [`super::pages`]. The library's buffers go with it: what remains of a connection
//! is its socket.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, ORIGIN, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderValue, Method, Request, StatusCode};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::connection::Context;
use super::pages;
use crate::metrics::{HandshakeFailure, Metrics};
use crate::protocol::{Format, PLAY_PATH};

/// Bytes of a request's head; a longer one is refused.
const HEAD_BYTES: usize = 8 * 1024;
/// How long a connection may go on asking for pages. A browser that wants more opens another.
const PAGES_TIME: Duration = Duration::from_secs(60);

/// A connection that speaks WebSocket from here on.
pub(super) struct Upgraded {
    pub(super) stream: TcpStream,
    pub(super) format: Format,
    /// What was read of the client's first frames with the request.
    pub(super) read: Bytes,
}

/// Serves HTTP until the upgrade. None: the connection ended without one, and without a fault.
pub(super) async fn upgrade(
    stream: TcpStream,
    context: &Arc<Context>,
) -> Result<Option<Upgraded>, HandshakeFailure> {
    let (upgrading, served) = (Mutex::new(None), AtomicBool::new(false));
    let service = service_fn(|mut request: Request<Incoming>| {
        let answer = match asked(&request, &context.config.allowed_origins) {
            Asked::Page => {
                context.metrics.pages.inc();
                served.store(true, Ordering::Relaxed);
                match context.game.site() {
                    Some(site) => pages::respond(site, &request),
                    None => not_yet(),
                }
            }
            Asked::Play(Ok((format, accept))) => {
                let on = hyper::upgrade::on(&mut request);
                *upgrading.lock().unwrap_or_else(PoisonError::into_inner) = Some((on, format));
                switch(accept)
            }
            Asked::Play(Err(failure)) => {
                Metrics::count(&context.metrics.failed_handshakes, failure.as_str());
                refuse(failure)
            }
        };
        async { Ok::<_, Infallible>(answer) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(context.config.hello_timeout)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    match timeout(PAGES_TIME, connection).await {
        // A browser leaves its connection open for a while, and is not to blame for it.
        Err(_) | Ok(Err(_)) if served.load(Ordering::Relaxed) => return Ok(None),
        Err(_) => return Err(HandshakeFailure::Timeout),
        Ok(Err(error)) if error.is_timeout() => return Err(HandshakeFailure::Timeout),
        Ok(Err(error)) if error.is_parse() => return Err(HandshakeFailure::NotWebSocket),
        Ok(Err(_)) => return Err(HandshakeFailure::Broken),
        Ok(Ok(())) => {}
    }
    let upgrading = upgrading
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    match upgrading {
        None => Ok(None),
        Some((on, format)) => take_out(on, format).await.map(Some),
    }
}

async fn take_out(on: OnUpgrade, format: Format) -> Result<Upgraded, HandshakeFailure> {
    let upgraded = on.await.map_err(|_| HandshakeFailure::Broken)?;
    let parts = upgraded
        .downcast::<TokioIo<TcpStream>>()
        .map_err(|_| HandshakeFailure::Broken)?;
    Ok(Upgraded {
        stream: parts.io.into_inner(),
        format,
        read: parts.read_buf,
    })
}

/// What a request wants.
enum Asked {
    Page,
    /// The WebSocket: its format, and the proof that the request was understood as one.
    Play(Result<(Format, HeaderValue), HandshakeFailure>),
}

fn asked(request: &Request<Incoming>, allowed: &[String]) -> Asked {
    let headers = request.headers();
    let play = request.uri().path() == PLAY_PATH;
    let upgrade = lists(headers, &UPGRADE, "websocket");
    match (play, upgrade) {
        (false, false) => Asked::Page,
        (false, true) => Asked::Play(Err(HandshakeFailure::WrongPath)),
        (true, false) => Asked::Play(Err(HandshakeFailure::NotWebSocket)),
        (true, true) if !origin_allowed(headers, allowed) => {
            Asked::Play(Err(HandshakeFailure::WrongOrigin))
        }
        (true, true) => Asked::Play(handshake(request)),
    }
}

/// RFC 6455, section 4.2.1.
fn handshake(request: &Request<Incoming>) -> Result<(Format, HeaderValue), HandshakeFailure> {
    let headers = request.headers();
    let version = headers.get(SEC_WEBSOCKET_VERSION);
    let key = headers.get(SEC_WEBSOCKET_KEY);
    let (Some(key), true) = (
        key.filter(|key| key.len() == 24),
        request.method() == Method::GET
            && lists(headers, &CONNECTION, "upgrade")
            && version.is_some_and(|version| version.as_bytes() == b"13"),
    ) else {
        return Err(HandshakeFailure::NotWebSocket);
    };
    let query = request.uri().query().unwrap_or_default();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let format = pairs
        .find(|(key, _)| *key == "format")
        .map(|(_, value)| value);
    let format = Format::from_query(format).ok_or(HandshakeFailure::WrongFormat)?;
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()))
        .map_err(|_| HandshakeFailure::NotWebSocket)?;
    Ok((format, accept))
}

/// Browsers say of which origin the page is that wants the WebSocket: this server's own, or one that is
/// allowed. Without this any page that a player visits could reach a server that only the player can.
/// Programs that are no browsers say none.
fn origin_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    let own = headers.get(HOST).and_then(|host| host.to_str().ok());
    let is_own = own.is_some_and(|own| {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_some_and(|host| host.eq_ignore_ascii_case(own))
    });
    is_own
        || allowed
            .iter()
            .any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
}

/// A header that lists words has this one among them, in upper or lower case.
fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter();
    let mut words = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    words.any(|listed| listed.trim().eq_ignore_ascii_case(word))
}

fn switch(accept: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

fn not_yet() -> Response {
    let mut response = Response::new(Body::from("the world is being made\n"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn refuse(failure: HandshakeFailure) -> Response {
    let (status, words) = match failure {
        HandshakeFailure::WrongPath => (StatusCode::NOT_FOUND, "players connect to /v1/play\n"),
        HandshakeFailure::WrongOrigin => (
            StatusCode::FORBIDDEN,
            "pages of this origin may not play here: see server.allowed_origins\n",
        ),
        HandshakeFailure::WrongFormat => (
            StatusCode::BAD_REQUEST,
            "format is binary (or left out) or json\n",
        ),
        _ => (
            StatusCode::UPGRADE_REQUIRED,
            "this is a WebSocket, version 13\n",
        ),
    };
    let mut response = Response::new(Body::from(words));
    *response.status_mut() = status;
    if status == StatusCode::UPGRADE_REQUIRED {
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn origins() {
        let allowed = ["https://play.example".to_owned()];
        let any = ["*".to_owned()];
        for (origin, host, list, expect) in [
            (None, "h:7777", &[][..], true),
            (Some("http://h:7777"), "h:7777", &[], true),
            (Some("https://H:7777"), "h:7777", &[], true),
            (Some("http://h"), "h:7777", &[], false),
            (Some("http://h:7777.evil"), "h:7777", &[], false),
            (Some("null"), "h:7777", &[], false),
            (Some("null"), "null", &[], false),
            (Some("https://play.example"), "h:7777", &[], false),
            (Some("https://play.example"), "h:7777", &allowed, true),
            (Some("https://play.example.evil"), "h:7777", &allowed, false),
            (Some("http://anywhere"), "h:7777", &any, true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(
                origin_allowed(&headers, list),
                expect,
                "{origin:?} at {host}, {list:?}"
            );
        }
    }
}
