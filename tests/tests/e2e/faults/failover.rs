//! The database fails over to a standby that lacks the last commits.

use super::{acceptance_ends_in_time, gate_beside, verdict_becomes};
use crate::revocation::{PASSWORD, SOON};
use std::time::Instant;
use tests::eventually::eventually;
use tests::session_api::Settings;
use tests::{Nats, Postgres, SessionApi, User};

/// What it lost is promised to nobody. But a position that was given out is not given out again, and nobody
/// waits for a head that is gone.
#[tokio::test]
async fn a_failover_that_lost_commits_revives_no_token_and_the_log_goes_on_above_them() {
    let (mut postgres, nats) = (Postgres::start().await, Nats::start().await);
    let database = postgres.database().await;
    let settings = Settings::new(database.url()).nats(&nats.url());
    let service = SessionApi::start(&settings).await;
    let credential = service.has_client("orders").await;
    let gate = || gate_beside(&service, &credential).nats(&nats.url());
    let old = gate().start().await;
    let mut users = Vec::new();
    for name in ["alice", "bob", "carol"] {
        service.has_user(name, PASSWORD, None).await;
        let mut user = User::on_phone(&service, name, PASSWORD);
        user.logs_in().await;
        verdict_becomes(&old, &user.access_token(), 200, &[503]).await;
        users.push(user);
    }
    let [mut alice, mut bob, carol] = <[User; 3]>::try_from(users).unwrap();
    let (lost, dead) = (alice.access_token(), bob.access_token());

    let standby = postgres.standby().await;
    let ended = alice.logs_out().await;
    let lost_at = ended.body["position"].as_u64().unwrap();
    verdict_becomes(&old, &lost, 401, &[200, 503]).await;
    postgres.fails_over_to(standby).await;

    service.is_ready().await;
    eventually("the gate goes on", SOON, async || {
        let head = old.readiness().await.body["head"].as_u64();
        head.is_some_and(|head| head > lost_at) && old.is("fresh").await
    })
    .await;
    verdict_becomes(&old, &carol.access_token(), 200, &[503]).await;
    assert_eq!(old.verdict(&lost).await, 401, "it knew");
    let ended = bob.logs_out().await;
    assert!(ended.body["position"].as_u64().unwrap() > lost_at);
    acceptance_ends_in_time(&old, &dead, Instant::now()).await;

    bob.logs_in().await;
    for gate in [old, gate().start().await] {
        verdict_becomes(&gate, &dead, 401, &[503]).await;
        verdict_becomes(&gate, &carol.access_token(), 200, &[503]).await;
        verdict_becomes(&gate, &bob.access_token(), 200, &[503]).await;
    }
}
