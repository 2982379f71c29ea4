//! What a verifier reports about itself, over NATS or by `POST /revocations/status`.

use crate::position::Position;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often a verifier reports.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// [`crate::subject::is_token`] as a regular expression.
#[cfg(feature = "schema")]
const NAME: &str = "^[A-Za-z0-9_-]{1,64}$";

/// What a version may be made of.
#[cfg(feature = "schema")]
const VERSION: &str = "^[!-~]{1,32}$";

#[cfg(feature = "schema")]
fn example() -> serde_json::Value {
    serde_json::json!({
        "service": "orders",
        "instance": "5kq8kQ0m7g3w",
        "version": "0.1.0",
        "head": 1_764_000_000_100_000_u64,
        "fresh": true,
        "age_ms": 180,
        "max_staleness_ms": 10_000,
        "counts": {
            "accepted": 5_121,
            "refused": 17,
            "unavailable": 0,
            "pages": 940,
            "pages_refused": 0,
        },
    })
}

/// One report of one verifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(example = example()))]
pub struct Status {
    /// The service that it sits in.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = NAME)))]
    pub service: String,
    /// Drawn at random at each start.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = NAME)))]
    pub instance: String,
    /// The SDK's version.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = VERSION)))]
    pub version: String,
    /// The end of what it knows; absent before its first page.
    pub head: Option<Position>,
    /// Whether it calls itself fresh.
    pub fresh: bool,
    /// The age of its newest proof in milliseconds; absent without one.
    #[cfg_attr(feature = "schema", schemars(range(max = u64::MAX)))]
    pub age_ms: Option<u64>,
    /// Its `max_staleness` in milliseconds.
    #[cfg_attr(feature = "schema", schemars(range(max = u64::MAX)))]
    pub max_staleness_ms: u64,
    /// What it has counted since its start.
    pub counts: Counts,
    /// Its last word: it is shutting down in good order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub goodbye: bool,
}

/// What a verifier has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Counts {
    /// Tokens accepted.
    #[cfg_attr(feature = "schema", schemars(range(max = u64::MAX)))]
    pub accepted: u64,
    /// Tokens refused: malformed, expired, revoked.
    #[cfg_attr(feature = "schema", schemars(range(max = u64::MAX)))]
    pub refused: u64,
    /// Tokens answered with "stale" or "starting".
    #[cfg_attr(feature = "schema", schemars(range(max = u64::MAX)))]
    pub unavailable: u64,
    /// Pages taken.
    #[cfg_attr(feature = "schema", schemars(range(max = u64::MAX)))]
    pub pages: u64,
    /// Pages refused: wrong signature, issuer or positions.
    #[cfg_attr(feature = "schema", schemars(range(max = u64::MAX)))]
    pub pages_refused: u64,
}

impl Status {
    /// For how long the report stands without a new one: three intervals, or an interval more than
    /// `max_staleness` where that is longer.
    ///
    /// A verifier whose reports do not arrive any more may have a proof that is younger than its
    /// last report by as much as lies between two, and goes by it for `max_staleness`.
    #[must_use]
    pub fn stands_for(&self) -> Duration {
        let max_staleness = Duration::from_millis(self.max_staleness_ms);
        (3 * INTERVAL).max(max_staleness.saturating_add(INTERVAL))
    }

    /// Whether the report keeps to its bounds: names that can stand in a subject and in a log line.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        crate::subject::is_token(&self.service)
            && crate::subject::is_token(&self.instance)
            && (1..=32).contains(&self.version.len())
            && self.version.bytes().all(|b| b.is_ascii_graphic())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It hears a page just before its next report is due, and then nothing more comes through.
    #[test]
    fn a_report_stands_for_as_long_as_its_verifier_may_believe_itself_fresh() {
        let max_staleness = Duration::from_secs(10);
        let status = Status {
            service: "orders".to_owned(),
            instance: "i1".to_owned(),
            version: "1".to_owned(),
            head: None,
            fresh: true,
            age_ms: None,
            max_staleness_ms: 10_000,
            counts: Counts::default(),
            goodbye: false,
        };
        assert!(status.stands_for() >= INTERVAL + max_staleness);
    }
}
