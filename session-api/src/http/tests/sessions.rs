//! A user's own sessions.

use super::*;
use crate::http::times::Time;
use std::collections::BTreeSet;

fn members(value: &Value) -> BTreeSet<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[tokio::test]
async fn my_sessions_and_nobody_elses() {
    let world = World::begins().await;
    world.browser("bob").await;
    let body = json!({ "username": "alice", "password": PASSWORD, "delivery": "body", "device": "Alice’s phone" });
    let login = world
        .request("POST", "/session")
        .header("user-agent", "Phone/1.0\t(\u{e4})")
        .json(&body);
    let phone = Answer::of(login).await.must_be(201);
    let mut browser = world.browser("alice").await;
    let answer = browser.sends(&world, "GET", "/sessions").await.must_be(200);
    assert_eq!(answer.body["next"], Value::Null);
    let items = answer.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{items:?}");
    let expected = [
        "id",
        "current",
        "device",
        "user_agent",
        "ip",
        "opened_at",
        "last_seen_at",
        "expires_at",
    ];
    for item in items {
        assert_eq!(members(item), expected.into());
        assert_eq!(item["ip"], "127.0.0.1");
    }
    assert_eq!(
        (&items[0]["id"], &items[0]["current"]),
        (&json!(browser.id), &json!(true))
    );
    assert_eq!(
        (&items[1]["id"], &items[1]["current"]),
        (&phone.body["session"]["id"], &json!(false))
    );
    assert_eq!(items[1]["device"], "Alice’s phone");
    assert_eq!(
        items[1]["user_agent"], "Phone/1.0(ä)",
        "without control characters"
    );
    assert_eq!(items[1]["opened_at"], items[1]["last_seen_at"]);
}

#[tokio::test]
async fn a_long_list_comes_in_parts() {
    let world = World::begins().await;
    let alice = world.phone("alice").await;
    let found = world
        .store
        .session(alice.id.parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    // As a login writes them, without its hash.
    let mut tx = world.store.begin().await.unwrap();
    let rows: Vec<_> = (0..150)
        .map(|_| crate::store::SessionRow {
            id: revocation_events::SessionId::new(Uuid::now_v7()),
            ..found.row.clone()
        })
        .collect();
    tx.save_sessions(&rows).await.unwrap();
    tx.commit().await.unwrap();
    let first = alice
        .sends(&world, "GET", "/sessions")
        .await
        .must_be(200)
        .body;
    assert_eq!(first["items"].as_array().unwrap().len(), 100);
    let next = first["next"].as_str().unwrap();
    let rest = alice
        .sends(&world, "GET", &format!("/sessions?after={next}"))
        .await
        .must_be(200)
        .body;
    assert_eq!(
        (rest["items"].as_array().unwrap().len(), &rest["next"]),
        (51, &Value::Null)
    );
    let ids = [&first, &rest]
        .into_iter()
        .flat_map(|part| part["items"].as_array().unwrap());
    let ids: BTreeSet<_> = ids.map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 151);
}

