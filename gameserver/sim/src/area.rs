//! Who is near: a grid over all bodies, made anew each tick by a counting sort. At some thousand
//! bodies that costs less than keeping one up to date, and neighbours lie next to each other in memory.

use crate::units::{EntityId, Position, UNITS_PER_METRE};

/// Shortest side of a cell, in metres.
const MIN_CELL: u32 = 32;
/// Most cells of a side: a large world has larger cells, not more.
const MAX_CELLS: u32 = 128;

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKind {
    /// A player's; `rank` is its place among the world's players, which are sorted by id.
    Player {
        /// See [`crate::World::player_at`].
        rank: u32,
    },
    /// A creature's.
    Creature {
        /// Kind of creature, from 0.
        species: u8,
    },
    /// A resource.
    Resource {
        /// Kind of resource, from 0.
        resource: u8,
    },
    /// A station.
    Station {
        /// Kind of station, from 0.
        station: u8,
    },
    /// A bag on the ground.
    Loot,
}

/// A body that is near.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which.
    pub id: EntityId,
    /// What.
    pub kind: EntityKind,
    /// Where.
    pub position: Position,
    /// Square of the distance, in square millimetres.
    pub distance_squared: u64,
    /// How it looks: the low nibble is its health, or what is left of a resource, in fifteenths
    /// rounded up; the high nibble is a [`Pose`].
    pub look: u8,
}

/// What a body is seen doing: the high nibble of [`Seen::look`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pose {
    /// Nothing in particular.
    #[default]
    None = 0,
    /// Gathering.
    Gathering = 1,
    /// Making something.
    Crafting = 2,
    /// Fighting.
    Fighting = 3,
    /// Trading.
    Trading = 4,
    /// Dead.
    Dead = 5,
    /// Waiting for its connection.
    Absent = 6,
    /// Of a resource: empty.
    Depleted = 7,
}

/// Identity, kind, place and look.
pub(crate) type Body = (EntityId, EntityKind, Position, u8);

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: EntityId,
    position: Position,
    kind: EntityKind,
    look: u8,
}

#[derive(Debug)]
pub(crate) struct Area {
    /// Cells of a side.
    side: u32,
    /// Side of a cell in millimetres.
    cell: i32,
    /// First entry of each cell; one more than there are cells.
    starts: Vec<u32>,
    entries: Vec<Entry>,
    unsorted: Vec<(u32, Entry)>,
}

impl Area {
    pub(crate) fn new(size_metres: u32) -> Self {
        let metres = MIN_CELL.max(size_metres.div_ceil(MAX_CELLS));
        let side = size_metres.div_ceil(metres);
        Self {
            side,
            cell: metres.cast_signed() * UNITS_PER_METRE,
            starts: Vec::new(),
            entries: Vec::new(),
            unsorted: Vec::new(),
        }
    }

    /// Takes in all bodies. Their order within a cell is that of `bodies`.
    pub(crate) fn rebuild(&mut self, bodies: impl Iterator<Item = Body>) {
        let cells = self.side * self.side;
        self.starts.clear();
        self.starts.resize(index(cells) + 1, 0);
        self.unsorted.clear();
        for (id, kind, position, look) in bodies {
            let cell = self.row(position.y) * self.side + self.row(position.x);
            let entry = Entry {
                id,
                position,
                kind,
                look,
            };
            self.unsorted.push((cell, entry));
            self.starts[index(cell)] += 1;
        }
        let mut sum = 0;
        for start in &mut self.starts {
            sum += *start;
            *start = sum;
        }
        let Some(&(_, first)) = self.unsorted.first() else {
            self.entries.clear();
            return;
        };
        self.entries.clear();
        self.entries.resize(self.unsorted.len(), first);
        // From the back, so that equal cells keep their order and each start ends at its first.
        for &(cell, entry) in self.unsorted.iter().rev() {
            let start = &mut self.starts[index(cell)];
            *start -= 1;
            self.entries[index(*start)] = entry;
        }
    }

