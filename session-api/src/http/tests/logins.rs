//! Log in, who am I, log out.

use super::feed::SOON;
use super::*;

fn parse_cookie(cookie: &str) -> (&str, String) {
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    let (name, value) = pair.split_once('=').unwrap();
    assert!(!value.is_empty(), "{cookie}");
    (name, attributes.to_owned())
}

#[tokio::test]
async fn a_browser_gets_its_cookies_and_no_token_in_the_body() {
    let world = World::begins().await;
    let answer = Browser::default().logs_in(&world, "alice").await;
    let body = &answer.body;
    assert_eq!(body["user"]["username"], "alice");
    assert_eq!(body["user"]["roles"], json!([]));
    assert_eq!(body["access_expires_in"], 900);
    assert_eq!(body["session_expires_in"], 604_800);
    assert!(body["session"]["id"].is_string());
    assert!(body["csrf_token"].is_string());
    assert!(
        body["access_expires_at"].as_str().unwrap().ends_with('Z'),
        "{body}"
    );
    for absent in ["access_token", "session_token", "device_token"] {
        assert!(body.get(absent).is_none(), "{body}");
    }
    assert_eq!(header(&answer, "cache-control"), "no-store");
    let cookies = set_cookies(&answer);
    let cookies: Vec<_> = cookies.iter().map(|cookie| parse_cookie(cookie)).collect();
    let expected = [
        (
            ACCESS,
            "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=900".to_owned(),
        ),
        (
            SESSION,
            "Path=/session; Secure; HttpOnly; SameSite=Strict; Max-Age=604800".to_owned(),
        ),
        (
            CSRF,
            "Path=/; Secure; SameSite=Strict; Max-Age=604800".to_owned(),
        ),
        (
            DEVICE,
            "Path=/session; Secure; HttpOnly; SameSite=Strict; Max-Age=34560000".to_owned(),
        ),
    ];
    assert_eq!(cookies, expected);
}

#[tokio::test]
async fn a_phone_gets_both_tokens_in_the_body_and_no_cookie() {
    let world = World::begins().await;
    let body = json!({ "username": "ALICE", "password": PASSWORD, "delivery": "body" });
    let answer = Answer::of(world.request("POST", "/session").json(&body))
        .await
        .must_be(201);
    assert_eq!(set_cookies(&answer), [""; 0]);
    assert!(answer.body.get("csrf_token").is_none());
    let (access, session) = (
        text(&answer, "access_token"),
        text(&answer, "session_token"),
    );
    assert!(world.service.read_access_token(&access).is_ok());
    assert!(world.service.read_session_token(&session).is_ok());
    assert!(
        world.service.read_access_token(&session).is_err(),
        "they never stand in for each other"
    );
    assert!(world.service.read_session_token(&access).is_err());
}

#[tokio::test]
async fn with_a_base_path_routes_and_the_session_cookie_are_under_it() {
    let world = World::begins_with(|plan| plan.http.base_path = "/id".to_owned()).await;
    let body = json!({ "username": "alice", "password": PASSWORD });
    let answer = Answer::of(world.request("POST", "/id/session").json(&body))
        .await
        .must_be(201);
    let paths: Vec<_> = set_cookies(&answer)
        .iter()
        .map(|cookie| parse_cookie(cookie).1)
        .collect();
    assert!(
        paths[0].starts_with("Path=/; ") && paths[2].starts_with("Path=/; "),
        "{paths:?}"
    );
    assert!(paths[1].starts_with("Path=/id/session; "), "{paths:?}");
    assert_refused(
        &world.get("/session").await,
        404,
        "not-found",
        "outside of the base path",
    );
}

#[tokio::test]
async fn who_am_i() {
    let world = World::begins().await;
    let mut browser = Browser::default();
    let login = browser.logs_in(&world, "alice").await;
    let answer = browser.sends(&world, "GET", "/session").await.must_be(200);
    for member in ["session", "user", "csrf_token", "session_expires_at"] {
        assert_eq!(answer.body[member], login.body[member], "{member}");
    }
    // The session cookie alone: the access cookie ended with its Max-Age.
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION));
    let alone = world.request("GET", "/session").header(COOKIE, cookie);
    let alone = Answer::of(alone).await.must_be(200);
    assert_eq!(alone.body["csrf_token"], login.body["csrf_token"]);

    let phone = world.phone("alice").await;
    let answer = phone.sends(&world, "GET", "/session").await.must_be(200);
    assert_eq!(answer.body["session"]["id"], phone.id);
    assert_eq!(answer.body["session"]["delivery"], "body");
    assert!(answer.body.get("csrf_token").is_none());
    assert_refused(&world.get("/session").await, 401, "token-missing", "nobody");
}

