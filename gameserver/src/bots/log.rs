//! A bot's record while it grows.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::clock::Clock;
use super::record::{
    Deeds, Disconnect, Failure, LONG_GAP_MS, LongGap, MAX_ENTRIES, NoticeSeen, PlayerRecord,
    Quantiles, Refusal, Session, Summary,
};
use crate::protocol::{Action, Notice, Outcome, Own, Position, Welcome};

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

    /// Takes away what was merged before.
    fn subtract(&mut self, other: &Self) {
        if let (Some(all), Some(one)) = (&mut self.histogram, &other.histogram) {
            // It holds all of the other's, which was merged with it.
            let taken = all.subtract(one);
            debug_assert!(taken.is_ok(), "{taken:?}");
        }
    }

    pub(super) fn quantiles(&self) -> Quantiles {
        let Some(histogram) = self.histogram.as_ref().filter(|all| !all.is_empty()) else {
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
    travelled_mm: u64,
    joined: Instant,
}

/// Sums of a stretch of the run.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    /// Time inside.
    pub(super) inside: Duration,
    pub(super) bytes: u64,
    pub(super) updates: u64,
    pub(super) inputs: u64,
    /// Entities in sight, over all updates.
    pub(super) in_sight: u64,
    /// Movers in sight, and at how many updates they were counted.
    pub(super) movers: u64,
    pub(super) movers_counted: u64,
    pub(super) predicted: u64,
    /// Time predicted.
    pub(super) predicted_for: Duration,
    pub(super) corrections: u64,
    pub(super) late_inputs: u64,
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        let Self {
            inside,
            bytes,
            updates,
            inputs,
            in_sight,
            movers,
            movers_counted,
            predicted,
            predicted_for,
            corrections,
            late_inputs,
        } = other;
        self.inside += *inside;
        self.bytes += bytes;
        self.updates += updates;
        self.inputs += inputs;
        self.in_sight += in_sight;
        self.movers += movers;
        self.movers_counted += movers_counted;
        self.predicted += predicted;
        self.predicted_for += *predicted_for;
        self.corrections += corrections;
        self.late_inputs += late_inputs;
    }
}

/// What all logs are added up in.
pub(super) struct Totals {
    pub(super) summary: Summary,
    /// Over the whole run.
    pub(super) gaps: Times,
    pub(super) round_trips: Times,
    /// Since the last measurement began.
    pub(super) measured_gaps: Times,
    pub(super) measured_round_trips: Times,
    pub(super) sums: Sums,
}

