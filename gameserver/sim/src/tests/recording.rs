//! The course of one world, recorded once: inputs of more than 10,000 ticks, and the hash that they lead
//! to, in debug and in release alike. Another hash means that worlds that run now would go on
//! differently: then it must be wanted, and announced.
//!
//! `cargo test -p worldkeeper-sim regenerate -- --ignored` writes the recording and its hash anew.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::crowd::Crowd;
use crate::content::{Place, RecipeId};
use crate::event::{Event, Outcome};
use crate::input::{Action, Input, Offer};
use crate::params::{Genre, Params, TickRate};
use crate::player::LeaveCause;
use crate::terrain::{GENERATOR_VERSION, Terrain};
use crate::units::{Direction, EntityId};
use crate::world::World;

const TICKS: u64 = 10_400;
const CROWD: u32 = 24;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/recordings")
        .join(name)
}

fn start() -> World {
    let params = Params::new(Genre::Fantasy, 300, TickRate::new(20).unwrap()).unwrap();
    World::new(params, 2024, 7_777_777).unwrap()
}

/// What happened, counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Course {
    joins: u32,
    leaves: u32,
    strikes: u32,
    late_strikes: u32,
    kills: u32,
    deaths: u32,
    trades: u32,
    gathered: u32,
    crafted: u32,
    said: u32,
}

impl Course {
    fn saw(&mut self, inputs: &[Input], events: &[Event], tick: u64) {
        for event in events {
            match event {
                Event::Joined { .. } => self.joins += 1,
                Event::Left { .. } => self.leaves += 1,
                Event::Struck { killed, .. } => {
                    self.strikes += 1;
                    self.kills += u32::from(*killed);
                }
                Event::Died { .. } => self.deaths += 1,
                Event::Traded { .. } => self.trades += 1,
                Event::Gained { how, .. } => match how {
                    crate::event::Gain::Gather => self.gathered += 1,
                    crate::event::Gain::Craft => self.crafted += 1,
                    _ => {}
                },
                Event::Said { .. } => self.said += 1,
                Event::Done {
                    player,
                    seq,
                    outcome: Outcome::Ok,
                } => {
                    let late = inputs.iter().any(|input| {
                        matches!(input, Input::Act { player: p, seq: s, view, action: Action::Attack { .. } }
                            if p == player && s == seq && *view + 2 < tick && *view + 20 >= tick)
                    });
                    self.late_strikes += u32::from(late);
                }
                _ => {}
            }
        }
    }
}

fn told(course: &Course, hashes: &[(u64, u64)]) -> String {
    let mut text = format!("{course:?}\n");
    for (tick, hash) in hashes {
        let _ = writeln!(text, "{tick} {hash:016x}");
    }
    text
}

/// Lets the recorded inputs happen; hashes every thousand ticks.
fn replay(recording: &[u8]) -> (Course, Vec<(u64, u64)>) {
    let mut world = start();
    let mut bytes = recording.iter().copied();
    let (mut course, mut hashes) = (Course::default(), Vec::new());
    while bytes.len() > 0 {
        let tick = world.current_tick();
        let count = number(&mut bytes);
        let inputs: Vec<_> = (0..count).map(|_| read(&mut bytes, tick)).collect();
        let events = world.tick(&inputs);
        course.saw(&inputs, &events, tick + 1);
        if world.current_tick().is_multiple_of(1000) || bytes.len() == 0 {
            hashes.push((world.current_tick(), world.hash()));
        }
    }
    (course, hashes)
}

#[test]
fn the_recording_leads_to_the_known_hash() {
    let recording = std::fs::read(file("crowd.bin")).unwrap();
    let (course, hashes) = replay(&recording);
    let known = std::fs::read_to_string(file("crowd.txt")).unwrap();
    assert_eq!(told(&course, &hashes), known);
    assert!(hashes.last().unwrap().0 >= 10_000);
    assert!(recording.len() < 500_000);
    let Course {
        joins,
        leaves,
        strikes,
        late_strikes,
        kills,
        deaths,
        trades,
        gathered,
        crafted,
        said,
    } = course;
    assert!(joins > 20 && leaves > 5, "{joins} {leaves}");
    assert!(
        strikes > 100 && late_strikes > 50 && kills > 10,
        "{strikes} {late_strikes} {kills}"
    );
    assert!(deaths > 5 && trades > 20, "{deaths} {trades}");
    assert!(
        gathered > 100 && crafted > 5 && said > 20,
        "{gathered} {crafted} {said}"
    );
}

