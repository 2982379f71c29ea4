//! From the log to other programs: every event goes to a stream of NATS, in the order of its own
//! stream of the log, at least once.
//!
//! ```text
//!  append ─► event_outbox ─► Worker ─► NATS: SESSIONS_EVENTS ─► acknowledged ─► out of the outbox
//!                 ▲             │
//!                 └── refill ◄──┘  the stream is another one, or has lost events
//! ```
//!
//! | file | what |
//! | --- | --- |
//! | this one | [`Events`]: what `/metrics` and `/readyz` are told |
//! | [`worker`] | the loop: lease, look, refill, publish |
//! | [`batch`] | one batch, published: many streams at once, each in its order |
//! | [`loss`] | whether the stream still holds what it acknowledged (pure) |
//! | [`shape`] | an event of the log as other programs see it (pure) |
//! | [`sink`] | NATS, as the worker sees it |
//!
//! The database is the truth and the stream a cache of it: events wait in the database for as long as
//! NATS is away or refuses them, and no longer than the stream would keep them.

pub(crate) mod batch;
pub(crate) mod loss;
pub(crate) mod shape;
pub(crate) mod sink;
#[cfg(test)]
mod tests;
pub(crate) mod worker;

use crate::store::OutboxSize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Events that wait for longer are late.
const LATE: Duration = Duration::from_secs(10);

/// What is known of the publishing of events. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    published: AtomicU64,
    failures: AtomicU64,
    refills: AtomicU64,
    /// Nothing where nobody publishes, for want of a bus.
    outbox: Mutex<Option<OutboxSize>>,
}

/// In a word, for `/readyz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is no bus to publish on.
    None,
    Ok,
    /// Some have waited for more than ten seconds.
    Late,
}

impl Events {
    pub(crate) fn published(&self) -> u64 {
        self.0.published.load(Ordering::Relaxed)
    }

    pub(crate) fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    pub(crate) fn refills(&self) -> u64 {
        self.0.refills.load(Ordering::Relaxed)
    }

    /// What waited when it was last looked at, by whichever replica it is to be published; nothing
    /// without a bus.
    pub(crate) fn outbox(&self) -> Option<OutboxSize> {
        *self.0.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn progress(&self) -> Progress {
        match self.outbox() {
            None => Progress::None,
            Some(outbox) if outbox.oldest > LATE => Progress::Late,
            Some(_) => Progress::Ok,
        }
    }

    fn note_outbox(&self, size: OutboxSize) {
        let mut outbox = self.0.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        *outbox = Some(size);
    }

    fn note_published(&self, count: u64) {
        self.0.published.fetch_add(count, Ordering::Relaxed);
    }

    fn note_failures(&self, count: u64) {
        self.0.failures.fetch_add(count, Ordering::Relaxed);
    }

    fn note_refill(&self) {
        self.0.refills.fetch_add(1, Ordering::Relaxed);
    }
}
