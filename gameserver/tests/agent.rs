//! The operator and the agent, over real sockets.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use support::{
    Client, EPOCH, End, WORLD, call, hello, metric, players, request, serve, soon, until,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use worldkeeper_crds::agent::{
    AgentClaims, AgentError, AgentStatus, DRAIN_PATH, DrainPhase, MAX_STATUS_BYTES, TOKEN_ISSUER,
    WATCH_PATH,
};
use worldkeeper_server::agent::socket::{Drained, drain};
use worldkeeper_server::config::Auth;
use worldkeeper_server::protocol::{
    ClientMessage, KickReason, NoticeKind, RefusalReason, ServerMessage,
};
use worldkeeper_server::serve::Running;

const POD: &str = "5f2b6a0e-1111-4222-8333-444455556666";

/// A key of the operator.
struct Key {
    kid: &'static str,
    key: EncodingKey,
}

impl Key {
    fn new(kid: &'static str, seed: u8) -> Self {
        // PKCS #8 of an Ed25519 key (RFC 8410): a fixed head, and 32 bytes.
        let mut der = vec![
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ];
        der.extend([seed; 32]);
        Self {
            kid,
            key: EncodingKey::from_ed_der(&der),
        }
    }

    fn public(&self) -> serde_json::Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, Algorithm::EdDSA).unwrap();
        jwk.common.key_id = Some(self.kid.to_owned());
        serde_json::to_value(jwk).unwrap()
    }

    fn sign(&self, claims: &AgentClaims) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.to_owned());
        encode(&header, claims, &self.key).unwrap()
    }

    fn token(&self, term: i64) -> String {
        self.sign(&claims(term))
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn claims(term: i64) -> AgentClaims {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);

    AgentClaims {
        iss: TOKEN_ISSUER.into(),
        aud: POD.into(),
        iat: now(),
        exp: now() + 60,
        jti: NEXT.fetch_add(1, Ordering::Relaxed).to_string(),
        term,
        world: WORLD.into(),
        epoch: i64::try_from(EPOCH).unwrap(),
    }
}

/// A projected `ConfigMap`, changed as the kubelet changes it: a symlink to a folder is swapped.
struct Projected {
    folder: tempfile::TempDir,
    versions: u32,
}

impl Projected {
    fn new(keys: &[&Key]) -> Self {
        let mut projected = Self {
            folder: tempfile::tempdir().unwrap(),
            versions: 0,
        };
        std::os::unix::fs::symlink("..data/jwks.json", projected.file()).unwrap();
        projected.publish(keys);
        projected
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("jwks.json")
    }

    fn publish(&mut self, keys: &[&Key]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public()).collect();
        self.write(&json!({ "keys": keys }).to_string());
    }

    fn write(&mut self, text: &str) {
        self.versions += 1;
        let path = self.folder.path();
        let version = path.join(format!("..v{}", self.versions));
        std::fs::create_dir(&version).unwrap();
        std::fs::write(version.join("jwks.json"), text).unwrap();
        let link = path.join("..data_tmp");
        std::os::unix::fs::symlink(version.file_name().unwrap(), &link).unwrap();
        std::fs::rename(link, path.join("..data")).unwrap();
    }
}

async fn guarded(projected: &Projected) -> Running {
    serve(|config| {
        config.agent.auth = Some(Auth {
            jwks_file: projected.file(),
            pod_uid: POD.into(),
        });
    })
    .await
}

/// A watch stream.
struct Stream(BufReader<TcpStream>);

