//! The pod of an incarnation, and the Service of a world, from a revision.
//!
//! The pod stays JSON: the template may hold fields that this program does not know, and a typed
//! pod would drop them in silence.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::{apis::meta::v1::OwnerReference, util::intstr::IntOrString},
};
use kube::api::ObjectMeta;
use serde_json::{Map, Value, json};
use worldkeeper_crds::{
    agent::{self, env},
    fleet::{Exposure, ServerPort},
    names,
    server::WorldIdentity,
};

use crate::{build::labels, fleet::revision::RevisionData, key::ObjectKey};

/// Volume with the JWKS by which the agent knows the operator.
const JWKS_VOLUME: &str = "worldkeeper-agent-jwks";
/// Volume for the agent's unix socket.
const SOCKET_VOLUME: &str = "worldkeeper-run";
/// Time to save and close, where the template gives none, in seconds.
const GRACE_PERIOD_SECONDS: i64 = 60;

/// What of a template cannot be honoured, whatever the API server would say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A process that ends is a new incarnation; the kubelet must not restart it.
    #[error(
        "spec.server.template.spec.restartPolicy is {0}; remove it: every start of a world is a pod of its own, so it is always Never"
    )]
    RestartPolicy(String),
    /// A folder of the node.
    #[error(
        "spec.server.template.spec.volumes has a hostPath ({0}); use another kind of volume: a world must not depend on the node it runs on"
    )]
    HostPath(String),
    /// A name that is ours.
    #[error(
        "spec.server.template.spec.volumes has the name {0}, which the operator uses; rename the volume"
    )]
    VolumeName(String),
    /// Not what a pod has there.
    #[error("spec.server.template.spec.{0} must be {1}")]
    Shape(&'static str, &'static str),
    /// Host ports are given out by the operator.
    #[error(
        "spec.server.template.spec.containers sets hostPort {0}; remove it and give the port exposure HostPort in spec.server.ports"
    )]
    HostPort(Value),
}

/// One incarnation.
#[derive(Clone, Debug)]
pub struct PodPlan<'a> {
    /// The GameServer.
    pub world: &'a ObjectKey,
    /// Name of its fleet, if it has one.
    pub fleet: &'a str,
    /// The world's identity.
    pub identity: &'a WorldIdentity,
    /// The epoch.
    pub epoch: i64,
    /// Name of the revision.
    pub revision: &'a str,
    /// What the revision says.
    pub data: &'a RevisionData,
    /// A number for each port with exposure HostPort, in their order.
    pub host_ports: &'a [u16],
    /// The GameServer, as owner; none for a trial.
    pub owner: Option<OwnerReference>,
}

/// The pod, as JSON.
///
/// # Errors
/// [`TemplateError`] when the template asks for what a world cannot have.
pub fn pod(plan: &PodPlan<'_>) -> Result<Value, TemplateError> {
    let server = &plan.data.server;
    let mut spec = object(serde_json::to_value(&server.template.spec).unwrap_or_default());
    check(&spec)?;

    spec.insert("restartPolicy".into(), json!("Never"));
    spec.insert("automountServiceAccountToken".into(), json!(false));
    spec.entry("enableServiceLinks").or_insert(json!(false));
    spec.entry("terminationGracePeriodSeconds")
        .or_insert(json!(GRACE_PERIOD_SECONDS));
    let security = member(&mut spec, "securityContext");
    security.entry("runAsNonRoot").or_insert(json!(true));
    security
        .entry("seccompProfile")
        .or_insert(json!({"type": "RuntimeDefault"}));

    push(
        &mut spec,
        "volumes",
        json!({"name": JWKS_VOLUME, "configMap": {"name": names::JWKS_CONFIG_MAP}}),
    );
    push(
        &mut spec,
        "volumes",
        json!({"name": SOCKET_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}),
    );

    for list in ["containers", "initContainers"] {
        for container in elements(&mut spec, list) {
            let security = member(container, "securityContext");
            security
                .entry("allowPrivilegeEscalation")
                .or_insert(json!(false));
            security
                .entry("capabilities")
                .or_insert(json!({"drop": ["ALL"]}));
            if list == "containers" && container.get("name") == Some(&json!(server.container)) {
                world_container(container, plan);
            }
        }
    }

    let template_meta = server.template.metadata.clone().unwrap_or_default();
    let mut pod_labels = template_meta.labels;
    pod_labels.extend(labels(
        plan.fleet,
        BTreeMap::from([
            (names::LABEL_WORLD.into(), plan.world.name.to_string()),
            (names::LABEL_ROLE.into(), names::ROLE_ACTIVE.into()),
            (names::LABEL_EPOCH.into(), plan.epoch.to_string()),
            (names::LABEL_REVISION.into(), plan.revision.into()),
        ]),
    ));
    pod_labels.remove(names::LABEL_EVICTABLE);
    let mut annotations = template_meta.annotations;
    annotations.remove(names::ANNOTATION_BREAK_GLASS);
    annotations.insert(
        names::ANNOTATION_DEFAULT_CONTAINER.into(),
        server.container.clone(),
    );

    Ok(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": names::pod(&plan.world.name, plan.epoch),
            "namespace": &*plan.world.namespace,
            "labels": pod_labels,
            "annotations": annotations,
            "finalizers": [names::FINALIZER_FENCING],
            "ownerReferences": plan.owner.iter().collect::<Vec<_>>(),
        },
        "spec": spec,
    }))
}

