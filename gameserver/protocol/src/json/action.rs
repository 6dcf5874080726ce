//! Acts as JSON: an action is an object whose `type` says which.

use serde::{Deserialize, Serialize};

use super::{Nothing, is_zero};
use crate::action::{Act, Action, Offer, Place, RecipeId};
use crate::entity::EntityId;
use crate::names::ChatText;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActIn {
    seq: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    at: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    view: u64,
    action: ActionIn,
}

/// [`Action`], with an empty object where it has no fields: serde would let keys that nobody knows
/// pass there.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", deny_unknown_fields)]
enum ActionIn {
    Gather { target: EntityId },
    Attack { target: EntityId },
    Craft { recipe: RecipeId },
    Use { slot: u8 },
    Equip { slot: u8 },
    Unequip { place: Place },
    Drop { slot: u8, count: u16 },
    Take { target: EntityId },
    Interact { target: EntityId },
    Say { text: ChatText },
    TradeAsk { target: EntityId },
    TradeOffer { offer: Vec<Offer> },
    TradeAccept { revision: u32 },
    TradeCancel(Nothing),
    Respawn(Nothing),
    Stop(Nothing),
}

impl From<Act> for ActIn {
    fn from(act: Act) -> Self {
        let Act {
            seq,
            at,
            view,
            action,
        } = act;
        Self {
            seq,
            at,
            view,
            action: match action {
                Action::Gather { target } => ActionIn::Gather { target },
                Action::Attack { target } => ActionIn::Attack { target },
                Action::Craft { recipe } => ActionIn::Craft { recipe },
                Action::Use { slot } => ActionIn::Use { slot },
                Action::Equip { slot } => ActionIn::Equip { slot },
                Action::Unequip { place } => ActionIn::Unequip { place },
                Action::Drop { slot, count } => ActionIn::Drop { slot, count },
                Action::Take { target } => ActionIn::Take { target },
                Action::Interact { target } => ActionIn::Interact { target },
                Action::Say { text } => ActionIn::Say { text },
                Action::TradeAsk { target } => ActionIn::TradeAsk { target },
                Action::TradeOffer { offer } => ActionIn::TradeOffer { offer },
                Action::TradeAccept { revision } => ActionIn::TradeAccept { revision },
                Action::TradeCancel => ActionIn::TradeCancel(Nothing {}),
                Action::Respawn => ActionIn::Respawn(Nothing {}),
                Action::Stop => ActionIn::Stop(Nothing {}),
            },
        }
    }
}

impl From<ActIn> for Act {
    fn from(act: ActIn) -> Self {
        let ActIn {
            seq,
            at,
            view,
            action,
        } = act;
        Self {
            seq,
            at,
            view,
            action: match action {
                ActionIn::Gather { target } => Action::Gather { target },
                ActionIn::Attack { target } => Action::Attack { target },
                ActionIn::Craft { recipe } => Action::Craft { recipe },
                ActionIn::Use { slot } => Action::Use { slot },
                ActionIn::Equip { slot } => Action::Equip { slot },
                ActionIn::Unequip { place } => Action::Unequip { place },
                ActionIn::Drop { slot, count } => Action::Drop { slot, count },
                ActionIn::Take { target } => Action::Take { target },
                ActionIn::Interact { target } => Action::Interact { target },
                ActionIn::Say { text } => Action::Say { text },
                ActionIn::TradeAsk { target } => Action::TradeAsk { target },
                ActionIn::TradeOffer { offer } => Action::TradeOffer { offer },
                ActionIn::TradeAccept { revision } => Action::TradeAccept { revision },
                ActionIn::TradeCancel(Nothing {}) => Action::TradeCancel,
                ActionIn::Respawn(Nothing {}) => Action::Respawn,
                ActionIn::Stop(Nothing {}) => Action::Stop,
            },
        }
    }
}
