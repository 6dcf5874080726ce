//! Between the simulation's types and the protocol's: the only place that knows both. Numbers and
//! spellings that travel belong to the protocol; the simulation can change without them.

use worldkeeper_sim as sim;

use crate::net::Want;
use crate::protocol as wire;

pub(super) fn id(id: sim::EntityId) -> wire::EntityId {
    wire::EntityId(id.0)
}

fn target(id: wire::EntityId) -> sim::EntityId {
    sim::EntityId(id.0)
}

pub(super) fn position(position: sim::Position) -> wire::Position {
    let sim::Position { x, y } = position;
    wire::Position { x, y }
}

pub(super) fn genre(genre: sim::Genre) -> wire::Genre {
    match genre {
        sim::Genre::Fantasy => wire::Genre::Fantasy,
        sim::Genre::SciFi => wire::Genre::SciFi,
        sim::Genre::Horror => wire::Genre::Horror,
        sim::Genre::Cyberpunk => wire::Genre::Cyberpunk,
        sim::Genre::PostApoc => wire::Genre::PostApoc,
    }
}

pub(super) fn kind(kind: sim::EntityKind) -> wire::EntityKind {
    match kind {
        sim::EntityKind::Player { rank: _ } => wire::EntityKind::Player,
        sim::EntityKind::Creature { species } => wire::EntityKind::Creature { species },
        sim::EntityKind::Resource { resource } => wire::EntityKind::Resource { resource },
        sim::EntityKind::Station { station } => wire::EntityKind::Station { station },
        sim::EntityKind::Loot => wire::EntityKind::Loot,
    }
}

/// What a player wants, as an input of the world.
pub(super) fn input(player: sim::EntityId, seq: u32, want: Want) -> sim::Input {
    match want {
        Want::Move(wire::Direction { x, y }) => sim::Input::Move {
            player,
            seq,
            direction: sim::Direction { x, y },
        },
        Want::Act { view, action } => sim::Input::Act {
            player,
            seq,
            view,
            action: self::action(action),
        },
    }
}

fn action(action: wire::Action) -> sim::Action {
    match action {
        wire::Action::Gather { target } => sim::Action::Gather {
            target: self::target(target),
        },
        wire::Action::Attack { target } => sim::Action::Attack {
            target: self::target(target),
        },
        wire::Action::Craft { recipe } => sim::Action::Craft {
            recipe: sim::RecipeId(recipe.0),
        },
        wire::Action::Use { slot } => sim::Action::Use { slot },
        wire::Action::Equip { slot } => sim::Action::Equip { slot },
        wire::Action::Unequip { place } => sim::Action::Unequip {
            place: self::place(place),
        },
        wire::Action::Drop { slot, count } => sim::Action::Drop { slot, count },
        wire::Action::Take { target } => sim::Action::Take {
            target: self::target(target),
        },
        wire::Action::Interact { target } => sim::Action::Interact {
            target: self::target(target),
        },
        wire::Action::Say { text } => sim::Action::Say {
            text: text.as_str().into(),
        },
        wire::Action::TradeAsk { target } => sim::Action::TradeAsk {
            target: self::target(target),
        },
        wire::Action::TradeOffer { offer } => sim::Action::TradeOffer {
            offer: offer
                .into_iter()
                .map(|wire::Offer { slot, count }| sim::Offer { slot, count })
                .collect(),
        },
        wire::Action::TradeAccept { revision } => sim::Action::TradeAccept { revision },
        wire::Action::TradeCancel => sim::Action::TradeCancel,
        wire::Action::Respawn => sim::Action::Respawn,
        wire::Action::Stop => sim::Action::Stop,
    }
}

fn place(place: wire::Place) -> sim::Place {
    match place {
        wire::Place::Hand => sim::Place::Hand,
        wire::Place::Head => sim::Place::Head,
        wire::Place::Body => sim::Place::Body,
        wire::Place::Trinket => sim::Place::Trinket,
    }
}

pub(super) fn outcome(outcome: sim::Outcome) -> wire::Outcome {
    match outcome {
        sim::Outcome::Ok => wire::Outcome::Ok,
        sim::Outcome::NoSuchTarget => wire::Outcome::NoSuchTarget,
        sim::Outcome::TooFar => wire::Outcome::TooFar,
        sim::Outcome::NotNow => wire::Outcome::NotNow,
        sim::Outcome::Dead => wire::Outcome::Dead,
        sim::Outcome::Busy => wire::Outcome::Busy,
        sim::Outcome::NoRoom => wire::Outcome::NoRoom,
        sim::Outcome::MissingItems => wire::Outcome::MissingItems,
        sim::Outcome::WrongTool => wire::Outcome::WrongTool,
        sim::Outcome::NeedsStation => wire::Outcome::NeedsStation,
        sim::Outcome::SkillTooLow => wire::Outcome::SkillTooLow,
        sim::Outcome::Depleted => wire::Outcome::Depleted,
        sim::Outcome::EmptySlot => wire::Outcome::EmptySlot,
        sim::Outcome::NotUsable => wire::Outcome::NotUsable,
        sim::Outcome::NotAllowed => wire::Outcome::NotAllowed,
        sim::Outcome::TradeChanged => wire::Outcome::TradeChanged,
        sim::Outcome::NoTrade => wire::Outcome::NoTrade,
        sim::Outcome::BadText => wire::Outcome::BadText,
        sim::Outcome::Exhausted => wire::Outcome::Exhausted,
        sim::Outcome::NotDead => wire::Outcome::NotDead,
    }
}

