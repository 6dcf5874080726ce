//! Removing namespaces of scenarios: those of a scenario that passed, as a user would, which must work;
//! those of one that failed, or that a killed run left behind, by force.
//!
//! By force means that the glass is broken: no player is inside any more that anyone would miss.
//! Namespaces and pods are annotated, and finalizers that nobody answers for are taken away.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::runtime::watcher;
use kube::{Api, Client, Error, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use worldkeeper_crds::{GameFleet, GameServer, names};

use super::context::LABEL;
use super::wait;

/// For the operator to end what is empty.
const POLITE: Duration = Duration::from_secs(90);
/// The same, before force is used.
const PATIENCE: Duration = Duration::from_secs(30);
/// For a namespace to go with everything in it.
const GOING: Duration = Duration::from_secs(60);

/// How namespaces are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As a user does: fleets and worlds are deleted, and then the namespace.
    Politely,
    /// With the glass broken.
    ByForce,
}

/// Namespaces with the label, of one scenario or of any.
async fn namespaces(client: &Client, scenario: Option<&str>) -> Result<Vec<String>> {
    let selector = match scenario {
        Some(name) => format!("{LABEL}={name}"),
        None => LABEL.to_owned(),
    };
    let all: Api<Namespace> = Api::all(client.clone());
    let found = all
        .list_metadata(&ListParams::default().labels(&selector))
        .await?;
    Ok(found.iter().map(ResourceExt::name_any).collect())
}

/// Removes the namespaces of a scenario, or of all of them.
///
/// # Errors
/// When one of them stays.
pub(crate) async fn sweep(client: &Client, scenario: Option<&str>, manner: Manner) -> Result<()> {
    let found = namespaces(client, scenario).await?;
    let removals = found.iter().map(|name| async move {
        match manner {
            Manner::Politely => remove(client, name).await,
            Manner::ByForce => force(client, name).await,
        }
    });
    futures::future::try_join_all(removals).await?;
    Ok(())
}

/// Nodes that a killed run left without new pods take them again.
pub(crate) async fn uncordon(client: &Client) -> Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    for node in nodes.list(&ListParams::default()).await? {
        if node
            .spec
            .as_ref()
            .is_some_and(|spec| spec.unschedulable == Some(true))
        {
            let patch = Patch::Merge(json!({"spec": {"unschedulable": null}}));
            nodes
                .patch(&node.name_any(), &PatchParams::default(), &patch)
                .await?;
        }
    }
    Ok(())
}

async fn remove(client: &Client, name: &str) -> Result<()> {
    delete_worlds(client, name, POLITE).await?;
    let all: Api<Namespace> = Api::all(client.clone());
    let free = |namespace: Option<&Namespace>| match namespace {
        Some(namespace)
            if namespace
                .labels()
                .contains_key(names::LABEL_NAMESPACE_WORLDS) =>
        {
            Err(format!("labels {:?}", namespace.labels()))
        }
        _ => Ok(()),
    };
    wait::until_one(
        &all,
        name,
        &format!("namespace {name} to be free"),
        POLITE,
        free,
    )
    .await?;
    gone(all.delete(name, &DeleteParams::background()).await)?;
    until_gone(&all, name).await
}

async fn force(client: &Client, name: &str) -> Result<()> {
    let all: Api<Namespace> = Api::all(client.clone());
    let glass =
        json!({"metadata": {"annotations": {names::ANNOTATION_BREAK_GLASS: "end of a scenario"}}});
    if gone(
        all.patch(name, &PatchParams::default(), &Patch::Merge(&glass))
            .await,
    )?
    .is_none()
    {
        return Ok(());
    }
    if delete_worlds(client, name, PATIENCE).await.is_err() {
        break_glass(client, name).await?;
    }
    gone(all.delete(name, &DeleteParams::background()).await)?;
    if until_gone(&all, name).await.is_ok() {
        return Ok(());
    }
    break_glass(client, name).await?;
    until_gone(&all, name).await
}

async fn delete_worlds(client: &Client, namespace: &str, within: Duration) -> Result<()> {
    let fleets: Api<GameFleet> = Api::namespaced(client.clone(), namespace);
    let servers: Api<GameServer> = Api::namespaced(client.clone(), namespace);
    delete_all(&fleets).await?;
    delete_all(&servers).await?;
    until_empty(&servers, &format!("no world left in {namespace}"), within).await?;
    until_empty(&fleets, &format!("no fleet left in {namespace}"), within).await
}

async fn until_gone(namespaces: &Api<Namespace>, name: &str) -> Result<()> {
    let what = format!("namespace {name} to be gone");
    wait::until_one(
        namespaces,
        name,
        &what,
        GOING,
        |left: Option<&Namespace>| match left {
            None => Ok(()),
            Some(left) => Err(format!("{:?}", left.status)),
        },
    )
    .await
}

/// Ends every game pod, and takes away what holds objects back.
async fn break_glass(client: &Client, namespace: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let free = json!({"metadata": {
        "annotations": {names::ANNOTATION_BREAK_GLASS: "end of a scenario"},
        "finalizers": null,
    }});
    patch_all(&pods, &free).await?;
    for pod in pods.list_metadata(&ListParams::default()).await? {
        let now = DeleteParams::default().grace_period(0);
        gone(pods.delete(&pod.name_any(), &now).await)?;
    }
    let released = json!({"metadata": {"labels": {names::LABEL_REMOVABLE: names::TRUE}}});
    patch_all(
        &Api::<PodDisruptionBudget>::namespaced(client.clone(), namespace),
        &released,
    )
    .await?;
    let free = json!({"metadata": {"finalizers": null}});
    patch_all(
        &Api::<GameServer>::namespaced(client.clone(), namespace),
        &free,
    )
    .await?;
    patch_all(
        &Api::<GameFleet>::namespaced(client.clone(), namespace),
        &free,
    )
    .await
}

async fn delete_all<K>(api: &Api<K>) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    for object in api.list_metadata(&ListParams::default()).await? {
        gone(
            api.delete(&object.name_any(), &DeleteParams::background())
                .await,
        )?;
    }
    Ok(())
}

async fn patch_all<K>(api: &Api<K>, patch: &serde_json::Value) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    for object in api.list_metadata(&ListParams::default()).await? {
        gone(
            api.patch(
                &object.name_any(),
                &PatchParams::default(),
                &Patch::Merge(patch),
            )
            .await,
        )?;
    }
    Ok(())
}

async fn until_empty<K>(api: &Api<K>, what: &str, within: Duration) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    wait::until(
        api,
        watcher::Config::default(),
        what,
        within,
        |left: &[&K]| match left.first() {
            None => Ok(()),
            Some(first) => Err(format!(
                "{} left, the first {}",
                left.len(),
                first.name_any()
            )),
        },
    )
    .await
}

/// What is already gone is as good as removed.
fn gone<T>(answer: Result<T, Error>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error.into()),
    }
}
