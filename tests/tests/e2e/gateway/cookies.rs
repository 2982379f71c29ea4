//! Which cookies reach whom, and what becomes of those that somebody planted (RFC 6265bis, section 8.6).

use super::wire::{request, says};
use super::{World, variable};
use reqwest::Method;
use serde_json::Value;

const ACCESS: &str = "__Host-Http-access";
const SESSION: &str = "__Secure-session";
const DEVICE: &str = "__Secure-device";

/// The values of the header `Cookie` that the service in Rust has seen.
fn cookies_at_orders(body: &Value) -> Vec<&str> {
    let headers = body["headers"].as_array().unwrap();
    let cookies = headers.iter().filter(|header| header[0] == "cookie");
    cookies.map(|header| header[1].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_session_cookie_reaches_the_session_service_alone() {
    let world = World::begins().await;
    let mut alice = world.in_browser("alice").await;
    let (access, session) = (alice.access_token(), alice.session_token());
    let csrf = alice.csrf_value();
    // It works where it belongs: the log-in has set it, and a refresh reads it.
    alice.refreshes().await;
    let new = alice.session_token();
    assert_ne!(session, new);

    let all = format!(
        "Cookie: a=b; {ACCESS}={access}; {SESSION}={new}; {DEVICE}=d; __Host-csrf={csrf}; c=d"
    );
    let again = format!("Cookie: {SESSION}={new}");
    let proof = format!("X-CSRF-Token: {csrf}");
    for lines in [&[&*all][..], &[&again, &all, &proof], &[&all, &again]] {
        for path in [
            "/notes",
            "/notes/about",
            "/notes/session",
            "/orders",
            "/orders/session",
        ] {
            let heard = says(&world.nginx, request(&format!("GET {path}"), lines)).await;
            assert_eq!(heard.statuses, [200], "{path}: {}", heard.text);
            if path.starts_with("/orders") {
                let body = heard.text.split("\r\n\r\n").nth(1).unwrap();
                let body = serde_json::from_str(body).unwrap();
                let cookie = format!("{ACCESS}={access}");
                assert_eq!(cookies_at_orders(&body), [cookie], "{path}");
            }
        }
    }
    let seen = world.notes.seen().await;
    assert_eq!(seen.len(), 9);
    for seen in seen {
        assert!(variable(&seen, "Cookie").is_empty(), "{seen}");
        assert!(variable(&seen, "Authorization").is_empty(), "{seen}");
        for secret in [&access, &new, &csrf] {
            assert!(!seen.to_string().contains(secret), "{seen}");
        }
    }
}

#[tokio::test]
async fn a_bearer_token_stays_with_who_verifies_it() {
    let world = World::begins().await;
    let mut alice = world.on_phone("alice").await;
    for path in ["/notes", "/notes/about"] {
        let answer = alice.sends(Method::GET, path, None).await.must_be(200);
        let text = answer.body.to_string();
        assert!(!text.contains(&alice.access_token()), "{path}: {text}");
    }
    let orders = alice.sends(Method::GET, "/orders", None).await.must_be(200);
    assert!(orders.body.to_string().contains(&alice.access_token()));
}

/// The same answer by nginx with the gate, and by the service that verifies by itself.
#[tokio::test]
async fn planted_cookies_are_judged_alike() {
    let world = World::begins().await;
    let alice = world.in_browser("alice").await;
    let mallory = world.in_browser("mallory").await;
    let a = format!("{ACCESS}={}", alice.access_token());
    let m = format!("{ACCESS}={}", mallory.access_token());
    let (plain, session) = (alice.access_token(), alice.session_token());
    let crowd: Vec<_> = (0..100).map(|n| format!("c{n}={n}")).collect();
    let crowd = crowd.join("; ");
    for (case, cookies, status) in [
        ("as a browser sends it", vec![a.clone()], 200),
        ("no space", vec![format!("x=y;{a}")], 200),
        (
            "tabs",
            vec![format!("x=y;\t{ACCESS}\t=\t{plain}\t; z=")],
            200,
        ),
        ("among a hundred", vec![crowd.clone(), a.clone()], 200),
        ("nothing in between", vec![format!(";;{a}; ;")], 200),
        (
            "quotes around the others",
            vec![format!("q=\"; {a}; r=\"")],
            200,
        ),
        ("twice", vec![format!("{a}; {a}")], 400),
        ("another's first", vec![format!("{m}; {a}")], 400),
        ("another's last", vec![format!("{a}; x=y; {m}")], 400),
        (
            "another's in a line of its own",
            vec![a.clone(), m.clone()],
            400,
        ),
        (
            "another's first, in its own line",
            vec![m, crowd, a.clone()],
            400,
        ),
        ("an empty one too", vec![format!("{a}; {ACCESS}=")], 400),
        (
            "spaces around its name",
            vec![format!("{a};\t {ACCESS} =x")],
            400,
        ),
        (
            "a name without a value",
            vec![format!("{ACCESS}; {a}")],
            200,
        ),
        ("no name", vec![format!("={a}; {a}; ={a}")], 200),
        ("no name alone", vec![format!("={a}")], 401),
        ("a longer name", vec![format!("x{a}; {ACCESS}x=y")], 401),
        (
            "small letters",
            vec![format!("__host-http-access={plain}")],
            401,
        ),
        (
            "mixed letters",
            vec![format!("__HOST-Http-Access={plain}; {a}")],
            200,
        ),
        ("a space of Unicode", vec![format!("\u{a0}{a}")], 401),
        ("an empty one", vec![format!("{ACCESS}=")], 401),
        (
            "another prefix",
            vec![format!("__Secure-access={plain}")],
            401,
        ),
        (
            "the session token in its place",
            vec![format!("{ACCESS}={session}")],
            401,
        ),
        (
            "the session cookie alone",
            vec![format!("{SESSION}={session}")],
            401,
        ),
        (
            "the session cookie twice",
            vec![format!("{SESSION}=x; {a}; {SESSION}=y")],
            200,
        ),
    ] {
        let lines: Vec<_> = cookies
            .iter()
            .map(|line| format!("Cookie: {line}"))
            .collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        for path in ["/notes", "/orders"] {
            let heard = says(&world.nginx, request(&format!("GET {path}"), &lines)).await;
            assert_eq!(heard.statuses, [status], "{case}: {path}: {}", heard.text);
        }
    }
}

/// A planted session cookie is for the session service to see, both of them.
#[tokio::test]
async fn two_session_cookies_are_refused_by_the_session_service() {
    let world = World::begins().await;
    let alice = world.in_browser("alice").await;
    let mallory = world.in_browser("mallory").await;
    let own = format!("Cookie: {SESSION}={}", alice.session_token());
    let planted = format!("Cookie: {SESSION}={}", mallory.session_token());
    for lines in [&[&*own, &planted], &[&*planted, &own]] {
        let heard = says(&world.nginx, request("GET /session", lines)).await;
        assert_eq!(heard.statuses, [400], "{}", heard.text);
        assert!(heard.text.contains("urn:portcullis:bad-request"));
    }
    let heard = says(&world.nginx, request("GET /session", &[&own])).await;
    assert_eq!(heard.statuses, [200], "{}", heard.text);
}

/// Cookies know no services: what one sets, all of the host get.
#[tokio::test]
async fn a_service_that_was_taken_over_plants_no_cookie_and_sees_no_other_place() {
    let world = World::begins().await;
    let alice = world.in_browser("alice").await;
    let (access, session) = (alice.access_token(), alice.session_token());
    let cookie = format!("Cookie: {ACCESS}={access}; {SESSION}={session}");
    for path in ["/notes", "/notes/about", "/orders"] {
        let path = format!("{path}?taken-over");
        let heard = says(&world.nginx, request(&format!("GET {path}"), &[&cookie])).await;
        assert_eq!(heard.statuses, [200], "{path}: {}", heard.text);
        assert!(heard.text.contains(&path), "its own answer: {}", heard.text);
        let text = heard.text.to_lowercase();
        assert!(!text.contains("set-cookie"), "{path}: {text}");
        assert!(!text.contains("x-accel"), "{path}: {text}");
    }
}
