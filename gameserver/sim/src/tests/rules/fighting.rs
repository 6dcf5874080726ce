//! Blows, the history that decides them, death, and what comes after.

use super::stage::Stage;
use crate::content::{Behaviour, Device, ItemKind};
use crate::event::{DeathCause, Event, Outcome};
use crate::input::Action;
use crate::params::Genre;
use crate::units::{EntityId, Position};
use crate::vitals::{FINE, FULL};

fn east(place: Position, by: i32) -> Position {
    Position {
        x: place.x + by,
        ..place
    }
}

#[test]
fn a_blow_is_decided_by_what_its_player_saw() {
    let (mut stage, players) = Stage::new(Genre::SciFi, 2);
    let (me, other) = (players[0], players[1]);
    let (here, beyond) = (stage.at(me), east(stage.at(me), 5000));
    stage.place(other, east(here, 1000));
    stage.idle(30);
    let seen = stage.world.current_tick();
    // Then it was gone, in one leap that was none: as if it had run.
    stage.place(other, beyond);
    stage.idle(10);
    let attack = Action::Attack { target: other };
    let now = stage.world.current_tick();
    assert_eq!(stage.act_at(me, now, attack.clone()), Outcome::TooFar);
    assert_eq!(stage.act_at(me, seen, attack.clone()), Outcome::Ok);
    assert!(stage.events.iter().any(|event| matches!(event,
        Event::Struck { attacker, target, place, .. }
            if *attacker == me && *target == other && *place == beyond)));
    stage.idle(20);
    // More than a second ago, and in time to come: now is what counts.
    for view in [seen, 0, stage.world.current_tick() + 100, u64::MAX] {
        assert_eq!(
            stage.act_at(me, view, attack.clone()),
            Outcome::TooFar,
            "{view}"
        );
    }
    // Who came to life after that was not there to be struck.
    stage.place(other, east(here, 1000));
    stage.idle(5);
    let seen = stage.world.current_tick();
    stage.place(other, beyond);
    let tick = stage.world.globals.tick;
    stage.player(other).placed = tick + 1;
    stage.idle(1);
    assert_eq!(stage.act_at(me, seen, attack), Outcome::TooFar);
}

#[test]
fn blows_need_time_reach_and_a_target() {
    let (mut stage, players) = Stage::new(Genre::PostApoc, 1);
    let me = players[0];
    let place = east(stage.at(me), 1500);
    let (beast, _) = stage.creature(Behaviour::Graze, place);
    let attack = Action::Attack { target: beast };
    assert_eq!(stage.act(me, attack.clone()), Outcome::Ok);
    assert_eq!(stage.act(me, attack.clone()), Outcome::NotNow);
    stage.idle(20);
    stage.beast_mut(beast).position = east(place, 3000);
    // Where it is now, whatever it was before.
    assert_eq!(stage.act_at(me, u64::MAX, attack), Outcome::TooFar);
    let target = EntityId(u64::MAX);
    assert_eq!(
        stage.act(me, Action::Attack { target }),
        Outcome::NoSuchTarget
    );
    assert_eq!(
        stage.act(me, Action::Attack { target: me }),
        Outcome::NotAllowed
    );
}

#[test]
fn the_slain_leave_things_teach_and_come_again() {
    for genre in Genre::ALL {
        let (mut stage, players) = Stage::new(genre, 1);
        let me = players[0];
        let place = east(stage.at(me), 1000);
        let (beast, kind) = stage.creature(Behaviour::Graze, place);
        let mut bags = 0;
        for _ in 0..20 {
            let tick = stage.world.globals.tick;
            let beast_row = stage.beast_mut(beast);
            beast_row.mood = crate::creature::Mood::Calm;
            beast_row.health = 1;
            beast_row.position = place;
            beast_row.until = tick + 100;
            stage.player(me).attack_at = 0;
            let before = stage.world.tables.bags.len();
            assert_eq!(stage.act(me, Action::Attack { target: beast }), Outcome::Ok);
            assert!(
                stage
                    .events
                    .iter()
                    .any(|e| matches!(e, Event::Struck { killed: true, .. }))
            );
            assert_eq!(
                stage.act(me, Action::Attack { target: beast }),
                Outcome::NotNow
            );
            bags += stage.world.tables.bags.len() - before;
        }
        let likely = kind.drops.iter().any(|drop| drop.per_mille >= 300);
        assert!(bags > 0 || !likely, "{genre:?} {}", kind.label.key);
        let view = stage.world.player(me).unwrap();
        assert_eq!(view.statistics().kills, 20);
        assert!(view.experience > 0 && view.skills[2].1 > 0);
        assert!(!stage.beast(beast).is_alive());
        let again = stage.world.seconds(kind.respawn_seconds);
        stage.idle(again + 2);
        assert!(stage.beast(beast).is_alive());
        assert_eq!(stage.beast(beast).health, kind.health);
    }
}

