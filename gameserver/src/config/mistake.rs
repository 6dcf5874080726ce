//! What can be wrong with a configuration, in words that say where and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nowhere: it was not given.
    Default,
    /// The file, and the line in it.
    File(PathBuf, usize),
    /// A variable of the environment.
    Variable(String),
    /// A flag, with its dashes.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Mistake {
    /// The file cannot be used at all.
    #[error("{}: {words}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why, and the remedy.
        words: String,
    },
    /// At one place: what no key has, or no TOML is.
    #[error("{place}: {words}")]
    Place {
        /// Where.
        place: Source,
        /// What, and the remedy.
        words: String,
    },
    /// A value that is not allowed, or does not go with another.
    #[error("{place}: {key}: {words}")]
    Value {
        /// Where.
        place: Source,
        /// `section.name`.
        key: &'static str,
        /// What, and the remedy.
        words: String,
    },
}

impl Mistake {
    pub(super) fn file(path: &Path, words: impl Into<String>) -> Self {
        Self::File {
            path: path.to_path_buf(),
            words: words.into(),
        }
    }
}

/// Everything that is wrong, at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "{one}"),
            all => {
                write!(f, "{} mistakes:", all.len())?;
                all.iter()
                    .try_for_each(|mistake| write!(f, "\n  {mistake}"))
            }
        }
    }
}

/// `; did you mean …?`, if one of the known is near.
pub(super) fn suggestion<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(typed, known) {
        Some(meant) => format!("; did you mean {meant}?"),
        None => String::new(),
    }
}

/// The known word that `typed` was probably meant to be: at most two letters, or a third of them, are
/// wrong.
fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // What is absurdly long is nobody's typing error, and costs the product of the lengths.
    let typed = typed.get(..typed.len().min(100))?.to_lowercase();
    let distances = known
        .into_iter()
        .map(|known| (distance(&typed, &known.to_lowercase()), known));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions() {
        let known = ["host", "port", "max_players", "tick_rate_hz"];
        for (typed, expect) in [
            ("prot", Some("port")),
            ("maxplayers", Some("max_players")),
            ("MAX_PLAYER", Some("max_players")),
            ("tick_rate", Some("tick_rate_hz")),
            ("colour", None),
        ] {
            assert_eq!(nearest(typed, known), expect, "{typed}");
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
