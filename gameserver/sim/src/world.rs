//! The world: all of its state, and one tick of it. What the rules are is in [`crate::systems`]; this is
//! what holds them together.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::area::{Area, Body, EntityKind, Pose, Seen};
use crate::content::{Content, Ground, ItemId, Skill};
use crate::creature::{Creature, Mood};
use crate::event::{Event, Gain, Outcome, Refusal};
use crate::fixture::{Bag, Resource, Station};
use crate::history::History;
use crate::input::Input;
use crate::pages::Pages;
use crate::params::{BadParams, MAX_SEED, Params};
use crate::player::{Character, LeaveCause, MAX_NAME_BYTES, Player, Work};
use crate::populate;
use crate::rng::{Rng, Stream};
use crate::sites::Sites;
use crate::terrain::Terrain;
use crate::trade::Trade;
use crate::units::{Direction, EntityId, Position};
use crate::view::{Activity, ActivityKind, PlayerNow, PlayerView, Statistics, TradeView};
use crate::vitals::Vitals;

/// Most players in a world, whatever its server allows.
pub const MAX_PLAYERS: u32 = 10_000;
/// Full speed of a player on open ground, in millimetres a second.
pub const PLAYER_SPEED: i32 = 6000;
/// Full speed of a player whose hunger or thirst is 0.
pub const STARVING_SPEED: i32 = 5000;
/// How far speech carries, in millimetres.
pub const HEARING: u32 = 40_000;
/// How long a creature's body lies where it died, in seconds.
const CORPSE_SECONDS: u32 = 4;
/// How long nobody can strike somebody who has just come to life, in seconds.
pub(crate) const SAFE_SECONDS: u32 = 10;

/// What a world is, and its counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Globals {
    pub(crate) params: Params,
    pub(crate) seed: u64,
    /// Keys every random number of the game; the seed, which is public, gives only the ground.
    pub(crate) salt: u64,
    /// Of the content that the numbers of kinds in the tables are those of.
    pub(crate) content_hash: u64,
    /// Ticks finished.
    pub(crate) tick: u64,
    /// The next entity's number.
    pub(crate) next_entity: u64,
}

/// All rows of a world, each table sorted by id. A clone is cheap: it shares every page until one of the
/// two changes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    pub(crate) players: Pages<Player>,
    /// Row by row those of `players`.
    pub(crate) characters: Pages<Character>,
    pub(crate) creatures: Pages<Creature>,
    pub(crate) resources: Pages<Resource>,
    pub(crate) stations: Pages<Station>,
    pub(crate) bags: Pages<Bag>,
    pub(crate) trades: Pages<Trade>,
    pub(crate) history: History,
}

/// A world.
#[derive(Debug)]
pub struct World {
    pub(crate) globals: Globals,
    pub(crate) tables: Tables,

    // Derived from the above; neither saved nor hashed.
    pub(crate) content: &'static Content,
    pub(crate) terrain: Arc<Terrain>,
    /// Bodies as they were at the end of the last tick.
    pub(crate) area: Area,
    pub(crate) sites: Sites,
    /// Resources and stations that change by themselves, by the tick at which they do.
    pub(crate) wakes: BTreeSet<(u64, EntityId)>,
    /// Of the present tick.
    pub(crate) events: Vec<Event>,
}

impl World {
    /// A new world, before its first tick. The seed is public: it gives the ground, and with the
    /// parameters it is the world's identity. The salt is a secret: it gives everything that players
    /// are not to know before.
    ///
    /// # Errors
    /// The seed is out of range.
    pub fn new(params: Params, seed: u64, salt: u64) -> Result<Self, BadParams> {
        if seed > MAX_SEED {
            return Err(BadParams::Seed(seed));
        }
        let content = Content::of(params.genre());
        let terrain = Terrain::new(&params, seed);
        let (tables, next_entity) = populate::tables(&params, content, &terrain, salt);
        let globals = Globals {
            params,
            seed,
            salt,
            content_hash: content.hash(),
            tick: 0,
            next_entity,
        };
        Ok(Self::assemble(globals, tables, terrain))
    }

