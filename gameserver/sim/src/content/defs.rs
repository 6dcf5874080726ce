//! Reads each sort of thing, field by field. A function gives nothing only where it has noted why.

use std::ops::RangeInclusive;

use super::fields::Fields;
use super::mistake::Report;
use super::read::{Entry, Sections};
use super::types::{
    Armour, Behaviour, BiomeDef, BiomeId, CreatureDef, Device, Drop, Exposure, Food, GenreDef,
    Ground, ItemCount, ItemDef, ItemId, ItemKind, Label, Mechanic, MechanicDef, Place, RecipeDef,
    RecipeId, ResourceDef, ResourceId, Skill, SpeciesId, StationDef, StationId, StationKind,
    TerrainDef, Tool, ToolClass, ToolNeed, Weapon,
};
use super::{MAX_MIN_LEVEL, MAX_SPEED_MM_S};
use crate::params::Genre;

const SKILLS: &[(&str, Skill)] = &[
    ("Gathering", Skill::Gathering),
    ("Crafting", Skill::Crafting),
    ("Fighting", Skill::Fighting),
    ("Trading", Skill::Trading),
    ("Surviving", Skill::Surviving),
    ("Lore", Skill::Lore),
];

const TOOLS: &[(&str, ToolClass)] = &[
    ("Chop", ToolClass::Chop),
    ("Mine", ToolClass::Mine),
    ("Cut", ToolClass::Cut),
    ("Dig", ToolClass::Dig),
    ("Pry", ToolClass::Pry),
    ("Draw", ToolClass::Draw),
];

const GROUNDS: &[(&str, Ground)] = &[
    ("Open", Ground::Open),
    ("Slow", Ground::Slow),
    ("Water", Ground::Water),
    ("Rock", Ground::Rock),
];

const EXPOSURES: &[(&str, Exposure)] = &[
    ("Usual", Exposure::Usual),
    ("Sheltered", Exposure::Sheltered),
    ("Harsh", Exposure::Harsh),
];

const BEHAVIOURS: &[(&str, Behaviour)] = &[
    ("Graze", Behaviour::Graze),
    ("Wander", Behaviour::Wander),
    ("Flee", Behaviour::Flee),
    ("Hunt", Behaviour::Hunt),
    ("Pack", Behaviour::Pack),
    ("Ambush", Behaviour::Ambush),
    ("Guard", Behaviour::Guard),
];

/// The kinds of a table whose `kind` decides which fields it has.
#[derive(Clone, Copy)]
enum Kind {
    Material,
    Food,
    Weapon,
    Tool,
    Armour,
    Device,
}

const KINDS: &[(&str, Kind)] = &[
    ("Material", Kind::Material),
    ("Food", Kind::Food),
    ("Weapon", Kind::Weapon),
    ("Tool", Kind::Tool),
    ("Armour", Kind::Armour),
    ("Device", Kind::Device),
];

#[derive(Clone, Copy)]
enum DeviceKind {
    Bolt,
    Heal,
    Medicine,
    Light,
    Deck,
    Ward,
}

const DEVICES: &[(&str, DeviceKind)] = &[
    ("Bolt", DeviceKind::Bolt),
    ("Heal", DeviceKind::Heal),
    ("Medicine", DeviceKind::Medicine),
    ("Light", DeviceKind::Light),
    ("Deck", DeviceKind::Deck),
    ("Ward", DeviceKind::Ward),
];

#[derive(Clone, Copy)]
enum StationSort {
    Craft,
    Water,
    Haven,
    Terminal,
}

const STATIONS: &[(&str, StationSort)] = &[
    ("Craft", StationSort::Craft),
    ("Water", StationSort::Water),
    ("Haven", StationSort::Haven),
    ("Terminal", StationSort::Terminal),
];

#[derive(Clone, Copy)]
enum MechanicSort {
    Mana,
    Oxygen,
    Sanity,
    Heat,
    Radiation,
}

const MECHANICS: &[(&str, MechanicSort)] = &[
    ("Mana", MechanicSort::Mana),
    ("Oxygen", MechanicSort::Oxygen),
    ("Sanity", MechanicSort::Sanity),
    ("Heat", MechanicSort::Heat),
    ("Radiation", MechanicSort::Radiation),
];

