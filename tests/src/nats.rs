//! A NATS server of our own, with JetStream.

use crate::folder::Folder;
use crate::port;
use crate::process::Spec;
use crate::server::Server;
use std::path::{Path, PathBuf};
use std::time::Duration;

const START: Duration = Duration::from_secs(60);

/// One server on 127.0.0.1, with its streams in a temporary folder.
#[derive(Debug)]
pub struct Nats {
    server: Server,
    port: u16,
    store: PathBuf,
    _folder: Folder,
}

/// What a server is to be started with.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    config: Option<String>,
    files: Vec<(String, String)>,
    env: Vec<(String, String)>,
}

impl Settings {
    /// The text of a configuration file. Its address and port do not count; its streams belong in
    /// `$NATS_STORE_DIR`.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    /// Another file, which the configuration includes by this name.
    #[must_use]
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// A variable that the configuration names, such as a password.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the server.
    ///
    /// # Panics
    /// When there is no nats-server, or it refuses the configuration.
    pub async fn start(self) -> Nats {
        let folder = Folder::new("nats-");
        let store = folder.path().join("store");
        let port = port::free();
        let mut spec = Spec::new("nats-server", binary())
            .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
            .env("NATS_STORE_DIR", &store.to_string_lossy());
        let config = self
            .config
            .unwrap_or_else(|| "jetstream { store_dir: $NATS_STORE_DIR }".to_owned());
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap_or_else(|error| panic!("{name}: {error}"));
            path
        };
        for (name, text) in &self.files {
            write(name, text);
        }
        spec = spec.arg("--config").arg(write("main.conf", &config));
        for (name, value) in &self.env {
            spec = spec.env(name, value);
        }
        Nats {
            server: Server::start(spec, "Server is ready", START).await,
            port,
            store,
            _folder: folder,
        }
    }
}

impl Nats {
    /// A server that anyone may do anything on.
    ///
    /// # Panics
    /// When there is no nats-server.
    pub async fn start() -> Self {
        Settings::default().start().await
    }

    /// What a server is to be started with.
    #[must_use]
    pub fn with() -> Settings {
        Settings::default()
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Where `user` connects.
    #[must_use]
    pub fn url_for(&self, user: &str, password: &str) -> String {
        format!("nats://{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again on the same port with the same streams; kills it first where it still runs.
    ///
    /// # Panics
    /// When it is not ready within a minute; with its log.
    pub async fn restart(&mut self) {
        self.server.restart().await;
    }

    /// Starts it again on the same port with everything lost.
    ///
    /// # Panics
    /// See [`Nats::restart`].
    pub async fn wipe(&mut self) {
        self.kill();
        std::fs::remove_dir_all(&self.store).unwrap_or_else(|error| panic!("wipe: {error}"));
        self.restart().await;
    }

    /// The server itself, to freeze it or to read its log.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }
}

/// `$NATS_SERVER`, or the one that `tests/run` has brought, or that of the PATH.
fn binary() -> PathBuf {
    if let Some(chosen) = std::env::var_os("NATS_SERVER") {
        return chosen.into();
    }
    let brought = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/nats-server");
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(brought)
        .chain(std::env::split_paths(&path).map(|folder| folder.join("nats-server")))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("no nats-server: run tests/run once, or set NATS_SERVER"))
}
