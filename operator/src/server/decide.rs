//! What is to be done for a world, and what its status says: a pure function of what is seen.
//!
//! Three rules carry the promises:
//! * A pod that may hold players ends only after its server said, at this epoch, that joins are
//!   stopped and nobody is inside ([`may_end`]).
//! * A pod whose address was never published can hold nobody. It may end without a word from its
//!   server, but only once its doom is on record in the API, so that no later leader publishes it.
//! * The next epoch starts only when the pods of all earlier ones are gone, and a pod object goes
//!   only when its process is known to have ended ([`ended`]).

use std::time::Duration;

use worldkeeper_crds::{
    agent::{AgentStatus, DrainPhase},
    server::{GameServerStatus, ServerState, condition},
};

use super::{
    failures::{self, Failed},
    view::{NodeView, Players, PodView, ServerView},
};
use crate::{
    cache::{ContainerView, Meta},
    conditions::{self, Status, Wanted},
};

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

/// Why a pod that could go on is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndReason {
    Deleted,
    StartFailed,
    StartupTimeout,
    RevisionMoved,
    NodeLeaving,
}

impl EndReason {
    fn words(self) -> &'static str {
        match self {
            Self::Deleted => "the GameServer is being deleted",
            Self::StartFailed | Self::StartupTimeout => "its start has failed",
            Self::RevisionMoved => "a newer revision replaces it before it served",
            Self::NodeLeaving => "its node is cordoned",
        }
    }
}

/// How a process came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ended {
    /// By itself.
    Crashed(Failed),
    /// Its pod was deleted.
    Deleted,
    /// With its node.
    NodeLost,
}

/// The newest pod, and what we make of it.
enum Situation<'a> {
    NoPod,
    Ended(&'a PodView, Ended),
    Alive(Alive<'a>),
}

struct Alive<'a> {
    pod: &'a PodView,
    /// The server's word at this epoch, if it is fresh.
    heard: Option<&'a AgentStatus>,
    /// Players have been told where the world is.
    published: bool,
    /// Seconds until the start counts as failed; `None` without a node.
    startup_seconds_left: Option<i64>,
    end: Option<EndReason>,
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
            if !alive.published && alive.end.is_none() {
                again = alive
                    .startup_seconds_left
                    .filter(|left| *left > 0)
                    .map(seconds);
            } else if !alive.published && alive.end == Some(EndReason::Deleted) {
                // Unheard, and its container runs: it may end when its startup time is over.
                again = alive.startup_seconds_left.map(|left| seconds(left.max(1)));
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

fn situation(view: &ServerView) -> Situation<'_> {
    let Some(newest) = view.pods.first() else {
        return Situation::NoPod;
    };
    if let Some(how) = ended(newest) {
        return Situation::Ended(newest, how);
    }
    let pod = &newest.pod;
    let published = view.status.epoch == pod.epoch && view.status.address.is_some();
    let startup_seconds_left = pod
        .scheduled
        .zip(view.settings.as_ref())
        .map(|(at, s)| at.as_second() + s.startup_timeout_seconds - view.now.as_second());
    let heard = match &view.players {
        Players::Known(status) if status.epoch == pod.epoch => Some(status),
        _ => None,
    };
    let mut alive = Alive {
        pod: newest,
        heard,
        published,
        startup_seconds_left,
        end: None,
    };
    alive.end = end_reason(view, &alive);
    Situation::Alive(alive)
}

/// Whether and how the pod's process is known to have ended. A deletion timestamp alone says
/// nothing: the kubelet may be out of reach, with players inside.
fn ended(view: &PodView) -> Option<Ended> {
    let pod = &view.pod;
    let deleted = pod.terminating || pod.evictable;
    if let ContainerView::Terminated {
        exit_code,
        reason,
        ran,
    } = &pod.container
    {
        if deleted {
            return Some(Ended::Deleted);
        }
        return Some(Ended::Crashed(Failed {
            epoch: pod.epoch,
            revision: pod.revision.clone(),
            reason: match (pod.status_reason.as_deref(), reason.as_str()) {
                (Some(why), _) if !why.is_empty() => why.into(),
                (_, "OOMKilled") => "OOMKilled".into(),
                _ if *exit_code == 0 => "Exited".into(),
                _ => "Crashed".into(),
            },
            ran_seconds: ran.map(|(from, to)| to.as_second() - from.as_second()),
        }));
    }
    if pod.finished {
        if deleted {
            return Some(Ended::Deleted);
        }
        return Some(Ended::Crashed(Failed {
            epoch: pod.epoch,
            revision: pod.revision.clone(),
            reason: pod
                .status_reason
                .clone()
                .unwrap_or_else(|| "Crashed".into()),
            ran_seconds: None,
        }));
    }
    match view.node {
        NodeView::Gone
        | NodeView::Present {
            out_of_service: true,
            ..
        } => Some(Ended::NodeLost),
        NodeView::None if pod.terminating => Some(Ended::Deleted),
        NodeView::None | NodeView::Present { .. } => None,
    }
}

fn end_reason(view: &ServerView, alive: &Alive<'_>) -> Option<EndReason> {
    let pod = &alive.pod.pod;
    if view.deleting {
        return Some(EndReason::Deleted);
    }
    if !alive.published {
        if failed_before(view, alive) {
            return Some(EndReason::StartFailed);
        }
        if pod.revision != view.revision {
            return Some(EndReason::RevisionMoved);
        }
        let overdue = alive.startup_seconds_left.is_some_and(|left| left <= 0);
        // A pull goes on in the kubelet, which backs off by itself; a new pod would not help it.
        if overdue && pull_failure(&pod.container).is_none() {
            return Some(EndReason::StartupTimeout);
        }
    }
    match alive.pod.node {
        NodeView::Present { leaving: true, .. } => Some(EndReason::NodeLeaving),
        _ => None,
    }
}

fn failed_before(view: &ServerView, alive: &Alive<'_>) -> bool {
    view.status
        .failures
        .as_ref()
        .is_some_and(|f| f.last_epoch >= alive.pod.pod.epoch)
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

/// The kubelet's words when it cannot get the image.
fn pull_failure(container: &ContainerView) -> Option<&str> {
    match container {
        ContainerView::Waiting { reason, message }
            if matches!(
                reason.as_str(),
                "ErrImagePull"
                    | "ImagePullBackOff"
                    | "InvalidImageName"
                    | "ErrImageNeverPull"
                    | "ImageInspectError"
                    | "RegistryUnavailable"
                    | "SignatureValidationFailed"
            ) =>
        {
            Some(message)
        }
        _ => None,
    }
}

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
fn summary(
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
                "Starting".into(),
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
        Some(before) if unheard => Wanted::new(
            type_,
            match before.status.as_str() {
                "True" => Status::True,
                "False" => Status::False,
                _ => Status::Unknown,
            },
            before.reason.clone(),
            before.message.clone(),
        ),
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

fn transition_notes(view: &ServerView, status: &GameServerStatus) -> Vec<Note> {
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

#[cfg(test)]
mod tests;
