//! Things that happened and are told once, in order, and reliably.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::action::{ItemId, Outcome, Skill};
use super::entity::EntityId;
use super::limits::MAX_EVENTS;
use super::names::{ChatText, PlayerName};
use super::numbered::numbered;

numbered! {
    /// Where something in the inventory came from.
    Gain {
        /// A resource.
        Gather = 1,
        /// A recipe.
        Craft = 2,
        /// Something that was killed.
        Loot = 3,
        /// Another player.
        Trade = 4,
        /// The ground.
        Take = 5,
    }
}

numbered! {
    /// What killed.
    DeathCause {
        /// A creature.
        Creature = 1,
        /// A player.
        Player = 2,
        /// Nothing to eat.
        Hunger = 3,
        /// Nothing to drink.
        Thirst = 4,
        /// The genre's mechanic.
        Mechanic = 5,
    }
}

/// What a character has done in its life. Each at most [`super::limits::MAX_SAFE_INTEGER`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Statistics {
    /// Creatures and players killed.
    pub kills: u64,
    /// Deaths.
    pub deaths: u64,
    /// Items taken from resources.
    pub gathered: u64,
    /// Items made.
    pub crafted: u64,
    /// Trades closed.
    pub trades: u64,
    /// Way walked, in metres.
    pub distance_metres: u64,
    /// Strikes that hit.
    pub struck: u64,
    /// Ticks lived.
    pub ticks_played: u64,
}

/// Something that happened, as the client that it concerns is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum EventMessage {
    /// Number 1. The answer to an Act of the player.
    Done {
        /// The Act's.
        seq: u32,
        /// How it went.
        outcome: Outcome,
    },
    /// Number 2. Someone near said something.
    Said {
        /// Who.
        speaker: EntityId,
        /// Their name: they may be out of sight.
        name: PlayerName,
        /// What.
        text: ChatText,
    },
    /// Number 3. A strike hit.
    Struck {
        /// Who struck.
        attacker: EntityId,
        /// Whom.
        target: EntityId,
        /// Health lost.
        damage: u16,
        /// It was the last.
        killed: bool,
    },
    /// Number 4. Something came into the inventory.
    Gained {
        /// What.
        item: ItemId,
        /// How many.
        count: u16,
        /// Where from.
        how: Gain,
    },
    /// Number 5. A level was reached.
    Levelled {
        /// In which skill; none: the character's own level.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        skill: Option<Skill>,
        /// Which.
        level: u8,
    },
    /// Number 6. The player died.
    Died {
        /// Of what.
        cause: DeathCause,
        /// By whom. No entity has the id 0, so it counts as none.
        #[serde(default, skip_serializing_if = "is_nobody")]
        by: Option<EntityId>,
    },
    /// Number 7. A trade was closed.
    Traded {
        /// With whom.
        with: EntityId,
    },
    /// Number 8. The answer to an Ask.
    Statistics(Statistics),
}

#[allow(clippy::ref_option)] // serde's signature
fn is_nobody(by: &Option<EntityId>) -> bool {
    by.is_none_or(|id| id == EntityId(0))
}

/// No room in an [`EventQueue`]: the client does not keep up and cannot be told everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event queue is full")]
pub struct QueueFull;

/// Events of one client that wait for its next update, bounded. What many hear is made once and
/// shared.
#[derive(Clone, Debug)]
pub struct EventQueue {
    waiting: VecDeque<Arc<EventMessage>>,
    limit: usize,
}

impl EventQueue {
    /// For at most `limit` events (a few times [`MAX_EVENTS`], which is what one update brings).
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            limit,
        }
    }

    /// Adds an event behind the others.
    ///
    /// # Errors
    /// The queue is full: the connection has to end (`TooSlow`), since a client may rely on hearing
    /// everything.
    pub fn push(&mut self, event: Arc<EventMessage>) -> Result<(), QueueFull> {
        if self.waiting.len() >= self.limit {
            return Err(QueueFull);
        }
        self.waiting.push_back(event);
        Ok(())
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// None waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Takes out what one update may bring.
    pub(super) fn take(&mut self) -> std::collections::vec_deque::Drain<'_, Arc<EventMessage>> {
        self.waiting.drain(..self.waiting.len().min(MAX_EVENTS))
    }
}