#[tokio::test]
async fn a_log_out_ends_the_session_and_expires_its_three_cookies() {
    let world = World::begins().await;
    let mut browser = world.browser("alice").await;
    let stolen = browser.cookie(ACCESS);
    let answer = browser
        .sends(&world, "DELETE", "/session")
        .await
        .must_be(200);
    assert_eq!(answer.body["revoked"], 1);
    assert!(answer.body["position"].is_u64());
    assert_eq!(answer.body["published"], true);
    let cookies = set_cookies(&answer);
    assert_eq!(
        cookies,
        [
            "__Host-Http-access=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0",
            "__Secure-session=; Path=/session; Secure; HttpOnly; SameSite=Strict; Max-Age=0",
            "__Host-csrf=; Path=/; Secure; SameSite=Strict; Max-Age=0",
        ]
    );
    let left = format!("{DEVICE}={}", browser.cookie(DEVICE));
    assert_eq!(browser.jar.header("/session"), Some(left));
    let bearer = world.request("GET", "/sessions").bearer_auth(stolen);
    assert_refused(
        &Answer::of(bearer).await,
        401,
        "token-invalid",
        "after the log-out",
    );

    let phone = world.phone("alice").await;
    let answer = phone.sends(&world, "DELETE", "/session").await.must_be(200);
    assert_eq!(answer.body["revoked"], 1);
    assert_eq!(set_cookies(&answer), [""; 0]);
    let again = phone.sends(&world, "DELETE", "/session").await;
    assert_refused(&again, 401, "token-invalid", "a second log-out");
}

#[tokio::test]
async fn the_session_cookie_alone_logs_out_with_the_sessions_value() {
    let world = World::begins().await;
    let browser = world.browser("alice").await;
    let session = format!("{SESSION}={}", browser.cookie(SESSION));
    let log_out = || world.request("DELETE", "/session").header(COOKIE, &session);
    assert_refused(
        &Answer::of(log_out()).await,
        403,
        "csrf",
        "without the value",
    );
    let wrong = log_out().header("x-csrf-token", world.browser("bob").await.cookie(CSRF));
    assert_refused(
        &Answer::of(wrong).await,
        403,
        "csrf",
        "another session's value",
    );
    let right = log_out().header("x-csrf-token", browser.cookie(CSRF));
    Answer::of(right).await.must_be(200);
    let dead = log_out().header("x-csrf-token", browser.cookie(CSRF));
    assert_refused(
        &Answer::of(dead).await,
        401,
        "session-ended",
        "after the log-out",
    );
}

#[tokio::test]
async fn a_login_ends_the_browsers_session_before() {
    let world = World::begins().await;
    let before = |browser: &Browser| format!("/sessions/{}/events", browser.id);
    let watcher = world.phone("alice").await;
    for (name, keeps) in [
        ("both cookies", &[ACCESS, SESSION][..]),
        ("session", &[SESSION]),
        ("access", &[ACCESS]),
    ] {
        let mut browser = world.browser("alice").await;
        let path = before(&browser);
        let cookies: Vec<_> = keeps
            .iter()
            .map(|name| format!("{name}={}", browser.cookie(name)))
            .collect();
        let body = json!({ "username": "alice", "password": PASSWORD });
        let login = world
            .request("POST", "/session")
            .header(COOKIE, cookies.join("; "))
            .json(&body);
        let answer = browser.sent(login).await.must_be(201);
        assert_ne!(
            answer.body["session"]["id"], browser.id,
            "a new session always"
        );
        let events = watcher.sends(&world, "GET", &path).await.must_be(200).body;
        assert_eq!(
            events["items"][1]["data"]["reason"], "replaced",
            "{name}: {events}"
        );
    }
}

#[tokio::test]
async fn whatever_is_presented_never_makes_a_login_fail() {
    let world = World::begins().await;
    let browser = world.browser("alice").await;
    let other = world.browser("bob").await;
    let good = browser.cookie(SESSION);
    let cases = [
        vec![(AUTHORIZATION, "Bearer rubbish".to_owned())],
        vec![
            (AUTHORIZATION, "Bearer a".to_owned()),
            (AUTHORIZATION, "Basic b".to_owned()),
        ],
        // With a header the cookies are ignored: the session lives on.
        vec![
            (AUTHORIZATION, "x".to_owned()),
            (COOKIE, format!("{SESSION}={good}")),
        ],
        vec![(COOKIE, format!("{SESSION}=rubbish; {ACCESS}=rubbish"))],
        vec![(COOKIE, format!("{SESSION}=\u{ff}"))],
        vec![(COOKIE, format!("{SESSION}={good}; {SESSION}={good}"))],
        vec![(
            COOKIE,
            format!(
                "{SESSION}={}; {ACCESS}={}",
                other.cookie(ACCESS),
                other.cookie(SESSION)
            ),
        )],
    ];
    for headers in cases {
        let body = json!({ "username": "alice", "password": PASSWORD });
        let mut login = world.request("POST", "/session").json(&body);
        for (name, value) in &headers {
            login = login.header(name, value.as_bytes());
        }
        let answer = Answer::of(login).await;
        assert_eq!(answer.status, 201, "{headers:?}: {}", answer.body);
        for mut untouched in [browser.clone(), other.clone()] {
            untouched
                .sends(&world, "GET", "/sessions")
                .await
                .must_be(200);
        }
    }
    // An ended session is nobody's.
    let mut gone = browser.clone();
    gone.clone()
        .sends(&world, "DELETE", "/session")
        .await
        .must_be(200);
    gone.logs_in(&world, "alice").await;
}

