//! Making things after recipes.

use crate::area::EntityKind;
use crate::content::{RecipeDef, RecipeId, StationId};
use crate::event::{Gain, Outcome};
use crate::player::Work;
use crate::systems::STATION_REACH;
use crate::units::Position;
use crate::world::World;

impl World {
    /// Begins to make something.
    pub(crate) fn craft(&mut self, me: u32, recipe: RecipeId) -> Result<(), Outcome> {
        let work_ms = self.may_craft(me, recipe)?.work_ms;
        let began = self.globals.tick;
        let due = began + self.milliseconds(work_ms);
        let body = self.player_mut(me)?;
        body.work = Work::Craft { recipe, began, due };
        body.touch();
        Ok(())
    }

    fn may_craft(&self, me: u32, recipe: RecipeId) -> Result<&'static RecipeDef, Outcome> {
        let recipe = self.content.recipe(recipe);
        let recipe = recipe.ok_or(Outcome::NotUsable)?;
        let (body, character) = (self.player_ref(me)?, self.character(me)?);
        if character.skill(recipe.skill).level() < recipe.min_level {
            return Err(Outcome::SkillTooLow);
        }
        let near = |station| self.is_near_station(body.position, station);
        if !recipe.station.is_none_or(near) {
            return Err(Outcome::NeedsStation);
        }
        let has = |input: &crate::content::ItemCount| {
            character.inventory.count(input.item) >= u32::from(input.count)
        };
        if !recipe.inputs.iter().all(has) {
            return Err(Outcome::MissingItems);
        }
        Ok(recipe)
    }

    fn is_near_station(&self, place: Position, wanted: StationId) -> bool {
        let mut near = false;
        self.sites.visit(place, STATION_REACH, |seen| {
            near |= seen.kind == EntityKind::Station { station: wanted.0 };
        });
        near
    }

    /// The making is done: what went in is gone and what comes out is there, or nothing has happened.
    pub(crate) fn crafted(&mut self, me: u32, recipe: RecipeId) -> Result<(), Outcome> {
        let body = self.player_mut(me)?;
        body.work = Work::None;
        body.touch();
        // The player may have traded the inputs away meanwhile.
        let recipe = self.may_craft(me, recipe)?;
        let output = recipe.output;
        let most = self.most_of(output.item);
        let mut pack = self.character(me)?.inventory.clone();
        for input in &recipe.inputs {
            if !pack.remove(input.item, input.count) {
                return Err(Outcome::MissingItems);
            }
        }
        if !pack.has_room(output.item, output.count, most) {
            return Err(Outcome::NoRoom);
        }
        let character = self.character_mut(me)?;
        character.inventory = pack;
        character.deeds.crafted += u32::from(output.count);
        let left = self.give(me, output.item, output.count, Gain::Craft);
        debug_assert_eq!(left, 0, "there was room");
        self.learn(me, recipe.skill, recipe.experience);
        Ok(())
    }
}
