//! Calls to the agent of a game pod, as the operator makes them, and as it never would.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{Api, Client};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use worldkeeper_crds::agent::{AgentClaims, AgentError, TOKEN_ISSUER};

use crate::install::operator::NAMESPACE;

/// The Secret with the operator's keys.
pub(crate) const KEYS_SECRET: &str = "worldkeeper-agent-keys";
/// A new value of this annotation on it makes the operator rotate.
pub(crate) const ANNOTATION_ROTATE: &str = "worldkeeper.dev/rotate";
/// Key of its data.
const KEYRING: &str = "keyring.json";
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(5);

/// A key that signs tokens.
pub(crate) struct Signer {
    pub(crate) kid: String,
    key: SigningKey,
}

#[derive(Deserialize)]
struct KeyRing {
    keys: Vec<StoredKey>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredKey {
    kid: String,
    seed: String,
    #[serde(default)]
    signing_since: Option<String>,
    #[serde(default)]
    retired_since: Option<String>,
}

impl Signer {
    /// The key by which the operator signs now.
    pub(crate) async fn of_operator(client: &Client) -> Result<Self> {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
        let secret = secrets.get(KEYS_SECRET).await?;
        let data = secret
            .data
            .as_ref()
            .and_then(|data| data.get(KEYRING))
            .with_context(|| format!("{KEYS_SECRET} has no {KEYRING}"))?;
        let ring: KeyRing = serde_json::from_slice(&data.0).map_err(|error| {
            anyhow::anyhow!("{KEYRING} is not understood (line {})", error.line())
        })?;
        let signing = ring
            .keys
            .into_iter()
            .find(|key| key.signing_since.is_some() && key.retired_since.is_none())
            .context("no key of the operator signs")?;
        let seed = URL_SAFE_NO_PAD.decode(&signing.seed).ok();
        let seed = seed.and_then(|seed| <[u8; 32]>::try_from(seed).ok());
        Ok(Self {
            kid: signing.kid,
            key: SigningKey::from_bytes(&seed.context("the seed of a key has not 32 bytes")?),
        })
    }

    /// A key that nobody knows, under the name of another.
    pub(crate) fn forged(kid: &str) -> Self {
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        seed[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        Self {
            kid: kid.to_owned(),
            key: SigningKey::from_bytes(&seed),
        }
    }

    /// Signs whatever is given.
    pub(crate) fn sign<C: Serialize>(&self, claims: &C) -> Result<String> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        let der = self
            .key
            .to_pkcs8_der()
            .ok()
            .context("a key cannot be encoded")?;
        Ok(jsonwebtoken::encode(
            &header,
            claims,
            &EncodingKey::from_ed_der(der.as_bytes()),
        )?)
    }
}

/// Claims as the leader of `term` makes them, for one call to this pod.
pub(crate) fn claims(pod: &Pod, world: &str, epoch: i64, term: i64) -> Result<AgentClaims> {
    let now = u64::try_from(Timestamp::now().as_second())?;
    Ok(AgentClaims {
        iss: TOKEN_ISSUER.to_owned(),
        aud: pod.metadata.uid.clone().context("the pod has no uid")?,
        iat: now,
        exp: now + 30,
        jti: uuid::Uuid::new_v4().to_string(),
        term,
        world: world.to_owned(),
        epoch,
    })
}

/// An agent's answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

impl Answer {
    /// The reason of a refusal.
    pub(crate) fn reason(&self) -> Result<String> {
        let error: AgentError = serde_json::from_str(&self.body)
            .with_context(|| format!("{} with {:?} instead of a reason", self.status, self.body))?;
        Ok(error.reason)
    }
}

/// The address of a pod's agent.
pub(crate) fn address(pod: &Pod) -> Result<SocketAddr> {
    let ip = pod
        .status
        .as_ref()
        .and_then(|status| status.pod_ip.as_deref());
    let ip = ip.context("the pod has no address")?.parse()?;
    Ok(SocketAddr::new(ip, worldkeeper_crds::agent::DEFAULT_PORT))
}

/// One call. The body of a success on the stream's path is not waited for: its first bytes are enough.
pub(crate) async fn call(
    address: SocketAddr,
    method: Method,
    path: &str,
    token: Option<&str>,
) -> Result<Answer> {
    let talk = async {
        let stream = TcpStream::connect(address).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(&method)
            .uri(path)
            .header("host", "agent");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut response = sender
            .send_request(request.body(Empty::<Bytes>::new())?)
            .await?;
        let mut body = Vec::new();
        let streams = path == worldkeeper_crds::agent::WATCH_PATH && response.status().is_success();
        while let Some(frame) = response.frame().await {
            if let Ok(data) = frame?.into_data() {
                body.extend_from_slice(&data);
            }
            if streams && body.contains(&b'\n') {
                break;
            }
        }
        connection.abort();
        Ok(Answer {
            status: response.status(),
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    };
    match tokio::time::timeout(ANSWER, talk).await {
        Ok(answer) => answer,
        Err(_) => bail!(
            "{method} {path} was not answered within {} s",
            ANSWER.as_secs()
        ),
    }
}

/// The value of a counter in what `/metrics` answers, summed over its labels that contain `label`.
pub(crate) fn counter(metrics: &str, name: &str, label: &str) -> f64 {
    metrics
        .lines()
        .filter(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']) && rest.contains(label))
        })
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn counters_are_summed_by_label() {
        let metrics = "# HELP x_total x\nx_total{reason=\"A\"} 2\nx_total{reason=\"B\"} 3\nx_total_more 9\ny 4\n";
        assert!((counter(metrics, "x_total", "A") - 2.0).abs() < f64::EPSILON);
        assert!((counter(metrics, "x_total", "") - 5.0).abs() < f64::EPSILON);
        assert!((counter(metrics, "y", "") - 4.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_forged_key_signs_but_not_as_the_one_whose_name_it_bears() {
        let (one, other) = (Signer::forged("kid"), Signer::forged("kid"));
        let claims = serde_json::json!({"iss": "x"});
        assert_ne!(one.sign(&claims).unwrap(), other.sign(&claims).unwrap());
    }
}
