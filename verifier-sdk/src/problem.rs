//! How a refusal looks over HTTP: problem details (RFC 9457), the same from every adapter.

use crate::error::Error;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// The media type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// The policy of an answer that is no page.
const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'";

/// A problem: what a client is told of a refusal, and nothing more.
///
/// ```
/// use verifier_sdk::problem::Problem;
///
/// let problem = Problem::new("rate-limited", 429, "Too many attempts.")
///     .retry_after(std::time::Duration::from_secs(30))
///     .with("limit", 10);
/// assert_eq!(
///     problem.body(),
///     r#"{"type":"urn:portcullis:rate-limited","title":"Too many attempts.","status":429,"limit":10}"#
/// );
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    slug: &'static str,
    status: u16,
    title: &'static str,
    members: BTreeMap<&'static str, Value>,
    challenge: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem of the type `urn:portcullis:<slug>`. The title is the same for every problem of
    /// one type (RFC 9457, section 3.1.3).
    #[must_use]
    pub fn new(slug: &'static str, status: u16, title: &'static str) -> Self {
        Self {
            slug,
            status,
            title,
            members: BTreeMap::new(),
            challenge: None,
            retry_after: None,
        }
    }

    /// Adds a member, such as `detail`. `type`, `title` and `status` stay what they are: a member
    /// of that name is passed over.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        if !matches!(name, "type" | "title" | "status") {
            self.members.insert(name, value.into());
        }
        self
    }

    /// Sets `WWW-Authenticate`, which a 401 must carry (RFC 9110, section 11.6.1).
    #[must_use]
    pub fn challenge(mut self, challenge: impl Into<Cow<'static, str>>) -> Self {
        self.challenge = Some(challenge.into());
        self
    }

    /// Sets `Retry-After`.
    #[must_use]
    pub const fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The headers of the answer, names in lower case. Nobody may keep it: the next answer to the
    /// same request may be another. No browser may take it for a page, or show it in one (OWASP
    /// REST Security Cheat Sheet).
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let retry_after = self.retry_after.map(|after| {
            // Whole seconds (RFC 9110, section 10.2.3), rounded up: zero would mean "at once".
            let seconds = after.as_millis().div_ceil(1000).max(1);
            ("retry-after", Cow::Owned(seconds.to_string()))
        });
        let challenge = self.challenge.as_deref();
        [
            ("content-type", Cow::Borrowed(CONTENT_TYPE)),
            ("cache-control", Cow::Borrowed("no-store")),
            ("x-content-type-options", Cow::Borrowed("nosniff")),
            ("content-security-policy", Cow::Borrowed(NO_PAGE)),
        ]
        .into_iter()
        .chain(challenge.map(|challenge| ("www-authenticate", Cow::Borrowed(challenge))))
        .chain(retry_after)
    }

    /// The body, a JSON object.
    #[must_use]
    pub fn body(&self) -> String {
        let body = Body {
            kind: format!("urn:portcullis:{}", self.slug),
            title: self.title,
            status: self.status,
            members: &self.members,
        };
        serde_json::to_string(&body)
            .unwrap_or_else(|_| unreachable!("text, numbers and JSON values serialise"))
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    #[serde(flatten)]
    members: &'a BTreeMap<&'static str, Value>,
}

/// The status, the slug, a title and when to come back: the [`Reason`](crate::error::Reason) stays
/// inside.
impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let problem = Self::new(error.slug(), error.status(), title(error));
        let problem = match error {
            // RFC 6750, section 3.1: an error code only where a token was presented.
            Error::Missing => problem.challenge("Bearer"),
            Error::Invalid(_) => problem.challenge(r#"Bearer error="invalid_token""#),
            _ => problem,
        };
        match error.retry_after() {
            Some(after) => problem.retry_after(after),
            None => problem,
        }
    }
}

const fn title(error: &Error) -> &'static str {
    match error {
        Error::Missing => "An access token is needed.",
        Error::Invalid(_) => "The access token is not accepted.",
        Error::Ambiguous | Error::TooManyCookies => "The request is not understood.",
        Error::Csrf => "The request did not prove that it comes from the application's own page.",
        Error::Forbidden => "Not allowed.",
        Error::Stale { .. } => "Access tokens cannot be checked at the moment.",
        Error::Starting { .. } => "Access tokens cannot be checked yet.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Reason;

    fn headers(problem: &Problem) -> Vec<String> {
        problem
            .headers()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect()
    }

    #[test]
    fn what_a_client_is_told_of_each_refusal() {
        let retry_after = Duration::from_millis(1_001);
        let table = [
            (
                Error::Missing,
                r#"{"type":"urn:portcullis:token-missing","title":"An access token is needed.","status":401}"#,
                Some("www-authenticate: Bearer"),
            ),
            (
                Error::Invalid(Reason::Malformed),
                r#"{"type":"urn:portcullis:token-invalid","title":"The access token is not accepted.","status":401}"#,
                Some(r#"www-authenticate: Bearer error="invalid_token""#),
            ),
            (
                Error::Ambiguous,
                r#"{"type":"urn:portcullis:bad-request","title":"The request is not understood.","status":400}"#,
                None,
            ),
            (
                Error::TooManyCookies,
                r#"{"type":"urn:portcullis:bad-request","title":"The request is not understood.","status":400}"#,
                None,
            ),
            (
                Error::Csrf,
                r#"{"type":"urn:portcullis:csrf","title":"The request did not prove that it comes from the application's own page.","status":403}"#,
                None,
            ),
            (
                Error::Forbidden,
                r#"{"type":"urn:portcullis:forbidden","title":"Not allowed.","status":403}"#,
                None,
            ),
            (
                Error::Stale { retry_after },
                r#"{"type":"urn:portcullis:verifier-stale","title":"Access tokens cannot be checked at the moment.","status":503}"#,
                Some("retry-after: 2"),
            ),
            (
                Error::Starting { retry_after },
                r#"{"type":"urn:portcullis:verifier-starting","title":"Access tokens cannot be checked yet.","status":503}"#,
                Some("retry-after: 2"),
            ),
        ];
        for (error, body, header) in table {
            let problem = Problem::from(&error);
            assert_eq!(problem.body(), body);
            assert_eq!(problem.status(), error.status());
            let mut expected = vec![
                "content-type: application/problem+json",
                "cache-control: no-store",
                "x-content-type-options: nosniff",
                "content-security-policy: default-src 'none'; frame-ancestors 'none'",
            ];
            expected.extend(header);
            assert_eq!(headers(&problem), expected, "{error}");
        }
    }

    #[test]
    fn a_wait_is_never_zero() {
        let problem = Problem::new("overloaded", 503, "Busy.").retry_after(Duration::ZERO);
        assert!(headers(&problem).contains(&"retry-after: 1".to_owned()));
    }

    #[test]
    fn no_member_takes_the_place_of_a_fixed_one() {
        let body = Problem::new("conflict", 409, "Taken.")
            .with("status", 200)
            .with("detail", "a \"quoted\" name")
            .body();
        assert_eq!(
            body,
            r#"{"type":"urn:portcullis:conflict","title":"Taken.","status":409,"detail":"a \"quoted\" name"}"#
        );
    }
}
