//! For unit tests: a follower and what it feeds, driven by hand, with clocks that stand where they
//! are put. Time begins at 1,000 s; positions are small numbers.

use crate::cache::Cache;
use crate::counts::Counters;
use crate::cutoffs::Cutoffs;
use crate::error::Error;
use crate::feed::Progress;
use crate::feed::follower::{Follower, Refused};
use crate::keys::Keys;
use crate::published::Published;
use crate::session::Session;
use crate::shared::{OnStale, Shared};
use crate::token::Expected;
use crate::trouble::Trouble;
use crate::waiters::Waiters;
use ed25519_dalek::SigningKey;
use revocation_events::jwk::thumbprint;
use revocation_events::view::Taken;
use revocation_events::{
    KeyId, Now, Page, Position, Revocation, SessionId, Target, UnixMillis, UserId, jws,
};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

pub(crate) const ISSUER: &str = "https://id.example.com";
pub(crate) const MAX_STALENESS: Duration = Duration::from_secs(10);

pub(crate) struct Kit {
    pub(crate) shared: Arc<Shared>,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) trouble: Arc<Trouble>,
    pub(crate) follower: Follower,
    pub(crate) progress: watch::Receiver<Progress>,
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn kid(seed: u8) -> KeyId {
    thumbprint(&key(seed).verifying_key())
}

pub(crate) fn pos(value: u64) -> Position {
    Position::new(value).unwrap()
}

/// Both clocks `millis` after the beginning.
pub(crate) fn at(millis: u64) -> Now {
    Now {
        wall: UnixMillis::new(1_000_000 + millis),
        monotonic: Duration::from_millis(millis),
    }
}

pub(crate) fn session(n: u128) -> SessionId {
    SessionId::new(Uuid::from_u128(n))
}

pub(crate) fn user(n: u128) -> UserId {
    UserId::new(Uuid::from_u128(n))
}

/// A page of time `millis`, signed by key 1.
pub(crate) fn page(millis: u64, from: u64, to: u64, floor: u64, targets: &[Target]) -> String {
    let revoked = targets.iter().cloned().zip(from + 1..);
    let revoked: Vec<_> = revoked
        .map(|(target, position)| Revocation {
            position: pos(position),
            target,
        })
        .collect();
    let pages = Page::cut(
        ISSUER,
        at(millis).wall,
        (pos(from), pos(to)),
        pos(floor),
        &revoked,
    );
    pages[0].sign(&kid(1), &key(1))
}

/// A token of session and user `n`, minted at the beginning, signed by the key of that seed.
pub(crate) fn token_by(seed: u8, n: u128, position: u64) -> String {
    let claims = json!({
        "iss": ISSUER, "aud": "api", "sub": user(n), "sid": session(n), "client_id": "app",
        "jti": "t", "iat": 1_000, "exp": 1_900, "auth_time": 1_000, "pos": position,
    });
    jws::sign(
        "at+jwt",
        &kid(seed),
        claims.to_string().as_bytes(),
        &key(seed),
    )
}

pub(crate) fn token(n: u128, position: u64) -> String {
    token_by(1, n, position)
}

impl Kit {
    /// Knows nothing.
    pub(crate) fn new() -> Self {
        let shared = Arc::new(Shared {
            expected: Expected::new(ISSUER, "api"),
            max_staleness: MAX_STALENESS,
            on_stale: OnStale::Refuse,
            published: Published::default(),
            cutoffs: Cutoffs::default(),
            keys: Keys::default(),
            cache: Cache::new(1024 * 1024),
            counters: Counters::default(),
        });
        let waiters = Arc::new(Waiters::new());
        let trouble = Arc::new(Trouble::default());
        let (sender, progress) = watch::channel(Progress::default());
        let follower = Follower::new(
            Arc::clone(&shared),
            Arc::clone(&waiters),
            Arc::clone(&trouble),
            sender,
        );
        Self {
            shared,
            waiters,
            trouble,
            follower,
            progress,
        }
    }

    /// Complete and fresh at the beginning, with head 10 and key 1.
    pub(crate) fn fresh() -> Self {
        let mut kit = Self::new();
        kit.give_keys(&[1], at(0));
        kit.take(&page(0, 0, 10, 0, &[]), at(0)).unwrap();
        kit.give_keys(&[1], at(0));
        kit.shared.published.set_started();
        assert!(kit.verify(&token(1, 10), at(0)).is_ok());
        kit
    }

    pub(crate) fn take(&mut self, page: &str, now: Now) -> Result<Taken, Refused> {
        self.follower.page(page, now)
    }

    /// A key set comes, with what the view needs answered.
    pub(crate) fn give_keys(&mut self, seeds: &[u8], now: Now) {
        let set = seeds
            .iter()
            .map(|seed| key(*seed).verifying_key())
            .collect();
        let ticket = self.follower.needs().key_set;
        let number = self.shared.keys.begin_read();
        self.follower.key_set(set, number, ticket, now);
    }

    pub(crate) fn verify(&self, text: &str, now: Now) -> Result<Session, Error> {
        self.shared.verify(text.as_bytes(), || now)
    }
}
