//! What a bot has with it, and what it is good for.

use std::time::Duration;

use worldkeeper_sim::content::{Content, ItemKind, ToolNeed};
use worldkeeper_sim::{BODIES, FIST_RANGE};

use crate::protocol::{Action, ItemId, Offer, SelfState};

/// What an item is for; none of an unknown number.
pub(super) fn kind_of(content: &Content, item: ItemId) -> Option<&ItemKind> {
    let index = usize::from(item.get()).checked_sub(1)?;
    content.items().get(index).map(|item| &item.kind)
}

/// The first slot with such an item.
pub(super) fn slot_where(state: &SelfState, wanted: impl Fn(ItemId) -> bool) -> Option<u8> {
    let mut slots = (0_u8..).zip(&state.slots);
    slots.find_map(|(slot, stack)| stack.filter(|stack| wanted(stack.item)).map(|_| slot))
}

/// How many of an item.
pub(super) fn held(state: &SelfState, item: u16) -> u32 {
    state
        .slots
        .iter()
        .flatten()
        .filter(|stack| stack.item.get() == item)
        .map(|stack| u32::from(stack.count.get()))
        .sum()
}

/// No slot is empty.
pub(super) fn is_full(state: &SelfState) -> bool {
    state.slots.iter().all(Option::is_some)
}

/// Lays the largest stack on the ground.
pub(super) fn drop_something(state: &SelfState) -> Option<Action> {
    let (slot, stack) = (0_u8..)
        .zip(&state.slots)
        .filter_map(|(slot, stack)| stack.map(|stack| (slot, stack)))
        .max_by_key(|(_, stack)| stack.count)?;
    Some(Action::Drop {
        slot,
        count: stack.count.get(),
    })
}

/// One of what it has most of.
pub(super) fn something_to_give(state: &SelfState) -> Option<Offer> {
    let (slot, _) = (0_u8..)
        .zip(&state.slots)
        .filter_map(|(slot, stack)| stack.map(|stack| (slot, stack)))
        .max_by_key(|(_, stack)| stack.count)?;
    Some(Offer { slot, count: 1 })
}

/// Its level in a skill.
pub(super) fn skill_level(state: &SelfState, skill: worldkeeper_sim::content::Skill) -> u8 {
    use worldkeeper_sim::content::Skill;
    let place = match skill {
        Skill::Gathering => 0,
        Skill::Crafting => 1,
        Skill::Fighting => 2,
        Skill::Trading => 3,
        Skill::Surviving => 4,
        Skill::Lore => 5,
    };
    state
        .progress
        .skills
        .get(place)
        .map_or(0, |rank: &_| rank.level)
}

/// Where a tool for a need is: none at all, in hand (inner none), or in a slot.
pub(super) fn tool_slot(
    state: &SelfState,
    content: &Content,
    need: &ToolNeed,
) -> Option<Option<u8>> {
    let serves = |item: ItemId| match kind_of(content, item) {
        Some(ItemKind::Tool(tool)) => tool.class == need.class && tool.power >= need.power,
        _ => false,
    };
    if state
        .equipment
        .first()
        .copied()
        .flatten()
        .is_some_and(serves)
    {
        return Some(None);
    }
    slot_where(state, serves).map(Some)
}

/// Reach in millimetres, time between two blows, and the slot of a weapon that is better than what is
/// in hand.
pub(super) fn armed(state: &SelfState, content: &Content) -> (u64, Duration, Option<u8>) {
    let weapon = |item: ItemId| match kind_of(content, item) {
        Some(ItemKind::Weapon(weapon)) => {
            let loaded = weapon.ammo.is_none_or(|ammo| held(state, ammo.0) > 0);
            loaded.then_some((weapon.damage, weapon.range_mm, weapon.cooldown_ms))
        }
        _ => None,
    };
    let in_hand = state.equipment.first().copied().flatten().and_then(weapon);
    let damage = in_hand.map_or(0, |(damage, ..)| damage);
    let better = slot_where(state, |item| {
        weapon(item).is_some_and(|(other, ..)| other > damage)
    });
    match in_hand {
        Some((_, range, cooldown)) => (
            u64::from(range + BODIES) * 9 / 10,
            Duration::from_millis(u64::from(cooldown)),
            better,
        ),
        None => (
            u64::from(FIST_RANGE + BODIES) * 9 / 10,
            Duration::from_millis(800),
            better,
        ),
    }
}
