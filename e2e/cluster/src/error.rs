//! What can go wrong, each with the thing's name and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

pub(crate) type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("cannot start {program}: {source}")]
    Start { program: String, source: io::Error },
    #[error("`{command}` failed ({status}): {output}")]
    Command {
        command: String,
        status: String,
        output: String,
    },
    #[error("{what} after {seconds} s ({last}); {remedy}")]
    NotReady {
        what: String,
        seconds: u64,
        last: String,
        remedy: String,
    },
    #[error("{what}; {remedy}")]
    Unmet { what: String, remedy: String },
    #[error("cannot make the certificate of {name}: {source}")]
    Certificate { name: String, source: rcgen::Error },
}

impl Error {
    pub(crate) fn unmet(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Unmet {
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// Names the action and the path of a failed file operation.
pub(crate) trait FileContext<T> {
    fn on(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T> FileContext<T> for io::Result<T> {
    fn on(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::File {
            action,
            path: path.to_owned(),
            source,
        })
    }
}
