//! A world in which a test sets the scene.

use crate::content::{Behaviour, CreatureDef, ItemDef, ItemId, ItemKind};
use crate::event::{Event, Outcome};
use crate::fixture::Station;
use crate::input::{Action, Input};
use crate::params::{Genre, Params, TickRate};
use crate::units::{Direction, EntityId, Position};
use crate::world::World;

pub(super) struct Stage {
    pub(super) world: World,
    seq: u32,
    /// Of the last tick.
    pub(super) events: Vec<Event>,
}

impl Stage {
    /// A world without creatures near, and so many players a metre apart on open ground outside of hubs.
    pub(super) fn new(genre: Genre, players: u32) -> (Self, Vec<EntityId>) {
        let params = Params::new(genre, 1000, TickRate::new(20).unwrap()).unwrap();
        let mut stage = Self {
            world: World::new(params, 11, 12).unwrap(),
            seq: 0,
            events: Vec::new(),
        };
        // Everybody else is somewhere else.
        let ground = stage.open_ground();
        for rank in 0..stage.world.tables.creatures.len() {
            let creature = stage.world.tables.creatures.get_mut(rank).unwrap();
            creature.until = u64::MAX;
            if ground.distance_squared(creature.position) < 150_000_u64.pow(2) {
                creature.mood = crate::creature::Mood::Dead;
            }
        }
        let joins: Vec<_> = (0..players)
            .map(|ticket| Input::Join {
                ticket: ticket.into(),
                name: format!("player {ticket}").into(),
            })
            .collect();
        let events = stage.world.tick(&joins);
        let ids: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Joined { player, .. } => Some(*player),
                _ => None,
            })
            .collect();
        for (at, id) in (0..).zip(&ids) {
            let place = Position {
                x: ground.x + at * 1000,
                y: ground.y,
            };
            stage.place(*id, place);
            stage.player(*id).safe_until = 0;
        }
        stage.idle(1);
        (stage, ids)
    }

    /// The middle of a wide open place far from every hub.
    fn open_ground(&self) -> Position {
        let open = |x: i32, y: i32| {
            (-5..=5).all(|dx| {
                (-5..=5).all(|dy| {
                    let place = Position {
                        x: x + dx * 4000,
                        y: y + dy * 4000,
                    };
                    self.world.terrain.ground(place) == Some(crate::content::Ground::Open)
                        && !self.world.terrain.is_hub(place)
                })
            })
        };
        let places = (10..240).flat_map(|y| (10..240).map(move |x| (x * 4000, y * 4000)));
        let (x, y) = places.into_iter().find(|(x, y)| open(*x, *y)).unwrap();
        Position { x, y }
    }

    pub(super) fn player(&mut self, id: EntityId) -> &mut crate::player::Player {
        let rank = self.world.tables.players.rank(id).unwrap();
        self.world.tables.players.get_mut(rank).unwrap()
    }

    pub(super) fn character(&mut self, id: EntityId) -> &mut crate::player::Character {
        let rank = self.world.tables.players.rank(id).unwrap();
        self.world.tables.characters.get_mut(rank).unwrap()
    }

    pub(super) fn place(&mut self, id: EntityId, place: Position) {
        self.player(id).position = place;
    }

    pub(super) fn at(&self, id: EntityId) -> Position {
        self.world.player(id).unwrap().position
    }

    pub(super) fn give(&mut self, id: EntityId, item: ItemId, count: u16) {
        let most = self.world.most_of(item);
        let left = self.character(id).inventory.add(item, count, most);
        assert_eq!(left, 0);
    }

    pub(super) fn count(&self, id: EntityId, item: ItemId) -> u32 {
        let rank = self.world.tables.players.rank(id).unwrap();
        let character = self.world.tables.characters.get(rank).unwrap();
        character.inventory.count(item)
    }

    pub(super) fn fill(&mut self, id: EntityId) {
        let item = self.plain();
        while self.character(id).inventory.has_room(item, 1, 1) {
            let _ = self.character(id).inventory.add(item, 1, 1);
        }
        for slot in 0..24 {
            let pack = &mut self.character(id).inventory;
            let stack = pack.take(slot, 1).unwrap();
            let most = self.world.most_of(stack.item);
            pack_put(&mut self.character(id).inventory, slot, stack.item, most);
        }
    }

    /// An item that is only a material.
    pub(super) fn plain(&self) -> ItemId {
        self.item(|item| matches!(item.kind, ItemKind::Material)).id
    }

    pub(super) fn item(&self, wanted: impl Fn(&ItemDef) -> bool) -> &'static ItemDef {
        self.world
            .content
            .items()
            .iter()
            .find(|item| wanted(item))
            .unwrap()
    }

    pub(super) fn act_at(&mut self, player: EntityId, view: u64, action: Action) -> Outcome {
        self.seq += 1;
        let seq = self.seq;
        let input = Input::Act {
            player,
            seq,
            view,
            action,
        };
        self.events = self.world.tick(&[input]);
        let done = self.events.iter().find_map(|event| match event {
            Event::Done {
                player: who,
                seq: of,
                outcome,
            } if *who == player && *of == seq => Some(*outcome),
            _ => None,
        });
        done.expect("every action is answered")
    }

    pub(super) fn act(&mut self, player: EntityId, action: Action) -> Outcome {
        let view = self.world.current_tick();
        self.act_at(player, view, action)
    }

    pub(super) fn go(&mut self, player: EntityId, x: i8, y: i8) {
        self.seq += 1;
        let seq = self.seq;
        let direction = Direction { x, y };
        self.events = self.world.tick(&[Input::Move {
            player,
            seq,
            direction,
        }]);
    }

    /// Lets so many ticks pass, and returns all that happened.
    pub(super) fn idle(&mut self, ticks: u64) -> Vec<Event> {
        (0..ticks).flat_map(|_| self.world.tick(&[])).collect()
    }

    /// The slot in which an item is.
    pub(super) fn slot(&self, player: EntityId, item: ItemId) -> u8 {
        let body = self.world.player(player).unwrap();
        let mut slots = (0..).zip(body.inventory());
        let found = slots.find(|(_, slot)| slot.is_some_and(|stack| stack.item == item));
        found.unwrap().0
    }

    /// Puts a creature with a behaviour somewhere, awake; its rank and kind.
    pub(super) fn creature(
        &mut self,
        behaviour: Behaviour,
        place: Position,
    ) -> (EntityId, &'static CreatureDef) {
        let kinds = self.world.content.creatures().iter();
        let mut kinds = kinds.filter(|kind| kind.drawn_by_heat == 0);
        let kind = kinds.find(|kind| kind.behaviour == behaviour).unwrap();
        let tick = self.world.globals.tick;
        // A row that is not yet in a play.
        let rank = {
            let mut rows = (0..).zip(self.world.tables.creatures.iter());
            let resting = rows.find(|(_, row)| row.until == u64::MAX);
            resting.unwrap().0
        };
        let creature = self.world.tables.creatures.get_mut(rank).unwrap();
        creature.species = kind.id;
        creature.health = kind.health;
        creature.position = place;
        creature.home = place;
        creature.mood = crate::creature::Mood::Calm;
        creature.target = EntityId(0);
        creature.until = tick + 1;
        creature.placed = tick;
        let id = creature.id;
        self.idle(1);
        (id, kind)
    }

    pub(super) fn beast(&self, id: EntityId) -> &crate::creature::Creature {
        self.world.tables.creatures.find(id).unwrap()
    }

    pub(super) fn beast_mut(&mut self, id: EntityId) -> &mut crate::creature::Creature {
        let rank = self.world.tables.creatures.rank(id).unwrap();
        self.world.tables.creatures.get_mut(rank).unwrap()
    }

    /// A station of a kind, next to a player.
    pub(super) fn station_near(
        &mut self,
        player: EntityId,
        wanted: impl Fn(&crate::content::StationDef) -> bool,
    ) -> EntityId {
        let kind = self
            .world
            .content
            .stations()
            .iter()
            .find(|kind| wanted(kind))
            .unwrap();
        let id = self.world.new_id();
        let position = self.at(player);
        self.world.tables.stations.push(Station {
            id,
            kind: kind.id,
            position,
            due: 0,
        });
        let station = kind.id.0;
        let kind = crate::area::EntityKind::Station { station };
        self.world.sites.add(id, kind, position, 15);
        id
    }

    /// A resource that is wanted, with a player put next to it.
    pub(super) fn resource_near(
        &mut self,
        player: EntityId,
        wanted: impl Fn(&crate::content::ResourceDef) -> bool,
    ) -> (EntityId, &'static crate::content::ResourceDef) {
        let content = self.world.content;
        let (id, kind, place) = {
            let mut rows = self.world.tables.resources.iter();
            let row = rows.find(|row| wanted(content.resource(row.kind).unwrap()));
            let row = row.unwrap();
            (row.id, content.resource(row.kind).unwrap(), row.position)
        };
        self.place(player, place);
        (id, kind)
    }
}

fn pack_put(pack: &mut crate::inventory::Inventory, slot: u8, item: ItemId, count: u16) {
    pack.put(slot, crate::view::Stack { item, count }).unwrap();
}
