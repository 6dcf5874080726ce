//! How a scenario steers a running swarm, and what the swarm tells it: one JSON object a line.

use serde::{Deserialize, Serialize};

use super::record::Summary;
use crate::protocol::WorldName;

/// Longest line of commands, in bytes: about 10,000 worlds.
pub const MAX_LINE_BYTES: usize = 2 * 1024 * 1024;

/// A line on standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// These worlds can be joined, and no others: all that are Ready now. Bots inside a world that is
    /// no longer listed stay until their connection ends. A bot that lost its world joins it again
    /// when the world is listed with another epoch or address than the one that was lost.
    Set {
        /// The worlds.
        worlds: Vec<WorldTarget>,
    },
    /// How many bots play. Without `world`: in all worlds together, wherever there is room. With
    /// `world`: in that one, beside those.
    Players {
        /// How many.
        count: u32,
        /// In this world only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        world: Option<String>,
    },
    /// Everyone leaves, and no one plays until the next `players`.
    Leave {},
    /// Everyone inside this world leaves; the wanted numbers go down by them.
    LeaveWorld {
        /// The world.
        world: String,
    },
    /// A measurement begins: what `measured` in the summary says is about the time from here on.
    Measure {},
    /// Writes the record as it is now.
    Record {},
    /// Everyone leaves, the record is written, the process ends.
    Stop {},
}

/// A world that can be joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldTarget {
    /// `namespace/gameserver`.
    pub world: WorldName,
    /// Its epoch, named in the Hello; none: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Host or IP of the players' way in.
    pub address: String,
    /// Port there.
    pub port: u16,
    /// Seats; none: as many as it lets in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
}

/// A line on standard output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Report {
    /// On every change (at most ten a second) and each second.
    Status(Status),
    /// A command that was not obeyed.
    Error {
        /// Number of the line, from 1.
        command: u64,
        /// Why.
        message: String,
    },
    /// The record was written on the way.
    Recorded {
        /// Number of the `record` command's line, from 1.
        command: u64,
        /// Where to.
        path: String,
    },
    /// The last line: the record is written.
    Done {
        /// Where to.
        path: String,
        /// Its summary.
        summary: Box<Summary>,
    },
}

/// Where everyone is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// When.
    pub unix_ms: u64,
    /// Lines of commands obeyed or refused so far: a caller that has sent n lines and sees n here
    /// knows that the numbers below are those after its last command.
    pub commands: u64,
    /// Bots that should be inside.
    pub wanted: u64,
    /// Bots inside, in all worlds.
    pub connected: u64,
    /// Bots on their way in.
    pub connecting: u64,
    /// Bots that wait for room, or for another try.
    pub waiting: u64,
    /// Bots that lost their world and wait until it is listed anew.
    pub lost: u64,
    /// Bots on their way out.
    pub leaving: u64,
    /// Sessions so far.
    pub joined: u64,
    /// Refusals so far.
    pub refused: u64,
    /// Sessions so far that ended though the bot had not asked for it.
    pub unexpected_disconnects: u64,
    /// Worlds that are listed or have bots inside, by name.
    pub worlds: Vec<WorldStatus>,
}

/// One world in a [`Status`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorldStatus {
    /// `namespace/gameserver`, or the address of a world that was joined without a name.
    pub world: String,
    /// Epoch as listed.
    pub epoch: Option<u64>,
    /// The last `set` listed it.
    pub listed: bool,
    /// Bots inside.
    pub connected: u64,
    /// Of these, those in another incarnation than the listed one: they have not noticed yet that
    /// theirs is gone.
    #[serde(default)]
    pub outdated: u64,
    /// Bots on their way in.
    pub connecting: u64,
    /// Bots on their way out: they still hold a seat.
    #[serde(default)]
    pub leaving: u64,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn commands_as_a_scenario_writes_them() {
        let read = |line: &str| serde_json::from_str::<Command>(line).unwrap();
        assert_eq!(
            read(
                r#"{"op":"set","worlds":[{"world":"games/f1","epoch":2,"address":"198.18.0.2","port":7777,"capacity":50}]}"#
            ),
            Command::Set {
                worlds: vec![WorldTarget {
                    world: WorldName::new("games/f1").unwrap(),
                    epoch: Some(2),
                    address: "198.18.0.2".into(),
                    port: 7777,
                    capacity: Some(50),
                }]
            }
        );
        assert_eq!(
            read(r#"{"op":"players","count":3,"world":"games/f1"}"#),
            Command::Players {
                count: 3,
                world: Some("games/f1".into())
            }
        );
        assert_eq!(read(r#"{"op":"leave"}"#), Command::Leave {});
        assert_eq!(
            read(r#"{"op":"leave_world","world":"games/f1"}"#),
            Command::LeaveWorld {
                world: "games/f1".into()
            }
        );
        assert_eq!(read(r#"{"op":"measure"}"#), Command::Measure {});
        assert_eq!(read(r#"{"op":"record"}"#), Command::Record {});
        assert_eq!(read(r#"{"op":"stop"}"#), Command::Stop {});
        for wrong in [
            r#"{"op":"stop","now":true}"#,
            r#"{"op":"players","count":-1}"#,
            r#"{"op":"set","worlds":[{"world":"no","address":"::1","port":1}]}"#,
        ] {
            assert!(serde_json::from_str::<Command>(wrong).is_err(), "{wrong}");
        }
    }
}
