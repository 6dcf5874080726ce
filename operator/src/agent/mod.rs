//! What the operator knows of the processes in the game pods, and what it asks of them.
//!
//! [`keys`] signs the tokens; `stream` listens to one status stream for each incarnation; [`command`]
//! stops and reopens joins; [`index`] holds what was heard, and `knowledge` says what of it counts.
//! Nothing in here decides anything about a world.

mod call;
pub mod command;
pub mod index;
pub mod keys;
mod knowledge;
mod stream;

use std::{net::SocketAddr, time::Duration};

pub use command::CommandError;
pub use index::{Changes, Index};
pub use keys::{KeyConfig, KeyError, KeyManager, KeyRing};
pub use knowledge::Knowledge;

/// Namespace and name of a GameServer.
pub use crate::key::ObjectKey as WorldKey;

/// One process that hosts a world, and where its agent listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incarnation {
    /// The world that the process hosts.
    pub world: WorldKey,
    /// The incarnation's epoch.
    pub epoch: i64,
    /// uid of the pod: the audience of the tokens.
    pub pod_uid: String,
    /// Pod IP and agent port.
    pub addr: SocketAddr,
    /// Silence after which what was heard counts no longer.
    pub stale_after: Duration,
}
