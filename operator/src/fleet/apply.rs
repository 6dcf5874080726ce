//! Carries a fleet's decision out. Protection comes first, then the mark of the seeds, then worlds.

use std::collections::BTreeSet;

use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use k8s_openapi::api::{apps::v1::ControllerRevision, policy::v1::PodDisruptionBudget};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::json;
use worldkeeper_crds::{GameFleet, GameServer, names};

use super::{build, decide::Decision, dereference::Seen, revision};
use crate::{
    build::controlled_by,
    cache::Whole,
    context::{Context, FLEET_MANAGER, PROTECTION_MANAGER},
    error::{During, Error, unless_gone},
    namespace,
    server::decide::Note,
};

/// Writes under way at a time for one fleet. More would not make an API server faster, only keep
/// others, the scheduler and kubelets among them, waiting behind us.
const CONCURRENCY: usize = 8;

/// Sees that the fleet's worlds are protected before there are any, and that their pods can be
/// built: namespace label, JWKS, budget, revision. Writes only what is missing.
///
/// # Errors
/// [`Error`].
pub async fn prepare(ctx: &Context, seen: &Seen) -> Result<(), Error> {
    namespace::protect(ctx, &seen.key.namespace).await?;
    namespace::publish_jwks(ctx, &seen.key.namespace).await?;
    budget(ctx, seen).await?;
    revision(ctx, seen).await?;
    adopt(ctx, seen).await
}

/// Puts our finalizer on the fleet, or takes it off.
///
/// # Errors
/// [`Error`].
pub async fn set_finalizer(ctx: &Context, fleet: &GameFleet, present: bool) -> Result<(), Error> {
    let mut finalizers = fleet.metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|f| f != names::FINALIZER_WORLDS);
    if present {
        finalizers.push(names::FINALIZER_WORLDS.into());
    }
    let patch = json!({"metadata": {
        "finalizers": finalizers,
        "resourceVersion": fleet.metadata.resource_version,
    }});
    let api: Api<GameFleet> =
        Api::namespaced(ctx.client.clone(), &fleet.namespace().unwrap_or_default());
    let written = unless_gone(
        api.patch(
            &fleet.name_any(),
            &PatchParams::apply(FLEET_MANAGER),
            &Patch::Merge(patch),
        )
        .await,
    )
    .during("set the GameFleet's finalizer")?;
    if let Some(written) = written
        && present
    {
        ctx.cache.wrote_fleet(written);
    }
    Ok(())
}

async fn budget(ctx: &Context, seen: &Seen) -> Result<(), Error> {
    let wanted = build::budget(&seen.key);
    let stands = ctx.cache.budgets().get(&seen.key).is_some_and(|b| {
        let spec = |b: &PodDisruptionBudget| {
            b.spec.as_ref().map(|s| {
                (
                    s.min_available.clone(),
                    s.selector.clone(),
                    s.unhealthy_pod_eviction_policy.clone(),
                )
            })
        };
        b.object.metadata.deletion_timestamp.is_some()
            || (spec(&b.object) == spec(&wanted)
                && !b.object.labels().contains_key(names::LABEL_REMOVABLE))
    });
    if stands {
        return Ok(());
    }
    let api: Api<PodDisruptionBudget> = Api::namespaced(ctx.client.clone(), &seen.key.namespace);
    // A fleet of the same name may have left one behind, marked as removable.
    let mut wanted = serde_json::to_value(&wanted).during("write the PodDisruptionBudget")?;
    wanted["apiVersion"] = json!(PodDisruptionBudget::api_version(&()));
    wanted["kind"] = json!(PodDisruptionBudget::kind(&()));
    let written = api
        .patch(
            &seen.key.name,
            &PatchParams::apply(PROTECTION_MANAGER).force(),
            &Patch::Apply(wanted),
        )
        .await
        .during("apply the fleet's PodDisruptionBudget")?;
    ctx.cache.wrote_budget(written);
    Ok(())
}

