//! Which verifiers are there, by their own reports.
//!
//! Reports come over NATS to every replica, or by HTTP to one, which stores them for the others.

mod newest;
#[cfg(test)]
mod tests;

pub(crate) use newest::Verifier;

use crate::store::{self, Store};
use newest::{ANYONE, MAX_STANDING};
use revocation_events::Position;
use revocation_events::status::Status;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Reports that are remembered. A verifier more is not shown; none is refused for it.
const MAX_VERIFIERS: usize = 20_000;

/// Instances of one client that report over HTTP and are remembered, in two hours: for all those
/// together that report without a credential, and for a credential. One more is not shown either.
const MAX_UNKNOWN: u32 = 100;
const MAX_INSTANCES: u32 = 10_000;

/// How often a fence looks for reports that came by HTTP to another replica, and whether somebody
/// fell silent.
const LOOK: Duration = Duration::from_millis(50);

/// All verifiers heard of. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Fleet {
    store: Arc<dyn Store>,
    /// Those who report over NATS; goodbyes too, which older reports that came by HTTP must not
    /// outlive.
    heard: Arc<Mutex<Heard>>,
    /// Changes with every report that comes to this replica.
    reports: Arc<watch::Sender<()>>,
    /// What came over NATS in the place of a report.
    nonsense: Arc<AtomicU64>,
}

/// By client and instance.
type Heard = HashMap<(String, String), Arc<Verifier>>;

/// Who has applied a revocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Live verifiers: those that were heard of.
    pub(crate) live: usize,
    /// The live ones whose view does not reach to the position yet.
    pub(crate) missing: Vec<Arc<Verifier>>,
}

impl Fleet {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            heard: Arc::default(),
            reports: Arc::new(watch::Sender::new(())),
            nonsense: Arc::default(),
        }
    }

    /// A report came over NATS.
    pub(crate) fn heard(&self, client: String, status: Status, now: Instant) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (client, status.instance.clone());
        if heard.len() >= MAX_VERIFIERS {
            heard.retain(|_, verifier| verifier.stands(now));
        }
        if heard.len() < MAX_VERIFIERS || heard.contains_key(&key) {
            let client = key.0.clone();
            let verifier = Verifier {
                client,
                status,
                seen: now,
            };
            heard.insert(key, Arc::new(verifier));
        }
        drop(heard);
        self.reports.send_replace(());
    }

    /// What came over NATS was no report.
    pub(crate) fn heard_nonsense(&self) {
        self.nonsense.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was so.
    pub(crate) fn nonsense(&self) -> u64 {
        self.nonsense.load(Ordering::Relaxed)
    }

    /// A report came by HTTP, from a client or, where the feed is open, from anyone.
    pub(crate) async fn posted(&self, client: Option<&str>, status: &Status) -> store::Result<()> {
        let (client, at_most) = match client {
            Some(client) => (client, MAX_INSTANCES),
            None => (ANYONE, MAX_UNKNOWN),
        };
        let report = serde_json::to_value(status)
            .unwrap_or_else(|_| unreachable!("a status is made of strings and integers"));
        self.store
            .put_status(client, &status.instance, &report, at_most)
            .await?;
        self.reports.send_replace(());
        Ok(())
    }

    /// Waits until every live verifier has applied everything up to `position`, but not past `end`.
    pub(crate) async fn fence(&self, position: Position, end: Instant) -> store::Result<Applied> {
        let mut reports = self.reports.subscribe();
        loop {
            reports.mark_unchanged();
            let live = self.live().await?;
            let applied = Applied {
                live: live.len(),
                missing: live
                    .into_iter()
                    .filter(|verifier| verifier.status.head < Some(position))
                    .collect(),
            };
            if applied.missing.is_empty() || Instant::now() >= end {
                return Ok(applied);
            }
            let look = end.min(Instant::now() + LOOK);
            let _nothing_new = timeout_at(look, reports.changed()).await;
        }
    }

    /// The live verifiers, by service and instance.
    pub(crate) async fn live(&self) -> store::Result<Vec<Arc<Verifier>>> {
        let stored = self.read().await?;
        let now = Instant::now();
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut live = newest::live(heard.values().chain(&stored), now);
        drop(heard);
        live.sort_by(by_name);
        Ok(live)
    }

    async fn read(&self) -> store::Result<Vec<Arc<Verifier>>> {
        let rows = self.store.statuses(MAX_STANDING).await?;
        // Not before: a slow answer must not make a verifier look more silent than it is.
        let answered = Instant::now();
        let reports = rows.into_iter().filter_map(|row| {
            // A report of a newer version that does not read is one verifier less to show.
            let status = serde_json::from_value(row.report).ok()?;
            Some(Arc::new(Verifier {
                client: row.client,
                status,
                seen: answered.checked_sub(row.age).unwrap_or(answered),
            }))
        });
        Ok(reports.collect())
    }
}

fn by_name(a: &Arc<Verifier>, b: &Arc<Verifier>) -> std::cmp::Ordering {
    let (a, b) = (&a.status, &b.status);
    (&a.service, &a.instance).cmp(&(&b.service, &b.instance))
}
