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
    /// For how long the report stands without a new one: three intervals, or `max_staleness` where
    /// that is longer.
    #[must_use]
    pub fn stands_for(&self) -> Duration {
        (3 * INTERVAL).max(Duration::from_millis(self.max_staleness_ms))
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
