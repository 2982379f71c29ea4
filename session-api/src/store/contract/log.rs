//! Positions, events, transactions.

use super::fixture::*;
use super::{BOUND, Db};
use crate::clock;
use crate::session::{Event, Fact, Roles, Session, SessionFact, Stream, UserFact};
use crate::store::{Error, Store, TimedPlace};
use revocation_events::{KeyId, Position, SessionId, Target, UnixMillis, UserId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// Whoever reads a position has all positions before it: what a reader saw at any moment is the
/// beginning of what there is at the end.
pub(super) async fn positions_are_in_the_order_of_commits(db: &Db) {
    let done = Arc::new(AtomicBool::new(false));
    let reads = Arc::new(AtomicUsize::new(0));
    let reader = tokio::spawn({
        let (store, done, reads) = (db.connect().await, done.clone(), reads.clone());
        async move {
            let mut seen = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let head = store.head().await.unwrap().position;
                let all = store
                    .revocations(Position::ZERO, pos(1 << 52), ALL)
                    .await
                    .unwrap();
                let all = positions(&all.revoked);
                assert!(
                    all.last().is_none_or(|last| *last >= head),
                    "the head is in front"
                );
                seen.push(all);
                reads.fetch_add(1, Ordering::Relaxed);
            }
            seen
        }
    });
    let mut writers = Vec::new();
    for store in [db.store.clone(), db.connect().await] {
        for _ in 0..4 {
            let (store, reads) = (store.clone(), reads.clone());
            writers.push(tokio::spawn(async move {
                let mut written = revoke_some(&*store, 25).await;
                // However slow the reader is, some of it is while they write.
                while reads.load(Ordering::Relaxed) < 4 && written.len() < 1_000 {
                    written.extend(revoke_some(&*store, 1).await);
                }
                written
            }));
        }
    }
    let mut written = BTreeSet::new();
    for writer in writers {
        written.extend(writer.await.unwrap());
    }
    done.store(true, Ordering::Relaxed);
    let seen = reader.await.unwrap();
    let end = db
        .store
        .revocations(Position::ZERO, pos(1 << 52), ALL)
        .await
        .unwrap();
    let end = positions(&end.revoked);
    assert!(end.len() >= 200);
    assert_eq!(end, Vec::from_iter(written));
    assert!(seen.len() > 3, "the reader hardly read");
    for some in seen {
        assert_eq!(
            some,
            end[..some.len()],
            "a position came after a greater one was seen"
        );
    }
}

async fn revoke_some(store: &dyn Store, number: usize) -> Vec<Position> {
    let mut positions = Vec::new();
    for _ in 0..number {
        positions.push(revoke(store, some_session(), Duration::ZERO).await);
    }
    positions
}

pub(super) async fn a_position_is_never_given_twice(db: &Db) {
    let stores = [db.store.clone(), db.connect().await];
    let tasks = stores.map(|store| tokio::spawn(async move { revoke_some(&*store, 50).await }));
    let mut all = BTreeSet::new();
    for task in tasks {
        let positions = task.await.unwrap();
        assert!(positions.is_sorted_by(|a, b| a < b));
        all.extend(positions);
    }
    assert_eq!(all.len(), 100);
    assert_eq!(
        db.store.head().await.unwrap().position,
        *all.last().unwrap()
    );
}

pub(super) async fn a_position_is_above_the_clock(db: &Db) {
    let before = clock::now();
    let mut tx = db.store.begin().await.unwrap();
    let first = tx.take_position(Position::ZERO).await.unwrap();
    let second = tx.take_position(Position::ZERO).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(first.previous, Position::ZERO);
    assert!(first.position.get() >= before.get() * 1_000);
    assert_eq!((second.previous, second.now), (first.position, first.now));
    assert!(second.position > first.position);
    assert!(first.now >= before && first.now <= clock::now());

    // A clock that is behind moves nothing back.
    db.execute("update log_head set position = 9000000000000000")
        .await
        .unwrap();
    let mut tx = db.store.begin().await.unwrap();
    let taken = tx.take_position(Position::ZERO).await.unwrap();
    assert_eq!(taken.previous, pos(9_000_000_000_000_000));
    assert_eq!(taken.position, pos(9_000_000_000_000_001));
}

