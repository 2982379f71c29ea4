//! How long is measured: as long as good figures take, or two minutes for nearly all of them.

use std::sync::OnceLock;

/// In the environment of the processes that measure something alone.
const QUICK: &str = "BENCH_QUICK";

static ASKED: OnceLock<bool> = OnceLock::new();

/// What the command line says; nothing may have been measured before.
pub(crate) fn set(quick: bool) {
    ASKED.set(quick).unwrap();
}

/// Whether two minutes must do.
pub(crate) fn is_quick() -> bool {
    *ASKED.get_or_init(|| std::env::var_os(QUICK).is_some())
}

/// The first where there is time, the second where there is none.
pub(crate) fn of<T>(full: T, quick: T) -> T {
    if is_quick() { quick } else { full }
}

/// For a process that measures something alone.
pub(crate) fn environment() -> Option<(&'static str, &'static str)> {
    is_quick().then_some((QUICK, "1"))
}
