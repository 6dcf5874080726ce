//! What players do, and how it went.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use super::entity::EntityId;
use super::names::ChatText;
use super::numbered::numbered;

/// Number of an item in the content, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(NonZeroU16);

impl ItemId {
    /// None for 0, which stands for no item.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        NonZeroU16::new(number).map(Self)
    }

    /// The number, from 1.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

/// Number of a recipe in the content, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecipeId(pub u16);

numbered! {
    /// Where equipment is worn.
    Place {
        /// Weapons and tools.
        Hand = 0,
        /// Helmets and hoods.
        Head = 1,
        /// Armour.
        Body = 2,
        /// Everything else that helps.
        Trinket = 3,
    }
}

numbered! {
    /// What a player gets better at.
    Skill {
        /// Of resources.
        Gathering = 1,
        /// Of items.
        Crafting = 2,
        /// Against creatures and players.
        Fighting = 3,
        /// With other players.
        Trading = 4,
        /// Hunger, thirst and what the genre holds.
        Surviving = 5,
        /// What the genre's own devices ask for.
        Lore = 6,
    }
}

/// A part of one inventory slot, offered in a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Which slot, from 0.
    pub slot: u8,
    /// How many of what lies there, from 1.
    pub count: u16,
}

/// An action or a movement takes effect in the order of its `seq`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Ascends with each Move and Act of a session, from 1. A server ignores one that does not.
    pub seq: u32,
    /// The tick at which it is to take effect; 0: at once.
    pub at: u64,
    /// The tick at which the player saw others when deciding; 0: unknown.
    pub view: u64,
    /// What to do.
    pub action: Action,
}

/// What a player wants to do. Its target is named, never aimed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Number 1. Take from a resource until something ends it.
    Gather {
        /// The resource.
        target: EntityId,
    },
    /// Number 2. Strike a creature or a player.
    Attack {
        /// Whom.
        target: EntityId,
    },
    /// Number 3. Make something.
    Craft {
        /// What.
        recipe: RecipeId,
    },
    /// Number 4. Eat, drink, or use a device.
    Use {
        /// What lies in that slot.
        slot: u8,
    },
    /// Number 5. Put on or take in hand.
    Equip {
        /// What lies in that slot.
        slot: u8,
    },
    /// Number 6. Back into the inventory.
    Unequip {
        /// What is worn there.
        place: Place,
    },
    /// Number 7. Onto the ground.
    Drop {
        /// From that slot.
        slot: u8,
        /// How many, from 1.
        count: u16,
    },
    /// Number 8. Take what lies there.
    Take {
        /// The loot.
        target: EntityId,
    },
    /// Number 9. Do what the station is there for.
    Interact {
        /// The station.
        target: EntityId,
    },
    /// Number 10. Speak to those who stand near.
    Say {
        /// What.
        text: ChatText,
    },
    /// Number 11. Ask a player to trade, or agree to one who has asked.
    TradeAsk {
        /// Whom.
        target: EntityId,
    },
    /// Number 12. Replace what the player offers in the open trade.
    TradeOffer {
        /// At most [`super::limits::MAX_OFFERS`].
        offer: Vec<Offer>,
    },
    /// Number 13. Agree to the trade as it stands.
    TradeAccept {
        /// The trade's revision that the player has seen.
        revision: u32,
    },
    /// Number 14. End the trade, or turn down one that was asked for.
    TradeCancel,
    /// Number 15. Of the dead: begin again.
    Respawn,
    /// Number 16. End what is going on (gathering, crafting).
    Stop,
}

impl Action {
    /// Its name on metrics.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Gather { .. } => "Gather",
            Self::Attack { .. } => "Attack",
            Self::Craft { .. } => "Craft",
            Self::Use { .. } => "Use",
            Self::Equip { .. } => "Equip",
            Self::Unequip { .. } => "Unequip",
            Self::Drop { .. } => "Drop",
            Self::Take { .. } => "Take",
            Self::Interact { .. } => "Interact",
            Self::Say { .. } => "Say",
            Self::TradeAsk { .. } => "TradeAsk",
            Self::TradeOffer { .. } => "TradeOffer",
            Self::TradeAccept { .. } => "TradeAccept",
            Self::TradeCancel => "TradeCancel",
            Self::Respawn => "Respawn",
            Self::Stop => "Stop",
        }
    }
}

numbered! {
    /// How an action went.
    Outcome {
        /// It happened, or began.
        Ok = 0,
        /// Nothing of that kind has that id.
        NoSuchTarget = 1,
        /// The target is out of reach.
        TooFar = 2,
        /// Too soon after the last one.
        NotNow = 3,
        /// The player, or the target, is dead.
        Dead = 4,
        /// The player, or the other one, is doing something else.
        Busy = 5,
        /// The inventory is full.
        NoRoom = 6,
        /// Something that is needed is not there.
        MissingItems = 7,
        /// It takes another tool.
        WrongTool = 8,
        /// It takes a station near by.
        NeedsStation = 9,
        /// It takes a higher level of a skill.
        SkillTooLow = 10,
        /// There is nothing left to take.
        Depleted = 11,
        /// Nothing lies in that slot.
        EmptySlot = 12,
        /// That is not for this.
        NotUsable = 13,
        /// The world's rules forbid it.
        NotAllowed = 14,
        /// The trade is no longer as the player saw it.
        TradeChanged = 15,
        /// There is no trade.
        NoTrade = 16,
        /// The text is not one that can be said.
        BadText = 17,
        /// The genre's meter does not allow it.
        Exhausted = 18,
        /// Only the dead can do that.
        NotDead = 19,
    }
}

numbered! {
    /// What an Ask asks for.
    Question {
        /// Answered by a [`super::EventMessage::Statistics`].
        Statistics = 1,
    }
}
