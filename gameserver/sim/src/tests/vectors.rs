//! Test vectors of the movement kernel, for clients in other languages: `client/vectors/movement.json`.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::content::Ground;
use crate::movement::{step, velocity};
use crate::rng::mix;
use crate::units::{Direction, Position};

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../client/vectors/movement.json")
}

/// A small map: `.` open, `~` slow, `w` water, `#` rock; row by row from the south, tiles of 4 m. Outside
/// is rock.
const MAP: [&str; 8] = [
    "........", ".~~..#..", ".~~..#..", "...w....", "..www...", "#..w..~~", "##....~~", "........",
];
const TILE: i32 = 4000;

fn ground(x: i32, y: i32) -> Ground {
    let side = MAP.len() as i32 * TILE;
    if !(0..side).contains(&x) || !(0..side).contains(&y) {
        return Ground::Rock;
    }
    match MAP[(y / TILE) as usize].as_bytes()[(x / TILE) as usize] {
        b'.' => Ground::Open,
        b'~' => Ground::Slow,
        b'w' => Ground::Water,
        _ => Ground::Rock,
    }
}

fn vectors() -> String {
    let mut text = String::from("{\n  \"tile\": 4000,\n  \"map\": [");
    let rows: Vec<_> = MAP.iter().map(|row| format!("\"{row}\"")).collect();
    let _ = write!(text, "{}],\n  \"velocities\": [\n", rows.join(", "));
    let mut dice = 42_u64;
    let mut next = |bound: u64| {
        dice = mix(dice.wrapping_add(0x9e37_79b9_7f4a_7c15));
        i32::try_from((dice >> 11) % bound).unwrap()
    };
    let corners = [
        (0, 0),
        (127, 0),
        (-127, 0),
        (0, 127),
        (127, 127),
        (-128, -128),
        (1, 0),
        (0, -1),
    ];
    let mut lines = Vec::new();
    for at in 0..60 {
        let (x, y) = match corners.get(at) {
            Some(&(x, y)) => (x, y),
            None => (next(256) - 128, next(256) - 128),
        };
        let direction = Direction {
            x: i8::try_from(x).unwrap(),
            y: i8::try_from(y).unwrap(),
        };
        let speed = [600, 300, 200, 100, 250, 83][at % 6];
        let (dx, dy) = velocity(direction, speed);
        lines.push(format!("    [{x}, {y}, {speed}, {dx}, {dy}]"));
    }
    let _ = write!(text, "{}\n  ],\n  \"steps\": [\n", lines.join(",\n"));
    let mut lines = Vec::new();
    while lines.len() < 300 {
        let from = Position {
            x: next(32_000),
            y: next(32_000),
        };
        if !ground(from.x, from.y).is_passable() {
            continue;
        }
        let (x, y) = (next(256) - 128, next(256) - 128);
        let direction = Direction {
            x: i8::try_from(x).unwrap(),
            y: i8::try_from(y).unwrap(),
        };
        let speed = [600, 300, 200, 100, 250, 83][lines.len() % 6];
        let to = step(ground, from, direction, speed);
        lines.push(format!(
            "    [{}, {}, {x}, {y}, {speed}, {}, {}]",
            from.x, from.y, to.x, to.y
        ));
    }
    let _ = write!(text, "{}\n  ],\n  \"walks\": [\n", lines.join(",\n"));
    let mut lines = Vec::new();
    for _ in 0..12 {
        let mut place = Position { x: 2000, y: 2000 };
        let start = place;
        let mut turns = Vec::new();
        for _ in 0..8 {
            let direction = Direction {
                x: i8::try_from(next(255) - 127).unwrap(),
                y: i8::try_from(next(255) - 127).unwrap(),
            };
            let ticks = 1 + next(30);
            turns.push(format!("[{}, {}, {ticks}]", direction.x, direction.y));
            for _ in 0..ticks {
                place = step(ground, place, direction, 300);
            }
        }
        lines.push(format!(
            "    {{\"from\": [{}, {}], \"speed\": 300, \"turns\": [{}], \"to\": [{}, {}]}}",
            start.x,
            start.y,
            turns.join(", "),
            place.x,
            place.y
        ));
    }
    let _ = write!(text, "{}\n  ]\n}}\n", lines.join(",\n"));
    text
}

#[test]
fn the_vectors_are_those_of_the_kernel() {
    assert_eq!(std::fs::read_to_string(file()).unwrap(), vectors());
}

#[test]
#[ignore = "writes the committed vectors"]
fn regenerate() {
    std::fs::create_dir_all(file().parent().unwrap()).unwrap();
    std::fs::write(file(), vectors()).unwrap();
}
