//! Whether the API server takes a fleet's template as a pod. The schema cannot tell: it does not
//! look into the parts of the template that it leaves untyped.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use serde_json::Value;
use worldkeeper_crds::server::{WorldIdentity, condition};

use super::revision::RevisionData;
use crate::{
    context::{Context, lock},
    error::{During, Error},
    key::ObjectKey,
    server::{
        apply::post_pod,
        build::{self, PodPlan},
        refusal::{self, Refusal},
        refusals::Basis,
    },
};

/// Time until a refused template is asked about again: quotas and namespaces change.
const RETRY: Duration = Duration::from_secs(30);

/// The API server's word on a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It would be a pod.
    Accepted,
    /// It would not.
    Refused(Refusal),
}

impl Verdict {
    /// Worlds may be created. One that a namespace's host port rule, quota or end stands against
    /// still gets its GameServer, whose condition tells so.
    #[must_use]
    pub fn may_create(&self) -> bool {
        match self {
            Self::Accepted => true,
            Self::Refused(refusal) => refusal.condition != condition::TEMPLATE_INVALID,
        }
    }
}

/// Words heard under this leader, by namespace and revision.
#[derive(Debug, Default)]
pub struct Verdicts(Mutex<HashMap<ObjectKey, (Basis, Verdict, Instant)>>);

impl Verdicts {
    /// The standing word on a revision, if it need not be asked for again.
    fn standing(&self, revision: &ObjectKey, basis: &Basis) -> Option<Verdict> {
        let all = lock(&self.0);
        let (answered, verdict, at) = all.get(revision)?;
        let fresh = *verdict == Verdict::Accepted || at.elapsed() < RETRY;
        (fresh && answered == basis).then(|| verdict.clone())
    }
}

/// Asks the API server, once for each revision and again each [`RETRY`] while it refuses.
///
/// # Errors
/// [`Error`] when there is no answer.
pub async fn verdict(
    ctx: &Context,
    fleet: &ObjectKey,
    revision: &str,
    identity: &WorldIdentity,
    data: &RevisionData,
) -> Result<(Verdict, Option<Duration>), Error> {
    let key = ObjectKey::new(fleet.namespace.clone(), revision);
    let basis = Basis::of(ctx, &key, revision);
    let verdict = match ctx.verdicts.standing(&key, &basis) {
        Some(verdict) => verdict,
        None => {
            let verdict = ask(ctx, fleet, revision, identity, data).await?;
            lock(&ctx.verdicts.0).insert(key, (basis, verdict.clone(), Instant::now()));
            verdict
        }
    };
    let again = (verdict != Verdict::Accepted).then_some(RETRY);
    Ok((verdict, again))
}

async fn ask(
    ctx: &Context,
    fleet: &ObjectKey,
    revision: &str,
    identity: &WorldIdentity,
    data: &RevisionData,
) -> Result<Verdict, Error> {
    let world = ObjectKey::new(fleet.namespace.clone(), format!("{}-trial", fleet.name));
    let range = data.server.host_port_range;
    let host_ports: Vec<u16> = build::host_ports(&data.server.ports)
        .zip(range.map_or(0, |r| r.min)..)
        .filter_map(|(_, number)| u16::try_from(number).ok())
        .collect();
    let plan = PodPlan {
        world: &world,
        fleet: &fleet.name,
        identity,
        epoch: 1,
        revision,
        data,
        host_ports: &host_ports,
        owner: None,
    };
    let pod = match build::pod(&plan) {
        Ok(pod) => pod,
        Err(error) => {
            return Ok(Verdict::Refused(Refusal {
                condition: condition::TEMPLATE_INVALID,
                reason: "Unsupported",
                message: error.to_string(),
            }));
        }
    };
    match post_pod(ctx, &fleet.namespace, &pod, true).await {
        Ok(_) => Ok(Verdict::Accepted),
        Err(kube::Error::Api(status)) => match refusal::classify(&status) {
            Some(refusal) => Ok(Verdict::Refused(refusal)),
            None => Err(kube::Error::Api(status)).during("try the template"),
        },
        Err(error) => Err(error).during("try the template"),
    }
}

/// Whether a container has a liveness probe: the kubelet would end a populated world by it.
#[must_use]
pub fn has_liveness_probe(data: &RevisionData) -> bool {
    data.server.template.spec.containers.iter().any(|c| {
        c.rest
            .get("livenessProbe")
            .is_some_and(|p| *p != Value::Null)
    })
}