/// One input less, and the hash is another.
#[test]
fn the_hash_of_a_recording_with_a_mistake_is_another() {
    let mut world = start();
    let mut other = start();
    let mut crowd = Crowd::new(1, 4);
    for _ in 0..50 {
        let inputs = crowd.inputs(&world);
        let events = world.tick(&inputs);
        other.tick(inputs.get(1..).unwrap_or_default());
        crowd.heard(&events);
    }
    assert_ne!(world.hash(), other.hash());
}

/// The ground that seeds make. Another one means that running worlds would change under their players:
/// then the generator's version has to rise, too.
fn grounds() -> String {
    let mut text = format!("generator {GENERATOR_VERSION}\n");
    for genre in Genre::ALL {
        for (seed, size) in [(42, 1024), (7, 2000)] {
            let params = Params::new(genre, size, TickRate::new(20).unwrap()).unwrap();
            let hash = Terrain::new(&params, seed).hash();
            let _ = writeln!(text, "{} {seed} {size} {hash:016x}", genre.as_str());
        }
    }
    text
}

#[test]
fn the_ground_of_a_seed_is_known() {
    let known = std::fs::read_to_string(file("terrain.txt")).unwrap();
    assert_eq!(grounds(), known);
}

#[test]
#[ignore = "writes the committed recording"]
fn regenerate() {
    std::fs::write(file("terrain.txt"), grounds()).unwrap();
    let mut world = start();
    let mut crowd = Crowd::new(99, CROWD);
    let mut bytes = Vec::new();
    for _ in 0..TICKS {
        let inputs = crowd.inputs(&world);
        put(&mut bytes, inputs.len() as u64);
        for input in &inputs {
            write(&mut bytes, input, world.current_tick());
        }
        let events = world.tick(&inputs);
        crowd.heard(&events);
    }
    std::fs::create_dir_all(file("").as_path()).unwrap();
    std::fs::write(file("crowd.bin"), &bytes).unwrap();
    let (course, hashes) = replay(&bytes);
    assert_eq!(hashes.last(), Some(&(TICKS, world.hash())));
    std::fs::write(file("crowd.txt"), told(&course, &hashes)).unwrap();
}

/// Appends a number, seven bits a byte.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 128 {
        bytes.push((number & 127) as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn number(bytes: &mut impl Iterator<Item = u8>) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.next().unwrap();
        number |= u64::from(byte & 127) << shift;
        if byte < 128 {
            break;
        }
    }
    number
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

fn text(bytes: &mut impl Iterator<Item = u8>) -> Box<str> {
    let length = number(bytes);
    let text: Vec<u8> = (0..length).map(|_| bytes.next().unwrap()).collect();
    String::from_utf8(text).unwrap().into()
}

const PLACES: [Place; 4] = [Place::Hand, Place::Head, Place::Body, Place::Trinket];
const CAUSES: [LeaveCause; 3] = [
    LeaveCause::Left,
    LeaveCause::GraceExpired,
    LeaveCause::Removed,
];

fn write(bytes: &mut Vec<u8>, input: &Input, tick: u64) {
    let mut fields = |kind: u64, fields: &[u64]| {
        put(bytes, kind);
        for field in fields {
            put(bytes, *field);
        }
    };
    match input {
        Input::Join { ticket, name } => {
            fields(0, &[*ticket]);
            put_text(bytes, name);
        }
        Input::Leave { player, cause } => {
            let cause = CAUSES.iter().position(|other| other == cause).unwrap();
            fields(1, &[player.0, cause as u64]);
        }
        Input::Lose { player } => fields(2, &[player.0]),
        Input::Return { player } => fields(3, &[player.0]),
        Input::Move {
            player,
            seq,
            direction,
        } => {
            let (x, y) = (direction.x.cast_unsigned(), direction.y.cast_unsigned());
            fields(4, &[player.0, (*seq).into(), x.into(), y.into()]);
        }
        Input::Act {
            player,
            seq,
            view,
            action,
        } => {
            fields(5, &[player.0, (*seq).into(), tick - *view]);
            write_action(bytes, action);
        }
    }
}

