//! What the tick thread lets others know after each tick, without a lock.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// The world's state of health, as clients are told in a Pong, and its tick.
#[derive(Debug)]
pub struct Pulse {
    tick: AtomicU64,
    players: AtomicU32,
    load: AtomicU8,
    dilation: AtomicU8,
}

/// How the world does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vigour {
    /// Players inside.
    pub players: u32,
    /// Percent of a tick's time that is used; 255 for more than that.
    pub load: u8,
    /// Percent of real time at which the world runs.
    pub dilation: u8,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            tick: AtomicU64::new(0),
            players: AtomicU32::new(0),
            load: AtomicU8::new(0),
            dilation: AtomicU8::new(100),
        }
    }
}

impl Pulse {
    /// The last finished tick. One that is a little old does no harm: it is what a reader needs to
    /// tell an input that comes early from one that comes late.
    #[must_use]
    pub fn tick(&self) -> u64 {
        self.tick.load(Ordering::Relaxed)
    }

    /// How the world did lately.
    #[must_use]
    pub fn vigour(&self) -> Vigour {
        Vigour {
            players: self.players.load(Ordering::Relaxed),
            load: self.load.load(Ordering::Relaxed),
            dilation: self.dilation.load(Ordering::Relaxed),
        }
    }

    pub(super) fn ticked(&self, tick: u64, players: u32) {
        self.tick.store(tick, Ordering::Relaxed);
        self.players.store(players, Ordering::Relaxed);
    }

    pub(super) fn judged(&self, load: u32, dilation: u8) {
        let load = u8::try_from(load).unwrap_or(u8::MAX);
        self.load.store(load, Ordering::Relaxed);
        self.dilation.store(dilation, Ordering::Relaxed);
    }
}
