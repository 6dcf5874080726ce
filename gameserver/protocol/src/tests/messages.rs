//! Everything but updates.

use super::*;
use crate::limits::{MAX_CLIENT_MESSAGE_BYTES, MAX_SERVER_MESSAGE_BYTES};

type Encode = fn(Format, &ClientMessage) -> Vec<u8>;
type Decode = fn(Format, &[u8]) -> Result<ClientMessage, DecodeError>;

fn decode(format: Format, bytes: &[u8]) -> Result<ClientMessage, DecodeError> {
    match (format, std::str::from_utf8(bytes)) {
        (Format::Binary, _) => decode_client(format, Payload::Binary(bytes)),
        (Format::Json, Ok(text)) => decode_client(format, Payload::Text(text)),
        // A WebSocket refuses it.
        (Format::Json, Err(_)) => Err(DecodeError::BadUtf8 { field: "frame" }),
    }
}

/// Every message comes back as it was, by either format, in the room that a server allows it.
fn round_trips(encode: Encode) -> Result<(), String> {
    check(512, &client_message(), |message| {
        for format in FORMATS {
            let bytes = encode(format, &message);
            prop_assert!(bytes.len() <= MAX_CLIENT_MESSAGE_BYTES);
            prop_assert_eq!(&decode(format, &bytes), &Ok(message.clone()));
        }
        Ok(())
    })
}

#[test]
fn client_messages_round_trip_in_both_formats() {
    assert_eq!(round_trips(encoded), Ok(()));
}

#[test]
fn wrong_encoders_are_caught() {
    fn with(format: Format, message: &ClientMessage, change: impl Fn(&mut Act)) -> Vec<u8> {
        let mut message = message.clone();
        if let ClientMessage::Act(act) = &mut message {
            change(act);
        }
        encoded(format, &message)
    }
    let variants: [(&str, Encode); 5] = [
        ("the view tick is lost", |format, message| {
            with(format, message, |act| act.view = 0)
        }),
        ("ticks of 32 bits", |format, message| {
            with(format, message, |act| act.at &= 0xffff_ffff)
        }),
        ("the last offer is lost", |format, message| {
            with(format, message, |act| {
                if let Action::TradeOffer { offer } = &mut act.action {
                    offer.pop();
                }
            })
        }),
        ("Trinket is Body", |format, message| {
            with(format, message, |act| {
                if let Action::Unequip { place } = &mut act.action
                    && *place == Place::Trinket
                {
                    *place = Place::Body;
                }
            })
        }),
        ("texts of ASCII", |format, message| {
            with(format, message, |act| {
                if let Action::Say { text } = &mut act.action {
                    let ascii = text.as_str().replace(|c: char| !c.is_ascii(), "?");
                    *text = ChatText::new(ascii).unwrap();
                }
            })
        }),
    ];
    for (name, variant) in variants {
        assert!(round_trips(variant).is_err(), "{name}");
    }
}

/// A decoder takes what an encoder writes and nothing else: nothing shorter, nothing longer, no
/// second spelling; what it refuses, it refuses with a category that metrics know; and it never
/// panics.
fn is_strict(decode: Decode) -> Result<(), String> {
    let judged = |bytes: &[u8]| match decode(Format::Binary, bytes) {
        Ok(message) => {
            prop_assert_eq!(encoded(Format::Binary, &message), bytes);
            Ok(())
        }
        Err(error) => {
            prop_assert!(DecodeError::CATEGORIES.contains(&error.category()));
            Ok(())
        }
    };
    let strategy = (
        client_message(),
        vec(
            (
                any::<prop::sample::Index>(),
                prop_oneof![any::<u8>(), Just(0), Just(0x80)],
            ),
            1..4,
        ),
        0_u8..8,
        vec(any::<u8>(), 0..40),
    );
    check(512, &strategy, |(message, damage, kind, rest)| {
        let whole = encoded(Format::Binary, &message);
        for length in 0..whole.len() {
            prop_assert!(decode(Format::Binary, &whole[..length]).is_err());
        }
        prop_assert!(decode(Format::Binary, &[&whole[..], &[0]].concat()).is_err());
        let (mut changed, mut longer) = (whole.clone(), whole.clone());
        for (at, value) in damage {
            let at = at.index(whole.len());
            changed[at] = value;
            longer.insert(at, value);
            longer[at] |= 0x80;
        }
        judged(&changed)?;
        judged(&longer)?;
        judged(&[&[kind][..], &rest].concat())?;

        let text = encoded(Format::Json, &message);
        for length in 0..text.len() {
            let short = decode(Format::Json, &text[..length]);
            prop_assert!(short.is_err(), "{short:?}");
        }
        Ok(())
    })
}

#[test]
fn decoders_are_strict() {
    assert_eq!(is_strict(decode), Ok(()));
}

