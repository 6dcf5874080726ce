//! What every bot saw, as the JSON that a run leaves behind. It is the judge of "nobody was thrown
//! out", so it says only what came over the bots' own sockets.
//!
//! Times are Unix milliseconds from one monotonic clock per process, so intervals are exact even if
//! the wall clock is set meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Shape of the record that this build writes and reads.
pub const RECORD_VERSION: u32 = 1;
/// A gap between updates is listed on its own from this length on, in milliseconds.
pub const LONG_GAP_MS: u64 = 1_000;
/// Most entries of each list that a player's record keeps (sessions, refusals, failures, long gaps
/// of a session). What goes beyond is counted in [`PlayerRecord::omitted`] and in the [`Summary`].
pub const MAX_ENTRIES: usize = 200;

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// When the run began.
    pub started_unix_ms: u64,
    /// When this was written.
    pub written_unix_ms: u64,
    /// The run had ended, rather than this being a copy on the way (the `record` command).
    pub complete: bool,
    /// Sums over all players.
    pub summary: Summary,
    /// Every bot that ever had something to do.
    pub players: Vec<PlayerRecord>,
}

/// Sums over all players, except where a unit says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Bots that ever had something to do.
    pub players: u64,
    /// Sessions: connections that got a Welcome.
    pub joined: u64,
    /// Of `joined`, those that took up an earlier session by its resume token.
    pub resumed: u64,
    /// Sessions still open when this was written.
    pub open: u64,
    /// Refusals by reason.
    pub refused: BTreeMap<String, u64>,
    /// Connections that got neither a Welcome nor a Refused.
    pub connect_failures: u64,
    /// Sessions that ended though the bot had not asked for it, whoever did and however politely.
    pub unexpected_disconnects: u64,
    /// Of those, the ones that the server ended with a close frame or a Kicked, by reason.
    pub closed_by_server: BTreeMap<String, u64>,
    /// Messages that broke the protocol. Any is a fault of the server.
    pub violations: u64,
    /// Updates received.
    pub updates: u64,
    /// Bytes of all messages received, without the framing.
    pub bytes_received: u64,
    /// Time between two updates of a session.
    pub gap_ms: Quantiles,
    /// Longest time without an update, the silence at the end of a session included (up to the
    /// bot's Leave, if it left).
    pub max_gap_ms: u64,
    /// From Ping to Pong.
    pub round_trip_ms: Quantiles,
    /// What was seen of each world, by name.
    pub worlds: BTreeMap<String, WorldSeen>,
    /// What the bots did and what happened to them.
    #[serde(default)]
    pub deeds: Deeds,
    /// Answers to actions, by action and outcome: `Gather Ok`.
    #[serde(default)]
    pub outcomes: BTreeMap<String, u64>,
    /// Where the server contradicted itself, by kind; any is a fault of the server:
    /// `TickNotAscending`, `DoneUnasked` (an answer to no action, or the second one to an action),
    /// `ActUnanswered`, `GainNotShown` (something gained is in no slot), `DeathNotShown` (a player
    /// that died has health), `BeyondWorld` (something is shown outside the world).
    #[serde(default)]
    pub faults: BTreeMap<String, u64>,
    /// Rates and errors since the last `measure`, or the start.
    #[serde(default)]
    pub measured: Measured,
}

/// Counts of what a bot did and what happened to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deeds {
    /// Things taken from resources.
    pub gathered: u64,
    /// Things made.
    pub crafted: u64,
    /// Things from killed creatures, stations and bags.
    pub looted: u64,
    /// Blows that hit something.
    pub strikes: u64,
    /// Of those, the last ones.
    pub kills: u64,
    /// Blows that hit the bot.
    pub struck: u64,
    /// Times died.
    pub deaths: u64,
    /// Trades carried out; each counts once for each of the two.
    pub trades: u64,
    /// Sentences spoken that the server took.
    pub said: u64,
    /// Sentences heard.
    pub heard: u64,
    /// Levels reached.
    pub levels: u64,
}

impl Deeds {
    /// Adds another's.
    pub(super) fn add(&mut self, other: &Self) {
        let Self {
            gathered,
            crafted,
            looted,
            strikes,
            kills,
            struck,
            deaths,
            trades,
            said,
            heard,
            levels,
        } = other;
        self.gathered += gathered;
        self.crafted += crafted;
        self.looted += looted;
        self.strikes += strikes;
        self.kills += kills;
        self.struck += struck;
        self.deaths += deaths;
        self.trades += trades;
        self.said += said;
        self.heard += heard;
        self.levels += levels;
    }
}

