//! What holds for every world, whatever is done to it. Each property is a function over [`Sim`], and is
//! also run against wrong variants, which it must catch.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::crowd::{Crowd, world};
use crate::content::ItemId;
use crate::event::{Event, Gain, Outcome};
use crate::history::History;
use crate::input::{Action, Input};
use crate::params::Genre;
use crate::units::{EntityId, Position, UNITS_PER_METRE};
use crate::view::Stack;
use crate::world::{PLAYER_SPEED, World};

/// What the properties ask of a simulation; wrong variants differ from [`World`] in one method.
trait Sim: Sized {
    fn new(world: World) -> Self;
    fn world(&mut self) -> &mut World;
    fn tick(&mut self, inputs: &[Input]) -> Vec<Event> {
        self.world().tick(inputs)
    }
    fn hash(&mut self) -> u64 {
        self.world().hash()
    }
    fn reload(&mut self) {
        let snapshot = self.world().snapshot();
        *self.world() = World::restore(&snapshot).unwrap();
    }
}

/// The simulation as it is.
struct Right(World);

impl Sim for Right {
    fn new(world: World) -> Self {
        Self(world)
    }
    fn world(&mut self) -> &mut World {
        &mut self.0
    }
}

/// Seed, genre, ticks a second, size of the crowd, ticks.
#[derive(Clone, Copy, Debug)]
struct Case {
    seed: u64,
    genre: Genre,
    hz: u32,
    crowd: u32,
    ticks: u32,
    only_items: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let rate = prop::sample::select(vec![10_u32, 20, 30, 60]);
    let genre = prop::sample::select(Genre::ALL.to_vec());
    (0..1_u64 << 53, genre, rate, 2..10_u32, 20..600_u32).prop_map(
        |(seed, genre, hz, crowd, ticks)| Case {
            seed,
            genre,
            hz,
            crowd,
            ticks,
            only_items: false,
        },
    )
}

type Property = fn(Case) -> Result<(), TestCaseError>;

fn check(count: u32, property: Property) -> Result<(), Box<dyn std::error::Error>> {
    let config = Config {
        cases: count,
        failure_persistence: None,
        // What catches a wrong variant once catches it in every run.
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        // A wrong variant need not be caught in the smallest way.
        max_shrink_iters: 0,
        ..Config::default()
    };
    Ok(TestRunner::new(config)
        .run(&cases(), property)
        .map_err(|e| e.to_string())?)
}

fn holds(property: Property) {
    check(24, property).unwrap();
}

fn catches(property: Property) {
    check(200, property).unwrap_err();
}

/// A world in which everybody has something of everything, so that there is something to do.
fn rich<S: Sim>(case: Case) -> (S, Crowd) {
    let sim = S::new(world(case.seed, case.genre, case.hz));
    let mut crowd = Crowd::new(case.seed, case.crowd);
    crowd.only_items = case.only_items;
    (sim, crowd)
}

/// Gives whoever has just come a few things.
fn endow(world: &mut World, events: &[Event]) {
    for event in events {
        if let Event::Joined { player, .. } = event {
            let me = world.tables.players.rank(*player).unwrap();
            let count = world.content().items().len() as u64;
            for slot in 0..12 {
                let item = ItemId((1 + (player.0 * 7 + slot * 3) % count) as u16);
                let most = world.most_of(item);
                let character = world.tables.characters.get_mut(me).unwrap();
                let _ = character.inventory.add(item, 1 + (slot % 3) as u16, most);
            }
        }
    }
}

fn same_inputs_same_hash<S: Sim>(case: Case) -> Result<(), TestCaseError> {
    let ((mut one, mut crowd), (mut two, _)) = (rich::<S>(case), rich::<S>(case));
    for _ in 0..case.ticks.min(200) {
        let inputs = crowd.inputs(one.world());
        let events = one.tick(&inputs);
        prop_assert_eq!(&events, &two.tick(&inputs));
        endow(one.world(), &events);
        endow(two.world(), &events);
        prop_assert_eq!(one.hash(), two.hash());
        crowd.heard(&events);
    }
    Ok(())
}

