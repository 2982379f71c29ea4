//! The truth: what the service's database holds.

use revocation_events::{KeyId, Position, Revocation, SessionId, Target, UserId};
use uuid::Uuid;

/// The oldest position that matters was stored this long ago. In the contract it is the access
/// TTL + leeway + 60 s, some 16 minutes; here everything happens faster.
pub(crate) const FLOOR_AGE: u64 = 3_000;

pub(crate) const SESSIONS: u8 = 3;

/// A point in true time, and in the order of everything that happens in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) order: u64,
    pub(crate) ms: u64,
}

/// One committed revocation.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) revocation: Revocation,
    pub(crate) committed: Moment,
    /// The head before it: the greatest `pos` of a token that it kills.
    pub(crate) before: Position,
}

/// Every revocation, and every value that the head ever had.
pub(crate) struct Log {
    pub(crate) entries: Vec<Entry>,
    /// With the database's clock when it was stored.
    heads: Vec<(Position, u64)>,
    keys: Vec<Key>,
}

struct Key {
    kid: KeyId,
    live: bool,
}

pub(crate) fn session(number: u8) -> SessionId {
    SessionId::new(Uuid::from_u128(0x5E55_0000 + u128::from(number % SESSIONS)))
}

/// The first two sessions are one user's.
pub(crate) fn user_of(session: u8) -> UserId {
    UserId::new(Uuid::from_u128(
        0x05E2_0000 + u128::from(session % SESSIONS / 2),
    ))
}

fn position(value: u64) -> Position {
    Position::new(value).unwrap()
}

impl Log {
    pub(crate) fn new(database_clock: u64) -> Self {
        let mut log = Self {
            entries: Vec::new(),
            heads: vec![(Position::ZERO, 0)],
            keys: Vec::new(),
        };
        log.add_key();
        log.add_key();
        log.bump(0, database_clock);
        log
    }

    pub(crate) fn head(&self) -> Position {
        self.heads.last().map_or(Position::ZERO, |(head, _)| *head)
    }

    fn next(&self, database_clock: u64) -> u64 {
        (self.head().get() + 1).max(database_clock * 1_000)
    }

    pub(crate) fn commit(&mut self, target: Target, committed: Moment, database_clock: u64) {
        if let Target::Key(kid) = &target {
            let key = self.keys.iter_mut().find(|key| key.kid == *kid);
            key.unwrap().live = false;
        }
        let before = self.head();
        let position = position(self.next(database_clock));
        self.heads.push((position, database_clock));
        self.entries.push(Entry {
            revocation: Revocation { position, target },
            committed,
            before,
        });
    }

    /// The head moves without a revocation, as after a failover.
    pub(crate) fn bump(&mut self, by: u64, database_clock: u64) {
        let head = position(self.next(database_clock) + by);
        self.heads.push((head, database_clock));
    }

    /// The greatest position that was stored at least [`FLOOR_AGE`] ago.
    pub(crate) fn floor(&self, database_clock: u64) -> Position {
        let old = |(_, stored): &&(Position, u64)| stored + FLOOR_AGE <= database_clock;
        let floor = self.heads.iter().filter(old).map(|(head, _)| *head).max();
        floor.unwrap_or_default()
    }

    pub(crate) fn had(&self, position: Position) -> bool {
        self.heads.iter().any(|(head, _)| *head == position)
    }

    pub(crate) fn revocations(&self, from: Position, to: Position) -> Vec<Revocation> {
        let all = self.entries.iter().map(|entry| &entry.revocation);
        let inside = all.filter(|one| one.position > from && one.position <= to);
        inside.cloned().collect()
    }

    pub(crate) fn add_key(&mut self) {
        let kid = format!("k{}", self.keys.len()).parse().unwrap();
        self.keys.push(Key { kid, live: true });
    }

    /// What the key set of this moment holds.
    pub(crate) fn live_keys(&self) -> Vec<KeyId> {
        let live = self.keys.iter().filter(|key| key.live);
        live.map(|key| key.kid.clone()).collect()
    }

    /// Those that the service names again in every page.
    pub(crate) fn revoked_keys(&self) -> Vec<KeyId> {
        let revoked = self.keys.iter().filter(|key| !key.live);
        revoked.map(|key| key.kid.clone()).collect()
    }

    /// Any key, dead ones too.
    pub(crate) fn key(&self, number: u8) -> KeyId {
        self.keys[usize::from(number) % self.keys.len()].kid.clone()
    }
}
