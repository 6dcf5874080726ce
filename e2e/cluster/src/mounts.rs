//! Mounts that pods and containerd leave behind.

use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};

use crate::error::{FileContext, Result};
use crate::files;

/// Unmounts everything at or below `folder`, the newest first.
pub(crate) fn release(folder: &Path) -> Result<()> {
    let table = files::read(Path::new("/proc/self/mountinfo"))?;
    for mount in below(&table, folder) {
        // Detached: whoever still has a file open keeps it, nobody else sees it.
        umount2(&mount, MntFlags::MNT_DETACH)
            .map_err(Into::into)
            .on("unmount", &mount)?;
    }
    Ok(())
}

fn below(table: &str, folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|path| PathBuf::from(unescape(path)))
        .filter(|path| path.starts_with(folder))
        .collect();
    found.reverse();
    found
}

/// The kernel writes blanks and backslashes as octal numbers.
fn unescape(path: &str) -> String {
    path.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_is_released_and_the_newest_first() {
        let table = "\
1 0 8:1 / / rw - ext4 /dev/vda rw
2 1 0:5 / /state/node\\0401/a rw shared:3 - tmpfs tmpfs rw
3 2 0:6 / /state/node\\0401/a/b rw - tmpfs tmpfs rw
4 1 0:7 / /state/node rw - tmpfs tmpfs rw
5 1 0:8 / /statement rw - tmpfs tmpfs rw
";
        let check = |folder: &str, expect: &[&str]| {
            let expect: Vec<PathBuf> = expect.iter().map(PathBuf::from).collect();
            assert_eq!(below(table, Path::new(folder)), expect, "{folder}");
        };
        check("/state/node 1", &["/state/node 1/a/b", "/state/node 1/a"]);
        check(
            "/state",
            &["/state/node", "/state/node 1/a/b", "/state/node 1/a"],
        );
        check("/elsewhere", &[]);
    }
}
