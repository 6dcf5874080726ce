//! Saving, hashing and restoring a world.
//!
//! A snapshot names what it depends on: its format, the terrain's generator and hash, and the names of
//! all kinds of things, so that a world goes on under content in which they have other numbers.

use crate::content::{Content, ItemId, RecipeId, ResourceId, SpeciesId, StationId};
use crate::history::History;
use crate::pages::{Pages, Row};
use crate::params::{MAX_SEED, Params};
use crate::player::{MAX_NAME_BYTES, Work};
use crate::state::{Encoder, Hasher, Reader, Sink, SnapshotError, State};
use crate::terrain::{GENERATOR_VERSION, Terrain};
use crate::units::{EntityId, Position};
use crate::world::{Globals, Tables, World};

const MAGIC: [u8; 4] = *b"WKSN";
/// Version of the layout. Version 1 knew nothing of items: worlds of that time cannot go on.
const FORMAT: u16 = 2;

/// All state of a world at one tick. It shares its pages with the world until the world changes them, so
/// making one costs little, and another thread can take its time with it.
#[derive(Debug)]
pub struct Frozen {
    globals: Globals,
    tables: Tables,
    terrain_hash: u64,
}

impl Frozen {
    /// The tick after which the world was frozen.
    #[must_use]
    pub fn tick(&self) -> u64 {
        self.globals.tick
    }

    /// The bytes that [`World::restore`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::default();
        encoder.put_bytes(&MAGIC);
        FORMAT.write(&mut encoder);
        GENERATOR_VERSION.write(&mut encoder);
        self.globals.write(&mut encoder);
        self.terrain_hash.write(&mut encoder);
        Names::of(Content::of(self.globals.params.genre())).write(&mut encoder);
        self.tables.write(&mut encoder);
        hash(&self.globals, &self.tables).write(&mut encoder);
        // The names and the ground are not in the world's hash, but must not be damaged either.
        checksum(&encoder.bytes).write(&mut encoder);
        encoder.bytes
    }

    /// The hash of all state, worked out without any cache: what [`World::hash`] must have been.
    #[must_use]
    pub fn full_hash(&self) -> u64 {
        let mut hasher = Hasher::new();
        self.globals.write(&mut hasher);
        let Tables {
            players,
            characters,
            creatures,
            resources,
            stations,
            bags,
            trades,
            history,
        } = &self.tables;
        players.full_hash_into(&mut hasher);
        characters.full_hash_into(&mut hasher);
        creatures.full_hash_into(&mut hasher);
        resources.full_hash_into(&mut hasher);
        stations.full_hash_into(&mut hasher);
        bags.full_hash_into(&mut hasher);
        trades.full_hash_into(&mut hasher);
        history.full_hash_into(&mut hasher);
        hasher.finish()
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = Hasher::new();
    hasher.put_bytes(bytes);
    hasher.finish()
}

fn hash(globals: &Globals, tables: &Tables) -> u64 {
    let mut hasher = Hasher::new();
    globals.write(&mut hasher);
    let Tables {
        players,
        characters,
        creatures,
        resources,
        stations,
        bags,
        trades,
        history,
    } = tables;
    players.hash_into(&mut hasher);
    characters.hash_into(&mut hasher);
    creatures.hash_into(&mut hasher);
    resources.hash_into(&mut hasher);
    stations.hash_into(&mut hasher);
    bags.hash_into(&mut hasher);
    trades.hash_into(&mut hasher);
    history.hash_into(&mut hasher);
    hasher.finish()
}

impl World {
    /// Hash of all state. Worlds with equal hashes go on alike when given the same inputs. Only what
    /// changed since the last call is read.
    #[must_use]
    pub fn hash(&self) -> u64 {
        hash(&self.globals, &self.tables)
    }

    /// All state at this tick, to be encoded or hashed by another thread.
    #[must_use]
    pub fn freeze(&self) -> Frozen {
        Frozen {
            globals: self.globals.clone(),
            tables: self.tables.clone(),
            terrain_hash: self.terrain.hash(),
        }
    }

