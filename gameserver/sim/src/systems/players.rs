//! What players do in every tick: walk, and finish what they began.

use crate::movement::step;
use crate::player::Work;
use crate::units::Position;
use crate::world::{World, speed_of};

impl World {
    /// Moves all players; then what has come due for each of them happens, in the order of their ids.
    pub(crate) fn run_players(&mut self) {
        let tick = self.globals.tick;
        let hz = u64::from(self.globals.params.tick_rate().hz());
        let ticks = i32::from(self.globals.params.tick_rate().hz());
        let terrain = &self.terrain;
        let (mut finished, mut needy) = (Vec::new(), Vec::new());
        for (rank, player) in (0..).zip(self.tables.players.iter()) {
            if player.work.due().is_some_and(|due| due <= tick) {
                finished.push((rank, player.work));
            }
            if (tick + player.id.0).is_multiple_of(hz) {
                needy.push(rank);
            }
        }
        self.tables.players.for_each_in_pages_with(
            |player| !player.direction.is_still(),
            |_, player| {
                if player.direction.is_still() {
                    return;
                }
                let to = step(
                    |x, y| terrain.ground_at(x, y),
                    player.position,
                    player.direction,
                    speed_of(player) / ticks,
                );
                player.walked += way(player.position, to);
                player.position = to;
            },
        );
        for (me, work) in finished {
            // What comes of it was checked when it began; now it may be in vain.
            let _ = match work {
                Work::None => Ok(()),
                Work::Gather { target, .. } => self.gathered(me, target),
                Work::Craft { recipe, .. } => self.crafted(me, recipe),
            };
        }
        for me in needy {
            self.need(me);
        }
    }
}

/// The length of a short way, within seven percent: the longer side and three eighths of the shorter.
fn way(from: Position, to: Position) -> u64 {
    let (x, y) = (from.x.abs_diff(to.x), from.y.abs_diff(to.y));
    u64::from(x.max(y)) + u64::from(x.min(y)) * 3 / 8
}
