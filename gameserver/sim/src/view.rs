//! What the outside sees of a player.

use crate::content::ItemId;
use crate::units::{Direction, EntityId, Position};

/// Slots in a player's pack.
pub const SLOTS: u8 = 24;

/// A player, seen from outside. Nothing is copied but numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayerView<'a> {
    /// Which.
    pub id: EntityId,
    /// Its name.
    pub name: &'a str,
    /// Where it is.
    pub position: Position,
    /// Where it wants to go.
    pub direction: Direction,
    /// Last input applied; 0 before the first.
    pub seq: u32,
    /// Not waiting for its connection to come back.
    pub present: bool,
    /// Full speed on open ground at the moment, in millimetres a second.
    pub speed: i32,
    /// Changes whenever something below does (but for the ticks that are left of `activity`); what stays the same need not be compared.
    pub revision: u32,
    /// 0 when dead.
    pub health: u16,
    /// What `health` can reach at the moment.
    pub max_health: u16,
    /// 100 is full.
    pub hunger: u8,
    /// 100 is full.
    pub thirst: u8,
    /// Of the genre's mechanic, 0 to 100.
    pub meter: u8,
    /// From 1.
    pub level: u8,
    /// Towards the next level and all before.
    pub experience: u32,
    /// Level and experience of each [`crate::Skill`], in their order.
    pub skills: [(u8, u32); 6],
    /// What it is about that takes time.
    pub activity: Option<Activity>,
    /// Its trade, asked for or open.
    pub trade: Option<TradeView<'a>>,
    pub(crate) inventory: &'a [Option<Stack>],
    pub(crate) equipment: [Option<ItemId>; 4],
    pub(crate) statistics: Statistics,
}

/// What of a player changes all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayerNow {
    /// Which.
    pub id: EntityId,
    /// Where it is.
    pub position: Position,
    /// Last input applied; 0 before the first.
    pub seq: u32,
    /// See [`PlayerView::revision`].
    pub revision: u32,
}

impl<'a> PlayerView<'a> {
    /// The pack, [`SLOTS`] slots.
    #[must_use]
    pub fn inventory(&self) -> &'a [Option<Stack>] {
        self.inventory
    }

    /// What is worn, by [`crate::Place`].
    #[must_use]
    pub fn equipment(&self) -> [Option<ItemId>; 4] {
        self.equipment
    }

    /// What it has done so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }
}

/// Some of one kind of item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// What.
    pub item: ItemId,
    /// How many, at least 1.
    pub count: u16,
}

/// Something that takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    /// What.
    pub kind: ActivityKind,
    /// Until it is done.
    pub ticks_left: u32,
    /// From its beginning.
    pub ticks_total: u32,
}

/// Kinds of things that take time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActivityKind {
    /// Gathering from a resource.
    Gather,
    /// Making something.
    Craft,
}

/// A trade, seen by one of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeView<'a> {
    /// The other.
    pub partner: EntityId,
    /// Counts changes of either side's offer. To accept means to accept one revision.
    pub revision: u32,
    /// Both have agreed to trade; before, one has only asked.
    pub open: bool,
    /// Who asked: the other one.
    pub asked_by_them: bool,
    /// What the player gives.
    pub mine: &'a [Offered],
    /// What it gets.
    pub theirs: &'a [Offered],
    /// The player has accepted this revision.
    pub i_accepted: bool,
    /// The other one has.
    pub they_accepted: bool,
}

/// Part of a pack that is up for trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// From this slot of its owner.
    pub slot: u8,
    /// What was in the slot when it was offered; the trade fails if something else is.
    pub item: ItemId,
    /// How many.
    pub count: u16,
}

/// What a player has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Creatures and players killed.
    pub kills: u32,
    /// Times died.
    pub deaths: u32,
    /// Items taken from resources.
    pub gathered: u32,
    /// Items made.
    pub crafted: u32,
    /// Trades carried out.
    pub trades: u32,
    /// Metres walked.
    pub distance_metres: u32,
    /// Strikes that hit.
    pub struck: u32,
    /// Ticks since it joined.
    pub ticks_played: u64,
}
