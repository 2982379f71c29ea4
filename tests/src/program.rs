//! Our own binaries, built before they run.

use crate::process::Spec;
use crate::server::Server;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::LazyLock;
use std::time::Duration;

/// A debug build on a machine with two busy cores.
const START: Duration = Duration::from_secs(60);

/// What each of our servers writes once it takes requests.
const LISTENING: &str = "listening on http://";

/// One of our servers, running.
#[derive(Debug)]
pub struct Program {
    server: Server,
    url: String,
}

impl Program {
    /// How the binary `name` is run.
    ///
    /// # Panics
    /// When the workspace does not build, or has no such binary.
    #[must_use]
    pub fn spec(name: &str) -> Spec {
        Spec::new(name, Self::path(name)).env("RUST_BACKTRACE", "1")
    }

    /// Where the binary `name` is.
    ///
    /// # Panics
    /// See [`Program::spec`].
    #[must_use]
    pub fn path(name: &str) -> PathBuf {
        let path = BINARIES.join(name);
        assert!(path.exists(), "the workspace has no binary {name}");
        path
    }

    /// How the example `name` of one of our libraries is run.
    ///
    /// # Panics
    /// When the workspace does not build, or has no such example.
    #[must_use]
    pub fn example(name: &str) -> Spec {
        let path = BINARIES.join("examples").join(name);
        assert!(path.exists(), "the workspace has no example {name}");
        Spec::new(name, path).env("RUST_BACKTRACE", "1")
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// When it does not listen within a minute; with its log.
    pub async fn start(spec: Spec) -> Self {
        let server = Server::start(spec, LISTENING, START).await;
        let line = server.running().log().line_with(LISTENING);
        let url = line.as_deref().and_then(listening_on);
        Self {
            url: url.unwrap_or_else(|| panic!("no address in {line:?}")),
            server,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it by SIGKILL, as a crash does.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Asks it to end by SIGTERM, and waits.
    ///
    /// # Panics
    /// When it is not running, or does not end within a minute.
    pub async fn stop(&mut self) -> ExitStatus {
        let ended = self.server.end(Signal::TERM).await;
        ended.unwrap_or_else(|| panic!("it was ended before"))
    }

    /// Starts it again with the same arguments; kills it first where it still runs.
    ///
    /// # Panics
    /// See [`Program::start`].
    pub async fn restart(&mut self) {
        let line = self.server.restart().await;
        self.url = listening_on(&line).unwrap_or_else(|| panic!("no address in {line:?}"));
    }

    /// The process, to freeze it or to read its log.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }
}

/// `$NATS_PY`, or the Python to which `tests/run` has brought nats-py.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn python_with_nats() -> PathBuf {
    if let Some(chosen) = std::env::var_os("NATS_PY") {
        return chosen.into();
    }
    let brought = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/nats-py/bin/python");
    assert!(
        brought.exists(),
        "no Python with nats-py: run tests/run once, or set NATS_PY"
    );
    brought
}

/// The address in the line that says that a server listens, whatever the format of the log.
fn listening_on(line: &str) -> Option<String> {
    let address = &line[line.find(LISTENING)? + LISTENING.len()..];
    let end = address
        .find(|c: char| !(c.is_ascii_alphanumeric() || ".:[]-".contains(c)))
        .unwrap_or(address.len());
    Some(format!("http://{}", &address[..end]))
}

/// Where cargo puts the binaries: beside the folder of the test that runs. Built once per process
/// by the command that `tests/run` uses, so that no test ever runs yesterday's binary; where nothing
/// has changed it takes a moment.
static BINARIES: LazyLock<PathBuf> = LazyLock::new(|| {
    let test = std::env::current_exe().unwrap_or_else(|error| panic!("current_exe: {error}"));
    let folder = test
        .ancestors()
        .skip(1)
        .find(|folder| !folder.ends_with("deps"));
    let folder = folder.unwrap_or_else(|| panic!("{} is not cargo's", test.display()));
    build(folder);
    folder.to_owned()
});

fn build(folder: &Path) {
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let mut command = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    command
        .args([
            "build",
            "--quiet",
            "--workspace",
            "--all-features",
            "--bins",
            "--example",
            "new_device",
        ])
        .args(["--profile", profile, "--target-dir"])
        .args(folder.parent())
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cargo: {error}"));
    assert!(
        output.status.success(),
        "the workspace does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[cfg(test)]
mod tests {
    use super::listening_on;

    #[test]
    fn the_address_is_read_from_any_format_of_log() {
        for line in [
            "listening on http://127.0.0.1:8080",
            "2026-11-23T14:00:00Z  INFO session_api: listening on http://127.0.0.1:8080 version=1",
            r#"{"message":"listening on http://127.0.0.1:8080","level":"INFO"}"#,
            "\u{1b}[32mlistening on http://127.0.0.1:8080\u{1b}[0m",
        ] {
            assert_eq!(
                listening_on(line).as_deref(),
                Some("http://127.0.0.1:8080"),
                "{line}"
            );
        }
        assert_eq!(listening_on("starting"), None);
    }
}
