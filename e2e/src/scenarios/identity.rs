//! A world is its seed and its name. Its process crashed, or its pod was deleted with the glass
//! broken: it comes back as the same world, at the next epoch, and the others do not notice.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use worldkeeper_crds::server::ServerState;
use worldkeeper_crds::{GameServer, names};

use crate::harness::Ctx;
use crate::harness::bots::{Bots, Choice};
use crate::harness::context::{READY, Security};
use crate::harness::fleet::{self, Fleet};
use crate::harness::verdict::{Trial, now};

pub(super) async fn run(ctx: Ctx) -> Result<()> {
    ctx.make_namespace(Security::Privileged).await?;
    let worlds = ctx
        .ready(&Fleet::new("game").replicas(2).host_ports(), 2)
        .await?;
    let (victim, witness) = (&worlds[0], &worlds[1]);
    let (victim_world, witness_world) = (fleet::world_of(victim), fleet::world_of(witness));
    let bots = ctx.bots("players", Choice::Fill)?;
    bots.players_in(&victim_world, 3).await?;
    bots.players_in(&witness_world, 2).await?;
    bots.until_connected(5).await?;
    let mut trial = Trial::begin([witness_world.clone()]);

    let first = ctx.pods().get(&names::pod(&victim.name_any(), 1)).await?;
    trial.sacrifice(&victim_world, 1);
    ctx.machine()?
        .kill(&first, "server", "worldkeeper-server")
        .await?;
    comes_back(&ctx, victim, 2, &bots).await?;
    ctx.say("killed with kill -9, the world came back at epoch 2");

    let second = names::pod(&victim.name_any(), 2);
    ctx.kubectl(&["delete", "pod", &second, "--wait=false"])
        .await?
        .refused("deleting a populated pod", &["break-glass"])?;
    let glass = Patch::Merge(
        json!({"metadata": {"annotations": {names::ANNOTATION_BREAK_GLASS: "a test"}}}),
    );
    ctx.pods()
        .patch(&second, &PatchParams::default(), &glass)
        .await?;
    trial.sacrifice(&victim_world, 2);
    ctx.kubectl(&["delete", "pod", &second, "--wait=false"])
        .await?
        .ok("deleting with the glass broken")?;
    comes_back(&ctx, victim, 3, &bots).await?;
    ctx.say("deleted with the glass broken, it came back at epoch 3");

    let to = now();
    bots.leave().await?;
    let record = bots.stop().await?;
    trial.verdict(&ctx, to, &[&record])?;
    let seen = record
        .summary
        .worlds
        .get(&victim_world)
        .context("nobody was in the world")?;
    let seed = u64::try_from(victim.spec.world.seed)?;
    ensure!(
        seen.seeds == BTreeSet::from([seed]),
        "its seeds were {:?}",
        seen.seeds
    );
    ensure!(
        seen.terrain_hashes.len() == 1,
        "its terrain changed: {:?}",
        seen.terrain_hashes
    );
    ensure!(
        seen.epochs == BTreeSet::from([1, 2, 3]),
        "its epochs were {:?}",
        seen.epochs
    );
    created_once(&ctx, &victim.name_any())
}

/// The same object, Ready at the next epoch, with the same players inside.
async fn comes_back(ctx: &Ctx, victim: &GameServer, epoch: i64, bots: &Bots) -> Result<()> {
    let name = victim.name_any();
    let what = format!("{name} Ready at epoch {epoch}");
    let (uid, spec) = (victim.uid(), &victim.spec.world);
    ctx.world_until(&name, &what, READY, |seen| match seen {
        Some(seen)
            if fleet::state_of(seen) == Some(ServerState::Ready)
                && fleet::epoch_of(seen) == epoch =>
        {
            if seen.uid() == uid && seen.spec.world == *spec {
                Ok(())
            } else {
                Err("another object or another seed".to_owned())
            }
        }
        other => Err(other.map_or_else(|| "gone".to_owned(), fleet::describe)),
    })
    .await?;
    let pod = ctx.pods().get(&names::pod(&name, epoch)).await?;
    let label = pod.labels().get(names::LABEL_EPOCH).map(String::as_str);
    ensure!(
        label == Some(&*epoch.to_string()),
        "the pod's epoch is {label:?}"
    );
    bots.until_inside(&fleet::world_of(victim), 3).await
}

/// Each epoch's pod was created once, and none beside the three.
fn created_once(ctx: &Ctx, server: &str) -> Result<()> {
    let Some(mark) = &ctx.mark else { return Ok(()) };
    let mut created: Vec<String> = mark
        .creates("pods", &ctx.namespace)?
        .into_iter()
        .filter(|pod| pod.rsplit_once('-').is_some_and(|(of, _)| of == server))
        .collect();
    created.sort();
    let expected: Vec<String> = (1..=3).map(|epoch| names::pod(server, epoch)).collect();
    ensure!(created == expected, "pods were created as {created:?}");
    Ok(())
}
