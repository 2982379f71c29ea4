use super::*;
use crate::testkit::{Kit, at, token};
use proptest::prelude::*;
use std::collections::HashMap;

const NOW: UnixMillis = UnixMillis::new(1_000_000);
const MOST_TABLES: usize = 4;

/// Tokens of one length, each a session of its own, verified.
fn verified(count: u128) -> Vec<(String, Session)> {
    let kit = Kit::fresh();
    (100..100 + count)
        .map(|n| {
            let text = token(n, 10);
            let session = kit.verify(&text, at(0)).unwrap();
            (text, session)
        })
        .collect()
}

fn insert(cache: &Cache, (text, session): &(String, Session)) {
    cache.insert(text.as_bytes(), session, (0, 0));
}

fn has(cache: &Cache, text: &str) -> bool {
    cache.find(text.as_bytes(), |_| Some(())).is_some()
}

/// Whether this thread's own table has it. Does not count as use.
fn has_at_hand(cache: &Cache, text: &str) -> bool {
    let (hash, own) = (cache.hash(text.as_bytes()).unwrap(), cache.own());
    own.is_some_and(|own| own.borrow().peek(hash, text.as_bytes()))
}

/// What each thread's table holds, in bytes.
fn held(cache: &mut Cache) -> Vec<usize> {
    let tables = cache.own.iter_mut().filter_map(|own| own.0.as_mut());
    tables.map(|table| table.get_mut().bytes()).collect()
}

fn size_of_one(all: &[(String, Session)]) -> usize {
    OVERHEAD + all[0].0.len() + all[0].1.size()
}

/// Room for so many in each table and in each shard.
fn with_room_for(entries: usize, all: &[(String, Session)]) -> Cache {
    let bytes = entries * size_of_one(all);
    Cache::of(bytes, bytes, MOST_TABLES)
}

/// What is looked at in each call.
#[test]
fn an_entry_is_one_line_of_memory() {
    assert_eq!((size_of::<Entry>(), align_of::<Entry>()), (64, 64));
    assert_eq!(size_of::<Option<Entry>>(), 64);
}

#[test]
fn only_the_whole_text_is_a_hit() {
    let cache = Cache::new(1 << 20);
    let all = verified(1);
    let (text, session) = &all[0];
    insert(&cache, &all[0]);
    let found = cache.find(text.as_bytes(), |entry| Some(entry.session().clone()));
    assert_eq!(found.as_ref(), Some(session));
    for other in [
        &text[1..],
        &format!("x{text}"),
        &text.replacen('e', "f", 1),
        &text[text.len() - 16..],
        &text[text.len() - 15..],
        "",
        "x",
    ] {
        assert!(!has(&cache, other), "{other}");
    }
    cache.remove(text.as_bytes());
    assert!(!has(&cache, text));
}

#[test]
fn what_is_judged_dead_is_forgotten_here_and_by_the_others() {
    let cache = Cache::new(1 << 20);
    let all = verified(1);
    let (text, _) = &all[0];
    for elsewhere in [false, true] {
        insert(&cache, &all[0]);
        let judged = || cache.find(text.as_bytes(), |_| None::<()>);
        if elsewhere {
            std::thread::scope(|threads| threads.spawn(judged).join().unwrap());
            assert!(has_at_hand(&cache, text), "each thread looks for itself");
            assert!(!std::thread::scope(|threads| {
                threads.spawn(|| has(&cache, text)).join().unwrap()
            }));
        } else {
            judged();
            assert!(!has(&cache, text));
        }
    }
}

