//! What a bad line does to a packet: lets it through later, or not at all. Pure; the caller has the
//! clock.

use std::time::Duration;

/// One direction of a bad line.
///
/// Everything is delayed alike, so what goes in first comes out first, as over most real paths; a
/// packet that is lost shows in the gap that it leaves. Which ones are lost follows from the seed and
/// the number of packets before, and from nothing else.
#[derive(Clone, Debug)]
pub(super) struct Line {
    delay: Duration,
    /// Of 2^32 packets, so many are lost.
    lost: u64,
    dice: Dice,
}

impl Line {
    /// `lost` is a share, from 0 to 1; what is beyond counts as that.
    pub(super) fn new(delay: Duration, lost: f64, seed: u64) -> Self {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 2^32"
        )]
        let lost = (lost.clamp(0.0, 1.0) * 4_294_967_296.0) as u64;
        Self {
            delay,
            lost,
            dice: Dice(seed),
        }
    }

    /// A packet goes in now; when it comes out, if it does.
    pub(super) fn take(&mut self, now: Duration) -> Option<Duration> {
        let lost = u64::from(self.dice.roll()) < self.lost;
        (!lost).then(|| now + self.delay)
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014): small, seedable with anything, the same for ever.
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As [`Line::take`], of a line that has been made anew.
    type Take = fn(&mut Line, Duration) -> Option<Duration>;

    /// Packets of each course.
    const PACKETS: u32 = 20_000;

    /// What is wrong with the line, if anything.
    fn fault(take: Take) -> Option<&'static str> {
        for lost in [0.0, 0.01, 0.1, 0.5, 1.0] {
            for millis in [0, 100, 2_500] {
                let (mut courses, delay) = (Vec::new(), Duration::from_millis(millis));
                for seed in [0, 1, 2, u64::MAX, 1] {
                    let mut line = Line::new(delay, lost, seed);
                    let course: Vec<_> = (0..PACKETS)
                        .map(|n| (n, Duration::from_micros(u64::from(n) * 130)))
                        .map(|(n, now)| (n, now, take(&mut line, now)))
                        .collect();
                    if course
                        .iter()
                        .any(|(_, now, out)| out.is_some_and(|out| out != *now + delay))
                    {
                        return Some("not the delay that was asked for");
                    }
                    let gone: Vec<u32> = course
                        .iter()
                        .filter(|(_, _, out)| out.is_none())
                        .map(|(n, ..)| *n)
                        .collect();
                    let expect = lost * f64::from(PACKETS);
                    // Five standard deviations of a binomial distribution.
                    let slack = 5.0 * (expect * (1.0 - lost)).sqrt();
                    let count = f64::from(u32::try_from(gone.len()).unwrap_or(u32::MAX));
                    if (count - expect).abs() > slack {
                        return Some("not the loss that was asked for");
                    }
                    // Chance loses two in a row now and then.
                    if lost == 0.1 {
                        let pairs = gone.windows(2).filter(|pair| pair[0] + 1 == pair[1]);
                        if !(120..=280).contains(&pairs.count()) {
                            return Some("a loss says something about the next one");
                        }
                    }
                    courses.push(gone);
                }
                if courses[1] != courses[4] {
                    return Some("not the same from the same seed");
                }
                if lost == 0.5 && courses[1] == courses[2] {
                    return Some("the same from another seed");
                }
            }
        }
        None
    }

    #[test]
    fn a_line_is_as_bad_as_asked_for() {
        assert_eq!(fault(Line::take), None);
    }

    #[test]
    fn wrong_lines_are_caught() {
        let wrong: [(&str, Take); 6] = [
            ("loses nothing", |line, now| Some(now + line.delay)),
            ("delays by the whole round trip", |line, now| {
                line.take(now).map(|out| out + line.delay)
            }),
            ("loses at regular intervals", |line, now| {
                line.dice.0 = line.dice.0.wrapping_add(1);
                let every = (1_u64 << 32) / line.lost.max(1);
                (line.lost == 0 || !line.dice.0.is_multiple_of(every)).then(|| now + line.delay)
            }),
            ("loses in bursts of two", |line, now| {
                let before = line.dice.clone();
                let lost = u64::from(line.dice.roll()) < line.lost / 2;
                let mut last = Dice(before.0.wrapping_sub(0x9e37_79b9_7f4a_7c15));
                let burst = u64::from(last.roll()) < line.lost / 2;
                (!lost && !burst).then(|| now + line.delay)
            }),
            ("rolls anew each time", |line, now| line.clone().take(now)),
            ("takes the loss for per mille", |line, now| {
                let mut line_ = Line {
                    lost: line.lost / 10,
                    ..line.clone()
                };
                let out = line_.take(now);
                line.dice = line_.dice;
                out
            }),
        ];
        for (name, take) in wrong {
            assert!(fault(take).is_some(), "not caught: a line that {name}");
        }
    }
}
