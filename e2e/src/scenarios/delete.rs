//! No deletion, by whoever and however, ends a world with players inside. Each world here is hit in
//! another way, with two players in it; for a stated time nothing may happen to them. Then they
//! leave, and everything that was to be deleted goes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt};
use serde_json::json;
use worldkeeper_crds::server::{ServerState, condition};
use worldkeeper_crds::{GameServer, names};

use crate::harness::bots::{Bots, Choice};
use crate::harness::context::{GONE, SOON, Security};
use crate::harness::fleet::{self, Fleet};
use crate::harness::verdict::{Trial, now};
use crate::harness::{Ctx, wait};

const PLAYERS: u32 = 2;
/// For which nothing may happen to anyone.
const STANDS: Duration = Duration::from_secs(30);
/// The ways in which kubectl deletes dependants.
const CASCADES: [&str; 3] = ["background", "foreground", "orphan"];

pub(super) async fn run(ctx: Ctx) -> Result<()> {
    ctx.make_namespace(Security::Restricted).await?;
    let going = ctx.another(Security::Restricted).await?;
    let fleets: Vec<String> = CASCADES
        .iter()
        .map(|cascade| format!("fleet-{cascade}"))
        .collect();

    // One world for each way to delete a fleet, one for each way to delete a server, and one that is
    // hit as a pod; in a namespace of its own, one that is to go with it.
    let plans = fleets
        .iter()
        .map(|name| Fleet::new(name))
        .chain([Fleet::new("servers").replicas(3), Fleet::new("pods")]);
    let ready = plans.map(|plan| {
        let ctx = ctx.clone();
        async move {
            ctx.ready(&plan, if plan.name() == "servers" { 3 } else { 1 })
                .await
        }
    });
    let worlds: Vec<GameServer> = try_join_all(ready).await?.into_iter().flatten().collect();
    let in_going = going.ready(&Fleet::new("namespace"), 1).await?;
    ctx.say(format!(
        "{} worlds are Ready",
        worlds.len() + in_going.len()
    ));

    let bots = ctx.bots("players", Choice::Spread)?;
    let bots_in_going = going.bots("players-of-the-namespace", Choice::Spread)?;
    for world in &worlds {
        bots.players_in(&fleet::world_of(world), PLAYERS).await?;
    }
    bots.until_connected(u64::from(PLAYERS) * worlds.len() as u64)
        .await?;
    bots_in_going.players(PLAYERS).await?;
    bots_in_going.until_connected(PLAYERS.into()).await?;
    let trial = Trial::begin(worlds.iter().chain(&in_going).map(fleet::world_of));
    until_counted(&ctx, &worlds).await?;
    until_counted(&going, &in_going).await?;
    ctx.say("each with two players inside");

    delete_fleets(&ctx).await?;
    delete_servers(&ctx).await?;
    attack_pod(&ctx, &worlds).await?;
    delete_namespace(&going).await?;
    delete_budgets(&ctx).await?;
    ctx.say("everything has been deleted that can be named");
    stands(&ctx, &worlds, &going, &in_going).await?;
    ctx.say(format!(
        "for {} s nothing happened to anyone",
        STANDS.as_secs()
    ));

    until_draining(&ctx, &worlds).await?;
    orphan_plays_on(&ctx).await?;
    let to = now();
    let (record, of_going) = leave_one_by_one(&ctx, &worlds, bots, bots_in_going).await?;
    trial.verdict(&ctx, to, &[&record, &of_going])?;
    everything_goes(&ctx, &going).await
}

async fn until_counted(ctx: &Ctx, worlds: &[GameServer]) -> Result<()> {
    let names: Vec<String> = worlds.iter().map(ResourceExt::name_any).collect();
    let config = kube::runtime::watcher::Config::default();
    wait::until(
        &ctx.worlds(),
        config,
        "every world to count its players",
        SOON,
        |seen: &[&GameServer]| {
            let counted = seen
                .iter()
                .filter(|world| names.contains(&world.name_any()))
                .filter(|world| fleet::players_of(world) == i32::try_from(PLAYERS).ok())
                .count();
            if counted == names.len() {
                Ok(())
            } else {
                Err(fleet::describe_all(seen))
            }
        },
    )
    .await
}

async fn delete_fleets(ctx: &Ctx) -> Result<()> {
    for cascade in CASCADES {
        let (name, how) = (format!("fleet-{cascade}"), format!("--cascade={cascade}"));
        ctx.kubectl(&["delete", "gamefleet", &name, &how, "--wait=false"])
            .await?
            .ok("deleting a fleet")?;
    }
    Ok(())
}

