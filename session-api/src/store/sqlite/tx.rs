//! A transaction that writes. It has the file's write lock, so each statement sees what the one
//! before saw, and several may do where Postgres needs one.

use super::{SESSION, USER, plain};
use crate::session::{Event, Tries};
use crate::store::rows::{
    FoundSessionColumns, FoundUserColumns, HeadColumns, RevocationColumns, SessionColumns,
};
use crate::store::wakeups::Wakeups;
use crate::store::{
    Changes, ClientInfo, Error, FoundSession, FoundUser, Head, KeyRow, Result, SessionRow, Taken,
    TakenPosition, TrySource, Tx, UserRow, rows,
};
use async_trait::async_trait;
use revocation_events::{Position, SessionId, UnixMillis, UserId};
use sqlx::types::Json;
use sqlx::{Sqlite, Transaction};
use uuid::Uuid;

pub(super) struct SqliteTx {
    tx: Transaction<'static, Sqlite>,
    now: UnixMillis,
    taken: Option<Position>,
    wakeups: Wakeups,
    publish_refreshed: bool,
}

impl SqliteTx {
    pub(super) const fn new(
        tx: Transaction<'static, Sqlite>,
        now: UnixMillis,
        wakeups: Wakeups,
        publish_refreshed: bool,
    ) -> Self {
        Self {
            tx,
            now,
            taken: None,
            wakeups,
            publish_refreshed,
        }
    }

    fn now(&self) -> i64 {
        rows::stored(self.now)
    }
}

#[async_trait]
impl Tx for SqliteTx {
    async fn take_position(&mut self, seen: Position) -> Result<TakenPosition> {
        const TAKE: &str =
            "update log_head set position = max(position + 1, $1) returning position";
        let head = self.head().await?;
        if head.position < seen {
            return Err(Error::Behind);
        }
        let take = sqlx::query_scalar(TAKE).bind(self.now().saturating_mul(1_000));
        let position = rows::position(take.fetch_one(&mut *self.tx).await?)?;
        self.taken = Some(position);
        Ok(TakenPosition {
            position,
            previous: head.position,
            everyone: head.everyone,
            now: self.now,
        })
    }

    async fn raise_head(&mut self, above: Position) -> Result<()> {
        const RAISE: &str = "update log_head set position = max(position, $1, $2) + 600000000";
        let raise = sqlx::query(RAISE)
            .bind(self.now().saturating_mul(1_000))
            .bind(i64::from(above));
        raise.execute(&mut *self.tx).await?;
        Ok(())
    }

    async fn lock_head(&mut self) -> Result<Head> {
        self.head().await
    }

    async fn head(&mut self) -> Result<Head> {
        const SQL: &str = "select position, everyone, $1 as now from log_head";
        let query = sqlx::query_as::<_, HeadColumns>(SQL).bind(self.now());
        query.fetch_one(&mut *self.tx).await?.try_into()
    }

