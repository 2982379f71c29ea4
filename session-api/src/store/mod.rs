//! Where the log lies. One trait, two backends, one contract suite that runs on both.
//!
//! | file | what |
//! | --- | --- |
//! | this one | the traits [`Store`] and [`Tx`], and what goes through them |
//! | [`postgres`] | production |
//! | [`sqlite`] | the embedded default |
//! | `contract` | the suite: what every backend must do |
//!
//! A backend stores and reads; it decides nothing. What a command does is decided by
//! [`crate::session`], and put together by [`crate::service`].
//!
//! **Locks are taken in one order**: the head ([`Tx::take_position`]), then a user, then sessions by
//! ascending id. Refreshes and logins never take the head.
//!
//! **Futures of this module must not be dropped half-way.** With sqlx 0.9.0, dropping a future
//! inside `begin()` on Postgres gives a connection with an open transaction back to the pool; the
//! next statement on it is acknowledged and never seen by others. [`crate::service`] runs every use
//! in a task of its own for that reason.

use crate::session::{Event, Session, User};
use async_trait::async_trait;
use revocation_events::{KeyId, Position, Revocation, SessionId, UnixMillis, UserId};
use std::time::Duration;
use uuid::Uuid;

/// What went wrong below.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The database did not answer, or not in time: nothing is known to have happened.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// A statement failed for a reason of its own.
    #[error("the database refused a statement")]
    Database(#[source] sqlx::Error),
    /// A row or an event does not read as this program would have written it.
    #[error("the database holds what this program cannot read: {0}")]
    Corrupt(String),
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// The schema is not the one that this program was written for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SchemaError {
    #[error("the database has no schema yet; run `session-api migrate`")]
    Missing,
    #[error(
        "the schema is at version {found} and this program needs {wanted}; run `session-api migrate`"
    )]
    TooOld { found: i64, wanted: i64 },
    #[error(
        "the schema is at version {found} and this program knows only {wanted}; upgrade this program"
    )]
    TooNew { found: i64, wanted: i64 },
    #[error("migration {version} in the database differs from this program's")]
    Altered { version: i64 },
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A point of the log, from one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) position: Position,
    /// The cut-off of everyone.
    pub(crate) everyone: Position,
    /// The database's clock when the transaction or statement began.
    pub(crate) now: UnixMillis,
}

/// A user's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserRow {
    pub(crate) id: UserId,
    /// Case-mapped by RFC 8265; unique.
    pub(crate) name: String,
    /// A PHC string.
    pub(crate) password_hash: String,
    /// Of the user's stream.
    pub(crate) version: i64,
    pub(crate) user: User,
}

/// A user, and the head of the log in the same snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundUser {
    pub(crate) row: UserRow,
    pub(crate) head: Head,
}

/// A session's row, which is the fold of its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionRow {
    pub(crate) id: SessionId,
    /// Of the session's stream.
    pub(crate) version: i64,
    pub(crate) session: Session,
}

/// A session, its user, and the head of the log **in one snapshot**, or an older snapshot of the
/// latter two: where the session's lock had to be waited for, its row is newer, which is right,
/// for a `pos` may be too old and never too new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundSession {
    pub(crate) row: SessionRow,
    pub(crate) user_name: String,
    pub(crate) user: User,
    pub(crate) head: Head,
}

/// What is known of a session's client. Personal, so it is never in an event, and can be erased.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientInfo {
    pub(crate) ip: Option<String>,
    pub(crate) user_agent: Option<String>,
    /// The name that the client gave itself.
    pub(crate) device: Option<String>,
}

/// One line of a list of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedSession {
    pub(crate) row: SessionRow,
    pub(crate) client: ClientInfo,
}

/// A position that was just taken. The head stays locked until the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TakenPosition {
    pub(crate) position: Position,
    /// The head before.
    pub(crate) previous: Position,
    pub(crate) now: UnixMillis,
}

/// A replica of the service, as it makes itself known when it cuts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replica {
    pub(crate) id: Uuid,
    /// How long the access tokens live that it mints.
    pub(crate) access_ttl: Duration,
}

