//! Every key of the configuration: the one table from which files, variables, flags, the sample and the
//! documentation come.

use super::kind::Kind;
use crate::protocol::limits;

/// One key, in its three forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// As in the file: `section.name`.
    pub path: &'static str,
    /// As an argument, without the dashes.
    pub flag: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// The value where none is given.
    pub default: &'static str,
    /// What it does, for people.
    pub meaning: &'static str,
    /// Among the few that `-h` shows.
    pub common: bool,
}

impl Key {
    /// The section of the file.
    #[must_use]
    pub fn section(&self) -> &'static str {
        self.path.split_once('.').map_or("", |(section, _)| section)
    }

    /// The name in its section.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.path
            .split_once('.')
            .map_or(self.path, |(_, name)| name)
    }

    /// The variable of the environment.
    #[must_use]
    pub fn variable(&self) -> String {
        let path = self.path.to_uppercase().replacen('.', "__", 1);
        format!("WORLDKEEPER_{path}")
    }

    /// The key at this path.
    #[must_use]
    pub fn at(section: &str, name: &str) -> Option<&'static Self> {
        ALL.iter()
            .find(|key| key.section() == section && key.name() == name)
    }
}

macro_rules! keys {
    ($($(#[doc = $meaning:literal])+ $id:ident = $path:literal, $flag:literal $(common $common:literal)?, $kind:expr, $default:expr;)+) => {
        $(
            $(#[doc = $meaning])+
            pub const $id: Key = Key {
                path: $path,
                flag: $flag,
                kind: $kind,
                default: $default,
                meaning: concat!($($meaning),+),
                common: false $(|| $common)?,
            };
        )+
        /// Every key, in the order in which they are shown.
        pub const ALL: &[Key] = &[$($id),+];
    };
}

/// As [`limits`] has it: a message that the codec refuses anyway need not be read.
const LARGEST_MESSAGE: u64 = limits::MAX_CLIENT_MESSAGE_BYTES as u64;
const LARGEST_VIEW: u64 = limits::MAX_VIEW_ENTITIES as u64;
const MAX_SEED: u64 = worldkeeper_sim::MAX_SEED;
const SIZES: Kind = Kind::Whole(
    worldkeeper_sim::Params::MIN_SIZE as u64,
    worldkeeper_sim::Params::MAX_SIZE as u64,
);

keys! {
    /// Address for players (browser and WebSocket): `0.0.0.0` or `::` for all, `127.0.0.1` for this machine alone.
    SERVER_HOST = "server.host", "host" common true, Kind::Address, "0.0.0.0";
    /// Port for players. 0 takes a free one.
    SERVER_PORT = "server.port", "port" common true, Kind::Port, "7777";
    /// Seats. Players whose connection is lost keep theirs for `resume_grace`.
    SERVER_MAX_PLAYERS = "server.max_players", "max-players" common true, Kind::Whole(1, 5000), "100";
    /// Simulation ticks per second. Part of the world's identity.
    SERVER_TICK_RATE_HZ = "server.tick_rate_hz", "tick-rate" common true, Kind::OneOf(&[10, 20, 30, 60]), "20";
    /// Largest message taken from a client, in bytes. A larger one ends its connection.
    SERVER_MAX_MESSAGE_SIZE = "server.max_message_size", "max-message-size", Kind::Whole(1024, LARGEST_MESSAGE), "8192";
    /// More messages a second from one client end its connection. At least `tick_rate_hz`.
    SERVER_MAX_MESSAGES_PER_SECOND = "server.max_messages_per_second", "max-messages-per-second", Kind::Whole(10, 10_000), "120";
    /// Longest time between two WebSocket pings to a client, in seconds. Pings go out more often where `connection_timeout` needs it.
    SERVER_PING_INTERVAL = "server.ping_interval", "ping-interval", Kind::Whole(1, 600), "30";
    /// Seconds in which a client must be heard after a ping, by its pong or otherwise; else its connection is given up.
    SERVER_PONG_TIMEOUT = "server.pong_timeout", "pong-timeout", Kind::Whole(1, 600), "10";
    /// A connection on which nothing gets through for so many seconds, in either direction, is given up. A silent client is pinged `pong_timeout` before. More than `pong_timeout`.
    SERVER_CONNECTION_TIMEOUT = "server.connection_timeout", "connection-timeout", Kind::Whole(2, 3600), "30";
    /// Seconds that a new connection may take for its upgrade, and again to say who it is.
    SERVER_HELLO_TIMEOUT = "server.hello_timeout", "hello-timeout", Kind::Whole(1, 60), "10";
    /// Seconds that a player's body waits for a lost connection to come back.
    SERVER_RESUME_GRACE = "server.resume_grace", "resume-grace", Kind::Whole(0, 3600), "60";
    /// How far a player sees, in metres.
    SERVER_VIEW_RADIUS_METRES = "server.view_radius_metres", "view-radius", Kind::Whole(8, 1000), "64";
    /// Most players and creatures in a player's view: the nearest.
    SERVER_MAX_VISIBLE = "server.max_visible", "max-visible", Kind::Whole(1, LARGEST_VIEW / 2), "32";
    /// Most things that stand still (resources, stations, bags) in a player's view: the nearest.
    SERVER_MAX_VISIBLE_FIXTURES = "server.max_visible_fixtures", "max-visible-fixtures", Kind::Whole(0, LARGEST_VIEW / 2), "48";
    /// Origins, besides the server's own, whose pages may play here: `https://play.example`, separated by commas. `*` allows all.
    SERVER_ALLOWED_ORIGINS = "server.allowed_origins", "allowed-origins", Kind::Text, "";
    /// Clients that use JSON (`?format=json`), at most. 0 turns JSON off.
    SERVER_JSON_MAX_CLIENTS = "server.json_max_clients", "json-max-clients", Kind::Whole(0, 5000), "16";
    /// Updates a second for clients that use JSON. At most `tick_rate_hz`.
    SERVER_JSON_RATE_HZ = "server.json_rate_hz", "json-rate", Kind::Whole(1, 60), "5";
    /// How far clients that use JSON see, in metres; no farther than `view_radius_metres`.
    SERVER_JSON_VIEW_RADIUS_METRES = "server.json_view_radius_metres", "json-view-radius", Kind::Whole(8, 1000), "40";
    /// On SIGTERM players are told, and disconnected so many seconds later; an empty world ends at once. Well within the pod's `terminationGracePeriodSeconds`.
    SERVER_CLOSING_NOTICE = "server.closing_notice", "closing-notice", Kind::Whole(0, 600), "2";
    /// Threads that accept and read. Ticks and writes have a thread each of their own.
    SERVER_WORKER_THREADS = "server.worker_threads", "worker-threads", Kind::Whole(1, 64), "2";

    /// Genre: its biomes, creatures, items, recipes and mechanic. Part of the world's identity.
    WORLD_GENRE = "world.genre", "genre" common true, Kind::Choice(&["Fantasy", "SciFi", "Horror", "Cyberpunk", "PostApoc"]), "Fantasy";
    /// Seed of the terrain. Part of the world's identity.
    WORLD_SEED = "world.seed", "seed" common true, Kind::Whole(0, MAX_SEED), "1";
    /// Side of the square world, in metres. Part of the world's identity.
    WORLD_SIZE = "world.size", "size", SIZES, "2000";
    /// `namespace/name` of the GameServer. Players may name it when they connect, and are refused by another.
    WORLD_NAME = "world.name", "world-name", Kind::WorldName, "local/world";
    /// Number of this incarnation of the world.
    WORLD_EPOCH = "world.epoch", "epoch", Kind::Whole(1, MAX_SEED), "1";

    /// Address of `/health`, `/metrics` and, for the operator, `/agent/v1`.
    AGENT_HOST = "agent.host", "agent-host", Kind::Address, "0.0.0.0";
    /// Port there. 0 takes a free one.
    AGENT_PORT = "agent.port", "agent-port", Kind::Port, "9090";
    /// File with the operator's public keys; it is read again when it changes. With `pod_uid`, or neither: then `/agent/v1` refuses every call.
    AGENT_JWKS_FILE = "agent.jwks_file", "agent-jwks-file", Kind::Path, "";
    /// This pod's uid: whom the operator's tokens are for.
    AGENT_POD_UID = "agent.pod_uid", "agent-pod-uid", Kind::Text, "";
    /// Unix socket for `worldkeeper-server drain`. Empty: none.
    AGENT_SOCKET = "agent.socket", "agent-socket", Kind::Path, "";

    /// Shape of the log's lines, which go to stdout: `text` for people, `json` for machines.
    LOGGING_FORMAT = "logging.format", "log-format", Kind::Choice(&["text", "json"]), "text";
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,worldkeeper_server=debug`. `--verbose` stands for `info,worldkeeper=debug`.
    LOGGING_LEVEL = "logging.level", "log-level", Kind::Filter, "info";
}
