//! The checker of the torture run, on histories made by hand: each way to break the promise is
//! found, and what looks like one and is none is let pass.
//!
//! | file | what the checker is to find |
//! | --- | --- |
//! | this one | dead tokens that were accepted, and revocations that were lost |
//! | `availability` | good tokens that were refused, and verifiers that were not fresh |
//! | `evidence` | runs that prove nothing |
//! | `machinery` | no checker: that the prober ends, and that faults strike somebody |

mod availability;
mod evidence;
mod machinery;

#[path = "../torture/aim.rs"]
mod aim;
#[path = "../torture/checker/mod.rs"]
mod checker;
#[path = "../torture/history.rs"]
mod history;
#[expect(dead_code, reason = "only its end is tried here")]
#[path = "../torture/probe.rs"]
mod probe;

use checker::{Judgement, Rules, judge};
use history::{
    Acknowledged, Fault, Freshness, History, LastRefresh, Logged, Moment, Outcome, Target, Token,
    Verdict,
};
use std::time::Duration;
use uuid::Uuid;
use verifier_sdk::Reason;

const ALICE: Uuid = Uuid::from_u128(1);
const PHONE: Uuid = Uuid::from_u128(11);
const LAPTOP: Uuid = Uuid::from_u128(12);
const TABLET: Uuid = Uuid::from_u128(13);
const KIND: &str = "replica: kill -9";

const fn ms(millis: u64) -> Moment {
    Duration::from_millis(millis)
}

fn rules() -> Rules {
    Rules {
        max_staleness: ms(3_000),
        clocks: ms(10),
        grace: ms(1_000),
        min_acknowledged: 1,
        kinds: vec![KIND],
        min_of_each: 1,
        min_settled: 0.99,
        min_fresh: Some(0.95),
    }
}

/// Alice's phone is logged out at 1,000 ms, position 20; her laptop stays. One verifier, which is
/// always fresh, and one that is asked now and then; one fault, from 100 to 200 ms. Of her tablet nobody was told that it was logged out.
fn legal() -> History {
    let token = |session, position| Token {
        session,
        user: ALICE,
        position,
        watched_until: ms(12_000),
    };
    let refresh = |session, went_through| LastRefresh {
        session,
        user: ALICE,
        opened: ms(500),
        position: 10,
        went_through,
    };
    History {
        verifiers: 1,
        tokens: vec![token(PHONE, 10), token(LAPTOP, 10)],
        acknowledged: vec![Acknowledged {
            target: Target::Session(PHONE),
            position: 20,
            began: ms(900),
            at: ms(1_000),
        }],
        verdicts: vec![
            verdict(0, Outcome::Accepted, 600, 1_200),
            verdict(0, Outcome::Refused(Reason::Revoked), 1_210, 9_000),
            verdict(1, Outcome::Accepted, 600, 9_000),
        ],
        sampled: vec![
            sample(1, Outcome::Accepted, 700),
            sample(0, Outcome::Refused(Reason::Revoked), 1_300),
            sample(0, Outcome::Refused(Reason::Revoked), 5_000),
        ],
        freshness: vec![fresh(true, 0, 10_000)],
        faults: vec![Fault {
            kind: KIND,
            from: ms(100),
            to: ms(200),
            struck: true,
        }],
        watched: (ms(0), ms(10_000)),
        log: vec![
            logged(20, Target::Session(PHONE), 950),
            logged(30, Target::Session(TABLET), 970),
        ],
        last_verdicts: vec![
            verdict(0, Outcome::Refused(Reason::Revoked), 11_000, 11_000),
            verdict(1, Outcome::Accepted, 11_000, 11_000),
        ],
        last_refreshes: vec![
            refresh(PHONE, false),
            refresh(LAPTOP, true),
            refresh(TABLET, false),
        ],
        complaints: Vec::new(),
    }
}

fn logged(position: u64, target: Target, at: u64) -> Logged {
    Logged {
        position,
        target,
        at: ms(at),
    }
}

fn verdict(token: usize, outcome: Outcome, first: u64, last: u64) -> Verdict {
    Verdict {
        verifier: 0,
        token,
        outcome,
        began: (ms(first), ms(last)),
        ended: (ms(first + 1), ms(last + 1)),
        calls: 5,
    }
}

/// One question to the verifier that is asked now and then.
fn sample(token: usize, outcome: Outcome, at: u64) -> Verdict {
    Verdict {
        verifier: 1,
        calls: 1,
        ..verdict(token, outcome, at, at)
    }
}

fn fresh(fresh: bool, from: u64, to: u64) -> Freshness {
    Freshness {
        fresh,
        from: ms(from),
        to: ms(to),
    }
}

/// The judgement on a legal history that was changed, which must fail for a reason with these words.
#[track_caller]
fn broken(change: impl FnOnce(&mut History), words: &str) -> Judgement {
    let mut history = legal();
    change(&mut history);
    let judgement = judge(&history, &rules());
    let told = judgement.failures.iter().any(|why| why.contains(words));
    assert!(told, "{words:?} is not among {:?}", judgement.failures);
    judgement
}

#[track_caller]
fn kept(change: impl FnOnce(&mut History)) -> Judgement {
    let mut history = legal();
    change(&mut history);
    let judgement = judge(&history, &rules());
    assert_eq!(judgement.failures, Vec::<String>::new());
    judgement
}

