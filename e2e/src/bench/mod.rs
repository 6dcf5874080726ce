//! Benchmarks. Each prints both sides and leaves flat keys in `target/bench/NAME.json`.

pub(crate) mod fake_agent;
mod figures;
mod fleet;
mod outside_operator;
mod react;
mod world;

use anyhow::Result;
use clap::ValueEnum;

/// What is measured, and how much of it.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct BenchArgs {
    /// What to measure
    name: Bench,
    /// fleet: GameServers, and pods of the Deployment beside them
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    gameservers: i32,
    /// fleet, world: how often each side is measured, in alternating order; 3 for fleet, 5 for world
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// react: joins and leaves
    #[arg(long, default_value_t = 120, value_name = "N")]
    changes: u32,
    #[command(flatten)]
    world: world::WorldArgs,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Bench {
    /// GameServers to Ready on fake nodes, against a plain Deployment in the same run
    Fleet,
    /// From a player's join or leave to the fleet's status
    React,
    /// What a world costs, against a game server on Bun in the same run
    World,
}

/// Measures.
///
/// # Errors
/// When the cluster, the operator or the measured thing fails.
pub(crate) async fn run(args: &BenchArgs) -> Result<()> {
    match args.name {
        Bench::Fleet => fleet::run(args.gameservers, args.rounds.unwrap_or(3)).await,
        Bench::React => react::run(args.changes).await,
        Bench::World => world::run(args.rounds.unwrap_or(5), &args.world).await,
    }
}
