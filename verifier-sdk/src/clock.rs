//! The clocks of this machine: the only place that reads them.

use revocation_events::{Now, UnixMillis};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Reads both clocks. The monotonic one counts from when this was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Now {
        // A wall clock before 1970 is a wrong one; at 1970 no page is believable, so it shows.
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Now {
            wall: UnixMillis::new(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)),
            monotonic: self.0.elapsed(),
        }
    }
}
