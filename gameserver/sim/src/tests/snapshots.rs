//! Snapshots: damaged ones are refused, old ones are read or refused by name.

use std::path::PathBuf;

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::crowd::{Crowd, world};
use crate::params::Genre;
use crate::state::SnapshotError;
use crate::world::World;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots")
        .join(name)
}

fn populated(genre: Genre, ticks: u32) -> World {
    let mut world = world(3, genre, 20);
    let mut crowd = Crowd::new(5, 8);
    for _ in 0..ticks {
        let inputs = crowd.inputs(&world);
        let events = world.tick(&inputs);
        crowd.heard(&events);
    }
    world
}

/// Of each format that was ever shipped there is a file. Those that can be read go on; they are never
/// written anew.
#[test]
fn old_snapshots_are_read_or_refused_by_name() {
    let format_1 = std::fs::read(file("format-1.snapshot")).unwrap();
    let refused = World::restore(&format_1).unwrap_err();
    assert_eq!(
        refused,
        SnapshotError::Format {
            found: 1,
            expected: 2
        }
    );
    assert_eq!(refused.to_string(), "snapshot format 1, this build reads 2");

    for genre in Genre::ALL {
        let name = format!("format-2-{}.snapshot", genre.as_str().to_lowercase());
        let mut world = World::restore(&std::fs::read(file(&name)).unwrap()).unwrap();
        assert_eq!(world.params().genre(), genre);
        assert_eq!(world.current_tick(), 1500);
        assert!(world.player_count() > 3, "{name}");
        assert!(world.census().iter().sum::<u64>() > 0, "{name}");
        // It lives, and is saved as what it is.
        for _ in 0..40 {
            world.tick(&[]);
        }
        let again = World::restore(&world.snapshot()).unwrap();
        assert_eq!(again.hash(), world.hash());
    }
}

#[test]
#[ignore = "writes the committed snapshots of the present format"]
fn regenerate() {
    for genre in Genre::ALL {
        let name = format!("format-2-{}.snapshot", genre.as_str().to_lowercase());
        std::fs::write(file(&name), populated(genre, 1500).snapshot()).unwrap();
    }
}

#[test]
fn a_frozen_world_does_not_move() {
    let mut world = populated(Genre::Horror, 100);
    let (hash, frozen, bytes) = (world.hash(), world.freeze(), world.snapshot());
    let other = std::thread::spawn(move || (frozen.full_hash(), frozen.encode()));
    for _ in 0..50 {
        world.tick(&[]);
    }
    assert_ne!(world.hash(), hash);
    assert_eq!(other.join().unwrap(), (hash, bytes));
}

#[test]
fn names_and_salt_count() {
    let params = *world(1, Genre::SciFi, 20).params();
    let hash = |seed, salt| World::new(params, seed, salt).unwrap().hash();
    assert_ne!(hash(1, 1), hash(1, 2));
    assert_ne!(hash(1, 1), hash(2, 1));
    assert_eq!(hash(1, 1), hash(1, 1));
    // The ground is public, and the salt has no part in it.
    let ground = |salt| World::new(params, 1, salt).unwrap().terrain_hash();
    assert_eq!(ground(1), ground(2));
}

proptest! {
    #![proptest_config(Config { cases: 48, failure_persistence: None, ..Config::default() })]

    #[test]
    fn damaged_snapshots_are_refused(at: prop::sample::Index, bit in 0..8_u8, cut: prop::sample::Index) {
        let snapshot = snapshot();
        let mut damaged = snapshot.to_vec();
        let at = at.index(damaged.len());
        damaged[at] ^= 1 << bit;
        prop_assert!(World::restore(&damaged).is_err(), "{at}");
        prop_assert!(World::restore(&snapshot[..cut.index(snapshot.len())]).is_err());
    }

    #[test]
    fn rubbish_is_refused(bytes: Vec<u8>) {
        prop_assert!(World::restore(&bytes).is_err());
        let mut after_header = b"WKSN\x02\x00\x02\x00".to_vec();
        after_header.extend(bytes);
        prop_assert!(World::restore(&after_header).is_err());
    }
}

fn snapshot() -> &'static [u8] {
    static SNAPSHOT: std::sync::LazyLock<Vec<u8>> =
        std::sync::LazyLock::new(|| populated(Genre::PostApoc, 60).snapshot());
    &SNAPSHOT
}
