//! One token, for the first time and again.

use crate::samples::Samples;
use crate::table::Table;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signature;
use revocation_events::UnixMillis;
use revocation_events::jwk::KeySet;
use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tests::User;
use tests::folder::Folder;
use tests::session_api::{SessionApi, Settings};
use verifier_sdk::Verifier;
use verifier_sdk::token::{AccessToken, Expected};

const PASSWORD: &str = "correct horse battery staple";
const BATCHES: usize = 200;

pub(crate) async fn measure(table: &mut Table) {
    let folder = Folder::new("bench");
    let url = format!("sqlite:{}", folder.path().join("log.db").display());
    let service = SessionApi::start(&Settings::new(&url)).await;
    service.has_user("alice", PASSWORD, None).await;
    let credential = service.has_client("bench").await;
    let mut alice = User::on_phone(&service, "alice", PASSWORD);
    alice.logs_in().await;
    let token = alice.access_token();
    let verifier = Verifier::builder(service.issuer(), "api")
        .service("bench")
        .client(&credential.client, &credential.secret)
        .start()
        .await
        .unwrap();
    let jwks = reqwest::get(format!("{}/.well-known/jwks.json", service.url()))
        .await
        .unwrap();
    let keys = KeySet::parse(&jwks.bytes().await.unwrap()).unwrap();
    let expected = Expected::new(service.issuer(), "api");
    let now = UnixMillis::default().plus(SystemTime::now().duration_since(UNIX_EPOCH).unwrap());

    let decoded =
        AccessToken::decode(&token, &expected, now, |kid| keys.get(kid).copied()).unwrap();
    let key = *keys.get(decoded.kid()).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();

    let (first, bare) = interleaved(
        50,
        || {
            let token = AccessToken::decode(black_box(&token), &expected, now, |kid| {
                keys.get(kid).copied()
            });
            black_box(token.unwrap());
        },
        || {
            black_box(&key)
                .verify_strict(signed.as_bytes(), black_box(&signature))
                .unwrap()
        },
    );
    table.micros(
        "first verification of a token",
        first,
        "bare verify_strict",
        bare,
    );

    let (cached, lookup) = interleaved(
        10_000,
        || {
            black_box(verifier.verify(black_box(&token)).unwrap());
        },
        || {
            black_box(SystemTime::now());
        },
    );
    table.nanos(
        "cached verification of one token",
        cached,
        "reading the clock",
        lookup,
    );
    verifier.shutdown().await;
}

/// The medians of two pieces of work, in turns, so that a slow moment of the machine hits both.
fn interleaved(times: u32, one: impl Fn(), other: impl Fn()) -> (Duration, Duration) {
    let batch = |work: &dyn Fn()| {
        let began = Instant::now();
        (0..times).for_each(|_| work());
        began.elapsed() / times
    };
    let (mut ones, mut others) = (Samples::default(), Samples::default());
    for _ in 0..BATCHES {
        ones.push(batch(&one));
        others.push(batch(&other));
    }
    (ones.median(), others.median())
}
