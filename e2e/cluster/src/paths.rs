//! Where things lie: the cluster's own state in one place of the machine,
//! whichever checkout started it, and links to it in each checkout.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::plan::Node;

pub(crate) const BASE: &str = "/var/lib/worldkeeper-cluster";

/// The machine-wide state. Everything under [`live`](Self::live) goes with the
/// cluster; logs and the lock outlive it.
#[derive(Debug, Clone)]
pub(crate) struct State {
    base: PathBuf,
}

impl State {
    pub(crate) fn of_machine() -> Self {
        Self { base: BASE.into() }
    }

    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.base.join("lock")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.base.join("log")
    }

    pub(crate) fn previous_logs(&self) -> PathBuf {
        self.base.join("log.previous")
    }

    pub(crate) fn audit_log(&self) -> PathBuf {
        self.logs().join("audit.log")
    }

    pub(crate) fn live(&self) -> PathBuf {
        self.base.join("live")
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.live().join("cluster.json")
    }

    pub(crate) fn processes(&self) -> PathBuf {
        self.live().join("processes")
    }

    pub(crate) fn sysctls(&self) -> PathBuf {
        self.live().join("sysctls.json")
    }

    pub(crate) fn pki(&self) -> PathBuf {
        self.live().join("pki")
    }

    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.pki().join(format!("{name}.crt"))
    }

    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.pki().join(format!("{name}.key"))
    }

    pub(crate) fn config(&self, name: &str) -> PathBuf {
        self.live().join("config").join(name)
    }

    /// The kubeconfig of a component, or of the administrator.
    pub(crate) fn kubeconfig(&self, name: &str) -> PathBuf {
        self.config(&format!("{name}.kubeconfig"))
    }

    pub(crate) fn etcd(&self) -> PathBuf {
        self.live().join("etcd")
    }

    pub(crate) fn node(&self, node: Node) -> NodePaths {
        NodePaths {
            base: self.live().join("nodes").join(node.name()),
            logs: self.logs().join(node.name()),
        }
    }
}

/// What belongs to one node.
#[derive(Debug, Clone)]
pub(crate) struct NodePaths {
    base: PathBuf,
    logs: PathBuf,
}

impl NodePaths {
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.base.join(name)
    }

    /// Kept short: a socket's path has at most 108 bytes.
    pub(crate) fn socket(&self) -> PathBuf {
        self.file("containerd.sock")
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.file("containerd")
    }

    /// What a real node has in memory: gone when its power is.
    pub(crate) fn containers(&self) -> PathBuf {
        self.file("containerd-run")
    }

    pub(crate) fn kubelet(&self) -> PathBuf {
        self.file("kubelet")
    }

    pub(crate) fn cni(&self) -> PathBuf {
        self.file("cni")
    }

    pub(crate) fn cni_leases(&self) -> PathBuf {
        self.file("cni-leases")
    }

    /// There while the node is switched off on purpose.
    pub(crate) fn powered_off(&self) -> PathBuf {
        self.file("powered-off")
    }

    /// There while the node is cut off on purpose.
    pub(crate) fn partitioned(&self) -> PathBuf {
        self.file("partitioned")
    }

    /// The images that were loaded, by name, with the identity of each.
    pub(crate) fn loaded(&self) -> PathBuf {
        self.file("loaded.json")
    }

    pub(crate) fn pod_logs(&self) -> PathBuf {
        self.logs.join("pods")
    }
}

/// The checkout of the project that this command works for.
#[derive(Debug, Clone)]
pub(crate) struct Checkout {
    root: PathBuf,
}

impl Checkout {
    /// Looks upwards from the working folder, then from this program.
    pub(crate) fn find() -> Result<Self> {
        let starts = [env::current_dir().ok(), env::current_exe().ok()];
        starts
            .iter()
            .flatten()
            .flat_map(|start| start.ancestors())
            .find(|folder| folder.join("e2e/cluster/kubernetes/go.mod").is_file())
            .map(|root| Self {
                root: root.to_owned(),
            })
            .ok_or_else(|| {
                Error::unmet(
                    "no checkout of Worldkeeper around the working folder",
                    "run this inside of one",
                )
            })
    }

    pub(crate) fn kubernetes(&self) -> PathBuf {
        self.root.join("e2e/cluster/kubernetes")
    }

    pub(crate) fn target(&self) -> PathBuf {
        self.root.join("target/cluster")
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.target().join("kubeconfig")
    }

    pub(crate) fn bin(&self) -> PathBuf {
        self.target().join("bin")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.target().join("log")
    }
}
