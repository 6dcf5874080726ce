//! What waits to be written to one client. Whoever holds the lock may write: usually the sender
//! thread, and a reader that answers a ping at once.
//!
//! There are two ways in. [`Link::update`] is latest-wins: it takes an update only when the one
//! before it has reached the socket, so a slow client gets fewer updates, never older ones.
//! [`Link::send`] is reliable and bounded: a client that does not take what it must get is cut off.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::net::tcp::OwnedWriteHalf;
use tokio_util::sync::CancellationToken;

use super::inputs::{Inputs, Taken};
use super::websocket::{Opcode, put_close, put_frame};
use crate::metrics::{FormatLabel, Metrics};
use crate::protocol::{
    Action, CLOSE_NORMAL, Direction, Format, KickReason, Kicked, RefusalReason, Refused,
    ServerMessage, encode_server,
};

/// Most bytes that may wait for a client when something reliable is added.
const MAX_PENDING: usize = 64 * 1024;
/// Bytes of memory for what waits that a connection keeps when nothing does.
const KEPT_BYTES: usize = 2 * 1024;
/// No input waits.
const NONE: u64 = u64::MAX;
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
    inputs: Mutex<Inputs<Want>>,
    /// The tick at which the next input is due, or [`NONE`]: most links have none at most ticks, and
    /// the tick thread sees it without a lock.
    due: AtomicU64,
    /// The client has asked for its statistics.
    asked: AtomicBool,
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

/// What a player wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// To go there from now on.
    Move(Direction),
    /// To do that.
    Act {
        /// The tick at which it saw the others.
        view: u64,
        /// What.
        action: Action,
    },
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
            inputs: Mutex::new(Inputs::new(0)),
            due: AtomicU64::new(NONE),
            asked: AtomicBool::new(false),
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

    /// None while another thread writes to the socket: the tick must not wait for that.
    fn try_lock(&self) -> Option<MutexGuard<'_, Out>> {
        match self.out.try_lock() {
            Ok(out) => Some(out),
            Err(TryLockError::Poisoned(out)) => Some(out.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
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

    /// Adds an update, unless the one before still waits or is being written, or the socket takes
    /// nothing; then nothing is called.
    /// `scratch` is only memory. Returns whether it was added.
    pub fn update(&self, scratch: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) -> bool {
        let Some(mut out) = self.try_lock() else {
            self.metrics.updates_skipped.inc();
            return false;
        };
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

    /// Whether an update would be added now.
    #[must_use]
    pub fn takes_update(&self) -> bool {
        self.try_lock().is_some_and(|out| {
            out.closing.is_none() && out.half.is_some() && !out.update && out.stuck.is_none()
        })
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

    fn inputs(&self) -> MutexGuard<'_, Inputs<Want>> {
        self.inputs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Inputs up to `ack` have been applied. Before the first input.
    pub fn resume_inputs(&self, ack: u32) {
        *self.inputs() = Inputs::new(ack);
    }

    /// Takes in an input; see [`Inputs::push`].
    pub(super) fn push_input(&self, seq: u32, at: u64, next: u64, ahead: u64, want: Want) -> Taken {
        let mut inputs = self.inputs();
        let taken = inputs.push(seq, at, next, ahead, want);
        self.due
            .store(inputs.due().unwrap_or(NONE), Ordering::Relaxed);
        taken
    }

    /// Hands over the inputs that are due by `tick`, in the order of their numbers.
    pub fn take_inputs(&self, tick: u64, mut take: impl FnMut(u32, Want)) {
        if self.due.load(Ordering::Relaxed) > tick {
            return;
        }
        let mut inputs = self.inputs();
        while let Some((seq, want)) = inputs.pop(tick) {
            take(seq, want);
        }
        self.due
            .store(inputs.due().unwrap_or(NONE), Ordering::Relaxed);
    }

    /// The client asks for its statistics. Asked again before it was answered, it is answered once.
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Whether it has asked since the last call.
    #[must_use]
    pub fn take_ask(&self) -> bool {
        // A load is cheaper than a swap, and nearly always enough.
        self.asked.load(Ordering::Relaxed) && self.asked.swap(false, Ordering::Relaxed)
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
                if self.pending.capacity() > 2 * KEPT_BYTES {
                    self.pending.shrink_to(KEPT_BYTES);
                }
                self.written = 0;
                self.update = false;
                self.stuck = None;
                break self.closing.is_some();
            }
            // Straight to the socket, which never blocks: whether it takes something is found out by
            // trying, so the runtime need not be asked.
            let socket = SockRef::from(half.as_ref());
            match socket.send(&self.pending[self.written..]) {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    use super::*;
    use crate::config::Config;
    use crate::protocol::{Notice, NoticeKind};

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
