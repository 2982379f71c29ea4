//! Events on their way to other programs.

use super::Db;
use super::fixture::*;
use crate::clock;
use crate::session::{Event, Fact, Session, SessionFact, Stream, UserFact};
use crate::store::{KnownStream, LeaseLost, SessionRow, Store, Waiting, WaitingEvent};
use revocation_events::UserId;
use std::time::Duration;
use uuid::Uuid;

pub(super) const SPAN: Duration = Duration::from_secs(5);

pub(super) fn known(incarnation: i64) -> KnownStream {
    KnownStream {
        incarnation,
        last_sequence: 0,
        first: None,
    }
}

pub(super) async fn waiting(store: &dyn Store) -> Vec<WaitingEvent> {
    store.waiting_events(None, ALL).await.unwrap()
}

/// Kinds and versions of what waits of one stream.
pub(super) async fn waiting_of(store: &dyn Store, stream: Uuid) -> Vec<(&'static str, i64)> {
    let waiting = waiting(store).await.into_iter();
    let own = waiting.filter(|event| event.waiting.stream == stream);
    own.map(|event| (event.event.unwrap().fact.kind(), event.waiting.version))
        .collect()
}

pub(super) fn places(events: &[WaitingEvent]) -> Vec<Waiting> {
    events.iter().map(|event| event.waiting).collect()
}

/// All of a session's life but its end.
async fn refresh(store: &dyn Store, row: &SessionRow) -> SessionRow {
    let (next, fact) = refreshed(row);
    let mut tx = store.begin().await.unwrap();
    tx.append(&[session_event(&next, fact)]).await.unwrap();
    tx.save_sessions(std::slice::from_ref(&next)).await.unwrap();
    tx.commit().await.unwrap();
    next
}

/// A session that was refreshed and has ended by itself.
pub(super) async fn expired_session(store: &dyn Store, user: &crate::store::UserRow) -> SessionRow {
    let row = refresh(store, &log_in(store, user).await).await;
    let session = Session::Expired {
        was: row.session.details().clone(),
        at: clock::now(),
    };
    let next = SessionRow {
        version: row.version + 1,
        session,
        ..row
    };
    let mut tx = store.begin().await.unwrap();
    tx.append(&[session_event(&next, SessionFact::Expired {})])
        .await
        .unwrap();
    tx.save_sessions(std::slice::from_ref(&next)).await.unwrap();
    tx.commit().await.unwrap();
    next
}

/// So many events of one user's stream, of which the first are `ago`.
pub(super) async fn history(store: &dyn Store, old: u8, young: u8, ago: Duration) -> UserId {
    let id = UserId::new(Uuid::new_v4());
    let mut events = Vec::new();
    for version in 1..=i64::from(old) + i64::from(young) {
        let ago = if version > i64::from(old) {
            Duration::ZERO
        } else {
            ago
        };
        events.push(Event {
            stream: Stream::User(id),
            version,
            at: clock::now().minus(ago),
            fact: Fact::User(UserFact::PasswordChanged {}),
        });
    }
    let mut tx = store.begin().await.unwrap();
    tx.append(&events).await.unwrap();
    tx.commit().await.unwrap();
    id
}

/// The lease is taken, and nothing waits.
pub(super) async fn publishes_all(store: &dyn Store, replica: Uuid) {
    store.lease_events(replica, SPAN).await.unwrap().unwrap();
    let all = places(&waiting(store).await);
    let forgotten = store.forget_published(replica, &all, 0).await.unwrap();
    assert_eq!(forgotten, Ok(()));
    assert_eq!(waiting(store).await, []);
}