/// Rates and errors of a stretch of the run. Rates are over the time that bots were inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// How long it was.
    pub seconds: f64,
    /// Time inside, of all bots together.
    pub player_seconds: f64,
    /// CPU time of this process, all threads, in percent of one core.
    pub cpu_percent: f64,
    /// Bytes received, WebSocket framing included.
    pub bytes_per_second_per_player: f64,
    /// Updates received.
    pub updates_per_second_per_player: f64,
    /// Inputs sent: moves and actions.
    pub inputs_per_second_per_player: f64,
    /// Entities in sight, on average over the updates.
    pub in_sight: f64,
    /// Of those, players and creatures.
    pub movers_in_sight: f64,
    /// Time between two updates of a session.
    pub gap_ms: Quantiles,
    /// From Ping to Pong.
    pub round_trip_ms: Quantiles,
    /// Updates of which the own body's place was predicted.
    pub predicted: u64,
    /// Of those, the ones that said a place more than 10 mm from the predicted one, death and coming
    /// back to life apart.
    pub corrections: u64,
    /// For each bot and minute of prediction.
    pub corrections_per_minute: f64,
    /// Inputs that were not applied at the tick that they were stamped with.
    pub late_inputs: u64,
    /// How far other bots within 10 m were shown from where they were, at the same tick.
    pub view_error_near_m: Distances,
    /// The same, of those farther off.
    pub view_error_far_m: Distances,
    /// Comparisons that came to nothing: the other bot was not told of that tick.
    pub unjudged: u64,
}

/// Quantiles in milliseconds; 0 where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quantiles {
    /// How many were measured.
    pub count: u64,
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
}

/// Quantiles in metres; 0 where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Distances {
    /// How many were measured.
    pub count: u64,
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
}

/// A world as its Welcomes described it. More than one seed or hash under one name means that its
/// identity was lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorldSeen {
    /// Every epoch met.
    pub epochs: BTreeSet<u64>,
    /// Every seed met.
    pub seeds: BTreeSet<u64>,
    /// Every terrain hash met, as 16 hexadecimal digits.
    pub terrain_hashes: BTreeSet<String>,
    /// Sessions in it.
    pub joined: u64,
    /// Of those, the ones that ended though the bot had not asked for it.
    pub unexpected_disconnects: u64,
}

/// One bot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayerRecord {
    /// Number of the bot, from 0.
    pub player: u32,
    /// Its name in the worlds.
    pub name: String,
    /// Its sessions, oldest first.
    pub sessions: Vec<Session>,
    /// When it was not let in.
    pub refusals: Vec<Refusal>,
    /// When it got no answer at all.
    pub failures: Vec<Failure>,
    /// Time between two updates, over all sessions.
    pub gap_ms: Quantiles,
    /// From Ping to Pong, over all sessions.
    pub round_trip_ms: Quantiles,
    /// Entries beyond [`MAX_ENTRIES`] that are missing in the lists.
    pub omitted: u64,
    /// What it did and what happened to it.
    #[serde(default)]
    pub deeds: Deeds,
}

/// One connection that got a Welcome.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// World of the Welcome.
    pub world: String,
    /// Epoch of the Welcome.
    pub epoch: u64,
    /// Where the bot connected to.
    pub address: String,
    /// Seed of the Welcome.
    pub seed: u64,
    /// Terrain hash of the Welcome, as 16 hexadecimal digits.
    pub terrain_hash: String,
    /// Entity of the Welcome, as decimal digits.
    pub entity: String,
    /// The Welcome took up the session before this one.
    pub resumed: bool,
    /// When the Welcome came.
    pub connected_unix_ms: u64,
    /// Tick of the Welcome.
    pub first_tick: u64,
    /// Tick of the last update.
    pub last_tick: u64,
    /// Updates received.
    pub updates: u64,
    /// Bytes of all messages received, without the framing.
    pub bytes_received: u64,
    /// Inputs sent.
    pub inputs_sent: u64,
    /// Last input that an update acknowledged.
    pub last_ack: u32,
    /// Way that the bot's own entity went, in metres.
    pub travelled_metres: u64,
    /// Most entities in sight at once.
    pub max_in_sight: u64,
    /// Longest time without an update, the silence at the end included.
    pub max_gap_ms: u64,
    /// Every time without an update of at least [`LONG_GAP_MS`].
    pub long_gaps: Vec<LongGap>,
    /// Notices received.
    pub notices: Vec<NoticeSeen>,
    /// A message of the server that broke the protocol, in words. The bot leaves on it.
    pub violation: Option<String>,
    /// How it ended; none while it is open.
    pub end: Option<Disconnect>,
}

/// A long silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LongGap {
    /// When it began.
    pub at_unix_ms: u64,
    /// How long it was.
    pub ms: u64,
}

/// A Notice of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NoticeSeen {
    /// When it came.
    pub at_unix_ms: u64,
    /// Its kind: `JoinsStopped`, `JoinsOpen`, `Closing`.
    pub kind: String,
    /// Its seconds.
    pub seconds: u32,
}

