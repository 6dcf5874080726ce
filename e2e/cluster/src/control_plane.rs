//! The parts of the cluster that run on the machine itself.

use std::path::Path;
use std::time::Duration;

use crate::binaries::Binaries;
use crate::cgroups::Cgroups;
use crate::error::Result;
use crate::files;
use crate::kubectl::{Kubectl, api_listens};
use crate::paths::State;
use crate::plan::{API_PORT, ETCD, ETCD_PEER, MACHINE, SERVICES};
use crate::process::Daemon;
use crate::progress::Progress;
use crate::wait::{self, Answer};

pub(crate) const AUDIT_POLICY: &str = include_str!("../templates/audit-policy.yaml");
pub(crate) const COREFILE: &str = include_str!("../templates/Corefile");
pub(crate) const RBAC: &str = include_str!("../templates/rbac.yaml");

/// The daemons of the control plane.
pub(crate) const NAMES: [&str; 5] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "coredns",
];

const PATIENCE: Duration = Duration::from_secs(120);

/// Writes what the daemons read.
pub(crate) fn configure(state: &State) -> Result<()> {
    files::write(&state.config("audit-policy.yaml"), AUDIT_POLICY)?;
    let corefile = files::render(
        COREFILE,
        &[
            ("machine", &MACHINE.to_string()),
            (
                "kubeconfig",
                &state.kubeconfig("coredns").display().to_string(),
            ),
        ],
    )?;
    files::write(&state.config("Corefile"), corefile)
}

pub(crate) fn daemons(state: &State, binaries: &Binaries) -> [Daemon; 5] {
    [
        etcd(state, binaries),
        api_server(state, binaries),
        controller_manager(state, binaries),
        scheduler(state, binaries),
        dns(state, binaries),
    ]
}

/// Starts what does not run, and waits until requests are taken.
pub(crate) fn ensure(
    state: &State,
    binaries: &Binaries,
    cgroups: &Cgroups,
    progress: &Progress,
) -> Result<()> {
    let [etcd, api_server, others @ ..] = daemons(state, binaries);
    let mut fresh_api = false;
    for daemon in [&etcd, &api_server] {
        fresh_api = daemon.ensure(state, cgroups)?;
        if fresh_api {
            progress.step(format!("{} started", daemon.name()));
        }
    }
    let kubectl = Kubectl::new(state, binaries);
    wait::until(
        "the API server is not ready",
        PATIENCE,
        &format!("its log is {}", api_server.log().display()),
        || {
            for daemon in [&etcd, &api_server] {
                if !daemon.is_alive(state) {
                    return Err(daemon.ended());
                }
            }
            Ok(if api_listens() {
                Answer::of(kubectl.is_ready())
            } else {
                Answer::NotYet("it does not listen".to_owned())
            })
        },
    )?;
    progress.step("the API server is ready");
    if fresh_api {
        kubectl.run_with_input(&["apply", "-f", "-"], RBAC)?;
    }
    for daemon in others {
        if daemon.ensure(state, cgroups)? {
            progress.step(format!("{} started", daemon.name()));
        }
    }
    Ok(())
}

fn etcd(state: &State, binaries: &Binaries) -> Daemon {
    Daemon::on_machine(state, "etcd", binaries.program("etcd"))
        .flag("name", "worldkeeper")
        .flag("data-dir", state.etcd())
        .flag("listen-client-urls", ETCD)
        .flag("advertise-client-urls", ETCD)
        .flag("listen-peer-urls", ETCD_PEER)
        .flag("initial-advertise-peer-urls", ETCD_PEER)
        .flag("initial-cluster", format!("worldkeeper={ETCD_PEER}"))
        .flag("quota-backend-bytes", "8589934592")
        // A cluster for tests need not survive a lost machine, and the disk
        // would otherwise be the limit of every measurement.
        .argument("--unsafe-no-fsync")
}

