//! Two ways to lose a node. Without power, its processes are dead and its Node object goes, as a cloud
//! would do: its worlds come back on the other node as the next epoch. Cut off from the control plane,
//! its processes run on: players in its worlds stay, and no second incarnation appears. Both hit the
//! node of the operator's leader.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Node;
use kube::{Api, ResourceExt};
use worldkeeper_crds::server::{ServerState, condition};
use worldkeeper_crds::{GameServer, names};

use crate::harness::bots::{Bots, Choice};
use crate::harness::context::{SOON, Security};
use crate::harness::fleet::{self, Fleet};
use crate::harness::machine::Loss;
use crate::harness::verdict::{Trial, now};
use crate::harness::{Ctx, operator, wait};

/// For the control plane to miss a node, and for the operator to act.
const MISSED: Duration = Duration::from_secs(180);
/// For which, after the control plane has missed the node, nothing may happen to its worlds.
const STANDS: Duration = Duration::from_secs(60);

pub(super) async fn run(ctx: Ctx) -> Result<()> {
    let result = lose(&ctx).await;
    // Whatever came of it, both nodes are there for those who come next.
    let machine = ctx.machine()?;
    for node in machine.nodes()? {
        machine.start_node(&node).await?;
        node_ready(&ctx, &node).await?;
    }
    result?;
    operator::until_ready(&ctx.client(), 2).await
}

async fn lose(ctx: &Ctx) -> Result<()> {
    ctx.make_namespace(Security::Privileged).await?;
    operator::until_ready(&ctx.client(), 2).await?;
    let plan = Fleet::new("game")
        .replicas(4)
        .host_ports()
        .leaves_lost_nodes_at_once();
    ctx.ready(&plan, 4).await?;
    power_off(ctx).await?;
    // The worlds of the lost node are all on the other one: a second fleet spreads over both again.
    let plan = Fleet::new("cut")
        .replicas(4)
        .host_ports()
        .leaves_lost_nodes_at_once();
    ctx.ready(&plan, 4).await?;
    partition(ctx).await
}

/// The leader's node, the worlds of a fleet on it, and the others.
async fn worlds_by_node(
    ctx: &Ctx,
    fleet: &str,
) -> Result<(String, Vec<GameServer>, Vec<GameServer>)> {
    operator::spread(&ctx.client()).await?;
    let leader = operator::leader(&ctx.client(), None).await?;
    let node = leader
        .pod
        .spec
        .and_then(|spec| spec.node_name)
        .context("the leader has no node")?;
    let (on, off): (Vec<_>, Vec<_>) = ctx
        .worlds_of(fleet)
        .await?
        .into_iter()
        .partition(|world| fleet::node_of(world) == Some(node.as_str()));
    ensure!(
        !on.is_empty() && !off.is_empty(),
        "the worlds are not spread over both nodes"
    );
    Ok((node, on, off))
}

async fn two_in_each(bots: &Bots, worlds: &[&GameServer]) -> Result<()> {
    for world in worlds {
        bots.players_in(&fleet::world_of(world), 2).await?;
    }
    for world in worlds {
        bots.until_inside(&fleet::world_of(world), 2).await?;
    }
    Ok(())
}

async fn power_off(ctx: &Ctx) -> Result<()> {
    let (node, lost, others) = worlds_by_node(ctx, "game").await?;
    let bots = ctx.bots("players-of-power-off", Choice::Spread)?;
    two_in_each(&bots, &lost.iter().chain(&others).collect::<Vec<_>>()).await?;
    let mut trial = Trial::begin(others.iter().map(fleet::world_of));
    for world in &lost {
        trial.sacrifice(&fleet::world_of(world), 1);
    }
    ctx.say(format!(
        "{node} loses its power, with {} worlds and the leader on it",
        lost.len()
    ));
    ctx.machine()?.stop_node(&node, Loss::PowerOff).await?;
    for world in &lost {
        let name = world.name_any();
        let what = format!("{name} Ready at epoch 2 on the other node");
        ctx.world_until(&name, &what, MISSED, |seen| match seen {
            Some(seen)
                if fleet::state_of(seen) == Some(ServerState::Ready)
                    && fleet::epoch_of(seen) == 2
                    && fleet::node_of(seen).is_some_and(|now| now != node)
                    && seen.uid() == world.uid()
                    && seen.spec.world == world.spec.world =>
            {
                Ok(())
            }
            other => Err(other.map_or_else(|| "gone".to_owned(), fleet::describe)),
        })
        .await?;
        bots.until_inside_epoch(&fleet::world_of(world), 2, 2)
            .await?;
    }
    ctx.say("its worlds are back on the other node, and so are their players");
    let to = now();
    let record = bots.stop().await?;
    trial.verdict(ctx, to, &[&record])?;
    for world in &lost {
        let seen = record
            .summary
            .worlds
            .get(&fleet::world_of(world))
            .context("nobody was there")?;
        let name = fleet::world_of(world);
        let back = record.players.iter().flat_map(|player| &player.sessions);
        ensure!(
            back.filter(|stay| stay.world == name && stay.epoch == 2)
                .count()
                == 2,
            "not everyone is back in {name}"
        );
        ensure!(
            seen.seeds.len() == 1 && seen.terrain_hashes.len() == 1,
            "it is not the same world: {seen:?}"
        );
    }
    ctx.machine()?.start_node(&node).await?;
    node_ready(ctx, &node).await?;
    operator::until_ready(&ctx.client(), 2).await?;
    ctx.until_settled("game", 4).await
}

