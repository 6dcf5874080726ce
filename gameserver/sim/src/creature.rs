//! Creatures' rows. What they do is in [`crate::systems`].

use crate::content::SpeciesId;
use crate::pages::Row;
use crate::state::{Reader, Sink, SnapshotError, State};
use crate::units::{Direction, EntityId, Position};

/// What a creature is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Its own business.
    Calm,
    /// Pursues its target, and strikes it.
    Chase,
    /// Runs from its target.
    Flee,
    /// Goes home.
    Return,
    /// Dead until it is born again.
    Dead,
}

/// A creature. Times are ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Creature {
    pub(crate) id: EntityId,
    pub(crate) species: SpeciesId,
    pub(crate) mood: Mood,
    /// When its mood began.
    pub(crate) since: u64,
    pub(crate) position: Position,
    pub(crate) direction: Direction,
    /// Where it belongs.
    pub(crate) home: Position,
    /// First tick at which it thinks again; of a dead one, at which it lives again.
    pub(crate) until: u64,
    /// First tick at which it can strike again.
    pub(crate) attack_at: u64,
    /// Whom it chases or flees; 0 is nobody.
    pub(crate) target: EntityId,
    pub(crate) health: u16,
    /// When it last appeared somewhere without walking there.
    pub(crate) placed: u64,
}

impl Creature {
    pub(crate) fn new(id: EntityId, species: SpeciesId, home: Position, health: u16) -> Self {
        Self {
            id,
            species,
            mood: Mood::Calm,
            since: 0,
            position: home,
            direction: Direction::STILL,
            home,
            until: 0,
            attack_at: 0,
            target: EntityId(0),
            health,
            placed: 0,
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.mood != Mood::Dead
    }

    /// It has something to do in this tick.
    pub(crate) fn is_awake(&self, tick: u64) -> bool {
        tick >= self.until || !self.direction.is_still() || self.mood == Mood::Chase
    }

    /// Takes on a mood, and thinks about it in the next tick.
    pub(crate) fn turn(&mut self, mood: Mood, target: EntityId, tick: u64) {
        self.mood = mood;
        self.target = target;
        self.since = tick;
        self.until = tick + 1;
    }
}

impl Row for Creature {
    fn id(&self) -> EntityId {
        self.id
    }
}

impl State for Mood {
    fn write(&self, sink: &mut impl Sink) {
        let number: u8 = match self {
            Self::Calm => 0,
            Self::Chase => 1,
            Self::Flee => 2,
            Self::Return => 3,
            Self::Dead => 4,
        };
        number.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        match u8::read(reader)? {
            0 => Ok(Self::Calm),
            1 => Ok(Self::Chase),
            2 => Ok(Self::Flee),
            3 => Ok(Self::Return),
            4 => Ok(Self::Dead),
            _ => Err(SnapshotError::Bad("mood")),
        }
    }
}

impl State for Creature {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            id,
            species: SpeciesId(species),
            mood,
            since,
            position,
            direction,
            home,
            until,
            attack_at,
            target,
            health,
            placed,
        } = self;
        id.write(sink);
        species.write(sink);
        mood.write(sink);
        since.write(sink);
        position.write(sink);
        direction.write(sink);
        home.write(sink);
        until.write(sink);
        attack_at.write(sink);
        target.write(sink);
        health.write(sink);
        placed.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            id: State::read(reader)?,
            species: SpeciesId(State::read(reader)?),
            mood: State::read(reader)?,
            since: State::read(reader)?,
            position: State::read(reader)?,
            direction: State::read(reader)?,
            home: State::read(reader)?,
            until: State::read(reader)?,
            attack_at: State::read(reader)?,
            target: State::read(reader)?,
            health: State::read(reader)?,
            placed: State::read(reader)?,
        })
    }
}
