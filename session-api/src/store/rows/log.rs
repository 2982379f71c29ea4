//! Events and revocations.

use super::{corrupt, millis, position};
use crate::session::{Event, Fact, Stream};
use crate::store::{Error, Result, StoredEvent, TimedPlace};
use revocation_events::{Revocation, SessionId, Target, UserId};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

#[derive(FromRow)]
pub(in crate::store) struct EventColumns {
    stream: Uuid,
    version: i64,
    kind: String,
    format: i16,
    at: i64,
    data: Json<Value>,
}

impl EventColumns {
    /// Its stream and its version.
    pub(in crate::store) const fn place(&self) -> (Uuid, i64) {
        (self.stream, self.version)
    }
}

impl TryFrom<EventColumns> for StoredEvent {
    type Error = Error;

    fn try_from(columns: EventColumns) -> Result<Self> {
        let place = TimedPlace {
            at: millis(columns.at)?,
            stream: columns.stream,
            version: columns.version,
        };
        Ok(Self {
            place,
            kind: columns.kind,
            format: columns.format,
            data: columns.data.0,
        })
    }
}

impl TryFrom<EventColumns> for Event {
    type Error = Error;

    fn try_from(columns: EventColumns) -> Result<Self> {
        let (stream, version) = (columns.stream, columns.version);
        let fact = Fact::read(&columns.kind, columns.format, columns.data.0)
            .map_err(|error| Error::Corrupt(format!("event {version} of {stream}: {error}")))?;
        let stream = match &fact {
            Fact::Session(_) => Stream::Session(SessionId::new(columns.stream)),
            Fact::User(_) => Stream::User(UserId::new(columns.stream)),
            Fact::EveryoneRevoked { .. } => Stream::Everyone,
            Fact::KeyAdded { .. } | Fact::KeyRetired { .. } | Fact::KeyRevoked { .. } => {
                Stream::Key(columns.stream)
            }
        };
        Ok(Self {
            stream,
            version: columns.version,
            at: millis(columns.at)?,
            fact,
        })
    }
}

pub(in crate::store) struct RevocationColumns {
    pub(in crate::store) position: i64,
    pub(in crate::store) kind: String,
    pub(in crate::store) subject: String,
}

impl From<&Revocation> for RevocationColumns {
    fn from(revocation: &Revocation) -> Self {
        let (kind, subject) = match &revocation.target {
            Target::Session(id) => ("session", id.to_string()),
            Target::User { id, refresh: false } => ("user", id.to_string()),
            Target::User { id, refresh: true } => ("refresh", id.to_string()),
            Target::Key(kid) => ("key", kid.to_string()),
            Target::Everyone => ("everyone", String::new()),
        };
        Self {
            position: revocation.position.into(),
            kind: kind.to_owned(),
            subject,
        }
    }
}

impl TryFrom<RevocationColumns> for Revocation {
    type Error = Error;

    fn try_from(columns: RevocationColumns) -> Result<Self> {
        fn id<T: std::str::FromStr>(subject: &str) -> Result<T> {
            subject
                .parse()
                .map_err(|_| corrupt("the subject of a revocation"))
        }
        let subject = columns.subject.as_str();
        let target = match columns.kind.as_str() {
            "session" => Target::Session(id(subject)?),
            "user" => Target::User {
                id: id(subject)?,
                refresh: false,
            },
            "refresh" => Target::User {
                id: id(subject)?,
                refresh: true,
            },
            "key" => Target::Key(id(subject)?),
            "everyone" => Target::Everyone,
            _ => return Err(corrupt("the kind of a revocation")),
        };
        Ok(Self {
            position: position(columns.position)?,
            target,
        })
    }
}
