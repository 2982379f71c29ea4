//! Replicas that die, and commands that run without one.

use super::*;

/// With events under way; the first started is the one that publishes.
#[tokio::test]
async fn when_the_replica_that_publishes_is_killed_another_goes_on() {
    let mut world = World::begins().await;
    let reader = Reader::on(&world.nats).await;
    nothing_waits(&world).await;
    let second = world.service.replica().await;
    let streams = users(50);
    for killed in [true, false] {
        let versions = if killed { 1..=40 } else { 41..=60 };
        let read = reader.done().len();
        happens(world.database.url(), &streams, versions).await;
        if killed {
            eventually("some are published", SOON, async || {
                reader.done().len() > read
            })
            .await;
            assert!(figure(world.service.url(), PUBLISHED).await > 0.0);
            assert!(waiting(&world).await > 0, "and not all");
            world.service.kill();
        }
        reader.has_all_of(&world).await;
    }
    assert!(figure(second.url(), PUBLISHED).await >= 1_000.0);
    assert_eq!(figure(second.url(), REFILLS).await, 0.0);
}

#[tokio::test]
async fn what_a_command_does_without_a_replica_the_next_one_publishes() {
    let mut world = World::begins().await;
    let reader = Reader::on(&world.nats).await;
    nothing_waits(&world).await;
    let ended = world.service.stop().await;
    assert!(ended.success());
    let settings = world.service.settings();
    settings.must_run(&["user", "disable", "alice"], "").await;
    settings.must_run(&["keys", "rotate"], "").await;
    assert!(waiting(&world).await > 1);
    world.service.restart().await;
    reader.has_all_of(&world).await;
    let disabled = reader.streams().into_values().flatten();
    let disabled = disabled.filter(|(kind, _)| kind == "user.disabled");
    assert_eq!(disabled.count(), 1);
}
