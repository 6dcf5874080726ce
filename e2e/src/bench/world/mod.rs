//! What a world costs: our server, as it is shipped, and beside it a game server on Bun that shows as
//! many players as many moving things.
//!
//! Both sides play in one run, in alternating order. The server has one core, the bots the other, and
//! the machine has nothing else to do. What is told is the median of the runs that count, with the least
//! and the most.

mod bots;
mod bound;
mod idle;
mod machine;
mod ours;
mod peer;
mod sample;
mod usage;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use worldkeeper_sim::{Genre, Params, TickRate, World};

use self::sample::{Sample, Side, table};
use super::figures::Figures;
use crate::install::{checkout, tool};

/// How the world is measured.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct WorldArgs {
    /// world: seconds of each measurement
    #[arg(long, default_value_t = 20, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// world: few players and short, to try it; the figures mean nothing
    #[arg(long)]
    quick: bool,
    /// world: measure although this machine's cluster is up; the figures mean little
    #[arg(long)]
    beside_cluster: bool,
    /// world: only these parts
    #[arg(long, value_delimiter = ',', value_name = "PART")]
    only: Vec<Part>,
    /// world: players of the comparison, instead of 1,000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=5_000))]
    players: Option<u32>,
    /// world: side of our world with the first number of players, in metres; the others are as dense
    #[arg(long, default_value_t = 2_000, value_name = "METRES")]
    size: u32,
    /// world: how far players see in our world, in metres
    #[arg(long, default_value_t = 64, value_name = "METRES")]
    view_radius: u32,
    /// world: how many players and creatures they see at most in our world; in the peer they see as many
    #[arg(long, default_value_t = 32, value_name = "N")]
    max_visible: u32,
}

/// What can be measured alone.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// 1,000 players, both sides
    Sides,
    /// 3,000 players, both sides, or as many as are served in time
    Many,
    /// 5,000 players at 10 Hz
    Slow,
    /// Connections that only said Hello
    Idle,
    /// Clients that use JSON
    Json,
}

/// Of runs that do not count, so many are made up for.
const MOST_VOID: usize = 3;
/// With more players: within these the bound of players is looked for.
const STEP: u32 = 250;
/// What a tick's computing may take, of CPU time, in 99 of 100 ticks.
const MOST_COMPUTE_MS: f64 = 5.0;
/// What may lie between two updates, in 99 of 100.
const MOST_INTER_ARRIVAL_MS: f64 = 60.0;

/// How much of everything.
struct Extent {
    rounds: usize,
    window: Duration,
    players: u32,
    many: u32,
    slow: u32,
    idle: u32,
    json: u32,
}

impl Extent {
    fn new(rounds: u32, args: &WorldArgs) -> Self {
        let seconds = if args.quick { 4 } else { args.seconds };
        let full = |full, quick| if args.quick { quick } else { full };
        Self {
            rounds: usize::try_from(full(rounds.max(1), 1)).unwrap_or(1),
            window: Duration::from_secs(seconds),
            players: args.players.unwrap_or(full(1_000, 100)),
            many: full(3_000, 200),
            slow: full(5_000, 300),
            idle: full(2_000, 200),
            json: full(100, 20),
        }
    }
}

/// Players in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Load {
    players: u32,
    hz: u32,
    /// Side of our world in metres.
    size: u32,
    /// How far players see in it, in metres.
    view_radius: u32,
    /// How many players and creatures at most.
    max_visible: u32,
}

struct Bench {
    folder: PathBuf,
    peer: peer::Installed,
    window: Duration,
    rounds: usize,
    lenient: bool,
}

/// Measures what is asked for, and publishes it.
///
/// # Errors
/// When the machine is not fit for it, or either side fails.
pub(super) async fn run(rounds: u32, args: &WorldArgs) -> Result<()> {
    let extent = Extent::new(rounds, args);
    machine::prepare(
        extent.slow.max(extent.many).max(extent.players),
        args.beside_cluster,
    )?;
    let folder = checkout::root()?.join("target/bench/world");
    std::fs::create_dir_all(&folder)?;
    let bench = Bench {
        folder,
        peer: peer::install().await?,
        window: extent.window,
        rounds: extent.rounds,
        lenient: args.quick,
    };
    let wanted = |part| args.only.is_empty() || args.only.contains(&part);
    let load = |players: u32, hz| Load {
        players,
        hz,
        size: as_dense(args.size, extent.players, players),
        view_radius: args.view_radius,
        max_visible: args.max_visible,
    };
    let mut figures = Figures::default();
    if args.quick {
        figures.note("quick", "these figures mean nothing");
    }
    figures.put("view_radius_m", f64::from(args.view_radius));
    figures.put("max_visible", f64::from(args.max_visible));
    figures.note("peer", format!("bun {}", bench.peer.version));
    if wanted(Part::Sides) {
        bench.sides(load(extent.players, 20), &mut figures).await?;
    }
    if wanted(Part::Many) {
        bench.sides(load(extent.many, 20), &mut figures).await?;
        bench
            .bound(extent.players, extent.many, load, &mut figures)
            .await?;
    }
    if wanted(Part::Slow) {
        bench.slow(load(extent.slow, 10), &mut figures).await?;
    }
    if wanted(Part::Idle) {
        bench.idle(load(extent.idle, 10), &mut figures).await?;
    }
    if wanted(Part::Json) {
        bench.json(load(extent.json, 20), &mut figures).await?;
    }
    figures.publish("world")
}

