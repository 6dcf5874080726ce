//! What a client shows after any course of a world is what the server meant it to show.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::limits::{MAX_EVENTS, MAX_SERVER_MESSAGE_BYTES, MAX_VIEW_ENTITIES};

/// Furthest that an entity is shown from where it is.
const BOUND: u32 = 150;
/// Few ids, so that entities stay, go and come back.
const IDS: u64 = 16;

/// One tick or more of a made-up world, and a client's part in it.
#[derive(Clone, Debug)]
struct Step {
    ticks: u64,
    born: Vec<(u64, Position)>,
    gone: Vec<u64>,
    /// Their way in each tick from now on.
    turned: Vec<(u64, (i32, i32))>,
    /// They are elsewhere all at once.
    thrown: Vec<(u64, Position)>,
    looks: Vec<(u64, u8)>,
    inputs: u32,
    position: Position,
    visible: Option<Vec<(u64, bool)>>,
    far: bool,
    state: Option<SelfState>,
    events: Vec<EventMessage>,
    /// The client takes the update of the last of these ticks.
    takes: bool,
}

prop_compose! {
    fn step()(
        ticks in prop_oneof![4 => Just(1_u64), 1 => 2..60_u64],
        born in vec((0..IDS, position()), 0..6),
        gone in vec(0..IDS, 0..2),
        turned in vec((0..IDS, (-395..=395_i32, -395..=395_i32)), 0..4),
        thrown in vec((0..IDS, position()), 0..2),
        looks in vec((0..IDS, any::<u8>()), 0..3),
        inputs in 0_u32..3,
        position in position(),
        visible in option::of(prop::collection::btree_map(0..IDS, any::<bool>(), 0..14)),
        (far, takes) in (any::<bool>(), prop::bool::weighted(0.7)),
        state in option::weighted(0.3, state()),
        events in vec(event(), 0..3),
    ) -> Step {
        // Any order will do.
        let visible = visible.map(|visible| visible.into_iter().rev().collect());
        Step {
            ticks, born, gone, turned, thrown, looks, inputs, position, visible, far, state, events,
            takes,
        }
    }
}

fn course() -> impl Strategy<Value = (Welcome, Vec<Step>)> {
    (welcome(), vec(step(), 1..16))
}

fn kind_of(id: u64) -> EntityKind {
    let number = u8::try_from(id).unwrap();
    match id % 8 {
        0..=3 => EntityKind::Player,
        4 => EntityKind::Creature { species: number },
        5 => EntityKind::Resource { resource: number },
        6 => EntityKind::Station { station: number },
        _ => EntityKind::Loot,
    }
}

fn name_of(id: u64) -> Option<PlayerName> {
    (kind_of(id) == EntityKind::Player)
        .then(|| PlayerName::new(format!("Player \"{id}\"")).unwrap())
}

#[derive(Clone, Copy)]
struct Body {
    slot: Slot,
    position: Position,
    way: (i32, i32),
    look: Look,
}

/// The truth, and the table that clients are shown.
struct Truth {
    tick: u64,
    table: EntityTable,
    bodies: BTreeMap<u64, Body>,
}

impl Truth {
    fn new(welcome: &Welcome) -> Self {
        Self {
            tick: welcome.tick,
            table: EntityTable::new(welcome.tick_rate_hz, welcome.tick, BOUND),
            bodies: BTreeMap::new(),
        }
    }

    fn advance(&mut self, step: &Step) {
        for tick in 0..step.ticks {
            self.tick += 1;
            self.table.begin(self.tick);
            if tick == 0 {
                self.change(step);
            }
            for (id, body) in &mut self.bodies {
                if kind_of(*id).moves() {
                    body.position.x += body.way.0;
                    body.position.y += body.way.1;
                }
                let observed = Observed {
                    position: body.position,
                    displacement: body.way,
                    look: body.look,
                };
                self.table.observe(body.slot, observed);
            }
        }
    }

