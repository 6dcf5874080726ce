//! One bot from order to order: it joins a world, plays there, leaves, and comes back if it lost the
//! connection. What it does inside is [`Play`]'s.
//!
//! A player never blocks and never waits: [`Player::ready`] goes on with what its socket has,
//! [`Player::turn`] with what its time has come for, and both say when they want to be asked again.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mio::{Interest, Registry, Token};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::connection::{Buffers, Connection, Ending, Incoming};
use super::frames::{self, Opcode};
use super::log::PlayerLog;
use super::peer::{self, Malformed, PeerPlay};
use super::plan::{Activity, Plan};
use super::play::{Play, Taken};
use super::record::{Disconnect, Failure, Refusal};
use super::worlds::{World, Worlds};
use crate::protocol::limits::MAX_SERVER_MESSAGE_BYTES;
use crate::protocol::{
    CLOSE_NORMAL, ClientMessage, Format, Hello, KickReason, PLAY_PATH, PROTOCOL_VERSION, Payload,
    PlayerName, Received, RefusalReason, Refused, ResumeToken, ServerMessage, Welcome, WorldName,
    decode_server, encode_client,
};

/// Longest wait for the TCP connection and the upgrade: two round trips of 5 s, and a lost packet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest wait for the answer to a Hello.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for the close after a Leave, beside a round trip or two.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Most that is added for those: the swarm itself waits for 8 seconds at its end.
const LEAVE_ROUND_TRIPS: Duration = Duration::from_secs(5);
/// How soon a bot asks again for its turn to connect.
const QUEUE_PAUSE: Duration = Duration::from_millis(10);

/// Whom the bots play with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// A world server, by PROTOCOL.md.
    #[default]
    Keeper,
    /// The benchmark's peer, by its README.
    Peer,
}

/// What all bots of a process share.
pub(super) struct Shared {
    pub(super) worlds: Worlds,
    /// Of all plans.
    pub(super) seed: u64,
    pub(super) activities: Vec<Activity>,
    /// One permit per connection that is being made.
    pub(super) connecting: Arc<Semaphore>,
    pub(super) format: Format,
    pub(super) dialect: Dialect,
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

/// What a thread lends to the bot that it attends to.
pub(super) struct Attendance<'a> {
    pub(super) now: Instant,
    pub(super) buffers: &'a mut Buffers,
    pub(super) registry: &'a Registry,
    pub(super) tell: &'a mut dyn FnMut(Event),
}

/// A far moment, for what has no next one.
pub(super) fn never(now: Instant) -> Instant {
    now + Duration::from_secs(3_600)
}

pub(super) struct Player {
    number: u32,
    plan: Plan,
    name: PlayerName,
    shared: Arc<Shared>,
    log: Arc<Mutex<PlayerLog>>,
    orders: watch::Receiver<Order>,
    /// Its socket's, with the thread's poll.
    token: Token,
    rng: SmallRng,
    kept: Option<Kept>,
    stage: Stage,
}

struct Kept {
    /// World of the token.
    key: String,
    token: ResumeToken,
    until: Instant,
}

enum Stage {
    /// Nothing to do until the next order.
    Idle,
    /// Waits for its turn to connect.
    Queued {
        target: Arc<Target>,
        resume: Option<ResumeToken>,
    },
    Entering(Box<Entering>),
    Inside(Box<Inside>),
}

/// A try to join. It is never given up half-way by an order, for a server might then hold a seat for
/// nobody.
struct Entering {
    connection: Connection,
    target: Arc<Target>,
    resume: Option<ResumeToken>,
    deadline: Instant,
    close: Option<(u16, String)>,
    _permit: OwnedSemaphorePermit,
}

struct Inside {
    connection: Connection,
    target: Arc<Target>,
    token: ResumeToken,
    resume: Duration,
    game: Game,
    kicked: Option<(KickReason, String)>,
    close: Option<(u16, String)>,
    /// The bot has said that it leaves; until when it waits for the close.
    leaving: Option<Instant>,
}

/// What is played, by which messages.
enum Game {
    Keeper(Box<Play>),
    Peer(Box<PeerPlay>),
}

impl Game {
    fn due(&self) -> Instant {
        match self {
            Self::Keeper(play) => play.due(),
            Self::Peer(play) => play.due(),
        }
    }

