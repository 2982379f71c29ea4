//! A verifier without news, and one that slept through them.

use super::{
    MAX_STALENESS, acceptance_ends_in_time, gate_behind_a_line, gate_beside, gate_of, is_not_ready,
    says_that_it_is_stale, verdict_becomes,
};
use crate::revocation::{PASSWORD, SOON, World};
use futures::future::join_all;
use std::sync::Arc;
use std::time::Instant;
use tests::eventually::eventually;
use tests::link::Condition;
use tests::session_api::Settings;
use tests::{Link, Postgres, SessionApi, User};

#[tokio::test]
async fn a_verifier_that_hears_nothing_says_so_in_time_and_logs_nobody_out() {
    let world = World::begins().await;
    let (settings, line) = gate_behind_a_line(&world).await;
    let gate = settings.start().await;
    let (mut alice, mut admin) = (world.alice(), world.admin());
    alice.logs_in().await;
    admin.logs_in().await;
    let (dead, good) = (alice.access_token(), admin.access_token());
    verdict_becomes(&gate, &dead, 200, &[503]).await;

    line.becomes(Condition::FROZEN);
    alice.logs_out().await;
    acceptance_ends_in_time(&gate, &dead, Instant::now()).await;
    says_that_it_is_stale(&gate, &dead).await;
    is_not_ready(&gate, "stale", "/revocations/stream").await;

    line.becomes(Condition::WELL);
    verdict_becomes(&gate, &dead, 401, &[503]).await;
    verdict_becomes(&gate, &good, 200, &[503]).await;
    gate.is_ready().await;
}

/// The service is well and could beat; but nobody can tell what was revoked.
#[tokio::test]
async fn while_the_database_gives_no_answer_no_verifier_calls_itself_fresh() {
    let database = Postgres::fresh_database().await;
    let line = Link::before(database.url()).await;
    let service = SessionApi::start(&Settings::new(line.url())).await;
    service.has_user("alice", PASSWORD, None).await;
    let credential = service.has_client("orders").await;
    let gate = gate_beside(&service, &credential).start().await;
    let mut alice = User::on_phone(&service, "alice", PASSWORD);
    alice.logs_in().await;
    let token = alice.access_token();
    verdict_becomes(&gate, &token, 200, &[503]).await;

    line.becomes(Condition::FROZEN);
    acceptance_ends_in_time(&gate, &token, Instant::now()).await;
    says_that_it_is_stale(&gate, &token).await;

    line.becomes(Condition::WELL);
    verdict_becomes(&gate, &token, 200, &[503]).await;
}

#[tokio::test]
async fn a_stale_verifier_refuses_or_goes_on_or_asks_as_it_was_told() {
    // The feed comes over NATS alone, and everything else over HTTP.
    let mut world = World::begins_with(|settings| settings.flag("--max-streams", "0")).await;
    let told = |policy| {
        let settings = gate_of(&world).nats(&world.nats.url());
        settings.flag("--on-stale", policy)
    };
    let (refuses, accepts, asks) = (told("refuse"), told("accept"), told("introspect"));
    let (refuses, accepts, asks) = futures::join!(refuses.start(), accepts.start(), asks.start());
    let mut alice = world.alice();
    alice.logs_in().await;
    let token = alice.access_token();
    for gate in [&refuses, &accepts, &asks] {
        verdict_becomes(gate, &token, 200, &[503]).await;
    }

    world.nats.kill();
    for gate in [&refuses, &accepts, &asks] {
        eventually("it is stale", 2 * SOON, async || gate.is("stale").await).await;
    }
    assert_eq!(refuses.verdict(&token).await, 503);
    assert_eq!(accepts.verdict(&token).await, 200);
    assert_eq!(asks.verdict(&token).await, 200, "the service says so");

    alice.logs_out().await;
    assert_eq!(refuses.verdict(&token).await, 503);
    assert_eq!(accepts.verdict(&token).await, 200, "what it knows is old");
    assert_eq!(asks.verdict(&token).await, 401, "the service knows");

    world.service.kill();
    says_that_it_is_stale(&refuses, &token).await;
    let asked_in_vain = asks.judges(&token).await.must_be(503);
    assert_eq!(asked_in_vain.problem(), Some("verifier-stale"));

    world.nats.restart().await;
    world.service.restart().await;
    verdict_becomes(&accepts, &token, 401, &[200]).await;
    for gate in [&refuses, &asks] {
        verdict_becomes(gate, &token, 401, &[503]).await;
    }
}

#[tokio::test]
async fn a_verifier_that_was_stopped_for_too_long_accepts_nothing_on_waking() {
    let world = World::begins().await;
    let (settings, line) = gate_behind_a_line(&world).await;
    let gate = settings.start().await;
    let mut alice = world.alice();
    alice.logs_in().await;
    let token = alice.access_token();
    verdict_becomes(&gate, &token, 200, &[503]).await;

    gate.server().freeze();
    // It has nothing to go by but what it knew, and what is on the line by now.
    line.becomes(Condition::CUT);
    let asleep = Instant::now();
    alice.logs_out().await;
    // They are there when it wakes.
    let gate = Arc::new(gate);
    let asked = (0..16).map(|_| {
        let (gate, token) = (gate.clone(), token.clone());
        tokio::spawn(async move { gate.verdict(&token).await })
    });
    let asked: Vec<_> = asked.collect();
    eventually("it sleeps for too long", SOON, async || {
        asleep.elapsed() > MAX_STALENESS
    })
    .await;
    gate.server().thaw();
    for verdict in join_all(asked).await {
        let verdict = verdict.unwrap();
        // To a request whose time has passed meanwhile it says just that.
        assert!([503, 408].contains(&verdict), "{verdict}");
    }

    line.becomes(Condition::WELL);
    verdict_becomes(&gate, &token, 401, &[503]).await;
}
