//! What each account of `deploy/nats.conf` may and may not do, on a real server with that file.

mod crossing;
mod denied;
mod events;
mod library;
mod programs;

use async_nats::jetstream::{self, stream::Stream};
use async_nats::{Client, ConnectOptions, Event, Message, Subscriber};
use futures::StreamExt as _;
use futures::future::join_all;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::{Nats, eventually, nats, port};

const BOUND: Duration = Duration::from_secs(30);
const CONFIG: &str = include_str!("../../../../deploy/nats.conf");
const CLUSTER: &str = include_str!("../../../../deploy/nats-cluster.conf");
const COMPOSE: &str = include_str!("../../../../deploy/compose.yaml");
const PAGES: &str = "sessions.v1.revocations";
const HEARTBEATS: &str = "sessions.v1.heartbeats";
const REPLAY: &str = "$JS.API.DIRECT.GET.SESSIONS_REVOCATIONS";

pub(super) async fn bus() -> Nats {
    bus_with(CONFIG).await
}

async fn bus_with(config: &str) -> Nats {
    with_passwords(Nats::with().config(config)).start().await
}

/// Every user's password is the user's name with `-password`.
fn with_passwords(settings: nats::Settings) -> nats::Settings {
    let users = ["session-api", "operator", "orders", "gate", "audit"];
    users.iter().fold(settings, |settings, user| {
        let name = user.to_uppercase().replace('-', "_");
        let password = format!("{user}-password");
        settings.env(&format!("NATS_{name}_PASSWORD"), &password)
    })
}

/// The three nodes of the cluster, as `deploy/compose.yaml` has them, on ports of their own.
pub(super) async fn cluster() -> Vec<Nats> {
    let routes: Vec<u16> = (0..3).map(|_| port::free()).collect();
    let starting = (1..).zip(&routes).map(|(number, own)| {
        let listen = "listen: 0.0.0.0:6222";
        assert!(CLUSTER.contains(listen));
        let config = CLUSTER.replace(listen, &format!("listen: 127.0.0.1:{own}"));
        let settings = with_passwords(Nats::with().config(&config).file("nats.conf", CONFIG))
            .env("NATS_NAME", &format!("nats-{number}"))
            .env("NATS_MONITOR", &format!("127.0.0.1:{}", port::free()))
            .env("NATS_ROUTE_PASSWORD", "route-password");
        let with_routes = (1..)
            .zip(&routes)
            .fold(settings, |settings, (number, port)| {
                let url = format!("nats://route:route-password@127.0.0.1:{port}");
                settings.env(&format!("NATS_ROUTE_{number}"), &url)
            });
        with_routes.start()
    });
    join_all(starting).await
}

/// A client of the bus, and what the server has complained of.
struct Peer {
    client: Client,
    complaints: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    async fn connect(nats: &Nats, user: &str) -> Self {
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&complaints);
        let client =
            ConnectOptions::with_user_and_password(user.to_owned(), format!("{user}-password"))
                .custom_inbox_prefix(format!("_INBOX_{user}"))
                .event_callback(move |event| {
                    if let Event::ServerError(error) = event {
                        heard
                            .lock()
                            .expect("never poisoned")
                            .push(error.to_string());
                    }
                    std::future::ready(())
                })
                .connect(nats.url())
                .await
                .expect("the user is in the file");
        Self { client, complaints }
    }

    fn jetstream(&self) -> jetstream::Context {
        jetstream::new(self.client.clone())
    }

    /// Subscribes, and comes back once the server has taken it.
    async fn hears(&self, subject: &str) -> Subscriber {
        let subscriber = self.client.subscribe(subject.to_owned()).await;
        self.round_trip().await;
        subscriber.expect("the connection is open")
    }

    /// What was sent before has been dealt with: the server answers in order, and `flush` of the
    /// client alone is no round trip.
    async fn round_trip(&self) {
        let before = self.client.new_inbox();
        let mut echo = self.client.subscribe(before.clone()).await.expect("open");
        // Nobody but JetStream answers the service; verifiers and auditors have no subject of their
        // own inbox to publish to. So the complaint about this publish is the echo.
        self.client
            .publish(before.clone(), "".into())
            .await
            .expect("open");
        eventually("an echo or a complaint", BOUND, async || {
            self.complained(&before) || futures::poll!(std::pin::pin!(echo.next())).is_ready()
        })
        .await;
    }

    fn complained(&self, subject: &str) -> bool {
        let complaints = self.complaints.lock().expect("never poisoned");
        complaints.iter().any(|text| text.contains(subject))
    }

    async fn publishes(&self, subject: &str, text: &str) {
        let sent = self
            .client
            .publish(subject.to_owned(), text.to_owned().into());
        sent.await.expect("the connection is open");
    }
}

async fn next(subscriber: &mut Subscriber) -> Message {
    tokio::time::timeout(BOUND, subscriber.next())
        .await
        .expect("a message within the bound")
        .expect("the connection is open")
}

async fn next_text(subscriber: &mut Subscriber) -> String {
    String::from_utf8(next(subscriber).await.payload.to_vec()).expect("a text")
}

/// The stream of pages, as the service makes it.
async fn pages(service: &Peer) -> Stream {
    stream(service, "SESSIONS_REVOCATIONS", PAGES).await
}

async fn stream(service: &Peer, name: &str, subject: &str) -> Stream {
    let config = jetstream::stream::Config {
        name: name.to_owned(),
        subjects: vec![subject.to_owned()],
        allow_direct: true,
        deny_delete: true,
        deny_purge: true,
        ..Default::default()
    };
    let created = service.jetstream().create_stream(config).await;
    created.expect("the service may make its streams")
}

/// Publishes through JetStream and gives the sequence of the acknowledgment.
async fn store(service: &Peer, subject: &str, text: &str) -> u64 {
    let sent = service
        .jetstream()
        .publish(subject.to_owned(), text.to_owned().into())
        .await
        .expect("sent");
    sent.await.expect("acknowledged").sequence
}

/// A program's consumer of the stored events, as an operator makes it.
pub(super) async fn make_consumer(nats: &Nats, name: &str) {
    use jetstream::consumer::pull;
    let config = pull::Config {
        durable_name: Some(name.to_owned()),
        max_ack_pending: 1,
        ..Default::default()
    };
    let operator = Peer::connect(nats, "operator").await;
    let made = operator
        .jetstream()
        .create_consumer_on_stream(config, "SESSIONS_EVENTS")
        .await;
    made.expect("an operator may make consumers");
}

#[test]
fn compose_sets_every_variable_that_the_files_read() {
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let mut found = 0;
    for config in [CONFIG, CLUSTER] {
        for (start, _) in config.match_indices("$NATS_") {
            let rest = &config[start + 1..];
            let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
            let set = COMPOSE.contains(&format!(" {name}: "));
            assert!(set, "compose.yaml does not set {name}");
            found += 1;
        }
    }
    assert_eq!(found, 12);
}