    fn change(&mut self, step: &Step) {
        for id in &step.gone {
            if let Some(body) = self.bodies.remove(id) {
                self.table.leave(body.slot);
            }
        }
        for &(id, position) in &step.born {
            let observed = Observed {
                position,
                displacement: (0, 0),
                look: Look::default(),
            };
            let name = name_of(id);
            let slot = self
                .table
                .enter(EntityId(id), kind_of(id), name.as_ref(), observed);
            self.bodies.entry(id).or_insert(Body {
                slot,
                position,
                way: (0, 0),
                look: Look::default(),
            });
        }
        for &(id, way) in &step.turned {
            self.bodies.entry(id).and_modify(|body| body.way = way);
        }
        for &(id, position) in &step.thrown {
            if kind_of(id).moves() {
                self.bodies
                    .entry(id)
                    .and_modify(|body| body.position = position);
            }
        }
        for &(id, look) in &step.looks {
            self.bodies
                .entry(id)
                .and_modify(|body| body.look = Look(look));
        }
    }

    fn sightings(&self, visible: &[(u64, bool)]) -> Vec<Sighting> {
        let sighting = |&(id, far): &(u64, bool)| {
            let id = EntityId(id);
            let slot = self.table.slot(id)?;
            Some(Sighting { id, slot, far })
        };
        visible.iter().filter_map(sighting).collect()
    }
}

/// What a client should show, worked out the slow way.
#[derive(Default)]
struct Picture {
    entities: BTreeMap<EntityId, (Sighting, Look, Motion)>,
    state: SelfState,
}

impl Picture {
    fn update(&mut self, truth: &Truth, own: EntityId, step: &Step) {
        let before = std::mem::take(&mut self.entities);
        let visible = match &step.visible {
            Some(visible) => truth.sightings(visible),
            None => before
                .values()
                .map(|(sighting, ..)| *sighting)
                .filter(|sighting| truth.table.slot(sighting.id) == Some(sighting.slot))
                .collect(),
        };
        for sighting in visible {
            if sighting.id == own {
                continue;
            }
            let look = truth.bodies[&sighting.id.0].look;
            let known = before
                .get(&sighting.id)
                .filter(|_| sighting.far && !step.far);
            let motion = match known {
                Some((_, _, motion)) => *motion,
                None => *truth.table.motion(sighting.slot).unwrap(),
            };
            self.entities.insert(sighting.id, (sighting, look, motion));
        }
        if let Some(state) = &step.state {
            self.state.clone_from(state);
        }
    }
}

/// Called once a tick that may be shown; the bytes reach the client if `takes`.
type Write = fn(
    writer: &mut UpdateWriter,
    table: &EntityTable,
    sent: &mut SentView,
    moment: Moment<'_>,
    events: &mut EventQueue,
    takes: bool,
) -> Vec<u8>;

fn written(
    writer: &mut UpdateWriter,
    table: &EntityTable,
    sent: &mut SentView,
    moment: Moment<'_>,
    events: &mut EventQueue,
    takes: bool,
) -> Vec<u8> {
    let mut out = Vec::new();
    if takes {
        writer.write(table, sent, moment, events, &mut out);
    }
    out
}

/// Frames, each with the view that it was applied to.
type Frames = Vec<(View, Vec<u8>)>;

