//! Tokens that were verified before, so that a client's next request costs no signature check.
//!
//! A token is found by its whole text. What the entry says is that the signature and the claims
//! were right and that, at some generation of the [cut-offs](crate::cutoffs), the token was alive;
//! the caller compares the rest in each call. New entries go to the younger of two generations;
//! when that is half of the budget, or a token's lifetime old, the older one is dropped whole.

use crate::session::Session;
use crate::token::AccessToken;
use papaya::{Equivalent, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// What an entry takes beside its texts: the two structures, the table's slots, and what the
/// allocator adds to seven blocks.
const OVERHEAD: usize = size_of::<Entry>() + size_of::<AccessToken>() + 256;

/// A bounded set of verified tokens.
pub(crate) struct Cache {
    /// Written only to exchange generations; never held across I/O.
    generations: RwLock<Generations>,
    /// Bytes, for both generations.
    budget: usize,
    lifetime: Duration,
}

#[derive(Default)]
struct Generations {
    young: Generation,
    old: Generation,
    since: Duration,
}

/// Entries that are dropped together.
#[derive(Default)]
pub(crate) struct Generation {
    entries: HashMap<Text, Entry>,
    bytes: AtomicUsize,
}

/// A verified token.
pub(crate) struct Entry {
    session: Session,
    key: [u8; 32],
    checked: AtomicU64,
}

impl Entry {
    /// `checked` is the generation of the cut-offs, loaded before they were looked up.
    pub(crate) fn new(session: Session, key: [u8; 32], checked: u64) -> Self {
        Self {
            session,
            key,
            checked: AtomicU64::new(checked),
        }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// The key that signed it.
    pub(crate) fn key(&self) -> &[u8; 32] {
        &self.key
    }

    pub(crate) fn was_checked_at(&self, generation: u64) -> bool {
        self.checked.load(Ordering::Acquire) == generation
    }

    /// In bytes, with the text that it is found by.
    fn size(&self, text: &str) -> usize {
        let token = self.session.token();
        let roles: usize = token
            .roles()
            .iter()
            .map(|role| size_of::<String>() + role.len())
            .sum();
        OVERHEAD + text.len() + token.jti().len() + token.kid().as_str().len() + roles
    }

    /// It was alive at this later generation too.
    pub(crate) fn stamp(&self, generation: u64) {
        // Two threads may stamp at once, the later generation first: that costs a look-up.
        self.checked.store(generation, Ordering::Release);
    }
}

impl Cache {
    /// At most `budget` bytes, for tokens that live at most `lifetime`.
    pub(crate) fn new(budget: usize, lifetime: Duration) -> Self {
        Self {
            generations: RwLock::default(),
            budget,
            lifetime,
        }
    }

    /// Gives the entry of this very text to `judge`. Without a hit, `None`.
    pub(crate) fn find<T>(&self, text: &str, judge: impl FnOnce(&Entry) -> T) -> Option<T> {
        let generations = self
            .generations
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let [young, old] = [&generations.young, &generations.old].map(|g| g.entries.pin());
        young
            .get(&Wanted(text))
            .or_else(|| old.get(&Wanted(text)))
            .map(judge)
    }

    /// Keeps a token, unless the younger generation is full until its
    /// [exchange](Self::take_out).
    pub(crate) fn insert(&self, text: &str, entry: Entry) {
        let generations = self
            .generations
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let young = &generations.young;
        let size = entry.size(text);
        if young.bytes.fetch_add(size, Ordering::Relaxed) + size > self.budget / 2 {
            young.bytes.fetch_sub(size, Ordering::Relaxed);
            return;
        }
        if young
            .entries
            .pin()
            .insert(Text(text.into()), entry)
            .is_some()
        {
            young.bytes.fetch_sub(size, Ordering::Relaxed);
        }
    }

    /// Forgets a token.
    pub(crate) fn remove(&self, text: &str) {
        let generations = self
            .generations
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        for generation in [&generations.young, &generations.old] {
            if generation.entries.pin().remove(&Wanted(text)).is_some() {
                generation
                    .bytes
                    .fetch_sub(text.len() + OVERHEAD, Ordering::Relaxed);
            }
        }
    }

    /// Takes out the older generation where the younger is nearly full, or so old that nothing in
    /// the older can still be alive. Call it now and then, and drop what it gives where nobody
    /// waits.
    pub(crate) fn take_out(&self, now: Duration) -> Option<Generation> {
        let mut generations = self
            .generations
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let nearly_full = generations.young.bytes.load(Ordering::Relaxed) > self.budget * 3 / 8;
        if !nearly_full && now.saturating_sub(generations.since) < self.lifetime {
            return None;
        }
        generations.since = now;
        let young = std::mem::take(&mut generations.young);
        Some(std::mem::replace(&mut generations.old, young))
    }
}

/// The whole text of a token.
struct Text(Box<str>);

/// The text that is looked for, without a copy.
struct Wanted<'a>(&'a str);

/// The end of a token is the end of its signature, as random as a hash of the whole. A stranger
/// cannot fill the map with texts of one end: only tokens whose signature is right are inserted.
fn hash_tail<H: Hasher>(text: &str, state: &mut H) {
    let bytes = text.as_bytes();
    state.write(&bytes[bytes.len().saturating_sub(16)..]);
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_tail(&self.0, state);
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Text {}

impl Hash for Wanted<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_tail(self.0, state);
    }
}

