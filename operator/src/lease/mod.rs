//! One leader among the operator's replicas, by a `coordination.k8s.io` Lease.
//!
//! What to do next is decided by the pure [`step::next_step`]; this module reads, writes and waits.
//! Nobody's wall clock is compared with anybody's: a follower takes over only after it has itself
//! seen no renewal for a whole duration, and a leader stops leading by its own clock before that
//! can be. Even so a lease is no fence, because a process can stand still between looking at it and
//! writing: so decision writes carry a resourceVersion, and agent calls carry the [term](Claim).
//!
//! The term is the Lease's `leaseTransitions`, which every acquisition raises. A Lease that does not
//! exist is made with a count taken from the clock, in seconds: game servers remember the highest
//! term that they have seen, and after someone deleted the Lease they would refuse a leader that
//! starts from 1 again.

pub mod step;

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use step::{Held, LeaseView, Observed, Step, Timing, next_step};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::telemetry::Metrics;

/// Shortest duration of a Lease: below it, an API server that is merely busy costs us the lead.
pub const MIN_DURATION: Duration = Duration::from_secs(2);

/// Start of the count that a new Lease's transitions are taken from: 2025-01-01T00:00:00Z. Seconds
/// since then fit an i32 until 2093.
const TERM_ORIGIN: i64 = 1_735_689_600;

/// How long the release on shutdown may take.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(3);

/// Shortest time between two readings of the Lease that were asked for by [`Doubt`].
const DOUBT_INTERVAL: Duration = Duration::from_secs(1);

/// Which Lease, and how long it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseConfig {
    /// Name of the Lease.
    pub name: String,
    /// Namespace of the Lease.
    pub namespace: String,
    /// Who we are; unique for each process.
    pub identity: String,
    /// How long the Lease holds without a renewal.
    pub duration: Duration,
    /// How often the leader renews; a third of `duration`, so that one lost request costs nothing.
    pub renew_interval: Duration,
}

impl LeaseConfig {
    /// A Lease that is renewed each third of `duration`.
    ///
    /// # Errors
    /// [`LeaseError::Config`] if `duration` is below [`MIN_DURATION`], or a name is empty.
    pub fn new(
        namespace: impl Into<String>,
        name: impl Into<String>,
        identity: impl Into<String>,
        duration: Duration,
    ) -> Result<Self, LeaseError> {
        let config = Self {
            name: name.into(),
            namespace: namespace.into(),
            identity: identity.into(),
            duration,
            renew_interval: duration / 3,
        };
        if duration < MIN_DURATION {
            return Err(LeaseError::Config(format!(
                "the lease duration is {duration:?}, at least {MIN_DURATION:?} is needed"
            )));
        }
        if config.name.is_empty() || config.namespace.is_empty() || config.identity.is_empty() {
            return Err(LeaseError::Config(
                "the Lease's name, its namespace and the identity must not be empty".to_owned(),
            ));
        }
        Ok(config)
    }

    fn timing(&self) -> Timing {
        Timing {
            duration: self.duration,
            renew_interval: self.renew_interval,
        }
    }
}

/// Who leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Another process, or nobody.
    Follower {
        /// The holder's identity, if there is one.
        holder: Option<String>,
    },
    /// We do.
    Leader {
        /// The Lease's transition count, higher than that of every leader before.
        term: i64,
    },
}

/// Why we lead no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LostReason {
    /// No renewal succeeded in time.
    NotRenewed,
    /// Another process holds the Lease, or someone emptied it.
    Taken {
        /// Who holds it now, if anybody.
        holder: Option<String>,
    },
    /// The Lease has been deleted.
    Deleted,
}

impl fmt::Display for LostReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRenewed => f.write_str("no renewal succeeded in time"),
            Self::Taken {
                holder: Some(holder),
            } => write!(f, "{holder} holds it"),
            Self::Taken { holder: None } => f.write_str("it has been emptied"),
            Self::Deleted => f.write_str("it has been deleted"),
        }
    }
}

