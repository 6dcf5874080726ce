//! What is known of a world, from what was heard and when.
//!
//! Silence is measured in *watched* time: it begins at this leader's first attempt to connect, and
//! stands still while this process does. A leader that was stopped for a minute has not listened to
//! a silent world for a minute; it has not listened at all.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use worldkeeper_crds::agent::{AgentStatus, DrainPhase};

/// What is known of a world. Only [`Known`](Self::Known) has numbers that may be acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// Never heard under this leader, and not yet for long enough to call it stale.
    Unknown {
        /// Since this leader's first attempt to connect; zero before it.
        attempting_for: Duration,
    },
    /// Heard within `stale_after`.
    Known {
        /// What the world said last.
        status: AgentStatus,
        /// How long ago.
        age: Duration,
    },
    /// Silent for longer than `stale_after`.
    Stale {
        /// What the world said last under this leader. For people, never for a decision.
        last: Option<AgentStatus>,
        /// Since the last message, or this leader's first attempt to connect.
        silent_for: Duration,
    },
}

impl Knowledge {
    /// The status, if it is one that may be acted on. Unknown and stale have none.
    #[must_use]
    pub fn current(&self) -> Option<&AgentStatus> {
        match self {
            Self::Known { status, .. } => Some(status),
            Self::Unknown { .. } | Self::Stale { .. } => None,
        }
    }
}

/// Which of the three a world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unknown,
    Known,
    Stale,
}

/// A point in watched time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(Duration);

impl Moment {
    fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Time that counts: that in which the process ran.
#[derive(Debug)]
pub(super) struct WatchedClock(Mutex<Beats>);

#[derive(Debug)]
struct Beats {
    origin: Instant,
    last: Instant,
    skipped: Duration,
}

impl WatchedClock {
    /// How often [`beat`](Self::beat) is to be called.
    pub(super) const BEAT: Duration = Duration::from_millis(500);
    /// Time between two beats beyond this does not count.
    const GRACE: Duration = Duration::from_secs(2);

    pub(super) fn new(origin: Instant) -> Self {
        Self(Mutex::new(Beats {
            origin,
            last: origin,
            skipped: Duration::ZERO,
        }))
    }

    /// The process runs.
    pub(super) fn beat(&self, now: Instant) {
        let mut beats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gap = now.saturating_duration_since(beats.last);
        beats.skipped += gap.saturating_sub(Self::GRACE);
        beats.last = beats.last.max(now);
    }

    /// Right also before the first beat after a standstill.
    pub(super) fn at(&self, now: Instant) -> Moment {
        let beats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gap = now.saturating_duration_since(beats.last);
        let skipped = beats.skipped + gap.saturating_sub(Self::GRACE);
        Moment(
            now.saturating_duration_since(beats.origin)
                .saturating_sub(skipped),
        )
    }
}

/// For how long after a command the stream may still bring what was said before it.
const LATE: Duration = Duration::from_secs(2);

/// What was heard of one incarnation.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    first_attempt: Option<Moment>,
    last: Option<(AgentStatus, Moment)>,
    /// Answer of a command: until the time, statuses of earlier ticks are older than it.
    answered: Option<(u64, Moment)>,
    /// We asked for joins to be opened: until the time, no stopped joins are believed. A status from
    /// before could otherwise pass for drained while players come in.
    opening: Option<Moment>,
}

impl Heard {
    pub(super) fn attempt(&mut self, now: Moment) {
        self.first_attempt.get_or_insert(now);
    }

    /// Takes a status of the stream; answers whether anything but tick, hash and tick time changed.
    pub(super) fn status(&mut self, status: AgentStatus, now: Moment) -> bool {
        let late = self
            .answered
            .is_some_and(|(tick, until)| now <= until && status.tick < tick);
        if late && let Some((_, at)) = &mut self.last {
            *at = now;
            return false;
        }
        self.take(status, now)
    }

    /// Takes the answer of a command; likewise.
    pub(super) fn answer(&mut self, status: AgentStatus, now: Moment) -> bool {
        self.answered = Some((status.tick, Moment(now.0 + LATE)));
        if status.drain != DrainPhase::Serving {
            self.opening = None;
        }
        self.take(status, now)
    }

    /// Joins are about to be opened; likewise.
    pub(super) fn open(&mut self, now: Moment) -> bool {
        self.opening = Some(Moment(now.0 + LATE));
        match &mut self.last {
            Some((status, _)) if status.drain == DrainPhase::JoinsStopped => {
                status.drain = DrainPhase::Serving;
                true
            }
            Some(_) | None => false,
        }
    }

    fn take(&mut self, mut status: AgentStatus, now: Moment) -> bool {
        if status.drain == DrainPhase::JoinsStopped && self.opening.is_some_and(|t| now <= t) {
            status.drain = DrainPhase::Serving;
        }
        let changed = self
            .last
            .as_ref()
            .is_none_or(|(last, _)| differs(last, &status));
        self.last = Some((status, now));
        changed
    }

