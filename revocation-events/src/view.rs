//! What a verifier does with a page: the state machine behind *fresh* and *stale*.
//!
//! It is pure: pages, key sets and clock readings go in; what to do next comes out. The cut-offs
//! themselves live with the caller, who keeps two promises that the machine cannot keep alone:
//!
//! 1. the revocations of a page that [`View::take`] did not refuse are inserted *before* the proof
//!    that came with them is shown to anyone who verifies tokens;
//! 2. cut-offs at or below [`View::floor`] are dropped only *after* that floor is shown.
//!
//! ```text
//!              take ── refused ───────────► count it
//!   page ──►        ── Gap, KeyRevoked ───► keep its revocations, then ask for what `needs()` says
//!                   ── Distrusted ────────► keep its revocations
//!                   ── Advanced ──────────► keep its revocations, then show proof and floor
//! ```

use crate::id::KeyId;
use crate::page::{SignedPage, Target};
use crate::position::Position;
use crate::time::{Now, UnixMillis};
use std::collections::BTreeSet;
use std::time::Duration;

/// How far ahead of the verifier's clock a page's `at` may be and still prove something.
pub const MAX_AHEAD: Duration = Duration::from_secs(1);

/// A page that ends further ahead of the verifier's clock than this is refused: with a stolen key,
/// one page up to 2^53 would otherwise shut out every later one.
const MAX_HEAD_AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

/// One verifier's knowledge of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct View {
    /// Everything in (floor, head] is known. None: nothing is known yet.
    head: Option<Position>,
    floor: Position,
    proof: Option<Proof>,
    /// A page without `more` was taken since the start, or since everything was forgotten.
    whole: bool,
    /// The greatest `from` of a page that left a gap: until `head` is there, something is missing.
    missing_up_to: Position,
    keys: Keys,
}

/// "At time `at` the log held no revocation that this verifier does not know."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Proof {
    /// The page's `at`.
    pub at: UnixMillis,
    /// The monotonic clock when that `at` first came.
    pub first_came: Duration,
}

/// Which key sets were wanted and have come, and which keys are not to be believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Keys {
    wanted: u64,
    answered: u64,
    revoked: BTreeSet<KeyId>,
    /// Named by a key's revocation, or the signer of one, until a later key set decides.
    doubted: BTreeSet<KeyId>,
}

/// What became of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It continued what was known.
    Advanced {
        /// It is the newest proof so far.
        proof: bool,
    },
    /// Pages before it are missing.
    Gap,
    /// Signed by a key that is in doubt: true or not, it moves nothing forward.
    Distrusted,
    /// It revokes a key that was not known to be revoked: all but the cut-offs was forgotten.
    KeyRevoked,
}

/// The page ends more than a day ahead of the clock. Nothing of it may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ends more than a day ahead of this machine's clock")]
pub struct FarAhead;

/// A receipt for a key set that was asked for; see [`View::needs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeySetTicket(u64);

/// What the feed should fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// A key set, requested from now on. It comes first: without it catch-up pages prove nothing.
    pub key_set: Option<KeySetTicket>,
    /// The pages after [`View::head`].
    pub catch_up: bool,
}

/// Whether this verifier's word counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It knows all that the log held at most `max_staleness` ago.
    Fresh {
        /// How old the proof is.
        age: Duration,
    },
    /// Its newest proof is too old.
    Stale {
        /// How old the proof is.
        age: Duration,
    },
    /// It is complete but has no proof at all: forgotten, or never one with a believable time.
    Unproven,
    /// It has not caught up completely since its start, or since a key was revoked.
    CatchingUp,
}

impl View {
    /// Knows nothing and needs everything.
    #[must_use]
    pub fn new() -> Self {
        Self {
            keys: Keys {
                wanted: 1,
                ..Keys::default()
            },
            ..Self::default()
        }
    }

