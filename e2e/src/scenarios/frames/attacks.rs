//! What hostile clients send in one go, how each of it must end, and what the server must count.

use worldkeeper_server::protocol::limits::MAX_CLIENT_MESSAGE_BYTES;
use worldkeeper_server::protocol::{Format, KickReason, RefusalReason};

use super::raw::{BINARY, CLOSE, FIN, MORE, PING, PONG, TEXT, frame, whole};

/// When it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// In place of the Hello.
    First,
    /// By a player inside.
    Inside,
}

/// How the server must end the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    Refused(RefusalReason),
    Kicked(KickReason),
}

/// One attack.
#[derive(Clone, Debug)]
pub(super) struct Attack {
    pub(super) name: String,
    pub(super) format: Format,
    pub(super) when: When,
    pub(super) bytes: Vec<u8>,
    pub(super) ends: Ends,
    /// The category under which `world_bad_messages_total` counts it; none: it is understood, but not
    /// allowed.
    pub(super) category: Option<&'static str>,
}

/// An HTTP request that must not become a WebSocket.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    /// The status of the answer; none: the connection just ends.
    pub(super) status: Option<u16>,
    /// The reason under which `world_failed_handshakes_total` counts it.
    pub(super) reason: &'static str,
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
    out
}

fn text(text: &str) -> Vec<u8> {
    [varint(text.len() as u64), text.as_bytes().to_vec()].concat()
}

/// A Hello with whatever name.
fn hello(version: u64, name: &str) -> Vec<u8> {
    [vec![1], varint(version), vec![0, 0], text(name), vec![0]].concat()
}

/// An Act with this sequence number and action, number and fields.
fn act(action: u8, fields: &[u8]) -> Vec<u8> {
    [&[5, 1, 0, 0, action], fields].concat()
}

/// Texts that no name and nothing that is said may be.
const BAD_TEXTS: [(&str, &str); 9] = [
    ("a line break", "a\nb"),
    ("a bell", "a\u{7}b"),
    ("a null", "a\u{0}b"),
    ("reversed text", "a\u{202E}b"),
    ("an isolate", "a\u{2066}b"),
    ("a zero-width space", "a\u{200B}b"),
    ("a byte order mark", "\u{FEFF}ab"),
    ("a tag character", "a\u{E0041}b"),
    ("space around", " ab "),
];

