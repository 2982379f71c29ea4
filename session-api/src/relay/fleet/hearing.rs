//! Whether reports could be heard at all, and for how long. Pure.
//!
//! Silence says something about a verifier only while this process listens: not before it began, not
//! while the bus is away or the database in which others' reports lie, and not while the process itself
//! stood still.

use super::newest::{MAX_STANDING, Verifier};
use revocation_events::status;
use std::time::Duration;
use tokio::time::Instant;

/// Whoever is there has reported within this: an interval, and slack for a busy machine.
pub(super) const ROUND: Duration = status::INTERVAL.saturating_add(Duration::from_millis(500));

/// Whoever was silent for so long is not live any more, with the default `max_staleness`.
pub(super) const STANDING: Duration = status::INTERVAL.saturating_add(Duration::from_secs(10));

/// The ways by which reports come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ears {
    /// Nothing where there is none.
    pub(super) bus: Option<Hearing>,
    /// The table in which all replicas put what was posted to them.
    pub(super) table: Hearing,
}

impl Ears {
    pub(super) fn new(by_bus: bool, now: Instant) -> Self {
        Self {
            bus: by_bus.then(|| Hearing::new(true, now)),
            table: Hearing::new(false, now),
        }
    }

    /// Whether all who are live must have been heard.
    pub(super) fn know_all(&self, longest: Duration, now: Instant) -> bool {
        let mut ways = self.bus.iter().chain([&self.table]);
        ways.all(|way| way.knows_all(longest, now))
    }
}

/// How long and since when reports come by one way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hearing {
    /// It is a bus, which keeps nothing. What was posted is in a table.
    by_bus: bool,
    /// Reports come, or would come.
    up: bool,
    /// When they last could come, as far as is known.
    last: Instant,
    /// The same of the time before the last break.
    broke: Instant,
    /// Since when they come without a break.
    began: Option<Instant>,
    /// Since when they come but for breaks that nobody can have begun and ended in unheard.
    whole: Option<Instant>,
}

impl Hearing {
    pub(super) const fn new(by_bus: bool, now: Instant) -> Self {
        Self {
            by_bus,
            up: false,
            last: now,
            broke: now,
            began: None,
            whole: None,
        }
    }

    /// To be called often: more than [`ROUND`] between two calls is a time in which nothing was heard.
    pub(super) fn is(&mut self, up: bool, now: Instant) {
        if up && !self.hears(now) {
            let short = now.saturating_duration_since(self.last) <= STANDING;
            self.whole = self.whole.filter(|_| short).or(Some(now));
            (self.broke, self.began) = (self.last, Some(now));
        }
        if up || self.hears(now) {
            self.last = now;
        }
        self.up = up;
    }

    /// Whether a report that is sent now is heard.
    pub(super) fn hears(&self, now: Instant) -> bool {
        self.up && now.saturating_duration_since(self.last) <= ROUND
    }

    /// Whether a report still counts: nobody ages while nothing can be heard of them, and nobody who was
    /// gone before comes back by that.
    pub(super) fn stands(&self, verifier: &Verifier, now: Instant) -> bool {
        let until = if self.hears(now) { now } else { self.last };
        let began = self.began.unwrap_or(until);
        let silent_before = self.broke.saturating_duration_since(verifier.seen);
        let silent = until.saturating_duration_since(began.max(verifier.seen));
        silent_before.max(silent) <= verifier.stands_for()
    }

    /// Whether all who are live must have been heard: whoever is well has reported by now, and whoever
    /// was silent for as long as the longest report stands is not live.
    pub(super) fn knows_all(&self, longest: Duration, now: Instant) -> bool {
        let lasts = |since: Option<Instant>, span: Duration| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= span)
        };
        let longest = longest.clamp(STANDING, MAX_STANDING);
        self.hears(now) && lasts(self.began, ROUND) && (!self.by_bus || lasts(self.whole, longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// From `from` to `to`, in seconds after the beginning.
    fn reports_come(hearing: &mut Hearing, began: Instant, from: u64, to: u64) {
        for half_seconds in 2 * from..=2 * to {
            hearing.is(true, began + Duration::from_millis(500 * half_seconds));
        }
    }

    #[test]
    fn who_was_silent_since_before_the_start_is_known_to_be_gone_once_no_report_would_stand() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let knows_all = |by_bus, longest, seconds| {
            let mut hearing = Hearing::new(by_bus, began);
            reports_come(&mut hearing, began, 0, seconds);
            hearing.knows_all(Duration::from_secs(longest), after(seconds))
        };
        let standing = STANDING.as_secs();
        assert!(!knows_all(true, 0, standing - 1));
        assert!(knows_all(true, 0, standing));
        assert!(!knows_all(true, 60, 59));
        assert!(knows_all(true, 60, 60));
        assert!(knows_all(true, 1_000_000, MAX_STANDING.as_secs()));
        // What was posted before the start is in the table.
        assert!(!knows_all(false, 60, ROUND.as_secs()));
        assert!(knows_all(false, 60, ROUND.as_secs() + 1));
    }

    #[test]
    fn after_a_break_all_must_report_again_and_after_a_long_one_it_is_as_after_a_start() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let soon = ROUND.as_secs() + 1;
        for (by_bus, lasts, known_after) in [
            (true, 5, soon),
            (true, 60, STANDING.as_secs()),
            // What was posted before is in the table.
            (false, 5, soon),
            (false, 60, soon),
        ] {
            for told in [true, false] {
                let mut hearing = Hearing::new(by_bus, began);
                reports_come(&mut hearing, began, 0, 20);
                // Or the whole process stands still, and nobody tells.
                if told {
                    hearing.is(false, after(20));
                }
                let again = 20 + lasts;
                assert!(!hearing.knows_all(STANDING, after(again)));
                reports_come(&mut hearing, began, again, again + known_after - 1);
                assert!(!hearing.knows_all(STANDING, after(again + known_after - 1)));
                reports_come(
                    &mut hearing,
                    began,
                    again + known_after,
                    again + known_after,
                );
                assert!(hearing.knows_all(STANDING, after(again + known_after)));
            }
        }
    }

    #[test]
    fn nobody_ages_while_nothing_can_be_heard_of_them() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let brief = serde_json::from_value(json!({
            "service": "orders", "instance": "i", "version": "0.1.0", "head": 1, "fresh": true,
            "age_ms": 12, "max_staleness_ms": 0,
            "counts": { "accepted": 1, "refused": 2, "unavailable": 3, "pages": 4, "pages_refused": 0 },
        }));
        let verifier = Verifier {
            client: "orders".to_owned(),
            status: brief.unwrap(),
            seen: after(3),
        };
        let stands_for = verifier.stands_for().as_secs();
        let mut hearing = Hearing::new(true, began);
        reports_come(&mut hearing, began, 0, 4);
        hearing.is(false, after(4));
        hearing.is(false, after(30));
        assert!(hearing.stands(&verifier, after(60)));
        reports_come(&mut hearing, began, 60, 60 + stands_for + 1);
        assert!(hearing.stands(&verifier, after(60 + stands_for)));
        assert!(!hearing.stands(&verifier, after(60 + stands_for + 1)));

        // Nor does it bring those back who were gone before.
        let gone = Verifier {
            seen: after(3),
            ..verifier
        };
        let mut hearing = Hearing::new(true, began);
        reports_come(&mut hearing, began, 0, 3 + stands_for + 1);
        hearing.is(false, after(30));
        reports_come(&mut hearing, began, 60, 60);
        assert!(!hearing.stands(&gone, after(60)));
    }
}