const DAMAGE: RangeInclusive<u16> = 1..=500;
const HEALTH: RangeInclusive<u16> = 1..=20_000;
const RANGE_MM: RangeInclusive<u32> = 500..=40_000;
/// Up to a minute.
const COOLDOWN_MS: RangeInclusive<u32> = 100..=60_000;
/// Up to ten minutes.
const WORK_MS: RangeInclusive<u32> = 100..=600_000;
/// Up to a day.
const SECONDS: RangeInclusive<u32> = 1..=86_400;
/// Points a minute: up to the whole meter in a second.
const RATE: RangeInclusive<u16> = 0..=6_000;
const POWER: RangeInclusive<u8> = 1..=5;
const PERCENT: RangeInclusive<u8> = 0..=100;

/// `[genre]`.
pub(super) fn genre(report: &mut Report<'_>, mut fields: Fields<'_, '_>) -> Option<GenreDef> {
    let names = Genre::ALL.map(|genre| (genre.as_str(), genre.as_str()));
    let id = fields.choice(report, "id", &names);
    let title = fields.text(report, "title", 40);
    let description = fields.text(report, "description", 400);
    let day_seconds = fields.number(report, "day_seconds", 60..=86_400_u32);
    fields.finish(report);
    Some(GenreDef {
        id: id?,
        title,
        description,
        day_seconds,
    })
}

/// `[mechanic]`.
pub(super) fn mechanic(report: &mut Report<'_>, mut fields: Fields<'_, '_>) -> Option<MechanicDef> {
    let name = fields.text(report, "name", 24);
    let text = fields.text(report, "text", 400);
    let color = fields.color(report);
    let sort = fields.choice(report, "kind", MECHANICS)?;
    let mut rate = |key| fields.number(report, key, RATE);
    let rules = match sort {
        MechanicSort::Mana => Mechanic::Mana {
            regen_per_minute: rate("regen_per_minute"),
            haven_per_minute: rate("haven_per_minute"),
            harsh_per_minute: rate("harsh_per_minute"),
            sheltered_per_minute: rate("sheltered_per_minute"),
        },
        MechanicSort::Oxygen => Mechanic::Oxygen {
            drain_per_minute: rate("drain_per_minute"),
            harsh_per_minute: rate("harsh_per_minute"),
            refill_per_minute: rate("refill_per_minute"),
            health_loss_per_minute: rate("health_loss_per_minute"),
        },
        MechanicSort::Sanity => Mechanic::Sanity {
            night_per_minute: rate("night_per_minute"),
            harsh_per_minute: rate("harsh_per_minute"),
            light_per_minute: rate("light_per_minute"),
            day_per_minute: rate("day_per_minute"),
            health_loss_per_minute: rate("health_loss_per_minute"),
            notice_percent: fields.number(report, "notice_percent", 100..=400_u16),
        },
        MechanicSort::Heat => Mechanic::Heat {
            fall_per_minute: rate("fall_per_minute"),
            haven_per_minute: rate("haven_per_minute"),
            sheltered_per_minute: rate("sheltered_per_minute"),
            harsh_per_minute: rate("harsh_per_minute"),
            kill: fields.number(report, "kill", PERCENT),
        },
        MechanicSort::Radiation => Mechanic::Radiation {
            harsh_per_minute: rate("harsh_per_minute"),
            fall_per_minute: rate("fall_per_minute"),
            haven_per_minute: rate("haven_per_minute"),
            health_lost_percent: fields.number(report, "health_lost_percent", 1..=95_u8),
        },
    };
    fields.finish(report);
    Some(MechanicDef {
        name,
        text,
        color,
        rules,
    })
}

/// `[terrain]`.
pub(super) fn terrain(report: &mut Report<'_>, mut fields: Fields<'_, '_>) -> TerrainDef {
    let cells = 2..=256_u32;
    let terrain = TerrainDef {
        height_cells: fields.three(report, "height_cells", &cells),
        moisture_cell: fields.number(report, "moisture_cell", cells),
    };
    fields.finish(report);
    terrain
}

/// `[[biomes]]`.
pub(super) fn biome(report: &mut Report<'_>, entry: Entry<'_, '_>) -> Option<BiomeDef> {
    let id = BiomeId(entry.byte());
    let Entry {
        mut fields, key, ..
    } = entry;
    let bound = 1..=65_536_u32;
    let name = fields.text(report, "name", 32);
    let ground = fields.choice(report, "ground", GROUNDS);
    let color = fields.color(report);
    let height_below = fields.number_or(report, "height_below", bound.clone(), 65_536);
    let moisture_below = fields.number_or(report, "moisture_below", bound, 65_536);
    let hub = fields.flag(report, "hub");
    let exposure = fields.choice_or(report, "exposure", EXPOSURES, Exposure::Usual);
    fields.finish(report);
    Some(BiomeDef {
        id,
        key,
        name,
        ground: ground?,
        color,
        height_below,
        moisture_below,
        hub,
        exposure,
    })
}

