//! Who is taken for live, and what fences cost.

mod whole;

use super::newest::live;
use super::*;
use crate::store::{IfMissing, connect};
use ::tests::Postgres;
use serde_json::json;

const HOUR: Duration = Duration::from_secs(3600);

fn position(n: u64) -> Position {
    Position::new(n).unwrap()
}

fn status(instance: &str, head: u64) -> Status {
    serde_json::from_value(json!({
        "service": "orders", "instance": instance, "version": "0.1.0", "head": head, "fresh": true,
        "age_ms": 12, "max_staleness_ms": 600_000,
        "counts": { "accepted": 1, "refused": 2, "unavailable": 3, "pages": 4, "pages_refused": 0 },
    }))
    .unwrap()
}

fn goodbye(instance: &str) -> Status {
    Status {
        goodbye: true,
        ..status(instance, 9)
    }
}

struct World {
    fleet: Fleet,
    folder: tempfile::TempDir,
}

async fn begins() -> World {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("log.db").display());
    let store = connect(&url, IfMissing::Create).await.unwrap();
    store.migrate().await.unwrap();
    World {
        fleet: Fleet::new(store, true),
        folder,
    }
}

impl World {
    async fn ages(&self, seconds: u32) {
        let ages = sqlx::query("update verifier_status set seen_at = seen_at - $1 * 1000");
        ages.bind(seconds)
            .execute(&self.pool().await)
            .await
            .unwrap();
    }

    /// So many instances of one credential have posted reports.
    async fn has_posts(&self, many: u32) {
        const SQL: &str = "with recursive n (i) as (select 1 union all select i + 1 from n where i < $1) \
                           insert or ignore into verifier_status (client, instance, report, seen_at) \
                           select 'orders', 'i' || i, $2, $3 from n";
        let report = serde_json::to_string(&status("i", 9)).unwrap();
        let now = i64::try_from(crate::clock::now().get()).unwrap();
        let posts = sqlx::query(SQL).bind(many).bind(report).bind(now);
        posts.execute(&self.pool().await).await.unwrap();
    }

    async fn pool(&self) -> sqlx::SqlitePool {
        let url = format!("sqlite:{}", self.folder.path().join("log.db").display());
        sqlx::SqlitePool::connect(&url).await.unwrap()
    }
}

/// Reports come from `from` to `to`, in seconds after the beginning.
fn reports_come(fleet: &Fleet, began: Instant, from: u64, to: u64) {
    for half_seconds in 2 * from..=2 * to {
        let now = began + Duration::from_millis(500 * half_seconds);
        fleet.hears(true, now);
        fleet.can_read(true, now);
    }
}

/// The heads of those that live, of reports that came so many seconds ago.
fn heads(reports: &[(&str, u64, Status)]) -> Vec<u64> {
    let now = Instant::now();
    let report = |(client, seconds, status): &(&str, u64, Status)| {
        Arc::new(Verifier {
            client: (*client).to_owned(),
            status: status.clone(),
            seen: now.checked_sub(Duration::from_secs(*seconds)).unwrap(),
        })
    };
    let reports: Vec<_> = reports.iter().map(report).collect();
    let live = live(reports.iter());
    let mut heads: Vec<_> = live
        .iter()
        .map(|verifier| verifier.status.head.unwrap().get())
        .collect();
    heads.sort_unstable();
    heads
}

#[test]
fn the_newest_report_of_a_verifier_counts_whichever_way_it_came() {
    // What came over NATS stands first, as it does when both are looked at.
    for (case, over_nats, over_http, expected, of_anyone) in [
        (
            "fell back",
            (3, status("i", 1)),
            (1, status("i", 2)),
            &[2][..],
            &[1, 2][..],
        ),
        (
            "came back",
            (1, status("i", 3)),
            (3, status("i", 2)),
            &[3],
            &[3],
        ),
        (
            "head gone",
            (3, status("i", 9)),
            (1, status("i", 2)),
            &[2],
            &[2, 9],
        ),
        (
            "left by HTTP",
            (3, status("i", 1)),
            (1, goodbye("i")),
            &[],
            &[1],
        ),
        (
            "left by NATS",
            (1, goodbye("i")),
            (3, status("i", 1)),
            &[],
            &[],
        ),
    ] {
        // Without a credential it may be anybody, and ends nothing.
        for (client, expected) in [("orders", expected), (ANYONE, of_anyone)] {
            let reports = [
                ("orders", over_nats.0, over_nats.1.clone()),
                (client, over_http.0, over_http.1.clone()),
            ];
            assert_eq!(heads(&reports), expected, "{case}, over HTTP as {client}");
            let [one, other] = reports;
            assert_eq!(
                heads(&[other, one]),
                expected,
                "{case}, as {client}, turned round"
            );
        }
    }
}

#[tokio::test]
async fn no_credential_speaks_for_the_verifier_of_another() {
    let World { fleet, .. } = &begins().await;
    fleet.heard("orders".to_owned(), status("i", 1), Instant::now());
    fleet.posted(Some("thief"), &goodbye("i")).await.unwrap();
    fleet.posted(Some("gate"), &status("i", 9)).await.unwrap();
    let applied = fleet.fence(position(5), Instant::now()).await.unwrap();
    assert_eq!(applied.live, 2);
    assert_eq!(applied.missing.len(), 1);
    assert_eq!(applied.missing[0].client, "orders");
}

#[tokio::test]
async fn nobody_without_a_credential_hides_a_verifier_that_has_one() {
    let World { fleet, .. } = &begins().await;
    fleet.posted(Some("orders"), &status("i", 1)).await.unwrap();
    fleet.posted(None, &goodbye("i")).await.unwrap();
    fleet.posted(None, &status("i", 9)).await.unwrap();
    let applied = fleet.fence(position(5), Instant::now()).await.unwrap();
    assert_eq!(applied.missing.len(), 1);
    assert_eq!(applied.missing[0].client, "orders");
}

