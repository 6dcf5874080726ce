//! Writes the status: once, last, and only when it changed.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::{Api, api::PostParams};
use worldkeeper_crds::{
    GameServer,
    server::{GameServerStatus, ServerState, condition},
};

use super::{decide::STARTING, dereference::Seen};
use crate::{
    conditions,
    context::{Context, SERVER_MANAGER},
    error::{During, Error},
};

/// Least time between two writes of a world that change nothing but its player count.
const PLAYERS_SPACING: Duration = Duration::from_secs(5);
/// A start without trouble is not written while its pod is younger: Ready follows soon, and one
/// write says both. Trouble is written at once.
const YOUNG: Duration = Duration::from_secs(10);

/// Writes the status, or says how long it can wait.
///
/// # Errors
/// [`Error`].
pub async fn update(
    ctx: &Context,
    seen: &Seen,
    status: &GameServerStatus,
) -> Result<Option<Duration>, Error> {
    let wait = wait(ctx, seen, status);
    if wait != Some(Duration::ZERO) {
        return Ok(wait);
    }
    let mut server: GameServer = (*seen.server).clone();
    server.status = Some(status.clone());
    let params = PostParams {
        field_manager: Some(SERVER_MANAGER.into()),
        ..PostParams::default()
    };
    let api: Api<GameServer> = Api::namespaced(ctx.client.clone(), &seen.key.namespace);
    let written = api
        .replace_status(&seen.key.name, &params, &server)
        .await
        .during("write the GameServer's status")?;
    ctx.cache.wrote_server(written);
    Ok(None)
}

/// `None`: nothing to write. Zero: now. Else: not before this time.
fn wait(ctx: &Context, seen: &Seen, status: &GameServerStatus) -> Option<Duration> {
    let before = &seen.view.status;
    if before == status {
        return None;
    }
    if let Some(young) = young(seen, status) {
        return Some(young);
    }
    let only_players = GameServerStatus {
        players: before.players,
        ..status.clone()
    } == *before;
    if only_players {
        return Some(ctx.player_write_wait(&seen.key, PLAYERS_SPACING));
    }
    Some(Duration::ZERO)
}

fn young(seen: &Seen, status: &GameServerStatus) -> Option<Duration> {
    let before = &seen.view.status;
    let nothing_lost = before.address.is_none() && before.failures == status.failures;
    let created = seen.view.pods.first()?.pod.created?;
    let no_trouble = status.state == Some(ServerState::Starting)
        && conditions::find(&status.conditions, condition::STARTED)
            .is_some_and(|c| c.reason == STARTING);
    if !no_trouble || !nothing_lost {
        return None;
    }
    let age = Timestamp::now().duration_since(created).unsigned_abs();
    YOUNG.checked_sub(age).filter(|left| !left.is_zero())
}
