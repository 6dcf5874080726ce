//! One bot: joins a world, walks about in it, leaves, and writes down what it saw.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::log::PlayerLog;
use super::record::{Disconnect, Failure, Refusal};
use crate::protocol::limits::{FULL_SPEED, MAX_SERVER_MESSAGE_BYTES};
use crate::protocol::{
    CLOSE_NORMAL, ClientMessage, DecodeError, Direction, Format, Hello, KickReason, Move,
    PLAY_PATH, PROTOCOL_VERSION, Payload, Ping, PlayerName, Received, RefusalReason, Refused,
    ResumeToken, ServerMessage, View, Welcome, WorldName, decode_server, encode_client,
};

/// Longest wait for the TCP connection and the upgrade.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the answer to a Hello.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for the close after a Leave.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);
/// A bot turns after this many milliseconds: at least once a second.
const TURN_MS: std::ops::Range<u64> = 400..1_000;
/// A bot measures the round trip this often.
const PING_EVERY: Duration = Duration::from_secs(2);
/// Read buffer of a connection; the library's default is 128 KiB.
const READ_BUFFER_BYTES: usize = 4 * 1024;

type Socket = WebSocketStream<TcpStream>;

/// What all bots of a process share.
#[derive(Debug)]
pub(super) struct Shared {
    /// One permit per connection that is being made.
    pub(super) connecting: Semaphore,
    pub(super) format: Format,
    /// Without an update for so long, a bot gives the connection up.
    pub(super) silence: Duration,
}

/// Where a bot shall go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Under which name the swarm knows it.
    pub(super) key: String,
    /// As named in the Hello.
    pub(super) world: Option<WorldName>,
    pub(super) epoch: Option<u64>,
    pub(super) address: SocketAddr,
}

/// What a bot shall do: go there, or leave. An order that repeats the last one is another try.
pub(super) type Order = Option<Arc<Target>>;

/// What a bot tells the swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It is inside.
    Joined,
    /// It was not let in.
    Refused(RefusalReason),
    /// It got no answer.
    Failed,
    /// It is no longer inside, as it was told.
    Left,
    /// It is no longer inside, though nobody told it to go. It can take the session up again for so
    /// long.
    Lost { resume: Duration },
}

pub(super) struct Player {
    pub(super) number: u32,
    pub(super) name: PlayerName,
    pub(super) shared: Arc<Shared>,
    pub(super) log: Arc<Mutex<PlayerLog>>,
    pub(super) orders: watch::Receiver<Order>,
    pub(super) events: mpsc::Sender<(u32, Event)>,
}

/// How far a join got.
enum Join {
    In(Box<Socket>, Welcome),
    Refused(RefusalReason),
    Failed,
}

struct Kept {
    /// World of the token.
    key: String,
    token: ResumeToken,
    until: Instant,
}

impl Player {
    /// Obeys orders until the swarm drops its end.
    pub(super) async fn run(mut self) {
        let mut rng = SmallRng::seed_from_u64(u64::from(self.number));
        let mut kept: Option<Kept> = None;
        loop {
            let target = self.orders.borrow_and_update().clone();
            if let Some(target) = target {
                let resume = kept
                    .take()
                    .filter(|kept| kept.key == target.key && Instant::now() < kept.until)
                    .map(|kept| kept.token);
                let resuming = resume.is_some();
                let mut joined = self.join(&target, resume).await;
                // The session is gone: come in as someone new, in the same breath.
                if resuming && matches!(joined, Join::Refused(RefusalReason::ResumeInvalid)) {
                    joined = self.join(&target, None).await;
                }
                let event = match joined {
                    Join::In(socket, welcome) => {
                        if self.tell(Event::Joined).await.is_err() {
                            return;
                        }
                        let by_bot = self.play(*socket, &welcome, &mut rng).await;
                        if by_bot {
                            Event::Left
                        } else {
                            let resume = Duration::from_secs(u64::from(welcome.resume_seconds));
                            kept = Some(Kept {
                                key: target.key.clone(),
                                token: welcome.resume_token,
                                until: Instant::now() + resume,
                            });
                            Event::Lost { resume }
                        }
                    }
                    Join::Refused(reason) => Event::Refused(reason),
                    Join::Failed => Event::Failed,
                };
                if self.tell(event).await.is_err() {
                    return;
                }
            }
            if self.orders.changed().await.is_err() {
                return;
            }
        }
    }

