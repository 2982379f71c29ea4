use super::{SOON, World, all_accept, all_refuse, is_told_that_it_is_published};
use reqwest::Method;
use sqlx::{Connection as _, PgConnection};
use tests::Gate;
use tests::eventually::eventually;
use tests::session_api::Credential;

#[tokio::test]
async fn three_verifiers_accept_until_the_session_is_revoked_and_then_refuse() {
    let world = World::begins().await;
    let gates = world.gates::<3>().await;
    let (mut phone, mut laptop) = (world.alice(), world.alice());
    let session = phone.logs_in().await.body["session"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    laptop.logs_in().await;
    all_accept(&gates, &phone.access_token()).await;

    let answer = laptop
        .sends(Method::DELETE, &format!("/sessions/{session}"), None)
        .await
        .must_be(200);
    assert_eq!(answer.body["revoked"], 1);
    world.stores_what(&answer).await;

    all_refuse(&gates, &phone.access_token()).await;
    all_accept(&gates, &laptop.access_token()).await;
    phone.tries_to_refresh().await.must_be(401);
    is_told_that_it_is_published(&mut phone).await;
}

/// It asks the service for what it missed, or reads the stored pages where that tells it nothing. No stream
/// over HTTP can stand in, which would bring the same.
#[tokio::test]
async fn a_verifier_that_starts_after_the_revocation_refuses() {
    let world = World::begins_with(|settings| settings.flag("--max-streams", "0")).await;
    let mut alice = world.alice();
    alice.logs_in().await;
    let dead = alice.access_token();
    world.stores_what(&alice.logs_out().await).await;
    alice.logs_in().await;
    let stranger = Credential {
        secret: "of nobody".to_owned(),
        ..world.credential.clone()
    };
    for credential in [&world.credential, &stranger] {
        let late = Gate::beside(&world.service, credential).nats(&world.nats.url());
        let late = late.start().await;
        assert!(!late.accepts(&dead).await);
        assert!(late.accepts(&alice.access_token()).await);
    }
}

#[tokio::test]
async fn what_one_replica_revokes_is_refused_where_only_the_other_is_known() {
    let world = World::begins().await;
    let other = world.service.replica().await;
    let gate = tests::gate::Gate::beside(&other, &world.credential)
        .start()
        .await;
    let mut alice = world.alice();
    alice.logs_in().await;
    all_accept(std::slice::from_ref(&gate), &alice.access_token()).await;
    alice.logs_out().await;
    all_refuse(&[gate], &alice.access_token()).await;
}

#[tokio::test]
async fn the_service_restarts_and_revokes_as_before() {
    let mut world = World::begins().await;
    let gates = world.gates::<2>().await;
    let mut alice = world.alice();
    alice.logs_in().await;
    let before = alice.access_token();
    world.service.kill();
    all_accept(&gates, &before).await;
    world.service.restart().await;
    alice.refreshes().await;
    let after = alice.access_token();
    eventually(
        "the gates accept what the restarted service minted",
        SOON,
        async || gates[0].verdict(&after).await == 200 && gates[1].verdict(&after).await == 200,
    )
    .await;
    alice.logs_out().await;
    for token in [before, after] {
        all_refuse(&gates, &token).await;
    }
}

#[tokio::test]
async fn without_nats_the_service_starts_says_so_and_publishes_when_it_comes() {
    let mut world = World::begins().await;
    let gates = world.gates::<1>().await;
    let mut alice = world.alice();
    alice.logs_in().await;
    world.nats.kill();
    world.service.restart().await;
    let ready = reqwest::get(format!("{}/readyz", world.service.url()))
        .await
        .unwrap();
    assert_eq!(ready.status(), 200);
    let body: serde_json::Value = ready.json().await.unwrap();
    assert_eq!(body["bus"], "disconnected");
    let answer = alice.logs_out().await;
    assert_eq!(answer.body["published"], false);
    // The gate has fallen back to the feed over HTTP, or is stale; it must not accept for long.
    eventually("the gate does not accept", SOON, async || {
        gates[0].verdict(&alice.access_token()).await != 200
    })
    .await;
    world.nats.restart().await;
    // The stream over HTTP would bring it to the gate all the same.
    world.stores_what(&answer).await;
    all_refuse_or_wait(&gates[0], &alice.access_token()).await;
}

/// Refused, and not only answered with "stale".
async fn all_refuse_or_wait(gate: &tests::gate::Gate, token: &str) {
    eventually("the gate refuses", 4 * SOON, async || {
        gate.verdict(token).await == 401
    })
    .await;
}

/// The database holds the revocation up until the service has been told to stop.
#[tokio::test]
async fn what_is_revoked_while_the_service_stops_is_published_before_it_ends() {
    let mut world = World::begins().await;
    let gates = world.gates::<1>().await;
    let mut alice = world.alice();
    alice.logs_in().await;
    let token = alice.access_token();

    let mut holder = PgConnection::connect(world.database.url()).await.unwrap();
    let mut watcher = PgConnection::connect(world.database.url()).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    sqlx::query("select * from log_head for update")
        .execute(&mut *held)
        .await
        .unwrap();
    let logging_out = tokio::spawn(async move { alice.logs_out().await });
    eventually("the log-out waits for the head", SOON, async || {
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity \
             where datname = current_database() and wait_event_type = 'Lock' \
             and query like '%log_head%'",
        )
        .fetch_one(&mut watcher)
        .await
        .unwrap();
        waiting > 0
    })
    .await;
    let address = world.service.url().trim_start_matches("http://").to_owned();
    let stopping = async {
        assert!(world.service.stop().await.success());
    };
    let letting_go = async {
        eventually("nobody is let in any more", SOON, async || {
            tokio::net::TcpStream::connect(&address).await.is_err()
        })
        .await;
        held.rollback().await.unwrap();
    };
    tokio::join!(stopping, letting_go);
    world.stores_what(&logging_out.await.unwrap()).await;
    all_refuse(&gates, &token).await;
}
