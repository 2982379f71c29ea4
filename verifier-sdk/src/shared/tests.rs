use super::*;
use crate::testkit::{Kit, at, key, kid, page, session, token, token_by, user};
use revocation_events::Target;
use revocation_events::jwk::KeySet;

fn refused(kit: &Kit, text: &str, millis: u64) -> Option<Reason> {
    match kit.verify(text, at(millis)) {
        Err(Error::Invalid(reason)) => Some(reason),
        _ => None,
    }
}

fn is_stale(kit: &Kit, text: &str, millis: u64) -> bool {
    matches!(kit.verify(text, at(millis)), Err(Error::Stale { .. }))
}

fn is_cached(kit: &Kit, text: &str) -> bool {
    kit.shared
        .cache
        .find(text.as_bytes(), |_| Some(()))
        .is_some()
}

#[test]
fn before_it_has_started_it_judges_nothing() {
    let mut kit = Kit::new();
    let starting =
        |kit: &Kit, text: &str| matches!(kit.verify(text, at(0)), Err(Error::Starting { .. }));
    assert!(starting(&kit, &token(1, 10)) && starting(&kit, "not a token"));
    kit.give_keys(&[1], at(0));
    kit.take(&page(0, 0, 10, 0, &[]), at(0)).unwrap();
    kit.give_keys(&[1], at(0));
    assert!(
        starting(&kit, &token(1, 10)),
        "it is complete, and has not told the service"
    );
    kit.shared.published.set_started();
    assert!(kit.verify(&token(1, 10), at(0)).is_ok());
}

#[test]
fn freshness_ends_to_the_millisecond_for_cached_tokens_too() {
    let kit = Kit::fresh();
    let token = token(1, 10);
    assert!(is_cached(&kit, &token));
    assert!(kit.verify(&token, at(10_000)).is_ok());
    assert!(is_stale(&kit, &token, 10_001));
    assert!(is_stale(&kit, "not a token", 10_001));
}

#[test]
fn a_clock_that_was_set_back_makes_it_stale_for_good() {
    let mut kit = Kit::fresh();
    let token = token(1, 10);
    let set_back = |millis| Now {
        wall: at(0).wall.minus(Duration::from_millis(millis)),
        ..at(0)
    };
    assert!(kit.verify(&token, set_back(1_000)).is_ok());
    assert!(matches!(
        kit.verify(&token, set_back(1_001)),
        Err(Error::Stale { .. })
    ));
    assert!(
        is_stale(&kit, &token, 0),
        "when the clock is right again too"
    );
    // Nor does anything that comes later bring that proof back.
    kit.take(&page(0, 10, 10, 0, &[]), at(0)).unwrap();
    assert!(is_stale(&kit, &token, 0));
    kit.take(&page(1, 10, 10, 0, &[]), at(1)).unwrap();
    assert!(kit.verify(&token, at(1)).is_ok());
}

#[test]
fn a_hit_looks_nothing_up_until_something_was_revoked() {
    let mut kit = Kit::fresh();
    let token = token(1, 10);
    let generation = kit.shared.cutoffs.generation();
    let checked_at = |generation| {
        kit.shared
            .cache
            .find(token.as_bytes(), |entry| Some(entry.checked == generation))
            .unwrap()
    };
    assert!(checked_at(generation));
    // Without a new generation nobody looks whether the key is still there.
    kit.shared.keys.replace(KeySet::default(), at(0));
    assert!(kit.verify(&token, at(0)).is_ok());
    kit.shared
        .keys
        .replace([key(1).verifying_key()].into_iter().collect(), at(0));
    // Somebody else's revocation: one look, and the entry is good for the next generation.
    kit.shared.cutoffs.next_generation();
    assert!(!checked_at(generation + 1));
    assert!(kit.verify(&token, at(0)).is_ok());
    assert!(checked_at(generation + 1));
    kit.take(&page(1, 10, 11, 0, &[Target::Session(session(1))]), at(1))
        .unwrap();
    assert_eq!(refused(&kit, &token, 1), Some(Reason::Revoked));
    assert!(!is_cached(&kit, &token), "what is refused is not kept");
}

#[test]
fn a_token_that_was_known_is_refused_without_another_look_at_its_signature() {
    let mut kit = Kit::fresh();
    let known = token(1, 10);
    assert!(kit.verify(&known, at(0)).is_ok());
    kit.take(&page(1, 10, 11, 0, &[Target::Session(session(1))]), at(1))
        .unwrap();
    // Without a key no signature can be checked.
    kit.shared.keys.replace(KeySet::default(), at(1));
    assert_eq!(refused(&kit, &known, 1), Some(Reason::Revoked));
    assert!(!is_cached(&kit, &known), "what is refused is not kept");
}