fn restored_goes_on_alike<S: Sim>(case: Case) -> Result<(), TestCaseError> {
    let ((mut whole, mut crowd), (mut cut, _)) = (rich::<S>(case), rich::<S>(case));
    for tick in 0..case.ticks {
        if tick == case.ticks / 2 || tick == case.ticks * 3 / 4 {
            cut.reload();
        }
        let inputs = crowd.inputs(whole.world());
        let events = whole.tick(&inputs);
        prop_assert_eq!(&events, &cut.tick(&inputs));
        endow(whole.world(), &events);
        endow(cut.world(), &events);
        prop_assert_eq!(whole.hash(), cut.hash(), "tick {}", tick);
        crowd.heard(&events);
    }
    Ok(())
}

fn nobody_is_too_fast_or_outside<S: Sim>(case: Case) -> Result<(), TestCaseError> {
    let (mut sim, mut crowd) = rich::<S>(case);
    let fastest = u64::try_from(PLAYER_SPEED).unwrap() / u64::from(case.hz);
    let side = 256 * UNITS_PER_METRE;
    let mut before: Vec<(EntityId, Position)> = Vec::new();
    for _ in 0..case.ticks {
        let inputs = crowd.inputs(sim.world());
        let events = sim.tick(&inputs);
        crowd.heard(&events);
        let respawned = |id: EntityId| {
            inputs.iter().any(|input| {
                matches!(input, Input::Act { player, action: Action::Respawn, .. } if *player == id)
            })
        };
        let world = sim.world();
        let now: Vec<_> = world.players().map(|p| (p.id, p.position)).collect();
        for (id, place) in &now {
            prop_assert!((0..side).contains(&place.x) && (0..side).contains(&place.y));
            prop_assert!(world.ground(*place).unwrap().is_passable());
            if let Some((_, last)) = before.iter().find(|(old, _)| old == id)
                && !respawned(*id)
            {
                prop_assert!(place.distance_squared(*last) <= fastest * fastest);
            }
        }
        let inside: Vec<_> = now.iter().map(|(id, _)| *id).collect();
        prop_assert!(inside.is_sorted());
        prop_assert_eq!(inside, crowd.inside(), "bodies stay until they leave");
        before = now;
    }
    Ok(())
}

fn ids_ascend<S: Sim>(case: Case) -> Result<(), TestCaseError> {
    let (mut sim, mut crowd) = rich::<S>(case);
    let mut highest = 0;
    for _ in 0..case.ticks {
        let inputs = crowd.inputs(sim.world());
        let before = sim.world().globals.next_entity;
        let events = sim.tick(&inputs);
        for event in &events {
            if let Event::Joined { player, .. } = event {
                prop_assert!(player.0 > highest && player.0 >= before, "given out before");
                highest = player.0;
            }
        }
        crowd.heard(&events);
        let tables = &sim.world().tables;
        prop_assert!(tables.players.iter().is_sorted_by(|a, b| a.id < b.id));
        prop_assert!(tables.bags.iter().is_sorted_by(|a, b| a.id < b.id));
        let pairs = tables.players.iter().zip(tables.characters.iter());
        prop_assert!(
            pairs
                .clone()
                .all(|(body, character)| body.id == character.id)
        );
        prop_assert_eq!(tables.players.len(), tables.characters.len());
    }
    Ok(())
}

fn hash_is_that_of_everything<S: Sim>(case: Case) -> Result<(), TestCaseError> {
    let (mut sim, mut crowd) = rich::<S>(case);
    for _ in 0..case.ticks.min(150) {
        let inputs = crowd.inputs(sim.world());
        let events = sim.tick(&inputs);
        endow(sim.world(), &events);
        crowd.heard(&events);
        let hash = sim.hash();
        prop_assert_eq!(hash, sim.world().freeze().full_hash());
    }
    Ok(())
}

