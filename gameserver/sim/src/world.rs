//! The world: all of its state, and one tick of it.

use crate::area::{Area, EntityKind, Seen};
use crate::creature::{self, Creature};
use crate::movement::step;
use crate::params::{BadParams, MAX_SEED, Params};
use crate::player::{LeaveCause, MAX_NAME_BYTES, Player};
use crate::rng::{Rng, Stream};
use crate::state::{Encoder, Hasher, Reader, Sink, SnapshotError, State};
use crate::terrain::{GENERATOR_VERSION, Ground, Terrain};
use crate::units::{Direction, EntityId, Position};

/// Most players in a world, whatever its server allows.
pub const MAX_PLAYERS: u32 = 10_000;
/// Full speed of a player on open ground, in millimetres a second.
pub const PLAYER_SPEED: i32 = 6000;

const MAGIC: [u8; 4] = *b"WKSN";
const FORMAT: u16 = 1;

/// What the outside does to a world. All inputs of a tick are applied in their order before anything
/// moves; those that make no sense (any more) are passed over, in every run alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A new player comes.
    Join {
        /// Returned in [`Event::Joined`] or [`Event::Refused`].
        ticket: u64,
        /// 1 to [`MAX_NAME_BYTES`] bytes.
        name: Box<str>,
    },
    /// A player's body goes.
    Leave {
        /// Whose.
        player: EntityId,
        /// Why.
        cause: LeaveCause,
    },
    /// A player's connection was lost: its body stays, and stands still.
    Lose {
        /// Whose.
        player: EntityId,
    },
    /// The player is back in its body.
    Return {
        /// Whose.
        player: EntityId,
    },
    /// Where a player wants to go from now on.
    Move {
        /// Who.
        player: EntityId,
        /// Higher than that of the player's last input.
        seq: u32,
        /// Where to.
        direction: Direction,
    },
}

/// What happened in a tick, for those outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A player is in.
    Joined {
        /// Of the input.
        ticket: u64,
        /// The body.
        player: EntityId,
        /// Where it is.
        position: Position,
    },
    /// A player is not let in.
    Refused {
        /// Of the input.
        ticket: u64,
        /// Why.
        refusal: Refusal,
    },
    /// A body is gone.
    Left {
        /// Whose.
        player: EntityId,
        /// Why.
        cause: LeaveCause,
    },
}

/// Why a world does not let a player in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It has [`MAX_PLAYERS`].
    Full,
    /// The name is empty or too long.
    BadName,
}

/// A player, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayerView<'a> {
    /// Which.
    pub id: EntityId,
    /// Its name.
    pub name: &'a str,
    /// Where it is.
    pub position: Position,
    /// Last input applied; 0 before the first.
    pub seq: u32,
    /// Not waiting for its connection to come back.
    pub present: bool,
}

/// A world.
#[derive(Debug)]
pub struct World {
    params: Params,
    seed: u64,
    /// Ticks finished.
    tick: u64,
    /// The next entity's number.
    next_entity: u64,
    spawns: Rng,
    /// Sorted by id: new ids are the highest.
    players: Vec<Player>,
    /// Sorted by id.
    creatures: Vec<Creature>,

    // Derived from the above; neither saved nor hashed.
    terrain: Terrain,
    area: Area,
    player_speed: i32,
    creature_speeds: [i32; 6],
}

impl World {
    /// A new world, before its first tick.
    ///
    /// # Errors
    /// The seed is out of range.
    pub fn new(params: Params, seed: u64) -> Result<Self, BadParams> {
        if seed > MAX_SEED {
            return Err(BadParams::Seed(seed));
        }
        let terrain = Terrain::new(&params, seed);
        let count = u64::from(creature::count(&params));
        let creatures = (1..=count)
            .map(|id| Creature::new(EntityId(id), seed, &terrain))
            .collect();
        let parts = Parts {
            params,
            seed,
            tick: 0,
            next_entity: count + 1,
            spawns: Rng::new(seed, Stream::Spawns, 0),
            players: Vec::new(),
            creatures,
        };
        Ok(Self::assemble(parts, terrain))
    }

    fn assemble(parts: Parts, terrain: Terrain) -> Self {
        let Parts {
            params,
            seed,
            tick,
            next_entity,
            spawns,
            players,
            creatures,
        } = parts;
        let mut world = Self {
            params,
            seed,
            tick,
            next_entity,
            spawns,
            players,
            creatures,
            terrain,
            area: Area::new(params.size_metres()),
            player_speed: PLAYER_SPEED / i32::from(params.tick_rate().hz()),
            creature_speeds: creature::speeds(params.tick_rate()),
        };
        world.refresh_area();
        world
    }

