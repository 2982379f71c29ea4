//! So many revocations a second, one session after another, beside clients that refresh and ten
//! verifiers that must know them all. They are sent by the clock, whether the ones before were answered
//! or not, and their times count from the moment at which they were due.

use crate::crowd::{self, Operator};
use crate::effort;
use crate::load::{Connection, address};
use crate::machine;
use crate::refresh::clients::{self, Client};
use crate::rounds::Rounds;
use crate::samples::Samples;
use crate::table::Table;
use crate::verifiers;
use futures::future::join_all;
use revocation_events::Position;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tests::session_api::{SessionApi, Settings};
use tests::{Nats, Postgres, eventually};
use verifier_sdk::Verifier;

pub(crate) const NAME: &str = "storm";
const VERIFIERS: usize = 10;
const SENDERS: usize = 64;
const CLIENTS: usize = 8;
/// Between two refreshes of one client.
const PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn measure(table: &mut Table) {
    let (postgres, nats) = (Postgres::start().await, Nats::start().await);
    let database = postgres.database().await;
    let settings = Settings::new(database.url()).nats(&nats.url());
    let service = SessionApi::start(&settings).await;
    Operator::exists(&service).await;
    let owner = crowd::add_user(&service, database.url(), "owner").await;
    let rates = effort::of(vec![(100, 20), (1_000, 60), (10_000, 10)], vec![(1_000, 5)]);
    let many = rates.iter().map(|(rate, seconds)| rate * seconds).sum();
    crowd::fill(database.url(), many, &owner, many).await;
    let sessions: Vec<String> =
        sqlx::query_scalar("select id::text from session where user_id = $1::uuid order by id")
            .bind(&owner)
            .fetch_all(&mut crowd::raw(database.url()).await)
            .await
            .unwrap();
    let verifiers = verifiers::start(&service, &nats, VERIFIERS).await;
    let mut clients = clients::log_in(&service, "refreshing", CLIENTS).await;
    let parts = [
        ("the service", vec![machine::id(service.program().server())]),
        (
            "the database",
            machine::family(machine::id(postgres.server())),
        ),
        ("NATS", vec![machine::id(nats.server())]),
        ("the verifiers and all clients", vec![std::process::id()]),
    ];
    let mut rest = sessions.as_slice();
    for (rate, seconds) in rates {
        let (now, later) = rest.split_at(rate * seconds);
        rest = later;
        let quiet = tokio::time::sleep(Duration::from_secs(effort::of(10, 3)));
        let ((), idle) = refreshes(&service, &mut clients, quiet).await;
        let operator = Operator::log_in(&service).await;
        let paths: Vec<_> = now
            .iter()
            .map(|session| format!("/admin/users/{owner}/sessions/{session}"))
            .collect();
        let known = verifiers[0].status().cutoffs;
        let spent = || {
            parts
                .each_ref()
                .map(|(_, processes)| machine::cpu(processes))
        };
        let (before, began) = (spent(), Instant::now());
        let storm = storm(&operator, &verifiers, &paths, rate);
        let (storm, beside) = refreshes(&service, &mut clients, storm).await;
        let (after, span) = (spent(), began.elapsed());
        for verifier in &verifiers {
            assert_eq!(verifier.status().cutoffs, known + now.len());
        }
        tell(table, rate, &storm, &idle, &beside);
        for (n, (part, _)) in parts.iter().enumerate() {
            // Processes of Postgres that have ended meanwhile are not counted.
            let spent = after[n].saturating_sub(before[n]).as_secs_f64();
            let cores = Rounds::once(spent / span.as_secs_f64());
            let what = format!("{rate} revocations/s: cores in use by {part}");
            table.alone(&what, "cores", &cores);
        }
    }
    for verifier in verifiers {
        verifier.shutdown().await;
    }
}

fn tell(table: &mut Table, rate: usize, storm: &Storm, idle: &Samples, beside: &Samples) {
    let once = |figure: f64| Rounds::once(figure);
    let name = format!("{rate} revocations/s");
    let done = once(storm.acknowledged);
    table.alone(&format!("{name} asked for: acknowledged"), "/s", &done);
    for percent in [50, 99] {
        let what = format!("{name}: one of them, p{percent}");
        table.alone(&what, "ms", &once(storm.times.millis(percent)));
        let what = format!("{name}: a refresh beside them, p{percent}");
        let others = once(idle.millis(percent));
        table.compare(
            &what,
            "ms",
            &once(beside.millis(percent)),
            ("idle", &others),
        );
    }
    let behind = format!("{name}: a verifier behind an acknowledgement");
    table.alone(
        &format!("{behind}, p99"),
        "ms",
        &once(storm.behind.millis(99)),
    );
    table.alone(
        &format!("{behind}, worst"),
        "ms",
        &once(storm.behind.millis(100)),
    );
    let what = format!("{name}: from the last acknowledgement until all ten know it");
    table.alone(&what, "ms", &once(storm.until_all_know.as_secs_f64() * 1e3));
}

