//! What a genre is made of, as the simulation and the clients see it: references are numbers, ranges
//! are checked. Only [`super::Content::parse`] makes these, so whoever holds one need not check again.
//!
//! Lengths are millimetres, times are milliseconds or seconds as the name says, rates of the
//! mechanic's meter are points a minute (the meter has 100).

use serde::{Serialize, Serializer};

/// An item's number: from 1, in the file's order. 0 is no item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ItemId(pub u16);

/// A recipe's number: from 0, in the file's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RecipeId(pub u16);

/// A creature's number: from 0, in the file's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SpeciesId(pub u8);

/// A resource's number: from 0, in the file's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ResourceId(pub u8);

/// A station's number: from 0, in the file's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct StationId(pub u8);

/// A biome's number: from 0, in the file's order. Terrain is made of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct BiomeId(pub u8);

/// A color, 0xRRGGBB; "#rrggbb" in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Color(pub u32);

impl Serialize for Color {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("#{:06x}", self.0))
    }
}

/// How a thing looks: the name of one of the shapes that a client can draw, see [`super::GLYPHS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Glyph(pub &'static str);

/// How a thing is called and drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Label {
    /// The id in the file, kebab-case, unique among things of its sort.
    pub key: Box<str>,
    /// For players.
    pub name: Box<str>,
    /// A sentence for players.
    pub text: Box<str>,
    /// Shape.
    pub glyph: Glyph,
    /// Color.
    pub color: Color,
}

/// From `least` to `most`, both included; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// Smallest, from 1.
    pub least: u16,
    /// Largest.
    pub most: u16,
}

/// So many of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ItemCount {
    /// Which.
    pub item: ItemId,
    /// How many, from 1.
    pub count: u16,
}

/// Where equipment is worn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Place {
    /// Weapons, tools and most devices.
    Hand,
    /// Helmets.
    Head,
    /// Armour.
    Body,
    /// Charms and other wards.
    Trinket,
}

/// What a player gets better at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Skill {
    /// Taking from the land.
    Gathering,
    /// Making things.
    Crafting,
    /// Fighting.
    Fighting,
    /// Trading.
    Trading,
    /// Eating, drinking, enduring.
    Surviving,
    /// What is particular to the genre: spells, suits, nerves, networks, doses.
    Lore,
}

/// What a tool is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ToolClass {
    /// Axes and saws.
    Chop,
    /// Picks and drills.
    Mine,
    /// Knives and sickles.
    Cut,
    /// Shovels.
    Dig,
    /// Crowbars and wrenches.
    Pry,
    /// Buckets, pumps and samplers.
    Draw,
}

/// The genre itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GenreDef {
    /// The name, as in [`crate::Genre::as_str`].
    pub id: &'static str,
    /// For players.
    pub title: Box<str>,
    /// A sentence or two for players.
    pub description: Box<str>,
    /// Length of a day and a night together. The second half is night.
    pub day_seconds: u32,
}

/// How the generator shapes the land.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TerrainDef {
    /// Sides of the cells of the height's noise in tiles, coarse to fine; weighted 4 : 2 : 1.
    pub height_cells: [u32; 3],
    /// Side of the cells of the moisture's noise in tiles.
    pub moisture_cell: u32,
}

/// Whether and how a body can be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Ground {
    /// Walked at full speed.
    Open,
    /// Walked at half speed.
    Slow,
    /// Cannot be walked: lake, canal, sludge.
    Water,
    /// Cannot be walked: cliff, wall.
    Rock,
}

impl Ground {
    /// A body can stand on it.
    #[must_use]
    pub fn is_passable(self) -> bool {
        matches!(self, Self::Open | Self::Slow)
    }

    /// A body walks on it at half speed.
    #[must_use]
    pub fn is_slow(self) -> bool {
        self == Self::Slow
    }
}

/// What being in a biome means to the mechanic; see [`Mechanic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Exposure {
    /// The mechanic's usual course.
    Usual,
    /// The mechanic is kind here: air, light, a crowd to hide in.
    Sheltered,
    /// The mechanic bites here: hot ground, dark wood, watched streets.
    Harsh,
}

