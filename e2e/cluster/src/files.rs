//! Files that are either whole or not there.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::{Error, FileContext, Result};

/// Replaces the file in one step, readable by its owner alone.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    create_folder(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).on("write", path)?;
    file.write_all(content.as_ref()).on("write", path)?;
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(0o600))
        .on("write", path)?;
    file.persist(path)
        .map_err(|failed| failed.error)
        .on("write", path)?;
    Ok(())
}

pub(crate) fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).on("create", path)
}

pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).on("read", path)
}

/// Removes the folder or file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(missing) => Err(missing),
    };
    match removed {
        Err(failed) if failed.kind() != std::io::ErrorKind::NotFound => {
            Err(failed).on("remove", path)
        }
        _ => Ok(()),
    }
}

/// Makes `link` point at `target`, whatever was there before.
pub(crate) fn link(target: &Path, link: &Path) -> Result<()> {
    if fs::read_link(link).is_ok_and(|current| current == target) {
        return Ok(());
    }
    if let Some(folder) = link.parent() {
        create_folder(folder)?;
    }
    remove(link)?;
    std::os::unix::fs::symlink(target, link).on("link", link)
}

/// Replaces every `${name}` of a template. A name that is not given is a
/// mistake in this program, and reported as such.
pub(crate) fn render(template: &str, values: &[(&str, &str)]) -> Result<String> {
    let mut rendered = template.to_owned();
    for (name, value) in values {
        rendered = rendered.replace(&format!("${{{name}}}"), value);
    }
    match rendered.find("${") {
        None => Ok(rendered),
        Some(at) => Err(Error::unmet(
            format!(
                "a template has no value for {}",
                rendered[at..].lines().next().unwrap_or_default()
            ),
            "this is a mistake in worldkeeper-cluster itself",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_replaced_or_reported() {
        let check = |template: &str, expect: Option<&str>| {
            let rendered = render(template, &[("a", "1"), ("b", "2")]).ok();
            assert_eq!(rendered.as_deref(), expect, "{template}");
        };
        check("plain", Some("plain"));
        check("${a} and ${b} and ${a}", Some("1 and 2 and 1"));
        check("${a} ${c}", None);
    }

    #[test]
    fn a_written_file_replaces_the_old_one_and_is_private() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("deep/er/file");
        write(&path, "old").expect("written");
        write(&path, "new").expect("written again");
        assert_eq!(read(&path).expect("read"), "new");
        let mode = fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_link_replaces_folders_and_other_links() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = folder.path().join("link");
        fs::create_dir_all(at.join("inner")).expect("a folder in the way");
        link(Path::new("/one"), &at).expect("linked");
        link(Path::new("/two"), &at).expect("linked again");
        assert_eq!(fs::read_link(&at).expect("a link"), Path::new("/two"));
    }
}
