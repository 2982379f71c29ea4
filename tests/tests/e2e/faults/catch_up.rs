//! Pages that were missed: whatever was lost on the way, a verifier learns of every revocation from
//! whoever is left.

use super::{
    HEARTBEATS, MAX_STALENESS, acceptance_ends_in_time, gate_of, is_not_ready,
    says_that_it_is_stale, two, verdict_becomes,
};
use crate::revocation::{PAGES, SOON, STREAM, World, stored_up_to};
use async_nats::jetstream::{self, stream::Stream};
use futures::StreamExt as _;
use std::time::{Duration, Instant};
use tests::eventually::{eventually, until};
use tests::link::Condition;
use tests::{Gate, Link, Nats};

/// A gate with a line to the bus and one to the service.
struct OnLines {
    gate: Gate,
    bus: Link,
    http: Link,
}

impl OnLines {
    async fn begins(world: &World) -> Self {
        let bus = Link::before(&world.nats.url()).await;
        let http = Link::before(world.service.url()).await;
        let settings = gate_of(world).nats(bus.url()).service_url(http.url());
        Self {
            gate: settings.start().await,
            bus,
            http,
        }
    }

    /// Hears of nothing any more, neither over NATS nor over HTTP.
    fn is_cut_off(&self) {
        self.bus.becomes(Condition::CUT);
        self.http.becomes(Condition::CUT);
    }
}

async fn http_stands_in_while_the_line_to_nats_is(lost: Condition) {
    let world = World::begins().await;
    let bus = Link::before(&world.nats.url()).await;
    // With the default of ten seconds.
    let settings = Gate::beside(&world.service, &world.credential).nats(bus.url());
    let gate = settings.start().await;
    let (mut alice, dead, good) = two(&world, &gate).await;
    bus.becomes(lost);
    alice.logs_out().await;
    verdict_becomes(&gate, &dead, 401, &[200]).await;
    verdict_becomes(&gate, &good, 200, &[]).await;

    bus.becomes(Condition::WELL);
    alice.logs_in().await;
    let dead = alice.access_token();
    verdict_becomes(&gate, &dead, 200, &[]).await;
    alice.logs_out().await;
    verdict_becomes(&gate, &dead, 401, &[200]).await;
    verdict_becomes(&gate, &good, 200, &[]).await;
}

#[tokio::test]
async fn a_verifier_that_loses_nats_learns_over_http_and_never_goes_stale() {
    http_stands_in_while_the_line_to_nats_is(Condition::CUT).await;
}

#[tokio::test]
async fn a_verifier_whose_line_to_nats_goes_dead_learns_over_http_and_never_goes_stale() {
    http_stands_in_while_the_line_to_nats_is(Condition::FROZEN).await;
}

#[tokio::test]
async fn a_verifier_that_loses_both_is_stale_and_comes_back_by_nats_alone() {
    let world = World::begins().await;
    let cut = OnLines::begins(&world).await;
    let (mut alice, dead, good) = two(&world, &cut.gate).await;
    cut.bus.becomes(Condition::CUT);
    // It waits for an answer in vain, so the heartbeats come long before the pages that it missed.
    cut.http.becomes(Condition::FROZEN);
    alice.logs_out().await;
    acceptance_ends_in_time(&cut.gate, &dead, Instant::now()).await;
    says_that_it_is_stale(&cut.gate, &good).await;

    // What was published meanwhile is in the stored stream, and nowhere else that it reaches.
    cut.bus.becomes(Condition::WELL);
    verdict_becomes(&cut.gate, &dead, 401, &[503]).await;
    verdict_becomes(&cut.gate, &good, 200, &[503]).await;
}

#[tokio::test]
async fn without_the_service_a_running_verifier_goes_on_and_a_new_one_waits_for_its_keys() {
    let world = World::begins().await;
    let old = OnLines::begins(&world).await;
    let (mut alice, dead, good) = two(&world, &old.gate).await;
    old.http.becomes(Condition::CUT);
    let gone = Instant::now();
    let new = gate_of(&world).nats(&world.nats.url());
    let new = new.service_url(old.http.url()).listens().await;
    is_not_ready(&new, "starting", "jwks.json").await;
    until("a while without the service", 2 * SOON, async || {
        let without = gone.elapsed();
        let accepted = old.gate.verdict(&good).await;
        assert!([200, 503].contains(&accepted), "{accepted}");
        let starting = new.judges(&good).await.must_be(503);
        assert_eq!(starting.problem(), Some("verifier-starting"));
        // Whatever it knew when the service went is too old by then.
        (accepted == 200 && without > MAX_STALENESS).then_some(())
    })
    .await;
    alice.logs_out().await;
    verdict_becomes(&old.gate, &dead, 401, &[200, 503]).await;

    old.http.becomes(Condition::WELL);
    verdict_becomes(&new, &good, 200, &[503]).await;
    verdict_becomes(&new, &dead, 401, &[503]).await;
}

/// What anyone may do who has the rights of the service.
async fn operator(nats: &Nats) -> jetstream::Context {
    jetstream::new(async_nats::connect(nats.url()).await.unwrap())
}

async fn stored_pages(nats: &Nats) -> Option<u64> {
    let stream = operator(nats).await.get_stream(STREAM).await.ok()?;
    Some(stream.cached_info().state.messages)
}

async fn remove(nats: &Nats) -> Stream {
    let operator = operator(nats).await;
    let stream = operator.get_stream(STREAM).await.unwrap();
    operator.delete_stream(STREAM).await.unwrap();
    stream
}

