//! The figures by the facade `metrics` (feature `metrics`): whichever recorder the program has installed gets
//! them, labelled with the service's name.
//!
//! They are copied from what the verifier counts anyway, every two seconds: a request pays nothing for it.

use crate::figures::{FRESH, Figure, Value};
use metrics::{Label, counter, describe_counter, describe_gauge, gauge};

/// Hands them over. Described each time, because the recorder may have been installed just now.
pub(crate) fn record(figures: &[Figure], service: &str) {
    for figure in figures {
        let mut labels = labels(service);
        labels.extend(figure.label.map(|(name, value)| Label::new(name, value)));
        match figure.value {
            Value::Counter(count) => {
                describe_counter!(figure.name, figure.help);
                counter!(figure.name, labels).absolute(count);
            }
            Value::Gauge(value) => {
                describe_gauge!(figure.name, figure.help);
                gauge!(figure.name, labels).set(value);
            }
        }
    }
}

/// The verifier is gone: what a recorder remembers must not say for ever that it is fresh.
pub(crate) fn gone(service: &str) {
    gauge!(FRESH, labels(service)).set(0.0);
}

fn labels(service: &str) -> Vec<Label> {
    vec![Label::new("service", service.to_owned())]
}
