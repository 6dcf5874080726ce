//! The first minutes of a player: with bare hands, near where it appears, by inputs alone.

use crate::area::EntityKind;
use crate::content::{Content, ItemId, ItemKind, RecipeDef};
use crate::event::{Event, Outcome};
use crate::input::{Action, Input};
use crate::params::{Genre, Params, TickRate};
use crate::units::{Direction, EntityId, Position};
use crate::world::World;

struct Beginner {
    world: World,
    me: EntityId,
    seq: u32,
}

impl Beginner {
    fn new(genre: Genre) -> Self {
        let params = Params::new(genre, 2000, TickRate::new(20).unwrap()).unwrap();
        let mut world = World::new(params, 42, 4711).unwrap();
        let events = world.tick(&[Input::Join {
            ticket: 1,
            name: "ada".into(),
        }]);
        let Event::Joined { player: me, .. } = events[0] else {
            panic!("not let in")
        };
        Self { world, me, seq: 0 }
    }

    fn place(&self) -> Position {
        self.world.player(self.me).unwrap().position
    }

    /// A step towards a place, or none if it is as near as `reach`.
    fn walk(&mut self, to: Position, reach: u32) -> bool {
        let from = self.place();
        let near = crate::systems::within(from, to, reach);
        let part = |by: i32| i8::try_from((by / 8).clamp(-127, 127)).unwrap();
        let direction = if near {
            Direction::STILL
        } else {
            Direction {
                x: part(to.x - from.x),
                y: part(to.y - from.y),
            }
        };
        self.seq += 1;
        self.world.tick(&[Input::Move {
            player: self.me,
            seq: self.seq,
            direction,
        }]);
        near
    }

    fn act(&mut self, action: Action) -> Outcome {
        self.seq += 1;
        let events = self.world.tick(&[Input::Act {
            player: self.me,
            seq: self.seq,
            view: self.world.current_tick(),
            action,
        }]);
        let mut done = events.iter().filter_map(|event| match event {
            Event::Done { outcome, .. } => Some(*outcome),
            _ => None,
        });
        done.next().unwrap()
    }

    fn has(&self, item: ItemId) -> u32 {
        let body = self.world.player(self.me).unwrap();
        let ours = body
            .inventory()
            .iter()
            .flatten()
            .filter(|stack| stack.item == item);
        ours.map(|stack| u32::from(stack.count)).sum()
    }

    /// The nearest resource that bare hands can take an item from.
    fn source(&self, item: ItemId) -> Option<(EntityId, Position)> {
        let mut seen = Vec::new();
        self.world
            .fixtures_near(self.place(), 80_000, 2000, &mut seen);
        seen.sort_by_key(|seen| (seen.distance_squared, seen.id));
        let source = seen.iter().find(|seen| match seen.kind {
            EntityKind::Resource { resource } => {
                let kind = &self.world.content().resources()[usize::from(resource)];
                kind.item == item
                    && kind.tool.is_none()
                    && kind.min_level <= 1
                    && seen.look & 15 > 0
            }
            _ => false,
        });
        source.map(|seen| (seen.id, seen.position))
    }

    fn gather(&mut self, item: ItemId, count: u32) {
        while self.has(item) < count {
            let (target, place) = self.source(item).expect("something near to gather");
            while !self.walk(place, 1500) {}
            assert_eq!(self.act(Action::Gather { target }), Outcome::Ok);
            while self.has(item) < count && self.world.player(self.me).unwrap().activity.is_some() {
                self.world.tick(&[]);
            }
        }
    }
}

/// A first weapon: by hand, from what bare hands can gather.
fn first_weapon(content: &'static Content) -> &'static RecipeDef {
    let by_hand = |item| {
        let mut kinds = content.resources().iter();
        kinds.any(|kind| kind.item == item && kind.tool.is_none() && kind.near_hub > 0)
    };
    let mut recipes = content.recipes().iter();
    let weapon = |recipe: &&RecipeDef| {
        let output = content.item(recipe.output.item).unwrap();
        recipe.station.is_none()
            && recipe.min_level <= 1
            && matches!(&output.kind, ItemKind::Weapon(weapon) if weapon.ammo.is_none())
            && recipe.inputs.iter().all(|input| by_hand(input.item))
    };
    recipes.find(weapon).expect("a weapon for beginners")
}

#[test]
fn two_minutes_are_enough_for_a_first_weapon_and_four_for_a_first_kill() {
    for genre in Genre::ALL {
        let mut ada = Beginner::new(genre);
        let recipe = first_weapon(ada.world.content());
        for input in &recipe.inputs {
            ada.gather(input.item, input.count.into());
        }
        assert_eq!(ada.act(Action::Craft { recipe: recipe.id }), Outcome::Ok);
        while ada.has(recipe.output.item) == 0 {
            ada.world.tick(&[]);
        }
        let armed = ada.world.current_tick() / 20;
        let body = ada.world.player(ada.me).unwrap();
        let mut slots = (0..).zip(body.inventory());
        let slot = slots.find(|(_, slot)| slot.is_some_and(|s| s.item == recipe.output.item));
        let slot = slot.unwrap().0;
        assert_eq!(ada.act(Action::Equip { slot }), Outcome::Ok);

        while ada.world.player(ada.me).unwrap().statistics().kills == 0 {
            let mut seen = Vec::new();
            ada.world.near(ada.place(), 80_000, 500, &mut seen);
            seen.retain(|seen| match seen.kind {
                EntityKind::Creature { species } => {
                    let kind = &ada.world.content().creatures()[usize::from(species)];
                    kind.near_hub > 0 && seen.look >> 4 != 5
                }
                _ => false,
            });
            seen.sort_by_key(|seen| (seen.distance_squared, seen.id));
            let prey = *seen.first().expect("somebody near to fight");
            if ada.walk(prey.position, 1500) {
                ada.act(Action::Attack { target: prey.id });
            }
            assert!(ada.world.current_tick() < 20 * 240, "{genre:?}");
        }
        let killed = ada.world.current_tick() / 20;
        println!("{genre:?}: armed after {armed} s, first kill after {killed} s");
        assert!(armed <= 120, "{genre:?}: {armed} s");
        assert!(ada.world.player(ada.me).unwrap().health > 0, "{genre:?}");
    }
}
