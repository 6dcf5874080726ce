//! How many worlds a fleet should have for its players.
//!
//! Free seats are those of the worlds that are meant to stay, less what their players take, less
//! the players of worlds on their way out, who will want a seat elsewhere. The number is the
//! smallest that keeps `seats.buffer` of them free.
//!
//! What is not known is not zero: a silent world counts as full when the fleet grows, and while any
//! player count is unknown the fleet does not shrink. Until every world has been heard under this
//! leader, the number stays what it was: nobody watched, so nothing was seen.

use worldkeeper_crds::fleet::AutoscalingSpec;

use super::{
    victims,
    view::{FleetView, WorldPlayers, WorldView},
};

/// A number of worlds, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Worlds wanted.
    pub replicas: i32,
    /// Why, in one CamelCase word.
    pub reason: &'static str,
    /// Why, for people. Only the bounds and the buffer stand in it: numbers that move would make
    /// every move a write.
    pub message: String,
}

/// Decides.
#[must_use]
pub fn decide(spec: &AutoscalingSpec, view: &FleetView) -> Desired {
    let (min, max) = (spec.min_replicas, spec.max_replicas);
    let buffer = i64::from(spec.seats.buffer);
    let seats = i64::from(view.spec.world.max_players);
    let stay: Vec<&WorldView> = view.worlds.iter().filter(|w| w.active()).collect();
    let now = i32::try_from(stay.len()).unwrap_or(i32::MAX);
    let desired = |replicas: i32, reason, message: &str| Desired {
        replicas,
        reason,
        message: String::from(message),
    };

    if view
        .worlds
        .iter()
        .any(|w| w.players == WorldPlayers::NotHeardYet)
    {
        let standing = view.desired_before.unwrap_or(now);
        return desired(
            standing.clamp(min, max),
            "PlayersNotHeardYet",
            "keeps the number: the operator is still connecting to the worlds",
        );
    }

    let leaving: i64 = view
        .worlds
        .iter()
        .filter(|w| !w.active())
        .map(|w| match w.players {
            WorldPlayers::Known { players, .. } => i64::from(players.max(0)),
            // They count as full where they are; how many will move is not known.
            WorldPlayers::Stale | WorldPlayers::NotHeardYet => seats,
            WorldPlayers::NotServing => 0,
        })
        .sum();
    let mut free: i64 = stay.iter().map(|w| free_seats(w, seats)).sum::<i64>() - leaving;

    let mut wanted = i64::from(now);
    if free < buffer {
        wanted += div_ceil(buffer - free, seats);
        return if wanted > i64::from(max) {
            desired(
                max,
                "AtMaximum",
                "fewer free seats than seats.buffer, but the fleet is at maxReplicas",
            )
        } else {
            desired(
                bounded(wanted, min, max),
                "BufferShort",
                "grows: fewer free seats than seats.buffer",
            )
        };
    }
    if view.worlds.iter().any(|w| !w.players.is_known()) {
        return desired(
            bounded(wanted, min, max),
            "PlayersUnknown",
            "does not shrink: the player count of some world is not known",
        );
    }
    for victim in victims::order(&view.worlds) {
        // Its free seats go, and its players will want seats elsewhere.
        let lost = capacity(victim, seats);
        if wanted <= i64::from(min) || free - lost < buffer {
            break;
        }
        free -= lost;
        wanted -= 1;
    }
    let replicas = bounded(wanted, min, max);
    if replicas < now {
        desired(
            replicas,
            "BufferAmple",
            "shrinks: seats.buffer stays free with fewer worlds",
        )
    } else if replicas == min {
        desired(replicas, "AtMinimum", "seats.buffer is free at minReplicas")
    } else {
        desired(replicas, "BufferKept", "seats.buffer is free")
    }
}

fn capacity(world: &WorldView, seats: i64) -> i64 {
    match world.players {
        WorldPlayers::Known { capacity, .. } => i64::from(capacity.max(0)),
        _ => seats,
    }
}

fn free_seats(world: &WorldView, seats: i64) -> i64 {
    match world.players {
        WorldPlayers::Known { players, capacity } => i64::from((capacity - players.max(0)).max(0)),
        WorldPlayers::NotServing => seats,
        WorldPlayers::Stale | WorldPlayers::NotHeardYet => 0,
    }
}

fn div_ceil(a: i64, b: i64) -> i64 {
    (a + b.max(1) - 1) / b.max(1)
}

