//! What there is in a world, and where.

use serde::{Deserialize, Serialize};

use super::numbered::numbered;

/// Identity of an entity in its world. 64 bits, so JSON writes it as a string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(pub u64);

/// A place, in whole millimetres from the world's origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// East.
    pub x: i32,
    /// North.
    pub y: i32,
}

/// Where a player wants to go: a vector whose length, up to [`super::limits::FULL_SPEED`], is the
/// share of full speed. Longer ones mean full speed; (0, 0) means stand still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Direction {
    /// East, −127 to 127.
    pub x: i8,
    /// North, −127 to 127.
    pub y: i8,
}

/// What an entity is. The numbers of species, resources and stations are places in the content that
/// the server serves, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntityKind {
    /// Number 1. Has a name.
    Player,
    /// Number 2.
    Creature {
        /// Which of the content's creatures.
        species: u8,
    },
    /// Number 3. Never moves.
    Resource {
        /// Which of the content's resources.
        resource: u8,
    },
    /// Number 4. Never moves.
    Station {
        /// Which of the content's stations.
        station: u8,
    },
    /// Number 5. Never moves.
    Loot,
}

impl EntityKind {
    /// The number in binary messages.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Player => 1,
            Self::Creature { .. } => 2,
            Self::Resource { .. } => 3,
            Self::Station { .. } => 4,
            Self::Loot => 5,
        }
    }

    /// Players and creatures move; everything else stays where it entered the view.
    #[must_use]
    pub fn moves(self) -> bool {
        matches!(self, Self::Player | Self::Creature { .. })
    }
}

numbered! {
    /// What an entity is seen to do.
    Pose {
        /// Nothing in particular.
        Idle = 0,
        /// Gathers from a resource.
        Gathering = 1,
        /// Makes something.
        Crafting = 2,
        /// Fights.
        Fighting = 3,
        /// Trades with another player.
        Trading = 4,
        /// Lies dead.
        Dead = 5,
        /// Its player's connection is lost; the body waits.
        Absent = 6,
        /// A resource that has nothing left for now.
        Depleted = 7,
    }
}

/// What of an entity's state others see, in one byte: health in the low four bits, pose in the high.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Look(pub u8);

impl Look {
    /// `fifteenths` of its health (a resource: of its charges), 0 to 15; more count as 15.
    #[must_use]
    pub fn new(pose: Pose, fifteenths: u8) -> Self {
        Self(pose.number() << 4 | fifteenths.min(15))
    }

    /// Health, of a resource what is left to gather: in fifteenths, rounded up.
    #[must_use]
    pub fn fifteenths(self) -> u8 {
        self.0 & 0x0f
    }

    /// None for numbers that this version of the protocol gives no meaning.
    #[must_use]
    pub fn pose(self) -> Option<Pose> {
        Pose::from_number(self.0 >> 4)
    }
}
