//! Rows as both databases hold them, and what they mean. Positions and times are `i64` there.

mod admin;
mod log;
mod outbox;
mod session;
mod tries;

pub(super) use admin::{ClientColumns, KeyColumns, StatusColumns};
pub(super) use log::{EventColumns, RevocationColumns};
pub(super) use outbox::{KnownColumns, LeaseColumns, RefillColumns, SizeColumns, WaitingColumns};
pub(super) use session::{FoundSessionColumns, ListedSessionColumns, SessionColumns};
pub(super) use tries::TriesColumns;

use super::{Error, FoundUser, Head, Result, TakenPosition, UserRow};
use crate::session::{Roles, User};
use revocation_events::{Position, UnixMillis, UserId};
use sqlx::FromRow;
use sqlx::types::Json;
use std::time::Duration;
use uuid::Uuid;

pub(super) fn position(value: i64) -> Result<Position> {
    Position::try_from(value).map_err(|error| Error::Corrupt(error.to_string()))
}

pub(super) fn millis(value: i64) -> Result<UnixMillis> {
    u64::try_from(value)
        .map(UnixMillis::new)
        .map_err(|_| corrupt("a time before 1970"))
}

/// A time as it is stored. The far end of time stays there.
pub(super) fn stored(time: UnixMillis) -> i64 {
    i64::try_from(time.get()).unwrap_or(i64::MAX)
}

/// A length of time as it is stored: in milliseconds.
pub(super) fn stored_span(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn corrupt(what: &str) -> Error {
    Error::Corrupt(what.to_owned())
}

#[derive(FromRow)]
pub(super) struct HeadColumns {
    position: i64,
    everyone: i64,
    now: i64,
}

impl TryFrom<HeadColumns> for Head {
    type Error = Error;

    fn try_from(columns: HeadColumns) -> Result<Self> {
        Ok(Self {
            position: position(columns.position)?,
            everyone: position(columns.everyone)?,
            now: millis(columns.now)?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct TakenColumns {
    previous: i64,
    position: i64,
    everyone: i64,
    now: i64,
}

impl TryFrom<TakenColumns> for TakenPosition {
    type Error = Error;

    fn try_from(columns: TakenColumns) -> Result<Self> {
        Ok(Self {
            position: position(columns.position)?,
            previous: position(columns.previous)?,
            everyone: position(columns.everyone)?,
            now: millis(columns.now)?,
        })
    }
}

#[derive(FromRow)]
struct UserStateColumns {
    roles: Json<Roles>,
    disabled: bool,
    cut_off: i64,
    token_cut_off: i64,
}

impl TryFrom<UserStateColumns> for User {
    type Error = Error;

    fn try_from(columns: UserStateColumns) -> Result<Self> {
        Ok(Self {
            roles: columns.roles.0,
            disabled: columns.disabled,
            cut_off: position(columns.cut_off)?,
            token_cut_off: position(columns.token_cut_off)?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct UserColumns {
    id: Uuid,
    name: String,
    password_hash: String,
    version: i64,
    #[sqlx(flatten)]
    state: UserStateColumns,
}

impl TryFrom<UserColumns> for UserRow {
    type Error = Error;

    fn try_from(columns: UserColumns) -> Result<Self> {
        Ok(Self {
            id: UserId::new(columns.id),
            name: columns.name,
            password_hash: columns.password_hash,
            version: columns.version,
            user: columns.state.try_into()?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct FoundUserColumns {
    #[sqlx(flatten)]
    user: UserColumns,
    #[sqlx(flatten)]
    head: HeadColumns,
}

impl TryFrom<FoundUserColumns> for FoundUser {
    type Error = Error;

    fn try_from(columns: FoundUserColumns) -> Result<Self> {
        Ok(Self {
            row: columns.user.try_into()?,
            head: columns.head.try_into()?,
        })
    }
}

/// What all rows of an answer mean.
pub(super) fn all<C, T: TryFrom<C, Error = Error>>(columns: Vec<C>) -> Result<Vec<T>> {
    columns.into_iter().map(T::try_from).collect()
}
