//! The pure domain: what may happen to users and sessions, and what follows from it.
//!
//! `decide(state, command) -> facts | refusal`, `apply(state, fact) -> state`. No I/O, no clock, no
//! randomness: times, positions and identifiers are arguments.
//!
//! | file | what |
//! | --- | --- |
//! | [`event`] | what is appended to the log, and its stored form |
//! | [`state`] | one session: an enum, open or ended; folded from its stream |
//! | [`decide`] | what a command does to a session |
//! | [`user`] | the same for a user |
//! | [`tries`] | how often a password may be tried |

pub(crate) mod decide;
pub(crate) mod event;
pub(crate) mod state;
pub(crate) mod tries;
pub(crate) mod user;

#[cfg(test)]
mod tests;

pub(crate) use decide::{Refresh, Refreshed, Refusal};
pub(crate) use event::{Event, Fact, SessionFact, Stream, UserFact};
pub(crate) use state::{CutOffs, Delivery, EndReason, OpenSession, RetryKey, Session};
pub(crate) use tries::Tries;
pub(crate) use user::{Roles, User};
