//! Live pages, and what a feed says when it may have missed some.

use super::*;
use revocation_events::nats::{NoReport, StatusFeed};
use std::sync::Arc;
use tokio::sync::Semaphore;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_feed_gets_all_in_order_and_no_heartbeat_overtakes_a_page() {
    const PAIRS: u32 = 20_000;
    let server = Server::start();
    let (_bus, publisher) = service(&server).await;
    let bus = connect(&server.url()).await;
    let mut feed = live_feed(&bus, &publisher).await;

    // No further ahead of the reader than what may wait for one.
    let ahead = Arc::new(Semaphore::new(1_000));
    let room = ahead.clone();
    let publishing = tokio::spawn(async move {
        // Without waiting for acknowledgments, so that a page and its heartbeat come together.
        let client = async_nats::connect(server.url()).await.unwrap();
        for number in 0..PAIRS {
            room.acquire().await.unwrap().forget();
            let (page, heartbeat) = (format!("p{number}"), format!("h{number}"));
            client
                .publish("sessions.v1.revocations", page.into())
                .await
                .unwrap();
            client
                .publish("sessions.v1.heartbeats", heartbeat.into())
                .await
                .unwrap();
        }
        client.flush().await.unwrap();
        server
    });
    let (mut pages, mut heartbeats) = (0, 0);
    while heartbeats < PAIRS {
        let text = next_page(&mut feed).await;
        let number: u32 = text[1..].parse().unwrap();
        if text.starts_with('p') {
            assert_eq!(number, pages);
            pages += 1;
        } else {
            assert_eq!(number, heartbeats);
            heartbeats += 1;
            ahead.add_permits(1);
            assert!(number < pages, "{text} came after {pages} pages");
        }
    }
    soon(publishing).await.unwrap();
}

#[tokio::test]
async fn after_a_crash_of_the_server_the_feed_says_so_and_goes_on() {
    let mut server = Server::start();
    let (service, publisher) = service(&server).await;
    let bus = connect(&server.url()).await;
    let mut feed = live_feed(&bus, &publisher).await;
    publish(&publisher, "before", "k:0:1").await;
    assert_eq!(next_page(&mut feed).await, "before");
    let stored = publisher.stored().await.unwrap().unwrap();

    server.kill();
    assert_eq!(next_resync(&mut feed).await, Why::Disconnected);
    until(&service, |health| !health.connected).await;
    let refused = publisher.heartbeat("x".to_owned()).await;
    assert!(matches!(refused, Err(Error::NotConnected)), "{refused:?}");
    let refused = publisher.publish("x".to_owned(), "x").await;
    assert!(matches!(refused, Err(Error::NotConnected)), "{refused:?}");

    server.start_again();
    assert_eq!(next_resync(&mut feed).await, Why::Connected);
    until(&service, |health| health.connected).await;
    assert_eq!(publisher.stored().await.unwrap().unwrap(), stored);
    // The feed says "connected" before the server has its subscriptions back.
    publish_until_heard(&publisher, &mut feed).await;
    publish(&publisher, "after", "k:1:2").await;
    assert_eq!(next_page(&mut feed).await, "after");
}

async fn publish_until_heard(publisher: &Publisher, feed: &mut PageFeed) {
    soon(async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tokio::select! {
                _ = tick.tick() => publisher.heartbeat("first".to_owned()).await.unwrap(),
                item = feed.next() => if item == Some(FeedItem::Page("first".to_owned())) { break },
            }
        }
    })
    .await;
}

#[tokio::test]
async fn everything_can_be_started_before_the_server_is() {
    let mut server = Server::start();
    server.kill();
    let bus = Bus::connect(Settings::new(&server.url()).unwrap())
        .await
        .unwrap();
    let mut feed = PageFeed::subscribe(&bus).await.unwrap();
    let publisher = Publisher::new(&bus);
    let refused = publisher.ensure_stream(10 * MINUTE, Replicas::One).await;
    assert!(matches!(refused, Err(Error::NotConnected)), "{refused:?}");
    let failed = until(&bus, |health| health.errors > 0).await;
    assert!(!failed.connected && failed.last_error.is_some());

    server.start_again();
    assert_eq!(next_resync(&mut feed).await, Why::Connected);
    soon(publisher.ensure_stream(10 * MINUTE, Replicas::One))
        .await
        .unwrap();
    publish(&publisher, "a", "k:0:1").await;
    assert_eq!(next_page(&mut feed).await, "a");
}

