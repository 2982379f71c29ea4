//! Cuts, floor, pruning, wake-ups.

use super::fixture::*;
use super::{BOUND, Db};
use crate::clock;
use crate::store::{Cut, Error, Replica};
use revocation_events::{Position, Target, UserId};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use uuid::Uuid;

const NOW: Duration = Duration::ZERO;

/// What verifiers' leeway and the margin add to a lifetime before a position is below the floor.
const MARGIN: Duration = Duration::from_secs(65);

pub(super) async fn a_cut_of_nothing_is_a_heartbeat(db: &Db) {
    let before = clock::now();
    let empty = cut(&*db.store, replica(MINUTE), Position::ZERO).await;
    let zero = Position::ZERO;
    let expected = Cut {
        at: empty.at,
        from: zero,
        to: zero,
        floor: zero,
        revoked: vec![],
        more: false,
    };
    assert_eq!(empty, expected);
    assert!(empty.at >= before && empty.at <= clock::now());

    let head = revoke(&*db.store, everyone(), NOW).await;
    let heartbeat = cut(&*db.store, replica(MINUTE), head).await;
    assert_eq!(
        (heartbeat.from, heartbeat.to, heartbeat.revoked.len()),
        (head, head, 0)
    );
}

pub(super) async fn a_cut_holds_all_after_its_start(db: &Db) {
    let user = UserId::new(Uuid::new_v4());
    let targets = [
        some_session(),
        Target::User {
            id: user,
            refresh: false,
        },
        Target::User {
            id: user,
            refresh: true,
        },
        some_key(),
        everyone(),
    ];
    let mut taken = Vec::new();
    for target in &targets {
        taken.push(revoke(&*db.store, target.clone(), NOW).await);
    }
    let all = cut(&*db.store, replica(MINUTE), Position::ZERO).await;
    assert_eq!(positions(&all.revoked), taken);
    let found: Vec<_> = all
        .revoked
        .iter()
        .map(|revocation| revocation.target.clone())
        .collect();
    assert_eq!(found, targets);
    assert_eq!(
        (all.from, all.to, all.more),
        (Position::ZERO, taken[4], false)
    );
    let rest = cut(&*db.store, replica(MINUTE), taken[2]).await;
    assert_eq!(positions(&rest.revoked), taken[3..]);
    assert_eq!(rest.from, taken[2]);
    let read = db.store.revocations(taken[0], taken[3], 2).await.unwrap();
    assert_eq!(positions(&read.revoked), taken[1..3]);
    let read = db.store.revocations(taken[0], taken[1], ALL).await.unwrap();
    assert_eq!(positions(&read.revoked), taken[1..2]);
    let read = db.store.revocations(taken[4], taken[4], ALL).await.unwrap();
    assert_eq!(positions(&read.revoked), []);
}

pub(super) async fn a_long_cut_goes_on_in_the_next(db: &Db) {
    let mut taken = Vec::new();
    for _ in 0..5 {
        taken.push(revoke(&*db.store, everyone(), HOUR).await);
    }
    let replica = replica(MINUTE);
    let mut from = Position::ZERO;
    let mut cuts = Vec::new();
    loop {
        let cut = db
            .store
            .cut(replica, from, Position::ZERO, 2)
            .await
            .unwrap();
        assert_eq!(cut.from, from);
        assert!(cut.floor <= cut.to);
        from = cut.to;
        let more = cut.more;
        cuts.push(cut);
        if !more {
            break;
        }
    }
    let read: Vec<_> = cuts.iter().map(|cut| positions(&cut.revoked)).collect();
    assert_eq!(read, [&taken[..2], &taken[2..4], &taken[4..]]);
    assert_eq!(from, taken[4]);
    // Exactly as many as the limit: nothing is left for another.
    let exact = db
        .store
        .cut(replica, taken[2], Position::ZERO, 2)
        .await
        .unwrap();
    assert_eq!((exact.more, exact.to), (false, taken[4]));
    // A limit of nothing would never come to an end.
    let one = db
        .store
        .cut(replica, taken[2], Position::ZERO, 0)
        .await
        .unwrap();
    assert_eq!(
        (positions(&one.revoked), one.to, one.more),
        (taken[3..4].to_vec(), taken[3], true)
    );
}

