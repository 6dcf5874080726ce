//! One client connection on a socket that never blocks: connect, upgrade, frames.
//!
//! All bots of a thread share one buffer to read into and one to write from, so an open connection
//! holds no memory of its own unless a frame arrives, or the socket takes it, in parts.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::frames::{self, Frame, FrameError, Opcode};
use crate::protocol::limits::MAX_SERVER_MESSAGE_BYTES;

/// Longest head of the answer to an upgrade.
const MAX_HEAD_BYTES: usize = 8 * 1024;
/// Most bytes that wait for a socket that takes none; beyond that the connection is given up.
const MAX_WAITING_BYTES: usize = 64 * 1024;
/// Bytes of a thread's buffer: the rest of one message and a read on top of it.
const READ_BYTES: usize = MAX_SERVER_MESSAGE_BYTES + 64 * 1024;

/// What a thread's connections share.
pub(super) struct Buffers {
    read: Vec<u8>,
    write: Vec<u8>,
    pub(super) message: Vec<u8>,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self {
            read: vec![0; READ_BYTES],
            write: Vec::with_capacity(1024),
            message: Vec::with_capacity(1024),
        }
    }

    /// The buffer to read into, to be given back with [`Self::return_read`]. It is lent by value so
    /// that frames in it do not tie up everything else.
    pub(super) fn lend_read(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.read)
    }

    pub(super) fn return_read(&mut self, read: Vec<u8>) {
        self.read = read;
    }
}

/// Why a connection is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The server ended it.
    Closed,
    /// The socket failed.
    Io(String),
    /// The TCP connection was not made.
    Connect(String),
    /// The answer to the upgrade was no yes.
    Upgrade(String),
    /// Bytes that are no WebSocket.
    Violation(String),
}

impl From<FrameError> for Ending {
    fn from(error: FrameError) -> Self {
        Self::Violation(error.to_string())
    }
}

impl Ending {
    /// In words; empty where there is nothing to say.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Closed => String::new(),
            Self::Io(words)
            | Self::Connect(words)
            | Self::Upgrade(words)
            | Self::Violation(words) => words.clone(),
        }
    }
}

#[derive(Debug)]
enum Phase {
    Connecting,
    Upgrading { accept: String },
    Open,
}

/// How much one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Filled {
    /// Bytes in the buffer, those kept from before included.
    pub(super) length: usize,
    /// The socket has no more for now.
    pub(super) drained: bool,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    phase: Phase,
    path: String,
    address: SocketAddr,
    /// The front of a frame, or of the answer to the upgrade.
    kept: Vec<u8>,
    /// The parts so far of a message in several frames, and whether it is text.
    parts: Option<(bool, Vec<u8>)>,
    /// What the socket has not taken yet.
    waiting: Vec<u8>,
}

/// A message of the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming<'a> {
    Text(&'a [u8]),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Close(Option<(u16, String)>),
    /// Nothing for the caller: a pong, or a part of a message.
    Nothing,
}

impl Connection {
    /// Begins to connect; `path` is what the upgrade asks for.
    pub(super) fn open(address: SocketAddr, path: String) -> Result<Self, Ending> {
        let stream =
            TcpStream::connect(address).map_err(|error| Ending::Connect(error.to_string()))?;
        Ok(Self {
            stream,
            phase: Phase::Connecting,
            path,
            address,
            kept: Vec::new(),
            parts: None,
            waiting: Vec::new(),
        })
    }

    /// The upgrade is done.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Goes on after the socket said that it can write.
    pub(super) fn writable(&mut self) -> Result<(), Ending> {
        if matches!(self.phase, Phase::Connecting) {
            let failed = |error: std::io::Error| Ending::Connect(error.to_string());
            if let Some(error) = self.stream.take_error().map_err(failed)? {
                return Err(failed(error));
            }
            match self.stream.peer_addr() {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(()),
                Err(error) => return Err(failed(error)),
            }
            self.stream.set_nodelay(true).map_err(failed)?;
            self.ask_for_upgrade()?;
        }
        self.flush()
    }

