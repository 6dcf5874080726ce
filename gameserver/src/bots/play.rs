//! What a bot does inside a world: it takes in updates, predicts its body, and does what its mind says.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::SmallRng;
use worldkeeper_sim::{PLAYER_SPEED, STARVING_SPEED};

use super::connection::Ending;
use super::log::PlayerLog;
use super::mind::{Mind, Senses, sim};
use super::pace::Pace;
use super::plan::Plan;
use super::predict::Prediction;
use super::truth::{Glance, MAX_GLANCES};
use super::worlds::World;
use crate::protocol::limits::MAX_VIEW_ENTITIES;
use crate::protocol::{
    Act, Action, ClientMessage, Direction, EntityId, EntityKind, EventMessage, Gain, ItemId,
    KickReason, Move, Outcome, Ping, Received, ServerMessage, View, Vitals, Welcome,
};

/// A bot measures the round trip this often.
const PING_EVERY: Duration = Duration::from_secs(2);
/// Pings that may be unanswered at once.
const MAX_PINGS: usize = 16;
/// An action without an answer after this and a few round trips is a fault.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Actions that may wait for an answer.
const MAX_UNANSWERED: usize = 64;
/// The body is corrected if it was shown more than this from where it was, in millimetres.
const CORRECTION: u64 = 10;
/// Movers are counted at every so many updates.
const COUNT_EVERY: u64 = 32;
/// Entities looked at to find a bot among them.
const LOOKS: usize = 4;

/// What a message meant for the connection.
pub(super) enum Taken {
    Fine,
    Kicked(KickReason, String),
    /// The server broke the protocol.
    Violation(String),
}

/// An action that has no answer yet.
struct Unanswered {
    seq: u32,
    action: Action,
    sent: Instant,
}

pub(super) struct Play {
    world: Arc<World>,
    bot: u32,
    entity: EntityId,
    view: View,
    pace: Pace,
    /// None until the ground is known.
    body: Option<Prediction>,
    mind: Mind,
    partner: u32,
    seq: u32,
    unanswered: VecDeque<Unanswered>,
    glances: VecDeque<Glance>,
    /// Which entity in sight is looked at next.
    glance_at: usize,
    ping_at: Instant,
    pings: VecDeque<(u32, Instant)>,
    nonce: u32,
    last_update: Instant,
    updates: u64,
    was_alive: bool,
    /// Gained, and not seen in a slot yet; since when.
    gained: Option<(ItemId, u64)>,
}

impl Play {
    /// After a Welcome.
    pub(super) fn new(
        welcome: &Welcome,
        world: Arc<World>,
        plan: Plan,
        bot: u32,
        now: Instant,
        rng: &mut SmallRng,
    ) -> Self {
        world.board().enter(bot, welcome.entity.0);
        Self {
            bot,
            entity: welcome.entity,
            view: View::new(welcome),
            pace: Pace::new(welcome.tick_rate_hz, welcome.tick, now),
            body: None,
            mind: Mind::new(plan, welcome.position, now),
            partner: plan.partner(),
            seq: welcome.ack,
            unanswered: VecDeque::new(),
            glances: VecDeque::new(),
            glance_at: rng.random_range(0..MAX_VIEW_ENTITIES),
            // Soon, for the pace; spread, for the server.
            ping_at: now + PING_EVERY.mul_f32(rng.random_range(0.0..0.2)),
            pings: VecDeque::new(),
            nonce: 0,
            last_update: now,
            updates: 0,
            was_alive: false,
            gained: None,
            world,
        }
    }

    pub(super) fn view(&mut self) -> &mut View {
        &mut self.view
    }

    pub(super) fn due(&self) -> Instant {
        self.mind.due().min(self.ping_at)
    }

    pub(super) fn silent_at(&self, silence: Duration) -> Instant {
        self.last_update + silence
    }

    pub(super) fn pause(&mut self, now: Instant) {
        self.mind.pause(now + PING_EVERY);
        self.ping_at = now + PING_EVERY;
    }

    pub(super) fn round_trip(&self) -> Duration {
        self.pace.round_trip()
    }

