//! Events in binary updates.

use std::sync::Arc;

use crate::action::{ItemId, Outcome, Skill};
use crate::binary::{checked, known};
use crate::entity::EntityId;
use crate::error::DecodeError;
use crate::event::{DeathCause, EventMessage, Gain, Statistics};
use crate::limits::{MAX_CHAT_BYTES, MAX_EVENTS, MAX_NAME_BYTES, MAX_SAFE_INTEGER};
use crate::names::{ChatText, PlayerName};
use crate::wire::{Reader, put_text, put_varint};

const DONE: u8 = 1;
const SAID: u8 = 2;
const STRUCK: u8 = 3;
const GAINED: u8 = 4;
const LEVELLED: u8 = 5;
const DIED: u8 = 6;
const TRADED: u8 = 7;
const STATISTICS: u8 = 8;

pub(super) fn put_events(
    events: impl ExactSizeIterator<Item = Arc<EventMessage>>,
    out: &mut Vec<u8>,
) {
    put_varint(out, events.len() as u64);
    for event in events {
        put_event(&event, out);
    }
}

fn put_event(event: &EventMessage, out: &mut Vec<u8>) {
    match event {
        EventMessage::Done { seq, outcome } => {
            out.push(DONE);
            put_varint(out, u64::from(*seq));
            out.push(outcome.number());
        }
        EventMessage::Said {
            speaker,
            name,
            text,
        } => {
            out.push(SAID);
            put_varint(out, speaker.0);
            put_text(out, name.as_str());
            put_text(out, text.as_str());
        }
        EventMessage::Struck {
            attacker,
            target,
            damage,
            killed,
        } => {
            out.push(STRUCK);
            put_varint(out, attacker.0);
            put_varint(out, target.0);
            put_varint(out, u64::from(*damage));
            out.push(u8::from(*killed));
        }
        EventMessage::Gained { item, count, how } => {
            out.push(GAINED);
            put_varint(out, u64::from(item.get()));
            put_varint(out, u64::from(*count));
            out.push(how.number());
        }
        EventMessage::Levelled { skill, level } => {
            out.push(LEVELLED);
            out.push(skill.map_or(0, Skill::number));
            out.push(*level);
        }
        EventMessage::Died { cause, by } => {
            out.push(DIED);
            out.push(cause.number());
            put_varint(out, by.map_or(0, |id| id.0));
        }
        EventMessage::Traded { with } => {
            out.push(TRADED);
            put_varint(out, with.0);
        }
        EventMessage::Statistics(statistics) => {
            out.push(STATISTICS);
            for count in counts(statistics) {
                put_varint(out, count.min(MAX_SAFE_INTEGER));
            }
        }
    }
}

/// In the order of the wire.
fn counts(statistics: &Statistics) -> [u64; 8] {
    let Statistics {
        kills,
        deaths,
        gathered,
        crafted,
        trades,
        distance_metres,
        struck,
        ticks_played,
    } = *statistics;
    [
        kills,
        deaths,
        gathered,
        crafted,
        trades,
        distance_metres,
        struck,
        ticks_played,
    ]
}

pub(super) fn read_events(reader: &mut Reader<'_>) -> Result<Vec<EventMessage>, DecodeError> {
    let field = "events";
    match reader.length(field, MAX_EVENTS)? {
        0 => Err(DecodeError::OutOfRange { field }),
        count => (0..count).map(|_| read_event(reader)).collect(),
    }
}

fn read_event(reader: &mut Reader<'_>) -> Result<EventMessage, DecodeError> {
    Ok(match reader.byte("event")? {
        DONE => EventMessage::Done {
            seq: reader.varint_u32("seq")?,
            outcome: known("outcome", Outcome::from_number(reader.byte("outcome")?))?,
        },
        SAID => EventMessage::Said {
            speaker: EntityId(reader.varint("speaker")?),
            name: checked(
                "name",
                PlayerName::new(reader.text("name", MAX_NAME_BYTES)?),
            )?,
            text: checked("text", ChatText::new(reader.text("text", MAX_CHAT_BYTES)?))?,
        },
        STRUCK => EventMessage::Struck {
            attacker: EntityId(reader.varint("attacker")?),
            target: EntityId(reader.varint("target")?),
            damage: reader.varint_u16("damage")?,
            killed: reader.boolean("killed")?,
        },
        GAINED => EventMessage::Gained {
            item: known("item", ItemId::new(reader.varint_u16("item")?))?,
            count: reader.varint_u16("count")?,
            how: known("how", Gain::from_number(reader.byte("how")?))?,
        },
        LEVELLED => EventMessage::Levelled {
            skill: match reader.byte("skill")? {
                0 => None,
                number => Some(known("skill", Skill::from_number(number))?),
            },
            level: reader.byte("level")?,
        },
        DIED => EventMessage::Died {
            cause: known("cause", DeathCause::from_number(reader.byte("cause")?))?,
            by: match reader.varint("by")? {
                0 => None,
                id => Some(EntityId(id)),
            },
        },
        TRADED => EventMessage::Traded {
            with: EntityId(reader.varint("with")?),
        },
        STATISTICS => {
            let mut next = |field| reader.varint_max(field, MAX_SAFE_INTEGER);
            EventMessage::Statistics(Statistics {
                kills: next("kills")?,
                deaths: next("deaths")?,
                gathered: next("gathered")?,
                crafted: next("crafted")?,
                trades: next("trades")?,
                distance_metres: next("distanceMetres")?,
                struck: next("struck")?,
                ticks_played: next("ticksPlayed")?,
            })
        }
        _ => return Err(DecodeError::OutOfRange { field: "event" }),
    })
}

/// Ranges that the types do not express, for JSON.
pub(super) fn check_events(events: &[EventMessage]) -> Result<(), DecodeError> {
    if events.len() > MAX_EVENTS {
        return Err(DecodeError::TooLong {
            field: "events",
            actual: events.len() as u64,
            limit: MAX_EVENTS,
        });
    }
    for event in events {
        match event {
            EventMessage::Died {
                by: Some(EntityId(0)),
                ..
            } => return Err(DecodeError::OutOfRange { field: "by" }),
            EventMessage::Statistics(statistics)
                if counts(statistics).iter().any(|&n| n > MAX_SAFE_INTEGER) =>
            {
                return Err(DecodeError::OutOfRange {
                    field: "statistics",
                });
            }
            _ => {}
        }
    }
    Ok(())
}
