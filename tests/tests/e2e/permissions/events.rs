//! Programs that read the log of events.

use super::*;
use async_nats::jetstream::consumer::{PullConsumer, pull};

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
    let operator = Peer::connect(&nats, "operator").await;
    let config = pull::Config {
        durable_name: Some("audit".to_owned()),
        ..Default::default()
    };
    let made = operator
        .jetstream()
        .create_consumer_on_stream(config, EVENTS)
        .await;
    made.expect("an operator may make consumers");

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
