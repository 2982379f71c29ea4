//! Each rule by itself. The rules together are searched in `tests/promise`.

use super::*;
use crate::page::{Page, Revocation};

const MAX_STALENESS: Duration = Duration::from_secs(10);

fn pos(value: u64) -> Position {
    Position::new(value).unwrap()
}

fn kid(name: &str) -> KeyId {
    name.parse().unwrap()
}

/// Both clocks at `millis`; the log's positions in these tests are small numbers.
fn at(millis: u64) -> Now {
    Now {
        wall: UnixMillis::new(1_000_000 + millis),
        monotonic: Duration::from_millis(millis),
    }
}

fn page(from: u64, to: u64) -> SignedPage {
    let page = Page {
        issuer: String::new(),
        at: at(0).wall,
        from: pos(from),
        to: pos(to),
        floor: pos(0),
        revoked: Vec::new(),
        revoked_keys: Vec::new(),
        more: false,
    };
    SignedPage {
        page,
        kid: kid("k1"),
    }
}

fn with(mut signed: SignedPage, change: impl FnOnce(&mut Page)) -> SignedPage {
    change(&mut signed.page);
    signed
}

fn key_page(from: u64, to: u64, key: &str, signer: &str) -> SignedPage {
    let revoked = vec![Revocation {
        position: pos(to),
        target: Target::Key(kid(key)),
    }];
    SignedPage {
        kid: kid(signer),
        ..with(page(from, to), |page| page.revoked = revoked)
    }
}

/// Answers the need for a key set, if there is one.
fn give_keys(view: &mut View, live: &[&str]) {
    if let Some(ticket) = view.needs().key_set {
        let live: Vec<KeyId> = live.iter().map(|name| kid(name)).collect();
        view.key_set_came(ticket, &live);
    }
}

/// Complete, with head 10 and a proof of time 0.
fn fresh() -> View {
    let mut view = View::new();
    assert_eq!(
        view.take(&page(0, 10), at(0)),
        Ok(Taken::Advanced { proof: true })
    );
    give_keys(&mut view, &["k1"]);
    assert_eq!(
        view.freshness(at(0), MAX_STALENESS),
        Freshness::Fresh {
            age: Duration::ZERO
        }
    );
    view
}

#[test]
fn a_new_view_needs_everything_and_is_not_fresh() {
    let mut view = View::new();
    assert!(view.needs().key_set.is_some() && view.needs().catch_up);
    assert_eq!(view.freshness(at(0), MAX_STALENESS), Freshness::CatchingUp);
}

#[test]
fn the_first_page_wants_a_key_set_requested_after_it() {
    let mut view = View::new();
    let early = view.needs().key_set.unwrap();
    view.take(&page(0, 10), at(0)).unwrap();
    view.key_set_came(early, &[kid("k1")]);
    assert!(
        !view.is_complete(),
        "a key may have been revoked between that request and the page"
    );
    give_keys(&mut view, &["k1"]);
    assert!(view.is_complete());
}

#[test]
fn a_page_that_continues_advances_and_an_old_one_does_no_harm() {
    let mut view = fresh();
    for (next, head) in [
        (page(10, 12), 12),
        (page(0, 11), 12),
        (page(12, 12), 12),
        (page(5, 20), 20),
    ] {
        assert!(matches!(
            view.take(&next, at(1)),
            Ok(Taken::Advanced { .. })
        ));
        assert_eq!(view.head(), Some(pos(head)));
    }
    assert_eq!(
        view.needs(),
        Needs {
            key_set: None,
            catch_up: false
        }
    );
}

#[test]
fn a_gap_does_not_advance_until_it_is_filled() {
    let mut view = fresh();
    assert_eq!(view.take(&page(11, 12), at(1)), Ok(Taken::Gap));
    assert_eq!(view.head(), Some(pos(10)));
    assert!(view.needs().catch_up);
    view.take(&page(10, 11), at(1)).unwrap();
    assert!(!view.needs().catch_up);
}

#[test]
fn after_a_gap_it_stays_fresh_until_the_proof_ages_out() {
    let mut view = fresh();
    let late = with(page(11, 11), |page| page.at = at(9_000).wall);
    assert_eq!(view.take(&late, at(9_000)), Ok(Taken::Gap));
    assert!(matches!(
        view.freshness(at(10_000), MAX_STALENESS),
        Freshness::Fresh { .. }
    ));
    assert!(matches!(
        view.freshness(at(10_001), MAX_STALENESS),
        Freshness::Stale { .. }
    ));
}

