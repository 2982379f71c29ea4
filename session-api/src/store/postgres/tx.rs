//! A transaction that writes.

use super::identity::{micros, other_database, raised, this_database};
use super::link::Link;
use super::listen::channel;
use super::plain;
use super::sql::{self, now};
use crate::session::{Event, Tries};
use crate::store::rows::{
    FoundSessionColumns, FoundUserColumns, HeadColumns, RevocationColumns, SessionColumns,
    TakenColumns,
};
use crate::store::statements::{alive, found_session_columns, session_columns};
use crate::store::wakeups::Wakeups;
use crate::store::{
    ClientInfo, FoundSession, FoundUser, Head, KeyRow, Result, SessionRow, Taken, TakenPosition,
    TrySource, Tx, UserRow, rows,
};
use async_trait::async_trait;
use revocation_events::{Position, SessionId, UnixMillis, UserId};
use sqlx::types::Json;
use sqlx::{FromRow, Postgres, Transaction};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

pub(super) struct PostgresTx {
    tx: Transaction<'static, Postgres>,
    /// See [`crate::store::Store::begin_revoking`]. Dropped after the transaction.
    _permit: Option<OwnedSemaphorePermit>,
    link: Arc<Link>,
    taken: Option<Position>,
    wakeups: Wakeups,
}

impl PostgresTx {
    pub(super) const fn new(
        tx: Transaction<'static, Postgres>,
        permit: Option<OwnedSemaphorePermit>,
        link: Arc<Link>,
        wakeups: Wakeups,
    ) -> Self {
        Self {
            tx,
            _permit: permit,
            link,
            taken: None,
            wakeups,
        }
    }
}

/// One UPDATE: after a wait for the lock, Postgres computes it again from the head that it finds.
/// The notification goes out with the commit.
const TAKE: &str = concat!(
    "with taken as ( \
         update log_head as h set previous = h.position, \
             position = greatest(case when ",
    other_database!(),
    " then ",
    raised!("$1"),
    " else h.position end + 1, ",
    micros!(),
    "), \
             system_identifier = d.system_identifier, timeline = d.timeline \
         from ",
    this_database!(),
    " returning h.previous, h.position) \
     select t.previous, t.position, ",
    now!(),
    " as now \
     from taken t cross join lateral pg_notify('",
    channel!(),
    "', t.position::text) n"
);

/// Row, user and head from one snapshot. Where a row has to be waited for, it alone is read again:
/// the head stays that of the snapshot, which is right, for a `pos` may be too old and never too new.
/// Rows are locked in the order of the answer.
const LOCK_SESSIONS: &str = concat!(
    "select ",
    found_session_columns!(),
    ", ",
    now!(),
    " as now \
     from session s join users u on u.id = s.user_id cross join log_head h \
     where s.id = any($1) order by s.id for update of s"
);

const APPEND: &str = "with appended as ( \
         insert into event (stream, version, kind, format, at, data) \
         select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::smallint[], $5::bigint[], \
                              $6::jsonb[])) \
     insert into revocation (position, at, kind, subject) \
     select * from unnest($7::bigint[], $8::bigint[], $9::text[], $10::text[])";

const SAVE_SESSIONS: &str = "insert into session (id, version, user_id, delivery, since, opened_at, \
         generation, rotated_at, retry_key, expires_at, ends_at, ended_at, end_reason, end_position) \
     select * from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::bigint[], \
                          $6::bigint[], $7::bigint[], $8::bigint[], $9::bytea[], $10::bigint[], \
                          $11::bigint[], $12::bigint[], $13::text[], $14::bigint[]) \
     on conflict (id) do update set version = excluded.version, user_id = excluded.user_id, \
         delivery = excluded.delivery, since = excluded.since, opened_at = excluded.opened_at, \
         generation = excluded.generation, rotated_at = excluded.rotated_at, \
         retry_key = excluded.retry_key, expires_at = excluded.expires_at, \
         ends_at = excluded.ends_at, ended_at = excluded.ended_at, \
         end_reason = excluded.end_reason, end_position = excluded.end_position \
     where session.version < excluded.version";

