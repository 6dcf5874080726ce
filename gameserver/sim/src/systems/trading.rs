//! Trade between players: asking, offering, accepting, and the end of it. The swap itself is in
//! [`crate::trade`].

use crate::content::Skill;
use crate::event::{Event, Gain, Outcome};
use crate::input::Offer;
use crate::systems::{TRADE_REACH, within};
use crate::trade::{Trade, check_offer, swap};
use crate::units::EntityId;
use crate::world::World;

/// How long a question stands, in seconds.
const ASK_SECONDS: u32 = 30;
/// What a trade teaches.
const TRADE_EXPERIENCE: u16 = 10;

impl World {
    /// Asks a player to trade, or agrees to one that has asked.
    pub(crate) fn trade_ask(&mut self, me: u32, target: EntityId) -> Result<(), Outcome> {
        let rank = self.tables.players.rank(target);
        let them = rank.ok_or(Outcome::NoSuchTarget)?;
        let (my, other) = (self.player_ref(me)?, self.player_ref(them)?);
        let (asker, mine, theirs) = (my.id, my.trade, other.trade);
        if asker == target {
            return Err(Outcome::NotAllowed);
        }
        if !other.is_alive() || !other.present {
            return Err(Outcome::NoSuchTarget);
        }
        if !within(my.position, other.position, TRADE_REACH) {
            return Err(Outcome::TooFar);
        }
        let is_open = |id| {
            let trade = self.tables.trades.find(EntityId(id));
            trade.is_some_and(|trade| trade.open)
        };
        if is_open(mine) || is_open(theirs) {
            return Err(Outcome::Busy);
        }
        if mine != 0 && mine == theirs {
            let tick = self.globals.tick;
            let trade = self.trade_mut(mine)?;
            let [first, _] = &trade.sides;
            if first.player == asker {
                // Asked already: the question stands anew.
                trade.since = tick;
                return Ok(());
            }
            trade.open = true;
            return self.touch_both(mine);
        }
        if theirs != 0 {
            // Somebody else has asked them, or they somebody else, and no answer has come yet.
            return Err(Outcome::Busy);
        }
        self.end_trade_of(me);
        let id = self.new_id();
        let trade = Trade::new(id, self.globals.tick, asker, target);
        self.tables.trades.push(trade);
        self.player_mut(me)?.trade = id.0;
        self.player_mut(them)?.trade = id.0;
        self.touch_both(id.0)
    }

    /// Puts something else on one's side.
    pub(crate) fn trade_offer(&mut self, me: u32, offer: &[Offer]) -> Result<(), Outcome> {
        let id = self.open_trade(me)?;
        let player = self.player_ref(me)?.id;
        let offered = check_offer(&self.character(me)?.inventory, offer)?;
        self.trade_mut(id)?.offer(player, offered);
        self.touch_both(id)
    }

    /// Accepts; the second of the two to do so brings the swap about.
    pub(crate) fn trade_accept(&mut self, me: u32, revision: u32) -> Result<(), Outcome> {
        let id = self.open_trade(me)?;
        let player = self.player_ref(me)?.id;
        let both = self.trade_mut(id)?.accept(player, revision)?;
        self.touch_both(id)?;
        if both {
            let swapped = self.carry_out(id);
            if swapped.is_err() {
                self.trade_mut(id)?.changed();
                self.touch_both(id)?;
            }
            return swapped;
        }
        Ok(())
    }

