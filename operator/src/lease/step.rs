//! What a replica does next about the Lease: a pure function of what it has seen and when.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::LostReason;

/// The Lease as it was read. The timestamps are other processes' clocks: they are compared for
/// being equal, never for being earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseView {
    /// Who holds it; `None` if it has been released.
    pub holder: Option<String>,
    /// For how long the holder believes that a renewal holds.
    pub duration: Duration,
    /// `leaseTransitions`.
    pub transitions: i64,
    /// `acquireTime`.
    pub acquired: Option<Timestamp>,
    /// `renewTime`: differs after every renewal.
    pub renewed: Option<Timestamp>,
}

/// The Lease, or its absence, and since when we see it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The Lease; `None` if there is none.
    pub view: Option<LeaseView>,
    /// When we first saw this, by our own clock.
    pub since: Instant,
}

impl Observed {
    /// What we see now. The time starts anew only if something differs.
    #[must_use]
    pub fn update(self, view: Option<LeaseView>, now: Instant) -> Self {
        if self.view == view {
            self
        } else {
            Self { view, since: now }
        }
    }
}

/// The Lease is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The transition count of our acquisition.
    pub term: i64,
    /// When we sent the last renewal that succeeded. Not when its answer came: others may have seen
    /// the renewal as early as it was sent.
    pub renewed: Instant,
}

/// An acquisition that we sent and have no answer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The count that we wrote.
    pub transitions: i64,
    /// The time that we wrote.
    pub acquired: Option<Timestamp>,
    /// When we sent it.
    pub sent: Instant,
}

/// The times of the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long a renewal holds.
    pub duration: Duration,
    /// How often we renew.
    pub renew_interval: Duration,
}

