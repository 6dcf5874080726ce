//! The wire form of the benchmark's peer (`gameserver/benches/peer/README.md`), so that both sides of a
//! benchmark get the same players from the same program: they walk, turn at least once a second, and
//! measure what they are sent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::log::PlayerLog;
use super::mind::sim;
use super::plan::Plan;
use super::truth::{Glance, MAX_GLANCES};
use super::worlds::World;
use crate::protocol::{
    EntityId, Genre, Own, PROTOCOL_VERSION, Position, ResumeToken, Welcome, WorldName,
};

/// What the upgrade asks for.
pub(super) const PATH: &str = "/";
/// How the peer's world is called in records.
const WORLD: &str = "peer/bun";
const HEADER_BYTES: usize = 4;
const ENTITY_BYTES: usize = 5;
/// Coordinates are 12 bits of sixteenths of a metre.
const WRAP: i32 = 1 << 12;
/// Entities looked at to find a bot among them.
const LOOKS: usize = 8;

/// A message that is not of this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub(super) &'static str);

/// Reads the peer's welcome; what it does not say is left empty.
pub(super) fn welcome(message: &[u8]) -> Result<Welcome, Malformed> {
    let message: &[u8; 16] = message
        .try_into()
        .map_err(|_| Malformed("a welcome has 16 bytes"))?;
    let [
        i0,
        i1,
        t0,
        t1,
        x0,
        x1,
        x2,
        x3,
        y0,
        y1,
        y2,
        y3,
        s0,
        s1,
        r0,
        r1,
    ] = *message;
    let no_name = |_| Malformed("no name");
    Ok(Welcome {
        version: PROTOCOL_VERSION,
        world: WorldName::new(WORLD).map_err(no_name)?,
        epoch: 1,
        seed: 0,
        genre: Genre::Fantasy,
        terrain_hash: 0,
        content_hash: 0,
        size_metres: u16::from_le_bytes([s0, s1]).into(),
        tick_rate_hz: u8::try_from(u16::from_le_bytes([r0, r1])).unwrap_or(u8::MAX),
        tick: u16::from_le_bytes([t0, t1]).into(),
        entity: EntityId(u16::from_le_bytes([i0, i1]).into()),
        position: millimetres(
            i32::from_le_bytes([x0, x1, x2, x3]),
            i32::from_le_bytes([y0, y1, y2, y3]),
        ),
        resumed: false,
        ack: 0,
        // Nothing can be taken up again.
        resume_token: ResumeToken::new("none").map_err(no_name)?,
        resume_seconds: 0,
    })
}

fn millimetres(x: i32, y: i32) -> Position {
    let part = |sixteenths: i32| sixteenths.saturating_mul(125).div_euclid(2);
    Position {
        x: part(x),
        y: part(y),
    }
}

/// The coordinate nearest to `near` that wraps to `wrapped`.
fn unwrap(wrapped: i32, near: i32) -> i32 {
    near + (wrapped - near + WRAP / 2).rem_euclid(WRAP) - WRAP / 2
}

pub(super) struct PeerPlay {
    world: Arc<World>,
    plan: Plan,
    bot: u32,
    entity: u64,
    tick: u64,
    ack: u32,
    /// Of the own body, in sixteenths of a metre.
    place: (i32, i32),
    seq: u16,
    turns: u32,
    turn_at: Instant,
    pub(super) last_update: Instant,
    glances: VecDeque<Glance>,
    glance_at: usize,
}

impl PeerPlay {
    pub(super) fn new(
        welcome: &Welcome,
        world: Arc<World>,
        plan: Plan,
        bot: u32,
        now: Instant,
    ) -> Self {
        world.board().enter(bot, welcome.entity.0);
        let sixteenths = |millimetres: i32| (millimetres * 2 + 62).div_euclid(125);
        Self {
            world,
            bot,
            entity: welcome.entity.0,
            tick: welcome.tick,
            ack: 0,
            place: (
                sixteenths(welcome.position.x),
                sixteenths(welcome.position.y),
            ),
            seq: 0,
            turns: 0,
            turn_at: now + plan.turn_after(0),
            last_update: now,
            glances: VecDeque::new(),
            glance_at: usize::try_from(bot).unwrap_or(0),
            plan,
        }
    }

    pub(super) fn over(&mut self) {
        self.world.board().leave(self.bot);
    }

    /// Takes in an update.
    pub(super) fn take(
        &mut self,
        message: &[u8],
        now: Instant,
        log: &mut PlayerLog,
    ) -> Result<(), Malformed> {
        let (header, entities) = message
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(Malformed("an update has a header"))?;
        let (entities, rest) = entities.as_chunks::<ENTITY_BYTES>();
        if !rest.is_empty() {
            return Err(Malformed("an entity has 5 bytes"));
        }
        let [t0, t1, s0, s1] = *header;
        let passed = u16::from_le_bytes([t0, t1]).wrapping_sub(low(self.tick));
        let first = self.ack == 0 && passed == 0;
        self.tick += u64::from(passed);
        let acked = u16::from_le_bytes([s0, s1]);
        self.ack += u32::from(acked.wrapping_sub(low(u64::from(self.ack))));
        let Some((own, others)) = entities.split_first() else {
            return Err(Malformed("the own body comes first"));
        };
        let (id, x, y) = read(own);
        if u64::from(id) != self.entity {
            return Err(Malformed("the own body comes first"));
        }
        self.place = (unwrap(x, self.place.0), unwrap(y, self.place.1));
        let position = millimetres(self.place.0, self.place.1);
        self.last_update = now;
        self.compare(position, others);
        let own = Own {
            tick: self.tick,
            ack: self.ack,
            position,
        };
        if !log.updated(own, others.len(), now) && !first {
            log.fault("TickNotAscending");
        }
        log.counted_movers(others.len());
        Ok(())
    }

