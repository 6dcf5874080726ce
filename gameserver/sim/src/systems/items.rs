//! What players do with what they carry: use it, wear it, lay it down, take it up.

use crate::content::{Device, ItemKind, Place, Skill};
use crate::event::{Gain, Outcome};
use crate::systems::{REACH, within};
use crate::units::EntityId;
use crate::view::Stack;
use crate::vitals::FINE;
use crate::world::World;

/// From one meal to the next, in milliseconds.
const USE_COOLDOWN_MS: u32 = 1000;
/// What a meal teaches.
const MEAL_EXPERIENCE: u16 = 2;

impl World {
    /// Eats, drinks, applies.
    pub(crate) fn use_slot(&mut self, me: u32, slot: u8) -> Result<(), Outcome> {
        let stack = self.character(me)?.inventory.get(slot);
        let stack = stack.ok_or(Outcome::EmptySlot)?;
        let item = self.content.item(stack.item);
        let kind = &item.ok_or(Outcome::NotUsable)?.kind;
        let tick = self.globals.tick;
        let mechanic = self.content.mechanic().rules;
        let body = self.player_ref(me)?;
        if tick < body.use_at {
            return Err(Outcome::NotNow);
        }
        let mut vitals = body.vitals;
        let (spent, cooldown_ms, skill) = match kind {
            ItemKind::Food(food) => {
                vitals.eat(food.hunger, food.thirst);
                vitals.heal(i64::from(food.health) * i64::from(FINE));
                vitals.better(mechanic, food.meter.into());
                // Nobody dies of a meal.
                vitals.health = vitals.health.max(FINE);
                (true, USE_COOLDOWN_MS, Skill::Surviving)
            }
            ItemKind::Device(Device::Heal {
                health,
                cooldown_ms,
                cost,
            }) => {
                if !vitals.can_pay(mechanic, *cost) {
                    return Err(Outcome::Exhausted);
                }
                vitals.better(mechanic, -i64::from(*cost));
                vitals.heal(i64::from(*health) * i64::from(FINE));
                (false, *cooldown_ms, Skill::Lore)
            }
            ItemKind::Device(Device::Medicine { health, meter }) => {
                vitals.better(mechanic, (*meter).into());
                vitals.heal(i64::from(*health) * i64::from(FINE));
                (true, USE_COOLDOWN_MS, Skill::Surviving)
            }
            ItemKind::Material
            | ItemKind::Weapon(_)
            | ItemKind::Tool(_)
            | ItemKind::Armour(_)
            | ItemKind::Device(
                Device::Bolt { .. }
                | Device::Light { .. }
                | Device::Deck { .. }
                | Device::Ward { .. },
            ) => return Err(Outcome::NotUsable),
        };
        if spent {
            let taken = self.character_mut(me)?.inventory.take(slot, 1);
            taken.ok_or(Outcome::EmptySlot)?;
        }
        let level = self.character(me)?.progress.level();
        vitals.set_max_health(level, mechanic);
        let use_at = tick + self.milliseconds(cooldown_ms);
        let body = self.player_mut(me)?;
        body.vitals = vitals;
        body.use_at = use_at;
        body.touch();
        self.learn(me, skill, MEAL_EXPERIENCE);
        Ok(())
    }

    /// Wears or wields one of a stack.
    pub(crate) fn equip(&mut self, me: u32, slot: u8) -> Result<(), Outcome> {
        let stack = self.character(me)?.inventory.get(slot);
        let stack = stack.ok_or(Outcome::EmptySlot)?;
        let item = self.content.item(stack.item);
        let place = item.and_then(crate::content::ItemDef::place);
        let place = place.ok_or(Outcome::NotUsable)?;
        let before = self.character(me)?.worn(place);
        // On a copy: if what was worn finds no room, nothing has happened.
        let mut pack = self.character(me)?.inventory.clone();
        let taken = pack.take(slot, 1).ok_or(Outcome::EmptySlot)?;
        if let Some(item) = before {
            let back = Stack { item, count: 1 };
            if pack.put(slot, back).is_err() && pack.add(item, 1, self.most_of(item)) > 0 {
                return Err(Outcome::NoRoom);
            }
        }
        let character = self.character_mut(me)?;
        character.inventory = pack;
        *character.worn_mut(place) = Some(taken.item);
        Ok(())
    }

    /// Puts what is worn into the pack.
    pub(crate) fn unequip(&mut self, me: u32, place: Place) -> Result<(), Outcome> {
        let item = self.character(me)?.worn(place);
        let item = item.ok_or(Outcome::EmptySlot)?;
        let most = self.most_of(item);
        if !self.character(me)?.inventory.has_room(item, 1, most) {
            return Err(Outcome::NoRoom);
        }
        let character = self.character_mut(me)?;
        let left = character.inventory.add(item, 1, most);
        debug_assert_eq!(left, 0, "there was room");
        *character.worn_mut(place) = None;
        Ok(())
    }

    /// Lays part of a stack on the ground.
    pub(crate) fn drop_slot(&mut self, me: u32, slot: u8, count: u16) -> Result<(), Outcome> {
        if count == 0 {
            return Err(Outcome::NotAllowed);
        }
        let position = self.player_ref(me)?.position;
        let pack = &self.character(me)?.inventory;
        let stack = pack.get(slot).ok_or(Outcome::EmptySlot)?;
        if stack.count < count {
            return Err(Outcome::MissingItems);
        }
        let taken = self.character_mut(me)?.inventory.take(slot, count);
        self.lay_bag(position, taken.into_iter().collect());
        Ok(())
    }

    /// Takes what fits out of a bag.
    pub(crate) fn take(&mut self, me: u32, target: EntityId) -> Result<(), Outcome> {
        let rank = self.tables.bags.rank(target);
        let rank = rank.ok_or(Outcome::NoSuchTarget)?;
        let bag = self.tables.bags.get(rank).ok_or(Outcome::NoSuchTarget)?;
        if !within(self.player_ref(me)?.position, bag.position, REACH) {
            return Err(Outcome::TooFar);
        }
        let mut left = bag.stacks.clone();
        let mut taken = false;
        left.retain_mut(|stack| {
            let rest = self.give(me, stack.item, stack.count, Gain::Take);
            taken |= rest < stack.count;
            stack.count = rest;
            rest > 0
        });
        if !taken {
            return Err(Outcome::NoRoom);
        }
        self.set_bag(rank, left);
        Ok(())
    }
}
