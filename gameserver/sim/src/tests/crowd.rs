//! A crowd that plays: it looks at the world as a client would, and does what is at hand, some of it
//! nonsense. All of it follows from one number.

use crate::area::EntityKind;
use crate::content::{Place, RecipeId};
use crate::event::Event;
use crate::input::{Action, Input, Offer};
use crate::params::{Genre, Params, TickRate};
use crate::player::LeaveCause;
use crate::rng::{Rng, Stream};
use crate::units::{Direction, EntityId, Position};
use crate::world::World;

pub(super) fn world(seed: u64, genre: Genre, hz: u32) -> World {
    let params = Params::new(genre, 256, TickRate::new(hz).unwrap()).unwrap();
    World::new(params, seed, seed ^ 0x5a17).unwrap()
}

/// Players that act.
pub(super) struct Crowd {
    dice: Rng,
    /// How many it wants to be.
    size: u32,
    tickets: u64,
    inside: Vec<(EntityId, u32)>,
    /// What kinds of actions it does: a chance in each for [`Crowd::act`].
    pub(super) only_items: bool,
}

impl Crowd {
    pub(super) fn new(seed: u64, size: u32) -> Self {
        Self {
            dice: Rng::new(seed, Stream::Thoughts, 0x00c0_ffee),
            size,
            tickets: 0,
            inside: Vec::new(),
            only_items: false,
        }
    }

    fn chance(&mut self, of: u32) -> bool {
        self.dice.below(of) == 0
    }

    /// The inputs of the next tick.
    pub(super) fn inputs(&mut self, world: &World) -> Vec<Input> {
        let mut inputs = Vec::new();
        if (self.inside.len() as u32) < self.size && self.chance(4) {
            self.tickets += 1;
            inputs.push(Input::Join {
                ticket: self.tickets,
                name: format!("player {}", self.tickets).into(),
            });
        }
        for at in 0..self.inside.len() {
            let (player, _) = self.inside[at];
            let Some(body) = world.player(player) else {
                continue;
            };
            if !body.present {
                if self.chance(30) {
                    inputs.push(Input::Return { player });
                }
                continue;
            }
            match self.dice.below(4000) {
                0 => inputs.push(Input::Leave {
                    player,
                    cause: LeaveCause::Left,
                }),
                1..3 => inputs.push(Input::Lose { player }),
                3..400 => {
                    let action = self.act(world, player);
                    let seq = self.next_seq(at);
                    let back = u64::from(self.dice.below(40));
                    inputs.push(Input::Act {
                        player,
                        seq,
                        view: world.current_tick().saturating_sub(back),
                        action,
                    });
                }
                400..800 => {
                    let direction = self.direction(world, player);
                    let seq = self.next_seq(at);
                    inputs.push(Input::Move {
                        player,
                        seq,
                        direction,
                    });
                }
                800 => inputs.push(Input::Move {
                    player,
                    seq: 1,
                    direction: Direction { x: 127, y: 127 },
                }),
                _ => {}
            }
        }
        inputs
    }

    fn next_seq(&mut self, at: usize) -> u32 {
        let (_, seq) = &mut self.inside[at];
        *seq += 1;
        *seq
    }

