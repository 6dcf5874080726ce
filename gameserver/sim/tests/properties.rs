//! What holds for every world, whatever is done to it. Each property is a function over [`Sim`], and
//! is also run against wrong variants, which it must catch.
#![allow(clippy::unwrap_used, clippy::disallowed_types, missing_docs)]

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use worldkeeper_sim::{
    Direction, EntityId, Event, Genre, Input, LeaveCause, PLAYER_SPEED, Params, Position, TickRate,
    UNITS_PER_METRE, World,
};

/// What the properties ask of a simulation; wrong variants differ from [`World`] in one method.
trait Sim: Sized {
    fn new(seed: u64, genre: Genre, hz: u32) -> Self;
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

fn world(seed: u64, genre: Genre, hz: u32) -> World {
    let params = Params::new(genre, 256, TickRate::new(hz).unwrap()).unwrap();
    World::new(params, seed).unwrap()
}

struct Right(World);

impl Sim for Right {
    fn new(seed: u64, genre: Genre, hz: u32) -> Self {
        Self(world(seed, genre, hz))
    }
    fn world(&mut self) -> &mut World {
        &mut self.0
    }
}

/// What a test does in one tick. Players are named by their place among those inside.
#[derive(Clone, Debug)]
enum Step {
    Join,
    Leave(u8),
    Lose(u8),
    Return(u8),
    Move(u8, i8, i8),
    Stale(u8, i8, i8),
    Unknown,
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let step = prop_oneof![
        2 => Just(Step::Join),
        1 => any::<u8>().prop_map(Step::Leave),
        1 => any::<u8>().prop_map(Step::Lose),
        1 => any::<u8>().prop_map(Step::Return),
        6 => any::<(u8, i8, i8)>().prop_map(|(p, x, y)| Step::Move(p, x, y)),
        1 => any::<(u8, i8, i8)>().prop_map(|(p, x, y)| Step::Stale(p, x, y)),
        1 => Just(Step::Unknown),
    ];
    prop::collection::vec(prop::collection::vec(step, 0..4), 1..80)
}

/// Turns steps into inputs; keeps what a server would keep.
#[derive(Default)]
struct Driver {
    inside: Vec<EntityId>,
    seq: u32,
}

impl Driver {
    fn inputs(&mut self, steps: &[Step]) -> Vec<Input> {
        steps.iter().filter_map(|step| self.input(step)).collect()
    }

    fn pick(&self, choice: u8) -> Option<EntityId> {
        let at = usize::from(choice).checked_rem(self.inside.len())?;
        Some(self.inside[at])
    }

    fn input(&mut self, step: &Step) -> Option<Input> {
        self.seq += 1;
        Some(match *step {
            Step::Join => Input::Join {
                ticket: u64::from(self.seq),
                name: format!("player {}", self.seq).into(),
            },
            Step::Leave(choice) => Input::Leave {
                player: self.pick(choice)?,
                cause: LeaveCause::Left,
            },
            Step::Lose(choice) => Input::Lose {
                player: self.pick(choice)?,
            },
            Step::Return(choice) => Input::Return {
                player: self.pick(choice)?,
            },
            Step::Move(choice, x, y) => Input::Move {
                player: self.pick(choice)?,
                seq: self.seq,
                direction: Direction { x, y },
            },
            Step::Stale(choice, x, y) => Input::Move {
                player: self.pick(choice)?,
                seq: 0,
                direction: Direction { x, y },
            },
            Step::Unknown => Input::Move {
                player: EntityId(u64::MAX),
                seq: 1,
                direction: Direction::STILL,
            },
        })
    }

    fn heard(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::Joined { player, .. } => self.inside.push(*player),
                Event::Left { player, .. } => self.inside.retain(|inside| inside != player),
                Event::Refused { .. } => {}
            }
        }
    }
}

type Case = (u64, Genre, u32, Vec<Vec<Step>>);

fn cases() -> impl Strategy<Value = Case> {
    let rate = prop::sample::select(vec![10_u32, 20, 30, 60]);
    let genre = prop::sample::select(Genre::ALL.to_vec());
    (0..1_u64 << 53, genre, rate, steps())
}

