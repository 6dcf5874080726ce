//! Updates: what a client is shown, as the difference to what it was shown before.
//!
//! Both ends keep the same list of visible entities, sorted by id. A binary update names an entity
//! by its place in that list (one byte for most) and says how far it moved (two bytes for most).
//! Positions are quantised before they are compared, so errors never add up; and the difference is
//! taken against what was last *written*, so a server may skip any number of ticks for a slow client.

use super::error::DecodeError;
use super::json::{Entered, Moved, ServerIn, Update};
use super::limits::{MAX_COORDINATE, MAX_NAME_BYTES, MAX_SAFE_INTEGER, MAX_VIEW_ENTITIES};
use super::message::{EntityId, EntityKind, Format, Position, ServerMessage, Welcome};
use super::names::PlayerName;
use super::wire::{Reader, put_text, put_varint, put_zigzag};
use super::{Payload, binary, json};

/// The high bit of the first byte marks an update; the rest of the byte says what it holds.
const UPDATE: u8 = 0x80;
const HAS_TICK: u8 = 0x01;
const HAS_ACK: u8 = 0x02;
const HAS_OWN: u8 = 0x04;
const HAS_LEFT: u8 = 0x08;
const HAS_ENTERED: u8 = 0x10;
const HAS_MOVED: u8 = 0x20;
const KNOWN_FLAGS: u8 = HAS_TICK | HAS_ACK | HAS_OWN | HAS_LEFT | HAS_ENTERED | HAS_MOVED;

/// What an entity looks like, for an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks<'a> {
    /// A player with a name.
    Player(&'a PlayerName),
    /// A creature.
    Creature,
}

/// An entity that a client sees in this tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visible<'a> {
    /// Which.
    pub id: EntityId,
    /// Where. Clamped to [`MAX_COORDINATE`].
    pub position: Position,
    /// Sent once, when it enters.
    pub looks: Looks<'a>,
}

/// The state of a client, for one update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// Last finished tick; not lower than in the update before.
    pub tick: u64,
    /// Last input applied; not lower than in the update before.
    pub ack: u32,
    /// Where the player is. Clamped to [`MAX_COORDINATE`].
    pub position: Position,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    id: EntityId,
    position: Position,
}

/// Server side, one per connection: what the client was last shown.
#[derive(Clone, Debug)]
pub struct SentView {
    format: Format,
    entity: EntityId,
    own: Own,
    entities: Vec<Sent>,
}

