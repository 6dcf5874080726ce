//! Why an agent call is refused.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use thiserror::Error;
use worldkeeper_crds::agent::AgentError;

/// Why an agent call is refused. The words are for people; [`Refusal::reason`] is for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No `Authorization: Bearer …`, or nobody may call here.
    #[error("a bearer token of the operator is needed")]
    TokenMissing,
    /// Not a token, of an unknown key, with a wrong signature or claims that make no sense.
    #[error("the token is not valid: {0}")]
    TokenInvalid(&'static str),
    /// Its time is over.
    #[error("the token has expired")]
    TokenExpired,
    /// It has been used.
    #[error("the token has been used already")]
    TokenReplayed,
    /// It is for another pod.
    #[error("the token is for another pod")]
    WrongAudience,
    /// It is for another world or epoch.
    #[error("the token is for another world or epoch")]
    WrongWorld,
    /// A newer leader has called.
    #[error("a leader of a later term has called; this one's term is over")]
    StaleTerm,
    /// The world is closing.
    #[error("the world is closing")]
    Closing,
    /// Too many tokens or streams at once.
    #[error("too many calls at once; try again later")]
    Overloaded,
}

impl Refusal {
    /// Every reason, for metrics.
    pub const REASONS: [&'static str; 9] = [
        "TokenMissing",
        "TokenInvalid",
        "TokenExpired",
        "TokenReplayed",
        "WrongAudience",
        "WrongWorld",
        "StaleTerm",
        "Closing",
        "Overloaded",
    ];

    /// The finite reason.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::TokenMissing => "TokenMissing",
            Self::TokenInvalid(_) => "TokenInvalid",
            Self::TokenExpired => "TokenExpired",
            Self::TokenReplayed => "TokenReplayed",
            Self::WrongAudience => "WrongAudience",
            Self::WrongWorld => "WrongWorld",
            Self::StaleTerm => "StaleTerm",
            Self::Closing => "Closing",
            Self::Overloaded => "Overloaded",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::TokenMissing
            | Self::TokenInvalid(_)
            | Self::TokenExpired
            | Self::TokenReplayed
            | Self::WrongAudience
            | Self::WrongWorld => StatusCode::UNAUTHORIZED,
            Self::StaleTerm | Self::Closing => StatusCode::CONFLICT,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = AgentError {
            reason: self.reason().to_owned(),
            message: self.to_string(),
        };
        (self.status(), Json(body)).into_response()
    }
}
