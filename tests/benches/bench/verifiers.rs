//! Verifiers that follow a service over NATS.

use futures::future::join_all;
use tests::{Nats, SessionApi};
use verifier_sdk::Verifier;

/// So many of them, with one credential, once all know what was revoked so far.
pub(crate) async fn start(service: &SessionApi, nats: &Nats, count: usize) -> Vec<Verifier> {
    let credential = service.has_client("bench").await;
    let start = || async {
        Verifier::builder(service.issuer(), "api")
            .service("bench")
            .client(&credential.client, &credential.secret)
            .nats(nats.url())
            .start()
            .await
            .unwrap()
    };
    join_all((0..count).map(|_| start())).await
}
