//! The side of the internet: TLS, strange hosts, long bodies, and whom nginx says that it speaks for.

use super::wire::{request, says};
use super::{PASSWORD, World, id_of, variable};
use reqwest::{Client, Method};
use serde_json::json;
use std::net::IpAddr;
use std::path::Path;
use tests::folder::Folder;
use tests::nginx::Nginx;
use tests::port;
use tests::process::Spec;
use tests::user::Answer;

/// A certificate for 127.0.0.1, in the folder with its key.
async fn certificate(folder: &Path) {
    let made = Spec::new("openssl", "openssl")
        .args(["req", "-x509", "-nodes", "-newkey", "ec"])
        .args(["-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2"])
        .args([
            "-subj",
            "/CN=gateway",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .args(["-keyout", "tls.key", "-out", "tls.crt"])
        .directory(folder)
        .output("")
        .await;
    assert!(made.status.success(), "{made:?}");
}

/// The gateway by `tls.conf`, and where it is.
async fn with_tls(folder: &Path) -> (World, String) {
    certificate(folder).await;
    let own = |name: &str| folder.join(name).display().to_string();
    let port = port::free();
    let url = format!("https://127.0.0.1:{port}");
    let nginx = Nginx::with()
        .with(
            "listen 127.0.0.1:8000;\n        server_name 127.0.0.1 localhost;",
            "include tls.conf;",
        )
        .with(
            "listen 443 ssl http2;",
            &format!("listen 127.0.0.1:{port} ssl http2;"),
        )
        .with("listen [::]:443 ssl http2;", "")
        .with("server_name id.example.com;", "server_name 127.0.0.1;")
        .with("/etc/portcullis/tls.crt", &own("tls.crt"))
        .with("/etc/portcullis/tls.key", &own("tls.key"));
    (World::begins_behind(nginx, &url).await, url)
}

/// curl, over HTTP/2 and nothing else.
async fn curl(folder: &Path, args: &[&str]) -> String {
    let certificate = folder.join("tls.crt").display().to_string();
    let output = Spec::new("curl", "curl")
        .args(["--silent", "--show-error", "--include", "--max-time", "20"])
        .args(["--http2-prior-knowledge", "--cacert", &certificate])
        .args(args.iter().copied())
        .output("")
        .await;
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn over_tls_and_http_2_the_same_holds() {
    let folder = Folder::new("tls-");
    let (world, url) = with_tls(folder.path()).await;
    // In the clear only the default server is left, so the phone goes by the service itself.
    let mut mallory = tests::User::on_phone(&world.service, "mallory", PASSWORD);
    mallory.logs_in().await;
    let id = id_of(&mut mallory).await;
    let bearer = format!("Authorization: Bearer {}", mallory.access_token());
    let notes = format!("{url}/notes/h2");

    let refused = curl(folder.path(), &[&notes]).await;
    assert!(refused.starts_with("HTTP/2 401"), "{refused}");
    assert!(
        refused.contains("urn:portcullis:token-missing"),
        "{refused}"
    );
    let forged = [
        "X-User-Id: forged",
        "X_User_Id: forged",
        "X.User.Id: forged",
        "X-Roles: forged",
    ];
    let mut args = vec![&*notes, "-H", &bearer, "-H", "TE: trailers"];
    args.extend(forged.iter().flat_map(|line| ["-H", line]));
    let answer = curl(folder.path(), &args).await;
    assert!(answer.starts_with("HTTP/2 200"), "{answer}");
    assert!(!answer.contains("forged"), "{answer}");
    let seen = world.notes.seen_with("/notes/h2").await;
    assert_eq!(variable(&seen[0], "X-User-Id"), [&*id]);
    assert_eq!(variable(&seen[0], "X-Forwarded-Proto"), ["https"]);

    for path in [
        "//notes",
        "/notes/about/..;/7",
        "/notes/%2e%2e/notes",
        "/notes%2f7",
    ] {
        let url = format!("{url}{path}");
        let answer = curl(folder.path(), &["--path-as-is", &url, "-H", &bearer]).await;
        assert!(answer.starts_with("HTTP/2 400"), "{path}: {answer}");
    }
    // Once, whoever says it: nginx, or the session service for itself.
    for path in ["/notes", "/notes/about", "/orders", "/", "/session"] {
        let answer = curl(folder.path(), &[&format!("{url}{path}")]).await;
        let lines = answer.matches("strict-transport-security: max-age=63072000");
        assert_eq!(lines.count(), 1, "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_strange_host_is_no_host_here() {
    let world = World::begins().await;
    let alice = world.on_phone("alice").await;
    let bearer = format!("Authorization: Bearer {}", alice.access_token());
    for (line, host, status) in [
        ("GET /notes", "127.0.0.1", 200),
        ("GET /notes", "localhost:80", 200),
        ("GET /notes", "evil.example", 421),
        ("GET /", "", 400),
        ("GET http://evil.example/notes", "127.0.0.1", 421),
        ("GET /notes", "127.0.0.1\r\nHost: evil.example", 400),
        ("GET /notes", "127.0.0.1/../evil", 400),
    ] {
        let text =
            format!("{line} HTTP/1.1\r\nHost: {host}\r\n{bearer}\r\nConnection: close\r\n\r\n");
        let heard = says(&world.nginx, text).await;
        assert_eq!(heard.statuses, [status], "{line} at {host}: {}", heard.text);
    }
    // One that has no host at all is answered without a status, as of old, and passed on to nobody.
    let heard = says(&world.nginx, "GET /notes\r\n").await;
    assert!(heard.statuses.is_empty(), "{}", heard.text);
    assert_eq!(world.notes.seen().await.len(), 2);
}

/// What the session service takes for the client's address decides who is throttled.
#[tokio::test]
async fn the_session_service_learns_the_real_address() {
    let world = World::begins().await;
    let http = Client::builder()
        .no_proxy()
        .local_address(IpAddr::from([127, 0, 0, 7]))
        .build()
        .unwrap();
    let forwarded = ["X-Forwarded-For", "X-Real-IP", "Forwarded"];
    let call = |method: Method, path: &str| {
        let call = http.request(method, world.nginx.url(path));
        forwarded
            .iter()
            .fold(call, |call, name| call.header(*name, "203.0.113.9"))
    };
    let login = json!({ "username": "alice", "password": PASSWORD, "delivery": "body" });
    let login = Answer::of(call(Method::POST, "/session").json(&login)).await;
    let login = login.must_be(201);
    let token = login.body["access_token"].as_str().unwrap();
    let list = Answer::of(call(Method::GET, "/sessions").bearer_auth(token)).await;
    assert_eq!(list.must_be(200).body["items"][0]["ip"], "127.0.0.7");
}

/// Its own limit comes first where it is the lower one, and a body that is too long for nginx is read
/// by nobody.
#[tokio::test]
async fn bodies_have_a_limit() {
    let world = World::begins().await;
    let alice = world.on_phone("alice").await;
    let bearer = format!("Authorization: Bearer {}", alice.access_token());
    for (path, length, status) in [
        ("/notes/long", 1 << 20, 200),
        ("/notes/longer", (1 << 20) + 1, 413),
        ("/session", (16 << 10) + 1, 413),
        ("/session", (64 << 10) + 1, 413),
    ] {
        let length_line = format!("Content-Length: {length}");
        let lines = [&*bearer, "Content-Type: application/json", &length_line];
        let body = " ".repeat(length);
        let heard = says(
            &world.nginx,
            request(&format!("POST {path}"), &lines) + &body,
        )
        .await;
        assert_eq!(heard.statuses, [status], "{path} {length}");
    }
    assert!(world.notes.seen_with("/notes/longer").await.is_empty());
}
