//! A server in this process, and a client that speaks the protocol by the crate's own codec over
//! another WebSocket implementation.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, missing_docs)]

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use worldkeeper_server::config::Config;
use worldkeeper_server::protocol::{
    Act, Action, ClientMessage, Direction, EntityId, EventMessage, Format, Hello, KickReason,
    Kicked, Known, Move, Outcome, PlayerName, Received, RefusalReason, Refused, ResumeToken,
    ServerMessage, View, Welcome, WorldName, decode_server, encode_client,
};
use worldkeeper_server::serve::{Running, start};
use worldkeeper_sim::{Genre, Params, TickRate};

/// Longest wait for anything; far more than anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const WORLD: &str = "games/fantasy-42";
pub const EPOCH: u64 = 3;

/// A small, quick world on free ports.
pub fn config() -> Config {
    let mut config = Config::defaults().unwrap();
    let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
    (config.server.host, config.server.port) = (host, 0);
    (config.agent.host, config.agent.port) = (host, 0);
    config.world.name = WorldName::new(WORLD).unwrap();
    config.world.epoch = EPOCH;
    config.world.seed = 42;
    let rate = TickRate::new(60).unwrap();
    config.world.params = Params::new(Genre::Fantasy, 256, rate).unwrap();
    config.server.closing_notice_seconds = 0;
    config
}

pub async fn serve(change: impl FnOnce(&mut Config)) -> Running {
    let mut config = config();
    change(&mut config);
    let running = start(config).await.unwrap();
    until("the world is made", async || {
        running.game.status().borrow().is_some()
    })
    .await;
    running
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    soon(what, wait).await;
}

/// Waits for something that must come.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain: {what}"),
    }
}

/// The status says so.
pub async fn players(running: &Running, inside: u32, resuming: u32) {
    let mut status = running.game.status();
    let told = status.wait_for(|published| {
        let status = &published.as_ref().unwrap().status;
        (status.players, status.resuming) == (inside, resuming)
    });
    soon("the status tells of the players", told).await.unwrap();
}

pub fn hello(name: &str) -> Hello {
    Hello {
        version: worldkeeper_server::protocol::PROTOCOL_VERSION,
        world: Some(WorldName::new(WORLD).unwrap()),
        epoch: Some(EPOCH),
        name: PlayerName::new(name).unwrap(),
        resume: None,
    }
}

pub fn returning(name: &str, token: &ResumeToken) -> Hello {
    Hello {
        resume: Some(token.clone()),
        ..hello(name)
    }
}

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub async fn open(address: SocketAddr, query: &str) -> Socket {
    let url = format!("ws://{address}/v1/play{query}");
    soon("the websocket opens", connect_async(url))
        .await
        .unwrap()
        .0
}

/// A connection whose reading side holds little: what is not read soon waits at the server.
pub async fn open_narrow(address: SocketAddr) -> Socket {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = MaybeTlsStream::Plain(socket.connect(address).await.unwrap());
    let url = format!("ws://{address}/v1/play");
    tokio_tungstenite::client_async(url, stream)
        .await
        .unwrap()
        .0
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Of the close frame.
    pub code: Option<u16>,
    pub refused: Option<RefusalReason>,
    pub kicked: Option<KickReason>,
}

impl End {
    pub fn refused(reason: RefusalReason) -> Self {
        Self {
            code: Some(reason.close_code()),
            refused: Some(reason),
            kicked: None,
        }
    }

    pub fn kicked(reason: KickReason) -> Self {
        Self {
            code: Some(reason.close_code()),
            refused: None,
            kicked: Some(reason),
        }
    }

    pub fn normal() -> Self {
        Self {
            code: Some(1000),
            refused: None,
            kicked: None,
        }
    }
}

pub struct Client {
    pub socket: Socket,
    pub format: Format,
    pub welcome: Welcome,
    pub view: Option<View>,
    /// All events so far.
    pub events: Vec<EventMessage>,
    /// Last words heard.
    last: End,
    seq: u32,
}

#[derive(Debug)]
pub enum Heard {
    Update(Vec<EventMessage>),
    Message(ServerMessage),
    End(End),
}

impl Client {
    pub async fn join(address: SocketAddr, name: &str) -> Self {
        Self::enter(address, hello(name)).await.unwrap()
    }

    pub async fn enter(address: SocketAddr, hello: Hello) -> Result<Self, End> {
        Self::enter_as(address, hello, Format::Binary).await
    }

    pub async fn enter_as(address: SocketAddr, hello: Hello, format: Format) -> Result<Self, End> {
        let query = match format {
            Format::Binary => "",
            Format::Json => "?format=json",
        };
        Self::enter_over(open(address, query).await, hello, format).await
    }

