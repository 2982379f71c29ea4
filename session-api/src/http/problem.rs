//! Every refusal, and what a client is told of it: problem details (RFC 9457). The one place where
//! errors become answers.

use super::kind;
use super::schemas::example;
use super::throttle::By;
use crate::audit::Actor;
use crate::service;
use crate::store;
use actix_web::HttpResponse;
use actix_web::http::header::{ALLOW, HeaderValue};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use std::borrow::Cow;
use std::time::Duration;
use verifier_sdk::problem::Problem;

/// When a client that was turned away should come back.
const COME_BACK: Duration = Duration::from_secs(1);

/// The challenge where a client credential is wanted (RFC 7617).
const BASIC: &str = r#"Basic realm="portcullis", charset="UTF-8""#;

/// Why a call did not go through.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Service(#[from] service::Error),
    /// What a request presents is refused before anybody asks the service.
    #[error(transparent)]
    Request(#[from] verifier_sdk::Error),
    /// With a hint for whoever wrote the client, made of this program's words and never of the
    /// request's.
    #[error("bad request: {0}")]
    BadRequest(Cow<'static, str>),
    #[error("there is no such path, or no such thing")]
    NotFound,
    /// With the methods that there are.
    #[error("method not allowed")]
    Method(String),
    #[error("the body is too large")]
    TooLarge,
    /// With the type that is wanted.
    #[error("the body is not {0}")]
    MediaType(&'static str),
    /// No client credential, or not the right one: nobody is told which.
    #[error("no client with that name and secret")]
    Client,
    #[error("too much to do")]
    Overloaded,
    /// Too many tries; when there will be one again.
    #[error("too many tries")]
    Throttled(By, Duration),
    /// A session has been refreshed, or has ended others, too often; when it may again.
    #[error("too often")]
    TooOften(Duration),
    #[error("this client or this address holds its share of streams")]
    TooManyStreams,
    #[error("not an operator's call to make")]
    Admin(AdminRefusal),
    /// The database or the keys are not there.
    #[error("not ready")]
    NotReady(Readiness),
    /// Of a form of OAuth: its own kind of answer.
    #[error("{0:?}")]
    OAuth(OAuthError),
    /// Cookies of two sessions, or one that somebody has planted; the answer is that to the lesser
    /// evil.
    #[error("cookies of two sessions")]
    Mixed(#[source] service::Error),
    /// A handler panicked; the log has the place.
    #[error("a handler panicked")]
    Panicked,
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        service::Error::from(error).into()
    }
}

/// An operator's call by somebody who may not make it, or not now.
#[derive(Clone, Copy, Debug)]
pub(super) struct AdminRefusal {
    pub(super) by: Actor,
    pub(super) why: NotNow,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotNow {
    /// Never, without the role.
    Role,
    /// The password was given too long ago: after a log-in (RFC 9470).
    StepUp {
        /// It may have been given so long ago.
        max_age: Duration,
    },
}

impl NotNow {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::StepUp { .. } => "step-up",
        }
    }
}

/// What `/readyz` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(example = example(r#"{ "database": "ok", "keys": "ok", "bus": "connected", "events": "ok" }"#))]
pub(super) struct Readiness {
    /// `ok` or `unavailable`.
    pub(super) database: &'static str,
    /// `ok`, `unusable` or, without a database, `unknown`.
    pub(super) keys: &'static str,
    /// `connected`, `disconnected`, or `none` where the service has none. Without its bus it is ready
    /// all the same: the pages go out when the bus is back.
    pub(super) bus: &'static str,
    /// Of events for other programs: `ok`, `late`, or `none` where the service has no bus.
    pub(super) events: &'static str,
}

/// RFC 6749, section 5.2, and RFC 7009, section 2.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum OAuthError {
    /// `token` is missing, a parameter stands twice, or there are more than 32.
    InvalidRequest,
    /// The token is one that cannot be revoked by itself.
    UnsupportedTokenType,
}

/// A wrong form, in the words of OAuth.
#[derive(Serialize, JsonSchema)]
#[schemars(
    rename = "OAuthError",
    example = example(include_str!("examples/oauth-error.json"))
)]
pub(super) struct OAuthProblem {
    /// What is wrong.
    error: OAuthError,
    /// The same for people.
    error_description: &'static str,
}

impl Error {
    pub(super) fn bad_request(hint: impl Into<Cow<'static, str>>) -> Self {
        Self::BadRequest(hint.into())
    }

    /// What the client is told.
    pub(super) fn response(&self) -> HttpResponse {
        self.log();
        let mut response = match self {
            Self::OAuth(error) => error.response(),
            _ => HttpResponse::from(&self.problem()),
        };
        if let Self::Method(allowed) = self
            && let Ok(allowed) = HeaderValue::from_str(allowed)
        {
            response.headers_mut().insert(ALLOW, allowed);
        }
        response
    }