    fn silent_at(&self, silence: Duration) -> Instant {
        match self {
            Self::Keeper(play) => play.silent_at(silence),
            Self::Peer(play) => play.last_update + silence,
        }
    }

    fn round_trip(&self) -> Duration {
        match self {
            Self::Keeper(play) => play.round_trip(),
            // The peer has no ping.
            Self::Peer(_) => Duration::ZERO,
        }
    }

    fn over(&mut self) {
        match self {
            Self::Keeper(play) => play.over(),
            Self::Peer(play) => play.over(),
        }
    }
}

/// How a try to join came out.
enum Answer {
    In(Box<Welcome>, usize),
    Refused(RefusalReason, String),
    Failed(&'static str, String),
}

impl Player {
    pub(super) fn new(
        number: u32,
        name: PlayerName,
        token: Token,
        shared: Arc<Shared>,
        log: Arc<Mutex<PlayerLog>>,
        orders: watch::Receiver<Order>,
    ) -> Self {
        Self {
            name,
            log,
            orders,
            token,
            number,
            plan: Plan::new(number, shared.seed, &shared.activities),
            rng: SmallRng::seed_from_u64(u64::from(number)),
            shared,
            kept: None,
            stage: Stage::Idle,
        }
    }

    /// It holds a connection.
    pub(super) fn is_connected(&self) -> bool {
        matches!(self.stage, Stage::Entering(_) | Stage::Inside(_))
    }

    /// Looks for an order. Returns when the bot wants its turn because of it.
    pub(super) fn obey(&mut self, with: &mut Attendance<'_>) -> Option<Instant> {
        let closed = match self.orders.has_changed() {
            Ok(false) => return None,
            Ok(true) => false,
            Err(_) => true,
        };
        match &mut self.stage {
            // The try ends first; the order is looked at after it.
            Stage::Queued { .. } | Stage::Entering(_) => None,
            Stage::Idle => {
                let target = self.orders.borrow_and_update().clone()?;
                let resume = self
                    .kept
                    .take()
                    .filter(|kept| kept.key == target.key && with.now < kept.until)
                    .map(|kept| kept.token);
                self.stage = Stage::Queued { target, resume };
                Some(with.now)
            }
            Stage::Inside(_) => (closed || self.orders.borrow_and_update().is_none()).then(|| {
                self.leave(with);
                self.due(with.now)
            }),
        }
    }

    /// When it wants its turn at the latest.
    fn due(&self, now: Instant) -> Instant {
        match &self.stage {
            Stage::Idle => never(now),
            Stage::Queued { .. } => now + QUEUE_PAUSE,
            Stage::Entering(entering) => entering.deadline,
            Stage::Inside(inside) => inside.leaving.unwrap_or_else(|| {
                let game = &inside.game;
                game.due().min(game.silent_at(self.shared.silence))
            }),
        }
    }

    /// Does what its time has come for. Returns when it wants its next turn.
    pub(super) fn turn(&mut self, with: &mut Attendance<'_>) -> Instant {
        match &mut self.stage {
            Stage::Idle => {}
            Stage::Queued { .. } => self.connect(with),
            Stage::Entering(entering) if with.now >= entering.deadline => {
                let detail = if entering.connection.is_open() {
                    "no answer to the Hello"
                } else {
                    "no connection in time"
                };
                self.answered(Answer::Failed("Timeout", detail.to_owned()), with);
            }
            Stage::Entering(_) => {}
            Stage::Inside(inside) => match inside.leaving {
                Some(until) if with.now >= until => {
                    self.ended("the server did not close after a Leave".to_owned(), with);
                }
                Some(_) => {}
                None if with.now >= inside.game.silent_at(self.shared.silence) => {
                    self.silent(with);
                }
                None => self.act(with),
            },
        }
        self.due(with.now)
    }

    fn act(&mut self, with: &mut Attendance<'_>) {
        let Stage::Inside(inside) = &mut self.stage else {
            return;
        };
        let log = &mut lock(&self.log);
        let Inside {
            connection, game, ..
        } = &mut **inside;
        let format = self.shared.format;
        let sent = match game {
            Game::Keeper(play) => play.act(with.now, log, &mut self.rng, |message, rng| {
                send(connection, format, message, with.buffers, rng)
            }),
            Game::Peer(play) => match play.act(with.now, log) {
                None => Ok(()),
                Some(input) => {
                    with.buffers.message.clear();
                    with.buffers.message.extend_from_slice(&input);
                    connection.send_message(Opcode::Binary, with.buffers, self.rng.random())
                }
            },
        };
        // What the server sent before it closed is still to be read, and ends this.
        if let Err(ending) = sent {
            tracing::debug!(player = %self.name, ending = ending.words(), "cannot send");
            match game {
                Game::Keeper(play) => play.pause(with.now),
                Game::Peer(play) => play.pause(with.now),
            }
        }
    }