/// Plays a course to a client of one format: the view at the end, and all frames with the view that
/// each was applied to.
fn play(
    write: Write,
    format: Format,
    welcome: &Welcome,
    steps: &[Step],
) -> Result<(View, Frames), TestCaseError> {
    let mut truth = Truth::new(welcome);
    let mut picture = Picture::default();
    let mut writer = UpdateWriter::default();
    let mut sent = SentView::new(format, welcome);
    let mut queue = EventQueue::new(1_000);
    let mut view = View::new(welcome);
    let (mut said, mut heard) = (Vec::new(), Vec::new());
    let mut frames = Vec::new();
    let mut ack = welcome.ack;
    let rate = welcome.tick_rate_hz;
    for step in steps {
        truth.advance(step);
        ack = ack.saturating_add(step.inputs);
        for event in &step.events {
            said.push(event.clone());
            queue.push(Arc::new(event.clone())).unwrap();
        }
        let mut step = step.clone();
        if let Some(activity) = step
            .state
            .as_mut()
            .and_then(|state| state.activity.as_mut())
        {
            activity.ends += truth.tick;
        }
        let mut sightings = step.visible.as_ref().map(|list| truth.sightings(list));
        let moment = Moment {
            ack,
            position: step.position,
            visible: sightings.as_deref_mut(),
            far: step.far,
            state: step.state.as_ref(),
        };
        let out = write(
            &mut writer,
            &truth.table,
            &mut sent,
            moment,
            &mut queue,
            step.takes,
        );
        if !step.takes {
            continue;
        }
        frames.push((view.clone(), out.clone()));
        match decode_server(format, payload(format, &out), Some(&mut view)) {
            Ok(Received::Update { events }) => heard.extend(events),
            other => return Err(TestCaseError::fail(format!("{format:?}: {other:?}"))),
        }

        picture.update(&truth, welcome.entity, &step);
        let own = Own {
            tick: truth.tick,
            ack,
            position: step.position,
        };
        prop_assert_eq!(view.own(), own);
        prop_assert_eq!(view.state(), &picture.state);
        let ids: Vec<_> = view.entities().iter().map(|known| known.id).collect();
        let expected: Vec<_> = picture.entities.keys().copied().collect();
        prop_assert_eq!(ids, expected);
        for (known, (sighting, look, motion)) in
            view.entities().iter().zip(picture.entities.values())
        {
            prop_assert_eq!(known.kind, kind_of(known.id.0));
            prop_assert_eq!(&known.name, &name_of(known.id.0));
            prop_assert_eq!(known.look, *look);
            for later in [0, 1, 7, 1_000] {
                let tick = truth.tick + later;
                prop_assert_eq!(view.shown(known.id, tick), Some(motion.shown(tick, rate)));
            }
            if !sighting.far {
                let shown = view.shown(known.id, truth.tick).unwrap();
                let place = truth.bodies[&known.id.0].position;
                prop_assert!(shown.x.abs_diff(place.x) <= BOUND);
                prop_assert!(shown.y.abs_diff(place.y) <= BOUND);
            }
        }
    }
    prop_assert_eq!(&heard[..], &said[..heard.len()]);
    prop_assert_eq!(heard.len() + queue.len(), said.len());
    Ok((view, frames))
}

fn shows_the_truth(write: Write) -> Result<(), String> {
    check(256, &course(), |(welcome, steps)| {
        let (binary, _) = play(write, Format::Binary, &welcome, &steps)?;
        let (json, _) = play(write, Format::Json, &welcome, &steps)?;
        prop_assert_eq!(binary, json);
        Ok(())
    })
}

#[test]
fn a_view_shows_the_truth_in_both_formats() {
    assert_eq!(shows_the_truth(written), Ok(()));
}

