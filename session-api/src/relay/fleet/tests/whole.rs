//! When a fence may say that all have applied a revocation: when nobody else can be live.

use super::*;

/// It began long ago, and all has been well; and will be for a minute, however long this machine takes to
/// read ten thousand reports.
fn well_for_long(fleet: &Fleet) {
    const LONG: u64 = 700;
    let began = Instant::now().checked_sub(Duration::from_secs(LONG));
    *lock(&fleet.ears) = Ears::new(true, began.unwrap());
    reports_come(fleet, began.unwrap(), 0, LONG + 60);
}

/// They come by HTTP, or by the bus to a verifier without one: both are here when it is back, the next
/// heartbeat makes them fresh, and their reports come up to two seconds later.
#[tokio::test]
async fn who_could_not_report_while_the_database_was_away_may_still_be_there() {
    let world = begins().await;
    let World { fleet, .. } = &world;
    let brief = Status {
        max_staleness_ms: 10_000,
        ..status("i", 1)
    };
    fleet.posted(Some("orders"), &brief).await.unwrap();
    world.ages(31).await;
    let now = Instant::now();
    let ago = |seconds| now.checked_sub(Duration::from_secs(seconds)).unwrap();
    reports_come(fleet, ago(60), 0, 30);
    for half_seconds in 0..60 {
        let then = ago(30) + Duration::from_millis(500 * half_seconds);
        fleet.hears(true, then);
        fleet.can_read(false, then);
    }
    fleet.hears(true, now);
    fleet.can_read(true, now);
    let applied = fleet.fence(position(5), Instant::now()).await.unwrap();
    assert_eq!(applied.missing.len(), 1);
    assert!(!applied.whole);

    // Whoever had been silent for long before is gone.
    world.ages(60).await;
    let applied = fleet.fence(position(5), Instant::now()).await.unwrap();
    assert_eq!((applied.live, applied.whole), (0, false));
}

/// Without anything to wait for. Nobody is missing.
async fn says_that_all_have_applied(fleet: &Fleet) -> bool {
    let applied = fleet.fence(position(5), Instant::now()).await.unwrap();
    assert_eq!(applied.missing, []);
    applied.whole
}

#[tokio::test]
async fn no_fence_says_that_all_have_applied_while_there_is_no_room_for_one() {
    let World { fleet, .. } = &begins().await;
    well_for_long(fleet);
    let now = Instant::now();
    for n in 0..MAX_INSTANCES {
        fleet.heard("orders".to_owned(), status(&format!("i{n}"), 9), now);
    }
    assert!(says_that_all_have_applied(fleet).await);
    fleet.heard("orders".to_owned(), status("one-more", 1), now);
    assert!(!says_that_all_have_applied(fleet).await);
}

/// The post may have come to another replica.
#[tokio::test]
async fn nor_while_there_is_none_in_the_table() {
    let world = begins().await;
    let World { fleet, .. } = &world;
    well_for_long(fleet);
    world.has_posts(MAX_INSTANCES - 1).await;
    assert!(says_that_all_have_applied(fleet).await);
    world.has_posts(MAX_INSTANCES).await;
    assert!(!says_that_all_have_applied(fleet).await);

    // Here it is known that somebody found no room, also when there is some again.
    let late = status("one-more", 9);
    fleet.posted(Some("orders"), &late).await.unwrap();
    world.ages(3_601).await;
    assert!(!says_that_all_have_applied(fleet).await);
    well_for_long(fleet);
    lock(&fleet.heard).crowded_until = None;
    assert!(says_that_all_have_applied(fleet).await);
}
