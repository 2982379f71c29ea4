//! What comes between, and how long anyone waits.

use super::{BOUND, World, end};
use crate::password::Hasher;
use crate::service::Error;
use crate::service::tests::{Place, refresh, service, takes};
use crate::session::EndReason;
use crate::store;
use futures::future::join_all;
use revocation_events::{Position, SessionId};
use sqlx::Connection as _;
use std::time::Duration;
use uuid::Uuid;

/// Between the reading of a session and its end, another replica ends others, or it is refreshed, or
/// another replica ends it.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_between_is_found() {
    for mut world in World::both().await {
        let elsewhere = service(world.place.store().await, Hasher::new(1)).await;
        let [other] = world.sessions().await;
        let granted = world.logs_in().await;
        let one = world.caller(&granted).await;
        let others = elsewhere.end_session(other, None, EndReason::User).await;
        let others = others.unwrap().position;
        let ended = world.service.end_own_session(&one, EndReason::Logout);
        let ended = ended.await.unwrap();
        assert_eq!(ended.revoked, Some(1));
        let told = world.told();
        assert_eq!((told.previous, told.to), (others, ended.position));

        let granted = world.logs_in().await;
        let one = world.caller(&granted).await;
        refresh(&world.service, &granted).await.unwrap();
        let ended = world.service.end_own_session(&one, EndReason::Logout);
        let ended = ended.await.unwrap();
        assert_eq!(ended.revoked, Some(1));
        assert_eq!(world.told().to, ended.position);
        assert_eq!(world.events(granted.session_id).await.len(), 3);
        assert!(!takes(&world.service, &granted).await);

        let granted = world.logs_in().await;
        let one = world.caller(&granted).await;
        let first = elsewhere.end_session(granted.session_id, None, EndReason::User);
        let first = first.await.unwrap();
        let ended = world.service.end_own_session(&one, EndReason::Logout);
        let ended = ended.await.unwrap();
        assert_eq!((ended.revoked, ended.position), (Some(0), first.position));
        assert!(world.commits.try_recv().is_err(), "there was a commit");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_away_has_asked_all_the_same() {
    for world in World::both().await {
        let [first, second] = world.sessions().await;
        let elsewhere = world.place.store().await;
        let mut head = elsewhere.begin().await.unwrap();
        head.take_position(Position::ZERO).await.unwrap();
        drop(world.asks(end(first)).await);
        world.holds_nothing_in_the_queue().await;
        drop(world.asks(end(second)).await);
        drop(head);
        tests::eventually("both have ended", BOUND, async || {
            world.events(first).await.len() == 2 && world.events(second).await.len() == 2
        })
        .await;
    }
}

/// On a connection of its own, which nobody ends for holding it too long.
async fn holds_the_head(world: &World) -> sqlx::PgConnection {
    let url = world.place.url();
    let mut holder = sqlx::PgConnection::connect(&url).await.unwrap();
    let lock = sqlx::raw_sql("begin; select 1 from log_head for update");
    lock.execute(&mut holder).await.unwrap();
    holder
}

fn is_away(error: &Error) -> bool {
    matches!(error, Error::Store(error) if matches!(**error, store::Error::Unavailable(_)))
}

/// However many wait for the head, there are connections for those who do not, and a place to wait for
/// some thousands; and none waits for long.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_revocations_leaves_room_for_others() {
    let world = World::new(Place::postgres().await).await;
    let [first] = world.sessions().await;
    let holder = holds_the_head(&world).await;
    let first = world.asks(end(first)).await;
    world.holds_nothing_in_the_queue().await;
    let mut flood = Vec::new();
    for _ in 0..5_000 {
        let unknown = SessionId::new(Uuid::new_v4());
        flood.push(world.asks(end(unknown)).await);
    }
    assert_eq!(world.service.inner.revocations.waiting(), 4_096);
    for _ in 0..20 {
        assert!(world.store.user_by_name("alice").await.unwrap().is_some());
        world.store.begin().await.unwrap().head().await.unwrap();
    }
    holder.close().await.unwrap();
    match first.await {
        Ok(ended) => assert_eq!(ended.revoked, Some(1)),
        // On a machine that stood still: Postgres has ended the wait.
        Err(error) => assert!(is_away(&error), "{error}"),
    }
    let (mut unknown, mut refused) = (0, 0);
    for answer in join_all(flood).await {
        match answer.unwrap_err() {
            Error::NotFound => unknown += 1,
            Error::Overloaded => refused += 1,
            error => panic!("{error}"),
        }
    }
    assert_eq!((unknown, refused), (4_096, 904));
}

/// The head is not to be had, until Postgres ends the wait.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_waited_for_long_is_told_to_come_back() {
    let world = World::new(Place::postgres().await).await;
    let [first, second] = world.sessions().await;
    let holder = holds_the_head(&world).await;
    let first = world.asks(end(first)).await;
    world.holds_nothing_in_the_queue().await;
    let late = world.asks_within(Duration::ZERO, end(second)).await;
    let (first, late) = futures::join!(first, late);
    let first = first.unwrap_err();
    assert!(is_away(&first), "{first}");
    assert!(matches!(late, Err(Error::Overloaded)), "{late:?}");
    holder.close().await.unwrap();
    let again = world.asks(end(second)).await.await.unwrap();
    assert_eq!(again.revoked, Some(1));
}
