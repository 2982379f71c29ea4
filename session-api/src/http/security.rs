//! By what each call is authenticated, as the document says it. [`super::credential`] does it.

use super::kind::{self, Kind};
use super::settings::HttpSettings;
use serde_json::{Value, json};

/// What a call wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// Nothing; what is presented never makes the call fail.
    Nothing,
    /// The session cookie alone, or an access token.
    Session,
    /// The session token, as a cookie or in the body.
    Refresh,
    /// An access token, by header or cookie.
    Access,
    /// That of an operator who has logged in not long ago.
    Operator,
    /// The same, or nothing where anybody may register.
    Registration,
    /// A client credential.
    Client,
    /// The same, or nothing where the feed is open.
    Follower,
}

impl Credential {
    /// The same with what the operator has set.
    const fn under(self, settings: &HttpSettings) -> Self {
        match self {
            Self::Registration if settings.open_registration => Self::Nothing,
            Self::Registration => Self::Operator,
            other => other,
        }
    }

    /// The alternatives, as OpenAPI has them.
    pub(super) fn requirements(self, settings: &HttpSettings, safe: bool) -> Value {
        // A page that changes something shows that it is one of ours.
        let cookie = |name: &str| {
            if safe {
                json!({ name: [] })
            } else {
                json!({ name: [], "csrf_token": [] })
            }
        };
        let header = json!({ "access_token": [] });
        match self.under(settings) {
            Self::Nothing => json!([]),
            Self::Session => json!([header, cookie("session_cookie"), cookie("access_cookie")]),
            Self::Refresh => json!([cookie("session_cookie"), {}]),
            Self::Access | Self::Operator | Self::Registration => {
                json!([header, cookie("access_cookie")])
            }
            Self::Follower if settings.open_feed => json!([{ "client": [] }, {}]),
            Self::Client | Self::Follower => json!([{ "client": [] }]),
        }
    }

    /// Why it may be refused.
    pub(super) fn kinds(self, settings: &HttpSettings) -> Vec<&'static Kind> {
        match self.under(settings) {
            Self::Nothing => vec![],
            Self::Session => vec![
                &kind::TOKEN_MISSING,
                &kind::TOKEN_INVALID,
                &kind::SESSION_ENDED,
                &kind::CSRF,
            ],
            Self::Refresh => vec![&kind::TOKEN_MISSING, &kind::SESSION_ENDED, &kind::CSRF],
            Self::Access => vec![&kind::TOKEN_MISSING, &kind::TOKEN_INVALID, &kind::CSRF],
            Self::Operator | Self::Registration => vec![
                &kind::TOKEN_MISSING,
                &kind::TOKEN_INVALID,
                &kind::STEP_UP,
                &kind::CSRF,
                &kind::FORBIDDEN,
            ],
            Self::Client | Self::Follower => vec![&kind::BAD_CREDENTIALS],
        }
    }
}

/// All that a call may want to see.
pub(super) fn schemes() -> Value {
    json!({
        "access_token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The access token of an app, from `access_token` in the answer of a \
                            log-in or a refresh. Where this header is sent no cookie counts, \
                            even when the header is bad.",
        },
        "access_cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": verifier_sdk::request::ACCESS_COOKIE,
            "description": "The access token of a browser, set by a log-in and a refresh. \
                            Scripts cannot read it.",
        },
        "session_cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": super::cookies::SESSION_COOKIE,
            "description": "The session token of a browser, set by a log-in and a refresh, and \
                            sent to `/session` and what is below it alone.",
        },
        "csrf_token": {
            "type": "apiKey",
            "in": "header",
            "name": "X-CSRF-Token",
            "description": "Beside a cookie, on every call that changes something: `csrf_token` \
                            of the answer of a log-in, a refresh or `GET /session`, or the value \
                            of the cookie `__Host-csrf`.",
        },
        "client": {
            "type": "http",
            "scheme": "basic",
            "description": "A client credential: the name and the secret that `session-api \
                            client add` printed.",
        },
    })
}
