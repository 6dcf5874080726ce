//! Fleets as the scenarios apply them, and what can be read off a fleet and its worlds.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use serde_json::{Value, json};
use worldkeeper_crds::server::ServerState;
use worldkeeper_crds::{GameFleet, GameServer, names};

use super::wait::Seen;

/// Host ports of all scenarios: that they share one range on the same nodes is part of the test.
const HOST_PORTS: (i32, i32) = (7000, 7999);

/// A fleet to apply.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    name: String,
    replicas: i32,
    exposure: &'static str,
    max_players: i32,
    autoscaling: Option<(i32, i32, i32)>,
    image: Option<String>,
    startup_timeout_seconds: i32,
    stale_after_seconds: i32,
    container: Value,
    tolerations: Value,
}

impl Fleet {
    /// One world, reached at its pod's own address.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            replicas: 1,
            exposure: "None",
            max_players: 20,
            autoscaling: None,
            image: None,
            startup_timeout_seconds: 60,
            stale_after_seconds: 5,
            container: json!({}),
            tolerations: json!([]),
        }
    }

    pub(crate) fn replicas(mut self, replicas: i32) -> Self {
        self.replicas = replicas;
        self
    }

    /// Reached at the node's address.
    pub(crate) fn host_ports(mut self) -> Self {
        self.exposure = "HostPort";
        self
    }

    /// Reached at a Service of each world.
    pub(crate) fn services(mut self) -> Self {
        self.exposure = "Service";
        self
    }

    pub(crate) fn seats(mut self, max_players: i32) -> Self {
        self.max_players = max_players;
        self
    }

    pub(crate) fn autoscaling(mut self, min: i32, max: i32, buffer: i32) -> Self {
        self.autoscaling = Some((min, max, buffer));
        self
    }

    pub(crate) fn image(mut self, image: &str) -> Self {
        self.image = Some(image.to_owned());
        self
    }

    pub(crate) fn startup_timeout(mut self, seconds: i32) -> Self {
        self.startup_timeout_seconds = seconds;
        self
    }

    /// Fields of the server's container, over the usual ones.
    pub(crate) fn container(mut self, fields: Value) -> Self {
        self.container = fields;
        self
    }

    /// Told to leave a node at once when the control plane no longer hears it.
    pub(crate) fn leaves_lost_nodes_at_once(mut self) -> Self {
        self.tolerations = ["not-ready", "unreachable"]
            .map(|why| {
                json!({
                    "key": format!("node.kubernetes.io/{why}"),
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": 0,
                })
            })
            .into_iter()
            .collect();
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The object, with `image` where the fleet has no other.
    pub(crate) fn object(&self, namespace: &str, image: &str) -> Value {
        let mut container = json!({
            "name": "server",
            "image": self.image.as_deref().unwrap_or(image),
            "imagePullPolicy": "IfNotPresent",
            "resources": {"requests": {"cpu": "20m", "memory": "48Mi"}},
            "readinessProbe": {"httpGet": {"path": "/health/ready", "port": 9090}, "periodSeconds": 1},
            "lifecycle": {"preStop": {"exec": {"command": ["worldkeeper-server", "drain"]}}},
        });
        if let (Value::Object(container), Value::Object(over)) = (&mut container, &self.container) {
            container.extend(over.clone());
            container.retain(|_, value| !value.is_null());
        }
        let mut object = json!({
            "apiVersion": "worldkeeper.dev/v1alpha1",
            "kind": "GameFleet",
            "metadata": {"name": self.name, "namespace": namespace},
            "spec": {
                "replicas": self.replicas,
                "world": {
                    "genre": "Fantasy",
                    "tickRateHz": 20,
                    "maxPlayers": self.max_players,
                    "size": 512,
                },
                "server": {
                    "template": {"spec": {
                        "terminationGracePeriodSeconds": 20,
                        "topologySpreadConstraints": [{
                            "maxSkew": 1,
                            "topologyKey": "kubernetes.io/hostname",
                            "whenUnsatisfiable": "ScheduleAnyway",
                            "labelSelector": {"matchLabels": {names::LABEL_FLEET: self.name}},
                        }],
                        "tolerations": self.tolerations,
                        "containers": [container],
                    }},
                    "ports": [{"name": "play", "containerPort": 7777, "exposure": self.exposure}],
                    "agent": {"staleAfterSeconds": self.stale_after_seconds},
                    "startupTimeoutSeconds": self.startup_timeout_seconds,
                },
            },
        });
        if self.exposure == "HostPort" {
            object["spec"]["server"]["hostPortRange"] =
                json!({"min": HOST_PORTS.0, "max": HOST_PORTS.1});
        }
        if let Some((min, max, buffer)) = self.autoscaling {
            object["spec"]["autoscaling"] =
                json!({"minReplicas": min, "maxReplicas": max, "seats": {"buffer": buffer}});
        }
        object
    }
}

/// `namespace/gameserver`.
pub(crate) fn world_of(server: &GameServer) -> String {
    names::world(&server.namespace().unwrap_or_default(), &server.name_any())
}

pub(crate) fn state_of(server: &GameServer) -> Option<ServerState> {
    server.status.as_ref().and_then(|status| status.state)
}

pub(crate) fn epoch_of(server: &GameServer) -> i64 {
    server.status.as_ref().map_or(0, |status| status.epoch)
}

pub(crate) fn players_of(server: &GameServer) -> Option<i32> {
    server.status.as_ref().and_then(|status| status.players)
}

