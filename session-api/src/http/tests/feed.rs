//! The feed over HTTP, eaten by the verifiers' own state machine.

use super::*;
use revocation_events::{Page, Position, Target};
use std::collections::VecDeque;

pub(super) const SOON: Duration = Duration::from_secs(60);

impl World {
    /// As a verifier reads a page: signature, issuer, positions.
    fn page(&self, text: &str) -> Page {
        let ring = self.service.keys().ring();
        Page::verify(text, &self.url, |kid| ring.access_key(kid))
            .unwrap()
            .page
    }

    async fn pages(&self, path: &str) -> Vec<Page> {
        let answer = Answer::of(self.client("GET", path)).await.must_be(200);
        assert_eq!(header(&answer, "content-type"), "application/json");
        let texts = answer.body.as_array().unwrap().clone();
        texts
            .iter()
            .map(|text| self.page(text.as_str().unwrap()))
            .collect()
    }

    pub(super) async fn ends(&self, phone: &Phone) -> Position {
        let answer = phone.sends(self, "DELETE", "/session").await.must_be(200);
        let position = Position::new(answer.body["position"].as_u64().unwrap()).unwrap();
        // The answer waits a second for it, in which a busy machine may not come to it.
        self.has_cut(position).await;
        position
    }

    /// Waits until the feed reaches there.
    async fn has_cut(&self, position: Position) {
        let relay = self.service.relay();
        tests::eventually("the replica has cut it", SOON, async || {
            relay
                .latest_now()
                .is_some_and(|latest| latest.to >= position)
        })
        .await;
    }
}

/// Each may read 64,001 rows and sign 64 pages.
#[tokio::test]
async fn where_too_many_catch_up_the_next_comes_back_and_others_wait_for_nothing() {
    let world = World::begins().await;
    let phone = world.phone("alice").await;
    let four = world.catching_up.clone().acquire_many_owned(4);
    let four = four.await.unwrap();
    for path in ["/revocations", "/revocations/stream"] {
        let (next, refresh) = tokio::join!(
            Answer::of(world.client("GET", path)),
            Answer::of(world.request("GET", "/session").bearer_auth(&phone.access)),
        );
        assert_refused(&next, 503, "overloaded", path);
        refresh.must_be(200);
    }
    let body = json!({ "session_token": phone.session });
    let refresh = world.request("POST", "/session/refresh").json(&body);
    Answer::of(refresh).await.must_be(200);
    drop(four);
    world.pages("/revocations").await;
    assert_eq!(world.catching_up.available_permits(), 4);
}

/// One connection to the stream.
pub(super) struct Listener {
    response: reqwest::Response,
    unread: String,
    events: VecDeque<(String, String)>,
}

impl Listener {
    pub(super) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self {
            response,
            unread: String::new(),
            events: VecDeque::new(),
        }
    }

    /// The next event's `id` and `data`; nothing at the stream's end.
    pub(super) async fn next(&mut self) -> Option<(String, String)> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let piece = tokio::time::timeout(SOON, self.response.chunk())
                .await
                .expect("an event soon");
            self.unread
                .push_str(std::str::from_utf8(&piece.ok()??).unwrap());
            while let Some((event, rest)) = self.unread.split_once("\n\n") {
                let (id, data) = event.split_once('\n').unwrap();
                let id = id.strip_prefix("id: ").unwrap().to_owned();
                self.events
                    .push_back((id, data.strip_prefix("data: ").unwrap().to_owned()));
                self.unread = rest.to_owned();
            }
        }
    }

    pub(super) async fn page(&mut self, world: &World) -> Page {
        let (id, data) = self.next().await.expect("the stream goes on");
        let page = world.page(&data);
        assert_eq!(id, page.to.to_string());
        page
    }

    /// Reads until a page reveals the end of that session; where its `from` was.
    pub(super) async fn hears_of(&mut self, world: &World, session: &str) -> Page {
        let target = Target::Session(session.parse().unwrap());
        loop {
            let page = self.page(world).await;
            if page
                .revoked
                .iter()
                .any(|revocation| revocation.target == target)
            {
                return page;
            }
        }
    }
}

