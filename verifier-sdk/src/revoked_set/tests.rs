use super::*;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

fn fingerprint(n: u64) -> Fingerprint {
    // Any spreading of bits will do.
    Fingerprint::new((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn put(set: &RevokedSet, subject: Fingerprint, number: u64) {
    set.writing().put(subject, number);
}

#[test]
fn what_was_put_is_found_in_its_half_until_it_expires() {
    let set = RevokedSet::default();
    let [one, other] = [fingerprint(1), fingerprint(2)];
    assert_eq!(set.get(one), [0, 0]);
    put(&set, one, 5);
    assert_eq!((set.get(one), set.get(other)), ([5, 0], [0, 0]));
    put(&set, one, 6);
    assert_eq!((set.get(one), set.len()), ([6, 0], 1));
    assert_eq!(set.writing().expire().len(), 0);
    assert_eq!((set.get(one), set.writing().young(one)), ([0, 6], 0));
    put(&set, one, 7);
    put(&set, other, 8);
    assert_eq!((set.get(one), set.len()), ([7, 6], 3));
    assert_eq!(set.writing().expire().len(), 1);
    assert_eq!((set.get(one), set.get(other)), ([0, 7], [0, 8]));
    assert_eq!(set.writing().expire().len(), 2);
    assert_eq!((set.get(one), set.len()), ([0, 0], 0));
}

#[test]
fn a_fingerprint_of_zero_is_one_like_any_other() {
    let set = RevokedSet::default();
    put(&set, Fingerprint::new(0), 5);
    assert_eq!(set.get(Fingerprint::new(0)), [5, 0]);
    assert_eq!(set.get(Fingerprint::new(u64::MAX)), [0, 0]);
}

/// All of them begin to be looked for in the last line.
#[test]
fn probing_goes_on_at_the_beginning() {
    let lines = Lines::of(3);
    let last = |n| Fingerprint::new(u64::MAX >> SHARD_BITS << 8 | n);
    for n in 0..9 {
        lines.put(last(n), n + 1);
    }
    for n in 0..9 {
        assert_eq!(lines.get(last(n)), n + 1);
        lines.put(last(n), n + 100);
        assert_eq!(lines.get(last(n)), n + 100);
    }
    assert_eq!(lines.len(), 9);
    assert_eq!(lines.get(last(9)), 0);
}

#[test]
fn a_shard_of_any_size_has_room_and_wastes_little() {
    let (mut lines, mut most) = (Lines::default(), 0.0_f64);
    for n in 0..40_000 {
        if !lines.has_room() {
            lines = lines.with_more_room();
        }
        lines.put(fingerprint(n as u64), 1);
        assert_eq!(lines.len(), n + 1);
        let empty = 1.0 - (n + 1) as f64 / (lines.lines.len() * SLOTS) as f64;
        assert!(empty >= 0.2 - 1e-9, "{n}: {empty}");
        if n > 1_000 {
            most = most.max(16.0 / (1.0 - empty));
        }
    }
    assert!(most < 26.0, "{most} bytes a subject");
    assert!((0..40_000).all(|n| lines.get(fingerprint(n)) == 1));
    assert!((40_000..80_000).all(|n| lines.get(fingerprint(n)) == 0));
}

#[derive(Clone, Debug)]
enum Step {
    Put(u64, u64),
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        200 => (0..400_u64, 1..1_000_u64).prop_map(|(subject, number)| Step::Put(subject, number)),
        1 => Just(Step::Expire),
    ]
}

/// Few shards, so that each is filled, copied and emptied.
fn crowded(n: u64) -> Fingerprint {
    let spread = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Fingerprint::new(spread >> SHARD_BITS | (n % 3) << (u64::BITS - SHARD_BITS))
}

proptest! {
    #[test]
    fn it_says_what_two_maps_would_say(steps in prop::collection::vec(step(), 0..2_000)) {
        let set = RevokedSet::default();
        let mut maps = [HashMap::new(), HashMap::new()];
        for step in steps {
            match step {
                Step::Put(subject, number) => {
                    put(&set, crowded(subject), number);
                    maps[0].insert(subject, number);
                }
                Step::Expire => {
                    let gone = set.writing().expire();
                    let young = std::mem::take(&mut maps[0]);
                    let old = std::mem::replace(&mut maps[1], young);
                    prop_assert_eq!(gone.len(), old.len());
                }
            }
        }
        prop_assert_eq!(set.len(), maps[0].len() + maps[1].len());
        for subject in 0..500 {
            let both = [0, 1].map(|half| maps[half].get(&subject).copied().unwrap_or(0));
            prop_assert_eq!(set.get(crowded(subject)), both, "{}", subject);
        }
    }
}

/// The writer tells how far it has come; the readers look for what must be there by then, while
/// shards are copied and halves expire.
#[test]
fn readers_miss_nothing_while_the_set_grows_and_expires() {
    const SUBJECTS: u64 = 300_000;
    const EACH_HALF: u64 = 40_000;
    let set = RevokedSet::default();
    // All below are put; all from `old` on are not expired.
    let (put_below, kept_from) = (AtomicU64::new(0), AtomicU64::new(0));
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        // Where the writer panics, too: the readers would go on for ever.
        let over = SetOnDrop(&done);
        let readers = [1, 2].map(|seed| {
            let (set, done, put_below, kept_from) = (&set, &done, &put_below, &kept_from);
            threads.spawn(move || {
                let (mut n, mut looked) = (seed, 0_u64);
                while !done.load(Ordering::Relaxed) {
                    let below = put_below.load(Ordering::Acquire);
                    n = 6_364_136_223_846_793_005_u64
                        .wrapping_mul(n)
                        .wrapping_add(seed);
                    // The newest, and any other.
                    for subject in [below.saturating_sub(1), (n >> 20) % below.max(1)] {
                        let both = set.get(fingerprint(subject));
                        // Loaded afterwards: what had not expired by then had not when looked at.
                        let kept = subject >= kept_from.load(Ordering::Acquire);
                        let found = both.contains(&(subject + 1));
                        assert!(found || !kept || subject >= below, "{subject} of {below}");
                        assert!(both.iter().all(|n| *n == 0 || *n == subject + 1));
                        looked += u64::from(kept && subject < below);
                    }
                }
                looked
            })
        });
        for subject in 0..SUBJECTS {
            put(&set, fingerprint(subject), subject + 1);
            put_below.store(subject + 1, Ordering::Release);
            if (subject + 1) % EACH_HALF == 0 {
                let kept = (subject + 1).saturating_sub(EACH_HALF);
                kept_from.store(kept, Ordering::Release);
                drop(set.writing().expire());
            }
        }
        drop(over);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
