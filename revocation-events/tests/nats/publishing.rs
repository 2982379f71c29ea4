//! The stored stream.

use super::*;
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use revocation_events::subject::REVOCATIONS_STREAM;

async fn config(server: &Server) -> Config {
    let stream = raw(server)
        .await
        .get_stream(REVOCATIONS_STREAM)
        .await
        .unwrap();
    stream.cached_info().config.clone()
}

#[tokio::test]
async fn a_page_is_acknowledged_once_and_a_copy_is_told_apart() {
    let server = Server::start();
    let (_bus, publisher) = service(&server).await;

    let first = publish(&publisher, "a", "k:0:1").await;
    let copy = publish(&publisher, "a", "k:0:1").await;
    let second = publish(&publisher, "b", "k:1:2").await;

    assert_eq!((first.sequence, first.duplicate), (1, false));
    assert_eq!((copy.sequence, copy.duplicate), (1, true));
    assert_eq!((second.sequence, second.duplicate), (2, false));
    let stored = publisher.stored().await.unwrap().unwrap();
    assert_eq!((stored.sequence, stored.page.as_str()), (2, "b"));
}

#[tokio::test]
async fn a_stream_that_was_removed_shows_and_can_be_filled_again() {
    let server = Server::start();
    let (_bus, publisher) = service(&server).await;
    assert_eq!(publisher.stored().await.unwrap(), None, "nothing in it yet");
    publish(&publisher, "a", "k:0:1").await;
    publish(&publisher, "b", "k:1:2").await;
    let before = publisher.stored().await.unwrap().unwrap();

    let purge = raw(&server)
        .await
        .get_stream(REVOCATIONS_STREAM)
        .await
        .unwrap();
    assert!(purge.purge().await.is_err(), "no purge by mistake");
    assert!(
        purge.delete_message(1).await.is_err(),
        "no removal by mistake"
    );
    raw(&server)
        .await
        .delete_stream(REVOCATIONS_STREAM)
        .await
        .unwrap();

    assert_eq!(publisher.stored().await.unwrap(), None);
    let refused = soon(publisher.publish("c".to_owned(), "k:2:3")).await;
    assert!(
        matches!(refused, Err(Error::NoStream { .. })),
        "{refused:?}"
    );

    soon(publisher.ensure_stream(10 * MINUTE, Replicas::One))
        .await
        .unwrap();
    let again = publish(&publisher, "a", "k:0:1").await;
    assert_eq!((again.sequence, again.duplicate), (1, false));
    let after = publisher.stored().await.unwrap().unwrap();
    assert_ne!(after.incarnation, before.incarnation);
}

#[tokio::test]
async fn an_existing_stream_is_widened_and_never_narrowed() {
    let server = Server::start();
    let (_bus, publisher) = service(&server).await;
    let made = config(&server).await;
    assert_eq!(made.max_age, 10 * MINUTE);
    assert_eq!(made.duplicate_window, 2 * MINUTE);
    assert_eq!(made.subjects, ["sessions.v1.revocations"]);
    assert!(made.allow_direct && made.deny_delete && made.deny_purge);

    soon(publisher.ensure_stream(5 * MINUTE, Replicas::One))
        .await
        .unwrap();
    assert_eq!(config(&server).await, made);
    soon(publisher.ensure_stream(20 * MINUTE, Replicas::One))
        .await
        .unwrap();
    assert_eq!(config(&server).await.max_age, 20 * MINUTE);

    let settings = Settings::new(&server.url()).unwrap();
    let other = settings.subjects("other.sessions".parse().unwrap());
    let other = Bus::connect(other).await.unwrap();
    until(&other, |health| health.connected).await;
    let other = Publisher::new(&other);
    soon(other.ensure_stream(MINUTE, Replicas::One))
        .await
        .unwrap();
    let shared = config(&server).await;
    assert_eq!(shared.max_age, 20 * MINUTE);
    assert_eq!(
        shared.subjects,
        ["sessions.v1.revocations", "other.sessions.v1.revocations"]
    );

    publish(&other, "theirs", "k:0:1").await;
    assert_eq!(
        publisher.stored().await.unwrap(),
        None,
        "each prefix has its own pages"
    );
}

#[tokio::test]
async fn a_stream_of_an_operator_keeps_its_size_and_loses_what_would_lose_pages() {
    let server = Server::start();
    let own = Config {
        name: REVOCATIONS_STREAM.to_owned(),
        subjects: vec!["sessions.v1.revocations".to_owned()],
        max_bytes: 1_000_000,
        max_messages_per_subject: 1,
        max_age: MINUTE,
        ..Config::default()
    };
    raw(&server).await.create_stream(own).await.unwrap();
    let (_bus, publisher) = service(&server).await;
    let adapted = config(&server).await;
    assert_eq!(
        (adapted.max_bytes, adapted.max_messages_per_subject),
        (1_000_000, -1)
    );
    assert_eq!(adapted.max_age, 10 * MINUTE);
    assert!(adapted.allow_direct && adapted.deny_purge);
    publish(&publisher, "a", "k:0:1").await;
}

#[tokio::test]
async fn a_stream_that_forgets_what_was_read_is_refused() {
    let server = Server::start();
    let queue = Config {
        name: REVOCATIONS_STREAM.to_owned(),
        subjects: vec!["sessions.v1.revocations".to_owned()],
        retention: RetentionPolicy::WorkQueue,
        ..Config::default()
    };
    raw(&server).await.create_stream(queue).await.unwrap();
    let bus = connect(&server.url()).await;
    let refused = Publisher::new(&bus)
        .ensure_stream(10 * MINUTE, Replicas::One)
        .await;
    assert!(
        matches!(refused, Err(Error::UnusableStream { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn several_replicas_may_make_the_stream_at_once() {
    let server = Server::start();
    let buses = [(); 4].map(|()| server.url());
    let made = buses.map(|url| async move {
        let publisher = Publisher::new(&connect(&url).await);
        publisher.ensure_stream(10 * MINUTE, Replicas::One).await
    });
    for made in soon(futures::future::join_all(made)).await {
        made.unwrap();
    }
}

#[tokio::test]
async fn three_replicas_on_one_server_are_an_error_that_says_so() {
    let server = Server::start();
    let bus = connect(&server.url()).await;
    let error = Publisher::new(&bus)
        .ensure_stream(MINUTE, Replicas::Three)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("replicas"), "{error}");
}

#[tokio::test]
async fn without_jetstream_the_error_says_so() {
    let server = Server::start_with("accounts { A { users: [{user: a, password: a-password}] } }");
    let bus = connect(&server.url_as("a")).await;
    let publisher = Publisher::new(&bus);
    let error = publisher
        .ensure_stream(MINUTE, Replicas::One)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("JetStream"), "{error}");
    let error = publisher
        .publish("a".to_owned(), "k:0:1")
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NoStream { .. }), "{error:?}");
}

#[tokio::test]
async fn a_page_that_is_too_large_is_refused_and_the_connection_stays() {
    let server = Server::start();
    let (bus, publisher) = service(&server).await;
    let large = "x".repeat(2 * 1024 * 1024);
    let stored = soon(publisher.publish(large.clone(), "k:0:1")).await;
    assert!(matches!(stored, Err(Error::TooLarge { .. })), "{stored:?}");
    let sent = soon(publisher.heartbeat(large)).await;
    assert!(matches!(sent, Err(Error::TooLarge { .. })), "{sent:?}");
    publish(&publisher, "a", "k:0:1").await;
    assert_eq!(bus.health().borrow().disconnects, 0);
}
