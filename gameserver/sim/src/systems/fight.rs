//! Blows. A player strikes what it saw: the target's place is looked up in the history at the tick that
//! the player was shown, at most a second back.

use crate::content::{Behaviour, Device, ItemId, ItemKind, Place, Skill};
use crate::creature::{Creature, Mood};
use crate::event::{DeathCause, Event, Outcome};
use crate::player::{Character, Work};
use crate::rng::{Rng, Stream};
use crate::systems::within;
use crate::units::{EntityId, Position};
use crate::vitals::FINE;
use crate::world::World;

/// Half of what two bodies are wide together: ranges are measured from skin to skin.
pub const BODIES: u32 = 800;
/// How far a fist reaches, in millimetres.
pub const FIST_RANGE: u32 = 1500;
/// How long a blow is seen, and keeps the wounds open, in seconds.
const FOUGHT_SECONDS: u32 = 4;
/// Most of a blow that armour takes, in percent.
const MAX_PROTECTION: u32 = 80;
/// What a blow that hits teaches.
const HIT_EXPERIENCE: u16 = 1;
/// What killing a player teaches.
const KILL_EXPERIENCE: u16 = 20;

/// What an attack is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Arm {
    damage: u16,
    range_mm: u32,
    cooldown_ms: u32,
    /// Points of the meter.
    cost: u8,
    ammo: Option<ItemId>,
}

/// A fist; also what a tool comes to as a weapon.
const FIST: Arm = Arm {
    damage: 4,
    range_mm: FIST_RANGE,
    cooldown_ms: 800,
    cost: 0,
    ammo: None,
};

enum Target {
    Creature(u32),
    Player(u32),
}

impl World {
    /// Strikes, or shoots at, somebody.
    pub(crate) fn attack(&mut self, me: u32, target: EntityId, view: u64) -> Result<(), Outcome> {
        let tick = self.globals.tick;
        let mechanic = self.content.mechanic().rules;
        let body = self.player_ref(me)?;
        let (id, from) = (body.id, body.position);
        if tick < body.attack_at {
            return Err(Outcome::NotNow);
        }
        let (whom, place) = self.target(me, target, view)?;
        let arm = self.arm(self.character(me)?);
        if !within(from, place, arm.range_mm + BODIES) {
            return Err(Outcome::TooFar);
        }
        if arm.cost > 0 && !body.vitals.can_pay(mechanic, arm.cost) {
            return Err(Outcome::Exhausted);
        }
        if let Some(ammo) = arm.ammo {
            let pack = &self.character(me)?.inventory;
            if pack.count(ammo) == 0 {
                return Err(Outcome::MissingItems);
            }
            let removed = self.character_mut(me)?.inventory.remove(ammo, 1);
            debug_assert!(removed, "there was one");
        }
        let level = self.character(me)?.skill(Skill::Fighting).level();
        let damage = blow(arm.damage, level, &mut self.dice(Stream::Blows, id));
        let attack_at = tick + self.milliseconds(arm.cooldown_ms);
        let fought_until = tick + self.seconds(FOUGHT_SECONDS);
        let body = self.player_mut(me)?;
        body.attack_at = attack_at;
        body.fought_until = fought_until;
        body.work = Work::None;
        // Who strikes gives up being safe.
        body.safe_until = 0;
        body.vitals.better(mechanic, -i64::from(arm.cost));
        body.touch();
        match whom {
            Target::Creature(rank) => self.strike_creature(rank, damage, me),
            Target::Player(rank) => {
                self.strike_player(rank, damage, id, DeathCause::Player);
                let lives = self.player_ref(rank)?.is_alive();
                self.hit(me, if lives { 0 } else { KILL_EXPERIENCE })
            }
        }
    }

