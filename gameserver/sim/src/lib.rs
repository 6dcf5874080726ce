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
pub mod content;
mod creature;
mod event;
mod fixture;
mod history;
mod input;
mod inventory;
pub mod movement;
mod pages;
mod params;
mod player;
mod populate;
mod progress;
mod rng;
mod sites;
mod snapshot;
pub mod state;
mod systems;
mod terrain;
mod trade;
mod units;
mod view;
mod vitals;
mod world;

#[cfg(test)]
mod tests;

pub use area::{EntityKind, Pose, Seen};
pub use content::{Content, Ground, ItemId, Place, RecipeId, Skill};
pub use event::{DeathCause, Event, Gain, Outcome, Refusal};
pub use input::{Action, Input, MAX_OFFERS, MAX_SAY_BYTES, MAX_SAY_CHARS, Offer};
pub use params::{BadParams, Genre, MAX_SEED, Params, TickRate};
pub use player::{LeaveCause, MAX_NAME_BYTES};
pub use progress::{MAX_LEVEL, level_of};
pub use snapshot::Frozen;
pub use state::SnapshotError;
pub use systems::{BODIES, FIST_RANGE, REACH, STATION_REACH, TRADE_REACH, is_speakable};
pub use terrain::{GENERATOR_VERSION, TILE_METRES, Terrain};
pub use units::{Direction, EntityId, FULL_SPEED, Position, UNITS_PER_METRE};
pub use view::{
    Activity, ActivityKind, Offered, PlayerNow, PlayerView, SLOTS, Stack, Statistics, TradeView,
};
pub use world::{HEARING, MAX_PLAYERS, PLAYER_SPEED, STARVING_SPEED, World};
