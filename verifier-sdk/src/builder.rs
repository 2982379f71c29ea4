//! Settings, checked before anything runs.

use crate::request::{Origin, Origins};
use crate::service::{Credential, Service};
use crate::shared::OnStale;
use crate::token::{DEFAULT_MAX_LIFETIME, Expected};
use crate::verifier::Verifier;
use revocation_events::subject::is_token;
use std::fmt::Display;
use std::time::Duration;
use url::Url;

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
#[derive(Debug)]
pub struct Builder {
    issuer: String,
    audience: String,
    service: Option<String>,
    service_url: Option<String>,
    client: Option<Credential>,
    max_staleness: Duration,
    on_stale: OnStale,
    max_lifetime: Duration,
    allowed_origins: Vec<String>,
    start_timeout: Duration,
    cache_bytes: usize,
}

/// Settings that were checked.
pub(crate) struct Checked {
    pub(crate) expected: Expected,
    pub(crate) service: Service,
    pub(crate) name: String,
    pub(crate) max_staleness: Duration,
    pub(crate) on_stale: OnStale,
    pub(crate) origins: Origins,
    pub(crate) cache_bytes: usize,
}

impl Builder {
    pub(crate) fn new(issuer: String, audience: String) -> Self {
        Self {
            issuer,
            audience,
            service: None,
            service_url: None,
            client: None,
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

    /// The memory for tokens that were verified before, in bytes: 64 MiB by default, about 60,000
    /// tokens. 0 verifies each token anew.
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

    fn check(self) -> Result<Checked, StartError> {
        let issuer = http_url("issuer", &self.issuer)?;
        if self.audience.is_empty() {
            return Err(unusable("audience", "it is empty"));
        }
        let own = Origin::of_url(issuer.as_str()).map_err(|error| unusable("issuer", error))?;
        let allowed = self.allowed_origins.iter().map(|origin| origin.parse());
        let allowed: Result<Vec<Origin>, _> = allowed.collect();
        let allowed = allowed.map_err(|error| unusable("allowed_origins", error))?;
        let base = match &self.service_url {
            Some(url) => http_url("service_url", url)?,
            None => issuer,
        };
        for (setting, span) in [
            ("max_staleness", self.max_staleness),
            ("max_lifetime", self.max_lifetime),
            ("start_timeout", self.start_timeout),
        ] {
            if span.is_zero() {
                return Err(unusable(setting, "it is zero"));
            }
        }
        if self
            .client
            .as_ref()
            .is_some_and(|client| client.name.contains(':'))
        {
            return Err(unusable(
                "client",
                "a name with a colon cannot be sent (RFC 7617)",
            ));
        }
        let client_name = self.client.as_ref().map(|client| client.name.clone());
        let name = self
            .service
            .or(client_name)
            .unwrap_or_else(|| "verifier".to_owned());
        if !is_token(&name) {
            return Err(unusable("service", "it is not 1 to 64 of A-Z a-z 0-9 _ -"));
        }
        let service = Service::new(base.as_str().trim_end_matches('/'), self.client)
            .map_err(|reason| unusable("service_url", reason))?;
        let expected = Expected {
            issuer: self.issuer,
            audience: self.audience,
            max_lifetime: self.max_lifetime,
        };
        Ok(Checked {
            expected,
            service,
            name,
            max_staleness: self.max_staleness,
            on_stale: self.on_stale,
            origins: Origins::new(vec![own], allowed),
            cache_bytes: self.cache_bytes,
        })
    }
}

fn unusable(setting: &'static str, reason: impl Display) -> StartError {
    StartError::Setting {
        setting,
        reason: reason.to_string(),
    }
}

fn http_url(setting: &'static str, text: &str) -> Result<Url, StartError> {
    let url = Url::parse(text).map_err(|error| unusable(setting, error))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(unusable(setting, "it is not an http or https URL"));
    }
    // The text is not repeated: there may be a password in it.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(unusable(
            setting,
            "it holds a user or a password; use client() for those",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(unusable(setting, "it goes on after the path"));
    }
    Ok(url)
}
