//! Trades raced against each other: whatever two traders send at the same moment, nothing is doubled and
//! nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::time::Instant;
use worldkeeper_server::protocol::{
    Act, Action, ClientMessage, Direction, EntityId, EntityKind, EventMessage, Format, ItemId,
    Move, Offer, Outcome, Position, Trade, TradeStage,
};

use super::raw::{FIN, Heard, PONG, Raw, frame};
use crate::local::{Place, Server, Setup};

/// Races, when the scenario was named, and when it runs among others.
const ROUNDS: [u32; 2] = [60, 20];
/// For both to have gathered something to trade.
const GATHERING: Duration = Duration::from_secs(120);
/// For one place to yield something, the way there included.
const PATIENCE: Duration = Duration::from_secs(15);
/// How near one has to be to gather, and to trade, with a margin.
const AT_HAND: f64 = 2_200.0;
const IN_TALK: f64 = 5_000.0;

/// In a world of its own: traders must not be eaten meanwhile, or robbed of what they gather.
pub(super) async fn run(place: &Place) -> Result<()> {
    let setup = Setup::default()
        .set("world.size", 256)
        .set("world.seed", 11)
        .set("world.genre", "Fantasy");
    let server = place.server("trades", setup).await?;
    let (mut ada, mut bob) = tokio::try_join!(
        Trader::with_goods(&server, "ada"),
        Trader::with_goods(&server, "bob"),
    )?;
    bob.meet(&ada).await?;
    let mut cyd = Trader::enter(&server, "cyd").await?;
    cyd.meet(&ada).await?;
    let mut seen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut swapped = 0;
    let total = together(&ada, &bob, &cyd);
    let rounds = ROUNDS[usize::from(!place.thorough)];
    for round in 0..rounds {
        let race = &RACES[usize::try_from(round)? % RACES.len()];
        let outcomes = race_once(&mut ada, &mut bob, &mut cyd, race)
            .await
            .with_context(|| format!("round {round}: {}", race.name))?;
        let now = together(&ada, &bob, &cyd);
        ensure!(
            now == total,
            "round {round}: {}: what they have together changed from {total:?} to {now:?}: {outcomes:?}",
            race.name
        );
        swapped += u32::from(outcomes.traded);
        ensure!(
            outcomes.traded || !race.always_swaps,
            "{}: there was no swap: {outcomes:?}",
            race.name
        );
        ensure!(
            !outcomes.traded || !race.never_swaps,
            "{}: there was a swap: {outcomes:?}",
            race.name
        );
        let names = outcomes.all.iter().map(|outcome| outcome.as_str());
        seen.entry(race.name).or_default().extend(names);
    }
    ensure!(
        swapped > 0,
        "no trade was carried out in {rounds} races: {seen:?}"
    );
    server.stop().await?;
    place.say(format!(
        "{rounds} races of trades, {swapped} swaps: nothing doubled, nothing lost"
    ));
    Ok(())
}

/// What the two do at the same moment, each in one write, in an open trade in which both offer one thing.
struct Race {
    name: &'static str,
    ada: &'static [Deed],
    bob: &'static [Deed],
    cyd: &'static [Deed],
    always_swaps: bool,
    never_swaps: bool,
}

#[derive(Clone, Copy)]
enum Deed {
    /// Accept what both have seen.
    Accept,
    /// Accept a revision that will be, if it is guessed right.
    AcceptNext,
    /// Accept one that was.
    AcceptLast,
    /// Offer nothing.
    OfferNothing,
    /// Offer the same thing twice.
    OfferTwice,
    /// Offer more than there is.
    OfferMore,
    /// Offer what lies in no slot.
    OfferAir,
    /// Ask the other one anew.
    Ask,
    /// Ask oneself.
    AskSelf,
    Cancel,
}