    fn connect(&mut self, with: &mut Attendance<'_>) {
        let Ok(permit) = Arc::clone(&self.shared.connecting).try_acquire_owned() else {
            return;
        };
        let Stage::Queued { target, resume } = std::mem::replace(&mut self.stage, Stage::Idle)
        else {
            return;
        };
        let path = match (self.shared.dialect, self.shared.format) {
            (Dialect::Peer, _) => peer::PATH.to_owned(),
            (Dialect::Keeper, Format::Binary) => PLAY_PATH.to_owned(),
            (Dialect::Keeper, Format::Json) => format!("{PLAY_PATH}?format=json"),
        };
        let opened = Connection::open(target.address, path);
        let opened = opened.and_then(|mut connection| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            match with
                .registry
                .register(&mut connection.stream, self.token, interest)
            {
                Ok(()) => Ok(connection),
                Err(error) => Err(Ending::Connect(error.to_string())),
            }
        });
        match opened {
            Ok(connection) => {
                self.stage = Stage::Entering(Box::new(Entering {
                    connection,
                    target,
                    resume,
                    deadline: with.now + CONNECT_TIMEOUT,
                    close: None,
                    _permit: permit,
                }));
            }
            Err(ending) => {
                self.failed(&target, "Connect", ending.words());
                (with.tell)(Event::Failed);
            }
        }
    }

    /// Goes on with what the socket has. Returns when it wants its next turn.
    pub(super) fn ready(&mut self, writable: bool, with: &mut Attendance<'_>) -> Instant {
        let mut read = with.buffers.lend_read();
        let ended = self.drain(writable, &mut read, with);
        with.buffers.return_read(read);
        if let Err(ending) = ended {
            self.over(ending, with);
        }
        self.due(with.now)
    }

    fn connection(&mut self) -> Option<&mut Connection> {
        match &mut self.stage {
            Stage::Entering(entering) => Some(&mut entering.connection),
            Stage::Inside(inside) => Some(&mut inside.connection),
            Stage::Idle | Stage::Queued { .. } => None,
        }
    }

    /// Reads until the socket is empty, and takes every frame in place.
    fn drain(
        &mut self,
        writable: bool,
        read: &mut [u8],
        with: &mut Attendance<'_>,
    ) -> Result<(), Ending> {
        if writable && let Some(connection) = self.connection() {
            connection.writable()?;
        }
        let mut have = 0;
        loop {
            let Some(connection) = self.connection() else {
                return Ok(());
            };
            let filled = match connection.fill(read, have) {
                Ok(filled) => filled,
                Err((_, ending)) => return Err(ending),
            };
            let mut used = 0;
            while let Some(rest) = read
                .get(used..filled.length)
                .filter(|rest| !rest.is_empty())
            {
                match self.take(rest, with)? {
                    0 => break,
                    length => used += length,
                }
            }
            let Some(connection) = self.connection() else {
                return Ok(());
            };
            if filled.drained {
                connection.keep(read.get(used..filled.length).unwrap_or_default());
                return Ok(());
            }
            read.copy_within(used..filled.length, 0);
            have = filled.length - used;
        }
    }

