//! The cluster as a whole: what is found on the machine, what is to be done
//! about it, and doing it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::binaries::{Binaries, hex};
use crate::certificates;
use crate::cgroups::Cgroups;
use crate::control_plane;
use crate::dns;
use crate::error::{Error, FileContext, Result};
use crate::fake_nodes;
use crate::files;
use crate::kubectl::Kubectl;
use crate::lock::{self, Lock};
use crate::mounts;
use crate::network;
use crate::node::{self, Power};
use crate::packages;
use crate::paths::{Checkout, State};
use crate::plan::{NODES, Node};
use crate::process;
use crate::progress::Progress;
use crate::wait::{self, Answer};

/// Raised when a running cluster must not be reused although the programs and
/// the templates are the same, such as for other flags of a daemon.
const CONFIG_VERSION: u32 = 1;

/// What is written down about the cluster of this machine.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) version: String,
    pub(crate) boot: String,
    /// False from the first step of its making to the last.
    pub(crate) complete: bool,
    pub(crate) binaries: PathBuf,
}

impl Record {
    pub(crate) fn read(state: &State) -> Option<Self> {
        let content = fs::read_to_string(state.record()).ok()?;
        serde_json::from_str(&content).ok()
    }

    fn write(&self, state: &State) -> Result<()> {
        let content = serde_json::to_string_pretty(self).unwrap_or_default();
        files::write(&state.record(), content)
    }
}

/// What `up` finds on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// Processes, mounts or a bridge, but nothing that tells what they are.
    Remains,
    Cluster(Observed),
}

/// A cluster with a record of what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observed {
    version: String,
    complete: bool,
    same_boot: bool,
    /// How many of its daemons run.
    alive: usize,
    /// What should be there and is not, in words.
    missing: Vec<String>,
}

/// What `up` does about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    Reuse,
    Repair(String),
    Rebuild(String),
}

/// A cluster is kept if it is whole and of this version, and repaired if it
/// once was whole and some of it still lives.
pub(crate) fn decide(found: &Found, wanted: &str) -> Decision {
    let rebuild = |reason: &str| Decision::Rebuild(reason.to_owned());
    let observed = match found {
        Found::Nothing => return rebuild("there is no cluster on this machine"),
        Found::Remains => return rebuild("there are remains of a cluster"),
        Found::Cluster(observed) => observed,
    };
    if !observed.same_boot {
        rebuild("the machine was restarted since the cluster came up")
    } else if observed.version != wanted {
        rebuild("the cluster on this machine is of another version")
    } else if !observed.complete {
        rebuild("an earlier `up` did not end")
    } else if observed.alive == 0 {
        rebuild("nothing of the cluster is alive")
    } else if !observed.missing.is_empty() {
        Decision::Repair(observed.missing.join(", "))
    } else {
        Decision::Reuse
    }
}

/// The version of a cluster that these programs and this source would make.
fn version(binaries: &Binaries) -> String {
    let mut hash = Sha256::new();
    hash.update(binaries.hash());
    hash.update(CONFIG_VERSION.to_string());
    for template in [
        control_plane::AUDIT_POLICY,
        control_plane::COREFILE,
        control_plane::RBAC,
        node::KUBELET,
        node::KUBE_PROXY,
        node::CONTAINERD,
        node::CNI,
    ] {
        hash.update(template);
    }
    hex(&hash.finalize())[..16].to_owned()
}

fn find(state: &State, cgroups: &Cgroups) -> Found {
    let Some(record) = Record::read(state) else {
        let remains = state.live().exists() || cgroups.any_process() || network::bridge_is_there();
        return if remains {
            Found::Remains
        } else {
            Found::Nothing
        };
    };
    let alive: BTreeSet<String> = process::all_recorded(state)
        .into_iter()
        .filter(|(_, identity)| identity.is_alive())
        .map(|(name, _)| name)
        .collect();
    Found::Cluster(Observed {
        version: record.version,
        complete: record.complete,
        same_boot: record.boot == process::boot(),
        alive: alive.len(),
        missing: missing(state, &alive),
    })
}

