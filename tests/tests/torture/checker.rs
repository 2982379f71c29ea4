//! Judges a history. Pure: the same history always gets the same judgement.

use crate::history::{History, Moment, Outcome, Target, Token, Verdict};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;
use uuid::Uuid;
use verifier_sdk::Reason;

/// By what a history is judged.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) max_staleness: Duration,
    /// By how much the clocks of service and verifiers may differ. Here they are one, and what is
    /// left is that they are read in whole milliseconds and coarse ticks.
    pub(crate) clocks: Duration,
    /// How long after its mending a fault still excuses a verifier that is not fresh.
    pub(crate) grace: Duration,
    pub(crate) min_acknowledged: usize,
    /// The kinds of faults, each of which must have come so often.
    pub(crate) kinds: Vec<&'static str>,
    pub(crate) min_of_each: usize,
    /// The share of time outside faults in which a verifier must be fresh.
    pub(crate) min_fresh: f64,
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judgement {
    pub(crate) acknowledged: usize,
    pub(crate) lost: usize,
    pub(crate) beyond_the_bound: usize,
    /// From each acknowledgement to the last acceptance by each verifier; zero where none came later.
    pub(crate) windows: Vec<Duration>,
    /// From each acknowledgement to the first refusal by each verifier; zero where it came earlier.
    pub(crate) to_refusal: Vec<Duration>,
    pub(crate) longest_staleness: Duration,
    pub(crate) longest_staleness_outside: Duration,
    pub(crate) verdicts: u64,
    pub(crate) accepted: u64,
    pub(crate) not_now: u64,
    pub(crate) good_refused: u64,
    pub(crate) fresh_outside: f64,
    pub(crate) fresh_during: f64,
    pub(crate) outside: Duration,
    pub(crate) kinds: BTreeMap<&'static str, usize>,
    /// Why the run does not count or the promise was broken. Empty is good.
    pub(crate) failures: Vec<String>,
}

pub(crate) fn judge(history: &History, rules: &Rules) -> Judgement {
    let mut judgement = Judgement {
        acknowledged: history.acknowledged.len(),
        failures: history.complaints.clone(),
        ..Judgement::default()
    };
    let deaths = Deaths::of(history);
    acceptances(history, rules, &deaths, &mut judgement);
    windows(history, &deaths, &mut judgement);
    losses(history, &deaths, &mut judgement);
    availability(history, &mut judgement);
    staleness(history, rules, &mut judgement);
    counts(history, rules, &mut judgement);
    judgement
}

/// When each token died at the latest: the first acknowledgement of a revocation that kills it.
struct Deaths {
    /// By token: the acknowledgement's place and time.
    first: Vec<Option<(usize, Moment)>>,
    /// By acknowledgement: the tokens that it kills, whoever else has killed them.
    kills: Vec<Vec<usize>>,
}

impl Deaths {
    fn of(history: &History) -> Self {
        let (mut by_session, mut by_user) = (HashMap::new(), HashMap::new());
        for (index, token) in history.tokens.iter().enumerate() {
            push(&mut by_session, token.session, index);
            push(&mut by_user, token.user, index);
        }
        let all: Vec<usize> = (0..history.tokens.len()).collect();
        let mut first: Vec<Option<(usize, Moment)>> = vec![None; history.tokens.len()];
        let mut kills = Vec::with_capacity(history.acknowledged.len());
        for (number, acknowledged) in history.acknowledged.iter().enumerate() {
            let candidates = match acknowledged.target {
                Target::Session(id) => by_session.get(&id),
                Target::User(id, _) | Target::Roles(id) => by_user.get(&id),
                Target::Everyone => Some(&all),
            };
            let killed: Vec<usize> = candidates
                .into_iter()
                .flatten()
                .copied()
                .filter(|token| history.tokens[*token].position < acknowledged.position)
                .collect();
            for token in &killed {
                let earlier = first[*token].is_some_and(|(_, at)| at <= acknowledged.at);
                if !earlier {
                    first[*token] = Some((number, acknowledged.at));
                }
            }
            kills.push(killed);
        }
        Self { first, kills }
    }
}

fn push(map: &mut HashMap<Uuid, Vec<usize>>, key: Uuid, index: usize) {
    map.entry(key).or_default().push(index);
}

