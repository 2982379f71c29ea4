//! From the log to the verifiers: cuts pages, signs them, and sends them out.
//!
//! ```text
//!  commit ──► Committed ─┐
//!  NOTIFY, poll ─────────┼─► Worker ─► Tail ─► signed pages ─┬─► live (SSE clients)
//!  every 500 ms ─────────┘     ▲                             └─► NATS ─► PubAck: `stored`
//!                              └── cuts read from the store
//! ```
//!
//! | file | what |
//! | --- | --- |
//! | this one | [`Relay`]: the side that use cases and HTTP handlers see |
//! | [`tail`] | the newest part of the log, held without a gap (pure) |
//! | [`worker`] | the loop |
//! | [`bus`] | NATS: acknowledgments, filling the stream again, other replicas' pages |
//! | [`seen`] | how far anyone's pages have reached |
//! | [`fleet`] | which verifiers are there |
//!
//! No replica leads: each cuts and publishes what it knows, and pages overlap harmlessly. A replica
//! that dies between its commit and its publication costs the others' next heartbeat.

pub(crate) mod bus;
pub(crate) mod fleet;
mod seen;
pub(crate) mod tail;
pub(crate) mod worker;

use crate::keys::Keys;
use crate::store::{self, Store};
use revocation_events::page::SignedPage;
use revocation_events::{KeyId, Page, Position, Revocation, UnixMillis};
use seen::Seen;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, watch};

/// How often a heartbeat goes out.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(500);

/// The most pages of one answer of `GET /revocations`.
pub(crate) const MAX_PAGES: usize = 64;

/// Groups of revocations that may wait for the worker. It reads the rest from the store.
const COMMITS: usize = 1024;

/// For so long a revoking call waits for the bus.
const PUBLISH_WAIT: Duration = Duration::from_secs(1);

/// No verifier takes a page that reaches further ahead of its clock.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Pages that a slow SSE client may be behind before it has to begin anew.
const LIVE_CAPACITY: usize = 256;

/// Revocations that were just committed by this process, in one transaction.
#[derive(Clone, Debug)]
pub(crate) struct Committed {
    /// The clock before the head was locked.
    pub(crate) at: UnixMillis,
    /// The head before.
    pub(crate) previous: Position,
    /// The head after.
    pub(crate) to: Position,
    /// In order.
    pub(crate) revoked: Vec<Revocation>,
}

/// A signed page on its way to those who follow over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct LivePage {
    pub(crate) from: Position,
    pub(crate) to: Position,
    /// `kid:from:to`, by which JetStream drops a copy.
    pub(crate) id: String,
    pub(crate) text: Arc<str>,
    /// What the text says of the revocations in between.
    pub(crate) revoked: Arc<[Revocation]>,
}

/// The newest statement that this replica can make: at `at`, nothing lay after `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Latest {
    pub(crate) at: UnixMillis,
    pub(crate) to: Position,
    pub(crate) floor: Position,
}

/// What the relay has done, for `/metrics` and `/readyz`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) pages: AtomicU64,
    pub(crate) heartbeats: AtomicU64,
    pub(crate) publish_failures: AtomicU64,
    pub(crate) cut_failures: AtomicU64,
    pub(crate) foreign_pages_refused: AtomicU64,
}

/// The side that use cases and HTTP handlers see. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Relay {
    shared: Arc<Shared>,
}

struct Shared {
    issuer: String,
    store: Arc<dyn Store>,
    keys: Arc<Keys>,
    commits: mpsc::Sender<Committed>,
    seen: Seen,
    /// The greatest `to` that was sent to SSE clients.
    sent: watch::Sender<Position>,
    /// The greatest `to` that the bus has acknowledged.
    stored: watch::Sender<Position>,
    latest: watch::Sender<Option<Latest>>,
    live: broadcast::Sender<LivePage>,
    has_bus: bool,
    bus_connected: AtomicBool,
    counters: Counters,
}

impl Relay {
    /// The handle, and the receiving end for the worker.
    pub(crate) fn new(
        issuer: String,
        store: Arc<dyn Store>,
        keys: Arc<Keys>,
        has_bus: bool,
    ) -> (Self, mpsc::Receiver<Committed>) {
        let (commits, committed) = mpsc::channel(COMMITS);
        let shared = Shared {
            issuer,
            store,
            keys,
            commits,
            seen: Seen::default(),
            sent: watch::Sender::new(Position::ZERO),
            stored: watch::Sender::new(Position::ZERO),
            latest: watch::Sender::new(None),
            live: broadcast::Sender::new(LIVE_CAPACITY),
            has_bus,
            bus_connected: AtomicBool::new(false),
            counters: Counters::default(),
        };
        (
            Self {
                shared: Arc::new(shared),
            },
            committed,
        )
    }

    /// Tells the worker what was committed; it publishes at once.
    pub(crate) fn committed(&self, committed: Committed) {
        self.note_seen(committed.to);
        // Without a worker the process is ending, and another replica or the next start publishes.
        // One that is that far behind finds a gap after what it has, and reads it from the store.
        let _ending_or_full = self.shared.commits.try_send(committed);
    }

