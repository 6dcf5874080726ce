//! What is kept of each kind: whole objects of ours, trimmed views of pods, nodes and the rest.

use std::net::IpAddr;

use k8s_openapi::{
    api::{
        apps::v1::ControllerRevision,
        core::v1::{ContainerState, ContainerStatus, Namespace, Node, Pod},
        policy::v1::PodDisruptionBudget,
    },
    jiff::Timestamp,
};
use kube::{Resource, ResourceExt};
use worldkeeper_crds::{GameFleet, GameServer, names};

use super::table::{Meta, Record};
use crate::key::ObjectKey;

impl Meta {
    fn of(object: &impl ResourceExt) -> Self {
        Self {
            key: ObjectKey::new(object.namespace().unwrap_or_default(), object.name_any()),
            uid: object.uid().unwrap_or_default(),
            version: object
                .resource_version()
                .and_then(|v| v.parse().ok())
                .unwrap_or_default(),
        }
    }
}

/// A whole object of ours.
#[derive(Clone, Debug)]
pub struct Whole<K> {
    /// Keys, uid and version.
    pub meta: Meta,
    /// The object, without its managed fields.
    pub object: K,
}

impl<K: Resource> Whole<K> {
    /// Takes what is kept.
    pub fn new(mut object: K) -> Self {
        object.meta_mut().managed_fields = None;
        Self {
            meta: Meta::of(&object),
            object,
        }
    }
}

impl<K: Resource> Whole<K> {
    /// Key of the fleet that the object names by label.
    #[must_use]
    pub fn fleet(&self) -> Option<ObjectKey> {
        let name = self
            .object
            .meta()
            .labels
            .as_ref()?
            .get(names::LABEL_FLEET)?;
        Some(ObjectKey::new(
            self.meta.key.namespace.clone(),
            name.as_str(),
        ))
    }
}

macro_rules! whole_record {
    ($kind:ty) => {
        impl Record for Whole<$kind> {
            fn meta(&self) -> &Meta {
                &self.meta
            }
            fn group(&self) -> Option<ObjectKey> {
                self.fleet()
            }
            fn same(&self, _other: &Self) -> bool {
                false
            }
        }
    };
}

whole_record!(GameFleet);
whole_record!(GameServer);
whole_record!(ControllerRevision);
whole_record!(PodDisruptionBudget);

/// The state of the world's container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerView {
    /// Not started; the reason is the kubelet's, empty while it has said nothing.
    Waiting {
        /// As in `state.waiting.reason`.
        reason: String,
        /// As in `state.waiting.message`.
        message: String,
    },
    /// Runs.
    Running,
    /// Has ended.
    Terminated {
        /// Exit code of the process.
        exit_code: i32,
        /// As in `state.terminated.reason`.
        reason: String,
        /// Start and end of the process, when known.
        ran: Option<(Timestamp, Timestamp)>,
    },
}

/// A game pod: one incarnation of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRecord {
    /// Keys, uid and version.
    pub meta: Meta,
    /// Name of the GameServer.
    pub world: String,
    /// The incarnation's epoch.
    pub epoch: i64,
    /// Name of the ControllerRevision that the pod was built from.
    pub revision: String,
    /// Node that the pod is bound to.
    pub node: Option<String>,
    /// Address on the pod network.
    pub ip: Option<IpAddr>,
    /// Address of the node.
    pub host_ip: Option<String>,
    /// Host ports: protocol and number.
    pub host_ports: Vec<(String, u16)>,
    /// Condition Ready.
    pub ready: bool,
    /// Has a deletion timestamp.
    pub terminating: bool,
    /// Carries the mark by which policy and budget let it go.
    pub evictable: bool,
    /// Carries the fencing finalizer.
    pub fencing: bool,
    /// The finalizers other than ours.
    pub other_finalizers: Vec<String>,
    /// Phase is Succeeded or Failed.
    pub finished: bool,
    /// `status.reason`: Evicted, NodeShutdown, ….
    pub status_reason: Option<String>,
    /// Time of creation.
    pub created: Option<Timestamp>,
    /// Time of the binding to a node.
    pub scheduled: Option<Timestamp>,
    /// The scheduler's words when it finds no node.
    pub unschedulable: Option<String>,
    /// State of the world's container.
    pub container: ContainerView,
}

