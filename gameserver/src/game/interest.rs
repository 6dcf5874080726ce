//! Whom a client is shown. Pure.
//!
//! One rule gives both hysteresis and stickiness: to somebody who is in sight already, the distance
//! counts for less ([`STICKINESS`]). So what comes within the radius enters, and leaves only well
//! beyond it; and where there are more than can be shown, the nearest are, but two that are about
//! equally far do not take turns.

use worldkeeper_sim::Position;

use crate::protocol::Sighting;

/// The distance of what is in sight already counts for 4/5: it leaves at 1.25 times the radius. The
/// fraction is that of squares.
const STICKINESS: (u64, u64) = (16, 25);

/// Way after which a client looks anew for what stands still, in millimetres.
const FIXTURES_STEP: u64 = 4000;

/// Somebody who may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate<T> {
    /// Which.
    pub(super) id: u64,
    /// Square of the distance, in square millimetres.
    pub(super) distance_squared: u64,
    /// In sight already.
    pub(super) known: bool,
    /// Whatever else the caller wants to know of it.
    pub(super) tag: T,
}

/// How far a client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    /// In millimetres.
    pub(super) radius: u32,
    /// Most that are shown.
    pub(super) most: u32,
}

impl Sight {
    /// How far to look for candidates: beyond the radius, what is in sight may still stay.
    pub(super) fn reach(self) -> u32 {
        self.radius.saturating_add(self.radius / 4)
    }

    /// Keeps of the candidates those who are shown, in the order that they have. The nearest `most` of
    /// those within [`Sight::reach`] and all who are in sight must be among them: others cannot be
    /// chosen.
    pub(super) fn choose<T>(
        self,
        candidates: &mut Vec<Candidate<T>>,
        scratch: &mut Vec<(u64, u64)>,
    ) {
        let limit = u64::from(self.radius) * u64::from(self.radius);
        candidates.retain(|candidate| candidate.score() <= limit);
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        if candidates.len() <= most {
            return;
        }
        let Some(last) = most.checked_sub(1) else {
            candidates.clear();
            return;
        };
        let key = |candidate: &Candidate<T>| (candidate.score(), candidate.id);
        scratch.clear();
        scratch.extend(candidates.iter().map(key));
        let last = *scratch.select_nth_unstable(last).1;
        candidates.retain(|candidate| key(candidate) <= last);
    }
}

impl<T> Candidate<T> {
    /// Square of the distance that counts, rounded up.
    fn score(&self) -> u64 {
        let (share, whole) = STICKINESS;
        if self.known {
            (self.distance_squared.saturating_mul(share)).div_ceil(whole)
        } else {
            self.distance_squared
        }
    }
}

/// What a client has in sight, each list in the order of ids. What stands still need not be looked for
/// as often as what moves.
#[derive(Debug, Default)]
pub(super) struct Vicinity {
    pub(super) movers: Vec<Sighting>,
    pub(super) fixtures: Vec<Sighting>,
    /// Where it last looked for the latter, and the tick at which it does again.
    looked: Option<(Position, u64)>,
}

impl Vicinity {
    /// Whether to look for what stands still.
    pub(super) fn is_fixtures_turn(&self, place: Position, tick: u64) -> bool {
        self.looked.is_none_or(|(from, again)| {
            tick >= again || from.distance_squared(place) > FIXTURES_STEP * FIXTURES_STEP
        })
    }

    /// It has been looked for, and need not be again before a tick.
    pub(super) fn fixtures_looked(&mut self, place: Position, again: u64) {
        self.looked = Some((place, again));
    }

    /// Something may have appeared near by.
    pub(super) fn look_for_fixtures(&mut self) {
        self.looked = None;
    }
}

