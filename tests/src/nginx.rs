//! nginx, with the files of `deploy/nginx`.

use crate::folder::Folder;
use crate::port;
use crate::process::Spec;
use crate::server::Server;
use std::path::{Path, PathBuf};
use std::time::Duration;

const START: Duration = Duration::from_secs(20);

/// The last that it says before it takes requests.
const READY: &str = "getrlimit(RLIMIT_NOFILE)";

/// The file that nginx is given, and where it says that it listens.
#[derive(Clone, Copy, Debug)]
struct Main {
    file: &'static str,
    door: &'static str,
    /// What becomes of that, before the port.
    on_loopback: &'static str,
}

const PLAIN: Main = Main {
    file: "nginx.conf",
    door: "127.0.0.1:8000",
    on_loopback: "127.0.0.1:",
};

/// For the topology of `deploy/compose.yaml`.
const COMPOSE: Main = Main {
    file: "compose.conf",
    door: "listen 8000",
    on_loopback: "listen 127.0.0.1:",
};

/// One server, with its pid and its temporary files in a folder of its own.
#[derive(Debug)]
pub struct Nginx {
    server: Server,
    url: String,
    _folder: Folder,
}

/// What of its files is to be another thing than what is written there: ports and paths.
#[derive(Clone, Debug)]
pub struct Settings {
    port: u16,
    main: Main,
    changes: Vec<(String, String)>,
}

impl Settings {
    /// Where it is going to listen: the issuer of the service behind it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where it is going to listen.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Finds the server that the files expect at `written` at `url` instead.
    #[must_use]
    pub fn finds(self, written: &str, url: &str) -> Self {
        self.with(
            &format!("server {written};"),
            &format!("server {};", url.trim_start_matches("http://")),
        )
    }

    /// With other words in the place of `written`, which must be there.
    #[must_use]
    pub fn with(mut self, written: &str, instead: &str) -> Self {
        self.changes.push((written.to_owned(), instead.to_owned()));
        self
    }

    /// Writes the files, as changed, into `folder`.
    ///
    /// # Panics
    /// When one of the changes is of something that is not there.
    pub fn write(self, folder: &Path) {
        let Main {
            door, on_loopback, ..
        } = self.main;
        let here = format!("{on_loopback}{}", self.port);
        let Self { changes, .. } = self.with(door, &here);
        let written = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nginx");
        let mut unused: Vec<_> = changes.iter().map(|(written, _)| &**written).collect();
        copy(&written, folder, &changes, &mut unused);
        assert!(unused.is_empty(), "not in the files: {unused:?}");
    }

    /// Starts it.
    ///
    /// # Panics
    /// When there is no nginx, or it refuses its files.
    pub async fn start(self) -> Nginx {
        let folder = Folder::new("nginx-");
        let (url, main) = (self.url(), self.main);
        self.write(folder.path());
        Nginx {
            server: Server::start(spec(folder.path(), main), READY, START).await,
            url,
            _folder: folder,
        }
    }
}

impl Nginx {
    /// What it is to be started with: a free port.
    #[must_use]
    pub fn with() -> Settings {
        settings(PLAIN)
    }

    /// The same for the topology of `deploy/compose.yaml`.
    #[must_use]
    pub fn of_compose() -> Settings {
        settings(COMPOSE)
    }

    /// The address of one of its paths.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The server itself, to freeze it or to read its log.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }
}

fn settings(main: Main) -> Settings {
    Settings {
        port: port::free(),
        main,
        changes: Vec::new(),
    }
}

/// In one process: a worker would outlive a master that is killed.
fn spec(folder: &Path, main: Main) -> Spec {
    Spec::new("nginx", binary())
        .args([
            "-e",
            "stderr",
            "-g",
            "daemon off; master_process off;",
            "-p",
        ])
        .arg(folder)
        .arg("-c")
        .arg(folder.join(main.file))
}

/// `$NGINX`, or that of the PATH, in which a user's shell on Debian has no `/usr/sbin`.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(chosen) = std::env::var_os("NGINX") {
        return chosen.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|folder| folder.join("nginx"))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("no nginx: run tests/run once, or set NGINX"))
}

/// Copies the configuration with its changes, and strikes those from `unused` that applied.
fn copy(from: &Path, to: &Path, changes: &[(String, String)], unused: &mut Vec<&str>) {
    let refused = |error: std::io::Error| -> ! { panic!("{}: {error}", from.display()) };
    for entry in std::fs::read_dir(from).unwrap_or_else(|error| refused(error)) {
        let path = entry.unwrap_or_else(|error| refused(error)).path();
        let copied = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            std::fs::create_dir(&copied).unwrap_or_else(|error| refused(error));
            copy(&path, &copied, changes, unused);
            continue;
        }
        let mut text = std::fs::read_to_string(&path).unwrap_or_else(|error| refused(error));
        for (written, instead) in changes {
            if text.contains(written) {
                unused.retain(|unused| unused != written);
                text = text.replace(written, instead);
            }
        }
        std::fs::write(&copied, text).unwrap_or_else(|error| refused(error));
    }
}
