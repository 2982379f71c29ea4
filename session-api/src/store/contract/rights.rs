//! What whoever serves may do in Postgres.

use super::Db;
use super::fixture::*;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _};

/// As a replica of the version before, whose role was granted the tables that it knew.
#[tokio::test]
async fn whoever_may_append_puts_events_in_the_outbox_without_a_right_to_it() {
    let db = Db::postgres().await;
    let mut admin = PgConnection::connect(&db.url).await.unwrap();
    let role = format!("old_{}", uuid::Uuid::new_v4().simple());
    for statement in [
        format!("create role {role}"),
        format!("grant insert on event to {role}"),
        format!("set role {role}"),
        "insert into event (stream, version, kind, format, at, data) \
         values (gen_random_uuid(), 1, 'user.enabled', 1, 1, '{}')"
            .to_owned(),
    ] {
        let statement = sqlx::AssertSqlSafe(statement);
        admin.execute(statement).await.unwrap();
    }
    let refused = admin.execute("select 1 from event_outbox").await;
    assert!(refused.is_err(), "and has none");
    let refused = admin
        .execute("create temporary table mine (stream uuid, version bigint, at bigint)")
        .await
        .and(
            admin
                .execute(
                    "create trigger mine after insert on mine \
                     for each row execute function put_in_outbox()",
                )
                .await,
        );
    assert!(refused.is_err(), "nor by a trigger of its own");
    assert_eq!(db.store.waiting_events(None, ALL).await.unwrap().len(), 1);
    let statement = format!("reset role; drop owned by {role}; drop role {role}");
    let statement = sqlx::AssertSqlSafe(statement);
    sqlx::raw_sql(statement).execute(&mut admin).await.unwrap();
}
