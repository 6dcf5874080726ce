//! Who is inside: for each body in the world, the connection that it has or waits for.

use std::fmt::Write as _;
use std::sync::Arc;

use rand::RngCore;
use worldkeeper_sim::EntityId;

use super::interest::Vicinity;
use crate::net::{CloseWith, Link};
use crate::protocol::{
    EventMessage, EventQueue, KickReason, PlayerName, ResumeToken, SentView, Welcome, limits,
};

/// Most events that wait for a client: those of some updates, so that a line that stands still for a few
/// seconds loses none.
const MAX_EVENTS: usize = 16 * limits::MAX_EVENTS;
/// Bytes of chance in a resume token.
const SECRET_BYTES: usize = 16;
type Secret = [u8; SECRET_BYTES];

/// The sessions, in the order of their bodies' ids: the order of the world's players.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    all: Vec<Session>,
    /// Their names, apart: they are read all at once.
    names: Vec<PlayerName>,
}

/// A player inside.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) player: EntityId,
    pub(super) state: State,
    /// What the newest resume token proves knowledge of.
    secret: Secret,
    /// The one before, until the client has shown that the newest reached it.
    former: Option<Secret>,
}

#[derive(Debug)]
pub(super) enum State {
    /// With a connection.
    Connected(Box<Connected>),
    /// Let in with the tick that runs now; its Welcome is not written yet.
    Entering,
    /// Said Leave; the body goes with the tick that runs now, and nobody comes back to it.
    Leaving,
    /// Without a connection.
    Waiting {
        /// The tick at which the body goes.
        until: u64,
    },
}

/// A connection of a player inside, and what it was shown.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) link: Arc<Link>,
    pub(super) view: SentView,
    /// What it must be told, and has not been.
    pub(super) events: EventQueue,
    /// Of the own state that was sent last; none before the first.
    pub(super) revision: Option<u32>,
    pub(super) vicinity: Vicinity,
    /// It is to look around with its next update.
    pub(super) look_due: bool,
}

impl Connected {
    /// A connection whose Welcome has been sent.
    pub(super) fn new(link: Arc<Link>, welcome: &Welcome) -> Self {
        Self {
            view: SentView::new(link.format(), welcome),
            link,
            events: EventQueue::new(MAX_EVENTS),
            revision: None,
            vicinity: Vicinity::default(),
            look_due: true,
        }
    }

    /// There is room left for what the client must be told.
    pub(super) fn keeps_up(&self) -> bool {
        self.events.len() < MAX_EVENTS / 2
    }

    /// Adds an event. A client that does not take what it must be told is cut off.
    pub(super) fn tell(&mut self, event: &Arc<EventMessage>) {
        if self.events.push(event.clone()).is_err() {
            let words = "the client does not read what it must be told";
            self.link
                .close(CloseWith::Kicked(KickReason::TooSlow, words));
        }
    }
}

impl Sessions {
    /// A session for a body that has just come in. Bodies come in with rising ids.
    pub(super) fn add(&mut self, player: EntityId, name: PlayerName) -> Option<ResumeToken> {
        let secret = fresh_secret();
        self.names.push(name);
        self.all.push(Session {
            player,
            state: State::Entering,
            secret,
            former: None,
        });
        token(player, &secret)
    }

    /// A new token for a session that is taken up again; the former stays good until the client
    /// is heard from.
    pub(super) fn renew(&mut self, player: EntityId) -> Option<ResumeToken> {
        let session = self.get_mut(player)?;
        let secret = fresh_secret();
        session.former = Some(std::mem::replace(&mut session.secret, secret));
        token(player, &secret)
    }

    pub(super) fn remove(&mut self, player: EntityId) -> Option<Session> {
        let at = self.find(player)?;
        self.names.remove(at);
        Some(self.all.remove(at))
    }

    /// The player whose token it is.
    pub(super) fn by_token(&self, token: &ResumeToken) -> Option<EntityId> {
        let (player, secret) = token.as_str().split_once('-')?;
        let player = EntityId(u64::from_str_radix(player, 16).ok()?);
        let secret = parse(secret)?;
        let session = &self.all[self.find(player)?];
        if matches!(session.state, State::Leaving) {
            return None;
        }
        let known = [Some(&session.secret), session.former.as_ref()];
        known
            .into_iter()
            .flatten()
            .any(|known| same(known, &secret))
            .then_some(player)
    }

