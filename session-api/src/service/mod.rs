//! The use cases: the pure domain and the store put together.
//!
//! | file | what |
//! | --- | --- |
//! | [`login`] | register, log in |
//! | [`tries`], [`device`] | how many passwords may be tried, and from where |
//! | [`refresh`] | refreshes, committed in groups |
//! | [`revoke`] | everything that takes a position: end sessions, change roles, passwords, disable |
//! | [`revoking`] | how such use cases are committed, in groups |
//! | [`access`] | who is calling: tokens checked against the database |
//! | [`query`] | lists and histories |
//! | [`key_admin`] | the life of keys |
//! | [`housekeeping`] | expiry and pruning |
//!
//! Every use that writes runs in a task of its own ([`Service::detached`], or a writer's): a client that disconnects
//! cancels its handler, and a database call that is cut off half-way can leave a transaction open
//! on a connection that others will use (see [`crate::store`]).

pub(crate) mod access;
pub(crate) mod device;
pub(crate) mod housekeeping;
pub(crate) mod key_admin;
pub(crate) mod login;
pub(crate) mod query;
pub(crate) mod refresh;
pub(crate) mod revoke;
mod revoking;
pub(crate) mod tries;

#[cfg(test)]
pub(crate) mod tests;

use crate::keys::Keys;
use crate::password::{Hasher, Refused};
use crate::relay::Relay;
use crate::session::{Delivery, OpenSession};
use crate::store::{self, Store};
use crate::token::{self, Grant, Issuer, Minted};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use revocation_events::{Position, SessionId, UnixMillis, UserId};
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument as _;
use uuid::Uuid;

/// What an operator sets.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) issuer: Issuer,
    /// How far a refresh moves the end of a session.
    pub(crate) session_ttl: Duration,
    /// The end that no refresh moves.
    pub(crate) session_max_age: Duration,
    /// 0: no limit.
    pub(crate) max_sessions_per_user: u32,
    /// How long events for other programs wait to be published.
    pub(crate) events_max_age: Duration,
}

/// Why a use case did not go through.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Unknown user, wrong password or disabled: nobody is told which.
    #[error("bad credentials")]
    BadCredentials,
    /// No such session, or it has ended: log in again.
    #[error("the session has ended")]
    SessionEnded,
    /// What was shown as a session token is none that a key of this service's signed, or the key
    /// counts no more. The client is told the same as with [`Error::SessionEnded`].
    #[error("not a session token of this service")]
    Forged,
    /// The access token is malformed, expired, revoked or older than a change of roles.
    #[error("the token is not valid")]
    TokenInvalid,
    #[error("there is no such thing, or it is somebody else's")]
    NotFound,
    #[error("the name is taken")]
    NameTaken,
    #[error("not a user name: 1 to 64 letters, digits and marks, without spaces")]
    BadName,
    #[error(transparent)]
    PasswordRefused(#[from] Refused),
    /// Changed by somebody else meanwhile.
    #[error("it was changed meanwhile")]
    Conflict,
    #[error("too much to do")]
    Overloaded,
    #[error(transparent)]
    Store(Arc<store::Error>),
    #[error(transparent)]
    Keys(Arc<crate::keys::Error>),
    #[error("the service is shutting down")]
    ShuttingDown,
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<crate::keys::Error> for Error {
    fn from(error: crate::keys::Error) -> Self {
        Self::Keys(Arc::new(error))
    }
}

impl From<token::Invalid> for Error {
    fn from(invalid: token::Invalid) -> Self {
        match invalid {
            token::Invalid::Forged => Self::Forged,
            token::Invalid::Over => Self::SessionEnded,
        }
    }
}

impl From<crate::password::Overloaded> for Error {
    fn from(_: crate::password::Overloaded) -> Self {
        Self::Overloaded
    }
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// The use cases. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Service {
    inner: Arc<Inner>,
    refreshes: refresh::Queue,
}

struct Inner {
    store: Arc<dyn Store>,
    keys: Arc<Keys>,
    hasher: Hasher,
    relay: Relay,
    settings: Settings,
    revocations: revoking::Queue,
}

/// A session and the tokens for it.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    pub(crate) session_id: SessionId,
    pub(crate) session: OpenSession,
    pub(crate) user_name: String,
    pub(crate) roles: Vec<String>,
    pub(crate) access: Minted,
    pub(crate) session_token: Minted,
    /// Where cookies deliver the tokens.
    pub(crate) csrf_token: Option<String>,
    /// At a login alone.
    pub(crate) device_token: Option<String>,
    /// The database's time of the grant, for lifetimes in seconds.
    pub(crate) now: UnixMillis,
}

