//! What worlds need of their namespace: the label by which policy keeps it, the JWKS by which their
//! agents know the operator, and budgets that go when nothing is left to protect.

use std::{collections::HashMap, sync::Mutex};

use k8s_openapi::api::{
    apps::v1::ControllerRevision,
    core::v1::{ConfigMap, Namespace},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use serde_json::json;
use worldkeeper_crds::{agent::JWKS_FILE, names};

use crate::{
    context::{Context, PROTECTION_MANAGER, lock},
    error::{During, Error, unless_gone},
    key::ObjectKey,
    queue::Next,
};

/// The JWKS that each namespace was given under this leader.
#[derive(Debug, Default)]
pub struct Published(Mutex<HashMap<String, std::sync::Arc<str>>>);

/// Looks at a namespace once.
///
/// # Errors
/// [`Error`].
pub async fn reconcile(ctx: &Context, key: &ObjectKey) -> Result<Next, Error> {
    let name = &*key.name;
    let fleets = ctx.cache.fleets().namespace(name);
    let servers = ctx.cache.servers().namespace(name);
    if fleets.is_empty() && servers.is_empty() {
        remove_leftovers(ctx, name).await?;
        unprotect(ctx, name).await?;
        lock(&ctx.published.0).remove(name);
        return Ok(Next::Wait);
    }
    protect(ctx, name).await?;
    publish_jwks(ctx, name).await?;
    remove_leftovers(ctx, name).await?;
    Ok(Next::Wait)
}

/// Puts the label on by which policy keeps the namespace.
///
/// # Errors
/// [`Error`].
pub async fn protect(ctx: &Context, name: &str) -> Result<(), Error> {
    set_label(ctx, name, true).await
}

async fn unprotect(ctx: &Context, name: &str) -> Result<(), Error> {
    set_label(ctx, name, false).await
}

async fn set_label(ctx: &Context, name: &str, present: bool) -> Result<(), Error> {
    let known = ctx.cache.namespaces().get(&ObjectKey::new("", name));
    match &known {
        Some(known) if known.protected == present || known.terminating => return Ok(()),
        // It is newer than the watch has told: protect it all the same.
        None if !present => return Ok(()),
        _ => {}
    }
    let patch = json!({"metadata": {
        "labels": {names::LABEL_NAMESPACE_WORLDS: present.then_some(names::WORLDS_PRESENT)},
        "uid": known.map(|known| known.meta.uid.clone()),
    }});
    let api: Api<Namespace> = Api::all(ctx.client.clone());
    let written = unless_gone(
        api.patch(
            name,
            &PatchParams::apply(PROTECTION_MANAGER),
            &Patch::Merge(patch),
        )
        .await,
    )
    .during("label the namespace")?;
    if let Some(written) = written {
        ctx.cache.wrote_namespace(&written);
    }
    Ok(())
}

/// Gives the namespace the current JWKS, unless it has it.
///
/// # Errors
/// [`Error`].
pub async fn publish_jwks(ctx: &Context, namespace: &str) -> Result<(), Error> {
    let Some(jwks) = ctx.keys.jwks().borrow().clone() else {
        return Err(Error::NotLeading);
    };
    if lock(&ctx.published.0).get(namespace) == Some(&jwks) {
        return Ok(());
    }
    let api: Api<ConfigMap> = Api::namespaced(ctx.client.clone(), namespace);
    let known = api
        .get_opt(names::JWKS_CONFIG_MAP)
        .await
        .during("read the JWKS ConfigMap")?;
    let stands = known
        .and_then(|c| c.data)
        .is_some_and(|data| data.get(JWKS_FILE).is_some_and(|text| **text == *jwks));
    if !stands {
        let wanted = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": names::JWKS_CONFIG_MAP,
                "labels": {"app.kubernetes.io/managed-by": names::MANAGED_BY},
            },
            "data": {JWKS_FILE: &*jwks},
        });
        api.patch(
            names::JWKS_CONFIG_MAP,
            &PatchParams::apply(PROTECTION_MANAGER).force(),
            &Patch::Apply(wanted),
        )
        .await
        .during("apply the JWKS ConfigMap")?;
    }
    lock(&ctx.published.0).insert(namespace.into(), jwks);
    Ok(())
}

/// Budgets and revisions of fleets that are gone, once the last of their worlds is.
async fn remove_leftovers(ctx: &Context, namespace: &str) -> Result<(), Error> {
    let in_use = |fleet: Option<ObjectKey>| {
        fleet.is_none_or(|fleet| {
            ctx.cache.fleets().get(&fleet).is_some()
                || !ctx.cache.servers().group(&fleet).is_empty()
        })
    };
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(ctx.client.clone(), namespace);
    for budget in ctx.cache.budgets().namespace(namespace) {
        if in_use(budget.fleet()) {
            continue;
        }
        if !budget.object.labels().contains_key(names::LABEL_REMOVABLE) {
            let patch = json!({"metadata": {
                "labels": {names::LABEL_REMOVABLE: names::TRUE},
                "resourceVersion": budget.object.metadata.resource_version,
            }});
            let params = PatchParams::apply(PROTECTION_MANAGER);
            unless_gone(
                budgets
                    .patch(&budget.meta.key.name, &params, &Patch::Merge(patch))
                    .await,
            )
            .during("mark the PodDisruptionBudget")?;
        }
        unless_gone(
            budgets
                .delete(&budget.meta.key.name, &only(&budget.meta.uid))
                .await,
        )
        .during("delete the PodDisruptionBudget")?;
    }
    let revisions: Api<ControllerRevision> = Api::namespaced(ctx.client.clone(), namespace);
    for revision in ctx.cache.revisions().namespace(namespace) {
        if !in_use(revision.fleet()) {
            unless_gone(
                revisions
                    .delete(&revision.meta.key.name, &only(&revision.meta.uid))
                    .await,
            )
            .during("delete the ControllerRevision")?;
        }
    }
    Ok(())
}

fn only(uid: &str) -> DeleteParams {
    DeleteParams::background().preconditions(Preconditions {
        uid: Some(uid.into()),
        resource_version: None,
    })
}
