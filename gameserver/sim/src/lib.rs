//! The simulation of a world: a pure function of its parameters, its seed and its inputs.
//!
//! Nothing here does IO, reads a clock or waits: [`World::tick`] takes the inputs of one tick and
//! returns what happened. Two worlds that were given the same inputs have the same [`World::hash`]
//! on every machine, and a [`World::snapshot`] carries all that the future depends on.
//!
//! *Architecture invariant:* state is integers of fixed width. Lints refuse floats, hash maps, clocks
//! and `usize` (`clippy.toml`), and the [`state`] traits, through which every field must pass to be
//! saved or hashed, exist for fixed-width integers only.

#![forbid(unsafe_code)]
#![deny(
    clippy::disallowed_types,
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod area;
mod creature;
mod movement;
mod params;
mod player;
mod rng;
pub mod state;
mod terrain;
mod units;
mod world;

pub use area::{EntityKind, Seen};
pub use params::{BadParams, Genre, MAX_SEED, Params, TickRate};
pub use player::{LeaveCause, MAX_NAME_BYTES};
pub use state::SnapshotError;
pub use terrain::{GENERATOR_VERSION, Ground, TILE_METRES};
pub use units::{Direction, EntityId, FULL_SPEED, Position, UNITS_PER_METRE};
pub use world::{Event, Input, MAX_PLAYERS, PLAYER_SPEED, PlayerView, Refusal, World};
