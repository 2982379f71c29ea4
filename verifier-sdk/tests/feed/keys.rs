//! Key sets: unknown keys, floods, bad answers.

use crate::issuer::{Issuer, key, kid};
use crate::key_sets::Answer;
use crate::{eventually, is_stale, is_starting, refused, start};
use revocation_events::Target;
use revocation_events::jwk::Jwk;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use verifier_sdk::{Freshness, Reason, Verifier};

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

#[tokio::test]
async fn while_it_learns_the_log_again_after_a_keys_revocation_it_says_so() {
    let issuer = Issuer::start().await;
    let verifier = start(&issuer).await;
    {
        let mut log = issuer.log();
        log.keys.push(key(2));
        log.signer = key(2);
    }
    let token = issuer.mint().token();
    eventually("the new key is known", || verifier.verify(&token).is_ok()).await;
    // Without the key set that it wants now it must not go on.
    issuer.log().jwks = Some(Answer::Drip);
    issuer.revoke(Target::Key(kid(&key(1))));
    eventually("it learns again", || {
        verifier.status().freshness == Freshness::CatchingUp
    })
    .await;
    assert!(is_stale(&verifier, &token));
    let reason = verifier.status().reason;
    assert!(reason.contains("signing key was revoked"), "{reason}");

    {
        let mut log = issuer.log();
        log.jwks = None;
        log.keys.remove(0);
    }
    eventually("it is fresh", || verifier.verify(&token).is_ok()).await;
    assert_eq!(verifier.status().freshness, Freshness::Fresh);
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
    eventually("it was asked", || issuer.log().jwks_reads > before).await;
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
    // Pages that are taken show that they had their chance.
    let pages = verifier.status().counts.pages;
    eventually("some heartbeats later", || {
        verifier.status().counts.pages >= pages + 10
    })
    .await;
    assert_eq!(issuer.log().jwks_reads, before);
    // As one has that names the same key and is not refused anyway.
    minted.expires_in = 600;
    let token = minted.token();
    eventually("asked", || {
        refused(&verifier, &token) == Some(Reason::UnknownKey)
    })
    .await;
    assert!(issuer.log().jwks_reads > before);
}

#[tokio::test]
async fn a_bad_key_set_leaves_the_good_one() {
    let jwk = |seed| serde_json::to_string(&Jwk::new(&key(seed).verifying_key())).unwrap();
    let (good, unknown) = (jwk(1), jwk(9));
    // If one of these were taken, the token of an unknown key would be accepted.
    let both = format!(r#"{{"keys":[{good},{unknown}]}}"#);
    let x = x_of(&unknown);
    let spoilt = |what: &str| format!(r#"{{"keys":[{good},{}]}}"#, unknown.replace(&x, what));
    let text = |code, body: &str| Answer::Text(code, body.to_owned());
    let huge = Arc::new(AtomicUsize::new(0));
    let cases = [
        ("an error", text(500, &both)),
        ("a redirect", text(302, &both)),
        ("a redirect for good", text(308, &both)),
        ("HTML", text(200, "<html></html>")),
        ("nothing", text(200, "")),
        ("no keys", text(200, r#"{"keys":[]}"#)),
        ("a list", text(200, &format!("[{good},{unknown}]"))),
        (
            "a key twice",
            text(200, &format!(r#"{{"keys":[{good},{unknown},{unknown}]}}"#)),
        ),
        (
            "keys twice",
            text(200, &format!(r#"{{"keys":[{good}],"keys":[{unknown}]}}"#)),
        ),
        (
            "deep",
            text(
                200,
                &format!(
                    r#"{{"keys":[{unknown}],"x":{}1{}}}"#,
                    "[".repeat(99),
                    "]".repeat(99)
                ),
            ),
        ),
        (
            "too long",
            text(
                200,
                &format!(
                    r#"{{"keys":[{good},{unknown}],"x":"{}"}}"#,
                    "x".repeat(64 * 1024)
                ),
            ),
        ),
        ("a hundred megabytes", Answer::Huge(Arc::clone(&huge))),
        ("no end", Answer::Drip),
    ];
    let bad = cases.map(|(what, answer)| read_in_vain(what, answer));
    // Sets that are good but for the key that is asked for: they are taken, without it.
    let partly = [
        ("a short key", text(200, &spoilt(&x[..42]))),
        ("a long key", text(200, &spoilt(&format!("{x}AA")))),
        ("a padded key", text(200, &spoilt(&format!("{x}=")))),
        (
            "a key of low order",
            text(200, &spoilt("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ),
        (
            "another curve",
            text(
                200,
                &both
                    .replacen("Ed25519", "X25519", 2)
                    .replacen("X25519", "Ed25519", 1),
            ),
        ),
        (
            "a symmetric key",
            text(
                200,
                &format!(r#"{{"keys":[{good},{{"kty":"oct","kid":"k","k":"AA"}}]}}"#),
            ),
        ),
    ];
    let partly = partly.map(|(what, answer)| read_without(what, answer));
    let partly = futures::future::join_all(partly);
    tokio::join!(futures::future::join_all(bad), partly);
    let sent = huge.load(Ordering::Relaxed);
    assert!(sent < 8_000_000, "{sent} bytes went out before it hung up");
}

fn x_of(jwk: &str) -> String {
    let jwk: serde_json::Value = serde_json::from_str(jwk).unwrap();
    jwk["x"].as_str().unwrap().to_owned()
}

/// A verifier with a good set, a good token and one whose key is not in the set.
async fn with_two_tokens() -> (Issuer, Verifier, [String; 2]) {
    let issuer = Issuer::start().await;
    let verifier = start(&issuer).await;
    let good = issuer.mint().token();
    let mut unknown = issuer.mint();
    unknown.key = key(9);
    (issuer, verifier, [good, unknown.token()])
}

async fn read_in_vain(what: &str, answer: Answer) {
    let (issuer, verifier, [good, unknown]) = with_two_tokens().await;
    let before = issuer.log().jwks_reads;
    issuer.log().jwks = Some(answer);
    // The second read begins when the first has been judged.
    eventually(&format!("it was read twice: {what}"), || {
        assert!(
            is_starting(&verifier, &unknown),
            "{what}: no read has answered"
        );
        issuer.log().jwks_reads >= before + 2
    })
    .await;
    assert!(verifier.verify(&good).is_ok(), "{what}");
    issuer.log().jwks = None;
    read_without_it(what, &verifier, &good, &unknown).await;
}

async fn read_without(what: &str, answer: Answer) {
    let (issuer, verifier, [good, unknown]) = with_two_tokens().await;
    issuer.log().jwks = Some(answer);
    read_without_it(what, &verifier, &good, &unknown).await;
}

async fn read_without_it(what: &str, verifier: &Verifier, good: &str, unknown: &str) {
    eventually(&format!("a good read answers: {what}"), || {
        refused(verifier, unknown) == Some(Reason::UnknownKey)
    })
    .await;
    assert!(verifier.verify(good).is_ok(), "{what}");
}
