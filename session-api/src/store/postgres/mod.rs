//! The log in Postgres: production.
//!
//! | file | what |
//! | --- | --- |
//! | this one | connections, and what reads |
//! | `tx` | transactions that write |
//! | `cut` | what pages are made of |
//! | `identity` | whether the database is the one that the head was written by |
//! | `listen` | hearing of other replicas' commits |
//!
//! The isolation is READ COMMITTED: each statement has a snapshot of its own, so what must come from
//! one snapshot (a user or a session, and the head) is one statement, and no function of it may read
//! the head again. `now` is `transaction_timestamp()`, which is read before any snapshot of the
//! transaction is taken; a lone statement is a transaction.

mod cut;
mod identity;
mod listen;
mod tx;

use super::statements::{alive, found_session_columns, session_columns, statements, user_columns};
use super::wakeups::Wakeups;
use super::{
    ClientRow, Cut, Error, FoundSession, FoundUser, Head, KeyRow, ListedSession, Replica, Result,
    SessionRow, StatusRow, Store, Taken, Tx, UserRow, rows, schema,
};
use crate::session::Event;
use async_trait::async_trait;
use revocation_events::{Position, Revocation, SessionId, UserId};
use rows::{FoundSessionColumns, FoundUserColumns, HeadColumns, ListedSessionColumns};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, Postgres, Transaction};
use std::time::Duration;
use tokio::task::JoinSet;
use uuid::Uuid;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/postgres");

/// Beside one more that listens.
const CONNECTIONS: u32 = 16;

/// For how long a caller waits for a connection.
const WAIT: Duration = Duration::from_secs(3);

/// A connection that was idle for longer is asked for a sign of life before it is used. Those in
/// steady use are not: it would cost each statement a round trip.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Revocations deleted by one statement, so that none takes long.
const PRUNE_BATCH: u32 = 10_000;

