//! What bots are shown of each other, against the truth.
//!
//! All bots of a world share a [`Board`]. Each writes down where the server says its own body was at
//! each tick: that is the truth. Each also picks one of the others that it sees at every tick and leaves
//! a [`Glance`]: where that one was shown. A glance is judged once both have heard of its tick.

use std::collections::{BTreeMap, VecDeque};

use hdrhistogram::Histogram;
use worldkeeper_sim::Position;

use super::record::Distances;

/// Ticks for which truth is kept.
const KEPT: usize = 256;
/// Glances of a bot that may wait to be judged.
pub(super) const MAX_GLANCES: usize = 64;
/// Up to here an entity counts as near, in millimetres.
const NEAR: u64 = 10_000;
/// Largest error that is told from larger ones, in millimetres.
const MAX_ERROR: u64 = 1_000_000;

/// Where a body was, tick by tick: a ring.
#[derive(Clone, Debug)]
struct Track {
    /// The last tick written; 0 for none.
    last: u64,
    /// By tick modulo its length.
    places: Box<[(u64, Position)]>,
}

/// What is known of a body at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    At(Position),
    /// Its bot has not heard of that tick yet.
    NotYet,
    /// Its bot was not told of that tick, or too long ago.
    Never,
}

impl Track {
    fn new() -> Self {
        Self {
            last: 0,
            places: vec![(0, Position::default()); KEPT].into_boxed_slice(),
        }
    }

    fn write(&mut self, tick: u64, position: Position) {
        self.last = tick;
        if let Some(place) = self.places.get_mut(index(tick)) {
            *place = (tick, position);
        }
    }

    fn at(&self, tick: u64) -> Truth {
        match self.places.get(index(tick)) {
            Some((written, position)) if *written == tick => Truth::At(*position),
            _ if tick > self.last => Truth::NotYet,
            _ => Truth::Never,
        }
    }
}

fn index(tick: u64) -> usize {
    usize::try_from(tick % KEPT as u64).unwrap_or(0)
}

/// Where a bot was shown another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Glance {
    pub(super) entity: u64,
    pub(super) tick: u64,
    pub(super) shown: Position,
    /// Of the one who looks.
    pub(super) from: Position,
}

/// How far off what was shown is, in millimetres.
#[derive(Clone, Debug)]
pub(super) struct Errors {
    /// None only if the bounds were no bounds.
    histogram: Option<Histogram<u64>>,
}

impl Errors {
    pub(super) fn new() -> Self {
        Self {
            histogram: Histogram::new_with_bounds(1, MAX_ERROR, 3).ok(),
        }
    }

    fn add(&mut self, millimetres: u64) {
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(millimetres);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if let (Some(all), Some(one)) = (&mut self.histogram, &other.histogram) {
            // Bounds are the same everywhere.
            let added = all.add(one);
            debug_assert!(added.is_ok(), "{added:?}");
        }
    }

    pub(super) fn clear(&mut self) {
        if let Some(histogram) = &mut self.histogram {
            histogram.reset();
        }
    }

    pub(super) fn distances(&self) -> Distances {
        let Some(histogram) = self.histogram.as_ref().filter(|all| !all.is_empty()) else {
            return Distances::default();
        };
        #[allow(clippy::cast_precision_loss)] // three digits of it are significant
        let metres = |millimetres: u64| millimetres as f64 / 1_000.0;
        Distances {
            count: histogram.len(),
            p50: metres(histogram.value_at_quantile(0.5)),
            p99: metres(histogram.value_at_quantile(0.99)),
            max: metres(histogram.max()),
        }
    }
}

/// The truth about one incarnation of a world, and how what was shown compares with it.
#[derive(Clone, Debug)]
pub(super) struct Board {
    tracks: BTreeMap<u64, Track>,
    /// By number of the bot: which body it has.
    bodies: BTreeMap<u32, u64>,
    pub(super) near: Errors,
    pub(super) far: Errors,
    /// Glances at ticks that the other bot never heard of.
    pub(super) unjudged: u64,
}

impl Board {
    pub(super) fn new() -> Self {
        Self {
            tracks: BTreeMap::new(),
            bodies: BTreeMap::new(),
            near: Errors::new(),
            far: Errors::new(),
            unjudged: 0,
        }
    }

