//! The binary form of all messages but updates (those are in [`super::update`]). PROTOCOL.md states
//! the same byte for byte.

use super::action::{Act, Action, Offer, Place, Question, RecipeId};
use super::entity::{Direction, EntityId, Position};
use super::error::DecodeError;
use super::limits::{
    MAX_CHAT_BYTES, MAX_NAME_BYTES, MAX_OFFERS, MAX_RESUME_TOKEN_BYTES, MAX_SAFE_INTEGER,
    MAX_TEXT_BYTES, MAX_WORLD_NAME_BYTES, PROTOCOL_VERSION,
};
use super::message::{
    Ask, ClientMessage, Genre, Hello, Kicked, Move, Notice, NoticeKind, Ping, Pong, Refused,
    ServerMessage, Welcome,
};
use super::names::{BadText, ChatText, PlayerName, ResumeToken, WorldName};
use super::reason::{KickReason, RefusalReason};
use super::wire::{Reader, cut, put_text, put_varint, put_zigzag};

const HELLO: u8 = 0x01;
const MOVE: u8 = 0x02;
const PING: u8 = 0x03;
const LEAVE: u8 = 0x04;
const ACT: u8 = 0x05;
const ASK: u8 = 0x06;

const GATHER: u8 = 1;
const ATTACK: u8 = 2;
const CRAFT: u8 = 3;
const USE: u8 = 4;
const EQUIP: u8 = 5;
const UNEQUIP: u8 = 6;
const DROP: u8 = 7;
const TAKE: u8 = 8;
const INTERACT: u8 = 9;
const SAY: u8 = 10;
const TRADE_ASK: u8 = 11;
const TRADE_OFFER: u8 = 12;
const TRADE_ACCEPT: u8 = 13;
const TRADE_CANCEL: u8 = 14;
const RESPAWN: u8 = 15;
const STOP: u8 = 16;

const WELCOME: u8 = 0x41;
const REFUSED: u8 = 0x42;
const NOTICE: u8 = 0x43;
const PONG: u8 = 0x44;
const KICKED: u8 = 0x45;

pub(super) fn encode_client(message: &ClientMessage, out: &mut Vec<u8>) {
    match message {
        ClientMessage::Hello(hello) => {
            let Hello {
                version,
                world,
                epoch,
                name,
                resume,
            } = hello;
            out.push(HELLO);
            put_varint(out, u64::from(*version));
            put_text(out, world.as_ref().map_or("", WorldName::as_str));
            put_varint(out, epoch.unwrap_or(0));
            put_text(out, name.as_str());
            put_text(out, resume.as_ref().map_or("", ResumeToken::as_str));
        }
        ClientMessage::Move(Move { seq, at, direction }) => {
            out.push(MOVE);
            put_varint(out, u64::from(*seq));
            put_varint(out, *at);
            out.extend_from_slice(&direction.x.to_le_bytes());
            out.extend_from_slice(&direction.y.to_le_bytes());
        }
        ClientMessage::Act(Act {
            seq,
            at,
            view,
            action,
        }) => {
            out.push(ACT);
            put_varint(out, u64::from(*seq));
            put_varint(out, *at);
            put_varint(out, *view);
            encode_action(action, out);
        }
        ClientMessage::Ask(Ask { what }) => out.extend_from_slice(&[ASK, what.number()]),
        ClientMessage::Ping(Ping { nonce }) => {
            out.push(PING);
            put_varint(out, u64::from(*nonce));
        }
        ClientMessage::Leave => out.push(LEAVE),
    }
}

pub(super) fn decode_client(bytes: &[u8]) -> Result<ClientMessage, DecodeError> {
    let mut reader = Reader::new(bytes);
    let message = match reader.byte("type")? {
        HELLO => ClientMessage::Hello(decode_hello(&mut reader)?),
        MOVE => ClientMessage::Move(Move {
            seq: reader.varint_u32("seq")?,
            at: reader.varint("at")?,
            direction: Direction {
                x: i8::from_le_bytes(reader.bytes("direction.x")?),
                y: i8::from_le_bytes(reader.bytes("direction.y")?),
            },
        }),
        ACT => ClientMessage::Act(Act {
            seq: reader.varint_u32("seq")?,
            at: reader.varint("at")?,
            view: reader.varint("view")?,
            action: decode_action(&mut reader)?,
        }),
        ASK => ClientMessage::Ask(Ask {
            what: known("what", Question::from_number(reader.byte("what")?))?,
        }),
        PING => ClientMessage::Ping(Ping {
            nonce: reader.varint_u32("nonce")?,
        }),
        LEAVE => ClientMessage::Leave,
        value => return Err(DecodeError::UnknownType { value }),
    };
    reader.end()?;
    Ok(message)
}

