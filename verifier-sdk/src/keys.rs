//! The issuer's public keys, as far as this verifier knows them, and what it has asked for.

use arc_swap::{ArcSwap, Guard};
use ed25519_dalek::VerifyingKey;
use revocation_events::jwk::KeySet;
use revocation_events::{KeyId, Now};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long a key set stands without a good read, so that a key that was withdrawn dies in the end
/// even where nothing can be read.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long it is remembered that the issuer does not know a key. A client that repeats after the
/// `Retry-After` of the first answer gets the verdict; a key that is published later is not
/// refused for long.
const ABSENT_FOR: Duration = Duration::from_secs(10);

/// Names made up by a flood must not fill the memory. A kid is at most 128 bytes.
const MAX_UNKNOWN: usize = 1024;

/// What is known of one key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyState {
    Live(VerifyingKey),
    Revoked,
    Unknown,
}

/// The key set in force and the reads that were asked for.
#[derive(Default)]
pub(crate) struct Keys {
    known: ArcSwap<Known>,
    /// Counts the exchanges of what is known.
    generation: AtomicU32,
    unknown: Mutex<Unknown>,
    wanted: Notify,
}

#[derive(Clone, Default)]
struct Known {
    set: KeySet,
    came: Option<Now>,
    revoked: HashSet<KeyId>,
}

/// Names that were asked about and not found.
#[derive(Default)]
struct Unknown {
    begun: u64,
    answered: u64,
    seen: HashMap<KeyId, FirstSeen>,
}

struct FirstSeen {
    /// How many reads had begun by then: one that begins later tells.
    begun: u64,
    at: Duration,
}

/// The number of a read of the key set, drawn before the request is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadNumber(u64);

impl Keys {
    /// For tokens.
    pub(crate) fn look_up(&self, kid: &KeyId) -> KeyState {
        let known = self.known();
        if known.revoked.contains(kid) {
            return KeyState::Revoked;
        }
        known
            .set
            .get(kid)
            .map_or(KeyState::Unknown, |key| KeyState::Live(*key))
    }

    /// Whether tokens signed by this very key are still good.
    pub(crate) fn is_live(&self, kid: &KeyId, key: &[u8; 32]) -> bool {
        let known = self.known();
        !known.revoked.contains(kid) && known.set.get(kid).is_some_and(|k| k.as_bytes() == key)
    }

    /// For pages: the view itself judges what a page is worth that a revoked key signed.
    pub(crate) fn for_page(&self, kid: &KeyId) -> Option<VerifyingKey> {
        self.known().set.get(kid).copied()
    }

    fn known(&self) -> Guard<Arc<Known>> {
        self.known.load()
    }

    /// A reader that loads it *before* it looks a key up knows that the answer holds until the number
    /// changes.
    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether a set was ever taken and not dropped since.
    pub(crate) fn is_empty(&self) -> bool {
        self.known().came.is_none()
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut known = Known::clone(&self.known());
        change(&mut known);
        self.known.store(Arc::new(known));
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Exchanges the set. True where the keys are others than before.
    pub(crate) fn replace(&self, set: KeySet, now: Now) -> bool {
        let old = self.known();
        let same = set.kids().count() == old.set.kids().count()
            && set.kids().all(|kid| set.get(kid) == old.set.get(kid));
        self.change(|known| {
            known.set = set;
            known.came = Some(now);
        });
        !same
    }

    /// Says which keys are revoked. True where that is news.
    pub(crate) fn set_revoked<'k>(&self, revoked: impl IntoIterator<Item = &'k KeyId>) -> bool {
        let revoked: HashSet<KeyId> = revoked.into_iter().cloned().collect();
        let news = revoked != self.known().revoked;
        if news {
            self.change(|known| known.revoked = revoked);
        }
        news
    }

    /// Drops a set that no good read has confirmed for [`MAX_AGE`] by either clock.
    pub(crate) fn drop_outdated(&self, now: Now) -> bool {
        let outdated = self.known().came.is_some_and(|came| {
            now.wall
                .since(came.wall)
                .max(now.monotonic.saturating_sub(came.monotonic))
                >= MAX_AGE
        });
        if outdated {
            self.change(|known| {
                known.set = KeySet::default();
                known.came = None;
            });
        }
        outdated
    }

    /// Asks for a read of the key set because of a token whose key is unknown. True where the
    /// issuer, asked after this kid was first seen, did not have it.
    pub(crate) fn is_absent(&self, kid: &KeyId, now: Duration) -> bool {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        self.wanted.notify_one();
        if let Some(first) = unknown.seen.get(kid)
            && now.saturating_sub(first.at) < ABSENT_FOR
        {
            return unknown.answered > first.begun;
        }
        if unknown.seen.len() >= MAX_UNKNOWN {
            unknown.seen.clear();
        }
        let first = FirstSeen {
            begun: unknown.begun,
            at: now,
        };
        unknown.seen.insert(kid.clone(), first);
        false
    }

