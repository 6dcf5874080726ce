//! What a bot does next, from what it sees: no IO and no clock of its own.
//!
//! [`Plan`] says what the time is for; the mind finds something that serves it, walks there and acts.
//! It sees what any client sees. The one thing that it knows beyond that is where its partner is, as
//! two friends who play together would tell each other.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use worldkeeper_sim::content::{Behaviour, Content, ItemKind, StationKind};
use worldkeeper_sim::{Ground, PLAYER_SPEED, TRADE_REACH, Terrain};

use super::pack::{
    armed, drop_something, held, is_full, kind_of, skill_level, slot_where, something_to_give,
    tool_slot,
};
use super::plan::{Activity, Plan, SLOT};
use super::steer::{self, Way};
use crate::protocol::{
    Action, ChatText, Direction, EntityId, EntityKind, ItemId, Known, Outcome, Pose, Position,
    RecipeId, TradeStage, View,
};

/// How near a bot goes to what stands still, in millimetres: well within reach.
const CLOSE: u64 = 2_000;
/// How near to whom it trades with.
const BESIDE: u64 = 4_000;
/// Up to here it asks somebody to trade.
const TALKING: u64 = TRADE_REACH as u64 - 2_000;
/// A partner farther off than this is not worth the way: it trades with whom it sees.
const WORTH_THE_WAY: u64 = 60_000;
/// What is seen of others with so long a round trip is where they were, not where they are.
const FAR: Duration = Duration::from_millis(500);
/// Farther than this from where it came in, a wanderer turns back.
const LEASH: u64 = 150_000;
/// Attacks that may be unanswered at once: at long round trips one blow a trip would kill nothing.
const MAX_BLOWS: usize = 12;
/// What did not work is left alone for so long.
const SULK: Duration = Duration::from_secs(20);
/// Things that are left alone at once.
const MAX_SULKS: usize = 16;
/// A bot that does something looks again after so long.
const GLIMPSE: Duration = Duration::from_millis(250);
/// Metres a second of a player at full speed, roughly: to know when one arrives.
const WALK_MM_PER_MS: u64 = 6;

/// What a bot knows when it thinks.
pub(super) struct Senses<'a> {
    pub(super) now: Instant,
    /// Where its body is, as predicted.
    pub(super) here: Position,
    /// The tick of `here`.
    pub(super) tick: u64,
    pub(super) view: &'a View,
    pub(super) content: Option<&'static Content>,
    pub(super) terrain: Option<&'a Terrain>,
    pub(super) tick_rate_hz: u8,
    /// Body and place of its partner, if that is in the same world.
    pub(super) partner: Option<(EntityId, Position)>,
    pub(super) round_trip: Duration,
    /// Actions without an answer yet.
    pub(super) unanswered: usize,
}

/// At most one turn and one action, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Intent {
    pub(super) go: Option<Direction>,
    pub(super) act: Option<Action>,
}

#[derive(Clone, Debug)]
pub(super) struct Mind {
    plan: Plan,
    home: Position,
    /// Which way the body was last told to go.
    going: Direction,
    way: Way,
    turns: u32,
    turn_at: Instant,
    chats: u32,
    chat_at: Option<Instant>,
    act_at: Instant,
    eat_at: Instant,
    look_at: Instant,
    slot: u64,
    target: Option<EntityId>,
    sulks: VecDeque<(EntityId, Instant)>,
    /// Since when the trade at hand has been going on, and whether an offer was made in it.
    trade_since: Option<Instant>,
    offered: bool,
    traded_in: Option<u64>,
    /// How often it set to the target, which is to come to something.
    trips: u32,
}

impl Mind {
    pub(super) fn new(plan: Plan, home: Position, now: Instant) -> Self {
        Self {
            plan,
            home,
            going: Direction::default(),
            way: Way::default(),
            turns: 0,
            turn_at: now,
            chats: 0,
            chat_at: plan.chat_after(0).map(|after| now + after / 3),
            act_at: now,
            eat_at: now,
            look_at: now,
            slot: 0,
            target: None,
            sulks: VecDeque::new(),
            trade_since: None,
            offered: false,
            traded_in: None,
            trips: 0,
        }
    }

