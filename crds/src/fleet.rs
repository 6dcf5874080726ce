//! GameFleet: what a studio applies.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Largest seed, 2^53 − 1: the largest integer that every JSON reader keeps exactly.
pub const SEED_MAX: i64 = (1 << 53) - 1;

/// A fleet of game worlds.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "worldkeeper.dev",
    version = "v1alpha1",
    kind = "GameFleet",
    namespaced,
    status = "GameFleetStatus",
    derive = "PartialEq",
    shortname = "gf",
    category = "worldkeeper",
    cel,
    doc = "A fleet of game worlds: how many, which, what runs them, and how they follow their players.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Desired", type_ = "integer", json_path = ".status.desiredReplicas", description = "Worlds wanted"),
    printcolumn(name = "Ready", type_ = "integer", json_path = ".status.readyReplicas", description = "Worlds that players can be in"),
    printcolumn(name = "Draining", type_ = "integer", json_path = ".status.drainingReplicas", description = "Worlds that wait for their players to leave"),
    printcolumn(name = "Players", type_ = "integer", json_path = ".status.players"),
    printcolumn(name = "Seats", type_ = "integer", json_path = ".status.capacity"),
    printcolumn(name = "Unknown", type_ = "integer", json_path = ".status.unknownReplicas", description = "Worlds whose player count is not known now", priority = 1),
    printcolumn(name = "Genre", type_ = "string", json_path = ".spec.world.genre", priority = 1),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 36").message("metadata.name must be at most 36 characters: pods are named <fleet>-<seed>-<epoch>; choose a shorter name")
)]
#[x_kube(
    validation = Rule::new("self.world.seeds.type != 'List' || !has(self.world.seeds.list) || self.replicas <= size(self.world.seeds.list)").message("spec.replicas is larger than the number of seeds in spec.world.seeds.list; add seeds or lower replicas"),
    validation = Rule::new("self.world.seeds.type != 'List' || !has(self.world.seeds.list) || !has(self.autoscaling) || self.autoscaling.maxReplicas <= size(self.world.seeds.list)").message("spec.autoscaling.maxReplicas is larger than the number of seeds in spec.world.seeds.list; add seeds or lower maxReplicas"),
    validation = Rule::new("!has(self.autoscaling) || self.autoscaling.seats.buffer < self.autoscaling.maxReplicas * self.world.maxPlayers").message("spec.autoscaling.seats.buffer asks for as many free seats as maxReplicas worlds have in all; lower buffer, or raise maxReplicas or world.maxPlayers")
)]
#[serde(rename_all = "camelCase")]
pub struct GameFleetSpec {
    /// Worlds wanted, where `autoscaling` is absent. `kubectl scale` and HorizontalPodAutoscalers
    /// write it. With `autoscaling` it is not read, and never written by the operator.
    #[serde(default = "defaults::one")]
    #[schemars(range(min = 0, max = 10000))]
    pub replicas: i32,
    /// What each world is.
    pub world: WorldSpec,
    /// What runs each world.
    pub server: ServerSpec,
    /// Follow the players: the number of worlds between two bounds that keeps some seats free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<AutoscalingSpec>,
}

/// What a world is: its seed and its rules. All but `maxPlayers` and added seeds is for life.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("self.genre == oldSelf.genre").message("spec.world.genre cannot be changed: the worlds of this fleet keep their identity; create another GameFleet"),
    validation = Rule::new("self.tickRateHz == oldSelf.tickRateHz").message("spec.world.tickRateHz cannot be changed: the worlds of this fleet keep their identity; create another GameFleet"),
    validation = Rule::new("self.size == oldSelf.size").message("spec.world.size cannot be changed: the worlds of this fleet keep their identity; create another GameFleet")
)]
#[serde(rename_all = "camelCase")]
pub struct WorldSpec {
    /// The worlds' genre: its terrain, items and creatures.
    pub genre: Genre,
    /// Where the worlds' seeds come from.
    #[serde(default)]
    pub seeds: Seeds,
    /// Simulation ticks per second: 10, 20, 30 or 60.
    #[serde(default = "defaults::tick_rate_hz")]
    #[schemars(extend("enum" = [10, 20, 30, 60]))]
    pub tick_rate_hz: i32,
    /// Seats of a world. A change applies to a world's next incarnation.
    #[serde(default = "defaults::max_players")]
    #[schemars(range(min = 1, max = 5000))]
    pub max_players: i32,
    /// Side of the square world, in metres.
    #[serde(default = "defaults::size")]
    #[schemars(range(min = 256, max = 16384))]
    pub size: i32,
}

