//! Lines for an auditor: what operators did and what was refused, where the log has no event of it
//! or does not say who it was. They go where all lines go, with the target `audit`, whatever
//! `--log-filter` says. Those of a command are on the stderr of whoever typed it, and nowhere else.
//!
//! | message | fields | when |
//! | --- | --- | --- |
//! | `login.failed` | `reason` (`unknown`, `password`, `disabled`, `closed`), `user` | a log-in was refused |
//! | `login.closed` | `user` | the hundredth try in a row failed: from now on they have to wait |
//! | `login.throttled` | `by` (`address`, `account`), `left_out` | too many tries in too short a time |
//! | `password.failed` | `user`, `session`, `reason` (`password`, `closed`) | a change of password with a wrong one |
//! | `session.stolen` | `user`, `session` | a session token was used again after its successor |
//! | `csrf.refused` | `left_out` | a page that is not ours called, or none that knows the value |
//! | `credential.refused` | `reason` (`mixed`, `twice`, `forged`), `left_out` | cookies of two sessions, two cookies or headers of one name, a token that this service did not sign or whose key counts no more |
//! | `client.refused` | `left_out` | a client credential was missing or wrong |
//! | `admin.refused` | `by`, `by_session`, `reason` (`role`, `step-up`), `left_out` | an operator's call by somebody who may not |
//! | `admin.acted` | `by`, `by_session`, `act`, `user` | an operator's call went through |
//! | `operator.acted` | `act`, `user`, `client` | a command that leaves no event in the log |
//!
//! `user` and `by` are ids of users, `session` and `by_session` of sessions; a field is absent where
//! it is not known. A line that belongs to a request is in its span, which has the request's id,
//! method and path. Names of users, addresses and whatever strangers send are never there; `client`
//! is the name of a program. `left_out` says how many lines of the same message were not written
//! before this one: strangers must not fill the disk.

use revocation_events::{SessionId, UserId};

/// The target of every line.
pub(crate) const TARGET: &str = "audit";

/// Who did it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Actor {
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
}

pub(crate) fn login_failed(user: Option<UserId>, reason: &'static str) {
    tracing::info!(target: TARGET, reason, user = user.map(tracing::field::display), "login.failed");
}

pub(crate) fn login_closed(user: UserId) {
    tracing::info!(target: TARGET, %user, "login.closed");
}

pub(crate) fn login_throttled(by: &'static str, left_out: u64) {
    tracing::info!(target: TARGET, by, left_out, "login.throttled");
}

pub(crate) fn password_failed(user: UserId, session: SessionId, reason: &'static str) {
    tracing::info!(target: TARGET, %user, %session, reason, "password.failed");
}

pub(crate) fn session_stolen(user: UserId, session: SessionId) {
    tracing::warn!(target: TARGET, %user, %session, "session.stolen");
}

pub(crate) fn csrf_refused(left_out: u64) {
    tracing::info!(target: TARGET, left_out, "csrf.refused");
}

pub(crate) fn credential_refused(reason: &'static str, left_out: u64) {
    tracing::info!(target: TARGET, reason, left_out, "credential.refused");
}

pub(crate) fn client_refused(left_out: u64) {
    tracing::info!(target: TARGET, left_out, "client.refused");
}

pub(crate) fn admin_refused(by: Actor, reason: &'static str, left_out: u64) {
    let Actor { user, session } = by;
    tracing::info!(target: TARGET, by = %user, by_session = %session, reason, left_out, "admin.refused");
}

/// `act` is the call or the command, in words of this program.
pub(crate) fn admin_acted(by: Actor, act: &'static str, on: Option<UserId>) {
    let Actor { user, session } = by;
    tracing::info!(target: TARGET, by = %user, by_session = %session, act, user = on.map(tracing::field::display), "admin.acted");
}

pub(crate) fn operator_acted(act: &'static str, user: Option<UserId>, client: Option<&str>) {
    tracing::info!(target: TARGET, act, user = user.map(tracing::field::display), client, "operator.acted");
}
