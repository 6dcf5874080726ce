//! One HTTP/1.1 call to an agent, on a connection of its own, in the task that makes it.
//!
//! A leader holds thousands of these open: the read buffer is small and fixed, and no second task
//! drives the connection.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::{
    body::{Body as _, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use worldkeeper_crds::agent::{AgentError, MAX_STATUS_BYTES};

use super::{Incarnation, KeyError, KeyRing};

/// Longest time to connect.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest time from the request to the answer's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(3);
/// The read buffer of a connection; the head of an answer must fit.
const READ_BUFFER: usize = 2 * 1024;

/// What an agent's refusal says, as far as we know its words. The rest of what a game pod sends must
/// not become a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No token.
    TokenMissing,
    /// The token does not verify, with the keys that the pod has read so far.
    TokenInvalid,
    /// The token is too old.
    TokenExpired,
    /// The token has been used before.
    TokenReplayed,
    /// Another pod listens at this address.
    WrongAudience,
    /// The pod hosts another world or epoch.
    WrongWorld,
    /// The pod has seen a leader of a higher term.
    StaleTerm,
    /// The process is about to end.
    Closing,
    /// Anything else.
    Other,
}

impl Refusal {
    fn parse(reason: &str) -> Self {
        match reason {
            "TokenMissing" => Self::TokenMissing,
            "TokenInvalid" => Self::TokenInvalid,
            "TokenExpired" => Self::TokenExpired,
            "TokenReplayed" => Self::TokenReplayed,
            "WrongAudience" => Self::WrongAudience,
            "WrongWorld" => Self::WrongWorld,
            "StaleTerm" => Self::StaleTerm,
            "Closing" => Self::Closing,
            _ => Self::Other,
        }
    }

    /// The reason as a metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TokenMissing => "TokenMissing",
            Self::TokenInvalid => "TokenInvalid",
            Self::TokenExpired => "TokenExpired",
            Self::TokenReplayed => "TokenReplayed",
            Self::WrongAudience => "WrongAudience",
            Self::WrongWorld => "WrongWorld",
            Self::StaleTerm => "StaleTerm",
            Self::Closing => "Closing",
            Self::Other => "Refused",
        }
    }
}

/// Why a call got no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("could not connect: {0}")]
    Connect(#[source] io::Error),
    #[error("could not connect within {CONNECT_TIMEOUT:?}")]
    ConnectTimeout,
    #[error("no answer within {HEAD_TIMEOUT:?}")]
    HeadTimeout,
    #[error("the connection failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("refused with {status}: {}", reason.as_str())]
    Refused { status: StatusCode, reason: Refusal },
    #[error("the answer is longer than {MAX_STATUS_BYTES} bytes")]
    TooLong,
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl CallError {
    pub(super) fn category(&self) -> &'static str {
        match self {
            Self::Connect(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => "ConnectRefused",
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "Unreachable",
                _ => "Connect",
            },
            Self::ConnectTimeout => "ConnectTimeout",
            Self::HeadTimeout => "AnswerTimeout",
            Self::Http(error) if error.is_parse() => "NotHttp",
            Self::Http(_) => "Disconnected",
            Self::Refused { reason, .. } => reason.as_str(),
            Self::TooLong => "TooLong",
            Self::Key(error) => error.category(),
        }
    }
}

type Connection = http1::Connection<TokioIo<TcpStream>, Empty<Bytes>>;

/// The body of an answer, together with the connection that it arrives on.
pub(super) struct Answer {
    status: StatusCode,
    body: Incoming,
    connection: Option<Pin<Box<Connection>>>,
    /// Kept while the body arrives: without it the connection takes itself for unused.
    _sender: http1::SendRequest<Empty<Bytes>>,
}