    /// Who is meant, if it can be struck, and where it was at `view`.
    fn target(&self, me: u32, target: EntityId, view: u64) -> Result<(Target, Position), Outcome> {
        let tick = self.globals.tick;
        let history = &self.tables.history;
        if let Some(rank) = self.tables.creatures.rank(target) {
            let creature = self.tables.creatures.get(rank);
            let creature = creature.ok_or(Outcome::NoSuchTarget)?;
            if !creature.is_alive() {
                return Err(Outcome::NoSuchTarget);
            }
            let seen = history.creature(view, rank);
            let seen = seen.filter(|_| view >= creature.placed);
            return Ok((Target::Creature(rank), seen.unwrap_or(creature.position)));
        }
        let rank = self.tables.players.rank(target);
        let rank = rank.ok_or(Outcome::NoSuchTarget)?;
        let (body, other) = (self.player_ref(me)?, self.player_ref(rank)?);
        if rank == me || tick < other.safe_until {
            return Err(Outcome::NotAllowed);
        }
        if !other.is_alive() {
            return Err(Outcome::NoSuchTarget);
        }
        // Players leave each other in peace where they appear.
        if self.terrain.is_hub(body.position) || self.terrain.is_hub(other.position) {
            return Err(Outcome::NotAllowed);
        }
        let seen = history.player(view, target);
        let seen = seen.filter(|_| view >= other.placed);
        Ok((Target::Player(rank), seen.unwrap_or(other.position)))
    }

    /// What is in hand, as a weapon.
    fn arm(&self, character: &Character) -> Arm {
        let hand = character.worn(Place::Hand);
        let item = hand.and_then(|item| self.content.item(item));
        match item.map(|item| &item.kind) {
            Some(ItemKind::Weapon(weapon)) => Arm {
                damage: weapon.damage,
                range_mm: weapon.range_mm,
                cooldown_ms: weapon.cooldown_ms,
                cost: 0,
                ammo: weapon.ammo,
            },
            Some(ItemKind::Device(Device::Bolt {
                damage,
                range_mm,
                cooldown_ms,
                cost,
            })) => Arm {
                damage: *damage,
                range_mm: *range_mm,
                cooldown_ms: *cooldown_ms,
                cost: *cost,
                ammo: None,
            },
            _ => FIST,
        }
    }

    /// A player has hit somebody, and learns.
    fn hit(&mut self, me: u32, kill_experience: u16) -> Result<(), Outcome> {
        let deeds = &mut self.character_mut(me)?.deeds;
        deeds.struck += 1;
        if kill_experience > 0 {
            deeds.kills += 1;
        }
        self.learn(me, Skill::Fighting, HIT_EXPERIENCE + kill_experience);
        Ok(())
    }

    fn strike_creature(&mut self, rank: u32, damage: u16, me: u32) -> Result<(), Outcome> {
        let tick = self.globals.tick;
        let attacker = self.player_ref(me)?.id;
        let creature = self.tables.creatures.get_mut(rank);
        let creature = creature.ok_or(Outcome::NoSuchTarget)?;
        let kind = self.content.creature(creature.species);
        let kind = kind.ok_or(Outcome::NoSuchTarget)?;
        let damage = damage.min(creature.health);
        creature.health -= damage;
        let killed = creature.health == 0;
        let (target, place) = (creature.id, creature.position);
        if killed {
            die(
                creature,
                tick,
                self.globals.params.tick_rate().ticks(kind.respawn_seconds),
            );
        } else {
            provoke(creature, kind.behaviour, kind.damage, attacker, tick);
        }
        self.events.push(Event::Struck {
            attacker,
            target,
            damage,
            killed,
            place,
        });
        if !killed {
            return self.hit(me, 0);
        }
        self.hit(me, kind.experience.max(1))?;
        if kind.drawn_by_heat > 0
            && let mechanic @ crate::content::Mechanic::Heat { kill, .. } =
                self.content.mechanic().rules
        {
            let body = self.player_mut(me)?;
            body.vitals.better(mechanic, -i64::from(kill));
        }
        let mut dice = self.dice(Stream::Drops, target);
        let mut stacks = Vec::new();
        for drop in &kind.drops {
            if dice.below(1000) < u32::from(drop.per_mille) {
                let count = dice.within(drop.amount.least, drop.amount.most);
                let count = count.min(self.most_of(drop.item));
                stacks.push(crate::view::Stack {
                    item: drop.item,
                    count,
                });
            }
        }
        self.lay_bag(place, stacks);
        Ok(())
    }

