//! Players and the server, over real sockets.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use support::{
    Client, EPOCH, End, Heard, hello, metric, open, players, returning, serve, soon, until,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::Message;
use worldkeeper_server::game::Drain;
use worldkeeper_server::protocol::{
    ClientMessage, EntityKind, Format, Hello, KickReason, NoticeKind, Ping, PlayerName,
    RefusalReason, ResumeToken, ServerMessage, WorldName,
};

#[tokio::test]
async fn join_see_move_leave() {
    let server = serve(|_| {}).await;
    let mut ada = Client::join(server.players, "ada").await;
    assert_eq!(ada.welcome.world.as_str(), support::WORLD);
    assert_eq!(
        (ada.welcome.epoch, ada.welcome.seed, ada.welcome.resumed),
        (EPOCH, 42, false)
    );
    let mut bob = Client::join(server.players, "bob").await;
    players(&server, 2, 0).await;

    let bob_is = bob.welcome.entity;
    let seen = |view: &worldkeeper_server::protocol::View| {
        view.entities()
            .iter()
            .find(|known| known.id == bob_is)
            .cloned()
    };
    ada.until("ada sees bob", |view| seen(view).is_some()).await;
    let before = seen(ada.view.as_ref().unwrap()).unwrap();
    assert_eq!(before.kind, EntityKind::Player);
    assert_eq!(before.name, Some(PlayerName::new("bob").unwrap()));
    bob.wander().await;
    ada.until("ada sees bob move", |view| {
        seen(view).is_some_and(|now| now.motion.position != before.motion.position)
    })
    .await;

    bob.say(&ClientMessage::Leave).await;
    assert_eq!(bob.end().await, End::normal());
    players(&server, 1, 0).await;
    ada.until("bob is gone", |view| seen(view).is_none()).await;
    assert_eq!(
        metric(&server, "world_leaves_total{reason=\"Left\"}").await,
        1
    );
    server.close().await.unwrap();
}

