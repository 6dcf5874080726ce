//! The API server's refusals that stand, so that a refused pod is tried again now and then, not at
//! every look.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use super::{refusal::Refusal, view::Refused};
use crate::{
    context::{Context, lock},
    key::ObjectKey,
};

/// First and longest time until a refused pod is tried again.
const RETRY_FIRST: Duration = Duration::from_secs(5);
const RETRY_LAST: Duration = Duration::from_mins(1);

/// Pods that the API server refused, and when each may be tried again.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<HashMap<ObjectKey, Standing>>);

/// What a refusal was an answer to: another revision, or another Pod Security level of the
/// namespace, is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    revision: String,
    pod_security: Option<String>,
}

impl Basis {
    /// What would be asked now.
    #[must_use]
    pub fn of(ctx: &Context, object: &ObjectKey, revision: &str) -> Self {
        Self {
            revision: revision.into(),
            pod_security: ctx.cache.pod_security(&object.namespace),
        }
    }
}

#[derive(Debug)]
struct Standing {
    basis: Basis,
    refusal: Refusal,
    again: Instant,
    delay: Duration,
}

impl Refusals {
    /// Takes a refusal in; the wait doubles with each further one of the same question.
    pub fn record(&self, world: &ObjectKey, basis: Basis, refusal: Refusal) {
        let mut all = lock(&self.0);
        let delay = all
            .get(world)
            .filter(|s| s.basis == basis)
            .map_or(RETRY_FIRST, |s| (s.delay * 2).min(RETRY_LAST));
        all.insert(
            world.clone(),
            Standing {
                basis,
                refusal,
                again: Instant::now() + delay,
                delay,
            },
        );
    }

    /// The standing refusal of a world's pod.
    #[must_use]
    pub fn standing(&self, world: &ObjectKey, basis: &Basis) -> Option<Refused> {
        let all = lock(&self.0);
        let standing = all.get(world).filter(|s| s.basis == *basis)?;
        let left = standing.again.saturating_duration_since(Instant::now());
        Some(Refused {
            condition: standing.refusal.condition,
            reason: standing.refusal.reason.into(),
            message: standing.refusal.message.clone(),
            seconds_left: i64::try_from(left.as_millis().div_ceil(1000)).unwrap_or(i64::MAX),
        })
    }

    /// Forgets a world's refusal.
    pub fn forget(&self, world: &ObjectKey) {
        lock(&self.0).remove(world);
    }
}