    async fn tell(&self, event: Event) -> Result<(), mpsc::error::SendError<(u32, Event)>> {
        self.events.send((self.number, event)).await
    }

    fn log(&self) -> MutexGuard<'_, PlayerLog> {
        // A record with a torn entry is worth more than none.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One try. It is never given up half-way, for a server might then hold a seat for nobody.
    async fn join(&self, target: &Target, resume: Option<ResumeToken>) -> Join {
        let Ok(_permit) = self.shared.connecting.acquire().await else {
            return Join::Failed;
        };
        let failed = |reason: &str, detail: String| {
            self.log().failed(Failure {
                at_unix_ms: 0,
                world: target
                    .world
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                address: target.address.to_string(),
                reason: reason.to_owned(),
                detail,
            });
            Join::Failed
        };
        let mut socket = match timeout(CONNECT_TIMEOUT, self.connect(target.address)).await {
            Err(_) => return failed("Timeout", "no connection in time".to_owned()),
            Ok(Err(WsError::Io(error))) => return failed("Connect", error.to_string()),
            Ok(Err(error)) => return failed("Upgrade", error.to_string()),
            Ok(Ok(socket)) => socket,
        };
        let hello = ClientMessage::Hello(Hello {
            version: PROTOCOL_VERSION,
            world: target.world.clone(),
            epoch: target.epoch,
            name: self.name.clone(),
            resume,
        });
        let deadline = tokio::time::Instant::now() + WELCOME_TIMEOUT;
        let mut close = None;
        // A server that refuses may close while the Hello is still on its way, so a failed send is
        // no answer yet: what was received before may say more.
        let sent = self.send(&mut socket, &hello).await;
        let answer = loop {
            match timeout_at(deadline, socket.next()).await {
                Err(_) => return failed("Timeout", "no answer to the Hello".to_owned()),
                Ok(None) => break Err("the connection ended".to_owned()),
                Ok(Some(Err(error))) => break Err(error.to_string()),
                Ok(Some(Ok(Message::Close(frame)))) => close = frame.or(close),
                Ok(Some(Ok(message))) => match self.decode(&message, None) {
                    None => {}
                    Some(Ok(Received::Message(answer))) => break Ok((answer, message.len())),
                    Some(Ok(Received::Update)) => break Err("an update came first".to_owned()),
                    Some(Err(error)) => return failed("Violation", error.to_string()),
                },
            }
        };
        let refusal = match answer {
            Ok((ServerMessage::Welcome(welcome), bytes)) => {
                let address = target.address.to_string();
                self.log().joined(&welcome, address, bytes);
                return Join::In(Box::new(socket), welcome);
            }
            Ok((ServerMessage::Refused(refused), _)) => refused,
            Ok((other, _)) => return failed("Violation", format!("{other:?} came first")),
            // The close code alone says it, too.
            Err(error) => {
                match close.map(|frame| RefusalReason::from_close_code(frame.code.into())) {
                    Some(Some(reason)) => Refused {
                        reason,
                        message: String::new(),
                    },
                    _ => {
                        return failed("Lost", sent.err().map_or(error, |error| error.to_string()));
                    }
                }
            }
        };
        let Refused { reason, message } = refusal;
        self.log().refused(Refusal {
            at_unix_ms: 0,
            world: target
                .world
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            epoch: target.epoch,
            address: target.address.to_string(),
            reason: reason.to_string(),
            message,
        });
        Join::Refused(reason)
    }