impl Bench {
    /// Both sides with as many players, in alternating order.
    async fn sides(&self, load: Load, figures: &mut Figures) -> Result<()> {
        let creatures = creatures(load)?;
        let (mut ours, mut peer) = (Side::new(self.lenient), Side::new(self.lenient));
        let mut round = 0;
        while ours.wants(self.rounds) || peer.wants(self.rounds) {
            let ours_first = round % 2 == 0;
            round += 1;
            if ours_first && ours.wants(self.rounds) {
                ours.add(self.ours(load).await?);
            }
            if peer.wants(self.rounds) {
                // As many in sight as ours showed, whatever that was.
                let movers = ours.last_in_sight.context("our side has not played yet")?;
                peer.add(self.peer(load, creatures, movers).await?);
            }
            if !ours_first && ours.wants(self.rounds) {
                ours.add(self.ours(load).await?);
            }
        }
        let suffix = load.players.to_string();
        ours.put(figures, "", &suffix);
        peer.put(figures, "peer_", &suffix);
        figures.put(&format!("creatures_{suffix}"), f64::from(creatures));
        let cpu = |side: &Side| side.median(|sample| Some(sample.server_cpu_percent));
        if let (Some(own), Some(other)) = (cpu(&ours), cpu(&peer)) {
            figures.put(&format!("server_cpu_ratio_{suffix}"), own / other);
        }
        let title = format!("{} players, {creatures} creatures", load.players);
        println!("\n{}", table(&title, &ours, Some(&peer)));
        Ok(())
    }

    /// One run of the peer, in which players see as many as they did in ours.
    async fn peer(&self, load: Load, creatures: u32, movers: f64) -> Result<Sample> {
        say("the peer", load);
        let shape = peer::Shape {
            players: load.players,
            creatures,
            side_metres: side_for(load.players + creatures, movers),
            radius_metres: PEER_RADIUS,
            hz: load.hz,
        };
        let peer = peer::Peer::start(&self.peer, &self.folder.join("peer.log"), shape).await?;
        let (played, spent) =
            bots::play_on_peer(&self.folder, &peer, load.players, self.window).await?;
        let memory = usage::memory(peer.pid()?)?;
        Ok(figures_of(&spent, &played, memory))
    }

    /// The most players whom our side serves in time.
    async fn bound(
        &self,
        least: u32,
        most: u32,
        load: impl Fn(u32, u32) -> Load,
        figures: &mut Figures,
    ) -> Result<()> {
        let step = STEP.min((most - least).max(1));
        let served = bound::highest(least, most, step, |players| {
            let load = load(players, 20);
            async move {
                let mut side = Side::new(self.lenient);
                while side.wants(1) {
                    side.add(self.ours(load).await?);
                }
                let in_time = side.samples.first().is_some_and(in_time);
                let (title, word) = (
                    format!("{players} players"),
                    if in_time { "in time" } else { "not in time" },
                );
                println!("\n{}{title}: {word}", table(&title, &side, None));
                Ok(in_time)
            }
        });
        let served = served.await?.unwrap_or(0);
        figures.put("players_served_in_time", f64::from(served));
        Ok(())
    }

    /// Our side once, with very many at half the rate.
    async fn slow(&self, load: Load, figures: &mut Figures) -> Result<()> {
        let mut side = Side::new(self.lenient);
        while side.wants(1) {
            side.add(self.ours(load).await?);
        }
        side.put(figures, "", &format!("{}_{}hz", load.players, load.hz));
        let title = format!("{} players at {} Hz", load.players, load.hz);
        println!("\n{}", table(&title, &side, None));
        Ok(())
    }
}

