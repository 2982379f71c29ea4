//! The newest part of the log, held without a gap.

use crate::relay::Committed;
use crate::store::Cut;
use revocation_events::{Position, Revocation};
use std::collections::VecDeque;

/// Revocations that are held at most. Older ones are read from the store when they are needed.
const CAPACITY: usize = 10_000;

/// All revocations in `(from, to]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    from: Position,
    to: Position,
    revoked: VecDeque<Revocation>,
}

/// What was given does not follow: something in between is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap;

impl Tail {
    /// Holds nothing, and begins at `position`.
    pub(super) const fn starting_at(position: Position) -> Self {
        Self {
            from: position,
            to: position,
            revoked: VecDeque::new(),
        }
    }

    pub(super) const fn to(&self) -> Position {
        self.to
    }

    /// Adds what this process just committed.
    pub(super) fn add_committed(&mut self, committed: &Committed) -> Result<(), Gap> {
        self.add(committed.previous, committed.to, &committed.revoked)
    }

    /// Adds what was read from the store.
    pub(super) fn add_cut(&mut self, cut: &Cut) -> Result<(), Gap> {
        self.add(cut.from, cut.to, &cut.revoked)
    }

    fn add(&mut self, from: Position, to: Position, revoked: &[Revocation]) -> Result<(), Gap> {
        if from > self.to {
            return Err(Gap);
        }
        let known = self.to;
        self.revoked.extend(
            revoked
                .iter()
                .filter(|entry| entry.position > known)
                .cloned(),
        );
        self.to = self.to.max(to);
        while self.revoked.len() > CAPACITY {
            if let Some(dropped) = self.revoked.pop_front() {
                self.from = dropped.position;
            }
        }
        Ok(())
    }

    /// All revocations in `(from, to]`, and `from`; nothing where the tail does not reach back so far.
    pub(super) fn since(&self, from: Position) -> Option<(Position, Vec<Revocation>)> {
        let after = |entry: &&Revocation| entry.position > from;
        (from >= self.from).then(|| (from, self.revoked.iter().filter(after).cloned().collect()))
    }

    /// All that it holds, and after which position that begins.
    pub(super) fn all(&self) -> (Position, Vec<Revocation>) {
        (self.from, self.revoked.iter().cloned().collect())
    }

    /// Forgets what nobody will ask for again.
    pub(super) fn trim(&mut self, below: Position) {
        while self
            .revoked
            .front()
            .is_some_and(|entry| entry.position <= below)
        {
            self.revoked.pop_front();
        }
        self.from = self.from.max(below.min(self.to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use revocation_events::{Target, UnixMillis};

    fn pos(value: u64) -> Position {
        Position::new(value).unwrap()
    }

    fn committed(previous: u64, positions: &[u64]) -> Committed {
        let revoked = positions
            .iter()
            .map(|p| Revocation {
                position: pos(*p),
                target: Target::Everyone,
            })
            .collect();
        Committed {
            at: UnixMillis::new(0),
            previous: pos(previous),
            to: pos(positions.last().copied().unwrap_or(previous)),
            revoked,
        }
    }

    fn positions(tail: &Tail, from: u64) -> Option<Vec<u64>> {
        Some(
            tail.since(pos(from))?
                .1
                .iter()
                .map(|entry| entry.position.get())
                .collect(),
        )
    }

    #[test]
    fn what_follows_is_added_once() {
        let mut tail = Tail::starting_at(pos(10));
        assert_eq!(tail.add_committed(&committed(10, &[12, 13])), Ok(()));
        assert_eq!(tail.add_committed(&committed(10, &[12, 13])), Ok(()));
        assert_eq!(tail.add_committed(&committed(13, &[20])), Ok(()));
        assert_eq!(
            (tail.to(), positions(&tail, 10)),
            (pos(20), Some(vec![12, 13, 20]))
        );
        assert_eq!(positions(&tail, 12), Some(vec![13, 20]));
        assert_eq!(positions(&tail, 9), None);
    }

    #[test]
    fn what_does_not_follow_changes_nothing() {
        let mut tail = Tail::starting_at(pos(10));
        assert_eq!(tail.add_committed(&committed(11, &[12])), Err(Gap));
        // Even if it holds nothing: a heartbeat would deny what lies between.
        assert_eq!(tail.add_committed(&committed(11, &[])), Err(Gap));
        assert_eq!(tail, Tail::starting_at(pos(10)));
    }

    #[test]
    fn trimming_keeps_what_is_above() {
        let mut tail = Tail::starting_at(pos(10));
        tail.add_committed(&committed(10, &[12, 13])).unwrap();
        tail.trim(pos(12));
        assert_eq!(
            (positions(&tail, 12), positions(&tail, 11)),
            (Some(vec![13]), None)
        );
        tail.trim(pos(99));
        assert_eq!((tail.to(), positions(&tail, 13)), (pos(13), Some(vec![])));
    }

    #[test]
    fn it_holds_no_more_than_its_capacity() {
        let mut tail = Tail::starting_at(pos(0));
        for p in 0..CAPACITY as u64 + 5 {
            tail.add_committed(&committed(p, &[p + 1])).unwrap();
        }
        assert_eq!(tail.since(pos(4)), None);
        assert_eq!(
            tail.since(pos(5)).map(|(_, entries)| entries.len()),
            Some(CAPACITY)
        );
    }
}
