//! The index with its streams and commands against agents on real sockets, which say what no sound
//! server would.

#![allow(clippy::unwrap_used)]

use std::{
    future::Future,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use worldkeeper_crds::agent::{
    AgentClaims, AgentError, DRAIN_PATH, DrainPhase, MAX_STATUS_BYTES, TOKEN_ISSUER, WATCH_PATH,
};

use super::*;
use crate::agent::keys::ring_for_tests;

const TERM: i64 = 7;
const PATIENCE: Duration = Duration::from_secs(10);

/// One request as an agent got it.
#[derive(Clone, Debug)]
struct Request {
    /// Counts the requests of this agent, from 0.
    number: usize,
    method: String,
    path: String,
    token: String,
}

/// An agent whose every answer is written by the test.
struct Agent {
    addr: SocketAddr,
    requests: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Agent {
    async fn new<F>(answer: impl Fn(Request, TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => break,
                    }
                }
                let head = String::from_utf8(head).unwrap();
                let mut words = head.split(' ');
                let request = Request {
                    number: counter.fetch_add(1, Ordering::SeqCst),
                    method: words.next().unwrap_or_default().to_owned(),
                    path: words.next().unwrap_or_default().to_owned(),
                    token: head
                        .split_once("Bearer ")
                        .and_then(|(_, rest)| rest.split("\r\n").next())
                        .unwrap_or_default()
                        .to_owned(),
                };
                open.spawn(answer(request, stream));
            }
        });
        Self {
            addr,
            requests,
            _tasks: tasks,
        }
    }

    /// An agent that streams the same pieces to everybody, and then says nothing more.
    async fn saying(pieces: &[String]) -> Self {
        let pieces = pieces.to_vec();
        Self::new(move |_, mut stream| {
            let pieces = pieces.clone();
            async move {
                begin(&mut stream).await;
                for piece in &pieces {
                    say(&mut stream, piece).await;
                }
                silence(stream).await;
            }
        })
        .await
    }

    fn incarnation(&self, stale_after: Duration) -> Incarnation {
        Incarnation {
            world: world(),
            epoch: 3,
            pod_uid: "uid-3".to_owned(),
            addr: self.addr,
            stale_after,
        }
    }
}

fn world() -> WorldKey {
    WorldKey::new("games", "dungeon-7")
}

fn status(players: u32) -> AgentStatus {
    AgentStatus {
        world: "games/dungeon-7".to_owned(),
        epoch: 3,
        tick: 100,
        hash: "0123456789abcdef".to_owned(),
        players,
        resuming: 0,
        capacity: 32,
        tick_p99_micros: 40,
        drain: DrainPhase::Serving,
        version: "1.0.0".to_owned(),
    }
}

fn line(status: &AgentStatus) -> String {
    serde_json::to_string(status).unwrap() + "\n"
}

async fn begin(stream: &mut TcpStream) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
    let _ = stream.write_all(head.as_bytes()).await;
}

/// One chunk of the body; the peer may have gone.
async fn say(stream: &mut TcpStream, piece: &str) {
    let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
    let _ = stream.write_all(chunk.as_bytes()).await;
}

/// Until the peer goes.
async fn silence(mut stream: TcpStream) {
    let mut rest = [0; 64];
    while stream.read(&mut rest).await.is_ok_and(|n| n > 0) {}
}

async fn reply(mut stream: TcpStream, code: &str, body: &str) {
    let text = format!(
        "HTTP/1.1 {code}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(text.as_bytes()).await;
    silence(stream).await;
}

fn refusal(reason: &str) -> String {
    serde_json::to_string(&AgentError {
        reason: reason.to_owned(),
        message: String::new(),
    })
    .unwrap()
}

fn verify(token: &str, set: &JwkSet) -> Option<AgentClaims> {
    let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(set.find(&kid)?).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["uid-3"]);
    validation.set_issuer(&[TOKEN_ISSUER]);
    let claims = jsonwebtoken::decode::<AgentClaims>(token, &key, &validation);
    Some(claims.unwrap().claims)
}

