//! What happened in a tick, for those outside.

use crate::content::{ItemId, Skill};
use crate::player::LeaveCause;
use crate::units::{EntityId, Position};

/// What happened in a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A player is in.
    Joined {
        /// Of the input.
        ticket: u64,
        /// The body.
        player: EntityId,
        /// Where it is.
        position: Position,
    },
    /// A player is not let in.
    Refused {
        /// Of the input.
        ticket: u64,
        /// Why.
        refusal: Refusal,
    },
    /// A body is gone.
    Left {
        /// Whose.
        player: EntityId,
        /// Why.
        cause: LeaveCause,
    },
    /// The answer to an action: every [`crate::Input::Act`] of a present player gets one.
    Done {
        /// Whose.
        player: EntityId,
        /// Of the input.
        seq: u32,
        /// Whether it began or happened, or why not.
        outcome: Outcome,
    },
    /// Somebody spoke. Heard within [`crate::HEARING`]; who that is, is for the outside to find.
    Said {
        /// Who.
        speaker: EntityId,
        /// Its name.
        name: Box<str>,
        /// What.
        text: Box<str>,
        /// Where the speaker was.
        place: Position,
    },
    /// Somebody was hurt by somebody.
    Struck {
        /// By whom.
        attacker: EntityId,
        /// Who.
        target: EntityId,
        /// Health lost.
        damage: u16,
        /// It died of it.
        killed: bool,
        /// Where the target was.
        place: Position,
    },
    /// A player has more of something.
    Gained {
        /// Who.
        player: EntityId,
        /// Of what.
        item: ItemId,
        /// How many.
        count: u16,
        /// Where from.
        how: Gain,
    },
    /// A player, or one of its skills, reached a level.
    Levelled {
        /// Who.
        player: EntityId,
        /// Which skill; none means the character itself.
        skill: Option<Skill>,
        /// Reached.
        level: u8,
    },
    /// A player died.
    Died {
        /// Who.
        player: EntityId,
        /// By whose hand.
        by: Option<EntityId>,
        /// Of what.
        cause: DeathCause,
    },
    /// A trade was carried out; each of the two gets one.
    Traded {
        /// Who.
        player: EntityId,
        /// With whom.
        with: EntityId,
    },
}

/// Why a world does not let a player in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It has [`crate::MAX_PLAYERS`].
    Full,
    /// The name is empty or too long.
    BadName,
}

/// What became of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It happened, or began.
    Ok,
    /// Nothing of the kind has this number.
    NoSuchTarget,
    /// Out of reach.
    TooFar,
    /// Too soon after the last time.
    NotNow,
    /// The dead do nothing but [`crate::Action::Respawn`] and [`crate::Action::Say`].
    Dead,
    /// One of the two is in another trade, or the player makes or gathers something.
    Busy,
    /// The pack is full.
    NoRoom,
    /// The player has not got what it takes.
    MissingItems,
    /// Not with what is in hand.
    WrongTool,
    /// Only near a certain station.
    NeedsStation,
    /// The skill is too low yet.
    SkillTooLow,
    /// Nothing is left of it for now.
    Depleted,
    /// The slot is empty, or is none.
    EmptySlot,
    /// The thing cannot be used so.
    NotUsable,
    /// Not in this world, or not to this target.
    NotAllowed,
    /// The trade is not what the player saw.
    TradeChanged,
    /// There is no open trade.
    NoTrade,
    /// Too long, empty, or with characters that are not spoken.
    BadText,
    /// The genre's meter does not suffice.
    Exhausted,
    /// Only the dead can.
    NotDead,
}

/// Where something came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gain {
    /// From a resource.
    Gather,
    /// Made.
    Craft,
    /// From a killed creature or a station.
    Loot,
    /// From another player.
    Trade,
    /// Out of a bag.
    Take,
}

/// What a player died of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeathCause {
    /// A creature.
    Creature,
    /// Another player.
    Player,
    /// No food.
    Hunger,
    /// No water.
    Thirst,
    /// The genre's own danger.
    Mechanic,
}
