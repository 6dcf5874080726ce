//! The operator's public keys, from a file that changes under us: the kubelet swaps a symlink when the
//! `ConfigMap` changes. A file that cannot be read or parsed changes nothing: the last good keys stay.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use serde::Deserialize;
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::metrics::Metrics;

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_secs(2);
/// Shortest time between two looks for the sake of a key that is not known: whoever sends tokens of
/// made-up keys must not make us read all the time.
const SPACING: Duration = Duration::from_secs(1);
/// Largest file.
const MAX_BYTES: u64 = 64 * 1024;
/// Most keys.
const MAX_KEYS: usize = 16;

/// Why there are no new keys.
#[derive(Debug, Error)]
enum KeyError {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("has more than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("is no JWKS: {0}")]
    Syntax(#[from] serde_json::Error),
    #[error("has more than {MAX_KEYS} keys")]
    TooMany,
}

type Keys = BTreeMap<String, DecodingKey>;

/// The keys, kept up to date.
#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
    keys: RwLock<Arc<Keys>>,
    read: Mutex<LastRead>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct LastRead {
    bytes: Vec<u8>,
    at: Option<Instant>,
    failed: bool,
}

impl KeyFile {
    /// Of this file; reads nothing yet.
    pub(super) fn new(path: PathBuf, metrics: Arc<Metrics>) -> Self {
        Self {
            path,
            keys: RwLock::default(),
            read: Mutex::default(),
            metrics,
        }
    }

    /// Keeps the keys up to date until `stop`.
    pub(super) async fn run(&self, stop: &CancellationToken) {
        loop {
            self.refresh().await;
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// The key of that name; looks into the file again if there is none.
    pub(super) async fn find(&self, kid: &str) -> Option<DecodingKey> {
        let known = |keys: &Keys| keys.get(kid).cloned();
        if let Some(key) = known(&self.current()) {
            return Some(key);
        }
        let recent = {
            let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            read.at.is_some_and(|at| at.elapsed() < SPACING)
        };
        if recent {
            return None;
        }
        self.refresh().await;
        known(&self.current())
    }

    fn current(&self) -> Arc<Keys> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn refresh(&self) {
        let result = self.load().await;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.at = Some(Instant::now());
        let bytes = match result {
            Ok(bytes) if bytes == read.bytes && !read.failed => return,
            Ok(bytes) => bytes,
            Err(error) => return self.failed(&mut read, &error),
        };
        match parse(&bytes) {
            Ok(keys) => {
                read.bytes = bytes;
                read.failed = false;
                let names: Vec<_> = keys.keys().collect();
                info!(file = %self.path.display(), keys = ?names, "operator's keys read");
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
            }
            Err(error) => self.failed(&mut read, &error),
        }
    }

    fn failed(&self, read: &mut LastRead, error: &KeyError) {
        self.metrics.key_failures.inc();
        // Once, not every two seconds.
        if !std::mem::replace(&mut read.failed, true) {
            warn!(file = %self.path.display(), %error, "operator's keys not read; the last ones stay");
        }
    }

    async fn load(&self) -> Result<Vec<u8>, KeyError> {
        let file = tokio::fs::File::open(&self.path).await?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).await?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(KeyError::TooLarge);
        }
        Ok(bytes)
    }
}

fn parse(bytes: &[u8]) -> Result<Keys, KeyError> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(bytes)?;
    if set.keys.len() > MAX_KEYS {
        return Err(KeyError::TooMany);
    }
    // A key of another kind is not for us, and no reason to lose the others.
    Ok(set.keys.into_iter().filter_map(ed25519).collect())
}

fn ed25519(key: serde_json::Value) -> Option<(String, DecodingKey)> {
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    let AlgorithmParameters::OctetKeyPair(parameters) = &jwk.algorithm else {
        return None;
    };
    if parameters.curve != EllipticCurve::Ed25519 {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    // 32 bytes, or it can verify nothing.
    (key.try_get_as_bytes().ok()?.len() == 32).then_some(())?;
    Some((jwk.common.key_id?, key))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_ed25519_keys_with_a_name_count() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let set = format!(
            r#"{{"keys":[
                {{"kty":"OKP","crv":"Ed25519","kid":"good","alg":"EdDSA","use":"sig","x":"{x}"}},
                {{"kty":"OKP","crv":"Ed25519","x":"{x}"}},
                {{"kty":"OKP","crv":"Ed25519","kid":"short","x":"AAAA"}},
                {{"kty":"oct","kid":"shared","k":"c2VjcmV0"}},
                {{"kty":"RSA","kid":"rsa","n":"AQAB","e":"AQAB"}},
                {{"kty":"new","kid":"future"}},
                7
            ]}}"#
        );
        let keys = parse(set.as_bytes()).unwrap();
        assert_eq!(keys.keys().collect::<Vec<_>>(), ["good"]);
    }

    #[test]
    fn what_is_no_set() {
        for bytes in ["", "[]", "{}", r#"{"keys":1}"#, "\u{0}"] {
            assert!(
                matches!(parse(bytes.as_bytes()), Err(KeyError::Syntax(_))),
                "{bytes}"
            );
        }
        let many = format!(r#"{{"keys":[{}1]}}"#, "1,".repeat(MAX_KEYS));
        assert!(matches!(parse(many.as_bytes()), Err(KeyError::TooMany)));
    }
}
