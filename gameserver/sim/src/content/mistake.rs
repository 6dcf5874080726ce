//! What is wrong with a content file, each with its line and what to do about it.

use std::fmt;

/// Most mistakes that are reported at once: the first ones cause many of the later.
const MOST: u32 = 50;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Line of the file, from 1.
    pub line: u32,
    /// What is wrong, and the remedy.
    pub message: String,
}

/// Why a file is no content: at least one mistake, in the file's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadContent {
    /// Name of the file, as given.
    pub file: String,
    /// At most 50.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for BadContent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (mistake, at) in self.mistakes.iter().zip(0_u32..) {
            let separator = if at == 0 { "" } else { "\n" };
            let Mistake { line, message } = mistake;
            write!(formatter, "{separator}{}:{line}: {message}", self.file)?;
        }
        Ok(())
    }
}

impl std::error::Error for BadContent {}

/// Collects the mistakes of one text.
pub(super) struct Report<'t> {
    text: &'t str,
    mistakes: Vec<Mistake>,
}

impl<'t> Report<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            mistakes: Vec::new(),
        }
    }

    /// Notes a mistake at a line.
    pub(super) fn at_line(&mut self, line: u32, message: String) {
        self.mistakes.push(Mistake { line, message });
    }

    pub(super) fn is_clean(&self) -> bool {
        self.mistakes.is_empty()
    }

    /// The line of the byte at `offset`.
    #[expect(clippy::disallowed_types, reason = "an offset in a text, not state")]
    pub(super) fn line(&self, offset: usize) -> u32 {
        line_of(self.text.as_bytes(), offset)
    }

    /// The mistakes in the file's order, if there are any.
    pub(super) fn finish(mut self, file: &str) -> Result<(), BadContent> {
        if self.mistakes.is_empty() {
            return Ok(());
        }
        self.mistakes.sort();
        self.mistakes.dedup();
        self.mistakes
            .truncate(MOST.try_into().unwrap_or(self.mistakes.len()));
        Err(BadContent {
            file: file.to_owned(),
            mistakes: self.mistakes,
        })
    }
}

/// The line of the byte at `offset`, from 1.
#[expect(clippy::disallowed_types, reason = "an offset in a text, not state")]
pub(super) fn line_of(text: &[u8], offset: usize) -> u32 {
    let before = text.get(..offset).unwrap_or(text);
    let breaks = before.iter().filter(|byte| **byte == b'\n').count();
    u32::try_from(breaks).map_or(u32::MAX, |breaks| breaks.saturating_add(1))
}

/// How to go on after a word that nobody knows: the known word that is most like it, or all of them.
pub(super) fn suggestion<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let nearest = known
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .min();
    match nearest {
        None => "there is none to choose from".to_owned(),
        Some((distance, candidate)) if distance <= likeness(word) => {
            format!("did you mean `{candidate}`?")
        }
        Some(_) if known.len() <= 16 => format!("known are {}", listed(&known)),
        Some((_, candidate)) => format!("the nearest is `{candidate}`"),
    }
}

fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// Most edits between a word and what was probably meant.
fn likeness(word: &str) -> u32 {
    u32::try_from(word.len() / 3).unwrap_or(0).max(1)
}

/// Edits (insert, delete, replace) that make one word the other, over the first 64 bytes of each,
/// whatever the case of letters (Wagner, Fischer: The String-to-String Correction Problem, 1974).
fn distance(one: &str, other: &str) -> u32 {
    let bytes = |word: &str| word.to_ascii_lowercase().into_bytes();
    let (one, other) = (bytes(one), bytes(other));
    let other = other.get(..64).unwrap_or(&other);
    let mut row: Vec<u32> = (0..).take(other.len() + 1).collect();
    for (byte, at) in one.iter().take(64).zip(1_u32..) {
        let mut diagonal = row.first().copied().unwrap_or(0);
        let mut left = at;
        if let Some(first) = row.first_mut() {
            *first = at;
        }
        for (cell, candidate) in row.iter_mut().skip(1).zip(other) {
            let replaced = diagonal + u32::from(byte != candidate);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_edits() {
        for (one, other, expect) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("color", "colour", 1),
            ("", "abc", 3),
            ("Mine", "mine", 0),
        ] {
            assert_eq!(distance(one, other), expect, "{one} {other}");
            assert_eq!(distance(other, one), expect, "{other} {one}");
        }
    }

    #[test]
    fn suggests_the_nearest_or_lists_all() {
        assert_eq!(
            suggestion("colour", ["id", "color"]),
            "did you mean `color`?"
        );
        assert_eq!(
            suggestion("zzzz", ["id", "color"]),
            "known are `id`, `color`"
        );
        assert_eq!(suggestion("x", []), "there is none to choose from");
    }

    #[test]
    fn lines_count_from_one() {
        for (offset, line) in [(0, 1), (1, 1), (2, 2), (3, 3), (99, 3)] {
            assert_eq!(line_of(b"a\n\nb", offset), line, "{offset}");
        }
    }
}
