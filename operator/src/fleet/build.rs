//! The objects of a fleet, besides its revisions.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, LabelSelectorRequirement, OwnerReference},
        util::intstr::IntOrString,
    },
};
use kube::api::ObjectMeta;
use worldkeeper_crds::{GameServer, GameServerSpec, names, server::WorldIdentity};

use crate::{build::labels, key::ObjectKey};

/// Selector of the pods that the scale subresource counts.
#[must_use]
pub fn scale_selector(fleet: &str) -> String {
    format!(
        "{}={fleet},{}={}",
        names::LABEL_FLEET,
        names::LABEL_ROLE,
        names::ROLE_ACTIVE
    )
}

/// The budget that protects every pod of the fleet that is not marked evictable: unknown included,
/// since the mark is what has to be earned. A number larger than any fleet, and no percentage, so
/// that the API server needs no controller to scale; `IfHealthyBudget`, so that a world whose
/// readiness fails is protected too. It has no owner: the garbage collector would delete it with
/// the fleet, before the last world is gone.
#[must_use]
pub fn budget(fleet: &ObjectKey) -> PodDisruptionBudget {
    let requirement = |key: &str, operator: &str| LabelSelectorRequirement {
        key: key.into(),
        operator: operator.into(),
        values: None,
    };
    PodDisruptionBudget {
        metadata: ObjectMeta {
            name: Some(fleet.name.to_string()),
            namespace: Some(fleet.namespace.to_string()),
            labels: Some(labels(&fleet.name, BTreeMap::new())),
            ..ObjectMeta::default()
        },
        spec: Some(PodDisruptionBudgetSpec {
            min_available: Some(IntOrString::Int(i32::MAX)),
            selector: Some(LabelSelector {
                match_labels: Some(BTreeMap::from([(
                    names::LABEL_FLEET.into(),
                    fleet.name.to_string(),
                )])),
                match_expressions: Some(vec![
                    requirement(names::LABEL_WORLD, "Exists"),
                    requirement(names::LABEL_EVICTABLE, "DoesNotExist"),
                ]),
            }),
            unhealthy_pod_eviction_policy: Some("IfHealthyBudget".into()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}

/// A new world.
#[must_use]
pub fn server(
    fleet: &ObjectKey,
    owner: OwnerReference,
    identity: WorldIdentity,
    revision: &str,
) -> GameServer {
    let name = names::game_server(&fleet.name, identity.seed);
    GameServer {
        metadata: ObjectMeta {
            namespace: Some(fleet.namespace.to_string()),
            labels: Some(labels(&fleet.name, BTreeMap::new())),
            finalizers: Some(vec![names::FINALIZER_DRAIN.into()]),
            owner_references: Some(vec![owner]),
            name: Some(name),
            ..ObjectMeta::default()
        },
        spec: GameServerSpec {
            world: identity,
            revision: revision.into(),
            scale_down: false,
        },
        status: None,
    }
}
