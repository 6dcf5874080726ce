//! The server's side of WebSocket framing (RFC 6455) after the upgrade, without IO.
//!
//! The decoder hands out messages from its own buffer and keeps no more than one message of the
//! allowed size; the encoder writes a header in front of bytes that are there already.

use thiserror::Error;

/// What a client may not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A message longer than allowed.
    #[error("a message of {length} bytes, the limit is {limit}")]
    TooLarge {
        /// Length announced.
        length: u64,
        /// Length allowed.
        limit: usize,
    },
    /// Bytes that are no frame of a client.
    #[error("not a WebSocket frame of a client: {0}")]
    Malformed(&'static str),
    /// Text that is not UTF-8.
    #[error("a text message that is not UTF-8")]
    BadText,
}

/// A message from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
    /// To be answered by a pong with the same bytes.
    Ping(&'a [u8]),
    /// Answer to a ping, or unasked.
    Pong,
    /// The client closes.
    Close,
}

/// Kind of a frame that a server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// Whole text message.
    Text = 0x1,
    /// Whole binary message.
    Binary = 0x2,
    /// Close, with code and reason.
    Close = 0x8,
    /// Asks for a pong.
    Ping = 0x9,
    /// Answers a ping.
    Pong = 0xA,
}

const CONTINUATION: u8 = 0x0;
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const MAX_CONTROL: usize = 125;
/// Most frames of one message.
const MAX_PARTS: usize = 64;

/// Appends a whole frame to `out`.
pub fn put_frame(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    out.push(FIN | opcode as u8);
    // A server's frames are not masked, so the length byte's high bit stays clear.
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length), _) if usize::from(length) <= MAX_CONTROL => out.push(length),
        (_, Ok(length)) => {
            out.push(126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Appends a close frame to `out`. A reason beyond 123 bytes is cut.
pub fn put_close(code: u16, reason: &str, out: &mut Vec<u8>) {
    let mut end = reason.len().min(MAX_CONTROL - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    put_frame(Opcode::Close, &payload, out);
}

/// Takes bytes as they come and gives out messages.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that have been given out.
    used: usize,
    /// The parts so far of a message in several frames.
    parts: Option<Parts>,
    /// The last message given out was in `parts`.
    parts_given: bool,
}

#[derive(Debug)]
struct Parts {
    text: bool,
    bytes: Vec<u8>,
    count: usize,
}

struct Header {
    fin: bool,
    opcode: u8,
    mask: [u8; 4],
    /// Bytes of header and of payload.
    header: usize,
    payload: usize,
}

impl Decoder {
    /// For messages of at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            buffer: Vec::new(),
            used: 0,
            parts: None,
            parts_given: false,
        }
    }

    /// Takes bytes from the network. All messages must be fetched with [`Decoder::next`] before more
    /// bytes are taken: then the buffer never holds more than one message and one read.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.used == self.buffer.len() {
            self.buffer.clear();
        } else {
            self.buffer.drain(..self.used);
        }
        self.used = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message that is whole.
    ///
    /// # Errors
    /// What the client did wrong. The connection is of no use after it.
    #[expect(
        clippy::should_implement_trait,
        reason = "it lends its buffer and can fail"
    )]
    pub fn next(&mut self) -> Result<Option<Incoming<'_>>, FrameError> {
        if std::mem::take(&mut self.parts_given) {
            self.parts = None;
        }
        loop {
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            let start = self.used + header.header;
            let end = start + header.payload;
            if self.buffer.len() < end {
                return Ok(None);
            }
            self.used = end;
            unmask(&mut self.buffer[start..end], header.mask);
            if header.opcode >= Opcode::Close as u8 {
                return self.control(header.opcode, start, end).map(Some);
            }
            let text = match header.opcode {
                CONTINUATION => {
                    let payload = &self.buffer[start..end];
                    if let Some(parts) = &mut self.parts {
                        parts.bytes.extend_from_slice(payload);
                        parts.count += 1;
                    }
                    if !header.fin {
                        continue;
                    }
                    self.parts_given = true;
                    return match &self.parts {
                        Some(parts) => message(parts.text, &parts.bytes).map(Some),
                        None => Err(FrameError::Malformed("a continuation of nothing")),
                    };
                }
                opcode => opcode == Opcode::Text as u8,
            };
            if header.fin {
                return message(text, &self.buffer[start..end]).map(Some);
            }
            self.parts = Some(Parts {
                text,
                bytes: self.buffer[start..end].to_vec(),
                count: 1,
            });
        }
    }

    /// The header of the next frame, once it is there; checked before its payload is waited for.
    fn header(&self) -> Result<Option<Header>, FrameError> {
        let bad = |what| Err(FrameError::Malformed(what));
        let bytes = &self.buffer[self.used..];
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return bad("reserved bits are set");
        }
        let (fin, opcode) = (first & FIN != 0, first & 0x0F);
        if second & MASKED == 0 {
            return bad("it is not masked");
        }
        let control = opcode >= Opcode::Close as u8;
        match opcode {
            CONTINUATION if self.parts.is_none() => return bad("a continuation of nothing"),
            0x1 | 0x2 if self.parts.is_some() => return bad("a message inside a message"),
            0x0..=0x2 | 0x8..=0xA => {}
            _ => return bad("unknown opcode"),
        }
        let short = second & 0x7F;
        let (length, wide) = match short {
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
        if control && (short > 125 || !fin) {
            return bad("a control frame that is long or in parts");
        }
        let before = match &self.parts {
            Some(parts) if !control => {
                // Empty parts cost no memory, but a message of them would never end and never count.
                if parts.count >= MAX_PARTS {
                    return bad("a message in too many parts");
                }
                parts.bytes.len()
            }
            _ => 0,
        };
        let payload = match usize::try_from(length) {
            Ok(payload) if control || payload <= self.limit - before => payload,
            _ => {
                return Err(FrameError::TooLarge {
                    length: length.saturating_add(before as u64),
                    limit: self.limit,
                });
            }
        };
        let Some(mask) = rest.get(wide..).and_then(<[u8]>::first_chunk::<4>) else {
            return Ok(None);
        };
        Ok(Some(Header {
            fin,
            opcode,
            mask: *mask,
            header: 2 + wide + 4,
            payload,
        }))
    }

    fn control(&self, opcode: u8, start: usize, end: usize) -> Result<Incoming<'_>, FrameError> {
        let payload = &self.buffer[start..end];
        match opcode {
            0x9 => Ok(Incoming::Ping(payload)),
            0xA => Ok(Incoming::Pong),
            _ if payload.len() == 1 => Err(FrameError::Malformed("a close with half a code")),
            _ => Ok(Incoming::Close),
        }
    }

    /// Bytes of memory held.
    #[must_use]
    pub fn memory(&self) -> usize {
        let parts = self
            .parts
            .as_ref()
            .map_or(0, |parts| parts.bytes.capacity());
        self.buffer.capacity() + parts
    }
}

