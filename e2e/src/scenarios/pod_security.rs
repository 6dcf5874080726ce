//! The operator, and worlds without host ports, live under the *restricted* Pod Security Standard.
//! Host ports violate nothing of it but the host port; where that is forbidden, the world says so and
//! names the remedy. Game pods get no API token and mount nothing of the host.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod, PodSpec};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Error, ResourceExt};
use serde_json::json;
use worldkeeper_crds::{GameServer, names, server::condition};
use worldkeeper_server::bots::command::Report;

use crate::harness::bots::{Choice, way_in};
use crate::harness::context::{READY, SOON, Security};
use crate::harness::fleet::{self, Fleet};
use crate::harness::verdict::{Trial, now};
use crate::harness::{Ctx, operator, wait};
use crate::install::operator::NAMESPACE;

pub(super) async fn run(ctx: Ctx) -> Result<()> {
    ctx.make_namespace(Security::Restricted).await?;
    operator_is_restricted(&ctx).await?;
    let inner = ctx.ready(&Fleet::new("inner"), 1).await?;
    let served = ctx.ready(&Fleet::new("served").services(), 1).await?;
    for world in inner.iter().chain(&served) {
        let pod = ctx.pods().get(&names::pod(&world.name_any(), 1)).await?;
        holds_nothing_of_others(&pod)?;
    }
    ctx.say("worlds without host ports run in a restricted namespace");

    let bots = ctx.bots("players", Choice::Fill)?;
    bots.players_in(&fleet::world_of(&inner[0]), 2).await?;
    bots.until_inside(&fleet::world_of(&inner[0]), 2).await?;
    let trial = Trial::begin([fleet::world_of(&inner[0])]);
    plays_by_service(&ctx, &served[0]).await?;
    ctx.say("players inside the cluster reach a world by its Service");
    let to = now();
    bots.leave().await?;
    let record = bots.stop().await?;
    trial.verdict(&ctx, to, &[&record])?;

    only_the_host_port_is_in_the_way(&ctx).await?;
    for security in [Security::Baseline, Security::Restricted] {
        forbidden_ports_are_named(&ctx, security).await?;
    }
    ctx.say("forbidden host ports are named, with the remedy");
    Ok(())
}

async fn operator_is_restricted(ctx: &Ctx) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(ctx.client());
    let namespace = namespaces.get(NAMESPACE).await?;
    let level = namespace
        .labels()
        .get("pod-security.kubernetes.io/enforce")
        .map(String::as_str);
    ensure!(
        level == Some("restricted"),
        "{NAMESPACE} enforces {level:?}"
    );
    operator::until_ready(&ctx.client(), 2).await
}

/// No token of the API, no part of the host's file system, no namespace of the host's.
fn holds_nothing_of_others(pod: &Pod) -> Result<()> {
    let name = pod.name_any();
    let spec = pod.spec.as_ref().context("no spec")?;
    for volume in spec.volumes.iter().flatten() {
        ensure!(
            volume.host_path.is_none(),
            "{name} mounts the host's {:?}",
            volume.host_path
        );
        let sources = volume
            .projected
            .iter()
            .flat_map(|projected| projected.sources.iter().flatten());
        for source in sources {
            ensure!(
                source.service_account_token.is_none(),
                "{name} has a token of the API"
            );
        }
    }
    for container in &spec.containers {
        for mount in container.volume_mounts.iter().flatten() {
            ensure!(
                !mount
                    .mount_path
                    .starts_with("/var/run/secrets/kubernetes.io"),
                "{name} mounts a token of the API"
            );
        }
        for port in container.ports.iter().flatten() {
            ensure!(
                port.host_port.is_none(),
                "{name} has host port {:?}",
                port.host_port
            );
        }
    }
    ensure!(
        spec.restart_policy.as_deref() == Some("Never"),
        "{name} is restarted {:?}",
        spec.restart_policy
    );
    let host = [spec.host_network, spec.host_pid, spec.host_ipc];
    ensure!(
        host.iter().all(|shared| *shared != Some(true)),
        "{name} shares the host's namespaces"
    );
    Ok(())
}

