//! What every reconcile of this leader shares.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, Resource, ResourceExt,
    runtime::events::{Event, EventType, Recorder},
};

use crate::{
    agent::{Index, KeyRing},
    cache::{Cache, Whole},
    fleet::{revision::RevisionData, template::Verdicts},
    key::ObjectKey,
    lease::Leadership,
    namespace::Published,
    server::{decide::Note, ports::HostPort, refusals::Refusals},
    telemetry::Metrics,
};
use k8s_openapi::api::apps::v1::ControllerRevision;

/// Field manager of the fleet controller's writes.
pub const FLEET_MANAGER: &str = "worldkeeper-fleet";
/// Field manager of the server controller's writes.
pub const SERVER_MANAGER: &str = "worldkeeper-server";
/// Field manager of the writes that protect worlds.
pub const PROTECTION_MANAGER: &str = "worldkeeper-protection";

/// What every reconcile of this leader shares.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What is known of the cluster.
    pub cache: Arc<Cache>,
    /// What is known of the game servers.
    pub index: Index,
    /// Keys of the agent tokens.
    pub keys: KeyRing,
    /// Whether this process leads.
    pub leadership: Leadership,
    /// Metrics.
    pub metrics: Metrics,
    /// Events.
    pub recorder: Recorder,
    /// Host ports of pods that are being created.
    pub ports_in_flight: Mutex<HashMap<HostPort, usize>>,
    /// Pods that the API server refused.
    pub refusals: Refusals,
    /// What the API server says of templates.
    pub verdicts: Verdicts,
    /// The JWKS that each namespace has.
    pub published: Published,
    /// Revisions, parsed; by uid.
    revisions: Mutex<HashMap<String, Arc<RevisionData>>>,
    /// When a world's player count was last written.
    player_writes: Mutex<HashMap<ObjectKey, Instant>>,
}

impl Context {
    /// A leader's context, with nothing remembered.
    #[must_use]
    pub fn new(
        client: Client,
        cache: Arc<Cache>,
        index: Index,
        keys: KeyRing,
        leadership: Leadership,
        metrics: Metrics,
        recorder: Recorder,
    ) -> Self {
        Self {
            client,
            cache,
            index,
            keys,
            leadership,
            metrics,
            recorder,
            ports_in_flight: Mutex::default(),
            refusals: Refusals::default(),
            verdicts: Verdicts::default(),
            published: Published::default(),
            revisions: Mutex::default(),
            player_writes: Mutex::default(),
        }
    }

    /// What a revision says; `None` if there is no such revision, or it is not ours.
    pub fn revision(&self, key: &ObjectKey) -> Option<Arc<RevisionData>> {
        let revision: Arc<Whole<ControllerRevision>> = self.cache.revisions().get(key)?;
        let mut parsed = lock(&self.revisions);
        if let Some(data) = parsed.get(&revision.meta.uid) {
            return Some(data.clone());
        }
        match RevisionData::read(&revision.object) {
            Ok(data) => {
                let data = Arc::new(data);
                parsed.insert(revision.meta.uid.clone(), data.clone());
                Some(data)
            }
            Err(error) => {
                tracing::warn!(revision = %key, %error, "the revision cannot be read");
                None
            }
        }
    }

    /// Forgets revisions that are gone.
    pub fn trim_revisions(&self) {
        let known: std::collections::HashSet<String> = self
            .cache
            .revisions()
            .all()
            .iter()
            .map(|r| r.meta.uid.clone())
            .collect();
        lock(&self.revisions).retain(|uid, _| known.contains(uid));
    }

    /// How long a world's player count must wait until it may be written again; zero if it may now,
    /// which counts as written.
    pub fn player_write_wait(&self, world: &ObjectKey, spacing: Duration) -> Duration {
        let mut writes = lock(&self.player_writes);
        let now = Instant::now();
        if let Some(last) = writes.get(world)
            && now - *last < spacing
        {
            return spacing - (now - *last);
        }
        writes.insert(world.clone(), now);
        Duration::ZERO
    }

    /// Forgets a world that is gone.
    pub fn forget_world(&self, world: &ObjectKey) {
        lock(&self.player_writes).remove(world);
        self.refusals.forget(world);
        self.index.sync(world, None);
    }

    /// Shows people what happened. An event that cannot be written is logged and lost: it must not
    /// hold up what it tells of.
    pub async fn note<K: Resource<DynamicType = ()>>(&self, object: &K, note: &Note) {
        let reference: ObjectReference = object.object_ref(&());
        let event = Event {
            type_: if note.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: note.reason.clone(),
            note: Some(note.message.chars().take(1000).collect()),
            action: note.reason.clone(),
            secondary: None,
        };
        tracing::info!(object = %object.name_any(), reason = note.reason, "{}", note.message);
        if let Err(error) = self.recorder.publish(&event, &reference).await {
            tracing::warn!(%error, reason = note.reason, "event not written");
        }
    }
}

/// Locks; a panic elsewhere does not make the value unusable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
