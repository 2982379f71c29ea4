//! A transaction that writes.

use super::identity::{micros, other_database, raised, this_database};
use super::link::Link;
use super::listen::channel;
use super::sql::{self, now};
use super::write::{self, column};
use super::{Changes, plain};
use crate::clock;
use crate::session::{Event, Tries};
use crate::store::rows::{FoundSessionColumns, FoundUserColumns, HeadColumns, TakenColumns};
use crate::store::wakeups::Wakeups;
use crate::store::{
    ClientInfo, Error, FoundSession, FoundUser, Head, KeyRow, Result, SessionRow, Taken,
    TakenPosition, TrySource, Tx, UserRow, rows,
};
use async_trait::async_trait;
use revocation_events::{Position, SessionId, UnixMillis, UserId};
use sqlx::{FromRow, Postgres, Transaction};
use std::sync::Arc;
use uuid::Uuid;

pub(super) struct PostgresTx {
    tx: Transaction<'static, Postgres>,
    link: Arc<Link>,
    taken: Option<Position>,
    wakeups: Wakeups,
}

impl PostgresTx {
    pub(super) const fn new(
        tx: Transaction<'static, Postgres>,
        link: Arc<Link>,
        wakeups: Wakeups,
    ) -> Self {
        Self {
            tx,
            link,
            taken: None,
            wakeups,
        }
    }
}

/// One UPDATE: after a wait for the lock, Postgres computes it again from the head that it finds.
/// Nothing where that head is below what was published, and no other database explains it.
/// The notification goes out with the commit.
const TAKE: &str = concat!(
    "with taken as ( \
         update log_head as h set previous = h.position, \
             position = greatest(case when ",
    other_database!(),
    " then ",
    raised!("$1"),
    " else h.position end + 1, least(",
    micros!(),
    ", $2)), \
             system_identifier = d.system_identifier, timeline = d.timeline \
         from ",
    this_database!(),
    " where h.position >= $1 or (",
    other_database!(),
    ") returning h.previous, h.position, h.everyone) \
     select t.previous, t.position, t.everyone, ",
    now!(),
    " as now \
     from taken t cross join lateral pg_notify('",
    channel!(),
    "', t.position::text) n"
);

#[derive(FromRow)]
struct KnownColumns {
    known: bool,
    #[sqlx(flatten)]
    head: HeadColumns,
}

#[async_trait]
impl Tx for PostgresTx {
    async fn take_position(&mut self, seen: Position) -> Result<TakenPosition> {
        let query = sqlx::query_as::<_, TakenColumns>(TAKE)
            .bind(i64::from(seen))
            .bind(i64::from(clock::latest_position()));
        let taken: TakenPosition = self
            .link
            .answers(query.fetch_optional(&mut *self.tx))
            .await?
            .ok_or(Error::Behind)?
            .try_into()?;
        self.taken = Some(taken.position);
        Ok(taken)
    }

    async fn raise_head(&mut self, above: Position) -> Result<()> {
        const RAISE: &str = concat!("update log_head as h set position = ", raised!("$1"));
        let raise = sqlx::query(RAISE).bind(i64::from(above));
        self.link.answers(raise.execute(&mut *self.tx)).await?;
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

    async fn lock_users(&mut self, ids: &[UserId]) -> Result<Vec<FoundUser>> {
        let query = sqlx::query_as::<_, FoundUserColumns>(sql::LOCK_USERS)
            .bind(column(ids, |id| id.uuid()));
        rows::all(self.link.answers(query.fetch_all(&mut *self.tx)).await?)
    }

    async fn lock_sessions(&mut self, ids: &[SessionId]) -> Result<Vec<FoundSession>> {
        let query = sqlx::query_as::<_, FoundSessionColumns>(sql::LOCK_SESSIONS)
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

    async fn append(&mut self, events: &[Event]) -> Result<()> {
        self.link
            .answers(write::append(&mut *self.tx, events))
            .await
    }

    async fn save_sessions(&mut self, sessions: &[SessionRow]) -> Result<u64> {
        self.link
            .answers(write::save_sessions(&mut *self.tx, sessions))
            .await
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
        // Two that forget the same rows lock them in one order. They are found by the account again,
        // for a join may be planned as a reading of the whole table, which is large under attack.
        const SQL: &str = "with locked as (select 1 from login_tries where account = $1 \
                                           order by source for update) \
                           delete from login_tries where account = $1 \
                               and (select count(*) from locked) > 0";
        let query = sqlx::query(SQL).bind(account.uuid());
        let done = self.link.answers(query.execute(&mut *self.tx)).await?;
        Ok(done.rows_affected() > 0)
    }

    async fn write(&mut self, changes: &Changes) -> Result<()> {
        let written = self
            .link
            .answers(write::write(&mut *self.tx, changes))
            .await?;
        // The head is locked since `take_position`.
        written.ok_or(Error::Database(sqlx::Error::RowNotFound))?;
        self.taken = Some(changes.to);
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
