//! The judgement on one token: what every thread shares, and nothing that waits.

use crate::cache::{Cache, Entry};
use crate::counts::Counters;
use crate::cutoffs::Cutoffs;
use crate::error::{Error, Reason};
use crate::keys::{KeyState, Keys};
use crate::published::{Published, Seen};
use crate::session::Session;
use crate::token::{AccessToken, Expected};
use revocation_events::view::Freshness;
use revocation_events::{KeyId, Now, Position, UnixMillis};
use std::time::Duration;

/// When a client that was told to wait should come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const STALE: Error = Error::Stale {
    retry_after: RETRY_AFTER,
};
const STARTING: Error = Error::Starting {
    retry_after: RETRY_AFTER,
};

/// What a verifier does while it has no proof that its view is recent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStale {
    /// Answer 503: nobody is let in on old knowledge, and nobody is logged out because a cable was
    /// cut.
    #[default]
    Refuse,
    /// Go on with what is known. A token that was revoked since then is accepted until it expires.
    /// One that has expired, or is from the future, is answered 503 and not 401: this machine's
    /// clock may be why nothing can be proven. So clients should refresh before a token's end.
    Accept,
    /// Ask the session service about each token, in
    /// [`verify_or_introspect`](crate::Verifier::verify_or_introspect);
    /// [`verify`](crate::Verifier::verify) refuses. What is no token of the issuer's, or is known to
    /// be revoked, is refused unasked; what time it is, the service knows.
    Introspect,
}

/// What is shared between the threads that verify and the task that follows the feed.
pub(crate) struct Shared {
    pub(crate) expected: Expected,
    pub(crate) max_staleness: Duration,
    pub(crate) on_stale: OnStale,
    pub(crate) published: Published,
    pub(crate) cutoffs: Cutoffs,
    pub(crate) keys: Keys,
    pub(crate) cache: Cache,
    pub(crate) counters: Counters,
}

/// A token that no cut-off kills, and what is left to compare.
struct Alive {
    session: Session,
    position: Position,
    dies_at: UnixMillis,
}

/// Why no session was found for a text.
enum NotFound {
    Refused(Reason),
    UnknownKey(KeyId),
}

impl Shared {
    /// The verdict on a token. `now` reads the clocks; it is called when the verdict needs them
    /// and not before.
    pub(crate) fn verify(&self, text: &[u8], now: impl Fn() -> Now) -> Result<Session, Error> {
        self.verify_with(text, self.on_stale, now)
    }

    /// As [`verify`](Self::verify), under another policy than the one that is set.
    pub(crate) fn verify_with(
        &self,
        text: &[u8],
        policy: OnStale,
        now: impl Fn() -> Now,
    ) -> Result<Session, Error> {
        let verdict = self.judge(text, policy, now);
        self.counters.verdict(&verdict);
        verdict
    }

    fn judge(&self, text: &[u8], policy: OnStale, now: impl Fn() -> Now) -> Result<Session, Error> {
        // The order is explained in `published`.
        let seen = self.published.see();
        if !self.published.has_started() {
            return Err(STARTING);
        }
        let found = self.find(text, || Some(now().wall));
        let floor = self.published.floor();
        let now = now();
        match found {
            // Nearly every call ends here.
            Ok(alive)
                if self.published.is_fresh(seen, now, self.max_staleness)
                    && alive.position >= floor
                    && now.wall < alive.dies_at =>
            {
                Ok(alive.session)
            }
            found => self.weigh(text, found, floor, policy, (seen, now)),
        }
    }

    /// The rest of [`judge`](Self::judge).
    #[inline(never)]
    fn weigh(
        &self,
        text: &[u8],
        found: Result<Alive, NotFound>,
        floor: Position,
        policy: OnStale,
        (seen, now): (Seen, Now),
    ) -> Result<Session, Error> {
        let freshness = self.published.freshness(seen, now, self.max_staleness);
        if freshness.is_fresh() {
            return self.conclude(text, found, floor, now);
        }
        // Without a proof nobody is told that a token has expired, or that its time has not come: a
        // clock that was set wrong is one of the reasons for having no proof.
        if policy != OnStale::Accept {
            return Err(STALE);
        }
        match self.conclude(text, found, floor, now) {
            Err(Error::Invalid(reason)) if reason.is_by_the_clock() => {
                self.verify_at_any_time(text, now).and(Err(STALE))
            }
            verdict => verdict,
        }
    }

    /// What is known of a token without a proof and without this machine's wall clock, for a caller
    /// that asks the session service about the rest. Not counted.
    pub(crate) fn verify_at_any_time(&self, text: &[u8], now: Now) -> Result<Session, Error> {
        let found = self.find(text, || None);
        let alive = self.settle(found, self.published.floor(), now)?;
        Ok(alive.session)
    }

