//! Eating, wearing, dropping, taking, speaking, stations, and needs.

use super::stage::Stage;
use crate::content::{ItemKind, Place, StationKind};
use crate::event::{DeathCause, Event, Outcome};
use crate::input::Action;
use crate::params::Genre;
use crate::vitals::FULL;
use crate::world::{PLAYER_SPEED, STARVING_SPEED};

#[test]
fn food_feeds_and_is_gone() {
    for genre in Genre::ALL {
        let (mut stage, players) = Stage::new(genre, 1);
        let me = players[0];
        let food = stage.item(|item| matches!(&item.kind, ItemKind::Food(food) if food.hunger > 0));
        stage.give(me, food.id, 2);
        stage.player(me).vitals.hunger = FULL / 4;
        let slot = stage.slot(me, food.id);
        assert_eq!(stage.act(me, Action::Use { slot }), Outcome::Ok);
        assert!(stage.player(me).vitals.hunger > FULL / 4);
        assert_eq!(stage.count(me, food.id), 1);
        assert_eq!(stage.act(me, Action::Use { slot }), Outcome::NotNow);
        stage.idle(20);
        assert_eq!(stage.act(me, Action::Use { slot }), Outcome::Ok);
        assert_eq!(stage.count(me, food.id), 0);
        stage.idle(20);
        assert_eq!(stage.act(me, Action::Use { slot }), Outcome::EmptySlot);
        let plain = stage.plain();
        stage.give(me, plain, 1);
        let slot = stage.slot(me, plain);
        assert_eq!(stage.act(me, Action::Use { slot }), Outcome::NotUsable);
        assert_eq!(stage.act(me, Action::Equip { slot }), Outcome::NotUsable);
    }
}

#[test]
fn what_was_worn_goes_back_into_the_pack() {
    let (mut stage, players) = Stage::new(Genre::Fantasy, 1);
    let me = players[0];
    let items = stage.world.content.items().iter();
    let held: Vec<_> = items
        .filter(|item| item.place() == Some(Place::Hand))
        .collect();
    let (one, two) = (held[0].id, held[1].id);
    stage.give(me, one, 1);
    stage.give(me, two, 1);
    let before = stage.world.census();
    let slot = stage.slot(me, one);
    assert_eq!(stage.act(me, Action::Equip { slot }), Outcome::Ok);
    let slot = stage.slot(me, two);
    assert_eq!(stage.act(me, Action::Equip { slot }), Outcome::Ok);
    assert_eq!(stage.world.player(me).unwrap().equipment()[0], Some(two));
    assert_eq!(stage.slot(me, one), slot);
    let place = Place::Hand;
    assert_eq!(stage.act(me, Action::Unequip { place }), Outcome::Ok);
    assert_eq!(stage.act(me, Action::Unequip { place }), Outcome::EmptySlot);
    assert_eq!(stage.world.census(), before);
    stage.character(me).inventory.take_all();
    stage.character(me).equipment[0] = Some(one);
    stage.fill(me);
    assert_eq!(stage.act(me, Action::Unequip { place }), Outcome::NoRoom);
    assert_eq!(
        stage.act(me, Action::Equip { slot: 24 }),
        Outcome::EmptySlot
    );
}

#[test]
fn bags_lie_are_taken_and_vanish() {
    let (mut stage, players) = Stage::new(Genre::Horror, 2);
    let (me, other) = (players[0], players[1]);
    let item = stage.plain();
    stage.give(me, item, 7);
    assert_eq!(
        stage.act(me, Action::Drop { slot: 0, count: 8 }),
        Outcome::MissingItems
    );
    assert_eq!(
        stage.act(me, Action::Drop { slot: 0, count: 0 }),
        Outcome::NotAllowed
    );
    assert_eq!(
        stage.act(me, Action::Drop { slot: 0, count: 3 }),
        Outcome::Ok
    );
    let bag = stage.world.tables.bags.get(0).unwrap().id;
    assert!(stage.world.fixtures_changed().contains(&bag));
    let mut seen = Vec::new();
    stage.world.fixtures_near(stage.at(me), 2000, 10, &mut seen);
    assert!(seen.iter().any(|seen| seen.id == bag));
    let take = Action::Take { target: bag };
    stage.fill(other);
    stage.character(other).inventory.take_all();
    assert_eq!(stage.act(other, take.clone()), Outcome::Ok);
    assert_eq!((stage.count(me, item), stage.count(other, item)), (4, 3));
    assert_eq!(stage.act(me, take), Outcome::NoSuchTarget);
    stage.act(me, Action::Drop { slot: 0, count: 4 });
    assert_eq!(stage.world.tables.bags.len(), 1);
    stage.idle(300 * 20);
    assert_eq!(stage.world.tables.bags.len(), 0);
}

