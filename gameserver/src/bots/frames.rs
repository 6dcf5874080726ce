//! A client's side of WebSocket framing (RFC 6455), without IO. What comes is read in place, from the
//! buffer that the socket was read into; what goes is masked in place.

use thiserror::Error;

/// What a server may not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum FrameError {
    /// Longer than a server may write.
    #[error("a frame of {length} bytes, the limit is {limit}")]
    TooLarge {
        /// Announced.
        length: u64,
        /// Allowed.
        limit: usize,
    },
    /// No frame of a server.
    #[error("not a WebSocket frame of a server: {0}")]
    Malformed(&'static str),
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

/// A whole frame at the front of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) opcode: Opcode,
    /// The last frame of its message.
    pub(super) fin: bool,
    pub(super) payload: &'a [u8],
    /// Bytes of the buffer that it takes.
    pub(super) length: usize,
}

/// Longest payload of a control frame.
const MAX_CONTROL: usize = 125;

/// The frame at the front of `bytes`; none while it is not whole.
///
/// # Errors
/// What the server did wrong; the connection is of no use after it.
pub(super) fn parse(bytes: &[u8], limit: usize) -> Result<Option<Frame<'_>>, FrameError> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if first & 0x70 != 0 {
        return Err(FrameError::Malformed("reserved bits are set"));
    }
    if second & 0x80 != 0 {
        return Err(FrameError::Malformed("it is masked"));
    }
    let fin = first & 0x80 != 0;
    let opcode = match first & 0x0F {
        0x0 => Opcode::Continuation,
        0x1 => Opcode::Text,
        0x2 => Opcode::Binary,
        0x8 => Opcode::Close,
        0x9 => Opcode::Ping,
        0xA => Opcode::Pong,
        _ => return Err(FrameError::Malformed("unknown opcode")),
    };
    let (length, wide) = match second & 0x7F {
        126 => match rest.first_chunk::<2>() {
            Some(length) => (u64::from(u16::from_be_bytes(*length)), 2),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(length) => (u64::from_be_bytes(*length), 8),
            None => return Ok(None),
        },
        short => (u64::from(short), 0),
    };
    let payload = match usize::try_from(length) {
        Ok(payload) if payload <= limit => payload,
        _ => return Err(FrameError::TooLarge { length, limit }),
    };
    let control = matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong);
    if control && (payload > MAX_CONTROL || !fin) {
        return Err(FrameError::Malformed(
            "a control frame that is long or in parts",
        ));
    }
    Ok(rest.get(wide..wide + payload).map(|payload| Frame {
        opcode,
        fin,
        payload,
        length: 2 + wide + payload.len(),
    }))
}

/// Code and reason of a close frame's payload.
pub(super) fn close(payload: &[u8]) -> Option<(u16, String)> {
    let (code, reason) = payload.split_first_chunk::<2>()?;
    Some((
        u16::from_be_bytes(*code),
        String::from_utf8_lossy(reason).into_owned(),
    ))
}

/// Appends a whole frame, masked with `mask`.
pub(super) fn put(opcode: Opcode, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    out.push(0x80 | opcode as u8);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length), _) if length <= 125 => out.push(0x80 | length),
        (_, Ok(length)) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(
        payload
            .iter()
            .zip(mask.into_iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::net::websocket;

    const LIMIT: usize = 100_000;

    proptest! {
        #[test]
        fn a_servers_frames_are_read_whole_and_only_whole(
            payload in proptest::collection::vec(any::<u8>(), 0..70_000), cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = Vec::new();
            websocket::put_frame(websocket::Opcode::Binary, &payload, &mut bytes);
            let frame = parse(&bytes, LIMIT).unwrap().unwrap();
            prop_assert_eq!(
                (frame.opcode, frame.fin, frame.length), (Opcode::Binary, true, bytes.len())
            );
            prop_assert_eq!(frame.payload, &payload[..]);
            let part = &bytes[..cut.index(bytes.len())];
            prop_assert_eq!(parse(part, LIMIT), Ok(None));
        }

        #[test]
        fn a_server_reads_what_is_put(
            payload in proptest::collection::vec(any::<u8>(), 0..70_000), mask: [u8; 4],
        ) {
            let mut bytes = Vec::new();
            put(Opcode::Binary, &payload, mask, &mut bytes);
            let mut server = websocket::Decoder::new(LIMIT);
            server.feed(&bytes);
            prop_assert_eq!(server.next(), Ok(Some(websocket::Incoming::Binary(&payload))));
        }

        #[test]
        fn any_bytes_are_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(Some(frame)) = parse(&bytes, 64) {
                prop_assert!(frame.payload.len() <= 64 && frame.length <= bytes.len());
            }
        }
    }

    #[test]
    fn a_close_says_why() {
        let mut bytes = Vec::new();
        websocket::put_close(4201, "Closing", &mut bytes);
        let frame = parse(&bytes, LIMIT).unwrap().unwrap();
        assert_eq!(frame.opcode, Opcode::Close);
        assert_eq!(close(frame.payload), Some((4201, "Closing".to_owned())));
        assert_eq!(close(&[]), None);
    }
}
