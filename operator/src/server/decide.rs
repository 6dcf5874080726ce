//! What is to be done for a world, and what its status says: a pure function of what is seen.
//!
//! Three rules carry the promises:
//! * A pod that may hold players ends only after its server said, at this epoch, that joins are
//!   stopped and nobody is inside (`may_end`).
//! * A pod whose address was never published can hold nobody. It may end without a word from its
//!   server, but only once its doom is on record in the API, so that no later leader publishes it.
//! * The next epoch starts only when the pods of all earlier ones are gone, and a pod object goes
//!   only when its process is known to have ended (`situation::ended`).

mod situation;
mod summary;

use std::time::Duration;

use worldkeeper_crds::{
    agent::DrainPhase,
    server::{GameServerStatus, ServerState},
};

use super::{
    failures::{self, Failed},
    view::ServerView,
};
use crate::{
    cache::{ContainerView, Meta},
    conditions,
};
use situation::{Alive, EndReason, Ended, Situation, ended, failed_before, situation};
use summary::{summary, transition_notes};

/// Reason of a world that starts, with nothing amiss so far.
pub const STARTING: &str = "Starting";

/// One thing to do. The order in [`Decision::steps`] is the order of doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Put our finalizer on the GameServer.
    AddFinalizer,
    /// Ask the server to refuse new players.
    StopJoins,
    /// Ask the server to take new players again.
    OpenJoins,
    /// Take the evictable mark off: the pod is to stay.
    Protect(Meta),
    /// Mark the pod evictable and delete it.
    End(Meta),
    /// The pod's process has ended: let the object go.
    Release(Meta),
    /// Start the incarnation of this epoch.
    Create {
        /// The new epoch.
        epoch: i64,
    },
    /// Nothing of the world is left: let the GameServer go.
    RemoveFinalizer,
}

/// Something that people should see in the object's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether it is bad news.
    pub warning: bool,
    /// One CamelCase word.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// What is to be done, and what the status says.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What to do.
    pub steps: Vec<Step>,
    /// What the status says.
    pub status: GameServerStatus,
    /// What people should see.
    pub notes: Vec<Note>,
    /// When to look again, if nothing happens before.
    pub again: Option<Duration>,
}

/// Decides.
#[must_use]
pub fn decide(view: &ServerView) -> Decision {
    let situation = situation(view);
    let mut status = GameServerStatus {
        state: None,
        observed_generation: view.generation,
        epoch: view
            .pods
            .first()
            .map_or(view.status.epoch, |p| p.pod.epoch.max(view.status.epoch)),
        address: None,
        ports: Vec::new(),
        pod_name: None,
        node_name: None,
        players: None,
        capacity: None,
        failures: view.status.failures.clone(),
        conditions: Vec::new(),
    };
    let mut steps = Vec::new();
    let mut notes = Vec::new();
    let mut again = None;

    if !view.finalizer && !view.deleting {
        steps.push(Step::AddFinalizer);
    }
    // A pod of an earlier epoch is here only while its object waits for us to let it go.
    for older in view.pods.iter().skip(1) {
        if ended(older).is_some() {
            steps.push(Step::Release(older.pod.meta.clone()));
        }
    }

    match &situation {
        Situation::NoPod if view.deleting => {
            if view.finalizer {
                steps.push(Step::RemoveFinalizer);
            }
        }
        Situation::NoPod if view.scale_down || view.settings.is_none() || !view.finalizer => {}
        Situation::NoPod => {
            let wait = failures::seconds_until_start(
                view.status.failures.as_ref(),
                &view.revision,
                view.now,
            )
            .max(view.refused.as_ref().map_or(0, |r| r.seconds_left));
            if wait > 0 {
                again = Some(seconds(wait));
            } else {
                steps.push(Step::Create {
                    epoch: view.status.epoch + 1,
                });
            }
        }
        Situation::Ended(pod, how) => {
            status.pod_name = Some(pod.pod.meta.key.name.to_string());
            status.node_name.clone_from(&pod.pod.node);
            if let Ended::Crashed(failed) = how {
                status.failures = Some(failures::record(
                    view.status.failures.as_ref(),
                    failed,
                    view.now,
                ));
            }
            // The object is our only witness of this end: it goes once the end is on record.
            if view.deleting
                || (view.status.epoch >= pod.pod.epoch && view.status.failures == status.failures)
            {
                steps.push(Step::Release(pod.pod.meta.clone()));
            }
            if *how == Ended::NodeLost && view.status.state != Some(ServerState::Pending) {
                notes.push(Note {
                    warning: true,
                    reason: "NodeLost".into(),
                    message: format!(
                        "epoch {} ended with node {}",
                        pod.pod.epoch,
                        pod.pod.node.as_deref().unwrap_or("?")
                    ),
                });
            }
        }
        Situation::Alive(alive) => {
            status.pod_name = Some(alive.pod.pod.meta.key.name.to_string());
            status.node_name.clone_from(&alive.pod.pod.node);
            steps.extend(steps_for_alive(view, alive));
            if alive.end == Some(EndReason::StartupTimeout) {
                status.failures = Some(failures::record(
                    view.status.failures.as_ref(),
                    &Failed {
                        epoch: alive.pod.pod.epoch,
                        revision: alive.pod.pod.revision.clone(),
                        reason: "StartupTimeout".into(),
                        ran_seconds: None,
                    },
                    view.now,
                ));
            }
            if !alive.published {
                // Then its start has failed, or, if it is to end unheard, it may.
                again = alive
                    .startup_seconds_left
                    .filter(|left| *left > 0)
                    .map(seconds);
            }
            if alive.published || may_publish(view, alive) {
                publish(view, alive, &mut status);
            }
            if let Some(Step::End(_)) = steps.last()
                && let Some(reason) = alive.end
            {
                notes.push(Note {
                    warning: false,
                    reason: "Ending".into(),
                    message: format!(
                        "epoch {} ends with nobody inside: {}",
                        alive.pod.pod.epoch,
                        reason.words()
                    ),
                });
            }
        }
    }

    let (state, wanted) = summary(view, &situation, &status);
    status.state = Some(state);
    status.conditions =
        conditions::settle(&view.status.conditions, wanted, view.generation, view.now);
    notes.extend(transition_notes(view, &status));
    Decision {
        steps,
        status,
        notes,
        again,
    }
}