    /// Takes a page whose signature, issuer and positions are right.
    ///
    /// Insert its revocations whatever the answer, except on an error.
    ///
    /// # Errors
    /// [`FarAhead`].
    pub fn take(&mut self, signed: &SignedPage, now: Now) -> Result<Taken, FarAhead> {
        let SignedPage { page, kid } = signed;
        if page.to.get() > now.wall.plus(MAX_HEAD_AHEAD).get().saturating_mul(1_000) {
            return Err(FarAhead);
        }
        self.forget_impossible_proof(now.wall);

        let told: Vec<_> = page
            .revoked
            .iter()
            .filter_map(|entry| entry.target.key())
            .collect();
        let named = || told.iter().copied().chain(&page.revoked_keys);
        if named().any(|key| !self.keys.revoked.contains(key)) {
            self.forget();
            self.keys.doubted.insert(kid.clone());
            self.keys.doubted.extend(named().cloned());
            self.keys.revoked.extend(named().cloned());
            return Ok(Taken::KeyRevoked);
        }
        // (Whoever is named again in every page need not be waited for: if the answer under way is
        // too old and says that the key lives, the next page says that it does not. And an answer
        // that takes longer than the next page would never be the newest.)
        if told.iter().any(|key| self.keys.doubted.contains(*key)) {
            // Named again before a key set has decided. The first time it may have been a thief,
            // and a key set that was asked for then may be older than the true revocation.
            self.keys.wanted += 1;
        }
        if self.keys.doubted.contains(kid) || self.keys.revoked.contains(kid) {
            return Ok(Taken::Distrusted);
        }

        let gap = self.head.is_none_or(|head| page.from > head) && page.from > page.floor;
        if gap {
            self.missing_up_to = self.missing_up_to.max(page.from);
            // Its floor is as true as its revocations: all in (floor, floor] is known, for nothing
            // lies in there. So a verifier can begin in the middle of a stored stream, whose pages
            // hardly ever reach down to their own floor.
            self.advance_to(page.floor);
            self.floor = self.floor.max(page.floor);
            return Ok(Taken::Gap);
        }
        // Where `from` > head, (head, from] lies at or below the floor.
        self.advance_to(page.from);
        self.head = self.head.max(Some(page.to));
        self.floor = self.floor.max(page.floor);
        if page.more {
            return Ok(Taken::Advanced { proof: false });
        }
        self.whole = true;
        Ok(Taken::Advanced {
            proof: self.prove(page.at, now),
        })
    }

    /// Moves the head up to `position` without having seen what lies between. Only where that is at
    /// or below a floor: tokens from there are refused anyhow, but a *key* may have been revoked
    /// unseen, so a key set requested from now on must come.
    fn advance_to(&mut self, position: Position) {
        if self.head.is_none_or(|head| head < position) {
            self.head = Some(position);
            self.keys.wanted += 1;
        }
    }

    fn prove(&mut self, at: UnixMillis, now: Now) -> bool {
        let came = Proof {
            at,
            first_came: now.monotonic,
        };
        // A copy of the newest proof, or an older one, does not restart the clock.
        let newest = self.proof.is_none_or(|proof| at > proof.at);
        let believed = newest && came.is_possible(now.wall);
        if believed {
            self.proof = Some(came);
        }
        believed
    }

    fn forget_impossible_proof(&mut self, wall: UnixMillis) {
        self.proof = self.proof.filter(|proof| proof.is_possible(wall));
    }

    fn forget(&mut self) {
        self.head = None;
        self.floor = Position::ZERO;
        self.proof = None;
        self.whole = false;
        self.missing_up_to = Position::ZERO;
        self.keys.wanted += 1;
    }