    /// All state, as bytes that [`World::restore`] reads.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        self.freeze().encode()
    }

    /// The world that a snapshot was taken of.
    ///
    /// # Errors
    /// The bytes are not, or no longer, a snapshot of a world that can be.
    pub fn restore(snapshot: &[u8]) -> Result<Self, SnapshotError> {
        let mut reader = Reader::new(snapshot);
        if reader.array() != Ok(MAGIC) {
            return Err(SnapshotError::NotASnapshot);
        }
        let format = u16::read(&mut reader)?;
        if format != FORMAT {
            return Err(SnapshotError::Format {
                found: format,
                expected: FORMAT,
            });
        }
        let generator = u16::read(&mut reader)?;
        if generator != GENERATOR_VERSION {
            return Err(SnapshotError::Generator {
                found: generator,
                expected: GENERATOR_VERSION,
            });
        }
        // Before anything is made of it.
        let (content, sum) = snapshot
            .split_last_chunk()
            .ok_or(SnapshotError::Truncated)?;
        if checksum(content) != u64::from_le_bytes(*sum) {
            return Err(SnapshotError::Damaged);
        }
        let mut globals = Globals::read(&mut reader)?;
        let terrain_hash = u64::read(&mut reader)?;
        let names = Names::read(&mut reader)?;
        let mut tables = Tables::read(&mut reader)?;
        let stated = u64::read(&mut reader)?;
        u64::read(&mut reader)?;
        if reader.remaining() > 0 {
            return Err(SnapshotError::Trailing(reader.remaining()));
        }
        if hash(&globals, &tables) != stated {
            return Err(SnapshotError::Damaged);
        }
        let content = Content::of(globals.params.genre());
        let current = Names::of(content);
        if names != current {
            renumber(&mut tables, &Renumbering::new(&names, &current))?;
        }
        globals.content_hash = content.hash();
        let terrain = Terrain::new(&globals.params, globals.seed);
        if terrain.hash() != terrain_hash {
            return Err(SnapshotError::Terrain);
        }
        check(&globals, &tables, content, &terrain)?;
        Ok(Self::assemble(globals, tables, terrain))
    }
}

impl State for Globals {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            params,
            seed,
            salt,
            content_hash,
            tick,
            next_entity,
        } = self;
        params.write(sink);
        seed.write(sink);
        salt.write(sink);
        content_hash.write(sink);
        tick.write(sink);
        next_entity.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let globals = Self {
            params: Params::read(reader)?,
            seed: State::read(reader)?,
            salt: State::read(reader)?,
            content_hash: State::read(reader)?,
            tick: State::read(reader)?,
            next_entity: State::read(reader)?,
        };
        // Far beyond what a world can reach, and far from where counting would overflow.
        if globals.seed > MAX_SEED || globals.tick > MAX_SEED || globals.next_entity > MAX_SEED {
            return Err(SnapshotError::Bad("seed, tick or entity number"));
        }
        Ok(globals)
    }
}

impl State for Tables {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            players,
            characters,
            creatures,
            resources,
            stations,
            bags,
            trades,
            history,
        } = self;
        players.write(sink);
        characters.write(sink);
        creatures.write(sink);
        resources.write(sink);
        stations.write(sink);
        bags.write(sink);
        trades.write(sink);
        history.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            players: Pages::read(reader)?,
            characters: Pages::read(reader)?,
            creatures: Pages::read(reader)?,
            resources: Pages::read(reader)?,
            stations: Pages::read(reader)?,
            bags: Pages::read(reader)?,
            trades: Pages::read(reader)?,
            history: History::read(reader)?,
        })
    }
}

/// The keys of all kinds of things, in the order of their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Names {
    items: Vec<Box<str>>,
    resources: Vec<Box<str>>,
    stations: Vec<Box<str>>,
    recipes: Vec<Box<str>>,
    species: Vec<Box<str>>,
}

impl Names {
    fn of(content: &Content) -> Self {
        let items = content.items().iter();
        let resources = content.resources().iter();
        let stations = content.stations().iter();
        let recipes = content.recipes().iter();
        let species = content.creatures().iter();
        Self {
            items: items.map(|item| item.label.key.clone()).collect(),
            resources: resources.map(|kind| kind.label.key.clone()).collect(),
            stations: stations.map(|kind| kind.label.key.clone()).collect(),
            recipes: recipes.map(|recipe| recipe.key.clone()).collect(),
            species: species.map(|kind| kind.label.key.clone()).collect(),
        }
    }
}

impl State for Names {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            items,
            resources,
            stations,
            recipes,
            species,
        } = self;
        items.write(sink);
        resources.write(sink);
        stations.write(sink);
        recipes.write(sink);
        species.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            items: State::read(reader)?,
            resources: State::read(reader)?,
            stations: State::read(reader)?,
            recipes: State::read(reader)?,
            species: State::read(reader)?,
        })
    }
}