/// Moving things about makes and loses none; making them takes and gives what the recipe says; and
/// whatever else changes the sum, says so.
fn items_are_conserved<S: Sim>(case: Case) -> Result<(), TestCaseError> {
    let (mut sim, mut crowd) = rich::<S>(Case {
        only_items: case.seed.is_multiple_of(2),
        ..case
    });
    for _ in 0..case.ticks {
        let before = sim.world().census();
        let bags = bagged(sim.world());
        let mut packs: Vec<(EntityId, u64)> = Vec::new();
        for body in sim.world().players() {
            packs.push((body.id, held(body.inventory(), &body.equipment())));
        }
        let works: Vec<_> = sim
            .world()
            .tables
            .players
            .iter()
            .map(|p| (p.id, p.work))
            .collect();
        let inputs = crowd.inputs(sim.world());
        let events = sim.tick(&inputs);
        crowd.heard(&events);
        let world = sim.world();
        let after = world.census();
        let mut expected: Vec<i64> = before.iter().map(|count| *count as i64).collect();
        // What may have been eaten, shot, laid down by a dead creature, or carried out of the world.
        let mut uncertain = bags > world.tables.bags.len() as u64 && bags == 4096;
        for event in &events {
            match event {
                Event::Gained {
                    item,
                    count,
                    how: Gain::Gather,
                    ..
                } => expected[usize::from(item.0)] += i64::from(*count),
                Event::Gained {
                    player,
                    item,
                    count,
                    how: Gain::Craft,
                } => {
                    expected[usize::from(item.0)] += i64::from(*count);
                    let (_, work) = works.iter().find(|(id, _)| id == player).unwrap();
                    let crate::player::Work::Craft { recipe, .. } = work else {
                        return Err(TestCaseError::fail("made something without making it"));
                    };
                    for input in &world.content().recipe(*recipe).unwrap().inputs {
                        expected[usize::from(input.item.0)] -= i64::from(input.count);
                    }
                }
                Event::Gained {
                    item,
                    count,
                    how: Gain::Loot,
                    ..
                } => expected[usize::from(item.0)] += i64::from(*count),
                Event::Struck { killed: true, .. } | Event::Left { .. } => uncertain = true,
                Event::Done {
                    seq,
                    outcome: Outcome::Ok,
                    player,
                } => {
                    uncertain |= inputs.iter().any(|input| {
                        matches!(input, Input::Act { player: p, seq: s, action, .. }
                            if p == player && s == seq
                                && matches!(action, Action::Use { .. } | Action::Attack { .. }))
                    });
                }
                _ => {}
            }
        }
        let after: Vec<i64> = after.iter().map(|count| *count as i64).collect();
        if !uncertain {
            prop_assert_eq!(after, expected);
        }
        endow(world, &events);
    }
    Ok(())
}

fn bagged(world: &World) -> u64 {
    world.tables.bags.len().into()
}

fn held(slots: &[Option<Stack>], worn: &[Option<ItemId>]) -> u64 {
    let packed: u64 = slots
        .iter()
        .flatten()
        .map(|stack| u64::from(stack.count))
        .sum();
    packed + worn.iter().flatten().count() as u64
}

/// The dead neither move nor do anything, and nobody who is absent moves.
fn the_dead_rest<S: Sim>(case: Case) -> Result<(), TestCaseError> {
    let (mut sim, mut crowd) = rich::<S>(case);
    for tick in 0..case.ticks {
        if tick % 50 == 49 {
            // Some die now and then.
            let world = sim.world();
            let players = world.tables.players.len();
            if players > 0 {
                world.die(tick % players, None, crate::event::DeathCause::Hunger);
                world.events.clear();
            }
        }
        let still = |world: &World| -> Vec<_> {
            let players = world.tables.players.iter();
            let still = players.filter(|p| !p.is_alive() || !p.present);
            still.map(|p| (p.id, p.position, p.is_alive())).collect()
        };
        let before = still(sim.world());
        let inputs = crowd.inputs(sim.world());
        // Besides what a sensible player does when dead, everything else.
        let mut all = inputs.clone();
        for (id, _, alive) in &before {
            if !alive {
                let seq = 1_000_000 + tick;
                let direction = crate::units::Direction { x: 100, y: 0 };
                all.push(Input::Act {
                    player: *id,
                    seq,
                    view: 0,
                    action: Action::Drop { slot: 0, count: 1 },
                });
                all.push(Input::Move {
                    player: *id,
                    seq: seq + 1_000_000,
                    direction,
                });
            }
        }
        let events = sim.tick(&all);
        let respawned = |id: EntityId| {
            inputs.iter().any(|input| {
                matches!(input, Input::Act { player, action: Action::Respawn, .. } if *player == id)
            })
        };
        for (id, place, alive) in before {
            if respawned(id) {
                continue;
            }
            if let Some(body) = sim.world().player(id)
                && (!alive || !body.present)
            {
                prop_assert_eq!(body.position, place);
            }
            for event in &events {
                let acted = match event {
                    Event::Done {
                        player,
                        outcome,
                        seq,
                    } => *player == id && *outcome == Outcome::Ok && *seq >= 1_000_000,
                    Event::Gained { player, .. } => *player == id && !alive,
                    Event::Struck { attacker, .. } => *attacker == id && !alive,
                    _ => false,
                };
                prop_assert!(alive || !acted, "{:?}", event);
            }
        }
        crowd.heard(&events);
    }
    Ok(())
}

