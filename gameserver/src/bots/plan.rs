//! What a bot means to do when: a pure function of its number, a seed and the world's tick.
//!
//! Time is cut into slots. Bots come in pairs, and both of a pair mean to do the same in each slot, so
//! that who wants to trade finds the other willing without a word. In each *round* of slots a pair does
//! every kind of thing once, in an order drawn for the round; one pair begins it one place after the
//! one before, so that at any time everything is being done, even by a few pairs.

use std::time::Duration;

use clap::ValueEnum;

/// How long a bot stays at one thing.
pub const SLOT: Duration = Duration::from_secs(12);
/// A walking bot turns after at least this.
const TURN_MIN_MS: u64 = 400;
/// A walking bot turns at least this often.
const TURN_MAX_MS: u64 = 1_000;
/// A bot that chats does so this often.
const CHAT_MS: std::ops::Range<u64> = 15_000..45_000;

/// Kinds of things that bots do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Activity {
    /// Walks about, turning at least once a second.
    Walk,
    /// Takes from resources.
    Gather,
    /// Kills creatures.
    Fight,
    /// Trades with the other one of its pair.
    Trade,
    /// Speaks now and then, beside all else.
    Chat,
    /// Makes things.
    Craft,
}

impl Activity {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Walk,
        Self::Gather,
        Self::Fight,
        Self::Trade,
        Self::Chat,
        Self::Craft,
    ];

    /// What fills slots, rather than being done beside.
    const ERRANDS: [Self; 5] = [
        Self::Walk,
        Self::Gather,
        Self::Fight,
        Self::Craft,
        Self::Trade,
    ];
}

/// One bot's plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    number: u32,
    seed: u64,
    /// The slots of a round, as far as `kinds` says.
    errands: [Activity; Activity::ERRANDS.len()],
    kinds: usize,
    chats: bool,
}

impl Plan {
    /// The plan of bot `number`. Without any errand among the activities, it walks.
    #[must_use]
    pub fn new(number: u32, seed: u64, activities: &[Activity]) -> Self {
        let mut errands = [Activity::Walk; Activity::ERRANDS.len()];
        let mut kinds = 0;
        let allowed = Activity::ERRANDS
            .into_iter()
            .filter(|errand| activities.contains(errand));
        for (slot, errand) in errands.iter_mut().zip(allowed) {
            *slot = errand;
            kinds += 1;
        }
        Self {
            number,
            seed,
            errands,
            kinds: kinds.max(1),
            chats: activities.contains(&Activity::Chat),
        }
    }

    /// The other one of its pair.
    #[must_use]
    pub fn partner(&self) -> u32 {
        self.number ^ 1
    }