#[test]
fn a_refused_token_never_enters() {
    let mut kit = Kit::fresh();
    kit.take(
        &page(
            1,
            10,
            11,
            0,
            &[Target::User {
                id: user(2),
                refresh: true,
            }],
        ),
        at(1),
    )
    .unwrap();
    for (text, reason) in [
        (token(2, 10), Reason::RolesChanged),
        ("x".to_owned(), Reason::Malformed),
        (
            token(3, 10).replacen("eyJhbGci", "eyJhbGcj", 1),
            Reason::Malformed,
        ),
    ] {
        assert_eq!(refused(&kit, &text, 1), Some(reason));
        assert!(!is_cached(&kit, &text));
    }
    assert!(kit.verify(&token_by(9, 3, 10), at(1)).is_err());
    assert!(!is_cached(&kit, &token_by(9, 3, 10)));
}

#[test]
fn a_token_below_the_floor_never_enters() {
    let mut kit = Kit::fresh();
    kit.take(&page(1, 10, 20, 15, &[]), at(1)).unwrap();
    assert_eq!(refused(&kit, &token(2, 14), 1), Some(Reason::BelowFloor));
    assert!(!is_cached(&kit, &token(2, 14)));
    assert!(kit.verify(&token(2, 15), at(1)).is_ok());
    assert!(is_cached(&kit, &token(2, 15)));
}

#[test]
fn a_cached_token_dies_with_its_exp() {
    let mut kit = Kit::fresh();
    let token = token(1, 10);
    for (millis, verdict) in [(904_999, None), (905_000, Some(Reason::Expired))] {
        kit.take(&page(millis, 10, 10, 0, &[]), at(millis)).unwrap();
        assert_eq!(refused(&kit, &token, millis), verdict);
        assert_eq!(is_cached(&kit, &token), verdict.is_none());
    }
}

#[test]
fn a_cached_token_dies_below_the_floor_and_with_its_key() {
    let mut kit = Kit::fresh();
    let [old, new] = [token(1, 10), token(1, 11)];
    assert!(kit.verify(&new, at(0)).is_ok());
    kit.take(&page(1, 10, 20, 11, &[]), at(1)).unwrap();
    assert_eq!(refused(&kit, &old, 1), Some(Reason::BelowFloor));
    assert!(kit.verify(&new, at(1)).is_ok());
    kit.give_keys(&[2], at(2));
    assert!(matches!(
        kit.verify(&new, at(2)),
        Err(Error::Starting { .. })
    ));
    kit.give_keys(&[2], at(3));
    assert_eq!(refused(&kit, &new, 3), Some(Reason::UnknownKey));
}

#[test]
fn a_revoked_key_kills_cached_tokens_and_the_next_key_set_decides() {
    for (live, verdict) in [(&[1][..], Some(Reason::KeyRevoked)), (&[1, 2], None)] {
        let mut kit = Kit::fresh();
        kit.give_keys(&[1, 2], at(0));
        let token = token_by(2, 1, 10);
        assert!(kit.verify(&token, at(0)).is_ok());
        kit.take(&page(1, 10, 11, 0, &[Target::Key(kid(2))]), at(1))
            .unwrap();
        assert!(is_stale(&kit, &token, 1), "it learns everything again");
        let unproven = kit.shared.verify_at_any_time(token.as_bytes(), at(1));
        assert_eq!(unproven, Err(Error::Invalid(Reason::KeyRevoked)));
        // Where the issuer has the key after all, the revocation was a thief's.
        kit.give_keys(live, at(2));
        kit.take(&page(2, 0, 11, 0, &[]), at(2)).unwrap();
        kit.give_keys(live, at(2));
        assert_eq!(refused(&kit, &token, 2), verdict);
        assert_eq!(kit.verify(&token, at(2)).is_ok(), verdict.is_none());
    }
}

#[test]
fn accepting_while_stale_still_refuses_what_is_known_to_be_dead() {
    let mut kit = Kit::fresh();
    kit.take(&page(1, 10, 11, 0, &[Target::Session(session(1))]), at(1))
        .unwrap();
    let accept = |text: &str| {
        kit.shared
            .verify_with(text.as_bytes(), OnStale::Accept, || at(60_000))
    };
    assert!(accept(&token(2, 10)).is_ok());
    let dead = accept(&token(1, 10));
    assert_eq!(dead, Err(Error::Invalid(Reason::Revoked)));
}

/// Before the token was minted, and after it has ended.
fn wrong_clocks() -> [Now; 2] {
    [700, 1_905].map(|secs| Now {
        wall: UnixMillis::from_secs(secs),
        ..at(0)
    })
}

#[test]
fn while_stale_nobody_is_refused_by_the_clock_alone() {
    for now in wrong_clocks() {
        let kit = Kit::fresh();
        let text = token(2, 10);
        for policy in [OnStale::Refuse, OnStale::Accept, OnStale::Introspect] {
            let verdict = kit.shared.verify_with(text.as_bytes(), policy, || now);
            assert_eq!(verdict, Err(STALE), "{policy:?}");
        }
        let found = kit.shared.verify_at_any_time(text.as_bytes(), now).unwrap();
        assert_eq!(found.session_id(), session(2));
        assert!(!is_cached(&kit, &text), "its times were not looked at");
    }
    let kit = Kit::fresh();
    let [_, late] = wrong_clocks();
    let cached = kit
        .shared
        .verify_with(token(1, 10).as_bytes(), OnStale::Accept, || late);
    assert_eq!(cached, Err(STALE));
}

