//! What the five built-in files must hold.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::*;

fn json(genre: Genre) -> Value {
    serde_json::from_str(Content::of(genre).to_json()).unwrap()
}

#[test]
fn built_in_files_are_content() {
    for genre in Genre::ALL {
        let (file, text) = source(genre);
        match Content::parse(file, text.as_bytes()) {
            Ok(content) => assert_eq!(content.genre().id, genre.as_str()),
            Err(mistakes) => panic!("\n{mistakes}"),
        }
    }
}

#[test]
fn each_genre_is_full() {
    for genre in Genre::ALL {
        let content = Content::of(genre);
        let counts = [
            ("creatures", content.creatures().len(), 10),
            ("items", content.items().len(), 24),
            ("recipes", content.recipes().len(), 12),
            ("resources", content.resources().len(), 6),
            ("stations", content.stations().len(), 4),
            ("biomes", content.biomes().len(), 5),
        ];
        for (sort, count, least) in counts {
            assert!(count >= least, "{genre:?}: {count} {sort}");
        }
    }
}

#[test]
fn each_genre_has_a_mechanic_of_its_own() {
    let kinds = Genre::ALL.map(|genre| json(genre)["mechanic"]["kind"].to_string());
    assert_eq!(BTreeSet::from(kinds).len(), 5);
}

/// What says how a thing is called and drawn, how often it is met and what it teaches, but not what it is.
const APART: [&str; 17] = [
    "id",
    "key",
    "name",
    "text",
    "glyph",
    "color",
    "biomes",
    "weight",
    "near_hub",
    "hub_distance_m",
    "respawn_seconds",
    "experience",
    "min_level",
    "work_ms",
    "stack",
    "drops",
    "station",
];

/// What a thing is, with the substance of items in the place of their numbers.
fn substance(value: &Value, items: &[Value]) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .filter(|(key, _)| !APART.contains(&key.as_str()));
            let fields = fields.map(|(key, value)| {
                let item = matches!(key.as_str(), "item" | "ammo" | "pays");
                let number = value.as_u64().filter(|_| item);
                let found = number.map(|number| {
                    let found = items.iter().find(|item| item["id"] == number);
                    substance(found.expect("an item"), items)
                });
                (
                    key.clone(),
                    found.unwrap_or_else(|| substance(value, items)),
                )
            });
            Value::Object(fields.collect())
        }
        Value::Array(values) => {
            let mut values: Vec<_> = values.iter().map(|value| substance(value, items)).collect();
            values.sort_by_key(Value::to_string);
            values.into()
        }
        other => other.clone(),
    }
}

/// Two are alike if nothing but numbers differs, and none of these by more than a quarter.
fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|its| alike(value, its)))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_i64().unwrap(), other.as_i64().unwrap());
            4 * one.abs_diff(other) <= one.unsigned_abs().max(other.unsigned_abs())
        }
        (one, other) => one == other,
    }
}

#[test]
fn a_name_makes_no_thing_of_its_own() {
    let sword = serde_json::json!({"key": "sword", "kind": "Weapon", "damage": 20, "ammo": null});
    let alike_to_sword = |other: Value| alike(&substance(&sword, &[]), &substance(&other, &[]));
    for (other, expect) in [
        (
            serde_json::json!({"key": "katana", "kind": "Weapon", "damage": 20, "ammo": null}),
            true,
        ),
        (
            serde_json::json!({"key": "katana", "kind": "Weapon", "damage": 16, "ammo": null}),
            true,
        ),
        (
            serde_json::json!({"key": "katana", "kind": "Weapon", "damage": 14, "ammo": null}),
            false,
        ),
        (
            serde_json::json!({"key": "katana", "kind": "Tool", "damage": 20, "ammo": null}),
            false,
        ),
        (
            serde_json::json!({"key": "katana", "kind": "Weapon", "damage": 20}),
            false,
        ),
    ] {
        assert_eq!(alike_to_sword(other.clone()), expect, "{other}");
    }
}

/// Each thing of a sort: its key and its substance.
fn things(genre: Genre, sort: &str) -> Vec<(String, Value)> {
    let json = json(genre);
    let items = json["items"].as_array().unwrap();
    let things = json[sort].as_array().unwrap().iter();
    // What has no effect but its name is no thing of one's own.
    let things = things.filter(|thing| thing["kind"] != "Material");
    let entry = |thing: &Value| {
        let key = thing["key"].as_str().unwrap().to_owned();
        (key, substance(thing, items))
    };
    things.map(entry).collect()
}

#[test]
fn genres_differ_in_substance() {
    for (sort, least) in [("creatures", 6), ("items", 8), ("recipes", 5)] {
        for genre in Genre::ALL {
            let others = Genre::ALL.into_iter().filter(|other| *other != genre);
            let others: Vec<_> = others.flat_map(|other| things(other, sort)).collect();
            let mut own = things(genre, sort);
            own.retain(|(key, thing)| {
                others
                    .iter()
                    .all(|(its_key, its)| its_key != key && !alike(its, thing))
            });
            let own: Vec<_> = own.into_iter().map(|(key, _)| key).collect();
            assert!(own.len() >= least, "{genre:?}: only {own:?} are its own");
        }
    }
}