    pub async fn enter_over(mut socket: Socket, hello: Hello, format: Format) -> Result<Self, End> {
        say(&mut socket, format, &ClientMessage::Hello(hello)).await;
        let mut view = None;
        let mut last = End {
            code: None,
            refused: None,
            kicked: None,
        };
        match hear(&mut socket, format, &mut view, &mut last).await {
            Heard::Message(ServerMessage::Welcome(welcome)) => Ok(Self {
                socket,
                format,
                view: Some(View::new(&welcome)),
                seq: welcome.ack,
                welcome,
                last,
                events: Vec::new(),
            }),
            Heard::End(end) => Err(end),
            Heard::Message(ServerMessage::Refused(_)) => {
                match hear(&mut socket, format, &mut view, &mut last).await {
                    Heard::End(end) => Err(end),
                    other => panic!("after a refusal: {other:?}"),
                }
            }
            other => panic!("instead of a welcome: {other:?}"),
        }
    }

    pub async fn say(&mut self, message: &ClientMessage) {
        say(&mut self.socket, self.format, message).await;
    }

    pub async fn walk(&mut self, x: i8, y: i8) -> u32 {
        self.walk_at(0, x, y).await
    }

    /// Walks from a tick on.
    pub async fn walk_at(&mut self, at: u64, x: i8, y: i8) -> u32 {
        self.seq += 1;
        let (seq, direction) = (self.seq, Direction { x, y });
        self.say(&ClientMessage::Move(Move { seq, at, direction }))
            .await;
        self.seq
    }

    /// Acts; returns the number that the answer will have.
    pub async fn act(&mut self, action: Action) -> u32 {
        self.seq += 1;
        let act = Act {
            seq: self.seq,
            at: 0,
            view: self.view.as_ref().unwrap().own().tick,
            action,
        };
        self.say(&ClientMessage::Act(act)).await;
        self.seq
    }

    /// Acts, and hears how it went.
    pub async fn done(&mut self, action: Action) -> Outcome {
        let what = format!("{action:?} is answered");
        let own = self.act(action).await;
        self.event(&what, |event| match event {
            EventMessage::Done { seq, outcome } if *seq == own => Some(*outcome),
            _ => None,
        })
        .await
    }

    /// Hears until something has happened, since the beginning.
    pub async fn event<T>(&mut self, what: &str, is: impl Fn(&EventMessage) -> Option<T>) -> T {
        let wait = async {
            loop {
                if let Some(found) = self.events.iter().find_map(&is) {
                    return found;
                }
                if let Heard::End(end) = self.hear().await {
                    panic!("{what}: {end:?}");
                }
            }
        };
        soon(what, wait).await
    }

    pub async fn hear(&mut self) -> Heard {
        let heard = hear(
            &mut self.socket,
            self.format,
            &mut self.view,
            &mut self.last,
        )
        .await;
        if let Heard::Update(events) = &heard {
            self.events.extend(events.iter().cloned());
        }
        heard
    }

    /// Hears until the view is as wanted.
    pub async fn until(&mut self, what: &str, mut holds: impl FnMut(&View) -> bool) {
        let wait = async {
            while !holds(self.view.as_ref().unwrap()) {
                if let Heard::End(end) = self.hear().await {
                    panic!("{what}: {end:?}");
                }
            }
        };
        soon(what, wait).await;
    }

    /// Hears until a message comes that is no update.
    pub async fn message(&mut self) -> ServerMessage {
        let wait = async {
            loop {
                match self.hear().await {
                    Heard::Update(_) => {}
                    Heard::Message(message) => return message,
                    Heard::End(end) => panic!("instead of a message: {end:?}"),
                }
            }
        };
        soon("a message comes", wait).await
    }

    /// Hears until the connection ends.
    pub async fn end(&mut self) -> End {
        let wait = async {
            loop {
                if let Heard::End(end) = self.hear().await {
                    return end;
                }
            }
        };
        soon("the connection ends", wait).await
    }

