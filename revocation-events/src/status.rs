//! What a verifier reports about itself, over NATS or by `POST /revocations/status`.

use crate::position::Position;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How often a verifier reports.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// One report of one verifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The service that it sits in.
    pub service: String,
    /// Drawn at random at each start.
    pub instance: String,
    /// The SDK's version.
    pub version: String,
    /// The end of what it knows; absent before its first page.
    pub head: Option<Position>,
    /// Whether it calls itself fresh.
    pub fresh: bool,
    /// The age of its newest proof in milliseconds; absent without one.
    pub age_ms: Option<u64>,
    /// Its `max_staleness` in milliseconds.
    pub max_staleness_ms: u64,
    /// What it has counted since its start.
    pub counts: Counts,
    /// Its last word: it is shutting down in good order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub goodbye: bool,
}

/// What a verifier has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Tokens accepted.
    pub accepted: u64,
    /// Tokens refused: malformed, expired, revoked.
    pub refused: u64,
    /// Tokens answered with "stale" or "starting".
    pub unavailable: u64,
    /// Pages taken.
    pub pages: u64,
    /// Pages refused: wrong signature, issuer or positions.
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
