//! The messages, independent of how they are written.

use serde::{Deserialize, Serialize};

use super::names::{PlayerName, ResumeToken, WorldName};
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

/// Identity of an entity in its world. 64 bits, so JSON writes it as a string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(pub u64);

/// A place, in whole centimetres from the world's origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// East.
    pub x: i32,
    /// North.
    pub y: i32,
}

/// Where a player wants to go: a vector whose length, up to [`super::limits::FULL_SPEED`], is the
/// share of full speed. Longer ones mean full speed; (0, 0) means stand still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Direction {
    /// East, −127 to 127.
    pub x: i8,
    /// North, −127 to 127.
    pub y: i8,
}

/// Genre of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Genre {
    /// Number 1.
    Fantasy,
    /// Number 2.
    SciFi,
    /// Number 3.
    Horror,
    /// Number 4.
    Cyberpunk,
    /// Number 5.
    PostApoc,
}

impl Genre {
    /// Every genre, in the order of its number in binary messages, which starts at 1.
    pub const ALL: [Self; 5] = [
        Self::Fantasy,
        Self::SciFi,
        Self::Horror,
        Self::Cyberpunk,
        Self::PostApoc,
    ];

    /// The number in binary messages.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Fantasy => 1,
            Self::SciFi => 2,
            Self::Horror => 3,
            Self::Cyberpunk => 4,
            Self::PostApoc => 5,
        }
    }

    /// The genre with that number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|genre| genre.number() == number)
    }
}

/// What an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EntityKind {
    /// Number 1. Has a name.
    Player,
    /// Number 2. Has no name.
    Creature,
}

impl EntityKind {
    /// The number in binary messages.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Player => 1,
            Self::Creature => 2,
        }
    }

    /// The kind with that number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Player),
            2 => Some(Self::Creature),
            _ => None,
        }
    }
}

/// From client to server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// The first message, once.
    Hello(Hello),
    /// What the player wants to do from now on.
    Move(Move),
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

/// One input. It holds until the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// Ascends with each input of a session, from 1. A server ignores one that does not.
    pub seq: u32,
    /// Where to.
    pub direction: Direction,
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
    /// Side of the square world, in metres.
    pub size_metres: u32,
    /// Simulation ticks per second.
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

/// Kind of a [`Notice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NoticeKind {
    /// Number 1. The world drains: nobody new comes in; those inside may stay and reconnect.
    JoinsStopped,
    /// Number 2. Joins are open again.
    JoinsOpen,
    /// Number 3. The process ends in `seconds`.
    Closing,
}

impl NoticeKind {
    /// The number in binary messages.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::JoinsStopped => 1,
            Self::JoinsOpen => 2,
            Self::Closing => 3,
        }
    }

    /// The kind with that number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::JoinsStopped),
            2 => Some(Self::JoinsOpen),
            3 => Some(Self::Closing),
            _ => None,
        }
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
