//! Threads that play: each polls the sockets of its bots and attends to one bot after the other.
//!
//! One loop instead of a task per bot, because at 1,000 bots and 20 updates a second the hops between
//! tasks cost as much as the updates themselves. Time is a list of moments, looked through every few
//! milliseconds, rather than timers: nearly every bot has something to do every second anyway.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use tokio::sync::mpsc;

use super::connection::Buffers;
use super::player::{Attendance, Event, Player, never};

/// Bots whose turn has come wait at most so long for it.
const SCAN: Duration = Duration::from_millis(5);
/// How often orders and new bots are looked for.
const ORDERS: Duration = Duration::from_millis(25);
/// Socket events taken at once.
const EVENTS: usize = 1_024;
/// New bots that may wait for a thread.
const NEW_PLAYERS: usize = 1_024;

/// A bot for a thread. It is made there, as only the thread knows its token.
pub(super) type MakePlayer = Box<dyn FnOnce(Token) -> Player + Send>;

/// The threads of a process. They end when this is dropped.
pub(super) struct Engine {
    threads: Vec<SyncSender<(u32, MakePlayer)>>,
}

impl Engine {
    /// Starts the threads. What bots say goes to `events`, with their number.
    ///
    /// # Errors
    /// No thread or no epoll can be had.
    pub(super) fn start(
        threads: usize,
        events: &mpsc::Sender<(u32, Event)>,
    ) -> std::io::Result<Self> {
        let mut senders = Vec::new();
        for number in 0..threads.max(1) {
            let (players, inbox) = sync_channel(NEW_PLAYERS);
            let poll = Poll::new()?;
            let events = events.clone();
            thread::Builder::new()
                .name(format!("bots-{number}"))
                .spawn(move || Attendant::new(poll, inbox, events).run())?;
            senders.push(players);
        }
        Ok(Self { threads: senders })
    }

    /// Gives a bot to a thread. False if that one has no room at the moment.
    pub(super) fn add(&self, number: u32, player: MakePlayer) -> bool {
        let threads = self.threads.len().max(1);
        let at = usize::try_from(number).unwrap_or(0) % threads;
        self.threads
            .get(at)
            .is_some_and(|thread| thread.try_send((number, player)).is_ok())
    }
}

/// One thread.
struct Attendant {
    poll: Poll,
    inbox: Receiver<(u32, MakePlayer)>,
    events: mpsc::Sender<(u32, Event)>,
    /// What the swarm had no room for. Bounded: a bot says at most one thing for each order.
    untold: VecDeque<(u32, Event)>,
    buffers: Buffers,
    numbers: Vec<u32>,
    players: Vec<Player>,
    /// When each bot wants its turn: side by side, as it is looked through often.
    due: Vec<Instant>,
}

impl Attendant {
    fn new(
        poll: Poll,
        inbox: Receiver<(u32, MakePlayer)>,
        events: mpsc::Sender<(u32, Event)>,
    ) -> Self {
        Self {
            poll,
            inbox,
            events,
            untold: VecDeque::new(),
            buffers: Buffers::new(),
            numbers: Vec::new(),
            players: Vec::new(),
            due: Vec::new(),
        }
    }

    fn run(mut self) {
        let mut sockets = Events::with_capacity(EVENTS);
        let mut scan_at = Instant::now();
        let mut orders_at = scan_at;
        loop {
            let wait = scan_at
                .min(orders_at)
                .saturating_duration_since(Instant::now());
            match self.poll.poll(&mut sockets, Some(wait)) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "cannot poll the bots' sockets");
                    return;
                }
            }
            for socket in &sockets {
                let (writable, Token(at)) = (socket.is_writable(), socket.token());
                self.attend(at, |player, with| player.ready(writable, with));
            }
            let now = Instant::now();
            if now >= orders_at {
                orders_at = now + ORDERS;
                if !self.take_new() {
                    return;
                }
                for at in 0..self.players.len() {
                    let due = self.due.get(at).copied().unwrap_or(now);
                    self.attend(at, |player, with| {
                        player.obey(with).map_or(due, |wanted| wanted.min(due))
                    });
                }
            }
            if now >= scan_at {
                for at in 0..self.due.len() {
                    if self.due.get(at).is_some_and(|due| *due <= now) {
                        self.attend(at, Player::turn);
                    }
                }
                let idle = !self.players.iter().any(Player::is_connected);
                scan_at = now + if idle { ORDERS } else { SCAN };
            }
            self.tell();
        }
    }

    /// False if there is nobody any more to play for.
    fn take_new(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok((number, player)) => {
                    let player = player(Token(self.players.len()));
                    self.numbers.push(number);
                    self.players.push(player);
                    self.due.push(never(Instant::now()));
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn attend(
        &mut self,
        at: usize,
        what: impl FnOnce(&mut Player, &mut Attendance<'_>) -> Instant,
    ) {
        let (Some(player), Some(due), Some(number)) = (
            self.players.get_mut(at),
            self.due.get_mut(at),
            self.numbers.get(at),
        ) else {
            return;
        };
        let untold = &mut self.untold;
        let mut tell = |event| untold.push_back((*number, event));
        let mut with = Attendance {
            now: Instant::now(),
            buffers: &mut self.buffers,
            registry: self.poll.registry(),
            tell: &mut tell,
        };
        *due = what(player, &mut with);
    }

    fn tell(&mut self) {
        while let Some(event) = self.untold.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
                self.untold.push_front(event);
                return;
            }
        }
    }
}
