//! One command at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::error::{FileContext, Result};
use crate::files;
use crate::progress::Progress;

/// Held until dropped, or until this process ends in whatever way.
pub(crate) struct Lock {
    _file: File,
}

/// Waits for whoever holds the lock, and says who that is.
pub(crate) fn acquire(path: &Path, purpose: &str, progress: &Progress) -> Result<Lock> {
    if let Some(folder) = path.parent() {
        files::create_folder(folder)?;
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .on("open", path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            progress.step(format!("waiting for {}", holder.trim()));
            file.lock().on("lock", path)?;
        }
        Err(TryLockError::Error(failed)) => return Err(failed).on("lock", path),
    }
    // Who holds it is only a courtesy to those who wait.
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "`{purpose}` (process {})", std::process::id()));
    Ok(Lock { _file: file })
}
