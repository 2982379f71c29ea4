//! The session service over HTTP: key sets, pages, reports, introspection.
//!
//! Every answer is read piece by piece up to a bound, nothing is followed elsewhere, and everything
//! but the stream ends within [`TIMEOUT`].

use futures::FutureExt as _;
use reqwest::{RequestBuilder, Response, StatusCode, header};
use revocation_events::jwk::{self, KeySet};
use revocation_events::status::Status;
use revocation_events::{Position, jws, page, strict_json};
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long a call may take, its answer included.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);

/// At most this many pages come in one answer.
const MAX_PAGES: usize = 64;
/// Sixty-four pages of the longest kind, and the list around them.
const MAX_PAGES_LEN: usize = MAX_PAGES * (page::MAX_LEN + 8);
/// Reading that much may take longer than another call.
const PAGES_TIMEOUT: Duration = Duration::from_secs(10);
/// But it begins soon. On a pooled connection that was cut somewhere on the way it never does, and
/// whoever catches up has the stored stream to turn to, and `max_staleness` to do so.
const PAGES_BEGIN_WITHIN: Duration = Duration::from_secs(3);
const MAX_INTROSPECTION_LEN: usize = 64 * 1024;

/// Where the session service is, and who this program is to it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Service {
    http: reqwest::Client,
    base: Arc<str>,
    credential: Option<Arc<Credential>>,
}

/// A client credential for HTTP Basic (RFC 7617).
pub(crate) struct Credential {
    pub(crate) name: String,
    pub(crate) secret: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}, …)", self.name)
    }
}

/// A call that failed, in words for an operator. Holds no secret.
#[derive(Debug, thiserror::Error)]
#[error("{call}: {why}")]
pub(crate) struct Failed {
    call: String,
    why: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error("the session service cannot be reached ({0}); is service_url right, and does it run?")]
    Unreachable(String),
    #[error("no whole answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    #[error("answered {0}; has this client's credential been added, and is its secret right?")]
    Unauthorized(StatusCode),
    #[error("answered {0}, which is a way elsewhere; give service_url as the service knows itself")]
    Redirect(StatusCode),
    #[error("answered {0}")]
    Status(StatusCode),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("the answer is not what was asked for; is service_url the session service?")]
    NotUnderstood,
    #[error("not taken: {0}")]
    Keys(#[from] jwk::Error),
}