/// What became of the revocations.
struct Storm {
    acknowledged: f64,
    times: Samples,
    /// For how long a verifier had not what was acknowledged, looked at every few milliseconds.
    behind: Samples,
    until_all_know: Duration,
}

async fn storm(
    operator: &Operator,
    verifiers: &[Verifier],
    paths: &[String],
    rate: usize,
) -> Storm {
    let mut connections = Vec::new();
    for _ in 0..SENDERS {
        connections.push(operator.connect().await);
    }
    let (next, last, over) = (
        AtomicUsize::new(0),
        AtomicU64::new(0),
        AtomicBool::new(false),
    );
    let began = Instant::now();
    let sending = connections.into_iter().map(|mut connection| {
        let (next, last) = (&next, &last);
        async move {
            let mut times = Samples::default();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let Some(path) = paths.get(n) else {
                    return times;
                };
                let due = began + Duration::from_secs(1) * n as u32 / rate as u32;
                tokio::time::sleep_until(due.into()).await;
                let answer = operator.calls(&mut connection, "DELETE", path).await;
                times.push(due.elapsed());
                last.fetch_max(position(&answer), Ordering::Relaxed);
            }
        }
    });
    let sending = async {
        let mut times = Samples::default();
        for some in join_all(sending).await {
            times.append(some);
        }
        let acknowledged = times.len() as f64 / began.elapsed().as_secs_f64();
        let ended = Instant::now();
        let last = last.load(Ordering::Relaxed);
        eventually(
            "every verifier knows the last revocation",
            PATIENCE,
            async || verifiers.iter().all(|verifier| head(verifier) >= last),
        )
        .await;
        over.store(true, Ordering::Relaxed);
        (times, acknowledged, ended.elapsed())
    };
    let ((times, acknowledged, until_all_know), behind) =
        tokio::join!(sending, watch(verifiers, &last, &over));
    Storm {
        acknowledged,
        times,
        behind,
        until_all_know,
    }
}

/// How long ago the oldest was acknowledged that the slowest verifier has not got.
async fn watch(verifiers: &[Verifier], last: &AtomicU64, over: &AtomicBool) -> Samples {
    let mut behind = Samples::default();
    // Acknowledged by then, and not known to all yet.
    let mut open = std::collections::VecDeque::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    while !over.load(Ordering::Relaxed) {
        ticks.tick().await;
        open.push_back((last.load(Ordering::Relaxed), Instant::now()));
        let slowest = verifiers.iter().map(head).min().unwrap_or_default();
        while open
            .front()
            .is_some_and(|(position, _)| *position <= slowest)
        {
            open.pop_front();
        }
        behind.push(
            open.front()
                .map_or(Duration::ZERO, |(_, since)| since.elapsed()),
        );
    }
    behind
}

fn head(verifier: &Verifier) -> u64 {
    verifier.status().head.map_or(0, Position::get)
}

fn position(answer: &Value) -> u64 {
    let position = &answer["position"];
    let text = position.as_str().and_then(|text| text.parse().ok());
    position.as_u64().or(text).unwrap()
}

/// The times of refreshes while `work` goes on.
async fn refreshes<T>(
    service: &SessionApi,
    clients: &mut [Client],
    work: impl Future<Output = T>,
) -> (T, Samples) {
    let over = AtomicBool::new(false);
    let work = async {
        let done = work.await;
        over.store(true, Ordering::Relaxed);
        done
    };
    let until = &over;
    let refreshing = clients.iter_mut().map(|client| async move {
        let mut connection = Connection::open(address(service.url())).await;
        let mut times = Samples::default();
        while !until.load(Ordering::Relaxed) {
            let began = Instant::now();
            client.once(&mut connection).await;
            times.push(began.elapsed());
            tokio::time::sleep(PAUSE).await;
        }
        times
    });
    let (done, times) = tokio::join!(work, join_all(refreshing));
    let mut all = Samples::default();
    for some in times {
        all.append(some);
    }
    (done, all)
}
