//! What every client is shown of a tick: who is in its sight, and how they and itself are.
//!
//! One table holds each entity once for all clients. In every tick the bodies are looked up in it,
//! then the clients whose turn it is look around, then each is written its update. Nothing is
//! allocated once the lists have grown.

use std::ops::Range;

use worldkeeper_sim::{EntityId, EntityKind, PlayerNow, Position, Seen, World};

use super::interest::{Candidate, Sight, Vicinity, is_turn};
use super::sessions::{Connected, Session, Sessions, State};
use super::translate;
use crate::config;
use crate::protocol::{
    EntityId as EntityIdOnWire, EntityTable, Format, Look, Moment, Observed, PlayerName, SelfState,
    Sighting, Slot, UpdateWriter,
};

/// A body is shown anew when it would be shown farther than this from where it is, in millimetres.
const BOUND: u32 = 150;
/// How often a client looks around, in times a second.
const LOOKS_PER_SECOND: u64 = 4;

/// How far clients see.
#[derive(Clone, Copy, Debug)]
struct Sights {
    movers: Sight,
    fixtures: Sight,
}

/// What is shown, for all clients.
#[derive(Debug)]
pub(super) struct Stage {
    table: EntityTable,
    players: Cast,
    creatures: Cast,
    there: Vec<Seen>,
    binary: Sights,
    json: Sights,
    /// Ticks between two looks around.
    look_every: u64,
    /// Ticks between two updates in JSON.
    json_every: u64,
    ping_every: u64,

    writer: UpdateWriter,
    looking: Looking,
    /// By session, what was seen by those who looked around in this tick.
    looked: Vec<Option<Range<usize>>>,
    sightings: Vec<Sighting>,
    own: SelfState,
    bytes: Vec<u8>,
}

/// How many updates were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) binary: u64,
    pub(super) json: u64,
}

/// What a tick is shown under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) tick: u64,
    /// See [`super::overload::Relief`].
    pub(super) thinning: u8,
}

impl Stage {
    pub(super) fn new(config: &config::Config, tick: u64) -> Self {
        let config::Config { server, world, .. } = config;
        let rate = world.params.tick_rate();
        let hz = u64::from(rate.hz());
        let sights = |metres: u32, movers, fixtures| {
            let radius = metres * worldkeeper_sim::UNITS_PER_METRE.unsigned_abs();
            let sight = |most| Sight { radius, most };
            Sights {
                movers: sight(movers),
                fixtures: sight(fixtures),
            }
        };
        Self {
            table: EntityTable::new(rate.hz(), tick, BOUND),
            players: Cast::default(),
            creatures: Cast::default(),
            there: Vec::new(),
            binary: sights(
                server.view_radius_metres,
                server.max_visible,
                server.max_visible_fixtures,
            ),
            json: sights(
                server
                    .view_radius_metres
                    .min(server.json_view_radius_metres),
                server.max_visible,
                server.max_visible_fixtures,
            ),
            look_every: (hz / LOOKS_PER_SECOND).max(1),
            json_every: (hz / u64::from(server.json_rate_hz)).max(1),
            ping_every: (server.ping_interval.as_secs() * hz).max(1),
            writer: UpdateWriter::default(),
            looking: Looking::default(),
            looked: Vec::new(),
            sightings: Vec::new(),
            own: SelfState::default(),
            bytes: Vec::new(),
        }
    }

    /// Takes in where everybody is now. Of ticks that are caught up, each.
    pub(super) fn observe(&mut self, world: &World, names: &[PlayerName]) {
        self.table.begin(world.current_tick());
        let rate = i32::from(self.table.tick_rate_hz());
        let is_player = |seen: &Seen| matches!(seen.kind, EntityKind::Player { .. });
        let mut bodies = world.bodies().peekable();
        let players = std::iter::from_fn(|| bodies.next_if(is_player));
        let names = names.iter().map(Some);
        self.players
            .observe(&mut self.table, rate, players.zip(names));
        let creatures = bodies.map(|seen| (seen, None));
        self.creatures.observe(&mut self.table, rate, creatures);
        self.look_again(world);
    }

    /// Looks at the things that stand still and that somebody knows, where they changed.
    fn look_again(&mut self, world: &World) {
        for &id in world.fixtures_changed() {
            let Some(slot) = self.table.slot(translate::id(id)) else {
                continue;
            };
            let Some(place) = self.table.shown(slot) else {
                continue;
            };
            let place = Position {
                x: place.x,
                y: place.y,
            };
            world.fixtures_near(place, 0, u32::MAX, &mut self.there);
            match self.there.iter().find(|seen| seen.id == id) {
                Some(seen) => self.table.set_look(slot, Look(seen.look)),
                None => self.table.leave(slot),
            }
        }
    }