impl Service {
    /// Starts the writers. They end with the last clone.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        keys: Arc<Keys>,
        hasher: Hasher,
        relay: Relay,
        settings: Settings,
    ) -> Self {
        let (revocations, commands) = revoking::Queue::new();
        let inner = Arc::new(Inner {
            store,
            keys,
            hasher,
            relay,
            settings,
            revocations,
        });
        tokio::spawn(revoking::write(Arc::downgrade(&inner), commands));
        let refreshes = refresh::Queue::start(&inner);
        Self { inner, refreshes }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    pub(crate) fn relay(&self) -> &Relay {
        &self.inner.relay
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.inner.store
    }

    /// Runs `work` to its end, whatever becomes of the caller.
    async fn detached<T, F>(&self, work: impl FnOnce(Arc<Inner>) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let work = work(self.inner.clone()).in_current_span();
        match tokio::spawn(work).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(Error::ShuttingDown),
        }
    }
}

/// A session and its user in one snapshot, from which tokens are minted.
struct Snapshot<'a> {
    id: SessionId,
    session: &'a OpenSession,
    user_name: &'a str,
    roles: &'a [String],
    /// From the same snapshot or an older one.
    position: Position,
    now: UnixMillis,
    /// The access token ends no later, where there is such a time.
    until: Option<UnixMillis>,
}

impl Inner {
    fn grant(&self, snapshot: &Snapshot<'_>) -> Granted {
        let ring = self.keys.ring();
        let csrf_token = self.csrf_token(snapshot.id, snapshot.session.delivery);
        let grant = Grant {
            session_id: snapshot.id,
            session: snapshot.session,
            roles: snapshot.roles,
            position: snapshot.position,
            now: snapshot.now,
            until: snapshot.until,
        };
        let issuer = &self.settings.issuer;
        Granted {
            session_id: snapshot.id,
            session: snapshot.session.clone(),
            user_name: snapshot.user_name.to_owned(),
            roles: snapshot.roles.to_vec(),
            access: issuer.access_token(grant, csrf_token.as_deref(), Uuid::new_v4(), &ring),
            session_token: issuer.session_token(grant, Uuid::new_v4(), &ring),
            csrf_token,
            device_token: None,
            now: snapshot.now,
        }
    }

    fn csrf_token(&self, session: SessionId, delivery: Delivery) -> Option<String> {
        if delivery != Delivery::Cookie {
            return None;
        }
        let ring = self.keys.ring();
        let today = ring.csrf_values(session).next();
        today.map(|mac| URL_SAFE_NO_PAD.encode(mac))
    }

    /// By each key that counts, that of today first: a page may hold an older one.
    fn csrf_values(&self, session: SessionId) -> Vec<String> {
        let ring = self.keys.ring();
        let values = ring.csrf_values(session);
        values.map(|mac| URL_SAFE_NO_PAD.encode(mac)).collect()
    }
}

/// New identifiers. Sessions are ordered by time, which keeps their rows and lists together;
/// users are not, for a `sub` is seen by every microservice and need not tell when its owner came.
fn new_session_id() -> SessionId {
    SessionId::new(Uuid::now_v7())
}

fn new_user_id() -> UserId {
    UserId::new(Uuid::new_v4())
}
