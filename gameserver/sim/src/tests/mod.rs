//! Tests of the world as a whole. They lie inside the crate because the wrong variants, which each
//! property must catch, reach into the state.
#![allow(
    clippy::disallowed_types,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod beginnings;
mod crowd;
mod pace;
mod properties;
mod recording;
mod rules;
mod snapshots;
mod vectors;