    pub(super) fn over(&mut self) {
        self.world.board().leave(self.bot);
    }

    pub(super) fn take(&mut self, received: Received, now: Instant, log: &mut PlayerLog) -> Taken {
        match received {
            Received::Update { events } => self.updated(&events, now, log),
            Received::Message(ServerMessage::Pong(pong)) => {
                if let Some(at) = self
                    .pings
                    .iter()
                    .position(|(nonce, _)| *nonce == pong.nonce)
                    && let Some((_, sent)) = self.pings.drain(..=at).next_back()
                {
                    log.round_trip(sent);
                    let round_trip = now.saturating_duration_since(sent);
                    self.pace.ponged(round_trip, pong.dilation);
                }
            }
            Received::Message(ServerMessage::Notice(notice)) => log.noticed(&notice),
            Received::Message(ServerMessage::Kicked(kicked)) => {
                return Taken::Kicked(kicked.reason, kicked.message);
            }
            Received::Message(ServerMessage::Welcome(_) | ServerMessage::Refused(_)) => {
                return Taken::Violation("a Welcome or Refused comes once, first".to_owned());
            }
        }
        Taken::Fine
    }

    fn updated(&mut self, events: &[EventMessage], now: Instant, log: &mut PlayerLog) {
        self.last_update = now;
        let own = self.view.own();
        self.pace.updated(own.tick, now);
        self.predict(now, log);
        self.compare();
        for event in events {
            self.witness(event, now, log);
        }
        self.check_gain(log);
        self.updates += 1;
        if self.updates.is_multiple_of(COUNT_EVERY) {
            let moves = self.view.entities().iter();
            log.counted_movers(moves.filter(|known| known.kind.moves()).count());
            self.check_places(log);
        }
        let ticked = log.updated(own, self.view.entities().len(), now);
        if !ticked {
            log.fault("TickNotAscending");
        }
    }

    /// Compares where the body was shown with where the server says that it was.
    fn predict(&mut self, now: Instant, log: &mut PlayerLog) {
        let Some(terrain) = self.world.terrain() else {
            return;
        };
        let own = self.view.own();
        let vitals = self.view.state().vitals;
        let alive = vitals.health > 0;
        let rate = self.world.tick_rate_hz.max(1);
        let speed = speed(rate, vitals);
        let place = sim(own.position);
        let Some(body) = &mut self.body else {
            if own.ack == self.seq && self.pace.is_known() {
                let going = self.mind.going();
                let going = worldkeeper_sim::Direction {
                    x: going.x,
                    y: going.y,
                };
                self.body = Some(Prediction::new(own.tick, place, going, speed));
                self.was_alive = alive;
            }
            return;
        };
        let ground = |x, y| terrain.ground_at(x, y);
        body.advance(self.pace.stamp(now).saturating_sub(1), &ground);
        let before = body.confirmed_tick();
        let confirmed = body.confirm(own.tick, own.ack, place, speed, &ground);
        for _ in 0..confirmed.late {
            self.pace.was_late();
        }
        for _ in 0..confirmed.in_time {
            self.pace.was_in_time();
        }
        let lived_through = alive && self.was_alive;
        self.was_alive = alive;
        if lived_through && let Some(off) = confirmed.off {
            let ticks = u32::try_from(own.tick.saturating_sub(before)).unwrap_or(0);
            let time = Duration::from_secs(1) / u32::from(rate) * ticks;
            if off > CORRECTION {
                tracing::trace!(
                    bot = self.bot,
                    tick = own.tick,
                    off,
                    late = confirmed.late,
                    "corrected"
                );
            }
            log.predicted(time, off > CORRECTION, confirmed.late);
        }
    }

