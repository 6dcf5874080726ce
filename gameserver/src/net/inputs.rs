//! Inputs of one client that wait for the tick at which they are to take effect: what evens out the
//! jitter of its connection. Pure.

use std::collections::VecDeque;

/// Most inputs that wait for a client. One that sends more than this within the longest wait is at
/// fault: a second has at most as many ticks.
pub(super) const MAX_WAITING: usize = 64;

/// The waiting inputs of a client, in the order of their numbers.
#[derive(Debug)]
pub(super) struct Inputs<T> {
    waiting: VecDeque<Waiting<T>>,
    /// Of the newest that was taken in.
    last_seq: u32,
}

#[derive(Debug)]
struct Waiting<T> {
    seq: u32,
    due: u64,
    what: T,
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It waits for its tick.
    In,
    /// A newer one came before it; it is passed over.
    Stale,
    /// Too many wait already.
    Overflow,
}

impl<T> Inputs<T> {
    /// For a session of which the inputs up to `ack` have been applied.
    pub(super) fn new(ack: u32) -> Self {
        Self {
            waiting: VecDeque::new(),
            last_seq: ack,
        }
    }

    /// Takes in an input that is to take effect at tick `at`. `next` is the tick that runs next:
    /// nothing can take effect before it, and what wants to wait for more than `ahead` ticks beyond it
    /// waits so long. None takes effect before one with a lower number.
    pub(super) fn push(&mut self, seq: u32, at: u64, next: u64, ahead: u64, what: T) -> Taken {
        if seq <= self.last_seq {
            return Taken::Stale;
        }
        if self.waiting.len() >= MAX_WAITING {
            return Taken::Overflow;
        }
        let after = self.waiting.back().map_or(0, |last| last.due);
        let due = at.clamp(next, next.saturating_add(ahead)).max(after);
        self.last_seq = seq;
        self.waiting.push_back(Waiting { seq, due, what });
        Taken::In
    }

    /// The next input that is due by `tick`.
    pub(super) fn pop(&mut self, tick: u64) -> Option<(u32, T)> {
        if self.due()? > tick {
            return None;
        }
        self.waiting
            .pop_front()
            .map(|input| (input.seq, input.what))
    }

    /// The tick at which the next one is due.
    pub(super) fn due(&self) -> Option<u64> {
        self.waiting.front().map(|first| first.due)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;

    const AHEAD: u64 = 20;

    type Push = fn(&mut Inputs<u64>, u32, u64, u64, u64) -> Taken;
    type Pop = fn(&mut Inputs<u64>, u64) -> Option<(u32, u64)>;

    fn push(inputs: &mut Inputs<u64>, seq: u32, at: u64, next: u64, ahead: u64) -> Taken {
        inputs.push(seq, at, next, ahead, at)
    }

    /// Over any course of inputs and ticks: each input that was taken in takes effect exactly once, at
    /// the first tick that is not before its wish, bounded by a second, nor before those with lower
    /// numbers; numbers ascend; never more than the limit wait.
    fn holds(push: Push, pop: Pop) -> Result<(), String> {
        // (number, wish as an offset from now, ticks that pass afterwards)
        let step = (1..200_u32, -30..60_i64, 0..3_u64);
        let course = prop::collection::vec(step, 1..200);
        let config = Config {
            failure_persistence: None,
            // What catches a wrong variant once catches it in every run.
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            ..Config::default()
        };
        let property = |steps: Vec<(u32, i64, u64)>| {
            let mut inputs = Inputs::new(0);
            let mut tick = 1000_u64;
            // What must happen: (number, tick, wish), and what did.
            let (mut expect, mut seen) = (Vec::new(), Vec::new());
            let (mut last_seq, mut last_due) = (0, 0);
            let mut waiting = 0_usize;
            let quiet = [(0, 0, 100)];
            for (seq, wish, ticks) in steps.into_iter().chain(quiet) {
                if seq > 0 {
                    let at = tick.saturating_add_signed(wish);
                    let taken = push(&mut inputs, seq, at, tick + 1, AHEAD);
                    if seq <= last_seq {
                        prop_assert_eq!(taken, Taken::Stale);
                    } else if waiting == MAX_WAITING {
                        prop_assert_eq!(taken, Taken::Overflow);
                    } else {
                        prop_assert_eq!(taken, Taken::In);
                        last_seq = seq;
                        last_due = at.clamp(tick + 1, tick + 1 + AHEAD).max(last_due);
                        expect.push((seq, last_due, at));
                        waiting += 1;
                    }
                }
                for _ in 0..ticks {
                    tick += 1;
                    while let Some((seq, at)) = pop(&mut inputs, tick) {
                        seen.push((seq, tick, at));
                        waiting -= 1;
                    }
                }
            }
            prop_assert_eq!(seen, expect);
            Ok(())
        };
        TestRunner::new(config)
            .run(&course, property)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn each_input_takes_effect_once_at_its_tick() {
        holds(push, Inputs::pop).unwrap();
    }

    #[test]
    fn no_more_than_the_limit_wait() {
        let mut inputs = Inputs::new(7);
        assert_eq!(push(&mut inputs, 7, 0, 1, AHEAD), Taken::Stale);
        let limit = u32::try_from(MAX_WAITING).unwrap();
        for seq in 0..limit {
            assert_eq!(push(&mut inputs, 8 + seq, 99, 1, AHEAD), Taken::In);
        }
        assert_eq!(
            push(&mut inputs, 8 + limit, 0, 1, AHEAD),
            Taken::Overflow,
            "one more"
        );
        assert_eq!(inputs.due(), Some(1 + AHEAD));
        assert_eq!(inputs.pop(AHEAD), None);
        assert_eq!(inputs.pop(1 + AHEAD), Some((8, 99)));
        assert_eq!(push(&mut inputs, 8 + limit, 0, 1, AHEAD), Taken::In);
    }

    #[test]
    fn wrong_variants_are_caught() {
        let pushes: [(&str, Push); 5] = [
            ("the past is lost", |inputs, seq, at, next, ahead| {
                if at < next {
                    return Taken::Stale;
                }
                push(inputs, seq, at, next, ahead)
            }),
            ("any wait", |inputs, seq, at, next, _| {
                push(inputs, seq, at, next, u64::MAX)
            }),
            ("later ones overtake", |inputs, seq, at, next, ahead| {
                let taken = push(inputs, seq, at, next, ahead);
                if let (Taken::In, Some(last)) = (taken, inputs.waiting.back_mut()) {
                    last.due = at.clamp(next, next + ahead);
                }
                let waiting = inputs.waiting.make_contiguous();
                waiting.sort_by_key(|input| input.due);
                taken
            }),
            ("old numbers too", |inputs, seq, at, next, ahead| {
                inputs.last_seq = 0;
                push(inputs, seq, at, next, ahead)
            }),
            ("only the newest", |inputs, seq, at, next, ahead| {
                if seq > inputs.last_seq {
                    inputs.waiting.clear();
                }
                push(inputs, seq, at, next, ahead)
            }),
        ];
        for (name, variant) in pushes {
            assert!(holds(variant, Inputs::pop).is_err(), "{name}");
        }
        let pops: [(&str, Pop); 2] = [
            ("one tick late", |inputs, tick| inputs.pop(tick - 1)),
            ("at once", |inputs, _| inputs.pop(u64::MAX)),
        ];
        for (name, variant) in pops {
            assert!(holds(push, variant).is_err(), "{name}");
        }
    }
}