/// Why the lease loop did not start, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// The configuration makes no sense.
    #[error("{0}")]
    Config(String),
    /// We led and lead no longer. The process is to exit.
    #[error("the lease is lost: {0}")]
    Lost(LostReason),
    /// The Lease's transition count cannot be raised any more.
    #[error("leaseTransitions is {0} and cannot be raised: delete the Lease")]
    TermExhausted(i64),
}

impl LeaseError {
    /// Finite reason, fit for a metric's label.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Config(_) => "Config",
            Self::Lost(LostReason::NotRenewed) => "LostNotRenewed",
            Self::Lost(LostReason::Taken { .. }) => "LostTaken",
            Self::Lost(LostReason::Deleted) => "LostDeleted",
            Self::TermExhausted(_) => "TermExhausted",
        }
    }
}

/// Why one read or write of the Lease failed. All of these pass.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the Lease has changed meanwhile")]
    Conflict,
    #[error(transparent)]
    Api(#[from] kube::Error),
}

impl CallError {
    fn category(&self) -> &'static str {
        match self {
            Self::Timeout(_) => "Timeout",
            Self::Conflict => "Conflict",
            Self::Api(kube::Error::Api(status)) if status.code == 403 => "Forbidden",
            Self::Api(kube::Error::Api(_)) => "Refused",
            Self::Api(_) => "Unreachable",
        }
    }
}

/// Raised by whoever has a reason to doubt that we still lead: the Lease is read at once. Cheap to
/// clone.
///
/// A game server that refuses our term is such a reason, but no proof: a tampered one could say so
/// at any time, and must not be able to end the operator.
#[derive(Clone, Debug, Default)]
pub struct Doubt(Arc<Notify>);

impl Doubt {
    /// Has the Lease read now; at most once a second, and only if we believe that we lead.
    pub fn raise(&self) {
        self.0.notify_one();
    }

    #[cfg(test)]
    pub(crate) async fn raised(&self) {
        self.0.notified().await;
    }
}

#[derive(Debug)]
struct Shared {
    /// What the other times count from.
    origin: Instant,
    /// Until when we lead, in microseconds since `origin`; 0 when we do not.
    led_until: AtomicU64,
    /// When the loop last went round, likewise.
    beat: AtomicU64,
    running: AtomicBool,
    /// Longest time that the loop may take to go round.
    patience: Duration,
}

impl Shared {
    fn micros(&self, at: Instant) -> u64 {
        let micros = at.saturating_duration_since(self.origin).as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX)
    }
}

/// What the rest of the process sees of the Lease. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Leadership {
    claim: watch::Receiver<Claim>,
    shared: Arc<Shared>,
    doubt: Doubt,
}

impl Leadership {
    /// Who leads, and every change of it.
    #[must_use]
    pub fn claim(&self) -> watch::Receiver<Claim> {
        self.claim.clone()
    }

    /// The term, if the Lease is ours at this moment by our own clock. Unlike [`claim`](Self::claim)
    /// right even if the whole process has just stood still.
    #[must_use]
    pub fn term(&self) -> Option<i64> {
        let now = self.shared.micros(Instant::now());
        match *self.claim.borrow() {
            Claim::Leader { term } if now < self.shared.led_until.load(Ordering::Acquire) => {
                Some(term)
            }
            Claim::Leader { .. } | Claim::Follower { .. } => None,
        }
    }

    /// Waits until we lead, and answers the term; `None` if the lease loop ended first.
    pub async fn led(&self) -> Option<i64> {
        let mut claim = self.claim.clone();
        let claim = claim
            .wait_for(|claim| matches!(claim, Claim::Leader { .. }))
            .await;
        match claim.as_deref() {
            Ok(Claim::Leader { term }) => Some(*term),
            Ok(Claim::Follower { .. }) | Err(_) => None,
        }
    }

