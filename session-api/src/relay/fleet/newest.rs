//! Each verifier by its newest report, whichever way that came. Pure.

use revocation_events::status::Status;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The name of those who follow an open feed without one.
pub(super) const ANYONE: &str = "anyone";

/// The longest `max_staleness` that counts for how long a report stands.
pub(super) const MAX_STANDING: Duration = Duration::from_secs(3600);

/// A verifier, by a report of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verifier {
    /// The credential that it reported with.
    pub(crate) client: String,
    pub(crate) status: Status,
    /// When the report came, by this machine's monotonic clock: wall clocks differ, and jump.
    pub(crate) seen: Instant,
}

impl Verifier {
    /// For how long its report counts.
    pub(super) fn stands_for(&self) -> Duration {
        self.status.stands_for().min(MAX_STANDING)
    }

    /// Whether nothing that `other` says of the same instance counts any more.
    ///
    /// No credential speaks for another's verifier, and nobody without one for anybody's who has one:
    /// whoever revokes is told instances. But without one a verifier has two names, over NATS that of
    /// its service and over HTTP none, so what comes over NATS ends what came before it by HTTP.
    fn supersedes(&self, other: &Self) -> bool {
        let may = self.client == other.client || other.client == ANYONE;
        may && self.seen > other.seen
    }
}

/// Those that live, of reports that stand: of each the newest, unless that is a goodbye.
///
/// The newest and not the one with the greatest head: a verifier forgets its head when a key is
/// revoked.
pub(super) fn live<'a>(reports: impl Iterator<Item = &'a Arc<Verifier>>) -> Vec<Arc<Verifier>> {
    let mut newest: HashMap<&str, Vec<&Arc<Verifier>>> = HashMap::new();
    for report in reports {
        let of_instance = newest.entry(&report.status.instance).or_default();
        if !of_instance.iter().any(|other| other.supersedes(report)) {
            of_instance.retain(|other| !report.supersedes(other));
            of_instance.push(report);
        }
    }
    let live = newest.into_values().flatten();
    live.filter(|verifier| !verifier.status.goodbye)
        .cloned()
        .collect()
}
