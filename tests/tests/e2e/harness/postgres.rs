use sqlx::{Connection as _, Executor as _, PgConnection};
use std::time::Duration;
use tests::{Database, Postgres, eventually};

async fn connect(database: &Database) -> PgConnection {
    PgConnection::connect(database.url()).await.unwrap()
}

async fn count(database: &Database) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM things")
        .fetch_one(&mut connect(database).await)
        .await
        .unwrap()
}

async fn setting(database: &Database, name: &str) -> String {
    sqlx::query_scalar("SELECT current_setting($1)")
        .bind(name)
        .fetch_one(&mut connect(database).await)
        .await
        .unwrap()
}

#[tokio::test]
async fn databases_of_the_shared_cluster_are_apart_and_go_with_their_test() {
    let (one, other) = (
        Postgres::fresh_database().await,
        Postgres::fresh_database().await,
    );
    let create = "CREATE TABLE things (id int)";
    connect(&one).await.execute(create).await.unwrap();
    connect(&other).await.execute(create).await.unwrap();

    let url = one.url().to_owned();
    drop(one);
    eventually(
        "the database is gone",
        Duration::from_secs(30),
        async || PgConnection::connect(&url).await.is_err(),
    )
    .await;
    assert_eq!(count(&other).await, 0);
}

#[tokio::test]
async fn what_was_committed_outlives_a_crash_and_what_was_not_does_not() {
    let mut postgres = Postgres::start().await;
    let database = postgres.database().await;
    assert_eq!(setting(&database, "fsync").await, "on");
    let mut connection = connect(&database).await;
    connection
        .execute("CREATE TABLE things (id int); INSERT INTO things VALUES (1)")
        .await
        .unwrap();
    let mut open = connect(&database).await;
    open.execute("BEGIN; INSERT INTO things VALUES (2)")
        .await
        .unwrap();

    postgres.kill_immediate().await;
    assert!(connection.ping().await.is_err());
    assert!(PgConnection::connect(database.url()).await.is_err());

    postgres.restart().await;
    let log = postgres.server().running().log().to_string();
    assert!(log.contains("not properly shut down"), "{log}");
    assert_eq!(count(&database).await, 1);

    postgres.stop().await;
    postgres.restart().await;
    let log = postgres.server().running().log().to_string();
    assert!(!log.contains("not properly shut down"), "{log}");
    assert_eq!(count(&database).await, 1);
}

#[tokio::test]
async fn a_cluster_takes_settings() {
    let postgres = Postgres::start_with(&["fsync=off", "max_connections=7"]).await;
    let database = postgres.database().await;
    assert_eq!(setting(&database, "fsync").await, "off");
    assert_eq!(setting(&database, "max_connections").await, "7");
}
