//! The operator's metrics.
//!
//! Every label is finite: a controller, a category, a state, or a fleet that is removed with its
//! object. Nothing is labelled by world, and nothing by what a game pod sent.

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    controller: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CommandLabels {
    command: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FleetLabels {
    namespace: Arc<str>,
    fleet: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorldLabels {
    namespace: Arc<str>,
    fleet: Arc<str>,
    state: &'static str,
}

/// Numbers of one fleet, as its controller last saw them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetGauges {
    /// Worlds by state, as in `GameServer.status.state`. Name every state at every call, those
    /// without worlds too: a state that is not named keeps its number.
    pub worlds: Vec<(&'static str, i64)>,
    /// Worlds whose players are not known: never heard, or silent for too long.
    pub unknown: i64,
    /// Players inside the worlds whose players are known.
    pub players: i64,
    /// Seats of the worlds whose players are known.
    pub seats: i64,
    /// Worlds wanted.
    pub desired: i64,
}

/// What a status stream is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StreamState {
    /// Waiting for its turn to connect, or for the end of a backoff.
    Waiting,
    /// Connecting, or waiting for the answer's head.
    Connecting,
    /// Listening.
    Connected,
}

impl StreamState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Connecting => "Connecting",
            Self::Connected => "Connected",
        }
    }
}

/// Every metric of the operator. Cheap to clone; all clones count into the same numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_seconds: Family<ControllerLabels, Histogram, fn() -> Histogram>,
    streams: Family<StateLabels, Gauge>,
    stream_errors: Family<ReasonLabels, Counter>,
    lines_refused: Family<ReasonLabels, Counter>,
    commands: Family<CommandLabels, Counter>,
    leader: Gauge,
    term: Gauge,
    lease_errors: Family<ReasonLabels, Counter>,
    keys: Gauge,
    key_rotations: Counter,
    key_errors: Family<ReasonLabels, Counter>,
    worlds: Family<WorldLabels, Gauge>,
    worlds_unknown: Family<FleetLabels, Gauge>,
    worlds_desired: Family<FleetLabels, Gauge>,
    players: Family<FleetLabels, Gauge>,
    seats: Family<FleetLabels, Gauge>,
}

