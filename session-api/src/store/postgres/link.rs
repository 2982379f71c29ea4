//! Connections, and what becomes of them when nobody answers.
//!
//! A host that loses its power closes no connection, and sqlx neither limits how long it waits for an
//! answer nor asks for TCP keepalives: a statement under way would wait for good, its connection
//! would stay in the pool, and after a failover the service would never find the new primary. So
//! every answer has a limit here, and when it passes, all connections are given up for new ones.

use super::Result;
use crate::store::Error;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Postgres, Transaction};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// Beside one more that listens.
const CONNECTIONS: u32 = 16;

/// For how long a caller waits for a connection.
pub(super) const WAIT: Duration = Duration::from_secs(3);

/// For how long a caller waits for an answer. A server that is there ends each statement, and a wait
/// for a connection, before.
const ANSWER: Duration = Duration::from_secs(10);

/// A connection that was idle for longer is asked for a sign of life before it is used. Those in
/// steady use are not: it would cost each statement a round trip.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// A replica that is stopped or cut off in the middle of a transaction must not hold the head for
/// long; and what a database or a role has been given as its default must not change what a
/// statement sees, nor whether a commit is there after a crash. Statements are planned once: Postgres
/// would else plan most of them anew each time, for longer than it then takes to execute them. None is
/// compiled: of a table that it has not looked at, such as that of the head with its one row, Postgres
/// guesses that it has thousands of rows, and among a million revocations it would compile each cut, for
/// 660 ms in the place of 9.
///
/// Every statement of the service begins with a few keys and finds each row by an index, so no other plan
/// is ever right. Postgres chooses by what it last counted, for as long as a connection lives or until it
/// counts again, and the tables move on: one that was nearly empty is read as a whole when it is large, and
/// a join that merges walks the log from its beginning to the newest event, four times a second.
const SETTINGS: [(&str, &str); 8] = [
    ("jit", "off"),
    ("enable_seqscan", "off"),
    ("enable_mergejoin", "off"),
    ("statement_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("default_transaction_isolation", "read committed"),
    ("synchronous_commit", "on"),
    ("plan_cache_mode", "force_generic_plan"),
];

pub(super) struct Link {
    /// Without the settings.
    options: PgConnectOptions,
    publish_refreshed: bool,
    current: Mutex<Current>,
    replaced: Notify,
}

struct Current {
    pool: PgPool,
    since: Instant,
}

impl Link {
    pub(super) async fn connect(url: &str, publish_refreshed: bool) -> Result<Self> {
        let options: PgConnectOptions = url.parse().map_err(|error| Error::Url(Some(error)))?;
        let options = options
            .application_name("session-api")
            .disable_statement_logging();
        // A pool does not say why it could not connect.
        let first = timeout(WAIT, options.connect()).await;
        let first = first.map_err(|_| sqlx::Error::PoolTimedOut)??;
        first.close().await?;
        let current = Current {
            pool: pool(with_settings(&options, publish_refreshed)),
            since: Instant::now(),
        };
        Ok(Self {
            options,
            publish_refreshed,
            current: Mutex::new(current),
            replaced: Notify::new(),
        })
    }

    /// Without the limits that statements have.
    pub(super) const fn unlimited(&self) -> &PgConnectOptions {
        &self.options
    }

    pub(super) fn limited(&self) -> PgConnectOptions {
        with_settings(&self.options, self.publish_refreshed)
    }

    pub(super) fn pool(&self) -> PgPool {
        self.current().pool.clone()
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Current> {
        // It is exchanged in one step, so a poisoned lock holds a whole one.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the connections were given up.
    pub(super) async fn replaced(&self) {
        self.replaced.notified().await;
    }

    /// What the database answers, if it does.
    pub(super) async fn answers<T, E: Into<Error>>(
        &self,
        work: impl Future<Output = std::result::Result<T, E>>,
    ) -> Result<T> {
        if let Ok(answer) = timeout(ANSWER, work).await {
            return answer.map_err(Into::into);
        }
        self.give_up();
        Err(Error::Unavailable(sqlx::Error::Io(
            std::io::ErrorKind::TimedOut.into(),
        )))
    }

    fn give_up(&self) {
        let old = {
            let mut current = self.current();
            // Others who waited on the same connections were quicker.
            if current.since.elapsed() < ANSWER {
                return;
            }
            current.since = Instant::now();
            std::mem::replace(&mut current.pool, pool(self.limited()))
        };
        tracing::warn!("the database gives no answer; its connections are given up for new ones");
        self.replaced.notify_waiters();
        // Connections that nobody answers on take their time to close.
        tokio::spawn(async move { old.close().await });
    }

    /// Begins a transaction, in a task of its own, which nobody can cancel: sqlx 0.9.0 gives a
    /// connection whose `BEGIN` was cut off back to the pool with the transaction open.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Postgres>> {
        let pool = self.pool();
        let begun = tokio::spawn(async move { pool.begin().await });
        self.answers(async {
            match begun.await {
                Ok(begun) => begun,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The runtime is going away.
                Err(_) => Err(sqlx::Error::PoolClosed),
            }
        })
        .await
    }
}

fn with_settings(options: &PgConnectOptions, publish_refreshed: bool) -> PgConnectOptions {
    let publish_refreshed = if publish_refreshed { "on" } else { "off" };
    let options = options.clone().options(SETTINGS);
    // What the trigger on the log asks: see the migration `event_outbox`.
    options.options([("portcullis.publish_refreshed", publish_refreshed)])
}

fn pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
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
        .connect_lazy_with(options)
}
