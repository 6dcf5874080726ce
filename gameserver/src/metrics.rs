//! What the server counts, in Prometheus' text format.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::protocol::{DecodeError, Format, KickReason, Outcome, RefusalReason};

/// A label of a finite set of values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    reason: &'static str,
}

/// The label `format`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FormatLabel {
    format: &'static str,
}

/// The label `part`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PartLabel {
    part: &'static str,
}

/// Parts of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Inputs and simulation.
    Sim,
    /// Events, and who sees whom.
    Area,
    /// Updates.
    Encode,
    /// What is told to others than players: the status with the world's hash, checks, metrics.
    Publish,
}

impl Part {
    const ALL: [Self; 4] = [Self::Sim, Self::Area, Self::Encode, Self::Publish];

    fn label(self) -> PartLabel {
        let part = match self {
            Self::Sim => "sim",
            Self::Area => "area",
            Self::Encode => "encode",
            Self::Publish => "publish",
        };
        PartLabel { part }
    }
}

/// Counters of seconds.
pub type Seconds = Counter<f64, AtomicU64>;

/// Everything that is counted. One per process; the parts are shared by cloning.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,

    /// Time of a tick, waiting for the processor included.
    pub tick_seconds: Histogram,
    /// Processor time of a tick: inputs, simulation, area of interest, encoding.
    pub tick_compute: Histogram,
    /// The same, summed by part.
    pub tick_cpu: Family<PartLabel, Seconds>,
    /// Processor time of the thread that writes to the sockets.
    pub send_cpu: Seconds,
    /// How much the updates of far entities are thinned: to every 2^n-th.
    pub thinning_level: Gauge,
    /// Share of real time at which the world runs.
    pub dilation: Gauge<f64, AtomicU64>,
    /// Full checks of the world's hash.
    pub hash_checks: Counter,
    /// Of those, how many found another hash than the one kept.
    pub hash_mismatches: Counter,
    /// Ticks that started late and were caught up.
    pub ticks_caught_up: Counter,
    /// Wall time that was dropped because the world could not keep up.
    pub wall_time_dropped: Seconds,

    /// Answers to players' actions, by outcome.
    pub actions: Family<Reason, Counter>,

    /// Players inside.
    pub players: Gauge,
    /// Of those, without a connection.
    pub resuming: Gauge,
    /// Seats.
    pub capacity: Gauge,
    /// Open connections of players.
    pub connections: Gauge,

    /// New players let in.
    pub joins: Counter,
    /// Players back in their bodies.
    pub resumes: Counter,
    /// Bodies gone, by cause.
    pub leaves: Family<Reason, Counter>,
    /// Connections lost while the player was inside.
    pub lost_connections: Counter,
    /// Connections not let in, by reason.
    pub refusals: Family<Reason, Counter>,
    /// Connections ended by the server, by reason.
    pub kicks: Family<Reason, Counter>,
    /// Messages that were not understood, by category.
    pub bad_messages: Family<Reason, Counter>,
    /// Connections that ended before the WebSocket was open, by reason.
    pub failed_handshakes: Family<Reason, Counter>,

    /// Requests for pages.
    pub pages: Counter,
    /// WebSocket messages from clients.
    pub messages_received: Counter,
    /// Bytes from clients.
    pub bytes_received: Counter,
    /// WebSocket messages to clients, by format.
    pub messages_sent: Family<FormatLabel, Counter>,
    /// Bytes to clients.
    pub bytes_sent: Counter,
    /// Updates not written because the client had not taken the one before.
    pub updates_skipped: Counter,
    /// What others did or said, not told to a client that does not keep up.
    pub events_shed: Counter,
    /// Inputs passed over because a newer one of the same player had been received.
    pub inputs_stale: Counter,
    /// Connections ended because too many inputs waited for their ticks.
    pub inputs_overflowed: Counter,

    /// Agent calls refused, by reason.
    pub agent_refusals: Family<Reason, Counter>,
    /// Open watch streams.
    pub agent_streams: Gauge,
    /// Failures to read the operator's keys.
    pub key_failures: Counter,
}

/// Reasons of [`Metrics::failed_handshakes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// What came was no WebSocket upgrade.
    NotWebSocket,
    /// Another path than `/v1/play`.
    WrongPath,
    /// A format that does not exist.
    WrongFormat,
    /// A page of another origin than those allowed.
    WrongOrigin,
    /// It took too long.
    Timeout,
    /// Too many connections.
    Overloaded,
    /// The connection broke.
    Broken,
}

impl HandshakeFailure {
    const ALL: [Self; 7] = [
        Self::NotWebSocket,
        Self::WrongPath,
        Self::WrongFormat,
        Self::WrongOrigin,
        Self::Timeout,
        Self::Overloaded,
        Self::Broken,
    ];

