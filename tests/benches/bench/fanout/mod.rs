//! From the revoking call to the refusal at the last of many verifiers, while NATS sends the page to
//! many more; beside plain core fan-out to as many plain subscribers, in turns; and what each costs in
//! memory.
//!
//! | file | what |
//! | --- | --- |
//! | this one | what is measured |
//! | `herd` | many verifiers, or many subscribers, in few processes |
//!
//! Every verifier is a real one, with a connection of its own: it checks each signature by itself and
//! shares nothing with those beside it but the process, its threads and its allocator. Elsewhere each
//! would have a machine of its own. Here the heartbeats of ten thousand would take more cores than
//! there are, so the rest of the subscribers are plain ones: they hear the same two subjects, and
//! count the pages. A round ends when the last verifier refuses and the last subscriber has the page.
//!
//! The floor has a NATS server of its own: one server for both would need twice as many open files as
//! many machines allow. Heartbeats go out all the while, so both sides have what these leave of the
//! machine. What they take is one of the figures, and so is a fan-out before there is any verifier.

mod herd;

pub(crate) use herd::member;

use crate::floor::SignedMessage;
use crate::machine;
use crate::samples::Samples;
use crate::table::Table;
use herd::{Herd, Kind};
use reqwest::Method;
use std::time::{Duration, Instant};
use tests::session_api::{SessionApi, Settings};
use tests::{Nats, Postgres, User};

/// What is measured where nobody says.
#[derive(Clone, Copy)]
pub(crate) struct Fleet {
    /// Connections that hear pages: those of the verifiers, and those of plain subscribers.
    pub(crate) subscribers: usize,
    pub(crate) verifiers: usize,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            subscribers: 10_000,
            verifiers: 1_000,
        }
    }
}

const ROUNDS: usize = 100;
const WARM_UP: usize = 5;
const IDLE: Duration = Duration::from_secs(5);
const PASSWORD: &str = "correct horse battery staple";

pub(crate) async fn measure(table: &mut Table, fleet: Fleet) {
    let subscribers = machine::allows(fleet.subscribers);
    let fleet = Fleet {
        subscribers,
        verifiers: fleet.verifiers.min(subscribers),
    };
    let mut plain = Plain::start(subscribers).await;
    let mut quiet = Samples::default();
    for round in 0..ROUNDS + WARM_UP {
        let time = plain.fan_out("floor.bare").await;
        if round >= WARM_UP {
            quiet.push(time);
        }
    }
    let mut ours = Ours::start(fleet).await;
    idle(table, &ours, &plain, fleet).await;

    let mut times: [Samples; 3] = Default::default();
    for round in 0..ROUNDS + WARM_UP {
        let revoked = ours.revoke().await;
        let bare = plain.fan_out("floor.bare").await;
        let signed = plain.fan_out("floor.signed").await;
        if round >= WARM_UP {
            for (samples, time) in times.iter_mut().zip([revoked, bare, signed]) {
                samples.push(time);
            }
        }
    }
    let [revoked, bare, signed] = &mut times;
    for percent in [50, 99] {
        let what = format!(
            "revoke call to refusal at the last of {} verifiers among {subscribers} subscribers, \
             p{percent}",
            fleet.verifiers
        );
        for (beside, floor) in [
            ("fan-out to as many plain subscribers", &mut *bare),
            ("the same with a signature checked by each", &mut *signed),
            ("plain fan-out without any verifier beside", &mut quiet),
        ] {
            let floor = floor.percentile(percent);
            table.micros(&what, revoked.percentile(percent), beside, floor);
        }
    }
    memory(table, &ours, &plain, fleet);
}

async fn idle(table: &mut Table, ours: &Ours, plain: &Plain, fleet: Fleet) {
    let (verifiers, subscribers) = (ours.verifiers.processes(), plain.herd.processes());
    let servers = [
        machine::id(ours.nats.server()),
        machine::id(plain.nats.server()),
    ];
    let before = [
        machine::cpu(&verifiers),
        machine::cpu(&subscribers),
        machine::cpu(&servers[..1]),
        machine::cpu(&servers[1..]),
    ];
    tokio::time::sleep(IDLE).await;
    let after = [
        machine::cpu(&verifiers),
        machine::cpu(&subscribers),
        machine::cpu(&servers[..1]),
        machine::cpu(&servers[1..]),
    ];
    let cores = |n: usize| (after[n] - before[n]).as_secs_f64() / IDLE.as_secs_f64();
    let subscribers = format!("{} plain subscribers", fleet.subscribers);
    let what = format!(
        "taken by {} verifiers while nothing is revoked",
        fleet.verifiers
    );
    table.row(&what, cores(0), &subscribers, cores(1), "cores");
    let what = format!("taken by their NATS server (of {} cores)", machine::cores());
    table.row(
        &what,
        cores(2),
        "by that of plain subscribers",
        cores(3),
        "cores",
    );
}

