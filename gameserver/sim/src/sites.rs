//! Where things stand still: a grid that is touched only where one appears, vanishes or looks different.

use crate::area::{EntityKind, Seen, nearest};
use crate::units::{EntityId, Position, UNITS_PER_METRE};

/// Shortest side of a cell, in metres.
const MIN_CELL: u32 = 32;
/// Most cells of a side: a large world has larger cells, not more.
const MAX_CELLS: u32 = 128;

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: EntityId,
    position: Position,
    kind: EntityKind,
    look: u8,
}

#[derive(Debug)]
pub(crate) struct Sites {
    /// Cells of a side.
    side: u32,
    /// Side of a cell in millimetres.
    cell: i32,
    cells: Vec<Vec<Entry>>,
    /// What appeared, vanished or looks different since [`Sites::settle`].
    changed: Vec<EntityId>,
}

impl Sites {
    pub(crate) fn new(size_metres: u32) -> Self {
        let metres = MIN_CELL.max(size_metres.div_ceil(MAX_CELLS));
        let side = size_metres.div_ceil(metres);
        Self {
            side,
            cell: metres.cast_signed() * UNITS_PER_METRE,
            cells: (0..side * side).map(|_| Vec::new()).collect(),
            changed: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, id: EntityId, kind: EntityKind, position: Position, look: u8) {
        let cell = self.cell_of(position);
        self.changed.push(id);
        if let Some(entries) = self.cells.get_mut(cell) {
            entries.push(Entry {
                id,
                position,
                kind,
                look,
            });
        }
    }

    pub(crate) fn remove(&mut self, id: EntityId, position: Position) {
        let cell = self.cell_of(position);
        self.changed.push(id);
        if let Some(entries) = self.cells.get_mut(cell) {
            entries.retain(|entry| entry.id != id);
        }
    }

    pub(crate) fn set_look(&mut self, id: EntityId, position: Position, look: u8) {
        let cell = self.cell_of(position);
        let entries = self.cells.get_mut(cell).into_iter().flatten();
        for entry in entries.filter(|entry| entry.id == id && entry.look != look) {
            entry.look = look;
            self.changed.push(id);
        }
    }

    pub(crate) fn changed(&self) -> &[EntityId] {
        &self.changed
    }

    /// Forgets what changed.
    pub(crate) fn settle(&mut self) {
        self.changed.clear();
    }

    /// See [`crate::World::fixtures_near`].
    pub(crate) fn near(&self, centre: Position, radius: u32, most: u32, seen: &mut Vec<Seen>) {
        seen.clear();
        self.visit(centre, radius, |entry| seen.push(entry));
        nearest(seen, most);
    }

    /// Calls `meet` with each thing within `radius` of `centre`. Bags come in no certain order.
    pub(crate) fn visit(&self, centre: Position, radius: u32, mut meet: impl FnMut(Seen)) {
        let reach = i32::try_from(radius).unwrap_or(i32::MAX);
        let limit = u64::from(radius) * u64::from(radius);
        let (left, right) = (
            self.row(centre.x.saturating_sub(reach)),
            self.row(centre.x.saturating_add(reach)),
        );
        let (bottom, top) = (
            self.row(centre.y.saturating_sub(reach)),
            self.row(centre.y.saturating_add(reach)),
        );
        for row in bottom..=top {
            let cells = index(row * self.side + left)..=index(row * self.side + right);
            for entry in self.cells.get(cells).into_iter().flatten().flatten() {
                let distance_squared = entry.position.distance_squared(centre);
                if distance_squared <= limit {
                    meet(Seen {
                        id: entry.id,
                        kind: entry.kind,
                        position: entry.position,
                        distance_squared,
                        look: entry.look,
                    });
                }
            }
        }
    }

    #[expect(clippy::disallowed_types, reason = "an index of derived data")]
    fn cell_of(&self, place: Position) -> usize {
        index(self.row(place.y) * self.side + self.row(place.x))
    }

    fn row(&self, coordinate: i32) -> u32 {
        (coordinate / self.cell)
            .clamp(0, self.side.cast_signed() - 1)
            .cast_unsigned()
    }
}

#[expect(clippy::disallowed_types, reason = "an index of derived data")]
fn index(number: u32) -> usize {
    number.try_into().unwrap_or(usize::MAX)
}
