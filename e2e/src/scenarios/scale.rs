//! Scaled up and down. A populated world that is to go stops joins, keeps its players, and ends only
//! once they have left; scaled up again meanwhile, it is taken back.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use worldkeeper_crds::server::{ServerState, condition};
use worldkeeper_crds::{GameServer, names};
use worldkeeper_server::protocol::RefusalReason;

use crate::harness::Ctx;
use crate::harness::bots::{Bots, Choice, way_in};
use crate::harness::context::{SOON, Security};
use crate::harness::fleet::{self, Fleet};
use crate::harness::proxy::Proxy;
use crate::harness::verdict::{Trial, now};

/// For which a populated world that is to go must stand.
const STANDS: Duration = Duration::from_secs(20);

pub(super) async fn run(ctx: Ctx) -> Result<()> {
    ctx.make_namespace(Security::Restricted).await?;
    ctx.ready(&Fleet::new("game").replicas(2), 2).await?;
    ctx.kubectl(&["scale", "gf/game", "--replicas=5"])
        .await?
        .ok("kubectl scale")?;
    ctx.until_settled("game", 5).await?;
    let worlds = ctx.worlds_of("game").await?;
    let seeds: Vec<i64> = worlds.iter().map(|world| world.spec.world.seed).collect();
    ensure!(seeds == [1, 2, 3, 4, 5], "seeds are {seeds:?}");
    ctx.say("five worlds are Ready");

    // The fuller of the two is older, so that age alone cannot have chosen right.
    let (full, thin) = (&worlds[1], &worlds[0]);
    let (full_world, thin_world) = (fleet::world_of(full), fleet::world_of(thin));
    let bots = ctx.bots("players", Choice::Fill)?;
    bots.players_in(&full_world, 3).await?;
    bots.players_in(&thin_world, 1).await?;
    bots.until_connected(4).await?;
    let (returning, way) = returning_player(&ctx, thin).await?;
    let trial = Trial::begin([full_world.clone(), thin_world.clone()]);
    counted(&ctx, full, 3).await?;
    counted(&ctx, thin, 2).await?;

    ctx.scale("game", 1).await?;
    until_left(&ctx, &[thin, full]).await?;
    until_draining(&ctx, thin).await?;
    ctx.say("the empty worlds are gone, the emptier populated one drains");
    refuses_joins(&ctx, thin).await?;
    way.cut();
    comes_back(&ctx, thin, returning).await?;
    counted(&ctx, thin, 1).await?;
    stands(&ctx, thin, full).await?;
    ctx.say("it refuses newcomers, let back in who had lost the connection, and stands with its player inside");

    ctx.scale("game", 2).await?;
    ctx.world_until(
        &thin.name_any(),
        "the draining world to be taken back",
        SOON,
        |world| match world {
            Some(world)
                if fleet::state_of(world) == Some(ServerState::Ready) && !world.spec.scale_down =>
            {
                Ok(())
            }
            other => Err(other.map_or_else(|| "gone".to_owned(), fleet::describe)),
        },
    )
    .await?;
    ctx.until_settled("game", 2).await?;
    bots.players_in(&thin_world, 2).await?;
    bots.until_inside(&thin_world, 2).await?;
    counted(&ctx, thin, 2).await?;
    ctx.say("scaled up again, it was taken back and lets players in");

    ctx.scale("game", 1).await?;
    until_draining(&ctx, thin).await?;
    let to = now();
    bots.leave_world(&thin_world).await?;
    until_left(&ctx, &[full]).await?;
    ctx.until_settled("game", 1).await?;
    ctx.say("its players left, and it is gone");

    ctx.scale("game", 0).await?;
    until_draining(&ctx, full).await?;
    bots.leave().await?;
    until_left(&ctx, &[]).await?;
    ctx.until_settled("game", 0).await?;
    let record = bots.stop().await?;
    trial.verdict(&ctx, to, &[&record])?;

    ctx.scale("game", 1).await?;
    ctx.until_settled("game", 1).await?;
    let seeds: Vec<i64> = ctx
        .worlds_of("game")
        .await?
        .iter()
        .map(|world| world.spec.world.seed)
        .collect();
    ensure!(
        seeds == [6],
        "a new world got seed {seeds:?}: none is given out twice"
    );
    Ok(())
}

async fn counted(ctx: &Ctx, world: &GameServer, players: i32) -> Result<()> {
    let name = world.name_any();
    let what = format!("{name} to count {players} players");
    ctx.world_until(&name, &what, SOON, |seen| {
        let known = seen
            .is_some_and(|seen| fleet::is_true(fleet::condition(seen, condition::PLAYERS_KNOWN)));
        if known && seen.and_then(fleet::players_of) == Some(players) {
            Ok(())
        } else {
            Err(seen.map_or_else(|| "gone".to_owned(), fleet::describe))
        }
    })
    .await
}

