//! The feed over a real nats-server, while all goes well.

use crate::issuer::Issuer;
use crate::server::Server;
use crate::{builder, eventually, refused, soon};
use revocation_events::nats::{Bus, Publisher, Replicas, Settings, StatusFeed};
use revocation_events::{Position, Target, jws, page};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use verifier_sdk::{Builder, Ended, Reason, Verifier};

/// The issuer's side of NATS: what it sends to its streams it publishes too.
pub(crate) struct Relay {
    pub(crate) bus: Bus,
    task: tokio::task::JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn start(issuer: &Issuer, url: &str) -> Self {
        let bus = Bus::connect(Settings::new(url).unwrap()).await.unwrap();
        let mut health = bus.health();
        soon("connected", health.wait_for(|health| health.connected))
            .await
            .unwrap();
        let publisher = Publisher::new(&bus);
        let minute = Duration::from_secs(60);
        soon("the stream", publisher.ensure_stream(minute, Replicas::One))
            .await
            .unwrap();
        let mut live = issuer.live();
        let publisher = Arc::new(publisher);
        let task = tokio::spawn(async move {
            while let Ok(page) = live.recv().await {
                // What is lost here is a page that was lost.
                if let Some(id) = message_id(&page) {
                    // Heartbeats must not wait for an acknowledgment.
                    let publisher = Arc::clone(&publisher);
                    tokio::spawn(async move { drop(publisher.publish(page, &id).await) });
                } else {
                    drop(publisher.heartbeat(page).await);
                }
            }
        });
        Self { bus, task }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// That of a page with revocations; a heartbeat has none.
fn message_id(page: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Range {
        from: Position,
        to: Position,
    }
    let unverified = jws::Unverified::parse(page, page::TYP, page::MAX_LEN).unwrap();
    let range: Range = serde_json::from_slice(unverified.payload()).unwrap();
    (range.from < range.to).then(|| format!("{}:{}:{}", unverified.kid(), range.from, range.to))
}

pub(crate) fn on_nats(issuer: &Issuer, server: &Server) -> Builder {
    builder(issuer).nats(server.url())
}

/// Revokes a session, and waits until the verifier refuses it.
pub(crate) async fn follows(issuer: &Issuer, verifier: &Verifier) {
    let minted = issuer.mint();
    let token = minted.token();
    let session = verifier.verify(&token).unwrap();
    issuer.revoke(Target::Session(minted.session));
    let ended = soon("the session ends", verifier.on_ended(&session)).await;
    assert_eq!(ended, Ended::Revoked);
    assert_eq!(refused(verifier, &token), Some(Reason::Revoked));
}

#[tokio::test]
async fn over_nats_no_stream_over_http_is_opened() {
    let (issuer, server) = (Issuer::start().await, Server::start());
    let _relay = Relay::start(&issuer, &server.url()).await;
    let verifier = on_nats(&issuer, &server).start().await.unwrap();
    for _ in 0..20 {
        follows(&issuer, &verifier).await;
    }
    let log = issuer.log();
    assert!(log.streams.is_empty() && !log.catch_ups.is_empty());
}

#[tokio::test]
async fn it_catches_up_over_http_however_many_answers_that_takes() {
    let (issuer, server) = (Issuer::start().await, Server::start());
    let minted = issuer.mint();
    for _ in 0..5_500 {
        issuer.revoke(Target::Session(issuer.mint().session));
    }
    issuer.revoke(Target::Session(minted.session));
    issuer.log().pages_at_once = 1;
    // That may take longer than a verifier waits for a proof, and the stream would bring it all.
    issuer.log().stream_code = 503;
    let _relay = Relay::start(&issuer, &server.url()).await;
    let verifier = on_nats(&issuer, &server).start().await.unwrap();
    assert_eq!(refused(&verifier, &minted.token()), Some(Reason::Revoked));
    assert_eq!(verifier.status().cutoffs, 5_501);
    let asked = issuer.log().catch_ups.clone();
    assert!(asked.len() >= 6, "each answer has one page: {asked:?}");
    // At the start and when NATS is connected. Had it to be asked to go on after these, two seconds
    // would lie before each of the others; a machine that stands still is not told from that once.
    let gaps = asked.windows(2).map(|pair| pair[1] - pair[0]);
    let long: Vec<_> = gaps.filter(|gap| *gap >= Duration::from_secs(2)).collect();
    assert!(long.len() < 2, "{long:?}");
}

#[tokio::test]
async fn a_page_lost_on_nats_is_fetched() {
    let (issuer, server) = (Issuer::start().await, Server::start());
    let _relay = Relay::start(&issuer, &server.url()).await;
    let verifier = on_nats(&issuer, &server).start().await.unwrap();
    let token = issuer.mint();
    issuer.log().silent = true;
    issuer.revoke(Target::Session(token.session));
    issuer.log().silent = false;
    let token = token.token();
    eventually("it catches up", || {
        refused(&verifier, &token) == Some(Reason::Revoked)
    })
    .await;
    assert!(issuer.log().streams.is_empty());
}

#[tokio::test]
async fn it_reports_over_nats() {
    let (issuer, server) = (Issuer::start().await, Server::start());
    let relay = Relay::start(&issuer, &server.url()).await;
    let mut reports = StatusFeed::subscribe(&relay.bus).await.unwrap();
    let verifier = on_nats(&issuer, &server).start().await.unwrap();
    // The first may go over HTTP: that is there before the connection to NATS is.
    soon("a report", reports.next()).await.unwrap().unwrap();
    let over_http = issuer.log().reports.len();
    let head = issuer.revoke(Target::Everyone);
    let moved = async {
        loop {
            let report = reports.next().await.unwrap().unwrap();
            assert_eq!(
                (report.client.as_str(), report.status.goodbye),
                ("orders", false)
            );
            if report.status.head == Some(head) {
                break;
            }
        }
    };
    soon("the new head is reported", moved).await;
    verifier.shutdown().await;
    let goodbye = async { while !reports.next().await.unwrap().unwrap().status.goodbye {} };
    soon("a goodbye", goodbye).await;
    assert_eq!(issuer.log().reports.len(), over_http);
}
