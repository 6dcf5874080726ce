//! Primitives of the binary format: varints, zigzag, bounded text.
//!
//! Every value has exactly one spelling (varints are minimal), so a decoded message encodes to the
//! bytes that it came from.

use super::error::DecodeError;

/// Appends `value` as LEB128: seven bits a byte, lowest first, the high bit set on all but the last.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// 0, −1, 1, −2, … become 0, 1, 2, 3, …
pub(super) fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}

/// Appends a signed value as a zigzag varint.
pub(super) fn put_zigzag(out: &mut Vec<u8>, value: i32) {
    put_varint(out, u64::from(zigzag(value)));
}

/// Appends a text: its length in bytes as a varint, then its bytes.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Cuts a text to at most `limit` bytes without splitting a character.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit).rev().find(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or(0)]
}

/// Reads fields off a message.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn byte(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        let (&first, rest) = self
            .rest
            .split_first()
            .ok_or(DecodeError::Truncated { field })?;
        self.rest = rest;
        Ok(first)
    }

    pub(super) fn bytes<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        let (&head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(DecodeError::Truncated { field })?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn varint(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(field)?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit only.
            if shift == 63 && bits > 1 {
                return Err(DecodeError::BadVarint { field });
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                // A last byte of zero adds nothing: the same value has a shorter spelling.
                return if byte == 0 && shift > 0 {
                    Err(DecodeError::BadVarint { field })
                } else {
                    Ok(value)
                };
            }
        }
        Err(DecodeError::BadVarint { field })
    }

    pub(super) fn boolean(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        match self.byte(field)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::OutOfRange { field }),
        }
    }

    pub(super) fn varint_max(&mut self, field: &'static str, max: u64) -> Result<u64, DecodeError> {
        let value = self.varint(field)?;
        if value > max {
            return Err(DecodeError::OutOfRange { field });
        }
        Ok(value)
    }

    pub(super) fn varint_u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        let value = self.varint(field)?;
        u32::try_from(value).map_err(|_| DecodeError::OutOfRange { field })
    }

    pub(super) fn varint_u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        let value = self.varint(field)?;
        u16::try_from(value).map_err(|_| DecodeError::OutOfRange { field })
    }

    pub(super) fn zigzag(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        let raw = self.varint_u32(field)?;
        // The halves of u32 both fit in i32.
        #[allow(clippy::cast_possible_wrap)]
        let half = (raw >> 1) as i32;
        Ok(if raw & 1 == 0 { half } else { !half })
    }

    /// A count or length of at most `limit`.
    pub(super) fn length(
        &mut self,
        field: &'static str,
        limit: usize,
    ) -> Result<usize, DecodeError> {
        let actual = self.varint(field)?;
        match usize::try_from(actual) {
            Ok(length) if length <= limit => Ok(length),
            _ => Err(DecodeError::TooLong {
                field,
                actual,
                limit,
            }),
        }
    }

    pub(super) fn text(
        &mut self,
        field: &'static str,
        limit: usize,
    ) -> Result<&'a str, DecodeError> {
        let length = self.length(field, limit)?;
        let (text, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(DecodeError::Truncated { field })?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| DecodeError::BadUtf8 { field })
    }

    /// The message must end here.
    pub(super) fn end(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::TrailingBytes {
                extra: self.rest.len(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn varints_round_trip(value: u64) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint("v"), Ok(value));
            prop_assert_eq!(reader.end(), Ok(()));
        }

        #[test]
        fn a_varint_has_one_spelling(bytes in prop::collection::vec(any::<u8>(), 1..12)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.varint("v") {
                let mut out = Vec::new();
                put_varint(&mut out, value);
                prop_assert_eq!(&bytes[..out.len()], &out[..]);
            }
        }

        #[test]
        fn zigzags_round_trip(value: i32) {
            let mut out = Vec::new();
            put_zigzag(&mut out, value);
            prop_assert_eq!(Reader::new(&out).zigzag("v"), Ok(value));
        }

        #[test]
        fn a_cut_text_is_text(text in ".{0,40}", limit in 0_usize..60) {
            let short = cut(&text, limit);
            prop_assert!(short.len() <= limit && text.starts_with(short));
        }
    }

    #[test]
    fn small_values_take_one_byte() {
        for value in [-64, -1, 0, 1, 63] {
            let mut out = Vec::new();
            put_zigzag(&mut out, value);
            assert_eq!(out.len(), 1, "{value}");
        }
    }
}
