//! Tokens that were verified before, so that a client's next request costs no signature check.
//!
//! A token is found by its whole text. What the entry says is that the signature and the claims
//! were right and that, at some generation of the [cut-offs](crate::cutoffs), the token was alive;
//! the caller compares the rest in each call.
//!
//! ```text
//!  a thread's own table ──► a shared table, in shards ──► the signature
//!  (no lock, no counter     (a shard is locked while an
//!   that others touch)       entry is copied)
//! ```
//!
//! Each thread that verifies has a table, and in it a counter of its own for each token's session: so
//! one hot token on many threads is no place where they meet. What one thread has verified the others
//! find in the shared table, and copy what little is theirs alone. Half of the memory is for the shared
//! table, for a token that is not there costs a signature. The other half is for twice as many threads
//! as the machine has processors, in equal parts; threads beyond these go to the shared table each time.
//! What two tables share is counted in both.
//!
//! Only what was verified enters. Which entries make room for others is written in [`slab`]; those of
//! dead tokens leave the shared table [now and then](Cache::sweep), and a thread's own when others need
//! their place.

mod slab;
#[cfg(test)]
mod tests;

use crate::keyed::Keyed;
use crate::session::Session;
use revocation_events::{Position, UnixMillis};
use slab::Slab;
use std::cell::RefCell;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use thread_local::ThreadLocal;

/// What an entry takes beside its text and its session: its place, in a table of which five eighths may
/// be vacant, and what the allocator adds. A table does not shrink: one that was full of short tokens, and
/// is now of long ones, takes up to a tenth more than its bound.
const OVERHEAD: usize = 3 * size_of::<Entry>();

/// Of the shared table. Threads meet there only for tokens that one of them does not know.
const SHARDS: usize = 16;

/// Entries that are looked at in each shard whenever somebody [sweeps](Cache::sweep).
const SWEPT: usize = 512;

/// A bounded set of verified tokens.
pub(crate) struct Cache {
    hash: Keyed,
    shared: Box<[Mutex<Slab>]>,
    /// For each shard, in bytes.
    shard_bytes: usize,
    own: ThreadLocal<Own>,
    /// For each thread's table, in bytes.
    own_bytes: usize,
    /// How many threads may have a table.
    most_tables: usize,
    /// How many threads have asked for one. One that has ended leaves its place to the next that begins.
    threads: AtomicUsize,
}

/// The table of one thread, if it may have one, with no other's on the same line of memory.
#[repr(align(128))]
struct Own(Option<RefCell<Slab>>);

/// A verified token. What is looked at in each call is here and not in the session, so that a hit
/// touches one line of memory beside the text.
#[repr(align(64))]
pub(crate) struct Entry {
    text: Arc<[u8]>,
    session: Session,
    /// The generation of the cut-offs at which it was alive, loaded before they were looked up.
    pub(crate) checked: u64,
    pub(crate) position: Position,
    pub(crate) dies_at: UnixMillis,
    hash: u64,
    /// The generation of the keys at which its key was good, loaded before that was looked up.
    pub(crate) keys: u32,
    size: u16,
    /// Found since the hand was last there.
    used: bool,
}

impl Entry {
    pub(crate) const fn session(&self) -> &Session {
        &self.session
    }

    fn is(&self, hash: u64, text: &[u8]) -> bool {
        if self.hash != hash {
            return false;
        }
        // Reads the session's count, which is written next: so its line of memory comes while the text is
        // compared, and not after that.
        black_box(self.session.holders());
        *self.text == *text
    }

    /// For another table: with a counter of its own for its session.
    fn copy(&self) -> Self {
        Self {
            text: Arc::clone(&self.text),
            session: self.session.apart(),
            used: false,
            ..*self
        }
    }
}

impl Cache {
    /// At most `budget` bytes.
    pub(crate) fn new(budget: usize) -> Self {
        let threads = available_parallelism().map_or(1, usize::from);
        let (shared, most_tables) = (budget / 2, 2 * threads);
        Self::of(
            shared / SHARDS,
            (budget - shared) / most_tables,
            most_tables,
        )
    }