    fn problem(&self) -> Problem {
        match self {
            Self::Service(error) | Self::Mixed(error) => of_service(error),
            // One title for each type of problem; what was too much is a hint.
            Self::Request(verifier_sdk::Error::Ambiguous) => {
                bad_request("Two credentials were presented where one is meant.")
            }
            Self::Request(verifier_sdk::Error::TooManyCookies) => {
                bad_request("All cookies together have more than 8 KiB.")
            }
            Self::Request(error) => Problem::from(error),
            Self::BadRequest(hint) => bad_request(hint),
            Self::NotFound => not_found(),
            Self::Method(_) => kind::METHOD.problem(),
            Self::TooLarge => kind::TOO_LARGE.problem(),
            Self::MediaType(wanted) => kind::MEDIA_TYPE.problem().with(
                "detail",
                format!("Send it as {wanted}, without a content encoding."),
            ),
            // `error` for clients that speak OAuth (RFC 7662, section 2.3).
            Self::Client => kind::BAD_CREDENTIALS
                .problem()
                .challenge(BASIC)
                .with("error", "invalid_client"),
            Self::Overloaded => overloaded(),
            Self::Throttled(_, wait) | Self::TooOften(wait) => rate_limited(*wait),
            Self::TooManyStreams => rate_limited(COME_BACK),
            Self::Admin(refusal) => match refusal.why {
                NotNow::Role => Problem::from(&verifier_sdk::Error::Forbidden),
                NotNow::StepUp { max_age } => step_up(max_age),
            },
            Self::NotReady(Readiness {
                database,
                keys,
                bus,
                events,
            }) => overloaded()
                .with("database", *database)
                .with("keys", *keys)
                .with("bus", *bus)
                .with("events", *events),
            Self::OAuth(_) | Self::Panicked => internal(),
        }
    }

    /// Logged here and nowhere else, and only what an operator can do something about.
    fn log(&self) {
        let Self::Service(error @ (service::Error::Store(_) | service::Error::Keys(_))) = self
        else {
            return;
        };
        tracing::error!(error = error as &dyn std::error::Error, "a call failed");
    }
}

fn of_service(error: &service::Error) -> Problem {
    use service::Error;
    match error {
        // Unknown user, wrong password, disabled: one answer.
        Error::BadCredentials => kind::BAD_CREDENTIALS.problem().challenge("Bearer"),
        // Expired, revoked, its token used again, or none of ours: the client logs in.
        Error::SessionEnded | Error::Forged => kind::SESSION_ENDED
            .problem()
            .challenge(r#"Bearer error="invalid_token""#),
        // The reason stays inside; the client refreshes.
        Error::TokenInvalid => {
            Problem::from(&verifier_sdk::Error::Invalid(verifier_sdk::Reason::Revoked))
        }
        // Also what is somebody else's: who may not see it must not learn that it is there.
        Error::NotFound => not_found(),
        // The one place where a stranger learns that a user exists, which no registration that
        // lets people choose names can hide.
        Error::NameTaken => conflict("The user name is taken."),
        Error::BadName => {
            bad_request("A user name is 1 to 64 letters, digits and marks, without spaces.")
        }
        Error::PasswordRefused(why) => kind::PASSWORD_REFUSED
            .problem()
            .with("reason", json!(why))
            .with("detail", format!("{why}.")),
        Error::Conflict => conflict("It was changed by somebody else meanwhile."),
        Error::Overloaded => overloaded(),
        // Another replica answers, or this one after its start.
        Error::ShuttingDown => overloaded(),
        // It may be back with the next request, and nothing is known to have happened.
        Error::Store(error) if error.is_away() => overloaded(),
        // Nothing of the cause: it could tell how the service is built.
        Error::Store(_) | Error::Keys(_) => internal(),
    }
}

fn bad_request(hint: &str) -> Problem {
    kind::BAD_REQUEST.problem().with("detail", hint)
}

fn not_found() -> Problem {
    kind::NOT_FOUND.problem()
}

fn conflict(hint: &str) -> Problem {
    kind::CONFLICT.problem().with("detail", hint)
}

/// The same whichever rate it was, and whether the account exists or not.
fn rate_limited(wait: Duration) -> Problem {
    kind::RATE_LIMITED.problem().retry_after(wait)
}

/// RFC 9470, section 3.
fn step_up(max_age: Duration) -> Problem {
    let seconds = max_age.as_secs();
    kind::STEP_UP
        .problem()
        .challenge(format!(
            r#"Bearer error="insufficient_user_authentication", error_description="Log in again.", max_age="{seconds}""#
        ))
        .with("max_age", seconds)
}

fn overloaded() -> Problem {
    kind::OVERLOADED.problem().retry_after(COME_BACK)
}

fn internal() -> Problem {
    kind::INTERNAL.problem()
}

impl OAuthError {
    /// `application/json`, as RFC 6749, section 5.2, has it: `POST /revoke` and `POST /introspect`
    /// are called by programs that were written against those RFCs. Everything else about these
    /// calls (413, 415, 503 and so on) is a problem as everywhere.
    fn response(self) -> HttpResponse {
        let error_description = match self {
            Self::InvalidRequest => "Send `token` once, no parameter twice, and 32 at most.",
            Self::UnsupportedTokenType => {
                "An access token ends with its session; present the session token."
            }
        };
        HttpResponse::BadRequest().json(OAuthProblem {
            error: self,
            error_description,
        })
    }
}
