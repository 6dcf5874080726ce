//! What the decisions about a world see: plain values, no clients, no clocks.

use k8s_openapi::jiff::Timestamp;
use worldkeeper_crds::{
    agent::AgentStatus,
    server::{GameServerStatus, PortStatus},
};

use crate::{agent::Knowledge, cache::PodRecord};

/// A world, as the controller sees it now.
#[derive(Clone, Debug)]
pub struct ServerView {
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// The object has a deletion timestamp.
    pub deleting: bool,
    /// The object carries our finalizer.
    pub finalizer: bool,
    /// The fleet has chosen the world to go.
    pub scale_down: bool,
    /// Name of the revision for the next incarnation.
    pub revision: String,
    /// What the newest pod's revision says, or without a pod that of the next incarnation; `None`
    /// when there is no such revision.
    pub settings: Option<Settings>,
    /// The status that stands.
    pub status: GameServerStatus,
    /// The world's pods, newest epoch first.
    pub pods: Vec<PodView>,
    /// What is known of the newest pod's players.
    pub players: Players,
    /// The API server's refusal of the pod, if it has not been retried since.
    pub refused: Option<Refused>,
    /// Where players would reach the newest pod.
    pub way_in: WayIn,
    /// Now.
    pub now: Timestamp,
}

impl ServerView {
    /// The standing status tells players an address.
    #[must_use]
    pub fn published_now(&self) -> bool {
        self.status.address.is_some()
    }
}

/// The API server's refusal of the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Condition type that says so.
    pub condition: &'static str,
    /// One CamelCase word.
    pub reason: String,
    /// The API server's words and the remedy.
    pub message: String,
    /// Seconds until the pod is tried again.
    pub seconds_left: i64,
}

/// Where players reach a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WayIn {
    /// A node's or pod's address, or a Service's name; `None` while it has none.
    pub address: Option<String>,
    /// The ports there.
    pub ports: Vec<PortStatus>,
}

/// What of a revision matters for decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Seconds from scheduling to the world's first word.
    pub startup_timeout_seconds: i64,
}

/// A pod and the node that it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodView {
    /// The pod.
    pub pod: PodRecord,
    /// Its node.
    pub node: NodeView,
}

/// The node of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeView {
    /// The pod is bound to none.
    None,
    /// It is there.
    Present {
        /// Cordoned, or about to be removed.
        leaving: bool,
        /// The control plane does not hear its kubelet.
        unreachable: bool,
        /// An administrator vouches that its processes have ended.
        out_of_service: bool,
    },
    /// The API server has no such node: its processes have ended.
    Gone,
}

/// What is known of who is inside. There is no way to read a number out of what is not known now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Players {
    /// Nothing was heard under this leader yet, and not for so long that it would mean anything.
    Unknown,
    /// Heard, and not too long ago.
    Known(AgentStatus),
    /// Silent for longer than the fleet's `staleAfterSeconds`.
    Stale,
}

impl From<Option<Knowledge>> for Players {
    fn from(knowledge: Option<Knowledge>) -> Self {
        match knowledge {
            None | Some(Knowledge::Unknown { .. }) => Self::Unknown,
            Some(Knowledge::Known { status, .. }) => Self::Known(status),
            Some(Knowledge::Stale { .. }) => Self::Stale,
        }
    }
}
