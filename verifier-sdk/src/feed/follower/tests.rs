use super::*;
use crate::testkit::{Kit, at, kid, page, pos, session, token};
use revocation_events::Target;

fn is_fresh(kit: &Kit, millis: u64) -> bool {
    kit.shared.freshness(at(millis)).is_fresh()
}

#[test]
fn nothing_is_shown_before_everything_has_come() {
    let mut kit = Kit::new();
    let unreadable = kit.take(&page(0, 0, 10, 0, &[]), at(0));
    assert_eq!(unreadable, Err(Refused::Page(page::Error::UnknownKey)));
    kit.give_keys(&[1], at(0));
    kit.take(&page(0, 0, 10, 0, &[]), at(0)).unwrap();
    assert!(
        !is_fresh(&kit, 0),
        "a key may have been revoked before that page"
    );
    assert_eq!(
        *kit.progress.borrow(),
        Progress {
            head: Some(pos(10)),
            proven: false,
            complete: false,
            returns: 0,
        }
    );
    kit.give_keys(&[1], at(0));
    assert!(is_fresh(&kit, 0));
    assert_eq!(
        *kit.progress.borrow(),
        Progress {
            head: Some(pos(10)),
            proven: true,
            complete: true,
            returns: 0,
        }
    );
}

#[test]
fn a_gap_keeps_its_revocations_and_the_old_proof() {
    let mut kit = Kit::fresh();
    let gap = page(9_000, 20, 21, 0, &[Target::Session(session(1))]);
    assert_eq!(kit.take(&gap, at(9_000)), Ok(Taken::Gap));
    assert!(kit.follower.needs().catch_up);
    assert!(kit.verify(&token(1, 10), at(9_000)).is_err());
    assert!(is_fresh(&kit, 10_000) && !is_fresh(&kit, 10_001));
}

#[test]
fn a_revoked_key_withdraws_everything_but_the_cut_offs() {
    let mut kit = Kit::fresh();
    let targets = [Target::Session(session(1))];
    kit.take(&page(1, 10, 11, 5, &targets), at(1)).unwrap();
    assert_eq!(kit.shared.published.floor(), pos(5));
    let taken = kit.take(&page(1, 11, 12, 5, &[Target::Key(kid(9))]), at(1));
    assert_eq!(taken, Ok(Taken::KeyRevoked));
    assert!(!is_fresh(&kit, 1));
    assert_eq!(kit.shared.published.floor(), Position::ZERO);
    assert_eq!(kit.shared.cutoffs.len(), 1);
    assert_eq!(
        *kit.progress.borrow(),
        Progress {
            head: None,
            proven: true,
            complete: false,
            returns: 0,
        }
    );
    kit.give_keys(&[1], at(2));
    kit.take(&page(2, 5, 12, 5, &targets), at(2)).unwrap();
    kit.give_keys(&[1], at(2));
    assert!(is_fresh(&kit, 2));
    assert_eq!(kit.shared.published.floor(), pos(5));
}

#[test]
fn cut_offs_that_the_floor_covers_are_not_kept() {
    let mut kit = Kit::fresh();
    kit.take(&page(1, 10, 20, 15, &[]), at(1)).unwrap();
    kit.take(&page(1, 10, 20, 15, &[Target::Session(session(1))]), at(1))
        .unwrap();
    assert_eq!(kit.shared.cutoffs.len(), 0);
}

#[test]
fn what_cannot_be_used_is_counted() {
    let mut kit = Kit::fresh();
    let before = kit.shared.counters.read();
    assert!(kit.take("x", at(0)).is_err());
    let far = 1_000_000_000 + 2 * 86_400_000_000;
    let far = kit.take(&page(0, 10, far, 0, &[]), at(0));
    assert!(matches!(far, Err(Refused::FarAhead(_))));
    let after = kit.shared.counters.read();
    assert_eq!(after.pages_refused, before.pages_refused + 2);
    assert_eq!(after.pages, before.pages);
}

#[test]
fn waiters_are_lost_only_when_the_last_proof_is_too_old() {
    let mut kit = Kit::fresh();
    kit.follower.keep_house(at(1));
    assert!(!kit.waiters.is_lost());
    // A revoked key withdraws the proof, and is learned from within milliseconds.
    kit.take(&page(1, 10, 11, 0, &[Target::Key(kid(9))]), at(1))
        .unwrap();
    kit.follower.keep_house(at(10_000));
    assert!(!kit.waiters.is_lost());
    kit.follower.keep_house(at(10_001));
    assert!(kit.waiters.is_lost());
}

/// Whoever revokes does not wait any more for one that was silent for long. A report goes out whenever
/// this changes.
#[test]
fn one_that_is_fresh_again_says_so_at_once() {
    let mut kit = Kit::fresh();
    let mut returns = |at_millis: u64, millis: u64| {
        let heartbeat = page(at_millis, 10, 10, 0, &[]);
        kit.take(&heartbeat, at(millis)).unwrap();
        kit.progress.borrow().returns
    };
    assert_eq!(returns(10_000, 10_000), 0, "just in time");
    assert_eq!(returns(20_001, 20_001), 1);
    assert_eq!(returns(20_500, 20_500), 1);
    assert_eq!(returns(30_000, 60_000), 1, "too old to be fresh by it");
    assert_eq!(returns(60_000, 60_000), 2);
}

/// They come, each newer than the one before, and each too old: a clock is wrong.
#[test]
fn old_heartbeats_name_the_clocks_and_end_no_trouble() {
    let mut kit = Kit::fresh();
    assert_eq!(kit.trouble.last(), None);
    for millis in [60_000, 60_500] {
        let heartbeat = page(millis - 30_000, 10, 10, 0, &[]);
        let taken = kit.take(&heartbeat, at(millis));
        assert_eq!(taken, Ok(Taken::Advanced { proof: true }));
        kit.follower.keep_house(at(millis));
        assert!(kit.waiters.is_lost());
        let reason = kit.trouble.last().unwrap();
        assert!(
            reason.contains("30 s old by this machine's clock"),
            "{reason}"
        );
    }
    kit.take(&page(61_000, 10, 10, 0, &[]), at(61_000)).unwrap();
    assert!(!kit.waiters.is_lost());
    assert_eq!(kit.trouble.last(), None);
}
