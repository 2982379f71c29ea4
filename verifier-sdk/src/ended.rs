//! Waiting for the end of a session, for what outlives a request: WebSockets, streams, jobs.

use crate::clock::Clock;
use crate::error::Reason;
use crate::keys::KeyState;
use crate::session::Session;
use crate::shared::Shared;
use crate::token::LEEWAY;
use crate::waiters::{Waiters, Wakes};
use revocation_events::Now;
use std::time::Duration;

/// The wall clock may jump while a timer sleeps, so it is looked at now and then.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Why what hangs on a session should be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// The session, its user or everyone was revoked, or the key that signed the token.
    Revoked,
    /// The roles of the user changed: an ordinary refresh gives a token with the new ones.
    RolesChanged,
    /// The token has expired. The session may go on with another.
    Expired,
    /// The verifier can no longer tell: it is stale, or was shut down.
    Unknown,
}

/// Waits until the token of `session` is dead.
pub(crate) async fn ended(
    shared: &Shared,
    waiters: &Waiters,
    clock: Clock,
    session: &Session,
) -> Ended {
    loop {
        let Wakes([by_session, by_user, by_all]) =
            waiters.wakes(session.session_id(), session.user_id());
        let now = clock.now();
        if let Some(ended) = state(shared, waiters, session, now) {
            return ended;
        }
        let left = session.expires_at().plus(LEEWAY).since(now.wall);
        tokio::select! {
            () = by_session => {}
            () = by_user => {}
            () = by_all => {}
            () = tokio::time::sleep(left.min(LONGEST_SLEEP)) => {}
        }
    }
}

fn state(shared: &Shared, waiters: &Waiters, session: &Session, now: Now) -> Option<Ended> {
    match shared.revocation(session) {
        Some(Reason::RolesChanged) => return Some(Ended::RolesChanged),
        Some(_) => return Some(Ended::Revoked),
        None => {}
    }
    if session.token().is_expired(now.wall) || session.position() < shared.published.floor() {
        return Some(Ended::Expired);
    }
    match shared.keys.look_up(session.token().kid()) {
        KeyState::Revoked => return Some(Ended::Revoked),
        // The set was dropped because nothing confirmed it; that says nothing of this key.
        KeyState::Unknown if !shared.keys.is_empty() => return Some(Ended::Revoked),
        KeyState::Unknown => return Some(Ended::Unknown),
        KeyState::Live(_) => {}
    }
    waiters.is_lost().then_some(Ended::Unknown)
}