#[test]
fn wrong_decoders_are_caught() {
    let variants: [(&str, Decode); 4] = [
        ("what follows is ignored", |format, bytes| {
            let mut result = decode(format, bytes);
            for end in (1..bytes.len()).rev() {
                if matches!(result, Err(DecodeError::TrailingBytes { .. })) {
                    result = decode(format, &bytes[..end]);
                }
            }
            result
        }),
        ("what is missing is zero", |format, bytes| {
            match (format, decode(format, bytes)) {
                (Format::Binary, Err(DecodeError::Truncated { .. })) => {
                    decode(format, &[bytes, &[0]].concat())
                }
                (_, result) => result,
            }
        }),
        ("long varints", |format, bytes| {
            match (format, decode(format, bytes)) {
                // 80 00 means 0 as 00 does.
                (Format::Binary, Err(DecodeError::BadVarint { .. })) => {
                    let at = bytes.windows(2).position(|pair| pair == [0x80, 0]);
                    let Some(at) = at else {
                        return decode(format, bytes);
                    };
                    decode(format, &[&bytes[..at], &bytes[at + 1..]].concat())
                }
                (_, result) => result,
            }
        }),
        ("JSON is completed", |format, bytes| {
            match (format, decode(format, bytes)) {
                (Format::Json, Err(_)) => decode(format, &[bytes, b"}"].concat()),
                (_, result) => result,
            }
        }),
    ];
    for (name, variant) in variants {
        assert!(is_strict(variant).is_err(), "{name}");
    }
}

