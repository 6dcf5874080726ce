//! Checks a token against the keys and what this incarnation is. Pure but for the signature's
//! arithmetic; the time comes from outside.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use worldkeeper_crds::agent::{AgentClaims, MAX_TOKEN_SECONDS, TOKEN_ISSUER};

use super::refusal::Refusal;

/// Difference of clocks that is forgiven, in seconds.
pub(super) const LEEWAY: u64 = 5;
/// Longest token, in bytes.
const MAX_TOKEN_BYTES: usize = 4096;
/// Longest `jti`, in bytes: it is remembered.
const MAX_JTI_BYTES: usize = 128;

/// Whom tokens must be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Addressee {
    pub(super) pod_uid: String,
    pub(super) world: String,
    pub(super) epoch: i64,
}

/// The key that a token names.
pub(super) fn key_id(token: &str) -> Result<String, Refusal> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Refusal::TokenInvalid("it is too long"));
    }
    let header = decode_header(token).map_err(|_| Refusal::TokenInvalid("it is no JWT"))?;
    if header.alg != Algorithm::EdDSA {
        return Err(Refusal::TokenInvalid("its algorithm is not EdDSA"));
    }
    header.kid.ok_or(Refusal::TokenInvalid("it names no key"))
}

/// Verifies the signature and gives the claims, unchecked.
pub(super) fn open(token: &str, key: &DecodingKey) -> Result<AgentClaims, Refusal> {
    let mut validation = Validation::new(Algorithm::EdDSA);
    // `check` looks at every claim, against a clock that tests can set.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    match decode(token, key, &validation) {
        Ok(data) => Ok(data.claims),
        Err(_) => Err(Refusal::TokenInvalid(
            "its signature or its claims are wrong",
        )),
    }
}

/// Checks the claims of a token whose signature is right, at Unix time `now`.
pub(super) fn check(claims: &AgentClaims, addressee: &Addressee, now: u64) -> Result<(), Refusal> {
    let AgentClaims {
        iss,
        aud,
        iat,
        exp,
        jti,
        term,
        world,
        epoch,
    } = claims;
    if iss != TOKEN_ISSUER {
        return Err(Refusal::TokenInvalid("it is of another issuer"));
    }
    if *aud != addressee.pod_uid {
        return Err(Refusal::WrongAudience);
    }
    if exp <= iat || exp - iat > MAX_TOKEN_SECONDS {
        return Err(Refusal::TokenInvalid("it lives too long"));
    }
    if *iat > now.saturating_add(LEEWAY) {
        return Err(Refusal::TokenInvalid("it is from the future"));
    }
    if now > exp.saturating_add(LEEWAY) {
        return Err(Refusal::TokenExpired);
    }
    if *world != addressee.world || *epoch != addressee.epoch {
        return Err(Refusal::WrongWorld);
    }
    if *term < 0 {
        return Err(Refusal::TokenInvalid("its term is negative"));
    }
    if jti.is_empty() || jti.len() > MAX_JTI_BYTES {
        return Err(Refusal::TokenInvalid("its jti is empty or too long"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn addressee() -> Addressee {
        Addressee {
            pod_uid: "uid".into(),
            world: "games/f-1".into(),
            epoch: 3,
        }
    }

    fn good() -> AgentClaims {
        AgentClaims {
            iss: TOKEN_ISSUER.into(),
            aud: "uid".into(),
            iat: NOW,
            exp: NOW + 60,
            jti: "1".into(),
            term: 0,
            world: "games/f-1".into(),
            epoch: 3,
        }
    }

    type Change = fn(&mut AgentClaims);
    type Check = fn(&AgentClaims, &Addressee, u64) -> Result<(), Refusal>;

    const CASES: &[(&str, Change, Result<(), &str>)] = &[
        ("as it should be", |_| {}, Ok(())),
        ("issuer", |c| c.iss = "kubelet".into(), Err("TokenInvalid")),
        ("audience", |c| c.aud = "other".into(), Err("WrongAudience")),
        (
            "no audience",
            |c| c.aud = String::new(),
            Err("WrongAudience"),
        ),
        ("world", |c| c.world = "games/f-2".into(), Err("WrongWorld")),
        ("epoch before", |c| c.epoch = 2, Err("WrongWorld")),
        ("epoch after", |c| c.epoch = 4, Err("WrongWorld")),
        ("too long", |c| c.exp = c.iat + 61, Err("TokenInvalid")),
        ("for ever", |c| c.exp = u64::MAX, Err("TokenInvalid")),
        (
            "ends before it begins",
            |c| c.exp = c.iat - 1,
            Err("TokenInvalid"),
        ),
        ("short", |c| c.exp = c.iat + 1, Ok(())),
        (
            "just over, within leeway",
            |c| (c.iat, c.exp) = (NOW - 65, NOW - 5),
            Ok(()),
        ),
        (
            "over",
            |c| (c.iat, c.exp) = (NOW - 66, NOW - 6),
            Err("TokenExpired"),
        ),
        (
            "long over",
            |c| (c.iat, c.exp) = (0, 60),
            Err("TokenExpired"),
        ),
        (
            "soon, within leeway",
            |c| (c.iat, c.exp) = (NOW + 5, NOW + 65),
            Ok(()),
        ),
        (
            "future",
            |c| (c.iat, c.exp) = (NOW + 6, NOW + 66),
            Err("TokenInvalid"),
        ),
        ("jti", |c| c.jti = String::new(), Err("TokenInvalid")),
        ("long jti", |c| c.jti = "x".repeat(129), Err("TokenInvalid")),
        ("term", |c| c.term = -1, Err("TokenInvalid")),
    ];

    fn first_wrong(check: Check) -> Option<&'static str> {
        let wrong = CASES.iter().find(|(_, change, expect)| {
            let mut claims = good();
            change(&mut claims);
            check(&claims, &addressee(), NOW).map_err(Refusal::reason) != *expect
        });
        wrong.map(|(name, ..)| *name)
    }

    #[test]
    fn claims() {
        assert_eq!(first_wrong(check), None);
    }

    #[test]
    fn wrong_variants_are_caught() {
        let variants: [(&str, Check); 5] = [
            ("no clock", |claims, to, _| check(claims, to, claims.iat)),
            ("any pod", |claims, to, now| {
                let pod_uid = claims.aud.clone();
                check(
                    claims,
                    &Addressee {
                        pod_uid,
                        ..to.clone()
                    },
                    now,
                )
            }),
            ("any epoch", |claims, to, now| {
                let epoch = claims.epoch;
                check(
                    claims,
                    &Addressee {
                        epoch,
                        ..to.clone()
                    },
                    now,
                )
            }),
            ("any length", |claims, to, now| {
                let exp = claims.exp.min(claims.iat + 60);
                check(
                    &AgentClaims {
                        exp,
                        ..claims.clone()
                    },
                    to,
                    now,
                )
            }),
            ("no leeway", |claims, to, now| {
                check(claims, to, now + LEEWAY)
            }),
        ];
        for (name, variant) in variants {
            assert!(first_wrong(variant).is_some(), "{name}");
        }
    }

    #[test]
    fn rubbish_is_no_token() {
        for token in ["", ".", "..", "a.b.c", "e30.e30.", &"x".repeat(5000)] {
            assert!(
                matches!(key_id(token), Err(Refusal::TokenInvalid(_))),
                "{token}"
            );
        }
    }
}
