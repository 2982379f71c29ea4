//! Clients that hang up in the middle of their requests, under load.
//!
//! That cancels their handlers. With sqlx 0.9.0 a `BEGIN` that is cut off leaves a connection with an
//! open transaction in the pool: what the next client is told was done is then seen by nobody else,
//! and is lost with the connection. So each acknowledged step is looked up at once by somebody else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use rustix::net::sockopt::set_socket_linger;
use sqlx::{Connection as _, PgConnection};
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tests::eventually::{eventually, until};
use tests::link::{Condition, Link};
use tests::postgres::Postgres;
use tests::session_api::{Credential, SessionApi, Settings};
use tests::user::{Answer, User};
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery staple";

/// The others go on until so many requests were cut off.
const HANG_UPS: usize = 1_500;

/// What the hasty ones do while the patient ones look.
#[derive(Default)]
struct Load {
    hung_up: AtomicUsize,
}

impl Load {
    fn is_done(&self) -> bool {
        self.hung_up.load(Ordering::Relaxed) >= HANG_UPS
    }

    /// Sends one of `requests` after another to `address`, and never waits for an answer. On a thread
    /// of its own, for a runtime's timer knows nothing shorter than a millisecond.
    fn of(&self, address: &str, requests: &[String]) {
        for turn in 0.. {
            if self.is_done() {
                return;
            }
            let mut socket = TcpStream::connect(address).unwrap();
            let request = &requests[turn % requests.len()];
            socket.write_all(request.as_bytes()).unwrap();
            // From before it is read to after it is answered.
            let micros = (turn * 79) % 12_000;
            std::thread::sleep(Duration::from_micros(micros as u64));
            // A reset, which no server takes for half a goodbye.
            set_socket_linger(&socket, Some(Duration::ZERO)).unwrap();
            drop(socket);
            self.hung_up.fetch_add(1, Ordering::Relaxed);
            // What was cut off is done all the same, and is not to pile up.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn request(method: &str, path: &str, token: Option<&str>, body: Option<&str>) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: service\r\n");
    if let Some(token) = token {
        text += &format!("Authorization: Bearer {token}\r\n");
    }
    if let Some(body) = body {
        let length = body.len();
        text += &format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
    }
    text + "\r\n" + body.unwrap_or_default()
}

/// A claim of a token that has just come from the service.
fn claim(token: &str, name: &str) -> serde_json::Value {
    let payload = token.split('.').nth(1).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice::<serde_json::Value>(&claims).unwrap()[name].take()
}

fn session_of(user: &User) -> Uuid {
    let id = claim(&user.session_token(), "sid");
    id.as_str().unwrap().parse().unwrap()
}

/// Asks again for as long as the service says that it is too busy: the hasty ones wait for nothing, so
/// on a slow machine they are more than it can serve.
async fn acknowledged(status: u16, mut ask: impl AsyncFnMut() -> Answer) {
    until(
        "the service has time",
        Duration::from_secs(60),
        async || {
            let answer = ask().await;
            (answer.status != 503).then(|| answer.must_be(status))
        },
    )
    .await;
}

/// Refreshes, and sees each new generation with the eyes of others.
async fn refreshes_and_looks(mut user: User, database: &str, load: &Load) {
    let mut others = PgConnection::connect(database).await.unwrap();
    acknowledged(201, async || user.tries_to_log_in().await).await;
    let id = session_of(&user);
    while !load.is_done() {
        acknowledged(200, async || user.tries_to_refresh().await).await;
        let generation: i64 = sqlx::query_scalar("select generation from session where id = $1")
            .bind(id)
            .fetch_one(&mut others)
            .await
            .unwrap();
        assert_eq!(claim(&user.session_token(), "gen"), generation);
    }
}

/// Logs in and out, and sees both with the eyes of others.
async fn comes_and_goes_and_looks(mut user: User, database: &str, load: &Load) {
    let mut others = PgConnection::connect(database).await.unwrap();
    let mut ended = async |id: Uuid| -> Option<bool> {
        sqlx::query_scalar("select ended_at is not null from session where id = $1")
            .bind(id)
            .fetch_optional(&mut others)
            .await
            .unwrap()
    };
    while !load.is_done() {
        acknowledged(201, async || user.tries_to_log_in().await).await;
        let id = session_of(&user);
        assert_eq!(ended(id).await, Some(false), "opened");
        acknowledged(200, async || user.tries_to_log_out().await).await;
        assert_eq!(ended(id).await, Some(true), "ended");
    }
}

/// Reports as a verifier does, and sees each report with the eyes of others. A report is a statement
/// without a transaction of its own: on a spoiled connection it is told "done" and seen by nobody.
async fn reports_and_looks(instance: u8, from: (&SessionApi, &Credential), to: &str, load: &Load) {
    const SEEN: &str =
        "select (report ->> 'head')::bigint from verifier_status where instance = $1";
    let (service, credential) = from;
    let mut others = PgConnection::connect(to).await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for head in 1_i64.. {
        if load.is_done() {
            return;
        }
        let report = serde_json::json!({
            "service": "orders", "instance": instance.to_string(), "version": "0.1.0", "head": head, "fresh": true,
            "age_ms": 0, "max_staleness_ms": 10_000, "counts": {
                "accepted": 0, "refused": 0, "unavailable": 0, "pages": 0, "pages_refused": 0,
            },
        });
        acknowledged(204, async || {
            let request = http
                .post(format!("{}/revocations/status", service.url()))
                .basic_auth(&credential.client, Some(&credential.secret))
                .json(&report);
            Answer::of(request).await
        })
        .await;
        let seen: Option<i64> = sqlx::query_scalar(SEEN)
            .bind(instance.to_string())
            .fetch_optional(&mut others)
            .await
            .unwrap();
        assert_eq!(seen, Some(head), "an acknowledged report is seen by nobody");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leave_nothing_acknowledged_unseen() {
    let database = Postgres::fresh_database().await;
    let link = Link::before(database.url()).await;
    let service = SessionApi::start(&Settings::new(link.url())).await;
    for name in ["patient", "hasty", "victim"] {
        service.has_user(name, PASSWORD, None).await;
    }
    service.has_user("root", PASSWORD, Some("admin")).await;
    let credential = service.has_client("orders").await;
    let on_phone = |name: &str| User::on_phone(&service, name, PASSWORD);

    let (mut hasty, mut admin, mut victim) =
        (on_phone("hasty"), on_phone("root"), on_phone("victim"));
    hasty.logs_in().await;
    admin.logs_in().await;
    let victim = victim.logs_in().await.body["user"]["id"].take();
    let victims = format!("/admin/users/{}/sessions", victim.as_str().unwrap());
    let session_token = serde_json::json!({ "session_token": hasty.session_token() }).to_string();
    let refresh = request("POST", "/session/refresh", None, Some(&session_token));
    let list = request("GET", "/sessions", Some(&hasty.access_token()), None);
    let revoke = request("DELETE", &victims, Some(&admin.access_token()), None);
    let address = service.url().trim_start_matches("http://").to_owned();
    // A database that is not on the same machine, so that a `BEGIN` takes its time.
    link.becomes(Condition {
        delay: Duration::from_millis(1),
        ..Condition::WELL
    });
    let load = Arc::new(Load::default());
    let hasty = [vec![revoke], vec![refresh, list]].map(|requests| {
        let (load, address) = (load.clone(), address.clone());
        tokio::task::spawn_blocking(move || load.of(&address, &requests))
    });
    let reports = (0..4).map(|instance| {
        reports_and_looks(instance, (&service, &credential), database.url(), &load)
    });
    futures::join!(
        refreshes_and_looks(on_phone("patient"), database.url(), &load),
        comes_and_goes_and_looks(on_phone("patient"), database.url(), &load),
        futures::future::join_all(reports),
    );
    for hasty in hasty {
        hasty.await.unwrap();
    }
    acknowledged(200, async || {
        admin.sends(Method::GET, "/session", None).await
    })
    .await;
    let mut others = PgConnection::connect(database.url()).await.unwrap();
    let after: i64 = sqlx::query_scalar("select extract(epoch from clock_timestamp())::bigint")
        .fetch_one(&mut others)
        .await
        .unwrap();
    eventually(
        "no transaction is left open",
        Duration::from_secs(60),
        async || {
            let open: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_activity where datname = current_database() \
             and pid <> pg_backend_pid() and extract(epoch from xact_start) <= $1",
            )
            .bind(after)
            .fetch_one(&mut others)
            .await
            .unwrap();
            open == 0
        },
    )
    .await;
}