/// Bots in a pod of their own join at the world's Service.
async fn plays_by_service(ctx: &Ctx, world: &GameServer) -> Result<()> {
    let target = way_in(world).context("the world has no address")?;
    let address = format!("{}:{}", target.address, target.port);
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "players"},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumes": [{"name": "record", "emptyDir": {}}],
            "containers": [{
                "name": "bots",
                "image": ctx.shared.image,
                "imagePullPolicy": "IfNotPresent",
                "command": [
                    "worldkeeper-bots", "join", "--address", address, "--world", fleet::world_of(world),
                    "--players", "3", "--duration-seconds", "10", "--allow-any-address",
                    "--out", "/record/record.json",
                ],
                "volumeMounts": [{"name": "record", "mountPath": "/record"}],
                "securityContext": {
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    }))?;
    ctx.pods().create(&PostParams::default(), &pod).await?;
    wait::until_one(
        &ctx.pods(),
        "players",
        "the players in the cluster to be done",
        SOON * 2,
        |seen: Option<&Pod>| {
            let phase = seen
                .and_then(|pod| pod.status.as_ref()?.phase.clone())
                .unwrap_or_default();
            if matches!(phase.as_str(), "Succeeded" | "Failed") {
                Ok(())
            } else {
                Err(phase)
            }
        },
    )
    .await?;
    let log = ctx
        .kubectl(&["logs", "players"])
        .await?
        .ok("kubectl logs")?;
    std::fs::write(ctx.folder.join("players-in-the-cluster.log"), &log)?;
    let done = log
        .lines()
        .rev()
        .find_map(|line| match serde_json::from_str(line) {
            Ok(Report::Done { summary, .. }) => Some(summary),
            _ => None,
        });
    let summary = done.context("the players in the cluster left no summary")?;
    ensure!(
        summary.joined == 3 && summary.unexpected_disconnects == 0 && summary.updates > 0,
        "at {address}: {summary:?}"
    );
    Ok(())
}

/// A pod with a host port, taken without the host port, is what the restricted standard accepts.
async fn only_the_host_port_is_in_the_way(ctx: &Ctx) -> Result<()> {
    let open = ctx.another(Security::Privileged).await?;
    let worlds = open.ready(&Fleet::new("ported").host_ports(), 1).await?;
    let pod = open
        .pods()
        .get(&names::pod(&worlds[0].name_any(), 1))
        .await?;
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match ctx.pods().create(&dry, &taken_elsewhere(&pod, true)?).await {
        Err(Error::Api(status)) if status.message.contains("hostPort") => {
            for other in [
                "runAsNonRoot",
                "capabilities",
                "seccompProfile",
                "allowPrivilegeEscalation",
                "hostPath",
            ] {
                ensure!(
                    !status.message.contains(other),
                    "more than the host port is in the way: {}",
                    status.message
                );
            }
        }
        other => anyhow::bail!("a host port in a restricted namespace was answered {other:?}"),
    }
    ctx.pods()
        .create(&dry, &taken_elsewhere(&pod, false)?)
        .await
        .context("without its host port the pod violates the restricted standard")?;
    ctx.say("the host port is all that a pod violates");
    Ok(())
}

/// The same pod for another namespace, not yet placed.
fn taken_elsewhere(pod: &Pod, with_host_ports: bool) -> Result<Pod> {
    let mut spec: PodSpec = pod.spec.clone().context("no spec")?;
    spec.node_name = None;
    if !with_host_ports {
        for container in &mut spec.containers {
            for port in container.ports.iter_mut().flatten() {
                port.host_port = None;
            }
        }
    }
    let mut taken = Pod::default();
    taken.metadata.name = Some("taken-elsewhere".to_owned());
    taken.spec = Some(spec);
    Ok(taken)
}

async fn forbidden_ports_are_named(ctx: &Ctx, security: Security) -> Result<()> {
    let place = ctx.another(security).await?;
    place.apply(&Fleet::new("ported").host_ports()).await?;
    place
        .worlds_until(
            "ported",
            "a world with condition PortsForbidden",
            READY,
            |worlds| {
                let named = worlds.iter().any(|world| {
                    fleet::condition(world, condition::PORTS_FORBIDDEN).is_some_and(|why| {
                        why.status == "True"
                            && why
                                .message
                                .contains("pod-security.kubernetes.io/enforce=privileged")
                    })
                });
                if named {
                    Ok(())
                } else {
                    Err(fleet::describe_all(worlds))
                }
            },
        )
        .await?;
    // The remedy works.
    let namespaces: Api<Namespace> = Api::all(place.client());
    let remedy =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    namespaces
        .patch(
            &place.namespace,
            &PatchParams::default(),
            &Patch::Merge(remedy),
        )
        .await?;
    place.until_settled("ported", 1).await
}
