//! Checks that look at all of a file: has every place its biome, can everything be had by play, is there
//! something for a new player to do, is nothing meant for another mechanic.

use std::collections::BTreeSet;

use super::mistake::Report;
use super::read::Lines;
use super::types::Parts;
use super::types::{
    BiomeDef, BiomeId, Device, Exposure, Ground, ItemId, ItemKind, Mechanic, RecipeDef,
    ResourceDef, Skill, StationKind, ToolNeed,
};

/// Notes every mistake of parts that are each well-formed.
pub(super) fn all(report: &mut Report<'_>, parts: &Parts, lines: &Lines) {
    biomes(report, parts, lines);
    homes(report, parts, lines);
    presence(report, parts, lines);
    new_players(report, parts, lines);
    mechanic(report, parts, lines);
    items(report, parts, lines);
    obtainable(report, parts, lines);
}

/// Each tile has one biome, each biome has tiles, and hubs lie on open ground.
fn biomes(report: &mut Report<'_>, parts: &Parts, lines: &Lines) {
    let reaches = |earlier: &BiomeDef, later: &BiomeDef| {
        earlier.height_below >= later.height_below && earlier.moisture_below >= later.moisture_below
    };
    let mut hubs = 0;
    let mut before: Vec<&BiomeDef> = Vec::new();
    for (biome, line) in parts.biomes.iter().zip(&lines.biomes) {
        if let Some(hider) = before.iter().find(|earlier| reaches(earlier, biome)) {
            let message = format!(
                "no tile can be biome `{}`: `{}` comes first and takes all of its heights and moistures; move it up or raise its bounds",
                biome.key, hider.key
            );
            report.at_line(*line, message);
        }
        before.push(biome);
        if biome.hub {
            hubs += 1;
            if biome.ground != Ground::Open {
                let message = format!(
                    "hubs lie in biome `{}`, whose ground is not Open; set hub = true in one that is",
                    biome.key
                );
                report.at_line(*line, message);
            }
            if biome.exposure == Exposure::Harsh {
                let message = format!(
                    "hubs lie in biome `{}`, which is Harsh; new players would be hurt where they appear",
                    biome.key
                );
                report.at_line(*line, message);
            }
        }
    }
    let first = lines.biomes.first().copied().unwrap_or(1);
    if hubs != 1 {
        let message = format!("{hubs} biomes have hub = true; set it in exactly one");
        report.at_line(first, message);
    }
    if let (Some(last), Some(line)) = (parts.biomes.last(), lines.biomes.last())
        && (last.height_below, last.moisture_below) != (65_536, 65_536)
    {
        let message = format!(
            "the last biome, `{}`, leaves tiles without any; leave out its height_below and moisture_below",
            last.key
        );
        report.at_line(*line, message);
    }
}

/// Things live where a body can stand.
fn homes(report: &mut Report<'_>, parts: &Parts, lines: &Lines) {
    let mut check = |key: &str, biomes: &[BiomeId], line: u32| {
        for biome in &parts.biomes {
            if biomes.contains(&biome.id) && !biome.ground.is_passable() {
                let message = format!(
                    "`{key}` lives in biome `{}`, where nobody can walk; choose an Open or Slow one",
                    biome.key
                );
                report.at_line(line, message);
            }
        }
    };
    for (resource, line) in parts.resources.iter().zip(&lines.resources) {
        check(&resource.label.key, &resource.biomes, *line);
    }
    for (creature, line) in parts.creatures.iter().zip(&lines.creatures) {
        check(&creature.label.key, &creature.biomes, *line);
    }
}

