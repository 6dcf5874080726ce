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
use worldkeeper_sim::content::Content;
use worldkeeper_sim::{BadParams, Input, World};

use super::hear::{self, Hearing};
use super::joins::{Joining, Returning};
use super::overload::{Governor, Relief};
use super::publish::{Facts, Publisher, TickTimes};
use super::schedule::Schedule;
use super::sessions::{Session, Sessions, State};
use super::show::{Now, Shown, Stage};
use super::translate;
use super::verify::{self, Verifier};
use super::{Closing, Command, Drain, Inbox, Published};
use crate::config::Config;
use crate::cputime::thread_time;
use crate::metrics::{Metrics, Part};
use crate::net::{CloseWith, Link, Sender, Site};
use crate::protocol::{EventMessage, Format, KickReason, Notice, NoticeKind, ServerMessage};

/// Seconds of tick times that the status sums up.
const TIMES_SECONDS: u32 = 10;
/// How long the last words may take to reach the clients.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// Why there is no world.
#[derive(Debug, Error)]
pub enum StartError {
    /// There is no such world.
    #[error("the world cannot be made: {0}")]
    World(#[from] BadParams),
    /// Its tick panicked. The panic's words are in the log.
    #[error("the world broke: its tick panicked")]
    Broke,
    /// The system gives no thread.
    #[error("the system gives no thread: {0}")]
    Thread(io::Error),
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
            let verifier = Verifier::start(metrics.clone()).map_err(StartError::Thread)?;
            let world = make(&config)?;
            // A world is made once, and so is what is told of it.
            let _ = inbox.site.set(Site {
                terrain: world.terrain().clone(),
                content: Content::of(world.params().genre()),
            });
            Keeper::new(config, world, metrics, sender, inbox, verifier).run();
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
    let world = World::new(config.world.params, config.world.seed, rand::random())?;
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

type DrainAnswer = (
    oneshot::Sender<Result<AgentStatus, Closing>>,
    Result<(), Closing>,
);

/// Owns the world and everything that is known of its players.
pub(super) struct Keeper {
    pub(super) config: Config,
    pub(super) world: World,
    pub(super) sessions: Sessions,
    pub(super) phase: DrainPhase,
    /// The tick at which the connections are closed.
    close_at: Option<u64>,

    pub(super) metrics: Arc<Metrics>,
    verifier: Verifier,
    strain: Strain,
    pub(super) sender: Sender,
    inbox: Inbox,
    publisher: Publisher,
    times: TickTimes,
    start: Instant,

    // What the next tick takes in and answers.
    pub(super) inputs: Vec<Input>,
    /// By ticket.
    pub(super) joining: Vec<Option<Joining>>,
    pub(super) returning: Vec<Returning>,
    drains: Vec<DrainAnswer>,

    stage: Stage,
    hearing: Hearing,
}

/// How busy the threads were since it was last judged.
#[derive(Debug, Default)]
struct Strain {
    governor: Governor,
    ticks: u64,
    /// Time of the tick thread's.
    computed: Duration,
    /// What the sender had been busy with at the beginning.
    sent: Duration,
    dropped: bool,
}

impl Keeper {
    fn new(
        config: Config,
        world: World,
        metrics: Arc<Metrics>,
        sender: Sender,
        inbox: Inbox,
        verifier: Verifier,
    ) -> Self {
        let remembered = config.world.params.tick_rate().ticks(TIMES_SECONDS);
        Self {
            times: TickTimes::new(usize::try_from(remembered).unwrap_or(600)),
            stage: Stage::new(&config, world.current_tick()),
            hearing: Hearing::default(),
            config,
            world,
            sessions: Sessions::default(),
            phase: DrainPhase::Serving,
            close_at: None,
            metrics,
            verifier,
            strain: Strain::default(),
            sender,
            inbox,
            publisher: Publisher::default(),
            start: Instant::now(),
            inputs: Vec::new(),
            joining: Vec::new(),
            returning: Vec::new(),
            drains: Vec::new(),
        }
    }

    fn run(mut self) {
        let mut schedule = Schedule::new(self.config.world.params.tick_rate().period_nanos());
        loop {
            thread::sleep(Duration::from_nanos(schedule.wait(self.now())));
            let due = schedule.due(self.now());
            if due.dropped > 0 {
                self.strain.dropped = true;
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
            if let Some(relief) = self.judge() {
                let period = self.config.world.params.tick_rate().period_nanos();
                schedule.set_period(period * 100 / u64::from(relief.dilation.max(1)));
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
        let (began, before) = (Instant::now(), thread_time());
        self.take_commands();
        self.expire();
        self.take_inputs();
        let events = self.world.tick(&self.inputs);
        self.inputs.clear();
        let simulated = thread_time();

        // First who is there, then who hears of what.
        for event in &events {
            self.passed(event);
        }
        for event in &events {
            self.hearing
                .tell(event, &self.world, &mut self.sessions, &self.metrics);
        }
        self.welcome_back();
        let now = Now {
            tick: self.world.current_tick(),
            thinning: self.strain.governor.relief().thinning,
        };
        self.stage.observe(&self.world, self.sessions.names());
        if show {
            self.stage.look(&self.world, &mut self.sessions, now);
        }
        let looked = thread_time();
        if show {
            let Shown { binary, json } = self.stage.show(&self.world, &mut self.sessions, now);
            self.metrics.updates_sent(Format::Binary, binary);
            self.metrics.updates_sent(Format::Json, json);
        }
        let shown = thread_time();
        self.sender.wake();
        let players = self.world.player_count();
        self.inbox.pulse.ticked(now.tick, players);

        let took = began.elapsed();
        self.strain.ticks += 1;
        self.strain.computed += took;
        self.metrics.ticked(took, shown.saturating_sub(before));
        for (part, time) in [
            (Part::Sim, simulated.saturating_sub(before)),
            (Part::Area, looked.saturating_sub(simulated)),
            (Part::Encode, shown.saturating_sub(looked)),
        ] {
            self.metrics.computed(part, time);
        }
        self.times
            .add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        let rate = self.config.world.params.tick_rate();
        if now.tick.is_multiple_of(rate.ticks(verify::EVERY_SECONDS)) {
            self.verifier.check(&mut self.world);
        }
        self.tell();
        let told = thread_time();
        self.metrics
            .computed(Part::Publish, told.saturating_sub(shown));
    }

    /// Once a second: what gives way.
    fn judge(&mut self) -> Option<Relief> {
        let rate = self.config.world.params.tick_rate();
        let Strain {
            governor,
            ticks,
            computed,
            sent,
            dropped,
        } = &mut self.strain;
        if *ticks < rate.ticks(1) {
            return None;
        }
        let before = governor.relief();
        let busy = self.sender.busy();
        let used =
            (*computed).max(busy.saturating_sub(*sent)).as_nanos() * u128::from(before.dilation);
        let had = u128::from(rate.period_nanos()) * u128::from(*ticks);
        let mut load = u32::try_from(used / had.max(1)).unwrap_or(u32::MAX);
        self.inbox.pulse.judged(load, before.dilation);
        if *dropped {
            load = load.max(101);
        }
        let relief = governor.judge(load);
        (*ticks, *computed, *sent, *dropped) = (0, Duration::ZERO, busy, false);
        if relief != before {
            let Relief { thinning, dilation } = relief;
            warn!(
                load,
                thinning, dilation, "the world's load calls for a change"
            );
        }
        self.metrics.relief(relief.thinning, relief.dilation);
        Some(relief)
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

    fn take_inputs(&mut self) {
        let tick = self.world.current_tick() + 1;
        let mut asked = Vec::new();
        for session in self.sessions.iter_mut() {
            let State::Connected(connected) = &session.state else {
                continue;
            };
            let (player, before) = (session.player, self.inputs.len());
            connected.link.take_inputs(tick, |seq, want| {
                self.inputs.push(translate::input(player, seq, want));
            });
            if connected.link.take_ask() {
                asked.push(player);
            }
            if self.inputs.len() > before {
                session.heard();
            }
        }
        for player in asked {
            if let Some(view) = self.world.player(player) {
                let statistics = translate::statistics(view.statistics());
                let event = EventMessage::Statistics(statistics);
                hear::tell(player, event, &mut self.sessions);
            }
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

    pub(super) fn links(&self) -> impl Iterator<Item = &Arc<Link>> {
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

pub(super) fn notice(kind: NoticeKind, seconds: u32) -> ServerMessage {
    ServerMessage::Notice(Notice { kind, seconds })
}
