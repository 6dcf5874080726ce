//! Errors of a reconcile, and what is done about each.

use crate::{agent::CommandError, queue::Next};

/// Why a reconcile did not get to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server's or the connection's.
    #[error("could not {what}: {}", words(source))]
    Api {
        /// What was being done.
        what: &'static str,
        /// The client's error.
        source: kube::Error,
    },
    /// The game server's.
    #[error(transparent)]
    Agent(#[from] CommandError),
    /// The object is not what its type says.
    #[error("could not {what}: {source}")]
    Malformed {
        /// What was being read or written.
        what: &'static str,
        /// The parser's error.
        source: serde_json::Error,
    },
    /// This process may have lost its leadership; nothing irreversible is done then.
    #[error("not certain to be the leader")]
    NotLeading,
}

/// The API server's own words, without the client's dump of the whole answer.
fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

impl Error {
    /// A finite word for metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Api { source, .. } => match source {
                kube::Error::Api(status) => match status.code {
                    404 => "not_found",
                    409 => "conflict",
                    403 => "forbidden",
                    400 | 422 => "invalid",
                    429 => "throttled",
                    _ => "api",
                },
                _ => "network",
            },
            Self::Agent(error) => error.category(),
            Self::Malformed { .. } => "malformed",
            Self::NotLeading => "not_leading",
        }
    }

    /// When the object is looked at again.
    #[must_use]
    pub fn next(&self) -> Next {
        match self.category() {
            "conflict" | "not_found" => Next::Conflict,
            _ => Next::Backoff,
        }
    }
}

/// Names what was being done when a call failed.
pub trait During<T> {
    /// Names what was being done.
    ///
    /// # Errors
    /// The same, with its name.
    fn during(self, what: &'static str) -> Result<T, Error>;
}

impl<T> During<T> for Result<T, kube::Error> {
    fn during(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Api { what, source })
    }
}

impl<T> During<T> for Result<T, serde_json::Error> {
    fn during(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Malformed { what, source })
    }
}

/// Takes "it is not there" for an answer: what was to be removed is gone.
///
/// # Errors
/// Any other error.
pub fn unless_gone<T>(result: Result<T, kube::Error>) -> Result<Option<T>, kube::Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
