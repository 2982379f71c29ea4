//! The verifier against an issuer on a real socket: what it must do when all goes well, and when
//! pages, keys or the issuer itself are lost.
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test may panic like the test itself"
)]

mod issuer;
mod key_sets;
mod keys;
mod losses;
mod nats;
mod nats_losses;
mod outside;
#[cfg(feature = "metrics")]
mod recorded;
mod revocations;
#[path = "../../../revocation-events/tests/nats/server.rs"]
#[expect(dead_code, reason = "not every test needs all of it")]
mod server;

use ::tests::port;
use issuer::{ISSUER, Issuer};
use std::time::Duration;
use verifier_sdk::{Builder, Error, Reason, Verifier};

fn builder(issuer: &Issuer) -> Builder {
    Verifier::builder(ISSUER, "api")
        .service("orders")
        .service_url(issuer.url())
        .client("orders", "secret")
        .start_timeout(BOUND)
}

async fn start(issuer: &Issuer) -> Verifier {
    builder(issuer).start().await.unwrap()
}

/// However busy the machine is.
const BOUND: Duration = Duration::from_secs(60);

/// Waits until something is so.
async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(2));
        while !is_so() {
            ticks.tick().await;
        }
    };
    let waited = tokio::time::timeout(BOUND, waiting).await;
    assert!(waited.is_ok(), "not within {BOUND:?}: {what}");
}

/// A wait that fails the test where it has no end.
async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(BOUND, work).await;
    done.unwrap_or_else(|_| panic!("not within {BOUND:?}: {what}"))
}

fn refused(verifier: &Verifier, token: &str) -> Option<Reason> {
    match verifier.verify(token) {
        Err(Error::Invalid(reason)) => Some(reason),
        _ => None,
    }
}

fn is_stale(verifier: &Verifier, token: &str) -> bool {
    matches!(verifier.verify(token), Err(Error::Stale { .. }))
}

fn is_starting(verifier: &Verifier, token: &str) -> bool {
    matches!(verifier.verify(token), Err(Error::Starting { .. }))
}
