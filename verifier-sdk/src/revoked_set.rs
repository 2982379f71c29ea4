//! A set of subjects, each with one number, that many threads read while one writes.
//!
//! A subject is known by its fingerprint, a keyed hash of 64 bits; with its number it takes sixteen
//! bytes. Two subjects of one fingerprint count as one: with ten million in the set, that befalls one
//! of 1,800 billion others, and costs it a needless refresh.
//!
//! ```text
//!  fingerprint ─► shard ─┬─► young: lines of four slots, probed one after the other
//!                        └─► old:   the same
//! ```
//!
//! Lines only ever fill up. Where less than a fifth of a shard's slots would be empty, the writer copies
//! it into new lines, a quarter more of them, and exchanges the pointer: so readers wait for nobody, and
//! the longest insert copies a thousandth of the set.
//!
//! New subjects go to the young half of each shard. To expire is to drop all that is old and to call
//! what is young old.

use arc_swap::ArcSwap;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many that copying one of them is no pause, and so few that an empty set is small.
const SHARDS: usize = 1 << SHARD_BITS;
const SHARD_BITS: u32 = 10;

/// Slots in a line: as many as a processor reads at once.
const SLOTS: usize = 4;

/// Stands for one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(NonZeroU64);

impl Fingerprint {
    pub(crate) fn new(hash: u64) -> Self {
        // Zero is an empty slot's.
        Self(NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN))
    }

    fn shard(self) -> usize {
        (self.0.get() >> (u64::BITS - SHARD_BITS)) as usize
    }

    /// Where a shard's lines are probed from.
    fn home(self, lines: usize) -> usize {
        let rest = self.0.get() << SHARD_BITS;
        ((u128::from(rest) * lines as u128) >> u64::BITS) as usize
    }
}

/// The numbers of one subject: in the young half, and in the old. Zero where there is none.
pub(crate) type Both = [u64; 2];

pub(crate) struct RevokedSet {
    shards: Box<[ArcSwap<Shard>]>,
    /// Of all shards, in both halves: they are too many to be asked each time.
    len: AtomicUsize,
    writer: Mutex<()>,
}

/// The lines fill up while readers look; how many there are is fixed.
struct Shard {
    young: Arc<Lines>,
    old: Arc<Lines>,
}

impl Shard {
    fn get(&self, subject: Fingerprint) -> Both {
        [&self.young, &self.old].map(|lines| lines.get(subject))
    }
}

/// What expired. Freeing it may take a while.
pub(crate) struct Expired(Vec<Arc<Lines>>);

impl Default for RevokedSet {
    fn default() -> Self {
        let nothing = Arc::new(Lines::default());
        let shard = Arc::new(Shard {
            young: Arc::clone(&nothing),
            old: nothing,
        });
        let shards = (0..SHARDS).map(|_| ArcSwap::new(Arc::clone(&shard)));
        Self {
            shards: shards.collect(),
            len: AtomicUsize::new(0),
            writer: Mutex::default(),
        }
    }
}

impl RevokedSet {
    /// What is kept of a subject. Waits for nobody.
    pub(crate) fn get(&self, subject: Fingerprint) -> Both {
        self.shards[subject.shard()].load().get(subject)
    }

    /// For the one writer. Whoever else wants to write waits.
    pub(crate) fn writing(&self) -> Writing<'_> {
        let only = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        Writing {
            set: self,
            len: self.len(),
            _only: only,
        }
    }

    /// How many subjects there are; those in both halves count twice.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }
}

/// The right to write.
pub(crate) struct Writing<'a> {
    set: &'a RevokedSet,
    /// The set's from now on. It lies beside what readers look at, so it is written once, at the end.
    len: usize,
    _only: MutexGuard<'a, ()>,
}