    /// When it wants to think again.
    pub(super) fn due(&self) -> Instant {
        let due = self.turn_at.min(self.look_at);
        self.chat_at.map_or(due, |chat_at| due.min(chat_at))
    }

    /// Thinks no more until then.
    pub(super) fn pause(&mut self, until: Instant) {
        self.turn_at = until;
        self.look_at = until;
        self.chat_at = self.chat_at.map(|_| until);
    }

    /// An action was answered.
    pub(super) fn answered(&mut self, action: &Action, outcome: Outcome, now: Instant) {
        let target = match action {
            Action::Gather { target } | Action::Attack { target } | Action::Interact { target } => {
                *target
            }
            Action::TradeAsk { target } if outcome != Outcome::Ok => {
                self.act_at = now + Duration::from_secs(1);
                self.sulk(*target, now);
                return;
            }
            _ => return,
        };
        let hopeless = match outcome {
            Outcome::Ok | Outcome::NotNow | Outcome::Dead | Outcome::Busy | Outcome::NotDead => {
                false
            }
            // It may have walked away: one more try, from nearer.
            Outcome::TooFar => !matches!(action, Action::Attack { .. }),
            _ => true,
        };
        if hopeless {
            self.sulk(target, now);
        }
    }

    fn sulk(&mut self, target: EntityId, now: Instant) {
        if self.sulks.len() >= MAX_SULKS {
            self.sulks.pop_front();
        }
        self.sulks.push_back((target, now + SULK));
        self.target = self.target.filter(|old| *old != target);
    }

    fn sulks_at(&self, target: EntityId, now: Instant) -> bool {
        self.sulks
            .iter()
            .any(|(id, until)| *id == target && now < *until)
    }

    /// A trade was carried out.
    pub(super) fn traded(&mut self) {
        self.traded_in = Some(self.slot);
    }

    /// What it does now.
    pub(super) fn think(&mut self, senses: &Senses<'_>) -> Intent {
        let now = senses.now;
        self.look_at = now + Duration::from_secs(1);
        let mut intent = Intent::default();
        if self.chat_at.is_some_and(|chat_at| now >= chat_at) {
            self.chats += 1;
            self.chat_at = self.plan.chat_after(self.chats).map(|after| now + after);
            intent.act = self.something_to_say();
            // One thing at a time: the rest waits for the next thought.
            self.look_at = now;
            return intent;
        }
        let state = senses.view.state();
        let dead = state.vitals.max_health > 0 && state.vitals.health == 0;
        if dead {
            self.target = None;
            self.turn_at = now + Duration::from_secs(1);
            if now >= self.act_at && senses.unanswered == 0 {
                self.act_at = now + Duration::from_secs(2);
                intent.act = Some(Action::Respawn);
            }
            return intent;
        }
        if let Some(content) = senses.content
            && (self.eats(senses, content, &mut intent)
                || self.drinks(senses, content, &mut intent))
        {
            return intent;
        }
        let slot = senses.tick / slot_ticks(senses.tick_rate_hz, senses.round_trip);
        if slot != self.slot {
            self.slot = slot;
            self.target = None;
        }
        if self.continues_trade(senses, &mut intent) {
            return intent;
        }
        let errand = self.plan.errand(slot);
        match (errand, senses.content) {
            (Activity::Trade, _) => self.trade(senses, &mut intent),
            (Activity::Gather, Some(content)) => self.gather(senses, content, None, &mut intent),
            (Activity::Fight, Some(content)) => self.fight(senses, content, &mut intent),
            (Activity::Craft, Some(content)) => self.craft(senses, content, &mut intent),
            (Activity::Walk | Activity::Chat, _) | (_, None) => {
                self.wander(senses, true, &mut intent);
            }
        }
        intent
    }

    fn something_to_say(&self) -> Option<Action> {
        const SAYINGS: [&str; 6] = [
            "anyone trading?",
            "watch out, something moves over there",
            "I was here first",
            "has anybody seen a well?",
            "that was close",
            "on my way",
        ];
        let saying = SAYINGS.get(usize::try_from(self.chats).unwrap_or(0) % SAYINGS.len())?;
        let text = ChatText::new(*saying).ok()?;
        Some(Action::Say { text })
    }

    // --- walking

