//! What a verifier says to a monitoring system: names, kinds and values, in one place for all of them.

use crate::status::{Freshness, Status};

/// A figure of a verifier at one moment. Names and labels are as Prometheus writes them.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Those of one name have the same kind and the same help, and come one after the other.
    pub name: &'static str,
    /// In words for an operator.
    pub help: &'static str,
    /// A label's name and value, where there are several figures of one name.
    pub label: Option<(&'static str, &'static str)>,
    /// How much, and of which kind.
    pub value: Value,
}

/// How much, and of which kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// It only grows, until the program ends.
    Counter(u64),
    /// As it is now.
    Gauge(f64),
}

impl Status {
    /// What a monitoring system is to know: how many tokens were judged and how, whether the verifier is
    /// fresh, how old its proof is, how much it has in memory. Seconds are seconds, positions are those of
    /// the log, and nobody is named. What it does not know yet is left out.
    ///
    /// With the feature `metrics` they go to the program's recorder by themselves; without, a program hands
    /// them to whatever it has.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let counts = &self.counts;
        let mut figures = Vec::with_capacity(10);
        let mut add = |name, help, label, value| {
            figures.push(Figure {
                name,
                help,
                label,
                value,
            });
        };
        for (verdict, count) in [
            ("accepted", counts.accepted),
            ("refused", counts.refused),
            ("unavailable", counts.unavailable),
        ] {
            add(
                "portcullis_verifier_tokens_total",
                "Tokens that were judged; unavailable were those answered with 503.",
                Some(("verdict", verdict)),
                Value::Counter(count),
            );
        }
        for (outcome, count) in [("taken", counts.pages), ("refused", counts.pages_refused)] {
            add(
                "portcullis_verifier_pages_total",
                "Pages of revocations; refused: not signed by the service, or against the rules of pages.",
                Some(("outcome", outcome)),
                Value::Counter(count),
            );
        }
        let fresh = f64::from(self.freshness == Freshness::Fresh);
        let gauges = [
            (
                FRESH,
                "1 while no revocation can be missing for longer than max_staleness.",
                Some(fresh),
            ),
            (
                "portcullis_verifier_proof_age_seconds",
                "Age of the newest proof that no revocation is missing.",
                self.age.map(|age| age.as_secs_f64()),
            ),
            (
                "portcullis_verifier_head_position",
                "The newest revocation that is known.",
                self.head.map(|head| float(head.get())),
            ),
            (
                "portcullis_verifier_floor_position",
                "Tokens from below are refused as too old.",
                Some(float(self.floor.get())),
            ),
            (
                "portcullis_verifier_cutoffs",
                "Sessions and users with a cut-off in memory.",
                Some(float(self.cutoffs as u64)),
            ),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                add(name, help, None, Value::Gauge(value));
            }
        }
        figures
    }
}

/// 1 or 0.
pub(crate) const FRESH: &str = "portcullis_verifier_fresh";

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and positions stay below 2^53"
)]
const fn float(value: u64) -> f64 {
    value as f64
}