    /// A bot is inside, in this body.
    pub(super) fn enter(&mut self, bot: u32, entity: u64) {
        self.tracks.entry(entity).or_insert_with(Track::new);
        self.bodies.insert(bot, entity);
    }

    /// A bot is inside no longer.
    pub(super) fn leave(&mut self, bot: u32) {
        if let Some(entity) = self.bodies.remove(&bot) {
            self.tracks.remove(&entity);
        }
    }

    /// Nobody is inside.
    pub(super) fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    /// The body of a bot that is inside, and where it was last.
    pub(super) fn whereabouts(&self, bot: u32) -> Option<(u64, Position)> {
        let entity = *self.bodies.get(&bot)?;
        let track = self.tracks.get(&entity)?;
        match track.at(track.last) {
            Truth::At(position) if track.last > 0 => Some((entity, position)),
            _ => None,
        }
    }

    /// The server says where a bot's own body was.
    pub(super) fn write(&mut self, entity: u64, tick: u64, position: Position) {
        if let Some(track) = self.tracks.get_mut(&entity) {
            track.write(tick, position);
        }
    }

    /// Judges what can be judged by now, oldest first; `now` is the bot's last tick.
    pub(super) fn judge(&mut self, glances: &mut VecDeque<Glance>, now: u64) {
        while let Some(glance) = glances.front() {
            match self
                .tracks
                .get(&glance.entity)
                .map(|track| track.at(glance.tick))
            {
                Some(Truth::At(truth)) => {
                    let error = truth.distance_squared(glance.shown).isqrt();
                    if glance.from.distance_squared(truth) <= NEAR * NEAR {
                        self.near.add(error);
                    } else {
                        self.far.add(error);
                    }
                }
                Some(Truth::NotYet) if now < glance.tick + KEPT as u64 => return,
                Some(Truth::NotYet | Truth::Never) => self.unjudged += 1,
                // No bot of ours, or one that has left.
                None => {}
            }
            glances.pop_front();
        }
    }

    /// It is the body of a bot.
    pub(super) fn knows(&self, entity: u64) -> bool {
        self.tracks.contains_key(&entity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(x: i32) -> Position {
        Position { x, y: 0 }
    }

    fn glance(tick: u64, shown: i32, from: i32) -> Glance {
        Glance {
            entity: 7,
            tick,
            shown: place(shown),
            from: place(from),
        }
    }

    #[test]
    fn what_was_shown_is_compared_at_the_same_tick() {
        let mut board = Board::new();
        board.enter(1, 7);
        for tick in 10..20 {
            board.write(7, tick, place(1_000 * i32::try_from(tick).unwrap_or(0)));
        }
        let mut glances = VecDeque::from([
            glance(12, 12_100, 12_000),
            glance(13, 12_000, 0),
            glance(20, 0, 0),
            glance(14, 14_000, 14_000),
        ]);
        board.judge(&mut glances, 20);
        // Tick 20 has not come for that one yet, and what follows waits behind it.
        assert_eq!(glances.len(), 2);
        assert_eq!(
            (board.near.distances().count, board.far.distances().count),
            (1, 1)
        );
        assert!((board.near.distances().max - 0.1).abs() < 0.001);
        assert!((board.far.distances().max - 1.0).abs() < 0.002);
        board.write(7, 21, place(0));
        board.judge(&mut glances, 21);
        assert!(glances.is_empty());
        assert_eq!((board.unjudged, board.near.distances().count), (1, 2));
    }

    #[test]
    fn strangers_and_those_who_left_are_not_judged() {
        let mut board = Board::new();
        let mut glances = VecDeque::from([glance(1, 0, 0)]);
        board.judge(&mut glances, 1);
        board.enter(1, 7);
        board.write(7, 1, place(5));
        assert_eq!(board.whereabouts(1), Some((7, place(5))));
        board.leave(1);
        assert!(board.is_empty() && board.whereabouts(1).is_none());
        assert_eq!((glances.len(), board.unjudged), (0, 0));
    }

    #[test]
    fn a_tick_that_was_left_out_is_no_truth() {
        let mut board = Board::new();
        board.enter(1, 7);
        board.write(7, 5, place(0));
        board.write(7, 5 + KEPT as u64, place(1));
        let mut glances = VecDeque::from([glance(5, 0, 0), glance(6, 0, 0)]);
        board.judge(&mut glances, 300);
        assert_eq!((glances.len(), board.unjudged), (0, 2));
    }
}
