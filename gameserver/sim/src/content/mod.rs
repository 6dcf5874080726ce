//! What genres are made of: one TOML file each (`content/*.toml`), read into [`Content`].
//!
//! A file is refused with every mistake that it has, each with its line and a remedy. What passes is
//! complete: references hold, numbers are within range, and everything can be had by play.

mod check;
mod defs;
mod fields;
mod glyphs;
mod mistake;
mod read;
#[expect(
    clippy::disallowed_types,
    reason = "what serde derives counts fields in usize"
)]
mod types;

use std::sync::LazyLock;

use crate::params::Genre;
use crate::state::{Hasher, Sink};

pub use glyphs::GLYPHS;
pub use mistake::{BadContent, Mistake};
pub use types::*;

use types::Parts;

/// Fastest that anything moves: velocities on the wire are an `i8` of 62.5 mm/s.
pub const MAX_SPEED_MM_S: u32 = 7_900;
/// Highest level of a skill that anything asks for.
pub const MAX_MIN_LEVEL: u8 = 50;
/// Longest content file, in bytes.
pub const MAX_FILE_BYTES: u32 = 1 << 20;

/// The content of one genre.
#[derive(Debug)]
pub struct Content {
    parts: Parts,
    json: Box<str>,
    hash: u64,
}

#[expect(
    clippy::disallowed_types,
    reason = "indices of what is built in, not state"
)]
impl Content {
    /// The content of a genre, as built in.
    ///
    /// # Panics
    /// Never: a test reads every built-in file.
    #[must_use]
    pub fn of(genre: Genre) -> &'static Self {
        static ALL: LazyLock<[Content; 5]> = LazyLock::new(|| {
            Genre::ALL.map(|genre| {
                let (file, text) = source(genre);
                Content::parse(file, text.as_bytes())
                    .unwrap_or_else(|mistakes| panic!("built-in content:\n{mistakes}"))
            })
        });
        let [fantasy, scifi, horror, cyberpunk, postapoc] = &*ALL;
        match genre {
            Genre::Fantasy => fantasy,
            Genre::SciFi => scifi,
            Genre::Horror => horror,
            Genre::Cyberpunk => cyberpunk,
            Genre::PostApoc => postapoc,
        }
    }

    /// Reads a file's bytes; `file` is its name in messages.
    ///
    /// # Errors
    /// Every mistake in it, up to 50, each with its line and a remedy.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, BadContent> {
        let parts = read::parts(file, bytes)?;
        let json = to_json(&parts);
        let mut hasher = Hasher::new();
        hasher.put_bytes(json.as_bytes());
        Ok(Self {
            parts,
            hash: hasher.finish(),
            json,
        })
    }

    /// The genre itself.
    #[must_use]
    pub fn genre(&self) -> &GenreDef {
        &self.parts.genre
    }

    /// What is particular to the genre.
    #[must_use]
    pub fn mechanic(&self) -> &MechanicDef {
        &self.parts.mechanic
    }

    /// How the land is shaped.
    #[must_use]
    pub fn terrain(&self) -> &TerrainDef {
        &self.parts.terrain
    }

    /// All biomes; a [`BiomeId`] is the index.
    #[must_use]
    pub fn biomes(&self) -> &[BiomeDef] {
        &self.parts.biomes
    }

    /// All items; an [`ItemId`] is the index plus 1.
    #[must_use]
    pub fn items(&self) -> &[ItemDef] {
        &self.parts.items
    }

    /// All resources; a [`ResourceId`] is the index.
    #[must_use]
    pub fn resources(&self) -> &[ResourceDef] {
        &self.parts.resources
    }

    /// All stations; a [`StationId`] is the index.
    #[must_use]
    pub fn stations(&self) -> &[StationDef] {
        &self.parts.stations
    }

    /// All recipes; a [`RecipeId`] is the index.
    #[must_use]
    pub fn recipes(&self) -> &[RecipeDef] {
        &self.parts.recipes
    }

    /// All creatures; a [`SpeciesId`] is the index.
    #[must_use]
    pub fn creatures(&self) -> &[CreatureDef] {
        &self.parts.creatures
    }

    /// A biome.
    #[must_use]
    pub fn biome(&self, id: BiomeId) -> Option<&BiomeDef> {
        self.parts.biomes.get(usize::from(id.0))
    }

    /// An item; none for 0.
    #[must_use]
    pub fn item(&self, id: ItemId) -> Option<&ItemDef> {
        self.parts.items.get(usize::from(id.0.checked_sub(1)?))
    }

    /// A resource.
    #[must_use]
    pub fn resource(&self, id: ResourceId) -> Option<&ResourceDef> {
        self.parts.resources.get(usize::from(id.0))
    }

    /// A station.
    #[must_use]
    pub fn station(&self, id: StationId) -> Option<&StationDef> {
        self.parts.stations.get(usize::from(id.0))
    }

    /// A recipe.
    #[must_use]
    pub fn recipe(&self, id: RecipeId) -> Option<&RecipeDef> {
        self.parts.recipes.get(usize::from(id.0))
    }

    /// A creature.
    #[must_use]
    pub fn creature(&self, id: SpeciesId) -> Option<&CreatureDef> {
        self.parts.creatures.get(usize::from(id.0))
    }

    /// The item whose id in the file is `key`.
    #[must_use]
    pub fn item_named(&self, key: &str) -> Option<ItemId> {
        let item = self.parts.items.iter().find(|item| *item.label.key == *key);
        item.map(|item| item.id)
    }

    /// All of it, as clients get it: one object with `genre`, `mechanic`, `terrain` and an array for each
    /// sort of thing, in the order of their numbers.
    #[must_use]
    pub fn to_json(&self) -> &str {
        &self.json
    }

    /// Hash of what the file means: comments, order of keys and layout do not count.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

fn to_json(parts: &Parts) -> Box<str> {
    // Integers, texts and arrays of them: there is nothing in it that JSON cannot say.
    serde_json::to_string(parts)
        .unwrap_or_default()
        .into_boxed_str()
}

fn source(genre: Genre) -> (&'static str, &'static str) {
    match genre {
        Genre::Fantasy => ("fantasy.toml", include_str!("../../content/fantasy.toml")),
        Genre::SciFi => ("scifi.toml", include_str!("../../content/scifi.toml")),
        Genre::Horror => ("horror.toml", include_str!("../../content/horror.toml")),
        Genre::Cyberpunk => (
            "cyberpunk.toml",
            include_str!("../../content/cyberpunk.toml"),
        ),
        Genre::PostApoc => ("postapoc.toml", include_str!("../../content/postapoc.toml")),
    }
}

#[cfg(test)]
mod tests;
