//! The edge where clocks are read. Everything inside is handed a time.

use revocation_events::UnixMillis;
use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock of this machine.
pub(crate) fn now() -> UnixMillis {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis::default().plus(since_1970)
}