#[test]
fn a_full_pack_takes_only_what_fits() {
    let (mut stage, players) = Stage::new(Genre::Horror, 1);
    let me = players[0];
    let item = stage.plain();
    let place = stage.at(me);
    stage.fill(me);
    let _ = stage.character(me).inventory.take(3, 2);
    let stack = crate::view::Stack { item, count: 5 };
    stage.world.lay_bag(place, vec![stack]);
    let bag = stage.world.tables.bags.get(0).unwrap().id;
    let before = stage.world.census();
    assert_eq!(stage.act(me, Action::Take { target: bag }), Outcome::Ok);
    assert_eq!(stage.world.tables.bags.get(0).unwrap().stacks[0].count, 3);
    assert_eq!(stage.act(me, Action::Take { target: bag }), Outcome::NoRoom);
    assert_eq!(stage.world.census(), before);
}

#[test]
fn speech_has_bounds() {
    let (mut stage, players) = Stage::new(Genre::Cyberpunk, 1);
    let me = players[0];
    for (text, outcome) in [
        ("", Outcome::BadText),
        ("a\nb", Outcome::BadText),
        ("\u{1b}[2J", Outcome::BadText),
        (&*"x".repeat(201), Outcome::BadText),
        (&*"ä".repeat(200), Outcome::Ok),
        (&*"€".repeat(134), Outcome::BadText),
        ("hello there", Outcome::Ok),
    ] {
        assert_eq!(
            stage.act(me, Action::Say { text: text.into() }),
            outcome,
            "{text}"
        );
        stage.idle(20);
    }
    stage.act(me, Action::Say { text: "one".into() });
    assert!(matches!(
        &stage.events[..],
        [Event::Said { .. }, Event::Done { .. }]
    ));
    assert_eq!(
        stage.act(me, Action::Say { text: "two".into() }),
        Outcome::NotNow
    );
}

#[test]
fn stations_do_what_they_are_for() {
    for genre in Genre::ALL {
        let (mut stage, players) = Stage::new(genre, 1);
        let me = players[0];
        let is_well =
            |kind: &crate::content::StationDef| matches!(kind.kind, StationKind::Water { .. });
        if stage.world.content.stations().iter().any(is_well) {
            let well = stage.station_near(me, is_well);
            stage.player(me).vitals.thirst = 0;
            assert_eq!(
                stage.act(me, Action::Interact { target: well }),
                Outcome::Ok
            );
            assert!(stage.player(me).vitals.thirst > 0);
        }
        let is_terminal = |kind: &crate::content::StationDef| {
            matches!(kind.kind, StationKind::Terminal { deck: 0, .. })
        };
        let terminal = stage
            .world
            .content
            .stations()
            .iter()
            .find(|kind| is_terminal(kind));
        if let Some(StationKind::Terminal {
            pays,
            locked_seconds,
            heat,
            ..
        }) = terminal.map(|kind| kind.kind)
        {
            let target = stage.station_near(me, is_terminal);
            stage.player(me).vitals.meter = 0;
            assert_eq!(stage.act(me, Action::Interact { target }), Outcome::Ok);
            assert!(stage.count(me, pays) > 0);
            assert!(stage.player(me).vitals.meter > 0 || heat == 0);
            assert_eq!(stage.act(me, Action::Interact { target }), Outcome::NotNow);
            let locked = stage.world.seconds(locked_seconds);
            stage.idle(locked);
            stage.player(me).vitals.meter = 0;
            assert_eq!(stage.act(me, Action::Interact { target }), Outcome::Ok);
            assert_eq!(genre, Genre::Cyberpunk);
        }
        let is_bench = |kind: &crate::content::StationDef| kind.kind == StationKind::Craft;
        let bench = stage.station_near(me, is_bench);
        assert_eq!(
            stage.act(me, Action::Interact { target: bench }),
            Outcome::NotUsable
        );
    }
}

#[test]
fn hunger_slows_and_kills() {
    let (mut stage, players) = Stage::new(Genre::Fantasy, 1);
    let me = players[0];
    assert_eq!(stage.world.player(me).unwrap().speed, PLAYER_SPEED);
    stage.player(me).vitals.hunger = 0;
    assert_eq!(stage.world.player(me).unwrap().speed, STARVING_SPEED);
    let events = stage.idle(20 * 60 * 8);
    assert!(events.contains(&Event::Died {
        player: me,
        by: None,
        cause: DeathCause::Hunger
    }));
    assert_eq!(stage.world.player(me).unwrap().speed, 0);
}

#[test]
fn dose_lowers_the_greatest_health() {
    let (mut stage, players) = Stage::new(Genre::PostApoc, 1);
    let me = players[0];
    let whole = stage.world.player(me).unwrap().max_health;
    stage.player(me).vitals.meter = FULL;
    stage.idle(20);
    let view = stage.world.player(me).unwrap();
    assert!(view.max_health < whole && view.health <= view.max_health && view.health > 0);
}

#[test]
fn the_meter_moves_with_the_world() {
    for genre in Genre::ALL {
        let (mut stage, players) = Stage::new(genre, 1);
        let me = players[0];
        let good = stage.world.content.mechanic().rules.full_is_good();
        let half = FULL / 2;
        stage.station_near(me, |kind| matches!(kind.kind, StationKind::Haven { .. }));
        stage.player(me).vitals.meter = half;
        stage.idle(40);
        let meter = stage.player(me).vitals.meter;
        assert_eq!(meter > half, good, "{genre:?}: a haven helps");
        assert_ne!(meter, half);
    }
}
