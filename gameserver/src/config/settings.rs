//! Every key with its value and where that came from: defaults, then the file, then the environment,
//! then flags; the later wins. Nothing is checked here but each value alone.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::keys::{self, Key};
use super::kind::Value;
use super::mistake::{Mistake, Mistakes, Source};
use super::{environment, file};

/// What is given to a process.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The file, if one was named.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags that set keys, with their dashes, and their values.
    pub flags: Vec<(&'static Key, String, String)>,
}

impl Given {
    /// This file, and this process' environment.
    #[must_use]
    pub fn here(file: Option<&Path>) -> Self {
        Self {
            file: file.map(Path::to_path_buf),
            environment: std::env::vars_os().collect(),
            flags: Vec::new(),
        }
    }
}

/// One key's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Which.
    pub key: &'static Key,
    /// As it was written.
    pub text: String,
    /// What it means; none: it is not allowed.
    pub value: Option<Value>,
    /// Where it came from.
    pub source: Source,
}

/// All keys' values, and what is wrong so far.
#[derive(Clone, Debug)]
pub struct Settings {
    all: Vec<Setting>,
    mistakes: Vec<Mistake>,
}

impl Settings {
    /// Reads everything that is given, and goes on after a mistake.
    #[must_use]
    pub fn gather(given: &Given) -> Self {
        let all = keys::ALL.iter().map(|key| Setting {
            key,
            text: key.default.to_owned(),
            value: key.kind.read(key.default).ok(),
            source: Source::Default,
        });
        let mut settings = Self {
            all: all.collect(),
            mistakes: Vec::new(),
        };
        if let Some(path) = &given.file {
            let (entries, mistakes) = file::read(path);
            settings.mistakes.extend(mistakes);
            for entry in entries {
                let read = entry.key.kind.read_written(&entry.written);
                settings.give(entry.key, entry.written.to_text(), read, entry.source);
            }
        }
        let (variables, mistakes) = environment::read(&given.environment);
        settings.mistakes.extend(mistakes);
        for (key, text) in variables {
            let read = key.kind.read(&text);
            settings.give(key, text, read, Source::Variable(key.variable()));
        }
        for (key, flag, text) in &given.flags {
            let read = key.kind.read(text);
            settings.give(key, text.clone(), read, Source::Flag(flag.clone()));
        }
        settings
    }

    /// A value that wins over those given before. One that is wrong is a mistake even where a later one
    /// wins over it.
    fn give(
        &mut self,
        key: &'static Key,
        text: String,
        read: Result<Value, String>,
        source: Source,
    ) {
        let value = match read {
            Ok(value) => Some(value),
            Err(words) => {
                self.mistakes.push(Mistake::Value {
                    place: source.clone(),
                    key: key.path,
                    words,
                });
                None
            }
        };
        if let Some(setting) = self.all.iter_mut().find(|setting| setting.key == key) {
            *setting = Setting {
                key,
                text,
                value,
                source,
            };
        }
    }

    /// Every key's value, in the order of the table.
    #[must_use]
    pub fn all(&self) -> &[Setting] {
        &self.all
    }

    /// A value that does not go with another, at the place where it was given.
    pub(super) fn wrong(&mut self, key: &Key, words: String) {
        let place = self
            .find(key)
            .map_or(Source::Default, |setting| setting.source.clone());
        self.mistakes.push(Mistake::Value {
            place,
            key: key.path,
            words,
        });
    }

    fn find(&self, key: &Key) -> Option<&Setting> {
        self.all.iter().find(|setting| setting.key.path == key.path)
    }

    /// A number that fits. None: what was given is not allowed, and noted as a mistake.
    pub(super) fn number<T: TryFrom<u64>>(&self, key: &Key) -> Option<T> {
        match self.find(key)?.value.as_ref()? {
            Value::Whole(number) => T::try_from(*number).ok(),
            Value::Text(_) => None,
        }
    }

    /// A text. None: as [`Self::number`].
    pub(super) fn text(&self, key: &Key) -> Option<&str> {
        match self.find(key)?.value.as_ref()? {
            Value::Text(text) => Some(text),
            Value::Whole(_) => None,
        }
    }

    /// Everything that is wrong.
    pub(super) fn into_mistakes(self) -> Mistakes {
        Mistakes(self.mistakes)
    }

    pub(super) fn is_faultless(&self) -> bool {
        self.mistakes.is_empty()
    }
}
