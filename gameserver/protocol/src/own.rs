//! The player's own state, beyond its position.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use super::action::ItemId;
use super::entity::EntityId;
use super::limits::{EQUIPMENT_PLACES, INVENTORY_SLOTS, MAX_METER, SKILLS};
use super::numbered::numbered;

/// Some of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    /// Of which.
    pub item: ItemId,
    /// How many.
    pub count: NonZeroU16,
}

impl Stack {
    /// None where either is 0: nothing lies there.
    #[must_use]
    pub fn of(item: u16, count: u16) -> Option<Self> {
        Some(Self {
            item: ItemId::new(item)?,
            count: NonZeroU16::new(count)?,
        })
    }
}

/// How a body feels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Vitals {
    /// At 0 it is dead.
    pub health: u16,
    /// What health can reach.
    pub max_health: u16,
    /// 0 (starving) to 100.
    pub hunger: u8,
    /// 0 (parched) to 100.
    pub thirst: u8,
    /// 0 to 100 of the genre's mechanic.
    pub meter: u8,
}

impl Vitals {
    /// With everything that goes to 100 at most there.
    #[must_use]
    pub fn clamped(self) -> Self {
        Self {
            hunger: self.hunger.min(MAX_METER),
            thirst: self.thirst.min(MAX_METER),
            meter: self.meter.min(MAX_METER),
            ..self
        }
    }
}

/// A level and what was earned towards the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rank {
    /// From 1; 0 where there is none yet.
    pub level: u8,
    /// Points.
    pub experience: u32,
}

/// Levels of the character and of its skills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The character's.
    pub character: Rank,
    /// In the order of [`super::Skill`]'s numbers.
    pub skills: [Rank; SKILLS],
}

numbered! {
    /// What takes a while.
    ActivityKind {
        /// Gathering.
        Gather = 1,
        /// Crafting.
        Craft = 2,
    }
}

/// Something that takes a while, going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Activity {
    /// What.
    pub kind: ActivityKind,
    /// The tick at which it is done. Messages carry the ticks that are left: an end that has passed
    /// counts as the update's tick, and none is further ahead than a `u32`.
    pub ends: u64,
    /// Ticks that all of it takes.
    pub total: u32,
}

impl Activity {
    /// Ticks from `tick` until it is done.
    #[must_use]
    pub fn ticks_left(&self, tick: u64) -> u32 {
        u32::try_from(self.ends.saturating_sub(tick)).unwrap_or(u32::MAX)
    }
}

numbered! {
    /// How far a trade has come.
    TradeStage {
        /// The player has asked the partner.
        Asked = 1,
        /// The partner has asked the player.
        AskedByPartner = 2,
        /// Both offer.
        Open = 3,
    }
}

/// A trade with another player.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Trade {
    /// How far it has come.
    pub stage: TradeStage,
    /// With whom.
    pub partner: EntityId,
    /// Goes up with every change of an offer: to accept, name the one that you saw.
    pub revision: u32,
    /// What the player gives. At most [`super::limits::MAX_OFFERS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mine: Vec<Stack>,
    /// What the player gets. At most [`super::limits::MAX_OFFERS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub theirs: Vec<Stack>,
    /// The player agrees to this revision.
    pub i_accepted: bool,
    /// The partner agrees to this revision.
    pub they_accepted: bool,
}

/// All of a player's own state but its position. The default is what a client starts from at a
/// Welcome: nothing and zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelfState {
    /// Health and needs.
    pub vitals: Vitals,
    /// The inventory.
    pub slots: [Option<Stack>; INVENTORY_SLOTS],
    /// What is worn, in the order of [`super::Place`]'s numbers.
    pub equipment: [Option<ItemId>; EQUIPMENT_PLACES],
    /// Levels.
    pub progress: Progress,
    /// What is going on.
    pub activity: Option<Activity>,
    /// The trade that is asked for or open.
    pub trade: Option<Trade>,
}
