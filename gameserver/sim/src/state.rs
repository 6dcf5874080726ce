//! How state is saved and hashed: one walk over the fields for both, so that a snapshot cannot leave
//! out what the hash covers, nor the other way round.

use thiserror::Error;

/// What cannot be read as a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// Not a snapshot at all.
    #[error("not a snapshot of a world")]
    NotASnapshot,
    /// Written by another version of the format.
    #[error("snapshot format {found}, this build reads {expected}")]
    Format {
        /// In the snapshot.
        found: u16,
        /// Of this build.
        expected: u16,
    },
    /// The terrain would come out different.
    #[error("terrain generator {found}, this build has {expected}")]
    Generator {
        /// In the snapshot.
        found: u16,
        /// Of this build.
        expected: u16,
    },
    /// The ground that the seed makes is not the one that the world was on.
    #[error("the seed makes another ground now than when the snapshot was taken")]
    Terrain,
    /// The content no longer has a kind of thing that is in the world.
    #[error("the content no longer has a {0} that is in the snapshot")]
    Gone(&'static str),
    /// The bytes end too early.
    #[error("the snapshot is cut short")]
    Truncated,
    /// Bytes after the end.
    #[error("{0} bytes follow the end of the snapshot")]
    Trailing(u64),
    /// The content does not have the hash that it was written with.
    #[error("the snapshot is damaged: its hash does not fit its content")]
    Damaged,
    /// A value that no world can have.
    #[error("the snapshot has a bad {0}")]
    Bad(&'static str),
}

/// Takes the integers of a walk over state.
pub trait Sink {
    /// Takes the low `bytes` bytes of `value`.
    fn put(&mut self, value: u64, bytes: u8);
    /// Takes text or other bytes. Their length has been put before.
    fn put_bytes(&mut self, bytes: &[u8]);
}

/// A part of a world's state.
pub trait State: Sized {
    /// Walks over every field.
    fn write(&self, sink: &mut impl Sink);
    /// Reads what [`State::write`] put into an [`Encoder`].
    ///
    /// # Errors
    /// The bytes are no such state.
    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError>;
}

/// Writes state as little-endian bytes.
#[derive(Debug, Default)]
pub struct Encoder {
    /// What was written.
    pub bytes: Vec<u8>,
}

impl Sink for Encoder {
    fn put(&mut self, value: u64, bytes: u8) {
        let all = value.to_le_bytes();
        let length = all.len().min(bytes.into());
        self.bytes
            .extend_from_slice(all.get(..length).unwrap_or(&all));
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

/// Hashes state: multiply and fold over 64-bit words. Good against chance, not against intent.
#[derive(Debug)]
pub struct Hasher {
    state: u64,
    words: u64,
}

impl Hasher {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: 0x6a09_e667_f3bc_c908,
            words: 0,
        }
    }

    /// The hash of all words so far.
    #[must_use]
    pub fn finish(&self) -> u64 {
        crate::rng::mix(self.state ^ self.words.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Sink for Hasher {
    fn put(&mut self, value: u64, _bytes: u8) {
        // The rotation makes the order of words count; the product spreads each over all bits.
        let mixed = (self.state.rotate_left(23) ^ value).wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.state = mixed ^ (mixed >> 32);
        self.words = self.words.wrapping_add(1);
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.put(u64::from_le_bytes(word), 8);
        }
    }
}

/// Reads state back.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Over all of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `N` bytes.
    #[expect(clippy::disallowed_types, reason = "a length of code, not of state")]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let (array, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(SnapshotError::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    pub(crate) fn bytes(&mut self, length: u32) -> Result<&'a [u8], SnapshotError> {
        let length = length.try_into().map_err(|_| SnapshotError::Truncated)?;
        let (bytes, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(SnapshotError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// How many elements of at least one byte can still follow: no list is reserved for more.
    pub(crate) fn at_most(&self, count: u32) -> Result<u32, SnapshotError> {
        if u64::from(count) > self.remaining() {
            return Err(SnapshotError::Truncated);
        }
        Ok(count)
    }

    /// Bytes that were not read.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        u64::try_from(self.rest.len()).unwrap_or(u64::MAX)
    }
}

macro_rules! integer_state {
    ($($unsigned:ident $signed:ident $bytes:literal,)+) => { $(
        impl State for $unsigned {
            fn write(&self, sink: &mut impl Sink) {
                sink.put(u64::from(*self), $bytes);
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
                Ok(Self::from_le_bytes(reader.array()?))
            }
        }

        impl State for $signed {
            fn write(&self, sink: &mut impl Sink) {
                self.cast_unsigned().write(sink);
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
                Ok($unsigned::read(reader)?.cast_signed())
            }
        }
    )+ };
}

integer_state! {
    u8 i8 1,
    u16 i16 2,
    u32 i32 4,
    u64 i64 8,
}

impl State for bool {
    fn write(&self, sink: &mut impl Sink) {
        u8::from(*self).write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        match u8::read(reader)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(SnapshotError::Bad("truth value")),
        }
    }
}

impl State for Box<str> {
    fn write(&self, sink: &mut impl Sink) {
        // Longer texts are not let into a world.
        u32::try_from(self.len()).unwrap_or(u32::MAX).write(sink);
        sink.put_bytes(self.as_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let length = u32::read(reader)?;
        let text = std::str::from_utf8(reader.bytes(length)?);
        Ok(text.map_err(|_| SnapshotError::Bad("text"))?.into())
    }
}

impl<T: State> State for Vec<T> {
    fn write(&self, sink: &mut impl Sink) {
        u32::try_from(self.len()).unwrap_or(u32::MAX).write(sink);
        for item in self {
            item.write(sink);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let length = u32::read(reader)?;
        (0..reader.at_most(length)?)
            .map(|_| T::read(reader))
            .collect()
    }
}

impl<T: State> State for Option<T> {
    fn write(&self, sink: &mut impl Sink) {
        self.is_some().write(sink);
        if let Some(item) = self {
            item.write(sink);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        if bool::read(reader)? {
            T::read(reader).map(Some)
        } else {
            Ok(None)
        }
    }
}

impl<A: State, B: State> State for (A, B) {
    fn write(&self, sink: &mut impl Sink) {
        self.0.write(sink);
        self.1.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok((A::read(reader)?, B::read(reader)?))
    }
}

#[expect(clippy::disallowed_types, reason = "a length of code, not of state")]
impl<T: State + Copy + Default, const N: usize> State for [T; N] {
    fn write(&self, sink: &mut impl Sink) {
        for item in self {
            item.write(sink);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut items = [T::default(); N];
        for item in &mut items {
            *item = T::read(reader)?;
        }
        Ok(items)
    }
}
