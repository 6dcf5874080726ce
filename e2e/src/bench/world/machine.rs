//! The machine while it is measured on: one core for the server, the other for the bots, and nobody
//! else.

use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

use crate::local::ENDS_WITH_US;

/// The core that servers are pinned to.
pub(super) const SERVER_CORE: usize = 0;
/// The core of the bots, and of this program.
pub(super) const BOTS_CORE: usize = 1;
/// What runs a program on the server's core, and no longer than this one.
pub(super) const ON_SERVER_CORE: [&str; 6] = on("0");
/// What runs a program on the bots' core, and no longer than this one.
pub(super) const ON_BOTS_CORE: [&str; 6] = on("1");

const fn on(core: &str) -> [&str; 6] {
    let [ends, with, us] = ENDS_WITH_US;
    [ends, with, us, "taskset", "--cpu-list", core]
}

/// The bridge of this machine's own cluster: there as long as the cluster is.
const CLUSTER: &str = "/sys/class/net/wk0";
/// File descriptors beside those of the players.
const OTHER_FILES: u64 = 1_024;

/// Makes the machine ready: refuses what would spoil the figures, keeps this program out of the
/// server's core, and lets it and what it starts have a connection for each player.
pub(super) fn prepare(players: u32, beside_cluster: bool) -> Result<()> {
    if Path::new(CLUSTER).exists() && !beside_cluster {
        bail!(
            "this machine's cluster is up, and its control plane would be measured too: \
             run `just cluster-down` first, or give --beside-cluster for figures that mean little"
        );
    }
    let own = Pid::from_raw(0);
    let allowed = sched_getaffinity(own).context("cannot tell which cores there are")?;
    if !(allowed.is_set(SERVER_CORE)? && allowed.is_set(BOTS_CORE)?) {
        bail!("this needs cores {SERVER_CORE} and {BOTS_CORE}");
    }
    let mut core = CpuSet::new();
    core.set(BOTS_CORE)?;
    sched_setaffinity(own, &core).context("cannot keep to a core")?;

    let wanted = u64::from(players) + OTHER_FILES;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if hard < wanted {
        bail!("{players} players need {wanted} file descriptors, and the limit is {hard}");
    }
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    }
    Ok(())
}
