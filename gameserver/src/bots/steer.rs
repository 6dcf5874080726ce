//! Which way to go: from headings in degrees to directions on the wire, and around what is in the way.

use worldkeeper_sim::{Direction, FULL_SPEED, Ground, Position, movement};

/// Turns that are tried, in degrees off the straight way, best first.
const TURNS: [i32; 7] = [0, 25, -25, 50, -50, 75, -75];
/// Ticks that each is tried for.
const AHEAD: u32 = 16;

/// The direction of a heading (degrees, counted from east to north) at so many percent of full speed.
pub(super) fn direction(heading: i32, percent: u8) -> Direction {
    #[allow(clippy::cast_precision_loss)] // degrees of a circle
    let radians = (heading.rem_euclid(360) as f32).to_radians();
    let length = f32::from(FULL_SPEED) * f32::from(percent.min(100)) / 100.0;
    #[allow(clippy::cast_possible_truncation)] // at most FULL_SPEED
    let part = |share: f32| (share * length) as i8;
    Direction {
        x: part(radians.cos()),
        y: part(radians.sin()),
    }
}

/// The heading from one place to another.
pub(super) fn heading(from: Position, to: Position) -> i32 {
    let way = |to: i32, from: i32| f64::from(to) - f64::from(from);
    let degrees = way(to.y, from.y)
        .atan2(way(to.x, from.x))
        .to_degrees()
        .round();
    #[allow(clippy::cast_possible_truncation)] // degrees of a circle
    let degrees = degrees as i32;
    degrees.rem_euclid(360)
}

/// Calls for which a way around lasts.
const DETOUR: u8 = 5;

/// How a body gets around what is in its way. Within sight of a few metres it takes the best of some
/// turns; where none brings it nearer, it follows one side for a while, and the other side next time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Way {
    /// Calls for which the detour lasts, and where it leads.
    left: u8,
    heading: i32,
    other_side: bool,
}

impl Way {
    /// The heading to take from `from` to get to `to`: the straight one (with `sway` degrees of it)
    /// unless something is in the way. `speed` is the way of a tick.
    pub(super) fn heading(
        &mut self,
        ground: &impl Fn(i32, i32) -> Ground,
        from: Position,
        to: Position,
        sway: i32,
        speed: i32,
    ) -> i32 {
        let straight = heading(from, to);
        let start = from.distance_squared(to).isqrt();
        let reach = (u64::from(AHEAD) * u64::from(speed.unsigned_abs())).min(start);
        let walk = |heading: i32| {
            let direction = direction(heading, 100);
            let (mut place, mut nearest) = (from, start);
            for _ in 0..AHEAD {
                place = movement::step(ground, place, direction, speed);
                nearest = nearest.min(place.distance_squared(to).isqrt());
            }
            (start - nearest, from.distance_squared(place).isqrt())
        };
        let mut best = (0, straight);
        for turn in TURNS {
            let heading = straight + turn + sway;
            let (gained, _) = walk(heading);
            // Good enough: most of what open ground would give.
            if 10 * gained >= 7 * reach {
                self.left = 0;
                return heading;
            }
            if gained > best.0 {
                best = (gained, heading);
            }
        }
        let (gained, heading) = best;
        if self.left == 0 && 10 * gained >= 3 * reach {
            return heading;
        }
        if self.left > 0 {
            self.left -= 1;
            if 10 * walk(self.heading).1 >= 3 * reach {
                return self.heading;
            }
        }
        self.left = DETOUR;
        self.other_side = !self.other_side;
        let side = if self.other_side { 95 } else { -95 };
        self.heading = straight + side;
        self.heading
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wall(x: i32, y: i32) -> Ground {
        // A wall across the way, with its end to the north.
        if (5_000..6_000).contains(&x) && (-40_000..4_000).contains(&y) {
            Ground::Rock
        } else {
            Ground::Open
        }
    }

    proptest! {
        #[test]
        fn a_heading_leads_where_it_is_taken_from(x in -9_000..9_000_i32, y in -9_000..9_000_i32) {
            prop_assume!(x * x + y * y > 1_000_000);
            let way = direction(heading(Position::default(), Position { x, y }), 100);
            let (wx, wy) = (f64::from(way.x), f64::from(way.y));
            let (x, y) = (f64::from(x), f64::from(y));
            let cosine = (wx * x + wy * y) / (wx.hypot(wy) * x.hypot(y));
            prop_assert!(cosine > 0.999, "{cosine}");
            prop_assert!(wx.hypot(wy) > 124.0 && wx.hypot(wy) <= 127.0);
        }
    }

    #[test]
    fn a_body_gets_around_a_wall() {
        let (mut place, to) = (Position { x: 0, y: 0 }, Position { x: 12_000, y: 0 });
        let mut way = Way::default();
        for _ in 0..60 {
            let way = direction(way.heading(&wall, place, to, 0, 300), 100);
            for _ in 0..6 {
                place = movement::step(wall, place, way, 300);
            }
            if place.distance_squared(to) < 2_000 * 2_000 {
                return;
            }
        }
        panic!("still at {place:?}");
    }

    #[test]
    fn open_ground_is_walked_straight() {
        let plain = |_, _| Ground::Open;
        let (from, to) = (
            Position { x: 0, y: 0 },
            Position {
                x: 30_000,
                y: 30_000,
            },
        );
        assert_eq!(Way::default().heading(&plain, from, to, 0, 300), 45);
    }
}
