//! The judgement as a table for people and as JSON for machines.

use crate::checker::Judgement;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What was run, beside what came out.
pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) span: Duration,
    pub(crate) max_staleness: Duration,
    pub(crate) verifiers: usize,
    /// How clients' calls ended: by call and status, 0 for no answer.
    pub(crate) calls: BTreeMap<(&'static str, u16), u64>,
    /// How many NATS has cut off.
    pub(crate) slow_consumers: usize,
}

pub(crate) fn table(run: &Run, judgement: &Judgement) -> String {
    let mut rows = vec![
        ("seed".to_owned(), run.seed.to_string()),
        ("length".to_owned(), format!("{} s", run.span.as_secs())),
        ("`max_staleness`".to_owned(), millis(run.max_staleness)),
        (
            "revocations acknowledged".to_owned(),
            judgement.acknowledged.to_string(),
        ),
        ("revocations lost".to_owned(), judgement.lost.to_string()),
        (
            "accepted while fresh, beyond the bound".to_owned(),
            judgement.beyond_the_bound.to_string(),
        ),
        (
            "acknowledgement to last acceptance: p50 / p99 / p99.9 / worst".to_owned(),
            spread(&judgement.windows),
        ),
        (
            "acknowledgement to first refusal: p50 / p99 / p99.9 / worst".to_owned(),
            spread(&judgement.to_refusal),
        ),
        (
            "verdicts: all / accepted / not now (503)".to_owned(),
            format!(
                "{} / {} / {}",
                judgement.verdicts, judgement.accepted, judgement.not_now
            ),
        ),
        (
            "dead tokens × verifiers: all / refused or asked after the bound".to_owned(),
            format!("{} / {}", judgement.pairs, judgement.settled),
        ),
        (
            "questions to the verifier with a process of its own: all / after the bound".to_owned(),
            format!("{} / {}", judgement.sampled, judgement.sampled_late),
        ),
        (
            "good tokens refused (401)".to_owned(),
            judgement.good_refused.to_string(),
        ),
        (
            "dead tokens refused as revoked by all verifiers after the end".to_owned(),
            judgement.last_refusals.to_string(),
        ),
        (
            "longest staleness: in all / outside faults".to_owned(),
            format!(
                "{} / {}",
                millis(judgement.longest_staleness),
                millis(judgement.longest_staleness_outside)
            ),
        ),
        (
            format!(
                "time fresh outside faults ({} s)",
                judgement.outside.as_secs()
            ),
            percent(judgement.fresh_outside),
        ),
        (
            "time fresh during faults".to_owned(),
            percent(judgement.fresh_during),
        ),
    ];
    rows.push((
        "slow consumers that NATS cut off".to_owned(),
        run.slow_consumers.to_string(),
    ));
    for (what, calls) in by_call(run) {
        rows.push((format!("calls: {what}"), calls));
    }
    for (kind, times) in &judgement.kinds {
        rows.push((kind.to_string(), times.to_string()));
    }
    let header = ("measure".to_owned(), "figure".to_owned());
    let width = |side: fn(&(String, String)) -> usize| rows.iter().map(side).max().unwrap_or(0);
    let (left, right) = (width(|row| row.0.len()), width(|row| row.1.len()));
    let mut table = line(&header, left, right);
    table += &format!("| {:-<left$} | {:-<right$} |\n", "", "");
    for row in &rows {
        table += &line(row, left, right);
    }
    table
}

pub(crate) fn json(run: &Run, judgement: &Judgement) -> Value {
    json!({
        "seed": run.seed,
        "seconds": run.span.as_secs_f64(),
        "max_staleness_ms": micros(run.max_staleness) / 1e3,
        "verifiers": run.verifiers,
        "acknowledged": judgement.acknowledged,
        "lost": judgement.lost,
        "beyond_the_bound": judgement.beyond_the_bound,
        "last_acceptance_ms": spread_json(&judgement.windows),
        "first_refusal_ms": spread_json(&judgement.to_refusal),
        "verdicts": judgement.verdicts,
        "accepted": judgement.accepted,
        "not_now": judgement.not_now,
        "pairs": judgement.pairs,
        "pairs_settled": judgement.settled,
        "sampled": judgement.sampled,
        "sampled_after_the_bound": judgement.sampled_late,
        "good_refused": judgement.good_refused,
        "refused_after_the_end": judgement.last_refusals,
        "longest_staleness_ms": micros(judgement.longest_staleness) / 1e3,
        "longest_staleness_outside_ms": micros(judgement.longest_staleness_outside) / 1e3,
        "fresh_outside": judgement.fresh_outside,
        "fresh_during": judgement.fresh_during,
        "outside_seconds": judgement.outside.as_secs_f64(),
        "faults": judgement.kinds,
        "slow_consumers": run.slow_consumers,
        "calls": by_call(run),
        "failures": judgement.failures,
    })
}

fn line((what, figure): &(String, String), left: usize, right: usize) -> String {
    format!("| {what:left$} | {figure:>right$} |\n")
}

fn by_call(run: &Run) -> BTreeMap<&'static str, String> {
    let mut calls = BTreeMap::<_, Vec<String>>::new();
    for ((what, status), times) in &run.calls {
        let status = match status {
            0 => "no answer".to_owned(),
            status => status.to_string(),
        };
        calls
            .entry(*what)
            .or_default()
            .push(format!("{status}: {times}"));
    }
    calls
        .into_iter()
        .map(|(what, parts)| (what, parts.join(", ")))
        .collect()
}

/// Of a sorted list; the smallest value that so many thousandths do not exceed.
fn quantile(sorted: &[Duration], thousandths: usize) -> Duration {
    let rank = (sorted.len() * thousandths).div_ceil(1_000);
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

const QUANTILES: [(&str, usize); 4] =
    [("p50", 500), ("p99", 990), ("p99.9", 999), ("worst", 1_000)];

fn spread(sorted: &[Duration]) -> String {
    let parts = QUANTILES.map(|(_, thousandths)| millis(quantile(sorted, thousandths)));
    format!("{} (of {})", parts.join(" / "), sorted.len())
}

fn spread_json(sorted: &[Duration]) -> Value {
    let mut spread = json!({ "count": sorted.len() });
    for (name, thousandths) in QUANTILES {
        spread[name] = json!(micros(quantile(sorted, thousandths)) / 1e3);
    }
    spread
}

fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

fn millis(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1e3)
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}
