//! What is appended to the log. Facts are in the past tense and hold no secret and nothing personal.

use super::state::{EndReason, OpenSession};
use super::user::Roles;
use revocation_events::{KeyId, Position, Revocation, SessionId, Target, UnixMillis, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// The version of the stored form that this code writes.
pub(crate) const FORMAT: i16 = 1;

/// The events that are numbered 1, 2, 3 … together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stream {
    Session(SessionId),
    User(UserId),
    Everyone,
    /// By the uuid that stands for a key; see [`Stream::of_key`].
    Key(Uuid),
}

impl Stream {
    /// A `kid` is a SHA-256 thumbprint, so a name-based uuid of it is as unique as a random one.
    pub(crate) fn of_key(kid: &KeyId) -> Self {
        Self::Key(Uuid::new_v5(&Uuid::NAMESPACE_URL, kid.as_str().as_bytes()))
    }

    pub(crate) const fn uuid(self) -> Uuid {
        match self {
            Self::Session(id) => id.uuid(),
            Self::User(id) => id.uuid(),
            Self::Everyone => Uuid::nil(),
            Self::Key(uuid) => uuid,
        }
    }
}

/// One fact at its place in its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) stream: Stream,
    /// From 1.
    pub(crate) version: i64,
    pub(crate) at: UnixMillis,
    pub(crate) fact: Fact,
}

impl Event {
    /// What verifiers have to learn of it.
    pub(crate) fn revocation(&self) -> Option<Revocation> {
        let (position, target) = match (&self.fact, self.stream) {
            (Fact::Session(SessionFact::Revoked { position, .. }), Stream::Session(id)) => {
                (*position, Target::Session(id))
            }
            (Fact::User(fact), Stream::User(id)) => {
                let (position, refresh) = fact.cut()?;
                (position, Target::User { id, refresh })
            }
            (Fact::EveryoneRevoked { position }, _) => (*position, Target::Everyone),
            (Fact::KeyRevoked { kid, position }, _) => (*position, Target::Key(kid.clone())),
            _ => return None,
        };
        Some(Revocation { position, target })
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    Session(SessionFact),
    User(UserFact),
    EveryoneRevoked { position: Position },
    KeyAdded { kid: KeyId },
    KeyRetired { kid: KeyId },
    KeyRevoked { kid: KeyId, position: Position },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum SessionFact {
    /// Holds all of the new session.
    Opened {
        #[serde(flatten)]
        session: OpenSession,
        /// The user had no session from a client that looks like this one.
        new_device: bool,
    },
    /// Holds all of the session as it is now, so that earlier events may be dropped.
    Refreshed(OpenSession),
    Revoked {
        position: Position,
        reason: EndReason,
    },
    Expired {},
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum UserFact {
    Registered {
        roles: Roles,
    },
    PasswordChanged {},
    RolesChanged {
        roles: Roles,
        position: Position,
    },
    Disabled {
        position: Position,
    },
    Enabled {},
    SessionsRevoked {
        position: Position,
        /// The one session that lives on.
        except: Option<SessionId>,
    },
}

impl UserFact {
    /// The cut-off that it sets, and whether that one counts against tokens only.
    pub(crate) const fn cut(&self) -> Option<(Position, bool)> {
        match self {
            Self::RolesChanged { position, .. } => Some((*position, true)),
            Self::Disabled { position } | Self::SessionsRevoked { position, .. } => {
                Some((*position, false))
            }
            Self::Registered { .. } | Self::PasswordChanged {} | Self::Enabled {} => None,
        }
    }
}

/// A stored event that this code cannot read. Never passed over: a fold without it would be wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("unknown kind of event `{0}`: it was written by a newer version; upgrade this program")]
    Kind(String),
    #[error(
        "event `{kind}` in format {format}, and this program reads format {FORMAT}; upgrade it"
    )]
    Format { kind: String, format: i16 },
    #[error("event `{kind}` does not hold what its kind says")]
    Data {
        kind: String,
        source: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct KeyData {
    kid: KeyId,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
}

#[derive(Serialize, Deserialize)]
struct PositionData {
    position: Position,
}

impl Fact {
    /// Most facts are, and few programs want to hear of them.
    pub(crate) const fn is_refresh(&self) -> bool {
        matches!(self, Self::Session(SessionFact::Refreshed(_)))
    }

    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Session(SessionFact::Opened { .. }) => "session.opened",
            Self::Session(SessionFact::Refreshed(_)) => "session.refreshed",
            Self::Session(SessionFact::Revoked { .. }) => "session.revoked",
            Self::Session(SessionFact::Expired {}) => "session.expired",
            Self::User(UserFact::Registered { .. }) => "user.registered",
            Self::User(UserFact::PasswordChanged {}) => "user.password_changed",
            Self::User(UserFact::RolesChanged { .. }) => "user.roles_changed",
            Self::User(UserFact::Disabled { .. }) => "user.disabled",
            Self::User(UserFact::Enabled {}) => "user.enabled",
            Self::User(UserFact::SessionsRevoked { .. }) => "user.sessions_revoked",
            Self::EveryoneRevoked { .. } => "everyone.revoked",
            Self::KeyAdded { .. } => "key.added",
            Self::KeyRetired { .. } => "key.retired",
            Self::KeyRevoked { .. } => "key.revoked",
        }
    }