#[test]
fn what_one_thread_has_verified_the_others_find_and_count_apart() {
    let cache = Cache::new(1 << 20);
    let all = verified(1);
    insert(&cache, &all[0]);
    let other = std::thread::scope(|threads| {
        let find = || {
            assert!(!has_at_hand(&cache, &all[0].0));
            let session = cache.find(all[0].0.as_bytes(), |entry| Some(entry.session().clone()));
            assert!(has_at_hand(&cache, &all[0].0));
            session
        };
        threads.spawn(find).join().unwrap().unwrap()
    });
    assert_eq!(other, all[0].1);
    assert!(!other.is_counted_with(&all[0].1));
    let mine = cache.find(all[0].0.as_bytes(), |entry| Some(entry.session().clone()));
    assert!(mine.unwrap().is_counted_with(&all[0].1));
}

#[test]
fn memory_stays_within_the_budget_whatever_comes() {
    let all = verified(300);
    let mut cache = with_room_for(20, &all);
    for token in &all {
        insert(&cache, token);
        insert(&cache, token);
    }
    let kept = all.iter().filter(|(text, _)| has_at_hand(&cache, text));
    assert_eq!(kept.count(), 20);
    assert!(has_at_hand(&cache, &all[299].0), "new ones find a place");
    assert_eq!(held(&mut cache), [20 * size_of_one(&all)]);
    for shard in &cache.shared {
        assert!(lock(shard).bytes() <= cache.shard_bytes);
    }
}

#[test]
fn a_flood_that_comes_once_does_not_wear_out_who_comes_again() {
    let all = verified(1_000);
    let cache = with_room_for(100, &all);
    let (regulars, flood) = all.split_at(25);
    for token in regulars {
        insert(&cache, token);
    }
    for (n, token) in flood.iter().enumerate() {
        insert(&cache, token);
        // Each comes again when 25 others have come: before the hand has gone around the other 75.
        let (text, _) = &regulars[n % 25];
        assert!(has_at_hand(&cache, text), "after {n}");
        assert!(has(&cache, text));
    }
}

#[test]
fn no_insert_looks_at_more_than_a_few() {
    let all = verified(400);
    let cache = with_room_for(399, &all);
    for token in &all[..399] {
        insert(&cache, token);
        assert!(has(&cache, &token.0));
    }
    // All were used; the last of a few has to go all the same, and the others still count as used.
    insert(&cache, &all[399]);
    let at_hand = all.iter().filter(|(text, _)| has_at_hand(&cache, text));
    assert_eq!(at_hand.count(), 399);
    let used = cache.own().unwrap().borrow().used();
    assert!((399 - 32..399).contains(&used), "{used}");
}

#[test]
fn dead_tokens_are_swept_from_the_shared_table_while_nothing_happens() {
    let all = verified(10);
    let cache = Cache::new(1 << 20);
    for token in &all {
        insert(&cache, token);
    }
    let late = all[0].1.token().dies_at();
    let bytes = || -> usize { cache.shared.iter().map(|shard| lock(shard).bytes()).sum() };
    cache.sweep(UnixMillis::new(late.get() - 1));
    assert_eq!(bytes(), 10 * size_of_one(&all));
    cache.sweep(late);
    assert_eq!(bytes(), 0);
}

#[test]
fn the_budget_is_that_of_all_tables_together() {
    for budget in [1 << 20, 12_345_678] {
        let cache = Cache::new(budget);
        let all = SHARDS * cache.shard_bytes + cache.most_tables * cache.own_bytes;
        assert!(all <= budget && all > budget - 1_000, "{all} of {budget}");
    }
}

#[test]
fn threads_beyond_the_tables_are_served_from_the_shared_one() {
    const THREADS: usize = 2 * MOST_TABLES;
    let all = verified(100);
    let mut cache = with_room_for(50, &all);
    let barrier = std::sync::Barrier::new(THREADS);
    let at_hand = std::thread::scope(|threads| {
        let each: Vec<_> = (0..THREADS)
            .map(|_| {
                let (cache, all, barrier) = (&cache, &all, &barrier);
                threads.spawn(move || {
                    all.iter().for_each(|token| insert(cache, token));
                    // Nobody ends and leaves its table before all have begun.
                    barrier.wait();
                    assert!(all[90..].iter().all(|(text, _)| has(cache, text)));
                    let at_hand = all.iter().filter(|(text, _)| has_at_hand(cache, text));
                    at_hand.count()
                })
            })
            .collect();
        let each = each.into_iter().map(|thread| thread.join().unwrap());
        each.collect::<Vec<_>>()
    });
    let without = at_hand.iter().filter(|entries| **entries == 0).count();
    assert_eq!(without, THREADS - MOST_TABLES, "{at_hand:?}");
    assert_eq!(held(&mut cache), [50 * size_of_one(&all); MOST_TABLES]);
}

