//! Properties: no file makes the reader panic, the hash is of the meaning, and what is called obtainable is.
//! Each property is shown to catch variants that are wrong.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{TestCaseResult, TestRunner};

use super::super::check::Had;
use super::super::mistake::line_of;
use super::super::*;
use super::{MINI, mistakes};

/// One thing done to a file.
#[derive(Clone, Debug)]
enum Edit {
    Byte(Index, u8),
    Cut(Index, u8),
    Insert(Index, String),
    /// A line again, elsewhere.
    Copy(Index, Index),
    /// A line away.
    Drop(Index),
    /// A number becomes another.
    Number(Index, i64),
}

fn edit() -> impl Strategy<Value = Edit> {
    let pieces = prop_oneof![
        "\\PC{0,12}",
        Just("\"".to_owned()),
        Just("]]".to_owned()),
        Just("\n[[items]]\n".to_owned()),
        Just(" = { a = ".to_owned()),
        Just("1.5".to_owned()),
        Just("\u{0}".to_owned()),
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Byte(at, byte)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, count)| Edit::Cut(at, count)),
        (any::<Index>(), pieces).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Edit::Copy(from, to)),
        any::<Index>().prop_map(Edit::Drop),
        (any::<Index>(), any::<i64>()).prop_map(|(at, number)| Edit::Number(at, number)),
    ]
}

fn edited(mut bytes: Vec<u8>, edit: &Edit) -> Vec<u8> {
    let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        lines.map(<[u8]>::to_vec).collect()
    };
    if bytes.is_empty() {
        return bytes;
    }
    match edit {
        Edit::Byte(at, byte) => *at.get_mut(&mut bytes) = *byte,
        Edit::Cut(at, count) => {
            let from = at.index(bytes.len());
            let after = bytes.split_off(from);
            bytes.extend(after.into_iter().skip((*count).into()));
        }
        Edit::Insert(at, piece) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, piece.bytes());
        }
        Edit::Copy(from, to) => {
            let mut lines = lines(&bytes);
            let line = from.get(&lines).clone();
            let to = to.index(lines.len());
            lines.insert(to, line);
            bytes = lines.concat();
        }
        Edit::Drop(at) => {
            let mut lines = lines(&bytes);
            lines.remove(at.index(lines.len()));
            bytes = lines.concat();
        }
        Edit::Number(at, number) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let (changed, _) = with_number(&text, at, |_| *number);
            bytes = changed.into_bytes();
        }
    }
    bytes
}

/// The text with the number of one line made another; false where it has none.
fn with_number(text: &str, at: &Index, change: impl Fn(i64) -> i64) -> (String, bool) {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let number = |line: &str| {
        let (_, value) = line.split_once(" = ")?;
        value.trim().replace('_', "").parse::<i64>().ok()
    };
    let mut numbered: Vec<_> = lines
        .iter_mut()
        .filter_map(|line| number(line).map(|number| (line, number)))
        .collect();
    if numbered.is_empty() {
        return (text.to_owned(), false);
    }
    let (line, number) = at.get_mut(&mut numbered);
    let (key, _) = line.split_once(" = ").unwrap();
    **line = format!("{key} = {}\n", change(*number));
    (lines.concat(), true)
}