/// A backup under a running replica, a snapshot of a machine, the primary of before a failover.
pub(super) async fn a_log_that_has_lost_its_end_is_not_cut(db: &Db) {
    let head = revoke(&*db.store, everyone(), NOW).await;
    let replica = replica(MINUTE);
    let lost = pos(head.get() + 1);
    for (from, seen) in [(lost, Position::ZERO), (head, lost)] {
        let refused = db.store.cut(replica, from, seen, ALL).await;
        assert!(matches!(refused, Err(Error::Behind)), "{refused:?}");
    }
    let heartbeat = db.store.cut(replica, head, head, ALL).await.unwrap();
    assert_eq!((heartbeat.from, heartbeat.to), (head, head), "not raised");
}

pub(super) async fn a_log_that_has_lost_its_end_gives_out_no_position(db: &Db) {
    let head = revoke(&*db.store, everyone(), NOW).await;
    let mut tx = db.store.begin().await.unwrap();
    let refused = tx.take_position(pos(head.get() + 1)).await;
    assert!(matches!(refused, Err(Error::Behind)), "{refused:?}");
    drop(tx);
    let mut tx = db.store.begin().await.unwrap();
    assert_eq!(tx.take_position(head).await.unwrap().previous, head);
}

/// What was committed before `at` is in the page, however the two race.
pub(super) async fn at_is_not_after_the_snapshot(db: &Db) {
    let done = Arc::new(AtomicBool::new(false));
    let committed = Arc::new(AtomicUsize::new(0));
    let writer = tokio::spawn({
        let (store, done, committed) = (db.store.clone(), done.clone(), committed.clone());
        async move {
            let mut commits = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let position = revoke(&*store, some_session(), NOW).await;
                commits.push((position, clock::now()));
                committed.fetch_add(1, Ordering::Relaxed);
            }
            commits
        }
    });
    let replica = replica(HOUR);
    let mut cuts = Vec::new();
    // However slow the writer is, some of it is while they are cut.
    let few = |cuts: usize| committed.load(Ordering::Relaxed) <= 20 && cuts < 10_000;
    while cuts.len() < 300 || few(cuts.len()) {
        cuts.push(cut(&*db.store, replica, Position::ZERO).await);
    }
    done.store(true, Ordering::Relaxed);
    let commits = writer.await.unwrap();
    assert!(commits.len() > 20, "hardly anything was committed");
    for cut in cuts {
        let missed = commits
            .iter()
            .find(|(pos, committed)| *pos > cut.to && *committed < cut.at);
        assert_eq!(
            missed, None,
            "committed before {:?} and not in the page up to {}",
            cut.at, cut.to
        );
    }
}

pub(super) async fn the_floor_waits_for_the_longest_lifetime(db: &Db) {
    let ago = |over: u64| MARGIN + MINUTE + Duration::from_secs(over);
    let first = revoke(&*db.store, everyone(), ago(40)).await;
    let second = revoke(&*db.store, everyone(), ago(10)).await;
    let young = revoke(
        &*db.store,
        everyone(),
        MARGIN + MINUTE - Duration::from_secs(10),
    )
    .await;

    let brief = replica(MINUTE);
    let alone = cut(&*db.store, brief, Position::ZERO).await;
    assert_eq!((alone.floor, alone.to), (second, young));
    // Another replica's tokens live for half a minute longer.
    let longer = replica(MINUTE + Duration::from_secs(30));
    assert_eq!(cut(&*db.store, longer, Position::ZERO).await.floor, first);
    assert_eq!(cut(&*db.store, brief, Position::ZERO).await.floor, first);
    // It comes back with shorter ones.
    let shorter = Replica {
        access_ttl: Duration::from_secs(30),
        ..longer
    };
    assert_eq!(cut(&*db.store, shorter, Position::ZERO).await.floor, second);
    let longest = replica(HOUR);
    assert_eq!(
        cut(&*db.store, longest, Position::ZERO).await.floor,
        Position::ZERO
    );
}

pub(super) async fn the_floor_waits_for_the_tokens_of_a_silent_replica(db: &Db) {
    let old = revoke(&*db.store, everyone(), HOUR).await;
    let (brief, long) = (replica(MINUTE), replica(HOUR));
    cut(&*db.store, long, Position::ZERO).await;
    // Silent for 69 minutes: its last tokens may have lived for 60 of them.
    db.execute("update replica set beat_at = beat_at - 69 * 60000")
        .await
        .unwrap();
    assert_eq!(
        cut(&*db.store, brief, Position::ZERO).await.floor,
        Position::ZERO
    );
    db.execute("update replica set beat_at = beat_at - 60001 where access_ttl > 60000")
        .await
        .unwrap();
    assert_eq!(cut(&*db.store, brief, Position::ZERO).await.floor, old);
}

