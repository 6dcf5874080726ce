//! The operator: one leader that keeps fleets of game worlds.
//!
//! [`controllers`] runs the three loops, [`fleet`], [`server`] and [`namespace`], over what [`cache`]
//! and [`agent`] know. What a loop decides is a pure function: `fleet::decide`, `server::decide`.

pub mod agent;
pub mod args;
pub mod build;
pub mod cache;
pub mod conditions;
pub mod context;
pub mod controllers;
pub mod error;
pub mod fleet;
pub mod http;
pub mod key;
pub mod lease;
pub mod namespace;
pub mod queue;
pub mod server;
pub mod telemetry;
pub mod uninstall;