fn missing(state: &State, alive: &BTreeSet<String>) -> Vec<String> {
    let mut missing: Vec<String> = control_plane::NAMES
        .into_iter()
        .filter(|name| !alive.contains(*name))
        .map(|name| format!("{name} is dead"))
        .collect();
    if process::recorded(state, fake_nodes::DAEMON).is_some() && !alive.contains(fake_nodes::DAEMON)
    {
        missing.push(format!("{} is dead", fake_nodes::DAEMON));
    }
    if !network::bridge_is_there() {
        missing.push("the bridge is gone".to_owned());
    }
    for node in NODES {
        let name = node.name();
        match node::power(state, node) {
            Power::Off => {
                missing.push(format!("{name} is powered off"));
                continue;
            }
            Power::Partitioned => missing.push(format!("{name} is cut off")),
            Power::On => {}
        }
        if !network::node_is_there(node) {
            missing.push(format!("the network of {name} is gone"));
        }
        for daemon in node::NAMES {
            if !alive.contains(&format!("{name}-{daemon}")) {
                missing.push(format!("{daemon} of {name} is dead"));
            }
        }
    }
    missing
}

/// Ends with a cluster that takes pods, whatever was found before.
pub(crate) fn up(checkout: &Checkout, progress: &Progress) -> Result<()> {
    packages::ensure(progress)?;
    let binaries = Binaries::ensure(checkout, progress)?;
    let state = State::of_machine();
    let _lock = lock(&state, "worldkeeper-cluster up", progress)?;
    let cgroups = Cgroups::of_machine()?;
    let wanted = version(&binaries);
    match decide(&find(&state, &cgroups), &wanted) {
        Decision::Rebuild(reason) => {
            progress.step(reason);
            rebuild(checkout, &state, &binaries, &cgroups, &wanted, progress)?;
        }
        kept => {
            progress.step(match kept {
                Decision::Repair(reason) => format!("repairing the cluster: {reason}"),
                _ => "the cluster is there".to_owned(),
            });
            if let Err(failed) = keep(checkout, &state, &binaries, &cgroups, progress) {
                progress.step(format!("it cannot be kept: {failed}"));
                rebuild(checkout, &state, &binaries, &cgroups, &wanted, progress)?;
            }
        }
    }
    attach(checkout, &state)?;
    progress.step(format!(
        "up: kubeconfig {}",
        checkout.kubeconfig().display()
    ));
    Ok(())
}

/// Brings back what is missing. What died only after it was found alive gets a
/// second chance.
fn keep(
    checkout: &Checkout,
    state: &State,
    binaries: &Binaries,
    cgroups: &Cgroups,
    progress: &Progress,
) -> Result<()> {
    let again = || ensure(checkout, state, binaries, cgroups, progress);
    again().or_else(|failed| match find(state, cgroups) {
        Found::Cluster(Observed { missing, .. }) if !missing.is_empty() => {
            progress.step(format!("repairing the cluster: {}", missing.join(", ")));
            again()
        }
        _ => Err(failed),
    })
}

fn rebuild(
    checkout: &Checkout,
    state: &State,
    binaries: &Binaries,
    cgroups: &Cgroups,
    version: &str,
    progress: &Progress,
) -> Result<()> {
    tear_down(state, cgroups, progress)?;
    if state.logs().exists() {
        files::remove(&state.previous_logs())?;
        fs::rename(state.logs(), state.previous_logs()).on("rename", &state.logs())?;
    }
    files::create_folder(&state.logs())?;
    let mut record = Record {
        version: version.to_owned(),
        boot: process::boot(),
        complete: false,
        binaries: binaries.folder().to_owned(),
    };
    record.write(state)?;
    certificates::create(state)?;
    control_plane::configure(state)?;
    for node in NODES {
        node::configure(state, node)?;
    }
    progress.step("certificates and configuration written");
    ensure(checkout, state, binaries, cgroups, progress)?;
    record.complete = true;
    record.write(state)
}

