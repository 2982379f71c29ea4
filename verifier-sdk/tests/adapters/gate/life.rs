//! From its start to its end: beside its issuer, without it, on a bus.

use super::*;
use crate::nats_server;
use revocation_events::Target;
use revocation_events::nats::{Bus, Settings, StatusFeed};
use std::time::Duration;

#[tokio::test]
async fn it_outlives_its_issuer_and_says_how_it_is() {
    let issuer = Issuer::start().await;
    let server = servers::gate(&issuer, &[]);
    is_ready(&server).await;
    let (_, body) = ready(&server).await;
    assert_eq!(body["ready"], true, "{body}");

    issuer.log().silent = true;
    until("it notices", async || ready(&server).await.0 == 503).await;
    let (_, body) = ready(&server).await;
    assert_eq!(body["ready"], false, "{body}");
    assert!(!body["reason"].as_str().unwrap().is_empty(), "{body}");

    issuer.log().silent = false;
    is_ready(&server).await;
}

#[tokio::test]
async fn the_policy_while_stale_decides_what_ready_means() {
    let issuer = Issuer::start().await;
    let servers = ["accept", "introspect"].map(|policy| {
        let flags = ["--on-stale", policy, "--method-from", "request"];
        servers::gate(&issuer, &flags)
    });
    for server in &servers {
        is_ready(server).await;
    }
    let ann = issuer.mint();
    let token = app(&ann, &[]);
    let who = || request("GET", "/whoami").bearer(&token);

    issuer.log().silent = true;
    issuer.revoke(Target::Session(ann.session));
    for server in &servers {
        until("it is stale", async || {
            ready(server).await.1["freshness"] == "stale"
        })
        .await;
        assert_eq!(ready(server).await.0, 200);
    }
    check(&servers, &[("so it seems", who(), For(ann.user))]).await;

    issuer.log().active = false;
    let [accept, introspect] = servers;
    check(&[accept], &[("nobody knows", who(), For(ann.user))]).await;
    let ended = Refused(401, "token-invalid");
    check(&[introspect], &[("the issuer knows", who(), ended)]).await;
}

#[tokio::test]
async fn it_starts_before_its_issuer() {
    let mut issuer = Issuer::start().await;
    issuer.stop().await;
    let server = servers::gate(&issuer, &["--method-from", "request"]);
    let (status, body) = ready(&server).await;
    assert_eq!((status, &body["ready"]), (503, &false.into()), "{body}");
    assert_eq!(body["freshness"], "starting");

    issuer.listen().await;
    is_ready(&server).await;
    let ann = issuer.mint();
    let token = app(&ann, &[]);
    check(
        &[server],
        &[(
            "now",
            request("GET", "/whoami").bearer(&token),
            For(ann.user),
        )],
    )
    .await;
}

#[tokio::test]
async fn it_says_goodbye() {
    let issuer = Issuer::start().await;
    let mut server = servers::gate(&issuer, &["--service", "edge-1"]);
    is_ready(&server).await;
    let left = tokio::task::spawn_blocking(move || server.terminate());
    assert!(left.await.unwrap().success());
    let last = issuer.log().reports.pop().unwrap();
    assert!(last.goodbye, "{last:?}");
    assert_eq!(last.service, "edge-1");
}

#[tokio::test]
async fn it_follows_the_bus_that_is_named() {
    let issuer = Issuer::start().await;
    let nats = nats_server::Server::start();
    let subjects = "edge".parse().unwrap();
    let bus = Settings::new(&nats.url()).unwrap().subjects(subjects);
    let bus = Bus::connect(bus).await.unwrap();
    let mut health = bus.health();
    health.wait_for(|health| health.connected).await.unwrap();
    let mut reports = StatusFeed::subscribe(&bus).await.unwrap();

    let flags = ["--nats-url", &nats.url(), "--nats-prefix", "edge"];
    let mut server = servers::gate(&issuer, &flags);
    let report = tokio::time::timeout(Duration::from_secs(60), reports.next());
    let report = report.await.unwrap().unwrap().unwrap();
    assert_eq!(
        (&*report.client, &*report.status.service),
        ("orders", "gate")
    );

    is_ready(&server).await;
    let left = tokio::task::spawn_blocking(move || server.terminate());
    assert!(left.await.unwrap().success());
    let goodbye = async { while !reports.next().await.unwrap().unwrap().status.goodbye {} };
    let goodbye = tokio::time::timeout(Duration::from_secs(60), goodbye);
    goodbye.await.expect("it says goodbye where it reported");
}
