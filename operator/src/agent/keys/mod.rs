//! Keys that sign the tokens of agent calls, and the JWKS by which game pods verify them.
//!
//! The keys live in one Secret in the operator's namespace that only the leader writes, guarded by
//! its resourceVersion. Their public halves reach the pods in a ConfigMap, which takes a kubelet up
//! to a minute or two: hence the [stages](plan::Stage), and [`KeyRing::mint_previous`] for a pod
//! that is slower than that. Rotation ends no stream and no world.
//!
//! A person rotates at once, for instance after the Secret was seen by somebody, by giving the
//! Secret's annotation [`ANNOTATION_ROTATE`] a value that it did not have before.

pub mod plan;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey};
use futures::StreamExt;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client, ResourceExt,
    api::{ObjectMeta, PostParams},
    runtime::{WatchStreamExt, watcher::watch_object},
};
use rand::TryRngCore;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use worldkeeper_crds::{
    agent::{AgentClaims, MAX_TOKEN_SECONDS, TOKEN_ISSUER},
    names::MANAGED_BY,
};

use self::plan::{KeyTiming, KeyView, Plan, Stage};
use super::Incarnation;
use crate::telemetry::Metrics;

/// Annotation of the Secret: a new value makes a new key.
pub const ANNOTATION_ROTATE: &str = "worldkeeper.dev/rotate";

/// Key of the Secret's data that holds the keys.
const DATA_KEY: &str = "keyring.json";

/// Time that one call to the API server may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the keys are kept, and how long each is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyConfig {
    /// The operator's namespace.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// How long a key signs.
    pub rotation: Duration,
    /// How long a key is published before it signs, and after it signed.
    pub overlap: Duration,
}

impl KeyConfig {
    /// Keys that sign for `rotation` each.
    ///
    /// # Errors
    /// [`KeyError::Config`] if a name is empty, or a key would have to be published before its
    /// predecessor signs: `rotation` must be longer than `overlap`, and `overlap` a second or more.
    pub fn new(
        namespace: impl Into<String>,
        secret: impl Into<String>,
        rotation: Duration,
        overlap: Duration,
    ) -> Result<Self, KeyError> {
        let config = Self {
            namespace: namespace.into(),
            secret: secret.into(),
            rotation,
            overlap,
        };
        if config.namespace.is_empty() || config.secret.is_empty() {
            return Err(KeyError::Config(
                "the Secret's name and its namespace must not be empty".to_owned(),
            ));
        }
        if overlap < Duration::from_secs(1) || rotation <= overlap {
            return Err(KeyError::Config(format!(
                "the rotation ({rotation:?}) must be longer than the overlap ({overlap:?}), and \
                 that a second or more"
            )));
        }
        Ok(config)
    }

    fn timing(&self) -> KeyTiming {
        KeyTiming {
            rotation: self.rotation,
            overlap: self.overlap,
        }
    }
}

/// Why there is no token, or the keys could not be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The configuration makes no sense.
    #[error("{0}")]
    Config(String),
    /// No key has been read or made yet.
    #[error("no signing key has been loaded yet")]
    NotLoaded,
    /// A key cannot sign.
    #[error("the key {kid} cannot sign")]
    Sign {
        /// Which key.
        kid: String,
        /// Why.
        #[source]
        source: jsonwebtoken::errors::Error,
    },
    /// The operating system has no random numbers.
    #[error("no random numbers")]
    Random(#[source] rand::rand_core::OsError),
    /// The Secret's content is not ours, or damaged.
    #[error("the Secret's {DATA_KEY} cannot be read: {0}")]
    Unreadable(String),
    /// Another process wrote the Secret meanwhile.
    #[error("the Secret has changed meanwhile")]
    Conflict,
    /// The API server did not answer in time.
    #[error("no answer within {CALL_TIMEOUT:?}")]
    Timeout,
    /// The API server could not be reached, or refused.
    #[error(transparent)]
    Api(#[from] kube::Error),
}

impl KeyError {
    /// Finite reason, fit for a metric's label.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Config(_) => "Config",
            Self::NotLoaded => "NotLoaded",
            Self::Sign { .. } => "Sign",
            Self::Random(_) => "Random",
            Self::Unreadable(_) => "Unreadable",
            Self::Conflict => "Conflict",
            Self::Timeout => "Timeout",
            Self::Api(kube::Error::Api(status)) if status.code == 403 => "Forbidden",
            Self::Api(kube::Error::Api(_)) => "Refused",
            Self::Api(_) => "Unreachable",
        }
    }
}

