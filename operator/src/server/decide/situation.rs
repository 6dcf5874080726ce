//! What stands of a world: no pod, one whose process has ended, or one that is alive.

use worldkeeper_crds::agent::AgentStatus;

use crate::{
    cache::ContainerView,
    server::{
        failures::Failed,
        view::{NodeView, Players, PodView, ServerView},
    },
};

/// Why a pod that could go on is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndReason {
    Deleted,
    StartFailed,
    StartupTimeout,
    RevisionMoved,
    NodeLeaving,
}

impl EndReason {
    pub(super) fn words(self) -> &'static str {
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
pub(super) enum Ended {
    /// By itself.
    Crashed(Failed),
    /// Its pod was deleted.
    Deleted,
    /// With its node.
    NodeLost,
}

/// The newest pod, and what we make of it.
pub(super) enum Situation<'a> {
    NoPod,
    Ended(&'a PodView, Ended),
    Alive(Alive<'a>),
}

pub(super) struct Alive<'a> {
    pub(super) pod: &'a PodView,
    /// The server's word at this epoch, if it is fresh.
    pub(super) heard: Option<&'a AgentStatus>,
    /// Players have been told where the world is.
    pub(super) published: bool,
    /// Seconds until the start counts as failed; `None` without a node.
    pub(super) startup_seconds_left: Option<i64>,
    pub(super) end: Option<EndReason>,
}

pub(super) fn situation(view: &ServerView) -> Situation<'_> {
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
pub(super) fn ended(view: &PodView) -> Option<Ended> {
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

pub(super) fn failed_before(view: &ServerView, alive: &Alive<'_>) -> bool {
    view.status
        .failures
        .as_ref()
        .is_some_and(|f| f.last_epoch >= alive.pod.pod.epoch)
}

/// The kubelet's words when it cannot get the image.
pub(super) fn pull_failure(container: &ContainerView) -> Option<&str> {
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
