//! Coming and going: from a Hello to a body, from a lost connection back into it.

use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::info;
use worldkeeper_crds::agent::DrainPhase;
use worldkeeper_sim::content::Content;
use worldkeeper_sim::{EntityId, Event, Input, LeaveCause, Position, Refusal};

use super::admission::{self, Admission, View};
use super::sessions::{Connected, Session, State};
use super::tick::{Keeper, notice};
use super::{Admitted, How, NotAdmitted, translate};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::net::{CloseWith, Link};
use crate::protocol::{
    Format, Hello, KickReason, NoticeKind, PROTOCOL_VERSION, PlayerName, RefusalReason,
    ResumeToken, ServerMessage, Welcome,
};

/// A join whose input has been given to the world.
pub(super) struct Joining {
    name: PlayerName,
    link: Arc<Link>,
    answer: oneshot::Sender<Result<Admitted, NotAdmitted>>,
}

/// A return whose input has been given to the world.
pub(super) struct Returning {
    player: EntityId,
    link: Arc<Link>,
    answer: oneshot::Sender<Result<Admitted, NotAdmitted>>,
}

impl Keeper {
    pub(super) fn join(
        &mut self,
        hello: Hello,
        link: Arc<Link>,
        answer: oneshot::Sender<Result<Admitted, NotAdmitted>>,
    ) {
        let json = link.format() == Format::Json;
        let view = View {
            world: &self.config.world.name,
            epoch: self.config.world.epoch,
            phase: self.phase,
            seats: self
                .config
                .server
                .max_players
                .try_into()
                .unwrap_or(usize::MAX),
            taken: self.sessions.len() + self.joining.len(),
            json_seats: self
                .config
                .server
                .json_max_clients
                .try_into()
                .unwrap_or(usize::MAX),
            json_taken: if json { self.json_clients() } else { 0 },
            sessions: &self.sessions,
        };
        match admission::decide(&view, &hello, link.format()) {
            Err(refusal) => {
                let _ = answer.send(Err(refusal));
            }
            Ok(Admission::New) => {
                let ticket = self.joining.len() as u64;
                self.inputs.push(Input::Join {
                    ticket,
                    name: hello.name.as_str().into(),
                });
                self.joining.push(Some(Joining {
                    name: hello.name,
                    link,
                    answer,
                }));
            }
            Ok(Admission::Resume(player)) => {
                self.inputs.push(Input::Return { player });
                self.returning.push(Returning {
                    player,
                    link,
                    answer,
                });
            }
        }
    }

    /// Clients that use JSON, those who come in with this tick too.
    fn json_clients(&self) -> usize {
        let joining = self.joining.iter().flatten().map(|joining| &joining.link);
        let returning = self.returning.iter().map(|returning| &returning.link);
        let links = self.links().chain(joining).chain(returning);
        links.filter(|link| link.format() == Format::Json).count()
    }

    pub(super) fn gone(&mut self, player: EntityId, link: &Arc<Link>, how: How) {
        // A connection that was superseded has no say any more.
        let own = |session: &&mut Session| session.link().is_some_and(|own| Arc::ptr_eq(own, link));
        let Some(session) = self.sessions.get_mut(player).filter(own) else {
            return;
        };
        let grace = self.config.server.resume_grace_seconds;
        let ticks = self.config.world.params.tick_rate().ticks(grace);
        session.state = State::Waiting {
            until: self.world.current_tick() + ticks,
        };
        if how == How::Left {
            session.state = State::Leaving;
            let cause = LeaveCause::Left;
            self.inputs.push(Input::Leave { player, cause });
        } else {
            self.metrics.lost_connections.inc();
            self.inputs.push(Input::Lose { player });
        }
    }

    /// Bodies whose grace time is over go, unless their player comes back in this very tick.
    pub(super) fn expire(&mut self) {
        let tick = self.world.current_tick();
        for session in self.sessions.iter() {
            let player = session.player;
            let back = || {
                self.returning
                    .iter()
                    .any(|returning| returning.player == player)
            };
            if matches!(session.state, State::Waiting { until } if tick >= until) && !back() {
                let cause = LeaveCause::GraceExpired;
                self.inputs.push(Input::Leave { player, cause });
            }
        }
    }

