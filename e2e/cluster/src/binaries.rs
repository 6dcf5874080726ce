//! The cluster's programs, built from source once per user and version.
//!
//! A build goes to a temporary folder that is renamed when it is whole, so
//! what lies in the cache under its final name always works.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::command::run;
use crate::error::{Error, FileContext, Result};
use crate::files;
use crate::lock;
use crate::paths::Checkout;
use crate::progress::Progress;

const KUBERNETES_VERSION: &str = "1.35.4";
const KWOK: &str = "sigs.k8s.io/kwok/cmd/kwok@v0.7.0";
const KWOK_FOLDER: &str = "kwok-v0.7.0";

/// The names under which the one program is a component.
const COMPONENTS: [&str; 9] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
    "helm",
    "etcd",
    "coredns",
];

/// A folder of programs, whole.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    folder: PathBuf,
    hash: String,
}

impl Binaries {
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Of everything that went into the build.
    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }

    /// Those of a cluster that runs already.
    pub(crate) fn at(folder: PathBuf) -> Self {
        let hash = folder
            .file_name()
            .and_then(|name| name.to_str()?.strip_prefix("kubernetes-"))
            .unwrap_or_default()
            .to_owned();
        Self { folder, hash }
    }

    /// Finds the programs of this checkout in the cache or builds them.
    pub(crate) fn ensure(checkout: &Checkout, progress: &Progress) -> Result<Self> {
        let hash = hash_of_sources(&checkout.kubernetes())?;
        let folder = cache()?.join(format!("kubernetes-{hash}"));
        cached(&folder, progress, |building| {
            progress.step(format!(
                "building Kubernetes {KUBERNETES_VERSION} (once per version, 5 minutes on two cores)"
            ));
            build_kubernetes(&checkout.kubernetes(), building)
        })?;
        let binaries = Self { folder, hash };
        binaries.link_into(checkout)?;
        Ok(binaries)
    }

    fn link_into(&self, checkout: &Checkout) -> Result<()> {
        for name in COMPONENTS {
            files::link(&self.program(name), &checkout.bin().join(name))?;
        }
        Ok(())
    }
}

/// The program that plays fake nodes; built when it is first asked for.
pub(crate) fn kwok(checkout: &Checkout, progress: &Progress) -> Result<PathBuf> {
    let folder = cache()?.join(KWOK_FOLDER);
    cached(&folder, progress, |building| {
        progress.step("building kwok (once, 2 minutes on two cores)");
        let mut command = go(&checkout.kubernetes());
        command.env("GOBIN", building).arg("install");
        run(command.args(["-buildvcs=false", "-trimpath", "-ldflags=-s -w", KWOK]))?;
        Ok(())
    })?;
    let program = folder.join("kwok");
    files::link(&program, &checkout.bin().join("kwok"))?;
    Ok(program)
}

fn go(sources: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(sources).env("CGO_ENABLED", "0");
    command
}

fn linker_flags() -> String {
    let version = format!("v{KUBERNETES_VERSION}");
    let mut parts = KUBERNETES_VERSION.split('.');
    let major = parts.next().unwrap_or_default();
    let minor = parts.next().unwrap_or_default();
    // Clients and servers compare these; an unstamped build calls itself 0.0.
    let mut flags = String::from("-s -w");
    for package in [
        "k8s.io/component-base/version",
        "k8s.io/client-go/pkg/version",
    ] {
        flags.push_str(&format!(
            " -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
        ));
    }
    flags
}

fn build_kubernetes(sources: &Path, building: &Path) -> Result<()> {
    let build = |package: &str, to: &str, linker_flags: &str| {
        run(go(sources)
            .args([
                "build",
                "-buildvcs=false",
                "-trimpath",
                "-ldflags",
                linker_flags,
                "-o",
            ])
            .arg(building.join(to))
            .arg(package))
    };
    build(".", "kubernetes", &linker_flags())?;
    build("./pause", "pause", "-s -w")?;
    for name in COMPONENTS {
        files::link(Path::new("kubernetes"), &building.join(name))?;
    }
    Ok(())
}

fn hash_of_sources(sources: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    for name in ["go.mod", "go.sum", "main.go", "pause/main.go"] {
        let path = sources.join(name);
        hash.update(name);
        hash.update(fs::read(&path).on("read", &path)?);
    }
    hash.update(linker_flags());
    Ok(hex(&hash.finalize())[..16].to_owned())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn cache() -> Result<PathBuf> {
    let folder = |name: &str| env::var_os(name).filter(|set| !set.is_empty());
    match (folder("XDG_CACHE_HOME"), folder("HOME")) {
        (Some(cache), _) => Ok(PathBuf::from(cache).join("worldkeeper")),
        (None, Some(home)) => Ok(PathBuf::from(home).join(".cache/worldkeeper")),
        (None, None) => Err(Error::unmet(
            "no folder for built programs is known",
            "set HOME or XDG_CACHE_HOME",
        )),
    }
}

/// Makes sure that `folder` is there, by `build` into a temporary one if need
/// be. Two checkouts that want the same do not build it twice.
fn cached(folder: &Path, progress: &Progress, build: impl Fn(&Path) -> Result<()>) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let beside = |suffix: &str| PathBuf::from(format!("{}.{suffix}", folder.display()));
    let lock_file = beside("lock");
    let _lock = lock::acquire(&lock_file, "worldkeeper-cluster build", progress)?;
    if folder.is_dir() {
        return Ok(());
    }
    let building = beside("building");
    files::remove(&building)?;
    files::create_folder(&building)?;
    build(&building).map_err(|failed| match failed {
        Error::Start { source, .. } => Error::unmet(
            format!("Go is needed to build Kubernetes and cannot be started ({source})"),
            "install Go 1.25 or newer from https://go.dev/dl and put it on PATH",
        ),
        other => other,
    })?;
    fs::rename(&building, folder).on("rename to", folder)?;
    progress.step(format!("built {}", folder.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(folder: &Path) {
        for name in ["go.mod", "go.sum", "main.go", "pause/main.go"] {
            files::write(&folder.join(name), name).expect("a source");
        }
    }

    #[test]
    fn the_hash_follows_every_source() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        sources(folder.path());
        let first = hash_of_sources(folder.path()).expect("a hash");
        assert_eq!(first.len(), 16);
        assert_eq!(first, hash_of_sources(folder.path()).expect("the same"));
        for name in ["go.mod", "go.sum", "main.go", "pause/main.go"] {
            sources(folder.path());
            files::write(&folder.path().join(name), "changed").expect("a change");
            let changed = hash_of_sources(folder.path()).expect("a hash");
            assert_ne!(first, changed, "{name}");
        }
    }

    #[test]
    fn a_failed_build_leaves_nothing_that_looks_whole() {
        let cache = tempfile::tempdir().expect("a temporary folder");
        let folder = cache.path().join("programs");
        let progress = Progress::new();
        let failed = cached(&folder, &progress, |building| {
            files::write(&building.join("half"), "a program")?;
            Err(Error::unmet("a failure", "no remedy"))
        });
        assert!(failed.is_err() && !folder.exists());
        cached(&folder, &progress, |building| {
            assert!(!building.join("half").exists(), "leftovers are gone");
            files::write(&building.join("whole"), "a program")
        })
        .expect("built");
        assert!(folder.join("whole").is_file());
        cached(&folder, &progress, |_| panic!("built twice")).expect("found");
    }
}
