//! What nobody gets away with.

use super::*;

/// That `user` may not publish to `subjects`.
async fn may_not_publish(nats: &Nats, user: &str, subjects: &[&str]) {
    let peer = Peer::connect(nats, user).await;
    for subject in subjects {
        peer.publishes(subject, "{}").await;
        let what = format!("{user} is told that it may not publish to {subject}");
        let complaint = format!("Permissions Violation for Publish to \"{subject}\"");
        eventually(&what, BOUND, async || peer.complained(&complaint)).await;
    }
}

/// That `user` may not subscribe to `subjects`.
async fn may_not_subscribe(nats: &Nats, user: &str, subjects: &[&str]) {
    let peer = Peer::connect(nats, user).await;
    for subject in subjects {
        let _subscriber = peer.client.subscribe((*subject).to_owned()).await;
        let what = format!("{user} is told that it may not subscribe to {subject}");
        let complaint = format!("Permissions Violation for Subscription to \"{subject}\"");
        eventually(&what, BOUND, async || peer.complained(&complaint)).await;
    }
}

#[tokio::test]
async fn strangers_stay_outside() {
    let nats = bus().await;
    assert!(async_nats::connect(nats.url()).await.is_err());
    for (user, password) in [
        ("orders", "gate-password"),
        ("orders", ""),
        ("nobody", "nobody-password"),
    ] {
        let url = nats.url_for(user, password);
        assert!(async_nats::connect(url).await.is_err(), "{user}");
    }
    let orders = Peer::connect(&nats, "orders").await;
    assert!(!orders.complained("Authorization"));
}

