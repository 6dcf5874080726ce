//! The rules of the custom resources: each refuses what it is for, and names field and remedy.
#![allow(clippy::unwrap_used)]

use kube::CustomResourceExt;
use serde_json::{Value, json};
use worldkeeper_crds::{GameFleet, GameServer};

fn fleet() -> Value {
    json!({
        "apiVersion": "worldkeeper.dev/v1alpha1",
        "kind": "GameFleet",
        "metadata": {"name": "valley"},
        "spec": {
            "replicas": 2,
            "world": {"genre": "Fantasy", "seeds": {"type": "Sequential"}, "tickRateHz": 20, "maxPlayers": 10, "size": 2000},
            "server": {
                "container": "server",
                "template": {"spec": {"containers": [{"name": "server", "image": "i"}]}},
                "ports": [{"name": "game", "containerPort": 7777, "exposure": "HostPort", "protocol": "TCP"}],
                "hostPortRange": {"min": 7000, "max": 7009},
                "agent": {"port": 9090, "staleAfterSeconds": 10},
                "startupTimeoutSeconds": 120
            },
            "autoscaling": {"minReplicas": 1, "maxReplicas": 3, "seats": {"buffer": 5}}
        }
    })
}

/// `base` with the value at a JSON pointer replaced, or removed by null.
fn with(mut base: Value, changes: &[(&str, Value)]) -> Value {
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = base.pointer_mut(parent).unwrap();
        match (parent, value) {
            (Value::Object(map), Value::Null) => {
                map.remove(key);
            }
            (Value::Object(map), value) => {
                map.insert(key.into(), value.clone());
            }
            (Value::Array(list), value) => list[key.parse::<usize>().unwrap()] = value.clone(),
            _ => panic!("no place at {pointer}"),
        }
    }
    base
}

fn refused(object: &Value) -> Option<String> {
    let fleet: GameFleet = serde_json::from_value(object.clone()).unwrap();
    fleet.validate_cel().err().map(|e| e.to_string())
}

fn refused_update(old: &Value, new: &Value) -> Option<String> {
    let old: GameFleet = serde_json::from_value(old.clone()).unwrap();
    let new: GameFleet = serde_json::from_value(new.clone()).unwrap();
    new.validate_cel_update(&old).err().map(|e| e.to_string())
}

#[test]
fn a_good_fleet_is_taken() {
    assert_eq!(refused(&fleet()), None);
    let list = json!({"type": "List", "list": [3, 1, 2]});
    assert_eq!(
        refused(&with(fleet(), &[("/spec/world/seeds", list)])),
        None
    );
    assert_eq!(
        refused(&with(fleet(), &[("/spec/autoscaling", Value::Null)])),
        None
    );
}

#[test]
fn each_rule_names_field_and_remedy() {
    let seeds = |v: Value| ("/spec/world/seeds", v);
    let check = |changes: &[(&str, Value)], field: &str, remedy: &str| {
        let message =
            refused(&with(fleet(), changes)).unwrap_or_else(|| panic!("{field} was taken"));
        assert!(
            message.contains(field) && message.contains(remedy),
            "{message}"
        );
    };
    check(
        &[("/metadata/name", json!("a".repeat(37)))],
        "metadata.name",
        "shorter",
    );
    check(
        &[seeds(json!({"type": "List"}))],
        "spec.world.seeds.list",
        "add the seeds",
    );
    check(
        &[seeds(json!({"type": "List", "list": []}))],
        "spec.world.seeds.list",
        "add the seeds",
    );
    check(
        &[seeds(json!({"type": "Random", "list": [1]}))],
        "spec.world.seeds.list",
        "remove it",
    );
    check(
        &[seeds(json!({"type": "Random", "start": 1}))],
        "spec.world.seeds.start",
        "remove it",
    );
    check(
        &[seeds(json!({"type": "List", "list": [1]}))],
        "spec.replicas",
        "lower replicas",
    );
    check(
        &[seeds(json!({"type": "List", "list": [1, 2]}))],
        "maxReplicas",
        "lower maxReplicas",
    );
    check(
        &[("/spec/server/container", json!("game"))],
        "spec.server.container",
        "name one of them so",
    );
    check(
        &[("/spec/server/hostPortRange", Value::Null)],
        "spec.server.hostPortRange",
        "set min and max",
    );
    check(
        &[(
            "/spec/server/hostPortRange",
            json!({"min": 7009, "max": 7000}),
        )],
        "hostPortRange.min",
        "swap",
    );
    let two_ports = json!([
        {"name": "a", "containerPort": 1, "exposure": "HostPort", "protocol": "TCP"},
        {"name": "b", "containerPort": 2, "exposure": "HostPort", "protocol": "TCP"}
    ]);
    check(
        &[
            ("/spec/server/ports", two_ports),
            (
                "/spec/server/hostPortRange",
                json!({"min": 7000, "max": 7000}),
            ),
        ],
        "spec.server.hostPortRange",
        "widen",
    );
    let same_port = json!([
        {"name": "a", "containerPort": 1, "exposure": "None", "protocol": "TCP"},
        {"name": "b", "containerPort": 1, "exposure": "None", "protocol": "TCP"}
    ]);
    check(
        &[("/spec/server/ports", same_port)],
        "spec.server.ports",
        "give each port its own",
    );
    check(
        &[("/spec/server/agent/port", json!(7777))],
        "spec.server.agent.port",
        "change one",
    );
    check(
        &[("/spec/autoscaling/minReplicas", json!(4))],
        "minReplicas",
        "swap",
    );
    check(
        &[("/spec/autoscaling/seats/buffer", json!(30))],
        "seats.buffer",
        "lower buffer",
    );
}

