//! Pages, connections and the issuer are lost.

use crate::issuer::{ISSUER, Issuer, key};
use crate::key_sets::Answer;
use crate::{builder, eventually, is_stale, is_starting, refused, soon, start};
use revocation_events::Target;
use std::time::{Duration, Instant};
use verifier_sdk::{Ended, Freshness, OnStale, Reason, StartError, Verifier};

/// As long as no test takes long, and as no test fails where the machine stands still for a moment.
pub(crate) const SHORT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_lost_page_is_fetched() {
    let issuer = Issuer::start().await;
    let verifier = start(&issuer).await;
    let minted = issuer.mint();
    assert!(verifier.verify(&minted.token()).is_ok());
    let streams = {
        let mut log = issuer.log();
        log.silent = true;
        log.streams.len()
    };
    let lost = Instant::now();
    issuer.revoke(Target::Session(minted.session));
    issuer.log().silent = false;
    // The next heartbeat begins after the page that was lost.
    let token = minted.token();
    eventually("it catches up", || {
        refused(&verifier, &token) == Some(Reason::Revoked)
    })
    .await;
    let more = issuer.log().streams.len() - streams;
    let most = 1 + usize::try_from(lost.elapsed().as_secs()).unwrap();
    // Each heartbeat shows the gap, and there are twenty-five a second.
    assert!((1..=most).contains(&more), "{more} more connections");
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
        log.streams.len()
    };
    eventually("it connects again", || issuer.log().streams.len() > streams).await;
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
    let good = issuer.mint().token();
    eventually("and nobody else", || verifier.verify(&good).is_ok()).await;
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
    match builder.start_timeout(Duration::from_secs(8)).start().await {
        Err(StartError::TimedOut { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_start_in_vain_says_why() {
    let well = Issuer::start().await;
    let elsewhere = Verifier::builder("https://other.example.com", "api")
        .service_url(well.url())
        .client("orders", "secret");
    let ahead = Issuer::start().await;
    ahead.log().ahead = Duration::from_secs(20);
    let without_keys = Issuer::start().await;
    without_keys.log().jwks = Some(Answer::Text(404, String::new()));
    let mut stopped = Issuer::start().await;
    stopped.stop().await;
    let cases = [
        (
            builder(&well).client("orders", "hush"),
            ["401", "credential"],
        ),
        (builder(&ahead), ["clock is", "s ahead of this machine's"]),
        (builder(&without_keys), ["jwks.json", "404"]),
        (elsewhere, ["another issuer", ""]),
        (builder(&stopped), ["cannot be reached", ""]),
    ];
    let cases = cases.map(|(builder, words)| async move {
        let why = fails_to_start(builder).await;
        for word in words {
            assert!(why.contains(word), "{why}");
        }
        assert!(!why.contains("hush"), "it holds the secret: {why}");
    });
    futures::future::join_all(cases).await;
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