fn label(report: &mut Report<'_>, fields: &mut Fields<'_, '_>, key: Box<str>) -> Label {
    Label {
        key,
        name: fields.text(report, "name", 32),
        text: fields.text(report, "text", 160),
        glyph: fields.glyph(report),
        color: fields.color(report),
    }
}

/// `[[items]]`.
pub(super) fn item(
    report: &mut Report<'_>,
    entry: Entry<'_, '_>,
    sections: &Sections<'_, '_>,
) -> Option<ItemDef> {
    let Entry {
        mut fields,
        number,
        key,
    } = entry;
    let label = label(report, &mut fields, key);
    let kind = fields.choice(report, "kind", KINDS)?;
    // What is worn does not stack.
    let stack = |report: &mut Report<'_>, fields: &mut Fields<'_, '_>| {
        fields.number(report, "stack", 1..=999_u16)
    };
    let (stack, kind) = match kind {
        Kind::Material => (stack(report, &mut fields), ItemKind::Material),
        Kind::Food => {
            let stack = stack(report, &mut fields);
            let food = Food {
                hunger: fields.number_or(report, "hunger", -100..=100_i8, 0),
                thirst: fields.number_or(report, "thirst", -100..=100_i8, 0),
                health: fields.number_or(report, "health", -100..=500_i16, 0),
                meter: fields.number_or(report, "meter", -100..=100_i8, 0),
            };
            (stack, ItemKind::Food(food))
        }
        Kind::Weapon => {
            let weapon = Weapon {
                damage: fields.number(report, "damage", DAMAGE),
                range_mm: fields.number(report, "range_mm", RANGE_MM),
                cooldown_ms: fields.number(report, "cooldown_ms", COOLDOWN_MS),
                ammo: fields
                    .reference_if_any(report, "ammo", "item", &sections.items.ids)
                    .map(ItemId),
            };
            (1, ItemKind::Weapon(weapon))
        }
        Kind::Tool => {
            let class = fields.choice(report, "class", TOOLS);
            let power = fields.number(report, "power", POWER);
            let class = class?;
            (1, ItemKind::Tool(Tool { class, power }))
        }
        Kind::Armour => {
            let places = [("Head", Place::Head), ("Body", Place::Body)];
            let place = fields.choice(report, "place", &places);
            let protection = fields.number(report, "protection", 0..=60_u8);
            let ward = fields.number_or(report, "ward", PERCENT, 0);
            let armour = Armour {
                place: place?,
                protection,
                ward,
            };
            (1, ItemKind::Armour(armour))
        }
        Kind::Device => {
            let device = fields.choice(report, "device", DEVICES)?;
            let stack = match device {
                DeviceKind::Medicine => stack(report, &mut fields),
                _ => 1,
            };
            let device = self::device(report, &mut fields, device);
            (stack, ItemKind::Device(device))
        }
    };
    fields.finish(report);
    Some(ItemDef {
        id: ItemId(number),
        label,
        stack,
        kind,
    })
}

fn device(report: &mut Report<'_>, fields: &mut Fields<'_, '_>, kind: DeviceKind) -> Device {
    match kind {
        DeviceKind::Bolt => Device::Bolt {
            damage: fields.number(report, "damage", DAMAGE),
            range_mm: fields.number(report, "range_mm", RANGE_MM),
            cooldown_ms: fields.number(report, "cooldown_ms", COOLDOWN_MS),
            cost: fields.number(report, "cost", PERCENT),
        },
        DeviceKind::Heal => Device::Heal {
            health: fields.number(report, "health", 1..=500_u16),
            cooldown_ms: fields.number(report, "cooldown_ms", COOLDOWN_MS),
            cost: fields.number(report, "cost", PERCENT),
        },
        DeviceKind::Medicine => Device::Medicine {
            health: fields.number_or(report, "health", 0..=500_u16, 0),
            meter: fields.number_or(report, "meter", PERCENT, 0),
        },
        DeviceKind::Light => Device::Light {
            radius_mm: fields.number(report, "radius_mm", RANGE_MM),
        },
        DeviceKind::Deck => Device::Deck {
            power: fields.number(report, "power", POWER),
        },
        DeviceKind::Ward => Device::Ward {
            ward: fields.number(report, "ward", 1..=90_u8),
        },
    }
}