pub(super) async fn what_is_not_committed_never_was(db: &Db) {
    let user = new_user("ann");
    let session = new_session(Session::Open(open_session(user.id, Position::ZERO)));
    let before = db.store.head().await.unwrap().position;
    let mut tx = db.store.begin().await.unwrap();
    revoke_in(&mut *tx, &everyone(), clock::now()).await;
    tx.add_user(&user).await.unwrap().unwrap();
    tx.save_sessions(std::slice::from_ref(&session))
        .await
        .unwrap();
    assert_eq!(tx.lock_users(&[user.id]).await.unwrap().len(), 1);
    drop(tx);

    assert_eq!(db.store.head().await.unwrap().position, before);
    assert_eq!(db.store.user_by_name("ann").await.unwrap(), None);
    assert_eq!(db.store.session(session.id).await.unwrap(), None);
    assert_eq!(db.store.events(None, ALL).await.unwrap(), []);
    assert_eq!(
        cut(&*db.store, replica(MINUTE), Position::ZERO)
            .await
            .revoked,
        []
    );
    // And it holds no lock.
    let next = tokio::time::timeout(BOUND, revoke(&*db.store, everyone(), Duration::ZERO));
    assert!(next.await.unwrap() > before);
}

pub(super) async fn a_version_is_taken_once(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let session = log_in(&*db.store, &user).await;
    let mut tx = db.store.begin().await.unwrap();
    let again = session_event(&session, SessionFact::Expired {});
    let error = tx.append(&[again]).await.unwrap_err();
    assert!(matches!(error, Error::Database(_)), "{error:?}");
    drop(tx);
    assert_eq!(db.store.history(session.id, 0, ALL).await.unwrap().len(), 1);
}

pub(super) async fn events_come_back_as_they_went(db: &Db) {
    let user = UserId::new(Uuid::new_v4());
    let session = new_session(Session::Open(open_session(user, pos(7))));
    let open = session.session.details().clone();
    let kid: KeyId = kid("thumbprint");
    let position = pos(1_764_000_000_000_123);
    let except = Some(SessionId::new(Uuid::now_v7()));
    let facts = [
        (
            Stream::Session(session.id),
            Fact::Session(SessionFact::Opened {
                session: open.clone(),
                new_device: true,
            }),
        ),
        (
            Stream::Session(session.id),
            Fact::Session(SessionFact::Refreshed(open)),
        ),
        (
            Stream::Session(session.id),
            Fact::Session(SessionFact::Expired {}),
        ),
        (
            Stream::User(user),
            Fact::User(UserFact::Registered {
                roles: Roles::default(),
            }),
        ),
        (Stream::User(user), Fact::User(UserFact::PasswordChanged {})),
        (
            Stream::User(user),
            Fact::User(UserFact::SessionsRevoked { position, except }),
        ),
        (Stream::of_key(&kid), Fact::KeyAdded { kid: kid.clone() }),
        (Stream::of_key(&kid), Fact::KeyRetired { kid }),
    ];
    let mut events = Vec::new();
    for (stream, fact) in facts {
        let version = 1 + events
            .iter()
            .filter(|event: &&Event| event.stream == stream)
            .count() as i64;
        events.push(Event {
            stream,
            version,
            at: clock::now(),
            fact,
        });
    }
    let mut tx = db.store.begin().await.unwrap();
    tx.append(&events).await.unwrap();
    assert_eq!(tx.stream_version(session.id.uuid()).await.unwrap(), 3);
    assert_eq!(tx.stream_version(Uuid::new_v4()).await.unwrap(), 0);
    tx.commit().await.unwrap();
    revoke(&*db.store, everyone(), Duration::ZERO).await;

    assert_eq!(
        db.store.history(session.id, 0, ALL).await.unwrap(),
        events[..3]
    );
    assert_eq!(
        db.store.history(session.id, 1, 1).await.unwrap(),
        events[1..2]
    );
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = db.store.events(after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some((last.stream.uuid(), last.version));
        found.extend(page);
    }
    assert!(found.is_sorted_by_key(|event| (event.stream.uuid(), event.version)));
    assert_eq!(
        found.first().map(|event| event.stream),
        Some(Stream::Everyone)
    );
    assert_eq!(found.len(), events.len() + 1);
    assert!(events.iter().all(|event| found.contains(event)));
    assert_eq!(db.store.count_events().await.unwrap(), 9);
}

