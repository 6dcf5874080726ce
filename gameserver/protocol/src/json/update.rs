//! Updates as JSON: everything by id, positions and the player's own state absolute.

use serde::{Deserialize, Serialize};

use super::EntityId;
use crate::action::ItemId;
use crate::entity::{EntityKind, Look, Position};
use crate::error::DecodeError;
use crate::event::EventMessage;
use crate::limits::{EQUIPMENT_PLACES, INVENTORY_SLOTS, MAX_METER, MAX_OFFERS};
use crate::motion::{Motion, Velocity};
use crate::names::PlayerName;
use crate::own::{Activity, ActivityKind, Progress, SelfState, Stack, Trade, Vitals};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Update {
    pub(crate) tick: u64,
    pub(crate) ack: u32,
    pub(crate) position: Position,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) left: Vec<EntityId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) entered: Vec<Entered>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) moved: Vec<Moved>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) changed: Vec<Changed>,
    #[serde(default, rename = "self", skip_serializing_if = "Option::is_none")]
    pub(crate) own: Option<OwnState>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) events: Vec<EventMessage>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum KindName {
    Player,
    Creature,
    Resource,
    Station,
    Loot,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entered {
    pub(crate) id: EntityId,
    kind: KindName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<PlayerName>,
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    number: Option<u8>,
    pub(crate) look: Look,
    position: Position,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    velocity: Option<Velocity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
}

impl Entered {
    pub(crate) fn new(
        id: EntityId,
        kind: EntityKind,
        name: Option<PlayerName>,
        look: Look,
        motion: Motion,
    ) -> Self {
        let (kind_name, number) = match kind {
            EntityKind::Player => (KindName::Player, None),
            EntityKind::Creature { species } => (KindName::Creature, Some(species)),
            EntityKind::Resource { resource } => (KindName::Resource, Some(resource)),
            EntityKind::Station { station } => (KindName::Station, Some(station)),
            EntityKind::Loot => (KindName::Loot, None),
        };
        Self {
            id,
            kind: kind_name,
            name,
            number,
            look,
            position: motion.position,
            velocity: kind.moves().then_some(motion.velocity),
            since: kind.moves().then_some(motion.tick),
        }
    }

    /// What it is, and what it is called.
    pub(crate) fn what(self) -> Result<(EntityKind, Option<PlayerName>), DecodeError> {
        let kind = match (self.kind, self.number) {
            (KindName::Player, None) => EntityKind::Player,
            (KindName::Creature, Some(species)) => EntityKind::Creature { species },
            (KindName::Resource, Some(resource)) => EntityKind::Resource { resource },
            (KindName::Station, Some(station)) => EntityKind::Station { station },
            (KindName::Loot, None) => EntityKind::Loot,
            _ => {
                return Err(DecodeError::Malformed {
                    field: "type",
                    why: "creatures, resources and stations have one, others have none",
                });
            }
        };
        if (kind == EntityKind::Player) != self.name.is_some() {
            return Err(DecodeError::Malformed {
                field: "name",
                why: "players have one, others have none",
            });
        }
        let moves = kind.moves();
        if moves != self.velocity.is_some() || moves != self.since.is_some() {
            return Err(DecodeError::Malformed {
                field: "velocity",
                why: "players and creatures have one since some tick, others have none",
            });
        }
        Ok((kind, self.name))
    }

    /// How it moves. `tick` is the update's.
    pub(crate) fn motion(&self, tick: u64) -> Motion {
        Motion {
            tick: self.since.unwrap_or(tick),
            position: self.position,
            velocity: self.velocity.unwrap_or(Velocity::ZERO),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moved {
    pub(crate) id: EntityId,
    pub(crate) position: Position,
    pub(crate) velocity: Velocity,
    pub(crate) since: u64,
}

impl Moved {
    pub(crate) fn new(id: EntityId, motion: Motion) -> Self {
        let Motion {
            tick,
            position,
            velocity,
        } = motion;
        Self {
            id,
            position,
            velocity,
            since: tick,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Changed {
    pub(crate) id: EntityId,
    pub(crate) look: Look,
}

/// All of a player's own state, whatever has changed of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnState {
    vitals: Vitals,
    slots: Vec<Filled>,
    equipment: [Option<ItemId>; EQUIPMENT_PLACES],
    progress: Progress,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    activity: Option<GoingOn>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trade: Option<Trade>,
}

/// A slot in which something lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filled {
    slot: u8,
    item: ItemId,
    count: std::num::NonZeroU16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct GoingOn {
    kind: ActivityKind,
    ticks_left: u32,
    ticks_total: u32,
}

impl OwnState {
    pub(crate) fn new(state: &SelfState, tick: u64) -> Self {
        let SelfState {
            vitals,
            slots,
            equipment,
            progress,
            activity,
            trade,
        } = state.clone();
        let filled = |(slot, stack): (u8, Option<Stack>)| {
            let Stack { item, count } = stack?;
            Some(Filled { slot, item, count })
        };
        Self {
            vitals: vitals.clamped(),
            slots: (0..).zip(slots).filter_map(filled).collect(),
            equipment,
            progress,
            activity: activity.map(|activity| GoingOn {
                kind: activity.kind,
                ticks_left: activity.ticks_left(tick),
                ticks_total: activity.total,
            }),
            trade: trade.map(|mut trade| {
                trade.mine.truncate(MAX_OFFERS);
                trade.theirs.truncate(MAX_OFFERS);
                trade
            }),
        }
    }

    /// The same under the rules of the binary form. `tick` is the update's.
    pub(crate) fn state(self, tick: u64) -> Result<SelfState, DecodeError> {
        let Self {
            vitals,
            slots: filled,
            equipment,
            progress,
            activity,
            trade,
        } = self;
        if vitals.hunger.max(vitals.thirst).max(vitals.meter) > MAX_METER {
            return Err(DecodeError::OutOfRange { field: "vitals" });
        }
        let mut slots = [None; INVENTORY_SLOTS];
        let mut next = 0;
        for Filled { slot, item, count } in filled {
            let slot = usize::from(slot);
            if slot < next || slot >= INVENTORY_SLOTS {
                return Err(DecodeError::OutOfRange { field: "slots" });
            }
            next = slot + 1;
            slots[slot] = Some(Stack { item, count });
        }
        if let Some(Trade { mine, theirs, .. }) = &trade {
            let longest = mine.len().max(theirs.len());
            if longest > MAX_OFFERS {
                return Err(DecodeError::TooLong {
                    field: "offer",
                    actual: longest as u64,
                    limit: MAX_OFFERS,
                });
            }
        }
        Ok(SelfState {
            vitals,
            slots,
            equipment,
            progress,
            activity: activity.map(|activity| Activity {
                kind: activity.kind,
                ends: tick + u64::from(activity.ticks_left),
                total: activity.ticks_total,
            }),
            trade,
        })
    }
}
