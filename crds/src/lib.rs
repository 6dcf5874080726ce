//! API types of Worldkeeper: the custom resources in `worldkeeper.dev/v1alpha1`, and the agent
//! protocol between the operator and the game pods.

// The schema derive puts a copy of each type into a function of its own, where `pub` reaches nobody.
#![allow(unreachable_pub)]

pub mod agent;
pub mod fleet;
pub mod names;
pub mod server;

pub use fleet::{GameFleet, GameFleetSpec, GameFleetStatus};
pub use server::{GameServer, GameServerSpec, GameServerStatus};
