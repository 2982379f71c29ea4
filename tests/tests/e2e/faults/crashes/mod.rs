//! The service and its database are killed at random points under load: whatever was acknowledged
//! before is there afterwards, and the rows still agree with the log.

mod clients;

use super::verdict_becomes;
use crate::revocation::SOON;
use clients::{Client, Fate};
use futures::future::join_all;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tests::eventually::eventually;
use tests::folder::Folder;
use tests::session_api::Settings;
use tests::{Gate, Postgres, SessionApi};

/// Change it to look elsewhere; a failure names the round.
const SEED: u64 = 20_261_123;

const CLIENTS: u64 = 4;

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % limit
    }
}

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Service,
    Database,
    Both,
}

struct World {
    service: SessionApi,
    /// None with SQLite, which is in the service's process.
    database: Option<Postgres>,
    gate: Gate,
    clients: Vec<Client>,
    random: Random,
}

impl World {
    async fn begins(settings: &Settings, database: Option<Postgres>) -> Self {
        let service = SessionApi::start(settings).await;
        let credential = service.has_client("orders").await;
        let mut clients = Vec::new();
        for number in 0..CLIENTS {
            let name = format!("user-{number}");
            service.has_user(&name, clients::PASSWORD, None).await;
            clients.push(Client::new(
                service.url(),
                name,
                Random(SEED ^ (number + 1)),
            ));
        }
        Self {
            gate: Gate::beside(&service, &credential).start().await,
            service,
            database,
            clients,
            random: Random(SEED),
        }
    }

    /// Kills in the middle of what the clients do, and starts again.
    async fn crashes(&mut self, victim: Victim) {
        let (acknowledged, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let enough = usize::try_from(20 + self.random.below(80)).unwrap();
        let load = join_all(
            self.clients
                .iter_mut()
                .map(|client| client.works(&acknowledged, &over)),
        );
        let (service, database) = (&mut self.service, &mut self.database);
        let crash = async {
            eventually("a load", 6 * SOON, async || {
                acknowledged.load(Ordering::Relaxed) >= enough
            })
            .await;
            over.store(true, Ordering::Relaxed);
            if victim != Victim::Database {
                service.kill();
            }
            if let (Some(database), true) = (database, victim != Victim::Service) {
                database.kill_immediate().await;
            }
        };
        // Each client goes on until it gets no answer.
        futures::join!(load, crash);
        if let (Some(database), true) = (&mut self.database, victim != Victim::Service) {
            database.restart().await;
        }
        if victim == Victim::Database {
            self.service.is_ready().await;
        } else {
            self.service.restart().await;
        }
    }

    async fn nothing_acknowledged_is_lost(&mut self) {
        join_all(self.clients.iter_mut().map(Client::finds_all)).await;
        let settings = self.service.settings();
        settings.must_run(&["log", "verify"], "").await;
    }

    async fn the_verifier_agrees(&self) {
        let sessions = self.clients.iter().flat_map(Client::sessions);
        let (mut alive, mut ended) = (0, 0);
        for session in sessions {
            if session.fate == Fate::Alive {
                verdict_becomes(&self.gate, &session.access, 200, &[503]).await;
                alive += 1;
            } else {
                verdict_becomes(&self.gate, &session.access, 401, &[200, 503]).await;
                ended += 1;
            }
        }
        assert!(alive > 0 && ended > 0, "{alive} alive, {ended} ended");
    }

    async fn survives(&mut self, rounds: &[Victim]) {
        for (round, victim) in rounds.iter().enumerate() {
            println!("round {round}: {victim:?}");
            self.crashes(*victim).await;
            self.nothing_acknowledged_is_lost().await;
        }
        self.the_verifier_agrees().await;
    }
}

#[tokio::test]
async fn on_postgres_nothing_that_was_acknowledged_is_lost() {
    let postgres = Postgres::start().await;
    let database = postgres.database().await;
    let settings = Settings::new(database.url());
    let mut world = World::begins(&settings, Some(postgres)).await;
    let rounds = [Victim::Service, Victim::Database, Victim::Both];
    world.survives(&[rounds, rounds].concat()).await;
}

#[tokio::test]
async fn on_sqlite_nothing_that_was_acknowledged_is_lost() {
    let folder = Folder::new("sqlite-");
    let file = folder.path().join("log.db");
    let settings = Settings::new(&format!("sqlite:{}", file.display()));
    let mut world = World::begins(&settings, None).await;
    world.survives(&[Victim::Service; 6]).await;
}