/// The theme of a world.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Genre {
    /// Swords and spells.
    Fantasy,
    /// Ships and stars.
    SciFi,
    /// Fear in the dark.
    Horror,
    /// Neon and chrome.
    Cyberpunk,
    /// What is left.
    PostApoc,
}

impl Genre {
    /// The name in the API and in the server's configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fantasy => "Fantasy",
            Self::SciFi => "SciFi",
            Self::Horror => "Horror",
            Self::Cyberpunk => "Cyberpunk",
            Self::PostApoc => "PostApoc",
        }
    }
}

/// Where seeds come from. No seed is given to two worlds of a fleet.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("self.type == oldSelf.type").message("spec.world.seeds.type cannot be changed: seeds already given out would be given out again; create another GameFleet"),
    validation = Rule::new("self.type == 'List' ? has(self.list) && size(self.list) > 0 : true").message("spec.world.seeds.list must have at least one seed when seeds.type is List; add the seeds"),
    validation = Rule::new("self.type == 'List' || !has(self.list)").message("spec.world.seeds.list is only for seeds.type List; remove it or set the type"),
    validation = Rule::new("self.type == 'Sequential' || !has(self.start)").message("spec.world.seeds.start is only for seeds.type Sequential; remove it or set the type")
)]
pub struct Seeds {
    /// Sequential: `start`, `start` + 1, …, each given out once. Random: drawn for each world,
    /// none twice. List: those of `list`; the seed of a world that is gone is free again.
    #[serde(default, rename = "type")]
    pub type_: SeedsType,
    /// First seed of a Sequential fleet; 1 if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = SEED_MAX))]
    pub start: Option<i64>,
    /// The seeds of a List fleet, none twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000), inner(range(min = 0, max = SEED_MAX)), extend("x-kubernetes-list-type" = "set"))]
    pub list: Option<Vec<i64>>,
}

impl Default for Seeds {
    fn default() -> Self {
        Self {
            type_: SeedsType::Sequential,
            start: None,
            list: None,
        }
    }
}

/// Kind of seed source.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeedsType {
    /// One after the other.
    #[default]
    Sequential,
    /// Drawn at random.
    Random,
    /// As listed.
    List,
}

