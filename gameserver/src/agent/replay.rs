//! Which tokens have been used. Bounded: a token is remembered only as long as it would be accepted,
//! and when the memory is full nothing is accepted rather than something forgotten.

use std::collections::BTreeMap;

use super::refusal::Refusal;
use super::token::LEEWAY;

/// Most tokens that are remembered. The operator makes one for each change that it orders.
const CAPACITY: usize = 4096;

/// Used tokens, by `jti`, with their expiry.
#[derive(Debug, Default)]
pub(super) struct Replay {
    used: BTreeMap<String, u64>,
}

impl Replay {
    /// Uses a token that expires at `exp`, at Unix time `now`.
    pub(super) fn spend(&mut self, jti: &str, exp: u64, now: u64) -> Result<(), Refusal> {
        if self.used.len() >= CAPACITY {
            self.used.retain(|_, exp| now <= exp.saturating_add(LEEWAY));
        }
        if self.used.contains_key(jti) {
            return Err(Refusal::TokenReplayed);
        }
        if self.used.len() >= CAPACITY {
            return Err(Refusal::Overloaded);
        }
        self.used.insert(jti.to_owned(), exp);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_token_is_good_once() {
        let mut replay = Replay::default();
        replay.spend("a", 60, 0).unwrap();
        assert_eq!(replay.spend("a", 60, 1), Err(Refusal::TokenReplayed));
        // Up to the last moment at which it would be accepted.
        assert_eq!(
            replay.spend("a", 60, 60 + LEEWAY),
            Err(Refusal::TokenReplayed)
        );
        replay.spend("b", 60, 1).unwrap();
    }

    #[test]
    fn when_full_it_refuses_and_forgets_only_what_has_expired() {
        let mut replay = Replay::default();
        for number in 0..CAPACITY {
            let exp = if number < 10 { 50 } else { 60 };
            replay.spend(&number.to_string(), exp, 0).unwrap();
        }
        assert_eq!(
            replay.spend("new", 60, 50 + LEEWAY),
            Err(Refusal::Overloaded)
        );
        assert_eq!(
            replay.spend("5", 50, 50 + LEEWAY),
            Err(Refusal::TokenReplayed)
        );
        replay.spend("new", 60, 51 + LEEWAY).unwrap();
        assert_eq!(
            replay.spend("11", 60, 51 + LEEWAY),
            Err(Refusal::TokenReplayed)
        );
    }
}
