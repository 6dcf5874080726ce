//! What a world is, besides its seed.

use thiserror::Error;

use crate::state::{Reader, Sink, SnapshotError, State};

/// Largest seed: 2^53 − 1, the integers that a JSON number carries exactly everywhere.
pub const MAX_SEED: u64 = (1 << 53) - 1;

/// Why there is no such world.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadParams {
    /// No such tick rate.
    #[error("{0} ticks a second; choose 10, 20, 30 or 60")]
    TickRate(u32),
    /// No such size.
    #[error("a side of {0} m; choose {min} to {max}", min = Params::MIN_SIZE, max = Params::MAX_SIZE)]
    Size(u32),
    /// No such seed.
    #[error("seed {0}; choose 0 to {MAX_SEED}")]
    Seed(u64),
    /// No such genre.
    #[error("genre {0:?}; choose Fantasy, SciFi, Horror, Cyberpunk or PostApoc")]
    Genre(String),
}

/// The theme of a world: its terrain and its creatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Genre {
    /// Swords and spells: lakes, woods and mountains.
    Fantasy,
    /// Ships and stars: craters and plains.
    SciFi,
    /// Fear in the dark: mires and thickets.
    Horror,
    /// Neon and chrome: blocks of buildings and canals.
    Cyberpunk,
    /// What is left: dust and ruins.
    PostApoc,
}

impl Genre {
    /// Every genre.
    pub const ALL: [Self; 5] = [
        Self::Fantasy,
        Self::SciFi,
        Self::Horror,
        Self::Cyberpunk,
        Self::PostApoc,
    ];

    /// The name, as in a `GameFleet`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fantasy => "Fantasy",
            Self::SciFi => "SciFi",
            Self::Horror => "Horror",
            Self::Cyberpunk => "Cyberpunk",
            Self::PostApoc => "PostApoc",
        }
    }

    /// The number in snapshots: never given to another genre.
    fn number(self) -> u8 {
        match self {
            Self::Fantasy => 1,
            Self::SciFi => 2,
            Self::Horror => 3,
            Self::Cyberpunk => 4,
            Self::PostApoc => 5,
        }
    }
}

impl std::str::FromStr for Genre {
    type Err = BadParams;

    fn from_str(name: &str) -> Result<Self, BadParams> {
        Self::ALL
            .into_iter()
            .find(|genre| genre.as_str() == name)
            .ok_or_else(|| BadParams::Genre(name.to_owned()))
    }
}

/// Simulation ticks per second: 10, 20, 30 or 60.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TickRate(u8);

impl TickRate {
    /// Checks the rate.
    ///
    /// # Errors
    /// It is none of the four.
    pub fn new(hz: u32) -> Result<Self, BadParams> {
        match hz {
            10 => Ok(Self(10)),
            20 => Ok(Self(20)),
            30 => Ok(Self(30)),
            60 => Ok(Self(60)),
            _ => Err(BadParams::TickRate(hz)),
        }
    }

    /// Ticks in a second.
    #[must_use]
    pub fn hz(self) -> u8 {
        self.0
    }

    /// Ticks in so many seconds.
    #[must_use]
    pub fn ticks(self, seconds: u32) -> u64 {
        u64::from(self.0) * u64::from(seconds)
    }

    /// Ticks in so many milliseconds, rounded up, at least 1.
    #[must_use]
    pub fn ticks_of_ms(self, milliseconds: u32) -> u64 {
        (u64::from(self.0) * u64::from(milliseconds))
            .div_ceil(1000)
            .max(1)
    }

    /// Nanoseconds from one tick to the next.
    #[must_use]
    pub fn period_nanos(self) -> u64 {
        1_000_000_000 / u64::from(self.0)
    }
}

/// Parameters of a world. With the seed they are its identity, for life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    genre: Genre,
    size_metres: u32,
    tick_rate: TickRate,
}

impl Params {
    /// Shortest side of a world, in metres.
    pub const MIN_SIZE: u32 = 256;
    /// Longest side of a world, in metres.
    pub const MAX_SIZE: u32 = 16_384;

    /// Checks the size.
    ///
    /// # Errors
    /// The size is out of range.
    pub fn new(genre: Genre, size_metres: u32, tick_rate: TickRate) -> Result<Self, BadParams> {
        if !(Self::MIN_SIZE..=Self::MAX_SIZE).contains(&size_metres) {
            return Err(BadParams::Size(size_metres));
        }
        Ok(Self {
            genre,
            size_metres,
            tick_rate,
        })
    }

    /// The genre.
    #[must_use]
    pub fn genre(&self) -> Genre {
        self.genre
    }

    /// Side of the square world, in metres.
    #[must_use]
    pub fn size_metres(&self) -> u32 {
        self.size_metres
    }

    /// Ticks per second.
    #[must_use]
    pub fn tick_rate(&self) -> TickRate {
        self.tick_rate
    }
}

impl State for Params {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            genre,
            size_metres,
            tick_rate,
        } = self;
        genre.number().write(sink);
        size_metres.write(sink);
        tick_rate.0.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let number = u8::read(reader)?;
        let genre = Genre::ALL
            .into_iter()
            .find(|genre| genre.number() == number)
            .ok_or(SnapshotError::Bad("genre"))?;
        let size = u32::read(reader)?;
        let rate = TickRate::new(u8::read(reader)?.into());
        let rate = rate.map_err(|_| SnapshotError::Bad("tick rate"))?;
        Self::new(genre, size, rate).map_err(|_| SnapshotError::Bad("size"))
    }
}
