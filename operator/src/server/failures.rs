//! The crash budget: failures in a row delay the next start, so that a broken image or a poisoned
//! world makes no storm of pods.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use worldkeeper_crds::server::Failures;

/// Failures in a row from which a world counts as Unhealthy.
pub const BUDGET: i32 = 3;
/// First delay. The first failure of a world costs none: its players wait.
const DELAY_FIRST_SECONDS: i64 = 10;
/// Longest delay.
const DELAY_LAST_SECONDS: i64 = 300;
/// Life of an incarnation after which its failure is the first of a new row, in seconds.
const HEALTHY_AFTER_SECONDS: i64 = 600;

/// An incarnation that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Its epoch.
    pub epoch: i64,
    /// Its revision.
    pub revision: String,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// How long its process ran, when known, in seconds.
    pub ran_seconds: Option<i64>,
}

/// The budget after a failure; unchanged if that failure has been counted.
#[must_use]
pub fn record(standing: Option<&Failures>, failed: &Failed, now: Timestamp) -> Failures {
    if let Some(standing) = standing
        && standing.last_epoch >= failed.epoch
    {
        return standing.clone();
    }
    let in_a_row = standing
        .filter(|s| s.revision == failed.revision)
        .filter(|_| failed.ran_seconds.is_none_or(|s| s < HEALTHY_AFTER_SECONDS))
        .map_or(0, |s| s.count);
    Failures {
        count: in_a_row.saturating_add(1),
        last_epoch: failed.epoch,
        last_time: Time(now),
        reason: failed.reason.clone(),
        revision: failed.revision.clone(),
    }
}

/// Seconds to wait after the `count`-th failure in a row: 0, 10, 20, 40, … 300.
#[must_use]
pub fn delay_seconds(count: i32) -> i64 {
    match count {
        i32::MIN..=1 => 0,
        n => {
            let doublings = u32::try_from(n - 2).unwrap_or(0).min(16);
            (DELAY_FIRST_SECONDS << doublings).min(DELAY_LAST_SECONDS)
        }
    }
}

/// Seconds from `now` until an incarnation of `revision` may start; 0 or less when it may.
#[must_use]
pub fn seconds_until_start(standing: Option<&Failures>, revision: &str, now: Timestamp) -> i64 {
    standing.filter(|s| s.revision == revision).map_or(0, |s| {
        s.last_time.0.as_second() + delay_seconds(s.count) - now.as_second()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn failed(epoch: i64, revision: &str, ran: i64) -> Failed {
        Failed {
            epoch,
            revision: revision.into(),
            reason: "Crashed".into(),
            ran_seconds: Some(ran),
        }
    }

    #[test]
    fn delays_double_to_their_bound() {
        let delays: Vec<i64> = (0..10).map(delay_seconds).collect();
        assert_eq!(delays, [0, 0, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(delay_seconds(i32::MAX), DELAY_LAST_SECONDS);
    }

    #[test]
    fn another_revision_starts_at_once() {
        let mut budget = record(None, &failed(1, "a", 1), at(0));
        budget = record(Some(&budget), &failed(2, "a", 1), at(1));
        assert_eq!(budget.count, 2);
        assert!(seconds_until_start(Some(&budget), "a", at(1)) > 0);
        assert!(seconds_until_start(Some(&budget), "b", at(1)) <= 0);
    }

    #[test]
    fn a_long_life_starts_a_new_row() {
        let budget = record(None, &failed(1, "a", 1), at(0));
        assert_eq!(
            record(Some(&budget), &failed(2, "a", 601), at(700)).count,
            1
        );
    }

    type Record = fn(Option<&Failures>, &Failed, Timestamp) -> Failures;

    fn each_failure_counts_once(record: Record) -> bool {
        let budget = record(None, &failed(1, "a", 1), at(0));
        record(Some(&budget), &failed(1, "a", 1), at(9)) == budget
    }

    fn failures_in_a_row_are_counted(record: Record) -> bool {
        let mut budget = None;
        for epoch in 1..=5 {
            budget = Some(record(budget.as_ref(), &failed(epoch, "a", 1), at(epoch)));
        }
        budget.is_some_and(|b| b.count == 5)
    }

    #[test]
    fn wrong_variants_are_caught() {
        let counts_again: Record = |s, f, now| {
            let mut s = s.cloned();
            if let Some(s) = &mut s {
                s.last_epoch = 0;
            }
            record(s.as_ref(), f, now)
        };
        let forgets: Record = |_, f, now| record(None, f, now);
        assert!(each_failure_counts_once(record) && failures_in_a_row_are_counted(record));
        assert!(!each_failure_counts_once(counts_again));
        assert!(!failures_in_a_row_are_counted(forgets));
    }

    proptest! {
        #[test]
        fn the_number_of_starts_is_bounded(ran in 0..HEALTHY_AFTER_SECONDS, hours in 1i64..24) {
            // A world that fails as soon as it starts, for some hours.
            let mut now = 0;
            let mut budget = None;
            let mut starts = 0;
            while now < hours * 3600 {
                starts += 1;
                let ended = now + ran.min(60);
                let b = record(budget.as_ref(), &failed(starts, "a", ran.min(60)), at(ended));
                now = ended + seconds_until_start(Some(&b), "a", at(ended)).max(0);
                budget = Some(b);
            }
            prop_assert!(starts <= 8 + hours * 3600 / DELAY_LAST_SECONDS);
        }
    }
}
