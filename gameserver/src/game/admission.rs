//! Who is let in. Pure.

use worldkeeper_crds::agent::DrainPhase;
use worldkeeper_sim::EntityId;

use super::NotAdmitted;
use super::sessions::Sessions;
use crate::protocol::{Format, Hello, RefusalReason, WorldName};

/// What an admission depends on.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) world: &'a WorldName,
    pub(super) epoch: u64,
    pub(super) phase: DrainPhase,
    pub(super) seats: usize,
    /// Seats taken, by those who come in with this tick too.
    pub(super) taken: usize,
    pub(super) json_seats: usize,
    /// Clients that use JSON, those who come in with this tick too.
    pub(super) json_taken: usize,
    pub(super) sessions: &'a Sessions,
}

/// How a client is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// As a new player.
    New,
    /// Back into a body.
    Resume(EntityId),
}

/// Decides about a Hello.
pub(super) fn decide(
    view: &View<'_>,
    hello: &Hello,
    format: Format,
) -> Result<Admission, NotAdmitted> {
    if hello
        .world
        .as_ref()
        .is_some_and(|world| world != view.world)
    {
        return Err((RefusalReason::WrongWorld, "another world is served here"));
    }
    if hello.epoch.is_some_and(|epoch| epoch != view.epoch) {
        return Err((
            RefusalReason::WrongEpoch,
            "another epoch of this world is served here",
        ));
    }
    if view.phase == DrainPhase::Closing {
        return Err((RefusalReason::Closing, "the world is closing"));
    }
    if format == Format::Json && view.json_taken >= view.json_seats {
        let words = "as many clients as allowed use JSON; use the binary format";
        return Err((RefusalReason::FormatUnavailable, words));
    }
    // Whoever has a seat may come back to it, joins stopped or not.
    if let Some(token) = &hello.resume {
        let words = "the resume token is not of this incarnation, or its time is over";
        let player = view.sessions.by_token(token);
        let player = player.ok_or((RefusalReason::ResumeInvalid, words))?;
        return Ok(Admission::Resume(player));
    }
    if view.phase != DrainPhase::Serving {
        return Err((
            RefusalReason::JoinsStopped,
            "nobody new comes in: the world is draining",
        ));
    }
    if view.taken >= view.seats {
        return Err((RefusalReason::WorldFull, "every seat is taken"));
    }
    Ok(Admission::New)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::protocol::{PlayerName, ResumeToken};

    type Decide = fn(&View<'_>, &Hello, Format) -> Result<Admission, NotAdmitted>;

    /// The first case that is decided wrongly.
    fn first_wrong(decide: Decide) -> Option<String> {
        use Admission::{New, Resume};
        use DrainPhase::{Closing, JoinsStopped, Serving};
        use RefusalReason as No;

        let world = WorldName::new("games/f-1").unwrap();
        let mut sessions = Sessions::default();
        let name = PlayerName::new("ada").unwrap();
        let token = sessions.add(EntityId(7), name.clone()).unwrap();
        let hello = |world: Option<&str>, epoch, resume: Option<&str>| Hello {
            version: crate::protocol::PROTOCOL_VERSION,
            world: world.map(|world| WorldName::new(world).unwrap()),
            epoch,
            name: name.clone(),
            resume: resume.map(|token| ResumeToken::new(token).unwrap()),
        };
        let (any, json) = (Format::Binary, Format::Json);
        let mine = Some(token.as_str());
        let cases = [
            (hello(None, None, None), any, Serving, 1, Ok(New)),
            (
                hello(Some("games/f-1"), Some(3), None),
                any,
                Serving,
                9,
                Ok(New),
            ),
            (
                hello(Some("games/f-2"), Some(3), None),
                any,
                Serving,
                1,
                Err(No::WrongWorld),
            ),
            (
                hello(Some("games/f-2"), Some(3), mine),
                any,
                Serving,
                1,
                Err(No::WrongWorld),
            ),
            (
                hello(None, Some(2), None),
                any,
                Serving,
                1,
                Err(No::WrongEpoch),
            ),
            (
                hello(None, Some(4), mine),
                any,
                Serving,
                1,
                Err(No::WrongEpoch),
            ),
            (
                hello(None, None, None),
                any,
                Serving,
                10,
                Err(No::WorldFull),
            ),
            (
                hello(None, None, mine),
                any,
                Serving,
                10,
                Ok(Resume(EntityId(7))),
            ),
            (
                hello(None, None, None),
                any,
                JoinsStopped,
                1,
                Err(No::JoinsStopped),
            ),
            (
                hello(None, None, mine),
                any,
                JoinsStopped,
                1,
                Ok(Resume(EntityId(7))),
            ),
            (hello(None, None, mine), any, Closing, 1, Err(No::Closing)),
            (hello(None, None, None), any, Closing, 1, Err(No::Closing)),
            (
                hello(None, None, Some("7-00")),
                any,
                Serving,
                1,
                Err(No::ResumeInvalid),
            ),
            (
                hello(None, None, Some("x")),
                any,
                JoinsStopped,
                1,
                Err(No::ResumeInvalid),
            ),
            (
                hello(None, None, None),
                json,
                Serving,
                1,
                Err(No::FormatUnavailable),
            ),
            (
                hello(None, None, mine),
                json,
                Serving,
                1,
                Err(No::FormatUnavailable),
            ),
        ];
        for (hello, format, phase, taken, expect) in cases {
            let view = View {
                world: &world,
                epoch: 3,
                phase,
                seats: 10,
                taken,
                json_seats: 2,
                json_taken: 2,
                sessions: &sessions,
            };
            let decided = decide(&view, &hello, format).map_err(|(reason, _)| reason);
            if decided != expect {
                return Some(format!(
                    "{hello:?} {format:?} {phase:?} {taken}: {decided:?}"
                ));
            }
        }
        None
    }

    #[test]
    fn decisions() {
        assert_eq!(first_wrong(decide), None);
    }

    #[test]
    fn wrong_variants_are_caught() {
        let variants: [(&str, Decide); 5] = [
            ("a drain shuts out those inside", |view, hello, format| {
                if view.phase != DrainPhase::Serving {
                    return Err((RefusalReason::JoinsStopped, ""));
                }
                decide(view, hello, format)
            }),
            (
                "a full world shuts out those inside",
                |view, hello, format| {
                    if view.taken >= view.seats {
                        return Err((RefusalReason::WorldFull, ""));
                    }
                    decide(view, hello, format)
                },
            ),
            ("any epoch", |view, hello, format| {
                let epoch = None;
                decide(
                    view,
                    &Hello {
                        epoch,
                        ..hello.clone()
                    },
                    format,
                )
            }),
            ("a bad token makes a new player", |view, hello, format| {
                decide(view, hello, format).or_else(|refusal| match refusal.0 {
                    RefusalReason::ResumeInvalid => Ok(Admission::New),
                    _ => Err(refusal),
                })
            }),
            ("a drain stops nobody", |view, hello, format| {
                let phase = match view.phase {
                    DrainPhase::JoinsStopped => DrainPhase::Serving,
                    phase => phase,
                };
                decide(&View { phase, ..*view }, hello, format)
            }),
        ];
        for (name, variant) in variants {
            assert!(first_wrong(variant).is_some(), "{name}");
        }
    }
}
