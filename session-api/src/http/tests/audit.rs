//! What an auditor reads.

use super::*;
use std::io;
use std::sync::{LazyLock, Mutex};
use tracing_subscriber::EnvFilter;

/// Everything that this process has written; tests find their own lines by their ids.
static WRITTEN: LazyLock<Arc<Mutex<Vec<u8>>>> = LazyLock::new(|| {
    let written = Arc::new(Mutex::new(Vec::new()));
    let writer = Writer(written.clone());
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_env_filter(EnvFilter::new("session_api=info,audit=info"))
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    written
});

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lines with the target `audit` that hold all of `words`.
fn lines(words: &[&str]) -> Vec<Value> {
    let text = String::from_utf8(WRITTEN.lock().unwrap().clone()).unwrap();
    text.lines()
        .filter(|line| words.iter().all(|word| line.contains(word)))
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["target"] == "audit")
        .collect()
}

/// The fields of the one line about this request.
#[track_caller]
fn line_of(id: &str) -> Value {
    let lines = lines(&[&format!("\"{id}\"")]);
    assert_eq!(lines.len(), 1, "{id}: {lines:?}");
    assert_eq!(lines[0]["span"]["id"], id);
    lines[0]["fields"].clone()
}

/// A request id of its own.
fn named(request: RequestBuilder) -> (String, RequestBuilder) {
    let id = Uuid::new_v4().simple().to_string();
    let request = request.header("x-request-id", &id);
    (id, request)
}

async fn sent(request: RequestBuilder) -> (String, Answer) {
    let (id, request) = named(request);
    (id, Answer::of(request).await)
}

#[tokio::test]
async fn each_refusal_of_a_login_has_a_line_with_the_reason() {
    LazyLock::force(&WRITTEN);
    let world = World::begins_with(|plan| plan.http.throttle = true).await;
    let (alice, bob) = (world.user_id("alice").await, world.user_id("bob").await);
    let disable = crate::service::revoke::UserChange::Disable;
    world.service.change_user(bob, disable).await.unwrap();
    let wrong = "wrong horse battery staple";
    let tries = |name: &str, password: &str| {
        let body = json!({ "username": name, "password": password });
        sent(world.request("POST", "/session").json(&body))
    };
    for (name, password, reason, user) in [
        ("alice", wrong, "password", Some(alice)),
        ("bob", PASSWORD, "disabled", Some(bob)),
        ("nobody-here", PASSWORD, "unknown", None),
    ] {
        let (id, _) = tries(name, password).await;
        let mut expected = json!({ "message": "login.failed", "reason": reason });
        if let Some(user) = user {
            expected["user"] = json!(user);
        }
        assert_eq!(line_of(&id), expected);
    }
    while tries("nobody-here", "").await.1.status != 429 {}
    let (id, _) = tries("nobody-here", "").await;
    let throttled = line_of(&id);
    assert_eq!(throttled["message"], "login.throttled");
    assert_eq!(throttled["by"], "account");
    assert!(throttled["left_out"].is_u64());
}

#[tokio::test]
async fn the_hundredth_failure_has_a_line() {
    LazyLock::force(&WRITTEN);
    let world = World::begins().await;
    let alice = world.user_id("alice").await;
    let body = json!({ "username": "alice", "password": "wrong horse battery staple" });
    for _ in 0..101 {
        Answer::of(world.request("POST", "/session").json(&body)).await;
    }
    let alice = alice.to_string();
    assert_eq!(lines(&["login.closed", &alice]).len(), 1);
    assert_eq!(lines(&["login.failed", "\"closed\"", &alice]).len(), 1);
}

