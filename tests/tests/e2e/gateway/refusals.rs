//! What the gate says of a refusal reaches the client as it is, and what it cannot say is no log-out.

use super::wire::{request, says};
use super::{SOON, World, becomes};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use std::time::Instant;
use tests::link::Condition;
use tests::until;
use tests::user::Answer;

/// What belongs to the answer, and not to the connection or to who has written it.
fn said(headers: &HeaderMap) -> Vec<(String, String)> {
    let own = [
        "connection",
        "content-length",
        "date",
        "server",
        "x-problem",
    ];
    let mut said: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .collect();
    said.sort();
    said
}

#[tokio::test]
async fn a_refusal_is_in_the_gates_own_words() {
    let world = World::begins().await;
    let alice = world.in_browser("alice").await;
    let token = alice.access_token();
    let cookie = format!("__Host-Http-access={token}");
    let http = Client::new();
    let call = |method: &str, url: &str| http.request(method.parse().unwrap(), url);
    type Case<'a> = (
        &'a str,
        u16,
        &'a str,
        &'a dyn Fn(RequestBuilder) -> RequestBuilder,
    );
    let cases: [Case<'_>; 5] = [
        ("GET", 401, "token-missing", &|call| call),
        ("GET", 401, "token-invalid", &|call| call.bearer_auth("x")),
        ("GET", 400, "bad-request", &|call| {
            call.header("cookie", format!("{cookie}; {cookie}"))
        }),
        ("POST", 403, "csrf", &|call| call.header("cookie", &cookie)),
        ("DELETE", 403, "csrf", &|call| {
            call.header("cookie", &cookie)
                .header("x-csrf-token", alice.csrf_value())
                .header("sec-fetch-site", "cross-site")
        }),
    ];
    for (method, status, slug, with) in cases {
        let direct = with(call("GET", &world.gate.url("/verify")));
        let direct = Answer::of(direct.header("x-original-method", method)).await;
        let through = Answer::of(with(call(method, &world.nginx.url("/notes")))).await;
        let through = through.must_be(status);
        assert_eq!(through.problem(), Some(slug));
        assert_eq!(through.body, direct.body, "{slug}");
        assert_eq!(said(&through.headers), said(&direct.headers), "{slug}");
        let challenged = through.headers.contains_key("www-authenticate");
        assert_eq!(challenged, status == 401, "{slug}");
    }
    assert!(world.notes.seen().await.is_empty());
}

/// 503, when to come back, and nothing that sounds like a log-out.
async fn is_no_log_out(http: &Client, world: &World, token: &str, slug: &str) {
    until(&format!("503 {slug}"), SOON, async || {
        let call = http.get(world.nginx.url("/notes")).bearer_auth(token);
        let answer = Answer::of(call).await;
        assert!([200, 503].contains(&answer.status), "{}", answer.body);
        if answer.problem() != Some(slug) {
            return None;
        }
        assert_eq!(answer.status, 503);
        assert_eq!(answer.body["status"], 503);
        let headers = said(&answer.headers);
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let usual = [
            "cache-control",
            "content-security-policy",
            "content-type",
            "retry-after",
            "x-content-type-options",
        ];
        assert_eq!(names, usual, "each once, and no challenge");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.headers["retry-after"], "1");
        Some(())
    })
    .await;
}

#[tokio::test]
async fn a_gate_that_cannot_know_logs_nobody_out() {
    let mut world = World::begins().await;
    let mut alice = world.on_phone("alice").await;
    let token = alice.access_token();
    let http = Client::new();
    becomes(&mut alice, "/notes", 200, &[]).await;

    world.line.becomes(Condition::FROZEN);
    is_no_log_out(&http, &world, &token, "verifier-stale").await;
    becomes(&mut alice, "/orders", 200, &[]).await;

    world.line.becomes(Condition::CUT);
    world.gate.program().restart().await;
    is_no_log_out(&http, &world, &token, "verifier-starting").await;

    world.gate.program().kill();
    is_no_log_out(&http, &world, &token, "overloaded").await;

    world.line.becomes(Condition::WELL);
    world.gate.program().restart().await;
    becomes(&mut alice, "/notes", 200, &[503]).await;

    world.gate.server().freeze();
    let asked = Instant::now();
    is_no_log_out(&http, &world, &token, "overloaded").await;
    assert!(asked.elapsed() < SOON / 2, "nobody waits for long");
    world.gate.server().thaw();
    becomes(&mut alice, "/notes", 200, &[503]).await;
}

/// The client's fault, and no reason to try again.
#[tokio::test]
async fn more_headers_than_the_gate_reads_are_too_many() {
    let world = World::begins().await;
    let alice = world.on_phone("alice").await;
    let bearer = format!("Authorization: Bearer {}", alice.access_token());
    let many: Vec<_> = (0..100).map(|n| format!("X-{n}: {n}")).collect();
    let lines = [
        &[&*bearer][..],
        &many.iter().map(|line| &**line).collect::<Vec<_>>(),
    ]
    .concat();
    let heard = says(&world.nginx, request("GET /notes", &lines)).await;
    assert_eq!(heard.statuses, [400], "{}", heard.text);
    let heard = says(&world.nginx, request("GET /orders", &lines)).await;
    assert_eq!(heard.statuses, [431], "the SDK's server says so itself");
    assert_eq!(world.notes.seen().await, [] as [serde_json::Value; 0]);
}

/// Its 200 has nothing that anybody could keep, and a verdict is good for one request.
#[tokio::test]
async fn no_verdict_is_used_twice() {
    let world = World::begins().await;
    let mut alice = world.on_phone("alice").await;
    let mut thief = alice.clone();
    for path in ["/notes", "/orders"] {
        let answer = thief.sends(Method::GET, path, None).await.must_be(200);
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
    }
    alice.logs_out().await;
    becomes(&mut thief, "/notes", 401, &[200]).await;
    becomes(&mut thief, "/orders", 401, &[200]).await;
    for path in ["/notes", "/orders"] {
        for _ in 0..20 {
            thief.sends(Method::GET, path, None).await.must_be(401);
        }
    }
}

/// The body of what is refused is read past, not taken for the next request.
#[tokio::test]
async fn after_a_refusal_the_connection_is_good_for_the_next_request() {
    let world = World::begins().await;
    let alice = world.on_phone("alice").await;
    let next = request(
        "GET /notes/next",
        &[&format!("Authorization: Bearer {}", alice.access_token())],
    );
    for (lines, body) in [
        ("Content-Length: 9", "GET / NO\n"),
        ("Transfer-Encoding: chunked", "9\r\nGET / NO\n\r\n0\r\n\r\n"),
    ] {
        let refused = format!("POST /notes HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n\r\n{body}");
        let heard = says(&world.nginx, refused + &next).await;
        assert_eq!(heard.statuses, [401, 200], "{lines}: {}", heard.text);
    }
}

/// What a service answers is the service's, whatever it is.
#[tokio::test]
async fn a_service_that_is_away_is_no_log_out_either() {
    let mut world = World::begins().await;
    let mut alice = world.on_phone("alice").await;
    world.notes.server.kill();
    let answer = alice.sends(Method::GET, "/notes", None).await;
    answer.must_be(502);
    world.service.kill();
    let answer = alice.sends(Method::GET, "/session", None).await;
    answer.must_be(502);
    becomes(&mut alice, "/orders", 200, &[]).await;
}
