//! What the gate has counted, in the text format of Prometheus (version 0.0.4).

use std::fmt::Write as _;
use verifier_sdk::{Freshness, Status};

pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One line: the label with its value, where there is one, and the number.
type Value = (&'static str, f64);

/// Everything.
pub(crate) fn text(status: &Status) -> String {
    let counts = &status.counts;
    let fresh = f64::from(status.freshness == Freshness::Fresh);
    let families: [(&str, &str, &str, Vec<Value>); 7] = [
        (
            "portcullis_verifier_tokens_total",
            "counter",
            "Tokens that were judged; unavailable were those answered with 503.",
            vec![
                (r#"{verdict="accepted"}"#, float(counts.accepted)),
                (r#"{verdict="refused"}"#, float(counts.refused)),
                (r#"{verdict="unavailable"}"#, float(counts.unavailable)),
            ],
        ),
        (
            "portcullis_verifier_pages_total",
            "counter",
            "Pages of revocations; refused: not signed by the service, or against the rules of pages.",
            vec![
                (r#"{outcome="taken"}"#, float(counts.pages)),
                (r#"{outcome="refused"}"#, float(counts.pages_refused)),
            ],
        ),
        (
            "portcullis_verifier_fresh",
            "gauge",
            "1 while no revocation can be missing for longer than --max-staleness.",
            vec![("", fresh)],
        ),
        (
            "portcullis_verifier_proof_age_seconds",
            "gauge",
            "Age of the newest proof that no revocation is missing.",
            status
                .age
                .iter()
                .map(|age| ("", age.as_secs_f64()))
                .collect(),
        ),
        (
            "portcullis_verifier_head_position",
            "gauge",
            "The newest revocation that is known.",
            status
                .head
                .iter()
                .map(|head| ("", float(head.get())))
                .collect(),
        ),
        (
            "portcullis_verifier_floor_position",
            "gauge",
            "Tokens from below are refused as too old.",
            vec![("", float(status.floor.get()))],
        ),
        (
            "portcullis_verifier_cutoffs",
            "gauge",
            "Sessions and users with a cut-off in memory.",
            vec![("", float(status.cutoffs as u64))],
        ),
    ];
    let mut text = String::new();
    for (name, kind, help, values) in families {
        let mut write = |line: std::fmt::Arguments<'_>| {
            text.write_fmt(line)
                .unwrap_or_else(|_| unreachable!("writing to a String cannot fail"));
        };
        write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        for (label, value) in values {
            write(format_args!("{name}{label} {value}\n"));
        }
    }
    text
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and positions stay below 2^53"
)]
const fn float(value: u64) -> f64 {
    value as f64
}
