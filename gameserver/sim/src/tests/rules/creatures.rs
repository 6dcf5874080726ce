//! What creatures do.

use super::stage::Stage;
use crate::content::{Behaviour, Content, Mechanic};
use crate::creature::Mood;
use crate::event::{Event, Outcome};
use crate::input::Action;
use crate::params::Genre;
use crate::units::{EntityId, Position};
use crate::vitals::FULL;

fn east(place: Position, by: u32) -> Position {
    Position {
        x: place.x + i32::try_from(by).unwrap(),
        ..place
    }
}

fn has(genre: Genre, behaviour: Behaviour) -> bool {
    let mut kinds = Content::of(genre).creatures().iter();
    kinds.any(|kind| kind.behaviour == behaviour && kind.drawn_by_heat == 0)
}

/// A creature of a behaviour, and a player at a share of its sight, in every genre that has one.
fn meet(behaviour: Behaviour, percent: u32, check: impl Fn(Genre, &mut Stage, EntityId, EntityId)) {
    let mut met = 0;
    for genre in Genre::ALL {
        if !has(genre, behaviour) {
            continue;
        }
        let (mut stage, players) = Stage::new(genre, 1);
        let me = players[0];
        let place = stage.at(me);
        let kinds = stage.world.content.creatures().iter();
        let mut kinds = kinds.filter(|kind| kind.behaviour == behaviour && kind.drawn_by_heat == 0);
        let sight = kinds.next().unwrap().sight_mm;
        let (beast, _) = stage.creature(behaviour, east(place, sight / 100 * percent));
        check(genre, &mut stage, me, beast);
        met += 1;
    }
    assert!(met > 0, "nothing behaves like {behaviour:?}");
}

#[test]
fn hunters_chase_whom_they_see_and_strike() {
    for behaviour in [
        Behaviour::Hunt,
        Behaviour::Pack,
        Behaviour::Ambush,
        Behaviour::Guard,
    ] {
        meet(behaviour, 60, |genre, stage, me, beast| {
            let events = stage.idle(20 * 20);
            let struck = events.iter().any(|event| {
                matches!(event, Event::Struck { attacker, target, .. }
                    if *attacker == beast && *target == me)
            });
            assert!(struck, "{genre:?} {behaviour:?}");
        });
        meet(behaviour, 150, |genre, stage, _, beast| {
            stage.idle(3);
            assert_ne!(
                stage.beast(beast).mood,
                Mood::Chase,
                "{genre:?} {behaviour:?}"
            );
        });
    }
}

#[test]
fn the_shy_run() {
    meet(Behaviour::Flee, 60, |genre, stage, me, beast| {
        let before = stage.beast(beast).position.distance_squared(stage.at(me));
        stage.idle(40);
        let after = stage.beast(beast).position.distance_squared(stage.at(me));
        assert!(after > before, "{genre:?}");
    });
}

#[test]
fn grazers_do_nothing_until_they_are_struck() {
    meet(Behaviour::Graze, 50, |genre, stage, me, beast| {
        stage.idle(100);
        assert_eq!(stage.beast(beast).mood, Mood::Calm, "{genre:?}");
        let place = stage.beast(beast).position;
        stage.place(me, place);
        stage.beast_mut(beast).health = 500;
        assert_eq!(stage.act(me, Action::Attack { target: beast }), Outcome::Ok);
        assert!(
            matches!(stage.beast(beast).mood, Mood::Chase | Mood::Flee),
            "{genre:?}"
        );
        assert_eq!(stage.beast(beast).target, me);
    });
}

#[test]
fn a_pack_comes_to_its_own() {
    meet(Behaviour::Pack, 60, |genre, stage, _, beast| {
        let place = stage.beast(beast).position;
        let (other, kind) = stage.creature(Behaviour::Pack, east(place, 12_000));
        stage.beast_mut(other).until = 1_000_000;
        stage.beast_mut(beast).turn(Mood::Calm, EntityId(0), 0);
        stage.idle(3);
        assert_eq!(
            stage.beast(other).mood,
            Mood::Chase,
            "{genre:?} {}",
            kind.label.key
        );
    });
}

