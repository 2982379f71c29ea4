//! The log in Postgres: production.
//!
//! | file | what |
//! | --- | --- |
//! | this one | what reads |
//! | `link` | connections, and what becomes of them when nobody answers |
//! | `sql` | the statements of this one |
//! | `tx` | transactions that write |
//! | `write` | events and rows, in a transaction or as one |
//! | `cut` | what pages are made of |
//! | `excerpt` | revocations as they lie in the log |
//! | `outbox` | events on their way to other programs |
//! | `identity` | whether the database is the one that the head was written by |
//! | `listen` | hearing of other replicas' commits |
//! | `migrations` | the schema, and which part of it is there |
//!
//! The isolation is READ COMMITTED: each statement has a snapshot of its own, so what must come from
//! one snapshot (a user or a session, and the head) is one statement, and no function of it may read
//! the head again. `now` is `transaction_timestamp()`, which is read before any snapshot of the
//! transaction is taken; a lone statement is a transaction.

mod cut;
mod excerpt;
mod identity;
mod link;
mod listen;
mod migrations;
mod outbox;
mod sql;
mod tx;
mod write;

use super::statements::statements;
use super::wakeups::Wakeups;
use super::{
    Changes, ClientRow, Cut, Excerpt, FoundSession, FoundUser, Head, KeyRow, ListedSession,
    Options, Replica, Result, Stale, StatusRow, Store, StoredEvent, StoredSession, Taken,
    TellMigration, TimedPlace, Tx, UserRow, rows, schema,
};
use crate::session::{Event, RetryKey};
use async_trait::async_trait;
use link::{Link, WAIT};
use revocation_events::{Position, SessionId, UnixMillis, UserId};
use rows::{FoundSessionColumns, FoundUserColumns, HeadColumns, ListedSessionColumns};
use sqlx::postgres::PgPoolOptions;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Revocations deleted by one statement, so that none takes long.
const PRUNE_BATCH: u32 = 10_000;

mod plain {
    super::statements!(sqlx::Postgres, "greatest", super::sql::now!());
}

/// A Postgres database.
pub(super) struct PostgresStore {
    link: Arc<Link>,
    wakeups: Wakeups,
    /// They end with the store.
    _tasks: JoinSet<()>,
}

impl PostgresStore {
    pub(super) async fn connect(url: &str, options: Options) -> Result<Self> {
        let link = Arc::new(Link::connect(url, options.publish_refreshed).await?);
        let wakeups = Wakeups::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(listen::listen(link.clone(), wakeups.clone()));
        let polled = link.clone();
        tasks.spawn(wakeups.clone().poll(move || head_position(polled.clone())));
        Ok(Self {
            link,
            wakeups,
            _tasks: tasks,
        })
    }
}

async fn head_position(link: Arc<Link>) -> Result<Position> {
    let position = sqlx::query_scalar("select position from log_head");
    rows::position(link.answers(position.fetch_one(&link.pool())).await?)
}

#[async_trait]
impl Store for PostgresStore {
    async fn begin(&self) -> Result<Box<dyn Tx>> {
        let tx = self.link.begin().await?;
        let (link, wakeups) = (self.link.clone(), self.wakeups.clone());
        Ok(Box::new(tx::PostgresTx::new(tx, link, wakeups)))
    }

    async fn write(&self, changes: &Changes) -> Result<std::result::Result<UnixMillis, Stale>> {
        let pool = self.link.pool();
        match self.link.answers(write::write(&pool, changes)).await {
            Ok(written) => Ok(written.ok_or(Stale)),
            Err(error) if error.is_taken() => Ok(Err(Stale)),
            Err(error) => Err(error),
        }
    }

    async fn wake_others(&self, head: Position) {
        let notify = sqlx::query(sql::NOTIFY).bind(head.to_string());
        let pool = self.link.pool();
        if let Err(error) = self.link.answers(notify.execute(&pool)).await {
            tracing::debug!(%error, "no other replica was woken");
        }
    }

    async fn check_schema(&self) -> Result<()> {
        let pool = self.link.pool();
        let checked = async {
            let mut connection = pool.acquire().await?;
            let applied = migrations::applied(&mut connection).await?;
            schema::check(&applied, &migrations::MIGRATIONS)?;
            identity::check(&mut connection).await
        };
        self.link.answers(checked).await
    }