    pub(crate) fn assemble(globals: Globals, tables: Tables, terrain: Terrain) -> Self {
        let size = globals.params.size_metres();
        let mut world = Self {
            content: Content::of(globals.params.genre()),
            globals,
            tables,
            terrain: Arc::new(terrain),
            area: Area::new(size),
            sites: Sites::new(size),
            wakes: BTreeSet::new(),
            events: Vec::new(),
        };
        world.fill_sites();
        world.refresh_area();
        world
    }

    /// One tick: applies the inputs in their order, then lets everything live for as long.
    pub fn tick(&mut self, inputs: &[Input]) -> Vec<Event> {
        self.globals.tick += 1;
        self.sites.settle();
        for input in inputs {
            self.apply(input);
        }
        self.end_stale_trades();
        self.run_players();
        self.run_creatures();
        self.run_fixtures();
        self.remember();
        self.refresh_area();
        std::mem::take(&mut self.events)
    }

    fn apply(&mut self, input: &Input) {
        match input {
            Input::Join { ticket, name } => self.join(*ticket, name),
            Input::Leave { player, cause } => self.leave(*player, *cause),
            Input::Lose { player } => {
                if let Some(me) = self.tables.players.rank(*player) {
                    self.end_trade_of(me);
                    if let Ok(body) = self.player_mut(me) {
                        body.present = false;
                        body.direction = Direction::STILL;
                        body.work = Work::None;
                        body.touch();
                    }
                }
            }
            Input::Return { player } => {
                if let Some(me) = self.tables.players.rank(*player)
                    && let Ok(body) = self.player_mut(me)
                {
                    body.present = true;
                }
            }
            Input::Move {
                player,
                seq,
                direction,
            } => {
                if let Some(me) = self.heard(*player, *seq)
                    && let Ok(body) = self.player_mut(me)
                    && body.is_alive()
                {
                    body.direction = *direction;
                    if !direction.is_still() && body.work != Work::None {
                        body.work = Work::None;
                        body.touch();
                    }
                }
            }
            Input::Act {
                player,
                seq,
                view,
                action,
            } => {
                if let Some(me) = self.heard(*player, *seq) {
                    let done = self.act(me, *view, action);
                    self.events.push(Event::Done {
                        player: *player,
                        seq: *seq,
                        outcome: done.err().unwrap_or(Outcome::Ok),
                    });
                }
            }
        }
    }

    /// Takes note of an input's number: none if it is not to be heard.
    fn heard(&mut self, player: EntityId, seq: u32) -> Option<u32> {
        let me = self.tables.players.rank(player)?;
        let body = self.tables.players.get(me)?;
        if !body.present || seq <= body.seq {
            return None;
        }
        self.tables.players.get_mut(me)?.seq = seq;
        Some(me)
    }

    fn join(&mut self, ticket: u64, name: &str) {
        let mut refuse = |refusal| self.events.push(Event::Refused { ticket, refusal });
        if name.is_empty() || u32::try_from(name.len()).map_or(true, |n| n > MAX_NAME_BYTES) {
            return refuse(Refusal::BadName);
        }
        if self.tables.players.len() >= MAX_PLAYERS {
            return refuse(Refusal::Full);
        }
        let id = self.new_id();
        let tick = self.globals.tick;
        let mut dice = Rng::new(self.globals.salt, Stream::Spawns, id.0);
        let position = self.terrain.spawn(&mut dice);
        let mut body = Player::new(id, position, tick, tick + self.seconds(SAFE_SECONDS));
        body.vitals = Vitals::new(self.content.mechanic().rules);
        body.vitals.set_max_health(1, self.content.mechanic().rules);
        self.tables.players.push(body);
        self.tables.characters.push(Character::new(id, name, tick));
        self.events.push(Event::Joined {
            ticket,
            player: id,
            position,
        });
    }

    fn leave(&mut self, player: EntityId, cause: LeaveCause) {
        if let Some(me) = self.tables.players.rank(player) {
            self.end_trade_of(me);
            self.tables.players.remove(me);
            self.tables.characters.remove(me);
            self.events.push(Event::Left { player, cause });
        }
    }

