//! What a token says, in whichever format.

use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const ISSUER: &str = "https://id.example.com";
pub(crate) const AUDIENCE: &str = "api";
pub(crate) const CLIENT: &str = "app";

/// What one is minted of: the claims of an access token of ours, as long as those.
pub(crate) struct Claims {
    pub(crate) issuer: &'static str,
    pub(crate) audience: &'static str,
    /// Of the log-in too.
    pub(crate) issued: u64,
    pub(crate) expires: u64,
    pub(crate) facts: Facts,
}

/// What whoever verifies a token learns from it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Facts {
    pub(crate) sub: String,
    pub(crate) sid: String,
    pub(crate) jti: String,
    pub(crate) pos: u64,
    pub(crate) roles: Vec<String>,
}

impl Claims {
    /// Those of session and user `n`, issued now.
    pub(crate) fn new(n: u64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("a clock past 1970").as_secs();
        Self {
            issuer: ISSUER,
            audience: AUDIENCE,
            issued: now,
            expires: now + 900,
            facts: Facts {
                sub: id(n, 1),
                sid: id(n, 2),
                jti: id(n, 3),
                pos: 1_764_000_000_000_000,
                roles: vec!["user".to_owned()],
            },
        }
    }
}

/// Looks like a UUID of version 7.
fn id(n: u64, kind: u64) -> String {
    let random = (n * 4 + kind).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (low, high) = (random & 0xffff_ffff_ffff, random >> 52);
    format!("019ab4c8-{n:04x}-7{high:03x}-8{high:03x}-{low:012x}")
}
