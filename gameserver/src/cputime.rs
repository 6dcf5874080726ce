//! How much time a thread has computed, however often it had to wait for the processor.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Processor time of this thread so far.
pub(crate) fn thread_time() -> Duration {
    // The clock is there on every system that this runs on.
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
