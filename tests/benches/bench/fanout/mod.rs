//! From the revoking call to the refusal at the last of many verifiers, beside plain core fan-out over
//! NATS to as many plain subscribers, in turns; and what each of them costs in memory.
//!
//! | file | what |
//! | --- | --- |
//! | this one | what is measured |
//! | `herd` | many verifiers, or many subscribers, in few processes |
//! | `machine` | memory and time that a process takes, and how many files it may have open |
//!
//! Every verifier is a real one, with a connection of its own: it checks each signature by itself and
//! shares nothing with those beside it but the process, its threads and its allocator. A process
//! holds [`herd::PER_PROCESS`] of them. The plain subscribers have connections of their own, too, to
//! a NATS server of their own: one server for both would need twice as many open files as many
//! machines allow.
//!
//! Heartbeats go to the verifiers all the while, also while the subscribers are measured, so both
//! sides have what the heartbeats leave of the machine. What they take is one of the figures, and
//! so is a fan-out to the subscribers before there is any verifier.

mod herd;
mod machine;

pub(crate) use herd::member;

use crate::floor::SignedMessage;
use crate::samples::Samples;
use crate::table::Table;
use herd::{Herd, Kind};
use reqwest::Method;
use std::time::{Duration, Instant};
use tests::session_api::{SessionApi, Settings};
use tests::{Nats, Postgres, User};

/// As many as are asked for where nobody says.
pub(crate) const VERIFIERS: usize = 10_000;

const ROUNDS: usize = 100;
const WARM_UP: usize = 5;
const IDLE: Duration = Duration::from_secs(5);
const PASSWORD: &str = "correct horse battery staple";

pub(crate) async fn measure(table: &mut Table, many: usize) {
    let many = machine::allows(many);
    let mut plain = Plain::start(many).await;
    let mut quiet = Samples::default();
    for round in 0..ROUNDS + WARM_UP {
        let time = plain.fan_out("floor.bare").await;
        if round >= WARM_UP {
            quiet.push(time);
        }
    }
    let mut ours = Ours::start(many).await;
    idle(table, &ours, &plain, many).await;

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
        let what = format!("revoke call to refusal at the last of {many} verifiers, p{percent}");
        for (beside, floor) in [
            ("fan-out to as many plain subscribers", &mut *bare),
            ("the same with a signature checked by each", &mut *signed),
            ("plain fan-out without any verifier beside", &mut quiet),
        ] {
            let floor = floor.percentile(percent);
            table.micros(&what, revoked.percentile(percent), beside, floor);
        }
    }
    memory(table, &ours, &plain, many);
}

async fn idle(table: &mut Table, ours: &Ours, plain: &Plain, many: usize) {
    let (verifiers, subscribers) = (ours.herd.processes(), plain.herd.processes());
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
    let subscribers = format!("{many} plain subscribers");
    let what = format!("taken by {many} verifiers while nothing is revoked");
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

fn memory(table: &mut Table, ours: &Ours, plain: &Plain, many: usize) {
    let each = |bytes: u64| bytes as f64 / many as f64 / 1024.0;
    table.row(
        "memory of one verifier, in its process",
        each(ours.herd.memory),
        "of one plain subscriber",
        each(plain.herd.memory),
        "kB",
    );
    table.row(
        "memory of one verifier, in the NATS server",
        each(ours.server_memory),
        "of one plain subscriber",
        each(plain.server_memory),
        "kB",
    );
}

/// The service and its verifiers.
struct Ours {
    service: SessionApi,
    herd: Herd,
    nats: Nats,
    server_memory: u64,
    _postgres: Postgres,
}

impl Ours {
    async fn start(many: usize) -> Self {
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
        let herd = Herd::start(&kind, &nats.url(), many).await;
        let server_memory = machine::memory(&[machine::id(nats.server())]) - before;
        Self {
            service,
            herd,
            nats,
            server_memory,
            _postgres: postgres,
        }
    }

    /// One revocation: from the call to the moment at which all have refused.
    async fn revoke(&mut self) -> Duration {
        let mut alice = User::on_phone(&self.service, "alice", PASSWORD);
        alice.logs_in().await;
        self.herd.prepare(&alice.access_token()).await;
        let began = Instant::now();
        let (revoked, all) = tokio::join!(alice.sends(Method::DELETE, "/session", None), async {
            self.herd.all_have_it().await;
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
        let herd = Herd::start(&Kind::Subscribers, &nats.url(), many).await;
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
