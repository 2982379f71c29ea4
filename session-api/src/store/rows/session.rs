//! Sessions.

use super::{HeadColumns, UserStateColumns, corrupt, millis, position, stored};
use crate::session::{Delivery, EndReason, OpenSession, RetryKey, Session};
use crate::store::{ClientInfo, Error, FoundSession, ListedSession, Result, SessionRow};
use revocation_events::{SessionId, UserId};
use sqlx::FromRow;
use uuid::Uuid;

/// An ended session whose reason is this one was not revoked.
const EXPIRED: &str = "expired";

#[derive(FromRow)]
pub(in crate::store) struct SessionColumns {
    pub(in crate::store) id: Uuid,
    pub(in crate::store) version: i64,
    pub(in crate::store) user_id: Uuid,
    pub(in crate::store) delivery: String,
    pub(in crate::store) since: i64,
    pub(in crate::store) opened_at: i64,
    pub(in crate::store) generation: i64,
    pub(in crate::store) rotated_at: i64,
    pub(in crate::store) retry_key: Option<Vec<u8>>,
    pub(in crate::store) expires_at: i64,
    pub(in crate::store) ends_at: i64,
    pub(in crate::store) ended_at: Option<i64>,
    pub(in crate::store) end_reason: Option<String>,
    pub(in crate::store) end_position: Option<i64>,
}

impl From<&SessionRow> for SessionColumns {
    fn from(row: &SessionRow) -> Self {
        let open = row.session.details();
        let (ended_at, end_reason, end_position) = match &row.session {
            Session::Open(_) => (None, None, None),
            Session::Expired { at, .. } => (Some(*at), Some(EXPIRED), None),
            Session::Revoked {
                at,
                position,
                reason,
                ..
            } => (Some(*at), Some(reason.as_str()), Some(i64::from(*position))),
        };
        Self {
            id: row.id.uuid(),
            version: row.version,
            user_id: open.user.uuid(),
            delivery: open.delivery.as_str().to_owned(),
            since: open.since.into(),
            opened_at: stored(open.opened_at),
            generation: i64::try_from(open.generation).unwrap_or(i64::MAX),
            rotated_at: stored(open.rotated_at),
            retry_key: open.retry_key.map(|key| key.bytes().to_vec()),
            expires_at: stored(open.expires_at),
            ends_at: stored(open.ends_at),
            ended_at: ended_at.map(stored),
            end_reason: end_reason.map(str::to_owned),
            end_position,
        }
    }
}

impl TryFrom<SessionColumns> for SessionRow {
    type Error = Error;

    fn try_from(columns: SessionColumns) -> Result<Self> {
        let retry_key = columns.retry_key.map(<[u8; 32]>::try_from).transpose();
        let open = OpenSession {
            user: UserId::new(columns.user_id),
            delivery: delivery(&columns.delivery)?,
            since: position(columns.since)?,
            opened_at: millis(columns.opened_at)?,
            generation: u64::try_from(columns.generation)
                .map_err(|_| corrupt("a negative generation"))?,
            rotated_at: millis(columns.rotated_at)?,
            retry_key: retry_key
                .map_err(|_| corrupt("a retry key that is not 32 bytes"))?
                .map(RetryKey::from_bytes),
            expires_at: millis(columns.expires_at)?,
            ends_at: millis(columns.ends_at)?,
        };
        let ended_at = columns.ended_at.map(millis).transpose()?;
        let end_position = columns.end_position.map(position).transpose()?;
        let session = match (ended_at, columns.end_reason.as_deref(), end_position) {
            (None, None, None) => Session::Open(open),
            (Some(at), Some(EXPIRED), None) => Session::Expired { was: open, at },
            (Some(at), Some(reason), Some(position)) => Session::Revoked {
                was: open,
                at,
                position,
                reason: end_reason(reason)?,
            },
            _ => return Err(corrupt("a session that has half ended")),
        };
        Ok(Self {
            id: SessionId::new(columns.id),
            version: columns.version,
            session,
        })
    }
}

#[derive(FromRow)]
pub(in crate::store) struct FoundSessionColumns {
    #[sqlx(flatten)]
    session: SessionColumns,
    user_name: String,
    #[sqlx(flatten)]
    user: UserStateColumns,
    #[sqlx(flatten)]
    head: HeadColumns,
}

impl TryFrom<FoundSessionColumns> for FoundSession {
    type Error = Error;

    fn try_from(columns: FoundSessionColumns) -> Result<Self> {
        Ok(Self {
            row: columns.session.try_into()?,
            user_name: columns.user_name,
            user: columns.user.try_into()?,
            head: columns.head.try_into()?,
        })
    }
}

#[derive(FromRow)]
pub(in crate::store) struct ListedSessionColumns {
    #[sqlx(flatten)]
    session: SessionColumns,
    ip: Option<String>,
    user_agent: Option<String>,
    device: Option<String>,
}

impl TryFrom<ListedSessionColumns> for ListedSession {
    type Error = Error;

    fn try_from(columns: ListedSessionColumns) -> Result<Self> {
        Ok(Self {
            row: columns.session.try_into()?,
            client: ClientInfo {
                ip: columns.ip,
                user_agent: columns.user_agent,
                device: columns.device,
            },
        })
    }
}

fn delivery(name: &str) -> Result<Delivery> {
    [Delivery::Cookie, Delivery::Body]
        .into_iter()
        .find(|delivery| delivery.as_str() == name)
        .ok_or_else(|| corrupt("the delivery of a session"))
}

fn end_reason(name: &str) -> Result<EndReason> {
    use EndReason as R;
    [
        R::Logout,
        R::User,
        R::Admin,
        R::Reuse,
        R::Replaced,
        R::Limit,
    ]
    .into_iter()
    .find(|reason| reason.as_str() == name)
    .ok_or_else(|| corrupt("why a session ended"))
}
