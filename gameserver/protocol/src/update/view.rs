//! Client side: what the server has shown.

use super::events::{check_events, read_events};
use super::state::read_state;
use super::{
    HAS_ACK, HAS_CHANGED, HAS_ENTERED, HAS_EVENTS, HAS_LEFT, HAS_MORE, HAS_MOVED, HAS_OWN,
    HAS_PLACED, HAS_SELF, HAS_TICK, KNOWN_MORE, UPDATE,
};
use crate::entity::{EntityId, EntityKind, Look, Position};
use crate::error::DecodeError;
use crate::event::EventMessage;
use crate::json::{self, Changed, Moved, ServerIn, Update};
use crate::limits::{
    MAX_COORDINATE, MAX_MOTION_AGE, MAX_NAME_BYTES, MAX_SAFE_INTEGER, MAX_SERVER_MESSAGE_BYTES,
    MAX_VIEW_ENTITIES,
};
use crate::message::{Format, ServerMessage, Welcome};
use crate::motion::{Motion, Velocity, clamp};
use crate::names::PlayerName;
use crate::own::SelfState;
use crate::wire::Reader;
use crate::{Payload, binary};

/// Where the player is, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// The update's tick.
    pub tick: u64,
    /// Last input applied by then.
    pub ack: u32,
    /// Where the player was then.
    pub position: Position,
}

/// An entity as a client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Which.
    pub id: EntityId,
    /// What.
    pub kind: EntityKind,
    /// Of a player.
    pub name: Option<PlayerName>,
    /// What is seen of its state.
    pub look: Look,
    /// How it moves.
    pub motion: Motion,
}

/// Client side, one per connection: what the server has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    tick_rate_hz: u8,
    own: Own,
    entities: Vec<Known>,
    state: SelfState,
}

/// What a message from the server was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Anything but an update.
    Message(ServerMessage),
    /// An update; the view shows it.
    Update {
        /// What has happened, in order.
        events: Vec<EventMessage>,
    },
}

impl View {
    /// The view after a Welcome.
    #[must_use]
    pub fn new(welcome: &Welcome) -> Self {
        Self {
            tick_rate_hz: welcome.tick_rate_hz,
            own: Own {
                tick: welcome.tick,
                ack: welcome.ack,
                position: clamp(welcome.position),
            },
            entities: Vec::new(),
            state: SelfState::default(),
        }
    }

    /// Where the player is.
    #[must_use]
    pub fn own(&self) -> Own {
        self.own
    }

    /// The player's own state. All zero until the first update.
    #[must_use]
    pub fn state(&self) -> &SelfState {
        &self.state
    }

    /// Everything else in sight, sorted by id.
    #[must_use]
    pub fn entities(&self) -> &[Known] {
        &self.entities
    }

    /// An entity in sight.
    #[must_use]
    pub fn entity(&self, id: EntityId) -> Option<&Known> {
        let rank = self.rank_of(id)?;
        self.entities.get(rank)
    }

    /// Where an entity in sight is shown at `tick`, from the last update's on.
    #[must_use]
    pub fn shown(&self, id: EntityId, tick: u64) -> Option<Position> {
        Some(self.entity(id)?.motion.shown(tick, self.tick_rate_hz))
    }

    fn rank_of(&self, id: EntityId) -> Option<usize> {
        self.entities
            .binary_search_by_key(&id, |entity| entity.id)
            .ok()
    }

