//! The keys as they are written, before their values are checked.

use std::path::Path;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};
use worldkeeper_crds::agent;

use super::error::ConfigError;
use crate::protocol::limits;

/// Variables whose name starts so and has a `__` are keys. Others, such as those that Kubernetes makes
/// for a Service named `worldkeeper`, are not ours.
const PREFIX: &str = "WORLDKEEPER_";
/// Between section and key in a variable's name.
const SEPARATOR: &str = "__";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) server: Server,
    pub(super) world: World,
    pub(super) agent: Agent,
    pub(super) logging: Logging,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u32,
    pub(super) max_players: u32,
    pub(super) tick_rate_hz: u32,
    pub(super) max_frame_bytes: u32,
    pub(super) resume_grace_seconds: u32,
    pub(super) hello_timeout_seconds: u32,
    pub(super) silence_timeout_seconds: u32,
    pub(super) ping_interval_seconds: u32,
    pub(super) max_messages_per_second: u32,
    pub(super) view_radius_metres: u32,
    pub(super) max_visible: u32,
    pub(super) json_max_clients: u32,
    pub(super) json_rate_hz: u32,
    pub(super) closing_notice_seconds: u32,
    pub(super) worker_threads: u32,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".into(),
            port: limits::DEFAULT_PLAYER_PORT.into(),
            max_players: 100,
            tick_rate_hz: 20,
            max_frame_bytes: 2048,
            resume_grace_seconds: 60,
            hello_timeout_seconds: 10,
            silence_timeout_seconds: 40,
            ping_interval_seconds: 15,
            max_messages_per_second: 120,
            view_radius_metres: 100,
            max_visible: 64,
            json_max_clients: 16,
            json_rate_hz: 5,
            closing_notice_seconds: 2,
            worker_threads: 2,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct World {
    pub(super) name: String,
    pub(super) seed: u64,
    pub(super) genre: String,
    pub(super) size: u64,
    pub(super) epoch: u64,
}

impl Default for World {
    fn default() -> Self {
        Self {
            name: "local/world".into(),
            seed: 1,
            genre: "Fantasy".into(),
            size: 2000,
            epoch: 1,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Agent {
    pub(super) host: String,
    pub(super) port: u32,
    pub(super) jwks_file: String,
    pub(super) pod_uid: String,
    pub(super) socket: String,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".into(),
            port: agent::DEFAULT_PORT.into(),
            jwks_file: String::new(),
            pod_uid: String::new(),
            socket: String::new(),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Logging {
    pub(super) format: String,
    pub(super) level: String,
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            format: "text".into(),
            level: "info".into(),
        }
    }
}

impl File {
    pub(super) fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(path) = path {
            // figment passes over a missing file; one that was asked for must be there.
            let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
                path: path.into(),
                source,
            })?;
            // Parsed here first, for the parser's own words with line and column.
            toml::from_str::<toml::Table>(&text).map_err(|source| ConfigError::Syntax {
                path: path.into(),
                source: Box::new(source),
            })?;
            figment = figment.merge(Toml::file_exact(path));
        }
        let env = Env::prefixed(PREFIX)
            .filter(|key| key.as_str().contains(SEPARATOR))
            .split(SEPARATOR);
        figment.merge(env).extract().map_err(ConfigError::from)
    }
}
