//! How movement is shown: a motion record says where an entity was at a tick and how fast it went,
//! and everyone who has it works out the same position for every later tick. A new record is made
//! only when that position and the true one have come apart.

use serde::{Deserialize, Serialize};

use super::entity::Position;
use super::limits::{MAX_COORDINATE, MAX_MOTION_AGE};

/// Two of these are one unit of [`Velocity`], in millimetres a second: 62.5.
const HALF_UNIT: i32 = 125;

/// A velocity, in units of 62.5 mm/s: up to 7.9 m/s either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Velocity {
    /// East.
    pub x: i8,
    /// North.
    pub y: i8,
}

impl Velocity {
    /// Stands still.
    pub const ZERO: Self = Self { x: 0, y: 0 };

    /// The nearest velocity to a way of (`dx`, `dy`) millimetres in a tick.
    #[must_use]
    pub fn of_displacement(dx: i32, dy: i32, tick_rate_hz: u8) -> Self {
        let part = |way: i32| {
            let halves = i64::from(way) * i64::from(tick_rate_hz) * 2;
            // Rounded to nearest: the division rounds down.
            let unit = i64::from(HALF_UNIT);
            let units = (2 * halves + unit).div_euclid(2 * unit);
            i8::try_from(units).unwrap_or(if units < 0 { i8::MIN } else { i8::MAX })
        };
        Self {
            x: part(dx),
            y: part(dy),
        }
    }
}

/// A motion record: where an entity was at a tick, and how it has moved since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Motion {
    /// The tick at which the entity was at `position`. Of no meaning where `velocity` is zero.
    pub tick: u64,
    /// Where it was then.
    pub position: Position,
    /// How it has moved since.
    pub velocity: Velocity,
}

impl Motion {
    /// Where the entity is shown at `tick`, which is no earlier than the record's: per axis
    /// `position + floor(velocity × 125 × age ÷ (2 × tick rate))`, with an age of at most
    /// [`MAX_MOTION_AGE`] and a result of at most [`MAX_COORDINATE`] either way.
    #[must_use]
    pub fn shown(&self, tick: u64, tick_rate_hz: u8) -> Position {
        if self.velocity == Velocity::ZERO {
            return self.position;
        }
        let age = self.age(tick);
        let rate = 2 * i32::from(tick_rate_hz.max(1));
        // 128 × 125 × 65,535 fits in 32 bits, whose division is several times faster; few records grow
        // older than that.
        let young = u16::try_from(age).map(i32::from);
        let part = |from: i32, velocity: i8| {
            let way = match young {
                Ok(age) => (i32::from(velocity) * HALF_UNIT * age)
                    .div_euclid(rate)
                    .into(),
                Err(_) => (i64::from(velocity) * i64::from(HALF_UNIT) * i64::from(age))
                    .div_euclid(i64::from(rate)),
            };
            clamp_axis(i64::from(from) + way)
        };
        Position {
            x: part(self.position.x, self.velocity.x),
            y: part(self.position.y, self.velocity.y),
        }
    }

    /// Ticks since the record was made, at most [`MAX_MOTION_AGE`].
    #[must_use]
    pub fn age(&self, tick: u64) -> u32 {
        u32::try_from(tick.saturating_sub(self.tick))
            .unwrap_or(MAX_MOTION_AGE)
            .min(MAX_MOTION_AGE)
    }

    /// The record to publish at `tick` in place of `previous`: none while `previous` shows the entity
    /// no more than `bound` millimetres from the `truth`. (`dx`, `dy`) is its way in the last tick,
    /// which it is expected to go on with.
    #[must_use]
    pub fn follow(
        previous: &Self,
        truth: Position,
        (dx, dy): (i32, i32),
        tick: u64,
        tick_rate_hz: u8,
        bound: u32,
    ) -> Option<Self> {
        let shown = previous.shown(tick, tick_rate_hz);
        let x = u64::from(shown.x.abs_diff(truth.x));
        let y = u64::from(shown.y.abs_diff(truth.y));
        let bound = u64::from(bound);
        if x <= bound && y <= bound && x * x + y * y <= bound * bound {
            return None;
        }
        Some(Self {
            tick,
            position: clamp(truth),
            velocity: Velocity::of_displacement(dx, dy, tick_rate_hz),
        })
    }
}

fn clamp_axis(value: i64) -> i32 {
    i32::try_from(value)
        .unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
        .clamp(-MAX_COORDINATE, MAX_COORDINATE)
}

