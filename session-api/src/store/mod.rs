//! Where the log lies. One trait, two backends, one contract suite that runs on both.
//!
//! | file | what |
//! | --- | --- |
//! | this one | the traits [`Store`] and [`Tx`] |
//! | [`outbox`] | the trait [`Outbox`]: events on their way to other programs |
//! | `types`, `error` | what goes through them, and what goes wrong |
//! | [`postgres`] | production |
//! | [`sqlite`] | the embedded default |
//! | `rows`, `statements`, `schema`, `wakeups` | what the two share |
//! | `contract` | the suite: what every backend must do |
//!
//! To add a method: here, in both backends (in `statements`, where the SQL is the same), and a test
//! of it in `contract`. To add a migration: a file of the next number, with the same name, for each.
//!
//! A backend stores and reads; it decides nothing. What a command does is decided by
//! [`crate::session`], and put together by [`crate::service`].
//!
//! **Locks are taken in one order**: the head ([`Tx::take_position`], [`Store::write`]), then users and
//! then sessions, each by ascending id, then tries by ascending source. Refreshes and logins never
//! take the head.
//!
//! **Futures of this module should not be dropped half-way.** A caller that is cut off does not know
//! what became of its commit. [`crate::service`] runs every use in a task of its own for that reason.
//! (With sqlx 0.9.0, dropping a future inside `begin()` on Postgres even gives a connection with an
//! open transaction back to the pool: the next statement on it is acknowledged and never seen by
//! others. [`postgres`] keeps its callers from that.)

mod error;
mod outbox;
mod postgres;
mod rows;
mod schema;
mod sqlite;
mod statements;
mod types;
mod wakeups;

#[cfg(test)]
mod contract;

pub(crate) use error::{Error, Result, SchemaError};
pub(crate) use outbox::*;
pub(crate) use types::*;

use crate::session::{Event, RetryKey, Tries};
use async_trait::async_trait;
use revocation_events::{Position, SessionId, UnixMillis, UserId};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// What [`connect`] does about a SQLite file that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfMissing {
    Create,
    Fail,
}

/// How a database is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) if_missing: IfMissing,
    /// Whether refreshes that this process appends are put in the outbox, as all other events are.
    pub(crate) publish_refreshed: bool,
}

impl From<IfMissing> for Options {
    fn from(if_missing: IfMissing) -> Self {
        Self {
            if_missing,
            publish_refreshed: false,
        }
    }
}

/// Connects to the database at `url`. The backend is chosen here and never asked about again.
pub(crate) async fn connect(url: &str, options: impl Into<Options>) -> Result<Arc<dyn Store>> {
    let options = options.into();
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => Ok(Arc::new(
            postgres::PostgresStore::connect(url, options).await?,
        )),
        Some("sqlite") => Ok(Arc::new(sqlite::SqliteStore::connect(url, options).await?)),
        _ => Err(Error::Url(None)),
    }
}

#[async_trait]
pub(crate) trait Store: Outbox {
    /// Begins a transaction that may write. Dropped without a commit, it changes nothing. With SQLite
    /// it keeps all others that write waiting, those of the caller included.
    async fn begin(&self) -> Result<Box<dyn Tx>>;

    /// Writes `changes`, in a transaction of their own, if the head and all streams that they add to
    /// are still as they were when the changes were decided; the clock from before the head was
    /// locked. For whoever would else hold the head's lock from one question to the next. It wakes
    /// nobody: see [`Store::wake_others`].
    async fn write(&self, changes: &Changes) -> Result<std::result::Result<UnixMillis, Stale>>;

    /// Tells other processes that the head has moved to `head`, if they can be told and this one can
    /// tell: else they find it by themselves.
    async fn wake_others(&self, head: Position);

    /// Refuses a schema that this program does not know.
    async fn check_schema(&self) -> Result<()>;

    /// Creates or upgrades the schema; the versions applied. `tell` is called before each.
    async fn migrate_telling(&self, tell: &TellMigration) -> Result<Vec<i64>>;

    /// The same, and nobody watches.
    async fn migrate(&self) -> Result<Vec<i64>> {
        self.migrate_telling(&|_| {}).await
    }

    /// The head of the log. Writes nothing.
    async fn head(&self) -> Result<Head>;

    /// A user by name: hash, state, roles and the head in one statement.
    async fn user_by_name(&self, name: &str) -> Result<Option<FoundUser>>;

    /// A user by id, likewise.
    async fn user(&self, id: UserId) -> Result<Option<FoundUser>>;

