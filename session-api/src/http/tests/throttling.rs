//! Rates of tries: by address and by account. They are used up and do not come back: in tests their
//! clock stands still.

use super::*;

/// Refused at once, so that a test may send many.
const NOBODYS: &str = "";

async fn throttled(change: impl FnOnce(&mut Plan)) -> World {
    World::begins_with(|plan| {
        plan.http.throttle = true;
        change(plan);
    })
    .await
}

impl World {
    fn try_at(&self, name: &str, password: &str, forwarded_for: Option<&str>) -> RequestBuilder {
        let body = json!({ "username": name, "password": password, "delivery": "body" });
        let request = self.request("POST", "/session").json(&body);
        match forwarded_for {
            Some(address) => request.header("x-forwarded-for", address),
            None => request,
        }
    }

    /// How many of so many tries are let through; and an answer to one that was not.
    async fn let_through(&self, tries: u32, request: impl Fn(u32) -> RequestBuilder) -> u32 {
        let mut through = 0;
        for number in 0..tries {
            match Answer::of(request(number)).await.status {
                401 => through += 1,
                429 => {}
                other => panic!("{other}"),
            }
        }
        through
    }
}

#[tokio::test]
async fn an_account_is_tried_ten_times_at_once_whether_it_exists_or_not() {
    let world = throttled(|_| {}).await;
    let mut answers = Vec::new();
    for name in ["alice", "nobody", "a b", &"x".repeat(2_000)] {
        // Upper case is another spelling of the same account, where it is a name at all.
        let upper = name.replace("alice", "ALICE").replace("nobody", "Nobody");
        let spelled = |number| if number % 2 == 0 { name } else { &upper };
        let again = |number| world.try_at(spelled(number), NOBODYS, None);
        let through = world.let_through(10, again).await;
        assert_eq!(through, 10, "{name}");
        let answer = Answer::of(world.try_at(name, PASSWORD, None)).await;
        assert_refused(&answer, 429, "rate-limited", name);
        let wait: u64 = header(&answer, "retry-after").parse().unwrap();
        assert!((1..=6).contains(&wait), "{wait}");
        let mut headers = answer.headers.clone();
        for differs in ["date", "x-request-id", "retry-after"] {
            headers.remove(differs);
        }
        answers.push((answer.body, headers));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    world.phone("bob").await;
}

/// At one address too: else whoever shares it could keep anyone out, with ten tries a minute.
#[tokio::test]
async fn strangers_do_not_use_up_what_the_owner_has() {
    let world = throttled(|_| {}).await;
    let mut browser = world.browser("alice").await;
    let phone = world.phone("alice").await;
    let strangers = |_| world.try_at("alice", NOBODYS, None);
    assert_eq!(
        world.let_through(20, strangers).await,
        8,
        "the first log-ins were two"
    );
    browser.logs_in(&world, "alice").await;
    // Nor can they keep anyone from changing the password.
    let body = json!({ "current": PASSWORD, "new": "another horse, another staple" });
    phone
        .sends_json(&world, "PUT", "/password", &body)
        .await
        .must_be(200);
}

#[tokio::test]
async fn a_thief_of_one_session_does_not_keep_the_owner_from_changing_the_password() {
    let world = throttled(|_| {}).await;
    let (stolen, owner) = (world.phone("alice").await, world.phone("alice").await);
    let new = "another horse, another staple";
    let wrong = json!({ "current": "x".repeat(300), "new": new });
    for _ in 0..10 {
        let answer = stolen.sends_json(&world, "PUT", "/password", &wrong).await;
        assert_refused(&answer, 401, "bad-credentials", "a guess");
    }
    let answer = stolen.sends_json(&world, "PUT", "/password", &wrong).await;
    assert_refused(&answer, 429, "rate-limited", "one too many");
    let right = json!({ "current": PASSWORD, "new": new });
    let answer = owner.sends_json(&world, "PUT", "/password", &right).await;
    answer.must_be(200);
}

/// Where no proxy is trusted, that is everybody's address.
#[tokio::test]
async fn a_stranger_who_has_used_up_an_address_keeps_nobody_out_who_is_known_there() {
    let world = throttled(|_| {}).await;
    let mut browser = world.browser("alice").await;
    let names: Vec<_> = (0..110).map(|number| format!("name-{number}")).collect();
    let stranger = |number| world.try_at(&names[usize::try_from(number).unwrap()], NOBODYS, None);
    assert_eq!(world.let_through(110, stranger).await, 99);
    let unknown = Answer::of(world.try_at("bob", PASSWORD, None)).await;
    assert_refused(&unknown, 429, "rate-limited", "no device");
    browser.logs_in(&world, "alice").await;
    let body = json!({ "current": PASSWORD, "new": "another horse, another staple" });
    let change = browser.request(&world, "PUT", "/password").json(&body);
    browser.sent(change).await.must_be(200);
}

/// One address does not use up what another has.
#[tokio::test]
async fn an_owner_without_a_device_logs_in_beside_a_stranger_at_another_address() {
    let world = throttled(|plan| {
        plan.http.trusted_proxies = vec!["127.0.0.1".parse::<std::net::IpAddr>().unwrap().into()];
    })
    .await;
    for (stranger, owner) in [
        ("198.51.100.7", "198.51.100.8"),
        ("2001:db8:1:1::1", "2001:db8:1:100::1"),
    ] {
        let at_work = |_| world.try_at("alice", NOBODYS, Some(stranger));
        assert!(world.let_through(20, at_work).await < 12);
        let beside = Answer::of(world.try_at("alice", PASSWORD, Some(stranger))).await;
        assert_refused(&beside, 429, "rate-limited", "the stranger's address");
        Answer::of(world.try_at("alice", PASSWORD, Some(owner)))
            .await
            .must_be(201);
    }
}

#[tokio::test]
async fn an_address_tries_a_hundred_times_at_once_whatever_it_says_it_is() {
    let world = throttled(|_| {}).await;
    let names: Vec<_> = (0..110).map(|number| format!("name-{number}")).collect();
    // No proxy is trusted, so that nobody is believed.
    let request = |number: u32| {
        let says = format!("192.0.2.{number}");
        let name = &names[usize::try_from(number).unwrap()];
        let request = world.try_at(name, NOBODYS, Some(&says));
        request
            .header("forwarded", format!("for={says}"))
            .header("x-real-ip", &says)
    };
    assert_eq!(world.let_through(110, request).await, 100);
    // A registration is a hash too.
    let body = json!({ "username": "carol", "password": PASSWORD });
    let register = Answer::of(world.request("POST", "/users").json(&body)).await;
    assert_refused(&register, 429, "rate-limited", "POST /users");
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_right_most_stranger_is_the_client() {
    let world = throttled(|plan| {
        plan.http.trusted_proxies = vec!["127.0.0.1".parse::<std::net::IpAddr>().unwrap().into()];
    })
    .await;
    let mut number = 0;
    let mut exhaust = async |forwarded_for: &str, tries: u32| {
        let first = number;
        number += tries;
        let request = |number: u32| {
            let name = format!("name-{}", first + number);
            world.try_at(&name, NOBODYS, Some(forwarded_for))
        };
        world.let_through(tries, request).await
    };
    assert_eq!(exhaust("198.51.100.7", 110).await, 100);
    // What stands left of it is the client's own word.
    for same in [
        "203.0.113.9, 198.51.100.7",
        "127.0.0.1,198.51.100.7",
        "x, 198.51.100.7:4711",
        "::ffff:198.51.100.7",
    ] {
        assert_eq!(exhaust(same, 3).await, 0, "{same}");
    }
    assert_eq!(exhaust("198.51.100.8", 3).await, 3);
    assert_eq!(exhaust("2001:db8:1:1::1", 90).await, 90);
    assert_eq!(
        exhaust("2001:db8:1:ff:ffff::", 30).await,
        10,
        "the same /56"
    );
    assert_eq!(exhaust("2001:db8:1:100::1", 3).await, 3, "another /56");
}

/// For the tests that are about something else.
#[tokio::test]
async fn without_a_throttle_nobody_waits() {
    let world = World::begins().await;
    let request = |_| world.try_at("alice", NOBODYS, None);
    assert_eq!(world.let_through(150, request).await, 150);
}
