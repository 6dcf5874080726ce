//! The ground: value noise in integer arithmetic, made from the public seed alone. It is derived
//! state: never saved, made again on restore, and checked by its hash.

use crate::content::{BiomeDef, BiomeId, Content, Exposure, Ground};
use crate::params::Params;
use crate::rng::{Rng, Stream, mix};
use crate::state::{Hasher, Sink};
use crate::units::{Position, UNITS_PER_METRE};

/// Version of the generator. Any change to what a seed makes raises it.
pub const GENERATOR_VERSION: u16 = 2;
/// Side of a tile of ground, in metres.
pub const TILE_METRES: u32 = 4;
const TILE: i32 = TILE_METRES.cast_signed() * UNITS_PER_METRE;
/// Half the side of the open place around a hub, in metres.
const HUB_METRES: u32 = 24;
/// A hub keeps this distance from the edge, in metres.
const HUB_MARGIN: u32 = 40;

/// The ground of a world, and where players appear on it.
#[derive(Debug)]
pub struct Terrain {
    tiles: Vec<BiomeId>,
    /// By biome.
    kinds: Vec<(Ground, Exposure)>,
    /// Tiles of a side.
    side: u32,
    /// Side in millimetres.
    extent: i32,
    /// Middles of the open places where players appear.
    hubs: Vec<Position>,
    hash: u64,
}

impl Terrain {
    /// Makes the ground of a seed. Nothing else of the world has a part in it.
    #[must_use]
    pub fn new(params: &Params, seed: u64) -> Self {
        let content = Content::of(params.genre());
        let side = params.size_metres().div_ceil(TILE_METRES);
        let shape = content.terrain();
        let height_key = Rng::new(seed, Stream::Terrain, 0).next();
        let moisture_key = Rng::new(seed, Stream::Moisture, 0).next();
        let mut tiles = Vec::new();
        for y in 0..side {
            for x in 0..side {
                let height = height(height_key, &shape.height_cells, x, y);
                let moisture = noise(moisture_key, shape.moisture_cell, x, y);
                tiles.push(biome(content.biomes(), height, moisture));
            }
        }
        let kinds = content.biomes().iter();
        let mut terrain = Self {
            tiles,
            kinds: kinds.map(|biome| (biome.ground, biome.exposure)).collect(),
            side,
            extent: params.size_metres().cast_signed() * UNITS_PER_METRE,
            hubs: hubs(params.size_metres(), seed),
            hash: 0,
        };
        let mut biomes = content.biomes().iter();
        if let Some(open) = biomes.find(|biome| biome.hub) {
            terrain.open_hubs(open.id);
        }
        terrain.hash = terrain.compute_hash();
        terrain
    }

    fn open_hubs(&mut self, open: BiomeId) {
        let reach = HUB_METRES.cast_signed() * UNITS_PER_METRE + TILE;
        for hub in self.hubs.clone() {
            for y in (hub.y - reach..=hub.y + reach).step_by(4000) {
                for x in (hub.x - reach..=hub.x + reach).step_by(4000) {
                    if let Some(tile) = self.index(Position { x, y })
                        && let Some(biome) = self.tiles.get_mut(tile)
                    {
                        *biome = open;
                    }
                }
            }
        }
    }

    fn compute_hash(&self) -> u64 {
        let mut hasher = Hasher::new();
        hasher.put(GENERATOR_VERSION.into(), 2);
        hasher.put(self.side.into(), 4);
        for hub in &self.hubs {
            hasher.put(u64::from(hub.x.cast_unsigned()), 4);
            hasher.put(u64::from(hub.y.cast_unsigned()), 4);
        }
        for (ground, exposure) in &self.kinds {
            hasher.put(u64::from(ground.is_passable()), 1);
            hasher.put(u64::from(ground.is_slow()), 1);
            hasher.put(u64::from(*exposure == Exposure::Harsh), 1);
            hasher.put(u64::from(*exposure == Exposure::Sheltered), 1);
        }
        for tiles in self.tiles.chunks(8) {
            let word = tiles
                .iter()
                .fold(0, |word, BiomeId(biome)| (word << 8) | u64::from(*biome));
            hasher.put(word, 8);
        }
        hasher.finish()
    }

    /// Hash of what the seed made: the same in every incarnation of this world.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Tiles of a side.
    #[must_use]
    pub fn side(&self) -> u32 {
        self.side
    }

    /// The biome of a tile, as an index into the content's biomes; none outside the world.
    #[must_use]
    pub fn biome(&self, tile_x: u32, tile_y: u32) -> Option<u8> {
        if tile_x >= self.side || tile_y >= self.side {
            return None;
        }
        #[expect(clippy::disallowed_types, reason = "an index of derived data")]
        let at: usize = (tile_y * self.side + tile_x).try_into().ok()?;
        self.tiles.get(at).map(|BiomeId(biome)| *biome)
    }

