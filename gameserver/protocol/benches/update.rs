//! What one client's update costs: 1,000 clients that each see 32 of 3,000 entities that move, turn
//! once a second (so about two new motion records in an update of 20 a second) and sometimes change
//! their look. `cargo bench -p worldkeeper-protocol` prints nanoseconds.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use worldkeeper_protocol::{
    EntityId, EntityKind, EntityTable, EventQueue, Format, Genre, Look, Moment, Observed,
    PROTOCOL_VERSION, PlayerName, Position, ResumeToken, SentView, Sighting, Slot, UpdateWriter,
    Welcome, WorldName,
};

const ENTITIES: u64 = 3_000;
const CLIENTS: usize = 1_000;
const VISIBLE: usize = 32;
const TICKS: u64 = 400;
/// Each client's visible entities are chosen anew every so many ticks, a few of them differing.
const REFRESH: u64 = 5;
/// What lies next to each other in a world does not in the table.
const STRIDE: u64 = 7_919;

struct Body {
    slot: Slot,
    position: Position,
    way: (i32, i32),
}

fn welcome(entity: u64) -> Welcome {
    Welcome {
        version: PROTOCOL_VERSION,
        world: WorldName::new("local/world").unwrap(),
        epoch: 1,
        seed: 1,
        genre: Genre::Fantasy,
        terrain_hash: 0,
        content_hash: 0,
        size_metres: 2_000,
        tick_rate_hz: 20,
        tick: 0,
        entity: EntityId(entity),
        position: Position::default(),
        resumed: false,
        ack: 0,
        resume_token: ResumeToken::new("t").unwrap(),
        resume_seconds: 30,
    }
}

fn sightings(bodies: &[Body], client: usize, shift: usize, into: &mut Vec<Sighting>) {
    into.clear();
    into.extend((0..VISIBLE).map(|n| {
        let at = (client * 3 + n + shift) as u64 * STRIDE % ENTITIES;
        Sighting {
            id: EntityId(at + 1),
            slot: bodies[usize::try_from(at).unwrap()].slot,
            far: false,
        }
    }));
}

fn main() {
    let name = PlayerName::new("somebody").unwrap();
    let mut table = EntityTable::new(20, 0, 150);
    let mut bodies: Vec<Body> = (0..ENTITIES)
        .map(|at| {
            let place = i32::try_from(at).unwrap() * 600;
            let position = Position { x: place, y: place };
            let observed = Observed {
                position,
                displacement: (0, 0),
                look: Look(15),
            };
            let kind = if at % 3 == 0 {
                EntityKind::Player
            } else {
                EntityKind::Creature { species: 1 }
            };
            Body {
                slot: table.enter(EntityId(at + 1), kind, Some(&name), observed),
                position,
                way: (0, 0),
            }
        })
        .collect();
    let mut clients: Vec<(SentView, EventQueue)> = (0..CLIENTS as u64)
        .map(|at| {
            let view = SentView::new(Format::Binary, &welcome(ENTITIES + 1 + at));
            (view, EventQueue::new(256))
        })
        .collect();

    let mut writer = UpdateWriter::default();
    let mut out = Vec::with_capacity(64 * 1024);
    let mut visible = Vec::with_capacity(VISIBLE);
    let (mut observing, mut kept, mut refreshed) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let (mut bytes, mut updates, mut refreshes, mut records) = (0, 0_u32, 0_u32, 0_u64);
    for tick in 1..=TICKS {
        // The first ticks fill the views.
        let counts = tick > 40;
        let began = Instant::now();
        table.begin(tick);
        for (at, body) in (0_u64..).zip(&mut bodies) {
            if (at + tick).is_multiple_of(20) {
                body.way = match (at + tick) / 20 % 4 {
                    0 => (300, 0),
                    1 => (0, 300),
                    2 => (-300, 0),
                    _ => (0, -300),
                };
            }
            body.position.x += body.way.0;
            body.position.y += body.way.1;
            let look = Look(15 - u8::try_from((at + tick) / 200 % 4).unwrap());
            let new = table.observe(
                body.slot,
                Observed {
                    position: body.position,
                    displacement: body.way,
                    look,
                },
            );
            records += u64::from(new && counts);
        }
        if counts {
            observing += began.elapsed();
        }
        for refresh in [false, true] {
            let began = Instant::now();
            for (at, (sent, events)) in clients.iter_mut().enumerate() {
                if (at as u64 + tick).is_multiple_of(REFRESH) != refresh {
                    continue;
                }
                if refresh {
                    let shift = usize::try_from(tick / 20).unwrap();
                    sightings(&bodies, at, shift, &mut visible);
                }
                let moment = Moment {
                    ack: u32::try_from(tick / 20).unwrap(),
                    position: bodies[at].position,
                    visible: refresh.then_some(&mut visible[..]),
                    far: true,
                    state: None,
                };
                out.clear();
                writer.write(&table, sent, moment, events, &mut out);
                if counts {
                    bytes += black_box(&out).len();
                    updates += 1;
                    refreshes += u32::from(refresh);
                }
            }
            if counts {
                *(if refresh { &mut refreshed } else { &mut kept }) += began.elapsed();
            }
        }
    }
    let ticks = u32::try_from(TICKS - 40).unwrap();
    let entities = u32::try_from(ENTITIES).unwrap();
    println!("observe: {:?} an entity", observing / ticks / entities);
    println!("update, same entities: {:?}", kept / (updates - refreshes));
    println!("update, entities chosen anew: {:?}", refreshed / refreshes);
    println!("bytes an update: {}", bytes / updates as usize);
    println!("records a tick: {}", records / u64::from(ticks));
}
