//! Where everybody was during the last second, for actions of players who saw the others late. It is
//! state: a restored world must decide such an action as the whole one would have.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use crate::state::{Hasher, Reader, Sink, SnapshotError, State};
use crate::units::{EntityId, Position};

/// Positions after one tick.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    tick: u64,
    /// By id.
    players: Vec<(EntityId, Position)>,
    /// By id, which is one more than the place here.
    creatures: Vec<Position>,
    hash: OnceLock<u64>,
}

impl Frame {
    fn full_hash(&self) -> u64 {
        let mut hasher = Hasher::new();
        self.write(&mut hasher);
        hasher.finish()
    }
}

/// The frames of the last second; each but the first is of the tick after the one before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    frames: VecDeque<Arc<Frame>>,
}

impl History {
    /// Adds the frame of `tick`, and drops what is older than `most` frames.
    pub(crate) fn push(
        &mut self,
        tick: u64,
        most: u8,
        players: impl Iterator<Item = (EntityId, Position)>,
        creatures: impl Iterator<Item = Position>,
    ) {
        // The oldest frame's memory is used again, unless a frozen world still has it.
        let mut frame = Frame::default();
        while self.frames.len() >= most.into() {
            if let Some(oldest) = self.frames.pop_front()
                && let Ok(oldest) = Arc::try_unwrap(oldest)
            {
                frame = oldest;
            }
        }
        let Frame {
            tick: at,
            players: theirs,
            creatures: wild,
            hash,
        } = &mut frame;
        *at = tick;
        theirs.clear();
        theirs.extend(players);
        wild.clear();
        wild.extend(creatures);
        hash.take();
        self.frames.push_back(Arc::new(frame));
    }

    fn frame(&self, tick: u64) -> Option<&Frame> {
        let oldest = self.frames.front()?.tick;
        let age = u16::try_from(tick.checked_sub(oldest)?).ok()?;
        self.frames.get(age.into()).map(|frame| &**frame)
    }

    /// Where a player was; none where the history does not know.
    pub(crate) fn player(&self, tick: u64, id: EntityId) -> Option<Position> {
        let players = &self.frame(tick)?.players;
        let at = players.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        players.get(at).map(|(_, position)| *position)
    }

    /// Where a creature was; none where the history does not know.
    #[expect(clippy::disallowed_types, reason = "an index, not kept")]
    pub(crate) fn creature(&self, tick: u64, rank: u32) -> Option<Position> {
        let at: usize = rank.try_into().ok()?;
        self.frame(tick)?.creatures.get(at).copied()
    }

    pub(crate) fn hash_into(&self, hasher: &mut Hasher) {
        for frame in &self.frames {
            hasher.put(*frame.hash.get_or_init(|| frame.full_hash()), 8);
        }
    }

    pub(crate) fn full_hash_into(&self, hasher: &mut Hasher) {
        for frame in &self.frames {
            hasher.put(frame.full_hash(), 8);
        }
    }

    /// What is read fits a world at `tick` with so many `creatures`, that keeps `most` frames.
    pub(crate) fn fits(&self, tick: u64, most: u8, creatures: u32) -> bool {
        let count = u64::try_from(self.frames.len()).unwrap_or(u64::MAX);
        let expected = tick.min(most.into());
        let ticks = (tick + 1 - expected)..;
        count == expected
            && self.frames.iter().zip(ticks).all(|(frame, tick)| {
                frame.tick == tick
                    && u32::try_from(frame.creatures.len()) == Ok(creatures)
                    && frame.players.is_sorted_by(|(a, _), (b, _)| a < b)
            })
    }
}

impl State for Frame {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            tick,
            players,
            creatures,
            hash: _,
        } = self;
        tick.write(sink);
        players.write(sink);
        creatures.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            tick: u64::read(reader)?,
            players: Vec::read(reader)?,
            creatures: Vec::read(reader)?,
            hash: OnceLock::new(),
        })
    }
}

impl State for History {
    fn write(&self, sink: &mut impl Sink) {
        let Self { frames } = self;
        u8::try_from(frames.len()).unwrap_or(u8::MAX).write(sink);
        for frame in frames {
            frame.write(sink);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let count = u8::read(reader)?;
        let frames = (0..count).map(|_| Frame::read(reader).map(Arc::new));
        Ok(Self {
            frames: frames.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: i32) -> Position {
        Position { x, y: 0 }
    }

    #[test]
    fn remembers_a_second_and_no_more() {
        let mut history = History::default();
        for tick in 1..=50_u64 {
            let x = i32::try_from(tick).unwrap();
            history.push(
                tick,
                20,
                [(EntityId(9), at(x))].into_iter(),
                [at(-x)].into_iter(),
            );
            assert!(history.fits(tick, 20, 1));
        }
        for (tick, expect) in [
            (50, Some(50)),
            (31, Some(31)),
            (30, None),
            (51, None),
            (0, None),
            (u64::MAX, None),
        ] {
            assert_eq!(history.player(tick, EntityId(9)), expect.map(at), "{tick}");
            assert_eq!(
                history.creature(tick, 0),
                expect.map(|x: i32| at(-x)),
                "{tick}"
            );
        }
        assert_eq!(history.player(50, EntityId(8)), None);
        assert_eq!(history.creature(50, 1), None);
    }
}