    pub(super) fn get_mut(&mut self, player: EntityId) -> Option<&mut Session> {
        let at = self.find(player)?;
        Some(&mut self.all[at])
    }

    /// The session at a place in the order of ids, from 0.
    pub(super) fn at(&mut self, rank: u32) -> Option<&mut Session> {
        self.all.get_mut(usize::try_from(rank).ok()?)
    }

    fn find(&self, player: EntityId) -> Option<usize> {
        self.all
            .binary_search_by_key(&player, |session| session.player)
            .ok()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.all.iter()
    }

    /// Their names, in the same order.
    pub(super) fn names(&self) -> &[PlayerName] {
        &self.names
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.all.iter_mut()
    }
}

impl Session {
    /// The client has the newest token: it has said something after the Welcome that brought it.
    pub(super) fn heard(&mut self) {
        self.former = None;
    }

    pub(super) fn connected(&mut self) -> Option<&mut Connected> {
        match &mut self.state {
            State::Connected(connected) => Some(connected),
            State::Entering | State::Leaving | State::Waiting { .. } => None,
        }
    }

    pub(super) fn link(&self) -> Option<&Arc<Link>> {
        match &self.state {
            State::Connected(connected) => Some(&connected.link),
            State::Entering | State::Leaving | State::Waiting { .. } => None,
        }
    }
}

fn fresh_secret() -> Secret {
    let mut secret = [0; SECRET_BYTES];
    rand::rng().fill_bytes(&mut secret);
    secret
}

/// The body's number says where to look, the secret proves.
fn token(player: EntityId, secret: &Secret) -> Option<ResumeToken> {
    let mut token = format!("{:x}-", player.0);
    for byte in secret {
        // Writing to a String does not fail.
        let _ = write!(token, "{byte:02x}");
    }
    ResumeToken::new(token).ok()
}

fn parse(text: &str) -> Option<Secret> {
    if text.len() != 2 * SECRET_BYTES || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut secret = [0; SECRET_BYTES];
    for (byte, digits) in secret.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(secret)
}

/// Takes as long for a wrong secret as for a right one.
fn same(a: &Secret, b: &Secret) -> bool {
    a.iter()
        .zip(b)
        .fold(0, |difference, (a, b)| difference | (a ^ b))
        == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn tokens_open_their_own_session_only() {
        let mut sessions = Sessions::default();
        let name = PlayerName::new("ada").unwrap();
        let ada = sessions.add(EntityId(0xA), name.clone()).unwrap();
        let bob = sessions.add(EntityId(0xB), name).unwrap();
        assert_eq!(sessions.by_token(&ada), Some(EntityId(0xA)));
        assert_eq!(sessions.by_token(&bob), Some(EntityId(0xB)));

        let crossed = format!("b{}", &ada.as_str()[1..]);
        let flipped = ada.as_str().replace(['0', '1', '2', '3'], "f");
        for wrong in [
            "a",
            "a-",
            "-",
            "a-00",
            "zz-00",
            &crossed,
            &flipped,
            &ada.as_str()[2..],
        ] {
            let wrong = ResumeToken::new(wrong).unwrap();
            assert_eq!(sessions.by_token(&wrong), None);
        }
        sessions.remove(EntityId(0xA));
        assert_eq!(sessions.by_token(&ada), None);
    }

    #[test]
    fn a_token_is_good_until_its_successor_has_arrived() {
        let mut sessions = Sessions::default();
        let player = EntityId(1);
        let first = sessions
            .add(player, PlayerName::new("ada").unwrap())
            .unwrap();
        let second = sessions.renew(player).unwrap();
        assert_eq!(sessions.by_token(&first), Some(player));
        assert_eq!(sessions.by_token(&second), Some(player));
        sessions.get_mut(player).unwrap().heard();
        assert_eq!(sessions.by_token(&first), None);
        assert_eq!(sessions.by_token(&second), Some(player));
    }
}