/// The keys as the Secret holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    keys: Vec<StoredKey>,
    /// The annotation's value that has already had its effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotated: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredKey {
    kid: String,
    /// The private key's 32 bytes, base64url.
    seed: String,
    published: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signing_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired_since: Option<Timestamp>,
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKey")
            .field("kid", &self.kid)
            .field("stage", &self.stage())
            .finish_non_exhaustive()
    }
}

impl StoredKey {
    fn generate(stage: Stage) -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        rand::rngs::OsRng
            .try_fill_bytes(&mut seed)
            .map_err(KeyError::Random)?;
        let key = SigningKey::from_bytes(&seed);
        Ok(Self {
            kid: thumbprint(&public(&key)),
            seed: URL_SAFE_NO_PAD.encode(seed),
            published: stage.since(),
            signing_since: None,
            retired_since: None,
        }
        .at(stage))
    }

    fn stage(&self) -> Stage {
        match (self.retired_since, self.signing_since) {
            (Some(since), _) => Stage::Retired { since },
            (None, Some(since)) => Stage::Signing { since },
            (None, None) => Stage::Next {
                published: self.published,
            },
        }
    }

    fn at(mut self, stage: Stage) -> Self {
        match stage {
            Stage::Next { published } => {
                self.published = published;
                self.signing_since = None;
                self.retired_since = None;
            }
            Stage::Signing { since } => {
                self.signing_since = Some(since);
                self.retired_since = None;
            }
            Stage::Retired { since } => self.retired_since = Some(since),
        }
        self
    }

    fn key(&self) -> Result<SigningKey, KeyError> {
        let seed = URL_SAFE_NO_PAD
            .decode(&self.seed)
            .ok()
            .and_then(|seed| <[u8; 32]>::try_from(seed).ok())
            .ok_or_else(|| KeyError::Unreadable(format!("the seed of {}", self.kid)))?;
        Ok(SigningKey::from_bytes(&seed))
    }
}

impl Stored {
    fn parse(secret: &Secret) -> Result<Self, KeyError> {
        let bytes = secret
            .data
            .as_ref()
            .and_then(|data| data.get(DATA_KEY))
            .ok_or_else(|| KeyError::Unreadable("it is missing".to_owned()))?;
        let stored: Self = serde_json::from_slice(&bytes.0)
            // Without serde's words: they quote the input, and that is secret.
            .map_err(|error| KeyError::Unreadable(format!("line {}", error.line())))?;
        for key in &stored.keys {
            let kid = thumbprint(&public(&key.key()?));
            if kid != key.kid {
                return Err(KeyError::Unreadable(format!(
                    "{} is not its key's thumbprint",
                    key.kid
                )));
            }
        }
        Ok(stored)
    }

    fn views(&self) -> Vec<KeyView> {
        self.keys
            .iter()
            .map(|key| KeyView {
                kid: key.kid.clone(),
                stage: key.stage(),
            })
            .collect()
    }

    fn carry_out(&self, plan: &Plan, rotated: Option<String>) -> Result<Self, KeyError> {
        let keys = plan
            .keys
            .iter()
            .map(|planned| match &planned.kid {
                None => StoredKey::generate(planned.stage),
                Some(kid) => self
                    .keys
                    .iter()
                    .find(|key| key.kid == *kid)
                    .cloned()
                    .map(|key| key.at(planned.stage))
                    .ok_or_else(|| KeyError::Unreadable(format!("{kid} is missing"))),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { keys, rotated })
    }

    fn signing(&self) -> Option<&str> {
        self.keys
            .iter()
            .find(|key| matches!(key.stage(), Stage::Signing { .. }))
            .map(|key| key.kid.as_str())
    }
}

fn public(key: &SigningKey) -> String {
    URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes())
}

/// The JWK thumbprint of RFC 7638 with the members that RFC 8037 requires for Ed25519.
fn thumbprint(public: &str) -> String {
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}

