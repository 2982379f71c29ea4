//! What `tests/instructions` counts under callgrind. One measure a run, named by the first argument;
//! what is counted is whatever happens inside the function of that name, [`TIMES`] times.
//!
//! Each of these functions is a symbol that callgrind is told of, so it is not inlined, and none has a
//! closure: that would be another symbol with the name in it.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails says where")]

#[path = "made/mod.rs"]
mod made;

use made::{judge, revocation, token};
use std::hint::black_box;
use verifier_sdk::bench::Judge;

/// Known to `tests/instructions` too.
const TIMES: usize = 100;
const CACHE: usize = 16 << 20;

#[inline(never)]
fn counted_verifications(judge: &Judge, tokens: &[String]) {
    for token in tokens {
        black_box(judge.verify(black_box(token))).unwrap();
    }
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
        Some("first") => {
            let judge = judge(CACHE);
            // Whatever is set up once.
            judge.verify(&token(TIMES as u64)).unwrap();
            counted_verifications(&judge, &tokens);
        }
        _ => eprintln!("usage: instructions cached|cached-again|first; see tests/instructions"),
    }
}
