//! Who may call: every call under [`worldkeeper_crds::agent::PATH_PREFIX`] passes here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use worldkeeper_crds::agent::AgentClaims;

use super::keys::KeyFile;
use super::refusal::Refusal;
use super::replay::Replay;
use super::token::{self, Addressee};
use crate::config::{Auth, World};
use crate::metrics::Metrics;

/// Whether a call changes something. A token is good once for those that do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Read,
    Change,
}

/// Decides about calls.
#[derive(Debug)]
pub struct Gate {
    auth: Option<Authority>,
    /// Highest term seen.
    term: watch::Sender<i64>,
    replay: Mutex<Replay>,
}

#[derive(Debug)]
struct Authority {
    keys: KeyFile,
    addressee: Addressee,
}

impl Gate {
    /// Without `auth` every call is refused.
    #[must_use]
    pub fn new(auth: Option<&Auth>, world: &World, metrics: Arc<Metrics>) -> Self {
        let auth = auth.map(|auth| Authority {
            keys: KeyFile::new(auth.jwks_file.clone(), metrics),
            addressee: Addressee {
                pod_uid: auth.pod_uid.clone(),
                world: world.name.to_string(),
                epoch: i64::try_from(world.epoch).unwrap_or(i64::MAX),
            },
        });
        Self {
            auth,
            term: watch::Sender::new(0),
            replay: Mutex::default(),
        }
    }

    /// Keeps the keys up to date until `stop`.
    pub async fn run(&self, stop: &CancellationToken) {
        if let Some(auth) = &self.auth {
            auth.keys.run(stop).await;
        }
    }

    /// Lets a call pass, or says why not. `authorization` is the header's value.
    pub(super) async fn admit(
        &self,
        authorization: Option<&str>,
        call: Call,
    ) -> Result<AgentClaims, Refusal> {
        let bearer = authorization.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme
                .eq_ignore_ascii_case("bearer")
                .then_some(token.trim())
        });
        let (Some(auth), Some(token)) = (&self.auth, bearer) else {
            return Err(Refusal::TokenMissing);
        };
        let kid = token::key_id(token)?;
        let key = auth.keys.find(&kid).await;
        let key = key.ok_or(Refusal::TokenInvalid("its key is not known"))?;
        let claims = token::open(token, &key)?;
        self.accept(claims, &auth.addressee, call, unix_now())
    }

    fn accept(
        &self,
        claims: AgentClaims,
        addressee: &Addressee,
        call: Call,
        now: u64,
    ) -> Result<AgentClaims, Refusal> {
        token::check(&claims, addressee, now)?;
        // One lock over both: no call of a lower term may slip in between.
        let mut replay = self.replay.lock().unwrap_or_else(PoisonError::into_inner);
        if claims.term < *self.term.borrow() {
            return Err(Refusal::StaleTerm);
        }
        if call == Call::Change {
            replay.spend(&claims.jti, claims.exp, now)?;
        }
        self.term.send_if_modified(|term| {
            let newer = claims.term > *term;
            *term = (*term).max(claims.term);
            newer
        });
        Ok(claims)
    }

    /// Returns when a term higher than `term` has been seen.
    pub(super) fn superseded(&self, term: i64) -> impl Future<Output = ()> + use<> {
        let mut newest = self.term.subscribe();
        async move {
            if newest.wait_for(|newest| *newest > term).await.is_err() {
                // The gate is gone, and with it everyone who could call.
            }
        }
    }
}

fn unix_now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use worldkeeper_crds::agent::TOKEN_ISSUER;

    use super::*;

    fn gate() -> Gate {
        Gate {
            auth: None,
            term: watch::Sender::new(0),
            replay: Mutex::default(),
        }
    }

    fn call(gate: &Gate, jti: &str, term: i64, call: Call) -> Result<(), &'static str> {
        let addressee = Addressee {
            pod_uid: "uid".into(),
            world: "a/b".into(),
            epoch: 1,
        };
        let claims = AgentClaims {
            iss: TOKEN_ISSUER.into(),
            aud: "uid".into(),
            iat: 100,
            exp: 160,
            jti: jti.into(),
            term,
            world: "a/b".into(),
            epoch: 1,
        };
        gate.accept(claims, &addressee, call, 100)
            .map(|_| ())
            .map_err(Refusal::reason)
    }

    #[test]
    fn terms_only_rise_and_changes_are_done_once() {
        use Call::{Change, Read};
        let gate = gate();
        for (jti, term, kind, expect) in [
            ("a", 3, Read, Ok(())),
            ("a", 3, Read, Ok(())),
            ("a", 3, Change, Ok(())),
            ("a", 3, Change, Err("TokenReplayed")),
            ("a", 3, Read, Ok(())),
            ("b", 2, Read, Err("StaleTerm")),
            ("b", 2, Change, Err("StaleTerm")),
            ("b", 3, Change, Ok(())),
            // A replayed token does not raise the term.
            ("b", 9, Change, Err("TokenReplayed")),
            ("c", 3, Change, Ok(())),
            ("d", 4, Read, Ok(())),
            ("e", 3, Change, Err("StaleTerm")),
        ] {
            assert_eq!(call(&gate, jti, term, kind), expect, "{jti} {term}");
        }
    }

    #[tokio::test]
    async fn a_higher_term_ends_lower_ones() {
        let gate = gate();
        call(&gate, "a", 1, Call::Read).unwrap();
        let (old, new) = (gate.superseded(1), gate.superseded(2));
        call(&gate, "b", 2, Call::Read).unwrap();
        old.await;
        let soon = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, new).await.is_err());
    }
}
