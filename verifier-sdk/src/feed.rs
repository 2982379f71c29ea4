//! Following the issuer's feed.
//!
//! ```text
//!  http: the stream ─┐                            ┌─► cut-offs, then floor and proof (published)
//!                    ├─► pages ─► run ─► follower ┤
//!  nats: live pages, ┘            │  ▲            └─► waiters, progress
//!        catch-up                 ▼  │ key sets
//!              ▲                 key_reads ─► GET /.well-known/jwks.json
//!              └─ "catch up" ────┘
//! ```
//!
//! | module | what is in it |
//! | --- | --- |
//! | `follower` | one page or key set: the view's state machine, and what it shows to others |
//! | `key_reads` | when the key set is read |
//! | `run` | the loop: pages and key sets in, requests to catch up out |
//! | `http`, `sse` | the feed over HTTP |
//! | `nats` | the feed over NATS, with HTTP standing in for it |
//! | `ways` | which way pages come, and when HTTP stands in (pure) |
//!
//! A transport is a task that sends the texts of pages. It follows live pages and fetches missed
//! ones when it connects and whenever it is asked to; what a page means is none of its business.

pub(crate) mod follower;
pub(crate) mod http;
pub(crate) mod key_reads;
pub(crate) mod nats;
pub(crate) mod run;
pub(crate) mod sse;
pub(crate) mod ways;

use crate::clock::Clock;
use crate::shared::Shared;
use crate::trouble::Trouble;
use revocation_events::Position;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use ways::{Way, Ways};

/// Pages that wait to be taken. A transport that is quicker waits. A full one has 100 KB.
pub(crate) const PAGES_WAITING: usize = 64;

/// How far the feed has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The end of what is known.
    pub(crate) head: Option<Position>,
    /// Whether a proof was ever shown.
    pub(crate) proven: bool,
    /// Whether nothing is missing: pages without a gap, and the key sets that were wanted.
    pub(crate) complete: bool,
    /// How often it became fresh again after it had been stale.
    pub(crate) returns: u64,
}

/// What a transport is given.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) pages: mpsc::Sender<(Way, String)>,
    pub(crate) ways: Arc<Ways>,
    /// Notified when pages are missing.
    pub(crate) catch_up: Arc<Notify>,
    pub(crate) progress: watch::Receiver<Progress>,
    pub(crate) trouble: Arc<Trouble>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Clock,
}

impl Link {
    /// For how long a transport may be silent before it counts as dead: three seconds, six
    /// heartbeats; less where the verifier would be stale by then, but never less than two
    /// heartbeats, or each late one would cost a connection.
    pub(crate) fn patience(&self) -> Duration {
        let half = self.shared.max_staleness / 2;
        half.clamp(Duration::from_secs(1), Duration::from_secs(3))
    }

    /// How old the newest proof is, whichever transport it came by.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.shared.freshness(self.clock.now()).age()
    }

    /// Ask for the pages after this one.
    pub(crate) fn head(&self) -> Option<Position> {
        self.progress.borrow().head
    }
}
