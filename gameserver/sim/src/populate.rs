//! What lives and stands in a new world: so many of each kind as the content says, where it says.

use crate::content::{BiomeId, Content, CreatureDef};
use crate::creature::Creature;
use crate::fixture::{Resource, Station};
use crate::params::Params;
use crate::rng::{Rng, Stream};
use crate::terrain::{Terrain, TilesByBiome};
use crate::units::{EntityId, Position, UNITS_PER_METRE};
use crate::world::Tables;

/// Ground for one creature, in square metres.
const SQUARE_METRES_EACH: u32 = 1900;
const MIN_CREATURES: u32 = 16;
const MAX_CREATURES: u32 = 20_000;
/// Most resources, and most stations, of one kind.
const MAX_OF_A_KIND: u32 = 50_000;
/// How often a place far enough from every hub is looked for.
const TRIES: u32 = 16;

/// The tables of a new world, and the number of its next entity.
pub(crate) fn tables(
    params: &Params,
    content: &Content,
    terrain: &Terrain,
    salt: u64,
) -> (Tables, u64) {
    let mut new = Populator {
        content,
        terrain,
        tiles: terrain.tiles_by_biome(),
        hubs: u32::try_from(terrain.hubs().len()).unwrap_or(u32::MAX),
        size: params.size_metres(),
        salt,
        next: 1,
        tables: Tables::default(),
    };
    new.creatures();
    new.resources();
    new.stations();
    (new.tables, new.next)
}

struct Populator<'a> {
    content: &'a Content,
    terrain: &'a Terrain,
    tiles: TilesByBiome,
    hubs: u32,
    size: u32,
    salt: u64,
    next: u64,
    tables: Tables,
}

impl Populator<'_> {
    fn id(&mut self) -> EntityId {
        let id = EntityId(self.next);
        self.next += 1;
        id
    }

    fn creatures(&mut self) {
        let kinds = self.content.creatures();
        for kind in kinds {
            for hub in 0..self.hubs {
                for _ in 0..kind.near_hub {
                    let mut dice = Rng::new(self.salt, Stream::Creatures, self.next);
                    let place = self.terrain.near_hub(hub, &mut dice);
                    self.creature(kind, place);
                }
            }
        }
        let count =
            (self.size * self.size / SQUARE_METRES_EACH).clamp(MIN_CREATURES, MAX_CREATURES);
        let weights: u32 = kinds.iter().map(|kind| u32::from(kind.weight)).sum();
        for _ in 0..count {
            let mut dice = Rng::new(self.salt, Stream::Creatures, self.next);
            let mut chosen = dice.below(weights);
            let kind = kinds.iter().find(|kind| {
                let weight = u32::from(kind.weight);
                let found = chosen < weight;
                chosen = chosen.saturating_sub(weight);
                found
            });
            let Some(kind) = kind else { continue };
            let place = self.far_from_hubs(kind, &mut dice);
            // Land of its own may be missing in a small world: then it lives where players appear.
            let place = place.unwrap_or_else(|| self.terrain.spawn(&mut dice));
            self.creature(kind, place);
        }
    }

    fn creature(&mut self, kind: &CreatureDef, place: Position) {
        let id = self.id();
        let creature = Creature::new(id, kind.id, place, kind.health);
        self.tables.creatures.push(creature);
    }

    /// A place for a creature that keeps its distance from hubs; after some tries one where it does not.
    fn far_from_hubs(&self, kind: &CreatureDef, dice: &mut Rng) -> Option<Position> {
        let metre = u64::from(UNITS_PER_METRE.unsigned_abs());
        let distance = u64::from(kind.hub_distance_m) * metre;
        let far = |place: &Position| {
            let mut hubs = self.terrain.hubs().iter();
            hubs.all(|hub| hub.distance_squared(*place) >= distance * distance)
        };
        let mut place = None;
        for _ in 0..TRIES {
            place = self.tiles.anywhere(&kind.biomes, dice);
            if place.as_ref().is_none_or(far) {
                break;
            }
        }
        place
    }

    fn resources(&mut self) {
        for kind in self.content.resources() {
            let places = self.places(
                Stream::Resources,
                kind.id.0,
                kind.near_hub,
                kind.per_square_km,
                &kind.biomes,
            );
            for position in places {
                let id = self.id();
                self.tables.resources.push(Resource {
                    id,
                    kind: kind.id,
                    position,
                    charges: kind.charges,
                    due: 0,
                });
            }
        }
    }

    fn stations(&mut self) {
        let walkable = self.content.biomes().iter();
        let walkable = walkable.filter(|biome| biome.ground.is_passable());
        let walkable: Vec<BiomeId> = walkable.map(|biome| biome.id).collect();
        for kind in self.content.stations() {
            let places = self.places(
                Stream::Stations,
                kind.id.0,
                kind.near_hub,
                kind.per_square_km,
                &walkable,
            );
            for position in places {
                let id = self.id();
                self.tables.stations.push(Station {
                    id,
                    kind: kind.id,
                    position,
                    due: 0,
                });
            }
        }
    }

    /// Where things of a kind stand: around each hub, and all over the land.
    fn places(
        &self,
        stream: Stream,
        kind: u8,
        near_hub: u8,
        per_square_km: u16,
        biomes: &[BiomeId],
    ) -> Vec<Position> {
        let mut dice = Rng::new(self.salt, stream, kind.into());
        let mut places = Vec::new();
        for hub in 0..self.hubs {
            for _ in 0..near_hub {
                places.push(self.terrain.near_hub(hub, &mut dice));
            }
        }
        let metres = u64::from(self.size) * u64::from(self.size);
        let count = u64::from(per_square_km) * metres / 1_000_000;
        let count = u32::try_from(count)
            .unwrap_or(MAX_OF_A_KIND)
            .min(MAX_OF_A_KIND);
        places.extend((0..count).filter_map(|_| self.tiles.anywhere(biomes, &mut dice)));
        places
    }
}
