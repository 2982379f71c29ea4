//! Runs that prove nothing do not count.

use super::*;

#[test]
fn a_run_with_too_few_revocations_or_faults_does_not_count() {
    broken(|history| history.acknowledged.clear(), "only 0 revocations");
    broken(|history| history.faults.clear(), "came 0 times");
    broken(|history| history.faults[0].struck = false, "came 0 times");
    let complaint = "`log verify` finds differences";
    broken(
        |history| history.complaints.push(complaint.to_owned()),
        complaint,
    );
}

#[test]
fn a_fault_that_struck_nobody_excuses_all_the_same() {
    let judgement = broken(|history| history.faults[0].struck = false, "came 0 times");
    assert_eq!(judgement.outside, ms(8_900));
}

#[test]
fn a_run_without_verdicts_does_not_count() {
    let nobody_asked = |history: &mut History| {
        history.verdicts.clear();
        history.last_verdicts.clear();
    };
    let judgement = broken(nobody_asked, "in 1 of 1 pairs");
    assert_eq!((judgement.pairs, judgement.settled), (1, 0));
    broken(nobody_asked, "verifier 0 accepted nothing");
    broken(nobody_asked, "verifier 0 refused no dead token");
    broken(nobody_asked, "about no dead token");
}

#[test]
fn a_run_in_which_no_token_died_under_watch_does_not_count() {
    let watched_until = |until| {
        move |history: &mut History| {
            for token in &mut history.tokens {
                token.watched_until = ms(until);
            }
        }
    };
    // Acknowledged at 1,000 ms, with a bound of 3,010.
    kept(watched_until(4_010));
    broken(watched_until(4_009), "only 0 pairs");
    broken(|history| history.tokens[0].position = 20, "only 0 pairs");
}

/// Of the token that died there is but one entry, and the other one is as it was.
fn said_of_the_dead(outcome: Outcome, last: u64) -> impl Fn(&mut History) {
    move |history| {
        history.verdicts.remove(1);
        history.verdicts[0] = verdict(0, outcome, 600, last);
        history.last_verdicts[0] = history.last_verdicts[1].clone();
    }
}

#[test]
fn a_pair_is_settled_by_a_refusal_or_by_a_question_after_the_bound() {
    let settled = |outcome, last| {
        let mut history = legal();
        said_of_the_dead(outcome, last)(&mut history);
        judge(&history, &rules()).settled == 1
    };
    assert!(settled(Outcome::Refused(Reason::Revoked), 610));
    assert!(settled(Outcome::Refused(Reason::RolesChanged), 610));
    assert!(settled(Outcome::Accepted, 4_010));
    assert!(settled(Outcome::NotNow, 4_010));
    for outcome in [
        Outcome::Accepted,
        Outcome::NotNow,
        Outcome::Refused(Reason::Expired),
        Outcome::Refused(Reason::BelowFloor),
    ] {
        assert!(!settled(outcome, 4_009), "{outcome:?}");
    }
}

#[test]
fn one_pair_in_a_hundred_may_be_left_open() {
    let tokens = |unasked: usize| {
        move |history: &mut History| {
            for _ in 0..99 {
                history.tokens.push(history.tokens[0].clone());
            }
            for token in 2..101 - unasked {
                let refused = Outcome::Refused(Reason::Revoked);
                history.verdicts.push(verdict(token, refused, 1_210, 9_000));
            }
        }
    };
    let judgement = kept(tokens(1));
    assert_eq!((judgement.pairs, judgement.settled), (100, 99));
    broken(tokens(2), "in 2 of 100 pairs");
}

#[test]
fn a_verifier_that_nobody_asked_is_found() {
    let two = |history: &mut History| {
        history.verifiers = 2;
        history.freshness.push(fresh(true, 0, 10_000));
    };
    broken(two, "in 1 of 2 pairs");
    broken(two, "verifier 1 accepted nothing");
    let judgement = broken(two, "about no dead token");
    assert_eq!(judgement.last_refusals, 0);
}

#[test]
fn a_verifier_that_never_accepted_or_never_refused_is_found() {
    broken(
        |history| {
            for verdict in &mut history.verdicts {
                verdict.outcome = Outcome::NotNow;
            }
        },
        "verifier 0 accepted nothing",
    );
    broken(
        |history| {
            history.verdicts.remove(1);
        },
        "verifier 0 refused no dead token",
    );
}

#[test]
fn a_verifier_that_was_never_asked_while_it_was_stopped_is_found() {
    let never = |history: &mut History| history.sampled.clear();
    broken(never, "a process of its own accepted nothing");
    broken(never, "a process of its own refused no dead token");
    let never_late = |at| move |history: &mut History| history.sampled[2].began.1 = ms(at);
    kept(never_late(4_010));
    let judgement = broken(never_late(4_009), "hardly ever asked after the bound");
    assert_eq!((judgement.sampled, judgement.sampled_late), (3, 0));
    // It was killed, and said nothing.
    let silent = |history: &mut History| history.sampled[2].outcome = Outcome::Silent;
    let judgement = broken(silent, "hardly ever asked after the bound");
    assert_eq!((judgement.sampled, judgement.sampled_late), (2, 0));
}

#[test]
fn an_end_at_which_nothing_was_asked_does_not_count() {
    broken(
        |history| history.last_verdicts.clear(),
        "about no dead token",
    );
    broken(
        |history| history.last_refreshes.clear(),
        "no session that was over",
    );
    assert_eq!(kept(|_| {}).last_refusals, 1);
}

#[test]
fn a_run_in_which_nobody_looked_for_freshness_or_never_found_it_does_not_count() {
    broken(|history| history.freshness.clear(), "for 0 of 10 s");
    broken(
        |history| history.freshness[0].to = ms(8_990),
        "for 8 of 10 s",
    );
    kept(|history| history.freshness[0].to = ms(9_000));
    broken(
        |history| history.watched = (ms(100), ms(1_000)),
        "were fresh 0.0 %",
    );
    broken(|history| history.watched = (ms(0), ms(0)), "for 0 of 0 s");
}

#[test]
fn a_short_run_has_no_time_outside_faults_to_speak_of() {
    let mut history = legal();
    history.freshness[0].fresh = false;
    let quick = Rules {
        min_fresh: None,
        ..rules()
    };
    assert!(judge(&history, &quick).failures.is_empty());
    assert!(!judge(&history, &rules()).failures.is_empty());
}
