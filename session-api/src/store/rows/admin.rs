//! Keys, clients, reports of verifiers.

use super::{corrupt, millis};
use crate::store::{ClientRow, Error, KeyPurpose, KeyRow, KeyState, Result, StatusRow};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use std::time::Duration;

#[derive(FromRow)]
pub(in crate::store) struct KeyColumns {
    kid: String,
    purpose: String,
    public: Vec<u8>,
    sealed: Vec<u8>,
    state: String,
    created_at: i64,
    state_since: i64,
}

impl TryFrom<KeyColumns> for KeyRow {
    type Error = Error;

    fn try_from(columns: KeyColumns) -> Result<Self> {
        Ok(Self {
            kid: columns
                .kid
                .parse()
                .map_err(|_| corrupt("the name of a key"))?,
            purpose: key_purpose(&columns.purpose)?,
            public: columns.public,
            sealed: columns.sealed,
            state: key_state(&columns.state)?,
            created_at: millis(columns.created_at)?,
            state_since: millis(columns.state_since)?,
        })
    }
}

#[derive(FromRow)]
pub(in crate::store) struct ClientColumns {
    name: String,
    secret_hash: Vec<u8>,
    created_at: i64,
}

impl TryFrom<ClientColumns> for ClientRow {
    type Error = Error;

    fn try_from(columns: ClientColumns) -> Result<Self> {
        Ok(Self {
            name: columns.name,
            secret_hash: columns
                .secret_hash
                .try_into()
                .map_err(|_| corrupt("a hash that is not 32 bytes"))?,
            created_at: millis(columns.created_at)?,
        })
    }
}

#[derive(FromRow)]
pub(in crate::store) struct StatusColumns {
    client: String,
    instance: String,
    report: Json<Value>,
    age: i64,
}

impl TryFrom<StatusColumns> for StatusRow {
    type Error = Error;

    fn try_from(columns: StatusColumns) -> Result<Self> {
        Ok(Self {
            client: columns.client,
            instance: columns.instance,
            report: columns.report.0,
            // Below zero where the database's clock was set back: it came just now, for all we know.
            age: Duration::from_millis(columns.age.try_into().unwrap_or_default()),
        })
    }
}

impl KeyPurpose {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Session => "session",
            Self::Csrf => "csrf",
        }
    }
}

fn key_purpose(name: &str) -> Result<KeyPurpose> {
    KeyPurpose::ALL
        .into_iter()
        .find(|purpose| purpose.as_str() == name)
        .ok_or_else(|| corrupt("the purpose of a key"))
}

impl KeyState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Standby => "standby",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Forgotten => "forgotten",
            Self::Revoked => "revoked",
        }
    }
}

fn key_state(name: &str) -> Result<KeyState> {
    use KeyState as S;
    [S::Standby, S::Active, S::Retired, S::Forgotten, S::Revoked]
        .into_iter()
        .find(|state| state.as_str() == name)
        .ok_or_else(|| corrupt("the state of a key"))
}
