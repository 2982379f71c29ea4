//! How long to wait before the next attempt.

use std::time::Duration;

/// The ceiling of the first wait; it doubles with each attempt.
const FIRST: Duration = Duration::from_millis(100);
/// Where the ceiling ends.
const LONGEST: Duration = Duration::from_secs(4);

/// A wait drawn evenly from zero to a ceiling that doubles ("full jitter"): all verifiers lose a
/// server in the same moment, and must not come back in the same moment.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The wait before the next attempt.
    pub(crate) fn next(&mut self) -> Duration {
        let ceiling = FIRST
            .saturating_mul(2_u32.saturating_pow(self.attempts))
            .min(LONGEST);
        self.attempts += 1;
        // Without randomness the whole wait is the safe choice.
        let share = getrandom::u32().unwrap_or(u32::MAX);
        ceiling.mul_f64(f64::from(share) / f64::from(u32::MAX))
    }

    /// The last attempt went well.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// An attempt that held for this long went well; one that came to nothing at once did not.
    pub(crate) fn reset_after(&mut self, held: Duration) {
        if held >= LONGEST {
            self.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_again() {
        let mut backoff = Backoff::default();
        for ceiling in [100, 200, 400, 800, 1_600, 3_200, 4_000, 4_000] {
            assert!(backoff.next() <= Duration::from_millis(ceiling));
        }
        backoff.attempts = u32::MAX - 1;
        assert!(backoff.next() <= LONGEST);
        backoff.reset_after(Duration::from_secs(3));
        assert_ne!(backoff.attempts, 0);
        backoff.reset_after(LONGEST);
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn waits_differ() {
        let waits: Vec<_> = (0..50).map(|_| Backoff { attempts: 6 }.next()).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
