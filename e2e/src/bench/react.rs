//! How long after a player's join or leave the fleet's status tells of it, on the two real nodes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, pin_mut};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::{WatchStreamExt, watcher};
use worldkeeper_crds::GameFleet;
use worldkeeper_server::bots::record::Record;

use super::figures::{Figures, quantile};
use crate::harness::bots::Choice;
use crate::harness::context::{SOON, Security};
use crate::harness::fleet::Fleet;
use crate::harness::sweep::Manner;
use crate::harness::{Ctx, artifacts, runner, sweep, wait};
use crate::install::tool;

/// For the status to tell of one change.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) async fn run(changes: u32) -> Result<()> {
    let shared = Arc::new(runner::set_up(false).await?);
    let ctx = Ctx::new(shared, "bench-react", false)?;
    artifacts::prepare(&ctx.folder)?;
    let result = measure(&ctx, changes.max(2)).await;
    let swept = sweep::sweep(&ctx.client(), Some("bench-react"), Manner::ByForce).await;
    let figures = result?;
    swept?;
    figures.publish("react")
}

async fn measure(ctx: &Ctx, changes: u32) -> Result<Figures> {
    ctx.make_namespace(Security::Privileged).await?;
    ctx.ready(&Fleet::new("game").replicas(2).host_ports(), 2)
        .await?;
    let bots = ctx.bots("players", Choice::Spread)?;
    let fleets = ctx.fleets();
    let events = watcher(fleets, watcher::Config::default()).default_backoff();
    pin_mut!(events);
    let mut told = Vec::new();
    for change in 0..changes {
        // One player comes, then goes again.
        let players = i32::from(change % 2 == 0);
        bots.players(u32::from(change % 2 == 0)).await?;
        let at = wait::finish("the status to tell of a change", LIMIT, async {
            loop {
                let event = events.next().await.context("the watch ended")??;
                let now = Timestamp::now().as_millisecond();
                if let watcher::Event::Apply(fleet) | watcher::Event::InitApply(fleet) = event
                    && tells(&fleet, players)
                {
                    return Ok(now);
                }
            }
        })
        .await
        .with_context(|| format!("change {change}"))?;
        told.push(at);
        // No wait for anything: so that changes meet the operator at every phase of its intervals.
        tokio::time::sleep(Duration::from_millis(u64::from(change * 137 % 700))).await;
        if (change + 1) % 20 == 0 {
            tool::step(format!("{} of {changes} changes", change + 1));
        }
    }
    bots.until("everybody outside", SOON, |status| {
        if status.connected <= 1 {
            Ok(())
        } else {
            Err(crate::harness::bots::describe(status))
        }
    })
    .await?;
    let record = bots.stop().await?;
    figures(&record, &told)
}

fn tells(fleet: &GameFleet, players: i32) -> bool {
    fleet.name_any() == "game"
        && fleet
            .status
            .as_ref()
            .is_some_and(|status| status.players == players)
}

/// What the players did, against when the status told of it. Each waited for the one before.
fn figures(record: &Record, told: &[i64]) -> Result<Figures> {
    let mut happened = Vec::new();
    for (_, session) in record.sessions() {
        happened.push(i64::try_from(session.connected_unix_ms)?);
        if let Some(end) = &session.end {
            happened.push(i64::try_from(end.at_unix_ms)?);
        }
    }
    happened.sort_unstable();
    ensure!(
        happened.len() >= told.len(),
        "the players did less than the status told of"
    );
    #[allow(clippy::cast_precision_loss)]
    let all: Vec<f64> = told
        .iter()
        .zip(&happened)
        .map(|(told, did)| (told - did) as f64)
        .collect();
    let side = |first: usize| -> Vec<f64> { all.iter().skip(first).step_by(2).copied().collect() };
    let mut figures = Figures::default();
    #[allow(clippy::cast_precision_loss)]
    figures.put("changes", all.len() as f64);
    for (prefix, values) in [("", all.clone()), ("join_", side(0)), ("leave_", side(1))] {
        for (name, at) in [("p50_ms", 0.5), ("p99_ms", 0.99), ("max_ms", 1.0)] {
            let value = quantile(&values, at).context("nothing was measured")?;
            figures.put(&format!("{prefix}{name}"), value);
        }
    }
    Ok(figures)
}
