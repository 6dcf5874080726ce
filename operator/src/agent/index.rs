//! What is known of every world now, and who wants to hear of changes.
//!
//! Only the leader has one: it starts empty with each lead, and what an earlier leader knew counts
//! for nothing. Each tracked incarnation has a slot with its own lock, which its stream's task fills;
//! one loop looks for silence in all of them.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt, task::AtomicWaker};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinHandle,
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;
use worldkeeper_crds::agent::AgentStatus;

use super::{
    CommandError, Incarnation, KeyRing, Knowledge, WorldKey,
    command::{self, Command},
    knowledge::{Heard, Kind, Moment, WatchedClock},
    stream,
};
use crate::{lease::Doubt, telemetry::Metrics};

/// Streams that connect at once, among those that are healthy or new.
const CONNECTING: usize = 192;
/// Streams that connect at once, among those whose last attempts failed.
const CONNECTING_FAILING: usize = 64;
/// Commands under way at once.
const COMMANDS: usize = 256;

/// Longest random delay of a stream's first attempt. It grows with the number of worlds, so that a
/// new leader does not sign ten thousand tokens in one go.
const LONGEST_SPREAD: Duration = Duration::from_secs(2);
const SPREAD_PER_WORLD: Duration = Duration::from_micros(100);

/// What every stream and command uses.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) keys: KeyRing,
    pub(super) term: i64,
    pub(super) doubt: Doubt,
    pub(super) metrics: Metrics,
    pub(super) clock: WatchedClock,
    pub(super) turns: Semaphore,
    pub(super) turns_of_failing: Semaphore,
    pub(super) turns_of_commands: Semaphore,
    subscribers: Mutex<Vec<Weak<Subscriber>>>,
}

impl Shared {
    fn changed(&self, world: &WorldKey) {
        let mut subscribers = lock(&self.subscribers);
        subscribers.retain(|subscriber| match subscriber.upgrade() {
            Some(subscriber) => {
                subscriber.add(world);
                true
            }
            None => false,
        });
    }
}

/// What is known of one incarnation. Once it is replaced, nobody looks at it any more, so that a
/// task that is just ending cannot speak for its successor.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) incarnation: Incarnation,
    pub(super) nudge: Notify,
    /// In milliseconds; the fleet may change it at any time.
    stale_after: AtomicU64,
    state: Mutex<State>,
}

#[derive(Clone, Debug)]
struct State {
    heard: Heard,
    /// What subscribers were last told.
    told: Kind,
    trouble: Option<&'static str>,
}

impl Slot {
    fn new(incarnation: Incarnation, state: State) -> Self {
        Self {
            stale_after: AtomicU64::new(millis(incarnation.stale_after)),
            incarnation,
            nudge: Notify::new(),
            state: Mutex::new(state),
        }
    }

    fn stale_after(&self) -> Duration {
        Duration::from_millis(self.stale_after.load(Ordering::Relaxed))
    }

    pub(super) fn attempt(&self, now: Moment) {
        lock(&self.state).heard.attempt(now);
    }

    pub(super) fn failed(&self, category: &'static str) {
        lock(&self.state).trouble = Some(category);
    }

    pub(super) fn status(&self, shared: &Shared, status: AgentStatus, now: Instant) {
        let now = shared.clock.at(now);
        self.change(shared, now, |state| {
            state.trouble = None;
            state.heard.status(status, now)
        });
    }

    /// Changes the state, and tells if that changed what is known.
    fn change(&self, shared: &Shared, now: Moment, change: impl FnOnce(&mut State) -> bool) {
        let mut state = lock(&self.state);
        let mut changed = change(&mut state);
        let kind = state.heard.kind(self.stale_after(), now);
        changed |= mem::replace(&mut state.told, kind) != kind;
        drop(state);
        if changed {
            shared.changed(&self.incarnation.world);
        }
    }

    /// Whether this is the process that `incarnation` names.
    fn is_of(&self, incarnation: &Incarnation) -> bool {
        let Incarnation {
            world,
            epoch,
            pod_uid,
            addr: _,
            stale_after: _,
        } = incarnation;
        self.incarnation.world == *world
            && self.incarnation.epoch == *epoch
            && self.incarnation.pod_uid == *pod_uid
    }
}

