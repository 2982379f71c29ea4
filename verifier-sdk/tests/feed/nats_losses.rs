//! NATS is away, HTTP is away, both are; or NATS is there and nothing comes through.

use crate::issuer::Issuer;
use crate::nats::{Relay, follows, on_nats};
use crate::server::Server;
use crate::{builder, eventually, is_stale, refused};
use revocation_events::Target;
use revocation_events::nats::Publisher;
use revocation_events::status;
use std::time::{Duration, Instant};
use verifier_sdk::{Reason, StartError, Verifier};

#[tokio::test]
async fn while_nats_is_away_http_stands_in_and_then_steps_back() {
    let (issuer, mut server) = (Issuer::start().await, Server::start());
    let relay = Relay::start(&issuer, &server.url()).await;
    let verifier = on_nats(&issuer, &server).start().await.unwrap();
    follows(&issuer, &verifier).await;
    server.kill();
    let killed = Instant::now();
    eventually("a stream over HTTP", || !issuer.log().streams.is_empty()).await;
    // Silence alone would tell after three seconds.
    let took = issuer.log().streams[0] - killed;
    assert!(took < Duration::from_millis(2_750), "{took:?}");
    follows(&issuer, &verifier).await;
    server.start_again();
    // The relay's own is one of them.
    eventually("the stream is closed", || issuer.open_streams() == 1).await;
    follows(&issuer, &verifier).await;
    assert_eq!(issuer.open_streams(), 1);
    drop(relay);
}

#[tokio::test]
async fn it_starts_without_nats() {
    let (issuer, mut server) = (Issuer::start().await, Server::start());
    server.kill();
    let verifier = on_nats(&issuer, &server).start().await.unwrap();
    follows(&issuer, &verifier).await;
}

#[tokio::test]
async fn a_bus_on_which_nothing_comes_is_not_waited_for() {
    let (issuer, server) = (Issuer::start().await, Server::start());
    let relay = Relay::start(&issuer, &server.url()).await;
    let max_staleness = Duration::from_secs(30);
    let verifier = on_nats(&issuer, &server)
        .max_staleness(max_staleness)
        .start()
        .await
        .unwrap();
    // As a partition between the servers does it: this connection stays up.
    drop(relay);
    let token = issuer.mint().token();
    eventually("a stream over HTTP", || {
        assert!(verifier.verify(&token).is_ok(), "it stays fresh meanwhile");
        !issuer.log().streams.is_empty()
    })
    .await;
    follows(&issuer, &verifier).await;
}

#[tokio::test]
async fn a_subscription_that_is_denied_is_not_waited_for() {
    let server = Server::start_with(
        r#"authorization { users: [
            {user: service, password: service-password}
            {user: orders, password: orders-password, permissions: {subscribe: ["_INBOX_orders.>"]}}
        ] }"#,
    );
    let issuer = Issuer::start().await;
    let _relay = Relay::start(&issuer, &server.url_as("service")).await;
    let verifier = builder(&issuer)
        .nats(server.url_as("orders"))
        .start()
        .await
        .unwrap();
    eventually("a stream over HTTP", || !issuer.log().streams.is_empty()).await;
    follows(&issuer, &verifier).await;
}

#[tokio::test]
async fn reports_that_nats_denies_go_over_http() {
    let server = Server::start_with(
        r#"authorization { users: [
            {user: service, password: service-password}
            {user: orders, password: orders-password, permissions: {
                publish: ["$JS.API.DIRECT.GET.SESSIONS_REVOCATIONS"], subscribe: [">"]}}
        ] }"#,
    );
    let issuer = Issuer::start().await;
    let _relay = Relay::start(&issuer, &server.url_as("service")).await;
    let _verifier = builder(&issuer)
        .nats(server.url_as("orders"))
        .start()
        .await
        .unwrap();
    // The very first may go over HTTP in any case: that is there before NATS is.
    for _ in 0..2 {
        let head = issuer.revoke(Target::Everyone);
        eventually("the head is reported", || {
            let reports = &issuer.log().reports;
            reports.iter().any(|report| report.head == Some(head))
        })
        .await;
    }
    assert!(
        issuer.log().streams.is_empty(),
        "NATS is used for all the rest"
    );
}

