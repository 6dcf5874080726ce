//! What players do and are told, over real sockets.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;

use support::{Client, End, Heard, hello, metric, players, returning, serve, soon};
use worldkeeper_server::protocol::{
    Action, Ask, ChatText, ClientMessage, EntityKind, EventMessage, Format, Gain, ItemId,
    KickReason, Offer, Outcome, Ping, Pong, Position, Question, RecipeId, ServerMessage,
    TradeStage, View,
};
use worldkeeper_sim::Genre;
use worldkeeper_sim::content::{Content, RecipeDef, ResourceDef};

fn own(view: &View) -> (u64, u32, Position) {
    let own = view.own();
    (own.tick, own.ack, own.position)
}

/// Own state of every tick that is heard of, until enough have been.
async fn record(client: &mut Client, ticks: u64) -> BTreeMap<u64, (u32, Position)> {
    let mut seen = BTreeMap::new();
    let mut first = None;
    client
        .until("ticks go by", |view| {
            let (tick, ack, position) = own(view);
            seen.insert(tick, (ack, position));
            tick >= *first.get_or_insert(tick) + ticks
        })
        .await;
    seen
}

/// An input takes effect at the tick that it names, in every format: neither when it arrives, nor a
/// tick early or late.
#[tokio::test]
async fn an_input_takes_effect_at_its_tick() {
    let server = serve(|config| config.server.json_rate_hz = 60).await;
    for format in [Format::Binary, Format::Json] {
        let mut ada = Client::enter_as(server.players, hello("ada"), format)
            .await
            .unwrap();
        ada.until("it runs", |view| view.own().tick > 0).await;
        let mut moved = 0;
        for (x, y) in [(127, 0), (0, 127), (-127, 0), (0, -127)] {
            let now = ada.view.as_ref().unwrap().own().tick;
            let at = now + 40;
            let seq = ada.walk_at(at, x, y).await;
            let seen = record(&mut ada, 45).await;
            for (tick, (ack, _)) in &seen {
                assert_eq!(*ack >= seq, *tick >= at, "{format:?} at {at}: {tick}");
            }
            let place = |tick| seen.get(&tick).map(|(_, position)| *position);
            moved += usize::from(place(at - 1) != place(at + 3));
            let still = ada.walk(0, 0).await;
            ada.until("it stands", |view| view.own().ack == still).await;
        }
        assert!(moved > 0, "stuck");
        // Too early: after a second, and not before.
        let now = ada.view.as_ref().unwrap().own().tick;
        let seq = ada.walk_at(now + 100_000, 0, 0).await;
        let seen = record(&mut ada, 75).await;
        let (first, _) = seen.iter().find(|(_, (ack, _))| *ack == seq).unwrap();
        assert!((now + 58..now + 75).contains(first), "{now}: {first}");
        // Too late: at once. None before those with lower numbers.
        let later = ada.view.as_ref().unwrap().own().tick + 30;
        let waits = ada.walk_at(later, 0, 0).await;
        let follows = ada.walk_at(1, 0, 0).await;
        let seen = record(&mut ada, 40).await;
        assert!(seen.values().all(|(ack, _)| *ack != waits));
        // Of ticks that were caught up only the last was shown.
        for (tick, (ack, _)) in &seen {
            assert_eq!(*ack == follows, *tick >= later, "{later}: {tick}");
        }
        ada.say(&ClientMessage::Leave).await;
        assert_eq!(ada.end().await, End::normal());
    }
    server.close().await.unwrap();
}

#[tokio::test]
async fn inputs_do_not_pile_up() {
    let server = serve(|config| config.server.max_messages_per_second = 10_000).await;
    let mut ada = Client::join(server.players, "ada").await;
    let far = ada.welcome.tick + 1_000_000;
    for _ in 0..65 {
        ada.walk_at(far, 0, 0).await;
    }
    assert_eq!(ada.end().await, End::kicked(KickReason::TooManyMessages));
    assert_eq!(metric(&server, "world_inputs_overflowed_total").await, 1);
    server.close().await.unwrap();
}

