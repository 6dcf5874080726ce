//! Gathering from resources.

use crate::content::{ItemKind, Place, ToolNeed};
use crate::event::{Gain, Outcome};
use crate::fixture::Resource;
use crate::player::{Character, Work};
use crate::rng::Stream;
use crate::systems::{REACH, within};
use crate::units::EntityId;
use crate::world::World;

impl World {
    /// Begins to gather.
    pub(crate) fn gather(&mut self, me: u32, target: EntityId) -> Result<(), Outcome> {
        let work_ms = self.may_gather(me, target)?;
        let began = self.globals.tick;
        let due = began + self.milliseconds(work_ms);
        let body = self.player_mut(me)?;
        body.work = Work::Gather { target, began, due };
        body.touch();
        Ok(())
    }

    /// How long it takes, if the player can gather there now.
    fn may_gather(&self, me: u32, target: EntityId) -> Result<u32, Outcome> {
        let resource = self.tables.resources.find(target);
        let resource = resource.ok_or(Outcome::NoSuchTarget)?;
        let kind = self.content.resource(resource.kind);
        let kind = kind.ok_or(Outcome::NoSuchTarget)?;
        let (body, character) = (self.player_ref(me)?, self.character(me)?);
        if !within(body.position, resource.position, REACH) {
            return Err(Outcome::TooFar);
        }
        if resource.charges == 0 {
            return Err(Outcome::Depleted);
        }
        if character.skill(kind.skill).level() < kind.min_level {
            return Err(Outcome::SkillTooLow);
        }
        if kind
            .tool
            .is_some_and(|need| !self.has_tool(character, need))
        {
            return Err(Outcome::WrongTool);
        }
        let pack = &character.inventory;
        if !pack.has_room(kind.item, 1, self.most_of(kind.item)) {
            return Err(Outcome::NoRoom);
        }
        Ok(kind.work_ms)
    }

    fn has_tool(&self, character: &Character, need: ToolNeed) -> bool {
        let hand = character.worn(Place::Hand);
        let item = hand.and_then(|item| self.content.item(item));
        item.is_some_and(|item| match &item.kind {
            ItemKind::Tool(tool) => tool.class == need.class && tool.power >= need.power,
            _ => false,
        })
    }

    /// One gathering is done. The next begins at once, if it can.
    pub(crate) fn gathered(&mut self, me: u32, target: EntityId) -> Result<(), Outcome> {
        let body = self.player_mut(me)?;
        body.work = Work::None;
        body.touch();
        let id = body.id;
        // Somebody else may have taken the last of it, or the tool may be out of the hand.
        self.may_gather(me, target)?;
        let tick = self.globals.tick;
        let mut dice = self.dice(Stream::Yields, id);
        let rank = self.tables.resources.rank(target);
        let rank = rank.ok_or(Outcome::NoSuchTarget)?;
        let resource = self.tables.resources.get_mut(rank);
        let resource = resource.ok_or(Outcome::NoSuchTarget)?;
        let kind = self.content.resource(resource.kind);
        let kind = kind.ok_or(Outcome::NoSuchTarget)?;

        self.wakes.remove(&(resource.due, target));
        resource.charges -= 1;
        resource.due = tick + self.globals.params.tick_rate().ticks(kind.regrow_seconds);
        self.wakes.insert((resource.due, target));
        let (position, look) = (resource.position, resource_look(resource, kind.charges));
        self.sites.set_look(target, position, look);

        let amount = dice.within(kind.amount.least, kind.amount.most);
        // What does not fit any more is lost to nobody: it has not been taken.
        let left = self.give(me, kind.item, amount, Gain::Gather);
        if let Ok(character) = self.character_mut(me) {
            character.deeds.gathered += u32::from(amount - left);
        }
        self.learn(me, kind.skill, kind.experience);
        self.gather(me, target)
    }
}

/// How a resource is seen.
pub(crate) fn resource_look(resource: &Resource, charges: u8) -> u8 {
    let pose = if resource.charges == 0 {
        crate::area::Pose::Depleted
    } else {
        crate::area::Pose::None
    };
    crate::world::look(pose, resource.charges.into(), charges.into())
}
