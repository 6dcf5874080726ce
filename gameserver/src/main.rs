//! The world server's command line.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use tracing::error;
use worldkeeper_server::agent::socket::{Drained, drain};
use worldkeeper_server::config::environment::CONFIG_VARIABLE;
use worldkeeper_server::config::{Config, Given, Key, Mistakes, Settings, keys, show};
use worldkeeper_server::{descriptors, logging, serve};
use worldkeeper_sim::content::{BadContent, Content};

/// What `--verbose` stands for.
const VERBOSE: &str = "info,worldkeeper=debug";
/// Largest file of content that is read.
const MAX_CONTENT_BYTES: u64 = 4 * 1024 * 1024;
/// How the process ends when its configuration or a file of content is wrong, as with arguments that do not exist.
const MISCONFIGURED: u8 = 2;

/// Hosts one game world: players connect by browser or WebSocket, the operator by the agent port.
///
/// Each flag that sets a value is also a key of the file and a variable of the environment:
/// `worldkeeper-server config keys` shows all three.
#[derive(Debug, Parser)]
#[command(name = "worldkeeper-server", version, about)]
struct Args {
    /// Configuration file (TOML). The environment wins over it, flags win over both
    #[arg(long, global = true, env = CONFIG_VARIABLE, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log more: --log-level info,worldkeeper=debug
    #[arg(long, short, global = true, conflicts_with = keys::LOGGING_LEVEL.path)]
    verbose: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a world (the default)
    Serve,
    /// Stop joins, tell the players that the world ends, and wait until they have left: for preStop
    Drain {
        /// Longest wait
        #[arg(long, default_value_t = 25, value_name = "SECONDS")]
        timeout_seconds: u32,
    },
    /// Work with configurations
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Work with the content of genres
    Content {
        #[command(subcommand)]
        command: ContentCommand,
    },
}

#[derive(Debug, Subcommand)]
enum ContentCommand {
    /// Read files of a genre's content; print what they hold, or all mistakes with their lines
    Check {
        /// As gameserver/sim/content/*.toml
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum ConfigCommand {
    /// Print what takes effect and where each value came from; or all mistakes
    Check,
    /// Print every key with its variable, flag, default and meaning (Markdown)
    Keys,
    /// Print a file with every key and its default (TOML)
    Sample,
}

fn main() -> ExitCode {
    let matches = command().get_matches();
    let args = match Args::from_arg_matches(&matches) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    let given = given(&args, &matches);
    match run(&args, &given) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Before logging has started, and for those who read neither JSON nor stdout.
            eprintln!("worldkeeper-server: {error:#}");
            if error.is::<Mistakes>() || error.is::<BadContent>() {
                ExitCode::from(MISCONFIGURED)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// The arguments, and a flag for each key.
fn command() -> clap::Command {
    keys::ALL.iter().fold(Args::command(), |command, key| {
        let kind = key.kind;
        let values = show::values(kind).replace('`', "");
        let default = match key.default {
            "" => String::new(),
            default => format!("; default {default}"),
        };
        let help = key.meaning.trim().replace('`', "");
        command.arg(
            Arg::new(key.path)
                .long(key.flag)
                .value_name(kind.placeholder())
                .help(format!("{help} [{values}{default}]"))
                .help_heading(key.section())
                .hide_short_help(!key.common)
                .global(true)
                // What is out of range is refused as in the other forms, with all other mistakes.
                .allow_negative_numbers(true),
        )
    })
}

fn given(args: &Args, matches: &ArgMatches) -> Given {
    let mut given = Given::here(args.config.as_deref());
    let mut give = |key: &'static Key, flag: String, value: &str| {
        given.flags.push((key, flag, value.to_owned()));
    };
    for key in keys::ALL {
        if let Some(value) = matches.get_one::<String>(key.path) {
            give(key, format!("--{}", key.flag), value);
        }
        if args.verbose && key.path == keys::LOGGING_LEVEL.path {
            give(key, "--verbose".to_owned(), VERBOSE);
        }
    }
    given
}

fn run(args: &Args, given: &Given) -> anyhow::Result<()> {
    match &args.command {
        None | Some(Command::Serve) => host(Config::load(given)?),
        Some(Command::Drain { timeout_seconds }) => {
            ask_to_drain(&Config::load(given)?, *timeout_seconds)
        }
        Some(Command::Config { command }) => match command {
            ConfigCommand::Check => check(given),
            ConfigCommand::Keys => say(&show::documentation()),
            ConfigCommand::Sample => say(&show::sample()),
        },
        Some(Command::Content {
            command: ContentCommand::Check { files },
        }) => check_content(files),
    }
}

/// To stdout. Who reads no further, as `head`, has had what they wanted.
fn say(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn check(given: &Given) -> anyhow::Result<()> {
    let settings = Settings::gather(given);
    say(&show::effective(&settings))?;
    Config::check(settings)?;
    Ok(())
}

/// Every file, so that one mistake does not hide another; the first that is wrong is the error.
fn check_content(files: &[PathBuf]) -> anyhow::Result<()> {
    let mut wrong = None;
    for path in files {
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_CONTENT_BYTES + 1).read_to_end(&mut bytes))
            .with_context(|| format!("cannot read {name}"))?;
        if bytes.len() as u64 > MAX_CONTENT_BYTES {
            bail!("{name} is larger than {MAX_CONTENT_BYTES} bytes, which no content is");
        }
        match Content::parse(&name, &bytes) {
            Ok(content) => say(&format!(
                "{name}: {}: {} biomes, {} items, {} resources, {} stations, {} recipes, {} creatures\n",
                content.genre().title,
                content.biomes().len(),
                content.items().len(),
                content.resources().len(),
                content.stations().len(),
                content.recipes().len(),
                content.creatures().len(),
            ))?,
            Err(mistakes) => match wrong {
                None => wrong = Some(mistakes),
                Some(_) => eprintln!("{mistakes}"),
            },
        }
    }
    wrong.map_or(Ok(()), |mistakes| Err(mistakes.into()))
}

fn host(config: Config) -> anyhow::Result<()> {
    logging::start(&config.logging);
    descriptors::ensure(config.server.max_players)?;
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
