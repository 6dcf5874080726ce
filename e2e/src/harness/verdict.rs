//! From a scenario's players to a verdict: their stays, the audit log, and the terms.

use anyhow::{Result, bail};
use jiff::Timestamp;
use worldkeeper_server::bots::record::Record;

use super::Ctx;
use super::bots::stays;
use super::judge::{Ms, Sacrifice, Terms, judge};

/// Longest silence of a world towards a player. The worlds send twenty updates a second; the rest is
/// for two processors on which scenarios run side by side.
const MAX_GAP_MS: i64 = 2_000;

/// A stretch of time in which nobody may be thrown out.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    from: Ms,
    occupied: Vec<String>,
    sacrifices: Vec<Sacrifice>,
    max_gap_ms: i64,
}

/// Now, on the clock that bots and API server share.
pub(crate) fn now() -> Ms {
    Ms(Timestamp::now().as_millisecond())
}

impl Trial {
    /// Begins now, with somebody inside each of these worlds.
    pub(crate) fn begin(occupied: impl IntoIterator<Item = String>) -> Self {
        Self {
            from: now(),
            occupied: occupied.into_iter().collect(),
            sacrifices: Vec::new(),
            max_gap_ms: MAX_GAP_MS,
        }
    }

    /// This incarnation is ended on purpose from now on.
    pub(crate) fn sacrifice(&mut self, world: &str, epoch: i64) {
        self.sacrifices.push(Sacrifice {
            world: world.to_owned(),
            epoch,
            from: now(),
        });
    }

    /// The verdict on everything since the beginning, with the worlds occupied until `to`.
    ///
    /// # Errors
    /// Every violation, in words.
    pub(crate) fn verdict(&self, ctx: &Ctx, to: Ms, records: &[&Record]) -> Result<()> {
        let mut all = Vec::new();
        for record in records {
            all.extend(stays(record)?);
        }
        let deletes = match &ctx.mark {
            Some(mark) => mark.pod_deletes(&format!("e2e-{}-", ctx.scenario))?,
            None => {
                ctx.say("there is no audit log of this cluster: the players' record alone judges");
                Vec::new()
            }
        };
        let terms = Terms {
            occupied: self.occupied.clone(),
            from: self.from,
            to,
            max_gap_ms: self.max_gap_ms,
            sacrifices: self.sacrifices.clone(),
        };
        let violations = judge(&all, &deletes, &terms);
        if violations.is_empty() {
            return Ok(());
        }
        let words: Vec<String> = violations.iter().map(ToString::to_string).collect();
        bail!("players were wronged:\n  {}", words.join("\n  "))
    }
}