/// The document that pods verify with, in the order of the kids, so that equal keys make equal text.
fn jwks(stored: &Stored) -> Result<String, KeyError> {
    let mut keys = BTreeMap::new();
    for key in &stored.keys {
        let public = public(&key.key()?);
        let jwk = serde_json::json!({
            "alg": "EdDSA",
            "crv": "Ed25519",
            "kid": key.kid,
            "kty": "OKP",
            "use": "sig",
            "x": public,
        });
        keys.insert(&key.kid, jwk);
    }
    let keys: Vec<_> = keys.into_values().collect();
    Ok(serde_json::json!({ "keys": keys }).to_string())
}

struct Signer {
    kid: String,
    key: EncodingKey,
}

impl Signer {
    fn new(stored: &StoredKey) -> Result<Self, KeyError> {
        let der = stored
            .key()?
            .to_pkcs8_der()
            .map_err(|_| KeyError::Unreadable(format!("the seed of {}", stored.kid)))?;
        Ok(Self {
            kid: stored.kid.clone(),
            key: EncodingKey::from_ed_der(der.as_bytes()),
        })
    }

    fn sign(&self, claims: &AgentClaims) -> Result<String, KeyError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|source| KeyError::Sign {
            kid: self.kid.clone(),
            source,
        })
    }
}

struct Signers {
    current: Signer,
    previous: Option<Signer>,
}

impl Signers {
    fn new(stored: &Stored) -> Result<Self, KeyError> {
        let mut current = None;
        let mut previous: Option<(&StoredKey, Timestamp)> = None;
        for key in &stored.keys {
            match key.stage() {
                Stage::Next { .. } => {}
                Stage::Signing { .. } => current = Some(key),
                Stage::Retired { since } => {
                    if previous.is_none_or(|(_, at)| at < since) {
                        previous = Some((key, since));
                    }
                }
            }
        }
        Ok(Self {
            current: Signer::new(current.ok_or(KeyError::NotLoaded)?)?,
            previous: previous.map(|(key, _)| Signer::new(key)).transpose()?,
        })
    }
}

/// The keys. Cheap to clone.
#[derive(Clone)]
pub struct KeyRing {
    signers: Arc<RwLock<Option<Signers>>>,
    jwks: watch::Receiver<Option<Arc<str>>>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("jwks", &*self.jwks.borrow())
            .finish_non_exhaustive()
    }
}

impl KeyRing {
    /// A token for one call to this incarnation's agent, by the leader of `term`.
    ///
    /// # Errors
    /// [`KeyError::NotLoaded`] before the first key.
    pub fn mint(&self, incarnation: &Incarnation, term: i64) -> Result<String, KeyError> {
        let signers = self.signers.read().unwrap_or_else(PoisonError::into_inner);
        let signers = signers.as_ref().ok_or(KeyError::NotLoaded)?;
        signers.current.sign(&claims(incarnation, term))
    }

    /// The same, signed with the key that signed before: for a pod that has not read the current one
    /// yet. `None` if there is no such key.
    ///
    /// # Errors
    /// As [`mint`](Self::mint).
    pub fn mint_previous(
        &self,
        incarnation: &Incarnation,
        term: i64,
    ) -> Result<Option<String>, KeyError> {
        let signers = self.signers.read().unwrap_or_else(PoisonError::into_inner);
        let signers = signers.as_ref().ok_or(KeyError::NotLoaded)?;
        signers
            .previous
            .as_ref()
            .map(|signer| signer.sign(&claims(incarnation, term)))
            .transpose()
    }

    /// The JWKS document to publish to the pods, and every change of it; `None` until the keys are
    /// loaded.
    #[must_use]
    pub fn jwks(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.jwks.clone()
    }
}

fn claims(incarnation: &Incarnation, term: i64) -> AgentClaims {
    let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
    AgentClaims {
        iss: TOKEN_ISSUER.to_owned(),
        aud: incarnation.pod_uid.clone(),
        iat: now,
        exp: now + MAX_TOKEN_SECONDS,
        jti: Uuid::new_v4().to_string(),
        term,
        world: incarnation.world.to_string(),
        epoch: incarnation.epoch,
    }
}

/// Fills a [`KeyRing`].
struct Filler {
    signers: Arc<RwLock<Option<Signers>>>,
    jwks: watch::Sender<Option<Arc<str>>>,
}