impl Totals {
    pub(super) fn new() -> Self {
        Self {
            summary: Summary::default(),
            gaps: Times::new(),
            round_trips: Times::new(),
            measured_gaps: Times::new(),
            measured_round_trips: Times::new(),
            sums: Sums::default(),
        }
    }
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
    /// What was in `gaps` and `round_trips` when the last measurement began.
    before: Option<(Times, Times)>,
    measuring_since: Instant,
    sums: Sums,
    /// By action and outcome.
    answers: BTreeMap<(&'static str, &'static str), u64>,
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
            before: None,
            measuring_since: Instant::now(),
            sums: Sums::default(),
            answers: BTreeMap::new(),
        }
    }

    /// A measurement begins: sums start anew.
    pub(super) fn measure(&mut self, now: Instant) {
        self.before = Some((self.gaps.clone(), self.round_trips.clone()));
        self.measuring_since = now;
        self.sums = Sums::default();
    }

    pub(super) fn deeds(&mut self) -> &mut Deeds {
        &mut self.record.deeds
    }

    pub(super) fn outcome(&mut self, action: &Action, outcome: Outcome) {
        // As fixed words, so that nothing is allocated for an answer that has come before.
        let answers = self.answers.entry((action.as_str(), outcome.as_str()));
        *answers.or_default() += 1;
    }

    /// The server contradicted itself.
    pub(super) fn fault(&mut self, kind: &'static str) {
        tracing::debug!(player = %self.record.name, kind, "a fault");
        count(&mut self.beyond.faults, kind);
    }

    /// An update said where the own body is, which was predicted; `correction` if it was elsewhere.
    pub(super) fn predicted(&mut self, time: Duration, correction: bool, late_inputs: u32) {
        self.sums.predicted += 1;
        self.sums.predicted_for += time;
        self.sums.corrections += u64::from(correction);
        self.sums.late_inputs += u64::from(late_inputs);
    }

    /// How many of those in sight move.
    pub(super) fn counted_movers(&mut self, movers: usize) {
        self.sums.movers += movers as u64;
        self.sums.movers_counted += 1;
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
            travelled_mm: 0,
            joined: now,
        });
    }

    /// A message came; `framed` is its length on the wire.
    pub(super) fn received(&mut self, bytes: usize, framed: usize) {
        self.sums.bytes += framed as u64;
        if let Some(open) = &mut self.open {
            open.session.bytes_received += bytes as u64;
        }
    }

    /// False if its tick is not above that of the update before.
    pub(super) fn updated(&mut self, own: Own, in_sight: usize, now: Instant) -> bool {
        let Some(open) = &mut self.open else {
            return true;
        };
        // The first one may still be about the Welcome's tick.
        let first = open.session.updates == 0 && own.tick == open.session.last_tick;
        let ascending = first || own.tick > open.session.last_tick;
        if !open.leaving {
            self.gaps.add(open.last_update, now);
            note_gap(open, self.clock, now);
        }
        self.sums.updates += 1;
        self.sums.in_sight += in_sight as u64;
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
        open.travelled_mm += way.isqrt();
        open.position = own.position;
        ascending
    }

    pub(super) fn sent_input(&mut self) {
        self.sums.inputs += 1;
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
        self.sums.inside += now.saturating_duration_since(open.joined.max(self.measuring_since));
        end.at_unix_ms = self.clock.unix_ms(now);
        if !open.leaving {
            note_gap(&mut open, self.clock, now);
        }
        open.session.travelled_metres = open.travelled_mm / 1000;
        open.session.end = Some(end);
        if self.record.sessions.len() < MAX_ENTRIES {
            self.record.sessions.push(open.session);
        } else {
            self.record.omitted += 1;
            self.beyond.add_session(&open.session);
        }
    }

    /// The record as it is now, added to the totals.
    pub(super) fn snapshot(&self, totals: &mut Totals) -> PlayerRecord {
        let now = Instant::now();
        let mut record = self.record.clone();
        let mut sums = self.sums.clone();
        if let Some(open) = &self.open {
            let mut session = open.session.clone();
            session.travelled_metres = open.travelled_mm / 1_000;
            // A silence that still goes on counts as far as it has gone.
            let silence = now.saturating_duration_since(open.last_update);
            let silence_ms = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
            if !open.leaving {
                session.max_gap_ms = session.max_gap_ms.max(silence_ms);
            }
            record.sessions.push(session);
            sums.inside += now.saturating_duration_since(open.joined.max(self.measuring_since));
        }
        record.gap_ms = self.gaps.quantiles();
        record.round_trip_ms = self.round_trips.quantiles();
        let Totals {
            summary,
            gaps,
            round_trips,
            measured_gaps,
            measured_round_trips,
            sums: all_sums,
        } = totals;
        gaps.merge(&self.gaps);
        round_trips.merge(&self.round_trips);
        measured_gaps.merge(&self.gaps);
        measured_round_trips.merge(&self.round_trips);
        if let Some((gaps, round_trips)) = &self.before {
            measured_gaps.subtract(gaps);
            measured_round_trips.subtract(round_trips);
        }
        all_sums.add(&sums);
        summary.add(&record);
        summary.merge(&self.beyond);
        for ((action, outcome), count) in &self.answers {
            let name = format!("{action} {outcome}");
            *summary.outcomes.entry(name).or_default() += count;
        }
        record
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => drop(counts.insert(name.to_owned(), 1)),
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