/// All revocations in `(from, to]`, from one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Read from the clock before the snapshot was taken.
    pub(crate) at: UnixMillis,
    pub(crate) from: Position,
    pub(crate) to: Position,
    /// The greatest position stored at least (longest access TTL in force + leeway + 60 s) ago.
    pub(crate) floor: Position,
    pub(crate) revoked: Vec<Revocation>,
    /// There were more than the limit: `to` is the last one read and not the head.
    pub(crate) more: bool,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum KeyPurpose {
    /// Signs access tokens and pages; published.
    Access,
    /// Signs session tokens; never published.
    Session,
    /// Makes CSRF values (HMAC); never leaves the service.
    Csrf,
}

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyState {
    /// Published ahead of its use.
    Standby,
    /// Signs.
    Active,
    /// Signs no more; published until its last token has expired.
    Retired,
    /// Its last token has expired: published no more.
    Forgotten,
    /// Everything that it signed is dead.
    Revoked,
}

/// A key's row.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub(crate) kid: KeyId,
    pub(crate) purpose: KeyPurpose,
    /// The public half; empty for an HMAC key.
    pub(crate) public: Vec<u8>,
    /// The private half as [`crate::keys`] seals it.
    pub(crate) sealed: Vec<u8>,
    pub(crate) state: KeyState,
    pub(crate) created_at: UnixMillis,
    /// When it came into its state.
    pub(crate) state_since: UnixMillis,
}

/// A client of the feed and of introspection.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ClientRow {
    pub(crate) name: String,
    /// SHA-256 of the secret, which is 256 random bits: a slow hash would add nothing.
    pub(crate) secret_hash: [u8; 32],
    pub(crate) created_at: UnixMillis,
}

/// A verifier's report that came by HTTP.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StatusRow {
    pub(crate) client: String,
    pub(crate) instance: String,
    pub(crate) report: serde_json::Value,
    pub(crate) seen_at: UnixMillis,
}

/// The name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken;

#[async_trait]
pub(crate) trait Store: Send + Sync + 'static {
    /// Begins a transaction that may write. Dropped without a commit, it changes nothing.
    async fn begin(&self) -> Result<Box<dyn Tx>>;

    /// Refuses a schema that this program does not know.
    async fn check_schema(&self) -> Result<()>;

    /// Creates or upgrades the schema; the versions applied.
    async fn migrate(&self) -> Result<Vec<i64>>;

    /// The head of the log. Writes nothing.
    async fn head(&self) -> Result<Head>;

    /// A user by name: hash, state, roles and the head in one statement.
    async fn user_by_name(&self, name: &str) -> Result<Option<FoundUser>>;

    /// A user by id, likewise.
    async fn user(&self, id: UserId) -> Result<Option<FoundUser>>;

    /// Users by name, from the one after `after` on.
    async fn users(&self, after: Option<&str>, limit: u32) -> Result<Vec<UserRow>>;

    /// A session with its user and the head in one statement, without a lock.
    async fn session(&self, id: SessionId) -> Result<Option<FoundSession>>;

    /// The sessions of a user that are alive, the newest first (ids are ordered by time), from the
    /// one after `after` on.
    async fn alive_sessions(
        &self,
        user: UserId,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<ListedSession>>;

    /// A session's events in order.
    async fn history(&self, id: SessionId) -> Result<Vec<Event>>;

    /// Open sessions past an end, for [`crate::service`] to expire.
    async fn overdue_sessions(&self, limit: u32) -> Result<Vec<SessionId>>;

    /// All events in the order (stream, version), from the one after `after` on.
    async fn events(&self, after: Option<(Uuid, i64)>, limit: u32) -> Result<Vec<Event>>;

    /// How many events there are, about (for a progress bar).
    async fn count_events(&self) -> Result<u64>;

    /// All session rows by id, from the one after `after` on.
    async fn session_rows(&self, after: Option<SessionId>, limit: u32) -> Result<Vec<SessionRow>>;

    /// Revocations in `(after, to]` in order, at most `limit`. Writes nothing.
    async fn revocations(
        &self,
        after: Position,
        to: Position,
        limit: u32,
    ) -> Result<Vec<Revocation>>;

    /// Cuts the log after `from`, in a transaction that reads its clock first and writes the
    /// replica's own row, so that neither a standby nor a left-over snapshot can do it. Where the
    /// database is another one than the head was written by, the head is raised first (see
    /// [`Tx::take_position`]).
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

    /// Deletes revocations that no page and no floor needs any more, and replicas and statuses
    /// long silent; how many revocations.
    async fn prune(&self) -> Result<u64>;

    async fn keys(&self) -> Result<Vec<KeyRow>>;

    async fn client(&self, name: &str) -> Result<Option<ClientRow>>;
    async fn clients(&self) -> Result<Vec<ClientRow>>;
    async fn add_client(&self, client: &ClientRow) -> Result<std::result::Result<(), Taken>>;
    /// False where there is none.
    async fn set_client_secret(&self, name: &str, secret_hash: [u8; 32]) -> Result<bool>;
    async fn remove_client(&self, name: &str) -> Result<bool>;

    /// Stores a verifier's report at the database's time.
    async fn put_status(
        &self,
        client: &str,
        instance: &str,
        report: &serde_json::Value,
    ) -> Result<()>;
    /// Reports not older than `within`.
    async fn statuses(&self, within: Duration) -> Result<Vec<StatusRow>>;
}

