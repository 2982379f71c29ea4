use super::{PASSWORD, all_accept, all_refuse};
use tests::folder::Folder;
use tests::gate::Gate;
use tests::postgres::Postgres;
use tests::session_api::{SessionApi, Settings};
use tests::user::User;

/// Three verifiers that know the feed over HTTP alone.
async fn revoked_is_refused(database_url: &str) {
    let service = SessionApi::start(&Settings::new(database_url)).await;
    service.has_user("alice", PASSWORD, None).await;
    let credential = service.has_client("orders").await;
    let start = || async { Gate::beside(&service, &credential).start().await };
    let gates = [start().await, start().await, start().await];
    let mut alice = User::in_browser(&service, "alice", PASSWORD);
    alice.logs_in().await;
    all_accept(&gates, &alice.access_token()).await;
    let token = alice.access_token();
    alice.logs_out().await;
    all_refuse(&gates, &token).await;
}

#[tokio::test]
async fn a_revocation_reaches_verifiers_on_postgres() {
    let database = Postgres::fresh_database().await;
    revoked_is_refused(database.url()).await;
}

#[tokio::test]
async fn a_revocation_reaches_verifiers_on_sqlite() {
    let folder = Folder::new("sqlite");
    revoked_is_refused(&format!(
        "sqlite:{}",
        folder.path().join("log.db").display()
    ))
    .await;
}
