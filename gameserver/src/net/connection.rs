//! One client's connection, from the accept to the end of its reading side.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::ready;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::{sleep_until, timeout};
use tracing::debug;

use super::inputs::Taken;
use super::link::{CloseWith, Link, Want};
use super::upgrade::{Upgraded, upgrade};
use super::websocket::{Decoder, FrameError, Incoming};
use crate::config;
use crate::game::{Admitted, Game, How, Vigour};
use crate::metrics::Metrics;
use crate::protocol::{
    Act, Ask, ClientMessage, DecodeError, Hello, KickReason, Move, Payload, Pong, Question,
    RefusalReason, ServerMessage, decode_client,
};

/// Bytes read at once.
const READ_BYTES: usize = 4096;
/// How long a client may take to read our last words and close.
const LINGER: Duration = Duration::from_secs(2);
/// Unsent bytes that the kernel takes for a connection: what waits longer stays here, where the newest
/// state wins. The buffer for what was sent but not acknowledged stays the kernel's own size.
const NOTSENT_LOWAT: u32 = 4096;
/// By so much the kernel is more patient with a connection that takes nothing: whoever does not read is to
/// be found here, where it is counted by its reason.
const KERNEL_PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for the world's answer to a Hello; it comes with the next tick.
const ADMISSION_TIMEOUT: Duration = Duration::from_secs(10);

/// What connections share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) config: config::Server,
    pub(super) game: Game,
    /// Most ticks that an input may wait for the one at which it is to take effect: those of a second.
    pub(super) ahead: u64,
    pub(super) metrics: Arc<Metrics>,
}

/// How a connection's reading ended.
enum End {
    /// The client said Leave.
    Left,
    /// The client closed, the connection broke, or the server ended it.
    Lost,
}

/// Serves one connection.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, context: Arc<Context>) {
    let metrics = &context.metrics;
    if let Err(error) = tune(&stream, context.config.connection_timeout) {
        debug!(%peer, %error, "cannot set socket options");
    }
    // Boxed, so that a connection does not keep the memory of its beginning.
    let upgraded = match Box::pin(upgrade(stream, &context)).await {
        Ok(Some(upgraded)) => upgraded,
        Ok(None) => return,
        Err(failure) => {
            debug!(%peer, reason = failure.as_str(), "no websocket");
            Metrics::count(&metrics.failed_handshakes, failure.as_str());
            return;
        }
    };
    let Upgraded {
        stream,
        format,
        read: first,
    } = upgraded;
    let (read, write) = stream.into_split();
    let link = Arc::new(Link::new(format, write, metrics.clone()));
    let mut reader = Reader {
        read,
        decoder: Decoder::new(context.config.max_frame_bytes),
        link: link.clone(),
        context: context.clone(),
        heard: Instant::now(),
        window: Instant::now(),
        in_window: 0,
        malformed: None,
    };
    reader.decoder.feed(&first);
    drop(first);
    if let Some(refusal) = reader.greet(peer).await {
        link.close(refusal);
        link.flush(context.config.connection_timeout);
    }
    reader.linger().await;
    link.abandon();
}

fn tune(stream: &TcpStream, connection_timeout: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_notsent_lowat(NOTSENT_LOWAT)?;
    socket.set_tcp_user_timeout(Some(connection_timeout + KERNEL_PATIENCE))
}

struct Reader {
    read: OwnedReadHalf,
    decoder: Decoder,
    link: Arc<Link>,
    context: Arc<Context>,
    heard: Instant,
    /// Begin of the second in which messages are counted.
    window: Instant,
    in_window: u32,
    /// The message at fault, for the log.
    malformed: Option<String>,
}

/// What one read gave.
enum Step {
    /// All that was there has been handled.
    More,
    /// The first message.
    Hello(Hello),
    End(End),
    Fault(Fault),
}

enum Fault {
    Frame(FrameError),
    Message(DecodeError),
    Order,
    TooMany,
    TooManyInputs,
}

