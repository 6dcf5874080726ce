//! Trade between players.

use super::stage::Stage;
use crate::content::ItemId;
use crate::event::{Event, Outcome};
use crate::input::{Action, Input, Offer};
use crate::params::Genre;
use crate::player::LeaveCause;
use crate::units::{EntityId, Position};

/// Two who trade, and one who looks on; the first two have five of an item each.
fn table() -> (Stage, [EntityId; 3], [ItemId; 2]) {
    let (mut stage, players) = Stage::new(Genre::SciFi, 3);
    let players: [EntityId; 3] = players.try_into().unwrap();
    let items = stage.world.content.items();
    let things = [items[0].id, items[1].id];
    for (player, item) in players.into_iter().zip(things) {
        stage.give(player, item, 5);
    }
    (stage, players, things)
}

fn open(stage: &mut Stage, one: EntityId, two: EntityId) {
    assert_eq!(
        stage.act(one, Action::TradeAsk { target: two }),
        Outcome::Ok
    );
    let view = stage.world.player(two).unwrap().trade.unwrap();
    assert!(view.asked_by_them && !view.open && view.partner == one);
    assert_eq!(
        stage.act(two, Action::TradeAsk { target: one }),
        Outcome::Ok
    );
    assert!(stage.world.player(one).unwrap().trade.unwrap().open);
}

fn offer(stage: &mut Stage, player: EntityId, slot: u8, count: u16) -> Outcome {
    let offer = vec![Offer { slot, count }];
    stage.act(player, Action::TradeOffer { offer })
}

fn accept(stage: &mut Stage, player: EntityId) -> Outcome {
    let trade = stage.world.player(player).unwrap().trade.unwrap();
    let revision = trade.revision;
    stage.act(player, Action::TradeAccept { revision })
}

#[test]
fn both_get_what_was_offered() {
    let (mut stage, [one, two, _], [mine, theirs]) = table();
    let before = stage.world.census();
    open(&mut stage, one, two);
    assert_eq!(offer(&mut stage, one, 0, 2), Outcome::Ok);
    assert_eq!(offer(&mut stage, two, 0, 3), Outcome::Ok);
    assert_eq!(accept(&mut stage, one), Outcome::Ok);
    assert!(
        stage
            .world
            .player(two)
            .unwrap()
            .trade
            .unwrap()
            .they_accepted
    );
    assert_eq!(accept(&mut stage, two), Outcome::Ok);
    for (player, with) in [(one, two), (two, one)] {
        assert!(stage.events.contains(&Event::Traded { player, with }));
        assert!(stage.world.player(player).unwrap().trade.is_none());
        assert_eq!(stage.world.player(player).unwrap().statistics().trades, 1);
    }
    let counts = [(one, mine), (one, theirs), (two, mine), (two, theirs)];
    let counts = counts.map(|(player, item)| stage.count(player, item));
    assert_eq!(counts, [3, 3, 2, 2]);
    assert_eq!(stage.world.census(), before);
}

#[test]
fn an_offer_that_changed_has_to_be_accepted_anew() {
    let (mut stage, [one, two, _], _) = table();
    open(&mut stage, one, two);
    offer(&mut stage, one, 0, 2);
    let revision = stage.world.player(two).unwrap().trade.unwrap().revision;
    assert_eq!(accept(&mut stage, one), Outcome::Ok);
    // In the tick in which the other one accepts, the offer is lowered.
    stage.go(one, 0, 0);
    assert_eq!(offer(&mut stage, one, 0, 1), Outcome::Ok);
    assert_eq!(
        stage.act(two, Action::TradeAccept { revision }),
        Outcome::TradeChanged
    );
    let view = stage.world.player(two).unwrap().trade.unwrap();
    assert!(!view.they_accepted && !view.i_accepted);
    assert_eq!(accept(&mut stage, two), Outcome::Ok);
    assert!(
        stage.world.player(one).unwrap().trade.is_some(),
        "one has not"
    );
}

#[test]
fn what_is_gone_is_not_traded() {
    let (mut stage, [one, two, _], [mine, theirs]) = table();
    open(&mut stage, one, two);
    offer(&mut stage, one, 0, 5);
    offer(&mut stage, two, 0, 5);
    assert_eq!(accept(&mut stage, one), Outcome::Ok);
    // Dropped before the other accepts: the swap looks at the packs as they are.
    assert_eq!(
        stage.act(one, Action::Drop { slot: 0, count: 1 }),
        Outcome::Ok
    );
    let before = stage.world.census();
    assert_eq!(accept(&mut stage, two), Outcome::MissingItems);
    assert_eq!(stage.world.census(), before);
    assert_eq!((stage.count(one, mine), stage.count(two, theirs)), (4, 5));
    let view = stage.world.player(one).unwrap().trade.unwrap();
    assert!(!view.i_accepted && !view.they_accepted);
}

