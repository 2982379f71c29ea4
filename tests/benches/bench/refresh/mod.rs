//! Refreshes: how many a second on Postgres, and what one of them costs.
//!
//! | file | what |
//! | --- | --- |
//! | this one | over HTTP, beside one transaction for each; at the store, in groups and one by one |
//! | `clients` | sessions whose clients refresh over connections that they keep |

pub(crate) mod clients;

use crate::effort;
use crate::load::Done;
use crate::machine;
use crate::rounds::Rounds;
use crate::table::Table;
use crate::tokens::on_processor;
use aws_lc_rs::signature::Ed25519KeyPair;
use clients::Client;
use ed25519_dalek::{Signature, Signer as _, SigningKey};
use futures::future::join_all;
use revocation_events::jws;
use serde_json::json;
use std::hint::black_box;
use std::time::{Duration, Instant};
use tests::Postgres;
use tests::session_api::{SessionApi, Settings};

pub(crate) const NAME: &str = "refresh";

/// Of `session-api`: connections of its pool, its writers, and the most that one of these takes.
const POOL: usize = 16;
const WRITERS: usize = 4;
const GROUP: usize = 64;

/// As many as are queued at the store with all of its writers busy.
const CLIENTS: usize = WRITERS * GROUP;

const BARE: &str = "bare transactions/s: lock, append, update";

pub(crate) async fn measure(table: &mut Table) {
    let postgres = Postgres::start().await;
    let database = postgres.database().await;
    let service = SessionApi::start(&Settings::new(database.url())).await;
    let pool = prepare(database.url()).await;
    at_the_store(table, &service, &pool).await;
    for group in effort::of(vec![1, 4, 16, 256], vec![]) {
        in_groups_of(table, &service, group).await;
    }
    for many in effort::of(vec![1, 4, 16, 64, 256], vec![256]) {
        over_http(table, &service, &postgres, &pool, many).await;
    }
}

/// Ten times as many clients as are measured else, who need a minute to log in.
pub(crate) async fn measure_large(table: &mut Table) {
    let many = machine::allows(10 * CLIENTS);
    let postgres = Postgres::start().await;
    let database = postgres.database().await;
    let service = SessionApi::start(&Settings::new(database.url())).await;
    let pool = prepare(database.url()).await;
    over_http(table, &service, &postgres, &pool, many).await;
}

/// The same loop with the same store, in groups as the writers take them and in groups of one; and what
/// the bare statements of one transaction for each would come to.
async fn at_the_store(table: &mut Table, service: &SessionApi, pool: &sqlx::PgPool) {
    let mut rounds: [Rounds; 3] = Default::default();
    let span = effort::of(Duration::from_secs(3), Duration::from_millis(500));
    for _ in 0..effort::of(9, 3) {
        rounds[0].push(store(service, WRITERS, GROUP, span).await);
        rounds[1].push(store(service, POOL, 1, span).await);
        rounds[2].push(transactions(pool, CLIENTS, span).await);
    }
    let [grouped, alone, bare] = &rounds;
    let what = format!("refreshes/s at the store, {WRITERS} writers that take {GROUP}");
    table.compare(&what, "/s", grouped, ("one transaction for each", alone));
    table.compare(&what, "/s", grouped, (BARE, bare));
}

/// The same with groups of another size.
async fn in_groups_of(table: &mut Table, service: &SessionApi, group: usize) {
    let mut rounds = Rounds::default();
    for _ in 0..5 {
        rounds.push(store(service, WRITERS, group, Duration::from_secs(1)).await);
    }
    let what = format!("refreshes/s at the store, {WRITERS} writers that take {group}");
    table.alone(&what, "/s", &rounds);
}

async fn store(service: &SessionApi, writers: usize, group: usize, span: Duration) -> f64 {
    let number = |number: usize| number.to_string();
    let (writers, group) = (number(writers), number(group));
    let millis = span.as_millis().to_string();
    let command = [
        "bench",
        "--writers",
        &writers,
        "--group",
        &group,
        "--millis",
        &millis,
    ];
    let answer = service.settings().must_run(&command, "").await;
    answer.trim().parse().unwrap()
}

