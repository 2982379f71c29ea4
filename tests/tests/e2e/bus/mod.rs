//! What strangers, and whoever has a key, put on the bus.

mod figures;
mod forgeries;

use crate::keys::stolen_key;
use crate::revocation::{SOON, World};
use futures::StreamExt as _;
use reqwest::Method;
use serde_json::Value;
use tests::eventually;
use tests::figures::figure;
use tests::gate::Gate;

/// What is counted, as it is called in `/metrics`.
pub(crate) const REFUSED_BY_GATE: &str = r#"portcullis_verifier_pages_total{outcome="refused"}"#;
pub(crate) const REFUSED_BY_SERVICE: &str = "portcullis_foreign_pages_refused_total";
pub(crate) const NO_REPORTS: &str = "portcullis_reports_refused_total";

const SUBJECTS: [&str; 2] = ["sessions.v1.revocations", "sessions.v1.heartbeats"];

async fn publish(bus: &async_nats::Client, subject: &str, payload: impl Into<Vec<u8>>) {
    let published = bus.publish(subject.to_owned(), payload.into().into()).await;
    published.unwrap();
}

/// Waits until both have refused so many pages more than before, and no more.
async fn both_refuse(world: &World, gate: &Gate, before: [f64; 2], pages: usize) {
    let refused = async || refusals(world, gate).await;
    let expected = before.map(|before| before + pages as f64);
    eventually("all are refused", SOON, async || {
        refused().await == expected
    })
    .await;
    println!("{pages} pages refused by the gate and by the service, none taken");
}

async fn refusals(world: &World, gate: &Gate) -> [f64; 2] {
    [
        figure(&gate.url(""), REFUSED_BY_GATE).await,
        figure(world.service.url(), REFUSED_BY_SERVICE).await,
    ]
}

#[tokio::test]
async fn what_is_no_page_of_the_services_is_refused_and_counted() {
    let world = World::begins().await;
    let gate = world.gate().await;
    let (mut alice, mut laptop) = (world.alice(), world.alice());
    alice.logs_in().await;
    let gone = alice.access_token();
    let bus = async_nats::connect(world.nats.url()).await.unwrap();
    let mut pages = bus.subscribe(SUBJECTS[0]).await.unwrap();
    bus.flush().await.unwrap();
    alice.logs_out().await;
    let real = pages.next().await.unwrap().payload;
    let real = std::str::from_utf8(&real).unwrap();
    laptop.logs_in().await;
    let good = laptop.access_token();
    let key = stolen_key(&world, &good).await;

    let before = refusals(&world, &gate).await;
    let issuer = world.service.issuer();
    let forged = [
        forgeries::by_strangers(issuer, &key, real, &good),
        forgeries::by_a_thief(issuer, &key),
    ]
    .concat();
    for (_, payload) in &forged {
        for subject in SUBJECTS {
            publish(&bus, subject, payload.clone()).await;
        }
    }
    both_refuse(&world, &gate, before, 2 * forged.len()).await;

    let status = gate.readiness().await.body;
    assert_eq!(status["freshness"], "fresh", "{status}");
    let counted = status["counts"]["pages_refused"].as_u64();
    assert_eq!(counted, Some(2 * forged.len() as u64 + before[0] as u64));
    assert!(
        gate.accepts(&good).await,
        "nobody was revoked by a stranger"
    );
    assert!(!gate.accepts(&gone).await, "and nobody came back");
    // The service goes on to revoke, and to fill the stream that others wrote into.
    laptop.logs_out().await;
    eventually("it refuses", SOON, async || !gate.accepts(&good).await).await;
}

