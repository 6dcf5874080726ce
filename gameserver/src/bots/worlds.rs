//! What the bots of a process know together about each world that some of them are in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use worldkeeper_sim::content::Content;
use worldkeeper_sim::{Genre, Params, Terrain, TickRate};

use super::truth::{Board, Errors};
use crate::protocol::{self, Welcome};

/// One incarnation of a world.
pub(super) struct World {
    /// None if the server speaks of other content than this build knows: bots then only walk.
    pub(super) content: Option<&'static Content>,
    /// There once it is made, if bots predict; none inside if it cannot be.
    terrain: OnceLock<Option<Arc<Terrain>>>,
    predicts: bool,
    board: Mutex<Board>,
    pub(super) tick_rate_hz: u8,
    pub(super) size_metres: u32,
}

impl World {
    /// The ground, once it is known.
    pub(super) fn terrain(&self) -> Option<&Arc<Terrain>> {
        self.terrain.get()?.as_ref()
    }

    /// Bots predict their bodies here, or will once the ground is known.
    pub(super) fn predicts(&self) -> bool {
        self.predicts && !matches!(self.terrain.get(), Some(None))
    }

    /// The truth about the bots in it.
    pub(super) fn board(&self) -> MutexGuard<'_, Board> {
        // Measurements of which one is torn are worth more than none.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A world about which nothing is known but who is in it.
    pub(super) fn bare(tick_rate_hz: u8, size_metres: u32) -> Self {
        Self {
            content: None,
            terrain: OnceLock::new(),
            predicts: false,
            board: Mutex::new(Board::new()),
            tick_rate_hz,
            size_metres,
        }
    }
}

/// Name, epoch and seed: two incarnations under one name are two worlds.
type Key = (String, u64, u64);

/// All worlds with bots in them.
pub(super) struct Worlds {
    predict: bool,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    worlds: BTreeMap<Key, Arc<World>>,
    /// Errors of worlds that are known no longer: near, far, and glances that nobody could judge.
    past: Option<(Errors, Errors, u64)>,
}

/// How what was shown compares with the truth.
pub(super) struct Judgement {
    pub(super) near: Errors,
    pub(super) far: Errors,
    pub(super) unjudged: u64,
}

impl Worlds {
    /// `predict`: make the terrain of every world, for bots that predict their own bodies.
    pub(super) fn new(predict: bool) -> Self {
        Self {
            predict,
            known: Mutex::new(Known::default()),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world of a Welcome, known already or not.
    pub(super) fn enter(&self, welcome: &Welcome) -> Arc<World> {
        let genre = genre_of(welcome.genre);
        let content = Content::of(genre);
        let key = (welcome.world.to_string(), welcome.epoch, welcome.seed);
        let world = World {
            content: (content.hash() == welcome.content_hash).then_some(content),
            predicts: self.predict,
            ..World::bare(welcome.tick_rate_hz, welcome.size_metres)
        };
        let (world, new) = self.share(key, world);
        if new && self.predict {
            make_terrain(&world, genre, welcome);
        }
        world
    }

    /// A world of another protocol, by its address.
    pub(super) fn enter_bare(&self, address: String, world: World) -> Arc<World> {
        self.share((address, 0, 0), world).0
    }

    fn share(&self, key: Key, world: World) -> (Arc<World>, bool) {
        let mut known = self.known();
        if let Some(world) = known.worlds.get(&key) {
            return (Arc::clone(world), false);
        }
        known.forget_empty();
        let world = Arc::new(world);
        known.worlds.insert(key, Arc::clone(&world));
        (world, true)
    }

    /// All that was judged so far.
    pub(super) fn judgement(&self) -> Judgement {
        let known = self.known();
        let (mut near, mut far, mut unjudged) =
            known
                .past
                .clone()
                .unwrap_or((Errors::new(), Errors::new(), 0));
        for world in known.worlds.values() {
            let board = world.board();
            near.merge(&board.near);
            far.merge(&board.far);
            unjudged += board.unjudged;
        }
        Judgement {
            near,
            far,
            unjudged,
        }
    }

    /// What was judged so far counts no longer.
    pub(super) fn measure(&self) {
        let mut known = self.known();
        known.past = None;
        for world in known.worlds.values() {
            let mut board = world.board();
            board.near.clear();
            board.far.clear();
            board.unjudged = 0;
        }
    }
}

impl Known {
    /// Drops worlds without bots; what was seen in them stays.
    fn forget_empty(&mut self) {
        let Self { worlds, past } = self;
        worlds.retain(|_, world| {
            let board = world.board();
            // A bot that is about to enter holds the world, too.
            if !board.is_empty() || Arc::strong_count(world) > 1 {
                return true;
            }
            let (near, far, unjudged) =
                past.get_or_insert_with(|| (Errors::new(), Errors::new(), 0));
            near.merge(&board.near);
            far.merge(&board.far);
            *unjudged += board.unjudged;
            false
        });
    }
}

/// Makes a world's terrain on a thread of its own: it takes as long as several ticks.
fn make_terrain(world: &Arc<World>, genre: Genre, welcome: &Welcome) {
    let Welcome {
        tick_rate_hz,
        size_metres,
        seed,
        terrain_hash,
        ..
    } = *welcome;
    let made = Arc::clone(world);
    let make = move || {
        let terrain = TickRate::new(u32::from(tick_rate_hz))
            .and_then(|rate| Params::new(genre, size_metres, rate))
            .map(|params| Terrain::new(&params, seed))
            .ok()
            .filter(|terrain| terrain.hash() == terrain_hash);
        if terrain.is_none() {
            tracing::warn!("the server's terrain is another one: nothing is predicted");
        }
        let _ = made.terrain.set(terrain.map(Arc::new));
    };
    let maker = thread::Builder::new().name("terrain".to_owned());
    if let Err(error) = maker.spawn(make) {
        tracing::warn!(%error, "no thread to make terrain: nothing is predicted");
        let _ = world.terrain.set(None);
    }
}

fn genre_of(genre: protocol::Genre) -> Genre {
    match genre {
        protocol::Genre::Fantasy => Genre::Fantasy,
        protocol::Genre::SciFi => Genre::SciFi,
        protocol::Genre::Horror => Genre::Horror,
        protocol::Genre::Cyberpunk => Genre::Cyberpunk,
        protocol::Genre::PostApoc => Genre::PostApoc,
    }
}