#[tokio::test]
async fn what_operators_do_and_may_not_do_has_a_line() {
    LazyLock::force(&WRITTEN);
    let world = World::begins_with(|plan| plan.http.open_registration = false).await;
    let (alice, root) = (world.phone("alice").await, world.phone("root").await);
    let (alices, roots) = (world.user_id("alice").await, world.user_id("root").await);
    let path = |rest: &str| format!("/admin/users/{alices}/{rest}");

    let (id, _) = sent(alice.request(&world, "GET", "/admin/users")).await;
    let refused = json!({
        "message": "admin.refused", "by": alices, "by_session": alice.id, "reason": "role", "left_out": 0,
    });
    assert_eq!(line_of(&id), refused);

    let roles = json!({ "roles": ["editor"] });
    let carol = json!({ "username": "carol", "password": PASSWORD });
    for (act, request) in [
        (
            "PUT /admin/users/{id}/roles",
            root.request(&world, "PUT", &path("roles")).json(&roles),
        ),
        (
            "DELETE /admin/users/{id}/sessions",
            root.request(&world, "DELETE", &path("sessions")),
        ),
        (
            "DELETE /admin/users/{id}/sessions/{session}",
            root.request(&world, "DELETE", &path(&format!("sessions/{}", alice.id))),
        ),
        (
            "POST /admin/users/{id}/disable",
            root.request(&world, "POST", &path("disable")),
        ),
        (
            "POST /admin/users/{id}/enable",
            root.request(&world, "POST", &path("enable")),
        ),
        (
            "POST /users",
            root.request(&world, "POST", "/users").json(&carol),
        ),
        (
            "DELETE /admin/sessions",
            root.request(&world, "DELETE", "/admin/sessions"),
        ),
    ] {
        let (id, answer) = sent(request).await;
        assert!(answer.status < 300, "{act}: {}", answer.body);
        let mut expected = json!({
            "message": "admin.acted", "by": roots, "by_session": root.id, "act": act,
        });
        match act {
            "POST /users" => expected["user"] = answer.body["id"].clone(),
            "DELETE /admin/sessions" => {}
            _ => expected["user"] = json!(alices),
        }
        assert_eq!(line_of(&id), expected);
    }
}

#[tokio::test]
async fn theft_and_forgery_have_a_line() {
    LazyLock::force(&WRITTEN);
    let world = World::begins().await;
    let phone = world.phone("alice").await;
    let refresh = |token: &str| {
        let body = json!({ "session_token": token });
        Answer::of(world.request("POST", "/session/refresh").json(&body))
    };
    let second = refresh(&phone.session).await.must_be(200);
    refresh(&text(&second, "session_token")).await.must_be(200);
    assert_eq!(refresh(&phone.session).await.status, 401);
    let stolen = lines(&["session.stolen", &phone.id]);
    assert_eq!(stolen.len(), 1);
    assert_eq!(
        stolen[0]["fields"]["user"],
        json!(world.user_id("alice").await)
    );

    let foreign = world
        .request("POST", "/session")
        .header("sec-fetch-site", "cross-site")
        .json(&json!({}));
    let (id, _) = sent(foreign).await;
    assert_eq!(line_of(&id)["message"], "csrf.refused");
    let nobody = world
        .request("GET", "/revocations")
        .basic_auth(CLIENT, Some("x"));
    let (id, _) = sent(nobody).await;
    assert_eq!(line_of(&id)["message"], "client.refused");

    let own = world.phone("alice").await;
    let change = json!({ "current": "wrong horse battery staple", "new": PASSWORD });
    let change = own.request(&world, "PUT", "/password").json(&change);
    let (id, _) = sent(change).await;
    let line = line_of(&id);
    assert_eq!(line["message"], "password.failed");
    assert_eq!(line["session"], own.id);
}

