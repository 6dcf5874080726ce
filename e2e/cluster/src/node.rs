//! A node: a kubelet, a containerd and a kube-proxy inside a network of its
//! own, and the ways to lose it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::binaries::Binaries;
use crate::cgroups::{Cgroups, ROOT, Slice};
use crate::error::Result;
use crate::files;
use crate::images;
use crate::kubectl::{Kubectl, listens};
use crate::mounts;
use crate::network;
use crate::paths::State;
use crate::plan::{MACHINE, Node, POD_BRIDGE};
use crate::process::{self, Daemon};
use crate::progress::Progress;
use crate::wait::{self, Answer};

pub(crate) const KUBELET: &str = include_str!("../templates/kubelet.yaml");
pub(crate) const KUBE_PROXY: &str = include_str!("../templates/kube-proxy.yaml");
pub(crate) const CONTAINERD: &str = include_str!("../templates/containerd.toml");
pub(crate) const CNI: &str = include_str!("../templates/bridge.conflist");

/// The daemons of a node.
pub(crate) const NAMES: [&str; 3] = ["containerd", "kubelet", "kube-proxy"];

const PATIENCE: Duration = Duration::from_secs(120);
const KUBELET_PORT: u16 = 10250;

/// Writes what the daemons read.
pub(crate) fn configure(state: &State, node: Node) -> Result<()> {
    let paths = state.node(node);
    let name = node.name();
    let text = |path: &Path| path.display().to_string();
    files::write(
        &paths.file("resolv.conf"),
        format!("nameserver {MACHINE}\n"),
    )?;
    let kubelet = files::render(
        KUBELET,
        &[
            ("address", &node.address().to_string()),
            ("machine", &MACHINE.to_string()),
            ("ca", &text(&state.certificate("ca"))),
            (
                "certificate",
                &text(&state.certificate(&format!("{name}-server"))),
            ),
            ("key", &text(&state.key(&format!("{name}-server")))),
            ("socket", &text(&paths.socket())),
            ("resolv", &text(&paths.file("resolv.conf"))),
            ("cgroup", &format!("/{ROOT}/{name}")),
            ("podlogs", &text(&paths.pod_logs())),
            ("plugins", &text(&paths.file("volume-plugins"))),
        ],
    )?;
    files::write(&paths.file("kubelet.yaml"), kubelet)?;
    let proxy = files::render(
        KUBE_PROXY,
        &[
            ("name", &name),
            ("kubeconfig", &text(&state.kubeconfig("kube-proxy"))),
            ("bridge", POD_BRIDGE),
        ],
    )?;
    files::write(&paths.file("kube-proxy.yaml"), proxy)?;
    let containerd = files::render(
        CONTAINERD,
        &[
            ("root", &text(&paths.images())),
            ("state", &text(&paths.containers())),
            ("socket", &text(&paths.socket())),
            ("opt", &text(&paths.file("containerd-opt"))),
            ("pause", images::PAUSE),
            ("cni", &text(&paths.cni())),
            ("runc", &text(&paths.containers().join("runc"))),
        ],
    )?;
    files::write(&paths.file("containerd.toml"), containerd)?;
    let cni = files::render(
        CNI,
        &[
            ("bridge", POD_BRIDGE),
            ("leases", &text(&paths.cni_leases())),
            ("pods", &node.pods()),
        ],
    )?;
    files::write(&paths.cni().join("10-worldkeeper.conflist"), cni)
}

pub(crate) fn daemons(state: &State, binaries: &Binaries, node: Node) -> [Daemon; 3] {
    let paths = state.node(node);
    let name = node.name();
    let containerd = Daemon::on_node(state, node, "containerd", "containerd")
        .argument("--config")
        .argument(paths.file("containerd.toml"));
    let kubelet = Daemon::on_node(state, node, "kubelet", binaries.program("kubelet"))
        .flag("config", paths.file("kubelet.yaml"))
        .flag("kubeconfig", state.kubeconfig(&name))
        .flag("root-dir", paths.kubelet())
        .flag("cert-dir", paths.kubelet().join("pki"))
        .flag("hostname-override", &name)
        .flag("node-ip", node.address().to_string());
    let proxy = Daemon::on_node(state, node, "kube-proxy", binaries.program("kube-proxy"))
        .flag("config", paths.file("kube-proxy.yaml"));
    [containerd, kubelet, proxy]
}