#[test]
fn a_page_from_its_floor_skips_what_is_too_old_to_matter_but_wants_keys() {
    let mut view = fresh();
    let later = with(page(15, 20), |page| page.floor = pos(15));
    assert!(matches!(
        view.take(&later, at(1)),
        Ok(Taken::Advanced { .. })
    ));
    assert_eq!((view.head(), view.floor()), (Some(pos(20)), pos(15)));
    assert!(
        !view.is_complete(),
        "a key may have been revoked in (10, 15]"
    );
    give_keys(&mut view, &["k1"]);
    assert!(view.is_complete());
}

#[test]
fn the_floor_of_a_gap_page_is_taken_so_that_a_stored_stream_is_a_start() {
    let mut view = View::new();
    let stored = [
        with(page(15, 20), |page| page.floor = pos(10)),
        with(page(20, 30), |page| page.floor = pos(15)),
    ];
    assert_eq!(view.take(&stored[0], at(0)), Ok(Taken::Gap));
    assert_eq!(view.take(&stored[1], at(0)), Ok(Taken::Gap));
    assert!(view.needs().catch_up && !view.is_complete());
    for page in &stored {
        assert!(matches!(view.take(page, at(0)), Ok(Taken::Advanced { .. })));
    }
    give_keys(&mut view, &["k1"]);
    assert_eq!((view.head(), view.floor()), (Some(pos(30)), pos(15)));
    assert!(view.is_complete() && !view.needs().catch_up);
}

#[test]
fn a_page_with_more_to_come_proves_nothing() {
    let mut view = View::new();
    let first = with(page(0, 5), |page| page.more = true);
    assert_eq!(
        view.take(&first, at(0)),
        Ok(Taken::Advanced { proof: false })
    );
    give_keys(&mut view, &["k1"]);
    assert!(!view.is_complete() && view.needs().catch_up);
    assert_eq!(
        view.take(&page(5, 9), at(0)),
        Ok(Taken::Advanced { proof: true })
    );
    assert!(view.is_complete());
}

#[test]
fn a_copy_of_a_proof_does_not_restart_the_clock() {
    let mut view = fresh();
    assert_eq!(
        view.take(&page(10, 10), at(5_000)),
        Ok(Taken::Advanced { proof: false })
    );
    // The wall clock was set back by five seconds; the monotonic one was not.
    let set_back = Now {
        wall: at(5_001).wall,
        monotonic: Duration::from_millis(10_001),
    };
    assert!(matches!(
        view.freshness(set_back, MAX_STALENESS),
        Freshness::Stale { .. }
    ));
}

#[test]
fn a_sleep_that_only_the_wall_clock_saw_makes_it_stale() {
    let mut view = fresh();
    let woken = Now {
        wall: at(60_000).wall,
        monotonic: Duration::from_millis(5),
    };
    assert!(matches!(
        view.freshness(woken, MAX_STALENESS),
        Freshness::Stale { .. }
    ));
}

#[test]
fn a_time_more_than_a_second_ahead_proves_nothing() {
    let mut view = fresh();
    for (ahead, proof) in [(1_001, false), (1_000, true)] {
        let next = with(page(10, 10), |page| page.at = at(ahead).wall);
        assert_eq!(view.take(&next, at(0)), Ok(Taken::Advanced { proof }));
    }
}

#[test]
fn a_proof_found_ahead_of_the_clock_is_forgotten_for_good() {
    let mut view = fresh();
    let set_back = Now {
        wall: at(0).wall.minus(Duration::from_millis(1_001)),
        ..at(0)
    };
    assert_eq!(view.freshness(set_back, MAX_STALENESS), Freshness::Unproven);
    assert_eq!(view.freshness(at(0), MAX_STALENESS), Freshness::Unproven);
}

#[test]
fn a_page_that_ends_a_day_ahead_is_refused() {
    let mut view = fresh();
    let day = (1_000_000 + 86_400_000) * 1_000;
    assert_eq!(view.take(&page(10, day + 1), at(0)), Err(FarAhead));
    assert!(view.take(&page(10, day), at(0)).is_ok());
}

#[test]
fn a_revoked_key_forgets_all_and_proves_nothing_until_a_later_key_set() {
    let mut view = fresh();
    let early = view.needs();
    assert_eq!(early.key_set, None);
    assert_eq!(
        view.take(&key_page(10, 11, "k1", "k2"), at(1)),
        Ok(Taken::KeyRevoked)
    );
    assert_eq!(
        (view.head(), view.floor(), view.proof()),
        (None, Position::ZERO, None)
    );
    let from_either = ["k1", "k2"].map(|signer| SignedPage {
        kid: kid(signer),
        ..page(0, 11)
    });
    for page in &from_either {
        assert_eq!(view.take(page, at(1)), Ok(Taken::Distrusted));
    }
    give_keys(&mut view, &["k2", "k3"]);
    assert_eq!(view.take(&from_either[0], at(1)), Ok(Taken::Distrusted));
    assert!(matches!(
        view.take(&from_either[1], at(1)),
        Ok(Taken::Advanced { .. })
    ));
    give_keys(&mut view, &["k2", "k3"]);
    assert!(view.is_complete());
    assert!(view.revoked_keys().eq([&kid("k1")]));
}

