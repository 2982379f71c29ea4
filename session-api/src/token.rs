//! The two tokens as this service mints them, and the one that only it reads.
//!
//! Access tokens are read by `verifier_sdk::token`, here as everywhere.

use crate::keys::KeyRing;
use crate::keys::ring::Signer;
use crate::session::OpenSession;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use revocation_events::id::is_name;
use revocation_events::jws::Unverified;
use revocation_events::strict_json::{self, Int53, Members, Text};
use revocation_events::{Position, SessionId, UnixMillis, UserId};
use serde::Serialize;
use serde::de::MapAccess;
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use uuid::Uuid;

/// The longest session token that is read, in bytes.
const MAX_LEN: usize = 4096;

/// For so long after its end a session token is still taken, as an access token is.
const LEEWAY: Duration = Duration::from_secs(5);

const ACCESS_TYP: &str = "at+jwt";
const SESSION_TYP: &str = "session+jwt";

/// What all tokens of this service share.
#[derive(Clone, Debug)]
pub(crate) struct Issuer {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) access_ttl: Duration,
}

/// A token and its end.
#[derive(Clone, Debug)]
pub(crate) struct Minted {
    pub(crate) token: String,
    pub(crate) expires_at: UnixMillis,
}

/// RFC 9068, section 2.2, with `sid` and `pos`.
#[derive(Serialize)]
struct AccessClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: UserId,
    client_id: &'a str,
    sid: SessionId,
    jti: Uuid,
    iat: u64,
    exp: u64,
    pos: Position,
    auth_time: u64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    roles: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf: Option<String>,
}

#[derive(Serialize)]
struct SessionClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: UserId,
    sid: SessionId,
    r#gen: u64,
    jti: Uuid,
    iat: u64,
    exp: u64,
}

/// What an access token says beside the session: all of it from one snapshot, and `position` from
/// that snapshot or an earlier one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant<'a> {
    pub(crate) session_id: SessionId,
    pub(crate) session: &'a OpenSession,
    pub(crate) roles: &'a [String],
    pub(crate) position: Position,
    pub(crate) now: UnixMillis,
    /// The access token ends no later, where there is such a time.
    pub(crate) until: Option<UnixMillis>,
}

impl Issuer {
    /// An access token; `csrf` is the session's CSRF value where cookies deliver the token.
    pub(crate) fn access_token(
        &self,
        grant: Grant<'_>,
        csrf: Option<&str>,
        jti: Uuid,
        ring: &KeyRing,
    ) -> Minted {
        let Grant { session, now, .. } = grant;
        let expires_at = now
            .plus(self.access_ttl)
            .min(session.expires_at)
            .min(session.ends_at);
        let expires_at = grant.until.map_or(expires_at, |end| end.min(expires_at));
        let claims = AccessClaims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: session.user,
            client_id: session.delivery.client_id(),
            sid: grant.session_id,
            jti,
            iat: now.secs(),
            exp: expires_at.secs(),
            pos: grant.position,
            // Where the clock has been set back since, a time to come would be refused.
            auth_time: session.opened_at.min(now).secs(),
            roles: grant.roles,
            csrf: csrf.map(|value| URL_SAFE_NO_PAD.encode(Sha256::digest(value))),
        };
        Minted {
            token: sign(ACCESS_TYP, &claims, &ring.access),
            expires_at: whole_seconds(expires_at),
        }
    }

    /// The session token of the session's present generation.
    pub(crate) fn session_token(&self, grant: Grant<'_>, jti: Uuid, ring: &KeyRing) -> Minted {
        let expires_at = grant.session.expires_at.min(grant.session.ends_at);
        let claims = SessionClaims {
            iss: &self.issuer,
            aud: &self.issuer,
            sub: grant.session.user,
            sid: grant.session_id,
            r#gen: grant.session.generation,
            jti,
            iat: grant.now.secs(),
            exp: expires_at.secs(),
        };
        Minted {
            token: sign(SESSION_TYP, &claims, &ring.session),
            expires_at: whole_seconds(expires_at),
        }
    }

    /// Reads a session token. Whether its session is alive, and whether its time is over, is the log's
    /// business: see [`SessionToken::is_over`].
    pub(crate) fn read_session_token(
        &self,
        text: &str,
        ring: &KeyRing,
    ) -> Result<SessionToken, Invalid> {
        let unverified =
            Unverified::parse(text, SESSION_TYP, MAX_LEN).map_err(|_| Invalid::Forged)?;
        let key = ring.session_key(unverified.kid()).ok_or(Invalid::Forged)?;
        let payload = unverified.verify(&key).map_err(|_| Invalid::Forged)?;
        let claims: IncomingSession<'_> =
            strict_json::object(payload).map_err(|_| Invalid::Forged)?;
        claims.accept(&self.issuer).ok_or(Invalid::Over)
    }
}

fn whole_seconds(time: UnixMillis) -> UnixMillis {
    UnixMillis::from_secs(time.secs())
}

fn sign(typ: &str, claims: &impl Serialize, signer: &Signer) -> String {
    let claims = serde_json::to_vec(claims)
        .unwrap_or_else(|_| unreachable!("strings, integers and a list of strings serialise"));
    signer.token(typ, &claims)
}

/// Why a text is no session token. Whoever showed it is not told: it would help a forger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// Not signed by a key that counts.
    Forged,
    /// Signed here, and not meant for this.
    Over,
}

/// A session token whose signature, type and issuer are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionToken {
    pub(crate) session: SessionId,
    pub(crate) user: UserId,
    pub(crate) generation: u64,
    expires_at: UnixMillis,
}

impl SessionToken {
    /// Whether `exp` has passed at `now`, which is the database's time: a replica's wrong clock must
    /// end no session. When it was issued is not looked at; whoever signed it knew.
    pub(crate) fn is_over(&self, now: UnixMillis) -> bool {
        now >= self.expires_at.plus(LEEWAY)
    }
}

#[derive(Default)]
struct IncomingSession<'de> {
    iss: Option<Text<'de>>,
    aud: Option<Text<'de>>,
    sub: Option<UserId>,
    sid: Option<SessionId>,
    generation: Option<u64>,
    jti: bool,
    iat: bool,
    exp: Option<UnixMillis>,
}

impl<'de> Members<'de> for IncomingSession<'de> {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, members: &mut A) -> Result<bool, A::Error> {
        fn time<'de, A: MapAccess<'de>>(members: &mut A) -> Result<Option<UnixMillis>, A::Error> {
            Ok(Some(UnixMillis::from_secs(
                members.next_value::<Int53>()?.get(),
            )))
        }
        match name {
            "iss" => self.iss = Some(members.next_value()?),
            "aud" => self.aud = Some(members.next_value()?),
            "sub" => self.sub = Some(members.next_value()?),
            "sid" => self.sid = Some(members.next_value()?),
            "gen" => self.generation = Some(members.next_value::<Int53>()?.get()),
            "jti" => self.jti = is_name(&members.next_value::<Text<'de>>()?.0),
            "iat" => self.iat = time(members)?.is_some(),
            "exp" => self.exp = time(members)?,
            "nbf" => _ = time(members)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl IncomingSession<'_> {
    fn accept(self, issuer: &str) -> Option<SessionToken> {
        let ours = self.iss?.0 == issuer && self.aud?.0 == issuer && self.jti;
        let token = SessionToken {
            session: self.sid?,
            user: self.sub?,
            generation: self.generation?,
            expires_at: self.exp?,
        };
        (ours && self.iat).then_some(token)
    }
}
