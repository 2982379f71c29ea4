//! Who is calling. The service checks tokens against the database and not against a feed: its
//! answers about sessions are exact.

use super::refresh::is_current;
use super::{Error, Result, Service};
use crate::session::{CutOffs, OpenSession};
use crate::store::FoundSession;
use revocation_events::{SessionId, UnixMillis, UserId};
use verifier_sdk::Reason;
use verifier_sdk::token::{AccessToken, Expected};

/// A caller whose session is alive, with the user as of now.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) session_id: SessionId,
    pub(crate) session: OpenSession,
    pub(crate) user_id: UserId,
    pub(crate) user_name: String,
    pub(crate) roles: Vec<String>,
    /// The database's time of the check.
    pub(crate) now: UnixMillis,
}

impl Caller {
    fn new(found: &FoundSession, session: &OpenSession) -> Self {
        Self {
            session_id: found.row.id,
            session: session.clone(),
            user_id: session.user,
            user_name: found.user_name.clone(),
            roles: found.user.roles.names().to_vec(),
            now: found.head.now,
        }
    }

    pub(crate) fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|name| name == role)
    }
}

fn alive(found: &FoundSession) -> Option<&OpenSession> {
    let cut_offs = CutOffs {
        user: found.user.cut_off,
        everyone: found.head.everyone,
    };
    found.row.session.alive(cut_offs, found.head.now)
}

impl Service {
    /// Reads an access token: everything but whether it was revoked.
    pub(crate) fn read_access_token(&self, text: &str) -> std::result::Result<AccessToken, Reason> {
        let issuer = &self.settings().issuer;
        let expected = Expected {
            issuer: issuer.issuer.clone(),
            audience: issuer.audience.clone(),
            max_lifetime: issuer.access_ttl,
        };
        let ring = self.keys().ring();
        AccessToken::decode(text, &expected, crate::clock::now(), |kid| {
            ring.access_key(kid)
        })
    }

    /// The caller behind an access token.
    pub(crate) async fn caller_by_access_token(&self, token: &AccessToken) -> Result<Caller> {
        let found = self
            .store()
            .session(token.session_id())
            .await?
            .ok_or(Error::TokenInvalid)?;
        let cut_off = found.user.token_cut_off.max(found.head.everyone);
        match alive(&found) {
            Some(session) if session.user == token.user_id() && token.position() >= cut_off => {
                Ok(Caller::new(&found, session))
            }
            _ => Err(Error::TokenInvalid),
        }
    }

    /// The caller behind a session token alone.
    pub(crate) async fn caller_by_session_token(&self, text: &str) -> Result<Caller> {
        let found = self
            .session_of_token(text)
            .await?
            .ok_or(Error::SessionEnded)?;
        alive(&found)
            .map(|session| Caller::new(&found, session))
            .ok_or(Error::SessionEnded)
    }

    /// The session that a session token belongs to, alive or not; nothing where the token is not
    /// ours, or has had its successor used.
    pub(crate) async fn session_of_token(&self, text: &str) -> Result<Option<FoundSession>> {
        let issuer = &self.settings().issuer;
        let read = issuer.read_session_token(text, &self.keys().ring(), crate::clock::now());
        let Ok(token) = read else { return Ok(None) };
        let found = self.store().session(token.session).await?;
        Ok(found.filter(|found| {
            found.row.session.details().user == token.user
                && is_current(&found.row.session, token.generation)
        }))
    }

    /// Which session a session token names, whatever became of that one. Asks no database.
    pub(crate) fn session_named_by(&self, text: &str) -> Option<SessionId> {
        let issuer = &self.settings().issuer;
        let read = issuer.read_session_token(text, &self.keys().ring(), crate::clock::now());
        read.ok().map(|token| token.session)
    }

    /// The session's CSRF value, where cookies deliver its tokens.
    pub(crate) fn csrf_token(&self, caller: &Caller) -> Option<String> {
        self.inner
            .csrf_token(caller.session_id, caller.session.delivery)
    }

    /// The value that a page has to repeat where a cookie of this session authenticates a call.
    pub(crate) fn csrf_value(&self, session: SessionId) -> String {
        self.inner.csrf_value(session)
    }
}
