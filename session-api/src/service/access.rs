//! Who is calling. The service checks tokens against the database and not against a feed: its
//! answers about sessions are exact.

use super::{Error, Result, Service};
use crate::audit::Actor;
use crate::session::{CutOffs, Delivery, OpenSession, Session, decide};
use crate::store::FoundSession;
use crate::token::SessionToken;
use revocation_events::{SessionId, UnixMillis, UserId};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use verifier_sdk::Reason;
use verifier_sdk::token::{AccessToken, Expected};

/// What a session token is shown for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To end the session. An old token may do that too: its owner must be able to log out whoever
    /// holds the newer one.
    End,
    Any,
}

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
    /// The end of the access token that was shown; none where it was the session token.
    access_ends_at: Option<UnixMillis>,
    /// What all that was read from.
    pub(super) found: FoundSession,
}

impl Caller {
    fn new(found: FoundSession, access: Option<&AccessToken>) -> Self {
        let session = found.row.session.details();
        Self {
            access_ends_at: access.map(AccessToken::expires_at),
            session_id: found.row.id,
            session: session.clone(),
            user_id: session.user,
            user_name: found.user_name.clone(),
            roles: found.user.roles.names().to_vec(),
            now: found.head.now,
            found,
        }
    }

    pub(crate) const fn actor(&self) -> Actor {
        Actor {
            user: self.user_id,
            session: self.session_id,
        }
    }

    /// The caller's session, for a call that ends its access tokens and not itself. An access token
    /// begets no longer one: who stole it would live on it for ever. For that there is the session
    /// token, whose second use shows.
    pub(crate) const fn keep(&self) -> Keep {
        Keep {
            session: self.session_id,
            until: self.access_ends_at,
        }
    }

    pub(crate) fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|name| name == role)
    }
}

/// A session that lives on with a fresh access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keep {
    pub(crate) session: SessionId,
    /// The fresh token ends no later, where there is such a time.
    pub(crate) until: Option<UnixMillis>,
}

/// What became of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Without a refresh it lasts so long yet.
    Alive { lasts: Duration },
    /// Why: that of its event, or `all` where it ended with all of its user's or everyone's, or
    /// `expired`.
    Ended { reason: &'static str },
}

fn alive(found: &FoundSession) -> Option<&OpenSession> {
    let cut_offs = CutOffs {
        user: found.user.cut_off,
        everyone: found.head.everyone,
    };
    found.row.session.alive(cut_offs, found.head.now)
}

impl Service {
    /// Reads an access token, for [`caller_by_access_token`](Self::caller_by_access_token) to judge its
    /// time and whether it was revoked. Of one that does not read, the reason is the one that
    /// [`read_access_token`](Self::read_access_token) gives.
    pub(crate) fn present_access_token(
        &self,
        text: &str,
    ) -> std::result::Result<AccessToken, Reason> {
        let ring = self.keys().ring();
        AccessToken::decode_at_any_time(text, &self.expected(), |kid| ring.access_key(kid))
            .map_err(|reason| self.read_access_token(text).err().unwrap_or(reason))
    }

    /// Reads an access token: everything but whether it was revoked. Its time is judged by this
    /// process's clock, which may be wrong: nobody may be refused for that.
    pub(crate) fn read_access_token(&self, text: &str) -> std::result::Result<AccessToken, Reason> {
        let ring = self.keys().ring();
        let now = crate::clock::now();
        AccessToken::decode(text, &self.expected(), now, |kid| ring.access_key(kid))
    }

    fn expected(&self) -> Expected {
        let issuer = &self.settings().issuer;
        Expected {
            issuer: issuer.issuer.clone(),
            audience: issuer.audience.clone(),
            max_lifetime: issuer.access_ttl,
        }
    }