impl Stream {
    async fn open(server: &Running, token: &str) -> Result<Self, AgentError> {
        let mut reader =
            BufReader::new(request(server.agent, "GET", WATCH_PATH, Some(token)).await);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(
                soon("a head", reader.read_line(&mut head)).await.unwrap(),
                0,
                "{head}"
            );
        }
        if !head.starts_with("HTTP/1.1 200") {
            let mut body = String::new();
            soon("a body", reader.read_to_string(&mut body))
                .await
                .unwrap();
            return Err(serde_json::from_str(&body).unwrap());
        }
        assert!(head.contains("application/x-ndjson"), "{head}");
        Ok(Self(reader))
    }

    /// The next status; none when the stream has ended.
    async fn next(&mut self) -> Option<AgentStatus> {
        loop {
            let mut line = String::new();
            if soon("a line", self.0.read_line(&mut line)).await.unwrap() == 0 {
                return None;
            }
            // The sizes of HTTP's chunks stand on lines of their own.
            if line.starts_with('{') {
                assert!(line.len() <= MAX_STATUS_BYTES);
                return Some(serde_json::from_str(&line).unwrap());
            }
        }
    }

    async fn until(&mut self, what: &str, holds: impl Fn(&AgentStatus) -> bool) -> AgentStatus {
        let wait = async {
            loop {
                let status = self.next().await.expect("the stream goes on");
                if holds(&status) {
                    return status;
                }
            }
        };
        soon(what, wait).await
    }
}

async fn refusal(server: &Running, method: &str, path: &str, token: Option<&str>) -> (u16, String) {
    let (status, body) = call(server.agent, method, path, token).await;
    let error: AgentError = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}"));
    (status, error.reason)
}

fn refused(status: u16, reason: &str) -> (u16, String) {
    (status, reason.to_owned())
}

#[tokio::test]
async fn the_stream_tells_of_players_at_once_and_of_itself_each_second() {
    let key = Key::new("a", 1);
    let projected = Projected::new(&[&key]);
    let server = guarded(&projected).await;
    let mut stream = Stream::open(&server, &key.token(1)).await.unwrap();
    let first = stream.next().await.unwrap();
    assert_eq!((first.world.as_str(), first.epoch), (WORLD, 3));
    assert_eq!(
        (first.players, first.capacity, first.drain),
        (0, 100, DrainPhase::Serving)
    );
    assert_eq!(first.hash.len(), 16);

    let ada = Client::join(server.players, "ada").await;
    stream
        .until("ada counts", |status| status.players == 1)
        .await;
    drop(ada);
    stream
        .until("ada's body waits", |status| {
            (status.players, status.resuming) == (1, 1)
        })
        .await;

    let second = stream.next().await.unwrap();
    let third = stream.next().await.unwrap();
    assert!(third.tick > second.tick);
    assert_eq!(metric(&server, "world_agent_streams").await, 1);
    drop(stream);
    until("the stream is not counted any more", async || {
        metric(&server, "world_agent_streams").await == 0
    })
    .await;
    server.close().await.unwrap();
}

#[tokio::test]
async fn drain_and_open_again() {
    let key = Key::new("a", 1);
    let projected = Projected::new(&[&key]);
    let server = guarded(&projected).await;
    let mut ada = Client::join(server.players, "ada").await;
    let (code, body) = call(server.agent, "POST", DRAIN_PATH, Some(&key.token(1))).await;
    assert_eq!(code, 200, "{body}");
    let status: AgentStatus = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status.players, status.drain),
        (1, DrainPhase::JoinsStopped)
    );
    let bob = Client::enter(server.players, hello("bob")).await.err();
    assert_eq!(bob, Some(End::refused(RefusalReason::JoinsStopped)));
    // Drain does not flip readiness.
    assert_eq!(
        call(server.agent, "GET", "/health/ready", None).await.0,
        200
    );

    ada.say(&ClientMessage::Leave).await;
    players(&server, 0, 0).await;
    let (code, body) = call(server.agent, "POST", DRAIN_PATH, Some(&key.token(1))).await;
    let status: AgentStatus = serde_json::from_str(&body).unwrap();
    assert_eq!((code, status.is_drained()), (200, true));

    let (code, body) = call(server.agent, "DELETE", DRAIN_PATH, Some(&key.token(1))).await;
    let status: AgentStatus = serde_json::from_str(&body).unwrap();
    assert_eq!((code, status.drain), (200, DrainPhase::Serving));
    Client::join(server.players, "bob").await;
    server.close().await.unwrap();
}