    /// Asks for a read of the key set because of a page whose key is unknown.
    pub(crate) fn want_read(&self) {
        self.wanted.notify_one();
    }

    /// Until somebody has asked for a read.
    pub(crate) async fn read_wanted(&self) {
        self.wanted.notified().await;
    }

    /// Must be called before the request is sent.
    pub(crate) fn begin_read(&self) -> ReadNumber {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.begun += 1;
        ReadNumber(unknown.begun)
    }

    /// A read gave a good key set, and that set is in force.
    pub(crate) fn read_answered(&self, number: ReadNumber) {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.answered = unknown.answered.max(number.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;
    use revocation_events::UnixMillis;
    use revocation_events::jwk::thumbprint;

    fn key(seed: u8) -> VerifyingKey {
        SigningKey::from_bytes(&[seed; 32]).verifying_key()
    }

    fn set(seeds: &[u8]) -> KeySet {
        seeds.iter().map(|seed| key(*seed)).collect()
    }

    fn now(secs: u64) -> Now {
        Now {
            wall: UnixMillis::from_secs(secs),
            monotonic: Duration::from_secs(secs),
        }
    }

    fn is_live(keys: &Keys, seed: u8) -> bool {
        let kid = thumbprint(&key(seed));
        let live = matches!(keys.look_up(&kid), KeyState::Live(_));
        assert_eq!(live, keys.is_live(&kid, key(seed).as_bytes()));
        live
    }

    #[test]
    fn a_key_lives_while_it_is_in_the_set_and_not_revoked() {
        let keys = Keys::default();
        assert!(keys.is_empty() && !is_live(&keys, 1));
        assert!(keys.replace(set(&[1, 2]), now(0)));
        assert!(
            !keys.replace(set(&[2, 1]), now(1)),
            "the same keys are no news"
        );
        assert!(is_live(&keys, 1) && is_live(&keys, 2));
        assert!(keys.set_revoked([&thumbprint(&key(1))]));
        assert!(!keys.set_revoked([&thumbprint(&key(1))]));
        assert!(!is_live(&keys, 1) && is_live(&keys, 2));
        assert!(keys.for_page(&thumbprint(&key(1))).is_some());
        assert!(keys.replace(set(&[2]), now(2)));
        assert!(keys.set_revoked([]));
        assert!(!is_live(&keys, 1) && is_live(&keys, 2));
    }

    #[test]
    fn another_key_of_the_same_name_is_another_key() {
        let keys = Keys::default();
        keys.replace(set(&[1]), now(0));
        assert!(!keys.is_live(&thumbprint(&key(1)), key(2).as_bytes()));
    }

    #[test]
    fn a_set_that_nothing_confirms_dies_by_either_clock() {
        for (wall, monotonic) in [(86_400, 0), (0, 86_400)] {
            let keys = Keys::default();
            keys.replace(set(&[1]), now(0));
            assert!(!keys.drop_outdated(now(86_399)));
            let late = Now {
                wall: now(wall).wall,
                monotonic: now(monotonic).monotonic,
            };
            assert!(keys.drop_outdated(late));
            assert!(keys.is_empty() && !is_live(&keys, 1));
            assert!(!keys.drop_outdated(late));
        }
    }

    #[test]
    fn only_a_read_begun_after_the_first_sight_makes_a_key_absent() {
        let keys = Keys::default();
        let kid: KeyId = "k".parse().unwrap();
        let early = keys.begin_read();
        assert!(!keys.is_absent(&kid, Duration::ZERO));
        keys.read_answered(early);
        assert!(
            !keys.is_absent(&kid, Duration::ZERO),
            "that read may not have seen it"
        );
        let failed = keys.begin_read();
        assert!(
            !keys.is_absent(&kid, Duration::ZERO),
            "{failed:?} has not answered"
        );
        let late = keys.begin_read();
        keys.read_answered(late);
        assert!(keys.is_absent(&kid, Duration::from_secs(9)));
        assert!(
            !keys.is_absent(&kid, Duration::from_secs(10)),
            "it is asked again"
        );
    }

    #[test]
    fn a_flood_of_names_is_not_remembered_without_bound() {
        let keys = Keys::default();
        for i in 0..10 * MAX_UNKNOWN {
            keys.is_absent(&format!("k{i}").parse().unwrap(), Duration::ZERO);
        }
        assert!(keys.unknown.lock().unwrap().seen.len() <= MAX_UNKNOWN);
    }
}
