//! What of every entity clients may be shown, as published in this tick: one table for all clients.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::writer::Sighting;
use crate::entity::{EntityId, EntityKind, Look, Position};
use crate::motion::{Motion, Velocity, clamp};
use crate::names::PlayerName;
use crate::wire::zigzag;

/// Longest spelling of an entry of `moved` without its rank: two zigzags and two bytes.
const MAX_DELTA_BYTES: usize = 5 + 5 + 2;

/// Place of an entity in an [`EntityTable`], as long as it is there; reused later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub(super) u32);

impl Slot {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// An entity in this tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Where it is. Clamped to [`crate::limits::MAX_COORDINATE`].
    pub position: Position,
    /// Its way in this tick, east and north, in millimetres.
    pub displacement: (i32, i32),
    /// What others see of its state.
    pub look: Look,
}

/// What the walk over a client's view reads of every entity in it, in a quarter of a cache line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hot {
    pub(super) id: EntityId,
    /// Goes up by one with each motion record.
    pub(super) version: u32,
    pub(super) look: Look,
    /// Bytes in [`EntityTable::deltas`]: not 0 only in the tick that made the record.
    pub(super) delta: u8,
    /// The slot is in use.
    pub(super) here: bool,
}

/// What only an entity that enters a view is asked for.
#[derive(Clone, Debug)]
struct Cold {
    kind: EntityKind,
    name: Option<PlayerName>,
}

/// All entities that clients may be shown, with the motion record of each: who is shown what is
/// worked out against this, so that a record is made, and its bytes written, once for everyone.
///
/// In each tick: [`EntityTable::begin`], then [`EntityTable::enter`], [`EntityTable::leave`] and
/// [`EntityTable::observe`] (of every player and creature), then one
/// [`UpdateWriter::write`](super::UpdateWriter::write) for each client. It allocates only while it
/// grows.
#[derive(Debug)]
pub struct EntityTable {
    tick: u64,
    tick_rate_hz: u8,
    bound: u32,
    hot: Vec<Hot>,
    motions: Vec<Motion>,
    deltas: Vec<[u8; MAX_DELTA_BYTES]>,
    cold: Vec<Cold>,
    free: Vec<Slot>,
    /// Those whose record was made in this tick.
    fresh: Vec<Slot>,
    slots: HashMap<EntityId, Slot, BuildHasherDefault<IdHasher>>,
}

impl EntityTable {
    /// An empty table of a world with that tick rate (see `Welcome`), at `tick`. An entity gets a new
    /// motion record when it would be shown more than `bound` millimetres from where it is.
    #[must_use]
    pub fn new(tick_rate_hz: u8, tick: u64, bound: u32) -> Self {
        Self {
            tick,
            tick_rate_hz,
            bound,
            hot: Vec::new(),
            motions: Vec::new(),
            deltas: Vec::new(),
            cold: Vec::new(),
            free: Vec::new(),
            fresh: Vec::new(),
            slots: HashMap::default(),
        }
    }

    /// Begins a tick: the one that the world has just finished.
    pub fn begin(&mut self, tick: u64) {
        self.tick = tick;
        for slot in self.fresh.drain(..) {
            self.hot[slot.index()].delta = 0;
        }
    }

    /// The tick that is being shown.
    #[must_use]
    pub fn tick(&self) -> u64 {
        self.tick
    }

    /// Ticks a second.
    #[must_use]
    pub fn tick_rate_hz(&self) -> u8 {
        self.tick_rate_hz
    }

    /// How many entities there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Adds an entity. `name` is of a player; one without shows as `?`. One that is there already
    /// stays as it is.
    pub fn enter(
        &mut self,
        id: EntityId,
        kind: EntityKind,
        name: Option<&PlayerName>,
        observed: Observed,
    ) -> Slot {
        if let Some(&slot) = self.slots.get(&id) {
            return slot;
        }
        let velocity = if kind.moves() {
            let (dx, dy) = observed.displacement;
            Velocity::of_displacement(dx, dy, self.tick_rate_hz)
        } else {
            Velocity::ZERO
        };
        let free = self.free.pop();
        // A client that knew the entity before, in the same slot, must see that this is another record,
        // and not the one after the one that it has.
        let version = free.map_or(0, |slot| self.hot[slot.index()].version.wrapping_add(2));
        let hot = Hot {
            id,
            version,
            look: observed.look,
            delta: 0,
            here: true,
        };
        let motion = Motion {
            tick: self.tick,
            position: clamp(observed.position),
            velocity,
        };
        let cold = Cold {
            kind,
            name: match kind {
                EntityKind::Player => name.cloned().or_else(|| PlayerName::new("?").ok()),
                _ => None,
            },
        };
        let slot = if let Some(slot) = free {
            self.hot[slot.index()] = hot;
            self.motions[slot.index()] = motion;
            self.cold[slot.index()] = cold;
            slot
        } else {
            // A world has far fewer entities than that.
            let slot = Slot(u32::try_from(self.hot.len()).unwrap_or(u32::MAX));
            self.hot.push(hot);
            self.motions.push(motion);
            self.deltas.push([0; MAX_DELTA_BYTES]);
            self.cold.push(cold);
            slot
        };
        self.slots.insert(id, slot);
        slot
    }

