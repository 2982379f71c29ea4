//! Programs that read the log of events.

use super::*;
use async_nats::jetstream::consumer::PullConsumer;

const EVENTS: &str = "SESSIONS_EVENTS";

#[tokio::test]
async fn events_are_heard_live() {
    let nats = bus().await;
    let service = Peer::connect(&nats, "session-api").await;
    stream(&service, EVENTS, "sessions.v1.events.>").await;
    let audit = Peer::connect(&nats, "audit").await;
    let mut events = audit.hears("sessions.v1.events.>").await;
    store(&service, "sessions.v1.events.session.opened", "one").await;
    let event = next(&mut events).await;
    assert_eq!(event.subject.as_str(), "sessions.v1.events.session.opened");
    assert_eq!(event.payload, "one");
}

#[tokio::test]
async fn stored_events_are_read_through_the_consumer_that_an_operator_made() {
    let nats = bus().await;
    let service = Peer::connect(&nats, "session-api").await;
    stream(&service, EVENTS, "sessions.v1.events.>").await;
    for number in 1..=300 {
        store(
            &service,
            "sessions.v1.events.session.opened",
            &number.to_string(),
        )
        .await;
    }
    make_consumer(&nats, "audit").await;

    let audit = Peer::connect(&nats, "audit").await;
    let context = jetstream::with_prefix(audit.client.clone(), "JS.SESSIONS");
    let stream = context.get_stream_no_info(EVENTS).await;
    let mut consumer: PullConsumer = stream
        .expect("asks nothing")
        .get_consumer("audit")
        .await
        .expect("its own consumer");
    let mut events = consumer.messages().await.expect("its own consumer");
    for number in 1..=300 {
        let event = tokio::time::timeout(BOUND, events.next()).await;
        let event = event.expect("in time").expect("open").expect("no error");
        assert_eq!(event.payload, number.to_string());
        event
            .double_ack()
            .await
            .expect("the acknowledgment crosses too");
    }
    let state = consumer.info().await.expect("its own consumer");
    assert_eq!(
        (state.ack_floor.stream_sequence, state.num_ack_pending),
        (300, 0)
    );
}

/// A program that may not make its consumer says so, waits, and reads all once an operator has made it.
#[tokio::test]
async fn the_library_reads_events_within_the_file() {
    use revocation_events::event::{Event, What};
    use revocation_events::nats::{EventPublisher, EventSubscriber, Replicas};
    let nats = bus().await;
    let service = library::bus_of(&nats, "session-api").await;
    let publisher = EventPublisher::new(&service);
    for age in [Duration::from_mins(20), Duration::from_mins(10)] {
        publisher.ensure_stream(age, Replicas::One).await.unwrap();
    }
    let event = |number: u8| Event {
        id: uuid::Uuid::from_u128(number.into()),
        source: "https://id.example.com".to_owned(),
        time: revocation_events::UnixMillis::new(0),
        version: number.into(),
        what: What::EveryoneRevoked {
            position: revocation_events::Position::ZERO,
        },
    };
    for number in 1..=3 {
        let id = number.to_string();
        publisher.publish(&event(number), &id).await.unwrap();
    }
    assert_eq!(publisher.look().await.unwrap().unwrap().last_sequence, 3);
    assert_eq!(service.health().borrow().last_error, None);

    let audit = library::bus_of(&nats, "audit").await;
    let mut events = EventSubscriber::new(&audit, "audit").unwrap();
    events = events.api_prefix("JS.SESSIONS").unwrap();
    let reading = tokio::spawn(async move {
        let mut read = Vec::new();
        while read.len() < 3 {
            let delivery = events.next().await.expect("the bus is open");
            delivery.ack().await.expect("the acknowledgment crosses");
            read.push(delivery.event().clone());
        }
        read
    });
    eventually("it was denied", BOUND, async || {
        let health = audit.health().borrow().clone();
        let words = health.last_error.unwrap_or_default();
        words.contains("CONSUMER.CREATE.SESSIONS_EVENTS.audit")
    })
    .await;
    make_consumer(&nats, "audit").await;
    let read = tokio::time::timeout(BOUND, reading).await;
    let read = read.expect("in time").expect("no panic");
    assert_eq!(read, [event(1), event(2), event(3)]);
    assert_eq!(audit.health().borrow().errors, 1, "and it tried that once");
}