/// A transaction that may write.
#[async_trait]
pub(crate) trait Tx: Send {
    /// Locks the head and moves it to `max(previous + 1, microseconds since 1970)`.
    ///
    /// Where the database is not the one that the head was written by (Postgres's system identifier
    /// or timeline changed: a failover that may have lost the last commits), it moves to
    /// `max(previous, microseconds since 1970, seen) + 600,000,000` first. `seen` is the greatest
    /// position that the caller has seen in anyone's page.
    async fn take_position(&mut self, seen: Position) -> Result<TakenPosition>;

    /// Locks the head without moving it, for what must happen once among all replicas.
    async fn lock_head(&mut self) -> Result<Head>;

    /// The head, without a lock.
    async fn head(&mut self) -> Result<Head>;

    /// Locks a user's row.
    async fn lock_user(&mut self, id: UserId) -> Result<Option<FoundUser>>;

    /// Locks the rows of `ids` in ascending order, and reads with them, in the same statement, their
    /// users and the head. Unknown ids are left out.
    async fn lock_sessions(&mut self, ids: &[SessionId]) -> Result<Vec<FoundSession>>;

    /// Whether the user had a session from the same user agent, open or ended; and the head.
    async fn knows_client(
        &mut self,
        user: UserId,
        user_agent: Option<&str>,
    ) -> Result<(bool, Head)>;

    /// The user's alive sessions beyond the `keep` newest ones, the oldest first.
    async fn sessions_beyond(&mut self, user: UserId, keep: u32) -> Result<Vec<SessionId>>;

    /// Appends events, and with them the rows of the revocations that they hold. A version that is
    /// taken is an error.
    async fn append(&mut self, events: &[Event]) -> Result<()>;

    /// Stores session rows, new ones and old; an old row of a greater version stays as it is.
    async fn save_sessions(&mut self, rows: &[SessionRow]) -> Result<()>;

    /// Stores what is known of a session's client.
    async fn save_client_info(&mut self, session: SessionId, client: &ClientInfo) -> Result<()>;

    /// Stores a new user.
    async fn add_user(&mut self, row: &UserRow) -> Result<std::result::Result<(), Taken>>;

    /// Stores a user's row under its id.
    async fn save_user(&mut self, row: &UserRow) -> Result<()>;

    /// Raises the cut-off of everyone.
    async fn set_everyone(&mut self, position: Position) -> Result<()>;

    async fn keys(&mut self) -> Result<Vec<KeyRow>>;
    async fn save_key(&mut self, key: &KeyRow) -> Result<()>;
    /// The number of events in a stream, for streams whose rows do not hold it.
    async fn stream_version(&mut self, stream: Uuid) -> Result<i64>;

    /// Deletes all session rows (never events or client info): the first step of a rebuild in tests.
    #[cfg(test)]
    async fn clear_sessions(&mut self) -> Result<()>;

    /// Makes it so. On return the transaction is durable as the database is set up to be.
    async fn commit(self: Box<Self>) -> Result<()>;
}
