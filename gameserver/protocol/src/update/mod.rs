//! Updates: what a client is shown, as the difference to what it was shown before.
//!
//! Both ends keep the same list of visible entities, sorted by id. A binary update names an entity
//! by its place in that list (one byte for most). How entities move is told by motion records (see
//! [`super::Motion`]), which are made once for everyone: most entities of most updates are not in
//! them at all, and the bytes of those that are have been encoded once and are copied. The difference
//! is taken against what was last *written*, so a server may skip any number of ticks for a slow
//! client.

mod events;
mod state;
mod table;
mod view;
mod writer;

pub use table::{EntityTable, Observed, Slot};
pub use view::{Known, Own, Received, View, decode_server};
pub use writer::{Moment, SentView, Sighting, UpdateWriter};

/// The high bit of the first byte marks an update; the rest of the byte says what it holds.
const UPDATE: u8 = 0x80;
const HAS_TICK: u8 = 0x01;
const HAS_ACK: u8 = 0x02;
const HAS_OWN: u8 = 0x04;
const HAS_LEFT: u8 = 0x08;
const HAS_ENTERED: u8 = 0x10;
const HAS_MOVED: u8 = 0x20;
/// A second byte of flags follows the first.
const HAS_MORE: u8 = 0x40;

/// Flags of the second byte.
const HAS_PLACED: u8 = 0x01;
const HAS_CHANGED: u8 = 0x02;
const HAS_SELF: u8 = 0x04;
const HAS_EVENTS: u8 = 0x08;
const KNOWN_MORE: u8 = HAS_PLACED | HAS_CHANGED | HAS_SELF | HAS_EVENTS;
