//! What the operator knows of the cluster: a table for each kind, fed by watches and by the answers
//! to its own writes.

mod records;
mod table;

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use futures::TryStreamExt;
use k8s_openapi::api::{
    apps::v1::ControllerRevision,
    core::v1::{Namespace, Node, Pod},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, Resource,
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;
use worldkeeper_crds::{GameFleet, GameServer, names};

pub use records::{ContainerView, NamespaceRecord, NodeRecord, PodRecord, Whole};
pub use table::{Change, Meta, Record, Table};

use crate::{key::ObjectKey, queue::Queue};

/// The keys that wait for a reconcile, by controller.
#[derive(Debug)]
pub struct Queues {
    /// GameFleets.
    pub fleets: Arc<Queue>,
    /// GameServers.
    pub servers: Arc<Queue>,
    /// Namespaces, by name.
    pub namespaces: Arc<Queue>,
}

/// All tables. Every change in them puts the keys that it concerns on the queues.
#[derive(Debug)]
pub struct Cache {
    fleets: Table<Whole<GameFleet>>,
    servers: Table<Whole<GameServer>>,
    revisions: Table<Whole<ControllerRevision>>,
    budgets: Table<Whole<PodDisruptionBudget>>,
    pods: Table<PodRecord>,
    nodes: Table<NodeRecord>,
    namespaces: Table<NamespaceRecord>,
    queues: Queues,
}

impl Cache {
    /// Empty tables in front of these queues.
    #[must_use]
    pub fn new(queues: Queues) -> Self {
        Self {
            fleets: Table::default(),
            servers: Table::default(),
            revisions: Table::default(),
            budgets: Table::default(),
            pods: Table::default(),
            nodes: Table::default(),
            namespaces: Table::default(),
            queues,
        }
    }

    /// The queues that changes go to.
    #[must_use]
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// GameFleets.
    #[must_use]
    pub fn fleets(&self) -> &Table<Whole<GameFleet>> {
        &self.fleets
    }

    /// GameServers, grouped by fleet.
    #[must_use]
    pub fn servers(&self) -> &Table<Whole<GameServer>> {
        &self.servers
    }

    /// ControllerRevisions of ours, grouped by fleet.
    #[must_use]
    pub fn revisions(&self) -> &Table<Whole<ControllerRevision>> {
        &self.revisions
    }

    /// PodDisruptionBudgets of ours, grouped by fleet.
    #[must_use]
    pub fn budgets(&self) -> &Table<Whole<PodDisruptionBudget>> {
        &self.budgets
    }

    /// Game pods, grouped by world.
    #[must_use]
    pub fn pods(&self) -> &Table<PodRecord> {
        &self.pods
    }

    /// Nodes; their keys have no namespace.
    #[must_use]
    pub fn nodes(&self) -> &Table<NodeRecord> {
        &self.nodes
    }

    /// Namespaces; their keys have no namespace.
    #[must_use]
    pub fn namespaces(&self) -> &Table<NamespaceRecord> {
        &self.namespaces
    }

    /// Takes in the answer to a write.
    pub fn wrote_fleet(&self, fleet: GameFleet) {
        self.fleet_changed(self.fleets.observe(Whole::new(fleet)));
    }

    /// Takes in the answer to a write.
    pub fn wrote_server(&self, server: GameServer) {
        self.server_changed(self.servers.observe(Whole::new(server)));
    }

    /// Takes in the answer to a write.
    pub fn wrote_revision(&self, revision: ControllerRevision) {
        self.member_changed(self.revisions.observe(Whole::new(revision)));
    }

    /// Takes in the answer to a write.
    pub fn wrote_budget(&self, budget: PodDisruptionBudget) {
        self.member_changed(self.budgets.observe(Whole::new(budget)));
    }

    /// Takes in the answer to a write.
    pub fn wrote_pod(&self, pod: &Pod) {
        if let Some(pod) = PodRecord::new(pod) {
            self.pod_changed(self.pods.observe(pod));
        }
    }

    /// Takes in the answer to a write.
    pub fn wrote_namespace(&self, namespace: &Namespace) {
        self.namespace_changed(self.namespaces.observe(NamespaceRecord::new(namespace)));
    }

    fn fleet_changed(&self, change: Change<Whole<GameFleet>>) {
        let Change::Changed(old, new) = change else {
            return;
        };
        if let Some(fleet) = new.or(old) {
            self.queues.fleets.add(fleet.meta.key.clone());
            self.namespace_touched(&fleet.meta.key);
        }
    }

    fn server_changed(&self, change: Change<Whole<GameServer>>) {
        let Change::Changed(old, new) = change else {
            return;
        };
        let created_or_deleted = old.is_none() || new.is_none();
        if let Some(server) = new.or(old) {
            self.queues.servers.add(server.meta.key.clone());
            if let Some(fleet) = server.fleet() {
                self.queues.fleets.add(fleet);
            }
            if created_or_deleted {
                self.namespace_touched(&server.meta.key);
            }
        }
    }

    fn member_changed<K: Resource>(&self, change: Change<Whole<K>>) {
        let Change::Changed(old, new) = change else {
            return;
        };
        if let Some(member) = new.or(old) {
            if let Some(fleet) = member.fleet() {
                self.queues.fleets.add(fleet);
            }
            self.namespace_touched(&member.meta.key);
        }
    }

    fn pod_changed(&self, change: Change<PodRecord>) {
        let Change::Changed(old, new) = change else {
            return;
        };
        if let Some(world) = new.or(old).and_then(|pod| pod.group()) {
            self.queues.servers.add(world);
        }
    }

    fn node_changed(&self, change: Change<NodeRecord>) {
        let Change::Changed(old, new) = change else {
            return;
        };
        let Some(node) = new.or(old) else { return };
        for pod in self.pods.all() {
            if pod.node.as_deref() == Some(&*node.meta.key.name)
                && let Some(world) = pod.group()
            {
                self.queues.servers.add(world);
            }
        }
    }

    fn namespace_changed(&self, change: Change<NamespaceRecord>) {
        let Change::Changed(old, new) = change else {
            return;
        };
        let level = |n: &Option<Arc<NamespaceRecord>>| n.as_ref().map(|n| n.pod_security.clone());
        if old.is_some() && level(&old) != level(&new) {
            // What was refused there may be taken now.
            self.enqueue_namespace(new.as_deref());
        }
        if let Some(namespace) = new.or(old) {
            self.queues.namespaces.add(namespace.meta.key.clone());
        }
    }

    fn enqueue_namespace(&self, namespace: Option<&NamespaceRecord>) {
        let Some(name) = namespace.map(|n| &n.meta.key.name) else {
            return;
        };
        for fleet in self.fleets.namespace(name) {
            self.queues.fleets.add(fleet.meta.key.clone());
        }
        for server in self.servers.namespace(name) {
            self.queues.servers.add(server.meta.key.clone());
        }
    }

    /// Pod Security level that a namespace enforces, if it sets one.
    #[must_use]
    pub fn pod_security(&self, namespace: &str) -> Option<String> {
        let namespace = self.namespaces.get(&ObjectKey::new("", namespace))?;
        namespace.pod_security.clone()
    }

    fn namespace_touched(&self, member: &ObjectKey) {
        self.queues
            .namespaces
            .add(ObjectKey::new("", member.namespace.clone()));
    }

    /// Puts every object on the queues: what a new leader does first.
    pub fn enqueue_all(&self) {
        for fleet in self.fleets.all() {
            self.queues.fleets.add(fleet.meta.key.clone());
        }
        for server in self.servers.all() {
            self.queues.servers.add(server.meta.key.clone());
        }
        for namespace in self.namespaces.all() {
            self.queues.namespaces.add(namespace.meta.key.clone());
        }
    }

    /// Watches every kind for as long as the process lives. `synced` is set once all tables have
    /// been filled.
    pub fn watch(self: &Arc<Self>, client: &Client, synced: &Arc<AtomicBool>) {
        let ready = Ready {
            missing: Arc::new(AtomicUsize::new(7)),
            synced: synced.clone(),
        };
        let ours = watcher::Config::default().labels(&format!(
            "app.kubernetes.io/managed-by={}",
            names::MANAGED_BY
        ));
        let any = watcher::Config::default();
        self.spawn::<GameFleet, _>(client, any.clone(), &ready, |cache, event| {
            cache
                .fleets
                .take(event, |k| Some(Whole::new(k)), |c| cache.fleet_changed(c));
        });
        self.spawn::<GameServer, _>(client, any.clone(), &ready, |cache, event| {
            cache
                .servers
                .take(event, |k| Some(Whole::new(k)), |c| cache.server_changed(c));
        });
        self.spawn::<ControllerRevision, _>(client, ours.clone(), &ready, |cache, event| {
            cache
                .revisions
                .take(event, |k| Some(Whole::new(k)), |c| cache.member_changed(c));
        });
        self.spawn::<PodDisruptionBudget, _>(client, ours, &ready, |cache, event| {
            cache
                .budgets
                .take(event, |k| Some(Whole::new(k)), |c| cache.member_changed(c));
        });
        let game_pods = watcher::Config::default().labels(names::LABEL_WORLD);
        self.spawn::<Pod, _>(client, game_pods, &ready, |cache, event| {
            cache
                .pods
                .take(event, |k| PodRecord::new(&k), |c| cache.pod_changed(c));
        });
        self.spawn::<Node, _>(client, any.clone(), &ready, |cache, event| {
            cache.nodes.take(
                event,
                |k| Some(NodeRecord::new(&k)),
                |c| cache.node_changed(c),
            );
        });
        self.spawn::<Namespace, _>(client, any, &ready, |cache, event| {
            cache.namespaces.take(
                event,
                |k| Some(NamespaceRecord::new(&k)),
                |c| cache.namespace_changed(c),
            );
        });
    }

    fn spawn<K, F>(
        self: &Arc<Self>,
        client: &Client,
        config: watcher::Config,
        ready: &Ready,
        take: F,
    ) where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
        F: Fn(&Self, Batch<K>) + Send + 'static,
    {
        let api: Api<K> = Api::all(client.clone());
        let cache = self.clone();
        let ready = ready.clone();
        tokio::spawn(watch_kind(api, config, ready, move |batch| {
            take(&cache, batch);
        }));
    }
}

/// What a watch brings: one change, or the whole list.
enum Batch<K> {
    Apply(K),
    Delete(K),
    List(Vec<K>),
}

impl<T: Record> Table<T> {
    fn take<K>(
        &self,
        batch: Batch<K>,
        record: impl Fn(K) -> Option<T>,
        changed: impl Fn(Change<T>),
    ) {
        match batch {
            Batch::Apply(k) => {
                if let Some(object) = record(k) {
                    changed(self.observe(object));
                }
            }
            Batch::Delete(k) => {
                if let Some(object) = record(k) {
                    changed(self.delete(&object));
                }
            }
            Batch::List(list) => {
                let list = list.into_iter().filter_map(record).collect();
                self.replace(list).into_iter().for_each(changed);
            }
        }
    }
}

#[derive(Clone)]
struct Ready {
    missing: Arc<AtomicUsize>,
    synced: Arc<AtomicBool>,
}

async fn watch_kind<K>(
    api: Api<K>,
    config: watcher::Config,
    ready: Ready,
    take: impl Fn(Batch<K>) + Send + 'static,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut stream = std::pin::pin!(watcher(api, config).default_backoff());
    let mut list = Vec::new();
    let mut first = true;
    loop {
        match stream.try_next().await {
            Ok(Some(watcher::Event::Apply(k))) => take(Batch::Apply(k)),
            Ok(Some(watcher::Event::Delete(k))) => take(Batch::Delete(k)),
            Ok(Some(watcher::Event::Init)) => list.clear(),
            Ok(Some(watcher::Event::InitApply(k))) => list.push(k),
            Ok(Some(watcher::Event::InitDone)) => {
                take(Batch::List(std::mem::take(&mut list)));
                if first {
                    first = false;
                    if ready.missing.fetch_sub(1, Ordering::SeqCst) == 1 {
                        ready.synced.store(true, Ordering::SeqCst);
                    }
                }
            }
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(kind = %K::kind(&()), %error, "watch failed; it will be taken up again");
            }
        }
    }
}
