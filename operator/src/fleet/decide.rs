//! What is to be done for a fleet: a pure function of what is seen.

use std::collections::BTreeSet;

use super::{
    autoscale::{self, Desired},
    seeds, victims,
    view::{FleetView, WorldView},
};

/// What is to be done. Whatever is decided here, a world ends only as its own controller allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// How many worlds are wanted, and why.
    pub desired: Desired,
    /// Worlds that were chosen to go and are to stay after all.
    pub keep: Vec<String>,
    /// Seeds of the worlds to create.
    pub create: Vec<i64>,
    /// Seeds given out, to be persisted before anything of `create` is.
    pub seeds_issued: i64,
    /// Worlds that are chosen to go.
    pub scale_down: Vec<String>,
    /// Worlds that were chosen to go and have nobody inside.
    pub delete: Vec<String>,
    /// Worlds that nobody was told of yet, to be moved to the current revision.
    pub move_revision: Vec<String>,
}

/// Decides.
#[must_use]
pub fn decide(view: &FleetView) -> Decision {
    let desired = match &view.spec.autoscaling {
        Some(spec) => autoscale::decide(spec, view),
        None => Desired {
            replicas: view.spec.replicas,
            reason: "Replicas",
            message: "as spec.replicas says".into(),
        },
    };
    let active = view.worlds.iter().filter(|w| w.active()).count();
    let wanted = usize::try_from(desired.replicas).unwrap_or(0);
    let missing = wanted.saturating_sub(active);
    let keep = keep(&view.worlds, missing);
    let to_create = if view.may_create {
        missing - keep.len()
    } else {
        0
    };
    let taken: BTreeSet<i64> = view.worlds.iter().map(|w| w.seed).collect();
    let issue = seeds::next(
        &view.spec.world.seeds,
        &view.uid,
        view.seeds_issued,
        &taken,
        to_create,
    );
    let scale_down = victims::choose(&view.worlds, active.saturating_sub(wanted));
    Decision {
        delete: view
            .worlds
            .iter()
            .filter(|w| w.scale_down && !w.deleting && !keep.contains(&w.name))
            .filter(|w| w.drained || !w.published)
            .map(|w| w.name.clone())
            .collect(),
        move_revision: view
            .worlds
            .iter()
            .filter(|w| w.active() && !w.published && w.revision != view.revision)
            .filter(|w| view.may_create && !scale_down.contains(&w.name))
            .map(|w| w.name.clone())
            .collect(),
        desired,
        keep,
        create: issue.seeds,
        seeds_issued: issue.issued,
        scale_down,
    }
}

/// Of the worlds chosen to go, those to take back: the fullest first, since their players gain most.
fn keep(worlds: &[WorldView], count: usize) -> Vec<String> {
    let mut going: Vec<WorldView> = worlds
        .iter()
        .filter(|w| w.scale_down && !w.deleting)
        .cloned()
        .collect();
    for world in &mut going {
        world.scale_down = false;
    }
    victims::order(&going)
        .into_iter()
        .rev()
        .take(count)
        .map(|w| w.name.clone())
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use worldkeeper_crds::{GameFleetSpec, fleet::Seeds};

    use super::{
        super::victims::tests::{any_worlds, known, world},
        *,
    };

    pub(in crate::fleet) fn view(worlds: Vec<WorldView>) -> FleetView {
        let spec: GameFleetSpec = serde_json::from_value(serde_json::json!({
            "world": {"genre": "Fantasy", "maxPlayers": 10},
            "server": {
                "template": {"spec": {"containers": [{"name": "server", "image": "i"}]}},
                "ports": [{"name": "game", "containerPort": 7777}]
            }
        }))
        .expect("a valid spec");
        FleetView {
            uid: "uid".into(),
            spec,
            seeds_issued: 100,
            desired_before: None,
            revision: "r".into(),
            may_create: true,
            worlds,
        }
    }

    fn with_replicas(replicas: i32, worlds: Vec<WorldView>) -> FleetView {
        let mut v = view(worlds);
        v.spec.replicas = replicas;
        v
    }

    #[test]
    fn grows_by_taking_back_before_creating() {
        let mut worlds = vec![world(1, known(0)), world(2, known(4)), world(3, known(9))];
        worlds[1].scale_down = true;
        worlds[2].scale_down = true;
        let d = decide(&with_replicas(2, worlds.clone()));
        assert_eq!(d.keep, ["f-3"]);
        assert!(d.create.is_empty());
        let d = decide(&with_replicas(4, worlds));
        assert_eq!(d.keep, ["f-3", "f-2"]);
        assert_eq!(d.create, [101]);
    }

    #[test]
    fn a_chosen_world_goes_once_drained() {
        let mut worlds = vec![world(1, known(0)), world(2, known(4))];
        worlds[1].scale_down = true;
        let d = decide(&with_replicas(1, worlds.clone()));
        assert!(d.delete.is_empty());
        worlds[1].drained = true;
        let d = decide(&with_replicas(1, worlds));
        assert_eq!(d.delete, ["f-2"]);
    }

    #[test]
    fn a_bad_template_creates_nothing() {
        let mut v = with_replicas(3, vec![]);
        v.may_create = false;
        assert!(decide(&v).create.is_empty());
    }

    #[test]
    fn a_short_list_gives_what_it_has() {
        let mut v = with_replicas(3, vec![world(7, known(0))]);
        v.spec.world.seeds = Seeds {
            type_: worldkeeper_crds::fleet::SeedsType::List,
            start: None,
            list: Some(vec![7, 8]),
        };
        assert_eq!(decide(&v).create, [8]);
    }

    /// The worlds after the decision has been carried out.
    fn after(v: &FleetView, d: &Decision) -> Vec<WorldView> {
        let mut worlds = v.worlds.clone();
        worlds.retain(|w| !d.delete.contains(&w.name));
        for w in &mut worlds {
            if d.keep.contains(&w.name) {
                w.scale_down = false;
            }
            if d.scale_down.contains(&w.name) {
                w.scale_down = true;
            }
        }
        worlds.extend(
            d.create
                .iter()
                .map(|seed| world(*seed, super::super::view::WorldPlayers::NotServing)),
        );
        worlds
    }

    proptest! {
        #[test]
        fn one_step_reaches_the_number(worlds in any_worlds(), replicas in 0i32..15) {
            let v = with_replicas(replicas, worlds);
            let d = decide(&v);
            let active = after(&v, &d).iter().filter(|w| w.active()).count();
            prop_assert_eq!(i32::try_from(active).unwrap_or(-1), replicas);
        }

        #[test]
        fn a_second_look_finds_nothing_to_do(worlds in any_worlds(), replicas in 0i32..15) {
            let mut v = with_replicas(replicas, worlds);
            let d = decide(&v);
            v.worlds = after(&v, &d);
            v.seeds_issued = d.seeds_issued;
            let again = decide(&v);
            prop_assert!(again.keep.is_empty() && again.create.is_empty() && again.scale_down.is_empty());
        }

        #[test]
        fn nothing_populated_or_unknown_is_deleted(worlds in any_worlds(), replicas in 0i32..15) {
            let v = with_replicas(replicas, worlds);
            for name in decide(&v).delete {
                let w = v.worlds.iter().find(|w| w.name == name);
                prop_assert!(w.is_some_and(|w| w.scale_down && (w.drained || !w.published)));
            }
        }
    }
}
