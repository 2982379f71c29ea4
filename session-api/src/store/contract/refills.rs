//! Events that are put in the outbox again.

use super::Db;
use super::fixture::*;
use super::outbox::{
    SPAN, expired_session, history, known, places, publishes_all, waiting, waiting_of,
};
use crate::store::{Refill, Store};
use uuid::Uuid;

/// Puts all in the outbox again, in steps of `limit` events; how many steps it took.
async fn refill(store: &dyn Store, replica: Uuid, limit: u32) -> u32 {
    let mut steps = 1;
    while store.refill_outbox(replica, false, limit).await.unwrap() == Ok(Refill::GoesOn) {
        steps += 1;
    }
    steps
}

/// What was appended before there was an outbox, or was pruned from it.
pub(super) async fn the_first_stream_gets_what_is_young_enough(db: &Db) {
    let store = &*db.store;
    let replica = Uuid::new_v4();
    let user = history(store, 2, 3, DAY).await;
    db.execute("delete from event_outbox").await.unwrap();
    store.lease_events(replica, SPAN).await.unwrap();
    store
        .begin_refill(replica, known(1), HOUR)
        .await
        .unwrap()
        .unwrap();
    refill(store, replica, ALL).await;
    let kind = "user.password_changed";
    let expected = [(kind, 3), (kind, 4), (kind, 5)];
    assert_eq!(waiting_of(store, user.uuid()).await, expected);
    // They are published as any event is, by their own id.
    assert!(
        waiting(store)
            .await
            .iter()
            .all(|event| event.waiting.refill == 0)
    );
}

pub(super) async fn a_refill_puts_all_in_the_outbox_again(db: &Db) {
    let store = &*db.store;
    let replica = Uuid::new_v4();
    let user = add_user(store, "ann").await;
    let session = expired_session(store, &user).await;
    history(store, 2, 3, DAY).await;
    store.lease_events(replica, SPAN).await.unwrap();
    store.note_stream(replica, known(1)).await.unwrap().unwrap();
    publishes_all(store, replica).await;
    let late = history(store, 0, 1, HOUR).await;
    for (round, limit) in [(1, 1), (2, 4), (3, ALL)] {
        store
            .begin_refill(replica, known(round), HOUR)
            .await
            .unwrap()
            .unwrap();
        let steps = refill(store, replica, limit).await;
        assert_eq!(
            steps,
            9_u32.div_ceil(limit) + 1,
            "and no more at once than asked for"
        );
        let all = waiting(store).await;
        assert_eq!(
            all.len(),
            6,
            "five that are young and no refreshes, and the late one"
        );
        assert!(all.iter().all(|event| event.waiting.refill == round));
        let of_session = [("session.opened", 1), ("session.expired", 3)];
        assert_eq!(waiting_of(store, session.id.uuid()).await, of_session);
        assert_eq!(waiting_of(store, late.uuid()).await.len(), 1);
        if round == 2 {
            publishes_all(store, replica).await;
        }
    }
    let refreshes = db.connect_publishing_refreshes().await;
    refreshes
        .begin_refill(replica, known(4), HOUR)
        .await
        .unwrap()
        .unwrap();
    let first = refreshes.refill_outbox(replica, true, ALL).await.unwrap();
    assert_eq!(first, Ok(Refill::GoesOn));
    assert_eq!(waiting(store).await.len(), 7);
}

pub(super) async fn a_refill_goes_on_where_another_replica_left_it(db: &Db) {
    let (store, other) = (&*db.store, &*db.connect().await);
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    history(store, 0, 5, HOUR).await;
    publishes_all(store, one).await;
    store
        .begin_refill(one, known(1), HOUR)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        store.refill_outbox(one, false, 2).await.unwrap(),
        Ok(Refill::GoesOn)
    );
    store.release_events(one).await.unwrap();
    let lease = other.lease_events(two, SPAN).await.unwrap().unwrap();
    assert!(lease.refilling);
    assert_eq!(waiting(other).await.len(), 2);
    assert_eq!(
        other.refill_outbox(two, false, 2).await.unwrap(),
        Ok(Refill::GoesOn)
    );
    assert_eq!(waiting(other).await.len(), 4);
    refill(other, two, 2).await;
    assert_eq!(waiting(other).await.len(), 5);
    let lease = other.lease_events(two, SPAN).await.unwrap().unwrap();
    assert!(!lease.refilling);
}

/// The stream acknowledged them, and then lost them.
pub(super) async fn what_waits_again_is_not_forgotten_for_what_was_before(db: &Db) {
    let store = &*db.store;
    let replica = Uuid::new_v4();
    history(store, 0, 2, HOUR).await;
    let before = places(&waiting(store).await);
    store.lease_events(replica, SPAN).await.unwrap();
    for round in 1..=2 {
        store
            .begin_refill(replica, known(round), HOUR)
            .await
            .unwrap()
            .unwrap();
        refill(store, replica, ALL).await;
    }
    let forgotten = store.forget_published(replica, &before, 2).await.unwrap();
    assert_eq!(forgotten, Ok(()));
    assert_eq!(waiting(store).await.len(), 2);
    publishes_all(store, replica).await;
}
