//! That our own library needs nothing which the file denies.

use super::*;
use revocation_events::nats::{Bus, FeedItem, PageFeed, Publisher, Replicas, Settings, StatusFeed};
use revocation_events::status::{Counts, Status};

pub(super) async fn bus_of(nats: &Nats, user: &str) -> Bus {
    let url = nats.url_for(user, &format!("{user}-password"));
    let settings = Settings::new(&url).unwrap();
    let settings = settings.inbox_prefix(format!("_INBOX_{user}")).unwrap();
    let bus = Bus::connect(settings).await.unwrap();
    eventually("connected", BOUND, async || bus.connected()).await;
    bus
}

async fn next_page(feed: &mut PageFeed) -> String {
    let page = async {
        loop {
            match feed.next().await {
                Some(FeedItem::Page(page)) => return page,
                Some(FeedItem::Resync(why)) => println!("resync: {why:?}"),
                None => panic!("the feed ended"),
            }
        }
    };
    tokio::time::timeout(BOUND, page)
        .await
        .expect("a page within the bound")
}

#[tokio::test]
async fn the_library_works_within_the_file() {
    let nats = bus().await;
    let service = bus_of(&nats, "session-api").await;
    let publisher = Publisher::new(&service);
    let age = Duration::from_mins(20);
    publisher.ensure_stream(age, Replicas::One).await.unwrap();
    // Making it longer is a change of the stream.
    publisher
        .ensure_stream(2 * age, Replicas::One)
        .await
        .unwrap();
    let mut statuses = StatusFeed::subscribe(&service).await.unwrap();

    let verifier = bus_of(&nats, "orders").await;
    let mut feed = PageFeed::subscribe(&verifier).await.unwrap();
    let status = Status {
        service: "orders".to_owned(),
        instance: "i1".to_owned(),
        version: "0.1.0".to_owned(),
        head: None,
        fresh: false,
        age_ms: None,
        max_staleness_ms: 10_000,
        counts: Counts::default(),
        goodbye: false,
    };
    verifier.publish_status("orders", &status).await.unwrap();
    let reported = tokio::time::timeout(BOUND, statuses.next()).await;
    assert_eq!(reported.unwrap().unwrap().unwrap().client, "orders");

    // The status came after the subscriptions on the same connection, so they stand.
    publisher
        .publish("a page".to_owned(), "k:0:1")
        .await
        .unwrap();
    publisher.heartbeat("a heartbeat".to_owned()).await.unwrap();
    assert_eq!(next_page(&mut feed).await, "a page");
    assert_eq!(next_page(&mut feed).await, "a heartbeat");
    assert_eq!(publisher.stored().await.unwrap().unwrap().page, "a page");
    let mut replay = verifier.replay(BOUND);
    assert_eq!(replay.next().await.unwrap().as_deref(), Some("a page"));
    assert_eq!(replay.next().await.unwrap(), None);

    for bus in [&service, &verifier] {
        assert_eq!(bus.health().borrow().last_error, None);
    }
}
