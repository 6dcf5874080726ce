//! Revisions: what the pods of a fleet are built from, kept as ControllerRevisions so that a world
//! keeps its own until it ends, even after its fleet has been changed or orphaned.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{api::apps::v1::ControllerRevision, apimachinery::pkg::runtime::RawExtension};
use kube::api::ObjectMeta;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use worldkeeper_crds::{GameFleetSpec, fleet::ServerSpec};

use crate::{build::labels, key::ObjectKey};

/// Unused revisions that are kept, newest first, for people who look back.
const KEPT_UNUSED: usize = 5;
/// Hexadecimal digits of the hash in a revision's name.
const HASH_DIGITS: usize = 10;

/// What a revision holds: all that a pod is built from, besides the world's identity. Nothing of
/// the operator's own enters, so its upgrade makes no new revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionData {
    /// The fleet's `spec.server`.
    pub server: ServerSpec,
    /// The fleet's `spec.world.maxPlayers`.
    pub max_players: i32,
}

impl RevisionData {
    /// What the fleet's spec says now.
    #[must_use]
    pub fn of(spec: &GameFleetSpec) -> Self {
        Self {
            server: spec.server.clone(),
            max_players: spec.world.max_players,
        }
    }

    /// Reads a revision.
    ///
    /// # Errors
    /// When its data is not ours.
    pub fn read(revision: &ControllerRevision) -> Result<Self, serde_json::Error> {
        let data = revision
            .data
            .as_ref()
            .map(|RawExtension(value)| value.clone());
        serde_json::from_value(data.unwrap_or_default())
    }

    /// Name of the revision: the fleet's name and the first digits of the SHA-256 of the data.
    ///
    /// # Errors
    /// When the data is no JSON, which its types rule out.
    pub fn name(&self, fleet: &str) -> Result<String, serde_json::Error> {
        // serde_json's maps are sorted, so equal data has equal text.
        let text = serde_json::to_string(&serde_json::to_value(self)?)?;
        let digest = Sha256::digest(text.as_bytes());
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(format!("{fleet}-{}", &hash[..HASH_DIGITS]))
    }

    /// The object. It has no owner: the garbage collector would delete it with the fleet, before
    /// the last world that is built from it is gone.
    ///
    /// # Errors
    /// When the data is no JSON, which its types rule out.
    pub fn build(
        &self,
        fleet: &ObjectKey,
        number: i64,
    ) -> Result<ControllerRevision, serde_json::Error> {
        Ok(ControllerRevision {
            metadata: ObjectMeta {
                name: Some(self.name(&fleet.name)?),
                namespace: Some(fleet.namespace.to_string()),
                labels: Some(labels(&fleet.name, BTreeMap::new())),
                ..ObjectMeta::default()
            },
            data: Some(RawExtension(serde_json::to_value(self)?)),
            revision: number,
        })
    }
}

/// Revisions that nobody uses and that are too old to keep: names, oldest first.
#[must_use]
pub fn obsolete(revisions: &[(String, i64)], used: &BTreeSet<String>) -> Vec<String> {
    let mut unused: Vec<&(String, i64)> = revisions
        .iter()
        .filter(|(name, _)| !used.contains(name))
        .collect();
    unused.sort_by_key(|(_, number)| *number);
    let excess = unused.len().saturating_sub(KEPT_UNUSED);
    unused
        .into_iter()
        .take(excess)
        .map(|(name, _)| name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(image: &str, max_players: i32) -> GameFleetSpec {
        serde_json::from_value(serde_json::json!({
            "world": {"genre": "Fantasy", "maxPlayers": max_players},
            "server": {
                "template": {"spec": {"containers": [{"name": "server", "image": image, "tty": true}]}},
                "ports": [{"name": "game", "containerPort": 7777}]
            }
        }))
        .expect("a valid spec")
    }

    #[test]
    fn the_name_follows_the_server_and_the_seats_only() {
        let name = |spec: &GameFleetSpec| RevisionData::of(spec).name("f").expect("a name");
        let one = spec("a", 10);
        let mut scaled = one.clone();
        scaled.replicas = 7;
        assert_eq!(name(&one), name(&scaled));
        assert_ne!(name(&one), name(&spec("b", 10)));
        assert_ne!(name(&one), name(&spec("a", 11)));
    }

    #[test]
    fn what_is_not_typed_survives() {
        let data = RevisionData::of(&spec("a", 10));
        let built = data
            .build(&ObjectKey::new("ns", "f"), 1)
            .expect("an object");
        let read = RevisionData::read(&built).expect("our data");
        assert_eq!(read, data);
        assert_eq!(read.server.template.spec.containers[0].rest["tty"], true);
    }

    #[test]
    fn used_and_recent_revisions_stay() {
        let all: Vec<_> = (0..10).map(|n| (format!("r{n}"), n)).collect();
        let used = BTreeSet::from(["r0".to_owned(), "r9".to_owned()]);
        assert_eq!(obsolete(&all, &used), ["r1", "r2", "r3"]);
    }
}
