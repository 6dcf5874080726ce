//! Tables of state in pages of 64 rows. A page is the unit of three things: of copying while a frozen
//! world is still being read, of hashing, and of finding out what changed since the last hash.

#![expect(
    clippy::disallowed_types,
    reason = "rows are numbered by u32; usize is only how Rust indexes"
)]

use std::sync::{Arc, OnceLock};

use crate::state::{Hasher, Reader, Sink, SnapshotError, State};
use crate::units::EntityId;

/// Rows of a page.
const ROWS: usize = 64;

/// A row that can be found by its entity.
pub(crate) trait Row: State + Clone {
    /// Whose row. Rows of a table ascend by it.
    fn id(&self) -> EntityId;
}

/// Up to [`ROWS`] rows; all pages but the last are full.
#[derive(Debug)]
struct Page<T> {
    rows: Vec<T>,
    /// Of the rows as they are; forgotten when a row is lent out to be changed.
    hash: OnceLock<u64>,
}

impl<T: State> Page<T> {
    fn new(rows: Vec<T>) -> Self {
        Self {
            rows,
            hash: OnceLock::new(),
        }
    }

    fn hash(&self) -> u64 {
        *self.hash.get_or_init(|| self.full_hash())
    }

    fn full_hash(&self) -> u64 {
        let mut hasher = Hasher::new();
        for row in &self.rows {
            row.write(&mut hasher);
        }
        hasher.finish()
    }
}

impl<T: Clone> Clone for Page<T> {
    fn clone(&self) -> Self {
        // Room for a whole page, so that a row more does not move the copy.
        let mut rows = Vec::with_capacity(ROWS);
        rows.extend_from_slice(&self.rows);
        // Copies are made to be changed.
        Self {
            rows,
            hash: OnceLock::new(),
        }
    }
}