impl Reader {
    /// Waits for the Hello, asks the world, and serves the client as long as it is inside. Returns how
    /// to refuse a client that is not let in.
    async fn greet(&mut self, peer: SocketAddr) -> Option<CloseWith> {
        let refuse = |reason, words| Some(CloseWith::Refused(reason, words));
        let hello = match timeout(self.context.config.hello_timeout, self.hello()).await {
            Ok(Ok(hello)) => hello,
            Ok(Err(refusal)) => {
                debug!(%peer, error = self.malformed, "no hello");
                return refusal;
            }
            Err(_) => return refuse(RefusalReason::HelloTimeout, "say hello first, and sooner"),
        };
        let answer = self.context.game.join(hello, self.link.clone());
        let admitted = match timeout(ADMISSION_TIMEOUT, answer).await {
            Ok(Some(Ok(admitted))) => admitted,
            Ok(Some(Err((reason, words)))) => return refuse(reason, words),
            Ok(None) => return refuse(RefusalReason::Closing, "the world is closing"),
            Err(_) => return refuse(RefusalReason::Overloaded, "the world does not answer"),
        };
        let Admitted { player } = admitted;
        let end = self.play().await;
        debug!(%peer, player = player.0, error = self.malformed, "connection ended");
        let how = match end {
            End::Left => How::Left,
            End::Lost => How::Lost,
        };
        self.context.game.gone(player, self.link.clone(), how);
        None
    }

    /// The first message. Errors with how to refuse; none if the client is gone.
    async fn hello(&mut self) -> Result<Hello, Option<CloseWith>> {
        loop {
            match self.read_some(false).await {
                Step::More => {}
                Step::Hello(hello) => return Ok(hello),
                Step::End(_) => return Err(None),
                Step::Fault(fault) => {
                    let (reason, words) = self.describe(&fault);
                    let reason = match (&fault, reason) {
                        (Fault::Message(error), _) => error.refusal(),
                        (_, KickReason::MessageTooLarge) => RefusalReason::MessageTooLarge,
                        _ => RefusalReason::Malformed,
                    };
                    return Err(Some(CloseWith::Refused(reason, words)));
                }
            }
        }
    }

    /// Reads until the end.
    async fn play(&mut self) -> End {
        let closing = self.link.closing().clone();
        loop {
            let deadline = self.heard + self.context.config.silence_timeout;
            let step = tokio::select! {
                step = self.read_some(true) => step,
                () = sleep_until(deadline.into()) => {
                    let words = "nothing was heard from the client for too long";
                    self.link.close(CloseWith::Kicked(KickReason::Silent, words));
                    return End::Lost;
                }
                () = closing.cancelled() => return End::Lost,
            };
            match step {
                Step::More => {}
                // Only the first message is given out as one.
                Step::Hello(_) => {}
                Step::End(end) => {
                    self.link.close(CloseWith::Normal);
                    self.link.flush(self.context.config.connection_timeout);
                    return end;
                }
                Step::Fault(fault) => {
                    let (reason, words) = self.describe(&fault);
                    self.link.close(CloseWith::Kicked(reason, words));
                    self.link.flush(self.context.config.connection_timeout);
                    return End::Lost;
                }
            }
        }
    }

    async fn read_some(&mut self, inside: bool) -> Step {
        // First what the last read left: a client may send more than its Hello at once.
        match self.handle(inside) {
            Step::More => {}
            step => return step,
        }
        match self.fill().await {
            Ok(0) | Err(_) => return Step::End(End::Lost),
            Ok(count) => {
                self.heard = Instant::now();
                self.context.metrics.bytes_received.inc_by(count as u64);
            }
        }
        self.handle(inside)
    }

