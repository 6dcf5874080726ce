//! The most players with which something holds.

use std::future::Future;

use anyhow::Result;

/// The highest of `least`, `least + step`, … up to `most` at which `holds` holds, if what holds for
/// many holds for fewer; none if it does not even hold for the least. Asks as rarely as halving does,
/// about `most` first.
pub(super) async fn highest<F>(
    least: u32,
    most: u32,
    step: u32,
    mut holds: impl FnMut(u32) -> F,
) -> Result<Option<u32>>
where
    F: Future<Output = Result<bool>>,
{
    let number = |place: u32| least + place * step;
    let (mut good, mut bad) = (None, most.saturating_sub(least) / step + 1);
    let mut ask = bad - 1;
    while good.map_or(0, |good| good + 1) < bad {
        if holds(number(ask)).await? {
            good = Some(ask);
        } else {
            bad = ask;
        }
        ask = u32::midpoint(good.map_or(0, |good| good + 1), bad.saturating_sub(1));
    }
    Ok(good.map(number))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use futures::FutureExt;

    use super::*;

    /// Finds it, and says how often it asked: (least, most, step, true bound) to (found, questions).
    type Find = fn(u32, u32, u32, u32) -> (Option<u32>, usize);

    fn right(least: u32, most: u32, step: u32, bound: u32) -> (Option<u32>, usize) {
        let asked = RefCell::new(0);
        let found = highest(least, most, step, |players| {
            *asked.borrow_mut() += 1;
            futures::future::ready(Ok(players <= bound))
        });
        let found = found.now_or_never().and_then(Result::ok).flatten();
        (found, asked.into_inner())
    }

    fn fault(find: Find) -> Option<String> {
        for (least, most, step) in [(500, 3_000, 250), (1, 1, 1), (1, 9, 2), (10, 19, 10)] {
            for bound in 0..=most + 1 {
                let expect = (least..=most)
                    .step_by(step as usize)
                    .filter(|players| *players <= bound)
                    .max();
                let (found, asked) = find(least, most, step, bound);
                let case = format!("{least} to {most} by {step}, bound {bound}");
                if found != expect {
                    return Some(format!("{case}: {found:?} instead of {expect:?}"));
                }
                let places = (most - least) / step + 1;
                if asked > places.ilog2() as usize + 2 {
                    return Some(format!("{case}: {asked} questions"));
                }
                if bound >= most && asked > 1 {
                    return Some(format!("{case}: {asked} questions where one is enough"));
                }
            }
        }
        None
    }

    #[test]
    fn the_highest_is_found_with_few_questions() {
        assert_eq!(fault(right), None);
    }

    #[test]
    fn wrong_searches_are_caught() {
        let wrong: [(&str, Find); 4] = [
            (
                "takes the first that does not hold",
                |least, most, step, bound| {
                    let (found, asked) = right(least, most, step, bound);
                    (found.map(|found| (found + step).min(most)), asked)
                },
            ),
            ("never gives up", |least, most, step, bound| {
                let (found, asked) = right(least, most, step, bound);
                (found.or(Some(least)), asked)
            }),
            ("asks about each", |least, most, step, bound| {
                let (found, _) = right(least, most, step, bound);
                (found, ((most - least) / step + 1) as usize)
            }),
            ("leaves the top out", |least, most, step, bound| {
                right(least, most.saturating_sub(step).max(least), step, bound)
            }),
        ];
        for (name, find) in wrong {
            assert!(fault(find).is_some(), "not caught: a search that {name}");
        }
    }
}