    /// Takes what is whole at the front of `bytes`: how long it was, 0 for nothing.
    fn take(&mut self, bytes: &[u8], with: &mut Attendance<'_>) -> Result<usize, Ending> {
        let mask = self.rng.random();
        let Some(connection) = self.connection() else {
            return Ok(0);
        };
        if !connection.is_open() {
            let Some(length) = connection.upgraded(bytes)? else {
                return Ok(0);
            };
            self.greet(with);
            return Ok(length);
        }
        let Some(frame) = frames::parse(bytes, MAX_SERVER_MESSAGE_BYTES)? else {
            return Ok(0);
        };
        let length = frame.length;
        let mut joined = Vec::new();
        let payload = match connection.take(frame, &mut joined)? {
            Incoming::Nothing => return Ok(length),
            Incoming::Ping(payload) => {
                with.buffers.message.clear();
                with.buffers.message.extend_from_slice(payload);
                // A socket that fails is noticed when it is read.
                let _ = connection.send_message(Opcode::Pong, with.buffers, mask);
                return Ok(length);
            }
            Incoming::Close(why) => {
                with.buffers.message.clear();
                if let Some((code, _)) = &why {
                    let code = code.to_be_bytes();
                    with.buffers.message.extend_from_slice(&code);
                }
                let _ = connection.send_message(Opcode::Close, with.buffers, mask);
                match &mut self.stage {
                    Stage::Entering(entering) => entering.close = why,
                    Stage::Inside(inside) => inside.close = why,
                    Stage::Idle | Stage::Queued { .. } => {}
                }
                return Err(Ending::Closed);
            }
            Incoming::Binary(payload) => Payload::Binary(payload),
            Incoming::Text(payload) => match std::str::from_utf8(payload) {
                Ok(text) => Payload::Text(text),
                Err(_) => return Err(Ending::Violation("text that is not UTF-8".to_owned())),
            },
        };
        match &mut self.stage {
            Stage::Entering(_) if self.shared.dialect == Dialect::Peer => {
                let answer = match payload {
                    Payload::Binary(bytes) => peer::welcome(bytes),
                    Payload::Text(_) => Err(Malformed("messages are binary")),
                };
                let answer = match answer {
                    Ok(welcome) => Answer::In(Box::new(welcome), length),
                    Err(error) => Answer::Failed("Violation", error.to_string()),
                };
                self.answered(answer, with);
            }
            Stage::Entering(_) => {
                let answer = match decode_server(self.shared.format, payload, None) {
                    Ok(Received::Message(ServerMessage::Welcome(welcome))) => {
                        Answer::In(Box::new(welcome), length)
                    }
                    Ok(Received::Message(ServerMessage::Refused(Refused { reason, message }))) => {
                        Answer::Refused(reason, message)
                    }
                    Ok(Received::Message(other)) => {
                        Answer::Failed("Violation", format!("{other:?} came first"))
                    }
                    Ok(Received::Update { .. }) => {
                        Answer::Failed("Violation", "an update came first".to_owned())
                    }
                    Err(error) => Answer::Failed("Violation", error.to_string()),
                };
                self.answered(answer, with);
            }
            Stage::Inside(_) => self.hear(payload, length, with),
            Stage::Idle | Stage::Queued { .. } => {}
        }
        Ok(length)
    }

    fn greet(&mut self, with: &mut Attendance<'_>) {
        let Stage::Entering(entering) = &mut self.stage else {
            return;
        };
        entering.deadline = with.now + WELCOME_TIMEOUT;
        if self.shared.dialect == Dialect::Peer {
            return;
        }
        let hello = ClientMessage::Hello(Hello {
            version: PROTOCOL_VERSION,
            world: entering.target.world.clone(),
            epoch: entering.target.epoch,
            name: self.name.clone(),
            resume: entering.resume.clone(),
        });
        let Entering { connection, .. } = &mut **entering;
        let sent = send(
            connection,
            self.shared.format,
            &hello,
            with.buffers,
            &mut self.rng,
        );
        // A server that refuses may close while the Hello is still on its way, so a failed send is
        // no answer yet: what was received before may say more.
        if let Err(ending) = sent {
            tracing::debug!(player = %self.name, ending = ending.words(), "cannot send a Hello");
        }
    }