    /// Reads once. The buffer is on the stack while there is something to read, so that a connection
    /// that waits has none.
    async fn fill(&mut self) -> io::Result<usize> {
        let Self { read, decoder, .. } = self;
        poll_fn(|context| {
            let mut bytes = [0; READ_BYTES];
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut *read).poll_read(context, &mut buffer))?;
            decoder.feed(buffer.filled());
            Ok(buffer.filled().len()).into()
        })
        .await
    }

    /// Takes in an input.
    fn input(&self, seq: u32, at: u64, want: Want) -> Option<Step> {
        let next = self.context.game.pulse().tick() + 1;
        let taken = self
            .link
            .push_input(seq, at, next, self.context.ahead, want);
        match taken {
            Taken::In => None,
            Taken::Stale => {
                self.context.metrics.inputs_stale.inc();
                None
            }
            Taken::Overflow => Some(Step::Fault(Fault::TooManyInputs)),
        }
    }

    /// Handles the messages that are whole.
    fn handle(&mut self, inside: bool) -> Step {
        loop {
            let incoming = match self.decoder.next() {
                Ok(None) => return Step::More,
                Ok(Some(incoming)) => incoming,
                Err(error) => return Step::Fault(Fault::Frame(error)),
            };
            self.context.metrics.messages_received.inc();
            if self.window.elapsed() >= Duration::from_secs(1) {
                self.window = Instant::now();
                self.in_window = 0;
            }
            self.in_window += 1;
            if self.in_window > self.context.config.max_messages_per_second {
                return Step::Fault(Fault::TooMany);
            }
            let payload = match incoming {
                Incoming::Text(text) => Payload::Text(text),
                Incoming::Binary(bytes) => Payload::Binary(bytes),
                Incoming::Ping(payload) => {
                    self.link.pong(payload);
                    self.flush();
                    continue;
                }
                Incoming::Pong => continue,
                Incoming::Close => return Step::End(End::Lost),
            };
            let message = match decode_client(self.link.format(), payload) {
                Ok(message) => message,
                Err(error) => return Step::Fault(Fault::Message(error)),
            };
            match message {
                ClientMessage::Hello(hello) if !inside => return Step::Hello(hello),
                ClientMessage::Move(Move { seq, at, direction }) if inside => {
                    if let Some(step) = self.input(seq, at, Want::Move(direction)) {
                        return step;
                    }
                }
                ClientMessage::Act(act) if inside => {
                    let Act {
                        seq,
                        at,
                        view,
                        action,
                    } = act;
                    if let Some(step) = self.input(seq, at, Want::Act { view, action }) {
                        return step;
                    }
                }
                ClientMessage::Ask(Ask {
                    what: Question::Statistics,
                }) if inside => self.link.ask(),
                ClientMessage::Ping(ping) if inside => {
                    let Vigour {
                        players,
                        load,
                        dilation,
                    } = self.context.game.pulse().vigour();
                    self.link.send(&ServerMessage::Pong(Pong {
                        nonce: ping.nonce,
                        players,
                        load,
                        dilation,
                    }));
                    self.flush();
                }
                ClientMessage::Leave if inside => return Step::End(End::Left),
                _ => return Step::Fault(Fault::Order),
            }
        }
    }

    /// Writes at once, without waiting for the sender's next pass.
    fn flush(&self) {
        let flushed = self.link.flush(self.context.config.connection_timeout);
        self.context.metrics.bytes_sent.inc_by(flushed.bytes);
    }

    /// Counts a fault; how to end the connection of a player for it.
    fn describe(&mut self, fault: &Fault) -> (KickReason, &'static str) {
        let count = |category| Metrics::count(&self.context.metrics.bad_messages, category);
        let malformed = (KickReason::Malformed, "a message was not understood");
        let large = (KickReason::MessageTooLarge, "a message was too large");
        match fault {
            Fault::Frame(error) => {
                self.malformed = Some(error.to_string());
                match error {
                    FrameError::TooLarge { .. } => {
                        count("TooLarge");
                        large
                    }
                    FrameError::BadText => {
                        count("BadUtf8");
                        malformed
                    }
                    FrameError::Malformed(_) => {
                        count("BadFrame");
                        malformed
                    }
                }
            }
            Fault::Message(error) => {
                self.malformed = Some(error.to_string());
                count(error.category());
                match error {
                    DecodeError::UnsupportedVersion { .. } => (
                        KickReason::Malformed,
                        "this protocol version is not spoken here",
                    ),
                    DecodeError::TooLarge { .. } => large,
                    _ => malformed,
                }
            }
            Fault::Order => {
                count("Malformed");
                (KickReason::Malformed, "hello comes first, and once")
            }
            Fault::TooMany => (KickReason::TooManyMessages, "too many messages a second"),
            Fault::TooManyInputs => {
                self.context.metrics.inputs_overflowed.inc();
                (
                    KickReason::TooManyMessages,
                    "too many inputs wait for their ticks",
                )
            }
        }
    }

    /// Reads and drops what the client still sends, until it closes: a socket that is closed with
    /// unread bytes is reset, and the last words would be lost with it.
    async fn linger(&mut self) {
        let drain = async {
            loop {
                if self.read.readable().await.is_err() {
                    return;
                }
                let mut bytes = [0; READ_BYTES];
                match self.read.try_read(&mut bytes) {
                    Ok(0) => return,
                    Ok(_) => {}
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        };
        let _ = timeout(LINGER, drain).await;
    }
}
