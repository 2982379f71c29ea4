//! Set with the right names and attributes, sent where they should be and nowhere else, invisible to
//! scripts, gone after the log-out: but for the device's, which is for the time after it.

use super::site::cookies_sent;
use super::*;
use std::ops::Range;

const MINUTE: f64 = 60.0;
const DAY: f64 = 86_400.0;

fn expected(name: &str, path: &str, http_only: bool, same_site: &str) -> Cookie {
    Cookie {
        name: name.to_owned(),
        value: String::new(),
        domain: "127.0.0.1".to_owned(),
        path: path.to_owned(),
        http_only,
        secure: true,
        same_site: same_site.to_owned(),
        expires: None,
    }
}

#[tokio::test]
async fn a_login_sets_four_cookies_and_a_log_out_leaves_that_of_the_device() {
    let world = World::begins().await;
    let browser = world.browser_of("alice").await;
    let cookies = browser.cookies().await;
    let shapes: Vec<_> = cookies
        .iter()
        .map(|cookie| Cookie {
            value: String::new(),
            expires: None,
            ..cookie.clone()
        })
        .collect();
    assert_eq!(
        shapes,
        [
            expected(ACCESS, "/", true, "Lax"),
            expected(CSRF, "/", false, "Strict"),
            expected(DEVICE, "/session", true, "Strict"),
            expected(SESSION, "/session", true, "Strict"),
        ]
    );
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let lasts: [Range<f64>; 4] = [
        14.0 * MINUTE..15.1 * MINUTE,
        6.9 * DAY..7.1 * DAY,
        399.9 * DAY..400.1 * DAY,
        6.9 * DAY..7.1 * DAY,
    ];
    for (cookie, lasts) in cookies.iter().zip(lasts) {
        assert!(
            lasts.contains(&(cookie.expires.unwrap() - now)),
            "{cookie:?}"
        );
        // RFC 6265bis, section 5.6: what is longer is not taken.
        let size = cookie.name.len() + cookie.value.len();
        assert!(size <= 4096, "{size} octets: {}", cookie.name);
    }

    let log_out = world.calls(&browser, "DELETE", "/session", None).await;
    assert_eq!(log_out.must_be(200)["revoked"], 1);
    assert_eq!(names(&browser.cookies().await), [DEVICE]);
    browser.visits(&world.app.url("/session")).await;
    assert_eq!(cookies_sent(&browser).await, [DEVICE]);
}

#[tokio::test]
async fn each_cookie_goes_where_it_should_and_nowhere_else() {
    let world = World::begins().await;
    let browser = world.browser_of("alice").await;
    for (path, sent) in [
        ("/", &[ACCESS, CSRF][..]),
        ("/orders", &[ACCESS, CSRF]),
        ("/sessions", &[ACCESS, CSRF]),
        ("/sessionx/session", &[ACCESS, CSRF]),
        ("/Session", &[ACCESS, CSRF]),
        ("//session", &[ACCESS, CSRF]),
        ("/session", &[ACCESS, CSRF, DEVICE, SESSION]),
        ("/session?x=/", &[ACCESS, CSRF, DEVICE, SESSION]),
        ("/session/refresh", &[ACCESS, CSRF, DEVICE, SESSION]),
    ] {
        browser.visits(&world.app.url(path)).await;
        assert_eq!(cookies_sent(&browser).await, sent, "{path}");
        browser.visits(&world.app.url_elsewhere(path)).await;
        assert_eq!(cookies_sent(&browser).await, [""; 0], "another host {path}");
    }
}

