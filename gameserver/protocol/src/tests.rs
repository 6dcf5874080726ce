//! Properties of the whole codec.
#![allow(clippy::unwrap_used)]

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::limits::{
    MAX_CLIENT_MESSAGE_BYTES, MAX_COORDINATE, MAX_SAFE_INTEGER, MAX_SERVER_MESSAGE_BYTES,
    MAX_VIEW_ENTITIES,
};
use super::*;

const FORMATS: [Format; 2] = [Format::Binary, Format::Json];

fn payload(format: Format, bytes: &[u8]) -> Payload<'_> {
    match format {
        Format::Binary => Payload::Binary(bytes),
        Format::Json => Payload::Text(std::str::from_utf8(bytes).unwrap()),
    }
}

fn player_name() -> impl Strategy<Value = PlayerName> {
    "[a-zA-Z\"\\\\\u{e4}\u{82b1}][a-z \u{416}]{0,20}[a-z0-9]"
        .prop_filter_map("not a name", |name| PlayerName::new(name).ok())
}

fn world_name() -> impl Strategy<Value = WorldName> {
    "[a-z][a-z0-9]{0,20}/[a-z0-9]{1,9}(-[0-9]{1,9})?"
        .prop_filter_map("not a world", |name| WorldName::new(name).ok())
}

fn token() -> impl Strategy<Value = ResumeToken> {
    "[!-~]{1,64}".prop_filter_map("not a token", |text| ResumeToken::new(text).ok())
}

fn direction() -> impl Strategy<Value = Direction> {
    (-127_i8..=127, -127_i8..=127).prop_map(|(x, y)| Direction { x, y })
}

fn position() -> impl Strategy<Value = Position> {
    let near = -3_000_i32..3_000;
    let far = -MAX_COORDINATE..=MAX_COORDINATE;
    prop_oneof![
        8 => (near.clone(), near).prop_map(|(x, y)| Position { x, y }),
        1 => (far.clone(), far).prop_map(|(x, y)| Position { x, y }),
    ]
}

fn client_message() -> impl Strategy<Value = ClientMessage> {
    prop_oneof![
        (
            option::of(world_name()),
            option::of(1..=MAX_SAFE_INTEGER),
            player_name(),
            option::of(token())
        )
            .prop_map(|(world, epoch, name, resume)| ClientMessage::Hello(Hello {
                version: PROTOCOL_VERSION,
                world,
                epoch,
                name,
                resume,
            })),
        (1..=u32::MAX, direction())
            .prop_map(|(seq, direction)| ClientMessage::Move(Move { seq, direction })),
        any::<u32>().prop_map(|nonce| ClientMessage::Ping(Ping { nonce })),
        Just(ClientMessage::Leave),
    ]
}

prop_compose! {
    fn welcome()(
        world in world_name(),
        epoch in 1..=MAX_SAFE_INTEGER,
        seed in 0..=MAX_SAFE_INTEGER,
        genre in prop::sample::select(Genre::ALL.to_vec()),
        terrain_hash: u64,
        size_metres in 1_u32..20_000,
        tick_rate_hz in prop::sample::select(vec![10, 20, 30, 60]),
        tick in 0..MAX_SAFE_INTEGER / 2,
        entity in any::<u64>().prop_map(EntityId),
        position in position(),
        (resumed, ack) in any::<(bool, u32)>(),
        resume_token in token(),
    ) -> Welcome {
        Welcome {
            version: PROTOCOL_VERSION,
            world, epoch, seed, genre, terrain_hash, size_metres, tick_rate_hz, tick, entity,
            position, resumed, ack, resume_token,
            resume_seconds: 30,
        }
    }
}

fn server_message() -> impl Strategy<Value = ServerMessage> {
    let refused = prop::sample::select(RefusalReason::ALL.to_vec());
    let kicked = prop::sample::select(KickReason::ALL.to_vec());
    let notices = vec![
        NoticeKind::JoinsStopped,
        NoticeKind::JoinsOpen,
        NoticeKind::Closing,
    ];
    prop_oneof![
        welcome().prop_map(ServerMessage::Welcome),
        (refused, ".{0,60}")
            .prop_map(|(reason, message)| ServerMessage::Refused(Refused { reason, message })),
        (prop::sample::select(notices), any::<u32>())
            .prop_map(|(kind, seconds)| ServerMessage::Notice(Notice { kind, seconds })),
        any::<u32>().prop_map(|nonce| ServerMessage::Pong(Pong { nonce })),
        (kicked, ".{0,60}")
            .prop_map(|(reason, message)| ServerMessage::Kicked(Kicked { reason, message })),
    ]
}

