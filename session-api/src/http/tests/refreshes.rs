//! `POST /session/refresh`.

use super::*;

fn refresh(world: &World, session: &str) -> RequestBuilder {
    world
        .request("POST", "/session/refresh")
        .json(&json!({ "session_token": session }))
}

#[tokio::test]
async fn a_phone_refreshes_with_the_token_in_the_body() {
    let world = World::begins().await;
    let phone = world.phone("alice").await;
    let answer = Answer::of(refresh(&world, &phone.session))
        .await
        .must_be(200);
    assert_eq!(answer.body["session"]["id"], phone.id);
    assert_eq!(answer.body["access_expires_in"], 900);
    assert_eq!(set_cookies(&answer), [""; 0]);
    assert_ne!(text(&answer, "session_token"), phone.session);
    let bearer = world
        .request("GET", "/sessions")
        .bearer_auth(text(&answer, "access_token"));
    Answer::of(bearer).await.must_be(200);
}

#[tokio::test]
async fn a_browser_refreshes_with_its_cookie_and_the_sessions_value() {
    let world = World::begins().await;
    let mut browser = Browser::default();
    let login = browser.logs_in(&world, "alice").await;
    let before = browser.cookie(SESSION);
    let answer = browser
        .sends(&world, "POST", "/session/refresh")
        .await
        .must_be(200);
    assert_eq!(set_cookies(&answer).len(), 3);
    assert_ne!(browser.cookie(SESSION), before);
    assert_eq!(
        answer.body["csrf_token"], login.body["csrf_token"],
        "it lives as long as the session"
    );
    assert!(answer.body.get("access_token").is_none());
    browser.sends(&world, "GET", "/sessions").await.must_be(200);
    let empty = browser
        .request(&world, "POST", "/session/refresh")
        .json(&json!({}));
    browser.sent(empty).await.must_be(200);
}

#[tokio::test]
async fn what_a_refresh_may_not_stand_on() {
    let world = World::begins().await;
    let phone = world.phone("alice").await;
    let browser = world.browser("alice").await;
    let cookie = format!("{SESSION}={}", browser.cookie(SESSION));
    let post = || world.request("POST", "/session/refresh");
    let with_cookie = || {
        post()
            .header(COOKIE, &cookie)
            .header("x-csrf-token", browser.cookie(CSRF))
    };
    let cases = [
        ("nothing", post(), 401, "token-missing"),
        (
            "an empty object",
            post().json(&json!({})),
            401,
            "token-missing",
        ),
        ("rubbish", refresh(&world, "rubbish"), 401, "session-ended"),
        (
            "an access token",
            refresh(&world, &phone.access),
            401,
            "session-ended",
        ),
        (
            "a cookie's token in the body",
            refresh(&world, &browser.cookie(SESSION)),
            401,
            "session-ended",
        ),
        (
            "a body's token in the cookie",
            post()
                .header(COOKIE, format!("{SESSION}={}", phone.session))
                .header("x-csrf-token", "x"),
            403,
            "csrf",
        ),
        (
            "a cookie and a body",
            with_cookie().json(&json!({ "session_token": phone.session })),
            400,
            "bad-request",
        ),
        (
            "two cookies",
            with_cookie().header(COOKIE, &cookie),
            400,
            "bad-request",
        ),
        (
            "a cookie without the value",
            post().header(COOKIE, &cookie),
            403,
            "csrf",
        ),
        (
            "a cookie beside an Authorization header",
            with_cookie().bearer_auth(&phone.access),
            401,
            "token-missing",
        ),
        (
            "a member that is not known",
            post().json(&json!({ "token": "x" })),
            400,
            "bad-request",
        ),
        (
            "a number",
            post().json(&json!({ "session_token": 1 })),
            400,
            "bad-request",
        ),
    ];
    for (case, request, status, slug) in cases {
        assert_refused(&Answer::of(request).await, status, slug, case);
    }
    // None of it did any harm.
    Answer::of(with_cookie()).await.must_be(200);
    Answer::of(refresh(&world, &phone.session))
        .await
        .must_be(200);
}

#[tokio::test]
async fn an_old_authorization_header_does_not_matter_to_a_refresh() {
    let world = World::begins().await;
    let phone = world.phone("alice").await;
    let twice = refresh(&world, &phone.session)
        .header(AUTHORIZATION, "Bearer expired")
        .header(AUTHORIZATION, "Basic rubbish")
        // Nor do cookies, where it is present.
        .header(COOKIE, format!("{SESSION}=rubbish; {SESSION}=rubbish"));
    Answer::of(twice).await.must_be(200);
}

