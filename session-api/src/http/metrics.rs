//! What is counted, in the text format of Prometheus (version 0.0.4).

use super::State;
use crate::events::Events;
use crate::relay::fleet::Verifier;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Answers by method, path of the route table and status: as many as there are rows, and no more
/// for whatever strangers ask.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    answers: Mutex<BTreeMap<(&'static str, &'static str, u16), Answers>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Answers {
    count: u64,
    taken: Duration,
}

impl Metrics {
    pub(super) fn answered(
        &self,
        method: &'static str,
        path: &'static str,
        status: u16,
        taken: Duration,
    ) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = answers.entry((path, method, status)).or_default();
        entry.count += 1;
        entry.taken += taken;
    }

    /// Everything; of the verifiers only where it is known which there are.
    pub(super) fn text(&self, state: &State, live: Option<&[Arc<Verifier>]>) -> String {
        let mut text = String::new();
        self.write_answers(&mut text);
        write_keys(&mut text, state);
        if let Some(live) = live {
            write_verifiers(&mut text, live);
        }
        for (name, kind, help, value) in figures(state) {
            let header = format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
            write(&mut text, format_args!("{header}{name} {value}\n"));
        }
        text
    }

    fn write_answers(&self, text: &mut String) {
        const NAME: &str = "portcullis_http_request_duration_seconds";
        write(
            text,
            format_args!("# HELP {NAME} HTTP requests and the time until the answer began.\n"),
        );
        write(text, format_args!("# TYPE {NAME} summary\n"));
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        for ((path, method, status), Answers { count, taken }) in answers.iter() {
            let labels = format!(r#"{{method="{method}",path="{path}",status="{status}"}}"#);
            write(
                text,
                format_args!("{NAME}_sum{labels} {}\n", taken.as_secs_f64()),
            );
            write(text, format_args!("{NAME}_count{labels} {count}\n"));
        }
    }
}

/// What ages without expiring: only an operator exchanges it.
fn write_keys(text: &mut String, state: &State) {
    let ring = state.app.service.keys().ring();
    let ages = ring.ages(crate::clock::now());
    let values = ages.map(|(purpose, age)| (purpose.as_str(), age.as_secs_f64()));
    write_family(
        text,
        "portcullis_key_age_seconds",
        "For how long the key of each purpose has signed.",
        "purpose",
        values,
    );
}

/// None is named: how many there are is the operator's, who they are is in `GET /admin/verifiers`.
fn write_verifiers(text: &mut String, live: &[Arc<Verifier>]) {
    let fresh = live.iter().filter(|verifier| verifier.status.fresh).count();
    let values = [("fresh", fresh), ("stale", live.len() - fresh)];
    let values = values.map(|(state, count)| (state, float(count as u64)));
    write_family(
        text,
        "portcullis_verifiers",
        "Verifiers whose reports came lately, to whichever replica, by what they said of themselves.",
        "state",
        values.into_iter(),
    );
}

fn write_family(
    text: &mut String,
    name: &str,
    help: &str,
    label: &str,
    values: impl Iterator<Item = (&'static str, f64)>,
) {
    write(
        text,
        format_args!("# HELP {name} {help}\n# TYPE {name} gauge\n"),
    );
    for (value_of_label, value) in values {
        write(
            text,
            format_args!("{name}{{{label}=\"{value_of_label}\"}} {value}\n"),
        );
    }
}

type Figure = (&'static str, &'static str, &'static str, f64);

fn figures(state: &State) -> Vec<Figure> {
    let relay = state.app.service.relay();
    let counters = relay.counters();
    let load = |counter: &std::sync::atomic::AtomicU64| float(counter.load(Ordering::Relaxed));
    let streams = state.streams.taken();
    let bus = f64::from(relay.has_bus() && relay.bus_connected());
    let mut figures = vec![
        (
            "portcullis_pages_total",
            "counter",
            "Pages with revocations that were cut.",
            load(&counters.pages),
        ),
        (
            "portcullis_heartbeats_total",
            "counter",
            "Empty pages that were cut.",
            load(&counters.heartbeats),
        ),
        (
            "portcullis_cut_failures_total",
            "counter",
            "Cuts that the database refused.",
            load(&counters.cut_failures),
        ),
        (
            "portcullis_publish_failures_total",
            "counter",
            "Pages that the bus did not acknowledge; they are sent again.",
            load(&counters.publish_failures),
        ),
        (
            "portcullis_foreign_pages_refused_total",
            "counter",
            "Pages on the bus that no replica of this service signed.",
            load(&counters.foreign_pages_refused),
        ),
        (
            "portcullis_reports_refused_total",
            "counter",
            "What came over the bus in the place of a verifier's report.",
            float(state.app.fleet.nonsense()),
        ),
        (
            "portcullis_report_reads_total",
            "counter",
            "How often verifiers' reports were read from the database, for fences and operators.",
            float(state.app.fleet.reads()),
        ),
        (
            "portcullis_bus_connected",
            "gauge",
            "1 while the bus is connected.",
            bus,
        ),
        (
            "portcullis_stream_clients",
            "gauge",
            "Clients of /revocations/stream.",
            float(streams as u64),
        ),
        (
            "portcullis_session_stream_clients",
            "gauge",
            "Clients of /session/stream.",
            float(state.watchers.count() as u64),
        ),
    ];
    figures.extend(events(&state.app.events));
    if let Some(latest) = relay.latest_now() {
        let age = crate::clock::now().since(latest.at).as_secs_f64();
        let age_help =
            "Age of the newest statement about the log; verifiers go stale when it grows.";
        figures.push(("portcullis_page_age_seconds", "gauge", age_help, age));
        let head_help = "The newest revocation's position.";
        figures.push((
            "portcullis_head_position",
            "gauge",
            head_help,
            float(latest.to.get()),
        ));
    }
    figures
}

/// Of events for other programs; none where there is no bus to publish them on.
fn events(events: &Events) -> Vec<Figure> {
    let Some(outbox) = events.outbox() else {
        return Vec::new();
    };
    vec![
        (
            "portcullis_events_waiting",
            "gauge",
            "Events that wait to be published, by whichever replica; 100000 for that many or more.",
            f64::from(outbox.events),
        ),
        (
            "portcullis_events_oldest_seconds",
            "gauge",
            "Age of the oldest event that waits.",
            outbox.oldest.as_secs_f64(),
        ),
        (
            "portcullis_events_published_total",
            "counter",
            "Events that the stream has acknowledged to this replica.",
            float(events.published()),
        ),
        (
            "portcullis_event_failures_total",
            "counter",
            "Events that this replica could not publish; they wait and are tried again.",
            float(events.failures()),
        ),
        (
            "portcullis_event_refills_total",
            "counter",
            "How often this replica found the stream new or robbed of events, and filled it again.",
            float(events.refills()),
        ),
    ]
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and positions stay below 2^53"
)]
const fn float(value: u64) -> f64 {
    value as f64
}

fn write(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what)
        .unwrap_or_else(|_| unreachable!("writing to a String cannot fail"));
}
