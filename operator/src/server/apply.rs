//! Carries the steps of a decision out. Every write carries the resource version that the decision
//! was made on.

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use serde_json::{Value, json};
use worldkeeper_crds::{GameServer, names};

use super::{
    build::{self, PodPlan},
    decide::{Decision, Step},
    dereference::Seen,
    ports::{self, HostPort, PortsInUse},
    refusal::{self, Refusal},
    refusals::Basis,
};
use crate::{
    build::controlled_by,
    cache::Meta,
    context::{Context, SERVER_MANAGER, lock},
    error::{During, Error, unless_gone},
};

/// What came of the steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// A pod was created: the next look, which follows at once, has more to say than this one.
    pub created: bool,
    /// The API server refused the pod.
    pub refused: bool,
}

/// Does what was decided, in order; the first error ends it.
///
/// # Errors
/// [`Error`].
pub async fn apply(ctx: &Context, seen: &Seen, decision: &Decision) -> Result<Applied, Error> {
    let mut applied = Applied::default();
    for step in &decision.steps {
        match step {
            Step::AddFinalizer => set_finalizer(ctx, seen, true).await?,
            Step::RemoveFinalizer => set_finalizer(ctx, seen, false).await?,
            Step::StopJoins => {
                if let Some(incarnation) = &seen.incarnation {
                    ctx.index.stop_joins(incarnation).await?;
                }
            }
            Step::OpenJoins => {
                if let Some(incarnation) = &seen.incarnation {
                    ctx.index.open_joins(incarnation).await?;
                }
            }
            Step::Protect(pod) => {
                mark_evictable(ctx, pod, false).await?;
            }
            Step::End(pod) => end(ctx, pod).await?,
            Step::Release(pod) => release(ctx, pod).await?,
            Step::Create { epoch } => match create(ctx, seen, *epoch).await? {
                None => applied.created = true,
                Some(refusal) => {
                    tracing::warn!(reason = refusal.reason, "{}", refusal.message);
                    let basis = Basis::of(ctx, &seen.key, &seen.view.revision);
                    ctx.refusals.record(&seen.key, basis, refusal);
                    applied.refused = true;
                }
            },
        }
    }
    Ok(applied)
}

fn pods(ctx: &Context, namespace: &str) -> Api<Pod> {
    Api::namespaced(ctx.client.clone(), namespace)
}

async fn set_finalizer(ctx: &Context, seen: &Seen, present: bool) -> Result<(), Error> {
    let mut finalizers = seen.server.metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|f| f != names::FINALIZER_DRAIN);
    if present {
        finalizers.push(names::FINALIZER_DRAIN.into());
    }
    let api: Api<GameServer> = Api::namespaced(ctx.client.clone(), &seen.key.namespace);
    let patch = json!({"metadata": {
        "finalizers": finalizers,
        "resourceVersion": seen.server.metadata.resource_version,
    }});
    let written = unless_gone(
        api.patch(
            &seen.key.name,
            &PatchParams::apply(SERVER_MANAGER),
            &Patch::Merge(patch),
        )
        .await,
    )
    .during("set the GameServer's finalizer")?;
    if let Some(written) = written
        && present
    {
        ctx.cache.wrote_server(written);
    }
    Ok(())
}

/// Sets or takes the mark; the new resource version, or `None` if the pod is gone.
async fn mark_evictable(ctx: &Context, pod: &Meta, mark: bool) -> Result<Option<String>, Error> {
    let patch = json!({"metadata": {
        "labels": {names::LABEL_EVICTABLE: mark.then_some(names::TRUE)},
        "resourceVersion": pod.version.to_string(),
        "uid": pod.uid,
    }});
    let written = unless_gone(
        pods(ctx, &pod.key.namespace)
            .patch(
                &pod.key.name,
                &PatchParams::apply(SERVER_MANAGER),
                &Patch::Merge(patch),
            )
            .await,
    )
    .during("mark the pod")?;
    Ok(written.and_then(|pod| {
        ctx.cache.wrote_pod(&pod);
        pod.metadata.resource_version
    }))
}

