//! Properties of the whole codec, each with wrong variants that it catches.
#![allow(clippy::unwrap_used)]

mod document;
mod messages;
mod updates;
mod vectors;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::limits::{MAX_COORDINATE, MAX_SAFE_INTEGER};
use super::*;

const FORMATS: [Format; 2] = [Format::Binary, Format::Json];

/// Runs a property that wrong variants are to fail: without a file of past failures.
fn check<S: Strategy>(
    cases: u32,
    strategy: &S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) -> Result<(), String> {
    let config = Config {
        failure_persistence: None,
        // What catches a wrong variant once catches it in every run.
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        max_shrink_iters: 0,
        cases,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(strategy, property)
        .map_err(|error| error.to_string())
}

fn payload(format: Format, bytes: &[u8]) -> Payload<'_> {
    match format {
        Format::Binary => Payload::Binary(bytes),
        Format::Json => Payload::Text(std::str::from_utf8(bytes).unwrap()),
    }
}

fn encoded(format: Format, message: &ClientMessage) -> Vec<u8> {
    let mut out = Vec::new();
    encode_client(format, message, &mut out);
    out
}

fn hex(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

fn unhex(text: &str) -> Vec<u8> {
    text.split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

fn player_name() -> impl Strategy<Value = PlayerName> {
    "[a-zA-Z\"\\\\\u{e4}\u{82b1}][a-z \u{416}]{0,20}[a-z0-9]"
        .prop_filter_map("not a name", |name| PlayerName::new(name).ok())
}

fn chat_text() -> impl Strategy<Value = ChatText> {
    "[a-zA-Z\"\\\\\u{e4}\u{82b1}<&]([a-z ,'\u{416}]{0,60}[!?.])?"
        .prop_filter_map("not a text", |text| ChatText::new(text).ok())
}

fn world_name() -> impl Strategy<Value = WorldName> {
    "[a-z][a-z0-9]{0,20}/[a-z0-9]{1,9}(-[0-9]{1,9})?"
        .prop_filter_map("not a world", |name| WorldName::new(name).ok())
}

fn token() -> impl Strategy<Value = ResumeToken> {
    "[!-~]{1,64}".prop_filter_map("not a token", |text| ResumeToken::new(text).ok())
}

fn direction() -> impl Strategy<Value = Direction> {
    (-127_i8..=127, -127_i8..=127).prop_map(|(x, y)| Direction { x, y })
}

fn position() -> impl Strategy<Value = Position> {
    let near = -3_000_i32..3_000;
    let far = -MAX_COORDINATE..=MAX_COORDINATE;
    prop_oneof![
        8 => (near.clone(), near).prop_map(|(x, y)| Position { x, y }),
        1 => (far.clone(), far).prop_map(|(x, y)| Position { x, y }),
    ]
}

fn id() -> impl Strategy<Value = EntityId> {
    prop_oneof![4 => 0_u64..2_000, 1 => any::<u64>()].prop_map(EntityId)
}

fn item() -> impl Strategy<Value = ItemId> {
    (1..=u16::MAX).prop_filter_map("no item", ItemId::new)
}

fn stack() -> impl Strategy<Value = Stack> {
    (1..=u16::MAX, 1..=u16::MAX).prop_filter_map("no stack", |(item, count)| Stack::of(item, count))
}

fn safe() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0), 4 => 0..100_000_u64, 2 => 0..=MAX_SAFE_INTEGER]
}

fn action() -> impl Strategy<Value = Action> {
    let offer = (any::<u8>(), 1..=u16::MAX).prop_map(|(slot, count)| Offer { slot, count });
    prop_oneof![
        id().prop_map(|target| Action::Gather { target }),
        id().prop_map(|target| Action::Attack { target }),
        any::<u16>().prop_map(|recipe| Action::Craft {
            recipe: RecipeId(recipe)
        }),
        any::<u8>().prop_map(|slot| Action::Use { slot }),
        any::<u8>().prop_map(|slot| Action::Equip { slot }),
        prop::sample::select(Place::ALL).prop_map(|place| Action::Unequip { place }),
        (any::<u8>(), 1..=u16::MAX).prop_map(|(slot, count)| Action::Drop { slot, count }),
        id().prop_map(|target| Action::Take { target }),
        id().prop_map(|target| Action::Interact { target }),
        chat_text().prop_map(|text| Action::Say { text }),
        id().prop_map(|target| Action::TradeAsk { target }),
        vec(offer, 0..=limits::MAX_OFFERS).prop_map(|offer| Action::TradeOffer { offer }),
        any::<u32>().prop_map(|revision| Action::TradeAccept { revision }),
        Just(Action::TradeCancel),
        Just(Action::Respawn),
        Just(Action::Stop),
    ]
}

fn client_message() -> impl Strategy<Value = ClientMessage> {
    let hello = (
        option::of(world_name()),
        option::of(1..=MAX_SAFE_INTEGER),
        player_name(),
        option::of(token()),
    );
    prop_oneof![
        2 => hello.prop_map(|(world, epoch, name, resume)| ClientMessage::Hello(Hello {
            version: PROTOCOL_VERSION,
            world,
            epoch,
            name,
            resume,
        })),
        2 => (1..=u32::MAX, safe(), direction())
            .prop_map(|(seq, at, direction)| ClientMessage::Move(Move { seq, at, direction })),
        8 => (1..=u32::MAX, safe(), safe(), action()).prop_map(|(seq, at, view, action)| {
            ClientMessage::Act(Act { seq, at, view, action })
        }),
        1 => prop::sample::select(Question::ALL)
            .prop_map(|what| ClientMessage::Ask(Ask { what })),
        1 => any::<u32>().prop_map(|nonce| ClientMessage::Ping(Ping { nonce })),
        1 => Just(ClientMessage::Leave),
    ]
}

