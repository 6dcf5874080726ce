//! What players' clients and the world server say to each other over the WebSocket at
//! [`PLAY_PATH`]. `gameserver/PROTOCOL.md` states the same for authors of clients.
//!
//! Both ends are here, and nothing does any IO: [`decode_client`], [`encode_server`] and
//! [`UpdateWriter`] are the server's, [`encode_client`], [`decode_server`] and [`View`] the client's.
//! Decoders are bounded, never panic, and fail with a [`DecodeError`] of a finite category.

mod action;
mod binary;
mod entity;
mod error;
mod event;
mod json;
pub mod limits;
mod message;
mod motion;
mod names;
mod numbered;
mod own;
mod reason;
#[cfg(test)]
mod tests;
mod update;
mod wire;

pub use action::{Act, Action, ItemId, Offer, Outcome, Place, Question, RecipeId, Skill};
pub use entity::{Direction, EntityId, EntityKind, Look, Pose, Position};
pub use error::DecodeError;
pub use event::{DeathCause, EventMessage, EventQueue, Gain, QueueFull, Statistics};
pub use limits::{PLAY_PATH, PROTOCOL_VERSION};
pub use message::{
    Ask, ClientMessage, Format, Genre, Hello, Kicked, Move, Notice, NoticeKind, Ping, Pong,
    Refused, ServerMessage, Welcome,
};
pub use motion::{Motion, Velocity};
pub use names::{BadText, ChatText, PlayerName, ResumeToken, WorldName};
pub use own::{
    Activity, ActivityKind, Progress, Rank, SelfState, Stack, Trade, TradeStage, Vitals,
};
pub use reason::{CLOSE_KICKED_BASE, CLOSE_NORMAL, CLOSE_REFUSED_BASE, KickReason, RefusalReason};
pub use update::{
    EntityTable, Known, Moment, Observed, Own, Received, SentView, Sighting, Slot, UpdateWriter,
    View, decode_server,
};

/// Payload of one WebSocket message.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// Of a binary message.
    Binary(&'a [u8]),
    /// Of a text message.
    Text(&'a str),
}

impl Payload<'_> {
    /// Refuses frames of the other format, and empty and overlong ones.
    fn check(self, format: Format, limit: usize) -> Result<Self, DecodeError> {
        let (actual, expected) = match (self, format) {
            (Self::Binary(bytes), Format::Binary) => (bytes.len(), None),
            (Self::Text(text), Format::Json) => (text.len(), None),
            (Self::Binary(_), Format::Json) => (0, Some("text")),
            (Self::Text(_), Format::Binary) => (0, Some("binary")),
        };
        match (actual, expected) {
            (_, Some(expected)) => Err(DecodeError::WrongFrame { expected }),
            (0, None) => Err(DecodeError::Empty),
            (actual, None) if actual > limit => Err(DecodeError::TooLarge { actual, limit }),
            _ => Ok(self),
        }
    }
}

/// Decodes a message from a client.
///
/// # Errors
/// What is wrong with it; [`DecodeError::refusal`] and [`DecodeError::kick`] say how to end the
/// connection for it.
pub fn decode_client(format: Format, payload: Payload<'_>) -> Result<ClientMessage, DecodeError> {
    let message = match payload.check(format, limits::MAX_CLIENT_MESSAGE_BYTES)? {
        Payload::Binary(bytes) => binary::decode_client(bytes)?,
        Payload::Text(text) => json::decode_client(text)?,
    };
    check_client(&message)?;
    Ok(message)
}

/// Ranges that the types do not express, for both formats.
fn check_client(message: &ClientMessage) -> Result<(), DecodeError> {
    let safe = |field, value| (value > limits::MAX_SAFE_INTEGER).then_some(field);
    let bad = match message {
        ClientMessage::Hello(Hello { epoch, .. }) => epoch
            .is_some_and(|epoch| epoch == 0 || epoch > limits::MAX_SAFE_INTEGER)
            .then_some("epoch"),
        ClientMessage::Move(Move { seq: 0, .. }) | ClientMessage::Act(Act { seq: 0, .. }) => {
            Some("seq")
        }
        // −128 has no opposite: without it every direction can be reversed.
        ClientMessage::Move(Move { at, direction, .. }) => (direction.x == i8::MIN
            || direction.y == i8::MIN)
            .then_some("direction")
            .or(safe("at", *at)),
        ClientMessage::Act(Act {
            at, view, action, ..
        }) => safe("at", *at).or(safe("view", *view)).or(match action {
            Action::Drop { count: 0, .. } => Some("count"),
            Action::TradeOffer { offer } if offer.len() > limits::MAX_OFFERS => Some("offer"),
            Action::TradeOffer { offer } => {
                offer.iter().any(|part| part.count == 0).then_some("count")
            }
            _ => None,
        }),
        ClientMessage::Ask(_) | ClientMessage::Ping(_) | ClientMessage::Leave => None,
    };
    bad.map_or(Ok(()), |field| Err(DecodeError::OutOfRange { field }))
}

/// Appends a client's message to `out`: bytes of a binary message, or of a text message for
/// [`Format::Json`].
pub fn encode_client(format: Format, message: &ClientMessage, out: &mut Vec<u8>) {
    match format {
        Format::Binary => binary::encode_client(message, out),
        Format::Json => json::encode_client(message, out),
    }
}

/// Appends a server's message to `out`: bytes of a binary message, or of a text message for
/// [`Format::Json`]. Texts beyond their limit are cut.
pub fn encode_server(format: Format, message: &ServerMessage, out: &mut Vec<u8>) {
    match format {
        Format::Binary => binary::encode_server(message, out),
        Format::Json => json::encode_server(message, out),
    }
}
