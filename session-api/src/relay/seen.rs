//! The greatest position that anyone's page has reached.
//!
//! Whoever published a page had it from a log that reached so far. So a database that reaches less far
//! has lost its end, unless the page is a lie: whoever has stolen a key can sign any. What a key has
//! signed therefore counts for as long as the key does, and `keys revoke` puts an end to a thief's word.

use revocation_events::{KeyId, Position};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

#[derive(Debug, Default)]
pub(super) struct Seen {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// From this process's own commits and cuts.
    own: Position,
    /// From pages on the bus, by the key that signed them.
    others: HashMap<KeyId, Position>,
}

impl Seen {
    /// This process has committed it, or has read it in the log.
    pub(super) fn note_own(&self, to: Position) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.own = known.own.max(to);
    }

    /// A page that reaches so far was signed with `kid`.
    pub(super) fn note(&self, kid: &KeyId, to: Position) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(greatest) = known.others.get_mut(kid) {
            *greatest = to.max(*greatest);
        } else {
            known.others.insert(kid.clone(), to);
        }
    }

    /// The greatest of them, of keys that count.
    pub(super) fn greatest(&self, counts: impl Fn(&KeyId) -> bool) -> Position {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.others.retain(|kid, _| counts(kid));
        let others = known.others.values().copied().max();
        known.own.max(others.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pos(value: u64) -> Position {
        Position::new(value).unwrap()
    }

    #[test]
    fn the_greatest_counts_and_of_a_revoked_key_none() {
        let seen = Seen::default();
        let kids = ["a", "b"].map(|name| name.repeat(43).parse::<KeyId>().unwrap());
        assert_eq!(seen.greatest(|_| true), Position::ZERO);
        seen.note_own(pos(5));
        seen.note_own(pos(4));
        assert_eq!(seen.greatest(|_| true), pos(5));
        seen.note(&kids[0], pos(7));
        seen.note(&kids[1], pos(9));
        seen.note(&kids[1], pos(8));
        assert_eq!(seen.greatest(|_| true), pos(9));
        assert_eq!(seen.greatest(|kid| *kid == kids[0]), pos(7));
        assert_eq!(seen.greatest(|_| false), pos(5));
    }
}