/// Starts what does not run and waits until all of it works.
fn ensure(
    checkout: &Checkout,
    state: &State,
    binaries: &Binaries,
    cgroups: &Cgroups,
    progress: &Progress,
) -> Result<()> {
    network::ensure_machine(state)?;
    control_plane::ensure(state, binaries, cgroups, progress)?;
    on_each_node(|node| {
        node::ensure(state, binaries, cgroups, node, progress)?;
        node::wait_until_ready(state, binaries, node, progress)
    })?;
    network::route_services(NODES.first().copied())?;
    fake_nodes::repair(checkout, state, binaries, cgroups, progress)?;
    wait::until(
        "the cluster's DNS does not answer",
        Duration::from_secs(60),
        &format!("its log is {}", state.logs().join("coredns.log").display()),
        || Ok(Answer::of(dns::answers())),
    )?;
    let kubectl = Kubectl::new(state, binaries);
    wait::until(
        "namespace default has no service account",
        Duration::from_secs(60),
        "look into the log of kube-controller-manager",
        || {
            let account = ["get", "serviceaccount", "default", "-n", "default"];
            Ok(Answer::of(kubectl.run(&account)))
        },
    )
    .map(drop)
}

fn on_each_node(work: impl Fn(Node) -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let threads = NODES.map(|node| {
            let work = &work;
            scope.spawn(move || work(node))
        });
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| {
                Err(Error::unmet(
                    "a step panicked",
                    "this is a mistake in worldkeeper-cluster itself",
                ))
            })
        })
    })
}

/// Lets this checkout use the cluster, whoever brought it up.
fn attach(checkout: &Checkout, state: &State) -> Result<()> {
    let kubeconfig = files::read(&state.kubeconfig("admin"))?;
    files::write(&checkout.kubeconfig(), kubeconfig)?;
    files::link(&state.logs(), &checkout.log())
}

/// Removes all of it; the logs stay until the next one is made.
pub(crate) fn down(checkout: &Checkout, progress: &Progress) -> Result<()> {
    let state = State::of_machine();
    let _lock = lock(&state, "worldkeeper-cluster down", progress)?;
    tear_down(&state, &Cgroups::of_machine()?, progress)?;
    files::remove(&checkout.kubeconfig())?;
    progress.step("down");
    Ok(())
}

fn tear_down(state: &State, cgroups: &Cgroups, progress: &Progress) -> Result<()> {
    if find(state, cgroups) == Found::Nothing {
        return Ok(());
    }
    cgroups.kill_all()?;
    process::stop(state, "")?;
    progress.step("every process of the cluster ended");
    for node in NODES {
        node::release_shim_sockets(&state.node(node).containers());
    }
    mounts::release(&state.live())?;
    network::remove_all(state)?;
    cgroups.remove_all()?;
    release_litter(state);
    files::remove(&state.live())?;
    progress.step("its network, mounts, control groups and files are gone");
    Ok(())
}

/// Kubelets and containerds have folders on the machine that no setting moves;
/// what stays there is litter and does no harm.
fn release_litter(state: &State) {
    let entries = |folder: &str| fs::read_dir(folder).into_iter().flatten().flatten();
    let base = state.base().to_string_lossy();
    for link in entries("/var/log/containers") {
        if fs::read_link(link.path()).is_ok_and(|to| to.starts_with(state.base())) {
            let _ = fs::remove_file(link.path());
        }
    }
    for result in entries("/var/lib/cni/results") {
        if fs::read_to_string(result.path()).is_ok_and(|text| text.contains(&*base)) {
            let _ = fs::remove_file(result.path());
        }
    }
}

pub(crate) fn lock(state: &State, purpose: &str, progress: &Progress) -> Result<Lock> {
    lock::acquire(&state.lock(), purpose, progress)
}

/// The programs of the cluster that runs; an error if there is none.
pub(crate) fn running(state: &State) -> Result<Binaries> {
    match Record::read(state) {
        Some(record) if record.complete && record.boot == process::boot() => {
            Ok(Binaries::at(record.binaries))
        }
        _ => Err(Error::unmet(
            "there is no cluster on this machine",
            "bring it up with `worldkeeper-cluster up`",
        )),
    }
}

/// How a node is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    PowerOff,
    Partition,
}