    /// The lease loop runs and has gone round lately, as leader or follower.
    #[must_use]
    pub fn alive(&self) -> bool {
        let age = self
            .shared
            .micros(Instant::now())
            .saturating_sub(self.shared.beat.load(Ordering::Acquire));
        self.shared.running.load(Ordering::Acquire)
            && Duration::from_micros(age) <= self.shared.patience
    }

    /// The way to have the Lease checked at once.
    #[must_use]
    pub fn doubt(&self) -> Doubt {
        self.doubt.clone()
    }

    /// A leader of `term` that nothing takes away, for tests of what stands on it.
    #[cfg(test)]
    pub(crate) fn fixed(claim: Claim, running: bool) -> Self {
        let (sender, receiver) = watch::channel(claim);
        // The receiver keeps its last value without a sender.
        drop(sender);
        Self {
            claim: receiver,
            shared: Arc::new(Shared {
                origin: Instant::now(),
                led_until: AtomicU64::new(u64::MAX),
                beat: AtomicU64::new(0),
                running: AtomicBool::new(running),
                patience: Duration::from_secs(3600),
            }),
            doubt: Doubt::default(),
        }
    }
}

/// The loop that takes and renews the Lease.
pub struct LeaseManager {
    api: Api<Lease>,
    config: LeaseConfig,
    metrics: Metrics,
    claim: watch::Sender<Claim>,
    shared: Arc<Shared>,
    doubt: Doubt,
    /// The Lease as last read or written; writes change this and keep what others set.
    lease: Option<Lease>,
    observed: Option<Observed>,
    held: Option<Held>,
    attempt: Option<step::Attempt>,
}

impl fmt::Debug for LeaseManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseManager")
            .field("config", &self.config)
            .field("observed", &self.observed)
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

type Watch = Pin<Box<dyn Stream<Item = watcher::Result<Option<Lease>>> + Send>>;

/// Says that the loop has ended, however it ended.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.store(false, Ordering::Release);
        self.0.led_until.store(0, Ordering::Release);
    }
}

impl LeaseManager {
    /// A loop, and what the rest of the process sees of it.
    #[must_use]
    pub fn new(client: Client, config: LeaseConfig, metrics: Metrics) -> (Self, Leadership) {
        let (claim, receiver) = watch::channel(Claim::Follower { holder: None });
        let shared = Arc::new(Shared {
            origin: Instant::now(),
            led_until: AtomicU64::new(0),
            beat: AtomicU64::new(0),
            running: AtomicBool::new(false),
            patience: config.duration * 3,
        });
        let doubt = Doubt::default();
        let leadership = Leadership {
            claim: receiver,
            shared: Arc::clone(&shared),
            doubt: doubt.clone(),
        };
        let manager = Self {
            api: Api::namespaced(client, &config.namespace),
            config,
            metrics,
            claim,
            shared,
            doubt,
            lease: None,
            observed: None,
            held: None,
            attempt: None,
        };
        (manager, leadership)
    }

