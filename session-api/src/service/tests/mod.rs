//! Use cases on real databases: what holds when many things happen at once.

mod groups;
mod guesses;
mod in_flight;
mod keys;
mod limit;
mod lost_end;
mod races;
mod refresh;
mod refresh_queue;
mod size;
mod wakeups;

use super::key_admin::open_keys;
use super::login::Login;
use super::{Granted, Service, Settings};
use crate::keys::Sealer;
use crate::password::{Hasher, user_name};
use crate::relay::{Committed, Relay};
use crate::session::{Delivery, Roles};
use crate::store::{self, ClientInfo, IfMissing, Store};
use crate::token::Issuer;
use revocation_events::UserId;
use std::sync::Arc;
use std::time::Duration;
use tests::{Database, Postgres};
use tokio::sync::mpsc::Receiver;

pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Keeps what a database needs to stay.
pub(crate) enum Place {
    Postgres(Database),
    Sqlite(tempfile::TempDir),
}

impl Place {
    pub(crate) async fn postgres() -> Self {
        Self::Postgres(Postgres::fresh_database().await)
    }

    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Postgres(database) => database.url().to_owned(),
            Self::Sqlite(folder) => format!("sqlite:{}", folder.path().join("log.db").display()),
        }
    }

    /// A store with connections of its own.
    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        let store = store::connect(&self.url(), IfMissing::Create)
            .await
            .unwrap();
        store.migrate().await.unwrap();
        store
    }
}

/// A service without anything that runs beside it: nothing is published, and nobody waits for that.
pub(crate) async fn service(store: Arc<dyn Store>, hasher: Hasher) -> Service {
    service_with_limit(store, hasher, 0).await
}

/// The same with `--max-sessions-per-user`.
pub(crate) async fn service_with_limit(
    store: Arc<dyn Store>,
    hasher: Hasher,
    max_sessions_per_user: u32,
) -> Service {
    service_and_commits(store, hasher, max_sessions_per_user)
        .await
        .0
}

/// The same with what its relay is told.
async fn service_and_commits(
    store: Arc<dyn Store>,
    hasher: Hasher,
    max_sessions_per_user: u32,
) -> (Service, Receiver<Committed>) {
    let keys = Arc::new(open_keys(&*store, Sealer::none()).await.unwrap());
    let issuer = "http://127.0.0.1:8080".to_owned();
    let (relay, commits) = Relay::new(issuer.clone(), store.clone(), keys.clone(), false);
    let settings = Settings {
        issuer: Issuer {
            issuer,
            audience: "api".to_owned(),
            access_ttl: Duration::from_secs(900),
        },
        session_ttl: Duration::from_secs(7 * 86_400),
        session_max_age: Duration::from_secs(30 * 86_400),
        max_sessions_per_user,
        events_max_age: Duration::from_secs(7 * 86_400),
    };
    let service = Service::new(store, keys, hasher, relay, settings);
    (service, commits)
}

pub(crate) async fn add_user(service: &Service, name: &str) -> UserId {
    service
        .register(name, PASSWORD, Roles::default())
        .await
        .unwrap()
        .0
}

pub(crate) fn login(name: &str, password: &str) -> Login {
    Login {
        name: user_name(name),
        password: password.to_owned().into(),
        delivery: Delivery::Body,
        client: ClientInfo::default(),
        replaces: None,
        device: None,
    }
}

pub(crate) async fn refresh(service: &Service, granted: &Granted) -> super::Result<Granted> {
    let token = service.read_session_token(&granted.session_token.token)?;
    service.refresh(token, granted.session.delivery, None).await
}

/// Whether the service itself still takes the access token.
pub(crate) async fn takes(service: &Service, granted: &Granted) -> bool {
    let token = service.read_access_token(&granted.access.token).unwrap();
    service.caller_by_access_token(&token).await.is_ok()
}

/// What the token says.
pub(crate) fn token_of(service: &Service, granted: &Granted) -> verifier_sdk::token::AccessToken {
    service.read_access_token(&granted.access.token).unwrap()
}
