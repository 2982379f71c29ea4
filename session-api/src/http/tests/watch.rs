//! `GET /session/stream`: the end of a session, told when it comes.

use super::*;
use tests::eventually;

const SOON: Duration = Duration::from_secs(60);

/// One connection to the stream.
struct Watcher(reqwest::Response);

impl Watcher {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("x-accel-buffering", "no"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(response.headers()[name], value);
        }
        let mut watcher = Self(response);
        assert_eq!(watcher.hears().await.as_deref(), Some(":\n\n"), "it stands");
        watcher
    }

    /// By the session cookie alone, as when the access cookie has ended.
    async fn beside(world: &World, browser: &Browser) -> Self {
        let cookie = format!("{SESSION}={}", browser.cookie(SESSION));
        Self::of(
            world
                .request("GET", "/session/stream")
                .header(COOKIE, cookie),
        )
        .await
    }

    /// What comes next; nothing at the stream's end.
    async fn hears(&mut self) -> Option<String> {
        let piece = tokio::time::timeout(SOON, self.0.chunk()).await;
        let piece = piece.expect("something soon").ok()??;
        Some(String::from_utf8(piece.to_vec()).unwrap())
    }

    /// Comments, then the end for this reason, then nothing.
    async fn hears_of_the_end(mut self, reason: &str) {
        let event = format!("event: ended\ndata: {{\"reason\":\"{reason}\"}}\n\n");
        let told = async {
            loop {
                match self.hears().await {
                    Some(said) if said == ":\n\n" => {}
                    said => return said,
                }
            }
        };
        let told = tokio::time::timeout(SOON, told).await;
        assert_eq!(
            told.expect("it is told soon").as_deref(),
            Some(event.as_str())
        );
        assert_eq!(self.hears().await, None, "it was the last");
    }
}

#[tokio::test]
async fn each_end_of_a_session_is_told_at_once_and_why() {
    let world = World::begins().await;
    let alice = world.user_id("alice").await;
    let root = world.phone("root").await;
    let phone = world.phone("alice").await;
    let of_alice = format!("/admin/users/{alice}/sessions");
    let everyone = "/admin/sessions".to_owned();
    let one = |browser: &Browser| format!("/sessions/{}", browser.id);
    for (reason, by_root, path) in [
        ("user", false, None),
        ("all", true, Some(of_alice.clone())),
        ("all", true, Some(everyone)),
    ] {
        let browser = world.browser("alice").await;
        let watcher = Watcher::beside(&world, &browser).await;
        let path = path.unwrap_or_else(|| one(&browser));
        let by = if by_root { &root } else { &phone };
        by.sends(&world, "DELETE", &path).await.must_be(200);
        watcher.hears_of_the_end(reason).await;
    }
    let root = world.phone("root").await;

    let browser = world.browser("alice").await;
    let watcher = Watcher::beside(&world, &browser).await;
    let one_of_alice = format!("{of_alice}/{}", browser.id);
    root.sends(&world, "DELETE", &one_of_alice)
        .await
        .must_be(200);
    watcher.hears_of_the_end("admin").await;

    let mut browser = world.browser("alice").await;
    let watcher = Watcher::beside(&world, &browser).await;
    browser
        .sends(&world, "DELETE", "/session")
        .await
        .must_be(200);
    watcher.hears_of_the_end("logout").await;

    browser.logs_in(&world, "alice").await;
    let watcher = Watcher::beside(&world, &browser).await;
    browser.logs_in(&world, "alice").await;
    watcher.hears_of_the_end("replaced").await;

    let watcher = Watcher::beside(&world, &browser).await;
    let disable = format!("/admin/users/{alice}/disable");
    root.sends(&world, "POST", &disable).await.must_be(200);
    watcher.hears_of_the_end("all").await;
}