    fn go(&mut self, direction: Direction, intent: &mut Intent) {
        if self.going != direction {
            self.going = direction;
            intent.go = Some(direction);
        }
    }

    fn stand(&mut self, intent: &mut Intent) {
        self.go(Direction::default(), intent);
    }

    fn next_turn(&mut self, now: Instant) {
        self.turns = self.turns.wrapping_add(1);
        self.turn_at = now + self.plan.turn_after(self.turns);
    }

    /// Somewhere, at random if it wanders for its own sake, in one way for a while if it looks for
    /// something.
    fn wander(&mut self, senses: &Senses<'_>, aimless: bool, intent: &mut Intent) {
        self.look_at = self.turn_at;
        if senses.now < self.turn_at {
            return;
        }
        self.next_turn(senses.now);
        self.look_at = self.turn_at;
        if senses.here.distance(self.home) > LEASH {
            return self.towards(senses, self.home, intent);
        }
        let heading = if aimless {
            i32::from(self.plan.heading(self.turns))
        } else {
            // A way that lasts for some turns, and sways a little at each: to one side, then the other.
            let way = i32::from(self.plan.heading(self.turns / 12));
            let sway = i32::from(self.plan.heading(self.turns)) % 25 + 1;
            way + if self.turns.is_multiple_of(2) {
                sway
            } else {
                -sway
            }
        };
        let stroll = aimless && self.turns.is_multiple_of(11);
        let direction = wire(steer::direction(heading, if stroll { 40 } else { 100 }));
        let ahead = Position {
            x: senses.here.x.saturating_add(i32::from(direction.x) * 40),
            y: senses.here.y.saturating_add(i32::from(direction.y) * 40),
        };
        if aimless {
            self.go(direction, intent);
        } else {
            self.towards(senses, ahead, intent);
        }
    }

    fn towards(&mut self, senses: &Senses<'_>, place: Position, intent: &mut Intent) {
        let sway = if self.turns.is_multiple_of(2) { 8 } else { -8 };
        let far = senses.here.distance(place) > 4_000;
        let sway = if far { sway } else { 0 };
        let heading = match senses.terrain {
            Some(terrain) => {
                let ground = |x, y| -> Ground { terrain.ground_at(x, y) };
                let speed = PLAYER_SPEED / i32::from(senses.tick_rate_hz.max(1));
                self.way
                    .heading(&ground, sim(senses.here), sim(place), sway, speed)
            }
            None => steer::heading(sim(senses.here), sim(place)) + sway,
        };
        self.go(wire(steer::direction(heading, 100)), intent);
    }

    /// Walks to within `near` of a place. True if it is there and stands.
    fn arrive(
        &mut self,
        senses: &Senses<'_>,
        place: Position,
        near: u64,
        intent: &mut Intent,
    ) -> bool {
        let distance = senses.here.distance(place);
        if distance <= near {
            self.stand(intent);
            self.look_at = senses.now + GLIMPSE;
            self.turn_at = self.turn_at.max(self.look_at);
            return true;
        }
        // A bit into the circle, so that rounding does not leave it outside.
        let way = distance - near * 3 / 4;
        let arrives = senses.now + Duration::from_millis((way / WALK_MM_PER_MS).max(50));
        if senses.now >= self.turn_at || self.going == Direction::default() {
            self.next_turn(senses.now);
            self.towards(senses, place, intent);
        }
        self.turn_at = self.turn_at.min(arrives);
        self.look_at = self.turn_at;
        false
    }

    // --- staying alive

    /// True if that is what it does now.
    fn eats(&mut self, senses: &Senses<'_>, content: &Content, intent: &mut Intent) -> bool {
        let state = senses.view.state();
        let vitals = state.vitals;
        let now = senses.now;
        if now < self.eat_at || vitals.max_health == 0 {
            return false;
        }
        let hungry = vitals.hunger < 60;
        let thirsty = vitals.thirst < 60;
        let hurt = u32::from(vitals.health) * 2 < u32::from(vitals.max_health);
        if !(hungry || thirsty || hurt) {
            return false;
        }
        self.eat_at = now + Duration::from_secs(4) + senses.round_trip;
        let helps = |item: ItemId| match kind_of(content, item) {
            Some(ItemKind::Food(food)) => {
                hungry && food.hunger > 0 || thirsty && food.thirst > 0 || hurt && food.health > 0
            }
            _ => false,
        };
        let Some(slot) = slot_where(state, helps) else {
            return false;
        };
        intent.act = Some(Action::Use { slot });
        self.look_at = now + GLIMPSE;
        true
    }

