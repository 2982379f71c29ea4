//! What the gate has counted, in the text format of Prometheus (version 0.0.4).

use std::fmt::Write as _;
use verifier_sdk::Status;
use verifier_sdk::figures::Value;

pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything.
pub(crate) fn text(status: &Status) -> String {
    let mut text = String::new();
    let mut write = |line: std::fmt::Arguments<'_>| {
        text.write_fmt(line)
            .unwrap_or_else(|_| unreachable!("writing to a String cannot fail"));
    };
    let mut last = "";
    for figure in status.figures() {
        let (name, help) = (figure.name, figure.help);
        let kind = match figure.value {
            Value::Counter(_) => "counter",
            Value::Gauge(_) => "gauge",
        };
        if name != last {
            write(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
            last = name;
        }
        write(format_args!("{name}"));
        if let Some((label, value)) = figure.label {
            write(format_args!("{{{label}=\"{value}\"}}"));
        }
        match figure.value {
            Value::Counter(count) => write(format_args!(" {count}\n")),
            Value::Gauge(value) => write(format_args!(" {value}\n")),
        }
    }
    text
}
