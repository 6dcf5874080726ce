//! How long a tick takes: printed, never judged, because a shared machine has no say in what is right.
//! `cargo test --release -p worldkeeper-sim pace -- --ignored --nocapture`

use std::time::Instant;

use crate::input::Input;
use crate::params::{Genre, Params, TickRate};
use crate::rng::mix;
use crate::units::Direction;
use crate::world::World;

#[test]
#[ignore = "measures"]
fn pace() {
    for genre in Genre::ALL {
        let params = Params::new(genre, 2000, TickRate::new(20).unwrap()).unwrap();
        let made = Instant::now();
        let mut world = World::new(params, 42, 43).unwrap();
        let made = made.elapsed();
        let joins: Vec<_> = (0..1000)
            .map(|ticket| Input::Join {
                ticket,
                name: format!("player {ticket}").into(),
            })
            .collect();
        world.tick(&joins);
        let mut times = Vec::new();
        for tick in 1..=1200_u32 {
            let players = world.players().map(|player| player.id);
            let turning = players.filter(|id| (u64::from(tick) + id.0).is_multiple_of(20));
            let inputs: Vec<_> = turning
                .map(|player| {
                    let [x, y, ..] = mix(player.0 ^ u64::from(tick) << 32).to_le_bytes();
                    let (x, y) = (x.cast_signed(), y.cast_signed());
                    Input::Move {
                        player,
                        seq: tick,
                        direction: Direction { x, y },
                    }
                })
                .collect();
            let began = Instant::now();
            world.tick(&inputs);
            times.push(began.elapsed());
        }
        times.sort_unstable();
        let began = Instant::now();
        let hash = world.hash();
        let hashed = began.elapsed();
        world.tick(&[]);
        let began = Instant::now();
        let again = world.hash();
        let hashed_again = began.elapsed();
        let began = Instant::now();
        let frozen = world.freeze();
        let froze = began.elapsed();
        let began = Instant::now();
        let bytes = frozen.encode().len();
        let encoded = began.elapsed();
        let began = Instant::now();
        world.tick(&[]);
        let copied = began.elapsed();
        println!(
            "{genre:?}: {} creatures, {} resources, made in {made:?}; tick p50 {:?} p99 {:?} max {:?}; \
             hash {hashed:?} first, {hashed_again:?} a tick later ({}); freeze {froze:?}, encode {encoded:?} \
             to {bytes} bytes, tick that copies {copied:?}",
            world.creature_count(),
            world.resource_count(),
            times[times.len() / 2],
            times[times.len() * 99 / 100],
            times[times.len() - 1],
            hash != again,
        );
    }
}
