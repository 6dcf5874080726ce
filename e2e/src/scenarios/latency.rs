//! Players far away: everything that bots do, over lines of 0.2 to 5 s that lose packets.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use tokio::time::{Instant, sleep};
use worldkeeper_server::bots::command::WorldTarget;
use worldkeeper_server::bots::record::{Record, Summary};

use crate::harness::bots::{Bots, Choice, How, describe};
use crate::harness::wait;
use crate::local::relay::Report;
use crate::local::{ENDS_WITH_US, Place, Setup};

/// Round trips of the three lines, in milliseconds.
const ROUND_TRIPS: [u64; 3] = [200, 1_000, 5_000];
/// From here on a deal is waited for only when the scenario was named.
const SLOW_MS: u64 = 5_000;
/// Of packets, in percent, in each direction.
const LOSS: &str = "1";
/// Bots on each line: few enough to know each other, enough to trade.
const BOTS: u32 = 12;
/// Small, so that they meet.
const WORLD_METRES: u32 = 300;
/// Datagrams by which a line is measured before it is used.
const PROBES: u32 = 2_000;
/// How often the record is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// For the relay to make its devices.
const DEVICES: Duration = Duration::from_secs(20);
/// For all bots to be inside: connection, upgrade and Hello are a round trip each, and a lost packet of
/// a new connection costs seconds more.
const JOIN: Duration = Duration::from_secs(180);
/// For everything to have been done.
const DEEDS: Duration = Duration::from_secs(900);

/// What they have to have done on each line.
const GATHERED: u64 = 20;
const KILLS: u64 = 2;
/// Each counts for both.
const TRADES: u64 = 2;

pub(super) async fn run(place: Place) -> Result<()> {
    let lines = (0..)
        .zip(ROUND_TRIPS)
        .map(|(number, round_trip)| line(&place, number, round_trip));
    let told = try_join_all(lines).await?;
    for line in told {
        place.say(line);
    }
    Ok(())
}

/// Everything on one line; what there is to tell of it.
async fn line(place: &Place, number: u8, round_trip_ms: u64) -> Result<String> {
    play(place, number, round_trip_ms)
        .await
        .with_context(|| format!("over {round_trip_ms} ms"))
}

