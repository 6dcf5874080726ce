//! Gathering and crafting.

use super::stage::Stage;
use crate::content::{ItemKind, RecipeId};
use crate::event::{Event, Gain, Outcome};
use crate::input::Action;
use crate::params::Genre;
use crate::units::EntityId;

#[test]
fn bare_hands_gather_until_nothing_is_left() {
    for genre in Genre::ALL {
        let (mut stage, players) = Stage::new(genre, 1);
        let me = players[0];
        let (target, kind) =
            stage.resource_near(me, |kind| kind.tool.is_none() && kind.min_level <= 1);
        let gather = Action::Gather { target };
        assert_eq!(stage.act(me, gather.clone()), Outcome::Ok);
        assert!(stage.world.player(me).unwrap().activity.is_some());
        let work = stage.world.milliseconds(kind.work_ms);
        let events = stage.idle(work * u64::from(kind.charges) + 20);
        let gained: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Gained {
                    item, count, how, ..
                } if *how == Gain::Gather => {
                    assert_eq!(*item, kind.item);
                    Some(u32::from(*count))
                }
                _ => None,
            })
            .collect();
        assert_eq!(gained.len(), usize::from(kind.charges));
        assert_eq!(stage.count(me, kind.item), gained.iter().sum::<u32>());
        assert_eq!(stage.act(me, gather.clone()), Outcome::Depleted);
        assert!(stage.world.player(me).unwrap().activity.is_none());
        // It grows again.
        let regrow = stage.world.seconds(kind.regrow_seconds);
        stage.idle(regrow);
        assert_eq!(stage.act(me, gather), Outcome::Ok);
    }
}

#[test]
fn gathering_has_conditions() {
    let (mut stage, players) = Stage::new(Genre::Fantasy, 1);
    let me = players[0];
    let (target, kind) = stage.resource_near(me, |kind| kind.tool.is_some() && kind.min_level <= 1);
    let gather = Action::Gather { target };
    assert_eq!(stage.act(me, gather.clone()), Outcome::WrongTool);
    let need = kind.tool.unwrap();
    let tool = stage.item(|item| {
        matches!(item.kind, ItemKind::Tool(tool) if tool.class == need.class && tool.power >= need.power)
    });
    stage.give(me, tool.id, 1);
    let slot = stage.slot(me, tool.id);
    assert_eq!(stage.act(me, Action::Equip { slot }), Outcome::Ok);
    assert_eq!(stage.act(me, gather.clone()), Outcome::Ok);

    // Walking breaks it off, and so does saying stop.
    stage.go(me, 1, 0);
    assert!(stage.world.player(me).unwrap().activity.is_none());
    stage.go(me, 0, 0);
    stage.act(me, gather.clone());
    assert_eq!(stage.act(me, Action::Stop), Outcome::Ok);
    assert!(stage.world.player(me).unwrap().activity.is_none());

    let place = stage.at(me);
    let away = crate::units::Position {
        x: place.x + 4000,
        ..place
    };
    stage.place(me, away);
    assert_eq!(stage.act(me, gather.clone()), Outcome::TooFar);
    stage.place(me, place);
    stage.fill(me);
    assert_eq!(stage.act(me, gather), Outcome::NoRoom);
    let target = EntityId(u64::MAX);
    assert_eq!(
        stage.act(me, Action::Gather { target }),
        Outcome::NoSuchTarget
    );
}

#[test]
fn skill_is_asked_for() {
    for genre in Genre::ALL {
        let (mut stage, players) = Stage::new(genre, 1);
        let me = players[0];
        let recipes = stage.world.content.recipes().iter();
        let mut recipes = recipes.filter(|recipe| recipe.min_level > 1);
        let recipe = recipes.next().unwrap();
        let outcome = stage.act(me, Action::Craft { recipe: recipe.id });
        assert_eq!(outcome, Outcome::SkillTooLow);
    }
}

#[test]
fn recipes_take_what_they_say_and_give_what_they_say() {
    for genre in Genre::ALL {
        for recipe in crate::content::Content::of(genre).recipes() {
            let (mut stage, players) = Stage::new(genre, 1);
            let me = players[0];
            let craft = Action::Craft { recipe: recipe.id };
            stage.character(me).skill_mut(recipe.skill).learn(1_000_000);
            if let Some(station) = recipe.station {
                assert_eq!(stage.act(me, craft.clone()), Outcome::NeedsStation);
                stage.station_near(me, |kind| kind.id == station);
            }
            assert_eq!(stage.act(me, craft.clone()), Outcome::MissingItems);
            for input in &recipe.inputs {
                stage.give(me, input.item, input.count + 1);
            }
            let before = stage.world.census();
            assert_eq!(stage.act(me, craft.clone()), Outcome::Ok);
            let work = stage.world.milliseconds(recipe.work_ms);
            let events = stage.idle(work);
            assert!(events.iter().any(|event| matches!(event,
                Event::Gained { how: Gain::Craft, item, count, .. }
                    if *item == recipe.output.item && *count == recipe.output.count)));
            let mut expected = before;
            for input in &recipe.inputs {
                expected[usize::from(input.item.0)] -= u64::from(input.count);
            }
            expected[usize::from(recipe.output.item.0)] += u64::from(recipe.output.count);
            assert_eq!(stage.world.census(), expected, "{}", recipe.key);
        }
    }
}

#[test]
fn what_was_dropped_meanwhile_is_not_made_into_anything() {
    let (mut stage, players) = Stage::new(Genre::Horror, 1);
    let me = players[0];
    let recipes = stage.world.content.recipes().iter();
    let mut recipes = recipes.filter(|recipe| recipe.station.is_none() && recipe.min_level <= 1);
    let recipe = recipes.next().unwrap();
    for input in &recipe.inputs {
        stage.give(me, input.item, input.count);
    }
    assert_eq!(
        stage.act(me, Action::Craft { recipe: recipe.id }),
        Outcome::Ok
    );
    assert_eq!(
        stage.act(me, Action::Drop { slot: 0, count: 1 }),
        Outcome::Ok
    );
    let before = stage.world.census();
    let work = stage.world.milliseconds(recipe.work_ms);
    stage.idle(work + 5);
    assert_eq!(stage.world.census(), before);
    assert!(stage.world.player(me).unwrap().activity.is_none());
    let recipe = RecipeId(u16::MAX);
    assert_eq!(stage.act(me, Action::Craft { recipe }), Outcome::NotUsable);
}
