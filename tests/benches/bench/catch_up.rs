//! A verifier that starts when a million revocations are alive: a thousand full pages.

use crate::alone;
use crate::effort;
use crate::rounds::Rounds;
use crate::table::Table;
use crate::tokens::{ISSUER, Issuer, POSITION, revocation};
use revocation_events::subject::REVOCATIONS_STREAM;
use revocation_events::{Page, Position, UnixMillis};
use sqlx::{Connection as _, Executor as _, PgConnection};
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tests::folder::Folder;
use tests::session_api::{SessionApi, Settings};
use tests::{Nats, Postgres};
use verifier_sdk::Verifier;
use verifier_sdk::bench::RevokedSet;

pub(crate) const NAME: &str = "catch-up";
/// What the others are held beside.
const SET: &str = "the set alone";
const PATIENCE: Duration = Duration::from_secs(300);

/// Time in milliseconds, and bytes a revocation.
type Figures = [Rounds; 2];

pub(crate) async fn measure(table: &mut Table) {
    let postgres = Postgres::start().await;
    for many in effort::of(vec![10_000, 100_000, 1_000_000], vec![100_000]) {
        of(table, &postgres, many, effort::of(5, 1)).await;
    }
}

/// Ten times as many as are measured else, once: that takes some minutes.
pub(crate) async fn measure_large(table: &mut Table) {
    of(table, &Postgres::start().await, 10_000_000, 1).await;
}

async fn of(table: &mut Table, postgres: &Postgres, many: u64, rounds: usize) {
    let folder = Folder::new("pages-");
    let nats = Nats::start().await;
    let database = postgres.database().await;
    let settings = Settings::new(database.url()).nats(&nats.url());
    settings.must_run(&["migrate"], "").await;
    has_revocations(database.url(), many).await;
    let service = SessionApi::start(&settings).await;
    let credential = service.has_client("bench").await;
    stream_is_filled(&nats, many).await;
    let file = folder.path().join(many.to_string());
    write_pages(&file, many);
    let from = |client: &str, secret: &str, nats: &str| {
        format!("{many} {} {client} {secret} {nats}", service.issuer())
    };
    let ways = [
        (SET, format!("{many} set")),
        ("pages at hand", format!("{many} pages {}", file.display())),
        (
            "over HTTP",
            from(&credential.client, &credential.secret, ""),
        ),
        // With a credential that the service does not know: what it may not read over HTTP, it
        // reads from the stored stream.
        ("from the stream", from("bench", "wrong", &nats.url())),
    ];
    let mut figures: [Figures; 4] = Default::default();
    for _ in 0..rounds {
        for ((_, way), rounds) in ways.iter().zip(&mut figures) {
            let [time, memory] = rounds;
            let (millis, bytes) = alone::two_figures(NAME, way);
            time.push(millis);
            memory.push(bytes);
        }
    }
    tell(table, many, &ways.map(|(way, _)| way), &figures);
}

fn tell(table: &mut Table, many: u64, ways: &[&str], figures: &[Figures]) {
    let units = [("time", "ms"), ("memory a revocation, at most", "B")];
    for (number, (of, unit)) in units.into_iter().enumerate() {
        let set = &figures[0][number];
        for (way, rounds) in ways.iter().zip(figures) {
            let name = format!("catch-up of {many} revocations, {way}: {of}");
            if *way == SET {
                table.alone(&name, unit, set);
            } else {
                table.compare(&name, unit, &rounds[number], (SET, set));
            }
        }
    }
}

/// As if so many sessions had been revoked one after another, in the last minutes.
async fn has_revocations(url: &str, many: u64) {
    let mut raw = PgConnection::connect(url).await.unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (millis, first) = (now.as_millis(), now.as_micros() - 60_000_000);
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
async fn stream_is_filled(nats: &Nats, many: u64) {
    let client = async_nats::connect(nats.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let pages = many / 1_000;
    tests::eventually("the stream is filled", PATIENCE, async || {
        let stream = context.get_stream(REVOCATIONS_STREAM).await;
        stream.is_ok_and(|stream| stream.cached_info().state.messages >= pages)
    })
    .await;
}

/// Signed, one a line: made in another process than takes them, which would else take them into memory
/// that the making has left.
fn write_pages(file: &Path, many: u64) {
    let issuer = Issuer::new(7);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = UnixMillis::default().plus(now);
    let position = |n| Position::new(POSITION + n).unwrap();
    let revoked: Vec<_> = (0..many).map(revocation).collect();
    let ends = (position(0), position(many));
    let mut file = BufWriter::new(File::create(file).unwrap());
    for page in Page::cut(ISSUER, at, ends, position(0), &revoked) {
        writeln!(file, "{}", page.sign(issuer.kid(), issuer.key())).unwrap();
    }
    file.flush().unwrap();
}

/// One of the ways, in a process of its own.
pub(crate) async fn alone(table: &mut Table, argument: &str) {
    let words: Vec<_> = argument.split(' ').collect();
    let many: u64 = words[0].parse().unwrap();
    let before = alone::memory();
    let (took, most) = match words[1..] {
        ["set"] => set_alone(many),
        ["pages", file] => pages_at_hand(Path::new(file)),
        [issuer, client, secret, nats] => {
            from_a_service(many, [issuer, client, secret, nats]).await
        }
        _ => unreachable!("{argument}"),
    };
    let bytes = most.saturating_sub(before) as f64 / many as f64;
    table.alone("time", "ms", &Rounds::once(took.as_secs_f64() * 1e3));
    table.alone("memory", "B", &Rounds::once(bytes));
}

fn set_alone(many: u64) -> (Duration, u64) {
    let set = RevokedSet::default();
    let began = Instant::now();
    for n in 0..many {
        set.insert(&[revocation(n)]);
    }
    (began.elapsed(), alone::memory())
}

/// Signatures, JSON and inserts, without a transport.
fn pages_at_hand(file: &Path) -> (Duration, u64) {
    let mut follower = Issuer::new(7).judge(0).follower();
    let mut took = Duration::ZERO;
    for page in BufReader::new(File::open(file).unwrap()).lines() {
        let page = page.unwrap();
        let began = Instant::now();
        assert!(follower.take(&page));
        took += began.elapsed();
    }
    (took, alone::memory())
}

async fn from_a_service(many: u64, [issuer, client, secret, nats]: [&str; 4]) -> (Duration, u64) {
    let builder = Verifier::builder(issuer, "api")
        .client(client, secret)
        .cache_bytes(0)
        .max_staleness(PATIENCE)
        .start_timeout(PATIENCE);
    let builder = if nats.is_empty() {
        builder
    } else {
        builder.nats(nats)
    };
    let began = Instant::now();
    let verifier = builder.start().await.unwrap();
    let figures = (began.elapsed(), peak());
    assert_eq!(verifier.status().cutoffs as u64, many);
    verifier.shutdown().await;
    figures
}

/// The most that this process ever had in memory, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}