#[test]
fn what_a_thread_without_a_table_judges_dead_is_forgotten() {
    let all = verified(1);
    let cache = Cache::of(1 << 20, 1 << 20, 0);
    let (text, session) = &all[0];
    insert(&cache, &all[0]);
    let found = cache.find(text.as_bytes(), |entry| Some(entry.session().clone()));
    assert_eq!(found.as_ref(), Some(session));
    assert!(cache.find(text.as_bytes(), |_| None::<()>).is_none());
    assert!(!has(&cache, text));
}

#[test]
fn a_thread_that_ends_leaves_its_table_to_the_next() {
    let all = verified(1);
    let cache = Cache::new(1 << 20);
    for _ in 0..100 {
        std::thread::scope(|threads| threads.spawn(|| insert(&cache, &all[0])).join().unwrap());
    }
    // Threads of other tests come and go as well, so it may be another's place now and then.
    let threads = cache.threads.load(Ordering::Relaxed);
    assert!(threads < 50, "{threads} places");
}

#[test]
fn a_budget_of_nothing_keeps_nothing() {
    let cache = Cache::new(0);
    let all = verified(1);
    insert(&cache, &all[0]);
    assert!(!has(&cache, &all[0].0));
}

#[derive(Clone, Debug)]
enum Step {
    Insert(usize, u64),
    Find(usize),
    Remove(usize),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..40_usize, 0..9_u64).prop_map(|(token, at)| Step::Insert(token, at)),
        4 => (0..40_usize).prop_map(Step::Find),
        1 => (0..40_usize).prop_map(Step::Remove),
        1 => Just(Step::Sweep),
    ]
}

proptest! {
    /// It may forget, and never says anything but what was said of that token last.
    #[test]
    fn it_never_says_what_nobody_said(
        room in 0..30_usize,
        steps in prop::collection::vec(step(), 0..300),
    ) {
        static ALL: std::sync::LazyLock<Vec<(String, Session)>> =
            std::sync::LazyLock::new(|| verified(40));
        let mut cache = with_room_for(room, &ALL);
        let mut model = HashMap::new();
        for step in steps {
            match step {
                Step::Insert(token, generation) => {
                    let (text, session) = &ALL[token];
                    cache.insert(text.as_bytes(), session, (generation, 0));
                    if room > 0 {
                        model.insert(token, generation);
                        prop_assert!(has_at_hand(&cache, text));
                    }
                }
                Step::Find(token) => {
                    let found = cache.find(ALL[token].0.as_bytes(), |entry| {
                        Some((entry.checked, entry.session().clone()))
                    });
                    if let Some((generation, session)) = found {
                        prop_assert_eq!(Some(&generation), model.get(&token));
                        prop_assert_eq!(&session, &ALL[token].1);
                    }
                }
                Step::Remove(token) => {
                    cache.remove(ALL[token].0.as_bytes());
                    model.remove(&token);
                }
                Step::Sweep => cache.sweep(NOW),
            }
            let most = cache.own_bytes;
            prop_assert!(held(&mut cache).iter().all(|bytes| *bytes <= most));
            prop_assert!(cache.own().unwrap().borrow().is_sound());
            prop_assert!(cache.shared.iter().all(|shard| lock(shard).is_sound()));
        }
    }
}
