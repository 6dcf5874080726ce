//! Units of length and direction.

use crate::state::{Reader, Sink, SnapshotError, State};

/// Units in a metre: positions are whole millimetres.
pub const UNITS_PER_METRE: i32 = 1000;
/// Length of a [`Direction`] that means full speed.
pub const FULL_SPEED: i8 = 127;

/// Identity of an entity: given out once in the life of a world, never again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(pub u64);

/// A place, in millimetres from the world's south-west corner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// East.
    pub x: i32,
    /// North.
    pub y: i32,
}

impl Position {
    /// Square of the distance to `other`, in square millimetres.
    #[must_use]
    pub fn distance_squared(self, other: Self) -> u64 {
        let (x, y) = (
            u64::from(self.x.abs_diff(other.x)),
            u64::from(self.y.abs_diff(other.y)),
        );
        x * x + y * y
    }
}

/// Where a body wants to go: its length, up to [`FULL_SPEED`], is the share of full speed; longer
/// vectors mean full speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Direction {
    /// East.
    pub x: i8,
    /// North.
    pub y: i8,
}

impl Direction {
    /// No movement.
    pub const STILL: Self = Self { x: 0, y: 0 };

    /// The body stands still.
    #[must_use]
    pub fn is_still(self) -> bool {
        self == Self::STILL
    }
}

impl State for EntityId {
    fn write(&self, sink: &mut impl Sink) {
        let Self(number) = self;
        number.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self(u64::read(reader)?))
    }
}

impl State for Position {
    fn write(&self, sink: &mut impl Sink) {
        let Self { x, y } = self;
        x.write(sink);
        y.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            x: i32::read(reader)?,
            y: i32::read(reader)?,
        })
    }
}

impl State for Direction {
    fn write(&self, sink: &mut impl Sink) {
        let Self { x, y } = self;
        x.write(sink);
        y.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            x: i8::read(reader)?,
            y: i8::read(reader)?,
        })
    }
}
