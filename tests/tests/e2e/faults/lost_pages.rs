//! A page that is lost while the connection stays up: nobody is told, and the next page shows it.

use super::{
    MAX_STALENESS, acceptance_ends_in_time, gate_of, says_that_it_is_stale, two, verdict_becomes,
};
use crate::bus::REFUSED_BY_GATE;
use crate::revocation::{PAGES, SOON, World};
use futures::StreamExt as _;
use std::time::Instant;
use tests::eventually::eventually;
use tests::figures::figure;
use tests::link::Condition;
use tests::{Censor, Gate, Link};

/// Where the answers to a verifier's questions come.
const ANSWERS: &str = "_INBOX";

/// A gate that hears of the bus by way of a censor, and has a line to the service.
struct Censored {
    gate: Gate,
    bus: Censor,
    http: Link,
}

impl Censored {
    async fn begins(world: &World) -> Self {
        let bus = Censor::before(&world.nats.url()).await;
        let http = Link::before(world.service.url()).await;
        let settings = gate_of(world).nats(bus.url()).service_url(http.url());
        Self {
            gate: settings.start().await,
            bus,
            http,
        }
    }

    fn never_lost_its_connection(&self) {
        let log = self.gate.server().running().log();
        let lost = log.line_with("lost the connection to NATS");
        assert_eq!(lost, None);
    }
}

#[tokio::test]
async fn a_page_that_is_lost_while_the_line_is_up_is_missed_and_fetched() {
    let world = World::begins().await;
    let censored = Censored::begins(&world).await;
    let Censored { gate, bus, .. } = &censored;
    let (mut alice, dead, good) = two(&world, gate).await;
    bus.loses(PAGES);
    alice.logs_out().await;
    acceptance_ends_in_time(gate, &dead, Instant::now()).await;
    verdict_becomes(gate, &dead, 401, &[503]).await;
    verdict_becomes(gate, &good, 200, &[503]).await;
    assert_eq!(bus.lost(), 1);
    censored.never_lost_its_connection();
}

#[tokio::test]
async fn a_verifier_that_cannot_fetch_what_it_misses_accepts_nothing_until_it_can() {
    let world = World::begins().await;
    let censored = Censored::begins(&world).await;
    let Censored { gate, bus, http } = &censored;
    let (mut alice, dead, good) = two(&world, gate).await;
    http.becomes(Condition::CUT);
    bus.loses(ANSWERS);
    bus.loses(PAGES);
    alice.logs_out().await;
    // Heartbeats come, and say that something is missing.
    acceptance_ends_in_time(gate, &dead, Instant::now()).await;
    says_that_it_is_stale(gate, &good).await;

    // Now it can read the stored stream.
    bus.loses_nothing();
    verdict_becomes(gate, &dead, 401, &[503]).await;
    verdict_becomes(gate, &good, 200, &[503]).await;
    censored.never_lost_its_connection();
}

/// Messages come faster than a verifier can judge them, and its own client drops what does not fit
/// into its queue, pages among them. What they are buried under costs a signature each.
#[tokio::test]
async fn a_verifier_whose_own_client_drops_pages_for_being_slow_catches_up() {
    const MESSAGES: usize = 30_000;
    let world = World::begins().await;
    let censored = Censored::begins(&world).await;
    let Censored { gate, bus, http } = &censored;
    let listener = async_nats::connect(world.nats.url()).await.unwrap();
    let mut pages = listener.subscribe(PAGES).await.unwrap();
    listener.flush().await.unwrap();
    let (mut alice, _, _) = two(&world, gate).await;
    alice.logs_out().await;
    let page = pages.next().await.unwrap().payload;
    let mut forged = page.to_vec();
    let letter = forged.len() - 40;
    forged[letter] = if forged[letter] == b'A' { b'B' } else { b'A' };

    // Each page by itself may find a place that was just left.
    let mut users = Vec::new();
    for _ in 0..5 {
        users.push(two(&world, gate).await);
    }
    let before = figure(&gate.url(""), REFUSED_BY_GATE).await;
    bus.buries(PAGES, &forged, MESSAGES);
    let mut revoked = Vec::new();
    for (alice, dead, _) in &mut users {
        alice.logs_out().await;
        revoked.push((dead.clone(), Instant::now()));
    }
    for (dead, revoked) in revoked {
        acceptance_ends_in_time(gate, &dead, revoked).await;
        verdict_becomes(gate, &dead, 401, &[503]).await;
    }
    for (_, _, good) in &users {
        verdict_becomes(gate, good, 200, &[503]).await;
    }

    // A heartbeat is taken only when no page waits; and by now it can come over the bus alone.
    http.becomes(Condition::CUT);
    let cut = Instant::now();
    eventually("all that was not dropped is judged", 6 * SOON, async || {
        let age = gate.readiness().await.body["age_ms"].as_u64();
        cut.elapsed() > MAX_STALENESS && age.is_some_and(|age| age < 1_000)
    })
    .await;
    let refused = figure(&gate.url(""), REFUSED_BY_GATE).await - before;
    println!("{refused} of {MESSAGES} were not dropped");
    assert!(refused < MESSAGES as f64, "none was dropped");
    assert_eq!(bus.lost(), 0, "and none was lost on the way");
    censored.never_lost_its_connection();
}
