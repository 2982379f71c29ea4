//! Key sets: unknown keys, floods, bad answers.

use crate::issuer::{Issuer, key};
use crate::{eventually, is_starting, refused, start};
use revocation_events::jwk::Jwk;
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
    let (reads, took) = (issuer.log().jwks_reads - before, began.elapsed());
    let most = usize::try_from(took.as_secs()).unwrap() + 1;
    assert!((1..=most).contains(&reads), "{reads} reads in {took:?}");
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
    let jwk = |seed| serde_json::to_string(&Jwk::new(&key(seed).verifying_key())).unwrap();
    // If it were taken, the token of an unknown key would be accepted.
    let with_unknown = format!(r#"{{"keys":[{},{}]}}"#, jwk(1), jwk(9));
    let good = jwk(1);
    let cases = [
        (500, with_unknown.clone()),
        (302, with_unknown),
        (200, "<html></html>".to_owned()),
        (200, r#"{"keys":[]}"#.to_owned()),
        (200, format!(r#"{{"keys":[{good},{good}]}}"#)),
        (
            200,
            format!(r#"{{"keys":[{good}],"x":"{}"}}"#, "x".repeat(64 * 1024)),
        ),
    ];
    futures::future::join_all(cases.map(|(code, body)| read_in_vain(code, body))).await;
}

async fn read_in_vain(code: u16, body: String) {
    let what = format!("{code} {}", &body[..body.len().min(20)]);
    let issuer = Issuer::start().await;
    let verifier = start(&issuer).await;
    let good = issuer.mint().token();
    let mut unknown = issuer.mint();
    unknown.key = key(9);
    let unknown = unknown.token();
    let before = issuer.log().jwks_reads;
    issuer.log().jwks = Some((code, body));
    // The second read begins when the first has been judged.
    eventually("the bad set was read", || {
        assert!(
            is_starting(&verifier, &unknown),
            "{what}: no read has answered"
        );
        issuer.log().jwks_reads >= before + 2
    })
    .await;
    assert!(verifier.verify(&good).is_ok(), "{what}");
    issuer.log().jwks = None;
    eventually("a good read answers", || {
        refused(&verifier, &unknown) == Some(Reason::UnknownKey)
    })
    .await;
    assert!(verifier.verify(&good).is_ok(), "{what}");
}
