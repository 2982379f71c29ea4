//! `user unlock`, `sessions list`, `keys list` and `client rotate`, beside a service that runs; and what an auditor
//! reads of it.

use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tests::folder::Folder;
use tests::process::Spec;
use tests::program::Program;
use tests::session_api::Settings;
use tests::user::Answer;
use tests::{SessionApi, User};

const PASSWORD: &str = "correct horse battery staple";
const SOON: Duration = Duration::from_secs(20);

async fn service(folder: &Folder) -> SessionApi {
    let url = format!("sqlite:{}", folder.path().join("x.db").display());
    SessionApi::start(&Settings::new(&url)).await
}

async fn says(service: &SessionApi, command: &[&str]) -> Value {
    let line = service.settings().must_run(command, "").await;
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Nobody forgets to change the password of an account that nobody has made.
#[tokio::test]
async fn a_fresh_database_has_no_user() {
    let folder = Folder::new("fresh-");
    let service = service(&folder).await;
    let users = says(&service, &["user", "list", "--json"]).await;
    assert_eq!(users, json!({ "items": [] }));
    let clients = says(&service, &["client", "list", "--json"]).await;
    assert_eq!(clients, json!({ "items": [] }));
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

/// As strangers do who have many addresses.
async fn strangers_try(service: &SessionApi, name: &str, times: u32) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = json!({ "username": name, "password": "wrong horse battery staple" });
    for number in 0..times {
        let address = format!("198.51.{}.{}", number / 100, number % 100);
        let url = format!("{}/session", service.url());
        let request = http.post(url).header("x-forwarded-for", address);
        Answer::of(request.json(&body)).await.must_be(401);
    }
}

/// With the rates on, and strangers who do not stop: the account closes again at once, and its owner,
/// who has no device left, logs in beside them.
#[tokio::test]
async fn an_unlocked_owner_logs_in_beside_strangers_who_go_on() {
    let folder = Folder::new("beside-");
    let url = format!("sqlite:{}", folder.path().join("x.db").display());
    let settings = Settings::new(&url)
        .env("SESSION_API_THROTTLE", "on")
        .flag("--trusted-proxy", "127.0.0.1");
    let service = SessionApi::start(&settings).await;
    service.has_user("alice", PASSWORD, None).await;
    let tries = async |device: Option<&str>| {
        let body = json!({
            "username": "alice", "password": PASSWORD, "delivery": "body", "device_token": device,
        });
        let request = reqwest::Client::new().post(format!("{}/session", service.url()));
        Answer::of(request.json(&body)).await.status
    };
    strangers_try(&service, "alice", 100).await;
    assert_eq!(tries(None).await, 401, "closed");

    let unlock = ["user", "unlock", "alice", "--json"];
    let unlocked = says(&service, &unlock).await;
    assert_eq!(
        (&unlocked["changed"], &unlocked["link"]),
        (&json!(true), &Value::Null)
    );
    let device = unlocked["device_token"].as_str().unwrap();
    strangers_try(&service, "alice", 100).await;
    assert_eq!(tries(None).await, 401, "closed again");
    assert_eq!(tries(Some("x")).await, 401, "no device");
    assert_eq!(tries(Some(device)).await, 201);
    // A right password forgets all tries; and then they go on.
    strangers_try(&service, "alice", 100).await;
    assert_eq!(tries(None).await, 401, "closed once more");
    assert_eq!(tries(Some(device)).await, 201, "and she is not kept out");

    // It is alice's, and nobody else's.
    service.has_user("bob", PASSWORD, None).await;
    strangers_try(&service, "bob", 100).await;
    let body = json!({ "username": "bob", "password": PASSWORD, "device_token": device });
    let request = reqwest::Client::new().post(format!("{}/session", service.url()));
    Answer::of(request.json(&body)).await.must_be(401);

    let issuer = ["--issuer", "https://id.example.com/auth"];
    let printed = [&["user", "unlock", "bob"][..], &issuer].concat();
    let printed = service.settings().must_run(&printed, "").await;
    let link = "bob logs in at https://id.example.com/auth/#device=";
    assert!(printed.contains(link), "{printed}");
}

/// Rates and filters leave the auditor's lines alone.
#[tokio::test]
async fn an_auditor_reads_on_where_nothing_else_is_logged() {
    let folder = Folder::new("audit-");
    let url = format!("sqlite:{}", folder.path().join("x.db").display());
    let settings = Settings::new(&url)
        // Whoever starts it waits for the line that it listens.
        .env("RUST_LOG", "off,session_api::cli::serve=info")
        .env("SESSION_API_OPEN_REGISTRATION", "true")
        .env("SESSION_API_LOG_FORMAT", "json");
    let service = SessionApi::start(&settings).await;
    let post = async |path: &str, password: &str, id: &str| {
        let body = json!({ "username": "alice", "password": password });
        let request = reqwest::Client::new().post(format!("{}{path}", service.url()));
        Answer::of(request.header("x-request-id", id).json(&body)).await
    };
    // A library panics on this one, and its words could hold a part of it.
    let overflowing = "12".repeat(16);
    post("/users", &overflowing, "before").await.must_be(422);
    post("/session", PASSWORD, "the-one").await.must_be(401);
    let running = service.program().server().running();
    let line = running.says("login.failed", SOON).await;
    assert!(line.contains("\"id\":\"the-one\""), "{line}");
    let log = running.log();
    assert_eq!(log.line_with("panicked"), None);
    assert_eq!(log.line_with("1212"), None);
    let output = service
        .settings()
        .run(&["client", "add", "orders"], "")
        .await;
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("operator.acted"), "{told}");
}

