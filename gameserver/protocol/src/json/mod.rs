//! The JSON form: one object a text frame, `type` first among its keys when written, unknown keys
//! refused. The types and limits are those of the binary form.

use serde::{Deserialize, Serialize};

mod action;
mod update;

use action::ActIn;
pub(super) use update::{Changed, Entered, Moved, OwnState, Update};

use crate::entity::EntityId;
use crate::error::DecodeError;
use crate::limits::{MAX_SAFE_INTEGER, MAX_TEXT_BYTES, PROTOCOL_VERSION};
use crate::message::{
    Ask, ClientMessage, Hello, Kicked, Move, Notice, Ping, Pong, Refused, ServerMessage, Welcome,
};
use crate::wire::cut;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Client {
    Hello(Hello),
    Move(Move),
    Act(ActIn),
    Ask(Ask),
    Ping(Ping),
    Leave(Nothing),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum ServerOut<'a> {
    Welcome(&'a Welcome),
    Refused(Refused),
    Notice(&'a Notice),
    Pong(&'a Pong),
    Kicked(Kicked),
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum ServerIn {
    Welcome(Welcome),
    Refused(Refused),
    Notice(Notice),
    Pong(Pong),
    Kicked(Kicked),
    Update(Update),
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "update")]
struct TaggedUpdate<'a> {
    #[serde(flatten)]
    update: &'a Update,
}

pub(super) fn encode_client(message: &ClientMessage, out: &mut Vec<u8>) {
    let message = match message.clone() {
        ClientMessage::Hello(hello) => Client::Hello(hello),
        ClientMessage::Move(input) => Client::Move(input),
        ClientMessage::Act(act) => Client::Act(act.into()),
        ClientMessage::Ask(ask) => Client::Ask(ask),
        ClientMessage::Ping(ping) => Client::Ping(ping),
        ClientMessage::Leave => Client::Leave(Nothing {}),
    };
    write(&message, out);
}

pub(super) fn decode_client(text: &str) -> Result<ClientMessage, DecodeError> {
    match serde_json::from_str(text) {
        Ok(Client::Hello(Hello { version, .. })) if version != PROTOCOL_VERSION => {
            Err(DecodeError::UnsupportedVersion { version })
        }
        Ok(Client::Hello(hello)) => Ok(ClientMessage::Hello(hello)),
        Ok(Client::Move(input)) => Ok(ClientMessage::Move(input)),
        Ok(Client::Act(act)) => Ok(ClientMessage::Act(act.into())),
        Ok(Client::Ask(ask)) => Ok(ClientMessage::Ask(ask)),
        Ok(Client::Ping(ping)) => Ok(ClientMessage::Ping(ping)),
        Ok(Client::Leave(Nothing {})) => Ok(ClientMessage::Leave),
        Err(error) => Err(other_version(text).unwrap_or_else(|| bad_json(&error))),
    }
}

/// The rest of a Hello belongs to its version, so one of another version may fail to parse here;
/// its sender should learn about the version, not about a key.
fn other_version(text: &str) -> Option<DecodeError> {
    #[derive(Deserialize)]
    struct Peek<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        version: u16,
    }
    let peek: Peek<'_> = serde_json::from_str(text).ok()?;
    (peek.kind == "hello" && peek.version != PROTOCOL_VERSION).then_some(
        DecodeError::UnsupportedVersion {
            version: peek.version,
        },
    )
}

pub(super) fn encode_server(message: &ServerMessage, out: &mut Vec<u8>) {
    let message = match message {
        ServerMessage::Welcome(welcome) => ServerOut::Welcome(welcome),
        ServerMessage::Refused(Refused { reason, message }) => ServerOut::Refused(Refused {
            reason: *reason,
            message: cut(message, MAX_TEXT_BYTES).to_owned(),
        }),
        ServerMessage::Notice(notice) => ServerOut::Notice(notice),
        ServerMessage::Pong(pong) => ServerOut::Pong(pong),
        ServerMessage::Kicked(Kicked { reason, message }) => ServerOut::Kicked(Kicked {
            reason: *reason,
            message: cut(message, MAX_TEXT_BYTES).to_owned(),
        }),
    };
    write(&message, out);
}

pub(super) fn decode_server(text: &str) -> Result<ServerIn, DecodeError> {
    let message: ServerIn = serde_json::from_str(text).map_err(|error| bad_json(&error))?;
    match &message {
        ServerIn::Welcome(Welcome { version, .. }) if *version != PROTOCOL_VERSION => {
            Err(DecodeError::UnsupportedVersion { version: *version })
        }
        ServerIn::Welcome(Welcome {
            tick_rate_hz: 0, ..
        }) => Err(DecodeError::OutOfRange {
            field: "tickRateHz",
        }),
        ServerIn::Welcome(welcome) => {
            for (field, value) in [
                ("epoch", welcome.epoch),
                ("seed", welcome.seed),
                ("tick", welcome.tick),
            ] {
                if value > MAX_SAFE_INTEGER {
                    return Err(DecodeError::OutOfRange { field });
                }
            }
            Ok(message)
        }
        ServerIn::Refused(Refused { message: text, .. })
        | ServerIn::Kicked(Kicked { message: text, .. })
            if text.len() > MAX_TEXT_BYTES =>
        {
            Err(DecodeError::TooLong {
                field: "message",
                actual: text.len() as u64,
                limit: MAX_TEXT_BYTES,
            })
        }
        _ => Ok(message),
    }
}

pub(super) fn encode_update(update: &Update, out: &mut Vec<u8>) {
    write(&TaggedUpdate { update }, out);
}

fn write(message: &impl Serialize, out: &mut Vec<u8>) {
    // Writing to memory cannot fail, and no type of the protocol refuses to be serialised.
    let written = serde_json::to_writer(out, message);
    debug_assert!(written.is_ok(), "{written:?}");
}

fn bad_json(error: &serde_json::Error) -> DecodeError {
    DecodeError::BadJson {
        message: cut(&error.to_string(), MAX_TEXT_BYTES).to_owned(),
    }
}

impl Serialize for EntityId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EntityId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        // One spelling only: no sign, no leading zero.
        let plain =
            text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        match text.parse() {
            Ok(id) if plain => Ok(Self(id)),
            _ => Err(serde::de::Error::custom(
                "an id is a string of decimal digits",
            )),
        }
    }
}

/// Whether a tick that may be left out is.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
pub(super) fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// 64 bits as 16 hexadecimal digits.
pub(super) mod hex64 {
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    pub(in super::super) fn serialize<S: Serializer>(
        value: &u64,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{value:016x}"))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u64, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let plain = text.len() == 16
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match u64::from_str_radix(&text, 16) {
            Ok(value) if plain => Ok(value),
            _ => Err(serde::de::Error::custom("a hash has 16 hexadecimal digits")),
        }
    }
}