    /// The try to join has come to its end.
    fn answered(&mut self, answer: Answer, with: &mut Attendance<'_>) {
        let Stage::Entering(entering) = std::mem::replace(&mut self.stage, Stage::Idle) else {
            return;
        };
        let Entering {
            connection,
            target,
            resume,
            ..
        } = *entering;
        match answer {
            Answer::In(welcome, bytes) => {
                lock(&self.log).joined(&welcome, target.address.to_string(), bytes);
                let (plan, bot) = (self.plan, self.number);
                let game = match self.shared.dialect {
                    Dialect::Keeper => {
                        let world = self.shared.worlds.enter(&welcome);
                        let rng = &mut self.rng;
                        let play = Play::new(&welcome, world, plan, bot, with.now, rng);
                        Game::Keeper(Box::new(play))
                    }
                    Dialect::Peer => {
                        let world = World::bare(welcome.tick_rate_hz, welcome.size_metres);
                        let address = target.address.to_string();
                        let world = self.shared.worlds.enter_bare(address, world);
                        let play = PeerPlay::new(&welcome, world, plan, bot, with.now);
                        Game::Peer(Box::new(play))
                    }
                };
                self.stage = Stage::Inside(Box::new(Inside {
                    connection,
                    target,
                    token: welcome.resume_token.clone(),
                    resume: Duration::from_secs(u64::from(welcome.resume_seconds)),
                    game,
                    kicked: None,
                    close: None,
                    leaving: None,
                }));
                (with.tell)(Event::Joined);
                // An order that came meanwhile has not been looked at.
                self.obey(with);
            }
            Answer::Refused(reason, message) => {
                lock(&self.log).refused(Refusal {
                    at_unix_ms: 0,
                    world: name_of(&target),
                    epoch: target.epoch,
                    address: target.address.to_string(),
                    reason: reason.to_string(),
                    message,
                });
                if resume.is_some() && reason == RefusalReason::ResumeInvalid {
                    // The session is gone: come in as someone new, in the same breath.
                    self.stage = Stage::Queued {
                        target,
                        resume: None,
                    };
                } else {
                    (with.tell)(Event::Refused(reason));
                }
            }
            Answer::Failed(reason, detail) => {
                self.failed(&target, reason, detail);
                (with.tell)(Event::Failed);
            }
        }
    }

    fn failed(&self, target: &Target, reason: &str, detail: String) {
        lock(&self.log).failed(Failure {
            at_unix_ms: 0,
            world: name_of(target),
            address: target.address.to_string(),
            reason: reason.to_owned(),
            detail,
        });
    }

    /// The connection is over.
    fn over(&mut self, ending: Ending, with: &mut Attendance<'_>) {
        match &mut self.stage {
            Stage::Idle | Stage::Queued { .. } => {}
            Stage::Entering(entering) => {
                let refusal = entering
                    .close
                    .take()
                    .and_then(|(code, _)| RefusalReason::from_close_code(code));
                let open = entering.connection.is_open();
                let answer = match (ending, refusal) {
                    // The close code alone says it, too.
                    (_, Some(reason)) => Answer::Refused(reason, String::new()),
                    (Ending::Connect(words), None) => Answer::Failed("Connect", words),
                    (Ending::Upgrade(words), None) => Answer::Failed("Upgrade", words),
                    (Ending::Violation(words), None) => Answer::Failed("Violation", words),
                    (Ending::Closed, None) if open => {
                        Answer::Failed("Lost", "the connection ended".to_owned())
                    }
                    (ending, None) if open => Answer::Failed("Lost", ending.words()),
                    (ending, None) => Answer::Failed("Upgrade", ending.words()),
                };
                self.answered(answer, with);
            }
            Stage::Inside(_) => {
                if let Ending::Violation(words) = &ending {
                    lock(&self.log).violated(words.clone());
                }
                self.ended(ending.words(), with);
            }
        }
    }

    /// Takes in a message while inside.
    fn hear(&mut self, payload: Payload<'_>, length: usize, with: &mut Attendance<'_>) {
        let Stage::Inside(inside) = &mut self.stage else {
            return;
        };
        let taken = {
            let log = &mut lock(&self.log);
            log.received(payload_length(payload), length);
            match (&mut inside.game, payload) {
                (Game::Keeper(play), payload) => {
                    match decode_server(self.shared.format, payload, Some(play.view())) {
                        Ok(received) => play.take(received, with.now, log),
                        Err(error) => Taken::Violation(error.to_string()),
                    }
                }
                (Game::Peer(play), Payload::Binary(bytes)) => {
                    match play.take(bytes, with.now, log) {
                        Ok(()) => Taken::Fine,
                        Err(error) => Taken::Violation(error.to_string()),
                    }
                }
                (Game::Peer(_), Payload::Text(_)) => {
                    Taken::Violation("messages are binary".to_owned())
                }
            }
        };
        match taken {
            Taken::Fine => {}
            Taken::Kicked(reason, message) => inside.kicked = Some((reason, message)),
            // After a violation the view is of no use, and what still comes is not judged again.
            Taken::Violation(_) if inside.leaving.is_some() => {}
            Taken::Violation(words) => {
                lock(&self.log).violated(words);
                self.leave(with);
            }
        }
    }

