use super::*;
use proptest::prelude::*;
use std::sync::atomic::AtomicBool;
use uuid::Uuid;

fn pos(value: u64) -> Position {
    Position::new(value).unwrap()
}

fn session(n: u128) -> SessionId {
    SessionId::new(Uuid::from_u128(n))
}

fn user(n: u128) -> UserId {
    UserId::new(Uuid::from_u128(n))
}

fn revoked(position: u64, target: Target) -> [Revocation; 1] {
    [Revocation {
        position: pos(position),
        target,
    }]
}

fn refresh(id: UserId) -> Target {
    Target::User { id, refresh: true }
}

fn ended(id: UserId) -> Target {
    Target::User { id, refresh: false }
}

#[test]
fn only_positions_below_a_cut_off_are_dead() {
    let cutoffs = Cutoffs::default();
    cutoffs.insert(&revoked(5, Target::Session(session(1))));
    assert_eq!(
        cutoffs.check(session(1), user(1), pos(4)),
        Err(Reason::Revoked)
    );
    assert_eq!(cutoffs.check(session(1), user(1), pos(5)), Ok(()));
    assert_eq!(cutoffs.check(session(2), user(1), pos(4)), Ok(()));
    cutoffs.insert(&revoked(7, Target::Everyone));
    assert_eq!(
        cutoffs.check(session(2), user(2), pos(6)),
        Err(Reason::Revoked)
    );
    assert_eq!(cutoffs.check(session(2), user(2), pos(7)), Ok(()));
}

#[test]
fn changed_roles_are_told_from_an_ended_user_in_any_order() {
    for turn in [[0, 1], [1, 0]] {
        let cutoffs = Cutoffs::default();
        for which in turn {
            let entry = [revoked(5, ended(user(1))), revoked(9, refresh(user(1)))];
            cutoffs.insert(&entry[which]);
        }
        assert_eq!(
            cutoffs.check(session(1), user(1), pos(4)),
            Err(Reason::Revoked)
        );
        assert_eq!(
            cutoffs.check(session(1), user(1), pos(5)),
            Err(Reason::RolesChanged)
        );
        assert_eq!(cutoffs.check(session(1), user(1), pos(9)), Ok(()));
    }
}

#[test]
fn an_older_copy_neither_lowers_a_cut_off_nor_starts_a_generation() {
    let cutoffs = Cutoffs::default();
    assert!(cutoffs.insert(&revoked(9, Target::Session(session(1)))));
    let generation = cutoffs.generation();
    assert!(!cutoffs.insert(&revoked(9, Target::Session(session(1)))));
    assert!(!cutoffs.insert(&revoked(3, Target::Session(session(1)))));
    assert_eq!(cutoffs.generation(), generation);
    assert_eq!(
        cutoffs.check(session(1), user(1), pos(8)),
        Err(Reason::Revoked)
    );
    assert!(cutoffs.insert(&revoked(10, refresh(user(1)))));
    assert_eq!(cutoffs.generation(), generation + 1);
}

#[test]
fn a_bucket_goes_only_when_the_floor_has_passed_all_of_it() {
    let cutoffs = Cutoffs::default();
    let dead = |n| cutoffs.check(session(n), user(0), pos(0)).is_err();
    cutoffs.insert(&revoked(10, Target::Session(session(1))));
    // Nothing is in the older bucket yet, so the younger one can take its place at once.
    assert_eq!(cutoffs.take_out(pos(0)).map(|bucket| bucket.len()), Some(0));
    cutoffs.insert(&revoked(20, Target::Session(session(2))));
    assert!(cutoffs.take_out(pos(9)).is_none());
    assert!(dead(1) && dead(2));
    assert_eq!(
        cutoffs.take_out(pos(10)).map(|bucket| bucket.len()),
        Some(1)
    );
    assert!(!dead(1) && dead(2));
    assert!(
        cutoffs.take_out(pos(30)).is_none(),
        "an empty bucket is kept"
    );
    cutoffs.insert(&revoked(40, Target::Session(session(3))));
    assert_eq!(
        cutoffs.take_out(pos(30)).map(|bucket| bucket.len()),
        Some(1)
    );
    assert_eq!(cutoffs.len(), 1);
}