    /// The one of the pair that speaks first.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.number.is_multiple_of(2)
    }

    /// What it means to do in slot `slot` of the world's time.
    #[must_use]
    pub fn errand(&self, slot: u64) -> Activity {
        let kinds = self.kinds as u64;
        let (round, place) = (slot / kinds, slot % kinds);
        let place = (place + u64::from(self.number / 2)) % kinds;
        let mut order = self.errands;
        let mut draw = mix(self.seed ^ mix(round));
        // Fisher and Yates, over as many as there are.
        for last in (1..self.kinds).rev() {
            draw = mix(draw);
            let other = draw % (last as u64 + 1);
            order.swap(last, usize::try_from(other).unwrap_or(0));
        }
        let place = usize::try_from(place).unwrap_or(0);
        order.get(place).copied().unwrap_or(Activity::Walk)
    }

    /// How long until it turns, for the `nth` time.
    #[must_use]
    pub fn turn_after(&self, nth: u32) -> Duration {
        Duration::from_millis(self.draw(1, nth, TURN_MIN_MS..TURN_MAX_MS))
    }

    /// How long until it speaks, for the `nth` time; none if it does not.
    #[must_use]
    pub fn chat_after(&self, nth: u32) -> Option<Duration> {
        self.chats
            .then(|| Duration::from_millis(self.draw(2, nth, CHAT_MS)))
    }

    /// Which way it wanders after its `nth` turn: degrees, 0 to 359, counted from east to north. Another
    /// than before, or it would be no turn.
    #[must_use]
    pub fn heading(&self, nth: u32) -> u16 {
        let draw = |nth| self.draw(3, nth, 0..360);
        let repeated = nth > 0 && draw(nth) == draw(nth - 1);
        let turned = if repeated { 90 } else { 0 };
        u16::try_from((draw(nth) + turned) % 360).unwrap_or(0)
    }

    fn draw(&self, purpose: u64, nth: u32, range: std::ops::Range<u64>) -> u64 {
        let key =
            mix(self.seed ^ mix(u64::from(self.number) << 32 | u64::from(nth)) ^ purpose << 56);
        range.start + mix(key) % (range.end - range.start).max(1)
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Errand = fn(&Plan, u64) -> Activity;

    fn some_activities() -> impl Strategy<Value = Vec<Activity>> {
        prop::sample::subsequence(Activity::ALL.to_vec(), 1..=Activity::ALL.len())
    }

    /// What must hold of the errands of a pair.
    fn fault(
        errand: Errand,
        pair: u32,
        seed: u64,
        from: u64,
        activities: &[Activity],
    ) -> Option<&'static str> {
        let [first, second] = [2 * pair, 2 * pair + 1].map(|n| Plan::new(n, seed, activities));
        let mut wanted: Vec<Activity> = activities
            .iter()
            .copied()
            .filter(|activity| *activity != Activity::Chat)
            .collect();
        if wanted.is_empty() {
            wanted.push(Activity::Walk);
        }
        // However a window of two rounds lies, it holds a whole round.
        let window = 2 * wanted.len() as u64 - 1;
        let done: Vec<Activity> = (from..from + window)
            .map(|slot| errand(&first, slot))
            .collect();
        if done.iter().any(|activity| !wanted.contains(activity)) {
            return Some("it does what it is not told to");
        }
        if wanted.iter().any(|activity| !done.contains(activity)) {
            return Some("it leaves something out for long");
        }
        if (from..from + window).any(|slot| errand(&first, slot) != errand(&second, slot)) {
            return Some("the two of a pair do not mean the same");
        }
        let pairs = u32::try_from(wanted.len()).unwrap_or(0);
        let at_once: Vec<Activity> = (pair..pair + pairs)
            .map(|pair| errand(&Plan::new(2 * pair, seed, activities), from))
            .collect();
        if wanted.iter().any(|activity| !at_once.contains(activity)) {
            return Some("as many pairs as kinds of things leave one out");
        }
        None
    }

    proptest! {
        #[test]
        fn a_pair_does_everything_in_turn_and_together(
            pair in 0..10_000_u32, seed: u64, from in 0..1_000_000_u64, activities in some_activities(),
        ) {
            prop_assert_eq!(fault(Plan::errand, pair, seed, from, &activities), None);
        }

        #[test]
        fn a_walker_turns_at_least_once_a_second(number: u32, seed: u64, nth: u32) {
            let plan = Plan::new(number, seed, &Activity::ALL);
            prop_assert!(plan.turn_after(nth) < Duration::from_millis(TURN_MAX_MS));
            prop_assert!(plan.turn_after(nth) >= Duration::from_millis(TURN_MIN_MS));
            prop_assert!(plan.heading(nth) < 360);
        }

        #[test]
        fn partners_are_mutual(number: u32, seed: u64) {
            let plan = Plan::new(number, seed, &Activity::ALL);
            let partner = Plan::new(plan.partner(), seed, &Activity::ALL);
            prop_assert_eq!(partner.partner(), number);
            prop_assert!(plan.leads() != partner.leads());
        }
    }

    #[test]
    fn wrong_plans_are_caught() {
        let wrong: [(&str, Errand); 5] = [
            ("sticks to one thing", |plan, _| plan.errands[0]),
            ("lets all pairs do the same", |plan, slot| {
                Plan { number: 0, ..*plan }.errand(slot)
            }),
            ("draws every slot by itself", |plan, slot| {
                let draw = mix(plan.seed ^ mix(u64::from(plan.number / 2) ^ slot));
                plan.errands[usize::try_from(draw).unwrap_or(0) % plan.kinds]
            }),
            ("draws for each bot alone", |plan, slot| {
                let number = plan.number * 2;
                Plan { number, ..*plan }.errand(slot)
            }),
            ("overlooks what is allowed", |plan, slot| {
                Plan {
                    kinds: Activity::ERRANDS.len(),
                    errands: Activity::ERRANDS,
                    ..*plan
                }
                .errand(slot)
            }),
        ];
        for (name, errand) in wrong {
            let activities = [Activity::Walk, Activity::Trade, Activity::Fight];
            let caught =
                (0..200).any(|n| fault(errand, n, 42, u64::from(n) * 17, &activities).is_some());
            assert!(caught, "not caught: a plan that {name}");
        }
    }

    #[test]
    fn pairs_do_not_all_do_the_same() {
        let plans: Vec<Plan> = (0..200).map(|n| Plan::new(n, 1, &Activity::ALL)).collect();
        let trading = plans
            .iter()
            .filter(|plan| plan.errand(7) == Activity::Trade)
            .count();
        assert_eq!(trading, 40);
    }
}