fn encode_action(action: &Action, out: &mut Vec<u8>) {
    let mut target = |number, target: &EntityId| {
        out.push(number);
        put_varint(out, target.0);
    };
    match action {
        Action::Gather { target: id } => target(GATHER, id),
        Action::Attack { target: id } => target(ATTACK, id),
        Action::Take { target: id } => target(TAKE, id),
        Action::Interact { target: id } => target(INTERACT, id),
        Action::TradeAsk { target: id } => target(TRADE_ASK, id),
        Action::Craft { recipe } => {
            out.push(CRAFT);
            put_varint(out, u64::from(recipe.0));
        }
        Action::Use { slot } => out.extend_from_slice(&[USE, *slot]),
        Action::Equip { slot } => out.extend_from_slice(&[EQUIP, *slot]),
        Action::Unequip { place } => out.extend_from_slice(&[UNEQUIP, place.number()]),
        Action::Drop { slot, count } => {
            out.extend_from_slice(&[DROP, *slot]);
            put_varint(out, u64::from(*count));
        }
        Action::Say { text } => {
            out.push(SAY);
            put_text(out, text.as_str());
        }
        Action::TradeOffer { offer } => {
            out.push(TRADE_OFFER);
            put_varint(out, offer.len() as u64);
            for Offer { slot, count } in offer {
                out.push(*slot);
                put_varint(out, u64::from(*count));
            }
        }
        Action::TradeAccept { revision } => {
            out.push(TRADE_ACCEPT);
            put_varint(out, u64::from(*revision));
        }
        Action::TradeCancel => out.push(TRADE_CANCEL),
        Action::Respawn => out.push(RESPAWN),
        Action::Stop => out.push(STOP),
    }
}

fn decode_action(reader: &mut Reader<'_>) -> Result<Action, DecodeError> {
    let number = reader.byte("action")?;
    let mut target = || reader.varint("target").map(EntityId);
    Ok(match number {
        GATHER => Action::Gather { target: target()? },
        ATTACK => Action::Attack { target: target()? },
        TAKE => Action::Take { target: target()? },
        INTERACT => Action::Interact { target: target()? },
        TRADE_ASK => Action::TradeAsk { target: target()? },
        CRAFT => Action::Craft {
            recipe: RecipeId(reader.varint_u16("recipe")?),
        },
        USE => Action::Use {
            slot: reader.byte("slot")?,
        },
        EQUIP => Action::Equip {
            slot: reader.byte("slot")?,
        },
        UNEQUIP => Action::Unequip {
            place: known("place", Place::from_number(reader.byte("place")?))?,
        },
        DROP => Action::Drop {
            slot: reader.byte("slot")?,
            count: reader.varint_u16("count")?,
        },
        SAY => Action::Say {
            text: checked("text", ChatText::new(reader.text("text", MAX_CHAT_BYTES)?))?,
        },
        TRADE_OFFER => Action::TradeOffer {
            offer: (0..reader.length("offer", MAX_OFFERS)?)
                .map(|_| {
                    Ok(Offer {
                        slot: reader.byte("slot")?,
                        count: reader.varint_u16("count")?,
                    })
                })
                .collect::<Result<_, DecodeError>>()?,
        },
        TRADE_ACCEPT => Action::TradeAccept {
            revision: reader.varint_u32("revision")?,
        },
        TRADE_CANCEL => Action::TradeCancel,
        RESPAWN => Action::Respawn,
        STOP => Action::Stop,
        _ => return Err(DecodeError::OutOfRange { field: "action" }),
    })
}

fn decode_hello(reader: &mut Reader<'_>) -> Result<Hello, DecodeError> {
    let version = reader.varint_u16("version")?;
    // What follows belongs to the version, so nothing of it is read for another one.
    if version != PROTOCOL_VERSION {
        return Err(DecodeError::UnsupportedVersion { version });
    }
    Ok(Hello {
        version,
        world: optional(
            "world",
            reader.text("world", MAX_WORLD_NAME_BYTES)?,
            WorldName::new,
        )?,
        epoch: match reader.varint("epoch")? {
            0 => None,
            epoch => Some(epoch),
        },
        name: checked(
            "name",
            PlayerName::new(reader.text("name", MAX_NAME_BYTES)?),
        )?,
        resume: optional(
            "resume",
            reader.text("resume", MAX_RESUME_TOKEN_BYTES)?,
            ResumeToken::new,
        )?,
    })
}

pub(super) fn encode_server(message: &ServerMessage, out: &mut Vec<u8>) {
    match message {
        ServerMessage::Welcome(welcome) => encode_welcome(welcome, out),
        ServerMessage::Refused(Refused { reason, message }) => {
            out.push(REFUSED);
            out.push(reason.number());
            put_text(out, cut(message, MAX_TEXT_BYTES));
        }
        ServerMessage::Notice(Notice { kind, seconds }) => {
            out.push(NOTICE);
            out.push(kind.number());
            put_varint(out, u64::from(*seconds));
        }
        ServerMessage::Pong(Pong {
            nonce,
            players,
            load,
            dilation,
        }) => {
            out.push(PONG);
            put_varint(out, u64::from(*nonce));
            put_varint(out, u64::from(*players));
            out.extend_from_slice(&[*load, *dilation]);
        }
        ServerMessage::Kicked(Kicked { reason, message }) => {
            out.push(KICKED);
            out.push(reason.number());
            put_text(out, cut(message, MAX_TEXT_BYTES));
        }
    }
}

