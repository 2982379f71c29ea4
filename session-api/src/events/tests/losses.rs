//! What the stream has lost is published again.

use super::*;

on_both! {
    what_was_there_before_the_stream_goes_into_it,
    a_stream_that_was_made_anew_gets_all_again,
    a_stream_that_was_emptied_gets_all_again_though_it_remembers_their_ids,
    a_stream_that_was_emptied_before_the_next_look_gets_all_again,
    a_stream_that_forgot_its_end_gets_it_again,
    a_stream_that_forgot_its_end_shows_when_it_is_given_more,
    what_happens_during_a_refill_comes_after_what_was_before,
    a_refill_that_a_replica_did_not_end_another_ends,
    a_stream_that_lost_nothing_is_not_filled,
}

/// By the ids of the events: how often each was stored, in the order of everything that was.
fn copies(stream: &FakeStream) -> Vec<usize> {
    let mut counts: Vec<(Uuid, usize)> = Vec::new();
    for Stored { event, .. } in stream.stored() {
        match counts.iter_mut().find(|(id, _)| *id == event.id) {
            Some((_, count)) => *count += 1,
            None => counts.push((event.id, 1)),
        }
    }
    counts.into_iter().map(|(_, count)| count).collect()
}

/// A user with so many events, all published.
async fn published(world: &World, worker: &mut Worker, count: usize) -> String {
    works(worker).await;
    let user = new_user();
    world.happens(user, count).await;
    works(worker).await;
    assert_eq!(world.stream.stored().len(), count);
    format!("user/{user}")
}

async fn what_was_there_before_the_stream_goes_into_it(world: World) {
    let user = new_user();
    world.happens(user, 3).await;
    tests::eventually("they are pruned", Duration::from_secs(20), async || {
        world.store.prune_outbox(Duration::ZERO).await.unwrap();
        world.waiting().await == 0
    })
    .await;
    let (mut worker, events) = world.replica_and_events().await;
    works(&mut worker).await;
    assert_eq!(world.stream.first_seen()[&format!("user/{user}")], up_to(3));
    for Stored { message_id, event } in world.stream.stored() {
        assert_eq!(message_id, event.id.to_string());
    }
    assert_eq!(events.refills(), 1);
}

async fn a_stream_that_was_made_anew_gets_all_again(world: World) {
    let mut worker = world.replica().await;
    let user = published(&world, &mut worker, 4).await;
    let before = world.stream.stored();
    world.stream.is_made_anew();
    world.stream.comes_back(2);
    works(&mut worker).await;
    let after = world.stream.stored();
    assert_eq!(world.stream.first_seen()[&user], up_to(4));
    let ids = |stored: &[Stored]| stored.iter().map(|s| s.event.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&after), ids(&before), "they are the same events");
}

async fn a_stream_that_was_emptied_gets_all_again_though_it_remembers_their_ids(world: World) {
    let (mut worker, events) = world.replica_and_events().await;
    let user = published(&world, &mut worker, 4).await;
    // The beginning of the stream is known once it was looked at.
    looks(&mut worker).await;
    world.stream.is_emptied();
    looks(&mut worker).await;
    works(&mut worker).await;
    assert_eq!(world.stream.first_seen()[&user], up_to(4));
    assert_eq!(events.refills(), 2);
    // And once more, while the first refill's ids are remembered, too.
    world.stream.comes_back(2);
    works(&mut worker).await;
    world.stream.is_emptied();
    world.stream.comes_back(3);
    works(&mut worker).await;
    assert_eq!(world.stream.first_seen()[&user], up_to(4));
    assert_eq!(events.refills(), 3);
}

/// When it was last looked at, it was empty.
async fn a_stream_that_was_emptied_before_the_next_look_gets_all_again(world: World) {
    let mut worker = world.replica().await;
    let user = published(&world, &mut worker, 4).await;
    world.stream.is_emptied();
    world.stream.comes_back(2);
    works(&mut worker).await;
    assert_eq!(world.stream.first_seen()[&user], up_to(4));
}

/// Until it has looked at the stream again, which it does every two seconds.
async fn looks(worker: &mut Worker) {
    let began = tokio::time::Instant::now();
    tests::eventually(
        "two seconds have passed",
        Duration::from_secs(20),
        async || began.elapsed() > Duration::from_millis(2_100),
    )
    .await;
    worker.step().await;
}

async fn a_stream_that_forgot_its_end_gets_it_again(world: World) {
    let mut worker = world.replica().await;
    let user = published(&world, &mut worker, 4).await;
    world.stream.forgets_the_last(2);
    world.stream.comes_back(2);
    works(&mut worker).await;
    assert_eq!(world.stream.first_seen()[&user], up_to(4));
    assert_eq!(copies(&world.stream), [2, 2, 1, 1]);
}

/// Without another connection: where another server of the cluster keeps it.
async fn a_stream_that_forgot_its_end_shows_when_it_is_given_more(world: World) {
    let (mut worker, events) = world.replica_and_events().await;
    let user = published(&world, &mut worker, 4).await;
    world.stream.forgets_the_last(2);
    world.happens(new_user(), 3).await;
    works(&mut worker).await;
    assert_eq!(events.refills(), 2);
    assert_eq!(world.stream.first_seen()[&user], up_to(4));
}

async fn what_happens_during_a_refill_comes_after_what_was_before(world: World) {
    let mut worker = world.replica().await;
    let name = published(&world, &mut worker, 4).await;
    let user: UserId = name.strip_prefix("user/").unwrap().parse().unwrap();
    world.stream.is_made_anew();
    world.stream.comes_back(2);
    assert_eq!(worker.step().await, Step::Refilled);
    world.happens(user, 2).await;
    assert_eq!(
        world.stream.stored(),
        [],
        "nothing goes in before all is there"
    );
    works(&mut worker).await;
    assert_eq!(world.stream.first_seen()[&name], up_to(6));
}

async fn a_refill_that_a_replica_did_not_end_another_ends(world: World) {
    let mut first = world.replica().await;
    let user = published(&world, &mut first, 4).await;
    world.stream.is_made_anew();
    world.stream.comes_back(2);
    assert_eq!(first.step().await, Step::Refilled);
    // As when it dies, but for the wait.
    world.stream.goes_away();
    assert_eq!(first.step().await, Step::Away);
    world.stream.comes_back(3);
    let (mut second, events) = world.replica_and_events().await;
    works(&mut second).await;
    assert_eq!(world.stream.first_seen()[&user], up_to(4));
    assert_eq!(events.refills(), 0, "it was begun before");
}

async fn a_stream_that_lost_nothing_is_not_filled(world: World) {
    let (mut worker, events) = world.replica_and_events().await;
    published(&world, &mut worker, 4).await;
    for connection in 2..5 {
        world.stream.comes_back(connection);
        works(&mut worker).await;
    }
    let mut other = world.replica().await;
    world.stream.goes_away();
    worker.step().await;
    world.stream.comes_back(9);
    works(&mut other).await;
    assert_eq!(copies(&world.stream), [1, 1, 1, 1]);
    assert_eq!(events.refills(), 1);
}