impl Equivalent<Text> for Wanted<'_> {
    fn equivalent(&self, text: &Text) -> bool {
        *self.0 == *text.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{Kit, at, token};

    const HOUR: Duration = Duration::from_secs(3600);

    /// Tokens of one length, each a session of its own, verified.
    fn verified(count: u128) -> Vec<(String, Session)> {
        let kit = Kit::fresh();
        (100..100 + count)
            .map(|n| {
                let text = token(n, 10);
                let session = kit.verify(&text, at(0)).unwrap();
                (text, session)
            })
            .collect()
    }

    fn insert(cache: &Cache, (text, session): &(String, Session)) {
        cache.insert(text, Entry::new(session.clone(), [0; 32], 0));
    }

    fn has(cache: &Cache, text: &str) -> bool {
        cache.find(text, |_| ()).is_some()
    }

    #[test]
    fn only_the_whole_text_is_a_hit() {
        let cache = Cache::new(1 << 20, HOUR);
        let all = verified(1);
        let (text, session) = &all[0];
        insert(&cache, &all[0]);
        let found = cache.find(text, |entry| entry.session().clone());
        assert_eq!(found.as_ref(), Some(session));
        for other in [
            &text[1..],
            &format!("x{text}"),
            &text.replacen('e', "f", 1),
            "",
            "x",
        ] {
            assert!(!has(&cache, other), "{other}");
        }
        cache.remove(text);
        assert!(!has(&cache, text));
    }

    #[test]
    fn memory_stays_within_the_budget() {
        let all = verified(200);
        let size = Entry::new(all[0].1.clone(), [0; 32], 0).size(&all[0].0);
        // Room for ten in each generation.
        let cache = Cache::new(size * 20 + size, HOUR);
        for token in &all {
            insert(&cache, token);
            insert(&cache, token);
            cache.take_out(Duration::ZERO);
            let kept = all.iter().filter(|(text, _)| has(&cache, text)).count();
            assert!(kept <= 20, "{kept}");
        }
        assert!(has(&cache, &all[199].0), "new ones find a place");
        assert!(!has(&cache, &all[0].0), "old ones lose it");
    }

    #[test]
    fn without_an_exchange_a_full_generation_takes_no_more() {
        let all = verified(30);
        let size = Entry::new(all[0].1.clone(), [0; 32], 0).size(&all[0].0);
        let cache = Cache::new(size * 20 + size, HOUR);
        all.iter().for_each(|token| insert(&cache, token));
        let kept = all.iter().filter(|(text, _)| has(&cache, text)).count();
        assert_eq!(kept, 10);
    }

    #[test]
    fn a_generation_outlives_no_token_by_more_than_a_lifetime() {
        let cache = Cache::new(1 << 20, HOUR);
        let all = verified(1);
        insert(&cache, &all[0]);
        assert!(cache.take_out(HOUR - Duration::from_secs(1)).is_none());
        assert!(cache.take_out(HOUR).is_some() && has(&cache, &all[0].0));
        assert!(cache.take_out(2 * HOUR).is_some() && !has(&cache, &all[0].0));
    }

    #[test]
    fn a_budget_of_nothing_keeps_nothing() {
        let cache = Cache::new(0, HOUR);
        let all = verified(1);
        insert(&cache, &all[0]);
        assert!(!has(&cache, &all[0].0));
    }
}