fn message(text: bool, payload: &[u8]) -> Result<Incoming<'_>, FrameError> {
    if !text {
        return Ok(Incoming::Binary(payload));
    }
    let text = std::str::from_utf8(payload).map_err(|_| FrameError::BadText)?;
    Ok(Incoming::Text(text))
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    for (byte, mask) in payload.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::Message;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
    use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Got {
        Text(String),
        Binary(Vec<u8>),
        Ping(Vec<u8>),
        Pong,
        Close,
    }

    fn decode(limit: usize, bytes: &[u8], cuts: &[usize]) -> (Vec<Got>, Option<FrameError>) {
        let mut decoder = Decoder::new(limit);
        let mut got = Vec::new();
        let mut rest = bytes;
        let mut cuts = cuts.iter().copied();
        while !rest.is_empty() {
            let at = cuts.next().unwrap_or(usize::MAX).clamp(1, rest.len());
            let (now, later) = rest.split_at(at);
            rest = later;
            decoder.feed(now);
            loop {
                got.push(match decoder.next() {
                    Err(error) => return (got, Some(error)),
                    Ok(None) => break,
                    Ok(Some(Incoming::Text(text))) => Got::Text(text.to_owned()),
                    Ok(Some(Incoming::Binary(bytes))) => Got::Binary(bytes.to_vec()),
                    Ok(Some(Incoming::Ping(bytes))) => Got::Ping(bytes.to_vec()),
                    Ok(Some(Incoming::Pong)) => Got::Pong,
                    Ok(Some(Incoming::Close)) => Got::Close,
                });
            }
            assert!(decoder.memory() <= 2 * (2 * limit + now.len() + 64));
        }
        (got, None)
    }

    /// A client's frame, by the other implementation.
    fn frame(payload: &[u8], opcode: OpCode, fin: bool) -> Vec<u8> {
        let header = FrameHeader {
            is_final: fin,
            opcode,
            mask: Some([1, 2, 3, 4]),
            ..FrameHeader::default()
        };
        let frame = Frame::from_payload(header, payload.to_vec().into());
        let mut bytes = Vec::new();
        frame.format(&mut bytes).unwrap();
        bytes
    }

    const BINARY: OpCode = OpCode::Data(Data::Binary);
    const TEXT: OpCode = OpCode::Data(Data::Text);
    const MORE: OpCode = OpCode::Data(Data::Continue);
    const PING: OpCode = OpCode::Control(Control::Ping);

    proptest! {
        #[test]
        fn understands_messages_in_any_pieces(
            messages in prop::collection::vec((any::<bool>(), 0..400_usize, 1..5_usize), 1..8),
            cuts in prop::collection::vec(1..50_usize, 0..100),
        ) {
            let mut bytes = Vec::new();
            let mut expect = Vec::new();
            for (text, length, pieces) in messages {
                let payload = vec![b'x'; length];
                let size = (length / pieces).max(1);
                let mut chunks: Vec<_> = payload.chunks(size).collect();
                if chunks.is_empty() {
                    chunks.push(&[]);
                }
                let last = chunks.len() - 1;
                for (at, chunk) in chunks.iter().enumerate() {
                    let first = if text { TEXT } else { BINARY };
                    let opcode = if at == 0 { first } else { MORE };
                    bytes.extend(frame(chunk, opcode, at == last));
                    if at != last {
                        bytes.extend(frame(b"hi", PING, true));
                        expect.push(Got::Ping(b"hi".to_vec()));
                    }
                }
                expect.push(if text {
                    Got::Text("x".repeat(length))
                } else {
                    Got::Binary(payload)
                });
            }
            prop_assert_eq!(decode(400, &bytes, &cuts), (expect, None));
        }

        #[test]
        fn rubbish_does_no_harm(bytes: Vec<u8>, cuts in prop::collection::vec(1..9_usize, 0..50)) {
            decode(64, &bytes, &cuts);
        }

        #[test]
        fn the_other_implementation_understands_ours(length in 0..70_000_usize) {
            let payload = vec![7; length];
            let mut bytes = Vec::new();
            put_frame(Opcode::Binary, &payload, &mut bytes);
            put_close(4201, "Closing", &mut bytes);
            let stream = std::io::Cursor::new(bytes);
            let role = tokio_tungstenite::tungstenite::protocol::Role::Client;
            let mut socket =
                tokio_tungstenite::tungstenite::WebSocket::from_raw_socket(stream, role, None);
            prop_assert_eq!(socket.read().unwrap(), Message::Binary(payload.into()));
            let Message::Close(Some(close)) = socket.read().unwrap() else { panic!() };
            prop_assert_eq!((u16::from(close.code), close.reason.as_str()), (4201, "Closing"));
        }
    }

    #[test]
    fn faults() {
        let large = FrameError::TooLarge {
            length: 65,
            limit: 64,
        };
        let many = [frame(&[0; 64], BINARY, false), frame(&[0; 1], MORE, true)].concat();
        let huge = [&[0x82, 0xFF][..], &u64::MAX.to_be_bytes()].concat();
        let huge_error = FrameError::TooLarge {
            length: u64::MAX,
            limit: 64,
        };
        let malformed = FrameError::Malformed;
        for (bytes, expect) in [
            (frame(&[0; 65], BINARY, true), large),
            (many, large),
            (huge, huge_error),
            (frame(&[0xFF], TEXT, true), FrameError::BadText),
            (
                frame(&[0], MORE, true),
                malformed("a continuation of nothing"),
            ),
            (
                [frame(&[0], BINARY, false), frame(&[0], BINARY, true)].concat(),
                malformed("a message inside a message"),
            ),
            (
                [
                    frame(&[], BINARY, false),
                    frame(&[], MORE, false).repeat(MAX_PARTS),
                ]
                .concat(),
                malformed("a message in too many parts"),
            ),
            (vec![0x82, 0x01, 0x00], malformed("it is not masked")),
            (vec![0xC2, 0x80], malformed("reserved bits are set")),
            (vec![0x83, 0x80], malformed("unknown opcode")),
            (
                vec![0x09, 0x80],
                malformed("a control frame that is long or in parts"),
            ),
            (
                vec![0x89, 0xFE, 1, 0],
                malformed("a control frame that is long or in parts"),
            ),
            (
                vec![0x88, 0x81, 0, 0, 0, 0, 3],
                malformed("a close with half a code"),
            ),
            (
                b"GET / HTTP/1.1\r\n".to_vec(),
                malformed("reserved bits are set"),
            ),
        ] {
            assert_eq!(decode(64, &bytes, &[]), (vec![], Some(expect)), "{bytes:?}");
            assert_eq!(decode(64, &bytes, &[1; 100]).1, Some(expect), "{bytes:?}");
        }
    }

    #[test]
    fn a_close_reason_is_cut_between_characters() {
        let mut out = Vec::new();
        put_close(1000, &"é".repeat(100), &mut out);
        assert_eq!(out.len(), 2 + 2 + 122);
        assert!(std::str::from_utf8(&out[4..]).is_ok());
    }
}
