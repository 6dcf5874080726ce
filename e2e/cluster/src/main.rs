//! A real Kubernetes of two nodes on one machine, for the demo and the tests.

mod binaries;
mod certificates;
mod cgroups;
mod cluster;
mod command;
mod control_plane;
mod dns;
mod error;
mod fake_nodes;
mod files;
mod images;
mod kubeconfig;
mod kubectl;
mod lock;
mod mounts;
mod network;
mod node;
mod packages;
mod paths;
mod plan;
mod process;
mod progress;
mod status;
mod wait;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use nix::unistd::Uid;

use crate::binaries::Binaries;
use crate::cluster::Loss;
use crate::paths::Checkout;
use crate::plan::{NODES, Node};
use crate::progress::Progress;

/// Brings up a real Kubernetes of two nodes on this machine: one cluster,
/// shared by every checkout of the project.
#[derive(Debug, Parser)]
#[command(name = "worldkeeper-cluster")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build the cluster's programs, if they are not in the cache
    Build,
    /// Bring the cluster up, or take over the one that is there
    Up,
    /// Remove everything of the cluster but its logs
    Down,
    /// Print what runs and where its files are; fails if something is amiss
    Status,
    /// Bring images to both nodes
    Load {
        /// A docker-archive file, or the name of an image in buildah
        #[arg(required = true)]
        image: Vec<String>,
    },
    /// Set how many nodes only pretend to run pods
    FakeNodes { count: u16 },
    /// Lose a node
    StopNode {
        /// wk-node-1 or wk-node-2
        #[arg(value_parser = node_named)]
        name: Node,
        #[command(flatten)]
        loss: LossArguments,
    },
    /// Bring a lost node back
    StartNode {
        /// wk-node-1 or wk-node-2
        #[arg(value_parser = node_named)]
        name: Node,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct LossArguments {
    /// Every process of the node dies, and its Node object is deleted
    #[arg(long)]
    power_off: bool,
    /// The node loses its way to the API server, and nothing else
    #[arg(long)]
    partition: bool,
}

impl LossArguments {
    fn loss(&self) -> Loss {
        if self.power_off {
            Loss::PowerOff
        } else {
            Loss::Partition
        }
    }
}

fn node_named(name: &str) -> Result<Node, String> {
    Node::named(name).ok_or_else(|| {
        let names: Vec<String> = NODES.into_iter().map(Node::name).collect();
        format!("there is no such node; nodes are {}", names.join(" and "))
    })
}

fn main() -> ExitCode {
    match run(&Cli::parse().command) {
        Ok(code) => code,
        Err(failed) => {
            eprintln!("worldkeeper-cluster: {failed:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<ExitCode> {
    keep_inherited_files_here().context("cannot close inherited files")?;
    let progress = Progress::new();
    let checkout = Checkout::find()?;
    let needs_root = !matches!(command, Command::Build);
    if needs_root && !Uid::effective().is_root() {
        bail!("root is needed for network namespaces, control groups and mounts; run it with sudo");
    }
    match command {
        Command::Build => {
            let binaries = Binaries::ensure(&checkout, &progress)?;
            progress.step(format!("programs are in {}", binaries.folder().display()));
        }
        Command::Up => cluster::up(&checkout, &progress)?,
        Command::Down => cluster::down(&checkout, &progress)?,
        Command::Status => {
            if !status::print(&checkout)? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Load { image } => cluster::load(image, &progress)?,
        Command::FakeNodes { count } => cluster::set_fake_nodes(&checkout, *count, &progress)?,
        Command::StopNode { name, loss } => cluster::stop_node(*name, loss.loss(), &progress)?,
        Command::StartNode { name } => cluster::start_node(*name, &progress)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What the caller has open beyond the three standard streams must not live on
/// in daemons: a pipe among them would keep its reader waiting for ever.
#[allow(unsafe_code, reason = "the standard library has no safe call for it")]
fn keep_inherited_files_here() -> std::io::Result<()> {
    let close_on_exec = libc::c_int::try_from(libc::CLOSE_RANGE_CLOEXEC).unwrap_or_default();
    // SAFETY: this marks file descriptors and closes none, so every owner of
    // one in this process still has what it owns.
    match unsafe { libc::close_range(3, libc::c_uint::MAX, close_on_exec) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