    /// Takes note of who is inside.
    pub(super) fn heard(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::Joined { player, .. } => self.inside.push((*player, 0)),
                Event::Left { player, .. } => self.inside.retain(|(inside, _)| inside != player),
                _ => {}
            }
        }
    }

    pub(super) fn inside(&self) -> Vec<EntityId> {
        self.inside.iter().map(|(player, _)| *player).collect()
    }

    /// Towards something of interest, or anywhere.
    fn direction(&mut self, world: &World, player: EntityId) -> Direction {
        let from = world.player(player).unwrap().position;
        let goal = match self.dice.below(6) {
            0 => self.mover(world, player, true),
            1 => self.mover(world, player, false),
            2 | 3 => self.fixture(world, player, |kind| {
                matches!(kind, EntityKind::Resource { .. })
            }),
            4 => self.fixture(world, player, |_| true),
            _ => None,
        };
        if self.chance(5) {
            return Direction::STILL;
        }
        let Some((_, goal)) = goal else {
            let [x, y, ..] = self.dice.next().to_le_bytes();
            return Direction {
                x: x.cast_signed(),
                y: y.cast_signed(),
            };
        };
        let part = |part: i32| i8::try_from((part / 40).clamp(-127, 127)).unwrap();
        Direction {
            x: part(goal.x - from.x),
            y: part(goal.y - from.y),
        }
    }

    /// A near player or creature.
    fn mover(
        &mut self,
        world: &World,
        player: EntityId,
        players: bool,
    ) -> Option<(EntityId, Position)> {
        let from = world.player(player)?.position;
        let mut seen = Vec::new();
        world.near(from, 60_000, 64, &mut seen);
        seen.retain(|seen| {
            seen.id != player && matches!(seen.kind, EntityKind::Player { .. }) == players
        });
        seen.sort_by_key(|seen| (seen.distance_squared, seen.id));
        self.choose(&seen)
    }

    fn fixture(
        &mut self,
        world: &World,
        player: EntityId,
        wanted: impl Fn(EntityKind) -> bool,
    ) -> Option<(EntityId, Position)> {
        let from = world.player(player)?.position;
        let mut seen = Vec::new();
        world.fixtures_near(from, 60_000, 128, &mut seen);
        seen.retain(|seen| wanted(seen.kind));
        seen.sort_by_key(|seen| (seen.distance_squared, seen.id));
        self.choose(&seen)
    }

    /// Mostly the nearest.
    fn choose(&mut self, seen: &[crate::area::Seen]) -> Option<(EntityId, Position)> {
        let at = if self.chance(4) {
            self.dice.below(4)
        } else {
            0
        };
        let seen = seen.get(at as usize).or(seen.first())?;
        Some((seen.id, seen.position))
    }

    fn slot(&mut self, world: &World, player: EntityId) -> u8 {
        let full: Vec<u8> = world.player(player).map_or(Vec::new(), |body| {
            let slots = (0..).zip(body.inventory());
            slots
                .filter(|(_, slot)| slot.is_some())
                .map(|(at, _)| at)
                .collect()
        });
        if full.is_empty() || self.chance(20) {
            return self.dice.below(30) as u8;
        }
        full[self.dice.below(full.len() as u32) as usize]
    }

    fn act(&mut self, world: &World, player: EntityId) -> Action {
        let body = world.player(player).unwrap();
        if body.health == 0 {
            return if self.chance(3) {
                Action::Say { text: "woe".into() }
            } else {
                Action::Respawn
            };
        }
        let trade = body.trade;
        if trade.is_some() && !self.chance(4) {
            return self.deal(world, player);
        }
        if self.only_items {
            return self.handle_items(world, player);
        }
        if let Some(action) = self.at_hand(world, player) {
            return action;
        }
        match self.dice.below(24) {
            0..5 => {
                let wanted = |kind| matches!(kind, EntityKind::Resource { .. });
                let target = self.fixture(world, player, wanted);
                Action::Gather {
                    target: target.map_or(EntityId(1), |(id, _)| id),
                }
            }
            5..10 => {
                let players = self.chance(3);
                let target = self.mover(world, player, players);
                Action::Attack {
                    target: target.map_or(player, |(id, _)| id),
                }
            }
            10..12 => {
                let recipes = world.content().recipes().len() as u32;
                Action::Craft {
                    recipe: RecipeId(self.dice.below(recipes + 1) as u16),
                }
            }
            12 => {
                let wanted = |kind| matches!(kind, EntityKind::Station { .. });
                let target = self.fixture(world, player, wanted);
                Action::Interact {
                    target: target.map_or(EntityId(0), |(id, _)| id),
                }
            }
            13 => Action::Say {
                text: format!("hello {}", self.dice.below(100)).into(),
            },
            14 => Action::Stop,
            15 => Action::Respawn,
            _ => self.handle_items(world, player),
        }
    }

    /// What is within reach, most of the time: what is to be taken, gathered, made or struck.
    fn at_hand(&mut self, world: &World, player: EntityId) -> Option<Action> {
        let body = world.player(player)?;
        if body.activity.is_some() && !self.chance(6) {
            return Some(Action::Say { text: ".".into() });
        }
        let mut seen = Vec::new();
        world.near(body.position, 3500, 8, &mut seen);
        seen.retain(|seen| seen.id != player && seen.look >> 4 != 5);
        if let Some((target, _)) = self.choose(&seen)
            && !self.chance(3)
        {
            return Some(Action::Attack { target });
        }
        world.fixtures_near(body.position, 3000, 8, &mut seen);
        seen.sort_by_key(|seen| (seen.distance_squared, seen.id));
        let (target, _) = self.choose(&seen)?;
        let kind = seen.iter().find(|seen| seen.id == target)?.kind;
        match kind {
            EntityKind::Loot => Some(Action::Take { target }),
            EntityKind::Resource { .. } if !self.chance(3) => Some(Action::Gather { target }),
            EntityKind::Station { .. } if self.chance(2) => Some(Action::Interact { target }),
            _ => {
                let has = |input: &crate::content::ItemCount| {
                    let pack = body.inventory().iter().flatten();
                    let ours = pack.filter(|stack| stack.item == input.item);
                    ours.map(|stack| u32::from(stack.count)).sum::<u32>() >= input.count.into()
                };
                let mut recipes = world.content().recipes().iter();
                let recipe = recipes.rfind(|recipe| recipe.inputs.iter().all(has))?;
                Some(Action::Craft { recipe: recipe.id })
            }
        }
    }

    fn handle_items(&mut self, world: &World, player: EntityId) -> Action {
        let slot = self.slot(world, player);
        match self.dice.below(9) {
            0 if !self.only_items => Action::Use { slot },
            0 | 1 => Action::Equip { slot },
            2 => Action::Unequip {
                place: [Place::Hand, Place::Head, Place::Body, Place::Trinket]
                    [self.dice.below(4) as usize],
            },
            3 => Action::Drop {
                slot,
                count: self.dice.below(4) as u16,
            },
            4 | 5 => {
                let target = self.fixture(world, player, |kind| kind == EntityKind::Loot);
                Action::Take {
                    target: target.map_or(EntityId(7), |(id, _)| id),
                }
            }
            _ => {
                // Whoever has asked gets an answer.
                let asked = world.player(player).and_then(|body| body.trade);
                let near = self.mover(world, player, true).map(|(id, _)| id);
                let target = asked.map(|trade| trade.partner).or(near);
                Action::TradeAsk {
                    target: target.unwrap_or(player),
                }
            }
        }
    }

    /// What somebody does who has a trade.
    fn deal(&mut self, world: &World, player: EntityId) -> Action {
        let trade = world.player(player).and_then(|body| body.trade).unwrap();
        if !trade.open {
            return if self.chance(8) {
                Action::TradeCancel
            } else {
                Action::TradeAsk {
                    target: trade.partner,
                }
            };
        }
        match self.dice.below(10) {
            0 => Action::TradeCancel,
            1..4 => {
                let count = self.dice.below(4);
                let offer = (0..count)
                    .map(|_| Offer {
                        slot: self.slot(world, player),
                        count: self.dice.below(3) as u16,
                    })
                    .collect();
                Action::TradeOffer { offer }
            }
            4 => Action::TradeAccept {
                revision: self.dice.below(5),
            },
            5 => self.handle_items(world, player),
            _ => Action::TradeAccept {
                revision: trade.revision,
            },
        }
    }
}
