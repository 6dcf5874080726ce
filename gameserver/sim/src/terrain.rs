//! The ground: value noise in integer arithmetic, made from the public seed alone. It is derived
//! state: never saved, made again on restore, and checked by its hash.

use crate::params::{Genre, Params};
use crate::rng::{Rng, Stream, mix};
use crate::state::{Hasher, Sink};
use crate::units::{Position, UNITS_PER_METRE};

/// Version of the generator. Any change to what a seed makes raises it.
pub const GENERATOR_VERSION: u16 = 1;
/// Side of a tile of ground, in metres.
pub const TILE_METRES: u32 = 4;
const TILE: i32 = TILE_METRES.cast_signed() * UNITS_PER_METRE;
/// Half the side of the open place around a hub, in metres.
const HUB_METRES: u32 = 24;
/// A hub keeps this distance from the edge, in metres.
const HUB_MARGIN: u32 = 40;

/// Kind of ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ground {
    /// Cannot be walked: deep water, canal, chasm.
    Deep,
    /// Walked at half speed: shallows, mire.
    Soft,
    /// Open ground.
    Plain,
    /// Walked at half speed: wood, rubble.
    Rough,
    /// Cannot be walked: rock, wall.
    Wall,
}

impl Ground {
    /// A body can stand on it.
    #[must_use]
    pub fn is_passable(self) -> bool {
        !matches!(self, Self::Deep | Self::Wall)
    }

    /// A body walks on it at half speed.
    #[must_use]
    pub fn is_slow(self) -> bool {
        matches!(self, Self::Soft | Self::Rough)
    }

    fn number(self) -> u8 {
        match self {
            Self::Deep => 0,
            Self::Soft => 1,
            Self::Plain => 2,
            Self::Rough => 3,
            Self::Wall => 4,
        }
    }
}

/// How a genre shapes its ground: sides of the noise's cells in tiles, coarse to fine, and the heights
/// (of 65,536) below which ground is deep, soft, plain, rough; above the last it is wall.
struct Recipe {
    cells: [u32; 3],
    heights: [u32; 4],
}

impl Recipe {
    fn of(genre: Genre) -> Self {
        match genre {
            Genre::Fantasy => Self {
                cells: [48, 20, 8],
                heights: [18_000, 21_500, 38_000, 47_000],
            },
            Genre::SciFi => Self {
                cells: [56, 24, 6],
                heights: [16_000, 18_500, 42_000, 46_500],
            },
            Genre::Horror => Self {
                cells: [40, 16, 5],
                heights: [17_000, 26_000, 35_000, 48_500],
            },
            Genre::Cyberpunk => Self {
                cells: [20, 10, 4],
                heights: [15_500, 17_500, 41_500, 44_500],
            },
            Genre::PostApoc => Self {
                cells: [40, 18, 5],
                heights: [14_500, 17_500, 37_000, 48_000],
            },
        }
    }
}

#[derive(Debug)]
pub(crate) struct Terrain {
    tiles: Vec<Ground>,
    /// Tiles of a side.
    side: u32,
    /// Side in millimetres.
    extent: i32,
    /// Middles of the open places where players appear.
    hubs: Vec<Position>,
    hash: u64,
}

impl Terrain {
    pub(crate) fn new(params: &Params, seed: u64) -> Self {
        let side = params.size_metres().div_ceil(TILE_METRES);
        let recipe = Recipe::of(params.genre());
        let key = Rng::new(seed, Stream::Terrain, 0).next();
        let mut tiles = Vec::new();
        for y in 0..side {
            for x in 0..side {
                let height = height(key, &recipe.cells, x, y);
                let [deep, soft, plain, rough] = recipe.heights;
                tiles.push(match height {
                    _ if height < deep => Ground::Deep,
                    _ if height < soft => Ground::Soft,
                    _ if height < plain => Ground::Plain,
                    _ if height < rough => Ground::Rough,
                    _ => Ground::Wall,
                });
            }
        }
        let mut terrain = Self {
            tiles,
            side,
            extent: params.size_metres().cast_signed() * UNITS_PER_METRE,
            hubs: hubs(params.size_metres(), seed),
            hash: 0,
        };
        terrain.open_hubs();
        terrain.hash = terrain.compute_hash();
        terrain
    }