#[test]
fn worlds_with_the_same_inputs_are_the_same() {
    holds(same_inputs_same_hash::<Right>);
    catches(same_inputs_same_hash::<Moody>);
}

#[test]
fn a_restored_world_goes_on_alike() {
    holds(restored_goes_on_alike::<Right>);
    catches(restored_goes_on_alike::<Forgetful>);
    catches(restored_goes_on_alike::<Amnesiac>);
    catches(restored_goes_on_alike::<Aimless>);
}

#[test]
fn everybody_keeps_within_bounds() {
    holds(nobody_is_too_fast_or_outside::<Right>);
    catches(nobody_is_too_fast_or_outside::<Hasty>);
    catches(nobody_is_too_fast_or_outside::<Wandering>);
}

#[test]
fn ids_are_given_out_once() {
    holds(ids_ascend::<Right>);
    catches(ids_ascend::<Recycling>);
}

#[test]
fn the_hash_covers_everything() {
    holds(hash_is_that_of_everything::<Right>);
    catches(hash_is_that_of_everything::<Stale>);
}

#[test]
fn nothing_is_doubled_or_lost() {
    holds(items_are_conserved::<Right>);
    catches(items_are_conserved::<Generous>);
    catches(items_are_conserved::<Leaky>);
    catches(items_are_conserved::<Greedy>);
}

#[test]
fn the_dead_and_the_absent_do_nothing() {
    holds(the_dead_rest::<Right>);
    catches(the_dead_rest::<Undead>);
    catches(the_dead_rest::<Haunted>);
}