    /// Swaps, all or nothing: what each has and has room for is looked at now, not when it was offered.
    fn carry_out(&mut self, id: u64) -> Result<(), Outcome> {
        let trade = self.tables.trades.find(EntityId(id));
        let [one, two] = trade.ok_or(Outcome::NoTrade)?.sides.clone();
        let rank = |id| self.tables.players.rank(id).ok_or(Outcome::NoSuchTarget);
        let ranks = [rank(one.player)?, rank(two.player)?];
        let [first, second] = ranks;
        let packs = [
            &self.character(first)?.inventory,
            &self.character(second)?.inventory,
        ];
        let swapped = swap(packs, [&one.offers, &two.offers], |item| self.most_of(item))?;
        for (rank, pack) in ranks.into_iter().zip(swapped) {
            let character = self.character_mut(rank)?;
            character.inventory = pack;
            character.deeds.trades += 1;
        }
        self.end_trade_of(first);
        for (rank, mine, theirs) in [(first, &one, &two), (second, &two, &one)] {
            let player = mine.player;
            self.events.push(Event::Traded {
                player,
                with: theirs.player,
            });
            for offer in &theirs.offers {
                self.events.push(Event::Gained {
                    player,
                    item: offer.item,
                    count: offer.count,
                    how: Gain::Trade,
                });
            }
            // Passing the same stick to and fro teaches once: giving and getting both count.
            if !mine.offers.is_empty() && !theirs.offers.is_empty() {
                self.learn(rank, Skill::Trading, TRADE_EXPERIENCE);
            }
        }
        Ok(())
    }

    /// Leaves a trade, or refuses one.
    pub(crate) fn trade_cancel(&mut self, me: u32) -> Result<(), Outcome> {
        if self.player_ref(me)?.trade == 0 {
            return Err(Outcome::NoTrade);
        }
        self.end_trade_of(me);
        Ok(())
    }

    /// Ends the trade that a player is in, if any.
    pub(crate) fn end_trade_of(&mut self, me: u32) {
        if let Ok(body) = self.player_ref(me)
            && body.trade != 0
        {
            self.end_trade(EntityId(body.trade));
        }
    }

    fn end_trade(&mut self, id: EntityId) {
        let Some(rank) = self.tables.trades.rank(id) else {
            return;
        };
        let Some(trade) = self.tables.trades.remove(rank) else {
            return;
        };
        for side in &trade.sides {
            if let Some(rank) = self.tables.players.rank(side.player)
                && let Ok(body) = self.player_mut(rank)
            {
                body.trade = 0;
                body.touch();
            }
        }
    }

    /// Ends trades whose two have walked apart, and questions that got no answer.
    pub(crate) fn end_stale_trades(&mut self) {
        let oldest = self.globals.tick.saturating_sub(self.seconds(ASK_SECONDS));
        let place = |side: &crate::trade::Side| {
            let player = self.tables.players.find(side.player)?;
            Some(player.position)
        };
        let stale = |trade: &&Trade| {
            let [one, two] = &trade.sides;
            let near = match (place(one), place(two)) {
                (Some(one), Some(two)) => within(one, two, TRADE_REACH),
                _ => false,
            };
            !near || !trade.open && trade.since < oldest
        };
        let trades = self.tables.trades.iter();
        let stale: Vec<EntityId> = trades.filter(stale).map(|trade| trade.id).collect();
        for id in stale {
            self.end_trade(id);
        }
    }

    fn open_trade(&self, me: u32) -> Result<u64, Outcome> {
        let id = self.player_ref(me)?.trade;
        let trade = self.tables.trades.find(EntityId(id));
        match trade {
            Some(trade) if trade.open => Ok(id),
            _ => Err(Outcome::NoTrade),
        }
    }

    fn trade_mut(&mut self, id: u64) -> Result<&mut Trade, Outcome> {
        let trades = &mut self.tables.trades;
        let rank = trades.rank(EntityId(id)).ok_or(Outcome::NoTrade)?;
        trades.get_mut(rank).ok_or(Outcome::NoTrade)
    }

    /// Both are shown something else.
    fn touch_both(&mut self, id: u64) -> Result<(), Outcome> {
        let trade = self.tables.trades.find(EntityId(id));
        let [one, two] = &trade.ok_or(Outcome::NoTrade)?.sides;
        for player in [one.player, two.player] {
            let rank = self.tables.players.rank(player);
            self.player_mut(rank.ok_or(Outcome::NoSuchTarget)?)?.touch();
        }
        Ok(())
    }
}
