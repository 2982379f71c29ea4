//! `Prefer: wait`: whoever revokes is told when all verifiers have applied it, or which have not.

use super::{SOON, World, all_accept};
use reqwest::Method;
use revocation_events::status;
use serde_json::{Value, json};
use std::time::Instant;
use tests::eventually::eventually;
use tests::gate::Gate;
use tests::session_api::SessionApi;
use tests::user::{Answer, User};

/// Long enough for a busy machine; nobody waits so long where all is well.
const PATIENCE: u32 = 20;

fn fleet(answer: &Answer) -> (u64, u64, Vec<Value>) {
    let verifiers = &answer.body["verifiers"];
    let number = |name: &str| verifiers[name].as_u64().unwrap();
    let missing = verifiers["missing"].as_array().unwrap().clone();
    (number("live"), number("applied"), missing)
}

/// Asked once, at once: the answer said that all have applied it.
async fn none_accepts(gates: &[Gate], token: &str) {
    for gate in gates {
        assert!(!gate.accepts(token).await, "a gate had not applied it");
    }
}

async fn until_all_report(service: &SessionApi, gates: usize) {
    let mut admin = User::on_phone(service, "root", super::PASSWORD);
    admin.logs_in().await;
    eventually("every gate has reported", SOON, async || {
        let seen = admin.sends(Method::GET, "/admin/verifiers", None).await;
        seen.must_be(200).body["items"].as_array().unwrap().len() == gates
    })
    .await;
}

#[tokio::test]
async fn every_verifier_on_the_bus_has_applied_it_when_the_answer_comes() {
    let world = World::begins().await;
    let gates = world.gates::<3>().await;
    until_all_report(&world.service, 3).await;
    for _ in 0..3 {
        let mut alice = world.alice();
        alice.logs_in().await;
        let token = alice.access_token();
        all_accept(&gates, &token).await;
        let answer = alice
            .sends_and_waits(Method::DELETE, "/session", PATIENCE)
            .await
            .must_be(200);
        none_accepts(&gates, &token).await;
        assert_eq!(fleet(&answer), (3, 3, vec![]));
        assert_eq!(answer.headers["preference-applied"], "wait=20");
    }
}

#[tokio::test]
async fn verifiers_that_report_to_another_replica_over_http_are_waited_for_too() {
    let world = World::begins().await;
    let other = world.service.replica().await;
    let mut gates = Vec::new();
    for service in [&world.service, &other] {
        gates.push(Gate::beside(service, &world.credential).start().await);
    }
    until_all_report(&world.service, 2).await;
    let mut alice = world.alice();
    alice.logs_in().await;
    let token = alice.access_token();
    all_accept(&gates, &token).await;
    let answer = alice
        .sends_and_waits(Method::DELETE, "/sessions", PATIENCE)
        .await
        .must_be(200);
    none_accepts(&gates, &token).await;
    assert_eq!(fleet(&answer), (2, 2, vec![]));
}

/// Reports come every two seconds whatever happens, and each answer needs one that was sent after the
/// revocation before: so many answers in a row that waited for those would take nine times two seconds.
async fn answers_come_by_the_reports_that_pages_cause(world: &World, gates: usize) {
    const ANSWERS: u32 = 10;
    until_all_report(&world.service, gates).await;
    let mut phones = Vec::new();
    for _ in 0..ANSWERS {
        let mut alice = world.alice();
        alice.logs_in().await;
        phones.push(alice);
    }
    let began = Instant::now();
    for alice in &mut phones {
        let answer = alice
            .sends_and_waits(Method::DELETE, "/session", PATIENCE)
            .await
            .must_be(200);
        let all = gates as u64;
        assert_eq!(fleet(&answer), (all, all, vec![]));
    }
    let took = began.elapsed();
    println!("{ANSWERS} fences, one after the other: {took:?}");
    assert!(took < (ANSWERS - 1) * status::INTERVAL, "{took:?}");
}

#[tokio::test]
async fn over_the_bus_it_is_answered_by_the_report_that_the_page_causes() {
    let world = World::begins().await;
    let gates = world.gates::<2>().await;
    answers_come_by_the_reports_that_pages_cause(&world, gates.len()).await;
}

#[tokio::test]
async fn over_http_it_is_answered_by_the_report_that_the_page_causes() {
    let world = World::begins().await;
    let gate = Gate::beside(&world.service, &world.credential);
    let gates = [gate.start().await];
    answers_come_by_the_reports_that_pages_cause(&world, gates.len()).await;
}

#[tokio::test]
async fn a_verifier_that_stands_still_is_named() {
    let world = World::begins().await;
    let gate = || {
        let gate = Gate::beside(&world.service, &world.credential).nats(&world.nats.url());
        // Live for a minute of silence.
        gate.flag("--max-staleness", "60s")
    };
    let (_well, frozen) = (gate().start().await, gate().start().await);
    until_all_report(&world.service, 2).await;
    let mut alice = world.alice();
    alice.logs_in().await;
    frozen.server().freeze();
    // For as long as the other may need to apply it.
    let answer = alice
        .sends_and_waits(Method::DELETE, "/session", 5)
        .await
        .must_be(200);
    frozen.server().thaw();
    let (live, applied, missing) = fleet(&answer);
    assert_eq!((live, applied, missing.len()), (2, 1, 1));
    assert_eq!(missing[0]["client"], "orders");
    assert_eq!(missing[0]["service"], "orders");
    let position = answer.body["position"].as_u64().unwrap();
    assert!(missing[0]["head"].as_u64().unwrap() < position);
    assert!(missing[0]["instance"].is_string() && missing[0]["last_seen_at"].is_string());
    // The revocation stands all the same, and a second look finds all well.
    let mut admin = world.admin();
    admin.logs_in().await;
    let answer = admin
        .sends_and_waits(Method::DELETE, "/admin/sessions", PATIENCE)
        .await
        .must_be(200);
    assert_eq!(fleet(&answer).1, 2);
}

#[tokio::test]
async fn whoever_does_not_ask_is_told_nothing_of_verifiers() {
    let world = World::begins().await;
    let mut alice = world.alice();
    alice.logs_in().await;
    let answer = alice.logs_out().await;
    assert_eq!(answer.body["verifiers"], json!(null));
    assert!(!answer.headers.contains_key("preference-applied"));
    alice.logs_in().await;
    let answer = alice
        .sends_and_waits(Method::DELETE, "/session", 0)
        .await
        .must_be(200);
    assert_eq!(fleet(&answer), (0, 0, vec![]), "there are none");
}