#[test]
fn names_are_not_shared_within_a_genre() {
    for genre in Genre::ALL {
        let content = Content::of(genre);
        for names in [
            content
                .items()
                .iter()
                .map(|item| &item.label.name)
                .collect::<Vec<_>>(),
            content
                .creatures()
                .iter()
                .map(|creature| &creature.label.name)
                .collect(),
            content
                .resources()
                .iter()
                .map(|resource| &resource.label.name)
                .collect(),
            content
                .stations()
                .iter()
                .map(|station| &station.label.name)
                .collect(),
        ] {
            let distinct: BTreeSet<_> = names.iter().collect();
            assert_eq!(distinct.len(), names.len(), "{genre:?}");
        }
    }
}

/// Milliseconds of work by bare hands at a hub until a thing is made, if that can be done there: each
/// gathering gives the least.
fn work_ms(content: &Content, recipe: &RecipeDef) -> Option<u32> {
    if recipe.station.is_some() || recipe.min_level > 1 {
        return None;
    }
    let gathered = recipe.inputs.iter().map(|input| {
        let by_hand = content.resources().iter().filter(|resource| {
            resource.item == input.item
                && resource.tool.is_none()
                && resource.min_level == 1
                && resource.near_hub > 0
        });
        let work = by_hand.map(|resource| {
            let times = u32::from(input.count.div_ceil(resource.amount.least));
            times * resource.work_ms
        });
        work.min()
    });
    let gathered = gathered.sum::<Option<u32>>()?;
    Some(gathered + recipe.work_ms)
}

#[test]
fn a_new_player_has_a_tool_and_a_weapon_within_a_minute() {
    for genre in Genre::ALL {
        let content = Content::of(genre);
        let first = |wanted: fn(&ItemKind) -> bool| {
            let recipes = content.recipes().iter();
            let recipes = recipes.filter(|recipe| {
                content
                    .item(recipe.output.item)
                    .is_some_and(|item| wanted(&item.kind))
            });
            let work = recipes.filter_map(|recipe| work_ms(content, recipe)).min();
            work.unwrap_or(u32::MAX)
        };
        let tool = first(|kind| matches!(kind, ItemKind::Tool(_)));
        let weapon = first(|kind| matches!(kind, ItemKind::Weapon(_)));
        assert!(
            tool <= 20_000 && weapon <= 20_000,
            "{genre:?}: {tool} {weapon}"
        );
        let food = content.resources().iter().any(|resource| {
            resource.tool.is_none()
                && resource.near_hub > 0
                && matches!(content.item(resource.item).map(|item| &item.kind), Some(ItemKind::Food(food)) if food.hunger > 0)
        });
        assert!(food, "{genre:?}: nothing to eat by a hub");
    }
}

#[test]
fn what_is_dangerous_keeps_away_from_hubs() {
    for genre in Genre::ALL {
        for creature in Content::of(genre).creatures() {
            let key = &creature.label.key;
            let starts = match creature.behaviour {
                Behaviour::Hunt | Behaviour::Pack | Behaviour::Ambush | Behaviour::Guard => true,
                Behaviour::Graze | Behaviour::Wander | Behaviour::Flee => false,
            };
            if starts {
                assert!(
                    creature.near_hub == 0 && creature.hub_distance_m >= 40,
                    "{genre:?} {key}"
                );
                assert!(creature.damage > 0, "{genre:?} {key}");
            }
            if creature.behaviour == Behaviour::Flee {
                assert_eq!(creature.damage, 0, "{genre:?} {key}");
            }
        }
    }
}

#[test]
fn every_tool_and_device_has_its_use() {
    for genre in Genre::ALL {
        let content = Content::of(genre);
        for item in content.items() {
            let key = &item.label.key;
            let used = match &item.kind {
                ItemKind::Material => {
                    let inputs = content.recipes().iter().flat_map(|recipe| &recipe.inputs);
                    let ammo = content.items().iter().any(|weapon| {
                        matches!(&weapon.kind, ItemKind::Weapon(weapon) if weapon.ammo == Some(item.id))
                    });
                    ammo || inputs.map(|input| input.item).any(|input| input == item.id)
                }
                ItemKind::Tool(tool) => content.resources().iter().any(|resource| {
                    resource
                        .tool
                        .is_some_and(|need| need.class == tool.class && need.power <= tool.power)
                }),
                _ => true,
            };
            assert!(used, "{genre:?}: nothing needs {key}");
        }
        for station in content.stations() {
            let works = content
                .recipes()
                .iter()
                .any(|recipe| recipe.station == Some(station.id));
            assert_eq!(
                works,
                station.kind == StationKind::Craft,
                "{genre:?} {:?}",
                station.label.key
            );
        }
    }
}
