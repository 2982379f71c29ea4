//! What pages are made of.

use super::excerpt::{RevocationArrays, no_head, revocation_arrays};
use super::identity::{micros, other_database, raised, this_database};
use super::sql::now;
use super::{Cut, Replica, Result, rows};
use crate::store::Error;
use crate::store::statements::floor;
use revocation_events::Position;
use sqlx::{FromRow, Postgres, Transaction};

/// The replica's row makes it a transaction that writes: no standby and no left-over snapshot can
/// cut. A head of nobody becomes this database's, so that a standby knows of a failover that loses even
/// the very first revocation.
const BEAT: &str = concat!(
    "with beat as (insert into replica (id, beat_at, access_ttl) values ($1, ",
    now!(),
    ", $2) \
                   on conflict (id) do update \
                   set beat_at = excluded.beat_at, access_ttl = excluded.access_ttl) \
     update log_head as h \
     set position = case when h.system_identifier is null then h.position else ",
    raised!("$3"),
    " end, system_identifier = d.system_identifier, timeline = d.timeline \
     from ",
    this_database!(),
    " where h.system_identifier is null or (",
    other_database!(),
    ")"
);

/// Head, floor and revocations from one snapshot.
const READ: &str = concat!(
    "select ",
    now!(),
    " as at, p.head, p.floor, p.start, r.* \
     from (select h.position as head, ",
    floor!("greatest", now!()),
    " as floor, \
                  greatest($1, h.pruned) as start \
           from log_head h) p \
     cross join lateral ",
    revocation_arrays!("p.start", "p.head", "$2"),
    " r"
);

#[derive(FromRow)]
struct CutColumns {
    at: i64,
    head: i64,
    floor: i64,
    start: i64,
    #[sqlx(flatten)]
    revoked: RevocationArrays,
}

/// `tx` was begun just now: its clock was read before the snapshot of the second statement.
pub(super) async fn cut(
    mut tx: Transaction<'static, Postgres>,
    replica: Replica,
    from: Position,
    seen: Position,
    limit: u32,
) -> Result<Cut> {
    let limit = limit.max(1);
    // Both were committed before this transaction began, so a log that has them has not lost its end.
    let known = from.max(seen);
    let beat = sqlx::query(BEAT)
        .bind(replica.id)
        .bind(rows::stored_span(replica.access_ttl))
        .bind(i64::from(known));
    beat.execute(&mut *tx).await?;
    let read = sqlx::query_as::<_, CutColumns>(READ)
        .bind(i64::from(from))
        .bind(i64::from(limit) + 1);
    let columns = read.fetch_optional(&mut *tx).await?.ok_or_else(no_head)?;
    let at = rows::millis(columns.at)?;
    let start = rows::position(columns.start)?;
    let head = rows::position(columns.head)?;
    if head < known {
        tx.rollback().await?;
        return Err(Error::Behind);
    }
    tx.commit().await?;
    let floor = rows::position(columns.floor)?;
    let revoked = columns.revoked.revocations()?;
    Ok(Cut::new(at, (start, head), floor, revoked, limit))
}
