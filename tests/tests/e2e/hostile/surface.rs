//! The places that take a token.

use super::site::Site;
use reqwest::RequestBuilder;
use reqwest::header::{CONNECTION, COOKIE, HeaderValue};
use revocation_events::UnixMillis;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};
use tests::user::Answer;
use verifier_sdk::token::AccessToken;

/// What is read of all cookies together; with more, none is looked at, and the answer is 400.
const MAX_COOKIES: usize = 8 * 1024;

/// What the service reads of a body; a longer one is 413.
const MAX_BODY: usize = 16 * 1024;

/// What the HTTP server reads of all headers together, but for those that the client adds. With more it
/// hangs up, or answers in words of its own.
const MAX_HEAD: usize = 127 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Surface {
    Decoder,
    GateHeader,
    GateCookie,
    ServiceHeader,
    ServiceCookie,
    Introspection,
    SessionCookie,
    Refresh,
    Revocation,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted,
    Refused,
    /// The gate asks for the key first.
    Later,
    /// HTTP cannot carry such a text there, or would change it.
    Inexpressible,
    /// Neither: whatever it is, it is wrong.
    Odd(String),
}

impl Outcome {
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused | Self::Inexpressible)
    }
}

impl Surface {
    pub(super) const OF_ACCESS_TOKENS: [Self; 6] = [
        Self::Decoder,
        Self::GateHeader,
        Self::GateCookie,
        Self::ServiceHeader,
        Self::ServiceCookie,
        Self::Introspection,
    ];

    pub(super) const OF_SESSION_TOKENS: [Self; 3] =
        [Self::SessionCookie, Self::Refresh, Self::Revocation];

    pub(super) const fn is_gate(self) -> bool {
        matches!(self, Self::GateHeader | Self::GateCookie)
    }

    pub(super) async fn send(self, site: &Site, text: &str) -> Outcome {
        let api = |path: &str| format!("{}{path}", site.service.url());
        let gate = || site.gate.url("/verify");
        let get = |url: String| site.http.get(url);
        let client = || {
            let request = site.http.post(api("/introspect"));
            request.basic_auth(&site.client.client, Some(&site.client.secret))
        };
        match self {
            Self::Decoder => decoder(site, text),
            Self::GateHeader => header(get(gate()), text, "token-invalid").await,
            Self::GateCookie => {
                let request = get(gate()).header("x-original-method", "GET");
                cookie(request, "__Host-Http-access", text, "token-invalid").await
            }
            Self::ServiceHeader => header(get(api("/session")), text, "token-invalid").await,
            Self::ServiceCookie => {
                let request = get(api("/sessions"));
                cookie(request, "__Host-Http-access", text, "token-invalid").await
            }
            Self::SessionCookie => {
                let request = get(api("/session"));
                cookie(request, "__Secure-session", text, "session-ended").await
            }
            Self::Refresh => {
                let body = json!({ "session_token": text });
                // With a key one successor serves every good spelling of the token.
                let request = site.http.post(api("/session/refresh")).json(&body);
                let request = request.header("idempotency-key", "the same for all of them");
                let around = r#"{"session_token":""}"#.len();
                judged(request, text, "session-ended", MAX_BODY - around).await
            }
            Self::Introspection => form(client(), text, "active", true.into()).await,
            Self::Revocation => {
                let request = site.http.post(api("/revoke"));
                form(request, text, "revoked", 1.into()).await
            }
        }
    }
}

fn decoder(site: &Site, text: &str) -> Outcome {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = UnixMillis::new(u64::try_from(now.as_millis()).unwrap());
    match AccessToken::decode(text, &site.expected(), now, |kid| {
        site.keys.get(kid).copied()
    }) {
        Ok(_) => Outcome::Accepted,
        Err(_) => Outcome::Refused,
    }
}

async fn header(request: RequestBuilder, text: &str, slug: &str) -> Outcome {
    match HeaderValue::from_bytes(format!("Bearer {text}").as_bytes()) {
        Ok(value) if text.trim_matches([' ', '\t']) == text => {
            judged(request.header("authorization", value), text, slug, MAX_HEAD).await
        }
        _ => Outcome::Inexpressible,
    }
}

async fn cookie(request: RequestBuilder, name: &str, text: &str, slug: &str) -> Outcome {
    match HeaderValue::from_bytes(format!("{name}={text}").as_bytes()) {
        Ok(value) if text.trim_matches([' ', '\t']) == text && !text.contains(';') => {
            let request = request.header(COOKIE, value);
            if !(MAX_COOKIES..=MAX_HEAD).contains(&(name.len() + text.len())) {
                return judged(request, text, slug, MAX_HEAD).await;
            }
            let answer = Answer::of(request).await;
            if (answer.status, answer.problem()) == (400, Some("bad-request")) {
                Outcome::Refused
            } else {
                Outcome::Odd(format!("{answer:?}"))
            }
        }
        _ => Outcome::Inexpressible,
    }
}

/// Every refusal looks the same, whatever was wrong with a text that is not longer than `most`.
async fn judged(mut request: RequestBuilder, text: &str, slug: &str, most: usize) -> Outcome {
    if text.len() > most {
        // The server hangs up while the client still sends, and the next request must not meet that.
        request = request.header(CONNECTION, "close");
    }
    let Ok(answer) = request.send().await else {
        return unless_long(text, "no answer", most);
    };
    let answer = Answer::read(answer).await;
    let header = |name: &str| answer.headers.get(name).map_or("", |v| v.to_str().unwrap());
    match answer.status {
        200 => Outcome::Accepted,
        503 if answer.problem() == Some("verifier-starting") => Outcome::Later,
        401 => {
            let body = answer.body.as_object().map_or(0, serde_json::Map::len);
            let same = answer.problem() == Some(slug)
                && body == 3
                && header("content-type") == "application/problem+json"
                && header("cache-control") == "no-store"
                && header("www-authenticate") == r#"Bearer error="invalid_token""#
                && header("set-cookie").is_empty();
            if same {
                Outcome::Refused
            } else {
                Outcome::Odd(format!("{answer:?}"))
            }
        }
        400 | 413 | 431 => unless_long(text, &format!("{answer:?}"), most),
        _ => Outcome::Odd(format!("{answer:?}")),
    }
}

fn unless_long(text: &str, what: &str, most: usize) -> Outcome {
    if text.len() > most {
        Outcome::Refused
    } else {
        Outcome::Odd(what.to_owned())
    }
}

/// A form that answers 200 to any token, with a member that tells.
async fn form(
    request: RequestBuilder,
    text: &str,
    member: &str,
    accepted: serde_json::Value,
) -> Outcome {
    let answer = Answer::of(request.form(&[("token", text)])).await;
    match answer.status {
        200 if answer.body[member] == accepted => Outcome::Accepted,
        200 => Outcome::Refused,
        // Nothing is no token, and an access token is not one to revoke (RFC 7009, section 2.2.1).
        400 if text.is_empty() || answer.body["error"] == "unsupported_token_type" => {
            Outcome::Refused
        }
        413 => unless_long(text, "too large", MAX_BODY - "token=".len()),
        _ => Outcome::Odd(format!("{answer:?}")),
    }
}
