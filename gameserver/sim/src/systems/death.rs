//! Death of players, and coming back.

use crate::event::{DeathCause, Event, Outcome};
use crate::player::Work;
use crate::rng::Stream;
use crate::units::{Direction, EntityId};
use crate::vitals::{FULL, Vitals};
use crate::world::{SAFE_SECONDS, World};

impl World {
    /// A player whose health has come to 0 dies. What it wears it keeps; what it carries lies where it
    /// fell.
    pub(crate) fn die(&mut self, me: u32, by: Option<EntityId>, cause: DeathCause) {
        self.end_trade_of(me);
        let Ok(body) = self.player_mut(me) else {
            return;
        };
        body.vitals.health = 0;
        body.direction = Direction::STILL;
        body.work = Work::None;
        let (player, place) = (body.id, body.position);
        if let Ok(character) = self.character_mut(me) {
            character.deeds.deaths += 1;
            let stacks = character.inventory.take_all();
            self.lay_bag(place, stacks);
        }
        self.events.push(Event::Died { player, by, cause });
    }

    /// Comes back to life near a hub, sated by half.
    pub(crate) fn respawn(&mut self, me: u32) -> Result<(), Outcome> {
        let body = self.player_ref(me)?;
        if body.is_alive() {
            return Err(Outcome::NotDead);
        }
        let (before, id) = (body.vitals, body.id);
        let position = self.terrain.spawn(&mut self.dice(Stream::Spawns, id));
        let mechanic = self.content.mechanic().rules;
        let level = self.character(me)?.progress.level();
        let mut vitals = Vitals {
            hunger: before.hunger.max(FULL / 2),
            thirst: before.thirst.max(FULL / 2),
            ..Vitals::new(mechanic)
        };
        vitals.set_max_health(level, mechanic);
        vitals.health = vitals.max_health;
        let tick = self.globals.tick;
        let safe_until = tick + self.seconds(SAFE_SECONDS);
        let body = self.player_mut(me)?;
        body.vitals = vitals;
        body.position = position;
        body.placed = tick;
        body.safe_until = safe_until;
        body.fought_until = 0;
        body.touch();
        Ok(())
    }
}
