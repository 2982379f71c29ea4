//! Parts of the inside, for benchmarks: a verifier without a feed, and the revoked set alone.
//!
//! It is no interface. Whoever is not a benchmark of this workspace has no business here.

use crate::cache::Cache;
use crate::clock::Clock;
use crate::counts::Counters;
use crate::cutoffs::Cutoffs;
use crate::error::Error;
use crate::feed::Progress;
use crate::feed::follower::Follower;
use crate::feed::sse::Events;
use crate::keys::Keys;
use crate::published::Published;
use crate::session::Session;
use crate::shared::{OnStale, Shared};
use crate::token::Expected;
use crate::trouble::Trouble;
use crate::waiters::Waiters;
use revocation_events::jwk::KeySet;
use revocation_events::view::Proof;
use revocation_events::{Now, Position, Revocation, SessionId, UserId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a verifier's threads share, fresh for a day from now on.
#[derive(Clone)]
pub struct Judge {
    shared: Arc<Shared>,
    clock: Clock,
}

impl Judge {
    /// One that knows these keys and no revocation.
    #[must_use]
    pub fn new(expected: Expected, keys: KeySet, cache_bytes: usize) -> Self {
        let clock = Clock::new();
        let now = clock.now();
        let shared = Shared {
            cache: Cache::new(cache_bytes),
            expected,
            max_staleness: A_DAY,
            on_stale: OnStale::Refuse,
            published: Published::default(),
            cutoffs: Cutoffs::default(),
            keys: Keys::default(),
            counters: Counters::default(),
        };
        shared.keys.replace(keys, now);
        shared.published.set_started();
        shared.published.show_proof(Proof {
            at: now.wall,
            first_came: now.monotonic,
        });
        Self {
            shared: Arc::new(shared),
            clock,
        }
    }

    /// As [`Verifier::verify`](crate::Verifier::verify).
    ///
    /// # Errors
    /// As there.
    pub fn verify(&self, token: &str) -> Result<Session, Error> {
        self.shared.verify(token.as_bytes(), || self.clock.now())
    }

    /// What the feed does with the entries of a page.
    pub fn revoke(&self, revoked: &[Revocation]) {
        self.shared.cutoffs.insert(revoked);
    }

    /// What the feed does now and then.
    pub fn keep_house(&self) {
        self.shared.cache.sweep(self.now().wall);
    }

    /// The clocks, as each verdict reads them.
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// The task that owns the view, without a transport.
    #[must_use]
    pub fn follower(&self) -> Pages {
        let (progress, _) = watch::channel(Progress::default());
        let follower = Follower::new(
            Arc::clone(&self.shared),
            Arc::new(Waiters::new()),
            Arc::new(Trouble::default()),
            progress,
        );
        Pages(follower, self.clock)
    }
}

/// Takes pages as a feed brings them.
pub struct Pages(Follower, Clock);

impl Pages {
    /// Whether the page was one.
    pub fn take(&mut self, page: &str) -> bool {
        self.0.page(page, self.1.now()).is_ok()
    }
}

/// A stream of server-sent events, as it is taken apart.
#[derive(Default)]
pub struct EventStream(Events);

impl EventStream {
    /// The events that end in these bytes.
    ///
    /// # Panics
    /// Where an event is too long.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let events = self.0.push(bytes);
        events.unwrap_or_else(|_| panic!("an event is too long"))
    }
}

/// The revoked set alone.
#[derive(Default)]
pub struct RevokedSet(Cutoffs);

impl RevokedSet {
    /// One writer at a time.
    pub fn insert(&self, revoked: &[Revocation]) {
        self.0.insert(revoked);
    }

    /// Whether a token of this session and user, minted at `position`, lives.
    #[must_use]
    pub fn lives(&self, session: SessionId, user: UserId, position: Position) -> bool {
        self.0.check(session, user, position).is_ok()
    }

    /// Whether a token of this session, minted at `position`, lives, as far as its session goes: one
    /// look-up, where [`lives`](Self::lives) has two or more.
    #[must_use]
    pub fn session_lives(&self, session: SessionId, position: Position) -> bool {
        !self.0.session_is_cut(session, position)
    }

    /// Drops what lies at or below `floor` as a whole, if there is such a bucket.
    pub fn expire(&self, floor: Position) {
        drop(self.0.take_out(floor));
    }

    /// How many subjects have a cut-off.
    #[must_use]
    pub fn subjects(&self) -> usize {
        self.0.len()
    }
}
