//! The messages, independent of how they are written.

use serde::{Deserialize, Serialize};

use super::action::{Act, Question};
use super::entity::{Direction, EntityId, Position};
use super::names::{PlayerName, ResumeToken, WorldName};
use super::numbered::numbered;
use super::reason::{KickReason, RefusalReason};

/// How messages of a connection are written: fixed by the request's query, `?format=json` or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Binary frames.
    #[default]
    Binary,
    /// Text frames of one JSON object each: for people and simple clients.
    Json,
}

impl Format {
    /// The value of the query's `format`, and the label on metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Json => "json",
        }
    }

    /// From the value of the query's `format`; none means binary.
    #[must_use]
    pub fn from_query(format: Option<&str>) -> Option<Self> {
        match format {
            None | Some("binary") => Some(Self::Binary),
            Some("json") => Some(Self::Json),
            Some(_) => None,
        }
    }
}

numbered! {
    /// Genre of a world.
    Genre {
        /// Swords and spells.
        Fantasy = 1,
        /// Ships and stars.
        SciFi = 2,
        /// Fear in the dark.
        Horror = 3,
        /// Neon and chrome.
        Cyberpunk = 4,
        /// What is left.
        PostApoc = 5,
    }
}

/// From client to server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// The first message, once.
    Hello(Hello),
    /// Where the player wants to go from now on.
    Move(Move),
    /// What the player wants to do.
    Act(Act),
    /// Something that is told only when asked for.
    Ask(Ask),
    /// Answered by a [`ServerMessage::Pong`] with the same number, at once.
    Ping(Ping),
    /// The player goes: the seat is free at once, no grace time. The server closes with code 1000.
    Leave,
}

/// Who comes, to which world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// [`super::limits::PROTOCOL_VERSION`].
    pub version: u16,
    /// The world that the client means; another one refuses it. None: whichever runs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<WorldName>,
    /// The epoch that the client means, from 1; another one refuses it. None: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// How others see the player.
    pub name: PlayerName,
    /// From the last Welcome: take up that session, in the same body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<ResumeToken>,
}

/// A direction. It holds until the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// Ascends with each Move and Act of a session, from 1. A server ignores one that does not.
    pub seq: u32,
    /// The tick at which it is to take effect; 0: at once.
    #[serde(default, skip_serializing_if = "super::json::is_zero")]
    pub at: u64,
    /// Where to.
    pub direction: Direction,
}

/// Asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// What.
    pub what: Question,
}

/// Asks for a Pong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// Returned as it is.
    pub nonce: u32,
}

/// From server to client, the per-tick update apart (see [`super::UpdateWriter`] and [`super::View`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerMessage {
    /// The client is in. The first message on a connection that is let in.
    Welcome(Welcome),
    /// The client is not let in; the connection closes.
    Refused(Refused),
    /// Something about the world that concerns everyone.
    Notice(Notice),
    /// Answer to a Ping.
    Pong(Pong),
    /// The server ends the connection.
    Kicked(Kicked),
}

/// What a client needs to know to play.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Welcome {
    /// Version that the connection speaks from here on.
    pub version: u16,
    /// The world.
    pub world: WorldName,
    /// Its epoch.
    pub epoch: u64,
    /// Its seed.
    pub seed: u64,
    /// Its genre.
    pub genre: Genre,
    /// Hash of what the seed made (terrain): the same in every incarnation of a world. 16
    /// hexadecimal digits in JSON.
    #[serde(with = "super::json::hex64")]
    pub terrain_hash: u64,
    /// Hash of the genre's content, as served to clients. 16 hexadecimal digits in JSON.
    #[serde(with = "super::json::hex64")]
    pub content_hash: u64,
    /// Side of the square world, in metres.
    pub size_metres: u32,
    /// Simulation ticks per second, at least 1.
    pub tick_rate_hz: u8,
    /// Last finished tick.
    pub tick: u64,
    /// The player's entity.
    pub entity: EntityId,
    /// Where it is.
    pub position: Position,
    /// This is the session of the resume token, with the body that it had.
    pub resumed: bool,
    /// Last input that the session had applied; 0 in a new one. Inputs go on from there.
    pub ack: u32,
    /// For the next Hello, should the connection be lost.
    pub resume_token: ResumeToken,
    /// Seconds after a lost connection in which the token is good.
    pub resume_seconds: u32,
}

/// Why a client is not let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// For programs.
    pub reason: RefusalReason,
    /// For people.
    pub message: String,
}

numbered! {
    /// Kind of a [`Notice`].
    NoticeKind {
        /// The world drains: nobody new comes in; those inside may stay and reconnect.
        JoinsStopped = 1,
        /// Joins are open again.
        JoinsOpen = 2,
        /// The process ends in `seconds`.
        Closing = 3,
    }
}

/// Something that everyone inside should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// What.
    pub kind: NoticeKind,
    /// Seconds until it happens; 0 for what has happened.
    pub seconds: u32,
}

/// Answer to a [`Ping`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pong {
    /// The Ping's.
    pub nonce: u32,
    /// Players in the world.
    pub players: u32,
    /// Share of a tick's time that the server computes, in percent; 255 for more than that.
    pub load: u8,
    /// How fast the world runs, in percent of real time: 100 unless the server is overloaded.
    pub dilation: u8,
}

/// Why the server ends the connection of a player inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kicked {
    /// For programs.
    pub reason: KickReason,
    /// For people.
    pub message: String,
}
