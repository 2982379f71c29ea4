//! Floods of what is no use to anybody: what each of it costs, what it leaves in memory, and what
//! becomes of those who are served beside it.

use crate::alone;
use crate::effort;
use crate::table::Table;
use crate::tokens::{Issuer, revocation};
use std::hint::black_box;
use std::time::Instant;
use verifier_sdk::bench::Judge;

/// As a service has it that left the setting alone.
const CACHE: usize = 64 << 20;

/// How many a flood is made of.
fn flood_size() -> u64 {
    effort::of(200_000, 30_000)
}

/// Those who come again and again, between any two strangers.
const REGULARS: u64 = 100;

pub(crate) fn measure(table: &mut Table) {
    let issuer = Issuer::new(7);
    let regulars = issuer.tokens(REGULARS);
    let stranger = Issuer::new(8);
    let junk = |n: u64| {
        let token = &regulars[(n % REGULARS) as usize];
        let (signed, _) = token.rsplit_once('.').unwrap();
        // A signature of the right length, another one for each.
        format!("{signed}.{:0>86}", n)
    };
    flood(table, &issuer, &regulars, "valid tokens of others", &|n| {
        issuer.token(1_000_000 + n)
    });
    flood(
        table,
        &issuer,
        &regulars,
        "tokens with a made-up signature",
        &junk,
    );
    flood(
        table,
        &issuer,
        &regulars,
        "texts that are no tokens",
        &|n| format!("{n:0>600}"),
    );
    flood(table, &issuer, &regulars, "tokens of unknown keys", &|n| {
        if n % 1_000 == 0 {
            return Issuer::new((n / 1_000 % 200 + 9) as u8).token(n);
        }
        stranger.token(n)
    });
    revocations(table, &issuer, &regulars);
}

fn flood(
    table: &mut Table,
    issuer: &Issuer,
    regulars: &[String],
    what: &str,
    nth: &dyn Fn(u64) -> String,
) {
    let judge = issuer.judge(CACHE);
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
        CACHE as f64 / f64::from(1 << 20),
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
    let judge = issuer.judge(CACHE);
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
    let name = |of: &str| format!("{many} revocations of sessions that do not exist: {of}");
    table.row(&name("each"), each, "the worst", worst, "µs");
    table.row(
        &name("memory each"),
        left as f64 / many as f64,
        "the goal",
        30.0,
        "B",
    );
    table.row(
        &name("a regular's token afterwards"),
        served(&judge, regulars),
        "before",
        alone,
        "ns",
    );
}
