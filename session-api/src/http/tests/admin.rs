//! What operators see and do.

use super::*;

async fn path(world: &World, name: &str, rest: &str) -> String {
    format!("/admin/users/{}/{rest}", world.user_id(name).await)
}

#[tokio::test]
async fn only_an_operator_by_what_the_database_says_now() {
    let world = World::begins().await;
    let (alice, root) = (world.phone("alice").await, world.phone("root").await);
    let id = world.user_id("alice").await.to_string();
    for endpoint in endpoints()
        .iter()
        .filter(|endpoint| endpoint.path.starts_with("/admin/"))
    {
        let path = path_with(endpoint.path, &id);
        let method = endpoint.method.as_str();
        let body = json!({ "roles": ["admin"] });
        let as_whom = |access: Option<&str>| {
            let request = world.request(method, &path);
            let request = if method == "PUT" {
                request.json(&body)
            } else {
                request
            };
            Answer::of(match access {
                Some(access) => request.bearer_auth(access),
                None => request,
            })
        };
        assert_refused(&as_whom(None).await, 401, "token-missing", &path);
        assert_refused(&as_whom(Some(&alice.access)).await, 403, "forbidden", &path);
    }
    alice.sends(&world, "GET", "/session").await.must_be(200);
    // The token still says `admin`; the database does not.
    let other_admin = path(&world, "root", "roles").await;
    root.sends_json(&world, "PUT", &other_admin, &json!({ "roles": [] }))
        .await
        .must_be(200);
    assert_refused(
        &root.sends(&world, "GET", "/admin/users").await,
        401,
        "token-invalid",
        "the old token",
    );
    let refresh = world
        .request("POST", "/session/refresh")
        .json(&json!({ "session_token": root.session }));
    let fresh = Answer::of(refresh).await.must_be(200);
    let bearer = world
        .request("GET", "/admin/users")
        .bearer_auth(text(&fresh, "access_token"));
    assert_refused(
        &Answer::of(bearer).await,
        403,
        "forbidden",
        "the fresh token",
    );
}

#[tokio::test]
async fn users_by_name_and_in_parts() {
    let world = World::begins().await;
    let root = world.phone("root").await;
    let all = root
        .sends(&world, "GET", "/admin/users")
        .await
        .must_be(200)
        .body;
    let names: Vec<_> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| &user["username"])
        .collect();
    assert_eq!(names, ["alice", "bob", "root"]);
    assert_eq!(all["next"], Value::Null);
    let alice = json!({ "id": world.user_id("alice").await, "username": "alice", "roles": [], "disabled": false });
    for (query, expected) in [
        ("username=alice", vec![&alice]),
        ("username=ALICE", vec![&alice]),
        ("username=al", vec![]),
        ("username=", vec![]),
        ("username=a%20b", vec![]),
    ] {
        let body = root
            .sends(&world, "GET", &format!("/admin/users?{query}"))
            .await
            .must_be(200)
            .body;
        assert_eq!(body, json!({ "items": expected, "next": null }), "{query}");
    }
    let after = root
        .sends(&world, "GET", "/admin/users?after=bob")
        .await
        .must_be(200)
        .body;
    assert_eq!(after["items"].as_array().unwrap().len(), 1);
    let both = root
        .sends(&world, "GET", "/admin/users?after=bob&username=alice")
        .await;
    assert_refused(&both, 400, "bad-request", "both");
}

#[tokio::test]
async fn a_users_sessions_are_listed_and_ended() {
    let world = World::begins().await;
    let (alice, bob, root) = (
        world.phone("alice").await,
        world.phone("bob").await,
        world.phone("root").await,
    );
    let sessions = path(&world, "alice", "sessions").await;
    let listed = root.sends(&world, "GET", &sessions).await.must_be(200).body;
    assert_eq!(listed["items"][0]["id"], alice.id);
    assert_eq!(listed["items"][0]["current"], false);
    let ended = root
        .sends(&world, "DELETE", &sessions)
        .await
        .must_be(200)
        .body;
    assert_eq!(
        (&ended["revoked"], &ended["published"]),
        (&Value::Null, &json!(true))
    );
    assert!(ended["position"].is_u64());
    assert_refused(
        &alice.sends(&world, "GET", "/session").await,
        401,
        "token-invalid",
        "alice",
    );
    bob.sends(&world, "GET", "/session").await.must_be(200);
    let listed = root.sends(&world, "GET", &sessions).await.must_be(200).body;
    assert_eq!(listed["items"], json!([]));
    for (method, rest) in [
        ("GET", "sessions"),
        ("DELETE", "sessions"),
        ("POST", "disable"),
        ("POST", "enable"),
    ] {
        for id in [Uuid::new_v4().to_string(), "alice".to_owned()] {
            let answer = root
                .sends(&world, method, &format!("/admin/users/{id}/{rest}"))
                .await;
            assert_refused(&answer, 404, "not-found", &format!("{method} {rest} {id}"));
        }
    }
}

