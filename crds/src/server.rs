//! GameServer: the durable identity of one world.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fleet::{Genre, SEED_MAX};

/// One world.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "worldkeeper.dev",
    version = "v1alpha1",
    kind = "GameServer",
    namespaced,
    status = "GameServerStatus",
    derive = "PartialEq",
    shortname = "gs",
    category = "worldkeeper",
    cel,
    doc = "One world: its identity, and the incarnation that hosts it now.",
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Seed", type_ = "integer", json_path = ".spec.world.seed"),
    printcolumn(name = "Players", type_ = "integer", json_path = ".status.players"),
    printcolumn(name = "Seats", type_ = "integer", json_path = ".status.capacity"),
    printcolumn(name = "Epoch", type_ = "integer", json_path = ".status.epoch", description = "Incarnation of the world, counted from 1"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.address"),
    printcolumn(name = "Port", type_ = "integer", json_path = ".status.ports[0].port"),
    printcolumn(name = "Node", type_ = "string", json_path = ".status.nodeName"),
    printcolumn(name = "Genre", type_ = "string", json_path = ".spec.world.genre", priority = 1),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 53").message("metadata.name must be at most 53 characters: pods are named <gameserver>-<epoch>; choose a shorter name")
)]
#[serde(rename_all = "camelCase")]
pub struct GameServerSpec {
    /// The world's identity, for life.
    pub world: WorldIdentity,
    /// Name of the ControllerRevision whose template the next incarnation is built from. The fleet
    /// moves it while the world is not Ready; a Ready world keeps its own until it ends.
    #[schemars(length(min = 1, max = 253))]
    pub revision: String,
    /// The fleet has chosen this world to go: joins stop, and it ends once nobody is inside. May be
    /// taken back while the world still stands.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scale_down: bool,
}

/// What makes a world this world.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("self == oldSelf").message("spec.world is the world's identity and cannot be changed; create another world")
)]
#[serde(rename_all = "camelCase")]
pub struct WorldIdentity {
    /// Seed of the terrain and of everything drawn at random.
    #[schemars(range(min = 0, max = SEED_MAX))]
    pub seed: i64,
    /// Genre.
    pub genre: Genre,
    /// Simulation ticks per second.
    #[schemars(extend("enum" = [10, 20, 30, 60]))]
    pub tick_rate_hz: i32,
    /// Side of the square world, in metres.
    #[schemars(range(min = 256, max = 16384))]
    pub size: i32,
}

/// What the operator saw and decided.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GameServerStatus {
    /// Summary for people; programs read the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ServerState>,
    /// Generation of the spec that this status answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Epoch of the newest incarnation; 0 before the first.
    #[serde(default)]
    pub epoch: i64,
    /// Where players reach the world: a node's or pod's address, or the name of a Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The ports at `address`, in the order of the fleet's `server.ports`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub ports: Vec<PortStatus>,
    /// Pod of the newest incarnation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_name: Option<String>,
    /// Node of that pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
    /// Players inside when last known; condition PlayersKnown tells whether that is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub players: Option<i32>,
    /// Seats, as the server reports them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<i32>,
    /// Failed starts and crashes that count against the world's crash budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<Failures>,
    /// Ready, PlayersKnown, JoinsStopped, Drained, Started, PortsForbidden, TemplateInvalid,
    /// NodeReachable.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// A port at the world's address.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortStatus {
    /// Its name in the fleet's `server.ports`.
    pub name: String,
    /// Its number at the world's address.
    pub port: i32,
}

/// The crash budget of a world: failures in a row, by which the next start is delayed.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failures {
    /// Failures in a row. A long enough time in Ready starts the count anew.
    pub count: i32,
    /// The last incarnation that failed: each is counted once.
    pub last_epoch: i64,
    /// When it was seen to fail.
    pub last_time: Time,
    /// Why, in one CamelCase word: Crashed, StartupTimeout, …
    pub reason: String,
    /// Revision that failed: another one starts with a fresh budget.
    pub revision: String,
}

/// A world in a word.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ServerState {
    /// No incarnation yet, or none between two.
    Pending,
    /// Its pod is on the way.
    Starting,
    /// Players can be in.
    Ready,
    /// Joins are stopped; it waits for the players inside to leave.
    Draining,
    /// It fails to start, or its server is silent; see the conditions.
    Unhealthy,
}

impl ServerState {
    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Starting => "Starting",
            Self::Ready => "Ready",
            Self::Draining => "Draining",
            Self::Unhealthy => "Unhealthy",
        }
    }
}

/// Condition types of a GameServer.
pub mod condition {
    /// Players can be in.
    pub const READY: &str = "Ready";
    /// `players` is the count now.
    pub const PLAYERS_KNOWN: &str = "PlayersKnown";
    /// The server has acknowledged, at this epoch, that nobody new comes in.
    pub const JOINS_STOPPED: &str = "JoinsStopped";
    /// Joins are stopped and nobody is inside.
    pub const DRAINED: &str = "Drained";
    /// The incarnation has started; if not, why.
    pub const STARTED: &str = "Started";
    /// The namespace's Pod Security level forbids host ports.
    pub const PORTS_FORBIDDEN: &str = "PortsForbidden";
    /// The API server does not take the revision's template as a pod.
    pub const TEMPLATE_INVALID: &str = "TemplateInvalid";
    /// The control plane hears the node of the incarnation.
    pub const NODE_REACHABLE: &str = "NodeReachable";
}
