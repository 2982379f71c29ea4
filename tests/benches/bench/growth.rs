//! How costs grow: rows whose measures differ by one number, side by side.

use crate::table::{Row, number};
use serde::Serialize;
use std::collections::BTreeMap;

/// By how much a figure may grow from one size to the next before the curve is said to bend there.
const BEND: f64 = 1.5;

/// One measure at several sizes.
#[derive(Serialize)]
pub(crate) struct Growth {
    /// With `N` where the size stands.
    pub(crate) measure: String,
    pub(crate) unit: String,
    /// Sizes and medians.
    pub(crate) points: Vec<(f64, f64)>,
    /// From which size on the figure is another one, and how many times the one before.
    pub(crate) bend: Option<(f64, f64)>,
    pub(crate) why: Option<&'static str>,
}

/// How the name of a measure begins, what else is in it, and why such a one bends: what was found where
/// the code was read, and by the splits. The first that fits counts.
const REASONS: &[(&str, &str, &str)] = &[
    (
        "catch-up of N revocations",
        "memory",
        "what a verifier takes without any is shared among more",
    ),
    (
        "catch-up of N revocations",
        "time",
        "so many more of them to read, to check and to insert",
    ),
    (
        "N live sessions: kinds of statements",
        "",
        "a table of few pages is quicker read as a whole, and Postgres knows it",
    ),
    (
        "N live sessions",
        "",
        "of ten million, pages of the database come from the disk",
    ),
    (
        "cached verification",
        "",
        "the tokens and their entries no longer fit the processor's caches",
    ),
    (
        "one hot token",
        "",
        "threads past twice the processors have no table of their own, and share one under a lock",
    ),
    (
        "revoke call to refusal",
        "",
        "each verifier needs its turn on one of two processors",
    ),
    (
        "revoke call answered",
        "",
        "a verifier that has just reported does so again after 50 ms",
    ),
    (
        "refreshes/s at the store",
        "",
        "a commit carries more of them",
    ),
    (
        "start to ready with N live sessions: `dev`",
        "",
        "a tenth as many were revoked, and its verifier catches up with all of these",
    ),
    (
        "revoked set of N",
        "memory a subject",
        "what an empty set takes is shared among more",
    ),
    (
        "revoked set of N",
        "the end of a bucket",
        "so much memory goes back to the system",
    ),
    (
        "revoked set of N",
        "the worst 64 inserts",
        "each of 1,024 shards is so much larger, and is copied as a whole when it grows",
    ),
    (
        "revoked set of N",
        "look-up",
        "the table no longer fits the processor's caches: each look-up waits for memory",
    ),
    (
        "protected endpoint",
        "",
        "its cache of 64 MiB holds some 30,000 tokens, of which a thread has 6,000 to itself: the others' signatures are checked anew",
    ),
    (
        "refreshes/s over HTTP",
        "",
        "groups fill up, until both cores are busy",
    ),
    (
        "a refresh over HTTP",
        "",
        "once the cores are busy, more clients wait for each other",
    ),
    (
        "processor a refresh over HTTP",
        "",
        "a commit carries more refreshes where more are queued",
    ),
    (
        "N revocations/s",
        "",
        "past what two cores carry, revocations queue",
    ),
];

/// All measures of which there are two sizes or more.
pub(crate) fn of(rows: &[Row]) -> Vec<Growth> {
    let mut series: BTreeMap<(String, String), Vec<(f64, f64)>> = BTreeMap::new();
    for row in rows {
        for (measure, size) in templates(&row.measure) {
            let key = (measure, row.unit.clone().into_owned());
            series.entry(key).or_default().push((size, row.median));
        }
    }
    let mut all = Vec::new();
    for ((measure, unit), mut points) in series {
        points.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        // Beside two alternatives a figure is the same.
        points.dedup();
        if points.len() < 2 {
            continue;
        }
        let bend = bend(&points);
        let why = REASONS
            .iter()
            .find(|(begins, part, _)| measure.starts_with(begins) && measure.contains(part))
            .map(|(.., why)| *why)
            .filter(|_| bend.is_some());
        all.push(Growth {
            measure,
            unit,
            points,
            bend,
            why,
        });
    }
    all
}

/// The measure with `N` for each of its numbers in turn; those after a letter belong to a name (p99).
fn templates(measure: &str) -> Vec<(String, f64)> {
    let bytes = measure.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let in_name = at > 0
            && (bytes[at - 1].is_ascii_alphanumeric()
                || bytes[at - 1] == b','
                || bytes[at - 1] == b'.');
        let end = at + digits;
        let in_larger = bytes.get(end).is_some_and(|byte| {
            *byte == b',' && bytes.get(end + 1).is_some_and(u8::is_ascii_digit)
        });
        if digits > 0 && !in_name && !in_larger {
            let template = format!("{}N{}", &measure[..at], &measure[end..]);
            found.push((template, measure[at..end].parse().unwrap()));
        }
        at = end.max(at + 1);
    }
    found
}

fn bend(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    points.windows(2).find_map(|pair| {
        let [(_, before), (size, after)] = pair else {
            return None;
        };
        let times = after / before;
        (times.is_finite() && !(1.0 / BEND..=BEND).contains(&times)).then_some((*size, times))
    })
}

pub(crate) fn print(all: &[Growth]) {
    if !all.is_empty() {
        println!("\n{}", lines(all).join("\n"));
    }
}

/// A table.
pub(crate) fn lines(all: &[Growth]) -> Vec<String> {
    let head = [
        "| how it grows with N | N: median | bends at | why |",
        "| --- | --- | ---: | --- |",
    ];
    let rows = all.iter().map(|growth| {
        let points: Vec<_> = growth
            .points
            .iter()
            .map(|(size, median)| format!("{size}: {}", number(*median)))
            .collect();
        let bend = growth.bend.map_or_else(
            || "–".to_owned(),
            |(size, times)| format!("{size} (× {})", number(times)),
        );
        format!(
            "| {} | {} {} | {bend} | {} |",
            growth.measure,
            points.join(", "),
            growth.unit,
            growth.why.unwrap_or_default()
        )
    });
    head.map(str::to_owned).into_iter().chain(rows).collect()
}
