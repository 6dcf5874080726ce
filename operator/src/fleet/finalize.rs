//! The end of a fleet: its worlds are drained and gone, or left behind on request, before it goes.

use std::sync::Arc;

use kube::ResourceExt;
use worldkeeper_crds::GameServer;

use super::{
    apply,
    dereference::{Seen, controller},
};
use crate::{cache::Whole, context::Context, error::Error};

/// Finalizer by which the garbage collector is asked to leave dependents behind.
const ORPHAN: &str = "orphan";

/// What the end of a fleet calls for.
#[derive(Debug)]
pub enum Step {
    /// The garbage collector is taking the fleet's name off its worlds; nothing is ours to do.
    WaitForOrphaning,
    /// These worlds are to be asked for their end; more may wait for theirs already.
    Delete(Vec<Arc<Whole<GameServer>>>),
    /// Worlds wait for their players.
    WaitForWorlds,
    /// Nothing of the fleet is left.
    Finish,
}

/// The next step.
#[must_use]
pub fn next(seen: &Seen) -> Step {
    if seen.fleet.object.finalizers().iter().any(|f| f == ORPHAN) {
        return Step::WaitForOrphaning;
    }
    let owned: Vec<_> = seen
        .servers
        .iter()
        .filter(|s| controller(&s.object) == Some(&seen.fleet.meta.uid))
        .cloned()
        .collect();
    if owned.is_empty() {
        return Step::Finish;
    }
    let standing: Vec<_> = owned
        .into_iter()
        .filter(|s| s.object.metadata.deletion_timestamp.is_none())
        .collect();
    if standing.is_empty() {
        Step::WaitForWorlds
    } else {
        Step::Delete(standing)
    }
}

/// Carries the step out; whether the fleet is gone by it.
///
/// # Errors
/// [`Error`].
pub async fn apply(ctx: &Context, seen: &Seen, step: Step) -> Result<bool, Error> {
    match step {
        Step::WaitForOrphaning | Step::WaitForWorlds => Ok(false),
        Step::Delete(servers) => {
            for server in servers {
                // On the version as seen: the garbage collector may just have orphaned it.
                apply::delete_server(ctx, &server, true).await?;
            }
            Ok(false)
        }
        Step::Finish => {
            apply::set_finalizer(ctx, &seen.fleet.object, false).await?;
            Ok(true)
        }
    }
}
