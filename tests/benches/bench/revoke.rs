//! From the revoking call to the refusal at the last of ten verifiers, beside what any design with
//! a database and a bus pays: one commit on Postgres and one hop over NATS to ten subscribers.

use crate::samples::Samples;
use crate::table::Table;
use futures::StreamExt as _;
use futures::future::join_all;
use reqwest::Method;
use std::time::{Duration, Instant};
use tests::session_api::{SessionApi, Settings};
use tests::{Nats, Postgres, User};
use verifier_sdk::Verifier;

const VERIFIERS: usize = 10;
const ROUNDS: usize = 300;
const WARM_UP: usize = 20;
const PASSWORD: &str = "correct horse battery staple";

pub(crate) async fn measure(table: &mut Table) {
    let postgres = Postgres::start().await;
    let database = postgres.database().await;
    let nats = Nats::start().await;
    let settings = Settings::new(database.url()).nats(&nats.url());
    let service = SessionApi::start(&settings).await;
    service.has_user("alice", PASSWORD, None).await;
    let credential = service.has_client("bench").await;
    let start = || async {
        Verifier::builder(service.issuer(), "api")
            .service("bench")
            .client(&credential.client, &credential.secret)
            .nats(nats.url())
            .start()
            .await
            .unwrap()
    };
    let verifiers = join_all((0..VERIFIERS).map(|_| start())).await;
    let floor = Floor::start(database.url(), &nats.url()).await;

    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for round in 0..ROUNDS + WARM_UP {
        let revoked = revoke_once(&service, &verifiers).await;
        let commit_and_hop = floor.once().await;
        if round >= WARM_UP {
            ours.push(revoked);
            theirs.push(commit_and_hop);
        }
    }
    for percent in [50, 99] {
        table.micros(
            &format!("revoke call to refusal at the last of {VERIFIERS}, p{percent}"),
            ours.percentile(percent),
            "one commit and one NATS hop",
            theirs.percentile(percent),
        );
    }
    for verifier in verifiers {
        verifier.shutdown().await;
    }
}

/// One revocation: from the call to the moment at which all have refused.
async fn revoke_once(service: &SessionApi, verifiers: &[Verifier]) -> Duration {
    let mut alice = User::on_phone(service, "alice", PASSWORD);
    alice.logs_in().await;
    let token = alice.access_token();
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
    let (_, refused) = tokio::join!(alice.sends(Method::DELETE, "/session", None), async {
        join_all(refusals).await;
        began.elapsed()
    });
    refused
}

/// One row committed, then one message to ten subscribers, all in this process.
struct Floor {
    pool: sqlx::PgPool,
    publisher: async_nats::Client,
    subscribers: Vec<tokio::sync::Mutex<async_nats::Subscriber>>,
}

impl Floor {
    async fn start(database: &str, nats: &str) -> Self {
        let pool = sqlx::PgPool::connect(database).await.unwrap();
        sqlx::query("create table floor (n bigint)")
            .execute(&pool)
            .await
            .unwrap();
        let publisher = async_nats::connect(nats).await.unwrap();
        let mut subscribers = Vec::new();
        for _ in 0..VERIFIERS {
            let client = async_nats::connect(nats).await.unwrap();
            subscribers.push(tokio::sync::Mutex::new(
                client.subscribe("floor").await.unwrap(),
            ));
            client.flush().await.unwrap();
        }
        Self {
            pool,
            publisher,
            subscribers,
        }
    }

    async fn once(&self) -> Duration {
        let began = Instant::now();
        sqlx::query("insert into floor values (1)")
            .execute(&self.pool)
            .await
            .unwrap();
        self.publisher
            .publish("floor", vec![0_u8; 600].into())
            .await
            .unwrap();
        join_all(self.subscribers.iter().map(|subscriber| async {
            subscriber.lock().await.next().await.unwrap();
        }))
        .await;
        began.elapsed()
    }
}
