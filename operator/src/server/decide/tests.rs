use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use proptest::prelude::*;
use worldkeeper_crds::{
    agent::AgentStatus,
    server::{Failures, PortStatus, condition},
};

use super::*;
use crate::{
    cache::PodRecord,
    key::ObjectKey,
    server::view::{NodeView, Players, PodView, Settings, WayIn},
};

const NOW: i64 = 1_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn heard(players: u32, drain: DrainPhase) -> Players {
    Players::Known(AgentStatus {
        world: "ns/f-1".into(),
        epoch: 1,
        tick: 1,
        hash: String::new(),
        players,
        resuming: 0,
        capacity: 10,
        tick_p99_micros: 0,
        drain,
        version: "1".into(),
    })
}

fn pod() -> PodRecord {
    PodRecord {
        meta: Meta {
            key: ObjectKey::new("ns", "f-1-1"),
            uid: "pod".into(),
            version: 1,
        },
        world: "f-1".into(),
        epoch: 1,
        revision: "r".into(),
        node: Some("n".into()),
        ip: "198.18.11.2".parse().ok(),
        host_ip: Some("198.18.0.11".into()),
        host_ports: Vec::new(),
        ready: true,
        terminating: false,
        evictable: false,
        fencing: true,
        other_finalizers: Vec::new(),
        finished: false,
        status_reason: None,
        created: Some(at(NOW - 30)),
        scheduled: Some(at(NOW - 30)),
        unschedulable: None,
        container: ContainerView::Running,
    }
}

const PRESENT: NodeView = NodeView::Present {
    leaving: false,
    unreachable: false,
    out_of_service: false,
};

/// A world that serves at epoch 1, with players inside.
fn serving() -> ServerView {
    ServerView {
        generation: Some(1),
        deleting: false,
        finalizer: true,
        scale_down: false,
        revision: "r".into(),
        settings: Some(Settings {
            startup_timeout_seconds: 60,
        }),
        status: GameServerStatus {
            epoch: 1,
            address: Some("198.18.0.11".into()),
            ports: vec![PortStatus {
                name: "game".into(),
                port: 7000,
            }],
            ..GameServerStatus::default()
        },
        pods: vec![PodView {
            pod: pod(),
            node: PRESENT,
        }],
        players: heard(3, DrainPhase::Serving),
        refused: None,
        way_in: WayIn {
            address: Some("198.18.0.11".into()),
            ports: Vec::new(),
        },
        now: at(NOW),
    }
}

fn starting() -> ServerView {
    let mut view = serving();
    view.status.address = None;
    view.pods[0].pod.ready = false;
    view.players = Players::Unknown;
    view
}

fn condition_of(decision: &Decision, type_: &str) -> (String, String) {
    conditions::find(&decision.status.conditions, type_)
        .map(|c| (c.status.clone(), c.reason.clone()))
        .expect("every condition is set")
}

#[test]
fn a_populated_world_drains_and_waits() {
    let mut view = serving();
    view.deleting = true;
    assert_eq!(decide(&view).steps, [Step::StopJoins]);
    view.players = heard(3, DrainPhase::JoinsStopped);
    let waiting = decide(&view);
    assert_eq!(waiting.steps, []);
    assert_eq!(waiting.status.state, Some(ServerState::Draining));
    view.players = heard(0, DrainPhase::JoinsStopped);
    assert_eq!(decide(&view).steps, [Step::End(pod().meta)]);
}

#[test]
fn an_empty_world_passes_joins_stopped_too() {
    let mut view = serving();
    view.deleting = true;
    view.players = heard(0, DrainPhase::Serving);
    assert_eq!(decide(&view).steps, [Step::StopJoins]);
}

#[test]
fn a_drain_can_be_taken_back() {
    let mut view = serving();
    view.players = heard(3, DrainPhase::JoinsStopped);
    assert_eq!(decide(&view).steps, [Step::OpenJoins]);
    view.pods[0].pod.evictable = true;
    assert_eq!(
        decide(&view).steps,
        [Step::Protect(pod().meta), Step::OpenJoins]
    );
}

#[test]
fn a_world_on_a_cordoned_node_moves_when_empty() {
    let mut view = serving();
    view.pods[0].node = NodeView::Present {
        leaving: true,
        unreachable: false,
        out_of_service: false,
    };
    assert_eq!(decide(&view).steps, [Step::StopJoins]);
    view.players = heard(0, DrainPhase::JoinsStopped);
    assert_eq!(decide(&view).steps, [Step::End(pod().meta)]);
}