fn check<S: Sim>(
    property: fn(Case) -> Result<(), TestCaseError>,
) -> Result<(), Box<dyn std::error::Error>> {
    let _ = std::marker::PhantomData::<S>;
    let config = Config {
        cases: 40,
        failure_persistence: None,
        ..Config::default()
    };
    Ok(TestRunner::new(config)
        .run(&cases(), property)
        .map_err(|e| e.to_string())?)
}

fn same_inputs_same_hash<S: Sim>((seed, genre, hz, steps): Case) -> Result<(), TestCaseError> {
    let (mut one, mut two) = (S::new(seed, genre, hz), S::new(seed, genre, hz));
    let mut driver = Driver::default();
    for steps in steps {
        let inputs = driver.inputs(&steps);
        let events = one.tick(&inputs);
        prop_assert_eq!(&events, &two.tick(&inputs));
        prop_assert_eq!(one.hash(), two.hash());
        driver.heard(&events);
    }
    Ok(())
}

fn restored_goes_on_alike<S: Sim>((seed, genre, hz, steps): Case) -> Result<(), TestCaseError> {
    let (mut whole, mut cut) = (S::new(seed, genre, hz), S::new(seed, genre, hz));
    let mut driver = Driver::default();
    let middle = steps.len() / 2;
    for (at, steps) in steps.iter().enumerate() {
        if at == middle {
            cut.reload();
        }
        let inputs = driver.inputs(steps);
        let events = whole.tick(&inputs);
        prop_assert_eq!(&events, &cut.tick(&inputs));
        prop_assert_eq!(whole.hash(), cut.hash());
        let places = |sim: &mut S| {
            sim.world()
                .players()
                .map(|p| p.position)
                .collect::<Vec<_>>()
        };
        prop_assert_eq!(places(&mut whole), places(&mut cut));
        driver.heard(&events);
    }
    Ok(())
}

fn nobody_is_too_fast_or_outside<S: Sim>(
    (seed, genre, hz, steps): Case,
) -> Result<(), TestCaseError> {
    let mut sim = S::new(seed, genre, hz);
    let mut driver = Driver::default();
    let fastest = u64::try_from(PLAYER_SPEED).unwrap() / u64::from(hz);
    let side = 256 * UNITS_PER_METRE;
    let mut before: Vec<(EntityId, Position)> = Vec::new();
    for steps in steps {
        let inputs = driver.inputs(&steps);
        let events = sim.tick(&inputs);
        driver.heard(&events);
        let now: Vec<_> = sim.world().players().map(|p| (p.id, p.position)).collect();
        for (id, place) in &now {
            prop_assert!((0..side).contains(&place.x) && (0..side).contains(&place.y));
            prop_assert!(sim.world().ground(*place).unwrap().is_passable());
            if let Some((_, last)) = before.iter().find(|(old, _)| old == id) {
                prop_assert!(place.distance_squared(*last) <= fastest * fastest);
            }
        }
        let inside: Vec<_> = now.iter().map(|(id, _)| *id).collect();
        prop_assert_eq!(
            &inside,
            &driver.inside,
            "bodies stay until they leave, sorted by id"
        );
        before = now;
    }
    Ok(())
}

fn absent_bodies_stand_still<S: Sim>((seed, genre, hz, steps): Case) -> Result<(), TestCaseError> {
    let mut sim = S::new(seed, genre, hz);
    let mut driver = Driver::default();
    for steps in steps {
        let absent = |sim: &mut S| -> Vec<_> {
            sim.world()
                .players()
                .filter(|p| !p.present)
                .map(|p| (p.id, p.position))
                .collect()
        };
        let before = absent(&mut sim);
        let inputs = driver.inputs(&steps);
        let events = sim.tick(&inputs);
        driver.heard(&events);
        for (id, place) in absent(&mut sim) {
            if let Some((_, last)) = before.iter().find(|(old, _)| *old == id) {
                prop_assert_eq!(place, *last);
            }
        }
    }
    Ok(())
}