impl Filler {
    fn new() -> (Self, KeyRing) {
        let (jwks, receiver) = watch::channel(None);
        let signers = Arc::new(RwLock::new(None));
        let ring = KeyRing {
            signers: Arc::clone(&signers),
            jwks: receiver,
        };
        (Self { signers, jwks }, ring)
    }

    fn fill(&self, stored: &Stored) -> Result<(), KeyError> {
        let signers = Signers::new(stored)?;
        let document: Arc<str> = jwks(stored)?.into();
        *self.signers.write().unwrap_or_else(PoisonError::into_inner) = Some(signers);
        self.jwks.send_if_modified(|current| {
            let changed = current.as_ref() != Some(&document);
            if changed {
                *current = Some(document);
            }
            changed
        });
        Ok(())
    }
}

/// Keeps the Secret and fills the [`KeyRing`]; run by the leader only.
pub struct KeyManager {
    api: Api<Secret>,
    config: KeyConfig,
    metrics: Metrics,
    filler: Filler,
    /// What the Secret held when it was last read or written: if it is deleted or damaged, the keys
    /// that pods know go on.
    stored: Option<Stored>,
    /// The Secret's resourceVersion at that time.
    version: Option<String>,
}

impl fmt::Debug for KeyManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyManager")
            .field("config", &self.config)
            .field("stored", &self.stored)
            .finish_non_exhaustive()
    }
}

impl KeyManager {
    /// A manager and the ring that it fills.
    #[must_use]
    pub fn new(client: Client, config: KeyConfig, metrics: Metrics) -> (Self, KeyRing) {
        let (filler, ring) = Filler::new();
        let manager = Self {
            api: Api::namespaced(client, &config.namespace),
            config,
            metrics,
            filler,
            stored: None,
            version: None,
        };
        (manager, ring)
    }

    /// Loads, makes and rotates keys until `shutdown`. What fails is tried again; until then the
    /// keys that there are go on signing.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let name = self.config.secret.clone();
        let mut events = Box::pin(watch_object(self.api.clone(), &name).default_backoff());
        let mut failures = 0_u32;
        loop {
            let look_again = tokio::select! {
                () = shutdown.cancelled() => return,
                kept = self.keep() => match kept {
                    Ok(look_again) => {
                        failures = 0;
                        look_again
                    }
                    Err(error) => {
                        failures += 1;
                        self.metrics.key_error(error.category());
                        tracing::warn!(
                            %error,
                            category = error.category(),
                            secret = name,
                            "could not keep the signing keys",
                        );
                        backoff(failures)
                    }
                },
            };
            let again = tokio::time::sleep(look_again);
            tokio::pin!(again);
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = &mut again => break,
                    event = events.next() => match event {
                        // After a failure the backoff decides when, not the watch.
                        Some(Ok(secret)) if failures == 0 => {
                            let version = secret.and_then(|s| s.metadata.resource_version);
                            if version != self.version {
                                break;
                            }
                        }
                        Some(Ok(_)) => {}
                        Some(Err(error)) => {
                            self.metrics.key_error("Watch");
                            tracing::debug!(%error, "the watch of the Secret starts again");
                        }
                        None => std::future::pending().await,
                    },
                }
            }
        }
    }

    /// Reads the Secret, writes what is to change, fills the ring; answers when to look again.
    async fn keep(&mut self) -> Result<Duration, KeyError> {
        let secret = limited(self.api.get_opt(&self.config.secret)).await?;
        let read = match secret.as_ref().map(Stored::parse) {
            Some(Ok(stored)) => Some(stored),
            Some(Err(error)) => {
                self.metrics.key_error(error.category());
                tracing::warn!(%error, "the Secret is damaged and is written anew");
                None
            }
            None => None,
        };
        let wish = secret
            .as_ref()
            .and_then(|secret| secret.annotations().get(ANNOTATION_ROTATE).cloned());
        let (base, intact) = match (read, &self.stored) {
            (Some(read), _) => (read, true),
            (None, Some(known)) => (known.clone(), false),
            (None, None) => (Stored::default(), false),
        };
        let force = wish.is_some() && wish != base.rotated;
        let plan = plan::plan(Timestamp::now(), &base.views(), self.config.timing(), force);
        // A wish that was taken back leaves what was recorded: the same value again is not new.
        let rotated = wish.or_else(|| base.rotated.clone());
        let stored = if plan.changed {
            base.carry_out(&plan, rotated)?
        } else {
            Stored {
                rotated,
                ..base.clone()
            }
        };
        let version = if intact && stored == base {
            secret.and_then(|secret| secret.metadata.resource_version)
        } else {
            let written = self.write(secret, &stored).await?;
            tracing::info!(
                keys = stored.keys.len(),
                signing = stored.signing(),
                forced = force,
                "signing keys written",
            );
            written.metadata.resource_version
        };
        // Only what is written signs: a key that no other leader knows of would be lost with us.
        self.filler.fill(&stored)?;
        self.metrics.keys_published(stored.keys.len());
        let signed_before = self.stored.as_ref().and_then(Stored::signing);
        if signed_before.is_some() && signed_before != stored.signing() {
            self.metrics.key_rotated();
        }
        self.stored = Some(stored);
        self.version = version;
        Ok(plan.look_again)
    }

    async fn write(&self, secret: Option<Secret>, stored: &Stored) -> Result<Secret, KeyError> {
        let bytes =
            serde_json::to_vec(stored).map_err(|error| KeyError::Unreadable(error.to_string()))?;
        let params = PostParams::default();
        if let Some(mut secret) = secret {
            secret
                .data
                .get_or_insert_default()
                .insert(DATA_KEY.to_owned(), ByteString(bytes));
            secret.metadata.managed_fields = None;
            return limited(self.api.replace(&self.config.secret, &params, &secret)).await;
        }
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.config.secret.clone()),
                namespace: Some(self.config.namespace.clone()),
                labels: Some(
                    [(
                        "app.kubernetes.io/managed-by".to_owned(),
                        MANAGED_BY.to_owned(),
                    )]
                    .into(),
                ),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some([(DATA_KEY.to_owned(), ByteString(bytes))].into()),
            ..Secret::default()
        };
        limited(self.api.create(&params, &secret)).await
    }
}