/// The new number of each old one; none where the name is gone.
struct Renumbering {
    items: Vec<Option<u16>>,
    resources: Vec<Option<u16>>,
    stations: Vec<Option<u16>>,
    recipes: Vec<Option<u16>>,
    species: Vec<Option<u16>>,
}

impl Renumbering {
    fn new(old: &Names, new: &Names) -> Self {
        let numbers = |old: &[Box<str>], new: &[Box<str>]| {
            let number = |name| {
                let at = new.iter().position(|other| other == name)?;
                u16::try_from(at).ok()
            };
            old.iter().map(number).collect()
        };
        Self {
            items: numbers(&old.items, &new.items),
            resources: numbers(&old.resources, &new.resources),
            stations: numbers(&old.stations, &new.stations),
            recipes: numbers(&old.recipes, &new.recipes),
            species: numbers(&old.species, &new.species),
        }
    }

    fn item(&self, ItemId(old): ItemId) -> Option<ItemId> {
        let new = number(&self.items, old.checked_sub(1)?)?;
        Some(ItemId(new + 1))
    }
}

#[expect(clippy::disallowed_types, reason = "an index, not kept")]
fn number(numbers: &[Option<u16>], old: u16) -> Option<u16> {
    *numbers.get(usize::from(old))?
}

/// Gives everything the numbers that the present content has for its names. Items that are no more are
/// gone; a world cannot lose its creatures, resources and stations that way.
fn renumber(tables: &mut Tables, to: &Renumbering) -> Result<(), SnapshotError> {
    let kind = |numbers: &[Option<u16>], old: u8, what| {
        let new = number(numbers, old.into()).and_then(|new| u8::try_from(new).ok());
        new.ok_or(SnapshotError::Gone(what))
    };
    let mut result = Ok(());
    let mut keep = |new: Result<u8, SnapshotError>, to: &mut u8| match new {
        Ok(new) => *to = new,
        Err(error) => result = Err(error),
    };
    tables.creatures.for_each_in_pages_with(
        |_| true,
        |_, row| {
            let SpeciesId(old) = &mut row.species;
            keep(kind(&to.species, *old, "creature"), old);
        },
    );
    tables.resources.for_each_in_pages_with(
        |_| true,
        |_, row| {
            let ResourceId(old) = &mut row.kind;
            keep(kind(&to.resources, *old, "resource"), old);
        },
    );
    tables.stations.for_each_in_pages_with(
        |_| true,
        |_, row| {
            let StationId(old) = &mut row.kind;
            keep(kind(&to.stations, *old, "station"), old);
        },
    );
    result?;
    tables.players.for_each_in_pages_with(
        |_| true,
        |_, row| {
            if let Work::Craft {
                recipe: RecipeId(old),
                began,
                due,
            } = row.work
            {
                row.work = number(&to.recipes, old).map_or(Work::None, |new| Work::Craft {
                    recipe: RecipeId(new),
                    began,
                    due,
                });
            }
            // What was offered may be gone: those who trade have to begin anew.
            row.trade = 0;
        },
    );
    tables.trades = Pages::default();
    tables.characters.for_each_in_pages_with(
        |_| true,
        |_, row| {
            row.inventory.rename(|item| to.item(item));
            for worn in &mut row.equipment {
                *worn = worn.and_then(|item| to.item(item));
            }
        },
    );
    let mut bags = Pages::default();
    for mut bag in tables.bags.iter().cloned() {
        bag.stacks.retain_mut(|stack| {
            let item = to.item(stack.item);
            stack.item = item.unwrap_or(stack.item);
            item.is_some()
        });
        if !bag.stacks.is_empty() {
            bags.push(bag);
        }
    }
    tables.bags = bags;
    Ok(())
}

