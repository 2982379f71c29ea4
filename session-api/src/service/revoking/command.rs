//! What is asked of a group, and what comes back.

use crate::session::{EndReason, Roles};
use crate::store::{SessionRow, UserRow};
use revocation_events::{Position, SessionId, UnixMillis, UserId};

/// What takes a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::service) enum Command {
    /// Of `owner` where one is given, else it is not found.
    EndSession {
        session: SessionId,
        owner: Option<UserId>,
        reason: EndReason,
    },
    /// All of a user, or all but one.
    EndSessions {
        user: UserId,
        keep: Option<SessionId>,
        password: Option<NewPassword>,
    },
    Disable {
        user: UserId,
    },
    /// `own` is a session of this user, for which fresh tokens are wanted.
    ChangeRoles {
        user: UserId,
        roles: Roles,
        own: Option<SessionId>,
    },
    EndEveryone,
}

/// A change of password that goes with the end of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::service) struct NewPassword {
    /// The hash that the old password was checked against.
    pub(in crate::service) old: Option<String>,
    pub(in crate::service) new_hash: String,
}

impl Command {
    pub(super) const fn user(&self) -> Option<UserId> {
        match self {
            Self::EndSessions { user, .. }
            | Self::Disable { user }
            | Self::ChangeRoles { user, .. } => Some(*user),
            Self::EndSession { .. } | Self::EndEveryone => None,
        }
    }

    pub(super) const fn session(&self) -> Option<SessionId> {
        match self {
            Self::EndSession { session, .. } => Some(*session),
            Self::EndSessions { keep, .. } => *keep,
            Self::ChangeRoles { own, .. } => *own,
            Self::Disable { .. } | Self::EndEveryone => None,
        }
    }

    /// Whether it can be decided on rows that are not locked. What hands out tokens cannot: its session
    /// may have ended since it was read, and nothing that is written would tell.
    pub(super) const fn needs_no_lock(&self) -> bool {
        match self {
            Self::EndSession { .. } | Self::Disable { .. } => true,
            // Whoever changes a password forgets the tries at the old one, too.
            Self::EndSessions { keep, password, .. } => keep.is_none() && password.is_none(),
            Self::ChangeRoles { own, .. } => own.is_none(),
            Self::EndEveryone => false,
        }
    }
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::service) struct Decided {
    /// How many live sessions it ended; unknown where they are not enumerated.
    pub(in crate::service) revoked: Option<u64>,
    pub(in crate::service) position: Position,
    pub(in crate::service) kept: Option<Box<Kept>>,
}

impl Decided {
    pub(super) const fn at(position: Position, revoked: Option<u64>) -> Self {
        Self {
            revoked,
            position,
            kept: None,
        }
    }
}

/// The caller's session that lives on, and its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::service) struct Kept {
    pub(in crate::service) session: SessionRow,
    pub(in crate::service) user: UserRow,
    pub(in crate::service) now: UnixMillis,
}