    /// Runs until `shutdown`, then empties the Lease so that the next leader starts at once. Stop
    /// everything that writes as leader before `shutdown`.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when we led and lead no longer: the process is to exit.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), LeaseError> {
        self.shared.running.store(true, Ordering::Release);
        let running = Running(Arc::clone(&self.shared));
        let end = self.go_round(&shutdown).await;
        // In this order: `Leadership::term` says no before anybody is told.
        drop(running);
        let lost = self.held.take().is_some() && end.is_err();
        self.claim.send_replace(Claim::Follower { holder: None });
        self.metrics.lease(false, self.transitions());
        if let Err(error) = &end {
            self.metrics.lease_error(error.category());
            tracing::error!(%error, led = lost, "the lease loop has ended");
        }
        end
    }

    async fn go_round(&mut self, shutdown: &CancellationToken) -> Result<(), LeaseError> {
        let mut watch: Option<Watch> = None;
        let mut doubted = Instant::now();
        loop {
            let now = Instant::now();
            self.shared
                .beat
                .store(self.shared.micros(now), Ordering::Release);
            self.publish();
            let step = next_step(
                self.observed.as_ref(),
                &self.config.identity,
                self.held.as_ref(),
                self.attempt.as_ref(),
                self.config.timing(),
                now,
            );
            let call = match step {
                Step::Read => self.read(now).await,
                Step::Create => self.create(now).await,
                Step::Acquire => self.acquire(now).await?,
                Step::Adopt { term, sent } => {
                    self.lead(term, sent);
                    Ok(())
                }
                Step::Renew => self.renew(now).await,
                Step::Lost(reason) => return Err(LeaseError::Lost(reason)),
                Step::Wait { until } => {
                    if self.held.is_some() {
                        watch = None;
                    } else if watch.is_none() {
                        watch = Some(self.watch());
                    }
                    let doubt = self.doubt.clone();
                    let leads = self.held.is_some();
                    tokio::select! {
                        () = shutdown.cancelled() => {
                            self.release().await;
                            return Ok(());
                        }
                        () = tokio::time::sleep_until(until.into()) => {}
                        Some(event) = next_event(&mut watch) => self.heard(event),
                        () = doubts(&doubt, doubted), if leads => {
                            doubted = Instant::now();
                            tracing::debug!("a game server has refused our term: reading the Lease");
                            self.observed = None;
                        }
                    }
                    Ok(())
                }
            };
            if let Err(error) = call {
                self.failed(&error, shutdown).await;
            }
            if shutdown.is_cancelled() {
                self.release().await;
                return Ok(());
            }
        }
    }

    /// Waits a little after a call failed, and has the Lease read anew: a write that timed out may
    /// have been done, and then our resourceVersion is of no use.
    async fn failed(&mut self, error: &CallError, shutdown: &CancellationToken) {
        self.observed = None;
        self.metrics.lease_error(error.category());
        let pause = if matches!(error, CallError::Conflict) {
            // Expected now and then: another replica was faster.
            tracing::debug!("the Lease has changed meanwhile");
            Duration::from_millis(50)
        } else {
            tracing::warn!(%error, category = error.category(), "could not reach the Lease");
            (self.config.renew_interval / 5)
                .clamp(Duration::from_millis(100), Duration::from_secs(1))
        };
        tokio::select! {
            () = tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))) => {}
            () = shutdown.cancelled() => {}
        }
    }

    /// Tells the process who leads, if that has changed.
    fn publish(&self) {
        let claim = match (&self.held, &self.observed) {
            (Some(held), _) => Claim::Leader { term: held.term },
            (None, Some(observed)) => Claim::Follower {
                holder: observed.view.as_ref().and_then(|v| v.holder.clone()),
            },
            // Being read again: nothing new is known.
            (None, None) => return,
        };
        self.metrics.lease(self.held.is_some(), self.transitions());
        self.claim.send_if_modified(|current| {
            let changed = *current != claim;
            if changed {
                tracing::info!(claim = ?claim, identity = %self.config.identity, "leadership");
                *current = claim;
            }
            changed
        });
    }

    fn transitions(&self) -> i64 {
        self.lease
            .as_ref()
            .and_then(|lease| lease.spec.as_ref()?.lease_transitions)
            .map_or(0, i64::from)
    }

    /// Takes what was read, with the time at which reading began for a renewal's age.
    fn observe(&mut self, lease: Option<Lease>, now: Instant) {
        let view = lease.as_ref().map(view);
        self.observed = Some(match self.observed.take() {
            Some(observed) => observed.update(view, now),
            None => Observed { view, since: now },
        });
        self.lease = lease;
    }

    fn heard(&mut self, event: watcher::Result<Option<Lease>>) {
        match event {
            Ok(lease) => self.observe(lease, Instant::now()),
            Err(error) => {
                self.metrics.lease_error("Watch");
                tracing::debug!(%error, "the watch of the Lease has ended, and starts again");
            }
        }
    }

    fn watch(&self) -> Watch {
        let name = format!("metadata.name={}", self.config.name);
        let events = watcher(self.api.clone(), watcher::Config::default().fields(&name));
        // As `watch_object`, with a backoff: an API server that is away is not hammered.
        let objects = events
            .default_backoff()
            .scan(false, |seen, event| {
                match &event {
                    Ok(watcher::Event::Init) => *seen = false,
                    Ok(watcher::Event::InitApply(_)) => *seen = true,
                    _ => {}
                }
                let object = match event {
                    Ok(watcher::Event::Apply(lease) | watcher::Event::InitApply(lease)) => {
                        Some(Ok(Some(lease)))
                    }
                    Ok(watcher::Event::Delete(_)) => Some(Ok(None)),
                    Ok(watcher::Event::InitDone) if !*seen => Some(Ok(None)),
                    Ok(watcher::Event::Init | watcher::Event::InitDone) => None,
                    Err(error) => Some(Err(error)),
                };
                futures::future::ready(Some(object))
            })
            .filter_map(futures::future::ready);
        Box::pin(objects)
    }

    /// Time that a call may take: never beyond the end of our lead, so that its end is noticed.
    fn call_timeout(&self, now: Instant) -> Duration {
        let limit = self.config.renew_interval.min(Duration::from_secs(5));
        match &self.held {
            Some(held) => limit.min(
                self.config
                    .timing()
                    .led_until(held.renewed)
                    .saturating_duration_since(now),
            ),
            None => limit,
        }
    }

    async fn read(&mut self, now: Instant) -> Result<(), CallError> {
        let timeout = self.call_timeout(now);
        let lease = limited(timeout, self.api.get_opt(&self.config.name)).await?;
        // The time after the answer: what we see may have been written a moment ago.
        self.observe(lease, Instant::now());
        Ok(())
    }

    async fn create(&mut self, now: Instant) -> Result<(), CallError> {
        let transitions = first_term(Timestamp::now());
        let acquired = MicroTime(Timestamp::now());
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.config.name.clone()),
                namespace: Some(self.config.namespace.clone()),
                labels: Some(
                    [(
                        "app.kubernetes.io/managed-by".to_owned(),
                        worldkeeper_crds::names::MANAGED_BY.to_owned(),
                    )]
                    .into(),
                ),
                ..ObjectMeta::default()
            },
            spec: Some(self.spec(LeaseSpec::default(), transitions, acquired)),
        };
        self.note_attempt(&lease, now);
        let timeout = self.call_timeout(now);
        let lease = limited(timeout, self.api.create(&PostParams::default(), &lease)).await?;
        self.acquired(lease, now);
        Ok(())
    }

    async fn acquire(&mut self, now: Instant) -> Result<Result<(), CallError>, LeaseError> {
        let Some(mut lease) = self.lease.clone() else {
            self.observed = None;
            return Ok(Ok(()));
        };
        let spec = lease.spec.take().unwrap_or_default();
        let transitions = match spec.lease_transitions {
            Some(count) => count
                .checked_add(1)
                .ok_or(LeaseError::TermExhausted(i64::from(count)))?,
            None => first_term(Timestamp::now()),
        };
        lease.spec = Some(self.spec(spec, transitions, MicroTime(Timestamp::now())));
        lease.metadata.managed_fields = None;
        self.note_attempt(&lease, now);
        let timeout = self.call_timeout(now);
        let params = PostParams::default();
        let replaced = self.api.replace(&self.config.name, &params, &lease);
        Ok(limited(timeout, replaced)
            .await
            .map(|lease| self.acquired(lease, now)))
    }

    async fn renew(&mut self, now: Instant) -> Result<(), CallError> {
        let Some(mut lease) = self.lease.clone() else {
            self.observed = None;
            return Ok(());
        };
        let spec = lease.spec.get_or_insert_default();
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        spec.lease_duration_seconds = Some(whole_seconds(self.config.duration));
        lease.metadata.managed_fields = None;
        let timeout = self.call_timeout(now);
        let params = PostParams::default();
        let replaced = self.api.replace(&self.config.name, &params, &lease);
        let lease = limited(timeout, replaced).await?;
        self.observe(Some(lease), Instant::now());
        if let Some(held) = &mut self.held {
            held.renewed = now;
        }
        self.stretch();
        Ok(())
    }

    /// Empties the Lease if it is ours. Tried only while it surely is.
    async fn release(&mut self) {
        let Some(held) = self.held.take() else {
            return;
        };
        self.shared.led_until.store(0, Ordering::Release);
        self.claim.send_replace(Claim::Follower { holder: None });
        let limit = self
            .config
            .timing()
            .led_until(held.renewed)
            .saturating_duration_since(Instant::now())
            .min(RELEASE_TIMEOUT);
        match tokio::time::timeout(limit, self.try_release(held.term)).await {
            Ok(Ok(())) => tracing::info!("the lease is released"),
            Ok(Err(error)) => {
                self.metrics.lease_error(error.category());
                tracing::warn!(error = %error, "the lease could not be released, and will expire");
            }
            Err(_) => {
                self.metrics.lease_error("Timeout");
                tracing::warn!("the lease could not be released in time, and will expire");
            }
        }
    }

    async fn try_release(&mut self, term: i64) -> Result<(), CallError> {
        loop {
            let lease = match self.lease.take() {
                Some(lease) => Some(lease),
                None => self.api.get_opt(&self.config.name).await?,
            };
            let Some(mut lease) = lease else {
                return Ok(());
            };
            let LeaseView {
                holder,
                transitions,
                ..
            } = view(&lease);
            if holder.as_deref() != Some(&self.config.identity) || transitions != term {
                return Ok(());
            }
            let spec = lease.spec.get_or_insert_default();
            spec.holder_identity = Some(String::new());
            spec.renew_time = Some(MicroTime(Timestamp::now()));
            lease.metadata.managed_fields = None;
            let replaced = self
                .api
                .replace(&self.config.name, &PostParams::default(), &lease)
                .await;
            match replaced.map_err(CallError::from) {
                Ok(_) => return Ok(()),
                Err(CallError::Api(error)) if is_conflict(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn spec(&self, spec: LeaseSpec, transitions: i32, acquired: MicroTime) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.config.identity.clone()),
            lease_duration_seconds: Some(whole_seconds(self.config.duration)),
            lease_transitions: Some(transitions),
            acquire_time: Some(acquired.clone()),
            renew_time: Some(acquired),
            ..spec
        }
    }

    /// Remembers what we are about to write, to know it again if the answer gets lost.
    fn note_attempt(&mut self, lease: &Lease, sent: Instant) {
        let LeaseView {
            transitions,
            acquired,
            ..
        } = view(lease);
        self.attempt = Some(step::Attempt {
            transitions,
            acquired,
            sent,
        });
    }

    fn acquired(&mut self, lease: Lease, sent: Instant) {
        self.observe(Some(lease), Instant::now());
        self.lead(self.transitions(), sent);
    }

    fn lead(&mut self, term: i64, sent: Instant) {
        self.attempt = None;
        self.held = Some(Held {
            term,
            renewed: sent,
        });
        self.stretch();
    }

    /// Moves the end of our lead to where the last renewal puts it.
    fn stretch(&self) {
        let until = self.held.as_ref().map_or(0, |held| {
            self.shared
                .micros(self.config.timing().led_until(held.renewed))
        });
        self.shared.led_until.store(until, Ordering::Release);
    }
}

