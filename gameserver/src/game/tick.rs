//! The tick thread.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::oneshot;
use tracing::{info, warn};
use worldkeeper_crds::agent::{AgentStatus, DrainPhase};
use worldkeeper_sim::{
    BadParams, EntityId, EntityKind, Event, Genre as SimGenre, Input, LeaveCause, Position,
    Refusal, Seen, World,
};

use super::admission::{self, Admission, View};
use super::publish::{Facts, Publisher, TickTimes};
use super::schedule::Schedule;
use super::sessions::{Session, Sessions, State};
use super::{Admitted, Closing, Command, Drain, How, Inbox, NotAdmitted, Published};
use crate::config::Config;
use crate::metrics::{FormatLabel, Metrics};
use crate::net::{CloseWith, Link, Sender};
use crate::protocol::{
    EntityId as WireId, Format, Genre as WireGenre, Hello, KickReason, Looks, Notice, NoticeKind,
    Own, PROTOCOL_VERSION, PlayerName, Position as WirePosition, RefusalReason, ResumeToken,
    SentView, ServerMessage, UpdateWriter, Visible, Welcome, limits,
};

/// Seconds of tick times that the status sums up.
const TIMES_SECONDS: u32 = 10;
/// How long the last words may take to reach the clients.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// Millimetres, in which the world counts, in a unit of the protocol.
const UNITS: i32 = worldkeeper_sim::UNITS_PER_METRE / limits::UNITS_PER_METRE;

/// Why there is no world.
#[derive(Debug, Error)]
pub enum StartError {
    /// There is no such world.
    #[error("the world cannot be made: {0}")]
    World(#[from] BadParams),
    /// Its tick panicked. The panic's words are in the log.
    #[error("the world broke: its tick panicked")]
    Broke,
}

/// Makes the world in a thread of its own, and lets it tick there until [`Game::close`]. The receiver
/// gets how it ended.
///
/// # Errors
/// The system gives no thread.
pub fn start(
    config: Config,
    metrics: Arc<Metrics>,
    sender: Sender,
    inbox: Inbox,
) -> io::Result<oneshot::Receiver<Result<(), StartError>>> {
    let (end, ended) = oneshot::channel();
    metrics.capacity.set(config.server.max_players.into());
    thread::Builder::new().name("tick".into()).spawn(move || {
        let run = || -> Result<(), StartError> {
            let world = make(&config)?;
            Keeper::new(config, world, metrics, sender, inbox).run();
            Ok(())
        };
        // A world whose tick panicked must not go on; the process ends, and says so.
        let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(StartError::Broke));
        let _ = end.send(result);
    })?;
    Ok(ended)
}

fn make(config: &Config) -> Result<World, BadParams> {
    let began = Instant::now();
    let world = World::new(config.world.params, config.world.seed)?;
    info!(
        world = %config.world.name,
        epoch = config.world.epoch,
        seed = config.world.seed,
        genre = config.world.params.genre().as_str(),
        terrain = format!("{:016x}", world.terrain_hash()),
        creatures = world.creature_count(),
        millis = began.elapsed().as_millis(),
        "world made"
    );
    Ok(world)
}

/// A join whose input has been given to the world.
struct Joining {
    name: PlayerName,
    link: Arc<Link>,
    answer: oneshot::Sender<Result<Admitted, NotAdmitted>>,
}

/// A return whose input has been given to the world.
struct Returning {
    player: EntityId,
    link: Arc<Link>,
    answer: oneshot::Sender<Result<Admitted, NotAdmitted>>,
}

type DrainAnswer = (
    oneshot::Sender<Result<AgentStatus, Closing>>,
    Result<(), Closing>,
);

/// Owns the world and everything that is known of its players.
struct Keeper {
    config: Config,
    world: World,
    sessions: Sessions,
    phase: DrainPhase,
    /// The tick at which the connections are closed.
    close_at: Option<u64>,

    metrics: Arc<Metrics>,
    sender: Sender,
    inbox: Inbox,
    publisher: Publisher,
    times: TickTimes,
    start: Instant,

    // What the next tick takes in and answers.
    inputs: Vec<Input>,
    /// By ticket.
    joining: Vec<Option<Joining>>,
    returning: Vec<Returning>,
    drains: Vec<DrainAnswer>,

