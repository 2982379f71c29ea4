//! The edge where clocks are read. Everything inside is handed a time.

use revocation_events::{Position, UnixMillis};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// So far may the database's clock be ahead of this one for positions to follow it.
const AHEAD: Duration = Duration::from_secs(3_600);

/// The wall clock of this machine.
pub(crate) fn now() -> UnixMillis {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis::default().plus(since_1970)
}

/// The greatest position that a reading of the database's clock may come to.
///
/// Positions need only grow. One that a wrong clock has set days ahead would be the head for good, and
/// verifiers refuse pages that reach more than a day ahead of them.
pub(crate) fn latest_position() -> Position {
    let micros = now().plus(AHEAD).get().saturating_mul(1_000);
    Position::new(micros).unwrap_or_default()
}
