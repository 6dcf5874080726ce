//! A bot's record while it grows.

use std::time::Instant;

use hdrhistogram::Histogram;

use super::clock::Clock;
use super::record::{
    Disconnect, Failure, LONG_GAP_MS, LongGap, MAX_ENTRIES, NoticeSeen, PlayerRecord, Quantiles,
    Refusal, Session, Summary,
};
use crate::protocol::{Notice, Own, Position, Welcome};

/// Times are measured in microseconds, to two digits, up to ten minutes.
const MAX_MICROS: u64 = 600_000_000;
const MIN_MICROS: u64 = 100;

/// Measured times, compact enough to keep one per bot.
#[derive(Clone, Debug)]
pub(super) struct Times {
    /// None until the first measurement; and none for good if the bounds were no bounds.
    histogram: Option<Histogram<u32>>,
}

impl Times {
    pub(super) fn new() -> Self {
        Self { histogram: None }
    }

    fn add(&mut self, from: Instant, to: Instant) {
        let micros = to.saturating_duration_since(from).as_micros();
        let micros = u64::try_from(micros).unwrap_or(MAX_MICROS);
        if self.histogram.is_none() {
            self.histogram = Histogram::new_with_bounds(MIN_MICROS, MAX_MICROS, 2).ok();
        }
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(micros);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        match (&mut self.histogram, &other.histogram) {
            (Some(all), Some(one)) => {
                // Bounds are the same everywhere, so one always fits into all.
                let added = all.add(one);
                debug_assert!(added.is_ok(), "{added:?}");
            }
            (all @ None, Some(one)) => *all = Some(one.clone()),
            (_, None) => {}
        }
    }

    pub(super) fn quantiles(&self) -> Quantiles {
        let Some(histogram) = &self.histogram else {
            return Quantiles::default();
        };
        #[allow(clippy::cast_precision_loss)] // two digits of it are significant
        let ms = |micros: u64| (micros as f64 / 10.0).round() / 100.0;
        Quantiles {
            count: histogram.len(),
            p50: ms(histogram.value_at_quantile(0.5)),
            p99: ms(histogram.value_at_quantile(0.99)),
            max: ms(histogram.max()),
        }
    }
}

/// What has not yet gone into the session's record.
#[derive(Debug)]
struct Open {
    session: Session,
    last_update: Instant,
    /// The bot has said that it leaves: what comes no longer is no gap.
    leaving: bool,
    position: Position,
    travelled_cm: u64,
}

/// Everything one bot has seen.
#[derive(Debug)]
pub(super) struct PlayerLog {
    clock: Clock,
    record: PlayerRecord,
    /// What the record's lists had no room for.
    beyond: Summary,
    open: Option<Open>,
    gaps: Times,
    round_trips: Times,
}

impl PlayerLog {
    pub(super) fn new(clock: Clock, player: u32, name: String) -> Self {
        Self {
            clock,
            record: PlayerRecord {
                player,
                name,
                ..PlayerRecord::default()
            },
            beyond: Summary::default(),
            open: None,
            gaps: Times::new(),
            round_trips: Times::new(),
        }
    }

    pub(super) fn refused(&mut self, mut refusal: Refusal) {
        refusal.at_unix_ms = self.clock.unix_ms(Instant::now());
        if self.record.refusals.len() < MAX_ENTRIES {
            self.record.refusals.push(refusal);
        } else {
            self.record.omitted += 1;
            self.beyond.add_refusal(&refusal);
        }
    }

    pub(super) fn failed(&mut self, mut failure: Failure) {
        failure.at_unix_ms = self.clock.unix_ms(Instant::now());
        if self.record.failures.len() < MAX_ENTRIES {
            self.record.failures.push(failure);
        } else {
            self.record.omitted += 1;
            self.beyond.connect_failures += 1;
        }
    }

    pub(super) fn joined(&mut self, welcome: &Welcome, address: String, bytes: usize) {
        let now = Instant::now();
        let session = Session {
            world: welcome.world.to_string(),
            epoch: welcome.epoch,
            address,
            seed: welcome.seed,
            terrain_hash: format!("{:016x}", welcome.terrain_hash),
            entity: welcome.entity.0.to_string(),
            resumed: welcome.resumed,
            connected_unix_ms: self.clock.unix_ms(now),
            first_tick: welcome.tick,
            last_tick: welcome.tick,
            last_ack: welcome.ack,
            bytes_received: bytes as u64,
            ..Session::default()
        };
        self.open = Some(Open {
            session,
            last_update: now,
            leaving: false,
            position: welcome.position,
            travelled_cm: 0,
        });
    }

