//! From the start of the program to the moment at which it is ready.

use crate::effort;
use crate::rounds::Rounds;
use crate::table::Table;
use std::time::{Duration, Instant};
use tests::folder::Folder;
use tests::server::Server;
use tests::session_api::{SessionApi, Settings};
use tests::{Nats, Postgres, Program};

pub(crate) const NAME: &str = "start";

/// `dev` says so once the protected service beside it knows all revocations.
const READY: &str = "Portcullis runs";
const BOUND: Duration = Duration::from_secs(30);

pub(crate) async fn measure(table: &mut Table) {
    let rounds = effort::of(15, 5);
    let (mut first, mut again) = (Rounds::default(), Rounds::default());
    for _ in 0..rounds {
        let folder = Folder::new("dev-");
        let spec = Program::spec("session-api")
            .args(["dev", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("data"));
        let began = Instant::now();
        let mut server = Server::start(spec, READY, BOUND).await;
        first.push(millis(began));
        server.end(rustix::process::Signal::TERM).await;
        let began = Instant::now();
        server.restart().await;
        again.push(millis(began));
    }
    let postgres = Postgres::start().await;
    let nats = Nats::start().await;
    let database = postgres.database().await;
    let settings = Settings::new(database.url()).nats(&nats.url());
    let mut service = SessionApi::start(&settings).await;
    let mut serve = Rounds::default();
    for _ in 0..rounds {
        service.stop().await;
        serve.push(to_ready(&mut service).await);
    }
    table.alone(
        "start to ready: `dev`, with what it made before",
        "ms",
        &again,
    );
    table.alone(
        "start to ready: `dev`, the first time (schema, keys, users)",
        "ms",
        &first,
    );
    table.alone("start to ready: `serve` on Postgres and NATS", "ms", &serve);
}

/// Of a service that was stopped, in milliseconds. It is asked every 5 ms.
pub(crate) async fn to_ready(service: &mut SessionApi) -> f64 {
    let began = Instant::now();
    service.restart().await;
    millis(began)
}

fn millis(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}
