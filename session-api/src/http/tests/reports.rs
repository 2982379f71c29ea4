//! Verifiers' reports, and who may follow the feed.

use super::*;

const SOON: Duration = Duration::from_secs(60);

pub(super) fn status() -> Value {
    json!({
        "service": "orders", "instance": "i1", "version": "0.1.0", "head": 7, "fresh": true,
        "age_ms": 12, "max_staleness_ms": 10_000,
        "counts": { "accepted": 1, "refused": 2, "unavailable": 3, "pages": 4, "pages_refused": 0 },
    })
}

#[tokio::test]
async fn verifiers_report_and_operators_see_them() {
    let world = World::begins().await;
    let root = world.phone("root").await;
    let report = |body: &Value| Answer::of(world.client("POST", "/revocations/status").json(body));
    let changed = |name: &str, value: Value| {
        let mut status = status();
        status[name] = value;
        status
    };
    report(&changed("of_a_newer_version", json!({ "x": 1 })))
        .await
        .must_be(204);
    let seen = root
        .sends(&world, "GET", "/admin/verifiers")
        .await
        .must_be(200)
        .body;
    let item = &seen["items"][0];
    for (name, value) in status().as_object().unwrap() {
        assert_eq!(&item[name], value, "{name}");
    }
    assert_eq!(item["client"], CLIENT);
    assert!(item["last_seen_at"].is_string());
    let alice = world.phone("alice").await;
    let revoked = alice.sends(&world, "DELETE", "/session").await;
    let head = revoked.must_be(200).body["position"].as_u64().unwrap();
    let list = async || {
        let answer = root.sends(&world, "GET", "/admin/verifiers").await;
        answer.must_be(200).body
    };
    tests::eventually("the revocation is in a page", SOON, async || {
        list().await["head"] == head
    })
    .await;
    // A position is the time of a revocation, in microseconds.
    for (reported, lag) in [
        (json!(head), json!(0)),
        (json!(head + 1), json!(0)),
        (json!(head - 1_500), json!(2)),
        (json!(7), json!((head - 7).div_ceil(1_000))),
        (json!(null), json!(null)),
    ] {
        report(&changed("head", reported.clone()))
            .await
            .must_be(204);
        assert_eq!(list().await["items"][0]["lag_ms"], lag, "{reported}");
    }
    for bad in [
        changed("instance", json!("a.b")),
        changed("instance", json!("")),
        changed("service", json!("*")),
        changed("version", json!("a b")),
        changed("head", json!(-1)),
        changed("head", json!(9_007_199_254_740_992_u64)),
        changed("fresh", json!("yes")),
        changed("counts", json!({})),
        json!({}),
        json!([]),
    ] {
        assert_refused(&report(&bad).await, 400, "bad-request", &bad.to_string());
    }
    report(&changed("goodbye", json!(true))).await.must_be(204);
    let seen = root
        .sends(&world, "GET", "/admin/verifiers")
        .await
        .must_be(200)
        .body;
    assert_eq!(seen["items"], json!([]));
}

#[tokio::test]
async fn where_too_many_wait_the_next_is_told_at_once_and_that_it_did_not_wait() {
    let world = World::begins().await;
    let report = world.client("POST", "/revocations/status").json(&status());
    Answer::of(report).await.must_be(204);
    let others: Vec<_> = std::iter::from_fn(|| world.fleet.place()).collect();
    let alice = world.phone("alice").await;
    let request = alice.request(&world, "DELETE", "/session");
    let answer = Answer::of(request.header("prefer", "wait=20")).await;
    drop(others);
    let answer = answer.must_be(200);
    assert_eq!(header(&answer, "preference-applied"), "wait=0");
    let verifiers = &answer.body["verifiers"];
    assert_eq!(
        (&verifiers["live"], &verifiers["applied"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(verifiers["missing"][0]["service"], "orders");
    // The places are free again.
    let alice = world.phone("alice").await;
    let request = alice.request(&world, "DELETE", "/session");
    let answer = Answer::of(request.header("prefer", "wait=1")).await;
    assert_eq!(header(&answer.must_be(200), "preference-applied"), "wait=1");
}

/// Where the feed is open, an instance is all that it takes to report in its place.
#[tokio::test]
async fn only_an_operator_is_told_which_verifier_is_missing() {
    let world = World::begins().await;
    let report = world.client("POST", "/revocations/status").json(&status());
    Answer::of(report).await.must_be(204);
    let missing = async |name: &str| {
        let user = world.phone(name).await;
        let request = user.request(&world, "DELETE", "/session");
        let answer = Answer::of(request.header("prefer", "wait=0")).await;
        answer.must_be(200).body["verifiers"]["missing"][0].take()
    };
    let (alice, root) = (missing("alice").await, missing("root").await);
    let names = |told: &Value| {
        let mut names: Vec<_> = told.as_object().unwrap().keys().cloned().collect();
        names.sort_unstable();
        names
    };
    assert_eq!(names(&alice), ["last_seen_at", "service"]);
    assert_eq!(
        names(&root),
        ["client", "head", "instance", "last_seen_at", "service"]
    );
    assert_eq!(
        (&root["instance"], &root["client"]),
        (&json!("i1"), &json!(CLIENT))
    );
}

#[tokio::test]
async fn an_open_feed_asks_nobody_and_still_refuses_a_wrong_credential() {
    let world = World::begins_with(|plan| plan.http.open_feed = true).await;
    world.get("/revocations").await.must_be(200);
    let stream = world
        .request("GET", "/revocations/stream")
        .send()
        .await
        .unwrap();
    assert_eq!(stream.status(), 200);
    let report = world.request("POST", "/revocations/status").json(&status());
    Answer::of(report).await.must_be(204);
    // Strangers cannot fill the database.
    for n in 0..110 {
        let mut status = status();
        status["instance"] = json!(format!("stranger-{n}"));
        // On a slow machine the first would be silent for too long before the last has come.
        status["max_staleness_ms"] = json!(600_000);
        let report = world.request("POST", "/revocations/status").json(&status);
        Answer::of(report).await.must_be(204);
    }
    let root = world.phone("root").await;
    let seen = root
        .sends(&world, "GET", "/admin/verifiers")
        .await
        .must_be(200)
        .body;
    assert_eq!(seen["items"][0]["client"], "anyone");
    assert_eq!(seen["items"].as_array().unwrap().len(), 100);
    for path in ["/revocations", "/revocations/stream"] {
        let wrong = world.request("GET", path).basic_auth(CLIENT, Some("wrong"));
        assert_refused(&Answer::of(wrong).await, 401, "bad-credentials", path);
    }
    let introspect = world.request("POST", "/introspect").form(&[("token", "x")]);
    assert_refused(
        &Answer::of(introspect).await,
        401,
        "bad-credentials",
        "not of the feed",
    );
}