    /// A table of so many bytes in each shard and for each of so many threads.
    fn of(shard_bytes: usize, own_bytes: usize, most_tables: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Slab::new(shard_bytes)));
        Self {
            hash: Keyed::default(),
            shared: shards.collect(),
            shard_bytes,
            own: ThreadLocal::new(),
            own_bytes,
            most_tables,
            threads: AtomicUsize::new(0),
        }
    }

    /// Gives the entry of this very text to `judge`, and forgets it where the answer is `None`. `judge`
    /// may be called under a lock, and must not call back.
    pub(crate) fn find<T>(
        &self,
        text: &[u8],
        judge: impl Fn(&mut Entry) -> Option<T>,
    ) -> Option<T> {
        let hash = self.hash(text)?;
        let verdict = if let Some(own) = self.own()
            && let Some(entry) = own.borrow_mut().find(hash, text)
        {
            judge(entry)
        } else {
            self.find_shared(hash, text, judge)?
        };
        if verdict.is_none() {
            self.remove(text);
        }
        verdict
    }

    /// As [`find`](Self::find), where this thread does not know the token. The outer `None` says that
    /// nobody does.
    #[inline(never)]
    fn find_shared<T>(
        &self,
        hash: u64,
        text: &[u8],
        judge: impl Fn(&mut Entry) -> Option<T>,
    ) -> Option<Option<T>> {
        let mut shard = self.shard(hash);
        let entry = shard.find(hash, text)?;
        let Some(own) = self.own() else {
            return Some(judge(entry));
        };
        let mut copy = entry.copy();
        drop(shard);
        let verdict = judge(&mut copy);
        if verdict.is_some() {
            own.borrow_mut().insert(copy);
        }
        Some(verdict)
    }

    /// Keeps a token that was alive at those generations of the cut-offs and of the keys.
    pub(crate) fn insert(&self, text: &[u8], session: &Session, (checked, keys): (u64, u32)) {
        let size = OVERHEAD + text.len() + session.size();
        let (Some(hash), Ok(entry_size)) = (self.hash(text), u16::try_from(size)) else {
            return;
        };
        if size > self.shard_bytes {
            return;
        }
        let token = session.token();
        let entry = Entry {
            text: text.into(),
            session: session.clone(),
            checked,
            position: token.position(),
            dies_at: token.dies_at(),
            hash,
            keys,
            size: entry_size,
            used: false,
        };
        self.shard(hash).insert(entry.copy());
        if let Some(own) = self.own() {
            own.borrow_mut().insert(entry);
        }
    }

    /// Forgets a token, in this thread and where others would find it.
    pub(crate) fn remove(&self, text: &[u8]) {
        let Some(hash) = self.hash(text) else {
            return;
        };
        self.shard(hash).remove(hash, text);
        if let Some(own) = self.own() {
            own.borrow_mut().remove(hash, text);
        }
    }

    /// Drops some entries of dead tokens from the shared table. Call it now and then.
    pub(crate) fn sweep(&self, now: UnixMillis) {
        for shard in &self.shared {
            lock(shard).sweep(SWEPT, now);
        }
    }

    /// This thread's table, if it may have one.
    fn own(&self) -> Option<&RefCell<Slab>> {
        let new = || {
            let before = self.threads.fetch_add(1, Ordering::Relaxed);
            let may = before < self.most_tables;
            Own(may.then(|| RefCell::new(Slab::new(self.own_bytes))))
        };
        self.own.get_or(new).0.as_ref()
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Slab> {
        lock(&self.shared[(hash >> 32) as usize % SHARDS])
    }

    /// The end of a token is the end of its signature, as random as a hash of the whole. A stranger
    /// cannot fill a table with texts of one end: only tokens whose signature is right are inserted.
    fn hash(&self, text: &[u8]) -> Option<u64> {
        let [start, end] = text.last_chunk::<16>()?.as_chunks::<8>().0 else {
            return None;
        };
        let halves = [start, end].map(|half| u64::from_le_bytes(*half));
        Some(self.hash.of(halves, 0))
    }
}

fn lock(shard: &Mutex<Slab>) -> MutexGuard<'_, Slab> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