    fn ask_for_upgrade(&mut self) -> Result<(), Ending> {
        let key = generate_key();
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n",
            self.path, self.address
        );
        self.phase = Phase::Upgrading {
            accept: derive_accept_key(key.as_bytes()),
        };
        self.write(head.as_bytes())
    }

    fn flush(&mut self) -> Result<(), Ending> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.write(&waiting)
    }

    /// Writes, in order, what the socket takes now; the rest waits.
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), Ending> {
        while self.waiting.is_empty() && !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Ending::Io(error.to_string())),
            }
        }
        if self.waiting.len() + bytes.len() > MAX_WAITING_BYTES {
            return Err(Ending::Io("the server reads nothing".to_owned()));
        }
        self.waiting.extend_from_slice(bytes);
        Ok(())
    }

    fn send(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut Vec<u8>,
        mask: u32,
    ) -> Result<(), Ending> {
        out.clear();
        frames::put(opcode, payload, mask.to_ne_bytes(), out);
        self.write(out)
    }

    /// Sends what `buffers.message` holds, under a random mask.
    pub(super) fn send_message(
        &mut self,
        opcode: Opcode,
        buffers: &mut Buffers,
        mask: u32,
    ) -> Result<(), Ending> {
        let Buffers { write, message, .. } = buffers;
        self.send(opcode, message, write, mask)
    }

    /// Reads once, behind the `have` bytes that the buffer holds already (at the first read of a
    /// visit: what was kept).
    pub(super) fn fill(
        &mut self,
        read: &mut [u8],
        mut have: usize,
    ) -> Result<Filled, (usize, Ending)> {
        if !self.kept.is_empty() {
            have = self.kept.len();
            if let Some(front) = read.get_mut(..have) {
                front.copy_from_slice(&self.kept);
            }
            self.kept.clear();
        }
        let room = read.get_mut(have..).unwrap_or_default();
        let space = room.len();
        loop {
            match self.stream.read(room) {
                Ok(0) => return Err((have, Ending::Closed)),
                // A read that leaves room has emptied the socket: edge-triggered epoll tells of what
                // comes after it (epoll(7)), so the read that would fail can be saved.
                Ok(count) => {
                    return Ok(Filled {
                        length: have + count,
                        drained: count < space,
                    });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Filled {
                        length: have,
                        drained: true,
                    });
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err((have, Ending::Io(error.to_string()))),
            }
        }
    }

    /// Keeps what is not whole yet for the next visit.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        self.kept.extend_from_slice(rest);
    }

    /// Takes the answer to the upgrade from the front of `bytes`: its length, once it is whole.
    pub(super) fn upgraded(&mut self, bytes: &[u8]) -> Result<Option<usize>, Ending> {
        let Phase::Upgrading { accept } = &self.phase else {
            return Ok(None);
        };
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            if bytes.len() > MAX_HEAD_BYTES {
                return Err(Ending::Upgrade("an endless answer".to_owned()));
            }
            return Ok(None);
        };
        let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
        let mut lines = head.lines();
        let status = lines.next().unwrap_or_default();
        if status.split(' ').nth(1) != Some("101") {
            return Err(Ending::Upgrade(status.to_owned()));
        }
        let accepted = lines
            .filter_map(|line| line.split_once(':'))
            .any(|(key, value)| {
                key.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == accept
            });
        if !accepted {
            return Err(Ending::Upgrade("it accepts another key".to_owned()));
        }
        self.phase = Phase::Open;
        Ok(Some(end + 4))
    }

    /// What a frame means. A message in parts is handed out, by `joined`, with its last part.
    pub(super) fn take<'a>(
        &mut self,
        frame: Frame<'a>,
        joined: &'a mut Vec<u8>,
    ) -> Result<Incoming<'a>, Ending> {
        let bad = |what| Err(Ending::from(FrameError::Malformed(what)));
        let (text, payload) = match (frame.opcode, self.parts.is_some()) {
            (Opcode::Ping, _) => return Ok(Incoming::Ping(frame.payload)),
            (Opcode::Pong, _) => return Ok(Incoming::Nothing),
            (Opcode::Close, _) => return Ok(Incoming::Close(frames::close(frame.payload))),
            (Opcode::Continuation, false) => return bad("a continuation of nothing"),
            (Opcode::Text | Opcode::Binary, true) => return bad("a message inside a message"),
            (opcode @ (Opcode::Text | Opcode::Binary), false) => {
                let text = opcode == Opcode::Text;
                if !frame.fin {
                    self.parts = Some((text, frame.payload.to_vec()));
                    return Ok(Incoming::Nothing);
                }
                (text, frame.payload)
            }
            (Opcode::Continuation, true) => {
                let Some((text, parts)) = &mut self.parts else {
                    return Ok(Incoming::Nothing);
                };
                if parts.len() + frame.payload.len() > MAX_SERVER_MESSAGE_BYTES {
                    return bad("a message in parts that is too large");
                }
                parts.extend_from_slice(frame.payload);
                if !frame.fin {
                    return Ok(Incoming::Nothing);
                }
                let text = *text;
                *joined = std::mem::take(parts);
                self.parts = None;
                (text, joined.as_slice())
            }
        };
        Ok(if text {
            Incoming::Text(payload)
        } else {
            Incoming::Binary(payload)
        })
    }
}
