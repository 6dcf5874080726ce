//! Limits of the protocol. Both sides enforce them; PROTOCOL.md states them for authors of clients.

/// The one version of the protocol that this build speaks.
pub const PROTOCOL_VERSION: u16 = 2;
/// Path of the WebSocket that players connect to.
pub const PLAY_PATH: &str = "/v1/play";
/// Player port where nothing else is configured.
pub const DEFAULT_PLAYER_PORT: u16 = 7777;

/// Largest message that a server reads from a client, in bytes. A larger one ends the connection.
pub const MAX_CLIENT_MESSAGE_BYTES: usize = 8 * 1024;
/// Largest message that a server sends, in bytes, in either format: what [`MAX_VIEW_ENTITIES`]
/// entities with the longest names take as JSON, rounded up.
pub const MAX_SERVER_MESSAGE_BYTES: usize = 256 * 1024;
/// Most entities in one client's view.
pub const MAX_VIEW_ENTITIES: usize = 512;
/// Most events in one update; more wait for the next.
pub const MAX_EVENTS: usize = 64;
/// Slots of an inventory.
pub const INVENTORY_SLOTS: usize = 24;
/// Places where equipment is worn.
pub const EQUIPMENT_PLACES: usize = 4;
/// Skills of a character.
pub const SKILLS: usize = 6;
/// Most entries in one side of a trade.
pub const MAX_OFFERS: usize = 8;
/// What hunger, thirst and the genre's meter reach at most.
pub const MAX_METER: u8 = 100;
/// Seconds that an input may be stamped ahead; further ahead counts as this.
pub const MAX_AHEAD_SECONDS: u64 = 1;
/// Seconds that an Act's `view` may lie back; what lies further back counts as now.
pub const MAX_REWIND_SECONDS: u64 = 1;

/// Longest player name, in characters.
pub const MAX_NAME_CHARS: usize = 32;
/// Longest player name, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 64;
/// Longest `namespace/gameserver`: a DNS label (63), a slash, a DNS subdomain (253).
pub const MAX_WORLD_NAME_BYTES: usize = 63 + 1 + 253;
/// Longest text that a player says, in characters.
pub const MAX_CHAT_CHARS: usize = 200;
/// Longest text that a player says, in bytes of UTF-8.
pub const MAX_CHAT_BYTES: usize = 400;
/// Longest resume token, in bytes.
pub const MAX_RESUME_TOKEN_BYTES: usize = 512;
/// Longest text for people in a refusal or a kick, in bytes. Longer texts are cut by the encoder.
pub const MAX_TEXT_BYTES: usize = 256;

/// Largest epoch, seed, tick: the integers that a JSON number carries exactly everywhere (2^53 − 1).
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;
/// Largest coordinate on either side of the origin, in millimetres (about 1,070 km).
pub const MAX_COORDINATE: i32 = (1 << 30) - 1;
/// Millimetres in a metre: positions travel as whole millimetres.
pub const UNITS_PER_METRE: i32 = 1000;
/// Largest age of a motion record, in ticks: at any tick rate more than the way across
/// [`MAX_COORDINATE`] at the lowest speed takes. Older records count as this old.
pub const MAX_MOTION_AGE: u32 = (1 << 31) - 1;
/// Length of a [`super::Direction`] that means full speed.
pub const FULL_SPEED: i8 = 127;

/// Seconds that a server waits for the Hello after the upgrade.
pub const HELLO_TIMEOUT_SECONDS: u64 = 10;
