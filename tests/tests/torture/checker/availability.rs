//! What verifiers withhold: good tokens that they refuse, and times at which they are not fresh.

use super::{Judgement, Rules};
use crate::history::{History, Logged, Moment, Outcome, Target, Token, Verdict};
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;
use verifier_sdk::Reason;

/// Refusals of tokens that nothing in the log had killed by then.
pub(super) fn refusals(history: &History, rules: &Rules, judgement: &mut Judgement) {
    let killers = Killers::of(&history.log);
    let died: Vec<_> = history
        .tokens
        .iter()
        .map(|token| killers.first(token))
        .collect();
    // The verdict, its reason, and by how much it came too early: `MAX` where the token never died.
    let mut worst: Option<(&Verdict, Reason, Moment)> = None;
    for verdict in history.all_verdicts() {
        let calls = verdict.calls;
        judgement.verdicts += calls;
        match verdict.outcome {
            Outcome::Accepted => judgement.accepted += calls,
            Outcome::NotNow => judgement.not_now += calls,
            // No verdict.
            Outcome::Silent => judgement.verdicts -= calls,
            Outcome::Refused(reason) => {
                // Of equal verdicts in a row the first has the least excuse.
                let said = verdict.ended.0 + rules.clocks;
                let died = died[verdict.token].unwrap_or(Moment::MAX);
                if died <= said {
                    continue;
                }
                judgement.good_refused += calls;
                let early = died - said;
                if worst.is_none_or(|(.., worst)| early > worst) {
                    worst = Some((verdict, reason, early));
                }
            }
        }
    }
    if let Some((verdict, reason, _)) = worst {
        let died = died[verdict.token].map_or("never was".to_owned(), |died| {
            format!("was not before {} ms", died.as_millis())
        });
        judgement.failures.push(format!(
            "good tokens were refused {} times; worst: verifier {} said \"{reason}\" at {} ms of a \
             token that {died} revoked, as the log says",
            judgement.good_refused,
            verdict.verifier,
            verdict.ended.0.as_millis(),
        ));
    }
}

/// What the log kills, by whom it names: positions with their times.
struct Killers {
    by_subject: HashMap<Uuid, Vec<(u64, Moment)>>,
    everyone: Vec<(u64, Moment)>,
}

impl Killers {
    fn of(log: &[Logged]) -> Self {
        let (mut by_subject, mut everyone) = (HashMap::<_, Vec<_>>::new(), Vec::new());
        for logged in log {
            let of_subject = match logged.target {
                Target::Session(id) | Target::User(id, _) | Target::Roles(id) => {
                    by_subject.entry(id).or_default()
                }
                Target::Everyone => &mut everyone,
            };
            of_subject.push((logged.position, logged.at));
        }
        Self {
            by_subject,
            everyone,
        }
    }

    /// When the token died, if it did.
    fn first(&self, token: &Token) -> Option<Moment> {
        let named = |id| self.by_subject.get(&id).map_or(&[][..], Vec::as_slice);
        [named(token.session), named(token.user), &self.everyone]
            .into_iter()
            .flatten()
            .filter(|(position, _)| *position > token.position)
            .map(|(_, at)| *at)
            .min()
    }
}

pub(super) fn staleness(history: &History, rules: &Rules, judgement: &mut Judgement) {
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
