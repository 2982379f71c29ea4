//! What is to be reached: one list, beside which every row is held. A goal belongs to the rows of that
//! measure, or of those that begin so where it ends with a star, and of that alternative.

use crate::table::{Row, number};

/// What a row must keep to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// Of the ratio to the alternative.
    RatioAtMost(f64),
    RatioAtLeast(f64),
}
use Goal::{AtLeast, AtMost, RatioAtLeast, RatioAtMost};

const PAPAYA: Option<&str> = Some("a bare hit in papaya");
const SET: Option<&str> = Some("the set alone");

/// The module that makes the rows, their measure, their alternative, the goal.
const GOALS: &[(&str, &str, Option<&str>, Goal)] = &[
    (
        "verify",
        "cached verification of 1000 tokens*",
        PAPAYA,
        AtMost(60.0),
    ),
    (
        "verify",
        "cached verification of 1000 tokens*",
        PAPAYA,
        RatioAtMost(1.0),
    ),
    (
        "verify",
        "cached verification of 100000 tokens*",
        PAPAYA,
        AtMost(800.0),
    ),
    (
        "verify",
        "cached verification of 100000 tokens*",
        PAPAYA,
        RatioAtMost(1.0),
    ),
    (
        "verify",
        "one hot token on 2 threads*",
        Some("on one thread"),
        AtMost(150.0),
    ),
    (
        "verify",
        "one hot token on 2 threads*",
        Some("on one thread"),
        RatioAtMost(1.3),
    ),
    (
        "verify",
        "first verification of one of 500 tokens*",
        Some("bare verify_strict"),
        RatioAtMost(1.05),
    ),
    (
        "verify",
        "first verification of one of 500 tokens*",
        Some("jsonwebtoken's decode"),
        RatioAtMost(1.0),
    ),
    (
        "revoked-set",
        "revoked set of 10000000: memory a subject",
        None,
        AtMost(30.0),
    ),
    (
        "revoked-set",
        "revoked set of 10000000: the worst 64 inserts by the clock",
        None,
        AtMost(1_000.0),
    ),
    (
        "revoked-set",
        "revoked set of 10000000: a look-up, hit",
        None,
        AtMost(250.0),
    ),
    (
        "revoked-set",
        "revoked set of 10000000: a look-up, miss",
        None,
        AtMost(250.0),
    ),
    (
        "catch-up",
        "catch-up of 1000000 revocations, over HTTP: time",
        SET,
        AtMost(3_000.0),
    ),
    (
        "catch-up",
        "catch-up of 1000000 revocations, from the stream: time",
        SET,
        AtMost(3_000.0),
    ),
    (
        "catch-up",
        "catch-up of 1000000 revocations, over HTTP: memory*",
        SET,
        RatioAtMost(2.0),
    ),
    (
        "catch-up",
        "catch-up of 1000000 revocations, from the stream: memory*",
        SET,
        RatioAtMost(2.0),
    ),
    (
        "revoke",
        "revoke call to refusal at the last of 10, p50",
        Some(SIGNED),
        RatioAtMost(1.5),
    ),
    (
        "revoke",
        "revoke call to refusal at the last of 10, p99",
        Some(SIGNED),
        RatioAtMost(2.0),
    ),
    (
        "endpoint",
        "protected endpoint, 1000 tokens: the SDK",
        Some("no check"),
        RatioAtLeast(0.97),
    ),
    (
        "refresh",
        "refreshes/s at the store, 4 writers that take 64",
        Some("one transaction for each"),
        RatioAtLeast(3.0),
    ),
    (
        "refresh",
        "refreshes/s at the store, 4 writers that take 64",
        Some("bare transactions/s: lock, append, update"),
        RatioAtLeast(3.0),
    ),
    (
        "refresh",
        "a refresh over HTTP, 256 clients, p99",
        None,
        AtMost(25.0),
    ),
    (
        "storm",
        "1000 revocations/s asked for: acknowledged",
        None,
        AtLeast(990.0),
    ),
    (
        "storm",
        "1000 revocations/s: a verifier behind an acknowledgement, worst",
        None,
        AtMost(1_000.0),
    ),
    (
        "storm",
        "1000 revocations/s: a refresh beside them, p99",
        Some("idle"),
        RatioAtMost(2.0),
    ),
    (
        "million",
        "1000000 live sessions: memory of the service, idle",
        None,
        AtMost(100.0),
    ),
    (
        "million",
        "1000000 live sessions: memory of the service at full refresh load*",
        None,
        AtMost(300.0),
    ),
    (
        "million",
        "1000000 live sessions: kinds of statements whose plan reads*",
        None,
        AtMost(0.0),
    ),
    (
        "start",
        "start to ready: `dev`, with what it made before",
        None,
        AtMost(300.0),
    ),
    (
        "start",
        "start to ready: `dev`, the first time (schema, keys, users)",
        None,
        AtMost(300.0),
    ),
    ("start", "start to ready: `serve`*", None, AtMost(300.0)),
];

const SIGNED: &str = "the same with a signature checked by each";

/// The goals of a row.
pub(crate) fn of(measure: &str, beside: Option<&str>) -> Vec<Goal> {
    let of_row = GOALS
        .iter()
        .filter(|(_, named, alternative, _)| is(measure, named) && *alternative == beside);
    of_row.map(|(.., goal)| *goal).collect()
}

/// The goals of modules that were measured and have no row: a row was renamed, or left out. Where two
/// minutes must do, the largest sizes are.
pub(crate) fn missed<'a>(
    measured: impl Fn(&str) -> bool + 'a,
    rows: &'a [Row],
) -> impl Iterator<Item = &'static str> + 'a {
    let has_row = |named: &str, beside: Option<&str>| {
        rows.iter().any(|row| {
            let alternative = row.alternative.as_ref().map(|other| other.name.as_str());
            is(&row.measure, named) && alternative == beside
        })
    };
    GOALS
        .iter()
        .filter(move |(module, named, beside, _)| measured(module) && !has_row(named, *beside))
        .map(|(_, named, ..)| *named)
}

fn is(measure: &str, named: &str) -> bool {
    match named.strip_suffix('*') {
        Some(begins) => measure.starts_with(begins),
        None => measure == named,
    }
}

impl Goal {
    pub(crate) fn words(self, unit: &str) -> String {
        match self {
            AtMost(figure) => format!("≤ {} {unit}", number(figure)),
            AtLeast(figure) => format!("≥ {} {unit}", number(figure)),
            RatioAtMost(ratio) => format!("≤ {ratio:.2}×"),
            RatioAtLeast(ratio) => format!("≥ {ratio:.2}×"),
        }
    }

    pub(crate) fn is_reached(self, row: &Row) -> bool {
        let ratio = row.ratio();
        match self {
            AtMost(figure) => row.median <= figure,
            AtLeast(figure) => row.median >= figure,
            RatioAtMost(most) => ratio.is_some_and(|ratio| ratio <= most),
            RatioAtLeast(least) => ratio.is_some_and(|ratio| ratio >= least),
        }
    }
}