macro_rules! variant {
    ($(#[$doc:meta])* $name:ident { $($body:tt)* }) => {
        $(#[$doc])*
        struct $name(World);

        impl Sim for $name {
            fn new(world: World) -> Self {
                Self(world)
            }
            fn world(&mut self) -> &mut World {
                &mut self.0
            }
            $($body)*
        }
    };
}

/// Depends on something besides its inputs.
struct Moody(World, u64);

impl Sim for Moody {
    fn new(world: World) -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static MADE: AtomicU64 = AtomicU64::new(0);
        Self(world, MADE.fetch_add(1, Ordering::Relaxed))
    }
    fn world(&mut self) -> &mut World {
        &mut self.0
    }
    fn tick(&mut self, inputs: &[Input]) -> Vec<Event> {
        // The order of inputs is not always the same, as when they came out of a hash map.
        let mut inputs = inputs.to_vec();
        if self.1.is_multiple_of(2) {
            inputs.reverse();
        }
        self.0.tick(&inputs)
    }
}

variant! {
    /// Loses where everybody was when it is saved: late blows are decided differently.
    Forgetful {
        fn reload(&mut self) {
            let tick = self.0.globals.tick;
            let mut history = History::default();
            let players: Vec<_> = self.0.players().map(|p| (p.id, p.position)).collect();
            let creatures: Vec<_> = self.0.tables.creatures.iter().map(|c| c.position).collect();
            for tick in (tick + 1).saturating_sub(20)..=tick {
                history.push(tick, 60, players.iter().copied(), creatures.iter().copied());
            }
            self.0.tables.history = history;
        }
        fn hash(&mut self) -> u64 {
            // It does not even know that history counts.
            0
        }
    }
}

variant! {
    /// Loses what players were about.
    Amnesiac {
        fn reload(&mut self) {
            let players = &mut self.0.tables.players;
            for rank in 0..players.len() {
                players.get_mut(rank).unwrap().work = crate::player::Work::None;
            }
        }
    }
}

variant! {
    /// Loses whom creatures pursue.
    Aimless {
        fn reload(&mut self) {
            let creatures = &mut self.0.tables.creatures;
            for rank in 0..creatures.len() {
                creatures.get_mut(rank).unwrap().target = EntityId(0);
            }
        }
        fn hash(&mut self) -> u64 {
            let creatures = self.0.tables.creatures.iter();
            let places = creatures.map(|c| c.position.x as u64 ^ (c.position.y as u64) << 32);
            places.fold(0, |sum, place| crate::rng::mix(sum ^ place))
        }
    }
}

variant! {
    /// Runs two ticks in one.
    Hasty {
        fn tick(&mut self, inputs: &[Input]) -> Vec<Event> {
            let mut events = self.0.tick(inputs);
            events.extend(self.0.tick(&[]));
            events
        }
    }
}

variant! {
    /// Lets players walk through everything.
    Wandering {
        fn tick(&mut self, inputs: &[Input]) -> Vec<Event> {
            let events = self.0.tick(inputs);
            let players = &mut self.0.tables.players;
            for rank in 0..players.len() {
                let player = players.get_mut(rank).unwrap();
                player.position.x -= i32::from(player.direction.x);
            }
            events
        }
    }
}

variant! {
    /// Gives out the numbers of those who left again.
    Recycling {
        fn tick(&mut self, inputs: &[Input]) -> Vec<Event> {
            let events = self.0.tick(inputs);
            if events.iter().any(|event| matches!(event, Event::Left { .. })) {
                self.0.globals.next_entity -= 1;
            }
            events
        }
    }
}

/// Hashes now and then, and believes that nothing has changed meanwhile.
struct Stale(World, u64);

impl Sim for Stale {
    fn new(world: World) -> Self {
        Self(world, 0)
    }
    fn world(&mut self) -> &mut World {
        &mut self.0
    }
    fn hash(&mut self) -> u64 {
        if self.0.current_tick().is_multiple_of(10) {
            self.1 = self.0.hash();
        }
        self.1
    }
}

variant! {
    /// Whoever traded has what it gave, too.
    Generous {
        fn tick(&mut self, inputs: &[Input]) -> Vec<Event> {
            let before: Vec<_> = self.0.tables.characters.iter()
                .map(|c| (c.id, c.inventory.clone())).collect();
            let events = self.0.tick(inputs);
            for event in &events {
                if let Event::Traded { player, .. } = event
                    && let Some((_, pack)) = before.iter().find(|(id, _)| id == player)
                {
                    let me = self.0.tables.players.rank(*player).unwrap();
                    self.0.tables.characters.get_mut(me).unwrap().inventory = pack.clone();
                    break;
                }
            }
            events
        }
    }
}

variant! {
    /// A bag from which something was taken is gone, whatever is left in it.
    Leaky {
        fn tick(&mut self, inputs: &[Input]) -> Vec<Event> {
            let events = self.0.tick(inputs);
            if events.iter().any(|event| matches!(event, Event::Done { outcome: Outcome::Ok, .. })) {
                self.0.set_bag(0, Vec::new());
            }
            events
        }
    }
}

variant! {
    /// Equipping leaves the item in the pack.
    Greedy {
        fn tick(&mut self, inputs: &[Input]) -> Vec<Event> {
            let events = self.0.tick(inputs);
            for input in inputs {
                if let Input::Act { player, action: Action::Equip { .. }, .. } = input
                    && let Some(me) = self.0.tables.players.rank(*player)
                    && let Some(item) = self.0.tables.characters.get(me).unwrap().equipment[0]
                {
                    let character = self.0.tables.characters.get_mut(me).unwrap();
                    let _ = character.inventory.add(item, 1, 10);
                }
            }
            events
        }
    }
}

variant! {
    /// Forgets for the length of a tick that the dead are dead.
    Undead {
        fn tick(&mut self, inputs: &[Input]) -> Vec<Event> {
            let players = &mut self.0.tables.players;
            for rank in 0..players.len() {
                let player = players.get_mut(rank).unwrap();
                player.vitals.health = player.vitals.health.max(1);
            }
            self.0.tick(inputs)
        }
    }
}

variant! {
    /// Takes inputs of players whose connection is lost.
    Haunted {
        fn tick(&mut self, inputs: &[Input]) -> Vec<Event> {
            let players = &mut self.0.tables.players;
            for rank in 0..players.len() {
                let player = players.get_mut(rank).unwrap();
                if !player.present {
                    player.position.x += 1;
                }
            }
            self.0.tick(inputs)
        }
    }
}
