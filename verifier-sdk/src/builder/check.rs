//! The checks, and what comes out of them.

use super::{Builder, StartError};
use crate::request::{Origin, Origins};
use crate::service::Service;
use crate::shared::OnStale;
use crate::token::Expected;
use revocation_events::nats::Settings;
use revocation_events::subject::{Subjects, is_token};
use std::fmt::Display;
use std::time::Duration;
use url::Url;

/// Client names too: each is also the name of a NATS user, and a part of subjects.
const NOT_A_TOKEN: &str = "it is not 1 to 64 of A-Z a-z 0-9 _ -";

/// Where NATS is.
pub(crate) struct Nats {
    pub(crate) settings: Settings,
    /// As whom status is published.
    pub(crate) client: String,
}

/// Settings that were checked.
pub(crate) struct Checked {
    pub(crate) expected: Expected,
    pub(crate) service: Service,
    pub(crate) nats: Option<Nats>,
    pub(crate) name: String,
    pub(crate) max_staleness: Duration,
    pub(crate) on_stale: OnStale,
    pub(crate) origins: Origins,
    pub(crate) cache_bytes: usize,
}

impl Builder {
    pub(super) fn check(self) -> Result<Checked, StartError> {
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
        let client = self.client.as_ref().map(|client| client.name.as_str());
        if client.is_some_and(|name| !is_token(name)) {
            return Err(unusable("client", NOT_A_TOKEN));
        }
        let name = self
            .service
            .as_deref()
            .or(client)
            .unwrap_or("verifier")
            .to_owned();
        if !is_token(&name) {
            return Err(unusable("service", NOT_A_TOKEN));
        }
        let nats = self.check_nats(client, &name)?;
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
            nats,
            name,
            max_staleness: self.max_staleness,
            on_stale: self.on_stale,
            origins: Origins::new(vec![own], allowed),
            cache_bytes: self.cache_bytes,
        })
    }

    fn check_nats(&self, client: Option<&str>, service: &str) -> Result<Option<Nats>, StartError> {
        let Some(servers) = &self.nats else {
            return Ok(None);
        };
        let mut settings = Settings::new(servers).map_err(|error| unusable("nats", error))?;
        if let Some(prefix) = &self.nats_prefix {
            let subjects: Subjects = prefix
                .parse()
                .map_err(|error| unusable("nats_prefix", error))?;
            settings = settings.subjects(subjects);
        }
        if let Some(path) = &self.nats_credentials_file {
            settings = settings
                .credentials_file(path.clone())
                .map_err(|error| unusable("nats_credentials_file", error))?;
        }
        if let Some(path) = &self.nats_ca_file {
            settings = settings.ca_file(path.clone());
        }
        if let Some(client) = client {
            settings = settings
                .inbox_prefix(format!("_INBOX_{client}"))
                .map_err(|error| unusable("client", error))?;
        }
        let client = client.unwrap_or(service).to_owned();
        Ok(Some(Nats {
            settings: settings.name(service.to_owned()),
            client,
        }))
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