/// One field of all rows, as an array.
fn column<R, T>(rows: &[R], field: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(field).collect()
}

#[derive(FromRow)]
struct KnownColumns {
    known: bool,
    #[sqlx(flatten)]
    head: HeadColumns,
}

#[async_trait]
impl Tx for PostgresTx {
    async fn take_position(&mut self, seen: Position) -> Result<TakenPosition> {
        let query = sqlx::query_as::<_, TakenColumns>(TAKE).bind(i64::from(seen));
        let taken: TakenPosition = self
            .link
            .answers(query.fetch_one(&mut *self.tx))
            .await?
            .try_into()?;
        self.taken = Some(taken.position);
        Ok(taken)
    }

    async fn raise_head(&mut self) -> Result<()> {
        const RAISE: &str = concat!("update log_head as h set position = ", raised!("0"));
        self.link
            .answers(sqlx::query(RAISE).execute(&mut *self.tx))
            .await?;
        Ok(())
    }

    async fn lock_head(&mut self) -> Result<Head> {
        const SQL: &str = concat!(
            "select position, everyone, ",
            now!(),
            " as now from log_head for update"
        );
        self.link
            .answers(sqlx::query_as::<_, HeadColumns>(SQL).fetch_one(&mut *self.tx))
            .await?
            .try_into()
    }

    async fn head(&mut self) -> Result<Head> {
        self.link
            .answers(sqlx::query_as::<_, HeadColumns>(sql::HEAD).fetch_one(&mut *self.tx))
            .await?
            .try_into()
    }

    async fn lock_user(&mut self, id: UserId) -> Result<Option<FoundUser>> {
        let query = sqlx::query_as::<_, FoundUserColumns>(sql::LOCK_USER).bind(id.uuid());
        self.link
            .answers(query.fetch_optional(&mut *self.tx))
            .await?
            .map(TryInto::try_into)
            .transpose()
    }

    async fn lock_sessions(&mut self, ids: &[SessionId]) -> Result<Vec<FoundSession>> {
        let query = sqlx::query_as::<_, FoundSessionColumns>(LOCK_SESSIONS)
            .bind(column(ids, |id| id.uuid()));
        rows::all(self.link.answers(query.fetch_all(&mut *self.tx)).await?)
    }

    async fn knows_client(
        &mut self,
        user: UserId,
        user_agent: Option<&str>,
    ) -> Result<(bool, Head)> {
        const SQL: &str = concat!(
            "select exists (select 1 from session_client c where c.user_id = $1 \
                 and left(coalesce(c.user_agent, ''), 128) = left(coalesce($2, ''), 128) \
                 and c.user_agent is not distinct from $2) as known, \
             h.position, h.everyone, ",
            now!(),
            " as now from log_head h"
        );
        let query = sqlx::query_as::<_, KnownColumns>(SQL)
            .bind(user.uuid())
            .bind(user_agent);
        let columns = self.link.answers(query.fetch_one(&mut *self.tx)).await?;
        Ok((columns.known, columns.head.try_into()?))
    }

    async fn sessions_beyond(&mut self, user: UserId, keep: u32) -> Result<Vec<SessionId>> {
        const SQL: &str = concat!(
            "select s.id from session s join users u on u.id = s.user_id cross join log_head h \
             where s.user_id = $1 and ",
            alive!(now!()),
            " order by s.id desc offset $2"
        );
        let query = sqlx::query_scalar(SQL)
            .bind(user.uuid())
            .bind(i64::from(keep));
        let ids: Vec<Uuid> = self.link.answers(query.fetch_all(&mut *self.tx)).await?;
        Ok(ids.into_iter().rev().map(SessionId::new).collect())
    }

