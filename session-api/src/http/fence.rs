//! `Prefer: wait` (RFC 7240, section 4.3) on calls that revoke: the answer waits for the verifiers.
//!
//! It speaks of the verifiers that this service has heard of, and says how many those are. Where it
//! has not listened for long enough to have heard of all, it never says that all have applied.

use super::call::Call;
use super::handler::Header;
use super::parameter::Parameter;
use super::times::{Time, wall_time};
use crate::relay::fleet::{Applied, Verifier};
use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use revocation_events::Position;
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;
use verifier_sdk::request::Headers as _;

/// The longest wait. A longer one is shortened, and the answer says so.
const MAX_WAIT: Duration = Duration::from_secs(30);

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

pub(super) const PREFER: Parameter<String> = Parameter::new(
    "Prefer",
    "`wait=<seconds>`, 30 at most (RFC 7240): the answer comes when every live verifier has \
     applied the revocation, or after that time, and says in `verifiers` which have not. Without \
     `verifiers` it is not known, as in the first seconds of a service.",
);

pub(super) static APPLIED: Header = Header {
    name: "Preference-Applied",
    about: "The wait that was granted, where the caller prefers one: less than asked for above \
            30 s, and 0 where too many wait already.",
    always: false,
};

/// The state of the fleet, as of the answer.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Fence")]
pub(super) struct Verifiers {
    /// How many verifiers this service has heard of lately.
    live: usize,
    /// How many of them have applied the revocation.
    applied: usize,
    /// Those that have not, as far as is known.
    missing: Vec<Missing>,
}

/// A live verifier that has not applied the revocation, as far as it was heard.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MissingVerifier")]
struct Missing {
    /// The service that it sits in.
    service: String,
    /// When its newest report came.
    last_seen_at: Time,
    /// Which one it is: for callers with the role `admin` alone.
    #[serde(flatten)]
    which: Option<Which>,
}

/// What tells a verifier from the others. Where the feed is open, whoever knows an instance could
/// report in its place.
#[derive(Serialize, JsonSchema)]
struct Which {
    /// The credential that it reports with.
    client: String,
    /// Drawn at random at each start.
    instance: String,
    /// The end of what it knows; null before its first page.
    head: Option<Position>,
}

impl Missing {
    fn of(verifier: &Verifier, to: Told) -> Self {
        let status = &verifier.status;
        let which = || Which {
            client: verifier.client.clone(),
            instance: status.instance.clone(),
            head: status.head,
        };
        Self {
            service: status.service.clone(),
            last_seen_at: wall_time(verifier.seen),
            which: (to == Told::Operator).then(which),
        }
    }
}

/// Who is told of verifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// An operator, who sees the fleet anyway.
    Operator,
    /// Anybody else.
    Other,
}

impl Verifiers {
    /// None where it would look as if all had applied it, though somebody may be there who was not
    /// heard.
    fn of(applied: &Applied, to: Told) -> Option<Self> {
        let Applied {
            live,
            missing,
            whole,
        } = applied;
        (*whole || !missing.is_empty()).then(|| Self {
            live: *live,
            applied: live - missing.len(),
            missing: missing.iter().map(|v| Missing::of(v, to)).collect(),
        })
    }
}

/// The wait that the caller prefers. What is not understood is ignored, as the RFC has it.
fn preferred_wait(call: &Call) -> Option<Duration> {
    let wait = call
        .all("prefer")
        .filter_map(|line| std::str::from_utf8(line).ok())
        .flat_map(|line| line.split(','))
        .find_map(wait_of)?;
    Some(wait.min(MAX_WAIT))
}

/// The seconds of one preference, if it is `wait`.
fn wait_of(preference: &str) -> Option<Duration> {
    let (name, value) = preference.split(';').next()?.split_once('=')?;
    let value = value.trim();
    let value = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value);
    let is_wait = name.trim().eq_ignore_ascii_case("wait");
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than a number has: as long as possible.
    (is_wait && digits).then(|| Duration::from_secs(value.parse().unwrap_or(u64::MAX)))
}

/// Waits for the verifiers where the caller prefers that; for how long at most, and what came of it.
///
/// The revocation stands whatever happens here: where the fleet cannot be looked up the answer says
/// nothing of it, nor where nobody is known to be missing but not all are known. A service that stops
/// waits no longer. Where too many wait already this one does not, and the preference that it applied
/// was `wait=0`.
pub(super) async fn wait(
    call: &Call,
    position: Position,
    to: Told,
) -> Option<(Duration, Option<Verifiers>)> {
    let fleet = &call.state.app.fleet;
    let preferred = preferred_wait(call)?;
    let place = fleet.place();
    let wait = place.as_ref().map_or(Duration::ZERO, |_| preferred);
    let applied = tokio::select! {
        applied = fleet.fence(position, Instant::now() + wait) => applied,
        () = call.state.stopping.cancelled() => fleet.fence(position, Instant::now()).await,
    };
    match applied {
        Ok(applied) => Some((wait, Verifiers::of(&applied, to))),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "it is not known which verifiers have applied a revocation"
            );
            None
        }
    }
}

/// Says which preference was honoured, where one was.
pub(super) fn mark_applied(response: &mut HttpResponse, wait: Option<Duration>) {
    let Some(wait) = wait else { return };
    let value = HeaderValue::from_str(&format!("wait={}", wait.as_secs()))
        .unwrap_or_else(|_| unreachable!("a word and digits"));
    response.headers_mut().insert(PREFERENCE_APPLIED, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_found_among_preferences() {
        for (preference, expected) in [
            ("wait=5", Some(5)),
            (" Wait = 5 ", Some(5)),
            ("wait=\"5\"", Some(5)),
            ("wait=5; foo=bar", Some(5)),
            ("wait=0", Some(0)),
            ("wait=99999999999999999999999", Some(u64::MAX)),
            ("wait", None),
            ("wait=", None),
            ("wait=-1", None),
            ("wait=1.5", None),
            ("wait=\"5", None),
            ("waiting=5", None),
            ("respond-async", None),
            ("", None),
        ] {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(wait_of(preference), expected, "{preference:?}");
        }
    }
}