#[test]
fn identity_is_for_life() {
    let check = |pointer: &str, value: Value, field: &str| {
        let message = refused_update(&fleet(), &with(fleet(), &[(pointer, value)]))
            .unwrap_or_else(|| panic!("{field} was changed"));
        assert!(
            message.contains(field) && message.contains("create another"),
            "{message}"
        );
    };
    check("/spec/world/genre", json!("Horror"), "spec.world.genre");
    check("/spec/world/tickRateHz", json!(30), "spec.world.tickRateHz");
    check("/spec/world/size", json!(1000), "spec.world.size");
    check(
        "/spec/world/seeds/type",
        json!("Random"),
        "spec.world.seeds.type",
    );
    assert_eq!(
        refused_update(
            &fleet(),
            &with(
                fleet(),
                &[
                    ("/spec/world/maxPlayers", json!(20)),
                    ("/spec/replicas", json!(5))
                ]
            )
        ),
        None
    );

    let server = |seed: i64, revision: &str| -> GameServer {
        serde_json::from_value(json!({
            "apiVersion": "worldkeeper.dev/v1alpha1",
            "kind": "GameServer",
            "metadata": {"name": "valley-1"},
            "spec": {"world": {"seed": seed, "genre": "Fantasy", "tickRateHz": 20, "size": 2000}, "revision": revision}
        }))
        .unwrap()
    };
    assert!(server(1, "b").validate_cel_update(&server(1, "a")).is_ok());
    let message = server(2, "a")
        .validate_cel_update(&server(1, "a"))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("spec.world") && message.contains("create another world"),
        "{message}"
    );
}

/// Every rule of the schemas, by its path.
fn rules(schema: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    if let Some(rules) = schema
        .get("x-kubernetes-validations")
        .and_then(Value::as_array)
    {
        found.extend(rules.iter().map(|rule| (path.to_owned(), rule.clone())));
    }
    for (name, property) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        rules(property, &format!("{path}.{name}"), found);
    }
    if let Some(items) = schema.get("items") {
        rules(items, &format!("{path}[]"), found);
    }
}

/// Descriptions that are missing: `kubectl explain` would say nothing.
fn undescribed(schema: &Value, path: &str, found: &mut Vec<String>) {
    for (name, property) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let path = format!("{path}.{name}");
        if property
            .get("description")
            .and_then(Value::as_str)
            .is_none_or(str::is_empty)
        {
            found.push(path.clone());
        }
        undescribed(property, &path, found);
        if let Some(items) = property.get("items") {
            undescribed(items, &format!("{path}[]"), found);
        }
    }
}

#[test]
fn schemas_are_documented_small_and_their_rules_speak() {
    for crd in [GameFleet::crd(), GameServer::crd()] {
        let crd = serde_json::to_value(crd).unwrap();
        assert!(serde_json::to_string(&crd).unwrap().len() < 200_000);
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut found = Vec::new();
        rules(schema, "", &mut found);
        assert!(!found.is_empty());
        for (path, rule) in found {
            let message = rule["message"].as_str().unwrap_or_default();
            assert!(
                message.contains("spec.") || message.contains("metadata."),
                "{path}: {message}"
            );
            assert!(
                message.contains(';'),
                "a message ends with its remedy: {path}: {message}"
            );
        }
        let mut missing = Vec::new();
        for part in ["spec", "status"] {
            undescribed(&schema["properties"][part], part, &mut missing);
        }
        missing.retain(|path| !path.contains(".conditions[]"));
        assert!(missing.is_empty(), "no description: {missing:?}");
    }
}