const RACES: [Race; 10] = {
    use Deed::{
        Accept, AcceptLast, AcceptNext, Ask, AskSelf, Cancel, OfferAir, OfferMore, OfferNothing,
        OfferTwice,
    };
    const fn race(name: &'static str, ada: &'static [Deed], bob: &'static [Deed]) -> Race {
        Race {
            name,
            ada,
            bob,
            cyd: &[],
            always_swaps: false,
            never_swaps: false,
        }
    }
    [
        Race {
            always_swaps: true,
            ..race("both accept", &[Accept], &[Accept])
        },
        Race {
            never_swaps: true,
            ..race(
                "taken back before it is accepted",
                &[OfferNothing, AcceptNext],
                &[AcceptLast],
            )
        },
        race(
            "taken back while it is accepted",
            &[Accept, OfferNothing],
            &[Accept],
        ),
        Race {
            always_swaps: true,
            ..race("accepted over and over", &[Accept; 10], &[Accept; 10])
        },
        race(
            "cancelled while it is accepted",
            &[Accept, Cancel],
            &[Accept, Accept],
        ),
        Race {
            never_swaps: true,
            ..race("the same twice", &[OfferTwice, AcceptLast], &[AcceptLast])
        },
        race("more than there is", &[OfferMore, Accept], &[Accept]),
        race("what is not there", &[OfferAir, Accept], &[Accept]),
        race(
            "asked in the middle",
            &[Ask, Accept, Ask],
            &[AskSelf, Accept, Ask],
        ),
        Race {
            cyd: &[Ask, Accept, OfferNothing, Cancel, Ask],
            ..race("a third one", &[Accept], &[Accept])
        },
    ]
};

#[derive(Debug)]
struct Outcomes {
    all: Vec<Outcome>,
    traded: bool,
}

async fn race_once(
    ada: &mut Trader,
    bob: &mut Trader,
    cyd: &mut Trader,
    race: &Race,
) -> Result<Outcomes> {
    open_trade(ada, bob).await?;
    let (slot, other) = (ada.some_slot()?, bob.some_slot()?);
    ada.expect(offer(slot, 1)).await?;
    bob.expect(offer(other, 1)).await?;
    // Both have seen the same revision.
    ada.settle().await?;
    bob.settle().await?;
    let revision = bob.trade()?.revision;
    ensure!(
        ada.trade()?.revision == revision,
        "they see different revisions"
    );
    let one = ada.deeds(race.ada, slot, revision, bob.id);
    let two = bob.deeds(race.bob, other, revision, ada.id);
    let three = cyd.deeds(race.cyd, 0, revision, ada.id);
    // Three sockets, three readers, one tick: whichever comes first.
    let (one, two, three) = tokio::try_join!(ada.all(one), bob.all(two), cyd.all(three))?;
    for trader in [&mut *ada, &mut *bob, &mut *cyd] {
        trader.settle().await?;
    }
    for trader in [&mut *ada, &mut *bob, &mut *cyd] {
        let cancel = trader.act(Action::TradeCancel).await?;
        trader.answers(&[cancel]).await?;
    }
    for trader in [&mut *ada, &mut *bob, &mut *cyd] {
        trader.settle().await?;
    }
    let traded = one
        .iter()
        .chain(&two)
        .any(|event| matches!(event, EventMessage::Traded { .. }));
    let all = one
        .iter()
        .chain(&two)
        .chain(&three)
        .filter_map(|event| match event {
            EventMessage::Done { outcome, .. } => Some(*outcome),
            _ => None,
        });
    Ok(Outcomes {
        all: all.collect(),
        traded,
    })
}

/// Asks, and agrees, until the trade is open on both sides.
async fn open_trade(ada: &mut Trader, bob: &mut Trader) -> Result<()> {
    ada.expect(Action::TradeAsk { target: bob.id }).await?;
    bob.expect(Action::TradeAsk { target: ada.id }).await?;
    ada.settle().await?;
    bob.settle().await?;
    for trader in [ada, bob] {
        ensure!(
            trader.trade()?.stage == TradeStage::Open,
            "the trade is not open"
        );
    }
    Ok(())
}

fn offer(slot: u8, count: u16) -> Action {
    Action::TradeOffer {
        offer: vec![Offer { slot, count }],
    }
}

/// How many of each item they have together.
fn together(ada: &Trader, bob: &Trader, cyd: &Trader) -> BTreeMap<ItemId, u32> {
    let mut total = BTreeMap::new();
    for trader in [ada, bob, cyd] {
        for stack in trader.slots() {
            *total.entry(stack.1).or_default() += u32::from(stack.2);
        }
    }
    total
}

struct Trader {
    raw: Raw,
    id: EntityId,
    seq: u32,
}

impl Trader {
    async fn enter(server: &Server, name: &str) -> Result<Self> {
        let mut raw = Raw::open(server.players, Format::Binary).await?;
        raw.say(&super::raw::hello(name)?).await?;
        let id = raw.welcome().await?.entity;
        let mut trader = Self { raw, id, seq: 0 };
        trader.settle().await?;
        Ok(trader)
    }

