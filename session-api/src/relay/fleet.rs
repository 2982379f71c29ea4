//! Which verifiers are there, by their own reports.
//!
//! Reports come over NATS to every replica, or by HTTP to one, which stores them for the others.

use crate::store::{self, Store};
use revocation_events::status::Status;
use revocation_events::{Position, UnixMillis};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Reports that are remembered. A verifier more is not shown; none is refused for it.
const MAX_VERIFIERS: usize = 20_000;

/// The name of those who follow an open feed without one.
const ANYONE: &str = "anyone";

/// Instances of one client that report over HTTP and are remembered, in two hours: for all those
/// together that report without a credential, and for a credential. One more is not shown either.
const MAX_UNKNOWN: u32 = 100;
const MAX_INSTANCES: u32 = 10_000;

/// The longest `max_staleness` that counts for how long a report stands.
const MAX_STANDING: Duration = Duration::from_secs(3600);

/// How often a fence looks for reports that came by HTTP to another replica, and whether somebody
/// fell silent.
const LOOK: Duration = Duration::from_millis(50);

/// A live verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verifier {
    /// The credential that it reported with.
    pub(crate) client: String,
    pub(crate) status: Status,
    pub(crate) seen_at: UnixMillis,
}

/// All verifiers heard of. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Fleet {
    store: Arc<dyn Store>,
    /// Those who report over NATS, by client and instance.
    heard: Arc<Mutex<HashMap<(String, String), Verifier>>>,
    /// Changes with every report that comes to this replica.
    reports: Arc<watch::Sender<()>>,
    /// What came over NATS in the place of a report.
    nonsense: Arc<AtomicU64>,
}

/// Who has applied a revocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Live verifiers: those that were heard of.
    pub(crate) live: usize,
    /// The live ones whose view does not reach to the position yet.
    pub(crate) missing: Vec<Verifier>,
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
    pub(crate) fn heard(&self, client: String, status: Status, now: UnixMillis) {
        self.remember(client, status, now);
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

    fn remember(&self, client: String, status: Status, now: UnixMillis) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (client, status.instance.clone());
        if status.goodbye {
            heard.remove(&key);
            return;
        }
        if heard.len() >= MAX_VERIFIERS {
            heard.retain(|_, verifier| stands(&verifier.status, verifier.seen_at, now));
        }
        if heard.len() < MAX_VERIFIERS || heard.contains_key(&key) {
            heard.insert(
                key.clone(),
                Verifier {
                    client: key.0,
                    status,
                    seen_at: now,
                },
            );
        }
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
            let live = self.live(crate::clock::now()).await?;
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
    pub(crate) async fn live(&self, now: UnixMillis) -> store::Result<Vec<Verifier>> {
        let mut live: Vec<Verifier> = {
            let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard
                .values()
                .filter(|v| stands(&v.status, v.seen_at, now))
                .cloned()
                .collect()
        };
        for row in self.store.statuses(MAX_STANDING).await? {
            // A report of a newer version that does not read is one verifier less to show.
            let Ok(status) = serde_json::from_value::<Status>(row.report) else {
                continue;
            };
            if !status.goodbye && stands(&status, row.seen_at, now) {
                live.push(Verifier {
                    client: row.client,
                    status,
                    seen_at: row.seen_at,
                });
            }
        }
        live.sort_by(|a, b| {
            let key = |v: &Verifier| (v.status.service.clone(), v.status.instance.clone());
            key(a).cmp(&key(b))
        });
        live.dedup_by(|a, b| a.client == b.client && a.status.instance == b.status.instance);
        Ok(live)
    }
}

fn stands(status: &Status, seen_at: UnixMillis, now: UnixMillis) -> bool {
    now.since(seen_at) <= status.stands_for().min(MAX_STANDING)
}
