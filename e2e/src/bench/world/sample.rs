//! One measurement, and what is told of many.

use crate::bench::figures::{Figures, median};

/// Bots that need more of their core than this may be what is slow: such a run is void.
pub(super) const MOST_BOTS_PERCENT: f64 = 85.0;
/// A core that others use more than this is none that can be measured on.
const MOST_FOREIGN_PERCENT: f64 = 10.0;

/// What one side took in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// Of the server's process, in percent of its core.
    pub(super) server_cpu_percent: f64,
    /// Of the bots' process, in percent of theirs.
    pub(super) bots_cpu_percent: f64,
    /// What others took of the server's core.
    pub(super) foreign_percent: f64,
    /// Received, WebSocket framing included.
    pub(super) bytes_per_s_per_player: f64,
    /// Resident memory of the server at the end.
    pub(super) rss_mb: f64,
    /// Between two updates of a client.
    pub(super) inter_arrival_p99_ms: f64,
    /// Players and creatures that a client was shown, in the mean.
    pub(super) movers_in_sight: f64,
    /// Of our side alone.
    pub(super) ours: Option<Ours>,
}

/// What only our side tells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Ours {
    /// CPU time of writing to sockets, in microseconds per player and tick.
    pub(super) send_us: f64,
    /// Of updates.
    pub(super) encode_us: f64,
    /// Of events, and of finding who sees whom.
    pub(super) area_us: f64,
    /// Of inputs and the simulation.
    pub(super) sim_us: f64,
    /// CPU time of a tick on its thread.
    pub(super) tick_compute_p99_ms: f64,
    /// Time from a tick's begin to its end.
    pub(super) tick_wall_p99_ms: f64,
    /// What was left out of far entities in the end: they were shown in every 2^n-th tick.
    pub(super) thinning_level: f64,
    /// Shown against true position, of what is up to 10 m away.
    pub(super) view_error_near_p99_m: f64,
    /// Of what is farther.
    pub(super) view_error_far_p99_m: f64,
}

impl Sample {
    /// Why this says nothing, if it does not.
    pub(super) fn void(&self) -> Option<String> {
        if self.bots_cpu_percent > MOST_BOTS_PERCENT {
            return Some(format!(
                "the bots took {:.0} % of their core",
                self.bots_cpu_percent
            ));
        }
        (self.foreign_percent > MOST_FOREIGN_PERCENT).then(|| {
            format!(
                "others took {:.0} % of the server's core",
                self.foreign_percent
            )
        })
    }
}

/// What is told of every sample: key, and how it is read.
type Column = (&'static str, fn(&Sample) -> Option<f64>);

const COLUMNS: [Column; 16] = [
    ("server_cpu_percent", |s| Some(s.server_cpu_percent)),
    ("bots_cpu_percent", |s| Some(s.bots_cpu_percent)),
    ("bytes_per_s_per_player", |s| Some(s.bytes_per_s_per_player)),
    ("rss_mb", |s| Some(s.rss_mb)),
    ("inter_arrival_p99_ms", |s| Some(s.inter_arrival_p99_ms)),
    ("movers_in_sight", |s| Some(s.movers_in_sight)),
    ("send_us_per_player_tick", |s| Some(s.ours?.send_us)),
    ("encode_us_per_player_tick", |s| Some(s.ours?.encode_us)),
    ("area_us_per_player_tick", |s| Some(s.ours?.area_us)),
    ("sim_us_per_player_tick", |s| Some(s.ours?.sim_us)),
    ("tick_compute_p99_ms", |s| Some(s.ours?.tick_compute_p99_ms)),
    ("tick_wall_p99_ms", |s| Some(s.ours?.tick_wall_p99_ms)),
    ("thinning_level", |s| Some(s.ours?.thinning_level)),
    ("view_error_near_p99_m", |s| {
        Some(s.ours?.view_error_near_p99_m)
    }),
    ("view_error_far_p99_m", |s| {
        Some(s.ours?.view_error_far_p99_m)
    }),
    ("foreign_percent", |s| Some(s.foreign_percent)),
];

/// Runs of one side with one number of players.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    /// Those that count.
    pub(super) samples: Vec<Sample>,
    /// Why others do not.
    pub(super) void: Vec<String>,
    /// All count: nobody will believe these figures anyway.
    lenient: bool,
    /// What players saw in the last one, whether it counts or not.
    pub(super) last_in_sight: Option<f64>,
}