/// Everything is somewhere.
fn presence(report: &mut Report<'_>, parts: &Parts, lines: &Lines) {
    let mut absent = |sort: &str, key: &str, share: &str, line: u32| {
        let message = format!(
            "{sort} `{key}` is nowhere in the world; give it {share} or near_hub of at least 1"
        );
        report.at_line(line, message);
    };
    for (resource, line) in parts.resources.iter().zip(&lines.resources) {
        if resource.per_square_km == 0 && resource.near_hub == 0 {
            absent("resource", &resource.label.key, "per_square_km", *line);
        }
    }
    for (station, line) in parts.stations.iter().zip(&lines.stations) {
        if station.per_square_km == 0 && station.near_hub == 0 {
            absent("station", &station.label.key, "per_square_km", *line);
        }
    }
    for (creature, line) in parts.creatures.iter().zip(&lines.creatures) {
        if creature.weight == 0 && creature.near_hub == 0 {
            absent("creature", &creature.label.key, "weight", *line);
        }
    }
}

/// Around a hub there is something to gather by hand, something to drink and something weak to fight.
fn new_players(report: &mut Report<'_>, parts: &Parts, lines: &Lines) {
    let by_hand = |resource: &ResourceDef| {
        resource.near_hub > 0 && resource.tool.is_none() && resource.min_level == 1
    };
    if !parts.resources.iter().any(by_hand) {
        let line = lines.resources.first().copied().unwrap_or(1);
        let message = "a new player finds nothing to gather by hand; give a resource near_hub, and neither tool nor min_level";
        report.at_line(line, message.to_owned());
    }
    let water = |kind: &StationKind| matches!(kind, StationKind::Water { .. });
    if !(parts.stations.iter()).any(|station| station.near_hub > 0 && water(&station.kind)) {
        let line = lines.stations.first().copied().unwrap_or(1);
        let message =
            "a new player finds nothing to drink; give a station of kind Water near_hub = 1";
        report.at_line(line, message.to_owned());
    }
    let weak = |creature: &&super::types::CreatureDef| {
        creature.near_hub > 0 && creature.health <= 40 && creature.damage <= 6
    };
    if parts.creatures.iter().find(weak).is_none() {
        let line = lines.creatures.first().copied().unwrap_or(1);
        let message = "a new player finds nothing that it could kill; give a creature of at most 40 health and 6 damage near_hub";
        report.at_line(line, message.to_owned());
    }
}

/// Nothing is meant for a mechanic that this genre does not have.
fn mechanic(report: &mut Report<'_>, parts: &Parts, lines: &Lines) {
    let heat = matches!(parts.mechanic.rules, Mechanic::Heat { .. });
    let sanity = matches!(parts.mechanic.rules, Mechanic::Sanity { .. });
    let mut only = |what: &str, key: &str, with: &str, line: u32| {
        let message = format!(
            "{what} of `{key}` does nothing here: only the mechanic {with} has a use for it; take it out"
        );
        report.at_line(line, message);
    };
    for (item, line) in parts.items.iter().zip(&lines.items) {
        match &item.kind {
            ItemKind::Device(Device::Deck { .. }) if !heat => {
                only("the deck", &item.label.key, "Heat", *line);
            }
            ItemKind::Device(Device::Light { .. }) if !sanity => {
                only("the light", &item.label.key, "Sanity", *line);
            }
            _ => {}
        }
    }
    for (station, line) in parts.stations.iter().zip(&lines.stations) {
        if !heat && matches!(station.kind, StationKind::Terminal { .. }) {
            only("the kind", &station.label.key, "Heat", *line);
        }
    }
    for (creature, line) in parts.creatures.iter().zip(&lines.creatures) {
        if !heat && creature.drawn_by_heat > 0 {
            only("drawn_by_heat", &creature.label.key, "Heat", *line);
        }
    }
}

