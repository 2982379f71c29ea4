//! `verifier-gate`: the SDK as an HTTP server.

use crate::clock::WallClock;
use crate::program::Program;
use crate::server::Server;
use crate::session_api::{Credential, SessionApi, is_ready};
use crate::user::Answer;

/// With what a gate is to run.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    flags: Vec<(String, String)>,
    env: Vec<(String, String)>,
}

impl Settings {
    /// Sets a flag, such as `--max-staleness` to `2s`.
    #[must_use]
    pub fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Reaches the session service here instead.
    #[must_use]
    pub fn service_url(mut self, url: &str) -> Self {
        self.flags.retain(|(name, _)| name != "--service-url");
        self.flag("--service-url", url)
    }

    /// Goes by this clock.
    #[must_use]
    pub fn clock(mut self, clock: &WallClock) -> Self {
        self.env.extend(clock.env());
        self
    }

    /// Takes the feed from NATS.
    #[must_use]
    pub fn nats(self, url: &str) -> Self {
        self.flag("--nats-url", url)
    }

    /// Starts it and waits until it listens, ready or not.
    ///
    /// # Panics
    /// When it does not listen within a minute; with its log.
    pub async fn listens(&self) -> Gate {
        let flags = self.flags.iter().flat_map(|(name, value)| [name, value]);
        let spec = Program::spec("verifier-gate").args(flags);
        let spec = self
            .env
            .iter()
            .fold(spec, |spec, (name, value)| spec.env(name, value));
        Gate {
            program: Program::start(spec).await,
            http: reqwest::Client::new(),
        }
    }

    /// Starts it and waits until it is ready: it has the whole list of revocations.
    ///
    /// # Panics
    /// When it does not become ready within a minute.
    pub async fn start(&self) -> Gate {
        let gate = self.listens().await;
        gate.is_ready().await;
        gate
    }
}

/// One running verifier.
#[derive(Debug)]
pub struct Gate {
    program: Program,
    http: reqwest::Client,
}

impl Gate {
    /// A gate that trusts the issuer of `service` and asks that replica, with `credential`.
    #[must_use]
    pub fn beside(service: &SessionApi, credential: &Credential) -> Settings {
        Settings::default()
            .flag("--listen", &format!("127.0.0.1:{}", crate::port::free()))
            .flag("--issuer", service.issuer())
            .flag("--audience", "api")
            .flag("--service", &credential.client)
            .flag("--service-url", service.url())
            .flag("--client", &credential.client)
            .flag("--client-secret", &credential.secret)
    }

    /// The status of its answer to `GET /verify` with `token` as a bearer.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn verdict(&self, token: &str) -> u16 {
        self.judges(token).await.status
    }

    /// Its whole answer to `GET /verify` with `token` as a bearer.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn judges(&self, token: &str) -> Answer {
        Answer::of(self.http.get(self.url("/verify")).bearer_auth(token)).await
    }

    /// Its answer to `GET /readyz`.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn readiness(&self) -> Answer {
        Answer::of(self.http.get(self.url("/readyz"))).await
    }

    /// Whether it says that it is `fresh`, `stale` or `starting`.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn is(&self, freshness: &str) -> bool {
        self.readiness().await.body["freshness"] == freshness
    }

    /// Whether it lets `token` pass.
    ///
    /// # Panics
    /// When it answers neither 200 nor 401: a gate that is stale or not ready says neither.
    pub async fn accepts(&self, token: &str) -> bool {
        match self.verdict(token).await {
            200 => true,
            401 => false,
            other => panic!("neither 200 nor 401, but {other}"),
        }
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready within a minute.
    pub async fn is_ready(&self) {
        is_ready(self.program.url()).await;
    }

    /// The address of one of its paths.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.program.url())
    }

    /// Its process, to freeze it or to read its log.
    #[must_use]
    pub const fn server(&self) -> &Server {
        self.program.server()
    }

    /// The program, to freeze, kill or restart it, or to read its log.
    pub const fn program(&mut self) -> &mut Program {
        &mut self.program
    }
}
