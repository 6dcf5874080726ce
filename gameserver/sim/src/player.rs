//! Players, in two rows each: [`Player`] is what changes all the time, [`Character`] what changes now
//! and then, so that walking about dirties no page with packs in it.

use crate::content::{ItemId, Place, RecipeId, Skill};
use crate::inventory::Inventory;
use crate::pages::Row;
use crate::progress::Progress;
use crate::state::{Reader, Sink, SnapshotError, State};
use crate::units::{Direction, EntityId, Position};
use crate::vitals::Vitals;

/// Longest name, in bytes.
pub const MAX_NAME_BYTES: u32 = 64;

/// Why a body left the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaveCause {
    /// The player said so.
    Left,
    /// The connection was lost, and nobody came back in time.
    GraceExpired,
    /// The server decided so.
    Removed,
}

/// What a player is about that takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    None,
    Gather {
        target: EntityId,
        began: u64,
        due: u64,
    },
    Craft {
        recipe: RecipeId,
        began: u64,
        due: u64,
    },
}

impl Work {
    /// The tick at which it bears fruit.
    pub(crate) fn due(self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Gather { due, .. } | Self::Craft { due, .. } => Some(due),
        }
    }
}

/// A body, and what it is doing. Times are ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Player {
    pub(crate) id: EntityId,
    pub(crate) position: Position,
    pub(crate) direction: Direction,
    /// Last input applied.
    pub(crate) seq: u32,
    /// False while the connection is lost: the body stands still until its player is back.
    pub(crate) present: bool,
    /// When it last appeared somewhere without walking there: before, it was nowhere near.
    pub(crate) placed: u64,
    pub(crate) vitals: Vitals,
    pub(crate) work: Work,
    /// First tick at which it can strike again.
    pub(crate) attack_at: u64,
    /// First tick at which it can use something again.
    pub(crate) use_at: u64,
    /// First tick at which it can speak again.
    pub(crate) say_at: u64,
    /// It struck or was struck: looks like fighting, and does not recover, until then.
    pub(crate) fought_until: u64,
    /// Cannot be struck until then: it has just come to life.
    pub(crate) safe_until: u64,
    /// Its trade; 0 is none.
    pub(crate) trade: u64,
    /// Millimetres walked.
    pub(crate) walked: u64,
    /// Counts changes of what its player is shown besides its position.
    pub(crate) revision: u32,
}

impl Player {
    pub(crate) fn new(id: EntityId, position: Position, tick: u64, safe_until: u64) -> Self {
        Self {
            id,
            position,
            direction: Direction::STILL,
            seq: 0,
            present: true,
            placed: tick,
            vitals: Vitals::default(),
            work: Work::None,
            attack_at: 0,
            use_at: 0,
            say_at: 0,
            fought_until: 0,
            safe_until,
            trade: 0,
            walked: 0,
            revision: 1,
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.vitals.health > 0
    }

    /// Something that its player is shown has changed.
    pub(crate) fn touch(&mut self) {
        self.revision = self.revision.wrapping_add(1);
    }
}

/// What a player is and has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Character {
    pub(crate) id: EntityId,
    pub(crate) name: Box<str>,
    pub(crate) inventory: Inventory,
    /// By [`Place`].
    pub(crate) equipment: [Option<ItemId>; 4],
    pub(crate) progress: Progress,
    /// By [`Skill`].
    pub(crate) skills: [Progress; 6],
    pub(crate) deeds: Deeds,
}

/// What a player has done, as far as it is counted nowhere else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deeds {
    pub(crate) joined: u64,
    pub(crate) kills: u32,
    pub(crate) deaths: u32,
    pub(crate) gathered: u32,
    pub(crate) crafted: u32,
    pub(crate) trades: u32,
    pub(crate) struck: u32,
}

impl Character {
    pub(crate) fn new(id: EntityId, name: &str, tick: u64) -> Self {
        Self {
            id,
            name: name.into(),
            inventory: Inventory::default(),
            equipment: [None; 4],
            progress: Progress::default(),
            skills: [Progress::default(); 6],
            deeds: Deeds {
                joined: tick,
                ..Deeds::default()
            },
        }
    }

    pub(crate) fn skill(&self, skill: Skill) -> Progress {
        let [gathering, crafting, fighting, trading, surviving, lore] = self.skills;
        match skill {
            Skill::Gathering => gathering,
            Skill::Crafting => crafting,
            Skill::Fighting => fighting,
            Skill::Trading => trading,
            Skill::Surviving => surviving,
            Skill::Lore => lore,
        }
    }