/// What is eaten or applied does something; what is shot is no tool itself.
fn items(report: &mut Report<'_>, parts: &Parts, lines: &Lines) {
    for (item, line) in parts.items.iter().zip(&lines.items) {
        let key = &item.label.key;
        let nothing = match &item.kind {
            ItemKind::Food(food) => {
                food.hunger == 0 && food.thirst == 0 && food.health == 0 && food.meter == 0
            }
            ItemKind::Device(Device::Medicine { health, meter }) => *health == 0 && *meter == 0,
            _ => false,
        };
        if nothing {
            let message = format!(
                "item `{key}` does nothing when it is used; give it an effect, or make it a Material"
            );
            report.at_line(*line, message);
        }
        if let ItemKind::Weapon(weapon) = &item.kind
            && let Some(ammo) = weapon.ammo
            && parts
                .items
                .iter()
                .any(|item| item.id == ammo && item.place().is_some())
        {
            let message =
                format!("the ammo of weapon `{key}` is itself worn or held; name a Material");
            report.at_line(*line, message);
        }
    }
}

/// Everything can be had, starting with bare hands. What cannot be is told once, at its cause.
fn obtainable(report: &mut Report<'_>, parts: &Parts, lines: &Lines) {
    let had = Had::closure(parts);
    for (resource, line) in parts.resources.iter().zip(&lines.resources) {
        let ResourceDef {
            skill, min_level, ..
        } = resource;
        if !had.level(*skill, *min_level) {
            let message = format!(
                "resource `{}` can never be gathered: {}",
                resource.label.key,
                untaught(*skill, *min_level)
            );
            report.at_line(*line, message);
        }
        if let Some(need) = resource.tool
            && !had.tool(parts, need)
        {
            let ToolNeed { class, power } = need;
            let message = format!(
                "resource `{}` can never be gathered: no tool of class {class:?} and power {power} can be had before it; lower the power, or let such a tool be made of other things",
                resource.label.key
            );
            report.at_line(*line, message);
        }
    }
    for (station, line) in parts.stations.iter().zip(&lines.stations) {
        if let StationKind::Terminal { deck, .. } = station.kind
            && !had.deck(parts, deck)
        {
            let message = format!(
                "terminal `{}` can never be opened: no deck of power {deck} can be had before it",
                station.label.key
            );
            report.at_line(*line, message);
        }
    }
    let name = |id: ItemId| {
        let item = parts.items.iter().find(|item| item.id == id);
        item.map_or("", |item| &*item.label.key)
    };
    for (recipe, line) in parts.recipes.iter().zip(&lines.recipes) {
        let RecipeDef {
            skill, min_level, ..
        } = recipe;
        if !had.level(*skill, *min_level) {
            let message = format!(
                "recipe `{}` can never be started: {}",
                recipe.key,
                untaught(*skill, *min_level)
            );
            report.at_line(*line, message);
        }
        let missing = recipe
            .inputs
            .iter()
            .find(|input| !had.items.contains(&input.item));
        // An item that nothing yields is told at the item.
        if let Some(missing) = missing
            && yielded(parts, missing.item)
        {
            let message = if needs(parts, missing.item, recipe.output.item) {
                format!(
                    "recipe `{}` can never be started: it needs `{}`, which takes `{}` to make; let one of them come from elsewhere",
                    recipe.key,
                    name(missing.item),
                    name(recipe.output.item)
                )
            } else {
                format!(
                    "recipe `{}` can never be started: `{}` cannot be had",
                    recipe.key,
                    name(missing.item)
                )
            };
            report.at_line(*line, message);
        }
    }
    for (item, line) in parts.items.iter().zip(&lines.items) {
        if !yielded(parts, item.id) {
            let message = format!(
                "nothing yields item `{}`; add a recipe, a resource or a drop for it, or take it out",
                item.label.key
            );
            report.at_line(*line, message);
        }
    }
}

fn untaught(skill: Skill, level: u8) -> String {
    format!(
        "nobody reaches level {level} of {skill:?}, because nothing that asks for less teaches it; add a recipe or resource of level 1 that does"
    )
}