    /// One tick: applies the inputs in their order, then moves everything.
    pub fn tick(&mut self, inputs: &[Input]) -> Vec<Event> {
        self.tick += 1;
        let mut events = Vec::new();
        for input in inputs {
            self.apply(input, &mut events);
        }
        for player in &mut self.players {
            player.position = step(
                &self.terrain,
                player.position,
                player.direction,
                self.player_speed,
            );
        }
        let rate = self.params.tick_rate();
        for creature in &mut self.creatures {
            let speed = species_speed(&self.creature_speeds, creature.species);
            creature.tick(self.tick, rate, speed, &self.terrain);
        }
        self.refresh_area();
        events
    }

    fn apply(&mut self, input: &Input, events: &mut Vec<Event>) {
        match input {
            Input::Join { ticket, name } => events.push(self.join(*ticket, name)),
            Input::Leave { player, cause } => {
                if let Ok(at) = self.rank(*player) {
                    self.players.remove(at);
                    events.push(Event::Left {
                        player: *player,
                        cause: *cause,
                    });
                }
            }
            Input::Lose { player } => {
                if let Some(player) = self.player_mut(*player) {
                    player.present = false;
                    player.direction = Direction::STILL;
                }
            }
            Input::Return { player } => {
                if let Some(player) = self.player_mut(*player) {
                    player.present = true;
                }
            }
            Input::Move {
                player,
                seq,
                direction,
            } => {
                if let Some(player) = self.player_mut(*player)
                    && player.present
                    && *seq > player.seq
                {
                    player.seq = *seq;
                    player.direction = *direction;
                }
            }
        }
    }

    fn join(&mut self, ticket: u64, name: &str) -> Event {
        let refuse = |refusal| Event::Refused { ticket, refusal };
        if name.is_empty() || u32::try_from(name.len()).map_or(true, |n| n > MAX_NAME_BYTES) {
            return refuse(Refusal::BadName);
        }
        if self.player_count() >= MAX_PLAYERS {
            return refuse(Refusal::Full);
        }
        let player = EntityId(self.next_entity);
        self.next_entity += 1;
        let position = self.terrain.spawn(&mut self.spawns);
        self.players.push(Player {
            id: player,
            name: name.into(),
            position,
            direction: Direction::STILL,
            seq: 0,
            present: true,
        });
        Event::Joined {
            ticket,
            player,
            position,
        }
    }

    fn refresh_area(&mut self) {
        let players = (0_u32..).zip(&self.players);
        let players = players.map(|(rank, p)| (p.id, EntityKind::Player { rank }, p.position));
        let creatures = self.creatures.iter();
        let creatures = creatures.map(|c| {
            (
                c.id,
                EntityKind::Creature { species: c.species },
                c.position,
            )
        });
        self.area.rebuild(players.chain(creatures));
    }

    #[expect(clippy::disallowed_types, reason = "an index, not kept")]
    fn rank(&self, player: EntityId) -> Result<usize, usize> {
        self.players
            .binary_search_by_key(&player, |player| player.id)
    }

    fn player_mut(&mut self, player: EntityId) -> Option<&mut Player> {
        let at = self.rank(player).ok()?;
        self.players.get_mut(at)
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Last finished tick; 0 before the first.
    #[must_use]
    pub fn current_tick(&self) -> u64 {
        self.tick
    }

    /// Players with a body in the world.
    #[must_use]
    pub fn player_count(&self) -> u32 {
        u32::try_from(self.players.len()).unwrap_or(u32::MAX)
    }

    /// Creatures in the world.
    #[must_use]
    pub fn creature_count(&self) -> u32 {
        u32::try_from(self.creatures.len()).unwrap_or(u32::MAX)
    }

    /// A player.
    #[must_use]
    pub fn player(&self, player: EntityId) -> Option<PlayerView<'_>> {
        self.players.get(self.rank(player).ok()?).map(view)
    }

