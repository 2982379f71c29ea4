//! Session cookies that somebody has planted.

use super::*;

/// What a page of a sister domain can plant is a session cookie and no CSRF cookie. A program that
/// keeps cookies has nobody who plants any.
#[tokio::test]
async fn a_browsers_session_cookie_is_nobodys_without_the_csrf_cookie_of_its_session() {
    const PATHS: [(&str, &str); 4] = [
        ("GET", "/session"),
        ("GET", "/session/stream"),
        ("DELETE", "/session"),
        ("POST", "/session/refresh"),
    ];
    let world = World::begins().await;
    let mallory = world.browser("bob").await;
    let alice = world.browser("alice").await;
    let planted = format!("{SESSION}={}", mallory.cookie(SESSION));
    let value = mallory.cookie(CSRF);
    let sends = |method: &str, path: &str, cookies: &str| {
        let request = world.request(method, path).header(COOKIE, cookies);
        request.header("x-csrf-token", &value)
    };
    for (method, path) in PATHS {
        for (case, beside) in [
            ("none", String::new()),
            ("an empty one", format!("; {CSRF}=")),
            ("Alice's", format!("; {CSRF}={}", alice.cookie(CSRF))),
            ("the beginning", format!("; {CSRF}={}", &value[..20])),
            ("another name", format!("; __host-csrf={value}")),
        ] {
            let request = sends(method, path, &format!("{planted}{beside}"));
            let request = request.header("sec-fetch-site", "same-origin");
            let case = format!("{method} {path}: {case}");
            assert_refused(&Answer::of(request).await, 401, "session-ended", &case);
        }
        let two = format!("{planted}; {CSRF}={value}; {CSRF}={value}");
        let request = sends(method, path, &two).header("sec-fetch-site", "same-origin");
        assert_refused(&Answer::of(request).await, 400, "bad-request", path);
    }
    let show = |request: RequestBuilder| async { Answer::of(request).await.must_be(200) };
    show(sends("GET", "/session", &planted)).await;
    let own = format!("{planted}; {CSRF}={value}");
    let from_a_page = sends("GET", "/session", &own).header("sec-fetch-site", "same-origin");
    show(from_a_page).await;
    show(sends("DELETE", "/session", &planted)).await;
}