    /// Goes to a well that it sees, if it has great thirst. True if that is what it does now.
    fn drinks(&mut self, senses: &Senses<'_>, content: &Content, intent: &mut Intent) -> bool {
        let vitals = senses.view.state().vitals;
        if vitals.max_health == 0 || vitals.thirst >= 40 {
            return false;
        }
        let is_well = |known: &&Known| match known.kind {
            EntityKind::Station { station } => content
                .stations()
                .get(usize::from(station))
                .is_some_and(|def| matches!(def.kind, StationKind::Water { .. })),
            _ => false,
        };
        let wells = senses.view.entities().iter().filter(is_well);
        let Some(well) = wells
            .filter(|well| !self.sulks_at(well.id, senses.now))
            .min_by_key(|well| senses.here.distance(well.motion.position))
        else {
            return false;
        };
        let (target, place) = (well.id, well.motion.position);
        if self.arrive(senses, place, CLOSE, intent)
            && senses.now >= self.act_at
            && senses.unanswered == 0
        {
            self.act_at = senses.now + Duration::from_secs(1);
            intent.act = Some(Action::Interact { target });
        }
        true
    }

    // --- gathering

    /// Takes from the nearest resource that it can; with `wanted`, only from those that give that.
    fn gather(
        &mut self,
        senses: &Senses<'_>,
        content: &Content,
        wanted: Option<ItemId>,
        intent: &mut Intent,
    ) {
        let now = senses.now;
        let state = senses.view.state();
        let usable = |known: &Known| -> bool {
            let EntityKind::Resource { resource } = known.kind else {
                return false;
            };
            let Some(def) = content.resources().get(usize::from(resource)) else {
                return false;
            };
            known.look.pose() != Some(Pose::Depleted)
                && wanted.is_none_or(|item| item.get() == def.item.0)
                && skill_level(state, def.skill) >= def.min_level
                && def
                    .tool
                    .as_ref()
                    .is_none_or(|need| tool_slot(state, content, need).is_some())
        };
        let Some((target, place)) = self.choose(senses, usable, |_, distance| distance) else {
            return self.wander(senses, false, intent);
        };
        if !self.arrive(senses, place, CLOSE, intent) {
            return;
        }
        if state.activity.is_some() || now < self.act_at || senses.unanswered > 0 {
            return;
        }
        self.act_at = now + Duration::from_millis(700);
        let need = match senses.view.entity(target).map(|known| known.kind) {
            Some(EntityKind::Resource { resource }) => content
                .resources()
                .get(usize::from(resource))
                .and_then(|def| def.tool),
            _ => None,
        };
        intent.act = match need.map(|need| tool_slot(state, content, &need)) {
            // The tool is in the pack and has to be in hand.
            Some(Some(Some(slot))) => Some(Action::Equip { slot }),
            _ if is_full(state) => drop_something(state),
            _ => {
                self.trips += 1;
                if self.trips > 12 {
                    // Nothing comes of it, whatever the reason.
                    self.trips = 0;
                    self.sulk(target, now);
                }
                Some(Action::Gather { target })
            }
        };
    }

    /// The thing in sight that serves best: that of before while it does, else the one that costs least.
    fn choose(
        &mut self,
        senses: &Senses<'_>,
        serves: impl Fn(&Known) -> bool,
        cost: impl Fn(&Known, u64) -> u64,
    ) -> Option<(EntityId, Position)> {
        let ahead = senses
            .tick
            .min(senses.view.own().tick + u64::from(senses.tick_rate_hz));
        let place = |known: &Known| known.motion.shown(ahead, senses.tick_rate_hz);
        if let Some(known) = self.target.and_then(|id| senses.view.entity(id))
            && serves(known)
            && !self.sulks_at(known.id, senses.now)
        {
            return Some((known.id, place(known)));
        }
        let before = self.target;
        let found = senses
            .view
            .entities()
            .iter()
            .filter(|known| serves(known) && !self.sulks_at(known.id, senses.now))
            .map(|known| (known.id, place(known), known))
            .min_by_key(|(_, place, known)| cost(known, senses.here.distance(*place)))
            .map(|(id, place, _)| (id, place));
        self.target = found.map(|(id, _)| id);
        if self.target != before {
            self.trips = 0;
        }
        found
    }

