//! What crosses between the accounts.

use super::*;

#[tokio::test]
async fn pages_and_heartbeats_reach_every_verifier() {
    let nats = bus().await;
    let service = Peer::connect(&nats, "session-api").await;
    let replica = Peer::connect(&nats, "session-api").await;
    pages(&service).await;
    let mut ears = Vec::new();
    for user in ["orders", "gate"] {
        let verifier = Peer::connect(&nats, user).await;
        ears.push((
            verifier.hears(PAGES).await,
            verifier.hears(HEARTBEATS).await,
            verifier,
        ));
    }
    ears.push((
        replica.hears(PAGES).await,
        replica.hears(HEARTBEATS).await,
        replica,
    ));

    assert_eq!(store(&service, PAGES, "a page").await, 1);
    service.publishes(HEARTBEATS, "a heartbeat").await;
    for (pages, heartbeats, _) in &mut ears {
        assert_eq!(next_text(pages).await, "a page");
        assert_eq!(next_text(heartbeats).await, "a heartbeat");
    }
}

#[tokio::test]
async fn a_verifiers_status_reaches_every_replica_of_the_service() {
    let nats = bus().await;
    let mut ears = Vec::new();
    for _ in 0..2 {
        let service = Peer::connect(&nats, "session-api").await;
        ears.push((service.hears("sessions.v1.status.*.*").await, service));
    }
    let orders = Peer::connect(&nats, "orders").await;
    orders
        .publishes("sessions.v1.status.orders.i1", "fine")
        .await;
    for (status, _) in &mut ears {
        let message = next(status).await;
        assert_eq!(message.subject.as_str(), "sessions.v1.status.orders.i1");
        assert_eq!(message.payload, "fine");
    }
}

#[tokio::test]
async fn a_verifier_reads_the_stored_pages_one_by_one_and_in_batches() {
    let nats = bus().await;
    let service = Peer::connect(&nats, "session-api").await;
    pages(&service).await;
    for number in 1..=600 {
        assert_eq!(
            store(&service, PAGES, &format!("page {number}")).await,
            number
        );
    }
    let orders = Peer::connect(&nats, "orders").await;
    let stream = orders
        .jetstream()
        .get_stream_no_info("SESSIONS_REVOCATIONS")
        .await
        .expect("asks nothing");
    let page = stream
        .direct_get_next_for_subject(PAGES, Some(17))
        .await
        .expect("the question crosses, and so does the answer");
    assert_eq!((page.sequence, &page.payload[..]), (17, &b"page 17"[..]));

    let inbox = orders.client.new_inbox();
    let mut answers = orders.hears(&inbox).await;
    let question = format!(r#"{{"seq":100,"next_by_subj":"{PAGES}","batch":500}}"#);
    let asked = orders
        .client
        .publish_with_reply(REPLAY, inbox, question.into());
    asked.await.expect("open");
    for number in 100..=599 {
        assert_eq!(next_text(&mut answers).await, format!("page {number}"));
    }
    let end = next(&mut answers).await;
    assert_eq!(end.status.map(|status| status.as_u16()), Some(204));
}
