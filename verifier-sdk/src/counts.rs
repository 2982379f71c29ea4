//! What a verifier has counted since its start.

use crate::error::Error;
use revocation_events::status::Counts;
use std::sync::atomic::{AtomicU64, Ordering};
use thread_local::ThreadLocal;

#[derive(Debug, Default)]
pub(crate) struct Counters {
    verdicts: ThreadLocal<Verdicts>,
    pages: AtomicU64,
    pages_refused: AtomicU64,
}

/// Those of one thread, with no other's on the same line of memory. One that has ended leaves them to
/// the next that begins.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Verdicts {
    accepted: AtomicU64,
    refused: AtomicU64,
    unavailable: AtomicU64,
}

impl Counters {
    pub(crate) fn verdict<T>(&self, verdict: &Result<T, Error>) {
        let verdicts = self.verdicts.get_or_default();
        let counter = match verdict {
            Ok(_) => &verdicts.accepted,
            Err(Error::Stale { .. } | Error::Starting { .. }) => &verdicts.unavailable,
            Err(_) => &verdicts.refused,
        };
        // Nobody else writes to it.
        let count = counter.load(Ordering::Relaxed);
        counter.store(count + 1, Ordering::Relaxed);
    }

    pub(crate) fn page_taken(&self) {
        self.pages.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn page_refused(&self) {
        self.pages_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counts {
        let sum = |counter: fn(&Verdicts) -> &AtomicU64| {
            let counts = self.verdicts.iter().map(counter);
            counts.map(|count| count.load(Ordering::Relaxed)).sum()
        };
        Counts {
            accepted: sum(|verdicts| &verdicts.accepted),
            refused: sum(|verdicts| &verdicts.refused),
            unavailable: sum(|verdicts| &verdicts.unavailable),
            pages: self.pages.load(Ordering::Relaxed),
            pages_refused: self.pages_refused.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Reason;

    #[test]
    fn no_verdict_of_any_thread_is_lost() {
        let counters = Counters::default();
        for _ in 0..3 {
            std::thread::scope(|threads| {
                for _ in 0..4 {
                    threads.spawn(|| {
                        for _ in 0..1_000 {
                            counters.verdict(&Ok(()));
                        }
                        counters.verdict::<()>(&Err(Error::Invalid(Reason::Expired)));
                    });
                }
            });
        }
        let counts = counters.read();
        assert_eq!((counts.accepted, counts.refused), (12_000, 12));
        assert_eq!(counts.unavailable, 0);
    }
}
