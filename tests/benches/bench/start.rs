//! From the start of the program to the moment at which it is ready.

use crate::effort;
use crate::rounds::Rounds;
use crate::table::Table;
use rustix::process::Signal;
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use std::path::Path;
use std::time::{Duration, Instant};
use tests::folder::Folder;
use tests::server::Server;
use tests::session_api::{SessionApi, Settings};
use tests::{Nats, Postgres, Program};

pub(crate) const NAME: &str = "start";

/// `dev` says so once the protected service beside it knows all revocations.
const READY: &str = "Portcullis runs";
const BOUND: Duration = Duration::from_secs(30);

pub(crate) async fn measure(table: &mut Table) {
    let rounds = effort::of(15, 5);
    let (mut first, mut again) = (Rounds::default(), Rounds::default());
    for _ in 0..rounds {
        let folder = Folder::new("dev-");
        let began = Instant::now();
        let mut server = dev(&folder).await;
        first.push(millis(began));
        server.end(Signal::TERM).await;
        let began = Instant::now();
        server.restart().await;
        again.push(millis(began));
    }
    for sessions in effort::of(vec![1_000, 10_000, 100_000], vec![1_000]) {
        dev_with(table, sessions).await;
    }
    let postgres = Postgres::start().await;
    let nats = Nats::start().await;
    let database = postgres.database().await;
    let settings = Settings::new(database.url()).nats(&nats.url());
    let mut service = SessionApi::start(&settings).await;
    let mut serve = Rounds::default();
    for _ in 0..rounds {
        service.stop().await;
        serve.push(to_ready(&mut service).await);
    }
    table.alone(
        "start to ready: `dev`, with what it made before",
        "ms",
        &again,
    );
    table.alone(
        "start to ready: `dev`, the first time (schema, keys, users)",
        "ms",
        &first,
    );
    table.alone("start to ready: `serve` on Postgres and NATS", "ms", &serve);
}

/// `dev` with so many live sessions in its log.
async fn dev_with(table: &mut Table, sessions: u32) {
    let folder = Folder::new("dev-");
    let mut server = dev(&folder).await;
    let mut rounds = Rounds::default();
    server.end(Signal::TERM).await;
    fill(&folder.path().join("data/portcullis.db"), sessions).await;
    for _ in 0..effort::of(7, 3) {
        let began = Instant::now();
        server.restart().await;
        rounds.push(millis(began));
        server.end(Signal::TERM).await;
    }
    let what = format!("start to ready with {sessions} live sessions: `dev`");
    table.alone(&what, "ms", &rounds);
}

async fn dev(folder: &Folder) -> Server {
    let spec = Program::spec("session-api")
        .args(["dev", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"));
    Server::start(spec, READY, BOUND).await
}

/// `$1` sessions, and a revocation for each ten of them.
const FILL: &str = "
    create temporary table n as
        with recursive n(n) as (select 1 union all select n + 1 from n where n < $1)
        select n, randomblob(16) as id, lower(hex(randomblob(16))) as hex, unixepoch() * 1000 as ms from n;
    insert into event (stream, version, kind, format, at, data)
        select id, 1, 'session.opened', 1, ms, '{}' from n order by id;
    delete from event_outbox;
    insert into revocation (position, at, kind, subject)
        select (select position from log_head) + n, ms, 'session',
               substr(hex, 1, 8) || '-' || substr(hex, 9, 4) || '-' || substr(hex, 13, 4) || '-'
               || substr(hex, 17, 4) || '-' || substr(hex, 21)
        from n where n <= $1 / 10;
    update log_head set position = position + $1 / 10;
    insert into session (id, version, user_id, delivery, since, opened_at, generation, rotated_at,
                         expires_at, ends_at)
        select id, 1, randomblob(16), 'body', (select position from log_head), ms, 1, ms,
               ms + 7 * 86400000, ms + 30 * 86400000
        from n order by id";

async fn fill(database: &Path, sessions: u32) {
    let url = format!("sqlite:{}", database.display());
    let mut database = SqliteConnection::connect(&url).await.unwrap();
    let sql = FILL.replace("$1", &sessions.to_string());
    let filled = database.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)));
    filled.await.unwrap();
    database.close().await.unwrap();
}

/// Of a service that was stopped, in milliseconds. It is asked every 5 ms.
pub(crate) async fn to_ready(service: &mut SessionApi) -> f64 {
    let began = Instant::now();
    service.restart().await;
    millis(began)
}

fn millis(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}