#[test]
fn a_legal_history_passes_with_its_figures() {
    let judgement = kept(|_| {});
    assert_eq!((judgement.acknowledged, judgement.lost), (1, 0));
    assert_eq!((judgement.beyond_the_bound, judgement.good_refused), (0, 0));
    assert_eq!(judgement.windows, [ms(200)]);
    assert_eq!(judgement.to_refusal, [ms(211)]);
    assert_eq!((judgement.verdicts, judgement.accepted), (28, 16));
    assert_eq!(judgement.longest_staleness, ms(0));
}

#[test]
fn a_dead_token_that_is_accepted_within_the_bound_is_legal_and_later_is_not() {
    let accepted_until = |last| {
        move |history: &mut History| history.verdicts[0] = verdict(0, Outcome::Accepted, 600, last)
    };
    // The history's own refusal begins earlier; other threads' verdicts may overlap.
    kept(accepted_until(4_010));
    let judgement = broken(accepted_until(4_011), "accepted a dead token");
    assert_eq!((judgement.beyond_the_bound, judgement.lost), (1, 0));
}

#[test]
fn the_call_counts_from_when_it_began() {
    kept(|history| {
        history.verdicts[0].began.1 = ms(4_000);
        history.verdicts[0].ended.1 = ms(60_000);
    });
}

#[test]
fn acceptance_after_a_refusal_is_found() {
    broken(
        |history| {
            history
                .verdicts
                .push(verdict(0, Outcome::Accepted, 9_100, 9_100))
        },
        "accepted a dead token",
    );
}

#[test]
fn the_verifier_that_is_asked_now_and_then_is_held_to_the_same() {
    broken(
        |history| history.sampled.push(sample(0, Outcome::Accepted, 4_011)),
        "accepted a dead token",
    );
    let refused = Outcome::Refused(Reason::Revoked);
    broken(
        |history| history.sampled.push(sample(1, refused, 4_011)),
        "good tokens were refused",
    );
}

#[test]
fn stale_is_no_acceptance() {
    let judgement = kept(|history| {
        history
            .verdicts
            .push(verdict(0, Outcome::NotNow, 9_100, 9_500));
        history
            .verdicts
            .push(verdict(1, Outcome::NotNow, 9_100, 9_500));
    });
    assert_eq!(judgement.not_now, 10);
}

#[test]
fn positions_and_not_times_say_who_dies() {
    // A token that was given out at the revocation's own position, as a kept session's is.
    kept(|history| {
        history.tokens.push(Token {
            session: PHONE,
            user: ALICE,
            position: 20,
            watched_until: ms(12_000),
        });
        history
            .verdicts
            .push(verdict(2, Outcome::Accepted, 1_000, 9_000));
    });
}

#[test]
fn each_target_kills_whom_it_names() {
    for (target, laptop_dies) in [
        (Target::User(ALICE, None), true),
        (Target::User(ALICE, Some(LAPTOP)), true),
        (Target::Roles(ALICE), true),
        (Target::Everyone, true),
        (Target::User(Uuid::from_u128(2), None), false),
        (Target::Session(TABLET), false),
    ] {
        let mut history = legal();
        history.acknowledged[0].target = target;
        let found = judge(&history, &rules()).beyond_the_bound > 0;
        assert_eq!(found, laptop_dies, "{target:?}");
    }
}

#[test]
fn what_was_not_acknowledged_bounds_nobody() {
    kept(|history| {
        // Committed, as the log says; but the answer was lost.
        history.log.push(logged(30, Target::Session(LAPTOP), 5_000));
        history.last_verdicts.pop();
    });
}

#[test]
fn an_acknowledged_revocation_that_is_not_in_the_log_is_lost() {
    let judgement = broken(|history| history.log.clear(), "not in the log");
    assert_eq!(judgement.lost, 1);
    broken(|history| history.log[0].position = 21, "not in the log");
    broken(
        |history| history.log[0].target = Target::Session(LAPTOP),
        "not in the log",
    );
}

#[test]
fn a_repeated_call_is_told_of_the_first_one() {
    let revoked = Outcome::Refused(Reason::Revoked);
    kept(|history| {
        history.log[0].target = Target::User(ALICE, Some(LAPTOP));
        history.acknowledged[0].target = Target::User(ALICE, Some(PHONE));
        history.verdicts[2] = verdict(1, revoked, 1_210, 9_000);
        history.last_verdicts[1].outcome = revoked;
        history.last_refreshes.remove(1);
    });
}

#[test]
fn a_revocation_that_a_verifier_does_not_know_at_the_end_is_lost() {
    let judgement = broken(
        |history| history.last_verdicts[0].outcome = Outcome::Accepted,
        "a verifier accepts",
    );
    assert_eq!(judgement.lost, 1);
}

#[test]
fn an_ended_session_that_is_refreshed_at_the_end_is_a_loss() {
    let judgement = broken(
        |history| history.last_refreshes[0].went_through = true,
        "was refreshed",
    );
    assert_eq!(judgement.lost, 1);
    // It was opened while the call was under way: before the revocation or after it.
    kept(|history| {
        history.last_refreshes[0].went_through = true;
        history.last_refreshes[0].opened = ms(950);
    });
}

#[test]
fn a_session_that_is_kept_or_only_loses_its_roles_may_be_refreshed() {
    for target in [Target::User(ALICE, Some(LAPTOP)), Target::Roles(ALICE)] {
        kept(|history| {
            history.acknowledged[0].target = target;
            history.log[0].target = target;
            history.last_refreshes[0].went_through = target == Target::Roles(ALICE);
            // The tokens from before are dead all the same.
            history.verdicts[2] = verdict(1, Outcome::Accepted, 600, 1_100);
            history.last_verdicts[1].outcome = Outcome::Refused(Reason::Revoked);
        });
    }
}
