//! The rules of the game, one module for each. An action is checked and carried out in one go, at the
//! tick that takes it in; what takes time is a [`crate::player::Work`] that comes due later.

mod craft;
mod creatures;
mod death;
mod fight;
mod fixtures;
mod gather;
mod interact;
mod items;
mod mechanic;
mod needs;
mod players;
mod speech;
mod trading;

use crate::event::Outcome;
use crate::input::Action;
use crate::player::Work;
use crate::units::Position;
use crate::world::World;

pub use fight::{BODIES, FIST_RANGE};
pub use speech::is_speakable;

/// How far a player's hands reach, in millimetres.
pub const REACH: u32 = 3000;
/// How near two have to be to trade, in millimetres.
pub const TRADE_REACH: u32 = 10_000;
/// How near a station has to be for what is made at it, in millimetres.
pub const STATION_REACH: u32 = 5000;

impl World {
    /// Carries out an action of a player, as it sees the world at `view`.
    pub(crate) fn act(&mut self, me: u32, view: u64, action: &Action) -> Result<(), Outcome> {
        let alive = self.player_ref(me)?.is_alive();
        match action {
            Action::Say { text } => return self.say(me, text),
            Action::Respawn => return self.respawn(me),
            _ if !alive => return Err(Outcome::Dead),
            _ => {}
        }
        match action {
            Action::Gather { target } => self.gather(me, *target),
            Action::Attack { target } => self.attack(me, *target, view),
            Action::Craft { recipe } => self.craft(me, *recipe),
            Action::Use { slot } => self.use_slot(me, *slot),
            Action::Equip { slot } => self.equip(me, *slot),
            Action::Unequip { place } => self.unequip(me, *place),
            Action::Drop { slot, count } => self.drop_slot(me, *slot, *count),
            Action::Take { target } => self.take(me, *target),
            Action::Interact { target } => self.interact(me, *target),
            Action::TradeAsk { target } => self.trade_ask(me, *target),
            Action::TradeOffer { offer } => self.trade_offer(me, offer),
            Action::TradeAccept { revision } => self.trade_accept(me, *revision),
            Action::TradeCancel => self.trade_cancel(me),
            Action::Stop => {
                let body = self.player_mut(me)?;
                if body.work != Work::None {
                    body.work = Work::None;
                    body.touch();
                }
                Ok(())
            }
            Action::Say { .. } | Action::Respawn => Ok(()),
        }
    }
}

/// Two places are no farther apart than `reach`.
pub(crate) fn within(one: Position, other: Position, reach: u32) -> bool {
    one.distance_squared(other) <= u64::from(reach) * u64::from(reach)
}
