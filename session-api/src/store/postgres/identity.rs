//! Whether the database is the one that the head was written by.
//!
//! A standby that takes over may lack the last commits. Positions that were in them must not be
//! given out again, and verifiers that know them must not wait for them, so the first transaction
//! that finds another database raises the head far above all that anyone can have seen.

use super::Result;
use sqlx::PgConnection;

/// The database that executes this, as `d`: the system identifier tells clusters apart, the timeline
/// (from the name of the WAL file that is being written: `pg_control_checkpoint()` lags a promotion)
/// tells of promotions.
macro_rules! this_database {
    () => {
        "(select c.system_identifier, \
                 left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) as timeline \
          from pg_control_system() c) d"
    };
}

/// That `log_head h` was written by another database than `d`. A head of nobody is a new one.
macro_rules! other_database {
    () => {
        "h.system_identifier is not null \
         and (h.system_identifier, h.timeline) is distinct from (d.system_identifier, d.timeline)"
    };
}

/// Microseconds since 1970.
macro_rules! micros {
    () => {
        "floor(extract(epoch from transaction_timestamp()) * 1000000)::bigint"
    };
}

/// The raised head: ten minutes above the head that is left, the clock, and the greatest position
/// seen in anyone's page (`$seen`).
macro_rules! raised {
    ($seen:literal) => {
        concat!(
            "greatest(h.position, ",
            micros!(),
            ", ",
            $seen,
            ") + 600000000"
        )
    };
}

pub(super) use {micros, other_database, raised, this_database};

/// Whether this role may ask which database it is. Everyone may, unless that was revoked: better
/// found out at the start than at the first log-out.
pub(super) async fn check(connection: &mut PgConnection) -> Result<()> {
    const SQL: &str = concat!("select 1 from ", this_database!());
    sqlx::query(SQL).execute(connection).await?;
    Ok(())
}
