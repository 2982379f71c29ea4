//! Replicas of the service that die, hear nothing of each other, or stand still: any of them
//! publishes what any of them has committed.

use super::{MAX_STALENESS, gate_of, says_that_it_is_stale, verdict_becomes};
use crate::revocation::{SOON, World};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use std::time::{Duration, Instant};
use tests::eventually::{eventually, until};
use tests::link::Condition;
use tests::user::Answer;
use tests::{Gate, Link, Nats, SessionApi};

/// Two replicas, the first with a line to the bus, and a gate that knows the bus alone by now.
struct Two {
    world: World,
    first_to_bus: Link,
    second: SessionApi,
    gate: Gate,
    _cut: Link,
}

/// The claim is a second. A busy machine gets more, and again what it made one question wait; still it
/// is long before the gate's view is too old.
const AT_ONCE: Duration = Duration::from_secs(2);

impl Two {
    async fn begin() -> Self {
        Self::begin_with(async |_: &mut World| {}).await
    }

    async fn begin_with(change: impl AsyncFnOnce(&mut World)) -> Self {
        let nats = Nats::start().await;
        let url = nats.url();
        let first_to_bus = Link::before(&url).await;
        let on_line = first_to_bus.url().to_owned();
        let mut world = World::begins_on(nats, |settings| settings.nats(&on_line)).await;
        change(&mut world).await;
        let second = world.service.replica_with(|second| second.nats(&url)).await;
        let http = Link::before(second.url()).await;
        let settings = gate_of(&world).nats(&url).service_url(http.url());
        let gate = settings.start().await;
        http.becomes(Condition::CUT);
        Self {
            world,
            first_to_bus,
            second,
            gate,
            _cut: http,
        }
    }

    /// Alice logs out at the first replica, which dies as soon as that is committed. It could tell
    /// neither the bus nor her.
    async fn a_log_out_is_committed_and_no_more(&mut self, token: &str) {
        self.first_to_bus.becomes(Condition::FROZEN);
        let mut database = PgConnection::connect(self.world.database.url())
            .await
            .unwrap();
        let request = reqwest::Client::new()
            .delete(format!("{}/session", self.world.service.url()))
            .bearer_auth(token);
        let answer = tokio::spawn(request.send());
        until("the commit", SOON, async || {
            let committed: i64 = sqlx::query_scalar("select count(*) from revocation")
                .fetch_one(&mut database)
                .await
                .unwrap();
            (committed > 0).then_some(())
        })
        .await;
        self.world.service.kill();
        // On a slow machine she was told that it is not published.
        let _nobody_told_her = answer.await.unwrap();
        // What was on its way to the bus goes with it.
        self.first_to_bus.becomes(Condition::CUT);
    }

