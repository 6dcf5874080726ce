//! What creatures do. Each thinks on its own now and then, with random numbers of its own, and looks at
//! players only: what one creature does never depends on the order in which others are looked at. Where
//! no player is near, they rest, and cost nothing.

use crate::area::{Area, EntityKind};
use crate::content::{Behaviour, Content, CreatureDef, Mechanic, SpeciesId};
use crate::creature::{Creature, Mood};
use crate::event::DeathCause;
use crate::movement::step;
use crate::pages::Pages;
use crate::params::TickRate;
use crate::player::Player;
use crate::rng::{Rng, Stream};
use crate::systems::fight::BODIES;
use crate::systems::within;
use crate::terrain::Terrain;
use crate::units::{Direction, EntityId, FULL_SPEED, Position};
use crate::vitals::FINE;
use crate::world::World;

/// Farther from every player than this, in millimetres, a creature rests.
const AWAKE: u32 = 100_000;
/// How far a creature strays from home of its own accord, in millimetres.
const ROAM: u32 = 20_000;
/// How far from home it lets itself be drawn by a chase, in millimetres.
const LEASH: u32 = 60_000;
/// A chase is given up at so many times the distance at which it began, in percent.
const LOSE_PERCENT: u32 = 180;
/// How far a pack hears its own, in millimetres.
const CALL: u32 = 25_000;
/// Most of a pack that come to one call.
const CALLED: u32 = 8;
/// How far heat is noticed, in millimetres.
const HEAT_REACH: u32 = 300_000;
/// How near home counts as there, in millimetres.
const HOME: u32 = 3000;
/// How long the way home may take, in seconds, before a creature makes its home where it is.
const RETURN_SECONDS: u32 = 30;
/// From one thought to the next of a creature that chases or flees, in milliseconds.
const ALERT_MS: u32 = 250;

/// A blow of a creature, to be carried out when all have moved.
struct Strike {
    attacker: EntityId,
    target: EntityId,
    damage: u16,
    meter_harm: u8,
}

/// A call of a pack.
struct Call {
    species: SpeciesId,
    from: Position,
    target: EntityId,
}

/// What creatures can know of the world.
struct Senses<'a> {
    tick: u64,
    rate: TickRate,
    salt: u64,
    night: bool,
    mechanic: Mechanic,
    content: &'a Content,
    terrain: &'a Terrain,
    area: &'a Area,
    players: &'a Pages<Player>,
    /// Players whom heat makes visible from afar: meter in points, who, where. None in most genres.
    hot: Vec<(u32, EntityId, Position)>,
}

impl World {
    /// One tick of all creatures.
    pub(crate) fn run_creatures(&mut self) {
        let night = self.is_night();
        let mechanic = self.content.mechanic().rules;
        let hot = hot_players(self.content, &self.tables.players);
        let senses = Senses {
            tick: self.globals.tick,
            rate: self.globals.params.tick_rate(),
            salt: self.globals.salt,
            night,
            mechanic,
            content: self.content,
            terrain: &self.terrain,
            area: &self.area,
            players: &self.tables.players,
            hot,
        };
        let (mut strikes, mut calls) = (Vec::new(), Vec::new());
        let tick = senses.tick;
        self.tables.creatures.for_each_in_pages_with(
            |creature| creature.is_awake(tick),
            |_, creature| {
                if creature.is_awake(tick) {
                    senses.live(creature, &mut strikes, &mut calls);
                }
            },
        );
        for call in calls {
            self.answer(&call);
        }
        for strike in strikes {
            let Some(rank) = self.tables.players.rank(strike.target) else {
                continue;
            };
            if self.player_ref(rank).is_ok_and(|player| !player.is_alive()) {
                continue;
            }
            if strike.meter_harm > 0
                && let Ok(body) = self.player_mut(rank)
            {
                let harm = i64::from(strike.meter_harm);
                body.vitals.better(mechanic, -harm);
            }
            let cause = DeathCause::Creature;
            self.strike_player(rank, strike.damage, strike.attacker, cause);
        }
    }