#[test]
fn a_key_that_is_named_again_forgets_all_like_one_that_is_named_first() {
    let again = |signer: &str, from, to| SignedPage {
        kid: kid(signer),
        ..with(page(from, to), |page| page.revoked_keys = vec![kid("k1")])
    };
    let mut view = fresh();
    // The page with the position was lost, and a thief has said that there is none.
    let heartbeat = again("k2", 10, 10);
    assert_eq!(view.take(&heartbeat, at(1)), Ok(Taken::KeyRevoked));
    assert_eq!((view.head(), view.proof()), (None, None));
    let asked = view.needs().key_set.unwrap();
    // It goes on being named, which makes no answer under way too old.
    view.take(&heartbeat, at(2)).unwrap();
    view.key_set_came(asked, &[kid("k2"), kid("k3")]);
    let caught_up = view.take(&again("k3", 0, 10), at(3));
    assert_eq!(caught_up, Ok(Taken::Advanced { proof: true }));
    give_keys(&mut view, &["k2", "k3"]);
    // And it is nothing new from then on.
    view.take(&again("k2", 10, 10), at(4)).unwrap();
    assert!(view.is_complete() && view.revoked_keys().eq([&kid("k1")]));
}

#[test]
fn the_same_key_revoked_again_is_nothing_new() {
    let mut view = fresh();
    view.take(&key_page(10, 11, "k1", "k2"), at(1)).unwrap();
    give_keys(&mut view, &["k2"]);
    assert!(matches!(
        view.take(&key_page(0, 11, "k1", "k2"), at(1)),
        Ok(Taken::Advanced { .. })
    ));
}

#[test]
fn a_key_that_the_later_key_set_still_holds_was_not_revoked() {
    let mut view = fresh();
    view.take(&key_page(10, 11, "k2", "k1"), at(1)).unwrap();
    assert!(view.revoked_keys().eq([&kid("k2")]));
    give_keys(&mut view, &["k2"]);
    assert_eq!(view.revoked_keys().count(), 0);
}

#[test]
fn a_key_set_requested_before_the_revocation_decides_nothing() {
    let mut view = View::new();
    let early = view.needs().key_set.unwrap();
    view.take(&key_page(0, 11, "k1", "k2"), at(1)).unwrap();
    view.key_set_came(early, &[kid("k1"), kid("k2")]);
    assert!(view.revoked_keys().eq([&kid("k1")]));
    assert!(view.needs().key_set.is_some());
}

#[test]
fn a_key_set_asked_for_earlier_that_comes_later_brings_no_key_back() {
    let mut view = View::new();
    let early = view.needs().key_set.unwrap();
    view.take(&key_page(0, 11, "k1", "k2"), at(1)).unwrap();
    let late = view.needs().key_set.unwrap();
    give_keys(&mut view, &["k2"]);
    for ticket in [early, late] {
        view.key_set_came(ticket, &[kid("k1"), kid("k2")]);
        assert!(view.revoked_keys().eq([&kid("k1")]));
    }
}

#[test]
fn a_key_that_is_named_again_before_a_key_set_decided_waits_for_a_later_one() {
    let mut view = fresh();
    // A thief names the very key that he stole,
    view.take(&key_page(10, 11, "k2", "k2"), at(1)).unwrap();
    view.take(&page(0, 10), at(1)).unwrap();
    let asked_between = view.needs().key_set.unwrap();
    // and then it is revoked in truth; the answer under way does not know that yet.
    view.take(&key_page(10, 11, "k2", "k1"), at(2)).unwrap();
    view.key_set_came(asked_between, &[kid("k1"), kid("k2")]);
    assert!(view.revoked_keys().eq([&kid("k2")]));
    give_keys(&mut view, &["k1"]);
    assert!(view.revoked_keys().eq([&kid("k2")]) && view.is_complete());
}

#[test]
fn the_key_set_comes_before_the_pages_that_would_ask_for_another() {
    let mut view = fresh();
    view.take(&key_page(10, 11, "k1", "k2"), at(1)).unwrap();
    let needs = view.needs();
    assert!(needs.key_set.is_some() && !needs.catch_up);
    give_keys(&mut view, &["k2"]);
    assert!(view.needs().catch_up);
}
