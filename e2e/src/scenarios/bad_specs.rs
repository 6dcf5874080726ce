//! What makes no sense is refused by the API server with the field's name, or, where only a real pod
//! can tell, named in a condition. Each row is a change to a fleet that is fine; the table of all
//! messages is left in `table.md`.

// The rows read best with their values written out in place.
#![allow(clippy::needless_pass_by_value)]

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use kube::{Api, Error, ResourceExt};
use serde_json::{Value, json};
use worldkeeper_crds::{GameFleet, GameServer, fleet as fleet_api, server as server_api};

use crate::harness::Ctx;
use crate::harness::context::{READY, Security};
use crate::harness::fleet::{self, Fleet};

/// What is to come of a change.
enum Expect {
    /// Refused, with these words; the first is the field.
    Refused(&'static [&'static str]),
    /// Accepted, with this condition on the fleet, and these words in its message.
    OnFleet(&'static str, &'static [&'static str]),
    /// Accepted, with this condition on its worlds, and these words in its message.
    OnWorld(&'static str, &'static [&'static str]),
}

struct Row {
    what: &'static str,
    /// Merged over the fleet.
    change: Value,
    /// Applied as an update of a fleet that is there.
    update: bool,
    expect: Expect,
}

fn refused(what: &'static str, change: Value, words: &'static [&'static str]) -> Row {
    Row {
        what,
        change,
        update: false,
        expect: Expect::Refused(words),
    }
}

fn update(what: &'static str, change: Value, words: &'static [&'static str]) -> Row {
    Row {
        what,
        change,
        update: true,
        expect: Expect::Refused(words),
    }
}

fn spec(change: Value) -> Value {
    json!({"spec": change})
}

fn world(change: Value) -> Value {
    spec(json!({"world": change}))
}

fn server(change: Value) -> Value {
    spec(json!({"server": change}))
}

fn containers(containers: Value) -> Value {
    server(json!({"template": {"spec": {"containers": containers}}}))
}

fn ports(ports: Value) -> Value {
    server(json!({"ports": ports}))
}

fn seeds(seeds: Value) -> Value {
    world(json!({"seeds": seeds}))
}

fn autoscaling(min: i64, max: i64, buffer: i64) -> Value {
    spec(
        json!({"autoscaling": {"minReplicas": min, "maxReplicas": max, "seats": {"buffer": buffer}}}),
    )
}

fn host_ports(range: Value) -> Value {
    let two = json!([
        {"name": "play", "containerPort": 7777, "exposure": "HostPort"},
        {"name": "voice", "containerPort": 7778, "exposure": "HostPort"},
    ]);
    server(json!({"ports": two, "hostPortRange": range}))
}

fn container(change: Value) -> Value {
    let mut container = json!({"name": "server", "image": "localhost/worldkeeper-server:dev"});
    merge(&mut container, &change);
    containers(json!([container]))
}

#[allow(clippy::too_many_lines)] // one row for each mistake: a table, best read as a whole
fn table() -> Vec<Row> {
    vec![
        refused(
            "negative replicas",
            spec(json!({"replicas": -1})),
            &["spec.replicas", "greater than or equal to 0"],
        ),
        refused(
            "too many replicas",
            spec(json!({"replicas": 10_001})),
            &["spec.replicas", "10000"],
        ),
        refused(
            "replicas in words",
            spec(json!({"replicas": "three"})),
            &["replicas"],
        ),
        refused(
            "a name too long for its pods",
            json!({"metadata": {"name": "a-fleet-with-a-name-of-37-characters0"}}),
            &["metadata.name", "36"],
        ),
        refused(
            "no world",
            spec(json!({"world": null})),
            &["spec.world", "Required"],
        ),
        refused(
            "an unknown genre",
            world(json!({"genre": "Steampunk"})),
            &["spec.world.genre", "Cyberpunk"],
        ),
        refused(
            "tick rate 25",
            world(json!({"tickRateHz": 25})),
            &["spec.world.tickRateHz", "\"20\""],
        ),
        refused(
            "no seats",
            world(json!({"maxPlayers": 0})),
            &["spec.world.maxPlayers"],
        ),
        refused(
            "a world too small",
            world(json!({"size": 100})),
            &["spec.world.size", "256"],
        ),
        refused(
            "a seed beyond 2^53",
            seeds(json!({"type": "Sequential", "start": 1_i64 << 53})),
            &["spec.world.seeds.start"],
        ),
        refused(
            "a negative seed",
            seeds(json!({"type": "List", "list": [-1]})),
            &["spec.world.seeds.list"],
        ),
        refused(
            "duplicate seeds",
            seeds(json!({"type": "List", "list": [7, 8, 7]})),
            &["spec.world.seeds.list", "Duplicate"],
        ),
        refused(
            "type List without a list",
            seeds(json!({"type": "List"})),
            &["spec.world.seeds.list", "add the seeds"],
        ),
        refused(
            "a list for type Random",
            seeds(json!({"type": "Random", "list": [1, 2]})),
            &["spec.world.seeds.list", "remove it"],
        ),
        refused(
            "a start for type Random",
            seeds(json!({"type": "Random", "start": 1})),
            &["spec.world.seeds.start", "remove it"],
        ),
        refused(
            "more replicas than seeds",
            spec(json!({"replicas": 3, "world": {"seeds": {"type": "List", "list": [1, 2]}}})),
            &["spec.replicas", "spec.world.seeds.list"],
        ),
        refused(
            "minReplicas above maxReplicas",
            autoscaling(5, 2, 1),
            &["spec.autoscaling.minReplicas", "swap"],
        ),
        refused(
            "a buffer of every seat",
            autoscaling(1, 2, 40),
            &["spec.autoscaling.seats.buffer", "lower buffer"],
        ),
        refused(
            "a negative buffer",
            autoscaling(1, 2, -1),
            &["spec.autoscaling.seats.buffer"],
        ),
        refused(
            "maxReplicas beyond the seeds",
            spec(json!({
                "world": {"seeds": {"type": "List", "list": [1, 2]}},
                "autoscaling": {"minReplicas": 1, "maxReplicas": 3, "seats": {"buffer": 1}},
            })),
            &["spec.autoscaling.maxReplicas", "spec.world.seeds.list"],
        ),
        refused(
            "no container named as the server",
            server(json!({"container": "game"})),
            &["spec.server.container", "no container named"],
        ),
        refused(
            "no container at all",
            containers(json!([])),
            &["spec.server.template.spec.containers"],
        ),
        refused(
            "two containers of one name",
            containers(json!([{"name": "server", "image": "a"}, {"name": "server", "image": "b"}])),
            &["spec.server.template.spec.containers", "Duplicate"],
        ),
        refused(
            "a container without an image",
            containers(json!([{"name": "server"}])),
            &["spec.server.template.spec.containers", "image"],
        ),
        refused("no ports", ports(json!([])), &["spec.server.ports"]),
        refused(
            "two ports of one name",
            ports(
                json!([{"name": "play", "containerPort": 1}, {"name": "play", "containerPort": 2}]),
            ),
            &["spec.server.ports", "Duplicate"],
        ),
        refused(
            "one containerPort twice",
            ports(
                json!([{"name": "play", "containerPort": 1}, {"name": "voice", "containerPort": 1}]),
            ),
            &["spec.server.ports", "containerPort twice"],
        ),
        refused(
            "a port that is the agent's",
            ports(json!([{"name": "play", "containerPort": 9090}])),
            &["spec.server.ports", "spec.server.agent.port"],
        ),
        refused(
            "a port beyond 65535",
            ports(json!([{"name": "play", "containerPort": 65_536}])),
            &["spec.server.ports[0].containerPort"],
        ),
        refused(
            "a port's name in capitals",
            ports(json!([{"name": "Play", "containerPort": 7777}])),
            &["spec.server.ports[0].name"],
        ),
        refused(
            "an unknown exposure",
            ports(json!([{"name": "play", "containerPort": 7777, "exposure": "Ingress"}])),
            &["spec.server.ports[0].exposure", "HostPort"],
        ),
        refused(
            "host ports without a range",
            host_ports(Value::Null),
            &["spec.server.hostPortRange", "required"],
        ),
        refused(
            "a port range smaller than the ports",
            host_ports(json!({"min": 7000, "max": 7000})),
            &["spec.server.hostPortRange", "widen"],
        ),
        refused(
            "a port range upside down",
            host_ports(json!({"min": 7100, "max": 7000})),
            &["spec.server.hostPortRange.min", "swap"],
        ),
        refused(
            "a port range among the node ports",
            host_ports(json!({"min": 30_000, "max": 30_100})),
            &["spec.server.hostPortRange"],
        ),
        refused(
            "a startup timeout of one second",
            server(json!({"startupTimeoutSeconds": 1})),
            &["spec.server.startupTimeoutSeconds"],
        ),
        refused(
            "stale after one second",
            server(json!({"agent": {"staleAfterSeconds": 1}})),
            &["spec.server.agent.staleAfterSeconds"],
        ),
        update(
            "another genre for worlds that are there",
            world(json!({"genre": "Horror"})),
            &["spec.world.genre", "cannot be changed"],
        ),
        update(
            "another tick rate for worlds that are there",
            world(json!({"tickRateHz": 60})),
            &["spec.world.tickRateHz", "cannot be changed"],
        ),
        update(
            "another size for worlds that are there",
            world(json!({"size": 1024})),
            &["spec.world.size", "cannot be changed"],
        ),
        update(
            "another kind of seeds",
            seeds(json!({"type": "Random"})),
            &["spec.world.seeds.type", "cannot be changed"],
        ),
        Row {
            what: "an amount of memory in words",
            change: container(json!({"resources": {"requests": {"memory": "lots"}}})),
            update: false,
            expect: Expect::OnFleet(
                fleet_api::condition::TEMPLATE_INVALID,
                &["spec.server.template", "quantities"],
            ),
        },
        Row {
            what: "a mount of a volume that is not there",
            change: container(json!({"volumeMounts": [{"name": "saves", "mountPath": "/saves"}]})),
            update: false,
            expect: Expect::OnFleet(
                fleet_api::condition::TEMPLATE_INVALID,
                &["volumeMounts", "saves"],
            ),
        },
        Row {
            what: "an unknown kind of probe",
            change: container(json!({"readinessProbe": {"periodSeconds": 1}})),
            update: false,
            expect: Expect::OnFleet(fleet_api::condition::TEMPLATE_INVALID, &["readinessProbe"]),
        },
        Row {
            what: "a privileged container in a restricted namespace",
            change: container(json!({"securityContext": {"privileged": true}})),
            update: false,
            expect: Expect::OnFleet(fleet_api::condition::TEMPLATE_INVALID, &["privileged"]),
        },
        Row {
            what: "a liveness probe, by which the kubelet would end populated worlds",
            change: container(
                json!({"livenessProbe": {"httpGet": {"path": "/health/live", "port": 9090}}}),
            ),
            update: false,
            expect: Expect::OnFleet(
                fleet_api::condition::LIVENESS_PROBE_PRESENT,
                &["livenessProbe"],
            ),
        },
        Row {
            what: "host ports where Pod Security forbids them",
            change: host_ports(json!({"min": 7000, "max": 7100})),
            update: false,
            expect: Expect::OnWorld(
                server_api::condition::PORTS_FORBIDDEN,
                &["pod-security.kubernetes.io/enforce=privileged"],
            ),
        },
    ]
}

pub(super) async fn run(ctx: Ctx) -> Result<()> {
    ctx.make_namespace(Security::Restricted).await?;
    let good = Fleet::new("good");
    ctx.ready(&good, 1).await?;
    let rows = table();
    ensure!(rows.len() >= 20, "the table has only {} rows", rows.len());
    let mut lines = Vec::new();
    let mut wrong = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        match check(&ctx, &good, row, number).await {
            Ok((place, message)) => lines.push((row.what, place, message)),
            Err(error) => {
                wrong.push(format!("{}: {error:#}", row.what));
                lines.push((row.what, "WRONG".to_owned(), format!("{error:#}")));
            }
        }
    }
    match identity_is_for_life(&ctx).await {
        Ok(message) => lines.push(("another seed for a world", "refused".to_owned(), message)),
        Err(error) => wrong.push(format!("another seed for a world: {error:#}")),
    }
    let printed = markdown(&lines);
    println!("{printed}");
    std::fs::write(ctx.folder.join("table.md"), &printed)?;
    if !wrong.is_empty() {
        bail!(
            "{} of {} rows are wrong:\n  {}",
            wrong.len(),
            lines.len(),
            wrong.join("\n  ")
        );
    }
    ctx.say(format!(
        "{} rows; see {}",
        lines.len(),
        shown(&ctx.folder.join("table.md"))
    ));
    Ok(())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Where the change was answered, and with which words.
async fn check(ctx: &Ctx, good: &Fleet, row: &Row, number: usize) -> Result<(String, String)> {
    let kind = ApiResource::erase::<GameFleet>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(ctx.client(), &ctx.namespace, &kind);
    let name = if row.update {
        good.name().to_owned()
    } else {
        format!("bad-{number}")
    };
    let mut object = good.object(&ctx.namespace, &ctx.shared.image);
    object["metadata"]["name"] = json!(name);
    merge(&mut object, &row.change);
    let name = object["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let answer = if row.update {
        api.patch(&name, &PatchParams::default(), &Patch::Merge(&row.change))
            .await
    } else {
        let object: DynamicObject = serde_json::from_value(object)?;
        api.create(&PostParams::default(), &object).await
    };
    let result = match (&row.expect, answer) {
        (Expect::Refused(words), Err(Error::Api(status))) => {
            contains(&status.message, words).map(|()| ("refused".to_owned(), status.message))
        }
        (Expect::Refused(_), Ok(_)) => Err(anyhow::anyhow!("it was accepted")),
        (_, Err(error)) => Err(error.into()),
        (Expect::OnFleet(type_, words), Ok(_)) => on_fleet(ctx, &name, type_, words).await,
        (Expect::OnWorld(type_, words), Ok(_)) => on_world(ctx, &name, type_, words).await,
    };
    if !row.update {
        match api.delete(&name, &DeleteParams::background()).await {
            Ok(_) | Err(Error::Api(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    result
}

fn contains(message: &str, words: &[&str]) -> Result<()> {
    for word in words {
        if !message.contains(word) {
            bail!("the message does not name {word:?}: {message}");
        }
    }
    Ok(())
}

async fn on_fleet(ctx: &Ctx, name: &str, type_: &str, words: &[&str]) -> Result<(String, String)> {
    let what = format!("fleet {name} with condition {type_}");
    let (reason, message) = ctx
        .fleet_until(name, &what, READY, |seen| {
            match seen.and_then(|seen| fleet::fleet_condition(seen, type_)) {
                Some(condition) if condition.status == "True" => {
                    Ok((condition.reason.clone(), condition.message.clone()))
                }
                _ => Err(fleet::describe_fleet(seen)),
            }
        })
        .await?;
    contains(&message, words)?;
    Ok((format!("fleet: {type_}={reason}"), message))
}

async fn on_world(ctx: &Ctx, fleet: &str, type_: &str, words: &[&str]) -> Result<(String, String)> {
    let what = format!("a world of {fleet} with condition {type_}");
    let (reason, message) = ctx
        .worlds_until(fleet, &what, READY, |worlds| {
            worlds
                .iter()
                .filter_map(|world| fleet::condition(world, type_))
                .find(|condition| condition.status == "True")
                .map(|condition| (condition.reason.clone(), condition.message.clone()))
                .ok_or_else(|| fleet::describe_all(worlds))
        })
        .await?;
    contains(&message, words)?;
    Ok((format!("world: {type_}={reason}"), message))
}

/// What a world is cannot be changed.
async fn identity_is_for_life(ctx: &Ctx) -> Result<String> {
    let world: GameServer = ctx
        .worlds_of("good")
        .await?
        .into_iter()
        .next()
        .context("no world")?;
    let change = Patch::Merge(json!({"spec": {"world": {"seed": 99}}}));
    match ctx
        .worlds()
        .patch(&world.name_any(), &PatchParams::default(), &change)
        .await
    {
        Err(Error::Api(status)) => {
            contains(&status.message, &["spec.world", "cannot be changed"])?;
            Ok(status.message)
        }
        Err(error) => Err(error.into()),
        Ok(_) => bail!("it was accepted"),
    }
}

/// As a JSON merge patch does, except that a null stands for a missing field.
fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                if value.is_null() {
                    into.remove(key);
                } else {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (into, change) => *into = change.clone(),
    }
}

fn markdown(lines: &[(&str, String, String)]) -> String {
    let mut table = String::from("| # | what | where | message |\n|---|---|---|---|\n");
    for (number, (what, place, message)) in lines.iter().enumerate() {
        let message = message.replace('|', "\\|").replace('\n', " ");
        let _ = writeln!(table, "| {} | {what} | {place} | {message} |", number + 1);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_names_a_field_and_changes_something() {
        let rows = table();
        assert!(rows.len() >= 20);
        let good = Fleet::new("good").object("n", "image");
        for row in rows {
            let mut changed = good.clone();
            merge(&mut changed, &row.change);
            assert_ne!(changed, good, "{}", row.what);
            match row.expect {
                Expect::Refused(words) | Expect::OnFleet(_, words) | Expect::OnWorld(_, words) => {
                    assert!(!words.is_empty(), "{}", row.what);
                }
            }
        }
    }

    #[test]
    fn messages_cannot_break_the_table() {
        let table = markdown(&[("a", "b".into(), "one|two\nthree".into())]);
        assert_eq!(table.lines().count(), 3);
        assert!(table.ends_with("| 1 | a | b | one\\|two three |\n"));
    }
}
