//! Clients that take their time: connections that never become players, players who never answer, players
//! who never read.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use worldkeeper_server::protocol::{
    ClientMessage, Direction, Format, KickReason, Move, Ping, RefusalReason,
};

use super::raw::{BINARY, End, FIN, Heard, PING, Raw, frame, hello, request};
use super::tally::Tally;
use crate::local::{Place, Server, Setup};

const HELLO_SECONDS: u64 = 2;
const PING_SECONDS: u64 = 3;
const PONG_SECONDS: u64 = 2;
const CONNECTION_SECONDS: u64 = 6;
/// Connections of each kind.
const MANY: usize = 20;
/// Between two bytes of a client that drips.
const DRIP: Duration = Duration::from_millis(150);

/// Short ones, so that they can be awaited.
pub(super) fn timeouts(setup: Setup) -> Setup {
    setup
        .set("server.hello_timeout", HELLO_SECONDS)
        .set("server.ping_interval", PING_SECONDS)
        .set("server.pong_timeout", PONG_SECONDS)
        .set("server.connection_timeout", CONNECTION_SECONDS)
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Connects, and says nothing.
    Mute,
    /// Sends its request byte by byte, without ever coming to its end.
    Drip,
    /// Opens a WebSocket, and says nothing.
    NoHello,
    /// Sends its Hello byte by byte.
    DripHello,
    /// A player who neither says nor answers anything, but reads.
    Silent,
    /// A player who walks and asks, but reads nothing.
    Deaf(Format),
}

impl Kind {
    /// Family and reason under which it is counted. None: one of two, see [`deaf`].
    fn counted(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::Mute | Self::Drip => ("world_failed_handshakes_total", "Timeout"),
            Self::NoHello | Self::DripHello => {
                ("world_refusals_total", RefusalReason::HelloTimeout.as_str())
            }
            Self::Silent => ("world_kicks_total", KickReason::Silent.as_str()),
            Self::Deaf(_) => return None,
        })
    }

    /// The longest that the server may bear it.
    fn limit(self) -> Duration {
        let seconds = match self {
            Self::Mute | Self::Drip | Self::NoHello | Self::DripHello => HELLO_SECONDS,
            Self::Silent => CONNECTION_SECONDS,
            // Its buffers must fill first.
            Self::Deaf(_) => CONNECTION_SECONDS + 30,
        };
        // For a machine that is busy, and for the last words.
        Duration::from_secs(seconds + 8)
    }
}

pub(super) async fn run(place: &Place, server: &Server) -> Result<()> {
    let mut tally = Tally::begin(server).await?;
    let mut clients = JoinSet::new();
    let kinds = [Kind::Mute, Kind::Drip, Kind::NoHello, Kind::DripHello];
    let all = kinds.into_iter().flat_map(|kind| [kind; MANY]).chain([
        Kind::Silent,
        Kind::Silent,
        Kind::Silent,
        Kind::Deaf(Format::Binary),
        Kind::Deaf(Format::Binary),
        Kind::Deaf(Format::Json),
        Kind::Deaf(Format::Json),
    ]);
    for (index, kind) in all.enumerate() {
        if let Some((family, reason)) = kind.counted() {
            tally.add(family, reason);
        }
        let address = server.players;
        clients.spawn(async move {
            let began = Instant::now();
            let limit = tokio::time::timeout(kind.limit(), bear(address, kind, index));
            limit
                .await
                .with_context(|| format!("{kind:?} was borne for {:?}", began.elapsed()))?
                .with_context(|| format!("{kind:?}"))
        });
    }
    while let Some(client) = clients.join_next().await {
        client.context("a client panicked")??;
    }
    let kicked = [KickReason::TooSlow, KickReason::Silent].map(KickReason::as_str);
    let grown = tally
        .check_but(server, "patience", "world_kicks_total", kicked)
        .await?;
    let [slow, silent] =
        kicked.map(|reason| grown.get(&format!("world_kicks_total{{reason=\"{reason}\"}}")));
    let (slow, silent) = (slow?, silent?);
    ensure!(
        slow >= 1.0 && silent >= 3.0 && (slow + silent - 7.0).abs() < 0.5,
        "{slow} were too slow and {silent} silent: of three and four"
    );
    place.say(
        "connections that never come to the point, never answer or never read are given up in time",
    );
    Ok(())
}

