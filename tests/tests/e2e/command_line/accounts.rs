//! `user unlock` and `client rotate`, beside a service that runs.

use reqwest::Method;
use serde_json::Value;
use tests::folder::Folder;
use tests::session_api::Settings;
use tests::user::Answer;
use tests::{SessionApi, User};

const PASSWORD: &str = "correct horse battery staple";

async fn service(folder: &Folder) -> SessionApi {
    let url = format!("sqlite:{}", folder.path().join("x.db").display());
    SessionApi::start(&Settings::new(&url)).await
}

async fn says(service: &SessionApi, command: &[&str]) -> Value {
    let line = service.settings().must_run(command, "").await;
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[tokio::test]
async fn an_account_that_strangers_closed_is_unlocked() {
    let folder = Folder::new("unlock-");
    let service = service(&folder).await;
    service.has_user("alice", PASSWORD, None).await;
    let unlock = ["user", "unlock", "Alice", "--json"];
    assert_eq!(says(&service, &unlock).await["changed"], false);
    let mut stranger = User::on_phone(&service, "alice", "wrong horse battery staple");
    for _ in 0..100 {
        stranger.tries_to_log_in().await.must_be(401);
    }
    let mut alice = User::on_phone(&service, "alice", PASSWORD);
    alice.tries_to_log_in().await.must_be(401);
    assert_eq!(says(&service, &unlock).await["changed"], true);
    alice.logs_in().await;

    let output = service.settings().run(&["user", "unlock", "bob"], "").await;
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("session-api user list"), "{error}");
}

#[tokio::test]
async fn a_rotated_secret_counts_at_once_and_the_old_one_no_more() {
    let folder = Folder::new("rotate-");
    let service = service(&folder).await;
    let old = service.has_client("orders").await;
    let asks = async |secret: &str| {
        let url = format!("{}/revocations", service.url());
        let request = reqwest::Client::new().request(Method::GET, url);
        Answer::of(request.basic_auth("orders", Some(secret))).await
    };
    asks(&old.secret).await.must_be(200);
    let rotated = says(&service, &["client", "rotate", "orders", "--json"]).await;
    assert_eq!(rotated["client"], "orders");
    let new = rotated["secret"].as_str().unwrap();
    assert_ne!(new, old.secret);
    asks(new).await.must_be(200);
    let refused = asks(&old.secret).await.must_be(401);
    assert_eq!(refused.problem(), Some("bad-credentials"));

    // What is stored is no secret.
    let path = folder.path();
    for file in std::fs::read_dir(path).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let holds = |secret: &str| {
            bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes())
        };
        assert!(!holds(new) && !holds(&old.secret));
    }
    let unknown = ["client", "rotate", "nobody"];
    let output = service.settings().run(&unknown, "").await;
    assert_eq!(output.status.code(), Some(1));
}