    /// The biomes of 32 x 32 tiles, row by row from the south-west; 255 where a tile lies outside the
    /// world. None where the whole chunk does.
    #[must_use]
    pub fn chunk(&self, chunk_x: u32, chunk_y: u32) -> Option<[u8; 1024]> {
        let (left, bottom) = (chunk_x.checked_mul(32)?, chunk_y.checked_mul(32)?);
        self.biome(left, bottom)?;
        let mut biomes = [255; 1024];
        for (at, to) in (0..).zip(&mut biomes) {
            *to = self.biome(left + at % 32, bottom + at / 32).unwrap_or(255);
        }
        Some(biomes)
    }

    /// A place lies in the world.
    #[must_use]
    pub fn contains(&self, place: Position) -> bool {
        let inside = 0..self.extent;
        inside.contains(&place.x) && inside.contains(&place.y)
    }

    /// The ground at a place; none outside the world.
    #[must_use]
    pub fn ground(&self, place: Position) -> Option<Ground> {
        self.kind(place).map(|(ground, _)| ground)
    }

    /// What the genre's mechanic makes of a place.
    #[must_use]
    pub fn exposure(&self, place: Position) -> Exposure {
        let kind = self.kind(place);
        kind.map_or(Exposure::Usual, |(_, exposure)| exposure)
    }

    fn kind(&self, place: Position) -> Option<(Ground, Exposure)> {
        let BiomeId(biome) = *self.tiles.get(self.index(place)?)?;
        #[expect(clippy::disallowed_types, reason = "an index of derived data")]
        self.kinds.get(usize::from(biome)).copied()
    }

    /// Middles of the open places where players appear.
    #[must_use]
    pub fn hubs(&self) -> &[Position] {
        &self.hubs
    }

    /// A place lies on the open place around a hub.
    #[must_use]
    pub fn is_hub(&self, place: Position) -> bool {
        let reach = HUB_METRES * UNITS_PER_METRE.unsigned_abs();
        self.hubs
            .iter()
            .any(|hub| hub.x.abs_diff(place.x) <= reach && hub.y.abs_diff(place.y) <= reach)
    }

    /// The ground at a place; outside the world it is rock. The form that [`crate::movement::step`] takes.
    #[must_use]
    pub fn ground_at(&self, x: i32, y: i32) -> Ground {
        self.ground(Position { x, y }).unwrap_or(Ground::Rock)
    }

    pub(crate) fn is_passable(&self, place: Position) -> bool {
        self.ground(place).is_some_and(Ground::is_passable)
    }

    #[expect(clippy::disallowed_types, reason = "an index of derived data")]
    fn index(&self, place: Position) -> Option<usize> {
        if !self.contains(place) {
            return None;
        }
        let (x, y) = (
            (place.x / TILE).cast_unsigned(),
            (place.y / TILE).cast_unsigned(),
        );
        (y * self.side + x).try_into().ok()
    }

    /// A place near some hub; always passable, because the ground around a hub is open.
    pub(crate) fn spawn(&self, rng: &mut Rng) -> Position {
        let hub = rng.below(u32::try_from(self.hubs.len()).unwrap_or(1));
        self.near_hub(hub, rng)
    }

    /// A place on the open ground around the hub of a number, modulo their count.
    pub(crate) fn near_hub(&self, number: u32, rng: &mut Rng) -> Position {
        let reach = HUB_METRES.cast_signed() * UNITS_PER_METRE;
        let count = u32::try_from(self.hubs.len()).unwrap_or(1).max(1);
        let chosen = number % count;
        let mut hubs = self.hubs.iter().copied().zip(0..);
        let hub = hubs
            .find(|(_, at)| *at == chosen)
            .map_or(Position::default(), |(hub, _)| hub);
        let mut offset = || rng.below((2 * reach + 1).cast_unsigned()).cast_signed() - reach;
        Position {
            x: hub.x + offset(),
            y: hub.y + offset(),
        }
    }

    /// The tiles of each biome, to choose places from.
    pub(crate) fn tiles_by_biome(&self) -> TilesByBiome {
        let mut tiles = vec![Vec::new(); self.kinds.len()];
        for (tile, BiomeId(biome)) in (0..).zip(&self.tiles) {
            #[expect(clippy::disallowed_types, reason = "an index of derived data")]
            if let Some(tiles) = tiles.get_mut(usize::from(*biome)) {
                tiles.push(tile);
            }
        }
        TilesByBiome {
            tiles,
            side: self.side,
            extent: self.extent,
        }
    }
}

/// Where each biome lies.
pub(crate) struct TilesByBiome {
    tiles: Vec<Vec<u32>>,
    side: u32,
    extent: i32,
}

