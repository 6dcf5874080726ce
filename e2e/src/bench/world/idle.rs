//! Connections that say Hello and nothing more: what each costs the server in memory.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use worldkeeper_server::protocol::limits::PROTOCOL_VERSION;
use worldkeeper_server::protocol::{ClientMessage, Format, Hello, PlayerName, encode_client};

use crate::harness::wait;

/// For all of them to be let in.
const JOIN: Duration = Duration::from_secs(60);
/// Connections being made at once.
const AT_ONCE: usize = 32;
/// The longest answer to an upgrade.
const MOST_HEAD: usize = 4_096;

/// Connections that stay as they are until this is dropped.
pub(super) struct Idle {
    tasks: Vec<JoinHandle<()>>,
}

impl Idle {
    /// Opens `count` of them.
    pub(super) async fn open(players: SocketAddr, count: u32) -> Result<Self> {
        let all = stream::iter(0..count)
            .map(|number| connect(players, number))
            .buffer_unordered(AT_ONCE)
            .map_ok(|stream| tokio::spawn(drain(stream)))
            .try_collect();
        let tasks = wait::finish("idle connections to be made", JOIN, all).await?;
        Ok(Self { tasks })
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn connect(players: SocketAddr, number: u32) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(players).await?;
    let upgrade = format!(
        "GET /v1/play HTTP/1.1\r\nHost: {players}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    stream.write_all(upgrade.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(head.len() < MOST_HEAD, "an answer without an end");
        head.push(stream.read_u8().await.context("no answer to an upgrade")?);
    }
    let said = String::from_utf8_lossy(&head);
    ensure!(said.starts_with("HTTP/1.1 101"), "no upgrade: {said}");
    stream.write_all(&hello(number)?).await?;
    Ok(stream)
}

/// In a frame; the mask is zero, which masks nothing.
fn hello(number: u32) -> Result<Vec<u8>> {
    let hello = ClientMessage::Hello(Hello {
        version: PROTOCOL_VERSION,
        world: None,
        epoch: None,
        name: PlayerName::new(format!("idle-{number}"))?,
        resume: None,
    });
    let mut message = Vec::new();
    encode_client(Format::Binary, &hello, &mut message);
    let length = u8::try_from(message.len())
        .ok()
        .filter(|length| *length < 126);
    let length = length.context("a Hello fits a short frame")?;
    let mut frame = vec![0x82, 0x80 | length, 0, 0, 0, 0];
    frame.append(&mut message);
    Ok(frame)
}

/// Takes what comes, so that the server has nothing to keep.
async fn drain(mut stream: TcpStream) {
    let mut buffer = [0; 1_024];
    while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
}
