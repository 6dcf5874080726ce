//! When the server's ticks are: what a client needs to say at which tick its inputs shall count.
//!
//! The update of a tick that came with the least delay is the anchor: from it, and from how long a
//! tick takes, follows which update would arrive now if the network were always that quick. An input
//! sent now reaches the server one round trip later than that update left it. What the network adds at
//! times is left to a margin, which grows with each input that came too late and shrinks while none does.

use std::time::{Duration, Instant};

/// An anchor is replaced by the best of the time since after so long.
const SPAN: Duration = Duration::from_secs(4);
/// Inputs in a row that came in time, after which the margin shrinks by a tick.
const PATIENCE: u32 = 24;
/// Ticks of margin at the beginning.
const FIRST_MARGIN: u64 = 1;

/// An update, and when it came.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    tick: u64,
    at: Instant,
}

#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// Of one tick, in real time.
    period: Duration,
    /// Nominal.
    full_period: Duration,
    anchor: Arrival,
    /// The least delayed since the anchor was set, and by how much it was.
    best: Option<(Arrival, i128)>,
    span_ends: Instant,
    round_trip: Duration,
    measured: bool,
    margin: u64,
    most_margin: u64,
    in_time: u32,
}

impl Pace {
    /// At a Welcome of `tick`.
    pub(super) fn new(tick_rate_hz: u8, tick: u64, now: Instant) -> Self {
        let rate = u32::from(tick_rate_hz.max(1));
        let period = Duration::from_secs(1) / rate;
        Self {
            period,
            full_period: period,
            anchor: Arrival { tick, at: now },
            best: None,
            span_ends: now + SPAN,
            round_trip: Duration::ZERO,
            measured: false,
            margin: FIRST_MARGIN,
            most_margin: u64::from(rate / 2).max(FIRST_MARGIN),
            in_time: 0,
        }
    }

    /// The update of `tick` came.
    pub(super) fn updated(&mut self, tick: u64, now: Instant) {
        let arrival = Arrival { tick, at: now };
        let late = self.delay(arrival);
        if late <= 0 {
            // No update was ever as quick as this one.
            self.anchor = arrival;
            self.best = None;
            self.span_ends = now + SPAN;
            return;
        }
        if self.best.is_none_or(|(_, least)| late <= least) {
            self.best = Some((arrival, late));
        }
        if now >= self.span_ends {
            if let Some((best, _)) = self.best.take() {
                self.anchor = best;
            }
            self.span_ends = now + SPAN;
        }
    }

    /// By how many nanoseconds an update came later than the anchor would have it.
    fn delay(&self, arrival: Arrival) -> i128 {
        let ticks = i128::from(arrival.tick) - i128::from(self.anchor.tick);
        let expected = ticks * nanos(self.period);
        nanos(arrival.at.saturating_duration_since(self.anchor.at)) - expected
    }

    /// A Pong came: after how long, and at how many percent of real time the world runs.
    pub(super) fn ponged(&mut self, round_trip: Duration, dilation: u8) {
        self.round_trip = if self.measured {
            (self.round_trip * 7 + round_trip) / 8
        } else {
            round_trip
        };
        self.measured = true;
        let percent = u32::from(dilation.clamp(1, 100));
        self.period = self.full_period * 100 / percent;
    }

    /// A Pong has come: until then nobody knows how long an input takes.
    pub(super) fn is_known(&self) -> bool {
        self.measured
    }

    /// Of the network and the server's reading, without the wait for a tick.
    pub(super) fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// The tick at which an input counts that is sent now.
    pub(super) fn stamp(&self, now: Instant) -> u64 {
        let passed = nanos(now.saturating_duration_since(self.anchor.at)) + nanos(self.round_trip);
        let ticks = u64::try_from(passed / nanos(self.period).max(1)).unwrap_or(0);
        self.anchor
            .tick
            .saturating_add(ticks)
            .saturating_add(1 + self.margin)
    }

    /// An input was not applied at its tick.
    pub(super) fn was_late(&mut self) {
        self.in_time = 0;
        self.margin = (self.margin + 1).min(self.most_margin);
    }