fn backoff(failures: u32) -> Duration {
    let cap = Duration::from_secs(30);
    let full = Duration::from_millis(200)
        .saturating_mul(1 << failures.min(10))
        .min(cap);
    full.mul_f64(rand::random_range(0.5..1.0))
}

async fn limited<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, KeyError> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => Err(KeyError::Conflict),
        Ok(Err(error)) => Err(KeyError::Api(error)),
        Err(_) => Err(KeyError::Timeout),
    }
}

/// A ring with the given keys, oldest first, of which the last signs: for tests of what stands on
/// it.
#[cfg(test)]
pub(crate) fn ring_for_tests(keys: usize) -> (KeyRing, Vec<jsonwebtoken::jwk::JwkSet>) {
    #![allow(clippy::unwrap_used)]
    let (filler, ring) = Filler::new();
    let now = Timestamp::now();
    let mut stored = Stored::default();
    let mut sets = Vec::new();
    for index in 0..keys {
        let since = now - Duration::from_secs((keys - index) as u64);
        let stage = if index + 1 == keys {
            Stage::Signing { since }
        } else {
            Stage::Retired { since }
        };
        let key = StoredKey::generate(stage).unwrap();
        let alone = Stored {
            keys: vec![key.clone()],
            rotated: None,
        };
        sets.push(serde_json::from_str(&jwks(&alone).unwrap()).unwrap());
        stored.keys.push(key);
    }
    filler.fill(&stored).unwrap();
    (ring, sets)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use jsonwebtoken::{DecodingKey, Validation, jwk::JwkSet};

    use super::*;
    use crate::agent::WorldKey;

    fn incarnation() -> Incarnation {
        Incarnation {
            world: WorldKey::new("games", "dungeon-7"),
            epoch: 4,
            pod_uid: "5c3d".to_owned(),
            addr: ([127, 0, 0, 1], 9090).into(),
            stale_after: Duration::from_secs(10),
        }
    }

    fn verify(token: &str, set: &JwkSet) -> jsonwebtoken::errors::Result<AgentClaims> {
        let kid = jsonwebtoken::decode_header(token)?.kid.unwrap();
        let jwk = set.find(&kid).unwrap_or(&set.keys[0]);
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&["5c3d"]);
        validation.set_issuer(&[TOKEN_ISSUER]);
        let key = DecodingKey::from_jwk(jwk)?;
        Ok(jsonwebtoken::decode::<AgentClaims>(token, &key, &validation)?.claims)
    }

    #[test]
    fn tokens_verify_with_the_jwks() {
        let (ring, sets) = ring_for_tests(2);
        let token = ring.mint(&incarnation(), 12).unwrap();
        let claims = verify(&token, &sets[1]).unwrap();
        assert_eq!(
            (claims.world.as_str(), claims.epoch, claims.term),
            ("games/dungeon-7", 4, 12)
        );
        assert_eq!(claims.exp - claims.iat, MAX_TOKEN_SECONDS);
        assert!(verify(&token, &sets[0]).is_err());

        let old = ring.mint_previous(&incarnation(), 12).unwrap().unwrap();
        let before = verify(&old, &sets[0]).unwrap();
        assert_ne!(before.jti, claims.jti);

        let published = ring.jwks().borrow().clone().unwrap();
        let both: JwkSet = serde_json::from_str(&published).unwrap();
        assert_eq!(both.keys.len(), 2);
        assert!(verify(&old, &both).is_ok() && verify(&token, &both).is_ok());
    }

    #[test]
    fn without_keys_there_are_no_tokens() {
        let (_filler, ring) = Filler::new();
        let error = ring.mint(&incarnation(), 1).unwrap_err();
        assert_eq!(error.category(), "NotLoaded");
        assert!(ring.jwks().borrow().is_none());
        let (ring, _) = ring_for_tests(1);
        assert!(ring.mint_previous(&incarnation(), 1).unwrap().is_none());
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037() {
        // Appendix A.3 of RFC 8037.
        assert_eq!(
            thumbprint("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn the_document_does_not_hang_on_the_order_of_keys() {
        let now = Timestamp::now();
        let mut stored = Stored {
            keys: vec![
                StoredKey::generate(Stage::Signing { since: now }).unwrap(),
                StoredKey::generate(Stage::Next { published: now }).unwrap(),
            ],
            rotated: None,
        };
        let before = jwks(&stored).unwrap();
        stored.keys.reverse();
        assert_eq!(before, jwks(&stored).unwrap());
        assert!(!before.contains(&stored.keys[0].seed));
    }

    #[test]
    fn the_secret_keeps_everything() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let stored = Stored::default()
            .carry_out(
                &plan::plan(
                    now,
                    &[],
                    KeyTiming {
                        rotation: Duration::from_secs(100),
                        overlap: Duration::from_secs(10),
                    },
                    false,
                ),
                Some("2027-01".to_owned()),
            )
            .unwrap();
        let bytes = serde_json::to_vec(&stored).unwrap();
        let secret = Secret {
            data: Some([(DATA_KEY.to_owned(), ByteString(bytes))].into()),
            ..Secret::default()
        };
        assert_eq!(Stored::parse(&secret).unwrap(), stored);
        assert!(!format!("{stored:?}").contains(&stored.keys[0].seed));
    }

    #[test]
    fn damage_is_noticed_and_not_quoted() {
        let now = Timestamp::now();
        let whole = Stored {
            keys: vec![StoredKey::generate(Stage::Signing { since: now }).unwrap()],
            rotated: None,
        };
        let mut short = whole.clone();
        short.keys[0].seed.pop();
        let mut swapped = whole.clone();
        swapped.keys[0].kid = "other".to_owned();
        for bytes in [
            b"{".to_vec(),
            b"\"s3cret\"".to_vec(),
            serde_json::to_vec(&short).unwrap(),
            serde_json::to_vec(&swapped).unwrap(),
        ] {
            let secret = Secret {
                data: Some([(DATA_KEY.to_owned(), ByteString(bytes))].into()),
                ..Secret::default()
            };
            let error = Stored::parse(&secret).unwrap_err();
            assert_eq!(error.category(), "Unreadable");
            assert!(!error.to_string().contains("s3cret"));
        }
        assert!(Stored::parse(&Secret::default()).is_err());
    }

    #[test]
    fn impossible_configurations_are_refused() {
        let seconds = Duration::from_secs;
        for (rotation, overlap) in [(10, 10), (10, 20), (10, 0)] {
            let error = KeyConfig::new("ns", "s", seconds(rotation), seconds(overlap)).unwrap_err();
            assert_eq!(error.category(), "Config");
        }
        assert!(KeyConfig::new("ns", "s", seconds(20), seconds(10)).is_ok());
    }
}