impl PodRecord {
    /// Takes what is kept. `None` for a pod that is no incarnation.
    #[must_use]
    pub fn new(pod: &Pod) -> Option<Self> {
        let label = |key: &str| pod.labels().get(key).cloned();
        let world = label(names::LABEL_WORLD)?;
        let epoch = label(names::LABEL_EPOCH)?.parse().ok()?;
        let spec = pod.spec.as_ref();
        let status = pod.status.as_ref();
        let container_name = pod
            .annotations()
            .get(names::ANNOTATION_DEFAULT_CONTAINER)
            .cloned()
            .or_else(|| Some(spec?.containers.first()?.name.clone()))?;
        let container = status
            .and_then(|s| s.container_statuses.as_ref())
            .and_then(|all| all.iter().find(|c| c.name == container_name));
        let conditions = status.and_then(|s| s.conditions.as_deref()).unwrap_or(&[]);
        let condition = |type_: &str| conditions.iter().find(|c| c.type_ == type_);
        let scheduled = condition("PodScheduled");
        Some(Self {
            meta: Meta::of(pod),
            world,
            epoch,
            revision: label(names::LABEL_REVISION).unwrap_or_default(),
            node: spec.and_then(|s| s.node_name.clone()),
            ip: status.and_then(|s| s.pod_ip.as_ref()?.parse().ok()),
            host_ip: status.and_then(|s| s.host_ip.clone()),
            host_ports: spec
                .into_iter()
                .flat_map(|s| &s.containers)
                .flat_map(|c| c.ports.iter().flatten())
                .filter_map(|p| {
                    let number = u16::try_from(p.host_port?).ok().filter(|n| *n > 0)?;
                    Some((p.protocol.clone().unwrap_or_else(|| "TCP".into()), number))
                })
                .collect(),
            ready: condition("Ready").is_some_and(|c| c.status == "True"),
            terminating: pod.meta().deletion_timestamp.is_some(),
            evictable: label(names::LABEL_EVICTABLE).as_deref() == Some(names::TRUE),
            fencing: pod
                .finalizers()
                .iter()
                .any(|f| f == names::FINALIZER_FENCING),
            other_finalizers: pod
                .finalizers()
                .iter()
                .filter(|f| *f != names::FINALIZER_FENCING)
                .cloned()
                .collect(),
            finished: status
                .and_then(|s| s.phase.as_deref())
                .is_some_and(|p| p == "Succeeded" || p == "Failed"),
            status_reason: status.and_then(|s| s.reason.clone()),
            created: pod.creation_timestamp().map(|t| t.0),
            scheduled: scheduled
                .filter(|c| c.status == "True")
                .and_then(|c| c.last_transition_time.as_ref().map(|t| t.0)),
            unschedulable: scheduled
                .filter(|c| c.status == "False")
                .map(|c| c.message.clone().unwrap_or_default()),
            container: container.map_or_else(waiting_for_the_kubelet, container_view),
        })
    }
}

fn waiting_for_the_kubelet() -> ContainerView {
    ContainerView::Waiting {
        reason: String::new(),
        message: String::new(),
    }
}

fn container_view(status: &ContainerStatus) -> ContainerView {
    let Some(ContainerState {
        running,
        terminated,
        waiting,
    }) = &status.state
    else {
        return waiting_for_the_kubelet();
    };
    if let Some(terminated) = terminated {
        ContainerView::Terminated {
            exit_code: terminated.exit_code,
            reason: terminated.reason.clone().unwrap_or_default(),
            ran: terminated
                .started_at
                .as_ref()
                .zip(terminated.finished_at.as_ref())
                .map(|(from, to)| (from.0, to.0)),
        }
    } else if running.is_some() {
        ContainerView::Running
    } else {
        let waiting = waiting.clone().unwrap_or_default();
        ContainerView::Waiting {
            reason: waiting.reason.unwrap_or_default(),
            message: waiting.message.unwrap_or_default(),
        }
    }
}

impl Record for PodRecord {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn group(&self) -> Option<ObjectKey> {
        Some(ObjectKey::new(
            self.meta.key.namespace.clone(),
            self.world.as_str(),
        ))
    }
    fn same(&self, other: &Self) -> bool {
        let unversioned = |pod: &Self| Self {
            meta: Meta {
                version: 0,
                ..pod.meta.clone()
            },
            ..pod.clone()
        };
        unversioned(self) == unversioned(other)
    }
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    /// Keys, uid and version.
    pub meta: Meta,
    /// Cordoned, or tainted by a cluster autoscaler that is about to remove it.
    pub leaving: bool,
    /// The control plane does not hear its kubelet.
    pub unreachable: bool,
    /// Carries the out-of-service taint: an administrator vouches that its processes have ended.
    pub out_of_service: bool,
}

/// Taint keys by which cluster autoscalers announce the end of a node.
const LEAVING_TAINTS: [&str; 3] = [
    "ToBeDeletedByClusterAutoscaler",
    "karpenter.sh/disrupted",
    "node.kubernetes.io/unschedulable",
];

impl NodeRecord {
    /// Takes what is kept.
    #[must_use]
    pub fn new(node: &Node) -> Self {
        let spec = node.spec.clone().unwrap_or_default();
        let taints = spec.taints.unwrap_or_default();
        let tainted = |key: &str| taints.iter().any(|t| t.key == key);
        Self {
            meta: Meta::of(node),
            leaving: spec.unschedulable == Some(true)
                || LEAVING_TAINTS.iter().any(|key| tainted(key)),
            unreachable: tainted("node.kubernetes.io/unreachable"),
            out_of_service: tainted("node.kubernetes.io/out-of-service"),
        }
    }
}

impl Record for NodeRecord {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn group(&self) -> Option<ObjectKey> {
        None
    }
    fn same(&self, other: &Self) -> bool {
        (self.leaving, self.unreachable, self.out_of_service)
            == (other.leaving, other.unreachable, other.out_of_service)
    }
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceRecord {
    /// Keys, uid and version.
    pub meta: Meta,
    /// Carries the label by which policy keeps it.
    pub protected: bool,
    /// Is being deleted.
    pub terminating: bool,
    /// Pod Security level that it enforces, if it sets one.
    pub pod_security: Option<String>,
}

impl NamespaceRecord {
    /// Takes what is kept.
    #[must_use]
    pub fn new(namespace: &Namespace) -> Self {
        Self {
            meta: Meta::of(namespace),
            protected: namespace
                .labels()
                .get(names::LABEL_NAMESPACE_WORLDS)
                .is_some_and(|v| v == names::WORLDS_PRESENT),
            terminating: namespace.meta().deletion_timestamp.is_some(),
            pod_security: namespace
                .labels()
                .get("pod-security.kubernetes.io/enforce")
                .cloned(),
        }
    }
}

impl Record for NamespaceRecord {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn group(&self) -> Option<ObjectKey> {
        None
    }
    fn same(&self, other: &Self) -> bool {
        (self.protected, self.terminating, &self.pod_security)
            == (other.protected, other.terminating, &other.pod_security)
    }
}
