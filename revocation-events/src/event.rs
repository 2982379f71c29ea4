//! One event of the log, as other programs read it: what happened to a session, a user or a key.
//!
//! It is a [CloudEvent 1.0](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md) in
//! JSON (structured mode). It holds no secret and nothing personal: sessions and users are named by
//! random ids. It is not signed: what guards it is who may publish on its subject.
//!
//! | attribute | what it holds |
//! | --- | --- |
//! | `specversion` | `1.0` |
//! | `id` | a uuid, the same however often the event is published: what to know it by |
//! | `source` | the issuer: the URL that names the service in every token |
//! | `type` | the kind, such as `session.opened` |
//! | `subject` | whose stream it is in: `session/<uuid>`, `user/<uuid>`, `key/<kid>` or `everyone` |
//! | `time` | when it happened by the database's clock, as RFC 3339 in UTC, to the millisecond |
//! | `datacontenttype` | `application/json` |
//! | `data` | `v`, the version of its form ([`FORMAT`]); `version`, the event's place in its stream, from 1; and the members of its kind |
//!
//! | kinds | members of `data` |
//! | --- | --- |
//! | `session.opened` | `user`, `delivery`, `new_device`, `expires_at`, `ends_at` |
//! | `session.refreshed` (where the service publishes it) | `user`, `generation`, `expires_at` |
//! | `session.revoked` | `user`, `position`, `reason` |
//! | `session.expired` | `user` |
//! | `user.registered` | `user`, `roles` |
//! | `user.password_changed`, `user.enabled` | `user` |
//! | `user.roles_changed` | `user`, `position`, `roles` |
//! | `user.disabled` | `user`, `position` |
//! | `user.sessions_revoked` | `user`, `position`, and `except` where one session lives on |
//! | `everyone.revoked` | `position` |
//! | `key.added`, `key.retired` | `key` |
//! | `key.revoked` | `key`, `position` |
//!
//! **What a later version may do.** Members, kinds, reasons and ways of delivery may be added: members
//! that are not known are passed over, a kind that is not known is [`What::Unknown`]. Whatever else
//! changes in `data` comes with another `v`, and to this version is [`What::Unknown`] too.
//!
//! To add a kind: a variant of [`What`], its line in the table above, its places in the files below, and a file
//! in `tests/golden/events`.

mod data;
mod words;

pub use words::{Delivery, EndReason};

use crate::id::{KeyId, SessionId, UserId};
use crate::position::Position;
use crate::time::UnixMillis;
use data::{Data, EVERYONE, Head, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use uuid::Uuid;

/// The version of the form of `data`.
pub const FORMAT: u32 = 1;

const SPECVERSION: &str = "1.0";
const CONTENT_TYPE: &str = "application/json";

/// What happened, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The same however often the event is published.
    pub id: Uuid,
    /// The issuer.
    pub source: String,
    /// When it happened.
    pub time: UnixMillis,
    /// Its place in its stream, from 1. A program that was sent an old event again sees it here.
    pub version: u64,
    /// What happened, and to whom.
    pub what: What,
}

/// What happened, and to whom. See the [module](self) for how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// Somebody logged in.
    SessionOpened {
        /// The new session.
        session: SessionId,
        /// Whose it is.
        user: UserId,
        /// How its tokens reach the client.
        delivery: Delivery,
        /// The user never had a session from a client that looks like this one.
        new_device: bool,
        /// When it expires, unless it is refreshed before.
        expires_at: UnixMillis,
        /// When it ends, however often it is refreshed.
        ends_at: UnixMillis,
    },
    /// A session's tokens were exchanged for new ones. Published only where the operator wants it.
    SessionRefreshed {
        /// The session.
        session: SessionId,
        /// Whose it is.
        user: UserId,
        /// How often its session token was rotated.
        generation: u64,
        /// When it expires, unless it is refreshed before.
        expires_at: UnixMillis,
    },
    /// A session was ended.
    SessionRevoked {
        /// The session.
        session: SessionId,
        /// Whose it was.
        user: UserId,
        /// Its place among all revocations.
        position: Position,
        /// Why.
        reason: EndReason,
    },
    /// A session came to its end by itself. It comes up to a minute late.
    SessionExpired {
        /// The session.
        session: SessionId,
        /// Whose it was.
        user: UserId,
    },
    /// There is a new user.
    UserRegistered {
        /// The user.
        user: UserId,
        /// With these roles.
        roles: Vec<String>,
    },
    /// A user has a new password. `UserSessionsRevoked` comes with it.
    UserPasswordChanged {
        /// The user.
        user: UserId,
    },
    /// A user has other roles. Sessions live on, tokens do not.
    UserRolesChanged {
        /// The user.
        user: UserId,
        /// Its place among all revocations.
        position: Position,
        /// All roles from now on.
        roles: Vec<String>,
    },
    /// A user may not log in any more, and all sessions were ended.
    UserDisabled {
        /// The user.
        user: UserId,
        /// Its place among all revocations.
        position: Position,
    },
    /// A user may log in again.
    UserEnabled {
        /// The user.
        user: UserId,
    },
    /// All of a user's sessions were ended at once: there is no `SessionRevoked` for each.
    UserSessionsRevoked {
        /// The user.
        user: UserId,
        /// Its place among all revocations.
        position: Position,
        /// The one that lives on.
        except: Option<SessionId>,
    },
    /// Everyone's sessions were ended at once.
    EveryoneRevoked {
        /// Its place among all revocations.
        position: Position,
    },
    /// There is a new key.
    KeyAdded {
        /// The key.
        key: KeyId,
    },
    /// A key signs no more; what it signed lives on.
    KeyRetired {
        /// The key.
        key: KeyId,
    },
    /// Whatever a key has signed is dead.
    KeyRevoked {
        /// The key.
        key: KeyId,
        /// Its place among all revocations.
        position: Position,
    },
    /// Something that this version does not know: a later kind, or a later form of one.
    Unknown {
        /// The kind.
        kind: String,
        /// Whose stream it is in.
        subject: String,
        /// All of it.
        data: Value,
    },
}