/// An index whose loop runs.
struct Running {
    index: Index,
    metrics: Metrics,
    doubt: Doubt,
    keys: Vec<JwkSet>,
    _tasks: JoinSet<()>,
}

impl Running {
    fn new() -> Self {
        let (ring, keys) = ring_for_tests(2);
        let metrics = Metrics::new();
        let doubt = Doubt::default();
        let index = Index::new(ring, TERM, doubt.clone(), metrics.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(index.clone().run(CancellationToken::new()));
        Self {
            index,
            metrics,
            doubt,
            keys,
            _tasks: tasks,
        }
    }

    fn knowledge(&self) -> Knowledge {
        self.index.knowledge(&world(), Instant::now()).unwrap()
    }

    fn players(&self) -> Option<u32> {
        self.knowledge().current().map(|status| status.players)
    }

    fn counted(&self, line: &str) -> bool {
        self.metrics.encode().unwrap().contains(line)
    }
}

/// Waits for a condition.
#[track_caller]
fn until(condition: impl Fn() -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < PATIENCE, "in vain: {place}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(1_200);

#[tokio::test]
async fn players_are_known_and_changes_told() {
    let agent = Agent::new(|_, mut stream| async move {
        begin(&mut stream).await;
        for (tick, players) in [(1, 0), (2, 0), (3, 0), (4, 2)] {
            let mut status = status(players);
            status.tick = tick;
            say(&mut stream, &line(&status)).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        silence(stream).await;
    })
    .await;
    let running = Running::new();
    let mut changes = running.index.changes();
    assert!(running.index.knowledge(&world(), Instant::now()).is_none());
    running.index.sync(&world(), Some(agent.incarnation(LONG)));
    assert!(matches!(running.knowledge(), Knowledge::Unknown { .. }));

    assert_eq!(within(changes.recv()).await, world());
    assert_eq!(running.players(), Some(0));
    assert_eq!(within(changes.recv()).await, world());
    assert_eq!(running.players(), Some(2));
    let more = tokio::time::timeout(Duration::from_millis(200), changes.recv()).await;
    assert!(more.is_err(), "ticks alone are no change");
    assert_eq!(agent.requests.load(Ordering::SeqCst), 1);
    assert!(running.counted(r#"worldkeeper_agent_streams{state="Connected"} 1"#));
}

#[tokio::test]
async fn a_line_that_is_cut_is_not_believed() {
    let agent = Agent::new(|request, mut stream| async move {
        begin(&mut stream).await;
        let whole = line(&status(5));
        if request.number == 0 {
            // Up to a point at which a careless reader would see 5 players.
            say(&mut stream, &line(&status(1))).await;
            say(&mut stream, whole.trim_end()).await;
        } else {
            // In pieces, and nothing of the first connection is put in front of it.
            let (first, second) = whole.split_at(30);
            say(&mut stream, first).await;
            say(&mut stream, second).await;
            silence(stream).await;
        }
    })
    .await;
    let running = Running::new();
    running.index.sync(&world(), Some(agent.incarnation(LONG)));
    until(|| running.players() == Some(1)).await;
    until(|| running.players() == Some(5)).await;
    assert_eq!(agent.requests.load(Ordering::SeqCst), 2);
    assert!(!running.counted("worldkeeper_agent_lines_refused_total{"));
}

#[tokio::test]
async fn rubbish_is_refused_and_counted() {
    let rubbish = ["\u{0}\u{1}\n", "{}\n", "[[[[\n", "\n\n\n"];
    let pieces: Vec<_> = rubbish.iter().map(|&piece| piece.to_owned()).collect();
    let agent = Agent::saying(&pieces).await;
    let running = Running::new();
    running.index.sync(&world(), Some(agent.incarnation(SHORT)));
    until(|| running.counted(r#"agent_stream_errors_total{reason="Malformed"}"#)).await;
    assert!(running.counted(r#"worldkeeper_agent_lines_refused_total{reason="Malformed"} 3"#));
    assert_eq!(running.index.trouble(&world()), Some("Malformed"));
    assert_eq!(running.players(), None);
    until(|| matches!(running.knowledge(), Knowledge::Stale { last: None, .. })).await;
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let agent = Agent::new(|_, mut stream| async move {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n\r\n").await;
        silence(stream).await;
    })
    .await;
    let running = Running::new();
    running.index.sync(&world(), Some(agent.incarnation(LONG)));
    until(|| running.counted(r#"agent_stream_errors_total{reason="NotHttp"}"#)).await;
    assert_eq!(running.players(), None);
}

#[tokio::test]
async fn a_line_over_the_limit_ends_the_stream() {
    let good = line(&status(1));
    let long = "x".repeat(MAX_STATUS_BYTES / 2);
    let agent = Agent::saying(&[good, long.clone(), long.clone(), long]).await;
    let running = Running::new();
    running.index.sync(&world(), Some(agent.incarnation(LONG)));
    until(|| running.counted(r#"agent_lines_refused_total{reason="TooLong"}"#)).await;
    assert_eq!(running.players(), Some(1));
    until(|| agent.requests.load(Ordering::SeqCst) >= 2).await;
}

#[tokio::test]
async fn another_epoch_or_world_is_nobody() {
    for (reason, change) in [
        (
            "WrongEpoch",
            (|status| status.epoch = 2) as fn(&mut AgentStatus),
        ),
        ("WrongWorld", |status| {
            status.world = "games/dungeon-8".to_owned();
        }),
    ] {
        let mut wrong = status(4);
        change(&mut wrong);
        let agent = Agent::saying(&[line(&wrong), line(&wrong), line(&wrong)]).await;
        let running = Running::new();
        let mut changes = running.index.changes();
        running.index.sync(&world(), Some(agent.incarnation(SHORT)));
        let refused = format!(r#"agent_lines_refused_total{{reason="{reason}"}} 3"#);
        until(|| running.counted(&refused)).await;
        assert!(matches!(running.knowledge(), Knowledge::Unknown { .. }));
        within(changes.recv()).await;
        assert!(matches!(
            running.knowledge(),
            Knowledge::Stale { last: None, .. }
        ));
    }
}

#[tokio::test]
async fn silence_makes_stale_without_a_message() {
    let (speak, heard) = tokio::sync::watch::channel(false);
    let agent = Agent::new(move |_, mut stream| {
        let mut heard = heard.clone();
        async move {
            begin(&mut stream).await;
            say(&mut stream, &line(&status(3))).await;
            heard.wait_for(|speak| *speak).await.unwrap();
            say(&mut stream, &line(&status(3))).await;
            silence(stream).await;
        }
    })
    .await;
    let running = Running::new();
    let mut changes = running.index.changes();
    running.index.sync(&world(), Some(agent.incarnation(SHORT)));
    within(changes.recv()).await;
    assert_eq!(running.players(), Some(3));

    within(changes.recv()).await;
    match running.knowledge() {
        Knowledge::Stale { last, silent_for } => {
            assert_eq!(last.unwrap().players, 3);
            assert!(silent_for > SHORT);
        }
        other => panic!("{other:?}"),
    }

    // The same numbers as before: that they count again is the change.
    speak.send(true).unwrap();
    within(changes.recv()).await;
    assert_eq!(running.players(), Some(3));
}

#[tokio::test]
async fn the_clock_starts_at_the_first_attempt() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = nobody.local_addr().unwrap();
    drop(nobody);
    let running = Running::new();
    let mut changes = running.index.changes();
    let start = Instant::now();
    running.index.sync(
        &world(),
        Some(Incarnation {
            world: world(),
            epoch: 3,
            pod_uid: "uid-3".to_owned(),
            addr,
            stale_after: SHORT,
        }),
    );
    until(|| running.index.trouble(&world()).is_some()).await;
    assert_eq!(running.index.trouble(&world()), Some("ConnectRefused"));
    match running.knowledge() {
        Knowledge::Unknown { attempting_for } => assert!(attempting_for <= start.elapsed()),
        other => panic!("{other:?}"),
    }
    within(changes.recv()).await;
    assert!(start.elapsed() >= SHORT);
    assert!(matches!(
        running.knowledge(),
        Knowledge::Stale { last: None, .. }
    ));
}

#[tokio::test]
async fn a_new_incarnation_starts_as_unknown() {
    let (gone, mut left) = tokio::sync::mpsc::channel(1);
    let old = Agent::new(move |_, mut stream| {
        let gone = gone.clone();
        async move {
            begin(&mut stream).await;
            say(&mut stream, &line(&status(3))).await;
            silence(stream).await;
            let _ = gone.send(()).await;
        }
    })
    .await;
    let new = Agent::saying(&[]).await;
    let running = Running::new();
    running.index.sync(&world(), Some(old.incarnation(LONG)));
    until(|| running.players() == Some(3)).await;

    // Nothing changes: nothing happens, except that the time is taken over.
    running
        .index
        .sync(&world(), Some(old.incarnation(LONG * 2)));
    assert_eq!(running.players(), Some(3));
    assert_eq!(old.requests.load(Ordering::SeqCst), 1);

    let mut changes = running.index.changes();
    let mut next = new.incarnation(LONG);
    next.epoch = 4;
    next.pod_uid = "uid-4".to_owned();
    running.index.sync(&world(), Some(next.clone()));
    assert!(matches!(running.knowledge(), Knowledge::Unknown { .. }));
    within(changes.recv()).await;
    within(left.recv()).await.unwrap();
    let now = Instant::now();
    assert!(running.index.knowledge_of(&next, now).is_some());
    assert!(
        running
            .index
            .knowledge_of(&old.incarnation(LONG), now)
            .is_none()
    );

    running.index.sync(&world(), None);
    running.index.sync(&world(), None);
    within(changes.recv()).await;
    assert!(running.index.knowledge(&world(), now).is_none());
    until(|| running.counted(r#"worldkeeper_agent_streams{state="Connected"} 0"#)).await;
}

#[tokio::test]
async fn a_flood_is_slowed_and_the_newest_is_known_in_the_end() {
    let agent = Agent::new(|_, mut stream| async move {
        begin(&mut stream).await;
        for players in 0..=200 {
            let mut status = status(players);
            status.capacity = 1_000;
            say(&mut stream, &line(&status)).await;
        }
        silence(stream).await;
    })
    .await;
    let running = Running::new();
    running.index.sync(&world(), Some(agent.incarnation(LONG)));
    until(|| running.players() == Some(200)).await;
    assert!(running.counted(r#"agent_lines_refused_total{reason="Flood"}"#));
    assert_eq!(agent.requests.load(Ordering::SeqCst), 1);
}

/// An agent that verifies, stops and opens joins, and streams what it is.
async fn sound_agent(keys: JwkSet, players: u32) -> Agent {
    let drain = tokio::sync::watch::Sender::new(DrainPhase::Serving);
    let used = Arc::new(Mutex::new(HashSet::new()));
    Agent::new(move |request, mut stream| {
        let keys = keys.clone();
        let drain = drain.clone();
        let used = Arc::clone(&used);
        async move {
            let Some(claims) = verify(&request.token, &keys) else {
                return reply(stream, "401 Unauthorized", &refusal("TokenInvalid")).await;
            };
            assert_eq!(
                (claims.world.as_str(), claims.epoch),
                ("games/dungeon-7", 3)
            );
            assert_eq!(claims.term, TERM);
            assert!(lock(&used).insert(claims.jti), "a token is used once");
            let now = |drain: &tokio::sync::watch::Sender<DrainPhase>| {
                let mut status = status(players);
                status.drain = *drain.borrow();
                status
            };
            match (request.method.as_str(), request.path.as_str()) {
                ("GET", WATCH_PATH) => {
                    begin(&mut stream).await;
                    let mut changes = drain.subscribe();
                    loop {
                        say(&mut stream, &line(&now(&drain))).await;
                        if changes.changed().await.is_err() {
                            return;
                        }
                    }
                }
                ("POST", DRAIN_PATH) => {
                    drain.send_replace(DrainPhase::JoinsStopped);
                    reply(stream, "200 OK", &line(&now(&drain))).await;
                }
                ("DELETE", DRAIN_PATH) => {
                    drain.send_replace(DrainPhase::Serving);
                    reply(stream, "200 OK", &line(&now(&drain))).await;
                }
                _ => reply(stream, "404 Not Found", "").await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn commands_have_their_effect_and_are_known_at_once() {
    let running = Running::new();
    let agent = sound_agent(running.keys[1].clone(), 0).await;
    let incarnation = agent.incarnation(LONG);
    running.index.sync(&world(), Some(incarnation.clone()));
    until(|| running.players() == Some(0)).await;
    let drained = || running.knowledge().current().unwrap().is_drained();
    assert!(!drained());

    let answer = running.index.stop_joins(&incarnation).await.unwrap();
    assert!(answer.is_drained() && drained());
    let answer = running.index.open_joins(&incarnation).await.unwrap();
    assert!(!answer.is_drained() && !drained());
    for counted in [
        r#"worldkeeper_agent_commands_total{command="StopJoins",outcome="Ok"} 1"#,
        r#"worldkeeper_agent_commands_total{command="OpenJoins",outcome="Ok"} 1"#,
    ] {
        assert!(running.counted(counted));
    }
}

#[tokio::test]
async fn an_answer_makes_a_world_known_without_a_stream() {
    let running = Running::new();
    let agent = Agent::new(|request, stream| async move {
        if request.method == "GET" {
            silence(stream).await;
        } else {
            let mut status = status(2);
            status.drain = DrainPhase::JoinsStopped;
            reply(stream, "200 OK", &line(&status)).await;
        }
    })
    .await;
    let incarnation = agent.incarnation(LONG);
    running.index.sync(&world(), Some(incarnation.clone()));
    running.index.stop_joins(&incarnation).await.unwrap();
    assert_eq!(running.players(), Some(2));

    // Another incarnation's answer says nothing about this one.
    let mut other = incarnation.clone();
    other.pod_uid = "uid-9".to_owned();
    let mut changes = running.index.changes();
    running.index.open_joins(&other).await.unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(50), changes.recv())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_pod_that_knows_the_old_key_only_is_served() {
    let running = Running::new();
    let agent = sound_agent(running.keys[0].clone(), 1).await;
    let incarnation = agent.incarnation(LONG);
    running.index.sync(&world(), Some(incarnation.clone()));
    until(|| running.players() == Some(1)).await;
    running.index.stop_joins(&incarnation).await.unwrap();
    assert_eq!(agent.requests.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_pod_that_knows_no_key_is_unknown() {
    let running = Running::new();
    let (_, strangers) = ring_for_tests(1);
    let agent = sound_agent(strangers[0].clone(), 0).await;
    let incarnation = agent.incarnation(LONG);
    running.index.sync(&world(), Some(incarnation.clone()));
    until(|| running.index.trouble(&world()) == Some("TokenInvalid")).await;
    assert_eq!(running.players(), None);
    let error = running.index.stop_joins(&incarnation).await.unwrap_err();
    assert_eq!(error.category(), "TokenInvalid");
    assert_eq!(running.players(), None);
}

#[tokio::test]
async fn a_refused_term_raises_doubt() {
    let running = Running::new();
    let agent = Agent::new(|_, stream| async move {
        reply(stream, "409 Conflict", &refusal("StaleTerm")).await;
    })
    .await;
    let incarnation = agent.incarnation(LONG);
    let error = running.index.stop_joins(&incarnation).await.unwrap_err();
    assert!(matches!(error, CommandError::StaleTerm { term: TERM }));
    within(running.doubt.raised()).await;

    running.index.sync(&world(), Some(incarnation));
    within(running.doubt.raised()).await;
    assert_eq!(running.players(), None);
}

#[tokio::test]
async fn failed_commands_say_why() {
    let running = Running::new();
    let answers: [(&str, &str, String); 7] = [
        ("Closing", "409 Conflict", refusal("Closing")),
        ("Refused", "500 Internal Server Error", "oops".to_owned()),
        ("Refused", "409 Conflict", refusal("Whatever a pod may say")),
        ("Malformed", "200 OK", "{}".to_owned()),
        ("TooLong", "200 OK", "x".repeat(MAX_STATUS_BYTES + 1)),
        ("WrongEpoch", "200 OK", {
            let mut other = status(0);
            other.epoch = 2;
            line(&other)
        }),
        ("WrongWorld", "200 OK", {
            let mut other = status(0);
            other.world = "games/other".to_owned();
            line(&other)
        }),
    ];
    for (expect, code, body) in answers {
        let agent = Agent::new(move |_, stream| {
            let body = body.clone();
            async move { reply(stream, code, &body).await }
        })
        .await;
        let incarnation = agent.incarnation(LONG);
        let error = running.index.stop_joins(&incarnation).await.unwrap_err();
        assert_eq!(error.category(), expect, "{error}");
    }
}

#[tokio::test]
async fn a_command_does_not_wait_for_ever() {
    let running = Running::new();
    let agent = Agent::new(|_, stream| silence(stream)).await;
    let start = Instant::now();
    let error = running
        .index
        .stop_joins(&agent.incarnation(LONG))
        .await
        .unwrap_err();
    assert!(matches!(error.category(), "Timeout" | "AnswerTimeout"));
    assert!(start.elapsed() < command::TIMEOUT * 2);
}

#[tokio::test]
async fn a_lost_answer_to_opening_leaves_nothing_drained() {
    let running = Running::new();
    let agent = Agent::new(|request, mut stream| async move {
        let mut drained = status(0);
        drained.drain = DrainPhase::JoinsStopped;
        match request.method.as_str() {
            "GET" => {
                begin(&mut stream).await;
                loop {
                    say(&mut stream, &line(&drained)).await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            _ => drop(stream),
        }
    })
    .await;
    let incarnation = agent.incarnation(LONG);
    running.index.sync(&world(), Some(incarnation.clone()));
    let drained = || {
        running
            .knowledge()
            .current()
            .is_some_and(AgentStatus::is_drained)
    };
    until(drained).await;
    let start = Instant::now();
    running.index.open_joins(&incarnation).await.unwrap_err();
    while start.elapsed() < Duration::from_secs(1) {
        assert!(!drained(), "a status from before the call was believed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // It says so for longer than anything from before could take: it is believed.
    until(drained).await;
}

#[tokio::test]
async fn a_change_is_told_once_to_everybody() {
    let running = Running::new();
    let mut first = running.index.changes();
    let mut second = running.index.changes();
    let other = WorldKey::new("games", "other-1");
    for _ in 0..1_000 {
        running.index.shared.changed(&world());
        running.index.shared.changed(&other);
    }
    for changes in [&mut first, &mut second] {
        assert_eq!(within(changes.recv()).await, world());
        assert_eq!(within(changes.recv()).await, other);
        assert!(futures::poll!(std::pin::pin!(changes.recv())).is_pending());
    }
    // A world that was taken and changes again is told again.
    running.index.shared.changed(&other);
    assert_eq!(within(first.recv()).await, other);
    drop(second);
    running.index.shared.changed(&other);
    assert_eq!(lock(&running.index.shared.subscribers).len(), 1);
}

#[tokio::test]
async fn the_end_of_the_loop_ends_every_stream() {
    let agent = Agent::saying(&[line(&status(1))]).await;
    let (ring, _) = ring_for_tests(1);
    let metrics = Metrics::new();
    let index = Index::new(ring, TERM, Doubt::default(), metrics);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(index.clone().run(shutdown.clone()));
    index.sync(&world(), Some(agent.incarnation(LONG)));
    shutdown.cancel();
    within(running).await.unwrap();
    assert!(index.knowledge(&world(), Instant::now()).is_none());
}

#[tokio::test]
async fn a_nudge_cuts_the_backoff_short() {
    let agent = Agent::new(|request, mut stream| async move {
        if request.number < 3 {
            return;
        }
        begin(&mut stream).await;
        say(&mut stream, &line(&status(1))).await;
        silence(stream).await;
    })
    .await;
    let running = Running::new();
    running.index.sync(&world(), Some(agent.incarnation(LONG)));
    let start = Instant::now();
    while running.players().is_none() {
        running.index.nudge(&world());
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(start.elapsed() < PATIENCE);
    }
    assert!(start.elapsed() < Duration::from_millis(600));
}
