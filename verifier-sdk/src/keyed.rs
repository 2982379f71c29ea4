//! A hash that strangers cannot foretell, in a few nanoseconds.

use std::hash::{BuildHasher as _, RandomState};

/// Two multiplications under keys that are drawn at each start. No cryptography: whoever could try
/// texts against it and see the outcome might learn the keys in time. Here nobody can: only what the
/// issuer signed is ever kept under such a hash.
#[derive(Debug)]
pub(crate) struct Keyed([u64; 4]);

impl Default for Keyed {
    fn default() -> Self {
        // The standard library seeds this one from the system.
        let random = RandomState::new();
        Self(std::array::from_fn(|n| random.hash_one(n)))
    }
}

impl Keyed {
    /// The hash of sixteen bytes, another one for each `kind`.
    pub(crate) fn of(&self, [one, other]: [u64; 2], kind: u64) -> u64 {
        let [first, second, third, fourth] = self.0;
        fold(fold(one ^ first, other ^ second) ^ third, kind ^ fourth)
    }
}

/// All bits of a product depend on all bits of both factors, once its halves are put together.
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    let (low, high) = (product as u64, (product >> 64) as u64);
    low ^ high
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// As ids of version 7 are, made in the same moment by one process.
    fn alike() -> impl Iterator<Item = [u64; 2]> {
        (0..200_000).map(|n| [0x0190_0000_0000_7000, 1 << 63 | n])
    }

    #[test]
    fn ids_that_are_alike_have_hashes_that_are_not() {
        let keyed = Keyed::default();
        let all: HashSet<_> = alike().map(|id| keyed.of(id, 1)).collect();
        assert_eq!(all.len(), alike().count());
        // Each bit is set in about half of them.
        for bit in 0..64 {
            let set = all.iter().filter(|hash| *hash >> bit & 1 == 1).count();
            assert!((98_000..=102_000).contains(&set), "bit {bit}: {set}");
        }
        // And the first bits, by which shards are chosen, are spread like any others.
        let mut shards = [0; 64];
        for hash in &all {
            shards[(hash >> 58) as usize] += 1;
        }
        assert!(
            shards.iter().all(|n| (2_700..=3_550).contains(n)),
            "{shards:?}"
        );
    }

    #[test]
    fn each_kind_and_each_start_has_a_hash_of_its_own() {
        let (one, other) = (Keyed::default(), Keyed::default());
        let id = [1, 2];
        let hashes = [one.of(id, 1), one.of(id, 2), other.of(id, 1)];
        assert_eq!(HashSet::from(hashes).len(), 3);
        assert_eq!(one.of(id, 1), one.of(id, 1));
    }
}
