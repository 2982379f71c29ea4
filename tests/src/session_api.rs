//! The session service.

use crate::clock::WallClock;
use crate::eventually::eventually;
use crate::port;
use crate::process::Spec;
use crate::program::Program;
use std::process::{ExitStatus, Output};
use std::time::Duration;

const READY: Duration = Duration::from_secs(60);

/// With what the service is to run. Its issuer is its own address; rates are not limited.
#[derive(Clone, Debug)]
pub struct Settings {
    port: u16,
    issuer: String,
    env: Vec<(String, String)>,
    flags: Vec<(String, String)>,
}

impl Settings {
    /// On the database `url`, with the feed over HTTP only.
    #[must_use]
    pub fn new(database_url: &str) -> Self {
        let port = port::free();
        let settings = Self {
            port,
            issuer: format!("http://127.0.0.1:{port}"),
            env: Vec::new(),
            flags: Vec::new(),
        };
        settings
            .env("DATABASE_URL", database_url)
            .env("SESSION_API_THROTTLE", "off")
    }

    /// Names another issuer: the gateway in front of it, for example.
    #[must_use]
    pub fn issuer(mut self, url: &str) -> Self {
        url.clone_into(&mut self.issuer);
        self
    }

    /// Publishes on NATS too.
    #[must_use]
    pub fn nats(self, url: &str) -> Self {
        self.env("NATS_URL", url)
    }

    /// Sets a flag of `serve`, such as `--access-ttl` to `2s`.
    #[must_use]
    pub fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a variable for `serve` and for every command.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Goes by this clock, `serve` and every command.
    #[must_use]
    pub fn clock(self, clock: &WallClock) -> Self {
        let env = clock.env();
        env.iter()
            .fold(self, |settings, (name, value)| settings.env(name, value))
    }

    fn program(&self) -> Spec {
        let spec = Program::spec("session-api");
        self.env
            .iter()
            .fold(spec, |spec, (name, value)| spec.env(name, value))
    }

    /// Runs a command of the service, such as `["log", "verify"]`, with `input` on its standard
    /// input.
    ///
    /// # Panics
    /// When it does not end within a minute.
    pub async fn run(&self, command: &[&str], input: &str) -> Output {
        self.program().args(command).output(input).await
    }

    /// Runs a command that must succeed, and returns its standard output.
    ///
    /// # Panics
    /// When it fails; with what it wrote.
    pub async fn must_run(&self, command: &[&str], input: &str) -> String {
        let output = self.run(command, input).await;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "session-api {command:?} ended with {}\n{stdout}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        stdout
    }
}

/// A replica of the service, running.
#[derive(Debug)]
pub struct SessionApi {
    settings: Settings,
    program: Program,
}

/// What a service shows when it asks for the feed.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Its name.
    pub client: String,
    /// Its secret.
    pub secret: String,
}

impl SessionApi {
    /// Migrates the database, serves, and waits until it is ready.
    ///
    /// # Panics
    /// When one of these fails.
    pub async fn start(settings: &Settings) -> Self {
        settings.must_run(&["migrate"], "").await;
        Self::serve(settings).await
    }

    /// Another replica on the same database, for the same issuer, at an address of its own.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn replica(&self) -> Self {
        self.replica_with(|settings| settings).await
    }

    /// The same with other settings, such as another line to NATS or to the database: what is set last
    /// counts.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn replica_with(&self, change: impl FnOnce(Settings) -> Settings) -> Self {
        let settings = Settings {
            port: port::free(),
            ..self.settings.clone()
        };
        Self::serve(&change(settings)).await
    }

    async fn serve(settings: &Settings) -> Self {
        let flags = settings
            .flags
            .iter()
            .flat_map(|(name, value)| [name, value]);
        let spec = settings
            .program()
            .arg("serve")
            .args(["--listen", &format!("127.0.0.1:{}", settings.port)])
            .args(["--issuer", &settings.issuer])
            .args(flags);
        let service = Self {
            settings: settings.clone(),
            program: Program::start(spec).await,
        };
        service.is_ready().await;
        service
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready within a minute.
    pub async fn is_ready(&self) {
        is_ready(self.url()).await;
    }

    /// Where this replica listens.
    #[must_use]
    pub fn url(&self) -> &str {
        self.program.url()
    }

    /// Whom its tokens name as their issuer: the address of the first replica, unless another was set.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// With what it runs: for its commands, `service.settings().must_run(…)`.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Makes a user by `user add`, with `role` where one is given.
    ///
    /// # Panics
    /// When the command fails.
    pub async fn has_user(&self, name: &str, password: &str, role: Option<&str>) {
        let mut command = vec!["user", "add", name];
        command.extend(role.iter().flat_map(|role| ["--role", *role]));
        self.settings.must_run(&command, password).await;
    }

    /// Makes a client credential by `client add`.
    ///
    /// # Panics
    /// When the command fails or does not print what it promises.
    pub async fn has_client(&self, name: &str) -> Credential {
        let command = ["client", "add", name, "--json"];
        let line = self.settings.must_run(&command, "").await;
        let json: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let member = |name: &str| match json[name].as_str() {
            Some(text) => text.to_owned(),
            None => panic!("no {name:?} in the answer of `client add`"),
        };
        Credential {
            client: member("client"),
            secret: member("secret"),
        }
    }

    /// Ends it by SIGKILL, as a crash does.
    pub fn kill(&mut self) {
        self.program.kill();
    }

    /// Asks it to end by SIGTERM, and waits.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn stop(&mut self) -> ExitStatus {
        self.program.stop().await
    }

    /// Starts it again at the same address; kills it first where it still runs.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn restart(&mut self) {
        self.program.restart().await;
        self.is_ready().await;
    }

    /// The program, to freeze it or to read its log.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.program
    }
}

/// Waits until `/readyz` answers 200.
pub(crate) async fn is_ready(url: &str) {
    let path = format!("{url}/readyz");
    eventually(&format!("200 from {path}"), READY, async || {
        let answer = reqwest::get(&path).await;
        answer.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
}