#[test]
fn properties_hold() {
    check::<Right>(same_inputs_same_hash::<Right>).unwrap();
    check::<Right>(restored_goes_on_alike::<Right>).unwrap();
    check::<Right>(nobody_is_too_fast_or_outside::<Right>).unwrap();
    check::<Right>(absent_bodies_stand_still::<Right>).unwrap();
}

/// Depends on something besides its inputs.
struct Moody(World, u64);

impl Sim for Moody {
    fn new(seed: u64, genre: Genre, hz: u32) -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static MADE: AtomicU64 = AtomicU64::new(0);
        Self(world(seed, genre, hz), MADE.fetch_add(1, Ordering::Relaxed))
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

/// Loses the players' inputs when it is saved.
struct Forgetful(World);

impl Sim for Forgetful {
    fn new(seed: u64, genre: Genre, hz: u32) -> Self {
        Self(world(seed, genre, hz))
    }
    fn world(&mut self) -> &mut World {
        &mut self.0
    }
    fn reload(&mut self) {
        let players: Vec<_> = self.0.players().map(|player| player.id).collect();
        for player in players {
            self.0
                .tick(&[Input::Lose { player }, Input::Return { player }]);
        }
    }
}

/// Runs two ticks in one.
struct Hasty(World);

impl Sim for Hasty {
    fn new(seed: u64, genre: Genre, hz: u32) -> Self {
        Self(world(seed, genre, hz))
    }
    fn world(&mut self) -> &mut World {
        &mut self.0
    }
    fn tick(&mut self, inputs: &[Input]) -> Vec<Event> {
        let events = self.0.tick(inputs);
        self.0.tick(&[]);
        events
    }
}

/// Takes inputs of players whose connection is lost.
struct Haunted(World);

impl Sim for Haunted {
    fn new(seed: u64, genre: Genre, hz: u32) -> Self {
        Self(world(seed, genre, hz))
    }
    fn world(&mut self) -> &mut World {
        &mut self.0
    }
    fn tick(&mut self, inputs: &[Input]) -> Vec<Event> {
        let mut all = Vec::new();
        for input in inputs {
            if let Input::Move { player, .. } = input {
                all.push(Input::Return { player: *player });
                all.push(input.clone());
            } else {
                all.push(input.clone());
            }
        }
        let events = self.0.tick(&all);
        for input in inputs {
            // Shown as absent, but it moved.
            if let Input::Move { player, .. } = input {
                self.0.tick(&[]);
                self.0.tick(&[Input::Lose { player: *player }]);
            }
        }
        events
    }
}

#[test]
fn wrong_variants_are_caught() {
    check::<Moody>(same_inputs_same_hash::<Moody>).unwrap_err();
    check::<Forgetful>(restored_goes_on_alike::<Forgetful>).unwrap_err();
    check::<Hasty>(nobody_is_too_fast_or_outside::<Hasty>).unwrap_err();
    check::<Haunted>(absent_bodies_stand_still::<Haunted>).unwrap_err();
}

#[test]
fn the_hash_tells_worlds_apart() {
    let mut hashes = Vec::new();
    for seed in 0..50 {
        for genre in Genre::ALL {
            hashes.push(world(seed, genre, 20).hash());
        }
    }
    let mut world = world(0, Genre::Fantasy, 20);
    for _ in 0..100 {
        world.tick(&[]);
        hashes.push(world.hash());
    }
    let count = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

#[test]
fn the_hash_sees_every_input() {
    let join = |name: &str| Input::Join {
        ticket: 1,
        name: name.into(),
    };
    let mut base = world(5, Genre::SciFi, 20);
    let Event::Joined { player, .. } = base.tick(&[join("ada")])[0] else {
        panic!("not let in")
    };
    let after = |inputs: &[Input]| {
        let mut world = World::restore(&base.snapshot()).unwrap();
        world.tick(inputs);
        world.hash()
    };
    let moved = |seq, x| Input::Move {
        player,
        seq,
        direction: Direction { x, y: 0 },
    };
    let cause = LeaveCause::Left;
    let hashes = [
        after(&[]),
        after(&[join("ada")]),
        after(&[join("bob")]),
        after(&[Input::Lose { player }]),
        after(&[Input::Leave { player, cause }]),
        after(&[moved(1, 1)]),
        after(&[moved(1, 2)]),
        after(&[moved(2, 1)]),
    ];
    for (at, hash) in hashes.iter().enumerate() {
        assert!(!hashes[..at].contains(hash), "{at}");
    }
}

#[test]
fn the_hash_is_that_of_the_snapshot() {
    let mut world = world(5, Genre::Horror, 60);
    for tick in 0..500_u64 {
        let name = format!("p{tick}").into();
        world.tick(&[Input::Join { ticket: tick, name }]);
        if tick % 50 == 0 {
            let again = World::restore(&world.snapshot()).unwrap();
            assert_eq!(again.hash(), world.hash());
        }
    }
}

/// One number that stands for 2,000 ticks: a change of it means that worlds that run now would go on
/// differently, so it must be wanted, and announced.
#[test]
fn the_course_of_a_world_is_pinned() {
    let mut world = world(42, Genre::Fantasy, 20);
    for tick in 0..2000_u64 {
        let mut inputs = Vec::new();
        if tick % 100 == 0 {
            inputs.push(Input::Join {
                ticket: tick,
                name: format!("player {tick}").into(),
            });
        }
        let players: Vec<_> = world.players().map(|player| player.id).collect();
        for player in players {
            let seq = u32::try_from(tick).unwrap();
            let turn = i8::try_from((tick * 7 + player.0 * 13) % 255).map_or(-50, |x| x);
            inputs.push(Input::Move {
                player,
                seq,
                direction: Direction {
                    x: turn,
                    y: 100 - turn / 2,
                },
            });
        }
        world.tick(&inputs);
    }
    assert_eq!(format!("{:016x}", world.hash()), "1fe23009a37573e3");
}

#[test]
fn names_and_numbers_are_bounded() {
    let mut world = world(1, Genre::Cyberpunk, 10);
    for (name, fits) in [
        ("", false),
        ("a", true),
        (&*"x".repeat(64), true),
        (&*"x".repeat(65), false),
    ] {
        let events = world.tick(&[Input::Join {
            ticket: 9,
            name: name.into(),
        }]);
        assert_eq!(
            matches!(events[0], Event::Joined { ticket: 9, .. }),
            fits,
            "{name}"
        );
    }
    let size = |metres| Params::new(Genre::Fantasy, metres, TickRate::new(20).unwrap());
    assert!(
        size(255).is_err() && size(256).is_ok() && size(16_384).is_ok() && size(16_385).is_err()
    );
    assert!(World::new(size(256).unwrap(), 1 << 53).is_err());
    for hz in 0..100 {
        assert_eq!(TickRate::new(hz).is_ok(), [10, 20, 30, 60].contains(&hz));
    }
}

fn populated() -> World {
    let mut world = world(3, Genre::PostApoc, 20);
    for ticket in 0..5 {
        world.tick(&[Input::Join {
            ticket,
            name: "ada".into(),
        }]);
    }
    world
}

proptest! {
    #![proptest_config(Config { cases: 64, failure_persistence: None, ..Config::default() })]

    #[test]
    fn damaged_snapshots_are_refused(at: prop::sample::Index, bit in 0..8_u8, cut: prop::sample::Index) {
        let snapshot = populated().snapshot();
        let mut damaged = snapshot.clone();
        let at = at.index(damaged.len());
        damaged[at] ^= 1 << bit;
        prop_assert!(World::restore(&damaged).is_err());
        prop_assert!(World::restore(&snapshot[..cut.index(snapshot.len())]).is_err());
    }

    #[test]
    fn rubbish_is_refused(bytes: Vec<u8>) {
        prop_assert!(World::restore(&bytes).is_err());
        let mut after_header = b"WKSN\x01\x00\x01\x00".to_vec();
        after_header.extend(bytes);
        prop_assert!(World::restore(&after_header).is_err());
    }
}
