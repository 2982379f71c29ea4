//! Operators' calls need a recent log-in.

use super::*;
use sqlx::Connection as _;

const CHALLENGE: &str = r#"Bearer error="insufficient_user_authentication", error_description="Log in again.", max_age="600""#;

impl World {
    /// As if the log-in had been so long before.
    async fn logged_in_before(&self, phone: &Phone, by: Duration) {
        let path = self.folder.path().join("log.db");
        let url = format!("sqlite:{}", path.display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let query = sqlx::query("update session set opened_at = opened_at - $1 where id = $2")
            .bind(i64::try_from(by.as_millis()).unwrap())
            .bind(phone.id.parse::<Uuid>().unwrap());
        let done = query.execute(&mut connection).await.unwrap();
        assert_eq!(done.rows_affected(), 1);
    }

    async fn refreshes(&self, phone: &mut Phone) {
        let body = json!({ "session_token": phone.session });
        let answer = Answer::of(self.request("POST", "/session/refresh").json(&body));
        let answer = answer.await.must_be(200);
        phone.access = text(&answer, "access_token");
        phone.session = text(&answer, "session_token");
    }

    fn auth_time(&self, phone: &Phone) -> u64 {
        let token = self.service.read_access_token(&phone.access).unwrap();
        token.auth_time().secs()
    }
}

#[tokio::test]
async fn ten_minutes_after_the_login_every_call_of_operators_asks_for_another() {
    let world = World::begins_with(|plan| plan.http.open_registration = false).await;
    let (mut root, alice) = (world.phone("root").await, world.phone("alice").await);
    let id = world.user_id("alice").await.to_string();
    let most = Duration::from_secs(600);
    world
        .logged_in_before(&root, most - Duration::from_secs(30))
        .await;
    root.sends(&world, "GET", "/admin/users").await.must_be(200);
    world.logged_in_before(&root, Duration::from_secs(31)).await;
    world.logged_in_before(&alice, most * 2).await;
    world.refreshes(&mut root).await;

    let register = json!({ "username": "carol", "password": PASSWORD });
    let roles = json!({ "roles": ["admin"] });
    let calls: Vec<_> = endpoints()
        .iter()
        .filter(|endpoint| endpoint.path.starts_with("/admin/") || endpoint.path == "/users")
        .map(|endpoint| (endpoint.method.to_string(), path_with(endpoint.path, &id)))
        .collect();
    assert!(calls.len() > 8, "{calls:?}");
    for (method, path) in &calls {
        let sends = |phone: &Phone| {
            let request = phone.request(&world, method, path);
            let request = match &**path {
                "/users" => request.json(&register),
                _ if method == "PUT" => request.json(&roles),
                _ => request,
            };
            Answer::of(request)
        };
        let answer = sends(&root).await;
        assert_refused(&answer, 401, "step-up", path);
        assert_eq!(header(&answer, "www-authenticate"), CHALLENGE);
        assert_eq!(answer.body["max_age"], 600);
        // Who is no operator is told nothing of what operators need.
        assert_refused(&sends(&alice).await, 403, "forbidden", path);
    }
    // All else goes on.
    root.sends(&world, "GET", "/sessions").await.must_be(200);
    alice.sends(&world, "GET", "/session").await.must_be(200);
    let again = world.phone("root").await;
    again
        .sends(&world, "GET", "/admin/users")
        .await
        .must_be(200);
}

#[tokio::test]
async fn auth_time_is_that_of_the_password_and_nothing_moves_it() {
    let hasher = Hasher::new(1);
    let held = hasher.clone();
    let world = World::begins_with(|plan| plan.hasher = hasher).await;
    // Asked for long before it is checked.
    let hold = held.hold().await;
    let body = json!({ "username": "root", "password": PASSWORD, "delivery": "body" });
    let login = tokio::spawn(Answer::of(world.request("POST", "/session").json(&body)));
    let bound = Duration::from_secs(60);
    tests::eventually("the login waits", bound, async || held.in_line() == 1).await;
    let before = crate::clock::now();
    drop(hold);
    let answer = login.await.unwrap().must_be(201);
    let mut root = Phone {
        access: text(&answer, "access_token"),
        session: text(&answer, "session_token"),
        id: answer.body["session"]["id"].as_str().unwrap().to_owned(),
    };
    let session = world.store.session(root.id.parse().unwrap()).await.unwrap();
    let opened_at = session.unwrap().row.session.details().opened_at;
    assert!(opened_at >= before && opened_at <= crate::clock::now());
    assert_eq!(world.auth_time(&root), opened_at.secs());

    // An hour later a refresh, other roles and a new password leave it as it is.
    let hour = Duration::from_secs(3600);
    world.logged_in_before(&root, hour).await;
    let auth_time = opened_at.minus(hour).secs();
    world.refreshes(&mut root).await;
    assert_eq!(world.auth_time(&root), auth_time);
    let id = world.user_id("root").await;
    let roles = Roles::try_from(vec!["admin".to_owned(), "editor".to_owned()]).unwrap();
    world.service.change_roles(id, roles, None).await.unwrap();
    world.refreshes(&mut root).await;
    assert_eq!(world.auth_time(&root), auth_time);
    let change = json!({ "current": PASSWORD, "new": "another horse, another staple" });
    let changed = root.sends_json(&world, "PUT", "/password", &change).await;
    root.access = text(&changed.must_be(200), "access_token");
    assert_eq!(world.auth_time(&root), auth_time);
    let answer = root.sends(&world, "GET", "/admin/users").await;
    assert_refused(&answer, 401, "step-up", "still");
}