#[tokio::test]
async fn questions_are_answered() {
    let server = serve(|_| {}).await;
    let mut ada = Client::join(server.players, "ada").await;
    let _bob = Client::join(server.players, "bob").await;
    players(&server, 2, 0).await;
    ada.say(&ClientMessage::Ping(Ping { nonce: 7 })).await;
    let ServerMessage::Pong(pong) = ada.message().await else {
        panic!()
    };
    let Pong {
        nonce,
        players,
        load: _,
        dilation,
    } = pong;
    assert_eq!((nonce, players, dilation), (7, 2, 100));
    let what = Question::Statistics;
    ada.say(&ClientMessage::Ask(Ask { what })).await;
    let statistics = ada.event("statistics", |event| match event {
        EventMessage::Statistics(statistics) => Some(*statistics),
        _ => None,
    });
    assert!(statistics.await.ticks_played > 0);
    server.close().await.unwrap();
}

/// Every action is answered, in the order of their numbers.
#[tokio::test]
async fn every_action_is_answered() {
    let server = serve(|_| {}).await;
    for format in [Format::Binary, Format::Json] {
        let mut ada = Client::enter_as(server.players, hello("ada"), format)
            .await
            .unwrap();
        let mut sent = Vec::new();
        for action in [Action::Stop, Action::Respawn, Action::TradeCancel] {
            sent.push(ada.act(action).await);
        }
        let last = *sent.last().unwrap();
        ada.event("the last is answered", |event| match event {
            EventMessage::Done { seq, .. } if *seq == last => Some(()),
            _ => None,
        })
        .await;
        let answered: Vec<_> = ada
            .events
            .iter()
            .filter_map(|event| match event {
                EventMessage::Done { seq, .. } => Some(*seq),
                _ => None,
            })
            .collect();
        assert_eq!(answered, sent, "{format:?}");
        assert_ne!(ada.done(Action::Respawn).await, Outcome::Ok);
        ada.say(&ClientMessage::Leave).await;
        ada.end().await;
    }
    server.close().await.unwrap();
}

/// A recipe that needs nothing but what bare hands gather, and where that grows.
fn first_work() -> (&'static RecipeDef, &'static ResourceDef) {
    let content = Content::of(Genre::Fantasy);
    let by_hand = |resource: &&ResourceDef| resource.tool.is_none() && resource.min_level <= 1;
    let mut found = content.recipes().iter().filter_map(|recipe| {
        let [input] = &*recipe.inputs else {
            return None;
        };
        let easy = recipe.station.is_none() && recipe.min_level <= 1;
        let mut resources = content.resources().iter().filter(by_hand);
        let resource = resources.find(|resource| resource.item == input.item)?;
        easy.then_some((recipe, resource))
    });
    found.next().unwrap()
}

fn count(view: &View, item: ItemId) -> u32 {
    let slots = view.state().slots.iter().flatten();
    let stacks = slots.filter(|stack| stack.item == item);
    stacks.map(|stack| u32::from(stack.count.get())).sum()
}

fn slot(view: &View, item: ItemId) -> u8 {
    let mut slots = (0..).zip(&view.state().slots);
    let found = slots.find(|(_, stack)| stack.is_some_and(|stack| stack.item == item));
    found.unwrap().0
}

