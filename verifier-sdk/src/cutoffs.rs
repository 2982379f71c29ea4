//! The revoked set: for each session, user and everyone, the greatest position at which it was
//! revoked.
//!
//! One task inserts, any number of threads look up. Entries lie in two buckets, the halves of a
//! [set of fingerprints](crate::revoked_set), and new ones go to the younger. When the floor has passed
//! all of the older, it is dropped whole and the younger takes its place: nobody ever scans for what
//! is old. So at most two floors' worth of revocations is held, about 25 bytes each where they are many.
//!
//! A user has one entry: the greatest position of all, and whether a change of roles stands there.
//! Where such a change came after the user's end, a second entry keeps that end, so that a token from
//! before a change of roles can be told from a dead session's.

use crate::error::Reason;
use crate::keyed::Keyed;
use crate::revoked_set::{Expired, Fingerprint, RevokedSet, Writing};
use revocation_events::{Position, Revocation, SessionId, Target, UserId};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// All cut-offs that may still matter, but those of keys.
#[derive(Default)]
pub(crate) struct Cutoffs {
    hash: Keyed,
    set: RevokedSet,
    everyone: AtomicU64,
    generation: AtomicU64,
    greatest: Mutex<Greatest>,
}

/// The greatest position in each bucket. For the task that inserts.
#[derive(Default)]
struct Greatest {
    young: Position,
    old: Position,
}

/// Whose an entry is.
#[derive(Clone, Copy)]
enum Kind {
    Session,
    User,
    /// A user's end, where a change of roles came after it.
    UserEnded,
}

/// What an entry says: a position below 2^53, and whether a change of roles stands there. Zero where
/// there is no entry.
#[derive(Clone, Copy)]
struct Cutoff(u64);

const REFRESH: u64 = 1 << 63;

impl Cutoff {
    fn position(self) -> Position {
        Position::new(self.0 & !REFRESH).unwrap_or_default()
    }

    const fn is_refresh(self) -> bool {
        self.0 & REFRESH != 0
    }
}

impl Cutoffs {
    /// Counts the changes after which a token that was alive may be dead. A reader that loads it
    /// *before* it looks up knows that its answer holds until the number changes.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Makes every reader look again: after inserts, and when the keys have changed.
    pub(crate) fn next_generation(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Inserts the cut-offs of a page, those of keys excepted, and starts a new generation where
    /// anything changed.
    pub(crate) fn insert<'r>(&self, revoked: impl IntoIterator<Item = &'r Revocation>) -> bool {
        let mut changed = false;
        let mut greatest = self.greatest();
        let mut set = self.set.writing();
        for Revocation { position, target } in revoked {
            let kept = match target {
                Target::Session(id) => {
                    let session = self.fingerprint(Kind::Session, id.uuid());
                    raise(&mut set, session, *position)
                }
                Target::User { id, refresh } => self.cut_user(&mut set, *id, *position, *refresh),
                Target::Everyone => {
                    let position = position.get();
                    changed |= self.everyone.fetch_max(position, Ordering::Release) < position;
                    false
                }
                Target::Key(_) => false,
            };
            if kept {
                greatest.young = greatest.young.max(*position);
                changed = true;
            }
        }
        drop((set, greatest));
        if changed {
            self.next_generation();
        }
        changed
    }

    fn cut_user(
        &self,
        set: &mut Writing<'_>,
        id: UserId,
        position: Position,
        refresh: bool,
    ) -> bool {
        let user = self.fingerprint(Kind::User, id.uuid());
        let ended = self.fingerprint(Kind::UserEnded, id.uuid());
        let known = Cutoff(set.young(user));
        if position > known.position() {
            let mut new = position.get();
            if refresh {
                // The end first: whoever sees the change of roles looks for it.
                if !known.is_refresh() {
                    raise(set, ended, known.position());
                }
                new |= REFRESH;
            }
            set.put(user, new);
            true
        } else {
            !refresh && known.is_refresh() && raise(set, ended, position)
        }
    }

    /// Whether a token of this session and user, minted at `position`, is dead, and why.
    pub(crate) fn check(
        &self,
        session: SessionId,
        user: UserId,
        position: Position,
    ) -> Result<(), Reason> {
        if self.everyone.load(Ordering::Acquire) > position.get() {
            return Err(Reason::Revoked);
        }
        if self.session_is_cut(session, position) {
            return Err(Reason::Revoked);
        }
        let above = |kind| {
            let cutoffs = self.look_up(kind, user.uuid());
            cutoffs.map(|cutoff| (cutoff.position() > position, cutoff.is_refresh()))
        };
        let of_user = above(Kind::User);
        if !of_user.iter().any(|(above, _)| *above) {
            return Ok(());
        }
        let ended = above(Kind::UserEnded);
        let ends = of_user.iter().filter(|(_, refresh)| !refresh).chain(&ended);
        if ends.into_iter().any(|(above, _)| *above) {
            Err(Reason::Revoked)
        } else {
            Err(Reason::RolesChanged)
        }
    }

    /// Whether the session was ended after `position`, whatever became of its user and of everyone.
    pub(crate) fn session_is_cut(&self, session: SessionId, position: Position) -> bool {
        let cutoffs = self.look_up(Kind::Session, session.uuid());
        cutoffs.iter().any(|cutoff| cutoff.position() > position)
    }

    /// What the younger and the older bucket say.
    fn look_up(&self, kind: Kind, id: Uuid) -> [Cutoff; 2] {
        self.set.get(self.fingerprint(kind, id)).map(Cutoff)
    }

    /// Takes out the bucket that lies at or below `floor` as a whole, if there is one. Show the
    /// floor first. Freeing it may take a while: drop it where nobody waits.
    pub(crate) fn take_out(&self, floor: Position) -> Option<Expired> {
        let mut greatest = self.greatest();
        if greatest.old > floor || greatest.young == Position::ZERO {
            return None;
        }
        greatest.old = std::mem::take(&mut greatest.young);
        Some(self.set.writing().expire())
    }

    /// How many sessions and users have a cut-off.
    pub(crate) fn len(&self) -> usize {
        self.set.len()
    }

    fn fingerprint(&self, kind: Kind, id: Uuid) -> Fingerprint {
        let (high, low) = id.as_u64_pair();
        Fingerprint::new(self.hash.of([high, low], kind as u64))
    }

    fn greatest(&self) -> MutexGuard<'_, Greatest> {
        self.greatest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Raises a cut-off that is no change of roles. True where it was lower in both halves: pages overlap,
/// and a copy of what is in the older half need not be in the younger one too. It is gone with that half,
/// when the floor has passed it. (To look first and then to put is a race between two writers, and there
/// is but one.)
fn raise(set: &mut Writing<'_>, subject: Fingerprint, position: Position) -> bool {
    let known = set.get(subject).map(|number| Cutoff(number).position());
    let later = known.iter().all(|known| position > *known);
    if later {
        set.put(subject, position.get());
    }
    later
}

#[cfg(test)]
mod tests;