proptest! {
    #[test]
    fn server_messages_round_trip_in_both_formats(message in server_message()) {
        for format in FORMATS {
            let mut out = Vec::new();
            encode_server(format, &message, &mut out);
            let decoded = decode_server(format, payload(format, &out), None);
            prop_assert_eq!(decoded, Ok(Received::Message(message.clone())));
            for length in 0..out.len() {
                let Ok(_) = std::str::from_utf8(&out[..length]).or(match format {
                    Format::Binary => Ok(""),
                    Format::Json => Err(()),
                }) else {
                    continue;
                };
                prop_assert!(decode_server(format, payload(format, &out[..length]), None).is_err());
            }
        }
    }

    #[test]
    fn arbitrary_input_never_panics(bytes in vec(any::<u8>(), 0..300), text in ".{0,300}") {
        let _ = decode_client(Format::Binary, Payload::Binary(&bytes));
        let _ = decode_server(Format::Binary, Payload::Binary(&bytes), None);
        for text in [&*String::from_utf8_lossy(&bytes), &text] {
            let _ = decode_client(Format::Json, Payload::Text(text));
            let _ = decode_server(Format::Json, Payload::Text(text), None);
        }
    }

    /// Damaged JSON: what is still accepted means something that can be written again.
    #[test]
    fn damaged_json_is_refused_or_meant(
        message in client_message(),
        at in any::<prop::sample::Index>(),
        with in "[0-9a-z\"{}:,\\-\\[\\].]{0,3}",
    ) {
        let text = String::from_utf8(encoded(Format::Json, &message)).unwrap();
        let ends: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
        let at = ends[at.index(ends.len())];
        let damaged = format!("{}{with}{}", &text[..at], &text[at..]);
        match decode_client(Format::Json, Payload::Text(&damaged)) {
            Ok(message) => {
                for format in FORMATS {
                    prop_assert_eq!(decode(format, &encoded(format, &message)), Ok(message.clone()));
                }
            }
            Err(error) => prop_assert!(DecodeError::CATEGORIES.contains(&error.category())),
        }
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
    let act = |action: &str| {
        json(&format!(
            r#"{{"type":"act","seq":1,"action":{{"type":{action}}}}}"#
        ))
    };
    let long = vec![3; MAX_CLIENT_MESSAGE_BYTES + 1];
    let text = |length: usize| [&[5, 1, 0, 0, 10][..], &[0x90, 3], &vec![b'x'; length]].concat();

    for (expected, actual) in [
        ("Empty", binary(&[])),
        ("Empty", json("")),
        ("TooLarge", binary(&long)),
        ("TooLarge", json(&" ".repeat(MAX_CLIENT_MESSAGE_BYTES + 1))),
        ("UnknownType", binary(&[0x41])),
        ("UnknownType", binary(&[0x80])),
        ("UnknownType", binary(&[7])),
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
            json(r#"{"type":"hello","version":2,"name":"a\nb"}"#),
        ),
        ("BadJson", json(r#"{"type":"ask","what":"Fortune"}"#)),
        ("BadJson", act(r#""dance""#)),
        ("BadJson", act(r#""stop","now":true"#)),
        ("BadJson", act(r#""gather","target":7"#)),
        ("BadJson", act(r#""gather","target":"7","target":"8""#)),
        ("BadJson", act(r#""gather","target":"07""#)),
        ("BadJson", act(r#""say","text":"a\u202eb""#)),
        ("BadJson", act(r#""use","slot":256"#)),
        ("OutOfRange", act(r#""drop","slot":1,"count":0"#)),
        (
            "OutOfRange",
            act(r#""tradeOffer","offer":[{"slot":1,"count":0}]"#),
        ),
        (
            "OutOfRange",
            act(&format!(
                r#""tradeOffer","offer":[{}{{"slot":1,"count":1}}]"#,
                r#"{"slot":1,"count":1},"#.repeat(8)
            )),
        ),
        ("Truncated", binary(&[2])),
        ("Truncated", binary(&[2, 1, 0, 0])),
        ("Truncated", binary(&[5, 1, 0, 0])),
        ("Truncated", binary(&text(399))),
        ("TrailingBytes", binary(&[4, 0])),
        ("TrailingBytes", binary(&[5, 1, 0, 0, 16, 0])),
        ("BadVarint", binary(&[3, 0x81, 0x00])),
        ("BadVarint", binary(&[&[3][..], &[0xff; 9], &[2]].concat())),
        ("OutOfRange", binary(&[&[3][..], &[0xff; 9], &[1]].concat())),
        ("OutOfRange", binary(&[2, 0, 0, 1, 1])),
        ("OutOfRange", binary(&[2, 1, 0, 0x80, 1])),
        (
            "OutOfRange",
            binary(&[&[2, 1][..], &[0xff; 7], &[0x1f, 1, 1]].concat()),
        ),
        (
            "OutOfRange",
            json(r#"{"type":"move","seq":1,"direction":{"x":-128,"y":0}}"#),
        ),
        (
            "OutOfRange",
            json(r#"{"type":"move","seq":1,"at":9007199254740992,"direction":{"x":1,"y":0}}"#),
        ),
        (
            "OutOfRange",
            json(r#"{"type":"hello","version":2,"epoch":0,"name":"a"}"#),
        ),
        ("OutOfRange", binary(&[5, 0, 0, 0, 16])),
        ("OutOfRange", binary(&[5, 1, 0, 0, 0])),
        ("OutOfRange", binary(&[5, 1, 0, 0, 17])),
        ("OutOfRange", binary(&[5, 1, 0, 0, 6, 4])),
        ("OutOfRange", binary(&[5, 1, 0, 0, 7, 1, 0])),
        ("OutOfRange", binary(&[6, 0])),
        ("UnsupportedVersion", binary(&[1, 1])),
        ("UnsupportedVersion", binary(&[1, 3])),
        (
            "UnsupportedVersion",
            json(r#"{"type":"hello","version":1,"name":"Ada"}"#),
        ),
        (
            "UnsupportedVersion",
            json(r#"{"type":"hello","version":3,"wings":4}"#),
        ),
        ("TooLong", binary(&[1, 2, 0, 0, 65])),
        ("TooLong", binary(&[5, 1, 0, 0, 10, 0x91, 3])),
        ("TooLong", binary(&[5, 1, 0, 0, 12, 9])),
        ("BadUtf8", binary(&[1, 2, 0, 0, 1, 0xff, 0])),
        ("BadUtf8", binary(&[5, 1, 0, 0, 10, 1, 0xff])),
        ("Malformed", binary(&[1, 2, 1, b'x', 0, 1, b'a', 0])),
        ("Malformed", binary(&[1, 2, 0, 0, 1, b'\n', 0])),
        ("Malformed", binary(&[5, 1, 0, 0, 10, 0])),
        ("Malformed", binary(&[5, 1, 0, 0, 10, 1, b'\t'])),
        ("Malformed", binary(&text(400))),
    ] {
        assert_eq!(actual, expected);
    }
    let wrong = decode_client(Format::Binary, Payload::Text("x")).unwrap_err();
    assert_eq!(wrong.category(), "WrongFrame");
}

#[test]
fn another_version_is_refused_by_name() {
    for bytes in [&[1, 1][..], &[1, 3, 0xff]] {
        let error = decode(Format::Binary, bytes).unwrap_err();
        assert_eq!(error.refusal(), RefusalReason::VersionUnsupported);
    }
    let json = br#"{"type":"hello","version":1,"name":"Ada"}"#;
    let error = decode(Format::Json, json).unwrap_err();
    assert_eq!(error.refusal(), RefusalReason::VersionUnsupported);
}

/// The longest message of a client fits, however JSON escapes it.
#[test]
fn the_longest_texts_fit() {
    for text in ["\"".repeat(200), "\u{e4}".repeat(200), "花".repeat(133)] {
        let message = ClientMessage::Act(Act {
            seq: u32::MAX,
            at: MAX_SAFE_INTEGER,
            view: MAX_SAFE_INTEGER,
            action: Action::Say {
                text: ChatText::new(text).unwrap(),
            },
        });
        for format in FORMATS {
            let bytes = encoded(format, &message);
            assert!(bytes.len() <= MAX_CLIENT_MESSAGE_BYTES);
            assert_eq!(decode(format, &bytes), Ok(message.clone()));
        }
    }
    const { assert!(MAX_SERVER_MESSAGE_BYTES >= MAX_CLIENT_MESSAGE_BYTES) };
}
