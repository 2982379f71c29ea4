//! The stored stream of events, and the program that reads it.

use super::*;
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use revocation_events::event::{Event, What};
use revocation_events::nats::{Delivery, EventPublisher, EventSubscriber, StreamState};
use revocation_events::subject::EVENTS_STREAM;
use revocation_events::{Position, UnixMillis};

/// The `number`-th event of everyone's stream.
fn event(number: u64) -> Event {
    Event {
        id: uuid::Uuid::from_u128(number.into()),
        source: "https://id.example.com".to_owned(),
        time: UnixMillis::new(1_764_000_000_000),
        version: number,
        what: What::EveryoneRevoked {
            position: Position::new(number).unwrap(),
        },
    }
}

async fn events(server: &Server) -> (Bus, EventPublisher) {
    let bus = connect(&server.url()).await;
    let publisher = EventPublisher::new(&bus);
    soon(publisher.ensure_stream(10 * MINUTE, Replicas::One))
        .await
        .unwrap();
    (bus, publisher)
}

async fn store(publisher: &EventPublisher, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let id = number.to_string();
        soon(publisher.publish(&event(number), &id)).await.unwrap();
    }
}

async fn config(server: &Server) -> Config {
    let stream = raw(server).await.get_stream(EVENTS_STREAM).await.unwrap();
    stream.cached_info().config.clone()
}

fn mailer(bus: &Bus) -> EventSubscriber {
    EventSubscriber::new(bus, "mailer").unwrap()
}

async fn next(subscriber: &mut EventSubscriber) -> Delivery {
    soon(subscriber.next()).await.unwrap()
}

/// The numbers of the next events, each of which is acknowledged.
async fn takes(subscriber: &mut EventSubscriber, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        let delivery = next(subscriber).await;
        delivery.ack().await.unwrap();
        numbers.push(delivery.event().version);
    }
    numbers
}

#[tokio::test]
async fn an_event_is_stored_under_its_kind_and_a_copy_is_told_apart() {
    let server = Server::start();
    let (_bus, publisher) = events(&server).await;
    let state = async |age, replicas| publisher.stream_state(age, replicas).await.unwrap();
    let well = StreamState::There {
        differences: Vec::new(),
        behind: Vec::new(),
    };
    assert_eq!(state(None, Replicas::One).await, well);
    let StreamState::There { differences, .. } = state(Some(20 * MINUTE), Replicas::Three).await
    else {
        panic!("it is there")
    };
    assert_eq!(differences.len(), 2, "{differences:?}");
    let empty = publisher.look().await.unwrap().unwrap();
    assert_eq!((empty.first, empty.last_sequence), (None, 0));

    let first = publisher.publish(&event(1), "1").await.unwrap();
    let copy = publisher.publish(&event(1), "1").await.unwrap();
    assert_eq!((first.sequence, first.duplicate), (1, false));
    assert_eq!((copy.sequence, copy.duplicate), (1, true));

    let stream = raw(&server).await.get_stream(EVENTS_STREAM).await.unwrap();
    let stored = stream.get_raw_message(1).await.unwrap();
    assert_eq!(
        stored.subject.as_str(),
        "sessions.v1.events.everyone.revoked"
    );
    assert_eq!(stored.payload, event(1).to_json());
    let found = publisher.look().await.unwrap().unwrap();
    assert_eq!(found.incarnation, empty.incarnation);
    assert_eq!(found.last_sequence, 1);
    assert_eq!(found.first.map(|(number, _)| number), Some(1));
}

#[tokio::test]
async fn a_full_stream_refuses_what_is_new_and_keeps_what_is_old() {
    let server = Server::start();
    let (_bus, publisher) = events(&server).await;
    let small = Config {
        max_messages: 2,
        ..config(&server).await
    };
    raw(&server).await.update_stream(&small).await.unwrap();
    store(&publisher, 1..=2).await;
    let refused = publisher.publish(&event(3), "3").await.unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
    assert!(
        refused.to_string().contains("maximum messages"),
        "{refused}"
    );
    let found = publisher.look().await.unwrap().unwrap();
    assert_eq!(found.first.map(|(number, _)| number), Some(1));

    // What an operator has set as its size stays, and what would lose events does not.
    let leaky = Config {
        discard: DiscardPolicy::Old,
        max_messages_per_subject: 1,
        ..small
    };
    raw(&server).await.update_stream(&leaky).await.unwrap();
    publisher
        .ensure_stream(10 * MINUTE, Replicas::One)
        .await
        .unwrap();
    let kept = config(&server).await;
    assert_eq!((kept.max_messages, kept.max_messages_per_subject), (2, -1));
    assert_eq!(kept.discard, DiscardPolicy::New);
    assert!(kept.deny_delete && kept.deny_purge);
}

