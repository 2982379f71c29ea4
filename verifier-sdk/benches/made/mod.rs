//! What the benchmarks are given: an issuer's tokens and pages.

use ed25519_dalek::SigningKey;
use revocation_events::jwk::{KeySet, thumbprint};
use revocation_events::{Position, Revocation, SessionId, Target, UnixMillis, UserId, jws};
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;
use verifier_sdk::bench::Judge;
use verifier_sdk::token::Expected;

pub(crate) const ISSUER: &str = "https://id.example.com";
const POSITION: u64 = 1_764_000_000_000_000;

pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub(crate) fn keys() -> KeySet {
    [key().verifying_key()].into_iter().collect()
}

pub(crate) fn expected() -> Expected {
    Expected::new(ISSUER, "api")
}

pub(crate) fn judge(cache_bytes: usize) -> Judge {
    Judge::new(expected(), keys(), cache_bytes)
}

pub(crate) fn now() -> UnixMillis {
    UnixMillis::default().plus(SystemTime::now().duration_since(UNIX_EPOCH).unwrap())
}

pub(crate) fn position(n: u64) -> Position {
    Position::new(POSITION + n).unwrap()
}

/// Session and user `n` of a kind, as random as those of version 4.
fn id(kind: u64, n: u64) -> Uuid {
    let mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Uuid::from_u64_pair(
        mixed ^ kind,
        mixed.rotate_left(32).wrapping_mul(0xff51_afd7_ed55_8ccd),
    )
}

pub(crate) fn session(n: u64) -> SessionId {
    SessionId::new(id(1, n))
}

pub(crate) fn user(n: u64) -> UserId {
    UserId::new(id(2, n))
}

/// The session's end, after all tokens were minted.
pub(crate) fn revocation(n: u64) -> Revocation {
    Revocation {
        position: position(n + 1),
        target: Target::Session(session(n)),
    }
}

/// A token of session and user `n`, as the service mints them.
pub(crate) fn token(n: u64) -> String {
    let now = now().secs();
    let claims = serde_json::json!({
        "iss": ISSUER, "aud": "api", "sub": user(n), "client_id": "app", "sid": session(n),
        "jti": id(3, n), "iat": now, "exp": now + 900, "auth_time": now,
        "pos": position(0), "roles": ["user"],
    });
    let kid = thumbprint(&key().verifying_key());
    jws::sign("at+jwt", &kid, claims.to_string().as_bytes(), &key())
}