    async fn the_other_publishes_it(mut self) {
        let (mut alice, mut admin) = (self.world.alice(), self.world.admin());
        alice.logs_in().await;
        admin.logs_in().await;
        let (dead, good) = (alice.access_token(), admin.access_token());
        for token in [&dead, &good] {
            verdict_becomes(&self.gate, token, 200, &[503]).await;
        }
        self.a_log_out_is_committed_and_no_more(&dead).await;
        let committed = Instant::now();
        // By nobody but the other: the first one stays dead.
        let (mut asked, mut longest) = (committed, Duration::ZERO);
        until("a refusal", SOON, async || {
            let verdict = self.gate.verdict(&dead).await;
            longest = longest.max(asked.elapsed());
            asked = Instant::now();
            (verdict == 401).then_some(())
        })
        .await;
        let told = committed.elapsed();
        assert!(
            told < AT_ONCE + longest,
            "the other told the gate {told:?} later"
        );
        // And it beats alone.
        until("longer than a heartbeat lasts", 2 * SOON, async || {
            let alone = committed.elapsed();
            let accepts = gate_goes_on(&self.gate, &dead, &good).await;
            (accepts && alone > MAX_STALENESS).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn what_a_replica_committed_before_it_died_another_publishes_at_once() {
    Two::begin().await.the_other_publishes_it().await;
}

/// A function of that name in front of Postgres's own, which says nothing to anyone.
const SILENCE: &str = "
    create function public.pg_notify(text, text) returns void language sql as '';
    do $$ begin
        execute format('alter database %I set search_path = public, pg_catalog',
                       current_database());
    end $$";

#[tokio::test]
async fn where_every_notification_is_lost_another_replica_publishes_all_the_same() {
    let two = Two::begin_with(async |world| {
        let database = world.database.url();
        let mut connection = PgConnection::connect(database).await.unwrap();
        sqlx::raw_sql(SILENCE)
            .execute(&mut connection)
            .await
            .unwrap();
        world.service.restart().await;
    });
    two.await.the_other_publishes_it().await;
}

/// Whether it accepts `good` now. `dead` stays dead, and neither is judged wrongly; where the machine
/// stood still for long, it may say of both that it cannot tell.
async fn gate_goes_on(gate: &Gate, dead: &str, good: &str) -> bool {
    let (dead, good) = (gate.verdict(dead).await, gate.verdict(good).await);
    assert!([401, 503].contains(&dead), "{dead} for a dead token");
    assert!([200, 503].contains(&good), "{good} for a good one");
    good == 200
}

/// After that a replica gives up a line on which no ping is answered, and sends nothing more.
const BELIEVES_IN_A_LINE: Duration = Duration::from_secs(2);

/// Heartbeats that it cut are on the line, and it stands still.
async fn stops_with_pages_under_way(service: &SessionApi, line: &Link) {
    until("two heartbeats are under way", 6 * SOON, async || {
        let ready = reqwest::get(format!("{}/readyz", service.url())).await;
        let ready: serde_json::Value = ready.unwrap().json().await.unwrap();
        if ready["bus"] != "connected" {
            return None;
        }
        line.becomes(Condition::FROZEN);
        let held = line.holds("PUB sessions.v1.heartbeats ", 2);
        let held = tokio::time::timeout(BELIEVES_IN_A_LINE, held).await;
        if held.is_err() {
            // A busy machine had no time for two: from the beginning, with a line that it believes in.
            line.becomes(Condition::WELL);
        }
        held.ok()
    })
    .await;
    service.program().server().freeze();
}

#[tokio::test]
async fn a_replica_that_stood_still_brings_no_token_back_and_takes_none_away() {
    let two = Two::begin().await;
    let Two { world, gate, .. } = &two;
    let (mut alice, mut admin) = (world.alice(), world.admin());
    alice.logs_in().await;
    admin.logs_in().await;
    let (dead, good) = (alice.access_token(), admin.access_token());
    verdict_becomes(gate, &dead, 200, &[503]).await;
    stops_with_pages_under_way(&world.service, &two.first_to_bus).await;
    let stopped = Instant::now();
    alice.moves_to(&two.second);
    alice.logs_out().await;
    verdict_becomes(gate, &dead, 401, &[200, 503]).await;
    until("the other one beats for long", 2 * SOON, async || {
        let alone = stopped.elapsed();
        let accepts = gate_goes_on(gate, &dead, &good).await;
        (accepts && alone > MAX_STALENESS).then_some(())
    })
    .await;

    // What it cut before goes out now, and then it goes on where it was.
    two.first_to_bus.becomes(Condition::WELL);
    world.service.program().server().thaw();
    alice.moves_to(&world.service);
    alice.tries_to_refresh().await.must_be(401);
    until("it publishes as before", 4 * SOON, async || {
        gate_goes_on(gate, &dead, &good).await;
        alice.logs_in().await;
        let published = alice.logs_out().await.body["published"].take();
        (published == true).then_some(())
    })
    .await;
    verdict_becomes(gate, &good, 200, &[503]).await;
    admin.logs_out().await;
    verdict_becomes(gate, &good, 401, &[200, 503]).await;
}

/// Its client took it for lost, and went on at another replica.
#[tokio::test]
async fn a_refresh_that_a_frozen_replica_held_back_ends_no_session() {
    let two = Two::begin().await;
    let Two { world, second, .. } = &two;
    let mut alice = world.alice();
    alice.logs_in().await;
    let first = alice.session_token();
    let refresh = |service: &SessionApi, token: &str, key: &str| {
        let request = reqwest::Client::new()
            .post(format!("{}/session/refresh", service.url()))
            .header("Idempotency-Key", key)
            .json(&json!({ "session_token": token }));
        Answer::of(request)
    };
    let server = world.service.program().server();
    server.freeze();
    let held_back = tokio::spawn(refresh(&world.service, &first, "the-key-of-the-first"));
    let again = refresh(second, &first, "the-key-of-the-first").await;
    let token = again.must_be(200).body["session_token"].take();
    let next = refresh(second, token.as_str().unwrap(), "the-key-of-the-next").await;
    let token = next.must_be(200).body["session_token"].take();
    assert!(!held_back.is_finished());

    server.thaw();
    let late = held_back.await.unwrap().must_be(401);
    assert_eq!(late.problem(), Some("session-ended"));
    let goes_on = refresh(second, token.as_str().unwrap(), "the-key-of-the-last").await;
    goes_on.must_be(200);
}

#[tokio::test]
async fn pages_that_go_out_late_make_no_verifier_fresh() {
    let nats = Nats::start().await;
    let url = nats.url();
    let to_bus = Link::before(&url).await;
    let world = World::begins_on(nats, |settings| settings.nats(to_bus.url())).await;
    let http = Link::before(world.service.url()).await;
    let settings = gate_of(&world).nats(&url).service_url(http.url());
    let gate = settings.start().await;
    let mut alice = world.alice();
    alice.logs_in().await;
    let token = alice.access_token();
    verdict_becomes(&gate, &token, 200, &[503]).await;

    http.becomes(Condition::CUT);
    stops_with_pages_under_way(&world.service, &to_bus).await;
    let stopped = Instant::now();
    eventually("all that was cut is old", SOON, async || {
        stopped.elapsed() > MAX_STALENESS
    })
    .await;
    let pages = async || {
        let readiness = gate.readiness().await.body;
        readiness["counts"]["pages"].as_u64().unwrap()
    };
    let before = pages().await;
    to_bus.becomes(Condition::WELL);
    eventually("what is late arrives", SOON, async || {
        says_that_it_is_stale(&gate, &token).await;
        pages().await >= before + 2
    })
    .await;
    says_that_it_is_stale(&gate, &token).await;

    world.service.program().server().thaw();
    verdict_becomes(&gate, &token, 200, &[503]).await;
}
