//! Control groups: they bound what a node's pods may use, and they are how
//! every process that the cluster ever started is found again, whatever
//! became of its parents.
//!
//! Works with the first version (one tree per controller) and the second (one
//! tree).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::error::{Error, FileContext, Result};
use crate::files;

/// Holds the groups of all that belongs to the cluster.
pub(crate) const ROOT: &str = "worldkeeper-cluster";

/// A group that processes are put into, relative to [`ROOT`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slice(String);

impl Slice {
    pub(crate) fn control_plane() -> Self {
        Self("control-plane".to_owned())
    }

    /// Everything of the node: its daemons, shims and containers.
    pub(crate) fn node(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The part of a node that is not pods.
    pub(crate) fn daemons_of_node(name: &str) -> Self {
        Self(format!("{name}/daemons"))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cgroups {
    mounts: Vec<PathBuf>,
}

impl Cgroups {
    pub(crate) fn of_machine() -> Result<Self> {
        let mounts = files::read(Path::new("/proc/self/mounts"))?;
        Self::from_mounts(&mounts).ok_or_else(|| {
            Error::unmet(
                "no control groups are mounted",
                "mount them at /sys/fs/cgroup, as systemd does",
            )
        })
    }

    /// Where both versions are mounted, the controllers are with the first, but
    /// containers are put into the second too.
    fn from_mounts(table: &str) -> Option<Self> {
        let mounts: Vec<PathBuf> = table
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(' ').skip(1);
                let (path, kind) = (fields.next()?, fields.next()?);
                matches!(kind, "cgroup" | "cgroup2").then(|| PathBuf::from(path))
            })
            .collect();
        (!mounts.is_empty()).then_some(Self { mounts })
    }

    /// The tree in which daemons are put; pods are in all trees.
    fn tracking(&self) -> &Path {
        self.mounts
            .iter()
            .find(|mount| mount.ends_with("pids"))
            .unwrap_or(&self.mounts[0])
    }

    /// Where a process enters a slice by writing its id.
    pub(crate) fn entrance(&self, slice: &Slice) -> PathBuf {
        self.tracking()
            .join(ROOT)
            .join(&slice.0)
            .join("cgroup.procs")
    }

    /// Makes the slice in every tree.
    pub(crate) fn create(&self, slice: &Slice) -> Result<()> {
        for mount in &self.mounts {
            let mut parent = mount.clone();
            for part in Path::new(ROOT).join(&slice.0).iter() {
                let folder = parent.join(part);
                delegate(&parent)?;
                files::create_folder(&folder)?;
                inherit_cpuset(&parent, &folder)?;
                parent = folder;
            }
        }
        Ok(())
    }

    /// Kills every process of the slice, and waits until they are gone.
    pub(crate) fn kill(&self, slice: &Slice) -> Result<()> {
        self.kill_below(Path::new(&slice.0))
    }

    /// Kills every process of the cluster.
    pub(crate) fn kill_all(&self) -> Result<()> {
        self.kill_below(Path::new(""))
    }

    fn kill_below(&self, below: &Path) -> Result<()> {
        let patience = Duration::from_secs(20);
        let began = Instant::now();
        loop {
            let left = self.processes(below);
            if left.is_empty() {
                return Ok(());
            }
            if began.elapsed() > patience {
                return Err(Error::NotReady {
                    what: "processes are still there".to_owned(),
                    seconds: patience.as_secs(),
                    last: format!("{left:?} survive SIGKILL"),
                    remedy: "they hang in the kernel; restart the machine".to_owned(),
                });
            }
            for pid in left {
                // It may have ended by itself.
                let _ = signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn any_process(&self) -> bool {
        !self.processes(Path::new("")).is_empty()
    }

    fn processes(&self, below: &Path) -> Vec<i32> {
        let mut found: Vec<i32> = self
            .mounts
            .iter()
            .flat_map(|mount| tree(&mount.join(ROOT).join(below)))
            .filter_map(|group| fs::read_to_string(group.join("cgroup.procs")).ok())
            .flat_map(|list| {
                list.lines()
                    .filter_map(|line| line.parse().ok())
                    .collect::<Vec<i32>>()
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Removes the slice from every tree; nothing may live in it any more.
    pub(crate) fn remove(&self, slice: &Slice) -> Result<()> {
        self.remove_below(Path::new(&slice.0))
    }

    pub(crate) fn remove_all(&self) -> Result<()> {
        self.remove_below(Path::new(""))
    }

    fn remove_below(&self, below: &Path) -> Result<()> {
        for mount in &self.mounts {
            for group in tree(&mount.join(ROOT).join(below)) {
                remove_group(&group)?;
            }
        }
        Ok(())
    }
}

/// The group and all below it, children before their parents.
fn tree(group: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(group) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .flat_map(|entry| tree(&entry.path()))
        .collect();
    found.push(group.to_owned());
    found
}

fn remove_group(group: &Path) -> Result<()> {
    // A group stays busy for a moment after its last process ended.
    let mut attempts = 100;
    loop {
        match fs::remove_dir(group) {
            Ok(()) => return Ok(()),
            Err(failed) if failed.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) if attempts > 0 => attempts -= 1,
            Err(failed) => return Err(failed).on("remove", group),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// In the second version, a group's controllers are given on by its parent.
fn delegate(parent: &Path) -> Result<()> {
    let Ok(available) = fs::read_to_string(parent.join("cgroup.controllers")) else {
        return Ok(());
    };
    let control = parent.join("cgroup.subtree_control");
    for controller in available.split_whitespace() {
        fs::write(&control, format!("+{controller}")).on("write", &control)?;
    }
    Ok(())
}

/// In the first version, a new group has no processors and no memory nodes
/// until it is told, and nothing can run in it.
fn inherit_cpuset(parent: &Path, group: &Path) -> Result<()> {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        let (from, to) = (parent.join(name), group.join(name));
        let (Ok(inherited), Ok(own)) = (fs::read_to_string(&from), fs::read_to_string(&to)) else {
            continue;
        };
        if own.trim().is_empty() && !inherited.trim().is_empty() {
            fs::write(&to, inherited.trim()).on("write", &to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_are_tracked_in_one_of_the_mounted_trees() {
        let check = |table: &str, expect: Option<(&[&str], &str)>| {
            let found = Cgroups::from_mounts(table);
            let found = found.as_ref().map(|groups| {
                let mounts: Vec<&str> = groups.mounts.iter().filter_map(|m| m.to_str()).collect();
                (mounts, groups.tracking().to_owned())
            });
            let expect = expect.map(|(mounts, tracking)| (mounts.to_vec(), tracking.into()));
            assert_eq!(found, expect, "{table}");
        };
        check("/dev/vda / ext4 rw 0 0\n", None);
        check(
            "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
            Some((&["/sys/fs/cgroup"], "/sys/fs/cgroup")),
        );
        check(
            "cgroup /c/cpu cgroup rw,cpu 0 0\ncgroup /c/pids cgroup rw,pids 0 0\ncgroup2 /c/unified cgroup2 rw 0 0\n",
            Some((&["/c/cpu", "/c/pids", "/c/unified"], "/c/pids")),
        );
        check(
            "cgroup /c/memory cgroup rw,memory 0 0\n",
            Some((&["/c/memory"], "/c/memory")),
        );
    }

    #[test]
    fn a_tree_lists_children_first() {
        let root = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir_all(root.path().join("a/b")).expect("folders");
        let found = tree(root.path());
        let expect = [
            root.path().join("a/b"),
            root.path().join("a"),
            root.path().into(),
        ];
        assert_eq!(found, expect);
        assert!(tree(Path::new("/no/such/group")).is_empty());
    }
}