/// Waits until the fleet has these worlds and no others, each with its pod of the first epoch.
async fn until_left(ctx: &Ctx, expect: &[&GameServer]) -> Result<()> {
    let mut expected: Vec<String> = expect.iter().map(|world| world.name_any()).collect();
    expected.sort();
    let what = format!("only {expected:?} left");
    ctx.worlds_until("game", &what, SOON * 2, |worlds| {
        let mut left: Vec<String> = worlds.iter().map(|world| world.name_any()).collect();
        left.sort();
        for world in &expected {
            if !left.contains(world) {
                return Err(format!("{world} is gone! {}", fleet::describe_all(worlds)));
            }
        }
        if left == expected {
            Ok(())
        } else {
            Err(fleet::describe_all(worlds))
        }
    })
    .await?;
    for world in expect {
        let pod = ctx.pods().get(&names::pod(&world.name_any(), 1)).await?;
        ensure!(
            pod.metadata.deletion_timestamp.is_none(),
            "{} is told to end",
            pod.name_any()
        );
    }
    Ok(())
}

async fn until_draining(ctx: &Ctx, world: &GameServer) -> Result<()> {
    let name = world.name_any();
    ctx.world_until(
        &name,
        &format!("{name} to drain"),
        SOON,
        |seen| match seen {
            Some(seen)
                if seen.spec.scale_down
                    && fleet::state_of(seen) == Some(ServerState::Draining)
                    && fleet::is_true(fleet::condition(seen, condition::JOINS_STOPPED))
                    && !fleet::is_true(fleet::condition(seen, condition::DRAINED)) =>
            {
                Ok(())
            }
            other => Err(other.map_or_else(|| "gone".to_owned(), fleet::describe)),
        },
    )
    .await
}

/// A player whose way to the world can be cut.
async fn returning_player(ctx: &Ctx, world: &GameServer) -> Result<(Bots, Proxy)> {
    let mut target = way_in(world).context("the world has no address")?;
    let real = SocketAddr::new(target.address.parse()?, target.port);
    let way = Proxy::start(real).await?;
    target.address = way.address.ip().to_string();
    target.port = way.address.port();
    let bots = Bots::start(&ctx.folder, "returning", Choice::FillAndReturn)?;
    bots.set(vec![target]).await?;
    bots.players(1).await?;
    bots.until_connected(1).await?;
    Ok((bots, way))
}

/// Who was inside when joins stopped may take up a lost connection; then the player leaves.
async fn comes_back(ctx: &Ctx, world: &GameServer, bots: Bots) -> Result<()> {
    bots.until("the lost connection to be taken up again", SOON, |status| {
        if status.joined == 2 && status.connected == 1 {
            Ok(())
        } else {
            Err(crate::harness::bots::describe(status))
        }
    })
    .await?;
    counted(ctx, world, 2).await?;
    bots.leave().await?;
    let record = bots.stop().await?;
    ensure!(
        record.summary.resumed == 1,
        "it came back as someone new: {:?}",
        record.summary
    );
    ensure!(
        record.summary.refused.is_empty(),
        "it was refused: {:?}",
        record.summary.refused
    );
    Ok(())
}

/// A newcomer at a draining world's door is told that joins are stopped.
async fn refuses_joins(ctx: &Ctx, world: &GameServer) -> Result<()> {
    let door = ctx.worlds().get(&world.name_any()).await?;
    let target = way_in(&door).context("the draining world has no address")?;
    let newcomer = Bots::start(&ctx.folder, "newcomer", Choice::Fill)?;
    newcomer.set(vec![target]).await?;
    newcomer.players(1).await?;
    newcomer
        .until("the newcomer to be refused", SOON, |status| {
            if status.refused > 0 {
                Ok(())
            } else {
                Err(crate::harness::bots::describe(status))
            }
        })
        .await?;
    let record = newcomer.stop().await?;
    ensure!(
        record.summary.joined == 0,
        "a newcomer got into a draining world"
    );
    let reasons: Vec<&String> = record.summary.refused.keys().collect();
    ensure!(
        reasons == [RefusalReason::JoinsStopped.as_str()],
        "the newcomer was refused for {reasons:?}"
    );
    Ok(())
}

/// Both worlds' pods are untouched, and the draining one goes on counting its player.
async fn stands(ctx: &Ctx, thin: &GameServer, full: &GameServer) -> Result<()> {
    let pods = [thin, full].map(|world| names::pod(&world.name_any(), 1));
    let watched = ctx.worlds_throughout(
        "game",
        "a draining world with a player inside",
        STANDS,
        |worlds| {
            worlds
                .iter()
                .filter(|world| world.name_any() == thin.name_any())
                .all(|world| {
                    world.metadata.deletion_timestamp.is_none()
                        && fleet::players_of(world) == Some(1)
                })
        },
    );
    tokio::try_join!(ctx.pods_stay(&pods, STANDS), watched)?;
    Ok(())
}
