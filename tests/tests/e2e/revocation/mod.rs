//! From the revoking call to the refusal: the main job, end to end.

mod fence;
mod over_http;
mod over_nats;
mod reasons;

use async_nats::jetstream;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::time::Duration;
use tests::eventually::{eventually, until};
use tests::gate::Gate;
use tests::nats::Nats;
use tests::postgres::{Database, Postgres};
use tests::session_api::{Credential, SessionApi, Settings};
use tests::user::{Answer, User};

/// What the bus stores, and the subject of pages.
pub(super) const STREAM: &str = "SESSIONS_REVOCATIONS";
pub(super) const PAGES: &str = "sessions.v1.revocations";

pub(super) const PASSWORD: &str = "correct horse battery staple";

/// Generous, for a busy machine; far below the quarter of an hour that the token would live.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// A service on Postgres and NATS, with alice, an admin and a credential for verifiers.
pub(super) struct World {
    pub(super) service: SessionApi,
    pub(super) nats: Nats,
    pub(super) credential: Credential,
    pub(super) database: Database,
}

impl World {
    pub(super) async fn begins() -> Self {
        Self::begins_with(|settings| settings).await
    }

    pub(super) async fn begins_with(change: impl FnOnce(Settings) -> Settings) -> Self {
        let nats = Nats::start().await;
        let url = nats.url();
        Self::begins_on(nats, |settings| change(settings.nats(&url))).await
    }

    /// On a bus of which the settings have yet to be told.
    pub(super) async fn begins_on(nats: Nats, change: impl FnOnce(Settings) -> Settings) -> Self {
        let database = Postgres::fresh_database().await;
        let settings = change(Settings::new(database.url()));
        let service = SessionApi::start(&settings).await;
        service.has_user("alice", PASSWORD, None).await;
        service.has_user("root", PASSWORD, Some("admin")).await;
        let credential = service.has_client("orders").await;
        Self {
            service,
            nats,
            credential,
            database,
        }
    }

    pub(super) fn alice(&self) -> User {
        User::on_phone(&self.service, "alice", PASSWORD)
    }

    pub(super) fn admin(&self) -> User {
        User::on_phone(&self.service, "root", PASSWORD)
    }

    pub(super) async fn gate(&self) -> Gate {
        Gate::beside(&self.service, &self.credential)
            .nats(&self.nats.url())
            .start()
            .await
    }

    /// Waits until the page is stored of the revocation that `answer` tells of.
    pub(super) async fn stores_what(&self, answer: &Answer) {
        let position = answer.body["position"].as_u64();
        assert!(position.is_some(), "{}", answer.body);
        eventually("its page is stored", SOON, async || {
            stored_up_to(&self.nats).await >= position
        })
        .await;
    }

    async fn gates<const N: usize>(&self) -> [Gate; N] {
        let gates = futures::future::join_all((0..N).map(|_| self.gate())).await;
        gates
            .try_into()
            .unwrap_or_else(|_| unreachable!("N futures give N gates"))
    }
}

/// The end of the newest page that the bus has stored, where that is a page.
pub(super) async fn stored_up_to(nats: &Nats) -> Option<u64> {
    let bus = async_nats::connect(nats.url()).await.ok()?;
    let stream = jetstream::new(bus).get_stream(STREAM).await.ok()?;
    let page = stream.get_last_raw_message_by_subject(PAGES).await.ok()?;
    let payload = page.payload.split(|byte| *byte == b'.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice::<Value>(&payload).ok()?["to"].as_u64()
}

/// Logs in and out until the answer says that the bus has acknowledged the page. An answer waits a
/// second for that, in which a busy machine may not come to it.
pub(super) async fn is_told_that_it_is_published(user: &mut User) {
    until("a log-out is published", 2 * SOON, async || {
        user.logs_in().await;
        let published = user.logs_out().await.body["published"].take();
        (published == true).then_some(())
    })
    .await;
}

pub(super) async fn all_accept(gates: &[Gate], token: &str) {
    for gate in gates {
        assert!(gate.accepts(token).await, "a gate refuses a good token");
    }
}

pub(super) async fn all_refuse(gates: &[Gate], token: &str) {
    eventually("every gate refuses the token", SOON, async || {
        for gate in gates {
            if gate.accepts(token).await {
                return false;
            }
        }
        true
    })
    .await;
}