fn seconds(n: i64) -> Duration {
    Duration::from_secs(u64::try_from(n).unwrap_or(0))
}

/// Whether the pod may end now.
///
/// With the server's word: when joins are stopped and nobody is inside. Without it: only if
/// nobody was ever told the address, the API has on record that nobody will be, and the process
/// has either not started or had all its time to say something.
fn may_end(view: &ServerView, alive: &Alive<'_>) -> bool {
    if let Some(heard) = alive.heard {
        return heard.is_drained();
    }
    let on_record =
        view.deleting || failed_before(view, alive) || alive.pod.pod.revision != view.revision;
    let not_started = matches!(alive.pod.pod.container, ContainerView::Waiting { .. });
    let overdue =
        alive.startup_seconds_left.is_some_and(|left| left <= 0) || view.settings.is_none();
    !alive.published && on_record && (not_started || overdue)
}

/// Whether players may be told the address.
fn may_publish(view: &ServerView, alive: &Alive<'_>) -> bool {
    let serving = alive
        .heard
        .is_some_and(|heard| heard.drain == DrainPhase::Serving);
    let pod = &alive.pod.pod;
    serving
        && pod.ready
        && !pod.terminating
        && !pod.evictable
        && !view.scale_down
        && alive.end.is_none()
}

fn steps_for_alive(view: &ServerView, alive: &Alive<'_>) -> Vec<Step> {
    let pod = &alive.pod.pod;
    if pod.terminating {
        return Vec::new();
    }
    let mut steps = Vec::new();
    let to_drain = alive.end.is_some() || view.scale_down;
    match alive.heard.map(|heard| heard.drain) {
        Some(DrainPhase::Serving) if to_drain => steps.push(Step::StopJoins),
        Some(DrainPhase::JoinsStopped) if !to_drain => {
            if pod.evictable {
                steps.push(Step::Protect(pod.meta.clone()));
            }
            steps.push(Step::OpenJoins);
        }
        Some(DrainPhase::Serving) if pod.evictable => steps.push(Step::Protect(pod.meta.clone())),
        _ => {}
    }
    if alive.end.is_some() && may_end(view, alive) {
        steps.push(Step::End(pod.meta.clone()));
    }
    steps
}

fn publish(view: &ServerView, alive: &Alive<'_>, status: &mut GameServerStatus) {
    if alive.published {
        status.address.clone_from(&view.status.address);
        status.ports.clone_from(&view.status.ports);
    } else {
        status.address.clone_from(&view.way_in.address);
        status.ports.clone_from(&view.way_in.ports);
    }
    if let Some(heard) = alive.heard {
        status.players = Some(i32::try_from(heard.players).unwrap_or(i32::MAX));
        status.capacity = Some(i32::try_from(heard.capacity).unwrap_or(i32::MAX));
    } else {
        status.players = view.status.players;
        status.capacity = view.status.capacity;
    }
}

#[cfg(test)]
mod tests;