    async fn append(&mut self, events: &[Event]) -> Result<()> {
        let revocations: Vec<_> = events
            .iter()
            .filter_map(|event| Some((event.at, RevocationColumns::from(&event.revocation()?))))
            .collect();
        let query = sqlx::query(APPEND)
            .bind(column(events, |event| event.stream.uuid()))
            .bind(column(events, |event| event.version))
            .bind(column(events, |event| event.fact.kind()))
            .bind(column(events, |_| crate::session::event::FORMAT))
            .bind(column(events, |event| rows::stored(event.at)))
            .bind(column(events, |event| Json(event.fact.data())))
            .bind(column(&revocations, |(_, revocation)| revocation.position))
            .bind(column(&revocations, |(at, _)| rows::stored(*at)))
            .bind(column(&revocations, |(_, revocation)| {
                revocation.kind.clone()
            }))
            .bind(column(&revocations, |(_, revocation)| {
                revocation.subject.clone()
            }));
        self.link.answers(query.execute(&mut *self.tx)).await?;
        Ok(())
    }

    async fn save_sessions(&mut self, sessions: &[SessionRow]) -> Result<u64> {
        let rows: Vec<_> = sessions.iter().map(SessionColumns::from).collect();
        let query = sqlx::query(SAVE_SESSIONS)
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
            .bind(column(&rows, |row| row.end_position));
        let saved = self.link.answers(query.execute(&mut *self.tx)).await?;
        Ok(saved.rows_affected())
    }

    async fn save_client_info(&mut self, session: SessionId, client: &ClientInfo) -> Result<()> {
        self.link
            .answers(plain::save_client_info(&mut *self.tx, session, client))
            .await
    }

    async fn add_user(&mut self, row: &UserRow) -> Result<std::result::Result<(), Taken>> {
        self.link.answers(plain::add_user(&mut *self.tx, row)).await
    }

    async fn save_user(&mut self, row: &UserRow) -> Result<()> {
        self.link
            .answers(plain::save_user(&mut *self.tx, row))
            .await
    }

    async fn lock_tries(&mut self, source: TrySource) -> Result<(Tries, UnixMillis)> {
        self.link
            .answers(plain::lock_tries(&mut *self.tx, source))
            .await
    }

    async fn save_tries(&mut self, source: TrySource, tries: Tries) -> Result<()> {
        self.link
            .answers(plain::save_tries(&mut *self.tx, source, tries))
            .await
    }

    async fn forget_tries(&mut self, account: UserId) -> Result<bool> {
        // Two that forget the same rows lock them in one order.
        const SQL: &str = "delete from login_tries where (account, source) in \
                           (select account, source from login_tries where account = $1 \
                            order by source for update)";
        let query = sqlx::query(SQL).bind(account.uuid());
        let done = self.link.answers(query.execute(&mut *self.tx)).await?;
        Ok(done.rows_affected() > 0)
    }

    async fn set_everyone(&mut self, position: Position) -> Result<()> {
        const SQL: &str = "update log_head set everyone = greatest(everyone, $1)";
        self.link
            .answers(
                sqlx::query(SQL)
                    .bind(i64::from(position))
                    .execute(&mut *self.tx),
            )
            .await?;
        Ok(())
    }

    async fn keys(&mut self) -> Result<Vec<KeyRow>> {
        self.link.answers(plain::keys(&mut *self.tx)).await
    }

    async fn save_key(&mut self, key: &KeyRow) -> Result<()> {
        self.link.answers(plain::save_key(&mut *self.tx, key)).await
    }

    async fn stream_version(&mut self, stream: Uuid) -> Result<i64> {
        self.link
            .answers(plain::stream_version(&mut *self.tx, stream))
            .await
    }

    async fn distrust_session(&mut self, id: SessionId) -> Result<()> {
        self.link
            .answers(plain::distrust_session(&mut *self.tx, id))
            .await
    }

    async fn delete_session(&mut self, id: SessionId) -> Result<()> {
        self.link
            .answers(plain::delete_session(&mut *self.tx, id))
            .await
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.link.answers(self.tx.commit()).await?;
        if let Some(position) = self.taken {
            self.wakeups.committed(position);
        }
        Ok(())
    }
}
