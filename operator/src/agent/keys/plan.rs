//! Which keys there are to be: a pure function of the clock and the keys that there are.
//!
//! A key passes three stages. **Next**: published, signs nothing, until pods have had the time to
//! read it. **Signing**: the one that signs. **Retired**: still published, for pods that verify a
//! token signed a moment ago, or that have not yet read its successor. Each stage begins when it is
//! *written down*, not when it could have begun: while no operator runs, no time is counted.

use std::time::Duration;

use jiff::Timestamp;

/// How long keys stay in their stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTiming {
    /// From one key's first signature to the next one's.
    pub rotation: Duration,
    /// How long a key is published before it signs, and after it signed.
    pub overlap: Duration,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Published, and does not sign yet.
    Next {
        /// Since when it is published.
        published: Timestamp,
    },
    /// Signs.
    Signing {
        /// Since when it signs.
        since: Timestamp,
    },
    /// Signs no longer, and is still published.
    Retired {
        /// Since when it does not sign any more.
        since: Timestamp,
    },
}

impl Stage {
    /// When the stage began.
    #[must_use]
    pub fn since(self) -> Timestamp {
        match self {
            Self::Next { published: at }
            | Self::Signing { since: at }
            | Self::Retired { since: at } => at,
        }
    }

    /// A stage that began in the future began now: the clock was set back, or another leader's ran
    /// ahead. Otherwise that key would stay in it until then.
    fn not_after(self, now: Timestamp) -> Self {
        let at = self.since().min(now);
        match self {
            Self::Next { .. } => Self::Next { published: at },
            Self::Signing { .. } => Self::Signing { since: at },
            Self::Retired { .. } => Self::Retired { since: at },
        }
    }
}

/// A key without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyView {
    /// Names the key in tokens and in the JWKS.
    pub kid: String,
    /// Where it is in its life.
    pub stage: Stage,
}

/// One key that there is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedKey {
    /// Which; `None` is one to be made.
    pub kid: Option<String>,
    /// Where it is in its life.
    pub stage: Stage,
}

/// The keys that there are to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Exactly one of them signs. Retired ones first, the next one last.
    pub keys: Vec<PlannedKey>,
    /// Something differs from what there is: write it down.
    pub changed: bool,
    /// When there will be something to do, if nothing else happens.
    pub look_again: Duration,
}

/// Longest time without a look, whatever the timing: clocks are set now and then.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
const SHORTEST_WAIT: Duration = Duration::from_millis(500);

