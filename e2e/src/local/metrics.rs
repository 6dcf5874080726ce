//! What a server has counted, read from its `/metrics`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// Every series with its value at one moment, or its growth between two.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// By name with labels, as printed: `world_kicks_total{reason="TooSlow"}`.
    series: BTreeMap<String, f64>,
}

impl Reading {
    /// From Prometheus' text format.
    ///
    /// # Errors
    /// At a line that is neither a series nor a comment.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines
            .map(|line| {
                // A label's value may hold spaces, the value none.
                let (name, value) = line.rsplit_once(' ').context("a line without a value")?;
                Ok((name.to_owned(), value.parse()?))
            })
            .map(|parsed: Result<_>| parsed.with_context(|| "/metrics makes no sense"))
            .collect::<Result<_>>()?;
        Ok(Self { series })
    }

    /// One series.
    ///
    /// # Errors
    /// When the server does not know it: a name that is misspelt must not read as zero.
    pub(crate) fn get(&self, series: &str) -> Result<f64> {
        let found = self.series.get(series).copied();
        found.with_context(|| format!("the server counts no {series}"))
    }

    /// What was added to each series since an earlier reading.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let grown = self.series.iter().map(|(name, value)| {
            let before = earlier.series.get(name).copied().unwrap_or_default();
            (name.clone(), value - before)
        });
        Self {
            series: grown.collect(),
        }
    }

    /// The series of a family, by their label sets as printed.
    pub(crate) fn family(&self, family: &str) -> BTreeMap<&str, f64> {
        self.series
            .iter()
            .filter_map(|(name, value)| {
                let rest = name.strip_prefix(family)?;
                (rest.is_empty() || rest.starts_with('{')).then_some((rest, *value))
            })
            .collect()
    }

    /// An upper bound of a histogram's quantile: that of the bucket in which it lies. `None` if nothing
    /// was observed; infinite beyond the last bucket.
    pub(crate) fn quantile(&self, histogram: &str, quantile: f64) -> Option<f64> {
        let buckets = self.family(&format!("{histogram}_bucket"));
        let mut bounds: Vec<(f64, f64)> = buckets
            .iter()
            .filter_map(|(labels, count)| {
                let bound = labels.strip_prefix("{le=\"")?.strip_suffix("\"}")?;
                let bound = bound.replace("+Inf", "inf").parse().ok()?;
                Some((bound, *count))
            })
            .collect();
        bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (_, all) = *bounds.last()?;
        let wanted = all * quantile;
        let found = bounds
            .iter()
            .find(|(_, count)| *count >= wanted && all > 0.0);
        found.map(|(bound, _)| *bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP world_kicks Connections ended by the server, by reason.
# TYPE world_kicks counter
world_kicks_total{reason=\"TooSlow\"} 2
world_kicks_total{reason=\"Malformed\"} 0
world_build_info{world=\"a b\"} 1
world_tick_seconds_sum 0.5
world_tick_seconds_bucket{le=\"0.001\"} 90
world_tick_seconds_bucket{le=\"0.002\"} 99
world_tick_seconds_bucket{le=\"+Inf\"} 100
# EOF
";

    #[test]
    fn what_was_counted() -> Result<()> {
        let reading = Reading::parse(TEXT)?;
        assert_eq!(
            reading
                .get("world_kicks_total{reason=\"TooSlow\"}")?
                .to_bits(),
            2.0_f64.to_bits()
        );
        assert!(reading.get("world_kicks_total{reason=\"TooSlo\"}").is_err());
        assert_eq!(reading.family("world_kicks_total").len(), 2);
        assert_eq!(reading.since(&Reading::default()), reading);
        assert!(
            reading
                .since(&reading)
                .series
                .values()
                .all(|added| *added == 0.0)
        );
        assert!(Reading::parse("rubbish").is_err());
        Ok(())
    }

    #[test]
    fn quantiles_are_the_bounds_of_their_buckets() -> Result<()> {
        let reading = Reading::parse(TEXT)?;
        for (quantile, expect) in [
            (0.5, 0.001),
            (0.9, 0.001),
            (0.99, 0.002),
            (1.0, f64::INFINITY),
        ] {
            assert_eq!(
                reading.quantile("world_tick_seconds", quantile),
                Some(expect)
            );
        }
        assert_eq!(reading.quantile("world_other", 0.5), None);
        Ok(())
    }
}