#[tokio::test]
async fn what_ends_others_is_not_told() {
    let world = World::begins().await;
    let alice = world.user_id("alice").await;
    let root = world.phone("root").await;
    let mut browser = world.browser("alice").await;
    let other = world.browser("alice").await;
    let watcher = Watcher::beside(&world, &browser).await;
    let others = Watcher::beside(&world, &other).await;
    let bobs = world.phone("bob").await;
    bobs.sends(&world, "DELETE", "/session").await.must_be(200);
    // New roles end no session.
    let roles = json!({ "roles": ["staff"] });
    let path = format!("/admin/users/{alice}/roles");
    root.sends_json(&world, "PUT", &path, &roles)
        .await
        .must_be(200);
    browser
        .sends(&world, "POST", "/session/refresh")
        .await
        .must_be(200);
    // All but this one.
    let passwords = json!({ "current": PASSWORD, "new": "another horse, another battery" });
    let change = browser.request(&world, "PUT", "/password").json(&passwords);
    browser.sent(change).await.must_be(200);
    others.hears_of_the_end("all").await;
    browser
        .sends(&world, "DELETE", "/session")
        .await
        .must_be(200);
    watcher.hears_of_the_end("logout").await;
}

#[tokio::test]
async fn a_session_that_ends_by_itself_is_told_too() {
    let world = World::begins_with(|plan| plan.session_ttl = Duration::from_secs(5)).await;
    let browser = world.browser("alice").await;
    let watcher = Watcher::beside(&world, &browser).await;
    watcher.hears_of_the_end("expired").await;
}

#[tokio::test]
async fn only_the_sessions_own_credential_hears_of_it() {
    let world = World::begins().await;
    let (browser, other) = (world.browser("alice").await, world.browser("bob").await);
    let stream = || world.request("GET", "/session/stream");
    let cookies = |one: &str, another: &str| format!("{SESSION}={one}; {ACCESS}={another}");
    let mixed = cookies(&browser.cookie(SESSION), &other.cookie(ACCESS));
    for (case, request, slug) in [
        ("nobody", stream(), "token-missing"),
        (
            "two sessions",
            stream().header(COOKIE, mixed),
            "session-ended",
        ),
        (
            "a client of the feed",
            world.client("GET", "/session/stream"),
            "token-missing",
        ),
    ] {
        let answer = Answer::of(request).await;
        assert_refused(&answer, 401, slug, case);
    }
    let phone = world.phone("alice").await;
    Watcher::of(phone.request(&world, "GET", "/session/stream")).await;
    let head = phone.sends(&world, "HEAD", "/session/stream").await;
    assert_eq!(
        header(&head.must_be(200), "content-type"),
        "text/event-stream"
    );
    phone.sends(&world, "DELETE", "/session").await.must_be(200);
    let dead = phone.sends(&world, "GET", "/session/stream").await;
    assert_refused(&dead, 401, "token-invalid", "an ended session");
}

#[tokio::test]
async fn places_are_few_and_are_given_back() {
    let world = World::begins_with(|plan| plan.http.max_session_streams = 40).await;
    let (alice, bob) = (world.browser("alice").await, world.browser("bob").await);
    let mut alices = Vec::new();
    for _ in 0..32 {
        alices.push(Watcher::beside(&world, &alice).await);
    }
    let mut bobs = Vec::new();
    for _ in 0..8 {
        bobs.push(Watcher::beside(&world, &bob).await);
    }
    let try_again = async |browser: &Browser| {
        let cookie = format!("{SESSION}={}", browser.cookie(SESSION));
        let request = world.request("GET", "/session/stream");
        request.header(COOKIE, cookie).send().await.unwrap()
    };
    for (browser, case) in [(&alice, "the user's are taken"), (&bob, "all are taken")] {
        let answer = try_again(browser).await;
        assert_eq!(answer.status(), 503, "{case}");
        assert!(answer.headers().contains_key("retry-after"), "{case}");
    }
    drop(bobs);
    // Noticed when something is said to them.
    eventually("a place is free again", SOON, async || {
        try_again(&bob).await.status() == 200
    })
    .await;
    assert_eq!(
        try_again(&alice).await.status(),
        503,
        "no more of this user's"
    );
    drop(alices);
    eventually("all are given back", SOON, async || {
        let metrics = world.get("/metrics").await.body;
        let metrics = metrics.as_str().unwrap();
        metrics.contains("portcullis_session_stream_clients 0\n")
    })
    .await;
}

#[tokio::test]
async fn a_stop_ends_the_streams() {
    let mut world = World::begins().await;
    let browser = world.browser("alice").await;
    let mut watcher = Watcher::beside(&world, &browser).await;
    let shutdown = world.shutdown.take().unwrap();
    shutdown.send(()).unwrap();
    assert_eq!(watcher.hears().await, None);
}