impl Side {
    /// None yet.
    pub(super) fn new(lenient: bool) -> Self {
        Self {
            lenient,
            ..Self::default()
        }
    }

    /// Takes a sample in, or counts it as void.
    pub(super) fn add(&mut self, sample: Sample) {
        self.last_in_sight = Some(sample.movers_in_sight);
        match sample.void() {
            Some(why) if !self.lenient => self.void.push(why),
            _ => self.samples.push(sample),
        }
    }

    /// The median of a figure; none if nothing counts.
    pub(super) fn median(&self, of: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        Spread::of(self.samples.iter().filter_map(of)).map(|spread| spread.median)
    }

    /// Every figure, under its key between `prefix` and `suffix`: median, least and most.
    pub(super) fn put(&self, figures: &mut Figures, prefix: &str, suffix: &str) {
        for (key, of) in COLUMNS {
            let Some(spread) = Spread::of(self.samples.iter().filter_map(of)) else {
                continue;
            };
            let key = format!("{prefix}{key}_{suffix}");
            figures.put(&key, spread.median);
            figures.put(&format!("{key}_min"), spread.least);
            figures.put(&format!("{key}_max"), spread.most);
        }
        figures.put(&format!("{prefix}runs_{suffix}"), count(self.samples.len()));
        figures.put(
            &format!("{prefix}void_runs_{suffix}"),
            count(self.void.len()),
        );
    }
}

/// A table of both sides, a line for each figure.
pub(super) fn table(title: &str, ours: &Side, peer: Option<&Side>) -> String {
    let cell = |side: Option<&Side>, of: fn(&Sample) -> Option<f64>| {
        let spread = side.and_then(|side| Spread::of(side.samples.iter().filter_map(of)));
        spread.map_or_else(String::new, |spread| {
            format!(
                "{:.2} ({:.2} to {:.2})",
                spread.median, spread.least, spread.most
            )
        })
    };
    let mut lines = vec![format!(
        "{title:27} {:30} {}",
        "ours",
        if peer.is_some() { "the peer" } else { "" }
    )];
    for (key, of) in COLUMNS {
        let line = format!("{key:27} {:30} {}", cell(Some(ours), of), cell(peer, of));
        lines.push(line);
    }
    for (name, side) in [("ours", Some(ours)), ("the peer", peer)] {
        for why in side.into_iter().flat_map(|side| &side.void) {
            lines.push(format!("a void run of {name}: {why}"));
        }
    }
    lines
        .iter()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

/// The middle and the ends.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.collect();
        Some(Self {
            least: values.iter().copied().reduce(f64::min)?,
            median: median(&values)?,
            most: values.iter().copied().reduce(f64::max)?,
        })
    }
}

#[allow(clippy::cast_precision_loss, reason = "a handful")]
fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(server: f64, bots: f64) -> Sample {
        Sample {
            server_cpu_percent: server,
            bots_cpu_percent: bots,
            ..Sample::default()
        }
    }

    #[test]
    fn what_the_bots_could_not_take_does_not_count() {
        let mut side = Side::default();
        for (server, bots) in [(30.0, 40.0), (90.0, 86.0), (20.0, 85.0), (10.0, 30.0)] {
            side.add(sample(server, bots));
        }
        side.add(Sample {
            foreign_percent: 11.0,
            ..sample(99.0, 1.0)
        });
        assert_eq!(side.median(|s| Some(s.server_cpu_percent)), Some(20.0));
        assert_eq!(side.void.len(), 2);
        assert_eq!(side.median(|s| s.ours.map(|ours| ours.sim_us)), None);
    }

    #[test]
    fn a_table_of_both_sides() {
        let side = |server| Side {
            samples: vec![sample(server, 1.0), sample(server + 2.0, 1.0)],
            void: vec!["too slow".into()],
            ..Side::default()
        };
        let table = table("1000 players", &side(20.0), Some(&side(30.0)));
        assert!(
            table.contains("21.00 (20.00 to 22.00)         31.00 (30.00 to 32.00)\n"),
            "{table}"
        );
        assert!(table.ends_with("a void run of the peer: too slow\n"));
    }
}
