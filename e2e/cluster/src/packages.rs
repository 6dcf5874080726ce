//! The Debian packages that the cluster's parts come from.

use std::path::Path;

use nix::unistd::Uid;

use crate::command::{run, search_path, tool};
use crate::error::{Error, Result};
use crate::progress::Progress;

/// What must be there, and the package that brings it.
const NEEDED: &[(&str, &str)] = &[
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("runc", "runc"),
    ("buildah", "buildah"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("/usr/lib/cni/host-local", "containernetworking-plugins"),
    ("/usr/lib/cni/loopback", "containernetworking-plugins"),
    ("/usr/lib/cni/portmap", "containernetworking-plugins"),
    ("nft", "nftables"),
    ("iptables", "iptables"),
    ("ip", "iproute2"),
    ("conntrack", "conntrack"),
    ("socat", "socat"),
    ("ethtool", "ethtool"),
    ("nsenter", "util-linux"),
    ("setsid", "util-linux"),
    ("tar", "tar"),
];

/// Installs what is missing, or says what that is.
pub(crate) fn ensure(progress: &Progress) -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    let by_hand = Error::unmet(
        format!("Debian packages are missing: {list}"),
        format!("install them with `apt-get install {list}`"),
    );
    if !Uid::effective().is_root() || !found("apt-get") {
        return Err(by_hand);
    }
    progress.step(format!("installing {list}"));
    if install(&missing).is_err() {
        // The usual reason is a list of packages that is old or was never
        // fetched; the second attempt tells any other.
        progress.step("fetching the list of packages");
        run(tool("apt-get").arg("update"))?;
        install(&missing)?;
    }
    match self::missing().as_slice() {
        [] => Ok(()),
        _ => Err(by_hand),
    }
}

fn install(packages: &[&str]) -> Result<String> {
    run(tool("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-o", "DPkg::Lock::Timeout=600"])
        .args(["install", "--yes", "--no-install-recommends"])
        .args(packages))
}

fn missing() -> Vec<&'static str> {
    let mut packages: Vec<&str> = NEEDED
        .iter()
        .filter(|(program, _)| !found(program))
        .map(|(_, package)| *package)
        .collect();
    packages.dedup();
    packages
}

fn found(program: &str) -> bool {
    // An absolute path replaces the folder that it is joined to.
    search_path()
        .split(':')
        .any(|folder| Path::new(folder).join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        assert!(found("sh"));
        assert!(found("/bin/sh"));
        assert!(!found("no-such-program"));
        assert!(!found("/no/such/program"));
    }
}