async fn over_http(
    table: &mut Table,
    service: &SessionApi,
    postgres: &Postgres,
    pool: &sqlx::PgPool,
    many: usize,
) {
    let span = effort::of(Duration::from_secs(4), Duration::from_millis(600));
    let mut clients = clients::log_in(service, &format!("of-{many}"), many).await;
    let (mut ours, mut theirs) = (Rounds::default(), Rounds::default());
    let mut percentiles: [Rounds; 2] = Default::default();
    let mut costs = Costs::default();
    for round in 0..=effort::of(7, 3) {
        let before = Spent::now(service, postgres);
        let done = Client::refresh(&mut clients, service, span);
        let spent = Spent::now(service, postgres).since(&before);
        let bare = transactions(pool, many, span).await;
        // The first is there to fill caches and pools.
        if round == 0 {
            continue;
        }
        ours.push(done.per_second());
        theirs.push(bare);
        for (rounds, percent) in percentiles.iter_mut().zip([50, 99]) {
            rounds.push(done.times.millis(percent));
        }
        costs.push(&spent, &done);
    }
    let what = format!("refreshes/s over HTTP, {many} clients (tokens and all)");
    table.compare(&what, "/s", &ours, (BARE, &theirs));
    for (rounds, percent) in percentiles.iter().zip([50, 99]) {
        let what = format!("a refresh over HTTP, {many} clients, p{percent}");
        table.alone(&what, "ms", rounds);
    }
    costs.tell(table, many);
}

/// Time on a processor.
struct Spent {
    service: Duration,
    database: Duration,
}

impl Spent {
    fn now(service: &SessionApi, postgres: &Postgres) -> Self {
        let service = machine::id(service.program().server());
        let database = machine::family(machine::id(postgres.server()));
        Self {
            service: machine::cpu(&[service]),
            database: machine::cpu(&database),
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            service: self.service.saturating_sub(before.service),
            // Processes of Postgres that have ended meanwhile are not counted.
            database: self.database.saturating_sub(before.database),
        }
    }
}

/// What one refresh takes of a processor, in microseconds.
#[derive(Default)]
struct Costs {
    database: Rounds,
    signatures: Rounds,
    rest: Rounds,
    all: Rounds,
}

impl Costs {
    fn push(&mut self, spent: &Spent, done: &Done) {
        let each = |span: Duration| span.as_secs_f64() * 1e6 / done.times.len() as f64;
        let (database, service) = (each(spent.database), each(spent.service));
        let signatures = signatures();
        self.database.push(database);
        self.signatures.push(signatures);
        self.rest.push((service - signatures).max(0.0));
        self.all.push(database + service);
    }

    fn tell(&self, table: &mut Table, many: usize) {
        for (part, rounds) in [
            ("database", &self.database),
            ("signatures: two made, one checked", &self.signatures),
            ("HTTP and all else of the service", &self.rest),
        ] {
            let what = format!("processor a refresh over HTTP, {many} clients: {part}");
            table.compare(&what, "µs", rounds, ("the whole of it", &self.all));
        }
    }
}

/// What the service signs for one refresh and what it checks, by the crates that it uses, in
/// microseconds.
fn signatures() -> f64 {
    const TIMES: u32 = 200;
    let key = SigningKey::from_bytes(&[7; 32]);
    let pair = Ed25519KeyPair::from_seed_unchecked(key.as_bytes()).unwrap();
    let kid = "k1".parse().unwrap();
    let id = "00000000-0000-7000-8000-000000000000";
    let claims = json!({
        "iss": "http://127.0.0.1:8080", "aud": "api", "sub": id, "client_id": "app", "sid": id,
        "jti": id, "iat": 1_764_000_000, "exp": 1_764_000_900, "pos": 1_764_000_000_000_000_u64,
        "auth_time": 1_764_000_000,
    });
    let sign = |claims: &serde_json::Value| {
        let claims = serde_json::to_vec(claims).unwrap();
        let by = |text: &[u8]| pair.sign(text).as_ref().try_into().unwrap();
        jws::sign_by("at+jwt", &kid, &claims, by)
    };
    let signed = sign(&claims);
    let signature: Signature = key.sign(signed.as_bytes());
    let public = key.verifying_key();
    let began = on_processor();
    for _ in 0..TIMES {
        for _ in 0..2 {
            black_box(sign(black_box(&claims)));
        }
        let checked = black_box(&public).verify_strict(signed.as_bytes(), &signature);
        black_box(checked).unwrap();
    }
    ((on_processor() - began) / TIMES).as_secs_f64() * 1e6
}

/// What whoever has no groups does, a second: bare statements, with neither tokens nor HTTP.
async fn transactions(pool: &sqlx::PgPool, many: usize, span: Duration) -> f64 {
    let began = Instant::now();
    let working = (0..many).map(|id| async move {
        let mut done = 0_u32;
        while began.elapsed() < span {
            one_transaction(pool, i64::try_from(id).unwrap()).await;
            done += 1;
        }
        done
    });
    let done: u32 = join_all(working).await.into_iter().sum();
    f64::from(done) / began.elapsed().as_secs_f64()
}

async fn prepare(database: &str) -> sqlx::PgPool {
    let options = sqlx::postgres::PgPoolOptions::new().max_connections(16);
    let pool = options.connect(database).await.unwrap();
    for statement in [
        "create table bench_session (id bigint primary key, generation bigint not null)",
        "create table bench_event (id bigint, version bigint, data jsonb, primary key (id, version))",
        "insert into bench_session select n, 1 from generate_series(0, 9999) n",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    pool
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