    fn apply_binary(&mut self, bytes: &[u8]) -> Result<Vec<EventMessage>, DecodeError> {
        let mut reader = Reader::new(bytes);
        let flags = reader.byte("type")?;
        let more = if flags & HAS_MORE == 0 {
            0
        } else {
            match reader.byte("more")? {
                0 => return Err(DecodeError::OutOfRange { field: "more" }),
                more if more & !KNOWN_MORE != 0 => {
                    return Err(DecodeError::UnknownType { value: more });
                }
                more => more,
            }
        };
        let ticks = if flags & HAS_TICK == 0 {
            1
        } else {
            match reader.varint_max("tick", MAX_SAFE_INTEGER)? {
                1 => return Err(DecodeError::OutOfRange { field: "tick" }),
                ticks => ticks,
            }
        };
        self.own.tick += ticks;
        if self.own.tick > MAX_SAFE_INTEGER {
            return Err(DecodeError::OutOfRange { field: "tick" });
        }
        if flags & HAS_ACK != 0 {
            let field = "ack";
            let inputs = reader.varint_u32(field)?;
            self.own.ack = match self.own.ack.checked_add(inputs) {
                Some(ack) if inputs != 0 => ack,
                _ => return Err(DecodeError::OutOfRange { field }),
            };
        }
        if flags & HAS_OWN != 0 {
            let (dx, dy) = (reader.zigzag("dx")?, reader.zigzag("dy")?);
            if (dx, dy) == (0, 0) {
                return Err(DecodeError::OutOfRange { field: "own" });
            }
            self.own.position = moved_by(self.own.position, dx, dy)?;
        }
        if flags & HAS_LEFT != 0 {
            self.remove_ranks(&mut reader)?;
        }
        if flags & HAS_ENTERED != 0 {
            self.insert_entered(&mut reader)?;
        }
        let (tick, rate) = (self.own.tick, self.tick_rate_hz);
        if flags & HAS_MOVED != 0 {
            self.for_ranks(&mut reader, "moved", |entity, reader| {
                let shown = entity.motion.shown(tick, rate);
                let (dx, dy) = (reader.zigzag("dx")?, reader.zigzag("dy")?);
                entity.motion = Motion {
                    tick,
                    position: moved_by(shown, dx, dy)?,
                    velocity: velocity(reader)?,
                };
                Ok(())
            })?;
        }
        if more & HAS_PLACED != 0 {
            self.for_ranks(&mut reader, "placed", |entity, reader| {
                entity.motion = read_motion(tick, reader)?;
                Ok(())
            })?;
        }
        if more & HAS_CHANGED != 0 {
            self.for_ranks(&mut reader, "changed", |entity, reader| {
                entity.look = Look(reader.byte("look")?);
                Ok(())
            })?;
        }
        if more & HAS_SELF != 0 {
            read_state(&mut self.state, tick, &mut reader)?;
        }
        let events = if more & HAS_EVENTS == 0 {
            Vec::new()
        } else {
            read_events(&mut reader)?
        };
        reader.end()?;
        Ok(events)
    }

