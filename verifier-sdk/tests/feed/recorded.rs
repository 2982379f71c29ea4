//! The figures by the facade `metrics`, as a recorder of the program gets them.

use crate::issuer::Issuer;
use crate::{BOUND, builder};
use ::tests::until;
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    set_global_recorder,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// The recorder of this process. Other tests' verifiers, which have other names, hand theirs to it too.
/// (The one that `metrics-util` has for tests forgets a value when it is read.)
#[derive(Clone, Default)]
struct Book(Arc<Mutex<Pages>>);

#[derive(Default)]
struct Pages {
    counters: BTreeMap<Key, Arc<AtomicU64>>,
    /// The bits of numbers.
    gauges: BTreeMap<Key, Arc<AtomicU64>>,
    described: BTreeSet<String>,
}

impl Recorder for Book {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        let mut pages = self.0.lock().unwrap();
        pages.described.insert(name.as_str().to_owned());
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe_counter(name, unit, help);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("{name:?}");
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut pages = self.0.lock().unwrap();
        Counter::from_arc(Arc::clone(pages.counters.entry(key.clone()).or_default()))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let mut pages = self.0.lock().unwrap();
        Gauge::from_arc(Arc::clone(pages.gauges.entry(key.clone()).or_default()))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("{key:?}");
    }
}

fn book() -> &'static Book {
    static BOOK: OnceLock<Book> = OnceLock::new();
    BOOK.get_or_init(|| {
        let book = Book::default();
        assert!(set_global_recorder(book.clone()).is_ok());
        book
    })
}

/// What is recorded of `service`, by name and, where there is one, the other label's value. All is described.
fn recorded(service: &str) -> BTreeMap<String, f64> {
    let pages = book().0.lock().unwrap();
    let read = |value: &AtomicU64| value.load(Ordering::SeqCst);
    let counters = pages.counters.iter();
    let counters =
        counters.map(|(key, count)| (key, f64::from(u32::try_from(read(count)).unwrap())));
    let gauges = pages.gauges.iter();
    let gauges = gauges.map(|(key, value)| (key, f64::from_bits(read(value))));
    let mut found = BTreeMap::new();
    for (key, value) in counters.chain(gauges) {
        let labels: BTreeMap<_, _> = key.labels().map(|l| (l.key(), l.value())).collect();
        if labels.get("service") != Some(&service) {
            continue;
        }
        let name = key.name();
        assert!(pages.described.contains(name), "{name}");
        let other = labels.iter().find(|(name, _)| **name != "service");
        let name = other.map_or(name.to_owned(), |(_, value)| format!("{name} {value}"));
        found.insert(name, value);
    }
    found
}

/// Waits until that is recorded.
async fn records(service: &str, name: &str, wanted: f64) {
    let what = format!("{wanted} as {name} of {service}");
    until(&what, BOUND, async || {
        (recorded(service).get(name) == Some(&wanted)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_programs_recorder_gets_all_figures_and_hears_of_the_end() {
    book();
    let issuer = Issuer::start().await;
    let settings = || builder(&issuer).max_staleness(Duration::from_secs(1));
    let named = settings().service("recorded").start().await.unwrap();
    let other = settings().service("another").start().await.unwrap();
    let token = issuer.mint().token();
    named.verify(&token).unwrap();
    named.verify(&token).unwrap();
    named.verify("rubbish").unwrap_err();
    records("recorded", "portcullis_verifier_tokens_total accepted", 2.0).await;
    records("recorded", "portcullis_verifier_tokens_total refused", 1.0).await;
    records("recorded", "portcullis_verifier_fresh", 1.0).await;
    let all = recorded("recorded");
    let names: Vec<_> = all.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "portcullis_verifier_cutoffs",
            "portcullis_verifier_floor_position",
            "portcullis_verifier_fresh",
            "portcullis_verifier_head_position",
            "portcullis_verifier_pages_total refused",
            "portcullis_verifier_pages_total taken",
            "portcullis_verifier_proof_age_seconds",
            "portcullis_verifier_tokens_total accepted",
            "portcullis_verifier_tokens_total refused",
            "portcullis_verifier_tokens_total unavailable",
        ]
    );

    // The other one has judged nothing; and nobody says that it is fresh when it is gone.
    records("another", "portcullis_verifier_fresh", 1.0).await;
    let name = "portcullis_verifier_tokens_total accepted";
    assert_eq!(recorded("another").get(name), Some(&0.0));
    drop(other);
    records("another", "portcullis_verifier_fresh", 0.0).await;

    issuer.log().silent = true;
    records("recorded", "portcullis_verifier_fresh", 0.0).await;
    named.verify(&token).unwrap_err();
    records(
        "recorded",
        "portcullis_verifier_tokens_total unavailable",
        1.0,
    )
    .await;
}
