//! Pages, connections and the issuer are lost.

use crate::issuer::{ISSUER, Issuer, key};
use crate::key_sets::Answer;
use crate::{builder, eventually, is_stale, is_starting, refused, soon, start};
use revocation_events::Target;
use std::time::Duration;
use verifier_sdk::{Ended, Freshness, OnStale, Reason, StartError, Verifier};

const SHORT: Duration = Duration::from_millis(400);

#[tokio::test]
async fn a_lost_page_is_fetched() {
    let issuer = Issuer::start().await;
    let verifier = start(&issuer).await;
    let minted = issuer.mint();
    assert!(verifier.verify(&minted.token()).is_ok());
    let streams = {
        let mut log = issuer.log();
        log.silent = true;
        log.streams
    };
    issuer.revoke(Target::Session(minted.session));
    issuer.log().silent = false;
    // The next heartbeat begins after the page that was lost.
    let token = minted.token();
    eventually("it catches up", || {
        refused(&verifier, &token) == Some(Reason::Revoked)
    })
    .await;
    assert_eq!(
        issuer.log().streams,
        streams + 1,
        "one gap, one more connection"
    );
}

#[tokio::test]
async fn without_heartbeats_it_goes_stale_and_comes_back() {
    let issuer = Issuer::start().await;
    let verifier = builder(&issuer).max_staleness(SHORT).start().await.unwrap();
    let token = issuer.mint().token();
    let session = verifier.verify(&token).unwrap();
    issuer.log().silent = true;
    let ended = soon("it can no longer tell", verifier.on_ended(&session)).await;
    assert_eq!(ended, Ended::Unknown);
    assert!(is_stale(&verifier, &token), "a cached token too");
    assert!(
        is_stale(&verifier, "not a token"),
        "nothing is said about any token"
    );
    assert_eq!(verifier.status().freshness, Freshness::Stale);
    issuer.log().silent = false;
    eventually("it is fresh again", || verifier.verify(&token).is_ok()).await;
    assert_eq!(verifier.status().reason, "up to date");
}

#[tokio::test]
async fn replayed_heartbeats_do_not_keep_it_fresh() {
    let issuer = Issuer::start().await;
    let verifier = builder(&issuer).max_staleness(SHORT).start().await.unwrap();
    let token = issuer.mint().token();
    let old = issuer.capture().await;
    issuer.log().silent = true;
    eventually("it goes stale all the same", || {
        issuer.send(&old);
        is_stale(&verifier, &token)
    })
    .await;
}

#[tokio::test]
async fn a_silent_connection_is_given_up() {
    let issuer = Issuer::start().await;
    let verifier = start(&issuer).await;
    let streams = {
        let mut log = issuer.log();
        log.silent = true;
        log.streams
    };
    eventually("it connects again", || issuer.log().streams > streams).await;
    drop(verifier);
}

#[tokio::test]
async fn it_follows_an_issuer_that_was_restarted() {
    let mut issuer = Issuer::start().await;
    let verifier = builder(&issuer).max_staleness(SHORT).start().await.unwrap();
    let minted = issuer.mint();
    let token = minted.token();
    assert!(verifier.verify(&token).is_ok());
    issuer.stop().await;
    issuer.revoke(Target::Session(minted.session));
    eventually("it is stale", || is_stale(&verifier, &token)).await;
    let reason = verifier.status().reason;
    assert!(reason.contains("cannot be reached"), "{reason}");
    issuer.listen().await;
    eventually("it has caught up", || {
        refused(&verifier, &token) == Some(Reason::Revoked)
    })
    .await;
    assert!(verifier.verify(&issuer.mint().token()).is_ok());
}

#[tokio::test]
async fn it_may_be_told_to_go_on_while_stale() {
    let issuer = Issuer::start().await;
    let verifier = builder(&issuer)
        .max_staleness(SHORT)
        .on_stale(OnStale::Accept)
        .start()
        .await
        .unwrap();
    let [live, dead] = [issuer.mint(), issuer.mint()];
    let session = verifier.verify(&dead.token()).unwrap();
    issuer.revoke(Target::Session(dead.session));
    soon("it is revoked", verifier.on_ended(&session)).await;
    issuer.log().silent = true;
    eventually("it is stale", || {
        verifier.status().freshness == Freshness::Stale
    })
    .await;
    assert!(verifier.verify(&live.token()).is_ok());
    assert_eq!(refused(&verifier, &dead.token()), Some(Reason::Revoked));
}

