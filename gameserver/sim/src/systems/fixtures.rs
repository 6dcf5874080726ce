//! What stands still, and changes by itself: resources grow again, stations unlock, bags vanish.

use crate::area::{EntityKind, Pose};
use crate::fixture::{Bag, Station};
use crate::systems::gather::resource_look;
use crate::units::{EntityId, Position};
use crate::view::Stack;
use crate::world::{World, look};

/// How long a bag lies, in seconds.
const BAG_SECONDS: u32 = 300;
/// Most bags in a world: then the oldest vanishes.
const MAX_BAGS: u32 = 4096;
/// A bag is always whole.
const BAG_LOOK: u8 = 15;

impl World {
    /// Makes the derived index of everything that stands still.
    pub(crate) fn fill_sites(&mut self) {
        for row in self.tables.resources.iter() {
            let kind = self.content.resource(row.kind);
            let look = resource_look(row, kind.map_or(1, |kind| kind.charges));
            let resource = row.kind.0;
            let kind = EntityKind::Resource { resource };
            self.sites.add(row.id, kind, row.position, look);
            if row.due > 0 {
                self.wakes.insert((row.due, row.id));
            }
        }
        for row in self.tables.stations.iter() {
            let station = row.kind.0;
            let kind = EntityKind::Station { station };
            self.sites
                .add(row.id, kind, row.position, station_look(row));
            if row.due > 0 {
                self.wakes.insert((row.due, row.id));
            }
        }
        for row in self.tables.bags.iter() {
            self.sites
                .add(row.id, EntityKind::Loot, row.position, BAG_LOOK);
        }
    }

    /// Lets everything that is due change. Costs nothing where nothing is.
    pub(crate) fn run_fixtures(&mut self) {
        let tick = self.globals.tick;
        while let Some(&(due, id)) = self.wakes.first()
            && due <= tick
        {
            self.wakes.pop_first();
            self.wake(id);
        }
        while self
            .tables
            .bags
            .get(0)
            .is_some_and(|bag| bag.expires <= tick)
        {
            self.set_bag(0, Vec::new());
        }
    }

    fn wake(&mut self, id: EntityId) {
        let resources = &mut self.tables.resources;
        if let Some(rank) = resources.rank(id)
            && let Some(resource) = resources.get_mut(rank)
            && let Some(kind) = self.content.resource(resource.kind)
        {
            resource.charges = kind.charges;
            resource.due = 0;
            let look = resource_look(resource, kind.charges);
            self.sites.set_look(id, resource.position, look);
            return;
        }
        let stations = &mut self.tables.stations;
        if let Some(rank) = stations.rank(id)
            && let Some(station) = stations.get_mut(rank)
        {
            station.due = 0;
            let look = station_look(station);
            self.sites.set_look(id, station.position, look);
        }
    }

    /// Locks a station until a tick.
    pub(crate) fn lock_station(&mut self, id: EntityId, until: u64) {
        let stations = &mut self.tables.stations;
        if let Some(rank) = stations.rank(id)
            && let Some(station) = stations.get_mut(rank)
        {
            self.wakes.remove(&(station.due, id));
            station.due = until;
            self.wakes.insert((until, id));
            let look = station_look(station);
            self.sites.set_look(id, station.position, look);
        }
    }

    /// Lays a bag on the ground, if there is something to put into it.
    pub(crate) fn lay_bag(&mut self, position: Position, stacks: Vec<Stack>) {
        if stacks.is_empty() {
            return;
        }
        if self.tables.bags.len() >= MAX_BAGS {
            self.set_bag(0, Vec::new());
        }
        let id = self.new_id();
        let expires = self.globals.tick + self.seconds(BAG_SECONDS);
        self.tables.bags.push(Bag {
            id,
            position,
            expires,
            stacks,
        });
        self.sites.add(id, EntityKind::Loot, position, BAG_LOOK);
    }

    /// Changes what is in a bag. An empty one vanishes.
    pub(crate) fn set_bag(&mut self, rank: u32, stacks: Vec<Stack>) {
        if stacks.is_empty() {
            if let Some(bag) = self.tables.bags.remove(rank) {
                self.sites.remove(bag.id, bag.position);
            }
        } else if let Some(bag) = self.tables.bags.get_mut(rank) {
            bag.stacks = stacks;
        }
    }
}

fn station_look(station: &Station) -> u8 {
    if station.due > 0 {
        look(Pose::Depleted, 0, 1)
    } else {
        look(Pose::None, 1, 1)
    }
}
