//! The configuration for people: what takes effect and why, every key in its three forms, a file to
//! start from.

use std::fmt::Write as _;

use super::keys;
use super::kind::Kind;
use super::settings::Settings;

/// What takes effect, as a file, with the source of each value.
#[must_use]
pub fn effective(settings: &Settings) -> String {
    let mut out = String::new();
    let mut section = "";
    let lines: Vec<(String, String)> = settings
        .all()
        .iter()
        .map(|setting| {
            let value = setting.key.kind.to_toml(&setting.text);
            let wrong = if setting.value.is_none() {
                ", wrong"
            } else {
                ""
            };
            (
                format!("{} = {value}", setting.key.name()),
                format!("{}{wrong}", setting.source),
            )
        })
        .collect();
    let width = lines.iter().map(|(line, _)| line.chars().count()).max();
    let width = width.unwrap_or_default().min(48);
    for (setting, (line, source)) in settings.all().iter().zip(lines) {
        if setting.key.section() != section {
            let gap = if section.is_empty() { "" } else { "\n" };
            section = setting.key.section();
            let _ = writeln!(out, "{gap}[{section}]");
        }
        let _ = writeln!(out, "{line:width$}  # {source}");
    }
    out
}

/// `config/CONFIGURATION.md`.
#[must_use]
pub fn documentation() -> String {
    let mut out = String::from(HEAD);
    let mut section = "";
    for key in keys::ALL {
        if key.section() != section {
            section = key.section();
            let _ = write!(
                out,
                "\n## {section}\n\n| File | Environment | Flag | Default | Values | Meaning |\n|---|---|---|---|---|---|\n"
            );
        }
        let default = match key.default {
            "" => "empty".to_owned(),
            default => format!("`{default}`"),
        };
        let meaning = key.meaning.trim().replace('|', "\\|");
        let _ = writeln!(
            out,
            "| `{}` | `{}` | `--{}` | {default} | {} | {meaning} |",
            key.path,
            key.variable(),
            key.flag,
            values(key.kind),
        );
    }
    out
}

const HEAD: &str = "\
# Configuration of worldkeeper-server

Every key can be given in three ways. Flags win over the environment, the environment over the file
(`--config FILE` or `WORLDKEEPER_CONFIG`), the file over the defaults.

- `worldkeeper-server config check` prints what takes effect and where each value came from; with
  mistakes it says all of them, each with its place and the remedy, and ends with 2. So does a start.
- Unknown keys, and variables that begin with `WORLDKEEPER_` and are none of these, are refused.
  Variables that Kubernetes makes for Services named `worldkeeper…` are passed over.
- `--verbose` stands for `--log-level info,worldkeeper=debug`.
- Times are whole seconds.

`config/server.toml` has every key with its default, `config/desk.toml` what is useful at a desk,
`config/studio.toml` what a studio's deployment sets.

This file and `config/server.toml` are written from the program's own table: `just generate`.
";

/// What a key takes, in few words.
#[must_use]
pub fn values(kind: Kind) -> String {
    match kind {
        Kind::Address => "an IP address".to_owned(),
        Kind::Port => "0 to 65535".to_owned(),
        Kind::Filter => "a level or a filter".to_owned(),
        Kind::Choice(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(", ")
        }
        other => other.choices(),
    }
}

/// `config/server.toml`.
#[must_use]
pub fn sample() -> String {
    let mut out = String::from(SAMPLE_HEAD);
    let mut section = "";
    for key in keys::ALL {
        if key.section() != section {
            section = key.section();
            let _ = write!(out, "\n[{section}]\n");
        }
        for line in wrapped(&format!("{} ({})", key.meaning.trim(), values(key.kind))) {
            let _ = writeln!(out, "# {line}");
        }
        let _ = writeln!(out, "{} = {}", key.name(), key.kind.to_toml(key.default));
    }
    out
}

const SAMPLE_HEAD: &str = "\
# Configuration of worldkeeper-server: every key with its default.
#
#   worldkeeper-server --config config/server.toml
#
# config/CONFIGURATION.md shows each key's variable and flag, which win over this file.
# `worldkeeper-server config check --config FILE` checks a file without starting a world.
";

/// Lines of at most 100 characters.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.replace('`', "").split(' ') {
        let full = lines.last().is_some_and(|line| {
            !line.is_empty() && line.chars().count() + word.chars().count() > 98
        });
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
