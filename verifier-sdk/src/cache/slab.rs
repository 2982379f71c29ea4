//! A bounded table of entries, for one thread at a time.
//!
//! Who must make room is chosen by a hand that goes around (the CLOCK algorithm): it passes over an
//! entry that was found since it was last there, once, and takes the next that was not. So a flood of
//! tokens that come once wears out its own entries, and those that come again stay. The hand stops after
//! a few, however many there are, so that no call is long.

use super::Entry;
use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;
use revocation_events::UnixMillis;

/// Places that the hand looks at before it takes the next entry, whatever it did lately.
const LOOKS: usize = 32;

pub(super) struct Slab {
    /// What all entries may take, in bytes.
    limit: usize,
    entries: HashTable<Entry>,
    /// A place in `entries`, of which some are vacant.
    hand: usize,
    /// As the hand, for [`sweep`](Self::sweep).
    broom: usize,
    bytes: usize,
}

impl Slab {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            limit,
            entries: HashTable::new(),
            hand: 0,
            broom: 0,
            bytes: 0,
        }
    }

    /// What all entries take.
    #[cfg(test)]
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many entries were found since the hand was last there.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.entries.iter().filter(|entry| entry.used).count()
    }

    /// The entry of this very text.
    pub(super) fn find(&mut self, hash: u64, text: &[u8]) -> Option<&mut Entry> {
        let entry = self.entries.find_mut(hash, |entry| entry.is(hash, text))?;
        entry.used = true;
        Some(entry)
    }

    /// Whether there is an entry of this very text; it does not count as found.
    #[cfg(test)]
    pub(super) fn peek(&self, hash: u64, text: &[u8]) -> bool {
        let entry = self.entries.find(hash, |entry| entry.is(hash, text));
        entry.is_some()
    }

    /// Forgets the entry of this text.
    pub(super) fn remove(&mut self, hash: u64, text: &[u8]) {
        if let Ok(entry) = self.entries.find_entry(hash, |entry| entry.is(hash, text)) {
            self.bytes -= take(entry);
        }
    }

    /// Keeps an entry in place of others, one of the same text among them. One that needs more than all
    /// of the room is not kept.
    pub(super) fn insert(&mut self, entry: Entry) {
        let (hash, size) = (entry.hash, usize::from(entry.size));
        self.remove(hash, &entry.text);
        if size > self.limit {
            return;
        }
        while self.bytes + size > self.limit {
            self.evict();
        }
        self.bytes += size;
        self.entries.insert_unique(hash, entry, |entry| entry.hash);
    }

    /// Looks at the next `looks` places, and drops those that have died.
    pub(super) fn sweep(&mut self, looks: usize, now: UnixMillis) {
        for _ in 0..looks.min(self.entries.num_buckets()) {
            self.broom = self.after(self.broom);
            if let Ok(entry) = self.entries.get_bucket_entry(self.broom)
                && entry.get().dies_at <= now
            {
                self.bytes -= take(entry);
            }
        }
    }

    /// Drops one entry, or none where the hand passes nothing but vacant places.
    fn evict(&mut self) {
        let mut victim = None;
        for _ in 0..LOOKS {
            self.hand = self.after(self.hand);
            let Some(entry) = self.entries.get_bucket_mut(self.hand) else {
                continue;
            };
            victim = Some(self.hand);
            if !std::mem::take(&mut entry.used) {
                break;
            }
        }
        if let Some(Ok(entry)) = victim.map(|at| self.entries.get_bucket_entry(at)) {
            self.bytes -= take(entry);
        }
    }

    fn after(&self, place: usize) -> usize {
        if place + 1 < self.entries.num_buckets() {
            place + 1
        } else {
            0
        }
    }
}

/// Empties a place, and says what was in it, in bytes.
fn take(entry: OccupiedEntry<'_, Entry>) -> usize {
    let (entry, _) = entry.remove();
    entry.size.into()
}