/// A table. A clone shares all pages until one of the two changes a page.
#[derive(Clone, Debug)]
pub(crate) struct Pages<T> {
    pages: Vec<Arc<Page<T>>>,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T: State + Clone> Pages<T> {
    pub(crate) fn len(&self) -> u32 {
        let last = self.pages.last().map_or(0, |page| page.rows.len());
        let full = self.pages.len().saturating_sub(1) * ROWS;
        u32::try_from(full + last).unwrap_or(u32::MAX)
    }

    pub(crate) fn get(&self, rank: u32) -> Option<&T> {
        let (page, row) = place(rank);
        self.pages.get(page)?.rows.get(row)
    }

    /// A row to change. Its page has to be hashed again, and is copied first if a clone shares it.
    pub(crate) fn get_mut(&mut self, rank: u32) -> Option<&mut T> {
        let (page, row) = place(rank);
        writable(self.pages.get_mut(page)?).get_mut(row)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.pages.iter().flat_map(|page| page.rows.iter())
    }

    /// Lends out, with their ranks, the rows of each page that has one that `wanted` picks.
    pub(crate) fn for_each_in_pages_with(
        &mut self,
        wanted: impl Fn(&T) -> bool,
        mut change: impl FnMut(u32, &mut T),
    ) {
        let mut rank = 0;
        for page in &mut self.pages {
            let next = rank + u32::try_from(page.rows.len()).unwrap_or(0);
            if page.rows.iter().any(&wanted) {
                for (rank, row) in (rank..).zip(writable(page)) {
                    change(rank, row);
                }
            }
            rank = next;
        }
    }

    pub(crate) fn push(&mut self, row: T) {
        if let Some(page) = self.pages.last_mut()
            && page.rows.len() < ROWS
        {
            writable(page).push(row);
            return;
        }
        let mut rows = Vec::with_capacity(ROWS);
        rows.push(row);
        self.pages.push(Arc::new(Page::new(rows)));
    }

    /// Takes a row out; those after it move up.
    pub(crate) fn remove(&mut self, rank: u32) -> Option<T> {
        let (page, row) = place(rank);
        self.pages.get(page)?.rows.get(row)?;
        let removed = writable(self.pages.get_mut(page)?).remove(row);
        for next in page + 1..self.pages.len() {
            let Some([left, right]) = self.pages.get_mut(next - 1..=next) else {
                break;
            };
            let first = writable(right).remove(0);
            writable(left).push(first);
        }
        if self.pages.last().is_some_and(|page| page.rows.is_empty()) {
            self.pages.pop();
        }
        Some(removed)
    }

    /// Puts the hashes of all pages into `hasher`.
    pub(crate) fn hash_into(&self, hasher: &mut Hasher) {
        hasher.put(self.len().into(), 4);
        for page in &self.pages {
            hasher.put(page.hash(), 8);
        }
    }

    /// The same as [`Pages::hash_into`], without trust in what was worked out before.
    pub(crate) fn full_hash_into(&self, hasher: &mut Hasher) {
        hasher.put(self.len().into(), 4);
        for page in &self.pages {
            hasher.put(page.full_hash(), 8);
        }
    }

    pub(crate) fn write(&self, sink: &mut impl Sink) {
        self.len().write(sink);
        for row in self.iter() {
            row.write(sink);
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let length = u32::read(reader)?;
        let length = reader.at_most(length)?;
        let mut table = Self::default();
        for _ in 0..length {
            table.push(T::read(reader)?);
        }
        Ok(table)
    }
}

impl<T: Row> Pages<T> {
    /// The rank of an entity's row.
    pub(crate) fn rank(&self, id: EntityId) -> Option<u32> {
        let page = self
            .pages
            .partition_point(|page| page.rows.last().is_some_and(|row| row.id() < id));
        let rows = &self.pages.get(page)?.rows;
        let row = rows.binary_search_by_key(&id, T::id).ok()?;
        u32::try_from(page * ROWS + row).ok()
    }

    pub(crate) fn find(&self, id: EntityId) -> Option<&T> {
        self.get(self.rank(id)?)
    }
}

fn place(rank: u32) -> (usize, usize) {
    let rank = usize::try_from(rank).unwrap_or(usize::MAX);
    (rank / ROWS, rank % ROWS)
}

fn writable<T: State + Clone>(page: &mut Arc<Page<T>>) -> &mut Vec<T> {
    let page = Arc::make_mut(page);
    page.hash.take();
    &mut page.rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Cell(u64, u32);

    impl State for Cell {
        fn write(&self, sink: &mut impl Sink) {
            self.0.write(sink);
            self.1.write(sink);
        }
        fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
            Ok(Self(u64::read(reader)?, u32::read(reader)?))
        }
    }

    impl Row for Cell {
        fn id(&self) -> EntityId {
            EntityId(self.0)
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push,
        Remove(u32),
        Change(u32, u32),
        Sweep(u32),
        Freeze,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            8 => Just(Step::Push),
            2 => any::<u32>().prop_map(Step::Remove),
            4 => any::<(u32, u32)>().prop_map(|(at, to)| Step::Change(at, to)),
            1 => any::<u32>().prop_map(Step::Sweep),
            1 => Just(Step::Freeze),
        ];
        prop::collection::vec(step, 0..600)
    }

    fn hashes(table: &Pages<Cell>) -> (u64, u64) {
        let (mut cached, mut full) = (Hasher::new(), Hasher::new());
        table.hash_into(&mut cached);
        table.full_hash_into(&mut full);
        (cached.finish(), full.finish())
    }

    proptest! {
        #[test]
        fn like_a_plain_list(steps in steps()) {
            let mut table = Pages::default();
            let mut plain: Vec<Cell> = Vec::new();
            let mut frozen: Vec<(Pages<Cell>, Vec<Cell>, u64)> = Vec::new();
            for (id, step) in (1..).zip(steps) {
                let count = u32::try_from(plain.len()).unwrap();
                match step {
                    Step::Push => {
                        table.push(Cell(id, 0));
                        plain.push(Cell(id, 0));
                    }
                    Step::Remove(at) if count > 0 => {
                        let at = at % count;
                        let removed = plain.remove(at.try_into().unwrap());
                        prop_assert_eq!(table.remove(at), Some(removed));
                    }
                    Step::Change(at, to) if count > 0 => {
                        let at = at % count;
                        table.get_mut(at).unwrap().1 = to;
                        plain[usize::try_from(at).unwrap()].1 = to;
                    }
                    Step::Sweep(to) => {
                        let wanted = |cell: &Cell| cell.1 % 2 == 1;
                        table.for_each_in_pages_with(wanted, |_, cell| {
                            if cell.1 % 2 == 1 {
                                cell.1 = to;
                            }
                        });
                        for cell in plain.iter_mut().filter(|cell| cell.1 % 2 == 1) {
                            cell.1 = to;
                        }
                    }
                    Step::Freeze => frozen.push((table.clone(), plain.clone(), hashes(&table).0)),
                    Step::Remove(_) | Step::Change(..) => {}
                }
                let (cached, full) = hashes(&table);
                prop_assert_eq!(cached, full);
            }
            prop_assert_eq!(table.iter().cloned().collect::<Vec<_>>(), plain.clone());
            for (rank, cell) in (0..).zip(&plain) {
                prop_assert_eq!(table.rank(cell.id()), Some(rank));
                prop_assert_eq!(table.get(rank), Some(cell));
            }
            prop_assert_eq!(table.rank(EntityId(0)), None);
            prop_assert_eq!(table.rank(EntityId(u64::MAX)), None);
            // What was frozen has not moved.
            for (table, plain, hash) in frozen {
                prop_assert_eq!(hashes(&table), (hash, hash));
                prop_assert_eq!(table.iter().cloned().collect::<Vec<_>>(), plain);
            }
        }
    }
}