    pub(crate) fn new_id(&mut self) -> EntityId {
        let id = EntityId(self.globals.next_entity);
        self.globals.next_entity += 1;
        id
    }

    pub(crate) fn seconds(&self, seconds: u32) -> u64 {
        self.globals.params.tick_rate().ticks(seconds)
    }

    pub(crate) fn milliseconds(&self, milliseconds: u32) -> u64 {
        self.globals.params.tick_rate().ticks_of_ms(milliseconds)
    }

    /// Numbers of this tick, for a purpose and an entity.
    pub(crate) fn dice(&self, stream: Stream, entity: EntityId) -> Rng {
        Rng::of_tick(self.globals.salt, stream, self.globals.tick, entity.0)
    }

    pub(crate) fn player_ref(&self, me: u32) -> Result<&Player, Outcome> {
        self.tables.players.get(me).ok_or(Outcome::NoSuchTarget)
    }

    pub(crate) fn player_mut(&mut self, me: u32) -> Result<&mut Player, Outcome> {
        self.tables.players.get_mut(me).ok_or(Outcome::NoSuchTarget)
    }

    pub(crate) fn character(&self, me: u32) -> Result<&Character, Outcome> {
        self.tables.characters.get(me).ok_or(Outcome::NoSuchTarget)
    }

    /// The character, to change what its player is shown.
    pub(crate) fn character_mut(&mut self, me: u32) -> Result<&mut Character, Outcome> {
        self.player_mut(me)?.touch();
        let characters = &mut self.tables.characters;
        characters.get_mut(me).ok_or(Outcome::NoSuchTarget)
    }

    /// Largest stack of an item.
    pub(crate) fn most_of(&self, item: ItemId) -> u16 {
        self.content.item(item).map_or(1, |item| item.stack)
    }

    /// Puts what fits into a player's pack, tells it, and returns how many do not fit.
    pub(crate) fn give(&mut self, me: u32, item: ItemId, count: u16, how: Gain) -> u16 {
        let most = self.most_of(item);
        let Ok(character) = self.character_mut(me) else {
            return count;
        };
        let player = character.id;
        let left = character.inventory.add(item, count, most);
        if left < count {
            self.events.push(Event::Gained {
                player,
                item,
                count: count - left,
                how,
            });
        }
        left
    }

    /// A player learns: a skill, and from that as a character.
    pub(crate) fn learn(&mut self, me: u32, skill: Skill, experience: u16) {
        if experience == 0 {
            return;
        }
        let Ok(character) = self.character_mut(me) else {
            return;
        };
        let player = character.id;
        let in_skill = character.skill_mut(skill).learn(experience.into());
        let in_all = character.progress.learn(experience.into());
        for (skill, level) in [(Some(skill), in_skill), (None, in_all)] {
            if let Some(level) = level {
                self.events.push(Event::Levelled {
                    player,
                    skill,
                    level,
                });
            }
        }
        if let Some(level) = in_all {
            let mechanic = self.content.mechanic().rules;
            if let Ok(body) = self.player_mut(me) {
                body.vitals.set_max_health(level, mechanic);
            }
        }
    }

    fn remember(&mut self) {
        let Tables {
            players,
            creatures,
            history,
            ..
        } = &mut self.tables;
        history.push(
            self.globals.tick,
            self.globals.params.tick_rate().hz(),
            players.iter().map(|player| (player.id, player.position)),
            creatures.iter().map(|creature| creature.position),
        );
    }

    fn refresh_area(&mut self) {
        let Self {
            globals,
            tables,
            content,
            area,
            ..
        } = self;
        let tick = globals.tick;
        let lies = globals.params.tick_rate().ticks(CORPSE_SECONDS);
        let players = (0_u32..).zip(tables.players.iter());
        let players = players.map(|(rank, player)| -> Body {
            let look = player_look(player, tick);
            (
                player.id,
                EntityKind::Player { rank },
                player.position,
                look,
            )
        });
        let creatures = tables.creatures.iter();
        let creatures = creatures
            .filter(|creature| creature.is_alive() || tick < creature.since + lies)
            .map(|creature| -> Body {
                let species = creature.species;
                let most = content.creature(species).map_or(1, |kind| kind.health);
                (
                    creature.id,
                    EntityKind::Creature { species: species.0 },
                    creature.position,
                    creature_look(creature, most),
                )
            });
        area.rebuild(players.chain(creatures));
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.globals.params
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.globals.seed
    }