#[test]
fn arrows_and_mana_are_spent() {
    for genre in Genre::ALL {
        let (mut stage, players) = Stage::new(genre, 1);
        let me = players[0];
        let place = east(stage.at(me), 1000);
        let (beast, _) = stage.creature(Behaviour::Graze, place);
        let attack = Action::Attack { target: beast };
        let shoots = stage
            .world
            .content
            .items()
            .iter()
            .find_map(|item| match &item.kind {
                ItemKind::Weapon(weapon) => Some((item.id, weapon.ammo?)),
                _ => None,
            });
        if let Some((bow, arrow)) = shoots {
            stage.give(me, bow, 1);
            let slot = stage.slot(me, bow);
            assert_eq!(stage.act(me, Action::Equip { slot }), Outcome::Ok);
            assert_eq!(stage.act(me, attack.clone()), Outcome::MissingItems);
            stage.give(me, arrow, 3);
            assert_eq!(stage.act(me, attack.clone()), Outcome::Ok);
            assert_eq!(stage.count(me, arrow), 2);
        }
        let bolt = stage
            .world
            .content
            .items()
            .iter()
            .find_map(|item| match item.kind {
                ItemKind::Device(Device::Bolt { cost, .. }) if cost > 0 => Some((item.id, cost)),
                _ => None,
            });
        if let Some((staff, cost)) = bolt {
            stage.idle(60);
            stage.give(me, staff, 1);
            let slot = stage.slot(me, staff);
            assert_eq!(stage.act(me, Action::Equip { slot }), Outcome::Ok);
            let good = stage.world.content.mechanic().rules.full_is_good();
            stage.player(me).vitals.meter = if good { 0 } else { FULL };
            let bad = u32::from(cost) * FINE;
            assert_eq!(stage.act(me, attack.clone()), Outcome::Exhausted);
            stage.player(me).vitals.meter = FULL / 2;
            stage.beast_mut(beast).health = 500;
            stage.beast_mut(beast).position = east(stage.at(me), 1000);
            stage.player(me).attack_at = 0;
            assert_eq!(stage.act(me, attack), Outcome::Ok);
            let meter = stage.player(me).vitals.meter;
            assert!(meter.abs_diff(FULL / 2) + FINE * 3 >= bad, "{genre:?}");
        }
    }
}

#[test]
fn players_leave_each_other_in_peace_at_hubs_and_just_after_birth() {
    let (mut stage, players) = Stage::new(Genre::Cyberpunk, 2);
    let (me, other) = (players[0], players[1]);
    let attack = Action::Attack { target: other };
    let tick = stage.world.globals.tick;
    stage.player(other).safe_until = tick + 50;
    assert_eq!(stage.act(me, attack.clone()), Outcome::NotAllowed);
    stage.player(other).safe_until = 0;
    let field = stage.at(me);
    let hub = stage.world.terrain.hubs()[0];
    stage.place(me, hub);
    stage.place(other, east(hub, 1000));
    stage.idle(1);
    assert_eq!(stage.act(me, attack.clone()), Outcome::NotAllowed);
    stage.place(me, field);
    stage.place(other, east(field, 1000));
    stage.idle(1);
    assert_eq!(stage.act(me, attack), Outcome::Ok);
}

#[test]
fn who_dies_loses_the_pack_and_comes_back() {
    let (mut stage, players) = Stage::new(Genre::Fantasy, 2);
    let (me, other) = (players[0], players[1]);
    let item = stage.plain();
    stage.give(other, item, 5);
    let weapon = stage
        .item(|item| matches!(item.kind, ItemKind::Weapon(_)))
        .id;
    stage.character(other).equipment[0] = Some(weapon);
    let before = stage.world.census();
    stage.player(other).vitals.health = 1;
    assert_eq!(stage.act(me, Action::Attack { target: other }), Outcome::Ok);
    assert!(stage.events.contains(&Event::Died {
        player: other,
        by: Some(me),
        cause: DeathCause::Player
    }));
    assert_eq!(stage.world.census(), before, "it lies where its owner fell");
    assert_eq!(stage.count(other, item), 0);
    assert_eq!(
        stage.world.player(other).unwrap().equipment()[0],
        Some(weapon)
    );
    assert_eq!(stage.world.player(me).unwrap().statistics().kills, 1);
    let bag = stage.world.tables.bags.iter().last().unwrap().id;

    assert_eq!(
        stage.act(other, Action::Take { target: bag }),
        Outcome::Dead
    );
    assert_eq!(
        stage.act(other, Action::Say { text: "woe".into() }),
        Outcome::Ok
    );
    let place = stage.at(other);
    stage.go(other, 127, 0);
    stage.idle(5);
    assert_eq!(stage.at(other), place);
    assert_eq!(stage.act(me, Action::Respawn), Outcome::NotDead);
    assert_eq!(stage.act(other, Action::Respawn), Outcome::Ok);
    let view = stage.world.player(other).unwrap();
    assert!(view.health == view.max_health && view.health > 0);
    assert!(stage.world.terrain.is_hub(view.position));
    assert_eq!(view.statistics().deaths, 1);
    assert_eq!(stage.act(me, Action::Take { target: bag }), Outcome::Ok);
    assert_eq!(stage.count(me, item), 5);
}

#[test]
fn armour_takes_its_share() {
    let (mut stage, players) = Stage::new(Genre::Fantasy, 2);
    let other = players[1];
    let hurt = |stage: &mut Stage| {
        let rank = stage.world.tables.players.rank(other).unwrap();
        stage.player(other).vitals.health = 100 * FINE;
        stage
            .world
            .strike_player(rank, 40, EntityId(1), DeathCause::Creature);
        100 * FINE - stage.player(other).vitals.health
    };
    let bare = hurt(&mut stage);
    let armour = stage.item(|item| matches!(item.kind, ItemKind::Armour(_)));
    let ItemKind::Armour(worn) = &armour.kind else {
        panic!()
    };
    *stage.character(other).worn_mut(worn.place) = Some(armour.id);
    let clad = hurt(&mut stage);
    assert_eq!(bare, 40 * FINE);
    assert_eq!(clad, 40 * (100 - u32::from(worn.protection)) / 100 * FINE);
}
