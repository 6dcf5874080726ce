//! Bots: load generator and conformance client of the player protocol.
//!
//! A [`Swarm`] holds all bots of a process. A caller lists the worlds and says how many bots play;
//! [`plan`] decides who goes where, each bot plays by PROTOCOL.md and writes down what it saw, and
//! the [`record::Record`] of the run is what scenarios and benchmarks judge by. Nothing here knows
//! Kubernetes: the caller feeds worlds as [`command::Command`]s, one JSON object a line:
//!
//! ```json
//! {"op":"set","worlds":[{"world":"games/f-1","epoch":1,"address":"198.18.0.2","port":20000,"capacity":50}]}
//! {"op":"players","count":40}
//! {"op":"players","count":2,"world":"games/f-1"}
//! {"op":"leave_world","world":"games/f-1"}
//! {"op":"leave"}
//! {"op":"measure"}
//! {"op":"record"}
//! {"op":"stop"}
//! ```
//!
//! and hears [`command::Report`]s of where everyone is.

pub mod address;
mod clock;
pub mod command;
mod connection;
mod engine;
mod frames;
mod log;
mod mind;
mod pace;
mod pack;
mod peer;
pub mod placement;
pub mod plan;
mod play;
mod player;
mod predict;
pub mod record;
mod steer;
mod swarm;
mod truth;
mod worlds;

pub use player::Dialect;
pub use swarm::{Input, Listed, MAX_PLAYERS, Options, Reports, Swarm, SwarmError};