fn check(spec: &Map<String, Value>) -> Result<(), TemplateError> {
    if let Some(policy) = spec.get("restartPolicy").filter(|p| **p != json!("Never")) {
        return Err(TemplateError::RestartPolicy(
            policy.as_str().unwrap_or("no string").into(),
        ));
    }
    if spec.get("securityContext").is_some_and(|s| !s.is_object()) {
        return Err(TemplateError::Shape("securityContext", "an object"));
    }
    for volume in list(spec, "volumes")? {
        let name = volume
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if volume.get("hostPath").is_some() {
            return Err(TemplateError::HostPath(name.into()));
        }
        if name == JWKS_VOLUME || name == SOCKET_VOLUME {
            return Err(TemplateError::VolumeName(name.into()));
        }
    }
    for container in list(spec, "containers")?
        .iter()
        .chain(list(spec, "initContainers")?)
    {
        for key in ["env", "ports", "volumeMounts"] {
            if container.get(key).is_some_and(|v| !v.is_array()) {
                return Err(TemplateError::Shape(
                    "containers[].{env,ports,volumeMounts}",
                    "lists",
                ));
            }
        }
        if container
            .get("securityContext")
            .is_some_and(|s| !s.is_object())
        {
            return Err(TemplateError::Shape(
                "containers[].securityContext",
                "an object",
            ));
        }
        let ports = container.get("ports").and_then(Value::as_array);
        for port in ports.into_iter().flatten() {
            if let Some(number) = port.get("hostPort") {
                return Err(TemplateError::HostPort(number.clone()));
            }
        }
    }
    Ok(())
}

fn list<'a>(spec: &'a Map<String, Value>, key: &'static str) -> Result<&'a [Value], TemplateError> {
    match spec.get(key) {
        None => Ok(&[]),
        Some(Value::Array(list)) if list.iter().all(Value::is_object) => Ok(list),
        Some(_) => Err(TemplateError::Shape(key, "a list of objects")),
    }
}

