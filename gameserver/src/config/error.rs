//! What can be wrong with a configuration, in words that say where and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use figment::error::Kind;
use thiserror::Error;

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}; give --config a file that exists and may be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("{} is no TOML: {source}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Why, with line and column.
        source: Box<toml::de::Error>,
    },
    /// A key that does not exist, or a value of the wrong type.
    #[error("{0}")]
    Shape(String),
    /// A value that is not allowed.
    #[error("{key}: {words} (environment: {})", variable(key))]
    Value {
        /// `section.key`.
        key: &'static str,
        /// What is wrong, and the remedy.
        words: String,
    },
}

impl ConfigError {
    pub(super) fn value(key: &'static str, words: impl fmt::Display) -> Self {
        Self::Value {
            key,
            words: words.to_string(),
        }
    }
}

impl From<figment::Error> for ConfigError {
    fn from(error: figment::Error) -> Self {
        let words: Vec<_> = error.into_iter().map(|error| describe(&error)).collect();
        Self::Shape(words.join("; "))
    }
}

fn describe(error: &figment::Error) -> String {
    let place = match &error.metadata {
        Some(metadata) => match &metadata.source {
            Some(source) => format!(" in {source}"),
            None => format!(" in the {}", metadata.name),
        },
        None => String::new(),
    };
    let key = error.path.join(".");
    match &error.kind {
        Kind::UnknownField(field, known) => {
            let section = key
                .strip_suffix(field.as_str())
                .unwrap_or(&key)
                .trim_end_matches('.');
            let (full, kind) = if section.is_empty() {
                (field.clone(), "section")
            } else {
                (format!("{section}.{field}"), "key")
            };
            match nearest(field, known) {
                Some(meant) => format!("unknown {kind} {full}{place}; did you mean {meant}?"),
                None => format!(
                    "unknown {kind} {full}{place}; known here: {}",
                    known.join(", ")
                ),
            }
        }
        Kind::InvalidType(actual, expected) => {
            format!("{key}: {actual}{place}; give {expected}")
        }
        kind => format!("{key}: {kind}{place}"),
    }
}

/// The known key that `typed` was probably meant to be: at most two letters, or a third of them, are
/// wrong.
fn nearest(typed: &str, known: &[&'static str]) -> Option<&'static str> {
    let distances = known.iter().map(|known| (distance(typed, known), *known));
    let (distance, known) = distances.min()?;
    (distance <= (known.len() / 3).max(2)).then_some(known)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

fn variable(key: &str) -> String {
    format!("WORLDKEEPER_{}", key.to_uppercase().replace('.', "__"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions() {
        let known = ["host", "port", "max_players", "tick_rate_hz"];
        for (typed, expect) in [
            ("prot", Some("port")),
            ("maxplayers", Some("max_players")),
            ("max_player", Some("max_players")),
            ("tick_rate", Some("tick_rate_hz")),
            ("colour", None),
        ] {
            assert_eq!(nearest(typed, &known), expect, "{typed}");
        }
    }

    #[test]
    fn distances() {
        for (a, b, expect) in [
            ("", "", 0),
            ("a", "", 1),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(a, b), expect);
            assert_eq!(distance(b, a), expect);
        }
    }
}
