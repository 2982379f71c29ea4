//! What only the gate does: how it judges, and in `life` what becomes of it.

mod life;

use crate::calls::Answer::{For, Refused};
use crate::calls::{CSRF, app, check, request, web};
use crate::issuer::Issuer;
use crate::servers::{self, Server, until};
use reqwest::{Client, Method};

async fn ready(server: &Server) -> (u16, serde_json::Value) {
    let url = server.url.replace("/verify", "/readyz");
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn is_ready(server: &Server) {
    until("the gate is ready", async || ready(server).await.0 == 200).await;
}

#[tokio::test]
async fn the_method_is_that_of_the_callers_request() {
    let issuer = Issuer::start().await;
    let servers = [servers::gate(&issuer, &[])];
    is_ready(&servers[0]).await;
    let ann = issuer.mint();
    let web = web(&ann, &[]);
    let app = app(&ann, &[]);
    let cookie = |method| request(method, "/whoami").cookie(&web);
    let csrf = Refused(403, "csrf");
    check(
        &servers,
        &[
            ("not said", cookie("GET"), csrf),
            (
                "not said, with proof",
                cookie("GET").own_page(),
                For(ann.user),
            ),
            (
                "nginx, safe",
                cookie("GET").header("x-original-method", "GET"),
                For(ann.user),
            ),
            (
                "Traefik, safe",
                cookie("GET").header("x-forwarded-method", "HEAD"),
                For(ann.user),
            ),
            (
                "unsafe behind a GET",
                cookie("GET").header("x-original-method", "DELETE"),
                csrf,
            ),
            (
                "unsafe, with proof",
                cookie("GET")
                    .header("x-original-method", "DELETE")
                    .header("sec-fetch-site", "same-origin")
                    .header("x-csrf-token", CSRF),
                For(ann.user),
            ),
            (
                "safe behind a POST",
                cookie("POST").header("x-original-method", "GET"),
                For(ann.user),
            ),
            (
                "unknown",
                cookie("GET").header("x-original-method", "BREW"),
                csrf,
            ),
            (
                "in another case",
                cookie("GET").header("x-original-method", "get"),
                csrf,
            ),
            ("empty", cookie("GET").header("x-original-method", ""), csrf),
            (
                "not text",
                cookie("GET").header("x-original-method", b"\xff"),
                csrf,
            ),
            (
                "both, the same",
                cookie("GET")
                    .header("x-original-method", "GET")
                    .header("x-forwarded-method", "GET"),
                For(ann.user),
            ),
            (
                "both, differing, even with proof",
                cookie("GET")
                    .header("x-original-method", "GET")
                    .header("x-forwarded-method", "POST")
                    .own_page(),
                csrf,
            ),
            (
                "twice, the same",
                cookie("GET")
                    .header("x-original-method", "GET")
                    .header("x-original-method", "GET"),
                csrf,
            ),
            (
                "twice, by bearer",
                request("GET", "/whoami")
                    .bearer(&app)
                    .header("x-forwarded-method", "GET")
                    .header("x-forwarded-method", "POST"),
                csrf,
            ),
            (
                "a bearer needs no method",
                request("GET", "/whoami").bearer(&app),
                For(ann.user),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_method_of_the_request_itself_where_so_set() {
    let issuer = Issuer::start().await;
    let servers = [servers::gate(&issuer, &["--method-from", "request"])];
    is_ready(&servers[0]).await;
    let ann = issuer.mint();
    let web = web(&ann, &[]);
    check(
        &servers,
        &[
            (
                "a header does not make it unsafe",
                request("GET", "/whoami")
                    .cookie(&web)
                    .header("x-original-method", "POST"),
                For(ann.user),
            ),
            (
                "a header does not make it safe",
                request("POST", "/whoami")
                    .cookie(&web)
                    .header("x-original-method", "GET"),
                Refused(403, "csrf"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_gateway_learns_who_it_is() {
    let issuer = Issuer::start().await;
    let server = servers::gate(&issuer, &["--method-from", "request"]);
    is_ready(&server).await;
    let login = issuer.mint();
    let client = Client::new();
    for (roles, expected) in [
        (&["admin", "orders:read"][..], "admin,orders:read"),
        // There even where it is empty, so that a gateway overwrites what the caller sent.
        (&[], ""),
    ] {
        let token = app(&login, roles);
        for (method, path) in [
            ("GET", ""),
            ("POST", "/"),
            ("BREW", "/orders/7?x=/../%2e%2e"),
            ("DELETE", "//a//b;c"),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = client
                .request(method, format!("{}{path}", server.url))
                .bearer_auth(&token)
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 200, "{path}");
            assert_eq!(answer.headers()["x-user-id"], login.user.to_string());
            assert_eq!(answer.headers()["x-session-id"], login.session.to_string());
            assert_eq!(answer.headers()["x-roles"], expected);
            assert_eq!(answer.headers()["cache-control"], "no-store");
            assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
            assert_eq!(answer.text().await.unwrap(), "");
        }
    }
}

#[tokio::test]
async fn a_token_must_be_for_it_and_short_lived() {
    let issuer = Issuer::start().await;
    let ann = issuer.mint();
    let token = app(&ann, &[]);
    let who = || request("GET", "/whoami").bearer(&token);
    for (flag, value, answer) in [
        ("--audience", "api", For(ann.user)),
        ("--audience", "other", Refused(401, "token-invalid")),
        ("--max-lifetime", "15m", For(ann.user)),
        ("--max-lifetime", "10m", Refused(401, "token-invalid")),
    ] {
        let server = servers::gate(&issuer, &[flag, value]);
        is_ready(&server).await;
        check(&[server], &[(value, who(), answer)]).await;
    }
}

#[tokio::test]
async fn other_paths_are_problems_too() {
    let issuer = Issuer::start().await;
    let server = servers::gate(&issuer, &[]);
    is_ready(&server).await;
    let base = server.url.replace("/verify", "");
    let client = Client::new();
    for (method, path, status, slug) in [
        (Method::GET, "/healthz", 200, ""),
        (Method::HEAD, "/healthz", 200, ""),
        (Method::HEAD, "/readyz", 200, ""),
        (Method::POST, "/metrics", 405, "method"),
        (Method::POST, "/readyz", 405, "method"),
        (Method::GET, "/", 404, "not-found"),
        (Method::GET, "/verifyx", 404, "not-found"),
        (Method::GET, "/VERIFY", 404, "not-found"),
    ] {
        let request = client.request(method, format!("{base}{path}"));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        if status >= 400 {
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            let body = answer.text().await.unwrap();
            assert!(body.contains(&format!("urn:portcullis:{slug}\"")), "{body}");
        }
    }
    // What stands in the gate's lines is a word; whatever else a stranger calls the request is dropped.
    let long = "x".repeat(65);
    for (id, kept) in [
        ("a-1_B", true),
        ("a b", false),
        ("a\"b", false),
        (&*long, false),
    ] {
        let request = client.get(&server.url).header("x-request-id", id);
        let answer = request.send().await.unwrap();
        let said = answer
            .headers()
            .get("x-request-id")
            .map(|said| said.as_bytes());
        assert_eq!(said, kept.then_some(id.as_bytes()), "{id}");
    }
}

#[tokio::test]
async fn it_tells_its_figures() {
    let issuer = Issuer::start().await;
    let server = servers::gate(&issuer, &["--method-from", "request"]);
    is_ready(&server).await;
    let token = app(&issuer.mint(), &[]);
    let client = Client::new();
    for (token, status) in [(&*token, 200), (&*token, 200), ("rubbish", 401)] {
        let answer = client.get(&server.url).bearer_auth(token);
        assert_eq!(answer.send().await.unwrap().status(), status);
    }
    issuer.send("no page");
    let read = async || {
        let url = server.url.replace("/verify", "/metrics");
        let answer = client.get(url).send().await.unwrap();
        let kind = &answer.headers()["content-type"];
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
        answer.text().await.unwrap()
    };
    let refused = "portcullis_verifier_pages_total{outcome=\"refused\"} 1";
    until("the page is counted", async || {
        read().await.lines().any(|line| line == refused)
    })
    .await;
    let text = read().await;
    for line in [
        "portcullis_verifier_tokens_total{verdict=\"accepted\"} 2",
        "portcullis_verifier_tokens_total{verdict=\"refused\"} 1",
        "portcullis_verifier_tokens_total{verdict=\"unavailable\"} 0",
        "portcullis_verifier_fresh 1",
        &format!("portcullis_verifier_head_position {}", issuer.head()),
        "# TYPE portcullis_verifier_pages_total counter",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("portcullis_verifier_"), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}
