//! Good tokens that are refused, sessions that are gone, and verifiers that are not fresh.

use super::*;

#[test]
fn a_good_token_that_is_refused_is_found() {
    let judgement = broken(
        |history| {
            let refused = Outcome::Refused(Reason::UnknownKey);
            history.verdicts.push(verdict(1, refused, 9_100, 9_200));
        },
        "good tokens were refused 5 times",
    );
    assert_eq!(judgement.good_refused, 5);
}

#[test]
fn a_token_that_is_refused_before_its_revocation_is_found() {
    let revoked_at = |at| move |history: &mut History| history.log[0].at = ms(at);
    // The first refusal ended at 1,211 ms, and clocks are read to 10 ms.
    kept(revoked_at(1_221));
    let judgement = broken(revoked_at(1_222), "good tokens were refused 5 times");
    assert_eq!(judgement.good_refused, 5);
}

#[test]
fn a_refusal_is_excused_by_what_kills_the_token_and_by_nothing_else() {
    for (position, target, dead) in [
        (30, Target::Session(LAPTOP), true),
        (30, Target::User(ALICE, None), true),
        (30, Target::User(ALICE, Some(LAPTOP)), true),
        (30, Target::Roles(ALICE), true),
        (30, Target::Everyone, true),
        (30, Target::Session(PHONE), false),
        (30, Target::User(Uuid::from_u128(2), None), false),
        // Not above the token's own.
        (10, Target::Everyone, false),
    ] {
        let mut history = legal();
        history.log.push(logged(position, target, 9_050));
        let refused = Outcome::Refused(Reason::Revoked);
        history.verdicts.push(verdict(1, refused, 9_100, 9_200));
        let found = judge(&history, &rules()).good_refused > 0;
        assert_eq!(found, !dead, "{target:?} at {position}");
    }
}

#[test]
fn the_earliest_revocation_counts() {
    kept(|history| {
        history
            .log
            .insert(0, logged(40, Target::User(ALICE, None), 8_000));
    });
}

#[test]
fn a_session_that_nothing_ended_and_that_is_gone_is_found() {
    broken(
        |history| history.last_refreshes[1].went_through = false,
        "whose log-in was acknowledged",
    );
}

#[test]
fn a_fault_excuses_staleness_until_its_grace_is_over() {
    // 100 to 200 ms, and a second of grace.
    let stale_until = |to| {
        move |history: &mut History| {
            history.freshness = vec![
                fresh(true, 0, 100),
                fresh(false, 100, to),
                fresh(true, to, 10_000),
            ];
        }
    };
    let judgement = kept(stale_until(1_200));
    assert_eq!(judgement.longest_staleness, ms(1_100));
    assert_eq!(judgement.longest_staleness_outside, ms(0));
    assert_eq!(judgement.outside, ms(8_900));
    let judgement = broken(stale_until(2_000), "were fresh 91.0 %");
    assert_eq!(judgement.longest_staleness_outside, ms(800));
}

#[test]
fn faults_that_overlap_excuse_once() {
    let judgement = kept(|history| {
        let mut other = history.faults[0].clone();
        other.to = ms(700);
        history.faults.push(other);
    });
    assert_eq!(judgement.outside, ms(8_400));
}