    /// The player at a place in the order of ids, from 0.
    #[must_use]
    pub fn player_at(&self, rank: u32) -> Option<PlayerView<'_>> {
        self.players.get(index(rank)).map(view)
    }

    /// All players in the order of their ids.
    pub fn players(&self) -> impl Iterator<Item = PlayerView<'_>> {
        self.players.iter().map(view)
    }

    /// Fills `seen` with the nearest `most` bodies within `radius` millimetres of `centre`, in no
    /// particular order.
    pub fn near(&self, centre: Position, radius: u32, most: u32, seen: &mut Vec<Seen>) {
        self.area.near(centre, radius, most, seen);
    }

    /// The ground at a place; none outside the world.
    #[must_use]
    pub fn ground(&self, place: Position) -> Option<Ground> {
        self.terrain.ground(place)
    }

    /// Hash of what the seed made: the same in every incarnation of this world.
    #[must_use]
    pub fn terrain_hash(&self) -> u64 {
        self.terrain.hash()
    }

    /// Hash of all state. Worlds with equal hashes go on alike when given the same inputs.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut hasher = Hasher::new();
        self.walk(&mut hasher);
        hasher.finish()
    }

    /// All state, as bytes that [`World::restore`] reads.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut encoder = Encoder::default();
        encoder.put_bytes(&MAGIC);
        FORMAT.write(&mut encoder);
        self.walk(&mut encoder);
        self.hash().write(&mut encoder);
        encoder.bytes
    }

    /// The one walk over all state.
    fn walk(&self, sink: &mut impl Sink) {
        let Self {
            params,
            seed,
            tick,
            next_entity,
            spawns,
            players,
            creatures,
            terrain: _,
            area: _,
            player_speed: _,
            creature_speeds: _,
        } = self;
        GENERATOR_VERSION.write(sink);
        params.write(sink);
        seed.write(sink);
        tick.write(sink);
        next_entity.write(sink);
        spawns.write(sink);
        players.write(sink);
        creatures.write(sink);
    }

    /// The world that a snapshot was taken of.
    ///
    /// # Errors
    /// The bytes are not, or no longer, a snapshot of a world that can be.
    pub fn restore(snapshot: &[u8]) -> Result<Self, SnapshotError> {
        let mut reader = Reader::new(snapshot);
        if reader.array() != Ok(MAGIC) {
            return Err(SnapshotError::NotASnapshot);
        }
        let format = u16::read(&mut reader)?;
        if format != FORMAT {
            return Err(SnapshotError::Format {
                found: format,
                expected: FORMAT,
            });
        }
        let generator = u16::read(&mut reader)?;
        if generator != GENERATOR_VERSION {
            return Err(SnapshotError::Generator {
                found: generator,
                expected: GENERATOR_VERSION,
            });
        }
        let parts = Parts {
            params: Params::read(&mut reader)?,
            seed: u64::read(&mut reader)?,
            tick: u64::read(&mut reader)?,
            next_entity: u64::read(&mut reader)?,
            spawns: Rng::read(&mut reader)?,
            players: Vec::read(&mut reader)?,
            creatures: Vec::read(&mut reader)?,
        };
        let hash = u64::read(&mut reader)?;
        if reader.remaining() > 0 {
            return Err(SnapshotError::Trailing(reader.remaining()));
        }
        let terrain = Terrain::new(&parts.params, parts.seed.min(MAX_SEED));
        parts.check(&terrain)?;
        let world = Self::assemble(parts, terrain);
        if world.hash() != hash {
            return Err(SnapshotError::Damaged);
        }
        Ok(world)
    }
}

/// State as read, before it is known to be one of a world.
struct Parts {
    params: Params,
    seed: u64,
    tick: u64,
    next_entity: u64,
    spawns: Rng,
    players: Vec<Player>,
    creatures: Vec<Creature>,
}

impl Parts {
    fn check(&self, terrain: &Terrain) -> Result<(), SnapshotError> {
        let bad = |what| Err(SnapshotError::Bad(what));
        if self.seed > MAX_SEED {
            return bad("seed");
        }
        let limit = self.next_entity;
        // Far beyond what a world can reach, and far from where counting would overflow.
        if self.tick > MAX_SEED || limit > MAX_SEED {
            return bad("tick or entity number");
        }
        if !ascending(self.players.iter().map(|player| player.id), limit) {
            return bad("player id");
        }
        if !ascending(self.creatures.iter().map(|creature| creature.id), limit) {
            return bad("creature id");
        }
        let places = self.players.iter().map(|player| player.position);
        let mut places = places.chain(self.creatures.iter().map(|creature| creature.position));
        if !places.all(|place| terrain.is_passable(place)) {
            return bad("position");
        }
        if self
            .creatures
            .iter()
            .any(|creature| creature.species >= creature::SPECIES)
        {
            return bad("species");
        }
        let limit = u64::from(MAX_NAME_BYTES);
        let named =
            |name: &str| !name.is_empty() && u64::try_from(name.len()).is_ok_and(|n| n <= limit);
        if !self.players.iter().all(|player| named(&player.name)) {
            return bad("name");
        }
        Ok(())
    }
}

fn ascending(mut ids: impl Iterator<Item = EntityId>, limit: u64) -> bool {
    ids.try_fold(0, |last, EntityId(id)| {
        (id > last && id < limit).then_some(id)
    })
    .is_some()
}

fn view(player: &Player) -> PlayerView<'_> {
    PlayerView {
        id: player.id,
        name: &player.name,
        position: player.position,
        seq: player.seq,
        present: player.present,
    }
}

fn species_speed(speeds: &[i32; 6], species: u8) -> i32 {
    let [.., last] = speeds;
    speeds.get(index(species.into())).copied().unwrap_or(*last)
}

#[expect(clippy::disallowed_types, reason = "an index, not kept")]
fn index(number: u32) -> usize {
    number.try_into().unwrap_or(usize::MAX)
}