#[test]
fn a_copy_of_what_is_in_the_older_bucket_is_not_kept_twice() {
    let cutoffs = Cutoffs::default();
    let page = revoked(10, Target::Session(session(1)));
    cutoffs.insert(&page);
    assert!(cutoffs.take_out(pos(0)).is_some(), "it is old now");
    assert!(!cutoffs.insert(&page));
    assert!(!cutoffs.insert(&revoked(9, Target::Session(session(1)))));
    assert_eq!(cutoffs.len(), 1);
    let dead = || cutoffs.check(session(1), user(1), pos(9)).is_err();
    assert!(dead());
    // What is later is kept, and stays when the older one goes.
    assert!(cutoffs.insert(&revoked(11, Target::Session(session(1)))));
    assert!(cutoffs.take_out(pos(10)).is_some());
    assert!(dead());
}

#[test]
fn a_reader_that_saw_the_generation_sees_the_cut_off() {
    const ROUNDS: u64 = 20_000;
    let cutoffs = Cutoffs::default();
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let reader = threads.spawn(|| {
            let mut looked = 0_u64;
            while !done.load(Ordering::Relaxed) {
                // Generation n is only reached after position n was cut off.
                let generation = cutoffs.generation();
                if let Some(before) = generation.checked_sub(1) {
                    let verdict = cutoffs.check(session(1), user(1), pos(before));
                    assert_eq!(verdict, Err(Reason::Revoked), "generation {generation}");
                    looked += 1;
                }
            }
            looked
        });
        for position in 1..=ROUNDS {
            cutoffs.insert(&revoked(position, Target::Session(session(1))));
            if position % 100 == 0 {
                drop(cutoffs.take_out(pos(position - 50)));
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}

/// The `n`th revocation there is. Few subjects, so that each is revoked in several ways.
fn nth(n: u64) -> Revocation {
    let who = u128::from(n / 7 % 5);
    let target = match n % 7 {
        0 => Target::Everyone,
        1 | 2 => Target::Session(session(who)),
        3 | 4 => ended(user(who)),
        _ => refresh(user(who)),
    };
    let [revocation] = revoked(n + 1, target);
    revocation
}

/// What the contract says of a token, by all that was ever inserted.
fn model(inserted: &[Revocation], who: u128, minted: u64) -> Result<(), Reason> {
    let above = |target: &Target| {
        let mut of_target = inserted.iter().filter(|r| r.target == *target);
        of_target.any(|r| r.position > pos(minted))
    };
    let ends = [
        Target::Everyone,
        Target::Session(session(who)),
        ended(user(who)),
    ];
    if ends.iter().any(above) {
        Err(Reason::Revoked)
    } else if above(&refresh(user(who))) {
        Err(Reason::RolesChanged)
    } else {
        Ok(())
    }
}

proptest! {
    /// In any order, with copies, with everything from below a floor gone at any time.
    #[test]
    fn it_says_what_the_contract_says_of_each_token(
        pages in prop::collection::vec(
            (prop::collection::vec(0..60_u64, 0..9), prop::option::weighted(0.2, 0..40_u64)),
            0..25,
        ),
    ) {
        let cutoffs = Cutoffs::default();
        let (mut inserted, mut passed) = (Vec::new(), 0);
        for (page, floor) in pages {
            let page: Vec<_> = page.into_iter().map(nth).collect();
            cutoffs.insert(&page);
            inserted.extend(page);
            if let Some(floor) = floor {
                // A floor is lowered when a key is revoked; what it has dropped stays dropped.
                passed = passed.max(floor);
                drop(cutoffs.take_out(pos(floor)));
            }
            for who in 0..6 {
                for minted in passed..62 {
                    let verdict = cutoffs.check(session(who), user(who), pos(minted));
                    prop_assert_eq!(verdict, model(&inserted, who, minted), "{} {}", who, minted);
                }
            }
        }
    }

    /// A page that changes nothing for anybody starts no generation, and one that does, does.
    #[test]
    fn a_generation_begins_where_a_verdict_changes(
        pages in prop::collection::vec(prop::collection::vec(0..60_u64, 0..3), 0..30),
    ) {
        let cutoffs = Cutoffs::default();
        let verdicts = || -> Vec<_> {
            let all = (0..6).flat_map(|who| (0..62).map(move |minted| (who, minted)));
            all.map(|(who, minted)| cutoffs.check(session(who), user(who), pos(minted)))
                .collect()
        };
        for page in pages {
            let page: Vec<_> = page.into_iter().map(nth).collect();
            let (before, generation) = (verdicts(), cutoffs.generation());
            let changed = cutoffs.insert(&page);
            prop_assert_eq!(cutoffs.generation() != generation, changed);
            prop_assert!(changed || verdicts() == before);
        }
    }
}