/// What runs a world.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("self.template.spec.containers.exists(c, c.name == self.container)").message("spec.server.template.spec.containers has no container named as spec.server.container (default: server); name one of them so, or set container"),
    validation = Rule::new("!self.ports.exists(p, p.exposure == 'HostPort') || has(self.hostPortRange)").message("spec.server.hostPortRange is required when a port has exposure HostPort; set min and max"),
    validation = Rule::new("!has(self.hostPortRange) || self.hostPortRange.min > self.hostPortRange.max || self.hostPortRange.max - self.hostPortRange.min + 1 >= self.ports.filter(p, p.exposure == 'HostPort').size()").message("spec.server.hostPortRange has fewer numbers than spec.server.ports has HostPort ports; widen the range"),
    validation = Rule::new("self.ports.all(p, self.ports.exists_one(q, q.containerPort == p.containerPort))").message("spec.server.ports has the same containerPort twice; give each port its own"),
    validation = Rule::new("!self.ports.exists(p, p.containerPort == self.agent.port)").message("spec.server.ports uses the containerPort of spec.server.agent.port; change one of them")
)]
#[serde(rename_all = "camelCase")]
pub struct ServerSpec {
    /// Name of the container in `template` that runs the world.
    #[serde(default = "defaults::container")]
    #[schemars(length(min = 1, max = 63))]
    pub container: String,
    /// The pod of a world. Any field of a pod template may stand here; what the API server would
    /// not take as a pod shows in condition TemplateInvalid. The operator sets restartPolicy,
    /// host ports, the agent's key and socket volumes, and, where they are not given, a security
    /// context that the restricted Pod Security Standard accepts.
    pub template: PodTemplate,
    /// Ports of the world. The first one is for players.
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub ports: Vec<ServerPort>,
    /// Numbers for ports with exposure HostPort.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_port_range: Option<PortRange>,
    /// The endpoint in each pod that the operator talks to.
    #[serde(default)]
    pub agent: AgentSpec,
    /// Seconds from a pod's scheduling to its world's first word, after which the start has failed.
    #[serde(default = "defaults::startup_timeout_seconds")]
    #[schemars(range(min = 5, max = 3600))]
    pub startup_timeout_seconds: i32,
}

/// A pod template. Only what rules must see is typed; every field of a pod may be given.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct PodTemplate {
    /// Labels and annotations of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<PodTemplateMetadata>,
    /// The pods' spec.
    pub spec: PodTemplateSpec,
}

/// Labels and annotations of the pods.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodTemplateMetadata {
    /// Labels; those under `worldkeeper.dev/` are the operator's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A pod's spec, as in the Kubernetes API.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct PodTemplateSpec {
    /// The pod's containers, one of them the world's.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub containers: Vec<Container>,
    /// Everything else of a pod's spec.
    #[serde(flatten)]
    #[schemars(skip)]
    pub rest: serde_json::Map<String, Value>,
}

/// A container, as in the Kubernetes API.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Container {
    /// Its name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Its image.
    #[schemars(length(min = 1, max = 1024))]
    pub image: String,
    /// Everything else of a container.
    #[serde(flatten)]
    #[schemars(skip)]
    pub rest: serde_json::Map<String, Value>,
}

/// A port of the world.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerPort {
    /// Its name.
    #[schemars(
        length(min = 1, max = 15),
        regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    )]
    pub name: String,
    /// The number that the server listens on.
    #[schemars(range(min = 1, max = 65535))]
    pub container_port: i32,
    /// TCP or UDP.
    #[serde(default)]
    pub protocol: Protocol,
    /// How players reach it.
    #[serde(default)]
    pub exposure: Exposure,
}

/// Transport protocol.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP.
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    /// UDP.
    #[serde(rename = "UDP")]
    Udp,
}

impl Protocol {
    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// How a port is reached.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exposure {
    /// At the pod's own address only.
    #[default]
    None,
    /// At the node's address, on a number from `hostPortRange`.
    HostPort,
    /// At the address of a ClusterIP Service of the world's own.
    Service,
}

/// Host port numbers, both ends included, below the NodePort and ephemeral ranges.
#[derive(KubeSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("self.min <= self.max").message("spec.server.hostPortRange.min is above max; swap them")
)]
pub struct PortRange {
    /// First number.
    #[schemars(range(min = 1024, max = 29999))]
    pub min: i32,
    /// Last number.
    #[schemars(range(min = 1024, max = 29999))]
    pub max: i32,
}

/// The endpoint in each pod that the operator talks to.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentSpec {
    /// Its port on the pod network.
    #[serde(default = "defaults::agent_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Seconds of silence after which a world's player count is unknown. Unknown counts as full
    /// when the fleet grows, and as populated when it shrinks or a world is to end.
    #[serde(default = "defaults::stale_after_seconds")]
    #[schemars(range(min = 2, max = 600))]
    pub stale_after_seconds: i32,
}

impl Default for AgentSpec {
    fn default() -> Self {
        Self {
            port: defaults::agent_port(),
            stale_after_seconds: defaults::stale_after_seconds(),
        }
    }
}

