//! A Postgres of our own.

use crate::folder::Folder;
use crate::port;
use crate::process::{Account, Spec};
use crate::server::Server;
use rustix::process::Signal;
use sqlx::{Connection as _, Executor as _, PgConnection};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;
use tokio::sync::OnceCell;
use uuid::Uuid;

const READY: &str = "database system is ready to accept connections";

/// A standby says so too, of connections that only read.
const UP: &str = "database system is ready to accept";

/// Long enough for crash recovery on a loaded machine.
const START: Duration = Duration::from_secs(60);

/// A cluster on 127.0.0.1, in a temporary folder. Trusts every connection; user `postgres`.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    port: u16,
    folder: Folder,
}

/// A copy of a cluster, for [`Postgres::fails_over_to`]. What the cluster commits from now on never
/// comes to it, as to a standby that is far behind.
#[derive(Debug)]
pub struct Standby {
    data: PathBuf,
}

impl Postgres {
    /// A cluster for one test alone, which may kill it. It syncs to disk as in production.
    ///
    /// # Panics
    /// When Postgres is not installed or does not start.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A cluster with settings of its own, such as `synchronous_commit=off`.
    ///
    /// # Panics
    /// See [`Postgres::start`].
    pub async fn start_with(settings: &[&str]) -> Self {
        Self::start_in(Folder::new("postgres-"), settings).await
    }

    /// A cluster that speaks TLS with this certificate and its key, as PEM files, to whoever wants it.
    ///
    /// # Panics
    /// See [`Postgres::start`].
    pub async fn with_certificate(certificate: &Path, key: &Path) -> Self {
        let folder = Folder::new("postgres-");
        let settings =
            [("ssl_cert_file", certificate), ("ssl_key_file", key)].map(|(name, from)| {
                // Its own, and for nobody else to read: Postgres insists.
                let path = folder.path().join(name);
                std::fs::copy(from, &path).unwrap_or_else(|error| panic!("{name}: {error}"));
                std::fs::set_permissions(&path, Permissions::from_mode(0o600))
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                give(&path, unprivileged());
                format!("{name}={}", path.display())
            });
        let [certificate, key] = &settings;
        Self::start_in(folder, &["ssl=on", certificate, key]).await
    }

    async fn start_in(folder: Folder, settings: &[&str]) -> Self {
        let data = folder.path().join("data");
        let account = unprivileged();
        give(folder.path(), account);
        initdb(folder.path(), &data, account).await;
        let port = port::free();
        let spec =
            program(&folder, &data, port).args(settings.iter().flat_map(|setting| ["-c", setting]));
        Self {
            server: Server::start(spec, READY, START).await,
            port,
            folder,
        }
    }

    /// A copy of the cluster as it is now.
    ///
    /// # Panics
    /// When `pg_basebackup` fails; with its words.
    pub async fn standby(&self) -> Standby {
        let data = self.folder.path().join("standby");
        let copied = Spec::new("pg_basebackup", BINARIES.join("pg_basebackup"))
            .account(unprivileged())
            .directory(self.folder.path())
            .arg("-D")
            .arg(&data)
            .args(["-p", &self.port.to_string(), "-h", "127.0.0.1"])
            .args(["-U", "postgres", "--checkpoint=fast", "--no-sync"])
            .output("")
            .await;
        let told = String::from_utf8_lossy(&copied.stderr);
        assert!(copied.status.success(), "pg_basebackup failed:\n{told}");
        Standby { data }
    }

    /// It dies, and the standby is promoted in its place, on its port: with a timeline of its own, and
    /// without what was committed since it was made.
    ///
    /// # Panics
    /// When that does not take connections within a minute; with its log.
    pub async fn fails_over_to(&mut self, standby: Standby) {
        self.kill_immediate().await;
        let signal = standby.data.join("standby.signal");
        std::fs::write(&signal, "").unwrap_or_else(|error| panic!("standby.signal: {error}"));
        give(&signal, unprivileged());
        let spec = program(&self.folder, &standby.data, self.port);
        self.server = Server::start(spec, UP, START).await;
        let promote = execute(self.port, "SELECT pg_promote()".to_owned()).await;
        promote.unwrap_or_else(|error| panic!("pg_promote: {error}"));
        self.server.running().says(READY, START).await;
    }