/// A kind of land. A tile belongs to the first biome in the file's order whose two bounds are above the
/// tile's height and moisture (each 0 to 65,535); the last biome's bounds are 65,536, so each tile has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BiomeDef {
    /// Its number.
    pub id: BiomeId,
    /// The id in the file.
    pub key: Box<str>,
    /// For players.
    pub name: Box<str>,
    /// How it is walked.
    pub ground: Ground,
    /// Color on the map.
    pub color: Color,
    /// Heights below this.
    pub height_below: u32,
    /// Moistures below this.
    pub moisture_below: u32,
    /// The land around hubs; true of exactly one, whose ground is open.
    pub hub: bool,
    /// What it means to the mechanic.
    pub exposure: Exposure,
}

/// An item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ItemDef {
    /// Its number.
    pub id: ItemId,
    /// Name and looks.
    #[serde(flatten)]
    pub label: Label,
    /// Most in one slot, from 1.
    pub stack: u16,
    /// What it is for.
    #[serde(flatten)]
    pub kind: ItemKind,
}

impl ItemDef {
    /// Where it is worn, if at all.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        match &self.kind {
            ItemKind::Material | ItemKind::Food(_) => None,
            ItemKind::Weapon(_) | ItemKind::Tool(_) => Some(Place::Hand),
            ItemKind::Armour(armour) => Some(armour.place),
            ItemKind::Device(device) => match device {
                Device::Bolt { .. } | Device::Light { .. } | Device::Deck { .. } => {
                    Some(Place::Hand)
                }
                Device::Ward { .. } => Some(Place::Trinket),
                Device::Heal { .. } | Device::Medicine { .. } => None,
            },
        }
    }
}

/// What an item is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind")]
pub enum ItemKind {
    /// An input of recipes, or a thing to trade.
    Material,
    /// Used up by eating, drinking or applying it.
    Food(Food),
    /// Held: attacks.
    Weapon(Weapon),
    /// Held: gathers.
    Tool(Tool),
    /// Worn: takes a share of each blow.
    Armour(Armour),
    /// Works on the genre's mechanic.
    Device(Device),
}

/// What food does at once. Positive is good for the eater, also for the meter of the mechanic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Food {
    /// Points of 100.
    pub hunger: i8,
    /// Points of 100.
    pub thirst: i8,
    /// Points of health.
    pub health: i16,
    /// Points of 100 towards the meter's good end.
    pub meter: i8,
}

/// A weapon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Weapon {
    /// Of one hit, before armour.
    pub damage: u16,
    /// How far it reaches.
    pub range_mm: u32,
    /// From one attack to the next.
    pub cooldown_ms: u32,
    /// Each attack uses up one of these from the inventory.
    pub ammo: Option<ItemId>,
}

/// A tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// What it is made for.
    pub class: ToolClass,
    /// How good it is, 1 to 5: a resource may ask for more than some have.
    pub power: u8,
}

/// Armour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Armour {
    /// Head or body.
    pub place: Place,
    /// Share of a blow that it takes, in percent; those of all places add up.
    pub protection: u8,
    /// Like [`Device::Ward`].
    pub ward: u8,
}

/// A device. Costs move the meter of the mechanic towards its bad end, and a device that cannot be paid
/// for does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "device")]
pub enum Device {
    /// Held: attacks, and each attack costs.
    Bolt {
        /// Of one hit, before armour.
        damage: u16,
        /// How far it reaches.
        range_mm: u32,
        /// From one attack to the next.
        cooldown_ms: u32,
        /// Points of the meter.
        cost: u8,
    },
    /// Used, not used up: gives health and costs.
    Heal {
        /// Points of health.
        health: u16,
        /// From one use to the next.
        cooldown_ms: u32,
        /// Points of the meter.
        cost: u8,
    },
    /// Used up: gives health, and moves the meter towards its good end.
    Medicine {
        /// Points of health.
        health: u16,
        /// Points of 100.
        meter: u8,
    },
    /// Held: light, which keeps the dark away.
    Light {
        /// How far it shines: all who stand in it are in light.
        radius_mm: u32,
    },
    /// Held: opens terminals that ask for at most its power.
    Deck {
        /// 1 to 5.
        power: u8,
    },
    /// Worn as a trinket: the mechanic's harm is less by so many percent; mana comes back faster by as many.
    Ward {
        /// Percent.
        ward: u8,
    },
}

/// What a resource asks of the tool in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ToolNeed {
    /// Made for this.
    pub class: ToolClass,
    /// At least this good.
    pub power: u8,
}