    /// On a connection of its own, without a limit of time, and closed whatever happens: the lock
    /// that keeps two migrations apart ends with it.
    async fn migrate_telling(&self, tell: &TellMigration) -> Result<Vec<i64>> {
        let one = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(WAIT);
        let one = one.connect_with(self.link.unlimited().clone()).await?;
        let added = migrations::apply(&one, tell).await?;
        one.close().await;
        Ok(added)
    }

    async fn head(&self) -> Result<Head> {
        let query = sqlx::query_as::<_, HeadColumns>(sql::HEAD);
        self.link
            .answers(query.fetch_one(&self.link.pool()))
            .await?
            .try_into()
    }

    async fn user_by_name(&self, name: &str) -> Result<Option<FoundUser>> {
        let query = sqlx::query_as::<_, FoundUserColumns>(sql::USER_BY_NAME).bind(name);
        let found = self
            .link
            .answers(query.fetch_optional(&self.link.pool()))
            .await?;
        found.map(TryInto::try_into).transpose()
    }

    async fn user(&self, id: UserId) -> Result<Option<FoundUser>> {
        let query = sqlx::query_as::<_, FoundUserColumns>(sql::USER).bind(id.uuid());
        let found = self
            .link
            .answers(query.fetch_optional(&self.link.pool()))
            .await?;
        found.map(TryInto::try_into).transpose()
    }

    async fn users_by_id(&self, ids: &[UserId]) -> Result<Vec<FoundUser>> {
        let query = sqlx::query_as::<_, FoundUserColumns>(sql::USERS)
            .bind(write::column(ids, |id| id.uuid()));
        let pool = self.link.pool();
        rows::all(self.link.answers(query.fetch_all(&pool)).await?)
    }

    async fn users(&self, after: Option<&str>, limit: u32) -> Result<Vec<UserRow>> {
        self.link
            .answers(plain::users(&self.link.pool(), after, limit))
            .await
    }

    async fn session(&self, id: SessionId) -> Result<Option<FoundSession>> {
        let query = sqlx::query_as::<_, FoundSessionColumns>(sql::SESSION).bind(id.uuid());
        let found = self
            .link
            .answers(query.fetch_optional(&self.link.pool()))
            .await?;
        found.map(TryInto::try_into).transpose()
    }

    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<FoundSession>> {
        let query = sqlx::query_as::<_, FoundSessionColumns>(sql::SESSIONS)
            .bind(write::column(ids, |id| id.uuid()));
        let pool = self.link.pool();
        rows::all(self.link.answers(query.fetch_all(&pool)).await?)
    }

    async fn sessions_beyond(&self, user: UserId, keep: u32) -> Result<Vec<SessionId>> {
        let query = sqlx::query_scalar(sql::SESSIONS_BEYOND)
            .bind(user.uuid())
            .bind(i64::from(keep));
        let pool = self.link.pool();
        let ids: Vec<Uuid> = self.link.answers(query.fetch_all(&pool)).await?;
        Ok(ids.into_iter().rev().map(SessionId::new).collect())
    }