#[tokio::test]
async fn what_is_no_page_is_counted_and_passed_over() {
    let issuer = Issuer::start().await;
    let verifier = start(&issuer).await;
    issuer.log().signer = key(9);
    let foreign = issuer.capture().await;
    issuer.log().signer = key(1);
    let before = verifier.status().counts.pages_refused;
    for text in ["", "x", "a.b.c", &issuer.mint().token(), &foreign] {
        issuer.send(text);
    }
    eventually("they are counted", || {
        verifier.status().counts.pages_refused >= before + 4
    })
    .await;
    let minted = issuer.mint();
    let session = verifier.verify(&minted.token()).unwrap();
    issuer.revoke(Target::Session(minted.session));
    assert_eq!(
        soon("it follows", verifier.on_ended(&session)).await,
        Ended::Revoked
    );
}

/// Starts in vain and gives the reason.
async fn fails_to_start(builder: verifier_sdk::Builder) -> String {
    match builder.start_timeout(Duration::from_secs(2)).start().await {
        Err(StartError::TimedOut { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_start_in_vain_says_why() {
    let mut issuer = Issuer::start().await;
    let why = fails_to_start(builder(&issuer).client("orders", "wrong")).await;
    assert!(why.contains("401") && why.contains("credential"), "{why}");
    assert!(!why.contains("wrong"), "it holds the secret: {why}");

    issuer.log().ahead = Duration::from_secs(7);
    let why = fails_to_start(builder(&issuer)).await;
    assert!(
        why.contains("clock is") && why.contains("s ahead of this machine's"),
        "{why}"
    );
    issuer.log().ahead = Duration::ZERO;

    issuer.log().jwks = Some(Answer::Text(404, String::new()));
    let why = fails_to_start(builder(&issuer)).await;
    assert!(why.contains("jwks.json") && why.contains("404"), "{why}");
    issuer.log().jwks = None;

    let elsewhere = Verifier::builder("https://other.example.com", "api")
        .service_url(issuer.url())
        .client("orders", "secret");
    let why = fails_to_start(elsewhere).await;
    assert!(why.contains("another issuer"), "{why}");

    issuer.stop().await;
    let why = fails_to_start(builder(&issuer)).await;
    assert!(why.contains("cannot be reached"), "{why}");
}

#[tokio::test]
async fn it_may_start_before_the_issuer() {
    let mut issuer = Issuer::start().await;
    issuer.stop().await;
    let verifier = builder(&issuer).spawn().unwrap();
    let token = issuer.mint().token();
    assert!(is_starting(&verifier, &token));
    assert_eq!(verifier.status().freshness, Freshness::Starting);
    issuer.listen().await;
    soon("it is ready", verifier.ready()).await;
    assert!(verifier.verify(&token).is_ok());
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_named() {
    let wrong = |builder: verifier_sdk::Builder| match builder.spawn() {
        Err(StartError::Setting { setting, reason }) => {
            assert!(!reason.contains("s3cret"), "{reason}");
            setting
        }
        other => panic!("{other:?}"),
    };
    let new = |issuer: &str| Verifier::builder(issuer, "api");
    assert_eq!(wrong(new("id.example.com")), "issuer");
    assert_eq!(wrong(new("ftp://id.example.com")), "issuer");
    assert_eq!(wrong(Verifier::builder(ISSUER, "")), "audience");
    assert_eq!(
        wrong(new(ISSUER).service_url("http://u:s3cret@h")),
        "service_url"
    );
    assert_eq!(wrong(new(ISSUER).service_url("http://h/?x")), "service_url");
    assert_eq!(wrong(new(ISSUER).service("a b")), "service");
    assert_eq!(wrong(new(ISSUER).client("a:b", "s3cret")), "client");
    assert_eq!(
        wrong(new(ISSUER).max_staleness(Duration::ZERO)),
        "max_staleness"
    );
    assert_eq!(wrong(new(ISSUER).allowed_origins(["*"])), "allowed_origins");
}

#[test]
fn without_a_runtime_it_says_so() {
    let started = Verifier::builder(ISSUER, "api").spawn();
    assert!(matches!(started, Err(StartError::NoRuntime)));
}
