//! What a good token says about its holder.

use crate::token::{AccessToken, ClientId};
use revocation_events::{Position, SessionId, UnixMillis, UserId};
use std::fmt;
use std::sync::Arc;

/// Whom a token that was accepted belongs to. Cheap to clone.
#[derive(Clone)]
pub struct Session(Arc<Handle>);

/// What is counted when a session is cloned. One thread's requests count on one handle, another's on
/// another: threads that count on the same wait for each other's memory. What nearly every handler asks
/// for lies beside the count, so that it is there when it is asked for.
struct Handle {
    user_id: UserId,
    session_id: SessionId,
    verified: Arc<Verified>,
}

/// What was verified: once, for all threads.
struct Verified {
    token: AccessToken,
    key: [u8; 32],
}

impl Session {
    /// `key` is what the token was signed by.
    pub(crate) fn new(token: AccessToken, key: [u8; 32]) -> Self {
        Self::of(Arc::new(Verified { token, key }))
    }

    fn of(verified: Arc<Verified>) -> Self {
        Self(Arc::new(Handle {
            user_id: verified.token.user_id(),
            session_id: verified.token.session_id(),
            verified,
        }))
    }

    /// The same session, counted apart from this one.
    pub(crate) fn apart(&self) -> Self {
        Self::of(Arc::clone(&self.0.verified))
    }

    /// How many hold this one, and count on it.
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    #[cfg(test)]
    pub(crate) fn is_counted_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// What it takes in memory, in bytes, with two handles: estimated from above.
    pub(crate) fn size(&self) -> usize {
        /// Counters, and what the allocator adds to a block.
        const BLOCK: usize = 32;
        let token = self.token();
        let roles = token
            .roles()
            .iter()
            .map(|role| role.len() + size_of::<String>() + BLOCK);
        let texts = token.jti().len() + token.kid().as_str().len();
        size_of::<Verified>() + texts + roles.sum::<usize>() + 2 * size_of::<Handle>() + 6 * BLOCK
    }

    /// The user: `sub`.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        self.0.user_id
    }

    /// The session: `sid`. It stays the same over refreshes.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.0.session_id
    }

    /// The roles of the user when the token was minted. A change of roles revokes the token, so
    /// they are as recent as everything else that a fresh verifier says.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        self.token().roles()
    }

    /// Whether the user has this role, compared exactly.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().iter().any(|have| have == role)
    }

    /// How the token was delivered: to a browser or to an app.
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.token().client_id()
    }

    /// When the token ends; the session may go on with another.
    #[must_use]
    pub fn expires_at(&self) -> UnixMillis {
        self.token().expires_at()
    }

    /// When the user last proved who they are. Compare it before what must not be done with a
    /// stolen phone (RFC 9470).
    #[must_use]
    pub fn auth_time(&self) -> UnixMillis {
        self.token().auth_time()
    }

    /// The position that the token was minted at.
    #[must_use]
    pub fn position(&self) -> Position {
        self.token().position()
    }

    /// The token's own name: `jti`. For logs, where the token itself must never be.
    #[must_use]
    pub fn token_id(&self) -> &str {
        self.token().jti()
    }

    /// The SHA-256 of the session's CSRF value, where the token was delivered by cookie.
    #[must_use]
    pub fn csrf_hash(&self) -> Option<&[u8; 32]> {
        self.token().csrf()
    }

    pub(crate) fn token(&self) -> &AccessToken {
        &self.0.verified.token
    }

    /// The key that signed the token.
    pub(crate) fn key(&self) -> &[u8; 32] {
        &self.0.verified.key
    }
}

impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        self.token() == other.token()
    }
}

impl Eq for Session {}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(self.token()).finish()
    }
}