    /// What happened to those who come and go.
    pub(super) fn passed(&mut self, event: &Event) {
        match *event {
            Event::Joined {
                ticket,
                player,
                position,
            } => self.joined(ticket, player, position),
            Event::Refused { ticket, refusal } => {
                let reason = match refusal {
                    Refusal::Full => (RefusalReason::WorldFull, "every seat is taken"),
                    Refusal::BadName => (RefusalReason::Malformed, "the name is too long"),
                };
                if let Some(joining) = self.take_joining(ticket) {
                    let _ = joining.answer.send(Err(reason));
                }
            }
            Event::Left { player, cause } => {
                let label = match cause {
                    LeaveCause::Left => "Left",
                    LeaveCause::GraceExpired => "GraceExpired",
                    LeaveCause::Removed => "Removed",
                };
                Metrics::count(&self.metrics.leaves, label);
                self.sessions.remove(player);
                info!(player = player.0, cause = label, "player out");
            }
            _ => {}
        }
    }

    fn take_joining(&mut self, ticket: u64) -> Option<Joining> {
        let ticket = usize::try_from(ticket).ok()?;
        self.joining.get_mut(ticket)?.take()
    }

    fn joined(&mut self, ticket: u64, player: EntityId, position: Position) {
        let Some(Joining { name, link, answer }) = self.take_joining(ticket) else {
            return;
        };
        info!(player = player.0, %name, "player in");
        let Some(token) = self.sessions.add(player, name) else {
            return;
        };
        self.metrics.joins.inc();
        let welcome = self.welcome(player, position, token, 0, false);
        self.connect(player, &link, welcome, answer);
    }

    /// Gives those who come back their bodies.
    pub(super) fn welcome_back(&mut self) {
        self.joining.clear();
        for Returning {
            player,
            link,
            answer,
        } in std::mem::take(&mut self.returning)
        {
            let body = self
                .world
                .player(player)
                .map(|body| (body.position, body.seq));
            let (Some((position, ack)), Some(token)) = (body, self.sessions.renew(player)) else {
                let words = "the body has just left the world";
                let _ = answer.send(Err((RefusalReason::ResumeInvalid, words)));
                continue;
            };
            let former = self
                .sessions
                .get_mut(player)
                .and_then(|session| session.link().cloned());
            if let Some(former) = former {
                let words = "the same player has connected again";
                former.close(CloseWith::Kicked(KickReason::Superseded, words));
            }
            self.metrics.resumes.inc();
            info!(player = player.0, "player back");
            let welcome = self.welcome(player, position, token, ack, true);
            self.connect(player, &link, welcome, answer);
        }
    }

    /// Sends the Welcome and hands the connection over to the sender.
    fn connect(
        &mut self,
        player: EntityId,
        link: &Arc<Link>,
        welcome: Welcome,
        answer: oneshot::Sender<Result<Admitted, NotAdmitted>>,
    ) {
        let connected = Box::new(Connected::new(link.clone(), &welcome));
        link.resume_inputs(welcome.ack);
        link.send(&ServerMessage::Welcome(welcome));
        if self.phase == DrainPhase::JoinsStopped {
            link.send(&notice(NoticeKind::JoinsStopped, 0));
        }
        self.sender.add(link.clone());
        if let Some(session) = self.sessions.get_mut(player) {
            session.state = State::Connected(connected);
        }
        if answer.send(Ok(Admitted { player })).is_err() {
            // Nobody reads from this connection any more, so nobody will tell when it ends.
            link.close(CloseWith::Normal);
            self.gone(player, link, How::Lost);
        }
    }

    fn welcome(
        &self,
        player: EntityId,
        position: Position,
        resume_token: ResumeToken,
        ack: u32,
        resumed: bool,
    ) -> Welcome {
        let Config { server, world, .. } = &self.config;
        Welcome {
            version: PROTOCOL_VERSION,
            world: world.name.clone(),
            epoch: world.epoch,
            seed: world.seed,
            genre: translate::genre(world.params.genre()),
            terrain_hash: self.world.terrain_hash(),
            content_hash: Content::of(world.params.genre()).hash(),
            size_metres: world.params.size_metres(),
            tick_rate_hz: world.params.tick_rate().hz(),
            tick: self.world.current_tick(),
            entity: translate::id(player),
            position: translate::position(position),
            resumed,
            ack,
            resume_token,
            resume_seconds: server.resume_grace_seconds,
        }
    }
}
