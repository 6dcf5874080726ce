//! Which seeds the next worlds get.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use worldkeeper_crds::fleet::{SEED_MAX, Seeds, SeedsType};

/// Seeds for new worlds, and the high-water mark that goes with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issue {
    /// The seeds, as many as were asked for or as are left.
    pub seeds: Vec<i64>,
    /// Seeds given out once these are. It is persisted before a world is created with any of them.
    pub issued: i64,
}

/// The next `count` seeds. `taken` are those of the worlds that exist; `issued` is how many a
/// Sequential or Random fleet has given out.
#[must_use]
pub fn next(
    source: &Seeds,
    fleet_uid: &str,
    issued: i64,
    taken: &BTreeSet<i64>,
    count: usize,
) -> Issue {
    if source.type_ == SeedsType::List {
        let listed = source.list.iter().flatten().copied();
        return Issue {
            seeds: listed.filter(|s| !taken.contains(s)).take(count).collect(),
            issued,
        };
    }
    let mut issue = Issue {
        seeds: Vec::with_capacity(count),
        issued,
    };
    while issue.seeds.len() < count {
        let seed = match source.type_ {
            SeedsType::Random => random(fleet_uid, issue.issued),
            _ => source.start.unwrap_or(1).saturating_add(issue.issued),
        };
        if seed > SEED_MAX {
            break;
        }
        issue.issued += 1;
        // Worlds that a fleet of this name left behind, and the rare equal draw.
        if !taken.contains(&seed) && !issue.seeds.contains(&seed) {
            issue.seeds.push(seed);
        }
    }
    issue
}

/// The `index`-th seed of a Random fleet: the first 53 bits of SHA-256 over uid and index, so that
/// it can be found again after a crash.
fn random(fleet_uid: &str, index: i64) -> i64 {
    let mut hash = Sha256::new();
    hash.update(fleet_uid.as_bytes());
    hash.update(index.to_be_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    i64::from_be_bytes(first) & SEED_MAX
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source(type_: SeedsType, start: Option<i64>, list: Option<Vec<i64>>) -> Seeds {
        Seeds { type_, start, list }
    }

    #[test]
    fn sequential_counts_on() {
        let s = source(SeedsType::Sequential, Some(100), None);
        let issue = next(&s, "u", 2, &BTreeSet::new(), 3);
        assert_eq!(issue.seeds, [102, 103, 104]);
        assert_eq!(issue.issued, 5);
    }

    #[test]
    fn what_was_left_behind_is_skipped() {
        let s = source(SeedsType::Sequential, None, None);
        assert_eq!(next(&s, "u", 0, &BTreeSet::from([1, 3]), 2).seeds, [2, 4]);
    }

    #[test]
    fn a_listed_seed_is_free_again() {
        let s = source(SeedsType::List, None, Some(vec![7, 8, 9]));
        assert_eq!(next(&s, "u", 0, &BTreeSet::from([8]), 3).seeds, [7, 9]);
    }

    #[test]
    fn the_last_seed_is_the_last() {
        let s = source(SeedsType::Sequential, Some(SEED_MAX), None);
        assert_eq!(next(&s, "u", 0, &BTreeSet::new(), 5).seeds, [SEED_MAX]);
    }

    proptest! {
        #[test]
        fn none_twice(random in any::<bool>(), steps in prop::collection::vec(0usize..5, 1..10), uid in "[a-z]{3}") {
            let type_ = if random { SeedsType::Random } else { SeedsType::Sequential };
            let s = source(type_, None, None);
            let mut issued = 0;
            let mut ever = BTreeSet::new();
            for count in steps {
                // Worlds come and go: nothing is taken, only the mark remembers.
                let issue = next(&s, &uid, issued, &BTreeSet::new(), count);
                prop_assert_eq!(issue.seeds.len(), count);
                issued = issue.issued;
                for seed in issue.seeds {
                    prop_assert!((0..=SEED_MAX).contains(&seed));
                    prop_assert!(ever.insert(seed), "{seed} twice");
                }
            }
        }
    }
}