    /// Those whose turn it is look around.
    pub(super) fn look(&mut self, world: &World, sessions: &mut Sessions, now: Now) {
        self.sightings.clear();
        self.looked.clear();
        let every = self.look_every << now.thinning;
        for (session, body) in sessions.iter_mut().zip(world.players_now()) {
            debug_assert_eq!(session.player, body.id);
            let turn = self.turn(session, now.tick, every);
            let looked = turn.map(|(connected, sights)| {
                let vicinity = &mut connected.vicinity;
                self.looking
                    .around(&body, sights, vicinity, world, &mut self.table);
                let from = self.sightings.len();
                merge(&vicinity.movers, &vicinity.fixtures, &mut self.sightings);
                from..self.sightings.len()
            });
            self.looked.push(looked);
        }
    }

    /// The client's view, if it is to look around now.
    fn turn<'a>(
        &self,
        session: &'a mut Session,
        tick: u64,
        every: u64,
    ) -> Option<(&'a mut Connected, Sights)> {
        let player = session.player.0;
        let State::Connected(connected) = &mut session.state else {
            return None;
        };
        let sights = match connected.view.format() {
            Format::Binary => {
                connected.look_due |= is_turn(tick, player, every);
                self.binary
            }
            // It is shown so little that it looks around each time.
            Format::Json => {
                connected.look_due |= tick.is_multiple_of(self.json_every);
                self.json
            }
        };
        (connected.look_due && connected.link.takes_update()).then_some((connected, sights))
    }

    /// Writes each client its update.
    pub(super) fn show(&mut self, world: &World, sessions: &mut Sessions, now: Now) -> Shown {
        let Now { tick, thinning } = now;
        let mut shown = Shown::default();
        let all = sessions.iter_mut().zip(world.players_now());
        for ((session, body), looked) in all.zip(&self.looked) {
            let State::Connected(connected) = &mut session.state else {
                continue;
            };
            let Connected {
                link,
                view,
                events,
                revision,
                vicinity: _,
                look_due,
            } = &mut **connected;
            let player = body.id.0;
            // Spread over the interval, so that not all are asked in the same tick.
            if is_turn(tick, player, self.ping_every) {
                link.ping();
            }
            let count = match view.format() {
                Format::Binary => &mut shown.binary,
                Format::Json if tick.is_multiple_of(self.json_every) => &mut shown.json,
                Format::Json => continue,
            };
            let write = |out: &mut Vec<u8>| {
                let state = if *revision == Some(body.revision) {
                    None
                } else {
                    *revision = Some(body.revision);
                    world.player(body.id).map(|player| {
                        translate::own_state(&player, tick, &mut self.own);
                        &self.own
                    })
                };
                let visible = looked.clone().map(|range| {
                    *look_due = false;
                    &mut self.sightings[range]
                });
                let moment = Moment {
                    ack: body.seq,
                    position: translate::position(body.position),
                    visible,
                    far: is_turn(tick, player, 1 << thinning),
                    state,
                };
                self.writer.write(&self.table, view, moment, events, out);
            };
            *count += u64::from(link.update(&mut self.bytes, write));
        }
        shown
    }
}

/// Bodies of one kind, in the order of their ids, and where they were a tick ago.
#[derive(Debug, Default)]
struct Cast {
    all: Vec<Known>,
    next: Vec<Known>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    id: EntityId,
    slot: Slot,
    position: Position,
}

impl Cast {
    /// Follows those that are there, takes in those that have come and lets go of those that left.
    /// `bodies` come in the order of their ids, players with their names.
    fn observe<'a>(
        &mut self,
        table: &mut EntityTable,
        rate: i32,
        bodies: impl Iterator<Item = (Seen, Option<&'a PlayerName>)>,
    ) {
        self.next.clear();
        let mut before = self.all.iter().peekable();
        for (body, name) in bodies {
            while let Some(gone) = before.next_if(|known| known.id < body.id) {
                table.leave(gone.slot);
            }
            let known = before.next_if(|known| known.id == body.id);
            let from = known.map_or(body.position, |known| known.position);
            let observed = Observed {
                position: translate::position(body.position),
                displacement: way(from, body.position, rate),
                look: Look(body.look),
            };
            let slot = if let Some(known) = known {
                table.observe(known.slot, observed);
                known.slot
            } else {
                let id = translate::id(body.id);
                table.enter(id, translate::kind(body.kind), name, observed)
            };
            self.next.push(Known {
                id: body.id,
                slot,
                position: body.position,
            });
        }
        for gone in before {
            table.leave(gone.slot);
        }
        std::mem::swap(&mut self.all, &mut self.next);
    }
}