#[tokio::test]
async fn all_live_revocations_in_pages() {
    let world = World::begins().await;
    let empty = world.pages("/revocations").await;
    assert_eq!(
        (empty.len(), empty[0].revoked.len(), empty[0].more),
        (1, 0, false)
    );
    let phone = world.phone("alice").await;
    let position = world.ends(&phone).await;
    for path in [
        "/revocations".to_owned(),
        "/revocations?after=0".to_owned(),
        format!("/revocations?after={}", empty[0].to),
    ] {
        let pages = world.pages(&path).await;
        let last = &pages.last().unwrap().revoked;
        assert_eq!(
            last.last().map(|revocation| revocation.position),
            Some(position),
            "{path}"
        );
    }
    // Above the head: a heartbeat.
    let above = world.pages("/revocations?after=9007199254740991").await;
    assert_eq!((above.len(), above[0].from == above[0].to), (1, true));
    for bad in [
        "",
        "x",
        "-1",
        "+1",
        "1.0",
        "9007199254740992",
        "1&after=2",
        "1&x=1",
    ] {
        for path in ["/revocations", "/revocations/stream"] {
            let answer = Answer::of(world.client("GET", &format!("{path}?after={bad}"))).await;
            assert_refused(&answer, 400, "bad-request", &format!("{path} {bad}"));
        }
    }
}

#[tokio::test]
async fn a_stream_begins_with_what_is_missing_and_goes_on_live() {
    let world = World::begins().await;
    let before = world.pages("/revocations").await[0].to;
    let (first, second, third) = (
        world.phone("alice").await,
        world.phone("alice").await,
        world.phone("alice").await,
    );
    let first_end = world.ends(&first).await;
    let mut stream =
        Listener::of(world.client("GET", &format!("/revocations/stream?after={before}"))).await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("x-accel-buffering", "no"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(stream.response.headers()[name], value);
    }
    stream.hears_of(&world, &first.id).await;
    world.ends(&second).await;
    let live = stream.hears_of(&world, &second.id).await;
    assert!(
        live.from <= first_end,
        "no gap between what was missing and what came live"
    );
    // Heartbeats come too.
    let mut heartbeat = stream.page(&world).await;
    while heartbeat.from != heartbeat.to {
        heartbeat = stream.page(&world).await;
    }

    // A reconnect: the last id beats the parameter.
    world.ends(&third).await;
    let again = world
        .client("GET", "/revocations/stream?after=0")
        .header("last-event-id", live.to.to_string());
    let mut again = Listener::of(again).await;
    let page = again.page(&world).await;
    assert_eq!(page.from, live.to);
    for bad in ["", "x", "-1"] {
        let answer = Answer::of(
            world
                .client("GET", "/revocations/stream")
                .header("last-event-id", bad),
        )
        .await;
        assert_refused(&answer, 400, "bad-request", bad);
    }
    // What does not count is read all the same: a slip of the pen is not for later.
    let beside = world
        .client("GET", "/revocations/stream?after=x")
        .header("last-event-id", "0");
    assert_refused(&Answer::of(beside).await, 400, "bad-request", "beside");
    let head = Answer::of(world.client("HEAD", "/revocations/stream"))
        .await
        .must_be(200);
    assert_eq!(header(&head, "content-type"), "text/event-stream");
}

#[tokio::test]
async fn a_long_catch_up_comes_whole_and_in_order() {
    const MANY: i64 = 65_500;
    let world = World::begins().await;
    // More than the 64 pages of one read, all of them above the head until now, which is 0.
    let mut tx = world.store.begin().await.unwrap();
    let taken = tx.take_position(Position::ZERO).await.unwrap();
    let last = taken.position;
    let event = |version: i64| {
        let below = u64::try_from(MANY - version).unwrap();
        let position = Position::new(last.get() - below).unwrap();
        let fact = crate::session::Fact::EveryoneRevoked { position };
        crate::session::Event {
            stream: crate::session::Stream::Everyone,
            version,
            at: taken.now,
            fact,
        }
    };
    let events: Vec<_> = (1..=MANY).map(event).collect();
    for events in events.chunks(1_000) {
        tx.append(events).await.unwrap();
    }
    tx.commit().await.unwrap();
    world.has_cut(last).await;
    let pages = world.pages("/revocations?after=0").await;
    assert_eq!((pages.len(), pages[63].more), (64, true));
    let mut stream = Listener::of(world.client("GET", "/revocations/stream?after=0")).await;
    let (mut to, mut revoked) = (pages[0].from, 0);
    while to < last {
        let page = stream.page(&world).await;
        assert!(page.from <= to, "a gap");
        revoked += page
            .revoked
            .iter()
            .filter(|revocation| revocation.position > to)
            .count();
        to = page.to;
    }
    assert_eq!(i64::try_from(revoked), Ok(MANY));
}

#[tokio::test]
async fn before_the_first_cut_there_is_nothing_to_say() {
    let world = World::begins_with(|plan| plan.relays = false).await;
    for path in ["/revocations", "/revocations/stream"] {
        assert_refused(
            &Answer::of(world.client("GET", path)).await,
            503,
            "overloaded",
            path,
        );
    }
    let phone = world.phone("alice").await;
    let answer = phone.sends(&world, "DELETE", "/session").await.must_be(200);
    assert_eq!(
        (&answer.body["revoked"], &answer.body["published"]),
        (&json!(1), &json!(false))
    );
}