    fn conclude(
        &self,
        text: &[u8],
        found: Result<Alive, NotFound>,
        floor: Position,
        now: Now,
    ) -> Result<Session, Error> {
        let alive = self.settle(found, floor, now)?;
        if now.wall >= alive.dies_at {
            self.cache.remove(text);
            return Err(Reason::Expired.into());
        }
        Ok(alive.session)
    }

    /// All but the time.
    fn settle(
        &self,
        found: Result<Alive, NotFound>,
        floor: Position,
        now: Now,
    ) -> Result<Alive, Error> {
        match found {
            Ok(alive) if alive.position < floor => Err(Reason::BelowFloor.into()),
            Ok(alive) => Ok(alive),
            Err(NotFound::Refused(reason)) => Err(reason.into()),
            Err(NotFound::UnknownKey(kid)) if self.keys.is_absent(&kid, now.monotonic) => {
                Err(Reason::UnknownKey.into())
            }
            Err(NotFound::UnknownKey(_)) => Err(STARTING),
        }
    }

    /// What the proof is worth.
    pub(crate) fn freshness(&self, now: Now) -> Freshness {
        let seen = self.published.see();
        self.published.freshness(seen, now, self.max_staleness)
    }

    /// A token that no cut-off kills. `at` says at which time its times must be right; without one
    /// they are not looked at.
    fn find(
        &self,
        text: &[u8],
        at: impl FnOnce() -> Option<UnixMillis>,
    ) -> Result<Alive, NotFound> {
        let generation = self.cutoffs.generation();
        let cached = self.cache.find(text, |entry| {
            if entry.checked != generation
                && let Err(reason) = self.check_again(entry, generation)?
            {
                return Some(Err(reason));
            }
            Some(Ok(Alive {
                session: entry.session().clone(),
                position: entry.position,
                dies_at: entry.dies_at,
            }))
        });
        match cached {
            Some(Ok(alive)) => Ok(alive),
            Some(Err(reason)) => {
                self.cache.remove(text);
                Err(NotFound::Refused(reason))
            }
            None => self.find_out(text, at(), generation),
        }
    }

    /// Whether a token that was alive at an earlier generation still is. Of one that a cut-off has
    /// killed no signature is checked again: revocations are for good. `None` where its key has changed.
    #[inline(never)]
    fn check_again(&self, entry: &mut Entry, generation: u64) -> Option<Result<(), Reason>> {
        let session = entry.session();
        let (id, user) = (session.session_id(), session.user_id());
        if let Err(reason) = self.cutoffs.check(id, user, entry.position) {
            return Some(Err(reason));
        }
        let keys = self.keys.generation();
        if entry.keys != keys {
            let is_live = self.keys.is_live(session.token().kid(), session.key());
            is_live.then_some(())?;
            entry.keys = keys;
        }
        entry.checked = generation;
        Some(Ok(()))
    }

    /// As [`find`](Self::find), for a token that was not seen before.
    #[inline(never)]
    fn find_out(
        &self,
        text: &[u8],
        at: Option<UnixMillis>,
        generation: u64,
    ) -> Result<Alive, NotFound> {
        let keys = self.keys.generation();
        let (token, key) = self.decode(text, at)?;
        self.cutoffs
            .check(token.session_id(), token.user_id(), token.position())
            .map_err(NotFound::Refused)?;
        let (position, dies_at) = (token.position(), token.dies_at());
        let session = Session::new(token, key);
        // Whoever is found in the cache was in time once, and is only asked whether it still is.
        if at.is_some() && position >= self.published.floor() {
            self.cache.insert(text, &session, (generation, keys));
        }
        Ok(Alive {
            session,
            position,
            dies_at,
        })
    }

    /// The cut-off that kills a session's token, if there is one.
    pub(crate) fn revocation(&self, session: &Session) -> Option<Reason> {
        let (id, user) = (session.session_id(), session.user_id());
        self.cutoffs.check(id, user, session.position()).err()
    }

    fn decode(
        &self,
        text: &[u8],
        at: Option<UnixMillis>,
    ) -> Result<(AccessToken, [u8; 32]), NotFound> {
        let (mut live, mut without) = (None, None);
        let key = |kid: &KeyId| {
            match self.keys.look_up(kid) {
                KeyState::Live(key) => live = Some(key),
                KeyState::Revoked => without = Some(NotFound::Refused(Reason::KeyRevoked)),
                KeyState::Unknown => without = Some(NotFound::UnknownKey(kid.clone())),
            }
            live
        };
        let text = std::str::from_utf8(text).map_err(|_| NotFound::Refused(Reason::Malformed))?;
        match (AccessToken::read(text, &self.expected, at, key), live) {
            (Ok(token), Some(key)) => Ok((token, key.to_bytes())),
            (decoded, _) => {
                let reason = decoded.err().unwrap_or(Reason::UnknownKey);
                Err(without.unwrap_or(NotFound::Refused(reason)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
