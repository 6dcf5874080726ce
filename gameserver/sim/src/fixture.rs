//! What stands still: resources, stations, and bags on the ground.

use crate::content::{ResourceId, StationId};
use crate::pages::Row;
use crate::state::{Reader, Sink, SnapshotError, State};
use crate::units::{EntityId, Position};
use crate::view::Stack;

/// Something to gather from. Its page is only touched when somebody does, or when it has grown again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) id: EntityId,
    pub(crate) kind: ResourceId,
    pub(crate) position: Position,
    /// How often it still gives.
    pub(crate) charges: u8,
    /// The tick at which it is full again; 0 when it is.
    pub(crate) due: u64,
}

/// Something to work at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Station {
    pub(crate) id: EntityId,
    pub(crate) kind: StationId,
    pub(crate) position: Position,
    /// The tick at which it is no longer locked; 0 when it is not.
    pub(crate) due: u64,
}

/// A bag on the ground.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bag {
    pub(crate) id: EntityId,
    pub(crate) position: Position,
    /// The tick at which it vanishes. All bags last equally long, so it ascends with the id.
    pub(crate) expires: u64,
    /// Never empty.
    pub(crate) stacks: Vec<Stack>,
}

impl Row for Resource {
    fn id(&self) -> EntityId {
        self.id
    }
}

impl Row for Station {
    fn id(&self) -> EntityId {
        self.id
    }
}

impl Row for Bag {
    fn id(&self) -> EntityId {
        self.id
    }
}

impl State for Resource {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            id,
            kind: ResourceId(kind),
            position,
            charges,
            due,
        } = self;
        id.write(sink);
        kind.write(sink);
        position.write(sink);
        charges.write(sink);
        due.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            id: State::read(reader)?,
            kind: ResourceId(State::read(reader)?),
            position: State::read(reader)?,
            charges: State::read(reader)?,
            due: State::read(reader)?,
        })
    }
}

impl State for Station {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            id,
            kind: StationId(kind),
            position,
            due,
        } = self;
        id.write(sink);
        kind.write(sink);
        position.write(sink);
        due.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            id: State::read(reader)?,
            kind: StationId(State::read(reader)?),
            position: State::read(reader)?,
            due: State::read(reader)?,
        })
    }
}

impl State for Bag {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            id,
            position,
            expires,
            stacks,
        } = self;
        id.write(sink);
        position.write(sink);
        expires.write(sink);
        stacks.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            id: State::read(reader)?,
            position: State::read(reader)?,
            expires: State::read(reader)?,
            stacks: State::read(reader)?,
        })
    }
}
