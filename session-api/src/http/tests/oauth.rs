//! `POST /revoke` and `POST /introspect`.

use super::*;

fn assert_oauth_error(answer: &Answer, error: &str, case: &str) {
    assert_eq!(
        (answer.status, &answer.body["error"]),
        (400, &json!(error)),
        "{case}: {}",
        answer.body
    );
    assert_eq!(header(answer, "content-type"), "application/json", "{case}");
    assert_eq!(header(answer, "cache-control"), "no-store", "{case}");
}

#[tokio::test]
async fn a_session_token_ends_its_session() {
    let world = World::begins().await;
    let revoke = |form: &[(&str, &str)]| Answer::of(world.request("POST", "/revoke").form(form));
    let phone = world.phone("alice").await;
    for form in [
        &[("token", "rubbish")][..],
        &[
            ("token", "rubbish"),
            ("token_type_hint", "refresh_token"),
            ("x", "y"),
        ],
    ] {
        assert_eq!(revoke(form).await.must_be(200).body["revoked"], 0);
    }
    for (case, form, error) in [
        ("nothing", &[][..], "invalid_request"),
        ("an empty token", &[("token", "")], "invalid_request"),
        (
            "two tokens",
            &[("token", &*phone.session), ("token", "x")],
            "invalid_request",
        ),
        (
            "a parameter twice",
            &[("token", &*phone.session), ("x", "1"), ("x", "2")],
            "invalid_request",
        ),
        (
            "an access token",
            &[("token", &*phone.access)],
            "unsupported_token_type",
        ),
        (
            "with a hint",
            &[
                ("token", &*phone.access),
                ("token_type_hint", "refresh_token"),
            ],
            "unsupported_token_type",
        ),
    ] {
        assert_oauth_error(&revoke(form).await, error, case);
    }
    phone.sends(&world, "GET", "/session").await.must_be(200);
    let mut many: Vec<_> = (0..32).map(|number| (format!("p{number}"), "x")).collect();
    many.push(("token".to_owned(), &phone.session));
    for request in [
        world.request("POST", "/revoke"),
        world.client("POST", "/introspect"),
    ] {
        let answer = Answer::of(request.form(&many)).await;
        assert_oauth_error(&answer, "invalid_request", "33 parameters");
    }
    let answer = Answer::of(world.client("POST", "/introspect").form(&many[1..])).await;
    assert_eq!(answer.must_be(200).body["active"], false, "32 parameters");

    let hint = [
        ("token", &*phone.session),
        ("token_type_hint", "access_token"),
    ];
    let answer = revoke(&hint).await.must_be(200);
    assert_eq!(
        (&answer.body["revoked"], &answer.body["published"]),
        (&json!(1), &json!(true))
    );
    assert_refused(
        &phone.sends(&world, "GET", "/session").await,
        401,
        "token-invalid",
        "after",
    );
    let again = revoke(&hint).await.must_be(200);
    assert_eq!(
        (&again.body["revoked"], &again.body["position"]),
        (&json!(0), &answer.body["position"])
    );
}

