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

use crate::protocol::{DecodeError, Format, KickReason, RefusalReason};

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

/// Counters of seconds.
pub type Seconds = Counter<f64, AtomicU64>;

/// Everything that is counted. One per process; the parts are shared by cloning.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,

    /// Compute time of a tick: inputs, simulation, area of interest, encoding.
    pub tick_seconds: Histogram,
    /// Ticks that started late and were caught up.
    pub ticks_caught_up: Counter,
    /// Wall time that was dropped because the world could not keep up.
    pub wall_time_dropped: Seconds,

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
    /// Inputs passed over because a newer one of the same player had been received.
    pub inputs_stale: Counter,

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
    /// It took too long.
    Timeout,
    /// Too many connections.
    Overloaded,
    /// The connection broke.
    Broken,
}

impl HandshakeFailure {
    const ALL: [Self; 6] = [
        Self::NotWebSocket,
        Self::WrongPath,
        Self::WrongFormat,
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
            // 50 µs to about 200 ms.
            tick_seconds: Histogram::new((0..13).map(|n| 50e-6 * f64::from(1_u32 << n))),
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
            messages_received: Counter::default(),
            bytes_received: Counter::default(),
            messages_sent: Family::default(),
            bytes_sent: Counter::default(),
            updates_skipped: Counter::default(),
            inputs_stale: Counter::default(),
            agent_refusals: family(crate::agent::Refusal::REASONS),
            agent_streams: Gauge::default(),
            key_failures: Counter::default(),
        };
        for format in [Format::Binary, Format::Json] {
            metrics
                .messages_sent
                .get_or_create_owned(&FormatLabel::new(format));
        }
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
        let tick_help = "Compute time of a tick: inputs, simulation, area of interest, encoding";
        r.register_with_unit(
            "tick_duration",
            tick_help,
            Unit::Seconds,
            self.tick_seconds.clone(),
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
            "inputs_stale",
            "Inputs passed over because a newer one had been received",
            self.inputs_stale.clone(),
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

    /// Observes one tick.
    pub fn ticked(&self, took: Duration) {
        self.tick_seconds.observe(took.as_secs_f64());
    }
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