#[tokio::test]
async fn tokens_that_are_not_good() {
    let (key, other) = (Key::new("a", 1), Key::new("b", 2));
    let projected = Projected::new(&[&key]);
    let server = guarded(&projected).await;
    let forged = Key::new("a", 9);
    let with = |change: fn(&mut AgentClaims)| {
        let mut claims = claims(5);
        change(&mut claims);
        key.sign(&claims)
    };
    let good = key.token(5);
    let [head, body, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!()
    };
    let none = "eyJhbGciOiJub25lIiwia2lkIjoiYSJ9";
    let hmac = {
        // The classic confusion: the public key's bytes as the secret of an HMAC.
        let x = key.public()["x"].as_str().unwrap().to_owned();
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("a".into());
        encode(&header, &claims(5), &EncodingKey::from_secret(x.as_bytes())).unwrap()
    };
    for (name, token, reason) in [
        ("forged", forged.token(5), "TokenInvalid"),
        ("unknown key", other.token(5), "TokenInvalid"),
        ("no signature", format!("{none}.{body}."), "TokenInvalid"),
        ("cut", format!("{head}.{body}"), "TokenInvalid"),
        (
            "wrong signature",
            format!("{head}.{body}.{}", "A".repeat(signature.len())),
            "TokenInvalid",
        ),
        ("other algorithm", hmac, "TokenInvalid"),
        ("rubbish", "rubbish".into(), "TokenInvalid"),
        (
            "expired",
            with(|c| (c.iat, c.exp) = (now() - 120, now() - 60)),
            "TokenExpired",
        ),
        (
            "too long-lived",
            with(|c| c.exp = c.iat + 61),
            "TokenInvalid",
        ),
        (
            "from the future",
            with(|c| (c.iat, c.exp) = (now() + 60, now() + 90)),
            "TokenInvalid",
        ),
        (
            "audience",
            with(|c| c.aud = "another".into()),
            "WrongAudience",
        ),
        (
            "world",
            with(|c| c.world = "games/other".into()),
            "WrongWorld",
        ),
        ("epoch", with(|c| c.epoch = 2), "WrongWorld"),
        ("issuer", with(|c| c.iss = "someone".into()), "TokenInvalid"),
    ] {
        for (method, path) in [
            ("GET", WATCH_PATH),
            ("POST", DRAIN_PATH),
            ("DELETE", DRAIN_PATH),
        ] {
            let answer = refusal(&server, method, path, Some(&token)).await;
            assert_eq!(answer, refused(401, reason), "{name} {method}");
        }
    }
    let answer = refusal(&server, "POST", DRAIN_PATH, None).await;
    assert_eq!(answer, refused(401, "TokenMissing"));
    for (reason, least) in [
        ("TokenInvalid", 27),
        ("TokenExpired", 3),
        ("WrongAudience", 3),
        ("WrongWorld", 6),
        ("TokenMissing", 1),
    ] {
        let line = format!("world_agent_refusals_total{{reason=\"{reason}\"}}");
        assert!(metric(&server, &line).await >= least, "{line}");
    }
    // None of it did anything.
    Client::join(server.players, "ada").await;
    server.close().await.unwrap();
}

#[tokio::test]
async fn replayed_tokens_and_former_leaders() {
    let key = Key::new("a", 1);
    let projected = Projected::new(&[&key]);
    let server = guarded(&projected).await;
    let token = key.token(5);
    assert_eq!(
        call(server.agent, "POST", DRAIN_PATH, Some(&token)).await.0,
        200
    );
    let answer = refusal(&server, "POST", DRAIN_PATH, Some(&token)).await;
    assert_eq!(answer, refused(401, "TokenReplayed"));
    let answer = refusal(&server, "DELETE", DRAIN_PATH, Some(&token)).await;
    assert_eq!(answer, refused(401, "TokenReplayed"));

    let mut former = Stream::open(&server, &key.token(5)).await.unwrap();
    former.next().await.unwrap();
    let mut leader = Stream::open(&server, &key.token(6)).await.unwrap();
    let ended = async { while former.next().await.is_some() {} };
    soon("the former leader's stream ends", ended).await;
    for (method, path) in [
        ("GET", WATCH_PATH),
        ("POST", DRAIN_PATH),
        ("DELETE", DRAIN_PATH),
    ] {
        let answer = refusal(&server, method, path, Some(&key.token(5))).await;
        assert_eq!(answer, refused(409, "StaleTerm"));
    }
    leader.next().await.unwrap();
    assert_eq!(
        call(server.agent, "DELETE", DRAIN_PATH, Some(&key.token(6)))
            .await
            .0,
        200
    );
    leader
        .until("joins are open", |status| {
            status.drain == DrainPhase::Serving
        })
        .await;
    server.close().await.unwrap();
}

