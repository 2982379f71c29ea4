//! What goes wrong below, told apart by what its reader can do about it.

use sqlx::error::DatabaseError;

/// What went wrong below.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The database did not answer, or not in time: what became of the statement is unknown.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// A statement failed for a reason of its own.
    #[error("the database refused a statement")]
    Database(#[source] sqlx::Error),
    /// What was published is not there: a standby, a backup, a primary of before a failover.
    #[error(
        "the database is behind what was published: DATABASE_URL must lead to the primary, and to one \
         only; where a backup or a snapshot was brought back, stop all replicas, run `session-api log \
         restored` and start them again"
    )]
    Behind,
    /// A row or an event does not read as this program would have written it.
    #[error("the database holds what this program cannot read: {0}")]
    Corrupt(String),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Not the address of a database of a kind that is known.
    #[error("the database URL must be postgres://USER:PASSWORD@HOST/DATABASE or sqlite:FILE")]
    Url(#[source] Option<sqlx::Error>),
}

/// The schema is not the one that this program was written for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SchemaError {
    #[error("the database has no schema yet; run `session-api migrate`")]
    Missing,
    #[error(
        "the schema is at version {found} and this program needs {wanted}; run `session-api migrate`"
    )]
    TooOld { found: i64, wanted: i64 },
    #[error(
        "the schema is at version {found} and this program knows only {wanted}; upgrade this program"
    )]
    TooNew { found: i64, wanted: i64 },
    #[error("migration {version} in the database differs from this program's")]
    Altered { version: i64 },
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The database that holds the log does not answer.
    pub(crate) const fn is_away(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Behind)
    }

    /// There is a row with this key already.
    pub(super) fn is_taken(&self) -> bool {
        let Self::Database(error) = self else {
            return false;
        };
        error.as_database_error().is_some_and(|refusal| {
            // In SQLite the triggers that keep the log as it is come before the key.
            let kept = refusal.code().is_some_and(|code| code == "1811");
            refusal.is_unique_violation() || kept
        })
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Io(_)
            | E::Tls(_)
            | E::PoolTimedOut
            | E::PoolClosed
            | E::WorkerCrashed
            | E::BeginFailed => Self::Unavailable(error),
            E::Database(refusal) if is_away(&**refusal) => Self::Unavailable(error),
            E::ColumnDecode { index, .. } => Self::Corrupt(format!("column {index}")),
            _ => Self::Database(error),
        }
    }
}

fn is_away(refusal: &dyn DatabaseError) -> bool {
    let code = refusal.code().unwrap_or_default();
    if refusal
        .try_downcast_ref::<sqlx::sqlite::SqliteError>()
        .is_some()
    {
        return is_away_in_sqlite(&code);
    }
    is_away_in_postgres(&code)
}

/// By SQLSTATE (PostgreSQL manual, appendix A).
fn is_away_in_postgres(code: &str) -> bool {
    // Connections that fail; too little disk, memory or room for connections.
    let classes = ["08", "53"];
    let codes = [
        "25006", // A standby: it takes no writes.
        "25P03", // The transaction was idle for too long.
        "55P03", // A lock was not to be had in time.
        "57014", // The statement took too long.
        "57P01", // It is shutting down,
        "57P02", // has crashed,
        "57P03", // or is not up yet.
        "57P05", // The session was idle for too long.
    ];
    classes.iter().any(|class| code.starts_with(class)) || codes.contains(&code)
}

/// By the primary result code (<https://sqlite.org/rescode.html>).
fn is_away_in_sqlite(code: &str) -> bool {
    let primary = code.parse::<u32>().unwrap_or_default() & 0xff;
    // Busy, locked, I/O error, full, cannot open.
    [5, 6, 10, 13, 14].contains(&primary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_away_is_told_from_one_that_refuses() {
        for away in ["08006", "53300", "57P01", "57P03", "57014", "25006"] {
            assert!(is_away_in_postgres(away), "{away}");
        }
        for refused in ["23505", "42501", "42P01", "40P01", "22003", ""] {
            assert!(!is_away_in_postgres(refused), "{refused}");
        }
        for away in ["5", "261", "517", "10", "13", "14"] {
            assert!(is_away_in_sqlite(away), "{away}");
        }
        for refused in ["1", "19", "2067", "26", ""] {
            assert!(!is_away_in_sqlite(refused), "{refused}");
        }
    }
}