    /// Last finished tick; 0 before the first.
    #[must_use]
    pub fn current_tick(&self) -> u64 {
        self.globals.tick
    }

    /// Players with a body in the world.
    #[must_use]
    pub fn player_count(&self) -> u32 {
        self.tables.players.len()
    }

    /// Creatures in the world, the dead ones that will live again too.
    #[must_use]
    pub fn creature_count(&self) -> u32 {
        self.tables.creatures.len()
    }

    /// Resources in the world.
    #[must_use]
    pub fn resource_count(&self) -> u32 {
        self.tables.resources.len()
    }

    /// A player.
    #[must_use]
    pub fn player(&self, player: EntityId) -> Option<PlayerView<'_>> {
        self.player_at(self.tables.players.rank(player)?)
    }

    /// The player at a place in the order of ids, from 0.
    #[must_use]
    pub fn player_at(&self, rank: u32) -> Option<PlayerView<'_>> {
        let (player, character) = (
            self.tables.players.get(rank)?,
            self.tables.characters.get(rank)?,
        );
        Some(self.view(player, character))
    }

    /// All players in the order of their ids.
    pub fn players(&self) -> impl Iterator<Item = PlayerView<'_>> {
        let rows = self
            .tables
            .players
            .iter()
            .zip(self.tables.characters.iter());
        rows.map(|(player, character)| self.view(player, character))
    }

    /// What of each player changes all the time, in the order of their ids.
    pub fn players_now(&self) -> impl Iterator<Item = PlayerNow> {
        self.tables.players.iter().map(|player| PlayerNow {
            id: player.id,
            position: player.position,
            seq: player.seq,
            revision: player.revision,
        })
    }

    /// All bodies that can be seen at the end of this tick: first the players, then the creatures, both
    /// in the order of their ids.
    pub fn bodies(&self) -> impl Iterator<Item = Seen> {
        self.area.all().map(|(id, kind, position, look)| Seen {
            id,
            kind,
            position,
            distance_squared: 0,
            look,
        })
    }

    /// Fills `seen` with the nearest `most` bodies within `radius` millimetres of `centre`, in no
    /// particular order.
    pub fn near(&self, centre: Position, radius: u32, most: u32, seen: &mut Vec<Seen>) {
        self.area.near(centre, radius, most, seen);
    }

    /// Fills `seen` with the nearest `most` things that stand still (resources, stations, bags) within
    /// `radius` millimetres of `centre`, in no particular order.
    pub fn fixtures_near(&self, centre: Position, radius: u32, most: u32, seen: &mut Vec<Seen>) {
        self.sites.near(centre, radius, most, seen);
    }

    /// What stands still and appeared, vanished or looks different since the tick before; an entity may
    /// be named twice.
    #[must_use]
    pub fn fixtures_changed(&self) -> &[EntityId] {
        self.sites.changed()
    }

    /// The ground, and what is known of it.
    #[must_use]
    pub fn terrain(&self) -> &Arc<Terrain> {
        &self.terrain
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

    /// The content that the world is made of.
    #[must_use]
    pub fn content(&self) -> &'static Content {
        self.content
    }

    /// How many of each item there are in packs, worn, and in bags: by [`ItemId`], from 0, which stands
    /// for no item.
    #[must_use]
    pub fn census(&self) -> Vec<u64> {
        let mut counts = vec![0; self.content.items().len() + 1];
        let mut add = |item: ItemId, count: u16| {
            #[expect(clippy::disallowed_types, reason = "an index, not kept")]
            if let Some(sum) = counts.get_mut(usize::from(item.0)) {
                *sum += u64::from(count);
            }
        };
        for character in self.tables.characters.iter() {
            for stack in character.inventory.slots().iter().flatten() {
                add(stack.item, stack.count);
            }
            for item in character.equipment.iter().flatten() {
                add(*item, 1);
            }
        }
        for stack in self.tables.bags.iter().flat_map(|bag| &bag.stacks) {
            add(stack.item, stack.count);
        }
        counts
    }

    fn view<'a>(&'a self, player: &'a Player, character: &'a Character) -> PlayerView<'a> {
        let (health, max_health, hunger, thirst, meter) = player.vitals.shown();
        let shown = |progress: crate::progress::Progress| (progress.level(), progress.experience());
        PlayerView {
            id: player.id,
            name: &character.name,
            position: player.position,
            direction: player.direction,
            seq: player.seq,
            present: player.present,
            speed: speed_of(player),
            revision: player.revision,
            health,
            max_health,
            hunger,
            thirst,
            meter,
            level: character.progress.level(),
            experience: character.progress.experience(),
            skills: character.skills.map(shown),
            activity: activity(player.work, self.globals.tick),
            trade: self.trade_view(player),
            inventory: character.inventory.slots(),
            equipment: character.equipment,
            statistics: Statistics {
                kills: character.deeds.kills,
                deaths: character.deeds.deaths,
                gathered: character.deeds.gathered,
                crafted: character.deeds.crafted,
                trades: character.deeds.trades,
                distance_metres: u32::try_from(player.walked / 1000).unwrap_or(u32::MAX),
                struck: character.deeds.struck,
                ticks_played: self.globals.tick.saturating_sub(character.deeds.joined),
            },
        }
    }

    fn trade_view<'a>(&'a self, player: &Player) -> Option<TradeView<'a>> {
        if player.trade == 0 {
            return None;
        }
        let trade = self.tables.trades.find(EntityId(player.trade))?;
        let (mine, theirs) = trade.sides_of(player.id);
        let [asker, _] = &trade.sides;
        Some(TradeView {
            partner: theirs.player,
            revision: trade.revision,
            open: trade.open,
            asked_by_them: asker.player != player.id,
            mine: &mine.offers,
            theirs: &theirs.offers,
            i_accepted: mine.accepted,
            they_accepted: theirs.accepted,
        })
    }
}