#[tokio::test]
async fn keys_rotate_under_players_and_streams() {
    let (old, new) = (Key::new("old", 1), Key::new("new", 2));
    let mut projected = Projected::new(&[&old]);
    let server = guarded(&projected).await;
    let mut ada = Client::join(server.players, "ada").await;
    let mut stream = Stream::open(&server, &old.token(1)).await.unwrap();
    let opened = stream.next().await.unwrap().tick;

    // Both, then the new one only.
    projected.publish(&[&old, &new]);
    until("the new key is known", async || {
        call(server.agent, "DELETE", DRAIN_PATH, Some(&new.token(1)))
            .await
            .0
            == 200
    })
    .await;
    assert_eq!(
        call(server.agent, "DELETE", DRAIN_PATH, Some(&old.token(1)))
            .await
            .0,
        200
    );
    projected.publish(&[&new]);
    until("the old key is forgotten", async || {
        call(server.agent, "DELETE", DRAIN_PATH, Some(&old.token(1)))
            .await
            .0
            == 401
    })
    .await;
    assert_eq!(
        call(server.agent, "DELETE", DRAIN_PATH, Some(&new.token(1)))
            .await
            .0,
        200
    );

    // What is no JWKS changes nothing.
    let failures = metric(&server, "world_agent_key_failures_total").await;
    projected.write("rubbish");
    until("the rubbish was seen", async || {
        metric(&server, "world_agent_key_failures_total").await > failures
    })
    .await;
    assert_eq!(
        call(server.agent, "DELETE", DRAIN_PATH, Some(&new.token(1)))
            .await
            .0,
        200
    );
    projected.publish(&[&new, &old]);
    until("the file is read again", async || {
        call(server.agent, "DELETE", DRAIN_PATH, Some(&old.token(1)))
            .await
            .0
            == 200
    })
    .await;

    // The stream was opened with a key that was taken away; it and the player never noticed.
    ada.wander().await;
    let status = stream
        .until("a later tick", |status| status.tick > opened)
        .await;
    assert_eq!(status.players, 1);
    assert_eq!(metric(&server, "world_lost_connections_total").await, 0);
    server.close().await.unwrap();
}