    /// The cluster of this test process: started at first use, never restarted, and without syncing
    /// to disk, for speed. Ends with the process.
    ///
    /// # Panics
    /// See [`Postgres::start`].
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        SHARED
            .get_or_init(|| Self::start_with(&["fsync=off", "full_page_writes=off"]))
            .await
    }

    /// A fresh, empty database in the shared cluster. Dropped with the value.
    ///
    /// # Panics
    /// See [`Postgres::start`].
    pub async fn fresh_database() -> Database {
        let mut database = Self::shared().await.database().await;
        database.drop_at = Some(Self::shared().await.port);
        database
    }

    /// A fresh, empty database in this cluster. It lives as long as the cluster.
    ///
    /// # Panics
    /// When Postgres refuses.
    pub async fn database(&self) -> Database {
        let name = format!("test_{}", Uuid::new_v4().simple());
        // Nobody can be connected to template0, so that copies never wait for each other.
        execute(
            self.port,
            format!("CREATE DATABASE {name} TEMPLATE template0"),
        )
        .await
        .unwrap_or_else(|error| panic!("CREATE DATABASE: {error}"));
        Database {
            url: url(self.port, &name),
            name,
            drop_at: None,
        }
    }

    /// Ends it as a crash does: no checkpoint, clients cut off, recovery at the next start. It is
    /// Postgres's own "immediate shutdown", because kill -9 of the first process would leave the
    /// others holding the shared memory.
    pub async fn kill_immediate(&mut self) {
        self.server.end(Signal::QUIT).await;
    }

    /// Ends it in good order, cutting clients off ("fast shutdown").
    pub async fn stop(&mut self) {
        self.server.end(Signal::INT).await;
    }

    /// Starts it again, on the same port with the same data; ends it first where it still runs.
    ///
    /// # Panics
    /// When it does not take connections within a minute; with its log.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.server.restart().await;
    }

    /// The server itself, to freeze it or to read its log.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }
}

/// A database of one test.
#[derive(Debug)]
pub struct Database {
    url: String,
    name: String,
    drop_at: Option<u16>,
}

impl Database {
    /// Where programs connect.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    /// Hundreds of tests would fill the disk. Nobody waits for it.
    fn drop(&mut self) {
        let Some(port) = self.drop_at else { return };
        let statement = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            // What is left over goes with the cluster.
            let _ = runtime.map(|runtime| runtime.block_on(execute(port, statement)));
        });
    }
}

fn url(port: u16, database: &str) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/{database}?sslmode=disable")
}

async fn execute(port: u16, statement: String) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(&url(port, "postgres")).await?;
    connection
        .execute(sqlx::AssertSqlSafe(statement))
        .await
        .map(drop)?;
    connection.close().await
}

fn program(folder: &Folder, data: &Path, port: u16) -> Spec {
    Spec::new("postgres", BINARIES.join("postgres"))
        .account(unprivileged())
        .directory(folder.path())
        .arg("-D")
        .arg(data)
        .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k", ""])
        .args(["-c", "max_connections=300", "-c", "shared_buffers=64MB"])
}

async fn initdb(directory: &Path, data: &Path, account: Option<Account>) {
    let output = Spec::new("initdb", BINARIES.join("initdb"))
        .account(account)
        .directory(directory)
        .arg("-D")
        .arg(data)
        .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
        .args(["--locale=C", "--no-sync", "--no-instructions"])
        .output("")
        .await;
    assert!(
        output.status.success(),
        "initdb failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Where Postgres's own programs are, such as `pg_dump`.
///
/// # Panics
/// When Postgres is not installed.
#[must_use]
pub fn binaries() -> &'static Path {
    &BINARIES
}

/// `$POSTGRES_BIN`, or the newest of Debian's folders, or that of the PATH.
static BINARIES: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(chosen) = std::env::var_os("POSTGRES_BIN") {
        return chosen.into();
    }
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter();
    let newest = debian
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry)))
        .map(|(version, entry)| (version, entry.path().join("bin")))
        .filter(|(_, path)| path.join("initdb").exists())
        .max();
    let path = std::env::var_os("PATH").unwrap_or_default();
    newest
        .map(|(_, path)| path)
        .or_else(|| std::env::split_paths(&path).find(|path| path.join("initdb").exists()))
        .unwrap_or_else(|| {
            panic!("Postgres is not installed: `apt-get install postgresql`, or set POSTGRES_BIN")
        })
});

fn give(path: &Path, account: Option<Account>) {
    if let Some(Account { uid, gid }) = account {
        std::os::unix::fs::chown(path, Some(uid), Some(gid))
            .unwrap_or_else(|error| panic!("chown of {}: {error}", path.display()));
    }
}

/// Postgres refuses to run as root: then `postgres`, or else `nobody`, runs it.
fn unprivileged() -> Option<Account> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let numbers = |wanted: &str| {
        accounts.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            (name == wanted).then_some(Account { uid, gid })
        })
    };
    numbers("postgres").or_else(|| numbers("nobody"))
}