/// The way of a tick. One that nobody walks was a leap: nobody is expected to go on with it.
fn way(from: Position, to: Position, rate: i32) -> (i32, i32) {
    /// Faster than anything runs, in millimetres a second.
    const LEAP: i32 = 8000;

    let way = (to.x.saturating_sub(from.x), to.y.saturating_sub(from.y));
    let fastest = LEAP / rate.max(1) + 1;
    if way.0.abs() > fastest || way.1.abs() > fastest {
        return (0, 0);
    }
    way
}

/// Memory for one look around.
#[derive(Debug, Default)]
struct Looking {
    seen: Vec<Seen>,
    /// Of those seen: id, and place in `seen`. Sorted instead of them, being smaller.
    order: Vec<(EntityId, usize)>,
    candidates: Vec<Candidate<Slot>>,
    keys: Vec<(u64, u64)>,
}

/// Which kind of entities is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Movers,
    Fixtures,
}

impl Looking {
    /// Brings up to date what `player` has in sight.
    fn around(
        &mut self,
        player: &PlayerNow,
        sights: Sights,
        vicinity: &mut Vicinity,
        world: &World,
        table: &mut EntityTable,
    ) {
        let Sights { movers, fixtures } = sights;
        let place = player.position;
        // One more than is shown, for the player's own body.
        world.near(place, movers.reach(), movers.most + 1, &mut self.seen);
        self.choose(player, movers, Wanted::Movers, &mut vicinity.movers, table);
        let tick = world.current_tick();
        if vicinity.is_fixtures_turn(place, tick) {
            vicinity.fixtures_looked(place, tick + u64::from(table.tick_rate_hz()));
            world.fixtures_near(place, fixtures.reach(), fixtures.most, &mut self.seen);
            self.choose(
                player,
                fixtures,
                Wanted::Fixtures,
                &mut vicinity.fixtures,
                table,
            );
        }
    }

    /// Chooses among those who were seen and those who are `known`, and makes those chosen the known.
    fn choose(
        &mut self,
        player: &PlayerNow,
        sight: Sight,
        wanted: Wanted,
        known: &mut Vec<Sighting>,
        table: &mut EntityTable,
    ) {
        // A list that is not full is all there is within reach.
        let full = u32::try_from(self.seen.len()).is_ok_and(|count| count >= sight.most);
        self.order.clear();
        let others = self.seen.iter().enumerate();
        self.order.extend(
            others
                .filter(|(_, seen)| seen.id != player.id)
                .map(|(at, seen)| (seen.id, at)),
        );
        self.order.sort_unstable();

        self.candidates.clear();
        let mut before = known.drain(..).peekable();
        // Somebody in sight who was not seen may be beyond the nearest, and still near enough to stay.
        let unseen = |known: &Sighting, table: &EntityTable| {
            let (_, at) = table.find(known).filter(|_| full)?;
            let at = Position { x: at.x, y: at.y };
            Some(Candidate {
                id: known.id.0,
                distance_squared: at.distance_squared(player.position),
                known: true,
                tag: known.slot,
            })
        };
        for &(id, at) in &self.order {
            let seen = &self.seen[at];
            while let Some(known) = before.next_if(|known| known.id.0 < id.0) {
                self.candidates.extend(unseen(&known, table));
            }
            let known = before.next_if(|known| known.id.0 == id.0);
            let slot = match (known, wanted) {
                (Some(known), Wanted::Movers) if table.holds(&known) => known.slot,
                _ => slot_of(seen, table),
            };
            if wanted == Wanted::Fixtures {
                table.set_look(slot, Look(seen.look));
            }
            self.candidates.push(Candidate {
                id: id.0,
                distance_squared: seen.distance_squared,
                known: known.is_some(),
                tag: slot,
            });
        }
        for known in before {
            self.candidates.extend(unseen(&known, table));
        }

        sight.choose(&mut self.candidates, &mut self.keys);
        let far = u64::from(sight.radius / 2).pow(2);
        known.extend(self.candidates.iter().map(|candidate| Sighting {
            id: EntityIdOnWire(candidate.id),
            slot: candidate.tag,
            far: candidate.distance_squared > far,
        }));
    }
}

/// Where an entity is in the table; one that nobody has seen yet is taken in.
fn slot_of(seen: &Seen, table: &mut EntityTable) -> Slot {
    let id = translate::id(seen.id);
    table.slot(id).unwrap_or_else(|| {
        let observed = Observed {
            position: translate::position(seen.position),
            displacement: (0, 0),
            look: Look(seen.look),
        };
        table.enter(id, translate::kind(seen.kind), None, observed)
    })
}

/// Adds two lists, each in the order of ids, in that order.
fn merge(one: &[Sighting], other: &[Sighting], into: &mut Vec<Sighting>) {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    while let (Some(left), Some(right)) = (one.peek(), other.peek()) {
        let next = if left.id < right.id {
            one.next()
        } else {
            other.next()
        };
        into.extend(next.copied());
    }
    into.extend(one.chain(other).copied());
}