pub(super) fn gain(gain: sim::Gain) -> wire::Gain {
    match gain {
        sim::Gain::Gather => wire::Gain::Gather,
        sim::Gain::Craft => wire::Gain::Craft,
        sim::Gain::Loot => wire::Gain::Loot,
        sim::Gain::Trade => wire::Gain::Trade,
        sim::Gain::Take => wire::Gain::Take,
    }
}

pub(super) fn skill(skill: sim::Skill) -> wire::Skill {
    match skill {
        sim::Skill::Gathering => wire::Skill::Gathering,
        sim::Skill::Crafting => wire::Skill::Crafting,
        sim::Skill::Fighting => wire::Skill::Fighting,
        sim::Skill::Trading => wire::Skill::Trading,
        sim::Skill::Surviving => wire::Skill::Surviving,
        sim::Skill::Lore => wire::Skill::Lore,
    }
}

pub(super) fn cause(cause: sim::DeathCause) -> wire::DeathCause {
    match cause {
        sim::DeathCause::Creature => wire::DeathCause::Creature,
        sim::DeathCause::Player => wire::DeathCause::Player,
        sim::DeathCause::Hunger => wire::DeathCause::Hunger,
        sim::DeathCause::Thirst => wire::DeathCause::Thirst,
        sim::DeathCause::Mechanic => wire::DeathCause::Mechanic,
    }
}

pub(super) fn statistics(statistics: sim::Statistics) -> wire::Statistics {
    let sim::Statistics {
        kills,
        deaths,
        gathered,
        crafted,
        trades,
        distance_metres,
        struck,
        ticks_played,
    } = statistics;
    wire::Statistics {
        kills: kills.into(),
        deaths: deaths.into(),
        gathered: gathered.into(),
        crafted: crafted.into(),
        trades: trades.into(),
        distance_metres: distance_metres.into(),
        struck: struck.into(),
        ticks_played,
    }
}

/// All that a player is told of itself, into memory that is used again.
pub(super) fn own_state(view: &sim::PlayerView<'_>, tick: u64, state: &mut wire::SelfState) {
    let wire::SelfState {
        vitals,
        slots,
        equipment,
        progress,
        activity,
        trade,
    } = state;
    *vitals = wire::Vitals {
        health: view.health,
        max_health: view.max_health,
        hunger: view.hunger,
        thirst: view.thirst,
        meter: view.meter,
    };
    *slots = Default::default();
    for (slot, stack) in slots.iter_mut().zip(view.inventory()) {
        *slot = stack.and_then(|stack| wire::Stack::of(stack.item.0, stack.count));
    }
    *equipment = view
        .equipment()
        .map(|item| item.and_then(|item| wire::ItemId::new(item.0)));
    *progress = wire::Progress {
        character: wire::Rank {
            level: view.level,
            experience: view.experience,
        },
        skills: view
            .skills
            .map(|(level, experience)| wire::Rank { level, experience }),
    };
    *activity = view.activity.map(|activity| wire::Activity {
        kind: match activity.kind {
            sim::ActivityKind::Gather => wire::ActivityKind::Gather,
            sim::ActivityKind::Craft => wire::ActivityKind::Craft,
        },
        ends: tick + u64::from(activity.ticks_left),
        total: activity.ticks_total,
    });
    *trade = view.trade.map(|trade| wire::Trade {
        stage: match (trade.open, trade.asked_by_them) {
            (true, _) => wire::TradeStage::Open,
            (false, true) => wire::TradeStage::AskedByPartner,
            (false, false) => wire::TradeStage::Asked,
        },
        partner: id(trade.partner),
        revision: trade.revision,
        mine: offered(trade.mine),
        theirs: offered(trade.theirs),
        i_accepted: trade.i_accepted,
        they_accepted: trade.they_accepted,
    });
}

fn offered(offered: &[sim::Offered]) -> Vec<wire::Stack> {
    offered
        .iter()
        .filter_map(|offered| wire::Stack::of(offered.item.0, offered.count))
        .collect()
}