/// It knows the stream that is there. When it asks again, it has had the answer before.
async fn the_service_has_looked(nats: &Nats) {
    let bus = async_nats::connect(nats.url()).await.unwrap();
    let asks = format!("$JS.API.STREAM.MSG.GET.{STREAM}");
    let asks = bus.subscribe(asks).await.unwrap().take(2);
    let both = tokio::time::timeout(2 * SOON, asks.count()).await;
    assert_eq!(both.unwrap(), 2);
}

/// A verifier that hears of nothing, a revocation, and a loss of what was stored. Then the bus is
/// all that it has.
async fn what_was_lost_is_stored_again(mut world: World, lose: impl AsyncFnOnce(&mut World)) {
    let cut = OnLines::begins(&world).await;
    let (mut alice, dead, good) = two(&world, &cut.gate).await;
    cut.is_cut_off();
    world.stores_what(&alice.logs_out().await).await;
    lose(&mut world).await;
    eventually("a page is stored", 2 * SOON, async || {
        stored_up_to(&world.nats).await.is_some()
    })
    .await;
    cut.bus.becomes(Condition::WELL);
    verdict_becomes(&cut.gate, &dead, 401, &[200, 503]).await;
    verdict_becomes(&cut.gate, &good, 200, &[503]).await;
}

#[tokio::test]
async fn a_stream_that_is_deleted_is_made_and_filled_again() {
    let world = World::begins().await;
    what_was_lost_is_stored_again(world, async |world| drop(remove(&world.nats).await)).await;
}

#[tokio::test]
async fn a_stream_that_is_replaced_by_hand_is_filled_again() {
    let world = World::begins().await;
    what_was_lost_is_stored_again(world, async |world| {
        the_service_has_looked(&world.nats).await;
        let lost = remove(&world.nats).await;
        let operator = operator(&world.nats).await;
        let config = lost.cached_info().config.clone();
        operator.create_stream(config).await.unwrap();
        // Not even empty, so that it looks like one that holds what was acknowledged.
        for _ in 0..=lost.cached_info().state.last_sequence {
            let sent = operator.publish(PAGES, "no page".into()).await.unwrap();
            sent.await.unwrap();
        }
    })
    .await;
}

/// As by a limit on its size. JetStream remembers for two minutes what it has stored, and drops
/// copies of it.
#[tokio::test]
async fn a_stream_that_is_emptied_is_filled_with_what_it_remembers() {
    let world = World::begins().await;
    what_was_lost_is_stored_again(world, async |world| {
        let operator = operator(&world.nats).await;
        let mut stream = operator.get_stream(STREAM).await.unwrap();
        let mut config = stream.info().await.unwrap().config.clone();
        // Of another deployment that shares the stream.
        config.subjects.push("elsewhere.v1.revocations".to_owned());
        let with_room = config.clone();
        config.max_messages = 1;
        operator.update_stream(config).await.unwrap();
        let sent = operator.publish("elsewhere.v1.revocations", "a page".into());
        sent.await.unwrap().await.unwrap();
        operator.update_stream(with_room).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_nats_server_that_is_replaced_by_an_empty_one_is_filled_from_the_floor() {
    let world = World::begins().await;
    what_was_lost_is_stored_again(world, async |world| world.nats.wipe().await).await;
}

/// The pages grow too old while the service cannot reach the bus, and nobody stores new ones.
#[tokio::test]
async fn a_bus_that_was_away_for_longer_than_its_pages_live_is_filled_from_the_floor() {
    let nats = Nats::start().await;
    let line = Link::before(&nats.url()).await;
    let world = World::begins_on(nats, |settings| settings.nats(line.url())).await;
    what_was_lost_is_stored_again(world, async |world| {
        line.becomes(Condition::CUT);
        let operator = operator(&world.nats).await;
        let mut stream = operator.get_stream(STREAM).await.unwrap();
        // Two minutes at least, where nobody hurries them.
        let mut config = stream.info().await.unwrap().config.clone();
        config.max_age = Duration::from_millis(200);
        config.duplicate_window = Duration::from_millis(200);
        operator.update_stream(config).await.unwrap();
        eventually("the pages are gone", SOON, async || {
            stored_pages(&world.nats).await == Some(0)
        })
        .await;
        line.becomes(Condition::WELL);
    })
    .await;
}

/// NATS closes a connection whose reader is too slow, and drops what waited for it.
#[tokio::test]
async fn a_verifier_that_the_bus_drops_for_being_slow_catches_up() {
    let config = "jetstream { store_dir: $NATS_STORE_DIR }\nmax_pending: 1MB\nwrite_deadline: 1s";
    let nats = Nats::with().config(config).start().await;
    let url = nats.url();
    let world = World::begins_on(nats, |settings| settings.nats(&url)).await;
    let slow = OnLines::begins(&world).await;
    let (mut alice, dead, good) = two(&world, &slow.gate).await;
    slow.http.becomes(Condition::CUT);

    slow.gate.server().freeze();
    let stranger = async_nats::connect(world.nats.url()).await.unwrap();
    let flood = bytes::Bytes::from(vec![b'x'; 256 * 1024]);
    until("the bus drops the verifier", 4 * SOON, async || {
        stranger.publish(HEARTBEATS, flood.clone()).await.unwrap();
        stranger.flush().await.unwrap();
        let log = world.nats.server().running().log();
        log.line_with("Slow Consumer Detected").map(drop)
    })
    .await;
    alice.logs_out().await;
    let revoked = Instant::now();
    slow.gate.server().thaw();
    acceptance_ends_in_time(&slow.gate, &dead, revoked).await;
    // It was this one that the bus dropped.
    let log = slow.gate.server().running();
    log.says("lost the connection to NATS", 2 * SOON).await;
    verdict_becomes(&slow.gate, &dead, 401, &[503]).await;
    verdict_becomes(&slow.gate, &good, 200, &[503]).await;
}
