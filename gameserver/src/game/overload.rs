//! What gives way when the world takes more time than it has. Pure.
//!
//! The load of each window (about a second) is judged: under strain the next step of the ladder is
//! taken, with room to spare the last one is taken back. First what is far is shown less often; then
//! the world runs slower than real time. The simulation knows of neither.

/// Most that far entities are thinned: by half at each level.
pub(super) const MAX_THINNING: u8 = 3;
/// Percent of real time at which the world runs, step after step. A world slower than a quarter is not
/// played.
const DILATIONS: [u8; 7] = [100, 80, 64, 50, 40, 32, 25];
/// Percent of a tick's time: above it something must give way.
const STRAIN: u32 = 90;
/// Percent of a tick's time that may be used after a step is taken back.
const ROOM: u32 = 70;
/// Windows with room before a step is taken back.
const PATIENCE: u32 = 3;
/// Longest patience. It doubles each time that a step had to be taken again at once.
const MAX_PATIENCE: u32 = 96;

/// What the world is asked to bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Relief {
    /// 0: everything is shown as it is. At level n, what is far is shown in every 2^n-th tick only.
    pub(super) thinning: u8,
    /// Percent of real time at which the world runs.
    pub(super) dilation: u8,
}

/// Decides how much gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Governor {
    step: u8,
    /// Windows with room, one after the other.
    easy: u32,
    patience: u32,
    /// Windows since a step was taken back.
    since_back: u32,
}

impl Default for Governor {
    fn default() -> Self {
        Self {
            step: 0,
            easy: 0,
            patience: PATIENCE,
            since_back: u32::MAX,
        }
    }
}

impl Governor {
    /// What holds now.
    pub(super) fn relief(self) -> Relief {
        at(self.step)
    }

    /// Judges a window: `load` is the percentage of the ticks' time that was used, in which
    /// [`Relief::dilation`] is reckoned in already.
    pub(super) fn judge(&mut self, load: u32) -> Relief {
        self.since_back = self.since_back.saturating_add(1);
        if load > STRAIN {
            self.easy = 0;
            if self.since_back <= self.patience {
                self.patience = (self.patience * 2).min(MAX_PATIENCE);
                self.since_back = u32::MAX;
            }
            self.step = (self.step + 1).min(LAST);
        } else if self.step > 0 && load_after_return(load, self.step) <= ROOM {
            self.easy += 1;
            if self.easy >= self.patience {
                self.easy = 0;
                self.step -= 1;
                self.since_back = 0;
            }
        } else {
            self.easy = 0;
        }
        if self.step == 0 && self.since_back > MAX_PATIENCE {
            self.patience = PATIENCE;
        }
        at(self.step)
    }
}

/// The last step of the ladder. The first dilation is none.
const LAST: u8 = MAX_THINNING + 6;

fn at(step: u8) -> Relief {
    let slower = usize::from(step.saturating_sub(MAX_THINNING));
    Relief {
        thinning: step.min(MAX_THINNING),
        dilation: DILATIONS.get(slower).copied().unwrap_or(25),
    }
}

/// What the load would be one step back. How much a level of thinning saves is not known; what it adds
/// when it is taken back is assumed to be a quarter.
fn load_after_return(load: u32, step: u8) -> u32 {
    let (now, then) = (at(step), at(step - 1));
    if now.dilation == then.dilation {
        load * 5 / 4
    } else {
        load * u32::from(then.dilation) / u32::from(now.dilation)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;

    type Judge = fn(&mut Governor, u32) -> Relief;

    /// Percent of a tick's time that a world takes: `work` is that of the whole at full speed, of which
    /// each level of thinning saves a share.
    fn load(work: u32, saved: u32, relief: Relief) -> u32 {
        let thinned = work - work * saved * u32::from(relief.thinning) / 100;
        thinned * u32::from(relief.dilation) / 100
    }

    /// Whatever the work and its course: nothing gives way that need not; what is far before time;
    /// bounded; enough to bear the load if anything is; one step at a time; few changes while the work
    /// is the same; and all is given back after it.
    fn holds(judge: Judge) -> Result<(), String> {
        let course = (0..600_u32, 0..30_u32, 0..600_u32);
        let config = Config {
            failure_persistence: None,
            // What catches a wrong variant once catches it in every run.
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            cases: 512,
            ..Config::default()
        };
        let property = |(work, saved, before)| {
            let mut governor = Governor::default();
            let mut relief = governor.relief();
            for _ in 0..50 {
                relief = judge(&mut governor, load(before, saved, relief));
            }
            let mut changes = 0;
            for window in 0..2000 {
                let now = load(work, saved, relief);
                let next = judge(&mut governor, now);
                if next.dilation < 100 {
                    prop_assert_eq!(next.thinning, MAX_THINNING, "far things first");
                }
                prop_assert!(next.dilation >= 25);
                prop_assert!(next.thinning.abs_diff(relief.thinning) <= 1);
                if now > STRAIN {
                    prop_assert!(next != relief || next == at(LAST), "nothing gives way");
                } else {
                    prop_assert!(next.thinning <= relief.thinning, "without need");
                    prop_assert!(next.dilation >= relief.dilation, "without need");
                }
                if window >= 500 {
                    changes += u32::from(next != relief);
                    let bearable = load(work, saved, at(LAST)) <= STRAIN;
                    // At most one window of strain at a time.
                    let eased = load(work, saved, next) <= STRAIN;
                    prop_assert!(!bearable || now <= STRAIN || eased, "{now}");
                }
                relief = next;
            }
            prop_assert!(
                changes <= 2 * (1 + 1500 / MAX_PATIENCE),
                "{changes} changes"
            );
            for _ in 0..MAX_PATIENCE * (u32::from(LAST) + 1) {
                relief = judge(&mut governor, 5);
            }
            prop_assert_eq!(relief, at(0), "given back");
            Ok(())
        };
        TestRunner::new(config)
            .run(&course, property)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn what_must_gives_way_and_comes_back() {
        holds(Governor::judge).unwrap();
    }

    #[test]
    fn the_ladder() {
        let steps: Vec<_> = (0..=LAST)
            .map(|step| (at(step).thinning, at(step).dilation))
            .collect();
        let expect = [
            (0, 100),
            (1, 100),
            (2, 100),
            (3, 100),
            (3, 80),
            (3, 64),
            (3, 50),
            (3, 40),
            (3, 32),
            (3, 25),
        ];
        assert_eq!(steps, expect);
    }

    #[test]
    fn wrong_variants_are_caught() {
        let variants: [(&str, Judge); 6] = [
            ("nothing is given back", |governor, load| {
                governor.easy = 0;
                governor.judge(load)
            }),
            ("no hysteresis", |governor, load| {
                if load <= STRAIN {
                    governor.step = governor.step.saturating_sub(1);
                    return at(governor.step);
                }
                governor.judge(load)
            }),
            ("patience never grows", |governor, load| {
                governor.since_back = u32::MAX - 1;
                governor.judge(load)
            }),
            ("time first", |governor, load| {
                let Relief { thinning, dilation } = governor.judge(load);
                Relief {
                    thinning: if dilation <= 25 { thinning } else { 0 },
                    dilation,
                }
            }),
            ("all at once", |governor, load| {
                if load > STRAIN {
                    governor.step = LAST;
                }
                governor.judge(load)
            }),
            ("nervous", |governor, load| governor.judge(load + 30)),
        ];
        for (name, variant) in variants {
            assert!(holds(variant).is_err(), "{name}");
        }
    }
}