/// Old pages, in any order and any number: cut-offs only grow.
#[tokio::test]
async fn pages_that_come_again_and_in_another_order_change_nothing() {
    let world = World::begins().await;
    let gate = world.gate().await;
    let bus = async_nats::connect(world.nats.url()).await.unwrap();
    let mut heard = Vec::new();
    let mut feeds = Vec::new();
    for subject in SUBJECTS {
        feeds.push(bus.subscribe(subject).await.unwrap());
    }
    bus.flush().await.unwrap();
    let mut revoked = Vec::new();
    for _ in 0..5 {
        let mut alice = world.alice();
        alice.logs_in().await;
        revoked.push(alice.access_token());
        alice.logs_out().await;
        for feed in &mut feeds {
            heard.push(feed.next().await.unwrap());
        }
    }
    let mut alice = world.alice();
    alice.logs_in().await;
    let good = alice.access_token();
    let refused = refusals(&world, &gate).await;
    let taken = |text: &Value| text["counts"]["pages"].as_u64().unwrap();
    let before = taken(&gate.readiness().await.body);
    // Backwards, exchanged between the subjects, and many times.
    for _ in 0..20 {
        for message in heard.iter().rev() {
            for subject in SUBJECTS {
                publish(&bus, subject, message.payload.clone()).await;
            }
        }
    }
    let copies = 20 * 2 * heard.len() as u64;
    eventually("all were taken", SOON, async || {
        taken(&gate.readiness().await.body) >= before + copies
    })
    .await;
    assert_eq!(refusals(&world, &gate).await, refused);
    assert!(gate.is("fresh").await && gate.accepts(&good).await);
    for token in &revoked {
        assert!(!gate.accepts(token).await, "un-revoked by an old page");
    }
    println!("{copies} old pages, and nothing has changed");
}

#[tokio::test]
async fn what_is_no_report_is_refused_and_counted() {
    let world = World::begins().await;
    let gate = world.gate().await;
    let mut admin = world.admin();
    admin.logs_in().await;
    let bus = async_nats::connect(world.nats.url()).await.unwrap();
    let mut reports = bus.subscribe("sessions.v1.status.*.*").await.unwrap();
    let real = reports.next().await.unwrap();
    let replayed = real.subject.to_string();
    let real: Value = serde_json::from_slice(&real.payload).unwrap();
    let with = |member: &str, value: Value| {
        let mut report = real.clone();
        report[member] = value;
        report.to_string()
    };
    let instance = real["instance"].as_str().unwrap();
    let text = real.to_string();
    let elsewhere = "sessions.v1.status.shop.another".to_owned();
    let nobody = format!("sessions.v1.status.a=b.{instance}");
    let own = format!("sessions.v1.status.shop.{instance}");
    let forged = [
        (&own, String::new()),
        (&own, "x".to_owned()),
        (&own, "{}".to_owned()),
        (&own, "[]".to_owned()),
        (&own, text[..text.len() / 2].to_owned()),
        (&own, format!("{text}{text}")),
        // Of another instance than its subject says.
        (&elsewhere, text.clone()),
        (&nobody, text.clone()),
        (&own, with("instance", "".into())),
        (&own, with("instance", "a.b".into())),
        (&own, with("instance", "another".into())),
        (&own, with("service", "a b".into())),
        (&own, with("service", "x\nINFO all is well".into())),
        (&own, with("service", "s".repeat(65).into())),
        (&own, with("more", " ".repeat(4_096).into())),
        (&own, with("version", "é".into())),
        (&own, with("version", "".into())),
        (&own, with("head", (-1).into())),
        (&own, with("head", (1_u64 << 53).into())),
        (&own, with("head", "1".into())),
        (&own, with("counts", Value::Null)),
        (&own, with("max_staleness_ms", 1.5.into())),
        (&own, with("fresh", "yes".into())),
    ];
    let before = figure(world.service.url(), NO_REPORTS).await;
    for (subject, payload) in &forged {
        publish(&bus, subject, payload.clone()).await;
        // A true one that comes again is the same verifier's.
        publish(&bus, &replayed, text.clone()).await;
    }
    eventually("all are refused", SOON, async || {
        figure(world.service.url(), NO_REPORTS).await == before + forged.len() as f64
    })
    .await;
    let listed = admin.sends(Method::GET, "/admin/verifiers", None).await;
    let listed = listed.must_be(200).body;
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "the gate alone: {listed}");
    assert_eq!(items[0]["instance"], instance);
    assert!(gate.is("fresh").await);
    println!("{} reports refused, none shown", forged.len());
}