    /// Those of a pack that are near come to a call.
    fn answer(&mut self, call: &Call) {
        let tick = self.globals.tick;
        let mut heard = Vec::new();
        self.area.near(call.from, CALL, u32::MAX, &mut heard);
        heard.retain(|seen| {
            seen.kind
                == EntityKind::Creature {
                    species: call.species.0,
                }
        });
        heard.sort_unstable_by_key(|seen| (seen.distance_squared, seen.id));
        #[expect(clippy::disallowed_types, reason = "a length of derived data")]
        heard.truncate(CALLED as usize);
        for seen in heard {
            if let Some(rank) = self.tables.creatures.rank(seen.id)
                && let Some(creature) = self.tables.creatures.get_mut(rank)
                && creature.mood == Mood::Calm
            {
                creature.turn(Mood::Chase, call.target, tick);
            }
        }
    }
}

/// Players hot enough for some creature.
fn hot_players(content: &Content, players: &Pages<Player>) -> Vec<(u32, EntityId, Position)> {
    if !matches!(content.mechanic().rules, Mechanic::Heat { .. }) {
        return Vec::new();
    }
    let thresholds = content.creatures().iter();
    let thresholds = thresholds.map(|kind| u32::from(kind.drawn_by_heat));
    let Some(least) = thresholds.filter(|least| *least > 0).min() else {
        return Vec::new();
    };
    let hot = players.iter().filter(|player| is_prey(player));
    let hot = hot.map(|player| (player.vitals.meter / FINE, player.id, player.position));
    hot.filter(|(heat, ..)| *heat >= least).collect()
}

/// A player whom creatures notice.
fn is_prey(player: &Player) -> bool {
    player.is_alive()
}

