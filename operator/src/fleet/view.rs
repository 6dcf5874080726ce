//! What the decisions about a fleet see: plain values, no clients, no clocks.

use worldkeeper_crds::{
    GameFleetSpec,
    server::{GameServerStatus, ServerState},
};

/// A fleet and its worlds, as the controller sees them now.
#[derive(Clone, Debug)]
pub struct FleetView {
    /// uid of the fleet, from which random seeds are drawn.
    pub uid: String,
    /// The spec.
    pub spec: GameFleetSpec,
    /// Seeds given out so far.
    pub seeds_issued: i64,
    /// Worlds wanted when last decided, if that was under this spec or an earlier one.
    pub desired_before: Option<i32>,
    /// Name of the current revision.
    pub revision: String,
    /// New worlds may be created: the template is a pod that the API server takes.
    pub may_create: bool,
    /// The fleet's worlds, those without a deletion timestamp and those with one.
    pub worlds: Vec<WorldView>,
}

/// One world of a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldView {
    /// Name of the GameServer.
    pub name: String,
    /// Its seed.
    pub seed: i64,
    /// Has a deletion timestamp.
    pub deleting: bool,
    /// Chosen to go.
    pub scale_down: bool,
    /// Players have been told where it is, so somebody may be inside.
    pub published: bool,
    /// Joins are stopped and nobody is inside.
    pub drained: bool,
    /// Summary of the GameServer.
    pub state: Option<ServerState>,
    /// Name of its revision.
    pub revision: String,
    /// What is known of who is inside.
    pub players: WorldPlayers,
    /// Players when last known, for people; no decision reads it.
    pub last_players: i32,
}

impl WorldView {
    /// Meant to stay.
    #[must_use]
    pub fn active(&self) -> bool {
        !self.deleting && !self.scale_down
    }
}

/// What is known of who is inside a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorldPlayers {
    /// Its address was never told: nobody can be inside.
    NotServing,
    /// Not heard yet under this leader, and not for so long that it would mean anything.
    NotHeardYet,
    /// Silent for too long.
    Stale,
    /// Fresh word of the server.
    Known {
        /// Players inside.
        players: i32,
        /// Seats.
        capacity: i32,
    },
}

impl WorldPlayers {
    /// The server's word is fresh, or nobody can be inside.
    #[must_use]
    pub fn is_known(self) -> bool {
        matches!(self, Self::NotServing | Self::Known { .. })
    }
}

/// Whether a status tells players an address.
#[must_use]
pub fn published(status: Option<&GameServerStatus>) -> bool {
    status.is_some_and(|s| s.address.is_some())
}