    // --- fighting

    fn fight(&mut self, senses: &Senses<'_>, content: &Content, intent: &mut Intent) {
        let now = senses.now;
        let state = senses.view.state();
        let living = |known: &Known| {
            matches!(known.kind, EntityKind::Creature { .. })
                && known.look.pose() != Some(Pose::Dead)
        };
        let danger = |known: &Known, distance: u64| {
            let EntityKind::Creature { species } = known.kind else {
                return u64::MAX;
            };
            let Some(def) = content.creatures().get(usize::from(species)) else {
                return u64::MAX;
            };
            let flees = u64::from(def.behaviour == Behaviour::Flee);
            // In millimetres of way that one would rather walk than meet it.
            distance + u64::from(def.health) * 100 + u64::from(def.damage) * 800 + flees * 15_000
        };
        let Some((target, place)) = self.choose(senses, living, danger) else {
            return self.wander(senses, false, intent);
        };
        let (reach, cooldown, better) = armed(state, content);
        if let Some(slot) = better.filter(|_| senses.unanswered == 0 && now >= self.act_at) {
            self.act_at = now + Duration::from_millis(500);
            intent.act = Some(Action::Equip { slot });
            self.look_at = now + GLIMPSE;
            return;
        }
        let distance = senses.here.distance(place);
        // Follows what moves, without running past it.
        if distance > reach * 6 / 10 {
            if now >= self.turn_at || self.going == Direction::default() {
                self.next_turn(now);
                self.turn_at = self.turn_at.min(now + Duration::from_millis(400));
                self.towards(senses, place, intent);
            }
        } else {
            self.stand(intent);
            self.turn_at = now + GLIMPSE;
        }
        self.look_at = self.turn_at.min(now + GLIMPSE);
        if distance <= reach && now >= self.act_at && senses.unanswered < MAX_BLOWS {
            self.act_at = now + cooldown + Duration::from_millis(60);
            self.look_at = self.look_at.min(self.act_at);
            intent.act = Some(Action::Attack { target });
        }
    }

    // --- making

    fn craft(&mut self, senses: &Senses<'_>, content: &Content, intent: &mut Intent) {
        let now = senses.now;
        let state = senses.view.state();
        if state.activity.is_some() && self.target.is_none() {
            self.stand(intent);
            self.look_at = now + GLIMPSE;
            return;
        }
        let learned = |recipe: &&worldkeeper_sim::content::RecipeDef| {
            skill_level(state, recipe.skill) >= recipe.min_level
        };
        let station = |number: u8| {
            let here = senses.view.entities().iter().find(|known| {
                known.kind == EntityKind::Station { station: number }
                    && !self.sulks_at(known.id, now)
            });
            here.map(|known| known.motion.position)
        };
        let missing = |recipe: &worldkeeper_sim::content::RecipeDef| {
            recipe
                .inputs
                .iter()
                .find(|input| held(state, input.item.0) < u32::from(input.count))
                .map(|input| input.item)
        };
        let ready = content.recipes().iter().filter(learned).find_map(|recipe| {
            if missing(recipe).is_some() {
                return None;
            }
            match recipe.station {
                None => Some((recipe.id, None)),
                Some(needed) => station(needed.0).map(|place| (recipe.id, Some(place))),
            }
        });
        if let Some((recipe, place)) = ready {
            self.target = None;
            if let Some(place) = place
                && !self.arrive(senses, place, CLOSE, intent)
            {
                return;
            }
            self.stand(intent);
            self.look_at = now + GLIMPSE;
            self.turn_at = self.look_at;
            if now >= self.act_at && senses.unanswered == 0 {
                self.act_at = now + Duration::from_millis(700);
                intent.act = if is_full(state) && self.trips.is_multiple_of(4) {
                    drop_something(state)
                } else {
                    Some(Action::Craft {
                        recipe: RecipeId(recipe.0),
                    })
                };
            }
            return;
        }
        // What is missing and can be had: of the recipe that wants the least of it.
        let gatherable = |item: worldkeeper_sim::content::ItemId| {
            content.resources().iter().any(|def| {
                def.item == item
                    && skill_level(state, def.skill) >= def.min_level
                    && def
                        .tool
                        .as_ref()
                        .is_none_or(|need| tool_slot(state, content, need).is_some())
            })
        };
        let wanted = content
            .recipes()
            .iter()
            .filter(learned)
            .filter(|recipe| {
                recipe.inputs.iter().all(|input| {
                    held(state, input.item.0) >= u32::from(input.count) || gatherable(input.item)
                })
            })
            .min_by_key(|recipe| {
                let wanting: u32 = recipe
                    .inputs
                    .iter()
                    .map(|input| u32::from(input.count).saturating_sub(held(state, input.item.0)))
                    .sum();
                (recipe.station.is_some(), wanting)
            })
            .and_then(missing)
            .and_then(|item| ItemId::new(item.0));
        match wanted {
            Some(item) => self.gather(senses, content, Some(item), intent),
            None => self.gather(senses, content, None, intent),
        }
    }

