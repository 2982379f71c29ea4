use async_nats::connection::State;
use async_nats::jetstream;
use futures::StreamExt as _;
use std::time::Duration;
use tests::{Nats, eventually};

const BOUND: Duration = Duration::from_secs(30);

/// A stream of one subject, with one message.
async fn stored(nats: &Nats) -> async_nats::Client {
    let client = async_nats::ConnectOptions::new()
        .ping_interval(Duration::from_millis(200))
        .reconnect_delay_callback(|_| Duration::from_millis(20))
        .connect(nats.url())
        .await
        .expect("a server that is ready takes connections");
    let context = jetstream::new(client.clone());
    let config = jetstream::stream::Config {
        name: "THINGS".to_owned(),
        subjects: vec!["things".to_owned()],
        ..Default::default()
    };
    context
        .create_stream(config)
        .await
        .expect("JetStream is on");
    let ack = context.publish("things", "one".into()).await;
    ack.expect("sent").await.expect("acknowledged");
    client
}

async fn messages(client: &async_nats::Client) -> Option<u64> {
    let context = jetstream::new(client.clone());
    let stream = context.get_stream("THINGS").await.ok()?;
    Some(stream.cached_info().state.messages)
}

#[tokio::test]
async fn a_restart_keeps_the_streams_and_a_wipe_loses_them() {
    let mut nats = Nats::start().await;
    let url = nats.url();
    let client = stored(&nats).await;

    nats.restart().await;
    assert_eq!(nats.url(), url);
    eventually("the message is still there", BOUND, async || {
        messages(&client).await == Some(1)
    })
    .await;

    nats.wipe().await;
    eventually("connected again", BOUND, async || {
        client.connection_state() == State::Connected && client.flush().await.is_ok()
    })
    .await;
    let missing = jetstream::new(client).get_stream("THINGS").await;
    let missing = missing.expect_err("the stream is lost").to_string();
    assert!(missing.contains("10059"), "{missing}");
}

#[tokio::test]
async fn a_killed_server_refuses_and_a_frozen_one_is_silent() {
    let mut nats = Nats::start().await;
    let client = stored(&nats).await;
    let mut things = client.subscribe("things").await.unwrap();
    client.flush().await.unwrap();

    nats.server().freeze();
    eventually("pings go unanswered", BOUND, async || {
        client.connection_state() == State::Disconnected
    })
    .await;
    nats.server().thaw();
    eventually("its messages come again", BOUND, async || {
        client.publish("things", "two".into()).await.is_ok()
            && tokio::time::timeout(Duration::from_millis(50), things.next())
                .await
                .is_ok_and(|message| message.is_some())
    })
    .await;

    nats.kill();
    assert!(async_nats::connect(nats.url()).await.is_err());
}