#[test]
fn a_silent_world_is_never_ended() {
    for players in [Players::Unknown, Players::Stale] {
        let mut view = serving();
        view.deleting = true;
        view.players = players;
        assert_eq!(decide(&view).steps, []);
    }
}

#[test]
fn a_word_from_another_epoch_says_nothing() {
    let mut view = serving();
    view.deleting = true;
    view.pods[0].pod.epoch = 2;
    view.status.epoch = 2;
    view.players = heard(0, DrainPhase::JoinsStopped);
    assert_eq!(decide(&view).steps, []);
}

#[test]
fn an_unreachable_node_fences_nothing() {
    let mut view = serving();
    view.pods[0].node = NodeView::Present {
        leaving: false,
        unreachable: true,
        out_of_service: false,
    };
    view.pods[0].pod.terminating = true;
    view.players = Players::Stale;
    let decision = decide(&view);
    assert_eq!(decision.steps, []);
    assert_eq!(
        condition_of(&decision, condition::NODE_REACHABLE),
        ("False".into(), "NodeUnreachable".into())
    );
}

#[test]
fn a_lost_node_lets_the_next_epoch_start() {
    for node in [
        NodeView::Gone,
        NodeView::Present {
            leaving: false,
            unreachable: true,
            out_of_service: true,
        },
    ] {
        let mut view = serving();
        view.pods[0].node = node;
        view.players = Players::Stale;
        let decision = decide(&view);
        assert_eq!(decision.steps, [Step::Release(pod().meta)]);
        assert_eq!(decision.status.address, None);
        assert_eq!(decision.status.failures, None);
        view.status = decision.status;
        view.pods.clear();
        assert_eq!(decide(&view).steps, [Step::Create { epoch: 2 }]);
    }
}

#[test]
fn a_crash_is_on_record_before_its_pod_goes() {
    let mut view = serving();
    view.pods[0].pod.container = ContainerView::Terminated {
        exit_code: 137,
        reason: "OOMKilled".into(),
        ran: Some((at(NOW - 30), at(NOW))),
    };
    let seen = decide(&view);
    assert_eq!(seen.steps, []);
    assert_eq!(
        seen.status
            .failures
            .as_ref()
            .map(|f| (f.count, f.reason.as_str())),
        Some((1, "OOMKilled"))
    );
    view.status = seen.status;
    assert_eq!(decide(&view).steps, [Step::Release(pod().meta)]);
    view.pods.clear();
    // The first crash costs no delay.
    assert_eq!(decide(&view).steps, [Step::Create { epoch: 2 }]);
}

#[test]
fn a_crash_loop_waits() {
    let mut view = starting();
    view.pods.clear();
    view.status.failures = Some(Failures {
        count: 4,
        last_epoch: 4,
        last_time: Time(at(NOW - 1)),
        reason: "Crashed".into(),
        revision: "r".into(),
    });
    view.status.epoch = 4;
    let decision = decide(&view);
    assert_eq!(decision.steps, []);
    assert_eq!(decision.again, Some(Duration::from_secs(39)));
    assert_eq!(decision.status.state, Some(ServerState::Unhealthy));
    assert_eq!(condition_of(&decision, condition::STARTED).1, "CrashLoop");
    // A new revision has a budget of its own.
    view.revision = "r2".into();
    assert_eq!(decide(&view).steps, [Step::Create { epoch: 5 }]);
}

#[test]
fn a_start_that_takes_too_long_fails_on_record_first() {
    let mut view = starting();
    view.now = at(NOW + 31);
    let overdue = decide(&view);
    assert_eq!(overdue.steps, []);
    assert_eq!(
        overdue.status.failures.as_ref().map(|f| f.reason.as_str()),
        Some("StartupTimeout")
    );
    view.status = overdue.status;
    assert_eq!(decide(&view).steps, [Step::End(pod().meta)]);
    // Whatever it says from now on, its address is not told.
    view.players = heard(0, DrainPhase::Serving);
    view.pods[0].pod.ready = true;
    assert_eq!(decide(&view).status.address, None);
}

#[test]
fn an_image_that_cannot_be_pulled_makes_no_new_pods() {
    let mut view = starting();
    view.now = at(NOW + 1000);
    view.pods[0].pod.container = ContainerView::Waiting {
        reason: "ImagePullBackOff".into(),
        message: "no such image".into(),
    };
    let decision = decide(&view);
    assert_eq!(decision.steps, []);
    assert_eq!(decision.status.state, Some(ServerState::Unhealthy));
    assert_eq!(
        condition_of(&decision, condition::STARTED),
        ("False".into(), "ImagePullFailed".into())
    );
}

