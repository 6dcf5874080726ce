//! The words for a decision: summary, conditions and events.

use worldkeeper_crds::{
    agent::DrainPhase,
    server::{GameServerStatus, ServerState, condition},
};

use super::{
    Note, STARTING,
    situation::{Alive, EndReason, Ended, Situation, pull_failure},
};
use crate::{
    cache::ContainerView,
    conditions::{self, Status, Wanted},
    server::{
        failures,
        view::{NodeView, Players, ServerView},
    },
};

/// Why an incarnation has not started: reason and message.
fn start_problem(alive: &Alive<'_>) -> Option<(String, String)> {
    let pod = &alive.pod.pod;
    if let Some(message) = pull_failure(&pod.container) {
        return Some((
            "ImagePullFailed".into(),
            format!("the image cannot be pulled; correct spec.server.template: {message}"),
        ));
    }
    if let ContainerView::Waiting { reason, message } = &pod.container
        && reason.ends_with("Error")
    {
        return Some((reason.clone(), message.clone()));
    }
    if alive.pod.node == NodeView::None
        && let Some(words) = &pod.unschedulable
    {
        return Some(("Unschedulable".into(), words.clone()));
    }
    None
}

#[allow(clippy::too_many_lines)] // one row for each situation: a table, best read as a whole
pub(super) fn summary(
    view: &ServerView,
    situation: &Situation<'_>,
    status: &GameServerStatus,
) -> (ServerState, Vec<Wanted>) {
    use condition as c;
    let exhausted = status
        .failures
        .as_ref()
        .is_some_and(|f| f.count >= failures::BUDGET && f.revision == view.revision);
    let failed_words = || {
        status.failures.as_ref().map_or_else(String::new, |f| {
            format!(
                "{} failures in a row, the last at epoch {} ({}); see the logs of its pod, and correct spec.server.template",
                f.count, f.last_epoch, f.reason
            )
        })
    };
    let (state, reason, message): (ServerState, String, String) = match situation {
        _ if view.deleting && !matches!(situation, Situation::Alive(_)) => (
            ServerState::Draining,
            "Deleting".into(),
            "the world is being deleted".into(),
        ),
        Situation::NoPod if view.refused.is_some() => {
            let refused = view.refused.clone().unwrap_or_default();
            (ServerState::Unhealthy, refused.reason, refused.message)
        }
        Situation::NoPod if view.settings.is_none() => (
            ServerState::Unhealthy,
            "RevisionMissing".into(),
            format!(
                "there is no ControllerRevision {} to build the pod from",
                view.revision
            ),
        ),
        Situation::NoPod | Situation::Ended(..) if exhausted => {
            (ServerState::Unhealthy, "CrashLoop".into(), failed_words())
        }
        Situation::NoPod => (
            ServerState::Pending,
            "Pending".into(),
            "no incarnation runs".into(),
        ),
        Situation::Ended(_, how) => (
            ServerState::Pending,
            match how {
                Ended::Crashed(failed) => failed.reason.clone(),
                Ended::Deleted => "PodDeleted".into(),
                Ended::NodeLost => "NodeLost".into(),
            },
            "the last incarnation has ended; the next one follows".into(),
        ),
        Situation::Alive(alive) if status.address.is_some() => {
            if alive.pod.pod.terminating {
                (
                    ServerState::Draining,
                    "PodTerminating".into(),
                    "its pod is being deleted".into(),
                )
            } else if let Some(heard) = alive.heard {
                let ending = alive.end.map(EndReason::words).or(view
                    .scale_down
                    .then_some("its fleet is scaled down"));
                match (ending, heard.drain) {
                    (None, DrainPhase::Serving) => (
                        ServerState::Ready,
                        "Serving".into(),
                        "players can join".into(),
                    ),
                    (None, _) => (
                        ServerState::Draining,
                        "JoinsStopped".into(),
                        "joins are stopped".into(),
                    ),
                    (Some(why), _) => (
                        ServerState::Draining,
                        "Draining".into(),
                        format!(
                            "joins are stopped; the world ends when its players have left: {why}"
                        ),
                    ),
                }
            } else if view.players == Players::Stale {
                (
                    ServerState::Unhealthy,
                    "AgentSilent".into(),
                    "the server does not answer the operator; its players are not known, so it is not ended".into(),
                )
            } else {
                // A new leader has not heard it yet: what stood goes on standing.
                let standing = conditions::find(&view.status.conditions, c::READY);
                (
                    view.status.state.unwrap_or(ServerState::Starting),
                    standing.map_or_else(|| "Starting".into(), |s| s.reason.clone()),
                    standing.map_or_else(String::new, |s| s.message.clone()),
                )
            }
        }
        Situation::Alive(alive) => match (alive.end, start_problem(alive)) {
            (Some(EndReason::StartFailed | EndReason::StartupTimeout), problem) => (
                ServerState::Unhealthy,
                problem.map_or_else(|| "StartupTimeout".into(), |(reason, _)| reason),
                "the server has not become ready in spec.server.startupTimeoutSeconds; see the logs of its pod".into(),
            ),
            (Some(why), _) => (
                ServerState::Draining,
                "Draining".into(),
                format!("ends before it served: {}", why.words()),
            ),
            (None, Some((reason, message))) if reason == "Unschedulable" => {
                (ServerState::Starting, reason, message)
            }
            (None, Some((reason, message))) => (ServerState::Unhealthy, reason, message),
            (None, None) if exhausted => (ServerState::Unhealthy, "CrashLoop".into(), failed_words()),
            (None, None) => (
                ServerState::Starting,
                STARTING.into(),
                "the server has not said yet that players can join".into(),
            ),
        },
    };
    let alive = match situation {
        Situation::Alive(alive) => Some(alive),
        _ => None,
    };
    let heard = alive.and_then(|a| a.heard);
    let started = status.address.is_some() && alive.is_some();
    let standing = |type_| {
        conditions::find(&view.status.conditions, type_)
            .filter(|_| view.status.epoch == status.epoch)
    };
    // Not heard yet under this leader: the standing word about joins is kept, not denied.
    let unheard = alive.is_some_and(|a| a.published && a.heard.is_none());
    let keep = |type_: &'static str, decided: Wanted| match standing(type_) {
        Some(before) if unheard => Wanted::unchanged(type_, before),
        _ => decided,
    };
    let players_known = match (alive, heard, &view.players) {
        (None, ..) => Wanted::new(
            c::PLAYERS_KNOWN,
            true,
            "NotRunning",
            "no incarnation runs, so nobody is inside",
        ),
        (_, Some(_), _) => Wanted::new(
            c::PLAYERS_KNOWN,
            true,
            "Heard",
            "the server reports its players",
        ),
        (_, None, Players::Stale) => Wanted::new(
            c::PLAYERS_KNOWN,
            false,
            "AgentSilent",
            "silent for longer than spec.server.agent.staleAfterSeconds; the count is the last one known",
        ),
        (Some(a), None, _) if a.published => keep(
            c::PLAYERS_KNOWN,
            Wanted::new(
                c::PLAYERS_KNOWN,
                Status::Unknown,
                "NotHeardYet",
                "the operator is connecting",
            ),
        ),
        _ => Wanted::new(
            c::PLAYERS_KNOWN,
            Status::Unknown,
            "NotHeardYet",
            "the server has not been heard yet",
        ),
    };
    let joins_stopped = match heard.map(|h| h.drain) {
        Some(DrainPhase::Serving) => {
            Wanted::new(c::JOINS_STOPPED, false, "Serving", "joins are open")
        }
        Some(_) => Wanted::new(
            c::JOINS_STOPPED,
            true,
            "Acknowledged",
            "the server refuses new players",
        ),
        None => keep(
            c::JOINS_STOPPED,
            Wanted::new(
                c::JOINS_STOPPED,
                false,
                "NotRunning",
                "nothing has been acknowledged at this epoch",
            ),
        ),
    };
    let drained = match heard {
        Some(heard) if heard.is_drained() => Wanted::new(
            c::DRAINED,
            true,
            "Empty",
            "joins are stopped and nobody is inside",
        ),
        Some(heard) if heard.drain != DrainPhase::Serving => Wanted::new(
            c::DRAINED,
            false,
            "PlayersInside",
            "waits for the players inside to leave",
        ),
        Some(_) => Wanted::new(c::DRAINED, false, "Serving", "joins are open"),
        None => keep(
            c::DRAINED,
            Wanted::new(
                c::DRAINED,
                false,
                "NotRunning",
                "nothing has been acknowledged at this epoch",
            ),
        ),
    };
    let refusal = |type_, is: bool, fine: &'static str| {
        if is {
            let refused = view.refused.clone().unwrap_or_default();
            Wanted::new(type_, true, refused.reason, refused.message)
        } else {
            Wanted::new(type_, false, "Accepted", fine)
        }
    };
    let refused_type = view.refused.as_ref().map(|r| r.condition);
    let (reachable, node_reason, node_message) = match alive.map(|a| a.pod.node) {
        Some(NodeView::Present {
            unreachable: true, ..
        }) => (
            Status::False,
            "NodeUnreachable",
            "the control plane does not hear the node; the world stays, and no other incarnation starts until the node is known to have stopped",
        ),
        Some(NodeView::Present { .. }) => {
            (Status::True, "Heard", "the control plane hears the node")
        }
        _ => (Status::Unknown, "NoNode", "no incarnation is on a node"),
    };
    let wanted = vec![
        Wanted::new(
            c::READY,
            state == ServerState::Ready,
            reason.clone(),
            message.clone(),
        ),
        players_known,
        joins_stopped,
        drained,
        if started {
            Wanted::new(c::STARTED, true, "Serving", "players were told the address")
        } else {
            Wanted::new(c::STARTED, false, reason, message)
        },
        refusal(
            c::PORTS_FORBIDDEN,
            refused_type == Some(c::PORTS_FORBIDDEN),
            "the namespace takes the pod's ports",
        ),
        refusal(
            c::TEMPLATE_INVALID,
            refused_type == Some(c::TEMPLATE_INVALID),
            "the API server takes the template as a pod",
        ),
        Wanted::new(c::NODE_REACHABLE, reachable, node_reason, node_message),
    ];
    (state, wanted)
}