fn write_action(bytes: &mut Vec<u8>, action: &Action) {
    let mut fields = |kind: u64, fields: &[u64]| {
        put(bytes, kind);
        for field in fields {
            put(bytes, *field);
        }
    };
    match action {
        Action::Gather { target } => fields(0, &[target.0]),
        Action::Attack { target } => fields(1, &[target.0]),
        Action::Craft { recipe } => fields(2, &[recipe.0.into()]),
        Action::Use { slot } => fields(3, &[(*slot).into()]),
        Action::Equip { slot } => fields(4, &[(*slot).into()]),
        Action::Unequip { place } => {
            let place = PLACES.iter().position(|other| other == place).unwrap();
            fields(5, &[place as u64]);
        }
        Action::Drop { slot, count } => fields(6, &[(*slot).into(), (*count).into()]),
        Action::Take { target } => fields(7, &[target.0]),
        Action::Interact { target } => fields(8, &[target.0]),
        Action::Say { text } => {
            fields(9, &[]);
            put_text(bytes, text);
        }
        Action::TradeAsk { target } => fields(10, &[target.0]),
        Action::TradeOffer { offer } => {
            fields(11, &[offer.len() as u64]);
            for offer in offer {
                put(bytes, offer.slot.into());
                put(bytes, offer.count.into());
            }
        }
        Action::TradeAccept { revision } => fields(12, &[(*revision).into()]),
        Action::TradeCancel => fields(13, &[]),
        Action::Respawn => fields(14, &[]),
        Action::Stop => fields(15, &[]),
    }
}

fn read(bytes: &mut impl Iterator<Item = u8>, tick: u64) -> Input {
    let byte = |number: u64| u8::try_from(number).unwrap();
    let small = |number: u64| u32::try_from(number).unwrap();
    let kind = number(bytes);
    match kind {
        0 => Input::Join {
            ticket: number(bytes),
            name: text(bytes),
        },
        1 => Input::Leave {
            player: EntityId(number(bytes)),
            cause: CAUSES[number(bytes) as usize],
        },
        2 => Input::Lose {
            player: EntityId(number(bytes)),
        },
        3 => Input::Return {
            player: EntityId(number(bytes)),
        },
        4 => Input::Move {
            player: EntityId(number(bytes)),
            seq: small(number(bytes)),
            direction: Direction {
                x: byte(number(bytes)).cast_signed(),
                y: byte(number(bytes)).cast_signed(),
            },
        },
        5 => Input::Act {
            player: EntityId(number(bytes)),
            seq: small(number(bytes)),
            view: tick - number(bytes),
            action: read_action(bytes),
        },
        _ => panic!("no input of kind {kind}"),
    }
}

fn read_action(bytes: &mut impl Iterator<Item = u8>) -> Action {
    let byte = |number: u64| u8::try_from(number).unwrap();
    let short = |number: u64| u16::try_from(number).unwrap();
    let kind = number(bytes);
    match kind {
        0 => Action::Gather {
            target: EntityId(number(bytes)),
        },
        1 => Action::Attack {
            target: EntityId(number(bytes)),
        },
        2 => Action::Craft {
            recipe: RecipeId(short(number(bytes))),
        },
        3 => Action::Use {
            slot: byte(number(bytes)),
        },
        4 => Action::Equip {
            slot: byte(number(bytes)),
        },
        5 => Action::Unequip {
            place: PLACES[number(bytes) as usize],
        },
        6 => Action::Drop {
            slot: byte(number(bytes)),
            count: short(number(bytes)),
        },
        7 => Action::Take {
            target: EntityId(number(bytes)),
        },
        8 => Action::Interact {
            target: EntityId(number(bytes)),
        },
        9 => Action::Say { text: text(bytes) },
        10 => Action::TradeAsk {
            target: EntityId(number(bytes)),
        },
        11 => {
            let count = number(bytes);
            let offer = |_| Offer {
                slot: byte(number(bytes)),
                count: short(number(bytes)),
            };
            Action::TradeOffer {
                offer: (0..count).map(offer).collect(),
            }
        }
        12 => Action::TradeAccept {
            revision: u32::try_from(number(bytes)).unwrap(),
        },
        13 => Action::TradeCancel,
        14 => Action::Respawn,
        15 => Action::Stop,
        _ => panic!("no action of kind {kind}"),
    }
}
