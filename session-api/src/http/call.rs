//! One request, as its handler sees it.

use super::State;
use super::address::client_address;
use super::parameter::Parameter;
use super::problem::Error;
use crate::service::Service;
use crate::store::ClientInfo;
use actix_web::HttpRequest;
use bytes::Bytes;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use url::form_urlencoded;
use verifier_sdk::request::Headers;

/// How much of a user agent is kept, in characters.
const MAX_USER_AGENT: usize = 256;

/// A request whose route, query and body are known to be of the right kind.
pub(super) struct Call {
    pub(super) state: Arc<State>,
    pub(super) request: HttpRequest,
    pub(super) query: Query,
    pub(super) body: Bytes,
}

impl Headers for Call {
    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.request.headers().all(name)
    }
}

impl Call {
    pub(super) fn service(&self) -> &Service {
        &self.state.app.service
    }

    pub(super) fn method(&self) -> &str {
        self.request.method().as_str()
    }

    pub(super) fn has_header(&self, name: &str) -> bool {
        self.request.headers().contains_key(name)
    }

    /// The text of a header that may stand once.
    pub(super) fn header(&self, name: &'static str) -> Result<Option<&str>, Error> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(only), None) => match std::str::from_utf8(only) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(Error::bad_request(format!(
                    "The header `{name}` is not text."
                ))),
            },
            (Some(_), Some(_)) => Err(Error::bad_request(format!(
                "The header `{name}` stands twice."
            ))),
        }
    }

    /// What stands in the path in the place of `{name}`. What is no identifier names nothing.
    pub(super) fn path<T: FromStr>(&self, parameter: &Parameter<T>) -> Result<T, Error> {
        self.request
            .match_info()
            .get(parameter.name)
            .and_then(|id| id.parse().ok())
            .ok_or(Error::NotFound)
    }

    /// What stands behind the `?`, where it does.
    pub(super) fn query<T: FromStr>(&self, parameter: &Parameter<T>) -> Result<Option<T>, Error> {
        let malformed = |_| {
            let name = parameter.name;
            Error::bad_request(format!(
                "The parameter `{name}` is none that the call can take."
            ))
        };
        let text = self.query.get(parameter.name);
        text.map(|text| text.parse().map_err(malformed)).transpose()
    }

    pub(super) fn address(&self) -> Option<IpAddr> {
        let peer = self.request.peer_addr()?;
        let forwarded_for: Vec<_> = self.all("x-forwarded-for").collect();
        let trusted = &self.state.app.settings.trusted_proxies;
        Some(client_address(peer, forwarded_for.into_iter(), trusted))
    }

    /// What is known of the client, for its user to recognise it in a list.
    pub(super) fn client_info(&self, device: Option<String>) -> ClientInfo {
        let user_agent = self.all("user-agent").next().map(|agent| {
            let text = String::from_utf8_lossy(agent);
            text.chars()
                .filter(|c| !c.is_control())
                .take(MAX_USER_AGENT)
                .collect()
        });
        ClientInfo {
            ip: self.address().map(|address| address.to_string()),
            user_agent,
            device,
        }
    }
}

/// The parameters behind the `?`.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Takes only parameters that the call knows, and each once: `?keep=current` that was
    /// misspelled must not log out everywhere.
    pub(super) fn parse(text: &str, known: &[&str]) -> Result<Self, Error> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if !known.contains(&&*name) {
                return Err(Error::bad_request(match known {
                    [] => "This call takes no query parameters.".to_owned(),
                    _ => format!(
                        "This call takes the query parameters: {}.",
                        known.join(", ")
                    ),
                }));
            }
            if parameters.iter().any(|(seen, _)| *seen == name) {
                return Err(Error::bad_request("A query parameter stands twice."));
            }
            parameters.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(parameters))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(candidate, _)| candidate == name)
            .map(|(_, value)| value.as_str())
    }
}
