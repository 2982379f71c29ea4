//! The revoked set: for each session, user and everyone, the greatest position at which it was
//! revoked.
//!
//! One task inserts, any number of threads look up. Entries lie in two buckets, and new ones go to
//! the younger. When the floor has passed all of the older, it is dropped whole and the younger
//! takes its place: nobody ever scans for what is old. So at most two floors' worth of revocations
//! is held, about 90 bytes each.

use crate::error::Reason;
use papaya::HashMap;
use revocation_events::{Position, Revocation, SessionId, Target, UserId};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

/// All cut-offs that may still matter, but those of keys.
#[derive(Default)]
pub(crate) struct Cutoffs {
    /// Written only to exchange buckets; held for a few look-ups, never across I/O.
    buckets: RwLock<Buckets>,
    everyone: AtomicU64,
    generation: AtomicU64,
}

#[derive(Default)]
struct Buckets {
    young: Bucket,
    old: Bucket,
}

/// Cut-offs that are dropped together.
#[derive(Default)]
pub(crate) struct Bucket {
    sessions: HashMap<SessionId, Position>,
    users: HashMap<UserId, UserCutoff>,
    greatest: AtomicU64,
}

/// Kept apart, so that a token from before a change of roles can be told from a dead session's.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct UserCutoff {
    ended: Position,
    refresh: Position,
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
        {
            let buckets = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
            for entry in revoked {
                changed |= match &entry.target {
                    Target::Session(id) => buckets.young.end_session(*id, entry.position),
                    Target::User { id, refresh } => {
                        buckets.young.cut_user(*id, entry.position, *refresh)
                    }
                    Target::Everyone => {
                        let position = entry.position.get();
                        self.everyone.fetch_max(position, Ordering::Release) < position
                    }
                    Target::Key(_) => false,
                };
            }
        }
        if changed {
            self.next_generation();
        }
        changed
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
        let buckets = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
        let buckets = [&buckets.young, &buckets.old];
        if buckets
            .iter()
            .any(|bucket| bucket.session(session) > position)
        {
            return Err(Reason::Revoked);
        }
        let users = buckets.map(|bucket| bucket.user(user));
        if users.iter().any(|user| user.ended > position) {
            return Err(Reason::Revoked);
        }
        if users.iter().any(|user| user.refresh > position) {
            return Err(Reason::RolesChanged);
        }
        Ok(())
    }

    /// Takes out the bucket that lies at or below `floor` as a whole, if there is one. Show the
    /// floor first. Freeing it may take a while: drop it where nobody waits.
    pub(crate) fn take_out(&self, floor: Position) -> Option<Bucket> {
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        if buckets.old.greatest() > floor || buckets.young.greatest() == Position::ZERO {
            return None;
        }
        let young = std::mem::take(&mut buckets.young);
        Some(std::mem::replace(&mut buckets.old, young))
    }

    /// How many sessions and users have a cut-off.
    pub(crate) fn len(&self) -> usize {
        let buckets = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
        [&buckets.young, &buckets.old].map(Bucket::len).iter().sum()
    }
}

impl Bucket {
    fn session(&self, id: SessionId) -> Position {
        self.sessions.pin().get(&id).copied().unwrap_or_default()
    }

    fn user(&self, id: UserId) -> UserCutoff {
        self.users.pin().get(&id).copied().unwrap_or_default()
    }

    // Look first, then insert: that is a race between two writers, and there is but one.
    fn end_session(&self, id: SessionId, position: Position) -> bool {
        let later = position > self.session(id);
        if later {
            self.sessions.pin().insert(id, position);
            self.greatest.fetch_max(position.get(), Ordering::Relaxed);
        }
        later
    }

    fn cut_user(&self, id: UserId, position: Position, refresh: bool) -> bool {
        let old = self.user(id);
        let mut new = old;
        let cutoff = if refresh {
            &mut new.refresh
        } else {
            &mut new.ended
        };
        *cutoff = position.max(*cutoff);
        if new != old {
            self.users.pin().insert(id, new);
            self.greatest.fetch_max(position.get(), Ordering::Relaxed);
        }
        new != old
    }

