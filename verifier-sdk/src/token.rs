//! Access tokens, read strictly (RFC 9068; RFC 8725 and its revision).
//!
//! One decoder for the verifiers and for the session service. It knows nothing of revocations: what
//! it gives is a token that the issuer signed, meant for this audience, at this time.

mod claims;

use crate::error::Reason;
use claims::Claims;
use ed25519_dalek::VerifyingKey;
use revocation_events::jws::{self, Unverified};
use revocation_events::{KeyId, Position, SessionId, UnixMillis, UserId, strict_json};
use std::fmt;
use std::time::Duration;

/// The `typ` of an access token (RFC 9068, section 2.1), compared exactly.
pub const TYP: &str = "at+jwt";

/// The longest token that is read, in bytes; looked at before anything is decoded.
pub const MAX_LEN: usize = 4 * 1024;

/// How far the issuer's clock and this one may differ: a token is taken until `exp` plus this, and
/// from `nbf` and `iat` minus this (RFC 7519, section 4.1.4).
pub const LEEWAY: Duration = Duration::from_secs(5);

/// The longest lifetime that is accepted unless set otherwise.
pub const DEFAULT_MAX_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// The most roles that a token may carry.
pub const MAX_ROLES: usize = 32;

/// What a token must say to be for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The issuer, compared as text (RFC 9068, section 4).
    pub issuer: String,
    /// Our name in `aud`.
    pub audience: String,
    /// The most that `exp` may lie after `iat`.
    pub max_lifetime: Duration,
}

impl Expected {
    /// Tokens of `issuer` for `audience` that live at most [`DEFAULT_MAX_LIFETIME`].
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            max_lifetime: DEFAULT_MAX_LIFETIME,
        }
    }
}

/// To whom the token was delivered: the claim `client_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientId {
    /// A browser, by cookie.
    Web,
    /// An app, in the body.
    App,
}

impl ClientId {
    /// As the claim has it: `web` or `app`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::App => "app",
        }
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An access token whose signature, type, issuer, audience and times are right.
///
/// Whether it was revoked is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    user_id: UserId,
    session_id: SessionId,
    position: Position,
    issued_at: UnixMillis,
    expires_at: UnixMillis,
    auth_time: UnixMillis,
    not_before: UnixMillis,
    client_id: ClientId,
    jti: String,
    roles: Vec<String>,
    csrf: Option<[u8; 32]>,
    kid: KeyId,
}

impl AccessToken {
    /// Reads `text`. The size, the shape, the header, the claims and the times are looked at first;
    /// `key` is asked only for a token in which all of them are right, and the signature is checked
    /// last. So [`Reason::UnknownKey`] means that a key set with that key would make it good, or
    /// that somebody made it up.
    ///
    /// # Errors
    /// The first [`Reason`] in that order.
    pub fn decode(
        text: &str,
        expected: &Expected,
        now: UnixMillis,
        key: impl FnOnce(&KeyId) -> Option<VerifyingKey>,
    ) -> Result<Self, Reason> {
        Self::read(text, expected, Some(now), key)
    }

    /// As [`decode`](Self::decode), for whoever has no clock to trust: good now, before or later. See
    /// [`check_time`](Self::check_time).
    ///
    /// # Errors
    /// As there.
    pub fn decode_at_any_time(
        text: &str,
        expected: &Expected,
        key: impl FnOnce(&KeyId) -> Option<VerifyingKey>,
    ) -> Result<Self, Reason> {
        Self::read(text, expected, None, key)
    }

    /// As [`decode`](Self::decode). Without `now`, for whoever has no clock to trust: good now, before
    /// or later.
    pub(crate) fn read(
        text: &str,
        expected: &Expected,
        now: Option<UnixMillis>,
        key: impl FnOnce(&KeyId) -> Option<VerifyingKey>,
    ) -> Result<Self, Reason> {
        let unverified = Unverified::parse(text, TYP, MAX_LEN)?;
        let claims: Claims<'_> =
            strict_json::object(unverified.payload()).map_err(|_| Reason::Claims)?;
        let token = claims.accept(expected, now, unverified.kid())?;
        let key = key(unverified.kid()).ok_or(Reason::UnknownKey)?;
        unverified.verify(&key)?;
        Ok(token)
    }

    /// Whether its time is `now`, with the [leeway](LEEWAY).
    ///
    /// # Errors
    /// [`Reason::Expired`] after `exp`; [`Reason::NotYetValid`] before `iat`, `auth_time` or `nbf`.
    pub fn check_time(&self, now: UnixMillis) -> Result<(), Reason> {
        if self.is_expired(now) {
            return Err(Reason::Expired);
        }
        let latest = self.issued_at.max(self.auth_time).max(self.not_before);
        if latest > now.plus(LEEWAY) {
            return Err(Reason::NotYetValid);
        }
        Ok(())
    }

    /// Whether `exp` and the [leeway](LEEWAY) have passed.
    #[must_use]
    pub fn is_expired(&self, now: UnixMillis) -> bool {
        now >= self.dies_at()
    }

    /// `exp` and the [leeway](LEEWAY).
    pub(crate) fn dies_at(&self) -> UnixMillis {
        self.expires_at.plus(LEEWAY)
    }

    /// Whose token it is: `sub`.
    #[must_use]
    pub const fn user_id(&self) -> UserId {
        self.user_id
    }

    /// The session that it belongs to: `sid`.
    #[must_use]
    pub const fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// The head of the log when its claims were read: `pos`. Revocations above it kill the token.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// When it was minted: `iat`.
    #[must_use]
    pub const fn issued_at(&self) -> UnixMillis {
        self.issued_at
    }

    /// When it ends: `exp`.
    #[must_use]
    pub const fn expires_at(&self) -> UnixMillis {
        self.expires_at
    }

    /// When its user last proved who they are: `auth_time`.
    #[must_use]
    pub const fn auth_time(&self) -> UnixMillis {
        self.auth_time
    }

    /// To whom it was delivered: `client_id`.
    #[must_use]
    pub const fn client_id(&self) -> ClientId {
        self.client_id
    }

    /// Its own name: `jti`, 1 to 128 printable ASCII characters.
    #[must_use]
    pub fn jti(&self) -> &str {
        &self.jti
    }

    /// The roles of its user when it was minted, at most [`MAX_ROLES`].
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// The SHA-256 of the session's CSRF value: `csrf`. Only a token that was delivered by cookie
    /// has it.
    #[must_use]
    pub const fn csrf(&self) -> Option<&[u8; 32]> {
        self.csrf.as_ref()
    }

    /// The key that signed it.
    #[must_use]
    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }
}

impl From<jws::Error> for Reason {
    fn from(error: jws::Error) -> Self {
        match error {
            jws::Error::TooLong => Self::TooLong,
            jws::Error::Header => Self::Header,
            jws::Error::Signature => Self::Signature,
            _ => Self::Malformed,
        }
    }
}
