//! When to tick: absolute deadlines, a few ticks of catching up, and beyond that wall time is dropped.
//! Pure; times are nanoseconds since the start.

/// Most ticks that are caught up at once. More would delay what players see by more than they gain.
pub(super) const MAX_CATCH_UP: u64 = 3;

/// The deadlines of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    period: u64,
    next: u64,
}

/// What is due now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// Ticks to run at once: 0 before the deadline, 1 in time.
    pub(super) ticks: u64,
    /// Nanoseconds of wall time that the world will never live through.
    pub(super) dropped: u64,
}

impl Schedule {
    /// The first tick is due one period after the start.
    pub(super) fn new(period: u64) -> Self {
        Self {
            period,
            next: period,
        }
    }

    /// Takes what is due at `now`.
    pub(super) fn due(&mut self, now: u64) -> Due {
        let Some(late) = now.checked_sub(self.next) else {
            return Due {
                ticks: 0,
                dropped: 0,
            };
        };
        let missed = late / self.period;
        let caught_up = missed.min(MAX_CATCH_UP);
        self.next += (1 + missed) * self.period;
        Due {
            ticks: 1 + caught_up,
            dropped: (missed - caught_up) * self.period,
        }
    }

    /// Another time between ticks, from the next deadline on.
    pub(super) fn set_period(&mut self, period: u64) {
        self.period = period.max(1);
    }

    /// How long to wait at `now` for the next deadline.
    pub(super) fn wait(&self, now: u64) -> u64 {
        self.next.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;

    type Decide = fn(&mut Schedule, u64) -> Due;

    /// Over any course of time: every period is ticked or dropped, nothing twice, never more than the
    /// limit at once, nothing before its deadline, and nothing is dropped that could be caught up.
    fn holds(decide: Decide) -> Result<(), String> {
        let course = prop::collection::vec(prop_oneof![0..60_u64, 0..1000_u64], 1..100);
        let config = Config {
            failure_persistence: None,
            // What catches a wrong variant once catches it in every run.
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            ..Config::default()
        };
        let property = |waits: Vec<u64>| {
            let mut schedule = Schedule::new(50);
            let (mut now, mut ticks, mut dropped) = (0, 0, 0);
            for wait in waits {
                now += wait;
                let before = ticks + dropped / 50;
                let due = decide(&mut schedule, now);
                ticks += due.ticks;
                dropped += due.dropped;
                prop_assert!(due.ticks <= 1 + MAX_CATCH_UP);
                prop_assert_eq!(ticks * 50 + dropped, now / 50 * 50);
                let owed = now / 50 - before;
                prop_assert_eq!(due.dropped, owed.saturating_sub(1 + MAX_CATCH_UP) * 50);
                prop_assert!((1..=50).contains(&schedule.wait(now)));
            }
            Ok(())
        };
        TestRunner::new(config)
            .run(&course, property)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn every_period_is_ticked_or_dropped() {
        holds(Schedule::due).unwrap();
    }

    #[test]
    fn wrong_variants_are_caught() {
        let variants: [(&str, Decide); 4] = [
            (
                "drifts: counts from now, not from the deadline",
                |schedule, now| {
                    let due = schedule.due(now);
                    if due.ticks > 0 {
                        schedule.next = now + schedule.period;
                    }
                    due
                },
            ),
            ("never drops", |schedule, now| {
                let due = schedule.due(now);
                Due {
                    ticks: due.ticks + due.dropped / schedule.period,
                    dropped: 0,
                }
            }),
            ("drops silently", |schedule, now| Due {
                dropped: 0,
                ..schedule.due(now)
            }),
            ("never catches up", |schedule, now| {
                let due = schedule.due(now);
                let ticks = due.ticks.min(1);
                Due {
                    ticks,
                    dropped: due.dropped + (due.ticks - ticks) * schedule.period,
                }
            }),
        ];
        for (name, variant) in variants {
            assert!(holds(variant).is_err(), "{name}");
        }
    }

    #[test]
    fn another_period_begins_with_the_next_deadline() {
        let mut schedule = Schedule::new(50);
        assert_eq!(schedule.due(50).ticks, 1);
        schedule.set_period(100);
        for (now, ticks, wait) in [(99, 0, 1), (100, 1, 100), (199, 0, 1), (410, 3, 90)] {
            assert_eq!(schedule.due(now).ticks, ticks, "{now}");
            assert_eq!(schedule.wait(now), wait, "{now}");
        }
        schedule.set_period(50);
        assert_eq!(schedule.due(500).ticks, 1);
        assert_eq!(schedule.wait(500), 50);
    }

    #[test]
    fn examples() {
        let mut schedule = Schedule::new(50);
        for (now, ticks, dropped, wait) in [
            (0, 0, 0, 50),
            (49, 0, 0, 1),
            (50, 1, 0, 50),
            (120, 1, 0, 30),
            (300, 4, 0, 50),
            (1000, 4, 10 * 50, 50),
        ] {
            assert_eq!(schedule.due(now), Due { ticks, dropped }, "{now}");
            assert_eq!(schedule.wait(now), wait, "{now}");
        }
    }
}
