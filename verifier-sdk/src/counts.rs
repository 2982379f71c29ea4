//! What a verifier has counted since its start.

use crate::error::Error;
use revocation_events::status::Counts;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(crate) struct Counters {
    accepted: AtomicU64,
    refused: AtomicU64,
    unavailable: AtomicU64,
    pages: AtomicU64,
    pages_refused: AtomicU64,
}

impl Counters {
    pub(crate) fn verdict<T>(&self, verdict: &Result<T, Error>) {
        let counter = match verdict {
            Ok(_) => &self.accepted,
            Err(Error::Stale { .. } | Error::Starting { .. }) => &self.unavailable,
            Err(_) => &self.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn page_taken(&self) {
        self.pages.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn page_refused(&self) {
        self.pages_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            accepted: read(&self.accepted),
            refused: read(&self.refused),
            unavailable: read(&self.unavailable),
            pages: read(&self.pages),
            pages_refused: read(&self.pages_refused),
        }
    }
}
