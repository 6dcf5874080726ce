//! Trades: what two players have put up, and the swap. The rules here know nothing of the world; they
//! get the two packs and either change both or none.

use crate::content::ItemId;
use crate::event::Outcome;
use crate::input::{MAX_OFFERS, Offer};
use crate::inventory::Inventory;
use crate::pages::Row;
use crate::state::{Reader, Sink, SnapshotError, State};
use crate::units::EntityId;
use crate::view::Offered;

/// One of the two who trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) player: EntityId,
    pub(crate) offers: Vec<Offered>,
    /// Agrees to the trade's present revision.
    pub(crate) accepted: bool,
}

/// A trade that was asked for, or is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trade {
    pub(crate) id: EntityId,
    pub(crate) open: bool,
    /// When it was asked for.
    pub(crate) since: u64,
    /// Counts changes of either side's offers.
    pub(crate) revision: u32,
    /// Who asked, and who was asked.
    pub(crate) sides: [Side; 2],
}

impl Trade {
    pub(crate) fn new(id: EntityId, since: u64, asker: EntityId, asked: EntityId) -> Self {
        Self {
            id,
            open: false,
            since,
            revision: 1,
            sides: [asker, asked].map(|player| Side {
                player,
                offers: Vec::new(),
                accepted: false,
            }),
        }
    }

    /// The player's side and the other one.
    pub(crate) fn sides_of(&self, player: EntityId) -> (&Side, &Side) {
        let [asker, asked] = &self.sides;
        if asker.player == player {
            (asker, asked)
        } else {
            (asked, asker)
        }
    }

    fn side_mut(&mut self, player: EntityId) -> &mut Side {
        let [asker, asked] = &mut self.sides;
        if asker.player == player { asker } else { asked }
    }

    /// Replaces one side's offers. Whoever had accepted has accepted something else.
    pub(crate) fn offer(&mut self, player: EntityId, offers: Vec<Offered>) {
        self.side_mut(player).offers = offers;
        self.changed();
    }

    /// The offers stand anew: nobody has accepted them yet.
    pub(crate) fn changed(&mut self) {
        self.revision += 1;
        for side in &mut self.sides {
            side.accepted = false;
        }
    }

    /// Accepts a revision; true when both have.
    pub(crate) fn accept(&mut self, player: EntityId, revision: u32) -> Result<bool, Outcome> {
        if revision != self.revision {
            return Err(Outcome::TradeChanged);
        }
        self.side_mut(player).accepted = true;
        Ok(self.sides.iter().all(|side| side.accepted))
    }
}

/// What an offer means for the pack it is made of.
pub(crate) fn check_offer(pack: &Inventory, offer: &[Offer]) -> Result<Vec<Offered>, Outcome> {
    if offer.len() > MAX_OFFERS.into() {
        return Err(Outcome::NotAllowed);
    }
    let mut offered: Vec<Offered> = Vec::with_capacity(offer.len());
    for &Offer { slot, count } in offer {
        if count == 0 || offered.iter().any(|other| other.slot == slot) {
            return Err(Outcome::NotAllowed);
        }
        let stack = pack.get(slot).ok_or(Outcome::EmptySlot)?;
        if stack.count < count {
            return Err(Outcome::MissingItems);
        }
        let item = stack.item;
        offered.push(Offered { slot, item, count });
    }
    Ok(offered)
}

/// Both packs after the swap. `most` is the largest stack of an item.
///
/// # Errors
/// One of them no longer has what it offered, or has no room for what it would get.
pub(crate) fn swap(
    packs: [&Inventory; 2],
    offers: [&[Offered]; 2],
    most: impl Fn(ItemId) -> u16,
) -> Result<[Inventory; 2], Outcome> {
    let [mut one, mut two] = packs.map(Inventory::clone);
    let [from_one, from_two] = offers;
    for (pack, offers) in [(&mut one, from_one), (&mut two, from_two)] {
        for offer in offers {
            let taken = pack.take(offer.slot, offer.count);
            if taken.is_none_or(|stack| stack.item != offer.item) {
                return Err(Outcome::MissingItems);
            }
        }
    }
    for (pack, offers) in [(&mut two, from_one), (&mut one, from_two)] {
        for offer in offers {
            if pack.add(offer.item, offer.count, most(offer.item)) > 0 {
                return Err(Outcome::NoRoom);
            }
        }
    }
    Ok([one, two])
}

impl Row for Trade {
    fn id(&self) -> EntityId {
        self.id
    }
}

impl State for Offered {
    fn write(&self, sink: &mut impl Sink) {
        let Self { slot, item, count } = self;
        slot.write(sink);
        item.write(sink);
        count.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            slot: u8::read(reader)?,
            item: ItemId::read(reader)?,
            count: u16::read(reader)?,
        })
    }
}

impl State for Side {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            player,
            offers,
            accepted,
        } = self;
        player.write(sink);
        offers.write(sink);
        accepted.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            player: EntityId::read(reader)?,
            offers: Vec::read(reader)?,
            accepted: bool::read(reader)?,
        })
    }
}

impl State for Trade {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            id,
            open,
            since,
            revision,
            sides: [asker, asked],
        } = self;
        id.write(sink);
        open.write(sink);
        since.write(sink);
        revision.write(sink);
        asker.write(sink);
        asked.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        Ok(Self {
            id: EntityId::read(reader)?,
            open: bool::read(reader)?,
            since: u64::read(reader)?,
            revision: u32::read(reader)?,
            sides: [Side::read(reader)?, Side::read(reader)?],
        })
    }
}
