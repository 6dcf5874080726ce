//! `worldkeeper-bots`: joins players to worlds, moves them, and writes down what each saw.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;
use worldkeeper_server::bots::command::{Command, MAX_LINE_BYTES, Report};
use worldkeeper_server::bots::placement::Placement;
use worldkeeper_server::bots::plan::Activity;
use worldkeeper_server::bots::{Dialect, Input, Listed, Options, Reports, Swarm};
use worldkeeper_server::protocol::{Format, WorldName};

#[derive(Parser)]
#[command(
    name = "worldkeeper-bots",
    version,
    about = "Players without people: load generator and conformance client"
)]
struct Cli {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Join one world.
    Join(Join),
    /// Join many worlds, steered by commands: one JSON object a line.
    Fleet(Fleet),
    /// Join the benchmark's peer, which speaks a form of its own: bots only walk there.
    Peer(Peer),
}

#[derive(Args)]
struct Join {
    /// HOST:PORT of the world's player port.
    #[arg(long)]
    address: String,
    /// namespace/gameserver that must answer there; without it, any.
    #[arg(long)]
    world: Option<String>,
    /// Epoch that must answer there; without it, any.
    #[arg(long)]
    epoch: Option<u64>,
    /// How many bots.
    #[arg(long)]
    players: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Peer {
    /// HOST:PORT of the peer.
    #[arg(long)]
    address: String,
    /// How many bots.
    #[arg(long)]
    players: u32,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Fleet {
    /// File of commands, or - for standard input, whose end then ends the run.
    #[arg(long, default_value = "-")]
    worlds: PathBuf,
    /// How many bots, until a command says otherwise.
    #[arg(long, default_value_t = 0)]
    players: u32,
    /// Spread bots over the worlds, instead of filling the fullest first.
    #[arg(long)]
    spread: bool,
    /// Predict bodies, as `join` does: takes the terrain of every world in memory.
    #[arg(long)]
    predict: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Common {
    /// File for the record, as JSON.
    #[arg(long)]
    out: PathBuf,
    /// Stop after so long; without it, on a signal or command.
    #[arg(long)]
    duration_seconds: Option<u64>,
    /// After a lost connection take the session up again, or look for another world.
    #[arg(long)]
    reconnect: bool,
    /// Names are this, a hyphen and a number.
    #[arg(long, default_value = "bot")]
    name_prefix: String,
    /// Most connections being made at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    max_connecting: u32,
    /// Connect to addresses other than loopback and 198.18.0.0/15, too.
    #[arg(long)]
    allow_any_address: bool,
    /// Format of the messages.
    #[arg(long, value_enum, default_value_t = Wire::Binary)]
    format: Wire,
    /// A bot gives a connection up after so long without an update.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    silence_seconds: u64,
    /// What bots do; by default all of it.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Activity::ALL)]
    activities: Vec<Activity>,
    /// Of what bots do when.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The summary's `measured` leaves out so much of the beginning.
    #[arg(long)]
    warm_up_seconds: Option<u64>,
    /// Threads that play; 1 plays all bots on one.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
}

#[derive(Clone, Copy, ValueEnum)]
enum Wire {
    Binary,
    Json,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .init();
    // Only the swarm's own bookkeeping; bots are played by threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let (reports, printer) = print_reports();
    runtime.block_on(run(cli.mode, reports))?;
    // The last line is out before the process is.
    if printer.join().is_err() {
        bail!("the thread that prints reports panicked");
    }
    Ok(())
}

async fn run(mode: Mode, reports: Reports) -> anyhow::Result<()> {
    let (inputs_in, inputs) = mpsc::channel(64);
    stop_on_signals(inputs_in.clone())?;
    let swarm = match mode {
        Mode::Join(join) => {
            if join.common.duration_seconds.is_none() {
                bail!("join needs --duration-seconds");
            }
            let (address, port) = split_address(&join.address)?;
            let world = join.world.map(WorldName::new).transpose();
            let listed = Listed {
                world: world.context("--world")?,
                epoch: join.epoch,
                address,
                port,
                capacity: None,
            };
            let mut swarm = Swarm::new(options(join.common, Placement::Fill, true), reports)?;
            if let Some(error) = swarm.list(vec![listed]).await.pop() {
                return Err(error.into());
            }
            swarm.want(join.players, None)?;
            swarm
        }
        Mode::Peer(peer) => {
            if peer.common.duration_seconds.is_none() {
                bail!("peer needs --duration-seconds");
            }
            let (address, port) = split_address(&peer.address)?;
            let listed = Listed {
                world: None,
                epoch: None,
                address,
                port,
                capacity: None,
            };
            let options = Options {
                dialect: Dialect::Peer,
                ..options(peer.common, Placement::Fill, false)
            };
            let mut swarm = Swarm::new(options, reports)?;
            if let Some(error) = swarm.list(vec![listed]).await.pop() {
                return Err(error.into());
            }
            swarm.want(peer.players, None)?;
            swarm
        }
        Mode::Fleet(fleet) => {
            let placement = if fleet.spread {
                Placement::Spread
            } else {
                Placement::Fill
            };
            let mut swarm = Swarm::new(options(fleet.common, placement, fleet.predict), reports)?;
            swarm.want(fleet.players, None)?;
            read_commands(&fleet.worlds, inputs_in.clone())?;
            swarm
        }
    };
    let record = swarm.run(inputs).await;
    drop(inputs_in);
    record?;
    Ok(())
}

fn options(common: Common, placement: Placement, predict: bool) -> Options {
    Options {
        out: common.out,
        name_prefix: common.name_prefix,
        placement,
        reconnect: common.reconnect,
        max_connecting: usize::try_from(common.max_connecting).unwrap_or(1),
        allow_any_address: common.allow_any_address,
        format: match common.format {
            Wire::Binary => Format::Binary,
            Wire::Json => Format::Json,
        },
        silence: Duration::from_secs(common.silence_seconds),
        duration: common.duration_seconds.map(Duration::from_secs),
        warm_up: common.warm_up_seconds.map(Duration::from_secs),
        dialect: Dialect::Keeper,
        threads: usize::from(common.threads),
        activities: common.activities,
        seed: common.seed,
        predict,
    }
}

fn split_address(address: &str) -> anyhow::Result<(String, u16)> {
    if let Ok(address) = address.parse::<SocketAddr>() {
        return Ok((address.ip().to_string(), address.port()));
    }
    let (host, port) = address.rsplit_once(':').context("--address is HOST:PORT")?;
    Ok((
        host.to_owned(),
        port.parse().context("--address is HOST:PORT")?,
    ))
}

fn stop_on_signals(inputs: mpsc::Sender<Input>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // If nobody listens any more, the run is at its end already.
        let _ = inputs.send(Input::Stop).await;
    });
    Ok(())
}

/// Reads on a thread of its own: a blocking read cannot be cancelled, and this way the process need
/// not wait for it to end.
fn read_commands(path: &Path, inputs: mpsc::Sender<Input>) -> anyhow::Result<()> {
    let standard_input = path == Path::new("-");
    let source: Box<dyn Read + Send> = if standard_input {
        Box::new(std::io::stdin())
    } else {
        let file =
            std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        Box::new(file)
    };
    std::thread::spawn(move || {
        let mut source = BufReader::new(source);
        while let Some(command) = next_command(&mut source) {
            if inputs.blocking_send(Input::Command(command)).is_err() {
                return;
            }
        }
        if standard_input {
            let _ = inputs.blocking_send(Input::Stop);
        }
    });
    Ok(())
}

/// The next line that is not blank; none at the end, or after a line that is too long to go on from.
fn next_command(source: &mut impl BufRead) -> Option<Result<Command, String>> {
    loop {
        let mut line = Vec::new();
        let limit = MAX_LINE_BYTES as u64 + 1;
        match source.take(limit).read_until(b'\n', &mut line) {
            Ok(0) => return None,
            Ok(_) if line.len() > MAX_LINE_BYTES => {
                let mut rest = Vec::new();
                // Skip to the end of the line, in pieces that stay small.
                while !rest.ends_with(b"\n") {
                    rest.clear();
                    if matches!(
                        source.take(limit).read_until(b'\n', &mut rest),
                        Ok(0) | Err(_)
                    ) {
                        return None;
                    }
                }
                return Some(Err(format!("a line has at most {MAX_LINE_BYTES} bytes")));
            }
            Ok(_) if line.trim_ascii().is_empty() => {}
            Ok(_) => {
                return Some(serde_json::from_slice(&line).map_err(|error| error.to_string()));
            }
            Err(error) => return Some(Err(format!("cannot read commands: {error}"))),
        }
    }
}

/// Prints on a thread of its own, so that a reader who does not read stops no bot. Status lines that
/// find the way blocked are left out; a later one says the same and more.
fn print_reports() -> (Reports, std::thread::JoinHandle<()>) {
    let (lines_in, lines) = sync_channel::<String>(16);
    let printer = std::thread::spawn(move || {
        let mut out = std::io::stdout().lock();
        for line in lines {
            if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
                return;
            }
        }
    });
    (
        Box::new(move |report| print_report(&lines_in, &report)),
        printer,
    )
}

fn print_report(lines: &SyncSender<String>, report: &Report) {
    let Ok(line) = serde_json::to_string(report) else {
        return;
    };
    match report {
        // Nobody plays any more, so this one may wait.
        Report::Done { .. } => drop(lines.send(line)),
        _ => match lines.try_send(line) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        },
    }
}