    async fn connect(&self, address: SocketAddr) -> Result<Socket, WsError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_SERVER_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_SERVER_MESSAGE_BYTES));
        let query = match self.shared.format {
            Format::Binary => "",
            Format::Json => "?format=json",
        };
        let url = format!("ws://{address}{PLAY_PATH}{query}");
        let (socket, _) = client_async_with_config(url, stream, Some(config)).await?;
        Ok(socket)
    }

    async fn send(&self, socket: &mut Socket, message: &ClientMessage) -> Result<(), WsError> {
        let mut bytes = Vec::with_capacity(16);
        encode_client(self.shared.format, message, &mut bytes);
        let frame = match self.shared.format {
            Format::Binary => Message::binary(bytes),
            Format::Json => Message::text(String::from_utf8_lossy(&bytes).into_owned()),
        };
        socket.send(frame).await
    }

    /// None for frames below the protocol.
    fn decode(
        &self,
        message: &Message,
        view: Option<&mut View>,
    ) -> Option<Result<Received, DecodeError>> {
        let payload = match message {
            Message::Binary(bytes) => Payload::Binary(bytes),
            Message::Text(text) => Payload::Text(text),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {
                return None;
            }
        };
        Some(decode_server(self.shared.format, payload, view))
    }

    /// Plays until the connection ends. True if the bot had asked for that.
    async fn play(&mut self, mut socket: Socket, welcome: &Welcome, rng: &mut SmallRng) -> bool {
        let started = tokio::time::Instant::now();
        let mut play = Play {
            view: View::new(welcome),
            seq: welcome.ack,
            turn_at: started,
            ping_at: started + PING_EVERY.mul_f32(rng.random_range(0.0..1.0)),
            ping_sent: None,
            last_update: started,
            kicked: None,
            close: None,
            leaving: None,
        };
        // Everything that happens at some time waits on one timer, which is set anew only when the
        // earliest of them changes: most turns of the loop are updates, which change nothing.
        let timer = sleep_until(started);
        tokio::pin!(timer);
        let mut orders_closed = false;
        let why = loop {
            let silent_at = play.last_update + self.shared.silence;
            let next = match play.leaving {
                Some(leave_by) => leave_by,
                None => play.turn_at.min(play.ping_at).min(silent_at),
            };
            if timer.deadline() != next {
                timer.as_mut().reset(next);
            }
            tokio::select! {
                biased;
                message = socket.next() => match message {
                    None => break String::new(),
                    Some(Err(WsError::ConnectionClosed | WsError::AlreadyClosed)) => break String::new(),
                    Some(Err(error)) => break error.to_string(),
                    Some(Ok(Message::Close(frame))) => play.close = frame.or(play.close.take()),
                    Some(Ok(message)) => {
                        if let Err(violation) = self.take(&message, &mut play) {
                            self.log().violated(violation.to_string());
                            play.leave(&mut socket, self).await;
                        }
                    }
                },
                changed = self.orders.changed(), if play.leaving.is_none() && !orders_closed => {
                    orders_closed = changed.is_err();
                    if orders_closed || self.orders.borrow_and_update().is_none() {
                        play.leave(&mut socket, self).await;
                    }
                },
                () = timer.as_mut() => {
                    if play.leaving.is_some() {
                        break "the server did not close after a Leave".to_owned();
                    }
                    let now = tokio::time::Instant::now();
                    if now >= silent_at {
                        self.log().ended(Disconnect {
                            at_unix_ms: 0,
                            asked_by_bot: false,
                            close_code: None,
                            reason: "Silence".to_owned(),
                            detail: format!("no update for {} s", self.shared.silence.as_secs()),
                        });
                        return false;
                    }
                    if let Err(error) = self.act(&mut socket, &mut play, now, rng).await {
                        // What the server sent before it closed is still to be read.
                        if !matches!(error, WsError::ConnectionClosed | WsError::AlreadyClosed) {
                            tracing::debug!(player = self.number, %error, "cannot send");
                        }
                        play.turn_at = now + PING_EVERY;
                        play.ping_at = now + PING_EVERY;
                    }
                },
            }
        };
        let asked_by_bot = play.leaving.is_some();
        let (close_code, reason, detail) = describe_end(play.kicked, play.close, why);
        self.log().ended(Disconnect {
            at_unix_ms: 0,
            asked_by_bot,
            close_code,
            reason,
            detail,
        });
        asked_by_bot
    }

    fn take(&self, message: &Message, play: &mut Play) -> Result<(), DecodeError> {
        let bytes = message.len();
        let Some(received) = self.decode(message, Some(&mut play.view)) else {
            return Ok(());
        };
        // After a violation the view is of no use, and what still comes is not judged again.
        if play.leaving.is_some() && received.is_err() {
            return Ok(());
        }
        let mut log = self.log();
        log.received(bytes);
        match received? {
            Received::Update => {
                let now = tokio::time::Instant::now();
                play.last_update = now;
                log.updated(play.view.own(), play.view.entities().len(), now.into_std());
            }
            Received::Message(ServerMessage::Pong(pong)) => {
                if let Some((nonce, sent)) = play.ping_sent
                    && nonce == pong.nonce
                {
                    log.round_trip(sent);
                    play.ping_sent = None;
                }
            }
            Received::Message(ServerMessage::Notice(notice)) => log.noticed(&notice),
            Received::Message(ServerMessage::Kicked(kicked)) => {
                play.kicked = Some((kicked.reason, kicked.message));
            }
            Received::Message(ServerMessage::Welcome(_) | ServerMessage::Refused(_)) => {
                return Err(DecodeError::Malformed {
                    field: "type",
                    why: "a Welcome or Refused comes once, first",
                });
            }
        }
        Ok(())
    }

    async fn act(
        &self,
        socket: &mut Socket,
        play: &mut Play,
        now: tokio::time::Instant,
        rng: &mut SmallRng,
    ) -> Result<(), WsError> {
        if now >= play.turn_at {
            play.turn_at = now + Duration::from_millis(rng.random_range(TURN_MS));
            play.seq = play.seq.saturating_add(1);
            let input = Move {
                seq: play.seq,
                direction: random_direction(rng),
            };
            self.send(socket, &ClientMessage::Move(input)).await?;
            self.log().sent_input();
        }
        if now >= play.ping_at {
            play.ping_at = now + PING_EVERY;
            let nonce = play.seq;
            play.ping_sent = Some((nonce, Instant::now()));
            self.send(socket, &ClientMessage::Ping(Ping { nonce }))
                .await?;
        }
        Ok(())
    }
}

