//! Server side: one client's update.

use super::events::put_events;
use super::state::put_state;
use super::table::{EntityTable, Hot, Slot};
use super::{
    HAS_ACK, HAS_CHANGED, HAS_ENTERED, HAS_EVENTS, HAS_LEFT, HAS_MORE, HAS_MOVED, HAS_OWN,
    HAS_PLACED, HAS_SELF, HAS_TICK, UPDATE,
};
use crate::entity::{EntityId, EntityKind, Look, Position};
use crate::event::EventQueue;
use crate::json::{self, Changed, Entered, Moved, OwnState, Update};
use crate::limits::{MAX_SAFE_INTEGER, MAX_VIEW_ENTITIES};
use crate::message::{Format, Welcome};
use crate::motion::{Motion, Velocity, clamp};
use crate::own::SelfState;
use crate::wire::{put_text, put_varint, put_zigzag};

/// An entity that a client is to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which.
    pub id: EntityId,
    /// Where it is in the table.
    pub slot: Slot,
    /// It is shown less often when the server is short of time: see [`Moment::far`].
    pub far: bool,
}

/// One client's share of a tick.
#[derive(Debug)]
pub struct Moment<'a> {
    /// Last input applied; not lower than in the update before.
    pub ack: u32,
    /// Where the player is. Clamped to [`crate::limits::MAX_COORDINATE`].
    pub position: Position,
    /// Whom the client is to see from now on: any order, sorted by id here. None: those whom it saw
    /// before, as far as they are still there. The client's own entity, doubles, what is not in the
    /// table, and what goes beyond [`MAX_VIEW_ENTITIES`] (highest ids first) are left out.
    pub visible: Option<&'a mut [Sighting]>,
    /// Bring those up to date as well that are marked as far.
    pub far: bool,
    /// The player's own state. None: as in the update before.
    pub state: Option<&'a SelfState>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    id: EntityId,
    slot: Slot,
    /// Of the motion record that the client has.
    version: u32,
    look: Look,
    far: bool,
}

/// Server side, one per connection: what the client was last shown.
#[derive(Clone, Debug)]
pub struct SentView {
    format: Format,
    entity: EntityId,
    tick: u64,
    ack: u32,
    position: Position,
    entities: Vec<Sent>,
    state: Box<SelfState>,
}

impl SentView {
    /// The view of a client that was sent `welcome` and nothing else.
    #[must_use]
    pub fn new(format: Format, welcome: &Welcome) -> Self {
        Self {
            format,
            entity: welcome.entity,
            tick: welcome.tick,
            ack: welcome.ack,
            position: clamp(welcome.position),
            entities: Vec::new(),
            state: Box::default(),
        }
    }

    /// How the connection's messages are written.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// How many entities the client was last shown.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// The client was last shown nothing but itself.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    /// Whom the client was last shown, by ascending id, and whether as far.
    pub fn shown(&self) -> impl ExactSizeIterator<Item = Sighting> + '_ {
        self.entities
            .iter()
            .map(|&Sent { id, slot, far, .. }| Sighting { id, slot, far })
    }
}

/// Writes updates; holds the memory that it needs for one, so a server keeps one per writing thread
/// and allocates nothing per client and tick (JSON apart).
#[derive(Debug, Default)]
pub struct UpdateWriter {
    next: Vec<Sent>,
    /// Places in the old list.
    left: Vec<usize>,
    /// Places in the new list, as all that follow.
    entered: Vec<usize>,
    moved: Vec<usize>,
    placed: Vec<usize>,
    changed: Vec<usize>,
}

impl UpdateWriter {
    /// Appends one update to `out`, remembers in `sent` what it says, and takes the events that it
    /// brings out of `events`. Call it only when the message will be written, whole and in order.
    /// `table` is always the same one for one client.
    pub fn write(
        &mut self,
        table: &EntityTable,
        sent: &mut SentView,
        moment: Moment<'_>,
        events: &mut EventQueue,
        out: &mut Vec<u8>,
    ) {
        let Moment {
            ack,
            position,
            visible,
            far,
            state,
        } = moment;
        let tick = table
            .tick()
            .clamp(sent.tick, MAX_SAFE_INTEGER.max(sent.tick));
        let ack = ack.max(sent.ack);
        let position = clamp(position);
        let own = (tick, ack, position);

        let Self {
            next: _,
            left,
            entered,
            moved,
            placed,
            changed,
        } = self;
        for list in [left, entered, moved, placed, changed] {
            list.clear();
        }
        // JSON names those that left, so they are looked up while the old list is there.
        let mut gone = Vec::new();
        let old = (sent.format == Format::Json).then(|| sent.entities.clone());
        match visible {
            None => self.keep(table, sent, far),
            Some(visible) => self.compare(table, sent, visible, far),
        }
        if let Some(old) = old {
            gone.extend(self.left.iter().map(|&at| old[at].id));
        }
        let state = state.filter(|state| **state != *sent.state);

        match sent.format {
            Format::Binary => self.write_binary(table, sent, own, state, events, out),
            Format::Json => {
                let update = self.as_json(table, sent, own, gone, state, events);
                json::encode_update(&update, out);
            }
        }
        sent.tick = tick;
        sent.ack = ack;
        sent.position = position;
        if let Some(state) = state {
            sent.state.as_mut().clone_from(state);
        }
    }