#[test]
fn while_stale_what_is_wrong_at_any_time_is_refused_by_any_clock() {
    let swapped = |text: &str, by: &str| {
        let (signed, _) = text.rsplit_once('.').unwrap();
        let (_, signature) = by.rsplit_once('.').unwrap();
        format!("{signed}.{signature}")
    };
    for now in wrong_clocks() {
        let mut kit = Kit::fresh();
        let dead = Target::Session(session(3));
        kit.take(&page(1, 10, 11, 0, &[dead]), at(1)).unwrap();
        kit.take(&page(2, 11, 30, 9, &[]), at(2)).unwrap();
        for (text, reason) in [
            ("not a token".to_owned(), Reason::Malformed),
            (swapped(&token(2, 10), &token(4, 10)), Reason::Signature),
            (token(3, 10), Reason::Revoked),
            (token(2, 8), Reason::BelowFloor),
        ] {
            let refused = Err(Error::Invalid(reason));
            let accept = kit
                .shared
                .verify_with(text.as_bytes(), OnStale::Accept, || now);
            assert_eq!(accept, refused);
            assert_eq!(kit.shared.verify_at_any_time(text.as_bytes(), now), refused);
        }
    }
}

#[test]
fn while_fresh_the_clock_decides_whatever_the_policy() {
    let mut kit = Kit::fresh();
    kit.take(&page(905_000, 10, 10, 0, &[]), at(905_000))
        .unwrap();
    for policy in [OnStale::Refuse, OnStale::Accept, OnStale::Introspect] {
        for text in [token(1, 10), token(2, 10)] {
            let verdict = kit
                .shared
                .verify_with(text.as_bytes(), policy, || at(905_000));
            assert_eq!(verdict, Err(Error::Invalid(Reason::Expired)));
        }
    }
}

#[test]
fn a_hit_allocates_nothing() {
    let kit = Kit::fresh();
    let tokens: Vec<_> = (1..100).map(|n| token(n, 10)).collect();
    let verify_all = || {
        for token in &tokens {
            assert!(kit.verify(token, at(1)).is_ok());
        }
    };
    let first = allocation_counter::measure(verify_all);
    assert!(first.count_total > 0, "the measure measures");
    let hits = allocation_counter::measure(verify_all);
    assert_eq!(hits.count_total, 0);
    // Another thread makes a table of its own once, and nothing after that.
    std::thread::scope(|threads| {
        let other = || {
            verify_all();
            let hits = allocation_counter::measure(verify_all);
            assert_eq!(hits.count_total, 0);
        };
        threads.spawn(other).join().unwrap();
    });
}

/// One feed, two threads that verify. Page n revokes session n and has the time n; so whoever has
/// seen a proof of that time must refuse every session up to n, whatever the interleaving.
#[test]
fn no_thread_accepts_a_token_that_was_revoked_before_the_proof_that_it_saw() {
    const ROUNDS: u64 = 5_000;
    let mut kit = Kit::fresh();
    let shared = std::sync::Arc::clone(&kit.shared);
    let tokens: Vec<_> = (0..=ROUNDS)
        .map(|n| token(1_000 + u128::from(n), 10))
        .collect();
    let proven = || {
        let age = shared.freshness(at(ROUNDS)).age().unwrap();
        ROUNDS - u64::try_from(age.as_millis()).unwrap()
    };
    std::thread::scope(|threads| {
        let readers = [0, 1].map(|_| {
            threads.spawn(|| {
                let (mut live, mut dead) = (0, 0);
                loop {
                    let newest = proven();
                    // From the last that must be dead to the first that may be alive.
                    for n in newest..=(newest + 1).min(ROUNDS) {
                        let verdict = shared.verify(tokens[n as usize].as_bytes(), || at(ROUNDS));
                        dead += u64::from(verdict == Err(Error::Invalid(Reason::Revoked)));
                        live += u64::from(verdict.is_ok());
                        assert!(
                            n > newest || n == 0 || verdict.is_err(),
                            "{n} is proven dead"
                        );
                    }
                    if newest == ROUNDS {
                        return (live, dead);
                    }
                }
            })
        });
        for n in 1..=ROUNDS {
            let target = Target::Session(session(1_000 + u128::from(n)));
            kit.take(&page(n, 9 + n, 10 + n, 0, &[target]), at(n))
                .unwrap();
        }
        for reader in readers {
            let (live, dead) = reader.join().unwrap();
            assert!(
                live > 0 && dead > 0,
                "{live} live, {dead} dead: nothing was tried"
            );
        }
    });
}