    /// Writes down where the body was, and where another bot was shown.
    fn compare(&mut self) {
        let own = self.view.own();
        let mut board = self.world.board();
        board.write(self.entity.0, own.tick, sim(own.position));
        board.judge(&mut self.glances, own.tick);
        let entities = self.view.entities();
        if entities.is_empty() || self.glances.len() >= MAX_GLANCES {
            return;
        }
        for _ in 0..LOOKS {
            self.glance_at = self.glance_at.wrapping_add(1);
            let Some(known) = entities.get(self.glance_at % entities.len()) else {
                return;
            };
            if known.kind == EntityKind::Player && board.knows(known.id.0) {
                self.glances.push_back(Glance {
                    entity: known.id.0,
                    tick: own.tick,
                    shown: sim(known.motion.shown(own.tick, self.world.tick_rate_hz)),
                    from: sim(own.position),
                });
                return;
            }
        }
    }

    fn check_places(&self, log: &mut PlayerLog) {
        let side = i32::try_from(u64::from(self.world.size_metres) * 1_000).unwrap_or(i32::MAX);
        // What is shown runs on for a moment where the thing itself has stopped.
        let within = -1_000..=side.saturating_add(1_000);
        let tick = self.view.own().tick;
        for known in self.view.entities() {
            let place = known.motion.shown(tick, self.world.tick_rate_hz);
            if !within.contains(&place.x) || !within.contains(&place.y) {
                log.fault("BeyondWorld");
            }
        }
    }

    fn witness(&mut self, event: &EventMessage, now: Instant, log: &mut PlayerLog) {
        match event {
            EventMessage::Done { seq, outcome } => {
                let Some(at) = self
                    .unanswered
                    .iter()
                    .position(|waiting| waiting.seq == *seq)
                else {
                    log.fault("DoneUnasked");
                    return;
                };
                if let Some(Unanswered { action, .. }) = self.unanswered.remove(at) {
                    log.outcome(&action, *outcome);
                    let said = matches!(action, Action::Say { .. }) && *outcome == Outcome::Ok;
                    log.deeds().said += u64::from(said);
                    self.mind.answered(&action, *outcome, now);
                }
            }
            EventMessage::Said { speaker, .. } => {
                log.deeds().heard += u64::from(*speaker != self.entity);
            }
            EventMessage::Struck {
                attacker,
                target,
                killed,
                ..
            } => {
                let mine = *attacker == self.entity;
                let deeds = log.deeds();
                deeds.strikes += u64::from(mine);
                deeds.kills += u64::from(mine && *killed);
                deeds.struck += u64::from(*target == self.entity);
            }
            EventMessage::Gained { item, count, how } => {
                let count = u64::from(*count);
                let deeds = log.deeds();
                match how {
                    Gain::Gather => deeds.gathered += count,
                    Gain::Craft => deeds.crafted += count,
                    Gain::Loot | Gain::Take => deeds.looted += count,
                    Gain::Trade => {}
                }
                self.gained = Some((*item, self.view.own().tick));
            }
            EventMessage::Levelled { .. } => log.deeds().levels += 1,
            EventMessage::Died { .. } => {
                log.deeds().deaths += 1;
                if self.view.state().vitals.health > 0 {
                    log.fault("DeathNotShown");
                }
            }
            EventMessage::Traded { .. } => {
                log.deeds().trades += 1;
                self.mind.traded();
            }
            EventMessage::Statistics(_) => {}
        }
    }

    /// What was gained has to be in a slot, or worn, with the update that tells of it or the one after.
    fn check_gain(&mut self, log: &mut PlayerLog) {
        let Some((item, tick)) = self.gained else {
            return;
        };
        let state = self.view.state();
        let mut held = state.slots.iter().flatten().map(|stack| stack.item);
        let mut worn = state.equipment.iter().flatten().copied();
        let shown = held.any(|held| held == item) || worn.any(|worn| worn == item);
        // The dead have lost it.
        if shown || state.vitals.health == 0 {
            self.gained = None;
        } else if self.view.own().tick > tick {
            self.gained = None;
            log.fault("GainNotShown");
        }
    }

