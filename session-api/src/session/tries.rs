//! How often a password may be tried (NIST SP 800-63B-4, section 3.2.2).

use revocation_events::UnixMillis;
use std::time::Duration;

/// So many tries may fail in a row before the next one has to wait.
pub(crate) const MAX_FAILED: u32 = 100;

const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Tries at the password of one account from one source (strangers, or a device that its owner has
/// logged in with before), since the last one that was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tries {
    pub(crate) failed: u32,
    /// Until then no try counts, not even with the right password.
    pub(crate) closed_until: UnixMillis,
}

impl Tries {
    /// Takes one more try, as failed until it is known to be right: of many at once, each then finds
    /// the others counted. Nothing where it comes too early: it moves nothing, so that nobody can
    /// keep the way closed by knocking at it.
    pub(crate) fn take(self, now: UnixMillis) -> Option<Self> {
        // A wait beyond the longest is left from a clock that was set back.
        if (1..=LONGEST_WAIT.as_millis()).contains(&self.closed_until.since(now).as_millis()) {
            return None;
        }
        let failed = self.failed.saturating_add(1);
        let closed_until = match failed.checked_sub(MAX_FAILED) {
            None => self.closed_until,
            Some(beyond) => {
                let wait = FIRST_WAIT.saturating_mul(1 << beyond.min(10));
                now.plus(wait.min(LONGEST_WAIT))
            }
        };
        Some(Self {
            failed,
            closed_until,
        })
    }

    /// Whether this try was the one that closed the way for the first time.
    pub(crate) const fn has_just_closed(self) -> bool {
        self.failed == MAX_FAILED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis::new(1_764_000_000_000);

    const NONE: Tries = Tries {
        failed: 0,
        closed_until: UnixMillis::new(0),
    };

    #[test]
    fn a_hundred_tries_count_at_once_and_no_more() {
        let mut tries = NONE;
        for failed in 1..=MAX_FAILED {
            tries = tries.take(NOW).unwrap();
            assert_eq!(tries.failed, failed);
            assert_eq!(tries.has_just_closed(), failed == 100);
        }
        assert_eq!(tries.take(NOW), None);
        let last = NOW.plus(FIRST_WAIT).minus(Duration::from_millis(1));
        assert_eq!(tries.take(last), None, "still closed");
        assert!(tries.take(NOW.plus(FIRST_WAIT)).is_some());
    }

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_an_hour() {
        let mut now = NOW;
        let mut tries = Tries {
            failed: MAX_FAILED - 1,
            ..NONE
        };
        let mut waits = Vec::new();
        for _ in 0..10 {
            tries = tries.take(now).unwrap();
            waits.push(tries.closed_until.since(now).as_secs());
            now = tries.closed_until;
        }
        let expected = [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600];
        assert_eq!(waits, expected);
        let clock_was_wrong = Tries {
            closed_until: now.plus(LONGEST_WAIT + Duration::from_millis(1)),
            ..tries
        };
        assert!(clock_was_wrong.take(now).is_some());
        let many = Tries {
            failed: u32::MAX,
            ..tries
        };
        let many = many.take(now).unwrap();
        assert_eq!(many.closed_until.since(now), LONGEST_WAIT);
    }
}
