//! Registration and the change of a password.

use super::*;

/// `zxcvbn` makes more guesses of it than its integers hold.
const OVERFLOWING: &str = "12121212121212121212121212121212";

#[tokio::test]
async fn anyone_registers_where_that_is_open() {
    let issuer = "https://login.jubjub.test".to_owned();
    let world = World::begins_with(|plan| plan.issuer = Some(issuer)).await;
    let register = |name: &str, password: &str| {
        world
            .request("POST", "/users")
            .json(&json!({ "username": name, "password": password }))
    };
    let answer = Answer::of(register("Carol", PASSWORD)).await.must_be(201);
    assert_eq!(answer.body["username"], "carol");
    assert_eq!(answer.body["roles"], json!([]));
    assert_eq!(answer.body["id"], json!(world.user_id("carol").await));
    world.phone("carol").await;
    for (name, password, status, slug) in [
        ("carol", PASSWORD, 409, "conflict"),
        ("CAROL", PASSWORD, 409, "conflict"),
        ("", PASSWORD, 400, "bad-request"),
        ("with space", PASSWORD, 400, "bad-request"),
        ("nul\0", PASSWORD, 400, "bad-request"),
    ] {
        let answer = Answer::of(register(name, password)).await;
        assert_refused(&answer, status, slug, name);
        assert!(
            answer.body["detail"].is_string(),
            "it says why: {}",
            answer.body
        );
    }
    // The program reads the reason, the person the detail.
    for (name, password, reason) in [
        ("dave", "short", "too-short"),
        ("dave", "", "too-short"),
        ("dave", &"long-enough ".repeat(30), "too-long"),
        ("dave", "a bell \u{7} in the middle", "control-character"),
        ("dave", "aaaaaaaaaaaaaaaaaaaa", "guessable"),
        ("dave", OVERFLOWING, "guessable"),
        ("wilhelmina", "wilhelmina-1987", "guessable"),
        ("dave", "Portcullis12345", "guessable"),
        ("dave", "JubjubDave12024", "guessable"),
    ] {
        let answer = Answer::of(register(name, password)).await;
        assert_refused(&answer, 422, "password-refused", password);
        assert_eq!(answer.body["reason"], reason, "{password}");
        assert!(answer.body["detail"].is_string(), "{}", answer.body);
    }
    // Nothing that is presented matters.
    let with_rubbish = register("dave", PASSWORD)
        .header(AUTHORIZATION, "Bearer rubbish")
        .header(COOKIE, format!("{ACCESS}=a; {ACCESS}=b"));
    Answer::of(with_rubbish).await.must_be(201);
}

#[tokio::test]
async fn else_an_operator_does_it() {
    let world = World::begins_with(|plan| plan.http.open_registration = false).await;
    let body = json!({ "username": "carol", "password": PASSWORD });
    let anyone = Answer::of(world.request("POST", "/users").json(&body)).await;
    assert_refused(&anyone, 401, "token-missing", "anyone");
    let (alice, root) = (world.phone("alice").await, world.phone("root").await);
    assert_refused(
        &alice.sends_json(&world, "POST", "/users", &body).await,
        403,
        "forbidden",
        "alice",
    );
    root.sends_json(&world, "POST", "/users", &body)
        .await
        .must_be(201);
    // By cookie, with all that a cookie needs.
    let browser = world.browser("root").await;
    let body = json!({ "username": "dave", "password": PASSWORD });
    let bare = world
        .request("POST", "/users")
        .header(COOKIE, browser.jar.header("/users").unwrap())
        .json(&body);
    assert_refused(
        &Answer::of(bare).await,
        403,
        "csrf",
        "a cookie without the value",
    );
    Answer::of(browser.request(&world, "POST", "/users").json(&body))
        .await
        .must_be(201);
}