    async fn lock_users(&mut self, ids: &[UserId]) -> Result<Vec<FoundUser>> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let query = sqlx::query_as::<_, FoundUserColumns>(USER)
                .bind(id.uuid())
                .bind(self.now());
            if let Some(columns) = query.fetch_optional(&mut *self.tx).await? {
                found.push(columns.try_into()?);
            }
        }
        Ok(found)
    }

    async fn lock_sessions(&mut self, ids: &[SessionId]) -> Result<Vec<FoundSession>> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let query = sqlx::query_as::<_, FoundSessionColumns>(SESSION)
                .bind(id.uuid())
                .bind(self.now());
            if let Some(columns) = query.fetch_optional(&mut *self.tx).await? {
                found.push(columns.try_into()?);
            }
        }
        Ok(found)
    }

    async fn knows_client(
        &mut self,
        user: UserId,
        user_agent: Option<&str>,
    ) -> Result<(bool, Head)> {
        const SQL: &str = "select exists (select 1 from session_client c where c.user_id = $1 \
                           and substr(coalesce(c.user_agent, ''), 1, 128) = substr(coalesce($2, ''), 1, 128) \
                           and c.user_agent is $2)";
        let query = sqlx::query_scalar(SQL).bind(user.uuid()).bind(user_agent);
        let known = query.fetch_one(&mut *self.tx).await?;
        Ok((known, self.head().await?))
    }

    async fn append(&mut self, events: &[Event]) -> Result<()> {
        const EVENT: &str = "insert into event (stream, version, kind, format, at, data) \
                             values ($1, $2, $3, $4, $5, $6)";
        const REVOCATION: &str =
            "insert into revocation (position, at, kind, subject) values ($1, $2, $3, $4)";
        // All others are put there by a trigger.
        const OUTBOX: &str = "insert into event_outbox (stream, version, at) values ($1, $2, $3)";
        for event in events {
            let query = sqlx::query(EVENT)
                .bind(event.stream.uuid())
                .bind(event.version)
                .bind(event.fact.kind())
                .bind(crate::session::event::FORMAT)
                .bind(rows::stored(event.at))
                .bind(Json(event.fact.data()));
            query.execute(&mut *self.tx).await?;
            if self.publish_refreshed && event.fact.is_refresh() {
                let query = sqlx::query(OUTBOX)
                    .bind(event.stream.uuid())
                    .bind(event.version)
                    .bind(rows::stored(event.at));
                query.execute(&mut *self.tx).await?;
            }
            if let Some(revocation) = event.revocation() {
                let columns = RevocationColumns::from(&revocation);
                let query = sqlx::query(REVOCATION)
                    .bind(columns.position)
                    .bind(rows::stored(event.at))
                    .bind(columns.kind)
                    .bind(columns.subject);
                query.execute(&mut *self.tx).await?;
            }
        }
        Ok(())
    }

    async fn save_sessions(&mut self, sessions: &[SessionRow]) -> Result<u64> {
        const SQL: &str = "insert into session (id, version, user_id, delivery, since, opened_at, \
             generation, rotated_at, retry_key, expires_at, ends_at, ended_at, end_reason, \
             end_position) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
             on conflict (id) do update set version = excluded.version, \
             user_id = excluded.user_id, delivery = excluded.delivery, since = excluded.since, \
             opened_at = excluded.opened_at, generation = excluded.generation, \
             rotated_at = excluded.rotated_at, retry_key = excluded.retry_key, \
             expires_at = excluded.expires_at, ends_at = excluded.ends_at, \
             ended_at = excluded.ended_at, end_reason = excluded.end_reason, \
             end_position = excluded.end_position where session.version < excluded.version";
        let mut saved = 0;
        for session in sessions {
            let row = SessionColumns::from(session);
            let query = sqlx::query(SQL)
                .bind(row.id)
                .bind(row.version)
                .bind(row.user_id)
                .bind(row.delivery)
                .bind(row.since)
                .bind(row.opened_at)
                .bind(row.generation)
                .bind(row.rotated_at)
                .bind(row.retry_key)
                .bind(row.expires_at)
                .bind(row.ends_at)
                .bind(row.ended_at)
                .bind(row.end_reason)
                .bind(row.end_position);
            saved += query.execute(&mut *self.tx).await?.rows_affected();
        }
        Ok(saved)
    }

    async fn save_client_info(&mut self, session: SessionId, client: &ClientInfo) -> Result<()> {
        plain::save_client_info(&mut *self.tx, session, client).await
    }

    async fn add_user(&mut self, row: &UserRow) -> Result<std::result::Result<(), Taken>> {
        plain::add_user(&mut *self.tx, row).await
    }

    async fn save_user(&mut self, row: &UserRow) -> Result<()> {
        plain::save_user(&mut *self.tx, row).await
    }

    async fn lock_tries(&mut self, source: TrySource) -> Result<(Tries, UnixMillis)> {
        plain::lock_tries(&mut *self.tx, source).await
    }

    async fn save_tries(&mut self, source: TrySource, tries: Tries) -> Result<()> {
        plain::save_tries(&mut *self.tx, source, tries).await
    }

    async fn forget_tries(&mut self, account: UserId) -> Result<bool> {
        const SQL: &str = "delete from login_tries where account = $1";
        let query = sqlx::query(SQL).bind(account.uuid());
        Ok(query.execute(&mut *self.tx).await?.rows_affected() > 0)
    }

    async fn write(&mut self, changes: &Changes) -> Result<()> {
        const MOVE: &str = "update log_head set position = $1, everyone = max(everyone, $2)";
        let everyone = changes.everyone.unwrap_or_default();
        let moved = sqlx::query(MOVE)
            .bind(i64::from(changes.to))
            .bind(i64::from(everyone));
        moved.execute(&mut *self.tx).await?;
        self.append(&changes.events).await?;
        self.save_sessions(&changes.sessions).await?;
        for user in &changes.users {
            plain::save_user(&mut *self.tx, user).await?;
        }
        self.taken = Some(changes.to);
        Ok(())
    }

    async fn keys(&mut self) -> Result<Vec<KeyRow>> {
        plain::keys(&mut *self.tx).await
    }

    async fn save_key(&mut self, key: &KeyRow) -> Result<()> {
        plain::save_key(&mut *self.tx, key).await
    }

    async fn stream_version(&mut self, stream: Uuid) -> Result<i64> {
        plain::stream_version(&mut *self.tx, stream).await
    }

    async fn distrust_session(&mut self, id: SessionId) -> Result<()> {
        plain::distrust_session(&mut *self.tx, id).await
    }

    async fn delete_session(&mut self, id: SessionId) -> Result<()> {
        plain::delete_session(&mut *self.tx, id).await
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.tx.commit().await?;
        if let Some(position) = self.taken {
            self.wakeups.committed(position);
        }
        Ok(())
    }
}