    pub(super) fn act(
        &mut self,
        now: Instant,
        log: &mut PlayerLog,
        rng: &mut SmallRng,
        mut send: impl FnMut(&ClientMessage, &mut SmallRng) -> Result<(), Ending>,
    ) -> Result<(), Ending> {
        if now >= self.ping_at {
            self.ping_at = now + PING_EVERY;
            self.nonce = self.nonce.wrapping_add(1);
            if self.pings.len() >= MAX_PINGS {
                self.pings.pop_front();
            }
            self.pings.push_back((self.nonce, now));
            send(&ClientMessage::Ping(Ping { nonce: self.nonce }), rng)?;
        }
        // Before the first update the bot knows nothing of itself. And before it predicts, it needs to
        // know how long an input takes, and to have none on its way: else it would not know which way
        // its body goes.
        let settling = self.world.predicts()
            && self.body.is_none()
            && (!self.pace.is_known() || self.world.terrain().is_some());
        if self.updates == 0 || settling {
            self.mind.pause(now + Duration::from_millis(50));
            return Ok(());
        }
        if now < self.mind.due() {
            return Ok(());
        }
        self.give_up_answers(now, log);
        let own = self.view.own();
        let stamp = self.pace.stamp(now);
        let terrain = self.world.terrain();
        let (here, at) = match (&mut self.body, terrain) {
            (Some(body), Some(terrain)) => {
                body.advance(stamp.saturating_sub(1), &|x, y| terrain.ground_at(x, y));
                let place = body.position();
                let place = crate::protocol::Position {
                    x: place.x,
                    y: place.y,
                };
                (place, stamp.max(body.shown_until() + 1))
            }
            // Nothing is predicted: inputs count as soon as they arrive.
            _ => (own.position, 0),
        };
        let partner = self.world.board().whereabouts(self.partner);
        let intent = self.mind.think(&Senses {
            now,
            here,
            tick: at.max(own.tick),
            view: &self.view,
            content: self.world.content,
            terrain: terrain.map(|terrain| &**terrain),
            tick_rate_hz: self.world.tick_rate_hz,
            partner: partner.map(|(entity, place)| {
                let place = crate::protocol::Position {
                    x: place.x,
                    y: place.y,
                };
                (EntityId(entity), place)
            }),
            round_trip: self.pace.round_trip(),
            unanswered: self.unanswered.len(),
        });
        if let Some(direction) = intent.go {
            let seq = self.next_seq(at, Some(direction));
            log.sent_input();
            send(&ClientMessage::Move(Move { seq, at, direction }), rng)?;
        }
        if let Some(action) = intent.act
            && self.unanswered.len() < MAX_UNANSWERED
        {
            let seq = self.next_seq(at, None);
            log.sent_input();
            let act = Act {
                seq,
                at,
                // Others are shown as they were at the last update.
                view: own.tick,
                action,
            };
            let message = ClientMessage::Act(act);
            let sent = send(&message, rng);
            if let ClientMessage::Act(Act { action, .. }) = message {
                self.unanswered.push_back(Unanswered {
                    seq,
                    action,
                    sent: now,
                });
            }
            sent?;
        }
        Ok(())
    }

    fn next_seq(&mut self, at: u64, direction: Option<Direction>) -> u32 {
        self.seq = self.seq.saturating_add(1);
        if let Some(body) = &mut self.body {
            let direction = direction.map(|direction| worldkeeper_sim::Direction {
                x: direction.x,
                y: direction.y,
            });
            body.sent(self.seq, at, direction);
        }
        self.seq
    }

    fn give_up_answers(&mut self, now: Instant, log: &mut PlayerLog) {
        let patience = ANSWER_WITHIN + self.pace.round_trip() * 4;
        while let Some(waiting) = self.unanswered.front()
            && now.saturating_duration_since(waiting.sent) > patience
        {
            self.unanswered.pop_front();
            log.fault("ActUnanswered");
        }
    }
}

/// Longest way of a tick, in millimetres.
fn speed(tick_rate_hz: u8, vitals: Vitals) -> i32 {
    let speed = match vitals {
        Vitals { health: 0, .. } => 0,
        Vitals { hunger: 0, .. } | Vitals { thirst: 0, .. } => STARVING_SPEED,
        _ => PLAYER_SPEED,
    };
    speed / i32::from(tick_rate_hz.max(1))
}
