//! A bounded table of entries, for one thread at a time.
//!
//! An entry lies at the place that its hash names, or where others were there first, at the next vacant
//! one: a search goes from the one to the other, and ends at a vacant place. Most hits are at the first, two
//! thirds of them in a table that is about to grow, and the others right behind it. A general table looks up
//! in a directory which place it is, and the directory of a hundred thousand tokens is one more wait for
//! memory.
//!
//! Who must make room is chosen by a hand that goes around (the CLOCK algorithm): it passes over an
//! entry that was found since it was last there, once, and takes the next that was not. So a flood of
//! tokens that come once wears out its own entries, and those that come again stay. The hand stops after
//! a few, however many there are, so that no call is long.

use super::Entry;
use revocation_events::UnixMillis;

/// Entries that the hand looks at before it takes the next, whatever it did lately.
const LOOKS: usize = 32;

/// How many places the first entry brings.
const FIRST_PLACES: usize = 8;

pub(super) struct Slab {
    /// What all entries may take, in bytes.
    limit: usize,
    /// None, or as many as a power of two, of which a quarter at least is vacant.
    places: Vec<Option<Entry>>,
    entries: usize,
    /// A place.
    hand: usize,
    /// As the hand, for [`sweep`](Self::sweep).
    broom: usize,
    bytes: usize,
}

impl Slab {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            limit,
            places: Vec::new(),
            entries: 0,
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
        let entries = self.places.iter().flatten();
        entries.filter(|entry| entry.used).count()
    }

    /// Whether it counts right, and searches come to all entries.
    #[cfg(test)]
    pub(super) fn is_sound(&self) -> bool {
        let entries: Vec<_> = self.places.iter().flatten().collect();
        let bytes: usize = entries.iter().map(|entry| usize::from(entry.size)).sum();
        self.entries == entries.len()
            && self.bytes == bytes
            && entries
                .iter()
                .all(|entry| self.peek(entry.hash, &entry.text))
    }

    /// The entry of this very text.
    pub(super) fn find(&mut self, hash: u64, text: &[u8]) -> Option<&mut Entry> {
        let place = self.place_of(hash, text)?;
        let entry = self.places[place].as_mut()?;
        entry.used = true;
        Some(entry)
    }

    /// Whether there is an entry of this very text; it does not count as found.
    #[cfg(test)]
    pub(super) fn peek(&self, hash: u64, text: &[u8]) -> bool {
        self.place_of(hash, text).is_some()
    }

    /// Forgets the entry of this text.
    pub(super) fn remove(&mut self, hash: u64, text: &[u8]) {
        if let Some(place) = self.place_of(hash, text) {
            self.vacate(place);
        }
    }

    /// Keeps an entry in place of others, one of the same text among them. One that needs more than all
    /// of the room is not kept.
    pub(super) fn insert(&mut self, entry: Entry) {
        let size = usize::from(entry.size);
        self.remove(entry.hash, &entry.text);
        if size > self.limit {
            return;
        }
        while self.bytes + size > self.limit {
            self.evict();
        }
        if 4 * (self.entries + 1) > 3 * self.places.len() {
            self.grow();
        }
        self.bytes += size;
        self.entries += 1;
        self.settle(entry);
    }

    /// Looks at the next `looks` places, and drops those that have died.
    pub(super) fn sweep(&mut self, looks: usize, now: UnixMillis) {
        for _ in 0..looks.min(self.places.len()) {
            self.broom = self.after(self.broom);
            // Another may have come to the place of one that has died.
            while self.places[self.broom]
                .as_ref()
                .is_some_and(|entry| entry.dies_at <= now)
            {
                self.vacate(self.broom);
            }
        }
    }

    /// Drops one entry. There must be one.
    fn evict(&mut self) {
        let mut looks = 0;
        loop {
            self.hand = self.after(self.hand);
            if let Some(entry) = &mut self.places[self.hand] {
                looks += 1;
                if !std::mem::take(&mut entry.used) || looks == LOOKS {
                    return self.vacate(self.hand);
                }
            }
        }
    }

    fn place_of(&self, hash: u64, text: &[u8]) -> Option<usize> {
        if self.places.is_empty() {
            return None;
        }
        let mut place = self.first_place(hash);
        while let Some(entry) = &self.places[place] {
            if entry.is(hash, text) {
                return Some(place);
            }
            place = self.after(place);
        }
        None
    }

    /// Puts an entry where a search for it will come by. There must be a vacant place.
    fn settle(&mut self, entry: Entry) {
        let mut place = self.first_place(entry.hash);
        while self.places[place].is_some() {
            place = self.after(place);
        }
        self.places[place] = Some(entry);
    }

    /// Drops the entry of a place. Those behind it move up, up to the next vacant place: no search may
    /// end before them.
    fn vacate(&mut self, mut vacant: usize) {
        let Some(entry) = self.places[vacant].take() else {
            return;
        };
        self.bytes -= usize::from(entry.size);
        self.entries -= 1;
        let mut place = self.after(vacant);
        while let Some(entry) = &self.places[place] {
            let first = self.first_place(entry.hash);
            if self.way(first, place) >= self.way(vacant, place) {
                self.places.swap(vacant, place);
                vacant = place;
            }
            place = self.after(place);
        }
    }

    fn grow(&mut self) {
        let places = FIRST_PLACES.max(2 * self.places.len());
        let mut vacant = Vec::new();
        vacant.resize_with(places, || None);
        let before = std::mem::replace(&mut self.places, vacant);
        before.into_iter().flatten().for_each(|e| self.settle(e));
    }

    fn first_place(&self, hash: u64) -> usize {
        hash as usize & self.last()
    }

    fn after(&self, place: usize) -> usize {
        (place + 1) & self.last()
    }

    /// How many places a search goes from one to another.
    fn way(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.last()
    }

    fn last(&self) -> usize {
        self.places.len().wrapping_sub(1)
    }
}
