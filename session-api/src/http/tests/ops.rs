//! Health, readiness, metrics, the key set.

use super::*;
use revocation_events::jwk::KeySet;

#[tokio::test]
async fn health_and_readiness() {
    let world = World::begins().await;
    assert_eq!(
        world.get("/healthz").await.must_be(200).body,
        json!({ "status": "ok" })
    );
    let ready = world.get("/readyz").await.must_be(200).body;
    assert_eq!(
        (&ready["database"], &ready["keys"], &ready["bus"]),
        (&json!("ok"), &json!("ok"), &json!("none"))
    );
    assert_eq!(
        ready["events"], "none",
        "there is no bus to publish them on"
    );
    let head = Answer::of(world.request("HEAD", "/readyz"))
        .await
        .must_be(200);
    assert_eq!(head.body, "");
}

#[tokio::test]
async fn the_key_set_is_the_databases() {
    let world = World::begins().await;
    let answer = world.get("/.well-known/jwks.json").await.must_be(200);
    assert_eq!(header(&answer, "content-type"), "application/jwk-set+json");
    assert_eq!(header(&answer, "cache-control"), "no-cache, private");
    let kids = |answer: &Answer| {
        let set = KeySet::parse(answer.body.to_string().as_bytes()).unwrap();
        set.kids()
            .map(ToString::to_string)
            .collect::<std::collections::BTreeSet<_>>()
    };
    let before = kids(&answer);
    assert_eq!(before.len(), 2, "the active key and the standby");
    for key in answer.body["keys"].as_array().unwrap() {
        let mut names: Vec<_> = key
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["alg", "crv", "kid", "kty", "use", "x"],
            "nothing private"
        );
    }
    // As another replica does it: this one's keys in use stay as they are.
    let active = world.service.keys().ring().access.kid.clone();
    let rows = world.store.keys().await.unwrap();
    let row = rows.into_iter().find(|row| row.kid == active).unwrap();
    let mut tx = world.store.begin().await.unwrap();
    tx.save_key(&crate::store::KeyRow {
        state: crate::store::KeyState::Revoked,
        ..row
    })
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let after = kids(&world.get("/.well-known/jwks.json").await.must_be(200));
    assert!(
        !after.contains(active.as_str()),
        "a revoked key is gone at the next request"
    );
    assert_eq!(after.len(), 1);
}