    pub(crate) fn data(&self) -> Value {
        let key = |kid: &KeyId, position| {
            json(&KeyData {
                kid: kid.clone(),
                position,
            })
        };
        match self {
            Self::Session(fact) => json(fact),
            Self::User(fact) => json(fact),
            Self::EveryoneRevoked { position } => json(&PositionData {
                position: *position,
            }),
            Self::KeyAdded { kid } | Self::KeyRetired { kid } => key(kid, None),
            Self::KeyRevoked { kid, position } => key(kid, Some(*position)),
        }
    }

    /// Reads the stored form.
    pub(crate) fn read(kind: &str, format: i16, data: Value) -> Result<Self, Unreadable> {
        if format != FORMAT {
            return Err(Unreadable::Format {
                kind: kind.to_owned(),
                format,
            });
        }
        Self::read_v1(kind, data).map_err(|source| match source {
            None => Unreadable::Kind(kind.to_owned()),
            Some(source) => Unreadable::Data {
                kind: kind.to_owned(),
                source,
            },
        })
    }

    fn read_v1(kind: &str, data: Value) -> Result<Self, Option<serde_json::Error>> {
        // Each kind is read as its own struct: an untagged guess could take one for another.
        #[derive(Deserialize)]
        struct Opened {
            #[serde(flatten)]
            session: OpenSession,
            new_device: bool,
        }
        #[derive(Deserialize)]
        struct Revoked {
            position: Position,
            reason: EndReason,
        }
        #[derive(Deserialize)]
        struct RolesData {
            roles: Roles,
        }
        #[derive(Deserialize)]
        struct SessionsRevoked {
            position: Position,
            except: Option<SessionId>,
        }
        Ok(match kind {
            "session.opened" => {
                let Opened {
                    session,
                    new_device,
                } = from(data)?;
                Self::Session(SessionFact::Opened {
                    session,
                    new_device,
                })
            }
            "session.refreshed" => Self::Session(SessionFact::Refreshed(from(data)?)),
            "session.revoked" => {
                let Revoked { position, reason } = from(data)?;
                Self::Session(SessionFact::Revoked { position, reason })
            }
            "session.expired" => Self::Session(SessionFact::Expired {}),
            "user.registered" => Self::User(UserFact::Registered {
                roles: from::<RolesData>(data)?.roles,
            }),
            "user.password_changed" => Self::User(UserFact::PasswordChanged {}),
            "user.roles_changed" => Self::User(UserFact::RolesChanged {
                position: from::<PositionData>(data.clone())?.position,
                roles: from::<RolesData>(data)?.roles,
            }),
            "user.disabled" => Self::User(UserFact::Disabled {
                position: from::<PositionData>(data)?.position,
            }),
            "user.enabled" => Self::User(UserFact::Enabled {}),
            "user.sessions_revoked" => {
                let SessionsRevoked { position, except } = from(data)?;
                Self::User(UserFact::SessionsRevoked { position, except })
            }
            "everyone.revoked" => Self::EveryoneRevoked {
                position: from::<PositionData>(data)?.position,
            },
            "key.added" => Self::KeyAdded {
                kid: from::<KeyData>(data)?.kid,
            },
            "key.retired" => Self::KeyRetired {
                kid: from::<KeyData>(data)?.kid,
            },
            "key.revoked" => {
                let KeyData { kid, position } = from(data)?;
                let position =
                    position.ok_or_else(|| Some(serde::de::Error::missing_field("position")))?;
                Self::KeyRevoked { kid, position }
            }
            _ => return Err(None),
        })
    }
}

fn from<T: serde::de::DeserializeOwned>(data: Value) -> Result<T, Option<serde_json::Error>> {
    serde_json::from_value(data).map_err(Some)
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value)
        .unwrap_or_else(|_| unreachable!("facts are made of strings, integers and lists"))
}
