//! The promise: no dead token is accepted after the bound, and no revocation is lost.

use super::{Deaths, Judgement, Rules};
use crate::history::{History, Moment, Outcome, Target, Verdict};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// The promise: nobody who calls itself fresh accepts a dead token after the bound.
pub(super) fn acceptances(
    history: &History,
    rules: &Rules,
    deaths: &Deaths,
    judgement: &mut Judgement,
) {
    let bound = rules.bound();
    let mut worst: Option<(Duration, &Verdict, usize)> = None;
    let accepted = |verdict: &&Verdict| verdict.outcome == Outcome::Accepted;
    for verdict in history.all_verdicts().filter(accepted) {
        let Some((number, at)) = deaths.first[verdict.token] else {
            continue;
        };
        let late = verdict.began.1.saturating_sub(at);
        if late > bound {
            judgement.beyond_the_bound += 1;
            if worst.is_none_or(|(worst, ..)| late > worst) {
                worst = Some((late, verdict, number));
            }
        }
    }
    if let Some((late, verdict, number)) = worst {
        let acknowledged = &history.acknowledged[number];
        judgement.failures.push(format!(
            "{} times a fresh verifier accepted a dead token beyond the bound; worst: verifier {} \
             accepted a token of position {} {} ms after {:?} at {} was acknowledged at {} ms",
            judgement.beyond_the_bound,
            verdict.verifier,
            history.tokens[verdict.token].position,
            late.as_millis(),
            acknowledged.target,
            acknowledged.position,
            acknowledged.at.as_millis(),
        ));
    }
}

/// How long after an acknowledgement each verifier that knew the token still accepted it.
pub(super) fn windows(history: &History, deaths: &Deaths, judgement: &mut Judgement) {
    let mut pairs: HashMap<(usize, usize), (Moment, Option<Moment>)> = HashMap::new();
    for verdict in &history.verdicts {
        let Some((_, at)) = deaths.first[verdict.token] else {
            continue;
        };
        let pair = pairs
            .entry((verdict.token, verdict.verifier))
            .or_insert((at, None));
        match verdict.outcome {
            Outcome::Accepted => pair.0 = pair.0.max(verdict.began.1),
            outcome if outcome.is_dead() => {
                let first = pair
                    .1
                    .map_or(verdict.ended.0, |had| had.min(verdict.ended.0));
                pair.1 = Some(first);
            }
            // What is refused for its age says nothing of the revocation.
            Outcome::Refused(_) | Outcome::NotNow | Outcome::Silent => {}
        }
    }
    for ((token, _), (last_accepted, first_refused)) in pairs {
        let Some((_, at)) = deaths.first[token] else {
            continue;
        };
        judgement.windows.push(last_accepted.saturating_sub(at));
        if let Some(refused) = first_refused {
            judgement.to_refusal.push(refused.saturating_sub(at));
        }
    }
    judgement.windows.sort_unstable();
    judgement.to_refusal.sort_unstable();
}

/// Acknowledged, and not there after the end: in the log, at a verifier, or at the service.
pub(super) fn losses(history: &History, deaths: &Deaths, judgement: &mut Judgement) {
    let logged: HashMap<u64, Target> = history
        .log
        .iter()
        .map(|logged| (logged.position, logged.target))
        .collect();
    let accepted: HashSet<usize> = history
        .last_verdicts
        .iter()
        .filter(|verdict| verdict.outcome == Outcome::Accepted)
        .map(|verdict| verdict.token)
        .collect();
    for (number, acknowledged) in history.acknowledged.iter().enumerate() {
        let (target, position) = (acknowledged.target, acknowledged.position);
        let in_log = logged.get(&position);
        let not_logged = !in_log.is_some_and(|logged| logged.is_same_as(target));
        let lives = deaths.kills[number].iter().any(|t| accepted.contains(t));
        let survives = history.last_refreshes.iter().any(|refresh| {
            refresh.went_through
                && target.ends(refresh.session, refresh.user)
                && refresh.opened < acknowledged.began
        });
        let why = [
            (not_logged, "it is not in the log"),
            (lives, "a verifier accepts a token that it kills"),
            (survives, "a session that it ended was refreshed"),
        ];
        let why: Vec<_> = why
            .iter()
            .filter(|(so, _)| *so)
            .map(|(_, why)| *why)
            .collect();
        if !why.is_empty() {
            judgement.lost += 1;
            judgement.failures.push(format!(
                "{target:?} at {position}, acknowledged at {} ms, is lost: {}",
                acknowledged.at.as_millis(),
                why.join("; "),
            ));
        }
    }
    for refresh in history.last_refreshes.iter().filter(|r| !r.went_through) {
        let ended = history.log.iter().any(|logged| {
            logged.target.ends(refresh.session, refresh.user)
                && (logged.position > refresh.position
                    || matches!(logged.target, Target::Session(_)))
        });
        if !ended {
            judgement.failures.push(format!(
                "session {}, whose log-in was acknowledged and which nothing in the log ends, is gone",
                refresh.session
            ));
        }
    }
}
