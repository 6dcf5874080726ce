//! The player's own state in binary updates: the parts of it that have changed.

use std::num::NonZeroU16;

use crate::action::ItemId;
use crate::binary::known;
use crate::entity::EntityId;
use crate::error::DecodeError;
use crate::limits::{EQUIPMENT_PLACES, INVENTORY_SLOTS, MAX_METER, MAX_OFFERS, SKILLS};
use crate::own::{
    Activity, ActivityKind, Progress, Rank, SelfState, Stack, Trade, TradeStage, Vitals,
};
use crate::wire::{Reader, put_varint};

const HAS_VITALS: u8 = 0x01;
const HAS_SLOTS: u8 = 0x02;
const HAS_EQUIPMENT: u8 = 0x04;
const HAS_PROGRESS: u8 = 0x08;
const HAS_ACTIVITY: u8 = 0x10;
const HAS_TRADE: u8 = 0x20;
const KNOWN: u8 = HAS_VITALS | HAS_SLOTS | HAS_EQUIPMENT | HAS_PROGRESS | HAS_ACTIVITY | HAS_TRADE;

const I_ACCEPTED: u8 = 0x01;
const THEY_ACCEPTED: u8 = 0x02;

/// Writes how `now` differs from `before`, which it does.
pub(super) fn put_state(before: &SelfState, now: &SelfState, tick: u64, out: &mut Vec<u8>) {
    let SelfState {
        vitals,
        slots,
        equipment,
        progress,
        activity,
        trade,
    } = now;
    let start = out.len();
    let mut flags = 0;
    out.push(flags);
    if *vitals != before.vitals {
        flags |= HAS_VITALS;
        let Vitals {
            health,
            max_health,
            hunger,
            thirst,
            meter,
        } = vitals.clamped();
        put_varint(out, u64::from(health));
        put_varint(out, u64::from(max_health));
        out.extend_from_slice(&[hunger, thirst, meter]);
    }
    if *slots != before.slots {
        flags |= HAS_SLOTS;
        let changed = || {
            (0_u8..)
                .zip(slots.iter().zip(&before.slots))
                .filter(|(_, (now, before))| now != before)
        };
        put_varint(out, changed().count() as u64);
        for (slot, (stack, _)) in changed() {
            out.push(slot);
            put_varint(out, stack.map_or(0, |stack| stack.item.get()).into());
            put_varint(out, stack.map_or(0, |stack| stack.count.get()).into());
        }
    }
    if *equipment != before.equipment {
        flags |= HAS_EQUIPMENT;
        for item in equipment {
            put_varint(out, item.map_or(0, ItemId::get).into());
        }
    }
    if *progress != before.progress {
        flags |= HAS_PROGRESS;
        let Progress { character, skills } = progress;
        for Rank { level, experience } in [character].into_iter().chain(skills) {
            out.push(*level);
            put_varint(out, u64::from(*experience));
        }
    }
    if *activity != before.activity {
        flags |= HAS_ACTIVITY;
        match activity {
            None => out.push(0),
            Some(activity) => {
                out.push(activity.kind.number());
                put_varint(out, u64::from(activity.ticks_left(tick)));
                put_varint(out, u64::from(activity.total));
            }
        }
    }
    if *trade != before.trade {
        flags |= HAS_TRADE;
        match trade {
            None => out.push(0),
            Some(trade) => put_trade(trade, out),
        }
    }
    out[start] = flags;
}

fn put_trade(trade: &Trade, out: &mut Vec<u8>) {
    let Trade {
        stage,
        partner,
        revision,
        mine,
        theirs,
        i_accepted,
        they_accepted,
    } = trade;
    out.push(stage.number());
    put_varint(out, partner.0);
    put_varint(out, u64::from(*revision));
    for side in [mine, theirs] {
        let side = &side[..side.len().min(MAX_OFFERS)];
        put_varint(out, side.len() as u64);
        for Stack { item, count } in side {
            put_varint(out, u64::from(item.get()));
            put_varint(out, u64::from(count.get()));
        }
    }
    let mut flags = 0;
    if *i_accepted {
        flags |= I_ACCEPTED;
    }
    if *they_accepted {
        flags |= THEY_ACCEPTED;
    }
    out.push(flags);
}