impl Service {
    /// `base` without a slash at its end.
    pub(crate) fn new(base: &str, credential: Option<Credential>) -> Result<Self, String> {
        let http = reqwest::Client::builder()
            // A proxy set for the world outside must not learn the credential.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(TIMEOUT)
            .tcp_nodelay(true)
            .user_agent(concat!("portcullis-verifier/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| words(&error))?;
        Ok(Self {
            http,
            base: base.into(),
            credential: credential.map(Arc::new),
        })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn with_credential(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.credential {
            Some(client) => request.basic_auth(&client.name, Some(&client.secret)),
            None => request,
        }
    }

    /// `GET /.well-known/jwks.json`, from the service itself and not from a cache on the way.
    pub(crate) async fn key_set(&self) -> Result<KeySet, Failed> {
        let call = self.call("GET", "/.well-known/jwks.json");
        let request = self
            .http
            .get(&call.url)
            .header(header::CACHE_CONTROL, "no-cache");
        let text = call.text(request, jwk::MAX_JWKS_LEN, TIMEOUT).await?;
        KeySet::parse(&text).map_err(|error| call.failed(error.into()))
    }

    /// `GET /revocations`: at most 64 pages from `after` on.
    pub(crate) async fn pages(&self, after: Option<Position>) -> Result<Pages, Failed> {
        let call = self.call("GET", &format!("/revocations{}", query(after)));
        let request = self.with_credential(self.http.get(&call.url));
        let text = async {
            let response = call.within(PAGES_BEGIN_WITHIN, call.send(request)).await?;
            call.body(response, MAX_PAGES_LEN).await
        };
        let text = call.within(PAGES_TIMEOUT, text.boxed()).await?;
        let pages: Option<Vec<String>> = serde_json::from_slice(&text).ok();
        let pages = pages
            .filter(|pages| pages.len() <= MAX_PAGES)
            .ok_or_else(|| call.failed(Why::NotUnderstood))?;
        let goes_on_after = pages.last().and_then(|page| goes_on_after(page));
        Ok(Pages {
            pages,
            goes_on_after,
        })
    }

    /// `GET /revocations/stream`: the answer's head. Its body never ends.
    pub(crate) async fn stream(&self, after: Option<Position>) -> Result<PageStream, Failed> {
        let call = self.call("GET", &format!("/revocations/stream{}", query(after)));
        let request = self
            .with_credential(self.http.get(&call.url))
            .header(header::ACCEPT, "text/event-stream")
            .header(header::CACHE_CONTROL, "no-cache");
        let response = call.within(TIMEOUT, call.send(request)).await?;
        let kind = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return Err(call.failed(Why::NotUnderstood));
        }
        Ok(PageStream { call, response })
    }

    /// `POST /revocations/status`.
    pub(crate) async fn report(&self, status: &Status) -> Result<(), Failed> {
        let call = self.call("POST", "/revocations/status");
        let request = self.with_credential(self.http.post(&call.url)).json(status);
        call.within(TIMEOUT, call.send(request)).await.map(drop)
    }

    /// `POST /introspect` (RFC 7662): whether the token is active.
    pub(crate) async fn introspect(&self, token: &str) -> Result<bool, Failed> {
        #[derive(Deserialize)]
        struct Answer {
            active: bool,
        }
        let call = self.call("POST", "/introspect");
        let form = [("token", token), ("token_type_hint", "access_token")];
        let request = self.with_credential(self.http.post(&call.url)).form(&form);
        let text = call.text(request, MAX_INTROSPECTION_LEN, TIMEOUT).await?;
        let answer = strict_json::check(&text)
            .ok()
            .and_then(|()| serde_json::from_slice::<Answer>(&text).ok());
        answer
            .map(|answer| answer.active)
            .ok_or_else(|| call.failed(Why::NotUnderstood))
    }

    fn call(&self, method: &str, path: &str) -> Call {
        let url = self.url(path);
        Call {
            what: format!("{method} {url}"),
            url,
        }
    }
}

/// The answer of [`Service::pages`].
pub(crate) struct Pages {
    pub(crate) pages: Vec<String>,
    /// The last page says that there is more: ask for the pages after this.
    pub(crate) goes_on_after: Option<Position>,
}

/// Nothing is believed here: who lies about it only causes, or saves, another request.
fn goes_on_after(page: &str) -> Option<Position> {
    #[derive(Deserialize)]
    struct End {
        to: Position,
        #[serde(default)]
        more: bool,
    }
    let unverified = jws::Unverified::parse(page, page::TYP, page::MAX_LEN).ok()?;
    let end: End = serde_json::from_slice(unverified.payload()).ok()?;
    end.more.then_some(end.to)
}

fn query(after: Option<Position>) -> String {
    after.map_or_else(String::new, |after| format!("?after={after}"))
}

/// One call, so that its failures can name it.
struct Call {
    what: String,
    url: String,
}

impl Call {
    fn failed(&self, why: Why) -> Failed {
        Failed {
            call: self.what.clone(),
            why,
        }
    }

    fn broken(&self, error: &reqwest::Error) -> Failed {
        self.failed(Why::Unreachable(words(error)))
    }

    async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, Failed>>,
    ) -> Result<T, Failed> {
        let done = tokio::time::timeout(limit, work).await;
        done.unwrap_or_else(|_| Err(self.failed(Why::TimedOut(limit))))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failed> {
        let response = request.send().await.map_err(|error| self.broken(&error))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status if status.is_redirection() => Err(self.failed(Why::Redirect(status))),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                Err(self.failed(Why::Unauthorized(status)))
            }
            status => Err(self.failed(Why::Status(status))),
        }
    }

    async fn text(
        &self,
        request: RequestBuilder,
        max_len: usize,
        limit: Duration,
    ) -> Result<Vec<u8>, Failed> {
        // On the heap: the future of a whole request is large, and callers nest.
        let whole = async { self.body(self.send(request).await?, max_len).await };
        self.within(limit, whole.boxed()).await
    }

    async fn body(&self, mut response: Response, max_len: usize) -> Result<Vec<u8>, Failed> {
        let mut text = Vec::new();
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| self.broken(&error))?
        {
            if text.len() + piece.len() > max_len {
                return Err(self.failed(Why::TooLong(max_len)));
            }
            text.extend_from_slice(&piece);
        }
        Ok(text)
    }
}

/// The body of [`Service::stream`].
pub(crate) struct PageStream {
    call: Call,
    response: Response,
}

impl PageStream {
    /// The next piece of the body. Within `patience` something must come, a heartbeat at least.
    pub(crate) async fn piece(
        &mut self,
        patience: Duration,
    ) -> Result<impl AsRef<[u8]> + use<>, Failed> {
        let piece = async {
            match self.response.chunk().await {
                Ok(Some(piece)) => Ok(piece),
                Ok(None) => Err(self
                    .call
                    .failed(Why::Unreachable("it ended the stream".into()))),
                Err(error) => Err(self.call.broken(&error)),
            }
        };
        self.call.within(patience, piece).await
    }

    /// What came is no stream of events.
    pub(crate) fn not_understood(&self) -> Failed {
        self.call.failed(Why::NotUnderstood)
    }
}

/// The innermost cause: what `reqwest` says itself is only that it failed. Its URL is named by the
/// call.
fn words(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
