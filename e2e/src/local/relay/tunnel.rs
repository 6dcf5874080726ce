//! The two ends of a relay, and the packets between them.
//!
//! Each end is a TUN device: what is sent to the other end's address comes out of it as a packet to be
//! read, and a packet that is written into it arrives. Devices go when the process that holds them
//! does, whatever ends it.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tun_rs::{DeviceBuilder, SyncDevice};

use super::line::Line;

/// Of a packet, in bytes: as on an Ethernet.
const MTU: u16 = 1_500;
/// Packets on their way in one direction; what comes in beyond is lost, as in a full router. At
/// 2.5 s one way these are 6,500 packets a second.
const MOST_UNDERWAY: usize = 16_384;

/// One end.
pub(super) type End = Arc<SyncDevice>;

/// Makes an end in the network namespace of the calling thread.
pub(super) fn end(name: &str, own: Ipv4Addr, other: Ipv4Addr) -> Result<End> {
    let device = DeviceBuilder::new()
        .name(name)
        .mtu(MTU)
        .ipv4(own, 32, Some(other))
        .build_sync()
        .with_context(|| format!("cannot make the device {name}; are you root?"))?;
    Ok(Arc::new(device))
}

/// What happened in one direction.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Packets that came in.
    pub(super) taken: AtomicU64,
    /// Of those, the ones that the line lost on purpose.
    pub(super) lost: AtomicU64,
    /// Of those, the ones for which there was no room.
    pub(super) overflowed: AtomicU64,
}

/// A packet that comes out at a time.
struct Underway {
    due: Instant,
    packet: Box<[u8]>,
}

/// Carries packets in one direction from now on, on two threads, for as long as the process lives.
pub(super) fn carry(from: &End, to: &End, line: Line) -> Result<Arc<Counts>> {
    let counts = Arc::new(Counts::default());
    let (push, pull) = sync_channel(MOST_UNDERWAY);
    let (from, to, counted) = (Arc::clone(from), Arc::clone(to), Arc::clone(&counts));
    let thread = |name: &str| thread::Builder::new().name(name.to_owned());
    thread("take").spawn(move || {
        let error = take(&from, line, &push, &counted);
        eprintln!("relay: nothing can be read any more: {error}");
    })?;
    thread("give").spawn(move || give(&to, &pull))?;
    Ok(counts)
}

fn take(from: &End, mut line: Line, push: &SyncSender<Underway>, counts: &Counts) -> io::Error {
    let began = Instant::now();
    let mut buffer = [0; MTU as usize];
    loop {
        let length = match from.recv(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return error,
        };
        let packet = &buffer[..length];
        // The kernel's own IPv6 chatter would make the losses depend on when it comes.
        if packet.first().is_none_or(|first| first >> 4 != 4) {
            continue;
        }
        counts.taken.fetch_add(1, Ordering::Relaxed);
        let Some(due) = line.take(began.elapsed()) else {
            counts.lost.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let underway = Underway {
            due: began + due,
            packet: packet.into(),
        };
        match push.try_send(underway) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                counts.overflowed.fetch_add(1, Ordering::Relaxed);
            }
            Err(TrySendError::Disconnected(_)) => {
                return io::Error::other("nobody writes at the other end");
            }
        }
    }
}

fn give(to: &End, pull: &Receiver<Underway>) {
    while let Ok(Underway { due, packet }) = pull.recv() {
        let wait = due.saturating_duration_since(Instant::now());
        if wait > Duration::ZERO {
            thread::sleep(wait);
        }
        // A device without room loses the packet, as a network would.
        if let Err(error) = to.send(&packet)
            && error.kind() != io::ErrorKind::WouldBlock
        {
            eprintln!("relay: a packet could not be written: {error}");
        }
    }
}