#[tokio::test]
async fn everyone_is_shown_the_same_world() {
    let server = serve(|config| config.server.view_radius_metres = 1000).await;
    let mut clients = Vec::new();
    for name in ["ada", "bob", "cyd"] {
        clients.push(Client::join(server.players, name).await);
    }
    for client in &mut clients {
        client.wander().await;
    }
    // Positions at one tick, as each client has them.
    type Places = BTreeMap<u64, (i32, i32)>;
    let mut histories: Vec<BTreeMap<u64, Places>> = Vec::new();
    for client in &mut clients {
        let mut history = BTreeMap::new();
        let own = client.welcome.entity.0;
        client
            .until("enough ticks", |view| {
                let mut places: BTreeMap<_, _> = view
                    .entities()
                    .iter()
                    .filter_map(|known| {
                        let place = view.shown(known.id, view.own().tick)?;
                        Some((known.id.0, (place.x, place.y)))
                    })
                    .collect();
                let place = view.own().position;
                places.insert(own, (place.x, place.y));
                history.insert(view.own().tick, places);
                history.len() > 200
            })
            .await;
        histories.push(history);
    }
    let (mut compared, mut in_common) = (0, 0);
    for (tick, places) in &histories[0] {
        for other in &histories[1..] {
            if let Some(others) = other.get(tick) {
                // A client's own place is exact, the others' are shown within a bound.
                for (id, (x, y)) in places {
                    let Some((other_x, other_y)) = others.get(id) else {
                        continue;
                    };
                    assert!(x.abs_diff(*other_x) <= 150, "tick {tick}");
                    assert!(y.abs_diff(*other_y) <= 150, "tick {tick}");
                    in_common += 1;
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 0, "no tick in common");
    assert!(in_common > 10 * compared, "hardly anybody in common");
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_lost_connection_keeps_its_body() {
    let server = serve(|_| {}).await;
    let mut ada = Client::join(server.players, "ada").await;
    ada.wander().await;
    let seq = ada.walk(0, 0).await;
    ada.until("ada stands", |view| view.own().ack == seq).await;
    let place = ada.view.as_ref().unwrap().own().position;
    let (entity, first) = (ada.welcome.entity, ada.welcome.resume_token.clone());
    drop(ada);
    players(&server, 1, 1).await;

    let mut back = Client::enter(server.players, returning("ada", &first))
        .await
        .unwrap();
    assert_eq!(
        (back.welcome.entity, back.welcome.position),
        (entity, place)
    );
    assert!(back.welcome.resumed);
    assert_eq!(back.welcome.ack, seq);
    players(&server, 1, 0).await;

    // The newest connection wins.
    let second = back.welcome.resume_token.clone();
    assert_ne!(second.as_str(), first.as_str());
    let mut newest = Client::enter(server.players, returning("ada", &second))
        .await
        .unwrap();
    assert_eq!(newest.welcome.entity, entity);
    assert_eq!(back.end().await, End::kicked(KickReason::Superseded));
    drop(back);
    // The end of the old connection is not that of the player.
    newest.wander().await;
    players(&server, 1, 0).await;
    // Its inputs show that it has the newest token, so the older ones are spent.
    let refused = Client::enter(server.players, returning("ada", &first))
        .await
        .err();
    assert_eq!(refused, Some(End::refused(RefusalReason::ResumeInvalid)));
    assert_eq!(metric(&server, "world_resumes_total").await, 2);

    let token = newest.welcome.resume_token.clone();
    newest.say(&ClientMessage::Leave).await;
    assert_eq!(newest.end().await, End::normal());
    let refused = Client::enter(server.players, returning("ada", &token))
        .await
        .err();
    assert_eq!(refused, Some(End::refused(RefusalReason::ResumeInvalid)));
    server.close().await.unwrap();
}

#[tokio::test]
async fn after_the_grace_time_the_seat_is_free() {
    let server = serve(|config| {
        config.server.resume_grace_seconds = 1;
        config.server.max_players = 1;
    })
    .await;
    let ada = Client::join(server.players, "ada").await;
    let token = ada.welcome.resume_token.clone();
    drop(ada);
    players(&server, 1, 1).await;
    let refused = Client::enter(server.players, hello("bob")).await.err();
    assert_eq!(refused, Some(End::refused(RefusalReason::WorldFull)));
    players(&server, 0, 0).await;
    assert_eq!(
        metric(&server, "world_leaves_total{reason=\"GraceExpired\"}").await,
        1
    );
    let refused = Client::enter(server.players, returning("ada", &token))
        .await
        .err();
    assert_eq!(refused, Some(End::refused(RefusalReason::ResumeInvalid)));
    Client::join(server.players, "bob").await;
    server.close().await.unwrap();
}

#[tokio::test]
async fn while_joins_are_stopped_only_those_inside_come_back() {
    let server = serve(|_| {}).await;
    let mut ada = Client::join(server.players, "ada").await;
    let bob = Client::join(server.players, "bob").await;
    let status = server.game.drain(Drain::Stop).await.unwrap();
    assert_eq!(status.players, 2);
    assert!(!status.is_drained());
    let ServerMessage::Notice(notice) = ada.message().await else {
        panic!()
    };
    assert_eq!(notice.kind, NoticeKind::JoinsStopped);

    let refused = Client::enter(server.players, hello("cyd")).await.err();
    assert_eq!(refused, Some(End::refused(RefusalReason::JoinsStopped)));
    let token = bob.welcome.resume_token.clone();
    drop(bob);
    players(&server, 2, 1).await;
    let mut bob = Client::enter(server.players, returning("bob", &token))
        .await
        .unwrap();
    let ServerMessage::Notice(notice) = bob.message().await else {
        panic!()
    };
    assert_eq!(notice.kind, NoticeKind::JoinsStopped);

    server.game.drain(Drain::Open).await.unwrap();
    let ServerMessage::Notice(notice) = ada.message().await else {
        panic!()
    };
    assert_eq!(notice.kind, NoticeKind::JoinsOpen);
    Client::join(server.players, "cyd").await;
    server.close().await.unwrap();
}

/// Once a drain has been answered nobody new is in that the answer does not tell of.
#[tokio::test]
async fn a_drain_is_a_line_that_no_join_crosses() {
    for _ in 0..10 {
        let server = serve(|_| {}).await;
        let address = server.players;
        let joins: Vec<_> = (0..20)
            .map(|n| tokio::spawn(Client::enter(address, hello(&format!("p{n}")))))
            .collect();
        let status = server.game.drain(Drain::Stop).await.unwrap();
        let mut inside = Vec::new();
        for join in joins {
            inside.extend(join.await.unwrap().ok());
        }
        assert_eq!(inside.len(), usize::try_from(status.players).unwrap());
        server.close().await.unwrap();
    }
}

#[tokio::test]
async fn who_is_not_let_in() {
    let server = serve(|config| config.server.max_players = 2).await;
    let _ada = Client::join(server.players, "ada").await;
    let world = |name| Some(WorldName::new(name).unwrap());
    let token = ResumeToken::new("1-00").unwrap();
    for (hello, reason) in [
        (
            Hello {
                world: world("games/other"),
                ..hello("x")
            },
            RefusalReason::WrongWorld,
        ),
        (
            Hello {
                epoch: Some(EPOCH - 1),
                ..hello("x")
            },
            RefusalReason::WrongEpoch,
        ),
        (
            Hello {
                epoch: Some(EPOCH + 1),
                ..hello("x")
            },
            RefusalReason::WrongEpoch,
        ),
        (returning("x", &token), RefusalReason::ResumeInvalid),
    ] {
        let refused = Client::enter(server.players, hello).await.err();
        assert_eq!(refused, Some(End::refused(reason)));
        let line = format!("world_refusals_total{{reason=\"{reason}\"}}");
        assert!(metric(&server, &line).await >= 1, "{line}");
    }
    let anywhere = Hello {
        world: None,
        epoch: None,
        ..hello("bob")
    };
    let _bob = Client::enter(server.players, anywhere).await.unwrap();
    let refused = Client::enter(server.players, hello("cyd")).await.err();
    assert_eq!(refused, Some(End::refused(RefusalReason::WorldFull)));
    server.close().await.unwrap();
}

/// What a client that has said `first` hears when it sends rubbish.
async fn after(server: &worldkeeper_server::serve::Running, inside: bool, rubbish: Message) -> End {
    if inside {
        let mut client = Client::join(server.players, "rubbish").await;
        client.socket.send(rubbish).await.unwrap();
        let end = client.end().await;
        // The seat waits for its player; make room.
        return end;
    }
    let mut socket = open(server.players, "").await;
    socket.send(rubbish).await.unwrap();
    let mut last = End {
        code: None,
        refused: None,
        kicked: None,
    };
    loop {
        let mut view = None;
        if let Heard::End(end) =
            support::hear(&mut socket, Format::Binary, &mut view, &mut last).await
        {
            return end;
        }
    }
}

#[tokio::test]
async fn rubbish_in_messages_is_refused_and_counted() {
    let server = serve(|config| config.server.resume_grace_seconds = 0).await;
    let bytes = |bytes: &[u8]| Message::Binary(bytes.to_vec().into());
    for (rubbish, large, category) in [
        (bytes(&[0; 8193]), true, "TooLarge"),
        (bytes(&[0xFF; 2000]), false, "UnknownType"),
        (bytes(&[]), false, "Empty"),
        (bytes(&[1]), false, "Truncated"),
        (Message::Text("{}".into()), false, "WrongFrame"),
        (bytes(&[4, 4]), false, "TrailingBytes"),
    ] {
        let line = format!("world_bad_messages_total{{reason=\"{category}\"}}");
        let before = metric(&server, &line).await;
        let (refusal, kick) = if large {
            (RefusalReason::MessageTooLarge, KickReason::MessageTooLarge)
        } else {
            (RefusalReason::Malformed, KickReason::Malformed)
        };
        assert_eq!(
            after(&server, false, rubbish.clone()).await,
            End::refused(refusal),
            "{category}"
        );
        assert_eq!(
            after(&server, true, rubbish).await,
            End::kicked(kick),
            "{category}"
        );
        assert_eq!(metric(&server, &line).await, before + 2, "{line}");
    }
    // Out of order: a move before the hello, and a hello twice.
    assert_eq!(
        after(&server, false, bytes(&[4])).await,
        End::refused(RefusalReason::Malformed)
    );
    let mut twice = Client::join(server.players, "ada").await;
    twice.say(&ClientMessage::Hello(hello("ada"))).await;
    assert_eq!(twice.end().await, End::kicked(KickReason::Malformed));
    players(&server, 0, 0).await;
    server.close().await.unwrap();
}

#[tokio::test]
async fn rubbish_on_the_socket_does_no_harm() {
    let server = serve(|config| {
        config.server.hello_timeout = Duration::from_secs(1);
        config.server.resume_grace_seconds = 0;
    })
    .await;
    let mut ada = Client::join(server.players, "ada").await;
    for rubbish in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /v1/play HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"SSH-2.0-x\r\n",
        &[b'A'; 100_000],
        // Nothing at all: its time runs out.
        b"",
    ] {
        let mut socket = TcpStream::connect(server.players).await.unwrap();
        let _ = socket.write_all(rubbish).await;
        let mut answer = Vec::new();
        let _ = soon("it is closed", socket.read_to_end(&mut answer)).await;
    }
    for (path, status) in [
        ("/", 404),
        ("/v1/play?format=xml", 400),
        ("/v1/players", 404),
    ] {
        let url = format!("ws://{}{path}", server.players);
        match tokio_tungstenite::connect_async(url).await {
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
                assert_eq!(response.status(), status, "{path}");
            }
            other => panic!("{path}: {other:?}"),
        }
    }
    // After the upgrade: frames that are none, one that claims to be huge, and silence.
    for (rubbish, reason) in [
        (&b"rubbish after the upgrade"[..], RefusalReason::Malformed),
        (&[0x82, 0x00], RefusalReason::Malformed),
        (
            &[0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            RefusalReason::MessageTooLarge,
        ),
        (&[], RefusalReason::HelloTimeout),
    ] {
        let mut socket = open(server.players, "").await;
        let stream = match socket.get_mut() {
            tokio_tungstenite::MaybeTlsStream::Plain(stream) => stream,
            _ => panic!(),
        };
        stream.write_all(rubbish).await.unwrap();
        let mut last = End {
            code: None,
            refused: None,
            kicked: None,
        };
        let end = loop {
            let mut view = None;
            let heard = support::hear(&mut socket, Format::Binary, &mut view, &mut last).await;
            if let Heard::End(end) = heard {
                break end;
            }
        };
        assert_eq!(end, End::refused(reason));
    }
    for (line, least) in [
        ("world_failed_handshakes_total{reason=\"NotWebSocket\"}", 4),
        ("world_failed_handshakes_total{reason=\"WrongPath\"}", 2),
        ("world_failed_handshakes_total{reason=\"WrongFormat\"}", 1),
        ("world_failed_handshakes_total{reason=\"Timeout\"}", 1),
        ("world_refusals_total{reason=\"HelloTimeout\"}", 1),
        ("world_bad_messages_total{reason=\"BadFrame\"}", 2),
    ] {
        assert!(metric(&server, line).await >= least, "{line}");
    }
    ada.wander().await;
    players(&server, 1, 0).await;
    server.close().await.unwrap();
}

#[tokio::test]
async fn too_many_messages_end_a_connection() {
    let server = serve(|config| config.server.max_messages_per_second = 60).await;
    let mut ada = Client::join(server.players, "ada").await;
    for nonce in 0..200 {
        ada.say(&ClientMessage::Ping(Ping { nonce })).await;
    }
    assert_eq!(ada.end().await, End::kicked(KickReason::TooManyMessages));
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_silent_client_is_given_up_and_one_that_answers_pings_is_not() {
    let server = serve(|config| {
        config.server.ping_interval = Duration::from_secs(1);
        config.server.silence_timeout = Duration::from_secs(2);
    })
    .await;
    // This one only listens: its library answers the pings.
    let mut ada = Client::join(server.players, "ada").await;
    // This one does not even read.
    let bob = Client::join(server.players, "bob").await;
    let heard_from_bob = metric(&server, "world_kicks_total{reason=\"Silent\"}").await;
    assert_eq!(heard_from_bob, 0);
    let hears = async {
        loop {
            let silent = metric(&server, "world_kicks_total{reason=\"Silent\"}");
            tokio::select! {
                heard = ada.hear() => assert!(!matches!(heard, Heard::End(_))),
                count = silent => if count == 1 { return },
            }
        }
    };
    soon("bob is given up", hears).await;
    players(&server, 2, 1).await;
    drop(bob);
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_slow_reader_gets_fewer_updates_and_nobody_waits_for_it() {
    let server = serve(|config| {
        config.server.view_radius_metres = 1000;
        config.server.max_visible = 512;
    })
    .await;
    let narrow = support::open_narrow(server.players).await;
    let mut slow = Client::enter_over(narrow, hello("slow"), Format::Binary)
        .await
        .unwrap();
    let mut quick = Client::join(server.players, "quick").await;
    let start = quick.view.as_ref().unwrap().own().tick;
    // It goes on sending, but reads nothing.
    let line = "world_updates_skipped_total";
    let mut seq = 0;
    loop {
        seq += 1;
        slow.walk(if seq % 2 == 0 { 127 } else { -127 }, 0).await;
        quick.hear().await;
        if seq % 20 == 0 && metric(&server, line).await > 50 {
            break;
        }
        assert!(seq < 10_000, "its buffers never filled");
    }
    assert!(quick.view.as_ref().unwrap().own().tick > start);
    // What it reads now is the newest state after what was on its way, and whole.
    let newest = quick.view.as_ref().unwrap().own().tick;
    slow.until("it catches up", |view| view.own().tick > newest)
        .await;
    players(&server, 2, 0).await;
    server.close().await.unwrap();
}

#[tokio::test]
async fn json_for_people() {
    let server = serve(|config| {
        config.server.json_max_clients = 1;
        // Two who come in may stand at the two ends of a hub, or at two hubs.
        config.server.view_radius_metres = 1000;
        config.server.json_view_radius_metres = 1000;
    })
    .await;
    let mut ada = Client::enter_as(server.players, hello("ada"), Format::Json)
        .await
        .unwrap();
    let refused = Client::enter_as(server.players, hello("bob"), Format::Json)
        .await
        .err();
    assert_eq!(
        refused,
        Some(End::refused(RefusalReason::FormatUnavailable))
    );
    let _bob = Client::join(server.players, "bob").await;
    ada.until("ada sees bob", |view| {
        let mut players = view.entities().iter().filter(|known| known.name.is_some());
        players.any(|known| known.name.as_ref().unwrap().as_str() == "bob")
    })
    .await;
    ada.wander().await;
    let before = ada.view.as_ref().unwrap().own().tick;
    ada.until("the next update", |view| view.own().tick != before)
        .await;
    let between = ada.view.as_ref().unwrap().own().tick - before;
    assert_eq!(between % 12, 0, "5 updates a second at 60 Hz");
    ada.say(&ClientMessage::Leave).await;
    assert_eq!(ada.end().await, End::normal());

    // By hand, as PROTOCOL.md shows it.
    let mut socket = open(server.players, "?format=json").await;
    let text = r#"{"type":"hello","version":2,"name":"Ada"}"#;
    socket.send(Message::Text(text.into())).await.unwrap();
    let Message::Text(welcome) = socket.next().await.unwrap().unwrap() else {
        panic!()
    };
    assert!(welcome.starts_with(r#"{"type":"welcome""#), "{welcome}");
    socket
        .send(Message::Text(r#"{"type":"dance"}"#.into()))
        .await
        .unwrap();
    let kicked = loop {
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else {
            panic!()
        };
        if !text.contains("update") {
            break text;
        }
    };
    assert!(kicked.contains(r#""reason":"Malformed""#), "{kicked}");
    server.close().await.unwrap();
}

#[tokio::test]
async fn closing_tells_everyone_why() {
    let server = serve(|config| config.server.closing_notice_seconds = 1).await;
    let address = server.players;
    let mut ada = Client::join(address, "ada").await;
    let mut json = Client::enter_as(address, hello("bob"), Format::Json)
        .await
        .unwrap();
    let game = server.game.clone();
    let closing = tokio::spawn(server.close());
    let ServerMessage::Notice(notice) = ada.message().await else {
        panic!()
    };
    assert_eq!((notice.kind, notice.seconds), (NoticeKind::Closing, 1));
    let refused = Client::enter(address, hello("cyd")).await.err();
    assert_eq!(refused, Some(End::refused(RefusalReason::Closing)));
    let token = ada.welcome.resume_token.clone();
    let refused = Client::enter(address, returning("ada", &token)).await.err();
    assert_eq!(refused, Some(End::refused(RefusalReason::Closing)));
    assert!(
        game.drain(Drain::Open).await.is_err(),
        "a closing world stays closed"
    );
    assert_eq!(ada.end().await, End::kicked(KickReason::Closing));
    assert_eq!(json.end().await, End::kicked(KickReason::Closing));
    soon("the server ends", closing).await.unwrap().unwrap();
    until("the port is free", async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
}

#[tokio::test]
async fn two_hundred_at_once() {
    let server = serve(|config| config.server.max_players = 150).await;
    let address = server.players;
    let joins: Vec<_> = (0..200)
        .map(|n| tokio::spawn(Client::enter(address, hello(&format!("p{n}")))))
        .collect();
    let (mut inside, mut refused) = (Vec::new(), 0);
    for join in joins {
        match join.await.unwrap() {
            Ok(client) => inside.push(client),
            Err(end) => {
                assert_eq!(end, End::refused(RefusalReason::WorldFull));
                refused += 1;
            }
        }
    }
    assert_eq!((inside.len(), refused), (150, 50));
    players(&server, 150, 0).await;
    drop(inside);
    players(&server, 150, 150).await;
    server.close().await.unwrap();
}