/// Until the server has enough of it.
async fn bear(address: SocketAddr, kind: Kind, index: usize) -> Result<()> {
    let name = format!("patient-{index}");
    match kind {
        Kind::Mute => {
            let mut raw = Raw::connect(address).await?;
            until_gone(&mut raw).await
        }
        Kind::Drip => {
            let mut raw = Raw::connect(address).await?;
            let head = request(Format::Binary);
            let head = head.trim_end();
            let endless = head
                .bytes()
                .chain("\r\nX: ".bytes())
                .chain(std::iter::repeat(b'x'));
            for byte in endless {
                // Once the server has closed, bytes are refused.
                if raw.push(&[byte]).is_err() {
                    return Ok(());
                }
                sleep(DRIP).await;
            }
            Ok(())
        }
        Kind::NoHello => {
            let mut raw = Raw::open(address, Format::Binary).await?;
            refused(&raw.end().await?)
        }
        Kind::DripHello => {
            let mut raw = Raw::open(address, Format::Binary).await?;
            let hello = raw.written(&hello(&name)?);
            // All but the last byte would be in time: each comes a little later than the one before.
            let gap = Duration::from_secs(HELLO_SECONDS) / 4;
            for byte in hello {
                if raw.push(&[byte]).is_err() {
                    break;
                }
                sleep(gap).await;
                if raw.has_ended() {
                    break;
                }
            }
            refused(&raw.end().await?)
        }
        Kind::Silent => {
            let mut raw = Raw::enter(address, Format::Binary, &name).await?;
            kicked(&raw.end().await?, KickReason::Silent)
        }
        Kind::Deaf(format) => deaf(address, format, &name).await,
    }
}

fn refused(end: &End) -> Result<()> {
    let reason = RefusalReason::HelloTimeout;
    let expect = Some((reason.close_code(), reason.as_str().to_owned()));
    ensure!(end.close == expect, "it ended with {end:?}");
    Ok(())
}

fn kicked(end: &End, reason: KickReason) -> Result<()> {
    let expect = Some((reason.close_code(), reason.as_str().to_owned()));
    ensure!(
        end.close == expect && end.words == Some(reason.as_str()),
        "it ended with {end:?}"
    );
    Ok(())
}

async fn until_gone(raw: &mut Raw) -> Result<()> {
    // Whatever it says in farewell.
    while !matches!(raw.hear().await, Ok(Heard::Gone) | Err(_)) {}
    Ok(())
}

/// Walks and asks, so that it is neither silent nor forgotten, and reads nothing after its Welcome. What
/// the server says last may be lost: who does not read cannot be told. It may end as `Silent`, too: once
/// its buffers overflow, its kernel drops the server's acknowledgements with the rest, and what it says
/// comes through no more.
async fn deaf(address: SocketAddr, format: Format, name: &str) -> Result<()> {
    let mut raw = Raw::narrow(address).await?;
    raw.upgrade(format).await?;
    raw.say(&hello(name)?).await?;
    raw.welcome().await?;
    for seq in 1.. {
        let direction = Direction {
            x: if seq % 8 < 4 { 100 } else { -100 },
            y: 0,
        };
        let mut bytes = raw.written(&ClientMessage::Move(Move {
            seq,
            at: 0,
            direction,
        }));
        bytes.extend(raw.written(&ClientMessage::Ping(Ping { nonce: seq })));
        // The answers fill what room there is.
        bytes.extend(frame(FIN | PING, &[7; 125]).repeat(3));
        // The server closes in the end: then nothing more can be said.
        if raw.push(&bytes).is_err() {
            return Ok(());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// A frame of one byte's payload, in as many parts as it has bytes; for those who are slow by nature.
pub(super) fn in_parts(payload: &[u8]) -> Vec<u8> {
    let last = payload.len().saturating_sub(1);
    let parts = payload.iter().enumerate().map(|(index, byte)| {
        let opcode = if index == 0 { BINARY } else { 0 };
        let fin = if index == last { FIN } else { 0 };
        frame(fin | opcode, &[*byte])
    });
    parts.collect::<Vec<_>>().concat()
}