pub(super) async fn every_event_waits_but_refreshes(db: &Db) {
    let store = &*db.store;
    let user = add_user(store, "ann").await;
    let session = expired_session(store, &user).await;
    let expected = [("session.opened", 1), ("session.expired", 3)];
    assert_eq!(waiting_of(store, session.id.uuid()).await, expected);
    // By the one statement that revocations are written with, too.
    end_sessions(store, user.id).await;
    end_everyone(store).await;
    revoke(store, some_key(), Duration::ZERO).await;
    let ended = [("user.sessions_revoked", 2)];
    assert_eq!(waiting_of(store, user.id.uuid()).await, ended);
    assert_eq!(
        waiting_of(store, Uuid::nil()).await,
        [("everyone.revoked", 1)]
    );
    assert_eq!(waiting(store).await.len(), 5);
}

pub(super) async fn refreshes_wait_where_they_are_published(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let store = db.connect_publishing_refreshes().await;
    let first = log_in(&*store, &user).await;
    let second = refresh(&*store, &first).await;
    refresh(&*db.store, &second).await;
    let expected = [("session.opened", 1), ("session.refreshed", 2)];
    assert_eq!(waiting_of(&*store, first.id.uuid()).await, expected);
}

pub(super) async fn what_is_not_committed_does_not_wait(db: &Db) {
    let mut tx = db.store.begin().await.unwrap();
    revoke_in(&mut *tx, &everyone(), clock::now()).await;
    drop(tx);
    assert_eq!(waiting(&*db.store).await, []);
}

pub(super) async fn events_wait_in_the_order_of_their_stream_and_with_their_user(db: &Db) {
    let store = &*db.store;
    let user = add_user(store, "ann").await;
    let session = expired_session(store, &user).await;
    history(store, 0, 3, HOUR).await;
    history(store, 0, 3, HOUR).await;
    let all = waiting(store).await;
    let keys: Vec<_> = places(&all).iter().map(|w| (w.stream, w.version)).collect();
    assert_eq!(keys.len(), 8);
    assert!(keys.is_sorted());
    for event in &all {
        let owner = (event.waiting.stream == session.id.uuid()).then_some(user.id);
        assert_eq!(event.user, owner);
        let stored = event.event.as_ref().unwrap();
        assert_eq!(stored.stream.uuid(), event.waiting.stream);
        assert_eq!(stored.version, event.waiting.version);
    }
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = store.waiting_events(after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.waiting.stream, last.waiting.version));
        pages.extend(page);
    }
    assert_eq!(pages, all);
}

pub(super) async fn an_event_of_a_newer_program_keeps_no_other_waiting(db: &Db) {
    let store = &*db.store;
    end_everyone(store).await;
    db.execute(
        "insert into event (stream, version, kind, format, at, data) \
         select stream, 2, 'moon.rose', 1, at, data from event",
    )
    .await
    .unwrap();
    let all = waiting(store).await;
    assert!(all[0].event.is_ok());
    let why = all[1].event.as_ref().unwrap_err();
    assert!(why.contains("moon.rose"), "{why}");
    assert_eq!(all[1].waiting.version, 2);
}

pub(super) async fn one_replica_publishes_at_a_time(db: &Db) {
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let (store, other) = (&*db.store, &*db.connect().await);
    assert!(store.lease_events(one, SPAN).await.unwrap().is_some());
    assert_eq!(other.lease_events(two, SPAN).await.unwrap(), None);
    assert!(
        store.lease_events(one, SPAN).await.unwrap().is_some(),
        "kept"
    );
    other.release_events(two).await.unwrap();
    assert_eq!(
        other.lease_events(two, SPAN).await.unwrap(),
        None,
        "not its own"
    );
    store.release_events(one).await.unwrap();
    assert!(other.lease_events(two, SPAN).await.unwrap().is_some());
    assert_eq!(store.lease_events(one, SPAN).await.unwrap(), None);
    // Whoever has died holds nobody up for longer than the lease.
    other
        .lease_events(two, Duration::from_millis(1))
        .await
        .unwrap();
    tests::eventually("the lease ends", super::BOUND, async || {
        store.lease_events(one, SPAN).await.unwrap().is_some()
    })
    .await;
}

