//! What `tests/instructions` counts under callgrind. One measure a run, named by the first argument;
//! what is counted is whatever happens inside the function of that name, [`TIMES`] times.
//!
//! callgrind is told of the symbols that begin so, and counts what they call too. So they are not
//! inlined, and none has a closure: that would be another symbol with the name in it.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails says where")]

#[path = "made/mod.rs"]
mod made;

use ed25519_dalek::VerifyingKey;
use made::{expected, judge, now, revocation, token};
use revocation_events::{KeyId, UnixMillis};
use std::hint::black_box;
use verifier_sdk::bench::Judge;
use verifier_sdk::token::{AccessToken, Expected};

/// Known to `tests/instructions` too.
const TIMES: usize = 100;
const CACHE: usize = 16 << 20;

#[inline(never)]
fn counted_verifications(judge: &Judge, tokens: &[String]) {
    for token in tokens {
        black_box(judge.verify(black_box(token))).unwrap();
    }
}

/// All of the reading, and no signature: the key is unknown.
#[inline(never)]
fn counted_verifications_without_a_key(expected: &Expected, now: UnixMillis, tokens: &[String]) {
    for token in tokens {
        black_box(AccessToken::decode(black_box(token), expected, now, no_key)).unwrap_err();
    }
}

fn no_key(_: &KeyId) -> Option<VerifyingKey> {
    None
}

fn main() {
    let tokens: Vec<_> = (0..TIMES as u64).map(token).collect();
    match std::env::args().nth(1).as_deref() {
        Some("cached") => {
            let judge = judge(CACHE);
            for token in &tokens {
                judge.verify(token).unwrap();
            }
            counted_verifications(&judge, &tokens);
        }
        Some("cached-again") => {
            let judge = judge(CACHE);
            for token in &tokens {
                judge.verify(token).unwrap();
            }
            judge.revoke(&[revocation(1_000_000)]);
            counted_verifications(&judge, &tokens);
        }
        Some("read") => counted_verifications_without_a_key(&expected(), now(), &tokens),
        Some("first") => {
            let judge = judge(CACHE);
            // Whatever is set up once.
            judge.verify(&token(TIMES as u64)).unwrap();
            counted_verifications(&judge, &tokens);
        }
        _ => {
            eprintln!("usage: instructions cached|cached-again|read|first; see tests/instructions")
        }
    }
}