pub(crate) fn node_of(server: &GameServer) -> Option<&str> {
    server
        .status
        .as_ref()
        .and_then(|status| status.node_name.as_deref())
}

pub(crate) fn pod_of(server: &GameServer) -> Option<&str> {
    server
        .status
        .as_ref()
        .and_then(|status| status.pod_name.as_deref())
}

fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// A condition of a world.
pub(crate) fn condition<'a>(server: &'a GameServer, type_: &str) -> Option<&'a Condition> {
    server
        .status
        .as_ref()
        .and_then(|status| find(&status.conditions, type_))
}

/// A condition of a fleet.
pub(crate) fn fleet_condition<'a>(fleet: &'a GameFleet, type_: &str) -> Option<&'a Condition> {
    fleet
        .status
        .as_ref()
        .and_then(|status| find(&status.conditions, type_))
}

pub(crate) fn is_true(condition: Option<&Condition>) -> bool {
    condition.is_some_and(|condition| condition.status == "True")
}

fn conditions_in_words(conditions: &[Condition]) -> String {
    let words: Vec<String> = conditions
        .iter()
        .map(|condition| {
            let Condition {
                type_,
                status,
                reason,
                message,
                ..
            } = condition;
            if message.is_empty() {
                format!("{type_}={status} {reason}")
            } else {
                format!("{type_}={status} {reason} ({message})")
            }
        })
        .collect();
    words.join("; ")
}

/// A world in a line.
pub(crate) fn describe(server: &GameServer) -> String {
    let name = server.name_any();
    let going = if server.metadata.deletion_timestamp.is_some() {
        " going"
    } else {
        ""
    };
    let Some(status) = &server.status else {
        return format!("{name}{going}: no status");
    };
    format!(
        "{name}{going}: {} epoch {} on {} players {:?} scaleDown {} [{}]",
        status.state.map_or("-", ServerState::as_str),
        status.epoch,
        status.node_name.as_deref().unwrap_or("-"),
        status.players,
        server.spec.scale_down,
        conditions_in_words(&status.conditions)
    )
}

/// Worlds in a line.
pub(crate) fn describe_all(servers: &[&GameServer]) -> String {
    if servers.is_empty() {
        return "no worlds".to_owned();
    }
    servers
        .iter()
        .map(|server| describe(server))
        .collect::<Vec<_>>()
        .join(" | ")
}

/// A fleet in a line.
pub(crate) fn describe_fleet(fleet: Option<&GameFleet>) -> String {
    let Some(fleet) = fleet else {
        return "no such fleet".to_owned();
    };
    let Some(status) = &fleet.status else {
        return "no status".to_owned();
    };
    format!(
        "{}: desired {} worlds {} ready {} draining {} unknown {} players {}/{} [{}]",
        status
            .state
            .map_or("-", worldkeeper_crds::fleet::FleetState::as_str),
        status.desired_replicas,
        status.replicas,
        status.ready_replicas,
        status.draining_replicas,
        status.unknown_replicas,
        status.players,
        status.capacity,
        conditions_in_words(&status.conditions)
    )
}

/// The fleet has exactly `worlds` worlds, all Ready, and its status answers its spec.
pub(crate) fn settled(fleet: Option<&GameFleet>, worlds: i32) -> Seen<()> {
    let settled = fleet.is_some_and(|fleet| {
        fleet.status.as_ref().is_some_and(|status| {
            status.observed_generation == fleet.metadata.generation
                && status.replicas == worlds
                && status.ready_replicas == worlds
                && status.draining_replicas == 0
        }) && is_true(fleet_condition(
            fleet,
            worldkeeper_crds::fleet::condition::READY,
        ))
    });
    if settled {
        Ok(())
    } else {
        Err(describe_fleet(fleet))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fleets_are_what_the_api_types_take() {
        for fleet in [
            Fleet::new("a"),
            Fleet::new("b").host_ports().replicas(3).seats(8),
            Fleet::new("c")
                .services()
                .autoscaling(1, 4, 5)
                .image("other")
                .startup_timeout(9),
            Fleet::new("d").container(json!({"command": ["x"], "lifecycle": null})),
        ] {
            let object = fleet.object("n", "image");
            let typed: GameFleet = serde_json::from_value(object.clone()).unwrap();
            assert_eq!(typed.name_any(), fleet.name());
            let back = serde_json::to_value(&typed).unwrap();
            let (sent, read) = (
                &object["spec"]["server"]["template"],
                &back["spec"]["server"]["template"],
            );
            assert_eq!(sent["spec"]["containers"], read["spec"]["containers"]);
        }
    }

    #[test]
    fn a_fleet_is_settled_only_when_its_status_answers_its_spec() {
        let mut fleet: GameFleet =
            serde_json::from_value(Fleet::new("a").object("n", "image")).unwrap();
        assert!(settled(Some(&fleet), 1).is_err());
        fleet.metadata.generation = Some(2);
        let status = |observed, ready| {
            serde_json::from_value(json!({
                "observedGeneration": observed, "replicas": 1, "readyReplicas": ready,
                "conditions": [{"type": "Ready", "status": "True", "reason": "AllReady", "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            }))
            .unwrap()
        };
        fleet.status = status(1, 1);
        assert!(settled(Some(&fleet), 1).is_err());
        fleet.status = status(2, 0);
        assert!(settled(Some(&fleet), 1).is_err());
        fleet.status = status(2, 1);
        assert!(settled(Some(&fleet), 1).is_ok());
        assert!(settled(Some(&fleet), 2).is_err());
        assert!(settled(None, 0).is_err());
    }
}
