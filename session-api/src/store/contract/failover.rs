//! Another database than the one that the head was written by: Postgres alone has failovers.

use super::Db;
use super::fixture::*;
use crate::clock;
use crate::store::Store;
use revocation_events::Position;
use std::time::Duration;

/// What a failover adds to the head.
const RAISE: u64 = 600_000_000;

async fn take(store: &dyn Store, seen: Position) -> (Position, Position) {
    let mut tx = store.begin().await.unwrap();
    let taken = tx.take_position(seen).await.unwrap();
    tx.commit().await.unwrap();
    (taken.previous, taken.position)
}

/// A failover that lost the last commits: the head is raised above all that anyone can have seen,
/// and once.
#[tokio::test]
async fn another_database_raises_the_head_before_a_position_is_taken() {
    let db = Db::postgres().await;
    let (_, first) = take(&*db.store, Position::ZERO).await;
    let now = clock::now().get() * 1_000;
    assert!(first.get() < now + RAISE / 2, "a new head is nobody's");
    let (_, second) = take(&*db.store, Position::ZERO).await;
    assert!(
        second.get() - first.get() < RAISE,
        "a new database is not another one"
    );
    for other in [
        "update log_head set system_identifier = system_identifier + 1",
        "update log_head set timeline = '0000000F'",
        "update log_head set timeline = null",
    ] {
        let before = db.store.head().await.unwrap().position;
        db.execute(other).await.unwrap();
        let (previous, position) = take(&*db.store, Position::ZERO).await;
        assert_eq!(previous, before);
        assert!(position.get() > before.get() + RAISE, "{other}");
        let (_, next) = take(&*db.store, Position::ZERO).await;
        assert_eq!(next.get(), position.get() + 1, "raised twice");
    }
    // What verifiers have seen counts, too.
    let seen = pos(db.store.head().await.unwrap().position.get() + 5_000_000_000);
    db.execute("update log_head set system_identifier = 1")
        .await
        .unwrap();
    let (_, position) = take(&*db.store, seen).await;
    assert_eq!(position.get(), seen.get() + RAISE + 1);
}

#[tokio::test]
async fn another_database_raises_the_head_before_a_cut() {
    let db = Db::postgres().await;
    let head = revoke(&*db.store, everyone(), Duration::ZERO).await;
    let replica = replica(MINUTE);
    assert_eq!(cut(&*db.store, replica, Position::ZERO).await.to, head);
    db.execute("update log_head set system_identifier = system_identifier + 1")
        .await
        .unwrap();
    let seen = pos(head.get() + 77);
    let after = db.store.cut(replica, seen, seen, ALL).await.unwrap();
    assert!(after.to.get() >= seen.get() + RAISE);
    assert_eq!((after.from, after.revoked.len()), (seen, 0));
    let again = cut(&*db.store, replica, seen).await;
    assert_eq!(again.to, after.to, "raised twice");
    let (previous, position) = take(&*db.store, Position::ZERO).await;
    assert_eq!((previous, position.get()), (after.to, after.to.get() + 1));
}

/// A standby may take over that lacks even the first revocation, and must not be taken for a log that went
/// back.
#[tokio::test]
async fn a_new_log_knows_its_database_before_anything_was_revoked() {
    let db = Db::postgres().await;
    let replica = replica(MINUTE);
    let new = cut(&*db.store, replica, Position::ZERO).await;
    assert_eq!(new.to, Position::ZERO, "nothing is raised");
    db.execute("update log_head set timeline = '0000000F'")
        .await
        .unwrap();
    let lost = pos(clock::now().get() * 1_000);
    let after = db.store.cut(replica, lost, lost, ALL).await.unwrap();
    assert!(after.to.get() >= lost.get() + RAISE);
}

/// Many find it at once; one raises.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_raise_the_head_once_together() {
    let db = Db::postgres().await;
    let before = revoke(&*db.store, everyone(), Duration::ZERO).await;
    db.execute("update log_head set timeline = '0000000F'")
        .await
        .unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let store = db.store.clone();
            tokio::spawn(async move {
                if n % 2 == 0 {
                    revoke(&*store, everyone(), Duration::ZERO).await
                } else {
                    cut(&*store, replica(MINUTE), Position::ZERO).await.to
                }
            })
        })
        .collect();
    for task in tasks {
        let position = task.await.unwrap().get();
        assert!(position >= before.get() + RAISE);
    }
    let after = db.store.head().await.unwrap().position;
    // The clock has moved on by less than the ten minutes of a second raise.
    assert!(after.get() < before.get() + 2 * RAISE);
}
