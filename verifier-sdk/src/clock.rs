//! The clocks of this machine: the only place that reads them.
//!
//! On Linux they are the coarse ones, which the kernel moves on at every tick: a reading costs a fifth,
//! and is a tick behind at most. (A few ticks, just after a virtual machine or one of its processors was
//! held up; before Linux 5.18 for as long as that processor is.) Either clock is read in the calling
//! process, without a system call.

use revocation_events::{Now, UnixMillis};
use std::time::Duration;

/// Reads both clocks. The monotonic one counts from when this was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(coarse::Instant);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(coarse::Instant::now())
    }

    pub(crate) fn now(self) -> Now {
        Now {
            wall: coarse::wall(),
            monotonic: self.0.elapsed(),
        }
    }
}

#[cfg(target_os = "linux")]
mod coarse {
    use super::{Duration, UnixMillis};
    // By the C library and not past it: tests put other clocks there.
    use nix::time::{ClockId, clock_gettime};

    /// The longest that a kernel is built with: 100 in a second.
    pub(super) const TICK: Duration = Duration::from_millis(10);

    /// In nanoseconds: each verdict reads it, and a `Duration` is put together with divisions.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Instant(u64);

    impl Instant {
        pub(super) fn now() -> Self {
            Self(nanos(ClockId::CLOCK_MONOTONIC_COARSE))
        }

        pub(super) fn elapsed(self) -> Duration {
            Duration::from_nanos(Self::now().0.saturating_sub(self.0))
        }
    }

    /// Never behind: by a clock that is, a proof would hold for longer than it may. A tick ahead costs
    /// nobody anything.
    pub(super) fn wall() -> UnixMillis {
        let nanos = nanos(ClockId::CLOCK_REALTIME_COARSE).saturating_add(TICK.as_nanos() as u64);
        UnixMillis::new(nanos / 1_000_000)
    }

    /// Since 1970 or since the machine started, and no later than the year 2554.
    fn nanos(clock: ClockId) -> u64 {
        // Both clocks have been there since Linux 2.6.32. A wall clock before 1970 is a wrong one; at
        // 1970 no page is believable, so it shows.
        let Ok(time) = clock_gettime(clock) else {
            return 0;
        };
        let [secs, nanos] =
            [time.tv_sec(), time.tv_nsec()].map(|part| u64::try_from(part).unwrap_or(0));
        secs.saturating_mul(1_000_000_000).saturating_add(nanos)
    }
}

#[cfg(not(target_os = "linux"))]
mod coarse {
    use super::UnixMillis;
    pub(super) use std::time::Instant;
    use std::time::{SystemTime, UNIX_EPOCH};

    pub(super) fn wall() -> UnixMillis {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        UnixMillis::default().plus(now.unwrap_or_default())
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::time::{Instant, SystemTime, UNIX_EPOCH};

    fn exact() -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
    }

    /// As near as a machine allows on which threads are held up.
    #[test]
    fn both_clocks_go_as_the_exact_ones_do() {
        let (clock, began) = (Clock::new(), Instant::now());
        let second = Duration::from_secs(1);
        for _ in 0..3 {
            let (before, now, after) = (exact(), clock.now(), exact());
            let wall = Duration::from_millis(now.wall.get());
            assert!(wall + second > before && wall < after + 2 * coarse::TICK);
            assert!(now.monotonic <= began.elapsed() + coarse::TICK);
            assert!(now.monotonic + second > began.elapsed());
            std::thread::sleep(2 * coarse::TICK);
        }
        assert!(clock.now().monotonic >= 4 * coarse::TICK);
    }

    /// All but those moments in which the machine holds a tick up.
    #[test]
    fn the_wall_clock_is_not_behind() {
        let not_behind = || {
            let before = exact();
            Duration::from_millis(coarse::wall().get()) >= before
        };
        let of_a_thousand = (0..1_000).filter(|_| not_behind()).count();
        assert!(of_a_thousand > 500, "{of_a_thousand}");
    }
}
