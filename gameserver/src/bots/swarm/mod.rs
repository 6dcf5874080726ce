//! All bots of a process: who shall be where, who is where, and what the caller hears of it.

mod settle;
mod slot;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc};

use crate::bots::address::{self, AddressError};
use crate::bots::clock::Clock;
use crate::bots::command::{Command, Report, Status, WorldStatus, WorldTarget};
use crate::bots::engine::Engine;
use crate::bots::log::Totals;
use crate::bots::placement::Placement;
use crate::bots::plan::Activity;
use crate::bots::player::{Dialect, Event, Shared, Target};
use crate::bots::record::{Measured, RECORD_VERSION, Record, RecordError};
use crate::bots::worlds::Worlds;
use crate::protocol::{BadText, Format, PlayerName, WorldName};

use slot::{Slot, State};

/// Most bots in one process.
pub const MAX_PLAYERS: u32 = 20_000;
/// File descriptors that are not a bot's.
const OTHER_FILES: u64 = 64;
/// How often the swarm looks whether something is to be done.
const TURN: Duration = Duration::from_millis(25);
/// Shortest time between two status lines.
const STATUS_MIN: Duration = Duration::from_millis(100);
/// Longest time between two status lines.
const STATUS_MAX: Duration = Duration::from_secs(1);
/// Pause of all bots for a world that has not let one in.
const AVOID: Duration = Duration::from_secs(1);
/// Longest wait for everyone to be out at the end.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);
/// Events that may wait for the swarm; bots wait beyond that.
const EVENTS: usize = 1_024;

/// How a swarm behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the record goes.
    pub out: PathBuf,
    /// Names are this, a hyphen and the bot's number.
    pub name_prefix: String,
    /// Fill worlds or spread over them.
    pub placement: Placement,
    /// Take lost sessions up again, and look for another world when that fails.
    pub reconnect: bool,
    /// Most connections being made at once.
    pub max_connecting: usize,
    /// Connect to addresses beyond loopback and 198.18.0.0/15, too.
    pub allow_any_address: bool,
    /// Of all connections.
    pub format: Format,
    /// Whom the bots play with.
    pub dialect: Dialect,
    /// Without an update for so long, a bot gives its connection up.
    pub silence: Duration,
    /// Stop by itself after so long.
    pub duration: Option<Duration>,
    /// A measurement begins after so long; none: at once.
    pub warm_up: Option<Duration>,
    /// Threads that play.
    pub threads: usize,
    /// What bots do.
    pub activities: Vec<Activity>,
    /// Of what they do when.
    pub seed: u64,
    /// They predict their own bodies, which takes the terrain of every world in memory.
    pub predict: bool,
}

/// A world that can be joined, with or without its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name; none: whichever world answers there.
    pub world: Option<WorldName>,
    /// Its epoch; none: any.
    pub epoch: Option<u64>,
    /// Host or IP.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Seats; none: as many as it lets in.
    pub capacity: Option<u32>,
}

impl From<WorldTarget> for Listed {
    fn from(target: WorldTarget) -> Self {
        let WorldTarget {
            world,
            epoch,
            address,
            port,
            capacity,
        } = target;
        Self {
            world: Some(world),
            epoch,
            address,
            port,
            capacity,
        }
    }
}

impl Listed {
    fn key(&self) -> String {
        match &self.world {
            Some(world) => world.to_string(),
            None => format!("{}:{}", self.address, self.port),
        }
    }
}

/// What a running swarm is given.
#[derive(Clone, Debug)]
pub enum Input {
    /// A line of commands, or why it is none.
    Command(Result<Command, String>),
    /// Stop now: a signal, or the end of the commands.
    Stop,
}