async fn delete_servers(ctx: &Ctx) -> Result<()> {
    for (cascade, world) in CASCADES.iter().zip(ctx.worlds_of("servers").await?) {
        let how = format!("--cascade={cascade}");
        ctx.kubectl(&[
            "delete",
            "gameserver",
            &world.name_any(),
            &how,
            "--wait=false",
        ])
        .await?
        .ok("deleting a server")?;
    }
    Ok(())
}

/// Everything that a person can do to a pod, to the one that nobody asked to end, and the simplest of
/// it to all others.
async fn attack_pod(ctx: &Ctx, worlds: &[GameServer]) -> Result<()> {
    let target = worlds
        .iter()
        .find(|world| world.name_any().starts_with("pods-"))
        .context("there is no world to attack")?;
    let pod = names::pod(&target.name_any(), 1);
    let remedy = ["Delete its GameServer", "break-glass"];
    for flags in [
        &["--wait=false"][..],
        &["--wait=false", "--force", "--grace-period=0"],
        &["--wait=false", "--now"],
        &["--wait=false", "--cascade=foreground"],
        &["--wait=false", "--cascade=orphan"],
    ] {
        let arguments = [&["delete", "pod", pod.as_str()], flags].concat();
        let what = format!("kubectl {}", arguments.join(" "));
        ctx.kubectl(&arguments).await?.refused(&what, &remedy)?;
    }
    ctx.kubectl(&["delete", "pods", "--all", "--wait=false"])
        .await?
        .refused("deleting all pods", &remedy)?;
    for world in worlds {
        refuses_eviction(ctx, &names::pod(&world.name_any(), 1)).await?;
    }
    let marked = ctx
        .kubectl(&["label", "pod", &pod, "worldkeeper.dev/evictable=true"])
        .await?;
    marked.refused("marking a populated pod as evictable", &["evictable"])?;
    let freed = ctx
        .kubectl(&[
            "patch",
            "pod",
            &pod,
            "--type=merge",
            "-p",
            r#"{"metadata":{"finalizers":null}}"#,
        ])
        .await?;
    freed.refused("taking the fencing finalizer away", &["fencing"])?;
    Ok(())
}

/// One request, answered at once: libraries ask again and again when they are told to come later.
async fn refuses_eviction(ctx: &Ctx, pod: &str) -> Result<()> {
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", ctx.namespace);
    let eviction = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": ctx.namespace},
    });
    let what = format!("the eviction of {pod}");
    ctx.kubectl_with(
        &["create", "--raw", &path, "-f", "-"],
        &eviction.to_string(),
    )
    .await?
    .refused(&what, &["disruption budget"])
    .map(drop)
}

async fn delete_namespace(going: &Ctx) -> Result<()> {
    going
        .kubectl(&["delete", "namespace", &going.namespace, "--wait=false"])
        .await?
        .refused(
            "deleting a namespace with worlds",
            &["Delete its GameFleets", "break-glass"],
        )?;
    // The fleet in it is asked to go instead, as the message says.
    going
        .kubectl(&["delete", "gamefleet", "--all", "--wait=false"])
        .await?
        .ok("deleting all fleets")?;
    Ok(())
}

/// What protects the pods from eviction cannot be taken away first.
async fn delete_budgets(ctx: &Ctx) -> Result<()> {
    ctx.kubectl(&["delete", "poddisruptionbudgets", "--all", "--wait=false"])
        .await?
        .refused("deleting the disruption budgets", &["delete the GameFleet"])
        .map(drop)
}

async fn stands(
    ctx: &Ctx,
    worlds: &[GameServer],
    going: &Ctx,
    in_going: &[GameServer],
) -> Result<()> {
    let pods = |worlds: &[GameServer]| -> Vec<String> {
        worlds
            .iter()
            .map(|world| names::pod(&world.name_any(), 1))
            .collect()
    };
    let (here, there) = (pods(worlds), pods(in_going));
    tokio::try_join!(
        ctx.pods_stay(&here, STANDS),
        going.pods_stay(&there, STANDS)
    )?;
    Ok(())
}

