//! Players' bodies.

use crate::state::{Reader, Sink, SnapshotError, State};
use crate::units::{Direction, EntityId, Position};

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

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Player {
    pub(crate) id: EntityId,
    pub(crate) name: Box<str>,
    pub(crate) position: Position,
    pub(crate) direction: Direction,
    /// Last input applied.
    pub(crate) seq: u32,
    /// False while the connection is lost: the body stands still until its player is back.
    pub(crate) present: bool,
}

impl State for Player {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            id,
            name,
            position,
            direction,
            seq,
            present,
        } = self;
        id.write(sink);
        name.write(sink);
        position.write(sink);
        direction.write(sink);
        seq.write(sink);
        present.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            id: EntityId::read(reader)?,
            name: Box::read(reader)?,
            position: Position::read(reader)?,
            direction: Direction::read(reader)?,
            seq: u32::read(reader)?,
            present: bool::read(reader)?,
        })
    }
}
