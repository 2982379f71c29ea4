//! What `serve` needs of Postgres.

use crate::revocation::PASSWORD;
use sqlx::{Connection as _, PgConnection};
use tests::gate::Gate;
use tests::session_api::{SessionApi, Settings};
use tests::user::User;
use tests::{Postgres, eventually};

#[tokio::test]
async fn serve_does_with_the_rights_that_the_guide_gives_it() {
    let database = Postgres::fresh_database().await;
    let owner = SessionApi::start(&Settings::new(database.url())).await;
    owner.has_user("alice", PASSWORD, None).await;
    let client = owner.has_client("gate").await;

    // Roles are the whole server's, and other tests have theirs.
    let role = format!("serve_{}", uuid::Uuid::new_v4().simple());
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    for statement in [
        format!("create role {role} login"),
        format!("grant select, insert, update, delete on all tables in schema public to {role}"),
        format!("revoke update, delete on event from {role}"),
    ] {
        let statement = sqlx::AssertSqlSafe(statement);
        sqlx::raw_sql(statement)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let url = with_user(database.url(), &role);
    let service = owner
        .replica_with(|settings| settings.env("DATABASE_URL", &url))
        .await;
    drop(owner);

    let gate = Gate::beside(&service, &client).start().await;
    let mut alice = User::in_browser(&service, "alice", PASSWORD);
    alice.logs_in().await;
    alice.refreshes().await;
    assert!(gate.accepts(&alice.access_token()).await);
    let token = alice.access_token();
    alice.logs_out().await;
    eventually(
        "it is refused",
        std::time::Duration::from_secs(20),
        async || !gate.accepts(&token).await,
    )
    .await;
    for command in [&["keys", "rotate"][..], &["check"], &["log", "verify"]] {
        service.settings().must_run(command, "").await;
    }
    let refused = sqlx::raw_sql("create table mine (id int)");
    let mut as_role = PgConnection::connect(&url).await.unwrap();
    assert!(
        refused.execute(&mut as_role).await.is_err(),
        "it has no more than that"
    );
    let log = service.program().server().running().log();
    assert_eq!(log.line_with("permission denied"), None);
    drop(service);
    let statement = format!("drop owned by {role}; drop role {role}");
    let statement = sqlx::AssertSqlSafe(statement);
    sqlx::raw_sql(statement)
        .execute(&mut connection)
        .await
        .unwrap();
}

/// The same address, for another user.
fn with_user(url: &str, user: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{user}@{host}")
}
