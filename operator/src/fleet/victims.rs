//! Which worlds go when a fleet shrinks. Choosing a world ends nothing: its joins stop, and it ends
//! once nobody is inside.

use super::view::{WorldPlayers, WorldView};

/// How much harm the end of a world would do; the least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Harm {
    /// Nobody can be inside yet.
    NotServing,
    /// Players inside, by fresh word; 0 for an empty world.
    Players(i32),
    /// Nobody knows: as populated as can be.
    Unknown,
}

fn harm(world: &WorldView) -> Harm {
    match world.players {
        WorldPlayers::NotServing => Harm::NotServing,
        WorldPlayers::Known { players, .. } => Harm::Players(players),
        WorldPlayers::NotHeardYet | WorldPlayers::Stale => Harm::Unknown,
    }
}

/// The worlds meant to stay, in the order in which they would go: not serving yet, then empty, then
/// emptiest, those of whom nothing is known last; among equals the one with the highest seed, the
/// youngest of a Sequential fleet.
#[must_use]
pub fn order(worlds: &[WorldView]) -> Vec<&WorldView> {
    let mut active: Vec<&WorldView> = worlds.iter().filter(|w| w.active()).collect();
    active.sort_by_key(|w| (harm(w), std::cmp::Reverse(w.seed)));
    active
}

/// The `count` worlds that go.
#[must_use]
pub fn choose(worlds: &[WorldView], count: usize) -> Vec<String> {
    order(worlds)
        .into_iter()
        .take(count)
        .map(|w| w.name.clone())
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::fleet) fn world(seed: i64, players: WorldPlayers) -> WorldView {
        WorldView {
            name: format!("f-{seed}"),
            seed,
            deleting: false,
            scale_down: false,
            published: players != WorldPlayers::NotServing,
            drained: false,
            state: None,
            revision: "r".into(),
            players,
            last_players: 0,
        }
    }

    pub(in crate::fleet) fn known(players: i32) -> WorldPlayers {
        WorldPlayers::Known {
            players,
            capacity: 10,
        }
    }

    pub(in crate::fleet) fn any_players() -> impl Strategy<Value = WorldPlayers> {
        prop_oneof![
            Just(WorldPlayers::NotServing),
            Just(WorldPlayers::NotHeardYet),
            Just(WorldPlayers::Stale),
            (0..14i32).prop_map(known),
        ]
    }

    pub(in crate::fleet) fn any_worlds() -> impl Strategy<Value = Vec<WorldView>> {
        prop::collection::vec((any_players(), any::<bool>(), any::<bool>()), 0..12).prop_map(
            |all| {
                all.into_iter()
                    .enumerate()
                    .map(|(i, (players, deleting, scale_down))| WorldView {
                        deleting: deleting && scale_down,
                        scale_down,
                        ..world(i64::try_from(i).unwrap_or(0), players)
                    })
                    .collect()
            },
        )
    }

    type Choose = fn(&[WorldView], usize) -> Vec<String>;

    /// No world that stays would have been less harm than one that goes.
    fn least_harm(choose: Choose, worlds: &[WorldView], count: usize) -> bool {
        let gone = choose(worlds, count);
        let goes = |w: &&WorldView| gone.contains(&w.name);
        let (go, stay): (Vec<_>, Vec<_>) =
            worlds.iter().filter(|w| w.active()).partition(|w| goes(w));
        gone.len() == go.len()
            && go.len() == count.min(go.len() + stay.len())
            && go.iter().all(|g| match g.players {
                WorldPlayers::NotServing => true,
                WorldPlayers::Known { players: 0, .. } => {
                    !stay.iter().any(|s| s.players == WorldPlayers::NotServing)
                }
                WorldPlayers::Known { players, .. } => !stay.iter().any(|s| match s.players {
                    WorldPlayers::NotServing => true,
                    WorldPlayers::Known { players: p, .. } => p < players,
                    _ => false,
                }),
                WorldPlayers::NotHeardYet | WorldPlayers::Stale => {
                    !stay.iter().any(|s| s.players.is_known())
                }
            })
    }

    proptest! {
        #[test]
        fn the_least_harmful_go(worlds in any_worlds(), count in 0usize..14) {
            prop_assert!(least_harm(choose, &worlds, count));
        }

        #[test]
        fn the_order_does_not_depend_on_the_input_order(worlds in any_worlds()) {
            let mut reversed = worlds.clone();
            reversed.reverse();
            prop_assert_eq!(choose(&worlds, 5), choose(&reversed, 5));
        }
    }

    #[test]
    fn wrong_variants_are_caught() {
        let stale_is_empty: Choose = |worlds, count| {
            let mut worlds = worlds.to_vec();
            for w in &mut worlds {
                if w.players == WorldPlayers::Stale {
                    w.players = known(0);
                }
            }
            choose(&worlds, count)
        };
        let reversed: Choose = |worlds, count| {
            order(worlds)
                .into_iter()
                .rev()
                .take(count)
                .map(|w| w.name.clone())
                .collect()
        };
        let chooses_again: Choose = |worlds, count| {
            let mut worlds = worlds.to_vec();
            for w in &mut worlds {
                w.scale_down = false;
            }
            choose(&worlds, count)
        };
        let worlds = [
            world(1, WorldPlayers::Stale),
            world(2, known(3)),
            world(3, known(1)),
            WorldView {
                scale_down: true,
                ..world(4, known(0))
            },
        ];
        assert!(least_harm(choose, &worlds, 1));
        assert!(!least_harm(stale_is_empty, &worlds, 1));
        assert!(!least_harm(reversed, &worlds, 1));
        assert!(!least_harm(chooses_again, &worlds, 1));
    }
}