/// More than one part of a list over HTTP.
#[tokio::test]
async fn all_sessions_of_a_user_are_listed() {
    let folder = Folder::new("sessions-");
    let service = service(&folder).await;
    service.has_user("alice", PASSWORD, None).await;
    for _ in 0..101 {
        User::on_phone(&service, "alice", PASSWORD).logs_in().await;
    }
    let listed = says(&service, &["sessions", "list", "alice", "--json"]).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 101);

    let nobodys = "018f3a5f-0c2d-7b1a-8e44-2f9d5c6b7a81";
    let revoke = ["sessions", "revoke", "--session", nobodys];
    let output = service.settings().run(&revoke, "").await;
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains(nobodys) && error.contains("sessions list"),
        "{error}"
    );
}

/// Keys do not expire by themselves: somebody has to see that one has signed for long.
#[tokio::test]
async fn keys_are_listed_with_since_when_they_are_what_they_are() {
    let folder = Folder::new("keys-");
    let service = service(&folder).await;
    let since = |listed: &Value, state: &str| {
        let mut items = listed["items"].as_array().unwrap().iter();
        let key = items.find(|key| key["purpose"] == "access" && key["state"] == state);
        let since = key.unwrap()["since"].as_str().unwrap().to_owned();
        assert!(since.starts_with("20") && since.ends_with('Z'), "{since}");
        since
    };
    let before = says(&service, &["keys", "list", "--json"]).await;
    let after = says(&service, &["keys", "rotate", "--json"]).await;
    assert_ne!(since(&before, "active"), since(&after, "active"));
    let words = service.settings().must_run(&["keys", "list"], "").await;
    let active = format!("access   active     since {}", since(&after, "active"));
    assert!(words.contains(&active), "{words}");
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

/// Runs a program at a terminal, where stdin is typed once it asks for a password; prints what was seen.
const AT_A_TERMINAL: &str = r#"
import os, pty, sys
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
while b"Password for" not in seen:
    seen += os.read(terminal, 1024)
os.write(terminal, sys.stdin.buffer.read())
try:
    while part := os.read(terminal, 1024):
        seen += part
except OSError:
    pass  # So Linux says that the other end is closed.
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

#[tokio::test]
async fn a_password_is_asked_for_at_a_terminal_and_not_shown() {
    let folder = Folder::new("typed-");
    let url = format!("sqlite:{}", folder.path().join("x.db").display());
    let settings = Settings::new(&url);
    settings.must_run(&["migrate"], "").await;
    let typed = async |text: &str| {
        let spec = Spec::new("python3", "python3").args(["-c", AT_A_TERMINAL]);
        let spec = spec.arg(Program::path("session-api"));
        let spec = spec.args(["user", "add", "alice"]);
        let output = spec.env("DATABASE_URL", &url).output(text).await;
        let seen = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), seen)
    };
    let (code, seen) = typed("correct horse\u{3}").await;
    assert_eq!(code, Some(1), "{seen}");
    assert!(seen.contains("given up"), "{seen}");
    let (code, seen) = typed(&format!("{PASSWORD}\n")).await;
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("Password for alice: "), "{seen}");
    assert!(seen.contains("added user alice"), "{seen}");
    assert!(!seen.contains("horse"), "{seen}");
}