    // Memory that is used again in each tick.
    writer: UpdateWriter,
    seen: Vec<Seen>,
    scratch: Vec<u8>,
}

impl Keeper {
    fn new(
        config: Config,
        world: World,
        metrics: Arc<Metrics>,
        sender: Sender,
        inbox: Inbox,
    ) -> Self {
        let remembered = config.world.params.tick_rate().ticks(TIMES_SECONDS);
        Self {
            times: TickTimes::new(usize::try_from(remembered).unwrap_or(600)),
            config,
            world,
            sessions: Sessions::default(),
            phase: DrainPhase::Serving,
            close_at: None,
            metrics,
            sender,
            inbox,
            publisher: Publisher::default(),
            start: Instant::now(),
            inputs: Vec::new(),
            joining: Vec::new(),
            returning: Vec::new(),
            drains: Vec::new(),
            writer: UpdateWriter::default(),
            seen: Vec::new(),
            scratch: Vec::new(),
        }
    }

    fn run(mut self) {
        let mut schedule = Schedule::new(self.config.world.params.tick_rate().period_nanos());
        loop {
            thread::sleep(Duration::from_nanos(schedule.wait(self.now())));
            let due = schedule.due(self.now());
            if due.dropped > 0 {
                let dropped = Duration::from_nanos(due.dropped);
                self.metrics.wall_time_dropped.inc_by(dropped.as_secs_f64());
                warn!(
                    millis = dropped.as_millis(),
                    "the world cannot keep up: wall time dropped"
                );
            }
            for late in (0..due.ticks).rev() {
                // Of ticks that are caught up only the last is shown.
                self.tick(late == 0);
                if late > 0 {
                    self.metrics.ticks_caught_up.inc();
                }
            }
            let late = |at| self.world.current_tick() >= at || self.links().next().is_none();
            if self.close_at.is_some_and(late) {
                self.last_words();
                return;
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn tick(&mut self, show: bool) {
        let began = Instant::now();
        self.take_commands();
        self.expire();
        self.take_inputs();
        let events = self.world.tick(&self.inputs);
        self.inputs.clear();
        for event in events {
            self.happened(&event);
        }
        self.welcome_back();
        if show {
            self.show();
            self.sender.wake();
        }
        let took = began.elapsed();
        self.metrics.ticked(took);
        self.times
            .add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.tell();
    }

    fn take_commands(&mut self) {
        loop {
            match self.inbox.commands.try_recv() {
                Ok(Command::Join {
                    hello,
                    link,
                    answer,
                }) => self.join(hello, link, answer),
                Ok(Command::Gone { player, link, how }) => self.gone(player, &link, how),
                Ok(Command::Drain { drain, answer }) => {
                    let obeyed = self.drain(drain);
                    self.drains.push((answer, obeyed));
                }
                Ok(Command::Close) => self.close(),
                // All handles are gone in tests only; the world then waits for nobody.
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    fn join(
        &mut self,
        hello: Hello,
        link: Arc<Link>,
        answer: oneshot::Sender<Result<Admitted, NotAdmitted>>,
    ) {
        let json = link.format() == Format::Json;
        let view = View {
            world: &self.config.world.name,
            epoch: self.config.world.epoch,
            phase: self.phase,
            seats: self
                .config
                .server
                .max_players
                .try_into()
                .unwrap_or(usize::MAX),
            taken: self.sessions.len() + self.joining.len(),
            json_seats: self
                .config
                .server
                .json_max_clients
                .try_into()
                .unwrap_or(usize::MAX),
            json_taken: if json { self.json_clients() } else { 0 },
            sessions: &self.sessions,
        };
        match admission::decide(&view, &hello, link.format()) {
            Err(refusal) => {
                let _ = answer.send(Err(refusal));
            }
            Ok(Admission::New) => {
                let ticket = self.joining.len() as u64;
                self.inputs.push(Input::Join {
                    ticket,
                    name: hello.name.as_str().into(),
                });
                self.joining.push(Some(Joining {
                    name: hello.name,
                    link,
                    answer,
                }));
            }
            Ok(Admission::Resume(player)) => {
                self.inputs.push(Input::Return { player });
                self.returning.push(Returning {
                    player,
                    link,
                    answer,
                });
            }
        }
    }

    /// Clients that use JSON, those who come in with this tick too.
    fn json_clients(&self) -> usize {
        let joining = self.joining.iter().flatten().map(|joining| &joining.link);
        let returning = self.returning.iter().map(|returning| &returning.link);
        let links = self.links().chain(joining).chain(returning);
        links.filter(|link| link.format() == Format::Json).count()
    }

    fn gone(&mut self, player: EntityId, link: &Arc<Link>, how: How) {
        // A connection that was superseded has no say any more.
        let own = |session: &&mut Session| session.link().is_some_and(|own| Arc::ptr_eq(own, link));
        let Some(session) = self.sessions.get_mut(player).filter(own) else {
            return;
        };
        let grace = self.config.server.resume_grace_seconds;
        let ticks = self.config.world.params.tick_rate().ticks(grace);
        session.state = State::Waiting {
            until: self.world.current_tick() + ticks,
        };
        if how == How::Left {
            session.state = State::Leaving;
            let cause = LeaveCause::Left;
            self.inputs.push(Input::Leave { player, cause });
        } else {
            self.metrics.lost_connections.inc();
            self.inputs.push(Input::Lose { player });
        }
    }

    /// Bodies whose grace time is over go, unless their player comes back in this very tick.
    fn expire(&mut self) {
        let tick = self.world.current_tick();
        for session in self.sessions.iter() {
            let player = session.player;
            let back = || {
                self.returning
                    .iter()
                    .any(|returning| returning.player == player)
            };
            if matches!(session.state, State::Waiting { until } if tick >= until) && !back() {
                let cause = LeaveCause::GraceExpired;
                self.inputs.push(Input::Leave { player, cause });
            }
        }
    }

    fn take_inputs(&mut self) {
        for session in self.sessions.iter_mut() {
            if let Some((seq, direction)) = session.link().and_then(|link| link.take_input()) {
                session.heard();
                self.inputs.push(Input::Move {
                    player: session.player,
                    seq,
                    direction,
                });
            }
        }
    }

    fn happened(&mut self, event: &Event) {
        match *event {
            Event::Joined {
                ticket,
                player,
                position,
            } => self.joined(ticket, player, position),
            Event::Refused { ticket, refusal } => {
                let reason = match refusal {
                    Refusal::Full => (RefusalReason::WorldFull, "every seat is taken"),
                    Refusal::BadName => (RefusalReason::Malformed, "the name is too long"),
                };
                if let Some(joining) = self.take_joining(ticket) {
                    let _ = joining.answer.send(Err(reason));
                }
            }
            Event::Left { player, cause } => {
                let label = match cause {
                    LeaveCause::Left => "Left",
                    LeaveCause::GraceExpired => "GraceExpired",
                    LeaveCause::Removed => "Removed",
                };
                Metrics::count(&self.metrics.leaves, label);
                self.sessions.remove(player);
                info!(player = player.0, cause = label, "player out");
            }
        }
    }

    fn take_joining(&mut self, ticket: u64) -> Option<Joining> {
        let ticket = usize::try_from(ticket).ok()?;
        self.joining.get_mut(ticket)?.take()
    }

    fn joined(&mut self, ticket: u64, player: EntityId, position: Position) {
        let Some(Joining { name, link, answer }) = self.take_joining(ticket) else {
            return;
        };
        info!(player = player.0, %name, "player in");
        let Some(token) = self.sessions.add(player, name) else {
            return;
        };
        self.metrics.joins.inc();
        let welcome = self.welcome(player, position, token, 0, false);
        self.connect(player, &link, welcome, answer);
    }

    /// Gives those who come back their bodies.
    fn welcome_back(&mut self) {
        self.joining.clear();
        for Returning {
            player,
            link,
            answer,
        } in std::mem::take(&mut self.returning)
        {
            let body = self
                .world
                .player(player)
                .map(|body| (body.position, body.seq));
            let (Some((position, ack)), Some(token)) = (body, self.sessions.renew(player)) else {
                let words = "the body has just left the world";
                let _ = answer.send(Err((RefusalReason::ResumeInvalid, words)));
                continue;
            };
            let former = self
                .sessions
                .get_mut(player)
                .and_then(|session| session.link().cloned());
            if let Some(former) = former {
                let words = "the same player has connected again";
                former.close(CloseWith::Kicked(KickReason::Superseded, words));
            }
            self.metrics.resumes.inc();
            info!(player = player.0, "player back");
            let welcome = self.welcome(player, position, token, ack, true);
            self.connect(player, &link, welcome, answer);
        }
    }

    /// Sends the Welcome and hands the connection over to the sender.
    fn connect(
        &mut self,
        player: EntityId,
        link: &Arc<Link>,
        welcome: Welcome,
        answer: oneshot::Sender<Result<Admitted, NotAdmitted>>,
    ) {
        let view = SentView::new(link.format(), &welcome);
        let ack = welcome.ack;
        link.send(&ServerMessage::Welcome(welcome));
        if self.phase == DrainPhase::JoinsStopped {
            link.send(&notice(NoticeKind::JoinsStopped, 0));
        }
        self.sender.add(link.clone());
        if let Some(session) = self.sessions.get_mut(player) {
            let link = link.clone();
            session.state = State::Connected { link, view };
        }
        if answer.send(Ok(Admitted { player, ack })).is_err() {
            // Nobody reads from this connection any more, so nobody will tell when it ends.
            link.close(CloseWith::Normal);
            self.gone(player, link, How::Lost);
        }
    }

    fn welcome(
        &self,
        player: EntityId,
        position: Position,
        resume_token: ResumeToken,
        ack: u32,
        resumed: bool,
    ) -> Welcome {
        let Config { server, world, .. } = &self.config;
        Welcome {
            version: PROTOCOL_VERSION,
            world: world.name.clone(),
            epoch: world.epoch,
            seed: world.seed,
            genre: wire_genre(world.params.genre()),
            terrain_hash: self.world.terrain_hash(),
            size_metres: world.params.size_metres(),
            tick_rate_hz: world.params.tick_rate().hz(),
            tick: self.world.current_tick(),
            entity: WireId(player.0),
            position: wire_position(position),
            resumed,
            ack,
            resume_token,
            resume_seconds: server.resume_grace_seconds,
        }
    }

    /// Encodes what each client sees now.
    fn show(&mut self) {
        let Config { server, world, .. } = &self.config;
        let hz = u32::from(world.params.tick_rate().hz());
        let tick = self.world.current_tick();
        let json_now = tick.is_multiple_of(u64::from((hz / server.json_rate_hz).max(1)));
        let ping_every = (server.ping_interval.as_secs() * u64::from(hz)).max(1);
        let radius = server.view_radius_metres * worldkeeper_sim::UNITS_PER_METRE.unsigned_abs();
        let most = server.max_visible;

        let (names, sessions) = self.sessions.split();
        debug_assert_eq!(u32::try_from(sessions.len()), Ok(self.world.player_count()));
        let mut visible: Vec<Visible<'_>> = Vec::with_capacity(limits::MAX_VIEW_ENTITIES);
        let (mut binary, mut json) = (0, 0);
        for (session, body) in sessions.iter_mut().zip(self.world.players()) {
            debug_assert_eq!(session.player, body.id);
            let State::Connected { link, view } = &mut session.state else {
                continue;
            };
            // Spread over the interval, so that not all are asked in the same tick.
            if (tick + body.id.0).is_multiple_of(ping_every) {
                link.ping();
            }
            let sent = match link.format() {
                Format::Binary => &mut binary,
                Format::Json if json_now => &mut json,
                Format::Json => continue,
            };
            let encode = |out: &mut Vec<u8>| {
                // One more than is shown, for the player's own body.
                self.world
                    .near(body.position, radius, most + 1, &mut self.seen);
                visible.clear();
                let looks = |kind| match kind {
                    EntityKind::Player { rank } => {
                        let rank = usize::try_from(rank).unwrap_or(usize::MAX);
                        names.get(rank).map_or(Looks::Creature, Looks::Player)
                    }
                    EntityKind::Creature { .. } => Looks::Creature,
                };
                visible.extend(self.seen.iter().map(|seen| Visible {
                    id: WireId(seen.id.0),
                    position: wire_position(seen.position),
                    looks: looks(seen.kind),
                }));
                let own = Own {
                    tick,
                    ack: body.seq,
                    position: wire_position(body.position),
                };
                self.writer.write(view, own, &mut visible, out);
            };
            *sent += u64::from(link.update(&mut self.scratch, encode));
        }
        for (format, sent) in [(Format::Binary, binary), (Format::Json, json)] {
            let family = &self.metrics.messages_sent;
            family
                .get_or_create_owned(&FormatLabel::new(format))
                .inc_by(sent);
        }
    }

    /// Publishes the status when it is due, and answers those who wait for one.
    fn tell(&mut self) {
        let facts = self.facts();
        self.metrics.players.set(facts.players.into());
        self.metrics.resuming.set(facts.resuming.into());
        for (answer, obeyed) in std::mem::take(&mut self.drains) {
            let _ = answer.send(obeyed.map(|()| self.status(facts)));
        }
        if self.publisher.due(self.now(), facts) {
            let status = self.status(facts);
            let at = Instant::now();
            self.inbox
                .publish
                .send_replace(Some(Published { status, at }));
        }
    }

    fn facts(&self) -> Facts {
        let waiting = |session: &&Session| matches!(session.state, State::Waiting { .. });
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Facts {
            players: count(self.sessions.len()),
            resuming: count(self.sessions.iter().filter(waiting).count()),
            drain: self.phase,
        }
    }

    fn status(&mut self, facts: Facts) -> AgentStatus {
        let Facts {
            players,
            resuming,
            drain,
        } = facts;
        AgentStatus {
            world: self.config.world.name.to_string(),
            epoch: i64::try_from(self.config.world.epoch).unwrap_or(i64::MAX),
            tick: self.world.current_tick(),
            hash: format!("{:016x}", self.world.hash()),
            players,
            resuming,
            capacity: self.config.server.max_players,
            tick_p99_micros: self.times.p99(),
            drain,
            version: crate::VERSION.to_owned(),
        }
    }

    fn drain(&mut self, drain: Drain) -> Result<(), Closing> {
        if self.phase == DrainPhase::Closing {
            return Err(Closing);
        }
        let (phase, told) = match drain {
            Drain::Stop => (
                DrainPhase::JoinsStopped,
                Some((NoticeKind::JoinsStopped, 0)),
            ),
            Drain::Open => (DrainPhase::Serving, Some((NoticeKind::JoinsOpen, 0))),
            Drain::Ending(seconds) => {
                self.notify(NoticeKind::Closing, seconds);
                (DrainPhase::JoinsStopped, None)
            }
        };
        if phase != self.phase {
            self.phase = phase;
            if let Some((kind, seconds)) = told {
                self.notify(kind, seconds);
            }
            info!(?phase, players = self.sessions.len(), "drain phase");
        }
        Ok(())
    }

    /// The process is to end. Asked a second time, at once.
    fn close(&mut self) {
        let now = self.world.current_tick();
        let seconds = if self.phase == DrainPhase::Closing || self.links().next().is_none() {
            0
        } else {
            self.config.server.closing_notice_seconds
        };
        info!(players = self.sessions.len(), seconds, "closing");
        self.phase = DrainPhase::Closing;
        self.close_at = Some(now + self.config.world.params.tick_rate().ticks(seconds));
        self.notify(NoticeKind::Closing, seconds);
    }

    fn links(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.sessions.iter().filter_map(Session::link)
    }

    fn notify(&self, kind: NoticeKind, seconds: u32) {
        let message = notice(kind, seconds);
        for link in self.links() {
            link.send(&message);
        }
    }

    /// Closes all connections, and waits until the last words are written.
    fn last_words(&mut self) {
        for link in self.links() {
            link.close(CloseWith::Kicked(
                KickReason::Closing,
                "the world is closing",
            ));
        }
        let until = Instant::now() + LAST_WORDS;
        while self.sender.open() > 0 && Instant::now() < until {
            self.sender.wake();
            thread::sleep(Duration::from_millis(5));
        }
        info!(
            tick = self.world.current_tick(),
            hash = format!("{:016x}", self.world.hash()),
            "closed"
        );
    }
}

fn notice(kind: NoticeKind, seconds: u32) -> ServerMessage {
    ServerMessage::Notice(Notice { kind, seconds })
}

fn wire_position(position: Position) -> WirePosition {
    WirePosition {
        x: position.x / UNITS,
        y: position.y / UNITS,
    }
}

fn wire_genre(genre: SimGenre) -> WireGenre {
    match genre {
        SimGenre::Fantasy => WireGenre::Fantasy,
        SimGenre::SciFi => WireGenre::SciFi,
        SimGenre::Horror => WireGenre::Horror,
        SimGenre::Cyberpunk => WireGenre::Cyberpunk,
        SimGenre::PostApoc => WireGenre::PostApoc,
    }
}