/// A thing that stands in the land and gives an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceDef {
    /// Its number.
    pub id: ResourceId,
    /// Name and looks.
    #[serde(flatten)]
    pub label: Label,
    /// What it gives.
    pub item: ItemId,
    /// How many each time.
    pub amount: Amount,
    /// How many times until it is depleted.
    pub charges: u8,
    /// From depleted to full.
    pub regrow_seconds: u32,
    /// None: bare hands will do.
    pub tool: Option<ToolNeed>,
    /// How long one gathering takes.
    pub work_ms: u32,
    /// The skill that it takes and teaches.
    pub skill: Skill,
    /// The level of that skill that it takes; everyone starts with 1.
    pub min_level: u8,
    /// What one gathering teaches.
    pub experience: u16,
    /// Where it grows: never empty, each can be walked.
    pub biomes: Box<[BiomeId]>,
    /// How many to a square kilometre of the world.
    pub per_square_km: u16,
    /// How many stand around each hub besides.
    pub near_hub: u8,
}

/// A thing that stands in the land and is worked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StationDef {
    /// Its number.
    pub id: StationId,
    /// Name and looks.
    #[serde(flatten)]
    pub label: Label,
    /// What it does.
    #[serde(flatten)]
    pub kind: StationKind,
    /// How many to a square kilometre of the world.
    pub per_square_km: u16,
    /// How many stand around each hub besides.
    pub near_hub: u8,
}

/// What a station does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind")]
pub enum StationKind {
    /// Recipes are made at it.
    Craft,
    /// Interact: quenches thirst.
    Water {
        /// Points of 100.
        thirst: u8,
    },
    /// Whoever is near has the mechanic's relief: ley stone, habitat, bonfire, safe house, shower.
    Haven {
        /// How near.
        radius_mm: u32,
    },
    /// Interact: pays an item and raises heat, then is locked for a time.
    Terminal {
        /// What it pays.
        pays: ItemId,
        /// How many.
        amount: Amount,
        /// Points of the meter.
        heat: u8,
        /// How long it is locked.
        locked_seconds: u32,
        /// The deck in hand must have at least this power; 0 asks for no deck.
        deck: u8,
        /// What it teaches (Lore).
        experience: u16,
    },
}

/// How an item is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecipeDef {
    /// Its number.
    pub id: RecipeId,
    /// The id in the file.
    pub key: Box<str>,
    /// What goes in: 1 to 6 different items.
    pub inputs: Box<[ItemCount]>,
    /// What comes out.
    pub output: ItemCount,
    /// Where; none: anywhere, by hand.
    pub station: Option<StationId>,
    /// How long it takes.
    pub work_ms: u32,
    /// The skill that it takes and teaches.
    pub skill: Skill,
    /// The level of that skill that it takes; everyone starts with 1.
    pub min_level: u8,
    /// What one making teaches.
    pub experience: u16,
}

/// What a creature does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Behaviour {
    /// Stands and feeds, ambles on; fights back when struck.
    Graze,
    /// Goes about; fights back when struck.
    Wander,
    /// Goes about; runs from whoever comes near.
    Flee,
    /// Attacks whom it sees, and pursues.
    Hunt,
    /// Hunts, and calls its own kind.
    Pack,
    /// Stands still until someone is very near, then strikes.
    Ambush,
    /// Attacks whoever comes near the place that it keeps, and returns to it.
    Guard,
}

/// What a creature may leave behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Drop {
    /// Which item.
    pub item: ItemId,
    /// How many.
    pub amount: Amount,
    /// How often: of 1,000.
    pub per_mille: u16,
}

/// A kind of creature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreatureDef {
    /// Its number.
    pub id: SpeciesId,
    /// Name and looks.
    #[serde(flatten)]
    pub label: Label,
    /// What it does.
    pub behaviour: Behaviour,
    /// Full health.
    pub health: u16,
    /// Of one hit, before armour; 0: it never attacks.
    pub damage: u16,
    /// How far its attack reaches.
    pub range_mm: u32,
    /// From one attack to the next.
    pub cooldown_ms: u32,
    /// Millimetres a second, at most [`super::MAX_SPEED_MM_S`].
    pub speed_mm_s: u32,
    /// How far it notices players.
    pub sight_mm: u32,
    /// Each of its hits moves the victim's meter so many points towards the bad end.
    pub meter_harm: u8,
    /// Hunts players whose heat is at least this, from far beyond its sight; 0: never.
    pub drawn_by_heat: u8,
    /// Its damage and sight at night, in percent of those by day.
    pub night_percent: u16,
    /// Where it lives: never empty, each can be walked.
    pub biomes: Box<[BiomeId]>,
    /// Its share among the creatures of a world.
    pub weight: u16,
    /// How many live around each hub besides.
    pub near_hub: u8,
    /// Others of it appear at least so far from every hub.
    pub hub_distance_m: u32,
    /// What it may leave behind.
    pub drops: Box<[Drop]>,
    /// What killing it teaches (Fighting).
    pub experience: u16,
    /// From death to the next one.
    pub respawn_seconds: u32,
}