#[tokio::test]
async fn without_keys_nobody_may_call_and_health_works() {
    let server = serve(|_| {}).await;
    let key = Key::new("a", 1);
    for token in [None, Some(key.token(1))] {
        for (method, path) in [
            ("GET", WATCH_PATH),
            ("POST", DRAIN_PATH),
            ("DELETE", DRAIN_PATH),
        ] {
            let answer = refusal(&server, method, path, token.as_deref()).await;
            assert_eq!(answer, refused(401, "TokenMissing"));
        }
    }
    let _ada = Client::join(server.players, "ada").await;
    players(&server, 1, 0).await;
    let (code, body) = call(server.agent, "GET", "/health", None).await;
    let health: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(code, 200);
    assert_eq!(
        (&health["status"], &health["players_online"]),
        (&json!("healthy"), &json!(1))
    );
    assert!(health["server_tick"].as_u64().unwrap() > 0);
    for path in ["/health/live", "/health/ready", "/health/startup"] {
        assert_eq!(call(server.agent, "GET", path, None).await.0, 200, "{path}");
    }
    let (_, text) = call(server.agent, "GET", "/metrics", None).await;
    assert!(text.contains("world_tick_seconds_bucket{"));
    assert!(text.contains("world_players 1\n"), "{text}");
    assert!(text.contains(r#"world_refusals_total{reason="WorldFull"} 0"#));
    server.close().await.unwrap();
}

#[tokio::test]
async fn rubbish_at_the_agent_does_no_harm() {
    let key = Key::new("a", 1);
    let projected = Projected::new(&[&key]);
    let server = guarded(&projected).await;
    for rubbish in [
        &b"\0\x01\x02\r\n\r\n"[..],
        &[b'A'; 100_000],
        b"GET /agent/v1/watch HTTP/9.9\r\n\r\n",
    ] {
        let mut socket = TcpStream::connect(server.agent).await.unwrap();
        let _ = socket.write_all(rubbish).await;
        let mut answer = Vec::new();
        let _ = soon("it is closed", socket.read_to_end(&mut answer)).await;
    }
    let long = "x".repeat(8000);
    let answer = refusal(&server, "GET", WATCH_PATH, Some(&long)).await;
    assert_eq!(answer, refused(401, "TokenInvalid"));
    assert_eq!(
        call(server.agent, "PUT", DRAIN_PATH, Some(&key.token(1)))
            .await
            .0,
        405
    );
    assert_eq!(
        call(server.agent, "GET", "/agent/v1/secrets", None).await.0,
        404
    );
    assert_eq!(
        call(server.agent, "POST", DRAIN_PATH, Some(&key.token(1)))
            .await
            .0,
        200
    );
    server.close().await.unwrap();
}

fn with_socket(
    folder: &Path,
) -> (
    PathBuf,
    impl FnOnce(&mut worldkeeper_server::config::Config),
) {
    let path = folder.join("agent.sock");
    let socket = path.clone();
    (path, |config| config.agent.socket = Some(socket))
}

#[tokio::test]
async fn drain_from_inside_waits_until_everyone_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let (path, change) = with_socket(folder.path());
    // What a process that was killed leaves behind is in nobody's way.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let server = serve(change).await;
    let mut ada = Client::join(server.players, "ada").await;

    let none = Duration::from_millis(1);
    assert_eq!(
        drain(&path, none).await.unwrap(),
        Drained::TimedOut { players: 0 }
    );
    let limit = Duration::from_secs(25);
    let waiting = {
        let path = path.clone();
        tokio::spawn(async move { drain(&path, limit).await })
    };
    let seconds = async {
        loop {
            if let ServerMessage::Notice(notice) = ada.message().await
                && (notice.kind, notice.seconds) == (NoticeKind::Closing, 25)
            {
                return;
            }
        }
    };
    soon("ada is told", seconds).await;
    let bob = Client::enter(server.players, hello("bob")).await.err();
    assert_eq!(bob, Some(End::refused(RefusalReason::JoinsStopped)));
    assert!(!waiting.is_finished());
    ada.say(&ClientMessage::Leave).await;
    assert_eq!(
        soon("the drain ends", waiting).await.unwrap().unwrap(),
        Drained::Empty
    );
    server.close().await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn drain_from_inside_ends_when_the_world_closes() {
    let folder = tempfile::tempdir().unwrap();
    let (path, change) = with_socket(folder.path());
    let server = serve(|config| {
        change(config);
        config.server.closing_notice_seconds = 2;
    })
    .await;
    let mut ada = Client::join(server.players, "ada").await;
    let waiting = {
        let path = path.clone();
        tokio::spawn(async move { drain(&path, Duration::from_secs(60)).await })
    };
    ada.message().await;
    let closing = tokio::spawn(server.close());
    assert_eq!(
        soon("the drain ends", waiting).await.unwrap().unwrap(),
        Drained::Closing
    );
    assert_eq!(ada.end().await, End::kicked(KickReason::Closing));
    soon("the server ends", closing).await.unwrap().unwrap();
    drain(&path, Duration::from_secs(1)).await.unwrap_err();
}

#[tokio::test]
async fn rubbish_at_the_unix_socket_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let (path, change) = with_socket(folder.path());
    let server = serve(change).await;
    for rubbish in [
        &b"\n"[..],
        b"{}\n",
        &[b'x'; 5000],
        b"{\"drain\":{\"timeoutSeconds\":1e9}}\n",
    ] {
        let mut socket = UnixStream::connect(&path).await.unwrap();
        let _ = socket.write_all(rubbish).await;
        let mut answer = String::new();
        let _ = soon("it is closed", socket.read_to_string(&mut answer)).await;
        assert_eq!(answer, "");
    }
    Client::join(server.players, "ada").await;
    server.close().await.unwrap();
}