/// A replica that is stopped or cut off in the middle of a transaction must not hold the head for
/// long; and what a database or a role has been given as its default must not change what a
/// statement sees.
const SETTINGS: [(&str, &str); 3] = [
    ("statement_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("default_transaction_isolation", "read committed"),
];

/// Milliseconds since 1970, rounded down: never later than it is.
macro_rules! now {
    () => {
        "floor(extract(epoch from transaction_timestamp()) * 1000)::bigint"
    };
}

/// A user by id, and the head in the same snapshot.
macro_rules! find_user {
    () => {
        concat!(
            "select ",
            user_columns!(),
            ", h.position, h.everyone, ",
            now!(),
            " as now \
             from users u cross join log_head h where u.id = $1"
        )
    };
}

use {find_user, now};

mod plain {
    super::statements!(sqlx::Postgres, "greatest", super::now!());
}

/// A Postgres database.
pub(super) struct PostgresStore {
    options: PgConnectOptions,
    pool: PgPool,
    wakeups: Wakeups,
    /// They end with the store.
    _tasks: JoinSet<()>,
}

impl PostgresStore {
    pub(super) async fn connect(url: &str) -> Result<Self> {
        let options: PgConnectOptions = url.parse().map_err(|error| Error::Url(Some(error)))?;
        let options = options
            .application_name("session-api")
            .disable_statement_logging();
        let limited = options.clone().options(SETTINGS);
        // A pool does not say why it could not connect.
        let first = tokio::time::timeout(WAIT, limited.connect()).await;
        first
            .map_err(|_| sqlx::Error::PoolTimedOut)??
            .close()
            .await?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(WAIT)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED_FOR {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(limited.clone());
        let wakeups = Wakeups::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(listen::listen(limited, wakeups.clone()));
        let polled = pool.clone();
        tasks.spawn(wakeups.clone().poll(move || head_position(polled.clone())));
        Ok(Self {
            options,
            pool,
            wakeups,
            _tasks: tasks,
        })
    }

    /// In a task of its own, which nobody can cancel: sqlx 0.9.0 gives a connection whose `BEGIN` was
    /// cut off back to the pool with the transaction open.
    async fn begin_transaction(&self) -> Result<Transaction<'static, Postgres>> {
        let pool = self.pool.clone();
        match tokio::spawn(async move { pool.begin().await }).await {
            Ok(begun) => Ok(begun?),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is going away.
            Err(_) => Err(sqlx::Error::PoolClosed.into()),
        }
    }

    async fn applied(connection: &mut PgConnection) -> Result<Vec<schema::Applied>> {
        const LISTED: &str = "select to_regclass('_sqlx_migrations') is not null";
        let listed: bool = sqlx::query_scalar(LISTED)
            .fetch_one(&mut *connection)
            .await?;
        if !listed {
            return Ok(Vec::new());
        }
        Ok(sqlx::query_as(schema::APPLIED)
            .fetch_all(connection)
            .await?)
    }
}

async fn head_position(pool: PgPool) -> Result<Position> {
    let position = sqlx::query_scalar("select position from log_head");
    rows::position(position.fetch_one(&pool).await?)
}

#[async_trait]
impl Store for PostgresStore {
    async fn begin(&self) -> Result<Box<dyn Tx>> {
        let tx = self.begin_transaction().await?;
        Ok(Box::new(tx::PostgresTx::new(tx, self.wakeups.clone())))
    }

    async fn check_schema(&self) -> Result<()> {
        let mut connection = self.pool.acquire().await?;
        let applied = Self::applied(&mut connection).await?;
        schema::check(&applied, &MIGRATIONS)?;
        identity::check(&mut connection).await
    }

    /// On a connection of its own, without a limit of time, and closed whatever happens: the lock
    /// that keeps two migrations apart ends with it.
    async fn migrate(&self) -> Result<Vec<i64>> {
        let one = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(WAIT);
        let one = one.connect_with(self.options.clone()).await?;
        let before = Self::applied(&mut *one.acquire().await?).await?;
        let failed = |error| schema::failed(error, &MIGRATIONS);
        MIGRATIONS.run(&one).await.map_err(failed)?;
        let after = Self::applied(&mut *one.acquire().await?).await?;
        one.close().await;
        Ok(schema::added(&before, &after))
    }

    async fn head(&self) -> Result<Head> {
        sqlx::query_as::<_, HeadColumns>(HEAD)
            .fetch_one(&self.pool)
            .await?
            .try_into()
    }

    async fn user_by_name(&self, name: &str) -> Result<Option<FoundUser>> {
        const SQL: &str = concat!(
            "select ",
            user_columns!(),
            ", h.position, h.everyone, ",
            now!(),
            " as now \
             from users u cross join log_head h where u.name = $1"
        );
        let query = sqlx::query_as::<_, FoundUserColumns>(SQL).bind(name);
        query
            .fetch_optional(&self.pool)
            .await?
            .map(TryInto::try_into)
            .transpose()
    }

    async fn user(&self, id: UserId) -> Result<Option<FoundUser>> {
        let query = sqlx::query_as::<_, FoundUserColumns>(find_user!()).bind(id.uuid());
        query
            .fetch_optional(&self.pool)
            .await?
            .map(TryInto::try_into)
            .transpose()
    }

    async fn users(&self, after: Option<&str>, limit: u32) -> Result<Vec<UserRow>> {
        plain::users(&self.pool, after, limit).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<FoundSession>> {
        const SQL: &str = concat!(
            "select ",
            found_session_columns!(),
            ", ",
            now!(),
            " as now \
             from session s join users u on u.id = s.user_id cross join log_head h where s.id = $1"
        );
        let query = sqlx::query_as::<_, FoundSessionColumns>(SQL).bind(id.uuid());
        query
            .fetch_optional(&self.pool)
            .await?
            .map(TryInto::try_into)
            .transpose()
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
            alive!(now!()),
            " order by s.id desc limit $3"
        );
        let query = sqlx::query_as::<_, ListedSessionColumns>(SQL)
            .bind(user.uuid())
            .bind(after.map_or(Uuid::max(), SessionId::uuid))
            .bind(i64::from(limit));
        rows::all(query.fetch_all(&self.pool).await?)
    }

    async fn history(&self, id: SessionId) -> Result<Vec<Event>> {
        plain::history(&self.pool, id).await
    }

    async fn overdue_sessions(&self, limit: u32) -> Result<Vec<SessionId>> {
        const SQL: &str = concat!(
            "select id from session \
             where ended_at is null and least(expires_at, ends_at) <= ",
            now!(),
            " order by least(expires_at, ends_at) limit $1"
        );
        let query = sqlx::query_scalar(SQL).bind(i64::from(limit));
        let ids: Vec<Uuid> = query.fetch_all(&self.pool).await?;
        Ok(ids.into_iter().map(SessionId::new).collect())
    }

    async fn events(&self, after: Option<(Uuid, i64)>, limit: u32) -> Result<Vec<Event>> {
        plain::events(&self.pool, after, limit).await
    }

    /// As the last ANALYZE guessed, where there was one: counting reads the whole table.
    async fn count_events(&self) -> Result<u64> {
        const SQL: &str = "select case when reltuples > 0 then reltuples::bigint \
                                       else (select count(*) from event) end \
                           from pg_class where oid = 'event'::regclass";
        let count: i64 = sqlx::query_scalar(SQL).fetch_one(&self.pool).await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    async fn session_rows(&self, after: Option<SessionId>, limit: u32) -> Result<Vec<SessionRow>> {
        plain::session_rows(&self.pool, after, limit).await
    }

    async fn revocations(
        &self,
        after: Position,
        to: Position,
        limit: u32,
    ) -> Result<Vec<Revocation>> {
        plain::revocations(&self.pool, after, to, limit).await
    }

    async fn cut(
        &self,
        replica: Replica,
        from: Position,
        seen: Position,
        limit: u32,
    ) -> Result<Cut> {
        cut::cut(self.begin_transaction().await?, replica, from, seen, limit).await
    }

    fn wakeups(&self) -> tokio::sync::watch::Receiver<Position> {
        self.wakeups.subscribe()
    }

    async fn prune(&self) -> Result<u64> {
        let mark = plain::mark_pruned(&self.pool).await?;
        let mut pruned = 0;
        loop {
            let some = plain::prune_revocations(&self.pool, mark, PRUNE_BATCH).await?;
            pruned += some;
            if some < u64::from(PRUNE_BATCH) {
                break;
            }
        }
        plain::prune_replicas(&self.pool).await?;
        plain::prune_statuses(&self.pool).await?;
        Ok(pruned)
    }

    async fn keys(&self) -> Result<Vec<KeyRow>> {
        plain::keys(&self.pool).await
    }

    async fn client(&self, name: &str) -> Result<Option<ClientRow>> {
        plain::client(&self.pool, name).await
    }

    async fn clients(&self) -> Result<Vec<ClientRow>> {
        plain::clients(&self.pool).await
    }

    async fn add_client(&self, client: &ClientRow) -> Result<std::result::Result<(), Taken>> {
        plain::add_client(&self.pool, client).await
    }

    async fn set_client_secret(&self, name: &str, secret_hash: [u8; 32]) -> Result<bool> {
        plain::set_client_secret(&self.pool, name, secret_hash).await
    }

    async fn remove_client(&self, name: &str) -> Result<bool> {
        plain::remove_client(&self.pool, name).await
    }

    async fn put_status(
        &self,
        client: &str,
        instance: &str,
        report: &serde_json::Value,
    ) -> Result<()> {
        plain::put_status(&self.pool, client, instance, report).await
    }

    async fn statuses(&self, within: Duration) -> Result<Vec<StatusRow>> {
        plain::statuses(&self.pool, within).await
    }
}

const HEAD: &str = concat!(
    "select position, everyone, ",
    now!(),
    " as now from log_head"
);
