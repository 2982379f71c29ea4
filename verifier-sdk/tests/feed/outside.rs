//! What the session service hears from a verifier, and is asked by it.

use crate::issuer::{Issuer, Minted};
use crate::losses::SHORT;
use crate::{builder, eventually, is_stale, refused, soon, start};
use revocation_events::Target;
use std::time::Duration;
use verifier_sdk::{Error, Freshness, OnStale, Reason};

#[tokio::test]
async fn it_reports_before_it_is_ready_when_its_head_moves_and_at_the_end() {
    let issuer = Issuer::start().await;
    let head = issuer.head();
    let verifier = start(&issuer).await;
    let first = issuer.log().reports.first().cloned().unwrap();
    assert_eq!(
        (first.head, first.fresh, first.goodbye),
        (Some(head), true, false)
    );
    assert_eq!(
        (first.service.as_str(), first.max_staleness_ms),
        ("orders", 10_000)
    );

    let head = issuer.revoke(Target::Everyone);
    eventually("the new head is reported", || {
        issuer
            .log()
            .reports
            .last()
            .is_some_and(|report| report.head == Some(head))
    })
    .await;

    let other = verifier.clone();
    verifier.shutdown().await;
    let last = issuer.log().reports.last().cloned().unwrap();
    assert!(last.goodbye);
    assert_eq!(last.instance, first.instance);
    assert!(
        is_stale(&other, &issuer.mint().token()),
        "nobody waits for it any more"
    );
}

#[tokio::test]
async fn it_reports_every_two_seconds() {
    let issuer = Issuer::start().await;
    let _verifier = start(&issuer).await;
    let before = issuer.log().reports.len();
    let began = std::time::Instant::now();
    eventually("two more reports", || {
        issuer.log().reports.len() >= before + 2
    })
    .await;
    assert!(
        began.elapsed() >= Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn reports_that_fail_harm_nothing() {
    let issuer = Issuer::start().await;
    issuer.log().status_code = 500;
    let verifier = start(&issuer).await;
    let minted = issuer.mint();
    let session = verifier.verify(&minted.token()).unwrap();
    issuer.revoke(Target::Session(minted.session));
    soon("it follows", verifier.on_ended(&session)).await;
    soon("it stops", verifier.shutdown()).await;
}

#[tokio::test]
async fn two_verifiers_are_two_instances() {
    let issuer = Issuer::start().await;
    let _both = [start(&issuer).await, start(&issuer).await];
    let reports = issuer.log().reports.clone();
    assert!(
        reports
            .iter()
            .any(|report| report.instance != reports[0].instance)
    );
}

#[tokio::test]
async fn while_stale_it_may_ask_the_service() {
    let issuer = Issuer::start().await;
    let verifier = builder(&issuer)
        .max_staleness(SHORT)
        .on_stale(OnStale::Introspect)
        .start()
        .await
        .unwrap();
    let minted = issuer.mint();
    let token = minted.token();
    assert!(verifier.verify_or_introspect(&token).await.is_ok());
    assert!(
        issuer.log().introspected.is_empty(),
        "while fresh nobody is asked"
    );

    issuer.log().silent = true;
    eventually("it is stale", || {
        verifier.status().freshness == Freshness::Stale
    })
    .await;
    assert!(is_stale(&verifier, &token));
    let session = verifier.verify_or_introspect(&token).await.unwrap();
    assert_eq!(session.session_id(), minted.session);
    assert_eq!(issuer.log().introspected, [token.as_str()]);

    let ended = Minted {
        expires_in: -10,
        ..issuer.mint()
    };
    let verdict = verifier.verify_or_introspect(&ended.token()).await;
    assert!(
        verdict.is_ok(),
        "by this clock it has expired, and whose is right?"
    );

    issuer.log().active = false;
    let verdict = verifier.verify_or_introspect(&token).await;
    assert_eq!(verdict, Err(Error::Invalid(Reason::Inactive)));

    let garbage = verifier.verify_or_introspect("not a token").await;
    assert_eq!(garbage, Err(Error::Invalid(Reason::Malformed)));
    assert_eq!(
        issuer.log().introspected.len(),
        3,
        "garbage is not asked about"
    );

    issuer.log().introspection_code = 500;
    let verdict = verifier.verify_or_introspect(&token).await;
    assert!(matches!(verdict, Err(Error::Stale { .. })), "{verdict:?}");
    assert_eq!(refused(&verifier, &token), None);
}

#[tokio::test]
async fn it_asks_only_where_it_was_told_to() {
    let issuer = Issuer::start().await;
    let verifier = builder(&issuer).max_staleness(SHORT).start().await.unwrap();
    let token = issuer.mint().token();
    issuer.log().silent = true;
    eventually("it is stale", || is_stale(&verifier, &token)).await;
    assert!(verifier.verify_or_introspect(&token).await.is_err());
    assert!(issuer.log().introspected.is_empty());
}
