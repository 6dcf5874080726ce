//! A player's pack: 24 slots, each with some of one kind of item.

use crate::content::ItemId;
use crate::state::{Reader, Sink, SnapshotError, State};
use crate::view::{SLOTS, Stack};

#[expect(clippy::disallowed_types, reason = "a length of code, not of state")]
const LENGTH: usize = SLOTS as usize;

/// The slots of a pack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inventory {
    slots: [Option<Stack>; LENGTH],
}

impl Inventory {
    pub(crate) fn slots(&self) -> &[Option<Stack>] {
        &self.slots
    }

    pub(crate) fn get(&self, slot: u8) -> Option<Stack> {
        *self.slots.get(index(slot))?
    }

    /// How many of an item there are in all slots.
    pub(crate) fn count(&self, item: ItemId) -> u32 {
        let stacks = self.slots.iter().flatten();
        let ours = stacks.filter(|stack| stack.item == item);
        ours.map(|stack| u32::from(stack.count)).sum()
    }

    /// Puts in as many as fit, onto the stacks of the item first, and returns how many do not. `most`
    /// is the largest stack of the item.
    #[must_use = "what does not fit must go somewhere"]
    pub(crate) fn add(&mut self, item: ItemId, count: u16, most: u16) -> u16 {
        let mut left = count;
        for stack in self.slots.iter_mut().flatten() {
            if stack.item == item {
                let moved = left.min(most.saturating_sub(stack.count));
                stack.count += moved;
                left -= moved;
            }
        }
        for slot in &mut self.slots {
            if left == 0 {
                break;
            }
            if slot.is_none() && most > 0 {
                let count = left.min(most);
                *slot = Some(Stack { item, count });
                left -= count;
            }
        }
        left
    }

    /// All of them would fit.
    pub(crate) fn has_room(&self, item: ItemId, count: u16, most: u16) -> bool {
        let room = |slot: &Option<Stack>| match slot {
            None => u32::from(most),
            Some(stack) if stack.item == item => most.saturating_sub(stack.count).into(),
            Some(_) => 0,
        };
        self.slots.iter().map(room).sum::<u32>() >= u32::from(count)
    }

    /// Takes so many out of a slot; none if it has less.
    pub(crate) fn take(&mut self, slot: u8, count: u16) -> Option<Stack> {
        let slot = self.slots.get_mut(index(slot))?;
        let stack = slot.as_mut().filter(|stack| stack.count >= count)?;
        stack.count -= count;
        let taken = Stack {
            item: stack.item,
            count,
        };
        if stack.count == 0 {
            *slot = None;
        }
        (count > 0).then_some(taken)
    }

    /// Takes so many of an item out of wherever they are, or none at all if there are less.
    pub(crate) fn remove(&mut self, item: ItemId, count: u16) -> bool {
        if self.count(item) < u32::from(count) {
            return false;
        }
        let mut left = count;
        for slot in &mut self.slots {
            if let Some(stack) = slot
                && stack.item == item
            {
                let moved = left.min(stack.count);
                stack.count -= moved;
                left -= moved;
                if stack.count == 0 {
                    *slot = None;
                }
            }
        }
        true
    }

    /// Puts a stack into an empty slot; gives it back if the slot is not empty or is none.
    pub(crate) fn put(&mut self, at: u8, stack: Stack) -> Result<(), Stack> {
        match self.slots.get_mut(index(at)) {
            Some(slot @ None) => {
                *slot = Some(stack);
                Ok(())
            }
            _ => Err(stack),
        }
    }

    /// Empties the pack.
    pub(crate) fn take_all(&mut self) -> Vec<Stack> {
        std::mem::take(&mut self.slots)
            .into_iter()
            .flatten()
            .collect()
    }

    /// Changes each stack's item, or drops the stack: for content that has changed.
    pub(crate) fn rename(&mut self, name: impl Fn(ItemId) -> Option<ItemId>) {
        for slot in &mut self.slots {
            *slot = slot.and_then(|stack| {
                Some(Stack {
                    item: name(stack.item)?,
                    ..stack
                })
            });
        }
    }
}

#[expect(clippy::disallowed_types, reason = "an index, not kept")]
fn index(slot: u8) -> usize {
    slot.into()
}

impl State for ItemId {
    fn write(&self, sink: &mut impl Sink) {
        let Self(number) = self;
        number.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self(u16::read(reader)?))
    }
}

impl State for Stack {
    fn write(&self, sink: &mut impl Sink) {
        let Self { item, count } = self;
        item.write(sink);
        count.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let stack = Self {
            item: ItemId::read(reader)?,
            count: u16::read(reader)?,
        };
        if stack.count == 0 {
            return Err(SnapshotError::Bad("stack"));
        }
        Ok(stack)
    }
}

impl State for Inventory {
    fn write(&self, sink: &mut impl Sink) {
        let Self { slots } = self;
        slots.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            slots: State::read(reader)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inventory() -> impl Strategy<Value = Inventory> {
        let slot = prop::option::of((1..4_u16, 1..=10_u16));
        prop::collection::vec(slot, LENGTH).prop_map(|slots| {
            let mut inventory = Inventory::default();
            for (to, from) in inventory.slots.iter_mut().zip(slots) {
                *to = from.map(|(item, count)| Stack {
                    item: ItemId(item),
                    count,
                });
            }
            inventory
        })
    }

    proptest! {
        #[test]
        fn what_goes_in_is_there_or_is_left(mut pack in inventory(), item in 1..4_u16, count: u16, most in 10..40_u16) {
            let item = ItemId(item);
            let (before, fits) = (pack.count(item), pack.has_room(item, count, most));
            let others: u32 = (1..4).filter(|n| *n != item.0).map(|n| pack.count(ItemId(n))).sum();
            let left = pack.add(item, count, most);
            prop_assert_eq!(pack.count(item) + u32::from(left), before + u32::from(count));
            prop_assert_eq!(fits, left == 0);
            let after: u32 = (1..4).filter(|n| *n != item.0).map(|n| pack.count(ItemId(n))).sum();
            prop_assert_eq!(others, after);
            prop_assert!(pack.slots().iter().flatten().all(|stack| (1..=most).contains(&stack.count)));
        }

        #[test]
        fn what_goes_out_is_gone(mut pack in inventory(), slot in 0..30_u8, item in 1..4_u16, count in 0..30_u16) {
            let total = |pack: &Inventory| (1..4).map(|n| pack.count(ItemId(n))).sum::<u32>();
            let before = total(&pack);
            let taken = pack.take(slot, count);
            prop_assert_eq!(total(&pack) + taken.map_or(0, |stack| u32::from(stack.count)), before);
            let before = total(&pack);
            let had = pack.count(ItemId(item));
            let removed = pack.remove(ItemId(item), count);
            prop_assert_eq!(removed, had >= u32::from(count));
            prop_assert_eq!(total(&pack) + if removed { u32::from(count) } else { 0 }, before);
        }
    }
}
