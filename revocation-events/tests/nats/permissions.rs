//! What a server's permissions forbid is said, and quickly: NATS itself answers with silence.

use super::*;
use revocation_events::nats::StatusFeed;

const ONE_ACCOUNT: &str = r#"
authorization {
  users: [
    {user: service, password: service-password}
    {user: orders, password: orders-password, permissions: {
      publish: ["sessions.v1.status.orders.>", "$JS.API.DIRECT.GET.SESSIONS_REVOCATIONS"]
      subscribe: ["sessions.v1.revocations", "sessions.v1.heartbeats", "_INBOX_orders.>"]
    }}
    {user: stranger, password: stranger-password, permissions: {
      publish: ["nothing"], subscribe: ["nothing", "_INBOX.>"]
    }}
  ]
}"#;

async fn service_of(server: &Server) -> (Bus, Publisher) {
    let bus = connect(&server.url_as("service")).await;
    let publisher = Publisher::new(&bus);
    soon(publisher.ensure_stream(10 * MINUTE, Replicas::One))
        .await
        .unwrap();
    (bus, publisher)
}

async fn verifier_of(server: &Server) -> Bus {
    let settings = Settings::new(&server.url_as("orders")).unwrap();
    let settings = settings.inbox_prefix("_INBOX_orders".to_owned()).unwrap();
    let bus = Bus::connect(settings).await.unwrap();
    until(&bus, |health| health.connected).await;
    bus
}

#[tokio::test]
async fn a_verifier_needs_its_own_subjects_only() {
    let server = Server::start_with(ONE_ACCOUNT);
    let (service, publisher) = service_of(&server).await;
    let verifier = verifier_of(&server).await;
    let mut statuses = StatusFeed::subscribe(&service).await.unwrap();
    let mut feed = live_feed(&verifier, &publisher).await;

    publish(&publisher, "a", "k:0:1").await;
    assert_eq!(next_page(&mut feed).await, "a");
    assert_eq!(replay(&verifier).await.unwrap(), ["a"]);
    verifier
        .publish_status("orders", &status("i1"))
        .await
        .unwrap();
    assert_eq!(
        soon(statuses.next()).await.unwrap().unwrap().client,
        "orders"
    );
    assert_eq!(verifier.health().borrow().errors, 0);

    let stranger_to_pages = Publisher::new(&verifier)
        .publish("b".to_owned(), "k:1:2")
        .await;
    assert!(
        matches!(stranger_to_pages, Err(Error::Denied(_))),
        "{stranger_to_pages:?}"
    );
    assert_eq!(publisher.stored().await.unwrap().unwrap().page, "a");
}

#[tokio::test]
async fn whoever_may_nothing_is_told_so_before_any_timeout() {
    let server = Server::start_with(ONE_ACCOUNT);
    let (_service, _publisher) = service_of(&server).await;
    let stranger = connect(&server.url_as("stranger")).await;

    let mut feed = PageFeed::subscribe(&stranger).await.unwrap();
    assert_eq!(next_resync(&mut feed).await, Why::Denied);
    let words = stranger.health().borrow().last_error.clone().unwrap();
    assert!(words.contains("sessions.v1."), "{words}");

    let publisher = Publisher::new(&stranger);
    for denied in [
        publisher.publish("a".to_owned(), "k:0:1").await.map(|_| ()),
        publisher.ensure_stream(MINUTE, Replicas::One).await,
        publisher.stored().await.map(|_| ()),
        replay(&stranger).await.map(|_| ()),
    ] {
        assert!(matches!(denied, Err(Error::Denied(_))), "{denied:?}");
    }
}

/// Whoever reads late hears both: one who is refused is connected all the same.
#[tokio::test]
async fn a_refusal_does_not_hide_that_the_server_is_there() {
    let mut server = Server::start_with(ONE_ACCOUNT);
    server.kill();
    let stranger = Settings::new(&server.url_as("stranger")).unwrap();
    let stranger = Bus::connect(stranger).await.unwrap();
    let mut feed = PageFeed::subscribe(&stranger).await.unwrap();
    server.start_again();
    let denied = |health: &Health| {
        let words = health.last_error.as_deref().unwrap_or_default();
        health.connects > 0 && words.contains("Subscription")
    };
    until(&stranger, denied).await;
    assert_eq!(next_resync(&mut feed).await, Why::Connected);
    assert_eq!(next_resync(&mut feed).await, Why::Denied);
}

#[tokio::test]
async fn a_wrong_password_is_said_and_tried_again() {
    let server = Server::start_with(ONE_ACCOUNT);
    let wrong = server
        .url_as("service")
        .replace("service-password", "wrong");
    let bus = Bus::connect(Settings::new(&wrong).unwrap()).await.unwrap();
    let failed = until(&bus, |health| health.errors >= 2).await;
    assert!(!failed.connected && !bus.connected());
    let words = failed.last_error.unwrap();
    assert!(words.contains("authorization violation"), "{words}");
    assert!(!words.contains("wrong"), "{words}");
}

#[tokio::test]
async fn a_missing_credentials_file_is_an_error_at_once() {
    let settings = Settings::new("127.0.0.1:1").unwrap();
    let settings = settings
        .credentials_file("/nowhere/x.creds".into())
        .unwrap();
    let error = Bus::connect(settings).await.unwrap_err();
    assert!(matches!(error, Error::CredentialsFile(_)), "{error:?}");
}

/// The verifiers in an account of their own, which imports what it may.
fn two_accounts(response: &str) -> Server {
    let imports = ["revocations", "heartbeats"].map(|subject| {
        format!(r#"{{stream: {{account: SERVICE, subject: "sessions.v1.{subject}"}}}}"#)
    });
    Server::start_with(&format!(
        r#"accounts {{
  SERVICE {{
    jetstream: enabled
    users: [{{user: service, password: service-password}}]
    exports: [
      {{stream: "sessions.v1.revocations"}}, {{stream: "sessions.v1.heartbeats"}}
      {{service: "$JS.API.DIRECT.GET.SESSIONS_REVOCATIONS" {response}}}
    ]
  }}
  VERIFIERS {{
    users: [{{user: orders, password: orders-password}}]
    imports: [
      {}
      {{service: {{account: SERVICE, subject: "$JS.API.DIRECT.GET.SESSIONS_REVOCATIONS"}}}}
    ]
  }}
}}"#,
        imports.join("\n")
    ))
}

async fn replays_across_accounts(server: Server) {
    let (_service, publisher) = service_of(&server).await;
    let verifier = verifier_of(&server).await;
    let mut feed = live_feed(&verifier, &publisher).await;
    let pages: Vec<_> = (0..300).map(|number| format!("p{number}")).collect();
    for page in &pages {
        publish(&publisher, page, page).await;
        assert_eq!(next_page(&mut feed).await, *page);
    }
    assert_eq!(replay(&verifier).await.unwrap(), pages);
}

#[tokio::test]
async fn stored_pages_come_across_accounts() {
    replays_across_accounts(two_accounts(", response_type: stream")).await;
}

#[tokio::test]
async fn stored_pages_come_one_by_one_where_the_export_lets_one_answer_through() {
    replays_across_accounts(two_accounts("")).await;
}
