//! Tests of content.

mod built_in;
mod mistakes;
mod properties;

use super::{Content, Mistake};

/// A whole file that is as small as it may be.
const MINI: &str = include_str!("../../../tests/content/mini.toml");

fn mistakes(text: &str) -> Vec<Mistake> {
    match Content::parse("mini.toml", text.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(bad) => bad.mistakes,
    }
}