/// Two players by two formats: one gathers and makes something, speaks, and trades it to the other.
#[tokio::test]
async fn gather_craft_speak_and_trade() {
    let server = serve(|config| {
        config.server.json_rate_hz = 60;
        // The two must not lose sight of each other.
        config.server.view_radius_metres = 1000;
        config.server.json_view_radius_metres = 1000;
        config.server.max_visible = 256;
    })
    .await;
    let mut ada = Client::join(server.players, "ada").await;
    let mut bob = Client::enter_as(server.players, hello("bob"), Format::Json)
        .await
        .unwrap();

    let (recipe, resource) = first_work();
    let input = &recipe.inputs[0];
    let raw = ItemId::new(input.item.0).unwrap();
    let wanted = u32::from(input.count);
    while count(ada.view.as_ref().unwrap(), raw) < wanted {
        let what = "something to gather";
        let source = ada.nearest(what, |known| {
            known.kind
                == EntityKind::Resource {
                    resource: resource.id.0,
                }
                && known.look.fifteenths() > 0
        });
        let source = source.await;
        ada.walk_to(source, 2500).await;
        assert_eq!(
            ada.done(Action::Gather { target: source }).await,
            Outcome::Ok
        );
        let depleted = |view: &View| {
            view.entity(source)
                .is_none_or(|known| known.look.fifteenths() == 0)
        };
        ada.until("enough is gathered", |view| {
            count(view, raw) >= wanted || depleted(view)
        })
        .await;
    }
    let gained = ada.event("ada is told", |event| match event {
        EventMessage::Gained {
            item,
            how: Gain::Gather,
            ..
        } => Some(*item),
        _ => None,
    });
    assert_eq!(gained.await, raw);

    ada.act(Action::Stop).await;
    let made = ItemId::new(recipe.output.item.0).unwrap();
    let craft = Action::Craft {
        recipe: RecipeId(recipe.id.0),
    };
    assert_eq!(ada.done(craft.clone()).await, Outcome::Ok);
    ada.until("ada is at work", |view| view.state().activity.is_some())
        .await;
    ada.until("it is made", |view| count(view, made) > 0).await;

    // Bob comes over, and they speak.
    let ada_is = ada.welcome.entity;
    let bob_is = bob.welcome.entity;
    bob.until("bob sees ada", |view| view.entity(ada_is).is_some())
        .await;
    bob.walk_to(ada_is, 3000).await;
    let text = ChatText::new("A club for you, bob?").unwrap();
    assert_eq!(
        ada.done(Action::Say { text: text.clone() }).await,
        Outcome::Ok
    );
    for client in [&mut ada, &mut bob] {
        let said = client.event("it is heard", |event| match event {
            EventMessage::Said {
                speaker,
                name,
                text,
            } => Some((*speaker, name.as_str().to_owned(), text.clone())),
            _ => None,
        });
        assert_eq!(said.await, (ada_is, "ada".to_owned(), text.clone()));
    }

    // And trade.
    assert_eq!(
        bob.done(Action::TradeAsk { target: ada_is }).await,
        Outcome::Ok
    );
    let stage = |view: &View| view.state().trade.as_ref().map(|trade| trade.stage);
    ada.until("ada is asked", |view| {
        stage(view) == Some(TradeStage::AskedByPartner)
    })
    .await;
    assert_eq!(
        ada.done(Action::TradeAsk { target: bob_is }).await,
        Outcome::Ok
    );
    let from = slot(ada.view.as_ref().unwrap(), made);
    let offer = vec![Offer {
        slot: from,
        count: 1,
    }];
    assert_eq!(ada.done(Action::TradeOffer { offer }).await, Outcome::Ok);
    let mut revision = 0;
    bob.until("bob sees the offer", |view| {
        let Some(trade) = &view.state().trade else {
            return false;
        };
        revision = trade.revision;
        trade.stage == TradeStage::Open && trade.theirs.iter().any(|stack| stack.item == made)
    })
    .await;
    let stale = Action::TradeAccept {
        revision: revision - 1,
    };
    assert_eq!(bob.done(stale).await, Outcome::TradeChanged);
    for client in [&mut bob, &mut ada] {
        let accept = Action::TradeAccept { revision };
        assert_eq!(client.done(accept).await, Outcome::Ok);
    }
    bob.until("bob has it", |view| count(view, made) == 1).await;
    ada.until("ada has not", |view| count(view, made) == 0)
        .await;
    for client in [&mut ada, &mut bob] {
        let traded = client.event("the trade is told", |event| match event {
            EventMessage::Traded { with } => Some(*with),
            _ => None,
        });
        assert!([ada_is, bob_is].contains(&traded.await));
    }
    server.close().await.unwrap();
}

