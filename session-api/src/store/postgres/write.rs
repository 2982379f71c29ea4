//! What is written to the log: events, the revocations among them, and the rows that they make.

use super::identity::{other_database, this_database};
use super::sql::now;
use super::{Changes, Result, rows};
use crate::session::Event;
use crate::session::event::FORMAT;
use crate::store::rows::{RevocationColumns, SessionColumns};
use crate::store::{SessionRow, UserRow};
use revocation_events::UnixMillis;
use sqlx::postgres::PgArguments;
use sqlx::types::Json;
use sqlx::{PgExecutor, Postgres, Row as _};

type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// Rows of sessions from `$1` to `$14`, after `$from`. Nothing is joined, which a plan could make a
/// reading of the whole table, and rows that are there already are locked in the order of their ids.
macro_rules! save_sessions {
    ($from:literal) => {
        concat!(
            "insert into session (id, version, user_id, delivery, since, opened_at, generation, \
                 rotated_at, retry_key, expires_at, ends_at, ended_at, end_reason, end_position) \
             select s.* from ",
            $from,
            "unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::bigint[], \
                    $6::bigint[], $7::bigint[], $8::bigint[], $9::bytea[], $10::bigint[], \
                    $11::bigint[], $12::bigint[], $13::text[], $14::bigint[]) s order by 1 \
             on conflict (id) do update set version = excluded.version, \
                 user_id = excluded.user_id, delivery = excluded.delivery, \
                 since = excluded.since, opened_at = excluded.opened_at, \
                 generation = excluded.generation, rotated_at = excluded.rotated_at, \
                 retry_key = excluded.retry_key, expires_at = excluded.expires_at, \
                 ends_at = excluded.ends_at, ended_at = excluded.ended_at, \
                 end_reason = excluded.end_reason, end_position = excluded.end_position \
             where session.version < excluded.version"
        )
    };
}

const SAVE_SESSIONS: &str = save_sessions!("");

const APPEND: &str = "with appended as ( \
         insert into event (stream, version, kind, format, at, data) \
         select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::smallint[], $5::bigint[], \
                              $6::jsonb[])) \
     insert into revocation (position, at, kind, subject) \
     select * from unnest($7::bigint[], $8::bigint[], $9::text[], $10::text[])";

/// One statement, so that the head is locked for no longer than it takes, commit included.
///
/// Its snapshot is older than the lock that it may have to wait for, so nothing is decided on it:
/// whatever it writes was given to it, and it asks of the rows as they are after the wait (which is
/// what an UPDATE and an ON CONFLICT see) whether they are still those that were decided on. Where
/// the head is another one, or was written by another database, nothing happens. Where a stream has
/// grown, the version that its event takes is taken, and the statement fails.
///
/// The head is locked first, for all others need `moved`; then the rows; and events come last, for
/// they ask how many rows were saved: whoever has locked a row can read the whole of its stream, and
/// does not wait for one who waits for that row. A notification would make the commit half as long
/// again where somebody listens, so it is sent afterwards.
const WRITE: &str = concat!(
    "with moved as ( \
         update log_head as h set previous = h.position, position = $33, \
             everyone = greatest(h.everyone, $34) \
         from ",
    this_database!(),
    " where h.position = $32 and h.system_identifier is not null and not (",
    other_database!(),
    ") returning h.position), \
     saved_users as ( \
         update users as u set password_hash = n.password_hash, version = n.version, \
             roles = n.roles, disabled = n.disabled, cut_off = n.cut_off, \
             token_cut_off = n.token_cut_off \
         from moved cross join unnest($25::uuid[], $26::text[], $27::bigint[], $28::jsonb[], \
                                      $29::boolean[], $30::bigint[], $31::bigint[]) \
             as n (id, password_hash, version, roles, disabled, cut_off, token_cut_off) \
         where u.id = n.id returning u.id), \
     saved_sessions as (",
    save_sessions!("moved cross join "),
    " returning id), \
     saved as (select (select count(*) from saved_users) \
                      + (select count(*) from saved_sessions) as rows), \
     appended as ( \
         insert into event (stream, version, kind, format, at, data) \
         select e.* from moved cross join saved \
             cross join unnest($15::uuid[], $16::bigint[], $17::text[], $18::smallint[], \
                               $19::bigint[], $20::jsonb[]) e \
         where saved.rows >= 0), \
     revoked as ( \
         insert into revocation (position, at, kind, subject) \
         select r.* from moved \
             cross join unnest($21::bigint[], $22::bigint[], $23::text[], $24::text[]) r) \
     select ",
    now!(),
    " as now from moved"
);

