//! Our side: a world server as it is shipped, and what it tells of its own cost.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::time::sleep;

use super::bots::{Played, Players};
use super::idle::Idle;
use super::machine::ON_SERVER_CORE;
use super::sample::{Ours, Sample};
use super::{Bench, Load, figures_of, say, usage};
use crate::bench::figures::Figures;
use crate::local::{Reading, Server, Setup};

/// Of every world that is measured, so that all are the same.
pub(super) const SEED: u64 = 1;
/// For memory to be what it stays at.
const SETTLE: Duration = Duration::from_secs(5);
/// For a number that a server counts to be the one that is awaited.
const COUNTED: Duration = Duration::from_secs(60);

impl Bench {
    /// A server for so many players on its core, everything else as it is shipped.
    async fn server(&self, load: Load, more: impl FnOnce(Setup) -> Setup) -> Result<Server> {
        let setup = Setup::default()
            .under(&ON_SERVER_CORE)
            .set("server.max_players", load.players)
            .set("server.tick_rate_hz", load.hz)
            .set("server.view_radius_metres", load.view_radius)
            .set("server.max_visible", load.max_visible)
            .set("world.size", load.size)
            .set("world.seed", SEED)
            .set("logging.level", "warn,worldkeeper_server=info");
        Server::start(&self.folder, "ours", more(setup)).await
    }

    /// One run of our side.
    pub(super) async fn ours(&self, load: Load) -> Result<Sample> {
        say("ours", load);
        let server = self.server(load, |setup| setup).await?;
        let players = Players::join(&self.folder, &server, load.players, "binary").await?;
        let before = server.metrics().await?;
        let pid = server.pid()?;
        let (played, spent) = players.play(pid, self.window).await?;
        let after = server.metrics().await?;
        let memory = usage::memory(pid)?;
        players.leave().await?;
        server.stop().await?;
        Ok(Sample {
            ours: Some(ours(&before, &after, load.players, &played)?),
            ..figures_of(&spent, &played, memory)
        })
    }

    /// Memory for each connection that says nothing, and what else a player without wishes costs.
    pub(super) async fn idle(&self, load: Load, figures: &mut Figures) -> Result<()> {
        say("idle connections", load);
        let server = self.server(load, |setup| setup).await?;
        let pid = server.pid()?;
        sleep(SETTLE).await;
        let before = usage::memory(pid)?.resident;
        let idle = Idle::open(server.players, load.players).await?;
        until_inside(&server, load.players).await?;
        sleep(SETTLE).await;
        let after = usage::memory(pid)?.resident;
        drop(idle);
        server.stop().await?;
        let each = f64::from(after.saturating_sub(before)) / f64::from(load.players);
        figures.put("idle_connections", f64::from(load.players));
        figures.put("idle_connection_kib", each);
        Ok(())
    }

    /// What a client that uses JSON costs, beside one that does not.
    pub(super) async fn json(&self, load: Load, figures: &mut Figures) -> Result<()> {
        for format in ["binary", "json"] {
            say(format, load);
            let server = self.server(load, |setup| {
                setup.set("server.json_max_clients", load.players)
            });
            let server = server.await?;
            let pid = server.pid()?;
            // What the world costs without anybody comes off.
            sleep(SETTLE).await;
            let (began, empty) = (Instant::now(), usage::process(pid)?);
            sleep(self.window).await;
            let empty = usage::process(pid)?.saturating_sub(empty);
            let empty = usage::percent(empty, began.elapsed());
            let players = Players::join(&self.folder, &server, load.players, format).await?;
            let (played, spent) = players.play(pid, self.window).await?;
            players.leave().await?;
            server.stop().await?;
            let each = (spent.server_percent() - empty).max(0.0) / f64::from(load.players);
            figures.put(&format!("{format}_client_cpu_percent"), each);
            let bytes = played.bytes_per_s_per_player;
            figures.put(&format!("{format}_client_bytes_per_s"), bytes);
        }
        figures.put("json_clients", f64::from(load.players));
        Ok(())
    }
}

/// Waits until the server counts so many players.
async fn until_inside(server: &Server, players: u32) -> Result<()> {
    let deadline = Instant::now() + COUNTED;
    loop {
        let inside = server.metrics().await?.get("world_players")?;
        if inside >= f64::from(players) {
            return Ok(());
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "only {inside} of {players} connections are inside"
        );
        sleep(Duration::from_millis(100)).await;
    }
}

/// What the server counted over a window in which so many played.
fn ours(before: &Reading, after: &Reading, players: u32, played: &Played) -> Result<Ours> {
    let grown = after.since(before);
    let ticks = grown.get("world_tick_compute_seconds_count")?;
    let each = |seconds: f64| seconds * 1e6 / (ticks * f64::from(players));
    let part = |part: &str| grown.get(&format!("world_tick_cpu_seconds_total{{part=\"{part}\"}}"));
    let p99 = |histogram: &str| {
        let bound = grown.quantile(histogram, 0.99);
        let seconds = bound.with_context(|| format!("the server observed no {histogram}"))?;
        anyhow::Ok(seconds * 1e3)
    };
    Ok(Ours {
        send_us: each(grown.get("world_send_cpu_seconds_total")?),
        encode_us: each(part("encode")?),
        area_us: each(part("area")?),
        sim_us: each(part("sim")?),
        tick_compute_p99_ms: p99("world_tick_compute_seconds")?,
        tick_wall_p99_ms: p99("world_tick_seconds")?,
        thinning_level: after.get("world_thinning_level")?,
        view_error_near_p99_m: played.view_error_near_p99_m,
        view_error_far_p99_m: played.view_error_far_p99_m,
    })
}