/// The worlds that were asked to go let nobody new in; the others are as Ready as before.
async fn until_draining(ctx: &Ctx, worlds: &[GameServer]) -> Result<()> {
    for world in worlds {
        let name = world.name_any();
        let untouched = name.starts_with("pods-") || name.starts_with("fleet-orphan-");
        let what = format!(
            "{name} {}",
            if untouched { "to be Ready" } else { "to drain" }
        );
        ctx.world_until(&name, &what, SOON, |seen| {
            let right = seen.is_some_and(|seen| {
                let stopped = fleet::is_true(fleet::condition(seen, condition::JOINS_STOPPED));
                let state = fleet::state_of(seen);
                if untouched {
                    state == Some(ServerState::Ready) && !stopped
                } else {
                    state == Some(ServerState::Draining) && stopped
                }
            });
            if right {
                Ok(())
            } else {
                Err(seen.map_or_else(|| "gone".to_owned(), fleet::describe))
            }
        })
        .await?;
    }
    Ok(())
}

/// The world of an orphaned fleet has no owner, and runs on.
async fn orphan_plays_on(ctx: &Ctx) -> Result<()> {
    ctx.fleet_until(
        "fleet-orphan",
        "the orphaned fleet to be gone",
        SOON,
        |seen| match seen {
            None => Ok(()),
            some => Err(fleet::describe_fleet(some)),
        },
    )
    .await?;
    let orphan = ctx.worlds().get("fleet-orphan-1").await?;
    ensure!(
        orphan.metadata.deletion_timestamp.is_none(),
        "the orphan is told to end"
    );
    ensure!(
        orphan.owner_references().is_empty(),
        "the orphan has owners: {:?}",
        orphan.owner_references()
    );
    refuses_eviction(ctx, &names::pod("fleet-orphan-1", 1)).await
}

/// World by world, so that each goes because its own players left.
async fn leave_one_by_one(
    ctx: &Ctx,
    worlds: &[GameServer],
    bots: Bots,
    bots_in_going: Bots,
) -> Result<(
    worldkeeper_server::bots::record::Record,
    worldkeeper_server::bots::record::Record,
)> {
    for world in worlds {
        let name = world.name_any();
        bots.leave_world(&fleet::world_of(world)).await?;
        if name.starts_with("fleet-orphan-") || name.starts_with("pods-") {
            // Nobody but this asks for its end.
            ctx.kubectl(&["delete", "gameserver", &name, "--wait=false"])
                .await?
                .ok("deleting the last")?;
        }
        if name.starts_with("pods-") {
            // Its fleet wants a world in its place.
            ctx.kubectl(&["delete", "gamefleet", "pods", "--wait=false"])
                .await?
                .ok("deleting its fleet")?;
        }
        ctx.world_until(
            &name,
            &format!("{name} to be gone"),
            GONE,
            |seen| match seen {
                None => Ok(()),
                Some(seen) => Err(fleet::describe(seen)),
            },
        )
        .await?;
    }
    ctx.say("each world went after its players");
    Ok((bots.stop().await?, bots_in_going.stop().await?))
}

async fn everything_goes(ctx: &Ctx, going: &Ctx) -> Result<()> {
    ctx.kubectl(&["delete", "gamefleet", "servers", "--wait=false"])
        .await?
        .ok("deleting the last fleet")?;
    for fleet in [
        "fleet-background",
        "fleet-foreground",
        "fleet-orphan",
        "servers",
        "pods",
    ] {
        ctx.until_gone(fleet).await?;
    }
    going.until_gone("namespace").await?;
    let budgets: Api<k8s_openapi::api::policy::v1::PodDisruptionBudget> = ctx.api();
    wait::until(
        &budgets,
        kube::runtime::watcher::Config::default(),
        "no disruption budget left",
        GONE,
        |left: &[&k8s_openapi::api::policy::v1::PodDisruptionBudget]| {
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{} left", left.len()))
            }
        },
    )
    .await?;
    let namespaces: Api<Namespace> = Api::all(going.client());
    wait::until_one(
        &namespaces,
        &going.namespace,
        "the namespace to be free",
        SOON,
        |seen: Option<&Namespace>| match seen {
            Some(seen) if seen.labels().contains_key(names::LABEL_NAMESPACE_WORLDS) => {
                Err(format!("labels {:?}", seen.labels()))
            }
            _ => Ok(()),
        },
    )
    .await?;
    going
        .kubectl(&["delete", "namespace", &going.namespace, "--wait=false"])
        .await?
        .ok("deleting the empty namespace")?;
    wait::until_one(
        &namespaces,
        &going.namespace,
        "the namespace to be gone",
        GONE,
        |seen: Option<&Namespace>| match seen {
            None => Ok(()),
            Some(seen) => Err(format!("{:?}", seen.status)),
        },
    )
    .await
}
