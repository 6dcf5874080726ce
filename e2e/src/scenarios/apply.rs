//! From `kubectl apply` to players inside, and counted.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use worldkeeper_crds::GameServer;
use worldkeeper_crds::fleet::condition;

use crate::harness::bots::Choice;
use crate::harness::context::{SOON, Security};
use crate::harness::fleet::{self, Fleet};
use crate::harness::verdict::{Trial, now};
use crate::harness::{Ctx, wait};

const PLAYERS: u32 = 9;
/// For which nothing is to be written about a fleet that nothing happens to.
const QUIET: Duration = Duration::from_secs(12);

pub(super) async fn run(ctx: Ctx) -> Result<()> {
    ctx.make_namespace(Security::Privileged).await?;
    let plan = Fleet::new("game").replicas(3).host_ports();
    let text = plan.object(&ctx.namespace, &ctx.shared.image).to_string();
    ctx.kubectl_with(&["apply", "-f", "-"], &text)
        .await?
        .ok("kubectl apply")?;
    ctx.until_settled("game", 3).await?;
    let worlds = ctx.worlds_of("game").await?;
    check_identities(&worlds)?;
    ctx.say("three worlds are Ready");

    let generation = ctx.fleets().get("game").await?.metadata.generation;
    ctx.kubectl_with(&["apply", "-f", "-"], &text)
        .await?
        .ok("kubectl apply")?;
    let again = ctx.fleets().get("game").await?.metadata.generation;
    ensure!(
        again == generation,
        "the same fleet applied again is another one"
    );
    check_tables(&ctx, &worlds).await?;

    let bots = ctx.bots("players", Choice::Spread)?;
    bots.players(PLAYERS).await?;
    bots.until_connected(PLAYERS.into()).await?;
    let trial = Trial::begin(worlds.iter().map(fleet::world_of));
    counted(&ctx, i32::try_from(PLAYERS)?).await?;
    ctx.worlds_until("game", "each world to count its players", SOON, |worlds| {
        let sum: Option<i32> = worlds.iter().map(|world| fleet::players_of(world)).sum();
        let each = worlds
            .iter()
            .all(|world| fleet::players_of(world) == Some(3));
        if sum == i32::try_from(PLAYERS).ok() && each {
            Ok(())
        } else {
            Err(fleet::describe_all(worlds))
        }
    })
    .await?;
    ctx.say("nine players are inside and counted");

    quiet(&ctx).await?;
    ctx.say("nothing is written while nothing happens");
    let to = now();
    bots.leave().await?;
    counted(&ctx, 0).await?;
    let record = bots.stop().await?;
    trial.verdict(&ctx, to, &[&record])?;
    for (world, seen) in &record.summary.worlds {
        ensure!(
            seen.seeds.len() == 1 && seen.epochs.len() == 1,
            "{world} was not one world: {seen:?}"
        );
    }

    ctx.kubectl(&["delete", "gamefleet", "game", "--wait=false"])
        .await?
        .ok("kubectl delete")?;
    ctx.until_gone("game").await
}

/// Seeds one after the other, names by seed, an address of its own for each.
fn check_identities(worlds: &[GameServer]) -> Result<()> {
    let seeds: Vec<i64> = worlds.iter().map(|world| world.spec.world.seed).collect();
    ensure!(seeds == [1, 2, 3], "seeds are {seeds:?}");
    let mut places = BTreeSet::new();
    for world in worlds {
        let name = world.name_any();
        ensure!(
            name == format!("game-{}", world.spec.world.seed),
            "{name} is not named by its seed"
        );
        let status = world.status.as_ref().context("no status")?;
        ensure!(status.epoch == 1, "{name} is at epoch {}", status.epoch);
        ensure!(
            status.pod_name.as_deref() == Some(&*format!("{name}-1")),
            "{name}: {:?}",
            status.pod_name
        );
        let address = status.address.clone().context("no address")?;
        let port = status.ports.first().context("no port")?.port;
        ensure!((7000..=7999).contains(&port), "{name} has port {port}");
        ensure!(
            places.insert((address.clone(), port)),
            "{address}:{port} is given out twice"
        );
    }
    Ok(())
}

/// `kubectl get` answers an operator's first questions.
async fn check_tables(ctx: &Ctx, worlds: &[GameServer]) -> Result<()> {
    let table = ctx
        .kubectl(&["get", "gf,gs"])
        .await?
        .ok("kubectl get gf,gs")?;
    for column in [
        "STATE", "DESIRED", "READY", "PLAYERS", "SEATS", "SEED", "EPOCH", "ADDRESS", "PORT", "NODE",
    ] {
        ensure!(table.contains(column), "no column {column} in:\n{table}");
    }
    for world in worlds {
        ensure!(
            table.contains(&world.name_any()),
            "{} is not in:\n{table}",
            world.name_any()
        );
        let node = fleet::node_of(world).context("no node")?;
        ensure!(table.contains(node), "{node} is not in:\n{table}");
    }
    let explained = ctx
        .kubectl(&["explain", "gamefleet.spec", "--recursive"])
        .await?
        .ok("kubectl explain")?;
    ensure!(
        explained.contains("autoscaling") && explained.contains("tickRateHz"),
        "{explained}"
    );
    let all = ctx
        .kubectl(&["get", "worldkeeper"])
        .await?
        .ok("kubectl get worldkeeper")?;
    ensure!(
        all.contains("gamefleet") && all.contains("gameserver"),
        "{all}"
    );
    Ok(())
}

async fn counted(ctx: &Ctx, players: i32) -> Result<()> {
    let what = format!("the fleet to count {players} players");
    ctx.fleet_until("game", &what, SOON, |seen| {
        let count = seen
            .and_then(|seen| seen.status.as_ref())
            .map(|status| status.players);
        let known = seen.is_some_and(|seen| {
            fleet::is_true(fleet::fleet_condition(seen, condition::PLAYERS_KNOWN))
        });
        if count == Some(players) && known {
            Ok(())
        } else {
            Err(fleet::describe_fleet(seen))
        }
    })
    .await
}

/// Nobody writes the fleet or its worlds while players only play.
async fn quiet(ctx: &Ctx) -> Result<()> {
    let mut versions = None;
    let worlds = ctx.worlds();
    let seen = |worlds: &[&GameServer]| {
        let now: Vec<Option<String>> = worlds
            .iter()
            .map(|world| world.resource_version())
            .collect();
        let first = versions.get_or_insert_with(|| now.clone());
        if *first == now {
            Ok(())
        } else {
            Err(fleet::describe_all(worlds))
        }
    };
    let config = crate::harness::context::of_fleet("game");
    wait::throughout(&worlds, config, "worlds unwritten", QUIET, seen).await
}
