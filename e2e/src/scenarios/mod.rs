//! What Worldkeeper promises, each promise shown on a real cluster, or on a real server alone.

mod agent_auth;
mod apply;
mod bad_specs;
mod broken_image;
mod browser;
mod chart;
mod config;
mod delete;
mod follow_players;
mod frames;
mod identity;
mod latency;
mod node_drain;
mod node_loss;
mod operator_kill;
mod pod_security;
mod scale;

use futures::FutureExt;

use crate::harness::{Ctx, Run, Scenario};
use crate::local::Place;

macro_rules! scenario {
    ($name:literal, $module:ident, $about:literal $(, $flag:ident)*) => {
        scenario!(@ $name, Run::Cluster(|ctx: Ctx| $module::run(ctx).boxed()), $about $(, $flag)*)
    };
    (local $name:literal, $module:ident, $about:literal $(, $flag:ident)*) => {
        scenario!(@ $name, Run::Local(|place: Place| $module::run(place).boxed()), $about $(, $flag)*)
    };
    (@ $name:literal, $run:expr, $about:literal $(, $flag:ident)*) => {
        Scenario {
            $($flag: true,)*
            ..Scenario {
                name: $name,
                about: $about,
                exclusive: false,
                own_cluster: false,
                run: $run,
            }
        }
    };
}

/// Every scenario, the long ones first among those that run side by side.
pub(crate) const ALL: &[Scenario] = &[
    scenario!(
        local "browser",
        browser,
        "two people in real browsers gather, make, talk and trade by clicks and keys, in every genre; who is cut off comes back into the same body"
    ),
    scenario!(
        local "config",
        config,
        "what is wrong with a configuration is said at start, with the remedy; flags win over environment over file"
    ),
    scenario!(
        local "latency",
        latency,
        "players 0.2 to 5 s away on lines that lose packets gather, fight and trade, in step with the server"
    ),
    scenario!(
        local "frames",
        frames,
        "hostile clients are refused and counted; players beside them notice nothing",
        exclusive
    ),
    scenario!(
        "delete",
        delete,
        "no deletion ends a world with players inside; afterwards everything goes"
    ),
    scenario!(
        "broken-image",
        broken_image,
        "broken servers are named as such, delayed, and disturb no other world"
    ),
    scenario!(
        "agent-auth",
        agent_auth,
        "agents refuse forged, expired and replayed tokens; rotation of keys disturbs nobody"
    ),
    scenario!(
        "follow-players",
        follow_players,
        "bots fill a fleet and it grows; they leave and it shrinks to its minimum"
    ),
    scenario!(
        "scale",
        scale,
        "scaled up and down; a populated world ends only once it is empty"
    ),
    scenario!(
        "identity",
        identity,
        "a world that loses its pod comes back: same seed, next epoch",
        own_cluster
    ),
    scenario!(
        "apply",
        apply,
        "from kubectl apply to players inside, and counted"
    ),
    scenario!(
        "pod-security",
        pod_security,
        "worlds and operator under the restricted standard; forbidden ports are named"
    ),
    scenario!(
        "bad-specs",
        bad_specs,
        "what makes no sense is refused with the field's name"
    ),
    scenario!(
        "node-drain",
        node_drain,
        "kubectl drain waits for players, and for nobody else",
        exclusive
    ),
    scenario!(
        "operator-kill",
        operator_kill,
        "the leader killed while it scales: nothing twice, nobody thrown out",
        exclusive,
        own_cluster
    ),
    scenario!(
        "chart",
        chart,
        "what protects worlds cannot be taken away; uninstalling is refused while there are worlds",
        exclusive
    ),
    scenario!(
        "node-loss",
        node_loss,
        "a node without power, and one that is cut off",
        exclusive,
        own_cluster
    ),
];
