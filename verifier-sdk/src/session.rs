//! What a good token says about its holder.

use crate::token::{AccessToken, ClientId};
use revocation_events::{Position, SessionId, UnixMillis, UserId};
use std::sync::Arc;

/// Whom a token that was accepted belongs to. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session(Arc<AccessToken>);

impl Session {
    pub(crate) fn new(token: AccessToken) -> Self {
        Self(Arc::new(token))
    }

    /// The user: `sub`.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        self.0.user_id()
    }

    /// The session: `sid`. It stays the same over refreshes.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.0.session_id()
    }

    /// The roles of the user when the token was minted. A change of roles revokes the token, so
    /// they are as recent as everything else that a fresh verifier says.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        self.0.roles()
    }

    /// Whether the user has this role, compared exactly.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().iter().any(|have| have == role)
    }

    /// How the token was delivered: to a browser or to an app.
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.0.client_id()
    }

    /// When the token ends; the session may go on with another.
    #[must_use]
    pub fn expires_at(&self) -> UnixMillis {
        self.0.expires_at()
    }

    /// When the user last proved who they are. Compare it before what must not be done with a
    /// stolen phone (RFC 9470).
    #[must_use]
    pub fn auth_time(&self) -> UnixMillis {
        self.0.auth_time()
    }

    /// The position that the token was minted at.
    #[must_use]
    pub fn position(&self) -> Position {
        self.0.position()
    }

    /// The token's own name: `jti`. For logs, where the token itself must never be.
    #[must_use]
    pub fn token_id(&self) -> &str {
        self.0.jti()
    }

    /// The SHA-256 of the session's CSRF value, where the token was delivered by cookie.
    #[must_use]
    pub fn csrf_hash(&self) -> Option<&[u8; 32]> {
        self.0.csrf()
    }

    pub(crate) fn token(&self) -> &AccessToken {
        &self.0
    }
}
