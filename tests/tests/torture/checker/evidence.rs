//! Whether the run was hard enough, and enough was asked and seen, to mean anything.

use super::{Deaths, Judgement, Rules};
use crate::history::{History, LastRefresh, Outcome, Verdict};
use std::collections::HashSet;
use std::time::Duration;

/// The share of the time in which somebody must have looked how fresh verifiers are.
const MIN_LOOKED: f64 = 0.9;

/// Whether each kind of fault has struck, and enough was revoked meanwhile.
pub(super) fn faults(history: &History, rules: &Rules, judgement: &mut Judgement) {
    for kind in &rules.kinds {
        let struck = history.faults.iter().filter(|fault| fault.struck);
        let times = struck.filter(|fault| fault.kind == *kind);
        judgement.kinds.insert(kind, times.count());
    }
    let failures = &mut judgement.failures;
    if judgement.acknowledged < rules.min_acknowledged {
        failures.push(format!(
            "only {} revocations were acknowledged; {} are wanted",
            judgement.acknowledged, rules.min_acknowledged
        ));
    }
    for (kind, times) in &judgement.kinds {
        if *times < rules.min_of_each {
            failures.push(format!(
                "\"{kind}\" came {times} times; {} are wanted",
                rules.min_of_each
            ));
        }
    }
}

/// Whether each verifier was asked about what had died, and knew good from dead.
pub(super) fn questions(
    history: &History,
    rules: &Rules,
    deaths: &Deaths,
    judgement: &mut Judgement,
) {
    let verdicts = || history.verdicts.iter().chain(&history.last_verdicts);
    let asked_after = |token: usize| Some(deaths.first[token]?.1 + rules.bound());
    let settled: HashSet<_> = verdicts()
        .filter(|verdict| {
            let late = asked_after(verdict.token).is_some_and(|from| verdict.began.1 >= from);
            late || verdict.outcome.is_dead()
        })
        .map(|verdict| (verdict.token, verdict.verifier))
        .collect();
    for (token, watched) in history.tokens.iter().enumerate() {
        if asked_after(token).is_some_and(|from| from <= watched.watched_until) {
            judgement.pairs += history.verifiers;
            let of_all = (0..history.verifiers).filter(|one| settled.contains(&(token, *one)));
            judgement.settled += of_all.count();
        }
    }
    let last = |one| {
        let of_one = history
            .last_verdicts
            .iter()
            .filter(move |v| v.verifier == one);
        of_one.filter(|verdict| verdict.outcome.is_dead()).count()
    };
    judgement.last_refusals = (0..history.verifiers).map(last).min().unwrap_or(0);

    let failures = &mut judgement.failures;
    if judgement.pairs < history.verifiers * rules.min_acknowledged {
        failures.push(format!(
            "only {} pairs of a verifier and a token that died were watched; {} are wanted",
            judgement.pairs,
            history.verifiers * rules.min_acknowledged
        ));
    }
    if share(judgement.settled, judgement.pairs) < rules.min_settled {
        failures.push(format!(
            "in {} of {} pairs of a verifier and a token that died, it neither refused nor was asked \
             after the bound",
            judgement.pairs - judgement.settled,
            judgement.pairs
        ));
    }
    for one in 0..history.verifiers {
        let said = |what: fn(Outcome) -> bool| {
            let mut of_one = history.verdicts.iter().filter(|v| v.verifier == one);
            of_one.any(|verdict| what(verdict.outcome))
        };
        if !said(|outcome| outcome == Outcome::Accepted) {
            failures.push(format!("verifier {one} accepted nothing"));
        }
        if !said(Outcome::is_dead) {
            failures.push(format!("verifier {one} refused no dead token"));
        }
    }
    if judgement.last_refusals == 0 {
        failures.push("after the end a verifier was asked about no dead token".to_owned());
    }
    let refused = |refresh: &LastRefresh| !refresh.went_through;
    if !history.last_refreshes.iter().any(refused) {
        failures.push("after the end no session that was over was tried".to_owned());
    }
}

/// Whether the verifier that can be stopped was asked while it was: about what had died so long before
/// that nobody might accept it any more. Where it gave no answer, it was not asked.
pub(super) fn samples(
    history: &History,
    rules: &Rules,
    deaths: &Deaths,
    judgement: &mut Judgement,
) {
    let late = |verdict: &&Verdict| {
        let died = deaths.first[verdict.token];
        died.is_some_and(|(_, at)| verdict.began.1 >= at + rules.bound())
    };
    let answered = |verdict: &&Verdict| verdict.outcome != Outcome::Silent;
    let answers = || history.sampled.iter().filter(answered);
    judgement.sampled = answers().count();
    judgement.sampled_late = answers().filter(late).count();
    let said = |what: fn(Outcome) -> bool| answers().any(|v| what(v.outcome));
    for (met, what) in [
        (
            said(|outcome| outcome == Outcome::Accepted),
            "accepted nothing",
        ),
        (said(Outcome::is_dead), "refused no dead token"),
        (
            judgement.sampled_late >= rules.min_of_each,
            "was hardly ever asked after the bound",
        ),
    ] {
        if !met {
            let told = format!("the verifier with a process of its own {what}");
            judgement.failures.push(told);
        }
    }
}

/// Whether somebody looked how fresh verifiers were, and they were so without faults.
pub(super) fn freshness(history: &History, rules: &Rules, judgement: &mut Judgement) {
    let (begin, end) = history.watched;
    let looked: Duration = history
        .freshness
        .iter()
        .map(|span| span.to.min(end).saturating_sub(span.from.max(begin)))
        .sum();
    let verifiers = u32::try_from(history.verifiers).unwrap_or(u32::MAX);
    let all = end.saturating_sub(begin) * verifiers;
    if looked < all.mul_f64(MIN_LOOKED) || all.is_zero() {
        judgement.failures.push(format!(
            "whether verifiers are fresh was looked at for {} of {} s",
            looked.as_secs(),
            all.as_secs()
        ));
    }
    if let Some(wanted) = rules.min_fresh.filter(|min| judgement.fresh_outside < *min) {
        judgement.failures.push(format!(
            "outside faults verifiers were fresh {:.1} % of the time; {:.0} % are wanted",
            judgement.fresh_outside * 100.0,
            wanted * 100.0
        ));
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
fn share(part: usize, all: usize) -> f64 {
    part as f64 / all.max(1) as f64
}
