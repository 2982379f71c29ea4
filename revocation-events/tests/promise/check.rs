//! The promise.

use crate::world::World;
use revocation_events::view::MAX_AHEAD;

impl World {
    /// What must hold whenever somebody may verify.
    ///
    /// # Panics
    /// Where the promise is broken.
    pub(crate) fn check(&self) {
        if self.is_stopped() {
            // It answers nobody.
            return;
        }
        let now = self.clocks();
        if !self.verifier.deceived_by.is_empty() || !self.verifier.is_fresh(now, self.max_staleness)
        {
            return;
        }
        let proof = self.proof.expect("fresh without a proof");
        let read = self.stamps.get(&proof.at).expect("fresh by a forged page");
        let max_staleness = u64::try_from(self.max_staleness.as_millis()).unwrap();
        let stamped_ahead =
            i64::try_from(proof.at.get()).unwrap() - i64::try_from(read.ms).unwrap();
        let ahead = u64::try_from(stamped_ahead - self.verifier_clock).unwrap_or(0);

        // The promise as it is given, and the first of the two halves that it is made of, which
        // breaks sooner: whoever is fresh knows all that the log held when the clock was read for
        // its proof.
        let long_ago = self.now.saturating_sub(max_staleness + ahead);
        for entry in &self.log.entries {
            if entry.committed.ms <= long_ago || entry.committed.order < read.order {
                assert!(
                    self.verifier.refuses(entry),
                    "accepts what {entry:?} killed"
                );
            }
        }
        // The other: that was not too long ago, by either clock.
        let age = self.now - read.ms;
        assert!(
            age <= max_staleness + ahead,
            "{age} ms old by the wall clock"
        );
        let unseen = (proof.came - read.ms) + (self.stood_still - proof.stood_still);
        assert!(
            age <= max_staleness + unseen,
            "{age} ms old by the monotonic clock"
        );
        assert!(
            proof.at <= now.wall.plus(MAX_AHEAD),
            "by a proof from the future"
        );
        assert!(!proof.impossible, "by a proof that was from the future");
    }
}
