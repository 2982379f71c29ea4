//! Which credential counts, call by call.

use super::*;
use crate::session::EndReason;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::BTreeMap;

#[tokio::test]
async fn a_header_is_judged_alone_even_when_it_is_bad() {
    let world = World::begins().await;
    let browser = world.browser("alice").await;
    let phone = world.phone("bob").await;
    let cookies = browser.jar.header("/session").unwrap();
    let get = |path: &str| world.request("GET", path).header(COOKIE, &cookies);
    for path in ["/session", "/sessions"] {
        let good = get(path).bearer_auth(&phone.access);
        Answer::of(good).await.must_be(200);
        for (value, slug) in [
            ("Bearer rubbish", "token-invalid"),
            ("Bearer ", "token-invalid"),
            ("Bearer", "token-invalid"),
            ("Basic b3JkZXJzOng=", "token-missing"),
            ("", "token-missing"),
        ] {
            let request = get(path).header(AUTHORIZATION, value);
            let answer = Answer::of(request).await;
            assert_refused(&answer, 401, slug, &format!("{path} {value:?}"));
        }
        let two = get(path)
            .bearer_auth(&phone.access)
            .bearer_auth(&phone.access);
        assert_refused(&Answer::of(two).await, 400, "bad-request", "two headers");
    }
    // Cookies are ignored beside a header, two of one name as well.
    let twice = format!("{ACCESS}=a; {ACCESS}=b; {SESSION}=c; {SESSION}=d");
    let request = world
        .request("GET", "/session")
        .header(COOKIE, twice)
        .bearer_auth(&phone.access);
    Answer::of(request).await.must_be(200);
    // And no page can be tricked into adding a header: neither origin nor value is asked for.
    let request = world
        .request("DELETE", "/sessions/x")
        .header("origin", "https://evil.example");
    assert_refused(
        &Answer::of(request.bearer_auth(&phone.access)).await,
        404,
        "not-found",
        "unsafe",
    );
}

#[tokio::test]
async fn two_cookies_of_one_name_are_refused_everywhere_but_at_login() {
    let world = World::begins().await;
    let browser = world.browser("alice").await;
    let (access, session) = (browser.cookie(ACCESS), browser.cookie(SESSION));
    let good = format!("{ACCESS}={access}; {SESSION}={session}");
    let cases = [
        format!("{good}; {ACCESS}={access}"),
        format!("{good}; {ACCESS}=tossed"),
        format!("{good}; {SESSION}={session}"),
        format!("{SESSION}=tossed; {good}"),
    ];
    for cookies in cases {
        for (method, path) in [
            ("GET", "/session"),
            ("DELETE", "/session"),
            ("POST", "/session/refresh"),
            ("GET", "/sessions"),
            ("DELETE", "/sessions?keep=current"),
        ] {
            // Half of it in a header of its own: browsers over HTTP/2 do that.
            let (first, rest) = cookies.split_once("; ").unwrap();
            let request = world
                .request(method, path)
                .header(COOKIE, first)
                .header(COOKIE, rest);
            let answer = Answer::of(request.header("x-csrf-token", browser.cookie(CSRF))).await;
            assert_refused(
                &answer,
                400,
                "bad-request",
                &format!("{method} {path} {cookies}"),
            );
        }
    }
    let mut unharmed = browser.clone();
    unharmed
        .sends(&world, "GET", "/sessions")
        .await
        .must_be(200);
}