/// Starts what does not run, whatever was done to the node before.
pub(crate) fn ensure(
    state: &State,
    binaries: &Binaries,
    cgroups: &Cgroups,
    node: Node,
    progress: &Progress,
) -> Result<()> {
    let paths = state.node(node);
    let name = node.name();
    if !network::node_is_there(node) {
        clear(state, cgroups, node)?;
    }
    cgroups.create(&Slice::node(&name))?;
    network::ensure_node(node)?;
    network::heal(node)?;
    files::remove(&paths.partitioned())?;

    let [containerd, kubelet, proxy] = daemons(state, binaries, node);
    let fresh = containerd.ensure(state, cgroups)?;
    wait::until(
        &format!("{} is not ready", containerd.name()),
        PATIENCE,
        &format!("its log is {}", containerd.log().display()),
        || {
            if !containerd.is_alive(state) {
                return Err(containerd.ended());
            }
            Ok(Answer::of(UnixStream::connect(paths.socket())))
        },
    )?;
    if fresh {
        images::ensure_pause(state, binaries, node)?;
    }
    let mut started: Vec<&str> = if fresh { vec!["containerd"] } else { vec![] };
    if kubelet.ensure(state, cgroups)? {
        started.push("kubelet");
    }
    if proxy.ensure(state, cgroups)? {
        started.push("kube-proxy");
    }
    files::remove(&paths.powered_off())?;
    if !started.is_empty() {
        progress.step(format!("{name}: {} started", started.join(", ")));
    }
    Ok(())
}

/// Waits until pods can run there and reach services.
pub(crate) fn wait_until_ready(
    state: &State,
    binaries: &Binaries,
    node: Node,
    progress: &Progress,
) -> Result<()> {
    let name = node.name();
    let kubectl = Kubectl::new(state, binaries);
    let [_, kubelet, proxy] = daemons(state, binaries, node);
    wait::until(
        &format!("{name} is not ready"),
        PATIENCE,
        &format!("its log is {}", kubelet.log().display()),
        || {
            if !kubelet.is_alive(state) {
                return Err(kubelet.ended());
            }
            if !listens(SocketAddr::from((node.address(), KUBELET_PORT))) {
                return Ok(Answer::NotYet("its kubelet does not listen".to_owned()));
            }
            Ok(match kubectl.node_ready(&name) {
                Ok(status) if status == "True" => Answer::Yes(()),
                Ok(status) => Answer::NotYet(format!("Ready is {status:?}")),
                Err(failed) => Answer::NotYet(failed.to_string()),
            })
        },
    )?;
    wait::until(
        &format!("services cannot be reached from {name}"),
        PATIENCE,
        &format!("the log of its kube-proxy is {}", proxy.log().display()),
        || {
            if !proxy.is_alive(state) {
                return Err(proxy.ended());
            }
            Ok(Answer::of(kubectl.is_ready_from(node)))
        },
    )?;
    progress.step(format!("{name} is ready"));
    Ok(())
}

/// The node loses its power: nobody hears of it again, and everything that
/// ran on it is gone. Its disk stays, with the images on it.
pub(crate) fn power_off(state: &State, cgroups: &Cgroups, node: Node) -> Result<()> {
    files::write(&state.node(node).powered_off(), "")?;
    network::unplug(node)?;
    clear(state, cgroups, node)
}

/// Ends every process of the node and takes away all that a restart of a real
/// one would.
fn clear(state: &State, cgroups: &Cgroups, node: Node) -> Result<()> {
    let paths = state.node(node);
    let name = node.name();
    cgroups.kill(&Slice::node(&name))?;
    process::stop(state, &format!("{name}-"))?;
    release_shim_sockets(&paths.containers());
    mounts::release(paths.base())?;
    for gone in [paths.containers(), paths.kubelet(), paths.cni_leases()] {
        files::remove(&gone)?;
    }
    network::remove_node(node)?;
    files::remove(&paths.partitioned())?;
    cgroups.remove(&Slice::node(&name))
}

/// Shims listen outside of the folder of their containerd, and each writes
/// down where.
pub(crate) fn release_shim_sockets(containers: &Path) {
    let tasks = containers.join("io.containerd.runtime.v2.task/k8s.io");
    let Ok(entries) = fs::read_dir(tasks) else {
        return;
    };
    for entry in entries.flatten() {
        let address = fs::read_to_string(entry.path().join("address")).unwrap_or_default();
        if let Some(socket) = address.trim().strip_prefix("unix://") {
            // A socket that stays is litter and does no harm.
            let _ = fs::remove_file(socket);
        }
    }
}

/// What was done to the node on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    On,
    Off,
    Partitioned,
}

pub(crate) fn power(state: &State, node: Node) -> Power {
    let paths = state.node(node);
    if paths.powered_off().exists() {
        Power::Off
    } else if paths.partitioned().exists() {
        Power::Partitioned
    } else {
        Power::On
    }
}

/// Cuts the node's way to the API server; its pods go on.
pub(crate) fn partition(state: &State, node: Node) -> Result<()> {
    files::write(&state.node(node).partitioned(), "")?;
    network::cut_off(node)
}