    async fn alive_sessions(
        &self,
        user: UserId,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<ListedSession>> {
        let query = sqlx::query_as::<_, ListedSessionColumns>(sql::ALIVE_SESSIONS)
            .bind(user.uuid())
            .bind(after.map_or(Uuid::max(), SessionId::uuid))
            .bind(i64::from(limit));
        rows::all(
            self.link
                .answers(query.fetch_all(&self.link.pool()))
                .await?,
        )
    }

    async fn history(&self, id: SessionId, after: i64, limit: u32) -> Result<Vec<Event>> {
        self.link
            .answers(plain::history(&self.link.pool(), id, after, limit))
            .await
    }

    async fn was_made_with(&self, id: SessionId, generation: u64, key: RetryKey) -> Result<bool> {
        self.link
            .answers(plain::was_made_with(&self.link.pool(), id, generation, key))
            .await
    }

    async fn overdue_sessions(&self, limit: u32) -> Result<Vec<SessionId>> {
        let query = sqlx::query_scalar(sql::OVERDUE_SESSIONS).bind(i64::from(limit));
        let ids: Vec<Uuid> = self
            .link
            .answers(query.fetch_all(&self.link.pool()))
            .await?;
        Ok(ids.into_iter().map(SessionId::new).collect())
    }

    async fn events(&self, after: Option<(Uuid, i64)>, limit: u32) -> Result<Vec<Event>> {
        self.link
            .answers(plain::events(&self.link.pool(), after, limit))
            .await
    }

    async fn events_by_time(
        &self,
        after: TimedPlace,
        end: UnixMillis,
        limit: u32,
    ) -> Result<Vec<StoredEvent>> {
        let pool = self.link.pool();
        let events = plain::events_by_time(&pool, after, end, limit);
        self.link.answers(events).await
    }

    async fn any_event(&self, from: UnixMillis, end: UnixMillis) -> Result<bool> {
        // Left alone, Postgres may read the whole table; the index can tell at once that there is none.
        let mut tx = self.link.begin().await?;
        let asked = async {
            let index = "set local enable_seqscan = off";
            sqlx::query(index).execute(&mut *tx).await?;
            plain::any_event(&mut *tx, from, end).await
        };
        self.link.answers(asked).await
    }

    async fn count_events(&self) -> Result<u64> {
        let count: i64 = self
            .link
            .answers(sqlx::query_scalar(sql::COUNT_EVENTS).fetch_one(&self.link.pool()))
            .await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    async fn session_rows(
        &self,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<StoredSession>> {
        self.link
            .answers(plain::session_rows(&self.link.pool(), after, limit))
            .await
    }

    async fn revocations(&self, after: Position, to: Position, limit: u32) -> Result<Excerpt> {
        self.link
            .answers(excerpt::read(&self.link.pool(), after, to, limit))
            .await
    }

    async fn cut(
        &self,
        replica: Replica,
        from: Position,
        seen: Position,
        limit: u32,
    ) -> Result<Cut> {
        let tx = self.link.begin().await?;
        self.link
            .answers(cut::cut(tx, replica, from, seen, limit))
            .await
    }

    async fn replace_password_hash(&self, id: UserId, old: &str, new: &str) -> Result<()> {
        self.link
            .answers(plain::replace_password_hash(
                &self.link.pool(),
                id,
                old,
                new,
            ))
            .await
    }

    fn wakeups(&self) -> tokio::sync::watch::Receiver<Position> {
        self.wakeups.subscribe()
    }

    async fn pruned(&self) -> Result<Position> {
        self.link.answers(plain::pruned(&self.link.pool())).await
    }

    async fn prune(&self) -> Result<u64> {
        let (link, pool) = (&self.link, self.link.pool());
        let mark = link.answers(plain::mark_pruned(&pool)).await?;
        let mut pruned = 0;
        loop {
            let some = plain::prune_revocations(&pool, mark, PRUNE_BATCH);
            let some = link.answers(some).await?;
            pruned += some;
            if some < u64::from(PRUNE_BATCH) {
                break;
            }
        }
        link.answers(plain::prune_replicas(&pool)).await?;
        link.answers(plain::prune_statuses(&pool)).await?;
        link.answers(plain::prune_tries(&pool)).await?;
        Ok(pruned)
    }

    async fn keys(&self) -> Result<Vec<KeyRow>> {
        self.link.answers(plain::keys(&self.link.pool())).await
    }

    async fn client(&self, name: &str) -> Result<Option<ClientRow>> {
        self.link
            .answers(plain::client(&self.link.pool(), name))
            .await
    }

    async fn clients(&self) -> Result<Vec<ClientRow>> {
        self.link.answers(plain::clients(&self.link.pool())).await
    }

    async fn add_client(&self, client: &ClientRow) -> Result<std::result::Result<(), Taken>> {
        self.link
            .answers(plain::add_client(&self.link.pool(), client))
            .await
    }

    async fn set_client_secret(&self, name: &str, secret_hash: [u8; 32]) -> Result<bool> {
        self.link
            .answers(plain::set_client_secret(
                &self.link.pool(),
                name,
                secret_hash,
            ))
            .await
    }

    async fn remove_client(&self, name: &str) -> Result<bool> {
        self.link
            .answers(plain::remove_client(&self.link.pool(), name))
            .await
    }

    async fn put_status(
        &self,
        client: &str,
        instance: &str,
        report: &serde_json::Value,
        at_most: u32,
    ) -> Result<bool> {
        self.link
            .answers(plain::put_status(
                &self.link.pool(),
                client,
                instance,
                report,
                at_most,
            ))
            .await
    }

    async fn statuses(&self, within: Duration) -> Result<Vec<StatusRow>> {
        self.link
            .answers(plain::statuses(&self.link.pool(), within))
            .await
    }
}
