//! The log in one SQLite file: the embedded default.
//!
//! One connection writes, and has the file's write lock from the first moment of each transaction
//! (`BEGIN IMMEDIATE`); a few others read. Every statement sees one snapshot. Another process may
//! have the file open at the same time: the command line does.
//!
//! The clock is this process's. A transaction reads it once, when it has the lock: nothing can be
//! committed between that reading and what the transaction sees, so it may stand as the `at` of a
//! page, and no wait makes it old.

mod connect;
mod excerpt;
mod migrations;
mod outbox;
mod tx;

use super::statements::{
    alive, floor, found_session_columns, session_columns, statements, user_columns,
};
use super::wakeups::Wakeups;
use super::{
    Changes, ClientRow, Cut, Error, Excerpt, FoundSession, FoundUser, Head, KeyRow, ListedSession,
    Options, Replica, Result, Stale, StatusRow, Store, StoredEvent, StoredSession, Taken,
    TellMigration, TimedPlace, Tx, UserRow, rows, schema,
};
use crate::clock;
use crate::session::{Event, RetryKey};
use async_trait::async_trait;
use connect::Pools;
use revocation_events::{Position, SessionId, UnixMillis, UserId};
use rows::{FoundSessionColumns, FoundUserColumns, HeadColumns, ListedSessionColumns};
use sqlx::sqlite::SqlitePool;
use std::time::Duration;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Revocations deleted in one transaction, so that a writer never waits long for it.
const PRUNE_BATCH: u32 = 5_000;

mod plain {
    super::statements!(
        sqlx::Sqlite,
        "max",
        "cast(round(unixepoch('subsec') * 1000) as integer)"
    );
}

/// A SQLite file.
pub(super) struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    wakeups: Wakeups,
    publish_refreshed: bool,
    /// Ends with the store.
    _poll: JoinSet<()>,
}

impl SqliteStore {
    pub(super) async fn connect(url: &str, options: Options) -> Result<Self> {
        let Pools { writer, readers } = Pools::connect(url, options.if_missing).await?;
        let wakeups = Wakeups::new();
        let mut poll = JoinSet::new();
        let polled = readers.clone();
        poll.spawn(wakeups.clone().poll(move || head_position(polled.clone())));
        Ok(Self {
            writer,
            readers,
            wakeups,
            publish_refreshed: options.publish_refreshed,
            _poll: poll,
        })
    }

    async fn begin_tx(&self) -> Result<(tx::SqliteTx, UnixMillis)> {
        let (tx, now) = self.begin_immediate().await?;
        let tx = tx::SqliteTx::new(tx, now, self.wakeups.clone(), self.publish_refreshed);
        Ok((tx, now))
    }

    async fn begin_immediate(
        &self,
    ) -> Result<(sqlx::Transaction<'static, sqlx::Sqlite>, UnixMillis)> {
        let tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok((tx, clock::now()))
    }
}