#[tokio::test]
async fn new_roles_end_tokens_and_not_sessions() {
    let world = World::begins().await;
    let (alice, root) = (world.phone("alice").await, world.phone("root").await);
    let roles = path(&world, "alice", "roles").await;
    let body = json!({ "roles": ["editor", "billing:read"] });
    let changed = root
        .sends_json(&world, "PUT", &roles, &body)
        .await
        .must_be(200)
        .body;
    assert_eq!(changed["revoked"], 0);
    assert_refused(
        &alice.sends(&world, "GET", "/session").await,
        401,
        "token-invalid",
        "the old token",
    );
    let refresh = world
        .request("POST", "/session/refresh")
        .json(&json!({ "session_token": alice.session }));
    let fresh = Answer::of(refresh).await.must_be(200).body;
    assert_eq!(fresh["user"]["roles"], json!(["billing:read", "editor"]));
    let again = root
        .sends_json(&world, "PUT", &roles, &body)
        .await
        .must_be(200)
        .body;
    assert_eq!(again["position"], changed["position"], "nothing to change");
    for bad in [
        json!({ "roles": ["Editor"] }),
        json!({ "roles": [""] }),
        json!({ "roles": ["x".repeat(65)] }),
        json!({ "roles": (0..33).map(|n| n.to_string()).collect::<Vec<_>>() }),
        json!({ "roles": "admin" }),
        json!({ "roles": null }),
        json!({ "roles": [1] }),
        json!({}),
        json!([]),
    ] {
        let answer = root.sends_json(&world, "PUT", &roles, &bad).await;
        assert_refused(&answer, 400, "bad-request", &bad.to_string());
    }
}

/// The operator's own session is kept, so the answer carries what goes on with it.
#[tokio::test]
async fn whoever_changes_their_own_roles_gets_fresh_tokens() {
    let world = World::begins().await;
    let root = world.phone("root").await;
    let roles = path(&world, "root", "roles").await;
    let body = json!({ "roles": ["admin", "editor"] });
    let changed = root
        .sends_json(&world, "PUT", &roles, &body)
        .await
        .must_be(200)
        .body;
    let old = root.sends(&world, "GET", "/session").await;
    assert_refused(&old, 401, "token-invalid", "the old token");
    let fresh = world
        .request("GET", "/session")
        .bearer_auth(changed["access_token"].as_str().unwrap());
    let own = Answer::of(fresh).await.must_be(200).body;
    assert_eq!(own["user"]["roles"], json!(["admin", "editor"]));
    assert!(changed["access_expires_in"].as_u64().unwrap() > 800);
}

#[tokio::test]
async fn a_disabled_user_is_out_until_enabled() {
    let world = World::begins().await;
    let (alice, root) = (world.phone("alice").await, world.phone("root").await);
    let (disable, enable) = (
        path(&world, "alice", "disable").await,
        path(&world, "alice", "enable").await,
    );
    let disabled = root.sends(&world, "POST", &disable).await.must_be(200).body;
    assert_eq!(disabled["published"], true);
    let again = root.sends(&world, "POST", &disable).await.must_be(200).body;
    assert_eq!(
        (&again["revoked"], &again["position"]),
        (&json!(0), &disabled["position"])
    );
    assert_refused(
        &alice.sends(&world, "GET", "/session").await,
        401,
        "token-invalid",
        "alice",
    );
    let login = json!({ "username": "alice", "password": PASSWORD });
    let refused = Answer::of(world.request("POST", "/session").json(&login)).await;
    assert_refused(&refused, 401, "bad-credentials", "alice");
    for _ in 0..2 {
        let enabled = root.sends(&world, "POST", &enable).await.must_be(200).body;
        assert_eq!(
            (&enabled["username"], &enabled["disabled"]),
            (&json!("alice"), &json!(false))
        );
    }
    world.phone("alice").await;
}

#[tokio::test]
async fn one_session_is_ended_and_the_others_live_on() {
    let world = World::begins().await;
    let (phone, other) = (world.phone("alice").await, world.phone("alice").await);
    let root = world.phone("root").await;
    let path = async |name: &str, id: &str| path(&world, name, &format!("sessions/{id}")).await;
    let of_bob = path("bob", &phone.id).await;
    for (path, case) in [
        (of_bob, "another user's"),
        (path("alice", "x").await, "no identifier"),
        (path("alice", &root.id).await, "the operator's own"),
    ] {
        let answer = root.sends(&world, "DELETE", &path).await;
        assert_refused(&answer, 404, "not-found", case);
    }
    let path = path("alice", &phone.id).await;
    let ended = root.sends(&world, "DELETE", &path).await.must_be(200).body;
    assert_eq!(ended["revoked"], 1);
    let again = root.sends(&world, "DELETE", &path).await.must_be(200).body;
    assert_eq!(
        (&again["revoked"], &again["position"]),
        (&json!(0), &ended["position"])
    );
    let answer = phone.sends(&world, "GET", "/session").await;
    assert_refused(&answer, 401, "token-invalid", "it has ended");
    let history = format!("/sessions/{}/events", phone.id);
    let history = other.sends(&world, "GET", &history).await.must_be(200).body;
    assert_eq!(history["items"][1]["data"]["reason"], "admin");
}

#[tokio::test]
async fn everyone_is_logged_out() {
    let world = World::begins().await;
    let (alice, root) = (world.phone("alice").await, world.phone("root").await);
    root.sends(&world, "DELETE", "/admin/sessions")
        .await
        .must_be(200);
    for phone in [alice, root] {
        assert_refused(
            &phone.sends(&world, "GET", "/session").await,
            401,
            "token-invalid",
            "everyone",
        );
    }
    let mut bystander = world.browser("alice").await;
    let mut browser = world.browser("root").await;
    let answer = browser
        .sends(&world, "DELETE", "/admin/sessions")
        .await
        .must_be(200);
    assert_eq!(
        set_cookies(&answer).len(),
        3,
        "the caller's own cookies end too"
    );
    // No row of a session says so: it is the head that ends them.
    let answer = bystander.sends(&world, "GET", "/session").await;
    assert_refused(&answer, 401, "session-ended", "by the session cookie");
}
