//! A fleet that follows its players: they fill it and it grows, they leave and it shrinks to its
//! minimum, and nobody is thrown out on the way.

use std::time::Duration;

use anyhow::{Result, ensure};
use worldkeeper_crds::GameFleet;
use worldkeeper_crds::fleet::condition;

use crate::harness::bots::Choice;
use crate::harness::context::{READY, Security};
use crate::harness::fleet::{self, Fleet};
use crate::harness::verdict::{Trial, now};
use crate::harness::{Ctx, wait};

const SEATS: i32 = 8;
const BUFFER: i32 = 4;
const MOST: i32 = 4;
/// For which the fleet stays at its maximum while it is full.
const FULL: Duration = Duration::from_secs(10);

pub(super) async fn run(ctx: Ctx) -> Result<()> {
    ctx.make_namespace(Security::Restricted).await?;
    let plan = Fleet::new("game").seats(SEATS).autoscaling(1, MOST, BUFFER);
    let generation = ctx.apply(&plan).await?.metadata.generation;
    ctx.until_settled("game", 1).await?;

    // They fill the fullest world first and leave the emptiest first: two are always in the first.
    let bots = ctx.bots("players", Choice::Fill)?;
    bots.players(2).await?;
    bots.until_connected(2).await?;
    let trial = Trial::begin([format!("{}/game-1", ctx.namespace)]);
    // 8 players and 4 free seats need two worlds of 8; 20 and 4 three; 28 and 4 four, and any more
    // would need more than there may be.
    for (players, worlds) in [(8, 2), (20, 3), (28, 4), (32, 4)] {
        bots.players(players).await?;
        until_follows(&ctx, players, worlds).await?;
        bots.until_connected(players.into()).await?;
        ctx.say(format!("{players} players, {worlds} worlds"));
    }
    says_why(&ctx).await?;
    stays_full(&ctx, generation).await?;

    bots.players(2).await?;
    until_follows(&ctx, 2, 1).await?;
    ctx.until_settled("game", 1).await?;
    ctx.say("all but two left, and one world is left");
    let to = now();
    bots.leave().await?;
    until_follows(&ctx, 0, 1).await?;
    let record = bots.stop().await?;
    trial.verdict(&ctx, to, &[&record])?;
    let last = ctx.fleets().get("game").await?;
    ensure!(
        last.metadata.generation == generation,
        "the operator wrote the fleet's spec"
    );
    Ok(())
}

async fn until_follows(ctx: &Ctx, players: u32, worlds: i32) -> Result<()> {
    let what = format!("{worlds} worlds for {players} players");
    ctx.fleet_until("game", &what, READY, |seen| {
        let status = seen.and_then(|seen| seen.status.as_ref());
        let follows = status.is_some_and(|status| {
            status.desired_replicas == worlds
                && status.ready_replicas == worlds
                && i64::from(status.players) <= i64::from(players)
        });
        if follows {
            Ok(())
        } else {
            Err(fleet::describe_fleet(seen))
        }
    })
    .await
}

/// The condition names the bound that holds the fleet back.
async fn says_why(ctx: &Ctx) -> Result<()> {
    ctx.fleet_until(
        "game",
        "the autoscaler to name its maximum",
        READY,
        |seen| match seen
            .and_then(|seen| fleet::fleet_condition(seen, condition::AUTOSCALING_ACTIVE))
        {
            Some(why) if why.status == "True" && why.message.contains("maxReplicas") => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )
    .await
}

/// It grows no further, and nobody writes its spec.
async fn stays_full(ctx: &Ctx, generation: Option<i64>) -> Result<()> {
    let config = kube::runtime::watcher::Config::default();
    let what = "the fleet at its maximum with its spec unwritten";
    wait::throughout(
        &ctx.fleets(),
        config,
        what,
        FULL,
        |fleets: &[&GameFleet]| {
            let good = fleets.iter().all(|seen| {
                seen.metadata.generation == generation
                    && seen
                        .status
                        .as_ref()
                        .is_some_and(|status| status.desired_replicas == MOST)
            });
            if good {
                Ok(())
            } else {
                Err(fleet::describe_fleet(fleets.first().copied()))
            }
        },
    )
    .await
}
