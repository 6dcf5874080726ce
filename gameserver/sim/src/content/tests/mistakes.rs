//! What content files may not say: one change of the small file at a time, each refused in its line.

use super::super::*;
use super::{MINI, mistakes};

/// What stands in the file, what is written instead with `@` before the mistake, and words of the message.
type Case<'c> = (&'c str, &'c str, &'c [&'c str]);

fn check(cases: &[Case<'_>]) {
    for (old, new, words) in cases {
        assert!(MINI.contains(old), "the file has no {old:?}");
        expect(&MINI.replacen(old, new, 1), words);
    }
}

/// As [`check`], for mistakes that are told at the head of a thing: the thing's id, what stands in it,
/// what is written instead.
fn check_things(cases: &[(&str, &str, &str, &[&str])]) {
    for (thing, old, new, words) in cases {
        let (sort, id) = thing.split_once(' ').expect("sort and id");
        let head = format!("[[{sort}]]\nid = \"{id}\"");
        let (before, after) = MINI.split_once(&head).expect("such a thing");
        assert!(after.contains(old), "{thing} has no {old:?}");
        let after = after.replacen(old, new, 1);
        expect(&format!("{before}@{head}{after}"), words);
    }
}

/// The text, without its marker, has a mistake in the marker's line with these words.
fn expect(marked: &str, words: &[&str]) {
    let (before, after) = marked.split_once('@').expect("a marker");
    let line = 1 + u32::try_from(before.matches('\n').count()).unwrap();
    let found = mistakes(&format!("{before}{after}"));
    let fits = |mistake: &&Mistake| {
        mistake.line == line && words.iter().all(|word| mistake.message.contains(word))
    };
    assert!(
        found.iter().find(fits).is_some(),
        "no mistake in line {line} with {words:?}, but {found:#?}"
    );
}

#[test]
fn the_small_file_is_content() {
    assert_eq!(mistakes(MINI), []);
}

#[test]
fn unknown_keys_are_refused_with_the_nearest() {
    check(&[
        (
            "day_seconds = 1200",
            "day_seconds = 1200\n@day_second = 5",
            &["[genre]", "`day_second`", "did you mean `day_seconds`"],
        ),
        (
            "damage = 8",
            "@damge = 8",
            &["item `club`", "`damge`", "`damage`"],
        ),
        (
            "damage = 8",
            "damage = 8\n@class = \"Mine\"",
            &["item `club`", "no key `class`"],
        ),
        (
            "thirst = 60",
            "thirst = 60\n@radius_mm = 5000",
            &["station `well`", "`radius_mm`"],
        ),
        (
            "tool = { class = \"Mine\" }",
            "@tool = { class = \"Mine\", powr = 1 }",
            &["`tool`", "`powr`", "`power`"],
        ),
        (
            "amount = [1, 2], per_mille = 800 }",
            "@amount = [1, 2], permille = 800 }",
            &["this drop", "`per_mille`"],
        ),
        (
            "[terrain]",
            "@[terain]",
            &["the file", "`terain`", "`terrain`"],
        ),
        (
            "regen_per_minute = 20",
            "regen_per_minute = 20\n@drain_per_minute = 20",
            &["[mechanic]", "`drain_per_minute`"],
        ),
    ]);
}

#[test]
fn missing_fields_are_named_with_what_to_write() {
    check_things(&[
        (
            "items club",
            "name = \"Club\"\n",
            "",
            &["item `club`", "no `name`", "add name ="],
        ),
        (
            "items club",
            "kind = \"Weapon\"\n",
            "",
            &["no `kind`", "\"Material\""],
        ),
        (
            "items ore",
            "stack = 50\n",
            "",
            &["item `ore`", "no `stack`", "stack = 1"],
        ),
        (
            "resources vein",
            "item = \"ore\"\n",
            "",
            &["resource `vein`", "no `item`"],
        ),
        (
            "creatures wolf",
            "biomes = [\"meadow\", \"blight\"]\n",
            "",
            &["creature `wolf`", "no `biomes`"],
        ),
        (
            "recipes pick",
            "output = \"pick\"\n",
            "",
            &["recipe `pick`", "no `output`"],
        ),
        (
            "biomes lake",
            "color = \"#2f5f8f\"\n",
            "",
            &["biome `lake`", "no `color`"],
        ),
    ]);
    check(&[
        (
            "[mechanic]\nkind = \"Mana\"",
            "@[mechanic]",
            &["no `kind`", "\"Mana\""],
        ),
        (
            "[[creatures]]\nid = \"hare\"",
            "@[[creatures]]",
            &["no `id`"],
        ),
    ]);
    let numbers = [
        "regen_per_minute",
        "haven_per_minute",
        "harsh_per_minute",
        "sheltered_per_minute",
    ];
    for number in numbers {
        let lines = MINI.lines().filter(|line| !line.starts_with(number));
        let text = lines.collect::<Vec<_>>().join("\n");
        let words = ["[mechanic]", &format!("no `{number}`")];
        expect(&text.replacen("[mechanic]", "@[mechanic]", 1), &words);
    }
}

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    check(&[
        (
            "inputs = { ore = 6 }",
            "@inputs = { oar = 6 }",
            &["no item `oar`", "`ore`"],
        ),
        (
            "output = \"helmet\"",
            "@output = \"helmit\"",
            &["no item `helmit`", "`helmet`"],
        ),
        (
            "station = \"bench\"",
            "@station = \"bnech\"",
            &["no station `bnech`", "`bench`"],
        ),
        (
            "biomes = [\"meadow\", \"blight\"]",
            "@biomes = [\"meadow\", \"blihgt\"]",
            &["no biome `blihgt`", "`blight`"],
        ),
        (
            "item = \"stick\"",
            "@item = \"stik\"",
            &["no item `stik`", "`stick`"],
        ),
        (
            "ammo = \"arrow\"",
            "@ammo = \"arow\"",
            &["no item `arow`", "`arrow`"],
        ),
        (
            "{ item = \"ore\" }",
            "@{ item = \"xylophone\" }",
            &["no item `xylophone`", "known are", "`stick`"],
        ),
        ("glyph = \"well\"", "@glyph = \"wel\"", &["`wel`", "`well`"]),
        (
            "kind = \"Tool\"",
            "@kind = \"Tol\"",
            &["`kind` cannot be `Tol`", "`Tool`"],
        ),
        (
            "device = \"Bolt\"",
            "@device = \"Blot\"",
            &["`Blot`", "`Bolt`"],
        ),
        (
            "behaviour = \"Hunt\"",
            "@behaviour = \"Hnut\"",
            &["`Hnut`", "`Hunt`"],
        ),
        (
            "kind = \"Mana\"",
            "@kind = \"Manna\"",
            &["`Manna`", "`Mana`"],
        ),
        (
            "id = \"Fantasy\"",
            "@id = \"Phantasy\"",
            &["`Phantasy`", "`Fantasy`"],
        ),
        (
            "ground = \"Rock\"",
            "@ground = \"Rok\"",
            &["`Rok`", "`Rock`"],
        ),
        (
            "exposure = \"Harsh\"",
            "@exposure = \"Hrash\"",
            &["`Hrash`", "`Harsh`"],
        ),
        (
            "class = \"Mine\"",
            "@class = \"Mien\"",
            &["`Mien`", "`Mine`"],
        ),
        (
            "place = \"Head\"",
            "@place = \"Haed\"",
            &["`Haed`", "`Head`"],
        ),
        ("skill = \"Lore\"", "@skill = \"Lor\"", &["`Lor`", "`Lore`"]),
    ]);
}

#[test]
fn numbers_are_whole_and_within_range() {
    check(&[
        (
            "speed_mm_s = 5200",
            "@speed_mm_s = 7901",
            &["`speed_mm_s` is 7901", "0 to 7900"],
        ),
        ("stack = 50", "@stack = 0", &["`stack` is 0", "1 to 999"]),
        (
            "damage = 8",
            "@damage = 7.5",
            &["the fraction 7.5", "whole number"],
        ),
        ("damage = 8", "@damage = -8", &["`damage` is -8"]),
        (
            "damage = 8",
            "@damage = \"8\"",
            &["`damage` is a text", "whole number"],
        ),
        (
            "damage = 8",
            "@damage = 99999999999999999999999999",
            &["`damage`"],
        ),
        (
            "damage = 8",
            "@damage = 1979-05-27",
            &["`damage` is a date"],
        ),
        ("damage = 8", "@damage = inf", &["the fraction inf"]),
        (
            "per_mille = 800",
            "@per_mille = 1001",
            &["`per_mille` is 1001", "1 to 1000"],
        ),
        (
            "amount = [1, 2]",
            "@amount = [2, 1]",
            &["`amount` is empty", "[1, 2]"],
        ),
        ("amount = [1, 2]", "@amount = [1, 2, 3]", &["two ends"]),
        ("amount = [1, 2]", "@amount = 0", &["`amount` is 0"]),
        (
            "height_cells = [48, 20, 8]",
            "@height_cells = [48, 20]",
            &["three numbers"],
        ),
        (
            "height_cells = [48, 20, 8]",
            "@height_cells = [48, 20, 1]",
            &["`height_cells` is 1", "2 to 256"],
        ),
        ("{ stick = 3 }", "@{ stick = 0 }", &["`stick` is 0"]),
        ("{ stick = 3 }", "@{}", &["`inputs` has 0 entries"]),
        ("min_level = 2", "@min_level = 51", &["1 to 50"]),
        (
            "hub = true",
            "@hub = 1",
            &["`hub` is a number", "true or false"],
        ),
    ]);
}

#[test]
fn colors_texts_and_ids_are_well_formed() {
    check(&[
        (
            "color = \"#2f5f8f\"",
            "@color = \"blue\"",
            &["`blue` is no color", "six hexadecimal digits"],
        ),
        ("color = \"#2f5f8f\"", "@color = \"#2f5f8\"", &["no color"]),
        ("color = \"#2f5f8f\"", "@color = \"#2f5f8g\"", &["no color"]),
        ("color = \"#2f5f8f\"", "@color = \"#+f5f8f\"", &["no color"]),
        (
            "color = \"#2f5f8f\"",
            "@color = 12",
            &["`color` is a number"],
        ),
        (
            "text = \"A pick.\"",
            "@text = \"\"",
            &["`text` has 0 characters", "1 to 160"],
        ),
        (
            "text = \"A pick.\"",
            "@text = \"A\\u0007pick.\"",
            &["control characters"],
        ),
        (
            "text = \"A pick.\"",
            "@text = \" A pick.\"",
            &["spaces around"],
        ),
        (
            "name = \"Lake\"",
            "@name = \"A name that is far longer than what fits\"",
            &["1 to 32"],
        ),
        (
            "id = \"stick\"",
            "@id = \"Long_Stick\"",
            &["kebab-case", "\"long-stick\""],
        ),
        ("id = \"stick\"", "@id = \"\"", &["`id` has 0 characters"]),
        (
            "id = \"berry\"",
            "@id = \"stick\"",
            &["item `stick`", "line 54 already"],
        ),
        (
            "biomes = [\"meadow\"]",
            "@biomes = []",
            &["`biomes` is empty"],
        ),
        (
            "biomes = [\"meadow\"]",
            "@biomes = [\"meadow\", \"meadow\"]",
            &["twice"],
        ),
        (
            "biomes = [\"meadow\"]",
            "@biomes = \"meadow\"",
            &["`biomes` is a text", "an array"],
        ),
    ]);
}

#[test]
fn what_is_not_toml_is_refused_in_its_line() {
    check(&[
        ("damage = 8", "@damage = = 8", &["not TOML"]),
        (
            "damage = 8",
            "damage = 8\n@damage = 9",
            &["not TOML", "duplicate"],
        ),
        ("[terrain]", "@[terrain", &["not TOML"]),
        ("name = \"Lake\"", "@name = \"Lake", &["not TOML"]),
    ]);
}

#[test]
fn every_tile_has_its_biome_and_every_thing_its_place() {
    check_things(&[
        (
            "biomes cliff",
            "ground",
            "height_below = 60000\nground",
            &["`cliff`, leaves tiles without"],
        ),
        (
            "biomes blight",
            "height_below = 46000",
            "height_below = 9000",
            &["no tile can be biome `blight`", "`lake`"],
        ),
        (
            "biomes lake",
            "ground",
            "hub = true\nground",
            &["2 biomes have hub = true"],
        ),
        (
            "biomes lake",
            "ground",
            "hub = true\nground",
            &["`lake`", "not Open"],
        ),
        (
            "biomes lake",
            "hub = true\n",
            "",
            &["0 biomes have hub = true"],
        ),
        (
            "biomes meadow",
            "hub = true",
            "hub = true\nexposure = \"Harsh\"",
            &["`meadow`, which is Harsh"],
        ),
        (
            "creatures hare",
            "biomes = [\"meadow\"]",
            "biomes = [\"lake\"]",
            &["`hare` lives in biome `lake`"],
        ),
        (
            "resources bush",
            "biomes = [\"meadow\"]",
            "biomes = [\"cliff\"]",
            &["`bush` lives in biome `cliff`"],
        ),
        (
            "creatures wolf",
            "weight = 10\n",
            "",
            &["creature `wolf` is nowhere", "weight"],
        ),
        (
            "resources vein",
            "per_square_km = 100\n",
            "",
            &["resource `vein` is nowhere"],
        ),
        (
            "stations bench",
            "near_hub = 1\n",
            "",
            &["station `bench` is nowhere"],
        ),
    ]);
}

#[test]
fn new_players_have_something_to_do() {
    check_things(&[
        (
            "resources bush",
            "near_hub = 6\n",
            "",
            &["nothing to gather by hand"],
        ),
        (
            "resources bush",
            "near_hub = 6",
            "near_hub = 6\ntool = { class = \"Mine\" }",
            &["nothing to gather by hand"],
        ),
        (
            "stations bench",
            "per_square_km = 4\nnear_hub = 1",
            "per_square_km = 4",
            &["nothing to drink"],
        ),
        (
            "creatures hare",
            "health = 12",
            "health = 41",
            &["nothing that it could kill"],
        ),
    ]);
}

#[test]
fn everything_can_be_had() {
    check_things(&[
        // Only itself yields it.
        (
            "recipes helmet",
            "inputs = { ore = 6 }",
            "inputs = { ore = 6, helmet = 1 }",
            &["recipe `helmet` can never be started", "takes `helmet`"],
        ),
        (
            "resources vein",
            "{ class = \"Mine\" }",
            "{ class = \"Mine\", power = 2 }",
            &["resource `vein` can never be gathered", "Mine and power 2"],
        ),
        (
            "resources vein",
            "{ class = \"Mine\" }",
            "{ class = \"Chop\" }",
            &["class Chop and power 1"],
        ),
        (
            "items arrow",
            "output = \"arrow\"",
            "output = \"stick\"",
            &["nothing yields item `arrow`"],
        ),
        (
            "items bow",
            "ammo = \"arrow\"",
            "ammo = \"pick\"",
            &["ammo of weapon `bow`"],
        ),
        (
            "items berry",
            "hunger = 10\nthirst = 5\n",
            "",
            &["item `berry` does nothing"],
        ),
    ]);
    // What teaches Lore takes Lore.
    check_things(&[(
        "recipes wand",
        "skill = \"Lore\"",
        "skill = \"Lore\"\nmin_level = 2",
        &["recipe `wand` can never be started", "level 2 of Lore"],
    )]);
    check_things(&[(
        "resources vein",
        "work_ms = 3000",
        "work_ms = 3000\nskill = \"Trading\"\nmin_level = 2",
        &[
            "resource `vein` can never be gathered",
            "level 2 of Trading",
        ],
    )]);
    // Bow of wand and wand of bow: neither is ever first.
    let text = MINI.replace("inputs = { stick = 6 }", "inputs = { stick = 6, wand = 1 }");
    let text = text.replace("{ stick = 2, ore = 3 }", "{ stick = 2, bow = 1 }");
    for (recipe, other) in [("bow", "wand"), ("wand", "bow")] {
        let head = format!("[[recipes]]\nid = \"{recipe}\"");
        let marked = text.replacen(&head, &format!("@{head}"), 1);
        expect(
            &marked,
            &[&format!("needs `{other}`, which takes `{recipe}`")],
        );
    }
    // A pick that takes what only a pick brings up: the ore's other sources are taken away as well.
    let text = MINI.replace("inputs = { stick = 3 }", "inputs = { ore = 3 }");
    let text = text.replace("drops = [{ item = \"ore\" }]", "drops = []");
    let marked = text.replacen(
        "[[resources]]\nid = \"vein\"",
        "@[[resources]]\nid = \"vein\"",
        1,
    );
    expect(&marked, &["`vein` can never be gathered"]);
    let marked = text.replacen(
        "[[recipes]]\nid = \"pick\"",
        "@[[recipes]]\nid = \"pick\"",
        1,
    );
    expect(
        &marked,
        &["recipe `pick` can never be started", "`ore` cannot be had"],
    );
}

#[test]
fn nothing_is_meant_for_another_mechanic() {
    check_things(&[
        (
            "items wand",
            "device = \"Bolt\"\ndamage = 14\nrange_mm = 15000\ncooldown_ms = 1200\ncost = 8",
            "device = \"Deck\"\npower = 1",
            &["deck of `wand`", "Heat"],
        ),
        (
            "items wand",
            "device = \"Bolt\"\ndamage = 14\nrange_mm = 15000\ncooldown_ms = 1200\ncost = 8",
            "device = \"Light\"\nradius_mm = 9000",
            &["light of `wand`", "Sanity"],
        ),
        (
            "stations bench",
            "kind = \"Craft\"",
            "kind = \"Terminal\"\npays = \"ore\"\nheat = 5\nlocked_seconds = 60\nexperience = 1",
            &["kind of `bench`", "Heat"],
        ),
        (
            "creatures wolf",
            "weight = 10",
            "weight = 10\ndrawn_by_heat = 10",
            &["drawn_by_heat of `wolf`"],
        ),
    ]);
}

#[test]
fn there_are_no_more_things_than_their_numbers_reach() {
    let biome = "[[biomes]]\nid = \"lake\"";
    let many = |count: u32| {
        let more = (0..count).map(|at| {
            format!("[[biomes]]\nid = \"b{at}\"\nname = \"B\"\nground = \"Open\"\ncolor = \"#000000\"\nheight_below = 1\n\n")
        });
        more.collect::<String>()
    };
    // 255 in all: four stand in the file already, and come last.
    let (before, after) = MINI.split_once(biome).unwrap();
    let text = format!("{before}{}{biome}{after}", many(251));
    assert!(
        mistakes(&text)
            .iter()
            .all(|mistake| !mistake.message.contains("too many"))
    );
    let text = format!("{before}{}{biome}{after}", many(252));
    let last = text.replacen(
        "[[biomes]]\nid = \"cliff\"",
        "@[[biomes]]\nid = \"cliff\"",
        1,
    );
    expect(&last, &["256 [[biomes]] are too many", "at most 255"]);
}

#[test]
fn bytes_that_are_no_text_are_refused_in_their_line() {
    let bad = |bytes: &[u8]| Content::parse("bad.toml", bytes).unwrap_err();
    let found = bad(b"[genre]\nid = \"\xff\"\n");
    assert_eq!(
        found.to_string(),
        "bad.toml:2: this is not UTF-8; save the file as UTF-8"
    );
    let long = vec![b'#'; 2 << 20];
    assert!(
        bad(&long).mistakes[0]
            .message
            .contains("longer than 1048576 bytes")
    );
    for text in [
        "",
        "\0",
        "[[[[",
        "a = [",
        "\u{feff}",
        "items = 3",
        "items = [3]",
        "[[genre]]",
        "[items]",
    ] {
        let BadContent { mistakes, .. } = bad(text.as_bytes());
        assert!(!mistakes.is_empty(), "{text:?}");
    }
    // Deep nesting must not exhaust the stack.
    for open in ["[", "{a=", "a."] {
        let deep = format!("a = {}", open.repeat(100_000));
        assert!(!bad(deep.as_bytes()).mistakes.is_empty());
        let deep = open.repeat(100_000);
        assert!(!bad(deep.as_bytes()).mistakes.is_empty());
    }
}

#[test]
fn one_reading_finds_all_mistakes_in_order() {
    let text = MINI.replacen("day_seconds = 1200", "day_seconds = 1", 1);
    let text = text.replacen("damage = 8", "damage = 0", 1);
    let text = text.replacen("speed_mm_s = 5200", "speed_mm_s = 9000", 1);
    let found = mistakes(&text);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found.is_sorted_by_key(|mistake| mistake.line));
    let all_bad = MINI.replace(" = \"", " = \"\\u0001");
    assert_eq!(mistakes(&all_bad).len(), 50);
}