    /// The label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotWebSocket => "NotWebSocket",
            Self::WrongPath => "WrongPath",
            Self::WrongFormat => "WrongFormat",
            Self::WrongOrigin => "WrongOrigin",
            Self::Timeout => "Timeout",
            Self::Overloaded => "Overloaded",
            Self::Broken => "Broken",
        }
    }
}

impl Metrics {
    /// All at zero; every label value is there from the start, so that rates work from the first
    /// event on.
    #[must_use]
    pub fn new(world: &crate::config::World) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("world"),
            tick_seconds: Histogram::new(fine()),
            tick_compute: Histogram::new(fine()),
            tick_cpu: Family::default(),
            send_cpu: Seconds::default(),
            thinning_level: Gauge::default(),
            dilation: Gauge::default(),
            hash_checks: Counter::default(),
            hash_mismatches: Counter::default(),
            actions: family(Outcome::ALL.iter().map(|outcome| outcome.as_str())),
            ticks_caught_up: Counter::default(),
            wall_time_dropped: Seconds::default(),
            players: Gauge::default(),
            resuming: Gauge::default(),
            capacity: Gauge::default(),
            connections: Gauge::default(),
            joins: Counter::default(),
            resumes: Counter::default(),
            leaves: family(["Left", "GraceExpired", "Removed"]),
            lost_connections: Counter::default(),
            refusals: family(RefusalReason::ALL.iter().map(|reason| reason.as_str())),
            kicks: family(KickReason::ALL.iter().map(|reason| reason.as_str())),
            bad_messages: family(DecodeError::CATEGORIES.into_iter().chain(["BadFrame"])),
            failed_handshakes: family(HandshakeFailure::ALL.map(HandshakeFailure::as_str)),
            pages: Counter::default(),
            messages_received: Counter::default(),
            bytes_received: Counter::default(),
            messages_sent: Family::default(),
            bytes_sent: Counter::default(),
            updates_skipped: Counter::default(),
            events_shed: Counter::default(),
            inputs_stale: Counter::default(),
            inputs_overflowed: Counter::default(),
            agent_refusals: family(crate::agent::Refusal::REASONS),
            agent_streams: Gauge::default(),
            key_failures: Counter::default(),
        };
        for format in [Format::Binary, Format::Json] {
            metrics
                .messages_sent
                .get_or_create_owned(&FormatLabel::new(format));
        }
        for part in Part::ALL {
            metrics.tick_cpu.get_or_create_owned(&part.label());
        }
        metrics.relief(0, 100);
        metrics.register(world);
        metrics
    }

    fn register(&mut self, world: &crate::config::World) {
        let r = &mut self.registry;
        r.register(
            "build",
            "The server and its world",
            Info::new(vec![
                ("version".to_owned(), crate::VERSION.to_owned()),
                ("world".to_owned(), world.name.to_string()),
                ("epoch".to_owned(), world.epoch.to_string()),
                ("genre".to_owned(), world.params.genre().as_str().to_owned()),
            ]),
        );
        r.register_with_unit(
            "tick",
            "Time of a tick, waiting for the processor included",
            Unit::Seconds,
            self.tick_seconds.clone(),
        );
        r.register_with_unit(
            "tick_compute",
            "Processor time of a tick: inputs, simulation, area of interest, encoding",
            Unit::Seconds,
            self.tick_compute.clone(),
        );
        r.register_with_unit(
            "tick_cpu",
            "Processor time of ticks, by part",
            Unit::Seconds,
            self.tick_cpu.clone(),
        );
        r.register_with_unit(
            "send_cpu",
            "Processor time of the thread that writes to the sockets",
            Unit::Seconds,
            self.send_cpu.clone(),
        );
        r.register(
            "thinning_level",
            "Far entities are shown in every 2^n-th tick",
            self.thinning_level.clone(),
        );
        r.register(
            "time_dilation_ratio",
            "Share of real time at which the world runs",
            self.dilation.clone(),
        );
        r.register(
            "hash_checks",
            "Full checks of the world's hash",
            self.hash_checks.clone(),
        );
        r.register(
            "hash_mismatches",
            "Full checks of the world's hash that found another one than was kept",
            self.hash_mismatches.clone(),
        );
        r.register(
            "actions",
            "Answers to players' actions, by outcome",
            self.actions.clone(),
        );
        r.register(
            "ticks_caught_up",
            "Ticks that started late and were caught up",
            self.ticks_caught_up.clone(),
        );
        r.register_with_unit(
            "wall_time_dropped",
            "Wall time dropped because the world could not keep up",
            Unit::Seconds,
            self.wall_time_dropped.clone(),
        );
        r.register(
            "players",
            "Players inside, waiting for their connection or not",
            self.players.clone(),
        );
        r.register(
            "players_resuming",
            "Players inside whose connection is lost",
            self.resuming.clone(),
        );
        r.register("capacity", "Seats", self.capacity.clone());
        r.register(
            "connections",
            "Open connections on the player port",
            self.connections.clone(),
        );
        r.register("joins", "New players let in", self.joins.clone());
        r.register(
            "resumes",
            "Players that came back to their body",
            self.resumes.clone(),
        );
        r.register("leaves", "Bodies gone, by cause", self.leaves.clone());
        r.register(
            "lost_connections",
            "Connections lost while the player was inside",
            self.lost_connections.clone(),
        );
        r.register(
            "refusals",
            "Connections not let in, by reason",
            self.refusals.clone(),
        );
        r.register(
            "kicks",
            "Connections ended by the server, by reason",
            self.kicks.clone(),
        );
        r.register(
            "bad_messages",
            "Messages from clients that were not understood, by category",
            self.bad_messages.clone(),
        );
        r.register(
            "failed_handshakes",
            "Connections that ended before the WebSocket was open, by reason",
            self.failed_handshakes.clone(),
        );
        r.register(
            "pages",
            "Requests for pages on the player port",
            self.pages.clone(),
        );
        r.register(
            "messages_received",
            "WebSocket messages from clients",
            self.messages_received.clone(),
        );
        r.register_with_unit(
            "received",
            "Bytes from clients",
            Unit::Bytes,
            self.bytes_received.clone(),
        );
        r.register(
            "messages_sent",
            "WebSocket messages to clients, by format",
            self.messages_sent.clone(),
        );
        r.register_with_unit(
            "sent",
            "Bytes to clients",
            Unit::Bytes,
            self.bytes_sent.clone(),
        );
        r.register(
            "updates_skipped",
            "Updates not written because the client had not taken the one before",
            self.updates_skipped.clone(),
        );
        r.register(
            "events_shed",
            "What others did or said, not told to clients that did not keep up",
            self.events_shed.clone(),
        );
        r.register(
            "inputs_stale",
            "Inputs passed over because a newer one had been received",
            self.inputs_stale.clone(),
        );
        r.register(
            "inputs_overflowed",
            "Connections ended because too many inputs waited for their ticks",
            self.inputs_overflowed.clone(),
        );
        r.register(
            "agent_refusals",
            "Agent calls refused, by reason",
            self.agent_refusals.clone(),
        );
        r.register(
            "agent_streams",
            "Open watch streams",
            self.agent_streams.clone(),
        );
        r.register(
            "agent_key_failures",
            "Failures to read the operator's keys",
            self.key_failures.clone(),
        );
    }

    /// Everything, as `/metrics` shows it.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// Counts one of a family by reason.
    pub fn count(family: &Family<Reason, Counter>, reason: &'static str) {
        family.get_or_create_owned(&Reason { reason }).inc();
    }

    /// How often that was counted.
    #[must_use]
    pub fn counted(family: &Family<Reason, Counter>, reason: &'static str) -> u64 {
        family.get_or_create_owned(&Reason { reason }).get()
    }

    /// Observes one tick: its time, and its processor time.
    pub fn ticked(&self, took: Duration, computed: Duration) {
        self.tick_seconds.observe(took.as_secs_f64());
        self.tick_compute.observe(computed.as_secs_f64());
    }

    /// Adds processor time of a tick.
    pub fn computed(&self, part: Part, time: Duration) {
        self.tick_cpu
            .get_or_create_owned(&part.label())
            .inc_by(time.as_secs_f64());
    }

    /// Counts updates.
    pub fn updates_sent(&self, format: Format, count: u64) {
        self.messages_sent
            .get_or_create_owned(&FormatLabel::new(format))
            .inc_by(count);
    }

    /// Counts an answer to an action.
    pub fn acted(&self, outcome: Outcome) {
        Self::count(&self.actions, outcome.as_str());
    }

    /// What gives way: see [`Metrics::thinning_level`] and [`Metrics::dilation`], in percent.
    pub fn relief(&self, thinning: u8, dilation: u8) {
        self.thinning_level.set(thinning.into());
        self.dilation.set(f64::from(dilation) / 100.0);
    }
}

/// Bounds of times of ticks: 50 µs to 100 ms in steps of 15 %, so that quantiles can be told.
fn fine() -> impl Iterator<Item = f64> {
    (0..55).map(|n| 50e-6 * 1.15_f64.powi(n))
}

impl FormatLabel {
    /// The label of a format.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            format: format.as_str(),
        }
    }
}

fn family(reasons: impl IntoIterator<Item = &'static str>) -> Family<Reason, Counter> {
    let family = Family::default();
    for reason in reasons {
        family.get_or_create_owned(&Reason { reason });
    }
    family
}
