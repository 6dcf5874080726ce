//! What Worldkeeper promises, each promise shown on a real cluster.

mod agent_auth;
mod apply;
mod bad_specs;
mod broken_image;
mod chart;
mod delete;
mod follow_players;
mod identity;
mod node_drain;
mod node_loss;
mod operator_kill;
mod pod_security;
mod scale;

use futures::FutureExt;

use crate::harness::{Ctx, Scenario};

macro_rules! scenario {
    ($name:literal, $module:ident, $about:literal $(, $flag:ident)*) => {
        Scenario {
            $($flag: true,)*
            ..Scenario {
                name: $name,
                about: $about,
                exclusive: false,
                own_cluster: false,
                run: |ctx: Ctx| $module::run(ctx).boxed(),
            }
        }
    };
}

/// Every scenario, the long ones first among those that run side by side.
pub(crate) const ALL: &[Scenario] = &[
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
