//! Measures a relay as what runs behind it will see it: numbered datagrams to the near end, which sends
//! each back.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Between two datagrams.
const SPACING: Duration = Duration::from_millis(2);
/// How much later than the round trip an answer may come on a busy machine.
const GRACE: Duration = Duration::from_millis(500);

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Datagrams sent.
    pub(crate) sent: u32,
    /// Of those, the ones that came back.
    pub(crate) answered: u32,
    /// Datagrams that came back after a later one.
    pub(crate) overtaken: u32,
    /// Fastest round trip.
    pub(crate) min_ms: f64,
    /// Median round trip.
    pub(crate) median_ms: f64,
    /// Slowest round trip.
    pub(crate) max_ms: f64,
}

/// Answers datagrams from now on, on a thread; the port.
pub(super) fn answer(own: Ipv4Addr) -> Result<u16> {
    let socket = UdpSocket::bind((own, 0)).context("cannot listen for datagrams")?;
    let port = socket.local_addr()?.port();
    thread::Builder::new()
        .name("answer".into())
        .spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                // One that cannot be sent back is one that was lost.
                let _ = socket.send_to(&buffer[..length], from);
            }
        })?;
    Ok(port)
}

/// Sends `count` datagrams to what answers at `near`.
pub(super) fn measure(near: (Ipv4Addr, u16), count: u32, round_trip: Duration) -> Result<Measured> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(near)?;
    let began = Instant::now();
    let sender = socket.try_clone()?;
    let sending = thread::spawn(move || -> io::Result<Instant> {
        for number in 0..count {
            thread::sleep((began + SPACING * number).saturating_duration_since(Instant::now()));
            let sent = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let mut datagram = [0; 12];
            datagram[..4].copy_from_slice(&number.to_le_bytes());
            datagram[4..].copy_from_slice(&sent.to_le_bytes());
            sender.send(&datagram)?;
        }
        Ok(Instant::now())
    });
    // The last datagram is sent then at the latest, unless the machine is much too busy; how many were
    // answered by then is what counts.
    let until = began + SPACING * count + round_trip + GRACE;
    let (mut seen, mut times, mut overtaken) = (BTreeSet::new(), Vec::new(), 0);
    let mut buffer = [0; 64];
    while let Some(left) = until.checked_duration_since(Instant::now())
        && !left.is_zero()
    {
        socket.set_read_timeout(Some(left))?;
        let length = match socket.recv(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error).context("no answers can be read"),
        };
        let Some((number, sent)) = parse(&buffer[..length]) else {
            continue;
        };
        if seen.last().is_some_and(|last| *last > number) {
            overtaken += 1;
        }
        if seen.insert(number) {
            times.push((began.elapsed().saturating_sub(sent)).as_secs_f64() * 1_000.0);
        }
    }
    let sent = sending.join();
    let sent = sent.map_err(|_| anyhow::anyhow!("sending panicked"))?;
    sent.context("a datagram could not be sent")?;
    times.sort_by(f64::total_cmp);
    Ok(Measured {
        sent: count,
        answered: u32::try_from(times.len())?,
        overtaken,
        min_ms: times.first().copied().unwrap_or_default(),
        median_ms: times.get(times.len() / 2).copied().unwrap_or_default(),
        max_ms: times.last().copied().unwrap_or_default(),
    })
}

fn parse(datagram: &[u8]) -> Option<(u32, Duration)> {
    let (number, sent) = datagram.split_first_chunk::<4>()?;
    let sent = u64::from_le_bytes(sent.try_into().ok()?);
    Some((u32::from_le_bytes(*number), Duration::from_nanos(sent)))
}
