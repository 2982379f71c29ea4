//! How many passwords are looked at when many are tried at once.

use super::*;
use crate::service::tries::stand_in;
use crate::store::TrySource;
use futures::{StreamExt as _, stream};
use revocation_events::UserId;
use uuid::Uuid;

fn strangers(account: UserId) -> TrySource {
    TrySource {
        account,
        source: Uuid::nil(),
    }
}

/// On two replicas at once. Nobody's password is looked at for the hundred and first time.
async fn a_hundred_of_many_are_judged(place: Place) {
    let here = service(place.store().await, Hasher::new(1)).await;
    let there = service(place.store().await, Hasher::new(1)).await;
    let user = add_user(&here, "ann").await;
    let tries = (0..160).map(|number| {
        let service = if number % 2 == 0 { &here } else { &there }.clone();
        tokio::spawn(async move {
            let source = strangers(user);
            service.inner.take_try(source, Some(user)).await.unwrap()
        })
    });
    // Twenty at a time: with more the last would wait for longer than a store waits.
    let judged: Vec<_> = stream::iter(tries).buffer_unordered(20).collect().await;
    let judged = judged
        .into_iter()
        .filter(|judged| *judged.as_ref().unwrap());
    assert_eq!(judged.count(), 100);

    let refused = there.log_in(login("ann", PASSWORD)).await;
    assert!(
        matches!(refused, Err(super::super::Error::BadCredentials)),
        "closed"
    );
    let row = here.user_by_name("ann").await.unwrap().unwrap();
    assert!(here.unlock(&row).await.unwrap().had_failed);
    assert!(!here.unlock(&row).await.unwrap().had_failed);
    there.log_in(login("ann", PASSWORD)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_of_many_are_judged_on_postgres() {
    a_hundred_of_many_are_judged(Place::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_of_many_are_judged_on_sqlite() {
    a_hundred_of_many_are_judged(Place::sqlite()).await;
}

/// Names that nobody has leave a bounded trace.
#[test]
fn a_stand_in_is_nobody_and_there_are_a_thousand() {
    let ids: std::collections::HashSet<_> = (0..20_000)
        .map(|number| stand_in(Some(&format!("name-{number}"))))
        .collect();
    assert_eq!(ids.len(), 1024);
    assert!(ids.iter().all(|id| id.uuid().get_version_num() == 0));
    assert_eq!(stand_in(Some("x")), stand_in(Some("x")));
    assert!(ids.contains(&stand_in(None)));
}

/// Whoever is answered sooner, or without a write, would know that nobody has the name.
#[tokio::test]
async fn a_name_that_nobody_has_costs_what_another_costs() {
    let place = Place::sqlite();
    let hasher = Hasher::new(1);
    let service = service(place.store().await, hasher.clone()).await;
    let alice = add_user(&service, "alice").await;
    for (name, account) in [("alice", alice), ("nobody", stand_in(Some("nobody")))] {
        let hashes = hasher.queued();
        let refused = service.log_in(login(name, "a wrong password")).await;
        assert!(
            matches!(refused, Err(super::super::Error::BadCredentials)),
            "{name}"
        );
        assert_eq!(hasher.queued(), hashes + 1, "{name}");
        let mut tx = service.store().begin().await.unwrap();
        let (tries, _) = tx.lock_tries(strangers(account)).await.unwrap();
        assert_eq!(tries.failed, 1, "{name}");
    }
}