fn bounded(wanted: i64, min: i32, max: i32) -> i32 {
    i32::try_from(wanted.clamp(i64::from(min), i64::from(max.max(min)))).unwrap_or(max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use worldkeeper_crds::fleet::SeatsSpec;

    use super::{
        super::{
            decide::tests::view,
            victims::tests::{any_worlds, known, world},
        },
        *,
    };

    fn spec(min: i32, max: i32, buffer: i32) -> AutoscalingSpec {
        AutoscalingSpec {
            min_replicas: min,
            max_replicas: max,
            seats: SeatsSpec { buffer },
        }
    }

    #[test]
    fn follows_the_players() {
        let check = |players: &[i32], expect: i32, reason: &str| {
            let worlds = players
                .iter()
                .zip(1..)
                .map(|(p, seed)| world(seed, known(*p)))
                .collect();
            let d = decide(&spec(1, 5, 5), &view(worlds));
            assert_eq!(
                (d.replicas, d.reason),
                (expect, reason),
                "players {players:?}"
            );
        };
        check(&[], 1, "BufferShort");
        check(&[0], 1, "AtMinimum");
        check(&[5], 1, "AtMinimum");
        check(&[6], 2, "BufferShort");
        check(&[10, 10], 3, "BufferShort");
        check(&[10, 10, 10, 10, 10], 5, "AtMaximum");
        check(&[0, 0, 0], 1, "BufferAmple");
        check(&[4, 4, 0], 2, "BufferAmple");
        check(&[6, 0], 2, "BufferKept");
        check(&[14, 0], 2, "BufferKept");
    }

    #[test]
    fn players_of_draining_worlds_want_seats() {
        let mut worlds = vec![world(1, known(5)), world(2, known(3))];
        worlds[1].scale_down = true;
        assert_eq!(decide(&spec(1, 5, 5), &view(worlds)).replicas, 2);
    }

    #[test]
    fn nobody_watched_changes_nothing() {
        let mut v = view(vec![
            world(1, WorldPlayers::NotHeardYet),
            world(2, known(0)),
        ]);
        v.desired_before = Some(2);
        assert_eq!(decide(&spec(1, 5, 5), &v).replicas, 2);
    }

    type Decide = fn(&AutoscalingSpec, &FleetView) -> Desired;

    fn active(v: &FleetView) -> i32 {
        i32::try_from(v.worlds.iter().filter(|w| w.active()).count()).unwrap_or(i32::MAX)
    }

    fn unknown_never_shrinks(decide: Decide, spec: &AutoscalingSpec, v: &FleetView) -> bool {
        let unknown = v.worlds.iter().any(|w| w.players == WorldPlayers::Stale)
            && !v
                .worlds
                .iter()
                .any(|w| w.players == WorldPlayers::NotHeardYet);
        !unknown || decide(spec, v).replicas >= active(v).min(spec.max_replicas)
    }

    fn in_bounds(decide: Decide, spec: &AutoscalingSpec, v: &FleetView) -> bool {
        (spec.min_replicas..=spec.max_replicas).contains(&decide(spec, v).replicas)
    }

    /// What is left after shrinking still has the buffer free, so that the fleet does not grow
    /// back at once.
    fn does_not_flap(decide: Decide, spec: &AutoscalingSpec, v: &FleetView) -> bool {
        if !v.worlds.iter().all(|w| w.players.is_known()) {
            return true;
        }
        let first = decide(spec, v);
        let shrinks = usize::try_from((active(v) - first.replicas).max(0)).unwrap_or(0);
        let gone = victims::choose(&v.worlds, shrinks);
        let mut after = v.clone();
        for w in &mut after.worlds {
            w.scale_down |= gone.contains(&w.name);
        }
        shrinks == 0 || decide(spec, &after).replicas == first.replicas
    }

    fn specs() -> impl Strategy<Value = AutoscalingSpec> {
        (0..5i32, 1..8i32, 0..30i32).prop_map(|(a, b, buffer)| spec(a.min(b), a.max(b), buffer))
    }

    proptest! {
        #[test]
        fn stays_in_bounds(worlds in any_worlds(), spec in specs()) {
            prop_assert!(in_bounds(decide, &spec, &view(worlds)));
        }

        #[test]
        fn unknown_is_not_zero(worlds in any_worlds(), spec in specs()) {
            prop_assert!(unknown_never_shrinks(decide, &spec, &view(worlds)));
        }

        #[test]
        fn shrinking_settles(worlds in any_worlds(), spec in specs()) {
            prop_assert!(does_not_flap(decide, &spec, &view(worlds)));
        }

        #[test]
        fn more_players_never_want_fewer_worlds(worlds in any_worlds(), spec in specs(), who in 0usize..12) {
            let before = view(worlds.clone());
            let mut after = worlds;
            if let Some(w) = after.get_mut(who)
                && let WorldPlayers::Known { players, capacity } = w.players
                && players < capacity
            {
                w.players = WorldPlayers::Known { players: players + 1, capacity };
            }
            prop_assert!(decide(&spec, &view(after)).replicas >= decide(&spec, &before).replicas);
        }
    }

    #[test]
    fn wrong_variants_are_caught() {
        let stale_is_zero: Decide = |spec, v| {
            let mut v = v.clone();
            for w in &mut v.worlds {
                if w.players == WorldPlayers::Stale {
                    w.players = known(0);
                }
            }
            decide(spec, &v)
        };
        let no_maximum: Decide = |spec, v| {
            let unbounded = AutoscalingSpec {
                max_replicas: 1000,
                ..spec.clone()
            };
            decide(&unbounded, v)
        };
        let forgets_leaving: Decide = |spec, v| {
            let mut v = v.clone();
            v.worlds.retain(WorldView::active);
            let stay: i64 = v.worlds.iter().map(|w| free_seats(w, 10)).sum();
            let shrink = i32::from(stay > i64::from(spec.seats.buffer));
            let n = i32::try_from(v.worlds.len()).unwrap_or(0);
            Desired {
                replicas: (n - shrink).max(spec.min_replicas),
                reason: "",
                message: String::new(),
            }
        };
        let stale = view(vec![
            world(1, WorldPlayers::Stale),
            world(2, known(0)),
            world(3, known(0)),
        ]);
        assert!(unknown_never_shrinks(decide, &spec(1, 5, 5), &stale));
        assert!(!unknown_never_shrinks(
            stale_is_zero,
            &spec(1, 5, 5),
            &stale
        ));
        let full = view((1..=5).map(|s| world(s, known(10))).collect());
        assert!(!in_bounds(no_maximum, &spec(1, 5, 5), &full));
        let three = view(vec![
            world(1, known(3)),
            world(2, known(3)),
            world(3, known(3)),
        ]);
        assert!(does_not_flap(decide, &spec(1, 5, 5), &three));
        assert!(!does_not_flap(forgets_leaving, &spec(1, 5, 5), &three));
    }
}
