//! Every refusal, from the token or from the request around it.

use std::time::Duration;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No token was presented.
    #[error("no token was presented")]
    Missing,
    /// The token is malformed, expired or revoked, or the roles changed.
    #[error("the token is refused: {0}")]
    Invalid(Reason),
    /// Two `Authorization` headers, or two cookies of one name.
    #[error("the request presents more than one credential of a kind")]
    Ambiguous,
    /// A page of another site may have sent the request.
    #[error("the request may come from a page of another site")]
    Csrf,
    /// A role is missing.
    #[error("a role is missing")]
    Forbidden,
    /// The verifier does not know what was revoked of late.
    #[error("the verifier is stale")]
    Stale {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The verifier has not caught up yet.
    #[error("the verifier is starting")]
    Starting {
        /// When to ask again.
        retry_after: Duration,
    },
}

/// Why a token is refused: for logs and tests, never in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Not a token.
    #[error("not a token")]
    Malformed,
    /// It carries no `csrf` claim, so it was not made for a cookie.
    #[error("it was not made for a cookie")]
    NotForCookies,
}

impl Error {
    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Missing | Self::Invalid(_) => 401,
            Self::Ambiguous => 400,
            Self::Csrf | Self::Forbidden => 403,
            Self::Stale { .. } | Self::Starting { .. } => 503,
        }
    }

    /// The last part of the problem type `urn:portcullis:<slug>`.
    #[must_use]
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::Missing => "token-missing",
            Self::Invalid(_) => "token-invalid",
            Self::Ambiguous => "bad-request",
            Self::Csrf => "csrf",
            Self::Forbidden => "forbidden",
            Self::Stale { .. } => "verifier-stale",
            Self::Starting { .. } => "verifier-starting",
        }
    }

    /// How long to wait before the same request may succeed.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Stale { retry_after } | Self::Starting { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}
