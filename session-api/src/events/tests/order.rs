//! The order of each stream of the log, whoever publishes and whatever fails.

use super::*;
use crate::events::batch::{self, Outgoing};
use crate::events::shape;
use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use tokio::time::Instant;

on_both! {
    each_stream_arrives_in_its_order,
    an_event_that_fails_holds_up_its_own_stream,
    an_event_that_is_too_large_holds_up_no_other,
    what_was_published_before_a_crash_is_published_again_by_the_same_id,
    two_replicas_never_reorder_a_stream,
    what_arrives_late_changes_no_order,
    whoever_has_no_connection_lets_another_publish,
    whoever_is_refused_lets_another_try,
    a_replica_that_stops_lets_the_next_go_on_at_once,
    more_than_a_batch_is_published_in_order,
}

async fn each_stream_arrives_in_its_order(world: World) {
    let (one, two) = (new_user(), new_user());
    let mut worker = world.replica().await;
    assert_eq!(worker.step().await, Step::Refilled);
    for _ in 0..3 {
        world.happens(one, 2).await;
        world.happens(two, 3).await;
        works(&mut worker).await;
    }
    let seen = world.stream.first_seen();
    assert_eq!(seen[&format!("user/{one}")], up_to(6));
    assert_eq!(seen[&format!("user/{two}")], up_to(9));
    assert_eq!(world.stream.stored().len(), 15, "and once");
    assert_eq!(world.waiting().await, 0);
}

async fn an_event_that_fails_holds_up_its_own_stream(world: World) {
    let (one, two) = (new_user(), new_user());
    let (mut worker, events) = world.replica_and_events().await;
    world.happens(one, 5).await;
    world.happens(two, 2).await;
    let bad = format!("user/{one}");
    let is_bad = bad.clone();
    world.stream.refuses(move |event| {
        (event.subject() == is_bad && event.version == 3).then_some(Error::TimedOut)
    });
    tests::eventually("all is tried", Duration::from_secs(20), async || {
        worker.step().await;
        world.stream.stored().len() == 4
    })
    .await;
    assert_eq!(world.stream.first_seen()[&bad], [1, 2]);
    assert_eq!(worker.step().await, Step::Failed);
    assert_eq!(world.waiting().await, 3);
    assert!(events.failures() > 0);
    assert_eq!(events.published(), 4);

    world.stream.refuses_nothing();
    works(&mut worker).await;
    assert_eq!(world.stream.first_seen()[&bad], up_to(5));
    assert_eq!(world.waiting().await, 0);
}

async fn an_event_that_is_too_large_holds_up_no_other(world: World) {
    let (one, two) = (new_user(), new_user());
    let mut worker = world.replica().await;
    world.happens(one, 2).await;
    world.happens(two, 100).await;
    let large = format!("user/{one}");
    let is_large = large.clone();
    world
        .stream
        .refuses(move |event| (event.subject() == is_large).then_some(Error::TooLarge { len: 7 }));
    works(&mut worker).await;
    let seen = world.stream.first_seen();
    assert_eq!(seen[&format!("user/{two}")], up_to(100));
    assert!(!seen.contains_key(&large));
    assert_eq!(world.waiting().await, 2);
}

/// Between the acknowledgment and the deletion.
async fn what_was_published_before_a_crash_is_published_again_by_the_same_id(world: World) {
    let user = new_user();
    let mut first = world.replica().await;
    works(&mut first).await;
    world.happens(user, 3).await;
    // What is stored without an answer is the same to it.
    world.stream.is_silent(true);
    assert_eq!(first.step().await, Step::Failed);
    world.stream.is_silent(false);
    let before = world.stream.stored();
    assert_eq!(before.len(), 1);
    assert_eq!(before[0].message_id, before[0].event.id.to_string());
    assert_eq!(world.waiting().await, 3);
    drop(first);

    let mut second = world.replica().await;
    works(&mut second).await;
    let after = world.stream.stored();
    assert_eq!(after[..1], before[..], "the copy was known by its id");
    assert_eq!(world.stream.first_seen()[&format!("user/{user}")], up_to(3));
    assert_eq!(after.len(), 3);
    assert_eq!(world.waiting().await, 0);
}

/// Both work as fast as they can, while events come and the stream refuses some of them.
async fn two_replicas_never_reorder_a_stream(world: World) {
    const EACH: usize = 20;
    let users: Vec<_> = (0..6).map(|_| new_user()).collect();
    let tries = AtomicU64::new(0);
    world.stream.refuses(move |_| {
        let refused = tries.fetch_add(1, Ordering::Relaxed) % 7 == 6;
        refused.then_some(Error::TimedOut)
    });
    let done = Arc::new(AtomicBool::new(false));
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let (mut worker, events) = world.replica_and_events().await;
        let done = done.clone();
        replicas.push(tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                worker.step().await;
            }
            events.published()
        }));
    }
    let writing = users.iter().map(|user| {
        let (store, user) = (world.store.clone(), *user);
        tokio::spawn(async move { happens(&*store, user, EACH).await })
    });
    for written in writing.collect::<Vec<_>>() {
        written.await.unwrap();
    }
    tests::eventually("all are published", Duration::from_secs(60), async || {
        world.waiting().await == 0
    })
    .await;
    done.store(true, Ordering::Relaxed);
    let mut published = 0;
    for replica in replicas {
        published += replica.await.unwrap();
    }
    for user in &users {
        let seen = &world.stream.first_seen()[&format!("user/{user}")];
        assert_eq!(*seen, up_to(EACH as u64));
    }
    assert!(published >= (users.len() * EACH) as u64, "{published}");
}