#[derive(Debug)]
struct Entry {
    slot: Arc<Slot>,
    task: JoinHandle<()>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is known of every world. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Index {
    shared: Arc<Shared>,
    entries: Arc<RwLock<HashMap<WorldKey, Entry>>>,
}

impl Index {
    /// An empty index of the leader of `term`.
    #[must_use]
    pub fn new(keys: KeyRing, term: i64, doubt: Doubt, metrics: Metrics) -> Self {
        Self {
            shared: Arc::new(Shared {
                keys,
                term,
                doubt,
                metrics,
                clock: WatchedClock::new(Instant::now()),
                turns: Semaphore::new(CONNECTING),
                turns_of_failing: Semaphore::new(CONNECTING_FAILING),
                turns_of_commands: Semaphore::new(COMMANDS),
                subscribers: Mutex::default(),
            }),
            entries: Arc::default(),
        }
    }

    /// Notices silence, until `shutdown`; ends every stream then. Must run for
    /// [`knowledge`](Self::knowledge) to age: time in which it does not counts for nothing.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut beats = tokio::time::interval(WatchedClock::BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = beats.tick() => self.look(Instant::now()),
            }
        }
        self.entries
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn look(&self, now: Instant) {
        self.shared.clock.beat(now);
        let now = self.shared.clock.at(now);
        for entry in self.read().values() {
            entry.slot.change(&self.shared, now, |_| false);
        }
    }

    /// Starts, replaces or (`None`) stops the stream of `world`. Does nothing if it is already as
    /// wanted. An incarnation with another epoch or pod starts as unknown.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn sync(&self, world: &WorldKey, incarnation: Option<Incarnation>) {
        let Some(incarnation) = incarnation else {
            // The common case, a world that is not running, takes no write lock.
            if !self.read().contains_key(world) {
                return;
            }
            let removed = self.write().remove(world);
            if removed.is_some() {
                self.shared.changed(world);
            }
            return;
        };
        let mut state = State {
            heard: Heard::default(),
            told: Kind::Unknown,
            trouble: None,
        };
        let mut same = false;
        let count = {
            let entries = self.read();
            if let Some(entry) = entries.get(world)
                && entry.slot.is_of(&incarnation)
            {
                entry
                    .slot
                    .stale_after
                    .store(millis(incarnation.stale_after), Ordering::Relaxed);
                if entry.slot.incarnation.addr == incarnation.addr {
                    return;
                }
                // The same process at another address: what it said holds.
                same = true;
                state = lock(&entry.slot.state).clone();
            }
            entries.len()
        };
        let slot = Arc::new(Slot::new(incarnation, state));
        let delay = spread(count).mul_f64(rand::random_range(0.0..1.0));
        let task = tokio::spawn(stream::run(
            Arc::clone(&slot),
            Arc::clone(&self.shared),
            delay,
        ));
        let replaced = self.write().insert(world.clone(), Entry { slot, task });
        if replaced.is_some() && !same {
            self.shared.changed(world);
        }
    }

    /// Connects now instead of after the backoff, if the stream is waiting: the pod became ready.
    pub fn nudge(&self, world: &WorldKey) {
        if let Some(entry) = self.read().get(world) {
            // Without a stored permit: a stream that is connected is not to skip its next backoff.
            entry.slot.nudge.notify_waiters();
        }
    }

    /// What is known of `world`; `None` if it is not tracked.
    #[must_use]
    pub fn knowledge(&self, world: &WorldKey, now: Instant) -> Option<Knowledge> {
        let entries = self.read();
        let slot = &entries.get(world)?.slot;
        let now = self.shared.clock.at(now);
        let state = lock(&slot.state);
        Some(state.heard.knowledge(slot.stale_after(), now))
    }

    /// As [`knowledge`](Self::knowledge), if what is tracked is exactly this process.
    #[must_use]
    pub fn knowledge_of(&self, incarnation: &Incarnation, now: Instant) -> Option<Knowledge> {
        let slot = self.slot(incarnation)?;
        let now = self.shared.clock.at(now);
        let state = lock(&slot.state);
        Some(state.heard.knowledge(slot.stale_after(), now))
    }

    /// Why nothing is heard of `world`: the category of the stream's last error, if no status came
    /// since.
    #[must_use]
    pub fn trouble(&self, world: &WorldKey) -> Option<&'static str> {
        let entries = self.read();
        let state = lock(&entries.get(world)?.slot.state);
        state.trouble
    }

    /// The worlds whose knowledge changes from now on: players, capacity, drain, version; heard for
    /// the first time; stale, and heard again; replaced, and no longer tracked.
    #[must_use]
    pub fn changes(&self) -> Changes {
        let subscriber = Arc::new(Subscriber::default());
        lock(&self.shared.subscribers).push(Arc::downgrade(&subscriber));
        Changes(subscriber)
    }

    /// Stops joins, and answers the status after it. Idempotent.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn stop_joins(&self, incarnation: &Incarnation) -> Result<AgentStatus, CommandError> {
        self.command(incarnation, Command::StopJoins).await
    }

    /// Reopens joins, and answers the status after it. Idempotent. From the start of this call on the
    /// world does not count as drained, whatever becomes of it.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn open_joins(&self, incarnation: &Incarnation) -> Result<AgentStatus, CommandError> {
        if let Some(slot) = self.slot(incarnation) {
            let now = self.shared.clock.at(Instant::now());
            slot.change(&self.shared, now, |state| state.heard.open(now));
        }
        self.command(incarnation, Command::OpenJoins).await
    }

    async fn command(
        &self,
        incarnation: &Incarnation,
        command: Command,
    ) -> Result<AgentStatus, CommandError> {
        let status = command::send(&self.shared, incarnation, command).await?;
        if let Some(slot) = self.slot(incarnation) {
            let now = self.shared.clock.at(Instant::now());
            let status = status.clone();
            slot.change(&self.shared, now, |state| {
                state.trouble = None;
                state.heard.answer(status, now)
            });
        }
        Ok(status)
    }

    fn slot(&self, incarnation: &Incarnation) -> Option<Arc<Slot>> {
        let entries = self.read();
        let slot = &entries.get(&incarnation.world)?.slot;
        slot.is_of(incarnation).then(|| Arc::clone(slot))
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<WorldKey, Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<WorldKey, Entry>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spread(worlds: usize) -> Duration {
    let worlds = u32::try_from(worlds).unwrap_or(u32::MAX);
    SPREAD_PER_WORLD.saturating_mul(worlds).min(LONGEST_SPREAD)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// No code panics while it holds one of these locks; if one did, what it left is still a state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Changed worlds that nobody took yet: each once, so there are never more than worlds.
#[derive(Debug, Default)]
struct Subscriber {
    pending: Mutex<Pending>,
    waker: AtomicWaker,
}

#[derive(Debug, Default)]
struct Pending {
    order: VecDeque<WorldKey>,
    members: HashSet<WorldKey>,
}

impl Subscriber {
    fn add(&self, world: &WorldKey) {
        let mut pending = lock(&self.pending);
        if pending.members.insert(world.clone()) {
            pending.order.push_back(world.clone());
            drop(pending);
            self.waker.wake();
        }
    }

    fn take(&self) -> Option<WorldKey> {
        let mut pending = lock(&self.pending);
        let world = pending.order.pop_front()?;
        pending.members.remove(&world);
        Some(world)
    }
}

/// Worlds whose knowledge changed, each named once however often it changed before it was taken.
/// Never ends.
#[derive(Debug)]
pub struct Changes(Arc<Subscriber>);

impl Changes {
    /// The next world that changed.
    pub async fn recv(&mut self) -> WorldKey {
        match self.next().await {
            Some(world) => world,
            None => std::future::pending().await,
        }
    }
}

impl Stream for Changes {
    type Item = WorldKey;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WorldKey>> {
        if let Some(world) = self.0.take() {
            return Poll::Ready(Some(world));
        }
        self.0.waker.register(cx.waker());
        // What was added between the two looks has woken nobody.
        self.0
            .take()
            .map_or(Poll::Pending, |world| Poll::Ready(Some(world)))
    }
}

#[cfg(test)]
mod tests;