/// What was read is the state of a world that can be.
fn check(
    globals: &Globals,
    tables: &Tables,
    content: &Content,
    terrain: &Terrain,
) -> Result<(), SnapshotError> {
    let bad = |what| Err(SnapshotError::Bad(what));
    let Tables {
        players,
        characters,
        creatures,
        resources,
        stations,
        bags,
        trades,
        history,
    } = tables;
    let limit = globals.next_entity;
    if !ascending(players, limit) {
        return bad("player id");
    }
    if !ascending(creatures, limit) || !ascending(resources, limit) || !ascending(stations, limit) {
        return bad("entity id");
    }
    if !ascending(bags, limit) || !ascending(trades, limit) {
        return bad("bag or trade id");
    }
    if players.len() != characters.len()
        || !players
            .iter()
            .zip(characters.iter())
            .all(|(a, b)| a.id == b.id)
    {
        return bad("character id");
    }
    let stands = |place: Position| terrain.is_passable(place);
    if !players.iter().all(|player| stands(player.position))
        || !creatures.iter().all(|creature| stands(creature.position))
        || !bags.iter().all(|bag| terrain.contains(bag.position))
        || !resources
            .iter()
            .all(|resource| terrain.contains(resource.position))
        || !stations
            .iter()
            .all(|station| terrain.contains(station.position))
    {
        return bad("position");
    }
    let known = |item: ItemId, count: u16| {
        let item = content.item(item);
        item.is_some_and(|item| (1..=item.stack).contains(&count))
    };
    for character in characters.iter() {
        let length = u32::try_from(character.name.len()).unwrap_or(u32::MAX);
        if !(1..=MAX_NAME_BYTES).contains(&length) {
            return bad("name");
        }
        let slots = character.inventory.slots().iter().flatten();
        let worn = character.equipment.iter().flatten();
        if !slots.clone().all(|stack| known(stack.item, stack.count))
            || !worn.clone().all(|item| known(*item, 1))
        {
            return bad("item");
        }
    }
    if !bags.iter().all(|bag| {
        !bag.stacks.is_empty()
            && bag
                .stacks
                .iter()
                .all(|stack| known(stack.item, stack.count))
    }) {
        return bad("bag");
    }
    if creatures
        .iter()
        .any(|row| content.creature(row.species).is_none())
        || resources
            .iter()
            .any(|row| content.resource(row.kind).is_none())
        || stations
            .iter()
            .any(|row| content.station(row.kind).is_none())
    {
        return bad("kind");
    }
    if !history.fits(
        globals.tick,
        globals.params.tick_rate().hz(),
        creatures.len(),
    ) {
        return bad("history");
    }
    let both = |row: &crate::trade::Trade| {
        let [one, two] = &row.sides;
        let trades = |id| {
            players
                .find(id)
                .is_some_and(|player| player.trade == row.id.0)
        };
        one.player != two.player && trades(one.player) && trades(two.player)
    };
    if !trades.iter().all(both) {
        return bad("trade");
    }
    Ok(())
}

fn ascending<T: Row>(table: &Pages<T>, limit: u64) -> bool {
    let mut ids = table.iter().map(Row::id);
    ids.try_fold(0, |last, EntityId(id)| {
        (id > last && id < limit).then_some(id)
    })
    .is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Genre;
    use crate::player::Character;

    /// A pack under content whose items had other numbers, and one item that is no more.
    #[test]
    fn things_keep_their_names_under_new_numbers() {
        let current = Names::of(Content::of(Genre::Fantasy));
        let mut old = current.clone();
        old.items.reverse();
        old.items.push("of-yore".into());
        let count = u16::try_from(old.items.len()).unwrap();
        let mut character = Character::new(EntityId(1), "ada", 0);
        for item in 1..=count.min(20) {
            assert_eq!(character.inventory.add(ItemId(item), item, 100), 0);
        }
        assert_eq!(character.inventory.add(ItemId(count), 3, 100), 0);
        character.equipment = [Some(ItemId(count)), Some(ItemId(1)), None, None];
        let mut tables = Tables::default();
        tables.characters.push(character);
        renumber(&mut tables, &Renumbering::new(&old, &current)).unwrap();

        let character = tables.characters.get(0).unwrap();
        for item in 1..=20 {
            // The first is the last now.
            let now = ItemId(count - item);
            assert_eq!(character.inventory.count(now), u32::from(item));
        }
        assert_eq!(character.inventory.slots().iter().flatten().count(), 20);
        assert_eq!(character.worn(crate::content::Place::Hand), None);
        let last = Some(ItemId(count - 1));
        assert_eq!(character.worn(crate::content::Place::Head), last);
    }

    #[test]
    fn a_world_cannot_lose_its_creatures() {
        let current = Names::of(Content::of(Genre::Fantasy));
        let mut old = current.clone();
        old.species.insert(0, "dodo".into());
        let creature = |species| {
            let species = SpeciesId(species);
            crate::creature::Creature::new(EntityId(1), species, Position::default(), 1)
        };
        for (species, result) in [(1, Ok(())), (0, Err(SnapshotError::Gone("creature")))] {
            let mut tables = Tables::default();
            tables.creatures.push(creature(species));
            let renumbering = Renumbering::new(&old, &current);
            assert_eq!(renumber(&mut tables, &renumbering), result);
        }
    }
}