/// End of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disconnect {
    /// When.
    pub at_unix_ms: u64,
    /// The bot had sent a Leave before, because it was told to or because of a violation.
    pub asked_by_bot: bool,
    /// Code of the close frame; none if the connection ended without one.
    pub close_code: Option<u16>,
    /// Finite: a [`crate::protocol::KickReason`], `Left`, `GoingAway`, `OtherCode`,
    /// `ConnectionLost` (no close frame), `Silence` (no update for so long that the bot gave up).
    pub reason: String,
    /// What the server or the socket said beyond that.
    pub detail: String,
}

/// A join that the server refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// When.
    pub at_unix_ms: u64,
    /// World that the bot wanted, if it named one.
    pub world: String,
    /// Epoch that the bot wanted, if it named one.
    pub epoch: Option<u64>,
    /// Where it connected to.
    pub address: String,
    /// A [`crate::protocol::RefusalReason`].
    pub reason: String,
    /// The server's words.
    pub message: String,
}

/// A connection that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// When.
    pub at_unix_ms: u64,
    /// World that the bot wanted, if it named one.
    pub world: String,
    /// Where it connected to.
    pub address: String,
    /// Finite: `Connect`, `Timeout`, `Upgrade`, `Lost`, `Violation`.
    pub reason: String,
    /// What went wrong.
    pub detail: String,
}

/// Why a record cannot be read or written.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The file.
    #[error("cannot access {path}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Its content.
    #[error("{path} is no record of bots")]
    Json {
        /// Which.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
    /// Its version.
    #[error("{path} is a record of version {found}, this build reads {RECORD_VERSION}")]
    Version {
        /// Which.
        path: String,
        /// Version found.
        found: u32,
    },
}

impl Record {
    /// Reads a record that a run has written.
    ///
    /// # Errors
    /// The file cannot be read or is no record of this version.
    pub fn read(path: &Path) -> Result<Self, RecordError> {
        let shown = || path.display().to_string();
        let text = std::fs::read(path).map_err(|source| RecordError::Io {
            path: shown(),
            source,
        })?;
        let record: Self = serde_json::from_slice(&text).map_err(|source| RecordError::Json {
            path: shown(),
            source,
        })?;
        if record.version != RECORD_VERSION {
            return Err(RecordError::Version {
                path: shown(),
                found: record.version,
            });
        }
        Ok(record)
    }

    /// Writes the record, whole or not at all: a reader never meets half of one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), RecordError> {
        let io = |source| RecordError::Io {
            path: path.display().to_string(),
            source,
        };
        let text = serde_json::to_vec(self).map_err(|source| RecordError::Json {
            path: path.display().to_string(),
            source,
        })?;
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        std::fs::write(&part, text).map_err(io)?;
        std::fs::rename(&part, path).map_err(io)
    }

    /// Every session, with its player.
    pub fn sessions(&self) -> impl Iterator<Item = (&PlayerRecord, &Session)> {
        self.players
            .iter()
            .flat_map(|player| player.sessions.iter().map(move |session| (player, session)))
    }

    /// Sessions that ended though the bot had not asked for it. Empty means that nobody was thrown
    /// out (as long as [`PlayerRecord::omitted`] is 0 everywhere; [`Summary`] counts those too).
    pub fn thrown_out(&self) -> impl Iterator<Item = (&PlayerRecord, &Session)> {
        self.sessions().filter(|(_, session)| session.thrown_out())
    }

    /// How many bots were inside `world` at that time, at any epoch.
    #[must_use]
    pub fn inside(&self, world: &str, at_unix_ms: u64) -> usize {
        self.sessions()
            .filter(|(_, session)| session.world == world && session.covers(at_unix_ms))
            .count()
    }
}

impl Session {
    /// It ended, and the bot had not asked for it.
    #[must_use]
    pub fn thrown_out(&self) -> bool {
        self.end.as_ref().is_some_and(|end| !end.asked_by_bot)
    }

    /// The connection was up at that time.
    #[must_use]
    pub fn covers(&self, at_unix_ms: u64) -> bool {
        self.connected_unix_ms <= at_unix_ms
            && self
                .end
                .as_ref()
                .is_none_or(|end| at_unix_ms < end.at_unix_ms)
    }
}

impl Summary {
    /// Adds one player's lists. Quantiles over all players need the measurements themselves and are
    /// set by the caller.
    pub(super) fn add(&mut self, player: &PlayerRecord) {
        self.players += 1;
        self.connect_failures += player.failures.len() as u64;
        self.deeds.add(&player.deeds);
        for refusal in &player.refusals {
            self.add_refusal(refusal);
        }
        for session in &player.sessions {
            self.add_session(session);
        }
    }

    pub(super) fn add_refusal(&mut self, refusal: &Refusal) {
        *self.refused.entry(refusal.reason.clone()).or_default() += 1;
    }

