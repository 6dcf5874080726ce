//! The world server's command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tracing::{error, warn};
use worldkeeper_server::agent::socket::{Drained, drain};
use worldkeeper_server::config::Config;
use worldkeeper_server::{logging, serve};

/// Hosts one game world: players connect by WebSocket, the operator by the agent port.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// Configuration file (TOML). The environment (WORLDKEEPER_SECTION__KEY) wins over it.
    #[arg(long, global = true, env = "WORLDKEEPER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a world (the default).
    Serve,
    /// Stop joins, tell the players that the world ends, and wait until they have left: for preStop.
    Drain {
        /// Longest wait.
        #[arg(long, default_value_t = 25, value_name = "SECONDS")]
        timeout_seconds: u32,
    },
    /// Work with configurations.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check the file and the environment, and print the result.
    Check,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Before logging has started, and for those who read neither JSON nor stdout.
            eprintln!("worldkeeper-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref()).context("configuration")?;
    match &args.command {
        None | Some(Command::Serve) => host(config),
        Some(Command::Drain { timeout_seconds }) => ask_to_drain(&config, *timeout_seconds),
        Some(Command::Config {
            command: ConfigCommand::Check,
        }) => {
            println!("{config:#?}");
            Ok(())
        }
    }
}

fn host(config: Config) -> anyhow::Result<()> {
    logging::start(&config.logging);
    raise_file_limit(u64::from(config.server.max_players));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.server.worker_threads)
        .enable_all()
        .build()
        .context("the system gives no thread")?;
    let result = runtime.block_on(async {
        let signals = serve::Signals::install()?;
        serve::start(config).await?.until(signals).await
    });
    // Connections that have not noticed yet have had their time.
    runtime.shutdown_timeout(Duration::from_millis(100));
    if let Err(error) = &result {
        error!(%error, "the server ends");
    }
    Ok(result?)
}

/// Two file descriptors a seat (a player that comes back has two connections for a moment), and some
/// for everything else. The soft limit is often 1,024; the hard one is what counts.
fn raise_file_limit(seats: u64) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    let wanted = 2 * seats + 1024;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    if soft < wanted {
        let raised = wanted.min(hard);
        if raised < wanted || setrlimit(Resource::RLIMIT_NOFILE, raised, hard).is_err() {
            warn!(
                wanted,
                limit = hard,
                "too few file descriptors for server.max_players: raise the limit, or lower the seats"
            );
        }
    }
}

fn ask_to_drain(config: &Config, timeout_seconds: u32) -> anyhow::Result<()> {
    let socket = config.agent.socket.as_deref().context(
        "agent.socket is not set: set it as the server's is (environment: WORLDKEEPER_AGENT__SOCKET)",
    )?;
    let limit = Duration::from_secs(timeout_seconds.into());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match runtime.block_on(drain(socket, limit))? {
        Drained::Empty => println!("drained: nobody is inside"),
        Drained::Closing => println!("the world is closing"),
        Drained::TimedOut { players } => {
            println!("{players} players are still inside after {timeout_seconds} s");
        }
    }
    Ok(())
}
