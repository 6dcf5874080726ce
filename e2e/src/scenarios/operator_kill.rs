//! The leader killed with `kill -9` at odd moments while it scales: the next one goes on, nothing is
//! created twice, and nobody is thrown out.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};
use worldkeeper_crds::GameServer;
use worldkeeper_crds::server::condition;

use crate::harness::Ctx;
use crate::harness::bots::Choice;
use crate::harness::context::{READY, Security};
use crate::harness::fleet::{self, Fleet};
use crate::harness::operator::{self, CONTAINER, PROGRAM};
use crate::harness::verdict::{Trial, now};
use crate::install::operator::NAMESPACE;

const KILLS: usize = 5;
const KILLS_THOROUGH: usize = 20;
/// Worlds wanted, round by round. With one wanted and two populated, one drains until it is wanted
/// again.
const TARGETS: [i32; 6] = [5, 2, 6, 1, 4, 3];
/// Time from the change to the kill, round by round, so that it hits another step each time.
const DELAYS_MS: [u64; 7] = [0, 350, 60, 900, 150, 2_000, 600];

pub(super) async fn run(ctx: Ctx) -> Result<()> {
    ctx.make_namespace(Security::Privileged).await?;
    operator::until_ready(&ctx.client(), 2).await?;
    let worlds = ctx
        .ready(&Fleet::new("game").replicas(3).host_ports(), 3)
        .await?;
    let inside: Vec<String> = worlds[..2].iter().map(fleet::world_of).collect();
    let bots = ctx.bots("players", Choice::Fill)?;
    bots.players_in(&inside[0], 3).await?;
    bots.players_in(&inside[1], 2).await?;
    bots.until_connected(5).await?;
    let trial = Trial::begin(inside.clone());

    let kills = if ctx.thorough { KILLS_THOROUGH } else { KILLS };
    for round in 0..kills {
        let target = TARGETS[round % TARGETS.len()];
        kill_while_scaling(
            &ctx,
            target,
            Duration::from_millis(DELAYS_MS[round % DELAYS_MS.len()]),
        )
        .await?;
        until_scaled(&ctx, target).await?;
        no_world_twice(&ctx).await?;
        operator::until_ready(&ctx.client(), 2).await?;
        ctx.say(format!(
            "kill {} of {kills}: the next leader scaled to {target}",
            round + 1
        ));
    }
    let to = now();
    bots.leave().await?;
    let record = bots.stop().await?;
    trial.verdict(&ctx, to, &[&record])?;
    created_once(&ctx)
}

async fn kill_while_scaling(ctx: &Ctx, target: i32, delay: Duration) -> Result<()> {
    let client = ctx.client();
    let leader = operator::leader(&client, None).await?;
    ctx.scale("game", target).await?;
    // Not a wait for anything: the moment at which the leader is hit.
    tokio::time::sleep(delay).await;
    ctx.machine()?.kill(&leader.pod, CONTAINER, PROGRAM).await?;
    operator::leader(&client, Some(leader.term)).await?;
    // A pod that was killed often is restarted late. Another one takes its place.
    let pods: Api<Pod> = Api::namespaced(client, NAMESPACE);
    pods.delete(&leader.pod.name_any(), &DeleteParams::default())
        .await?;
    Ok(())
}

/// As many Ready worlds as wanted, or, where fewer are wanted than are populated, those with players:
/// one Ready, the other draining.
async fn until_scaled(ctx: &Ctx, target: i32) -> Result<()> {
    if target >= 2 {
        return ctx.until_settled("game", target).await;
    }
    ctx.worlds_until(
        "game",
        "one world Ready and one draining",
        READY,
        |worlds| {
            let draining = worlds
                .iter()
                .filter(|world| {
                    world.spec.scale_down
                        && fleet::is_true(fleet::condition(world, condition::JOINS_STOPPED))
                })
                .count();
            let ready = worlds
                .iter()
                .filter(|world| {
                    !world.spec.scale_down
                        && fleet::is_true(fleet::condition(world, condition::READY))
                })
                .count();
            if (worlds.len(), ready, draining) == (2, 1, 1) {
                Ok(())
            } else {
                Err(fleet::describe_all(worlds))
            }
        },
    )
    .await
}

/// Each world has its seed alone, and one pod at most.
async fn no_world_twice(ctx: &Ctx) -> Result<()> {
    let worlds: Vec<GameServer> = ctx.worlds_of("game").await?;
    let mut seeds: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for world in &worlds {
        seeds
            .entry(world.spec.world.seed)
            .or_default()
            .push(world.name_any());
    }
    ensure!(
        seeds.values().all(|names| names.len() == 1),
        "a seed was given out twice: {seeds:?}"
    );
    let mut pods: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pod in ctx.pods().list(&kube::api::ListParams::default()).await? {
        if pod.metadata.deletion_timestamp.is_none()
            && let Some(world) = pod.labels().get(worldkeeper_crds::names::LABEL_WORLD)
        {
            pods.entry(world.clone()).or_default().push(pod.name_any());
        }
    }
    ensure!(
        pods.values().all(|names| names.len() == 1),
        "a world runs twice: {pods:?}"
    );
    Ok(())
}

/// Over all kills, each world was created once, and each epoch's pod once.
fn created_once(ctx: &Ctx) -> Result<()> {
    let Some(mark) = &ctx.mark else { return Ok(()) };
    for resource in ["gameservers", "pods"] {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for name in mark.creates(resource, &ctx.namespace)? {
            *times.entry(name).or_default() += 1;
        }
        let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
        ensure!(
            twice.is_empty(),
            "{resource} were created more than once: {twice:?}"
        );
        ensure!(
            !times.is_empty(),
            "the audit log has no creation of {resource}"
        );
    }
    Ok(())
}