/// Which keys there are to be at `now`. With `force`, a new key is made now, and one that was to
/// sign next never does.
#[must_use]
pub fn plan(now: Timestamp, keys: &[KeyView], timing: KeyTiming, force: bool) -> Plan {
    let age = |at: Timestamp| Duration::try_from(now.duration_since(at)).unwrap_or(Duration::ZERO);

    let mut next = None;
    let mut signing: Option<(&str, Timestamp)> = None;
    let mut retired = Vec::new();
    // Sorted by stage and age, so that the result does not hang on the order of the Secret. Doubles,
    // which only a person can have written, are retired or dropped.
    let mut sorted: Vec<_> = keys
        .iter()
        .map(|key| (key.stage.not_after(now), key.kid.as_str()))
        .collect();
    sorted.sort_by_key(|(stage, kid)| (stage.since(), *kid));
    for (stage, kid) in sorted {
        match stage {
            Stage::Next { published } => {
                next.get_or_insert((kid, published));
            }
            Stage::Signing { since } => {
                if let Some((older, _)) = signing.replace((kid, since)) {
                    retired.push((older, now));
                }
            }
            Stage::Retired { since } => retired.push((kid, since)),
        }
    }
    if signing.is_none() {
        // Only a person can have done that. A key that pods know signs, rather than a new one.
        signing = retired
            .pop()
            .or_else(|| next.take())
            .map(|(kid, _)| (kid, now));
    }

    retired.retain(|(_, since)| age(*since) < timing.overlap);
    retired.sort_by_key(|(_, since)| *since);
    if let (Some((old, _)), Some((new, published))) = (signing, next)
        && age(published) >= timing.overlap
    {
        retired.push((old, now));
        signing = Some((new, now));
        next = None;
    }
    // More than one is left only if a person wrote them, or the clock was set back: the newest
    // counts, as it is the one that tokens were signed with last.
    retired.drain(..retired.len().saturating_sub(1));

    let lead = timing.rotation.saturating_sub(timing.overlap);
    let due = signing.is_some_and(|(_, since)| next.is_none() && age(since) >= lead);
    let planned = |(kid, at): (&str, Timestamp), stage: fn(Timestamp) -> Stage| PlannedKey {
        kid: Some(kid.to_owned()),
        stage: stage(at),
    };
    let mut wanted: Vec<_> = retired
        .iter()
        .map(|key| planned(*key, |since| Stage::Retired { since }))
        .collect();
    match signing {
        Some(key) => wanted.push(planned(key, |since| Stage::Signing { since })),
        // The very first: no pod has a JWKS yet, so there is nobody to wait for.
        None => wanted.push(PlannedKey {
            kid: None,
            stage: Stage::Signing { since: now },
        }),
    }
    if signing.is_some() && (force || due) {
        wanted.push(PlannedKey {
            kid: None,
            stage: Stage::Next { published: now },
        });
    } else if let Some(key) = next {
        wanted.push(planned(key, |published| Stage::Next { published }));
    }

    let has_next = matches!(
        wanted.last(),
        Some(PlannedKey {
            stage: Stage::Next { .. },
            ..
        })
    );
    let look_again = wanted
        .iter()
        .filter_map(|key| match key.stage {
            Stage::Next { published: since } | Stage::Retired { since } => {
                Some(timing.overlap.saturating_sub(age(since)))
            }
            Stage::Signing { since } => (!has_next).then(|| lead.saturating_sub(age(since))),
        })
        .min()
        .unwrap_or(LONGEST_WAIT)
        .clamp(SHORTEST_WAIT, LONGEST_WAIT);
    let changed = wanted.len() != keys.len()
        || wanted.iter().any(|wanted| {
            !keys
                .iter()
                .any(|key| Some(&key.kid) == wanted.kid.as_ref() && key.stage == wanted.stage)
        });
    Plan {
        keys: wanted,
        changed,
        look_again,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const TIMING: KeyTiming = KeyTiming {
        rotation: Duration::from_secs(10_000),
        overlap: Duration::from_secs(1_000),
    };

    type Decide = fn(Timestamp, &[KeyView], KeyTiming, bool) -> Plan;

    /// Writes a plan down.
    fn apply(plan: &Plan, made: &mut u32) -> Vec<KeyView> {
        plan.keys
            .iter()
            .map(|key| KeyView {
                kid: key.kid.clone().unwrap_or_else(|| {
                    *made += 1;
                    format!("key-{made}")
                }),
                stage: key.stage,
            })
            .collect()
    }

    fn signer(keys: &[KeyView]) -> Vec<&str> {
        keys.iter()
            .filter(|key| matches!(key.stage, Stage::Signing { .. }))
            .map(|key| key.kid.as_str())
            .collect()
    }

    /// Pauses between looks, each with whether a person forces a rotation before it.
    fn visits() -> impl Strategy<Value = Vec<(u64, bool)>> {
        let pause = prop_oneof![
            4 => 0..400_u64,
            2 => 0..3_000_u64,
            1 => 0..40_000_u64,
        ];
        prop::collection::vec((pause, prop::bool::weighted(0.1)), 1..80)
    }

    /// Lets time pass, and says which promise was broken, if any was.
    fn simulate(decide: Decide, timing: KeyTiming, visits: &[(u64, bool)]) -> Result<(), String> {
        let mut now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut made = 0;
        let mut keys: Vec<KeyView> = Vec::new();
        let mut published: BTreeMap<String, Timestamp> = BTreeMap::new();
        let mut signed_last: BTreeMap<String, Timestamp> = BTreeMap::new();
        let mut first = None;
        for (pause, force) in visits.iter().copied() {
            // Until this look, the signing key may have signed.
            now += Duration::from_secs(pause);
            for kid in signer(&keys) {
                signed_last.insert(kid.to_owned(), now);
            }
            let before = keys.clone();
            let plan = decide(now, &keys, timing, force);
            if plan.changed {
                keys = apply(&plan, &mut made);
            }
            if plan.look_again.is_zero() {
                return Err("looks again and again".to_owned());
            }
            for key in &keys {
                published.entry(key.kid.clone()).or_insert(now);
            }
            let age = |at: Timestamp| Duration::try_from(now.duration_since(at)).unwrap();
            let [signs] = signer(&keys)[..] else {
                return Err(format!("not one key signs: {keys:?}"));
            };
            let first = first.get_or_insert_with(|| signs.to_owned());
            if signs != first && age(published[signs]) < timing.overlap {
                return Err(format!("{signs} signs too early"));
            }
            // Three only if someone forces a rotation, or they follow closely.
            let roomy = timing.rotation >= timing.overlap * 2;
            let calm = roomy && visits.iter().all(|(_, force)| !force);
            if keys.len() > if calm { 2 } else { 3 } {
                return Err(format!("{} keys", keys.len()));
            }
            for key in before {
                let gone = keys.iter().all(|k| k.kid != key.kid);
                if gone
                    && signed_last
                        .get(&key.kid)
                        .is_some_and(|at| age(*at) < timing.overlap)
                {
                    return Err(format!("{} was dropped too early", key.kid));
                }
            }
            if force && made > 1 && published.iter().all(|(_, at)| *at != now) {
                return Err("a forced rotation made no key".to_owned());
            }
            let again = decide(now, &keys, timing, false);
            if again.changed {
                return Err(format!("{keys:?} is not settled: {again:?}"));
            }
            if keys.len() == 1 && age(keys[0].stage.since()) >= timing.rotation {
                return Err("no rotation".to_owned());
            }
        }
        Ok(())
    }

    fn timings() -> impl Strategy<Value = KeyTiming> {
        (100..2_000_u64, 1..20_000_u64).prop_map(|(overlap, more)| KeyTiming {
            rotation: Duration::from_secs(overlap + more),
            overlap: Duration::from_secs(overlap),
        })
    }

    fn stages() -> impl Strategy<Value = Stage> {
        (0..3, -5_000..5_000_i64).prop_map(|(kind, offset)| {
            let at = Timestamp::from_second(1_800_000_000 + offset).unwrap();
            match kind {
                0 => Stage::Next { published: at },
                1 => Stage::Signing { since: at },
                _ => Stage::Retired { since: at },
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn promises_hold(timing in timings(), visits in visits()) {
            if let Err(broken) = simulate(plan, timing, &visits) {
                return Err(TestCaseError::fail(broken));
            }
        }

        /// Whatever a person wrote into the Secret, and however clocks differ: one key signs, there
        /// are at most three, one that pods know is preferred, and a second look changes nothing.
        #[test]
        fn anything_is_put_right(
            stages in prop::collection::vec(stages(), 0..7),
            force in any::<bool>(),
        ) {
            let now = Timestamp::from_second(1_800_000_000).unwrap();
            let keys: Vec<_> = stages
                .into_iter()
                .enumerate()
                .map(|(i, stage)| KeyView { kid: format!("old-{i}"), stage })
                .collect();
            let first = plan(now, &keys, TIMING, force);
            let written = apply(&first, &mut 0);
            prop_assert_eq!(signer(&written).len(), 1);
            prop_assert!(written.len() <= 3);
            if !keys.is_empty() {
                prop_assert!(signer(&written)[0].starts_with("old-"));
            }
            prop_assert!(written.iter().all(|key| key.stage.since() <= now));
            prop_assert!(!plan(now, &written, TIMING, false).changed);
        }
    }

    #[track_caller]
    fn must_be_caught(wrong: Decide) {
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: 20_000,
            failure_persistence: None,
            // What catches a wrong variant once catches it in every run.
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            ..ProptestConfig::default()
        });
        let found = runner.run(&visits(), |visits| {
            simulate(wrong, TIMING, &visits).map_err(TestCaseError::fail)
        });
        assert!(found.is_err(), "the wrong variant was not caught");
    }

    #[test]
    fn catches_a_key_that_signs_too_early() {
        must_be_caught(|now, keys, timing, force| {
            let eager: Vec<_> = keys
                .iter()
                .cloned()
                .map(|mut key| {
                    if let Stage::Next { published } = &mut key.stage {
                        *published = published.saturating_sub(timing.overlap / 2).unwrap();
                    }
                    key
                })
                .collect();
            plan(now, &eager, timing, force)
        });
    }

    #[test]
    fn catches_an_old_key_that_goes_too_early() {
        must_be_caught(|now, keys, timing, force| {
            let mut plan = plan(now, keys, timing, force);
            plan.keys
                .retain(|key| !matches!(key.stage, Stage::Retired { .. }));
            plan.changed = plan.changed || plan.keys.len() != keys.len();
            plan
        });
    }

    #[test]
    fn catches_a_rotation_that_replaces_the_signing_key() {
        must_be_caught(|now, keys, timing, force| {
            if force {
                return plan(now, &[], timing, false);
            }
            plan(now, keys, timing, force)
        });
    }

    #[test]
    fn catches_no_rotation_at_all() {
        must_be_caught(|now, keys, timing, _| match keys {
            [] => plan(now, keys, timing, false),
            keys => Plan {
                changed: false,
                ..plan(now, keys, timing, false)
            },
        });
    }

    #[test]
    fn a_life() {
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let mut made = 0;
        let mut keys = Vec::new();
        let mut look = |seconds: u64, expect: &[(&str, &str)]| {
            let plan = plan(start + Duration::from_secs(seconds), &keys, TIMING, false);
            keys = apply(&plan, &mut made);
            let seen: Vec<_> = keys
                .iter()
                .map(|key| {
                    let stage = match key.stage {
                        Stage::Next { .. } => "next",
                        Stage::Signing { .. } => "signing",
                        Stage::Retired { .. } => "retired",
                    };
                    (key.kid.as_str(), stage)
                })
                .collect();
            assert_eq!(seen, expect, "after {seconds} s");
        };
        look(0, &[("key-1", "signing")]);
        look(8_999, &[("key-1", "signing")]);
        look(9_000, &[("key-1", "signing"), ("key-2", "next")]);
        look(9_999, &[("key-1", "signing"), ("key-2", "next")]);
        look(10_000, &[("key-1", "retired"), ("key-2", "signing")]);
        look(11_000, &[("key-2", "signing")]);
        // Nobody ran for long: the next key is only published now, and waits all the same.
        look(99_000, &[("key-2", "signing"), ("key-3", "next")]);
    }
}
