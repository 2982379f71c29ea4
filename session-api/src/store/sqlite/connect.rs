//! Connections, and the settings that keep a commit.

use crate::store::{Error, IfMissing, Result, SchemaError, rows};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

/// For how long a writer waits for those before it.
const WAIT: Duration = Duration::from_secs(5);

const READERS: u32 = 4;

pub(super) struct Pools {
    /// Of one connection: SQLite lets one write at a time.
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
}

impl Pools {
    pub(super) async fn connect(url: &str, if_missing: IfMissing) -> Result<Self> {
        let options = options(url)?;
        let file = options.get_filename();
        match if_missing {
            IfMissing::Create => create_private(file)?,
            IfMissing::Fail if !file.exists() => return Err(SchemaError::Missing.into()),
            IfMissing::Fail => {}
        }
        warn_of_readers(file);
        // A pool does not say why it could not connect.
        let mut first = options.connect().await?;
        check_settings(&mut first).await?;
        first.close().await?;
        Ok(Self {
            writer: pool(1).connect_lazy_with(options.clone()),
            readers: pool(READERS).connect_lazy_with(options.pragma("query_only", "on")),
        })
    }
}

fn options(url: &str) -> Result<SqliteConnectOptions> {
    let options: SqliteConnectOptions = url.parse().map_err(|error| Error::Url(Some(error)))?;
    // What sqlx makes of `:memory:` and `mode=memory`, which keep nothing.
    if options
        .get_filename()
        .to_string_lossy()
        .starts_with("file:sqlx-in-memory")
    {
        return Err(Error::Url(None));
    }
    Ok(options
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit that was acknowledged is on the disk.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(WAIT)
        .disable_statement_logging())
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(WAIT)
        .max_lifetime(None)
        .idle_timeout(None)
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(check_settings(connection)))
}

/// SQLite passes over a setting that it cannot have: a file system without shared memory has no WAL.
async fn check_settings(connection: &mut SqliteConnection) -> std::result::Result<(), sqlx::Error> {
    const SETTINGS: &str = "select j.journal_mode, s.synchronous, f.foreign_keys, b.timeout \
                            from pragma_journal_mode j, pragma_synchronous s, \
                                 pragma_foreign_keys f, pragma_busy_timeout b";
    let found: (String, i64, i64, i64) = sqlx::query_as(SETTINGS).fetch_one(connection).await?;
    let wanted = ("wal".to_owned(), 2, 1, rows::stored_span(WAIT));
    if found == wanted {
        return Ok(());
    }
    let text = format!(
        "SQLite does not take the settings that keep a commit (journal_mode, synchronous, \
         foreign_keys, busy_timeout): wanted {wanted:?}, got {found:?}; use a file on a local disk"
    );
    Err(sqlx::Error::Configuration(text.into()))
}

/// Made before SQLite would make it: nobody else may read password hashes and keys. Its companions
/// get the same mode from SQLite.
fn create_private(path: &Path) -> Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = options.open(path).map(drop);
    opened.map_err(|error| Error::Unavailable(error.into()))
}

/// Such as a backup that was copied back. Nothing is changed: who may read a file is its owner's
/// business.
fn warn_of_readers(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path).map(|metadata| metadata.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o077 != 0) {
            let file = path.display();
            tracing::warn!(
                "others on this machine may read password hashes and keys: chmod 600 {file}"
            );
        }
    }
    #[cfg(not(unix))]
    let _nothing_to_look_at = path;
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refusal(change: impl FnOnce(SqliteConnectOptions) -> SqliteConnectOptions) -> String {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        let options = change(options(&url).unwrap().create_if_missing(true));
        let mut connection = options.connect().await.unwrap();
        let checked = check_settings(&mut connection).await;
        checked.map_or_else(|error| error.to_string(), |()| "none".to_owned())
    }

    #[tokio::test]
    async fn settings_that_do_not_keep_a_commit_are_refused() {
        assert_eq!(refusal(|options| options).await, "none");
        let refused = [
            refusal(|options| options.journal_mode(SqliteJournalMode::Delete)).await,
            refusal(|options| options.synchronous(SqliteSynchronous::Normal)).await,
            refusal(|options| options.foreign_keys(false)).await,
            refusal(|options| options.busy_timeout(Duration::ZERO)).await,
        ];
        for refusal in refused {
            assert!(refusal.contains("use a file on a local disk"), "{refusal}");
        }
    }

    /// A pool checks each connection that it makes, not the first one alone.
    #[tokio::test]
    async fn each_connection_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        Pools::connect(&url, IfMissing::Create).await.unwrap();
        let lax = options(&url).unwrap().synchronous(SqliteSynchronous::Off);
        let pool = pool(2)
            .acquire_timeout(Duration::from_millis(100))
            .connect_lazy_with(lax);
        assert!(pool.acquire().await.is_err());
    }
}