impl SentView {
    /// The view of a client that was sent `welcome` and nothing else.
    #[must_use]
    pub fn new(format: Format, welcome: &Welcome) -> Self {
        Self {
            format,
            entity: welcome.entity,
            own: Own {
                tick: welcome.tick,
                ack: welcome.ack,
                position: clamp(welcome.position),
            },
            entities: Vec::new(),
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
}

/// Writes updates; holds the memory that it needs for one, so a server keeps one per writing thread.
#[derive(Debug, Default)]
pub struct UpdateWriter {
    next: Vec<Sent>,
    /// Places in the old list.
    left: Vec<usize>,
    /// Places in `visible`.
    entered: Vec<usize>,
    /// Places in the new list, and the way since the last update.
    moved: Vec<(usize, i32, i32)>,
}

impl UpdateWriter {
    /// Appends one update to `out` and remembers in `sent` what it says. Call it only when the
    /// message will be written, whole and in order.
    ///
    /// `visible` may come in any order and is sorted by id here. The client's own entity, doubles,
    /// and what goes beyond [`MAX_VIEW_ENTITIES`] (highest ids first) are left out: a server chooses
    /// whom to show before it calls this.
    pub fn write(
        &mut self,
        sent: &mut SentView,
        own: Own,
        visible: &mut [Visible<'_>],
        out: &mut Vec<u8>,
    ) {
        let own = Own {
            tick: own
                .tick
                .clamp(sent.own.tick, MAX_SAFE_INTEGER.max(sent.own.tick)),
            ack: own.ack.max(sent.own.ack),
            position: clamp(own.position),
        };
        self.compare(sent, visible);
        match sent.format {
            Format::Binary => self.write_binary(sent.own, own, visible, out),
            Format::Json => json::encode_update(&self.as_json(sent, own, visible), out),
        }
        sent.own = own;
        std::mem::swap(&mut sent.entities, &mut self.next);
    }

    /// Merges the two sorted lists.
    fn compare(&mut self, sent: &SentView, visible: &mut [Visible<'_>]) {
        self.next.clear();
        self.left.clear();
        self.entered.clear();
        self.moved.clear();
        visible.sort_unstable_by_key(|entity| entity.id);

        let mut old = sent.entities.iter().enumerate().peekable();
        let mut last = None;
        for (at, entity) in visible.iter().enumerate() {
            if entity.id == sent.entity || last == Some(entity.id) {
                continue;
            }
            if self.next.len() == MAX_VIEW_ENTITIES {
                break;
            }
            last = Some(entity.id);
            let position = clamp(entity.position);
            while let Some((rank, _)) = old.next_if(|(_, old)| old.id < entity.id) {
                self.left.push(rank);
            }
            if let Some((_, before)) = old.next_if(|(_, old)| old.id == entity.id) {
                if before.position != position {
                    self.moved.push((
                        self.next.len(),
                        position.x - before.position.x,
                        position.y - before.position.y,
                    ));
                }
            } else {
                self.entered.push(at);
            }
            self.next.push(Sent {
                id: entity.id,
                position,
            });
        }
        self.left.extend(old.map(|(rank, _)| rank));
    }

    fn write_binary(&self, before: Own, own: Own, visible: &[Visible<'_>], out: &mut Vec<u8>) {
        let start = out.len();
        out.push(UPDATE);
        let mut flags = UPDATE;
        let ticks = own.tick - before.tick;
        if ticks != 1 {
            flags |= HAS_TICK;
            put_varint(out, ticks);
        }
        if own.ack != before.ack {
            flags |= HAS_ACK;
            put_varint(out, u64::from(own.ack - before.ack));
        }
        if own.position != before.position {
            flags |= HAS_OWN;
            put_zigzag(out, own.position.x - before.position.x);
            put_zigzag(out, own.position.y - before.position.y);
        }
        if !self.left.is_empty() {
            flags |= HAS_LEFT;
            put_varint(out, self.left.len() as u64);
            let mut next = 0;
            for &rank in &self.left {
                put_varint(out, (rank - next) as u64);
                next = rank + 1;
            }
        }
        if !self.entered.is_empty() {
            flags |= HAS_ENTERED;
            put_varint(out, self.entered.len() as u64);
            let mut next = 0;
            for entity in self.entered.iter().map(|&at| &visible[at]) {
                put_varint(out, entity.id.0 - next);
                // Nothing follows the highest id, so what it wraps to is never used.
                next = entity.id.0.wrapping_add(1);
                let position = clamp(entity.position);
                match entity.looks {
                    Looks::Player(name) => {
                        out.push(EntityKind::Player.number());
                        put_text(out, name.as_str());
                    }
                    Looks::Creature => out.push(EntityKind::Creature.number()),
                }
                put_zigzag(out, position.x);
                put_zigzag(out, position.y);
            }
        }
        if !self.moved.is_empty() {
            flags |= HAS_MOVED;
            put_varint(out, self.moved.len() as u64);
            let mut next = 0;
            for &(rank, x, y) in &self.moved {
                put_varint(out, (rank - next) as u64);
                next = rank + 1;
                put_zigzag(out, x);
                put_zigzag(out, y);
            }
        }
        out[start] = flags;
    }

    fn as_json(&self, sent: &SentView, own: Own, visible: &[Visible<'_>]) -> Update {
        Update {
            tick: own.tick,
            ack: own.ack,
            position: own.position,
            left: self.left.iter().map(|&at| sent.entities[at].id).collect(),
            entered: self
                .entered
                .iter()
                .map(|&at| {
                    let Visible {
                        id,
                        position,
                        looks,
                    } = visible[at];
                    let (kind, name) = match looks {
                        Looks::Player(name) => (EntityKind::Player, Some(name.clone())),
                        Looks::Creature => (EntityKind::Creature, None),
                    };
                    Entered {
                        id,
                        kind,
                        name,
                        position: clamp(position),
                    }
                })
                .collect(),
            moved: self
                .moved
                .iter()
                .map(|&(rank, ..)| Moved {
                    id: self.next[rank].id,
                    position: self.next[rank].position,
                })
                .collect(),
        }
    }
}

fn clamp(position: Position) -> Position {
    Position {
        x: position.x.clamp(-MAX_COORDINATE, MAX_COORDINATE),
        y: position.y.clamp(-MAX_COORDINATE, MAX_COORDINATE),
    }
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
    /// Where it was at [`View::own`]'s tick.
    pub position: Position,
}

/// Client side, one per connection: what the server has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    own: Own,
    entities: Vec<Known>,
}

/// What a message from the server was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Anything but an update.
    Message(ServerMessage),
    /// An update; the view shows it.
    Update,
}

impl View {
    /// The view after a Welcome.
    #[must_use]
    pub fn new(welcome: &Welcome) -> Self {
        Self {
            own: Own {
                tick: welcome.tick,
                ack: welcome.ack,
                position: clamp(welcome.position),
            },
            entities: Vec::new(),
        }
    }

    /// The player's own state.
    #[must_use]
    pub fn own(&self) -> Own {
        self.own
    }

    /// Everything else in sight, sorted by id.
    #[must_use]
    pub fn entities(&self) -> &[Known] {
        &self.entities
    }

    fn apply_binary(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let mut reader = Reader::new(bytes);
        let flags = reader.byte("type")?;
        if flags & !(UPDATE | KNOWN_FLAGS) != 0 {
            return Err(DecodeError::UnknownType { value: flags });
        }
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
            let inputs = nonzero(field, reader.varint_u32(field)?)?;
            self.own.ack = self
                .own
                .ack
                .checked_add(inputs)
                .ok_or(DecodeError::OutOfRange { field })?;
        }
        if flags & HAS_OWN != 0 {
            move_by(&mut self.own.position, &mut reader)?;
        }
        if flags & HAS_LEFT != 0 {
            self.remove_ranks(&mut reader)?;
        }
        if flags & HAS_ENTERED != 0 {
            self.insert_entered(&mut reader)?;
        }
        if flags & HAS_MOVED != 0 {
            let mut next = 0;
            for _ in 0..count(&mut reader, "moved")? {
                let rank = self.rank(&mut reader, next)?;
                next = rank + 1;
                move_by(&mut self.entities[rank].position, &mut reader)?;
            }
        }
        reader.end()
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
        let mut next = Some(0_u64);
        for _ in 0..count(reader, "entered")? {
            let field = "id";
            let gap = reader.varint(field)?;
            let id = next
                .and_then(|next| next.checked_add(gap))
                .ok_or(DecodeError::OutOfRange { field })?;
            next = id.checked_add(1);
            let kind = EntityKind::from_number(reader.byte("kind")?)
                .ok_or(DecodeError::OutOfRange { field: "kind" })?;
            let name = match kind {
                EntityKind::Player => Some(binary::checked(
                    "name",
                    PlayerName::new(reader.text("name", MAX_NAME_BYTES)?),
                )?),
                EntityKind::Creature => None,
            };
            let mut position = Position::default();
            set(&mut position, reader.zigzag("x")?, reader.zigzag("y")?)?;
            self.entities.push(Known {
                id: EntityId(id),
                kind,
                name,
                position,
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

    fn apply_json(&mut self, update: Update) -> Result<(), DecodeError> {
        let Update {
            tick,
            ack,
            position,
            left,
            entered,
            moved,
        } = update;
        if tick < self.own.tick || tick > MAX_SAFE_INTEGER {
            return Err(DecodeError::OutOfRange { field: "tick" });
        }
        if ack < self.own.ack {
            return Err(DecodeError::OutOfRange { field: "ack" });
        }
        self.own.tick = tick;
        self.own.ack = ack;
        set(&mut self.own.position, position.x, position.y)?;
        for id in left {
            let rank = self.find(id)?;
            self.entities.remove(rank);
        }
        for entity in entered {
            let Entered {
                id,
                kind,
                name,
                position,
            } = entity;
            if (kind == EntityKind::Player) != name.is_some() {
                return Err(DecodeError::Malformed {
                    field: "name",
                    why: "players have one, creatures have none",
                });
            }
            let mut at = Position::default();
            set(&mut at, position.x, position.y)?;
            self.entities.push(Known {
                id,
                kind,
                name,
                position: at,
            });
        }
        self.settle()?;
        for Moved { id, position } in moved {
            let rank = self.find(id)?;
            set(&mut self.entities[rank].position, position.x, position.y)?;
        }
        Ok(())
    }

    fn find(&self, id: EntityId) -> Result<usize, DecodeError> {
        self.entities
            .binary_search_by_key(&id, |entity| entity.id)
            .map_err(|_| DecodeError::ViewMismatch {
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
    match payload.check(format, super::limits::MAX_SERVER_MESSAGE_BYTES)? {
        Payload::Binary(bytes) => {
            match (bytes.first().is_some_and(|first| first & UPDATE != 0), view) {
                (true, Some(view)) => view.apply_binary(bytes).map(|()| Received::Update),
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
                    Some(view) => view.apply_json(update).map(|()| Received::Update),
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

fn nonzero(field: &'static str, value: u32) -> Result<u32, DecodeError> {
    if value == 0 {
        return Err(DecodeError::OutOfRange { field });
    }
    Ok(value)
}

fn move_by(position: &mut Position, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    let (x, y) = (reader.zigzag("dx")?, reader.zigzag("dy")?);
    match (x, y, position.x.checked_add(x), position.y.checked_add(y)) {
        (0, 0, ..) => Err(DecodeError::OutOfRange { field: "moved" }),
        (.., Some(x), Some(y)) => set(position, x, y),
        _ => Err(DecodeError::OutOfRange { field: "position" }),
    }
}

fn set(position: &mut Position, x: i32, y: i32) -> Result<(), DecodeError> {
    let allowed = -MAX_COORDINATE..=MAX_COORDINATE;
    if allowed.contains(&x) && allowed.contains(&y) {
        *position = Position { x, y };
        Ok(())
    } else {
        Err(DecodeError::OutOfRange { field: "position" })
    }
}
