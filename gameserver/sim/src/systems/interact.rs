//! What stations are for.

use crate::content::{Device, ItemKind, Mechanic, Place, Skill, StationKind};
use crate::event::{Gain, Outcome};
use crate::rng::Stream;
use crate::systems::{STATION_REACH, within};
use crate::units::EntityId;
use crate::vitals::FULL;
use crate::world::World;

impl World {
    /// Does with a station what it is for.
    pub(crate) fn interact(&mut self, me: u32, target: EntityId) -> Result<(), Outcome> {
        let station = self.tables.stations.find(target);
        let station = station.ok_or(Outcome::NoSuchTarget)?;
        let kind = self.content.station(station.kind);
        let kind = kind.ok_or(Outcome::NoSuchTarget)?.kind;
        if !within(
            self.player_ref(me)?.position,
            station.position,
            STATION_REACH,
        ) {
            return Err(Outcome::TooFar);
        }
        if station.due > 0 {
            return Err(Outcome::NotNow);
        }
        match kind {
            // They work by being near.
            StationKind::Craft | StationKind::Haven { .. } => Err(Outcome::NotUsable),
            StationKind::Water { thirst } => {
                let body = self.player_mut(me)?;
                let thirst = i8::try_from(thirst).unwrap_or(i8::MAX);
                body.vitals.eat(0, thirst);
                body.touch();
                Ok(())
            }
            StationKind::Terminal {
                pays,
                amount,
                heat,
                locked_seconds,
                deck,
                experience,
            } => {
                if !self.has_deck(me, deck)? {
                    return Err(Outcome::WrongTool);
                }
                let mechanic = self.content.mechanic().rules;
                if self.player_ref(me)?.vitals.meter >= FULL
                    && matches!(mechanic, Mechanic::Heat { .. })
                {
                    return Err(Outcome::Exhausted);
                }
                let count = self
                    .dice(Stream::Yields, target)
                    .within(amount.least, amount.most);
                if self.give(me, pays, count, Gain::Loot) == count {
                    return Err(Outcome::NoRoom);
                }
                let body = self.player_mut(me)?;
                body.vitals.better(mechanic, -i64::from(heat));
                body.touch();
                self.lock_station(target, self.globals.tick + self.seconds(locked_seconds));
                self.learn(me, Skill::Lore, experience);
                Ok(())
            }
        }
    }

    fn has_deck(&self, me: u32, power: u8) -> Result<bool, Outcome> {
        if power == 0 {
            return Ok(true);
        }
        let hand = self.character(me)?.worn(Place::Hand);
        let item = hand.and_then(|item| self.content.item(item));
        Ok(item.is_some_and(|item| match item.kind {
            ItemKind::Device(Device::Deck { power: has }) => has >= power,
            _ => false,
        }))
    }
}
