//! A fleet's status, and the numbers for its metrics.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use kube::{Api, api::PostParams};
use worldkeeper_crds::{
    GameFleet, GameFleetStatus,
    fleet::{FleetState, condition as c},
    server::ServerState,
};

use super::{
    autoscale::Desired,
    build::scale_selector,
    dereference::{Seen, failing},
    template::{Verdict, has_liveness_probe},
    view::{FleetView, WorldPlayers, WorldView},
};
use crate::{
    conditions::{self, Status, Wanted},
    context::{Context, FLEET_MANAGER},
    error::{During, Error},
    telemetry::FleetGauges,
};

/// What the status says of a fleet as seen.
#[must_use]
pub fn compute(
    seen: &Seen,
    desired: &Desired,
    verdict: &Verdict,
    seeds_issued: i64,
    now: Timestamp,
) -> GameFleetStatus {
    let view = &seen.view;
    let object = &seen.fleet.object;
    let deleting = object.metadata.deletion_timestamp.is_some();
    let active: Vec<&WorldView> = view.worlds.iter().filter(|w| w.active()).collect();
    let ready = active
        .iter()
        .filter(|w| w.state == Some(ServerState::Ready))
        .count();
    let draining = view.worlds.len() - active.len();
    let failing: Vec<&WorldView> = active.iter().copied().filter(|w| failing(w)).collect();
    let unknown = view.worlds.iter().filter(|w| !w.players.is_known()).count();
    let not_heard = view
        .worlds
        .iter()
        .any(|w| w.players == WorldPlayers::NotHeardYet);

    let (state, reason, message): (FleetState, &str, String) = match verdict {
        _ if deleting => (
            FleetState::Deleting,
            "Deleting",
            "the fleet is being deleted; its worlds end when their players have left".into(),
        ),
        Verdict::Refused(refusal) => (FleetState::Invalid, refusal.reason, refusal.message.clone()),
        Verdict::Accepted if !failing.is_empty() => (
            FleetState::Degraded,
            "WorldsUnhealthy",
            format!(
                "worlds that fail: {}; see their conditions",
                some_names(&failing)
            ),
        ),
        Verdict::Accepted if int(ready) == desired.replicas && draining == 0 => (
            FleetState::Ready,
            "AllReady",
            "every wanted world is ready".into(),
        ),
        Verdict::Accepted if int(active.len()) < desired.replicas => (
            FleetState::Scaling,
            "Creating",
            if view.spec.world.seeds.list.is_some() && view.may_create {
                "fewer worlds than wanted: spec.world.seeds.list has no unused seed left until a world that drains is gone".into()
            } else {
                "worlds are being created".into()
            },
        ),
        Verdict::Accepted if int(ready) < int(active.len()) => (
            FleetState::Scaling,
            "Starting",
            "worlds are starting".into(),
        ),
        Verdict::Accepted => (
            FleetState::Scaling,
            "Draining",
            "worlds wait for their players to leave before they end".into(),
        ),
    };
    let enough = int(ready) >= desired.replicas && !deleting && *verdict == Verdict::Accepted;
    let standing = |type_| conditions::find(&seen.status.conditions, type_);
    let players_known = match (not_heard, standing(c::PLAYERS_KNOWN)) {
        // A new leader connects: what stood goes on standing for that second.
        (true, Some(before)) => Wanted::unchanged(c::PLAYERS_KNOWN, before),
        (true, None) => Wanted::new(
            c::PLAYERS_KNOWN,
            Status::Unknown,
            "NotHeardYet",
            "the operator is connecting to the worlds",
        ),
        (false, _) if unknown > 0 => Wanted::new(
            c::PLAYERS_KNOWN,
            false,
            "WorldsSilent",
            "some worlds do not answer; status.players has their last known counts",
        ),
        (false, _) => Wanted::new(
            c::PLAYERS_KNOWN,
            true,
            "Heard",
            "every world reports its players",
        ),
    };
    let autoscaling = if view.spec.autoscaling.is_some() {
        Wanted::new(
            c::AUTOSCALING_ACTIVE,
            !deleting,
            desired.reason,
            desired.message.clone(),
        )
    } else {
        Wanted::new(
            c::AUTOSCALING_ACTIVE,
            false,
            "NotConfigured",
            "spec.autoscaling is absent: spec.replicas counts",
        )
    };
    let template = match verdict {
        Verdict::Refused(refusal) if !verdict.may_create() => Wanted::new(
            c::TEMPLATE_INVALID,
            true,
            refusal.reason,
            refusal.message.clone(),
        ),
        _ => Wanted::new(
            c::TEMPLATE_INVALID,
            false,
            "Accepted",
            "the API server takes the template as a pod",
        ),
    };
    let probe = if has_liveness_probe(&seen.data) {
        Wanted::new(
            c::LIVENESS_PROBE_PRESENT,
            true,
            "ProbeInTemplate",
            "the kubelet ends a world whose liveness probe fails, players inside or not; remove livenessProbe from spec.server.template",
        )
    } else {
        Wanted::new(
            c::LIVENESS_PROBE_PRESENT,
            false,
            "NoProbe",
            "the template has no liveness probe",
        )
    };
    let wanted = vec![
        Wanted::new(c::READY, enough, reason, message),
        template,
        autoscaling,
        players_known,
        probe,
    ];
    GameFleetStatus {
        state: Some(state),
        observed_generation: object.metadata.generation,
        replicas: int(active.len()),
        ready_replicas: int(ready),
        desired_replicas: desired.replicas,
        draining_replicas: int(draining),
        updated_replicas: int(active
            .iter()
            .filter(|w| w.revision == view.revision)
            .count()),
        unknown_replicas: int(unknown),
        players: players(view),
        capacity: capacity(view),
        seeds_issued,
        current_revision: Some(view.revision.clone()),
        selector: Some(scale_selector(&seen.key.name)),
        conditions: conditions::settle(
            &seen.status.conditions,
            wanted,
            object.metadata.generation,
            now,
        ),
    }
}

