//! The agent protocol: what the operator and the HTTP endpoint in every game pod say to each other.
//!
//! The agent listens on the pod network (port 9090 by default). `/health*` and `/metrics` are public
//! there; everything under [`PATH_PREFIX`] needs a bearer token whose claims are [`AgentClaims`],
//! signed with Ed25519 by a key of the JWKS that the operator publishes to the pod.
//!
//! | call | answer |
//! |---|---|
//! | `GET /agent/v1/watch` | newline-delimited [`AgentStatus`]: on every change (at most 4 a second) and each [`HEARTBEAT_SECONDS`] |
//! | `POST /agent/v1/drain` | joins stop; players inside stay and may reconnect; answers the [`AgentStatus`] after the change |
//! | `DELETE /agent/v1/drain` | joins are open again; answers the [`AgentStatus`] after the change |
//!
//! Refusals are `401` (no token, or one that does not verify) and `409` (a valid token of a leader
//! whose `term` is lower than one that this agent has already seen, or a change while the process is
//! closing) and `503` (the agent cannot answer now), with an [`AgentError`] body.

use serde::{Deserialize, Serialize};

/// Path under which every call needs a token.
pub const PATH_PREFIX: &str = "/agent/v1";
/// The status stream.
pub const WATCH_PATH: &str = "/agent/v1/watch";
/// Stop (`POST`) and reopen (`DELETE`) joins.
pub const DRAIN_PATH: &str = "/agent/v1/drain";
/// Port of the agent where a fleet sets no other.
pub const DEFAULT_PORT: u16 = 9090;
/// Longest silence on a healthy watch stream, in seconds.
pub const HEARTBEAT_SECONDS: u64 = 1;
/// Longest life of a token from `iat` to `exp`, in seconds. Agents refuse longer ones.
pub const MAX_TOKEN_SECONDS: u64 = 60;
/// `iss` of every token.
pub const TOKEN_ISSUER: &str = "worldkeeper-operator";
/// Longest line of a watch stream, in bytes; a longer one ends the stream.
pub const MAX_STATUS_BYTES: usize = 8 * 1024;

/// Where the operator mounts the projected JWKS in the game container.
pub const JWKS_MOUNT_PATH: &str = "/etc/worldkeeper/agent";
/// File under [`JWKS_MOUNT_PATH`], and key of the ConfigMap, that holds the JWKS.
pub const JWKS_FILE: &str = "jwks.json";
/// Where the operator mounts the folder of the agent's unix socket (`worldkeeper-server drain`).
pub const SOCKET_MOUNT_PATH: &str = "/run/worldkeeper";

/// Environment of the game container, set by the operator.
///
/// A server that is not ours reads what it needs of it. Ours reads all as configuration: the part
/// before `__` is the section, the part behind it the key.
pub mod env {
    /// `namespace/name` of the GameServer.
    pub const WORLD_NAME: &str = "WORLDKEEPER_WORLD__NAME";
    /// The world's seed, 0 to 2^53 − 1.
    pub const WORLD_SEED: &str = "WORLDKEEPER_WORLD__SEED";
    /// The world's genre, as in the GameFleet (`Fantasy`, …).
    pub const WORLD_GENRE: &str = "WORLDKEEPER_WORLD__GENRE";
    /// Side of the square world, in metres.
    pub const WORLD_SIZE: &str = "WORLDKEEPER_WORLD__SIZE";
    /// The incarnation's epoch, from 1.
    pub const WORLD_EPOCH: &str = "WORLDKEEPER_WORLD__EPOCH";
    /// Simulation ticks per second.
    pub const TICK_RATE_HZ: &str = "WORLDKEEPER_SERVER__TICK_RATE_HZ";
    /// Seats.
    pub const MAX_PLAYERS: &str = "WORLDKEEPER_SERVER__MAX_PLAYERS";
    /// Port for players: the first of the fleet's `server.ports`.
    pub const PLAYER_PORT: &str = "WORLDKEEPER_SERVER__PORT";
    /// Port of the agent.
    pub const AGENT_PORT: &str = "WORLDKEEPER_AGENT__PORT";
    /// File of the JWKS; re-read when it changes.
    pub const AGENT_JWKS_FILE: &str = "WORLDKEEPER_AGENT__JWKS_FILE";
    /// The pod's uid: the audience of every token.
    pub const AGENT_POD_UID: &str = "WORLDKEEPER_AGENT__POD_UID";
    /// Unix socket for calls from inside the container.
    pub const AGENT_SOCKET: &str = "WORLDKEEPER_AGENT__SOCKET";
}

/// Claims of an operator's token (a JWT, `alg` EdDSA, with `kid`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentClaims {
    /// [`TOKEN_ISSUER`].
    pub iss: String,
    /// uid of the pod that may accept the token.
    pub aud: String,
    /// Unix time of issue, in seconds.
    pub iat: u64,
    /// Unix time of expiry, in seconds; at most [`MAX_TOKEN_SECONDS`] after `iat`.
    pub exp: u64,
    /// Unique; accepted once on calls that change something.
    pub jti: String,
    /// Transition count of the leader's Lease. An agent refuses a lower one than it has seen, and
    /// ends streams of lower terms when a higher one arrives.
    pub term: i64,
    /// `namespace/name` of the GameServer whose incarnation is addressed.
    pub world: String,
    /// The incarnation's epoch.
    pub epoch: i64,
}

/// How far a world has gone towards its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DrainPhase {
    /// Joins are open.
    #[default]
    Serving,
    /// New players are refused; those inside stay and may reconnect.
    JoinsStopped,
    /// The process has been told to end (SIGTERM) and is closing.
    Closing,
}

/// One line of the watch stream, and the answer of the drain calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// `namespace/name` of the GameServer.
    pub world: String,
    /// The incarnation's epoch.
    pub epoch: i64,
    /// Last finished tick.
    pub tick: u64,
    /// State hash after `tick`, 16 hexadecimal digits.
    pub hash: String,
    /// Players inside: connected, or within their grace time after a lost connection.
    pub players: u32,
    /// Of `players`, those without a connection whose grace time still runs.
    pub resuming: u32,
    /// Seats.
    pub capacity: u32,
    /// 99th percentile of the tick's compute time over the last 10 s or so, in microseconds.
    pub tick_p99_micros: u64,
    /// Joins open or stopped.
    pub drain: DrainPhase,
    /// Version of the server.
    pub version: String,
}

impl AgentStatus {
    /// Nobody is inside, and nobody can come in: the world can end without throwing anyone out.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.players == 0 && self.drain != DrainPhase::Serving
    }
}

/// Body of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentError {
    /// Finite reason, fit for a metric's label: `TokenMissing`, `TokenInvalid`, `TokenExpired`,
    /// `TokenReplayed`, `WrongAudience`, `WrongWorld`, `StaleTerm`, `Closing`, `Overloaded`.
    pub reason: String,
    /// For people.
    pub message: String,
}