    /// Users by id, without a lock, each with a head that is no newer. Unknown ids are left out.
    async fn users_by_id(&self, ids: &[UserId]) -> Result<Vec<FoundUser>>;

    /// Users by name, from the one after `after` on.
    async fn users(&self, after: Option<&str>, limit: u32) -> Result<Vec<UserRow>>;

    /// A session with its user and the head in one statement, without a lock.
    async fn session(&self, id: SessionId) -> Result<Option<FoundSession>>;

    /// Sessions, likewise, each with a head that is no newer. Unknown ids are left out.
    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<FoundSession>>;

    /// The user's alive sessions beyond the `keep` newest ones, the oldest first.
    async fn sessions_beyond(&self, user: UserId, keep: u32) -> Result<Vec<SessionId>>;

    /// The sessions of a user that are alive, the newest first (ids are ordered by time), from the
    /// one after `after` on.
    async fn alive_sessions(
        &self,
        user: UserId,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<ListedSession>>;

    /// A session's events in order, those with versions above `after`.
    async fn history(&self, id: SessionId, after: i64, limit: u32) -> Result<Vec<Event>>;

    /// Whether the refresh that made this generation of a session was sent with `key`.
    async fn was_made_with(&self, id: SessionId, generation: u64, key: RetryKey) -> Result<bool>;

    /// Open sessions past an end, for [`crate::service`] to expire.
    async fn overdue_sessions(&self, limit: u32) -> Result<Vec<SessionId>>;

    /// All events in the order (stream, version), from the one after `after` on.
    async fn events(&self, after: Option<(Uuid, i64)>, limit: u32) -> Result<Vec<Event>>;

    /// Events after `after` and of before `end`, as they are stored, in the order of their places in
    /// time. An event is there a moment after its time.
    async fn events_by_time(
        &self,
        after: TimedPlace,
        end: UnixMillis,
        limit: u32,
    ) -> Result<Vec<StoredEvent>>;

    /// Whether there is an event from `from` on and of before `end`, which costs little, however long
    /// that is.
    async fn any_event(&self, from: UnixMillis, end: UnixMillis) -> Result<bool>;

    /// How many events there are, about (for a progress bar).
    async fn count_events(&self) -> Result<u64>;

    /// All session rows by id, from the one after `after` on.
    async fn session_rows(
        &self,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<StoredSession>>;

    /// Revocations in `(after, to]` in order, at most `limit`. Writes nothing.
    async fn revocations(&self, after: Position, to: Position, limit: u32) -> Result<Excerpt>;

    /// Cuts the log after `from`, in a transaction that reads its clock first and writes the
    /// replica's own row, so that neither a standby nor a left-over snapshot can do it. Where the
    /// database is another one than the head was written by, the head is raised first (see
    /// [`Tx::take_position`]).
    ///
    /// `from` and `seen`, the greatest position seen in anyone's page, are positions that were
    /// committed before: [`Error::Behind`] where the head is below one of them. Such a database has
    /// lost its end, and a page of it would say that nothing lies there.
    async fn cut(
        &self,
        replica: Replica,
        from: Position,
        seen: Position,
        limit: u32,
    ) -> Result<Cut>;

    /// The greatest position that is known to be committed, by this process or another. A hint:
    /// whoever depends on it polls as well.
    fn wakeups(&self) -> tokio::sync::watch::Receiver<Position>;

    /// Below this position revocations may be gone.
    async fn pruned(&self) -> Result<Position>;

    /// Makes a hash that was made with old parameters the one made of the same password with new
    /// ones; nothing where `old` is not the user's any more.
    async fn replace_password_hash(&self, id: UserId, old: &str, new: &str) -> Result<()>;

    /// Deletes revocations that no page and no floor needs any more, and replicas, statuses and
    /// sources of tries long silent; how many revocations.
    async fn prune(&self) -> Result<u64>;

    async fn keys(&self) -> Result<Vec<KeyRow>>;

    async fn client(&self, name: &str) -> Result<Option<ClientRow>>;
    async fn clients(&self) -> Result<Vec<ClientRow>>;
    async fn add_client(&self, client: &ClientRow) -> Result<std::result::Result<(), Taken>>;
    /// False where there is none.
    async fn set_client_secret(&self, name: &str, secret_hash: [u8; 32]) -> Result<bool>;
    async fn remove_client(&self, name: &str) -> Result<bool>;

    /// Stores a verifier's report at the database's time. A new instance is left out, and the answer
    /// false, where the client has `at_most` others that have reported within an hour.
    async fn put_status(
        &self,
        client: &str,
        instance: &str,
        report: &serde_json::Value,
        at_most: u32,
    ) -> Result<bool>;
    /// Reports not older than `within`.
    async fn statuses(&self, within: Duration) -> Result<Vec<StatusRow>>;
}

/// A transaction that may write.
///
/// After an error it can only be dropped: Postgres undoes what came before, and SQLite does not.
#[async_trait]
pub(crate) trait Tx: Send {
    /// Locks the head and moves it to `max(previous + 1, microseconds since 1970)`, by the database's
    /// clock where that is not too far ahead of this one ([`crate::clock::latest_position`]).
    ///
    /// Where the database is not the one that the head was written by (Postgres's system identifier
    /// or timeline changed: a failover that may have lost the last commits), it moves to
    /// `max(previous, microseconds since 1970, seen) + 600,000,000` first. `seen` is the greatest
    /// position that the caller has seen in anyone's page: [`Error::Behind`] where the head of the
    /// same database is below it, for a revocation there would be lost among those that were.
    async fn take_position(&mut self, seen: Position) -> Result<TakenPosition>;

    /// Moves the head to `max(head, microseconds since 1970, above) + 600,000,000`: for a restored
    /// backup, which lacks positions that were given out. A failover of Postgres is noticed without it.
    async fn raise_head(&mut self, above: Position) -> Result<()>;

    /// Locks the head without moving it, for what must happen once among all replicas.
    async fn lock_head(&mut self) -> Result<Head>;

    /// The head, without a lock.
    async fn head(&mut self) -> Result<Head>;

    /// Locks the rows of `ids` in ascending order. Unknown ids are left out.
    async fn lock_users(&mut self, ids: &[UserId]) -> Result<Vec<FoundUser>>;

    /// Locks the rows of `ids` in ascending order, and reads with them, in the same statement, their
    /// users and the head. Unknown ids are left out.
    async fn lock_sessions(&mut self, ids: &[SessionId]) -> Result<Vec<FoundSession>>;

    /// Whether the user had a session from the same user agent, open or ended; and the head.
    async fn knows_client(
        &mut self,
        user: UserId,
        user_agent: Option<&str>,
    ) -> Result<(bool, Head)>;

    /// Appends events, and with them the rows of the revocations that they hold; the outbox gets them
    /// too (see [`Options::publish_refreshed`]). A version that is taken is an error.
    async fn append(&mut self, events: &[Event]) -> Result<()>;

    /// Stores session rows, new ones and old, where they are newer than what is there; how many those
    /// were.
    async fn save_sessions(&mut self, rows: &[SessionRow]) -> Result<u64>;

    /// Stores what is known of a session's client.
    async fn save_client_info(&mut self, session: SessionId, client: &ClientInfo) -> Result<()>;

    /// Stores a new user.
    async fn add_user(&mut self, row: &UserRow) -> Result<std::result::Result<(), Taken>>;

    /// Stores a user's row under its id.
    async fn save_user(&mut self, row: &UserRow) -> Result<()>;

    /// Locks what is known of the tries from `source`, and reads the clock.
    async fn lock_tries(&mut self, source: TrySource) -> Result<(Tries, UnixMillis)>;

    /// Stores it; [`Tx::lock_tries`] comes before.
    async fn save_tries(&mut self, source: TrySource, tries: Tries) -> Result<()>;

    /// Forgets the tries at an account, wherever they came from; whether there were any.
    async fn forget_tries(&mut self, account: UserId) -> Result<bool>;

    /// Writes what was decided after [`Tx::take_position`], which is what it comes after.
    async fn write(&mut self, changes: &Changes) -> Result<()>;

    async fn keys(&mut self) -> Result<Vec<KeyRow>>;
    async fn save_key(&mut self, key: &KeyRow) -> Result<()>;
    /// The number of events in a stream, for streams whose rows do not hold it.
    async fn stream_version(&mut self, stream: Uuid) -> Result<i64>;

    /// Locks a row whatever it holds, and makes any fold of its stream newer than it: for a repair.
    async fn distrust_session(&mut self, id: SessionId) -> Result<()>;
    /// Deletes a row, never events or client info: for a repair.
    async fn delete_session(&mut self, id: SessionId) -> Result<()>;

    /// Makes it so. On return the transaction is durable as the database is set up to be.
    async fn commit(self: Box<Self>) -> Result<()>;
}
