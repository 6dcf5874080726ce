//! The world server: one process hosts one world.
//!
//! ```text
//!           players                                         operator, kubelet, Prometheus
//!              │ WebSocket                                              │ HTTP, unix socket
//!   net::listen ─ net::connection (tokio: accept, handshake, read)   agent (tokio)
//!              │ commands                                               │ commands
//!              └───────────────► game (thread "tick") ◄─────────────────┘
//!                                  │ worldkeeper_sim::World        │ AgentStatus (watch)
//!                                  ▼ encodes into each net::Link   └──────────► agent
//!                              net::sender (thread "send"): writes to the sockets
//! ```
//!
//! *Architecture invariants:* only the tick thread touches the world and the sessions; what others want
//! goes to it as a command and is answered at a tick boundary. Nothing of the network, the clock or
//! chance gets into the world but through the inputs of a tick. No queue grows without bound.

pub mod agent;
pub mod bots;
pub mod config;
mod cputime;
pub mod descriptors;
pub mod game;
pub mod logging;
pub mod metrics;
pub mod net;
pub mod serve;

pub use worldkeeper_protocol as protocol;

/// Version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
