//! `worldkeeper-e2e`: the scenarios, the demo and the benchmarks, on a real Kubernetes; and scenarios
//! of the world server alone.

mod bench;
mod demo;
mod harness;
mod install;
mod local;
mod scenarios;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// What is logged unless `RUST_LOG` says otherwise. A browser that is newer than the library that drives
/// it says things that the library has no words for, several a second.
const QUIET: &str = "warn,chromiumoxide::handler=error";

/// Worldkeeper on a real Kubernetes: scenarios, demo and benchmarks.
#[derive(Debug, Parser)]
#[command(name = "worldkeeper-e2e", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios
    Run(harness::runner::RunArgs),
    /// Show a fleet that follows its players
    Demo(demo::DemoArgs),
    /// Bring up cluster, images and operator
    Install(install::InstallArgs),
    /// Measure
    Bench(bench::BenchArgs),
    /// Answer as the agent of every pod on fake nodes
    #[command(hide = true)]
    FakeAgent(bench::fake_agent::FakeAgentArgs),
    /// Run a program behind a bad line
    #[command(hide = true)]
    Relay(local::relay::RelayArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(QUIET)),
        )
        .with_writer(std::io::stderr)
        .init();
    match run(Cli::parse().command).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("worldkeeper-e2e: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `true` if nothing failed.
async fn run(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Run(args) => interruptible(harness::runner::run(&args, scenarios::ALL)).await,
        Command::Demo(args) => demo::run(args).await.map(|()| true),
        Command::Install(args) => install::run(args).await.map(|()| true),
        Command::Bench(args) => interruptible(bench::run(&args)).await.map(|()| true),
        Command::FakeAgent(args) => bench::fake_agent::run(&args).await.map(|()| true),
        // Nothing else goes on in this process.
        Command::Relay(args) => local::relay::run(&args).map(|status| status.success()),
    }
}

/// Until it is done or somebody has enough of it. Programs that it started end with what is dropped.
async fn interruptible<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    }
}