    /// Waits, a second at most, until everything up to `position` is published: acknowledged by the
    /// bus, or sent to SSE clients where there is no bus.
    pub(crate) async fn published(&self, position: Position) -> bool {
        if self.shared.commits.is_closed() {
            // A command without a worker: the replicas publish it.
            return false;
        }
        let done = if self.shared.has_bus {
            &self.shared.stored
        } else {
            &self.shared.sent
        };
        let mut done = done.subscribe();
        let reached = done.wait_for(|to| *to >= position);
        tokio::time::timeout(PUBLISH_WAIT, reached)
            .await
            .is_ok_and(|reached| reached.is_ok())
    }

    /// The greatest position that this process has seen committed, in the log or in anyone's page.
    pub(crate) fn seen(&self) -> Position {
        // Whoever has heard no page may have no keys: a command.
        let counts = |kid: &KeyId| self.shared.keys.ring().access_key(kid).is_some();
        self.shared.seen.greatest(counts)
    }

    fn note_stored(&self, to: Position) {
        self.shared.stored.send_if_modified(|stored| {
            to > *stored && {
                *stored = to;
                true
            }
        });
    }

    fn note_seen(&self, to: Position) {
        self.shared.seen.note_own(to);
    }

    /// A page that a replica signed, which is noted as seen.
    fn read(&self, text: &str, now: UnixMillis) -> Option<SignedPage> {
        let ring = self.shared.keys.ring();
        let signed = Page::verify(text, &self.shared.issuer, |kid| ring.access_key(kid)).ok()?;
        // As a verifier does: with a stolen key one page could otherwise end the order of positions.
        if signed.page.to.get() > now.plus(DAY).get().saturating_mul(1_000) {
            return None;
        }
        self.shared.seen.note(&signed.kid, signed.page.to);
        Some(signed)
    }

    /// The newest statement; waits for the first one after a start.
    pub(crate) async fn latest(&self) -> Option<Latest> {
        let mut latest = self.shared.latest.subscribe();
        let first = latest.wait_for(Option::is_some);
        let first = tokio::time::timeout(PUBLISH_WAIT, first).await.ok()?;
        first.ok().and_then(|latest| *latest)
    }

    pub(crate) fn latest_now(&self) -> Option<Latest> {
        *self.shared.latest.borrow()
    }

    /// Pages as they go out, heartbeats included.
    pub(crate) fn live(&self) -> broadcast::Receiver<LivePage> {
        self.shared.live.subscribe()
    }

    pub(crate) fn has_bus(&self) -> bool {
        self.shared.has_bus
    }

    pub(crate) fn bus_connected(&self) -> bool {
        self.shared.bus_connected.load(Ordering::Relaxed)
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// At most `most` pages from `after` up to `latest`; from the floor where `after` is
    /// absent or below it; a heartbeat where it is above. Writes nothing.
    pub(crate) async fn pages_after(
        &self,
        after: Option<Position>,
        latest: Latest,
        most: usize,
    ) -> store::Result<Vec<LivePage>> {
        let Latest { at, to, mut floor } = latest;
        let mut from = after
            .filter(|after| *after >= floor)
            .unwrap_or(floor)
            .min(to);
        // One more than is answered, so that the last page knows that it has `more`.
        let limit = u32::try_from(most * revocation_events::page::MAX_REVOCATIONS + 1)
            .unwrap_or_else(|_| unreachable!("64,001 at most"));
        // `latest` may be older than the last prune: of what lies below that mark nothing is said.
        let seen = self.seen().max(to);
        let revoked = loop {
            let read = self.shared.store.revocations(from, to, limit).await?;
            // Not the database that was cut: it must not say that nothing lies before its own end. Or it
            // is, and has lost what was published.
            if read.head < seen {
                return Err(store::Error::Behind);
            }
            let mark = read.pruned.min(to);
            if mark <= from {
                break read.revoked;
            }
            from = mark;
            floor = floor.max(mark);
        };
        let mut pages = Page::cut(&self.shared.issuer, at, (from, to), floor, &revoked);
        pages.truncate(most);
        Ok(pages.into_iter().map(|page| self.sign(page)).collect())
    }

    /// Reads the keys again: the revocation of a key must not be signed with that key.
    async fn reload_keys(&self) {
        let reading = self.shared.keys.reading().await;
        let reloaded = match self.shared.store.keys().await {
            Ok(rows) => reading.put_to_use(&rows).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = reloaded {
            tracing::error!(error, "the keys could not be read again");
        }
    }

    fn sign(&self, page: Page) -> LivePage {
        let ring = self.shared.keys.ring();
        let kid = &ring.access.kid;
        let page = Page {
            revoked_keys: ring.revoked_lately(page.at),
            ..page
        };
        let text = ring.access.page(&page).into();
        LivePage {
            from: page.from,
            to: page.to,
            id: page.message_id(kid),
            text,
            revoked: page.revoked.as_slice().into(),
        }
    }
}
