//! One session, folded from its stream.

use super::event::SessionFact;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use revocation_events::{Position, UnixMillis, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How the tokens of a session reach its client; fixed at login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Delivery {
    /// A browser.
    Cookie,
    /// A native app, in the body of the answer.
    Body,
}

impl Delivery {
    /// The claim `client_id` (RFC 9068, section 2.2).
    pub(crate) const fn client_id(self) -> &'static str {
        match self {
            Self::Cookie => "web",
            Self::Body => "app",
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Body => "body",
        }
    }
}

/// Why a session was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EndReason {
    /// The client logged out.
    Logout,
    /// The user ended it from another session.
    User,
    /// An operator ended it.
    Admin,
    /// A session token was used again after its successor: it was stolen.
    Reuse,
    /// Another login in the same browser.
    Replaced,
    /// The oldest of more sessions than a user may have.
    Limit,
}

impl EndReason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::User => "user",
            Self::Admin => "admin",
            Self::Reuse => "reuse",
            Self::Replaced => "replaced",
            Self::Limit => "limit",
        }
    }
}

/// The SHA-256 of the `Idempotency-Key` of a refresh: a random value that the client keeps until
/// the answer has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetryKey([u8; 32]);

impl RetryKey {
    /// Of the header's text.
    pub(crate) fn of(header: &str) -> Self {
        Self(Sha256::digest(header).into())
    }

    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As it stands in events.
    pub(crate) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl std::fmt::Debug for RetryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RetryKey")
    }
}

impl Serialize for RetryKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for RetryKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(D::Error::custom)?;
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| D::Error::custom("not 32 bytes"))
    }
}

/// All that there is to know of a session while it is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenSession {
    pub(crate) user: UserId,
    pub(crate) delivery: Delivery,
    /// The head of the log, read in one statement with the user's hash, state and roles, *before*
    /// the password was checked; or the position of the last re-anchoring.
    pub(crate) since: Position,
    pub(crate) opened_at: UnixMillis,
    /// How many times the session token was rotated, from 1.
    pub(crate) generation: u64,
    /// When the generation last rose.
    pub(crate) rotated_at: UnixMillis,
    /// The retry key of the refresh that made this generation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) retry_key: Option<RetryKey>,
    /// The sliding end.
    pub(crate) expires_at: UnixMillis,
    /// The absolute end (NIST SP 800-63B-4, section 2.1.3).
    pub(crate) ends_at: UnixMillis,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    Open(OpenSession),
    Revoked {
        was: OpenSession,
        at: UnixMillis,
        position: Position,
        reason: EndReason,
    },
    Expired {
        was: OpenSession,
        at: UnixMillis,
    },
}

/// The greatest positions at which a user's sessions, and everyone's, were revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CutOffs {
    pub(crate) user: Position,
    pub(crate) everyone: Position,
}

impl OpenSession {
    /// Neither past an end nor cut off. (Whether the row is open is the enum's business.)
    pub(crate) fn is_alive(&self, cut_offs: CutOffs, now: UnixMillis) -> bool {
        now < self.expires_at
            && now < self.ends_at
            && self.since >= cut_offs.user
            && self.since >= cut_offs.everyone
    }
}

impl Session {
    /// What the session was when it was last open.
    pub(crate) const fn details(&self) -> &OpenSession {
        match self {
            Self::Open(open) => open,
            Self::Revoked { was, .. } | Self::Expired { was, .. } => was,
        }
    }

    /// The session, where it is open, not past its ends and not cut off.
    pub(crate) fn alive(&self, cut_offs: CutOffs, now: UnixMillis) -> Option<&OpenSession> {
        match self {
            Self::Open(open) if open.is_alive(cut_offs, now) => Some(open),
            _ => None,
        }
    }
}

/// A stream in which the facts do not follow from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the facts of a stream do not follow from each other")]
pub(crate) struct BrokenStream;

/// Folds one more fact.
pub(crate) fn apply(
    state: Option<Session>,
    at: UnixMillis,
    fact: &SessionFact,
) -> Result<Session, BrokenStream> {
    match (state, fact) {
        (None, SessionFact::Opened { session, .. }) => Ok(Session::Open(session.clone())),
        // `None`: the events before were dropped; a refresh holds the whole session.
        (None | Some(Session::Open(_)), SessionFact::Refreshed(session)) => {
            Ok(Session::Open(session.clone()))
        }
        (Some(Session::Open(was)), SessionFact::Revoked { position, reason }) => {
            Ok(Session::Revoked {
                was,
                at,
                position: *position,
                reason: *reason,
            })
        }
        (Some(Session::Open(was)), SessionFact::Expired {}) => Ok(Session::Expired { was, at }),
        _ => Err(BrokenStream),
    }
}