pub(super) fn read_state(
    state: &mut SelfState,
    tick: u64,
    reader: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    let flags = reader.byte("self")?;
    if flags == 0 || flags & !KNOWN != 0 {
        return Err(DecodeError::OutOfRange { field: "self" });
    }
    if flags & HAS_VITALS != 0 {
        state.vitals = Vitals {
            health: reader.varint_u16("health")?,
            max_health: reader.varint_u16("maxHealth")?,
            hunger: meter(reader, "hunger")?,
            thirst: meter(reader, "thirst")?,
            meter: meter(reader, "meter")?,
        };
    }
    if flags & HAS_SLOTS != 0 {
        let field = "slots";
        let mut next = 0;
        match reader.length(field, INVENTORY_SLOTS)? {
            0 => return Err(DecodeError::OutOfRange { field }),
            count => {
                for _ in 0..count {
                    let slot = usize::from(reader.byte(field)?);
                    if slot < next || slot >= INVENTORY_SLOTS {
                        return Err(DecodeError::OutOfRange { field });
                    }
                    next = slot + 1;
                    let (item, count) = (reader.varint_u16("item")?, reader.varint_u16("count")?);
                    state.slots[slot] = match (item, count) {
                        (0, 0) => None,
                        _ => Some(stack(item, count)?),
                    };
                }
            }
        }
    }
    if flags & HAS_EQUIPMENT != 0 {
        for place in 0..EQUIPMENT_PLACES {
            state.equipment[place] = ItemId::new(reader.varint_u16("item")?);
        }
    }
    if flags & HAS_PROGRESS != 0 {
        state.progress.character = rank(reader)?;
        for skill in 0..SKILLS {
            state.progress.skills[skill] = rank(reader)?;
        }
    }
    if flags & HAS_ACTIVITY != 0 {
        state.activity = match reader.byte("activity")? {
            0 => None,
            number => Some(Activity {
                kind: known("activity", ActivityKind::from_number(number))?,
                ends: tick + u64::from(reader.varint_u32("ticksLeft")?),
                total: reader.varint_u32("ticksTotal")?,
            }),
        };
    }
    if flags & HAS_TRADE != 0 {
        state.trade = match reader.byte("trade")? {
            0 => None,
            number => Some(read_trade(number, reader)?),
        };
    }
    Ok(())
}

fn read_trade(stage: u8, reader: &mut Reader<'_>) -> Result<Trade, DecodeError> {
    let stage = known("trade", TradeStage::from_number(stage))?;
    let partner = EntityId(reader.varint("partner")?);
    let revision = reader.varint_u32("revision")?;
    let mine = read_side(reader)?;
    let theirs = read_side(reader)?;
    let flags = reader.byte("accepted")?;
    if flags & !(I_ACCEPTED | THEY_ACCEPTED) != 0 {
        return Err(DecodeError::OutOfRange { field: "accepted" });
    }
    Ok(Trade {
        stage,
        partner,
        revision,
        mine,
        theirs,
        i_accepted: flags & I_ACCEPTED != 0,
        they_accepted: flags & THEY_ACCEPTED != 0,
    })
}

fn read_side(reader: &mut Reader<'_>) -> Result<Vec<Stack>, DecodeError> {
    (0..reader.length("offer", MAX_OFFERS)?)
        .map(|_| stack(reader.varint_u16("item")?, reader.varint_u16("count")?))
        .collect()
}

fn stack(item: u16, count: u16) -> Result<Stack, DecodeError> {
    Ok(Stack {
        item: known("item", ItemId::new(item))?,
        count: known("count", NonZeroU16::new(count))?,
    })
}

fn rank(reader: &mut Reader<'_>) -> Result<Rank, DecodeError> {
    Ok(Rank {
        level: reader.byte("level")?,
        experience: reader.varint_u32("experience")?,
    })
}

fn meter(reader: &mut Reader<'_>, field: &'static str) -> Result<u8, DecodeError> {
    match reader.byte(field)? {
        value if value <= MAX_METER => Ok(value),
        _ => Err(DecodeError::OutOfRange { field }),
    }
}
