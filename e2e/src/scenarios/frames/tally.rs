//! What the server must have counted.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use std::time::Duration;
use tokio::time::{Instant, sleep};

use super::COUNTED;
use super::attacks::{Attack, Ends};
use crate::local::{Reading, Server};

/// Families of which every series must be as expected, the ones that nobody has touched as well.
const FAMILIES: [&str; 4] = [
    "world_refusals_total",
    "world_kicks_total",
    "world_bad_messages_total",
    "world_failed_handshakes_total",
];

/// Expected counts since a reading.
pub(super) struct Tally {
    before: Reading,
    expected: BTreeMap<(&'static str, &'static str), f64>,
}

impl Tally {
    pub(super) async fn begin(server: &Server) -> Result<Self> {
        Ok(Self {
            before: server.metrics().await?,
            expected: BTreeMap::new(),
        })
    }

    pub(super) fn add(&mut self, family: &'static str, reason: &'static str) {
        *self.expected.entry((family, reason)).or_default() += 1.0;
    }

    pub(super) fn add_attack(&mut self, attack: &Attack) {
        match attack.ends {
            Ends::Refused(reason) => self.add("world_refusals_total", reason.as_str()),
            Ends::Kicked(reason) => self.add("world_kicks_total", reason.as_str()),
        }
        if let Some(category) = attack.category {
            self.add("world_bad_messages_total", category);
        }
    }

    /// Everything was counted, exactly, and nothing else: what was added since the beginning. Some is
    /// counted a moment after the client has seen the end.
    pub(super) async fn check(&self, server: &Server, what: &str) -> Result<Reading> {
        self.check_but(server, what, "", []).await
    }

    /// As [`Self::check`], but for these reasons of a family.
    pub(super) async fn check_but<const N: usize>(
        &self,
        server: &Server,
        what: &str,
        family: &str,
        reasons: [&str; N],
    ) -> Result<Reading> {
        let deadline = Instant::now() + COUNTED;
        loop {
            let grown = server.metrics().await?.since(&self.before);
            let wrong = self.wrong(&grown, family, &reasons);
            if wrong.is_empty() {
                return Ok(grown);
            }
            if Instant::now() > deadline {
                bail!("{what}: {}", wrong.join(", "));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn wrong(&self, grown: &Reading, but: &str, reasons: &[&str]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut expected = self.expected.clone();
        for family in FAMILIES {
            for (labels, count) in grown.family(family) {
                let reason = labels
                    .trim_start_matches("{reason=\"")
                    .trim_end_matches("\"}");
                let key = expected
                    .keys()
                    .find(|key| **key == (family, reason))
                    .copied();
                let wanted = key.and_then(|key| expected.remove(&key)).unwrap_or(0.0);
                let passed_over = family == but && reasons.contains(&reason);
                if !passed_over && (count - wanted).abs() > 0.5 {
                    wrong.push(format!(
                        "{family} {reason} grew by {count}, not by {wanted}"
                    ));
                }
            }
        }
        for ((family, reason), _) in expected {
            wrong.push(format!("{family} has no {reason}"));
        }
        wrong
    }
}
