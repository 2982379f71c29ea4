//! `Prefer: wait`: whoever revokes is told when all verifiers have applied it, or which have not.

use super::{SOON, World, all_accept};
use reqwest::Method;
use revocation_events::status;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests::eventually::eventually;
use tests::gate::Gate;
use tests::link::{Condition, Link};
use tests::nats::Nats;
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
    until_it_knows_all(service, gates).await;
}

/// After a start it is not known at once who else is there.
async fn until_it_knows_all(service: &SessionApi, gates: usize) {
    let mut alice = User::on_phone(service, "alice", super::PASSWORD);
    let gates = gates as u64;
    eventually("all are known", 3 * SOON, async || {
        alice.logs_in().await;
        let answer = alice.sends_and_waits(Method::DELETE, "/session", 1).await;
        let told = answer.must_be(200);
        !told.body["verifiers"].is_null() && fleet(&told) == (gates, gates, vec![])
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

/// How often a heartbeat goes out, by the contract.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// Reports come every two seconds whatever happens, and each answer needs one that was sent after the
/// revocation before: so many answers in a row that waited for those would take nine times two seconds,
/// and half of them a second and more. On a busy machine one or the other may be slow, but not most.
async fn answers_come_by_the_reports_that_pages_cause(world: &World, gates: usize) {
    const ANSWERS: u32 = 10;
    until_all_report(&world.service, gates).await;
    let mut phones = Vec::new();
    for _ in 0..ANSWERS {
        let mut alice = world.alice();
        alice.logs_in().await;
        phones.push(alice);
    }
    let mut times = Vec::new();
    for alice in &mut phones {
        let began = Instant::now();
        let answer = alice
            .sends_and_waits(Method::DELETE, "/session", PATIENCE)
            .await
            .must_be(200);
        times.push(began.elapsed());
        let all = gates as u64;
        assert_eq!(fleet(&answer), (all, all, vec![]));
    }
    times.sort_unstable();
    println!("{ANSWERS} fences, one after the other: {times:?}");
    let whole: Duration = times.iter().sum();
    assert!(whole < (ANSWERS - 1) * status::INTERVAL, "{times:?}");
    assert!(times[times.len() / 2] < HEARTBEAT, "{times:?}");
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
        // Live for half a minute of silence.
        gate.flag("--max-staleness", "28s")
    };
    let (_well, frozen) = (gate().start().await, gate().start().await);
    until_all_report(&world.service, 2).await;
    // Others are told of which service it is, and no more.
    let mut root = world.admin();
    root.logs_in().await;
    frozen.server().freeze();
    // For as long as the other may need to apply it.
    let answer = root
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
    assert_eq!(answer.headers["preference-applied"], "wait=0");
    assert!(answer.body["verifiers"].is_null(), "it has just started");
    until_it_knows_all(&world.service, 0).await;
}

/// It was heard of by the process before, and may be fresh for another ten seconds.
#[tokio::test]
async fn after_a_restart_nobody_has_applied_what_a_silent_verifier_may_have_missed() {
    let mut world = World::begins().await;
    let gates = world.gates::<2>().await;
    until_all_report(&world.service, 2).await;
    gates[1].server().freeze();
    world.service.restart().await;
    let mut alice = world.alice();
    alice.logs_in().await;
    let answer = alice.sends_and_waits(Method::DELETE, "/session", 4).await;
    gates[1].server().thaw();
    let answer = answer.must_be(200);
    // It waited for as long as it was asked to, and does not count the one that it has heard of by now
    // as all.
    assert_eq!(answer.headers["preference-applied"], "wait=4");
    let verifiers = &answer.body["verifiers"];
    let missing = verifiers["missing"].as_array();
    assert!(
        missing.is_none_or(|missing| !missing.is_empty()),
        "{verifiers}"
    );
    until_it_knows_all(&world.service, 2).await;
}

#[tokio::test]
async fn a_replica_that_is_cut_off_from_the_bus_forgets_no_verifier() {
    let nats = Nats::start().await;
    let line = Link::before(&nats.url()).await;
    let world = World::begins_on(nats, |settings| settings.nats(line.url())).await;
    let gates = world.gates::<2>().await;
    until_all_report(&world.service, 2).await;
    gates[1].server().freeze();
    line.becomes(Condition::CUT);
    // Longer than a report stands. The other one reports by HTTP now.
    let cut = Instant::now();
    eventually("all reports are old", 2 * SOON, async || {
        cut.elapsed() > Duration::from_secs(14)
    })
    .await;
    let mut alice = world.alice();
    alice.logs_in().await;
    let answer = alice.sends_and_waits(Method::DELETE, "/session", 1).await;
    gates[1].server().thaw();
    let (live, _, missing) = fleet(&answer.must_be(200));
    assert_eq!(live, 2);
    assert!(!missing.is_empty());
    line.becomes(Condition::WELL);
    until_it_knows_all(&world.service, 2).await;
}
