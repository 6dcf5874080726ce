//! Waiting for what the cluster becomes, by watches: nothing here sleeps and hopes.
//!
//! A check returns `Ok` with what it found, or `Err` with what it saw instead. What was seen last
//! is part of the error when the time is over, so that a failed run says what it hung on.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::{StreamExt, pin_mut};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

/// What a check found, or what it saw instead.
pub(crate) type Seen<T> = Result<T, String>;

/// The objects of a watch, by namespace and name.
struct Objects<K> {
    known: BTreeMap<(String, String), K>,
    listing: BTreeMap<(String, String), K>,
    complete: bool,
}

impl<K: Resource> Objects<K> {
    fn new() -> Self {
        Self {
            known: BTreeMap::new(),
            listing: BTreeMap::new(),
            complete: false,
        }
    }

    fn key(object: &K) -> (String, String) {
        (object.namespace().unwrap_or_default(), object.name_any())
    }

    /// Takes an event in; `true` if the objects are complete and may be looked at.
    fn take(&mut self, event: watcher::Event<K>) -> bool {
        match event {
            watcher::Event::Init => self.listing.clear(),
            watcher::Event::InitApply(object) => {
                self.listing.insert(Self::key(&object), object);
            }
            watcher::Event::InitDone => {
                self.known = std::mem::take(&mut self.listing);
                self.complete = true;
                return true;
            }
            watcher::Event::Apply(object) => {
                self.known.insert(Self::key(&object), object);
                return self.complete;
            }
            watcher::Event::Delete(object) => {
                self.known.remove(&Self::key(&object));
                return self.complete;
            }
        }
        false
    }

    fn all(&self) -> Vec<&K> {
        self.known.values().collect()
    }
}

/// Waits until `check` is satisfied by the watched objects.
///
/// # Errors
/// After `within`, with `what` was awaited and what was seen last.
pub(crate) async fn until<K, T>(
    api: &Api<K>,
    config: watcher::Config,
    what: &str,
    within: Duration,
    mut check: impl FnMut(&[&K]) -> Seen<T>,
) -> Result<T>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let deadline = Instant::now() + within;
    let events = watcher(api.clone(), config).default_backoff();
    pin_mut!(events);
    let mut objects = Objects::new();
    let mut seen = "nothing yet".to_owned();
    loop {
        match tokio::time::timeout_at(deadline, events.next()).await {
            Err(_) => bail!(
                "waited {} s for {what}; last seen: {seen}",
                within.as_secs()
            ),
            Ok(None) => bail!("the watch for {what} ended"),
            Ok(Some(Err(failed))) => seen = format!("the watch failed: {failed}"),
            Ok(Some(Ok(event))) => {
                if objects.take(event) {
                    match check(&objects.all()) {
                        Ok(found) => return Ok(found),
                        Err(instead) => seen = instead,
                    }
                }
            }
        }
    }
}

/// Waits until `check` is satisfied by one object; `None` stands for an object that is not there.
///
/// # Errors
/// As [`until`].
pub(crate) async fn until_one<K, T>(
    api: &Api<K>,
    name: &str,
    what: &str,
    within: Duration,
    mut check: impl FnMut(Option<&K>) -> Seen<T>,
) -> Result<T>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    until(api, config, what, within, |objects: &[&K]| {
        check(objects.first().copied())
    })
    .await
}

/// Watches for the whole of `period` that `check` finds nothing wrong.
///
/// # Errors
/// As soon as the check fails, with `what` was to hold and what was seen instead.
pub(crate) async fn throughout<K>(
    api: &Api<K>,
    config: watcher::Config,
    what: &str,
    period: Duration,
    mut check: impl FnMut(&[&K]) -> Seen<()>,
) -> Result<()>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let started = Instant::now();
    let deadline = started + period;
    let events = watcher(api.clone(), config).default_backoff();
    pin_mut!(events);
    let mut objects = Objects::new();
    loop {
        match tokio::time::timeout_at(deadline, events.next()).await {
            Err(_) if objects.complete => return Ok(()),
            Err(_) => bail!("nothing could be watched while {what} was to hold"),
            Ok(None) => bail!("the watch ended while {what} was to hold"),
            Ok(Some(Err(failed))) => {
                tracing::debug!(error = %failed, what, "the watch failed and is begun again");
            }
            Ok(Some(Ok(event))) => {
                if objects.take(event)
                    && let Err(instead) = check(&objects.all())
                {
                    bail!(
                        "{what} was to hold for {} s, but after {} ms: {instead}",
                        period.as_secs(),
                        started.elapsed().as_millis()
                    );
                }
            }
        }
    }
}

/// Runs `work`, and fails when it takes longer than `within`.
///
/// # Errors
/// Those of `work`, or that it took too long.
pub(crate) async fn finish<T>(
    what: &str,
    within: Duration,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::time::timeout(within, work)
        .await
        .with_context(|| format!("waited {} s for {what}", within.as_secs()))?
        .with_context(|| what.to_owned())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::watcher::Event;

    use super::*;

    fn object(name: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        object
    }

    #[test]
    fn objects_are_looked_at_once_the_first_list_is_whole() {
        let mut objects = Objects::new();
        assert!(!objects.take(Event::Init));
        assert!(!objects.take(Event::InitApply(object("a"))));
        assert!(objects.take(Event::InitDone));
        assert_eq!(objects.all().len(), 1);
        assert!(objects.take(Event::Apply(object("b"))));
        assert_eq!(objects.all().len(), 2);
        assert!(objects.take(Event::Delete(object("a"))));
        assert_eq!(objects.all().len(), 1);
    }

    #[test]
    fn a_new_list_forgets_what_went_meanwhile() {
        let mut objects = Objects::new();
        objects.take(Event::Init);
        objects.take(Event::InitApply(object("a")));
        objects.take(Event::InitDone);
        objects.take(Event::Init);
        objects.take(Event::InitApply(object("b")));
        assert_eq!(
            objects.all()[0].name_any(),
            "a",
            "the old list stands until the new is whole"
        );
        objects.take(Event::InitDone);
        assert_eq!(objects.all()[0].name_any(), "b");
        assert_eq!(objects.all().len(), 1);
    }
}