#[test]
fn both_accepting_in_one_tick_swaps_once() {
    let (mut stage, [one, two, _], [mine, _]) = table();
    open(&mut stage, one, two);
    offer(&mut stage, one, 0, 2);
    let revision = stage.world.player(two).unwrap().trade.unwrap().revision;
    let input = |player, seq| Input::Act {
        player,
        seq,
        view: 0,
        action: Action::TradeAccept { revision },
    };
    let inputs = [
        input(one, 1000),
        input(two, 1001),
        input(one, 1002),
        input(two, 1003),
    ];
    let events = stage.world.tick(&inputs);
    let traded = events
        .iter()
        .filter(|e| matches!(e, Event::Traded { .. }))
        .count();
    assert_eq!(traded, 2);
    assert_eq!((stage.count(one, mine), stage.count(two, mine)), (3, 2));
}

#[test]
fn there_must_be_room() {
    let (mut stage, [one, two, _], [mine, _]) = table();
    stage.character(two).inventory.take_all();
    stage.fill(two);
    open(&mut stage, one, two);
    // Another kind of thing than that with which the pack is full.
    let mut others = stage.world.content.items().iter().map(|item| item.id);
    let other = others
        .rfind(|id| *id != stage.plain() && *id != mine)
        .unwrap();
    stage.give(one, other, 1);
    let slot = stage.slot(one, other);
    offer(&mut stage, one, slot, 1);
    accept(&mut stage, one);
    assert_eq!(accept(&mut stage, two), Outcome::NoRoom);
    assert_eq!(stage.count(one, other), 1);
}

#[test]
fn offers_have_bounds() {
    let (mut stage, [one, two, third], _) = table();
    assert_eq!(offer(&mut stage, one, 0, 1), Outcome::NoTrade);
    assert_eq!(stage.act(one, Action::TradeCancel), Outcome::NoTrade);
    assert_eq!(
        stage.act(one, Action::TradeAsk { target: one }),
        Outcome::NotAllowed
    );
    let nobody = EntityId(u64::MAX);
    assert_eq!(
        stage.act(one, Action::TradeAsk { target: nobody }),
        Outcome::NoSuchTarget
    );
    open(&mut stage, one, two);
    assert_eq!(
        stage.act(third, Action::TradeAsk { target: one }),
        Outcome::Busy
    );
    assert_eq!(offer(&mut stage, one, 0, 6), Outcome::MissingItems);
    assert_eq!(offer(&mut stage, one, 0, 0), Outcome::NotAllowed);
    assert_eq!(offer(&mut stage, one, 9, 1), Outcome::EmptySlot);
    assert_eq!(offer(&mut stage, one, 200, 1), Outcome::EmptySlot);
    let twice = vec![Offer { slot: 0, count: 3 }; 2];
    let outcome = stage.act(one, Action::TradeOffer { offer: twice });
    assert_eq!(outcome, Outcome::NotAllowed, "the same five things twice");
    let many = vec![Offer { slot: 0, count: 1 }; 9];
    assert_eq!(
        stage.act(one, Action::TradeOffer { offer: many }),
        Outcome::NotAllowed
    );
}

#[test]
fn walking_off_leaving_and_being_lost_end_a_trade() {
    for end in 0..4 {
        let (mut stage, [one, two, _], _) = table();
        open(&mut stage, one, two);
        let cause = LeaveCause::Left;
        match end {
            0 => {
                let Position { x, y } = stage.at(two);
                stage.place(two, Position { x: x + 12_000, y });
                stage.idle(1);
            }
            1 => drop(stage.world.tick(&[Input::Leave { player: two, cause }])),
            2 => drop(stage.world.tick(&[Input::Lose { player: two }])),
            _ => drop(stage.act(two, Action::TradeCancel)),
        }
        assert!(stage.world.player(one).unwrap().trade.is_none(), "{end}");
        assert_eq!(stage.world.tables.trades.len(), 0);
    }
}

#[test]
fn a_question_does_not_stand_for_ever() {
    let (mut stage, [one, two, third], _) = table();
    stage.act(one, Action::TradeAsk { target: two });
    assert_eq!(
        stage.act(third, Action::TradeAsk { target: two }),
        Outcome::Busy
    );
    // Who is asked can turn to somebody else.
    assert_eq!(
        stage.act(two, Action::TradeAsk { target: third }),
        Outcome::Ok
    );
    assert!(stage.world.player(one).unwrap().trade.is_none());
    stage.idle(31 * 20);
    assert!(stage.world.player(two).unwrap().trade.is_none());
}