/// Lets a drained pod go: from here on policy and budget no longer hold it.
async fn end(ctx: &Context, pod: &Meta) -> Result<(), Error> {
    if ctx.leadership.term().is_none() {
        return Err(Error::NotLeading);
    }
    let Some(version) = mark_evictable(ctx, pod, true).await? else {
        return Ok(());
    };
    let params = DeleteParams::background().preconditions(Preconditions {
        uid: Some(pod.uid.clone()),
        resource_version: Some(version),
    });
    delete(ctx, pod, &params).await
}

async fn delete(ctx: &Context, pod: &Meta, params: &DeleteParams) -> Result<(), Error> {
    let answer = unless_gone(
        pods(ctx, &pod.key.namespace)
            .delete(&pod.key.name, params)
            .await,
    )
    .during("delete the pod")?;
    if let Some(left) = answer.and_then(either::Either::left) {
        ctx.cache.wrote_pod(&left);
    }
    Ok(())
}

/// The process has ended: the object has told all it can, and goes.
async fn release(ctx: &Context, pod: &Meta) -> Result<(), Error> {
    let Some(record) = ctx
        .cache
        .pods()
        .get(&pod.key)
        .filter(|p| p.meta.uid == pod.uid)
    else {
        return Ok(());
    };
    if !record.finished && !record.evictable {
        mark_evictable(ctx, pod, true).await?;
    }
    // No kubelet will confirm anything more: no grace.
    let params = DeleteParams::background()
        .grace_period(0)
        .preconditions(Preconditions {
            uid: Some(pod.uid.clone()),
            resource_version: None,
        });
    delete(ctx, pod, &params).await?;
    let patch = json!({"metadata": {"finalizers": record.other_finalizers, "uid": pod.uid}});
    unless_gone(
        pods(ctx, &pod.key.namespace)
            .patch(
                &pod.key.name,
                &PatchParams::apply(SERVER_MANAGER),
                &Patch::Merge(patch),
            )
            .await,
    )
    .during("release the pod")?;
    Ok(())
}

async fn create(ctx: &Context, seen: &Seen, epoch: i64) -> Result<Option<Refusal>, Error> {
    let Some(data) = &seen.revision else {
        return Ok(None);
    };
    let ports = &data.server.ports;
    let fleet = seen.fleet.as_deref().unwrap_or_default();
    if let Some(service) = build::service(&seen.key, fleet, ports, controlled_by(&*seen.server)) {
        let api: Api<Service> = Api::namespaced(ctx.client.clone(), &seen.key.namespace);
        api.patch(
            &seen.key.name,
            &PatchParams::apply(SERVER_MANAGER).force(),
            &Patch::Apply(service),
        )
        .await
        .during("apply the world's Service")?;
    }
    let reserved = match reserve_ports(ctx, seen) {
        Ok(reserved) => reserved,
        Err(exhausted) => {
            return Ok(Some(Refusal {
                condition: worldkeeper_crds::server::condition::STARTED,
                reason: "PortsExhausted",
                message: exhausted.to_string(),
            }));
        }
    };
    let plan = PodPlan {
        world: &seen.key,
        fleet,
        identity: &seen.server.spec.world,
        epoch,
        revision: &seen.view.revision,
        data,
        host_ports: &reserved.numbers(),
        owner: Some(controlled_by(&*seen.server)),
    };
    let pod = match build::pod(&plan) {
        Ok(pod) => pod,
        Err(error) => {
            return Ok(Some(Refusal {
                condition: worldkeeper_crds::server::condition::TEMPLATE_INVALID,
                reason: "Unsupported",
                message: error.to_string(),
            }));
        }
    };
    match post_pod(ctx, &seen.key.namespace, &pod, false).await {
        Ok(pod) => {
            ctx.cache.wrote_pod(&pod);
            ctx.refusals.forget(&seen.key);
            Ok(None)
        }
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            let pod = pods(ctx, &seen.key.namespace)
                .get(&names::pod(&seen.key.name, epoch))
                .await
                .during("read the pod that is there already")?;
            ctx.cache.wrote_pod(&pod);
            Ok(None)
        }
        Err(kube::Error::Api(status)) => match refusal::classify(&status) {
            Some(refusal) => Ok(Some(refusal)),
            None => Err(kube::Error::Api(status)).during("create the pod"),
        },
        Err(error) => Err(error).during("create the pod"),
    }
}