pub(super) async fn save_sessions(db: impl PgExecutor<'_>, sessions: &[SessionRow]) -> Result<u64> {
    let query = bind_sessions(sqlx::query(SAVE_SESSIONS), sessions);
    Ok(query.execute(db).await?.rows_affected())
}

pub(super) async fn append(db: impl PgExecutor<'_>, events: &[Event]) -> Result<()> {
    bind_events(sqlx::query(APPEND), events).execute(db).await?;
    Ok(())
}

/// The clock from before the head was locked; nothing where the head is another one.
pub(super) async fn write(
    db: impl PgExecutor<'_>,
    changes: &Changes,
) -> Result<Option<UnixMillis>> {
    let query = bind_sessions(sqlx::query(WRITE), &changes.sessions);
    let query = bind_events(query, &changes.events);
    let query = bind_users(query, &changes.users)
        .bind(i64::from(changes.after))
        .bind(i64::from(changes.to))
        .bind(i64::from(changes.everyone.unwrap_or_default()));
    let row = query.fetch_optional(db).await?;
    row.map(|row| rows::millis(row.try_get("now")?)).transpose()
}

/// One field of all rows, as an array.
pub(super) fn column<R, T>(rows: &[R], field: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(field).collect()
}

fn bind_sessions<'q>(query: Query<'q>, sessions: &[SessionRow]) -> Query<'q> {
    let rows: Vec<_> = sessions.iter().map(SessionColumns::from).collect();
    query
        .bind(column(&rows, |row| row.id))
        .bind(column(&rows, |row| row.version))
        .bind(column(&rows, |row| row.user_id))
        .bind(column(&rows, |row| row.delivery.clone()))
        .bind(column(&rows, |row| row.since))
        .bind(column(&rows, |row| row.opened_at))
        .bind(column(&rows, |row| row.generation))
        .bind(column(&rows, |row| row.rotated_at))
        .bind(column(&rows, |row| row.retry_key.clone()))
        .bind(column(&rows, |row| row.expires_at))
        .bind(column(&rows, |row| row.ends_at))
        .bind(column(&rows, |row| row.ended_at))
        .bind(column(&rows, |row| row.end_reason.clone()))
        .bind(column(&rows, |row| row.end_position))
}

fn bind_events<'q>(query: Query<'q>, events: &[Event]) -> Query<'q> {
    let revocations: Vec<_> = events
        .iter()
        .filter_map(|event| Some((event.at, RevocationColumns::from(&event.revocation()?))))
        .collect();
    query
        .bind(column(events, |event| event.stream.uuid()))
        .bind(column(events, |event| event.version))
        .bind(column(events, |event| event.fact.kind()))
        .bind(column(events, |_| FORMAT))
        .bind(column(events, |event| rows::stored(event.at)))
        .bind(column(events, |event| Json(event.fact.data())))
        .bind(column(&revocations, |(_, revocation)| revocation.position))
        .bind(column(&revocations, |(at, _)| rows::stored(*at)))
        .bind(column(&revocations, |(_, revocation)| {
            revocation.kind.clone()
        }))
        .bind(column(&revocations, |(_, revocation)| {
            revocation.subject.clone()
        }))
}

fn bind_users<'q>(query: Query<'q>, users: &[UserRow]) -> Query<'q> {
    query
        .bind(column(users, |row| row.id.uuid()))
        .bind(column(users, |row| row.password_hash.clone()))
        .bind(column(users, |row| row.version))
        .bind(column(users, |row| Json(row.user.roles.clone())))
        .bind(column(users, |row| row.user.disabled))
        .bind(column(users, |row| i64::from(row.user.cut_off)))
        .bind(column(users, |row| i64::from(row.user.token_cut_off)))
}
