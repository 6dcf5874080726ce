//! PROTOCOL.md is held to the codec: its examples byte for byte, its tables and limits by name.

use super::vectors::{Stage, client_messages, example_welcome};
use super::*;
use crate::limits::*;

const DOCUMENT: &str = include_str!("../../../PROTOCOL.md");

/// The document has the text somewhere; where a test fails, it prints what to write.
fn has(missing: &mut Vec<String>, text: &str) {
    if !DOCUMENT.contains(text) {
        missing.push(text.to_owned());
    }
}

fn none_is(missing: &[String]) {
    assert!(
        missing.is_empty(),
        "not in PROTOCOL.md:\n{}",
        missing.join("\n")
    );
}

#[test]
fn examples_of_client_messages() {
    for (hex, json) in [
        (
            "01 02 08 67 61 6d 65 73 2f 66 31 03 03 41 64 61 00",
            r#"{"type":"hello","version":2,"world":"games/f1","epoch":3,"name":"Ada"}"#,
        ),
        (
            "02 07 eb 07 7f 00",
            r#"{"type":"move","seq":7,"at":1003,"direction":{"x":127,"y":0}}"#,
        ),
        (
            "05 08 ec 07 e8 07 01 07",
            r#"{"type":"act","seq":8,"at":1004,"view":1000,"action":{"type":"gather","target":"7"}}"#,
        ),
        (
            "05 09 00 00 0c 01 02 05",
            r#"{"type":"act","seq":9,"action":{"type":"tradeOffer","offer":[{"slot":2,"count":5}]}}"#,
        ),
        ("06 01", r#"{"type":"ask","what":"Statistics"}"#),
        ("03 2a", r#"{"type":"ping","nonce":42}"#),
        ("04", r#"{"type":"leave"}"#),
    ] {
        let mut missing = Vec::new();
        has(&mut missing, &format!("`{hex}`"));
        has(&mut missing, &format!("`{json}`"));
        none_is(&missing);
        let bytes = unhex(hex);
        let message = decode_client(Format::Binary, Payload::Binary(&bytes)).unwrap();
        let other = decode_client(Format::Json, Payload::Text(json)).unwrap();
        assert_eq!(message, other);
        assert_eq!(encoded(Format::Binary, &message), bytes);
        assert_eq!(encoded(Format::Json, &message), json.as_bytes());
    }
}

#[test]
fn examples_of_server_messages() {
    let mut missing = Vec::new();
    let mut out = Vec::new();
    let welcome = ServerMessage::Welcome(example_welcome());
    encode_server(Format::Binary, &welcome, &mut out);
    has(&mut missing, &hex(&out));
    let pong = ServerMessage::Pong(Pong {
        nonce: 42,
        players: 1_000,
        load: 30,
        dilation: 100,
    });
    for format in FORMATS {
        let mut out = Vec::new();
        encode_server(format, &pong, &mut out);
        let text = match format {
            Format::Binary => hex(&out),
            Format::Json => String::from_utf8(out).unwrap(),
        };
        has(&mut missing, &format!("`{text}`"));
    }
    none_is(&missing);
}

#[test]
fn examples_of_updates() {
    let mut missing = Vec::new();
    let mut stage = Stage::new();
    let mut show = |stage: &mut Stage| {
        let shown = stage.show();
        has(&mut missing, &format!("\n{}\n", hex(&shown.binary)));
        has(&mut missing, &format!("\n{}\n", shown.text));
    };

    stage.table.begin(1_001);
    stage.enter(7, EntityKind::Creature { species: 2 }, -10, 0, 0x0f);
    stage.enter(501, EntityKind::Player, 500, 600, 0x0f);
    stage.moment.visible = Some(vec![7, 501]);
    stage.moment.ack = 7;
    stage.moment.position = Position { x: 1_300, y: -200 };
    show(&mut stage);

    stage.table.begin(1_002);
    stage.observe(501, (800, 600), (300, 0), 0x0f);
    show(&mut stage);

    stage.table.begin(1_003);
    stage.observe(501, (1_100, 600), (300, 0), 0x0f);
    show(&mut stage);

    stage.table.begin(1_004);
    stage.observe(501, (1_400, 600), (300, 0), 0x0f);
    stage.table.begin(1_005);
    stage.observe(501, (1_400, 900), (0, 300), 0x3f);
    stage.table.begin(1_006);
    stage.observe(501, (1_400, 1_200), (0, 300), 0x3f);
    stage.moment.visible = Some(vec![501]);
    stage.moment.ack = 8;
    let mut state = SelfState {
        vitals: Vitals {
            health: 90,
            max_health: 100,
            hunger: 80,
            thirst: 70,
            meter: 100,
        },
        activity: Some(Activity {
            kind: ActivityKind::Gather,
            ends: 1_045,
            total: 40,
        }),
        ..SelfState::default()
    };
    state.slots[0] = Stack::of(3, 12);
    state.equipment[0] = ItemId::new(5);
    stage.moment.state = Some(state);
    stage.moment.events = vec![EventMessage::Done {
        seq: 8,
        outcome: Outcome::Ok,
    }];
    show(&mut stage);
    none_is(&missing);
}

#[test]
fn tables_and_limits() {
    let mut missing = Vec::new();
    for reason in RefusalReason::ALL {
        let row = format!(
            "| {} | {} | `{reason}` |",
            reason.number(),
            reason.close_code()
        );
        has(&mut missing, &row);
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
        has(&mut missing, &row);
        assert_eq!(
            KickReason::from_close_code(reason.close_code()),
            Some(*reason)
        );
    }
    for outcome in Outcome::ALL {
        has(
            &mut missing,
            &format!("| {} | `{outcome}` |", outcome.number()),
        );
    }
    let lists = [
        names(Genre::ALL, Genre::number),
        names(Pose::ALL, Pose::number),
        names(Place::ALL, Place::number),
        names(Skill::ALL, Skill::number),
        names(Gain::ALL, Gain::number),
        names(DeathCause::ALL, DeathCause::number),
        names(ActivityKind::ALL, ActivityKind::number),
        names(TradeStage::ALL, TradeStage::number),
        names(NoticeKind::ALL, NoticeKind::number),
        names(Question::ALL, Question::number),
    ];
    for name in lists.iter().flatten() {
        has(&mut missing, name);
    }
    let mut actions = 0;
    for (_, message) in client_messages() {
        let ClientMessage::Act(act) = message else {
            continue;
        };
        actions += 1;
        let message = ClientMessage::Act(Act {
            seq: 1,
            at: 0,
            view: 0,
            ..act
        });
        let number = encoded(Format::Binary, &message)[4];
        let json: serde_json::Value =
            serde_json::from_slice(&encoded(Format::Json, &message)).unwrap();
        let name = json["action"]["type"].as_str().unwrap();
        has(&mut missing, &format!("| {number} | `{name}` |"));
    }
    assert!(actions >= 16);
    for limit in [
        format!("{MAX_CLIENT_MESSAGE_BYTES} bytes"),
        format!("{MAX_SERVER_MESSAGE_BYTES} bytes"),
        format!("{MAX_VIEW_ENTITIES} entities"),
        format!("{MAX_EVENTS} events"),
        format!("{INVENTORY_SLOTS} slots"),
        format!("{MAX_OFFERS} entries"),
        format!("{MAX_NAME_CHARS} characters, {MAX_NAME_BYTES} bytes"),
        format!("{MAX_CHAT_CHARS} characters, {MAX_CHAT_BYTES} bytes"),
        format!("within {HELLO_TIMEOUT_SECONDS} seconds"),
        format!("version {PROTOCOL_VERSION}"),
    ] {
        has(&mut missing, &limit);
    }
    none_is(&missing);
}

fn names<T: Copy + std::fmt::Display>(all: &[T], number: fn(T) -> u8) -> Vec<String> {
    all.iter()
        .map(|value| format!("{} `{value}`", number(*value)))
        .collect()
}