#[tokio::test]
async fn events_are_kept_for_as_long_as_the_operator_says() {
    let server = Server::start();
    let (_bus, publisher) = events(&server).await;
    for minutes in [20, 1] {
        let age = minutes * MINUTE;
        let found = publisher.ensure_stream(age, Replicas::One).await.unwrap();
        assert_eq!(found.max_age, age);
        let config = config(&server).await;
        assert_eq!(config.max_age, age);
        assert_eq!(config.duplicate_window, age.min(2 * MINUTE));
    }
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_to_the_next_process() {
    let server = Server::start();
    let (bus, publisher) = events(&server).await;
    store(&publisher, 1..=3).await;
    let mut first = mailer(&bus).ack_wait(SECOND / 2);
    assert_eq!(takes(&mut first, 1).await, [1]);
    let lost = next(&mut first).await;
    assert_eq!((lost.event().version, lost.deliveries()), (2, 1));
    drop((lost, first));

    let mut second = mailer(&bus);
    let again = next(&mut second).await;
    assert_eq!((again.event(), again.deliveries()), (&event(2), 2));
    again.ack().await.unwrap();
    assert_eq!(takes(&mut second, 1).await, [3]);
}

#[tokio::test]
async fn nothing_overtakes_an_event_that_failed() {
    let server = Server::start();
    let (bus, publisher) = events(&server).await;
    store(&publisher, 1..=3).await;
    let mut subscriber = mailer(&bus);
    for times in 1..=3 {
        let failed = next(&mut subscriber).await;
        assert_eq!((failed.event().version, failed.deliveries()), (1, times));
        failed.retry_after(Duration::from_millis(10)).await.unwrap();
    }
    assert_eq!(takes(&mut subscriber, 3).await, [1, 2, 3]);
}

#[tokio::test]
async fn work_that_takes_long_keeps_its_event() {
    let server = Server::start();
    let (bus, publisher) = events(&server).await;
    store(&publisher, 1..=2).await;
    let mut subscriber = mailer(&bus).ack_wait(SECOND);
    let long = next(&mut subscriber).await;
    let began = std::time::Instant::now();
    let mut tick = tokio::time::interval(SECOND / 5);
    while began.elapsed() < 2 * SECOND {
        tick.tick().await;
        long.working().await.unwrap();
    }
    long.ack().await.unwrap();
    let second = next(&mut subscriber).await;
    assert_eq!((second.event().version, second.deliveries()), (2, 1));
}

#[tokio::test]
async fn what_is_no_event_stops_nobody_and_what_is_not_known_is_given() {
    let server = Server::start();
    let (bus, publisher) = events(&server).await;
    let stranger = raw(&server).await;
    let later = event(2).to_json().replace("everyone.revoked", "moon.rose");
    for text in ["", "no event", &later] {
        let subject = "sessions.v1.events.moon.rose";
        let sent = stranger.publish(subject, text.to_owned().into()).await;
        sent.unwrap().await.unwrap();
    }
    store(&publisher, [3]).await;
    let mut subscriber = mailer(&bus);
    let unknown = next(&mut subscriber).await;
    assert_eq!(unknown.event().what.kind(), "moon.rose");
    assert!(matches!(unknown.event().what, What::Unknown { .. }));
    unknown.ack().await.unwrap();
    assert_eq!(takes(&mut subscriber, 1).await, [3]);
}

/// Before the server, before the stream, and after the stream was made anew.
#[tokio::test]
async fn a_subscriber_waits_for_whatever_is_not_there() {
    let mut server = Server::start();
    let url = server.url();
    server.kill();
    let reader = Bus::connect(Settings::new(&url).unwrap()).await.unwrap();
    let reading = tokio::spawn(async move {
        let mut subscriber = mailer(&reader);
        let mut numbers = takes(&mut subscriber, 2).await;
        numbers.extend(takes(&mut subscriber, 3).await);
        numbers
    });
    server.start_again();
    let (_bus, publisher) = events(&server).await;
    store(&publisher, 1..=2).await;
    let consumer = async {
        let stream = raw(&server).await.get_stream(EVENTS_STREAM).await.unwrap();
        while stream
            .consumer_info("mailer")
            .await
            .map_or(0, |info| info.ack_floor.stream_sequence)
            < 2
        {
            tokio::task::yield_now().await;
        }
    };
    soon(consumer).await;

    raw(&server)
        .await
        .delete_stream(EVENTS_STREAM)
        .await
        .unwrap();
    soon(publisher.ensure_stream(10 * MINUTE, Replicas::One))
        .await
        .unwrap();
    store(&publisher, 1..=3).await;
    // The consumer is another one, so they all come again: by their ids it can be told.
    assert_eq!(soon(reading).await.unwrap(), [1, 2, 1, 2, 3]);
}

#[tokio::test]
async fn a_subscriber_ends_with_its_bus() {
    let server = Server::start();
    let (_bus, publisher) = events(&server).await;
    store(&publisher, [1]).await;
    let bus = connect(&server.url()).await;
    let mut subscriber = mailer(&bus);
    assert_eq!(takes(&mut subscriber, 1).await, [1]);
    let (ended, ()) = tokio::join!(soon(subscriber.next()), bus.close());
    assert!(ended.is_none());
}

#[tokio::test]
async fn names_are_plain() {
    let server = Server::start();
    let bus = connect(&server.url()).await;
    for bad in ["", "a.b", "a b", "*", ">"] {
        let refused = EventSubscriber::new(&bus, bad).map(drop);
        assert!(matches!(refused, Err(Error::ConsumerName)), "{bad:?}");
    }
    for bad in ["", "$JS.API", "JS.>"] {
        let refused = mailer(&bus).api_prefix(bad).map(drop);
        assert!(matches!(refused, Err(Error::ConsumerName)), "{bad:?}");
    }
}