/// Whether it is a client's turn to look again, so that not all do in the same tick.
pub(super) fn is_turn(tick: u64, player: u64, every: u64) -> bool {
    (tick.wrapping_add(player)).is_multiple_of(every.max(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;

    type Choose = fn(Sight, &mut Vec<Candidate<()>>, &mut Vec<(u64, u64)>);

    fn check<S: Strategy>(
        strategy: &S,
        property: impl Fn(S::Value) -> Result<(), TestCaseError>,
    ) -> Result<(), String> {
        let config = Config {
            failure_persistence: None,
            // What catches a wrong variant once catches it in every run.
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            ..Config::default()
        };
        TestRunner::new(config)
            .run(strategy, property)
            .map_err(|e| e.to_string())
    }

    fn refresh(
        choose: Choose,
        sight: Sight,
        distances: &[u64],
        shown: &BTreeSet<u64>,
    ) -> BTreeSet<u64> {
        let mut candidates: Vec<_> = (0..)
            .zip(distances)
            .map(|(id, distance)| Candidate {
                id,
                distance_squared: distance * distance,
                known: shown.contains(&id),
                tag: (),
            })
            .collect();
        choose(sight, &mut candidates, &mut Vec::new());
        let ids: Vec<_> = candidates.iter().map(|candidate| candidate.id).collect();
        assert!(ids.is_sorted(), "the order is kept");
        ids.into_iter().collect()
    }

    /// However far everybody is, refresh after refresh: never more than the limit; nobody beyond 1.25
    /// times the radius; everybody within it when there is room; nobody new beyond it; nobody in sight
    /// gives way but to somebody clearly nearer; and when nobody moves, nothing changes.
    fn holds(choose: Choose) -> Result<(), String> {
        let most = 0..12_u32;
        let distances = prop::collection::vec(prop_oneof![0..2_000_u64, 900..1_100_u64], 16);
        let course = (most, prop::collection::vec(distances, 1..6));
        check(&course, |(most, refreshes)| {
            let sight = Sight { radius: 1000, most };
            let limit = usize::try_from(most).unwrap();
            let mut before = BTreeSet::new();
            for distances in &refreshes {
                let far = |id: &u64| distances[usize::try_from(*id).unwrap()];
                let shown = refresh(choose, sight, distances, &before);
                prop_assert!(shown.len() <= limit);
                prop_assert!(shown.iter().all(|id| far(id) <= 1250));
                prop_assert!(shown.difference(&before).all(|id| far(id) <= 1000));
                let stays = |id: &u64| far(id) <= if before.contains(id) { 1250 } else { 1000 };
                let all: BTreeSet<u64> = (0..16).filter(stays).collect();
                if all.len() <= limit {
                    prop_assert_eq!(&shown, &all);
                } else {
                    prop_assert_eq!(shown.len(), limit);
                }
                for gone in before.difference(&shown).filter(|id| far(id) <= 1250) {
                    for new in shown.difference(&before) {
                        prop_assert!(far(new) * 5 <= far(gone) * 4 + 5, "no better: {new}");
                    }
                }
                for hidden in all.difference(&shown).filter(|id| !before.contains(id)) {
                    prop_assert!(shown.iter().all(|id| far(id) * 4 <= far(hidden) * 5 + 5));
                }
                let again = refresh(choose, sight, distances, &shown);
                prop_assert_eq!(&again, &shown, "nobody moved");
                before = shown;
            }
            Ok(())
        })
    }

    #[test]
    fn the_nearest_are_shown_and_stay() {
        holds(Sight::choose).unwrap();
    }

    #[test]
    fn no_flicker_at_the_edge() {
        let sight = Sight {
            radius: 1000,
            most: 1,
        };
        let mut shown = BTreeSet::new();
        for (distances, expect) in [
            ([1001, 2000], vec![]),
            ([1000, 2000], vec![0]),
            ([1250, 2000], vec![0]),
            // The other is nearer, but not by enough.
            ([1000, 801], vec![0]),
            ([1000, 799], vec![1]),
            ([799, 799], vec![1]),
            ([2000, 1251], vec![]),
        ] {
            shown = refresh(Sight::choose, sight, &distances, &shown);
            assert_eq!(
                shown.iter().copied().collect::<Vec<_>>(),
                expect,
                "{distances:?}"
            );
        }
    }

    #[test]
    fn wrong_variants_are_caught() {
        let variants: [(&str, Choose); 6] = [
            ("no hysteresis", |sight, candidates, scratch| {
                candidates.iter_mut().for_each(|c| c.known = false);
                sight.choose(candidates, scratch);
            }),
            ("no limit", |sight, candidates, scratch| {
                let most = u32::MAX;
                Sight { most, ..sight }.choose(candidates, scratch);
            }),
            (
                "the first, not the nearest",
                |sight, candidates, scratch| {
                    let most = u32::MAX;
                    Sight { most, ..sight }.choose(candidates, scratch);
                    candidates.truncate(usize::try_from(sight.most).unwrap());
                },
            ),
            ("everybody in reach enters", |sight, candidates, scratch| {
                let radius = sight.reach();
                Sight { radius, ..sight }.choose(candidates, scratch);
            }),
            (
                "whoever is in sight stays at any distance",
                |sight, candidates, scratch| {
                    let mut kept: Vec<_> = candidates.iter().filter(|c| c.known).copied().collect();
                    sight.choose(candidates, scratch);
                    kept.retain(|kept| candidates.iter().all(|c| c.id != kept.id));
                    candidates.extend(kept);
                    candidates.sort_by_key(|c| c.id);
                },
            ),
            ("one less than could be", |sight, candidates, scratch| {
                let most = sight.most.saturating_sub(1);
                Sight { most, ..sight }.choose(candidates, scratch);
            }),
        ];
        for (name, variant) in variants {
            assert!(holds(variant).is_err(), "{name}");
        }
    }

    #[test]
    fn what_stands_still_is_looked_for_after_a_way_a_time_or_a_hint() {
        let at = |x| Position { x, y: 0 };
        let mut vicinity = Vicinity::default();
        assert!(vicinity.is_fixtures_turn(at(0), 0), "never yet");
        vicinity.fixtures_looked(at(0), 20);
        for (x, tick, expect) in [
            (0, 1, false),
            (4000, 19, false),
            (4001, 1, true),
            (0, 20, true),
        ] {
            assert_eq!(vicinity.is_fixtures_turn(at(x), tick), expect, "{x} {tick}");
        }
        vicinity.look_for_fixtures();
        assert!(vicinity.is_fixtures_turn(at(0), 1));
    }

    proptest! {
        #[test]
        fn everyone_has_a_turn_and_they_are_spread(start: u64, every in 1..16_u64) {
            let start = start / 2;
            for tick in start..start + 4 * every {
                let turns = (0..every).filter(|player| is_turn(tick, *player, every)).count();
                prop_assert_eq!(turns, 1);
            }
        }
    }
}