#[tokio::test]
async fn a_verifier_tells_its_own_status_and_nothing_else() {
    may_not_publish(
        &bus().await,
        "orders",
        &[
            PAGES,
            HEARTBEATS,
            "sessions.v1.status.gate.i1",
            "sessions.v1.status.orders.i1.more",
            "sessions.v1.status.orders",
            "sessions.v1.events.session.opened",
            "_INBOX_gate.x",
            "_INBOX_orders.x",
            "$JS.API.STREAM.DELETE.SESSIONS_REVOCATIONS",
            "$JS.API.STREAM.PURGE.SESSIONS_REVOCATIONS",
            "$JS.API.STREAM.INFO.SESSIONS_REVOCATIONS",
            "$JS.API.STREAM.MSG.GET.SESSIONS_REVOCATIONS",
            "$JS.API.CONSUMER.CREATE.SESSIONS_REVOCATIONS",
            "$JS.API.DIRECT.GET.SESSIONS_EVENTS",
            "$JS.API.DIRECT.GET.SESSIONS_REVOCATIONS.sessions.v1.revocations",
            "$JS.ACK.SESSIONS_EVENTS.audit.1.1.1.1.1",
            "$SYS.REQ.SERVER.PING",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_verifier_hears_pages_heartbeats_and_its_own_inbox_and_nothing_else() {
    may_not_subscribe(
        &bus().await,
        "orders",
        &[
            ">",
            "sessions.>",
            "sessions.v1.*",
            "sessions.v1.status.*.*",
            "sessions.v1.status.orders.*",
            "sessions.v1.events.>",
            "_INBOX.>",
            "*.>",
            "_INBOX_gate.>",
            "_INBOX_session-api.>",
            "$JS.>",
            "$SYS.>",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_subscriber_to_events_says_nothing_and_hears_events_only() {
    let nats = bus().await;
    may_not_publish(
        &nats,
        "audit",
        &[
            PAGES,
            "sessions.v1.events.session.opened",
            "sessions.v1.status.audit.i1",
            "$JS.API.CONSUMER.CREATE.SESSIONS_EVENTS",
            "$JS.API.CONSUMER.CREATE.SESSIONS_EVENTS.audit",
            "$JS.API.CONSUMER.DELETE.SESSIONS_EVENTS.audit",
            "JS.SESSIONS.CONSUMER.MSG.NEXT.SESSIONS_EVENTS.billing",
            "JS.SESSIONS.CONSUMER.CREATE.SESSIONS_EVENTS.audit",
            "$JS.ACK.SESSIONS_EVENTS.billing.1.1.1.1.1",
            "$JS.API.STREAM.DELETE.SESSIONS_EVENTS",
            REPLAY,
        ],
    )
    .await;
    may_not_subscribe(
        &nats,
        "audit",
        &[">", PAGES, HEARTBEATS, "_INBOX.>", "_INBOX_billing.>"],
    )
    .await;
}

#[tokio::test]
async fn the_service_neither_deletes_nor_purges_its_streams_nor_invents_a_status() {
    let nats = bus().await;
    may_not_publish(
        &nats,
        "session-api",
        &[
            "$JS.API.STREAM.DELETE.SESSIONS_REVOCATIONS",
            "$JS.API.STREAM.PURGE.SESSIONS_REVOCATIONS",
            "$JS.API.STREAM.MSG.DELETE.SESSIONS_EVENTS",
            "$JS.API.STREAM.CREATE.OTHER",
            "$JS.API.CONSUMER.CREATE.SESSIONS_EVENTS",
            "sessions.v1.status.orders.i1",
            "_INBOX_orders.x",
        ],
    )
    .await;
    may_not_subscribe(&nats, "session-api", &[">", "_INBOX.>", "$JS.ACK.>"]).await;
}

/// The second wall: a user of the verifiers' account whom somebody forgot to limit.
#[tokio::test]
async fn without_permissions_the_account_still_keeps_a_verifier_from_the_others() {
    let config = CONFIG.replacen(
        "        user: orders",
        "        user: careless, password: careless-password\n      }\n      {\n        user: orders",
        1,
    );
    assert_ne!(config, CONFIG);
    let nats = bus_with(&config).await;
    let service = Peer::connect(&nats, "session-api").await;
    pages(&service).await;
    let mut heard = service.hears(PAGES).await;
    let careless = Peer::connect(&nats, "careless").await;

    careless.publishes(PAGES, "a false page").await;
    careless.round_trip().await;
    for api in ["STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.GET"] {
        let subject = format!("$JS.API.{api}.SESSIONS_REVOCATIONS");
        let answer = careless.client.request(subject, "{}".into()).await;
        let answer = answer.expect("the account's own JetStream answers");
        let text = String::from_utf8_lossy(&answer.payload);
        assert!(text.contains("JetStream not enabled for account"), "{text}");
    }
    assert_eq!(store(&service, PAGES, "a page").await, 1);
    assert_eq!(next_text(&mut heard).await, "a page");

    let mut overheard = careless.hears(">").await;
    let operator = Peer::connect(&nats, "operator").await;
    for subject in [
        "sessions.v1.events.session.opened",
        "_INBOX_session-api.x",
        "anything",
    ] {
        operator.publishes(subject, "for others").await;
    }
    operator.publishes(HEARTBEATS, "a heartbeat").await;
    loop {
        match next_text(&mut overheard).await {
            text if text == "a heartbeat" => break,
            text => assert_ne!(text, "for others"),
        }
    }
}

/// Who may ask for a stored page names the subject of the answer. Across accounts that subject is
/// one of the asker's own account: the stream's subject is out of reach.
#[tokio::test]
async fn the_answer_to_a_question_cannot_be_aimed_at_the_stream() {
    let nats = bus().await;
    let service = Peer::connect(&nats, "session-api").await;
    pages(&service).await;
    assert_eq!(store(&service, PAGES, "page 1").await, 1);
    let mut heard = service.hears(PAGES).await;
    let orders = Peer::connect(&nats, "orders").await;
    let gate = Peer::connect(&nats, "gate").await;
    let mut at_the_gate = gate.hears(PAGES).await;

    for question in [r#"{"seq":1}"#, r#"{"seq":99}"#] {
        let asked = orders
            .client
            .publish_with_reply(REPLAY, PAGES, question.into());
        asked.await.expect("open");
    }
    // The same question the ordinary way, on the same connection: the others were dealt with.
    let stream = orders
        .jetstream()
        .get_stream_no_info("SESSIONS_REVOCATIONS")
        .await
        .expect("asks nothing");
    stream.direct_get(1).await.expect("a page is stored");

    assert_eq!(store(&service, PAGES, "page 2").await, 2);
    assert_eq!(next_text(&mut heard).await, "page 2");
    // It reached other verifiers, though, and they must expect that: a page of the service's own,
    // which is signed, and an empty answer, which is no page. Nothing that the asker wrote.
    let mut before = Vec::new();
    loop {
        match next_text(&mut at_the_gate).await {
            text if text == "page 2" => break,
            text => before.push(text),
        }
    }
    assert_eq!(before, ["page 1", ""]);
}