/// Both have given the right password, and for one of them it is right no longer.
#[tokio::test]
async fn of_two_new_passwords_at_once_one_counts_and_the_other_is_told() {
    let hasher = Hasher::new(1);
    let held = hasher.clone();
    let world = World::begins_with(|plan| plan.hasher = hasher).await;
    let phone = world.phone("alice").await;
    let news = [
        "another horse, another staple",
        "yet another staple, and no horse",
    ];
    let (hold, before) = (held.hold().await, held.queued());
    let changes = news.map(|new| {
        let change = json!({ "current": PASSWORD, "new": new });
        let request = phone.request(&world, "PUT", "/password").json(&change);
        tokio::spawn(Answer::of(request))
    });
    let bound = Duration::from_secs(60);
    tests::eventually("both have read the hash", bound, async || {
        held.queued() == before + 2
    })
    .await;
    drop(hold);
    let mut counted = 0;
    for (change, new) in changes.into_iter().zip(news) {
        let answer = change.await.unwrap();
        let counts = answer.status == 200;
        if !counts {
            assert_refused(&answer, 409, "conflict", new);
        }
        let login = json!({ "username": "alice", "password": new });
        let login = Answer::of(world.request("POST", "/session").json(&login)).await;
        assert_eq!(login.status, if counts { 201 } else { 401 }, "{new}");
        counted += u32::from(counts);
    }
    assert_eq!(counted, 1);
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    let world = World::begins().await;
    let other = world.phone("alice").await;
    let mut browser = world.browser("alice").await;
    let new = "another horse, another staple";
    let change = |current: &str, new: &str| json!({ "current": current, "new": new });
    for (case, body, status, slug) in [
        (
            "wrong",
            change("wrong horse battery staple", new),
            401,
            "bad-credentials",
        ),
        (
            "too long",
            change(&"x".repeat(300), new),
            401,
            "bad-credentials",
        ),
        (
            "refused",
            change(PASSWORD, "short"),
            422,
            "password-refused",
        ),
        (
            "guessable",
            change(PASSWORD, "alice-alice-alice"),
            422,
            "password-refused",
        ),
        (
            "of too many guesses",
            change(PASSWORD, OVERFLOWING),
            422,
            "password-refused",
        ),
        ("half", json!({ "current": PASSWORD }), 400, "bad-request"),
    ] {
        let request = browser.request(&world, "PUT", "/password").json(&body);
        assert_refused(&Answer::of(request).await, status, slug, case);
    }
    other.sends(&world, "GET", "/session").await.must_be(200);

    let request = browser
        .request(&world, "PUT", "/password")
        .json(&change(PASSWORD, new));
    let answer = browser.sent(request).await.must_be(200);
    assert_eq!(
        (&answer.body["revoked"], &answer.body["published"]),
        (&Value::Null, &json!(true))
    );
    let set = set_cookies(&answer);
    assert_eq!(set.len(), 2, "the fresh access cookie and its value");
    assert!(set[0].starts_with(ACCESS) && set[1].starts_with(CSRF));
    browser.sends(&world, "GET", "/sessions").await.must_be(200);
    assert_refused(
        &other.sends(&world, "GET", "/session").await,
        401,
        "token-invalid",
        "the phone",
    );
    let body = json!({ "username": "alice", "password": PASSWORD });
    let login = Answer::of(world.request("POST", "/session").json(&body)).await;
    assert_refused(&login, 401, "bad-credentials", "the old password");
    let body = json!({ "username": "alice", "password": new, "delivery": "body" });
    let login = Answer::of(world.request("POST", "/session").json(&body))
        .await
        .must_be(201);
    let change = world
        .request("PUT", "/password")
        .bearer_auth(text(&login, "access_token"));
    let answer = Answer::of(change.json(&change_to(new))).await.must_be(200);
    assert!(answer.body["access_token"].is_string());
}

fn change_to(current: &str) -> Value {
    json!({ "current": current, "new": "a third horse, a third staple" })
}

/// It is no password that anyone has, and to hash it would cost what it costs.
#[tokio::test]
async fn what_is_too_long_for_a_password_is_never_hashed() {
    let hasher = Hasher::new(2);
    let world = World::begins_with(|plan| plan.hasher = hasher.clone()).await;
    let phone = world.phone("alice").await;
    let queued = hasher.queued();
    let too_long = "x".repeat(257);
    let body = json!({ "username": "alice", "password": too_long });
    let log_in = Answer::of(world.request("POST", "/session").json(&body)).await;
    assert_refused(&log_in, 401, "bad-credentials", "POST /session");
    let body = json!({ "current": too_long, "new": "another horse, another staple" });
    let answer = phone.sends_json(&world, "PUT", "/password", &body).await;
    assert_refused(&answer, 401, "bad-credentials", "PUT /password");
    assert_eq!(hasher.queued(), queued);
    // One byte less is hashed.
    let body = json!({ "username": "alice", "password": "x".repeat(256) });
    Answer::of(world.request("POST", "/session").json(&body)).await;
    assert_eq!(hasher.queued(), queued + 1);
}
