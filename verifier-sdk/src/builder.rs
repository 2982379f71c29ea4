//! Settings, checked before anything runs.

mod check;

use crate::service::Credential;
use crate::shared::OnStale;
use crate::token::DEFAULT_MAX_LIFETIME;
use crate::verifier::Verifier;
pub(crate) use check::Checked;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

const DEFAULT_MAX_STALENESS: Duration = Duration::from_secs(10);
const DEFAULT_START_TIMEOUT: Duration = Duration::from_secs(15);
const DEFAULT_CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Why a verifier did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting cannot be used; nothing was started.
    #[error("the setting {setting} cannot be used: {reason}")]
    Setting {
        /// The builder's method.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// It was not called inside a tokio runtime, which the background tasks need.
    #[error("a verifier needs a tokio runtime; build it inside one")]
    NoRuntime,
    /// It did not catch up in time. Nothing runs on.
    #[error("the verifier was not ready within {} ms: {why}", .within.as_millis())]
    TimedOut {
        /// The start timeout.
        within: Duration,
        /// What it was waiting for, in words for an operator.
        why: String,
    },
}

/// The settings of a [`Verifier`]; made by [`Verifier::builder`].
#[must_use = "settings do nothing by themselves: call start() or spawn()"]
pub struct Builder {
    issuer: String,
    audience: String,
    service: Option<String>,
    service_url: Option<String>,
    client: Option<Credential>,
    nats: Option<String>,
    nats_prefix: Option<String>,
    nats_credentials_file: Option<PathBuf>,
    nats_ca_file: Option<PathBuf>,
    max_staleness: Duration,
    on_stale: OnStale,
    max_lifetime: Duration,
    allowed_origins: Vec<String>,
    start_timeout: Duration,
    cache_bytes: usize,
}

impl Builder {
    pub(crate) fn new(issuer: String, audience: String) -> Self {
        Self {
            issuer,
            audience,
            service: None,
            service_url: None,
            client: None,
            nats: None,
            nats_prefix: None,
            nats_credentials_file: None,
            nats_ca_file: None,
            max_staleness: DEFAULT_MAX_STALENESS,
            on_stale: OnStale::default(),
            max_lifetime: DEFAULT_MAX_LIFETIME,
            allowed_origins: Vec::new(),
            start_timeout: DEFAULT_START_TIMEOUT,
            cache_bytes: DEFAULT_CACHE_BYTES,
        }
    }

    /// How the fleet view names the service that this verifier sits in: 1 to 64 of
    /// `A-Z a-z 0-9 _ -`. By default the client's name, or else `verifier`.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = Some(name.into());
        self
    }

    /// Where the session service is reached from here, if not under the issuer's own URL.
    pub fn service_url(mut self, url: impl Into<String>) -> Self {
        self.service_url = Some(url.into());
        self
    }

    /// The credential for the feed and for introspection, as `session-api client add` printed it.
    /// Without one the feed must be open to everyone.
    pub fn client(mut self, name: impl Into<String>, secret: impl Into<String>) -> Self {
        self.client = Some(Credential {
            name: name.into(),
            secret: secret.into(),
        });
        self
    }

    /// Follows the feed over NATS: server addresses with commas between, such as
    /// `nats://bus:4222` or `tls://user:password@bus:4222`. Pages that were missed are fetched over
    /// HTTP, or else from the stored stream; while NATS is away, the feed is followed over HTTP.
    /// Without this it is followed over HTTP alone.
    ///
    /// Where [`client`](Self::client) is set too, its name is that of the NATS user: status is
    /// published as `<prefix>.v1.status.<name>.<instance>`, answers are received under
    /// `_INBOX_<name>`.
    pub fn nats(mut self, servers: impl Into<String>) -> Self {
        self.nats = Some(servers.into());
        self
    }

    /// The prefix of the subjects on NATS: `sessions` by default.
    pub fn nats_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.nats_prefix = Some(prefix.into());
        self
    }

    /// Logs in to NATS with a credentials file (a JWT and a seed, as `nsc` writes them).
    pub fn nats_credentials_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.nats_credentials_file = Some(path.into());
        self
    }

    /// Believes NATS servers whose certificate is signed by an authority of this PEM file, instead of
    /// the machine's. Only a `tls://` address makes sure that there is TLS at all.
    pub fn nats_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.nats_ca_file = Some(path.into());
        self
    }

    /// How old the newest proof may be that nothing was revoked unseen: 10 s by default. Heartbeats
    /// come every 500 ms; a typical database failover takes longer than the default.
    pub fn max_staleness(mut self, span: Duration) -> Self {
        self.max_staleness = span;
        self
    }

    /// What to do while there is no such proof; [`OnStale::Refuse`] by default.
    pub fn on_stale(mut self, policy: OnStale) -> Self {
        self.on_stale = policy;
        self
    }

    /// The longest lifetime of a token that is accepted: 15 minutes by default. It must not be
    /// shorter than the service's access TTL.
    pub fn max_lifetime(mut self, span: Duration) -> Self {
        self.max_lifetime = span;
        self
    }

    /// Origins, beside the issuer's, whose pages may send requests with cookies. Each as a browser
    /// writes it: `https://app.example.com`.
    pub fn allowed_origins<S: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = S>,
    ) -> Self {
        self.allowed_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// How long [`start`](Self::start) waits: 15 s by default.
    pub fn start_timeout(mut self, span: Duration) -> Self {
        self.start_timeout = span;
        self
    }

    /// The memory for tokens that were verified before, in bytes: 64 MiB by default, of all threads
    /// together. Half of it holds what any thread has verified, about 30,000 tokens; the other half is
    /// shared out among the threads, for what each of them sees most, and spares them to look among the
    /// others'. 0 verifies each token anew.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Starts, and returns once the verifier has caught up and judges tokens.
    ///
    /// # Errors
    /// [`StartError`]. On a timeout it says what it was waiting for, and nothing runs on.
    pub async fn start(self) -> Result<Verifier, StartError> {
        let within = self.start_timeout;
        let verifier = self.spawn()?;
        match tokio::time::timeout(within, verifier.ready()).await {
            Ok(()) => Ok(verifier),
            Err(_) => Err(StartError::TimedOut {
                within,
                why: verifier.status().reason,
            }),
        }
    }

    /// Starts, and returns at once: the verifier answers [`Error::Starting`](crate::Error::Starting)
    /// until it has caught up.
    ///
    /// # Errors
    /// [`StartError::Setting`], [`StartError::NoRuntime`].
    pub fn spawn(self) -> Result<Verifier, StartError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(StartError::NoRuntime);
        }
        Ok(Verifier::run(self.check()?))
    }
}

impl fmt::Debug for Builder {
    /// Without what may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}