/// How the meter of a genre is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MechanicDef {
    /// For players.
    pub name: Box<str>,
    /// A sentence for players.
    pub text: Box<str>,
    /// Color of the meter.
    pub color: Color,
    /// Its numbers.
    #[serde(flatten)]
    pub rules: Mechanic,
}

/// What is particular to a genre. All rates are points of the meter (of 100) a minute, except where they
/// say health. Wards ([`Device::Ward`], [`Armour::ward`]) lower harm by their percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind")]
pub enum Mechanic {
    /// Fantasy. The meter starts at 100 and pays for devices; it comes back by itself.
    Mana {
        /// On usual ground.
        regen_per_minute: u16,
        /// Near a haven.
        haven_per_minute: u16,
        /// On harsh ground (dead land).
        harsh_per_minute: u16,
        /// On sheltered ground (enchanted land).
        sheltered_per_minute: u16,
    },
    /// `SciFi`. The meter starts at 100 and drains outside; at 0, health falls.
    Oxygen {
        /// On usual ground.
        drain_per_minute: u16,
        /// On harsh ground.
        harsh_per_minute: u16,
        /// Near a haven and on sheltered ground it comes back.
        refill_per_minute: u16,
        /// At 0.
        health_loss_per_minute: u16,
    },
    /// Horror. The meter starts at 100. At night it drains away from light (havens, lights in hand) and
    /// sheltered ground; on harsh ground by day as well. At 0, health falls and creatures notice from afar.
    Sanity {
        /// At night in the dark.
        night_per_minute: u16,
        /// On harsh ground away from light, by day and night.
        harsh_per_minute: u16,
        /// In light.
        light_per_minute: u16,
        /// By day.
        day_per_minute: u16,
        /// At 0.
        health_loss_per_minute: u16,
        /// Sight of creatures towards those at 0, in percent.
        notice_percent: u16,
    },
    /// Cyberpunk. The meter starts at 0; terminals, kills and costs raise it, time lowers it. Creatures that
    /// are drawn by heat hunt the hottest.
    Heat {
        /// On usual ground.
        fall_per_minute: u16,
        /// Near a haven.
        haven_per_minute: u16,
        /// On sheltered ground.
        sheltered_per_minute: u16,
        /// Harsh ground raises it.
        harsh_per_minute: u16,
        /// Killing anything that is drawn by heat raises it by so many points.
        kill: u8,
    },
    /// `PostApoc`. The meter starts at 0; harsh ground adds dose, and dose lowers the greatest health.
    Radiation {
        /// On harsh ground.
        harsh_per_minute: u16,
        /// It falls on other ground.
        fall_per_minute: u16,
        /// It falls near a haven and on sheltered ground.
        haven_per_minute: u16,
        /// At a dose of 100 the greatest health is less by so many percent.
        health_lost_percent: u8,
    },
}

impl Mechanic {
    /// The meter's good end is 100 (otherwise 0). The meter starts at its good end.
    #[must_use]
    pub fn full_is_good(self) -> bool {
        match self {
            Self::Mana { .. } | Self::Oxygen { .. } | Self::Sanity { .. } => true,
            Self::Heat { .. } | Self::Radiation { .. } => false,
        }
    }
}

/// All that is in a file, and in the JSON for clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Parts {
    pub(super) genre: GenreDef,
    pub(super) mechanic: MechanicDef,
    pub(super) terrain: TerrainDef,
    pub(super) biomes: Box<[BiomeDef]>,
    pub(super) items: Box<[ItemDef]>,
    pub(super) resources: Box<[ResourceDef]>,
    pub(super) stations: Box<[StationDef]>,
    pub(super) recipes: Box<[RecipeDef]>,
    pub(super) creatures: Box<[CreatureDef]>,
}
