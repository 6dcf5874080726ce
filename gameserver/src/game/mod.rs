//! The world in its thread: ticks at absolute deadlines, who is inside, and what is told to whom.
//!
//! [`Game`] is what the other parts hold: it sends commands, which take effect at the next tick
//! boundary, and shows the newest [`AgentStatus`]. An answer to a command tells of a tick that ran
//! with it: once a drain has been answered, nobody new comes in, and whoever came in before is in the
//! status of the answer.

mod admission;
mod hear;
mod interest;
mod joins;
mod overload;
mod publish;
mod pulse;
mod schedule;
mod sessions;
mod show;
mod tick;
mod translate;
mod verify;

use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::sync::{oneshot, watch};
use worldkeeper_crds::agent::AgentStatus;
use worldkeeper_sim::EntityId;

pub use pulse::{Pulse, Vigour};
pub use tick::{StartError, start};

use crate::net::{Link, Site};
use crate::protocol::{Hello, RefusalReason};

/// A player is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Its body.
    pub player: EntityId,
}

/// How a player's connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The player said Leave: the seat is free.
    Left,
    /// Otherwise: the body waits.
    Lost,
}

/// Why joins are to be stopped or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// No new players; those inside stay.
    Stop,
    /// New players are welcome again.
    Open,
    /// No new players, and those inside are told that the world ends in so many seconds.
    Ending(u32),
}

/// The command cannot be obeyed: the world is closing, or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the world is closing")]
pub struct Closing;

/// Why a client is not let in, for programs and for people.
pub(crate) type NotAdmitted = (RefusalReason, &'static str);

/// What the tick thread is asked to do.
#[derive(Debug)]
enum Command {
    Join {
        hello: Hello,
        link: Arc<Link>,
        answer: oneshot::Sender<Result<Admitted, NotAdmitted>>,
    },
    Gone {
        player: EntityId,
        link: Arc<Link>,
        how: How,
    },
    Drain {
        drain: Drain,
        answer: oneshot::Sender<Result<AgentStatus, Closing>>,
    },
    Close,
}

/// The way to the tick thread.
///
/// The channel has no bound of its own because what can wait in it is bounded: a connection has at
/// most one join and one end, agent calls have a slot each, and both kinds of connections are limited.
#[derive(Clone, Debug)]
pub struct Game {
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Option<Published>>,
    site: Arc<OnceLock<Site>>,
    pulse: Arc<Pulse>,
}

/// The tick thread's end of a [`Game`].
#[derive(Debug)]
pub struct Inbox {
    commands: mpsc::Receiver<Command>,
    publish: watch::Sender<Option<Published>>,
    site: Arc<OnceLock<Site>>,
    pulse: Arc<Pulse>,
}

/// A status, and when it was made: a world that hangs publishes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// What is told.
    pub status: AgentStatus,
    /// When.
    pub at: Instant,
}

impl Game {
    /// Both ends. Commands wait until a tick thread takes them.
    #[must_use]
    pub fn new() -> (Self, Inbox) {
        let (commands, inbox) = mpsc::channel();
        let (publish, status) = watch::channel(None);
        let (site, pulse) = (Arc::new(OnceLock::new()), Arc::new(Pulse::default()));
        let inbox = Inbox {
            commands: inbox,
            publish,
            site: site.clone(),
            pulse: pulse.clone(),
        };
        let game = Self {
            commands,
            status,
            site,
            pulse,
        };
        (game, inbox)
    }

    /// What pages are made of; none before the world is made.
    pub(crate) fn site(&self) -> Option<&Site> {
        self.site.get()
    }

    /// How the world does.
    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Asks to let a client in. None: the world is gone.
    pub(crate) async fn join(
        &self,
        hello: Hello,
        link: Arc<Link>,
    ) -> Option<Result<Admitted, NotAdmitted>> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Join {
            hello,
            link,
            answer,
        };
        self.commands.send(command).ok()?;
        answered.await.ok()
    }

    /// A player's connection has ended.
    pub(crate) fn gone(&self, player: EntityId, link: Arc<Link>, how: How) {
        // Without a tick thread there is nobody left whom it could concern.
        let _ = self.commands.send(Command::Gone { player, link, how });
    }

    /// Stops or opens joins. The status is that of the tick after which it holds.
    ///
    /// # Errors
    /// The world is closing.
    pub async fn drain(&self, drain: Drain) -> Result<AgentStatus, Closing> {
        let (answer, answered) = oneshot::channel();
        self.commands
            .send(Command::Drain { drain, answer })
            .map_err(|_| Closing)?;
        answered.await.unwrap_or(Err(Closing))
    }

    /// Tells the players that the world closes, closes their connections and ends the tick thread.
    pub fn close(&self) {
        // Without a tick thread it is closed already.
        let _ = self.commands.send(Command::Close);
    }

    /// The newest status; none before the first tick. It changes at most four times a second, and at
    /// least once a second as long as the world ticks.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Option<Published>> {
        self.status.clone()
    }
}