    /// An input was applied at its tick.
    pub(super) fn was_in_time(&mut self) {
        self.in_time += 1;
        if self.in_time >= PATIENCE {
            self.in_time = 0;
            self.margin = self.margin.saturating_sub(1).max(FIRST_MARGIN);
        }
    }
}

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    /// One way of the network: so many milliseconds, and sometimes some more.
    #[derive(Clone, Debug)]
    struct Network {
        up: u64,
        down: u64,
        jitter: Vec<u64>,
    }

    fn networks() -> impl Strategy<Value = Network> {
        (
            0..1_500_u64,
            0..1_500_u64,
            prop::collection::vec(0..30_u64, 1..20),
        )
            .prop_map(|(up, down, jitter)| Network { up, down, jitter })
    }

    type Stamp = fn(&Pace, Instant) -> u64;

    /// Plays a minute; how many of the inputs after the first ten seconds were stamped in time, and by
    /// how many ticks too early at most.
    fn play(network: &Network, stamp: impl Fn(&Pace, Instant) -> u64) -> (u32, u32, u64) {
        let zero = Instant::now();
        let ms = |ms: u64| zero + Duration::from_millis(ms);
        let jitter =
            |tick: u64| network.jitter[usize::try_from(tick).unwrap() % network.jitter.len()];
        let trip = network.up + network.down;
        let mut pace = Pace::new(20, 0, ms(network.down));
        let (mut in_time, mut late, mut early) = (0, 0, 0);
        let mut arrived = network.down;
        for tick in 1..1_200_u64 {
            // A later update never overtakes one before.
            arrived = arrived.max(tick * 50 + network.down + jitter(tick));
            pace.updated(tick, ms(arrived));
            if tick % 40 == 1 {
                pace.ponged(Duration::from_millis(trip + jitter(tick)), 100);
            }
            if tick % 14 == 0 {
                let at = stamp(&pace, ms(arrived));
                let reaches = arrived + network.up + jitter(tick + 7);
                // Tick k runs at k × 50 ms, with what has come by then.
                let applied = (reaches / 50 + 1).max(at);
                if applied == at {
                    pace.was_in_time();
                } else {
                    pace.was_late();
                }
                if tick > 200 {
                    if applied == at {
                        in_time += 1;
                    } else {
                        late += 1;
                    }
                    early = early.max(at.saturating_sub(reaches / 50 + 1));
                }
            }
        }
        (in_time, late, early)
    }

    proptest! {
        #[test]
        fn inputs_are_stamped_in_time_and_not_much_too_early(network in networks()) {
            let (in_time, late, early) = play(&network, Pace::stamp);
            prop_assert!(late * 10 <= in_time, "{in_time} in time, {late} late");
            prop_assert!(early <= 4, "{early} ticks too early");
        }
    }

    #[test]
    fn wrong_stamps_are_caught() {
        let network = Network {
            up: 400,
            down: 300,
            jitter: vec![3, 25, 9, 0, 14],
        };
        let fine = |(in_time, late, early): (u32, u32, u64)| late * 10 <= in_time && early <= 4;
        assert!(fine(play(&network, Pace::stamp)));
        let wrong: [(&str, Stamp); 3] = [
            ("forgets the round trip", |pace, now| {
                Pace {
                    round_trip: Duration::ZERO,
                    ..pace.clone()
                }
                .stamp(now)
            }),
            ("counts the round trip twice", |pace, now| {
                Pace {
                    round_trip: pace.round_trip * 2,
                    ..pace.clone()
                }
                .stamp(now)
            }),
            ("stamps with the last tick", |pace, _| pace.anchor.tick),
        ];
        for (name, stamp) in wrong {
            assert!(
                !fine(play(&network, stamp)),
                "not caught: a stamp that {name}"
            );
        }
    }

    #[test]
    fn a_slowed_world_is_followed() {
        let zero = Instant::now();
        let mut pace = Pace::new(20, 0, zero);
        pace.ponged(Duration::ZERO, 50);
        for tick in 1..200_u32 {
            pace.updated(u64::from(tick), zero + Duration::from_millis(100) * tick);
        }
        assert_eq!(pace.stamp(zero + Duration::from_millis(19_950)), 199 + 2);
    }
}
