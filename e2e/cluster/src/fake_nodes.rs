//! Nodes that only pretend to run pods, for measurements of scale.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::binaries::{self, Binaries};
use crate::cgroups::Cgroups;
use crate::error::{Error, Result};
use crate::kubectl::Kubectl;
use crate::paths::{Checkout, State};
use crate::plan::{FAKE_PODS, MACHINE};
use crate::process::{self, Daemon};
use crate::progress::Progress;
use crate::wait::{self, Answer};

pub(crate) const DAEMON: &str = "kwok";
const PREFIX: &str = "wk-fake-";
const SELECTOR: &str = "type=kwok";

/// Makes the cluster have exactly `count` of them.
pub(crate) fn set(
    checkout: &Checkout,
    state: &State,
    binaries: &Binaries,
    cgroups: &Cgroups,
    count: u16,
    progress: &Progress,
) -> Result<()> {
    let kubectl = Kubectl::new(state, binaries);
    let present = present(&kubectl)?;
    let wanted: BTreeSet<String> = (1..=count).map(name).collect();
    if count > 0 {
        start(checkout, state, binaries, cgroups, progress)?;
    }
    let surplus: Vec<&String> = present.difference(&wanted).collect();
    if !surplus.is_empty() {
        remove(&kubectl, &surplus, progress)?;
    }
    let missing: Vec<Value> = wanted.difference(&present).map(|name| node(name)).collect();
    if !missing.is_empty() {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": missing });
        kubectl.run_with_input(&["create", "-f", "-"], &list.to_string())?;
    }
    if count == 0 {
        process::stop(state, DAEMON)?;
        progress.step("no fake nodes");
        return Ok(());
    }
    wait::until(
        "fake nodes are not ready",
        Duration::from_secs(120),
        &format!("the log is {}", state.logs().join("kwok.log").display()),
        || {
            if !process::recorded(state, DAEMON).is_some_and(|kwok| kwok.is_alive()) {
                return Err(Error::unmet(
                    "kwok ended",
                    "look into its log, log/kwok.log",
                ));
            }
            Ok(match ready(&kubectl)? {
                ready if ready == usize::from(count) => Answer::Yes(()),
                ready => Answer::NotYet(format!("{ready} of {count} are")),
            })
        },
    )?;
    progress.step(format!("{count} fake nodes are ready"));
    Ok(())
}

/// Starts kwok again if it was there and died.
pub(crate) fn repair(
    checkout: &Checkout,
    state: &State,
    binaries: &Binaries,
    cgroups: &Cgroups,
    progress: &Progress,
) -> Result<()> {
    if process::recorded(state, DAEMON).is_some() {
        start(checkout, state, binaries, cgroups, progress)?;
    }
    Ok(())
}

fn start(
    checkout: &Checkout,
    state: &State,
    binaries: &Binaries,
    cgroups: &Cgroups,
    progress: &Progress,
) -> Result<()> {
    let daemon = daemon(state, binaries::kwok(checkout, progress)?);
    if daemon.is_alive(state) {
        return Ok(());
    }
    // A new process takes itself for another, and would wait until the leases
    // that the old one held on its nodes run out.
    let leases = ["-n", "kube-node-lease", "--ignore-not-found"];
    let kubectl = Kubectl::new(state, binaries);
    let held = kubectl.run(&[&["get", "leases", "-o", "name"], &leases[..]].concat())?;
    let stale: Vec<&str> = held
        .lines()
        .filter(|lease| lease.contains(PREFIX))
        .collect();
    if !stale.is_empty() {
        kubectl.run(&[&["delete"], &leases[..], &stale].concat())?;
    }
    daemon.ensure(state, cgroups)?;
    progress.step("kwok started");
    Ok(())
}

fn daemon(state: &State, program: std::path::PathBuf) -> Daemon {
    Daemon::on_machine(state, DAEMON, program)
        .flag("kubeconfig", state.kubeconfig("kwok"))
        .flag("manage-all-nodes", "false")
        .flag("manage-nodes-with-label-selector", SELECTOR)
        .flag("cidr", FAKE_PODS)
        .flag("node-ip", MACHINE.to_string())
        .flag("server-address", "127.0.0.1:10247")
        // Renewed four times as often, and so well within the grace period
        // after which the controller-manager takes a node for lost.
        .flag("node-lease-duration-seconds", "20")
        // It says a line for each pod otherwise.
        .flag("v", "WARN")
}

fn name(number: u16) -> String {
    format!("{PREFIX}{number:04}")
}

fn node(name: &str) -> Value {
    let capacity = json!({ "cpu": "256", "memory": "1Ti", "pods": "1000" });
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "type": "kwok",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
            },
            "annotations": { "kwok.x-k8s.io/node": "fake" },
        },
        "spec": {
            "taints": [
                { "key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule" },
            ],
        },
        "status": { "allocatable": capacity, "capacity": capacity },
    })
}

fn present(kubectl: &Kubectl) -> Result<BTreeSet<String>> {
    let listed = kubectl.run(&["get", "nodes", "-l", SELECTOR, "-o", "name"])?;
    Ok(listed
        .lines()
        .filter_map(|line| line.strip_prefix("node/"))
        .map(str::to_owned)
        .collect())
}

fn ready(kubectl: &Kubectl) -> Result<usize> {
    let path = r#"jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}"#;
    let statuses = kubectl.run(&["get", "nodes", "-l", SELECTOR, "-o", path])?;
    Ok(statuses
        .split_whitespace()
        .filter(|status| *status == "True")
        .count())
}

fn remove(kubectl: &Kubectl, names: &[&String], progress: &Progress) -> Result<()> {
    // One request for all pods of a namespace on a node, because there may be
    // thousands.
    let mut refused = None;
    for (namespace, node) in pods_on(kubectl, names)? {
        let pods = format!(
            "/api/v1/namespaces/{namespace}/pods?gracePeriodSeconds=0&fieldSelector=spec.nodeName%3D{node}"
        );
        if let Err(failed) = kubectl.run(&["delete", "--raw", &pods]) {
            refused = Some(failed);
        }
    }
    if let Some(failed) = refused {
        progress.step(format!(
            "not all pods on fake nodes may be deleted; the cluster collects them after their nodes ({failed})"
        ));
    }
    let mut command = vec!["delete", "node", "--ignore-not-found", "--wait=false"];
    command.extend(names.iter().map(|name| name.as_str()));
    kubectl.run(&command).map(drop)
}

/// Where pods are on these nodes: each namespace with each of its nodes.
fn pods_on(kubectl: &Kubectl, names: &[&String]) -> Result<BTreeSet<(String, String)>> {
    let path = r#"jsonpath={range .items[*]}{.metadata.namespace}{" "}{.spec.nodeName}{"\n"}{end}"#;
    let pods = kubectl.run(&["get", "pods", "-A", "-o", path])?;
    Ok(pods
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, node)| names.iter().any(|name| name == node))
        .map(|(namespace, node)| (namespace.to_owned(), node.to_owned()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_their_numbers_do() {
        let names: Vec<String> = (1..=1200).map(name).collect();
        assert!(names.is_sorted());
    }

    #[test]
    fn nothing_else_lands_on_a_fake_node() {
        let node = node("wk-fake-0001");
        assert_eq!(node["metadata"]["labels"]["type"], "kwok");
        let taint = &node["spec"]["taints"][0];
        assert_eq!(taint["key"], "kwok.x-k8s.io/node");
        assert_eq!(taint["effect"], "NoSchedule");
    }
}