    /// The same entities as before, but for those that are gone.
    fn keep(&mut self, table: &EntityTable, sent: &mut SentView, far: bool) {
        let mut kept = 0;
        for at in 0..sent.entities.len() {
            let entity = &mut sent.entities[at];
            match table.hot(entity.slot) {
                Some(hot) if hot.id == entity.id => {
                    // Most entities of most updates end here.
                    if hot.version != entity.version || hot.look != entity.look {
                        self.follow(kept, entity, hot, far);
                    }
                    if kept != at {
                        sent.entities[kept] = sent.entities[at];
                    }
                    kept += 1;
                }
                _ => self.left.push(at),
            }
        }
        sent.entities.truncate(kept);
    }

    /// Merges the two sorted lists.
    fn compare(
        &mut self,
        table: &EntityTable,
        sent: &mut SentView,
        visible: &mut [Sighting],
        far: bool,
    ) {
        self.next.clear();
        visible.sort_unstable_by_key(|sighting| sighting.id);
        let mut old = 0;
        let mut last = None;
        for sighting in visible {
            let id = sighting.id;
            if id == sent.entity || last == Some(id) {
                continue;
            }
            let Some(hot) = table.hot(sighting.slot).filter(|hot| hot.id == id) else {
                continue;
            };
            if self.next.len() == MAX_VIEW_ENTITIES {
                break;
            }
            last = Some(id);
            while sent.entities.get(old).is_some_and(|known| known.id < id) {
                self.left.push(old);
                old += 1;
            }
            let rank = self.next.len();
            let known = sent.entities.get(old).filter(|known| known.id == id);
            let entity = if let Some(&known) = known {
                old += 1;
                let mut entity = Sent {
                    far: sighting.far,
                    ..known
                };
                if known.slot != sighting.slot {
                    // It was away for a while: versions of another slot tell nothing.
                    entity.slot = sighting.slot;
                    entity.version = hot.version.wrapping_sub(2);
                }
                self.follow(rank, &mut entity, hot, far);
                entity
            } else {
                self.entered.push(rank);
                Sent {
                    id,
                    slot: sighting.slot,
                    version: hot.version,
                    look: hot.look,
                    far: sighting.far,
                }
            };
            self.next.push(entity);
        }
        self.left.extend(old..sent.entities.len());
        std::mem::swap(&mut sent.entities, &mut self.next);
    }

    /// Notes what has become of an entity that stays in view.
    fn follow(&mut self, rank: usize, entity: &mut Sent, hot: Hot, far: bool) {
        if hot.version != entity.version && (far || !entity.far) {
            // The shared bytes count from the record before this tick's.
            if hot.delta != 0 && hot.version == entity.version.wrapping_add(1) {
                self.moved.push(rank);
            } else {
                self.placed.push(rank);
            }
            entity.version = hot.version;
        }
        if hot.look != entity.look {
            self.changed.push(rank);
            entity.look = hot.look;
        }
    }

