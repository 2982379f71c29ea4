//! What is published, and what is not.

use super::*;
use async_nats::jetstream;
use reqwest::Method;
use revocation_events::event::{Delivery, EndReason, What};
use serde_json::{Value, json};
use std::time::Duration;

const EVENTS: &str = "SESSIONS_EVENTS";

/// Log-ins, log-outs, refreshes, another password, other roles; what an operator does over HTTP and by
/// commands.
async fn much_happens(world: &World) {
    let (mut phone, mut laptop, mut admin) = (world.alice(), world.alice(), world.admin());
    for user in [&mut phone, &mut laptop, &mut admin] {
        user.logs_in().await;
    }
    phone.refreshes().await;
    laptop.logs_out().await;
    laptop.logs_in().await;
    phone
        .sends(Method::DELETE, "/sessions?keep=current", None)
        .await
        .must_be(200);
    let new = json!({ "current": crate::revocation::PASSWORD, "new": "another pair of shoes 7" });
    phone
        .sends(Method::PUT, "/password", Some(new))
        .await
        .must_be(200);
    let settings = world.service.settings();
    for command in [
        &["user", "disable", "alice"][..],
        &["user", "enable", "alice"],
        &["keys", "rotate"],
        &["sessions", "revoke", "--everyone"],
    ] {
        settings.must_run(command, "").await;
    }
}

#[tokio::test]
async fn every_event_of_the_log_arrives_in_the_order_of_its_stream() {
    let world = World::begins().await;
    let reader = Reader::on(&world.nats).await;
    much_happens(&world).await;
    reader.has_all_of(&world).await;
    nothing_waits(&world).await;
    assert_eq!(reader.again(), 0);
    assert_eq!(progress(&world.service).await, "ok");

    let events = reader.done();
    let opened: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.what {
            What::SessionOpened {
                user,
                delivery,
                new_device,
                ..
            } => Some((*user, delivery.clone(), *new_device)),
            _ => None,
        })
        .collect();
    assert_eq!(opened.len(), 4);
    assert!(opened.iter().all(|(_, way, _)| *way == Delivery::Body));
    // Two devices that call themselves alike are one to the service.
    assert_eq!(opened.iter().filter(|(.., new)| *new).count(), 2);
    let alice = opened[0].0;
    let logged_out = events.iter().find_map(|event| match &event.what {
        What::SessionRevoked { user, reason, .. } => Some((*user, reason.clone())),
        _ => None,
    });
    assert_eq!(
        logged_out,
        Some((alice, EndReason::Logout)),
        "and whose it was"
    );
    let kinds: HashSet<_> = events.iter().map(|event| event.what.kind()).collect();
    assert!(kinds.len() >= 10, "{kinds:?}");
}

#[tokio::test]
async fn an_event_is_a_cloud_event_whose_id_is_that_of_its_message() {
    let world = World::begins().await;
    let mut alice = world.alice();
    alice.logs_in().await;
    nothing_waits(&world).await;
    let client = async_nats::connect(world.nats.url()).await.unwrap();
    let stream = jetstream::new(client).get_stream(EVENTS).await.unwrap();
    let subject = "sessions.v1.events.session.opened";
    let message = stream
        .get_last_raw_message_by_subject(subject)
        .await
        .unwrap();
    let event: Value = serde_json::from_slice(&message.payload).unwrap();
    let id = message.headers.get("Nats-Msg-Id").unwrap();
    assert_eq!(event["id"], id.as_str());
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["source"], world.service.issuer());
    assert_eq!(event["type"], "session.opened");
    assert_eq!(event["datacontenttype"], "application/json");
    let session = event["subject"].as_str().unwrap().strip_prefix("session/");
    assert!(session.unwrap().parse::<Uuid>().is_ok());
    assert_eq!(event["data"]["v"], 1);
    assert_eq!(event["data"]["version"], 1);
    assert_eq!(event["data"]["new_device"], true);
    assert_eq!(event["data"]["delivery"], "body");
    let config = &stream.cached_info().config;
    assert_eq!(config.max_age, Duration::from_secs(7 * 86_400));
}

/// The stream keeps them as long as the operator says.
#[tokio::test]
async fn refreshes_arrive_where_they_are_wanted() {
    let world = World::begins_with(|settings| {
        settings
            .env("SESSION_API_PUBLISH_REFRESHED", "true")
            .flag("--events-max-age", "1d")
    })
    .await;
    let reader = Reader::on(&world.nats).await;
    let mut alice = world.alice();
    alice.logs_in().await;
    for _ in 0..3 {
        alice.refreshes().await;
    }
    alice.logs_out().await;
    let log = log(&world, false).await;
    eventually("all of the log", SOON, async || reader.streams() == log).await;
    let generations: Vec<_> = reader
        .done()
        .iter()
        .filter_map(|event| match event.what {
            What::SessionRefreshed { generation, .. } => Some(generation),
            _ => None,
        })
        .collect();
    assert_eq!(generations, [2, 3, 4]);
    let client = async_nats::connect(world.nats.url()).await.unwrap();
    let stream = jetstream::new(client).get_stream(EVENTS).await.unwrap();
    let age = stream.cached_info().config.max_age;
    assert_eq!(age, Duration::from_secs(86_400));
}
