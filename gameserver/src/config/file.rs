//! The file: read, taken apart, its keys found.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, Key};
use super::kind::Written;
use super::mistake::{Mistake, Source, suggestion};

/// Largest file that is read, in bytes: what is longer is no configuration.
const MAX_BYTES: u64 = 1024 * 1024;

/// A key that the file sets.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: &'static Key,
    pub(super) written: Written,
    pub(super) source: Source,
}

/// What the file sets, and what is wrong with it.
pub(super) fn read(path: &Path) -> (Vec<Entry>, Vec<Mistake>) {
    match text(path) {
        Ok(text) => Parts::of(path, &text),
        Err(mistake) => (Vec::new(), vec![mistake]),
    }
}

fn text(path: &Path) -> Result<String, Mistake> {
    let unreadable = |error: std::io::Error| {
        let words = match error.kind() {
            ErrorKind::NotFound => {
                "there is no such file; give --config (or WORLDKEEPER_CONFIG) one that exists"
                    .to_owned()
            }
            ErrorKind::PermissionDenied => format!(
                "it may not be read ({error}); let the user that runs the server read it and enter its \
                 folders"
            ),
            ErrorKind::IsADirectory => "it is a folder; give --config a file in it".to_owned(),
            _ => format!("it cannot be read: {error}"),
        };
        Mistake::file(path, words)
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    let limited = &mut file.take(MAX_BYTES + 1);
    limited.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        let words = format!("it is larger than {MAX_BYTES} bytes, which no configuration is");
        return Err(Mistake::file(path, words));
    }
    String::from_utf8(bytes).map_err(|error| {
        let (good, bad) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        let words = format!(
            "line {}: byte 0x{:02X} is not UTF-8; save the file as UTF-8",
            1 + good.iter().filter(|byte| **byte == b'\n').count(),
            bad.first().copied().unwrap_or_default(),
        );
        Mistake::file(path, words)
    })
}

struct Parts<'a> {
    path: &'a Path,
    text: &'a str,
    entries: Vec<Entry>,
    mistakes: Vec<Mistake>,
}

impl<'a> Parts<'a> {
    fn of(path: &'a Path, text: &'a str) -> (Vec<Entry>, Vec<Mistake>) {
        let mut parts = Self {
            path,
            text,
            entries: Vec::new(),
            mistakes: Vec::new(),
        };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            let words = format!("this is no TOML: {}", error.message().replace('\n', "; "));
            parts.wrong(at, words);
        }
        // What a broken file seems to say would only be noise beside why it is broken.
        if errors.is_empty() {
            for (section, value) in table.get_ref() {
                parts.section(section, value);
            }
        }
        (parts.entries, parts.mistakes)
    }

    fn source(&self, at: usize) -> Source {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Source::File(self.path.to_path_buf(), line)
    }

    fn wrong(&mut self, at: usize, words: String) {
        let place = self.source(at);
        self.mistakes.push(Mistake::Place { place, words });
    }

    fn section(&mut self, name: &Spanned<impl AsRef<str>>, value: &Spanned<DeValue<'_>>) {
        let (at, name) = (name.span().start, name.get_ref().as_ref());
        let known = sections();
        match value.get_ref() {
            DeValue::Table(table) if known.contains(&name) => {
                for (key, value) in table {
                    self.key(name, key, value);
                }
            }
            DeValue::Table(_) => {
                let meant = match suggestion(name, known.iter().copied()) {
                    none if none.is_empty() => format!("; there are {}", known.join(", ")),
                    meant => meant,
                };
                self.wrong(at, format!("unknown section {name}{meant}"));
            }
            _ => {
                let meant = match elsewhere(name) {
                    Some(key) => format!("did you mean {}?", key.path),
                    None => format!("there are the sections {}", known.join(", ")),
                };
                let words = format!("unknown key {name} outside of any section; {meant}");
                self.wrong(at, words);
            }
        }
    }

    fn key(
        &mut self,
        section: &str,
        name: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let (at, name) = (name.span().start, name.get_ref().as_ref());
        let Some(key) = Key::at(section, name) else {
            let known: Vec<&str> = keys::ALL
                .iter()
                .filter(|key| key.section() == section)
                .map(Key::name)
                .collect();
            let meant = match (suggestion(name, known.iter().copied()), elsewhere(name)) {
                (_, Some(key)) => format!("; did you mean {}?", key.path),
                (none, None) if none.is_empty() => format!("; known here: {}", known.join(", ")),
                (meant, None) => meant,
            };
            self.wrong(at, format!("unknown key {section}.{name}{meant}"));
            return;
        };
        let written = match value.get_ref() {
            DeValue::Integer(number) => {
                Written::Whole(i64::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::String(text) => Written::Text(text.clone().into_owned()),
            other => Written::Other(other.type_str()),
        };
        self.entries.push(Entry {
            key,
            written,
            source: self.source(at),
        });
    }
}

/// A key of this very name, in whatever section, if there is one alone.
fn elsewhere(name: &str) -> Option<&'static Key> {
    let mut found = keys::ALL.iter().filter(|key| key.name() == name);
    found.next().filter(|_| found.next().is_none())
}

fn sections() -> Vec<&'static str> {
    let mut sections: Vec<&str> = keys::ALL.iter().map(Key::section).collect();
    sections.dedup();
    sections
}