async fn revision(ctx: &Context, seen: &Seen) -> Result<(), Error> {
    let key = crate::key::ObjectKey::new(seen.key.namespace.clone(), seen.view.revision.as_str());
    let revisions = ctx.cache.revisions().group(&seen.key);
    let stands = revisions.iter().any(|r| r.meta.key == key);
    if !stands {
        let number = revisions
            .iter()
            .map(|r| r.object.revision)
            .max()
            .unwrap_or(0)
            + 1;
        let wanted = seen
            .data
            .build(&seen.key, number)
            .during("write the ControllerRevision")?;
        let api: Api<ControllerRevision> = Api::namespaced(ctx.client.clone(), &seen.key.namespace);
        let written = api
            .patch(
                &seen.view.revision,
                &PatchParams::apply(FLEET_MANAGER).force(),
                &Patch::Apply(wanted),
            )
            .await
            .during("apply the fleet's ControllerRevision")?;
        ctx.cache.wrote_revision(written);
        return Ok(());
    }
    // A pod knows its revision by label, and may outlive a change of its GameServer's.
    let mut used: BTreeSet<String> = seen
        .servers
        .iter()
        .map(|s| s.object.spec.revision.clone())
        .collect();
    used.insert(seen.view.revision.clone());
    for server in &seen.servers {
        used.extend(
            ctx.cache
                .pods()
                .group(&server.meta.key)
                .iter()
                .map(|p| p.revision.clone()),
        );
    }
    let all: Vec<(String, i64)> = revisions
        .iter()
        .map(|r| (r.meta.key.name.to_string(), r.object.revision))
        .collect();
    let api: Api<ControllerRevision> = Api::namespaced(ctx.client.clone(), &seen.key.namespace);
    for name in revision::obsolete(&all, &used) {
        unless_gone(api.delete(&name, &DeleteParams::background()).await)
            .during("delete an old ControllerRevision")?;
        ctx.trim_revisions();
    }
    Ok(())
}

/// Takes worlds in that a fleet of this name left behind.
async fn adopt(ctx: &Context, seen: &Seen) -> Result<(), Error> {
    for server in &seen.servers {
        if super::dereference::controller(&server.object).is_some()
            || server.object.metadata.deletion_timestamp.is_some()
        {
            continue;
        }
        let mut owners = server.object.owner_references().to_vec();
        owners.push(controlled_by(&seen.fleet.object));
        let patch = json!({"metadata": {
            "ownerReferences": owners,
            "resourceVersion": server.object.metadata.resource_version,
        }});
        patch_server(ctx, server, patch, "adopt the GameServer").await?;
    }
    Ok(())
}

/// Does what was decided. The seeds' mark has been persisted before.
///
/// # Errors
/// The first [`Error`]; what else was under way is finished.
pub async fn apply(ctx: &Context, seen: &Seen, decision: &Decision) -> Result<Vec<Note>, Error> {
    let mut notes = Vec::new();
    let scale_down =
        |to: bool| move |name: &String| set_scale_down(ctx, seen, name.clone(), to).boxed();
    all(decision.keep.iter().map(scale_down(false)).collect()).await?;
    all(decision
        .create
        .iter()
        .map(|seed| create(ctx, seen, *seed).boxed())
        .collect())
    .await?;
    all(decision.scale_down.iter().map(scale_down(true)).collect()).await?;
    let moves = decision.move_revision.iter();
    all(moves
        .map(|name| move_revision(ctx, seen, name.clone()).boxed())
        .collect())
    .await?;
    let deletes = decision.delete.iter();
    all(deletes
        .map(|name| delete(ctx, seen, name.clone()).boxed())
        .collect())
    .await?;
    let mut tell = |reason: &str, count: usize, what: &str| {
        if count > 0 {
            notes.push(Note {
                warning: false,
                reason: reason.into(),
                message: format!("{count} {what}"),
            });
        }
    };
    tell(
        "WorldsKept",
        decision.keep.len(),
        "worlds that were to go stay after all",
    );
    tell("WorldsCreated", decision.create.len(), "worlds created");
    tell(
        "WorldsDraining",
        decision.scale_down.len(),
        "worlds are to go once nobody is inside",
    );
    tell(
        "WorldsRemoved",
        decision.delete.len(),
        "worlds with nobody inside go",
    );
    Ok(notes)
}

