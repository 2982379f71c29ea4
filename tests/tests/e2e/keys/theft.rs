//! A key is stolen, used, and revoked.

use super::{World, kid_of, stolen_key};
use crate::revocation::SOON;
use revocation_events::{Page, Position, UnixMillis};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tests::eventually;
use tests::gate::Gate;
use tests::hostile::{Forge, Kind};
use tests::link::{Condition, Link};

/// Somebody who has read a private key.
struct Thief {
    forge: Forge,
    bus: async_nats::Client,
}

impl Thief {
    /// Steals the key that signed `token`.
    async fn of(world: &World, token: &str) -> Self {
        let secret = stolen_key(world, token).await.secret.to_bytes();
        Self {
            forge: Forge::like(token, Kind::Access, secret, "unused:"),
            bus: async_nats::connect(world.nats.url()).await.unwrap(),
        }
    }

    /// Tells verifiers that there is nothing to know for an hour to come.
    async fn silences(&self, world: &World) -> Position {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let in_an_hour = (now + Duration::from_secs(3600)).as_micros();
        let to = Position::new(u64::try_from(in_an_hour).unwrap()).unwrap();
        let mut pages = Page::cut(
            world.service.issuer(),
            UnixMillis::new(u64::try_from(now.as_millis()).unwrap()),
            (Position::ZERO, to),
            Position::ZERO,
            &[],
        );
        let kid = self.forge.kid().parse().unwrap();
        let page = pages.remove(0).sign(&kid, self.forge.key());
        let published = self.bus.publish("sessions.v1.heartbeats", page.into());
        published.await.unwrap();
        self.bus.flush().await.unwrap();
        to
    }
}

/// `keys revoke`, of the key that signed `token`.
async fn revoke_the_key_of(world: &World, token: &str) {
    let command = ["keys", "revoke", &kid_of(token)];
    world.service.settings().must_run(&command, "").await;
}

#[tokio::test]
async fn a_revoked_key_is_dead_at_every_verifier_at_once() {
    let world = World::begins().await;
    let gates = [world.gate().await, world.gate().await, world.gate().await];
    let mut alice = world.alice();
    alice.logs_in().await;
    let token = alice.access_token();
    let thief = Thief::of(&world, &token).await;
    let forged = thief.forge.good();
    for gate in &gates {
        assert!(
            gate.accepts(&forged).await,
            "the key is good, so the token is"
        );
    }
    let begun = Instant::now();
    revoke_the_key_of(&world, &token).await;
    let revoked = Instant::now();
    for gate in &gates {
        for token in [&token, &forged] {
            eventually("a gate refuses", SOON, async || {
                gate.verdict(token).await == 401
            })
            .await;
        }
    }
    println!(
        "three verifiers refuse {:?} after `keys revoke` has ended, which took {:?}",
        revoked.elapsed(),
        revoked - begun
    );
    // Nobody reads the key set again within five minutes, unless something tells that it is time.
    assert!(revoked.elapsed() < Duration::from_secs(60));
    alice.refreshes().await;
    for gate in &gates {
        let what = "a gate takes what the standby signed";
        eventually(what, SOON, async || {
            gate.verdict(&alice.access_token()).await == 200
        })
        .await;
    }
}

/// The thief's page hides that anything is missing, and the line is cut while the page goes by that
/// names the key. Whoever is told only once believes the thief until the key set is read again.
#[tokio::test]
async fn a_verifier_that_missed_the_page_that_names_a_stolen_key_is_told_again() {
    let world = World::begins().await;
    let bus = Link::before(&world.nats.url()).await;
    let service = Link::before(world.service.url()).await;
    let deceived = Gate::beside(&world.service, &world.credential)
        .service_url(service.url())
        .nats(bus.url())
        .start()
        .await;
    let other = world.gate().await;
    let mut alice = world.alice();
    alice.logs_in().await;
    let token = alice.access_token();
    let thief = Thief::of(&world, &token).await;
    let hidden = thief.silences(&world).await;
    eventually("the thief is believed", SOON, async || {
        deceived.readiness().await.body["head"] == hidden.get()
    })
    .await;

    for link in [&bus, &service] {
        link.becomes(Condition::CUT);
    }
    revoke_the_key_of(&world, &token).await;
    eventually("others have heard", SOON, async || {
        other.verdict(&token).await == 401
    })
    .await;
    alice.refreshes().await;
    let fresh = alice.access_token();
    eventually("others know the next key", SOON, async || {
        other.verdict(&fresh).await == 200
    })
    .await;
    alice.logs_out().await;
    eventually("others have heard", SOON, async || {
        other.verdict(&fresh).await == 401
    })
    .await;
    for link in [&bus, &service] {
        link.becomes(Condition::WELL);
    }
    let healed = Instant::now();
    // The key, and what its thief has hidden.
    for token in [&token, &thief.forge.good(), &fresh] {
        eventually("it refuses", SOON, async || {
            deceived.verdict(token).await == 401
        })
        .await;
    }
    println!(
        "told again, and refusing, {:?} after the line was mended",
        healed.elapsed()
    );
}