    fn open_hubs(&mut self) {
        let reach = HUB_METRES.cast_signed() * UNITS_PER_METRE + TILE;
        for hub in self.hubs.clone() {
            for y in (hub.y - reach..=hub.y + reach).step_by(4000) {
                for x in (hub.x - reach..=hub.x + reach).step_by(4000) {
                    if let Some(tile) = self.index(Position { x, y })
                        && let Some(ground) = self.tiles.get_mut(tile)
                    {
                        *ground = Ground::Plain;
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
        for tiles in self.tiles.chunks(8) {
            let word = tiles
                .iter()
                .fold(0, |word, tile| (word << 8) | u64::from(tile.number()));
            hasher.put(word, 8);
        }
        hasher.finish()
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn contains(&self, place: Position) -> bool {
        let inside = 0..self.extent;
        inside.contains(&place.x) && inside.contains(&place.y)
    }

    /// The ground at a place; none outside the world.
    pub(crate) fn ground(&self, place: Position) -> Option<Ground> {
        self.tiles.get(self.index(place)?).copied()
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

    /// A place near a hub; always passable, because the ground around a hub is open.
    pub(crate) fn spawn(&self, rng: &mut Rng) -> Position {
        let reach = HUB_METRES.cast_signed() * UNITS_PER_METRE;
        let count = u32::try_from(self.hubs.len()).unwrap_or(1);
        let mut hubs = self.hubs.iter().copied().zip(0..);
        let chosen = rng.below(count);
        let hub = hubs
            .find(|(_, at)| *at == chosen)
            .map_or(Position::default(), |(hub, _)| hub);
        let mut offset = || rng.below((2 * reach + 1).cast_unsigned()).cast_signed() - reach;
        Position {
            x: hub.x + offset(),
            y: hub.y + offset(),
        }
    }

    /// A passable place anywhere; near a hub where chance finds none in 64 tries.
    pub(crate) fn anywhere(&self, rng: &mut Rng) -> Position {
        let extent = self.extent.cast_unsigned();
        for _ in 0..64 {
            let place = Position {
                x: rng.below(extent).cast_signed(),
                y: rng.below(extent).cast_signed(),
            };
            if self.is_passable(place) {
                return place;
            }
        }
        self.spawn(rng)
    }
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
mod tests {
    use super::*;
    use crate::params::TickRate;

    fn terrain(genre: Genre, seed: u64) -> Terrain {
        let params = Params::new(genre, 1024, TickRate::new(20).unwrap()).unwrap();
        Terrain::new(&params, seed)
    }

    #[test]
    fn the_ground_of_a_seed_is_pinned() {
        // A change here means that running worlds would change under their players: raise
        // GENERATOR_VERSION, and keep the old generator for them.
        let hashes = Genre::ALL.map(|genre| format!("{:016x}", terrain(genre, 42).hash()));
        assert_eq!(hashes, PINNED);
    }

    const PINNED: [&str; 5] = [
        "c8a910c8ebf75fed",
        "3314517665f1ab77",
        "b8e3da9b5834b947",
        "673a2f3ef41d7a71",
        "6b427b301354ef55",
    ];

    #[test]
    fn every_genre_has_room_to_walk_and_things_in_the_way() {
        for genre in Genre::ALL {
            for seed in 0..8 {
                let terrain = terrain(genre, seed);
                let passable = terrain
                    .tiles
                    .iter()
                    .filter(|tile| tile.is_passable())
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
                assert_eq!(terrain.ground(place), Some(Ground::Plain));
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