fn memory(table: &mut Table, ours: &Ours, plain: &Plain, fleet: Fleet) {
    let each = |bytes: u64, many: usize| bytes as f64 / many as f64 / 1024.0;
    table.row(
        "memory of one verifier, in its process",
        each(ours.verifiers.memory, fleet.verifiers),
        "of one plain subscriber",
        each(plain.herd.memory, fleet.subscribers),
        "kB",
    );
    table.row(
        "memory of one verifier, in the NATS server",
        each(ours.server_memory, fleet.verifiers),
        "of one plain subscriber",
        each(plain.server_memory, fleet.subscribers),
        "kB",
    );
}

/// The service and its verifiers.
struct Ours {
    service: SessionApi,
    verifiers: Herd,
    others: Herd,
    nats: Nats,
    /// What the verifiers take in the NATS server, in bytes.
    server_memory: u64,
    _postgres: Postgres,
}

impl Ours {
    async fn start(fleet: Fleet) -> Self {
        let postgres = Postgres::start().await;
        let database = postgres.database().await;
        let nats = Nats::start().await;
        let settings = Settings::new(database.url()).nats(&nats.url());
        let service = SessionApi::start(&settings).await;
        service.has_user("alice", PASSWORD, None).await;
        let credential = service.has_client("bench").await;
        let kind = Kind::Verifiers {
            issuer: service.issuer().to_owned(),
            client: credential.client,
            secret: credential.secret,
        };
        let before = machine::memory(&[machine::id(nats.server())]);
        let verifiers = Herd::start(&kind, &nats.url(), fleet.verifiers).await;
        let server_memory = machine::memory(&[machine::id(nats.server())]) - before;
        let kind = Kind::Subscribers {
            counted: "sessions.v1.revocations".to_owned(),
            beside: Some("sessions.v1.heartbeats".to_owned()),
        };
        let others = fleet.subscribers - fleet.verifiers;
        Self {
            service,
            verifiers,
            others: Herd::start(&kind, &nats.url(), others).await,
            nats,
            server_memory,
            _postgres: postgres,
        }
    }

    /// One revocation: from the call to the moment at which all have refused.
    async fn revoke(&mut self) -> Duration {
        let mut alice = User::on_phone(&self.service, "alice", PASSWORD);
        alice.logs_in().await;
        self.verifiers.prepare(&alice.access_token()).await;
        self.others.prepare("").await;
        let began = Instant::now();
        let (revoked, all) = tokio::join!(alice.sends(Method::DELETE, "/session", None), async {
            tokio::join!(self.verifiers.all_have_it(), self.others.all_have_it());
            began.elapsed()
        });
        revoked.must_be(200);
        all
    }
}

/// Plain subscribers, and who publishes to them.
struct Plain {
    herd: Herd,
    nats: Nats,
    publisher: async_nats::Client,
    message: SignedMessage,
    server_memory: u64,
}

impl Plain {
    async fn start(many: usize) -> Self {
        let nats = Nats::start().await;
        let publisher = async_nats::connect(nats.url()).await.unwrap();
        let before = machine::memory(&[machine::id(nats.server())]);
        let kind = Kind::Subscribers {
            counted: "floor.*".to_owned(),
            beside: None,
        };
        let herd = Herd::start(&kind, &nats.url(), many).await;
        let server_memory = machine::memory(&[machine::id(nats.server())]) - before;
        Self {
            herd,
            nats,
            publisher,
            message: SignedMessage::new(),
            server_memory,
        }
    }

    async fn fan_out(&mut self, subject: &'static str) -> Duration {
        self.herd.prepare("").await;
        let began = Instant::now();
        let published = self.publisher.publish(subject, self.message.bytes());
        published.await.unwrap();
        self.herd.all_have_it().await;
        began.elapsed()
    }
}
