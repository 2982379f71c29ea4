//! A verifier that starts when a million revocations are alive: a thousand full pages.

use crate::alone;
use crate::effort;
use crate::table::Table;
use crate::tokens::{ISSUER, Issuer, POSITION, revocation};
use revocation_events::subject::REVOCATIONS_STREAM;
use revocation_events::{Page, Position, UnixMillis};
use sqlx::{Connection as _, Executor as _, PgConnection};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tests::session_api::{SessionApi, Settings};
use tests::{Nats, Postgres};
use verifier_sdk::Verifier;
use verifier_sdk::bench::RevokedSet;

pub(crate) const NAME: &str = "catch-up";
const GOAL: f64 = 3_000.0;
const PATIENCE: Duration = Duration::from_secs(120);

/// How many are alive.
fn revocations() -> u64 {
    effort::of(1_000_000, 100_000)
}

pub(crate) async fn measure(table: &mut Table) {
    alone::measure(table, NAME, "the set alone");
    alone::measure(table, NAME, "pages at hand");
    let (postgres, nats) = (Postgres::start().await, Nats::start().await);
    let database = postgres.database().await;
    let settings = Settings::new(database.url()).nats(&nats.url());
    settings.must_run(&["migrate"], "").await;
    has_revocations(database.url()).await;
    let service = SessionApi::start(&settings).await;
    let credential = service.has_client("bench").await;
    stream_is_filled(&nats).await;
    let with = |nats: &str| {
        let settings = [
            service.issuer(),
            &credential.client,
            &credential.secret,
            nats,
        ];
        settings.join(" ")
    };
    alone::measure(table, NAME, &with(""));
    // A credential that the service does not know: what it may not read over HTTP, it reads from the
    // stored stream.
    let stream = [service.issuer(), "bench", "wrong", &nats.url()].join(" ");
    alone::measure(table, NAME, &stream);
}

/// As if a million sessions had been revoked one after another, in the last minutes.
async fn has_revocations(url: &str) {
    let mut raw = PgConnection::connect(url).await.unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (millis, first) = (now.as_millis(), now.as_micros() - 60_000_000);
    let many = revocations();
    let sql = format!(
        "insert into revocation (position, at, kind, subject) \
         select {first} + n, {millis}, 'session', gen_random_uuid()::text \
         from generate_series(1, {many}) n; \
         update log_head set position = {first} + {many}"
    );
    raw.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)))
        .await
        .unwrap();
}

/// A service that starts beside an empty stream fills it with the very pages, which is no part of a
/// verifier's start.
async fn stream_is_filled(nats: &Nats) {
    let client = async_nats::connect(nats.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let pages = revocations() / 1_000;
    tests::eventually("the stream is filled", PATIENCE, async || {
        let stream = context.get_stream(REVOCATIONS_STREAM).await;
        stream.is_ok_and(|stream| stream.cached_info().state.messages >= pages)
    })
    .await;
}

/// One of the measures, in a process of its own.
pub(crate) async fn alone(table: &mut Table, what: &str) {
    match what {
        "the set alone" => set_alone(table),
        "pages at hand" => pages_at_hand(table),
        service => from_a_service(table, service).await,
    }
}

fn set_alone(table: &mut Table) {
    let before = alone::memory();
    let set = RevokedSet::default();
    let began = Instant::now();
    for n in 0..revocations() {
        set.insert(&[revocation(n)]);
    }
    rows(
        table,
        "the set alone",
        began.elapsed(),
        before,
        alone::memory(),
    );
}

/// Signatures, JSON and inserts, without a transport.
fn pages_at_hand(table: &mut Table) {
    let issuer = Issuer::new(7);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = UnixMillis::default().plus(now);
    let position = |n| Position::new(POSITION + n).unwrap();
    let revoked: Vec<_> = (0..revocations()).map(revocation).collect();
    let ends = (position(0), position(revocations()));
    let pages: Vec<_> = Page::cut(ISSUER, at, ends, position(0), &revoked)
        .iter()
        .map(|page| page.sign(issuer.kid(), issuer.key()))
        .collect();
    drop(revoked);
    let mut follower = issuer.judge(0).follower();
    let before = alone::memory();
    let began = Instant::now();
    for page in &pages {
        assert!(follower.take(page));
    }
    rows(
        table,
        "pages at hand",
        began.elapsed(),
        before,
        alone::memory(),
    );
}

async fn from_a_service(table: &mut Table, service: &str) {
    let mut words = service.split(' ');
    let mut word = || words.next().unwrap();
    let (issuer, client, secret, nats) = (word(), word(), word(), word());
    let builder = Verifier::builder(issuer, "api")
        .client(client, secret)
        .cache_bytes(0)
        .max_staleness(PATIENCE)
        .start_timeout(PATIENCE);
    let (builder, how) = if nats.is_empty() {
        (builder, "over HTTP")
    } else {
        (builder.nats(nats), "from the stream")
    };
    let before = alone::memory();
    let began = Instant::now();
    let verifier = builder.start().await.unwrap();
    let took = began.elapsed();
    let most = peak();
    assert_eq!(verifier.status().cutoffs as u64, revocations());
    rows(table, how, took, before, most);
    verifier.shutdown().await;
}

fn rows(table: &mut Table, how: &str, took: Duration, before: u64, after: u64) {
    let many = revocations();
    let name = |what: &str| format!("catch-up of {many} revocations, {how}: {what}");
    let millis = took.as_secs_f64() * 1e3;
    table.row(&name("time"), millis, "the goal", GOAL, "ms");
    let bytes = after.saturating_sub(before) as f64 / many as f64;
    table.row(
        &name("memory a revocation, at most"),
        bytes,
        "twice the goal of the set",
        60.0,
        "B",
    );
}

/// The most that this process ever had in memory, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}
