//! One line for each step, with the time since the command began.

use std::time::Instant;

pub(crate) struct Progress {
    began: Instant,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
        }
    }

    pub(crate) fn step(&self, message: impl AsRef<str>) {
        println!(
            "[{:6.1}s] {}",
            self.began.elapsed().as_secs_f64(),
            message.as_ref()
        );
    }
}