impl Timing {
    /// Until when we lead after a renewal sent at `renewed`: a fifth of the duration before anybody
    /// can take over, for clocks that run at different speeds and for what is under way.
    #[must_use]
    pub fn led_until(&self, renewed: Instant) -> Instant {
        renewed + self.duration - self.duration / 5
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read the Lease.
    Read,
    /// There is none: make it, as ours.
    Create,
    /// Nobody holds it, or the holder has been silent for too long: write it as ours, with the next
    /// transition count and the resourceVersion that we saw.
    Acquire,
    /// It is ours by a write whose answer got lost.
    Adopt {
        /// Our term.
        term: i64,
        /// When that write was sent.
        sent: Instant,
    },
    /// It is ours: write it again.
    Renew,
    /// Nothing before this time, unless something is heard.
    Wait {
        /// When to ask again.
        until: Instant,
    },
    /// We led and lead no longer.
    Lost(LostReason),
}

/// What the replica `me` does at `now`.
///
/// `observed` is `None` if the Lease is to be read first. A holder with our name is us only if we
/// hold or have sent exactly that; otherwise it is another process that was given the same name.
#[must_use]
pub fn next_step(
    observed: Option<&Observed>,
    me: &str,
    held: Option<&Held>,
    attempt: Option<&Attempt>,
    timing: Timing,
    now: Instant,
) -> Step {
    if let Some(held) = held
        && now >= timing.led_until(held.renewed)
    {
        return Step::Lost(LostReason::NotRenewed);
    }
    let Some(Observed { view, since }) = observed else {
        return Step::Read;
    };
    match (view, held) {
        (None, Some(_)) => Step::Lost(LostReason::Deleted),
        (None, None) => Step::Create,
        (Some(view), Some(held)) => {
            if view.holder.as_deref() != Some(me) || view.transitions != held.term {
                return Step::Lost(LostReason::Taken {
                    holder: view.holder.clone(),
                });
            }
            let due = held.renewed + timing.renew_interval;
            if now >= due {
                Step::Renew
            } else {
                Step::Wait { until: due }
            }
        }
        (Some(view), None) => {
            let Some(holder) = view.holder.as_deref() else {
                return Step::Acquire;
            };
            if let Some(attempt) = attempt
                && holder == me
                && attempt.transitions == view.transitions
                && attempt.acquired == view.acquired
                && now < timing.led_until(attempt.sent)
            {
                return Step::Adopt {
                    term: view.transitions,
                    sent: attempt.sent,
                };
            }
            // The holder's own duration counts too: it may have been started with a longer one.
            let silent_at = *since + timing.duration.max(view.duration);
            if now >= silent_at {
                Step::Acquire
            } else {
                Step::Wait { until: silent_at }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const DURATION: u64 = 1_500;
    const TIMING: Timing = Timing {
        duration: Duration::from_millis(DURATION),
        renew_interval: Duration::from_millis(DURATION / 3),
    };

    type Decide =
        fn(Option<&Observed>, &str, Option<&Held>, Option<&Attempt>, Timing, Instant) -> Step;

    /// What happens to a replica at one moment.
    #[derive(Clone, Copy, Debug)]
    enum Happening {
        /// It does its next step, and that succeeds.
        Works,
        /// It does its next step; the write is done but the answer gets lost.
        LosesAnswer,
        /// It does its next step; the request never arrives.
        LosesRequest,
        /// It decides, and stands still before its request is sent: it is sent at the next moment
        /// that the replica has.
        Stalls,
        /// It sees the Lease, as a watch would show it.
        Hears,
        /// It ends without a word, and another process takes its place.
        Dies,
        /// It releases and ends.
        Leaves,
    }

    fn happenings() -> impl Strategy<Value = Vec<(usize, u64, Happening)>> {
        let happening = prop_oneof![
            12 => Just(Happening::Works),
            2 => Just(Happening::LosesAnswer),
            2 => Just(Happening::LosesRequest),
            2 => Just(Happening::Stalls),
            4 => Just(Happening::Hears),
            1 => Just(Happening::Dies),
            1 => Just(Happening::Leaves),
        ];
        let pause = prop_oneof![
            6 => 0..DURATION / 4,
            2 => 0..DURATION * 2,
        ];
        prop::collection::vec((0..3_usize, pause, happening), 1..120)
    }

    /// The API server: one object, optimistic locking.
    #[derive(Default)]
    struct Store {
        version: u64,
        view: Option<LeaseView>,
        /// Clock skew of each writer goes in here, and must not matter.
        writes: i64,
    }

    struct Replica {
        name: String,
        observed: Option<Observed>,
        version: u64,
        held: Option<Held>,
        attempt: Option<Attempt>,
        stalled: Option<(Step, Instant)>,
        skew: i64,
        /// When this replica last saw a renewal by its own eyes.
        last_change: Option<(Option<LeaseView>, Instant)>,
    }

    impl Replica {
        fn new(index: usize, generation: usize) -> Self {
            Self {
                name: format!("replica-{index}-{generation}"),
                observed: None,
                version: 0,
                held: None,
                attempt: None,
                stalled: None,
                skew: [0, -86_400, 4_000][index],
                last_change: None,
            }
        }

        fn see(&mut self, store: &Store, now: Instant) {
            let view = store.view.clone();
            if self.last_change.as_ref().is_none_or(|(v, _)| *v != view) {
                self.last_change = Some((view.clone(), now));
            }
            self.observed = Some(match self.observed.take() {
                Some(observed) => observed.update(view, now),
                None => Observed { view, since: now },
            });
            self.version = store.version;
        }

        fn leads(&self, now: Instant) -> bool {
            self.held
                .is_some_and(|held| now < TIMING.led_until(held.renewed))
        }
    }

    /// Runs a history and says which promise was broken, if any was.
    fn simulate(decide: Decide, history: &[(usize, u64, Happening)]) -> Result<(), String> {
        let start = Instant::now();
        let mut now = start;
        let mut store = Store::default();
        let mut generation = 0;
        let mut replicas: Vec<_> = (0..3).map(|i| Replica::new(i, generation)).collect();
        let mut highest_term = 0;
        for (who, pause, happening) in history.iter().copied() {
            now += Duration::from_millis(pause);
            let replica = &mut replicas[who];
            match happening {
                Happening::Dies => {
                    generation += 1;
                    *replica = Replica::new(who, generation);
                    continue;
                }
                Happening::Leaves => {
                    if replica.leads(now)
                        && store.view.as_ref().and_then(|v| v.holder.as_deref())
                            == Some(&replica.name)
                    {
                        store.version += 1;
                        store.view.as_mut().unwrap().holder = None;
                    }
                    generation += 1;
                    *replica = Replica::new(who, generation);
                    continue;
                }
                Happening::Hears => {
                    // One that stands still hears nothing.
                    if replica.held.is_none() && replica.stalled.is_none() {
                        replica.see(&store, now);
                    }
                    continue;
                }
                Happening::Works
                | Happening::LosesAnswer
                | Happening::LosesRequest
                | Happening::Stalls => {}
            }
            let (step, decided) = replica.stalled.take().unwrap_or_else(|| {
                let step = decide(
                    replica.observed.as_ref(),
                    &replica.name,
                    replica.held.as_ref(),
                    replica.attempt.as_ref(),
                    TIMING,
                    now,
                );
                (step, now)
            });
            if matches!(happening, Happening::Stalls) {
                replica.stalled = Some((step, decided));
                continue;
            }
            match step {
                Step::Read => {
                    if !matches!(happening, Happening::LosesAnswer | Happening::LosesRequest) {
                        replica.see(&store, now);
                    }
                }
                Step::Wait { .. } => {}
                Step::Lost(_) => {
                    generation += 1;
                    *replica = Replica::new(who, generation);
                }
                Step::Adopt { term, sent } => {
                    replica.held = Some(Held {
                        term,
                        renewed: sent,
                    });
                    replica.attempt = None;
                }
                Step::Create | Step::Acquire | Step::Renew => {
                    let renews = step == Step::Renew;
                    if step == Step::Acquire {
                        let (seen, at) = replica.last_change.clone().unwrap();
                        let held = seen.is_some_and(|view| view.holder.is_some());
                        if held && decided < at + TIMING.duration {
                            return Err("took over from a holder whose silence it had not seen for a whole duration".to_owned());
                        }
                    }
                    store.writes += 1;
                    let stamp = Timestamp::from_second(1_700_000_000 + replica.skew + store.writes)
                        .unwrap();
                    let seen = replica.observed.as_ref().and_then(|o| o.view.clone());
                    let written = LeaseView {
                        holder: Some(replica.name.clone()),
                        duration: TIMING.duration,
                        transitions: match (&seen, renews) {
                            (Some(view), true) => view.transitions,
                            (Some(view), false) => view.transitions + 1,
                            (None, _) => 1,
                        },
                        acquired: match (&seen, renews) {
                            (Some(view), true) => view.acquired,
                            _ => Some(stamp),
                        },
                        renewed: Some(stamp),
                    };
                    if !renews {
                        replica.attempt = Some(Attempt {
                            transitions: written.transitions,
                            acquired: written.acquired,
                            sent: decided,
                        });
                    }
                    let done = !matches!(happening, Happening::LosesRequest)
                        && replica.version == store.version;
                    if done {
                        store.version += 1;
                        store.view = Some(written);
                    }
                    if done && matches!(happening, Happening::Works) {
                        replica.see(&store, now);
                        let term = store.view.as_ref().unwrap().transitions;
                        replica.held = Some(Held {
                            term,
                            renewed: decided,
                        });
                        replica.attempt = if renews { replica.attempt.take() } else { None };
                    } else {
                        replica.observed = None;
                    }
                }
            }
            let replica = &replicas[who];
            if let Some(held) = replica.held
                && held.term < highest_term
                && replica.leads(now)
            {
                return Err(format!(
                    "leads with term {} after {highest_term}",
                    held.term
                ));
            }
            highest_term = highest_term.max(replica.held.map_or(0, |held| held.term));
            let leaders: Vec<_> = replicas
                .iter()
                .filter(|replica| replica.leads(now))
                .map(|replica| &*replica.name)
                .collect();
            if leaders.len() > 1 {
                return Err(format!("{} lead at once", leaders.join(" and ")));
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn one_leads_and_terms_rise(history in happenings()) {
            if let Err(broken) = simulate(next_step, &history) {
                return Err(TestCaseError::fail(broken));
            }
        }

        #[test]
        fn waiting_always_ends(
            silent in 0..DURATION * 3,
            transitions in 0..5_i64,
            holds in any::<bool>(),
            holder in prop::option::of("[ab]"),
        ) {
            let start = Instant::now();
            let now = start + Duration::from_millis(silent);
            let observed = Observed {
                view: Some(LeaseView {
                    holder,
                    duration: TIMING.duration,
                    transitions,
                    acquired: None,
                    renewed: None,
                }),
                since: start,
            };
            let held = holds.then_some(Held { term: 1, renewed: start });
            if let Step::Wait { until } =
                next_step(Some(&observed), "a", held.as_ref(), None, TIMING, now)
            {
                prop_assert!(now < until && until <= start + TIMING.duration);
            }
        }
    }

    /// Histories that break a wrong variant exist, and the test above would find them.
    #[track_caller]
    fn must_be_caught(wrong: Decide) {
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: 20_000,
            failure_persistence: None,
            // What catches a wrong variant once catches it in every run.
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            ..ProptestConfig::default()
        });
        let found = runner.run(&happenings(), |history| {
            simulate(wrong, &history).map_err(TestCaseError::fail)
        });
        assert!(found.is_err(), "the wrong variant was not caught");
    }

    #[test]
    fn catches_taking_over_early() {
        must_be_caught(|observed, me, held, attempt, timing, now| {
            let impatient = Timing {
                duration: timing.duration / 2,
                ..timing
            };
            let observed = observed.cloned().map(|mut observed| {
                if let Some(view) = &mut observed.view {
                    view.duration = impatient.duration;
                }
                observed
            });
            match held {
                Some(_) => next_step(observed.as_ref(), me, held, attempt, timing, now),
                None => next_step(observed.as_ref(), me, held, attempt, impatient, now),
            }
        });
    }

    #[test]
    fn catches_trusting_anothers_clock() {
        must_be_caught(|observed, me, held, attempt, timing, now| {
            if held.is_none()
                && let Some(view) = observed.and_then(|o| o.view.as_ref())
                && view.holder.is_some()
                // A clock that is a day behind says that the Lease expired long ago.
                && view.renewed.is_some_and(|t| t.as_second() < 1_700_000_000)
            {
                return Step::Acquire;
            }
            next_step(observed, me, held, attempt, timing, now)
        });
    }

    #[test]
    fn catches_counting_a_renewal_from_its_answer() {
        // As if the write, stalled before it was sent, had been decided just now.
        must_be_caught(|observed, me, held, attempt, timing, now| {
            match next_step(observed, me, held, attempt, timing, now) {
                Step::Adopt { term, .. } => Step::Adopt { term, sent: now },
                step => step,
            }
        });
    }

    #[test]
    fn catches_taking_a_name_for_oneself() {
        must_be_caught(|observed, me, held, attempt, timing, now| {
            if held.is_none()
                && let Some(view) = observed.and_then(|o| o.view.as_ref())
                && view.holder.is_some()
            {
                return Step::Adopt {
                    term: view.transitions,
                    sent: now,
                };
            }
            next_step(observed, me, held, attempt, timing, now)
        });
    }

    #[test]
    fn a_longer_duration_of_the_holder_is_honoured() {
        let start = Instant::now();
        let observed = Observed {
            view: Some(LeaseView {
                holder: Some("other".to_owned()),
                duration: TIMING.duration * 4,
                transitions: 3,
                acquired: None,
                renewed: None,
            }),
            since: start,
        };
        let step = |at| next_step(Some(&observed), "me", None, None, TIMING, at);
        assert_eq!(
            step(start + TIMING.duration * 3),
            Step::Wait {
                until: start + TIMING.duration * 4
            }
        );
        assert_eq!(step(start + TIMING.duration * 4), Step::Acquire);
    }

    #[test]
    fn a_released_lease_is_taken_at_once() {
        let now = Instant::now();
        let observed = Observed {
            view: Some(LeaseView {
                holder: None,
                duration: TIMING.duration,
                transitions: 3,
                acquired: None,
                renewed: None,
            }),
            since: now,
        };
        assert_eq!(
            next_step(Some(&observed), "me", None, None, TIMING, now),
            Step::Acquire
        );
    }
}
