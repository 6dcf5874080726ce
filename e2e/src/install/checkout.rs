//! The checkout of the project that this program works for.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The checkout around the working folder, or else the one that this program was built in.
///
/// # Errors
/// When there is neither.
pub(crate) fn root() -> Result<PathBuf> {
    let starts = [env::current_dir().ok(), env::current_exe().ok()];
    starts
        .iter()
        .flatten()
        .flat_map(|start| start.ancestors())
        .find(|folder| folder.join("charts/worldkeeper/Chart.yaml").is_file())
        .map(Path::to_path_buf)
        .context("no checkout of Worldkeeper around the working folder: run this inside of one")
}

/// Where cargo puts what it builds.
///
/// # Errors
/// As [`root`].
pub(crate) fn target() -> Result<PathBuf> {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => Ok(env::current_dir()?.join(folder)),
        None => Ok(root()?.join("target")),
    }
}
