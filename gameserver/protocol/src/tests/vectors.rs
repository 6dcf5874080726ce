//! Vectors for codecs in other languages: `gameserver/client/vectors/protocol.json`. The test holds
//! the file to this codec; `WORLDKEEPER_WRITE_VECTORS=1 cargo test -p worldkeeper-protocol vectors`
//! writes it anew.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::json::{Entered, OwnState};

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../client/vectors/protocol.json")
}

#[test]
fn vectors_for_other_languages() {
    let vectors = json!({
        "about": "Written by a test of gameserver/protocol; see PROTOCOL.md. Bytes are hexadecimal.",
        "version": PROTOCOL_VERSION,
        "client": client_vectors(),
        "server": server_vectors(),
        "session": session(),
        "refused": refused(),
        "motion": motions(),
    });
    if std::env::var_os("WORLDKEEPER_WRITE_VECTORS").is_some() {
        fs::create_dir_all(path().parent().unwrap()).unwrap();
        let text = serde_json::to_string_pretty(&vectors).unwrap();
        fs::write(path(), text + "\n").unwrap();
    }
    let committed: Value = serde_json::from_str(&fs::read_to_string(path()).unwrap()).unwrap();
    assert!(
        committed == vectors,
        "the codec no longer agrees with the committed vectors"
    );
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

pub(super) fn client_messages() -> Vec<(&'static str, ClientMessage)> {
    let hello = Hello {
        version: PROTOCOL_VERSION,
        world: None,
        epoch: None,
        name: PlayerName::new("花子").unwrap(),
        resume: None,
    };
    let act = |action| {
        ClientMessage::Act(Act {
            seq: 8,
            at: 1_004,
            view: 1_000,
            action,
        })
    };
    let target = EntityId(7);
    let far = EntityId(u64::MAX);
    vec![
        ("hello", ClientMessage::Hello(hello.clone())),
        (
            "hello of one who comes back",
            ClientMessage::Hello(Hello {
                world: Some(WorldName::new("games/f1").unwrap()),
                epoch: Some(3),
                resume: Some(ResumeToken::new("t0k3n").unwrap()),
                ..hello
            }),
        ),
        (
            "move",
            ClientMessage::Move(Move {
                seq: 7,
                at: 1_003,
                direction: Direction { x: 127, y: -127 },
            }),
        ),
        (
            "move with the largest numbers",
            ClientMessage::Move(Move {
                seq: u32::MAX,
                at: MAX_SAFE_INTEGER,
                direction: Direction { x: -1, y: 0 },
            }),
        ),
        ("gather", act(Action::Gather { target })),
        ("attack", act(Action::Attack { target: far })),
        (
            "craft",
            act(Action::Craft {
                recipe: RecipeId(300),
            }),
        ),
        ("use", act(Action::Use { slot: 23 })),
        ("equip", act(Action::Equip { slot: 0 })),
        (
            "unequip",
            act(Action::Unequip {
                place: Place::Trinket,
            }),
        ),
        (
            "drop",
            act(Action::Drop {
                slot: 2,
                count: 1_000,
            }),
        ),
        ("take", act(Action::Take { target })),
        ("interact", act(Action::Interact { target })),
        (
            "say",
            act(Action::Say {
                text: ChatText::new("Grüß dich, \"Ada\" <b>").unwrap(),
            }),
        ),
        ("ask for a trade", act(Action::TradeAsk { target })),
        (
            "offer",
            act(Action::TradeOffer {
                offer: vec![
                    Offer { slot: 0, count: 5 },
                    Offer {
                        slot: 23,
                        count: u16::MAX,
                    },
                ],
            }),
        ),
        ("offer nothing", act(Action::TradeOffer { offer: vec![] })),
        ("accept", act(Action::TradeAccept { revision: 4 })),
        ("cancel", act(Action::TradeCancel)),
        ("respawn", act(Action::Respawn)),
        (
            "stop at once",
            ClientMessage::Act(Act {
                seq: 9,
                at: 0,
                view: 0,
                action: Action::Stop,
            }),
        ),
        (
            "ask for statistics",
            ClientMessage::Ask(Ask {
                what: Question::Statistics,
            }),
        ),
        ("ping", ClientMessage::Ping(Ping { nonce: u32::MAX })),
        ("leave", ClientMessage::Leave),
    ]
}

fn client_vectors() -> Vec<Value> {
    let vector = |(name, message): (&str, ClientMessage)| {
        json!({
            "name": name,
            "hex": hex(&encoded(Format::Binary, &message)),
            "json": parsed(&encoded(Format::Json, &message)),
        })
    };
    client_messages().into_iter().map(vector).collect()
}

/// As in PROTOCOL.md.
pub(super) fn example_welcome() -> Welcome {
    Welcome {
        version: PROTOCOL_VERSION,
        world: WorldName::new("games/f1").unwrap(),
        epoch: 3,
        seed: 42,
        genre: Genre::Fantasy,
        terrain_hash: 0x0123_4567_89ab_cdef,
        content_hash: 0xfedc_ba98_7654_3210,
        size_metres: 2_000,
        tick_rate_hz: 20,
        tick: 1_000,
        entity: EntityId(500),
        position: Position { x: 1_000, y: -200 },
        resumed: false,
        ack: 0,
        resume_token: ResumeToken::new("t0k3n").unwrap(),
        resume_seconds: 30,
    }
}

fn server_vectors() -> Vec<Value> {
    let vector = |(name, message): (&str, ServerMessage)| {
        let (mut binary, mut text) = (Vec::new(), Vec::new());
        encode_server(Format::Binary, &message, &mut binary);
        encode_server(Format::Json, &message, &mut text);
        json!({ "name": name, "hex": hex(&binary), "json": parsed(&text) })
    };
    let welcome = example_welcome();
    [
        ("welcome", ServerMessage::Welcome(welcome.clone())),
        (
            "welcome back, with the largest numbers",
            ServerMessage::Welcome(Welcome {
                epoch: MAX_SAFE_INTEGER,
                seed: MAX_SAFE_INTEGER,
                genre: Genre::PostApoc,
                tick: MAX_SAFE_INTEGER,
                entity: EntityId(u64::MAX),
                position: Position {
                    x: MAX_COORDINATE,
                    y: -MAX_COORDINATE,
                },
                resumed: true,
                ack: u32::MAX,
                ..welcome
            }),
        ),
        (
            "refused",
            ServerMessage::Refused(Refused {
                reason: RefusalReason::VersionUnsupported,
                message: "version 2 is spoken here".to_owned(),
            }),
        ),
        (
            "notice",
            ServerMessage::Notice(Notice {
                kind: NoticeKind::Closing,
                seconds: 20,
            }),
        ),
        (
            "pong",
            ServerMessage::Pong(Pong {
                nonce: 42,
                players: 1_000,
                load: 255,
                dilation: 90,
            }),
        ),
        (
            "kicked",
            ServerMessage::Kicked(Kicked {
                reason: KickReason::TooSlow,
                message: "Grüße".to_owned(),
            }),
        ),
    ]
    .into_iter()
    .map(vector)
    .collect()
}

/// A small world that one client is shown over a few updates, in both formats.
pub(super) struct Stage {
    pub(super) table: EntityTable,
    writer: UpdateWriter,
    binary: SentView,
    text: SentView,
    view: View,
    pub(super) moment: Showing,
}

/// What the next update is to show.
pub(super) struct Showing {
    pub(super) ack: u32,
    pub(super) position: Position,
    pub(super) visible: Option<Vec<u64>>,
    pub(super) state: Option<SelfState>,
    pub(super) events: Vec<EventMessage>,
}

/// One update, in both formats, and the view that it leads to.
pub(super) struct Shown {
    pub(super) binary: Vec<u8>,
    pub(super) text: String,
    view: View,
}

impl Stage {
    pub(super) fn new() -> Self {
        let welcome = example_welcome();
        Self {
            table: EntityTable::new(welcome.tick_rate_hz, welcome.tick, 150),
            writer: UpdateWriter::default(),
            binary: SentView::new(Format::Binary, &welcome),
            text: SentView::new(Format::Json, &welcome),
            view: View::new(&welcome),
            moment: Showing {
                ack: 0,
                position: welcome.position,
                visible: None,
                state: None,
                events: Vec::new(),
            },
        }
    }

    pub(super) fn enter(&mut self, id: u64, kind: EntityKind, x: i32, y: i32, look: u8) {
        let name = PlayerName::new("Ada").unwrap();
        self.table.enter(
            EntityId(id),
            kind,
            Some(&name),
            Observed {
                position: Position { x, y },
                displacement: (0, 0),
                look: Look(look),
            },
        );
    }

    pub(super) fn observe(&mut self, id: u64, place: (i32, i32), way: (i32, i32), look: u8) {
        let slot = self.table.slot(EntityId(id)).unwrap();
        self.table.observe(
            slot,
            Observed {
                position: Position {
                    x: place.0,
                    y: place.1,
                },
                displacement: way,
                look: Look(look),
            },
        );
    }

    pub(super) fn show(&mut self) -> Shown {
        let mut out = [Vec::new(), Vec::new()];
        for (sent, out) in [&mut self.binary, &mut self.text].into_iter().zip(&mut out) {
            let mut events = EventQueue::new(100);
            for event in &self.moment.events {
                events.push(Arc::new(event.clone())).unwrap();
            }
            let visible = self.moment.visible.as_ref();
            let mut visible: Option<Vec<_>> = visible.map(|ids| {
                let sighting = |&id: &u64| Sighting {
                    id: EntityId(id),
                    slot: self.table.slot(EntityId(id)).unwrap(),
                    far: false,
                };
                ids.iter().map(sighting).collect()
            });
            let moment = Moment {
                ack: self.moment.ack,
                position: self.moment.position,
                visible: visible.as_deref_mut(),
                far: true,
                state: self.moment.state.as_ref(),
            };
            self.writer
                .write(&self.table, sent, moment, &mut events, out);
        }
        self.moment.visible = None;
        self.moment.state = None;
        self.moment.events.clear();
        let [binary, text] = out;
        let text = String::from_utf8(text).unwrap();
        let mut other = self.view.clone();
        decode_server(Format::Json, Payload::Text(&text), Some(&mut other)).unwrap();
        let payload = Payload::Binary(&binary);
        decode_server(Format::Binary, payload, Some(&mut self.view)).unwrap();
        assert_eq!(other, self.view);
        Shown {
            binary,
            text,
            view: other,
        }
    }
}

fn vector(name: &str, shown: &Shown) -> Value {
    let Shown { binary, text, view } = shown;
    let own = view.own();
    let place = |position: Position| json!({ "x": position.x, "y": position.y });
    let entities: Vec<_> = view
        .entities()
        .iter()
        .map(|known| {
            let entered = Entered::new(
                known.id,
                known.kind,
                known.name.clone(),
                known.look,
                known.motion,
            );
            let mut entity = serde_json::to_value(entered).unwrap();
            for (key, ticks) in [("shown", 0), ("shownIn10", 10)] {
                let shown = view.shown(known.id, own.tick + ticks).unwrap();
                entity[key] = place(shown);
            }
            entity
        })
        .collect();
    json!({
        "name": name,
        "hex": hex(binary),
        "json": parsed(text.as_bytes()),
        "view": {
            "tick": own.tick,
            "ack": own.ack,
            "position": place(own.position),
            "self": serde_json::to_value(OwnState::new(view.state(), own.tick)).unwrap(),
            "entities": entities,
        },
    })
}

/// Updates of one connection, one after the other; the Welcome is the first of the server's messages.
fn session() -> Vec<Value> {
    let mut stage = Stage::new();
    let mut vectors = Vec::new();
    let mut show = |name: &str, stage: &mut Stage| vectors.push(vector(name, &stage.show()));

    stage.table.begin(1_001);
    stage.enter(7, EntityKind::Creature { species: 2 }, -10, 0, 0x0f);
    stage.enter(501, EntityKind::Player, 500, 600, 0x0f);
    stage.enter(40, EntityKind::Resource { resource: 3 }, 90_000, -1, 0x0f);
    stage.enter(41, EntityKind::Station { station: 1 }, -64, 63, 0x0f);
    stage.enter(u64::MAX, EntityKind::Loot, 8_191, -8_192, 0x00);
    stage.moment.visible = Some(vec![7, 501, 40, 41, u64::MAX]);
    stage.moment.ack = 7;
    stage.moment.position = Position { x: 1_300, y: -200 };
    let mut state = SelfState {
        vitals: Vitals {
            health: 90,
            max_health: 100,
            hunger: 80,
            thirst: 70,
            meter: 100,
        },
        ..SelfState::default()
    };
    state.slots[0] = Stack::of(3, 12);
    state.slots[23] = Stack::of(300, 1);
    state.equipment[0] = ItemId::new(5);
    state.progress.character.level = 2;
    state.progress.skills[5].experience = 1_000;
    stage.moment.state = Some(state.clone());
    show("everyone comes into sight", &mut stage);

    stage.table.begin(1_002);
    stage.observe(501, (800, 600), (300, 0), 0x0f);
    stage.observe(7, (-310, -211), (-300, -211), 0x0f);
    stage.moment.position.x = 1_600;
    show("two begin to move", &mut stage);

    stage.table.begin(1_003);
    stage.observe(501, (1_100, 600), (300, 0), 0x0f);
    stage.observe(7, (-610, -422), (-300, -211), 0x0f);
    show("nothing new: they go on", &mut stage);

    stage.table.begin(1_004);
    stage.observe(501, (1_100, 900), (0, 300), 0x3e);
    stage.observe(7, (-910, -633), (-300, -211), 0x3a);
    state.vitals.health = 71;
    state.activity = Some(Activity {
        kind: ActivityKind::Gather,
        ends: 1_044,
        total: 40,
    });
    stage.moment.state = Some(state.clone());
    stage.moment.ack = 8;
    stage.moment.events = vec![
        EventMessage::Done {
            seq: 8,
            outcome: Outcome::Ok,
        },
        EventMessage::Struck {
            attacker: EntityId(7),
            target: EntityId(500),
            damage: 19,
            killed: false,
        },
    ];
    show("a turn, a fight, an activity", &mut stage);

    stage.table.begin(1_005);
    stage.observe(501, (1_100, 1_200), (0, 300), 0x3e);
    stage.observe(7, (-910, -633), (0, 0), 0x3a);
    stage.table.begin(1_006);
    stage.observe(501, (800, 1_200), (-300, 0), 0x3e);
    stage.observe(7, (-910, -633), (0, 0), 0x3a);
    stage.table.begin(1_007);
    stage.observe(501, (500, 1_200), (-300, 0), 0x3e);
    state.slots[0] = None;
    state.slots[1] = Stack::of(3, 13);
    state.activity = None;
    state.trade = Some(Trade {
        stage: TradeStage::Open,
        partner: EntityId(501),
        revision: 3,
        mine: vec![Stack::of(3, 2).unwrap()],
        theirs: vec![Stack::of(9, 400).unwrap(), Stack::of(10, 1).unwrap()],
        i_accepted: false,
        they_accepted: true,
    });
    stage.moment.state = Some(state.clone());
    show("after two updates that were skipped", &mut stage);

    stage.table.begin(1_008);
    let gone = stage.table.slot(EntityId(7)).unwrap();
    stage.table.leave(gone);
    stage.observe(501, (200, 1_200), (-300, 0), 0x4e);
    stage.enter(900, EntityKind::Creature { species: 0 }, 4_000, 4_000, 0x0f);
    stage.moment.visible = Some(vec![900, 501, 41]);
    state.trade = None;
    stage.moment.state = Some(state);
    stage.moment.events = vec![
        EventMessage::Said {
            speaker: EntityId(501),
            name: PlayerName::new("Ada").unwrap(),
            text: ChatText::new("Grüß dich <b>").unwrap(),
        },
        EventMessage::Gained {
            item: ItemId::new(9).unwrap(),
            count: 400,
            how: Gain::Trade,
        },
        EventMessage::Levelled {
            skill: None,
            level: 3,
        },
        EventMessage::Levelled {
            skill: Some(Skill::Lore),
            level: 2,
        },
        EventMessage::Died {
            cause: DeathCause::Creature,
            by: Some(EntityId(7)),
        },
        EventMessage::Died {
            cause: DeathCause::Thirst,
            by: None,
        },
        EventMessage::Traded {
            with: EntityId(501),
        },
        EventMessage::Statistics(Statistics {
            kills: 1,
            deaths: 2,
            gathered: 300,
            crafted: 4,
            trades: 5,
            distance_metres: 60_000,
            struck: 7,
            ticks_played: MAX_SAFE_INTEGER,
        }),
    ];
    show("some leave, one comes, all kinds of events", &mut stage);
    vectors
}

/// Updates that do not fit the view after the Welcome, or break a rule.
fn refused() -> Vec<Value> {
    [
        ("cut short", "84 00"),
        ("something follows", "80 00"),
        ("a varint with a second spelling", "81 82 00"),
        ("one tick has another spelling", "81 01"),
        ("an empty list", "88 00"),
        ("nobody has that rank", "88 01 00"),
        ("a second byte of no flags", "c0 00"),
        ("a flag that is not known", "c0 10"),
        ("a kind that is not known", "90 01 07 06"),
        (
            "a name with a control character",
            "90 01 07 01 01 0a 0f 00 00 00 00 00",
        ),
        (
            "text that is not UTF-8",
            "90 01 07 01 01 ff 0f 00 00 00 00 00",
        ),
        ("hunger of 101", "c0 04 01 01 01 65 00 00"),
        ("slot 24", "c0 04 02 01 18 01 01"),
        ("an outcome that is not known", "c0 08 01 01 01 14"),
        ("no message of a server", "01"),
    ]
    .into_iter()
    .map(|(name, bytes)| {
        let mut view = View::new(&example_welcome());
        let bytes_of = unhex(bytes);
        let payload = Payload::Binary(&bytes_of);
        let error = decode_server(Format::Binary, payload, Some(&mut view)).unwrap_err();
        json!({ "name": name, "hex": bytes, "category": error.category() })
    })
    .collect()
}

fn motions() -> Vec<Value> {
    let mut vectors = Vec::new();
    for tick_rate_hz in [10, 20, 30, 60] {
        for velocity in [(96, -1), (127, -128), (-3, 0), (0, 0)] {
            for age in [0, 1, 2, 7, 1_000, 4_294_967_296] {
                let motion = Motion {
                    tick: 100,
                    position: Position {
                        x: -1,
                        y: 2_000_000,
                    },
                    velocity: Velocity {
                        x: velocity.0,
                        y: velocity.1,
                    },
                };
                let shown = motion.shown(100 + age, tick_rate_hz);
                vectors.push(json!({
                    "tickRateHz": tick_rate_hz,
                    "since": 100,
                    "position": { "x": -1, "y": 2_000_000 },
                    "velocity": { "x": velocity.0, "y": velocity.1 },
                    "tick": 100 + age,
                    "shown": { "x": shown.x, "y": shown.y },
                }));
            }
        }
    }
    vectors
}