/// Full speed of a body on open ground, in millimetres a second.
pub(crate) fn speed_of(player: &Player) -> i32 {
    if !player.is_alive() {
        0
    } else if player.vitals.is_starving() {
        STARVING_SPEED
    } else {
        PLAYER_SPEED
    }
}

fn activity(work: Work, tick: u64) -> Option<Activity> {
    let (kind, began, due) = match work {
        Work::None => return None,
        Work::Gather { began, due, .. } => (ActivityKind::Gather, began, due),
        Work::Craft { began, due, .. } => (ActivityKind::Craft, began, due),
    };
    let ticks = |ticks: u64| u32::try_from(ticks).unwrap_or(u32::MAX);
    Some(Activity {
        kind,
        ticks_left: ticks(due.saturating_sub(tick)),
        ticks_total: ticks(due.saturating_sub(began)),
    })
}

/// A pose, and a part of a whole in fifteenths, rounded up.
pub(crate) fn look(pose: Pose, part: u32, whole: u32) -> u8 {
    let fifteenths = (part.saturating_mul(15)).div_ceil(whole.max(1)).min(15);
    (pose as u8) << 4 | u8::try_from(fifteenths).unwrap_or(15)
}

fn player_look(player: &Player, tick: u64) -> u8 {
    let pose = if !player.is_alive() {
        Pose::Dead
    } else if !player.present {
        Pose::Absent
    } else if tick < player.fought_until {
        Pose::Fighting
    } else if player.trade != 0 {
        Pose::Trading
    } else {
        match player.work {
            Work::None => Pose::None,
            Work::Gather { .. } => Pose::Gathering,
            Work::Craft { .. } => Pose::Crafting,
        }
    };
    look(pose, player.vitals.health, player.vitals.max_health)
}

fn creature_look(creature: &Creature, most: u16) -> u8 {
    let pose = match creature.mood {
        Mood::Dead => Pose::Dead,
        Mood::Chase => Pose::Fighting,
        Mood::Calm | Mood::Flee | Mood::Return => Pose::None,
    };
    look(pose, creature.health.into(), most.into())
}
