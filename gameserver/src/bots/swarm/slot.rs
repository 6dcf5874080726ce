//! One bot as the swarm sees it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::Rng;
use tokio::sync::watch;

use crate::bots::log::PlayerLog;
use crate::bots::player::{Event, Order, Target};

/// First pause of a bot that was not let in; it doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) enum State {
    /// Nothing to do.
    Idle,
    /// Wants in somewhere.
    Waiting {
        not_before: Instant,
    },
    /// On its way in, or back in.
    Joining {
        target: Arc<Target>,
        lost: Option<Lost>,
    },
    Inside {
        target: Arc<Target>,
    },
    Leaving {
        target: Arc<Target>,
    },
    /// Was inside, against its will no longer.
    Lost(Lost),
}

#[derive(Clone, Debug)]
pub(super) struct Lost {
    pub(super) target: Arc<Target>,
    /// The session can be taken up until then.
    pub(super) resume_until: Instant,
    pub(super) not_before: Instant,
}

#[derive(Debug)]
pub(super) struct Slot {
    /// The world that the bot is for; none: any.
    pub(super) pin: Option<String>,
    pub(super) state: State,
    pub(super) orders: watch::Sender<Order>,
    /// Tries in a row that came to nothing.
    pub(super) tries: u32,
    pub(super) log: Arc<Mutex<PlayerLog>>,
}

impl Slot {
    /// It plays or wants to.
    pub(super) fn is_active(&self) -> bool {
        !matches!(self.state, State::Idle | State::Leaving { .. })
    }

    /// Where it takes up a seat, or is about to.
    pub(super) fn target(&self) -> Option<&Arc<Target>> {
        match &self.state {
            State::Joining { target, .. }
            | State::Inside { target }
            | State::Leaving { target } => Some(target),
            State::Idle | State::Waiting { .. } | State::Lost(_) => None,
        }
    }

    pub(super) fn go(&mut self, target: Arc<Target>, lost: Option<Lost>) {
        self.orders.send_replace(Some(Arc::clone(&target)));
        self.state = State::Joining { target, lost };
    }

    /// It leaves, or stops wanting in.
    pub(super) fn release(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Idle) {
            State::Joining { target, .. } | State::Inside { target } => {
                self.orders.send_replace(None);
                State::Leaving { target }
            }
            leaving @ State::Leaving { .. } => leaving,
            State::Idle | State::Waiting { .. } | State::Lost(_) => State::Idle,
        };
    }

    fn back_off(&mut self, now: Instant) -> Instant {
        let pause = RETRY_MIN
            .saturating_mul(1 << self.tries.min(8))
            .min(RETRY_MAX);
        self.tries = self.tries.saturating_add(1);
        now + pause.mul_f64(rand::rng().random_range(0.5..1.0))
    }

    /// Takes in what the bot says of itself. Returns the world that has not let it in, if so.
    pub(super) fn hear(&mut self, event: Event, now: Instant) -> Option<Arc<Target>> {
        let mut closed = None;
        self.state = match (event, std::mem::replace(&mut self.state, State::Idle)) {
            (Event::Joined, State::Joining { target, .. }) => {
                self.tries = 0;
                State::Inside { target }
            }
            // Told to leave while it was on its way in: it is inside now, and leaves.
            (Event::Joined, state) => state,
            (Event::Refused(_) | Event::Failed, State::Joining { target, lost }) => {
                closed = Some(target);
                let not_before = self.back_off(now);
                match lost {
                    Some(lost) => State::Lost(Lost { not_before, ..lost }),
                    None => State::Waiting { not_before },
                }
            }
            (Event::Lost { resume }, State::Inside { target }) => State::Lost(Lost {
                target,
                resume_until: now + resume,
                not_before: self.back_off(now),
            }),
            // It left for a fault of the server's: as good as lost, with nothing to resume.
            (Event::Left, State::Inside { target }) => State::Lost(Lost {
                target,
                resume_until: now,
                not_before: self.back_off(now),
            }),
            // Whatever became of a bot that was to leave: it is out.
            (Event::Refused(_) | Event::Failed | Event::Lost { .. } | Event::Left, _) => {
                State::Idle
            }
        };
        closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bots::clock::Clock;
    use crate::protocol::RefusalReason;

    fn target() -> Arc<Target> {
        Arc::new(Target {
            key: "games/f-1".into(),
            world: None,
            epoch: None,
            address: ([127, 0, 0, 1], 1).into(),
        })
    }

    fn slot(state: State) -> Slot {
        let (orders, _) = watch::channel(Order::default());
        Slot {
            pin: None,
            state,
            orders,
            tries: 0,
            log: Arc::new(Mutex::new(PlayerLog::new(Clock::start(), 0, "a".into()))),
        }
    }

    fn joining(lost: Option<Lost>) -> State {
        let target = target();
        State::Joining { target, lost }
    }

    fn lost(now: Instant) -> Lost {
        Lost {
            target: target(),
            resume_until: now + Duration::from_secs(60),
            not_before: now,
        }
    }

    #[test]
    fn a_refused_bot_waits_longer_each_time() {
        let now = Instant::now();
        let mut slot = slot(State::Idle);
        let mut pauses = Vec::new();
        for _ in 0..40 {
            slot.go(target(), None);
            let closed = slot.hear(Event::Refused(RefusalReason::WorldFull), now);
            assert_eq!(closed, Some(target()));
            match slot.state {
                State::Waiting { not_before } => pauses.push(not_before - now),
                ref other => panic!("{other:?}"),
            }
        }
        assert!(pauses[0] <= RETRY_MIN && pauses.iter().all(|pause| *pause <= RETRY_MAX));
        assert!(pauses.last() >= Some(&(RETRY_MAX / 2)));
    }

    #[test]
    fn a_bot_that_cannot_get_back_in_is_still_lost() {
        let now = Instant::now();
        let mut slot = slot(joining(Some(lost(now))));
        assert!(slot.hear(Event::Failed, now).is_some());
        let State::Lost(still) = &slot.state else {
            panic!("{:?}", slot.state);
        };
        assert_eq!(still.resume_until, lost(now).resume_until);
        assert!(still.not_before > now);
    }

    #[test]
    fn a_bot_told_to_leave_on_its_way_in_is_out_only_when_it_says_so() {
        let now = Instant::now();
        for end in [
            Event::Left,
            Event::Failed,
            Event::Refused(RefusalReason::Closing),
            Event::Lost {
                resume: Duration::ZERO,
            },
        ] {
            let mut slot = slot(joining(None));
            slot.release();
            assert_eq!(slot.hear(Event::Joined, now), None);
            assert!(
                matches!(slot.state, State::Leaving { .. }),
                "{:?}",
                slot.state
            );
            assert_eq!(slot.hear(end, now), None);
            assert!(matches!(slot.state, State::Idle), "{:?}", slot.state);
        }
    }

    #[test]
    fn a_bot_that_leaves_untold_is_lost_and_has_nothing_to_resume() {
        let now = Instant::now();
        let mut slot = slot(State::Inside { target: target() });
        assert_eq!(slot.hear(Event::Left, now), None);
        assert!(matches!(&slot.state, State::Lost(lost) if lost.resume_until <= now));
    }
}