/// Why a swarm cannot do what it is asked.
#[derive(Debug, Error)]
pub enum SwarmError {
    /// More bots than it can hold.
    #[error("{wanted} players are more than {limit}: {why}")]
    TooManyPlayers {
        /// Asked for.
        wanted: u64,
        /// Allowed.
        limit: u64,
        /// By what.
        why: &'static str,
    },
    /// A world's address.
    #[error("world {world}: {source}")]
    Address {
        /// The world.
        world: String,
        /// Why.
        source: AddressError,
    },
    /// The name prefix.
    #[error("the name prefix makes no player name: {0}")]
    Name(#[from] BadText),
    /// The threads that play.
    #[error("cannot start the threads that play")]
    Threads(#[source] std::io::Error),
    /// The record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The thread that writes the record.
    #[error("writing the record was interrupted")]
    Interrupted,
}

/// Where reports go. It must not block: a slow reader of the reports would stop the bots.
pub type Reports = Box<dyn FnMut(Report) + Send>;

#[derive(Debug)]
struct World {
    target: Arc<Target>,
    capacity: Option<u32>,
    avoid_until: Option<Instant>,
}

#[derive(Debug, Default)]
struct Counters {
    commands: u64,
    joined: u64,
    refused: u64,
    unexpected_disconnects: u64,
}

/// A running swarm.
pub struct Swarm {
    options: Options,
    clock: Clock,
    shared: Arc<Shared>,
    engine: Engine,
    events: mpsc::Receiver<(u32, Event)>,
    reports: Reports,
    /// Most bots, by file descriptors.
    file_limit: Option<u64>,
    worlds: BTreeMap<String, World>,
    /// Wanted bots: in any world, and by world.
    wanted: u32,
    wanted_in: BTreeMap<String, u32>,
    slots: Vec<Slot>,
    counters: Counters,
    changed: bool,
    last_status: Option<Instant>,
    /// When the measurement began and ended, and the process's CPU time then.
    measuring: (Instant, Duration),
    measured: Option<(Instant, Duration)>,
}

impl Swarm {
    /// A swarm of nobody.
    ///
    /// # Errors
    /// The name prefix makes no player name, or the threads cannot be started.
    pub fn new(options: Options, reports: Reports) -> Result<Self, SwarmError> {
        player_name(&options.name_prefix, MAX_PLAYERS)?;
        let (events_in, events) = mpsc::channel(EVENTS);
        let shared = Arc::new(Shared {
            connecting: Arc::new(Semaphore::new(
                options.max_connecting.clamp(1, Semaphore::MAX_PERMITS),
            )),
            format: options.format,
            dialect: options.dialect,
            silence: options.silence,
            worlds: Worlds::new(options.predict),
            seed: options.seed,
            activities: options.activities.clone(),
        });
        let engine = Engine::start(options.threads, &events_in).map_err(SwarmError::Threads)?;
        Ok(Self {
            options,
            clock: Clock::start(),
            shared,
            engine,
            events,
            reports,
            file_limit: open_file_limit(),
            worlds: BTreeMap::new(),
            wanted: 0,
            wanted_in: BTreeMap::new(),
            slots: Vec::new(),
            counters: Counters::default(),
            changed: true,
            last_status: None,
            measuring: (Instant::now(), cpu_time()),
            measured: None,
        })
    }

    /// Lists the worlds that can be joined, in place of those before. Worlds whose address is of no
    /// use are left out and returned.
    pub async fn list(&mut self, worlds: Vec<Listed>) -> Vec<SwarmError> {
        let mut before = std::mem::take(&mut self.worlds);
        let mut errors = Vec::new();
        for listed in worlds {
            let key = listed.key();
            let allow_any = self.options.allow_any_address;
            let address = match address::resolve(&listed.address, listed.port, allow_any).await {
                Ok(address) => address,
                Err(source) => {
                    errors.push(SwarmError::Address { world: key, source });
                    continue;
                }
            };
            let target = Target {
                key: key.clone(),
                world: listed.world,
                epoch: listed.epoch,
                address,
            };
            let known = before.remove(&key).filter(|world| *world.target == target);
            let world = match known {
                Some(world) => World {
                    capacity: listed.capacity,
                    ..world
                },
                None => World {
                    target: Arc::new(target),
                    capacity: listed.capacity,
                    avoid_until: None,
                },
            };
            self.worlds.insert(key, world);
        }
        self.changed = true;
        errors
    }

    /// Sets how many bots play in `world`, or in any.
    ///
    /// # Errors
    /// More than this process can hold.
    pub fn want(&mut self, count: u32, world: Option<String>) -> Result<(), SwarmError> {
        let mut wanted_in = self.wanted_in.clone();
        let mut wanted = self.wanted;
        match world {
            Some(world) => {
                wanted_in.insert(world, count);
            }
            None => wanted = count,
        }
        let all = wanted_in.values().copied().map(u64::from).sum::<u64>() + u64::from(wanted);
        let by_files = self.file_limit.map(|limit| {
            (
                limit.saturating_sub(OTHER_FILES),
                "file descriptors (ulimit -n)",
            )
        });
        for (limit, why) in [(u64::from(MAX_PLAYERS), "one process holds no more")]
            .into_iter()
            .chain(by_files)
        {
            if all > limit {
                return Err(SwarmError::TooManyPlayers {
                    wanted: all,
                    limit,
                    why,
                });
            }
        }
        self.wanted = wanted;
        self.wanted_in = wanted_in;
        self.changed = true;
        Ok(())
    }

    /// Runs until it is told to stop or its duration is over; then everyone leaves, and the record is
    /// written.
    ///
    /// # Errors
    /// The record cannot be written.
    pub async fn run(mut self, mut inputs: mpsc::Receiver<Input>) -> Result<Record, SwarmError> {
        let started = Instant::now();
        let mut turn = tokio::time::interval(TURN);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut stop_at: Option<Instant> = None;
        let mut warming_up = self.options.warm_up;
        loop {
            tokio::select! {
                input = inputs.recv(), if stop_at.is_none() => {
                    let stop = match input {
                        None | Some(Input::Stop) => true,
                        Some(Input::Command(command)) => self.obey(command).await,
                    };
                    if stop {
                        self.measured = Some((Instant::now(), cpu_time()));
                        self.leave_all();
                        stop_at = Some(Instant::now() + STOP_TIMEOUT);
                    }
                }
                Some((player, event)) = self.events.recv() => self.heard(player, event),
                _ = turn.tick() => {
                    let now = Instant::now();
                    if warming_up.is_some_and(|warm_up| now - started >= warm_up) {
                        warming_up = None;
                        self.measure(now);
                    }
                    let over = self.options.duration.is_some_and(|duration| now - started >= duration);
                    if over && stop_at.is_none() {
                        self.measured = Some((now, cpu_time()));
                        self.leave_all();
                        stop_at = Some(now + STOP_TIMEOUT);
                    }
                    self.settle(now);
                    self.report_status(now);
                    let out = self.slots.iter().all(|slot| matches!(slot.state, State::Idle));
                    if stop_at.is_some_and(|stop_at| out || now >= stop_at) {
                        break;
                    }
                }
            }
        }
        let record = self.snapshot(true);
        let record = write_record(record, self.options.out.clone()).await?;
        (self.reports)(Report::Done {
            path: self.options.out.display().to_string(),
            summary: Box::new(record.summary.clone()),
        });
        Ok(record)
    }

    /// True if the swarm shall stop.
    async fn obey(&mut self, command: Result<Command, String>) -> bool {
        let number = self.counters.commands + 1;
        let mut errors: Vec<String> = Vec::new();
        let mut stop = false;
        match command {
            Err(message) => errors.push(message),
            Ok(Command::Set { worlds }) => {
                let worlds = worlds.into_iter().map(Listed::from).collect();
                let refused = self.list(worlds).await;
                errors.extend(refused.iter().map(ToString::to_string));
            }
            Ok(Command::Players { count, world }) => {
                errors.extend(self.want(count, world).err().map(|error| error.to_string()));
            }
            Ok(Command::Leave {}) => self.leave_all(),
            Ok(Command::LeaveWorld { world }) => self.leave_world(&world),
            Ok(Command::Measure {}) => self.measure(Instant::now()),
            Ok(Command::Record {}) => {
                let record = self.snapshot(false);
                match write_record(record, self.options.out.clone()).await {
                    Ok(_) => (self.reports)(Report::Recorded {
                        command: number,
                        path: self.options.out.display().to_string(),
                    }),
                    Err(error) => errors.push(error.to_string()),
                }
            }
            Ok(Command::Stop {}) => stop = true,
        }
        for message in errors {
            (self.reports)(Report::Error {
                command: number,
                message,
            });
        }
        self.counters.commands = number;
        self.changed = true;
        // The first status that counts this command already shows who is on the way because of it.
        self.settle(Instant::now());
        stop
    }

    fn leave_all(&mut self) {
        self.wanted = 0;
        self.wanted_in.clear();
        self.changed = true;
    }

    fn leave_world(&mut self, world: &str) {
        self.wanted_in.remove(world);
        for slot in &mut self.slots {
            let here = match &slot.state {
                State::Inside { target } | State::Joining { target, .. } => target.key == world,
                State::Lost(lost) => lost.target.key == world,
                State::Idle | State::Waiting { .. } | State::Leaving { .. } => false,
            };
            if here {
                if slot.pin.is_none() {
                    self.wanted = self.wanted.saturating_sub(1);
                }
                slot.release();
            }
        }
        self.changed = true;
    }

    fn heard(&mut self, player: u32, event: Event) {
        let now = Instant::now();
        let Some(slot) = usize::try_from(player)
            .ok()
            .and_then(|at| self.slots.get_mut(at))
        else {
            return;
        };
        self.changed = true;
        self.counters.joined += u64::from(matches!(event, Event::Joined));
        self.counters.refused += u64::from(matches!(event, Event::Refused(_)));
        self.counters.unexpected_disconnects += u64::from(matches!(event, Event::Lost { .. }));
        if let Some(target) = slot.hear(event, now)
            && let Some(world) = self.worlds.get_mut(&target.key)
        {
            world.avoid_until = Some(now + AVOID);
        }
    }

    fn report_status(&mut self, now: Instant) {
        let since = self.last_status.map(|last| now - last);
        let due = match since {
            None => true,
            Some(since) => since >= STATUS_MAX || (self.changed && since >= STATUS_MIN),
        };
        if !due {
            return;
        }
        self.last_status = Some(now);
        self.changed = false;
        let status = self.status(now);
        (self.reports)(Report::Status(status));
    }

    fn status(&self, now: Instant) -> Status {
        let mut worlds: BTreeMap<&str, WorldStatus> = BTreeMap::new();
        for (key, world) in &self.worlds {
            worlds.insert(
                key,
                WorldStatus {
                    world: key.clone(),
                    epoch: world.target.epoch,
                    listed: true,
                    ..WorldStatus::default()
                },
            );
        }
        let mut status = Status {
            unix_ms: self.clock.unix_ms(now),
            commands: self.counters.commands,
            wanted: self.wanted_in.values().copied().map(u64::from).sum::<u64>()
                + u64::from(self.wanted),
            joined: self.counters.joined,
            refused: self.counters.refused,
            unexpected_disconnects: self.counters.unexpected_disconnects,
            ..Status::default()
        };
        for slot in &self.slots {
            match &slot.state {
                State::Idle => {}
                State::Waiting { .. } => status.waiting += 1,
                State::Lost(_) => status.lost += 1,
                State::Joining { .. } => status.connecting += 1,
                State::Inside { .. } => status.connected += 1,
                State::Leaving { .. } => status.leaving += 1,
            }
            let Some(target) = slot.target() else {
                continue;
            };
            let world = worlds.entry(&target.key).or_insert_with(|| WorldStatus {
                world: target.key.clone(),
                epoch: target.epoch,
                ..WorldStatus::default()
            });
            match &slot.state {
                State::Joining { .. } => world.connecting += 1,
                State::Inside { .. } => {
                    world.connected += 1;
                    world.outdated += u64::from(world.listed && world.epoch != target.epoch);
                }
                State::Leaving { .. } => world.leaving += 1,
                State::Idle | State::Waiting { .. } | State::Lost(_) => {}
            }
        }
        status.worlds = worlds.into_values().collect();
        status
    }

    fn measure(&mut self, now: Instant) {
        for slot in &self.slots {
            let mut log = slot.log.lock().unwrap_or_else(PoisonError::into_inner);
            log.measure(now);
        }
        self.shared.worlds.measure();
        self.measuring = (now, cpu_time());
    }

    fn snapshot(&self, complete: bool) -> Record {
        let mut totals = Totals::new();
        let players = self
            .slots
            .iter()
            .map(|slot| {
                let log = slot.log.lock().unwrap_or_else(PoisonError::into_inner);
                log.snapshot(&mut totals)
            })
            .collect();
        let measured = self.measured(&totals);
        let mut summary = totals.summary;
        summary.gap_ms = totals.gaps.quantiles();
        summary.round_trip_ms = totals.round_trips.quantiles();
        summary.measured = measured;
        Record {
            version: RECORD_VERSION,
            started_unix_ms: self.clock.started_unix_ms(),
            written_unix_ms: self.clock.unix_ms(Instant::now()),
            complete,
            summary,
            players,
        }
    }

    #[allow(clippy::cast_precision_loss)] // rates of which a few digits matter
    fn measured(&self, totals: &Totals) -> Measured {
        let (since, cpu_before) = self.measuring;
        let (until, cpu) = self
            .measured
            .unwrap_or_else(|| (Instant::now(), cpu_time()));
        let seconds = until.saturating_duration_since(since).as_secs_f64();
        let cpu = cpu.saturating_sub(cpu_before).as_secs_f64();
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let sums = &totals.sums;
        let player_seconds = sums.inside.as_secs_f64();
        let rate = |count: u64| share(count as f64, player_seconds);
        let judgement = self.shared.worlds.judgement();
        let predicted_minutes = sums.predicted_for.as_secs_f64() / 60.0;
        Measured {
            seconds,
            player_seconds,
            cpu_percent: share(100.0 * cpu, seconds),
            bytes_per_second_per_player: rate(sums.bytes),
            updates_per_second_per_player: rate(sums.updates),
            inputs_per_second_per_player: rate(sums.inputs),
            in_sight: share(sums.in_sight as f64, sums.updates as f64),
            movers_in_sight: share(sums.movers as f64, sums.movers_counted as f64),
            gap_ms: totals.measured_gaps.quantiles(),
            round_trip_ms: totals.measured_round_trips.quantiles(),
            predicted: sums.predicted,
            corrections: sums.corrections,
            corrections_per_minute: share(sums.corrections as f64, predicted_minutes),
            late_inputs: sums.late_inputs,
            view_error_near_m: judgement.near.distances(),
            view_error_far_m: judgement.far.distances(),
            unjudged: judgement.unjudged,
        }
    }
}

/// CPU time that this process has used.
fn cpu_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return Duration::ZERO;
    };
    let time = |time: TimeVal| {
        let micros = time.num_microseconds();
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    };
    time(usage.user_time()) + time(usage.system_time())
}

fn player_name(prefix: &str, number: u32) -> Result<PlayerName, BadText> {
    PlayerName::new(format!("{prefix}-{number:05}"))
}

/// Writes off the bots' threads: a big record would show as a gap in every bot's updates.
async fn write_record(record: Record, path: PathBuf) -> Result<Record, SwarmError> {
    let written = tokio::task::spawn_blocking(move || {
        record.write(&path)?;
        Ok::<_, RecordError>(record)
    });
    Ok(written.await.map_err(|_| SwarmError::Interrupted)??)
}

/// The soft limit of open files; none where the system does not tell, or sets none.
fn open_file_limit() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}
