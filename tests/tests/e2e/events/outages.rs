//! NATS that is away, is wiped or is full, and a subscriber that never acknowledges.

use super::*;
use async_nats::jetstream::{self, stream::Config};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const EVENTS: &str = "SESSIONS_EVENTS";

async fn jetstream_of(nats: &Nats) -> jetstream::Context {
    jetstream::new(async_nats::connect(nats.url()).await.unwrap())
}

#[tokio::test]
async fn what_happens_while_nats_is_away_arrives_when_it_is_back() {
    let mut world = World::begins().await;
    let reader = Reader::on(&world.nats).await;
    nothing_waits(&world).await;
    world.nats.kill();
    let mut alice = world.alice();
    alice.logs_in().await;
    alice.logs_out().await;
    assert_eq!(waiting(&world).await, 2);
    let url = world.service.url().to_owned();
    eventually("it shows in the metrics", SOON, async || {
        figure(&url, WAITING).await == 2.0
    })
    .await;
    world.nats.restart().await;
    reader.has_all_of(&world).await;
    eventually("and so does its end", SOON, async || {
        figure(&url, WAITING).await == 0.0
    })
    .await;
    assert_eq!(figure(&url, REFILLS).await, 1.0, "the first filling");
}

/// While events come, the stream is lost, and with it the subscriber's place in it.
#[tokio::test]
async fn who_knows_events_by_their_ids_sees_each_once_though_nats_is_wiped() {
    let mut world = World::begins().await;
    let reader = Reader::on(&world.nats).await;
    let streams = users(20);
    let database = world.database.url().to_owned();
    happens(&database, &streams, 1..=10).await;
    reader.has_all_of(&world).await;

    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let writing = tokio::spawn(async move {
        let mut last = 10;
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        while !stopped.load(Ordering::Relaxed) {
            tick.tick().await;
            happens(&database, &streams, last + 1..=last + 1).await;
            last += 1;
        }
        last
    });
    let before = reader.done().len();
    let grows = async |than: usize| {
        eventually("more is read", 2 * SOON, async || {
            reader.done().len() > than + 50
        })
        .await;
    };
    grows(before).await;
    world.nats.wipe().await;
    grows(reader.done().len()).await;
    stop.store(true, Ordering::Relaxed);
    let last = writing.await.unwrap();
    reader.has_all_of(&world).await;
    let again = reader.again();
    assert!(
        again >= before,
        "all came again, and was done once: {again}"
    );
    assert_eq!(figure(world.service.url(), REFILLS).await, 2.0);
    println!("{last} events of each stream; {again} came again");
}

/// It holds up nobody: the stream keeps what it was not given, and the service keeps nothing.
#[tokio::test]
async fn a_subscriber_that_never_acknowledges_loses_nothing_and_costs_the_service_nothing() {
    let world = World::begins().await;
    let bus = bus(&world.nats).await;
    let mut lazy = EventSubscriber::new(&bus, "reader")
        .unwrap()
        .ack_wait(Duration::from_secs(1));
    let first = lazy.next().await.unwrap();
    let streams = users(10);
    happens(world.database.url(), &streams, 1..=200).await;
    nothing_waits(&world).await;
    let again = lazy.next().await.unwrap();
    assert_eq!(again.event(), first.event(), "nothing comes after it");
    assert!(again.deliveries() >= 2);

    let js = jetstream_of(&world.nats).await;
    let stream = js.get_stream(EVENTS).await.unwrap();
    let consumer = stream.consumer_info("reader").await.unwrap();
    assert_eq!(consumer.num_ack_pending, 1);
    assert!(consumer.num_pending >= 2_000, "an operator sees it there");
    drop(lazy);
    // The next program of that name reads all of it.
    let reader = Reader::on(&world.nats).await;
    reader.has_all_of(&world).await;
}

#[tokio::test]
async fn what_a_full_stream_refuses_waits_and_arrives_when_there_is_room() {
    let world = World::begins().await;
    nothing_waits(&world).await;
    let js = jetstream_of(&world.nats).await;
    let stream = js.get_stream(EVENTS).await.unwrap();
    let room = |messages| Config {
        max_messages: messages,
        ..stream.cached_info().config.clone()
    };
    let stored = i64::try_from(stream.cached_info().state.messages).unwrap();
    js.update_stream(&room(stored + 10)).await.unwrap();
    let streams = users(5);
    happens(world.database.url(), &streams, 1..=10).await;
    let url = world.service.url().to_owned();
    eventually("it shows in the metrics", SOON, async || {
        figure(&url, WAITING).await == 40.0 && figure(&url, FAILURES).await > 0.0
    })
    .await;
    assert_eq!(waiting(&world).await, 40);
    // Pages and log-ins go on.
    let mut alice = world.alice();
    alice.logs_in().await;
    assert_eq!(alice.logs_out().await.body["published"], true);
    eventually(
        "and where it is asked whether it is ready",
        SOON,
        async || progress(&world.service).await == "late",
    )
    .await;

    js.update_stream(&room(-1)).await.unwrap();
    let reader = Reader::on(&world.nats).await;
    reader.has_all_of(&world).await;
    assert_eq!(reader.again(), 0);
}
