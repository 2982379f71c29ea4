//! Every way in which a request is refused, and what each looks like over HTTP.

use std::time::Duration;

/// Why a token, or the request around it, was not accepted.
///
/// A stranger learns [`status`](Self::status) and [`slug`](Self::slug) and nothing else: one slug
/// stands for malformed, expired and revoked alike. The [`Reason`] is this error's
/// [`source`](std::error::Error::source), for logs and tests.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request carries no token.
    #[error("no token was presented")]
    Missing,
    /// The token is malformed, expired, revoked, or from before its user's roles changed. The
    /// client should refresh once and repeat once.
    #[error("the token is not accepted")]
    Invalid(#[source] Reason),
    /// Two `Authorization` headers, or two cookies of one name: which one is meant cannot be known.
    #[error("the request carries two credentials where one is meant")]
    Ambiguous,
    /// All cookies together have more than 8 KiB. A browser holds so many only where a page of a sister
    /// domain has planted them.
    #[error("the request carries more cookies than are read")]
    TooManyCookies,
    /// A request with a cookie did not prove that the application's own page sent it.
    #[error("the request did not prove that it comes from the application's own page")]
    Csrf,
    /// The token is good, and its holder lacks the role that the route wants.
    #[error("a role is missing")]
    Forbidden,
    /// The verifier has no proof that its view of the revocations is recent enough. The token may
    /// be good: the client should wait and repeat, and never log its user out.
    #[error("the verifier's view of the revocations is too old")]
    Stale {
        /// When to repeat.
        retry_after: Duration,
    },
    /// The verifier has not caught up since its start, or has yet to ask the issuer for the key
    /// that signed this token.
    #[error("the verifier is not ready for this token")]
    Starting {
        /// When to repeat.
        retry_after: Duration,
    },
}

impl Error {
    /// The HTTP status that says it.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Missing | Self::Invalid(_) => 401,
            Self::Ambiguous | Self::TooManyCookies => 400,
            Self::Csrf | Self::Forbidden => 403,
            Self::Stale { .. } | Self::Starting { .. } => 503,
        }
    }

    /// The last part of the problem type `urn:portcullis:<slug>` (RFC 9457, section 3.1.1).
    #[must_use]
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::Missing => "token-missing",
            Self::Invalid(_) => "token-invalid",
            Self::Ambiguous | Self::TooManyCookies => "bad-request",
            Self::Csrf => "csrf",
            Self::Forbidden => "forbidden",
            Self::Stale { .. } => "verifier-stale",
            Self::Starting { .. } => "verifier-starting",
        }
    }

    /// For the header `Retry-After`: when to repeat, where waiting helps.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Stale { retry_after } | Self::Starting { retry_after } => Some(*retry_after),
            Self::Missing
            | Self::Invalid(_)
            | Self::Ambiguous
            | Self::TooManyCookies
            | Self::Csrf
            | Self::Forbidden => None,
        }
    }
}

/// Why a token was refused. For logs and tests only: in an answer it would tell an attacker what
/// to try next.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    /// More than [`MAX_LEN`](crate::token::MAX_LEN) bytes.
    #[error("longer than 4 KiB")]
    TooLong,
    /// Not three parts of unpadded base64url, or not strict JSON inside.
    #[error("not a compact JWS")]
    Malformed,
    /// `alg` or `typ` is another than an access token's, `kid` is missing, or the header selects a
    /// key or an extension.
    #[error("a header that is not an access token's")]
    Header,
    /// A claim is missing, of the wrong type or out of its bounds.
    #[error("claims that are not an access token's")]
    Claims,
    /// Minted by another issuer.
    #[error("of another issuer")]
    Issuer,
    /// Meant for somebody else.
    #[error("for another audience")]
    Audience,
    /// `exp` has passed.
    #[error("expired")]
    Expired,
    /// `nbf`, `iat` or `auth_time` lies in the future.
    #[error("not valid yet; compare this machine's clock with the issuer's")]
    NotYetValid,
    /// `exp` is not after `iat`, or too long after it.
    #[error("of a lifetime that is not allowed; compare max_lifetime with the issuer's access TTL")]
    Lifetime,
    /// All is right but the signature, which names a key that is not known.
    #[error("signed by a key that is not known")]
    UnknownKey,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// The key that signed it was revoked.
    #[error("signed by a key that was revoked")]
    KeyRevoked,
    /// Its session, its user or everyone was revoked after it was minted.
    #[error("revoked")]
    Revoked,
    /// Its user's roles changed after it was minted: an ordinary refresh gives a new token.
    #[error("from before its user's roles changed")]
    RolesChanged,
    /// Its position is below the floor: too old for revocations to be known about it.
    #[error("too old for its revocations to be known")]
    BelowFloor,
    /// Presented in a cookie, and it has no claim `csrf`: it was delivered another way.
    #[error("presented in a cookie, but not delivered by cookie")]
    NotForCookies,
    /// The service, asked by introspection, says that it is not active.
    #[error("not active, says the session service")]
    Inactive,
}

impl Reason {
    /// Whether the clock of this machine is what speaks against the token.
    pub(crate) const fn is_by_the_clock(self) -> bool {
        matches!(self, Self::Expired | Self::NotYetValid)
    }
}

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        Self::Invalid(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn a_stranger_cannot_tell_one_refused_token_from_another() {
        let answers: std::collections::HashSet<_> = [
            Reason::Malformed,
            Reason::Expired,
            Reason::Revoked,
            Reason::RolesChanged,
        ]
        .map(|reason| {
            let error = Error::from(reason);
            assert_eq!(error.source().unwrap().to_string(), reason.to_string());
            (error.to_string(), error.status(), error.slug())
        })
        .into();
        assert_eq!(answers.len(), 1);
    }

    #[test]
    fn only_waiting_errors_say_when_to_come_back() {
        let retry_after = Duration::from_secs(1);
        for error in [
            Error::Stale { retry_after },
            Error::Starting { retry_after },
        ] {
            assert_eq!(
                (error.status(), error.retry_after()),
                (503, Some(retry_after))
            );
        }
        assert_eq!(Error::Missing.retry_after(), None);
    }
}