pub(crate) fn stop_node(node: Node, loss: Loss, progress: &Progress) -> Result<()> {
    let state = State::of_machine();
    let _lock = lock(&state, "worldkeeper-cluster stop-node", progress)?;
    let binaries = running(&state)?;
    let name = node.name();
    match (loss, node::power(&state, node)) {
        (Loss::PowerOff, _) => {
            node::power_off(&state, &Cgroups::of_machine()?, node)?;
            progress.step(format!("{name}: every process ended"));
            route_services_through_the_living(&state)?;
            // As a cloud does when it finds that the machine is gone.
            Kubectl::new(&state, &binaries).run(&[
                "delete",
                "node",
                &name,
                "--ignore-not-found",
                "--wait=false",
            ])?;
            progress.step(format!("{name}: Node object deleted"));
        }
        (Loss::Partition, Power::Off) => {
            return Err(Error::unmet(
                format!("{name} is powered off"),
                format!("start it with `worldkeeper-cluster start-node {name}`"),
            ));
        }
        (Loss::Partition, Power::On | Power::Partitioned) => {
            node::partition(&state, node)?;
            progress.step(format!("{name}: cut off from the API server"));
        }
    }
    Ok(())
}

pub(crate) fn start_node(node: Node, progress: &Progress) -> Result<()> {
    let state = State::of_machine();
    let _lock = lock(&state, "worldkeeper-cluster start-node", progress)?;
    let binaries = running(&state)?;
    let cgroups = Cgroups::of_machine()?;
    node::ensure(&state, &binaries, &cgroups, node, progress)?;
    route_services_through_the_living(&state)?;
    node::wait_until_ready(&state, &binaries, node, progress)
}

fn route_services_through_the_living(state: &State) -> Result<()> {
    let living = NODES
        .into_iter()
        .find(|node| node::power(state, *node) != Power::Off);
    network::route_services(living)
}

pub(crate) fn load(images: &[String], progress: &Progress) -> Result<()> {
    let state = State::of_machine();
    let _lock = lock(&state, "worldkeeper-cluster load", progress)?;
    running(&state)?;
    images
        .iter()
        .try_for_each(|image| crate::images::load(&state, image, progress))
}

pub(crate) fn set_fake_nodes(checkout: &Checkout, count: u16, progress: &Progress) -> Result<()> {
    let state = State::of_machine();
    let _lock = lock(&state, "worldkeeper-cluster fake-nodes", progress)?;
    let binaries = running(&state)?;
    let cgroups = Cgroups::of_machine()?;
    fake_nodes::set(checkout, &state, &binaries, &cgroups, count, progress)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Observed {
        Observed {
            version: "v1".to_owned(),
            complete: true,
            same_boot: true,
            alive: 11,
            missing: Vec::new(),
        }
    }

    #[track_caller]
    fn check(found: &Found, expect: &str) {
        let decision = decide(found, "v1");
        let (kind, reason) = match &decision {
            Decision::Reuse => ("reuse", ""),
            Decision::Repair(reason) => ("repair", reason.as_str()),
            Decision::Rebuild(reason) => ("rebuild", reason.as_str()),
        };
        assert_eq!(kind, expect, "{found:?}");
        assert_eq!(reason.is_empty(), kind == "reuse", "{found:?}");
    }

    #[test]
    fn only_a_whole_cluster_of_this_version_is_kept() {
        let dead = || vec!["etcd is dead".to_owned()];
        let old = || "v0".to_owned();
        check(&Found::Nothing, "rebuild");
        check(&Found::Remains, "rebuild");
        for (observed, expect) in [
            (whole(), "reuse"),
            (
                Observed {
                    missing: dead(),
                    ..whole()
                },
                "repair",
            ),
            (
                Observed {
                    missing: dead(),
                    alive: 0,
                    ..whole()
                },
                "rebuild",
            ),
            (
                Observed {
                    version: old(),
                    ..whole()
                },
                "rebuild",
            ),
            (
                Observed {
                    version: old(),
                    missing: dead(),
                    ..whole()
                },
                "rebuild",
            ),
            (
                Observed {
                    complete: false,
                    ..whole()
                },
                "rebuild",
            ),
            (
                Observed {
                    same_boot: false,
                    ..whole()
                },
                "rebuild",
            ),
        ] {
            check(&Found::Cluster(observed), expect);
        }
    }
}
