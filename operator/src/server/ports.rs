//! Host ports: which numbers an incarnation asks for.
//!
//! A number may be in use on one node and free on another, and the scheduler places a pod where its
//! numbers are free. So a number is a bad choice only when every node that could take the pod has
//! it in use; the best choice is one that nobody uses at all.

use std::collections::{BTreeMap, BTreeSet};

use worldkeeper_crds::fleet::PortRange;

/// A host port: protocol and number.
pub type HostPort = (String, u16);

/// Who uses which numbers now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortsInUse {
    /// Nodes that can take pods.
    pub nodes: BTreeSet<String>,
    /// By number: the nodes that have it in use.
    pub on_nodes: BTreeMap<HostPort, BTreeSet<String>>,
    /// Numbers of pods that have no node yet: each will take one node's.
    pub unplaced: BTreeMap<HostPort, usize>,
}

impl PortsInUse {
    /// How many nodes `port` is, or may soon be, in use on.
    fn uses(&self, port: &HostPort) -> usize {
        let placed = self
            .on_nodes
            .get(port)
            .map_or(0, |nodes| nodes.intersection(&self.nodes).count());
        placed + self.unplaced.get(port).copied().unwrap_or(0)
    }
}

/// No number of the range is free on any node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "every {protocol} port of spec.server.hostPortRange {min}-{max} is in use on every node; widen the range or add a node"
)]
pub struct Exhausted {
    protocol: String,
    min: i32,
    max: i32,
}

/// A number for each of `protocols`: the ones that the world had before if nobody else uses them,
/// so that players find it where it was; else those with the fewest uses, lowest first.
///
/// # Errors
/// [`Exhausted`] when a number is in use on every node, whichever is chosen.
pub fn choose(
    range: PortRange,
    protocols: &[&str],
    before: &[u16],
    in_use: &PortsInUse,
) -> Result<Vec<u16>, Exhausted> {
    let mut chosen: Vec<HostPort> = Vec::with_capacity(protocols.len());
    for (i, protocol) in protocols.iter().enumerate() {
        let numbers = range.min..=range.max;
        let free = |number: u16| {
            let port = (String::from(*protocol), number);
            (!chosen.contains(&port)).then(|| (in_use.uses(&port), port))
        };
        let again = before
            .get(i)
            .copied()
            .filter(|n| numbers.contains(&i32::from(*n)))
            .and_then(free)
            .filter(|(uses, _)| *uses == 0);
        let best = again.or_else(|| {
            numbers
                .filter_map(|n| free(u16::try_from(n).ok()?))
                .min_by_key(|(uses, port)| (*uses, port.1))
        });
        match best {
            Some((uses, port)) if uses < in_use.nodes.len().max(1) => chosen.push(port),
            _ => {
                return Err(Exhausted {
                    protocol: String::from(*protocol),
                    min: range.min,
                    max: range.max,
                });
            }
        }
    }
    Ok(chosen.into_iter().map(|(_, number)| number).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(min: i32, max: i32) -> PortRange {
        PortRange { min, max }
    }

    fn tcp(number: u16) -> HostPort {
        ("TCP".into(), number)
    }

    fn in_use(nodes: &[&str], used: &[(u16, &str)]) -> PortsInUse {
        let mut view = PortsInUse {
            nodes: nodes.iter().map(|n| String::from(*n)).collect(),
            ..PortsInUse::default()
        };
        for (number, node) in used {
            view.on_nodes
                .entry(tcp(*number))
                .or_default()
                .insert(String::from(*node));
        }
        view
    }

    #[test]
    fn a_world_keeps_its_number() {
        let view = in_use(&["a"], &[(7000, "a")]);
        assert_eq!(
            choose(range(7000, 7009), &["TCP"], &[7005], &view),
            Ok(vec![7005])
        );
        assert_eq!(
            choose(range(7000, 7009), &["TCP"], &[7000], &view),
            Ok(vec![7001])
        );
        assert_eq!(
            choose(range(7000, 7009), &["TCP"], &[80], &view),
            Ok(vec![7001])
        );
    }

    #[test]
    fn a_number_repeats_on_another_node_when_it_must() {
        let view = in_use(&["a", "b"], &[(7000, "a")]);
        assert_eq!(
            choose(range(7000, 7000), &["TCP"], &[], &view),
            Ok(vec![7000])
        );
        let view = in_use(&["a", "b"], &[(7000, "a"), (7000, "b")]);
        assert!(choose(range(7000, 7000), &["TCP"], &[], &view).is_err());
    }

    #[test]
    fn protocols_do_not_collide() {
        let view = in_use(&["a"], &[(7000, "a")]);
        assert_eq!(
            choose(range(7000, 7000), &["UDP"], &[], &view),
            Ok(vec![7000])
        );
    }

    proptest! {
        #[test]
        fn no_collision_while_there_is_room(
            worlds in 1usize..40,
            size in 1i32..60,
            nodes in 1usize..3,
        ) {
            let names: Vec<String> = (0..nodes).map(|n| format!("node{n}")).collect();
            let mut view = PortsInUse { nodes: names.iter().cloned().collect(), ..PortsInUse::default() };
            let room = usize::try_from(size).unwrap_or(0) * nodes;
            for world in 0..worlds {
                let chosen = choose(range(7000, 7000 + size - 1), &["TCP"], &[], &view);
                prop_assert_eq!(chosen.is_ok(), world < room);
                let Ok(chosen) = chosen else { break };
                let taken = view.on_nodes.entry(tcp(chosen[0])).or_default();
                // The scheduler's part: some node that has the number free.
                let node = names.iter().find(|n| !taken.contains(*n));
                prop_assert!(node.is_some());
                taken.extend(node.cloned());
            }
        }
    }
}
