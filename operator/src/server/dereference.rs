//! Reads all that the decision about a world needs.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use k8s_openapi::{api::core::v1::Node, jiff::Timestamp};
use kube::{Api, ResourceExt};
use worldkeeper_crds::{
    GameServer,
    agent::DEFAULT_PORT,
    fleet::{Exposure, ServerPort},
    names,
    server::PortStatus,
};

use super::refusals::Basis;
use super::view::{NodeView, PodView, ServerView, Settings, WayIn};
use crate::{
    agent::Incarnation,
    cache::{NodeRecord, PodRecord},
    context::Context,
    error::{During, Error, unless_gone},
    fleet::revision::RevisionData,
    key::ObjectKey,
};

/// A world as read: the view for the decision, and what its application needs besides.
pub struct Seen {
    /// The GameServer's key.
    pub key: ObjectKey,
    /// The GameServer.
    pub server: Arc<GameServer>,
    /// Name of its fleet.
    pub fleet: Option<String>,
    /// What its revision says.
    pub revision: Option<Arc<RevisionData>>,
    /// The newest pod, if its agent can be talked to.
    pub incarnation: Option<Incarnation>,
    /// The ports of the last incarnation.
    pub last_ports: Vec<PortStatus>,
    /// The view.
    pub view: ServerView,
}

/// Reads a world. `None` if there is no such GameServer.
///
/// # Errors
/// [`Error`] when a node that the cache lacks cannot be asked for.
pub async fn dereference(ctx: &Context, key: &ObjectKey) -> Result<Option<Seen>, Error> {
    let Some(whole) = ctx.cache.servers().get(key) else {
        return Ok(None);
    };
    let server = &whole.object;
    let revision = ctx.revision(&ObjectKey::new(
        key.namespace.clone(),
        server.spec.revision.as_str(),
    ));
    let mut records = ctx.cache.pods().group(key);
    records.sort_by_key(|pod| std::cmp::Reverse(pod.epoch));
    let mut pods = Vec::with_capacity(records.len());
    for record in records {
        let node = node_of(ctx, &record).await?;
        pods.push(PodView {
            pod: (*record).clone(),
            node,
        });
    }
    // The newest pod may be of an earlier revision than the next one will be.
    let pod_revision = pods.first().and_then(|p| {
        ctx.revision(&ObjectKey::new(
            key.namespace.clone(),
            p.pod.revision.as_str(),
        ))
    });
    let incarnation = pods
        .first()
        .and_then(|p| incarnation(key, &p.pod, pod_revision.as_deref().or(revision.as_deref())));
    ctx.index.sync(key, incarnation.clone());
    let knowledge = incarnation
        .as_ref()
        .and_then(|i| ctx.index.knowledge_of(i, std::time::Instant::now()));
    let way_in = pods
        .first()
        .zip(pod_revision.as_deref())
        .map(|(p, data)| way_in(key, &p.pod, &data.server.ports))
        .unwrap_or_default();
    let status = server.status.clone().unwrap_or_default();
    let view = ServerView {
        generation: server.metadata.generation,
        deleting: server.metadata.deletion_timestamp.is_some(),
        finalizer: server
            .finalizers()
            .iter()
            .any(|f| f == names::FINALIZER_DRAIN),
        scale_down: server.spec.scale_down,
        revision: server.spec.revision.clone(),
        settings: pod_revision
            .as_ref()
            .or(revision.as_ref())
            .map(|r| Settings {
                startup_timeout_seconds: r.server.startup_timeout_seconds.into(),
            }),
        pods,
        players: knowledge.into(),
        refused: ctx
            .refusals
            .standing(key, &Basis::of(ctx, key, &server.spec.revision)),
        way_in,
        status: status.clone(),
        now: Timestamp::now(),
    };
    Ok(Some(Seen {
        key: key.clone(),
        fleet: server.labels().get(names::LABEL_FLEET).cloned(),
        last_ports: status.ports,
        server: Arc::new(server.clone()),
        revision,
        incarnation,
        view,
    }))
}

async fn node_of(ctx: &Context, pod: &PodRecord) -> Result<NodeView, Error> {
    let Some(name) = &pod.node else {
        return Ok(NodeView::None);
    };
    let present = |node: &NodeRecord| NodeView::Present {
        leaving: node.leaving,
        unreachable: node.unreachable,
        out_of_service: node.out_of_service,
    };
    if let Some(node) = ctx.cache.nodes().get(&ObjectKey::new("", name.as_str())) {
        return Ok(present(&node));
    }
    // A watch may be behind; that a node is gone is only believed from the API server itself.
    let api: Api<Node> = Api::all(ctx.client.clone());
    let node = unless_gone(api.get(name).await).during("read the pod's node")?;
    Ok(node.map_or(NodeView::Gone, |node| present(&NodeRecord::new(&node))))
}

fn incarnation(
    key: &ObjectKey,
    pod: &PodRecord,
    data: Option<&RevisionData>,
) -> Option<Incarnation> {
    if pod.finished {
        return None;
    }
    let agent = data.map(|d| &d.server.agent);
    let port = agent.map_or(DEFAULT_PORT, |a| {
        u16::try_from(a.port).unwrap_or(DEFAULT_PORT)
    });
    let stale = agent.map_or(10, |a| u64::try_from(a.stale_after_seconds).unwrap_or(10));
    Some(Incarnation {
        world: key.clone(),
        epoch: pod.epoch,
        pod_uid: pod.meta.uid.clone(),
        addr: SocketAddr::new(pod.ip?, port),
        stale_after: Duration::from_secs(stale),
    })
}

/// Where players reach the pod: the first port's exposure says whose address counts.
fn way_in(key: &ObjectKey, pod: &PodRecord, ports: &[ServerPort]) -> WayIn {
    let mut numbers = pod.host_ports.iter();
    let statuses = ports
        .iter()
        .map(|port| PortStatus {
            name: port.name.clone(),
            port: match port.exposure {
                Exposure::HostPort => numbers
                    .next()
                    .map_or(port.container_port, |(_, number)| i32::from(*number)),
                Exposure::Service | Exposure::None => port.container_port,
            },
        })
        .collect();
    let address = match ports.first().map(|p| p.exposure) {
        Some(Exposure::HostPort) => pod.host_ip.clone(),
        Some(Exposure::Service) => Some(format!("{}.{}.svc", key.name, key.namespace)),
        _ => pod.ip.map(|ip| ip.to_string()),
    };
    WayIn {
        address,
        ports: statuses,
    }
}
