//! Reads all that the decision about a fleet needs.

use std::{sync::Arc, time::Instant};

use kube::ResourceExt;
use worldkeeper_crds::{
    GameFleet, GameFleetStatus, GameServer,
    server::{ServerState, WorldIdentity, condition},
};

use super::{
    revision::RevisionData,
    view::{FleetView, WorldPlayers, WorldView, published},
};
use crate::{
    agent::Knowledge,
    cache::Whole,
    conditions,
    context::Context,
    error::{During, Error},
    key::ObjectKey,
};

/// A fleet as read: the view for the decision, and what its application needs besides.
pub struct Seen {
    /// The fleet's key.
    pub key: ObjectKey,
    /// The fleet.
    pub fleet: Arc<Whole<GameFleet>>,
    /// The standing status.
    pub status: GameFleetStatus,
    /// What its current revision holds.
    pub data: RevisionData,
    /// GameServers with the fleet's label: its own, and those left behind by another of its name.
    pub servers: Vec<Arc<Whole<GameServer>>>,
    /// The view. `may_create` is settled once the template has been tried.
    pub view: FleetView,
}

impl Seen {
    /// Whether a GameServer is controlled by this fleet.
    #[must_use]
    pub fn owns(&self, server: &GameServer) -> bool {
        controller(server) == Some(&self.fleet.meta.uid)
    }

    /// The identity of a world of this fleet.
    #[must_use]
    pub fn identity(&self, seed: i64) -> WorldIdentity {
        let world = &self.fleet.object.spec.world;
        WorldIdentity {
            seed,
            genre: world.genre,
            tick_rate_hz: world.tick_rate_hz,
            size: world.size,
        }
    }

    /// The GameServer of this name.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<&Arc<Whole<GameServer>>> {
        self.servers.iter().find(|s| *s.meta.key.name == *name)
    }
}

/// uid of an object's controller.
#[must_use]
pub fn controller(server: &GameServer) -> Option<&String> {
    server
        .owner_references()
        .iter()
        .find(|o| o.controller == Some(true))
        .map(|o| &o.uid)
}

/// Reads a fleet. `None` if there is no such GameFleet.
///
/// # Errors
/// [`Error`] when the spec is no JSON, which its types rule out.
pub fn dereference(ctx: &Context, key: &ObjectKey) -> Result<Option<Seen>, Error> {
    let Some(fleet) = ctx.cache.fleets().get(key) else {
        return Ok(None);
    };
    let spec = fleet.object.spec.clone();
    let status = fleet.object.status.clone().unwrap_or_default();
    let data = RevisionData::of(&spec);
    let servers = ctx.cache.servers().group(key);
    let now = Instant::now();
    let worlds = servers
        .iter()
        .filter(|s| controller(&s.object) == Some(&fleet.meta.uid))
        .map(|server| world(ctx, server, now))
        .collect();
    let view = FleetView {
        uid: fleet.meta.uid.clone(),
        seeds_issued: status.seeds_issued,
        desired_before: status.observed_generation.map(|_| status.desired_replicas),
        revision: data.name(&key.name).during("name the fleet's revision")?,
        may_create: false,
        worlds,
        spec,
    };
    Ok(Some(Seen {
        key: key.clone(),
        fleet,
        status,
        data,
        servers,
        view,
    }))
}

fn world(ctx: &Context, server: &Whole<GameServer>, now: Instant) -> WorldView {
    let status = server.object.status.as_ref();
    let published = published(status);
    let players = if published {
        match ctx.index.knowledge(&server.meta.key, now) {
            None | Some(Knowledge::Unknown { .. }) => WorldPlayers::NotHeardYet,
            Some(Knowledge::Stale { .. }) => WorldPlayers::Stale,
            Some(Knowledge::Known { status, .. }) => WorldPlayers::Known {
                players: i32::try_from(status.players).unwrap_or(i32::MAX),
                capacity: i32::try_from(status.capacity).unwrap_or(i32::MAX),
            },
        }
    } else {
        WorldPlayers::NotServing
    };
    let conditions = status.map_or(&[][..], |s| &s.conditions);
    WorldView {
        name: server.meta.key.name.to_string(),
        seed: server.object.spec.world.seed,
        deleting: server.object.metadata.deletion_timestamp.is_some(),
        scale_down: server.object.spec.scale_down,
        published,
        drained: conditions::holds(conditions, condition::DRAINED),
        state: status.and_then(|s| s.state),
        revision: server.object.spec.revision.clone(),
        players,
        last_players: status.and_then(|s| s.players).unwrap_or(0),
    }
}

/// A world that fails, as its own controller says.
#[must_use]
pub fn failing(world: &WorldView) -> bool {
    world.state == Some(ServerState::Unhealthy)
}