#[test]
fn nobody_is_chased_for_ever() {
    meet(Behaviour::Guard, 60, |genre, stage, me, beast| {
        stage.idle(5);
        assert_eq!(stage.beast(beast).mood, Mood::Chase, "{genre:?}");
        let Position { x, y } = stage.at(me);
        stage.place(
            me,
            Position {
                x: (x + 300_000) % 900_000,
                y,
            },
        );
        stage.idle(20 * 60);
        assert_eq!(stage.beast(beast).mood, Mood::Calm, "{genre:?}");
        let (home, place) = (stage.beast(beast).home, stage.beast(beast).position);
        assert!(
            home.distance_squared(place) < 30_000_u64.pow(2),
            "{genre:?}"
        );
    });
}

#[test]
fn heat_draws_them_from_afar() {
    let (mut stage, players) = Stage::new(Genre::Cyberpunk, 1);
    let me = players[0];
    let kinds = stage.world.content.creatures().iter();
    let drone = kinds.clone().find(|kind| kind.drawn_by_heat > 0).unwrap();
    let (beast, _) = stage.creature(Behaviour::Graze, stage.at(me));
    let far = east(stage.at(me), drone.sight_mm + 10_000);
    let set = |stage: &mut Stage, meter| {
        stage.player(me).vitals.meter = meter;
        let row = stage.beast_mut(beast);
        row.species = drone.id;
        row.position = far;
        row.home = far;
        row.turn(Mood::Calm, EntityId(0), 0);
        stage.idle(3);
        stage.beast(beast).mood
    };
    assert_eq!(set(&mut stage, 0), Mood::Calm);
    assert_eq!(set(&mut stage, FULL), Mood::Chase);
}

#[test]
fn those_without_reason_are_noticed_from_afar() {
    let (mut stage, players) = Stage::new(Genre::Horror, 1);
    let me = players[0];
    let Mechanic::Sanity { notice_percent, .. } = stage.world.content.mechanic().rules else {
        panic!()
    };
    assert!(notice_percent > 100);
    let here = stage.at(me);
    let (beast, kind) = stage.creature(Behaviour::Hunt, east(here, 100));
    let place = east(
        here,
        kind.sight_mm / 100 * (100 + u32::from(notice_percent)) / 2,
    );
    let set = |stage: &mut Stage, meter| {
        stage.player(me).vitals.meter = meter;
        let row = stage.beast_mut(beast);
        row.position = place;
        row.home = place;
        row.turn(Mood::Calm, EntityId(0), 0);
        stage.idle(1);
        stage.beast(beast).mood
    };
    assert_eq!(set(&mut stage, FULL), Mood::Calm);
    assert_eq!(set(&mut stage, 0), Mood::Chase);
}

#[test]
fn enough_live_in_a_world_of_the_usual_size() {
    for genre in Genre::ALL {
        let params =
            crate::params::Params::new(genre, 2000, crate::params::TickRate::new(20).unwrap());
        let world = crate::world::World::new(params.unwrap(), 5, 6).unwrap();
        assert!(world.creature_count() >= 2000, "{genre:?}");
        assert!(world.resource_count() >= 3000, "{genre:?}");
        for hub in world.terrain().hubs() {
            let mut seen = Vec::new();
            world.fixtures_near(*hub, 40_000, 1000, &mut seen);
            let bare = seen.iter().filter(|seen| match seen.kind {
                crate::area::EntityKind::Resource { resource } => {
                    let kind = &world.content().resources()[usize::from(resource)];
                    kind.tool.is_none()
                }
                _ => false,
            });
            assert!(
                bare.count() >= 8,
                "{genre:?}: something for bare hands near every hub"
            );
            let stations = seen
                .iter()
                .filter(|seen| matches!(seen.kind, crate::area::EntityKind::Station { .. }));
            assert!(stations.count() >= 2, "{genre:?}");
            world.near(*hub, 50_000, 1000, &mut seen);
            assert!(
                !seen.is_empty(),
                "{genre:?}: somebody to fight near every hub"
            );
        }
    }
}