    /// Takes an entity out: it leaves every view that it is in with that view's next update.
    pub fn leave(&mut self, slot: Slot) {
        if let Some(hot) = self.hot.get_mut(slot.index())
            && hot.here
        {
            hot.here = false;
            hot.delta = 0;
            self.slots.remove(&hot.id);
            self.fresh.retain(|fresh| *fresh != slot);
            self.free.push(slot);
        }
    }

    /// How an entity is in this tick: makes a new motion record if the last one shows it too far from
    /// where it is. Once a tick for each that moves. True if there is a new record.
    pub fn observe(&mut self, slot: Slot, observed: Observed) -> bool {
        let Observed {
            position,
            displacement,
            look,
        } = observed;
        self.set_look(slot, look);
        let at = slot.index();
        let (Some(hot), Some(motion)) = (self.hot.get_mut(at), self.motions.get_mut(at)) else {
            return false;
        };
        if !hot.here || hot.delta != 0 || !self.cold[at].kind.moves() {
            return false;
        }
        let position = clamp(position);
        let next = Motion::follow(
            motion,
            position,
            displacement,
            self.tick,
            self.tick_rate_hz,
            self.bound,
        );
        let Some(next) = next else { return false };
        let shown = motion.shown(self.tick, self.tick_rate_hz);
        hot.delta = encode_delta(&mut self.deltas[at], shown, &next);
        hot.version = hot.version.wrapping_add(1);
        *motion = next;
        self.fresh.push(slot);
        true
    }

    /// Changes what others see of an entity's state. For those that never move this is all there is.
    pub fn set_look(&mut self, slot: Slot, look: Look) {
        if let Some(hot) = self.hot.get_mut(slot.index()) {
            hot.look = look;
        }
    }

    /// Where an entity is in the table.
    #[must_use]
    pub fn slot(&self, id: EntityId) -> Option<Slot> {
        self.slots.get(&id).copied()
    }

    /// An entity in a client's view is still where it was in the table.
    #[must_use]
    pub fn holds(&self, sighting: &Sighting) -> bool {
        self.hot(sighting.slot)
            .is_some_and(|hot| hot.id == sighting.id)
    }

    /// What an entity in a client's view is and where it is shown in this tick, as long as it is there.
    #[must_use]
    pub fn find(&self, sighting: &Sighting) -> Option<(EntityKind, Position)> {
        self.hot(sighting.slot)
            .filter(|hot| hot.id == sighting.id)?;
        Some((self.kind(sighting.slot), self.shown(sighting.slot)?))
    }

    /// Where clients show an entity in this tick.
    #[must_use]
    pub fn shown(&self, slot: Slot) -> Option<Position> {
        let motion = self.motions.get(slot.index())?;
        Some(motion.shown(self.tick, self.tick_rate_hz))
    }

    /// The motion record of an entity.
    #[must_use]
    pub fn motion(&self, slot: Slot) -> Option<&Motion> {
        self.motions.get(slot.index())
    }

    pub(super) fn hot(&self, slot: Slot) -> Option<Hot> {
        self.hot.get(slot.index()).copied().filter(|hot| hot.here)
    }

    /// The bytes of an entry of `moved`, without its rank.
    pub(super) fn delta(&self, slot: Slot) -> &[u8] {
        let at = slot.index();
        &self.deltas[at][..usize::from(self.hot[at].delta)]
    }

    pub(super) fn kind(&self, slot: Slot) -> EntityKind {
        self.cold[slot.index()].kind
    }

    pub(super) fn name(&self, slot: Slot) -> Option<&PlayerName> {
        self.cold[slot.index()].name.as_ref()
    }

    pub(super) fn known_motion(&self, slot: Slot) -> &Motion {
        &self.motions[slot.index()]
    }
}

/// `moved`: the way from where the old record shows the entity, and the velocity.
fn encode_delta(out: &mut [u8; MAX_DELTA_BYTES], shown: Position, next: &Motion) -> u8 {
    let mut length = 0_u8;
    let mut push = |byte: u8| {
        out[usize::from(length)] = byte;
        length += 1;
    };
    let ways = [
        next.position.x - shown.x, // both are clamped: no difference overflows
        next.position.y - shown.y,
    ];
    for way in ways {
        let mut rest = zigzag(way);
        while rest >= 0x80 {
            push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        push((rest & 0x7f) as u8);
    }
    push(next.velocity.x.cast_unsigned());
    push(next.velocity.y.cast_unsigned());
    length
}

/// Spreads ids, which are given out in sequence and by the server alone: nobody can choose them so
/// that they collide.
#[derive(Clone, Copy, Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        // Fibonacci hashing: 2^64 divided by the golden ratio.
        let mixed = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }
}
