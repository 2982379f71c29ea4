//! Refreshes per second over HTTP, beside one transaction for each on the same Postgres.

use crate::table::Table;
use futures::future::join_all;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tests::session_api::{SessionApi, Settings};
use tests::{Postgres, User};

const CLIENTS: usize = 64;
const SPAN: Duration = Duration::from_secs(5);
const PASSWORD: &str = "correct horse battery staple";

pub(crate) async fn measure(table: &mut Table) {
    let postgres = Postgres::start().await;
    let database = postgres.database().await;
    let service = SessionApi::start(&Settings::new(database.url())).await;
    service.has_user("alice", PASSWORD, None).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = User::on_phone(&service, "alice", PASSWORD);
        client.logs_in().await;
        clients.push(client);
    }
    let ours = per_second(clients, async |client: &mut User| {
        client.refreshes().await;
    })
    .await;

    let pool = sqlx::postgres::PgPoolOptions::new()
        .max_connections(16)
        .connect(database.url())
        .await
        .unwrap();
    prepare(&pool).await;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| (pool.clone(), i64::try_from(n).unwrap()))
        .collect();
    let theirs = per_second(clients, async |(pool, id)| one_transaction(pool, *id).await).await;
    let what = format!("refreshes/s over HTTP, {CLIENTS} clients (tokens and all)");
    table.row(
        &what,
        ours,
        "bare transactions/s: lock, append, update",
        theirs,
        "/s",
    );
}

/// How often `work` goes through in a second, with all clients at it.
async fn per_second<C>(clients: Vec<C>, work: impl AsyncFn(&mut C)) -> f64 {
    let done = AtomicU64::new(0);
    let began = Instant::now();
    join_all(clients.into_iter().map(|mut client| {
        let (done, work) = (&done, &work);
        async move {
            while began.elapsed() < SPAN {
                work(&mut client).await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    }))
    .await;
    done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

async fn prepare(pool: &sqlx::PgPool) {
    for statement in [
        "create table bench_session (id bigint primary key, generation bigint not null)",
        "create table bench_event (id bigint, version bigint, data jsonb, primary key (id, version))",
    ] {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    let rows = "insert into bench_session select n, 1 from generate_series(0, $1) n";
    sqlx::query(rows)
        .bind(i64::try_from(CLIENTS).unwrap())
        .execute(pool)
        .await
        .unwrap();
}

async fn one_transaction(pool: &sqlx::PgPool, id: i64) {
    let mut tx = pool.begin().await.unwrap();
    let generation: i64 =
        sqlx::query_scalar("select generation from bench_session where id = $1 for update")
            .bind(id)
            .fetch_one(&mut *tx)
            .await
            .unwrap();
    sqlx::query("insert into bench_event values ($1, $2, '{\"generation\": 1, \"expires_at\": 1764000000000}')")
        .bind(id)
        .bind(generation + 1)
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query("update bench_session set generation = $2 where id = $1")
        .bind(id)
        .bind(generation + 1)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}