    /// Adds what another summary counted; its quantiles and measured rates are left alone.
    pub(super) fn merge(&mut self, other: &Self) {
        let Self {
            players,
            joined,
            resumed,
            open,
            refused,
            connect_failures,
            unexpected_disconnects,
            closed_by_server,
            violations,
            updates,
            bytes_received,
            gap_ms: _,
            max_gap_ms,
            round_trip_ms: _,
            worlds,
            deeds,
            outcomes,
            faults,
            measured: _,
        } = other;
        self.deeds.add(deeds);
        for (mine, theirs) in [(&mut self.outcomes, outcomes), (&mut self.faults, faults)] {
            for (name, count) in theirs {
                *mine.entry(name.clone()).or_default() += count;
            }
        }
        self.players += players;
        self.joined += joined;
        self.resumed += resumed;
        self.open += open;
        self.connect_failures += connect_failures;
        self.unexpected_disconnects += unexpected_disconnects;
        self.violations += violations;
        self.updates += updates;
        self.bytes_received += bytes_received;
        self.max_gap_ms = self.max_gap_ms.max(*max_gap_ms);
        for (reason, count) in refused {
            *self.refused.entry(reason.clone()).or_default() += count;
        }
        for (reason, count) in closed_by_server {
            *self.closed_by_server.entry(reason.clone()).or_default() += count;
        }
        for (name, seen) in worlds {
            let world = self.worlds.entry(name.clone()).or_default();
            world.epochs.extend(&seen.epochs);
            world.seeds.extend(&seen.seeds);
            world.terrain_hashes.extend(seen.terrain_hashes.clone());
            world.joined += seen.joined;
            world.unexpected_disconnects += seen.unexpected_disconnects;
        }
    }

    pub(super) fn add_session(&mut self, session: &Session) {
        self.joined += 1;
        self.resumed += u64::from(session.resumed);
        self.open += u64::from(session.end.is_none());
        self.violations += u64::from(session.violation.is_some());
        self.updates += session.updates;
        self.bytes_received += session.bytes_received;
        self.max_gap_ms = self.max_gap_ms.max(session.max_gap_ms);

        let world = self.worlds.entry(session.world.clone()).or_default();
        world.epochs.insert(session.epoch);
        world.seeds.insert(session.seed);
        world.terrain_hashes.insert(session.terrain_hash.clone());
        world.joined += 1;

        if let Some(end) = session.end.as_ref().filter(|end| !end.asked_by_bot) {
            world.unexpected_disconnects += 1;
            self.unexpected_disconnects += 1;
            if end.close_code.is_some() {
                *self.closed_by_server.entry(end.reason.clone()).or_default() += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn session(from: u64, end: Option<(u64, bool, Option<u16>)>) -> Session {
        Session {
            world: "a/b".into(),
            epoch: 1,
            connected_unix_ms: from,
            end: end.map(|(at_unix_ms, asked_by_bot, close_code)| Disconnect {
                at_unix_ms,
                asked_by_bot,
                close_code,
                reason: "Closing".into(),
                detail: String::new(),
            }),
            ..Session::default()
        }
    }

    fn record() -> Record {
        let player = PlayerRecord {
            sessions: vec![
                session(10, Some((20, true, Some(1000)))),
                session(30, Some((40, false, Some(4201)))),
                session(50, Some((60, false, None))),
                session(70, None),
            ],
            ..PlayerRecord::default()
        };
        let mut summary = Summary::default();
        summary.add(&player);
        Record {
            version: RECORD_VERSION,
            started_unix_ms: 0,
            written_unix_ms: 80,
            complete: false,
            summary,
            players: vec![player],
        }
    }

    #[test]
    fn a_polite_close_by_the_server_is_still_a_throw_out() {
        let record = record();
        assert_eq!(record.thrown_out().count(), 2);
        let Summary {
            joined,
            open,
            unexpected_disconnects,
            closed_by_server,
            ..
        } = &record.summary;
        assert_eq!((*joined, *open, *unexpected_disconnects), (4, 1, 2));
        assert_eq!(closed_by_server, &BTreeMap::from([("Closing".into(), 1)]));
    }

    #[test]
    fn inside_follows_the_connected_intervals() {
        let record = record();
        for (at, inside) in [
            (9, 0),
            (10, 1),
            (19, 1),
            (20, 0),
            (35, 1),
            (65, 0),
            (999, 1),
        ] {
            assert_eq!(record.inside("a/b", at), inside, "{at}");
        }
        assert_eq!(record.inside("a/c", 10), 0);
    }

    #[test]
    fn a_record_is_read_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        let mut record = record();
        record.write(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap(), record);
        record.version += 1;
        record.write(&path).unwrap();
        let error = Record::read(&path).unwrap_err();
        assert!(matches!(error, RecordError::Version { .. }), "{error}");
    }
}