#[tokio::test]
async fn a_phone_that_logs_out_may_wait_for_the_verifiers_too() {
    let world = World::begins().await;
    let status = json!({
        "service": "orders", "instance": "i1", "version": "0.1.0", "head": 7, "fresh": true,
        "age_ms": 12, "max_staleness_ms": 600_000,
        "counts": { "accepted": 1, "refused": 2, "unavailable": 3, "pages": 4, "pages_refused": 0 },
    });
    let report = world.client("POST", "/revocations/status").json(&status);
    Answer::of(report).await.must_be(204);
    let phone = world.phone("alice").await;
    let revoke = |token: &str| {
        let request = world.request("POST", "/revoke").form(&[("token", token)]);
        Answer::of(request.header("prefer", "wait=1"))
    };
    let answer = revoke(&phone.session).await.must_be(200);
    assert_eq!(answer.body["revoked"], 1);
    assert_eq!(header(&answer, "preference-applied"), "wait=1");
    let verifiers = &answer.body["verifiers"];
    assert_eq!(
        (&verifiers["live"], &verifiers["applied"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(verifiers["missing"][0]["service"], "orders");
    // Of what was never revoked there is nothing to wait for.
    let answer = revoke("rubbish").await.must_be(200);
    assert_eq!(header(&answer, "preference-applied"), "");
    assert!(answer.body.get("verifiers").is_none());
}

#[tokio::test]
async fn an_old_session_token_ends_its_session_too() {
    let world = World::begins().await;
    let phone = world.phone("alice").await;
    let mut session = phone.session.clone();
    for _ in 0..2 {
        let refresh = world
            .request("POST", "/session/refresh")
            .json(&json!({ "session_token": session }));
        session = text(&Answer::of(refresh).await.must_be(200), "session_token");
    }
    let answer = Answer::of(
        world
            .request("POST", "/revoke")
            .form(&[("token", &phone.session)]),
    )
    .await;
    assert_eq!(answer.must_be(200).body["revoked"], 1);
}

#[tokio::test]
async fn revoke_reads_no_cookie_so_any_page_may_call_it_with_a_token() {
    let world = World::begins().await;
    let browser = world.browser("alice").await;
    let request = world
        .request("POST", "/revoke")
        .header("origin", "https://evil.example");
    let cookies = browser.jar.header("/session").unwrap();
    let answer = Answer::of(request.header(COOKIE, cookies).form(&[("x", "y")])).await;
    assert_oauth_error(&answer, "invalid_request", "cookies only");
    for kind in ["application/json", "text/plain", "multipart/form-data"] {
        let request = world
            .request("POST", "/revoke")
            .header(CONTENT_TYPE, kind)
            .body("token=x");
        assert_refused(&Answer::of(request).await, 415, "media-type", kind);
    }
}

#[tokio::test]
async fn an_access_token_is_active_while_the_database_says_so() {
    let world = World::begins().await;
    let introspect = |token: &str| {
        Answer::of(
            world
                .client("POST", "/introspect")
                .form(&[("token", token), ("token_type_hint", "access_token")]),
        )
    };
    let (root, browser) = (world.phone("root").await, world.browser("alice").await);
    let answer = introspect(&root.access).await.must_be(200);
    assert_eq!(header(&answer, "cache-control"), "no-store");
    let body = answer.body;
    let token = world.service.read_access_token(&root.access).unwrap();
    assert_eq!(body["active"], true);
    for (name, value) in [
        ("token_type", json!("Bearer")),
        ("iss", json!(world.url)),
        ("aud", json!("api")),
        ("sub", json!(world.user_id("root").await)),
        ("sid", json!(root.id)),
        ("client_id", json!("app")),
        ("roles", json!(["admin"])),
        ("pos", json!(token.position())),
        ("jti", json!(token.jti())),
        ("exp", json!(token.expires_at().secs())),
        ("iat", json!(token.issued_at().secs())),
    ] {
        assert_eq!(body[name], value, "{name}");
    }
    assert!(body.get("csrf").is_none());
    let by_cookie = introspect(&browser.cookie(ACCESS)).await.must_be(200).body;
    assert!(
        by_cookie["csrf"].is_string() && by_cookie["client_id"] == "web",
        "{by_cookie}"
    );

    root.sends(&world, "DELETE", "/session").await.must_be(200);
    for (case, token) in [
        ("ended", root.access.as_str()),
        ("a session token", &browser.cookie(SESSION)),
        ("rubbish", "x"),
    ] {
        let answer = introspect(token).await.must_be(200);
        assert_eq!(answer.body, json!({ "active": false }), "{case}");
    }
    assert_oauth_error(
        &Answer::of(world.client("POST", "/introspect").form(&[("x", "y")])).await,
        "invalid_request",
        "no token",
    );
}