    fn for_ranks(
        &mut self,
        reader: &mut Reader<'_>,
        field: &'static str,
        mut apply: impl FnMut(&mut Known, &mut Reader<'_>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut next = 0;
        for _ in 0..count(reader, field)? {
            let rank = self.rank(reader, next)?;
            next = rank + 1;
            apply(&mut self.entities[rank], reader)?;
        }
        Ok(())
    }

    /// A place in the list, written as its distance from the lowest one possible.
    fn rank(&self, reader: &mut Reader<'_>, next: usize) -> Result<usize, DecodeError> {
        let gap = reader.length("rank", MAX_VIEW_ENTITIES)?;
        let rank = next + gap;
        if rank < self.entities.len() {
            Ok(rank)
        } else {
            Err(DecodeError::ViewMismatch {
                why: "no entity has that rank",
            })
        }
    }

    fn remove_ranks(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        // What stays moves down over what leaves, in one pass.
        let mut next = 0;
        let mut kept = 0;
        for _ in 0..count(reader, "left")? {
            let rank = self.rank(reader, next)?;
            for stays in next..rank {
                self.entities.swap(kept, stays);
                kept += 1;
            }
            next = rank + 1;
        }
        for stays in next..self.entities.len() {
            self.entities.swap(kept, stays);
            kept += 1;
        }
        self.entities.truncate(kept);
        Ok(())
    }

    fn insert_entered(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let tick = self.own.tick;
        let mut next = Some(0_u64);
        for _ in 0..count(reader, "entered")? {
            let field = "id";
            let gap = reader.varint(field)?;
            let id = next
                .and_then(|next| next.checked_add(gap))
                .ok_or(DecodeError::OutOfRange { field })?;
            next = id.checked_add(1);
            let mut name = None;
            let kind = match reader.byte("kind")? {
                1 => {
                    let text = reader.text("name", MAX_NAME_BYTES)?;
                    name = Some(binary::checked("name", PlayerName::new(text))?);
                    EntityKind::Player
                }
                2 => EntityKind::Creature {
                    species: reader.byte("species")?,
                },
                3 => EntityKind::Resource {
                    resource: reader.byte("resource")?,
                },
                4 => EntityKind::Station {
                    station: reader.byte("station")?,
                },
                5 => EntityKind::Loot,
                _ => return Err(DecodeError::OutOfRange { field: "kind" }),
            };
            let look = Look(reader.byte("look")?);
            let motion = if kind.moves() {
                read_motion(tick, reader)?
            } else {
                Motion {
                    tick,
                    position: position(reader.zigzag("x")?, reader.zigzag("y")?)?,
                    velocity: Velocity::ZERO,
                }
            };
            self.entities.push(Known {
                id: EntityId(id),
                kind,
                name,
                look,
                motion,
            });
        }
        self.settle()
    }

    /// Restores the order after entities were appended.
    fn settle(&mut self) -> Result<(), DecodeError> {
        if self.entities.len() > MAX_VIEW_ENTITIES {
            return Err(DecodeError::ViewMismatch {
                why: "more entities than a view may hold",
            });
        }
        // Two sorted runs: a stable sort merges them in one pass.
        self.entities.sort_by_key(|entity| entity.id);
        if self
            .entities
            .windows(2)
            .any(|pair| pair[0].id == pair[1].id)
        {
            return Err(DecodeError::ViewMismatch {
                why: "an entity entered that was there already",
            });
        }
        Ok(())
    }

    fn apply_json(&mut self, update: Update) -> Result<Vec<EventMessage>, DecodeError> {
        let Update {
            tick,
            ack,
            position: at,
            left,
            entered,
            moved,
            changed,
            own,
            events,
        } = update;
        if tick < self.own.tick || tick > MAX_SAFE_INTEGER {
            return Err(DecodeError::OutOfRange { field: "tick" });
        }
        if ack < self.own.ack {
            return Err(DecodeError::OutOfRange { field: "ack" });
        }
        check_events(&events)?;
        self.own = Own {
            tick,
            ack,
            position: position(at.x, at.y)?,
        };
        for id in left {
            let rank = self.find(id)?;
            self.entities.remove(rank);
        }
        if self.entities.len().saturating_add(entered.len()) > MAX_VIEW_ENTITIES {
            return Err(DecodeError::ViewMismatch {
                why: "more entities than a view may hold",
            });
        }
        for entered in entered {
            let (id, look) = (entered.id, entered.look);
            let motion = checked_motion(tick, entered.motion(tick))?;
            let (kind, name) = entered.what()?;
            self.entities.push(Known {
                id,
                kind,
                name,
                look,
                motion,
            });
        }
        self.settle()?;
        for moved in moved {
            let rank = self.find(moved.id)?;
            let Moved {
                position,
                velocity,
                since,
                ..
            } = moved;
            let motion = Motion {
                tick: since,
                position,
                velocity,
            };
            self.entities[rank].motion = checked_motion(tick, motion)?;
        }
        for Changed { id, look } in changed {
            let rank = self.find(id)?;
            self.entities[rank].look = look;
        }
        if let Some(own) = own {
            self.state = own.state(tick)?;
        }
        Ok(events)
    }

    fn find(&self, id: EntityId) -> Result<usize, DecodeError> {
        self.rank_of(id).ok_or(DecodeError::ViewMismatch {
            why: "no entity has that id",
        })
    }
}

/// Decodes a message from the server. `view` is none until the Welcome has come. After an error the
/// view may be half changed: the connection is of no further use.
///
/// # Errors
/// What is wrong with the message, or how it does not fit the view.
pub fn decode_server(
    format: Format,
    payload: Payload<'_>,
    view: Option<&mut View>,
) -> Result<Received, DecodeError> {
    match payload.check(format, MAX_SERVER_MESSAGE_BYTES)? {
        Payload::Binary(bytes) => {
            match (bytes.first().is_some_and(|first| first & UPDATE != 0), view) {
                (true, Some(view)) => view
                    .apply_binary(bytes)
                    .map(|events| Received::Update { events }),
                // An update ahead of the Welcome has nothing to apply to.
                _ => binary::decode_server(bytes).map(Received::Message),
            }
        }
        Payload::Text(text) => Ok(Received::Message(match json::decode_server(text)? {
            ServerIn::Welcome(welcome) => ServerMessage::Welcome(welcome),
            ServerIn::Refused(refused) => ServerMessage::Refused(refused),
            ServerIn::Notice(notice) => ServerMessage::Notice(notice),
            ServerIn::Pong(pong) => ServerMessage::Pong(pong),
            ServerIn::Kicked(kicked) => ServerMessage::Kicked(kicked),
            ServerIn::Update(update) => {
                return match view {
                    Some(view) => view
                        .apply_json(update)
                        .map(|events| Received::Update { events }),
                    None => Err(DecodeError::UnknownType { value: UPDATE }),
                };
            }
        })),
    }
}

/// A count of list elements: a list that is there has at least one.
fn count(reader: &mut Reader<'_>, field: &'static str) -> Result<usize, DecodeError> {
    match reader.length(field, MAX_VIEW_ENTITIES)? {
        0 => Err(DecodeError::OutOfRange { field }),
        count => Ok(count),
    }
}

/// A motion record in full.
fn read_motion(tick: u64, reader: &mut Reader<'_>) -> Result<Motion, DecodeError> {
    let field = "age";
    let position = position(reader.zigzag("x")?, reader.zigzag("y")?)?;
    let age = reader.varint_max(field, u64::from(MAX_MOTION_AGE))?;
    let begun = tick
        .checked_sub(age)
        .ok_or(DecodeError::OutOfRange { field })?;
    let velocity = velocity(reader)?;
    if velocity == Velocity::ZERO && age != 0 {
        return Err(DecodeError::OutOfRange { field });
    }
    Ok(Motion {
        tick: begun,
        position,
        velocity,
    })
}

fn velocity(reader: &mut Reader<'_>) -> Result<Velocity, DecodeError> {
    Ok(Velocity {
        x: i8::from_le_bytes(reader.bytes("velocity")?),
        y: i8::from_le_bytes(reader.bytes("velocity")?),
    })
}

/// A motion record of JSON, under the rules of the binary form.
fn checked_motion(tick: u64, motion: Motion) -> Result<Motion, DecodeError> {
    let age = tick
        .checked_sub(motion.tick)
        .filter(|age| *age <= u64::from(MAX_MOTION_AGE))
        .filter(|age| *age == 0 || motion.velocity != Velocity::ZERO);
    if age.is_none() {
        return Err(DecodeError::OutOfRange { field: "since" });
    }
    position(motion.position.x, motion.position.y)?;
    Ok(motion)
}

fn moved_by(from: Position, dx: i32, dy: i32) -> Result<Position, DecodeError> {
    match (from.x.checked_add(dx), from.y.checked_add(dy)) {
        (Some(x), Some(y)) => position(x, y),
        _ => Err(DecodeError::OutOfRange { field: "position" }),
    }
}

fn position(x: i32, y: i32) -> Result<Position, DecodeError> {
    let allowed = -MAX_COORDINATE..=MAX_COORDINATE;
    if allowed.contains(&x) && allowed.contains(&y) {
        Ok(Position { x, y })
    } else {
        Err(DecodeError::OutOfRange { field: "position" })
    }
}