impl World {
    /// As when somebody restored half a backup.
    async fn loses_its_tables(&self) {
        use sqlx::Connection as _;
        let file = self.folder.path().join("log.db");
        let mut connection = sqlx::SqliteConnection::connect(file.to_str().unwrap())
            .await
            .unwrap();
        for table in ["session", "signing_key"] {
            let statement =
                sqlx::AssertSqlSafe(format!("alter table {table} rename to lost_{table}"));
            sqlx::query(statement)
                .execute(&mut connection)
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn without_its_database_a_replica_is_alive_and_not_ready() {
    let world = World::begins().await;
    let phone = world.phone("alice").await;
    world.loses_its_tables().await;
    world.get("/healthz").await.must_be(200);
    let ready = world.get("/readyz").await;
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert_eq!(header(&ready, "content-type"), "application/problem+json");
    assert_eq!(ready.body["database"], "unavailable");
    let answer = phone.sends(&world, "GET", "/session").await;
    assert_refused(&answer, 500, "internal", "a call");
    assert_eq!(
        answer.body.as_object().unwrap().len(),
        3,
        "type, title and status: {}",
        answer.body
    );
    let keys = world.get("/.well-known/jwks.json").await;
    assert!(
        matches!(keys.status, 500 | 503),
        "never an old set: {}",
        keys.body
    );
}

#[tokio::test]
async fn metrics_count_answers_by_route() {
    let world = World::begins().await;
    let phone = world.phone("alice").await;
    phone
        .sends(&world, "DELETE", &format!("/sessions/{}", phone.id))
        .await
        .must_be(200);
    world.get("/some/secret/path").await;
    Answer::of(world.request("BREW", "/session")).await;
    let answer = world.get("/metrics").await.must_be(200);
    assert_eq!(
        header(&answer, "content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = answer.body.as_str().unwrap();
    for line in [
        r#"portcullis_http_request_duration_seconds_count{method="POST",path="/session",status="201"} 1"#,
        r#"portcullis_http_request_duration_seconds_count{method="DELETE",path="/sessions/{id}",status="200"} 1"#,
        r#"portcullis_http_request_duration_seconds_count{method="GET",path="none",status="404"} 1"#,
        r#"portcullis_http_request_duration_seconds_count{method="other",path="/session",status="405"} 1"#,
        "portcullis_stream_clients 0",
        r#"portcullis_verifiers{state="fresh"} 0"#,
        r#"portcullis_verifiers{state="stale"} 0"#,
        "portcullis_bus_connected 0",
        "portcullis_foreign_pages_refused_total 0",
        "portcullis_reports_refused_total 0",
        "# TYPE portcullis_pages_total counter",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(
        !text.contains(&phone.id) && !text.contains("secret"),
        "{text}"
    );
    assert!(text.contains("portcullis_page_age_seconds "), "{text}");
}

/// The value of a line of `/metrics`.
async fn figure(world: &World, name: &str) -> f64 {
    let text = world.get("/metrics").await.must_be(200).body;
    let mut lines = text.as_str().unwrap().lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in\n{text}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn metrics_tell_how_old_keys_are_and_how_many_verifiers_are_stale() {
    let world = World::begins().await;
    let age = r#"portcullis_key_age_seconds{purpose="access"}"#;
    for purpose in ["access", "session", "csrf"] {
        let name = format!("portcullis_key_age_seconds{{purpose=\"{purpose}\"}}");
        let age = figure(&world, &name).await;
        assert!((0.0..60.0).contains(&age), "{age}");
    }
    // As if it had signed for a hundred days; and another process has exchanged nothing yet.
    let days = Duration::from_secs(100 * 86_400);
    let rows = world.store.keys().await.unwrap();
    let active = |row: &crate::store::KeyRow| row.state == crate::store::KeyState::Active;
    let old: Vec<_> = rows
        .into_iter()
        .map(|row| crate::store::KeyRow {
            state_since: if active(&row) {
                row.state_since.minus(days)
            } else {
                row.state_since
            },
            ..row
        })
        .collect();
    world
        .service
        .keys()
        .reading()
        .await
        .put_to_use(&old)
        .unwrap();
    assert!(figure(&world, age).await >= 100.0 * 86_400.0);

    let [fresh, stale] =
        ["fresh", "stale"].map(|state| format!("portcullis_verifiers{{state=\"{state}\"}}"));
    for (instance, is_fresh) in [("a", true), ("b", true), ("c", false)] {
        let mut status = super::reports::status();
        status["instance"] = instance.into();
        status["fresh"] = is_fresh.into();
        let request = world.client("POST", "/revocations/status").json(&status);
        Answer::of(request).await.must_be(204);
    }
    assert_eq!(figure(&world, &fresh).await, 2.0);
    assert_eq!(figure(&world, &stale).await, 1.0);
}

#[tokio::test]
async fn metrics_can_be_kept_to_a_listener_of_their_own() {
    let ops = std::net::SocketAddr::from(([127, 0, 0, 1], tests::port::free()));
    let world = World::begins_with(|plan| plan.http.ops_listen = Some(ops)).await;
    assert_refused(&world.get("/metrics").await, 404, "not-found", "in public");
    world.get("/readyz").await.must_be(200);
    for path in ["/metrics", "/healthz", "/readyz"] {
        Answer::of(world.http.get(format!("http://{ops}{path}")))
            .await
            .must_be(200);
    }
    let elsewhere = Answer::of(world.http.get(format!("http://{ops}/session"))).await;
    assert_refused(&elsewhere, 404, "not-found", "nothing else");
}