#[tokio::test]
async fn an_idempotency_key_brings_the_lost_answer_back() {
    let world = World::begins().await;
    let phone = world.phone("alice").await;
    let key = "a random value of the client's";
    let first = Answer::of(refresh(&world, &phone.session).header("idempotency-key", key))
        .await
        .must_be(200);
    let again = Answer::of(refresh(&world, &phone.session).header("idempotency-key", key))
        .await
        .must_be(200);
    assert_eq!(first.body["session"], again.body["session"]);
    let history = world
        .service
        .history(phone.id.parse().unwrap(), None, None)
        .await
        .unwrap();
    assert_eq!(history.items.len(), 2, "one successor");
    let next = text(&again, "session_token");
    for (key, status) in [
        ("x".repeat(15), 400),
        ("x".repeat(129), 400),
        ("tab\tin the middle of it".to_owned(), 400),
        ("ünprintable characters".to_owned(), 400),
        (String::new(), 400),
        ("x".repeat(16), 200),
        ("x".repeat(128), 200),
    ] {
        let answer =
            Answer::of(refresh(&world, &next).header("idempotency-key", key.as_bytes())).await;
        assert_eq!(answer.status, status, "{key:?}: {}", answer.body);
    }
    let two = refresh(&world, &next)
        .header("idempotency-key", key)
        .header("idempotency-key", key);
    assert_refused(&Answer::of(two).await, 400, "bad-request", "two keys");
}

#[tokio::test]
async fn a_token_whose_successor_was_used_ends_the_session() {
    let world = World::begins().await;
    let phone = world.phone("alice").await;
    let second = Answer::of(refresh(&world, &phone.session))
        .await
        .must_be(200);
    let third = Answer::of(refresh(&world, &text(&second, "session_token")))
        .await
        .must_be(200);
    assert_refused(
        &Answer::of(refresh(&world, &phone.session)).await,
        401,
        "session-ended",
        "theft",
    );
    let bearer = world
        .request("GET", "/session")
        .bearer_auth(text(&third, "access_token"));
    assert_refused(
        &Answer::of(bearer).await,
        401,
        "token-invalid",
        "the access token",
    );
    let refreshed = Answer::of(refresh(&world, &text(&third, "session_token"))).await;
    assert_refused(&refreshed, 401, "session-ended", "the last session token");
}

#[tokio::test]
async fn an_old_session_cookie_shows_nothing_and_still_logs_out() {
    let world = World::begins().await;
    let mut browser = world.browser("alice").await;
    let csrf = browser.cookie(CSRF);
    let old = format!("{SESSION}={}; {CSRF}={csrf}", browser.cookie(SESSION));
    for _ in 0..2 {
        browser
            .sends(&world, "POST", "/session/refresh")
            .await
            .must_be(200);
    }
    let with_old = |method| {
        world
            .request(method, "/session")
            .header("origin", &world.url)
            .header("sec-fetch-site", "same-origin")
            .header("x-csrf-token", &csrf)
            .header("cookie", &old)
    };
    let shown = Answer::of(with_old("GET")).await;
    assert_refused(&shown, 401, "session-ended", "the owner's name");
    browser.sends(&world, "GET", "/session").await.must_be(200);
    Answer::of(with_old("DELETE")).await.must_be(200);
    let ended = browser.sends(&world, "GET", "/session").await;
    assert_refused(&ended, 401, "session-ended", "whoever holds the newer one");
}

/// Who loops fills the disk. But no loop puts off that a stolen token shows.
#[tokio::test]
async fn a_session_is_refreshed_sixty_times_at_once() {
    let world = World::begins_with(|plan| plan.http.throttle = true).await;
    let (phone, other) = (world.phone("alice").await, world.phone("alice").await);
    let mut newest = phone.session.clone();
    for _ in 0..60 {
        let answer = Answer::of(refresh(&world, &newest)).await.must_be(200);
        newest = text(&answer, "session_token");
    }
    let answer = Answer::of(refresh(&world, &newest)).await;
    assert_refused(&answer, 429, "rate-limited", "the newest");
    assert_eq!(header(&answer, "retry-after"), "1");
    Answer::of(refresh(&world, &other.session))
        .await
        .must_be(200);
    let answer = Answer::of(refresh(&world, &phone.session)).await;
    assert_refused(&answer, 401, "session-ended", "a stolen one");
    let answer = Answer::of(refresh(&world, &newest)).await;
    assert_refused(&answer, 401, "session-ended", "the session is revoked");
}