/// Anything at all gives this item, whether or not that can be reached.
fn yielded(parts: &Parts, item: ItemId) -> bool {
    let drops = parts
        .creatures
        .iter()
        .flat_map(|creature| &creature.drops)
        .map(|drop| drop.item);
    let resources = parts.resources.iter().map(|resource| resource.item);
    let recipes = parts.recipes.iter().map(|recipe| recipe.output.item);
    let pays = parts
        .stations
        .iter()
        .filter_map(|station| match station.kind {
            StationKind::Terminal { pays, .. } => Some(pays),
            _ => None,
        });
    let mut all = drops.chain(resources).chain(recipes).chain(pays);
    all.any(|given| given == item)
}

/// Making `item` takes `needed` somewhere along the way.
fn needs(parts: &Parts, item: ItemId, needed: ItemId) -> bool {
    let mut open = vec![item];
    let mut seen = BTreeSet::new();
    while let Some(next) = open.pop() {
        if next == needed {
            return true;
        }
        if seen.insert(next) {
            let makers = parts
                .recipes
                .iter()
                .filter(|recipe| recipe.output.item == next);
            open.extend(makers.flat_map(|recipe| recipe.inputs.iter().map(|input| input.item)));
        }
    }
    false
}

/// What a player can have and learn.
pub(super) struct Had {
    pub(super) items: BTreeSet<ItemId>,
    /// Skills that can be raised, and so to any level.
    skills: BTreeSet<Skill>,
}

impl Had {
    /// All that can be had and learnt from nothing: rounds of gathering and making, until one brings
    /// nothing new.
    pub(super) fn closure(parts: &Parts) -> Self {
        let drops = parts
            .creatures
            .iter()
            .flat_map(|creature| &creature.drops)
            .map(|drop| drop.item);
        let mut had = Self {
            items: drops.collect(),
            // Blows and meals teach these.
            skills: [Skill::Fighting, Skill::Surviving].into(),
        };
        loop {
            let before = (had.items.len(), had.skills.len());
            for resource in &parts.resources {
                if resource.tool.is_none_or(|need| had.tool(parts, need))
                    && had.level(resource.skill, resource.min_level)
                {
                    had.items.insert(resource.item);
                    had.learn(resource.skill, resource.experience);
                }
            }
            for station in &parts.stations {
                if let StationKind::Terminal {
                    pays,
                    deck,
                    experience,
                    ..
                } = station.kind
                    && had.deck(parts, deck)
                {
                    had.items.insert(pays);
                    had.learn(Skill::Lore, experience);
                }
            }
            for recipe in &parts.recipes {
                if had.can_make(recipe) {
                    had.items.insert(recipe.output.item);
                    had.learn(recipe.skill, recipe.experience);
                }
            }
            if (had.items.len(), had.skills.len()) == before {
                return had;
            }
        }
    }

    fn learn(&mut self, skill: Skill, experience: u16) {
        if experience > 0 {
            self.skills.insert(skill);
        }
    }

    fn level(&self, skill: Skill, level: u8) -> bool {
        level <= 1 || self.skills.contains(&skill)
    }

    fn can_make(&self, recipe: &RecipeDef) -> bool {
        self.level(recipe.skill, recipe.min_level)
            && recipe
                .inputs
                .iter()
                .all(|input| self.items.contains(&input.item))
    }

    fn any(&self, parts: &Parts, fits: impl Fn(&ItemKind) -> bool) -> bool {
        parts
            .items
            .iter()
            .any(|item| self.items.contains(&item.id) && fits(&item.kind))
    }

    fn tool(&self, parts: &Parts, need: ToolNeed) -> bool {
        self.any(parts, |kind| match kind {
            ItemKind::Tool(tool) => tool.class == need.class && tool.power >= need.power,
            _ => false,
        })
    }

    fn deck(&self, parts: &Parts, power: u8) -> bool {
        power == 0
            || self.any(parts, |kind| match kind {
                ItemKind::Device(Device::Deck { power: has }) => *has >= power,
                _ => false,
            })
    }
}
