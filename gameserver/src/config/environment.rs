//! The environment: our variables in it, and those that only look like ours.

use std::ffi::OsString;

use super::keys::{self, Key};
use super::mistake::{Mistake, Source, suggestion};

/// What all our variables begin with.
const PREFIX: &str = "WORLDKEEPER_";
/// The variable that names the file.
pub const CONFIG_VARIABLE: &str = "WORLDKEEPER_CONFIG";
/// Variables of the project's other programs begin so; they may be set in the same shell.
const OTHERS: [&str; 4] = [
    "WORLDKEEPER_OPERATOR_",
    "WORLDKEEPER_IMAGE_",
    "WORLDKEEPER_KUBECONFIG",
    "WORLDKEEPER_BIN_DIR",
];

/// What the environment sets, and what is wrong with it.
pub(super) fn read(
    variables: &[(OsString, OsString)],
) -> (Vec<(&'static Key, String)>, Vec<Mistake>) {
    let (mut found, mut mistakes) = (Vec::new(), Vec::new());
    for (name, value) in variables {
        // A name that is not UTF-8 is none of ours.
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        let place = Source::Variable(name.to_owned());
        let key = keys::ALL.iter().find(|key| key.variable() == name);
        match (key, value.to_str()) {
            (Some(key), Some(value)) => found.push((key, value.to_owned())),
            (Some(key), None) => mistakes.push(Mistake::Value {
                place,
                key: key.path,
                words: "is not UTF-8".to_owned(),
            }),
            (None, value) if !is_others(name, value.unwrap_or_default()) => {
                mistakes.push(Mistake::Place {
                    place,
                    words: unknown(name),
                });
            }
            (None, _) => {}
        }
    }
    (found, mistakes)
}

fn unknown(name: &str) -> String {
    let variables: Vec<String> = keys::ALL.iter().map(Key::variable).collect();
    // Compared without what all have in common, which would make all of them near.
    let rests = variables
        .iter()
        .filter_map(|name| name.strip_prefix(PREFIX));
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    let exact = keys::ALL
        .iter()
        .find(|key| key.name().eq_ignore_ascii_case(rest))
        .map(|key| format!("; did you mean {}?", key.variable()));
    let meant = exact
        .unwrap_or_else(|| suggestion(rest, rests).replacen("mean ", &format!("mean {PREFIX}"), 1));
    format!(
        "there is no such variable{meant}{}",
        if meant.is_empty() {
            "; config/CONFIGURATION.md lists them"
        } else {
            ""
        }
    )
}

fn is_others(name: &str, value: &str) -> bool {
    name == CONFIG_VARIABLE
        || OTHERS.iter().any(|other| name.starts_with(other))
        || of_a_service(name, value)
}

/// Kubernetes tells each container of every Service in its namespace, so a Service named
/// `worldkeeper-…` makes variables that begin as ours do. Their shapes:
/// `X_SERVICE_HOST`, `X_SERVICE_PORT[_NAME]`, `X_PORT` and `X_PORT_80_TCP[_PROTO|_PORT|_ADDR]`, where X is
/// the Service's name, which ends with a letter or digit.
fn of_a_service(name: &str, value: &str) -> bool {
    let is_service = |service: &str| {
        !service.is_empty() && !service.ends_with('_') && PREFIX.trim_end_matches('_') <= service
    };
    let ends = |end: &str| name.strip_suffix(end).is_some_and(is_service);
    let number = |text: &str| text.parse::<u16>().is_ok();
    let protocol = |text: &str| matches!(text, "TCP" | "UDP" | "SCTP");
    let url = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    if ends("_SERVICE_HOST") || (ends("_SERVICE_PORT") && number(value)) || (ends("_PORT") && url) {
        return true;
    }
    if let Some((service, _)) = name.split_once("_SERVICE_PORT_") {
        return is_service(service) && number(value);
    }
    let Some((service, rest)) = name.split_once("_PORT_") else {
        return false;
    };
    let mut parts = rest.split('_');
    let port = parts.next().is_some_and(number) && parts.next().is_some_and(protocol);
    let field = match (parts.next(), parts.next()) {
        (None, None) => url,
        (Some("PROTO" | "PORT" | "ADDR"), None) => true,
        _ => false,
    };
    is_service(service) && port && field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_services_are_not_ours() {
        for (name, value, others) in [
            ("WORLDKEEPER_SERVICE_HOST", "10.0.0.1", true),
            ("WORLDKEEPER_SERVICE_PORT", "80", true),
            ("WORLDKEEPER_SERVICE_PORT_HTTP", "80", true),
            ("WORLDKEEPER_SERVER_SERVICE_PORT_GAME_UDP", "80", true),
            ("WORLDKEEPER_PORT", "tcp://10.0.0.1:80", true),
            ("WORLDKEEPER_SERVER_PORT", "udp://10.0.0.1:80", true),
            ("WORLDKEEPER_SERVER__X_PORT", "tcp://10.0.0.1:80", true),
            ("WORLDKEEPER_PORT_80_TCP", "tcp://10.0.0.1:80", true),
            ("WORLDKEEPER_PORT_80_TCP_ADDR", "10.0.0.1", true),
            ("WORLDKEEPER_PORT_80_TCP_PROTO", "tcp", true),
            ("WORLDKEEPER_OPERATOR_HTTP_PORT", "8080", true),
            ("WORLDKEEPER_KUBECONFIG", "/x", true),
            ("WORLDKEEPER_PORT", "7777", false),
            ("WORLDKEEPER_SERVER_PORT", "7777", false),
            ("WORLDKEEPER_AGNT__PORT", "7777", false),
            ("WORLDKEEPER_AGNT__PORT", "tcp://10.0.0.1:80", false),
            ("WORLDKEEPER_SERVICE_PORT", "http", false),
            ("WORLDKEEPER_PORT_X_TCP", "tcp://10.0.0.1:80", false),
            ("WORLDKEEPER_SEED", "1", false),
        ] {
            assert_eq!(is_others(name, value), others, "{name}={value}");
        }
    }

    #[test]
    fn near_ones_are_suggested() {
        for (name, expect) in [
            ("WORLDKEEPER_PORT", "WORLDKEEPER_SERVER__PORT?"),
            ("WORLDKEEPER_SEED", "WORLDKEEPER_WORLD__SEED?"),
            ("WORLDKEEPER_WORLD__SEDE", "WORLDKEEPER_WORLD__SEED?"),
            (
                "WORLDKEEPER_SERVER_MAX_PLAYERS",
                "WORLDKEEPER_SERVER__MAX_PLAYERS?",
            ),
            ("WORLDKEEPER_NONSENSE", "CONFIGURATION.md"),
        ] {
            let words = unknown(name);
            assert!(words.contains(expect), "{name}: {words}");
        }
    }
}