    /// A player is struck. What its armour takes is taken off here.
    pub(crate) fn strike_player(
        &mut self,
        rank: u32,
        damage: u16,
        attacker: EntityId,
        cause: DeathCause,
    ) {
        let Ok(character) = self.character(rank) else {
            return;
        };
        let protection: u32 = [Place::Head, Place::Body]
            .into_iter()
            .filter_map(|place| self.content.item(character.worn(place)?))
            .map(|item| match &item.kind {
                ItemKind::Armour(armour) => armour.protection.into(),
                _ => 0,
            })
            .sum();
        let damage = armoured(damage, protection);
        let fought_until = self.globals.tick + self.seconds(FOUGHT_SECONDS);
        let Ok(body) = self.player_mut(rank) else {
            return;
        };
        body.vitals.heal(-i64::from(damage) * i64::from(FINE));
        body.fought_until = fought_until;
        body.touch();
        let (target, place, killed) = (body.id, body.position, !body.is_alive());
        self.events.push(Event::Struck {
            attacker,
            target,
            damage,
            killed,
            place,
        });
        if killed {
            self.die(rank, Some(attacker), cause);
        }
    }
}

/// Damage of a blow before armour: two percent more for each level, and up to a fifth more or less by
/// chance.
fn blow(damage: u16, level: u8, dice: &mut Rng) -> u16 {
    let skilled = u32::from(damage) * (98 + 2 * u32::from(level)) / 100;
    let spread = skilled * (80 + dice.below(41)) / 100;
    u16::try_from(spread).unwrap_or(u16::MAX).max(1)
}

/// What armour leaves of a blow: something, always.
fn armoured(damage: u16, protection: u32) -> u16 {
    let left = u32::from(damage) * (100 - protection.min(MAX_PROTECTION)) / 100;
    u16::try_from(left).unwrap_or(u16::MAX).max(1)
}

fn die(creature: &mut Creature, tick: u64, respawn: u64) {
    creature.turn(Mood::Dead, EntityId(0), tick);
    creature.direction = crate::units::Direction::STILL;
    creature.until = tick + respawn.max(1);
}

/// A creature that was struck strikes back, or runs if it cannot.
fn provoke(
    creature: &mut Creature,
    behaviour: Behaviour,
    damage: u16,
    attacker: EntityId,
    tick: u64,
) {
    let mood = if damage == 0 || behaviour == Behaviour::Flee {
        Mood::Flee
    } else {
        Mood::Chase
    };
    if creature.mood != mood || creature.target != attacker {
        creature.turn(mood, attacker, tick);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rng::Rng;

    proptest! {
        #[test]
        fn blows_keep_within_bounds(damage in 1..2000_u16, level in 1..=60_u8, salt: u64) {
            let mut dice = Rng::new(salt, Stream::Blows, 0);
            let least = u32::from(blow(damage, level, &mut dice));
            let skilled = u32::from(damage) * (98 + 2 * u32::from(level)) / 100;
            prop_assert!(least >= 1 && (skilled * 8 / 10..=(skilled * 12 / 10).max(1)).contains(&least));
        }

        #[test]
        fn armour_helps_and_never_helps_wholly(damage in 1..2000_u16, protection in 0..300_u32) {
            let left = armoured(damage, protection);
            prop_assert!((1..=damage).contains(&left));
            prop_assert!(left <= armoured(damage, 0));
            prop_assert!(u32::from(left) >= u32::from(damage) * 20 / 100);
        }
    }
}