    pub(super) fn kind(&self, stale_after: Duration, now: Moment) -> Kind {
        match (&self.last, self.first_attempt) {
            (Some((_, at)), _) if now.since(*at) <= stale_after => Kind::Known,
            (None, None) => Kind::Unknown,
            (None, Some(at)) if now.since(at) <= stale_after => Kind::Unknown,
            (Some(_), _) | (None, Some(_)) => Kind::Stale,
        }
    }

    pub(super) fn knowledge(&self, stale_after: Duration, now: Moment) -> Knowledge {
        let since = |at: Option<Moment>| at.map_or(Duration::ZERO, |at| now.since(at));
        let kind = self.kind(stale_after, now);
        match (kind, &self.last) {
            (Kind::Known, Some((status, at))) => Knowledge::Known {
                status: status.clone(),
                age: now.since(*at),
            },
            (Kind::Unknown, _) | (Kind::Known, None) => Knowledge::Unknown {
                attempting_for: since(self.first_attempt),
            },
            (Kind::Stale, last) => Knowledge::Stale {
                last: last.as_ref().map(|(status, _)| status.clone()),
                silent_for: since(last.as_ref().map(|(_, at)| *at).or(self.first_attempt)),
            },
        }
    }
}

/// Something differs that someone could act on.
fn differs(a: &AgentStatus, b: &AgentStatus) -> bool {
    // Without `..`: whoever adds a field decides here.
    let AgentStatus {
        world: _,
        epoch: _,
        tick: _,
        hash: _,
        players,
        resuming,
        capacity,
        tick_p99_micros: _,
        drain,
        version,
    } = a;
    *players != b.players
        || *resuming != b.resuming
        || *capacity != b.capacity
        || *drain != b.drain
        || *version != b.version
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const STALE_AFTER: Duration = Duration::from_secs(10);

    fn status(tick: u64, players: u32, drain: DrainPhase) -> AgentStatus {
        AgentStatus {
            world: "games/dungeon-7".to_owned(),
            epoch: 1,
            tick,
            hash: "0123456789abcdef".to_owned(),
            players,
            resuming: 0,
            capacity: 32,
            tick_p99_micros: 50,
            drain,
            version: "1.0.0".to_owned(),
        }
    }

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    #[test]
    fn unknown_then_stale_without_a_word() {
        let mut heard = Heard::default();
        // However long it waits for its turn to connect: that is nobody's silence.
        assert_eq!(
            heard.knowledge(STALE_AFTER, at(100)),
            Knowledge::Unknown {
                attempting_for: Duration::ZERO
            }
        );
        heard.attempt(at(100));
        heard.attempt(at(105));
        assert_eq!(
            heard.knowledge(STALE_AFTER, at(110)),
            Knowledge::Unknown {
                attempting_for: STALE_AFTER
            }
        );
        assert_eq!(
            heard.knowledge(STALE_AFTER, at(111)),
            Knowledge::Stale {
                last: None,
                silent_for: Duration::from_secs(11)
            }
        );
    }

    #[test]
    fn known_then_stale_then_known() {
        let mut heard = Heard::default();
        heard.attempt(at(0));
        assert!(heard.status(status(1, 0, DrainPhase::Serving), at(1)));
        assert!(heard.knowledge(STALE_AFTER, at(11)).current().is_some());
        let stale = heard.knowledge(STALE_AFTER, at(12));
        assert!(stale.current().is_none());
        assert!(matches!(stale, Knowledge::Stale { last: Some(_), .. }));
        heard.status(status(2, 0, DrainPhase::Serving), at(30));
        assert!(heard.knowledge(STALE_AFTER, at(31)).current().is_some());
    }

    #[test]
    fn only_what_matters_is_a_change() {
        let mut heard = Heard::default();
        let serving = DrainPhase::Serving;
        assert!(heard.status(status(1, 2, serving), at(1)));
        let mut same = status(2, 2, serving);
        same.hash = "f".repeat(16);
        same.tick_p99_micros = 9;
        assert!(!heard.status(same, at(2)));
        assert!(heard.status(status(3, 1, serving), at(3)));
        assert!(heard.status(status(4, 1, DrainPhase::JoinsStopped), at(4)));
        let mut resuming = status(5, 1, DrainPhase::JoinsStopped);
        resuming.resuming = 1;
        assert!(heard.status(resuming, at(5)));
    }

    #[test]
    fn a_status_from_before_an_answer_changes_nothing() {
        let mut heard = Heard::default();
        heard.status(status(10, 1, DrainPhase::Serving), at(1));
        assert!(heard.answer(status(20, 1, DrainPhase::JoinsStopped), at(2)));
        assert!(!heard.status(status(19, 1, DrainPhase::Serving), at(3)));
        let known = heard.knowledge(STALE_AFTER, at(3));
        assert_eq!(known.current().unwrap().drain, DrainPhase::JoinsStopped);
        // A world whose ticks began anew is believed after that time.
        assert!(heard.status(status(3, 1, DrainPhase::Serving), at(5)));
    }

    #[test]
    fn stopped_joins_are_not_believed_while_they_open() {
        let mut heard = Heard::default();
        heard.status(status(10, 0, DrainPhase::JoinsStopped), at(1));
        assert!(heard.open(at(2)));
        let drained = |heard: &Heard, now| {
            let knowledge = heard.knowledge(STALE_AFTER, now);
            knowledge.current().unwrap().is_drained()
        };
        assert!(!drained(&heard, at(2)));
        // Said before the agent opened, heard after we asked.
        heard.status(status(11, 0, DrainPhase::JoinsStopped), at(3));
        assert!(!drained(&heard, at(3)));
        // We never got an answer, and joins are stopped still.
        heard.status(status(99, 0, DrainPhase::JoinsStopped), at(5));
        assert!(drained(&heard, at(5)));
        // Stopping them anew counts at once.
        heard.open(at(6));
        heard.answer(status(120, 0, DrainPhase::JoinsStopped), at(6));
        assert!(drained(&heard, at(6)));
    }

    #[test]
    fn a_standstill_does_not_count() {
        let start = Instant::now();
        let seconds = |s| start + Duration::from_secs(s);
        let clock = WatchedClock::new(start);
        clock.beat(seconds(1));
        let mut heard = Heard::default();
        heard.status(status(1, 3, DrainPhase::Serving), clock.at(seconds(1)));
        // Stopped for a minute, and asked before the first beat after it.
        assert!(
            heard
                .knowledge(STALE_AFTER, clock.at(seconds(61)))
                .current()
                .is_some()
        );
        clock.beat(seconds(61));
        assert!(
            heard
                .knowledge(STALE_AFTER, clock.at(seconds(62)))
                .current()
                .is_some()
        );
        for s in 62..=71 {
            clock.beat(seconds(s));
        }
        assert_eq!(
            heard.kind(STALE_AFTER, clock.at(seconds(71))),
            Kind::Stale,
            "and after that it counts again"
        );
    }

    proptest! {
        /// Watched time never runs backwards, nor faster than the clock, and with regular beats it
        /// is the clock.
        #[test]
        fn watched_time_is_monotonic(steps in prop::collection::vec((0..5_000_u64, any::<bool>()), 1..60)) {
            let start = Instant::now();
            let clock = WatchedClock::new(start);
            let (mut now, mut regular) = (start, true);
            let mut last = clock.at(now);
            let mut beat = start;
            for (pause, beats) in steps {
                now += Duration::from_millis(pause);
                regular &= now - beat <= WatchedClock::GRACE;
                let moment = clock.at(now);
                prop_assert!(moment >= last);
                prop_assert!(moment.since(last) <= Duration::from_millis(pause));
                if beats {
                    clock.beat(now);
                    beat = now;
                    prop_assert_eq!(clock.at(now), moment);
                }
                if regular {
                    prop_assert_eq!(moment.0, now - start);
                }
                last = moment;
            }
        }

        /// Whatever was heard: a number is given as current only if it was heard lately, and is the
        /// last one that was heard.
        #[test]
        fn unknown_is_never_a_number(
            attempt in prop::option::of(0..50_u64),
            messages in prop::collection::vec((0..50_u64, 0..9_u32), 0..4),
            asked in 0..100_u64,
        ) {
            let mut heard = Heard::default();
            if let Some(attempt) = attempt {
                heard.attempt(at(attempt));
            }
            let mut messages = messages;
            messages.sort_unstable();
            messages.retain(|(when, _)| *when <= asked);
            for (when, players) in &messages {
                heard.status(status(*when, *players, DrainPhase::Serving), at(*when));
            }
            let knowledge = heard.knowledge(STALE_AFTER, at(asked));
            let fresh = messages
                .last()
                .filter(|(when, _)| Duration::from_secs(asked - when) <= STALE_AFTER);
            prop_assert_eq!(
                knowledge.current().map(|status| status.players),
                fresh.map(|(_, players)| *players)
            );
            let attempted = attempt.filter(|attempt| *attempt <= asked);
            match knowledge {
                Knowledge::Unknown { attempting_for } => {
                    prop_assert!(messages.is_empty() && attempting_for <= STALE_AFTER);
                }
                Knowledge::Known { age, .. } => prop_assert!(age <= STALE_AFTER),
                Knowledge::Stale { silent_for, last } => {
                    prop_assert!(silent_for > STALE_AFTER);
                    prop_assert!(last.is_some() || attempted.is_some());
                }
            }
        }
    }
}