/// A connection in use.
struct Play {
    view: View,
    seq: u32,
    turn_at: tokio::time::Instant,
    ping_at: tokio::time::Instant,
    ping_sent: Option<(u32, Instant)>,
    last_update: tokio::time::Instant,
    kicked: Option<(KickReason, String)>,
    close: Option<CloseFrame>,
    /// The bot has said that it leaves; until when it waits for the close.
    leaving: Option<tokio::time::Instant>,
}

impl Play {
    async fn leave(&mut self, socket: &mut Socket, player: &Player) {
        // A server that has begun to close was first: the end is its doing.
        if self.leaving.is_some() || self.kicked.is_some() || self.close.is_some() {
            return;
        }
        self.leaving = Some(tokio::time::Instant::now() + LEAVE_TIMEOUT);
        player.log().leaving();
        if let Err(error) = player.send(socket, &ClientMessage::Leave).await {
            tracing::debug!(player = player.number, %error, "cannot send a Leave");
        }
    }
}

fn describe_end(
    kicked: Option<(KickReason, String)>,
    close: Option<CloseFrame>,
    why: String,
) -> (Option<u16>, String, String) {
    let code = close.as_ref().map(|frame| u16::from(frame.code));
    let words = close
        .map(|frame| frame.reason.to_string())
        .unwrap_or_default();
    if let Some((reason, message)) = kicked {
        // A Kicked is as good as its close frame, which may get lost behind it.
        return (
            code.or(Some(reason.close_code())),
            reason.to_string(),
            message,
        );
    }
    let Some(code) = code else {
        return (None, "ConnectionLost".to_owned(), why);
    };
    let reason = match (code, KickReason::from_close_code(code)) {
        (_, Some(reason)) => reason.as_str(),
        (CLOSE_NORMAL, None) => "Left",
        (1001, None) => "GoingAway",
        _ => "OtherCode",
    };
    (Some(code), reason.to_owned(), words)
}

/// Mostly at full speed, now and then at a stroll, now and then standing.
fn random_direction(rng: &mut SmallRng) -> Direction {
    let along = rng.random_range(-FULL_SPEED..=FULL_SPEED);
    let side = if rng.random() {
        FULL_SPEED
    } else {
        -FULL_SPEED
    };
    match rng.random_range(0_u8..10) {
        0 => Direction::default(),
        1 => Direction {
            x: along / 2,
            y: side / 2,
        },
        2..=5 => Direction { x: along, y: side },
        _ => Direction { x: side, y: along },
    }
}
