//! One clock for all bots of a process.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Unix time that only goes forward: the wall clock once, the monotonic clock from there on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: Instant,
    started_unix_ms: u64,
}

impl Clock {
    /// Starts the clock.
    pub(super) fn start() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            started: Instant::now(),
            started_unix_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// When it was started.
    pub(super) fn started_unix_ms(&self) -> u64 {
        self.started_unix_ms
    }

    /// Unix milliseconds at `at`.
    pub(super) fn unix_ms(&self, at: Instant) -> u64 {
        let passed = at.saturating_duration_since(self.started).as_millis();
        self.started_unix_ms
            .saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}
