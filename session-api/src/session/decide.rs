//! What a command does to a session.

use super::event::SessionFact;
use super::state::{CutOffs, EndReason, OpenSession, RetryKey, Session};
use revocation_events::{Position, UnixMillis};
use std::time::Duration;

/// For so long after a rotation the token before it still gets the same successor from anyone:
/// tabs of one browser refresh at once.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// A refresh, as it was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refresh {
    /// The generation of the session token presented.
    pub(crate) generation: u64,
    pub(crate) retry_key: Option<RetryKey>,
    /// How far the sliding end moves.
    pub(crate) ttl: Duration,
}

/// A refresh that goes through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refreshed {
    /// The generation rises.
    Rotated(SessionFact),
    /// The successor was made already and was never used: it is given again.
    SameSuccessor,
}

/// Why nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The session is not alive.
    Ended,
    /// The token's generation was never committed: the log lost its last moments. No theft.
    NeverIssued,
    /// The token's successor was used already: one of the two holders stole it, unless the log knows
    /// the request as one that came late.
    Reused,
}

/// A refresh of `session` at `now`.
pub(crate) fn refresh(
    session: &Session,
    cut_offs: CutOffs,
    command: Refresh,
    now: UnixMillis,
) -> Result<Refreshed, Refusal> {
    let open = session.alive(cut_offs, now).ok_or(Refusal::Ended)?;
    match open.generation.checked_sub(command.generation) {
        None => Err(Refusal::NeverIssued),
        Some(0) => Ok(Refreshed::Rotated(SessionFact::Refreshed(OpenSession {
            generation: open.generation + 1,
            rotated_at: now,
            retry_key: command.retry_key,
            expires_at: now.plus(command.ttl).min(open.ends_at),
            ..open.clone()
        }))),
        Some(1) if is_retry(open, command, now) => Ok(Refreshed::SameSuccessor),
        Some(_) => Err(Refusal::Reused),
    }
}

/// Whether a session token of this generation still speaks for its session: the present one, and the
/// one before for as long as it would get the present one from anyone.
pub(crate) fn speaks_for(open: &OpenSession, generation: u64, now: UnixMillis) -> bool {
    match open.generation.checked_sub(generation) {
        Some(0) => true,
        Some(1) => is_within_grace(open, now),
        _ => false,
    }
}

/// The generation has not risen since, so the successor was never used in a refresh.
fn is_retry(open: &OpenSession, command: Refresh, now: UnixMillis) -> bool {
    let same_key = command.retry_key.is_some() && command.retry_key == open.retry_key;
    is_within_grace(open, now) || same_key
}

fn is_within_grace(open: &OpenSession, now: UnixMillis) -> bool {
    now.since(open.rotated_at) <= GRACE
}

/// A revocation at `position`; nothing where the session has ended already.
///
/// A session that is cut off or past its end is revoked all the same: its row is still open, and
/// the caller asked for certainty.
pub(crate) fn revoke(
    session: &Session,
    position: Position,
    reason: EndReason,
) -> Option<SessionFact> {
    matches!(session, Session::Open(_)).then_some(SessionFact::Revoked { position, reason })
}

/// "All but this one": the session lives on from `position`.
///
/// `generation` and `rotated_at` stay, for its session token is not replaced.
pub(crate) fn reanchor(
    session: &Session,
    cut_offs: CutOffs,
    position: Position,
    now: UnixMillis,
) -> Result<SessionFact, Refusal> {
    let open = session.alive(cut_offs, now).ok_or(Refusal::Ended)?;
    Ok(SessionFact::Refreshed(OpenSession {
        since: position,
        ..open.clone()
    }))
}

/// The end of a session that nobody refreshed.
pub(crate) fn expire(session: &Session, now: UnixMillis) -> Option<SessionFact> {
    match session {
        Session::Open(open) if now >= open.expires_at || now >= open.ends_at => {
            Some(SessionFact::Expired {})
        }
        _ => None,
    }
}