pub(super) async fn what_was_published_is_forgotten(db: &Db) {
    let store = &*db.store;
    let replica = Uuid::new_v4();
    history(store, 0, 3, HOUR).await;
    let all = waiting(store).await;
    store.lease_events(replica, SPAN).await.unwrap();
    let two = places(&all[..2]);
    assert_eq!(
        store.forget_published(replica, &two, 7).await.unwrap(),
        Ok(())
    );
    assert_eq!(waiting(store).await, all[2..]);
    // Again, as after a crash before the answer.
    assert_eq!(
        store.forget_published(replica, &two, 7).await.unwrap(),
        Ok(())
    );
    assert_eq!(waiting(store).await, all[2..]);
}

pub(super) async fn whoever_has_lost_the_lease_changes_nothing(db: &Db) {
    let store = &*db.store;
    let (slow, next) = (Uuid::new_v4(), Uuid::new_v4());
    history(store, 0, 3, HOUR).await;
    let all = waiting(store).await;
    store.lease_events(slow, SPAN).await.unwrap();
    store.release_events(slow).await.unwrap();
    let lost = Err(LeaseLost);
    let place = places(&all);
    for takes_over in [false, true] {
        if takes_over {
            store.lease_events(next, SPAN).await.unwrap().unwrap();
            store.note_stream(next, known(7)).await.unwrap().unwrap();
        }
        assert_eq!(store.forget_published(slow, &place, 9).await.unwrap(), lost);
        assert_eq!(store.note_stream(slow, known(1)).await.unwrap(), lost);
        assert_eq!(
            store.begin_refill(slow, known(1), HOUR).await.unwrap(),
            lost
        );
        let refilled = store.refill_outbox(slow, false, ALL).await.unwrap();
        assert_eq!(refilled, Err(LeaseLost));
    }
    assert_eq!(waiting(store).await, all);
    let lease = store.lease_events(next, SPAN).await.unwrap().unwrap();
    assert_eq!((lease.known, lease.refilling), (Some(known(7)), false));
}

pub(super) async fn what_is_known_of_the_stream_is_known_to_the_next(db: &Db) {
    let (store, other) = (&*db.store, &*db.connect().await);
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let lease = store.lease_events(one, SPAN).await.unwrap().unwrap();
    assert_eq!((lease.known, lease.refilling), (None, false));
    let stream = KnownStream {
        incarnation: 1_764_000_000_000_000_000,
        last_sequence: 5,
        first: Some((3, clock::now())),
    };
    store.note_stream(one, stream).await.unwrap().unwrap();
    for (sequence, expected) in [(9, 9), (7, 9)] {
        let forgotten = store.forget_published(one, &[], sequence).await.unwrap();
        assert_eq!(forgotten, Ok(()));
        store.release_events(one).await.unwrap();
        let lease = other.lease_events(two, SPAN).await.unwrap().unwrap();
        let expected = KnownStream {
            last_sequence: expected,
            ..stream
        };
        assert_eq!(lease.known, Some(expected));
        other.release_events(two).await.unwrap();
        store.lease_events(one, SPAN).await.unwrap().unwrap();
    }
}

pub(super) async fn what_is_too_old_is_pruned(db: &Db) {
    let store = &*db.store;
    let user = history(store, 3, 2, HOUR).await;
    assert_eq!(store.prune_outbox(DAY).await.unwrap(), 0);
    assert_eq!(store.prune_outbox(MINUTE).await.unwrap(), 3);
    let left: Vec<_> = waiting_of(store, user.uuid()).await;
    assert_eq!(
        left.iter().map(|(_, version)| *version).collect::<Vec<_>>(),
        [4, 5]
    );
}

pub(super) async fn the_outbox_can_be_counted(db: &Db) {
    let store = &*db.store;
    let size = store.outbox_size().await.unwrap();
    assert_eq!((size.events, size.oldest), (0, Duration::ZERO));
    history(store, 1, 2, HOUR).await;
    let size = store.outbox_size().await.unwrap();
    assert_eq!(size.events, 3);
    assert!(
        (HOUR..HOUR + MINUTE).contains(&size.oldest),
        "{:?}",
        size.oldest
    );
}