    fn compare(&mut self, own: Position, others: &[[u8; ENTITY_BYTES]]) {
        let mut board = self.world.board();
        board.write(self.entity, self.tick, sim(own));
        board.judge(&mut self.glances, self.tick);
        if others.is_empty() || self.glances.len() >= MAX_GLANCES {
            return;
        }
        for _ in 0..LOOKS {
            self.glance_at = self.glance_at.wrapping_add(1);
            let Some(other) = others.get(self.glance_at % others.len()) else {
                return;
            };
            let (id, x, y) = read(other);
            if board.knows(id.into()) {
                let shown = millimetres(unwrap(x, self.place.0), unwrap(y, self.place.1));
                self.glances.push_back(Glance {
                    entity: id.into(),
                    tick: self.tick,
                    shown: sim(shown),
                    from: sim(own),
                });
                return;
            }
        }
    }

    pub(super) fn due(&self) -> Instant {
        self.turn_at
    }

    pub(super) fn pause(&mut self, now: Instant) {
        self.turn_at = now + Duration::from_secs(1);
    }

    /// The next input, if its time has come.
    pub(super) fn act(&mut self, now: Instant, log: &mut PlayerLog) -> Option<[u8; 3]> {
        if now < self.turn_at {
            return None;
        }
        self.turns = self.turns.wrapping_add(1);
        self.turn_at = now + self.plan.turn_after(self.turns);
        self.seq = self.seq.wrapping_add(1);
        let angle = u32::from(self.plan.heading(self.turns)) * 255 / 360;
        let direction = u8::try_from(angle + 1).unwrap_or(u8::MAX);
        log.sent_input();
        let [low, high] = self.seq.to_le_bytes();
        Some([low, high, direction])
    }
}

fn low(number: u64) -> u16 {
    u16::try_from(number & 0xffff).unwrap_or(0)
}

/// Id and wrapped coordinates.
fn read(entity: &[u8; ENTITY_BYTES]) -> (u16, i32, i32) {
    let [i0, i1, p0, p1, p2] = *entity;
    let place = i32::from_le_bytes([p0, p1, p2, 0]);
    (
        u16::from_le_bytes([i0, i1]),
        place & (WRAP - 1),
        place >> 12,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::bots::clock::Clock;
    use crate::bots::plan::Activity;

    fn entity(id: u16, x: i32, y: i32) -> Vec<u8> {
        let place = (x.rem_euclid(WRAP) | y.rem_euclid(WRAP) << 12).to_le_bytes();
        [&id.to_le_bytes()[..], &place[..3]].concat()
    }

    proptest! {
        #[test]
        fn the_nearest_place_is_taken(near in -40_000..40_000_i32, off in -2_047..2_047_i32) {
            let place = near + off;
            prop_assert_eq!(unwrap(place.rem_euclid(WRAP), near), place);
        }

        #[test]
        fn entities_are_read_as_written(id: u16, x in 0..WRAP, y in 0..WRAP) {
            let bytes = entity(id, x, y);
            prop_assert_eq!(read(bytes[..].try_into().unwrap()), (id, x, y));
        }
    }

    #[test]
    fn updates_are_followed_over_the_wrap() {
        let mut bytes = Vec::new();
        bytes.extend(2_005_u16.to_le_bytes());
        bytes.extend(65_535_u16.to_le_bytes());
        bytes.extend(8_000_i32.to_le_bytes());
        bytes.extend(4_095_i32.to_le_bytes());
        bytes.extend(686_u16.to_le_bytes());
        bytes.extend(20_u16.to_le_bytes());
        let welcome = welcome(&bytes).unwrap();
        assert_eq!(
            (welcome.entity, welcome.tick_rate_hz),
            (EntityId(2_005), 20)
        );
        assert_eq!(
            welcome.position,
            Position {
                x: 500_000,
                y: 255_937
            }
        );
        let now = Instant::now();
        let mut log = PlayerLog::new(Clock::start(), 0, "a".into());
        log.joined(&welcome, String::new(), 16);
        let world = Arc::new(World::bare(20, 686));
        let plan = Plan::new(0, 1, &[Activity::Walk]);
        let mut play = PeerPlay::new(&welcome, world, plan, 0, now);
        assert_eq!(play.place, (8_000, 4_095));
        let update = [
            &0_u16.to_le_bytes()[..],
            &1_u16.to_le_bytes(),
            &entity(2_005, 8_005, 4_097),
            &entity(7, 8_000, 4_090),
        ]
        .concat();
        play.take(&update, now, &mut log).unwrap();
        assert_eq!(
            (play.place, play.tick, play.ack),
            ((8_005, 4_097), 65_536, 1)
        );
        assert!(play.take(&update[1..], now, &mut log).is_err());
        assert!(play.take(&update[..4], now, &mut log).is_err());
    }
}