impl Answer {
    /// The next piece of the body; `None` at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, hyper::Error>> {
        loop {
            match Pin::new(&mut self.body).poll_frame(cx)? {
                Poll::Ready(None) => return Poll::Ready(Ok(None)),
                Poll::Ready(Some(frame)) => {
                    // Trailers say nothing to us.
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Ok(Some(data)));
                    }
                    continue;
                }
                Poll::Pending => {}
            }
            let Some(connection) = &mut self.connection else {
                return Poll::Pending;
            };
            match connection.as_mut().poll(cx) {
                // Whatever is left of the body has been handed over: look once more.
                Poll::Ready(Ok(())) => self.connection = None,
                Poll::Ready(Err(error)) => {
                    self.connection = None;
                    return Poll::Ready(Err(error));
                }
                // If it has just handed over a piece, it has woken us for it.
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The whole body, if it is no longer than a status may be.
    pub(super) async fn whole(&mut self) -> Result<Vec<u8>, CallError> {
        let mut whole = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if whole.len() + chunk.len() > MAX_STATUS_BYTES {
                return Err(CallError::TooLong);
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }
}

/// Calls the incarnation's agent as the leader of `term`. An agent that does not know the newest key
/// yet is asked again with the one before.
pub(super) async fn call(
    incarnation: &Incarnation,
    method: &Method,
    path: &'static str,
    keys: &KeyRing,
    term: i64,
) -> Result<Answer, CallError> {
    let token = keys.mint(incarnation, term)?;
    match send(incarnation.addr, method, path, &token).await {
        Err(CallError::Refused {
            reason: Refusal::TokenInvalid,
            status,
        }) => match keys.mint_previous(incarnation, term)? {
            Some(token) => send(incarnation.addr, method, path, &token).await,
            None => Err(CallError::Refused {
                reason: Refusal::TokenInvalid,
                status,
            }),
        },
        done => done,
    }
}

async fn send(
    addr: SocketAddr,
    method: &Method,
    path: &'static str,
    token: &str,
) -> Result<Answer, CallError> {
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(addr))
        .await
        .map_err(|_| CallError::ConnectTimeout)?
        .map_err(CallError::Connect)?;
    stream.set_nodelay(true).map_err(CallError::Connect)?;
    let mut answer = tokio::time::timeout(HEAD_TIMEOUT, head(stream, addr, method, path, token))
        .await
        .map_err(|_| CallError::HeadTimeout)??;
    if answer.status.is_success() {
        return Ok(answer);
    }
    let body = tokio::time::timeout(HEAD_TIMEOUT, answer.whole())
        .await
        .map_err(|_| CallError::HeadTimeout)??;
    let reason = serde_json::from_slice::<AgentError>(&body)
        .map_or(Refusal::Other, |error| Refusal::parse(&error.reason));
    Err(CallError::Refused {
        status: answer.status,
        reason,
    })
}

async fn head(
    stream: TcpStream,
    addr: SocketAddr,
    method: &Method,
    path: &'static str,
    token: &str,
) -> Result<Answer, CallError> {
    let (mut sender, connection) = http1::Builder::new()
        .read_buf_exact_size(Some(READ_BUFFER))
        .handshake(TokioIo::new(stream))
        .await?;
    let mut request = Request::new(Empty::new());
    *request.method_mut() = method.clone();
    *request.uri_mut() = Uri::from_static(path);
    let headers = request.headers_mut();
    // Neither can fail: an address and a JWT are plain ASCII.
    if let Ok(host) = addr.to_string().parse() {
        headers.insert(header::HOST, host);
    }
    if let Ok(bearer) = format!("Bearer {token}").parse() {
        headers.insert(header::AUTHORIZATION, bearer);
    }
    let response = sender.send_request(request);
    let mut connection = Box::pin(connection);
    let mut open = true;
    tokio::pin!(response);
    let response = loop {
        tokio::select! {
            biased;
            response = &mut response => break response?,
            // Its errors arrive at the response too.
            _ = &mut connection, if open => open = false,
        }
    };
    let (parts, body) = response.into_parts();
    Ok(Answer {
        status: parts.status,
        body,
        connection: open.then_some(connection),
        _sender: sender,
    })
}
