//! The bus against a real nats-server.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod events;
mod feeds;
mod permissions;
#[path = "../../../tests/src/port.rs"]
#[expect(
    unreachable_pub,
    reason = "the harness, where it is public, knows no crate but itself"
)]
mod port;
mod publishing;
mod replaying;
mod server;

use revocation_events::nats::{
    Ack, Bus, Error, FeedItem, Health, PageFeed, Publisher, Replicas, Settings, Why,
};
use revocation_events::status::{Counts, Status};
use server::Server;
use std::future::Future;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// Nothing here waits without a bound.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(20 * SECOND, future)
        .await
        .expect("it did not happen within 20 s")
}

async fn until(bus: &Bus, condition: impl FnMut(&Health) -> bool) -> Health {
    let mut health = bus.health();
    let health = soon(health.wait_for(condition)).await.unwrap();
    health.clone()
}

async fn connect(url: &str) -> Bus {
    let bus = Bus::connect(Settings::new(url).unwrap()).await.unwrap();
    until(&bus, |health| health.connected).await;
    bus
}

async fn service(server: &Server) -> (Bus, Publisher) {
    let bus = connect(&server.url()).await;
    let publisher = Publisher::new(&bus);
    soon(publisher.ensure_stream(10 * MINUTE, Replicas::One))
        .await
        .unwrap();
    (bus, publisher)
}

/// A feed through which a heartbeat has come, so that its subscriptions are known to stand.
async fn live_feed(bus: &Bus, publisher: &Publisher) -> PageFeed {
    let mut feed = PageFeed::subscribe(bus).await.unwrap();
    // The subscription to pages was made before that to heartbeats, on one connection.
    soon(async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tokio::select! {
                _ = tick.tick() => publisher.heartbeat("first".to_owned()).await.unwrap(),
                item = feed.next() => match item {
                    Some(FeedItem::Page(_)) => break,
                    Some(FeedItem::Resync(_)) => {}
                    None => panic!("the feed ended"),
                },
            }
        }
    })
    .await;
    feed
}

/// The next page that is not one of the heartbeats of [`live_feed`].
async fn next_page(feed: &mut PageFeed) -> String {
    soon(async {
        loop {
            match feed.next().await.expect("the feed ended") {
                FeedItem::Page(page) if page != "first" => return page,
                FeedItem::Page(_) => {}
                FeedItem::Resync(why) => panic!("{why:?}"),
            }
        }
    })
    .await
}

async fn next_resync(feed: &mut PageFeed) -> Why {
    soon(async {
        loop {
            if let FeedItem::Resync(why) = feed.next().await.expect("the feed ended") {
                return why;
            }
        }
    })
    .await
}

async fn publish(publisher: &Publisher, page: &str, id: &str) -> Ack {
    soon(publisher.publish(page.to_owned(), id)).await.unwrap()
}

async fn replay(bus: &Bus) -> Result<Vec<String>, Error> {
    let mut replay = bus.replay(20 * SECOND);
    let mut pages = Vec::new();
    while let Some(page) = replay.next().await? {
        pages.push(page);
    }
    Ok(pages)
}

async fn raw(server: &Server) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

fn status(instance: &str) -> Status {
    Status {
        service: "orders".to_owned(),
        instance: instance.to_owned(),
        version: "0.1.0".to_owned(),
        head: None,
        fresh: true,
        age_ms: Some(7),
        max_staleness_ms: 10_000,
        counts: Counts::default(),
        goodbye: false,
    }
}
