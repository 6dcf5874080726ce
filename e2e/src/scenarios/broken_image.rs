//! Servers that cannot start: an image that does not exist, one that never becomes ready, one that
//! crashes. Each is named by its reason within the startup timeout, is tried again ever more rarely,
//! and disturbs no other world. Once corrected, they start.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kube::ResourceExt;
use serde_json::json;
use worldkeeper_crds::server::condition;
use worldkeeper_crds::{GameServer, names};

use crate::harness::Ctx;
use crate::harness::bots::Choice;
use crate::harness::context::{READY, Security};
use crate::harness::fleet::{self, Fleet};
use crate::harness::verdict::{Trial, now};

/// Seconds that a server has to start.
const STARTUP: u64 = 20;
/// For the operator to see what the kubelet says, beyond the timeout.
const SLACK: Duration = Duration::from_secs(20);
/// For which starts are counted.
const WATCHED: Duration = Duration::from_secs(90);
/// Most starts of one world in that time: the first two follow each other, then delays double from
/// ten seconds on.
const MOST_STARTS: usize = 6;

struct Broken {
    fleet: Fleet,
    reason: &'static [&'static str],
}

fn broken() -> Result<[Broken; 3]> {
    let startup = i32::try_from(STARTUP)?;
    Ok([
        Broken {
            fleet: Fleet::new("missing").image("localhost/worldkeeper-no-such-image:dev").startup_timeout(startup),
            reason: &["ImagePullFailed"],
        },
        Broken {
            // A program of the image that waits for commands, and answers nobody.
            fleet: Fleet::new("mute").startup_timeout(startup).container(json!({
                "command": ["worldkeeper-bots", "fleet", "--out", "/run/worldkeeper/record.json"],
                "stdin": true,
                "lifecycle": null,
            })),
            reason: &["StartupTimeout"],
        },
        Broken {
            fleet: Fleet::new("crashing").startup_timeout(startup).container(json!({
                "command": ["worldkeeper-server", "--no-such-option"],
            })),
            reason: &["Crashed", "CrashLoop"],
        },
    ])
}

pub(super) async fn run(ctx: Ctx) -> Result<()> {
    ctx.make_namespace(Security::Restricted).await?;
    let worlds = ctx.ready(&Fleet::new("healthy").replicas(2), 2).await?;
    let bots = ctx.bots("players", Choice::Spread)?;
    bots.players(4).await?;
    bots.until_connected(4).await?;
    let trial = Trial::begin(worlds.iter().map(fleet::world_of));

    let broken = broken()?;
    for one in &broken {
        ctx.apply(&one.fleet).await?;
    }
    futures::future::try_join_all(broken.iter().map(|one| is_named(&ctx, one))).await?;
    ctx.say("each is named by its reason within the startup timeout");
    ctx.worlds_throughout(
        "healthy",
        "healthy worlds at their first epoch",
        WATCHED,
        |worlds| {
            worlds.iter().all(|world| {
                fleet::epoch_of(world) == 1
                    && fleet::is_true(fleet::condition(world, condition::READY))
            })
        },
    )
    .await?;
    for one in &broken {
        starts_rarely(&ctx, one.fleet.name()).await?;
    }
    ctx.say(format!(
        "for {} s nothing else was disturbed",
        WATCHED.as_secs()
    ));

    // Corrected, they start at once: another revision has not failed yet.
    for one in &broken {
        ctx.apply(&Fleet::new(one.fleet.name())).await?;
    }
    for one in &broken {
        ctx.until_settled(one.fleet.name(), 1).await?;
    }
    ctx.say("corrected, they are Ready");
    let to = now();
    bots.leave().await?;
    let record = bots.stop().await?;
    trial.verdict(&ctx, to, &[&record])
}

/// A world of the fleet says why it does not start, within the startup timeout of its making.
async fn is_named(ctx: &Ctx, broken: &Broken) -> Result<()> {
    let fleet_name = broken.fleet.name();
    let what = format!("a world of {fleet_name} with reason {:?}", broken.reason);
    let within = Duration::from_secs(STARTUP) + SLACK;
    ctx.worlds_until(fleet_name, &what, within, |worlds| {
        let named = worlds.iter().any(|world| {
            [condition::STARTED, condition::READY].iter().any(|type_| {
                fleet::condition(world, type_).is_some_and(|why| {
                    why.status == "False"
                        && broken.reason.contains(&why.reason.as_str())
                        && !why.message.is_empty()
                })
            })
        });
        if named {
            Ok(())
        } else {
            Err(fleet::describe_all(worlds))
        }
    })
    .await?;
    ctx.fleet_until(
        fleet_name,
        &format!("fleet {fleet_name} to say so"),
        READY,
        |seen| match seen.and_then(|seen| {
            fleet::fleet_condition(seen, worldkeeper_crds::fleet::condition::READY)
        }) {
            Some(ready) if ready.status == "False" => Ok(()),
            _ => Err(fleet::describe_fleet(seen)),
        },
    )
    .await
}

/// As the audit log counts it; without one, as the epoch does.
async fn starts_rarely(ctx: &Ctx, fleet_name: &str) -> Result<()> {
    let worlds: Vec<GameServer> = ctx.worlds_of(fleet_name).await?;
    let [world] = worlds.as_slice() else {
        bail!("{fleet_name} has {} worlds instead of one", worlds.len());
    };
    let started = match &ctx.mark {
        Some(mark) => mark
            .creates("pods", &ctx.namespace)?
            .iter()
            .filter(|pod| {
                pod.rsplit_once('-')
                    .is_some_and(|(of, _)| of == world.name_any())
            })
            .count(),
        None => usize::try_from(fleet::epoch_of(world))?,
    };
    ensure!(started >= 1, "no start of {fleet_name} was seen");
    ensure!(
        started <= MOST_STARTS,
        "{fleet_name} was started {started} times"
    );
    if fleet_name == "crashing" {
        let failures = world
            .status
            .as_ref()
            .and_then(|status| status.failures.as_ref());
        let failures = failures.context("its failures are not counted")?;
        ensure!(
            failures.count >= 2,
            "only {} failures are counted",
            failures.count
        );
        let pod = names::pod(&world.name_any(), failures.last_epoch);
        ensure!(!pod.is_empty() && started >= 2, "it was not tried again");
    }
    Ok(())
}