#[tokio::test]
async fn each_token_has_its_own_place() {
    let world = World::begins().await;
    let browser = world.browser("alice").await;
    let phone = world.phone("alice").await;
    let cookies = |access: &str, session: &str| match (access, session) {
        (access, "") => format!("{ACCESS}={access}"),
        ("", session) => format!("{SESSION}={session}"),
        _ => format!("{ACCESS}={access}; {SESSION}={session}"),
    };
    let cases = [
        (
            "a session token as a bearer",
            None,
            Some(&phone.session),
            "/sessions",
            "token-invalid",
        ),
        (
            "a phone's access token in a cookie",
            Some(cookies(&phone.access, "")),
            None,
            "/sessions",
            "token-invalid",
        ),
        (
            "the same at /session",
            Some(cookies(&phone.access, "")),
            None,
            "/session",
            "token-invalid",
        ),
        (
            "a phone's session token in a cookie",
            Some(cookies("", &phone.session)),
            None,
            "/session",
            "session-ended",
        ),
        (
            "both of a phone's",
            Some(cookies(&phone.access, &phone.session)),
            None,
            "/session",
            "session-ended",
        ),
        (
            "swapped cookies",
            Some(cookies(&browser.cookie(SESSION), &browser.cookie(ACCESS))),
            None,
            "/session",
            "session-ended",
        ),
        (
            "swapped cookies elsewhere",
            Some(cookies(&browser.cookie(SESSION), &browser.cookie(ACCESS))),
            None,
            "/sessions",
            "token-invalid",
        ),
        (
            "the session cookie alone",
            Some(cookies("", &browser.cookie(SESSION))),
            None,
            "/sessions",
            "token-missing",
        ),
        (
            "a session cookie that does not read",
            Some(cookies(&browser.cookie(ACCESS), "x")),
            None,
            "/sessions",
            "token-invalid",
        ),
        (
            "the same at /session",
            Some(cookies(&browser.cookie(ACCESS), "x")),
            None,
            "/session",
            "session-ended",
        ),
    ];
    for (case, cookies, bearer, path, slug) in cases {
        let mut request = world.request("GET", path);
        if let Some(cookies) = cookies {
            request = request.header(COOKIE, cookies);
        }
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        assert_refused(&Answer::of(request).await, 401, slug, case);
    }
    // Beside a live session cookie an access token that has ended is no other session's.
    let ended = cookies("expired", &browser.cookie(SESSION));
    Answer::of(world.request("GET", "/session").header(COOKIE, ended))
        .await
        .must_be(200);
}

/// Whoever comes upon a token learns no name from it, and no address (NIST SP 800-63B-4, section 5.1.1).
#[tokio::test]
async fn a_token_says_what_it_must_and_nothing_personal() {
    const SESSIONS: &str = "aud exp gen iat iss jti sid sub";
    const PHONES: &str = "aud auth_time client_id exp iat iss jti pos sid sub";
    const BROWSERS: &str = "aud auth_time client_id csrf exp iat iss jti pos roles sid sub";
    let world = World::begins().await;
    let (phone, browser) = (world.phone("alice").await, world.browser("root").await);
    for (token, expected) in [
        (&phone.access, PHONES),
        (&phone.session, SESSIONS),
        (&browser.cookie(ACCESS), BROWSERS),
        (&browser.cookie(SESSION), SESSIONS),
    ] {
        let payload = token.split('.').nth(1).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(payload).unwrap();
        let claims: BTreeMap<String, Value> = serde_json::from_slice(&claims).unwrap();
        let said: Vec<_> = claims.keys().map(String::as_str).collect();
        assert_eq!(said.join(" "), expected);
    }
}

#[tokio::test]
async fn a_token_dies_with_its_session_in_the_database_at_once() {
    let world = World::begins().await;
    let (phone, watcher) = (world.phone("alice").await, world.phone("bob").await);
    phone.sends(&world, "GET", "/sessions").await.must_be(200);
    let id = phone.id.parse().unwrap();
    world
        .service
        .end_session(id, None, EndReason::Admin)
        .await
        .unwrap();
    for path in ["/session", "/sessions", "/sessions/x/events"] {
        assert_refused(
            &phone.sends(&world, "GET", path).await,
            401,
            "token-invalid",
            path,
        );
    }
    watcher.sends(&world, "GET", "/sessions").await.must_be(200);
}

