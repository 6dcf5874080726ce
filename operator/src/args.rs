//! The command line.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Keeps fleets of game worlds: starts, drains, and ends them with nobody inside.
#[derive(Debug, Parser)]
#[command(name = "worldkeeper-operator", version)]
pub struct Cli {
    /// What to do; nothing means: run the operator.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of the operator.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What else the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Exits with an error that names them if there are worlds left: run before the operator, and
    /// with it the protection of its worlds, is uninstalled.
    UninstallCheck,
}

/// Options of the operator.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Name of the Lease by which one of the replicas leads.
    #[arg(
        long,
        env = "WORLDKEEPER_OPERATOR_LEASE_NAME",
        default_value = "worldkeeper"
    )]
    pub lease_name: String,
    /// Namespace of the Lease and of the key Secret: the operator's own.
    #[arg(
        long,
        env = "WORLDKEEPER_OPERATOR_LEASE_NAMESPACE",
        default_value = "worldkeeper-system"
    )]
    pub lease_namespace: String,
    /// Seconds without a renewal after which another replica takes over.
    #[arg(long, env = "WORLDKEEPER_OPERATOR_LEASE_DURATION_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(2..=600))]
    pub lease_duration_seconds: u64,
    /// Name of this process in the Lease; pod name and a random suffix if not set.
    #[arg(long, env = "WORLDKEEPER_OPERATOR_IDENTITY")]
    pub identity: Option<String>,
    /// Port of /metrics, /healthz and /readyz.
    #[arg(long, env = "WORLDKEEPER_OPERATOR_HTTP_PORT", default_value_t = 8080)]
    pub http_port: u16,
    /// Name of the Secret with the keys of the agent tokens.
    #[arg(
        long,
        env = "WORLDKEEPER_OPERATOR_AGENT_KEY_SECRET",
        default_value = "worldkeeper-agent-keys"
    )]
    pub agent_key_secret: String,
    /// Seconds for which a key signs agent tokens.
    #[arg(
        long,
        env = "WORLDKEEPER_OPERATOR_AGENT_KEY_ROTATION_SECONDS",
        default_value_t = 86400
    )]
    pub agent_key_rotation_seconds: u64,
    /// Seconds for which a key is published before it signs and after it signed: longer than a
    /// ConfigMap takes to reach every pod.
    #[arg(
        long,
        env = "WORLDKEEPER_OPERATOR_AGENT_KEY_OVERLAP_SECONDS",
        default_value_t = 180
    )]
    pub agent_key_overlap_seconds: u64,
    /// Objects of each kind that are worked on at a time.
    #[arg(long, env = "WORLDKEEPER_OPERATOR_CONCURRENCY", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
    /// Form of the log lines; their level is RUST_LOG's.
    #[arg(long, env = "WORLDKEEPER_OPERATOR_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
}

impl RunArgs {
    /// The Lease's duration.
    #[must_use]
    pub fn lease_duration(&self) -> Duration {
        Duration::from_secs(self.lease_duration_seconds)
    }
}

/// Form of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}
