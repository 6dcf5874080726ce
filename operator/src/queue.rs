//! A work queue of object keys: each key at most once at a time, at its own due time.
//!
//! kube's `Controller` runs from one reflector of whole objects. Ours run from tables that also
//! hold the answers to our own writes, from the agents' index and from timers, so they have a queue
//! that anything can put a key on.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::key::ObjectKey;

/// First delay after a transient error; doubled for each further one in a row.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// Longest delay after a transient error.
const BACKOFF_LAST: Duration = Duration::from_secs(30);

/// What is to happen with a key after its reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing, until it is added again.
    Wait,
    /// Again after this time.
    After(Duration),
    /// Again soon: what we read was old.
    Conflict,
    /// Again after an exponentially growing time, with jitter.
    Backoff,
}

/// Keys to reconcile.
#[derive(Debug, Default)]
pub struct Queue {
    inner: Mutex<Inner>,
    wake: Notify,
    /// Shortest time between two starts for the same key.
    spacing: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    due: BTreeMap<(Instant, u64), ObjectKey>,
    at: HashMap<ObjectKey, (Instant, u64)>,
    running: HashSet<ObjectKey>,
    started: HashMap<ObjectKey, Instant>,
    again: HashMap<ObjectKey, Instant>,
    failures: HashMap<ObjectKey, u32>,
    counter: u64,
}

impl Queue {
    /// A queue that starts a key at most once per `spacing`.
    #[must_use]
    pub fn new(spacing: Duration) -> Self {
        Self {
            spacing,
            ..Self::default()
        }
    }

    /// Adds a key, due now.
    pub fn add(&self, key: ObjectKey) {
        self.add_after(key, Duration::ZERO);
    }

    /// Adds a key, due after `delay`, or earlier if it is due earlier already.
    pub fn add_after(&self, key: ObjectKey, delay: Duration) {
        let mut inner = self.lock();
        let now = Instant::now();
        if let Some(started) = inner.started.get(&key)
            && *started + self.spacing <= now
        {
            inner.started.remove(&key);
        }
        let earliest = inner
            .started
            .get(&key)
            .map_or(now, |started| *started + self.spacing);
        inner.add_at(key, earliest.max(now + delay));
        drop(inner);
        self.wake.notify_one();
    }

