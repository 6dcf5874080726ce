//! The players' side of the network.
//!
//! Tokio accepts, shakes hands and reads ([`listen`], `connection`); one thread writes to all sockets
//! in a fixed order ([`Sender`]), because at some thousand messages a tick a task switch for each
//! costs more than the message. Between them stands a [`Link`] per connection.

mod connection;
mod inputs;
mod link;
pub mod listen;
mod pages;
mod sender;
mod upgrade;
pub mod websocket;

pub use link::{CloseWith, Link, Want};
pub use pages::Site;
pub use sender::{Sender, Senders};