/// The text is no event, or one that lacks what its kind says.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// Not JSON, or an attribute is missing or is not what it should be.
    #[error("not a CloudEvent in JSON")]
    Envelope(#[source] serde_json::Error),
    /// Another version of CloudEvents.
    #[error("a CloudEvent of another version than 1.0")]
    Specversion,
    /// `data` is not what its kind says.
    #[error("the data of an event is not what its kind says")]
    Data(#[source] serde_json::Error),
    /// `data` lacks something that its kind has.
    #[error("the data of an event has no `{0}`")]
    Missing(&'static str),
    /// `subject` is not what the kind says.
    #[error("the subject of an event is not what its kind says")]
    Subject,
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a, D> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    id: Uuid,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: String,
    time: Time,
    datacontenttype: Cow<'a, str>,
    data: D,
}

impl Event {
    /// Whose stream it is in, as the attribute `subject` says it.
    #[must_use]
    pub fn subject(&self) -> String {
        self.what.subject()
    }

    /// The event as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let written = match &self.what {
            What::Unknown { data, .. } => serde_json::to_string(&self.envelope(data)),
            what => serde_json::to_string(&self.envelope(Data::of(what, self.version))),
        };
        written.unwrap_or_else(|_| unreachable!("it is made of texts, numbers and lists"))
    }

    fn envelope<D>(&self, data: D) -> Envelope<'static, D> {
        Envelope {
            specversion: SPECVERSION.into(),
            id: self.id,
            source: self.source.clone(),
            kind: self.what.kind().to_owned(),
            subject: self.subject(),
            time: Time(self.time),
            datacontenttype: CONTENT_TYPE.into(),
            data,
        }
    }

    /// Reads an event.
    ///
    /// # Errors
    /// [`Invalid`]. What is only not known is not an error: see [`What::Unknown`].
    pub fn from_json(text: &[u8]) -> Result<Self, Invalid> {
        let Envelope {
            specversion,
            id,
            source,
            kind,
            subject,
            time,
            data,
            ..
        } = serde_json::from_slice::<Envelope<'_, Value>>(text).map_err(Invalid::Envelope)?;
        if specversion != SPECVERSION {
            return Err(Invalid::Specversion);
        }
        let head = Head::deserialize(&data).map_err(Invalid::Data)?;
        let what = match data::read(&kind, &subject, &data, head.v)? {
            Some(what) => what,
            None => What::Unknown {
                kind,
                subject,
                data,
            },
        };
        Ok(Self {
            id,
            source,
            time: time.0,
            version: head.version,
            what,
        })
    }
}

impl What {
    /// The kind, which is the last part of the event's NATS subject.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::SessionOpened { .. } => "session.opened",
            Self::SessionRefreshed { .. } => "session.refreshed",
            Self::SessionRevoked { .. } => "session.revoked",
            Self::SessionExpired { .. } => "session.expired",
            Self::UserRegistered { .. } => "user.registered",
            Self::UserPasswordChanged { .. } => "user.password_changed",
            Self::UserRolesChanged { .. } => "user.roles_changed",
            Self::UserDisabled { .. } => "user.disabled",
            Self::UserEnabled { .. } => "user.enabled",
            Self::UserSessionsRevoked { .. } => "user.sessions_revoked",
            Self::EveryoneRevoked { .. } => "everyone.revoked",
            Self::KeyAdded { .. } => "key.added",
            Self::KeyRetired { .. } => "key.retired",
            Self::KeyRevoked { .. } => "key.revoked",
            Self::Unknown { kind, .. } => kind,
        }
    }

    fn subject(&self) -> String {
        match self {
            Self::SessionOpened { session, .. }
            | Self::SessionRefreshed { session, .. }
            | Self::SessionRevoked { session, .. }
            | Self::SessionExpired { session, .. } => format!("session/{session}"),
            Self::UserRegistered { user, .. }
            | Self::UserPasswordChanged { user }
            | Self::UserRolesChanged { user, .. }
            | Self::UserDisabled { user, .. }
            | Self::UserEnabled { user }
            | Self::UserSessionsRevoked { user, .. } => format!("user/{user}"),
            Self::EveryoneRevoked { .. } => EVERYONE.to_owned(),
            Self::KeyAdded { key } | Self::KeyRetired { key } | Self::KeyRevoked { key, .. } => {
                format!("key/{key}")
            }
            Self::Unknown { subject, .. } => subject.clone(),
        }
    }
}