/// Follow the players.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("self.minReplicas <= self.maxReplicas").message("spec.autoscaling.minReplicas is above maxReplicas; swap them")
)]
#[serde(rename_all = "camelCase")]
pub struct AutoscalingSpec {
    /// Fewest worlds.
    #[schemars(range(min = 0, max = 10000))]
    pub min_replicas: i32,
    /// Most worlds.
    #[schemars(range(min = 1, max = 10000))]
    pub max_replicas: i32,
    /// Seats to keep.
    pub seats: SeatsSpec,
}

/// Seats to keep.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatsSpec {
    /// Seats to keep free over the whole fleet.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub buffer: i32,
}

/// What the operator saw and decided.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GameFleetStatus {
    /// Summary for people; programs read the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<FleetState>,
    /// Generation of the spec that this status answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Worlds that are meant to stay; those that drain towards their end do not count.
    #[serde(default)]
    pub replicas: i32,
    /// Of `replicas`, those that players can be in.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Worlds wanted: `spec.replicas`, or the autoscaler's number.
    #[serde(default)]
    pub desired_replicas: i32,
    /// Worlds on their way to their end.
    #[serde(default)]
    pub draining_replicas: i32,
    /// Worlds of the newest revision.
    #[serde(default)]
    pub updated_replicas: i32,
    /// Ready worlds whose player count is not known now. `players` has their last known counts.
    #[serde(default)]
    pub unknown_replicas: i32,
    /// Players inside, over all worlds.
    #[serde(default)]
    pub players: i32,
    /// Seats of all Ready worlds.
    #[serde(default)]
    pub capacity: i32,
    /// Seeds given out so far. A seed is counted here before its world is created, so that none is
    /// given out twice.
    #[serde(default)]
    pub seeds_issued: i64,
    /// Name of the ControllerRevision of the current `server` and `world.maxPlayers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_revision: Option<String>,
    /// Label selector of the pods, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Ready, TemplateInvalid, AutoscalingActive, PlayersKnown, LivenessProbePresent.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// A fleet in a word.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FleetState {
    /// As many Ready worlds as wanted.
    Ready,
    /// Worlds start or drain.
    Scaling,
    /// Some worlds fail; see their conditions.
    Degraded,
    /// The spec cannot be acted on; see the conditions.
    Invalid,
    /// Being deleted.
    Deleting,
}

impl FleetState {
    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Scaling => "Scaling",
            Self::Degraded => "Degraded",
            Self::Invalid => "Invalid",
            Self::Deleting => "Deleting",
        }
    }
}

/// Condition types of a GameFleet.
pub mod condition {
    /// As many Ready worlds as wanted.
    pub const READY: &str = "Ready";
    /// The API server does not take the template as a pod.
    pub const TEMPLATE_INVALID: &str = "TemplateInvalid";
    /// The autoscaler decides the number of worlds, and why it is what it is.
    pub const AUTOSCALING_ACTIVE: &str = "AutoscalingActive";
    /// The player count of every Ready world is known.
    pub const PLAYERS_KNOWN: &str = "PlayersKnown";
    /// The template has a liveness probe, by which the kubelet would end populated worlds.
    pub const LIVENESS_PROBE_PRESENT: &str = "LivenessProbePresent";
}

mod defaults {
    pub(super) fn one() -> i32 {
        1
    }
    pub(super) fn tick_rate_hz() -> i32 {
        20
    }
    pub(super) fn max_players() -> i32 {
        100
    }
    pub(super) fn size() -> i32 {
        2000
    }
    pub(super) fn container() -> String {
        "server".into()
    }
    pub(super) fn startup_timeout_seconds() -> i32 {
        120
    }
    pub(super) fn agent_port() -> i32 {
        i32::from(crate::agent::DEFAULT_PORT)
    }
    pub(super) fn stale_after_seconds() -> i32 {
        10
    }
}
