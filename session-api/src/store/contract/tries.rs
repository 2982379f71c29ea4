//! Tries at passwords.

use super::fixture::*;
use super::{BOUND, Db};
use crate::clock;
use crate::session::Tries;
use crate::store::{Error, Store, TrySource};
use revocation_events::{UnixMillis, UserId};
use std::time::Duration;
use uuid::Uuid;

const NONE: Tries = Tries {
    failed: 0,
    closed_until: UnixMillis::new(0),
};

fn source(account: UserId, source: u128) -> TrySource {
    TrySource {
        account,
        source: Uuid::from_u128(source),
    }
}

fn somebody() -> UserId {
    UserId::new(Uuid::new_v4())
}

/// As it is now; a look leaves nothing behind.
async fn tries(store: &dyn Store, source: TrySource) -> Tries {
    let mut tx = store.begin().await.unwrap();
    tx.lock_tries(source).await.unwrap().0
}

async fn fails(store: &dyn Store, source: TrySource) {
    let mut tx = begin(store).await;
    let (mut tries, _) = tx.lock_tries(source).await.unwrap();
    tries.failed += 1;
    tx.save_tries(source, tries).await.unwrap();
    tx.commit().await.unwrap();
}

pub(super) async fn tries_come_back_as_they_went(db: &Db) {
    let (ann, bob) = (somebody(), somebody());
    let saved = Tries {
        failed: 107,
        closed_until: clock::now().plus(HOUR),
    };
    let mut tx = db.store.begin().await.unwrap();
    let before = clock::now().minus(Duration::from_secs(1));
    let (found, now) = tx.lock_tries(source(ann, 0)).await.unwrap();
    assert_eq!(found, NONE);
    assert!(now >= before && now <= clock::now().plus(Duration::from_secs(1)));
    tx.save_tries(source(ann, 0), saved).await.unwrap();
    tx.commit().await.unwrap();

    let other = db.connect().await;
    assert_eq!(tries(&*other, source(ann, 0)).await, saved);
    // Each source is counted apart, and each account.
    assert_eq!(tries(&*other, source(ann, 1)).await, NONE);
    assert_eq!(tries(&*other, source(bob, 0)).await, NONE);
    let mut tx = db.store.begin().await.unwrap();
    let unlocked = tx.save_tries(source(bob, 0), saved).await.unwrap_err();
    assert!(matches!(unlocked, Error::Database(_)), "{unlocked:?}");
}

pub(super) async fn tries_at_once_are_counted_one_after_the_other(db: &Db) {
    const AT_ONCE: u32 = 40;
    let (here, there) = (db.store.clone(), db.connect().await);
    let source = source(somebody(), 7);
    let all = (0..AT_ONCE).map(|number| {
        let store = if number % 2 == 0 { &here } else { &there }.clone();
        tokio::spawn(async move { fails(&*store, source).await })
    });
    let all = tokio::time::timeout(BOUND, futures::future::join_all(all));
    for done in all.await.unwrap() {
        done.unwrap();
    }
    assert_eq!(tries(&*here, source).await.failed, AT_ONCE);
}

pub(super) async fn tries_are_forgotten_with_their_account(db: &Db) {
    let (ann, bob) = (somebody(), somebody());
    for source in [source(ann, 0), source(ann, 1), source(bob, 0)] {
        fails(&*db.store, source).await;
    }
    let mut tx = db.store.begin().await.unwrap();
    assert!(tx.forget_tries(ann).await.unwrap());
    assert!(!tx.forget_tries(ann).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(tries(&*db.store, source(ann, 0)).await, NONE);
    assert_eq!(tries(&*db.store, source(ann, 1)).await, NONE);
    assert_eq!(tries(&*db.store, source(bob, 0)).await.failed, 1);
}

pub(super) async fn two_who_forget_the_same_tries_do_not_wait_for_each_other(db: &Db) {
    let ann = somebody();
    // In an order that is not that of the key.
    for number in (0..40).rev() {
        fails(&*db.store, source(ann, number)).await;
    }
    let (here, there) = (db.store.clone(), db.connect().await);
    let all = (0..8).map(|number| {
        let store = if number % 2 == 0 { &here } else { &there }.clone();
        tokio::spawn(async move {
            let mut tx = begin(&*store).await;
            let any = tx.forget_tries(ann).await.unwrap();
            tx.commit().await.unwrap();
            any
        })
    });
    let all = tokio::time::timeout(BOUND, futures::future::join_all(all));
    let found = all.await.unwrap();
    let forgot = found.into_iter().filter(|any| *any.as_ref().unwrap());
    assert_eq!(forgot.count(), 1);
}

pub(super) async fn tries_long_past_are_pruned(db: &Db) {
    for number in 0..3 {
        fails(&*db.store, source(somebody(), number)).await;
    }
    db.execute("update login_tries set tried_at = tried_at - 34559000000")
        .await
        .unwrap();
    db.store.prune().await.unwrap();
    assert_eq!(db.number("select count(*) from login_tries").await, 3);
    db.execute("update login_tries set tried_at = tried_at - 1100000 where failed = 1")
        .await
        .unwrap();
    db.store.prune().await.unwrap();
    assert_eq!(db.number("select count(*) from login_tries").await, 0);
}