#[test]
fn what_is_to_end_unheard_is_looked_at_again_when_it_may() {
    let mut view = starting();
    view.revision = "r2".into();
    let waiting = decide(&view);
    assert_eq!(waiting.steps, []);
    assert_eq!(waiting.again, Some(Duration::from_secs(30)));
    view.now = at(NOW + 30);
    assert_eq!(decide(&view).steps, [Step::End(pod().meta)]);
}

#[test]
fn a_new_revision_replaces_what_never_served() {
    let mut view = starting();
    view.revision = "r2".into();
    view.pods[0].pod.container = ContainerView::Waiting {
        reason: "ImagePullBackOff".into(),
        message: String::new(),
    };
    assert_eq!(decide(&view).steps, [Step::End(pod().meta)]);
    let mut view = serving();
    view.revision = "r2".into();
    assert_eq!(decide(&view).steps, []);
}

#[test]
fn a_new_leader_keeps_what_stood() {
    let mut view = serving();
    let before = decide(&view);
    assert_eq!(before.status.state, Some(ServerState::Ready));
    view.status = before.status.clone();
    view.players = Players::Unknown;
    assert_eq!(decide(&view).status, before.status);
}

#[test]
fn a_settled_world_is_left_alone() {
    let mut view = serving();
    view.status = decide(&view).status;
    let again = decide(&view);
    assert_eq!(again.steps, []);
    assert_eq!(again.status, view.status);
    assert!(again.notes.is_empty());
}

fn any_players() -> impl Strategy<Value = Players> {
    let phase = prop_oneof![
        Just(DrainPhase::Serving),
        Just(DrainPhase::JoinsStopped),
        Just(DrainPhase::Closing)
    ];
    prop_oneof![
        Just(Players::Unknown),
        Just(Players::Stale),
        (prop_oneof![Just(0u32), 0..5u32], phase, 1..3i64).prop_map(|(n, phase, epoch)| {
            match heard(n, phase) {
                Players::Known(status) => Players::Known(AgentStatus { epoch, ..status }),
                other => other,
            }
        }),
    ]
}

fn any_node() -> impl Strategy<Value = NodeView> {
    prop_oneof![
        Just(NodeView::None),
        Just(NodeView::Gone),
        (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(leaving, unreachable, out_of_service)| NodeView::Present {
                leaving,
                unreachable,
                out_of_service,
            }
        ),
    ]
}

fn any_container() -> impl Strategy<Value = ContainerView> {
    let reason = prop_oneof![
        Just(""),
        Just("ImagePullBackOff"),
        Just("CreateContainerError")
    ];
    prop_oneof![
        3 => Just(ContainerView::Running),
        1 => reason.prop_map(|r| ContainerView::Waiting { reason: r.into(), message: String::new() }),
        1 => Just(ContainerView::Terminated { exit_code: 1, reason: String::new(), ran: None }),
    ]
}

fn any_pod() -> impl Strategy<Value = PodView> {
    (
        1..3i64,
        any_node(),
        any_container(),
        any::<[bool; 4]>(),
        prop_oneof![Just("r"), Just("old")],
    )
        .prop_map(
            |(epoch, node, container, [ready, terminating, evictable, finished], revision)| {
                PodView {
                    pod: PodRecord {
                        epoch,
                        container,
                        ready,
                        terminating,
                        evictable,
                        finished: finished && terminating,
                        revision: revision.into(),
                        ..pod()
                    },
                    node,
                }
            },
        )
}

fn any_view() -> impl Strategy<Value = ServerView> {
    (
        prop::collection::vec(any_pod(), 0..3),
        any_players(),
        any::<[bool; 4]>(),
        prop::option::of((0..5i32, 0..4i64)),
        (0..3i64, 0..200i64, any::<bool>()),
    )
        .prop_map(
            |(
                mut pods,
                players,
                [deleting, scale_down, published, finalizer],
                failures,
                (epoch, later, settings),
            )| {
                pods.sort_by_key(|p| std::cmp::Reverse(p.pod.epoch));
                let mut view = serving();
                view.pods = pods;
                view.players = players;
                view.deleting = deleting;
                view.scale_down = scale_down;
                view.finalizer = finalizer;
                view.status.epoch = epoch;
                if !published {
                    view.status.address = None;
                }
                view.status.failures = failures.map(|(count, last_epoch)| Failures {
                    count,
                    last_epoch,
                    last_time: Time(at(NOW)),
                    reason: "Crashed".into(),
                    revision: "r".into(),
                });
                if !settings {
                    view.settings = None;
                }
                view.now = at(NOW + later);
                view
            },
        )
}

type Decide = fn(&ServerView) -> Decision;