pub(super) fn transition_notes(view: &ServerView, status: &GameServerStatus) -> Vec<Note> {
    let mut notes = Vec::new();
    if let Some(failed) = &status.failures
        && view
            .status
            .failures
            .as_ref()
            .is_none_or(|f| f.last_epoch < failed.last_epoch)
    {
        notes.push(Note {
            warning: true,
            reason: failed.reason.clone(),
            message: format!(
                "epoch {} failed ({}), {} in a row; the next start waits {} s",
                failed.last_epoch,
                failed.reason,
                failed.count,
                failures::delay_seconds(failed.count)
            ),
        });
    }
    if status.state != view.status.state {
        let ready = conditions::find(&status.conditions, condition::READY);
        let why = ready.map_or_else(String::new, |c| c.message.clone());
        match status.state {
            Some(ServerState::Unhealthy) => notes.push(Note {
                warning: true,
                reason: ready.map_or_else(|| "Unhealthy".into(), |c| c.reason.clone()),
                message: why,
            }),
            Some(ServerState::Draining) if status.address.is_some() => notes.push(Note {
                warning: false,
                reason: "Draining".into(),
                message: why,
            }),
            Some(ServerState::Ready) if status.epoch > 1 && !view.published_now() => {
                notes.push(Note {
                    warning: false,
                    reason: "Recovered".into(),
                    message: format!(
                        "epoch {} serves on node {}",
                        status.epoch,
                        status.node_name.as_deref().unwrap_or("?")
                    ),
                });
            }
            _ => {}
        }
    }
    notes
}