/// Does all of these, some at a time.
async fn all(work: Vec<BoxFuture<'_, Result<(), Error>>>) -> Result<(), Error> {
    stream::iter(work)
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await
}

async fn create(ctx: &Context, seen: &Seen, seed: i64) -> Result<(), Error> {
    let server = build::server(
        &seen.key,
        controlled_by(&seen.fleet.object),
        seen.identity(seed),
        &seen.view.revision,
    );
    let params = PostParams {
        field_manager: Some(FLEET_MANAGER.into()),
        ..PostParams::default()
    };
    let api: Api<GameServer> = Api::namespaced(ctx.client.clone(), &seen.key.namespace);
    match api.create(&params, &server).await {
        Ok(created) => {
            ctx.cache.wrote_server(created);
            Ok(())
        }
        // An earlier try whose answer was lost: the name is the seed's, so it is this world.
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        Err(error) => Err(error).during("create the GameServer"),
    }
}

async fn set_scale_down(ctx: &Context, seen: &Seen, name: String, to: bool) -> Result<(), Error> {
    let Some(server) = seen.server(&name) else {
        return Ok(());
    };
    let patch = json!({
        "metadata": {"resourceVersion": server.object.metadata.resource_version},
        "spec": {"scaleDown": to},
    });
    patch_server(ctx, server, patch, "choose the GameServer").await
}

async fn move_revision(ctx: &Context, seen: &Seen, name: String) -> Result<(), Error> {
    let Some(server) = seen.server(&name) else {
        return Ok(());
    };
    let patch = json!({
        "metadata": {"resourceVersion": server.object.metadata.resource_version},
        "spec": {"revision": seen.view.revision},
    });
    patch_server(ctx, server, patch, "move the GameServer's revision").await
}

async fn patch_server(
    ctx: &Context,
    server: &Whole<GameServer>,
    patch: serde_json::Value,
    what: &'static str,
) -> Result<(), Error> {
    let key = &server.meta.key;
    let api: Api<GameServer> = Api::namespaced(ctx.client.clone(), &key.namespace);
    let written = unless_gone(
        api.patch(
            &key.name,
            &PatchParams::apply(FLEET_MANAGER),
            &Patch::Merge(patch),
        )
        .await,
    )
    .during(what)?;
    if let Some(written) = written {
        ctx.cache.wrote_server(written);
    }
    Ok(())
}

async fn delete(ctx: &Context, seen: &Seen, name: String) -> Result<(), Error> {
    match seen.server(&name) {
        Some(server) => delete_server(ctx, server, true).await,
        None => Ok(()),
    }
}

/// Asks for the end of a world; its own controller sees that it is drained first.
///
/// # Errors
/// [`Error`].
pub async fn delete_server(
    ctx: &Context,
    server: &Whole<GameServer>,
    as_seen: bool,
) -> Result<(), Error> {
    let key = &server.meta.key;
    let params = DeleteParams::background().preconditions(Preconditions {
        uid: Some(server.meta.uid.clone()),
        resource_version: server
            .object
            .metadata
            .resource_version
            .clone()
            .filter(|_| as_seen),
    });
    let api: Api<GameServer> = Api::namespaced(ctx.client.clone(), &key.namespace);
    let answer =
        unless_gone(api.delete(&key.name, &params).await).during("delete the GameServer")?;
    if let Some(left) = answer.and_then(either::Either::left) {
        ctx.cache.wrote_server(left);
    }
    Ok(())
}