impl Writing<'_> {
    /// What is kept of a subject.
    pub(crate) fn get(&self, subject: Fingerprint) -> Both {
        self.set.get(subject)
    }

    /// The subject's number in the young half, or zero.
    pub(crate) fn young(&self, subject: Fingerprint) -> u64 {
        self.set.shards[subject.shard()].load().young.get(subject)
    }

    /// Sets the subject's number in the young half; not to zero.
    pub(crate) fn put(&mut self, subject: Fingerprint, number: u64) {
        let shard = &self.set.shards[subject.shard()];
        let now = shard.load();
        let before = now.young.len();
        let after = if now.young.has_room() {
            now.young.put(subject, number);
            now.young.len()
        } else {
            let young = Arc::new(now.young.with_more_room());
            young.put(subject, number);
            let (after, old) = (young.len(), Arc::clone(&now.old));
            shard.store(Arc::new(Shard { young, old }));
            after
        };
        self.len += after - before;
    }

    /// Drops what is old, and calls old what was young.
    pub(crate) fn expire(&mut self) -> Expired {
        let nothing = Arc::new(Lines::default());
        let mut expired = Vec::with_capacity(SHARDS);
        for shard in &self.set.shards {
            let now = shard.load();
            expired.push(Arc::clone(&now.old));
            shard.store(Arc::new(Shard {
                young: Arc::clone(&nothing),
                old: Arc::clone(&now.young),
            }));
        }
        let expired = Expired(expired);
        self.len -= expired.len();
        expired
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.set.len.store(self.len, Ordering::Relaxed);
    }
}

impl Expired {
    /// How many subjects there were in it.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|lines| lines.len()).sum()
    }
}

/// A hash table of a fixed number of lines, not all of them full.
#[derive(Default)]
struct Lines {
    lines: Box<[Line]>,
    /// Subjects in them.
    len: AtomicUsize,
}

/// Four slots. One is empty while its subject is zero, and is never emptied again.
#[derive(Default)]
#[repr(align(64))]
struct Line {
    subjects: [AtomicU64; SLOTS],
    numbers: [AtomicU64; SLOTS],
}

/// Where the probing for a subject ended.
enum Slot<'a> {
    Of(&'a AtomicU64),
    Empty {
        subject: &'a AtomicU64,
        number: &'a AtomicU64,
    },
}

impl Lines {
    fn of(lines: usize) -> Self {
        Self {
            lines: (0..lines).map(|_| Line::default()).collect(),
            len: AtomicUsize::new(0),
        }
    }

    fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether one subject more leaves a fifth of the slots empty. Probing is long where few are.
    fn has_room(&self) -> bool {
        (self.len() + 1) * 5 <= self.lines.len() * SLOTS * 4
    }

    /// A copy of a quarter more lines.
    fn with_more_room(&self) -> Self {
        let lines = self.lines.len();
        let copy = Self::of(lines + (lines / 4).max(1));
        for line in &self.lines {
            for (subject, number) in line.slots() {
                if let Some(subject) = NonZeroU64::new(subject.load(Ordering::Relaxed)) {
                    copy.put(Fingerprint(subject), number.load(Ordering::Relaxed));
                }
            }
        }
        copy
    }

    fn get(&self, subject: Fingerprint) -> u64 {
        match self.find(subject) {
            Some(Slot::Of(number)) => number.load(Ordering::Acquire),
            Some(Slot::Empty { .. }) | None => 0,
        }
    }

    /// For the one writer, where there [is room](Self::has_room).
    fn put(&self, subject: Fingerprint, number: u64) {
        match self.find(subject) {
            Some(Slot::Of(old)) => old.store(number, Ordering::Release),
            Some(Slot::Empty {
                subject: free,
                number: place,
            }) => {
                // Whoever sees the subject sees its number.
                place.store(number, Ordering::Relaxed);
                free.store(subject.0.get(), Ordering::Release);
                self.len.store(self.len() + 1, Ordering::Relaxed);
            }
            None => unreachable!("where there is room there is an empty slot"),
        }
    }

    /// `None` where every slot is another's.
    fn find(&self, subject: Fingerprint) -> Option<Slot<'_>> {
        let home = subject.home(self.lines.len());
        let (before, from_home) = self.lines.split_at(home);
        let slots = from_home.iter().chain(before).flat_map(Line::slots);
        for (name, number) in slots {
            match name.load(Ordering::Acquire) {
                0 => {
                    return Some(Slot::Empty {
                        subject: name,
                        number,
                    });
                }
                found if found == subject.0.get() => return Some(Slot::Of(number)),
                _ => {}
            }
        }
        None
    }
}

impl Line {
    fn slots(&self) -> impl Iterator<Item = (&AtomicU64, &AtomicU64)> {
        self.subjects.iter().zip(&self.numbers)
    }
}

#[cfg(test)]
mod tests;
