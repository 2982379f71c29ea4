//! What pages are made of.

use super::identity::{micros, other_database, raised, this_database};
use super::sql::now;
use super::{Cut, Replica, Result, rows};
use crate::store::Error;
use crate::store::rows::JoinedRevocationColumns;
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

/// Head, floor and rows from one snapshot. The row of the head comes also where there are no others.
const READ: &str = concat!(
    "select ",
    now!(),
    " as at, p.head, p.floor, p.start, r.position, r.kind, r.subject \
     from (select h.position as head, ",
    floor!("greatest", now!()),
    " as floor, \
                  greatest($1, h.pruned) as start \
           from log_head h) p \
     left join lateral (select v.position, v.kind, v.subject from revocation v \
                        where v.position > p.start and v.position <= p.head \
                        order by v.position limit $2) r on true \
     order by r.position"
);

#[derive(FromRow)]
struct CutColumns {
    at: i64,
    head: i64,
    floor: i64,
    start: i64,
    #[sqlx(flatten)]
    revocation: JoinedRevocationColumns,
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
    let columns = read.fetch_all(&mut *tx).await?;
    let missing = || Error::Corrupt("no head".to_owned());
    let first = columns.first().ok_or_else(missing)?;
    let at = rows::millis(first.at)?;
    let (start, head) = (rows::position(first.start)?, rows::position(first.head)?);
    if head < known {
        tx.rollback().await?;
        return Err(Error::Behind);
    }
    tx.commit().await?;
    let floor = rows::position(first.floor)?;
    let revoked = columns
        .into_iter()
        .filter_map(|columns| columns.revocation.revocation())
        .collect::<Result<_>>()?;
    Ok(Cut::new(at, (start, head), floor, revoked, limit))
}