/// The next event of a watch; never, if there is none.
async fn next_event(watch: &mut Option<Watch>) -> Option<watcher::Result<Option<Lease>>> {
    match watch {
        Some(watch) => watch.next().await,
        None => std::future::pending().await,
    }
}

async fn doubts(doubt: &Doubt, last: Instant) {
    tokio::time::sleep_until((last + DOUBT_INTERVAL).into()).await;
    doubt.0.notified().await;
}

async fn limited<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) if is_conflict(&error) => Err(CallError::Conflict),
        Ok(Err(error)) => Err(CallError::Api(error)),
        Err(_) => Err(CallError::Timeout(limit)),
    }
}

/// Not as we thought: changed (409), created by another (409), or gone (404).
fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409 || status.code == 404)
}

fn view(lease: &Lease) -> LeaseView {
    let spec = lease.spec.as_ref();
    LeaseView {
        holder: spec
            .and_then(|s| s.holder_identity.clone())
            .filter(|holder| !holder.is_empty()),
        duration: spec
            .and_then(|s| s.lease_duration_seconds)
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(Duration::ZERO, Duration::from_secs),
        transitions: spec.and_then(|s| s.lease_transitions).map_or(0, i64::from),
        acquired: spec.and_then(|s| s.acquire_time.as_ref()).map(|t| t.0),
        renewed: spec.and_then(|s| s.renew_time.as_ref()).map(|t| t.0),
    }
}

fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0));
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

fn first_term(now: Timestamp) -> i32 {
    let seconds = now.as_second().saturating_sub(TERM_ORIGIN).max(1);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

/// The pod's name, which in a container is the host's, and a random suffix: a container that
/// started again is another process.
#[must_use]
pub fn default_identity() -> String {
    let name = ["POD_NAME", "HOSTNAME"]
        .into_iter()
        .find_map(|variable| std::env::var(variable).ok().filter(|name| !name.is_empty()))
        .or_else(|| {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
            Some(name.trim().to_owned()).filter(|name| !name.is_empty())
        })
        .unwrap_or_else(|| "worldkeeper-operator".to_owned());
    format!("{name}_{:08x}", rand::random::<u32>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_new_lease_counts_on_from_any_before() {
        let earlier = first_term("2026-01-01T00:00:00Z".parse().unwrap());
        let later = first_term("2026-01-01T00:00:01Z".parse().unwrap());
        assert!(0 < earlier && earlier < later);
        assert_eq!(first_term("1970-01-01T00:00:00Z".parse().unwrap()), 1);
        assert!(first_term("2092-01-01T00:00:00Z".parse().unwrap()) < i32::MAX);
    }

    #[test]
    fn odd_durations_are_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(2500)), 3);
        assert_eq!(whole_seconds(Duration::from_secs(15)), 15);
        assert_eq!(whole_seconds(Duration::MAX), i32::MAX);
    }

    #[test]
    fn an_empty_holder_is_none() {
        let mut lease = Lease {
            spec: Some(LeaseSpec {
                holder_identity: Some(String::new()),
                lease_duration_seconds: Some(-5),
                ..LeaseSpec::default()
            }),
            ..Lease::default()
        };
        let seen = view(&lease);
        assert_eq!(seen.holder, None);
        assert_eq!(seen.duration, Duration::ZERO);
        lease.spec = None;
        assert_eq!(view(&lease).transitions, 0);
    }

    #[test]
    fn impossible_configurations_are_refused() {
        let error = LeaseConfig::new("ns", "lease", "me", Duration::from_secs(1)).unwrap_err();
        assert_eq!(error.category(), "Config");
        assert!(LeaseConfig::new("ns", "", "me", Duration::from_secs(15)).is_err());
        let config = LeaseConfig::new("ns", "lease", "me", Duration::from_secs(15)).unwrap();
        assert_eq!(config.renew_interval, Duration::from_secs(5));
    }

    #[test]
    fn identities_differ_between_processes() {
        assert_ne!(default_identity(), default_identity());
    }
}