#[tokio::test]
async fn without_the_service_it_starts_from_the_stored_pages() {
    let (issuer, server) = (Issuer::start().await, Server::start());
    // As in a service that runs for long: the stored pages begin somewhere, and none of them
    // reaches down to its own floor; but the floor of the last one is above where they begin.
    issuer.log().floor = issuer.revoke(Target::Everyone);
    let forgotten = issuer.revoke(Target::Session(issuer.mint().session));
    let _relay = Relay::start(&issuer, &server.url()).await;
    let minted = issuer.mint();
    issuer.revoke(Target::Session(minted.session));
    for _ in 0..50 {
        issuer.revoke(Target::Session(issuer.mint().session));
    }
    issuer.log().floor = forgotten;
    issuer.revoke(Target::Session(issuer.mint().session));
    let late = issuer.mint();
    // Key sets are still served, by a cache say.
    {
        let mut log = issuer.log();
        (log.pages_code, log.stream_code) = (503, 503);
    }
    let verifier = on_nats(&issuer, &server).start().await.unwrap();
    // Each time it asks the service first: at the start, when NATS is connected, and from then on
    // where the stored pages have to be read once more.
    let asked = issuer.log().catch_ups.len();
    assert!((1..=2).contains(&asked), "{asked}");
    assert_eq!(refused(&verifier, &minted.token()), Some(Reason::Revoked));
    eventually("every stored page is taken", || {
        verifier.status().cutoffs == 52
    })
    .await;
    assert!(verifier.verify(&late.token()).is_ok());
    follows(&issuer, &verifier).await;
}