fn word(view: &ServerView) -> Option<&AgentStatus> {
    match &view.players {
        Players::Known(s) if Some(s.epoch) == view.pods.first().map(|p| p.pod.epoch) => Some(s),
        _ => None,
    }
}

/// No pod that may hold players is ended, and none is let go whose process may still run.
fn nobody_is_thrown_out(decide: Decide, view: &ServerView) -> bool {
    decide(view).steps.iter().all(|step| match step {
        Step::End(_) => {
            let published = view.status.address.is_some()
                && view
                    .pods
                    .first()
                    .is_some_and(|p| p.pod.epoch == view.status.epoch);
            match word(view) {
                Some(word) => word.players == 0 && word.drain != DrainPhase::Serving,
                None => !published,
            }
        }
        Step::Release(_) => view.pods.iter().any(|p| ended(p).is_some()),
        _ => true,
    })
}

/// The next epoch starts only when no pod of an earlier one is left.
fn one_incarnation_at_a_time(decide: Decide, view: &ServerView) -> bool {
    decide(view).steps.iter().all(|step| match step {
        Step::Create { epoch } => view.pods.is_empty() && *epoch > view.status.epoch,
        _ => true,
    })
}

/// A pod whose start has failed, or whose world is to go, is not told to players.
fn the_doomed_are_not_published(decide: Decide, view: &ServerView) -> bool {
    let was = view.status.address.is_some()
        && view
            .pods
            .first()
            .is_some_and(|p| p.pod.epoch == view.status.epoch);
    let doomed = view.deleting
        || view.pods.first().is_some_and(|p| {
            p.pod.revision != view.revision
                || view
                    .status
                    .failures
                    .as_ref()
                    .is_some_and(|f| f.last_epoch >= p.pod.epoch)
        });
    was || !doomed || decide(view).status.address.is_none()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn promises_hold(view in any_view()) {
        prop_assert!(nobody_is_thrown_out(decide, &view));
        prop_assert!(one_incarnation_at_a_time(decide, &view));
        prop_assert!(the_doomed_are_not_published(decide, &view));
    }

    #[test]
    fn the_epoch_never_falls(view in any_view()) {
        prop_assert!(decide(&view).status.epoch >= view.status.epoch);
    }

    #[test]
    fn a_second_look_writes_nothing_new(view in any_view()) {
        let mut view = view;
        view.status = decide(&view).status;
        let settled = decide(&view).status;
        view.status = settled.clone();
        prop_assert_eq!(decide(&view).status, settled);
    }
}

#[test]
fn wrong_variants_are_caught() {
    let stale_is_empty: Decide = |view| {
        let mut view = view.clone();
        if view.players == Players::Stale {
            view.players = heard(0, DrainPhase::JoinsStopped);
        }
        decide(&view)
    };
    let no_joins_stopped: Decide = |view| {
        let mut decision = decide(view);
        if view.deleting && word(view).is_some_and(|w| w.players == 0) {
            decision.steps = vec![Step::End(view.pods[0].pod.meta.clone())];
        }
        decision
    };
    let terminating_is_ended: Decide = |view| {
        let mut decision = decide(view);
        if view.pods.first().is_some_and(|p| p.pod.terminating) {
            decision.steps.push(Step::Create {
                epoch: view.status.epoch + 1,
            });
        }
        decision
    };
    let publishes_whatever_is_ready: Decide = |view| {
        let mut decision = decide(view);
        if view.pods.first().is_some_and(|p| p.pod.ready) {
            decision.status.address = Some("a".into());
        }
        decision
    };

    let mut silent = serving();
    silent.deleting = true;
    silent.players = Players::Stale;
    assert!(nobody_is_thrown_out(decide, &silent));
    assert!(!nobody_is_thrown_out(stale_is_empty, &silent));

    let mut empty = serving();
    empty.deleting = true;
    empty.players = heard(0, DrainPhase::Serving);
    assert!(nobody_is_thrown_out(decide, &empty));
    assert!(!nobody_is_thrown_out(no_joins_stopped, &empty));

    let mut terminating = serving();
    terminating.pods[0].pod.terminating = true;
    assert!(one_incarnation_at_a_time(decide, &terminating));
    assert!(!one_incarnation_at_a_time(
        terminating_is_ended,
        &terminating
    ));

    let mut doomed = starting();
    doomed.pods[0].pod.ready = true;
    doomed.deleting = true;
    assert!(the_doomed_are_not_published(decide, &doomed));
    assert!(!the_doomed_are_not_published(
        publishes_whatever_is_ready,
        &doomed
    ));
}
