//! The truth: what the service's database holds.

use crate::set::Set;
use revocation_events::{KeyId, Position, Revocation, SessionId, Target, UnixMillis, UserId};
use std::sync::OnceLock;
use uuid::Uuid;

/// Time is counted in seconds, because a page's `at` may be one second ahead of a verifier's clock.
pub(crate) type Tick = i8;

/// A position is floored when it is so old. In the contract it is the access TTL + leeway + 60 s.
pub(crate) const FLOOR_AGE: Tick = 2;

/// What the first transaction after a failover adds to the head: more than the positions that are
/// given between two failovers. In the service it is ten minutes of microseconds, and positions are
/// given by the microsecond.
const RAISE: u8 = 10;

/// Whom a revocation ends. Both sessions are the one user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Whom {
    Session(u8),
    User,
    Everyone,
    Key(usize),
}

impl Whom {
    pub(crate) const fn key(self) -> Option<usize> {
        match self {
            Self::Key(key) => Some(key),
            Self::Session(_) | Self::User | Self::Everyone => None,
        }
    }
}

/// When a clock was read: in true time, and in the order of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) tick: Tick,
    /// How many revocations had been committed, and acknowledged, by then.
    pub(crate) commits: u8,
}

/// A clock reading, and what no program knows: when it was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Stamp {
    pub(crate) at: Tick,
    pub(crate) read: Moment,
}

/// One revocation. It is acknowledged in the moment of its commit: the earliest that can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) position: u8,
    pub(crate) whom: Whom,
    /// The greatest head that there ever was before: no token that it kills has a greater `pos`.
    pub(crate) before: u8,
    pub(crate) acknowledged: Tick,
    /// When a failover lost it.
    pub(crate) lost_at: Option<Tick>,
}

/// What the database knows of an entry besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Row {
    /// The head that it followed.
    previous: u8,
    /// By the database's clock.
    stored_at: Tick,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Log {
    /// Everything that was ever committed, lost or pruned: pages tell of it all the same.
    pub(crate) entries: Vec<Entry>,
    rows: Vec<Row>,
    pub(crate) head: u8,
    greatest_head: u8,
    pruned: u8,
    /// What the database's clock is ahead of true time.
    pub(crate) clock: Tick,
    /// When something was lost or pruned the last time.
    pub(crate) shrunk_at: Tick,
    /// Another database took over, and no transaction has found that out yet.
    pub(crate) another: bool,
    failovers: u8,
}

/// `store::Cut` of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cut {
    pub(crate) at: Stamp,
    pub(crate) from: u8,
    pub(crate) to: u8,
    pub(crate) floor: u8,
    pub(crate) revoked: Set,
    pub(crate) more: bool,
}