#[tokio::test]
async fn clients_of_the_feed_show_their_name_and_secret() {
    let world = World::begins().await;
    let phone = world.phone("root").await;
    let calls = [
        ("GET", "/revocations"),
        ("GET", "/revocations/stream"),
        ("POST", "/revocations/status"),
        ("POST", "/introspect"),
    ];
    for (method, path) in calls {
        let request = || {
            let request = world.request(method, path);
            match path {
                "/introspect" => request.form(&[("token", "x")]),
                "/revocations/status" => request.json(&json!({})),
                _ => request,
            }
        };
        let cases = [
            ("nothing", request()),
            (
                "a wrong secret",
                request().basic_auth(CLIENT, Some("wrong")),
            ),
            ("an empty secret", request().basic_auth(CLIENT, Some(""))),
            (
                "an unknown name",
                request().basic_auth("nobody", Some(CLIENT_SECRET)),
            ),
            (
                "a user's name and password",
                request().basic_auth("root", Some(PASSWORD)),
            ),
            ("a user's token", request().bearer_auth(&phone.access)),
            ("not base64", request().header(AUTHORIZATION, "Basic !!!")),
            (
                "no colon",
                request().header(AUTHORIZATION, "Basic b3JkZXJz"),
            ),
            (
                "too long",
                request().header(AUTHORIZATION, format!("Basic {}", "QUFB".repeat(1000))),
            ),
            (
                "not text",
                request().header(AUTHORIZATION, &b"Basic \xff"[..]),
            ),
        ];
        for (case, request) in cases {
            let answer = Answer::of(request).await;
            if case == "not text" {
                assert_refused(&answer, 400, "bad-request", path);
                continue;
            }
            assert_refused(&answer, 401, "bad-credentials", &format!("{path}: {case}"));
            assert_eq!(
                header(&answer, "www-authenticate"),
                r#"Basic realm="portcullis", charset="UTF-8""#
            );
        }
        let two = request()
            .basic_auth(CLIENT, Some(CLIENT_SECRET))
            .basic_auth(CLIENT, Some(CLIENT_SECRET));
        assert_refused(&Answer::of(two).await, 400, "bad-request", path);
    }
}

#[tokio::test]
async fn addresses_come_from_a_trusted_proxy_alone() {
    let world =
        World::begins_with(|plan| plan.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()])
            .await;
    let body = json!({ "username": "alice", "password": PASSWORD, "delivery": "body" });
    let login = world
        .request("POST", "/session")
        .header("x-forwarded-for", "203.0.113.9, 198.51.100.7");
    let answer = Answer::of(login.json(&body)).await.must_be(201);
    let list = world
        .request("GET", "/sessions")
        .bearer_auth(text(&answer, "access_token"));
    assert_eq!(
        Answer::of(list).await.must_be(200).body["items"][0]["ip"],
        "198.51.100.7"
    );
}

/// There is one way in, the log-in: all else wants what that gave, or a client's credential.
#[tokio::test]
async fn every_call_but_a_few_wants_a_credential() {
    const OPEN: [&str; 10] = [
        "POST /session",
        // The token in the form is the credential.
        "POST /revoke",
        "GET /",
        "GET /admin",
        "GET /docs",
        "GET /openapi.json",
        "GET /.well-known/jwks.json",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    ];
    let world = World::begins_with(|plan| plan.http.open_registration = false).await;
    let mut asked = 0;
    for endpoint in endpoints() {
        let method = endpoint.method.as_str();
        let name = format!("{method} {}", endpoint.path);
        if OPEN.contains(&name.as_str()) || name.starts_with("GET /web/") {
            continue;
        }
        let path = path_with(endpoint.path, "x");
        let mut answers = Vec::new();
        for request in [
            world.request(method, &path),
            world.request(method, &path).json(&json!({})),
            world.request(method, &path).form(&[("token", "x")]),
        ] {
            answers.push(Answer::of(request).await.status);
        }
        assert!(answers.contains(&401), "{name}: {answers:?}");
        let refused = answers.iter().all(|status| (400..500).contains(status));
        assert!(refused, "{name}: {answers:?}");
        asked += 1;
    }
    assert!(asked > 15, "{asked}");
}
