//! Tokens and revocations as the service makes them, without the service.

use ed25519_dalek::SigningKey;
use revocation_events::jwk::{KeySet, thumbprint};
use revocation_events::{KeyId, Position, Revocation, SessionId, Target, UserId, jws};
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;
use verifier_sdk::bench::Judge;
use verifier_sdk::token::Expected;

pub(crate) const ISSUER: &str = "https://id.example.com";
pub(crate) const AUDIENCE: &str = "api";

/// Where the log stands when the first of the tokens is minted.
pub(crate) const POSITION: u64 = 1_764_000_000_000_000;

/// Signs what a verifier is tried with.
pub(crate) struct Issuer {
    key: SigningKey,
    kid: KeyId,
}

impl Issuer {
    pub(crate) fn new(seed: u8) -> Self {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let kid = thumbprint(&key.verifying_key());
        Self { key, kid }
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    pub(crate) fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// A verifier that knows the issuer's key.
    pub(crate) fn judge(&self, cache_bytes: usize) -> Judge {
        let keys: KeySet = [self.key.verifying_key()].into_iter().collect();
        Judge::new(Expected::new(ISSUER, AUDIENCE), keys, cache_bytes)
    }

    /// The token of session and user `n`, minted now.
    pub(crate) fn token(&self, n: u64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = now.as_secs();
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": user(n), "client_id": "app", "sid": session(n),
            "jti": Uuid::from_u128(u128::from(n) << 64), "iat": now, "exp": now + 900,
            "auth_time": now, "pos": POSITION, "roles": ["user"],
        });
        jws::sign(
            "at+jwt",
            &self.kid,
            claims.to_string().as_bytes(),
            &self.key,
        )
    }

    pub(crate) fn tokens(&self, n: u64) -> Vec<String> {
        (0..n).map(|n| self.token(n)).collect()
    }
}

/// Ids look like version 7: made one after another, random at the end.
pub(crate) fn session(n: u64) -> SessionId {
    SessionId::new(v7(n, 1))
}

pub(crate) fn user(n: u64) -> UserId {
    UserId::new(v7(n, 2))
}

fn v7(n: u64, kind: u64) -> Uuid {
    let mut random = fastrand::Rng::with_seed(n * 4 + kind);
    let millis = 1_764_000_000_000 + n / 8;
    let high = millis << 16 | 0x7000 | random.u64(..0x1000);
    let low = random.u64(..) >> 2 | 1 << 63;
    Uuid::from_u64_pair(high, low)
}

/// The `n`th revocation after the tokens were minted: of session `n`.
pub(crate) fn revocation(n: u64) -> Revocation {
    Revocation {
        position: Position::new(POSITION + 1 + n).unwrap(),
        target: Target::Session(session(n)),
    }
}

/// A timer that other processes do not disturb: what this thread was on a processor for.
pub(crate) fn on_processor() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        spent.tv_sec.try_into().unwrap(),
        spent.tv_nsec.try_into().unwrap(),
    )
}
