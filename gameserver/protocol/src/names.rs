//! Texts of a fixed shape: a value of these types has been checked.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::limits::{
    MAX_CHAT_BYTES, MAX_CHAT_CHARS, MAX_NAME_BYTES, MAX_NAME_CHARS, MAX_RESUME_TOKEN_BYTES,
    MAX_WORLD_NAME_BYTES,
};

/// A text that is not of the shape that its type asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct BadText {
    /// The rule that it breaks.
    pub why: &'static str,
}

macro_rules! checked_text {
    ($(#[$outer:meta])* $name:ident, $check:ident) => {
        $(#[$outer])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text.
            ///
            /// # Errors
            /// The rule that the text breaks.
            pub fn new(text: impl Into<String>) -> Result<Self, BadText> {
                let text = text.into();
                match $check(&text) {
                    Some(why) => Err(BadText { why }),
                    None => Ok(Self(text)),
                }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadText;
            fn try_from(text: String) -> Result<Self, BadText> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

checked_text! {
    /// Name of a player as others see it: 1 to [`MAX_NAME_CHARS`] characters, no control characters,
    /// no invisible or direction-changing ones, no space at either end. Names need not be unique.
    PlayerName, check_player_name
}

checked_text! {
    /// Something that a player says: 1 to [`MAX_CHAT_CHARS`] characters and at most
    /// [`MAX_CHAT_BYTES`] bytes, of the same characters as a name, no space at either end.
    ChatText, check_chat_text
}

checked_text! {
    /// `namespace/gameserver`, as in the agent protocol: two names in Kubernetes' spelling. A world
    /// that runs alone may carry any such pair, by default `local/world`.
    WorldName, check_world_name
}

checked_text! {
    /// Opaque proof that a connection may take up a session that lost its connection: visible ASCII.
    /// Its `Debug` does not show it, so that logs cannot leak it.
    ResumeToken, check_resume_token
}

impl fmt::Debug for PlayerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for PlayerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChatText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for ChatText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WorldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for WorldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken(…)")
    }
}

fn check_player_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("a player name has at least one character");
    }
    if name.len() > MAX_NAME_BYTES || name.chars().count() > MAX_NAME_CHARS {
        return Some("a player name has at most 32 characters and 64 bytes");
    }
    if name.trim() != name {
        return Some("a player name neither starts nor ends with a space");
    }
    if name.chars().any(is_deceptive) {
        return Some("a player name has no control, invisible or direction-changing characters");
    }
    None
}

fn check_chat_text(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("what is said has at least one character");
    }
    if text.len() > MAX_CHAT_BYTES || text.chars().count() > MAX_CHAT_CHARS {
        return Some("what is said has at most 200 characters and 400 bytes");
    }
    if text.trim() != text {
        return Some("what is said neither starts nor ends with a space");
    }
    if text.chars().any(is_deceptive) {
        return Some("what is said has no control, invisible or direction-changing characters");
    }
    None
}

/// Control characters, and those that render as nothing or reorder what stands around them: with
/// them two names could look alike, or a name could rewrite the line that shows it.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{00AD}'
                | '\u{034F}'
                | '\u{061C}'
                | '\u{115F}'..='\u{1160}'
                | '\u{17B4}'..='\u{17B5}'
                | '\u{180B}'..='\u{180F}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{3164}'
                | '\u{FE00}'..='\u{FE0F}'
                | '\u{FEFF}'
                | '\u{FFA0}'
                | '\u{FFF0}'..='\u{FFFB}'
                | '\u{E0000}'..='\u{E0FFF}'
        )
}

fn check_world_name(name: &str) -> Option<&'static str> {
    if name.len() > MAX_WORLD_NAME_BYTES {
        return Some("a world name has at most 317 bytes");
    }
    let Some((namespace, world)) = name.split_once('/') else {
        return Some("a world name is namespace/gameserver");
    };
    if namespace.len() > 63 || !is_dns_label(namespace) {
        return Some("the namespace of a world name is a DNS label");
    }
    if world.len() > 253 || !world.split('.').all(is_dns_label) {
        return Some("the second part of a world name is a DNS subdomain");
    }
    None
}

fn is_dns_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn check_resume_token(token: &str) -> Option<&'static str> {
    if token.is_empty() || token.len() > MAX_RESUME_TOKEN_BYTES {
        return Some("a resume token has 1 to 512 bytes");
    }
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Some("a resume token is visible ASCII");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn player_names() {
        for name in ["a", "Ada", "ada lovelace", "Ж", "花子", &"x".repeat(32)] {
            assert!(PlayerName::new(name).is_ok(), "{name:?}");
        }
        for name in [
            "",
            " a",
            "a ",
            "a\nb",
            "a\u{202E}b",
            "a\u{200B}",
            "\u{0}",
            &"x".repeat(33),
            &"花".repeat(22),
        ] {
            assert!(PlayerName::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn chat_texts() {
        for text in ["a", "Hello  there, \"friend\"!", &"\u{e4}".repeat(200)] {
            assert!(ChatText::new(text).is_ok(), "{text:?}");
        }
        for text in [
            "",
            " ",
            " a",
            "a ",
            "a\nb",
            "a\u{7}",
            "a\u{202E}b",
            &"x".repeat(201),
            &"花".repeat(134),
        ] {
            assert!(ChatText::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn world_names() {
        for name in ["local/world", "games/fantasy-42", "a/b.c-d.e"] {
            assert!(WorldName::new(name).is_ok(), "{name:?}");
        }
        for name in [
            "", "/", "a", "a/", "/b", "A/b", "a/b/c", "a/-b", "a/b..c", "a.b/c",
        ] {
            assert!(WorldName::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = ResumeToken::new("secret").map(|token| format!("{token:?}"));
        assert_eq!(token.as_deref(), Ok("ResumeToken(…)"));
    }
}