    fn leave(&mut self, with: &mut Attendance<'_>) {
        let Stage::Inside(inside) = &mut self.stage else {
            return;
        };
        // A server that has begun to close was first: the end is its doing.
        if inside.leaving.is_some() || inside.kicked.is_some() || inside.close.is_some() {
            return;
        }
        let far = (inside.game.round_trip() * 2).min(LEAVE_ROUND_TRIPS);
        inside.leaving = Some(with.now + LEAVE_TIMEOUT + far);
        lock(&self.log).leaving();
        if self.shared.dialect == Dialect::Peer {
            // To leave, close.
            with.buffers.message.clear();
            let code = CLOSE_NORMAL.to_be_bytes();
            with.buffers.message.extend_from_slice(&code);
            let mask = self.rng.random();
            let Inside { connection, .. } = &mut **inside;
            let _ = connection.send_message(Opcode::Close, with.buffers, mask);
            return;
        }
        let sent = send(
            &mut inside.connection,
            self.shared.format,
            &ClientMessage::Leave,
            with.buffers,
            &mut self.rng,
        );
        if let Err(ending) = sent {
            tracing::debug!(player = %self.name, ending = ending.words(), "cannot send a Leave");
        }
    }

    fn silent(&mut self, with: &mut Attendance<'_>) {
        let end = Disconnect {
            at_unix_ms: 0,
            asked_by_bot: false,
            close_code: None,
            reason: "Silence".to_owned(),
            detail: format!("no update for {} s", self.shared.silence.as_secs()),
        };
        self.outside(end, with);
    }

    fn ended(&mut self, why: String, with: &mut Attendance<'_>) {
        let Stage::Inside(inside) = &mut self.stage else {
            return;
        };
        let asked_by_bot = inside.leaving.is_some();
        let (close_code, reason, detail) =
            describe_end(inside.kicked.take(), inside.close.take(), why);
        let end = Disconnect {
            at_unix_ms: 0,
            asked_by_bot,
            close_code,
            reason,
            detail,
        };
        self.outside(end, with);
    }

    fn outside(&mut self, end: Disconnect, with: &mut Attendance<'_>) {
        let Stage::Inside(inside) = std::mem::replace(&mut self.stage, Stage::Idle) else {
            return;
        };
        let Inside {
            target,
            token,
            resume,
            mut game,
            ..
        } = *inside;
        let asked_by_bot = end.asked_by_bot;
        {
            game.over();
            lock(&self.log).ended(end);
        }
        if asked_by_bot {
            (with.tell)(Event::Left);
        } else {
            self.kept = Some(Kept {
                key: target.key.clone(),
                token,
                until: with.now + resume,
            });
            (with.tell)(Event::Lost { resume });
        }
    }
}

/// A record with a torn entry is worth more than none.
fn lock(log: &Mutex<PlayerLog>) -> MutexGuard<'_, PlayerLog> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

fn payload_length(payload: Payload<'_>) -> usize {
    match payload {
        Payload::Binary(bytes) => bytes.len(),
        Payload::Text(text) => text.len(),
    }
}

fn name_of(target: &Target) -> String {
    let world = target.world.as_ref();
    world.map(ToString::to_string).unwrap_or_default()
}

fn send(
    connection: &mut Connection,
    format: Format,
    message: &ClientMessage,
    buffers: &mut Buffers,
    rng: &mut SmallRng,
) -> Result<(), Ending> {
    buffers.message.clear();
    encode_client(format, message, &mut buffers.message);
    let opcode = match format {
        Format::Binary => Opcode::Binary,
        Format::Json => Opcode::Text,
    };
    connection.send_message(opcode, buffers, rng.random())
}

fn describe_end(
    kicked: Option<(KickReason, String)>,
    close: Option<(u16, String)>,
    why: String,
) -> (Option<u16>, String, String) {
    let code = close.as_ref().map(|(code, _)| *code);
    if let Some((reason, message)) = kicked {
        // A Kicked is as good as its close frame, which may get lost behind it.
        return (
            code.or(Some(reason.close_code())),
            reason.to_string(),
            message,
        );
    }
    let Some((code, words)) = close else {
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