/// One tick of a made-up world: who is in sight, and where.
type Scene = std::collections::BTreeMap<u64, (Position, Option<PlayerName>)>;

fn scene() -> impl Strategy<Value = Scene> {
    // Few ids, so that entities stay from scene to scene.
    let id = prop_oneof![8 => 0_u64..24, 1 => any::<u64>()];
    btree_map(
        id,
        (position(), option::weighted(0.2, player_name())),
        0..24,
    )
}

prop_compose! {
    fn run()(
        welcome in welcome(),
        scenes in vec((scene(), 0_u64..4, 0_u32..3, position()), 1..12),
    ) -> (Welcome, Vec<(Scene, Own)>) {
        let mut own = Own { tick: welcome.tick, ack: welcome.ack, position: welcome.position };
        let scenes = scenes.into_iter().map(|(scene, ticks, inputs, position)| {
            own.tick += ticks;
            own.ack = own.ack.saturating_add(inputs);
            own.position = position;
            (scene, own)
        });
        let scenes = scenes.collect();
        (welcome, scenes)
    }
}

fn visible(scene: &Scene) -> Vec<Visible<'_>> {
    scene
        .iter()
        .rev() // any order will do
        .map(|(&id, (position, name))| Visible {
            id: EntityId(id),
            position: *position,
            looks: name.as_ref().map_or(Looks::Creature, Looks::Player),
        })
        .collect()
}

/// What a client sees after the scenes, by way of one format; and the bytes of all updates.
fn watch(format: Format, welcome: &Welcome, scenes: &[(Scene, Own)]) -> (View, Vec<Vec<u8>>) {
    let mut writer = UpdateWriter::default();
    let mut sent = SentView::new(format, welcome);
    let mut view = View::new(welcome);
    let mut frames = Vec::new();
    for (scene, own) in scenes {
        let mut out = Vec::new();
        writer.write(&mut sent, *own, &mut visible(scene), &mut out);
        let received = decode_server(format, payload(format, &out), Some(&mut view));
        assert_eq!(received, Ok(Received::Update), "{format:?}");
        frames.push(out);
    }
    assert_eq!(sent.len(), view.entities().len());
    (view, frames)
}

