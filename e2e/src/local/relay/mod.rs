//! A bad line between a server on this machine and a program that plays on it.
//!
//! The program runs in a network namespace of its own, from which only the near address can be reached,
//! and that only through this process: each packet comes out half a round trip later at the other end,
//! or not at all. So the real TCP of both sides lives with what a far player's has to.
//!
//! ```text
//! server — near end (TUN) — this process — far end (TUN) | program, in its own namespace
//! ```
//!
//! Namespace and devices have no name that outlives them: they go when their processes do, even if those
//! are killed.

mod line;
mod probe;
mod tunnel;

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sched::{CloneFlags, unshare};
use serde::{Deserialize, Serialize};

use line::Line;
pub(crate) use probe::Measured;
use tunnel::End;

/// What happens to packets, and what runs behind.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct RelayArgs {
    /// From a packet to its answer
    #[arg(long, value_name = "MS")]
    round_trip_ms: u64,
    /// Of packets lost, in each direction
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    loss: f64,
    /// Decides which ones
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Address on this machine, where servers are
    #[arg(long)]
    near: Ipv4Addr,
    /// Address of the program
    #[arg(long)]
    far: Ipv4Addr,
    /// Measure the line with so many datagrams before the program starts
    #[arg(long, value_name = "N", default_value_t = 0)]
    probes: u32,
    /// File for what was measured and counted
    #[arg(long)]
    report: PathBuf,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    program: Vec<OsString>,
}

/// What a relay leaves behind when its program has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// By datagrams, if it was measured.
    pub(crate) measured: Option<Measured>,
    /// To the near end.
    pub(crate) to_near: Way,
    /// To the far end.
    pub(crate) to_far: Way,
}

/// One direction, in packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Way {
    /// Came in.
    pub(crate) taken: u64,
    /// Lost on purpose.
    pub(crate) lost: u64,
    /// Lost for want of room.
    pub(crate) overflowed: u64,
}

/// Runs the program behind the line until it ends; how it ended.
///
/// # Errors
/// Without root, without TUN devices, when an address is in use, or when the program does not start.
pub(crate) fn run(args: &RelayArgs) -> Result<ExitStatus> {
    ensure!(
        [args.near, args.far].into_iter().all(reserved),
        "both addresses are of 198.18.0.0/15, so that nothing real can be hit"
    );
    let [_, _, _, number] = args.near.octets();
    let near = tunnel::end(&format!("wkrelay{number}"), args.near, args.far)?;
    let (hand_over, far) = sync_channel(1);
    let (tell, ended) = sync_channel(1);
    let (start, may_start) = sync_channel::<u16>(1);
    // A namespace belongs to a thread, and what that thread starts is in it.
    let own = args.clone();
    thread::Builder::new().name("far".into()).spawn(move || {
        let result = far_side(&own, &hand_over, || Ok(may_start.recv()?));
        drop(hand_over);
        let _ = tell.send(result);
    })?;
    let Ok(far) = far.recv() else {
        ended.recv()??;
        bail!("there is no far end");
    };
    let delay = Duration::from_millis(args.round_trip_ms) / 2;
    let line = |seed| Line::new(delay, args.loss / 100.0, seed);
    let to_near = tunnel::carry(&far, &near, line(args.seed))?;
    let to_far = tunnel::carry(&near, &far, line(!args.seed))?;
    start.send(probe::answer(args.near)?)?;
    let Ended { measured, status } = ended.recv()??;
    let way = |counts: &tunnel::Counts| Way {
        taken: counts.taken.load(Ordering::Relaxed),
        lost: counts.lost.load(Ordering::Relaxed),
        overflowed: counts.overflowed.load(Ordering::Relaxed),
    };
    let report = Report {
        measured,
        to_near: way(&to_near),
        to_far: way(&to_far),
    };
    std::fs::write(&args.report, serde_json::to_vec_pretty(&report)?)
        .with_context(|| args.report.display().to_string())?;
    Ok(status)
}

struct Ended {
    measured: Option<Measured>,
    status: ExitStatus,
}

/// On a thread of its own: makes the namespace and the far end, waits until packets are carried, and
/// runs the program.
fn far_side(
    args: &RelayArgs,
    hand_over: &SyncSender<End>,
    until_carried: impl FnOnce() -> Result<u16>,
) -> Result<Ended> {
    unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace; are you root?")?;
    hand_over.send(tunnel::end("far", args.far, args.near)?)?;
    let port = until_carried()?;
    let round_trip = Duration::from_millis(args.round_trip_ms);
    let measured = (args.probes > 0)
        .then(|| probe::measure((args.near, port), args.probes, round_trip))
        .transpose()
        .context("the line could not be measured")?;
    let [program, arguments @ ..] = &args.program[..] else {
        bail!("there is no program");
    };
    let mut child = Command::new(program)
        .args(arguments)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    Ok(Ended {
        measured,
        status: child.wait()?,
    })
}

fn reserved(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 198 && matches!(second, 18 | 19)
}