impl Log {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            rows: Vec::new(),
            head: 0,
            greatest_head: 0,
            pruned: 0,
            clock: 0,
            shrunk_at: 0,
            another: false,
            failovers: 0,
        }
    }

    pub(crate) fn read_clock(&self, now: Tick) -> Stamp {
        Stamp {
            at: now + self.clock,
            read: Moment {
                tick: now,
                commits: u8::try_from(self.entries.len()).unwrap(),
            },
        }
    }

    /// `raised!` in session-api/src/store/postgres/identity.rs: the first transaction that finds
    /// another database than the one that wrote the head. It counts from the clock as well, which has
    /// moved on since the failover before: a raise may be lost, too. (And from what the replica has
    /// seen, for a clock that has not; that is left out.)
    fn raise_if_another(&mut self, raises: bool) {
        if std::mem::take(&mut self.another) && raises {
            let clock = (self.failovers - 1) * 2 * RAISE;
            self.set_head(self.head.max(clock) + RAISE);
        }
    }

    fn set_head(&mut self, head: u8) {
        self.head = head;
        self.greatest_head = head.max(self.greatest_head);
    }

    /// `TAKE` in session-api/src/store/postgres/tx.rs, and the commit. Returns the head before.
    pub(crate) fn commit(&mut self, whom: Whom, now: Tick, raises: bool) -> u8 {
        let previous = self.head;
        self.raise_if_another(raises);
        let position = self.head + 1;
        let before = self.greatest_head;
        self.set_head(position);
        self.entries.push(Entry {
            position,
            whom,
            before,
            acknowledged: now,
            lost_at: None,
        });
        self.rows.push(Row {
            previous,
            stored_at: now + self.clock,
        });
        previous
    }

    /// A standby takes over that lacks the last `lost` commits.
    pub(crate) fn fail_over(&mut self, lost: u8, now: Tick) {
        let entries = self.entries.iter_mut().zip(&self.rows).rev();
        let here = entries.filter(|(entry, _)| entry.lost_at.is_none());
        for (entry, row) in here.take(lost.into()) {
            entry.lost_at = Some(now);
            self.head = row.previous;
        }
        self.another = true;
        self.failovers += 1;
        self.shrunk_at = now;
    }

    /// Whether the table `revocation` holds it. A key's are never pruned.
    fn holds(&self, entry: &Entry) -> bool {
        entry.lost_at.is_none() && (entry.position >= self.pruned || entry.whom.key().is_some())
    }

    /// `floor!` in session-api/src/store/statements.rs.
    fn floor(&self, clock: Tick) -> u8 {
        let held = self.entries.iter().zip(&self.rows);
        let old = held
            .filter(|(entry, row)| self.holds(entry) && row.stored_at <= clock - FLOOR_AGE)
            .max_by_key(|(entry, row)| (row.stored_at, entry.position));
        old.map_or(self.pruned, |(entry, _)| entry.position.max(self.pruned))
    }

    /// `mark_pruned` and `prune_revocations` in session-api/src/store/statements.rs.
    pub(crate) fn prune(&mut self, now: Tick) {
        self.pruned = self.floor(now + self.clock);
        self.shrunk_at = now;
    }

    pub(crate) fn has_to_prune(&self, now: Tick) -> bool {
        self.floor(now + self.clock) > self.pruned
    }

    /// `cut` in session-api/src/store/postgres/cut.rs. `at` was read when its transaction began.
    pub(crate) fn cut(&mut self, at: Stamp, from: u8, limit: usize, raises: bool) -> Cut {
        self.raise_if_another(raises);
        let (head, floor) = (self.head, self.floor(at.at));
        // Else the service makes no page (`Error::Behind`): such a log has lost its end, and nothing
        // has raised the head since.
        assert!(
            from <= head || !raises,
            "a failover that raises loses no head"
        );
        let from = from.min(head).max(self.pruned);
        let mut revoked: Vec<_> = self.revocations(from, head).iter().collect();
        // `Cut::new` in session-api/src/store/types.rs.
        let more = revoked.len() > limit;
        revoked.truncate(limit);
        let last = revoked.last().filter(|_| more);
        let to = last.map_or(head, |last| self.entries[*last].position);
        Cut {
            at,
            from,
            to,
            floor: floor.min(to),
            revoked: revoked.into_iter().collect(),
            more,
        }
    }

    /// `Store::revocations`: those in `(after, to]` that are still there. Set are in the order of
    /// positions, except where positions are given twice.
    pub(crate) fn revocations(&self, after: u8, to: u8) -> Set {
        let inside =
            |entry: &Entry| self.holds(entry) && entry.position > after && entry.position <= to;
        let entries = self.entries.iter().enumerate();
        let inside = entries.filter(|(_, entry)| inside(entry));
        inside.map(|(index, _)| index).collect()
    }

    pub(crate) const fn pruned(&self) -> u8 {
        self.pruned
    }

    pub(crate) fn revoked_keys(&self) -> Set {
        let here = self.entries.iter().filter(|entry| entry.lost_at.is_none());
        revoked_keys(here)
    }
}

const KEYS: usize = 3;

pub(crate) const ALL_KEYS: Set = Set::below(KEYS);

/// What the table of keys says after `entries`. All others are in the key set: the next one is
/// published before it signs.
pub(crate) fn revoked_keys<'e>(entries: impl Iterator<Item = &'e Entry>) -> Set {
    entries.filter_map(|entry| entry.whom.key()).collect()
}

/// The key that signs.
pub(crate) fn signer(revoked: Set) -> usize {
    let mut live = ALL_KEYS.without(revoked).iter();
    live.next().expect("the last key is never revoked")
}

pub(crate) fn revocation(entry: &Entry) -> Revocation {
    Revocation {
        position: position(entry.position),
        target: target(entry.whom),
    }
}

impl std::fmt::Debug for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Moment { tick, commits } = self.read;
        write!(f, "{}(read at {tick} after {commits} commits)", self.at)
    }
}

pub(crate) fn position(value: u8) -> Position {
    Position::new(value.into()).unwrap()
}

pub(crate) fn millis(tick: Tick) -> UnixMillis {
    UnixMillis::new(1_000_000_000_u64.saturating_add_signed(i64::from(tick) * 1_000))
}

pub(crate) fn kid(key: usize) -> KeyId {
    static NAMES: OnceLock<[KeyId; KEYS]> = OnceLock::new();
    let names = NAMES.get_or_init(|| ["k0", "k1", "k2"].map(|name| name.parse().unwrap()));
    names[key].clone()
}

pub(crate) fn target(whom: Whom) -> Target {
    match whom {
        Whom::Session(number) => Target::Session(SessionId::new(Uuid::from_u128(number.into()))),
        Whom::User => Target::User {
            id: UserId::new(Uuid::nil()),
            refresh: false,
        },
        Whom::Everyone => Target::Everyone,
        Whom::Key(key) => Target::Key(kid(key)),
    }
}