/// Into the coordinates that the protocol can carry.
pub(super) fn clamp(position: Position) -> Position {
    Position {
        x: position.x.clamp(-MAX_COORDINATE, MAX_COORDINATE),
        y: position.y.clamp(-MAX_COORDINATE, MAX_COORDINATE),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;

    const BOUND: u32 = 150;

    type Leg = (u64, i32, i32);
    type Follow = fn(&Motion, Position, (i32, i32), u64, u8, u32) -> Option<Motion>;

    fn runner() -> TestRunner {
        TestRunner::new(Config {
            failure_persistence: None,
            // What catches a wrong variant once catches it in every run.
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            max_shrink_iters: 0,
            ..Config::default()
        })
    }

    fn rate() -> impl Strategy<Value = u8> {
        prop::sample::select(vec![10_u8, 20, 30, 60])
    }

    fn distance_squared(a: Position, b: Position) -> u64 {
        let (x, y) = (u64::from(a.x.abs_diff(b.x)), u64::from(a.y.abs_diff(b.y)));
        x * x + y * y
    }

    /// However something moves, it is shown within the bound at every tick. Legs of a path: ticks,
    /// way in each.
    fn is_close(follow: Follow) -> Result<(), String> {
        let legs = prop::collection::vec((1..60_u64, -790..=790_i32, -790..=790_i32), 1..30);
        let walk = |(rate, start, legs): (u8, (i32, i32), Vec<Leg>)| {
            let mut truth = Position {
                x: start.0,
                y: start.1,
            };
            let mut motion = Motion {
                position: truth,
                ..Motion::default()
            };
            let mut tick = 0;
            for (ticks, dx, dy) in legs {
                for _ in 0..ticks {
                    tick += 1;
                    truth.x += dx;
                    truth.y += dy;
                    if let Some(next) = follow(&motion, truth, (dx, dy), tick, rate, BOUND) {
                        motion = next;
                    }
                    let error = distance_squared(motion.shown(tick, rate), truth);
                    prop_assert!(error <= u64::from(BOUND).pow(2), "{error} at {tick}");
                }
            }
            Ok(())
        };
        let anywhere = -1_000_000..1_000_000_i32;
        runner()
            .run(&(rate(), (anywhere.clone(), anywhere), legs), walk)
            .map_err(|error| error.to_string())
    }

    /// What goes straight on needs a new record once in three seconds at most: velocities are rounded
    /// to nearest, so the error grows by 31.25 mm/s per axis at most, 44.2 mm/s in all, and a third of
    /// the bound is left for rounding down.
    fn is_seldom(follow: Follow) -> Result<(), String> {
        let walk = |(rate, speed_x, speed_y): (u8, i32, i32)| {
            let hz = i32::from(rate);
            let way = (speed_x / hz, speed_y / hz);
            let mut truth = Position::default();
            let mut motion = Motion::default();
            let mut records = Vec::new();
            for tick in 1..=u64::from(rate) * 60 {
                truth.x += way.0;
                truth.y += way.1;
                if let Some(next) = follow(&motion, truth, way, tick, rate, BOUND) {
                    motion = next;
                    records.push(tick);
                }
            }
            for pair in records.windows(2) {
                let ticks = pair[1] - pair[0];
                prop_assert!(ticks >= 3 * u64::from(rate), "after {ticks} ticks");
            }
            Ok(())
        };
        let speed = -7_900..=7_900_i32;
        runner()
            .run(&(rate(), speed.clone(), speed), walk)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_shown_is_close() {
        assert_eq!(is_close(Motion::follow), Ok(()));
    }

    #[test]
    fn records_are_seldom() {
        assert_eq!(is_seldom(Motion::follow), Ok(()));
    }

    #[test]
    fn wrong_variants_are_caught() {
        let strays: [(&str, Follow); 5] = [
            (
                "a record when the way changes",
                |motion, truth, way, tick, rate, _| {
                    let velocity = Velocity::of_displacement(way.0, way.1, rate);
                    (velocity != motion.velocity).then_some(Motion {
                        tick,
                        position: truth,
                        velocity,
                    })
                },
            ),
            (
                "judged by where it was",
                |motion, truth, way, tick, rate, bound| {
                    let stands = Motion {
                        velocity: Velocity::ZERO,
                        ..*motion
                    };
                    Motion::follow(&stands, truth, way, tick, rate, 10 * bound)
                },
            ),
            (
                "judged axis by axis",
                |motion, truth, way, tick, rate, bound| {
                    let shown = motion.shown(tick, rate);
                    let off = shown.x.abs_diff(truth.x).max(shown.y.abs_diff(truth.y));
                    (off > bound).then(|| Motion::follow(motion, truth, way, tick, rate, bound))?
                },
            ),
            (
                "from where it is shown",
                |motion, truth, way, tick, rate, bound| {
                    let position = motion.shown(tick, rate);
                    let next = Motion::follow(motion, truth, way, tick, rate, bound)?;
                    Some(Motion { position, ..next })
                },
            ),
            ("a tick late", |motion, truth, way, tick, rate, bound| {
                Motion::follow(motion, truth, way, tick - 1, rate, bound)
            }),
        ];
        for (name, variant) in strays {
            assert!(is_close(variant).is_err(), "{name}");
        }
        let busy: [(&str, Follow); 4] = [
            ("each tick", |_, truth, way, tick, rate, _| {
                Some(Motion {
                    tick,
                    position: truth,
                    velocity: Velocity::of_displacement(way.0, way.1, rate),
                })
            }),
            (
                "never expected to go on",
                |motion, truth, _, tick, rate, bound| {
                    Motion::follow(motion, truth, (0, 0), tick, rate, bound)
                },
            ),
            (
                "as if at 20 ticks a second",
                |motion, truth, way, tick, rate, bound| {
                    let next = Motion::follow(motion, truth, way, tick, rate, bound)?;
                    let velocity = Velocity::of_displacement(way.0, way.1, 20);
                    Some(Motion { velocity, ..next })
                },
            ),
            (
                "velocities cut short",
                |motion, truth, (dx, dy), tick, rate, bound| {
                    let next = Motion::follow(motion, truth, (dx, dy), tick, rate, bound)?;
                    let part = |way: i32| i8::try_from(way * i32::from(rate) * 2 / 125).unwrap();
                    let velocity = Velocity {
                        x: part(dx),
                        y: part(dy),
                    };
                    Some(Motion { velocity, ..next })
                },
            ),
        ];
        for (name, variant) in busy {
            assert!(is_seldom(variant).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_velocity_is_the_nearest(dx in -395..=395_i32, rate in rate()) {
            let speed = dx * i32::from(rate);
            prop_assume!(speed.abs() <= 7_900);
            let velocity = Velocity::of_displacement(dx, 0, rate);
            prop_assert!((2 * speed - 125 * i32::from(velocity.x)).abs() <= 63);
        }

        /// At any age, in as many bits as it takes.
        #[test]
        fn any_record_shows_what_the_formula_says(
            age in prop_oneof![0..100_u64, 65_530..65_540_u64, any::<u64>()],
            tick in 0..u64::MAX / 2,
            (x, y, vx, vy) in any::<(i32, i32, i8, i8)>(),
            rate in 1..=u8::MAX,
        ) {
            let motion = Motion {
                tick,
                position: clamp(Position { x, y }),
                velocity: Velocity { x: vx, y: vy },
            };
            let now = tick.saturating_add(age);
            let age = i128::from(now - tick).min((1 << 31) - 1);
            let part = |from: i32, velocity: i8| {
                let way = (i128::from(velocity) * 125 * age).div_euclid(2 * i128::from(rate));
                let limit = i128::from(MAX_COORDINATE);
                i32::try_from((i128::from(from) + way).clamp(-limit, limit)).unwrap()
            };
            let expected = Position {
                x: part(motion.position.x, vx),
                y: part(motion.position.y, vy),
            };
            prop_assert_eq!(motion.shown(now, rate), expected);
        }
    }

    #[test]
    fn shown_positions() {
        let motion = Motion {
            tick: 100,
            position: Position { x: 1_000, y: 1_000 },
            velocity: Velocity { x: 96, y: -1 },
        };
        for (tick, x, y) in [
            (90, 1_000, 1_000),
            (100, 1_000, 1_000),
            (101, 1_300, 996),
            (102, 1_600, 993),
            (120, 7_000, 937),
            (u64::MAX, MAX_COORDINATE, -MAX_COORDINATE),
        ] {
            assert_eq!(motion.shown(tick, 20), Position { x, y }, "{tick}");
        }
    }
}
