//! From the revoking call to the refusal at the last of some verifiers, beside what any design with a
//! database and a bus pays: one commit on Postgres and one hop over NATS to as many subscribers. Whoever
//! does not trust the bus pays for a signature at each of them, too.
//!
//! And how long a caller waits who asks to be told that all have applied it (`Prefer: wait=5`), beside
//! one who does not ask.

use crate::effort;
use crate::floor::SignedMessage;
use crate::load::{self, Connection, Reply, request};
use crate::samples::Samples;
use crate::table::Table;
use crate::verifiers;
use futures::StreamExt as _;
use futures::future::join_all;
use std::time::{Duration, Instant};
use tests::session_api::{SessionApi, Settings};
use tests::{Nats, Postgres};
use tokio::sync::mpsc;
use verifier_sdk::Verifier;

const PASSWORD: &str = "correct horse battery staple";

pub(crate) async fn measure(table: &mut Table) {
    let postgres = Postgres::start().await;
    for verifiers in effort::of(vec![1, 10, 100], vec![10]) {
        with(table, &postgres, verifiers).await;
    }
}

async fn with(table: &mut Table, postgres: &Postgres, many: usize) {
    let database = postgres.database().await;
    let nats = Nats::start().await;
    let settings = Settings::new(database.url()).nats(&nats.url());
    let service = SessionApi::start(&settings).await;
    service.has_user("alice", PASSWORD, None).await;
    let verifiers = verifiers::start(&service, &nats, many).await;
    until_all_are_known(&service, many).await;
    let mut caller = Caller::open(&service).await;
    let mut floor = Floor::start(database.url(), &nats.url(), many).await;

    let warm_up = effort::of(20, 5);
    let mut times: [Samples; 5] = Default::default();
    for round in 0..warm_up + effort::of(300, 25) {
        let (revoked, answered) = caller.revokes(&verifiers).await;
        let fenced = caller.revokes_and_waits(many).await;
        let bare = floor.once(Delivery::Bare).await;
        let signed = floor.once(Delivery::Signed).await;
        if round >= warm_up {
            let round = [revoked, bare, signed, answered, fenced];
            for (samples, time) in times.iter_mut().zip(round) {
                samples.push(time);
            }
        }
    }
    tell(table, many, &mut times);
    for verifier in verifiers {
        verifier.shutdown().await;
    }
}

fn tell(table: &mut Table, many: usize, times: &mut [Samples; 5]) {
    let [ours, bare, signed, answered, fenced] = times;
    for percent in [50, 99] {
        let what = format!("revoke call to refusal at the last of {many}, p{percent}");
        let revoked = ours.percentile(percent);
        for (beside, floor) in [
            ("one commit and one NATS hop", &mut *bare),
            ("the same with a signature checked by each", &mut *signed),
        ] {
            table.micros(&what, revoked, beside, floor.percentile(percent));
        }
    }
    for percent in [50, 99] {
        table.micros(
            &format!("revoke call answered when {many} have applied it, p{percent}"),
            fenced.percentile(percent),
            "the call without `Prefer: wait`",
            answered.percentile(percent),
        );
    }
}

/// Who logs in and out again, over a connection that is kept, as a gateway keeps its own.
struct Caller(Connection);

impl Caller {
    async fn open(service: &SessionApi) -> Self {
        Self(Connection::open(load::address(service.url())).await)
    }

    /// The access token.
    async fn logs_in(&mut self) -> String {
        let body = format!(r#"{{"username":"alice","password":"{PASSWORD}","delivery":"body"}}"#);
        let reply = self.0.ask(&request("POST", "/session", &[], &body)).await;
        reply.must_be(201).member("access_token").to_owned()
    }

    /// Ends the session, and waits where `prefer` says so.
    async fn logs_out(&mut self, token: &str, prefer: &[(&str, &str)]) -> Reply<'_> {
        let bearer = format!("Bearer {token}");
        let headers = [&[("Authorization", bearer.as_str())], prefer].concat();
        let reply = self
            .0
            .ask(&request("DELETE", "/session", &headers, ""))
            .await;
        reply.must_be(200)
    }

