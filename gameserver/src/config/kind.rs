//! What values a key takes, and how they are written.

use std::net::IpAddr;

use tracing_subscriber::EnvFilter;

use super::mistake::suggestion;
use crate::protocol::WorldName;

/// The values of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An IP address.
    Address,
    /// A TCP port, or 0.
    Port,
    /// A whole number from the first to the second.
    Whole(u64, u64),
    /// One of these numbers.
    OneOf(&'static [u64]),
    /// One of these words, in any case.
    Choice(&'static [&'static str]),
    /// `namespace/gameserver`.
    WorldName,
    /// A file, or empty.
    Path,
    /// Any text, or empty.
    Text,
    /// A filter for logs.
    Filter,
}

/// A value that its kind allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of the kinds that are numbers.
    Whole(u64),
    /// Of the others.
    Text(String),
}

/// A value as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// A TOML integer. None: beyond 64 bits.
    Whole(Option<i64>),
    /// A TOML string.
    Text(String),
    /// Something else: its TOML type.
    Other(&'static str),
}

impl Written {
    /// For people.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Whole(Some(number)) => number.to_string(),
            Self::Whole(None) => "a huge number".to_owned(),
            Self::Text(text) => text.clone(),
            Self::Other(kind) => format!("a TOML {kind}"),
        }
    }
}

impl Kind {
    fn is_number(self) -> bool {
        matches!(self, Self::Port | Self::Whole(..) | Self::OneOf(_))
    }

    /// What is allowed, to end the sentence "choose …".
    #[must_use]
    pub fn choices(self) -> String {
        match self {
            Self::Address => {
                "an IP address: 0.0.0.0 or :: for all, 127.0.0.1 for this machine".to_owned()
            }
            Self::Port => "1 to 65535, or 0 for a free one".to_owned(),
            Self::Whole(least, most) => format!("{least} to {most}"),
            Self::OneOf(numbers) => either(&numbers.iter().map(u64::to_string).collect::<Vec<_>>()),
            Self::Choice(words) => either(words),
            Self::WorldName => "namespace/gameserver".to_owned(),
            Self::Path => "a file, or nothing".to_owned(),
            Self::Text => "any text, or nothing".to_owned(),
            Self::Filter => "error, warn, info, debug, trace, or a filter of these".to_owned(),
        }
    }

