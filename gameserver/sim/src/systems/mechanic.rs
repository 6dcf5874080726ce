//! What is particular to each genre, second by second: how the meter moves, and what its bad end does.

use crate::content::{Exposure, Mechanic};
use crate::vitals::{FINE, FULL, moved};

/// What a body has around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Around {
    pub(crate) exposure: Exposure,
    /// Within a haven's reach.
    pub(crate) haven: bool,
    /// Within a light's reach; havens count.
    pub(crate) light: bool,
    pub(crate) night: bool,
    /// How much of the mechanic's harm is kept off, in percent.
    pub(crate) ward: u8,
}

/// What a second does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Second {
    /// The meter after it.
    pub(crate) meter: u32,
    /// Health lost, in parts of a point.
    pub(crate) health_lost: u32,
}

/// One second of a mechanic.
pub(crate) fn second(mechanic: Mechanic, meter: u32, around: Around) -> Second {
    let ward = u32::from(around.ward.min(100));
    let warded = |per_minute: u16| fine(per_minute) * (100 - ward) / 100;
    let (change, health_per_minute) = match mechanic {
        Mechanic::Mana {
            regen_per_minute,
            haven_per_minute,
            harsh_per_minute,
            sheltered_per_minute,
        } => {
            let regen = match around.exposure {
                _ if around.haven => haven_per_minute,
                Exposure::Usual => regen_per_minute,
                Exposure::Harsh => harsh_per_minute,
                Exposure::Sheltered => sheltered_per_minute,
            };
            (gain(fine(regen) * (100 + ward) / 100), 0)
        }
        Mechanic::Oxygen {
            drain_per_minute,
            harsh_per_minute,
            refill_per_minute,
            health_loss_per_minute,
        } => {
            let change = match around.exposure {
                _ if around.haven => gain(fine(refill_per_minute)),
                Exposure::Sheltered => gain(fine(refill_per_minute)),
                Exposure::Usual => -gain(warded(drain_per_minute)),
                Exposure::Harsh => -gain(warded(harsh_per_minute)),
            };
            (change, health_loss_per_minute)
        }
        Mechanic::Sanity {
            night_per_minute,
            harsh_per_minute,
            light_per_minute,
            day_per_minute,
            health_loss_per_minute,
            notice_percent: _,
        } => {
            let change = match around.exposure {
                _ if around.light || around.haven => gain(fine(light_per_minute)),
                Exposure::Harsh if around.night => {
                    -gain(warded(harsh_per_minute.max(night_per_minute)))
                }
                Exposure::Harsh => -gain(warded(harsh_per_minute)),
                Exposure::Usual if around.night => -gain(warded(night_per_minute)),
                Exposure::Usual | Exposure::Sheltered => gain(fine(day_per_minute)),
            };
            (change, health_loss_per_minute)
        }
        Mechanic::Heat {
            fall_per_minute,
            haven_per_minute,
            sheltered_per_minute,
            harsh_per_minute,
            kill: _,
        } => {
            let change = match around.exposure {
                _ if around.haven => -gain(fine(haven_per_minute)),
                Exposure::Sheltered => -gain(fine(sheltered_per_minute)),
                Exposure::Harsh => gain(warded(harsh_per_minute)),
                Exposure::Usual => -gain(fine(fall_per_minute)),
            };
            (change, 0)
        }
        Mechanic::Radiation {
            harsh_per_minute,
            fall_per_minute,
            haven_per_minute,
            health_lost_percent: _,
        } => {
            let change = match around.exposure {
                _ if around.haven => -gain(fine(haven_per_minute)),
                Exposure::Sheltered => -gain(fine(haven_per_minute)),
                Exposure::Harsh => gain(warded(harsh_per_minute)),
                Exposure::Usual => -gain(fine(fall_per_minute)),
            };
            (change, 0)
        }
    };
    let meter = moved(meter, change, FULL);
    // Nothing is left of what keeps the body alive.
    let health_lost = if meter == 0 {
        warded(health_per_minute)
    } else {
        0
    };
    Second { meter, health_lost }
}

/// Points a minute as parts of a point a second.
fn fine(per_minute: u16) -> u32 {
    u32::from(per_minute) * FINE / 60
}

fn gain(parts: u32) -> i64 {
    parts.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;
    use crate::params::Genre;

    fn around(exposure: Exposure) -> Around {
        Around {
            exposure,
            haven: false,
            light: false,
            night: false,
            ward: 0,
        }
    }

    /// The meter after a minute, in points.
    fn minute(genre: Genre, from: u32, around: Around) -> u32 {
        let rules = Content::of(genre).mechanic().rules;
        let mut meter = from * FINE;
        for _ in 0..60 {
            meter = second(rules, meter, around).meter;
        }
        meter / FINE
    }

    #[test]
    fn havens_help_and_harsh_ground_hurts() {
        for genre in Genre::ALL {
            let good = |points: u32| {
                if Content::of(genre).mechanic().rules.full_is_good() {
                    points
                } else {
                    100 - points
                }
            };
            let harsh = good(minute(genre, 50, around(Exposure::Harsh)));
            let usual = good(minute(genre, 50, around(Exposure::Usual)));
            let haven = Around {
                haven: true,
                ..around(Exposure::Harsh)
            };
            let haven = good(minute(genre, 50, haven));
            assert!(harsh < haven, "{genre:?}: {harsh} {usual} {haven}");
            assert!(
                harsh <= usual && usual <= haven,
                "{genre:?}: {harsh} {usual} {haven}"
            );
        }
    }

    #[test]
    fn wards_keep_harm_off() {
        for genre in Genre::ALL {
            let rules = Content::of(genre).mechanic().rules;
            let bare = around(Exposure::Harsh);
            let warded = Around { ward: 50, ..bare };
            let meter = 50 * FINE;
            let (bare, warded) = (second(rules, meter, bare), second(rules, meter, warded));
            if rules.full_is_good() {
                assert!(warded.meter > bare.meter, "{genre:?}");
            } else {
                assert!(warded.meter < bare.meter, "{genre:?}");
            }
        }
    }

    #[test]
    fn without_air_or_reason_health_falls() {
        for genre in Genre::ALL {
            let rules = Content::of(genre).mechanic().rules;
            let lost = second(rules, 0, around(Exposure::Harsh)).health_lost;
            let falls = matches!(genre, Genre::SciFi | Genre::Horror);
            assert_eq!(lost > 0, falls, "{genre:?}");
            assert_eq!(second(rules, FULL, around(Exposure::Harsh)).health_lost, 0);
        }
    }

    #[test]
    fn light_keeps_the_night_away() {
        let night = Around {
            night: true,
            ..around(Exposure::Usual)
        };
        let lit = Around {
            light: true,
            ..night
        };
        assert!(minute(Genre::Horror, 50, night) < 50);
        assert!(minute(Genre::Horror, 50, lit) > 50);
        assert!(minute(Genre::Horror, 50, around(Exposure::Usual)) >= 50);
    }
}