/// As on a connection that was cut somewhere on the way. The stored pages are soon enough only where
/// they are read before the verifier is stale.
#[tokio::test]
async fn a_service_that_never_answers_is_not_waited_for_until_the_verifier_is_stale() {
    let (issuer, server) = (Issuer::start().await, Server::start());
    // Stored pages that can be begun with, as in the test before.
    issuer.log().floor = issuer.revoke(Target::Everyone);
    let forgotten = issuer.revoke(Target::Session(issuer.mint().session));
    let _relay = Relay::start(&issuer, &server.url()).await;
    issuer.revoke(Target::Session(issuer.mint().session));
    issuer.log().floor = forgotten;
    issuer.revoke(Target::Session(issuer.mint().session));
    {
        let mut log = issuer.log();
        (log.pages_hang, log.stream_code) = (true, 503);
    }
    let began = Instant::now();
    on_nats(&issuer, &server).start().await.unwrap();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// It could read the stored pages, or ask once more; but a connection that was cut somewhere on the way
/// stands in, and waits.
#[tokio::test]
async fn what_is_missing_is_fetched_while_the_stream_that_stands_in_is_silent() {
    let (issuer, server) = (Issuer::start().await, Server::start());
    let relay = Relay::start(&issuer, &server.url()).await;
    let verifier = on_nats(&issuer, &server)
        .max_staleness(Duration::from_secs(30))
        .start()
        .await
        .unwrap();
    issuer.log().silent = true;
    eventually("a stream over HTTP", || !issuer.log().streams.is_empty()).await;
    // Longer than from one look at NATS to the next: the stream has waited for longer than that one has.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let minted = issuer.mint();
    let head = issuer.revoke(Target::Session(minted.session));
    let heartbeat = issuer.log().cut(head).remove(0);
    let publisher = Publisher::new(&relay.bus);
    publisher.heartbeat(heartbeat).await.unwrap();
    let shown = Instant::now();
    eventually("it is fetched", || {
        refused(&verifier, &minted.token()) == Some(Reason::Revoked)
    })
    .await;
    // It is asked for again after two seconds.
    let took = shown.elapsed();
    assert!(took < Duration::from_millis(1_750), "{took:?}");
}

#[tokio::test]
async fn with_both_away_it_goes_stale_and_comes_back() {
    let (mut issuer, mut server) = (Issuer::start().await, Server::start());
    let _relay = Relay::start(&issuer, &server.url()).await;
    let verifier = on_nats(&issuer, &server)
        .max_staleness(Duration::from_secs(4))
        .start()
        .await
        .unwrap();
    let minted = issuer.mint();
    let token = minted.token();
    server.kill();
    issuer.stop().await;
    issuer.revoke(Target::Session(minted.session));
    eventually("it is stale", || is_stale(&verifier, &token)).await;
    server.start_again();
    issuer.listen().await;
    eventually("it catches up", || {
        refused(&verifier, &token) == Some(Reason::Revoked)
    })
    .await;
    follows(&issuer, &verifier).await;
}

/// Clocks that differ by less than `max_staleness` are put up with, and HTTP has nothing newer.
#[tokio::test]
async fn pages_that_are_late_by_a_clock_alone_cost_no_stream_after_stream() {
    let (issuer, server) = (Issuer::start().await, Server::start());
    issuer.log().behind = Duration::from_secs(4);
    let _relay = Relay::start(&issuer, &server.url()).await;
    let verifier = on_nats(&issuer, &server)
        .max_staleness(Duration::from_secs(30))
        .start()
        .await
        .unwrap();
    let token = issuer.mint().token();
    let began = Instant::now();
    eventually("it has been watched for a while", || {
        assert!(verifier.verify(&token).is_ok(), "it stays fresh");
        began.elapsed() > Duration::from_secs(12)
    })
    .await;
    let opened = issuer.log().streams.len();
    assert!(opened <= 3, "{opened} streams");
    follows(&issuer, &verifier).await;
}

#[tokio::test]
async fn what_is_no_page_does_not_bring_nats_back() {
    let (issuer, server) = (Issuer::start().await, Server::start());
    let relay = Relay::start(&issuer, &server.url()).await;
    let verifier = on_nats(&issuer, &server).start().await.unwrap();
    let stranger = Publisher::new(&relay.bus);
    drop(relay);
    eventually("a stream over HTTP", || !issuer.log().streams.is_empty()).await;
    for _ in 0..40 {
        stranger.heartbeat("junk".to_owned()).await.unwrap();
        follows(&issuer, &verifier).await;
    }
    eventually("the junk was read", || {
        verifier.status().counts.pages_refused == 40
    })
    .await;
    follows(&issuer, &verifier).await;
    assert_eq!(issuer.log().streams.len(), 1);
}

/// On the wrong side of a partition of the bus.
#[tokio::test]
async fn where_no_page_comes_over_nats_it_reports_over_http_too() {
    let (issuer, server) = (Issuer::start().await, Server::start());
    let relay = Relay::start(&issuer, &server.url()).await;
    let _verifier = on_nats(&issuer, &server).start().await.unwrap();
    let reported = |head| {
        let reports = &issuer.log().reports;
        reports.iter().any(|report| report.head == Some(head))
    };
    drop(relay);
    eventually("a stream over HTTP", || !issuer.log().streams.is_empty()).await;
    let head = issuer.revoke(Target::Everyone);
    eventually("what it has applied is reported", || reported(head)).await;
    // And over NATS alone where that is back.
    let _relay = Relay::start(&issuer, &server.url()).await;
    // The relay's own is one of them.
    eventually("the stream is closed", || issuer.open_streams() == 1).await;
    let head = issuer.revoke(Target::Everyone);
    tokio::time::sleep(2 * status::INTERVAL).await;
    assert!(!reported(head));
}

#[tokio::test]
async fn settings_of_nats_that_cannot_be_used_are_named() {
    let new = || Verifier::builder("https://id.example.com", "api").nats("nats://h");
    for (wrong, named) in [
        (new().nats("http://s3cret@h"), "nats"),
        (new().nats_prefix("a.>"), "nats_prefix"),
        (
            new().nats("nats://u:p@h").nats_credentials_file("/x"),
            "nats_credentials_file",
        ),
    ] {
        match wrong.spawn() {
            Err(StartError::Setting { setting, reason }) => {
                assert_eq!(setting, named);
                assert!(!reason.contains("s3cret"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}