/// A link from elsewhere shows the application to a user who is logged in, and does no more: nothing
/// that another site makes the browser load or post brings a cookie along.
#[tokio::test]
async fn from_another_site_only_a_link_brings_the_access_cookie() {
    const LINK: &str = "location.href = arguments[0]";
    const FORM: &str = r#"
        const form = document.createElement("form");
        Object.assign(form, { method: "post", action: arguments[0] });
        document.body.append(form);
        form.submit();
    "#;
    const FRAME: &str = r#"
        const frame = Object.assign(document.createElement("iframe"), { src: arguments[0] });
        const loaded = new Promise((resolve) => { frame.onload = resolve });
        document.body.append(frame);
        await loaded;
    "#;
    let world = World::begins().await;
    let browser = world.browser_of("alice").await;
    let target = world.app.url("/session/refresh");
    for (script, sent) in [(LINK, &[ACCESS][..]), (FORM, &[])] {
        browser.visits(&world.stranger.url_elsewhere("/")).await;
        browser.runs(script, &[target.as_str().into()]).await;
        browser.is_at(&target).await;
        assert_eq!(cookies_sent(&browser).await, sent, "{script}");
    }
    browser.visits(&world.stranger.url_elsewhere("/")).await;
    browser.runs(FRAME, &[target.into()]).await;
    browser.enters_frame().await;
    assert_eq!(cookies_sent(&browser).await, [""; 0], "in a frame");
}

#[tokio::test]
async fn a_script_sees_the_csrf_value_and_neither_token() {
    const SEEN: &str = r#"
        const store = await cookieStore.getAll();
        const document_ = document.cookie.split("; ").map((pair) => pair.split("=")[0]);
        return [document_, store.map((cookie) => cookie.name)];
    "#;
    let world = World::begins().await;
    let browser = world.browser_of("alice").await;
    // Under the path of the session cookie, where every cookie counts.
    browser.visits(&world.app.url("/session")).await;
    let seen = browser.runs(SEEN, &[]).await;
    assert_eq!(seen, json!([[CSRF], [CSRF]]));
}

#[tokio::test]
async fn two_browsers_are_apart() {
    let world = World::begins().await;
    let (one, other) = (world.browser_of("alice").await, world.browser().await);
    assert_eq!(world.user_in(&other).await, None);
    world.logs_in(&other, "mallory").await;
    assert_eq!(world.user_in(&one).await.as_deref(), Some("alice"));
    assert_eq!(world.user_in(&other).await.as_deref(), Some("mallory"));
    let log_out = world.calls(&other, "DELETE", "/session", None).await;
    log_out.must_be(200);
    assert_eq!(world.user_in(&one).await.as_deref(), Some("alice"));
    let list = world.calls(&one, "GET", "/sessions", None).await;
    assert_eq!(list.must_be(200)["items"].as_array().unwrap().len(), 1);
}

/// The next user of a browser takes nothing over from the one before.
#[tokio::test]
async fn a_login_replaces_whoever_was_logged_in() {
    let world = World::begins().await;
    let witness = world.browser_of("alice").await;
    let browser = world.browser().await;
    let before = world.logs_in(&browser, "alice").await;
    let old = browser.cookies().await;
    world.logs_in(&browser, "mallory").await;
    assert_eq!(world.user_in(&browser).await.as_deref(), Some("mallory"));
    for (old, new) in old.iter().zip(browser.cookies().await) {
        assert_eq!(old.name, new.name);
        assert_ne!(old.value, new.value, "{}", old.name);
    }
    let path = format!("/sessions/{before}/events");
    let events = world.calls(&witness, "GET", &path, None).await.must_be(200);
    assert_eq!(events["items"][1]["data"]["reason"], "replaced", "{events}");
}

/// For as long as the cookies last, and not by a session that a browser would restore.
#[tokio::test]
async fn a_browser_that_was_closed_is_still_logged_in() {
    let world = World::begins().await;
    let mut browser = world.browser_of("alice").await;
    browser.reopens().await;
    browser.visits(&world.app.url("/")).await;
    assert_eq!(
        names(&browser.cookies().await),
        [ACCESS, CSRF, DEVICE, SESSION]
    );
    assert_eq!(world.user_in(&browser).await.as_deref(), Some("alice"));
}