pub(super) async fn pruning_leaves_what_pages_need(db: &Db) {
    let key = revoke(&*db.store, some_key(), HOUR).await;
    for _ in 0..3 {
        revoke(&*db.store, everyone(), HOUR).await;
    }
    let floor = revoke(&*db.store, everyone(), HOUR).await;
    let young = revoke(&*db.store, everyone(), MINUTE).await;
    let replica = replica(MINUTE);
    assert_eq!(cut(&*db.store, replica, Position::ZERO).await.floor, floor);

    let all = db.store.revocations(Position::ZERO, pos(1 << 52), ALL);
    assert_eq!(all.await.unwrap().pruned, Position::ZERO);
    assert_eq!(db.store.prune().await.unwrap(), 3);
    assert_eq!(db.store.prune().await.unwrap(), 0);
    let left = db.store.revocations(Position::ZERO, pos(1 << 52), ALL);
    let left = left.await.unwrap();
    assert_eq!(
        (left.pruned, positions(&left.revoked)),
        (floor, vec![key, floor, young])
    );
    let none = db.store.revocations(young, young, ALL).await.unwrap();
    assert_eq!((none.pruned, none.revoked), (floor, vec![]));
    // A page says nothing of what is gone.
    let after = cut(&*db.store, replica, Position::ZERO).await;
    assert_eq!(
        (after.from, after.floor, positions(&after.revoked)),
        (floor, floor, vec![young])
    );
    // The events stay.
    assert_eq!(db.store.events(None, ALL).await.unwrap().len(), 6);
}

/// Without a replica nobody knows how long tokens live.
pub(super) async fn pruning_waits_for_a_replica(db: &Db) {
    for _ in 0..3 {
        revoke(&*db.store, everyone(), DAY).await;
    }
    assert_eq!(db.store.prune().await.unwrap(), 0);
    cut(&*db.store, replica(MINUTE), Position::ZERO).await;
    assert_eq!(db.store.prune().await.unwrap(), 2);
}

/// A clock that is set back makes old revocations young, as longer lifetimes do; those that were
/// pruned meanwhile must not count as never made.
pub(super) async fn a_clock_set_back_does_not_lower_the_floor_below_what_is_gone(db: &Db) {
    revoke(&*db.store, everyone(), HOUR).await;
    let mark = revoke(&*db.store, everyone(), HOUR).await;
    let brief = replica(MINUTE);
    cut(&*db.store, brief, Position::ZERO).await;
    assert_eq!(db.store.prune().await.unwrap(), 1);
    let long = replica(DAY);
    let cut = cut(&*db.store, long, Position::ZERO).await;
    assert_eq!((cut.from, cut.floor, cut.to), (mark, mark, mark));
}

pub(super) async fn what_is_long_silent_is_forgotten(db: &Db) {
    cut(&*db.store, replica(MINUTE), Position::ZERO).await;
    db.store
        .put_status("orders", "one", &json!({"head": 1}), 1)
        .await
        .unwrap();
    db.store.prune().await.unwrap();
    assert_eq!(db.number("select count(*) from replica").await, 1);
    assert_eq!(db.number("select count(*) from verifier_status").await, 1);
    db.execute("update replica set beat_at = beat_at - 11 * 60000")
        .await
        .unwrap();
    db.execute("update verifier_status set seen_at = seen_at - 7200001")
        .await
        .unwrap();
    db.store.prune().await.unwrap();
    assert_eq!(db.number("select count(*) from replica").await, 0);
    assert_eq!(db.number("select count(*) from verifier_status").await, 0);
}

pub(super) async fn a_commit_wakes_this_process_and_others(db: &Db) {
    let other = db.connect().await;
    let (mut here, mut there) = (db.store.wakeups(), other.wakeups());
    let position = revoke(&*db.store, everyone(), NOW).await;
    assert!(
        *here.borrow_and_update() >= position,
        "one's own commit is known at once"
    );
    let woken = tokio::time::timeout(BOUND, there.wait_for(|newest| *newest >= position));
    assert_eq!(*woken.await.unwrap().unwrap(), position);

    // Nobody tells of this one.
    db.execute("update log_head set position = position + 1")
        .await
        .unwrap();
    for wakeups in [&mut here, &mut there] {
        let woken = tokio::time::timeout(BOUND, wakeups.wait_for(|newest| *newest > position));
        woken.await.unwrap().unwrap();
    }
}