#[tokio::test]
async fn nobody_learns_why_a_login_failed() {
    let world = World::begins().await;
    let bob = world.user_id("bob").await;
    world
        .service
        .change_user(bob, crate::service::revoke::UserChange::Disable)
        .await
        .unwrap();
    let long = "x".repeat(10_000);
    let attempts = [
        ("alice", "wrong horse battery staple"),
        ("alice", ""),
        ("alice", long.as_str()),
        ("alice", "nul\0nul"),
        ("nobody", PASSWORD),
        ("bob", PASSWORD),
        ("", PASSWORD),
        ("a b", PASSWORD),
        (long.as_str(), PASSWORD),
    ];
    let mut answers = Vec::new();
    for (username, password) in attempts {
        let body = json!({ "username": username, "password": password });
        let answer = Answer::of(world.request("POST", "/session").json(&body)).await;
        assert_refused(&answer, 401, "bad-credentials", username);
        let mut headers = answer.headers.clone();
        for differs in ["date", "x-request-id"] {
            headers.remove(differs);
        }
        answers.push((answer.body, headers));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn a_login_body_that_is_not_understood() {
    let world = World::begins().await;
    let good = json!({ "username": "alice", "password": PASSWORD });
    for change in [
        json!({ "delivery": "carrier pigeon" }),
        json!({ "delivery": 1 }),
        json!({ "device": "" }),
        json!({ "device": "x".repeat(101) }),
        json!({ "device": "two\nlines" }),
        json!({ "device": {} }),
        json!({ "username": null }),
        json!({ "username": ["alice"] }),
        json!({ "password": 7 }),
        json!({ "admin": true }),
    ] {
        let mut body = good.clone();
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let answer = Answer::of(world.request("POST", "/session").json(&body)).await;
        assert_refused(&answer, 400, "bad-request", &change.to_string());
        assert!(
            !answer.body.to_string().contains("pigeon"),
            "it says what was sent: {}",
            answer.body
        );
    }
    let in_a_page = json!({ "username": "alice", "password": PASSWORD, "delivery": "body" });
    for site in ["same-origin", "none"] {
        let request = world
            .request("POST", "/session")
            .header("sec-fetch-site", site)
            .json(&in_a_page);
        assert_refused(&Answer::of(request).await, 400, "bad-request", site);
    }
}

#[tokio::test]
async fn more_logins_than_the_machine_can_hash_are_told_to_come_back() {
    let hasher = Hasher::new(1);
    let held = hasher.clone();
    let world = World::begins_with(|plan| plan.hasher = hasher).await;
    let hold = held.hold().await;
    let body = json!({ "username": "alice", "password": PASSWORD });
    let logins: Vec<_> = (0..17)
        .map(|_| tokio::spawn(Answer::of(world.request("POST", "/session").json(&body))))
        .collect();
    tests::eventually("all places are taken", SOON, async || held.in_line() == 17).await;
    let answer = Answer::of(world.request("POST", "/session").json(&body)).await;
    assert_refused(&answer, 503, "overloaded", "one too many");
    drop(hold);
    for login in logins {
        login.await.unwrap().must_be(201);
    }
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_stop_what_it_asked_for() {
    let hasher = Hasher::new(1);
    let held = hasher.clone();
    let world = World::begins_with(|plan| plan.hasher = hasher).await;
    let watcher = world.phone("alice").await;
    let hold = held.hold().await;
    let body = json!({ "username": "alice", "password": PASSWORD });
    let login = tokio::spawn(Answer::of(world.request("POST", "/session").json(&body)));
    tests::eventually("the login was taken", SOON, async || held.in_line() == 1).await;
    login.abort();
    assert!(login.await.is_err(), "the connection is gone");
    drop(hold);
    tests::eventually("the session is there", SOON, async || {
        let list = watcher.sends(&world, "GET", "/sessions").await.must_be(200);
        list.body["items"].as_array().unwrap().len() == 2
    })
    .await;
}