proptest! {
    #[test]
    fn client_messages_round_trip_in_both_formats(message in client_message()) {
        for format in FORMATS {
            let mut out = Vec::new();
            encode_client(format, &message, &mut out);
            prop_assert!(out.len() <= MAX_CLIENT_MESSAGE_BYTES);
            prop_assert_eq!(&decode_client(format, payload(format, &out)), &Ok(message.clone()));
        }
    }

    #[test]
    fn server_messages_round_trip_in_both_formats(message in server_message()) {
        for format in FORMATS {
            let mut out = Vec::new();
            encode_server(format, &message, &mut out);
            let decoded = decode_server(format, payload(format, &out), None);
            prop_assert_eq!(decoded, Ok(Received::Message(message.clone())));
        }
    }

    #[test]
    fn a_view_shows_the_scene_in_both_formats((welcome, scenes) in run()) {
        let (scene, own) = scenes.last().unwrap();
        for format in FORMATS {
            let (view, _) = watch(format, &welcome, &scenes);
            prop_assert_eq!(view.own(), *own);
            let shown: Vec<_> = view
                .entities()
                .iter()
                .map(|known| (known.id.0, known.position))
                .collect();
            let truth: Vec<_> = scene
                .iter()
                .filter(|(id, _)| **id != welcome.entity.0)
                .map(|(&id, (position, _))| (id, *position))
                .collect();
            prop_assert_eq!(shown, truth);
        }
        let (binary, _) = watch(Format::Binary, &welcome, &scenes);
        let (json, _) = watch(Format::Json, &welcome, &scenes);
        prop_assert_eq!(binary, json);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300), (welcome, scenes) in run()) {
        let _ = decode_client(Format::Binary, Payload::Binary(&bytes));
        let _ = decode_server(Format::Binary, Payload::Binary(&bytes), None);
        let (mut view, _) = watch(Format::Binary, &welcome, &scenes);
        let mut update = vec![0x80 | bytes.first().unwrap_or(&0)];
        update.extend(bytes.iter().skip(1));
        let _ = decode_server(Format::Binary, Payload::Binary(&update), Some(&mut view));
        prop_assert!(view.entities().len() <= MAX_VIEW_ENTITIES * 2);
        let text = String::from_utf8_lossy(&bytes);
        let _ = decode_client(Format::Json, Payload::Text(&text));
        let _ = decode_server(Format::Json, Payload::Text(&text), None);
    }

    #[test]
    fn what_a_server_accepts_it_would_write_the_same(kind in 1_u8..5, rest in vec(any::<u8>(), 0..40)) {
        let bytes = [vec![kind], rest].concat();
        if let Ok(message) = decode_client(Format::Binary, Payload::Binary(&bytes)) {
            let mut out = Vec::new();
            encode_client(Format::Binary, &message, &mut out);
            prop_assert_eq!(out, bytes);
        }
    }

    #[test]
    fn a_message_cut_short_is_refused(message in client_message(), at in any::<prop::sample::Index>()) {
        for format in FORMATS {
            let mut out = Vec::new();
            encode_client(format, &message, &mut out);
            let short = String::from_utf8_lossy(&out[..at.index(out.len())]).into_owned();
            let short = match format {
                Format::Binary => Payload::Binary(&out[..at.index(out.len())]),
                Format::Json => Payload::Text(&short),
            };
            prop_assert!(decode_client(format, short).is_err());
        }
    }

    #[test]
    fn a_damaged_update_never_panics(
        (welcome, scenes) in run(),
        at in any::<prop::sample::Index>(),
        value: u8,
    ) {
        let (mut view, frames) = watch(Format::Binary, &welcome, &scenes);
        let mut frame = frames.last().unwrap().clone();
        let at = at.index(frame.len());
        frame[at] = value;
        let _ = decode_server(Format::Binary, Payload::Binary(&frame), Some(&mut view));
    }
}

fn refused(format: Format, bytes: &[u8]) -> &'static str {
    match decode_client(format, payload(format, bytes)) {
        Ok(message) => panic!("accepted as {message:?}"),
        Err(error) => error.category(),
    }
}

