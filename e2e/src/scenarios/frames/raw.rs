//! A client that says whatever it is told to, byte by byte.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use worldkeeper_server::protocol::{
    ClientMessage, EventMessage, Format, Hello, PROTOCOL_VERSION, Payload, Ping, PlayerName,
    Received, ServerMessage, View, Welcome, decode_server, encode_client,
};

use crate::harness::wait;

/// For one answer, on a machine that is busy.
const ANSWER: Duration = Duration::from_secs(20);
/// Any mask does.
const MASK: [u8; 4] = [0x5A, 0xC3, 0x0F, 0x96];

pub(super) const FIN: u8 = 0x80;
pub(super) const MORE: u8 = 0x0;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xA;

/// A frame as a client has to write it; `first` holds the flags and the opcode.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length), _) if length < 126 => out.push(0x80 | length),
        (_, Ok(length)) => {
            out.push(0x80 | 126);
            out.extend(length.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend((payload.len() as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    let masked = payload.iter().zip(MASK.iter().cycle());
    out.extend(masked.map(|(byte, mask)| byte ^ mask));
    out
}

/// The whole message that a format writes.
pub(super) fn whole(format: Format, payload: &[u8]) -> Vec<u8> {
    let opcode = match format {
        Format::Binary => BINARY,
        Format::Json => TEXT,
    };
    frame(FIN | opcode, payload)
}

/// What the server said.
#[derive(Debug)]
pub(super) enum Heard {
    Message(ServerMessage),
    Update(Vec<EventMessage>),
    Ping,
    Pong,
    /// Code and reason.
    Close(u16, String),
    /// The connection ended.
    Gone,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// The reason in a Refused or Kicked before the close frame.
    pub(super) words: Option<&'static str>,
    /// Code and reason of the close frame.
    pub(super) close: Option<(u16, String)>,
}

/// One connection.
pub(super) struct Raw {
    stream: TcpStream,
    format: Format,
    buffer: Vec<u8>,
    pub(super) view: Option<View>,
}

impl Raw {
    /// A connection, and nothing said yet.
    pub(super) async fn connect(address: SocketAddr) -> Result<Self> {
        Self::connect_with(address, None).await
    }

    /// As [`Self::connect`], with little room for what is not read.
    pub(super) async fn narrow(address: SocketAddr) -> Result<Self> {
        Self::connect_with(address, Some(16 * 1024)).await
    }

    async fn connect_with(address: SocketAddr, room: Option<u32>) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(room) = room {
            socket.set_recv_buffer_size(room)?;
        }
        let stream = wait::finish("a connection", ANSWER, async {
            Ok(socket.connect(address).await?)
        });
        let stream = stream.await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            format: Format::Binary,
            buffer: Vec::new(),
            view: None,
        })
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        wait::finish("bytes to be taken", ANSWER, async {
            Ok(self.stream.write_all(bytes).await?)
        })
        .await
    }

    /// What a server takes of it now, without waiting.
    pub(super) fn push(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stream.try_write(bytes)
    }

    /// Whether the server has ended the connection, as far as can be told without waiting.
    pub(super) fn has_ended(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.stream.try_read(&mut bytes) {
            Ok(count) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                // Its last words are a close.
                count == 0 || self.buffer.contains(&(FIN | CLOSE))
            }
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }

    /// Asks for the WebSocket, and gets it.
    pub(super) async fn upgrade(&mut self, format: Format) -> Result<()> {
        self.format = format;
        self.send(request(format).as_bytes()).await?;
        let head = self.head().await?;
        ensure!(
            head.starts_with("HTTP/1.1 101 "),
            "no WebSocket: {}",
            head.lines().next().unwrap_or_default()
        );
        Ok(())
    }

    /// The head of an HTTP answer.
    pub(super) async fn head(&mut self) -> Result<String> {
        wait::finish("an HTTP answer", ANSWER, async {
            loop {
                let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n");
                if let Some(end) = end {
                    let head = self.buffer.drain(..end + 4).collect();
                    return Ok(String::from_utf8(head)?);
                }
                ensure!(self.fill().await?, "the connection ended without an answer");
            }
        })
        .await
    }

    /// A WebSocket whose client has said nothing yet.
    pub(super) async fn open(address: SocketAddr, format: Format) -> Result<Self> {
        let mut raw = Self::connect(address).await?;
        raw.upgrade(format).await?;
        Ok(raw)
    }

    /// A player inside.
    pub(super) async fn enter(address: SocketAddr, format: Format, name: &str) -> Result<Self> {
        let mut raw = Self::open(address, format).await?;
        raw.say(&hello(name)?).await?;
        raw.welcome().await?;
        Ok(raw)
    }

    pub(super) async fn welcome(&mut self) -> Result<Box<Welcome>> {
        match self.hear().await? {
            Heard::Message(ServerMessage::Welcome(welcome)) => Ok(Box::new(welcome)),
            other => bail!("no Welcome but {other:?}"),
        }
    }

    /// One message as it should be.
    pub(super) async fn say(&mut self, message: &ClientMessage) -> Result<()> {
        let bytes = self.written(message);
        self.send(&bytes).await
    }

    /// A message as it should be, as bytes.
    pub(super) fn written(&self, message: &ClientMessage) -> Vec<u8> {
        let mut payload = Vec::new();
        encode_client(self.format, message, &mut payload);
        whole(self.format, &payload)
    }

    /// The next thing that the server says. Its pings are not answered.
    pub(super) async fn hear(&mut self) -> Result<Heard> {
        wait::finish("an answer", ANSWER, async {
            loop {
                if let Some((opcode, payload)) = self.frame()? {
                    return self.understand(opcode, &payload);
                }
                if !self.fill().await? {
                    return Ok(Heard::Gone);
                }
            }
        })
        .await
    }

    /// Reads on until the server has ended the connection.
    pub(super) async fn end(&mut self) -> Result<End> {
        let mut end = End {
            words: None,
            close: None,
        };
        loop {
            match self.hear().await? {
                Heard::Message(ServerMessage::Refused(refused)) => {
                    end.words = Some(refused.reason.as_str());
                }
                Heard::Message(ServerMessage::Kicked(kicked)) => {
                    end.words = Some(kicked.reason.as_str());
                }
                Heard::Close(code, reason) => end.close = Some((code, reason)),
                Heard::Gone => return Ok(end),
                _ => {}
            }
        }
    }

    /// Reads on until the answer to a Ping, which it sends, has come: everything sent before has been
    /// handled. What happened meanwhile.
    pub(super) async fn barrier(&mut self, nonce: u32) -> Result<Vec<EventMessage>> {
        self.say(&ClientMessage::Ping(Ping { nonce })).await?;
        let mut happened = Vec::new();
        loop {
            match self.hear().await? {
                Heard::Message(ServerMessage::Pong(pong)) if pong.nonce == nonce => {
                    return Ok(happened);
                }
                Heard::Update(events) => happened.extend(events),
                Heard::Ping => self.send(&frame(FIN | PONG, &[])).await?,
                Heard::Gone | Heard::Close(..) => bail!("the connection ended"),
                _ => {}
            }
        }
    }

    /// False at the end.
    async fn fill(&mut self) -> Result<bool> {
        self.buffer.reserve(16 * 1024);
        // A connection that is reset has ended, too.
        let count = self.stream.read_buf(&mut self.buffer).await.unwrap_or(0);
        Ok(count > 0)
    }

    /// A whole frame of the server, if one is there.
    fn frame(&mut self) -> Result<Option<(u8, Vec<u8>)>> {
        let [first, second, rest @ ..] = self.buffer.as_slice() else {
            return Ok(None);
        };
        ensure!(
            first & 0x70 == 0 && first & FIN != 0,
            "a frame begins with {first:#x}"
        );
        ensure!(second & 0x80 == 0, "the server's frame is masked");
        let (length, header) = match second {
            126 => match rest.first_chunk::<2>() {
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 4),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(length) => (u64::from_be_bytes(*length), 10),
                None => return Ok(None),
            },
            short => (u64::from(*short), 2),
        };
        let end = header + usize::try_from(length)?;
        if self.buffer.len() < end {
            return Ok(None);
        }
        let opcode = first & 0x0F;
        let payload = self.buffer[header..end].to_vec();
        self.buffer.drain(..end);
        Ok(Some((opcode, payload)))
    }

    fn understand(&mut self, opcode: u8, payload: &[u8]) -> Result<Heard> {
        let payload = match opcode {
            TEXT => Payload::Text(std::str::from_utf8(payload)?),
            BINARY => Payload::Binary(payload),
            PING => return Ok(Heard::Ping),
            PONG => return Ok(Heard::Pong),
            CLOSE => {
                let (code, reason) = payload
                    .split_first_chunk()
                    .context("a close without code")?;
                let reason = String::from_utf8(reason.to_vec())?;
                return Ok(Heard::Close(u16::from_be_bytes(*code), reason));
            }
            other => bail!("a frame with opcode {other:#x}"),
        };
        match decode_server(self.format, payload, self.view.as_mut())? {
            Received::Message(message) => {
                if let ServerMessage::Welcome(welcome) = &message {
                    self.view = Some(View::new(welcome));
                }
                Ok(Heard::Message(message))
            }
            Received::Update { events } => Ok(Heard::Update(events)),
        }
    }
}

/// The request for the WebSocket.
pub(super) fn request(format: Format) -> String {
    let query = match format {
        Format::Binary => "",
        Format::Json => "?format=json",
    };
    format!(
        "GET /v1/play{query} HTTP/1.1\r\nHost: world\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

pub(super) fn hello(name: &str) -> Result<ClientMessage> {
    Ok(ClientMessage::Hello(Hello {
        version: PROTOCOL_VERSION,
        world: None,
        epoch: None,
        name: PlayerName::new(name)?,
        resume: None,
    }))
}
