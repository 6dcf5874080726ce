//! Names that are API once shipped: labels, annotations, finalizers, object names, field managers.

/// API group of every kind of ours, and prefix of our label keys.
pub const GROUP: &str = "worldkeeper.dev";

/// Label of GameServers, pods, services and revisions: name of the GameFleet.
pub const LABEL_FLEET: &str = "worldkeeper.dev/fleet";
/// Label of pods and services: name of the GameServer. A pod with it is protected by policy.
pub const LABEL_WORLD: &str = "worldkeeper.dev/world";
/// Label of pods: `active`, the incarnation that has the players. The scale selector names it.
pub const LABEL_ROLE: &str = "worldkeeper.dev/role";
/// The value of [`LABEL_ROLE`].
pub const ROLE_ACTIVE: &str = "active";
/// Label of pods: the incarnation's epoch.
pub const LABEL_EPOCH: &str = "worldkeeper.dev/epoch";
/// Label of pods: name of the ControllerRevision that they were built from.
pub const LABEL_REVISION: &str = "worldkeeper.dev/revision";
/// Label of a pod that may end: set once joins are stopped and nobody is inside, or when the
/// process is known to have ended. Without it, policy and disruption budget protect the pod.
pub const LABEL_EVICTABLE: &str = "worldkeeper.dev/evictable";
/// Label of a disruption budget that no longer protects any world. Policy denies the deletion of
/// budgets without it.
pub const LABEL_REMOVABLE: &str = "worldkeeper.dev/removable";
/// Label of namespaces that have worlds ([`WORLDS_PRESENT`]). Policy denies their deletion.
pub const LABEL_NAMESPACE_WORLDS: &str = "worldkeeper.dev/worlds";
/// The value of [`LABEL_NAMESPACE_WORLDS`].
pub const WORLDS_PRESENT: &str = "present";
/// The value of the labels that are marks.
pub const TRUE: &str = "true";

/// Annotation that a person sets on a pod or namespace, with the reason as its value, to end it
/// with players inside.
pub const ANNOTATION_BREAK_GLASS: &str = "worldkeeper.dev/break-glass";

/// Annotation of pods: the container that runs the world; `kubectl logs` reads it too.
pub const ANNOTATION_DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Finalizer of GameServers: the world is drained and its pod has ended before the object goes.
pub const FINALIZER_DRAIN: &str = "worldkeeper.dev/drain";
/// Finalizer of GameFleets: its worlds are gone, or orphaned on request.
pub const FINALIZER_WORLDS: &str = "worldkeeper.dev/worlds";
/// Finalizer of game pods: the object stays until its process is known to have ended, so that no
/// second incarnation can start beside it.
pub const FINALIZER_FENCING: &str = "worldkeeper.dev/fencing";

/// Name of the ConfigMap with the JWKS of the agent tokens, one in each namespace with worlds.
pub const JWKS_CONFIG_MAP: &str = "worldkeeper-agent-jwks";

/// `app.kubernetes.io/managed-by` of everything that the operator writes.
pub const MANAGED_BY: &str = "worldkeeper";

/// Longest name of a GameFleet: `{fleet}-{seed}-{epoch}` must be a pod's host name (63), with 16
/// digits of seed and 9 of epoch.
pub const FLEET_NAME_MAX: usize = 36;

/// Name of the GameServer of a seed.
#[must_use]
pub fn game_server(fleet: &str, seed: i64) -> String {
    format!("{fleet}-{seed}")
}

/// Name of the pod of an incarnation.
#[must_use]
pub fn pod(game_server: &str, epoch: i64) -> String {
    format!("{game_server}-{epoch}")
}

/// The world's name in the agent protocol and the players' handshake.
#[must_use]
pub fn world(namespace: &str, game_server: &str) -> String {
    format!("{namespace}/{game_server}")
}