    /// Fills `seen` with the bodies within `radius` of `centre`, the nearest `most` of them, in no
    /// particular order. Among equally distant ones the lower id counts as nearer.
    pub(crate) fn near(&self, centre: Position, radius: u32, most: u32, seen: &mut Vec<Seen>) {
        seen.clear();
        let limit = u64::from(radius) * u64::from(radius);
        for entry in self.around(centre, radius) {
            let distance_squared = entry.position.distance_squared(centre);
            if distance_squared <= limit {
                seen.push(Seen {
                    id: entry.id,
                    kind: entry.kind,
                    position: entry.position,
                    distance_squared,
                    look: entry.look,
                });
            }
        }
        nearest(seen, most);
    }

    /// All bodies in the order in which they were taken in.
    pub(crate) fn all(&self) -> impl Iterator<Item = Body> {
        let entries = self.unsorted.iter();
        entries.map(|(_, entry)| (entry.id, entry.kind, entry.position, entry.look))
    }

    /// Calls `meet` with each player within `radius` of `centre` and the square of its
    /// distance, in an order that follows from the state alone.
    pub(crate) fn players_near(
        &self,
        centre: Position,
        radius: u32,
        mut meet: impl FnMut(EntityId, u64),
    ) {
        let limit = u64::from(radius) * u64::from(radius);
        for entry in self.around(centre, radius) {
            if matches!(entry.kind, EntityKind::Player { .. }) {
                let distance_squared = entry.position.distance_squared(centre);
                if distance_squared <= limit {
                    meet(entry.id, distance_squared);
                }
            }
        }
    }

    /// The entries of all cells that `radius` touches.
    fn around(&self, centre: Position, radius: u32) -> impl Iterator<Item = &Entry> {
        let reach = i32::try_from(radius).unwrap_or(i32::MAX);
        let (left, right) = (
            self.row(centre.x.saturating_sub(reach)),
            self.row(centre.x.saturating_add(reach)),
        );
        let (bottom, top) = (
            self.row(centre.y.saturating_sub(reach)),
            self.row(centre.y.saturating_add(reach)),
        );
        // The cells of a row lie one after the other.
        (bottom..=top).flat_map(move |row| {
            let from = self.starts[index(row * self.side + left)];
            let to = self.starts[index(row * self.side + right) + 1];
            &self.entries[index(from)..index(to)]
        })
    }

    fn row(&self, coordinate: i32) -> u32 {
        (coordinate / self.cell)
            .clamp(0, self.side.cast_signed() - 1)
            .cast_unsigned()
    }
}

/// Keeps the nearest `most`. Among equally distant ones the lower id counts as nearer.
pub(crate) fn nearest(seen: &mut Vec<Seen>, most: u32) {
    let most = index(most);
    if seen.len() > most {
        seen.select_nth_unstable_by_key(most, |body| (body.distance_squared, body.id));
        seen.truncate(most);
    }
}

#[expect(clippy::disallowed_types, reason = "an index of derived data")]
fn index(number: u32) -> usize {
    number.try_into().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bodies(places: &[(i32, i32)]) -> Vec<Body> {
        let kind = EntityKind::Creature { species: 0 };
        let ids = 1..;
        ids.zip(places)
            .map(|(id, &(x, y))| (EntityId(id), kind, Position { x, y }, 15))
            .collect()
    }

    proptest! {
        #[test]
        fn finds_what_a_plain_search_finds(
            places in prop::collection::vec((0..1_000_000, 0..1_000_000), 0..200),
            centre in (0..1_000_000, 0..1_000_000),
            radius in 0..400_000_u32,
            most in 0..80_u32,
        ) {
            let bodies = bodies(&places);
            let centre = Position { x: centre.0, y: centre.1 };
            let mut area = Area::new(1000);
            area.rebuild(bodies.iter().copied());
            // Twice: the second time over what the first left behind.
            area.rebuild(bodies.iter().copied());
            let mut seen = Vec::new();
            area.near(centre, radius, most, &mut seen);

            let mut expect: Vec<_> = bodies
                .iter()
                .map(|(id, _, place, _)| (place.distance_squared(centre), *id))
                .filter(|(distance, _)| *distance <= u64::from(radius).pow(2))
                .collect();
            expect.sort_unstable();
            expect.truncate(most.try_into().unwrap());
            let mut found: Vec<_> = seen.iter().map(|s| (s.distance_squared, s.id)).collect();
            found.sort_unstable();
            prop_assert_eq!(found, expect);
        }
    }
}
