//! Every function that is paid for at each request or at each page, by itself:
//! `cargo bench -p verifier-sdk --all-features --bench micro`. What stands beside alternatives is in
//! `tests/bench`.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails says where")]

#[path = "made/mod.rs"]
mod made;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use made::{ISSUER, expected, judge, key, keys, now, position, revocation, session, token, user};
use revocation_events::jwk::thumbprint;
use revocation_events::jws::Unverified;
use revocation_events::{Page, Revocation, page};
use verifier_sdk::bench::{EventStream, RevokedSet};
use verifier_sdk::token::{AccessToken, MAX_LEN, TYP};

fn main() {
    divan::main();
}

const CACHE: usize = 64 << 20;

#[divan::bench(args = [1, 1_000, 10_000])]
fn cached_verification(bencher: Bencher<'_, '_>, tokens: u64) {
    let judge = judge(CACHE);
    let tokens: Vec<_> = (0..tokens).map(token).collect();
    let verify_all = || {
        for token in &tokens {
            black_box(judge.verify(token)).unwrap();
        }
    };
    verify_all();
    bencher
        .counter(ItemsCount::new(tokens.len()))
        .bench_local(verify_all);
}

/// After somebody else was revoked.
#[divan::bench]
fn cached_verification_looked_at_again(bencher: Bencher<'_, '_>) {
    let judge = judge(CACHE);
    let tokens: Vec<_> = (0..1_000).map(token).collect();
    let mut other = 1_000_000;
    bencher
        .counter(ItemsCount::new(tokens.len()))
        .with_inputs(|| {
            other += 1;
            judge.revoke(&[revocation(other)]);
        })
        .bench_local_values(|()| {
            for token in &tokens {
                black_box(judge.verify(token)).unwrap();
            }
        });
}

#[divan::bench]
fn first_verification(bencher: Bencher<'_, '_>) {
    let (judge, token) = (judge(0), token(1));
    bencher.bench_local(|| judge.verify(black_box(&token)).unwrap());
}

#[divan::bench]
fn signature_alone(bencher: Bencher<'_, '_>) {
    let token = token(1);
    let key = key().verifying_key();
    bencher
        .with_inputs(|| Unverified::parse(&token, TYP, MAX_LEN).unwrap())
        .bench_local_refs(|unverified| unverified.verify(&key).map(<[u8]>::len).unwrap());
}

#[divan::bench]
fn envelope_taken_apart(bencher: Bencher<'_, '_>) {
    let token = token(1);
    bencher.bench_local(|| Unverified::parse(black_box(&token), TYP, MAX_LEN).unwrap());
}

/// All of the reading, and no signature: the key is unknown.
#[divan::bench]
fn token_without_its_signature(bencher: Bencher<'_, '_>) {
    let (token, expected, now) = (token(1), expected(), now());
    bencher.bench_local(|| AccessToken::decode(black_box(&token), &expected, now, |_| None));
}

#[divan::bench]
fn junk(bencher: Bencher<'_, '_>) {
    let judge = judge(CACHE);
    let text = "x".repeat(600);
    bencher.bench_local(|| judge.verify(black_box(&text)).unwrap_err());
}

#[divan::bench]
fn both_clocks(bencher: Bencher<'_, '_>) {
    let judge = judge(0);
    bencher.bench_local(|| judge.now());
}

#[divan::bench(args = [1_000, 100_000, 1_000_000])]
fn look_up_of_the_living(bencher: Bencher<'_, '_>, revoked: u64) {
    look_up(bencher, revoked, revoked);
}

#[divan::bench(args = [1_000, 100_000, 1_000_000])]
fn look_up_of_the_dead(bencher: Bencher<'_, '_>, revoked: u64) {
    look_up(bencher, revoked, 0);
}

/// Of session and user, from `first` on.
fn look_up(bencher: Bencher<'_, '_>, revoked: u64, first: u64) {
    let set = RevokedSet::default();
    for n in 0..revoked {
        set.insert(&[revocation(n)]);
    }
    let mut next = 0;
    bencher
        .with_inputs(|| {
            next += 7_919;
            let n = first + next % revoked;
            (session(n), user(n))
        })
        .bench_local_values(|(session, user)| set.lives(session, user, position(0)));
}

#[divan::bench]
fn insert_into_a_hundred_thousand(bencher: Bencher<'_, '_>) {
    let set = RevokedSet::default();
    let mut next = 0;
    while next < 100_000 {
        set.insert(&[revocation(next)]);
        next += 1;
    }
    bencher
        .with_inputs(|| {
            next += 1;
            [revocation(next)]
        })
        .bench_local_values(|one| set.insert(&one));
}

/// A thousand revocations.
fn full_page() -> String {
    cut_and_signed(&revoked())
}

fn revoked() -> Vec<Revocation> {
    (0..1_000).map(revocation).collect()
}

fn cut_and_signed(revoked: &[Revocation]) -> String {
    let ends = (position(0), position(1_000));
    let pages = Page::cut(ISSUER, now(), ends, position(0), revoked);
    pages[0].sign(&thumbprint(&key().verifying_key()), &key())
}

/// What the service does for each page, by this library's signatures.
#[divan::bench]
fn full_page_made(bencher: Bencher<'_, '_>) {
    let revoked = revoked();
    bencher
        .counter(ItemsCount::new(1_000_usize))
        .bench_local(|| cut_and_signed(black_box(&revoked)));
}

/// As it comes over HTTP, in pieces of 16 KiB.
#[divan::bench]
fn full_page_out_of_an_event_stream(bencher: Bencher<'_, '_>) {
    let event = format!("id: 1\ndata: {}\n\n", full_page());
    bencher
        .counter(ItemsCount::new(1_000_usize))
        .bench_local(|| {
            let mut stream = EventStream::default();
            let pieces = event.as_bytes().chunks(16 << 10);
            let pages: usize = pieces.map(|piece| stream.push(piece).len()).sum();
            assert_eq!(pages, 1);
        });
}

/// Signature, JSON, positions.
#[divan::bench]
fn full_page_read(bencher: Bencher<'_, '_>) {
    let (page, keys) = (full_page(), keys());
    bencher
        .counter(ItemsCount::new(1_000_usize))
        .bench_local(|| Page::verify(&page, ISSUER, |kid| keys.get(kid).copied()).unwrap());
}

#[divan::bench]
fn full_page_taken_apart(bencher: Bencher<'_, '_>) {
    let page = full_page();
    bencher
        .counter(ItemsCount::new(1_000_usize))
        .bench_local(|| Unverified::parse(&page, page::TYP, page::MAX_LEN).unwrap());
}

/// And its cut-offs inserted; they are there already.
#[divan::bench]
fn full_page_taken(bencher: Bencher<'_, '_>) {
    let page = full_page();
    let mut follower = judge(0).follower();
    bencher
        .counter(ItemsCount::new(1_000_usize))
        .bench_local(|| assert!(follower.take(&page)));
}
