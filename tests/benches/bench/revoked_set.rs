//! The revoked set: what a subject costs in memory, a look-up and an insert in time, at several
//! sizes; and readers beside a writer.

use crate::alone;
use crate::effort;
use crate::rounds::Rounds;
use crate::table::Table;
use crate::tokens::{POSITION, on_processor, revocation, session, user};
use revocation_events::{Position, SessionId, UserId};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use verifier_sdk::bench::RevokedSet;

/// As limits are stated: inserts are looked at in groups of so many.
const GROUP: u64 = 64;
const LOOK_UPS: u64 = 1_000_000;
const INSERTS_A_SECOND: u64 = 100_000;

pub(crate) const NAME: &str = "revoked-set";

pub(crate) fn measure(table: &mut Table) {
    let sizes = effort::of(
        vec!["1000", "10000", "100000", "1000000", "10000000"],
        vec!["1000", "100000", "10000000"],
    );
    for size in sizes {
        alone::measure(table, NAME, size);
    }
    beside_a_writer(table, 1_000_000);
}

/// Ten times as many as are measured else, which take a minute and more, and two gigabytes.
pub(crate) fn measure_large(table: &mut Table) {
    alone::measure(table, NAME, "100000000");
}

/// The rows of one size, in a process of its own.
pub(crate) fn grow(table: &mut Table, size: u64) {
    let name = |what: &str| format!("revoked set of {size}: {what}");
    let before = alone::memory();
    let set = RevokedSet::default();
    let mut groups = Vec::with_capacity((size / GROUP + 1) as usize);
    let mut made = 0;
    let mut worst_on_processor = Duration::ZERO;
    while made < size {
        let many: Vec<_> = (made..size.min(made + GROUP)).map(revocation).collect();
        let (began, spent) = (Instant::now(), on_processor());
        for one in &many {
            set.insert(std::slice::from_ref(one));
        }
        worst_on_processor = worst_on_processor.max(on_processor() - spent);
        groups.push(began.elapsed().as_secs_f64() * 1e6);
        made += many.len() as u64;
    }
    let bytes = alone::memory().saturating_sub(before);
    let each = Rounds::once(bytes as f64 / size as f64);
    table.alone(&name("memory a subject"), "B", &each);
    let worst = worst_on_processor.as_secs_f64() * 1e6;
    groups.sort_unstable_by(f64::total_cmp);
    let median = groups[groups.len() / 2];
    table.row(
        &name("the worst 64 inserts, time on a processor"),
        worst,
        "the median by the clock",
        median,
        "µs",
    );
    let by_the_clock = Rounds::once(groups[groups.len() - 1]);
    table.alone(
        &name("the worst 64 inserts by the clock"),
        "µs",
        &by_the_clock,
    );
    let minted = Position::new(POSITION).unwrap();
    let one = |(session, _)| set.session_lives(session, minted);
    let two = |(session, user)| set.lives(session, user, minted);
    for (one_is, two_are, first) in [("hit", "dead", 0), ("miss", "alive", size)] {
        let single = look_up(first, size, one);
        let what = name(&format!("a look-up, {one_is}"));
        table.alone(&what, "ns", &Rounds::once(single));
        let both = look_up(first, size, two);
        let what = name(&format!("a token's two look-ups, {two_are}"));
        table.row(&what, both, "one of them", single, "ns");
    }
    let began = Instant::now();
    set.expire(Position::new(POSITION).unwrap());
    set.insert(&[revocation(size)]);
    set.expire(revocation(size - 1).position);
    assert_eq!(set.subjects(), 1);
    table.row(
        &name("the end of a bucket, its memory given back"),
        began.elapsed().as_secs_f64() * 1e3,
        "nothing",
        0.0,
        "ms",
    );
}

/// Nanoseconds of one among `many` from `first` on, net of the loop. None begins before the one before it
/// has ended.
fn look_up(first: u64, many: u64, lives: impl Fn((SessionId, UserId)) -> bool) -> f64 {
    let mut random = fastrand::Rng::with_seed(2);
    let subjects: Vec<_> = (0..LOOK_UPS)
        .map(|_| first + random.u64(..many))
        .map(|n| (session(n), user(n)))
        .collect();
    let loop_of = |work: &dyn Fn((SessionId, UserId)) -> bool| {
        let began = on_processor();
        let mut carry = 0;
        for at in 0..subjects.len() {
            carry = black_box(usize::from(work(subjects[at + carry])) >> 1);
        }
        (on_processor() - began).as_secs_f64() * 1e9 / subjects.len() as f64
    };
    let looked = loop_of(&lives);
    let touched =
        loop_of(&|(session, user)| session.uuid().as_bytes()[0] ^ user.uuid().as_bytes()[0] > 127);
    looked - touched
}

/// The times of one reader, without and with somebody who inserts.
fn beside_a_writer(table: &mut Table, size: u64) {
    let set = RevokedSet::default();
    for n in 0..size {
        set.insert(&[revocation(n)]);
    }
    let (mut idle, mut busy) = (Vec::new(), Vec::new());
    let mut made = size;
    for _ in 0..5 {
        let span = Duration::from_millis(400);
        reads(&set, size, span, &mut idle);
        let over = AtomicBool::new(false);
        made = std::thread::scope(|threads| {
            let writer = threads.spawn(|| inserts(&set, made, &over));
            reads(&set, size, span, &mut busy);
            over.store(true, Ordering::Relaxed);
            writer.join().unwrap()
        });
    }
    for times in [&mut idle, &mut busy] {
        times.sort_unstable();
    }
    let at = |times: &[u32], share: f64| f64::from(times[(times.len() as f64 * share) as usize]);
    for (what, share) in [("p50", 0.5), ("p99.9", 0.999), ("p99.99", 0.9999)] {
        table.row(
            &format!("a reader of {size} beside {INSERTS_A_SECOND} inserts a second, {what}"),
            at(&busy, share),
            "without them",
            at(&idle, share),
            "ns",
        );
    }
}

fn reads(set: &RevokedSet, size: u64, span: Duration, times: &mut Vec<u32>) {
    let minted = Position::new(POSITION).unwrap();
    let mut random = fastrand::Rng::with_seed(times.len() as u64);
    let subjects: Vec<_> = (0..100_000)
        .map(|_| random.u64(..2 * size))
        .map(|n| (session(n), user(n)))
        .collect();
    let began = Instant::now();
    for (session, user) in subjects.iter().cycle() {
        let one = Instant::now();
        black_box(set.lives(*session, *user, minted));
        times.push(u32::try_from(one.elapsed().as_nanos()).unwrap_or(u32::MAX));
        if began.elapsed() > span {
            return;
        }
    }
}

/// Paced by the millisecond. Gives the number that comes next.
fn inserts(set: &RevokedSet, first: u64, over: &AtomicBool) -> u64 {
    let began = Instant::now();
    let mut made = first;
    while !over.load(Ordering::Relaxed) {
        let due = began.elapsed().as_micros() as u64 * INSERTS_A_SECOND / 1_000_000;
        while made - first < due {
            set.insert(&[revocation(made)]);
            made += 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    made
}