#[test]
fn refusals_have_their_category() {
    let json = |text: &str| refused(Format::Json, text.as_bytes());
    let binary = |bytes: &[u8]| refused(Format::Binary, bytes);
    let long = vec![3; MAX_CLIENT_MESSAGE_BYTES + 1];

    for (expected, actual) in [
        ("Empty", binary(&[])),
        ("Empty", json("")),
        ("TooLarge", binary(&long)),
        ("TooLarge", json(&" ".repeat(MAX_CLIENT_MESSAGE_BYTES + 1))),
        ("UnknownType", binary(&[0x41])),
        ("UnknownType", binary(&[0x80])),
        ("BadJson", json(r#"{"type":"welcome"}"#)),
        ("BadJson", json("{")),
        ("BadJson", json(r#"[1]"#)),
        ("BadJson", json(&"[".repeat(2_000))),
        ("BadJson", json(r#"{"type":"leave","why":1}"#)),
        ("BadJson", json(r#"{"type":"ping","nonce":1,"nonce":1}"#)),
        (
            "BadJson",
            json(r#"{"type":"move","seq":1,"direction":{"x":1.5,"y":0}}"#),
        ),
        (
            "BadJson",
            json(r#"{"type":"hello","version":1,"name":"a\nb"}"#),
        ),
        ("Truncated", binary(&[2])),
        ("Truncated", binary(&[2, 1, 0])),
        ("TrailingBytes", binary(&[4, 0])),
        ("BadVarint", binary(&[3, 0x81, 0x00])),
        ("BadVarint", binary(&[&[3][..], &[0xff; 9], &[2]].concat())),
        ("OutOfRange", binary(&[&[3][..], &[0xff; 9], &[1]].concat())),
        ("OutOfRange", binary(&[2, 0, 1, 1])),
        ("OutOfRange", binary(&[2, 1, 0x80, 1])),
        (
            "OutOfRange",
            json(r#"{"type":"move","seq":1,"direction":{"x":-128,"y":0}}"#),
        ),
        (
            "OutOfRange",
            json(r#"{"type":"hello","version":1,"epoch":0,"name":"a"}"#),
        ),
        ("UnsupportedVersion", binary(&[1, 2])),
        (
            "UnsupportedVersion",
            json(r#"{"type":"hello","version":2,"wings":4}"#),
        ),
        ("TooLong", binary(&[1, 1, 0, 0, 65])),
        ("BadUtf8", binary(&[1, 1, 0, 0, 1, 0xff, 0])),
        ("Malformed", binary(&[1, 1, 1, b'x', 0, 1, b'a', 0])),
        ("Malformed", binary(&[1, 1, 0, 0, 1, b'\n', 0])),
    ] {
        assert_eq!(actual, expected);
    }
    let wrong = decode_client(Format::Binary, Payload::Text("x")).unwrap_err();
    assert_eq!(wrong.category(), "WrongFrame");
}

/// The examples of PROTOCOL.md, byte for byte.
#[test]
fn examples_of_the_document() {
    let document = include_str!("../../PROTOCOL.md");
    let check_client = |hex: &str, json: &str| {
        assert!(document.contains(hex), "{hex}");
        assert!(document.contains(json), "{json}");
        let bytes = unhex(hex);
        let binary = decode_client(Format::Binary, Payload::Binary(&bytes)).unwrap();
        assert_eq!(
            decode_client(Format::Json, Payload::Text(json)).unwrap(),
            binary
        );
        let mut out = Vec::new();
        encode_client(Format::Binary, &binary, &mut out);
        assert_eq!(out, bytes);
    };
    check_client(
        "01 01 08 67 61 6d 65 73 2f 66 31 03 03 41 64 61 00",
        r#"{"type":"hello","version":1,"world":"games/f1","epoch":3,"name":"Ada"}"#,
    );
    check_client(
        "02 07 7f 00",
        r#"{"type":"move","seq":7,"direction":{"x":127,"y":0}}"#,
    );
    check_client("03 2a", r#"{"type":"ping","nonce":42}"#);
    check_client("04", r#"{"type":"leave"}"#);

    let welcome = Welcome {
        version: PROTOCOL_VERSION,
        world: WorldName::new("games/f1").unwrap(),
        epoch: 3,
        seed: 42,
        genre: Genre::Fantasy,
        terrain_hash: 0x0123_4567_89ab_cdef,
        size_metres: 2_000,
        tick_rate_hz: 20,
        tick: 1_000,
        entity: EntityId(500),
        position: Position { x: 100, y: -200 },
        resumed: false,
        ack: 0,
        resume_token: ResumeToken::new("t0k3n").unwrap(),
        resume_seconds: 30,
    };
    let mut out = Vec::new();
    encode_server(
        Format::Binary,
        &ServerMessage::Welcome(welcome.clone()),
        &mut out,
    );
    let hex = "41 01 08 67 61 6d 65 73 2f 66 31 03 2a 01 ef cd ab 89 67 45 23 01 d0 0f 14 e8 07 f4 \
               03 c8 01 8f 03 00 00 05 74 30 6b 33 6e 1e";
    assert_eq!(out, unhex(hex));
    assert!(document.contains(hex), "{hex}");

    let ada = PlayerName::new("Ada").unwrap();
    let mut visible = [
        Visible {
            id: EntityId(501),
            position: Position { x: 50, y: 60 },
            looks: Looks::Player(&ada),
        },
        Visible {
            id: EntityId(7),
            position: Position { x: -1, y: 0 },
            looks: Looks::Creature,
        },
    ];
    let mut writer = UpdateWriter::default();
    let mut binary = SentView::new(Format::Binary, &welcome);
    let mut text = SentView::new(Format::Json, &welcome);
    let mut check_update = |own, visible: &mut [Visible<'_>], hex: &str, json: &str| {
        let mut out = Vec::new();
        writer.write(&mut binary, own, visible, &mut out);
        assert_eq!(out, unhex(hex), "{out:02x?}");
        assert!(document.contains(hex), "{hex}");
        let mut out = Vec::new();
        writer.write(&mut text, own, visible, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), json);
        assert!(document.contains(json), "{json}");
    };
    let mut own = Own {
        tick: 1_001,
        ack: 7,
        position: Position { x: 125, y: -200 },
    };
    check_update(
        own,
        &mut visible,
        "96 07 32 00 02 07 02 01 00 ed 03 01 03 41 64 61 64 78",
        r#"{"type":"update","tick":1001,"ack":7,"position":{"x":125,"y":-200},"left":[],"entered":[{"id":"7","kind":"Creature","position":{"x":-1,"y":0}},{"id":"501","kind":"Player","name":"Ada","position":{"x":50,"y":60}}],"moved":[]}"#,
    );
    own.tick = 1_003;
    // The writer has sorted them by id.
    visible[1].position.y = 85;
    check_update(
        own,
        &mut visible[1..],
        "a9 02 01 00 01 00 00 32",
        r#"{"type":"update","tick":1003,"ack":7,"position":{"x":125,"y":-200},"left":["7"],"entered":[],"moved":[{"id":"501","position":{"x":50,"y":85}}]}"#,
    );
}

fn unhex(text: &str) -> Vec<u8> {
    text.split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

#[test]
fn the_document_lists_every_reason_and_limit() {
    let document = include_str!("../../PROTOCOL.md");
    for reason in RefusalReason::ALL {
        let row = format!(
            "| {} | {} | `{reason}` |",
            reason.number(),
            reason.close_code()
        );
        assert!(document.contains(&row), "{row}");
        assert_eq!(
            RefusalReason::from_close_code(reason.close_code()),
            Some(*reason)
        );
    }
    for reason in KickReason::ALL {
        let row = format!(
            "| {} | {} | `{reason}` |",
            reason.number(),
            reason.close_code()
        );
        assert!(document.contains(&row), "{row}");
        assert_eq!(
            KickReason::from_close_code(reason.close_code()),
            Some(*reason)
        );
    }
    for limit in [
        format!("{MAX_CLIENT_MESSAGE_BYTES} bytes"),
        format!("{MAX_SERVER_MESSAGE_BYTES} bytes"),
        format!("{MAX_VIEW_ENTITIES} entities"),
    ] {
        assert!(document.contains(&limit), "{limit}");
    }
}

/// The largest update fits the limit that clients are told, in both formats.
#[test]
fn the_largest_update_fits() {
    // 64 bytes, each of which JSON escapes to two.
    let quotes = PlayerName::new("\"".repeat(32)).unwrap();
    let wide = PlayerName::new("\u{e4}".repeat(32)).unwrap();
    for name in [quotes, wide] {
        for format in FORMATS {
            let welcome = Welcome {
                version: PROTOCOL_VERSION,
                world: WorldName::new("a/b").unwrap(),
                epoch: 1,
                seed: 0,
                genre: Genre::Horror,
                terrain_hash: 0,
                size_metres: 1,
                tick_rate_hz: 10,
                tick: 0,
                entity: EntityId(0),
                position: Position::default(),
                resumed: false,
                ack: 0,
                resume_token: ResumeToken::new("t").unwrap(),
                resume_seconds: 0,
            };
            let crowd = |from: u64| -> Vec<Visible<'_>> {
                (0..MAX_VIEW_ENTITIES as u64 + 10)
                    .map(|n| Visible {
                        id: EntityId(from + n),
                        position: Position {
                            x: -MAX_COORDINATE,
                            y: -MAX_COORDINATE,
                        },
                        looks: Looks::Player(&name),
                    })
                    .collect()
            };
            let mut writer = UpdateWriter::default();
            let mut sent = SentView::new(format, &welcome);
            let mut view = View::new(&welcome);
            let own = Own {
                tick: MAX_SAFE_INTEGER,
                ack: u32::MAX,
                position: Position::default(),
            };
            for from in [u64::MAX / 2, u64::MAX - 600] {
                let mut out = Vec::new();
                writer.write(&mut sent, own, &mut crowd(from), &mut out);
                assert!(out.len() <= MAX_SERVER_MESSAGE_BYTES, "{}", out.len());
                decode_server(format, payload(format, &out), Some(&mut view)).unwrap();
                assert_eq!(view.entities().len(), MAX_VIEW_ENTITIES);
            }
        }
    }
}