/// The promise: nobody who calls itself fresh accepts a dead token after the bound.
fn acceptances(history: &History, rules: &Rules, deaths: &Deaths, judgement: &mut Judgement) {
    let bound = rules.max_staleness + rules.clocks;
    let all = history.verdicts.iter().chain(&history.last_verdicts);
    let mut worst: Option<(Duration, &Verdict, usize)> = None;
    for verdict in all.filter(|verdict| verdict.outcome == Outcome::Accepted) {
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
fn windows(history: &History, deaths: &Deaths, judgement: &mut Judgement) {
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
            // What is refused for its age says nothing of the revocation.
            Outcome::Refused(Reason::Expired | Reason::BelowFloor) | Outcome::NotNow => {}
            Outcome::Refused(_) => {
                let first = pair
                    .1
                    .map_or(verdict.ended.0, |had| had.min(verdict.ended.0));
                pair.1 = Some(first);
            }
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
fn losses(history: &History, deaths: &Deaths, judgement: &mut Judgement) {
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

/// Refusals of tokens that nothing in the log kills.
fn availability(history: &History, judgement: &mut Judgement) {
    let (mut by_subject, mut everyone) = (HashMap::<Uuid, u64>::new(), 0);
    for logged in &history.log {
        let newest = match logged.target {
            Target::Session(id) | Target::User(id, _) | Target::Roles(id) => {
                by_subject.entry(id).or_default()
            }
            Target::Everyone => &mut everyone,
        };
        *newest = logged.position.max(*newest);
    }
    let is_dead = |token: &Token| {
        let newest = |id| by_subject.get(&id).copied().unwrap_or(0);
        token.position < newest(token.session).max(newest(token.user)).max(everyone)
    };
    let mut example = None;
    for verdict in history.verdicts.iter().chain(&history.last_verdicts) {
        judgement.verdicts += verdict.calls;
        match verdict.outcome {
            Outcome::Accepted => judgement.accepted += verdict.calls,
            Outcome::NotNow => judgement.not_now += verdict.calls,
            Outcome::Refused(reason) if !is_dead(&history.tokens[verdict.token]) => {
                judgement.good_refused += verdict.calls;
                example = Some((verdict, reason));
            }
            Outcome::Refused(_) => {}
        }
    }
    if let Some((verdict, reason)) = example {
        judgement.failures.push(format!(
            "good tokens were refused {} times: verifier {} said \"{reason}\" at {} ms of a token \
             that nothing in the log kills",
            judgement.good_refused,
            verdict.verifier,
            verdict.began.0.as_millis(),
        ));
    }
}

fn staleness(history: &History, rules: &Rules, judgement: &mut Judgement) {
    let excused = excused(history, rules.grace);
    let (begin, end) = history.watched;
    // Fresh and in all: outside faults, and during them.
    let mut sums = [[Duration::ZERO; 2]; 2];
    for span in &history.freshness {
        let (from, to) = (span.from.max(begin), span.to.min(end));
        let whole = to.saturating_sub(from);
        let parts = excused
            .iter()
            .map(|(start, stop)| to.min(*stop).saturating_sub(from.max(*start)));
        let during: Duration = parts.sum();
        let outside = whole.saturating_sub(during);
        for (sum, part) in sums.iter_mut().zip([outside, during]) {
            sum[1] += part;
            if span.fresh {
                sum[0] += part;
            }
        }
        if !span.fresh {
            judgement.longest_staleness = judgement.longest_staleness.max(whole);
            judgement.longest_staleness_outside = judgement.longest_staleness_outside.max(outside);
        }
    }
    let [outside, during] = sums.map(|[fresh, all]| share(fresh, all));
    judgement.fresh_outside = outside;
    judgement.fresh_during = during;
    let verifiers = u32::try_from(history.verifiers.max(1)).unwrap_or(u32::MAX);
    judgement.outside = sums[0][1] / verifiers;
}

/// The times of faults with the grace after them, without overlaps.
fn excused(history: &History, grace: Duration) -> Vec<(Moment, Moment)> {
    let mut spans: Vec<_> = history
        .faults
        .iter()
        .map(|fault| (fault.from, fault.to + grace))
        .collect();
    spans.sort_unstable();
    let mut merged: Vec<(Moment, Moment)> = Vec::new();
    for (from, to) in spans {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

fn share(part: Duration, all: Duration) -> f64 {
    if all.is_zero() {
        return 0.0;
    }
    part.as_secs_f64() / all.as_secs_f64()
}

/// Whether the run was hard and quiet enough to mean anything.
fn counts(history: &History, rules: &Rules, judgement: &mut Judgement) {
    for kind in &rules.kinds {
        let times = history.faults.iter().filter(|fault| fault.kind == *kind);
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
    if judgement.fresh_outside < rules.min_fresh {
        failures.push(format!(
            "outside faults verifiers were fresh {:.1} % of the time; {:.0} % are wanted",
            judgement.fresh_outside * 100.0,
            rules.min_fresh * 100.0
        ));
    }
}