fn api_server(state: &State, binaries: &Binaries) -> Daemon {
    let certificate = |name: &str| state.certificate(name);
    let key = |name: &str| state.key(name);
    Daemon::on_machine(state, "kube-apiserver", binaries.program("kube-apiserver"))
        .flag("etcd-servers", ETCD)
        .flag("bind-address", MACHINE.to_string())
        .flag("advertise-address", MACHINE.to_string())
        .flag("secure-port", API_PORT.to_string())
        .flag("service-cluster-ip-range", SERVICES)
        .flag("tls-cert-file", certificate("kube-apiserver"))
        .flag("tls-private-key-file", key("kube-apiserver"))
        .flag("client-ca-file", certificate("ca"))
        .flag("authorization-mode", "Node,RBAC")
        .flag("enable-admission-plugins", "NodeRestriction")
        .flag("allow-privileged", "true")
        .flag("kubelet-certificate-authority", certificate("ca"))
        .flag("kubelet-client-certificate", certificate("kubelet-client"))
        .flag("kubelet-client-key", key("kubelet-client"))
        .flag("kubelet-preferred-address-types", "InternalIP")
        .flag(
            "service-account-issuer",
            "https://kubernetes.default.svc.cluster.local",
        )
        .flag("service-account-key-file", certificate("service-accounts"))
        .flag("service-account-signing-key-file", key("service-accounts"))
        // No kube-proxy runs beside it, so what it calls in the cluster it
        // calls by the addresses of pods, which are routed.
        .flag("enable-aggregator-routing", "true")
        .flag("proxy-client-cert-file", certificate("front-client"))
        .flag("proxy-client-key-file", key("front-client"))
        .flag("requestheader-client-ca-file", certificate("front-ca"))
        .flag("requestheader-allowed-names", "front-client")
        .flag("requestheader-username-headers", "X-Remote-User")
        .flag("requestheader-group-headers", "X-Remote-Group")
        .flag("requestheader-extra-headers-prefix", "X-Remote-Extra-")
        // Namespaces with a thousand pods are emptied one by one otherwise.
        .flag("delete-collection-workers", "10")
        .flag("audit-policy-file", state.config("audit-policy.yaml"))
        .flag("audit-log-path", state.audit_log())
        // Megabytes, and files: a judge must find every write of a long run.
        .flag("audit-log-maxsize", "2000")
        .flag("audit-log-maxbackup", "4")
}

fn controller_manager(state: &State, binaries: &Binaries) -> Daemon {
    let name = "kube-controller-manager";
    Daemon::on_machine(state, name, binaries.program(name))
        .flags_of_client(&state.kubeconfig(name))
        .flag("root-ca-file", state.certificate("ca"))
        .flag("cluster-signing-cert-file", state.certificate("ca"))
        .flag("cluster-signing-key-file", state.key("ca"))
        .flag(
            "service-account-private-key-file",
            state.key("service-accounts"),
        )
        .flag("use-service-account-credentials", "true")
        // Shorter than the default of 50 s, for tests that lose a node.
        .flag("node-monitor-grace-period", "20s")
}

fn scheduler(state: &State, binaries: &Binaries) -> Daemon {
    let name = "kube-scheduler";
    Daemon::on_machine(state, name, binaries.program(name)).flags_of_client(&state.kubeconfig(name))
}

fn dns(state: &State, binaries: &Binaries) -> Daemon {
    Daemon::on_machine(state, "coredns", binaries.program("coredns"))
        .argument("-conf")
        .argument(state.config("Corefile"))
}

impl Daemon {
    /// What the controller-manager and the scheduler have in common.
    fn flags_of_client(self, kubeconfig: &Path) -> Self {
        self.flag("kubeconfig", kubeconfig)
            .flag("authentication-kubeconfig", kubeconfig)
            .flag("authorization-kubeconfig", kubeconfig)
            .flag("bind-address", "127.0.0.1")
            .flag("leader-elect", "false")
            // At the defaults, measurements of scale would measure these.
            .flag("kube-api-qps", "500")
            .flag("kube-api-burst", "1000")
    }
}