/// Frames and messages that are none: each at the beginning and from inside, unless it is only wrong at
/// one of the two.
pub(super) fn all() -> Vec<Attack> {
    let mut all = Vec::new();
    let mut both = |name: &str, format, bytes: Vec<u8>, category: &'static str| {
        let (refusal, kick) = match category {
            "TooLarge" => (RefusalReason::MessageTooLarge, KickReason::MessageTooLarge),
            _ => (RefusalReason::Malformed, KickReason::Malformed),
        };
        for (when, ends) in [
            (When::First, Ends::Refused(refusal)),
            (When::Inside, Ends::Kicked(kick)),
        ] {
            all.push(Attack {
                name: name.to_owned(),
                format,
                when,
                bytes: bytes.clone(),
                ends,
                category: Some(category),
            });
        }
    };
    let binary = Format::Binary;
    let json = Format::Json;
    let largest = MAX_CLIENT_MESSAGE_BYTES;

    for (name, bytes) in [
        ("a frame without a mask", vec![FIN | BINARY, 1, 4]),
        ("the first reserved bit", frame(FIN | 0x40 | BINARY, &[4])),
        ("the second reserved bit", frame(FIN | 0x20 | BINARY, &[4])),
        ("the third reserved bit", frame(FIN | 0x10 | BINARY, &[4])),
        ("opcode 3", frame(FIN | 0x3, &[4])),
        ("opcode 7", frame(FIN | 0x7, &[4])),
        ("opcode 11", frame(FIN | 0xB, &[])),
        ("opcode 15", frame(FIN | 0xF, &[])),
        ("a continuation of nothing", frame(FIN | MORE, &[4])),
        (
            "a message inside a message",
            [frame(BINARY, &[3]), frame(FIN | BINARY, &[4])].concat(),
        ),
        ("a ping in parts", frame(PING, &[])),
        ("a long ping", frame(FIN | PING, &[0; 126])),
        ("a long pong", frame(FIN | PONG, &[0; 200])),
        ("a long close", frame(FIN | CLOSE, &[3; 130])),
        ("a close with half a code", frame(FIN | CLOSE, &[3])),
        (
            "a message in endless parts",
            [frame(BINARY, &[3]), frame(MORE, &[]).repeat(1000)].concat(),
        ),
    ] {
        both(name, binary, bytes, "BadFrame");
    }
    let announced =
        |length: u64| [&[FIN | BINARY, 0xFF][..], &length.to_be_bytes(), &[0; 4]].concat();
    for (name, bytes) in [
        (
            "one byte too many",
            frame(FIN | BINARY, &vec![0; largest + 1]),
        ),
        ("a length of 2^64 - 1", announced(u64::MAX)),
        ("a length of 2^63", announced(1 << 63)),
        ("a length of 4 GiB", announced(1 << 32)),
        (
            "parts that are too large together",
            [frame(BINARY, &vec![0; largest]), frame(FIN | MORE, &[0])].concat(),
        ),
    ] {
        both(name, binary, bytes, "TooLarge");
    }

    for (name, payload, category) in [
        ("nothing", vec![], "Empty"),
        ("an unknown type", vec![0x77], "UnknownType"),
        ("a server's message", vec![0x45, 1, 0], "UnknownType"),
        ("half a Move", vec![2, 1, 0, 127], "Truncated"),
        ("half a Hello", hello(2, "ada")[..6].to_vec(), "Truncated"),
        (
            "a text beyond the message",
            [&[1, 2][..], &varint(300)].concat(),
            "Truncated",
        ),
        ("bytes after a Leave", vec![4, 4], "TrailingBytes"),
        ("a long varint", vec![3, 0x81, 0x80, 0x00], "BadVarint"),
        (
            "a varint of eleven bytes",
            [&[3][..], &[0xFF; 11]].concat(),
            "BadVarint",
        ),
        (
            "a number beyond its field",
            [&[3][..], &varint(1 << 40)].concat(),
            "OutOfRange",
        ),
        ("a Move without a number", vec![2, 0, 0, 0, 0], "OutOfRange"),
        (
            "a direction without an opposite",
            vec![2, 1, 0, 0x80, 0],
            "OutOfRange",
        ),
        ("an unknown action", act(99, &[]), "OutOfRange"),
        ("nothing dropped", act(7, &[0, 0]), "OutOfRange"),
        (
            "a tick beyond all ticks",
            [vec![2, 1], varint(1 << 53), vec![0, 0]].concat(),
            "OutOfRange",
        ),
        (
            "too large an offer",
            act(12, &[&[9][..], &[0, 1].repeat(9)].concat()),
            "TooLong",
        ),
        (
            "a name in Latin-1",
            [&[1, 2, 0, 0, 1, 0xE9][..], &[0]].concat(),
            "BadUtf8",
        ),
        ("a long name", hello(2, &"x".repeat(65)), "TooLong"),
        (
            "a name of 33 characters",
            hello(2, &"x".repeat(33)),
            "Malformed",
        ),
        ("no name", hello(2, ""), "Malformed"),
        (
            "a world without a namespace",
            [&[1, 2][..], &text("x"), &[0], &text("a"), &[0]].concat(),
            "Malformed",
        ),
        ("long speech", act(10, &text(&"x".repeat(401))), "TooLong"),
        (
            "speech of 201 characters",
            act(10, &text(&"x".repeat(201))),
            "Malformed",
        ),
    ] {
        both(name, binary, whole(binary, &payload), category);
    }
    for (what, bad) in BAD_TEXTS {
        both(
            &format!("a name with {what}"),
            binary,
            whole(binary, &hello(2, bad)),
            "Malformed",
        );
        both(
            &format!("speech with {what}"),
            binary,
            whole(binary, &act(10, &text(bad))),
            "Malformed",
        );
        let name = serde_json::json!({"type": "hello", "version": 2, "name": bad}).to_string();
        both(
            &format!("JSON: a name with {what}"),
            json,
            whole(json, name.as_bytes()),
            "BadJson",
        );
    }

    for (name, payload) in [
        ("no JSON", "hello"),
        ("half an object", r#"{"type":"ping","nonce":"#),
        ("an array", "[1]"),
        ("an unknown key", r#"{"type":"ping","nonce":1,"x":1}"#),
        ("a key twice", r#"{"type":"ping","nonce":1,"nonce":2}"#),
        (
            "a type twice",
            r#"{"type":"leave","type":"ping","nonce":1}"#,
        ),
        ("a fraction", r#"{"type":"ping","nonce":1.5}"#),
        ("a negative number", r#"{"type":"ping","nonce":-1}"#),
        ("a huge number", r#"{"type":"ping","nonce":1e400}"#),
        ("something after it", r#"{"type":"leave"}{"type":"leave"}"#),
    ] {
        both(
            &format!("JSON: {name}"),
            json,
            whole(json, payload.as_bytes()),
            "BadJson",
        );
    }
    let deep = "[".repeat(largest - 1);
    both(
        "JSON: a deep one",
        json,
        whole(json, deep.as_bytes()),
        "BadJson",
    );
    both(
        "JSON: not UTF-8",
        json,
        frame(FIN | TEXT, &[b'"', 0xFF, b'"']),
        "BadUtf8",
    );
    both("JSON: nothing", json, frame(FIN | TEXT, &[]), "Empty");
    both(
        "text where bytes are spoken",
        binary,
        frame(FIN | TEXT, b"{}"),
        "WrongFrame",
    );
    both(
        "bytes where text is spoken",
        json,
        frame(FIN | BINARY, &[4]),
        "WrongFrame",
    );

    let mut once = |name: &str, format, when, bytes, ends, category| {
        all.push(Attack {
            name: name.to_owned(),
            format,
            when,
            bytes,
            ends,
            category,
        });
    };
    for version in [0, 1, 3, 65535] {
        once(
            &format!("version {version}"),
            binary,
            When::First,
            whole(binary, &hello(version, "ada")),
            Ends::Refused(RefusalReason::VersionUnsupported),
            Some("UnsupportedVersion"),
        );
    }
    for (name, payload) in [
        ("a Move", vec![2, 1, 0, 1, 0]),
        ("a Ping", vec![3, 1]),
        ("a Leave", vec![4]),
    ] {
        once(
            &format!("{name} before the Hello"),
            binary,
            When::First,
            whole(binary, &payload),
            Ends::Refused(RefusalReason::Malformed),
            Some("Malformed"),
        );
    }
    once(
        "a second Hello",
        binary,
        When::Inside,
        whole(binary, &hello(2, "ada")),
        Ends::Kicked(KickReason::Malformed),
        Some("Malformed"),
    );
    for (name, one) in [
        ("a flood of Pings", whole(binary, &[3, 1])),
        ("a flood of WebSocket pings", frame(FIN | PING, &[])),
        ("a flood of pongs", frame(FIN | PONG, &[])),
        ("a flood of old inputs", whole(binary, &[2, 1, 0, 1, 0])),
    ] {
        once(
            name,
            binary,
            When::Inside,
            one.repeat(1000),
            Ends::Kicked(KickReason::TooManyMessages),
            None,
        );
    }
    let ahead = |seq: u8| {
        let payload = [vec![2, seq], varint(1 << 50), vec![127, 0]].concat();
        whole(binary, &payload)
    };
    once(
        "inputs for a far tick",
        binary,
        When::Inside,
        (1..100).flat_map(ahead).collect(),
        Ends::Kicked(KickReason::TooManyMessages),
        None,
    );
    all
}

/// Handshakes that are none.
pub(super) fn requests() -> Vec<Request> {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let http = |line: &str, headers: &str| {
        format!("{line} HTTP/1.1\r\nHost: world\r\n{headers}\r\n").into_bytes()
    };
    let request = |name, bytes, status, reason| Request {
        name,
        bytes,
        status,
        reason,
    };
    vec![
        request(
            "another path",
            http("GET /v2/play", &format!("{upgrade}{key}")),
            Some(404),
            "WrongPath",
        ),
        request(
            "another format",
            http("GET /v1/play?format=xml", &format!("{upgrade}{key}")),
            Some(400),
            "WrongFormat",
        ),
        request(
            "no upgrade",
            http("GET /v1/play", ""),
            Some(426),
            "NotWebSocket",
        ),
        request(
            "no key",
            http("GET /v1/play", upgrade),
            Some(426),
            "NotWebSocket",
        ),
        request(
            "another version",
            http(
                "GET /v1/play",
                &format!(
                    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n{key}"
                ),
            ),
            Some(426),
            "NotWebSocket",
        ),
        request(
            "a POST",
            http("POST /v1/play", &format!("{upgrade}{key}")),
            Some(426),
            "NotWebSocket",
        ),
        request(
            "a huge header",
            http("GET /v1/play", &format!("X: {}\r\n", "x".repeat(64 * 1024))),
            None,
            "NotWebSocket",
        ),
        request(
            "a thousand headers",
            http("GET /v1/play", &"X: y\r\n".repeat(1000)),
            None,
            "NotWebSocket",
        ),
        request(
            "a huge path",
            http(&format!("GET /{}", "x".repeat(64 * 1024)), ""),
            None,
            "NotWebSocket",
        ),
        request(
            "TLS",
            [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3][..], &[7; 500]].concat(),
            None,
            "NotWebSocket",
        ),
        request(
            "a frame at once",
            frame(FIN | BINARY, &[4]),
            None,
            "NotWebSocket",
        ),
    ]
}
