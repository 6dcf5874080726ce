//! How bodies move: integer arithmetic only, so that a client can predict it exactly.

use crate::content::Ground;
use crate::units::{Direction, FULL_SPEED, Position};

/// Where a body is one tick later. `ground` is what lies at a place, given as x and y; outside the world
/// it is [`Ground::Rock`]. `speed` is the longest way of a tick on open ground. A body that is stopped
/// by the ground or by the world's edge slides along it.
pub fn step(
    ground: impl Fn(i32, i32) -> Ground,
    from: Position,
    direction: Direction,
    speed: i32,
) -> Position {
    if direction.is_still() {
        return from;
    }
    let slow = ground(from.x, from.y).is_slow();
    let (x, y) = velocity(direction, if slow { speed / 2 } else { speed });
    let candidates = [(x, y), (x, 0), (0, y)];
    candidates
        .into_iter()
        .map(|(x, y)| Position {
            x: from.x.saturating_add(x),
            y: from.y.saturating_add(y),
        })
        .find(|to| *to != from && ground(to.x, to.y).is_passable())
        .unwrap_or(from)
}

/// The way of one tick: along `direction`, never longer than `speed`.
#[must_use]
pub fn velocity(direction: Direction, speed: i32) -> (i32, i32) {
    let (x, y) = (i64::from(direction.x), i64::from(direction.y));
    let full = i64::from(FULL_SPEED);
    let squared = x * x + y * y;
    let length = if squared <= full * full {
        full
    } else {
        // Rounded up, so that the way is rounded down.
        let root = squared.isqrt();
        if root * root == squared {
            root
        } else {
            root + 1
        }
    };
    let scale = |part: i64| i32::try_from(part * i64::from(speed) / length).unwrap_or(0);
    (scale(x), scale(y))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_faster_than_allowed(x: i8, y: i8, speed in 1..10_000_i32) {
            let (dx, dy) = velocity(Direction { x, y }, speed);
            let way = i64::from(dx).pow(2) + i64::from(dy).pow(2);
            prop_assert!(way <= i64::from(speed).pow(2));
        }

        #[test]
        fn opposite_ways_are_equal(x in -127..=127_i8, y in -127..=127_i8, speed in 1..10_000_i32) {
            let (dx, dy) = velocity(Direction { x, y }, speed);
            prop_assert_eq!(velocity(Direction { x: -x, y: -y }, speed), (-dx, -dy));
        }
    }

    #[test]
    fn length_is_the_share_of_full_speed() {
        for (x, y, expect) in [
            (0, 0, (0, 0)),
            (127, 0, (300, 0)),
            (0, -127, (0, -300)),
            (64, 0, (151, 0)),
            (127, 127, (211, 211)),
            (-128, 0, (-300, 0)),
        ] {
            assert_eq!(velocity(Direction { x, y }, 300), expect, "{x} {y}");
        }
    }
}