async fn head_position(readers: SqlitePool) -> Result<Position> {
    let position = sqlx::query_scalar("select position from log_head");
    rows::position(position.fetch_one(&readers).await?)
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self) -> Result<Box<dyn Tx>> {
        Ok(Box::new(self.begin_tx().await?.0))
    }

    async fn write(&self, changes: &Changes) -> Result<std::result::Result<UnixMillis, Stale>> {
        let (tx, now) = self.begin_tx().await?;
        let mut tx = Box::new(tx);
        if tx.head().await?.position != changes.after {
            return Ok(Err(Stale));
        }
        match tx.write(changes).await {
            Ok(()) => tx.commit().await.map(|()| Ok(now)),
            Err(error) if error.is_taken() => Ok(Err(Stale)),
            Err(error) => Err(error),
        }
    }

    /// They poll.
    async fn wake_others(&self, _head: Position) {}

    async fn check_schema(&self) -> Result<()> {
        let mut connection = self.readers.acquire().await?;
        let applied = migrations::applied(&mut connection).await?;
        Ok(schema::check(&applied, &migrations::MIGRATIONS)?)
    }

    async fn migrate_telling(&self, tell: &TellMigration) -> Result<Vec<i64>> {
        migrations::apply(&self.writer, tell).await
    }

    async fn head(&self) -> Result<Head> {
        const SQL: &str = "select position, everyone, $1 as now from log_head";
        let query = sqlx::query_as::<_, HeadColumns>(SQL).bind(rows::stored(clock::now()));
        query.fetch_one(&self.readers).await?.try_into()
    }

    async fn user_by_name(&self, name: &str) -> Result<Option<FoundUser>> {
        const SQL: &str = concat!(
            "select ",
            user_columns!(),
            ", h.position, h.everyone, $2 as now \
             from users u cross join log_head h where u.name = $1"
        );
        let query = sqlx::query_as::<_, FoundUserColumns>(SQL)
            .bind(name)
            .bind(rows::stored(clock::now()));
        query
            .fetch_optional(&self.readers)
            .await?
            .map(TryInto::try_into)
            .transpose()
    }

    async fn user(&self, id: UserId) -> Result<Option<FoundUser>> {
        let query = sqlx::query_as::<_, FoundUserColumns>(USER)
            .bind(id.uuid())
            .bind(rows::stored(clock::now()));
        query
            .fetch_optional(&self.readers)
            .await?
            .map(TryInto::try_into)
            .transpose()
    }

    async fn users_by_id(&self, ids: &[UserId]) -> Result<Vec<FoundUser>> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            found.extend(self.user(*id).await?);
        }
        Ok(found)
    }

    async fn users(&self, after: Option<&str>, limit: u32) -> Result<Vec<UserRow>> {
        plain::users(&self.readers, after, limit).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<FoundSession>> {
        let query = sqlx::query_as::<_, FoundSessionColumns>(SESSION)
            .bind(id.uuid())
            .bind(rows::stored(clock::now()));
        query
            .fetch_optional(&self.readers)
            .await?
            .map(TryInto::try_into)
            .transpose()
    }

    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<FoundSession>> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            found.extend(self.session(*id).await?);
        }
        Ok(found)
    }

    async fn sessions_beyond(&self, user: UserId, keep: u32) -> Result<Vec<SessionId>> {
        const SQL: &str = concat!(
            "select s.id from session s join users u on u.id = s.user_id cross join log_head h \
             where s.user_id = $1 and ",
            alive!("$2"),
            " order by s.id desc limit -1 offset $3"
        );
        let query = sqlx::query_scalar(SQL)
            .bind(user.uuid())
            .bind(rows::stored(clock::now()))
            .bind(i64::from(keep));
        let ids: Vec<Uuid> = query.fetch_all(&self.readers).await?;
        Ok(ids.into_iter().rev().map(SessionId::new).collect())
    }

    async fn alive_sessions(
        &self,
        user: UserId,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<ListedSession>> {
        const SQL: &str = concat!(
            "select ",
            session_columns!(),
            ", c.ip, c.user_agent, c.device \
             from session s join users u on u.id = s.user_id cross join log_head h \
             left join session_client c on c.session_id = s.id \
             where s.user_id = $1 and s.id < $2 and ",
            alive!("$3"),
            " order by s.id desc limit $4"
        );
        let query = sqlx::query_as::<_, ListedSessionColumns>(SQL)
            .bind(user.uuid())
            .bind(after.map_or(Uuid::max(), SessionId::uuid))
            .bind(rows::stored(clock::now()))
            .bind(i64::from(limit));
        rows::all(query.fetch_all(&self.readers).await?)
    }

    async fn history(&self, id: SessionId, after: i64, limit: u32) -> Result<Vec<Event>> {
        plain::history(&self.readers, id, after, limit).await
    }

    async fn was_made_with(&self, id: SessionId, generation: u64, key: RetryKey) -> Result<bool> {
        plain::was_made_with(&self.readers, id, generation, key).await
    }

    async fn overdue_sessions(&self, limit: u32) -> Result<Vec<SessionId>> {
        const SQL: &str = "select id from session \
                           where ended_at is null and min(expires_at, ends_at) <= $1 \
                           order by min(expires_at, ends_at) limit $2";
        let query = sqlx::query_scalar(SQL)
            .bind(rows::stored(clock::now()))
            .bind(i64::from(limit));
        let ids: Vec<Uuid> = query.fetch_all(&self.readers).await?;
        Ok(ids.into_iter().map(SessionId::new).collect())
    }

    async fn events(&self, after: Option<(Uuid, i64)>, limit: u32) -> Result<Vec<Event>> {
        plain::events(&self.readers, after, limit).await
    }

    async fn events_by_time(
        &self,
        after: TimedPlace,
        end: UnixMillis,
        limit: u32,
    ) -> Result<Vec<StoredEvent>> {
        plain::events_by_time(&self.readers, after, end, limit).await
    }

    async fn any_event(&self, from: UnixMillis, end: UnixMillis) -> Result<bool> {
        plain::any_event(&self.readers, from, end).await
    }

    async fn count_events(&self) -> Result<u64> {
        let count = sqlx::query_scalar("select count(*) from event");
        let count: i64 = count.fetch_one(&self.readers).await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    async fn session_rows(
        &self,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<StoredSession>> {
        plain::session_rows(&self.readers, after, limit).await
    }

    async fn revocations(&self, after: Position, to: Position, limit: u32) -> Result<Excerpt> {
        excerpt::read(&self.readers, after, to, limit).await
    }

    /// No file fails over by itself: here the restore command alone raises the head.
    async fn cut(
        &self,
        replica: Replica,
        from: Position,
        seen: Position,
        limit: u32,
    ) -> Result<Cut> {
        const BEAT: &str = "insert into replica (id, beat_at, access_ttl) values ($1, $2, $3) \
                            on conflict (id) do update \
                            set beat_at = excluded.beat_at, access_ttl = excluded.access_ttl";
        const POINT: &str = concat!(
            "select h.position, h.pruned, ",
            floor!("max", "$1"),
            " from log_head h"
        );
        let limit = limit.max(1);
        let (mut tx, at) = self.begin_immediate().await?;
        let beat = sqlx::query(BEAT)
            .bind(replica.id)
            .bind(rows::stored(at))
            .bind(rows::stored_span(replica.access_ttl));
        beat.execute(&mut *tx).await?;
        let point = sqlx::query_as(POINT).bind(rows::stored(at));
        let (head, pruned, floor): (i64, i64, i64) = point.fetch_one(&mut *tx).await?;
        let (head, floor) = (rows::position(head)?, rows::position(floor)?);
        if head < from.max(seen) {
            tx.rollback().await?;
            return Err(Error::Behind);
        }
        let from = from.max(rows::position(pruned)?);
        let read = excerpt::read(&mut *tx, from, head, limit.saturating_add(1)).await?;
        tx.commit().await?;
        Ok(Cut::new(at, (from, head), floor, read.revoked, limit))
    }

    async fn replace_password_hash(&self, id: UserId, old: &str, new: &str) -> Result<()> {
        plain::replace_password_hash(&self.writer, id, old, new).await
    }

    fn wakeups(&self) -> tokio::sync::watch::Receiver<Position> {
        self.wakeups.subscribe()
    }

    async fn pruned(&self) -> Result<Position> {
        plain::pruned(&self.readers).await
    }

    async fn prune(&self) -> Result<u64> {
        let mark = plain::mark_pruned(&self.writer).await?;
        let mut pruned = 0;
        loop {
            let some = plain::prune_revocations(&self.writer, mark, PRUNE_BATCH).await?;
            pruned += some;
            if some < u64::from(PRUNE_BATCH) {
                break;
            }
        }
        plain::prune_replicas(&self.writer).await?;
        plain::prune_statuses(&self.writer).await?;
        plain::prune_tries(&self.writer).await?;
        Ok(pruned)
    }

    async fn keys(&self) -> Result<Vec<KeyRow>> {
        plain::keys(&self.readers).await
    }

    async fn client(&self, name: &str) -> Result<Option<ClientRow>> {
        plain::client(&self.readers, name).await
    }

    async fn clients(&self) -> Result<Vec<ClientRow>> {
        plain::clients(&self.readers).await
    }

    async fn add_client(&self, client: &ClientRow) -> Result<std::result::Result<(), Taken>> {
        plain::add_client(&self.writer, client).await
    }

    async fn set_client_secret(&self, name: &str, secret_hash: [u8; 32]) -> Result<bool> {
        plain::set_client_secret(&self.writer, name, secret_hash).await
    }

    async fn remove_client(&self, name: &str) -> Result<bool> {
        plain::remove_client(&self.writer, name).await
    }

    async fn put_status(
        &self,
        client: &str,
        instance: &str,
        report: &serde_json::Value,
        at_most: u32,
    ) -> Result<bool> {
        plain::put_status(&self.writer, client, instance, report, at_most).await
    }

    async fn statuses(&self, within: Duration) -> Result<Vec<StatusRow>> {
        plain::statuses(&self.readers, within).await
    }
}

const USER: &str = concat!(
    "select ",
    user_columns!(),
    ", h.position, h.everyone, $2 as now \
     from users u cross join log_head h where u.id = $1"
);

const SESSION: &str = concat!(
    "select ",
    found_session_columns!(),
    ", $2 as now \
     from session s join users u on u.id = s.user_id cross join log_head h where s.id = $1"
);
