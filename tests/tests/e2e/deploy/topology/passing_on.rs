//! Which calls nginx passes on to another replica when one dies over them: what may be done twice, and
//! nothing else.

use super::{GATE, PASSWORD, REPLICAS, WHOAMI};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::folder::Folder;
use tests::session_api::Settings;
use tests::{Nginx, SessionApi, User, port};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

/// A replica that dies over each call: it reads something of it and says nothing.
struct Dying {
    url: String,
    calls: Arc<AtomicUsize>,
}

impl Dying {
    async fn begins() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let read = connection.read(&mut [0; 4096]).await.unwrap_or(0);
                counted.fetch_add(usize::from(read > 0), Ordering::SeqCst);
            }
        });
        Self { url, calls }
    }
}

/// A service on a database of its own, with alice.
async fn service(folder: &Folder) -> SessionApi {
    let database = format!("sqlite:{}", folder.path().join("log.db").display());
    let settings = Settings::new(&database).flag("--trusted-proxy", "127.0.0.1");
    let service = SessionApi::start(&settings).await;
    service.has_user("alice", PASSWORD, None).await;
    service
}

/// nginx, for which `first` is the first replica: it is the one that gets the first call.
async fn nginx(first: &str, second: &SessionApi) -> Nginx {
    let nowhere = format!("http://127.0.0.1:{}", port::free());
    Nginx::of_compose()
        .finds(REPLICAS[0], first)
        .finds(REPLICAS[1], second.url())
        .finds(GATE, &nowhere)
        .finds(WHOAMI, &nowhere)
        .start()
        .await
}

/// How alice's one call ends whose first replica dies over it, and how many of her sessions were opened
/// before and are open after it.
async fn call_over_which_one_dies(
    service: &SessionApi,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (StatusCode, usize) {
    let mut alice = User::on_phone(service, "alice", PASSWORD);
    alice.logs_in().await;
    let dying = Dying::begins().await;
    let nginx = nginx(&dying.url, service).await;
    let body = body.or_else(|| {
        path.ends_with("refresh")
            .then(|| json!({ "session_token": alice.session_token() }))
    });
    let mut request = reqwest::Client::new()
        .request(method, nginx.url(path))
        .bearer_auth(alice.access_token());
    if let Some(body) = body {
        request = request.json(&body);
    }
    let status = request.send().await.unwrap().status();
    assert_eq!(dying.calls.load(Ordering::SeqCst), 1, "it had the call");
    let mut witness = User::on_phone(service, "alice", PASSWORD);
    witness.logs_in().await;
    let sessions = witness.sends(Method::GET, "/sessions", None).await;
    let items = sessions.must_be(200).body["items"].take();
    witness
        .sends(Method::DELETE, "/sessions", None)
        .await
        .must_be(200);
    // Without the witness's own.
    (status, items.as_array().unwrap().len() - 1)
}

#[tokio::test]
async fn what_may_be_done_twice_goes_to_the_other_and_a_log_in_does_not() {
    let folder = Folder::new("passing-on-");
    let service = service(&folder).await;
    let log_in = json!({ "username": "alice", "password": PASSWORD, "delivery": "body" });
    let opened = 1;
    for (method, path, body, status, sessions) in [
        (Method::GET, "/session", None, 200, opened),
        (Method::POST, "/session/refresh", None, 200, opened),
        (Method::DELETE, "/session", None, 200, 0),
        // Whether the one that died has opened a session, nobody knows: a second one would be nobody's.
        (Method::POST, "/session", Some(log_in), 502, opened),
    ] {
        let called = format!("{method} {path}");
        let ended = call_over_which_one_dies(&service, method, path, body).await;
        assert_eq!(
            ended,
            (StatusCode::from_u16(status).unwrap(), sessions),
            "{called}"
        );
    }
}

#[tokio::test]
async fn a_log_in_goes_to_the_other_where_the_first_takes_no_connection() {
    let folder = Folder::new("passing-on-");
    let service = service(&folder).await;
    let nowhere = format!("http://127.0.0.1:{}", port::free());
    let nginx = nginx(&nowhere, &service).await;
    for _ in 0..4 {
        let mut alice = User::on_phone(&service, "alice", PASSWORD).by_way_of(&nginx.url(""));
        alice.logs_in().await;
        alice.refreshes().await;
        alice.logs_out().await;
    }
    let log = nginx.server().running().log();
    let refused = log.line_with("connect() failed (111");
    assert!(refused.is_some(), "the first one was tried");
}
