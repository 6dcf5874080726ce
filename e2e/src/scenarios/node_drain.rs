//! Plain `kubectl drain`: it waits for the world with players, evicts the rest, and ends when the
//! players leave. Empty worlds move to the other node as their next epoch.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Node;
use kube::{Api, ResourceExt};
use tokio::process::Child;
use worldkeeper_crds::server::{ServerState, condition};
use worldkeeper_crds::{GameServer, names};

use crate::harness::bots::Choice;
use crate::harness::context::{READY, SOON, Security};
use crate::harness::fleet::{self, Fleet};
use crate::harness::verdict::{Trial, now};
use crate::harness::{Ctx, operator, sweep, wait};

/// For which the drain waits and the world stands.
const STANDS: Duration = Duration::from_secs(30);

pub(super) async fn run(ctx: Ctx) -> Result<()> {
    let result = drain(&ctx).await;
    // Whatever came of it, the node takes pods again.
    sweep::uncordon(&ctx.client()).await?;
    result?;
    operator::until_ready(&ctx.client(), 2).await
}

async fn drain(ctx: &Ctx) -> Result<()> {
    ctx.make_namespace(Security::Privileged).await?;
    let worlds = ctx
        .ready(&Fleet::new("game").replicas(6).host_ports(), 6)
        .await?;
    let populated = &worlds[0];
    let node = fleet::node_of(populated).context("no node")?.to_owned();
    let (same, other): (Vec<_>, Vec<_>) = worlds[1..]
        .iter()
        .partition(|world| fleet::node_of(world) == Some(node.as_str()));
    ensure!(!same.is_empty(), "no second world is on {node}");
    ensure!(!other.is_empty(), "every world is on {node}");
    let witness = other[0];
    let bots = ctx.bots("players", Choice::Fill)?;
    let (world, witness_world) = (fleet::world_of(populated), fleet::world_of(witness));
    bots.players_in(&world, 3).await?;
    bots.players_in(&witness_world, 1).await?;
    bots.until_connected(4).await?;
    let trial = Trial::begin([world.clone(), witness_world]);
    ctx.say(format!(
        "three players in {world} on {node}, {} empty worlds beside it",
        same.len()
    ));

    let mut drain = start_drain(ctx, &node)?;
    for world in &same {
        moves_away(ctx, world, &node).await?;
    }
    ctx.say("the empty worlds moved to the other node");
    until_draining(ctx, populated).await?;
    others_are_off(ctx, &node, populated).await?;
    let pod = names::pod(&populated.name_any(), 1);
    ctx.pods_stay(&[pod], STANDS).await?;
    if let Some(status) = drain.try_wait()? {
        bail!("kubectl drain ended ({status}) with players on the node");
    }
    ctx.say(format!(
        "for {} s it waits for the players",
        STANDS.as_secs()
    ));

    let to = now();
    bots.leave_world(&world).await?;
    let output = wait::finish("kubectl drain to end", SOON * 2, async {
        Ok(drain.wait_with_output().await?)
    })
    .await?;
    std::fs::write(
        ctx.folder.join("kubectl-drain.txt"),
        [output.stdout, output.stderr.clone()].concat(),
    )?;
    ensure!(
        output.status.success(),
        "kubectl drain failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    moves_away(ctx, populated, &node).await?;
    ctx.say("they left; the drain has ended and the world is on the other node");
    bots.leave().await?;
    let record = bots.stop().await?;
    trial.verdict(ctx, to, &[&record])?;
    ctx.until_settled("game", 6).await
}

fn start_drain(ctx: &Ctx, node: &str) -> Result<Child> {
    let mut drain = ctx.shared.cluster.kubectl()?;
    drain.args([
        "drain",
        node,
        "--ignore-daemonsets",
        "--delete-emptydir-data",
    ]);
    drain.stdout(Stdio::piped()).stderr(Stdio::piped());
    drain.spawn().context("cannot start kubectl drain")
}

/// The same world, Ready at the next epoch on another node.
async fn moves_away(ctx: &Ctx, world: &GameServer, node: &str) -> Result<()> {
    let name = world.name_any();
    let what = format!("{name} Ready at epoch 2 on another node");
    ctx.world_until(&name, &what, READY, |seen| match seen {
        Some(seen)
            if fleet::state_of(seen) == Some(ServerState::Ready)
                && fleet::epoch_of(seen) == 2
                && fleet::node_of(seen).is_some_and(|now| now != node) =>
        {
            ensure_same(seen, world)
        }
        other => Err(other.map_or_else(|| "gone".to_owned(), fleet::describe)),
    })
    .await
}

fn ensure_same(seen: &GameServer, world: &GameServer) -> Result<(), String> {
    if seen.uid() == world.uid() && seen.spec.world == world.spec.world {
        Ok(())
    } else {
        Err("it is another world".to_owned())
    }
}

async fn until_draining(ctx: &Ctx, world: &GameServer) -> Result<()> {
    let name = world.name_any();
    ctx.world_until(
        &name,
        &format!("{name} to stop joins"),
        SOON,
        |seen| match seen {
            Some(seen)
                if fleet::state_of(seen) == Some(ServerState::Draining)
                    && fleet::is_true(fleet::condition(seen, condition::JOINS_STOPPED))
                    && !seen.spec.scale_down =>
            {
                Ok(())
            }
            other => Err(other.map_or_else(|| "gone".to_owned(), fleet::describe)),
        },
    )
    .await
}

/// No pod of any namespace is left on the node but the one with players.
async fn others_are_off(ctx: &Ctx, node: &str, populated: &GameServer) -> Result<()> {
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::all(ctx.client());
    let config = kube::runtime::watcher::Config::default().fields(&format!("spec.nodeName={node}"));
    let expected = names::pod(&populated.name_any(), 1);
    let what = format!("only {expected} left on {node}");
    wait::until(
        &pods,
        config,
        &what,
        READY,
        |left: &[&k8s_openapi::api::core::v1::Pod]| {
            let names: Vec<String> = left.iter().map(|pod| pod.name_any()).collect();
            if names == [expected.clone()] {
                Ok(())
            } else {
                Err(names.join(", "))
            }
        },
    )
    .await?;
    let nodes: Api<Node> = Api::all(ctx.client());
    let cordoned = nodes
        .get(node)
        .await?
        .spec
        .and_then(|spec| spec.unschedulable);
    ensure!(cordoned == Some(true), "{node} is not cordoned");
    Ok(())
}
