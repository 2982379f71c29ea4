//! What happened in a run: everything that the checker may know, and nothing that it could ask.

use std::time::Duration;
use uuid::Uuid;

/// Time since the run began, by the monotonic clock of the one process that records.
pub(crate) type Moment = Duration;

/// A run, told to its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// How many are asked about everything.
    pub(crate) verifiers: usize,
    pub(crate) tokens: Vec<Token>,
    pub(crate) acknowledged: Vec<Acknowledged>,
    pub(crate) verdicts: Vec<Verdict>,
    /// Those of one more verifier, which is asked now and then.
    pub(crate) sampled: Vec<Verdict>,
    pub(crate) freshness: Vec<Freshness>,
    pub(crate) faults: Vec<Fault>,
    /// From here on freshness counts, and until there.
    pub(crate) watched: (Moment, Moment),
    /// The revocations in the log, read after the end.
    pub(crate) log: Vec<Logged>,
    /// One verdict of each verifier on each token that still lives by its clock, after everything
    /// was healed and all had caught up.
    pub(crate) last_verdicts: Vec<Verdict>,
    /// One refresh of each session, at the same time.
    pub(crate) last_refreshes: Vec<LastRefresh>,
    /// What else went wrong at the end, in words.
    pub(crate) complaints: Vec<String>,
}

impl History {
    /// All that any verifier ever said.
    pub(crate) fn all_verdicts(&self) -> impl Iterator<Item = &Verdict> {
        let asked = self.verdicts.iter().chain(&self.last_verdicts);
        asked.chain(&self.sampled)
    }
}

/// An access token that the service has given out.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) session: Uuid,
    pub(crate) user: Uuid,
    pub(crate) position: u64,
    /// From here on nobody asks about it any more: it is about to expire.
    pub(crate) watched_until: Moment,
}

/// Whose tokens a revocation kills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Session(Uuid),
    /// All sessions of a user but the one named.
    User(Uuid, Option<Uuid>),
    /// The tokens of a user, whose sessions live on.
    Roles(Uuid),
    Everyone,
}

/// A revoking call that was answered with 200.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) target: Target,
    pub(crate) position: u64,
    /// Before the call was sent.
    pub(crate) began: Moment,
    /// When its whole answer was there.
    pub(crate) at: Moment,
}

/// What a verifier said about a token, several times in a row.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) verifier: usize,
    /// Its place in [`History::tokens`].
    pub(crate) token: usize,
    pub(crate) outcome: Outcome,
    /// Before the first such call, and before the last.
    pub(crate) began: (Moment, Moment),
    /// After the first such call, and after the last.
    pub(crate) ended: (Moment, Moment),
    pub(crate) calls: u64,
}

/// What `verify` can say. Only a fresh verifier accepts or refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    /// 401, with the reason that the verifier gives.
    Refused(verifier_sdk::Reason),
    /// 503: stale, or not ready for this token.
    NotNow,
    /// No answer: it was killed, or was stopped for too long.
    Silent,
}

impl Outcome {
    /// Refused for a revocation, and not for the token's age or its looks.
    pub(crate) const fn is_dead(self) -> bool {
        use verifier_sdk::Reason::{Revoked, RolesChanged};
        matches!(self, Self::Refused(Revoked | RolesChanged))
    }
}

/// For how long one of the verifiers called itself fresh, or did not.
#[derive(Clone, Debug)]
pub(crate) struct Freshness {
    pub(crate) fresh: bool,
    pub(crate) from: Moment,
    pub(crate) to: Moment,
}

/// A fault, from its first blow until it was mended and what was killed ran again.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: &'static str,
    pub(crate) from: Moment,
    pub(crate) to: Moment,
    /// Whether it did what its name says. If not, it only excuses.
    pub(crate) struck: bool,
}

/// A revocation in the log, acknowledged or not.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) position: u64,
    pub(crate) target: Target,
    /// By the wall clock of the database, before the commit.
    pub(crate) at: Moment,
}

/// What became of a refresh of a session after the end.
#[derive(Clone, Debug)]
pub(crate) struct LastRefresh {
    pub(crate) session: Uuid,
    pub(crate) user: Uuid,
    /// When the answer to its log-in was there.
    pub(crate) opened: Moment,
    /// The position of its first token: the session is not older than that.
    pub(crate) position: u64,
    /// 200, or else 401.
    pub(crate) went_through: bool,
}

impl Target {
    /// Whose it is, whatever session is spared: a call that is repeated is told of the first one.
    pub(crate) fn is_same_as(self, other: Self) -> bool {
        match (self, other) {
            (Self::User(one, _), Self::User(other, _)) => one == other,
            _ => self == other,
        }
    }

    /// Whether it ends that session, where the session was there before.
    pub(crate) fn ends(self, session: Uuid, user: Uuid) -> bool {
        match self {
            Self::Session(id) => id == session,
            Self::User(id, except) => id == user && except != Some(session),
            Self::Roles(_) => false,
            Self::Everyone => true,
        }
    }
}