    /// Walks until it is within `reach` millimetres of an entity, around what is in the way.
    pub async fn walk_to(&mut self, target: EntityId, reach: i32) {
        let wait = async {
            let mut detour = 0;
            loop {
                let view = self.view.as_ref().unwrap();
                let own = view.own();
                let to = view.shown(target, own.tick).expect("it is in sight");
                let (x, y) = (to.x - own.position.x, to.y - own.position.y);
                if x.abs().max(y.abs()) * 10 < reach * 7 {
                    break;
                }
                let longest = x.abs().max(y.abs());
                let part = |way: i32| i8::try_from(way * 127 / longest).unwrap();
                let (x, y) = (part(x), part(y));
                match detour % 3 {
                    0 => self.walk(x, y).await,
                    1 => self.walk(y, -x).await,
                    _ => self.walk(-y, x).await,
                };
                let from = own.position;
                for _ in 0..10 {
                    if let Heard::End(end) = self.hear().await {
                        panic!("on the way: {end:?}");
                    }
                }
                let now = self.view.as_ref().unwrap().own().position;
                detour = if now == from || detour % 3 != 0 && rand::random() {
                    detour + 1
                } else {
                    detour / 3 * 3
                };
            }
            self.walk(0, 0).await
        };
        let seq = soon("it gets there", wait).await;
        self.until("it stands", |view| view.own().ack >= seq).await;
    }

    /// The nearest entity of those wanted, once there is one.
    pub async fn nearest(&mut self, what: &str, is: impl Fn(&Known) -> bool) -> EntityId {
        let mut found = None;
        self.until(what, |view| {
            let own = view.own();
            let far = |known: &Known| {
                let place = known.motion.position;
                let (x, y) = (place.x - own.position.x, place.y - own.position.y);
                i64::from(x).pow(2) + i64::from(y).pow(2)
            };
            let wanted = view.entities().iter().filter(|known| is(known));
            found = wanted.min_by_key(|known| far(known)).map(|known| known.id);
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// Walks somewhere until it has moved.
    pub async fn wander(&mut self) {
        let from = self.view.as_ref().unwrap().own().position;
        for (x, y) in [(127, 0), (0, 127), (-127, 0), (0, -127)] {
            let seq = self.walk(x, y).await;
            self.until("the input is applied", |view| view.own().ack == seq)
                .await;
            let mut updates = 0;
            self.until("some updates", |_| {
                updates += 1;
                updates > 10
            })
            .await;
            if self.view.as_ref().unwrap().own().position != from {
                return;
            }
        }
        panic!("stuck at {from:?}");
    }
}

pub async fn say(socket: &mut Socket, format: Format, message: &ClientMessage) {
    let mut bytes = Vec::new();
    encode_client(format, message, &mut bytes);
    let message = match format {
        Format::Binary => Message::Binary(bytes.into()),
        Format::Json => Message::Text(String::from_utf8(bytes).unwrap().into()),
    };
    // The server may have closed already; what it said then is heard.
    let _ = socket.send(message).await;
}

pub async fn hear(
    socket: &mut Socket,
    format: Format,
    view: &mut Option<View>,
    last: &mut End,
) -> Heard {
    use worldkeeper_server::protocol::Payload;

    loop {
        let message = soon("something is heard", socket.next()).await;
        let received = match &message {
            Some(Ok(Message::Binary(bytes))) => {
                decode_server(format, Payload::Binary(bytes), view.as_mut())
            }
            Some(Ok(Message::Text(text))) => {
                decode_server(format, Payload::Text(text), view.as_mut())
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Close(close))) => {
                last.code = close.as_ref().map(|close| close.code.into());
                return Heard::End(last.clone());
            }
            Some(Ok(Message::Frame(_))) => unreachable!("only when asked for"),
            Some(Err(_)) | None => return Heard::End(last.clone()),
        };
        return match received.unwrap() {
            Received::Update { events } => Heard::Update(events),
            Received::Message(message) => {
                match &message {
                    ServerMessage::Refused(Refused { reason, .. }) => last.refused = Some(*reason),
                    ServerMessage::Kicked(Kicked { reason, .. }) => last.kicked = Some(*reason),
                    _ => {}
                }
                Heard::Message(message)
            }
        };
    }
}

/// An HTTP call to the agent: status and body.
pub async fn call(
    agent: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
) -> (u16, String) {
    use tokio::io::AsyncReadExt;

    let mut stream = request(agent, method, path, token).await;
    let mut answer = String::new();
    soon("the agent answers", stream.read_to_string(&mut answer))
        .await
        .unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    (status, body)
}

pub async fn request(
    agent: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
) -> TcpStream {
    use tokio::io::AsyncWriteExt;

    let mut stream = TcpStream::connect(agent).await.unwrap();
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\n",
        authorization.unwrap_or_default()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// The value of a line of `/metrics`.
pub async fn metric(running: &Running, line: &str) -> u64 {
    let (status, text) = call(running.agent, "GET", "/metrics", None).await;
    assert_eq!(status, 200);
    let found = text
        .lines()
        .find_map(|metric| metric.strip_prefix(line)?.strip_prefix(' '));
    found
        .unwrap_or_else(|| panic!("no {line} in {text}"))
        .parse()
        .unwrap()
}
