//! Names and addresses of everything in the cluster.
//!
//! All of it lies in 198.18.0.0/15, which is reserved for benchmarks between
//! devices ([RFC 2544]) and so never routed: nothing real can be hit.
//!
//! [RFC 2544]: https://www.rfc-editor.org/rfc/rfc2544

use std::net::Ipv4Addr;

/// The machine itself, on the bridge: API server and DNS listen here.
pub(crate) const MACHINE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
pub(crate) const BRIDGE: &str = "wk0";
pub(crate) const API_PORT: u16 = 6443;
pub(crate) const SERVICES: &str = "198.19.0.0/16";
/// The service `kubernetes`, always the first address of the range.
pub(crate) const API_SERVICE: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 1);
pub(crate) const ETCD: &str = "http://127.0.0.1:12379";
pub(crate) const ETCD_PEER: &str = "http://127.0.0.1:12380";
/// The bridge that the CNI plugin makes for pods, inside each node.
pub(crate) const POD_BRIDGE: &str = "cni0";
/// Pods on fake nodes have loopback addresses, so that one process on the
/// machine can answer for all of them.
pub(crate) const FAKE_PODS: &str = "127.64.0.0/12";

/// One of the two nodes; its number is part of each of its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Node(u8);

pub(crate) const NODES: [Node; 2] = [Node(1), Node(2)];

impl Node {
    pub(crate) fn named(name: &str) -> Option<Self> {
        NODES.into_iter().find(|node| node.name() == name)
    }

    /// The Node object's name, and that of the network namespace.
    pub(crate) fn name(self) -> String {
        format!("wk-node-{}", self.0)
    }

    pub(crate) fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, 0, 10 + self.0)
    }

    pub(crate) fn pods(self) -> String {
        format!("198.18.{}.0/24", 10 + self.0)
    }

    /// The machine's end of the cable to the node.
    pub(crate) fn link(self) -> String {
        format!("wk-n{}", self.0)
    }

    /// The same after every start of the node, so that no neighbour remembers
    /// an old one.
    pub(crate) fn hardware_address(self) -> String {
        format!("02:77:6b:00:00:{:02x}", 10 + self.0)
    }

    pub(crate) fn namespace_file(self) -> String {
        format!("/run/netns/{}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nodes_are_found_by_name_only() {
        assert_eq!(Node::named("wk-node-1"), Some(NODES[0]));
        assert_eq!(Node::named("wk-node-2"), Some(NODES[1]));
        for unknown in ["wk-node-0", "wk-node-3", "wk-node-", "wk-node-01", ""] {
            assert_eq!(Node::named(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn no_two_nodes_share_anything() {
        let mut seen = BTreeSet::new();
        for node in NODES {
            for unique in [
                node.name(),
                node.address().to_string(),
                node.pods(),
                node.link(),
                node.hardware_address(),
            ] {
                assert!(seen.insert(unique.clone()), "{unique}");
            }
        }
    }

    #[test]
    fn every_address_is_in_the_reserved_range_and_links_have_short_names() {
        let reserved = |address: Ipv4Addr| {
            let [first, second, ..] = address.octets();
            first == 198 && (second == 18 || second == 19)
        };
        assert!(reserved(MACHINE) && reserved(API_SERVICE));
        for node in NODES {
            assert!(reserved(node.address()));
            let pods = node.pods();
            let (network, bits) = pods.split_once('/').expect("a network");
            assert!(reserved(network.parse().expect("an address")));
            assert_eq!(bits, "24");
            assert!(node.link().len() <= 15, "the kernel's limit");
        }
    }
}