    // --- trading

    /// Sees a trade through that has begun, or answers one who asks. True if it does.
    fn continues_trade(&mut self, senses: &Senses<'_>, intent: &mut Intent) -> bool {
        let now = senses.now;
        let Some(trade) = &senses.view.state().trade else {
            self.trade_since = None;
            self.offered = false;
            return false;
        };
        let since = *self.trade_since.get_or_insert(now);
        let ready = now >= self.act_at && senses.unanswered == 0;
        self.look_at = now + GLIMPSE;
        self.turn_at = self.turn_at.max(self.look_at);
        if now > since + Duration::from_secs(15) + senses.round_trip * 6 {
            if ready {
                self.act_at = now + Duration::from_secs(1);
                intent.act = Some(Action::TradeCancel);
            }
            return true;
        }
        match trade.stage {
            // Until the other one agrees, there is nothing to do but to stay near.
            TradeStage::Asked => {
                let asked_long = now > since + Duration::from_secs(5) + senses.round_trip * 2;
                if asked_long && ready {
                    self.act_at = now + Duration::from_secs(2);
                    intent.act = Some(Action::TradeCancel);
                }
                self.stand(intent);
            }
            TradeStage::AskedByPartner => {
                if ready {
                    self.act_at = now + Duration::from_millis(300);
                    intent.act = Some(Action::TradeAsk {
                        target: trade.partner,
                    });
                }
                self.stand(intent);
            }
            TradeStage::Open => {
                self.stand(intent);
                let gift = something_to_give(senses.view.state());
                let settled = now > since + Duration::from_secs(1) + senses.round_trip;
                if !ready {
                } else if let (false, Some(offer)) = (self.offered, gift) {
                    self.offered = true;
                    self.act_at = now + Duration::from_millis(300);
                    intent.act = Some(Action::TradeOffer { offer: vec![offer] });
                } else if !trade.i_accepted && (settled || !trade.theirs.is_empty()) {
                    self.act_at = now + Duration::from_millis(300);
                    intent.act = Some(Action::TradeAccept {
                        revision: trade.revision,
                    });
                }
            }
        }
        true
    }

    /// Goes to its partner and asks; or to anybody in sight, if the partner is far off.
    fn trade(&mut self, senses: &Senses<'_>, intent: &mut Intent) {
        let now = senses.now;
        if self.traded_in == Some(self.slot) {
            return self.wander(senses, true, intent);
        }
        // What it sees is as good as what it is told, and never older.
        let shown = |id| senses.view.shown(id, senses.view.own().tick);
        let partner = senses
            .partner
            .map(|(id, told)| (id, shown(id).unwrap_or(told), self.plan.leads()))
            .filter(|(_, place, _)| senses.here.distance(*place) <= WORTH_THE_WAY);
        let with = partner.or_else(|| {
            let willing = |known: &Known| {
                known.kind == EntityKind::Player
                    && !matches!(
                        known.look.pose(),
                        Some(Pose::Dead | Pose::Absent | Pose::Trading)
                    )
            };
            self.choose(senses, willing, |_, distance| distance)
                .map(|(id, place)| (id, place, true))
        });
        let Some((other, place, asks)) = with else {
            return self.wander(senses, false, intent);
        };
        if asks || senses.round_trip < FAR {
            self.arrive(senses, place, BESIDE, intent);
        } else {
            // Two who walk towards where the other was seconds ago pass each other for ever.
            self.stand(intent);
        }
        let near = senses.here.distance(place) <= TALKING && shown(other).is_some();
        if near && asks && now >= self.act_at && senses.unanswered == 0 {
            self.act_at = now + Duration::from_secs(2);
            intent.act = Some(Action::TradeAsk { target: other });
        }
    }