fn biomes(
    report: &mut Report<'_>,
    fields: &mut Fields<'_, '_>,
    sections: &Sections<'_, '_>,
) -> Box<[BiomeId]> {
    let numbers = fields.references(report, "biomes", "biome", &sections.biomes.ids);
    let numbers = numbers.into_iter().map(u8::try_from);
    numbers.flatten().map(BiomeId).collect()
}

/// `[[resources]]`.
pub(super) fn resource(
    report: &mut Report<'_>,
    entry: Entry<'_, '_>,
    sections: &Sections<'_, '_>,
) -> Option<ResourceDef> {
    let id = ResourceId(entry.byte());
    let Entry {
        mut fields, key, ..
    } = entry;
    let label = label(report, &mut fields, key);
    let item = fields.reference(report, "item", "item", &sections.items.ids);
    let amount = fields.amount(report, "amount");
    let charges = fields.number(report, "charges", 1..=100_u8);
    let regrow_seconds = fields.number(report, "regrow_seconds", SECONDS);
    let tool = tool_need(report, &mut fields);
    let work_ms = fields.number(report, "work_ms", WORK_MS);
    let skill = fields.choice_or(report, "skill", SKILLS, Skill::Gathering);
    let min_level = fields.number_or(report, "min_level", 1..=MAX_MIN_LEVEL, 1);
    let experience = fields.number(report, "experience", 0..=10_000_u16);
    let biomes = biomes(report, &mut fields, sections);
    let per_square_km = fields.number_or(report, "per_square_km", 0..=4_000_u16, 0);
    let near_hub = fields.number_or(report, "near_hub", 0..=32_u8, 0);
    fields.finish(report);
    Some(ResourceDef {
        id,
        label,
        item: ItemId(item),
        amount,
        charges,
        regrow_seconds,
        tool,
        work_ms,
        skill,
        min_level,
        experience,
        biomes,
        per_square_km,
        near_hub,
    })
}

fn tool_need(report: &mut Report<'_>, fields: &mut Fields<'_, '_>) -> Option<ToolNeed> {
    if !fields.has("tool") {
        fields.known("tool");
        return None;
    }
    let (table, line) = fields.table(report, "tool")?;
    let mut need = Fields::new(table, line, "`tool`".to_owned());
    let class = need.choice(report, "class", TOOLS);
    let power = need.number_or(report, "power", POWER, 1);
    need.finish(report);
    let class = class?;
    Some(ToolNeed { class, power })
}

/// `[[stations]]`.
pub(super) fn station(
    report: &mut Report<'_>,
    entry: Entry<'_, '_>,
    sections: &Sections<'_, '_>,
) -> Option<StationDef> {
    let id = StationId(entry.byte());
    let Entry {
        mut fields, key, ..
    } = entry;
    let label = label(report, &mut fields, key);
    let sort = fields.choice(report, "kind", STATIONS)?;
    let kind = match sort {
        StationSort::Craft => StationKind::Craft,
        StationSort::Water => StationKind::Water {
            thirst: fields.number(report, "thirst", 1..=100_u8),
        },
        StationSort::Haven => StationKind::Haven {
            radius_mm: fields.number(report, "radius_mm", RANGE_MM),
        },
        StationSort::Terminal => StationKind::Terminal {
            pays: ItemId(fields.reference(report, "pays", "item", &sections.items.ids)),
            amount: fields.amount(report, "amount"),
            heat: fields.number(report, "heat", PERCENT),
            locked_seconds: fields.number(report, "locked_seconds", SECONDS),
            deck: fields.number_or(report, "deck", 0..=5_u8, 0),
            experience: fields.number(report, "experience", 0..=10_000_u16),
        },
    };
    let per_square_km = fields.number_or(report, "per_square_km", 0..=400_u16, 0);
    let near_hub = fields.number_or(report, "near_hub", 0..=8_u8, 0);
    fields.finish(report);
    Some(StationDef {
        id,
        label,
        kind,
        per_square_km,
        near_hub,
    })
}