    pub(super) fn received(&mut self, bytes: usize) {
        if let Some(open) = &mut self.open {
            open.session.bytes_received += bytes as u64;
        }
    }

    pub(super) fn updated(&mut self, own: Own, in_sight: usize, now: Instant) {
        let Some(open) = &mut self.open else { return };
        if !open.leaving {
            self.gaps.add(open.last_update, now);
            note_gap(open, self.clock, now);
        }
        open.last_update = now;
        open.session.updates += 1;
        open.session.last_tick = own.tick;
        open.session.last_ack = own.ack;
        open.session.max_in_sight = open.session.max_in_sight.max(in_sight as u64);
        let way = (i64::from(own.position.x) - i64::from(open.position.x))
            .unsigned_abs()
            .pow(2)
            + (i64::from(own.position.y) - i64::from(open.position.y))
                .unsigned_abs()
                .pow(2);
        open.travelled_cm += way.isqrt();
        open.position = own.position;
    }

    pub(super) fn sent_input(&mut self) {
        if let Some(open) = &mut self.open {
            open.session.inputs_sent += 1;
        }
    }

    pub(super) fn round_trip(&mut self, sent: Instant) {
        self.round_trips.add(sent, Instant::now());
    }

    pub(super) fn noticed(&mut self, notice: &Notice) {
        let at_unix_ms = self.clock.unix_ms(Instant::now());
        if let Some(open) = &mut self.open
            && open.session.notices.len() < MAX_ENTRIES
        {
            open.session.notices.push(NoticeSeen {
                at_unix_ms,
                kind: format!("{:?}", notice.kind),
                seconds: notice.seconds,
            });
        }
    }

    pub(super) fn violated(&mut self, what: String) {
        if let Some(open) = &mut self.open {
            open.session.violation = Some(what);
        }
    }

    pub(super) fn leaving(&mut self) {
        if let Some(open) = &mut self.open {
            note_gap(open, self.clock, Instant::now());
            open.leaving = true;
        }
    }

    pub(super) fn ended(&mut self, mut end: Disconnect) {
        let now = Instant::now();
        let Some(mut open) = self.open.take() else {
            return;
        };
        end.at_unix_ms = self.clock.unix_ms(now);
        if !open.leaving {
            note_gap(&mut open, self.clock, now);
        }
        open.session.travelled_metres = open.travelled_cm / 100;
        open.session.end = Some(end);
        if self.record.sessions.len() < MAX_ENTRIES {
            self.record.sessions.push(open.session);
        } else {
            self.record.omitted += 1;
            self.beyond.add_session(&open.session);
        }
    }

    /// The record as it is now, added to the sums.
    pub(super) fn snapshot(
        &self,
        summary: &mut Summary,
        gaps: &mut Times,
        round_trips: &mut Times,
    ) -> PlayerRecord {
        let mut record = self.record.clone();
        if let Some(open) = &self.open {
            let mut session = open.session.clone();
            session.travelled_metres = open.travelled_cm / 100;
            // A silence that still goes on counts as far as it has gone.
            let silence = Instant::now().saturating_duration_since(open.last_update);
            let silence_ms = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
            if !open.leaving {
                session.max_gap_ms = session.max_gap_ms.max(silence_ms);
            }
            record.sessions.push(session);
        }
        record.gap_ms = self.gaps.quantiles();
        record.round_trip_ms = self.round_trips.quantiles();
        gaps.merge(&self.gaps);
        round_trips.merge(&self.round_trips);
        summary.add(&record);
        summary.merge(&self.beyond);
        record
    }
}

fn note_gap(open: &mut Open, clock: Clock, now: Instant) {
    let gap = now.saturating_duration_since(open.last_update).as_millis();
    let ms = u64::try_from(gap).unwrap_or(u64::MAX);
    let Open { session, .. } = open;
    session.max_gap_ms = session.max_gap_ms.max(ms);
    if ms >= LONG_GAP_MS && session.long_gaps.len() < MAX_ENTRIES {
        session.long_gaps.push(LongGap {
            at_unix_ms: clock.unix_ms(open.last_update),
            ms,
        });
    }
}
