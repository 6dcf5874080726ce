//! Finite reasons: why a join is refused, why a connection is ended by the server, and the WebSocket
//! close codes that carry both.

use serde::{Deserialize, Serialize};

/// Close code after a Leave, and of a client that closes by itself.
pub const CLOSE_NORMAL: u16 = 1000;
/// Close codes of refusals are this plus the reason's number.
pub const CLOSE_REFUSED_BASE: u16 = 4100;
/// Close codes of kicks are this plus the reason's number.
pub const CLOSE_KICKED_BASE: u16 = 4200;

macro_rules! reasons {
    ($(#[$outer:meta])* $name:ident, base $base:expr, {
        $($(#[$inner:meta])* $variant:ident = $number:literal,)+
    }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$inner])* $variant,)+
        }

        impl $name {
            /// Every reason, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name, as in JSON, in a close frame's reason and on metrics.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// The number in binary messages.
            #[must_use]
            pub fn number(self) -> u8 {
                match self { $(Self::$variant => $number,)+ }
            }

            /// The reason with that number.
            #[must_use]
            pub fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }

            /// Code of the WebSocket close frame that follows.
            #[must_use]
            pub fn close_code(self) -> u16 {
                $base + u16::from(self.number())
            }

            /// The reason that a close code stands for.
            #[must_use]
            pub fn from_close_code(code: u16) -> Option<Self> {
                code.checked_sub($base)
                    .and_then(|number| u8::try_from(number).ok())
                    .and_then(Self::from_number)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

reasons! {
    /// Why a server did not let a client in. The connection is closed after it.
    RefusalReason, base CLOSE_REFUSED_BASE, {
        /// The Hello asks for a protocol version that the server does not speak.
        VersionUnsupported = 1,
        /// The Hello names another world than the one served here (a reused address).
        WrongWorld = 2,
        /// The Hello names another epoch of this world than the one served here.
        WrongEpoch = 3,
        /// Every seat is taken.
        WorldFull = 4,
        /// The world is draining: nobody new comes in. Players inside may reconnect.
        JoinsStopped = 5,
        /// The process is ending.
        Closing = 6,
        /// The resume token is not one of this world, or its grace time is over.
        ResumeInvalid = 7,
        /// The first message was no Hello, or not understood.
        Malformed = 8,
        /// The first message was larger than allowed.
        MessageTooLarge = 9,
        /// No Hello came in time.
        HelloTimeout = 10,
        /// Too many clients of this format, or the format is turned off.
        FormatUnavailable = 11,
        /// The server cannot take more connections now.
        Overloaded = 12,
    }
}

reasons! {
    /// Why a server ended the connection of a player who was inside.
    KickReason, base CLOSE_KICKED_BASE, {
        /// The process is ending.
        Closing = 1,
        /// A message was not understood.
        Malformed = 2,
        /// A message was larger than allowed.
        MessageTooLarge = 3,
        /// More messages a second than allowed.
        TooManyMessages = 4,
        /// The client did not read what was sent to it.
        TooSlow = 5,
        /// No message and no WebSocket pong for too long.
        Silent = 6,
        /// The same player connected again with the resume token; the newest connection wins.
        Superseded = 7,
    }
}

impl RefusalReason {
    /// Trying again at the same address, after a pause, can succeed.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::WorldFull | Self::JoinsStopped | Self::Overloaded | Self::FormatUnavailable
        )
    }
}