/// References of parsed content hold, and its numbers are the indices.
fn is_sound(content: &Content) -> TestCaseResult {
    for (item, number) in content.items().iter().zip(1..) {
        prop_assert_eq!(item.id, ItemId(number));
        prop_assert!(item.stack > 0);
    }
    let item = |id| content.item(id).is_some();
    for recipe in content.recipes() {
        prop_assert!(item(recipe.output.item) && !recipe.inputs.is_empty());
        prop_assert!(
            recipe
                .inputs
                .iter()
                .all(|input| item(input.item) && input.count > 0)
        );
        prop_assert!(
            recipe
                .station
                .is_none_or(|id| content.station(id).is_some())
        );
    }
    for resource in content.resources() {
        prop_assert!(item(resource.item) && resource.amount.least <= resource.amount.most);
        prop_assert!(
            resource
                .biomes
                .iter()
                .all(|id| content.biome(*id).is_some())
        );
    }
    for creature in content.creatures() {
        prop_assert!(creature.speed_mm_s <= MAX_SPEED_MM_S);
        prop_assert!(creature.drops.iter().all(|drop| item(drop.item)));
        prop_assert!(
            creature
                .biomes
                .iter()
                .all(|id| content.biome(*id).is_some())
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_file_makes_the_reader_panic(
        which in 0..6_u8,
        edits in prop::collection::vec(edit(), 1..6),
    ) {
        let text = match Genre::ALL.into_iter().zip(0..).find(|(_, at)| *at == which) {
            Some((genre, _)) => source(genre).1,
            None => MINI,
        };
        let bytes = edits.iter().fold(text.as_bytes().to_vec(), edited);
        match Content::parse("edited.toml", &bytes) {
            Ok(content) => is_sound(&content)?,
            Err(bad) => {
                let lines = line_of(&bytes, bytes.len());
                prop_assert!((1..=50).contains(&bad.mistakes.len()));
                for Mistake { line, message } in &bad.mistakes {
                    prop_assert!((1..=lines).contains(line));
                    prop_assert!(!message.is_empty() && message.len() < 2_000);
                    prop_assert!(!message.chars().any(char::is_control), "{message:?}");
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(Content::parse("noise.toml", &bytes).is_err());
    }
}

/// The hash changes with every number that means something else, and with nothing else.
fn hash_is_of_the_meaning(hash: fn(&Content) -> u64) -> bool {
    let config = ProptestConfig {
        cases: 64,
        failure_persistence: None,
        // What catches a wrong variant once catches it in every run.
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    };
    let mini = Content::parse("mini.toml", MINI.as_bytes()).unwrap();
    let commented = MINI.replace("\n[[", "\n# Said of it.\n\n[[");
    let commented = commented.replace("stack = 50\nglyph = \"log\"", "glyph = 'log'\nstack=5_0");
    let commented = Content::parse("mini.toml", commented.as_bytes()).unwrap();
    let changed = TestRunner::new(config).run(&any::<Index>(), |at| {
        let (text, _) = with_number(MINI, &at, |number| number + 1);
        if let Ok(content) = Content::parse("mini.toml", text.as_bytes()) {
            prop_assert_ne!(hash(&content), hash(&mini));
        }
        Ok(())
    });
    changed.is_ok() && hash(&commented) == hash(&mini)
}

#[test]
fn the_hash_is_of_the_meaning() {
    assert!(hash_is_of_the_meaning(Content::hash));
    // Of names only.
    assert!(!hash_is_of_the_meaning(|content| {
        let mut hasher = Hasher::new();
        for item in content.items() {
            hasher.put_bytes(item.label.key.as_bytes());
        }
        hasher.finish()
    }));
    // Of how the file's memory looks: differs from one reading to the next.
    assert!(!hash_is_of_the_meaning(
        |content| content.items().as_ptr().addr() as u64
    ));
}

/// What a recipe has to do with a skill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lore {
    None,
    Teaches,
    /// Teaches it as well, but only those who know some.
    Takes,
}

/// A file with these recipes (inputs and output by number) over twelve plain items; some come from the
/// land, some of those by a tool.
fn parts(given: &[(u16, bool)], recipes: &[(Vec<u16>, u16, Lore)]) -> Parts {
    static PLAIN: LazyLock<Parts> = LazyLock::new(|| {
        let mut parts = Content::parse("mini.toml", MINI.as_bytes()).unwrap().parts;
        let stick = parts.items.first().unwrap();
        let pick = parts.items.iter().find(|item| &*item.label.key == "pick");
        let twelve = (1..=12).map(|number| ItemDef {
            id: ItemId(number),
            // The last is the pick.
            ..(if number == 12 { pick.unwrap() } else { stick }).clone()
        });
        parts.items = twelve.collect();
        parts.creatures = Box::default();
        parts
    });
    let mut parts = PLAIN.clone();
    let vein = parts.resources.last().unwrap().clone();
    let resources = given.iter().map(|(item, by_tool)| ResourceDef {
        item: ItemId(*item),
        tool: vein.tool.filter(|_| *by_tool),
        ..vein.clone()
    });
    parts.resources = resources.collect();
    let recipe = parts.recipes.first().unwrap().clone();
    let one = |item: u16| ItemCount {
        item: ItemId(item),
        count: 1,
    };
    let recipes = recipes.iter().map(|(inputs, output, lore)| RecipeDef {
        inputs: inputs.iter().copied().map(one).collect(),
        output: one(*output),
        skill: match lore {
            Lore::None => Skill::Crafting,
            Lore::Teaches | Lore::Takes => Skill::Lore,
        },
        min_level: if *lore == Lore::Takes { 5 } else { 1 },
        ..recipe.clone()
    });
    parts.recipes = recipes.collect();
    parts
}

/// What can be had is what one gets by doing, in any order, whatever can be done: each thing had comes
/// from things had before it, and nothing that could be done is left out.
fn obtains_what_play_does(obtain: fn(&Parts) -> BTreeSet<ItemId>) -> bool {
    let config = ProptestConfig {
        cases: 256,
        failure_persistence: None,
        // What catches a wrong variant once catches it in every run.
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    };
    let given = prop::collection::vec((1..=12_u16, any::<bool>()), 0..4);
    let lore = prop_oneof![Just(Lore::None), Just(Lore::Teaches), Just(Lore::Takes)];
    let recipe = (prop::collection::vec(1..=12_u16, 1..4), 1..=12_u16, lore);
    let recipes = prop::collection::vec(recipe, 0..14);
    let order = prop::collection::vec(any::<Index>(), 20);
    let run = TestRunner::new(config).run(&(given, recipes, order), |(given, recipes, order)| {
        // A player who tries everything in turn, each time beginning elsewhere, more often than there
        // are things to have.
        let mut bag = BTreeSet::new();
        let mut knows = false;
        let count = given.len() + recipes.len();
        let turns = order
            .iter()
            .flat_map(|first| (0..count).map(|at| (first.index(count) + at) % count));
        for choice in turns {
            if let Some((item, by_tool)) = given.get(choice) {
                if !by_tool || bag.contains(&12) {
                    bag.insert(*item);
                }
            } else if let Some((inputs, output, lore)) = recipes.get(choice - given.len())
                && inputs.iter().all(|input| bag.contains(input))
                && (knows || *lore != Lore::Takes)
            {
                bag.insert(*output);
                knows |= *lore != Lore::None;
            }
        }
        let bag: BTreeSet<_> = bag.into_iter().map(ItemId).collect();
        prop_assert_eq!(obtain(&parts(&given, &recipes)), bag);
        Ok(())
    });
    run.is_ok()
}

#[test]
fn what_is_called_obtainable_is_what_play_obtains() {
    assert!(obtains_what_play_does(|parts| Had::closure(parts).items));
    // Without tools.
    assert!(!obtains_what_play_does(|parts| {
        let resources = parts.resources.iter().cloned();
        let resources = resources.map(|resource| ResourceDef {
            tool: None,
            ..resource
        });
        let mut parts = parts.clone();
        parts.resources = resources.collect();
        Had::closure(&parts).items
    }));
    // Without levels.
    assert!(!obtains_what_play_does(|parts| {
        let recipes = parts.recipes.iter().cloned();
        let recipes = recipes.map(|recipe| RecipeDef {
            min_level: 1,
            ..recipe
        });
        let mut parts = parts.clone();
        parts.recipes = recipes.collect();
        Had::closure(&parts).items
    }));
    // Recipes need only their first input.
    assert!(!obtains_what_play_does(|parts| {
        let recipes = parts.recipes.iter().cloned();
        let recipes = recipes.map(|recipe| RecipeDef {
            inputs: recipe.inputs.iter().copied().take(1).collect(),
            ..recipe
        });
        let mut parts = parts.clone();
        parts.recipes = recipes.collect();
        Had::closure(&parts).items
    }));
    // Whatever is yielded by something, cycles too.
    assert!(!obtains_what_play_does(|parts| {
        let resources = parts.resources.iter().map(|resource| resource.item);
        let recipes = parts.recipes.iter().map(|recipe| recipe.output.item);
        resources.chain(recipes).collect()
    }));
}

#[test]
fn the_json_is_the_same_each_time_and_names_everything() {
    for genre in Genre::ALL {
        let (file, text) = source(genre);
        let again = Content::parse(file, text.as_bytes()).unwrap();
        let content = Content::of(genre);
        assert_eq!(again.to_json(), content.to_json());
        assert_eq!(again.hash(), content.hash());
        let json: serde_json::Value = serde_json::from_str(content.to_json()).unwrap();
        for sort in [
            "biomes",
            "items",
            "resources",
            "stations",
            "recipes",
            "creatures",
        ] {
            let first = &json[sort][0];
            assert!(
                first["key"].is_string() && first["id"].is_number(),
                "{sort}: {first}"
            );
        }
        assert!(
            json["biomes"][0]["color"]
                .as_str()
                .unwrap()
                .starts_with('#')
        );
        assert!(json["items"][0]["glyph"].is_string() && json["items"][0]["kind"].is_string());
        assert!(json["mechanic"]["kind"].is_string() && json["mechanic"]["name"].is_string());
    }
    assert_eq!(mistakes(MINI), []);
}