    /// The caller behind an access token, whose time is judged by the database's clock: it is minted by
    /// that one, too.
    pub(crate) async fn caller_by_access_token(&self, token: &AccessToken) -> Result<Caller> {
        let found = self
            .store()
            .session(token.session_id())
            .await?
            .ok_or(Error::TokenInvalid)?;
        if let Err(reason) = token.check_time(found.head.now) {
            tracing::debug!(%reason, "an access token was refused");
            return Err(Error::TokenInvalid);
        }
        let cut_off = found.user.token_cut_off.max(found.head.everyone);
        match alive(&found) {
            Some(session) if session.user == token.user_id() && token.position() >= cut_off => {
                Ok(Caller::new(found, Some(token)))
            }
            _ => Err(Error::TokenInvalid),
        }
    }

    /// The caller behind a session token alone, for what `purpose` allows.
    pub(crate) async fn caller_by_session_token(
        &self,
        token: SessionToken,
        purpose: Purpose,
    ) -> Result<Caller> {
        let found = self.store().session(token.session).await?;
        let found = found.ok_or(Error::SessionEnded)?;
        let speaks = |session: &&OpenSession| {
            session.user == token.user
                && !token.is_over(found.head.now)
                && match purpose {
                    Purpose::Any => decide::speaks_for(session, token.generation, found.head.now),
                    Purpose::End => token.generation <= session.generation,
                }
        };
        if alive(&found).filter(speaks).is_none() {
            return Err(Error::SessionEnded);
        }
        Ok(Caller::new(found, None))
    }

    /// Whether a session token is the newest one of a session that is alive.
    pub(crate) async fn is_newest(&self, token: SessionToken) -> Result<bool> {
        let found = self.store().session(token.session).await?;
        let in_time = found.filter(|found| !token.is_over(found.head.now));
        let session = in_time.as_ref().and_then(alive);
        Ok(session.is_some_and(|session| session.generation == token.generation))
    }

    /// What became of a session, as of now.
    pub(crate) async fn fate(&self, session: SessionId) -> Result<Fate> {
        let Some(found) = self.store().session(session).await? else {
            // Long ended, and its row was deleted.
            return Ok(Fate::Ended { reason: "expired" });
        };
        let now = found.head.now;
        let ends = |open: &OpenSession| open.expires_at.min(open.ends_at);
        Ok(match (&found.row.session, alive(&found)) {
            (_, Some(open)) => Fate::Alive {
                lasts: ends(open).since(now),
            },
            (Session::Revoked { reason, .. }, None) => Fate::Ended {
                reason: reason.as_str(),
            },
            (Session::Open(open), None) if now < ends(open) => Fate::Ended { reason: "all" },
            (Session::Open(_) | Session::Expired { .. }, None) => Fate::Ended { reason: "expired" },
        })
    }

    /// Reads a session token, whatever became of its session. Asks no database; once a request is
    /// enough, for the signature is most of what a refresh costs here.
    pub(crate) fn read_session_token(&self, text: &str) -> Result<SessionToken> {
        let issuer = &self.settings().issuer;
        Ok(issuer.read_session_token(text, &self.keys().ring())?)
    }

    /// Which session a session token names, where the token's time is not over by the database's clock.
    pub(crate) async fn session_still_named_by(&self, text: &str) -> Result<SessionId> {
        let token = self.read_session_token(text)?;
        if token.is_over(self.store().head().await?.now) {
            return Err(Error::SessionEnded);
        }
        Ok(token.session)
    }

    /// The session's CSRF value, where cookies deliver its tokens: the one that `claim` is made of,
    /// which an access token has that was minted with an older key, or else today's.
    pub(crate) fn csrf_token(&self, caller: &Caller, claim: Option<[u8; 32]>) -> Option<String> {
        if caller.session.delivery != Delivery::Cookie {
            return None;
        }
        let mut values = self.inner.csrf_values(caller.session_id);
        let claimed = |value: &String| claim.is_some_and(|claim| *Sha256::digest(value) == claim);
        let which = values.iter().position(claimed).unwrap_or(0);
        Some(values.swap_remove(which))
    }

    /// The values of which a page has to repeat one where a cookie of this session authenticates a
    /// call.
    pub(crate) fn csrf_values(&self, session: SessionId) -> Vec<String> {
        self.inner.csrf_values(session)
    }
}
