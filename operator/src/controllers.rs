//! Runs the controllers while this process leads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use kube::{
    Client,
    runtime::events::{Recorder, Reporter},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    agent::{Index, KeyConfig, KeyManager},
    cache::{Cache, Queues},
    context::Context,
    error::Error,
    fleet,
    key::ObjectKey,
    lease::Leadership,
    namespace,
    queue::{Next, Queue},
    server,
    telemetry::Metrics,
};

/// Least time between two looks at a fleet: with it, its status is written at most twice a second.
const FLEET_SPACING: Duration = Duration::from_millis(500);

/// Empty queues in front of the controllers.
#[must_use]
pub fn queues() -> Queues {
    Queues {
        fleets: Arc::new(Queue::new(FLEET_SPACING)),
        servers: Arc::new(Queue::default()),
        namespaces: Arc::new(Queue::default()),
    }
}

/// What the controllers run with.
pub struct Settings {
    /// The API server.
    pub client: Client,
    /// What is known of the cluster.
    pub cache: Arc<Cache>,
    /// Set once `cache` has been filled.
    pub synced: Arc<AtomicBool>,
    /// Whether this process leads.
    pub leadership: Leadership,
    /// Metrics.
    pub metrics: Metrics,
    /// Keys of the agent tokens.
    pub keys: KeyConfig,
    /// Name of this process.
    pub identity: String,
    /// Objects of each kind that are worked on at a time.
    pub concurrency: usize,
}

/// Leads in `term` until `stop`; returns when everything under way has been finished.
pub async fn lead(settings: Settings, term: i64, stop: CancellationToken) {
    let Settings {
        client,
        cache,
        synced,
        leadership,
        metrics,
        keys,
        identity,
        concurrency,
    } = settings;
    // The keys are written to the end of what is under way, and streams are read as long.
    let background = CancellationToken::new();
    let (manager, ring) = KeyManager::new(client.clone(), keys, metrics.clone());
    let manager = tokio::spawn(manager.run(background.clone()));
    let index = Index::new(ring.clone(), term, leadership.doubt(), metrics.clone());
    let index_loop = tokio::spawn(index.clone().run(background.clone()));
    let recorder = Recorder::new(
        client.clone(),
        Reporter {
            controller: "worldkeeper-operator".into(),
            instance: Some(identity),
        },
    );
    let ctx = Arc::new(Context::new(
        client, cache, index, ring, leadership, metrics, recorder,
    ));

    if !wait_for_start(&ctx, &synced, &stop).await {
        background.cancel();
        return;
    }
    tracing::info!(term, "leading");
    ctx.cache.enqueue_all();

    let mut tasks = JoinSet::new();
    tasks.spawn(follow_index(ctx.clone(), stop.clone()));
    tasks.spawn(follow_keys(ctx.clone(), stop.clone()));
    let queues = ctx.cache.queues();
    let looks = ctx.clone();
    tasks.spawn(
        queues
            .servers
            .clone()
            .run(concurrency, stop.clone(), move |key| {
                let ctx = looks.clone();
                async move {
                    let started = Instant::now();
                    let outcome = server::reconcile(&ctx, &key).await;
                    conclude(&ctx, "server", &key, started, outcome)
                }
            }),
    );
    let looks = ctx.clone();
    tasks.spawn(
        queues
            .fleets
            .clone()
            .run(concurrency, stop.clone(), move |key| {
                let ctx = looks.clone();
                async move {
                    let started = Instant::now();
                    let outcome = fleet::reconcile(&ctx, &key).await;
                    conclude(&ctx, "fleet", &key, started, outcome)
                }
            }),
    );
    let looks = ctx.clone();
    tasks.spawn(
        queues
            .namespaces
            .clone()
            .run(concurrency, stop.clone(), move |key| {
                let ctx = looks.clone();
                async move {
                    let started = Instant::now();
                    let outcome = namespace::reconcile(&ctx, &key).await;
                    conclude(&ctx, "namespace", &key, started, outcome)
                }
            }),
    );
    while tasks.join_next().await.is_some() {}
    background.cancel();
    let _ = tokio::join!(manager, index_loop);
    tracing::info!(term, "finished what was under way");
}

/// Waits for full tables and for keys; false if told to stop before.
async fn wait_for_start(ctx: &Context, synced: &AtomicBool, stop: &CancellationToken) -> bool {
    let mut jwks = ctx.keys.jwks();
    let ready = async {
        let _ = jwks.wait_for(Option::is_some).await;
        while !synced.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => false,
        () = ready => true,
    }
}

/// What the servers say concerns their world and its fleet.
async fn follow_index(ctx: Arc<Context>, stop: CancellationToken) {
    let mut changes = ctx.index.changes();
    let queues = ctx.cache.queues();
    loop {
        let world = tokio::select! {
            () = stop.cancelled() => return,
            world = changes.recv() => world,
        };
        if let Some(fleet) = ctx.cache.servers().get(&world).and_then(|s| s.fleet()) {
            queues.fleets.add(fleet);
        }
        queues.servers.add(world);
    }
}

/// New keys go to every namespace with worlds.
async fn follow_keys(ctx: Arc<Context>, stop: CancellationToken) {
    let mut jwks = ctx.keys.jwks();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = jwks.changed() => if changed.is_err() { return },
        }
        for namespace in ctx.cache.namespaces().all() {
            if namespace.protected {
                ctx.cache
                    .queues()
                    .namespaces
                    .add(namespace.meta.key.clone());
            }
        }
    }
}

fn conclude(
    ctx: &Context,
    controller: &'static str,
    key: &ObjectKey,
    started: Instant,
    outcome: Result<Next, Error>,
) -> Next {
    let took = started.elapsed();
    match outcome {
        Ok(next) => {
            ctx.metrics.reconciled(controller, "ok", took);
            next
        }
        Err(error) => {
            let category = error.category();
            ctx.metrics.reconciled(controller, category, took);
            if matches!(category, "conflict" | "not_found") {
                tracing::debug!(controller, object = %key, %error, "will look again");
            } else {
                tracing::warn!(controller, object = %key, category, %error, "will try again");
            }
            error.next()
        }
    }
}