#[tokio::test]
async fn i_end_one_of_my_sessions() {
    let world = World::begins().await;
    let (lost, bob) = (world.phone("alice").await, world.phone("bob").await);
    let mut browser = world.browser("alice").await;
    let path = format!("/sessions/{}", lost.id);
    assert_refused(
        &bob.sends(&world, "DELETE", &path).await,
        404,
        "not-found",
        "somebody else's",
    );
    let answer = browser.sends(&world, "DELETE", &path).await.must_be(200);
    assert_eq!(
        (&answer.body["revoked"], &answer.body["published"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(
        set_cookies(&answer),
        [""; 0],
        "the caller's own session lives on"
    );
    assert_refused(
        &lost.sends(&world, "GET", "/session").await,
        401,
        "token-invalid",
        "the lost phone",
    );
    let again = browser.sends(&world, "DELETE", &path).await.must_be(200);
    assert_eq!(
        (&again.body["revoked"], &again.body["position"]),
        (&json!(0), &answer.body["position"])
    );
    for unknown in [
        Uuid::now_v7().to_string(),
        "x".to_owned(),
        path.replace("/sessions/", "").replace('-', ""),
    ] {
        let answer = browser
            .sends(&world, "DELETE", &format!("/sessions/{unknown}"))
            .await;
        assert_refused(&answer, 404, "not-found", &unknown);
    }
    let own = browser
        .sends(&world, "DELETE", &format!("/sessions/{}", browser.id))
        .await
        .must_be(200);
    assert_eq!(set_cookies(&own).len(), 3, "a log-out in other words");
}

#[tokio::test]
async fn i_end_all_others() {
    let world = World::begins().await;
    let (other, bob) = (world.phone("alice").await, world.phone("bob").await);
    let mut browser = world.browser("alice").await;
    let old = browser.cookie(ACCESS);
    let answer = browser
        .sends(&world, "DELETE", "/sessions?keep=current")
        .await
        .must_be(200);
    assert_eq!(answer.body["revoked"], Value::Null);
    assert!((1..=900).contains(&answer.body["access_expires_in"].as_u64().unwrap()));
    assert!(answer.body.get("access_token").is_none());
    let cookies = set_cookies(&answer);
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert!(cookies[0].starts_with(&format!("{ACCESS}=")), "{cookies:?}");
    assert!(cookies[1].starts_with(&format!("{CSRF}=")), "{cookies:?}");
    browser.sends(&world, "GET", "/sessions").await.must_be(200);
    browser
        .sends(&world, "POST", "/session/refresh")
        .await
        .must_be(200);
    let dead = world.request("GET", "/sessions").bearer_auth(old);
    assert_refused(
        &Answer::of(dead).await,
        401,
        "token-invalid",
        "the token before",
    );
    assert_refused(
        &other.sends(&world, "GET", "/session").await,
        401,
        "token-invalid",
        "the other session",
    );

    let phone = world.phone("alice").await;
    let answer = phone
        .sends(&world, "DELETE", "/sessions?keep=current")
        .await
        .must_be(200);
    let fresh = Phone {
        access: text(&answer, "access_token"),
        ..phone.clone()
    };
    assert!(answer.body["access_expires_at"].is_string());
    assert_eq!(set_cookies(&answer), [""; 0]);
    fresh.sends(&world, "GET", "/session").await.must_be(200);
    assert_refused(
        &phone.sends(&world, "GET", "/session").await,
        401,
        "token-invalid",
        "the token before",
    );
    bob.sends(&world, "GET", "/session").await.must_be(200);
}

/// Whoever stole one would live on it for ever, and no refresh would show that there are two.
#[tokio::test]
async fn an_access_token_begets_no_longer_one() {
    let world = World::begins().await;
    let end = |text: &str| {
        let token = world.service.read_access_token(text).unwrap();
        token.expires_at()
    };
    let (mut browser, phone) = (world.browser("alice").await, world.phone("bob").await);
    let root = world.phone("root").await;
    let stolen = browser.cookie(ACCESS);
    let newest = world.service.read_access_token(&root.access).unwrap();
    // From here on a token of the whole lifetime ends later than those.
    tests::eventually("the next second", feed::SOON, async || {
        crate::clock::now().secs() > newest.issued_at().secs()
    })
    .await;

    let keep = "/sessions?keep=current";
    let by_cookie = browser.sends(&world, "DELETE", keep).await.must_be(200);
    let fresh = end(&browser.cookie(ACCESS));
    assert_eq!(fresh, end(&stolen));
    assert_eq!(by_cookie.body["access_expires_at"], json!(Time(fresh)));
    let in_body = phone.sends(&world, "DELETE", keep).await.must_be(200);
    assert_eq!(end(&text(&in_body, "access_token")), end(&phone.access));
    // A browser's, in the hands of a program.
    let again = world.request("DELETE", keep);
    let again = again.bearer_auth(browser.cookie(ACCESS));
    browser.sent(again).await.must_be(200);
    assert_eq!(end(&browser.cookie(ACCESS)), end(&stolen));
    let roles = format!("/admin/users/{}/roles", world.user_id("root").await);
    let body = json!({ "roles": ["admin", "editor"] });
    let own = root.sends_json(&world, "PUT", &roles, &body).await;
    let own = text(&own.must_be(200), "access_token");
    assert_eq!(end(&own), end(&root.access));

    // A password is worth what it is worth at a log-in.
    let root = Phone {
        access: own,
        ..root
    };
    let body = json!({ "current": PASSWORD, "new": "another horse, another staple" });
    let fresh = root.sends_json(&world, "PUT", "/password", &body).await;
    assert_eq!(fresh.must_be(200).body["access_expires_in"], 900);
}

/// Each time takes a position and a page. A thief who does it uses up nothing of the owner's.
#[tokio::test]
async fn a_session_ends_all_others_sixty_times_at_once() {
    let world = World::begins_with(|plan| plan.http.throttle = true).await;
    let mut stolen = world.phone("alice").await;
    let keep = "/sessions?keep=current";
    for _ in 0..60 {
        let answer = stolen.sends(&world, "DELETE", keep).await.must_be(200);
        stolen.access = text(&answer, "access_token");
    }
    let answer = stolen.sends(&world, "DELETE", keep).await;
    assert_refused(&answer, 429, "rate-limited", "one too many");
    let owner = world.phone("alice").await;
    owner.sends(&world, "DELETE", keep).await.must_be(200);
    let answer = stolen.sends(&world, "GET", "/session").await;
    assert_refused(&answer, 401, "token-invalid", "the stolen one");
}

#[tokio::test]
async fn a_slip_of_the_pen_logs_nobody_out() {
    let world = World::begins().await;
    let phone = world.phone("alice").await;
    for query in [
        "keep=curent",
        "keep=",
        "keep",
        "Keep=current",
        "keep=current&keep=current",
        "kep=current",
        "x",
        "keep=current&x=1",
        "keep=current%20",
    ] {
        let answer = phone
            .sends(&world, "DELETE", &format!("/sessions?{query}"))
            .await;
        assert_refused(&answer, 400, "bad-request", query);
    }
    let body = phone
        .request(&world, "DELETE", "/sessions")
        .json(&json!({ "keep": "current" }));
    assert_refused(&Answer::of(body).await, 400, "bad-request", "a body");
    phone.sends(&world, "GET", "/session").await.must_be(200);
}

#[tokio::test]
async fn i_end_all_of_them() {
    let world = World::begins().await;
    let (phone, bob) = (world.phone("alice").await, world.phone("bob").await);
    let mut browser = world.browser("alice").await;
    let answer = browser
        .sends(&world, "DELETE", "/sessions")
        .await
        .must_be(200);
    assert_eq!(
        (&answer.body["revoked"], &answer.body["published"]),
        (&Value::Null, &json!(true))
    );
    assert_eq!(set_cookies(&answer).len(), 3);
    assert_refused(
        &phone.sends(&world, "GET", "/session").await,
        401,
        "token-invalid",
        "the phone",
    );
    bob.sends(&world, "GET", "/session").await.must_be(200);
}

#[tokio::test]
async fn a_sessions_history_is_its_owners() {
    let world = World::begins().await;
    let (phone, watcher, bob) = (
        world.phone("alice").await,
        world.phone("alice").await,
        world.phone("bob").await,
    );
    let refresh = world
        .request("POST", "/session/refresh")
        .header("idempotency-key", "a key of the client");
    Answer::of(refresh.json(&json!({ "session_token": phone.session })))
        .await
        .must_be(200);
    let path = format!("/sessions/{}", phone.id);
    watcher.sends(&world, "DELETE", &path).await.must_be(200);
    let path = format!("{path}/events");
    assert_refused(
        &bob.sends(&world, "GET", &path).await,
        404,
        "not-found",
        "somebody else's",
    );
    let answer = watcher.sends(&world, "GET", &path).await.must_be(200);
    assert_eq!(members(&answer.body), ["items", "next"].into());
    assert_eq!(answer.body["next"], Value::Null);
    let items = answer.body["items"].as_array().unwrap();
    let types: Vec<_> = items
        .iter()
        .map(|item| item["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        ["session.opened", "session.refreshed", "session.revoked"]
    );
    for (index, item) in items.iter().enumerate() {
        assert_eq!(members(item), ["type", "time", "version", "data"].into());
        assert_eq!(item["version"], index + 1);
    }
    let data: Vec<_> = items.iter().map(|item| members(&item["data"])).collect();
    assert_eq!(
        data[0],
        ["delivery", "new_device", "expires_at", "ends_at"].into()
    );
    assert_eq!(data[1], ["generation", "expires_at"].into());
    assert_eq!(data[2], ["reason", "position"].into());
    assert_eq!(items[2]["data"]["reason"], "user");
    let rest = watcher
        .sends(&world, "GET", &format!("{path}?after=1"))
        .await;
    assert_eq!(rest.must_be(200).body["items"], json!(items[1..]));
    for number in ["x", "-1", "4294967296"] {
        let bad = watcher
            .sends(&world, "GET", &format!("{path}?after={number}"))
            .await;
        assert_refused(&bad, 400, "bad-request", number);
    }
}