/// Creates a pod, or asks what would come of it. Unknown fields are refused, not dropped.
///
/// # Errors
/// The client's.
pub async fn post_pod(
    ctx: &Context,
    namespace: &str,
    pod: &Value,
    dry_run: bool,
) -> Result<Pod, kube::Error> {
    let dry_run = if dry_run { "&dryRun=All" } else { "" };
    let uri = format!(
        "/api/v1/namespaces/{namespace}/pods?fieldManager={SERVER_MANAGER}&fieldValidation=Strict{dry_run}"
    );
    let body = serde_json::to_vec(pod).map_err(kube::Error::SerdeError)?;
    let request = http::Request::post(uri)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body)
        .map_err(kube::Error::HttpError)?;
    ctx.client.request(request).await
}

/// Numbers that no other pod under way may choose; given back when dropped.
struct Reserved<'a> {
    ctx: &'a Context,
    ports: Vec<HostPort>,
}

impl Reserved<'_> {
    fn numbers(&self) -> Vec<u16> {
        self.ports.iter().map(|(_, number)| *number).collect()
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut in_flight = lock(&self.ctx.ports_in_flight);
        for port in &self.ports {
            if let Some(count) = in_flight.get_mut(port) {
                *count -= 1;
                if *count == 0 {
                    in_flight.remove(port);
                }
            }
        }
    }
}

fn reserve_ports<'a>(ctx: &'a Context, seen: &Seen) -> Result<Reserved<'a>, ports::Exhausted> {
    let none = Reserved {
        ctx,
        ports: Vec::new(),
    };
    let Some(data) = &seen.revision else {
        return Ok(none);
    };
    let Some(range) = data.server.host_port_range else {
        return Ok(none);
    };
    let wanted: Vec<_> = build::host_ports(&data.server.ports).collect();
    if wanted.is_empty() {
        return Ok(none);
    }
    let protocols: Vec<&str> = wanted.iter().map(|p| p.protocol.as_str()).collect();
    let before: Vec<u16> = wanted
        .iter()
        .filter_map(|p| {
            let port = seen.last_ports.iter().find(|s| s.name == p.name)?;
            u16::try_from(port.port).ok()
        })
        .collect();
    let mut in_flight = lock(&ctx.ports_in_flight);
    let mut in_use = ports_in_use(ctx);
    for (port, count) in in_flight.iter() {
        *in_use.unplaced.entry(port.clone()).or_default() += count;
    }
    let numbers = ports::choose(range, &protocols, &before, &in_use)?;
    let ports: Vec<HostPort> = protocols
        .iter()
        .zip(numbers)
        .map(|(protocol, number)| (String::from(*protocol), number))
        .collect();
    for port in &ports {
        *in_flight.entry(port.clone()).or_default() += 1;
    }
    drop(in_flight);
    Ok(Reserved { ctx, ports })
}

fn ports_in_use(ctx: &Context) -> PortsInUse {
    let mut in_use = PortsInUse {
        nodes: ctx
            .cache
            .nodes()
            .all()
            .iter()
            .filter(|n| !n.leaving && !n.unreachable && !n.out_of_service)
            .map(|n| n.meta.key.name.to_string())
            .collect(),
        ..PortsInUse::default()
    };
    for pod in ctx.cache.pods().all() {
        for port in &pod.host_ports {
            match &pod.node {
                Some(node) => {
                    in_use
                        .on_nodes
                        .entry(port.clone())
                        .or_default()
                        .insert(node.clone());
                }
                None => *in_use.unplaced.entry(port.clone()).or_default() += 1,
            }
        }
    }
    in_use
}
