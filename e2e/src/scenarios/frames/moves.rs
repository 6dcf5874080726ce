//! What is understood and yet not to be had: walking faster than one can, inputs out of order; and what is
//! odd and yet allowed.

use anyhow::{Context, Result, ensure};
use worldkeeper_server::protocol::{
    ClientMessage, Direction, EventMessage, Format, Move, Outcome, Position, encode_client,
};

use super::patience::in_parts;
use super::raw::{FIN, Heard, PING, PONG, Raw, frame, hello};
use super::tally::Tally;
use crate::local::{Place, Server};

/// Full speed, in millimetres a second.
const SPEED: f64 = 6_000.0;
/// Ticks a second, as the server runs here.
const TICKS: f64 = 20.0;
/// Updates for which the fast one is watched.
const UPDATES: u32 = 60;

pub(super) async fn run(place: &Place, server: &Server) -> Result<()> {
    let tally = Tally::begin(server).await?;
    let far = fast(server).await?;
    out_of_order(server).await?;
    odd(server).await?;
    tally.check(server, "moves").await?;
    place.say(format!(
        "nobody is faster than allowed (at most {far:.0} mm a tick); old inputs are passed over"
    ));
    Ok(())
}

fn walk(seq: u32, at: u64, x: i8, y: i8) -> ClientMessage {
    let direction = Direction { x, y };
    ClientMessage::Move(Move { seq, at, direction })
}

/// Five Moves for every tick, longer than full speed, for ticks that have passed, for now and for later:
/// the longest way in one tick.
async fn fast(server: &Server) -> Result<f64> {
    let mut raw = Raw::enter(server.players, Format::Binary, "fast").await?;
    let (mut seq, mut longest) = (0, 0.0_f64);
    let mut last: Option<(u64, Position)> = None;
    let mut updates = 0;
    while updates < UPDATES {
        match raw.hear().await? {
            Heard::Update(_) => updates += 1,
            Heard::Ping => raw.send(&frame(FIN | PONG, &[])).await?,
            Heard::Close(code, reason) => anyhow::bail!("the fast one was ended: {code} {reason}"),
            Heard::Gone => anyhow::bail!("the fast one's connection ended"),
            _ => continue,
        }
        let own = raw.view.as_ref().context("no view")?.own();
        if let Some((tick, from)) = last
            && own.tick > tick
        {
            let ticks = u32::try_from(own.tick - tick)?;
            let (x, y) = (own.position.x - from.x, own.position.y - from.y);
            let way = f64::from(x).hypot(f64::from(y));
            longest = longest.max(way / f64::from(ticks));
            // Each tick may round by a millimetre on each axis.
            let most = f64::from(ticks) * (SPEED / TICKS + 2.0);
            ensure!(
                way <= most,
                "{way} mm in {ticks} ticks: at most {most} mm are allowed"
            );
        }
        last = Some((own.tick, own.position));
        let mut bytes = Vec::new();
        for at in [1, own.tick, 0, own.tick + 1, own.tick + 2] {
            seq += 1;
            // Towards the middle and along the side: somewhere nothing is in the way.
            let (x, y) = if seq % 300 < 150 {
                (127, 127)
            } else {
                (127, -127)
            };
            bytes.extend(raw.written(&walk(seq, at, x, y)));
        }
        raw.send(&bytes).await?;
    }
    raw.say(&ClientMessage::Leave).await?;
    ensure!(longest > 0.0, "the fast one did not move at all");
    Ok(longest)
}

/// Numbers that do not ascend are passed over, and counted; the player stays.
async fn out_of_order(server: &Server) -> Result<()> {
    let before = server.metrics().await?.get("world_inputs_stale_total")?;
    let mut raw = Raw::enter(server.players, Format::Binary, "confused").await?;
    let mut bytes = Vec::new();
    for seq in [10, 5, 5, 10, u32::MAX, 11, 1] {
        bytes.extend(raw.written(&walk(seq, 0, 1, 0)));
    }
    raw.send(&bytes).await?;
    let happened = raw.barrier(1).await?;
    ensure!(
        !happened.iter().any(|event| matches!(
            event,
            EventMessage::Done {
                outcome: Outcome::Ok,
                ..
            }
        )),
        "a Move was answered as an action"
    );
    raw.say(&ClientMessage::Leave).await?;
    let after = server.metrics().await?.get("world_inputs_stale_total")?;
    let stale = after - before;
    // Bots may send some as well, when their connection stutters.
    ensure!(stale > 4.5, "of five old inputs {stale} were counted");
    Ok(())
}

/// Parts of a byte each with pings between them, a trickle, pongs that nobody asked for: all of it is
/// WebSocket, and all of it is let in.
async fn odd(server: &Server) -> Result<()> {
    let mut payload = Vec::new();
    encode_client(Format::Binary, &hello("odd")?, &mut payload);
    let mut raw = Raw::open(server.players, Format::Binary).await?;
    let mut bytes = frame(FIN | PONG, b"unasked");
    bytes.extend(in_parts(&payload));
    raw.send(&bytes).await?;
    raw.welcome().await.context("a Hello in parts")?;
    raw.send(&frame(FIN | PING, &[7; 125])).await?;
    loop {
        match raw.hear().await? {
            Heard::Pong => break,
            Heard::Gone | Heard::Close(..) => anyhow::bail!("a long ping was not answered"),
            _ => {}
        }
    }
    raw.say(&ClientMessage::Leave).await?;

    let mut raw = Raw::open(server.players, Format::Json).await?;
    let bytes = raw.written(&hello("trickle")?);
    for byte in bytes {
        raw.send(&[byte]).await?;
    }
    raw.welcome().await.context("a Hello that trickles")?;
    raw.say(&ClientMessage::Leave).await?;
    Ok(())
}