#[tokio::test]
async fn a_reader_that_was_too_slow_is_told_once() {
    let server = Server::start();
    let (bus, publisher) = service(&server).await;
    let mut feed = live_feed(&bus, &publisher).await;
    // More than the 8,192 that wait for a reader. The answer to a question on the same connection
    // comes after all of them, if not to the first one: that is given up after two seconds.
    for _ in 0..10_000 {
        publisher.heartbeat("h".to_owned()).await.unwrap();
    }
    soon(async { while publisher.stored().await.is_err() {} }).await;
    until(&bus, |health| health.slow_consumer > 100).await;

    assert_eq!(
        soon(feed.next()).await,
        Some(FeedItem::Resync(Why::SlowConsumer))
    );
    let mut told_again = 0;
    for _ in 0..8_000 {
        match soon(feed.next()).await.unwrap() {
            FeedItem::Page(_) => {}
            FeedItem::Resync(why) => {
                assert_eq!(why, Why::SlowConsumer);
                told_again += 1;
            }
        }
    }
    // The last of the many events may trail behind the first item.
    assert!(told_again <= 1, "{told_again}");
    assert!(bus.connected());
}

#[tokio::test]
async fn a_server_that_is_about_to_stop_says_so() {
    let server = Server::start();
    let (bus, publisher) = service(&server).await;
    let mut feed = live_feed(&bus, &publisher).await;
    server.announce_shutdown();
    assert_eq!(next_resync(&mut feed).await, Why::LameDuck);
}

#[tokio::test]
async fn bytes_that_are_no_text_come_through_to_be_counted() {
    let server = Server::start();
    let (bus, publisher) = service(&server).await;
    let mut feed = live_feed(&bus, &publisher).await;
    let stranger = async_nats::connect(server.url()).await.unwrap();
    let bytes = vec![b'a', 0xFF].into();
    stranger
        .publish("sessions.v1.heartbeats", bytes)
        .await
        .unwrap();
    stranger.flush().await.unwrap();
    assert_eq!(next_page(&mut feed).await, "a\u{FFFD}");
}

#[tokio::test]
async fn every_verifiers_status_is_heard_and_nonsense_is_not() {
    let server = Server::start();
    let service = connect(&server.url()).await;
    let verifier = connect(&server.url()).await;
    let mut statuses = StatusFeed::subscribe(&service).await.unwrap();
    // A question on the same connection: its answer comes after the subscription was made.
    let _ = Publisher::new(&service).stored().await.unwrap();

    let stranger = async_nats::connect(server.url()).await.unwrap();
    let text = serde_json::to_vec(&status("i9")).unwrap();
    let no_name = Status {
        service: "two words".to_owned(),
        ..status("i9")
    };
    let no_name = serde_json::to_vec(&no_name).unwrap();
    for (subject, payload) in [
        ("sessions.v1.status.orders.i9", no_name),
        ("sessions.v1.status.orders.i1", b"{}".to_vec()),
        ("sessions.v1.status.orders.i1", text.clone()),
        ("sessions.v1.status.a+b.i9", text.clone()),
        (
            "sessions.v1.status.orders.i9",
            [text.clone(), vec![b' '; 5_000]].concat(),
        ),
    ] {
        stranger.publish(subject, payload.into()).await.unwrap();
    }
    stranger
        .publish("sessions.v1.status.shop.i9", text.into())
        .await
        .unwrap();
    stranger.flush().await.unwrap();
    for _ in 0..5 {
        assert_eq!(soon(statuses.next()).await, Some(Err(NoReport)));
    }
    let heard = soon(statuses.next()).await.unwrap().unwrap();
    assert_eq!(
        (heard.client.as_str(), heard.status),
        ("shop", status("i9"))
    );

    verifier
        .publish_status("orders", &status("i1"))
        .await
        .unwrap();
    let heard = soon(statuses.next()).await.unwrap().unwrap();
    assert_eq!(
        (heard.client.as_str(), heard.status),
        ("orders", status("i1"))
    );

    for (client, status) in [("a.b", status("i1")), ("orders", status("i.1"))] {
        let refused = verifier.publish_status(client, &status).await;
        assert!(matches!(refused, Err(Error::InvalidStatus)), "{refused:?}");
    }
}

#[tokio::test]
async fn closing_sends_what_was_said_and_ends_the_feeds() {
    let server = Server::start();
    let service = connect(&server.url()).await;
    let mut statuses = StatusFeed::subscribe(&service).await.unwrap();
    let _ = Publisher::new(&service).stored().await.unwrap();

    let verifier = connect(&server.url()).await;
    let mut feed = PageFeed::subscribe(&verifier).await.unwrap();
    let goodbye = Status {
        goodbye: true,
        ..status("i1")
    };
    verifier.publish_status("orders", &goodbye).await.unwrap();
    soon(verifier.close()).await;
    assert!(soon(statuses.next()).await.unwrap().unwrap().status.goodbye);
    soon(async { while feed.next().await.is_some() {} }).await;
}
