//! Who is told of what happened.

use std::sync::Arc;

use worldkeeper_sim::{EntityId, EntityKind, Event, HEARING, Position, Seen, World};

use super::sessions::{Session, Sessions};
use super::translate;
use crate::metrics::Metrics;
use crate::protocol::{ChatText, EventMessage, ItemId, PlayerName};

/// A strike is seen from this far, in millimetres.
const STRIKES_SEEN: u32 = 30_000;
/// Most bodies among which those are looked for who hear or see something: the nearest.
const MOST_WITNESSES: u32 = 256;

/// Memory for finding witnesses.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    seen: Vec<Seen>,
}

impl Hearing {
    /// Tells those whom it concerns. Of what concerns the server itself (who came and went) players
    /// are told by what they see.
    pub(super) fn tell(
        &mut self,
        event: &Event,
        world: &World,
        sessions: &mut Sessions,
        metrics: &Metrics,
    ) {
        match event {
            Event::Joined { .. } | Event::Refused { .. } | Event::Left { .. } => {}
            Event::Said {
                speaker,
                name,
                text,
                place,
            } => {
                // The world lets nothing else through.
                let (Ok(name), Ok(text)) = (PlayerName::new(&**name), ChatText::new(&**text))
                else {
                    return;
                };
                let speaker = translate::id(*speaker);
                let said = EventMessage::Said {
                    speaker,
                    name,
                    text,
                };
                let around = (*place, HEARING);
                self.witnessed(said, around, &[], world, sessions, metrics);
            }
            Event::Struck {
                attacker,
                target,
                damage,
                killed,
                place,
            } => {
                let struck = EventMessage::Struck {
                    attacker: translate::id(*attacker),
                    target: translate::id(*target),
                    damage: *damage,
                    killed: *killed,
                };
                let both = [*attacker, *target];
                let around = (*place, STRIKES_SEEN);
                self.witnessed(struck, around, &both, world, sessions, metrics);
            }
            Event::Done {
                player,
                seq,
                outcome,
            } => {
                let outcome = translate::outcome(*outcome);
                metrics.acted(outcome);
                tell(*player, EventMessage::Done { seq: *seq, outcome }, sessions);
            }
            Event::Gained {
                player,
                item,
                count,
                how,
            } => {
                let Some(item) = ItemId::new(item.0) else {
                    return;
                };
                let gained = EventMessage::Gained {
                    item,
                    count: *count,
                    how: translate::gain(*how),
                };
                tell(*player, gained, sessions);
            }
            Event::Levelled {
                player,
                skill,
                level,
            } => {
                let levelled = EventMessage::Levelled {
                    skill: skill.map(translate::skill),
                    level: *level,
                };
                tell(*player, levelled, sessions);
            }
            Event::Died { player, by, cause } => {
                let died = EventMessage::Died {
                    cause: translate::cause(*cause),
                    by: by.map(translate::id),
                };
                tell(*player, died, sessions);
            }
            Event::Traded { player, with } => {
                let with = translate::id(*with);
                tell(*player, EventMessage::Traded { with }, sessions);
            }
        }
    }

    /// Tells `always`, and the players within a radius of a place: those as far as they keep up, since
    /// what others do and say must not cost a client its connection.
    fn witnessed(
        &mut self,
        event: EventMessage,
        (place, radius): (Position, u32),
        always: &[EntityId],
        world: &World,
        sessions: &mut Sessions,
        metrics: &Metrics,
    ) {
        let event = Arc::new(event);
        for player in always {
            tell_shared(*player, &event, sessions);
        }
        world.near(place, radius, MOST_WITNESSES, &mut self.seen);
        for seen in &self.seen {
            let EntityKind::Player { rank } = seen.kind else {
                continue;
            };
            if always.contains(&seen.id) {
                continue;
            }
            let session = sessions
                .at(rank)
                .filter(|session| session.player == seen.id);
            let Some(connected) = session.and_then(Session::connected) else {
                continue;
            };
            if matches!(*event, EventMessage::Struck { killed: true, .. }) {
                // What was killed may have left something.
                connected.vicinity.look_for_fixtures();
            }
            if connected.keeps_up() {
                connected.tell(&event);
            } else {
                metrics.events_shed.inc();
            }
        }
    }
}

/// Tells one player.
pub(super) fn tell(player: EntityId, event: EventMessage, sessions: &mut Sessions) {
    tell_shared(player, &Arc::new(event), sessions);
}

fn tell_shared(player: EntityId, event: &Arc<EventMessage>, sessions: &mut Sessions) {
    if let Some(connected) = sessions.get_mut(player).and_then(Session::connected) {
        // It may have laid something down, or killed.
        connected.vicinity.look_for_fixtures();
        connected.tell(event);
    }
}
