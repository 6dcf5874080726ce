//! Who plays where: pure decisions of the swarm.

use clap::ValueEnum;

/// Which world takes the next bot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Placement {
    /// The fullest that has room; bots leave the emptiest first. So a fleet's worlds empty early.
    #[default]
    Fill,
    /// The emptiest; bots leave the fullest first.
    Spread,
}

/// A world as the decision sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Bots inside or on their way in.
    pub bots: u32,
    /// Seats; none: as many as it lets in.
    pub capacity: Option<u32>,
    /// It is listed, and has not just refused anyone.
    pub open: bool,
}

impl Candidate {
    fn has_room(&self) -> bool {
        self.open && self.capacity.is_none_or(|capacity| self.bots < capacity)
    }
}

/// The world for the next bot; of equals, the first.
#[must_use]
pub fn world_to_join(placement: Placement, worlds: &[Candidate]) -> Option<usize> {
    let rooms = worlds
        .iter()
        .enumerate()
        .filter(|(_, world)| world.has_room());
    match placement {
        // `max_by_key` returns the last of equals, hence the reversal.
        Placement::Fill => rooms.rev().max_by_key(|(_, world)| world.bots),
        Placement::Spread => rooms.min_by_key(|(_, world)| world.bots),
    }
    .map(|(at, _)| at)
}

/// The world that the next bot leaves; of equals, the last.
#[must_use]
pub fn world_to_leave(placement: Placement, bots: &[u32]) -> Option<usize> {
    let populated = bots.iter().enumerate().filter(|(_, bots)| **bots > 0);
    match placement {
        Placement::Fill => populated.rev().min_by_key(|(_, bots)| **bots),
        Placement::Spread => populated.max_by_key(|(_, bots)| **bots),
    }
    .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Decision = fn(Placement, &[Candidate]) -> Option<usize>;

    fn candidate(bots: u32, capacity: u32) -> Candidate {
        Candidate {
            bots,
            capacity: Some(capacity),
            open: true,
        }
    }

    #[test]
    fn fill_and_spread() {
        let worlds = [
            candidate(1, 3),
            candidate(3, 3),
            candidate(2, 3),
            candidate(2, 3),
        ];
        assert_eq!(world_to_join(Placement::Fill, &worlds), Some(2));
        assert_eq!(world_to_join(Placement::Spread, &worlds), Some(0));
        assert_eq!(world_to_leave(Placement::Fill, &[2, 1, 0, 1]), Some(3));
        assert_eq!(world_to_leave(Placement::Spread, &[2, 1, 0, 2]), Some(3));
        assert_eq!(world_to_leave(Placement::Fill, &[0, 0]), None);
    }

    /// What must hold of a decision where to join.
    fn fault(decide: Decision, placement: Placement, worlds: &[Candidate]) -> Option<&'static str> {
        let room = |world: &Candidate| {
            world.open && world.capacity.is_none_or(|capacity| world.bots < capacity)
        };
        let Some(chosen) = decide(placement, worlds) else {
            return worlds
                .iter()
                .any(room)
                .then_some("someone waits beside a free seat");
        };
        if !room(&worlds[chosen]) {
            return Some("someone is sent where no room is");
        }
        let better = |(at, other): (usize, &Candidate)| {
            let equal = other.bots == worlds[chosen].bots && at < chosen;
            let order = match placement {
                Placement::Fill => other.bots > worlds[chosen].bots,
                Placement::Spread => other.bots < worlds[chosen].bots,
            };
            room(other) && (order || equal)
        };
        worlds
            .iter()
            .enumerate()
            .any(better)
            .then_some("there is a better world")
    }

    /// Every list of up to three worlds with small numbers.
    fn every_small_case(mut check: impl FnMut(Placement, &[Candidate])) {
        let mut one = Vec::new();
        for bots in 0..3 {
            for capacity in [None, Some(0), Some(1), Some(2), Some(3)] {
                for open in [false, true] {
                    one.push(Candidate {
                        bots,
                        capacity,
                        open,
                    });
                }
            }
        }
        for placement in [Placement::Fill, Placement::Spread] {
            check(placement, &[]);
            for &a in &one {
                check(placement, &[a]);
                for &b in &one {
                    check(placement, &[a, b]);
                    for &c in &one {
                        check(placement, &[a, b, c]);
                    }
                }
            }
        }
    }

    #[test]
    fn every_bot_goes_where_it_should() {
        every_small_case(|placement, worlds| {
            assert_eq!(
                fault(world_to_join, placement, worlds),
                None,
                "{placement:?} {worlds:?}"
            );
        });
    }

    #[test]
    fn wrong_decisions_are_caught() {
        let wrong: [(&str, Decision); 5] = [
            ("swaps the placements", |placement, worlds| {
                let other = match placement {
                    Placement::Fill => Placement::Spread,
                    Placement::Spread => Placement::Fill,
                };
                world_to_join(other, worlds)
            }),
            ("overlooks the seats", |placement, worlds| {
                let endless: Vec<_> = worlds
                    .iter()
                    .map(|world| Candidate {
                        capacity: None,
                        ..*world
                    })
                    .collect();
                world_to_join(placement, &endless)
            }),
            ("overlooks what is closed", |placement, worlds| {
                let open: Vec<_> = worlds
                    .iter()
                    .map(|world| Candidate {
                        open: true,
                        ..*world
                    })
                    .collect();
                world_to_join(placement, &open)
            }),
            ("takes the first with room", |_, worlds| {
                worlds.iter().position(Candidate::has_room)
            }),
            (
                "gives up at an unknown number of seats",
                |placement, worlds| {
                    worlds
                        .iter()
                        .all(|world| world.capacity.is_some())
                        .then(|| world_to_join(placement, worlds))
                        .flatten()
                },
            ),
        ];
        for (name, decide) in wrong {
            let mut caught = false;
            every_small_case(|placement, worlds| {
                caught |= fault(decide, placement, worlds).is_some();
            });
            assert!(caught, "not caught: a decision that {name}");
        }
    }
}