fn world_container(container: &mut Map<String, Value>, plan: &PodPlan<'_>) {
    let server = &plan.data.server;
    let world = names::world(&plan.world.namespace, &plan.world.name);
    let jwks = format!("{}/{}", agent::JWKS_MOUNT_PATH, agent::JWKS_FILE);
    let socket = format!("{}/agent.sock", agent::SOCKET_MOUNT_PATH);
    let player_port = server.ports.first().map_or(0, |p| p.container_port);
    for (name, value) in [
        (env::WORLD_NAME, world),
        (env::WORLD_SEED, plan.identity.seed.to_string()),
        (env::WORLD_GENRE, plan.identity.genre.as_str().into()),
        (env::WORLD_SIZE, plan.identity.size.to_string()),
        (env::WORLD_EPOCH, plan.epoch.to_string()),
        (env::TICK_RATE_HZ, plan.identity.tick_rate_hz.to_string()),
        (env::MAX_PLAYERS, plan.data.max_players.to_string()),
        (env::PLAYER_PORT, player_port.to_string()),
        (env::AGENT_PORT, server.agent.port.to_string()),
        (env::AGENT_JWKS_FILE, jwks),
        (env::AGENT_SOCKET, socket),
    ] {
        set_env(container, json!({"name": name, "value": value}));
    }
    set_env(
        container,
        json!({"name": env::AGENT_POD_UID, "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}),
    );
    push(
        container,
        "volumeMounts",
        json!({"name": JWKS_VOLUME, "mountPath": agent::JWKS_MOUNT_PATH, "readOnly": true}),
    );
    push(
        container,
        "volumeMounts",
        json!({"name": SOCKET_VOLUME, "mountPath": agent::SOCKET_MOUNT_PATH}),
    );

    let mut numbers = plan.host_ports.iter();
    for port in &server.ports {
        let mut entry = json!({
            "name": port.name,
            "containerPort": port.container_port,
            "protocol": port.protocol.as_str(),
        });
        if port.exposure == Exposure::HostPort
            && let (Some(number), Some(entry)) = (numbers.next(), entry.as_object_mut())
        {
            entry.insert("hostPort".into(), json!(number));
        }
        replace(container, "ports", entry, |p| {
            p.get("name") == Some(&json!(port.name))
                || (p.get("containerPort") == Some(&json!(port.container_port))
                    && p.get("protocol")
                        .is_none_or(|x| *x == json!(port.protocol.as_str())))
        });
    }
}

fn set_env(container: &mut Map<String, Value>, entry: Value) {
    let name = entry.get("name").cloned();
    replace(container, "env", entry, |e| e.get("name") == name.as_ref());
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The object under `key`, made if it is not there.
fn member<'a>(parent: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = parent.entry(key).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    value
        .as_object_mut()
        .unwrap_or_else(|| unreachable!("made an object above"))
}

/// The objects of the list under `key`.
fn elements<'a>(
    parent: &'a mut Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    parent
        .get_mut(key)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}

fn push(parent: &mut Map<String, Value>, key: &str, entry: Value) {
    replace(parent, key, entry, |_| false);
}

/// Puts `entry` in the list under `key`, in place of those that match.
fn replace(
    parent: &mut Map<String, Value>,
    key: &str,
    entry: Value,
    matches: impl Fn(&Value) -> bool,
) {
    let list = parent.entry(key).or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.retain(|e| !matches(e));
        list.push(entry);
    }
}

/// The ports with exposure HostPort.
pub fn host_ports(ports: &[ServerPort]) -> impl Iterator<Item = &ServerPort> {
    ports.iter().filter(|p| p.exposure == Exposure::HostPort)
}