async fn partition(ctx: &Ctx) -> Result<()> {
    let (node, cut, others) = worlds_by_node(ctx, "cut").await?;
    let bots = ctx.bots("players-of-partition", Choice::Spread)?;
    two_in_each(&bots, &cut.iter().chain(&others).collect::<Vec<_>>()).await?;
    let trial = Trial::begin(cut.iter().chain(&others).map(fleet::world_of));
    ctx.say(format!(
        "{node} is cut off, with {} worlds and the leader on it",
        cut.len()
    ));
    ctx.machine()?.stop_node(&node, Loss::Partition).await?;
    for world in &cut {
        let name = world.name_any();
        ctx.world_until(
            &name,
            &format!("{name} to say that its node is not heard"),
            MISSED,
            |seen| {
                let heard = seen.and_then(|seen| fleet::condition(seen, condition::NODE_REACHABLE));
                match (seen, heard) {
                    (Some(_), Some(heard)) if heard.status != "True" => Ok(()),
                    (other, _) => Err(other.map_or_else(|| "gone".to_owned(), fleet::describe)),
                }
            },
        )
        .await?;
    }
    ctx.say("the control plane has missed it, and wants its pods gone");
    let pods: Vec<String> = cut
        .iter()
        .map(|world| names::pod(&world.name_any(), 1))
        .collect();
    let alone = ctx.worlds_throughout("cut", "one incarnation of each world", STANDS, |worlds| {
        worlds.iter().all(|world| fleet::epoch_of(world) == 1)
    });
    tokio::try_join!(alone, ctx.pods_stay(&pods, STANDS))?;
    ctx.say(format!(
        "for {} s its players play on, in the only incarnation",
        STANDS.as_secs()
    ));

    ctx.machine()?.start_node(&node).await?;
    node_ready(ctx, &node).await?;
    for world in &cut {
        let name = world.name_any();
        ctx.world_until(
            &name,
            &format!("{name} Ready as it was"),
            SOON * 2,
            |seen| match seen {
                Some(seen)
                    if fleet::state_of(seen) == Some(ServerState::Ready)
                        && fleet::epoch_of(seen) == 1
                        && fleet::is_true(fleet::condition(seen, condition::NODE_REACHABLE))
                        && fleet::is_true(fleet::condition(seen, condition::PLAYERS_KNOWN))
                        && fleet::players_of(seen) == Some(2) =>
                {
                    Ok(())
                }
                other => Err(other.map_or_else(|| "gone".to_owned(), fleet::describe)),
            },
        )
        .await?;
    }
    ctx.say("healed, they are as they were");
    let to = now();
    let record = bots.stop().await?;
    trial.verdict(ctx, to, &[&record])?;
    no_second_pod(ctx, &cut)
}

/// No pod of a second epoch was ever made for the worlds of the node that was cut off.
fn no_second_pod(ctx: &Ctx, cut: &[GameServer]) -> Result<()> {
    let Some(mark) = &ctx.mark else { return Ok(()) };
    let made = mark.creates("pods", &ctx.namespace)?;
    for world in cut {
        let second = names::pod(&world.name_any(), 2);
        ensure!(!made.contains(&second), "{second} was made");
    }
    Ok(())
}

async fn node_ready(ctx: &Ctx, node: &str) -> Result<()> {
    let nodes: Api<Node> = Api::all(ctx.client());
    wait::until_one(
        &nodes,
        node,
        &format!("node {node} to be ready"),
        MISSED,
        |seen: Option<&Node>| {
            let status = seen.and_then(|node| node.status.as_ref());
            let ready = status.and_then(|status| {
                status
                    .conditions
                    .as_ref()?
                    .iter()
                    .find(|condition| condition.type_ == "Ready")
            });
            let tainted = seen
                .and_then(|node| node.spec.as_ref()?.taints.as_ref())
                .is_some_and(|taints| {
                    taints
                        .iter()
                        .any(|taint| taint.key.starts_with("node.kubernetes.io/"))
                });
            match ready {
                Some(ready) if ready.status == "True" && !tainted => Ok(()),
                other => Err(format!("{other:?}, tainted: {tainted}")),
            }
        },
    )
    .await
}