/// It was given up for lost, and others were published after it.
async fn what_arrives_late_changes_no_order(world: World) {
    let user = new_user();
    let (mut slow, mut quick) = (world.replica().await, world.replica().await);
    works(&mut slow).await;
    world.happens(user, 3).await;
    world.stream.holds_up(2);
    assert_eq!(slow.step().await, Step::Failed);
    assert_eq!(world.stream.stored().len(), 1);
    world.happens(user, 2).await;
    works(&mut quick).await;
    assert_eq!(world.stream.stored().len(), 5);
    world.stream.what_was_held_up_arrives();
    assert_eq!(
        world.stream.stored().len(),
        6,
        "so late that it is not known for a copy"
    );
    assert_eq!(world.stream.first_seen()[&format!("user/{user}")], up_to(5));
}

/// A lease that ends while a batch is under way.
#[tokio::test]
async fn nothing_is_begun_when_the_lease_is_over() {
    let world = World::on(Place::sqlite()).await;
    world.happens(new_user(), 3).await;
    let lane = world.store.waiting_events(None, 10).await.unwrap();
    let lane: VecDeque<_> = lane
        .iter()
        .map(|waiting| Outgoing {
            waiting: waiting.waiting,
            event: shape::event(ISSUER, waiting).unwrap(),
        })
        .collect();
    let (lease, answer) = (Duration::from_millis(500), Duration::from_millis(300));
    world.stream.takes_its_time(answer);
    let until = Instant::now() + lease;
    let outcome = batch::publish(&*world.stream, [lane], until).await;
    assert_eq!(outcome.published.len(), 1, "one was answered in time");
    assert!(outcome.error.is_none());
    let late = Instant::now().duration_since(until);
    assert!(
        late < answer / 2,
        "and the next was not waited for: {late:?}"
    );
    assert_eq!(world.stream.begun(), 2, "nor was the third begun");
}

async fn whoever_has_no_connection_lets_another_publish(world: World) {
    let user = new_user();
    let mut first = world.replica().await;
    works(&mut first).await;
    let mut second = world.replica().await;
    assert_eq!(second.step().await, Step::NotOurs);
    world.stream.goes_away();
    world.happens(user, 2).await;
    assert_eq!(first.step().await, Step::Away);
    assert_eq!(world.stream.stored(), []);
    world.stream.comes_back(2);
    works(&mut second).await;
    assert_eq!(first.step().await, Step::NotOurs);
    assert_eq!(world.stream.first_seen()[&format!("user/{user}")], up_to(2));
}

async fn whoever_is_refused_lets_another_try(world: World) {
    let mut first = world.replica().await;
    works(&mut first).await;
    let mut second = world.replica().await;
    assert_eq!(second.step().await, Step::NotOurs);
    world.happens(new_user(), 1).await;
    world.stream.refuses(|_| Some(Error::TimedOut));
    assert_eq!(first.step().await, Step::Failed);
    world.stream.refuses_nothing();
    assert_eq!(second.step().await, Step::Published(1));
}

async fn a_replica_that_stops_lets_the_next_go_on_at_once(world: World) {
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(world.replica().await.run(stop.clone()));
    world.happens(new_user(), 1).await;
    tests::eventually("it publishes", Duration::from_secs(20), async || {
        world.waiting().await == 0
    })
    .await;
    stop.cancel();
    running.await.unwrap();
    world.happens(new_user(), 1).await;
    let mut next = world.replica().await;
    assert_eq!(next.step().await, Step::Published(1));
}

/// The end of a batch cuts a stream in two, and the first half fails at first.
async fn more_than_a_batch_is_published_in_order(world: World) {
    let user = new_user();
    let mut events = Vec::new();
    for version in 1..=1_200 {
        events.push(Logged {
            stream: Stream::User(user),
            version,
            at: clock::now(),
            fact: Fact::User(UserFact::PasswordChanged {}),
        });
    }
    let mut tx = world.store.begin().await.unwrap();
    tx.append(&events).await.unwrap();
    tx.commit().await.unwrap();
    let tries = AtomicU64::new(0);
    world.stream.refuses(move |event| {
        let first = event.version == 400 && tries.fetch_add(1, Ordering::Relaxed) < 3;
        first.then_some(Error::TooLarge { len: 7 })
    });
    let mut worker = world.replica().await;
    tests::eventually("all are published", Duration::from_secs(30), async || {
        worker.step().await;
        world.waiting().await == 0
    })
    .await;
    assert_eq!(
        world.stream.first_seen()[&format!("user/{user}")],
        up_to(1_200)
    );
    assert_eq!(world.stream.stored().len(), 1_200);
}
