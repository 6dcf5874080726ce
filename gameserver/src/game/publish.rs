//! When to publish a status, and the tick times that it tells of. Pure; times are nanoseconds.

use worldkeeper_crds::agent::{DrainPhase, HEARTBEAT_SECONDS};

/// Shortest time between two statuses.
const SPACING: u64 = 1_000_000_000 / 4;
const HEARTBEAT: u64 = HEARTBEAT_SECONDS * 1_000_000_000;

/// What a change of is told at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) players: u32,
    pub(super) resuming: u32,
    pub(super) drain: DrainPhase,
}

/// What was published last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Publisher {
    last: Option<(u64, Facts)>,
}

impl Publisher {
    /// Whether to publish now; if so, remembers it.
    pub(super) fn due(&mut self, now: u64, facts: Facts) -> bool {
        let due = match self.last {
            None => true,
            Some((at, before)) => {
                let age = now.saturating_sub(at);
                age >= HEARTBEAT || before != facts && age >= SPACING
            }
        };
        if due {
            self.last = Some((now, facts));
        }
        due
    }
}

/// Compute times of the last ticks.
#[derive(Debug)]
pub(super) struct TickTimes {
    /// A ring of microseconds.
    times: Vec<u64>,
    next: usize,
    full: bool,
    scratch: Vec<u64>,
}

impl TickTimes {
    /// Over the last `count` ticks.
    pub(super) fn new(count: usize) -> Self {
        Self {
            times: vec![0; count.max(1)],
            next: 0,
            full: false,
            scratch: Vec::with_capacity(count),
        }
    }

    pub(super) fn add(&mut self, micros: u64) {
        self.times[self.next] = micros;
        self.next += 1;
        if self.next == self.times.len() {
            self.next = 0;
            self.full = true;
        }
    }

    /// The time within which 99 of 100 of them were done.
    pub(super) fn p99(&mut self) -> u64 {
        let count = if self.full {
            self.times.len()
        } else {
            self.next
        };
        if count == 0 {
            return 0;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.times[..count]);
        let rank = (99 * count).div_ceil(100) - 1;
        *self.scratch.select_nth_unstable(rank).1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;

    const SERVING: DrainPhase = DrainPhase::Serving;

    fn facts(players: u32) -> Facts {
        Facts {
            players,
            resuming: 0,
            drain: SERVING,
        }
    }

    type Decide = fn(&mut Publisher, u64, Facts) -> bool;

    /// However players come and go: no two statuses closer than a quarter of a second, none later than
    /// a second after the one before, and a change is told within a quarter of a second.
    fn holds(due: Decide) -> Result<(), String> {
        let config = Config {
            failure_persistence: None,
            // What catches a wrong variant once catches it in every run.
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            ..Config::default()
        };
        let course = prop::collection::vec((1..40_u64, 0..3_u32), 1..100);
        let property = |steps: Vec<(u64, u32)>| {
            let mut publisher = Publisher::default();
            let tick = 50_000_000;
            let (mut now, mut last, mut told) = (0, None, None);
            for (ticks, players) in steps {
                for _ in 0..ticks {
                    now += tick;
                    if due(&mut publisher, now, facts(players)) {
                        if let Some(last) = last {
                            prop_assert!(now - last >= SPACING);
                        }
                        (last, told) = (Some(now), Some(players));
                    }
                    prop_assert!(now - last.unwrap_or(0) < HEARTBEAT + tick);
                    if told != Some(players) {
                        prop_assert!(now - last.unwrap_or(0) < SPACING);
                    }
                }
            }
            Ok(())
        };
        TestRunner::new(config)
            .run(&course, property)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn spacing_and_heartbeat() {
        assert_eq!(holds(Publisher::due), Ok(()));
    }

    #[test]
    fn wrong_variants_are_caught() {
        let variants: [(&str, Decide); 3] = [
            ("each change at once", |publisher, now, facts| {
                let changed = publisher.last.is_some_and(|(_, before)| before != facts);
                publisher.due(now, facts) || {
                    publisher.last = Some((now, facts));
                    changed
                }
            }),
            ("changes only", |publisher, now, facts| {
                let same = publisher.last.is_some_and(|(_, before)| before == facts);
                !same && publisher.due(now, facts)
            }),
            ("heartbeats only", |publisher, now, facts| {
                let last = publisher.last.map_or(facts, |(_, before)| before);
                publisher.due(now, last) && {
                    publisher.last = Some((now, facts));
                    true
                }
            }),
        ];
        for (name, variant) in variants {
            assert!(holds(variant).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn p99_is_that_of_a_sorted_list(times in prop::collection::vec(0..1000_u64, 1..500)) {
            let mut ring = TickTimes::new(200);
            for time in &times {
                ring.add(*time);
            }
            let mut kept = times[times.len().saturating_sub(200)..].to_vec();
            kept.sort_unstable();
            let rank = (99 * kept.len()).div_ceil(100) - 1;
            prop_assert_eq!(ring.p99(), kept[rank]);
        }
    }

    #[test]
    fn a_drain_is_told_at_once() {
        let mut publisher = Publisher::default();
        assert!(publisher.due(0, facts(1)));
        let drain = DrainPhase::JoinsStopped;
        assert!(!publisher.due(SPACING - 1, Facts { drain, ..facts(1) }));
        assert!(publisher.due(SPACING, Facts { drain, ..facts(1) }));
        assert!(!publisher.due(SPACING + 1, Facts { drain, ..facts(1) }));
    }
}