/// From 1 ms, a reconcile that finds nothing to do, to 16 s, one that waits out a slow API server.
fn reconcile_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 15))
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics, registered under the prefix `worldkeeper`.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Arc::default(),
            reconciles: Family::default(),
            reconcile_seconds: Family::new_with_constructor(reconcile_histogram),
            streams: Family::default(),
            stream_errors: Family::default(),
            lines_refused: Family::default(),
            commands: Family::default(),
            leader: Gauge::default(),
            term: Gauge::default(),
            lease_errors: Family::default(),
            keys: Gauge::default(),
            key_rotations: Counter::default(),
            key_errors: Family::default(),
            worlds: Family::default(),
            worlds_unknown: Family::default(),
            worlds_desired: Family::default(),
            players: Family::default(),
            seats: Family::default(),
        };
        metrics.registry = Arc::new(metrics.register());
        metrics
    }

    fn register(&self) -> Registry {
        // Without `..`: a family that is not registered is not compiled.
        let Self {
            registry: _,
            reconciles,
            reconcile_seconds,
            streams,
            stream_errors,
            lines_refused,
            commands,
            leader,
            term,
            lease_errors,
            keys,
            key_rotations,
            key_errors,
            worlds,
            worlds_unknown,
            worlds_desired,
            players,
            seats,
        } = self.clone();
        let mut r = Registry::with_prefix("worldkeeper");
        r.register(
            "reconciles",
            "Reconciles by controller and outcome (Ok, or the error's category)",
            reconciles,
        );
        r.register_with_unit(
            "reconcile",
            "How long reconciles took",
            Unit::Seconds,
            reconcile_seconds,
        );
        r.register(
            "agent_streams",
            "Status streams of game pods by what they are doing",
            streams,
        );
        r.register(
            "agent_stream_errors",
            "Status streams that ended or could not start, by reason",
            stream_errors,
        );
        r.register(
            "agent_lines_refused",
            "Lines of status streams that were not believed, by reason",
            lines_refused,
        );
        r.register(
            "agent_commands",
            "Commands to game pods by outcome (Ok, or the error's category)",
            commands,
        );
        r.register(
            "lease_leader",
            "1 if this process leads, otherwise 0",
            leader,
        );
        r.register(
            "lease_term",
            "Transition count of the Lease as this process last saw it",
            term,
        );
        r.register(
            "lease_errors",
            "Reads and writes of the Lease that failed, by category",
            lease_errors,
        );
        r.register("agent_keys", "Public keys published to the game pods", keys);
        r.register(
            "agent_key_rotations",
            "Times that another key began to sign",
            key_rotations,
        );
        r.register(
            "agent_key_errors",
            "Failures to keep the signing keys, by category",
            key_errors,
        );
        r.register("worlds", "Worlds by fleet and state", worlds);
        r.register(
            "worlds_unknown",
            "Worlds whose players are not known, by fleet",
            worlds_unknown,
        );
        r.register("worlds_desired", "Worlds wanted by fleet", worlds_desired);
        r.register(
            "players",
            "Players inside the worlds whose players are known, by fleet",
            players,
        );
        r.register(
            "seats",
            "Seats of the worlds whose players are known, by fleet",
            seats,
        );
        r
    }

    /// The OpenMetrics text that `/metrics` answers.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// A reconcile of `controller` ended; `outcome` is `Ok` or the error's category.
    pub fn reconciled(&self, controller: &'static str, outcome: &'static str, took: Duration) {
        self.reconciles
            .get_or_create_owned(&ReconcileLabels {
                controller,
                outcome,
            })
            .inc();
        self.reconcile_seconds
            .get_or_create_owned(&ControllerLabels { controller })
            .observe(took.as_secs_f64());
    }

    /// Sets the gauges of a fleet.
    pub fn fleet(&self, namespace: &str, fleet: &str, numbers: &FleetGauges) {
        let FleetGauges {
            worlds,
            unknown,
            players,
            seats,
            desired,
        } = numbers;
        let labels = FleetLabels {
            namespace: namespace.into(),
            fleet: fleet.into(),
        };
        for (state, count) in worlds {
            self.worlds
                .get_or_create_owned(&WorldLabels {
                    namespace: Arc::clone(&labels.namespace),
                    fleet: Arc::clone(&labels.fleet),
                    state,
                })
                .set(*count);
        }
        for (family, number) in [
            (&self.worlds_unknown, unknown),
            (&self.worlds_desired, desired),
            (&self.players, players),
            (&self.seats, seats),
        ] {
            family.get_or_create_owned(&labels).set(*number);
        }
    }

    /// Removes the gauges of a fleet that is gone; `states` are those that were ever set.
    pub fn forget_fleet(&self, namespace: &str, fleet: &str, states: &[&'static str]) {
        let labels = FleetLabels {
            namespace: namespace.into(),
            fleet: fleet.into(),
        };
        for state in states {
            self.worlds.remove(&WorldLabels {
                namespace: Arc::clone(&labels.namespace),
                fleet: Arc::clone(&labels.fleet),
                state,
            });
        }
        for family in [
            &self.worlds_unknown,
            &self.worlds_desired,
            &self.players,
            &self.seats,
        ] {
            family.remove(&labels);
        }
    }

    /// Counts a stream as being in `state` until the answer is dropped.
    pub(crate) fn stream(&self, state: StreamState) -> StreamGauge {
        let gauge = self.streams.get_or_create_owned(&StateLabels {
            state: state.as_str(),
        });
        gauge.inc();
        StreamGauge(gauge)
    }

    pub(crate) fn stream_error(&self, reason: &'static str) {
        self.stream_errors
            .get_or_create_owned(&ReasonLabels { reason })
            .inc();
    }

    pub(crate) fn line_refused(&self, reason: &'static str) {
        self.lines_refused
            .get_or_create_owned(&ReasonLabels { reason })
            .inc();
    }

    pub(crate) fn command(&self, command: &'static str, outcome: &'static str) {
        self.commands
            .get_or_create_owned(&CommandLabels { command, outcome })
            .inc();
    }

    pub(crate) fn lease(&self, leader: bool, term: i64) {
        self.leader.set(i64::from(leader));
        self.term.set(term);
    }

    pub(crate) fn lease_error(&self, reason: &'static str) {
        self.lease_errors
            .get_or_create_owned(&ReasonLabels { reason })
            .inc();
    }

    pub(crate) fn keys_published(&self, count: usize) {
        self.keys.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn key_rotated(&self) {
        self.key_rotations.inc();
    }

    pub(crate) fn key_error(&self, reason: &'static str) {
        self.key_errors
            .get_or_create_owned(&ReasonLabels { reason })
            .inc();
    }
}

/// One stream in the gauge of its state.
#[derive(Debug)]
pub(crate) struct StreamGauge(Gauge);

impl Drop for StreamGauge {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_fleet_comes_and_goes() {
        let metrics = Metrics::new();
        let numbers = FleetGauges {
            worlds: vec![("Ready", 2), ("Pending", 0)],
            unknown: 1,
            players: 7,
            seats: 64,
            desired: 3,
        };
        metrics.fleet("games", "dungeon", &numbers);
        let text = metrics.encode().unwrap();
        for line in [
            r#"worldkeeper_worlds{namespace="games",fleet="dungeon",state="Ready"} 2"#,
            r#"worldkeeper_worlds{namespace="games",fleet="dungeon",state="Pending"} 0"#,
            r#"worldkeeper_worlds_unknown{namespace="games",fleet="dungeon"} 1"#,
            r#"worldkeeper_worlds_desired{namespace="games",fleet="dungeon"} 3"#,
            r#"worldkeeper_players{namespace="games",fleet="dungeon"} 7"#,
            r#"worldkeeper_seats{namespace="games",fleet="dungeon"} 64"#,
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
        metrics.forget_fleet("games", "dungeon", &["Ready", "Pending"]);
        assert!(!metrics.encode().unwrap().contains("dungeon"));
    }

    #[test]
    fn a_stream_is_counted_in_one_state() {
        let metrics = Metrics::new();
        let waiting = metrics.stream(StreamState::Waiting);
        let connected = metrics.stream(StreamState::Connected);
        drop(waiting);
        let text = metrics.encode().unwrap();
        assert!(text.contains(r#"worldkeeper_agent_streams{state="Waiting"} 0"#));
        assert!(text.contains(r#"worldkeeper_agent_streams{state="Connected"} 1"#));
        drop(connected);
    }

    #[test]
    fn reconciles_are_counted_and_timed() {
        let metrics = Metrics::new();
        metrics.reconciled("fleet", "Ok", Duration::from_millis(3));
        let text = metrics.encode().unwrap();
        assert!(
            text.contains(r#"worldkeeper_reconciles_total{controller="fleet",outcome="Ok"} 1"#)
        );
        assert!(text.contains(r#"worldkeeper_reconcile_seconds_count{controller="fleet"} 1"#));
    }
}