    /// One revocation: from the call to the moment at which all have refused, and to its answer.
    async fn revokes(&mut self, verifiers: &[Verifier]) -> (Duration, Duration) {
        let token = self.logs_in().await;
        let sessions: Vec<_> = verifiers
            .iter()
            .map(|verifier| verifier.verify(&token).unwrap())
            .collect();
        let refusals = verifiers
            .iter()
            .zip(&sessions)
            .map(|(verifier, session)| async {
                verifier.on_ended(session).await;
                assert!(verifier.verify(&token).is_err());
            });
        let began = Instant::now();
        let answer = async {
            self.logs_out(&token, &[]).await;
            began.elapsed()
        };
        let refused = async {
            join_all(refusals).await;
            began.elapsed()
        };
        tokio::join!(refused, answer)
    }

    /// One revocation: from the call to the answer that says that all have applied it.
    async fn revokes_and_waits(&mut self, verifiers: usize) -> Duration {
        let token = self.logs_in().await;
        let began = Instant::now();
        let reply = self.logs_out(&token, &[("Prefer", "wait=5")]).await;
        let took = began.elapsed();
        assert!(is_applied(&reply, verifiers), "{}", reply.body);
        took
    }
}

/// Whether all have applied it, by the answer. It says nothing of them before it knows who is there.
fn is_applied(reply: &Reply<'_>, verifiers: usize) -> bool {
    let answer: serde_json::Value = serde_json::from_str(reply.body).unwrap();
    answer["verifiers"]["applied"] == verifiers
}

/// After a start the service does not know at once who else is there, and fences wait.
async fn until_all_are_known(service: &SessionApi, verifiers: usize) {
    let bound = Duration::from_secs(60);
    tests::eventually("all verifiers are known", bound, async || {
        let mut caller = Caller::open(service).await;
        let token = caller.logs_in().await;
        let reply = caller.logs_out(&token, &[("Prefer", "wait=1")]).await;
        is_applied(&reply, verifiers)
    })
    .await;
}

/// What a subscriber of the floor does with a message.
#[derive(Clone, Copy)]
enum Delivery {
    Bare,
    Signed,
}

/// One row committed, then one message to as many subscribers, all in this process.
struct Floor {
    pool: sqlx::PgPool,
    publisher: async_nats::Client,
    message: SignedMessage,
    subscribers: usize,
    delivered: mpsc::UnboundedReceiver<()>,
}

impl Floor {
    async fn start(database: &str, nats: &str, subscribers: usize) -> Self {
        let pool = sqlx::PgPool::connect(database).await.unwrap();
        sqlx::query("create table floor (n bigint)")
            .execute(&pool)
            .await
            .unwrap();
        let (done, delivered) = mpsc::unbounded_channel();
        for _ in 0..subscribers {
            let client = async_nats::connect(nats).await.unwrap();
            let messages = client.subscribe("floor.*").await.unwrap();
            client.flush().await.unwrap();
            tokio::spawn(subscribe(messages, done.clone()));
        }
        Self {
            pool,
            publisher: async_nats::connect(nats).await.unwrap(),
            message: SignedMessage::new(),
            subscribers,
            delivered,
        }
    }

    async fn once(&mut self, delivery: Delivery) -> Duration {
        let subject = match delivery {
            Delivery::Bare => "floor.bare",
            Delivery::Signed => "floor.signed",
        };
        let began = Instant::now();
        sqlx::query("insert into floor values (1)")
            .execute(&self.pool)
            .await
            .unwrap();
        let published = self.publisher.publish(subject, self.message.bytes());
        published.await.unwrap();
        for _ in 0..self.subscribers {
            self.delivered.recv().await.unwrap();
        }
        began.elapsed()
    }
}

async fn subscribe(mut messages: async_nats::Subscriber, done: mpsc::UnboundedSender<()>) {
    while let Some(message) = messages.next().await {
        if message.subject.ends_with("signed") {
            SignedMessage::check(&message.payload);
        }
        let _over = done.send(());
    }
}
