//! Hostile clients against a server under load. Each is refused clearly and counted by its reason, exactly
//! as often as it happened; the players beside them notice nothing, and the ticks take no longer.

mod attacks;
mod moves;
mod patience;
mod raw;
mod tally;
mod trades;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use worldkeeper_server::bots::record::Record;

use self::attacks::{Attack, Ends, Request, When};
use self::raw::{End, Raw};
use self::tally::Tally;
use crate::harness::bots::Choice;
use crate::local::{Place, Reading, Server, Setup};

/// Players who mind their own business, when the scenario was named, and when it runs among others.
const BOTS: [u32; 2] = [200, 100];
/// Hostile clients at once.
const HOSTILE: usize = 24;
/// For how long ticks are measured, without hostile clients and with them.
const MEASURED: Duration = Duration::from_secs(20);
/// From the last bot's arrival until the load is even.
const SETTLED: Duration = Duration::from_secs(10);
/// Processor time of a tick, so that what else the machine does is not measured with it.
const TICK: &str = "world_tick_compute_seconds";
/// A tenth of a tick's time: nobody could notice that ticks take so much longer.
const FLOOR_SECONDS: f64 = 0.005;
/// For the server to have noticed the end of the last connections.
const COUNTED: Duration = Duration::from_secs(10);

pub(super) async fn run(place: Place) -> Result<()> {
    trades::run(&place).await?;
    let setup = patience::timeouts(Setup::default())
        .set("server.max_players", 1000)
        .set("server.json_max_clients", 1000)
        .set("server.resume_grace", 0)
        .set("world.size", 1000)
        .set("world.seed", 7);
    let server = place.server("server", setup).await?;
    let players = BOTS[usize::from(!place.thorough)];
    let bots = place.bots("bots", Choice::Fill)?;
    bots.set(vec![server.target().await?]).await?;
    bots.players(players).await?;
    bots.until_connected(players.into()).await?;
    sleep(SETTLED).await;
    let quiet = ticks(&server).await?;
    place.say(format!("{players} players alone: {quiet}"));

    let attacks = attacks::all();
    let before = server.metrics().await?;
    one_by_one(&server, &attacks).await?;
    moves::run(&place, &server).await?;
    place.say(format!(
        "{} ways to be malformed, each refused and counted by its reason",
        attacks.len() + attacks::requests().len()
    ));
    patience::run(&place, &server).await?;
    let counted = server.metrics().await?.since(&before);

    let (stormy, strikes) = storm(&server, Arc::new(attacks)).await?;
    place.say(format!(
        "{players} players beside {strikes} attacks: {stormy}"
    ));
    ensure!(
        stormy.p99 <= 2.0 * quiet.p99 + FLOOR_SECONDS,
        "ticks took longer under attack: {stormy}, alone: {quiet}"
    );
    ensure!(
        stormy.mean <= 2.0 * quiet.mean + FLOOR_SECONDS / 2.0,
        "ticks took longer under attack: {stormy}, alone: {quiet}"
    );
    bots.until_connected(players.into()).await?;
    let record = bots.stop().await?;
    undisturbed(&place, &record, players)?;
    ensure!(
        counted.get("world_hash_mismatches_total")? < 0.5,
        "the world is not what its hash says"
    );
    let status = server.stop().await?;
    ensure!(status.success(), "the server ended with {status}");
    Ok(())
}

/// How long ticks took.
struct Ticks {
    p99: f64,
    mean: f64,
    count: f64,
}

impl std::fmt::Display for Ticks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { p99, mean, count } = self;
        write!(
            f,
            "{count} ticks of {:.2} ms of processor time on average, p99 at most {:.2} ms",
            mean * 1e3,
            p99 * 1e3
        )
    }
}

impl Ticks {
    fn of(grown: &Reading) -> Result<Self> {
        let count = grown.get(&format!("{TICK}_count"))?;
        Ok(Self {
            p99: grown.quantile(TICK, 0.99).context("no tick was counted")?,
            mean: grown.get(&format!("{TICK}_sum"))? / count,
            count,
        })
    }
}

async fn ticks(server: &Server) -> Result<Ticks> {
    let before = server.metrics().await?;
    sleep(MEASURED).await;
    Ticks::of(&server.metrics().await?.since(&before))
}

