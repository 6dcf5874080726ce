//! Checks now and then, on a thread of its own, that the world's hash is what its state says.
//!
//! The hash of each tick is kept up piece by piece: a piece that changed without being marked would go
//! unnoticed for ever. So the state is hashed in full from time to time. A difference is a fault of
//! this program or of the machine's memory. It is logged and counted, and the world goes on: players
//! are served from the state, not from its hash, and to throw them out would cost them what the fault
//! did not. Whoever compares hashes across incarnations must look at the counter first.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use tracing::{debug, error};
use worldkeeper_sim::{Frozen, World};

use crate::metrics::Metrics;

/// Seconds between two checks.
pub(super) const EVERY_SECONDS: u32 = 30;

/// The way to the thread, which ends with it.
#[derive(Debug)]
pub(super) struct Verifier {
    checks: SyncSender<Check>,
}

struct Check {
    tick: u64,
    kept: u64,
    frozen: Frozen,
}

impl Verifier {
    pub(super) fn start(metrics: Arc<Metrics>) -> io::Result<Self> {
        // A check that waits holds a copy of the state: one is enough.
        let (checks, inbox) = sync_channel::<Check>(0);
        thread::Builder::new()
            .name("verify".into())
            .spawn(move || {
                for Check { tick, kept, frozen } in inbox {
                    let full = frozen.full_hash();
                    metrics.hash_checks.inc();
                    if full == kept {
                        debug!(tick, "the world's hash is right");
                    } else {
                        metrics.hash_mismatches.inc();
                        error!(
                            tick,
                            kept = format!("{kept:016x}"),
                            full = format!("{full:016x}"),
                            "the world's hash is not that of its state"
                        );
                    }
                }
            })?;
        Ok(Self { checks })
    }

    /// Has the world checked as it is now, unless the last check still runs.
    pub(super) fn check(&self, world: &mut World) {
        let check = Check {
            tick: world.current_tick(),
            kept: world.hash(),
            frozen: world.freeze(),
        };
        let _ = self.checks.try_send(check);
    }
}