    /// Somebody who has gathered at least three things.
    async fn with_goods(server: &Server, name: &str) -> Result<Self> {
        let mut trader = Self::enter(server, name).await?;
        let deadline = Instant::now() + GATHERING;
        let mut tried = BTreeSet::new();
        while trader.slots().iter().map(|slot| slot.2).sum::<u16>() < 3 {
            ensure!(Instant::now() < deadline, "{name} found nothing to trade");
            let Some(target) = trader.nearest(&tried)? else {
                bail!("{name} sees nothing more to gather");
            };
            tried.insert(target);
            let until = Instant::now() + PATIENCE;
            if !trader.walk_to(target, AT_HAND, until).await? {
                continue;
            }
            let seq = trader.act(Action::Gather { target }).await?;
            let events = trader.answers(&[seq]).await?;
            let begun = events.iter().any(|event| {
                matches!(
                    event,
                    EventMessage::Done {
                        outcome: Outcome::Ok,
                        ..
                    }
                )
            });
            while begun && Instant::now() < until {
                let gained = trader.hear().await?;
                if gained
                    .iter()
                    .any(|event| matches!(event, EventMessage::Gained { .. }))
                {
                    break;
                }
            }
        }
        trader.settle().await?;
        Ok(trader)
    }

    /// What it has: slot, item, count.
    fn slots(&self) -> Vec<(u8, ItemId, u16)> {
        let Some(view) = &self.raw.view else {
            return Vec::new();
        };
        let slots = (0..).zip(&view.state().slots);
        slots
            .filter_map(|(slot, stack)| stack.map(|stack| (slot, stack.item, stack.count.get())))
            .collect()
    }

    fn some_slot(&self) -> Result<u8> {
        let slots = self.slots();
        // From the fullest, so that both always have something left.
        let fullest = slots.iter().max_by_key(|slot| slot.2);
        Ok(fullest.context("nothing left to offer")?.0)
    }

    fn trade(&self) -> Result<&Trade> {
        let state = self.raw.view.as_ref().context("no view")?.state();
        state.trade.as_ref().context("there is no trade")
    }

    fn place(&self) -> Result<Position> {
        Ok(self.raw.view.as_ref().context("no view")?.own().position)
    }

    fn way_to(&self, target: EntityId) -> Result<Option<(f64, f64)>> {
        let view = self.raw.view.as_ref().context("no view")?;
        let own = view.own();
        let there = view.shown(target, own.tick);
        Ok(there.map(|there| {
            (
                f64::from(there.x - own.position.x),
                f64::from(there.y - own.position.y),
            )
        }))
    }