#[tokio::test]
async fn no_credential_takes_the_places_of_all_others() {
    let World { fleet, .. } = &begins().await;
    let now = Instant::now();
    for n in 0..MAX_VERIFIERS + 10 {
        fleet.heard("thief".to_owned(), status(&format!("t{n}"), 9), now);
    }
    fleet.heard("orders".to_owned(), status("i", 1), now);
    let applied = fleet.fence(position(5), Instant::now()).await.unwrap();
    assert_eq!(applied.live, MAX_INSTANCES as usize + 1);
    assert_eq!(applied.missing.len(), 1);
    assert_eq!(applied.missing[0].client, "orders");
}

#[tokio::test]
async fn those_who_are_gone_make_room() {
    let World { fleet, .. } = &begins().await;
    let began = Instant::now();
    fleet.hears(true, began);
    for n in 0..MAX_INSTANCES {
        let brief = Status {
            max_staleness_ms: 0,
            ..status(&format!("gone-{n}"), 9)
        };
        fleet.heard("orders".to_owned(), brief, began);
    }
    reports_come(fleet, began, 0, 30);
    let later = began + Duration::from_secs(30);
    fleet.heard("orders".to_owned(), status("new", 1), later);
    let live = fleet.live().await.unwrap();
    assert_eq!(live.len(), 1);
    assert_eq!(live[0].status.instance, "new");
}

#[tokio::test]
async fn a_goodbye_over_nats_outlives_a_report_by_http() {
    let World { fleet, .. } = &begins().await;
    fleet.posted(Some("orders"), &status("i", 1)).await.unwrap();
    // However long the database takes to give the report's age, and however it rounds.
    let later = Instant::now() + Duration::from_secs(60);
    fleet.heard("orders".to_owned(), goodbye("i"), later);
    assert_eq!(fleet.live().await.unwrap(), []);
}

/// A function of that name in front of Postgres's own, for a database whose clock differs.
const HOUR_BEHIND: &str = "
    create function public.transaction_timestamp() returns timestamptz language sql as
        'select pg_catalog.transaction_timestamp() - interval ''1 hour''';
    do $$ begin
        execute format('alter database %I set search_path = public, pg_catalog',
                       current_database());
    end $$";

#[tokio::test]
async fn a_clock_that_differs_from_the_databases_hides_no_verifier() {
    let database = Postgres::fresh_database().await;
    let store = connect(database.url(), IfMissing::Fail).await.unwrap();
    store.migrate().await.unwrap();
    let pool = sqlx::PgPool::connect(database.url()).await.unwrap();
    sqlx::raw_sql(HOUR_BEHIND).execute(&pool).await.unwrap();
    let store = connect(database.url(), IfMissing::Fail).await.unwrap();
    let fleet = Fleet::new(store, true);
    let brief = Status {
        max_staleness_ms: 0,
        ..status("i", 1)
    };
    fleet.posted(Some("orders"), &brief).await.unwrap();
    let stored = "select seen_at from verifier_status";
    let stored: i64 = sqlx::query_scalar(stored).fetch_one(&pool).await.unwrap();
    let behind = crate::clock::now()
        .minus(HOUR - Duration::from_secs(60))
        .get();
    assert!(
        stored < i64::try_from(behind).unwrap(),
        "the clocks are the same"
    );
    let applied = fleet.fence(position(5), Instant::now()).await.unwrap();
    assert_eq!((applied.live, applied.missing.len()), (1, 1));
}

#[tokio::test]
async fn many_fences_and_many_reports_cost_few_readings() {
    let World { fleet, .. } = &begins().await;
    let began = Instant::now();
    fleet.heard("orders".to_owned(), status("frozen", 1), began);
    let end = began + Duration::from_millis(500);
    let reports = async {
        let mut n = 1;
        while Instant::now() < end {
            n += 1;
            fleet.heard("orders".to_owned(), status("lively", n), Instant::now());
            tokio::task::yield_now().await;
        }
    };
    let fences = (0..20).map(|_| fleet.fence(position(2), end));
    let (found, ()) = tokio::join!(futures::future::join_all(fences), reports);
    for applied in found {
        assert_eq!(applied.unwrap().missing.len(), 1);
    }
    let most = began.elapsed().as_millis() / READ.as_millis() + 1;
    assert!(
        u128::from(fleet.reads()) <= most,
        "{} > {most}",
        fleet.reads()
    );
}

#[tokio::test]
async fn a_report_just_before_a_fence_is_not_overlooked() {
    let World { fleet, .. } = &begins().await;
    for n in 1..=3 {
        // A reading of the moment before, which does not know it.
        fleet.fence(position(2), Instant::now()).await.unwrap();
        let instance = format!("stored-{n}");
        fleet
            .posted(Some("orders"), &status(&instance, 1))
            .await
            .unwrap();
        let applied = fleet.fence(position(2), Instant::now()).await.unwrap();
        assert_eq!(applied.missing.len(), 2 * n - 1);
        fleet.heard(
            "orders".to_owned(),
            status(&format!("heard-{n}"), 1),
            Instant::now(),
        );
        let applied = fleet.fence(position(2), Instant::now()).await.unwrap();
        assert_eq!(applied.missing.len(), 2 * n);
    }
}

#[tokio::test]
async fn as_many_wait_as_may() {
    let World { fleet, .. } = &begins().await;
    let mut places: Vec<_> = std::iter::from_fn(|| fleet.place()).collect();
    assert_eq!(places.len(), MAX_FENCES);
    places.pop();
    assert!(fleet.place().is_some());
}
