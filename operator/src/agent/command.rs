//! Short calls that stop and reopen joins.

use std::time::Duration;

use http::{Method, StatusCode};
use worldkeeper_crds::agent::{AgentStatus, DRAIN_PATH, MAX_STATUS_BYTES};

pub use super::call::Refusal;
use super::{
    Incarnation, KeyError,
    call::{self, CallError},
    index::Shared,
    stream::{self, LineError},
};

/// Longest time of a command, from the start to the whole answer.
pub const TIMEOUT: Duration = Duration::from_secs(3);

/// Why a command failed. Whether it had its effect is then unknown, except after a refusal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The agent has seen a higher term: another process leads, or the agent says so. The Lease is
    /// being read for it.
    #[error("the agent has seen a later leader than that of term {term}")]
    StaleTerm {
        /// The term of the token that was refused.
        term: i64,
    },
    /// The agent refused.
    #[error("the agent refused with {status}: {}", reason.as_str())]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// The reason in its body.
        reason: Refusal,
    },
    /// No answer within [`TIMEOUT`].
    #[error("no answer within {TIMEOUT:?}")]
    Timeout,
    /// The agent could not be reached, or the connection broke.
    #[error("could not reach the agent ({category}): {message}")]
    Unreachable {
        /// Finite reason.
        category: &'static str,
        /// For people.
        message: String,
    },
    /// The answer is no status of this incarnation.
    #[error("the answer cannot be used: {reason}")]
    Answer {
        /// Finite reason.
        category: &'static str,
        /// For people.
        reason: String,
    },
    /// There was no token to send.
    #[error(transparent)]
    Key(KeyError),
}

impl CommandError {
    /// Finite reason, fit for a metric's label.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::StaleTerm { .. } => "StaleTerm",
            Self::Refused { reason, .. } => reason.as_str(),
            Self::Timeout => "Timeout",
            Self::Unreachable { category, .. } | Self::Answer { category, .. } => category,
            Self::Key(error) => error.category(),
        }
    }

    fn new(error: CallError, term: i64) -> Self {
        let category = error.category();
        match error {
            CallError::Refused {
                reason: Refusal::StaleTerm,
                ..
            } => Self::StaleTerm { term },
            CallError::Refused { status, reason } => Self::Refused { status, reason },
            CallError::Key(error) => Self::Key(error),
            CallError::TooLong => Self::Answer {
                category,
                reason: format!("it is longer than {MAX_STATUS_BYTES} bytes"),
            },
            error @ (CallError::Connect(_)
            | CallError::ConnectTimeout
            | CallError::HeadTimeout
            | CallError::Http(_)) => Self::Unreachable {
                category,
                message: error.to_string(),
            },
        }
    }
}

impl From<LineError> for CommandError {
    fn from(error: LineError) -> Self {
        Self::Answer {
            category: error.category(),
            reason: error.to_string(),
        }
    }
}

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    StopJoins,
    OpenJoins,
}

impl Command {
    fn as_str(self) -> &'static str {
        match self {
            Self::StopJoins => "StopJoins",
            Self::OpenJoins => "OpenJoins",
        }
    }

    fn method(self) -> Method {
        match self {
            Self::StopJoins => Method::POST,
            Self::OpenJoins => Method::DELETE,
        }
    }
}

/// Calls, counts, and raises doubt about the Lease where there is reason to.
pub(super) async fn send(
    shared: &Shared,
    incarnation: &Incarnation,
    command: Command,
) -> Result<AgentStatus, CommandError> {
    let done = match tokio::time::timeout(TIMEOUT, exchange(shared, incarnation, command)).await {
        Ok(done) => done,
        Err(_) => Err(CommandError::Timeout),
    };
    let outcome = match &done {
        Ok(_) => "Ok",
        Err(error) => error.category(),
    };
    shared.metrics.command(command.as_str(), outcome);
    if matches!(done, Err(CommandError::StaleTerm { .. })) {
        shared.doubt.raise();
    }
    done
}

async fn exchange(
    shared: &Shared,
    incarnation: &Incarnation,
    command: Command,
) -> Result<AgentStatus, CommandError> {
    // Never closed, so never an error.
    let _turn = shared.turns_of_commands.acquire().await;
    let method = command.method();
    let call = call::call(incarnation, &method, DRAIN_PATH, &shared.keys, shared.term);
    let failed = |error| CommandError::new(error, shared.term);
    let body = call.await.map_err(failed)?.whole().await.map_err(failed)?;
    Ok(stream::parse(&body, incarnation)?)
}