/// The first few names, so that a message stays short and stable.
fn some_names(worlds: &[&WorldView]) -> String {
    const SHOWN: usize = 5;
    let mut names: Vec<&str> = worlds.iter().take(SHOWN).map(|w| w.name.as_str()).collect();
    if worlds.len() > SHOWN {
        names.push("…");
    }
    names.join(", ")
}

fn int(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// Players inside, with the last known count of worlds that are silent.
fn players(view: &FleetView) -> i32 {
    view.worlds
        .iter()
        .map(|w| match w.players {
            WorldPlayers::Known { players, .. } => players,
            WorldPlayers::NotServing => 0,
            WorldPlayers::NotHeardYet | WorldPlayers::Stale => w.last_players,
        })
        .fold(0, i32::saturating_add)
}

fn capacity(view: &FleetView) -> i32 {
    view.worlds
        .iter()
        .filter(|w| w.active() && w.state == Some(ServerState::Ready))
        .map(|w| match w.players {
            WorldPlayers::Known { capacity, .. } => capacity,
            _ => view.spec.world.max_players,
        })
        .fold(0, i32::saturating_add)
}

/// Names of the states that the worlds gauge has.
pub const STATES: [&str; 6] = [
    "Pending",
    "Starting",
    "Ready",
    "Draining",
    "Unhealthy",
    "New",
];

/// The numbers for the fleet's metrics.
#[must_use]
pub fn gauges(view: &FleetView, status: &GameFleetStatus) -> FleetGauges {
    let mut worlds: BTreeMap<&'static str, i64> = STATES.iter().map(|s| (*s, 0)).collect();
    for world in &view.worlds {
        let state = world.state.map_or("New", ServerState::as_str);
        *worlds.entry(state).or_default() += 1;
    }
    FleetGauges {
        worlds: worlds.into_iter().collect(),
        unknown: status.unknown_replicas.into(),
        players: status.players.into(),
        seats: status.capacity.into(),
        desired: status.desired_replicas.into(),
    }
}

/// Writes the status on the version of the fleet that it was computed from.
///
/// # Errors
/// [`Error`].
pub async fn write(
    ctx: &Context,
    fleet: &GameFleet,
    status: GameFleetStatus,
) -> Result<GameFleet, Error> {
    let mut fleet = fleet.clone();
    fleet.status = Some(status);
    let params = PostParams {
        field_manager: Some(FLEET_MANAGER.into()),
        ..PostParams::default()
    };
    let namespace = fleet.metadata.namespace.clone().unwrap_or_default();
    let name = fleet.metadata.name.clone().unwrap_or_default();
    let api: Api<GameFleet> = Api::namespaced(ctx.client.clone(), &namespace);
    let written = api
        .replace_status(&name, &params, &fleet)
        .await
        .during("write the GameFleet's status")?;
    ctx.cache.wrote_fleet(written.clone());
    Ok(written)
}