    /// What stands for the value where the flag is explained.
    #[must_use]
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Address => "ADDRESS",
            Self::Port => "PORT",
            Self::Whole(..) | Self::OneOf(_) => "N",
            Self::Choice(_) => "WORD",
            Self::WorldName => "NAMESPACE/NAME",
            Self::Path => "FILE",
            Self::Text => "TEXT",
            Self::Filter => "FILTER",
        }
    }

    /// A value that is allowed and is not `other`: what tests give to see whether it takes effect.
    #[must_use]
    pub fn another(self, other: &str) -> String {
        let pick = |candidates: &[String]| {
            let found = candidates.iter().find(|candidate| *candidate != other);
            found.cloned().unwrap_or_default()
        };
        match self {
            Self::Address => pick(&["127.0.0.1".into(), "127.0.0.2".into()]),
            Self::Port => pick(&["17001".into(), "17002".into()]),
            // The upper end: it contradicts no other key, where the lower one might.
            Self::Whole(_, most) => pick(&[most.to_string(), (most - 1).to_string()]),
            Self::OneOf(numbers) => pick(&numbers.iter().map(u64::to_string).collect::<Vec<_>>()),
            Self::Choice(words) => pick(&words.iter().map(ToString::to_string).collect::<Vec<_>>()),
            Self::WorldName => pick(&["games/one".into(), "games/two".into()]),
            Self::Path => pick(&["/run/one".into(), "/run/two".into()]),
            Self::Text => pick(&["one".into(), "two".into()]),
            Self::Filter => pick(&["warn".into(), "debug".into()]),
        }
    }

    /// A value of the file.
    pub(super) fn read_written(self, written: &Written) -> Result<Value, String> {
        match (written, self.is_number()) {
            (Written::Whole(Some(number)), true) => self.read(&number.to_string()),
            (Written::Whole(None), true) => {
                Err(format!("more than 64 bits; choose {}", self.choices()))
            }
            (Written::Text(text), false) => self.read(text),
            (Written::Text(text), true) => Err(format!(
                "{text:?} is a string; give a whole number: {}",
                self.choices()
            )),
            (Written::Whole(_), false) => Err(format!(
                "a number; give a string in quotes: {}",
                self.choices()
            )),
            (Written::Other(kind), number) => Err(format!(
                "this is a TOML {kind}; give {}: {}",
                if number { "a whole number" } else { "a string" },
                self.choices()
            )),
        }
    }

    /// A value of the environment or of a flag.
    pub(super) fn read(self, text: &str) -> Result<Value, String> {
        if self.is_number() {
            // With a sign, so that what is negative is out of range and not no number at all.
            let number = text
                .parse::<i64>()
                .map_err(|_| format!("{text:?}; choose {}", self.choices()))?;
            let number = u64::try_from(number)
                .ok()
                .filter(|number| self.allows(*number));
            return number
                .map(Value::Whole)
                .ok_or_else(|| format!("{text}; choose {}", self.choices()));
        }
        let wrong = |why: String| Err(format!("{text:?}{why}; choose {}", self.choices()));
        let value = match self {
            Self::Address if text.parse::<IpAddr>().is_err() => return wrong(String::new()),
            Self::WorldName => match WorldName::new(text) {
                Ok(_) => text,
                Err(error) => return wrong(format!(" ({error})")),
            },
            Self::Filter => match EnvFilter::try_new(text) {
                Ok(_) if !text.is_empty() => text,
                Ok(_) => return wrong(String::new()),
                Err(error) => return wrong(format!(" ({error})")),
            },
            Self::Choice(words) => {
                let found = words.iter().find(|word| word.eq_ignore_ascii_case(text));
                match found {
                    Some(word) => word,
                    None => {
                        let meant = suggestion(text, words.iter().copied());
                        return Err(format!("{text:?}{meant}; choose {}", self.choices()));
                    }
                }
            }
            Self::Path | Self::Text if text.chars().any(char::is_control) => {
                return wrong(" has control characters".to_owned());
            }
            _ => text,
        };
        Ok(Value::Text(value.to_owned()))
    }

    fn allows(self, number: u64) -> bool {
        match self {
            Self::Port => number <= u16::MAX.into(),
            Self::Whole(least, most) => (least..=most).contains(&number),
            Self::OneOf(numbers) => numbers.contains(&number),
            _ => false,
        }
    }

    /// As TOML. What this kind does not read is written as a string.
    #[must_use]
    pub fn to_toml(self, text: &str) -> String {
        if self.is_number() && text.parse::<i64>().is_ok() {
            text.to_owned()
        } else {
            toml::Value::String(text.to_owned()).to_string()
        }
    }
}

impl Value {
    /// As it would be given in the environment.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Whole(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// `a, b or c`.
fn either<T: AsRef<str>>(words: &[T]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::super::keys;
    use super::*;

    #[test]
    fn defaults_and_others_are_allowed_and_differ() {
        for key in keys::ALL {
            let default = key.kind.read(key.default).unwrap();
            assert_eq!(default.to_text(), key.default, "{}", key.path);
            let another = key.kind.another(key.default);
            assert_ne!(key.kind.read(&another).unwrap(), default, "{}", key.path);
            let third = key.kind.another(&another);
            assert_ne!(third, another, "{}", key.path);
            assert!(key.kind.read(&third).is_ok(), "{}", key.path);
        }
    }

    proptest! {
        /// What is taken is within the range, and whatever is taken can be written down and taken again.
        #[test]
        fn taken_values_are_in_range_and_stay_what_they_are(text in "(-?[0-9]{1,20})|\\PC{0,12}|[a-zA-Z/.-]{0,12}", key in 0..keys::ALL.len()) {
            let kind = keys::ALL[key].kind;
            if let Ok(value) = kind.read(&text) {
                if let (Value::Whole(number), Kind::Whole(least, most)) = (&value, kind) {
                    prop_assert!((least..=most).contains(number));
                }
                prop_assert_eq!(&kind.read(&value.to_text()).unwrap(), &value);
                let line = format!("x = {}", kind.to_toml(&value.to_text()));
                let table: toml::Table = toml::from_str(&line).unwrap();
                let written = match &table["x"] {
                    toml::Value::Integer(number) => Written::Whole(Some(*number)),
                    toml::Value::String(text) => Written::Text(text.clone()),
                    other => Written::Other(other.type_str()),
                };
                prop_assert_eq!(kind.read_written(&written).unwrap(), value);
            }
        }
    }

    #[test]
    fn words_in_any_case() {
        let genre = keys::WORLD_GENRE.kind;
        assert_eq!(
            genre.read("postapoc").unwrap(),
            Value::Text("PostApoc".into())
        );
        let error = genre.read("Horor").unwrap_err();
        assert!(error.contains("did you mean Horror?"), "{error}");
    }
}