impl Senses<'_> {
    /// One tick of one creature.
    fn live(&self, creature: &mut Creature, strikes: &mut Vec<Strike>, calls: &mut Vec<Call>) {
        let Some(kind) = self.content.creature(creature.species) else {
            return;
        };
        if self.tick >= creature.until {
            match creature.mood {
                Mood::Dead => self.be_born(creature, kind),
                Mood::Calm => self.be_calm(creature, kind, calls),
                Mood::Chase => self.chase(creature, kind),
                Mood::Flee => self.flee(creature, kind),
                Mood::Return => self.go_home(creature),
            }
        }
        if creature.mood == Mood::Chase && self.tick >= creature.attack_at {
            self.strike(creature, kind, strikes);
        }
        if !creature.direction.is_still() {
            self.walk(creature, kind);
        }
    }

    fn dice(&self, creature: &Creature) -> Rng {
        Rng::of_tick(self.salt, Stream::Thoughts, self.tick, creature.id.0)
    }

    fn be_born(&self, creature: &mut Creature, kind: &CreatureDef) {
        creature.position = creature.home;
        creature.health = kind.health;
        creature.placed = self.tick;
        creature.turn(Mood::Calm, EntityId(0), self.tick);
    }

    /// A share of what it does by day.
    fn by_night(&self, value: u32, kind: &CreatureDef) -> u32 {
        if self.night {
            value.saturating_mul(kind.night_percent.into()) / 100
        } else {
            value
        }
    }

    fn be_calm(&self, creature: &mut Creature, kind: &CreatureDef, calls: &mut Vec<Call>) {
        let mut dice = self.dice(creature);
        creature.health = creature
            .health
            .saturating_add(kind.health / 8)
            .min(kind.health);
        if let Some(target) = self.drawn_by_heat(creature, kind) {
            creature.turn(Mood::Chase, target, self.tick);
            return self.chase(creature, kind);
        }
        let (nearest, noticed) = self.look_around(creature, kind);
        if let Some(target) = noticed {
            let mood = match kind.behaviour {
                Behaviour::Graze | Behaviour::Wander => None,
                Behaviour::Flee => Some(Mood::Flee),
                Behaviour::Hunt | Behaviour::Ambush | Behaviour::Guard => Some(Mood::Chase),
                Behaviour::Pack => {
                    calls.push(Call {
                        species: creature.species,
                        from: creature.position,
                        target,
                    });
                    Some(Mood::Chase)
                }
            };
            match mood {
                Some(Mood::Chase) if kind.damage > 0 => {
                    creature.turn(Mood::Chase, target, self.tick);
                    return self.chase(creature, kind);
                }
                Some(Mood::Flee) => {
                    creature.turn(Mood::Flee, target, self.tick);
                    return self.flee(creature, kind);
                }
                _ => {}
            }
        }
        let second = u32::from(self.rate.hz());
        if nearest > AWAKE {
            creature.direction = Direction::STILL;
            creature.until = self.tick + u64::from(2 * second + dice.below(2 * second));
            return;
        }
        // The wary look around more often.
        let (rest, walk) = match kind.behaviour {
            Behaviour::Graze => (70, 2),
            Behaviour::Wander | Behaviour::Flee => (35, 2),
            Behaviour::Hunt | Behaviour::Pack => (40, 1),
            Behaviour::Ambush => (100, 1),
            Behaviour::Guard => (85, 1),
        };
        let watch = match kind.behaviour {
            Behaviour::Graze | Behaviour::Wander => 4,
            Behaviour::Hunt | Behaviour::Pack | Behaviour::Flee | Behaviour::Guard => 2,
            Behaviour::Ambush => 1,
        };
        creature.until = self.tick + u64::from(second / 2 + dice.below(watch * second));
        creature.direction = if dice.below(100) < rest {
            Direction::STILL
        } else if !within(creature.position, creature.home, ROAM) {
            towards(creature.position, creature.home)
        } else {
            creature.until += u64::from(dice.below(walk * second));
            let [x, y, ..] = dice.next().to_le_bytes();
            Direction {
                x: x.cast_signed().max(-FULL_SPEED),
                y: y.cast_signed().max(-FULL_SPEED),
            }
        };
    }

    /// How far the nearest player is, and whom it takes note of: the nearest one that it can see.
    fn look_around(&self, creature: &Creature, kind: &CreatureDef) -> (u32, Option<EntityId>) {
        let (mut nearest, mut noticed) = (u64::MAX, None);
        let sight = self.by_night(kind.sight_mm, kind);
        // A guard looks around the place that it keeps.
        let from = match kind.behaviour {
            Behaviour::Guard => creature.home,
            _ => creature.position,
        };
        self.area.players_near(from, AWAKE, |id, distance_squared| {
            nearest = nearest.min(distance_squared);
            let closer = |(best, id_of_best)| (distance_squared, id) < (best, id_of_best);
            if noticed.is_none_or(closer)
                && let Some(player) = self.players.find(id)
                && is_prey(player)
                && self.tick >= player.safe_until
            {
                let sight = u64::from(self.noticed_from(sight, player));
                if distance_squared <= sight * sight {
                    noticed = Some((distance_squared, id));
                }
            }
        });
        let nearest = u32::try_from(nearest.isqrt()).unwrap_or(u32::MAX);
        (nearest, noticed.map(|(_, id)| id))
    }

    /// From how far a player is seen: those who have lost their mind, from farther.
    fn noticed_from(&self, sight: u32, player: &Player) -> u32 {
        match self.mechanic {
            Mechanic::Sanity { notice_percent, .. } if player.vitals.meter == 0 => {
                sight.saturating_mul(notice_percent.into()) / 100
            }
            _ => sight,
        }
    }

    /// The hottest player within reach, if hot enough.
    fn drawn_by_heat(&self, creature: &Creature, kind: &CreatureDef) -> Option<EntityId> {
        let least = u32::from(kind.drawn_by_heat);
        if least == 0 {
            return None;
        }
        let hot = self.hot.iter().filter(|(heat, _, place)| {
            *heat >= least && within(*place, creature.position, HEAT_REACH)
        });
        let hottest = hot.max_by_key(|(heat, id, place)| {
            let distance = place.distance_squared(creature.position);
            (*heat, std::cmp::Reverse((distance, *id)))
        });
        hottest.map(|(_, id, _)| *id)
    }

    fn chase(&self, creature: &mut Creature, kind: &CreatureDef) {
        creature.until = self.tick + self.rate.ticks_of_ms(ALERT_MS);
        let target = self.players.find(creature.target);
        let Some(target) = target.filter(|player| is_prey(player)) else {
            return self.give_up(creature);
        };
        let heat = target.vitals.meter / FINE;
        let drawn = kind.drawn_by_heat > 0
            && matches!(self.mechanic, Mechanic::Heat { .. })
            && heat >= u32::from(kind.drawn_by_heat);
        // Struck from afar it may have to come a longer way than it sees.
        let sight = self.by_night(kind.sight_mm, kind).max(ROAM);
        let sight = self.noticed_from(sight, target) / 100 * LOSE_PERCENT;
        let strayed = !within(creature.position, creature.home, LEASH);
        if !drawn && (strayed || !within(creature.position, target.position, sight)) {
            return self.give_up(creature);
        }
        let reach = kind.range_mm * 3 / 4 + BODIES;
        creature.direction = if within(creature.position, target.position, reach) {
            Direction::STILL
        } else {
            towards(creature.position, target.position)
        };
    }

    fn give_up(&self, creature: &mut Creature) {
        creature.turn(Mood::Return, EntityId(0), self.tick);
        creature.direction = Direction::STILL;
    }

    fn flee(&self, creature: &mut Creature, kind: &CreatureDef) {
        creature.until = self.tick + 2 * self.rate.ticks_of_ms(ALERT_MS);
        let target = self.players.find(creature.target);
        let sight = kind.sight_mm.max(ROAM / 2) / 100 * LOSE_PERCENT;
        match target.filter(|player| is_prey(player)) {
            Some(target) if within(creature.position, target.position, sight) => {
                let Direction { x, y } = towards(creature.position, target.position);
                creature.direction = Direction { x: -x, y: -y };
            }
            _ => self.give_up(creature),
        }
    }

    fn go_home(&self, creature: &mut Creature) {
        creature.until = self.tick + self.rate.ticks(1);
        if self.tick > creature.since + self.rate.ticks(RETURN_SECONDS) {
            // Something is in the way.
            creature.home = creature.position;
        }
        if within(creature.position, creature.home, HOME) {
            creature.turn(Mood::Calm, EntityId(0), self.tick);
            creature.direction = Direction::STILL;
        } else {
            creature.direction = towards(creature.position, creature.home);
        }
    }

    fn strike(&self, creature: &mut Creature, kind: &CreatureDef, strikes: &mut Vec<Strike>) {
        let Some(target) = self.players.find(creature.target) else {
            return;
        };
        let safe = self.tick < target.safe_until;
        let near = within(creature.position, target.position, kind.range_mm + BODIES);
        if safe || !near || !is_prey(target) || kind.damage == 0 {
            return;
        }
        creature.attack_at = self.tick + self.rate.ticks_of_ms(kind.cooldown_ms);
        let damage = self.by_night(kind.damage.into(), kind);
        let spread = damage * (80 + self.dice(creature).below(41)) / 100;
        strikes.push(Strike {
            attacker: creature.id,
            target: target.id,
            damage: u16::try_from(spread).unwrap_or(u16::MAX).max(1),
            meter_harm: kind.meter_harm,
        });
    }

    fn walk(&self, creature: &mut Creature, kind: &CreatureDef) {
        let full = i32::try_from(kind.speed_mm_s).unwrap_or(0) / i32::from(self.rate.hz());
        // Nobody is in a hurry without a reason.
        let speed = match creature.mood {
            Mood::Chase | Mood::Flee => full,
            Mood::Calm | Mood::Return | Mood::Dead => full / 2,
        };
        let to = step(
            |x, y| self.terrain.ground_at(x, y),
            creature.position,
            creature.direction,
            speed.max(1),
        );
        if to == creature.position {
            // Something is in the way: it stops, and thinks of something else soon.
            creature.direction = Direction::STILL;
            creature.until = creature
                .until
                .min(self.tick + self.rate.ticks_of_ms(ALERT_MS));
        }
        creature.position = to;
    }
}

/// The direction from one place to another, at full speed.
fn towards(from: Position, to: Position) -> Direction {
    let (x, y) = (i64::from(to.x - from.x), i64::from(to.y - from.y));
    let length = (x * x + y * y).isqrt().max(1);
    let part = |part: i64| {
        let part = part * i64::from(FULL_SPEED) / length;
        i8::try_from(part.clamp(-127, 127)).unwrap_or(0)
    };
    Direction {
        x: part(x),
        y: part(y),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_the_right_way() {
        let from = Position { x: 1000, y: 1000 };
        for (x, y, expect) in [
            (5000, 1000, (127, 0)),
            (1000, -9000, (0, -127)),
            (1000, 1000, (0, 0)),
            (2000, 2000, (89, 89)),
            (16_384_000, 1000, (127, 0)),
        ] {
            let Direction { x, y } = towards(from, Position { x, y });
            assert_eq!((x, y), expect);
        }
    }
}