/// Many who talk without end are heard as often as the world lets them, and nobody is cut off for it.
#[tokio::test]
async fn a_flood_of_chat() {
    let server = serve(|config| config.server.max_messages_per_second = 10_000).await;
    let mut ada = Client::join(server.players, "ada").await;
    let mut talkers = Vec::new();
    for n in 0..10 {
        talkers.push(Client::join(server.players, &format!("talker {n}")).await);
    }
    for round in 0..30 {
        for talker in &mut talkers {
            let text = ChatText::new("blah ".repeat(39) + "blah").unwrap();
            talker.act(Action::Say { text }).await;
        }
        if round % 10 == 0 {
            ada.hear().await;
        }
    }
    for talker in &mut talkers {
        let answered = |event: &EventMessage| match event {
            EventMessage::Done { seq: 30, outcome } => Some(*outcome),
            _ => None,
        };
        let outcome = talker.event("all are answered", answered).await;
        assert_eq!(outcome, Outcome::NotNow, "the world sets the pace");
    }
    ada.event("ada hears some", |event| match event {
        EventMessage::Said { .. } => Some(()),
        _ => None,
    })
    .await;
    ada.wander().await;
    players(&server, 11, 0).await;
    server.close().await.unwrap();
}

/// Whoever comes back is told all of itself again.
#[tokio::test]
async fn a_resumed_client_has_all_of_its_state() {
    let server = serve(|_| {}).await;
    let mut ada = Client::join(server.players, "ada").await;
    let told = |view: &View| view.state().vitals.health > 0;
    ada.until("ada knows itself", told).await;
    let token = ada.welcome.resume_token.clone();
    drop(ada);
    players(&server, 1, 1).await;
    let mut back = Client::enter(server.players, returning("ada", &token))
        .await
        .unwrap();
    assert!(!told(back.view.as_ref().unwrap()));
    back.until("ada knows itself again", told).await;
    server.close().await.unwrap();
}

/// Whatever comes in over other connections, a client's updates go on.
#[tokio::test]
async fn hostile_frames_do_not_touch_the_tick() {
    use futures::SinkExt;
    use tokio_tungstenite::tungstenite::protocol::Message;

    let server = serve(|config| config.server.resume_grace_seconds = 0).await;
    let mut ada = Client::join(server.players, "ada").await;
    let address = server.players;
    let hostile = tokio::spawn(async move {
        let mut sent = 0;
        while sent < 300 {
            let mut client = Client::join(address, "rubbish").await;
            for length in [1, 7, 100, 2000, 70_000] {
                let byte = u8::try_from(sent % 256).unwrap();
                let message = Message::Binary(vec![byte; length].into());
                if client.socket.send(message).await.is_err() {
                    break;
                }
                sent += 1;
            }
        }
    });
    let mut ticks = Vec::new();
    let hears = async {
        while !hostile.is_finished() {
            match ada.hear().await {
                Heard::Update(_) => ticks.push(ada.view.as_ref().unwrap().own().tick),
                Heard::Message(_) => {}
                Heard::End(end) => panic!("{end:?}"),
            }
        }
    };
    soon("the rubbish is sent", hears).await;
    hostile.await.unwrap();
    let passed = ticks.last().unwrap() - ticks.first().unwrap();
    let heard = u64::try_from(ticks.len()).unwrap();
    // The machine may be busy with other tests, and ticks be caught up.
    assert!(heard * 2 > passed, "{heard} of {passed} ticks");
    server.close().await.unwrap();
}
