//! A bounded table of entries, for one thread at a time.
//!
//! Who must make room is chosen by a hand that goes around (the CLOCK algorithm): it passes over an
//! entry that was found since it was last there, once, and takes the next that was not. So a flood of
//! tokens that come once wears out its own entries, and those that come again stay. The hand stops after
//! a few, however many there are, so that no call is long.

use super::Entry;
use hashbrown::HashTable;
use hashbrown::hash_table;
use revocation_events::UnixMillis;

/// Entries that the hand looks at before it takes the next one, whatever it did lately.
const LOOKS: usize = 32;

pub(super) struct Slab {
    /// What all entries may take, in bytes.
    limit: usize,
    /// Where in `entries` each is.
    index: HashTable<u32>,
    entries: Vec<Option<Entry>>,
    vacant: Vec<u32>,
    hand: usize,
    /// As the hand, for [`sweep`](Self::sweep).
    broom: usize,
    bytes: usize,
}

impl Slab {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            limit,
            index: HashTable::new(),
            entries: Vec::new(),
            vacant: Vec::new(),
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

    /// The entry of this very text.
    pub(super) fn find(&mut self, hash: u64, text: &str) -> Option<&mut Entry> {
        let at = *self.index.find(hash, |at| self.is(*at, hash, text))?;
        let entry = self.entries[at as usize].as_mut()?;
        entry.used = true;
        Some(entry)
    }

    /// Whether there is an entry of this very text; it does not count as found.
    #[cfg(test)]
    pub(super) fn peek(&self, hash: u64, text: &str) -> bool {
        self.index
            .find(hash, |at| self.is(*at, hash, text))
            .is_some()
    }

    /// Forgets the entry of this text.
    pub(super) fn remove(&mut self, hash: u64, text: &str) {
        if let Some(at) = self.index.find(hash, |at| self.is(*at, hash, text)) {
            self.take(*at as usize);
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
        let at = match self.vacant.pop() {
            Some(at) => {
                self.entries[at as usize] = Some(entry);
                at
            }
            None => {
                self.entries.push(Some(entry));
                // An entry takes some hundred bytes: 2^32 of them are more than any memory.
                u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
            }
        };
        let entries = &self.entries;
        self.index.insert_unique(hash, at, |at| {
            entries[*at as usize].as_ref().map_or(0, |entry| entry.hash)
        });
    }

    /// Looks at the next `looks` entries, and drops those that have died.
    pub(super) fn sweep(&mut self, looks: usize, now: UnixMillis) {
        for _ in 0..looks.min(self.entries.len()) {
            self.broom = self.after(self.broom);
            let entry = self.entries[self.broom].as_ref();
            if entry.is_some_and(|entry| entry.dies_at <= now) {
                self.take(self.broom);
            }
        }
    }

    /// Drops one entry, or none where the hand passes nothing but vacant places.
    fn evict(&mut self) {
        let mut victim = None;
        for _ in 0..LOOKS {
            self.hand = self.after(self.hand);
            let Some(entry) = &mut self.entries[self.hand] else {
                continue;
            };
            victim = Some(self.hand);
            if !std::mem::take(&mut entry.used) {
                break;
            }
        }
        if let Some(at) = victim {
            self.take(at);
        }
    }

    const fn after(&self, at: usize) -> usize {
        if at + 1 < self.entries.len() {
            at + 1
        } else {
            0
        }
    }

    fn is(&self, at: u32, hash: u64, text: &str) -> bool {
        let entry = self.entries[at as usize].as_ref();
        entry.is_some_and(|entry| entry.hash == hash && *entry.text == *text)
    }

    /// Empties a slot.
    fn take(&mut self, at: usize) {
        let Some(entry) = self.entries[at].take() else {
            return;
        };
        self.bytes -= usize::from(entry.size);
        let slot = self
            .index
            .find_entry(entry.hash, |found| *found as usize == at);
        if let Ok(slot) = slot {
            self.vacant.push(*slot.get());
            hash_table::OccupiedEntry::remove(slot);
        }
    }
}
