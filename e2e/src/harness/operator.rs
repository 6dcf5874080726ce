//! The operator as seen from outside: who leads, and its log.

use anyhow::{Context, Result, bail};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::context::SOON;
use super::wait;
use crate::install::operator::{NAMESPACE, RELEASE};

/// Container and program of the operator's pods.
pub(crate) const CONTAINER: &str = "operator";
pub(crate) const PROGRAM: &str = "worldkeeper-operator";
/// Selects the operator's pods.
pub(crate) const PODS: &str = "app.kubernetes.io/component=operator";

/// The replica that leads.
#[derive(Clone, Debug)]
pub(crate) struct Leader {
    pub(crate) pod: Pod,
    /// Changes with every leader.
    pub(crate) term: i32,
}

fn leases(client: &Client) -> Api<Lease> {
    Api::namespaced(client.clone(), NAMESPACE)
}

/// The pod whose name starts the holder's identity.
fn holds(pods: &[Pod], identity: &str) -> Option<Pod> {
    pods.iter()
        .find(|pod| {
            pod.metadata.name.as_deref().is_some_and(|name| {
                identity
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.is_empty() || !rest.starts_with(char::is_alphanumeric))
            })
        })
        .cloned()
}

/// The leader, once there is one of a term above `above`.
pub(crate) async fn leader(client: &Client, above: Option<i32>) -> Result<Leader> {
    let what = match above {
        None => "a leader of the operator".to_owned(),
        Some(term) => format!("a leader of the operator after term {term}"),
    };
    let (identity, term) = wait::until_one(
        &leases(client),
        RELEASE,
        &what,
        SOON,
        |lease: Option<&Lease>| {
            let spec = lease.and_then(|lease| lease.spec.as_ref());
            let holder = spec
                .and_then(|spec| spec.holder_identity.clone())
                .unwrap_or_default();
            let term = spec
                .and_then(|spec| spec.lease_transitions)
                .unwrap_or_default();
            if !holder.is_empty() && above.is_none_or(|above| term > above) {
                Ok((holder, term))
            } else {
                Err(format!("holder {holder:?} of term {term}"))
            }
        },
    )
    .await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let listed = pods.list(&ListParams::default().labels(PODS)).await?;
    let pod = holds(&listed.items, &identity)
        .with_context(|| format!("no pod of the operator is called as the leader {identity}"))?;
    Ok(Leader { pod, term })
}

/// Waits until so many replicas of the operator are ready, none of them going.
pub(crate) async fn until_ready(client: &Client, replicas: usize) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let config = watcher::Config::default().labels(PODS);
    let what = format!("{replicas} ready replicas of the operator");
    wait::until(&pods, config, &what, SOON * 3, |pods: &[&Pod]| {
        let ready = pods.iter().filter(|pod| pod_ready(pod)).count();
        if ready >= replicas {
            Ok(())
        } else {
            Err(format!("{ready} ready of {}", pods.len()))
        }
    })
    .await
}

/// Asks for so many replicas.
pub(crate) async fn set_replicas(client: &Client, replicas: i32) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    deployments
        .patch_scale(RELEASE, &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

/// Brings the two replicas to different nodes, as they were before a node was drained or lost.
pub(crate) async fn spread(client: &Client) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    for _ in 0..3 {
        until_ready(client, 2).await?;
        let leader = leader(client, None).await?.pod;
        let node = |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
        let listed = pods.list(&ListParams::default().labels(PODS)).await?.items;
        let beside: Vec<&Pod> = listed
            .iter()
            .filter(|pod| pod.name_any() != leader.name_any() && pod_ready(pod))
            .filter(|pod| node(pod) == node(&leader))
            .collect();
        if beside.is_empty() {
            return Ok(());
        }
        for pod in beside {
            pods.delete(&pod.name_any(), &DeleteParams::default())
                .await?;
            let name = pod.name_any();
            let what = format!("replica {name} to be gone");
            wait::until_one(&pods, &name, &what, SOON, |left: Option<&Pod>| match left {
                None => Ok(()),
                Some(_) => Err("it ends".to_owned()),
            })
            .await?;
        }
    }
    bail!("the operator's replicas stay on one node")
}

fn pod_ready(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && pod
            .status
            .iter()
            .flat_map(|status| status.conditions.iter().flatten())
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_leader_is_the_pod_that_the_identity_starts_with() {
        let pods: Vec<Pod> = ["worldkeeper-abc", "worldkeeper-abcd"]
            .iter()
            .map(|name| {
                let mut pod = Pod::default();
                pod.metadata.name = Some((*name).to_owned());
                pod
            })
            .collect();
        let check = |identity: &str, expect: Option<&str>| {
            let found = holds(&pods, identity).map(|pod| pod.metadata.name.unwrap());
            assert_eq!(found.as_deref(), expect, "{identity}");
        };
        check("worldkeeper-abc_1234", Some("worldkeeper-abc"));
        check("worldkeeper-abcd_1234", Some("worldkeeper-abcd"));
        check("worldkeeper-abcd", Some("worldkeeper-abcd"));
        check("other_1", None);
    }
}
