//! Those who play: bots on their core, and what both sides spend while they do.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use tokio::time::sleep;
use worldkeeper_server::bots::record::Record;

use super::machine::{ON_BOTS_CORE, SERVER_CORE};
use super::peer::Peer;
use super::usage;
use crate::harness::bots::{Bots, Choice, How, describe};
use crate::harness::{programs, wait};
use crate::local::Server;

/// For all to be inside.
const JOIN: Duration = Duration::from_secs(120);
/// From then on until it is measured: bots spread out, buffers grow, compilers of the peer get warm.
const WARM_UP: Duration = Duration::from_secs(10);

/// What the bots saw in a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Played {
    pub(super) bytes_per_s_per_player: f64,
    pub(super) inter_arrival_p99_ms: f64,
    pub(super) movers_in_sight: f64,
    pub(super) view_error_near_p99_m: f64,
    pub(super) view_error_far_p99_m: f64,
}

/// What processes spent in a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    window: Duration,
    server: Duration,
    bots: Duration,
    server_core: Duration,
}

impl Spent {
    pub(super) fn server_percent(&self) -> f64 {
        usage::percent(self.server, self.window)
    }

    pub(super) fn bots_percent(&self) -> f64 {
        usage::percent(self.bots, self.window)
    }

    /// Of the server's core, by others.
    pub(super) fn foreign_percent(&self) -> f64 {
        usage::percent(self.server_core.saturating_sub(self.server), self.window)
    }
}

/// Counters at a moment.
struct Mark {
    at: Instant,
    server: Duration,
    bots: Duration,
    server_core: Duration,
}

impl Mark {
    fn now(server: u32, bots: u32) -> Result<Self> {
        Ok(Self {
            at: Instant::now(),
            server: usage::process(server)?,
            bots: usage::process(bots)?,
            server_core: usage::core(SERVER_CORE)?,
        })
    }

    fn since(&self, earlier: &Self) -> Spent {
        Spent {
            window: self.at - earlier.at,
            server: self.server.saturating_sub(earlier.server),
            bots: self.bots.saturating_sub(earlier.bots),
            server_core: self.server_core.saturating_sub(earlier.server_core),
        }
    }
}

/// Bots that play in a world of ours.
pub(super) struct Players {
    bots: Bots,
}

impl Players {
    /// Lets them in, and play until everything is warm.
    pub(super) async fn join(
        folder: &Path,
        server: &Server,
        count: u32,
        format: &str,
    ) -> Result<Self> {
        let how = How {
            under: &ON_BOTS_CORE,
            args: &["--format", format],
        };
        let bots = Bots::start_as(folder, "bots", Choice::Fill, how)?;
        bots.set(vec![server.target().await?]).await?;
        bots.players(count).await?;
        bots.until("all bots to be inside", JOIN, |status| {
            if status.connected == u64::from(count) {
                Ok(())
            } else {
                Err(describe(status))
            }
        })
        .await?;
        sleep(WARM_UP).await;
        Ok(Self { bots })
    }

    /// Measures a window.
    pub(super) async fn play(&self, server: u32, window: Duration) -> Result<(Played, Spent)> {
        let bots = self.bots.pid()?;
        self.bots.measure().await?;
        let before = Mark::now(server, bots)?;
        sleep(window).await;
        let spent = Mark::now(server, bots)?.since(&before);
        let record = self.bots.record().await?;
        Ok((played(&record)?, spent))
    }

    /// Lets them go.
    pub(super) async fn leave(self) -> Result<()> {
        self.bots.stop().await.map(drop)
    }
}

/// What the record tells, if it is one of bots that stayed inside and were served by the rules.
fn played(record: &Record) -> Result<Played> {
    let summary = &record.summary;
    ensure!(
        summary.violations == 0,
        "{} messages broke the protocol",
        summary.violations
    );
    ensure!(
        summary.unexpected_disconnects == 0,
        "{} bots were thrown out: {:?}",
        summary.unexpected_disconnects,
        summary.closed_by_server
    );
    let measured = &summary.measured;
    Ok(Played {
        bytes_per_s_per_player: measured.bytes_per_second_per_player,
        inter_arrival_p99_ms: measured.gap_ms.p99,
        movers_in_sight: measured.movers_in_sight,
        view_error_near_p99_m: measured.view_error_near_m.p99,
        view_error_far_p99_m: measured.view_error_far_m.p99,
    })
}

/// From its start, for the bots of the peer to be inside and everything to be warm: they are told so
/// beforehand and cannot be asked on the way.
const PEER_WARM_UP: Duration = Duration::from_secs(15);
/// The window ends so much before the bots do.
const BEFORE_END: Duration = Duration::from_millis(500);
/// For bots to end once their time is over.
const END: Duration = Duration::from_secs(60);

/// Bots play on the peer, over a window after the warm-up.
pub(super) async fn play_on_peer(
    folder: &Path,
    peer: &Peer,
    count: u32,
    window: Duration,
) -> Result<(Played, Spent)> {
    let out = folder.join("peer-bots.record.json");
    let seconds = |time: Duration| time.as_secs().to_string();
    let [first, rest @ ..] = ON_BOTS_CORE;
    let mut child = Command::new(first)
        .args(rest)
        .arg(programs::find("worldkeeper-bots")?)
        .args(["peer", "--address", &peer.players.to_string()])
        .args(["--players", &count.to_string()])
        .args(["--warm-up-seconds", &seconds(PEER_WARM_UP)])
        .args(["--duration-seconds", &seconds(PEER_WARM_UP + window)])
        .arg("--out")
        .arg(&out)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(folder.join("peer-bots.log"))?)
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the bots")?;
    let (server, bots) = (peer.pid()?, child.id().context("the bots have ended")?);
    sleep(PEER_WARM_UP).await;
    let before = Mark::now(server, bots)?;
    sleep(window.saturating_sub(BEFORE_END)).await;
    let spent = Mark::now(server, bots)?.since(&before);
    let ended = wait::finish("the bots to end", END, async { Ok(child.wait().await?) });
    let status = ended.await?;
    ensure!(status.success(), "the bots of the peer failed ({status})");
    let record = Record::read(&out)?;
    let joined = record.summary.joined;
    ensure!(
        joined == u64::from(count),
        "{joined} of {count} bots joined the peer"
    );
    Ok((played(&record)?, spent))
}
