//! Hunger, thirst, recovery, and the genre's mechanic: looked at once a second for each player, not for
//! all in the same tick.

use crate::area::EntityKind;
use crate::content::{Device, ItemKind, Mechanic, Place, Skill, StationId, StationKind};
use crate::event::DeathCause;
use crate::player::Character;
use crate::systems::mechanic::{Around, second};
use crate::systems::within;
use crate::units::Position;
use crate::vitals::{FINE, FULL, Vitals, moved};
use crate::world::World;

/// A full stomach lasts so many seconds.
const HUNGER_SECONDS: u32 = 30 * 60;
/// And so long thirst takes.
const THIRST_SECONDS: u32 = 20 * 60;
/// Health lost by hunger, and by thirst, in points a minute.
const STARVING_PER_MINUTE: u32 = 15;
/// Health that comes back, in points a minute.
const RECOVERY_PER_MINUTE: u32 = 15;
/// Farthest that a haven or a light reaches, in millimetres: what is farther away is not looked at.
const FARTHEST_RELIEF: u32 = 40_000;

impl World {
    /// The second half of a day is night.
    pub(crate) fn is_night(&self) -> bool {
        let day = self.seconds(self.content.genre().day_seconds).max(2);
        self.globals.tick % day >= day / 2
    }

    /// One second of a living player.
    pub(crate) fn need(&mut self, me: u32) {
        let Ok(body) = self.player_ref(me) else {
            return;
        };
        let (before, position) = (body.vitals, body.position);
        if before.health == 0 {
            return;
        }
        let rests = self.globals.tick >= body.fought_until;
        let Ok(character) = self.character(me) else {
            return;
        };
        let level = character.progress.level();
        let surviving = character.skill(Skill::Surviving).level();
        let rules = self.content.mechanic().rules;
        let around = self.around(character, position);
        let mechanic = second(rules, before.meter, around);

        let mut vitals = Vitals {
            meter: mechanic.meter,
            ..before
        };
        let cause = metabolism(&mut vitals, surviving, rests);
        let cause = if mechanic.health_lost > 0 {
            vitals.heal(-i64::from(mechanic.health_lost));
            cause.or(Some(DeathCause::Mechanic))
        } else {
            cause
        };
        vitals.set_max_health(level, rules);
        if vitals == before {
            return;
        }
        let Ok(body) = self.player_mut(me) else {
            return;
        };
        let shown = body.vitals.shown();
        body.vitals = vitals;
        if shown != vitals.shown() {
            body.touch();
        }
        if vitals.health == 0 {
            self.die(me, None, cause.unwrap_or(DeathCause::Mechanic));
        }
    }

    fn around(&self, character: &Character, position: Position) -> Around {
        let rules = self.content.mechanic().rules;
        let night = self.is_night();
        let haven = self.is_in_haven(position);
        let dark = matches!(rules, Mechanic::Sanity { .. });
        Around {
            exposure: self.terrain.exposure(position),
            haven,
            light: haven || dark && self.is_lit(position),
            night,
            ward: self.ward(character),
        }
    }

    fn is_in_haven(&self, position: Position) -> bool {
        let mut haven = false;
        self.sites.visit(position, FARTHEST_RELIEF, |seen| {
            if let EntityKind::Station { station } = seen.kind
                && let Some(kind) = self.content.station(StationId(station))
                && let StationKind::Haven { radius_mm } = kind.kind
            {
                haven |= within(position, seen.position, radius_mm);
            }
        });
        haven
    }

    fn is_lit(&self, position: Position) -> bool {
        let mut lit = false;
        self.area.players_near(position, FARTHEST_RELIEF, |id, _| {
            if let Some(rank) = self.tables.players.rank(id)
                && let Ok(character) = self.character(rank)
                && let Ok(body) = self.player_ref(rank)
                && let Some(item) = character.worn(Place::Hand)
                && let Some(item) = self.content.item(item)
                && let ItemKind::Device(Device::Light { radius_mm }) = item.kind
            {
                lit |= within(position, body.position, radius_mm);
            }
        });
        lit
    }

    /// How much of the mechanic's harm what is worn keeps off.
    fn ward(&self, character: &Character) -> u8 {
        let worn = character.equipment.iter().flatten();
        let ward = |item: &crate::content::ItemId| {
            self.content.item(*item).map_or(0, |item| match &item.kind {
                ItemKind::Armour(armour) => armour.ward,
                ItemKind::Device(Device::Ward { ward }) => *ward,
                _ => 0,
            })
        };
        worn.map(ward).fold(0, u8::saturating_add).min(90)
    }
}

/// What a second does to stomach and wounds. Returns what the body lost health by.
fn metabolism(vitals: &mut Vitals, surviving: u8, rests: bool) -> Option<DeathCause> {
    // Those who know how get by with up to a third less.
    let frugal = 180 - u32::from(surviving.min(60));
    let burn = |seconds: u32| i64::from(FULL / seconds * frugal / 180);
    vitals.hunger = moved(vitals.hunger, -burn(HUNGER_SECONDS), FULL);
    vitals.thirst = moved(vitals.thirst, -burn(THIRST_SECONDS), FULL);
    let mut cause = None;
    for (level, death) in [
        (vitals.thirst, DeathCause::Thirst),
        (vitals.hunger, DeathCause::Hunger),
    ] {
        if level == 0 {
            vitals.heal(-i64::from(STARVING_PER_MINUTE * FINE / 60));
            cause = cause.or(Some(death));
        }
    }
    if cause.is_none() && rests {
        vitals.heal(i64::from(RECOVERY_PER_MINUTE * FINE / 60));
    }
    cause
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_starves_after_half_an_hour_and_a_while() {
        let mut vitals = Vitals::default();
        let mut seconds = 0;
        let cause = loop {
            seconds += 1;
            let cause = metabolism(&mut vitals, 1, true);
            if vitals.health == 0 {
                break cause;
            }
        };
        assert_eq!(cause, Some(DeathCause::Thirst));
        assert!((20 * 60..40 * 60).contains(&seconds), "{seconds}");
    }

    #[test]
    fn wounds_heal_when_fed_and_at_rest() {
        let hurt = Vitals {
            health: 50 * FINE,
            ..Vitals::default()
        };
        for (hunger, rests, heals) in [(FULL, true, true), (FULL, false, false), (0, true, false)] {
            let mut vitals = Vitals { hunger, ..hurt };
            metabolism(&mut vitals, 1, rests);
            assert_eq!(vitals.health > hurt.health, heals, "{hunger} {rests}");
        }
    }
}
