//! Tries at passwords.

use super::{corrupt, millis};
use crate::session::Tries;
use crate::store::{Error, Result};
use revocation_events::UnixMillis;
use sqlx::FromRow;

#[derive(FromRow)]
pub(in crate::store) struct TriesColumns {
    failed: i32,
    closed_until: i64,
    now: i64,
}

impl TryFrom<TriesColumns> for (Tries, UnixMillis) {
    type Error = Error;

    fn try_from(columns: TriesColumns) -> Result<Self> {
        let tries = Tries {
            failed: u32::try_from(columns.failed).map_err(|_| corrupt("a number of tries"))?,
            closed_until: millis(columns.closed_until)?,
        };
        Ok((tries, millis(columns.now)?))
    }
}
