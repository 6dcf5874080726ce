//! Creatures: they wander, each with random numbers of its own, so that what one does never depends on
//! how many others there are.

use crate::movement::step;
use crate::params::{Params, TickRate};
use crate::rng::{Rng, Stream};
use crate::state::{Reader, Sink, SnapshotError, State};
use crate::terrain::Terrain;
use crate::units::{Direction, EntityId, Position};

/// Kinds of creatures of a genre.
pub(crate) const SPECIES: u8 = 6;
/// Ground for one creature, in square metres.
const SQUARE_METRES_EACH: u32 = 2000;
const MIN_COUNT: u32 = 16;
const MAX_COUNT: u32 = 20_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Creature {
    pub(crate) id: EntityId,
    pub(crate) species: u8,
    pub(crate) position: Position,
    pub(crate) direction: Direction,
    /// First tick at which it thinks again.
    pub(crate) until: u64,
    rng: Rng,
}

impl Creature {
    pub(crate) fn new(id: EntityId, seed: u64, terrain: &Terrain) -> Self {
        let mut rng = Rng::new(seed, Stream::Creatures, id.0);
        Self {
            id,
            species: u8::try_from(rng.below(SPECIES.into())).unwrap_or(0),
            position: terrain.anywhere(&mut rng),
            direction: Direction::STILL,
            until: 0,
            rng,
        }
    }

    pub(crate) fn tick(&mut self, tick: u64, rate: TickRate, speed: i32, terrain: &Terrain) {
        if tick >= self.until {
            self.think(tick, rate);
        }
        if self.direction.is_still() {
            return;
        }
        let to = step(terrain, self.position, self.direction, speed);
        if to == self.position {
            // Something is in the way.
            self.until = tick;
        }
        self.position = to;
    }

    fn think(&mut self, tick: u64, rate: TickRate) {
        let second = u32::from(rate.hz());
        self.until = tick + u64::from(second + self.rng.below(4 * second));
        let part = |byte: u64| i8::from_le_bytes([byte.to_le_bytes()[0]]).max(-127);
        self.direction = match self.rng.next() {
            // One time in three it rests.
            choice if choice % 3 == 0 => Direction::STILL,
            choice => Direction {
                x: part(choice >> 8),
                y: part(choice >> 16),
            },
        };
    }
}

/// How many creatures a world has.
pub(crate) fn count(params: &Params) -> u32 {
    let size = params.size_metres();
    (size * size / SQUARE_METRES_EACH).clamp(MIN_COUNT, MAX_COUNT)
}

/// Way of one tick at full speed, for each species: 0.9 to 2.4 m/s.
pub(crate) fn speeds(rate: TickRate) -> [i32; 6] {
    [0, 1, 2, 3, 4, 5].map(|species| (900 + 300 * species) / i32::from(rate.hz()))
}

impl State for Creature {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            id,
            species,
            position,
            direction,
            until,
            rng,
        } = self;
        id.write(sink);
        species.write(sink);
        position.write(sink);
        direction.write(sink);
        until.write(sink);
        rng.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            id: EntityId::read(reader)?,
            species: u8::read(reader)?,
            position: Position::read(reader)?,
            direction: Direction::read(reader)?,
            until: u64::read(reader)?,
            rng: Rng::read(reader)?,
        })
    }
}