    /// What the feed should fetch now. Take the ticket *before* sending the request for a key set.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let key_set =
            (self.keys.answered < self.keys.wanted).then_some(KeySetTicket(self.keys.wanted));
        let missing = self.head.is_none_or(|head| head < self.missing_up_to) || !self.whole;
        // Pages that name a key in doubt make the answer under way too old; so the answer first.
        let catch_up = missing && self.keys.doubted.is_empty();
        Needs { key_set, catch_up }
    }

    /// A key set has come that was requested after `ticket` was taken. `live` are its keys.
    ///
    /// The newest one wanted decides which keys live: a key that it still holds was revoked by
    /// somebody who could sign but not revoke.
    pub fn key_set_came<'k>(
        &mut self,
        ticket: KeySetTicket,
        live: impl IntoIterator<Item = &'k KeyId>,
    ) {
        let first = self.keys.answered < ticket.0;
        self.keys.answered = self.keys.answered.max(ticket.0);
        // Not an answer that was asked for earlier, and not a second one: it may be the older of
        // the two, and hold a key that was revoked between them.
        if first && ticket.0 == self.keys.wanted {
            self.keys.doubted.clear();
            for kid in live {
                self.keys.revoked.remove(kid);
            }
        }
    }

    /// The end of what is known: ask for the pages after it.
    #[must_use]
    pub const fn head(&self) -> Option<Position> {
        self.head
    }

    /// Tokens with a smaller `pos` are refused.
    #[must_use]
    pub const fn floor(&self) -> Position {
        self.floor
    }

    /// The newest proof.
    #[must_use]
    pub const fn proof(&self) -> Option<Proof> {
        self.proof
    }

    /// The newest proof, to be shown to those who verify: none while anything is missing.
    #[must_use]
    pub fn proven(&self) -> Option<Proof> {
        self.proof.filter(|_| self.is_complete())
    }

    /// The keys whose tokens are dead.
    pub fn revoked_keys(&self) -> impl Iterator<Item = &KeyId> {
        self.keys.revoked.iter()
    }

    /// Whether nothing is missing: a page without `more` was taken, and every key set that was
    /// wanted has come.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.whole && self.keys.answered >= self.keys.wanted
    }

    /// Whether this verifier's word counts. The clocks are read by the caller *after* it has
    /// looked up the cut-offs.
    pub fn freshness(&mut self, now: Now, max_staleness: Duration) -> Freshness {
        self.forget_impossible_proof(now.wall);
        match self.proven() {
            Some(proof) => proof.freshness(now, max_staleness),
            None if self.is_complete() => Freshness::Unproven,
            None => Freshness::CatchingUp,
        }
    }
}

impl Freshness {
    /// Whether it is fresh.
    #[must_use]
    pub const fn is_fresh(self) -> bool {
        matches!(self, Self::Fresh { .. })
    }

    /// How old the proof is, where there is one.
    #[must_use]
    pub const fn age(self) -> Option<Duration> {
        match self {
            Self::Fresh { age } | Self::Stale { age } => Some(age),
            Self::Unproven | Self::CatchingUp => None,
        }
    }
}

impl Proof {
    /// What this proof is worth to a verifier that is complete. For threads that verify while
    /// another owns the view: where the answer is [`Freshness::Unproven`], the proof lies too far
    /// ahead of the wall clock, and must be forgotten for good.
    #[must_use]
    pub fn freshness(self, now: Now, max_staleness: Duration) -> Freshness {
        if !self.is_possible(now.wall) {
            return Freshness::Unproven;
        }
        match self.age(now) {
            age if age <= max_staleness => Freshness::Fresh { age },
            age => Freshness::Stale { age },
        }
    }

    fn is_possible(self, wall: UnixMillis) -> bool {
        self.at <= wall.plus(MAX_AHEAD)
    }

    /// How old the proof is, by whichever clock says more: the wall clock may be set back, and the
    /// monotonic one may stand still while a machine sleeps.
    #[must_use]
    pub fn age(self, now: Now) -> Duration {
        now.wall
            .since(self.at)
            .max(now.monotonic.saturating_sub(self.first_came))
    }
}

impl Target {
    const fn key(&self) -> Option<&KeyId> {
        match self {
            Self::Key(kid) => Some(kid),
            Self::Session(_) | Self::User { .. } | Self::Everyone => None,
        }
    }
}

#[cfg(test)]
mod tests;