    fn greatest(&self) -> Position {
        Position::new(self.greatest.load(Ordering::Relaxed)).unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.sessions.len() + self.users.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use uuid::Uuid;

    fn pos(value: u64) -> Position {
        Position::new(value).unwrap()
    }

    fn session(n: u128) -> SessionId {
        SessionId::new(Uuid::from_u128(n))
    }

    fn user(n: u128) -> UserId {
        UserId::new(Uuid::from_u128(n))
    }

    fn revoked(position: u64, target: Target) -> [Revocation; 1] {
        [Revocation {
            position: pos(position),
            target,
        }]
    }

    fn refresh(id: UserId) -> Target {
        Target::User { id, refresh: true }
    }

    fn ended(id: UserId) -> Target {
        Target::User { id, refresh: false }
    }

    #[test]
    fn only_positions_below_a_cut_off_are_dead() {
        let cutoffs = Cutoffs::default();
        cutoffs.insert(&revoked(5, Target::Session(session(1))));
        assert_eq!(
            cutoffs.check(session(1), user(1), pos(4)),
            Err(Reason::Revoked)
        );
        assert_eq!(cutoffs.check(session(1), user(1), pos(5)), Ok(()));
        assert_eq!(cutoffs.check(session(2), user(1), pos(4)), Ok(()));
        cutoffs.insert(&revoked(7, Target::Everyone));
        assert_eq!(
            cutoffs.check(session(2), user(2), pos(6)),
            Err(Reason::Revoked)
        );
        assert_eq!(cutoffs.check(session(2), user(2), pos(7)), Ok(()));
    }

    #[test]
    fn changed_roles_are_told_from_an_ended_user_in_any_order() {
        for turn in [[0, 1], [1, 0]] {
            let cutoffs = Cutoffs::default();
            for which in turn {
                let entry = [revoked(5, ended(user(1))), revoked(9, refresh(user(1)))];
                cutoffs.insert(&entry[which]);
            }
            assert_eq!(
                cutoffs.check(session(1), user(1), pos(4)),
                Err(Reason::Revoked)
            );
            assert_eq!(
                cutoffs.check(session(1), user(1), pos(5)),
                Err(Reason::RolesChanged)
            );
            assert_eq!(cutoffs.check(session(1), user(1), pos(9)), Ok(()));
        }
    }

    #[test]
    fn an_older_copy_neither_lowers_a_cut_off_nor_starts_a_generation() {
        let cutoffs = Cutoffs::default();
        assert!(cutoffs.insert(&revoked(9, Target::Session(session(1)))));
        let generation = cutoffs.generation();
        assert!(!cutoffs.insert(&revoked(9, Target::Session(session(1)))));
        assert!(!cutoffs.insert(&revoked(3, Target::Session(session(1)))));
        assert_eq!(cutoffs.generation(), generation);
        assert_eq!(
            cutoffs.check(session(1), user(1), pos(8)),
            Err(Reason::Revoked)
        );
        assert!(cutoffs.insert(&revoked(10, refresh(user(1)))));
        assert_eq!(cutoffs.generation(), generation + 1);
    }

    #[test]
    fn a_bucket_goes_only_when_the_floor_has_passed_all_of_it() {
        let cutoffs = Cutoffs::default();
        let dead = |n| cutoffs.check(session(n), user(0), pos(0)).is_err();
        cutoffs.insert(&revoked(10, Target::Session(session(1))));
        // Nothing is in the older bucket yet, so the younger one can take its place at once.
        assert_eq!(cutoffs.take_out(pos(0)).map(|bucket| bucket.len()), Some(0));
        cutoffs.insert(&revoked(20, Target::Session(session(2))));
        assert!(cutoffs.take_out(pos(9)).is_none());
        assert!(dead(1) && dead(2));
        assert_eq!(
            cutoffs.take_out(pos(10)).map(|bucket| bucket.len()),
            Some(1)
        );
        assert!(!dead(1) && dead(2));
        assert!(
            cutoffs.take_out(pos(30)).is_none(),
            "an empty bucket is kept"
        );
        cutoffs.insert(&revoked(40, Target::Session(session(3))));
        assert_eq!(
            cutoffs.take_out(pos(30)).map(|bucket| bucket.len()),
            Some(1)
        );
        assert_eq!(cutoffs.len(), 1);
    }

    #[test]
    fn a_reader_that_saw_the_generation_sees_the_cut_off() {
        const ROUNDS: u64 = 20_000;
        let cutoffs = Cutoffs::default();
        let done = AtomicBool::new(false);
        std::thread::scope(|threads| {
            let reader = threads.spawn(|| {
                let mut looked = 0_u64;
                while !done.load(Ordering::Relaxed) {
                    // Generation n is only reached after position n was cut off.
                    let generation = cutoffs.generation();
                    if let Some(before) = generation.checked_sub(1) {
                        let verdict = cutoffs.check(session(1), user(1), pos(before));
                        assert_eq!(verdict, Err(Reason::Revoked), "generation {generation}");
                        looked += 1;
                    }
                }
                looked
            });
            for position in 1..=ROUNDS {
                cutoffs.insert(&revoked(position, Target::Session(session(1))));
                if position % 100 == 0 {
                    drop(cutoffs.take_out(pos(position - 50)));
                }
            }
            done.store(true, Ordering::Relaxed);
            assert!(reader.join().unwrap() > 0);
        });
    }
}