/// `[[recipes]]`.
#[expect(clippy::unnecessary_wraps, reason = "one shape for all sorts")]
pub(super) fn recipe(
    report: &mut Report<'_>,
    entry: Entry<'_, '_>,
    sections: &Sections<'_, '_>,
) -> Option<RecipeDef> {
    let Entry {
        mut fields,
        number,
        key,
    } = entry;
    let items = &sections.items.ids;
    let inputs = fields.counts(report, "inputs", "item", items, 6);
    let output = fields.reference(report, "output", "item", items);
    let count = fields.number_or(report, "count", 1..=999_u16, 1);
    let stations = &sections.stations.ids;
    let station = fields.reference_if_any(report, "station", "station", stations);
    let work_ms = fields.number(report, "work_ms", WORK_MS);
    let skill = fields.choice_or(report, "skill", SKILLS, Skill::Crafting);
    let min_level = fields.number_or(report, "min_level", 1..=MAX_MIN_LEVEL, 1);
    let experience = fields.number(report, "experience", 0..=10_000_u16);
    fields.finish(report);
    let item_count = |(item, count)| ItemCount {
        item: ItemId(item),
        count,
    };
    Some(RecipeDef {
        id: RecipeId(number),
        key,
        inputs: inputs.into_iter().map(item_count).collect(),
        output: item_count((output, count)),
        station: station.map(|number| StationId(u8::try_from(number).unwrap_or(u8::MAX))),
        work_ms,
        skill,
        min_level,
        experience,
    })
}

/// `[[creatures]]`.
pub(super) fn creature(
    report: &mut Report<'_>,
    entry: Entry<'_, '_>,
    sections: &Sections<'_, '_>,
) -> Option<CreatureDef> {
    let id = SpeciesId(entry.byte());
    let Entry {
        mut fields, key, ..
    } = entry;
    let label = label(report, &mut fields, key);
    let behaviour = fields.choice(report, "behaviour", BEHAVIOURS);
    let health = fields.number(report, "health", HEALTH);
    let damage = fields.number(report, "damage", 0..=500_u16);
    let range_mm = fields.number_or(report, "range_mm", RANGE_MM, 1_500);
    let cooldown_ms = fields.number_or(report, "cooldown_ms", COOLDOWN_MS, 1_500);
    let speed_mm_s = fields.number(report, "speed_mm_s", 0..=MAX_SPEED_MM_S);
    let sight_mm = fields.number(report, "sight_mm", 0..=60_000_u32);
    let meter_harm = fields.number_or(report, "meter_harm", PERCENT, 0);
    let drawn_by_heat = fields.number_or(report, "drawn_by_heat", PERCENT, 0);
    let night_percent = fields.number_or(report, "night_percent", 10..=400_u16, 100);
    let biomes = biomes(report, &mut fields, sections);
    let weight = fields.number_or(report, "weight", 0..=1_000_u16, 0);
    let near_hub = fields.number_or(report, "near_hub", 0..=32_u8, 0);
    let hub_distance_m = fields.number_or(report, "hub_distance_m", 0..=1_000_u32, 0);
    let drops = drops(report, &mut fields, sections);
    let experience = fields.number(report, "experience", 0..=10_000_u16);
    let respawn_seconds = fields.number(report, "respawn_seconds", SECONDS);
    fields.finish(report);
    Some(CreatureDef {
        id,
        label,
        behaviour: behaviour?,
        health,
        damage,
        range_mm,
        cooldown_ms,
        speed_mm_s,
        sight_mm,
        meter_harm,
        drawn_by_heat,
        night_percent,
        biomes,
        weight,
        near_hub,
        hub_distance_m,
        drops,
        experience,
        respawn_seconds,
    })
}

/// `drops = [{ item = "hide", amount = [1, 2], per_mille = 800 }]`; none where it is left out.
fn drops(
    report: &mut Report<'_>,
    fields: &mut Fields<'_, '_>,
    sections: &Sections<'_, '_>,
) -> Box<[Drop]> {
    let tables = fields.tables(report, "drops");
    if tables.len() > 8 {
        let line = fields.line_of(report, "drops");
        let message = format!("`drops` has {} entries; write at most 8", tables.len());
        report.at_line(line, message);
    }
    let drop = |(table, line)| {
        let mut fields = Fields::new(table, line, "this drop".to_owned());
        let item = fields.reference(report, "item", "item", &sections.items.ids);
        let amount = fields.amount(report, "amount");
        let per_mille = fields.number_or(report, "per_mille", 1..=1_000_u16, 1_000);
        fields.finish(report);
        Drop {
            item: ItemId(item),
            amount,
            per_mille,
        }
    };
    tables.into_iter().map(drop).collect()
}