/// Every attack alone, so that what is counted is known to be its own. One that fails hides no other.
async fn one_by_one(server: &Server, attacks: &[Attack]) -> Result<()> {
    let mut wrong = Vec::new();
    for attack in attacks {
        let mut tally = Tally::begin(server).await?;
        tally.add_attack(attack);
        let what = format!("{} ({:?})", attack.name, attack.when);
        let result = match strike(server.players, attack, "hostile").await {
            Ok(()) => tally.check(server, &what).await.map(drop),
            failed => failed,
        };
        wrong.extend(result.err().map(|error| format!("{error:#}")));
    }
    for request in attacks::requests() {
        let mut tally = Tally::begin(server).await?;
        tally.add("world_failed_handshakes_total", request.reason);
        let result = match ask(server.players, &request).await {
            Ok(()) => tally.check(server, request.name).await.map(drop),
            failed => failed,
        };
        wrong.extend(result.err().map(|error| format!("{error:#}")));
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// One attack, and its end.
async fn strike(address: SocketAddr, attack: &Attack, name: &str) -> Result<()> {
    let what = || format!("{} ({:?})", attack.name, attack.when);
    let end = async {
        let mut raw = match attack.when {
            When::First => Raw::open(address, attack.format).await?,
            When::Inside => Raw::enter(address, attack.format, name).await?,
        };
        raw.send(&attack.bytes).await?;
        raw.end().await
    };
    let end = end.await.with_context(what)?;
    let (reason, code) = match attack.ends {
        Ends::Refused(reason) => (reason.as_str(), reason.close_code()),
        Ends::Kicked(reason) => (reason.as_str(), reason.close_code()),
    };
    let expect = End {
        words: Some(reason),
        close: Some((code, reason.to_owned())),
    };
    ensure!(end == expect, "{}: {end:?}, not {expect:?}", what());
    Ok(())
}

/// A request that must not become a WebSocket.
async fn ask(address: SocketAddr, request: &Request) -> Result<()> {
    let mut raw = Raw::connect(address).await?;
    // What it does not want to read to its end it may refuse before.
    let _ = raw.send(&request.bytes).await;
    match (request.status, raw.head().await) {
        (Some(status), Ok(head)) => ensure!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{}: not {status} but {head:?}",
            request.name
        ),
        (Some(status), Err(error)) => {
            return Err(error.context(format!("{}: not {status}", request.name)));
        }
        (None, Ok(head)) => ensure!(head.starts_with("HTTP/1.1 4"), "{}: {head:?}", request.name),
        (None, Err(_)) => {}
    }
    Ok(())
}

/// All attacks, over and over, from many clients at once: how long ticks took meanwhile, and how many
/// attacks there were.
async fn storm(server: &Server, attacks: Arc<Vec<Attack>>) -> Result<(Ticks, usize)> {
    let mut tally = Tally::begin(server).await?;
    let until = Instant::now() + MEASURED;
    let number = Arc::new(AtomicU32::new(0));
    let mut hostile = JoinSet::new();
    for first in 0..HOSTILE {
        let (attacks, number, address) =
            (Arc::clone(&attacks), Arc::clone(&number), server.players);
        hostile.spawn(async move {
            let mut struck = Vec::new();
            let mut next = first * attacks.len() / HOSTILE;
            while Instant::now() < until {
                next = (next + 1) % attacks.len();
                let name = format!("hostile-{}", number.fetch_add(1, Ordering::Relaxed));
                strike(address, &attacks[next], &name).await?;
                struck.push(next);
            }
            Ok::<_, anyhow::Error>(struck)
        });
    }
    let mut strikes = 0;
    while let Some(struck) = hostile.join_next().await {
        for index in struck.context("a hostile client panicked")?? {
            tally.add_attack(&attacks[index]);
            strikes += 1;
        }
    }
    let grown = tally.check(server, "the storm").await?;
    Ok((Ticks::of(&grown)?, strikes))
}

/// Nobody was thrown out, refused, or told nonsense.
fn undisturbed(place: &Place, record: &Record, players: u32) -> Result<()> {
    let summary = &record.summary;
    ensure!(
        summary.joined == u64::from(players)
            && summary.unexpected_disconnects == 0
            && summary.connect_failures == 0
            && summary.refused.is_empty()
            && summary.closed_by_server.is_empty(),
        "players were disturbed: {summary:?}"
    );
    ensure!(
        summary.violations == 0 && summary.faults.is_empty(),
        "players were told nonsense: {} violations, {:?}",
        summary.violations,
        summary.faults
    );
    place.say(format!(
        "the players were inside all the time; between their updates: p99 {} ms",
        summary.gap_ms.p99
    ));
    Ok(())
}