    /// Runs `reconcile` for due keys, at most `concurrency` at a time, until `stop`; then waits for
    /// those under way.
    pub async fn run<F, Fut>(
        self: Arc<Self>,
        concurrency: usize,
        stop: CancellationToken,
        reconcile: F,
    ) where
        F: Fn(ObjectKey) -> Fut + Send + Sync + Clone + 'static,
        Fut: Future<Output = Next> + Send + 'static,
    {
        let mut tasks: JoinSet<()> = JoinSet::new();
        loop {
            while tasks.try_join_next().is_some() {}
            if tasks.len() >= concurrency {
                tokio::select! {
                    () = stop.cancelled() => break,
                    _ = tasks.join_next() => continue,
                }
            }
            let key = tokio::select! {
                () = stop.cancelled() => break,
                key = self.next() => key,
            };
            let queue = self.clone();
            let reconcile = reconcile.clone();
            tasks.spawn(async move {
                // A panic must not leave the key marked as running for ever.
                let guard = Running {
                    queue: &queue,
                    key: &key,
                    next: Next::Backoff,
                };
                let next = reconcile(key.clone()).await;
                guard.finish(next);
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn next(&self) -> ObjectKey {
        loop {
            let wait = {
                let mut inner = self.lock();
                let now = Instant::now();
                match inner.due.first_key_value() {
                    Some((&(at, _), _)) if at <= now => {
                        if let Some(((_, _), key)) = inner.due.pop_first() {
                            inner.at.remove(&key);
                            inner.running.insert(key.clone());
                            if !self.spacing.is_zero() {
                                inner.started.insert(key.clone(), now);
                            }
                            return key;
                        }
                        None
                    }
                    Some((&(at, _), _)) => Some(at),
                    None => None,
                }
            };
            match wait {
                Some(at) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(at) => {}
                        () = self.wake.notified() => {}
                    }
                }
                None => self.wake.notified().await,
            }
        }
    }

    fn done(&self, key: &ObjectKey, next: Next) {
        let mut inner = self.lock();
        inner.running.remove(key);
        let now = Instant::now();
        let spaced = inner
            .started
            .get(key)
            .map_or(now, |started| *started + self.spacing);
        let at = match next {
            Next::Wait => None,
            Next::After(delay) => Some(now + delay),
            Next::Conflict => Some(now + jitter(BACKOFF_FIRST)),
            Next::Backoff => {
                let failures = inner.failures.entry(key.clone()).or_default();
                *failures = failures.saturating_add(1);
                Some(now + jitter(backoff(*failures)))
            }
        };
        if !matches!(next, Next::Backoff) {
            inner.failures.remove(key);
        }
        let again = inner.again.remove(key);
        // A change that came meanwhile does not cut a backoff short: a failing write would be
        // retried as fast as the world changes.
        let at = match (next, at, again) {
            (Next::Backoff, at, _) => at,
            (_, Some(at), Some(again)) => Some(at.min(again)),
            (_, at, again) => at.or(again),
        };
        if let Some(at) = at {
            inner.add_at(key.clone(), at.max(spaced));
        }
        drop(inner);
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Running<'a> {
    queue: &'a Queue,
    key: &'a ObjectKey,
    next: Next,
}

impl Running<'_> {
    fn finish(mut self, next: Next) {
        self.next = next;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.queue.done(self.key, self.next);
    }
}

impl Inner {
    fn add_at(&mut self, key: ObjectKey, at: Instant) {
        if self.running.contains(&key) {
            let again = self.again.entry(key).or_insert(at);
            *again = (*again).min(at);
            return;
        }
        if let Some(known) = self.at.get(&key) {
            if known.0 <= at {
                return;
            }
            self.due.remove(known);
        }
        self.counter += 1;
        let slot = (at, self.counter);
        self.due.insert(slot, key.clone());
        self.at.insert(key, slot);
    }
}

fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (BACKOFF_FIRST * (1 << doublings)).min(BACKOFF_LAST)
}

/// Between half of `delay` and all of it.
fn jitter(delay: Duration) -> Duration {
    delay.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("ns", name)
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_runs_once_at_a_time_and_again_when_added_meanwhile() {
        let queue = Arc::new(Queue::default());
        let stop = CancellationToken::new();
        let runs = Arc::new(AtomicUsize::new(0));
        let at_once = Arc::new(AtomicUsize::new(0));
        queue.add(key("a"));
        let worker = tokio::spawn(queue.clone().run(4, stop.clone(), {
            let (queue, runs, at_once) = (queue.clone(), runs.clone(), at_once.clone());
            move |k| {
                let (queue, runs, at_once) = (queue.clone(), runs.clone(), at_once.clone());
                async move {
                    assert_eq!(at_once.fetch_add(1, Ordering::SeqCst), 0);
                    if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                        queue.add(k);
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    at_once.fetch_sub(1, Ordering::SeqCst);
                    Next::Wait
                }
            }
        }));
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.cancel();
        worker.await.expect("the worker ends");
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn starts_keep_their_spacing() {
        let queue = Arc::new(Queue::new(Duration::from_millis(500)));
        let stop = CancellationToken::new();
        let runs = Arc::new(AtomicUsize::new(0));
        let worker = tokio::spawn(queue.clone().run(4, stop.clone(), {
            let runs = runs.clone();
            move |_| {
                let runs = runs.clone();
                async move {
                    runs.fetch_add(1, Ordering::SeqCst);
                    Next::Wait
                }
            }
        }));
        for _ in 0..100 {
            queue.add(key("a"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.cancel();
        worker.await.expect("the worker ends");
        // 2 s of changes: at 0, 0.5, 1 and 1.5 s.
        assert!((4..=5).contains(&runs.load(Ordering::SeqCst)));
    }

    #[test]
    fn backoff_grows_to_its_bound() {
        assert_eq!(backoff(1), BACKOFF_FIRST);
        assert_eq!(backoff(2), BACKOFF_FIRST * 2);
        assert_eq!(backoff(1000), BACKOFF_LAST);
    }
}
