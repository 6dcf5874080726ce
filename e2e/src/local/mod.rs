//! Scenarios without a cluster: the real world server as a process of its own on this machine.
//!
//! A scenario gets a [`Place`]: a folder of its own under `target/e2e`. In it run [`Server`]s on ports
//! that the system chose, each with its log; what they count is read as a [`Reading`].

mod metrics;
pub(crate) mod relay;
mod server;

use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use anyhow::Result;

use crate::harness::bots::{Bots, Choice};
use crate::harness::{programs, wait};
use crate::install::{checkout, tool};

pub(crate) use metrics::Reading;
pub(crate) use server::{Server, Setup};

/// The program that hosts a world.
pub(crate) const SERVER: &str = "worldkeeper-server";
/// What runs a program that is ended with the thread that started it, and so with this program, however
/// that ends.
pub(crate) const ENDS_WITH_US: [&str; 3] = ["setpriv", "--pdeathsig", "KILL"];
/// For a program to say what it has to say, and end.
const SHORT: Duration = Duration::from_secs(20);

/// A scenario's own place on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The scenario's name.
    pub(crate) scenario: &'static str,
    /// `target/e2e/NAME`, empty when the scenario begins.
    pub(crate) folder: PathBuf,
    /// Repeats of what is worth repeating: many when the scenario was named.
    pub(crate) thorough: bool,
}

impl Place {
    pub(crate) fn new(scenario: &'static str, thorough: bool) -> Result<Self> {
        Ok(Self {
            scenario,
            folder: checkout::root()?.join("target/e2e").join(scenario),
            thorough,
        })
    }

    /// A line of progress.
    pub(crate) fn say(&self, message: impl AsRef<str>) {
        tool::step(format!("{}: {}", self.scenario, message.as_ref()));
    }

    /// Starts a server; it is ready when this returns. `name` is its log's.
    ///
    /// # Errors
    /// When it does not get ready, with the end of what it said.
    pub(crate) async fn server(&self, name: &str, setup: Setup) -> Result<Server> {
        Server::start(&self.folder, name, setup).await
    }

    /// As [`Self::server`], with nothing set but what `setup` sets.
    ///
    /// # Errors
    /// As [`Self::server`].
    pub(crate) async fn bare_server(&self, name: &str, setup: Setup) -> Result<Server> {
        Server::start_bare(&self.folder, name, setup).await
    }

    /// Runs the server's program with these arguments and this environment alone, to its end.
    ///
    /// # Errors
    /// When it cannot be started, or does not end.
    pub(crate) async fn run_server(&self, setup: Setup) -> Result<Output> {
        let mut command = setup.command(programs::find(SERVER)?);
        let work = async { Ok(command.output().await?) };
        wait::finish("the program to end", SHORT, work).await
    }

    /// A swarm of bots without players yet; its record and log lie in the folder under `name`.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(crate) fn bots(&self, name: &str, choice: Choice) -> Result<Bots> {
        Bots::start(&self.folder, name, choice)
    }
}