    /// The nearest resource that was not tried.
    fn nearest(&self, tried: &BTreeSet<EntityId>) -> Result<Option<EntityId>> {
        let view = self.raw.view.as_ref().context("no view")?;
        let mut found = Vec::new();
        for known in view.entities() {
            if matches!(known.kind, EntityKind::Resource { .. })
                && !tried.contains(&known.id)
                && let Some((x, y)) = self.way_to(known.id)?
            {
                found.push((x.hypot(y), known.id));
            }
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok(found.first().map(|found| found.1))
    }

    /// Walks straight on; false if it does not get there.
    async fn walk_to(&mut self, target: EntityId, near: f64, until: Instant) -> Result<bool> {
        let arrived = loop {
            let Some((x, y)) = self.way_to(target)? else {
                break false;
            };
            let far = x.hypot(y);
            if far <= near || Instant::now() > until {
                break far <= near;
            }
            let from = self.place()?;
            self.head(x / far, y / far).await?;
            for _ in 0..5 {
                self.hear().await?;
            }
            if self.place()? == from && Instant::now() + PATIENCE / 2 > until {
                break false;
            }
        };
        self.head(0.0, 0.0).await?;
        self.settle().await?;
        Ok(arrived)
    }

    #[expect(clippy::cast_possible_truncation, reason = "from -127 to 127")]
    async fn head(&mut self, x: f64, y: f64) -> Result<()> {
        self.seq += 1;
        let direction = Direction {
            x: (x * 127.0) as i8,
            y: (y * 127.0) as i8,
        };
        let input = Move {
            seq: self.seq,
            at: 0,
            direction,
        };
        self.raw.say(&ClientMessage::Move(input)).await
    }

    /// Walks to the other one.
    async fn meet(&mut self, other: &Self) -> Result<()> {
        let until = Instant::now() + 4 * PATIENCE;
        ensure!(
            self.walk_to(other.id, IN_TALK, until).await?,
            "one does not get to the other"
        );
        Ok(())
    }

    /// The next update's events. Pings are answered.
    async fn hear(&mut self) -> Result<Vec<EventMessage>> {
        loop {
            match self.raw.hear().await? {
                Heard::Update(events) => {
                    let died = events
                        .iter()
                        .any(|event| matches!(event, EventMessage::Died { .. }));
                    ensure!(!died, "a trader died");
                    return Ok(events);
                }
                Heard::Ping => self.raw.send(&frame(FIN | PONG, &[])).await?,
                Heard::Gone | Heard::Close(..) => bail!("the connection ended"),
                Heard::Message(_) | Heard::Pong => {}
            }
        }
    }

    fn next(&mut self, action: Action) -> (u32, Vec<u8>) {
        self.seq += 1;
        let act = Act {
            seq: self.seq,
            at: 0,
            view: 0,
            action,
        };
        (self.seq, self.raw.written(&ClientMessage::Act(act)))
    }

    async fn act(&mut self, action: Action) -> Result<u32> {
        let (seq, bytes) = self.next(action);
        self.raw.send(&bytes).await?;
        Ok(seq)
    }

    /// Everything that happens until all of these are answered.
    async fn answers(&mut self, seqs: &[u32]) -> Result<Vec<EventMessage>> {
        let mut open: BTreeSet<u32> = seqs.iter().copied().collect();
        let mut happened = Vec::new();
        while !open.is_empty() {
            for event in self.hear().await? {
                if let EventMessage::Done { seq, .. } = &event {
                    open.remove(seq);
                }
                happened.push(event);
            }
        }
        Ok(happened)
    }

    /// Does something that must succeed.
    async fn expect(&mut self, action: Action) -> Result<()> {
        let what = format!("{action:?}");
        let seq = self.act(action).await?;
        for event in self.answers(&[seq]).await? {
            if let EventMessage::Done { seq: done, outcome } = event
                && done == seq
            {
                ensure!(outcome == Outcome::Ok, "{what}: {outcome}");
            }
        }
        Ok(())
    }

    /// Until it has been told what all ticks up to now have changed.
    async fn settle(&mut self) -> Result<()> {
        let seq = self.act(Action::Stop).await?;
        self.answers(&[seq]).await?;
        Ok(())
    }

    /// Numbers and bytes of what it does in a race.
    fn deeds(
        &mut self,
        deeds: &[Deed],
        slot: u8,
        revision: u32,
        other: EntityId,
    ) -> (Vec<u32>, Vec<u8>) {
        let (mut seqs, mut bytes) = (Vec::new(), Vec::new());
        for deed in deeds {
            let accept = |revision| Action::TradeAccept { revision };
            let part = Offer { slot, count: 1 };
            let action = match deed {
                Deed::Accept => accept(revision),
                Deed::AcceptNext => accept(revision + 1),
                Deed::AcceptLast => accept(revision - 1),
                Deed::OfferNothing => Action::TradeOffer { offer: Vec::new() },
                Deed::OfferTwice => Action::TradeOffer {
                    offer: vec![part, part],
                },
                Deed::OfferMore => offer(slot, u16::MAX),
                Deed::OfferAir => offer(255, 1),
                Deed::Ask => Action::TradeAsk { target: other },
                Deed::AskSelf => Action::TradeAsk { target: self.id },
                Deed::Cancel => Action::TradeCancel,
            };
            let (seq, written) = self.next(action);
            seqs.push(seq);
            bytes.extend(written);
        }
        (seqs, bytes)
    }

    /// Sends it in one write, and hears every answer.
    async fn all(&mut self, (seqs, bytes): (Vec<u32>, Vec<u8>)) -> Result<Vec<EventMessage>> {
        self.raw.send(&bytes).await?;
        let mut happened = self.answers(&seqs).await?;
        // The other one may be later: the swap is told in the tick in which it happens.
        let last = self.act(Action::Stop).await?;
        happened.extend(self.answers(&[last]).await?);
        Ok(happened)
    }
}
