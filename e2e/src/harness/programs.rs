//! The project's own programs on this machine, built beside this one.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// Environment variable with the folder of the programs, where they are not beside this one.
const FOLDER: &str = "WORLDKEEPER_BIN_DIR";

/// The path of a program of this workspace.
///
/// # Errors
/// When it has not been built.
pub(crate) fn find(name: &str) -> Result<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    if let Some(given) = env::var_os(FOLDER) {
        folders.push(given.into());
    } else {
        // Optimised ones first: what is measured and what is loaded runs as it would in earnest.
        folders.push(crate::install::checkout::target()?.join("release"));
        let own = env::current_exe().context("cannot find this program itself")?;
        folders.extend(own.parent().map(PathBuf::from));
    }
    let found = folders
        .iter()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    match found {
        Some(path) => Ok(path),
        None => bail!("{name} has not been built: run `cargo build --release --workspace --bins`"),
    }
}
