//! The binary form of all messages but updates (those are in [`super::view`]). PROTOCOL.md states
//! the same byte for byte.

use super::error::DecodeError;
use super::limits::{
    MAX_NAME_BYTES, MAX_RESUME_TOKEN_BYTES, MAX_SAFE_INTEGER, MAX_TEXT_BYTES, MAX_WORLD_NAME_BYTES,
    PROTOCOL_VERSION,
};
use super::message::{
    ClientMessage, Direction, EntityId, Genre, Hello, Kicked, Move, Notice, NoticeKind, Ping, Pong,
    Position, Refused, ServerMessage, Welcome,
};
use super::names::{BadText, PlayerName, ResumeToken, WorldName};
use super::reason::{KickReason, RefusalReason};
use super::wire::{Reader, cut, put_text, put_varint, put_zigzag};

const HELLO: u8 = 0x01;
const MOVE: u8 = 0x02;
const PING: u8 = 0x03;
const LEAVE: u8 = 0x04;

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
        ClientMessage::Move(Move { seq, direction }) => {
            out.push(MOVE);
            put_varint(out, u64::from(*seq));
            out.extend_from_slice(&direction.x.to_le_bytes());
            out.extend_from_slice(&direction.y.to_le_bytes());
        }
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
            direction: Direction {
                x: i8::from_le_bytes(reader.bytes("direction.x")?),
                y: i8::from_le_bytes(reader.bytes("direction.y")?),
            },
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
        ServerMessage::Pong(Pong { nonce }) => {
            out.push(PONG);
            put_varint(out, u64::from(*nonce));
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
        size_metres: reader.varint_u32("sizeMetres")?,
        tick_rate_hz: reader.byte("tickRateHz")?,
        tick: reader.varint_max("tick", MAX_SAFE_INTEGER)?,
        entity: EntityId(reader.varint("entity")?),
        position: Position {
            x: reader.zigzag("position.x")?,
            y: reader.zigzag("position.y")?,
        },
        resumed: match reader.byte("resumed")? {
            0 => false,
            1 => true,
            _ => return Err(DecodeError::OutOfRange { field: "resumed" }),
        },
        ack: reader.varint_u32("ack")?,
        resume_token: checked(
            "resumeToken",
            ResumeToken::new(reader.text("resumeToken", MAX_RESUME_TOKEN_BYTES)?),
        )?,
        resume_seconds: reader.varint_u32("resumeSeconds")?,
    })
}

fn known<T>(field: &'static str, value: Option<T>) -> Result<T, DecodeError> {
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
