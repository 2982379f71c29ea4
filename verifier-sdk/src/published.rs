//! What the feed shows to the threads that verify: the proof and the floor. Atomics only.
//!
//! The order is the point (`revocation_events::view` names the two promises behind it):
//!
//! | the feed | a verifying thread |
//! | --- | --- |
//! | 1. inserts cut-offs | 1. loads the epoch, then the proof |
//! | 2. shows the floor, then the proof | 2. looks up the cut-offs |
//! | 3. drops cut-offs at or below the floor | 3. loads the floor |
//! | to forget: withdraws the proof, starts an epoch, then lowers the floor | 4. reads the clocks, then the epoch again |
//!
//! Without the epoch a thread that was held up between 2 and 3 could miss a cut-off that was
//! dropped under one floor and then read a lower one.

use revocation_events::view::{Freshness, MAX_AHEAD, Proof};
use revocation_events::{Now, Position, UnixMillis};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const NO_PROOF: u64 = 0;

#[derive(Debug, Default)]
pub(crate) struct Published {
    /// Milliseconds since 1970.
    proof_at: AtomicU64,
    /// Nanoseconds of the monotonic clock.
    first_came: AtomicU64,
    floor: AtomicU64,
    epoch: AtomicU64,
    started: AtomicBool,
    closed: AtomicBool,
}

/// What a verifying thread saw before it looked anything up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    epoch: u64,
    /// Milliseconds since 1970.
    proof_at: u64,
    /// Nanoseconds of the monotonic clock.
    first_came: u64,
}

impl Seen {
    fn proof(self) -> Option<Proof> {
        let proof = Proof {
            at: UnixMillis::new(self.proof_at),
            first_came: Duration::from_nanos(self.first_came),
        };
        (self.proof_at != NO_PROOF).then_some(proof)
    }
}

impl Published {
    /// To be called before anything is looked up.
    pub(crate) fn see(&self) -> Seen {
        let epoch = self.epoch.load(Ordering::Acquire);
        let proof_at = self.proof_at.load(Ordering::Acquire);
        // Another proof may be shown between these two loads. Its arrival with the older `at` is
        // no harm: that proof exists, its cut-offs are in, and its own `at` is later.
        let first_came = self.first_came.load(Ordering::Acquire);
        Seen {
            epoch,
            proof_at,
            first_came,
        }
    }

    /// Whether [`freshness`](Self::freshness) would say so, in the fewest steps.
    pub(crate) fn is_fresh(&self, seen: Seen, now: Now, max_staleness: Duration) -> bool {
        let of = |span: Duration, units: u64, rest: u32| {
            span.as_secs()
                .saturating_mul(units)
                .saturating_add(rest.into())
        };
        let millis = |span: Duration| of(span, 1_000, span.subsec_millis());
        let nanos = |span: Duration| of(span, 1_000_000_000, span.subsec_nanos());
        let wall = now.wall.get();
        seen.proof_at != NO_PROOF
            && seen.proof_at <= wall.saturating_add(millis(MAX_AHEAD))
            // In whole milliseconds, as the wall clock is read.
            && wall.saturating_sub(seen.proof_at) <= millis(max_staleness)
            && nanos(now.monotonic).saturating_sub(seen.first_came) <= nanos(max_staleness)
            && !self.closed.load(Ordering::Acquire)
            && self.epoch.load(Ordering::Acquire) == seen.epoch
    }

    /// What the proof that was seen is worth now. `now` must have been read after everything was
    /// looked up.
    pub(crate) fn freshness(&self, seen: Seen, now: Now, max_staleness: Duration) -> Freshness {
        let Some(proof) = seen.proof() else {
            return Freshness::Unproven;
        };
        if self.closed.load(Ordering::Acquire) {
            return Freshness::Unproven;
        }
        if self.epoch.load(Ordering::Acquire) != seen.epoch {
            return Freshness::Unproven;
        }
        let freshness = proof.freshness(now, max_staleness);
        if freshness == Freshness::Unproven {
            self.forget(proof.at);
        }
        freshness
    }

