//! Passwords that are guessed: after a hundred failures in a row a try has to wait, and nobody is
//! locked out by it for good.

use super::*;
use crate::session::Tries;
use crate::store::TrySource;
use argon2::PasswordHasher as _;
use revocation_events::{SessionId, UnixMillis};

const WRONG: &str = "wrong horse battery staple";

impl World {
    async fn tries(&self, name: &str, password: &str) -> Answer {
        self.tries_with(name, password, json!({})).await
    }

    async fn tries_with(&self, name: &str, password: &str, more: Value) -> Answer {
        let mut body = json!({ "username": name, "password": password, "delivery": "body" });
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        Answer::of(self.request("POST", "/session").json(&body)).await
    }

    /// What is counted for strangers, or for `session`.
    async fn counted(&self, name: &str, session: Option<&str>) -> Tries {
        let mut tx = self.store.begin().await.unwrap();
        let source = self.source(name, session).await;
        tx.lock_tries(source).await.unwrap().0
    }

    async fn source(&self, name: &str, session: Option<&str>) -> TrySource {
        let session = session.map(|id| id.parse::<SessionId>().unwrap().uuid());
        TrySource {
            account: self.user_id(name).await,
            source: session.unwrap_or_default(),
        }
    }

    /// As if so many tries had failed, and the way were closed until then.
    async fn has_failed(&self, source: TrySource, failed: u32, closed_until: UnixMillis) {
        let tries = Tries {
            failed,
            closed_until,
        };
        let mut tx = self.store.begin().await.unwrap();
        tx.lock_tries(source).await.unwrap();
        tx.save_tries(source, tries).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Strangers have used up what they may try.
    async fn is_closed_to_strangers(&self, name: &str) {
        let until = crate::clock::now().plus(Duration::from_secs(3600));
        let source = self.source(name, None).await;
        self.has_failed(source, 107, until).await;
    }
}

fn in_an_hour() -> UnixMillis {
    crate::clock::now().plus(Duration::from_secs(3600))
}

/// An answer but for what differs between any two.
fn comparable(answer: &Answer) -> (u16, Value, reqwest::header::HeaderMap) {
    let mut headers = answer.headers.clone();
    for differs in ["date", "x-request-id"] {
        headers.remove(differs);
    }
    (answer.status, answer.body.clone(), headers)
}

#[tokio::test]
async fn after_a_hundred_failures_the_right_password_waits_and_nobody_is_told() {
    let world = World::begins().await;
    let unknown = comparable(&world.tries("nobody", WRONG).await);
    for failed in 1..=100 {
        let answer = world.tries("alice", WRONG).await;
        assert_eq!(comparable(&answer), unknown, "try {failed}");
    }
    let closed = world.counted("alice", None).await;
    assert_eq!(closed.failed, 100);
    let wait = closed.closed_until.since(crate::clock::now());
    assert!(wait > Duration::from_secs(10) && wait <= Duration::from_secs(30));
    for password in [PASSWORD, WRONG, PASSWORD] {
        let answer = world.tries("alice", password).await;
        assert_eq!(comparable(&answer), unknown, "no different: {password}");
    }
    // Knocking does not keep it closed.
    assert_eq!(world.counted("alice", None).await, closed);
    world.tries("bob", PASSWORD).await.must_be(201);

    let alice = world.service.user_by_name("alice").await.unwrap().unwrap();
    assert!(world.service.unlock(&alice).await.unwrap().had_failed);
    world.tries("alice", PASSWORD).await.must_be(201);
}

#[tokio::test]
async fn after_the_wait_one_try_counts_again() {
    let world = World::begins().await;
    let passed = crate::clock::now().minus(Duration::from_millis(1));
    let source = world.source("alice", None).await;
    world.has_failed(source, 102, passed).await;
    assert_eq!(world.tries("alice", WRONG).await.status, 401);
    let closed = world.counted("alice", None).await;
    let wait = closed.closed_until.since(crate::clock::now());
    assert!(wait > Duration::from_secs(200) && wait <= Duration::from_secs(240));
    assert_eq!(world.tries("alice", PASSWORD).await.status, 401, "closed");

    world.has_failed(source, 103, passed).await;
    world.tries("alice", PASSWORD).await.must_be(201);
    assert_eq!(
        world.counted("alice", None).await.failed,
        0,
        "all forgotten"
    );
}

#[tokio::test]
async fn a_right_password_begins_the_count_anew() {
    let world = World::begins().await;
    for _ in 0..3 {
        world.tries("alice", WRONG).await;
    }
    assert_eq!(world.counted("alice", None).await.failed, 3);
    world.tries("alice", PASSWORD).await.must_be(201);
    assert_eq!(world.counted("alice", None).await.failed, 0);
    // What can be nobody's password is no try.
    for nobodys in ["", &"x".repeat(300)] {
        world.tries("alice", nobodys).await;
    }
    assert_eq!(world.counted("alice", None).await.failed, 0);
}

#[tokio::test]
async fn a_device_of_the_owner_is_let_in_where_strangers_wait() {
    let world = World::begins().await;
    let mut browser = world.browser("alice").await;
    let phone = text(
        &world.tries("alice", PASSWORD).await.must_be(201),
        "device_token",
    );
    browser
        .sends(&world, "DELETE", "/session")
        .await
        .must_be(200);
    world.is_closed_to_strangers("alice").await;
    assert_eq!(world.tries("alice", PASSWORD).await.status, 401);
    // It keeps its token, and is known by it the next time too.
    let token = browser.cookie(DEVICE);
    browser.logs_in(&world, "alice").await;
    assert_eq!(browser.cookie(DEVICE), token);

    world.is_closed_to_strangers("alice").await;
    let shown = json!({ "device_token": phone });
    let again = world.tries_with("alice", PASSWORD, shown.clone()).await;
    assert_eq!(text(&again.must_be(201), "device_token"), phone);

    // It has a hundred tries of its own, and no more; a stranger's are not among them.
    for _ in 0..100 {
        let wrong = world.tries_with("alice", WRONG, shown.clone()).await;
        assert_eq!(wrong.status, 401);
    }
    let closed = world.tries_with("alice", PASSWORD, shown).await;
    assert_refused(&closed, 401, "bad-credentials", "closed to the device");
    world.tries("alice", PASSWORD).await.must_be(201);
}

/// A link to the account page may hold anything.
#[tokio::test]
async fn a_worthless_device_token_takes_no_good_ones_place() {
    let world = World::begins().await;
    let browser = world.browser("alice").await;
    let bobs = world.browser("bob").await.cookie(DEVICE);
    let shows = |in_body: &str, cookie: &str| {
        let body = json!({ "username": "alice", "password": PASSWORD, "device_token": in_body });
        let request = world.request("POST", "/session").json(&body);
        Answer::of(request.header(COOKIE, format!("{DEVICE}={cookie}")))
    };
    let hers = browser.cookie(DEVICE);
    for worthless in ["x", "", &bobs] {
        // A right password opens it again.
        for (in_body, cookie) in [(worthless, &*hers), (&*hers, worthless)] {
            world.is_closed_to_strangers("alice").await;
            shows(in_body, cookie).await.must_be(201);
        }
        world.is_closed_to_strangers("alice").await;
        let refused = shows(worthless, &bobs).await;
        assert_refused(&refused, 401, "bad-credentials", worthless);
    }
}

#[tokio::test]
async fn nobody_makes_up_a_device() {
    let world = World::begins().await;
    let of = async |name| {
        let answer = world.tries(name, PASSWORD).await.must_be(201);
        text(&answer, "device_token")
    };
    let (own, bobs) = (of("alice").await, of("bob").await);
    let mut altered = own.clone();
    altered.replace_range(0..1, if own.starts_with('A') { "B" } else { "A" });
    let mut mac = own.clone();
    mac.replace_range(40..41, if &own[40..41] == "A" { "B" } else { "A" });
    let long = "A".repeat(10_000);
    world.is_closed_to_strangers("alice").await;
    for forged in [
        "",
        "x",
        &own[..63],
        &own[..21],
        &format!("{own}A"),
        &altered,
        &mac,
        &bobs,
        &long,
        &"é".repeat(32),
        "________________________________________________________________",
    ] {
        let shown = json!({ "device_token": forged });
        let answer = world.tries_with("alice", PASSWORD, shown).await;
        assert_refused(&answer, 401, "bad-credentials", forged);
    }
    // In a cookie neither, nor twice, nor beside a header.
    let in_cookie = |cookie: String| {
        let body = json!({ "username": "alice", "password": PASSWORD });
        let request = world.request("POST", "/session").json(&body);
        request.header(COOKIE, cookie)
    };
    for request in [
        in_cookie(format!("{DEVICE}={bobs}")),
        in_cookie(format!("{DEVICE}={own}; {DEVICE}={own}")),
        in_cookie(format!("{DEVICE}={own}")).bearer_auth("x"),
    ] {
        assert_refused(&Answer::of(request).await, 401, "bad-credentials", "cookie");
    }
    let right = in_cookie(format!("{DEVICE}={own}"));
    Answer::of(right).await.must_be(201);
}

#[tokio::test]
async fn whoever_stole_a_token_guesses_no_more_than_a_stranger() {
    let world = World::begins().await;
    let (stolen, other) = (world.phone("alice").await, world.phone("alice").await);
    let new = "another horse, another staple";
    let change = |current: &str| json!({ "current": current, "new": new });
    let put = async |phone: &Phone, current| {
        phone
            .sends_json(&world, "PUT", "/password", &change(current))
            .await
    };
    assert_eq!(put(&stolen, WRONG).await.status, 401);
    let session = Some(&*stolen.id);
    assert_eq!(world.counted("alice", session).await.failed, 1);
    let source = world.source("alice", session).await;
    world.has_failed(source, 107, in_an_hour()).await;
    let refused = put(&stolen, PASSWORD).await;
    assert_refused(&refused, 401, "bad-credentials", "closed to this session");
    world.is_closed_to_strangers("alice").await;
    put(&other, PASSWORD).await.must_be(200);
    assert_eq!(world.counted("alice", None).await.failed, 0, "a new start");
    world.tries("alice", new).await.must_be(201);
}

/// A password that an operator sets is a new start as well.
#[tokio::test]
async fn a_new_password_opens_what_was_closed() {
    let world = World::begins().await;
    world.is_closed_to_strangers("alice").await;
    let alice = world.user_id("alice").await;
    let new = "another horse, another staple";
    world.service.set_password(alice, new).await.unwrap();
    world.tries("alice", new).await.must_be(201);
}

#[tokio::test]
async fn a_hash_of_old_parameters_is_made_again_at_a_login() {
    let world = World::begins().await;
    let alice = world.user_id("alice").await;
    let hash = async || {
        let found = world.store.user(alice).await.unwrap();
        found.unwrap().row.password_hash
    };
    // As an earlier version would have stored it.
    let params = argon2::Params::new(8_192, 1, 1, None).unwrap();
    let old = argon2::Argon2::new(Default::default(), Default::default(), params);
    let old = old.hash_password(PASSWORD.as_bytes()).unwrap().to_string();
    let today = hash().await;
    let (id, new) = (alice, &*old);
    world
        .store
        .replace_password_hash(id, &today, new)
        .await
        .unwrap();
    assert_eq!(world.tries("alice", WRONG).await.status, 401);
    assert_eq!(hash().await, old, "not known to be right");
    world.tries("alice", PASSWORD).await.must_be(201);
    let made_again = hash().await;
    assert!(
        made_again.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{made_again}"
    );
    world.tries("alice", PASSWORD).await.must_be(201);
    assert_eq!(hash().await, made_again, "once");
}
