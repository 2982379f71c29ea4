//! Two users in one browser. (All combinations of their tokens are in the end-to-end tests.)

use super::*;

#[tokio::test]
async fn one_users_session_is_not_anothers_to_end_or_to_see() {
    let world = World::begins().await;
    let alice = world.phone("alice").await;
    let mut bob = world.browser("bob").await;
    for (method, path) in [
        ("DELETE", format!("/sessions/{}", alice.id)),
        ("GET", format!("/sessions/{}/events", alice.id)),
    ] {
        assert_refused(
            &bob.sends(&world, method, &path).await,
            404,
            "not-found",
            &path,
        );
    }
    let listed = bob
        .sends(&world, "GET", "/sessions")
        .await
        .must_be(200)
        .body;
    assert!(!listed.to_string().contains(&alice.id), "{listed}");
    bob.sends(&world, "DELETE", "/sessions").await.must_be(200);
    alice.sends(&world, "GET", "/session").await.must_be(200);
}

#[tokio::test]
async fn another_user_in_the_same_browser_starts_anew() {
    let world = World::begins().await;
    let mut browser = world.browser("alice").await;
    let alices = browser.clone();
    browser.logs_in(&world, "bob").await;
    let answer = browser.sends(&world, "GET", "/session").await.must_be(200);
    assert_eq!(answer.body["user"]["username"], "bob");
    // A page that still holds Alice's value, and one that still holds her cookies.
    let stale_page = browser.request(&world, "DELETE", "/sessions/x");
    let stale_value = world
        .request("DELETE", "/sessions/x")
        .header(COOKIE, browser.jar.header("/sessions").unwrap());
    let stale_value = stale_value.header("x-csrf-token", alices.cookie(CSRF));
    assert_refused(&Answer::of(stale_value).await, 403, "csrf", "Alice's value");
    assert_refused(&Answer::of(stale_page).await, 404, "not-found", "Bob's own");
    let mut alices = alices;
    assert_refused(
        &alices.sends(&world, "GET", "/sessions").await,
        401,
        "token-invalid",
        "Alice's cookies",
    );
}