    /// For good, and not only for this call: when the clock comes back to it, it would be as old
    /// as before and look new.
    fn forget(&self, at: UnixMillis) {
        // Where it fails, a newer proof has taken its place.
        let _ =
            self.proof_at
                .compare_exchange(at.get(), NO_PROOF, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// To be called after the cut-offs were looked up.
    pub(crate) fn floor(&self) -> Position {
        Position::new(self.floor.load(Ordering::Acquire)).unwrap_or_default()
    }

    /// Whether it ever was complete, and has said so to the service.
    pub(crate) fn has_started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    pub(crate) fn set_started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// For good: from now on no revocation waits for this verifier, so nothing may be proven.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn show_floor(&self, floor: Position) {
        self.floor.store(floor.get(), Ordering::Release);
    }

    pub(crate) fn show_proof(&self, proof: Proof) {
        let nanos = u64::try_from(proof.first_came.as_nanos()).unwrap_or(u64::MAX);
        self.first_came.store(nanos, Ordering::Release);
        self.proof_at.store(proof.at.get(), Ordering::Release);
    }

    /// Takes the proof back, and whatever a verifying thread saw before. Lower the floor only
    /// after this.
    pub(crate) fn withdraw(&self) {
        self.proof_at.store(NO_PROOF, Ordering::Release);
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether a proof is shown. A verifying thread may have [forgotten](Self::freshness) it.
    pub(crate) fn has_proof(&self) -> bool {
        self.proof_at.load(Ordering::Acquire) != NO_PROOF
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now(wall: u64, monotonic: u64) -> Now {
        Now {
            wall: UnixMillis::new(wall),
            monotonic: Duration::from_millis(monotonic),
        }
    }

    fn age(published: &Published, seen: Seen, now: Now) -> Option<Duration> {
        published.freshness(seen, now, Duration::MAX).age()
    }

    fn with_proof(at: u64, first_came: u64) -> Published {
        let published = Published::default();
        published.show_proof(Proof {
            at: UnixMillis::new(at),
            first_came: Duration::from_millis(first_came),
        });
        published
    }

    proptest! {
        /// The short way and the long way, at and around each bound.
        #[test]
        fn the_short_way_to_freshness_leads_where_the_long_one_does(
            proof in prop::option::of((9_000..12_000_u64, 0..3_000_u64)),
            wall in 8_000..15_000_u64,
            monotonic in 0..6_000_000_u64,
            max_staleness in prop_oneof![
                (0..3_000_000_u64).prop_map(Duration::from_micros),
                Just(Duration::MAX),
                Just(Duration::ZERO),
            ],
            disturbed in 0..4,
        ) {
            let published = proof.map_or_else(Published::default, |(at, came)| with_proof(at, came));
            let seen = published.see();
            match disturbed {
                0 => published.withdraw(),
                1 => published.close(),
                _ => {}
            }
            let now = Now {
                wall: UnixMillis::new(wall),
                monotonic: Duration::from_micros(monotonic),
            };
            let short = published.is_fresh(seen, now, max_staleness);
            let long = published.freshness(seen, now, max_staleness).is_fresh();
            prop_assert_eq!(short, long);
        }
    }

    #[test]
    fn without_a_proof_there_is_no_age() {
        let published = Published::default();
        assert_eq!(age(&published, published.see(), now(5_000, 5)), None);
    }

    #[test]
    fn the_age_is_that_of_the_clock_that_says_more() {
        let published = with_proof(10_000, 100);
        let millis = |now| age(&published, published.see(), now).map(|age| age.as_millis());
        assert_eq!(millis(now(10_300, 200)), Some(300));
        assert_eq!(millis(now(9_500, 700)), Some(600));
    }

    #[test]
    fn a_proof_ahead_of_the_clock_is_forgotten_for_good() {
        let published = with_proof(10_000, 0);
        assert!(age(&published, published.see(), now(9_000, 0)).is_some());
        assert_eq!(age(&published, published.see(), now(8_999, 0)), None);
        assert!(!published.has_proof());
        assert_eq!(age(&published, published.see(), now(10_000, 0)), None);
    }

    #[test]
    fn forgetting_an_old_proof_leaves_a_newer_one() {
        let published = with_proof(10_000, 0);
        let seen = published.see();
        published.show_proof(Proof {
            at: UnixMillis::new(8_000),
            first_came: Duration::ZERO,
        });
        assert_eq!(age(&published, seen, now(8_000, 0)), None);
        assert!(age(&published, published.see(), now(8_000, 0)).is_some());
    }

    #[test]
    fn what_was_seen_before_a_withdrawal_proves_nothing_after_it() {
        let published = with_proof(10_000, 0);
        let seen = published.see();
        published.withdraw();
        published.show_proof(Proof {
            at: UnixMillis::new(10_001),
            first_came: Duration::ZERO,
        });
        assert_eq!(age(&published, seen, now(10_001, 0)), None);
        assert!(age(&published, published.see(), now(10_001, 0)).is_some());
    }
}