pub(super) async fn the_log_is_only_ever_appended_to(db: &Db) {
    revoke(&*db.store, everyone(), Duration::ZERO).await;
    let events = db.store.events(None, ALL).await.unwrap();
    let revocations = db
        .store
        .revocations(Position::ZERO, pos(1 << 52), ALL)
        .await
        .unwrap();
    for change in [
        "update event set data = '{}'",
        "update event set at = 0",
        "delete from event",
        "update revocation set kind = 'session'",
        "update revocation set position = position + 1",
    ] {
        assert!(db.execute(change).await.is_err(), "{change}");
    }
    assert_eq!(db.store.events(None, ALL).await.unwrap(), events);
    let left = db
        .store
        .revocations(Position::ZERO, pos(1 << 52), ALL)
        .await
        .unwrap();
    assert_eq!(left, revocations);
}

pub(super) async fn the_head_can_be_locked_without_moving_it(db: &Db) {
    let before = revoke(&*db.store, everyone(), Duration::ZERO).await;
    let mut tx = db.store.begin().await.unwrap();
    assert_eq!(tx.lock_head().await.unwrap().position, before);
    let store = db.connect().await;
    let mut next = tokio::spawn(async move { revoke(&*store, everyone(), Duration::ZERO).await });
    db.somebody_waits().await;
    assert!(futures::poll!(&mut next).is_pending());
    assert_eq!(tx.head().await.unwrap().position, before);
    tx.commit().await.unwrap();
    assert!(next.await.unwrap() > before);
    let target = |revocation: &revocation_events::Revocation| revocation.target == Target::Everyone;
    assert!(
        cut(&*db.store, replica(MINUTE), Position::ZERO)
            .await
            .revoked
            .iter()
            .all(target)
    );
}

pub(super) async fn a_raised_head_is_above_all_that_was_given_out(db: &Db) {
    let before = revoke(&*db.store, everyone(), Duration::ZERO).await;
    let published = pos(before.get() + 5_000_000_000);
    for (least, above) in [
        (before.get(), Position::ZERO),
        (clock::now().get() * 1_000, Position::ZERO),
        (published.get(), published),
    ] {
        let mut tx = db.store.begin().await.unwrap();
        tx.raise_head(above).await.unwrap();
        tx.commit().await.unwrap();
        let head = db.store.head().await.unwrap().position;
        assert!(head.get() >= least + 600_000_000);
    }
    let head = db.store.head().await.unwrap().position;
    let after = revoke(&*db.store, everyone(), Duration::ZERO).await;
    assert_eq!(after.get(), head.get() + 1, "and it goes on from there");
}

pub(super) async fn events_can_be_read_by_their_times(db: &Db) {
    let at = |millis: u64| UnixMillis::new(1_764_000_000_000 + millis);
    let event = |id: u128, millis| Event {
        stream: Stream::User(UserId::new(Uuid::from_u128(id))),
        version: 1,
        at: at(millis),
        fact: Fact::User(UserFact::Enabled {}),
    };
    let events = [event(3, 7), event(1, 7), event(2, 5), event(4, 9)];
    let mut tx = begin(&*db.store).await;
    tx.append(&events).await.unwrap();
    tx.commit().await.unwrap();
    let read = async |after, end, limit| {
        let read = db.store.events_by_time(after, end, limit).await.unwrap();
        let ids = read.iter().map(|event| event.place.stream.as_u128());
        (ids.collect::<Vec<_>>(), read.last().map(|last| last.place))
    };
    let far = UnixMillis::new(u64::MAX);
    let first = TimedPlace::before(at(0));
    let (ids, last) = read(first, far, 2).await;
    assert_eq!(ids, [2, 1], "by time, and of one time by stream");
    let (ids, _) = read(last.unwrap(), far, ALL).await;
    assert_eq!(ids, [3, 4], "from the one after another on");
    assert_eq!(read(TimedPlace::before(at(7)), at(9), ALL).await.0, [1, 3]);
    let any = async |from, end| db.store.any_event(from, end).await.unwrap();
    assert!(any(at(5), at(6)).await && any(at(0), far).await);
    assert!(!any(at(0), at(5)).await && !any(at(10), far).await);
    let all = db.store.events_by_time(first, far, ALL).await.unwrap();
    assert_eq!((&*all[0].kind, all[0].format), ("user.enabled", 1));
    assert_eq!(all[0].data, serde_json::json!({}));
}