#[test]
fn wrong_writers_are_caught() {
    let variants: [(&str, Write); 7] = [
        (
            "as if the client took everything",
            |writer, table, sent, moment, events, _| {
                written(writer, table, sent, moment, events, true)
            },
        ),
        (
            "forgets what it has sent",
            |writer, table, sent, moment, events, takes| {
                written(writer, table, &mut sent.clone(), moment, events, takes)
            },
        ),
        (
            "events but the last are dropped",
            |writer, table, sent, moment, events, takes| {
                while events.len() > 1 {
                    events.take().next();
                }
                written(writer, table, sent, moment, events, takes)
            },
        ),
        (
            "no own state",
            |writer, table, sent, moment, events, takes| {
                let moment = Moment {
                    state: None,
                    ..moment
                };
                written(writer, table, sent, moment, events, takes)
            },
        ),
        (
            "what was visible stays",
            |writer, table, sent, moment, events, takes| {
                let moment = Moment {
                    visible: None,
                    ..moment
                };
                written(writer, table, sent, moment, events, takes)
            },
        ),
        (
            "far ones are never brought up to date",
            |writer, table, sent, moment, events, takes| {
                let moment = Moment {
                    far: false,
                    ..moment
                };
                written(writer, table, sent, moment, events, takes)
            },
        ),
        (
            "an input is acknowledged late",
            |writer, table, sent, moment, events, takes| {
                let moment = Moment {
                    ack: moment.ack.saturating_sub(1),
                    ..moment
                };
                written(writer, table, sent, moment, events, takes)
            },
        ),
    ];
    for (name, variant) in variants {
        assert!(shows_the_truth(variant).is_err(), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_update_cut_short_is_refused((welcome, steps) in course()) {
        for format in FORMATS {
            let (_, frames) = play(written, format, &welcome, &steps)?;
            for (view, frame) in frames {
                for length in 0..frame.len() {
                    let text = String::from_utf8_lossy(&frame[..length]);
                    let short = match format {
                        Format::Binary => Payload::Binary(&frame[..length]),
                        Format::Json => Payload::Text(&text),
                    };
                    prop_assert!(decode_server(format, short, Some(&mut view.clone())).is_err());
                }
            }
        }
    }

    #[test]
    fn a_damaged_update_never_panics(
        (welcome, steps) in course(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (_, frames) = play(written, Format::Binary, &welcome, &steps)?;
        for (mut view, mut frame) in frames {
            for (at, value) in &damage {
                let at = at.index(frame.len());
                frame[at] = *value;
            }
            frame[0] |= 0x80;
            match decode_server(Format::Binary, Payload::Binary(&frame), Some(&mut view)) {
                Ok(_) => {
                    prop_assert!(view.entities().len() <= MAX_VIEW_ENTITIES);
                    for known in view.entities() {
                        prop_assert!(view.shown(known.id, u64::MAX).is_some());
                    }
                }
                Err(error) => {
                    let category = error.category();
                    prop_assert!(
                        DecodeError::CATEGORIES.contains(&category) || category == "ViewMismatch"
                    );
                }
            }
        }
    }

    #[test]
    fn a_damaged_json_update_never_panics(
        (welcome, steps) in course(),
        at in any::<prop::sample::Index>(),
        with in "[0-9a-z\"{}:,\\-]{1,3}",
    ) {
        let (_, frames) = play(written, Format::Json, &welcome, &steps)?;
        for (mut view, frame) in frames {
            let text = String::from_utf8(frame).unwrap();
            let at = at.index(text.len());
            if text.is_char_boundary(at) {
                let damaged = format!("{}{with}{}", &text[..at], &text[at..]);
                let _ = decode_server(Format::Json, Payload::Text(&damaged), Some(&mut view));
            }
        }
    }

    #[test]
    fn arbitrary_updates_never_panic(bytes in vec(any::<u8>(), 1..300), (welcome, steps) in course()) {
        let (mut view, _) = play(written, Format::Binary, &welcome, &steps)?;
        let mut update = bytes.clone();
        update[0] |= 0x80;
        let _ = decode_server(Format::Binary, Payload::Binary(&update), Some(&mut view));
    }
}

fn plain_welcome() -> Welcome {
    Welcome {
        version: PROTOCOL_VERSION,
        world: WorldName::new("a/b").unwrap(),
        epoch: 1,
        seed: 0,
        genre: Genre::Horror,
        terrain_hash: 0,
        content_hash: 0,
        size_metres: 1,
        tick_rate_hz: 10,
        tick: 0,
        entity: EntityId(0),
        position: Position::default(),
        resumed: false,
        ack: 0,
        resume_token: ResumeToken::new("t").unwrap(),
        resume_seconds: 0,
    }
}

/// Updates that are refused, one rule each: bytes, category.
#[test]
fn updates_against_the_rules() {
    for (bytes, expected) in [
        (&[0xc0, 0x00][..], "OutOfRange"),     // a second byte of no flags
        (&[0xc0, 0x10], "UnknownType"),        // of an unknown one
        (&[0x81, 0x01], "OutOfRange"),         // one tick has another spelling
        (&[0x82, 0x00], "OutOfRange"),         // no input acknowledged
        (&[0x84, 0x00, 0x00], "OutOfRange"),   // no way
        (&[0x88, 0x00], "OutOfRange"),         // nobody left
        (&[0x88, 0x01, 0x00], "ViewMismatch"), // nobody is there
        (&[0xa0, 0x01, 0x00, 0, 0, 0, 0], "ViewMismatch"),
        (&[0x90, 0x81, 0x04], "TooLong"),          // 513 at once
        (&[0x90, 0x01, 0x07, 0x06], "OutOfRange"), // kind 6
        // An age without a velocity, and one from before the beginning.
        (
            &[0x90, 0x01, 0x07, 0x02, 0, 0x0f, 0, 0, 1, 0, 0],
            "OutOfRange",
        ),
        (
            &[0x90, 0x01, 0x07, 0x02, 0, 0x0f, 0, 0, 2, 1, 0],
            "OutOfRange",
        ),
        (&[0xc0, 0x04, 0x00], "OutOfRange"), // nothing of the own state
        (&[0xc0, 0x04, 0x40], "OutOfRange"),
        (&[0xc0, 0x04, 0x01, 1, 1, 101, 0, 0], "OutOfRange"), // hunger of 101
        (&[0xc0, 0x04, 0x02, 0x00], "OutOfRange"),            // no slot
        (&[0xc0, 0x04, 0x02, 0x01, 24, 1, 1], "OutOfRange"),  // slot 24
        (&[0xc0, 0x04, 0x02, 0x02, 3, 1, 1, 3, 1, 1], "OutOfRange"), // a slot twice
        (&[0xc0, 0x04, 0x02, 0x01, 3, 0, 1], "OutOfRange"),   // one of nothing
        (&[0xc0, 0x04, 0x02, 0x01, 3, 1, 0], "OutOfRange"),   // none of something
        (&[0xc0, 0x04, 0x10, 3], "OutOfRange"),               // activity 3
        (&[0xc0, 0x04, 0x20, 4], "OutOfRange"),               // trade 4
        (&[0xc0, 0x04, 0x20, 3, 9, 0, 9], "TooLong"),         // nine offers
        (&[0xc0, 0x04, 0x20, 3, 9, 0, 0, 0, 4], "OutOfRange"), // a third who accepts
        (&[0xc0, 0x08, 0x00], "OutOfRange"),                  // no event
        (&[0xc0, 0x08, 0x41], "TooLong"),                     // 65 events
        (&[0xc0, 0x08, 0x01, 9], "OutOfRange"),               // event 9
        (&[0xc0, 0x08, 0x01, 1, 1, 20], "OutOfRange"),        // outcome 20
        (&[0x80, 0x00], "TrailingBytes"),
    ] {
        let mut view = View::new(&plain_welcome());
        let received = decode_server(Format::Binary, Payload::Binary(bytes), Some(&mut view));
        let category = received.map_err(|error| error.category());
        assert_eq!(category, Err(expected), "{}", hex(bytes));
    }
    for (text, expected) in [
        (r#""tick":0,"ack":0"#, "BadJson"),
        (
            r#""tick":1,"ack":0,"position":{"x":0,"y":0},"more":1"#,
            "BadJson",
        ),
        (
            r#""tick":1,"ack":0,"position":{"x":0,"y":1073741824}"#,
            "OutOfRange",
        ),
        (
            r#""tick":1,"ack":0,"position":{"x":0,"y":0},"left":["7"]"#,
            "ViewMismatch",
        ),
        (
            r#""tick":1,"ack":0,"position":{"x":0,"y":0},"entered":[{"id":"7","kind":"Creature","look":1,"position":{"x":0,"y":0},"velocity":{"x":0,"y":0},"since":1}]"#,
            "Malformed",
        ),
        (
            r#""tick":1,"ack":0,"position":{"x":0,"y":0},"entered":[{"id":"7","kind":"Loot","look":1,"position":{"x":0,"y":0},"velocity":{"x":0,"y":0},"since":1}]"#,
            "Malformed",
        ),
        (
            r#""tick":1,"ack":0,"position":{"x":0,"y":0},"entered":[{"id":"7","kind":"Creature","type":1,"look":1,"position":{"x":0,"y":0},"velocity":{"x":1,"y":0},"since":2}]"#,
            "OutOfRange",
        ),
        (
            r#""tick":1,"ack":0,"position":{"x":0,"y":0},"events":[{"type":"died","cause":"Hunger","by":"0"}]"#,
            "OutOfRange",
        ),
    ] {
        let mut view = View::new(&plain_welcome());
        let text = format!(r#"{{"type":"update",{text}}}"#);
        let received = decode_server(Format::Json, Payload::Text(&text), Some(&mut view));
        let category = received.map_err(|error| error.category());
        assert_eq!(category, Err(expected), "{text}");
    }
}

#[test]
fn a_queue_is_bounded_and_an_update_brings_so_many() {
    let mut queue = EventQueue::new(MAX_EVENTS + 3);
    let event = |seq| {
        Arc::new(EventMessage::Done {
            seq,
            outcome: Outcome::Ok,
        })
    };
    for seq in 0..MAX_EVENTS + 3 {
        queue.push(event(u32::try_from(seq).unwrap())).unwrap();
    }
    assert_eq!(queue.push(event(0)), Err(QueueFull));

    let welcome = plain_welcome();
    let table = EntityTable::new(10, 0, BOUND);
    for format in FORMATS {
        let mut queue = queue.clone();
        let mut sent = SentView::new(format, &welcome);
        let mut view = View::new(&welcome);
        let mut sizes = Vec::new();
        while !queue.is_empty() {
            let mut out = Vec::new();
            let moment = Moment {
                ack: 0,
                position: Position::default(),
                visible: None,
                far: true,
                state: None,
            };
            UpdateWriter::default().write(&table, &mut sent, moment, &mut queue, &mut out);
            match decode_server(format, payload(format, &out), Some(&mut view)) {
                Ok(Received::Update { events }) => sizes.push(events.len()),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(sizes, [MAX_EVENTS, 3]);
    }
}

/// The largest update fits the limit that clients are told, in both formats.
#[test]
fn the_largest_update_fits() {
    // 64 bytes, each of which JSON escapes to two.
    let quotes = PlayerName::new("\"".repeat(32)).unwrap();
    let wide = PlayerName::new("\u{e4}".repeat(32)).unwrap();
    let stack = Stack::of(u16::MAX, u16::MAX);
    let rank = Rank {
        level: u8::MAX,
        experience: u32::MAX,
    };
    let state = SelfState {
        vitals: Vitals {
            health: u16::MAX,
            max_health: u16::MAX,
            hunger: u8::MAX,
            thirst: u8::MAX,
            meter: u8::MAX,
        },
        slots: [stack; 24],
        equipment: [ItemId::new(u16::MAX); 4],
        progress: Progress {
            character: rank,
            skills: [rank; 6],
        },
        activity: Some(Activity {
            kind: ActivityKind::Gather,
            ends: u64::MAX,
            total: u32::MAX,
        }),
        trade: Some(Trade {
            stage: TradeStage::AskedByPartner,
            partner: EntityId(u64::MAX),
            revision: u32::MAX,
            mine: vec![stack.unwrap(); 9],
            theirs: vec![stack.unwrap(); 9],
            i_accepted: false,
            they_accepted: false,
        }),
    };
    for name in [quotes, wide] {
        for format in FORMATS {
            let welcome = plain_welcome();
            let mut table = EntityTable::new(10, 0, BOUND);
            let crowd = |table: &mut EntityTable, from: u64| -> Vec<Sighting> {
                let observed = Observed {
                    position: Position {
                        x: i32::MIN,
                        y: i32::MIN,
                    },
                    displacement: (i32::MIN, i32::MIN),
                    look: Look(u8::MAX),
                };
                (0..MAX_VIEW_ENTITIES as u64 + 10)
                    .map(|n| EntityId(from + n))
                    .map(|id| Sighting {
                        id,
                        slot: table.enter(id, EntityKind::Player, Some(&name), observed),
                        far: false,
                    })
                    .collect()
            };
            let said = Arc::new(EventMessage::Said {
                speaker: EntityId(u64::MAX),
                name: name.clone(),
                text: ChatText::new("\"".repeat(200)).unwrap(),
            });
            let mut writer = UpdateWriter::default();
            let mut sent = SentView::new(format, &welcome);
            let mut view = View::new(&welcome);
            let mut visible = crowd(&mut table, u64::MAX / 2);
            let mut others = crowd(&mut table, u64::MAX - 600);
            table.begin(MAX_SAFE_INTEGER);
            for visible in [&mut visible, &mut others] {
                let mut events = EventQueue::new(MAX_EVENTS);
                for _ in 0..MAX_EVENTS {
                    events.push(said.clone()).unwrap();
                }
                let moment = Moment {
                    ack: u32::MAX,
                    position: Position::default(),
                    visible: Some(visible),
                    far: true,
                    state: Some(&state),
                };
                let mut out = Vec::new();
                writer.write(&table, &mut sent, moment, &mut events, &mut out);
                assert!(out.len() <= MAX_SERVER_MESSAGE_BYTES, "{}", out.len());
                decode_server(format, payload(format, &out), Some(&mut view)).unwrap();
                assert_eq!(view.entities().len(), MAX_VIEW_ENTITIES);
            }
        }
    }
}
