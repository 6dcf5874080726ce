//! What waits to be written to one client. Whoever holds the lock may write: usually the sender
//! thread, and a reader that answers a ping at once.
//!
//! There are two ways in. [`Link::update`] is latest-wins: it takes an update only when the one
//! before it has reached the socket, so a slow client gets fewer updates, never older ones.
//! [`Link::send`] is reliable and bounded: a client that does not take what it must get is cut off.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::tcp::OwnedWriteHalf;
use tokio_util::sync::CancellationToken;
use worldkeeper_sim::Direction;

use super::websocket::{Opcode, put_close, put_frame};
use crate::metrics::{FormatLabel, Metrics};
use crate::protocol::{
    CLOSE_NORMAL, Format, KickReason, Kicked, Move, RefusalReason, Refused, ServerMessage,
    encode_server,
};

/// Most bytes that may wait for a client when something reliable is added.
const MAX_PENDING: usize = 64 * 1024;
/// How long a closing connection may take to write its last words.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseWith {
    /// The client is not let in.
    Refused(RefusalReason, &'static str),
    /// The server throws a player's connection out.
    Kicked(KickReason, &'static str),
    /// The client said Leave, or closed.
    Normal,
}

/// One client's connection, as seen by the server's threads.
#[derive(Debug)]
pub struct Link {
    format: Format,
    out: Mutex<Out>,
    /// The newest input that the tick has not taken; see [`pack`].
    input: AtomicU64,
    /// Ends the reading of messages.
    closing: CancellationToken,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Out {
    half: Option<OwnedWriteHalf>,
    pending: Vec<u8>,
    /// Bytes of `pending` that the socket has taken.
    written: usize,
    /// An update is among `pending`.
    update: bool,
    /// When the socket took no more.
    stuck: Option<Instant>,
    /// When the last words were added.
    closing: Option<Instant>,
}

/// What a pass over a link did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flushed {
    pub(super) bytes: u64,
    /// Nothing will ever be written again.
    pub(super) closed: bool,
}

impl Link {
    /// For a connection after the upgrade.
    #[must_use]
    pub fn new(format: Format, half: OwnedWriteHalf, metrics: Arc<Metrics>) -> Self {
        let out = Out {
            half: Some(half),
            pending: Vec::new(),
            written: 0,
            update: false,
            stuck: None,
            closing: None,
        };
        Self {
            format,
            out: Mutex::new(out),
            input: AtomicU64::new(0),
            closing: CancellationToken::new(),
            metrics,
        }
    }

    /// How the connection's messages are written.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Fires when the server has said its last words.
    pub(super) fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    fn lock(&self) -> MutexGuard<'_, Out> {
        // Nothing that holds the lock leaves the bytes in a state that another could not go on from.
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opcode(&self) -> Opcode {
        match self.format {
            Format::Binary => Opcode::Binary,
            Format::Json => Opcode::Text,
        }
    }

    fn count_message(&self) {
        self.metrics
            .messages_sent
            .get_or_create_owned(&FormatLabel::new(self.format))
            .inc();
    }

    /// Adds an update, unless the one before still waits, or the socket takes nothing; then nothing is
    /// called.
    /// `scratch` is only memory. Returns whether it was added.
    pub fn update(&self, scratch: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut out = self.lock();
        if out.closing.is_some() || out.half.is_none() {
            return false;
        }
        if out.update || out.stuck.is_some() {
            drop(out);
            self.metrics.updates_skipped.inc();
            return false;
        }
        scratch.clear();
        encode(scratch);
        put_frame(self.opcode(), scratch, &mut out.pending);
        out.update = true;
        true
    }

    /// Adds a message that must arrive. A client for which too much waits already is cut off.
    pub fn send(&self, message: &ServerMessage) {
        let mut payload = Vec::new();
        encode_server(self.format, message, &mut payload);
        if self.add(self.opcode(), &payload) {
            self.count_message();
        }
    }

    /// Adds a WebSocket ping.
    pub fn ping(&self) {
        self.add(Opcode::Ping, &[]);
    }

    /// Answers a WebSocket ping.
    pub(super) fn pong(&self, payload: &[u8]) {
        self.add(Opcode::Pong, payload);
    }

    fn add(&self, opcode: Opcode, payload: &[u8]) -> bool {
        let mut out = self.lock();
        if out.closing.is_some() || out.half.is_none() {
            return false;
        }
        if out.waiting() > MAX_PENDING {
            drop(out);
            self.too_slow();
            return false;
        }
        put_frame(opcode, payload, &mut out.pending);
        true
    }

    fn too_slow(&self) {
        self.close(CloseWith::Kicked(
            KickReason::TooSlow,
            "the client does not read what it is sent",
        ));
    }

    /// Adds the last words, and counts why. What comes later is dropped. Returns false if the
    /// connection was closing already.
    pub fn close(&self, with: CloseWith) -> bool {
        let mut out = self.lock();
        if out.closing.is_some() || out.half.is_none() {
            return false;
        }
        let (message, code, reason) = match with {
            CloseWith::Refused(reason, message) => {
                Metrics::count(&self.metrics.refusals, reason.as_str());
                let message = message.to_owned();
                let message = ServerMessage::Refused(Refused { reason, message });
                (Some(message), reason.close_code(), reason.as_str())
            }
            CloseWith::Kicked(reason, message) => {
                Metrics::count(&self.metrics.kicks, reason.as_str());
                let message = message.to_owned();
                let message = ServerMessage::Kicked(Kicked { reason, message });
                (Some(message), reason.close_code(), reason.as_str())
            }
            CloseWith::Normal => (None, CLOSE_NORMAL, ""),
        };
        if let Some(message) = message {
            let mut payload = Vec::new();
            encode_server(self.format, &message, &mut payload);
            put_frame(self.opcode(), &payload, &mut out.pending);
            self.count_message();
        }
        put_close(code, reason, &mut out.pending);
        out.closing = Some(Instant::now());
        drop(out);
        self.closing.cancel();
        true
    }

    /// The connection is broken: nothing more can be written.
    pub(super) fn abandon(&self) {
        self.lock().drop_half();
        self.closing.cancel();
    }

    /// Writes what the socket takes. `stuck_after`: how long it may take nothing.
    pub(super) fn flush(&self, stuck_after: Duration) -> Flushed {
        let mut out = self.lock();
        let flushed = out.flush();
        let stuck = out.stuck.is_some_and(|since| since.elapsed() > stuck_after);
        drop(out);
        if flushed.closed {
            self.closing.cancel();
        } else if stuck {
            self.too_slow();
        }
        flushed
    }

    /// Remembers the player's newest input. One that the tick has not taken yet is replaced.
    pub(super) fn set_input(&self, input: Move) {
        self.input.store(pack(input), Ordering::Relaxed);
    }

    /// The newest input since the last call.
    #[must_use]
    pub fn take_input(&self) -> Option<(u32, Direction)> {
        // A load is cheaper than a swap, and most ticks bring nothing.
        if self.input.load(Ordering::Relaxed) == 0 {
            return None;
        }
        unpack(self.input.swap(0, Ordering::Relaxed))
    }
}

impl Out {
    fn waiting(&self) -> usize {
        self.pending.len() - self.written
    }

    fn drop_half(&mut self) {
        // Dropping the write half shuts the connection's sending side.
        self.half = None;
        self.pending = Vec::new();
        self.written = 0;
    }

    fn flush(&mut self) -> Flushed {
        let mut bytes = 0;
        let Some(half) = &self.half else {
            return Flushed {
                bytes,
                closed: true,
            };
        };
        let broken = loop {
            if self.written == self.pending.len() {
                self.pending.clear();
                self.written = 0;
                self.update = false;
                self.stuck = None;
                break self.closing.is_some();
            }
            match half.try_write(&self.pending[self.written..]) {
                Ok(0) => break true,
                Ok(count) => {
                    self.written += count;
                    bytes += count as u64;
                    self.stuck = None;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.stuck.get_or_insert_with(Instant::now);
                    break self
                        .closing
                        .is_some_and(|since| since.elapsed() > CLOSE_TIMEOUT);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break true,
            }
        };
        if broken {
            self.drop_half();
        }
        Flushed {
            bytes,
            closed: broken,
        }
    }
}

/// An input in one word, so that a reader and the tick exchange it without a lock. Never 0, because
/// `seq` is at least 1.
fn pack(Move { seq, direction }: Move) -> u64 {
    let [x, y] = [direction.x, direction.y].map(|part| u64::from(part.cast_unsigned()));
    u64::from(seq) << 16 | x << 8 | y
}

fn unpack(word: u64) -> Option<(u32, Direction)> {
    let [y, x, a, b, c, d, ..] = word.to_le_bytes();
    let direction = Direction {
        x: x.cast_signed(),
        y: y.cast_signed(),
    };
    (word != 0).then_some((u32::from_le_bytes([a, b, c, d]), direction))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    use super::*;
    use crate::config::Config;
    use crate::protocol::{Notice, NoticeKind};

    proptest! {
        #[test]
        fn an_input_fits_in_a_word(seq in 1..=u32::MAX, x: i8, y: i8) {
            let direction = crate::protocol::Direction { x, y };
            let back = unpack(pack(Move { seq, direction }));
            prop_assert_eq!(back, Some((seq, Direction { x, y })));
        }
    }

    /// A link, and a client that reads nothing and has little room for what it does not read.
    async fn narrow() -> (Link, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpSocket::new_v4().unwrap();
        client.set_recv_buffer_size(4096).unwrap();
        let client = client
            .connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let metrics = Arc::new(Metrics::new(&Config::defaults().unwrap().world));
        let (read, write) = stream.into_split();
        // Kept open for as long as the runtime lives.
        std::mem::forget(read);
        (Link::new(Format::Binary, write, metrics), client)
    }

    const LONG: Duration = Duration::from_secs(3600);

    fn kicked(link: &Link) -> u64 {
        Metrics::counted(&link.metrics.kicks, "TooSlow")
    }

    #[tokio::test]
    async fn what_must_arrive_is_bounded() {
        let (link, _client) = narrow().await;
        let notice = ServerMessage::Notice(Notice {
            kind: NoticeKind::JoinsOpen,
            seconds: 0,
        });
        let mut sent = 0;
        while !link.closing().is_cancelled() {
            link.send(&notice);
            link.flush(LONG);
            sent += 1;
            assert!(sent < 10_000_000, "it takes for ever");
        }
        assert_eq!(kicked(&link), 1);
        assert!(link.lock().waiting() < MAX_PENDING + 1024);
        // And nothing comes after the last words.
        let waiting = link.lock().waiting();
        link.send(&notice);
        assert!(!link.close(CloseWith::Normal));
        assert_eq!(link.lock().waiting(), waiting);
    }

    #[tokio::test]
    async fn what_must_arrive_does_not_keep_an_update_out() {
        let (link, _client) = narrow().await;
        let mut scratch = Vec::new();
        link.ping();
        assert!(link.update(&mut scratch, |out| out.push(1)));
        link.ping();
        assert!(!link.update(&mut scratch, |out| out.push(2)));
        assert!(!link.flush(LONG).closed);
        assert!(link.update(&mut scratch, |out| out.push(3)));
    }

    #[tokio::test]
    async fn updates_never_queue() {
        let (link, _client) = narrow().await;
        let mut scratch = Vec::new();
        let mut written = 0;
        while link.update(&mut scratch, |out| out.extend([7; 1000])) {
            link.flush(LONG);
            written += 1;
            assert!(written < 100_000, "its buffers never fill");
        }
        assert!(link.lock().waiting() <= 1004);
        for _ in 0..100 {
            assert!(!link.update(&mut scratch, |_| panic!("nothing may be encoded")));
        }
        assert_eq!(link.metrics.updates_skipped.get(), 101);
        // A client that takes nothing for too long is cut off.
        assert_eq!(kicked(&link), 0);
        std::thread::sleep(Duration::from_millis(2));
        link.flush(Duration::from_millis(1));
        assert_eq!(kicked(&link), 1);
    }
}