fn encode_welcome(welcome: &Welcome, out: &mut Vec<u8>) {
    let Welcome {
        version,
        world,
        epoch,
        seed,
        genre,
        terrain_hash,
        content_hash,
        size_metres,
        tick_rate_hz,
        tick,
        entity,
        position,
        resumed,
        ack,
        resume_token,
        resume_seconds,
    } = welcome;
    out.push(WELCOME);
    put_varint(out, u64::from(*version));
    put_text(out, world.as_str());
    put_varint(out, *epoch);
    put_varint(out, *seed);
    out.push(genre.number());
    out.extend_from_slice(&terrain_hash.to_le_bytes());
    out.extend_from_slice(&content_hash.to_le_bytes());
    put_varint(out, u64::from(*size_metres));
    out.push(*tick_rate_hz);
    put_varint(out, *tick);
    put_varint(out, entity.0);
    put_zigzag(out, position.x);
    put_zigzag(out, position.y);
    out.push(u8::from(*resumed));
    put_varint(out, u64::from(*ack));
    put_text(out, resume_token.as_str());
    put_varint(out, u64::from(*resume_seconds));
}

pub(super) fn decode_server(bytes: &[u8]) -> Result<ServerMessage, DecodeError> {
    let mut reader = Reader::new(bytes);
    let message = match reader.byte("type")? {
        WELCOME => ServerMessage::Welcome(decode_welcome(&mut reader)?),
        REFUSED => ServerMessage::Refused(Refused {
            reason: known("reason", RefusalReason::from_number(reader.byte("reason")?))?,
            message: reader.text("message", MAX_TEXT_BYTES)?.to_owned(),
        }),
        NOTICE => ServerMessage::Notice(Notice {
            kind: known("kind", NoticeKind::from_number(reader.byte("kind")?))?,
            seconds: reader.varint_u32("seconds")?,
        }),
        PONG => ServerMessage::Pong(Pong {
            nonce: reader.varint_u32("nonce")?,
            players: reader.varint_u32("players")?,
            load: reader.byte("load")?,
            dilation: reader.byte("dilation")?,
        }),
        KICKED => ServerMessage::Kicked(Kicked {
            reason: known("reason", KickReason::from_number(reader.byte("reason")?))?,
            message: reader.text("message", MAX_TEXT_BYTES)?.to_owned(),
        }),
        value => return Err(DecodeError::UnknownType { value }),
    };
    reader.end()?;
    Ok(message)
}

fn decode_welcome(reader: &mut Reader<'_>) -> Result<Welcome, DecodeError> {
    let version = reader.varint_u16("version")?;
    if version != PROTOCOL_VERSION {
        return Err(DecodeError::UnsupportedVersion { version });
    }
    Ok(Welcome {
        version,
        world: checked(
            "world",
            WorldName::new(reader.text("world", MAX_WORLD_NAME_BYTES)?),
        )?,
        epoch: reader.varint_max("epoch", MAX_SAFE_INTEGER)?,
        seed: reader.varint_max("seed", MAX_SAFE_INTEGER)?,
        genre: known("genre", Genre::from_number(reader.byte("genre")?))?,
        terrain_hash: u64::from_le_bytes(reader.bytes("terrainHash")?),
        content_hash: u64::from_le_bytes(reader.bytes("contentHash")?),
        size_metres: reader.varint_u32("sizeMetres")?,
        tick_rate_hz: match reader.byte("tickRateHz")? {
            0 => {
                return Err(DecodeError::OutOfRange {
                    field: "tickRateHz",
                });
            }
            rate => rate,
        },
        tick: reader.varint_max("tick", MAX_SAFE_INTEGER)?,
        entity: EntityId(reader.varint("entity")?),
        position: Position {
            x: reader.zigzag("position.x")?,
            y: reader.zigzag("position.y")?,
        },
        resumed: reader.boolean("resumed")?,
        ack: reader.varint_u32("ack")?,
        resume_token: checked(
            "resumeToken",
            ResumeToken::new(reader.text("resumeToken", MAX_RESUME_TOKEN_BYTES)?),
        )?,
        resume_seconds: reader.varint_u32("resumeSeconds")?,
    })
}

pub(super) fn known<T>(field: &'static str, value: Option<T>) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::OutOfRange { field })
}

pub(super) fn checked<T>(field: &'static str, text: Result<T, BadText>) -> Result<T, DecodeError> {
    text.map_err(|BadText { why }| DecodeError::Malformed { field, why })
}

/// No bytes mean none.
fn optional<'a, T>(
    field: &'static str,
    text: &'a str,
    parse: impl FnOnce(&'a str) -> Result<T, BadText>,
) -> Result<Option<T>, DecodeError> {
    if text.is_empty() {
        Ok(None)
    } else {
        checked(field, parse(text)).map(Some)
    }
}
