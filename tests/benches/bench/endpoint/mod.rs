//! A protected endpoint of an actix-web service: what its check costs, beside no check at all and
//! beside what people use today, in turns. Every service is a process of its own with one worker, and
//! answers the same 36 bytes.
//!
//! | file | what |
//! | --- | --- |
//! | this one | what is measured |
//! | `server` | the services |

pub(crate) mod server;

use crate::effort;
use crate::load::{self, Connection, request};
use crate::machine;
use crate::rounds::Rounds;
use crate::table::Table;
use std::net::SocketAddr;
use std::time::Duration;
use tests::process::Spec;
use tests::redis::Redis;
use tests::server::Server;
use tests::session_api::{SessionApi, Settings};
use tests::{Postgres, User};

pub(crate) const NAME: &str = "endpoint";
const CONNECTIONS: usize = 32;
const PASSWORD: &str = "correct horse battery staple";
/// Sessions of the issuer: each refreshes until all tokens are there.
const SESSIONS: usize = 20;

/// A service under measurement.
struct Measured {
    name: &'static str,
    server: Server,
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    per_second: Rounds,
    /// Of its process, in microseconds a request.
    cpu: Rounds,
}

pub(crate) async fn measure(table: &mut Table) {
    let postgres = Postgres::start().await;
    let database = postgres.database().await;
    let service = SessionApi::start(&Settings::new(database.url())).await;
    let redis = Redis::start().await;
    for many in effort::of(vec![1_000, 10_000, 100_000], vec![1_000]) {
        let tokens = tokens(&service, many).await;
        let others = many == 1_000;
        let services = start(&service, database.url(), &redis, &tokens, others).await;
        compare(table, services, many);
    }
}

async fn start(
    service: &SessionApi,
    database: &str,
    redis: &Redis,
    tokens: &[String],
    others: bool,
) -> Vec<Measured> {
    let bearers = || -> Vec<_> {
        let bearer = |token: &String| {
            let header = format!("Bearer {token}");
            request("GET", "/", &[("Authorization", &header)], "")
        };
        tokens.iter().map(bearer).collect()
    };
    let credential = service.has_client(&format!("bench-{}", tokens.len())).await;
    let sdk = [service.issuer(), &credential.client, &credential.secret];
    let mut all = vec![
        Measured::start("no check", "none", &[], bearers()).await,
        Measured::start("the SDK", "sdk", &sdk, bearers()).await,
    ];
    if !others {
        return all;
    }
    all.push(
        Measured::start(
            "a middleware that asks for no token",
            "wrapped",
            &[],
            bearers(),
        )
        .await,
    );
    let key_set = format!("{}/.well-known/jwks.json", service.url());
    let key_set = reqwest::get(key_set).await.unwrap().text().await.unwrap();
    let jwt = [key_set.as_str(), service.issuer()];
    all.push(Measured::start("jsonwebtoken's decode", "jwt", &jwt, bearers()).await);

    let mut session =
        Measured::start("actix-session with Redis", "redis", &[&redis.url()], vec![]).await;
    session.requests = log_in(session.address, tokens.len()).await;
    all.push(session);

    server::has_sessions(database, tokens).await;
    all.push(Measured::start("a look-up in Postgres", "postgres", &[database], bearers()).await);

    // It must outlive the one that asks it, so it comes last and is asked for nothing itself.
    let issuer = Measured::start("an issuer in memory", "issuer", &[], vec![]).await;
    let url = format!("http://{}/introspect", issuer.address);
    all.push(
        Measured::start(
            "introspection over HTTP, answered from memory",
            "introspection",
            &[&url],
            bearers(),
        )
        .await,
    );
    all.push(issuer);
    all
}

impl Measured {
    async fn start(
        name: &'static str,
        check: &str,
        settings: &[&str],
        requests: Vec<Vec<u8>>,
    ) -> Self {
        let program = std::env::current_exe().unwrap();
        let spec = Spec::new(name, program)
            .args([server::ROLE, check])
            .args(settings);
        let server = Server::start(spec, server::LISTENING, Duration::from_secs(30)).await;
        let line = server.running().log().line_with(server::LISTENING).unwrap();
        let address = line.strip_prefix(server::LISTENING).unwrap();
        Self {
            name,
            address: address.parse().unwrap(),
            server,
            requests,
            per_second: Rounds::default(),
            cpu: Rounds::default(),
        }
    }

