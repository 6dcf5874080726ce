//! What a benchmark found: numbers by flat keys.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::install::checkout;

/// Numbers by key, in the order in which they were put in.
#[derive(Debug, Default)]
pub(super) struct Figures {
    values: Map<String, Value>,
}

impl Figures {
    /// A number, rounded to three places.
    pub(super) fn put(&mut self, key: &str, value: f64) {
        let rounded = (value * 1_000.0).round() / 1_000.0;
        self.values.insert(key.to_owned(), json!(rounded));
    }

    /// A note that is no number.
    pub(super) fn note(&mut self, key: &str, value: impl Into<String>) {
        self.values
            .insert(key.to_owned(), Value::String(value.into()));
    }

    /// Prints all, and writes `target/bench/NAME.json`.
    pub(super) fn publish(self, name: &str) -> Result<()> {
        let folder = checkout::root()?.join("target/bench");
        fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{name}.json"));
        println!();
        for (key, value) in &self.values {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            println!("{key:34} {value}");
        }
        fs::write(
            &file,
            serde_json::to_vec_pretty(&Value::Object(self.values))?,
        )
        .with_context(|| file.display().to_string())?;
        println!("written to {}", file.display());
        Ok(())
    }
}

/// The value at a quantile, by nearest rank; none of nothing.
pub(super) fn quantile(values: &[f64], quantile: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )]
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// The middle one, or the mean of the two in the middle; none of nothing.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        for (at, expect) in [
            (0.0, 1.0),
            (0.5, 50.0),
            (0.99, 99.0),
            (0.991, 100.0),
            (1.0, 100.0),
        ] {
            assert_eq!(quantile(&values, at), Some(expect), "{at}");
        }
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
    }

    #[test]
    fn the_median_of_few() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
