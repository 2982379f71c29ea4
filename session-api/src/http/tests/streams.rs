//! Clients of the stream: how many there may be, and what becomes of the slow ones.

use super::feed::{Listener, SOON};
use super::*;
use crate::http::places::Places;
use crate::http::stream::PageStream;
use futures::StreamExt as _;

fn one_place() -> Places {
    Places::new(Caps {
        all: 1,
        client: 1,
        address: None,
    })
}

#[tokio::test]
async fn streams_have_a_cap_and_give_their_places_back() {
    let world = World::begins_with(|plan| plan.http.streams.all = 2).await;
    let open = || Listener::of(world.client("GET", "/revocations/stream"));
    let (first, _second) = (open().await, open().await);
    let third = Answer::of(world.client("GET", "/revocations/stream")).await;
    assert_refused(&third, 503, "overloaded", "one too many");
    drop(first);
    tests::eventually("a place is free again", SOON, async || {
        let answer = world
            .client("GET", "/revocations/stream")
            .send()
            .await
            .unwrap();
        answer.status() == 200
    })
    .await;
}

#[tokio::test]
async fn a_client_that_falls_behind_is_told_to_begin_anew() {
    let world = World::begins().await;
    let relay = world.service.relay().clone();
    let latest = relay.latest().await.unwrap();
    let live = relay.live();
    let place = one_place().take(None, None).ok().unwrap();
    let stream = PageStream::begin(
        relay.clone(),
        None,
        latest,
        live,
        CancellationToken::new(),
        None,
        place,
    );
    let mut events = Box::pin(stream.await.unwrap().events(SOON));
    // Nobody reads while more pages go out than are kept for one who is slow.
    let phone = world.phone("alice").await;
    for _ in 0..300 {
        world
            .service
            .end_sessions(world.user_id("alice").await, None)
            .await
            .unwrap();
    }
    drop(phone);
    let to_the_end = async {
        let mut heard = 0;
        while events.next().await.is_some() {
            heard += 1;
        }
        heard
    };
    let heard = tokio::time::timeout(SOON, to_the_end)
        .await
        .expect("an end");
    assert!(heard <= 2, "{heard}: what was on its way, and then the end");
}

/// It reads nothing, so that nobody asks its body for more.
#[tokio::test]
async fn a_client_that_does_not_read_gives_its_place_to_others() {
    let world = World::begins().await;
    let relay = world.service.relay().clone();
    let (latest, live) = (relay.latest().await.unwrap(), relay.live());
    let places = one_place();
    let place = places.take(None, None).ok().unwrap();
    let stopping = CancellationToken::new();
    let stream = PageStream::begin(relay, None, latest, live, stopping, None, place);
    let _unread = stream.await.unwrap().events(Duration::from_millis(200));
    assert_eq!(places.taken(), 1);
    tests::eventually("the place is free", SOON, async || places.taken() == 0).await;
}

/// One credential is one service, and one address one machine: neither takes it all.
#[tokio::test]
async fn no_client_and_no_address_takes_all_streams() {
    let caps = Caps {
        all: 8,
        client: 3,
        address: Some(5),
    };
    let world = World::begins_with(|plan| {
        plan.http.streams = caps;
        plan.http.open_feed = true;
        plan.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let stream = |client: bool, address: &str| {
        let path = "/revocations/stream";
        let request = if client {
            world.client("GET", path)
        } else {
            world.request("GET", path)
        };
        request.header("x-forwarded-for", address)
    };
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(Listener::of(stream(true, "192.0.2.1")).await);
    }
    let fourth = Answer::of(stream(true, "192.0.2.2")).await;
    assert_refused(&fourth, 429, "rate-limited", "the client's share");
    for _ in 3..5 {
        held.push(Listener::of(stream(false, "192.0.2.1")).await);
    }
    let sixth = Answer::of(stream(false, "192.0.2.1")).await;
    assert_refused(&sixth, 429, "rate-limited", "the address's share");
    for _ in 5..8 {
        held.push(Listener::of(stream(false, "192.0.2.2")).await);
    }
    let ninth = Answer::of(stream(false, "192.0.2.3")).await;
    assert_refused(&ninth, 503, "overloaded", "all are taken");
}

#[tokio::test]
async fn a_client_that_is_gone_or_has_another_secret_loses_its_stream() {
    let world = World::begins().await;
    for name in ["removed", "rotated"] {
        let client = ClientRow {
            name: name.to_owned(),
            secret_hash: Sha256::digest(name).into(),
            created_at: crate::clock::now(),
        };
        world.store.add_client(&client).await.unwrap().unwrap();
    }
    let stream = |name: &str, secret: &str| {
        let request = world.request("GET", "/revocations/stream");
        Listener::of(request.basic_auth(name, Some(secret)))
    };
    let mut removed = stream("removed", "removed").await;
    let mut rotated = stream("rotated", "rotated").await;
    let mut stays = stream(CLIENT, CLIENT_SECRET).await;
    assert!(world.store.remove_client("removed").await.unwrap());
    assert!(
        world
            .store
            .set_client_secret("rotated", [7; 32])
            .await
            .unwrap()
    );
    for lost in [&mut removed, &mut rotated] {
        let to_the_end = async { while lost.next().await.is_some() {} };
        tokio::time::timeout(SOON, to_the_end)
            .await
            .expect("an end");
    }
    let phone = world.phone("alice").await;
    world.ends(&phone).await;
    stays.hears_of(&world, &phone.id).await;
}

#[tokio::test]
async fn a_stop_ends_the_streams_and_finishes_what_was_taken() {
    let hasher = Hasher::new(1);
    let held = hasher.clone();
    let mut world = World::begins_with(|plan| plan.hasher = hasher).await;
    let mut stream = Listener::of(world.client("GET", "/revocations/stream")).await;
    stream.page(&world).await;
    let hold = held.hold().await;
    let body = json!({ "username": "alice", "password": PASSWORD });
    let login = tokio::spawn(Answer::of(world.request("POST", "/session").json(&body)));
    tests::eventually("the login was taken", SOON, async || held.in_line() == 1).await;
    world.shutdown.take().unwrap().send(()).unwrap();
    while stream.next().await.is_some() {}
    tests::eventually("no new connection is taken", SOON, async || {
        reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .get(&world.url)
            .send()
            .await
            .is_err()
    })
    .await;
    drop(hold);
    login.await.unwrap().must_be(201);
    let server = world.server.take().unwrap();
    tokio::time::timeout(SOON, server)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