#[tokio::test]
async fn a_credential_that_no_client_would_show_has_a_line() {
    LazyLock::force(&WRITTEN);
    let world = World::begins().await;
    let (alice, bob) = (world.browser("alice").await, world.browser("bob").await);
    let get = |path: &str, cookies: String| world.request("GET", path).header(COOKIE, cookies);
    let pair = |browser: &Browser, name: &str| format!("{name}={}", browser.cookie(name));
    let both = format!("{}; {}", pair(&alice, ACCESS), pair(&bob, SESSION));
    let twice = format!("{0}; {0}", pair(&alice, ACCESS));
    let planted = get("/session", pair(&bob, SESSION)).header("sec-fetch-site", "same-origin");
    let forge = |name: &str| {
        let token = alice.cookie(name);
        let middle = token.len() - 40;
        let other = if token.as_bytes()[middle] == b'A' {
            "B"
        } else {
            "A"
        };
        format!("{}{other}{}", &token[..middle], &token[middle + 1..])
    };
    let refresh = json!({ "session_token": forge(SESSION) });
    let refresh = world.request("POST", "/session/refresh").json(&refresh);
    for (case, request, reason) in [
        ("mixed", get("/sessions", both.clone()), "mixed"),
        ("mixed, by session", get("/session", both), "mixed"),
        ("planted", planted, "mixed"),
        ("twice", get("/sessions", twice), "twice"),
        (
            "two headers",
            world
                .request("GET", "/sessions")
                .bearer_auth("x")
                .bearer_auth("y"),
            "twice",
        ),
        (
            "an access token",
            get("/sessions", format!("{ACCESS}={}", forge(ACCESS))),
            "forged",
        ),
        (
            "by header",
            world.request("GET", "/sessions").bearer_auth(forge(ACCESS)),
            "forged",
        ),
        (
            "a session token",
            get("/session", format!("{SESSION}={}", forge(SESSION))),
            "forged",
        ),
        ("to refresh", refresh, "forged"),
        (
            "anything",
            world.request("GET", "/sessions").bearer_auth("x"),
            "forged",
        ),
    ] {
        let (id, answer) = sent(request).await;
        assert!(
            [400, 401].contains(&answer.status),
            "{case}: {}",
            answer.body
        );
        let expected = json!({
            "message": "credential.refused", "reason": reason, "left_out": 0,
        });
        assert_eq!(line_of(&id), expected, "{case}");
    }
    // What happens to everybody is no attempt at anything.
    let mut alice = alice;
    alice.sends(&world, "DELETE", "/session").await.must_be(200);
    let over = world.phone("alice").await;
    over.sends(&world, "DELETE", "/session").await.must_be(200);
    for (case, request) in [
        ("nothing", world.request("GET", "/sessions")),
        (
            "of a session that ended",
            over.request(&world, "GET", "/sessions"),
        ),
    ] {
        let (id, answer) = sent(request).await;
        assert_eq!(answer.status, 401, "{case}");
        assert_eq!(lines(&[&format!("\"{id}\"")]), [Value::Null; 0], "{case}");
    }
}

/// In the lines of all tests of this process: no name, no password, no address, no token.
#[tokio::test]
async fn nothing_personal_is_written() {
    LazyLock::force(&WRITTEN);
    let world = World::begins().await;
    let secret = "a name that nobody else has".replace(' ', "-");
    let body = json!({ "username": secret, "password": format!("{secret} {secret}") });
    let login = world
        .request("POST", "/session")
        .header("user-agent", format!("agent {secret}"))
        .header("x-forwarded-for", "203.0.113.77")
        .json(&body);
    let (id, _) = sent(login).await;
    assert_eq!(line_of(&id)["reason"], "unknown");
    Answer::of(world.request("POST", "/users").json(&body)).await;
    let phone = world.phone("alice").await;
    let token = phone.access.rsplit('.').next().unwrap();
    sent(phone.request(&world, "GET", "/admin/users")).await;
    let text = String::from_utf8(WRITTEN.lock().unwrap().clone()).unwrap();
    let said = text
        .lines()
        .filter(|line| line.contains("\"target\":\"audit\""));
    for line in said {
        for personal in [
            &secret,
            "203.0.113.77",
            "127.0.0.1",
            "alice",
            PASSWORD,
            token,
        ] {
            assert!(!line.contains(personal), "{personal}: {line}");
        }
    }
}