    fn process(&self) -> [u32; 1] {
        [machine::id(&self.server)]
    }

    /// How many requests it has answered in a second.
    fn round(&mut self, span: Duration) {
        let before = machine::cpu(&self.process());
        let (address, requests) = (self.address, &self.requests);
        let done = load::on_one_thread(async || {
            let mut clients = Vec::new();
            for n in 0..CONNECTIONS {
                let random = fastrand::Rng::with_seed(n as u64);
                clients.push((Connection::open(address).await, random));
            }
            let ask = async |(connection, random): &mut (Connection, fastrand::Rng)| {
                let request = &requests[random.usize(..requests.len())];
                connection.ask(request).await.must_be(200);
            };
            load::busy(&mut clients, span, ask).await
        });
        let cpu = machine::cpu(&self.process()) - before;
        self.per_second.push(done.per_second());
        self.cpu
            .push(cpu.as_secs_f64() * 1e6 / done.times.len() as f64);
    }
}

fn compare(table: &mut Table, mut services: Vec<Measured>, many: usize) {
    let span = effort::of(Duration::from_secs(1), Duration::from_millis(300));
    for service in asked(&mut services) {
        // Every token is seen once before.
        let (address, requests) = (service.address, &service.requests);
        load::on_one_thread(async || {
            let mut connection = Connection::open(address).await;
            for request in requests {
                connection.ask(request).await.must_be(200);
            }
        });
    }
    for _ in 0..effort::of(15, 4) {
        for service in asked(&mut services) {
            service.round(span);
        }
    }
    let [none, sdk, others @ ..] = services.as_slice() else {
        unreachable!("these two are always measured")
    };
    let what = |of: &str| format!("protected endpoint, {many} tokens: {of}");
    let mut row = |of: &str, one: &Measured, other: &Measured| {
        let beside = (other.name, &other.per_second);
        table.compare(&what(of), "/s", &one.per_second, beside);
        let cpu = format!("{of}, processor a request");
        table.compare(&what(&cpu), "µs", &one.cpu, (other.name, &other.cpu));
    };
    row(sdk.name, sdk, none);
    for other in others.iter().filter(|other| !other.requests.is_empty()) {
        row(other.name, other, none);
    }
}

/// Those that are measured, and not there for another.
fn asked(services: &mut [Measured]) -> impl Iterator<Item = &mut Measured> {
    services
        .iter_mut()
        .filter(|service| !service.requests.is_empty())
}

/// Access tokens of one service, all different.
async fn tokens(service: &SessionApi, many: usize) -> Vec<String> {
    let name = format!("user-{many}");
    service.has_user(&name, PASSWORD, None).await;
    let mut users = Vec::new();
    for _ in 0..SESSIONS {
        let mut user = User::on_phone(service, &name, PASSWORD);
        user.logs_in().await;
        users.push(user);
    }
    let refreshing = users.into_iter().map(|mut user| async move {
        let mut tokens = Vec::new();
        for _ in 0..many / SESSIONS {
            user.refreshes().await;
            tokens.push(user.access_token());
        }
        tokens
    });
    futures::future::join_all(refreshing).await.concat()
}

/// The requests of as many sessions of actix-session.
async fn log_in(address: SocketAddr, many: usize) -> Vec<Vec<u8>> {
    let mut connection = Connection::open(address).await;
    let mut requests = Vec::new();
    for _ in 0..many {
        let reply = connection.ask(&request("POST", "/login", &[], "")).await;
        let reply = reply.must_be(200);
        let cookie = reply.head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("set-cookie").then_some(value)
        });
        let (cookie, _) = cookie.unwrap().split_once(';').unwrap();
        requests.push(request("GET", "/", &[("Cookie", cookie)], ""));
    }
    requests
}
