//! What can be wrong with bytes that claim to be a message.

use thiserror::Error;

use super::{KickReason, RefusalReason};

/// Why a message was not understood. [`DecodeError::category`] is finite and fit for a metric.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A message of no bytes.
    #[error("the message is empty")]
    Empty,
    /// Longer than the limit for its direction.
    #[error("the message has {actual} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes received.
        actual: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The message ended inside a field.
    #[error("the message ends inside {field}")]
    Truncated {
        /// The field that was being read.
        field: &'static str,
    },
    /// Bytes were left after the last field.
    #[error("{extra} bytes follow the end of the message")]
    TrailingBytes {
        /// How many.
        extra: usize,
    },
    /// The first byte (or `type`) names no message of this direction.
    #[error("unknown message type {value:#04x}")]
    UnknownType {
        /// The byte.
        value: u8,
    },
    /// A varint that is longer than needed or does not fit its field.
    #[error("{field} is no canonical varint of its range")]
    BadVarint {
        /// The field that was being read.
        field: &'static str,
    },
    /// Text that is not UTF-8.
    #[error("{field} is not UTF-8")]
    BadUtf8 {
        /// The field that was being read.
        field: &'static str,
    },
    /// A text or list that is longer than its limit.
    #[error("{field} has {actual} elements, the limit is {limit}")]
    TooLong {
        /// The field that was being read.
        field: &'static str,
        /// Length received.
        actual: u64,
        /// Length allowed.
        limit: usize,
    },
    /// A value outside its range, or one that the format writes in another way.
    #[error("{field} is out of range")]
    OutOfRange {
        /// The field that was being read.
        field: &'static str,
    },
    /// A player name, world name or resume token of a shape that is not allowed.
    #[error("{field}: {why}")]
    Malformed {
        /// The field that was being read.
        field: &'static str,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// A Hello of another version.
    #[error("protocol version {version} is not spoken here")]
    UnsupportedVersion {
        /// The version asked for.
        version: u16,
    },
    /// Not JSON, or JSON of another shape.
    #[error("not a message of this protocol: {message}")]
    BadJson {
        /// serde's words, cut to [`super::limits::MAX_TEXT_BYTES`].
        message: String,
    },
    /// A text frame on a binary connection, or the other way round.
    #[error("this connection speaks {expected} frames")]
    WrongFrame {
        /// `binary` or `text`.
        expected: &'static str,
    },
    /// An update that does not fit the view that the client has (an entity unknown or known twice).
    #[error("the update does not fit the view: {why}")]
    ViewMismatch {
        /// What does not fit.
        why: &'static str,
    },
}

impl DecodeError {
    /// Every category, for metrics that announce their labels at start.
    pub const CATEGORIES: [&'static str; 13] = [
        "Empty",
        "TooLarge",
        "Truncated",
        "TrailingBytes",
        "UnknownType",
        "BadVarint",
        "BadUtf8",
        "TooLong",
        "OutOfRange",
        "Malformed",
        "UnsupportedVersion",
        "BadJson",
        "WrongFrame",
    ];

    /// Finite reason for metrics and logs.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::TooLarge { .. } => "TooLarge",
            Self::Truncated { .. } => "Truncated",
            Self::TrailingBytes { .. } => "TrailingBytes",
            Self::UnknownType { .. } => "UnknownType",
            Self::BadVarint { .. } => "BadVarint",
            Self::BadUtf8 { .. } => "BadUtf8",
            Self::TooLong { .. } => "TooLong",
            Self::OutOfRange { .. } => "OutOfRange",
            Self::Malformed { .. } => "Malformed",
            Self::UnsupportedVersion { .. } => "UnsupportedVersion",
            Self::BadJson { .. } => "BadJson",
            Self::WrongFrame { .. } => "WrongFrame",
            // Only a client meets it, so it is no label of a server's metric.
            Self::ViewMismatch { .. } => "ViewMismatch",
        }
    }

    /// How a server refuses a connection whose first message has this fault.
    #[must_use]
    pub fn refusal(&self) -> RefusalReason {
        match self {
            Self::UnsupportedVersion { .. } => RefusalReason::VersionUnsupported,
            Self::TooLarge { .. } => RefusalReason::MessageTooLarge,
            _ => RefusalReason::Malformed,
        }
    }

    /// How a server ends the connection of a player inside whose message has this fault.
    #[must_use]
    pub fn kick(&self) -> KickReason {
        match self {
            Self::TooLarge { .. } => KickReason::MessageTooLarge,
            _ => KickReason::Malformed,
        }
    }
}