prop_compose! {
    fn welcome()(
        world in world_name(),
        epoch in 1..=MAX_SAFE_INTEGER,
        seed in 0..=MAX_SAFE_INTEGER,
        genre in prop::sample::select(Genre::ALL),
        (terrain_hash, content_hash) in any::<(u64, u64)>(),
        size_metres in 1_u32..20_000,
        tick_rate_hz in prop::sample::select(vec![10, 20, 30, 60]),
        tick in prop_oneof![0..2_000_u64, 0..MAX_SAFE_INTEGER / 2],
        entity in id(),
        position in position(),
        (resumed, ack) in (any::<bool>(), prop_oneof![Just(0), any::<u32>()]),
        resume_token in token(),
    ) -> Welcome {
        Welcome {
            version: PROTOCOL_VERSION,
            world, epoch, seed, genre, terrain_hash, content_hash, size_metres, tick_rate_hz, tick,
            entity, position, resumed, ack, resume_token,
            resume_seconds: 30,
        }
    }
}

fn server_message() -> impl Strategy<Value = ServerMessage> {
    let refused = prop::sample::select(RefusalReason::ALL);
    let kicked = prop::sample::select(KickReason::ALL);
    prop_oneof![
        welcome().prop_map(ServerMessage::Welcome),
        (refused, ".{0,60}")
            .prop_map(|(reason, message)| ServerMessage::Refused(Refused { reason, message })),
        (prop::sample::select(NoticeKind::ALL), any::<u32>())
            .prop_map(|(kind, seconds)| ServerMessage::Notice(Notice { kind, seconds })),
        any::<(u32, u32, u8, u8)>().prop_map(|(nonce, players, load, dilation)| {
            ServerMessage::Pong(Pong {
                nonce,
                players,
                load,
                dilation,
            })
        }),
        (kicked, ".{0,60}")
            .prop_map(|(reason, message)| ServerMessage::Kicked(Kicked { reason, message })),
    ]
}

fn event() -> impl Strategy<Value = EventMessage> {
    prop_oneof![
        (any::<u32>(), prop::sample::select(Outcome::ALL))
            .prop_map(|(seq, outcome)| EventMessage::Done { seq, outcome }),
        (id(), player_name(), chat_text()).prop_map(|(speaker, name, text)| EventMessage::Said {
            speaker,
            name,
            text
        }),
        (id(), id(), any::<u16>(), any::<bool>()).prop_map(|(attacker, target, damage, killed)| {
            EventMessage::Struck {
                attacker,
                target,
                damage,
                killed,
            }
        }),
        (item(), any::<u16>(), prop::sample::select(Gain::ALL))
            .prop_map(|(item, count, how)| EventMessage::Gained { item, count, how }),
        (option::of(prop::sample::select(Skill::ALL)), any::<u8>())
            .prop_map(|(skill, level)| EventMessage::Levelled { skill, level }),
        (
            prop::sample::select(DeathCause::ALL),
            option::of((1..=u64::MAX).prop_map(EntityId))
        )
            .prop_map(|(cause, by)| EventMessage::Died { cause, by }),
        id().prop_map(|with| EventMessage::Traded { with }),
        prop::array::uniform8(safe()).prop_map(|counts| {
            let [
                kills,
                deaths,
                gathered,
                crafted,
                trades,
                distance_metres,
                struck,
                ticks_played,
            ] = counts;
            EventMessage::Statistics(Statistics {
                kills,
                deaths,
                gathered,
                crafted,
                trades,
                distance_metres,
                struck,
                ticks_played,
            })
        }),
    ]
}

prop_compose! {
    fn trade()(
        stage in prop::sample::select(TradeStage::ALL),
        partner in id(),
        revision: u32,
        mine in vec(stack(), 0..=limits::MAX_OFFERS),
        theirs in vec(stack(), 0..=limits::MAX_OFFERS),
        (i_accepted, they_accepted) in any::<(bool, bool)>(),
    ) -> Trade {
        Trade { stage, partner, revision, mine, theirs, i_accepted, they_accepted }
    }
}

prop_compose! {
    /// With ticks left where the activity's end should be.
    fn state()(
        (health, max_health) in any::<(u16, u16)>(),
        (hunger, thirst, meter) in (0..=100_u8, 0..=100_u8, 0..=100_u8),
        slots in prop::array::uniform24(option::weighted(0.3, stack())),
        equipment in prop::array::uniform4(option::of(item())),
        character in any::<(u8, u32)>(),
        skills in prop::array::uniform6(any::<(u8, u32)>()),
        activity in option::of((
            prop::sample::select(ActivityKind::ALL),
            0..1_000_u64,
            any::<u32>(),
        )),
        trade in option::weighted(0.3, trade()),
    ) -> SelfState {
        let rank = |(level, experience)| Rank { level, experience };
        SelfState {
            vitals: Vitals { health, max_health, hunger, thirst, meter },
            slots,
            equipment,
            progress: Progress { character: rank(character), skills: skills.map(rank) },
            activity: activity.map(|(kind, ends, total)| Activity { kind, ends, total }),
            trade,
        }
    }
}
