//! Health, hunger, thirst and the meter of the genre's mechanic: kept in ten-thousandths of a point, so
//! that rates of a few points a minute can be applied each second without rounding them away.

use crate::content::Mechanic;
use crate::state::{Reader, Sink, SnapshotError, State};

/// Parts of a point.
pub(crate) const FINE: u32 = 10_000;
/// 100 points: a full stomach, a full meter.
pub(crate) const FULL: u32 = 100 * FINE;
/// Greatest health of a character of level 1, in points.
const BASE_HEALTH: u32 = 100;
/// What each level adds to it.
const HEALTH_PER_LEVEL: u32 = 2;

/// How a body is; all in parts of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vitals {
    /// 0 means dead.
    pub(crate) health: u32,
    /// What health can reach at the moment.
    pub(crate) max_health: u32,
    /// [`FULL`] is sated.
    pub(crate) hunger: u32,
    /// [`FULL`] is quenched.
    pub(crate) thirst: u32,
    /// Which end is the good one, depends on the mechanic.
    pub(crate) meter: u32,
}

impl Default for Vitals {
    fn default() -> Self {
        Self {
            health: BASE_HEALTH * FINE,
            max_health: BASE_HEALTH * FINE,
            hunger: FULL,
            thirst: FULL,
            meter: FULL,
        }
    }
}

/// Vitals in whole points, as players see them: anything above 0 shows as at least 1.
pub(crate) type Shown = (u16, u16, u8, u8, u8);

impl Vitals {
    /// Those of a new body in a world with this mechanic.
    pub(crate) fn new(mechanic: Mechanic) -> Self {
        Self {
            meter: if mechanic.full_is_good() { FULL } else { 0 },
            ..Self::default()
        }
    }

    pub(crate) fn shown(&self) -> Shown {
        let wide = |fine: u32| u16::try_from(fine.div_ceil(FINE)).unwrap_or(u16::MAX);
        let narrow = |fine: u32| u8::try_from(fine.div_ceil(FINE)).unwrap_or(u8::MAX);
        (
            wide(self.health),
            wide(self.max_health),
            narrow(self.hunger),
            narrow(self.thirst),
            narrow(self.meter),
        )
    }

    /// Neither food nor water: it walks slower.
    pub(crate) fn is_starving(&self) -> bool {
        self.hunger == 0 || self.thirst == 0
    }

    /// Health of the living changes by so many parts, between 0 and the greatest.
    pub(crate) fn heal(&mut self, parts: i64) {
        self.health = moved(self.health, parts, self.max_health);
    }

    pub(crate) fn eat(&mut self, hunger: i8, thirst: i8) {
        self.hunger = moved(self.hunger, points(hunger.into()), FULL);
        self.thirst = moved(self.thirst, points(thirst.into()), FULL);
    }

    /// Moves the meter by so many points, towards its good end if they are positive.
    pub(crate) fn better(&mut self, mechanic: Mechanic, by: i64) {
        let by = if mechanic.full_is_good() { by } else { -by };
        self.meter = moved(self.meter, points(by), FULL);
    }

    /// The meter can be moved so many points towards its bad end.
    pub(crate) fn can_pay(&self, mechanic: Mechanic, cost: u8) -> bool {
        let cost = u32::from(cost) * FINE;
        if mechanic.full_is_good() {
            self.meter >= cost
        } else {
            self.meter + cost <= FULL
        }
    }

    /// Fits the greatest health to level and dose. The dead stay dead, the living alive.
    pub(crate) fn set_max_health(&mut self, level: u8, mechanic: Mechanic) {
        let whole = (BASE_HEALTH + HEALTH_PER_LEVEL * u32::from(level.saturating_sub(1))) * FINE;
        self.max_health = match mechanic {
            Mechanic::Radiation {
                health_lost_percent,
                ..
            } => {
                let lost = u64::from(whole) / 100 * u64::from(health_lost_percent.min(99));
                let lost = lost * u64::from(self.meter) / u64::from(FULL);
                whole - u32::try_from(lost).unwrap_or(0)
            }
            _ => whole,
        };
        self.health = self.health.min(self.max_health);
    }
}

fn points(points: i64) -> i64 {
    points * i64::from(FINE)
}

/// `value` changed by `by`, kept within 0 and `most`.
pub(crate) fn moved(value: u32, by: i64, most: u32) -> u32 {
    let moved = i64::from(value)
        .saturating_add(by)
        .clamp(0, i64::from(most));
    u32::try_from(moved).unwrap_or(most)
}

impl State for Vitals {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            health,
            max_health,
            hunger,
            thirst,
            meter,
        } = self;
        health.write(sink);
        max_health.write(sink);
        hunger.write(sink);
        thirst.write(sink);
        meter.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let vitals = Self {
            health: State::read(reader)?,
            max_health: State::read(reader)?,
            hunger: State::read(reader)?,
            thirst: State::read(reader)?,
            meter: State::read(reader)?,
        };
        let highest = vitals.hunger.max(vitals.thirst).max(vitals.meter);
        if highest > FULL || vitals.health > vitals.max_health || vitals.max_health > 10 * FULL {
            return Err(SnapshotError::Bad("vitals"));
        }
        Ok(vitals)
    }
}
