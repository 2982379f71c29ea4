//! What browsers need: origins, the CSRF value, CORS, and headers that keep answers to themselves.

use super::*;

/// Every unsafe call that takes JSON or nothing, with a body of the right type.
fn unsafe_calls() -> Vec<(&'static str, &'static str, Option<Value>)> {
    let login = json!({ "username": "alice", "password": PASSWORD });
    let id = "/sessions/01890a5d-ac96-774b-bcce-b302099a8057";
    vec![
        ("POST", "/session", Some(login.clone())),
        ("POST", "/users", Some(login)),
        ("POST", "/session/refresh", None),
        ("DELETE", "/session", None),
        ("DELETE", "/sessions", None),
        ("DELETE", id, None),
        (
            "PUT",
            "/password",
            Some(json!({ "current": PASSWORD, "new": "x" })),
        ),
        (
            "POST",
            "/admin/users/01890a5d-ac96-774b-bcce-b302099a8057/disable",
            None,
        ),
        ("DELETE", "/admin/sessions", None),
    ]
}

#[tokio::test]
async fn no_page_of_another_site_makes_a_browser_change_anything() {
    let world = World::begins().await;
    let browser = world.browser("root").await;
    let own = world.url.clone();
    let pages: [(&str, &[(&str, &str)]); 8] = [
        ("another site", &[("sec-fetch-site", "cross-site")]),
        ("a sister domain", &[("sec-fetch-site", "same-site")]),
        (
            "another site's origin",
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://evil.example"),
            ],
        ),
        ("an old browser", &[("origin", "https://evil.example")]),
        ("a sandboxed frame", &[("origin", "null")]),
        (
            "a name before the host",
            &[("origin", "https://x@app.example.com")],
        ),
        (
            "a longer host",
            &[("origin", "https://app.example.com.evil.example")],
        ),
        (
            "another port",
            &[("origin", "https://app.example.com:8443")],
        ),
    ];
    for (method, path, body) in unsafe_calls() {
        for (page, headers) in pages {
            let mut request = world.request(method, path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(cookies) = browser.jar.header(path) {
                request = request.header(COOKIE, cookies);
            }
            request = request.header("x-csrf-token", browser.cookie(CSRF));
            if let Some(body) = &body {
                request = request.json(body);
            }
            assert_refused(
                &Answer::of(request).await,
                403,
                "csrf",
                &format!("{method} {path} from {page}"),
            );
        }
    }
    let mut still_here = browser.clone();
    still_here
        .sends(&world, "GET", "/sessions")
        .await
        .must_be(200);
    let login = json!({ "username": "alice", "password": PASSWORD });
    for (name, value) in [
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
        ("origin", own.as_str()),
        ("origin", ALLOWED_ORIGIN),
    ] {
        let request = world
            .request("POST", "/session")
            .header(name, value)
            .json(&login);
        Answer::of(request).await.must_be(201);
    }
}

#[tokio::test]
async fn a_call_that_a_cookie_authenticates_repeats_the_sessions_value() {
    let world = World::begins().await;
    let browser = world.browser("root").await;
    let other = world.browser("root").await;
    for (method, path, body) in unsafe_calls().into_iter().skip(2) {
        let request = || {
            let request = world
                .request(method, path)
                .header("sec-fetch-site", "same-origin");
            let request = request.header(COOKIE, browser.jar.header(path).unwrap());
            match &body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        let value = browser.cookie(CSRF);
        let cases = [
            // The cookie is for the page to read; that a browser sends it proves nothing.
            ("none but the cookie's", request()),
            ("an empty one", request().header("x-csrf-token", "")),
            (
                "another session's",
                request().header("x-csrf-token", other.cookie(CSRF)),
            ),
            (
                "a longer one",
                request().header("x-csrf-token", format!("{value}A")),
            ),
            (
                "two",
                request()
                    .header("x-csrf-token", &value)
                    .header("x-csrf-token", &value),
            ),
        ];
        for (case, request) in cases {
            assert_refused(
                &Answer::of(request).await,
                403,
                "csrf",
                &format!("{method} {path}: {case}"),
            );
        }
    }
    let mut still_here = browser.clone();
    still_here
        .sends(&world, "GET", "/session")
        .await
        .must_be(200);
}

#[tokio::test]
async fn what_a_form_can_send_is_refused_before_anything_happens() {
    let world = World::begins().await;
    let browser = world.browser("alice").await;
    for (method, path, _) in unsafe_calls() {
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/jsonp",
            "",
        ] {
            let request = browser
                .request(&world, method, path)
                .header(CONTENT_TYPE, kind)
                .body("{}");
            assert_refused(
                &Answer::of(request).await,
                415,
                "media-type",
                &format!("{method} {path} {kind:?}"),
            );
        }
    }
}

