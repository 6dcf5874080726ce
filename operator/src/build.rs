//! What the objects that we write have in common.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use worldkeeper_crds::names;

/// Labels of everything that belongs to a fleet, and those given.
#[must_use]
pub fn labels(fleet: &str, more: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        ("app.kubernetes.io/name".into(), "game-world".into()),
        ("app.kubernetes.io/instance".into(), fleet.into()),
        (
            "app.kubernetes.io/managed-by".into(),
            names::MANAGED_BY.into(),
        ),
        (names::LABEL_FLEET.into(), fleet.into()),
    ]);
    labels.extend(more);
    labels
}

/// An owner reference that makes `owner` the controller of an object.
#[must_use]
pub fn controlled_by<K: Resource<DynamicType = ()>>(owner: &K) -> OwnerReference {
    let meta = owner.meta();
    OwnerReference {
        api_version: K::api_version(&()).into(),
        kind: K::kind(&()).into(),
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