    fn write_binary(
        &self,
        table: &EntityTable,
        sent: &SentView,
        (tick, ack, position): (u64, u32, Position),
        state: Option<&SelfState>,
        events: &mut EventQueue,
        out: &mut Vec<u8>,
    ) {
        let mut more = 0;
        for (flag, is_there) in [
            (HAS_PLACED, !self.placed.is_empty()),
            (HAS_CHANGED, !self.changed.is_empty()),
            (HAS_SELF, state.is_some()),
            (HAS_EVENTS, !events.is_empty()),
        ] {
            if is_there {
                more |= flag;
            }
        }
        let start = out.len();
        let mut flags = UPDATE;
        out.push(flags);
        if more != 0 {
            flags |= HAS_MORE;
            out.push(more);
        }
        let ticks = tick - sent.tick;
        if ticks != 1 {
            flags |= HAS_TICK;
            put_varint(out, ticks);
        }
        if ack != sent.ack {
            flags |= HAS_ACK;
            put_varint(out, u64::from(ack - sent.ack));
        }
        if position != sent.position {
            flags |= HAS_OWN;
            put_zigzag(out, position.x - sent.position.x);
            put_zigzag(out, position.y - sent.position.y);
        }
        if !self.left.is_empty() {
            flags |= HAS_LEFT;
            put_ranks(&self.left, out, |_, _| {});
        }
        if !self.entered.is_empty() {
            flags |= HAS_ENTERED;
            put_varint(out, self.entered.len() as u64);
            let mut next = 0;
            for &rank in &self.entered {
                let entity = &sent.entities[rank];
                put_varint(out, entity.id.0 - next);
                // Nothing follows the highest id, so what it wraps to is never used.
                next = entity.id.0.wrapping_add(1);
                put_entered(table, entity, tick, out);
            }
        }
        if !self.moved.is_empty() {
            flags |= HAS_MOVED;
            put_ranks(&self.moved, out, |rank, out| {
                out.extend_from_slice(table.delta(sent.entities[rank].slot));
            });
        }
        if !self.placed.is_empty() {
            put_ranks(&self.placed, out, |rank, out| {
                put_motion(table.known_motion(sent.entities[rank].slot), tick, out);
            });
        }
        if !self.changed.is_empty() {
            put_ranks(&self.changed, out, |rank, out| {
                out.push(sent.entities[rank].look.0);
            });
        }
        if let Some(state) = state {
            put_state(&sent.state, state, tick, out);
        }
        if !events.is_empty() {
            put_events(events.take(), out);
        }
        out[start] = flags;
    }

    fn as_json(
        &self,
        table: &EntityTable,
        sent: &SentView,
        (tick, ack, position): (u64, u32, Position),
        left: Vec<EntityId>,
        state: Option<&SelfState>,
        events: &mut EventQueue,
    ) -> Update {
        let motion = |entity: &Sent| as_of(table.known_motion(entity.slot), tick);
        let entered = |&rank: &usize| {
            let entity = &sent.entities[rank];
            let kind = table.kind(entity.slot);
            let name = table.name(entity.slot).cloned();
            Entered::new(entity.id, kind, name, entity.look, motion(entity))
        };
        let mut moved: Vec<_> = self.moved.iter().chain(&self.placed).copied().collect();
        moved.sort_unstable();
        Update {
            tick,
            ack,
            position,
            left,
            entered: self.entered.iter().map(entered).collect(),
            moved: moved
                .into_iter()
                .map(|rank| Moved::new(sent.entities[rank].id, motion(&sent.entities[rank])))
                .collect(),
            changed: self
                .changed
                .iter()
                .map(|&rank| Changed {
                    id: sent.entities[rank].id,
                    look: sent.entities[rank].look,
                })
                .collect(),
            own: state.map(|state| OwnState::new(state, tick)),
            events: events.take().map(std::sync::Arc::unwrap_or_clone).collect(),
        }
    }
}

/// A list of entities by ascending rank, each rank as its distance from the lowest one possible.
fn put_ranks(ranks: &[usize], out: &mut Vec<u8>, mut put: impl FnMut(usize, &mut Vec<u8>)) {
    put_varint(out, ranks.len() as u64);
    let mut next = 0;
    for &rank in ranks {
        put_varint(out, (rank - next) as u64);
        next = rank + 1;
        put(rank, out);
    }
}

fn put_entered(table: &EntityTable, entity: &Sent, tick: u64, out: &mut Vec<u8>) {
    let kind = table.kind(entity.slot);
    let motion = table.known_motion(entity.slot);
    out.push(kind.number());
    match kind {
        EntityKind::Player => {
            put_text(
                out,
                table.name(entity.slot).map_or("?", |name| name.as_str()),
            );
        }
        EntityKind::Creature { species: number }
        | EntityKind::Resource { resource: number }
        | EntityKind::Station { station: number } => out.push(number),
        EntityKind::Loot => {}
    }
    out.push(entity.look.0);
    if kind.moves() {
        put_motion(motion, tick, out);
    } else {
        put_zigzag(out, motion.position.x);
        put_zigzag(out, motion.position.y);
    }
}

/// A motion record in full: position, age, velocity.
fn put_motion(motion: &Motion, tick: u64, out: &mut Vec<u8>) {
    put_zigzag(out, motion.position.x);
    put_zigzag(out, motion.position.y);
    put_varint(out, tick - as_of(motion, tick).tick);
    out.push(motion.velocity.x.cast_unsigned());
    out.push(motion.velocity.y.cast_unsigned());
}

/// The record as a client has it that learns of it at `tick`: one of an entity that stands still
/// begins with the update, and none is older than the limit.
fn as_of(motion: &Motion, tick: u64) -> Motion {
    let age = if motion.velocity == Velocity::ZERO {
        0
    } else {
        u64::from(motion.age(tick))
    };
    Motion {
        tick: tick - age.min(tick),
        ..*motion
    }
}