    /// Which way the body was last told to go.
    pub(super) fn going(&self) -> Direction {
        self.going
    }
}

/// Ticks of a slot. Where an answer takes long, so does everything; the steps are wide, so that two who
/// are about as far from the server reckon alike.
fn slot_ticks(tick_rate_hz: u8, round_trip: Duration) -> u64 {
    let longer = match round_trip.as_millis() {
        0..500 => 1,
        500..3_000 => 2,
        _ => 4,
    };
    SLOT.as_secs() * u64::from(tick_rate_hz.max(1)) * longer
}

trait Distance {
    fn distance(self, other: Self) -> u64;
}

impl Distance for Position {
    /// In millimetres.
    fn distance(self, other: Self) -> u64 {
        sim(self).distance_squared(sim(other)).isqrt()
    }
}

/// The same place, as the simulation writes it.
pub(super) fn sim(place: Position) -> worldkeeper_sim::Position {
    worldkeeper_sim::Position {
        x: place.x,
        y: place.y,
    }
}

fn wire(direction: worldkeeper_sim::Direction) -> Direction {
    Direction {
        x: direction.x,
        y: direction.y,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use worldkeeper_sim::Genre;

    use super::*;
    use crate::bots::peer;
    use crate::bots::plan::Activity;

    /// What a mind does in some seconds of an empty world: when it turned, and what it did.
    fn lead(plan: Plan, seconds: u64) -> (Vec<Duration>, Vec<Action>) {
        // Any welcome will do, and this one is short.
        let welcome = peer::welcome(&[1, 0, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 2, 0, 20, 0]).unwrap();
        let view = View::new(&welcome);
        let start = Instant::now();
        let mut mind = Mind::new(plan, welcome.position, start);
        let (mut now, mut turns, mut acts) = (start, Vec::new(), Vec::new());
        while now < start + Duration::from_secs(seconds) {
            let passed = now - start;
            let ticks = u64::try_from(passed.as_millis()).unwrap() / 50;
            let intent = mind.think(&Senses {
                now,
                here: welcome.position,
                tick: ticks,
                view: &view,
                content: Some(Content::of(Genre::Fantasy)),
                terrain: None,
                tick_rate_hz: 20,
                partner: None,
                round_trip: Duration::ZERO,
                unanswered: 0,
            });
            turns.extend(intent.go.map(|_| passed));
            acts.extend(intent.act);
            // As a thread that plays: a few milliseconds after its time.
            now = mind.due().max(now) + Duration::from_millis(5);
        }
        (turns, acts)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn who_finds_nothing_walks_and_turns_every_second(number in 0..10_000_u32, seed: u64) {
            let (turns, acts) = lead(Plan::new(number, seed, &Activity::ALL), 70);
            prop_assert!(turns[0] < Duration::from_secs(1));
            let longest = turns.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
            // A new errand may begin in the direction of the last one, which is then no turn.
            prop_assert!(longest < Duration::from_millis(2_100), "{longest:?}");
            prop_assert!(turns.len() > 65, "{} turns", turns.len());
            let speaks = |act: &Action| matches!(act, Action::Say { .. });
            prop_assert!(acts.iter().all(speaks) && (1..6).contains(&acts.len()), "{acts:?}");
        }
    }

    #[test]
    fn who_is_told_to_walk_only_walks() {
        let (turns, acts) = lead(Plan::new(3, 1, &[Activity::Walk]), 30);
        assert!(turns.len() > 28 && acts.is_empty(), "{acts:?}");
    }
}
