//! Floods of what is no use to anybody: what each of it costs, what it leaves in memory, and what
//! becomes of those who are served beside it.

use crate::alone;
use crate::effort;
use crate::rounds::Rounds;
use crate::table::Table;
use crate::tokens::{Issuer, revocation};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::hint::black_box;
use std::time::Instant;
use verifier_sdk::bench::Judge;

pub(crate) const NAME: &str = "bad-tokens";

/// As a service has it that left the setting alone; smaller than the flood in any case.
fn cache() -> usize {
    effort::of(64 << 20, 8 << 20)
}

/// How many a flood is made of.
fn flood_size() -> u64 {
    effort::of(200_000, 30_000)
}

/// Those who come again and again, between any two strangers.
const REGULARS: u64 = 100;

const VALID: &str = "valid tokens of others";
const FORGED: &str = "tokens with a made-up signature";
const NO_TOKENS: &str = "texts that are no tokens";
const UNKNOWN: &str = "tokens of unknown keys, each of another";
const REVOCATIONS: &str = "revocations of sessions that do not exist";

pub(crate) fn measure(table: &mut Table) {
    for flood in [VALID, FORGED, NO_TOKENS, UNKNOWN, REVOCATIONS] {
        alone::measure(table, NAME, flood);
    }
}

/// One of the floods, in a process of its own.
pub(crate) fn alone(table: &mut Table, what: &str) {
    let issuer = Issuer::new(7);
    let regulars = issuer.tokens(REGULARS);
    let any = |n: u64| regulars[(n % REGULARS) as usize].as_str();
    match what {
        VALID => flood(table, &issuer, &regulars, what, &|n| {
            issuer.token(1_000_000 + n)
        }),
        // A signature of the right length, another one for each.
        FORGED => flood(table, &issuer, &regulars, what, &|n| {
            let (signed, _) = any(n).rsplit_once('.').unwrap();
            format!("{signed}.{n:0>86}")
        }),
        NO_TOKENS => flood(table, &issuer, &regulars, what, &|n| format!("{n:0>600}")),
        UNKNOWN => flood(table, &issuer, &regulars, what, &|n| {
            let header = format!(r#"{{"alg":"EdDSA","kid":"{n:0>43}","typ":"at+jwt"}}"#);
            let (_, rest) = any(n).split_once('.').unwrap();
            format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
        }),
        REVOCATIONS => revocations(table, &issuer, &regulars),
        _ => unreachable!("{what}"),
    }
}

fn flood(
    table: &mut Table,
    issuer: &Issuer,
    regulars: &[String],
    what: &str,
    nth: &dyn Fn(u64) -> String,
) {
    let judge = issuer.judge(cache());
    let alone = served(&judge, regulars);
    let before = alone::memory();
    let (mut spent, mut worst) = (0.0, 0.0_f64);
    let many = flood_size();
    for n in 0..many {
        let text = nth(n);
        let began = Instant::now();
        let _verdict = black_box(judge.verify(&text));
        let took = began.elapsed().as_secs_f64() * 1e6;
        (spent, worst) = (spent + took, worst.max(took));
        judge.verify(&regulars[(n % REGULARS) as usize]).unwrap();
        if n % 10_000 == 0 {
            judge.keep_house();
        }
    }
    let left = alone::memory().saturating_sub(before);
    let beside = served(&judge, regulars);
    let name = |of: &str| format!("{many} {what}: {of}");
    table.row(&name("each"), spent / many as f64, "the worst", worst, "µs");
    table.row(
        &name("left in memory"),
        left as f64 / f64::from(1 << 20),
        "the cache's budget",
        cache() as f64 / f64::from(1 << 20),
        "MiB",
    );
    table.row(
        &name("a regular's token afterwards"),
        beside,
        "before",
        alone,
        "ns",
    );
}

/// The median over the regulars of the first call since the last round.
fn served(judge: &Judge, regulars: &[String]) -> f64 {
    for token in regulars {
        judge.verify(token).unwrap();
    }
    let mut times: Vec<_> = (0..51)
        .map(|_| {
            let began = Instant::now();
            for token in regulars {
                black_box(judge.verify(token)).unwrap();
            }
            began.elapsed().as_secs_f64() * 1e9 / regulars.len() as f64
        })
        .collect();
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Of sessions that there never were, by somebody who may sign pages.
fn revocations(table: &mut Table, issuer: &Issuer, regulars: &[String]) {
    let judge = issuer.judge(cache());
    let alone = served(&judge, regulars);
    let before = alone::memory();
    let mut worst = 0.0_f64;
    let began = Instant::now();
    let many = flood_size();
    for n in 0..many {
        let one = Instant::now();
        judge.revoke(&[revocation(1_000_000 + n)]);
        worst = worst.max(one.elapsed().as_secs_f64() * 1e6);
    }
    let each = began.elapsed().as_secs_f64() * 1e6 / many as f64;
    let left = alone::memory().saturating_sub(before);
    let name = |of: &str| format!("{many} {REVOCATIONS}: {of}");
    table.row(&name("each"), each, "the worst", worst, "µs");
    let each = Rounds::once(left as f64 / many as f64);
    table.alone(&name("memory each"), "B", &each);
    table.row(
        &name("a regular's token afterwards"),
        served(&judge, regulars),
        "before",
        alone,
        "ns",
    );
}