async fn play(place: &Place, number: u8, round_trip_ms: u64) -> Result<String> {
    // A deal takes eight messages to and fro, in which neither may walk off: over the longest line that
    // may take many minutes.
    let trades = if place.thorough || round_trip_ms < SLOW_MS {
        TRADES
    } else {
        0
    };
    // Apart from the cluster's addresses, a network of four for each line.
    let near = Ipv4Addr::new(198, 18, 200, 4 * number + 1);
    let far = Ipv4Addr::new(198, 18, 200, 4 * number + 2);
    let name = format!("far-{round_trip_ms}");
    let report = place.folder.join(format!("{name}.relay.json"));
    let own = std::env::current_exe()?;
    let (own, report_file) = (text(&own)?, text(&report)?);
    let round_trip = round_trip_ms.to_string();
    let (near_text, far_text) = (near.to_string(), far.to_string());
    let (seed, probes) = ((u64::from(number) + 1).to_string(), PROBES.to_string());
    let how = How {
        under: &[
            own,
            "relay",
            "--round-trip-ms",
            &round_trip,
            "--loss",
            LOSS,
            "--seed",
            &seed,
            "--near",
            &near_text,
            "--far",
            &far_text,
            "--probes",
            &probes,
            "--report",
            report_file,
            "--",
        ],
        args: &["--predict", "--silence-seconds", "60"],
    };
    let bots = Bots::start_as(&place.folder, &name, Choice::Fill, how)?;
    until_there(near).await?;
    let server = Setup::default()
        .under(&ENDS_WITH_US)
        .set("server.host", near)
        .set("server.max_players", BOTS)
        .set("world.size", WORLD_METRES);
    let server = place
        .server(&format!("server-{round_trip_ms}"), server)
        .await?;
    bots.set(vec![WorldTarget {
        capacity: Some(BOTS),
        ..server.target().await?
    }])
    .await?;
    bots.players(BOTS).await?;
    bots.until("all bots to be inside", JOIN, |status| {
        if status.connected == u64::from(BOTS) {
            Ok(())
        } else {
            Err(describe(status))
        }
    })
    .await?;
    place.say(format!("{round_trip_ms} ms: all bots are inside"));
    bots.measure().await?;

    let deadline = Instant::now() + DEEDS;
    let record = loop {
        sleep(LOOK).await;
        let record = bots.record().await?;
        in_step(&record, round_trip_ms)?;
        match missing(&record.summary, trades) {
            None => break record,
            Some(missing) if Instant::now() > deadline => {
                bail!("after {} s: {missing}", DEEDS.as_secs());
            }
            Some(_) => {}
        }
    };
    let last = bots.stop().await?;
    in_step(&last, round_trip_ms)?;
    let counted = server.metrics().await?;
    ensure!(
        counted
            .family("world_kicks_total")
            .values()
            .all(|kicks| *kicks == 0.0),
        "the server threw players out"
    );
    server.stop().await?;
    let report = std::fs::read_to_string(&report).context("the relay left no report")?;
    let report: Report = serde_json::from_str(&report)?;
    as_bad_as_asked_for(&report, round_trip_ms)?;
    Ok(told(&record.summary, &report, round_trip_ms))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

/// Waits until this machine has the address.
async fn until_there(address: Ipv4Addr) -> Result<()> {
    wait::finish("the relay to make its devices", DEVICES, async {
        while UdpSocket::bind((address, 0)).is_err() {
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    })
    .await
}

/// Nobody was thrown out or misled, and everybody's world goes on as fast as the server's.
fn in_step(record: &Record, round_trip_ms: u64) -> Result<()> {
    let summary = &record.summary;
    ensure!(
        summary.violations == 0,
        "{} messages broke the protocol",
        summary.violations
    );
    ensure!(
        summary.faults.is_empty(),
        "the server contradicted itself: {:?}",
        summary.faults
    );
    ensure!(
        summary.unexpected_disconnects == 0,
        "{} bots were disconnected: {:?}",
        summary.unexpected_disconnects,
        summary.closed_by_server
    );
    for player in &record.players {
        for session in player
            .sessions
            .iter()
            .filter(|session| session.end.is_none())
        {
            let inside = record
                .written_unix_ms
                .saturating_sub(session.connected_unix_ms);
            let lag = lag_ms(inside, session.last_tick - session.first_tick);
            let most = most_lag_ms(round_trip_ms);
            ensure!(
                lag <= most,
                "{} is {lag} ms behind the server, more than {most}",
                player.name
            );
        }
    }
    Ok(())
}

/// How far the last tick that was told is behind, beyond what the first one was.
fn lag_ms(inside_ms: u64, ticks: u64) -> u64 {
    inside_ms.saturating_sub(ticks * 50)
}

/// What lost packets may cost: TCP finds a loss after a round trip, and the packet that it sends again
/// may get lost as well; on a short line its least timeout and this machine's load weigh more.
fn most_lag_ms(round_trip_ms: u64) -> u64 {
    4 * round_trip_ms + 4_000
}

/// What they have not done yet, if anything.
fn missing(summary: &Summary, trades: u64) -> Option<String> {
    let deeds = &summary.deeds;
    let all = [
        ("gathered", deeds.gathered, GATHERED),
        ("killed", deeds.kills, KILLS),
        ("traded", deeds.trades, trades),
        ("said", deeds.said, 1),
        ("heard", deeds.heard, 1),
    ];
    let missing: Vec<String> = all
        .into_iter()
        .filter(|(_, done, wanted)| done < wanted)
        .map(|(what, done, wanted)| format!("{what} {done} times instead of {wanted}"))
        .collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

/// The line was as far and as lossy as it claims: otherwise nothing has been shown.
fn as_bad_as_asked_for(report: &Report, round_trip_ms: u64) -> Result<()> {
    let measured = report.measured.context("the line was not measured")?;
    #[allow(clippy::cast_precision_loss, reason = "seconds")]
    let asked = round_trip_ms as f64;
    ensure!(
        measured.min_ms >= asked && measured.median_ms <= asked + 50.0,
        "round trips of {} to {} ms",
        measured.min_ms,
        measured.median_ms
    );
    // 1 % each way: about 2 % of the datagrams. Five standard deviations are 1.6 %.
    let lost = f64::from(measured.sent - measured.answered) / f64::from(measured.sent);
    ensure!(
        (0.004..=0.036).contains(&lost),
        "{:.1} % of datagrams lost",
        100.0 * lost
    );
    ensure!(
        report.to_near.overflowed + report.to_far.overflowed == 0,
        "the relay had no room for packets: {report:?}"
    );
    ensure!(
        report.to_near.lost > 0 && report.to_far.lost > 0,
        "nothing got lost"
    );
    Ok(())
}

fn told(summary: &Summary, report: &Report, round_trip_ms: u64) -> String {
    let (deeds, measured) = (&summary.deeds, &summary.measured);
    let mut line = format!(
        "{round_trip_ms} ms: gathered {}, killed {}, traded {}, crafted {}, said {}; ",
        deeds.gathered, deeds.kills, deeds.trades, deeds.crafted, deeds.said
    );
    let _ = write!(
        line,
        "corrections_per_min {:.2}, round trip median {:.0} ms and p99 {:.0} ms, between updates p99 {:.0} ms; \
         {} of {} packets lost",
        measured.corrections_per_minute,
        measured.round_trip_ms.p50,
        measured.round_trip_ms.p99,
        measured.gap_ms.p99,
        report.to_near.lost + report.to_far.lost,
        report.to_near.taken + report.to_far.taken,
    );
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use worldkeeper_server::bots::record::{Deeds, PlayerRecord, Session};

    fn record(inside_ms: u64, ticks: u64) -> Record {
        Record {
            version: 1,
            started_unix_ms: 0,
            written_unix_ms: 1_000 + inside_ms,
            complete: false,
            summary: Summary::default(),
            players: vec![PlayerRecord {
                sessions: vec![Session {
                    connected_unix_ms: 1_000,
                    first_tick: 70,
                    last_tick: 70 + ticks,
                    ..Session::default()
                }],
                ..PlayerRecord::default()
            }],
        }
    }

    #[test]
    fn who_falls_behind_is_noticed() {
        for (inside_ms, ticks, round_trip_ms, expect) in [
            (10_000, 200, 200, true),
            // A first tick that came late makes up for it later.
            (10_000, 240, 200, true),
            (10_000, 105, 200, true),
            (10_000, 100, 200, false),
            (60_000, 720, 5_000, true),
            (60_000, 700, 5_000, false),
        ] {
            let held = in_step(&record(inside_ms, ticks), round_trip_ms).is_ok();
            assert_eq!(held, expect, "{ticks} ticks in {inside_ms} ms");
        }
        let mut thrown_out = record(10_000, 200);
        thrown_out.summary.unexpected_disconnects = 1;
        assert!(in_step(&thrown_out, 200).is_err());
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut summary = Summary {
            deeds: Deeds {
                gathered: GATHERED,
                kills: KILLS,
                trades: TRADES - 1,
                said: 1,
                heard: 1,
                ..Deeds::default()
            },
            ..Summary::default()
        };
        assert_eq!(
            missing(&summary, TRADES).as_deref(),
            Some("traded 1 times instead of 2")
        );
        summary.deeds.trades += 1;
        assert_eq!(missing(&summary, TRADES), None);
    }
}