#[tokio::test]
async fn pages_of_an_allowed_origin_are_answered_and_no_others() {
    let world = World::begins().await;
    let preflight = |origin: &str, path: &str| {
        let request = world.request("OPTIONS", path).header("origin", origin);
        let request = request.header("access-control-request-method", "DELETE");
        Answer::of(request.header("access-control-request-headers", "x-csrf-token"))
    };
    let answer = preflight(ALLOWED_ORIGIN, "/sessions").await.must_be(204);
    assert_eq!(
        header(&answer, "access-control-allow-origin"),
        ALLOWED_ORIGIN
    );
    assert_eq!(header(&answer, "access-control-allow-credentials"), "true");
    assert_eq!(
        header(&answer, "access-control-allow-methods"),
        "GET, HEAD, DELETE"
    );
    assert!(header(&answer, "access-control-allow-headers").contains("x-csrf-token"));
    assert_eq!(header(&answer, "vary"), "Origin, Sec-Fetch-Site");

    let mut browser = world.browser("alice").await;
    let from_there = |browser: &Browser, origin: &str| {
        let request = world
            .request("GET", "/sessions")
            .header("sec-fetch-site", "same-site");
        request
            .header("origin", origin)
            .header(COOKIE, browser.jar.header("/sessions").unwrap())
    };
    let answer = browser
        .sent(from_there(&browser, ALLOWED_ORIGIN))
        .await
        .must_be(200);
    assert_eq!(
        header(&answer, "access-control-allow-origin"),
        ALLOWED_ORIGIN
    );
    assert!(header(&answer, "access-control-expose-headers").contains("retry-after"));

    for origin in [
        "https://evil.example",
        "https://app.example.com.evil.example",
        "https://evil-app.example.com",
        "http://app.example.com",
        "https://app.example.com:444",
        "https://x@app.example.com",
        "null",
        "*",
        "",
    ] {
        let refused = preflight(origin, "/sessions").await;
        assert_refused(&refused, 405, "method", origin);
        let read = browser.sent(from_there(&browser, origin)).await;
        assert_unreadable(&refused, origin);
        assert_unreadable(&read, origin);
    }
    // A browser sends one.
    let two = from_there(&browser, ALLOWED_ORIGIN).header("origin", "https://evil.example");
    assert_unreadable(&browser.sent(two).await, "two origins");
    assert_refused(
        &preflight(ALLOWED_ORIGIN, "/nowhere").await,
        404,
        "not-found",
        "no such path",
    );
}

/// Nothing in it lets a page of another origin read it.
#[track_caller]
fn assert_unreadable(answer: &Answer, case: &str) {
    for name in answer.headers.keys() {
        assert!(
            !name.as_str().starts_with("access-control-"),
            "{case}: {name}"
        );
    }
}

/// What a page may do; nothing may any other answer.
const PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";
const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'";

/// What stands on every answer, whatever it is.
#[track_caller]
fn assert_protected(answer: &Answer, https: bool, case: &str) {
    let page =
        ["GET /", "GET /admin", "GET /docs"].contains(&case) || case.starts_with("GET /web/");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", if page { PAGE } else { NO_PAGE }),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("vary", "Origin, Sec-Fetch-Site"),
        (
            "strict-transport-security",
            if https { "max-age=63072000" } else { "" },
        ),
        // It would wipe the cookies of sister domains as well.
        ("clear-site-data", ""),
    ] {
        assert_eq!(header(answer, name), value, "{case}");
    }
    let caching = header(answer, "cache-control");
    let expected = match case {
        "GET /.well-known/jwks.json" => "no-cache, private",
        "GET /openapi.json" => "no-cache",
        _ if page => "no-cache",
        _ => "no-store",
    };
    assert_eq!(caching, expected, "{case}");
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_protect_it() {
    for https in [true, false] {
        let issuer = https.then(|| "https://id.example.com".to_owned());
        let world = World::begins_with(|plan| plan.issuer = issuer).await;
        let mut browser = world.browser("root").await;
        for endpoint in endpoints() {
            let path = path_with(endpoint.path, "x");
            let method = endpoint.method.as_str();
            let stranger = Answer::of(world.request(method, &path)).await;
            assert_protected(&stranger, https, &format!("{method} {path}"));
            if method == "GET" {
                let known = browser.sends(&world, "HEAD", &path).await;
                assert_protected(&known, https, &format!("GET {path}"));
            }
        }
        for (method, path) in [("GET", "/nowhere"), ("PATCH", "/session"), ("GET", "/%73")] {
            let answer = Answer::of(world.request(method, path)).await;
            assert_protected(&answer, https, path);
        }
        for (method, path) in [
            ("GET", "/session"),
            ("GET", "/sessions"),
            ("GET", "/admin/users"),
            ("POST", "/session/refresh"),
            ("DELETE", "/session"),
        ] {
            let answer = browser.sends(&world, method, path).await.must_be(200);
            assert_protected(&answer, https, &format!("{method} {path} by cookie"));
        }
    }
}

#[tokio::test]
async fn no_endpoint_lets_a_strange_origin_read() {
    let world = World::begins().await;
    for endpoint in endpoints() {
        let path = path_with(endpoint.path, "x");
        for method in [endpoint.method.as_str(), "OPTIONS"] {
            let strange = world
                .request(method, &path)
                .header("origin", "https://evil.example")
                .header("access-control-request-method", "POST");
            let answer = Answer::of(strange).await;
            assert_unreadable(&answer, &format!("{method} {path}"));
            assert_eq!(header(&answer, "vary"), "Origin, Sec-Fetch-Site");
        }
    }
}

#[tokio::test]
async fn requests_have_ids() {
    let world = World::begins().await;
    let long = "x".repeat(65);
    for (given, kept) in [
        (Some("req-1.a_B"), true),
        (Some(""), false),
        (Some("a b"), false),
        (Some(long.as_str()), false),
        (Some("a\"b"), false),
        (None, false),
    ] {
        let mut request = world.request("GET", "/healthz");
        if let Some(given) = given {
            request = request.header("x-request-id", given);
        }
        let answer = Answer::of(request).await;
        let id = header(&answer, "x-request-id");
        assert_eq!(Some(id) == given, kept, "{given:?} {id}");
        assert!((1..=64).contains(&id.len()), "{id}");
    }
}
