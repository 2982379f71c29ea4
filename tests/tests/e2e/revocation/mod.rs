//! From the revoking call to the refusal: the main job, end to end.

mod fence;
mod over_http;
mod over_nats;
mod reasons;

use std::time::Duration;
use tests::eventually::eventually;
use tests::gate::Gate;
use tests::nats::Nats;
use tests::postgres::{Database, Postgres};
use tests::session_api::{Credential, SessionApi, Settings};
use tests::user::User;

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

    async fn gates<const N: usize>(&self) -> [Gate; N] {
        let gates = futures::future::join_all((0..N).map(|_| self.gate())).await;
        gates
            .try_into()
            .unwrap_or_else(|_| unreachable!("N futures give N gates"))
    }
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
