//! What other Rust crates take to verify a token that says the same as one of ours, signed by the same
//! key. `tests/bench verify` runs it and walks by turns.
//!
//! It prints one line for each crate, its name and its version, and an empty one. Then, for each name
//! that it reads, it verifies all tokens of that crate once, and prints the nanoseconds a token.
//!
//! | module | what |
//! | --- | --- |
//! | `claims` | what a token says, in whichever format |
//! | `jwt` | `jwt-simple`, `jwt-compact`, and `josekit` where the headers of OpenSSL are |
//! | `paseto` | `pasetors` |
//! | `biscuit` | `biscuit-auth` |
//!
//! `jsonwebtoken` is not among them: the benchmark itself has it.

mod biscuit;
mod claims;
mod jwt;
mod paseto;

use claims::{Claims, Facts};
use std::hint::black_box;
use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

/// Of the key that signs; the same as the benchmark's.
const SEED: [u8; 32] = [7; 32];
const TOKENS: u64 = 500;

/// A crate that verifies tokens.
trait Peer {
    fn name(&self) -> &'static str;

    fn mint(&self, claims: &Claims, seed: [u8; 32]) -> String;

    /// Nothing where the signature, the expiry, the issuer or the audience is not right.
    fn verify(&self, token: &str) -> Option<Facts>;
}

fn main() -> ExitCode {
    let peers: Vec<Box<dyn Peer>> = vec![
        Box::new(jwt::JwtSimple::new()),
        Box::new(jwt::JwtCompact::new()),
        #[cfg(feature = "josekit")]
        Box::new(jwt::Josekit::new()),
        Box::new(paseto::Pasetors::new()),
        Box::new(biscuit::BiscuitAuth::new()),
    ];
    let tokens: Vec<Vec<String>> = peers.iter().map(|peer| tokens(&**peer)).collect();
    for peer in &peers {
        refuses(&**peer);
        println!("{} {}", peer.name(), version(peer.name()));
    }
    println!();
    for name in std::io::stdin().lock().lines() {
        let name = name.expect("lines of text");
        let Some(at) = peers.iter().position(|peer| peer.name() == name) else {
            eprintln!("{name}: none of the peers");
            return ExitCode::from(2);
        };
        println!("{}", walk(&*peers[at], &tokens[at]));
        // Whoever reads it waits, and a pipe gets no lines but blocks.
        std::io::stdout().flush().expect("a reader");
    }
    ExitCode::SUCCESS
}

/// Distinct ones, each of which verifies and says what was minted.
fn tokens(peer: &dyn Peer) -> Vec<String> {
    let minted = (0..TOKENS).map(|n| {
        let claims = Claims::new(n);
        let token = peer.mint(&claims, SEED);
        assert_eq!(peer.verify(&token), Some(claims.facts), "{}", peer.name());
        token
    });
    minted.collect()
}

/// Beside whoever leaves out a check no figure would mean anything.
fn refuses(peer: &dyn Peer) {
    let good = || Claims::new(0);
    // Past what any of them lets through for the sake of clocks.
    let minutes_ago = good().issued - 180;
    let refused = |what: &str, claims: Claims, seed| {
        let token = peer.mint(&claims, seed);
        assert_eq!(peer.verify(&token), None, "{}: {what}", peer.name());
    };
    refused("another key", good(), [8; 32]);
    let issuer = "https://id.example.net";
    refused("another issuer", Claims { issuer, ..good() }, SEED);
    let audience = "mail";
    refused("another audience", Claims { audience, ..good() }, SEED);
    let expired = Claims {
        issued: minutes_ago - 900,
        expires: minutes_ago,
        ..good()
    };
    refused("expired", expired, SEED);
}

/// That of the lock file, which is what was built.
fn version(name: &str) -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let (_, package) = lock
        .split_once(&format!("name = \"{name}\"\nversion = \""))
        .expect("a package of the lock file");
    package.split('"').next().expect("a version")
}

/// Nanoseconds a token.
fn walk(peer: &dyn Peer, tokens: &[String]) -> f64 {
    let began = on_processor();
    for token in tokens {
        assert!(black_box(peer.verify(token)).is_some(), "{}", peer.name());
    }
    (on_processor() - began).as_secs_f64() * 1e9 / tokens.len() as f64
}

/// A timer that other processes do not disturb: what this thread was on a processor for.
fn on_processor() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let [seconds, nanos] = [spent.tv_sec, spent.tv_nsec].map(i64::cast_unsigned);
    Duration::from_secs(seconds) + Duration::from_nanos(nanos)
}
