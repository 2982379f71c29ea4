//! Stored pages.

use super::*;
use revocation_events::subject::REVOCATIONS_STREAM;

#[tokio::test]
async fn the_stored_pages_come_in_their_order_and_without_a_consumer() {
    let server = Server::start();
    let (_service, publisher) = service(&server).await;
    let verifier = connect(&server.url()).await;
    assert_eq!(
        replay(&verifier).await.unwrap(),
        Vec::<String>::new(),
        "an empty stream"
    );

    // More than two batches, and the last one is not full.
    let pages: Vec<_> = (0..600).map(|number| format!("p{number}")).collect();
    for page in &pages {
        publish(&publisher, page, page).await;
    }
    assert_eq!(replay(&verifier).await.unwrap(), pages);

    let mut stream = raw(&server)
        .await
        .get_stream(REVOCATIONS_STREAM)
        .await
        .unwrap();
    assert_eq!(stream.info().await.unwrap().state.consumer_count, 0);
}

#[tokio::test]
async fn large_pages_come_in_smaller_batches() {
    let server = Server::start();
    let (_service, publisher) = service(&server).await;
    let page = |number| format!("{number}{}", "x".repeat(500 * 1024));
    for number in 0..30 {
        publish(&publisher, &page(number), &number.to_string()).await;
    }
    let pages = replay(&connect(&server.url()).await).await.unwrap();
    assert_eq!(pages.len(), 30);
    assert!(
        pages
            .iter()
            .zip(0..)
            .all(|(got, number)| *got == page(number))
    );
}

#[tokio::test]
async fn other_subjects_of_the_stream_are_passed_over() {
    let server = Server::start();
    let (bus, publisher) = service(&server).await;
    let settings = Settings::new(&server.url()).unwrap();
    let other = Bus::connect(settings.subjects("other".parse().unwrap()))
        .await
        .unwrap();
    until(&other, |health| health.connected).await;
    let other_publisher = Publisher::new(&other);
    soon(other_publisher.ensure_stream(MINUTE, Replicas::One))
        .await
        .unwrap();
    for number in 0..10 {
        publish(&publisher, "ours", &format!("a{number}")).await;
        publish(&other_publisher, "theirs", &format!("b{number}")).await;
    }
    assert_eq!(replay(&bus).await.unwrap(), vec!["ours"; 10]);
    assert_eq!(replay(&other).await.unwrap(), vec!["theirs"; 10]);
}

#[tokio::test]
async fn no_stream_is_told_apart_from_an_empty_one() {
    let server = Server::start();
    let bus = connect(&server.url()).await;
    let refused = soon(replay(&bus)).await;
    // Debian 12's nats-server (2.9) keeps silent.
    assert!(
        matches!(refused, Err(Error::NoStream { .. } | Error::TimedOut)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_replay_ends_in_time() {
    let server = Server::start();
    let (bus, publisher) = service(&server).await;
    publish(&publisher, "a", "k:0:1").await;
    let late = soon(bus.replay(Duration::ZERO).next()).await;
    assert!(matches!(late, Err(Error::TimedOut)), "{late:?}");
}
