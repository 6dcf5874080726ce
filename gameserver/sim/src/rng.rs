//! Pseudo-random numbers. The algorithm is part of a world's identity: another one would make another
//! world of the same seed, so it is pinned here and not taken from a crate that may change it.

/// `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): eight bytes
/// of state, so each creature and each system can have a stream of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rng {
    state: u64,
}

/// What a stream of numbers is for. Streams of one seed do not depend on each other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    Terrain = 1,
    Hubs = 2,
    Creatures = 3,
    Spawns = 4,
    Moisture = 5,
    Resources = 6,
    Stations = 7,
    Thoughts = 8,
    Blows = 9,
    Yields = 10,
    Drops = 11,
}

impl Rng {
    /// The numbers of one `tick` for a purpose and one `part` of it: they need no state of their own,
    /// and do not depend on what else happens in the tick.
    pub(crate) fn of_tick(salt: u64, stream: Stream, tick: u64, part: u64) -> Self {
        Self::new(salt ^ mix(tick), stream, part)
    }

    /// The stream of `seed` for a purpose, and for one `part` of it.
    pub(crate) fn new(seed: u64, stream: Stream, part: u64) -> Self {
        let purpose = mix(stream as u64 ^ 0x5851_f42d_4c95_7f2d);
        Self {
            state: mix(mix(seed ^ purpose) ^ part),
        }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number from `least` to `most`, both included.
    pub(crate) fn within(&mut self, least: u16, most: u16) -> u16 {
        let spread = u32::from(most.saturating_sub(least)) + 1;
        least + u16::try_from(self.below(spread)).unwrap_or(0)
    }

    /// A number below `bound`, or 0 where `bound` is 0. The high half of a product: even enough (off by
    /// less than 2^-32), and without a loop of unknown length.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let product = u64::from(bound) * (self.next() >> 32);
        u32::try_from(product >> 32).unwrap_or(0)
    }
}

/// The finaliser of `SplitMix64`: every bit of the result depends on every bit of `z`.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_pinned() {
        // The reference implementation's first numbers for seed 1234567.
        let mut rng = Rng { state: 1_234_567 };
        let numbers = [rng.next(), rng.next(), rng.next()];
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn below_stays_below() {
        let mut rng = Rng::new(7, Stream::Spawns, 0);
        for bound in [0, 1, 2, 3, 1000, u32::MAX] {
            for _ in 0..1000 {
                let number = rng.below(bound);
                assert!(number < bound || bound == 0 && number == 0);
            }
        }
    }
}
