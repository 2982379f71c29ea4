//! Key sets: unknown keys, floods, bad answers.

use crate::issuer::{Issuer, key};
use crate::{eventually, is_starting, refused, start};
use std::time::{Duration, Instant};
use verifier_sdk::Reason;

#[tokio::test]
async fn a_new_key_is_learned_from_its_first_token() {
    let issuer = Issuer::start().await;
    let verifier = start(&issuer).await;
    {
        let mut log = issuer.log();
        log.keys.push(key(2));
        log.signer = key(2);
    }
    let token = issuer.mint().token();
    assert!(is_starting(&verifier, &token), "first it must ask");
    eventually("the key is known", || verifier.verify(&token).is_ok()).await;
}

#[tokio::test]
async fn a_key_that_the_issuer_does_not_have_is_refused_once_it_was_asked() {
    let issuer = Issuer::start().await;
    let verifier = start(&issuer).await;
    let mut minted = issuer.mint();
    minted.key = key(9);
    let token = minted.token();
    assert!(is_starting(&verifier, &token));
    eventually("the issuer was asked", || {
        refused(&verifier, &token) == Some(Reason::UnknownKey)
    })
    .await;
    assert!(verifier.verify(&issuer.mint().token()).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_unknown_keys_causes_one_read_a_second() {
    let issuer = Issuer::start().await;
    let verifier = start(&issuer).await;
    let tokens: Vec<_> = (10..110)
        .map(|seed| {
            let mut minted = issuer.mint();
            minted.key = key(seed);
            minted.token()
        })
        .collect();
    let (before, began) = (issuer.log().jwks_reads, Instant::now());
    let flood: Vec<_> = (0..2)
        .map(|_| {
            let (verifier, tokens) = (verifier.clone(), tokens.clone());
            tokio::task::spawn_blocking(move || {
                while began.elapsed() < Duration::from_millis(2_500) {
                    for token in &tokens {
                        assert!(verifier.verify(token).is_err());
                    }
                }
            })
        })
        .collect();
    for thread in flood {
        thread.await.unwrap();
    }
    let reads = issuer.log().jwks_reads - before;
    assert!((2..=3).contains(&reads), "{reads} reads in 2.5 s");
    assert!(
        verifier.verify(&issuer.mint().token()).is_ok(),
        "and nobody else was harmed"
    );
}

#[tokio::test]
async fn a_token_that_is_refused_anyway_causes_no_read() {
    let issuer = Issuer::start().await;
    let verifier = start(&issuer).await;
    let before = issuer.log().jwks_reads;
    let mut minted = issuer.mint();
    minted.key = key(9);
    minted.expires_in = -6;
    for text in [minted.token(), "a.b.c".to_owned(), String::new()] {
        assert!(refused(&verifier, &text).is_some());
    }
    // A token that does cause one shows that the others had their chance.
    minted.expires_in = 600;
    let token = minted.token();
    eventually("asked", || {
        refused(&verifier, &token) == Some(Reason::UnknownKey)
    })
    .await;
    assert_eq!(issuer.log().jwks_reads, before + 1);
}

#[tokio::test]
async fn a_bad_key_set_leaves_the_good_one() {
    let issuer = Issuer::start().await;
    let verifier = start(&issuer).await;
    let good = issuer.mint().token();
    let mut unknown = issuer.mint();
    unknown.key = key(9);
    let jwk =
        serde_json::to_string(&revocation_events::jwk::Jwk::new(&key(1).verifying_key())).unwrap();
    for (code, body) in [
        (500, String::new()),
        (200, "<html></html>".to_owned()),
        (200, r#"{"keys":[]}"#.to_owned()),
        (200, format!(r#"{{"keys":[{jwk},{jwk}]}}"#)),
        (
            200,
            format!(r#"{{"keys":[{jwk}],"x":"{}"}}"#, "x".repeat(64 * 1024)),
        ),
        (302, String::new()),
    ] {
        let before = {
            let mut log = issuer.log();
            log.jwks = Some((code, body));
            log.jwks_reads
        };
        eventually("the bad set was read", || {
            let verdict = is_starting(&verifier, &unknown.token());
            assert!(verdict, "no read has answered");
            issuer.log().jwks_reads > before
        })
        .await;
        assert!(verifier.verify(&good).is_ok());
    }
    issuer.log().jwks = None;
    eventually("a good read answers", || {
        refused(&verifier, &unknown.token()) == Some(Reason::UnknownKey)
    })
    .await;
    assert!(verifier.verify(&good).is_ok());
}