    pub(crate) fn skill_mut(&mut self, skill: Skill) -> &mut Progress {
        let [gathering, crafting, fighting, trading, surviving, lore] = &mut self.skills;
        match skill {
            Skill::Gathering => gathering,
            Skill::Crafting => crafting,
            Skill::Fighting => fighting,
            Skill::Trading => trading,
            Skill::Surviving => surviving,
            Skill::Lore => lore,
        }
    }

    pub(crate) fn worn(&self, place: Place) -> Option<ItemId> {
        let [hand, head, body, trinket] = self.equipment;
        match place {
            Place::Hand => hand,
            Place::Head => head,
            Place::Body => body,
            Place::Trinket => trinket,
        }
    }

    pub(crate) fn worn_mut(&mut self, place: Place) -> &mut Option<ItemId> {
        let [hand, head, body, trinket] = &mut self.equipment;
        match place {
            Place::Hand => hand,
            Place::Head => head,
            Place::Body => body,
            Place::Trinket => trinket,
        }
    }
}

impl Row for Player {
    fn id(&self) -> EntityId {
        self.id
    }
}

impl Row for Character {
    fn id(&self) -> EntityId {
        self.id
    }
}

impl State for RecipeId {
    fn write(&self, sink: &mut impl Sink) {
        let Self(number) = self;
        number.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self(u16::read(reader)?))
    }
}

impl State for Work {
    fn write(&self, sink: &mut impl Sink) {
        match self {
            Self::None => 0_u8.write(sink),
            Self::Gather { target, began, due } => {
                1_u8.write(sink);
                target.write(sink);
                began.write(sink);
                due.write(sink);
            }
            Self::Craft { recipe, began, due } => {
                2_u8.write(sink);
                recipe.write(sink);
                began.write(sink);
                due.write(sink);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        match u8::read(reader)? {
            0 => Ok(Self::None),
            1 => Ok(Self::Gather {
                target: EntityId::read(reader)?,
                began: u64::read(reader)?,
                due: u64::read(reader)?,
            }),
            2 => Ok(Self::Craft {
                recipe: RecipeId::read(reader)?,
                began: u64::read(reader)?,
                due: u64::read(reader)?,
            }),
            _ => Err(SnapshotError::Bad("work")),
        }
    }
}

impl State for Player {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            id,
            position,
            direction,
            seq,
            present,
            placed,
            vitals,
            work,
            attack_at,
            use_at,
            say_at,
            fought_until,
            safe_until,
            trade,
            walked,
            revision,
        } = self;
        id.write(sink);
        position.write(sink);
        direction.write(sink);
        seq.write(sink);
        present.write(sink);
        placed.write(sink);
        vitals.write(sink);
        work.write(sink);
        attack_at.write(sink);
        use_at.write(sink);
        say_at.write(sink);
        fought_until.write(sink);
        safe_until.write(sink);
        trade.write(sink);
        walked.write(sink);
        revision.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            id: State::read(reader)?,
            position: State::read(reader)?,
            direction: State::read(reader)?,
            seq: State::read(reader)?,
            present: State::read(reader)?,
            placed: State::read(reader)?,
            vitals: State::read(reader)?,
            work: State::read(reader)?,
            attack_at: State::read(reader)?,
            use_at: State::read(reader)?,
            say_at: State::read(reader)?,
            fought_until: State::read(reader)?,
            safe_until: State::read(reader)?,
            trade: State::read(reader)?,
            walked: State::read(reader)?,
            revision: State::read(reader)?,
        })
    }
}

impl State for Deeds {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            joined,
            kills,
            deaths,
            gathered,
            crafted,
            trades,
            struck,
        } = self;
        joined.write(sink);
        kills.write(sink);
        deaths.write(sink);
        gathered.write(sink);
        crafted.write(sink);
        trades.write(sink);
        struck.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            joined: State::read(reader)?,
            kills: State::read(reader)?,
            deaths: State::read(reader)?,
            gathered: State::read(reader)?,
            crafted: State::read(reader)?,
            trades: State::read(reader)?,
            struck: State::read(reader)?,
        })
    }
}

impl State for Character {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            id,
            name,
            inventory,
            equipment,
            progress,
            skills,
            deeds,
        } = self;
        id.write(sink);
        name.write(sink);
        inventory.write(sink);
        equipment.write(sink);
        progress.write(sink);
        skills.write(sink);
        deeds.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            id: State::read(reader)?,
            name: State::read(reader)?,
            inventory: State::read(reader)?,
            equipment: State::read(reader)?,
            progress: State::read(reader)?,
            skills: State::read(reader)?,
            deeds: State::read(reader)?,
        })
    }
}