impl TilesByBiome {
    /// A place in one of the biomes, each tile as likely as the others; none where there is no tile.
    #[expect(clippy::disallowed_types, reason = "indices of derived data")]
    pub(crate) fn anywhere(&self, biomes: &[BiomeId], rng: &mut Rng) -> Option<Position> {
        let lists = || {
            let lists = biomes.iter();
            lists.filter_map(|BiomeId(biome)| self.tiles.get(usize::from(*biome)))
        };
        let count: usize = lists().map(Vec::len).sum();
        let mut chosen = usize::try_from(rng.below(count.try_into().ok()?)).ok()?;
        let tile = lists().find_map(|tiles| {
            let tile = tiles.get(chosen).copied();
            chosen = chosen.saturating_sub(tiles.len());
            tile
        })?;
        let mut coordinate = |tile: u32| {
            let from = tile.cast_signed() * TILE;
            let within = rng.below(TILE.unsigned_abs()).cast_signed();
            // The last tile may stick out of the world.
            (from + within).min(self.extent - 1)
        };
        Some(Position {
            x: coordinate(tile % self.side),
            y: coordinate(tile / self.side),
        })
    }
}

/// The first biome whose two bounds are above height and moisture.
fn biome(biomes: &[BiomeDef], height: u32, moisture: u32) -> BiomeId {
    let below = |biome: &&BiomeDef| height < biome.height_below && moisture < biome.moisture_below;
    let mut matching = biomes.iter().filter(below);
    matching.next().map_or(BiomeId(0), |biome| biome.id)
}

/// One hub for each quarter of a square kilometre, 1 to 16.
fn hubs(size: u32, seed: u64) -> Vec<Position> {
    let count = (size * size / 250_000).clamp(1, 16);
    let mut rng = Rng::new(seed, Stream::Hubs, 0);
    let mut coordinate = || {
        let metres = HUB_MARGIN + rng.below(size - 2 * HUB_MARGIN);
        metres.cast_signed() * UNITS_PER_METRE
    };
    (0..count)
        .map(|_| Position {
            x: coordinate(),
            y: coordinate(),
        })
        .collect()
}

/// Height of a tile, 0 to 65,535: three octaves weighted 4 : 2 : 1.
fn height(key: u64, cells: &[u32; 3], x: u32, y: u32) -> u32 {
    let [coarse, middle, fine] = *cells;
    (4 * noise(key, coarse, x, y) + 2 * noise(key ^ 1, middle, x, y) + noise(key ^ 2, fine, x, y))
        / 7
}

/// Value noise, 0 to 65,535: heights at the corners of a cell, smoothly interpolated between them.
fn noise(key: u64, cell: u32, x: u32, y: u32) -> u32 {
    let (left, bottom) = (x / cell, y / cell);
    let (tx, ty) = (
        smooth((x % cell) * 65_536 / cell),
        smooth((y % cell) * 65_536 / cell),
    );
    let corner = |x: u32, y: u32| {
        let place = u64::from(x) << 32 | u64::from(y);
        mix(key ^ mix(place)) >> 48
    };
    let low = blend(corner(left, bottom), corner(left + 1, bottom), tx);
    let high = blend(corner(left, bottom + 1), corner(left + 1, bottom + 1), tx);
    u32::try_from(blend(low, high, ty)).unwrap_or(u32::MAX)
}

/// 3t² − 2t³ for t in 65,536ths.
fn smooth(t: u32) -> u64 {
    let t = u64::from(t);
    (((t * t) >> 16) * (3 * 65_536 - 2 * t)) >> 16
}

fn blend(from: u64, to: u64, t: u64) -> u64 {
    (from * (65_536 - t) + to * t) >> 16
}

#[cfg(test)]
#[expect(clippy::disallowed_types, reason = "indices of derived data")]
mod tests {
    use super::*;
    use crate::params::{Genre, TickRate};

    fn terrain(genre: Genre, seed: u64) -> Terrain {
        let params = Params::new(genre, 1024, TickRate::new(20).unwrap()).unwrap();
        Terrain::new(&params, seed)
    }

    #[test]
    fn every_genre_has_room_to_walk_and_things_in_the_way() {
        for genre in Genre::ALL {
            for seed in 0..8 {
                let terrain = terrain(genre, seed);
                let passable = terrain
                    .tiles
                    .iter()
                    .filter(|BiomeId(biome)| terrain.kinds[usize::from(*biome)].0.is_passable())
                    .count();
                let share = 100 * passable / terrain.tiles.len();
                assert!((40..100).contains(&share), "{genre:?} {seed}: {share} %");
            }
        }
    }

    #[test]
    fn players_appear_on_open_ground() {
        for seed in 0..50 {
            let terrain = terrain(Genre::Horror, seed);
            let mut rng = Rng::new(seed, Stream::Spawns, 0);
            for _ in 0..100 {
                let place = terrain.spawn(&mut rng);
                assert_eq!(terrain.ground(place), Some(Ground::Open));
            }
        }
    }

    #[test]
    fn there_is_nothing_outside() {
        let terrain = terrain(Genre::Fantasy, 1);
        for place in [
            (-1, 0),
            (0, -1),
            (1_024_000, 0),
            (0, 1_024_000),
            (i32::MAX, i32::MIN),
        ] {
            let (x, y) = place;
            assert_eq!(terrain.ground(Position { x, y }), None);
        }
    }
}