/// Whether the bounds hold that are asked for with many players.
fn in_time(sample: &Sample) -> bool {
    let compute = sample.ours.map(|ours| ours.tick_compute_p99_ms);
    compute.is_some_and(|compute| compute <= MOST_COMPUTE_MS)
        && sample.inter_arrival_p99_ms <= MOST_INTER_ARRIVAL_MS
}

/// What both sides tell.
fn figures_of(spent: &bots::Spent, played: &bots::Played, memory: usage::Memory) -> Sample {
    Sample {
        server_cpu_percent: spent.server_percent(),
        bots_cpu_percent: spent.bots_percent(),
        foreign_percent: spent.foreign_percent(),
        bytes_per_s_per_player: played.bytes_per_s_per_player,
        rss_mb: f64::from(memory.resident) / 1_024.0,
        inter_arrival_p99_ms: played.inter_arrival_p99_ms,
        movers_in_sight: played.movers_in_sight,
        ours: None,
    }
}

impl Side {
    /// Whether there are too few samples, and not too many that were in vain.
    fn wants(&self, rounds: usize) -> bool {
        self.samples.len() < rounds && self.void.len() <= MOST_VOID
    }
}

/// The side of a world in which other players see as many of each other.
fn as_dense(size: u32, players: u32, others: u32) -> u32 {
    let scale = (f64::from(others) / f64::from(players)).sqrt();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few thousand"
    )]
    let scaled = (f64::from(size) * scale).round() as u32;
    // Smaller worlds than that would have too few creatures.
    scaled.max(size.min(2_000)).min(Params::MAX_SIZE)
}

/// How far players see in the peer, in metres.
const PEER_RADIUS: u32 = 40;

/// Side of the peer's world, in metres, in which each of so many bodies has so many others within the
/// radius, in the mean.
fn side_for(bodies: u32, movers: f64) -> u32 {
    let radius = f64::from(PEER_RADIUS);
    let all = f64::from(bodies) / movers.max(1.0);
    // The mean area that a disc whose centre is anywhere in a square has inside of it.
    let seen = |side: f64| {
        std::f64::consts::PI * radius.powi(2) - 8.0 / 3.0 * radius.powi(3) / side
            + radius.powi(4) / (2.0 * side.powi(2))
    };
    let side = (0..8).fold((all * seen(f64::INFINITY)).sqrt(), |side, _| {
        (all * seen(side.max(radius))).sqrt()
    });
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and a few thousand"
    )]
    let side = side.round() as u32;
    // The peer's own bounds.
    side.clamp(16, 16_384)
}

/// How many creatures our world has.
fn creatures(load: Load) -> Result<u32> {
    let params = Params::new(Genre::Fantasy, load.size, TickRate::new(load.hz)?)?;
    let world = World::new(params, ours::SEED, 0)?;
    Ok(world.creature_count())
}

/// Announces a measurement.
fn say(side: &str, load: Load) {
    tool::step(format!(
        "{side}: {} players at {} Hz",
        load.players, load.hz
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::cast_precision_loss, reason = "some millions")]
    fn mean(sum: usize, count: usize) -> f64 {
        sum as f64 / count as f64
    }

    #[test]
    fn as_many_are_in_sight_as_asked_for() {
        for (bodies, movers) in [(3_000, 32.0), (3_000, 20.0), (9_000, 32.0), (300, 8.0)] {
            let side = side_for(bodies, movers);
            // Places spread evenly over the square: multiples of the plastic number's powers (M. Roberts,
            // "The Unreasonable Effectiveness of Quasirandom Sequences", 2018).
            let places: Vec<(f64, f64)> = (0..8_000_u32)
                .map(|n| (f64::from(n) * 0.754_877_666, f64::from(n) * 0.569_840_291))
                .map(|(x, y)| (x.fract() * f64::from(side), y.fract() * f64::from(side)))
                .collect();
            let looking = 400;
            let near: usize = places[..looking]
                .iter()
                .map(|(x, y)| {
                    let radius = f64::from(PEER_RADIUS);
                    let within = |(a, b): &&(f64, f64)| (a - x).hypot(b - y) <= radius;
                    places.iter().filter(within).count()
                })
                .sum();
            let share = mean(near, looking * places.len());
            let seen = share * f64::from(bodies);
            assert!(
                (seen / movers - 1.0).abs() < 0.05,
                "{bodies} bodies in {side} m: {seen} instead of {movers}"
            );
        }
    }

    #[test]
    fn more_players_have_a_larger_world() {
        assert_eq!(as_dense(2_000, 1_000, 1_000), 2_000);
        assert_eq!(as_dense(2_000, 1_000, 3_000), 3_464);
        assert_eq!(as_dense(2_000, 1_000, 100), 2_000);
    }
}