/// The Service of a world with ports of exposure Service; `None` if it has none.
#[must_use]
pub fn service(
    world: &ObjectKey,
    fleet: &str,
    ports: &[ServerPort],
    owner: OwnerReference,
) -> Option<Service> {
    let ports: Vec<ServicePort> = ports
        .iter()
        .filter(|p| p.exposure == Exposure::Service)
        .map(|p| ServicePort {
            name: Some(p.name.clone()),
            port: p.container_port,
            protocol: Some(p.protocol.as_str().into()),
            target_port: Some(IntOrString::Int(p.container_port)),
            ..ServicePort::default()
        })
        .collect();
    if ports.is_empty() {
        return None;
    }
    let of_world = BTreeMap::from([(names::LABEL_WORLD.into(), world.name.to_string())]);
    let mut selector = of_world.clone();
    selector.insert(names::LABEL_ROLE.into(), names::ROLE_ACTIVE.into());
    Some(Service {
        metadata: ObjectMeta {
            name: Some(world.name.to_string()),
            namespace: Some(world.namespace.to_string()),
            labels: Some(labels(fleet, of_world)),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            selector: Some(selector),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    })
}

#[cfg(test)]
mod tests {
    use worldkeeper_crds::{GameFleetSpec, fleet::Genre};

    use super::*;

    fn data(pod_spec: &Value) -> RevisionData {
        let spec: GameFleetSpec = serde_json::from_value(json!({
            "world": {"genre": "Horror"},
            "server": {
                "template": {"metadata": {"labels": {"team": "a", "worldkeeper.dev/evictable": "true"}}, "spec": pod_spec},
                "ports": [{"name": "game", "containerPort": 7777, "exposure": "HostPort"}],
                "hostPortRange": {"min": 7000, "max": 7009}
            }
        }))
        .expect("a valid spec");
        RevisionData::of(&spec)
    }

    fn build(pod_spec: &Value) -> Result<Value, TemplateError> {
        let data = data(pod_spec);
        pod(&PodPlan {
            world: &ObjectKey::new("ns", "f-7"),
            fleet: "f",
            identity: &WorldIdentity {
                seed: 7,
                genre: Genre::Horror,
                tick_rate_hz: 20,
                size: 2000,
            },
            epoch: 3,
            revision: "f-abc",
            data: &data,
            host_ports: &[7004],
            owner: None,
        })
    }

    fn container() -> Value {
        json!({"name": "server", "image": "i", "someNewField": 1, "env": [{"name": "WORLDKEEPER_WORLD__SEED", "value": "1"}, {"name": "A", "value": "b"}]})
    }

    #[test]
    fn an_incarnation_is_named_and_protected() {
        let pod = build(&json!({"containers": [container()], "nodeSelector": {"a": "b"}}))
            .expect("a pod");
        assert_eq!(pod["metadata"]["name"], "f-7-3");
        assert_eq!(
            pod["metadata"]["finalizers"],
            json!([names::FINALIZER_FENCING])
        );
        assert_eq!(pod["metadata"]["labels"]["team"], "a");
        assert!(
            pod["metadata"]["labels"]
                .get(names::LABEL_EVICTABLE)
                .is_none()
        );
        assert_eq!(pod["spec"]["restartPolicy"], "Never");
        assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
        assert_eq!(pod["spec"]["nodeSelector"]["a"], "b");
        let server = &pod["spec"]["containers"][0];
        assert_eq!(server["someNewField"], 1);
        assert_eq!(server["ports"][0]["hostPort"], 7004);
        let seeds: Vec<_> = server["env"]
            .as_array()
            .expect("env")
            .iter()
            .filter(|e| e["name"] == env::WORLD_SEED)
            .collect();
        assert_eq!(seeds, [&json!({"name": env::WORLD_SEED, "value": "7"})]);
    }

    #[test]
    fn a_given_security_context_is_kept() {
        let pod = build(&json!({
            "securityContext": {"runAsNonRoot": false},
            "containers": [{"name": "server", "image": "i", "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}]
        }))
        .expect("a pod");
        assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], false);
        let security = &pod["spec"]["containers"][0]["securityContext"];
        assert_eq!(security["capabilities"], json!({"add": ["NET_ADMIN"]}));
        assert_eq!(security["allowPrivilegeEscalation"], false);
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        let check = |spec: Value, field: &str| {
            let error = build(&spec).expect_err(field).to_string();
            assert!(error.contains(field), "{error}");
        };
        check(
            json!({"containers": [container()], "restartPolicy": "Always"}),
            "restartPolicy",
        );
        check(
            json!({"containers": [container()], "volumes": [{"name": "v", "hostPath": {"path": "/"}}]}),
            "hostPath",
        );
        check(
            json!({"containers": [container()], "volumes": [{"name": "worldkeeper-run"}]}),
            "worldkeeper-run",
        );
        check(
            json!({"containers": [container()], "volumes": "v"}),
            "volumes",
        );
        check(
            json!({"containers": [{"name": "server", "image": "i", "ports": [{"containerPort": 1, "hostPort": 1}]}]}),
            "hostPort",
        );
        check(
            json!({"containers": [{"name": "server", "image": "i", "env": {}}]}),
            "env",
        );
    }
}
