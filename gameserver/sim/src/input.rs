//! What the outside does to a world.

use crate::content::{Place, RecipeId};
use crate::player::LeaveCause;
use crate::units::{Direction, EntityId};

/// Most stacks in one side of a trade.
pub const MAX_OFFERS: u8 = 8;
/// Longest text that is spoken, in characters.
pub const MAX_SAY_CHARS: u32 = 200;
/// Longest text that is spoken, in bytes.
pub const MAX_SAY_BYTES: u32 = 400;

/// What the outside does to a world. All inputs of a tick are applied in their order before anything
/// moves; those that make no sense (any more) are passed over, in every run alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A new player comes.
    Join {
        /// Returned in [`crate::Event::Joined`] or [`crate::Event::Refused`].
        ticket: u64,
        /// 1 to [`crate::MAX_NAME_BYTES`] bytes.
        name: Box<str>,
    },
    /// A player's body goes.
    Leave {
        /// Whose.
        player: EntityId,
        /// Why.
        cause: LeaveCause,
    },
    /// A player's connection was lost: its body stays, and stands still.
    Lose {
        /// Whose.
        player: EntityId,
    },
    /// The player is back in its body.
    Return {
        /// Whose.
        player: EntityId,
    },
    /// Where a player wants to go from now on.
    Move {
        /// Who.
        player: EntityId,
        /// Higher than that of the player's last input, [`Input::Act`] counted too.
        seq: u32,
        /// Where to.
        direction: Direction,
    },
    /// What a player wants to do.
    Act {
        /// Who.
        player: EntityId,
        /// Higher than that of the player's last input, [`Input::Move`] counted too.
        seq: u32,
        /// The tick at which the player saw the others. One that the history of the last second does
        /// not hold counts as now.
        view: u64,
        /// What.
        action: Action,
    },
}

/// An intent of a player. It names entities, never places that the player aims at: where things are is
/// for the world to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Begin to gather from a resource; goes on until it is empty, the pack is full or the player walks.
    Gather {
        /// The resource.
        target: EntityId,
    },
    /// Strike, or shoot at, a creature or a player with what is in hand.
    Attack {
        /// Whom.
        target: EntityId,
    },
    /// Begin to make something.
    Craft {
        /// After which recipe.
        recipe: RecipeId,
    },
    /// Eat, drink or apply what is in a slot.
    Use {
        /// Which slot.
        slot: u8,
    },
    /// Wear or wield what is in a slot; what was there before takes the slot.
    Equip {
        /// Which slot.
        slot: u8,
    },
    /// Put what is worn back into the pack.
    Unequip {
        /// From where.
        place: Place,
    },
    /// Lay part of a stack on the ground, in a bag of its own.
    Drop {
        /// From which slot.
        slot: u8,
        /// How many; 0 is refused.
        count: u16,
    },
    /// Take what fits out of a bag.
    Take {
        /// The bag.
        target: EntityId,
    },
    /// Do with a station what it is for.
    Interact {
        /// The station.
        target: EntityId,
    },
    /// Speak; heard within [`crate::HEARING`].
    Say {
        /// 1 to [`MAX_SAY_CHARS`] characters and [`MAX_SAY_BYTES`] bytes, no control characters.
        text: Box<str>,
    },
    /// Ask a player to trade; asking one that has asked opens the trade.
    TradeAsk {
        /// Whom.
        target: EntityId,
    },
    /// Put this on one's own side of an open trade, instead of what was there.
    TradeOffer {
        /// At most [`MAX_OFFERS`].
        offer: Vec<Offer>,
    },
    /// Agree to both sides as they stood at a revision.
    TradeAccept {
        /// Of the trade; another one is refused.
        revision: u32,
    },
    /// Leave the trade, or refuse to begin one.
    TradeCancel,
    /// Come back to life near a hub.
    Respawn,
    /// Stop what takes time: gathering, making.
    Stop,
}

/// Part of one's pack that is put up for trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// From which slot.
    pub slot: u8,
    /// How many.
    pub count: u16,
}
